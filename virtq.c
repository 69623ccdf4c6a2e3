/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtq.c - one split virtqueue, from the device's side (virtio 1.3, 2.7) */
#include <assert.h>
#include <endian.h>
#include <errno.h>

#include "util.h"
#include "virtq.h"

/* Parts of a ring in 16-bit words: flags, index, entries, event. A used entry has four words. */
enum { RING_FLAGS, RING_INDEX, RING_ENTRY };

#define DESC_BYTES	16
#define USED_WORDS	4

/* A descriptor, copied */
struct desc {
	uint64_t	addr;
	uint32_t	len;
	uint16_t	flags, next;
};

/* Fields that the driver changes at any time are read once, by a volatile access; tables have no alignment */
typedef uint64_t word64 __attribute__((aligned(1), may_alias));
typedef uint32_t word32 __attribute__((may_alias));

static uint16_t load16(const uint16_t *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static void store16(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, htole16(v), __ATOMIC_RELAXED);
}

static struct desc load_desc(const uint64_t *table, unsigned i)
{
	const volatile word64 *d = (const word64 *)table + (size_t)2 * i;
	uint64_t addr = le64toh(d[0]), rest = le64toh(d[1]);

	return (struct desc){ addr, (uint32_t)rest, (uint16_t)(rest >> 32), (uint16_t)(rest >> 48) };
}

const char *virtq_fault_text(enum virtq_fault why)
{
	static const char *const text[] = {
		[VIRTQ_OK]	= "no fault",
		[VIRTQ_INDEX]	= "more is available than it holds, or less than before",
		[VIRTQ_HEAD]	= "descriptor beyond the table",
		[VIRTQ_LONG]	= "chain without an end",
		[VIRTQ_WAY]	= "buffer of the other direction",
		[VIRTQ_EMPTY]	= "buffer of zero bytes",
		[VIRTQ_TABLE]	= "malformed indirect table",
		[VIRTQ_ADDRESS]	= "address outside of memory",
	};
	static_assert(ARRAY_SIZE(text) == VIRTQ_FAULTS, "a fault has no text");

	return text[why];
}

static int broken(struct virtq *q, enum virtq_fault why)
{
	virtq_break(q, why);
	return -EPROTO;
}

/* Writes to the used ring, @words of it from @at on, are dirty pages */
static void used_dirty(const struct virtq *q, unsigned at, unsigned words)
{
	if (q->logged)
		mem_dirty(q->mem, q->log + 2UL * at, 2UL * words);
}

/* Where the driver has the index for its next notification, and we for its next kick (2.7.7, 2.7.10) */
static unsigned used_event(const struct virtq *q)
{
	return RING_ENTRY + q->size;
}

static unsigned avail_event(const struct virtq *q)
{
	return RING_ENTRY + USED_WORDS * q->size;
}

int virtq_move(struct virtq *q, const struct virtq_place *at)
{
	uint64_t n = q->size, event = q->event_idx ? 2 : 0;

	q->desc = mem_at_uva(q->mem, at->desc, DESC_BYTES * n);
	q->avail = mem_at_uva(q->mem, at->avail, 4 + 2 * n + event);
	q->used = mem_at_uva(q->mem, at->used, 4 + 2 * USED_WORDS * n + event);
	if (q->desc && q->avail && q->used &&
	    !((uintptr_t)q->desc % VRING_DESC_ALIGN_SIZE || (uintptr_t)q->avail % VRING_AVAIL_ALIGN_SIZE ||
	      (uintptr_t)q->used % VRING_USED_ALIGN_SIZE))
		return 0;
	q->used = NULL;
	return -EINVAL;
}

int virtq_start(struct virtq *q, const struct mem *m, const struct virtq_place *at, uint32_t size, uint16_t base,
		enum virtq_dir dir, uint64_t features)
{
	*q = (struct virtq){
		.mem = m, .size = (uint16_t)size, .dir = dir, .avail_next = base, .avail_seen = base,
		.event_idx = features & (1ULL << VIRTIO_RING_F_EVENT_IDX),
		.indirect = features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC),
	};
	if (!virtq_size_ok(size) || virtq_move(q, at))
		return -EINVAL;
	q->used_next = q->used_shown = load16(q->used + RING_INDEX);
	store16(q->used + RING_FLAGS, 0);
	if (q->event_idx)
		store16(q->used + avail_event(q), base);
	return 0;
}

void virtq_rewind(struct virtq *q)
{
	q->avail_next = q->avail_seen = q->used_next;
	if (q->event_idx)
		store16(q->used + avail_event(q), q->avail_next);
}

uint16_t virtq_stop(struct virtq *q)
{
	virtq_untake(q, q->out);
	q->used = NULL;
	return q->avail_next;
}

/* Reads the driver's index: entries that were not taken (2.7.6; the barrier is that of 2.7.13.3). It never goes back:
 * loops that go on as long as there is something new end with the ring.
 */
static unsigned avail_read(struct virtq *q)
{
	uint16_t n, before = (uint16_t)(q->avail_seen - q->avail_next);

	q->avail_seen = le16toh(__atomic_load_n(q->avail + RING_INDEX, __ATOMIC_ACQUIRE));
	n = (uint16_t)(q->avail_seen - q->avail_next);
	if (n >= before && n + q->out <= q->size)
		return n;
	broken(q, VIRTQ_INDEX);
	return 0;
}

unsigned virtq_ready(struct virtq *q)
{
	return virtq_runs(q) ? avail_read(q) : 0;
}

/* Where a chain is: in the ring's table, or in an indirect one */
struct walk {
	const uint64_t	*table;
	unsigned	entries, left;	/* of the table; descriptors that may follow */
	unsigned	i;
};

/* An indirect table is one buffer, has no other in it, and ends the chain (2.7.5.3) */
static int table_enter(struct virtq *q, const struct desc *d, struct walk *w)
{
	unsigned n = d->len / DESC_BYTES;

	if (!q->indirect || w->table != q->desc || d->flags & VRING_DESC_F_NEXT || !n || n > VIRTQ_MAX ||
	    d->len % DESC_BYTES)
		return broken(q, VIRTQ_TABLE);
	*w = (struct walk){ mem_at(q->mem, d->addr, d->len), n, n, 0 };
	return w->table ? 0 : broken(q, VIRTQ_ADDRESS);
}

/* Adds a buffer to @iov, in pieces if it goes from one region on into the next */
static int buffer_add(struct virtq *q, const struct desc *d, struct iovec *iov, unsigned max, struct virtq_chain *ch)
{
	uint64_t addr = d->addr, left = d->len, len;

	if (!left)
		return broken(q, VIRTQ_EMPTY);
	for (; left; addr += len, left -= len) {
		void *at = mem_span(q->mem, addr, (len = left, &len));

		if (!at)
			return broken(q, VIRTQ_ADDRESS);
		if (ch->cnt == max)
			return -ENOBUFS;
		iov[ch->cnt++] = (struct iovec){ at, len };
		ch->len += len;
	}
	return 0;
}

/* 2.7.5: at most as many descriptors as there are in a table, so that a loop ends */
static int chain_walk(struct virtq *q, struct iovec *iov, unsigned max, struct virtq_chain *ch)
{
	struct walk w = { q->desc, q->size, q->size, ch->head };
	struct desc d;
	int rc;

	do {
		if (w.i >= w.entries)
			return broken(q, VIRTQ_HEAD);
		if (!w.left--)
			return broken(q, VIRTQ_LONG);
		d = load_desc(w.table, w.i);
		w.i = d.next;
		if (d.flags & VRING_DESC_F_INDIRECT) {
			rc = table_enter(q, &d, &w);
			d.flags = VRING_DESC_F_NEXT;
		} else if (!(d.flags & VRING_DESC_F_WRITE) != (q->dir == VIRTQ_READ)) {
			rc = broken(q, VIRTQ_WAY);
		} else {
			rc = buffer_add(q, &d, iov, max, ch);
		}
		if (rc)
			return rc;
	} while (d.flags & VRING_DESC_F_NEXT);
	return 1;
}

int virtq_take(struct virtq *q, struct iovec *iov, unsigned max, struct virtq_chain *ch)
{
	int rc;

	if (!virtq_runs(q))
		return 0;
	if (q->avail_next == q->avail_seen && !avail_read(q))
		return q->fault ? -EPROTO : 0;

	*ch = (struct virtq_chain){ .head = load16(q->avail + RING_ENTRY + (q->avail_next & (q->size - 1))) };
	rc = chain_walk(q, iov, max, ch);
	if (rc == 1) {
		q->avail_next++;
		q->out++;
	}
	return rc;
}

void virtq_untake(struct virtq *q, unsigned n)
{
	q->avail_next = (uint16_t)(q->avail_next - n);
	q->out = (uint16_t)(q->out - n);
}

void virtq_use(struct virtq *q, uint16_t head, uint32_t len)
{
	unsigned at = RING_ENTRY + USED_WORDS * (q->used_next & (q->size - 1U));
	volatile word32 *used = (word32 *)(void *)(q->used + at);

	used[0] = htole32(head);
	used[1] = htole32(len);
	used_dirty(q, at, USED_WORDS);
	q->used_next++;
	q->out--;
}

/* The index follows the entries (2.7.8.2), and precedes the look at the driver's wish (2.7.7.2, 2.7.14) */
bool virtq_publish(struct virtq *q)
{
	uint16_t before = q->used_called;
	bool called = q->called;

	if (!virtq_runs(q) || q->used_next == q->used_shown)
		return false;
	__atomic_store_n(q->used + RING_INDEX, htole16(q->used_next), __ATOMIC_RELEASE);
	used_dirty(q, RING_INDEX, 1);
	q->used_shown = q->used_next;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);

	if (!q->event_idx)
		return !(load16(q->avail + RING_FLAGS) & VRING_AVAIL_F_NO_INTERRUPT);
	q->used_called = q->used_next;
	q->called = true;
	return !called || vring_need_event(load16(q->avail + used_event(q)), q->used_next, before);
}

/* The wish precedes another look at the driver's index: a chain that was added before it comes without a kick */
bool virtq_wait(struct virtq *q)
{
	uint16_t seen = q->avail_seen;

	if (!virtq_runs(q))
		return false;
	if (q->event_idx) {
		store16(q->used + avail_event(q), seen);
		used_dirty(q, avail_event(q), 1);
	} else if (q->quiet) {
		store16(q->used + RING_FLAGS, 0);
		used_dirty(q, RING_FLAGS, 1);
	}
	q->quiet = false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return avail_read(q) && q->avail_seen != seen;
}

/* With EVENT_IDX, nothing: the event stays at an index that was passed (2.7.10) */
void virtq_busy(struct virtq *q)
{
	if (!virtq_runs(q) || q->quiet)
		return;
	q->quiet = true;
	if (!q->event_idx) {
		store16(q->used + RING_FLAGS, VRING_USED_F_NO_NOTIFY);
		used_dirty(q, RING_FLAGS, 1);
	}
}
