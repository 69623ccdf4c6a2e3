/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lossy_test.c - the emulated link that transfers in namespaces are tested with: each accident, and no other */
/* LINK: test/tools/device.o */
#include "../t.h"
#include "../tools/lossy.c"

#define FRAMES		2000
#define PAYLOAD		1001		/* odd: checksums of both parts of a split segment */
#define ETH		14
#define BURST		100

static struct lossy *line;
static unsigned frames, came[FRAMES], order[2 * FRAMES];

/* Number @n, as sequence number and first bytes of payload */
static size_t build(uint8_t *frame, bool v6, uint32_t n, size_t len)
{
	struct seg s = { frame + ETH, frame + ETH + (v6 ? IP6_LEN : IP4_LEN), v6, 0, len };

	memset(frame, 0, ETH + IP6_LEN + TCP_LEN);
	put16(frame + 12, v6 ? ETH_P_IPV6 : ETH_P_IP);
	s.ip[0] = v6 ? 0x60 : 0x45;
	s.ip[v6 ? 6 : 9] = IPPROTO_TCP;
	memset(s.ip + 12, 7, v6 ? 28 : 8);
	s.tcp[1] = 99;
	put16(s.tcp + 4, n >> 16);
	put16(s.tcp + 6, n);
	s.tcp[12] = TCP_LEN / 4 << 4;
	s.tcp[13] = 0x18;
	s.hlen = (size_t)(s.tcp - frame) + TCP_LEN;
	for (size_t i = 0; i < len; i++)
		frame[s.hlen + i] = (uint8_t)(n + i * 31);
	seg_finish(&s, len);
	return s.hlen + len;
}

/* What has arrived by @now; returns the number of frames */
static unsigned arrive(uint64_t now)
{
	const uint8_t *frame;
	unsigned n = 0;
	size_t len;

	for (; (frame = lossy_peek(line, &len, now)); lossy_pop(line), n++) {
		struct seg s;

		if (!seg_of((uint8_t *)(uintptr_t)frame, len, &s) || get32(s.tcp + 4) >= FRAMES)
			continue;
		came[get32(s.tcp + 4)]++;
		order[frames++] = get32(s.tcp + 4);
	}
	return n;
}

/* All frames, BURST at once and 1 ms apart; returns the number that were lost */
static unsigned pass(const char *options, unsigned way)
{
	static uint8_t frame[LOSSY_FRAME_MAX];
	unsigned missing = 0;

	memset(came, 0, sizeof(came));
	frames = 0;
	line = lossy_new(options, way);
	for (uint32_t n = 0; n < FRAMES; n++) {
		lossy_put(line, frame, build(frame, n & 1, n, PAYLOAD), MS + n / BURST * MS);
		if (n % BURST == BURST - 1)
			lossy_turn(line);
		arrive(MS + n / BURST * MS);
	}
	arrive(UINT64_MAX - 1);
	ok(lossy_due(line) == UINT64_MAX);
	for (unsigned n = 0; n < FRAMES; n++)
		missing += !came[n];
	eq(lossy_lost(line), missing);
	free(line);
	return missing;
}

static unsigned disorder(void)
{
	unsigned n = 0;

	for (unsigned i = 1; i < frames; i++)
		n += order[i] < order[i - 1];
	return n;
}

static void test_loss(void)
{
	static unsigned first[FRAMES];
	unsigned lost_ = 0, run = 0, runs = 0;

	test("without options, all frames arrive, in order");
	eq(pass(NULL, 0), 0);
	eq(pass("", 1), 0);
	eq(disorder(), 0);

	test("loss: the part that was given, the same in every run, another in the other direction");
	lost_ = pass("loss=10,seed=3", 0);
	ok(lost_ > FRAMES / 13 && lost_ < FRAMES / 8);
	memcpy(first, came, sizeof(first));
	pass("loss=10,seed=3", 0);
	eq_mem(came, first, sizeof(first));
	pass("loss=10,seed=3", 1);
	ok(memcmp(came, first, sizeof(first)));
	pass("loss=10,seed=4", 0);
	ok(memcmp(came, first, sizeof(first)));
	eq(disorder(), 0);
	eq(pass("loss=100", 0), FRAMES);

	test("loss: behind a slash, of the other direction");
	eq(pass("loss=100/loss=0", 1), 0);
	eq(pass("/loss=100", 0), 0);
	eq(pass("/loss=100", 1), FRAMES);

	test("nth: one in N");
	eq(pass("nth=50", 0), FRAMES / 50);
	ok(!came[49] && !came[99]);

	test("gap: N in a row");
	lost_ = pass("gap=0.5:8", 0);
	for (unsigned n = 0; n < FRAMES; n++) {
		run = came[n] ? 0 : run + 1;
		runs += run == 8;
	}
	ok(runs && lost_ <= 8 * (runs + 2) && lost_ + 8 >= 8 * runs);

	test("burst: what is beyond N frames at once, and nothing of the next burst");
	eq(pass("burst=32", 0), FRAMES / BURST * (BURST - 32));
	ok(came[31] && !came[32] && !came[99] && came[100]);
	eq(pass("burst=100", 0), 0);
}

static void test_order(void)
{
	test("dup: some twice, none lost");
	eq(pass("dup=20", 0), 0);
	ok(frames > FRAMES + FRAMES / 6 && frames < FRAMES + FRAMES / 4);
	eq(disorder(), 0);

	test("reorder: behind the next three, none lost");
	eq(pass("reorder=2:3", 0), 0);
	eq(frames, FRAMES);
	ok(disorder() > FRAMES / 100 && disorder() < FRAMES / 30);
	for (unsigned i = 0; i < frames; i++)
		ok(order[i] + 6 >= i && order[i] <= i + 6);

	test("reorder: a frame that none follows arrives all the same");
	eq(pass("reorder=100:3", 0), 0);
}

static void test_once(void)
{
	static uint8_t frame[LOSSY_FRAME_MAX];
	size_t small = build(frame, false, 1, 500);

	test("once: a segment of that size the first time, sent again not; larger ones, and what is before it, not");
	line = lossy_new("once=1:999", 0);
	lossy_put(line, frame, small, MS);
	eq(arrive(MS), 0);
	lossy_put(line, frame, small, MS);
	eq(arrive(MS), 1);
	lossy_put(line, frame, build(frame, false, 500, 1000), MS);
	eq(arrive(MS), 1);
	lossy_put(line, frame, build(frame, false, 0, 500), MS);
	eq(arrive(MS), 1);
	lossy_put(line, frame, build(frame, false, 501, 500), MS);
	eq(arrive(MS), 0);
	free(line);
}

/* Both parts of a segment that was split, by IP version */
static void check_split(bool v6)
{
	static uint8_t frame[LOSSY_FRAME_MAX], part[2][LOSSY_FRAME_MAX];
	size_t len[2] = { 0 }, whole = build(frame, v6, 7, PAYLOAD);
	struct seg s[2];

	line = lossy_new("split=100", 0);
	lossy_put(line, frame, whole, MS);
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *p = lossy_peek(line, &len[i], MS);

		if (!ok(p))
			return;
		memcpy(part[i], p, len[i]);
		lossy_pop(line);
		if (!ok(seg_of(part[i], len[i], &s[i])))
			return;
	}
	ok(!lossy_peek(line, &whole, MS));
	eq(get32(s[0].tcp + 4), 7 + PAYLOAD / 2);
	eq(get32(s[1].tcp + 4), 7);
	eq(s[0].len + s[1].len, PAYLOAD);
	eq_mem(part[1] + s[1].hlen, frame + s[1].hlen, s[1].len);
	eq_mem(part[0] + s[0].hlen, frame + s[0].hlen + s[1].len, s[0].len);
	eq(s[0].tcp[13], 0x18);
	eq(s[1].tcp[13], 0x10);
	for (unsigned i = 0; i < 2; i++) {
		/* The sum over all, checksum included, of pseudo header and segment: RFC 1071 */
		uint32_t acc = sum(s[i].ip + (v6 ? 8 : 12), v6 ? 32 : 8, IPPROTO_TCP + TCP_LEN + (uint32_t)s[i].len);

		eq(len[i], s[i].hlen + s[i].len);
		eq(folded(sum(s[i].tcp, TCP_LEN + s[i].len, acc)), 0);
		ok(v6 || !folded(sum(s[i].ip, IP4_LEN, 0)));
	}
	free(line);
}

static void test_line(void)
{
	static uint8_t frame[LOSSY_FRAME_MAX];
	size_t len = build(frame, false, 1, 946);		/* 1,000 bytes */

	test("delay: not before, and at its time");
	line = lossy_new("delay=2.5", 0);
	lossy_put(line, frame, len, MS);
	eq(lossy_due(line), MS + 2500000);
	eq(arrive(MS + 2499999), 0);
	eq(arrive(MS + 2500000), 1);
	free(line);

	test("mbit and queue: one frame behind the other, and no more than N wait");
	line = lossy_new("mbit=8,queue=3,delay=1", 0);		/* a frame a millisecond */
	for (unsigned i = 0; i < 5; i++)
		lossy_put(line, frame, len, MS);
	eq(lossy_lost(line), 2);
	for (unsigned i = 1; i <= 3; i++) {
		eq(arrive((2 + i) * MS - 1), 0);
		eq(arrive((2 + i) * MS), 1);
	}
	free(line);

	test("lossy_clear(): nothing is under way");
	line = lossy_new("delay=1,reorder=50:3", 0);
	for (unsigned i = 0; i < 50; i++)
		lossy_put(line, frame, len, MS);
	lossy_clear(line);
	eq(arrive(UINT64_MAX - 1), 0);
	ok(lossy_due(line) == UINT64_MAX);
	free(line);
}

int main(void)
{
	test_loss();
	test_order();
	test_once();
	test("split: two valid segments, the second half first");
	check_split(false);
	check_split(true);
	test_line();
	return done();
}
