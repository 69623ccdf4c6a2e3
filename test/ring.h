/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ring.h - a driver of one split virtqueue in plain memory (virtio 1.3, 2.7), for tests of the device's side
 *
 * The guest's memory is one arena, at guest address RING_GPA and front end's address RING_UVA; another region follows
 * without a gap there, but not here: buffers may cross into it.
 */
#ifndef TEST_RING_H
#define TEST_RING_H

#include <string.h>

#include "../mem.h"
#include "../util.h"
#include "../virtq.h"

#define RING_GPA	0x100000000ULL
#define RING_UVA	0x7f0000000000ULL
#define RING_ARENA	(4U << 20)

/* One queue, at @base of the arena; its fields are for tests to break */
struct ring {
	unsigned		size;
	struct vring_desc	*desc;
	struct vring_avail	*avail;
	struct vring_used	*used;
	uint16_t		*used_event, *avail_event;
	struct virtq_place	place;
	uint16_t		free;		/* descriptors in use so far: they are used in turn */
	uint16_t		seen;		/* used entries that were read */
};

/* Room between the halves, so that they aren't adjacent here */
static struct {
	uint8_t	low[RING_ARENA], gap[4096], high[RING_ARENA];
} ring_arena __attribute__((aligned(4096)));

static struct mem ring_mem;

static inline uint64_t ring_gpa(const void *at)
{
	const uint8_t *p = at;

	return RING_GPA +
	       (p < ring_arena.high ? (uint64_t)(p - ring_arena.low) : RING_ARENA + (uint64_t)(p - ring_arena.high));
}

static inline void ring_memory(void)
{
	const struct mem_region low = {
		.gpa = RING_GPA, .size = RING_ARENA, .uva = RING_UVA, .at = ring_arena.low,
	}, high = {
		.gpa = RING_GPA + RING_ARENA, .size = RING_ARENA, .uva = RING_UVA + (1ULL << 40), .at = ring_arena.high,
	};

	ring_mem = (struct mem){ 0 };
	mem_add(&ring_mem, &low);
	mem_add(&ring_mem, &high);
}

/* A ring with all at zero; it needs 32 bytes an entry, and a page */
static inline void ring_init(struct ring *r, size_t base, unsigned size)
{
	uint8_t *at = ring_arena.low + base;

	memset(at, 0, 32UL * size + 4096);
	*r = (struct ring){ .size = size };
	r->desc = (void *)at;
	r->avail = (void *)(at + 16UL * size);
	r->used = (void *)(at + ROUND_UP(18UL * size + 6, 64));
	r->used_event = &r->avail->ring[size];
	r->avail_event = (uint16_t *)(void *)&r->used->ring[size];
	r->place = (struct virtq_place){
		.desc = RING_UVA + base,
		.avail = RING_UVA + base + 16UL * size,
		.used = RING_UVA + base + ROUND_UP(18UL * size + 6, 64),
	};
}

/* Makes the chain that starts at descriptor @head available */
static inline void ring_offer(struct ring *r, uint16_t head)
{
	r->avail->ring[r->avail->idx % r->size] = head;
	__atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + 1), __ATOMIC_RELEASE);
}

/* Descriptor @i */
static inline void ring_desc(struct ring *r, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

/* A chain of @n buffers, of the next descriptors: its head */
static inline uint16_t ring_add(struct ring *r, const struct iovec *iov, unsigned n, uint16_t flags)
{
	uint16_t head = (uint16_t)(r->free % r->size);

	for (unsigned i = 0; i < n; i++) {
		uint16_t at = (uint16_t)(r->free++ % r->size);

		ring_desc(r, at, ring_gpa(iov[i].iov_base), (uint32_t)iov[i].iov_len,
			  (uint16_t)(flags | (i + 1 < n ? VRING_DESC_F_NEXT : 0)), (uint16_t)(r->free % r->size));
	}
	ring_offer(r, head);
	return head;
}

/* Next used entry, or NULL */
static inline const struct vring_used_elem *ring_used(struct ring *r)
{
	if (__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) == r->seen)
		return NULL;
	return &r->used->ring[r->seen++ % r->size];
}

#endif /* TEST_RING_H */
