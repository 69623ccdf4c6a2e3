/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LINK: */

#include "../../addr.c"
#include "../t.h"

static struct addr parse(const char *s)
{
	struct addr a = { .q = { 0 } };

	if (!ok(addr_parse(s, strlen(s), &a)))
		printf("# \"%s\"\n", s);
	return a;
}

static void test_text(void)
{
	static const struct { const char *in, *out; } row[] = {
		{ "192.0.2.1", "192.0.2.1" }, { "0.0.0.0", "0.0.0.0" }, { "255.255.255.255", "255.255.255.255" },
		{ "::", "::" }, { "::1", "::1" }, { "2001:DB8:0:0:1::", "2001:db8:0:0:1::" }, { "fe80::1", "fe80::1" },
		{ "::ffff:198.51.100.7", "198.51.100.7" }, { "::ffff:c633:6407", "198.51.100.7" },
		{ "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" }, { "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};
	static const char *const bad[] = {
		"", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ", " 1.2.3.4", "01.2.3.4x", "1.2.3.-4",
		"0x7f.0.0.1",
		":", ":::", "1::2::3", "fe80::1%eth0", "[::1]", "12345::", "1:2:3:4:5:6:7", "g::", "localhost",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
	};
	char buf[ADDR_STRLEN];
	struct addr a;

	test("addr: text to address and back");
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		a = parse(row[i].in);
		eq_str(addr_fmt(&a, buf), row[i].out);
		eq(addr_is_v4(&a), !strchr(row[i].out, ':'));
	}

	test("addr: what is no address, or not only one");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!ok(!addr_parse(bad[i], strlen(bad[i]), &a)))
			printf("# \"%s\"\n", bad[i]);
	}
	ok(!addr_parse("1.2.3.4\0x", 9, &a));
	ok(addr_parse("1.2.3.45:80", 7, &a));
	eq_str(addr_fmt(&a, buf), "1.2.3.4");
}

enum { UNSPEC = 1, LOOP = 2, MULTI = 4, LINK = 8, BCAST = 16 };

static void test_classes(void)
{
	static const struct { const char *text; int classes; } row[] = {
		{ "0.0.0.0", UNSPEC }, { "0.0.0.1", 0 }, { "::", UNSPEC }, { "::ffff:0:0", UNSPEC }, { "::2", 0 },
		{ "127.0.0.0", LOOP }, { "127.255.255.255", LOOP }, { "126.255.255.255", 0 }, { "128.0.0.0", 0 },
		{ "::1", LOOP }, { "::ffff:127.0.0.1", LOOP }, { "::127.0.0.1", 0 },
		{ "223.255.255.255", 0 }, { "224.0.0.0", MULTI }, { "239.255.255.255", MULTI }, { "240.0.0.0", 0 },
		{ "ff00::", MULTI }, { "ff02::1", MULTI }, { "fe00::", 0 }, { "255.255.255.255", BCAST },
		{ "255.255.255.254", 0 }, { "169.254.0.0", LINK }, { "169.254.255.255", LINK }, { "169.253.0.1", 0 },
		{ "169.255.0.1", 0 }, { "fe80::", LINK }, { "febf:ffff::1", LINK }, { "fec0::1", 0 }, { "fe7f::1", 0 },
		{ "192.0.2.1", 0 }, { "2001:db8::1", 0 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", MULTI },
	};

	test("L2-13 addr: classes");
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct addr a = parse(row[i].text);
		int got = addr_is_unspec(&a) * UNSPEC | addr_is_loopback(&a) * LOOP | addr_is_multicast(&a) * MULTI |
			  addr_is_linklocal(&a) * LINK | addr_is_bcast(&a) * BCAST;

		if (!eq(got, row[i].classes))
			printf("# %s\n", row[i].text);
	}
	ok(addr_is_unspec(&addr_any4) && addr_is_v4(&addr_any4));
	ok(addr_is_unspec(&addr_any6) && !addr_is_v4(&addr_any6));
	ok(addr_is_loopback(&addr_loopback4) && addr_is_v4(&addr_loopback4));
	ok(addr_is_loopback(&addr_loopback6) && !addr_is_v4(&addr_loopback6));
}

/* First bit in which two addresses differ, the slow way */
static unsigned common_bits(const struct addr *a, const struct addr *b, unsigned from)
{
	unsigned i;

	for (i = from; i < 128; i++) {
		if ((a->b[i / 8] ^ b->b[i / 8]) & (0x80 >> i % 8))
			break;
	}
	return i - from;
}

static void test_prefix(void)
{
	struct addr v4 = parse("10.1.2.3"), v6 = parse("2001:db8::1");
	uint32_t mask = 0;

	test("addr: every prefix length against every differing bit");
	for (unsigned bit = 0; bit <= 128; bit++) {
		struct addr a = v6, b = v4;

		if (bit < 128)
			a.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		if (bit < 32)
			b.b[12 + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		for (unsigned plen = 0; plen <= 130; plen++) {
			eq(addr_in_prefix(&a, &v6, plen), plen <= 128 && common_bits(&a, &v6, 0) >= plen);
			eq(addr_in_prefix(&b, &v4, plen), plen <= 32 && common_bits(&b, &v4, 96) >= plen);
		}
	}
	ok(!addr_in_prefix(&v4, &v6, 0));
	ok(!addr_in_prefix(&v6, &v4, 0));

	test("addr: IPv4 network masks");
	for (unsigned plen = 0; plen <= 32; plen++) {
		eq(addr_mask4(plen), htonl(mask));
		mask = mask >> 1 | 0x80000000;
	}
}

static void test_bytes(void)
{
	uint8_t wire[17], buf[17];
	struct addr a;

	test("addr: wire bytes, at odd addresses");
	for (unsigned i = 0; i < sizeof(wire); i++)
		wire[i] = (uint8_t)(i + 1);
	a = addr_from_bytes(wire + 1, true);
	ok(addr_is_v4(&a));
	memset(buf, 0, sizeof(buf));
	addr_to_bytes(&a, buf + 1);
	eq_mem(buf + 1, "\2\3\4\5\0", 5);
	a = addr_from_bytes(wire + 1, false);
	addr_to_bytes(&a, buf + 1);
	eq_mem(buf + 1, wire + 1, 16);
	a = addr_from4(htonl(0xc0000201));
	eq_mem(&a, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
	eq(addr_v4(&a), htonl(0xc0000201));
}

static void test_ends(void)
{
	struct end e = { parse("192.0.2.1"), 80 }, f = { parse("2001:db8::1"), 65535 }, g;
	union sockaddr_any sa;
	char buf[END_STRLEN];

	test("endpoints: text");
	eq_str(end_fmt(&e, buf), "192.0.2.1:80");
	eq_str(end_fmt(&f, buf), "[2001:db8::1]:65535");
	g = (struct end){ parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 65535 };
	eq_str(end_fmt(&g, buf), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	ok(end_eq(&e, &e) && !end_eq(&e, &f));
	g = e;
	g.port++;
	ok(!end_eq(&e, &g));

	test("endpoints: socket addresses");
	memset(&sa, 0xff, sizeof(sa));
	eq(end_to_sa(&e, 7, &sa), sizeof(sa.v4));
	eq(sa.v4.sin_family, AF_INET);
	eq(sa.v4.sin_port, htons(80));
	eq(sa.v4.sin_addr.s_addr, htonl(0xc0000201));
	ok(end_from_sa(&g, &sa) && end_eq(&g, &e));

	memset(&sa, 0xff, sizeof(sa));
	eq(end_to_sa(&f, 7, &sa), sizeof(sa.v6));
	eq(sa.v6.sin6_family, AF_INET6);
	eq(sa.v6.sin6_port, htons(65535));
	eq(sa.v6.sin6_scope_id, 7);
	eq(sa.v6.sin6_flowinfo, 0);
	eq_mem(&sa.v6.sin6_addr, &f.a, 16);
	ok(end_from_sa(&g, &sa) && end_eq(&g, &f));

	memcpy(&sa.v6.sin6_addr, &e.a, 16);	/* an IPv6 socket's view of an IPv4 peer */
	sa.v6.sin6_port = htons(80);
	ok(end_from_sa(&g, &sa) && end_eq(&g, &e));
	sa.sa.sa_family = AF_UNIX;
	ok(!end_from_sa(&g, &sa));
}

static void test_macs(void)
{
	static const char *const bad[] = {
		"", "9a:55:9a:55:9a", "9a:55:9a:55:9a:55:", "9a:55:9a:55:9a:555", "9a:55:9a:55:9a:5g",
		":9a:55:9a:55:9a:55",
		"9a-55-9a-55-9a-55", "9a:55::9a:55:9a", "9a559a559a55", "9a:55:9a:55:9a:55:01", "9a:55:9a:55:9a:",
		"@a:55:9a:55:9a:55",
		" 9a:55:9a:55:9a:55", "9a:55:9a:55:9a:55 ", "\xc1:0:0:0:0:0",
	};
	struct mac m, n = { { 0 } };
	char buf[MAC_STRLEN];

	test("MAC addresses: text");
	ok(mac_parse("9a:55:9A:0F:f0:00", &m));
	eq_mem(m.b, "\x9a\x55\x9a\x0f\xf0\x00", 6);
	eq_str(mac_fmt(&m, buf), "9a:55:9a:0f:f0:00");
	ok(!mac_is_zero(&m) && !mac_eq(&m, &n) && mac_eq(&m, &m));
	ok(mac_parse("0:0:0:0:0:0", &n));
	ok(mac_is_zero(&n));
	ok(mac_parse("1:2:3:4:5:f", &n));
	eq_mem(n.b, "\1\2\3\4\5\xf", 6);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		n = m;
		if (!ok(!mac_parse(bad[i], &n)))
			printf("# \"%s\"\n", bad[i]);
		ok(mac_eq(&n, &m));
	}
}

int main(void)
{
	test_text();
	test_classes();
	test_prefix();
	test_bytes();
	test_ends();
	test_macs();
	return done();
}
