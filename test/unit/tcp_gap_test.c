/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_gap_test.c - queues behind gaps against a slow reference that marks each number, one by one
 *
 * Bytes follow a pattern of flow and position, so that a block handed to two flows, or a byte out of place, is noticed.
 */
#include "../draw.h"
#include "../t.h"
#include "../../tcp_gap.c"

#define FLOWS		40
#define SPACE		(2U << 20)
#define MOST		70000U

static struct one {
	struct flow	f;
	uint32_t	base;
	uint8_t		*held;			/* SPACE of them, by number - base */
	int64_t		fin;			/* number - base of the FIN that is held, or -1 */
} one[FLOWS];

static uint32_t space = SPACE;			/* numbers of the reference, from a flow's base on */
static uint64_t now;

static void fresh(uint32_t s)
{
	seed = s;
	for (unsigned i = 0; i < FLOWS; i++) {
		struct one *o = &one[i];

		gap_free(&o->f.tcp);
		memset(&o->f, 0, sizeof(o->f));
		o->base = o->f.tcp.rcv_nxt = 0U - below(SPACE);		/* wraps in the test */
		if (!o->held)
			o->held = malloc(SPACE);
		memset(o->held, 0, SPACE);
		o->fin = -1;
	}
}

/* A segment from @at on, relative to the base, in up to 4 pieces */
static bool add(unsigned i, uint32_t at, uint32_t len, bool fin)
{
	static uint8_t buf[MOST];
	struct iovec iov[4];
	uint32_t done = below(50), skip = done;
	struct view v = { .iov = iov, .off = skip, .len = len };

	for (uint32_t k = 0; k < len; k++)
		buf[k + skip] = pattern(i, one[i].base + at + k);
	done = 0;
	for (; v.cnt < 3; v.cnt++) {
		uint32_t part = below(3) ? below(len + skip - done + 1) : 0;

		iov[v.cnt] = (struct iovec){ buf + done, part };
		done += part;
	}
	iov[v.cnt++] = (struct iovec){ buf + done, len + skip - done };
	return gap_add(&one[i].f, one[i].base + at, &v, fin, now);
}

static unsigned ref_ranges(const struct one *o)
{
	uint32_t nxt = o->f.tcp.rcv_nxt - o->base;
	unsigned n = 0;

	for (uint32_t k = nxt; k + 1 < space; k++)
		n += o->held[k] && (k == nxt || !o->held[k - 1]);
	return n;
}

/* Ranges and bytes are those of the reference; no block too many */
static void check(unsigned i)
{
	struct one *o = &one[i];
	const struct gap *g = gap_of(&o->f.tcp);
	uint32_t nxt = o->f.tcp.rcv_nxt - o->base, last = UINT32_MAX;
	unsigned n = ref_ranges(o), blocks = 0, used = 0, bad = 0;

	eq(!!o->f.tcp.gap, !!n);
	if (!n)
		return;
	eq(g->n, n);
	ok(g->f == &o->f);
	for (unsigned k = 0; k < g->n; k++) {
		uint32_t from = g->r[k].seq - o->base, to = g->r[k].end - o->base;

		ok(from < to && to <= space && from >= nxt);
		ok(!k || g->r[k - 1].end - o->base < from);
		for (uint32_t j = from; j < to; j++)
			bad += !o->held[j] ||
			       (o->fin != j &&
				block_mem(*block_at((struct gap *)g, o->base + j))[(o->base + j) % GAP_BLOCK] !=
					pattern(i, o->base + j));
		for (uint32_t at = piece(g->r[k].seq); seq_lt(at, g->r[k].end); at += GAP_BLOCK) {
			used += at != last;
			last = at;
		}
	}
	eq(bad, 0);
	for (unsigned k = 0; k < PIECES; k++)
		blocks += g->block[k] != POOL_NONE;
	eq(blocks, used);
	eq(g->has_fin, o->fin >= 0);
	if (o->fin >= 0)
		eq(g->fin - o->base, o->fin);
}

static unsigned blocks_of_all(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FLOWS; i++)
		for (unsigned k = 0; one[i].f.tcp.gap && k < PIECES; k++)
			n += gap_of(&one[i].f.tcp)->block[k] != POOL_NONE;
	return n;
}

/* What the reference makes of a segment: may it be kept? Marks its numbers if so. */
static bool ref_add(struct one *o, uint32_t at, uint32_t len, bool fin)
{
	uint32_t end = at + len + fin, top = 0;
	bool touches = false, had = ref_ranges(o) == GAP_RANGES;

	for (uint32_t k = o->f.tcp.rcv_nxt - o->base; k < space; k++)
		top = o->held[k] ? k + 1 : top;
	if (o->fin >= 0 && (fin ? at + len != o->fin : at + len > o->fin))
		return false;
	if (o->fin < 0 && fin && top > at + len)
		return false;
	for (uint32_t k = at - 1; k <= end; k++)
		touches |= o->held[k];
	if (end == at || (had && !touches))
		return false;
	memset(o->held + at, 1, end - at);
	if (fin)
		o->fin = at + len;
	return true;
}

/* What was filled is handed over, in order */
static void deliver(unsigned i)
{
	struct one *o = &one[i];
	struct tcp *t = &o->f.tcp;

	while (gap_filled(t)) {
		struct iovec iov[3];
		uint32_t len, bad = 0;
		unsigned n = gap_iov(t, iov, ARRAY_SIZE(iov), &len);

		for (unsigned k = 0; k < n; k++)
			for (size_t j = 0; j < iov[k].iov_len; j++, t->rcv_nxt++)
				bad += ((uint8_t *)iov[k].iov_base)[j] != pattern(i, t->rcv_nxt) ||
				       !o->held[t->rcv_nxt - o->base];
		eq(bad, 0);
		if (gap_fin(t)) {
			eq(t->rcv_nxt - o->base, o->fin);
			gap_free(t);
			o->fin = -1;
			memset(o->held, 0, space);
			return;
		}
		gap_advance(t, now);
		ok(len || !gap_filled(t));
	}
	ok(t->rcv_nxt - o->base >= space || !o->held[t->rcv_nxt - o->base]);
	if (o->fin >= 0 && o->fin < t->rcv_nxt - o->base)
		o->fin = -1;
}

/* The gap is filled by up to @n bytes in order, whether they were there or not */
static void fill(unsigned i, uint32_t n)
{
	struct tcp *t = &one[i].f.tcp;

	t->rcv_nxt += n;
	if (one[i].fin >= 0 && one[i].fin < t->rcv_nxt - one[i].base) {	/* passed: a guest that contradicts itself */
		memset(one[i].held, 0, t->rcv_nxt - one[i].base);
		one[i].fin = -1;
	}
	if (t->gap && !gap_filled(t))
		gap_advance(t, now);
	if (gap_filled(t)) {
		gap_advance(t, now);
		deliver(i);
	}
}

/* Each flow's base moves with it, so that the reference never ends */
static void rebase(struct one *o)
{
	uint32_t by = o->f.tcp.rcv_nxt - o->base;

	memmove(o->held, o->held + by, space - by);
	memset(o->held + space - by, 0, by);
	o->fin -= o->fin >= 0 ? by : 0;
	o->base += by;
}

static void test_random(unsigned flows, uint32_t window, uint32_t most, uint32_t s)
{
	test("%u flows, segments of up to %u bytes in windows of %u", flows, most, window);
	fresh(s);
	space = window + 8;
	for (unsigned n = 0; n < (window < 100000 ? 3000 : 800); n++) {
		unsigned i = below(flows);
		struct one *o = &one[i];
		uint32_t at = 1 + below(window), len = below(8) ? below(MIN(most, window + 1 - at) + 1) : below(4);
		bool fin = !below(60), full = !gap_fits(&o->f, o->base + at, len + fin), kept;

		now++;
		if (below(12)) {
			len = MIN(len, window + 1 - at);
			kept = add(i, at, len, fin);
			eq(kept, !full && ref_add(o, at, len, fin));
		} else if (below(4)) {
			fill(i, 1 + below(below(2) ? 3 : window / 2));
			rebase(o);
		} else {
			gap_free(&o->f.tcp);
			memset(o->held, 0, space);
			o->fin = -1;
		}
		if (n % 8 == 0 || window < 1000)
			check(i);
		if (n % 64 == 0)
			eq(blocks_of_all(), (GAP_BLOCKS - block_left()));
	}
	for (unsigned i = 0; i < flows; i++) {
		check(i);
		gap_free(&one[i].f.tcp);
	}
	eq((GAP_BLOCKS - block_left()), 0);
	ok(!gap_oldest());
}

static void test_hostile(void)
{
	struct flow *f = &one[0].f;
	unsigned wrong = 0;

	test("one byte of each two: as many ranges as a flow may have, then no more; holes can be closed");
	fresh(1);
	for (unsigned k = 0; k < 1000; k++)
		wrong += add(0, 1 + 2 * k, 1, false) != (k < GAP_RANGES);
	eq(wrong, 0);
	ok((GAP_BLOCKS - block_left()) <= 2);
	ok(add(0, 2, 1, false));
	ok(add(0, 1 + 2 * GAP_RANGES, 1, false));
	ok(!add(0, 1 + 2 * GAP_RANGES + 2, 1, false));
	ok(add(0, 1, 3 * GAP_RANGES, false));
	eq(gap_of(&f->tcp)->n, 1);

	test("a byte in each piece of the largest window: a block each, none behind, none of which is left over");
	fresh(2);
	f->tcp.rcv_nxt -= 100;
	wrong = 0;
	for (unsigned k = 0; k < GAP_RANGES; k++)
		wrong += !add(0, 5 + (k + 1) * (SPAN / (GAP_RANGES + 1)), 1, false);
	eq(wrong, 0);
	eq((GAP_BLOCKS - block_left()), GAP_RANGES);
	ok(!add(0, SPAN - 100, 1, false));
	gap_free(&f->tcp);
	eq((GAP_BLOCKS - block_left()), 0);
	f->tcp.rcv_nxt = one[0].base;
	ok(add(0, SPAN - 1, 1, false));
	ok(!add(0, SPAN - 1, 2, false));
	ok(!add(0, SPAN, 1, false));
	gap_free(&f->tcp);

	test("the pool is full: nothing more, until a queue is given up; a flow with less progress is the first one");
	fresh(3);
	wrong = 0;
	for (unsigned k = 0; k < GAP_BLOCKS; k++) {
		unsigned i = k % FLOWS;

		now++;
		wrong += !gap_fits(&one[i].f, one[i].base + 1 + k / FLOWS * GAP_BLOCK, 1) ||
			 !add(i, 1 + k / FLOWS * GAP_BLOCK, 1, false);
	}
	eq(wrong, 0);
	eq((GAP_BLOCKS - block_left()), GAP_BLOCKS);
	ok(!gap_fits(&one[7].f, one[7].base + 40 * GAP_BLOCK, 1));
	ok(!add(7, 40 * GAP_BLOCK, 1, false));
	ok(add(7, 2, 1, false));
	ok(gap_oldest() == &one[0].f);
	now++;
	one[0].f.tcp.rcv_nxt += 1;
	gap_advance(&one[0].f.tcp, now);
	ok(gap_oldest() == &one[1].f);
	eq(gap_due(&one[0].f.tcp), now + GAP_AGE);
	gap_free(&gap_oldest()->tcp);
	ok(gap_oldest() == &one[2].f);
	ok(add(7, 40 * GAP_BLOCK, 1, false));
	fresh(3);
	eq((GAP_BLOCKS - block_left()), 0);
}

/* Is the order of queues that give way: @a, @b, @c? */
static bool order(unsigned a, unsigned b, unsigned c)
{
	const unsigned flow[] = { a, b, c };
	unsigned k = gaps[0].next;

	for (unsigned i = 0; i < ARRAY_SIZE(flow); i++, k = gaps[k].next)
		if (!k || gaps[k].f != &one[flow[i]].f)
			return false;
	return !k;
}

static void test_order(void)
{
	test("queues give way by progress of their gap alone: not by age, by new segments behind it, nor by size");
	fresh(8);
	for (unsigned i = 0; i < 3; i++)
		ok(add(i, 1000, 500, false));
	ok(order(0, 1, 2));
	now++;
	ok(add(0, 5000, 500, false));		/* a new range */
	ok(add(1, 1500, 500, false));		/* more of the first one */
	ok(add(1, 1000, 100, false));		/* again */
	ok(order(0, 1, 2));
	eq(gap_due(&one[0].f.tcp), now - 1 + GAP_AGE);
	one[0].f.tcp.rcv_nxt += 10;		/* a part of the gap */
	gap_advance(&one[0].f.tcp, now);
	ok(order(1, 2, 0));
	one[2].f.tcp.rcv_nxt += 10;		/* the one in the middle */
	gap_advance(&one[2].f.tcp, now);
	ok(order(1, 0, 2));
	gap_free(&one[0].f.tcp);
	ok(add(0, 1000, 500, false));		/* a new queue is the last one */
	ok(order(1, 2, 0));
	fresh(8);
	ok(!gap_oldest());
}

static void eq_blocks(unsigned i, unsigned max, unsigned cnt, ...)
{
	struct tcp_sack b[4];
	unsigned n = gap_blocks(&one[i].f.tcp, b, max);
	va_list ap;

	if (!eq(n, cnt))
		return;
	va_start(ap, cnt);
	for (unsigned k = 0; k < n; k++) {
		eq(b[k].from - one[i].base, va_arg(ap, unsigned));
		eq(b[k].to - one[i].base, va_arg(ap, unsigned));
	}
	va_end(ap);
}

static void test_blocks(void)
{
	test("RFC 2018 4: the range of the last segment comes first, then those of segments before");
	fresh(4);
	eq_blocks(0, 4, 0);
	add(0, 1000, 500, false);
	eq_blocks(0, 4, 1, 1000, 1500);
	add(0, 2000, 500, false);
	add(0, 3000, 500, false);
	eq_blocks(0, 4, 3, 3000, 3500, 2000, 2500, 1000, 1500);
	add(0, 1500, 100, false);
	eq_blocks(0, 4, 3, 1000, 1600, 3000, 3500, 2000, 2500);
	add(0, 4000, 500, true);
	add(0, 600, 10, false);
	eq_blocks(0, 3, 3, 600, 610, 4000, 4501, 1000, 1600);
	add(0, 2500, 500, false);
	eq_blocks(0, 4, 4, 2000, 3500, 600, 610, 4000, 4501, 1000, 1600);
	one[0].f.tcp.rcv_nxt += 1550;
	gap_advance(&one[0].f.tcp, now);
	eq_blocks(0, 4, 3, 2000, 3500, 4000, 4501, 1550, 1600);
	one[0].f.tcp.rcv_nxt += 50;
	gap_advance(&one[0].f.tcp, now);
	eq_blocks(0, 4, 2, 2000, 3500, 4000, 4501);

	test("news that don't fit are for the next acknowledgment, oldest first");
	fresh(9);
	for (unsigned i = 1; i <= 7; i++)
		add(0, 1000 * i, 500, false);
	eq(gap_news(&one[0].f.tcp), 7);
	eq_blocks(0, 3, 3, 3000, 3500, 2000, 2500, 1000, 1500);
	gap_again(&one[0].f.tcp, one[0].base - 50, one[0].base);
	eq_blocks(0, 3, 3, -50, 0, 5000, 5500, 4000, 4500);
	add(0, 1500, 100, false);
	eq(gap_news(&one[0].f.tcp), 3);
	eq_blocks(0, 3, 3, 1000, 1600, 7000, 7500, 6000, 6500);
	eq(gap_news(&one[0].f.tcp), 0);
	eq_blocks(0, 3, 3, 1000, 1600, 7000, 7500, 6000, 6500);
	eq(gap_end(&one[0].f.tcp) - one[0].base, 7500);
	gap_free(&one[0].f.tcp);
	eq(gap_news(&one[0].f.tcp), 0);
	ok(gap_end(&one[0].f.tcp) == one[0].f.tcp.rcv_nxt);

	test("RFC 2883 4: a duplicate comes first, once; then the range it is in");
	fresh(5);
	add(0, 1000, 500, false);
	add(0, 2000, 500, false);
	add(0, 1100, 100, false);
	eq_blocks(0, 3, 3, 1100, 1200, 1000, 1500, 2000, 2500);
	eq_blocks(0, 3, 2, 1000, 1500, 2000, 2500);
	add(0, 1400, 700, false);
	eq_blocks(0, 3, 2, 1400, 1500, 1000, 2500);
	gap_again(&one[0].f.tcp, one[0].base - 50, one[0].base);
	gap_again(&one[0].f.tcp, one[0].base - 90, one[0].base - 50);
	eq_blocks(0, 1, 1, -50, 0);
	gap_free(&one[0].f.tcp);
	gap_again(&one[0].f.tcp, one[0].base - 90, one[0].base - 50);
	eq_blocks(0, 4, 1, -90, -50);
	eq_blocks(0, 4, 0);
}

static void test_fin(void)
{
	test("FIN behind a gap: alone, with data, doubled; nothing that contradicts it");
	fresh(6);
	ok(add(0, 1000, 0, true));
	eq_blocks(0, 4, 1, 1000, 1001);
	ok(!add(0, 900, 101, false));
	ok(!add(0, 900, 90, true));
	ok(!add(0, 1000, 1, false));
	ok(add(0, 1000, 0, true));
	ok(add(0, 900, 100, true));
	eq_blocks(0, 4, 2, 1000, 1001, 900, 1001);
	one[0].f.tcp.rcv_nxt += 900;
	ok(gap_filled(&one[0].f.tcp) && !gap_fin(&one[0].f.tcp));
	gap_free(&one[0].f.tcp);

	fresh(7);
	ok(add(0, 1000, 500, false));
	ok(!add(0, 900, 200, true));
	ok(!add(0, 900, 599, true));
	ok(!add(0, 100, 0, true));
	ok(add(0, 1500, 0, true));
	eq(gap_of(&one[0].f.tcp)->n, 1);
	gap_free(&one[0].f.tcp);
}

int main(void)
{
	now = 1000000;
	test_blocks();
	test_fin();
	test_hostile();
	test_order();
	test_random(1, 100, 10, 1);
	test_random(3, 300, 40, 2);
	test_random(3, 60000, 9000, 3);
	test_random(2, SPACE / 2, 65000, 4);
	test_random(FLOWS, 700000, 65000, 5);
	return done();
}
