/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_buf_test.c - stash and keep against what flows say they hold, byte by byte
 *
 * Each flow's bytes follow a pattern of their own, so that a block handed to two of them is noticed.
 */
#include "../draw.h"
#include "../t.h"
#include "../../tcp_buf.c"

#define POOL	(STASH_BLOCKS * STASH_BLOCK)
#define FLOWS	1200		/* more than the pool has promises for */

static struct {
	struct tcp	t;
	uint64_t	in, out;	/* bytes added, bytes dropped */
} flow[FLOWS];

static void fresh(void)
{
	memset(flow, 0, sizeof(flow));
	stash.unused = stash.free = stash_far = 0;
	memset(stash_of, 0, sizeof(stash_of));
	stash_shares(1);
	keep.unused = keep.free = 0;
}

static uint32_t pool_free(const struct pool *p)
{
	uint32_t n = p->size - p->unused;

	for (uint32_t i = p->free; i && n <= p->size; i = p->next[i])
		n++;
	return n;
}

/* Blocks of a flow's chain, which must end at the last one */
static uint32_t chain_len(const struct tcp *t)
{
	uint32_t n = 0, last = 0;

	if (!t->stash_len)
		return t->stash ? UINT32_MAX : 0;
	for (uint32_t i = t->stash; i && n <= STASH_BLOCKS; i = stash.next[i], n++)
		last = i;
	return last == t->stash_last ? n : UINT32_MAX;
}

/* Adds @n bytes of flow @i, @skip others in front of them, cut at random into at most 9 pieces, some of them empty */
static uint32_t add(unsigned i, uint32_t n, uint32_t skip, unsigned pieces)
{
	static uint8_t buf[STASH_FAR + 4096];
	uint32_t total = n + skip, at = 0, got, extra;
	struct iovec iov[10];
	unsigned cnt = 0;

	for (uint32_t j = 0; j < total; j++)
		buf[j] = j < skip ? 0xee : pattern(i, flow[i].in + j - skip);
	for (; cnt + 1 < pieces && cnt < 8; cnt++) {
		uint32_t part = below(3) ? below(total - at + 1) : 0;

		iov[cnt] = (struct iovec){ buf + at, part };
		at += part;
	}
	extra = below(sizeof(buf) - total + 1);		/* more in the last buffer than is to be taken */
	iov[cnt++] = (struct iovec){ buf + at, total - at + extra };
	got = stash_add(&flow[i].t, iov, cnt, skip, n);
	flow[i].in += got;
	return got;
}

static void check_flow(unsigned i, unsigned max)
{
	struct tcp *t = &flow[i].t;
	struct iovec iov[16];
	uint32_t len;
	unsigned n = stash_iov(t, iov, max, &len);
	uint64_t pos = flow[i].out;
	bool good = true;

	eq(t->stash_len, flow[i].in - flow[i].out);
	ok(n <= max && (n || !t->stash_len || !max));
	for (unsigned j = 0; j < n; j++) {
		const uint8_t *p = iov[j].iov_base;

		ok(iov[j].iov_len > 0 && iov[j].iov_len <= STASH_BLOCK);
		for (size_t k = 0; k < iov[j].iov_len && good; k++)
			good = p[k] == pattern(i, pos++);
	}
	ok(good);
	ok(pos <= flow[i].in);
	if (n < max)
		eq(pos, flow[i].in);
}

static void drop(unsigned i, uint32_t n)
{
	stash_drop(&flow[i].t, n);
	flow[i].out += n;
}

/* Every block is free, or in one flow's chain, and no flow has more than it needs */
static void check_blocks(unsigned flows)
{
	uint32_t used = 0, cost = 0;

	for (unsigned i = 0; i < flows; i++) {
		const struct tcp *t = &flow[i].t;

		eq(chain_len(t), t->stash_len ? DIV_ROUND_UP(t->stash_off + t->stash_len, STASH_BLOCK) : 0);
		ok(t->stash_off < STASH_BLOCK);
		used += DIV_ROUND_UP(t->stash_len ? t->stash_off + t->stash_len : 0, STASH_BLOCK);
		cost += promise_cost(t->promised);
	}
	eq(used + pool_free(&stash), STASH_BLOCKS);
	eq(cost, stash_promised);
	ok(cost <= POOL);
}

static void test_random(unsigned flows, uint32_t most)
{
	test("stash: %u flows add and drop up to %u bytes at a time", flows, most);
	fresh();
	seed = flows;
	for (unsigned n = 0; n < 6000; n++) {
		unsigned i = below(flows);
		struct tcp *t = &flow[i].t;
		uint32_t len = below(2) ? below(most) : below(20), skip = below(2) ? below(4096) : 0;

		switch (below(8)) {
		case 0:
		case 1:
		case 2:
			if (t->stash_len < 4 * STASH_FLOW)
				eq(add(i, len, skip, 1 + below(9)), len);
			break;
		case 3:
		case 4:
			drop(i, below(t->stash_len + 1));
			break;
		case 5:
			drop(i, below(2) ? t->stash_len : t->stash_len / STASH_BLOCK * STASH_BLOCK);
			break;
		case 6:
			check_flow(i, below(16));
			break;
		case 7:
			if (below(10))
				break;
			stash_free(t);
			flow[i].out = flow[i].in;
			ok(!t->stash && !t->stash_len && !t->promised);
		}
		if (n % 16 == 0)
			check_blocks(flows);
	}
	for (unsigned i = 0; i < flows; i++) {
		check_flow(i, 16);
		stash_free(&flow[i].t);
	}
	eq(pool_free(&stash), STASH_BLOCKS);
	eq(stash_promised, 0);
}

static void test_exhausted(void)
{
	uint64_t total = 0;
	uint32_t got;

	test("stash: all of the pool in one flow, and nothing beyond: no byte lost, doubled, or left behind");
	fresh();
	do
		total += got = add(0, STASH_FLOW - 1000, 0, 5);
	while (got == STASH_FLOW - 1000);
	eq(total, POOL);
	eq(add(1, 100, 0, 3), 0);
	eq(flow[1].t.stash_len, 0);
	ok(!flow[1].t.stash);
	eq(add(0, 1, 0, 1), 0);
	check_flow(0, 16);
	drop(0, STASH_BLOCK - 1);
	eq(add(1, 1, 0, 1), 0);
	drop(0, 1);
	eq(add(1, STASH_BLOCK + 5, 77, 6), STASH_BLOCK);
	check_flow(1, 16);
	while (flow[0].t.stash_len) {
		check_flow(0, 16);
		drop(0, MIN(flow[0].t.stash_len, 9 * STASH_BLOCK - 1));
	}
	check_blocks(2);
	stash_free(&flow[1].t);
	eq(pool_free(&stash), STASH_BLOCKS);
}

static void test_iov(void)
{
	static uint8_t a[100], b[100];
	struct iovec iov[3] = { { a, 100 }, { a, 0 }, { b, 100 } }, got[2];
	uint32_t len;

	test("stash: bytes to skip end with a buffer, or pass all of them");
	fresh();
	memset(a, 1, sizeof(a));
	memset(b, 2, sizeof(b));
	eq(stash_add(&flow[0].t, iov, 3, 200, 50), 0);
	eq(stash_add(&flow[0].t, iov, 3, 0, 0), 0);
	eq(stash_add(&flow[0].t, NULL, 0, 0, 5), 0);
	ok(!flow[0].t.stash && !flow[0].t.stash_len);
	eq(stash_iov(&flow[0].t, got, 2, &len), 0);
	eq(stash_add(&flow[0].t, iov, 3, 100, 200), 100);
	eq(stash_add(&flow[0].t, iov, 3, 99, 2), 2);
	eq(stash_iov(&flow[0].t, got, 2, &len), 1);
	eq(got[0].iov_len, 102);
	eq(len, 102);
	eq_mem(got[0].iov_base, b, 100);
	eq(((uint8_t *)got[0].iov_base)[100], 1);
	eq(((uint8_t *)got[0].iov_base)[101], 2);
	stash_free(&flow[0].t);
}

/* What is promised is there, whatever the others do, as long as they keep to what they were promised */
static void promise_op(unsigned i)
{
	struct tcp *t = &flow[i].t;
	uint32_t want, got, old = t->promised, room, far, most;

	switch (below(4)) {
	case 0:
	case 1:
		want = t->stash_len + below(!below(20) ? 2 * STASH_FAR : below(2) ? 2 * STASH_FLOW : 3 * STASH_BLOCK);
		far = STASH_FARS - (stash_far - promise_far(old));
		most = MIN(want, MIN(STASH_FAR, STASH_FLOW + far));
		room = POOL - (stash_promised - promise_cost(old));
		got = stash_promise(t, want);
		ok(got == t->promised && got <= most && stash_far <= STASH_FARS);
		ok(got >= MIN(old, want));		/* what one has stays one's own */
		ok(got >= t->stash_len);
		if (room >= promise_cost(most))
			eq(got, most);
		else if (got < most)		/* and a block more would have been too much */
			ok(promise_cost(got + STASH_BLOCK) > room);
		break;
	case 2:
		want = below(MIN(t->promised - t->stash_len, 5 * STASH_FLOW) + 1);
		eq(add(i, want, 0, 1 + below(5)), want);
		break;
	case 3:
		drop(i, below(4) ? below(t->stash_len + 1) : t->stash_len);
	}
}

static void test_promises(void)
{
	test("I1 stash: what is promised is there; promises of all flows never exceed the pool");
	fresh();
	seed = 4;
	for (unsigned n = 0; n < 30000; n++) {
		unsigned i = below(FLOWS);

		promise_op(i);
		if (n % 64 == 0)
			check_flow(i, 16);
		if (n % 2048 == 0)
			check_blocks(FLOWS);
	}
	check_blocks(FLOWS);

	/* All of them at their limit at once */
	for (unsigned i = 0; i < FLOWS; i++)
		stash_promise(&flow[i].t, MAX(STASH_FLOW, flow[i].t.stash_len));
	ok(stash_promised > POOL - 2 * STASH_BLOCK);
	for (unsigned i = 0; i < FLOWS; i++) {
		uint32_t n = flow[i].t.promised - flow[i].t.stash_len;

		eq(add(i, n, 0, 3), n);
	}
	check_blocks(FLOWS);
	for (unsigned i = 0; i < FLOWS; i++) {
		check_flow(i, 16);
		stash_free(&flow[i].t);
	}
	eq(stash_promised, 0);
	eq(pool_free(&stash), STASH_BLOCKS);

	test("stash: promises grow, shrink, and stop at what a flow may have");
	fresh();
	eq(stash_promise(&flow[0].t, 0), 0);
	eq(stash_promised, 0);
	eq(stash_promise(&flow[0].t, 1), 1);
	eq(stash_promise(&flow[0].t, STASH_FLOW), STASH_FLOW);
	eq(stash_promised, STASH_FLOW + STASH_BLOCK);
	eq(stash_promise(&flow[0].t, 2 * STASH_FAR), STASH_FAR);
	eq(stash_far, STASH_FAR - STASH_FLOW);
	eq(stash_promise(&flow[0].t, STASH_BLOCK), STASH_BLOCK);
	eq(stash_promised, 2 * STASH_BLOCK);
	eq(stash_promise(&flow[0].t, 0), 0);
	eq(stash_promised, 0);
	eq(stash_far, 0);

	test("stash: of several guests, each has its share, however much another one takes");
	fresh();
	stash_shares(4);
	for (unsigned i = 0; i < FLOWS; i++) {
		flow[i].t.guest = i >= FLOWS * 3 / 4;
		stash_promise(&flow[i].t, STASH_FLOW);
	}
	ok(stash_of[0] > POOL * 5 / 8 - 2 * STASH_BLOCK - STASH_FLOW && stash_of[0] <= POOL * 5 / 8);
	ok(stash_of[1] > POOL / 8 - 2 * STASH_BLOCK && stash_of[1] <= POOL / 8);
	flow[0].t.guest = 3;
	flow[0].t.promised = 0;
	eq(stash_promise(&flow[0].t, STASH_FLOW), STASH_FLOW);
	ok(stash_promised <= POOL);

	fresh();
	test("stash: large promises share a part of the pool; small ones find room beside them");
	for (unsigned i = 0; i < FLOWS / 4; i++)
		eq(stash_promise(&flow[i].t, STASH_FAR), i < 6 ? STASH_FAR : i > 6 ? STASH_FLOW : STASH_FLOW * 7);
	eq(stash_far, STASH_FARS);
	eq(stash_promise(&flow[0].t, 0), 0);
	eq(stash_promise(&flow[7].t, STASH_FAR), STASH_FAR);
	for (unsigned i = 0; i < FLOWS / 4; i++)
		stash_free(&flow[i].t);
	eq(stash_promised + stash_far, 0);
}

static void test_keep(void)
{
	static struct tcp t[KEEP_SLOTS + 1];
	static uint8_t data[KEEP_SIZE];
	unsigned wrong = 0, n = 0;

	test("keep: a slot per flow until there are none; each has its own bytes; all come back");
	fresh();
	ok(keep_available());
	for (; n < KEEP_SLOTS; n++) {
		for (unsigned i = 0; i < KEEP_SIZE; i++)
			data[i] = pattern(n, i);
		wrong += !keep_available() || !keep_store(&t[n], data, 1 + n % KEEP_SIZE);
	}
	eq(wrong, 0);
	ok(!keep_available());
	ok(!keep_store(&t[n], data, 1));
	ok(!t[n].keep && !t[n].keep_len);

	for (n = 0; n < KEEP_SLOTS; n++)
		for (unsigned i = 0; i < t[n].keep_len; i++)
			wrong += t[n].keep_len != 1 + n % KEEP_SIZE || keep_data(&t[n])[i] != pattern(n, i);
	eq(wrong, 0);

	keep_free(&t[5]);
	ok(!t[5].keep && !t[5].keep_len);
	keep_free(&t[5]);				/* none: nothing happens */
	ok(keep_available());
	ok(keep_store(&t[n], data, KEEP_SIZE));
	ok(!keep_available());
	eq_mem(keep_data(&t[n]), data, KEEP_SIZE);
	for (n = 0; n <= KEEP_SLOTS; n++)
		keep_free(&t[n]);
	eq(pool_free(&keep), KEEP_SLOTS);

	test("keep: a flow that has one doesn't get another, and doesn't lose it");
	memset(data, 7, sizeof(data));
	ok(keep_store(&t[0], "abc", 4));
	n = pool_free(&keep);
	ok(!keep_store(&t[0], data, 9));
	eq(t[0].keep_len, 4);
	eq_str((const char *)keep_data(&t[0]), "abc");
	eq(pool_free(&keep), n);
	keep_free(&t[0]);
}

int main(void)
{
	test_iov();
	test_random(1, 3 * STASH_BLOCK);
	test_random(3, STASH_FLOW);
	test_random(40, 5000);
	test_exhausted();
	test_promises();
	test_keep();
	return done();
}
