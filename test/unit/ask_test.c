/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask_test.c - questions: bounds of the tables, answers, and packets that come back as they were */

#include <netinet/in.h>

#include "../addresses.h"
#include "../t.h"
#include "../../ask.c"

static struct ctx c;
static struct conf conf = { .ask_timeout = 30 };
static uint8_t bytes[4096], frame[ASK_ROOM];
static const char rule[] = "any", *name;	/* @name: that addresses are known by, or NULL */

static void begin(void)
{
	c.now = 1000000;
	c.net.cf = &conf;
	wheel_init(&c.wheel, c.now);
	for (unsigned i = 0; i < GUEST_MAX; i++)
		c.guest[i].index = (uint8_t)i;
	c.guests = GUEST_MAX;
	ask_start(&c);
}

/* First packet of a flow, with @len bytes from the IP header on */
static enum drop flow(uint8_t proto, uint16_t port, const char *to, uint16_t to_port, size_t len)
{
	struct iovec iov = { bytes, len };
	const struct end dst = { A(to), to_port };
	struct pkt p = {
		.ethertype = ETH_P_IP, .proto = proto, .src = { A("10.0.2.15"), port }, .dst = dst,
		.ip = { &iov, 1, 0, len },
	};

	p.tcp.flags = TCP_SYN;
	if (proto == IPPROTO_ICMP) {
		p.src.port = p.dst.port = 0;
		p.icmp = (struct icmp_hdr){ .id = port };
	}
	return ask_judge(&c, &c.guest[0], proto, &p.dst, name, &p, rule);
}

static enum drop syn(uint16_t port, const char *to, uint16_t to_port)
{
	return flow(IPPROTO_TCP, port, to, to_port, 40);
}

static unsigned questions(void)
{
	unsigned n = 0;

	for (const struct ask_question *q = ask_after(&c, 0); q; q = ask_after(&c, q->id))
		n++;
	return n;
}

/* Packets that come back: how many */
static unsigned back(void)
{
	struct raw raw;
	unsigned n = 0;

	while (ask_next(&c.guest[0], frame, &raw))
		n++;
	return n;
}

static void answer(enum ask_word w)
{
	const struct ask_question *q = ask_after(&c, 0);

	ok(q && ask_answer(&c, q->id, w));
}

static void test_bounds(void)
{
	unsigned i;

	test("questions: a place more than there is room for is refused");
	begin();
	for (i = 0; i < ASK_QUESTIONS; i++)
		eq(syn(1000, "192.0.2.1", (uint16_t)(1 + i)), DROP_WAITS);
	eq(syn(1000, "192.0.2.1", 9999), DROP_POLICY);
	eq(syn(1001, "192.0.2.1", 1), DROP_WAITS);	/* joins one that is there */
	eq(questions(), ASK_QUESTIONS);
	eq(c.guest[0].asks->npackets, ASK_QUESTIONS + 1);
	answer(ASK_ONCE);
	eq(back(), 2);
	eq(syn(1000, "192.0.2.1", 9999), DROP_WAITS);

	test("packets: one more than there is room for is refused");
	begin();
	for (i = 0; i < ASK_PACKETS; i++)
		eq(syn((uint16_t)(1000 + i), "192.0.2.1", 80), DROP_WAITS);
	eq(syn(9999, "192.0.2.1", 80), DROP_POLICY);
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);	/* again */
	eq(questions(), 1);
	answer(ASK_ONCE);
	eq(back(), ASK_PACKETS);
	eq(c.guest[0].asks->npackets, 0);

	test("answers that hold: the oldest one is forgotten");
	begin();
	for (i = 0; i <= ASK_KNOWN; i++) {
		eq(syn(1000, "192.0.2.1", (uint16_t)(1 + i)), DROP_WAITS);
		answer(i % 2 ? ASK_ALWAYS : ASK_NEVER);
		eq(back(), 1);
	}
	eq(syn(1000, "192.0.2.1", 1), DROP_WAITS);
	eq(syn(1000, "192.0.2.1", 2), DROP_NONE);
	eq(syn(1000, "192.0.2.1", 3), DROP_POLICY);
	eq(syn(1000, "192.0.2.1", ASK_KNOWN + 1), DROP_POLICY);
	i = 0;
	for (const struct ask_known *k = ask_known_after(&c, 0); k; k = ask_known_after(&c, k->id))
		eq(k->place.to.port, 2 + i++);
	eq(i, ASK_KNOWN);

	test("guests have tables of their own");
	for (i = 1; i < GUEST_MAX; i++)
		ok(c.guest[i].asks != c.guest[0].asks);
	ok(c.guest[0].asks);
}

static void test_places(void)
{
	const struct end to = { A("192.0.2.1"), 80 };

	test("a place is protocol, address and port");
	begin();
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	answer(ASK_ALWAYS);
	eq(back(), 1);
	eq(syn(1000, "192.0.2.1", 80), DROP_NONE);
	eq(syn(1001, "192.0.2.1", 80), DROP_NONE);
	eq(syn(1001, "192.0.2.2", 80), DROP_WAITS);
	eq(syn(1001, "192.0.2.1", 81), DROP_WAITS);
	eq(flow(IPPROTO_UDP, 1001, "192.0.2.1", 80, 40), DROP_WAITS);
	eq(questions(), 3);

	test("without a packet, nothing waits: answers that hold count, all else is refused");
	eq(ask_judge(&c, &c.guest[0], IPPROTO_TCP, &to, NULL, NULL, rule), DROP_NONE);
	eq(ask_judge(&c, &c.guest[0], IPPROTO_UDP, &to, NULL, NULL, rule), DROP_POLICY);
	eq(questions(), 3);

	test("and the name that the guest knows it by");
	begin();
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	name = "a.example";
	eq(syn(1001, "192.0.2.1", 80), DROP_WAITS);
	eq(syn(1002, "192.0.2.1", 80), DROP_WAITS);
	name = "b.example";
	eq(syn(1003, "192.0.2.1", 80), DROP_WAITS);
	eq(questions(), 3);
	name = "c.example";
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);	/* again, and it waits already */
	eq(questions(), 3);
	answer(ASK_NEVER);
	answer(ASK_ALWAYS);
	eq(back(), 3);
	eq(syn(1004, "192.0.2.1", 80), DROP_WAITS);
	name = "a.example";
	eq(syn(1004, "192.0.2.1", 80), DROP_NONE);
	name = NULL;
	eq(syn(1005, "192.0.2.1", 80), DROP_POLICY);

	test("a packet that comes back may be a question about another name");
	begin();
	name = "a.example";
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	answer(ASK_ONCE);
	name = "b.example";
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	eq(questions(), 1);
	answer(ASK_ONCE);
	eq(syn(1000, "192.0.2.1", 80), DROP_NONE);
	name = NULL;
	eq(back(), 1);

	test("echo is told by its identifier");
	begin();
	eq(flow(IPPROTO_ICMP, 7, "192.0.2.1", 0, 60), DROP_WAITS);
	eq(flow(IPPROTO_ICMP, 8, "192.0.2.1", 0, 60), DROP_WAITS);
	eq(flow(IPPROTO_ICMP, 7, "192.0.2.1", 0, 60), DROP_ASK);
	eq(questions(), 1);
	answer(ASK_ONCE);
	eq(back(), 2);
}

static void test_ends(void)
{
	const struct ask_question *q;
	struct timer *t;
	uint64_t id;

	test("an answer counts once, and for questions that are there");
	begin();
	ok(!ask_answer(&c, 0, ASK_ONCE) && !ask_answer(&c, 1, ASK_ONCE) && !ask_answer(&c, UINT64_MAX, ASK_ONCE));
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	id = ask_after(&c, 0)->id;
	ok(!ask_answer(&c, id + 1, ASK_ONCE) && !ask_answer(&c, id - 1, ASK_ONCE));
	ok(ask_answer(&c, id, ASK_NEVER) && !ask_answer(&c, id, ASK_ALWAYS));
	eq(back(), 1);
	eq(syn(1001, "192.0.2.1", 80), DROP_POLICY);

	test("a question is news, and ends after its time");
	begin();
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	t = timer_expire(&c.wheel, c.now);
	ok(t && t->kind == TIMER_ASKED);
	ok(!timer_expire(&c.wheel, c.now + 29999));
	t = timer_expire(&c.wheel, c.now + 30000);
	ok(t && t->kind == TIMER_ASK);
	ask_timeout(&c, t);
	eq(questions(), 0);
	eq(back(), 1);

	test("a verdict is taken when the packet comes back, and by it alone");
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	q = ask_after(&c, 0);
	ask_answer(&c, q->id, ASK_ONCE);
	eq(syn(1001, "192.0.2.1", 80), DROP_WAITS);
	eq(syn(1000, "192.0.2.1", 80), DROP_NONE);
	eq(back(), 1);
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);

	test("a guest that goes leaves nothing");
	syn(1000, "192.0.2.9", 80);
	answer(ASK_ALWAYS);
	ask_forget(&c, &c.guest[0]);
	eq(questions(), 0);
	eq(back(), 0);
	ok(!ask_known_after(&c, 0));
	for (t = timer_expire(&c.wheel, c.now); t && t->kind == TIMER_ASKED; t = timer_expire(&c.wheel, c.now))
		;
	eq(wheel_timeout(&c.wheel, c.now), -1);
}

static void test_copies(void)
{
	struct raw raw;

	test("a packet comes back as it was: the last SYN, the first datagram");
	begin();
	bytes[0] = 1;
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	eq(flow(IPPROTO_UDP, 1000, "192.0.2.1", 80, 100), DROP_WAITS);
	bytes[0] = 2;
	eq(flow(IPPROTO_TCP, 1000, "192.0.2.1", 80, 44), DROP_WAITS);
	eq(flow(IPPROTO_UDP, 1000, "192.0.2.1", 80, 101), DROP_ASK);
	answer(ASK_ONCE);
	eq(ask_next(&c.guest[0], frame, &raw), ETH_HLEN + 44);
	eq(raw.len, ETH_HLEN + 44);
	eq(frame[ETH_HLEN], 2);
	eq(ask_next(&c.guest[0], frame, &raw), 0);
	answer(ASK_ONCE);
	eq(ask_next(&c.guest[0], frame, &raw), ETH_HLEN + 100);
	eq(frame[ETH_HLEN], 1);
	eq(ask_next(&c.guest[0], frame, &raw), 0);

	test("one that is too large doesn't wait, its question does");
	begin();
	eq(flow(IPPROTO_UDP, 1000, "192.0.2.1", 80, ASK_ROOM - ETH_HLEN + 1), DROP_ASK);
	eq(questions(), 1);
	eq(c.guest[0].asks->npackets, 0);
	eq(flow(IPPROTO_UDP, 1000, "192.0.2.1", 80, ASK_ROOM - ETH_HLEN), DROP_WAITS);
	eq(syn(1000, "192.0.2.1", 80), DROP_WAITS);
	eq(flow(IPPROTO_TCP, 1000, "192.0.2.1", 80, ASK_ROOM), DROP_ASK);	/* the one before still waits */
	eq(c.guest[0].asks->npackets, 2);
}

int main(void)
{
	test_bounds();
	test_places();
	test_ends();
	test_copies();
	return done();
}
