/* SPDX-License-Identifier: GPL-2.0-or-later */
/* map_test.c - address mapping as tables */

#include "../addresses.h"
#include "../t.h"
#include "../../map.c"

static const char *text(const struct addr *a)
{
	static char buf[4][ADDR_STRLEN];
	static unsigned n;

	return addr_fmt(a, buf[n++ % 4]);
}

/* Options that matter here, as net_start() leaves them; the guest is 10.0.2.15 and 2001:db8::15 throughout */
struct setup {
	const char	*name;
	const char	*gw4, *gw6, *lo4, *lo6, *guest4, *guest6, *fwd4, *fwd6, *dns4, *dns6, *out4, *out6;
	bool		off4, off6, no_tcp, no_udp, no_icmp;
	const char	*seen4, *seen6, *seen_ll, *our_ll, *ns_ll;
	bool		no_addr6;
};

enum setups {
	PLAIN, NO_MAP, DNS_LO, DNS_GW, DNS_FWD, DNS_AWAY, MAPS, OUT, V4_ONLY, V6_ONLY, NOTHING, SEEN, LL_GW, LL_ONLY,
	NO_GW, LOCAL_GW, DNS_OTHER
};

static const struct setup setups[] = {
	[PLAIN] = { "gateway leads to loopback", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2", .lo4 = "10.0.2.2",
		    .lo6 = "2001:db8::2" },
	[NO_MAP] = { "--no-map-gw", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2" },
	[DNS_LO] = { "resolver on loopback", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2", .lo4 = "10.0.2.2",
		     .lo6 = "2001:db8::2", .fwd4 = "10.0.2.2", .fwd6 = "2001:db8::2", .dns4 = "127.0.0.53",
		     .dns6 = "::1" },
	[DNS_GW] = { "gateway is the resolver", .gw4 = "10.0.2.2", .lo4 = "10.0.2.2", .fwd4 = "10.0.2.2",
		     .dns4 = "10.0.2.2" },
	[DNS_FWD] = { "--dns-forward --no-map-gw", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2", .fwd4 = "169.254.1.1",
		      .fwd6 = "64:ff9b:1::1", .dns4 = "127.0.0.53", .dns6 = "2001:db8:53::1", .out4 = "192.0.2.9" },
	[DNS_AWAY] = { "--dns-forward, no resolver", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2", .lo4 = "10.0.2.2",
		       .fwd4 = "10.0.2.2", .fwd6 = "64:ff9b:1::1" },
	[MAPS] = { "--map-guest-addr, --map-host-loopback", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2", .lo4 = "10.0.2.3",
		   .lo6 = "2001:db8::3", .guest4 = "169.254.1.2", .guest6 = "2001:db8::4", .out4 = "192.0.2.9",
		   .out6 = "2001:db8::9" },
	[OUT] = { "-o", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2", .lo4 = "10.0.2.2", .out4 = "192.0.2.9",
		  .out6 = "2001:db8::9" },
	[V4_ONLY] = { "-4", .gw4 = "10.0.2.2", .lo4 = "10.0.2.2", .off6 = true },
	[V6_ONLY] = { "-6", .gw6 = "2001:db8::2", .lo6 = "2001:db8::2", .off4 = true },
	[NOTHING] = { "--no-tcp --no-udp --no-icmp", .gw4 = "10.0.2.2", .no_tcp = true, .no_udp = true,
		      .no_icmp = true },
	[SEEN] = { "guest chose other addresses", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2", .lo4 = "10.0.2.2",
		   .lo6 = "2001:db8::2", .seen4 = "10.0.2.77", .seen6 = "2001:db8::77", .seen_ll = "fe80::77" },
	[LL_GW] = { "link-local gateway, --no-map-gw", .gw6 = "fe80::2", .our_ll = "fe80::2", .ns_ll = "fe80::15" },
	[LL_ONLY] = { "IPv6 without a global address", .gw6 = "fe80::1", .lo6 = "fe80::1", .ns_ll = "fe80::15",
		      .no_addr6 = true },
	[NO_GW] = { "no gateway on the host, --no-map-gw", .our_ll = "fe80::1" },
	[LOCAL_GW] = { "--map-host-loopback none", .gw4 = "169.254.2.2", .gw6 = "fe80::1", .our_ll = "fe80::1",
		       .ns_ll = "fe80::15" },
	[DNS_OTHER] = { "resolvers of the other family", .gw4 = "10.0.2.2", .gw6 = "2001:db8::2", .fwd4 = "169.254.1.1",
			.fwd6 = "64:ff9b:1::1", .dns4 = "fe80::53", .dns6 = "127.0.0.53", .out4 = "192.0.2.9",
			.out6 = "2001:db8::9" },
};

static struct conf conf;

static void set_up(const struct setup *u, struct net *c, struct seen *s)
{
	struct net_ip *ip4 = &c->ip[V4], *ip6 = &c->ip[V6];

	conf = (struct conf){ .no_tcp = u->no_tcp, .no_udp = u->no_udp, .no_icmp = u->no_icmp };
	conf.ip[V4].out_addr = A(u->out4);
	conf.ip[V6].out_addr = A(u->out6);
	*c = (struct net){ .cf = &conf };
	*ip4 = (struct net_ip){			/* gateways as net.c has them where the host has none */
		.on = !u->off4, .ifindex = 4, .guest.addr = A("10.0.2.15"),
		.gw = A(u->gw4 ? u->gw4 : "169.254.2.2"), .map_loopback = A(u->lo4),
		.map_guest = A(u->guest4), .dns_forward = A(u->fwd4), .dns_host = A(u->dns4),
	};
	*ip6 = (struct net_ip){
		.on = !u->off6, .ifindex = 6, .guest.addr = A(u->no_addr6 ? NULL : "2001:db8::15"),
		.gw = A(u->gw6 ? u->gw6 : "fe80::1"),
		.map_loopback = A(u->lo6), .map_guest = A(u->guest6), .dns_forward = A(u->fwd6), .dns_host = A(u->dns6),
		.our_ll = A(u->our_ll), .guest.ll = A(u->ns_ll),
	};
	*s = (struct seen){ { A(u->seen4), A(u->seen6) }, A(u->seen_ll) };
}

enum { T = IPPROTO_TCP, U = IPPROTO_UDP, I4 = IPPROTO_ICMP, I6 = IPPROTO_ICMPV6 };

#define G4	"10.0.2.15"
#define G6	"2001:db8::15"

static const struct out {
	const char	*name;
	enum setups	setup;
	uint8_t		proto;
	const char	*src, *dst;
	uint16_t	port;
	enum drop	drop;
	const char	*to, *from;	/* NULL: unspecified */
} outs[] = {
	{ "any address is itself", PLAIN, T, G4, "198.51.100.1", 80, DROP_NONE, "198.51.100.1", NULL },
	{ "any address is itself, IPv6", PLAIN, T, G6, "2001:db8:1::1", 80, DROP_NONE, "2001:db8:1::1", NULL },
	{ "any address is itself, UDP port 53", PLAIN, U, G4, "198.51.100.1", 53, DROP_NONE, "198.51.100.1", NULL },
	{ "echo", PLAIN, I4, G4, "198.51.100.1", 0, DROP_NONE, "198.51.100.1", NULL },
	{ "echo, IPv6", PLAIN, I6, G6, "2001:db8:1::1", 0, DROP_NONE, "2001:db8:1::1", NULL },

	{ "SEC-04 gateway is the host's loopback", PLAIN, T, G4, "10.0.2.2", 80, DROP_NONE, "127.0.0.1", NULL },
	{ "SEC-04 gateway is the host's loopback, IPv6", PLAIN, U, G6, "2001:db8::2", 80, DROP_NONE, "::1", NULL },
	{ "gateway answers echo", PLAIN, I4, G4, "10.0.2.2", 0, DROP_NONE, "127.0.0.1", NULL },
	{ "SEC-04 gateway is itself with --no-map-gw", NO_MAP, T, G4, "10.0.2.2", 80, DROP_NONE, "10.0.2.2", NULL },
	{ "SEC-04 the same, IPv6", NO_MAP, T, G6, "2001:db8::2", 80, DROP_NONE, "2001:db8::2", NULL },
	{ "loopback never leaves", PLAIN, T, G4, "127.0.0.1", 80, DROP_ADDR, NULL, NULL },
	{ "loopback never leaves, all of 127/8", PLAIN, U, G4, "127.255.0.9", 80, DROP_ADDR, NULL, NULL },
	{ "loopback never leaves, IPv6", PLAIN, T, G6, "::1", 80, DROP_ADDR, NULL, NULL },
	{ "loopback never leaves, --no-map-gw", NO_MAP, I4, G4, "127.0.0.1", 0, DROP_ADDR, NULL, NULL },
	{ "loopback as the source", PLAIN, U, "127.0.0.1", "198.51.100.1", 80, DROP_ADDR, NULL, NULL },
	{ "loopback as the source, IPv6", PLAIN, U, "::1", "2001:db8:1::1", 80, DROP_ADDR, NULL, NULL },
	{ "unspecified destination", PLAIN, U, G4, "0.0.0.0", 80, DROP_ADDR, NULL, NULL },
	{ "unspecified destination, IPv6", PLAIN, T, G6, "::", 80, DROP_ADDR, NULL, NULL },
	{ "UDP-19 unspecified source", PLAIN, U, "0.0.0.0", "198.51.100.1", 80, DROP_ADDR, NULL, NULL },
	{ "UDP-19 unspecified source to the gateway", PLAIN, U, "0.0.0.0", "10.0.2.2", 80, DROP_ADDR, NULL, NULL },
	{ "UDP-19 unspecified source, IPv6", PLAIN, U, "::", "2001:db8::2", 80, DROP_ADDR, NULL, NULL },
	{ "multicast source", PLAIN, U, "224.0.0.1", "198.51.100.1", 80, DROP_ADDR, NULL, NULL },

	{ "DNS-01 gateway is the resolver on loopback", DNS_LO, U, G4, "10.0.2.2", 53, DROP_NONE, "127.0.0.53", NULL },
	{ "DNS-01 the same, IPv6", DNS_LO, U, G6, "2001:db8::2", 53, DROP_NONE, "::1", NULL },
	{ "DNS-02 TCP as well", DNS_LO, T, G4, "10.0.2.2", 53, DROP_NONE, "127.0.0.53", NULL },
	{ "DNS-02 port 853", DNS_LO, T, G4, "10.0.2.2", 853, DROP_NONE, "127.0.0.53", NULL },
	{ "DNS-02 port 853, UDP", DNS_LO, U, G4, "10.0.2.2", 853, DROP_NONE, "127.0.0.53", NULL },
	{ "DNS-01 other ports are loopback", DNS_LO, T, G4, "10.0.2.2", 54, DROP_NONE, "127.0.0.1", NULL },
	{ "DNS-01 echo is loopback", DNS_LO, I4, G4, "10.0.2.2", 53, DROP_NONE, "127.0.0.1", NULL },
	{ "DNS-01 echo is loopback, IPv6", DNS_LO, I6, G6, "2001:db8::2", 53, DROP_NONE, "::1", NULL },
	{ "DNS-04 gateway is the resolver itself", DNS_GW, U, G4, "10.0.2.2", 53, DROP_NONE, "10.0.2.2", NULL },
	{ "DNS-04 other ports are loopback", DNS_GW, U, G4, "10.0.2.2", 80, DROP_NONE, "127.0.0.1", NULL },
	{ "DNS-03 forward to loopback, --no-map-gw", DNS_FWD, U, G4, "169.254.1.1", 53, DROP_NONE, "127.0.0.53", NULL },
	{ "forward, IPv6", DNS_FWD, T, G6, "64:ff9b:1::1", 853, DROP_NONE, "2001:db8:53::1", NULL },
	{ "other ports of that address", DNS_FWD, T, G4, "169.254.1.1", 80, DROP_NONE, "169.254.1.1", "192.0.2.9" },
	{ "echo to the forward address", DNS_FWD, I6, G6, "64:ff9b:1::1", 53, DROP_NONE, "64:ff9b:1::1", NULL },
	{ "another resolver is itself", DNS_FWD, U, G4, "198.51.100.1", 53, DROP_NONE, "198.51.100.1", "192.0.2.9" },
	{ "no resolver", DNS_AWAY, U, G6, "64:ff9b:1::1", 53, DROP_POLICY, NULL, NULL },
	{ "no resolver, loopback is none either", DNS_AWAY, U, G4, "10.0.2.2", 53, DROP_POLICY, NULL, NULL },
	{ "no resolver, other ports", DNS_AWAY, U, G4, "10.0.2.2", 123, DROP_NONE, "127.0.0.1", NULL },

	{ "resolver of the other family", DNS_OTHER, U, G4, "169.254.1.1", 53, DROP_NONE, "fe80::53", "2001:db8::9" },
	{ "resolver of the other family, TCP", DNS_OTHER, T, G4, "169.254.1.1", 853, DROP_NONE, "fe80::53",
	  "2001:db8::9" },
	{ "resolver of the other family, IPv6", DNS_OTHER, U, G6, "64:ff9b:1::1", 853, DROP_NONE, "127.0.0.53",
	  "0.0.0.0" },
	{ "resolver of the other family, other ports", DNS_OTHER, U, G6, "64:ff9b:1::1", 80, DROP_NONE, "64:ff9b:1::1",
	  "2001:db8::9" },

	{ "FWD-20 own address of the host", MAPS, T, G4, "169.254.1.2", 80, DROP_NONE, G4, NULL },
	{ "FWD-20 own address of the host, IPv6", MAPS, U, G6, "2001:db8::4", 80, DROP_NONE, G6, NULL },
	{ "FWD-20 own address, echo", MAPS, I4, G4, "169.254.1.2", 0, DROP_NONE, G4, NULL },
	{ "--map-host-loopback", MAPS, T, G4, "10.0.2.3", 80, DROP_NONE, "127.0.0.1", NULL },
	{ "--map-host-loopback, IPv6", MAPS, T, G6, "2001:db8::3", 80, DROP_NONE, "::1", NULL },
	{ "the gateway then is itself", MAPS, T, G4, "10.0.2.2", 80, DROP_NONE, "10.0.2.2", "192.0.2.9" },
	{ "guest's own address is the host's", PLAIN, T, G4, G4, 80, DROP_NONE, G4, NULL },
	{ "no address for the host's own", LL_ONLY, T, "fe80::15", "fe80::1", 80, DROP_NONE, "::1", NULL },

	{ "UDP-22 -o for TCP", OUT, T, G4, "198.51.100.1", 80, DROP_NONE, "198.51.100.1", "192.0.2.9" },
	{ "UDP-22 -o for UDP", OUT, U, G4, "198.51.100.1", 80, DROP_NONE, "198.51.100.1", "192.0.2.9" },
	{ "UDP-22 -o for echo", OUT, I4, G4, "198.51.100.1", 0, DROP_NONE, "198.51.100.1", "192.0.2.9" },
	{ "UDP-22 -o, IPv6", OUT, U, G6, "2001:db8:1::1", 80, DROP_NONE, "2001:db8:1::1", "2001:db8::9" },
	{ "UDP-22 -o for echo, IPv6", OUT, I6, G6, "2001:db8:1::1", 0, DROP_NONE, "2001:db8:1::1", "2001:db8::9" },
	{ "UDP-22 -o for multicast", OUT, U, G4, "239.255.255.250", 1900, DROP_NONE, "239.255.255.250", "192.0.2.9" },
	{ "-o not for loopback", OUT, T, G4, "10.0.2.2", 80, DROP_NONE, "127.0.0.1", NULL },
	{ "-o not for the host's own address", OUT, T, G4, G4, 80, DROP_NONE, G4, NULL },

	{ "UDP-06 multicast leaves", PLAIN, U, G4, "239.255.255.250", 1900, DROP_NONE, "239.255.255.250", NULL },
	{ "UDP-25 multicast leaves, IPv6", PLAIN, U, G6, "ff15::efc0:988f", 6771, DROP_NONE, "ff15::efc0:988f", NULL },
	{ "UDP-06 broadcast leaves", PLAIN, U, G4, "255.255.255.255", 9, DROP_NONE, "255.255.255.255", NULL },
	{ "multicast, TCP", PLAIN, T, G4, "224.0.0.1", 80, DROP_ADDR, NULL, NULL },
	{ "multicast, TCP over IPv6", PLAIN, T, G6, "ff02::1", 80, DROP_ADDR, NULL, NULL },
	{ "broadcast, TCP", PLAIN, T, G4, "255.255.255.255", 80, DROP_ADDR, NULL, NULL },
	{ "multicast, echo", PLAIN, I4, G4, "224.0.0.1", 0, DROP_ADDR, NULL, NULL },

	{ "link-local", PLAIN, T, "fe80::15", "fe80::9", 80, DROP_NONE, "fe80::9", NULL },
	{ "IPv4 link-local", PLAIN, U, G4, "169.254.9.9", 80, DROP_NONE, "169.254.9.9", NULL },
	{ "link-local gateway, --no-map-gw", LL_GW, T, "fe80::15", "fe80::2", 80, DROP_NONE, "fe80::2", NULL },

	{ "-4: no IPv6", V4_ONLY, T, G6, "2001:db8:1::1", 80, DROP_POLICY, NULL, NULL },
	{ "-6: no IPv4", V6_ONLY, U, G4, "198.51.100.1", 80, DROP_POLICY, NULL, NULL },
	{ "-6: IPv6", V6_ONLY, U, G6, "2001:db8::2", 80, DROP_NONE, "::1", NULL },
	{ "--no-tcp", NOTHING, T, G4, "198.51.100.1", 80, DROP_POLICY, NULL, NULL },
	{ "--no-udp", NOTHING, U, G4, "198.51.100.1", 80, DROP_POLICY, NULL, NULL },
	{ "--no-icmp", NOTHING, I4, G4, "198.51.100.1", 0, DROP_POLICY, NULL, NULL },
	{ "--no-icmp, IPv6", NOTHING, I6, G6, "2001:db8:1::1", 0, DROP_POLICY, NULL, NULL },
	{ "NL-19 other source than assigned", SEEN, T, "2001:db8::77", "2001:db8:1::1", 80, DROP_NONE, "2001:db8:1::1",
	  NULL },
};

static void test_out(void)
{
	for (const struct out *o = outs; o < outs + ARRAY_SIZE(outs); o++) {
		struct end src = { A(o->src), 40000 }, dst = { A(o->dst), o->port };
		bool v4 = addr_is_v4(&dst.a);
		struct addr none = v4 ? addr_any4 : addr_any6, from = o->from ? A(o->from) : none;
		struct side host;
		struct net c;
		struct seen s;

		test("out: %s (%s)", o->name, setups[o->setup].name);
		set_up(&setups[o->setup], &c, &s);
		if (!eq(map_out(&c, o->proto, &src, &dst, &host), o->drop) || o->drop)
			continue;
		eq_str(text(&host.peer.a), o->to);
		eq(host.peer.port, o->port);
		eq_str(text(&host.our.a), text(&from));
		eq(host.our.port, 40000);
	}
}

static void test_leave(void)
{
	static const struct {
		const char	*asked;
		uint16_t	port;
		const char	*to, *ifname;
		unsigned	scope;
	} rows[] = {
		{ "169.254.1.1", 53, "fe80::53", "six", 77 },		/* the resolver's interface */
		{ "169.254.1.1", 853, "fe80::53", "six", 77 },
		{ "fe80::53", 53, "fe80::53", "six", 6 },		/* a neighbour's */
		{ "64:ff9b:1::1", 53, "127.0.0.53", "", 0 },
		{ "64:ff9b:1::1", 53, "198.51.100.53", "four", 0 },
		{ "198.51.100.1", 80, "198.51.100.1", "four", 0 },
		{ "10.0.2.2", 80, "127.0.0.1", "", 0 },
		{ "ff02::1", 80, "ff02::1", "six", 6 },
	};
	struct net c;
	struct seen s;

	set_up(&setups[DNS_OTHER], &c, &s);
	c.ip[V4].dns_scope = 77;
	strcpy(conf.ip[V4].out_if, "four");
	strcpy(conf.ip[V6].out_if, "six");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct end asked = { A(rows[i].asked), rows[i].port };
		struct addr to = A(rows[i].to);
		struct sock_out o = map_leave(&c, &asked, &to);

		test("out: interface by the host's side: %s, port %u, to %s", rows[i].asked, rows[i].port, rows[i].to);
		eq_str(o.ifname, rows[i].ifname);
		eq(o.scope, rows[i].scope);
	}
}

#define SAME_TO(target)	80, 80, 80, 80, target
#define SAME		SAME_TO(NULL)

static const struct in {
	const char	*name;
	enum setups	setup;
	uint8_t		proto;
	const char	*client;
	enum drop	drop;
	const char	*shown, *guest;
	uint16_t	at, first, to, port;	/* on the host, of the rule, in the guest */
	const char	*target;		/* of the rule, NULL: none */
} ins[] = {
	{ "FWD-21 client is itself", PLAIN, T, "198.51.100.1", DROP_NONE, "198.51.100.1", G4, SAME },
	{ "FWD-21 UDP", PLAIN, U, "198.51.100.1", DROP_NONE, "198.51.100.1", G4, SAME },
	{ "FWD-21 IPv6", PLAIN, T, "2001:db8:1::1", DROP_NONE, "2001:db8:1::1", G6, SAME },
	{ "SPL-13 other port", PLAIN, T, "198.51.100.1", DROP_NONE, "198.51.100.1", G4, 8080, 8080, 80, 80, NULL },
	{ "SPL-13 range", PLAIN, U, "198.51.100.1", DROP_NONE, "198.51.100.1", G4, 8085, 8080, 70, 75, NULL },
	{ "SPL-13 range, downward", PLAIN, T, "198.51.100.1", DROP_NONE, "198.51.100.1", G4, 65535, 65530, 1, 6, NULL },

	{ "loopback is the gateway", PLAIN, T, "127.0.0.1", DROP_NONE, "10.0.2.2", G4, SAME },
	{ "SPL-15 loopback, all of 127/8", PLAIN, T, "127.0.0.9", DROP_NONE, "10.0.2.2", G4, SAME },
	{ "loopback is the gateway, IPv6", PLAIN, U, "::1", DROP_NONE, "2001:db8::2", G6, SAME },
	{ "SPL-12 v4-mapped loopback", PLAIN, T, "::ffff:127.0.0.1", DROP_NONE, "10.0.2.2", G4, SAME },
	{ "SPL-12 v4-mapped client", PLAIN, U, "::ffff:198.51.100.1", DROP_NONE, "198.51.100.1", G4, SAME },
	{ "NL-23 gateway, --no-map-gw", NO_MAP, T, "127.0.0.1", DROP_NONE, "10.0.2.2", G4, SAME },
	{ "NL-23 gateway, --no-map-gw, IPv6", NO_MAP, T, "::1", DROP_NONE, "2001:db8::2", G6, SAME },
	{ "NL-23 link-local gateway", LL_GW, T, "::1", DROP_NONE, "fe80::2", "fe80::15", SAME },
	{ "loopback without a gateway", NO_GW, T, "127.0.0.1", DROP_NONE, "169.254.2.2", G4, SAME },
	{ "loopback without a gateway, IPv6", NO_GW, T, "::1", DROP_NONE, "fe80::1", G6, SAME },
	{ "SPL-17 local mode, ::1", LL_ONLY, T, "::1", DROP_NONE, "fe80::1", "fe80::15", SAME },
	{ "--map-host-loopback none", LOCAL_GW, U, "127.0.0.1", DROP_NONE, "169.254.2.2", G4, SAME },
	{ "--map-host-loopback", MAPS, T, "127.0.0.1", DROP_NONE, "10.0.2.3", G4, SAME },
	{ "--map-host-loopback, IPv6", MAPS, T, "::1", DROP_NONE, "2001:db8::3", G6, SAME },

	{ "guest's address is the gateway", PLAIN, T, G4, DROP_NONE, "10.0.2.2", G4, SAME },
	{ "guest's address is the gateway, IPv6", PLAIN, U, G6, DROP_NONE, "2001:db8::2", G6, SAME },
	{ "guest's address is --map-guest-addr", MAPS, T, G4, DROP_NONE, "169.254.1.2", G4, SAME },
	{ "guest's address is --map-guest-addr, IPv6", MAPS, T, G6, DROP_NONE, "2001:db8::4", G6, SAME },
	{ "address the guest was seen with", SEEN, T, "10.0.2.77", DROP_NONE, "10.0.2.2", "10.0.2.77", SAME },
	{ "guest's link-local address", SEEN, T, "fe80::77", DROP_NONE, "2001:db8::2", "2001:db8::77", SAME },
	{ "guest is where it was seen", SEEN, T, "198.51.100.1", DROP_NONE, "198.51.100.1", "10.0.2.77", SAME },
	{ "guest is where it was seen, IPv6", SEEN, U, "2001:db8:1::1", DROP_NONE, "2001:db8:1::1", "2001:db8::77",
	  SAME },
	{ "link-local to link-local", SEEN, T, "fe80::9", DROP_NONE, "fe80::9", "fe80::77", SAME },
	{ "link-local to the address we set", LL_GW, T, "fe80::9", DROP_NONE, "fe80::9", "fe80::15", SAME },
	{ "link-local, guest's unknown", PLAIN, T, "fe80::9", DROP_NONE, "fe80::9", G6, SAME },
	{ "NL-14 no global address", LL_ONLY, T, "2001:db8:1::1", DROP_NONE, "2001:db8:1::1", "fe80::15", SAME },
	{ "the gateway itself", NO_MAP, T, "10.0.2.2", DROP_NONE, "10.0.2.2", G4, SAME },

	{ "UDP-19 unspecified client", PLAIN, U, "0.0.0.0", DROP_ADDR, NULL, NULL, SAME },
	{ "UDP-19 unspecified client, IPv6", PLAIN, U, "::", DROP_ADDR, NULL, NULL, SAME },
	{ "multicast client", PLAIN, U, "224.0.0.1", DROP_ADDR, NULL, NULL, SAME },
	{ "broadcast client", PLAIN, U, "255.255.255.255", DROP_ADDR, NULL, NULL, SAME },
	{ "FWD-09 -4, client of IPv6", V4_ONLY, T, "2001:db8:1::1", DROP_POLICY, NULL, NULL, SAME },
	{ "FWD-09 -6, client of IPv4", V6_ONLY, T, "198.51.100.1", DROP_POLICY, NULL, NULL, SAME },
	{ "--no-tcp", NOTHING, T, "198.51.100.1", DROP_POLICY, NULL, NULL, SAME },
	{ "--no-udp", NOTHING, U, "198.51.100.1", DROP_POLICY, NULL, NULL, SAME },

	{ "target address", PLAIN, T, "198.51.100.1", DROP_NONE, "198.51.100.1", "10.89.0.2", SAME_TO("10.89.0.2") },
	{ "target address, UDP, IPv6", PLAIN, U, "2001:db8:1::1", DROP_NONE, "2001:db8:1::1", "fc00::2",
	  SAME_TO("fc00::2") },
	{ "FWD-26 target address, and loopback as the client", MAPS, T, "127.0.0.1", DROP_NONE, "10.0.2.3",
	  "10.89.0.2", 2375, 2375, 80, 80, "10.89.0.2" },
	{ "target address, wherever the guest was seen", SEEN, T, "198.51.100.1", DROP_NONE, "198.51.100.1",
	  "10.89.0.2", SAME_TO("10.89.0.2") },
	{ "target address, and that is the client's", MAPS, T, "10.89.0.2", DROP_NONE, "169.254.1.2", "10.89.0.2",
	  SAME_TO("10.89.0.2") },
	{ "target address, and a client that is us", PLAIN, T, "127.0.0.1", DROP_ADDR, NULL, NULL,
	  SAME_TO("10.0.2.2") },
	{ "target address of another family", PLAIN, T, "198.51.100.1", DROP_ADDR, NULL, NULL, SAME_TO("fc00::2") },
	{ "link-local target", LL_GW, T, "fe80::9", DROP_NONE, "fe80::9", "fe80::16", SAME_TO("fe80::16") },
	{ "SPL-16 target on loopback, which no packet reaches", PLAIN, T, "198.51.100.1", DROP_ADDR, NULL, NULL,
	  SAME_TO("127.0.0.1") },
	{ "SPL-16 target on loopback, UDP, IPv6", PLAIN, U, "2001:db8:1::1", DROP_ADDR, NULL, NULL, SAME_TO("::1") },
	{ "SPL-16 target on loopback, and a client there", MAPS, T, "127.0.0.1", DROP_ADDR, NULL, NULL,
	  SAME_TO("127.0.0.1") },
};

static void test_in(void)
{
	for (const struct in *i = ins; i < ins + ARRAY_SIZE(ins); i++) {
		struct rule r = { .proto = i->proto, .any = true, .first = i->first, .last = i->at, .to = i->to,
				  .to_addr = A(i->target) };
		struct side host = { { A(i->client), 50000 }, { A("192.0.2.1"), i->at } }, guest;
		struct net c;
		struct seen s;

		test("in: %s (%s)", i->name, setups[i->setup].name);
		set_up(&setups[i->setup], &c, &s);
		if (!eq(map_in(&c, &s, &r, &host, &guest), i->drop) || i->drop)
			continue;
		eq_str(text(&guest.our.a), i->shown);
		eq(guest.our.port, 50000);
		eq_str(text(&guest.peer.a), i->guest);
		eq(guest.peer.port, i->port);
	}
}

/* Whatever the mapping: what a client is shown as is neither loopback nor the guest's own, and of its family */
static void test_never_loopback(void)
{
	static const char *const list[] = {
		"127.0.0.1", "127.9.9.9", "::1", G4, G6, "10.0.2.2", "2001:db8::2", "fe80::2", "198.51.100.1",
		"0.0.0.0", "::",
	};

	test("loopback and the guest's own address never reach the guest, in any set-up");
	for (const struct setup *u = setups; u < setups + ARRAY_SIZE(setups); u++) {
		for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
			struct rule r = { .proto = T, .any = true, .first = 80, .last = 80, .to = 80 };
			struct side host = { { A(list[i]), 50000 }, { A(list[i]), 80 } }, guest;
			struct addr a = A(list[i]);
			bool v4 = addr_is_v4(&a);
			struct net c;
			struct seen s;

			set_up(u, &c, &s);
			if (!map_in(&c, &s, &r, &host, &guest)) {
				ok(!addr_is_loopback(&guest.our.a) && !addr_is_loopback(&guest.peer.a));
				ok(!addr_is_unspec(&guest.our.a) && !addr_is_unspec(&guest.peer.a));
				ok(!addr_eq(&guest.our.a, &guest.peer.a));
				ok(addr_is_v4(&guest.our.a) == v4 && addr_is_v4(&guest.peer.a) == v4);
			}
			a = map_icmp_src(&c, &s, &a);
			ok(!addr_is_loopback(&a));
			if (c.ip[addr_family(&a)].on)
				ok(!addr_is_unspec(&a) && !guest_owns(&c, &s, &a));
		}
	}
}

static void test_is_target(void)
{
	static const char *const targets[] = { "10.89.0.2", G4, NULL, "fc00::2", "fe80::16" };
	static struct fwd fwd;
	static struct net c;
	struct addr a;
	struct seen s;

	test("an address that speaks as a rule's target is not the guest's own, unless it was assigned");
	set_up(&setups[PLAIN], &c, &s);
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++)
		fwd.rule[fwd.nrules++] = (struct fwd_rule){ .r = { .to_addr = A(targets[i]) }, .id = i + 1 };
	fwd.targets = ARRAY_SIZE(targets) - 1;
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		a = A(targets[i]);
		eq(map_is_target(&fwd, &c, &a), i != 1 && i != 2);
	}
	ok(!map_is_target(&fwd, &c, &addr_any4));
	a = A("10.89.0.3");
	ok(!map_is_target(&fwd, &c, &a));
}

static void test_icmp_src(void)
{
	static const struct {
		enum setups	setup;
		const char	*from, *want;
	} rows[] = {
		{ PLAIN, "198.51.100.1", "198.51.100.1" }, { PLAIN, "2001:db8:1::1", "2001:db8:1::1" },
		{ PLAIN, "127.0.0.1", "10.0.2.2" }, { PLAIN, "::1", "2001:db8::2" },
		{ PLAIN, G4, "10.0.2.2" }, { PLAIN, G6, "2001:db8::2" },
		{ PLAIN, "0.0.0.0", "10.0.2.2" }, { PLAIN, "::", "2001:db8::2" },
		{ PLAIN, "10.0.2.2", "10.0.2.2" }, { PLAIN, "224.0.0.1", "10.0.2.2" },
		{ MAPS, "127.0.0.1", "10.0.2.2" }, { MAPS, G4, "10.0.2.2" },
		{ SEEN, "10.0.2.77", "10.0.2.2" }, { SEEN, "fe80::77", "2001:db8::2" },
		{ NO_GW, "127.0.0.1", "169.254.2.2" }, { NO_GW, "::1", "fe80::1" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = A(rows[i].from);
		struct net c;
		struct seen s;

		test("ICMP error from %s is from %s (%s)", rows[i].from, rows[i].want, setups[rows[i].setup].name);
		set_up(&setups[rows[i].setup], &c, &s);
		a = map_icmp_src(&c, &s, &a);
		eq_str(text(&a), rows[i].want);
	}
}

static void test_scope(void)
{
	static const struct {
		const char	*to;
		unsigned	want;
	} rows[] = {
		{ "fe80::9", 6 }, { "ff02::1", 6 }, { "ff15::1", 6 }, { "2001:db8::1", 0 }, { "::1", 0 },
		{ "224.0.0.251", 4 }, { "169.254.1.1", 4 }, { "198.51.100.1", 0 }, { "255.255.255.255", 0 },
	};
	struct net c;
	struct seen s;

	test("interface for link-local and multicast destinations");
	set_up(&setups[PLAIN], &c, &s);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct addr a = A(rows[i].to);

		eq(net_scope(&c, &a), rows[i].want);
	}
}

/* What listens of ours in the namespace, on its loopback */
static uint16_t ours;

bool fwd_leads_to_us(const struct fwd *fwd, bool outward, uint8_t proto, const struct end *e)
{
	ok(!fwd->nrules && proto == IPPROTO_TCP);
	return outward && e->port == ours && addr_is_loopback(&e->a);
}

/* Connections that go from socket to socket: from a client, to an address and port it came to; to where */
static const struct splice_row {
	const char	*name, *client, *came_to;
	uint16_t	port;
	const char	*to;		/* NULL: not spliced */
	uint16_t	to_port;
	bool		outward, named, lo, no_splice, only, no_addr, seen;
	uint16_t	ours;		/* we listen to this port in the namespace */
	const char	*target;	/* of the rule, NULL: none */
} splice_rows[] = {
	{ "SPL-16 from loopback", "127.0.0.1", "127.0.0.1", 8080, "10.0.2.15", 80, .lo = false },
	{ "SPL-13 the last port of a range", "::1", "::1", 8089, "2001:db8::15", 89, .lo = false },
	{ "SPL-16 to the address it uses", "127.0.0.1", "127.0.0.1", 8080, "10.0.2.99", 80, .seen = true },
	{ "SPL-17 no address", "::1", "::1", 8080, "::1", 80, .no_addr = true },
	{ "SPL-17 no address, IPv4", "127.0.0.5", "127.0.0.5", 8080, "127.0.0.1", 80, .no_addr = true },
	{ "SPL-15 --host-lo-to-ns-lo", "127.0.0.1", "127.0.0.2", 8081, "127.0.0.2", 81, .lo = true },
	{ "SPL-15 --host-lo-to-ns-lo, IPv6", "::1", "::1", 8080, "::1", 80, .lo = true },
	{ "--host-lo-to-ns-lo, not to loopback", "127.0.0.1", "192.0.2.1", 8080, "127.0.0.1", 80, .lo = true },
	{ "--splice-only", "127.0.0.1", "127.0.0.1", 8080, "127.0.0.1", 80, .only = true },
	{ "--no-splice", "127.0.0.1", "127.0.0.1", 8080, NULL, 0, .no_splice = true },
	{ "from elsewhere", "192.0.2.7", "192.0.2.1", 8080, NULL, 0, .lo = false },
	{ "from the host's own address", "192.0.2.1", "192.0.2.1", 8080, NULL, 0, .lo = false },
	{ "from elsewhere, --host-lo-to-ns-lo", "2001:db8::7", "2001:db8::1", 8080, NULL, 0, .lo = true },
	{ "outward", "127.0.0.1", "127.0.0.1", 8080, "127.0.0.1", 80, .outward = true },
	{ "SPL-15 outward, another loopback address", "127.0.0.1", "127.1.2.3", 8082, "127.1.2.3", 82,
	  .outward = true },
	{ "SPL-18 outward, IPv6, --no-splice", "::1", "::1", 8080, "::1", 80, .outward = true, .no_splice = true },
	{ "outward, not to loopback", "10.0.2.15", "10.0.2.15", 8080, NULL, 0, .outward = true },
	{ "outward, to an address that is named", "10.0.2.15", "10.0.2.15", 8080, "127.0.0.1", 80, .outward = true,
	  .named = true },
	{ "back to us, --host-lo-to-ns-lo", "127.0.0.1", "127.0.0.1", 8080, NULL, 0, .lo = true, .ours = 80 },
	{ "back to us, no address", "::1", "::1", 8085, NULL, 0, .no_addr = true, .ours = 85 },
	{ "back to us, --splice-only", "127.0.0.1", "127.0.0.1", 8089, NULL, 0, .only = true, .ours = 89 },
	{ "another port is ours", "127.0.0.1", "127.0.0.1", 8080, "127.0.0.1", 80, .lo = true, .ours = 8080 },
	{ "to its address, with the port on loopback ours", "127.0.0.1", "127.0.0.1", 8080, "10.0.2.15", 80,
	  .ours = 80 },
	{ "outward, with the port ours", "127.0.0.1", "127.0.0.1", 8080, "127.0.0.1", 80, .outward = true, .ours = 80 },
	{ "target", "127.0.0.1", "127.0.0.1", 8080, "10.89.0.2", 80, .target = "10.89.0.2" },
	{ "target on loopback", "127.0.0.1", "127.0.0.1", 8081, "127.0.0.1", 81, .target = "127.0.0.1" },
	{ "target on loopback, another address", "127.0.0.1", "127.0.0.9", 8080, "127.0.0.53", 80,
	  .target = "127.0.0.53" },
	{ "target on loopback, IPv6", "::1", "::1", 8080, "::1", 80, .target = "::1" },
	{ "target on loopback, came to another address", "127.0.0.1", "192.0.2.1", 8080, "127.0.0.1", 80,
	  .target = "127.0.0.1" },
	{ "target on loopback, --splice-only", "::1", "::1", 8080, "::1", 80, .only = true, .target = "::1" },
	{ "target on loopback, --host-lo-to-ns-lo", "127.0.0.1", "127.0.0.2", 8080, "127.0.0.1", 80, .lo = true,
	  .target = "127.0.0.1" },
	{ "target on loopback, --no-splice", "127.0.0.1", "127.0.0.1", 8080, NULL, 0, .no_splice = true,
	  .target = "127.0.0.1" },
	{ "SPL-16 target on loopback, from elsewhere", "192.0.2.7", "192.0.2.1", 8080, NULL, 0, .target = "127.0.0.1" },
	{ "SPL-16 target on loopback, from the host's own address", "2001:db8::1", "2001:db8::1", 8080, NULL, 0,
	  .target = "::1" },
	{ "target on loopback, of the other family", "127.0.0.1", "127.0.0.1", 8080, NULL, 0, .target = "::1" },
	{ "target on loopback, back to us", "127.0.0.1", "127.0.0.1", 8083, NULL, 0, .target = "127.0.0.1",
	  .ours = 83 },
	{ "outward, target on loopback, with the port ours", "::1", "::1", 8083, "::1", 83, .outward = true,
	  .named = true, .target = "::1", .ours = 83 },
};

static void test_splice(void)
{
	for (const struct splice_row *t = splice_rows; t < splice_rows + ARRAY_SIZE(splice_rows); t++) {
		const struct rule r = { .proto = IPPROTO_TCP, .outward = t->outward, .any = !t->named, .first = 8080,
					.last = 8089, .to = 80, .to_addr = A(t->target) };
		const struct side from = { { A(t->client), 40000 }, { A(t->came_to), t->port } };
		const struct conf cf = { .no_splice = t->no_splice, .splice_only = t->only, .host_lo_to_ns_lo = t->lo };
		struct net c = { .cf = &cf };
		struct seen s = { .addr = { addr_any4, addr_any6 } };
		static const struct fwd fwd;
		struct side to;

		test("%s: from %s to %s", t->name, t->client, t->came_to);
		ours = t->ours;
		c.ip[V4].guest.addr = t->no_addr ? addr_any4 : A("10.0.2.15");
		c.ip[V6].guest.addr = t->no_addr ? addr_any6 : A("2001:db8::15");
		if (t->seen)
			s.addr[V4] = A("10.0.2.99");
		if (!eq(map_splice(&fwd, &c, &s, &r, &from, &to), !!t->to) || !t->to)
			continue;
		eq_str(text(&to.peer.a), t->to);
		eq(to.peer.port, t->to_port);
		ok(addr_is_unspec(&to.our.a));
	}
}

int main(void)
{
	test_out();
	test_leave();
	test_in();
	test_never_loopback();
	test_is_target();
	test_icmp_src();
	test_scope();
	test_splice();
	return done();
}
