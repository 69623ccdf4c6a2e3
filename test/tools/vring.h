/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vring.h - the driver's side of a split virtqueue (virtio 1.3, 2.7), in shared memory */
#ifndef VRING_H
#define VRING_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_MAX	1024
#define RING_PIECES	20		/* descriptors of a buffer, at most: an indirect table's size */

struct ring {
	unsigned		size;
	bool			event_idx, indirect;
	struct vring_desc	*desc;
	struct vring_avail	*avail;
	struct vring_used	*used;
	struct vring_desc	*table;		/* indirect ones, RING_PIECES for each head */
	char			*mem;		/* memory, and its address for the device */
	uint64_t		gpa;
	uint16_t		next_avail;	/* index of the next buffer offered */
	uint16_t		kicked;		/* index that the device knows of, at the latest */
	uint16_t		last_used;
	uint16_t		free, nfree;	/* descriptors, linked by next */
	uint16_t		token[RING_MAX];	/* by head */
	uint16_t		pieces[RING_MAX];	/* 0: not with the device */
	int			kick, call;	/* eventfds */
	uint64_t		kicks;
};

/* Bytes of memory, a multiple of 4096, for @size descriptors */
size_t ring_bytes(unsigned size);
/* @at: memory of that size, from @mem on; all is empty */
void ring_init(struct ring *r, unsigned size, char *mem, uint64_t gpa, char *at, bool event_idx, bool indirect);

/* Offers a buffer in pieces of @piece bytes; false without enough descriptors. @token comes back by ring_get() */
bool ring_add(struct ring *r, uint16_t token, const char *buf, size_t len, size_t piece, bool write);
/* Kicks the device for offered buffers, if it has to be */
void ring_kick(struct ring *r);
/* Next used buffer: its token, and bytes written; -1: none. Ends the tool if the device returns what it hasn't got. */
int ring_get(struct ring *r, uint32_t *len);
/* Wants an interrupt once @n more buffers are used, 0: none; false if they are already */
bool ring_want(struct ring *r, uint16_t n);

static inline uint16_t ring_outstanding(const struct ring *r)
{
	return (uint16_t)(r->next_avail - r->last_used);
}

#endif /* VRING_H */
