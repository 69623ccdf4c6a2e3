/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_log_test.c - the record of flows: text of lines, readers that are slow, the file's pipe, the end */

#include <fcntl.h>
#include <signal.h>

#include "../addresses.h"
#include "../t.h"
#include "../../flow_log.c"

static struct ctx c;
static struct flow_reader client;
static char got[FLOW_LOG_LINE];

/* Next line, "" if there is none; without its time, which is checked */
static const char *next(void)
{
	size_t len = flow_log_next(&c, &client, got);

	got[len] = '\0';
	if (!len)
		return got;
	ok(json_read(got, len) && !strncmp(got, "{\"v\":1,\"time\":\"20", 17) &&
	   !memcmp(got + 38, "Z\",\"event\":", 11));
	return got + 41;
}

static void say(struct flow_note n, const char *addr, uint16_t port)
{
	const struct end to = { A(addr), port };

	n.g = &c.guest[0];
	n.to = &to;
	flow_log_verdict(&c, &n);
}

/* One of many, each with a number */
static void deny(uint32_t id)
{
	say((struct flow_note){ .event = FLOW_DENY, .proto = IPPROTO_TCP, .id = id, .rule = "private" }, "10.0.0.1",
	    443);
}

static const char *state(const struct flow *f)
{
	(void)f;
	return "";
}

static const struct flow_ops tcp_verbs = { .type = FLOW_TCP, .name = { "tcp", "tcp" }, .state = state };
static const struct flow_ops ping_verbs = { .type = FLOW_PING, .name = { "icmp", "icmpv6" }, .state = state };
static const struct flow_ops internal = { .type = FLOW_UDP_PORT };

static struct flow *flow_new(const struct flow_ops *ops, const char *peer, const char *remote)
{
	struct flow *f = flow_alloc(&c.flows, ops, 0, c.now);

	f->side[GUEST].peer = (struct end){ A(peer), 1000 };
	f->side[HOST].peer = (struct end){ A(remote), 443 };
	return f;
}

static void test_lines(void)
{
	struct rule r = { .proto = IPPROTO_TCP, .any = true, .first = 8080, .last = 8080, .to = 80 };
	const struct addr a[] = { A("192.0.2.1"), A("2001:db8::1") };
	const struct end from = { A("198.51.100.7"), 50000 };
	struct flow *f;

	test("nothing is recorded without a reader, but flows are numbered");
	flow_log_inbound(&c, &c.guest[0], IPPROTO_TCP, &from, &r);
	eq(c.flow_log.lines, 0);
	eq(c.flows.id, 1);
	ok(!c.flow_log.on);
	flow_log_join(&c, &client);
	ok(c.flow_log.on);
	eq_str(next(), "");

	test("verdicts");
	say((struct flow_note){ .event = FLOW_ALLOW, .proto = IPPROTO_TCP, .id = 7, .rule = "egress open" },
	    "192.0.2.1", 80);
	eq_str(next(),
	       "\"event\":\"allow\",\"id\":7,\"dir\":\"out\",\"guest\":0,\"proto\":\"tcp\",\"address\":\"192.0.2.1\","
	       "\"port\":80,\"rule\":\"egress open\"}");
	say((struct flow_note){ .event = FLOW_DENY,
				.proto = IPPROTO_UDP,
				.id = 8,
				.name = "a.example",
				.sni = "b.example",
				.rule = "[fd00::/8]:53",
				.reason = "not \"this\"\n\xff" },
	    "fd00::1", 53);
	eq_str(next(),
	       "\"event\":\"deny\",\"id\":8,\"dir\":\"out\",\"guest\":0,\"proto\":\"udp\",\"address\":\"fd00::1\","
	       "\"port\":53,\"name\":\"a.example\",\"sni\":\"b.example\",\"rule\":\"[fd00::/8]:53\","
	       "\"reason\":\"not \\u0022this\\u0022\\u000a\\ufffd\"}");
	say((struct flow_note){ .event = FLOW_ASK, .proto = IPPROTO_ICMPV6, .id = 9, .rule = "any" }, "fd00::1", 0);
	eq_str(next(),
	       "\"event\":\"ask\",\"id\":9,\"dir\":\"out\",\"guest\":0,\"proto\":\"icmpv6\",\"address\":\"fd00::1\","
	       "\"rule\":\"any\"}");

	test("a flow from outside, and one on its account");
	flow_log_inbound(&c, &c.guest[0], IPPROTO_TCP, &from, &r);
	eq_str(next(),
	       "\"event\":\"allow\",\"id\":2,\"dir\":\"in\",\"guest\":0,\"proto\":\"tcp\",\"address\":\"198.51.100.7\","
	       "\"port\":50000,\"rule\":\"-t 8080:80\"}");
	flow_log_inbound(&c, &c.guest[0], IPPROTO_UDP, &from, NULL);
	eq_str(next(),
	       "\"event\":\"allow\",\"id\":3,\"dir\":\"in\",\"guest\":0,\"proto\":\"udp\",\"address\":\"198.51.100.7\","
	       "\"port\":50000}");

	test("answers of the resolver");
	flow_log_dns(&c, &c.guest[0], "a.example", "A", ALLOW, a, 2);
	eq_str(next(),
	       "\"event\":\"dns\",\"guest\":0,\"name\":\"a.example\",\"type\":\"A\",\"verdict\":\"allow\","
	       "\"addresses\":[\"192.0.2.1\",\"2001:db8::1\"]}");
	flow_log_dns(&c, &c.guest[0], "b.example", "HTTPS", DENY, NULL, 0);
	eq_str(next(),
	       "\"event\":\"dns\",\"guest\":0,\"name\":\"b.example\",\"type\":\"HTTPS\",\"verdict\":\"deny\","
	       "\"addresses\":[]}");

	test("ends, at the end of the turn");
	c.flows.id = 20;
	f = flow_new(&tcp_verbs, "10.0.2.15", "192.0.2.1");
	f->egress = true;
	flow_moved(&c.flows, f, GUEST, 100);
	flow_moved(&c.flows, f, HOST, 5000000000ULL);
	c.now += 1234;
	flow_end(&c.flows, f);
	flow_end(&c.flows, flow_new(&internal, "10.0.2.15", "192.0.2.1"));
	eq_str(next(), "");
	flow_log_turn(&c);
	flow_bury(&c.flows);
	eq_str(next(),
	       "\"event\":\"end\",\"id\":20,\"dir\":\"out\",\"guest\":0,\"proto\":\"tcp\",\"address\":\"192.0.2.1\","
	       "\"port\":443,\"from_guest\":100,\"to_guest\":5000000000,\"ms\":1234}");
	flow_log_turn(&c);
	eq_str(next(), "");
	flow_end(&c.flows, flow_new(&ping_verbs, "fd00::2", "fd00::1"));
	flow_log_turn(&c);
	flow_bury(&c.flows);
	eq_str(next(),
	       "\"event\":\"end\",\"id\":20,\"dir\":\"in\",\"guest\":0,\"proto\":\"icmpv6\",\"address\":\"fd00::1\","
	       "\"from_guest\":0,\"to_guest\":0,\"ms\":0}");
}

/* The longest of everything, all of it escaped */
static void test_long(void)
{
	static char s[2000];
	struct addr a[200];
	uint64_t lines = c.flow_log.lines;

	test("texts are cut: no line is too long");
	memset(s, 1, sizeof(s) - 1);
	say((struct flow_note){ .event = FLOW_ALLOW, .proto = IPPROTO_TCP, .id = UINT32_MAX }, "::1", 65535);
	say((struct flow_note){ .event = FLOW_DENY, .dir = FLOW_IN, .proto = IPPROTO_TCP, .id = UINT32_MAX, .name = s,
				.sni = s, .rule = s }, "1:1:1:1:1:1:1:1", 65535);
	for (unsigned i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = A("1111:1111:1111:1111:1111:1111:1111:1111");
	flow_log_dns(&c, &c.guest[0], s, s, DENY, a, ARRAY_SIZE(a));
	eq(c.flow_log.lines, lines + 3);
	while (*next())
		;
}

static void test_client(void)
{
	unsigned long long lost;
	unsigned n = 0;
	const char *s;

	test("a slow client loses the oldest lines, and is given their number");
	for (uint32_t i = 1; i <= 20000; i++)
		deny(i);
	ok(sscanf(next(), "\"event\":\"lost\",\"count\":%llu}", &lost) == 1 && lost > 5000 && lost < 19000);
	while (*(s = next())) {
		n++;
		s = strstr(s, "\"id\":");
		ok(s && strtoull(s + 5, NULL, 10) == lost + n);
	}
	eq(lost + n, 20000);

	test("the last client leaves: nothing is recorded any more");
	flow_log_leave(&c);
	ok(!c.flow_log.on);
}

/* What came out of the pipe: lines, and those that are lost */
static struct {
	char		text[8192];
	size_t		len;
	unsigned	lines, lost;
	uint32_t	id;		/* of the last one */
	bool		torn;
} out;

/* Reads up to @n bytes: those that were there */
static size_t take(int fd, size_t n)
{
	ssize_t len = read(fd, out.text + out.len, MIN(n, sizeof(out.text) - out.len - 1));
	char *nl, *at;

	if (len <= 0)
		return 0;
	out.len += (size_t)len;
	while ((nl = memchr(out.text, '\n', out.len))) {
		*nl = '\0';
		out.torn |= !json_read(out.text, (size_t)(nl - out.text));
		at = strstr(out.text, "\"count\":");
		if (at) {
			out.lost += (unsigned)atoi(at + 8);
		} else if ((at = strstr(out.text, "\"id\":"))) {
			out.torn |= (uint32_t)atoi(at + 5) <= out.id;
			out.id = (uint32_t)atoi(at + 5);
			out.lines++;
		}
		out.len -= (size_t)(nl + 1 - out.text);
		memmove(out.text, nl + 1, out.len);
	}
	return (size_t)len;
}

/* The pipe in place of the file's process: its end to read from */
static int pipe_up(int size)
{
	int p[2];

	flow_log_init(&c);
	memset(&rest, 0, sizeof(rest));
	memset(&out, 0, sizeof(out));
	if (pipe2(p, O_NONBLOCK) || fcntl(p[1], F_SETPIPE_SZ, size) < size)
		return -1;
	c.flow_log.fd = p[1];
	c.flow_log.on = true;
	return p[0];
}

static void test_file(void)
{
	static const unsigned step[] = { 1, 7, 100, 4096, 60000 };

	for (unsigned k = 0; k < ARRAY_SIZE(step); k++) {
		int fd = pipe_up(8192);
		uint32_t n = 0;

		test("a pipe that is read by %u bytes: whole lines, in order, each is there or counted", step[k]);
		for (unsigned turn = 0; turn < 3000; turn++) {
			for (unsigned i = 0; i < turn % 30; i++)
				deny(++n);
			flow_log_turn(&c);
			take(fd, step[k]);
		}
		while (c.flow_log.file.at != c.flow_log.head || rest.len) {
			if (!take(fd, 1000))
				break;
			flow_log_flush(&c);
		}
		while (take(fd, 1000))
			;
		ok(!out.torn && !out.len);
		eq(out.id, n);
		eq(out.lines + out.lost, n);
		ok(step[k] > 100 || out.lost);
		close(c.flow_log.fd);
		close(fd);
	}
}

static void test_end(void)
{
	int fd = pipe_up(65536), alive[2];

	test("the process that writes is gone");
	deny(1);
	close(fd);
	flow_log_turn(&c);
	eq(c.flow_log.fd, -1);
	ok(!c.flow_log.on);
	flow_log_quit(&c);

	test("the end of the program is that of all flows, and waits for the file");
	fd = pipe_up(8192);
	if (!ok(!pipe(alive)))
		return;
	c.flow_log.alive = alive[0];
	close(alive[1]);
	for (unsigned i = 1; i <= 20; i++) {
		c.flows.id = i;
		flow_new(&tcp_verbs, "10.0.2.15", "192.0.2.1");
	}
	flow_end(&c.flows, &c.flows.f[0]);
	flow_log_quit(&c);
	while (take(fd, 1000))
		;
	eq(out.lines, 20);
	eq(out.len, 0);
	close(fd);

	test("or not for long");
	fd = pipe_up(4096);
	for (unsigned i = 1; i <= 1000; i++)
		deny(i);
	flow_log_quit(&c);
	ok(c.flow_log.file.at != c.flow_log.head);
	close(fd);
}

static void test_dates(void)
{
	char text[] = "0000-00-00", want[16];
	time_t t;

	test("dates of 200 years");
	for (uint64_t day = 0; day < 73000; day++) {
		t = (time_t)(day * 86400);
		strftime(want, sizeof(want), "%Y-%m-%d", gmtime(&t));
		put_date(text, day);
		if (!eq_str(text, want))
			break;
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	flows_init(&c.flows);
	flow_log_init(&c);
	c.now = 1000;
	c.now_us = 1000000;
	test_lines();
	test_long();
	test_client();
	test_file();
	test_end();
	test_dates();
	return done();
}
