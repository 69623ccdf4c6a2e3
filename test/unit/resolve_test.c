/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolve_test.c - queries of a guest whose policy has names; the resolvers are played by the test */

#include "../../resolve.c"
#include "../datagrams.h"
#include "../messages.h"
#include "../opener_here.h"

#define HEAD		"1234 0100 0001 0000 0000 0000 "
#define LONG		"+a-label-of-forty-bytes-or-even-more-than-that "
#define GOOD		"=Good.test 0001 0001"
#define ADDRESS(n)	" @0c 0001 0001 00000005 (c63364" #n ")"		/* 198.51.100.n */

static struct end guest, asked, first, second;
static char lines[1024];

static void rules(const char *text)
{
	struct policy *p = policy_new(NULL);
	unsigned line;

	snprintf(lines, sizeof(lines), "%s", text);
	eq_str(policy_lines(p, lines, strlen(lines), &line), NULL);
	policy_compile(p);
	c.egress.nl.fd = -1;
	g->policy = p;
}

/* One family, @n resolvers, and a guest that may use names below test */
static void begin_resolve(bool v6, unsigned n)
{
	for (uint32_t i = 0; i < c.flows.unused; i++) {
		struct flow *f = &c.flows.f[i];

		if ((f->type == FLOW_LOOKUP || f->type == FLOW_STREAM) && !f->dead)
			f->ops->end(&c, f);
	}
	begin(NULL);
	names_forget(g);
	guest = E(v6 ? "2001:db8::1" : "192.0.2.1", 40000);
	asked = E(v6 ? "2001:db8:53::53" : "203.0.113.53", 53);
	first = E(v6 ? "2001:db8:1::7" : "198.51.100.7", 53);
	second = E(v6 ? "2001:db8:1::8" : "198.51.100.8", 53);
	c.net.ip[v6].guest.ndns = n;
	c.net.ip[v6].guest.dns[0] = first.a;
	c.net.ip[v6].guest.dns[1] = second.a;
	c.net.ip[!v6].guest.ndns = 0;
	c.resolve.until = 0;
	c.accept.fds = 1 << 16;
	rules("allow *.test");
}

static void query(const char *text)
{
	uint8_t b[2048];
	size_t len = message(text, b);

	guest_udp(0, &guest, &asked, 64, b, len);
	guest_send(1);
}

/* A query that left for @to? */
static bool left(const struct end *to, struct ippkt *i)
{
	if (!out_read(i) || !i->good || !end_eq(&i->dst, to) || i->len < DNS_HEADER)
		return false;
	i->rest = get_be16(i->data);		/* stays, unlike the data */
	return true;
}

static bool none_left(void)
{
	struct ippkt i;

	return !out_read(&i);
}

/* Answer to the query @i, its ID in place of the first word, from @from */
static void answer(const struct ippkt *i, const struct end *from, const char *text)
{
	uint8_t b[4096];
	size_t len = message(text, b);

	if (!get_be16(b))
		put_be16(b, (uint16_t)i->rest);
	out_udp(from, &i->src, b, len);
	run();
}

#define ANSWER(n)	"0000 8180 0001 0001 0000 0000 =good.test 0001 0001" ADDRESS(n)

static bool got_is(unsigned n, const char *text)
{
	uint8_t want[4096];
	size_t len = message(text, want);

	return eq(ngot, n + 1) && eq(got[n].ip.len, len) && ok(!memcmp(got[n].ip.data, want, len));
}

static bool granted(const char *addr)
{
	struct addr a = A(addr);

	return names_of(&c, g, &a);
}

static void test_one(bool v6)
{
	struct ippkt i;
	uint8_t want[512];

	test("%s: a query to any address goes to the resolver, written anew, from a port of ours",
	     v6 ? "IPv6" : "IPv4");
	begin_resolve(v6, 1);
	query(HEAD GOOD);
	if (!ok(left(&first, &i)))
		return;
	ok(i.src.port != guest.port);
	eq(i.len, message("0000 0100 0001 0000 0000 0001 =good.test 0001 0001 00 0029 04d0 00000000 0000", want));
	ok(!memcmp(i.data + 2, want + 2, i.len - 2));
	ok(!ngot);
	answer(&i, &first, ANSWER(09));
	got_is(0, "1234 8180 0001 0001 0000 0000 =Good.test 0001 0001" ADDRESS(09));
	ok(ngot && end_eq(&got[0].ip.src, &asked) && end_eq(&got[0].ip.dst, &guest) && got[0].ip.good);
	ok(granted("198.51.100.9") && !granted("198.51.100.8"));
	eq(c.flows.used, 0);

	test("%s: what is forged, or comes twice, is no answer", v6 ? "IPv6" : "IPv4");
	begin_resolve(v6, 1);
	query(HEAD GOOD);
	left(&first, &i);
	answer(&i, &second, ANSWER(0a));
	first.port = 54;
	answer(&i, &first, ANSWER(0b));
	first.port = 53;
	answer(&i, &first, "0001 8180 0001 0001 0000 0000 =good.test 0001 0001" ADDRESS(0c));
	answer(&i, &first, "0000 8180 0001 0001 0000 0000 =evil.test 0001 0001" ADDRESS(0c));
	answer(&i, &first, "0000 8180 0001 0001 0000 0000 =good.test 001c 0001" ADDRESS(0c));
	answer(&i, &first, "0000 0100 0001 0001 0000 0000 =good.test 0001 0001" ADDRESS(0c));
	answer(&i, &first, "0000");
	eq(ngot, 0);
	answer(&i, &first, ANSWER(09));
	eq(ngot, 1);
	answer(&i, &first, ANSWER(0d));
	eq(ngot, 1);
	for (unsigned k = 10; k < 14; k++) {
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%u", k);
		ok(!granted(text));
	}
	ok(granted("198.51.100.9"));
}

static void test_refused(void)
{
	static const struct {
		const char *query, *answer;
	} t[] = {
		{ HEAD "=evil.net 0001 0001", "1234 8183 0001 0000 0000 0000 =evil.net 0001 0001" },
		{ HEAD "=test 0010 0001", "1234 8183 0001 0000 0000 0000 =test 0010 0001" },
		{ "1234 0100 0002 0000 0000 0000 " GOOD " " GOOD, "1234 8181 0000 0000 0000 0000" },
		{ "1234 2800 0001 0000 0000 0000 " GOOD, "1234 a884 0000 0000 0000 0000" },
		{ "1234 8180 0001 0000 0000 0000 " GOOD, NULL },
		{ "1234", NULL },
		{ "", NULL },
	};

	test("what no rule allows, and what is no plain question, is answered here");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		begin_resolve(false, 1);
		query(t[i].query);
		ok(none_left());
		if (t[i].answer)
			got_is(0, t[i].answer);
		else
			eq(ngot, 0);
		eq(drops(), !t[i].answer);
		eq(c.flows.used, 0);
	}

	test("a question that is too long");
	begin_resolve(false, 1);
	{
		uint8_t b[1400] = { 0x12, 0x34, 1, 0, 0, 1 };

		guest_udp(0, &guest, &asked, 64, b, sizeof(b));
		guest_send(1);
	}
	got_is(0, "1234 8181 0000 0000 0000 0000");

	test("several in a packet of many datagrams");
	begin_resolve(false, 1);
	{
		uint8_t b[2][128];
		size_t len = message(HEAD LONG "=a.net 0001 0001", b[0]);

		message("1235 0100 0001 0000 0000 0000 " LONG "=b.net 0001 0001", b[0] + len);
		guest_udp(0, &guest, &asked, 64, b[0], 2 * len);
		guest_gso[0] = (uint16_t)len;
		guest_send(1);
	}
	eq(ngot, 2);

	test("no resolver");
	begin_resolve(false, 0);
	query(HEAD GOOD);
	got_is(0, "1234 8182 0001 0000 0000 0000 =Good.test 0001 0001");
	eq(c.flows.used, 0);

	test("no policy with names: a datagram as any other");
	begin_resolve(false, 1);
	g->policy = NULL;
	query(HEAD GOOD);
	{
		struct ippkt i;

		ok(left(&asked, &i) && i.src.port == guest.port);
	}
}

static void test_repeated(void)
{
	struct ippkt i, again;

	test("a query that is repeated is sent again, and answered once");
	begin_resolve(false, 1);
	query(HEAD GOOD);
	ok(left(&first, &i));
	query(HEAD GOOD);
	ok(left(&first, &again) && again.src.port == i.src.port && again.rest == i.rest);
	answer(&again, &first, ANSWER(09));
	answer(&again, &first, ANSWER(09));
	eq(ngot, 1);

	test("with another name, it is another query");
	begin_resolve(false, 1);
	query(HEAD GOOD);
	left(&first, &i);
	query(HEAD "=other.test 0001 0001");
	ok(left(&first, &again) && again.src.port != i.src.port);
	eq(c.flows.count[FLOW_LOOKUP], 1);

	test("a resolver that doesn't answer is asked again every 2 s, for 10 s");
	begin_resolve(false, 1);
	query(HEAD GOOD);
	ok(left(&first, &i));
	for (unsigned n = 0; n < 4; n++) {
		pass(RESOLVER_WAIT);
		ok(left(&first, &again) && again.src.port == i.src.port);
	}
	eq(ngot, 0);
	pass(RESOLVER_WAIT);
	tap_flush(&g->tap);
	got_is(0, "1234 8182 0001 0000 0000 0000 =Good.test 0001 0001");
	eq(c.flows.used, 0);
}

static void test_old(void)
{
	static const char *const answers[] = {
		"0000 8181 0000 0000 0000 0000", "0000 8184 0001 0000 0000 0000 =good.test 0001 0001",
	};
	struct ippkt i, again;

	test("a resolver that doesn't know OPT is asked again without it");
	for (unsigned k = 0; k < ARRAY_SIZE(answers); k++) {
		begin_resolve(false, 1);
		query(HEAD GOOD);
		ok(left(&first, &i) && i.len == 38);
		answer(&i, &first, answers[k]);
		ok(left(&first, &again) && again.len == 27 && again.rest == i.rest && again.src.port == i.src.port);
		answer(&again, &first, ANSWER(09));
		eq(ngot, 1);
		ok(granted("198.51.100.9"));
	}
	test("if that is no better, the guest is shown it");
	begin_resolve(false, 1);
	query(HEAD GOOD);
	left(&first, &i);
	answer(&i, &first, answers[1]);
	left(&first, &i);
	answer(&i, &first, answers[1]);
	got_is(0, "1234 8184 0001 0000 0000 0000 =Good.test 0001 0001");

	test("one that doesn't answer at all is asked without it, too");
	begin_resolve(false, 1);
	query(HEAD GOOD);
	left(&first, &i);
	pass(RESOLVER_WAIT);
	ok(left(&first, &again) && again.len == 27);
}

static void test_two(void)
{
	static const char refused[] = "0000 8185 0001 0000 0000 0000 =good.test 0001 0001";
	static const char failed[] = "0000 8182 0001 0000 0000 0000 =good.test 0001 0001";
	struct addr router = A("203.0.113.9");
	struct ippkt i, next;

	for (unsigned how = 0; how < 4; how++) {
		test("two resolvers: the second one is asked if the first one %s",
		     (const char *[]){ "is silent", "fails", "refuses", "is not there" }[how]);
		begin_resolve(false, 2);
		query(HEAD GOOD);
		ok(left(&first, &i));
		if (how == 3)
			out_error(&router, &i, 3, 3, 0, 576);
		else if (how)
			answer(&i, &first, how == 1 ? failed : refused);
		else
			pass(RESOLVER_WAIT);
		run();
		if (!ok(left(&second, &next)))
			continue;
		eq(ngot, 0);
		answer(&next, &second, ANSWER(09));
		eq(ngot, 1);
		ok(granted("198.51.100.9"));

		got_clear();
		query(HEAD GOOD);		/* for a minute, the second one is the first */
		ok(left(&second, &i));
		answer(&i, &second, failed);
		ok(left(&first, &i));
		answer(&i, &first, failed);
		got_is(0, "1234 8182 0001 0000 0000 0000 =Good.test 0001 0001");
		c.now += RESOLVER_FIRST;
		query(HEAD GOOD);
		ok(left(&first, &i));
	}
}

static void test_late(void)
{
	struct ippkt i, next;

	for (unsigned fails = 0; fails < 2; fails++) {
		test("two resolvers: the first one's answer may be late%s", fails ? ", the second one's too" : "");
		begin_resolve(false, 2);
		query(HEAD GOOD);
		ok(left(&first, &i));
		pass(RESOLVER_WAIT);
		ok(left(&second, &next));
		if (fails) {
			answer(&i, &first, "0000 8182 0001 0000 0000 0000 =good.test 0001 0001");
			eq(ngot, 0);
			answer(&next, &second, ANSWER(09));
		} else {
			answer(&i, &first, ANSWER(09));
		}
		eq(ngot, 1);
		ok(granted("198.51.100.9"));
		eq(c.flows.used, 0);
		query(HEAD GOOD);
		ok(left(fails ? &second : &first, &i));
	}
}

/* One resolver of each family: guests', or of resolv.conf */
static void test_families(void)
{
	const struct end six = E("2001:db8:1::7", 53);
	struct ippkt i;

	for (unsigned conf = 0; conf < 2; conf++) {
		test("resolvers of both families, %s: all are asked", conf ? "the host's" : "the guest's");
		begin_resolve(false, !conf);
		c.net.ip[V6].guest.ndns = !conf;
		c.net.ip[V6].guest.dns[0] = six.a;
		c.net.resolv.n[V4] = c.net.resolv.n[V6] = conf;
		c.net.resolv.server[V4][0].a = first.a;
		c.net.resolv.server[V6][0].a = six.a;
		query(HEAD GOOD);
		ok(left(&first, &i));
		pass(RESOLVER_WAIT);
		run();
		if (ok(left(&six, &i)))
			answer(&i, &six, ANSWER(09));
		eq(ngot, 1);
	}
	memset(&c.net.resolv, 0, sizeof(c.net.resolv));
}

static void test_learned(void)
{
	struct ippkt i;

	test("addresses of the host's and others that no name leads to are passed on, and not granted");
	begin_resolve(false, 1);
	query(HEAD GOOD);
	left(&first, &i);
	answer(&i, &first, "0000 8180 0001 0004 0000 0000 =good.test 0001 0001 @0c 0001 0001 00000005 (7f000001) "
	       "@0c 0001 0001 00000005 (a9fea9fe) @0c 0001 0001 00000005 (e0000001) "
	       "@0c 0001 0001 00000005 (0a000001)");
	eq(ngot, 1);
	ok(!granted("127.0.0.1") && !granted("169.254.169.254") && !granted("224.0.0.1") && granted("10.0.0.1"));

	test("no answer that isn't NOERROR grants");
	begin_resolve(false, 1);
	query(HEAD GOOD);
	left(&first, &i);
	answer(&i, &first, "0000 8183 0001 0001 0000 0000 =good.test 0001 0001" ADDRESS(09));
	eq(ngot, 1);
	ok(!granted("198.51.100.9"));

	test("a name that no rule has is known, too");
	begin_resolve(false, 1);
	rules("egress internet");
	query(HEAD GOOD);
	left(&first, &i);
	answer(&i, &first, ANSWER(09));
	eq(ngot, 1);
	ok(granted("198.51.100.9"));
}

static void stream_send(int fd, const char *text, unsigned id)
{
	uint8_t b[2048];
	size_t len = message(text, b + 2);

	put_be16(b, (uint16_t)len);
	put_be16(b + 2, (uint16_t)id);
	eq(send(fd, b, 2 + len, MSG_NOSIGNAL), 2 + len);
	run();
}

/* The next answer's ID, or -1: none, -2: the end */
static int stream_recv(int fd)
{
	uint8_t b[65537];
	ssize_t n = recv(fd, b, 2, 0);

	if (n <= 0)
		return n ? -1 : -2;
	eq(n, 2);
	eq(recv(fd, b + 2, get_be16(b), 0), get_be16(b));
	return get_be16(b + 2);
}

static void test_many(void)
{
	unsigned fds;
	struct ippkt i;
	int fd;

	test("so many queries are under way at most; the oldest one gives way");
	begin_resolve(false, 1);
	fds = fds_open();
	for (unsigned n = 0; n < LOOKUPS + 44; n++) {
		guest.port = (uint16_t)(30000 + n);
		c.now++;
		query(HEAD GOOD);
		ok(left(&first, &i));
	}
	eq(c.flows.count[FLOW_LOOKUP], LOOKUPS);
	eq(fds_open(), fds + LOOKUPS);
	answer(&i, &first, ANSWER(09));
	eq(ngot, 1);
	eq(c.flows.count[FLOW_LOOKUP], LOOKUPS - 1);
	pass(LOOKUP_TIME + RESOLVER_WAIT);
	eq(c.flows.used, 0);
	eq(fds_open(), fds);
	out_drain();

	test("with few descriptors, fewer are, and by streams no more than that");
	begin_resolve(false, 1);
	c.accept.fds = 64;
	lookups = 0;
	for (unsigned n = 0; n < 10; n++) {
		guest.port = (uint16_t)(30000 + n);
		c.now++;
		query(HEAD GOOD);
	}
	eq(c.flows.count[FLOW_LOOKUP], 8);
	begin_resolve(false, 1);
	c.accept.fds = 64;
	MUST(fd = resolve_stream(&c, g));
	for (unsigned n = 0; n < 10; n++)
		stream_send(fd, HEAD GOOD, n);
	eq(c.flows.count[FLOW_LOOKUP], 8);
	eq(stream_recv(fd), 8);
	eq(stream_recv(fd), 9);
	query(HEAD GOOD);
	got_is(0, "1234 8182 0001 0000 0000 0000 =Good.test 0001 0001");
	close(fd);
	run();
	out_drain();
}

/* A query of the second guest: bytes of an answer that comes at once */
static size_t other_asks(unsigned port)
{
	const struct side from = { .peer = E("192.0.2.2", 30000 + port), .our = asked };
	uint8_t b[512], answer[DNS_RECORD_MAX];

	c.now++;
	return resolve_query(&c, &c.guest[1], NULL, &from, b, message(HEAD GOOD, b), answer);
}

static unsigned under_way(unsigned of)
{
	unsigned n = 0;

	for (unsigned i = 0; i < lookups; i++)
		n += lookup[i].flow != FLOW_NONE && c.flows.f[lookup[i].flow].guest == of;
	return n;
}

/* As many guests may be connected; eight queries may be under way in all */
static void begin_shares(unsigned guests)
{
	begin_resolve(false, 1);
	c.accept.fds = 64;
	lookups = 0;
	cf.guests = guests;
	c.guest[1].index = 1;
	c.guest[1].policy = g->policy;
}

static void test_shares(void)
{
	int fd;

	test("two guests: one that asks for much leaves the other its share, streams' queries come last");
	begin_shares(2);
	MUST(fd = resolve_stream(&c, g));
	for (unsigned n = 0; n < 6; n++)
		stream_send(fd, HEAD GOOD, n);
	for (unsigned n = 0; n < 4; n++) {
		guest.port = (uint16_t)(30000 + n);
		c.now++;
		query(HEAD GOOD);
	}
	eq(under_way(0), 8);
	for (unsigned n = 0; n < 2; n++)
		eq(other_asks(n), 0);
	eq(under_way(1), 2);
	eq(stream_recv(fd), -1);
	flow_log_init(&c);
	c.flow_log.on = true;
	for (unsigned n = 2; n < 9; n++)
		eq(other_asks(n), 0);
	eq(c.flow_log.lines, 2);			/* of the stream's queries without an answer */
	c.flow_log.on = false;
	eq(under_way(0), 4);
	eq(under_way(1), 4);
	eq(stream_recv(fd), 0);
	eq(stream_recv(fd), 1);
	eq(stream_recv(fd), -1);
	for (unsigned n = 0; n < 9; n++) {
		guest.port = (uint16_t)(31000 + n);
		query(HEAD GOOD);
	}
	eq(under_way(1), 4);
	close(fd);
	out_drain();

	test("as many guests as there may be, few descriptors: each can have one under way");
	begin_shares(64);
	for (unsigned n = 0; n < 8; n++) {
		guest.port = (uint16_t)(30000 + n);
		query(HEAD GOOD);
	}
	eq(under_way(0), 8);
	eq(other_asks(0), 0);
	eq(under_way(0), 7);
	eq(under_way(1), 1);
	cf.guests = 0;
	out_drain();
}

static void test_stream(void)
{
	struct ippkt i[24];
	uint8_t b[512];
	size_t len;
	int fd;

	test("a stream: messages in pieces, answers as they come, end of it at the end");
	begin_resolve(false, 1);
	MUST(fd = resolve_stream(&c, g));
	len = message(HEAD GOOD, b + 2);
	put_be16(b, (uint16_t)len);
	for (size_t at = 0; at < len + 2; at++) {
		ok(none_left());
		eq(send(fd, b + at, 1, 0), 1);
		run();
	}
	ok(left(&first, &i[0]));
	stream_send(fd, HEAD "=evil.net 0001 0001", 7);
	eq(stream_recv(fd), 7);
	stream_send(fd, HEAD GOOD, 8);
	ok(left(&first, &i[1]));
	shutdown(fd, SHUT_WR);
	run();
	answer(&i[1], &first, ANSWER(09));
	eq(stream_recv(fd), 8);
	eq(stream_recv(fd), -1);
	answer(&i[0], &first, ANSWER(09));
	eq(stream_recv(fd), 0x1234);
	eq(stream_recv(fd), -2);
	eq(c.flows.used, 0);
	close(fd);

	test("a stream has so many queries under way; then no more are read");
	begin_resolve(false, 1);
	MUST(fd = resolve_stream(&c, g));
	for (unsigned n = 0; n < 24; n++)
		stream_send(fd, HEAD GOOD, n);
	eq(c.flows.count[FLOW_LOOKUP], 16);
	for (unsigned n = 0; n < 24; n++) {
		if (!ok(left(&first, &i[n])))
			return;
		answer(&i[n], &first, ANSWER(09));
		eq(stream_recv(fd), n);
	}
	eq(c.flows.count[FLOW_LOOKUP], 0);

	test("a stream that is idle ends after 30 s");
	pass(29999);
	eq(stream_recv(fd), -1);
	pass(60001);
	eq(stream_recv(fd), -2);
	eq(c.flows.used, 0);
	close(fd);

	test("a message that is too long, or too short, ends the stream");
	for (unsigned k = 0; k < 2; k++) {
		begin_resolve(false, 1);
		MUST(fd = resolve_stream(&c, g));
		put_be16(b, k ? RESOLVE_QUERY + 1 : DNS_HEADER - 1);
		eq(send(fd, b, 2, 0), 2);
		run();
		eq(stream_recv(fd), -1);	/* reset, as it was not read */
		eq(errno, ECONNRESET);
		eq(c.flows.used, 0);
		close(fd);
	}

	test("half a message and the end");
	begin_resolve(false, 1);
	MUST(fd = resolve_stream(&c, g));
	eq(send(fd, "\0\100\22\64", 4, 0), 4);
	shutdown(fd, SHUT_WR);
	run();
	eq(c.flows.used, 0);
	close(fd);

	test("answers that nobody reads end the stream");
	begin_resolve(false, 1);
	MUST(fd = resolve_stream(&c, g));
	for (unsigned n = 0; n < 20000 && c.flows.used; n++) {
		len = message(HEAD "=evil.net 0001 0001", b + 2);
		put_be16(b, (uint16_t)len);
		if (send(fd, b, len + 2, MSG_NOSIGNAL) < 0)
			break;
		run();
	}
	eq(c.flows.used, 0);
	close(fd);

	test("its queries don't give way; its end is gone while they are under way");
	begin_resolve(false, 1);
	MUST(fd = resolve_stream(&c, g));
	stream_send(fd, HEAD GOOD, 1);
	stream_send(fd, HEAD GOOD, 2);
	ok(left(&first, &i[0]) && left(&first, &i[1]));
	for (unsigned n = 0; n < LOOKUPS; n++) {
		guest.port = (uint16_t)(30000 + n);
		c.now++;
		query(HEAD GOOD);
	}
	out_drain();
	answer(&i[0], &first, ANSWER(09));
	eq(stream_recv(fd), 1);
	out_drain();
	stream_send(fd, HEAD GOOD, 3);
	ok(left(&first, &i[2]));
	close(fd);
	run();
	answer(&i[2], &first, ANSWER(09));
	pass(LOOKUP_TIME + RESOLVER_WAIT);
	run();
	eq(c.flows.used, 0);
}

/* Listeners in the namespace that lead to port 53 of the host's loopback interface: a client's sockets to them */
static void begin_forwarded(const char *loopback, int *tcp, int *udp)
{
	struct end listener = E(loopback, 1053), any = { .a = listener.a };
	union sockaddr_any sa;
	socklen_t len = end_to_sa(&listener, 0, &sa);

	begin_resolve(!addr_is_v4(&any.a), 1);
	for (unsigned i = 0; i < 2; i++) {
		publish(1053, 1053, PORT_DNS);
		cf.rules.rule[i].outward = true;
		cf.rules.rule[i].opt = (uint16_t)i;
	}
	cf.rules.rule[0].proto = IPPROTO_TCP;
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	*udp = host_socket(&any);
	MUST(connect(*udp, &sa.sa, len));
	MUST(*tcp = socket(sa.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(*tcp, &sa.sa, len));
	MUST(fcntl(*tcp, F_SETFL, O_NONBLOCK));
	run();
}

static void forwarded_is(int fd, const char *text, const char *want)
{
	uint8_t b[2048], w[2048];
	size_t len = message(want, w);

	MUST(send(fd, b, message(text, b), 0));
	run();
	ok(none_left());
	eq(recv(fd, b, sizeof(b), MSG_DONTWAIT), len ? (ssize_t)len : -1);
	ok(!memcmp(b, w, len));
}

static void test_forwarded(const char *loopback)
{
	struct ippkt i;
	int tcp, udp;

	test("%s: a forwarded port that leads to a resolver: queries by UDP are to be asked by TCP", loopback);
	begin_forwarded(loopback, &tcp, &udp);
	forwarded_is(udp, HEAD GOOD, "1234 8380 0001 0000 0000 0000 =Good.test 0001 0001");
	forwarded_is(udp, HEAD "=evil.net 0001 0001", "1234 8380 0001 0000 0000 0000 =evil.net 0001 0001");
	eq(drops(), 0);
	forwarded_is(udp, "1234 8180 0001 0000 0000 0000 " GOOD, "");
	forwarded_is(udp, "1234 0100 0002 0000 0000 0000 " GOOD " " GOOD, "");
	eq(g->drops[DROP_POLICY], 2);
	eq(c.flows.count[FLOW_UDP_SPLICE], 0);

	test("%s: and those are judged", loopback);
	stream_send(tcp, HEAD "=evil.net 0001 0001", 7);
	ok(none_left());
	eq(stream_recv(tcp), 7);
	stream_send(tcp, HEAD GOOD, 8);
	if (ok(left(&first, &i)))
		answer(&i, &first, ANSWER(09));
	eq(stream_recv(tcp), 8);
	ok(granted("198.51.100.9"));
	close(tcp);
	close(udp);
	run();
	eq(c.flows.count[FLOW_SPLICE] + c.flows.count[FLOW_STREAM], 0);
}

static void test_forwarded_name(void)
{
	const struct addr a = A("198.51.100.9");
	struct end listener = E("127.0.0.1", 1053);
	union sockaddr_any sa;
	socklen_t len = end_to_sa(&listener, 0, &sa);
	int fd;

	test("a forwarded port to an address allowed by name: not where a server name would have to be read");
	for (unsigned i = 0; i < 2; i++) {
		begin_resolve(false, 1);
		eq(nl_open(&c.egress.nl, NETLINK_ROUTE), 0);
		ok(names_grant(&c, g, "good.test", &a, 60));
		publish(1053, 1053, i ? 443 : 444);
		cf.rules.rule[0].proto = IPPROTO_TCP;
		cf.rules.rule[0].outward = true;
		cf.rules.rule[0].to_addr = a;
		eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
		MUST(fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
		MUST(connect(fd, &sa.sa, len));
		run();
		eq(c.flows.count[FLOW_SPLICE], !i);
		eq(g->drops[DROP_POLICY], i);
		close(fd);
		nl_close(&c.egress.nl);
	}
	out_drain();
}

static void test_lost_stream(void)
{
	struct iovec iov = { NULL, 0 };
	struct pkt p = { .proto = IPPROTO_TCP, .ttl = 64, .tcp.flags = TCP_SYN, .data.iov = &iov };

	test("a connection whose stream is gone at once leads to no resolver");
	begin_resolve(false, 2);
	rules("allow any\nallow *.test");
	c.net.ip[V4].dns_forward = asked.a;
	c.net.ip[V4].ndns_to = 2;
	c.net.ip[V4].dns_to[0].a = first.a;
	c.net.ip[V4].dns_to[1].a = second.a;
	p.src = guest;
	p.dst = asked;
	tcp_open(&c, g, &p);
	eq(c.flows.count[FLOW_TCP], 1);
	for (uint32_t i = 0; i < c.flows.unused; i++)
		if (c.flows.f[i].type == FLOW_STREAM && !c.flows.f[i].dead)
			c.flows.f[i].ops->end(&c, &c.flows.f[i]);
	run();
	eq(c.flows.used, 0);
	eq(ngot, 1);
}

int main(void)
{
	host_init();
	test_one(false);
	test_one(true);
	test_refused();
	test_repeated();
	test_old();
	test_two();
	test_late();
	test_families();
	test_learned();
	test_many();
	test_shares();
	test_stream();
	test_forwarded("127.0.0.1");
	test_forwarded("::1");
	test_forwarded_name();
	test_lost_stream();
	return done();
}
