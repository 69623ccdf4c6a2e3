/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "../../dhcpv6.c"
#include "../responder.h"
#include "../t.h"

static const struct mac guest_mac = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };

#define GUEST_LL	"fe800000000000005054 00fffe123456 "	/* fe80::5054:ff:fe12:3456 */
#define NONE		"00000000000000000000000000000000 "
#define SERVERS		"ff020000000000000000000000010002 "	/* ff02::1:2 */
#define OUR_LL		"fe800000000000000000000000000001 "	/* fe80::1 */
#define GUEST		"20010db8000100020000000000000015 "	/* 2001:db8:1:2::15 */
#define OTHER		"20010db8000100020000000000000077 "	/* 2001:db8:1:2::77 */
#define FAR		"26064700470000000000000000001111 "	/* 2606:4700:4700::1111 */
#define MAPPED		"00000000000000000000ffffc000020f "	/* ::ffff:192.0.2.15 */

#define SOL		"01 a1b2c3 "				/* transaction ID in all of them */
#define ADV		"02 a1b2c3 "
#define REQ		"03 a1b2c3 "
#define CNF		"04 a1b2c3 "
#define REN		"05 a1b2c3 "
#define REB		"06 a1b2c3 "
#define REP		"07 a1b2c3 "
#define REL		"08 a1b2c3 "
#define DEC		"09 a1b2c3 "
#define INF		"0b a1b2c3 "

#define CID		"0001 000a 0003 0001 525400123456 "	/* client: DUID-LL */
#define SID		"0002 000a 0003 0001 9a559a559a55 "	/* server: DUID-LL */
#define BAD_SID		"0002 000a 0003 0001 9a559a559a56 "
#define TIME		"0008 0002 0000 "
#define RAP		"000e 0000 "
#define PREF		"0007 0001 ff "
#define IAID		"00000001 "
#define T_0		"00000000 00000000 "
#define T_EVER		"ffffffff ffffffff "
#define NA(len)		"0003 " len IAID T_0			/* IA_NA */
#define TA(len)		"0004 " len IAID
#define PD(len)		"0019 " len IAID T_0
#define ADDR(a)		"0005 0018 " a T_0			/* IAADDR, 28 bytes */
#define ST(n)		"000d 0002 000" #n " "			/* status, 6 bytes */

/* Parts of replies */
#define IDS		SID CID
#define R_NA		"0003 0028 " IAID T_EVER "0005 0018 " GUEST T_EVER
#define R_NA_ST(n)	"0003 0012 " IAID T_0 ST(n)
#define R_TA		"0004 000a " IAID ST(2)
#define R_PD		"0019 0012 " IAID T_0 ST(6)
#define R_DNS		"0017 0020 20010db8000000000000000000000053 20010db8000000000000000000000054 "
/* example.com, b.example.org */
#define R_SEARCH	"0018 001c 07 6578616d706c65 03 636f6d 00 01 62 07 6578616d706c65 03 6f7267 00 "
#define R_NAMES		R_DNS R_SEARCH

static const struct {
	const char	*name, *msg, *reply;
} row[] = {
	{ "SOLICIT", SOL CID TIME NA("000c"), ADV IDS PREF R_NA R_NAMES },
	{ "SOLICIT, hint is not heeded", SOL CID NA("0028") ADDR(OTHER), ADV IDS PREF R_NA R_NAMES },
	{ "SOLICIT, rapid commit", SOL CID RAP TIME NA("000c"), REP IDS RAP R_NA R_NAMES },
	{ "SOLICIT, rapid commit at the very end", SOL CID NA("000c") RAP, REP IDS RAP R_NA R_NAMES },
	{ "SOLICIT, nothing to assign", SOL CID TIME, ADV IDS PREF R_NAMES },
	{ "SOLICIT, two associations: the second gets none", SOL CID NA("000c") "0003 000c 00000002" T_0,
	  ADV IDS PREF R_NA "0003 0012 00000002" T_0 ST(2) R_NAMES },
	{ "SOLICIT, temporary address: none", SOL CID TA("0004"), ADV IDS PREF R_TA R_NAMES },
	{ "SOLICIT, prefix: none", SOL CID PD("000c"), ADV IDS PREF R_PD R_NAMES },
	{ "SOLICIT, all kinds", SOL CID PD("000c") TA("0004") NA("000c"), ADV IDS PREF R_PD R_TA R_NA R_NAMES },
	{ "SOLICIT, options requested", SOL CID NA("000c") "0006 0004 0017 0018", ADV IDS PREF R_NA R_NAMES },

	{ "REQUEST", REQ CID SID TIME NA("0028") ADDR(GUEST), REP IDS R_NA R_NAMES },
	{ "REQUEST, no address named", REQ CID SID NA("000c"), REP IDS R_NA R_NAMES },
	{ "REQUEST, another address: not on link", REQ CID SID NA("0028") ADDR(OTHER), REP IDS R_NA_ST(4) R_NAMES },
	{ "REQUEST, another address beside", REQ CID SID NA("0044") ADDR(GUEST) ADDR(FAR), REP IDS R_NA_ST(4) R_NAMES },
	{ "REQUEST, option within the address", REQ CID SID NA("002e") "0005 001e " GUEST T_0 ST(0),
	  REP IDS R_NA R_NAMES },

	{ "REQUEST, within the association what is no address",
	  REQ CID SID NA("004a") "ff00 0018 " OTHER T_0 ADDR(GUEST) ST(0),
	  REP IDS R_NA R_NAMES },

	{ "RENEW", REN CID SID NA("0028") ADDR(GUEST), REP IDS R_NA R_NAMES },
	{ "RENEW, another address ends", REN CID SID NA("0028") ADDR(OTHER),
	  REP IDS "0003 0044 " IAID T_EVER "0005 0018 " GUEST T_EVER "0005 0018 " OTHER T_0 R_NAMES },
	{ "RENEW, a mapped address ends", REN CID SID NA("0028") ADDR(MAPPED),
	  REP IDS "0003 0044 " IAID T_EVER "0005 0018 " GUEST T_EVER "0005 0018 " MAPPED T_0 R_NAMES },
	{ "REBIND", REB CID NA("0028") ADDR(GUEST), REP IDS R_NA R_NAMES },
	{ "REBIND, another address ends", REB CID NA("0044") ADDR(GUEST) ADDR(FAR),
	  REP IDS "0003 0044 " IAID T_EVER "0005 0018 " GUEST T_EVER "0005 0018 " FAR T_0 R_NAMES },

	{ "CONFIRM", CNF CID NA("0028") ADDR(GUEST), REP IDS ST(0) },
	{ "CONFIRM, another address", CNF CID NA("0028") ADDR(OTHER), REP IDS ST(4) },
	{ "CONFIRM, one of two", CNF CID NA("0028") ADDR(GUEST) TA("0020") ADDR(FAR), REP IDS ST(4) },
	{ "CONFIRM, no address", CNF CID NA("000c"), NULL },
	{ "CONFIRM, what a prefix's association names is no address", CNF CID PD("0028") ADDR(FAR), NULL },
	{ "CONFIRM, no association", CNF CID, NULL },
	{ "RELEASE", REL CID SID NA("0028") ADDR(GUEST), REP IDS ST(0) },
	{ "DECLINE", DEC CID SID NA("0028") ADDR(GUEST), REP IDS ST(0) },
	{ "INFORMATION-REQUEST", INF CID "0006 0004 0017 0018", REP IDS R_NAMES },
	{ "INFORMATION-REQUEST, anonymous", INF TIME, REP SID R_NAMES },
	{ "INFORMATION-REQUEST, to us", INF CID SID, REP IDS R_NAMES },

	/* RFC 4704 6: only if it was requested, sent or not; no update by us (N), their wish overridden (O) if it was S
	 */
	{ "name", SOL CID NA("000c") "0027 0009 01 06 677565737473 00" "0006 0002 0027", ADV IDS PREF R_NA R_DNS
	  "0027 0014 06 05 6775657374 07 6578616d706c65 03 636f6d 00" R_SEARCH },
	{ "name, no wish", SOL CID NA("000c") "0006 0004 0017 0027" "0027 0001 00", ADV IDS PREF R_NA R_DNS
	  "0027 0014 04 05 6775657374 07 6578616d706c65 03 636f6d 00" R_SEARCH },
	{ "name, sent but not requested", SOL CID NA("000c") "0027 0001 00", ADV IDS PREF R_NA R_NAMES },
	{ "name, requested but not sent", SOL CID NA("000c") "0006 0002 0027", ADV IDS PREF R_NA R_DNS
	  "0027 0014 04 05 6775657374 07 6578616d706c65 03 636f6d 00" R_SEARCH },
	{ "name, requested among others, not sent", REQ CID SID NA("000c") "0006 0008 0017 0018 0027 0038",
	  REP IDS R_NA R_DNS
	  "0027 0014 04 05 6775657374 07 6578616d706c65 03 636f6d 00" R_SEARCH },
	{ "name, requested without an address", INF CID "0006 0002 0027", REP IDS R_DNS
	  "0027 0014 04 05 6775657374 07 6578616d706c65 03 636f6d 00" R_SEARCH },

	/* RFC 8415 16 */
	{ "SOLICIT without client", SOL NA("000c"), NULL },
	{ "SOLICIT with server", SOL CID SID NA("000c"), NULL },
	{ "REQUEST without server", REQ CID NA("000c"), NULL },
	{ "REQUEST to another server", REQ CID BAD_SID NA("000c"), NULL },
	{ "REQUEST without client", REQ SID NA("000c"), NULL },
	{ "CONFIRM with server", CNF CID SID NA("0028") ADDR(GUEST), NULL },
	{ "CONFIRM without client", CNF NA("0028") ADDR(GUEST), NULL },
	{ "RENEW without server", REN CID NA("0028") ADDR(GUEST), NULL },
	{ "RENEW to another server", REN CID BAD_SID NA("0028") ADDR(GUEST), NULL },
	{ "REBIND with server", REB CID SID NA("0028") ADDR(GUEST), NULL },
	{ "RELEASE to another server", REL CID BAD_SID, NULL },
	{ "DECLINE without server", DEC CID, NULL },
	{ "INFORMATION-REQUEST to another server", INF CID BAD_SID, NULL },
	{ "INFORMATION-REQUEST with association", INF CID NA("000c"), NULL },
	{ "INFORMATION-REQUEST with temporary one", INF CID TA("0004"), NULL },
	{ "INFORMATION-REQUEST with prefix", INF CID PD("000c"), NULL },
	{ "ADVERTISE", ADV IDS, NULL },
	{ "REPLY", REP IDS, NULL },
	{ "RECONFIGURE", "0a a1b2c3" IDS, NULL },
	{ "RELAY-FORW", "0c 00 " NONE NONE, NULL },
	{ "type 0", "00 a1b2c3" CID, NULL },
	{ "type 255", "ff a1b2c3" CID, NULL },

	{ "CFG-13 option cut", SOL CID "0008 0002 00", NULL },
	{ "CFG-13 option header cut", SOL CID "0008 00", NULL },
	{ "CFG-13 option beyond the end", SOL CID "0008 ffff 0000", NULL },
	{ "CFG-13 IA_NA of 11 bytes", SOL CID "0003 000b 00000001 00000000 000000", NULL },
	{ "CFG-13 IA_NA of none", SOL CID "0003 0000", NULL },
	{ "CFG-13 IA_TA of 3 bytes", SOL CID "0004 0003 000000", NULL },
	{ "CFG-13 IA_PD of 4 bytes", SOL CID "0019 0004 00000001", NULL },
	{ "CFG-13 IA_NA whose option is longer than it", SOL CID NA("0010") "0005 0018" CID CID CID, NULL },
	{ "CFG-13 IA_NA whose option header is cut", SOL CID NA("000e") "0005", NULL },
	{ "CFG-13 IA_TA whose option is longer than it", SOL CID TA("0008") "0005 0001" TIME, NULL },
	{ "CFG-13 IAADDR of 23 bytes", SOL CID NA("0027") "0005 0017" GUEST "00000000 000000", NULL },
	{ "CFG-13 IAADDR of none", SOL CID NA("0010") "0005 0000", NULL },
	{ "CFG-13 IAADDR whose option is longer than it", SOL CID NA("002c") "0005 001c" GUEST T_0 "000d 0001", NULL },
	{ "CFG-13 IAADDR whose option header is cut", SOL CID NA("0029") "0005 0019" GUEST T_0 "00", NULL },
	{ "client DUID of 3 bytes", INF "0001 0003 000300", REP SID "0001 0003 000300" R_NAMES },
	{ "client DUID of 2 bytes", SOL "0001 0002 0003" NA("000c"), NULL },
	{ "list of 3 bytes", SOL CID "0006 0003 001700", NULL },
	{ "rapid commit with content", SOL CID "000e 0001 00", NULL },
	{ "name without flags", SOL CID "0027 0000", NULL },
};

/* Ethernet, IPv6, UDP from 546 to 547, then the message */
static size_t make(uint8_t *f, const char *src, const char *dst, const char *msg)
{
	size_t len = r_hex("333300010002 525400123456 86dd 60000000 0000 11 01", f);

	len += r_hex(src, f + len);
	len += r_hex(dst, f + len);
	len += r_hex("0222 0223 0000 0000", f + len);
	len += r_hex(msg, f + len);
	r_fix(f, len);
	return len;
}

/* Every cut of a frame, lengths in the headers left alone, and again put right */
static void cuts(const struct net *c, const uint8_t *frame, size_t len)
{
	uint8_t part[2048], *reply;
	struct answer a;

	for (size_t n = 0; n < len; n++) {
		ok(r_run(dhcpv6_answer, c, frame, n, &a, &reply) != DROP_NONE);
		memcpy(part, frame, n);
		r_fix(part, n);
		r_run(dhcpv6_answer, c, part, n, &a, &reply);
		ok(!a.out.len || a.out.len >= 4 + 14);
	}
}

static void check(const struct net *c, const char *msg, const char *want)
{
	uint8_t frame[2048], hex[2048], *reply;
	size_t len = make(frame, GUEST_LL, SERVERS, msg);
	struct answer a;

	eq(r_run(dhcpv6_answer, c, frame, len, &a, &reply), want ? DROP_NONE : DROP_RESPONDER);
	eq(!!a.out.len, !!want);
	if (want && eq(a.out.len, r_hex(want, hex))) {
		eq_mem(reply, hex, a.out.len);
		eq_mem(a.dst.a.b, frame + 22, 16);
		ok(addr_eq(&a.src.a, &c->ip[V6].our_ll));
		eq(a.src.port, 547);
		eq(a.dst.port, 546);
		ok(mac_eq(&a.dmac, &guest_mac));
		ok(a.ttl > 0);
	}
	cuts(c, frame, len);
}

static void test_rows(void)
{
	const struct net c = r_net();

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		test("dhcpv6: %s", row[i].name);
		check(&c, row[i].msg, row[i].reply);
	}
}

static void c_dns_off(struct net *c)		{ (void)c; r_cf.dhcp_dns = false; }
static void c_no_dns(struct net *c)		{ c->ip[V6].guest.ndns = 0; }
static void c_search_off(struct net *c)	{ (void)c; r_cf.dhcp_search = false; }
static void c_no_search(struct net *c)		{ c->search.n = 0; }
static void c_one(struct net *c)		{ c->search.n = 1; c->ip[V6].guest.ndns = 1; }
static void c_local(struct net *c)		{ c->ip[V6].guest.addr = c->ip[V6].guest.ll; }
static void c_no_addr(struct net *c)		{ c->ip[V6].guest.addr = (struct addr){ 0 }; }

static void test_conf(void)
{
	static const struct { const char *name; void (*change)(struct net *c); const char *msg, *reply; } var[] = {
		{ "--no-dhcp-dns", c_dns_off, SOL CID NA("000c"), ADV IDS PREF R_NA R_SEARCH },
		{ "no servers", c_no_dns, SOL CID NA("000c"), ADV IDS PREF R_NA R_SEARCH },
		{ "--no-dhcp-search", c_search_off, SOL CID NA("000c"), ADV IDS PREF R_NA R_DNS },
		{ "no search list", c_no_search, SOL CID NA("000c"), ADV IDS PREF R_NA R_DNS },
		{ "CFG-11 one server, one domain", c_one, INF, REP SID
		  "0017 0010 20010db8000000000000000000000053 0018 000d 07 6578616d706c65 03 636f6d 00" },
		{ "link-local address only: none to give", c_local, SOL CID NA("000c"),
		  ADV IDS PREF R_NA_ST(2) R_NAMES },
		{ "no address: none to give", c_no_addr, REQ CID SID NA("0028") ADDR(GUEST),
		  REP IDS R_NA_ST(2) R_NAMES },
	};

	for (size_t i = 0; i < ARRAY_SIZE(var); i++) {
		struct net c = r_net();

		test("dhcpv6: %s", var[i].name);
		var[i].change(&c);
		check(&c, var[i].msg, var[i].reply);
	}
}

/* RFC 8415 18.4: we never told anyone to do that */
static void test_unicast(void)
{
	static const struct { const char *name, *msg; bool told; } uni[] = {
		{ "SOLICIT", SOL CID NA("000c"), false }, { "REQUEST", REQ CID SID NA("000c"), true },
		{ "CONFIRM", CNF CID NA("0028") ADDR(GUEST), false }, { "RENEW", REN CID SID NA("000c"), true },
		{ "REBIND", REB CID NA("000c"), false },
		{ "RELEASE", REL CID SID, true }, { "DECLINE", DEC CID SID, true },
		{ "INFORMATION-REQUEST", INF CID, false }, { "REQUEST to another server", REQ CID BAD_SID, false },
	};
	const struct net c = r_net();

	for (size_t i = 0; i < ARRAY_SIZE(uni); i++) {
		uint8_t frame[2048], want[64], *reply;
		size_t len = make(frame, GUEST_LL, OUR_LL, uni[i].msg);
		struct answer a;

		test("dhcpv6: unicast %s %s", uni[i].name, uni[i].told ? "is told to use multicast" : "is dropped");
		eq(r_run(dhcpv6_answer, &c, frame, len, &a, &reply), uni[i].told ? DROP_NONE : DROP_RESPONDER);
		eq(!!a.out.len, uni[i].told);
		if (uni[i].told && eq(a.out.len, r_hex(REP IDS ST(5), want)))
			eq_mem(reply, want, a.out.len);
	}
}

static void test_off(void)
{
	uint8_t frame[2048], *reply;
	size_t len = make(frame, GUEST_LL, SERVERS, SOL CID NA("000c"));
	struct net c = r_net();
	struct answer a;

	test("dhcpv6: silent without IPv6");
	c.ip[V6].on = false;
	eq(r_run(dhcpv6_answer, &c, frame, len, &a, &reply), DROP_POLICY);
	eq(a.out.len, 0);

	test("dhcpv6: the server's DUID follows its MAC address");
	c = r_net();
	r_cf.our_mac.b[5] = 0x66;
	eq(r_run(dhcpv6_answer, &c, frame, len, &a, &reply), DROP_NONE);
	eq(reply[17], 0x66);
}

/* Options of a reply up to its end; returns the length of option @code */
static size_t walk(const struct answer *a, const uint8_t *reply, unsigned code)
{
	size_t at = 4, found = 0;

	while (at < a->out.len) {
		if (get_be16(reply + at) == code)
			found = get_be16(reply + at + 2);
		at += 4U + get_be16(reply + at + 2);
	}
	eq(at, a->out.len);
	return found;
}

static void test_long(void)
{
	static char msg[8192];
	uint8_t frame[2048], *reply;
	struct net c = r_net();
	struct answer a;
	size_t len;

	test("CFG-11 dhcpv6: long lists are cut at whole entries");
	for (unsigned k = 0; k < DNS_MAX; k++)
		c.ip[V6].guest.dns[k] = c.ip[V6].guest.addr;
	c.ip[V6].guest.ndns = DNS_MAX;
	c.search.n = SEARCH_MAX;
	for (unsigned k = 0; k < SEARCH_MAX; k++) {	/* 253 characters, 255 bytes: labels of 63, 63, 63, 61 */
		memset(c.search.name[k], 'a' + (int)k, 253);
		c.search.name[k][63] = c.search.name[k][127] = c.search.name[k][191] = '.';
		c.search.name[k][253] = '\0';
	}
	len = make(frame, GUEST_LL, SERVERS, SOL CID NA("000c"));
	eq(r_run(dhcpv6_answer, &c, frame, len, &a, &reply), DROP_NONE);
	ok(a.out.len <= 1280 - 48);
	eq(walk(&a, reply, OPT6_DNS), 16 * DNS_MAX);
	/* 1232 less 4, 14 and 14 of identifiers, 5, 44 of the address, 132 of servers, 4: 1015, and a name takes 255 */
	eq(walk(&a, reply, OPT6_SEARCH), 3 * 255);

	test("dhcpv6: as many associations as a message holds, each whole, at every place of the reply's end");
	for (unsigned n = 3; n < 70; n++) {
		len = (size_t)snprintf(msg, sizeof(msg), SOL "0001 %04x", n);
		memset(msg + len, 'a', 2 * n);
		strcpy(msg + len + 2 * n, NA("000c"));
		for (unsigned i = 0; i < 80; i++)
			strcat(msg, i % 2 ? NA("000c") : TA("0004"));
		len = make(frame, GUEST_LL, SERVERS, msg);
		eq(r_run(dhcpv6_answer, &c, frame, len, &a, &reply), DROP_NONE);
		ok(a.out.len <= 1280 - 48 && a.out.len > 1280 - 48 - 22);
		for (size_t at = 4; at < a.out.len; at += 4U + get_be16(reply + at + 2)) {
			unsigned size = get_be16(reply + at + 2);

			if (get_be16(reply + at) == OPT6_IA_NA)
				ok(size == 12 + 28 || size == 12 + 6);
			if (get_be16(reply + at) == OPT6_IA_TA)
				eq(size, 4 + 6);
		}
		walk(&a, reply, 0);
	}

	test("dhcpv6: as many other addresses as a message holds");
	strcpy(msg, REB CID NA("0554"));	/* 1364: 12 and 48 of 28, and 8 more */
	for (unsigned i = 0; i < 48; i++)
		strcat(msg, ADDR(FAR));
	strcat(msg, "ff00 0004 00000000");
	len = make(frame, GUEST_LL, SERVERS, msg);
	eq(r_run(dhcpv6_answer, &c, frame, len, &a, &reply), DROP_NONE);
	ok(a.out.len <= 1280 - 48);
	ok(walk(&a, reply, OPT6_IA_NA) > 1000);

	test("dhcpv6: messages of 1500 bytes, and more");
	for (size_t n = 1498; n < 65000; n += n < 1510 ? 1 : 9999) {
		static uint8_t big[70000];

		len = make(big, GUEST_LL, SERVERS, SOL CID NA("000c"));
		put_be16(big + len, 0xff00);
		put_be16(big + len + 2, (uint16_t)(62 + n - len - 4));
		memset(big + len + 4, 0, n);
		r_fix(big, 62 + n);
		eq(r_run(dhcpv6_answer, &c, big, 62 + n, &a, &reply), n <= 1500 ? DROP_NONE : DROP_RESPONDER);
		eq(!!a.out.len, n <= 1500);
	}

	test("dhcpv6: client DUID of 130 bytes, and of 131");
	for (unsigned n = 130; n <= 131; n++) {
		len = (size_t)snprintf(msg, sizeof(msg), SOL NA("000c") "0001 %04x", n);
		memset(msg + len, 'a', 2 * n);
		msg[len + 2 * n] = '\0';
		len = make(frame, GUEST_LL, SERVERS, msg);
		eq(r_run(dhcpv6_answer, &c, frame, len, &a, &reply), n == 130 ? DROP_NONE : DROP_RESPONDER);
		eq(!!a.out.len, n == 130);
	}
}

int main(void)
{
	log_level = LOG_ERR;
	test_rows();
	test_conf();
	test_unicast();
	test_off();
	test_long();
	return done();
}
