/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "../../ctx.h"
#include "../../ndp.c"
#include "../responder.h"
#include "../t.h"

/* @a becomes the only neighbour that is known, 02:00:00:00:00:aa */
static void know(const struct addr *a)
{
	const struct neigh e = { .a = *a, .mac = { { 2, [5] = 0xaa } }, .used = true };

	r_hood = (struct neighs){ .count = 1 };
	r_hood.e[neigh_hash(&r_hood, a) % NEIGH_SETS * NEIGH_WAYS] = e;
}

static const struct mac guest_mac = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };
static const struct mac nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };	/* RFC 2464 7: of ff02::1 */
static const struct addr nodes = { .b = { 0xff, 0x02, [15] = 0x01 } };

/* IPv6 addresses as on the wire */
#define GUEST_LL	"fe800000000000005054 00fffe123456 "	/* fe80::5054:ff:fe12:3456 */
#define GUEST		"20010db8000100020000000000000015 "	/* 2001:db8:1:2::15 */
#define OUR_LL		"fe800000000000000000000000000001 "	/* fe80::1 */
#define NS_LL		"fe800000000000000000000000000015 "	/* fe80::15 */
#define OTHER		"20010db8000100020000000000000077 "	/* 2001:db8:1:2::77 */
#define FAR		"26064700470000000000000000001111 "	/* 2606:4700:4700::1111 */
#define NONE		"00000000000000000000000000000000 "
#define ROUTERS		"ff020000000000000000000000000002 "
#define NODE_77		"ff0200000000000000000001ff000077 "	/* solicited-node address of ...:77 */
#define SLLA		"01 01 525400123456 "
#define TLLA_OURS	"02 01 9a559a559a55 "
#define NS		"87 00 0000 00000000 "
#define RS		"85 00 0000 00000000 "

/* Ethernet, IPv6 with next header 58, hop limit, addresses, then the message */
static size_t make(uint8_t *f, const char *hops, const char *src, const char *dst, const char *msg)
{
	size_t len = r_hex("9a559a559a55 525400123456 86dd 60000000 0000 3a", f);

	len += r_hex(hops, f + len);
	len += r_hex(src, f + len);
	len += r_hex(dst, f + len);
	len += r_hex(msg, f + len);
	r_fix(f, len);
	return len;
}

static const struct {
	const char	*name, *hops, *src, *dst, *msg;
	enum drop	rc;
	const char	*target;		/* of the advertisement, NULL: none */
} ns_row[] = {
	{ "the router", "ff", GUEST_LL, NODE_77, NS OUR_LL SLLA, DROP_NONE, OUR_LL },
	{ "another host of the prefix", "ff", GUEST, NODE_77, NS OTHER SLLA, DROP_NONE, OTHER },
	{ "a host far away", "ff", GUEST, NODE_77, NS FAR SLLA, DROP_NONE, FAR },
	{ "reachability, unicast, without source link-layer address", "ff", GUEST_LL, OUR_LL, NS OUR_LL,
	  DROP_NONE, OUR_LL },
	{ "unknown options are skipped", "ff", GUEST, NODE_77,
	  NS OTHER "0e 01 010203040506 fd 02 00000000000000000000 00000000"
	  SLLA, DROP_NONE, OTHER },
	{ "the guest's own global address", "ff", GUEST_LL, NODE_77, NS GUEST SLLA, DROP_NONE, NULL },
	{ "the guest's own link-local address", "ff", GUEST, NODE_77, NS NS_LL SLLA, DROP_NONE, NULL },
	{ "the asker's own address", "ff", GUEST_LL, NODE_77, NS GUEST_LL SLLA, DROP_NONE, NULL },
	{ "duplicate address detection, own address", "ff", NONE, NODE_77, NS GUEST, DROP_NONE, NULL },
	{ "duplicate address detection, other address", "ff", NONE, NODE_77, NS OTHER, DROP_NONE, NULL },
	{ "duplicate address detection with a nonce (RFC 7527)", "ff", NONE, NODE_77, NS OTHER "0e 01 010203040506",
	  DROP_NONE, NULL },
	{ "duplicate address detection, source link-layer address", "ff", NONE, NODE_77, NS OTHER SLLA,
	  DROP_RESPONDER, NULL },
	{ "hop limit 254", "fe", GUEST, NODE_77, NS OTHER SLLA, DROP_RESPONDER, NULL },
	{ "code 1", "ff", GUEST, NODE_77, "87 01 0000 00000000" OTHER SLLA, DROP_RESPONDER, NULL },
	{ "multicast target", "ff", GUEST, NODE_77, NS NODE_77 SLLA, DROP_RESPONDER, NULL },
	{ "target ::", "ff", GUEST, NODE_77, NS NONE SLLA, DROP_RESPONDER, NULL },
	{ "target ::1", "ff", GUEST, NODE_77, NS "00000000000000000000000000000001" SLLA, DROP_RESPONDER, NULL },
	{ "target ::ffff:192.0.2.1", "ff", GUEST, NODE_77, NS "00000000000000000000ffffc0000201" SLLA,
	  DROP_RESPONDER, NULL },
	{ "target cut", "ff", GUEST, NODE_77, NS "20010db80001000200000000000000", DROP_RESPONDER, NULL },
	{ "option of length 0", "ff", GUEST, NODE_77, NS OTHER "01 00 525400123456", DROP_RESPONDER, NULL },
	{ "option cut", "ff", GUEST, NODE_77, NS OTHER "01 02 525400123456", DROP_RESPONDER, NULL },
	{ "option of one byte", "ff", GUEST, NODE_77, NS OTHER SLLA "01", DROP_RESPONDER, NULL },
	{ "advertisement, as to our own solicitation", "ff", GUEST_LL, OUR_LL, "88 00 0000 60000000" GUEST_LL,
	  DROP_NONE, NULL },
	{ "router advertisement", "ff", GUEST_LL, ROUTERS, "86 00 0000 40000708 0000000000000000",
	  DROP_RESPONDER, NULL },
	{ "redirect", "ff", GUEST_LL, OUR_LL, "89 00 0000 00000000" OTHER FAR, DROP_RESPONDER, NULL },
};

/* Every cut of a frame, lengths in the headers left alone, and again put right */
static void cuts(const struct net *c, const uint8_t *frame, size_t len)
{
	uint8_t part[512], *reply;
	struct answer a;

	for (size_t n = 0; n < len; n++) {
		ok(r_run(ndp_answer, c, frame, n, &a, &reply) != DROP_NONE);
		memcpy(part, frame, n);
		r_fix(part, n);
		r_run(ndp_answer, c, part, n, &a, &reply);
		ok(a.out.len % 8 == 0);
	}
}

static void test_ns(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(ns_row); i++) {
		uint8_t frame[256], want[24], *reply;
		size_t len = make(frame, ns_row[i].hops, ns_row[i].src, ns_row[i].dst, ns_row[i].msg);
		struct net c = r_net();
		struct answer a;

		test("ndp: %s", ns_row[i].name);
		eq(r_run(ndp_answer, &c, frame, len, &a, &reply), ns_row[i].rc);
		eq(a.out.len, ns_row[i].target ? 24 : 0);
		if (ns_row[i].target && a.out.len) {
			r_hex(ns_row[i].target, want);
			r_hex(TLLA_OURS, want + 16);
			eq_mem(reply, want, sizeof(want));
			eq_mem(&a.src.a, want, 16);
			eq_mem(&a.dst.a, frame + 22, 16);
			ok(mac_eq(&a.dmac, &guest_mac));
			eq(a.ttl, 255);
			eq(a.icmp.type, 136);
			eq(a.icmp.code, 0);
			eq(a.icmp.rest, 0xe0000000);	/* router, solicited, override */
		}
		cuts(&c, frame, len);
	}
}

/* Pieces of a router advertisement behind its first 8 bytes */
#define RA_TIMES	"00000000 00000000 "				/* reachable time, retransmission timer */
#define RA_SLLA		"01 01 9a559a559a55 "
#define RA_MTU		"05 01 0000 0000fff0 "				/* 65520 */
#define RA_PREFIX	"03 04 40 c0 ffffffff ffffffff 00000000 20010db8000100020000000000000000 "	/* /64, L, A */
#define RA_RDNSS	"19 05 0000 ffffffff 20010db8000000000000000000000053 20010db8000000000000000000000054 "
/* example.com, b.example.org, 4 bytes of padding */
#define RA_DNSSL	"1f 05 0000 ffffffff 07 6578616d706c65 03 636f6d 00 " \
			"01 62 07 6578616d706c65 03 6f7267 00 00000000 "

static void ra_all(struct net *c)		{ (void)c; }
static void ra_no_gw(struct net *c)		{ c->ip[V6].gw = (struct addr){ 0 }; }
static void ra_no_dhcpv6(struct net *c)	{ (void)c; r_cf.no_dhcpv6 = true; }
static void ra_local(struct net *c)		{ c->ip[V6].guest.addr = c->ip[V6].guest.ll; }
static void ra_no_addr(struct net *c)		{ c->ip[V6].guest.addr = (struct addr){ 0 }; }
static void ra_plen(struct net *c)		{ c->ip[V6].guest.plen = 128; }
static void ra_mtu_none(struct net *c)		{ (void)c; r_cf.mtu = 0; }
static void ra_mtu_1279(struct net *c)		{ (void)c; r_cf.mtu = 1279; }
static void ra_mtu_1280(struct net *c)		{ (void)c; r_cf.mtu = 1280; }
static void ra_no_dns(struct net *c)		{ c->ip[V6].guest.ndns = 0; }
static void ra_dns_off(struct net *c)		{ (void)c; r_cf.dhcp_dns = false; }
static void ra_search_off(struct net *c)	{ (void)c; r_cf.dhcp_search = false; }
static void ra_no_search(struct net *c)	{ c->search.n = 0; }
static void ra_one_search(struct net *c)	{ c->search.n = 1; }
static void ra_bad_search(struct net *c)	{ strcpy(c->search.name[0], "a..b"); }

static const struct {
	const char	*name;
	void		(*change)(struct net *c);
	uint32_t	head;			/* current hop limit, flags, router lifetime */
	const char	*payload;
} ra_row[] = {
	{ "CFG-02 CFG-18 all options, lifetimes infinite", ra_all, 0x40c0ffff,
	  RA_TIMES RA_SLLA RA_MTU RA_PREFIX RA_RDNSS RA_DNSSL },
	{ "no gateway, no default route", ra_no_gw, 0x40c00000, RA_TIMES RA_SLLA RA_MTU RA_PREFIX RA_RDNSS RA_DNSSL },
	{ "without DHCPv6, no flags", ra_no_dhcpv6, 0x4000ffff, RA_TIMES RA_SLLA RA_MTU RA_PREFIX RA_RDNSS RA_DNSSL },
	{ "link-local address only: no prefix, not managed", ra_local, 0x4040ffff,
	  RA_TIMES RA_SLLA RA_MTU RA_RDNSS RA_DNSSL },
	{ "no address: no prefix, not managed", ra_no_addr, 0x4040ffff, RA_TIMES RA_SLLA RA_MTU RA_RDNSS RA_DNSSL },
	{ "address /128: the prefix is /64 still", ra_plen, 0x40c0ffff,
	  RA_TIMES RA_SLLA RA_MTU RA_PREFIX RA_RDNSS RA_DNSSL },
	{ "no MTU", ra_mtu_none, 0x40c0ffff, RA_TIMES RA_SLLA RA_PREFIX RA_RDNSS RA_DNSSL },
	{ "MTU 1279, less than IPv6 has", ra_mtu_1279, 0x40c0ffff, RA_TIMES RA_SLLA RA_PREFIX RA_RDNSS RA_DNSSL },
	{ "MTU 1280", ra_mtu_1280, 0x40c0ffff, RA_TIMES RA_SLLA "05 01 0000 00000500" RA_PREFIX RA_RDNSS RA_DNSSL },
	{ "CFG-14 no servers, no search list", ra_no_dns, 0x40c0ffff, RA_TIMES RA_SLLA RA_MTU RA_PREFIX },
	{ "CFG-14 --no-dhcp-dns, no search list", ra_dns_off, 0x40c0ffff, RA_TIMES RA_SLLA RA_MTU RA_PREFIX },
	{ "--no-dhcp-search", ra_search_off, 0x40c0ffff, RA_TIMES RA_SLLA RA_MTU RA_PREFIX RA_RDNSS },
	{ "no search list", ra_no_search, 0x40c0ffff, RA_TIMES RA_SLLA RA_MTU RA_PREFIX RA_RDNSS },
	{ "CFG-14 one domain, 3 bytes of padding", ra_one_search, 0x40c0ffff, RA_TIMES RA_SLLA RA_MTU RA_PREFIX RA_RDNSS
	  "1f 03 0000 ffffffff 07 6578616d706c65 03 636f6d 00 000000" },
	{ "a name that is none is left out", ra_bad_search, 0x40c0ffff, RA_TIMES RA_SLLA RA_MTU RA_PREFIX RA_RDNSS
	  "1f 03 0000 ffffffff 01 62 07 6578616d706c65 03 6f7267 00 00" },
};

static void check_ra(const struct net *c, const struct answer *a, const uint8_t *reply, size_t i)
{
	uint8_t want[ANSWER_MAX];

	if (eq(a->out.len, r_hex(ra_row[i].payload, want)))
		eq_mem(reply, want, a->out.len);
	eq(a->icmp.type, 134);
	eq(a->icmp.code, 0);
	eq(a->icmp.rest, ra_row[i].head);
	eq(a->ttl, 255);
	ok(addr_eq(&a->src.a, &c->ip[V6].our_ll));
}

static void test_ra(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(ra_row); i++) {
		uint8_t frame[256], *reply;
		size_t len = make(frame, "ff", GUEST_LL, ROUTERS, RS SLLA);
		struct net c = r_net();
		struct answer a;

		test("CFG-04 ndp: solicitation answered at once: %s", ra_row[i].name);
		ra_row[i].change(&c);
		eq(r_run(ndp_answer, &c, frame, len, &a, &reply), DROP_NONE);
		check_ra(&c, &a, reply, i);
		ok(mac_eq(&a.dmac, &guest_mac));
		eq_mem(&a.dst.a, frame + 22, 16);
		cuts(&c, frame, len);

		test("CFG-01 ndp: unsolicited: %s", ra_row[i].name);
		ndp_advert(&c, &r_cf.our_mac, &a);
		check_ra(&c, &a, a.out.b, i);
		ok(mac_eq(&a.dmac, &nodes_mac));
		ok(addr_eq(&a.dst.a, &nodes));
	}
}

static void test_rs(void)
{
	static const struct { const char *name, *hops, *src, *msg; enum drop rc; bool multicast; } row[] = {
		{ "from ::, answered to all nodes", "ff", NONE, RS, DROP_NONE, true },
		{ "without options", "ff", GUEST_LL, RS, DROP_NONE, false },
		{ "from :: with link-layer address", "ff", NONE, RS SLLA, DROP_RESPONDER, false },
		{ "hop limit 64", "40", GUEST_LL, RS SLLA, DROP_RESPONDER, false },
		{ "code 3", "ff", GUEST_LL, "85 03 0000 00000000" SLLA, DROP_RESPONDER, false },
		{ "option of length 0", "ff", GUEST_LL, RS "01 00 525400123456", DROP_RESPONDER, false },
		{ "option beyond the end", "ff", GUEST_LL, RS "01 ff 525400123456", DROP_RESPONDER, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		uint8_t frame[256], *reply;
		size_t len = make(frame, row[i].hops, row[i].src, ROUTERS, row[i].msg);
		struct net c = r_net();
		struct answer a;

		test("ndp: router solicitation %s", row[i].name);
		eq(r_run(ndp_answer, &c, frame, len, &a, &reply), row[i].rc);
		if (ok(!a.out.len == !!row[i].rc) && a.out.len) {
			eq(addr_eq(&a.dst.a, &nodes), row[i].multicast);
			eq(mac_eq(&a.dmac, &nodes_mac), row[i].multicast);
		}
		c.ip[V6].on = false;
		eq(r_run(ndp_answer, &c, frame, len, &a, &reply), DROP_POLICY);
		eq(a.out.len, 0);
	}
}

/* Number of options of a type whose 32 bits at @at, of big-endian order, are @value */
static unsigned options_with(const struct answer *a, uint8_t type, unsigned at, uint32_t value)
{
	unsigned n = 0;

	for (size_t i = 8; i < a->out.len && ok(a->out.b[i + 1]); i += a->out.b[i + 1] * 8U)
		n += a->out.b[i] == type && get_be32(a->out.b + i + at) == value;
	return n;
}

static void test_former(void)
{
	uint64_t now = now_ms();
	struct net c = r_net();
	struct answer a;

	test("FOL-35 ndp: former prefixes, servers and domains");
	ndp_advert(&c, &r_cf.our_mac, &a);
	eq(options_with(&a, NDP_PREFIX, 8, 0), 0);
	eq(options_with(&a, NDP_RDNSS, 4, 0) + options_with(&a, NDP_DNSSL, 4, 0), 0);
	for (unsigned i = 0; i < OLD_MAX; i++) {
		c.prefix[i] = (struct net_old){ { .b = { 0x20, 1, 0xd, 0xb8, 7, (uint8_t)i } }, now + 7200000 };
		c.rdnss[i] = (struct net_old){ { .b = { 0x20, 1, 0xd, 0xb8, 8, (uint8_t)i } }, now + 7200000 };
		c.domain[i].until = now + 7200000;
		snprintf(c.domain[i].name, DOMAIN_MAX, "d%u.example", i);
	}
	c.prefix[1].until = c.rdnss[1].until = c.domain[1].until = now;		/* these are over */
	ndp_advert(&c, &r_cf.our_mac, &a);
	eq(options_with(&a, NDP_PREFIX, 8, 0), 3);
	eq(options_with(&a, NDP_PREFIX, 4, 7199) + options_with(&a, NDP_PREFIX, 4, 7200), 3);
	eq(options_with(&a, NDP_RDNSS, 4, 0), 1);
	eq(options_with(&a, NDP_DNSSL, 4, 0), 1);

	test("FOL-35 ndp: IPv6 is lost");
	c.ip[V6].lost = true;
	ndp_advert(&c, &r_cf.our_mac, &a);
	eq(a.icmp.rest & 0xffff, 0);
	eq(options_with(&a, NDP_PREFIX, 8, 0), 4);
	eq(options_with(&a, NDP_PREFIX, 8, FOREVER), 0);

	test("FOL-35 ndp: a router that is none any more");
	ndp_withdraw(&c.prefix[0].a, &r_cf.our_mac, &a);
	ok(addr_eq(&a.src.a, &c.prefix[0].a) && addr_eq(&a.dst.a, &nodes) && a.ttl == HOP_LIMIT);
	eq(a.icmp.type, ND_ROUTER_ADVERT);
	eq(a.icmp.rest & 0xffff, 0);
	eq(a.out.len, 16);
}

/* As much as the configuration can hold: the advertisement must fit 1280 bytes of IP */
static void test_long(void)
{
	struct net c = r_net();
	struct answer a;
	size_t at = 8, names = 0;

	test("ndp: long lists are cut at whole entries");
	for (unsigned i = 0; i < DNS_MAX; i++)
		c.ip[V6].guest.dns[i] = c.ip[V6].guest.addr;
	c.ip[V6].guest.ndns = DNS_MAX;
	c.search.n = SEARCH_MAX;
	for (unsigned i = 0; i < SEARCH_MAX; i++) {	/* 253 characters: four labels of 63, 63, 63 and 61 */
		memset(c.search.name[i], 'a' + (int)i, 253);
		c.search.name[i][63] = c.search.name[i][127] = c.search.name[i][191] = '.';
		c.search.name[i][253] = '\0';
	}
	ndp_advert(&c, &r_cf.our_mac, &a);
	ok(a.out.len <= 1280 - 48);
	while (at < a.out.len && ok(a.out.b[at + 1])) {
		if (a.out.b[at] == NDP_RDNSS)
			eq(a.out.b[at + 1], 1 + 2 * DNS_MAX);
		if (a.out.b[at] == NDP_DNSSL)
			names = (a.out.b[at + 1] - 1U) * 8 / 255;
		at += a.out.b[at + 1] * 8U;
	}
	eq(at, a.out.len);
	/* 1232 less 8 of times, 8 and 8 of addresses and MTU, 32 of prefix, 136 of servers, 8 of header: 1032 */
	eq(names, 4);

	test("ndp: a list that fits to the byte, and one that does not");
	c.search.name[4][9] = '\0';				/* 1020 and 11 are 1031, padded to 1032 */
	ndp_advert(&c, &r_cf.our_mac, &a);
	eq(a.out.len, 1232);
	c.search.name[4][9] = 'e';
	c.search.name[4][11] = '\0';				/* 1033 */
	c.search.n = 5;
	ndp_advert(&c, &r_cf.our_mac, &a);
	eq(a.out.len, 1232 - 1032 + 1024);
}

static void test_interval(void)
{
	unsigned lo = ~0U, hi = 0;

	test("CFG-01 CFG-04 ndp: three quick advertisements, not at once, then within the bounds of RFC 4861");
	for (unsigned n = 0; n < 3; n++)
		eq(ndp_interval(n), 16000);
	for (unsigned n = 3; n < 1000; n++) {
		unsigned ms = ndp_interval(n);

		ok(ms >= 594000 && ms <= 1800000);
		lo = MIN(lo, ms);
		hi = MAX(hi, ms);
	}
	ok(lo < 594000 + 60000 && hi > 1800000 - 60000);	/* 0.33 of the maximum, RFC 4861 6.2.1 */
	ok(hi < ROUTER_LIFETIME * 1000U / 3);
}

/* A change is read 350 ms after it came, at most (follow.c) */
static void test_changes(void)
{
	static struct ctx c;
	static struct guest g;

	test("ndp: of changes close to each other, each is told within a second; one is at once");
	c.net = r_net();
	c.now = 100000;
	wheel_init(&c.wheel, c.now);
	g.adverts = 3;
	answer_changed(&c, &g);
	eq(g.ndp.due, c.now);
	eq(g.adverts, 0);
	g.advert_at = c.now;
	answer_changed(&c, &g);
	ok(g.ndp.due > c.now && g.ndp.due <= c.now + 1000 - 350);
}

static void test_solicit(void)
{
	struct net c = r_net();
	uint8_t want[64];
	struct answer a;

	test("ndp: we ask for the guest");
	c.ip[V6].guest.addr.b[13] = 0xab;
	c.ip[V6].guest.addr.b[14] = 0xcd;
	ndp_solicit(&c, &r_cf.our_mac, &c.ip[V6].guest.addr, &a);
	eq(a.out.len, r_hex("20010db8000100020000000000abcd15 01 01 9a559a559a55", want));
	eq_mem(a.out.b, want, 24);
	eq(a.icmp.type, 135);
	eq(a.icmp.rest, 0);
	eq(a.ttl, 255);
	ok(addr_eq(&a.src.a, &c.ip[V6].our_ll));
	r_hex("ff0200000000000000000001ffabcd15", want);
	eq_mem(&a.dst.a, want, 16);
	r_hex("3333ffabcd15", want);
	eq_mem(&a.dmac, want, 6);
}

static void test_neighbour(void)
{
	uint8_t frame[256], want[64], *reply;
	size_t len = make(frame, "ff", GUEST, NODE_77, NS OTHER SLLA);
	struct net c = r_net();
	struct answer a;
	struct addr who;

	test("CFG-16 ndp: a neighbour that is known has its own MAC address");
	r_hex(OTHER, who.b);
	know(&who);
	eq(r_run(ndp_answer, &c, frame, len, &a, &reply), DROP_NONE);
	r_hex(OTHER "02 01 0200000000aa", want);
	eq_mem(reply, want, 24);

	test("CFG-16 ndp: and so has a router that we speak for, in its advertisements");
	know(&c.ip[V6].our_ll);
	len = make(frame, "ff", GUEST_LL, ROUTERS, RS SLLA);
	eq(r_run(ndp_answer, &c, frame, len, &a, &reply), DROP_NONE);
	r_hex("01 01 0200000000aa", want);
	eq_mem(reply + 8, want, 8);
	r_hood.count = 0;

	test("RFC 4861 7.2.6 ndp: unsolicited advertisement, to all nodes, overrides");
	ndp_announce(&who, &(struct mac){ { 2, [5] = 0xbb } }, &nodes, &guest_mac, &a);
	eq(a.out.len, r_hex(OTHER "02 01 0200000000bb", want));
	eq_mem(a.out.b, want, 24);
	eq(a.icmp.type, 136);
	eq(a.icmp.rest, 0xa0000000);		/* router, override; not solicited */
	eq(a.ttl, 255);
	ok(addr_eq(&a.src.a, &who) && addr_eq(&a.dst.a, &nodes) && mac_eq(&a.dmac, &nodes_mac));

	test("RFC 4861 7.2.4 ndp: the same, to a guest that had asked: reachable");
	ndp_announce(&who, &(struct mac){ { 2, [5] = 0xbb } }, &c.ip[V6].guest.addr, &guest_mac, &a);
	eq_mem(a.out.b, want, 24);
	eq(a.icmp.rest, 0xe0000000);
	ok(addr_eq(&a.src.a, &who) && addr_eq(&a.dst.a, &c.ip[V6].guest.addr) && mac_eq(&a.dmac, &guest_mac));
}

int main(void)
{
	test_ns();
	test_ra();
	test_rs();
	test_former();
	test_long();
	test_interval();
	test_changes();
	test_solicit();
	test_neighbour();
	return done();
}
