/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_gap.c - bytes behind a gap: ranges in order, bytes in blocks by aligned pieces of sequence space */
#include <assert.h>
#include <string.h>

#include "pool.h"
#include "tcp_buf.h"
#include "tcp_gap.h"
#include "tcp_seg.h"

#define PIECES		1024U			/* of sequence space: 16 MiB, more than a window of scale 8 */
#define SPAN		((PIECES - 1) * GAP_BLOCK)	/* and the first piece may be partly before rcv_nxt */
#define QUEUES		GAP_BLOCKS		/* each has a block */

struct range {
	uint32_t	seq, end;
	uint32_t	stamp;			/* of the last segment in it */
};

struct gap {
	struct flow	*f;
	uint16_t	prev, next;		/* by @filled_at */
	uint16_t	n;			/* ranges, one at least */
	bool		has_fin;
	uint32_t	fin;			/* number of the FIN, the last one of the last range */
	uint32_t	stamp, told;		/* last segment's; of the last range that was reported */
	uint64_t	filled_at;		/* ms */
	struct range	r[GAP_RANGES];		/* in order; none touches another */
	uint16_t	block[PIECES];		/* by number of the piece; POOL_NONE: none */
};

static_assert(GAP_BLOCKS <= UINT16_MAX && QUEUES < UINT16_MAX, "their numbers have 16 bits");

/* The first entry is the list's head */
static struct gap gaps[QUEUES + 1];
static uint32_t queue_next[QUEUES + 1];
static struct pool queues = { .size = QUEUES, .next = queue_next };

static struct gap *gap_of(const struct tcp *t)
{
	return &gaps[t->gap];
}

/* First number of the piece that @seq is in */
static uint32_t piece(uint32_t seq)
{
	return seq - seq % GAP_BLOCK;
}

static uint16_t *block_at(struct gap *g, uint32_t seq)
{
	return &g->block[seq / GAP_BLOCK % PIECES];
}

/* Blocks of the pieces from @seq's on that begin before @end go back */
static void blocks_free(struct gap *g, uint32_t seq, uint32_t end)
{
	for (seq = piece(seq); seq_lt(seq, end); seq += GAP_BLOCK) {
		uint16_t *b = block_at(g, seq);

		if (*b == POOL_NONE)
			continue;
		block_put(*b);
		*b = POOL_NONE;
	}
}

static void queue_append(struct gap *g)
{
	uint16_t i = (uint16_t)(g - gaps);

	g->next = 0;
	g->prev = gaps[0].prev;
	gaps[g->prev].next = gaps[0].prev = i;
}

static void queue_unlink(const struct gap *g)
{
	gaps[g->prev].next = g->next;
	gaps[g->next].prev = g->prev;
}

/* An empty queue for a flow that gets a block, too: there are as many */
static struct gap *queue_get(struct flow *f, uint64_t now)
{
	uint16_t i = (uint16_t)pool_get(&queues);
	struct gap *g = &gaps[i];

	assert(i != POOL_NONE);
	g->f = f;
	g->n = 0;
	g->has_fin = false;
	g->told = g->stamp;
	g->filled_at = now;
	queue_append(g);
	f->tcp.gap = i;
	return g;
}

void gap_free(struct tcp *t)
{
	struct gap *g = gap_of(t);

	if (!t->gap)
		return;
	for (unsigned i = 0; i < g->n; i++)
		blocks_free(g, g->r[i].seq, g->r[i].end);
	queue_unlink(g);
	pool_put(&queues, t->gap);
	t->gap = POOL_NONE;
}

struct flow *gap_oldest(void)
{
	return gaps[0].next ? gaps[gaps[0].next].f : NULL;
}

uint64_t gap_due(const struct tcp *t)
{
	return gap_of(t)->filled_at + GAP_AGE;
}

bool gap_fits(const struct flow *f, uint32_t seq, uint32_t len)
{
	struct gap *g = gap_of(&f->tcp);
	uint32_t need = 0;

	for (uint32_t at = piece(seq); seq_lt(at, seq + len); at += GAP_BLOCK)
		need += !f->tcp.gap || *block_at(g, at) == POOL_NONE;
	return need <= block_left();
}

/* Blocks for numbers from @seq up to @end, as far as they have none: there are enough */
static void blocks_get(struct gap *g, uint32_t seq, uint32_t end)
{
	for (seq = piece(seq); seq_lt(seq, end); seq += GAP_BLOCK) {
		uint16_t *b = block_at(g, seq);

		if (*b != POOL_NONE)
			continue;
		*b = (uint16_t)block_get();
		assert(*b != POOL_NONE);
	}
}

static void copy(struct gap *g, uint32_t seq, const struct view *v)
{
	for (size_t done = 0; done < v->len;) {
		uint32_t at = (seq + (uint32_t)done) % GAP_BLOCK;
		size_t part = MIN(GAP_BLOCK - at, v->len - done);

		view_copy(v, done, block_mem(*block_at(g, seq + (uint32_t)done)) + at, part);
		done += part;
	}
}

/* Does a segment with payload up to @end agree with the FIN that came, or its FIN with what came? */
static bool fin_agrees(const struct gap *g, uint32_t end, bool fin)
{
	if (g->has_fin)
		return fin ? end == g->fin : seq_le(end, g->fin);
	return !fin || seq_le(g->r[g->n - 1].end, end);
}

/* First range that ends at @seq or behind it: most segments belong to the last one, or behind it */
static unsigned range_find(const struct gap *g, uint32_t seq)
{
	unsigned i = g->n;

	while (i && seq_le(seq, g->r[i - 1].end))
		i--;
	return i;
}

/* Joins numbers from @seq up to @end with ranges from @i on, as far as they touch. Return: how many these are */
static unsigned range_join(struct gap *g, unsigned i, uint32_t *seq, uint32_t *end)
{
	unsigned k = i;

	for (; k < g->n && seq_le(g->r[k].seq, *end); k++) {
		*seq = seq_min(*seq, g->r[k].seq);
		*end = seq_max(*end, g->r[k].end);
	}
	return k - i;
}

/* One range from @seq up to @end in place of @old ones from @i on */
static void range_set(struct gap *g, unsigned i, unsigned old, uint32_t seq, uint32_t end)
{
	if (old != 1)
		memmove(&g->r[i + 1], &g->r[i + old], (g->n - i - old) * sizeof(g->r[0]));
	g->n = (uint16_t)(g->n + 1 - old);
	g->r[i] = (struct range){ seq, end, ++g->stamp };
}

/* A segment with numbers from @seq up to @end joins @g. Return: false if it adds nothing: a duplicate */
static bool range_add(struct gap *g, uint32_t seq, uint32_t end)
{
	unsigned i = range_find(g, seq), old;
	uint32_t from = seq, to = end;
	bool more;

	old = range_join(g, i, &from, &to);
	if (old && seq_lt(seq, g->r[i].end) && seq_lt(g->r[i].seq, end))
		gap_again(&g->f->tcp, seq_max(seq, g->r[i].seq), seq_min(end, g->r[i].end));
	more = old != 1 || from != g->r[i].seq || to != g->r[i].end;
	range_set(g, i, old, from, to);
	return more;
}

/* Is one more range too many? */
static bool range_new(const struct gap *g, uint32_t seq, uint32_t end)
{
	unsigned i = range_find(g, seq);

	return i == g->n || seq_lt(end, g->r[i].seq);
}

bool gap_add(struct flow *f, uint32_t seq, const struct view *v, bool fin, uint64_t now)
{
	uint32_t data_end = seq + (uint32_t)v->len, end = data_end + fin;
	struct gap *g = gap_of(&f->tcp);

	assert(seq_lt(f->tcp.rcv_nxt, seq));
	if (seq == end || seq_lt(f->tcp.rcv_nxt + SPAN, end) || !gap_fits(f, seq, end - seq))
		return false;
	if (f->tcp.gap && (!fin_agrees(g, data_end, fin) || (g->n == GAP_RANGES && range_new(g, seq, end))))
		return false;
	if (!f->tcp.gap)
		g = queue_get(f, now);

	if (range_add(g, seq, end)) {
		blocks_get(g, seq, end);
		copy(g, seq, v);
	}
	if (fin) {
		g->has_fin = true;
		g->fin = data_end;
	}
	return true;
}

bool gap_filled(const struct tcp *t)
{
	return t->gap && seq_le(gap_of(t)->r[0].seq, t->rcv_nxt);
}

unsigned gap_iov(const struct tcp *t, struct iovec *iov, unsigned max, uint32_t *len)
{
	struct gap *g = gap_of(t);
	uint32_t end = g->r[0].end, seq = t->rcv_nxt;
	unsigned n = 0;

	if (g->has_fin && seq_lt(g->fin, end))
		end = g->fin;
	for (; n < max && seq_lt(seq, end); n++) {
		uint32_t at = seq % GAP_BLOCK, part = MIN(end - seq, GAP_BLOCK - at);

		iov[n] = (struct iovec){ block_mem(*block_at(g, seq)) + at, part };
		seq += part;
	}
	*len = seq - t->rcv_nxt;
	return n;
}

bool gap_fin(const struct tcp *t)
{
	return t->gap && gap_of(t)->has_fin && gap_of(t)->fin == t->rcv_nxt;
}

void gap_advance(struct tcp *t, uint64_t now)
{
	struct gap *g = gap_of(t);
	uint32_t nxt = t->rcv_nxt;
	unsigned i = 0;

	for (; i < g->n && seq_le(g->r[i].end, nxt); i++)	/* the next one may be in the same piece */
		blocks_free(g, g->r[i].seq, i + 1 < g->n ? seq_min(g->r[i].end, piece(g->r[i + 1].seq)) : g->r[i].end);
	g->n = (uint16_t)(g->n - i);
	if (!g->n) {
		gap_free(t);
		return;
	}
	memmove(g->r, g->r + i, g->n * sizeof(g->r[0]));
	if (seq_lt(g->r[0].seq, nxt)) {
		blocks_free(g, g->r[0].seq, piece(nxt));
		g->r[0].seq = nxt;
	}
	g->filled_at = now;
	queue_unlink(g);
	queue_append(g);
}

uint32_t gap_end(const struct tcp *t)
{
	const struct gap *g = gap_of(t);

	return t->gap ? g->r[g->n - 1].end : t->rcv_nxt;
}

void gap_again(struct tcp *t, uint32_t seq, uint32_t end)
{
	if (t->again_seq != t->again_end)
		return;
	t->again_seq = seq;
	t->again_end = end;
}

/* The range with the last segment before number @stamp, or NULL */
static const struct range *range_before(const struct gap *g, uint32_t stamp)
{
	const struct range *last = NULL;

	for (unsigned i = 0; i < g->n; i++)
		if (seq_lt(g->r[i].stamp, stamp) && (!last || seq_lt(last->stamp, g->r[i].stamp)))
			last = &g->r[i];
	return last;
}

/* The range with the first segment behind number @stamp: there is one */
static const struct range *range_after(const struct gap *g, uint32_t stamp)
{
	const struct range *first = NULL;

	for (unsigned i = 0; i < g->n; i++)
		if (seq_lt(stamp, g->r[i].stamp) && (!first || seq_lt(g->r[i].stamp, first->stamp)))
			first = &g->r[i];
	return first;
}

unsigned gap_news(const struct tcp *t)
{
	const struct gap *g = gap_of(t);
	unsigned news = 0;

	for (unsigned i = 0; t->gap && i < g->n; i++)
		news += seq_lt(g->told, g->r[i].stamp);
	return news;
}

unsigned gap_blocks(struct tcp *t, struct tcp_sack *b, unsigned max)
{
	struct gap *g = gap_of(t);
	const struct range *r;
	unsigned n = 0;

	if (t->again_seq != t->again_end && max)
		b[n++] = (struct tcp_sack){ t->again_seq, t->again_end };
	t->again_seq = t->again_end = 0;
	if (!t->gap)
		return n;
	if (gap_news(t) > max - n) {
		for (unsigned i = max; i > n && (r = range_after(g, g->told)); g->told = r->stamp)
			b[--i] = (struct tcp_sack){ r->seq, r->end };
		return max;
	}
	for (uint32_t stamp = g->stamp + 1; n < max && (r = range_before(g, stamp)); stamp = r->stamp)
		b[n++] = (struct tcp_sack){ r->seq, r->end };
	g->told = g->stamp;
	return n;
}
