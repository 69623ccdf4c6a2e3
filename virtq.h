/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtq.h - one split virtqueue of a guest, from the device's side (virtio 1.3, 2.7)
 *
 * The ring is the guest's memory, and changes at any time: each field is read once, then checked, then used. A driver
 * that breaks the rules has a broken ring: it isn't served any more, until it is set up again.
 *
 * Buffers are used in the order in which they were made available. Used buffers are visible to the driver with
 * virtq_publish() only, once a batch.
 */
#ifndef VIRTQ_H
#define VIRTQ_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "mem.h"

#define VIRTQ_MAX	1024		/* largest queue, and longest indirect table, in descriptors */

/* Direction of all buffers in a ring: a network device's has but one */
enum virtq_dir {
	VIRTQ_READ,			/* from the guest: the device reads */
	VIRTQ_WRITE,			/* to the guest: the device writes */
};

enum virtq_fault {
	VIRTQ_OK,
	VIRTQ_INDEX,			/* more entries available than the ring has, or fewer than before */
	VIRTQ_HEAD,			/* descriptor beyond the table */
	VIRTQ_LONG,			/* chain is longer than the queue: a loop */
	VIRTQ_WAY,			/* buffer of the other direction */
	VIRTQ_EMPTY,			/* buffer of zero bytes: work without any use */
	VIRTQ_TABLE,			/* malformed indirect table, or not negotiated */
	VIRTQ_ADDRESS,			/* buffer is not in the guest's memory */
	VIRTQ_FAULTS
};

/* Where the driver has its three parts: addresses of the front end */
struct virtq_place {
	uint64_t	desc, avail, used;
};

struct virtq {
	const struct mem	*mem;
	const uint64_t		*desc;		/* two words a descriptor */
	uint16_t		*avail, *used;	/* 16-bit words; NULL: not set up */
	uint16_t		size;		/* a power of 2 */
	enum virtq_dir		dir;
	bool			event_idx, indirect;
	uint16_t		avail_next;	/* first entry that was not taken */
	uint16_t		avail_seen;	/* driver's index, as read last */
	uint16_t		out;		/* chains taken and not used */
	uint16_t		used_next;	/* first entry that is free */
	uint16_t		used_shown;	/* published up to here */
	uint16_t		used_called;	/* index at the last decision about a notification */
	bool			called;		/* there was one */
	bool			quiet;		/* the driver may leave out kicks; not at start */
	enum virtq_fault	fault;
	bool			logged;		/* writes to the used ring go into the log of dirty pages */
	uint64_t		log;		/* guest address of the used ring, for that */
};

/* One chain of descriptors */
struct virtq_chain {
	uint16_t	head;
	unsigned	cnt;		/* iovecs */
	size_t		len;		/* bytes in them */
};

/* May a driver have a ring of this many entries? */
static inline bool virtq_size_ok(uint64_t size)
{
	return size && size <= VIRTQ_MAX && !(size & (size - 1));
}

/**
 * virtq_start() - serve the ring; it had no faults so far
 * @m:		stays where it is; on a change of its regions, virtq_move()
 * @size:	see virtq_size_ok()
 * @base:	index of the first available entry that is not used
 * @features:	VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC count
 *
 * Return: 0, or -EINVAL: size, alignment, or addresses that are not in memory
 */
int virtq_start(struct virtq *q, const struct mem *m, const struct virtq_place *at, uint32_t size, uint16_t base,
		enum virtq_dir dir, uint64_t features);

/* Finds the parts again, after a change of memory: 0, or -EINVAL: the ring is stopped */
int virtq_move(struct virtq *q, const struct virtq_place *at);

/* After the start: not from its base, but from the first buffer that isn't used */
void virtq_rewind(struct virtq *q);

/* No more service; buffers taken and not used are given back. Return: base for the next start */
uint16_t virtq_stop(struct virtq *q);

static inline bool virtq_runs(const struct virtq *q)
{
	return q->used && !q->fault;
}

/* Chains that can be taken; 0 on a ring that doesn't run */
unsigned virtq_ready(struct virtq *q);

/**
 * virtq_take() - the next chain
 * @iov:	filled in with its buffers, at most @max
 *
 * Return: 1, 0: none is there, -ENOBUFS: more than @max iovecs, it was not taken; -EPROTO: ring is broken from now on
 */
int virtq_take(struct virtq *q, struct iovec *iov, unsigned max, struct virtq_chain *ch);

/* For the log: "ring is broken: ..." */
const char *virtq_fault_text(enum virtq_fault why);

/* Ends the service: the driver broke a rule */
static inline void virtq_break(struct virtq *q, enum virtq_fault why)
{
	q->fault = why;
}

/* Gives back the last @n chains taken, none of which was used */
void virtq_untake(struct virtq *q, unsigned n);

/* The chain is used, with @len bytes written to it (0 if the device only reads) */
void virtq_use(struct virtq *q, uint16_t head, uint32_t len);

/* Shows used chains to the driver. Return: does it want a notification? */
bool virtq_publish(struct virtq *q);

/* Asks for a kick with the next chain, behind those that virtq_take() and virtq_ready() have found. Return: true if it
 * is there already, and may come without a kick
 */
bool virtq_wait(struct virtq *q);

/* No kicks for now */
void virtq_busy(struct virtq *q);

#endif /* VIRTQ_H */
