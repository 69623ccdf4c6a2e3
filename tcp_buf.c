/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_buf.c - stash, blocks behind gaps, and keep: static pools, last in first out, memory touched as used */
#include <assert.h>
#include <string.h>

#include "pool.h"
#include "tcp_buf.h"
#include "util.h"

static uint8_t stash_mem[STASH_BLOCKS][STASH_BLOCK];
static uint32_t stash_next[STASH_BLOCKS + 1];
static struct pool stash = { .size = STASH_BLOCKS, .next = stash_next };
static uint32_t stash_share;		/* bytes that each of several guests may be promised, or 0 */
static uint32_t stash_of[GUEST_MAX];	/* bytes promised to each */
static uint32_t stash_promised;		/* of all, with the rest of their shares; never above the pool's size */
static uint32_t stash_far;		/* of these, promised beyond STASH_FLOW */

static uint8_t gap_mem[GAP_BLOCKS][GAP_BLOCK];
static uint32_t gap_next[GAP_BLOCKS + 1];
static struct pool gap_pool = { .size = GAP_BLOCKS, .next = gap_next };

static uint8_t keep_mem[KEEP_SLOTS][KEEP_SIZE];
static uint32_t keep_next[KEEP_SLOTS + 1];
static struct pool keep = { .size = KEEP_SLOTS, .next = keep_next };

/* A promise costs up to one block more than its bytes: the chain's first block may be partly consumed */
static uint32_t promise_cost(uint32_t bytes)
{
	return bytes ? ROUND_UP(bytes, STASH_BLOCK) + STASH_BLOCK : 0;
}

static uint32_t promise_far(uint32_t bytes)
{
	return bytes > STASH_FLOW ? bytes - STASH_FLOW : 0;
}

void stash_shares(unsigned places)
{
	stash_share = places > 1 ? STASH_BLOCKS * STASH_BLOCK / 2 / places : 0;
	stash_promised = places * stash_share;
}

uint32_t stash_promise(struct tcp *t, uint32_t want)
{
	uint32_t *own = &stash_of[t->guest], others = stash_promised - MAX(*own, stash_share);
	uint32_t rest = *own - promise_cost(t->promised), left = STASH_BLOCKS * STASH_BLOCK - others - rest;
	uint32_t far = STASH_FARS - (stash_far - promise_far(t->promised));

	if (want == t->promised)
		return want;
	want = MIN(want, MIN(STASH_FAR, STASH_FLOW + far));
	if (promise_cost(want) > left)
		want = left < 2 * STASH_BLOCK ? 0 : left / STASH_BLOCK * STASH_BLOCK - STASH_BLOCK;
	*own = rest + promise_cost(want);
	stash_promised = others + MAX(*own, stash_share);
	stash_far += promise_far(want) - promise_far(t->promised);
	t->promised = want;
	return want;
}

/* One more block at the end. Return: false if there is none */
static bool stash_grow(struct tcp *t)
{
	uint32_t b = pool_get(&stash);

	if (!b)
		return false;
	if (t->stash)
		stash.next[t->stash_last] = b;
	else
		t->stash = (uint16_t)b;
	t->stash_last = (uint16_t)b;
	return true;
}

uint32_t stash_add(struct tcp *t, const struct iovec *iov, unsigned cnt, size_t skip, uint32_t len)
{
	uint32_t done = 0;

	while (done < len) {
		uint32_t at = (t->stash_off + t->stash_len) % STASH_BLOCK, part = MIN(len - done, STASH_BLOCK - at);

		for (; cnt && skip >= iov->iov_len; cnt--)
			skip -= iov++->iov_len;
		if (!cnt || (!at && !stash_grow(t)))
			break;
		part = (uint32_t)MIN(part, iov->iov_len - skip);
		memcpy(stash_mem[t->stash_last - 1] + at, (const uint8_t *)iov->iov_base + skip, part);
		skip += part;
		t->stash_len += part;
		done += part;
	}
	return done;
}

unsigned stash_iov(const struct tcp *t, struct iovec *iov, unsigned max, uint32_t *len)
{
	uint32_t b = t->stash, off = t->stash_off, left = t->stash_len;
	unsigned n = 0;

	for (; left && n < max; n++) {
		uint32_t part = MIN(left, STASH_BLOCK - off);

		iov[n] = (struct iovec){ stash_mem[b - 1] + off, part };
		left -= part;
		off = 0;
		b = stash.next[b];
	}
	*len = t->stash_len - left;
	return n;
}

void stash_drop(struct tcp *t, uint32_t n)
{
	assert(n <= t->stash_len);
	t->stash_len -= n;
	t->stash_off += n;
	while (t->stash && (t->stash_off >= STASH_BLOCK || !t->stash_len)) {
		uint32_t b = t->stash;

		t->stash = (uint16_t)stash.next[b];
		t->stash_off = t->stash_len ? t->stash_off - STASH_BLOCK : 0;
		pool_put(&stash, b);
	}
}

void stash_free(struct tcp *t)
{
	stash_drop(t, t->stash_len);
	stash_promise(t, 0);
}

uint32_t block_left(void)
{
	return gap_pool.size - gap_pool.used;
}

uint32_t block_get(void)
{
	return pool_get(&gap_pool);
}

uint8_t *block_mem(uint32_t b)
{
	return gap_mem[b - 1];
}

void block_put(uint32_t b)
{
	pool_put(&gap_pool, b);
}

bool keep_store(struct tcp *t, const void *data, uint32_t len)
{
	assert(len <= KEEP_SIZE);
	if (t->keep || !(t->keep = (uint16_t)pool_get(&keep)))
		return false;

	memcpy(keep_mem[t->keep - 1], data, len);
	t->keep_len = (uint16_t)len;
	return true;
}

const uint8_t *keep_data(const struct tcp *t)
{
	return keep_mem[t->keep - 1];
}

void keep_free(struct tcp *t)
{
	if (!t->keep)
		return;

	pool_put(&keep, t->keep);
	t->keep = POOL_NONE;
	t->keep_len = 0;
}

bool keep_available(void)
{
	return keep.free || keep.unused < keep.size;
}
