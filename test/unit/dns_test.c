/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns_test.c - DNS messages: queries that are plain questions, answers written anew, addresses found */

#include <unistd.h>

#include "../addresses.h"
#include "../messages.h"
#include "../t.h"
#include "../../dns.c"

#define HEAD		"1234 0100 0001 0000 0000 0000 "
#define HEAD_OPT	"1234 0100 0001 0000 0000 0001 "
#define ASKED		"=www.example.com 0001 0001"
#define OPT		" 00 0029 04d0 00000000 0000"
#define LABEL61		"1234567890123456789012345678901234567890123456789012345678901"
#define LABEL63		LABEL61 "23"
#define LABELS3		LABEL63 "." LABEL63 "." LABEL63 "."

static uint8_t buf[65535], out[65535];

static bool eq_bytes(const uint8_t *b, size_t len, const char *want)
{
	static uint8_t w[65535];
	size_t n = message(want, w);

	if (len == n && !memcmp(b, w, n))
		return ok(true);
	printf("# got  ");
	for (size_t i = 0; i < len; i++)
		printf("%02x", b[i]);
	printf("\n# want ");
	for (size_t i = 0; i < n; i++)
		printf("%02x", w[i]);
	printf("\n");
	return ok(false);
}

static void test_queries(void)
{
	static const struct {
		const char	*query;
		int		rc;
		const char	*text;
	} t[] = {
		{ HEAD ASKED, DNS_PLAIN, "www.example.com" },
		{ HEAD "=WWW.eXample.COM 0001 0001", DNS_PLAIN, "www.example.com" },
		{ HEAD "=_a-b*/+.c 0041 0001", DNS_PLAIN, "_a-b*/+.c" },
		{ HEAD "00 0002 0001", DNS_PLAIN, "" },
		{ HEAD "=a 00ff 0001", DNS_PLAIN, "a" },
		{ HEAD_OPT ASKED OPT, DNS_PLAIN, "www.example.com" },
		{ HEAD_OPT ASKED " 00 0029 04d0 00008000 (000a 0008 1122334455667788)", DNS_PLAIN, "www.example.com" },
		{ HEAD "=" LABELS3 LABEL61 " 0001 0001", DNS_PLAIN, LABELS3 LABEL61 },
		{ HEAD "=" LABELS3 LABEL61 "2 0001 0001", DNS_FORMERR, "" },
		{ "1234 0100 0001 0000 0000", DNS_NONE, "" },
		{ "", DNS_NONE, "" },
		{ "1234 8180 0001 0000 0000 0000 " ASKED, DNS_NONE, "" },		/* an answer */
		{ "1234 2800 0001 0000 0000 0000 " ASKED, DNS_NOTIMP, "" },		/* an update */
		{ "1234 1000 0001 0000 0000 0000 " ASKED, DNS_NOTIMP, "" },
		{ "1234 0100 0000 0000 0000 0000", DNS_FORMERR, "" },
		{ "1234 0100 0002 0000 0000 0000 " ASKED " " ASKED, DNS_FORMERR, "" },
		{ "1234 0100 0001 0001 0000 0000 " ASKED " @0c 0001 0001 00000000 (c0000201)", DNS_FORMERR, "" },
		{ "1234 0100 0001 0000 0001 0000 " ASKED " @0c 0006 0001 00000000 ()", DNS_FORMERR, "" },
		{ "1234 0100 0001 0000 0000 0001 " ASKED " @0c 00fa 00ff 00000000 ()", DNS_FORMERR, "" }, /* TSIG */
		{ "1234 0100 0001 0000 0000 0002 " ASKED OPT OPT, DNS_FORMERR, "" },
		{ "1234 0300 0001 0000 0000 0000 " ASKED, DNS_FORMERR, "" },		/* truncated */
		{ HEAD_OPT ASKED " 00 0029 04d0 00010000 0000", DNS_BADVERS, "" },
		{ HEAD_OPT ASKED " =a 0029 04d0 00000000 0000", DNS_FORMERR, "" },
		{ HEAD_OPT ASKED " 00 0029 04d0 00000000 0001", DNS_FORMERR, "" },
		{ HEAD_OPT ASKED, DNS_FORMERR, "" },
		{ HEAD ASKED " 00", DNS_FORMERR, "" },
		{ HEAD "=www.example.com 0001 00", DNS_FORMERR, "" },
		{ HEAD "=www.example.com", DNS_FORMERR, "" },
		{ HEAD "+www.example", DNS_FORMERR, "" },
		{ HEAD "+www @0c 0001 0001", DNS_FORMERR, "" },
		{ HEAD "@0c 0001 0001", DNS_FORMERR, "" },
		{ HEAD "40 61 00 0001 0001", DNS_FORMERR, "" },
		{ HEAD "=version.bind 0010 0003", DNS_NOTIMP, "" },			/* CHAOS */
		{ HEAD "=a.b 0001 00ff", DNS_NOTIMP, "" },
		{ HEAD "=a.b 00fc 0001", DNS_NOTIMP, "" },				/* transfer of a zone */
		{ HEAD "=a.b 0029 0001", DNS_FORMERR, "" },
		{ HEAD "=a.b 0000 0001", DNS_FORMERR, "" },
		{ HEAD "03 612e62 00 0001 0001", DNS_NXDOMAIN, "" },			/* a dot in a label */
		{ HEAD "03 610062 00 0001 0001", DNS_NXDOMAIN, "" },
		{ HEAD "02 c3a4 00 0001 0001", DNS_NXDOMAIN, "" },
	};

	test("a query is one plain question, or answered with what is wrong");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct dns_query q;
		size_t len = message(t[i].query, buf);

		if (!eq(dns_read(buf, len, &q), t[i].rc) || (!t[i].rc && !eq_str(q.text, t[i].text)))
			printf("# %s\n", t[i].query);
	}
}

static void test_written(void)
{
	struct dns_query q;
	size_t len;

	test("the query for the resolver: one question, in lower case, and OPT without options");
	dns_read(buf, message(HEAD "=WWW.a 001c 0001", buf), &q);
	len = dns_ask(&q, 0xabcd, true, out);
	eq_bytes(out, len, "abcd 0100 0001 0000 0000 0001 =www.a 001c 0001" OPT);
	len = message("1234 0030 0001 0000 0000 0001 =WWW.a 001c 0001 00 0029 ffff 00008000 (000a 0002 1122)", buf);
	dns_read(buf, len, &q);
	eq(q.size, 0xffff);
	len = dns_ask(&q, 0xabcd, true, out);
	eq_bytes(out, len, "abcd 0030 0001 0000 0000 0001 =www.a 001c 0001 00 0029 04d0 00008000 0000");

	len = dns_ask(&q, 0xabcd, false, out);
	eq_bytes(out, len, "abcd 0030 0001 0000 0000 0000 =www.a 001c 0001");

	test("an answer of ours: ID, question in its case, RD, and OPT if there was one");
	dns_read(buf, message(HEAD "=WWW.a 001c 0001", buf), &q);
	len = dns_error(&q, DNS_NXDOMAIN, true, out);
	eq_bytes(out, len, "1234 8183 0001 0000 0000 0000 =WWW.a 001c 0001");
	dns_read(buf, message("1234 0010 0001 0000 0000 0001 =WWW.a 001c 0001" OPT, buf), &q);
	len = dns_error(&q, DNS_NXDOMAIN, true, out);
	eq_bytes(out, len, "1234 8093 0001 0000 0000 0001 =WWW.a 001c 0001 00 0029 04d0 00000000 (000f 0002 000f)");
	len = dns_error(&q, DNS_SERVFAIL, false, out);
	eq_bytes(out, len, "1234 8092 0001 0000 0000 0001 =WWW.a 001c 0001" OPT);
	dns_read(buf, message(HEAD_OPT "=a 0001 0001 00 0029 04d0 00010000 0000", buf), &q);
	len = dns_error(&q, DNS_BADVERS, false, out);
	eq_bytes(out, len, "1234 8180 0001 0000 0000 0001 =a 0001 0001 00 0029 04d0 01000000 0000");
	dns_read(buf, message("1234 2900 0001 0000 0000 0000 =a 0001 0001", buf), &q);
	len = dns_error(&q, DNS_NOTIMP, false, out);
	eq_bytes(out, len, "1234 a984 0000 0000 0000 0000");
}

#define ANSWER(n)	"abcd 8180 0001 000" #n " 0000 0000 =a.b 0001 0001 "
#define MADE(n)		"1234 8180 0001 000" #n " 0000 0000 =A.b 0001 0001 "
#define A1		" 0001 0001 00000005 (c0000201) "
#define A2		" 0001 0001 00000005 (c0000202) "
#define CNAME		" 0005 0001 0000012c "
#define TIMES		"00000001 00000002 00000003 00000004 00000005"	/* of SOA */

/* Answers to 1234 =A.b, sent on as abcd. NULL: none of that */
static const struct {
	const char	*what, *answer, *made, *found;
} answers[] = {
	{ "plain", ANSWER(1) "@0c" A1, MADE(1) "@0c" A1, "192.0.2.1" },
	{ "in another case", "abcd 8180 0001 0001 0000 0000 =A.B 0001 0001 =a.B" A1, MADE(1) "@0c" A1, "192.0.2.1" },
	{ "two", ANSWER(2) "@0c" A1 "=a.b" A2, MADE(2) "@0c" A1 "@0c" A2, "192.0.2.1 192.0.2.2" },
	{ "none", "abcd 8583 0001 0000 0000 0000 =a.b 0001 0001", "1234 8583 0001 0000 0000 0000 =A.b 0001 0001", "" },
	{ "nothing recursive", "abcd 8000 0001 0000 0000 0000 =a.b 0001 0001", MADE(0), "" },
	{ "a chain", ANSWER(3) "@0c" CNAME "(=c.d) =c.d" CNAME "(=e.f) =e.f" A1,
	  MADE(3) "@0c" CNAME "(=c.d) @21" CNAME "(=e.f) @32" A1, "192.0.2.1" },
	{ "a chain backwards", ANSWER(3) "=e.f" A1 "=c.d" CNAME "(=e.f) =a.b" CNAME "(=c.d)",
	  MADE(3) "=e.f" A1 "=c.d" CNAME "(@15) @0c" CNAME "(@28)", "192.0.2.1" },
	{ "names in between have addresses, too", ANSWER(3) "@0c" A1 "@0c" CNAME "(=c.d) =c.d" A2,
	  MADE(3) "@0c" A1 "@0c" CNAME "(=c.d) @31" A2, "192.0.2.2" },
	{ "another name's address", ANSWER(1) "=x.y" A1, MADE(1) "=x.y" A1, "" },
	{ "a chain that is a loop", ANSWER(3) "@0c" CNAME "(=c.d) =c.d" CNAME "(=a.b) @0c" A1,
	  MADE(3) "@0c" CNAME "(=c.d) @21" CNAME "(@0c) @0c" A1, "" },
	{ "an alias of itself", ANSWER(2) "@0c" CNAME "(@0c) @0c" A1, MADE(2) "@0c" CNAME "(@0c) @0c" A1, "" },
	{ "another type", ANSWER(1) "@0c 001c 0001 00000005 (20010db8000000000000000000000001)",
	  MADE(1) "@0c 001c 0001 00000005 (20010db8000000000000000000000001)", "" },
	{ "another class", ANSWER(1) "@0c 0001 0003 00000005 (c0000201)", MADE(1) "@0c 0001 0003 00000005 (c0000201)",
	  "" },
	{ "additional ones", "abcd 8180 0001 0000 0000 0001 =a.b 0001 0001 @0c" A1,
	  "1234 8180 0001 0000 0000 0001 =A.b 0001 0001 @0c" A1, "" },
	{ "OPT is left out", "abcd 8180 0001 0001 0000 0001 =a.b 0001 0001 @0c" A1 OPT, MADE(1) "@0c" A1, "192.0.2.1" },
	{ "authority",
	  "abcd 8183 0001 0000 0001 0000 =a.b 0001 0001 =b 0006 0001 00000005 (=ns.b =root.ns.b " TIMES ")",
	  "1234 8183 0001 0000 0001 0000 =A.b 0001 0001 @0e 0006 0001 00000005 (+ns @0e +root @21 " TIMES ")", "" },
	{ "names of SRV are written out", ANSWER(1) "@0c 0021 0001 00000005 (0001 0002 0050 +x @0c)",
	  MADE(1) "@0c 0021 0001 00000005 (0001 0002 0050 =x.a.b)", "" },
	{ "an unknown type as it is", ANSWER(1) "@0c fffe 0001 00000005 (c00c 40)",
	  MADE(1) "@0c fffe 0001 00000005 (c00c 40)", "" },
	{ "a long time to live", ANSWER(1) "@0c 0001 0001 7fffffff (c0000201)",
	  MADE(1) "@0c 0001 0001 00093a80 (c0000201)", "192.0.2.1" },
	{ "time to live below zero", ANSWER(1) "@0c 0001 0001 80000000 (c0000201)",
	  MADE(1) "@0c 0001 0001 00000000 (c0000201)", "192.0.2.1" },
	{ "truncated", "abcd 8380 0001 0001 0000 0000 =a.b 0001 0001 @0c" A1,
	  "1234 8380 0001 0001 0000 0000 =A.b 0001 0001 @0c" A1, "192.0.2.1" },

	{ "another ID", "abce 8180 0001 0001 0000 0000 =a.b 0001 0001 @0c" A1, NULL, NULL },
	{ "a query", "abcd 0180 0001 0001 0000 0000 =a.b 0001 0001 @0c" A1, NULL, NULL },
	{ "another name", "abcd 8180 0001 0001 0000 0000 =a.c 0001 0001 @0c" A1, NULL, NULL },
	{ "a longer name", "abcd 8180 0001 0001 0000 0000 =a.b.c 0001 0001 @0c" A1, NULL, NULL },
	{ "another type asked", "abcd 8180 0001 0001 0000 0000 =a.b 001c 0001 @0c" A1, NULL, NULL },
	{ "another class asked", "abcd 8180 0001 0001 0000 0000 =a.b 0001 0003 @0c" A1, NULL, NULL },
	{ "no question", "abcd 8180 0000 0001 0000 0000 =a.b" A1, NULL, NULL },
	{ "two questions", "abcd 8180 0002 0000 0000 0000 =a.b 0001 0001 =a.b 0001 0001", NULL, NULL },
	{ "a record too few", ANSWER(2) "@0c" A1, NULL, NULL },
	{ "a record cut", ANSWER(1) "@0c 0001 0001 00000005 0004 c00002", NULL, NULL },
	{ "a header cut", ANSWER(1) "@0c 0001 0001 0000", NULL, NULL },
	{ "an address too long", ANSWER(1) "@0c 0001 0001 00000005 (c000020102)", NULL, NULL },
	{ "a pointer to itself", ANSWER(1) "@15" A1, NULL, NULL },
	{ "a pointer ahead", ANSWER(1) "@20" A1, NULL, NULL },
	{ "a pointer cut", ANSWER(1) "c0", NULL, NULL },
	{ "an alias that leaves its record", ANSWER(1) "@0c" CNAME "0003 0161 01", NULL, NULL },
	{ "data too short for what precedes its name", ANSWER(1) "@0c 0021 0001 00000005 (0001)", NULL, NULL },
};

/* Texts of addresses, with blanks in between */
static const char *found_text(const struct dns_found *f)
{
	static char s[1024];
	char a[ADDR_STRLEN];
	size_t n = 0;

	*s = '\0';
	for (unsigned i = 0; i < f->n; i++)
		n += (size_t)snprintf(s + n, sizeof(s) - n, "%s%s", i ? " " : "", addr_fmt(&f->a[i], a));
	return s;
}

/* Is the answer to @q written anew as @made, with these addresses? NULL: it isn't one */
static bool answer_is(const struct dns_query *q, const char *answer, const char *made, const char *found)
{
	struct dns_found f;
	size_t len = dns_answer(buf, message(answer, buf), q, 0xabcd, out, DNS_SMALL, &f);

	return made ? eq_bytes(out, len, made) && eq_str(found_text(&f), found) : eq(len, 0);
}

static void test_answers(void)
{
	struct dns_found f;
	struct dns_query q;

	dns_read(buf, message(HEAD "=A.b 0001 0001", buf), &q);
	test("answers: written anew, with the addresses of the name asked for");
	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++)
		if (!answer_is(&q, answers[i].answer, answers[i].made, answers[i].found))
			printf("# %s\n", answers[i].what);

	test("no answer that is cut anywhere makes anything read too much");
	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
		size_t len = message(answers[i].answer, buf);

		for (size_t n = 0; n < len; n++) {
			uint8_t *b = malloc(n + 1);	/* for sanitizers */

			memcpy(b, buf, n);
			ok(!dns_answer(b, n, &q, 0xabcd, out, DNS_SMALL, &f) || answers[i].made);
			free(b);
		}
	}
}

#define SVCB(n)		"abcd 8180 0001 000" #n " 0000 0000 =a.b 0041 0001 "
#define SVCB_MADE(n)	"1234 8180 0001 000" #n " 0000 0000 =a.b 0041 0001 "
#define HTTPS		"@0c 0041 0001 0000003c "

static void test_services(void)
{
	static const struct {
		const char *answer, *made, *found;
	} t[] = {
		{ SVCB(1) HTTPS "(0001 00 0001 0003 026832 0004 0008 c0000201 c0000202 0005 0004 01020304 0006 0010 "
		  "20010db8000000000000000000000001)",
		  SVCB_MADE(1) HTTPS "(0001 00 0001 0003 026832 0004 0008 c0000201 c0000202 "
		  "0006 0010 20010db8000000000000000000000001)", "192.0.2.1 192.0.2.2 2001:db8::1" },
		{ SVCB(1) HTTPS "(0001 =c.d 0004 0004 c0000201)", SVCB_MADE(1) HTTPS "(0001 =c.d 0004 0004 c0000201)",
		  "192.0.2.1" },
		{ SVCB(1) HTTPS "(0001 00 0000 0004 0001 0005 0001 0003 026832 0005 0001 00)",
		  SVCB_MADE(1) HTTPS "(0001 00 0000 0002 0001 0001 0003 026832)", "" },
		{ SVCB(1) HTTPS "(0001 00 0000 0006 000500010005 0001 0003 026832)",
		  SVCB_MADE(1) HTTPS "(0001 00 0000 0002 0001 0001 0003 026832)", "" },
		{ SVCB(1) HTTPS "(0001 00 0000 0002 0005 0005 0001 00)", SVCB_MADE(1) HTTPS "(0001 00)", "" },
		{ SVCB(1) HTTPS "(0000 =c.d)", SVCB_MADE(1) HTTPS "(0000 =c.d)", "" },
		{ SVCB(1) "=x.y 0041 0001 0000003c (0001 00 0004 0004 c0000201 0005 0001 00)",
		  SVCB_MADE(1) "=x.y 0041 0001 0000003c (0001 00 0004 0004 c0000201)", "" },
		{ SVCB(1) HTTPS "(0001 00 0004 0003 c00002)", NULL, NULL },
		{ SVCB(1) HTTPS "(0001 00 0006 0010 20010db8000000000000000000000001 0004 0004 c0000201)", NULL, NULL },
		{ SVCB(1) HTTPS "(0001 00 0004 0004 c0000201 0004 0004 c0000202)", NULL, NULL },
		{ SVCB(1) HTTPS "(0001 00 0004)", NULL, NULL },
		{ SVCB(1) HTTPS "(0001 00 0004 0008 c0000201)", NULL, NULL },
		{ SVCB(1) HTTPS "(0001 00 0000 0003 000500)", NULL, NULL },
		{ SVCB(1) HTTPS "(0001)", NULL, NULL },
		{ SVCB(1) HTTPS "(00)", NULL, NULL },
	};
	struct dns_query q;

	dns_read(buf, message(HEAD "=a.b 0041 0001", buf), &q);
	test("HTTPS and SVCB: hints are addresses, keys for encrypted hellos are gone");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		if (!answer_is(&q, t[i].answer, t[i].made, t[i].found))
			printf("# %u\n", i);
}

static void test_room(void)
{
	struct dns_found f;
	struct dns_query q;
	uint8_t *b = buf;
	size_t len;

	test("records that don't fit are left out, and the answer is marked");
	dns_read(out, message(HEAD_OPT "=a.b 0001 0001" OPT, out), &q);
	b += message("abcd 8180 0001 0064 0000 0000 =a.b 0001 0001", b);
	for (unsigned i = 0; i < 100; i++)
		b += message("@0c" A1, b);
	len = dns_answer(buf, (size_t)(b - buf), &q, 0xabcd, out, DNS_SMALL, &f);
	eq(len, 12 + 9 + 16 * 30 + 11);
	eq(f.n, 30);
	eq(get_be16(out + 2), 0x8380);
	eq(get_be16(out + 6), 30);
	eq(get_be16(out + 10), 1);
	test("an answer has so many addresses that count");
	len = dns_answer(buf, (size_t)(b - buf), &q, 0xabcd, out, 65535, &f);
	eq(len, 12 + 9 + 16 * 100 + 11);
	eq(f.n, DNS_FOUND);
	eq(get_be16(out + 2), 0x8180);

	test("many names, each below the other: the message stays in bounds, and small");
	b = buf + message("abcd 8180 0001 0064 0000 0000 =a.b 0001 0001", buf);
	for (unsigned i = 0; i < 100; i++) {
		char name[64];

		snprintf(name, sizeof(name), "=n%u.c.d%u.e" A1, i, i % 3);
		b += message(name, b);
	}
	len = dns_answer(buf, (size_t)(b - buf), &q, 0xabcd, out, 65535, &f);
	ok(len > 100 * 18 && len < (size_t)(b - buf));
	eq(get_be16(out + 2), 0x8180);

	test("a name that finds no room is nothing that another one refers to");
	{
		char msg[1200], name[4][260];

		for (unsigned i = 0; i < 4; i++)
			snprintf(name[i], sizeof(name[i]), "=%u%.62s.%u%.62s.%u%.62s.%u%.59s", i, LABEL63, i, LABEL63,
				 i, LABEL63, i, LABEL63);
		snprintf(msg, sizeof(msg), "%s 0001 0001", name[0]);
		q = (struct dns_query){ .type = 1 };
		q.len = (uint8_t)(message(name[0], buf));
		memcpy(q.name, buf, q.len);
		alarm(20);
		for (size_t max = q.len + 40; max <= DNS_SMALL + 80; max++) {
			snprintf(msg, sizeof(msg), "abcd 8183 0001 0000 0001 0000 %s 0001 0001 @0c 0006 0001 00000e10 "
				 "(%s %s 00000001 00000001 00000001 00000001 00000001)", name[0], name[1],
				 name[1 + max / 2 % 2]);
			for (unsigned i = max % 2; i < 4096; i += 2)	/* pointers to themselves, of another message */
				put_be16(out + i, (uint16_t)(0xc000 | i));
			len = dns_answer(buf, message(msg, buf), &q, 0xabcd, out, max, &f);
			ok(len && len <= max && (max > DNS_SMALL || out[2] & DNS_TC));
		}
		alarm(0);
	}

	test("types by name");
	{
		char type[DNS_TYPE_LEN];

		eq_str(dns_type(28, type), "AAAA");
		eq_str(dns_type(65535, type), "TYPE65535");
	}
}

int main(void)
{
	test_queries();
	test_written();
	test_answers();
	test_services();
	test_room();
	return done();
}
