/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LDFLAGS: -Wl,--wrap=die,--wrap=log_at */
/* fuzz_conf.c - command line and resolv.conf: arguments are lines, an empty one ends them; resolv.conf is the rest */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define printf(...)	snprintf(NULL, 0, __VA_ARGS__)	/* --help: not between TAP lines */
#define exit		__wrap_exit			/* conf.c's only: libFuzzer calls it as well */
_Noreturn void __wrap_exit(int status);

#include "../../opt.c"
#include "../../conf.c"
#include "../../conf_ports.c"
#include "../../net.c"
#include "../../summary.h"
#include "../conf_run.h"

#define CHECK(x)	do { if (!(x)) __builtin_trap(); } while (0)
#define ARGS_MAX	32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s, size_t size)
{
	CHECK(memchr(s, '\0', size));
}

/* Formatted as an option, it makes the same rule */
static void check_again(const struct rule *r)
{
	char text[RULE_STRLEN];
	static struct rules t;

	t.n = 0;
	t.run_time = true;
	rule_fmt(r, text);
	CHECK(!conf_ports(&t, MODE_PASTA, text[1], text + 3) && t.n == 1 && rule_same(&t.rule[0], r));
}

static void check_rules(const struct conf *c)
{
	CHECK(c->rules.n <= RULES_MAX);
	for (const struct rule *r = c->rules.rule; r < c->rules.rule + c->rules.n; r++) {
		CHECK(r->first && r->first <= r->last && r->to && r->to + (r->last - r->first) <= UINT16_MAX);
		CHECK(r->proto == IPPROTO_TCP || r->proto == IPPROTO_UDP);
		CHECK(!r->weak || r->to == r->first);
		CHECK(addr_is_unspec(&r->to_addr) || (!r->any && addr_is_v4(&r->addr) == addr_is_v4(&r->to_addr)));
		check_text(r->ifname, sizeof(r->ifname));
		CHECK(rule_text(r)[0] == '-');
		check_again(r);
	}
}

static void check_search(const struct search *l)
{
	CHECK(l->n <= SEARCH_MAX);
	for (unsigned i = 0; i < l->n; i++)
		CHECK(domain_ok(l->name[i], strlen(l->name[i])));
}

static void check_conf(const struct conf *c)
{
	CHECK(!c->netns || strchr(c->netns, '/'));
	check_text(c->ns_ifname, sizeof(c->ns_ifname));
	CHECK(!c->hostname || domain_ok(c->hostname, strlen(c->hostname)));
	CHECK(c->mtu <= MTU_MAX);
	check_search(&c->search);
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct conf_ip *ip = &c->ip[f];

		CHECK(ip->ndns <= DNS_MAX && ip->plen <= (f == V4 ? 32 : 128));
		CHECK(addr_family(&ip->addr) == f && addr_family(&ip->gw) == f && addr_family(&ip->dns_forward) == f);
		CHECK(addr_family(&ip->dns_host) == f);
		CHECK(!addr_is_loopback(&ip->addr) && !addr_is_loopback(&ip->map_loopback));
		for (unsigned i = 0; i < ip->ndns; i++)
			CHECK(addr_family(&ip->dns[i]) == f);
	}
	check_rules(c);
}

static void check_net(const struct conf *c, const char *resolv, size_t len)
{
	static char path[32];
	static int fd = -1;
	static struct net net;

	if (fd < 0)
		fd = memfd_create("resolv.conf", 0);
	CHECK(fd >= 0 && !ftruncate(fd, 0) && pwrite(fd, resolv, len, 0) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%i", fd);
	net_resolv_path = path;
	if (setjmp(run.end))
		return;
	from_options(&net, c);
	net.ip[V4].gw = no_gw4;
	net.ip[V6].gw = default_ll;
	complete(&net);
	summary_print(&net, c->ns_ifname, c->socket ? c->socket : "");
	check_search(&net.search);
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_ip *ip = &net.ip[f];
		const struct guest_ip *g = &ip->guest;

		CHECK(g->ndns <= DNS_MAX && g->plen <= (f == V4 ? 32 : 128));
		CHECK(addr_family(&g->addr) == f && addr_family(&ip->gw) == f && addr_family(&ip->dns_forward) == f);
		CHECK(addr_family(&ip->dns_host) == f || !addr_is_unspec(&ip->dns_host));
		CHECK(!addr_is_loopback(&g->addr) && !addr_is_loopback(&ip->map_loopback));
		for (unsigned i = 0; i < g->ndns; i++)
			CHECK(addr_family(&g->dns[i]) == f && (c->ip[f].dns_given || !addr_is_loopback(&g->dns[i])) &&
			      !addr_is_unspec(&g->dns[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char buf[8192], *argv[ARGS_MAX + 2];
	char *s = buf, *end = buf + size;
	static struct conf c;
	int argc = 0;

	if (size >= sizeof(buf))
		return 0;
	memcpy(buf, data, size);
	buf[size] = '\0';
	while (s < end && *s != '\n' && argc < ARGS_MAX) {
		argv[argc++] = s;
		s += strcspn(s, "\n");
		if (s < end)
			*s++ = '\0';
		if (!strncmp(argv[argc - 1], "--po", 4))	/* reads a file of any name; fuzz_policy.c */
			return 0;
	}
	argv[argc] = NULL;

	passwd_path = group_path = "/dev/null";
	if (run_parse(&c, argc, argv)) {
		check_conf(&c);
		check_net(&c, s, (size_t)(end - s));
	} else {
		CHECK(run.status == EXIT_SUCCESS || (run.status == EXIT_FAILURE && run.error[0]));
	}
	return 0;
}
