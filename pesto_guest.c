/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pesto_guest.c - the guests of a passt or pasta that runs: shown, and disconnected */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "opt.h"
#include "pesto.h"

#define CALL_MAX	2048

/* Bytes of a member that counts frames and bytes */
static int64_t bytes_of(const char *v, const char *name)
{
	return pesto_int(json_member(v, name), "bytes");
}

static void print_row(const char *v)
{
	char mac[PESTO_TEXT], name[PESTO_TEXT], link[PESTO_TEXT], a[ADDR_STRLEN];
	const char *comma = "";

	pesto_text(v, "mac", mac);
	pesto_text(v, "name", name);
	pesto_text(v, "link", link);
	printf("%-5" PRIi64 "  %-17.17s  %-15.63s  %-10.10s  %7" PRIi64 "  %12" PRIi64 "  %12" PRIi64 "  %7" PRIi64
	       "  ",
	       pesto_int(v, "index"), *mac ? mac : "-", *name ? name : "-", link, pesto_int(v, "age") / 1000,
	       bytes_of(v, "from_guest"), bytes_of(v, "to_guest"), pesto_int(v, "dropped"));
	for (const char *m = json_first(json_member(v, "addresses")); m; m = json_next(m)) {
		if (!json_get_str(m, a, sizeof(a)))
			continue;
		text_safe(a, strlen(a));
		printf("%s%s", comma, a);
		comma = ",";
	}
	printf("%s\n", *comma ? "" : "-");
}

void pesto_guests(int fd, const char *path)
{
	static const char call[] = "{\"method\":\"" CONTROL_INTERFACE ".ListGuests\"}";
	const char *list;

	pesto_call(fd, path, call, sizeof(call));
	list = json_member(pesto_answer(fd, path, NULL), "guests");
	printf("%-5s  %-17s  %-15s  %-10s  %7s  %12s  %12s  %7s  %s\n", "INDEX", "MAC", "NAME", "LINK", "SECONDS",
	       "FROM", "TO", "DROPPED", "ADDRESSES");
	for (const char *v = json_first(list); v; v = json_next(v))
		print_row(v);
}

void pesto_disconnect(int fd, const char *path, const char *guest)
{
	char call[CALL_MAX];
	struct json_out o = { .b = call, .max = sizeof(call) };

	json_open(&o, NULL, '{');
	json_str(&o, "method", CONTROL_INTERFACE ".DisconnectGuest");
	json_open(&o, "parameters", '{');
	json_str(&o, "guest", guest);
	json_close(&o, '}');
	json_close(&o, '}');
	json_nul(&o);
	if (strlen(guest) >= DOMAIN_MAX)		/* no name, address or number */
		die("No such guest: %.256s (--disconnect)", guest);
	pesto_call(fd, path, call, o.len);
	pesto_answer(fd, path, NULL);
}
