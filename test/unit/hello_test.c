/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hello_test.c - server names in ClientHellos and HTTP requests, whole and in pieces */
#include "../t.h"
#include "../../hello.c"

/* Of OpenSSL 3.0: TLS 1.3 with ALPN and padding; TLS 1.2; the same without a name */
static const char real_1_3[] =
	"1603010200010001fc0303fed993885738d9fcfff157f29c3a7df83b19fa9ce944cf9dff82d308754652b420711ee7624aa8cc40"
	"17ff2df6df73380704ff59ca4b3f35e9f54c7afc6a90570a0024130213031301c02cc030c02bc02fcca9cca8c024c028c023c027"
	"009f009e006b006700ff0100018f00000019001700001472656769737472792e6578616d706c652e6f7267000b00040300010200"
	"0a00160014001d0017001e0019001801000101010201030104002300000010000e000c02683208687474702f312e310016000000"
	"170000000d002a0028040305030603080708080809080a080b080408050806040105010601030303010302040205020602002b00"
	"050403040303002d00020101003300260024001d0020e7f3a86e32cd011612b85e4e5f7734321e602e8c1a2e84984d883c5199cf"
	"9931001500c700000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000";

static const char real_1_2[] =
	"16030100a00100009c0303cd54e5fb2136b381bb09b7b908e928aaaba76b7b3b08405b2640ab474cc4ad03000004c02f00ff0100"
	"006f00000019001700001452656769737472792e4578616d706c652e6f7267000b000403000102000a000c000a001d0017001e00"
	"190018002300000016000000170000000d002a0028040305030603080708080809080a080b080408050806040105010601030303"
	"010302040205020602";

static const char real_none[] =
	"16030100830100007f0303cdc9e1779d76ad8270d3f1343d2bb509f70016834f05ecb87e16f4bfd07420de000004c02f00ff0100"
	"0052000b000403000102000a000c000a001d0017001e00190018002300000016000000170000000d002a00280403050306030807"
	"08080809080a080b080408050806040105010601030303010302040205020602";

static uint8_t msg[HELLO_MAX + 4096], out[3 * HELLO_MAX];

/* Hexadecimal digits, with blanks between them: bytes at @to */
static size_t unhex(const char *s, uint8_t *to)
{
	size_t n = 0;

	for (; *s; s++) {
		if (*s == ' ')
			continue;
		to[n++] = (uint8_t)(digit_value(s[0]) << 4 | digit_value(s[1]));
		s++;
	}
	return n;
}

/* ClientHello with extensions, @pad bytes of them padding (RFC 7685), in @msg */
static size_t client_hello(const char *exts, size_t pad)
{
	size_t n = unhex("01000000 0303", msg), at;

	memset(msg + n, 0x5a, 32);
	n += 32;
	n += unhex("00 0006 5a5a 1301 c02f 01 00", msg + n);
	at = n;
	n = at + 2 + unhex(exts, msg + at + 2);
	if (pad) {
		put_be16(msg + n, 21);
		put_be16(msg + n + 2, (uint16_t)pad);
		memset(msg + n + 4, 0, pad);
		n += 4 + pad;
	}
	put_be16(msg + at, (uint16_t)(n - at - 2));
	put_be16(msg + 2, (uint16_t)(n - 4));
	return n;
}

/* The @len bytes of @msg in records of @each bytes, in @out: their number */
static size_t records(size_t len, size_t each)
{
	size_t n = 0;

	for (size_t at = 0, part; at < len; at += part) {
		part = MIN(each, len - at);
		n += unhex("16 0301", out + n);
		put_be16(out + n, (uint16_t)part);
		memcpy(out + n + 2, msg + at, part);
		n += 2 + part;
	}
	return n;
}

/* In memory of its own, so that a sanitizer sees a byte too many being read */
static enum hello_state reads(enum hello_proto proto, const uint8_t *p, size_t len, uint16_t *at, struct hello *h)
{
	static uint8_t *copy;

	free(copy);
	copy = malloc(len + !len);
	if (len)
		memcpy(copy, p, len);
	return hello_read(proto, copy, len, at, h);
}

/* All names, with commas, "-" for an address, "!" for a bad one; or "more", "other", "bad" */
static const char *names(enum hello_proto proto, const uint8_t *p, size_t len)
{
	static const char *const word[] = { "more", "other", "bad" };
	enum hello_state state;
	enum hello_kind kind;
	static char text[1024];
	char name[HELLO_NAME];
	uint16_t at = 0;
	struct hello h;

	state = reads(proto, p, len, &at, &h);
	if (state != HELLO_WHOLE)
		return word[state];
	text[0] = '\0';
	while ((kind = hello_name(&h, name)) && strlen(text) < sizeof(text) - HELLO_NAME - 2) {
		if (*text)
			strcat(text, ",");
		strcat(text, kind == HELLO_NAME_GOOD ? name : kind == HELLO_NAME_BAD ? "!" : "-");
	}
	return text;
}

/* Byte by byte, it is whole with the last one and not before; what is behind doesn't matter */
static void pieces(enum hello_proto proto, const uint8_t *p, size_t len, const char *want)
{
	uint16_t at = 0, fresh;
	struct hello h;

	for (size_t n = 0; n < len; n++) {
		fresh = 0;
		eq(reads(proto, p, n, &at, &h), HELLO_MORE);
		eq(reads(proto, p, n, &fresh, &h), HELLO_MORE);
	}
	eq(reads(proto, p, len, &at, &h), HELLO_WHOLE);
	eq_str(names(proto, p, len), want);
	eq_str(names(proto, p, len + 7), want);
}

static void test_real(void)
{
	static const struct { const char *what, *hex, *want; } real[] = {
		{ "TLS 1.3", real_1_3, "registry.example.org" },
		{ "TLS 1.2", real_1_2, "registry.example.org" },
		{ "TLS 1.2 without a name", real_none, "" },
	};
	static const size_t each[] = { 1, 2, 3, 4, 5, 41, 42, 100, 16384 };

	for (unsigned i = 0; i < ARRAY_SIZE(real); i++) {
		size_t len = unhex(real[i].hex, msg);

		test("%s: in pieces", real[i].what);
		memcpy(out, msg, len);
		pieces(HELLO_TLS, out, len, real[i].want);
		memmove(msg, msg + 5, len - 5);
		for (unsigned j = 0; j < ARRAY_SIZE(each); j++) {
			test("%s: records of %zu", real[i].what, each[j]);
			pieces(HELLO_TLS, out, records(len - 5, each[j]), real[i].want);
		}
	}
}

/* Extensions of a ClientHello, and the names in them */
static const struct { const char *what, *exts, *want; } tls[] = {
	{ "no extensions", "", "" },
	{ "a name", "0000 0008 0006 00 0003 612e62", "a.b" },
	{ "GREASE (RFC 8701) around it", "0a0a 0000 0000 0008 0006 00 0003 612e62 1a1a 0001 00", "a.b" },
	{ "encrypted ClientHello: the outer name", "fe0d 0003 000000 0000 0008 0006 00 0003 612e62", "a.b" },
	{ "two names", "0000 000e 000c 00 0003 612e62 00 0003 632e64", "a.b,c.d" },
	{ "two extensions", "0000 0008 0006 00 0003 612e62 0000 0008 0006 00 0003 632e64", "a.b,c.d" },
	{ "capitals, and a dot at the end", "0000 0009 0007 00 0004 412e422e", "a.b" },
	{ "an address", "0000 000e 000c 00 0009 3132372e302e302e31", "-" },
	{ "an empty name", "0000 0005 0003 00 0000", "!" },
	{ "NUL in it", "0000 0009 0007 00 0004 612e6200", "!" },
	{ "blank behind it", "0000 0009 0007 00 0004 612e6220", "!" },
	{ "UTF-8", "0000 0009 0007 00 0004 c3a92e62", "!" },
	{ "another type", "0000 0008 0006 01 0003 612e62", "!" },
	{ "a name, and another type", "0000 000e 000c 00 0003 612e62 07 0003 632e64", "a.b,!" },
	{ "an empty list", "0000 0002 0000", "bad" },
	{ "an empty extension", "0000 0000", "bad" },
	{ "a list that is shorter than the extension", "0000 0009 0006 00 0003 612e62 00", "bad" },
	{ "a list that is longer", "0000 0008 0007 00 0003 612e62", "bad" },
	{ "a name that is longer than the list", "0000 0008 0006 00 0004 612e62", "bad" },
	{ "a type without a name", "0000 0009 0007 00 0003 612e62 00", "bad" },
	{ "an extension that is longer than the message", "000a 0005 00", "bad" },
	{ "half an extension", "000a 00", "bad" },
};

/* First bytes of something else */
static const struct { const char *what, *hex, *want; } others[] = {
	{ "HTTP", "47", "other" }, { "SSH", "5353482d322e30", "other" }, { "an alert", "15 0301 0002 0228", "other" },
	{ "SSL 2", "802e 0103", "other" }, { "another version", "16 02", "bad" },
	{ "an empty record", "16 0301 0000", "bad" },
	{ "a record of 16,385 bytes", "16 0301 4001", "bad" }, { "another message", "16 0301 0004 02", "bad" },
	{ "a message of 16 MiB", "16 0301 0004 01ffffff", "bad" },
	{ "an empty message", "16 0301 0004 01000000", "bad" },
	{ "a message of 16 KiB, with headers more", "16 0301 0004 01003ffc", "bad" },
	{ "the next record is of data", "16 0301 0001 01 17", "bad" },
};

/* ClientHello without extensions, with a mistake in it */
static const struct { const char *what; size_t at; const char *hex; } broken[] = {
	{ "legacy_version 2", 4, "02" }, { "a session ID of 33 bytes", 38, "21" }, { "no suites", 39, "0000" },
	{ "suites of 5 bytes", 39, "0005" }, { "suites beyond the end", 39, "0100" }, { "no compression", 47, "00" },
	{ "compression beyond the end", 47, "07" }, { "extensions beyond the end", 49, "0001" },
};

static void test_tls(void)
{
	size_t len;

	for (unsigned i = 0; i < ARRAY_SIZE(tls); i++) {
		test("ClientHello: %s", tls[i].what);
		eq_str(names(HELLO_TLS, out, records(client_hello(tls[i].exts, 0), 16384)), tls[i].want);
		if (strcmp(tls[i].want, "bad"))
			pieces(HELLO_TLS, out, records(client_hello(tls[i].exts, 0), 7), tls[i].want);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		test("no ClientHello: %s", others[i].what);
		eq_str(names(HELLO_TLS, out, unhex(others[i].hex, out)), others[i].want);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(broken); i++) {
		test("ClientHello with %s", broken[i].what);
		len = client_hello("", 0);
		unhex(broken[i].hex, msg + broken[i].at);
		eq_str(names(HELLO_TLS, out, records(len, 16384)), "bad");
	}
	test("ClientHello that ends behind compression");
	len = client_hello("", 0) - 2;
	put_be16(msg + 2, (uint16_t)(len - 4));
	eq_str(names(HELLO_TLS, out, records(len, 16384)), "");
	test("ClientHello of 16 KiB, and of a byte more");
	len = client_hello("0000 0008 0006 00 0003 612e62", 0);
	len = client_hello("0000 0008 0006 00 0003 612e62", HELLO_MAX - len - 4 - 5);
	eq(records(len, 16384), HELLO_MAX);
	eq_str(names(HELLO_TLS, out, HELLO_MAX - 1), "more");
	eq_str(names(HELLO_TLS, out, HELLO_MAX), "a.b");
	len = client_hello("0000 0008 0006 00 0003 612e62", 0);
	len = client_hello("0000 0008 0006 00 0003 612e62", HELLO_MAX + 1 - len - 4 - 5);
	records(len, 16384);
	eq_str(names(HELLO_TLS, out, 9), "bad");
	test("records of a byte: headers count");
	len = client_hello("0000 0008 0006 00 0003 612e62", 4000);
	records(len, 1);
	eq_str(names(HELLO_TLS, out, HELLO_MAX), "bad");
}

/* Bytes that are read of a ClientHello in records of a byte each, byte by byte: bounded work for each of the guest's */
static void test_work(void)
{
	size_t len = records(client_hello("0000 0008 0006 00 0003 612e62", 2500), 1), reads_done = 0;
	uint16_t at = 0, was = 0;
	struct hello h;

	test("pieces cost little");
	for (size_t n = 1; n <= len; n++) {
		hello_read(HELLO_TLS, out, n, &at, &h);
		reads_done += at != was;
		was = at;
	}
	ok(len > 15000 && reads_done < 100);
}

#define GET "GET / HTTP/1.1\r\n"

static const struct { const char *what, *text, *want; } http[] = {
	{ "a name", GET "Host: a.example\r\n\r\n", "a.example" },
	{ "LF alone", "GET / HTTP/1.1\nHost: a.example\n\n", "a.example" },
	{ "no blank, other case, port", "GET /x?y HTTP/1.0\r\nACCEPT:*/*\r\nhOsT:A.Example:8080\r\n\r\n", "a.example" },
	{ "blanks around, dot at the end", GET "Host: \t a.example. \t\r\n\r\n", "a.example" },
	{ "an empty port", GET "Host: a.example:\r\n\r\n", "a.example" },
	{ "an empty line first", "\r\n" GET "Host: a.example\r\n\r\n", "a.example" },
	{ "the same, LF alone", "\n" GET "Host: a.example\r\n\r\n", "a.example" },
	{ "a body", "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nHost: b.example\r\n\r\n",
	  "a.example" },
	{ "two Hosts", GET "Host: a.example\r\nX: y\r\nHost: b.example\r\n\r\n", "a.example,b.example" },
	{ "a Host in another field", GET "X-Host: b.example\r\nX: Host: c.example\r\nHost: a.example\r\n\r\n",
	  "a.example" },
	{ "no Host", GET "Accept: */*\r\n\r\n", "" },
	{ "no field", "GET / HTTP/1.0\r\n\r\n", "" },
	{ "an empty Host", GET "Host:\r\n\r\n", "-" },
	{ "an address", GET "Host: 192.0.2.1\r\n\r\n", "-" },
	{ "an IPv6 address", GET "Host: [2001:db8::1]:80\r\n\r\n", "-" },
	{ "an address in hexadecimal", GET "Host: 0x7f000001\r\n\r\n", "-" },
	{ "a list", GET "Host: a.example, b.example\r\n\r\n", "!" },
	{ "a user", GET "Host: u@a.example\r\n\r\n", "!" },
	{ "a port that is none", GET "Host: a.example:8x\r\n\r\n", "!" },
	{ "absolute form", "GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "b.example,a.example" },
	{ "absolute form, port, query", "GET HTTP://B.example:80?x HTTP/1.1\r\n\r\n", "b.example" },
	{ "absolute form, no path", "GET http://b.example HTTP/1.1\r\n\r\n", "b.example" },
	{ "absolute form, a user", "GET http://a.example@b.example/ HTTP/1.1\r\n\r\n", "!" },
	{ "absolute form without a name", "GET http:///x HTTP/1.1\r\nHost: a.example\r\n\r\n", "bad" },
	{ "CONNECT", "CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", "b.example,a.example" },
	{ "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example" },
	{ "a path of two slashes", "GET //b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example" },
	{ "neither path nor URI", "GET b.example HTTP/1.1\r\nHost: a.example\r\n\r\n", "bad" },
	{ "HTTP/0.9", "GET /\r\n", "other" },
	{ "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad" },
	{ "two blanks", "GET  / HTTP/1.1\r\n", "bad" },
	{ "a blank in the path", "GET /a b HTTP/1.1\r\n", "bad" },
	{ "a word behind the version", "GET / HTTP/1.1 x\r\n", "bad" },
	{ "HTTP/1.10", "GET / HTTP/1.10\r\n", "bad" },
	{ "other case", "GET / http/1.1\r\n", "bad" },
	{ "CR in the line", "GET /\rx HTTP/1.1\r\n", "bad" },
	{ "two empty lines first", "\r\n\r\n" GET, "bad" },
	{ "CR alone first", "\rG", "bad" },
	{ "a blank first", " GET / HTTP/1.1\r\n", "other" },
	{ "SSH", "SSH-2.0-OpenSSH_9.2\r\n", "other" },
	{ "TLS", "\x16\x03\x01", "other" },
	{ "a blank before the colon", GET "Host : a.example\r\n", "bad" },
	{ "a field that goes on", GET "Host: a.example\r\n\tb.example\r\n", "bad" },
	{ "a field that goes on, first", GET " x: y\r\n", "bad" },
	{ "no colon", GET "Host a.example\r\n", "bad" },
	{ "no name", GET ": a.example\r\n", "bad" },
	{ "CR in a field", GET "X: y\rHost: b.example\r\n", "bad" },
	{ "two CR", GET "X: y\r\r\n", "bad" },
};

/* Hosts, all of them labels of one kind or another */
static const struct { const char *host, *want; } hosts[] = {
	{ "a", "a" }, { "a.b.c.example", "a.b.c.example" }, { "_x.example", "_x.example" },
	{ "a-b.example", "a-b.example" },
	{ "1a.example", "1a.example" }, { "xn--e1afmkfd.example", "xn--e1afmkfd.example" },
	{ ".", "!" }, { "..", "!" }, { ".a", "!" }, { "a..b", "!" }, { "a..", "!" }, { "-a.b", "!" }, { "a-.b", "!" },
	{ "a.b-", "!" }, { "a.-b", "!" }, { "a/b", "!" }, { "a.1", "-" }, { "a.0x1", "-" }, { "*.a", "!" },
	{ "a%2eb", "!" },
	{ "a.b:1:2", "!" },
};

static const char *host(const char *name)
{
	snprintf((char *)msg, sizeof(msg), GET "Host: %s\r\n\r\n", name);
	return names(HELLO_HTTP, msg, strlen((char *)msg));
}

static void test_http(void)
{
	char name[300];

	for (unsigned i = 0; i < ARRAY_SIZE(http); i++) {
		size_t len = strlen(http[i].text), body = *http[i].text == 'P' && http[i].text[1] == 'O' ? 19 : 0;

		test("HTTP: %s", http[i].what);
		memset(out, 'x', len + 7);
		memcpy(out, http[i].text, len);
		eq_str(names(HELLO_HTTP, out, len), http[i].want);
		if (strcmp(http[i].want, "other") && strcmp(http[i].want, "bad"))
			pieces(HELLO_HTTP, out, len - body, http[i].want);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(hosts); i++) {
		test("Host: %s", hosts[i].host);
		eq_str(host(hosts[i].host), hosts[i].want);
	}
	test("a label of 63 bytes, and one more");
	memset(name, 'a', sizeof(name));
	name[63] = '\0';
	eq_str(host(name), name);
	name[63] = 'a';
	name[64] = '\0';
	eq_str(host(name), "!");
	test("a name of 253 bytes, and one more");
	for (unsigned i = 1; i < sizeof(name); i += 2)
		name[i] = '.';
	name[64] = 'a';
	name[253] = '\0';
	eq_str(host(name), name);
	strcpy(name + 253, "b");
	eq_str(host(name), "!");
	test("a header of 16 KiB that doesn't end");
	strcpy((char *)out, GET "X: ");
	memset(out + strlen(GET "X: "), 'y', HELLO_MAX);
	eq_str(names(HELLO_HTTP, out, HELLO_MAX - 1), "more");
	eq_str(names(HELLO_HTTP, out, HELLO_MAX), "bad");
	memcpy(out + HELLO_MAX - 4, "\r\n\r\n", 4);
	eq_str(names(HELLO_HTTP, out, HELLO_MAX), "");
	test("NUL in a field");
	memcpy(out, GET "X: \0\r\n\r\n", strlen(GET) + 8);
	eq_str(names(HELLO_HTTP, out, strlen(GET) + 8), "bad");
}

int main(void)
{
	test_real();
	test_tls();
	test_work();
	test_http();
	return done();
}
