/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost.h - vhost-user's control protocol: a front end hands over guest memory, rings and their eventfds
 *
 * Source: QEMU's docs/interop/vhost-user.rst. The connected socket is read message by message; every descriptor that
 * came with one is used or closed. The backend (tap_vhost.c) serves the rings that run; it publishes its work before
 * vhost_control(), and has nothing of the guest's memory in hand across that call: memory may be another afterwards.
 *
 * Memory that the front end has cut short is replaced by zeros under our hands (SIGBUS), and @broken is set.
 */
#ifndef VHOST_H
#define VHOST_H

#include <linux/virtio_net.h>

#include "mem.h"
#include "packet.h"
#include "vhost_msg.h"
#include "virtq.h"

#define VHOST_PAIRS	8		/* queue pairs served */
#define VHOST_RINGS	(2 * VHOST_PAIRS)	/* ring 2n: to the guest; ring 2n + 1: from the guest (virtio 5.1.2) */

/* Descriptors of a link, as a sub-index of its events: the socket, and the kick of ring n */
#define VHOST_SUB_CONTROL	0
#define VHOST_SUB_KICK(n)	((n) + 1)

struct vhost_ring {
	struct virtq	q;
	struct virtq_place at;
	uint64_t	log;		/* guest address of the used ring in the log of dirty pages */
	uint32_t	size;		/* 0: not set */
	uint16_t	base;		/* index to start from */
	int		kick, call, err;	/* eventfds, or -1 */
	bool		placed;		/* addresses are set */
	bool		logged;		/* writes to the used ring are logged */
	bool		ready;		/* its kick is set, or polling was asked for: it starts when it can */
	bool		polled;		/* there will be no kicks */
	bool		started;	/* @q is set up, in memory that is mapped */
	bool		enabled;	/* not: nothing to the guest, and discard of all from it */
};

struct vhost {
	int		fd, epfd;
	uint8_t		guest;
	struct mem	mem;
	uint64_t	features;	/* acknowledged */
	uint64_t	use;		/* those of them whose own conditions are met */
	uint64_t	offered, protocol;	/* protocol features: ours, and those acknowledged */
	uint8_t		status;		/* device status (virtio 2.1) */
	uint32_t	mtu;		/* by the front end, or 0 */
	bool		inflight;	/* a region for buffers in flight is there */
	int		backend;	/* channel for our requests, or -1: held open, never used */
	struct vhost_map {
		void	*at;		/* NULL: none */
		size_t	len;		/* from the start of the file */
	} log;
	uint64_t	log_at, log_len;	/* in there, bytes */
	volatile bool	broken;		/* memory was not there: the link is to end */
	unsigned	pairs;		/* in use so far: rings of others were never started */
	struct vhost_ring ring[VHOST_RINGS];
	struct vhost_message msg;
};

/* Of guest @guest's link */
extern struct vhost vhost_pool[GUEST_MAX];
static inline struct vhost *vhost_of(unsigned guest)
{
	return &vhost_pool[guest];
}

/* A front end is connected at @fd, non-blocking: registered as EV_TAP of @guest. @given: by --fd. 0, or -errno */
int vhost_open(struct vhost *v, unsigned guest, int epfd, int fd, bool given);

/* Gives back all that came from the front end, but for the socket */
void vhost_close(struct vhost *v);

/**
 * vhost_control() - messages that are here, a few at most: level-triggered, the others come next turn
 *
 * Rings start and stop, features and memory change. Return: 0, -errno: the connection has to end
 */
int vhost_control(struct vhost *v);

/* Abilities of a link with the features acknowledged so far */
struct caps vhost_caps(const struct vhost *v);

/* Bytes of the virtio_net_hdr in front of each frame (virtio 5.1.6) */
static inline unsigned vhost_hdr_len(const struct vhost *v)
{
	bool merge = v->features & (1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_F_VERSION_1);

	return merge ? sizeof(struct virtio_net_hdr_mrg_rxbuf) : sizeof(struct virtio_net_hdr);
}

/* Are both rings of the first pair served: is there a driver? */
static inline bool vhost_up(const struct vhost *v)
{
	return v->ring[0].started && v->ring[0].enabled && v->ring[1].started && v->ring[1].enabled;
}

/* Is a ring to be looked at without kicks? */
bool vhost_polled(const struct vhost *v);

/* Used buffers were published, and the driver wants to know */
void vhost_call(const struct vhost_ring *r);

/* A ring is broken, and not served until it is set up again: the front end may want to know */
void vhost_error(const struct vhost_ring *r);

#endif /* VHOST_H */
