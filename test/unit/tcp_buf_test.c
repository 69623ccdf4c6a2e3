/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_buf_test.c - stash and keep against a plain model: bytes in order, promises kept, nothing lost of the pools */
/* LINK: util.o */
#include "../t.h"
#include "../../tcp_buf.c"

#define FLOWS	300
#define IOVS	5

static struct tcp tcp[FLOWS];
static uint32_t in[FLOWS], out[FLOWS];	/* stream positions of the model */
static uint64_t seed = 1;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return below ? (uint32_t)(seed >> 33) % below : 0;
}

static uint8_t byte_at(unsigned flow, uint32_t pos)
{
	return (uint8_t)(flow * 101 + pos * 7 + (pos >> 8) + (pos >> 16));
}

/* Adds up to @len bytes of @flow's stream behind @skip bytes of something else, in several buffers */
static uint32_t add(unsigned flow, uint32_t skip, uint32_t len)
{
	static uint8_t buf[STASH_FLOW + 1000];
	struct iovec iov[IOVS];
	uint32_t at = 0, total = skip + len, done;

	memset(buf, 0xee, skip);
	for (uint32_t i = 0; i < len; i++)
		buf[skip + i] = byte_at(flow, in[flow] + i);
	for (unsigned i = 0; i < IOVS; i++) {
		uint32_t n = i == IOVS - 1 ? total - at : rnd(total - at + 1);

		iov[i] = (struct iovec){ buf + at, n };
		at += n;
	}
	done = stash_add(&tcp[flow], iov, IOVS, skip, len);
	in[flow] += done;
	return done;
}

/* All bytes in the stash are the stream's next; drops @n of them */
static void take(unsigned flow, uint32_t n)
{
	struct iovec iov[STASH_FLOW / STASH_BLOCK + 2];
	unsigned cnt = stash_iov(&tcp[flow], iov, ARRAY_SIZE(iov));
	uint32_t pos = out[flow];

	for (unsigned i = 0; i < cnt; i++)
		for (size_t j = 0; j < iov[i].iov_len; j++, pos++)
			if (((uint8_t *)iov[i].iov_base)[j] != byte_at(flow, pos)) {
				ok(!"bytes as they were added");
				return;
			}
	eq(pos, in[flow]);
	eq(tcp[flow].stash_len, in[flow] - out[flow]);
	stash_drop(&tcp[flow], n);
	out[flow] += n;
}

static unsigned pool_free(const struct pool *p)
{
	unsigned n = p->size - p->unused;

	for (uint32_t i = p->free; i; i = p->next[i])
		n++;
	return n;
}

static void test_stream(void)
{
	test("stash: first in, first out, any cut, any place in a block");
	for (unsigned round = 0; round < 3000; round++) {
		unsigned flow = rnd(3);
		uint32_t room = STASH_FLOW - tcp[flow].stash_len;

		if (rnd(2)) {
			uint32_t len = rnd(rnd(2) ? 100 : room + 1);

			len = MIN(len, room);
			eq(add(flow, rnd(500), len), len);
		} else {
			uint32_t len = tcp[flow].stash_len;

			take(flow, rnd(4) ? rnd(len + 1) : len);
		}
	}
	for (unsigned flow = 0; flow < 3; flow++) {
		take(flow, tcp[flow].stash_len);
		stash_free(&tcp[flow]);
	}
	eq(pool_free(&stash), STASH_BLOCKS);
}

static void test_promise(void)
{
	uint64_t promised = 0;
	unsigned none = 0;

	test("stash: every promise can be kept, all of them at once; the pool never promises more than it has");
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < FLOWS; i++) {
			uint32_t want = round ? rnd(2 * STASH_FLOW) : STASH_FLOW, got = stash_promise(&tcp[i], want);

			ok(got <= MIN(want, STASH_FLOW));
			eq(got, tcp[i].promised);
		}
	for (unsigned i = 0; i < FLOWS; i++) {		/* blocks partly used at both ends, the worst case */
		eq(add(i, 0, 1), 1);
		take(i, 1);
		tcp[i].stash_off = 0;
	}
	for (unsigned i = 0; i < FLOWS; i++)
		eq(add(i, 0, tcp[i].promised), tcp[i].promised);
	for (unsigned i = 0; i < FLOWS; i++) {
		take(i, tcp[i].stash_len);
		stash_free(&tcp[i]);
	}
	eq(pool_free(&stash), STASH_BLOCKS);
	eq(stash_promised, 0);

	test("stash: when all is promised, nobody gets more until some is given back");
	memset(tcp, 0, sizeof(tcp));
	for (unsigned i = 0; i < 4 * STASH_BLOCKS; i++) {
		static struct tcp many[4 * STASH_BLOCKS];
		uint32_t got = stash_promise(&many[i], STASH_FLOW);

		promised += got ? ROUND_UP(got, STASH_BLOCK) + STASH_BLOCK : 0;
		none += !got;
		if (i == 4 * STASH_BLOCKS - 1) {
			stash_free(&many[0]);
			ok(stash_promise(&many[i], STASH_FLOW) > 0);
			for (unsigned j = 0; j <= i; j++)
				stash_free(&many[j]);
		}
	}
	ok(none > 0);
	ok(promised <= (uint64_t)STASH_BLOCKS * STASH_BLOCK);
	eq(stash_promised, 0);
}

static void test_exhausted(void)
{
	static struct tcp many[STASH_BLOCKS];
	static uint8_t block[STASH_BLOCK];
	const struct iovec iov = { block, sizeof(block) };

	test("stash: an empty pool takes what there is room for, and says so");
	for (unsigned i = 0; i < STASH_BLOCKS; i++)
		eq(stash_add(&many[i], &iov, 1, 0, i ? STASH_BLOCK : STASH_BLOCK - 7), i ? STASH_BLOCK : STASH_BLOCK - 7);
	eq(stash_add(&many[1], &iov, 1, 0, 10), 0);
	eq(stash_add(&many[0], &iov, 1, 0, 10), 7);
	eq(many[0].stash_len, STASH_BLOCK);
	for (unsigned i = 0; i < STASH_BLOCKS; i++)
		stash_free(&many[i]);
	eq(pool_free(&stash), STASH_BLOCKS);
}

static void test_keep(void)
{
	static struct tcp many[KEEP_SLOTS + 1];
	uint8_t data[KEEP_SIZE];

	test("keep: one slot a flow, its own bytes, all given back");
	for (unsigned i = 0; i < KEEP_SLOTS; i++) {
		memset(data, (int)i, sizeof(data));
		ok(keep_available());
		ok(keep_store(&many[i], data, 1 + i % KEEP_SIZE));
		ok(!keep_store(&many[i], data, 1));
	}
	ok(!keep_available());
	ok(!keep_store(&many[KEEP_SLOTS], data, 1));
	for (unsigned i = 0; i < KEEP_SLOTS; i++) {
		eq(many[i].keep_len, 1 + i % KEEP_SIZE);
		ok(keep_data(&many[i])[0] == (uint8_t)i && keep_data(&many[i])[i % KEEP_SIZE] == (uint8_t)i);
		keep_free(&many[i]);
		keep_free(&many[i]);
	}
	eq(pool_free(&keep), KEEP_SLOTS);
}

int main(void)
{
	test_stream();
	test_promise();
	test_exhausted();
	test_keep();
	return done();
}
