/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_lan_test.c - values of --lan and --lease: what they become, or why they are refused */
#include "../t.h"
#include "../../conf_lan.c"

static struct conf c;

/* "LAN LEASE...": as the program reads them; the reason to refuse them, or NULL */
static const char *run(const char *words, unsigned guests)
{
	static char text[LAN_TEXT];
	char buf[512];
	const char *why = NULL;

	snprintf(buf, sizeof(buf), "%s", words);
	c = (struct conf){ .guests = guests, .our_mac = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } } };
	for (enum family f = V4; f < FAMILIES; f++)
		c.ip[f].addr = c.ip[f].gw = addr_any(f);
	for (char *s = strtok(buf, " "); s && !why; s = strtok(NULL, " "))
		why = strchr(s, '=') ? conf_lease(&c.lan, s) : conf_lan(&c.lan, s);
	return why ? why : conf_lan_check(&c, text);
}

static void test_rows(void)
{
	static const struct {
		const char *words, *want;		/* NULL: taken */
		unsigned guests;
	} rows[] = {
		{ "192.168.77.0/24", NULL, 64 },
		{ "192.168.77.5/24,fd00::5/64", NULL, 64 },
		{ "10.0.0.0/8", NULL, 64 },
		{ "10.0.0.0/30", NULL, 1 },
		{ "10.0.0.0/30", "--lan has fewer addresses for guests than --guests", 2 },
		{ "10.0.0.0/31", "the prefix length of IPv4 is not between 8 and 30", 1 },
		{ "10.0.0.0/7", "the prefix length of IPv4 is not between 8 and 30", 1 },
		{ "10.0.0.0", "not an IPv4 prefix, ADDRESS/BITS", 1 },
		{ "10.0.0.0/33", "not an IPv4 prefix, ADDRESS/BITS", 1 },
		{ "10.0.0.0/", "not an IPv4 prefix, ADDRESS/BITS", 1 },
		{ "fd00::/64", "not an IPv4 prefix, ADDRESS/BITS", 1 },
		{ "10.0.0.0/24,10.0.1.0/24", "not an IPv6 prefix, ADDRESS/BITS", 1 },
		{ "10.0.0.0/24,", "not an IPv6 prefix, ADDRESS/BITS", 1 },
		{ "10.0.0.0/24,fd00::/63", "the prefix length of IPv6 is not 64", 1 },
		{ "10.0.0.0/24,fe80::/64", "not a prefix of unicast addresses", 1 },
		{ "127.0.0.0/8", "not a prefix of unicast addresses", 1 },
		{ "224.0.0.0/24", "not a prefix of unicast addresses", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.2,web", NULL, 1 },
		{ "10.0.0.0/24,fd00::/64 52:54:00:00:00:01=10.0.0.2,web 52:54:00:00:00:01=fd00::2,WEB", NULL, 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.2 52:54:00:00:00:01=10.0.0.3",
		  "the MAC address has one already", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.2 52:54:00:00:00:02=10.0.0.2",
		  "another MAC address has this one", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.2,a 52:54:00:00:00:02=10.0.0.3,A",
		  "another MAC address has this name",
		  1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.2,host", "not a name that a guest may have", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.2,-a", "not a name that a guest may have", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.2,a.b", "not a name that a guest may have", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.2,", "not a name that a guest may have", 1 },
		{ "10.0.0.0/24 53:54:00:00:00:01=10.0.0.2", "not a unicast MAC address", 1 },
		{ "10.0.0.0/24 52:54=10.0.0.2", "not a unicast MAC address", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=web", "not an IPv4 or IPv6 address", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.1",
		  "Invalid value \"10.0.0.1\" for --lease: this is our address", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.0",
		  "Invalid value \"10.0.0.0\" for --lease: not an address of one host",
		  1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.0.255",
		  "Invalid value \"10.0.0.255\" for --lease: not an address of one host", 1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=10.0.1.2", "Invalid value \"10.0.1.2\" for --lease: outside of --lan",
		  1 },
		{ "10.0.0.0/24 52:54:00:00:00:01=fd00::2", "Invalid value \"fd00::2\" for --lease: outside of --lan",
		  1 },
		{ "10.0.0.0/24 9a:55:9a:55:9a:55=10.0.0.2",
		  "Invalid value \"10.0.0.2\" for --lease: this is our MAC address", 1 },
		{ "52:54:00:00:00:01=10.0.0.2", "--lease needs --lan", 1 },
		{ "", "--guests needs --lan", 2 },
		{ "", NULL, 1 },
	};
	char a[ADDR_STRLEN];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		test("%u guests: %s", rows[i].guests, rows[i].words);
		eq_str(run(rows[i].words, rows[i].guests), rows[i].want);
	}

	test("what is kept");
	eq_str(run("10.1.2.3/20,fd00::1:2:3/64 52:54:00:00:00:01=10.1.0.2,Web", 1), NULL);
	ok(c.lan.on && c.lan.v6 && !c.lan.isolate);
	eq(c.lan.plen4, 20);
	eq_str(addr_fmt(&c.lan.net[V4], a), "10.1.0.0");
	eq_str(addr_fmt(&c.lan.net[V6], a), "fd00::");
	eq(c.lan.nlease, 1);
	eq_str(c.lan.lease[0].name, "web");

	test("as many leases as there may be");
	run("10.0.0.0/16", 1);
	for (unsigned i = 0; i < LEASE_MAX; i++) {
		char text[64];

		snprintf(text, sizeof(text), "52:54:00:00:00:%02x=10.0.1.%u", i, i);
		eq_str(conf_lease(&c.lan, text), NULL);
	}
	eq_str(conf_lease(&c.lan, "52:54:00:00:01:00=10.0.2.1"), "too many leases");
}

int main(void)
{
	test_rows();
	return done();
}
