/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "../../dhcp.c"
#include "../responder.h"
#include "../t.h"

static const struct mac guest_mac = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };
static const struct mac bcast_mac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

#define BOOTP	42			/* where the message starts in a frame */

#define BC	"ffffffff"
#define GUEST	"c000020f"		/* 192.0.2.15 */
#define GW	"c0000201"		/* 192.0.2.1 */
#define OTHER	"c000024d"		/* 192.0.2.77 */
#define ANY	"00000000"
#define COOKIE	"63825363 "

/* Options of requests */
#define TYPE(t)		"35 01 0" #t " "
#define REQ_IP(a)	"32 04 " a " "
#define SERVER(a)	"36 04 " a " "
#define RAPID		"50 00 "
#define END		"ff"

/* Options of replies */
#define R_HEAD(t)	"35 01 0" #t " 36 04 c0000201 "			/* type, server 192.0.2.1 */
#define R_LEASE		"33 04 ffffffff "
#define R_MASK		"01 04 ffffff00 "
#define R_ROUTER	"03 04 c0000201 "
#define R_DNS		"06 08 c0000235 c6336435 "
#define R_MTU		"1a 02 fff0 "
#define R_NAME		"0c 05 6775657374 "				/* guest */
/* example.com, b.example.org */
#define R_SEARCH	"77 1c 07 6578616d706c65 03 636f6d 00 01 62 07 6578616d706c65 03 6f7267 00 "
#define R_BASE		R_MASK R_ROUTER R_DNS R_MTU
#define R_REST		R_BASE R_NAME R_SEARCH END

/* A message: what varies of the headers, all as hexadecimal text */
struct msg {
	const char	*src, *dst, *flags, *ciaddr, *opts;
};

static size_t make(uint8_t *f, const struct msg *m)
{
	static const uint8_t fixed[240];
	size_t len;

	len = r_hex("ffffffffffff 525400123456 0800 4500 0000 0000 0000 40 11 0000", f);
	len += r_hex(m->src, f + len);
	len += r_hex(m->dst, f + len);
	len += r_hex("0044 0043 0000 0000", f + len);
	memcpy(f + len, fixed, sizeof(fixed));
	r_hex("01 01 06 00 3903f326 0005", f + len);		/* request, Ethernet, transaction, 5 s */
	r_hex(m->flags, f + len + 10);
	r_hex(m->ciaddr, f + len + 12);
	r_hex("525400123456", f + len + 28);
	r_hex(COOKIE, f + len + 236);
	len += 240;
	len += r_hex(m->opts, f + len);
	r_fix(f, len);
	return len;
}

#define FRESH		ANY, BC, "0000", ANY
#define FRESH_AT(a)	ANY, BC, "0000", a
#define FRESH_BC	ANY, BC, "8000", ANY

static const struct {
	const char	*name;
	struct msg	m;
	enum drop	rc;
	const char	*opts;			/* of the reply, NULL: none */
	const char	*ciaddr, *yiaddr, *to;	/* of the reply; @to: IP destination */
} row[] = {
	{ "DISCOVER, offer to the address", { FRESH, TYPE(1) END }, 0, R_HEAD(2) R_LEASE R_REST, ANY, GUEST, GUEST },
	{ "CFG-10 DISCOVER with broadcast flag", { FRESH_BC, TYPE(1) END }, 0,
	  R_HEAD(2) R_LEASE R_REST, ANY, GUEST, BC },
	{ "CFG-10 DISCOVER with rapid commit, answered by ACK", { FRESH, TYPE(1) RAPID END }, 0,
	  R_HEAD(5) R_LEASE RAPID R_REST, ANY, GUEST, GUEST },
	{ "CFG-10 rapid commit and broadcast flag", { FRESH_BC, RAPID TYPE(1) END }, 0,
	  R_HEAD(5) R_LEASE RAPID R_REST, ANY, GUEST, BC },
	{ "DISCOVER that would like another address", { FRESH, TYPE(1) REQ_IP(OTHER) END }, 0,
	  R_HEAD(2) R_LEASE R_REST, ANY, GUEST, GUEST },
	{ "CFG-10 options in another order, padding, no end", { FRESH,
	  "00 37 03 01 03 06 00 00 3d 07 01525400123456 00" TYPE(1) },
	  0, R_HEAD(2) "3d 07 01525400123456" R_LEASE R_BASE END, ANY, GUEST, GUEST },
	{ "CFG-10 type behind the end does not count", { FRESH, "0c 01 61 ff" TYPE(1) END },
	  DROP_RESPONDER, NULL, "", "", "" },
	{ "client identifier comes back (RFC 6842)", { FRESH, TYPE(1) "3d 04 ff010203" END }, 0,
	  R_HEAD(2) "3d 04 ff010203" R_LEASE R_REST, ANY, GUEST, GUEST },
	{ "names only if they are on the list: host name", { FRESH, TYPE(1) "37 01 0c" END }, 0,
	  R_HEAD(2) R_LEASE R_BASE R_NAME END, ANY, GUEST, GUEST },
	{ "empty option at the very end", { FRESH, TYPE(1) "50 00" }, 0,
	  R_HEAD(5) R_LEASE RAPID R_REST, ANY, GUEST, GUEST },
	{ "what follows the list is not on it", { FRESH, TYPE(1) "37 01 01 0c 01 61 37 00 77 01 00" END }, 0,
	  R_HEAD(2) R_LEASE R_BASE END, ANY, GUEST, GUEST },
	{ "the list in two pieces (RFC 3396)", { FRESH, TYPE(1) "37 01 01 37 02 77 0c" END }, 0,
	  R_HEAD(2) R_LEASE R_REST, ANY, GUEST, GUEST },

	{ "REQUEST, selecting", { FRESH, TYPE(3) REQ_IP(GUEST) SERVER(GW) END }, 0,
	  R_HEAD(5) R_LEASE R_REST, ANY, GUEST, GUEST },
	{ "REQUEST, selecting, broadcast flag", { FRESH_BC, TYPE(3) REQ_IP(GUEST) SERVER(GW) END }, 0,
	  R_HEAD(5) R_LEASE R_REST, ANY, GUEST, BC },
	{ "REQUEST, selecting another server", { FRESH, TYPE(3) REQ_IP(OTHER) SERVER(OTHER) END }, 0,
	  NULL, "", "", "" },
	{ "REQUEST, selecting us, another address", { FRESH, TYPE(3) REQ_IP(OTHER) SERVER(GW) END }, 0,
	  R_HEAD(6) END, ANY, ANY, BC },
	{ "REQUEST, rebooting", { FRESH, TYPE(3) REQ_IP(GUEST) END }, 0, R_HEAD(5) R_LEASE R_REST, ANY, GUEST, GUEST },
	{ "REQUEST, rebooting, another address", { FRESH, TYPE(3) REQ_IP(OTHER) "3d 02 0101" END }, 0,
	  R_HEAD(6) "3d 02 0101" END, ANY, ANY, BC },
	{ "REQUEST, renewing, unicast", { GUEST, GW, "0000", GUEST, TYPE(3) END }, 0,
	  R_HEAD(5) R_LEASE R_REST, GUEST, GUEST, GUEST },
	{ "REQUEST, renewing another address", { OTHER, GW, "0000", OTHER, TYPE(3) END }, 0,
	  R_HEAD(6) END, ANY, ANY, BC },
	{ "REQUEST, rebinding, broadcast, flag set", { GUEST, BC, "8000", GUEST, TYPE(3) END }, 0,
	  R_HEAD(5) R_LEASE R_REST, GUEST, GUEST, GUEST },
	{ "REQUEST that names no address", { FRESH, TYPE(3) END }, 0, R_HEAD(5) R_LEASE R_REST, ANY, GUEST, GUEST },
	{ "REQUEST with rapid commit, which means nothing there", { FRESH,
	  TYPE(3) REQ_IP(GUEST) SERVER(GW) RAPID END }, 0,
	  R_HEAD(5) R_LEASE R_REST, ANY, GUEST, GUEST },

	{ "INFORM: no address, no lease", { GUEST, BC, "0000", GUEST, TYPE(8) END }, 0,
	  R_HEAD(5) R_REST, GUEST, ANY, GUEST },
	{ "INFORM from another address", { OTHER, BC, "0000", OTHER, TYPE(8) END }, 0,
	  R_HEAD(5) R_REST, OTHER, ANY, OTHER },
	{ "INFORM without address in the message", { OTHER, BC, "0000", ANY, TYPE(8) END }, 0,
	  R_HEAD(5) R_REST, ANY, ANY, OTHER },
	{ "INFORM from nowhere", { FRESH, TYPE(8) END }, 0, R_HEAD(5) R_REST, ANY, ANY, BC },
	{ "INFORM from 127.0.0.1", { FRESH_AT("7f000001"), TYPE(8) END }, 0, R_HEAD(5) R_REST, "7f000001", ANY, BC },
	{ "INFORM from 224.0.0.1", { FRESH_AT("e0000001"), TYPE(8) END }, 0, R_HEAD(5) R_REST, "e0000001", ANY, BC },
	{ "DECLINE", { FRESH, TYPE(4) REQ_IP(GUEST) SERVER(GW) END }, 0, NULL, "", "", "" },
	{ "RELEASE", { GUEST, GW, "0000", GUEST, TYPE(7) SERVER(GW) END }, 0, NULL, "", "", "" },

	{ "OFFER", { FRESH, TYPE(2) END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "ACK", { FRESH, TYPE(5) END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "NAK", { FRESH, TYPE(6) END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "type 0", { FRESH, TYPE(0) END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "type 9, FORCERENEW", { FRESH, TYPE(9) END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "no type: BOOTP", { FRESH, END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "no option at all", { FRESH, "" }, DROP_RESPONDER, NULL, "", "", "" },
	{ "option cut", { FRESH, TYPE(1) "0c 05 67756573" }, DROP_RESPONDER, NULL, "", "", "" },
	{ "option without length", { FRESH, TYPE(1) "0c" }, DROP_RESPONDER, NULL, "", "", "" },
	{ "type of two bytes", { FRESH, "35 02 0101" END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "requested address of 5 bytes", { FRESH, TYPE(3) "32 05 c000020f00" END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "server of 3 bytes", { FRESH, TYPE(3) "36 03 c00002" END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "maximum size of one byte", { FRESH, TYPE(1) "39 01 ff" END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "rapid commit with content", { FRESH, TYPE(1) "50 01 00" END }, DROP_RESPONDER, NULL, "", "", "" },
	{ "name without flags", { FRESH, TYPE(1) "51 02 0000" END }, DROP_RESPONDER, NULL, "", "", "" },

	/* RFC 4702: no update by us (N), their wish overridden (O) if it was S, encoding as theirs (E) */
	{ "name, wire format", { FRESH, TYPE(1) "37 01 51 51 09 05 00 00 05 6775657374" END }, 0,
	  R_HEAD(2) R_LEASE R_BASE
	  "51 16 0e ff ff 05 6775657374 07 6578616d706c65 03 636f6d 00" END, ANY, GUEST, GUEST },
	{ "name, wire format, no wish", { FRESH, TYPE(1) "37 01 51 51 03 0c 00 00" END }, 0, R_HEAD(2) R_LEASE R_BASE
	  "51 16 0c ff ff 05 6775657374 07 6578616d706c65 03 636f6d 00" END, ANY, GUEST, GUEST },
	{ "name, ASCII", { FRESH, TYPE(1) "37 01 51 51 08 01 00 00 6775657374" END }, 0, R_HEAD(2) R_LEASE R_BASE
	  "51 14 0a ff ff 67756573742e6578616d706c652e636f6d" END, ANY, GUEST, GUEST },
};

/* Every cut of a frame, lengths in the headers left alone, and again put right */
static void cuts(const struct net *c, const uint8_t *frame, size_t len)
{
	uint8_t part[2048], *reply;
	struct answer a;

	for (size_t n = 0; n < len; n++) {
		ok(r_run(dhcp_answer, c, frame, n, &a, &reply) != DROP_NONE);
		memcpy(part, frame, n);
		r_fix(part, n);
		r_run(dhcp_answer, c, part, n, &a, &reply);
		ok(!a.out.len || (a.out.len >= 300 && n > BOOTP + M_OPTIONS));
	}
}

/* @opts: options wanted, or NULL not to look at them */
static void check_reply(const struct net *c, const uint8_t *frame, const struct answer *a, const uint8_t *reply,
			const char *opts, const char *ciaddr, const char *yiaddr, const char *to)
{
	uint8_t want[2048] = { 2, 1, 6 };			/* reply, Ethernet */
	const uint8_t *m = frame + BOOTP;			/* offsets as in RFC 2131 2 */
	uint8_t dst[4];
	size_t len;

	memcpy(want + 4, m + 4, 4);
	memcpy(want + 10, m + 10, 2);
	memcpy(want + 28, m + 28, 16);
	r_hex(ciaddr, want + 12);
	r_hex(yiaddr, want + 16);
	r_hex(COOKIE, want + 236);
	len = 240 + (opts ? r_hex(opts, want + 240) : 0);
	if (!opts || eq(a->out.len, MAX(len, 300)))
		eq_mem(reply, want, opts ? a->out.len : len);

	r_hex(to, dst);
	eq_mem(a->dst.a.b + 12, dst, 4);
	ok(addr_eq(&a->src.a, &c->ip[V4].gw));
	eq(a->src.port, 67);
	eq(a->dst.port, 68);
	ok(mac_eq(&a->dmac, dst[0] == 0xff ? &bcast_mac : &guest_mac));
	ok(a->ttl > 0);
}

static void test_rows(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		uint8_t frame[2048], *reply;
		size_t len = make(frame, &row[i].m);
		struct net c = r_net();
		struct answer a;

		test("dhcp: %s", row[i].name);
		eq(r_run(dhcp_answer, &c, frame, len, &a, &reply), row[i].rc);
		eq(!!a.out.len, !!row[i].opts);
		if (a.out.len && row[i].opts)
			check_reply(&c, frame, &a, reply, row[i].opts, row[i].ciaddr, row[i].yiaddr, row[i].to);
		cuts(&c, frame, len);
	}
}

/* Bytes of the fixed part that make it no request of ours */
static void test_fixed(void)
{
	static const struct { const char *name; unsigned at; const char *bytes; enum drop rc; } fixed[] = {
		{ "reply", M_OP, "02", DROP_RESPONDER }, { "operation 0", M_OP, "00", DROP_RESPONDER },
		{ "hardware type 6", M_HTYPE, "06", DROP_RESPONDER },
		{ "hardware address of 16", M_HLEN, "10", DROP_RESPONDER },
		{ "relayed", M_GIADDR, OTHER, DROP_RESPONDER }, { "no cookie: BOOTP", M_MAGIC, ANY, DROP_RESPONDER },
		{ "hops", 3, "01", DROP_NONE }, { "names of server and file", M_SNAME, "61 ff 35 01 03", DROP_NONE },
	};
	static const struct msg m = { FRESH, TYPE(1) END };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
		uint8_t frame[2048], *reply;
		size_t len = make(frame, &m);
		struct net c = r_net();
		struct answer a;

		test("dhcp: %s", fixed[i].name);
		r_hex(fixed[i].bytes, frame + BOOTP + fixed[i].at);
		eq(r_run(dhcp_answer, &c, frame, len, &a, &reply), fixed[i].rc);
		eq(!!a.out.len, fixed[i].rc == DROP_NONE);
		if (a.out.len)
			check_reply(&c, frame, &a, reply, R_HEAD(2) R_LEASE R_REST, ANY, GUEST, GUEST);
	}
}

static void test_overload(void)
{
	static const struct { const char *name, *opts, *file, *sname; bool good; const char *reply; } over[] = {
		{ "type in file", "34 01 01" END, TYPE(1) END, "", true, R_HEAD(2) R_LEASE R_REST },
		{ "type in sname", "34 01 02" END, "", TYPE(1) END, true, R_HEAD(2) R_LEASE R_REST },
		{ "type in file, list in sname", "34 01 03" END, "00" TYPE(1), "37 01 01" END, true,
		  R_HEAD(2) R_LEASE R_BASE END },
		{ "not said to be there", "0c 01 61" END, TYPE(1) END, TYPE(1) END, false, NULL },
		{ "said again in file", "34 01 01" END, TYPE(1) "34 01 02" END, TYPE(3) END, true,
		  R_HEAD(2) R_LEASE R_REST },
		{ "cut at the end of file", TYPE(1) "34 01 01" END, "0c 7f", "", false, NULL },
		{ "up to the end of file", TYPE(1) "34 01 01" END, "0c 7e", "", true, R_HEAD(2) R_LEASE R_REST },
		{ "cut at the end of sname", TYPE(1) "34 01 02" END, "", "0c 3f", false, NULL },
		{ "up to the end of sname", TYPE(1) "34 01 02" END, "", "0c 3e", true, R_HEAD(2) R_LEASE R_REST },
		{ "of two bytes", TYPE(1) "34 02 0101" END, "", "", false, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(over); i++) {
		const struct msg m = { FRESH, over[i].opts };
		uint8_t frame[2048], *reply;
		size_t len = make(frame, &m);
		struct net c = r_net();
		struct answer a;

		test("CFG-10 dhcp: overload, %s", over[i].name);
		r_hex(over[i].file, frame + BOOTP + M_FILE);
		r_hex(over[i].sname, frame + BOOTP + M_SNAME);
		eq(r_run(dhcp_answer, &c, frame, len, &a, &reply), over[i].good ? DROP_NONE : DROP_RESPONDER);
		eq(!!a.out.len, over[i].good);
		if (a.out.len && over[i].good)
			check_reply(&c, frame, &a, reply, over[i].reply, ANY, GUEST, GUEST);
	}
}

static const struct msg discover = { FRESH, TYPE(1) END };

/* Option @code of a reply: content, and its length in *@len; NULL if it is not there */
static const uint8_t *find(const struct answer *a, const uint8_t *reply, uint8_t code, size_t *len)
{
	size_t at = M_OPTIONS;

	while (at < a->out.len && reply[at] != OPT_END) {
		if (reply[at] == code) {
			*len = reply[at + 1];
			return reply + at + 2;
		}
		at += 2U + reply[at + 1];
	}
	return NULL;
}

static void test_mask(void)
{
	uint8_t frame[2048], *reply;
	size_t len = make(frame, &discover);

	for (unsigned plen = 0; plen <= 32; plen++) {
		struct net c = r_net();
		const uint8_t *mask;
		struct answer a;
		uint32_t want = 0;
		size_t n = 0;

		test("CFG-09 dhcp: mask of /%u", plen);
		for (unsigned i = 0; i < plen; i++)
			want |= 1U << (31 - i);
		c.ip[V4].guest.plen = (uint8_t)plen;
		r_run(dhcp_answer, &c, frame, len, &a, &reply);
		mask = find(&a, reply, OPT_MASK, &n);
		if (ok(mask) && eq(n, 4))
			eq(get_be32(mask), want);
		/* 192.0.2.15 and 192.0.2.1 differ in bit 29: the router is outside from /29 on */
		ok(find(&a, reply, OPT_ROUTER, &n));
		eq(!!find(&a, reply, OPT_ROUTES, &n), plen >= 29);
	}
}

static void c_all(struct net *c)	{ (void)c; }
static void c_dns_off(struct net *c)	{ (void)c; r_cf.dhcp_dns = false; }
static void c_no_dns(struct net *c)	{ c->ip[V4].guest.ndns = 0; }
static void c_search_off(struct net *c) { (void)c; r_cf.dhcp_search = false; }
static void c_no_search(struct net *c)	{ c->search.n = 0; }
static void c_no_name(struct net *c)	{ (void)c; r_cf.hostname = NULL; }
static void c_mtu(struct net *c)	{ (void)c; r_cf.mtu = 1400; }
static void c_no_mtu(struct net *c)	{ (void)c; r_cf.mtu = 0; }
static void c_big_mtu(struct net *c)	{ (void)c; r_cf.mtu = 65536; }
static void c_31(struct net *c)
{
	c->ip[V4].guest.plen = 31;
	c->ip[V4].gw = c->ip[V4].server = addr_from4(htonl(0xc000020e));
}
static void c_32(struct net *c)	{ c->ip[V4].guest.plen = 32; }

static void test_conf(void)
{
	static const struct { const char *name; void (*change)(struct net *c); const char *opts; } var[] = {
		{ "CFG-18 everything", c_all, R_HEAD(2) R_LEASE R_REST },
		{ "--no-dhcp-dns", c_dns_off, R_HEAD(2) R_LEASE R_MASK R_ROUTER R_MTU R_NAME R_SEARCH END },
		{ "no servers", c_no_dns, R_HEAD(2) R_LEASE R_MASK R_ROUTER R_MTU R_NAME R_SEARCH END },
		{ "--no-dhcp-search", c_search_off, R_HEAD(2) R_LEASE R_BASE R_NAME END },
		{ "no search list", c_no_search, R_HEAD(2) R_LEASE R_BASE R_NAME END },
		{ "no host name", c_no_name, R_HEAD(2) R_LEASE R_BASE R_SEARCH END },
		{ "MTU 1400", c_mtu, R_HEAD(2) R_LEASE R_MASK R_ROUTER R_DNS "1a 02 0578" R_NAME R_SEARCH END },
		{ "no MTU", c_no_mtu, R_HEAD(2) R_LEASE R_MASK R_ROUTER R_DNS R_NAME R_SEARCH END },
		{ "MTU beyond 16 bits", c_big_mtu,
		  R_HEAD(2) R_LEASE R_MASK R_ROUTER R_DNS "1a 02 ffff" R_NAME R_SEARCH END },
		/* 192.0.2.1/32 by 0.0.0.0, then 0/0 by 192.0.2.1 (RFC 3442) */
		{ "router outside of the network", c_32,
		  R_HEAD(2) R_LEASE "01 04 ffffffff 79 0e 20 c0000201 00000000 00 c0000201"
		  R_ROUTER R_DNS R_MTU R_NAME R_SEARCH END },
		{ "router in a network of two", c_31,
		  "35 01 02 36 04 c000020e" R_LEASE "01 04 fffffffe 03 04 c000020e" R_DNS
		  R_MTU R_NAME R_SEARCH END },
	};
	uint8_t frame[2048], *reply;
	size_t len = make(frame, &discover);

	for (size_t i = 0; i < ARRAY_SIZE(var); i++) {
		struct net c = r_net();
		struct answer a;

		test("dhcp: %s", var[i].name);
		var[i].change(&c);
		eq(r_run(dhcp_answer, &c, frame, len, &a, &reply), DROP_NONE);
		check_reply(&c, frame, &a, reply, var[i].opts, ANY, GUEST, GUEST);
	}
}

static void test_off(void)
{
	static const char *const what[] = { "CFG-15 dhcp: silent without a gateway", "dhcp: silent without an address",
					    "dhcp: silent without IPv4" };
	uint8_t frame[2048], *reply;
	size_t len = make(frame, &discover);
	struct answer a;

	for (unsigned i = 0; i < ARRAY_SIZE(what); i++) {
		struct net c = r_net();

		test("%s", what[i]);
		if (i == 0)
			c.ip[V4].gw = (struct addr){ 0 };
		else if (i == 1)
			c.ip[V4].guest.addr = addr_any4;
		else
			c.ip[V4].on = false;
		eq(r_run(dhcp_answer, &c, frame, len, &a, &reply), DROP_POLICY);
		eq(a.out.len, 0);
	}
}

/* Domains of a reply, RFC 3397 list in all options 119 together; returns how many, 0 if it is malformed */
static unsigned search_count(const struct answer *a, const uint8_t *reply)
{
	uint8_t all[2048];
	size_t n = 0, at = M_OPTIONS;
	unsigned names = 0;

	while (reply[at] != OPT_END) {
		if (reply[at] == OPT_SEARCH) {
			memcpy(all + n, reply + at + 2, reply[at + 1]);
			n += reply[at + 1];
		}
		at += 2U + reply[at + 1];
		if (!ok(at < a->out.len))
			return 0;
	}
	for (at = 0; at < n; at += all[at] + 1U)
		names += !all[at];
	return at == n ? names : 0;
}

static void test_size(void)
{
	static const struct { const char *name, *opts; size_t max; unsigned dns, names; } size[] = {
		/* 312 bytes without search list: 240, options of 3, 6, 6, 6, 6, 34, 4, 7. A name is 257, the end 1 */
		{ "576 bytes of IP if the client does not say", TYPE(1) END, 548, 32, 0 },
		{ "no less than 576, whatever the client says", TYPE(1) "39 02 0080" END, 548, 32, 0 },
		{ "576 bytes of IP", TYPE(1) "39 02 0240" END, 548, 32, 0 },
		{ "598 bytes, one name to the byte", TYPE(1) "39 02 0256" END, 570, 32, 1 },
		{ "597 bytes, one too few", TYPE(1) "39 02 0255" END, 569, 32, 0 },
		{ "1500 bytes", TYPE(1) "39 02 05dc" END, 1472, 32, 4 },
		{ "65535 bytes", TYPE(1) "39 02 ffff" END, 1472, 32, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(size); i++) {
		const struct msg m = { FRESH, size[i].opts };
		uint8_t frame[2048], *reply;
		size_t n = 0, len = make(frame, &m);
		struct net c = r_net();
		struct answer a;

		test("dhcp: long lists, %s", size[i].name);
		for (unsigned k = 0; k < DNS_MAX; k++)
			c.ip[V4].guest.dns[k] = c.ip[V4].gw;
		c.ip[V4].guest.ndns = DNS_MAX;
		c.search.n = SEARCH_MAX;
		/* 253 characters, 255 bytes: labels of 63, 63, 63, 61 */
		for (unsigned k = 0; k < SEARCH_MAX; k++) {
			memset(c.search.name[k], 'a' + (int)k, 253);
			c.search.name[k][63] = c.search.name[k][127] = c.search.name[k][191] = '.';
			c.search.name[k][253] = '\0';
		}
		eq(r_run(dhcp_answer, &c, frame, len, &a, &reply), DROP_NONE);
		ok(a.out.len <= size[i].max);
		ok(find(&a, reply, OPT_DNS, &n));
		eq(n, size[i].dns);
		eq(search_count(&a, reply), size[i].names);
	}
}

/* 312 bytes without search list, 1 of end: 235 for the list, 2 of them its header */
static void test_fit(void)
{
	uint8_t frame[2048], *reply;
	size_t len = make(frame, &discover);
	struct net c = r_net();
	struct answer a;

	test("dhcp: a list that fills 576 bytes of IP, and one byte more");
	for (unsigned i = 0; i < DNS_MAX; i++)
		c.ip[V4].guest.dns[i] = c.ip[V4].gw;
	c.ip[V4].guest.ndns = DNS_MAX;
	c.search.n = 1;
	for (unsigned n = 231; n <= 232; n++) {		/* and 2 more bytes in wire format */
		memset(c.search.name[0], 'a', n);
		c.search.name[0][63] = c.search.name[0][127] = c.search.name[0][191] = '.';
		r_run(dhcp_answer, &c, frame, len, &a, &reply);
		eq(a.out.len, n == 231 ? 548 : 313);
	}
}

/* Names of 200 bytes, 1159 bytes of room: five in 1000 bytes and 4 headers, none of the sixth */
static void test_whole(void)
{
	const struct msg m = { FRESH, TYPE(1) "39 02 05dc" END };
	uint8_t frame[2048], *reply;
	size_t len = make(frame, &m);
	struct net c = r_net();
	struct answer a;

	test("dhcp: no name is cut in the middle");
	c.search.n = SEARCH_MAX;
	for (unsigned k = 0; k < SEARCH_MAX; k++) {
		memset(c.search.name[k], 'a' + (int)k, 198);
		c.search.name[k][63] = c.search.name[k][127] = c.search.name[k][191] = '.';
		c.search.name[k][198] = '\0';
	}
	for (unsigned i = 0; i < DNS_MAX; i++)
		c.ip[V4].guest.dns[i] = c.ip[V4].gw;
	c.ip[V4].guest.ndns = DNS_MAX;
	r_run(dhcp_answer, &c, frame, len, &a, &reply);
	eq(search_count(&a, reply), 5);
	eq(a.out.len, 312 + 1000 + 2 * 4 + 1);
}

/* Padding in front of the type makes any length */
static void test_message_size(void)
{
	static uint8_t frame[70000];
	uint8_t *reply;
	size_t len = make(frame, &(struct msg){ FRESH, "" });
	struct net c = r_net();
	struct answer a;

	test("dhcp: messages of 1500 bytes, and more");
	for (size_t n = 1498; n < 65000; n += n < 1510 ? 1 : 9999) {
		memset(frame + len, 0, n - 240);
		r_hex(TYPE(1), frame + BOOTP + n - 3);
		r_fix(frame, BOOTP + n);
		eq(r_run(dhcp_answer, &c, frame, BOOTP + n, &a, &reply), n <= 1500 ? DROP_NONE : DROP_RESPONDER);
		eq(!!a.out.len, n <= 1500);
	}
}

/* 3 bytes and the name, in one option of 255: 252 bytes as text, 250 characters in wire format */
static void test_long_fqdn(void)
{
	static const struct { const char *opts; size_t most; unsigned extra; } enc[] = {
		{ TYPE(1) "51 03 00 00 00", 252, 3 }, { TYPE(1) "51 03 04 00 00", 250, 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(enc); i++) {
		const struct msg m = { FRESH, enc[i].opts };
		uint8_t frame[2048], *reply;
		size_t n = 0, len = make(frame, &m);
		struct net c = r_net();
		static char fqdn[256];
		struct answer a;

		test("dhcp: name of %zu characters, and of one more", enc[i].most);
		c.search.n = 0;
		for (size_t k = enc[i].most; k <= enc[i].most + 1; k++) {
			memset(fqdn, 'f', k);
			fqdn[63] = fqdn[127] = fqdn[191] = '.';
			fqdn[k] = '\0';
			r_cf.fqdn = fqdn;
			r_run(dhcp_answer, &c, frame, len, &a, &reply);
			eq(!!find(&a, reply, OPT_FQDN, &n), k == enc[i].most);
			eq(n, enc[i].most + enc[i].extra);
		}
	}
}

/* Four domains of 80 bytes each: one option can't hold them */
static void test_split(void)
{
	const struct msg m = { FRESH, TYPE(1) "39 02 05dc" END };
	uint8_t frame[2048], want[320], *reply;
	size_t len = make(frame, &m), n = 0, first = 0;
	struct net c = r_net();
	const uint8_t *opt;
	struct answer a;

	test("dhcp: search list of 320 bytes in two options");
	c.search.n = 4;
	for (unsigned k = 0; k < 4; k++) {
		memset(c.search.name[k], 'a' + (int)k, 78);		/* labels of 63 and 14 */
		c.search.name[k][63] = '.';
		c.search.name[k][78] = '\0';
		want[n] = 63;
		memset(want + n + 1, 'a' + (int)k, 63);
		want[n + 64] = 14;
		memset(want + n + 65, 'a' + (int)k, 14);
		want[n + 79] = 0;
		n += 80;
	}
	r_run(dhcp_answer, &c, frame, len, &a, &reply);
	opt = find(&a, reply, OPT_SEARCH, &first);
	if (ok(opt) && eq(first, 255)) {
		eq_mem(opt, want, 255);
		eq(opt[255], OPT_SEARCH);
		eq(opt[256], 65);
		eq_mem(opt + 257, want + 255, 65);
		eq(opt[257 + 65], OPT_END);
	}
	eq(search_count(&a, reply), 4);
}

static void test_names(void)
{
	static const struct { const char *name; const char *text; const char *wire; } name[] = {
		{ "one label", "a", "01 61 00" }, { "dot at the end", "a.b.", "01 61 01 62 00" },
		{ "nothing", "", NULL },
		{ "a dot", ".", NULL }, { "two dots", "a..b", NULL }, { "dot in front", ".a", NULL },
	};
	char text[DOMAIN_MAX + 8];
	uint8_t want[64];

	for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
		struct out o = { .max = 300 };

		test("domain name: %s", name[i].name);
		eq(out_name(&o, name[i].text), !!name[i].wire);
		if (name[i].wire && eq(o.len, r_hex(name[i].wire, want)))
			eq_mem(o.b, want, o.len);
		if (!name[i].wire)
			eq(o.len, 0);
	}

	test("domain name: labels up to 63, names up to 255, buffers up to their end");
	for (unsigned n = 1; n < 70; n++) {
		struct out o = { .max = 300 };

		memset(text, 'x', n);
		text[n] = '\0';
		eq(out_name(&o, text), n <= 63);
	}
	for (unsigned n = 240; n < 260; n++) {
		struct out o = { .max = 300 }, tight = { .max = n + 1 };

		memset(text, 'x', n);
		text[60] = text[120] = text[180] = '.';
		text[n - 1] = 'y';
		text[n] = '\0';
		if (n > 180 + 63)
			text[220] = '.';
		eq(out_name(&o, text), n <= 253);
		eq(o.len, n <= 253 ? n + 2 : 0);
		ok(!out_name(&tight, text) && !tight.len);
	}
}

int main(void)
{
	log_level = LOG_ERR;
	test_rows();
	test_fixed();
	test_overload();
	test_mask();
	test_conf();
	test_off();
	test_size();
	test_fit();
	test_whole();
	test_message_size();
	test_long_fqdn();
	test_split();
	test_names();
	return done();
}
