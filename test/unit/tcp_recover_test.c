/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_recover_test.c - scoreboard against a slow reference, one entry a number; borders; the congestion window
 *
 * Segments are one byte long, so that numbers count segments.
 */
#include "../draw.h"
#include "../t.h"
#include "../../tcp_recover.c"

#define SPAN 200U /* numbers in flight: fewer pieces than there is room for */

/* Of all numbers since the start: their fates and, of those sent again, when */
static struct {
	uint8_t fate[1U << 16];
	uint32_t mark[1U << 16], order[1U << 16];
	uint32_t high, swept, before, before_count, count, count_high;
} ref;

/* A flow with @n numbers in flight from @una on, of a guest with SACK, and its state */
static struct tcp flow_new(uint32_t una, uint32_t n)
{
	struct tcp t = { .flags = TCPF_SACK | TCPF_TS, .mss = 1, .snd_una = una, .snd_nxt = una + n, .snd_max = una + n,
			 .snd_wnd = 1U << 20 };

	seg_rtt(&t, 1000);
	ok(recover_begin(&t));
	return t;
}

static bool ack(struct tcp *t, uint32_t to, uint32_t from, uint32_t end, uint64_t now)
{
	struct tcp_seg s = { .ack = to, .ts = true, .sacks = from != end, .sack = { { from, end } } };
	uint32_t was = t->snd_una;

	t->snd_una = to;
	return recover_ack(t, was, &s, now);
}

/* Do the pieces say what the reference does? */
static bool same(const struct tcp *t, uint32_t base)
{
	const struct recover *r = of(t);
	uint32_t bytes[FATES] = { 0 };
	unsigned i = 0;

	for (uint32_t seq = t->snd_una; seq != t->snd_max; seq++) {
		enum fate fate = FLIGHT;

		while (i < r->n && seq_le(r->p[i].end, seq))
			i++;
		if (i < r->n && seq_le(r->p[i].seq, seq))
			fate = r->p[i].fate;
		if (fate != ref.fate[seq - base])
			return false;
		bytes[fate] += fate != FLIGHT;
	}
	for (unsigned k = 0; k < r->n; k++)
		if (!seq_lt(r->p[k].seq, r->p[k].end) || (k && seq_lt(r->p[k].seq, r->p[k - 1].end)) ||
		    seq_lt(r->p[k].seq, t->snd_una) || seq_lt(t->snd_max, r->p[k].end))
			return false;
	return !memcmp(bytes, r->bytes, sizeof(bytes));
}

static void ref_arrived(uint32_t base, uint32_t from, uint32_t to, enum fate fate)
{
	uint32_t was = ref.count_high, mark = 0;

	for (uint32_t seq = from; seq != to; seq++) {
		uint32_t i = seq - base;

		if (ref.fate[i] == AGAIN && ref.count_high < ref.order[i]) {
			ref.count_high = ref.order[i];
			mark = ref.mark[i];
		}
		ref.fate[i] = (uint8_t)fate;
	}
	if (was < ref.count_high && seq_le(ref.before, ref.swept) && seq_lt(ref.swept, mark)) {
		ref.before = mark;
		ref.before_count = ref.count_high - 1;
	}
	if (from != to && seq_lt(ref.high, to))
		ref.high = to;
}

static void ref_lost(const struct tcp *t, uint32_t base, uint32_t least)
{
	uint32_t to = ref.high - least;

	if (seq_lt(to, ref.before) && ref.count_high - ref.before_count >= least)
		to = ref.before;
	for (uint32_t seq = t->snd_una; seq != t->snd_max; seq++) {
		uint32_t i = seq - base, later = 0;

		if (ref.fate[i] == FLIGHT && seq_lt(seq, to) && !seq_lt(seq, ref.swept))
			ref.fate[i] = LOST;
		if (ref.fate[i] != AGAIN)
			continue;
		later += seq_lt(ref.mark[i], ref.high) ? ref.high - ref.mark[i] : 0;
		later += ref.order[i] < ref.count_high ? ref.count_high - ref.order[i] : 0;
		if (later >= least)
			ref.fate[i] = LOST;
	}
	ref.swept = seq_max(ref.swept, to);
}

/* First run of lost ones, and whether recover_next() finds it: a part of it is sent again */
static bool send_again(struct tcp *t, uint32_t base)
{
	uint32_t seq = t->snd_una, got, end, n;

	while (seq != t->snd_max && ref.fate[seq - base] != LOST)
		seq++;
	if (seq == t->snd_max)
		return !recover_next(t, &got, &end);
	if (!recover_next(t, &got, &end) || got != seq)
		return false;
	for (uint32_t i = seq; i != end; i++)
		if (ref.fate[i - base] != LOST)
			return false;
	n = 1 + below(end - seq);
	ref.count += n;
	for (uint32_t i = seq; i != seq + n; i++) {
		ref.fate[i - base] = AGAIN;
		ref.mark[i - base] = t->snd_max;
		ref.order[i - base] = ref.count;
	}
	recover_again(t, seq, seq + n);
	return true;
}

static bool step(struct tcp *t, uint32_t base, uint64_t now)
{
	uint32_t room = SPAN - (t->snd_max - t->snd_una), from, to, una = t->snd_una, before = of(t)->reorder;

	switch (below(16)) {
	case 0: case 1: case 2:
		t->snd_max += below(MIN(room, 20U) + 1);
		t->snd_nxt = t->snd_max;
		return true;
	case 3: case 4: case 5: case 6:
		return send_again(t, base);
	case 7:
		while (una != t->snd_max && ref.fate[una - base] == SACKED)
			una++;
		una += below(MIN(t->snd_max - una, 10U) + 1);
		if (una == t->snd_una)
			return true;
		ref_arrived(base, t->snd_una, una, FLIGHT);
		ref.swept = seq_max(ref.swept, una);
		ref.before = seq_max(ref.before, una);
		ack(t, una, 0, 0, now);
		ref_lost(t, base, MAX(of(t)->reorder, before));	/* a round that ends forgets it behind that */
		return true;
	case 8:
		if (below(20))
			return true;
		t->retries = 1;
		if (of(t)->n && of(t)->p[0].fate == SACKED && of(t)->p[0].seq == una)
			return true;
		recover_timeout(t, 0, now);
		for (; una != t->snd_max; una++)
			if (ref.fate[una - base] != SACKED)
				ref.fate[una - base] = LOST;
		ref.high = t->snd_una;
		ref.swept = ref.before = t->snd_max;
		return true;
	default:
		if (t->snd_max - una < 2)
			return true;
		from = una + 1 + below(t->snd_max - una - 1);
		to = from + 1 + below(MIN(t->snd_max - from, 6U));
		to = seq_lt(t->snd_max, to) ? t->snd_max : to;
		{
			bool new = false;

			for (uint32_t i = from; i != to; i++)
				new |= ref.fate[i - base] != SACKED;
			if (new)
				ref_arrived(base, from, to, SACKED);
		}
		ack(t, una, from, to, now);
		ref_lost(t, base, MAX(of(t)->reorder, before));	/* a round that ends forgets it behind that */
		return true;
	}
}

static void test_reference(void)
{
	test("scoreboard: the same as a slow reference, whatever arrives, is lost, and is sent again");
	for (uint32_t run = 0; run < 60; run++) {
		uint32_t base = run % 2 ? UINT32_MAX - 500 : below(UINT32_MAX);
		struct tcp t = flow_new(base, 20);
		bool good = true;

		memset(&ref, 0, sizeof(ref));
		ref.high = ref.swept = ref.before = base;
		seed = run + 1;
		for (unsigned i = 0; good && i < 4000; i++)
			good = step(&t, base, 1000000 + i * 100) && same(&t, base);
		ok(good);
		ok(pipe_of(&t) <= t.snd_max - t.snd_una);
		recover_free(&t);
	}
}

/* Numbers from 1010 on vanished: nothing that was sent behind them arrives */
static void test_burst_end(void)
{
	struct tcp t = flow_new(1000, 30);

	test("the end of a burst is lost once three segments have arrived that were sent again behind it");
	ack(&t, 1000, 1006, 1010, 5000);
	ok(of(&t)->bytes[LOST] == 6);
	for (uint32_t seq = 1000; seq < 1003; seq++)
		recover_again(&t, seq, seq + 1);
	ack(&t, 1001, 0, 0, 5100);
	ack(&t, 1002, 0, 0, 5100);
	ok(of(&t)->bytes[LOST] == 3);
	ack(&t, 1003, 0, 0, 5100);
	ok(of(&t)->bytes[LOST] == 23);
	ok(pipe_of(&t) == 0);
	recover_free(&t);
}

static void test_order(void)
{
	uint32_t seq, end;
	struct tcp t = flow_new(1000, 10);

	test("RFC 6675: a hole is lost once three segments behind it have arrived");
	ack(&t, 1000, 1001, 1003, 5000);
	ok(!recover_next(&t, &seq, &end));
	ok(recover_waits(&t));
	ack(&t, 1000, 1001, 1004, 5000);
	ok(recover_next(&t, &seq, &end) && seq == 1000 && end == 1001);
	ok(recover_due(&t));

	test("a retransmission is lost once three segments that were sent later have arrived");
	recover_again(&t, 1000, 1001);
	ok(!recover_next(&t, &seq, &end));
	ack(&t, 1000, 1004, 1010, 5100);
	ok(!recover_next(&t, &seq, &end));
	recover_sent(&t, 3);
	t.snd_max = t.snd_nxt = 1013;
	ack(&t, 1000, 1010, 1012, 5200);
	ok(!recover_next(&t, &seq, &end) && recover_waits(&t));
	ack(&t, 1000, 1010, 1013, 5300);
	ok(recover_next(&t, &seq, &end) && seq == 1000 && end == 1001);

	test("RFC 8985 6.2: fewer are enough after a part of a round trip");
	recover_again(&t, 1000, 1001);
	t.snd_max = t.snd_nxt = 1014;
	ack(&t, 1000, 1013, 1014, 5400);
	ok(!recover_next(&t, &seq, &end) && recover_waits(&t));
	recover_overdue(&t);
	ok(recover_next(&t, &seq, &end) && !recover_waits(&t));
	recover_free(&t);
}

static void test_reordering(void)
{
	struct tcp t = flow_new(1000, 40);
	uint32_t seq, end;

	test("a segment that comes behind others, and was not sent again, raises the number of those that show a loss");
	ack(&t, 1000, 1001, 1003, 5000);
	ack(&t, 1003, 0, 0, 5000);
	eq(of(&t)->reorder, 4);
	ack(&t, 1003, 1004, 1007, 5000);
	ok(!recover_next(&t, &seq, &end));
	ack(&t, 1003, 1004, 1008, 5000);
	ok(recover_next(&t, &seq, &end));

	test("RFC 2883: so does a retransmission that the guest reports twice");
	recover_again(&t, 1003, 1004);
	ack(&t, 1008, 0, 0, 5100);
	ack(&t, 1008, 1003, 1004, 5200);
	eq(of(&t)->reorder, 6);

	test("RFC 8985 6.2: once in a round trip");
	for (unsigned i = 0; i < 20; i++)
		ack(&t, 1009 + i, 1003, 1004, 5201 + i);
	eq(of(&t)->reorder, 6);
	ack(&t, t.snd_max, 1003, 1004, 5300);
	eq(of(&t)->reorder, 8);

	test("RFC 8985 6.2: and for 16 rounds with a loss, in which nothing comes out of order");
	for (unsigned i = 0; i < 30; i++) {
		of(&t)->lost = i % 2;
		round_end(&t, 6000);
		eq(of(&t)->reorder, 8);
	}
	reordered(of(&t), 5);
	for (unsigned i = 0; i < 16; i++) {
		eq(of(&t)->reorder, 8);
		of(&t)->lost = 1;
		round_end(&t, 6000);
	}
	eq(of(&t)->reorder, 3);
	recover_free(&t);
}

static void test_forged(void)
{
	static const struct {
		uint32_t from, end;
	} rows[] = { { 1030, 1050 }, { 1040, 1041 }, { 1010, 1010 }, { 1020, 1010 }, { 1u << 31, 1001 } };
	struct tcp t = flow_new(1000, 40);

	test("blocks of what is not in flight, and empty ones, change nothing");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		ok(!ack(&t, 1000, rows[i].from, rows[i].end, 5000));
		eq(of(&t)->n, 0);
	}
	recover_free(&t);
}

static void test_full(void)
{
	struct tcp t = flow_new(1000, 4 * RECOVER_PIECES);
	uint32_t seq, end, n = 0;
	unsigned sent = 0;

	test("more ranges than there is room for: the last ones are forgotten");
	for (unsigned i = 0; i < 2 * RECOVER_PIECES; i++)
		n += ack(&t, 1000, 1001 + 2 * i, 1002 + 2 * i, 5000);
	ok(n >= RECOVER_PIECES / 3 && n <= RECOVER_PIECES);
	ok(of(&t)->n <= RECOVER_PIECES);
	test("and each lost byte is sent a bounded number of times");
	t.retries = 1;
	recover_timeout(&t, 0, 5000);
	while (recover_next(&t, &seq, &end) && sent++ < 10 * RECOVER_PIECES)
		recover_again(&t, seq, seq + 1);
	ok(sent <= 4 * RECOVER_PIECES);
	recover_free(&t);
}

/* Every other segment is lost, and ranges are forgotten: all of it arrives nevertheless, without a timeout */
static void test_full_recovers(void)
{
	static bool got[4 * RECOVER_PIECES];
	struct tcp t = flow_new(1000, ARRAY_SIZE(got));
	uint32_t seq, end;
	unsigned round = 0;

	test("more holes than there is room for are found lost, some at a time");
	for (unsigned i = 1; i < ARRAY_SIZE(got); i += 2) {
		got[i] = true;
		ack(&t, 1000, 1000 + i, 1001 + i, 5000);
	}
	for (; t.snd_una != t.snd_max && round < 3000; round++) {
		uint32_t una = t.snd_una;

		if (recover_waits(&t))
			recover_overdue(&t);
		else if (!recover_next(&t, &seq, &end))
			recover_tail(&t);
		while (recover_next(&t, &seq, &end)) {
			recover_again(&t, seq, end);
			for (; seq != end; seq++)
				got[seq - 1000] = true;
		}
		while (una != t.snd_max && got[una - 1000])
			una++;
		for (seq = una; seq != t.snd_max && !got[seq - 1000]; seq++)
			;
		for (end = seq; end != t.snd_max && got[end - 1000]; end++)
			;
		ack(&t, una, seq, end, 6000 + round);
	}
	ok(t.snd_una == t.snd_max);
	ok(round < 500);
	recover_free(&t);
}

/* The same, and then the guest is gone: holes that there is no room for must not put off the timeout */
static void test_full_silence(void)
{
	struct tcp t = flow_new(1000, 4 * RECOVER_PIECES);
	uint32_t seq, end;
	unsigned round = 0;

	test("more holes than there is room for, and silence: nothing is waited for without end");
	t.mss = 4 * RECOVER_PIECES;		/* none is lost by order */
	for (unsigned i = 1; i < 4 * RECOVER_PIECES; i += 2)
		ack(&t, 1000, 1000 + i, 1001 + i, 5000);
	ok(recover_waits(&t));
	for (; recover_waits(&t) && round < 1000; round++) {
		recover_overdue(&t);
		while (recover_next(&t, &seq, &end))
			recover_again(&t, seq, end);
	}
	ok(round < 10);
	recover_free(&t);
}

static void test_renege(void)
{
	struct tcp t = flow_new(1000, 10);
	uint32_t seq, end;

	test("RFC 2018 8: what was reported is sent again after the second timeout, or if the first byte was");
	ack(&t, 1000, 1004, 1006, 5000);
	t.retries = 1;
	recover_timeout(&t, 0, 6000);
	ok(recover_next(&t, &seq, &end) && seq == 1000 && end == 1004);
	t.retries = 2;
	recover_timeout(&t, 0, 7000);
	ok(recover_next(&t, &seq, &end) && seq == 1000 && end == 1010);
	recover_free(&t);

	t = flow_new(1000, 10);
	ack(&t, 1000, 1000, 1006, 5000);
	t.retries = 1;
	recover_timeout(&t, 0, 6000);
	ok(recover_next(&t, &seq, &end) && seq == 1000 && end == 1010);
	recover_free(&t);
}

static void test_pool(void)
{
	static struct tcp t[RECOVER_SLOTS + 1];

	test("the pool has a state for so many flows, and each once");
	for (unsigned i = 0; i < RECOVER_SLOTS; i++)
		if (!recover_begin(&t[i]))
			ok(false);
	ok(!recover_begin(&t[RECOVER_SLOTS]));
	ok(recover_begin(&t[5]));
	recover_free(&t[5]);
	recover_free(&t[5]);
	ok(recover_begin(&t[RECOVER_SLOTS]));
	ok(!recover_begin(&t[5]));
	for (unsigned i = 0; i <= RECOVER_SLOTS; i++)
		recover_free(&t[i]);
}

/* A path of @rate segments a round trip of 10 ms, which loses one segment in @nth, and those beyond @queue of them.
 * Return: segments in a round trip, in the end
 */
static uint32_t path(uint32_t rate, uint32_t nth, uint32_t queue)
{
	struct tcp t = flow_new(0, 10);
	uint64_t now = 1000000;
	uint32_t sent = 0, sum = 0;

	t.rtt_min = 10000 / SEG_RTT_UNIT;
	for (unsigned round = 0; round < 400; round++) {
		uint32_t n, got = 0, una = t.snd_una, max, wait;

		max = t.snd_una + MIN(recover_room(&t) + (t.snd_max - t.snd_una), 100000U);
		if (seq_lt(t.snd_max, max))
			t.snd_max = t.snd_nxt = max;
		n = t.snd_max - una;
		wait = MAX(10000U, (uint32_t)((uint64_t)n * 10000 / rate));
		now += wait;
		recover_rtt(&t, wait);
		/* All at once, with the holes filled by the next round trip */
		for (uint32_t i = 0; i < n; i++) {
			uint32_t seq = una + i;

			if (++sent % nth == 0 || i > rate + queue)
				continue;
			got++;
			if (t.snd_una == seq)
				ack(&t, seq + 1, 0, 0, now - wait + wait * i / n);
			else
				ack(&t, t.snd_una, seq, seq + 1, now - wait + wait * i / n);
		}
		ack(&t, t.snd_max, 0, 0, now);
		sum = round < 200 ? 0 : sum + MIN(got, rate * wait / 10000);
	}
	recover_free(&t);
	return sum / 200;
}

static void test_window(void)
{
	test("loss of one in a hundred without a queue does not shut the window; a queue that is full does");
	ok(path(1000000, 100, 1000000) > 10000);
	ok(path(1000, 1000000, 500) > 700);
	eq(cbrt64(0), 0);
	eq(cbrt64(26), 2);
	eq(cbrt64(27), 3);
	eq(cbrt64(1000000000000ULL), 10000);
}

int main(void)
{
	test_reference();
	test_order();
	test_burst_end();
	test_reordering();
	test_forged();
	test_full();
	test_full_recovers();
	test_full_silence();
	test_renege();
	test_pool();
	test_window();
	return done();
}
