/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap.h - the guest's link: frames to the guest and from it, by any backend
 *
 * Towards the guest: reserve, fill, commit, flush. Committed frames are never dropped for lack of room, reordered or
 * rolled back: they wait in their slots, and tap_reserve() gives fewer until they are gone. Nothing blocks.
 *
 * From the guest: tap_recv() gives a batch of raw frames, valid until tap_recv_done().
 *
 * Slots come from a last-in first-out stack: the payload buffer used last, still in cache, is used next.
 */
#ifndef TAP_H
#define TAP_H

#include "packet.h"

struct conf;
struct tap;

#define TAP_SLOTS	128		/* frames on their way */
#define TAP_SPARE	128		/* more of them, for answers, while the link is full */
#define TAP_FRAMES	(TAP_SLOTS + TAP_SPARE)
#define TAP_ROOM	(256 << 10)	/* payload bytes in each: memory is used as it is filled */
#define TAP_SUPER	(TAP_ROOM - ETH_HLEN)	/* largest super-packet, bytes of IP: fits a capture's record */
#define TAP_BATCH	256		/* raw frames in a batch */
#define TAP_QUEUE	(256 << 10)	/* bytes on the queue that are written before the turn is over */
#define TAP_SINGLES	8		/* batches of one before two are tried */
#define TAP_RETRY	10		/* ms */
#define TAP_POLL	1		/* ms */

/* One backend. commit runs once per frame, the others once per batch. */
struct tap_ops {
	const char	*name;
	bool		eager;		/* each frame is a system call of its own: waiting for a batch gains nothing */
	uint8_t		pieces;		/* iovecs of payload that it takes in a frame from another guest, 0: one */
	/* Next frames from the guest into @raw, at most @max; 0: none now, -errno: link lost. Sets @more. */
	int		(*recv)(struct tap *, struct raw *raw, unsigned max);
	/* A link with memory of its own for payload, or NULL: the room of @n frames, @room bytes each, is there now,
	 * behind @hdr bytes for headers; that of the last frame may be less. It stays in the pool if that can't be.
	 * Return: how many frames have room; 0: the link is full, and an event comes when it isn't.
	 */
	unsigned	(*lend)(struct tap *, struct frame **f, unsigned n, size_t room, size_t hdr);
	/* A frame with its payload there isn't used; or NULL */
	void		(*unlend)(struct tap *, const struct frame *f);
	/* The batch was consumed; or NULL */
	void		(*recv_done)(struct tap *);
	/* Fill in the link's own header in front of a built frame */
	void		(*commit)(struct tap *, struct frame *);
	/* Write the queue, oldest first: 0, -EAGAIN if the link is full, other -errno: link lost. Sets @starved if it
	 * is full and no event comes when it isn't.
	 */
	int		(*flush)(struct tap *);
	/* A link of several descriptors, or NULL: an event of number @sub. *@events: EPOLLIN for frames, EPOLLOUT for
	 * room, filled in. Sets @down. Return: 0, -errno: link lost
	 */
	int		(*event)(struct tap *, unsigned sub, uint32_t *events);
	/* The guest is gone: gives back all that it had from it, but @fd; or NULL */
	void		(*gone)(struct tap *);
};

struct tap_stats {
	uint64_t	rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t	tx_lost;	/* frames the link refused for good: device down, runts */
};

struct tap {
	const struct tap_ops	*ops;
	struct caps		caps;
	int			fd;		/* -1: no guest connected */
	int			pcap;		/* capture file, or -1 */
	bool			full;		/* the link refused a frame, until it is writable */
	bool			starved;	/* for want of memory: writable, tried again after TAP_RETRY */
	bool			armed;		/* the loop waits until it is writable */
	bool			down;		/* there is a guest, but its device isn't set up: takes nothing */
	bool			polled;		/* without events: looked at every TAP_POLL */
	bool			more;		/* more frames are here, without an event: tap_recv() again */
	bool			borrowed;	/* frames on the queue may be FRAME_BORROWED */
	uint8_t			pair;		/* of queues, for frames from now on; 0 if the link has no others */
	uint8_t			full_pair;	/* the one that is @full */
	uint8_t			turn;		/* queue from the guest that comes first */
	uint16_t		burst;		/* frames expected in the next batch */
	uint16_t		singles;	/* batches of one so far */
	uint16_t		most;		/* frames in the next batch, at most */

	uint8_t			index;		/* of the guest, in the pools; kept by tap_init(), as is the next */
	struct guests		*work;		/* guests whose link has something to do, or NULL */
	struct frame		*frame;		/* TAP_FRAMES of them, the spare ones last */
	struct tap_pool		*pool;		/* their payload buffers */
	uint16_t		stack[TAP_SLOTS];	/* free slots, top last */
	uint16_t		nfree;
	uint16_t		spare[TAP_SPARE];	/* free spare slots */
	uint16_t		nspare;
	uint16_t		queue[TAP_FRAMES];	/* committed slots, a ring */
	uint16_t		qhead, qlen;
	uint16_t		qahead;		/* number of them that go ahead of others */
	uint16_t		lent;		/* reserved frames with payload in the link's own memory */
	uint16_t		waiting;	/* frames on the queue that the link doesn't have yet (FRAME_DONE) */
	uint32_t		qbytes;		/* on the queue */
	uint16_t		from[1 + GUEST_MAX];	/* frames there, by frame.from */
	uint32_t		held;		/* stream: bytes of the oldest frame already written */
	uint32_t		rx_at, rx_end;	/* stream: bytes read and not yet passed on */
	uint32_t		ids;		/* identification of the next datagram, from a random number on */

	struct tap_stats	stats;
};

/* The loop looks after the link at the end of its turn */
static inline void tap_busy(const struct tap *t)
{
	if (t->work)
		guests_add(t->work, t->index);
}

/* How a frame's length is known when it is reserved */
enum tap_how {
	TAP_ANY,		/* not before it is filled: datagrams */
	/* Answers, from here on: the same, of at most DGRAM_ROOM bytes. Without a slot they are lost, hence the spare
	 * ones. Two kinds belong to no flow, and go ahead of frames that wait.
	 */
	TAP_ANSWER,		/* echo and errors: half of the spare slots, ahead */
	TAP_VITAL,		/* ARP, NDP, DHCP, without which there is no link: all of them, ahead */
	TAP_LAST,		/* RST, and later fragments of a datagram: half of them, in order */
};

/* At start, once: there may be @n guests. May die() */
void tap_guests(unsigned n);

/* Sets up the link of guest @t->index; @fd and @ops come from the backend's open function */
void tap_init(struct tap *t, const struct tap_ops *ops, int fd, const struct caps *caps, int pcap);

/* Next frames from the guest, at most TAP_BATCH: count, 0 if there are none, -errno if the link is lost */
int tap_recv(struct tap *t, struct raw *raw);
void tap_recv_done(struct tap *t);

/**
 * tap_reserve() - slots for frames to the guest
 * @f:		filled with up to @n frames, each with @room bytes of payload buffer in pay[0]
 * @room:	payload bytes needed in each, up to TAP_ROOM
 *
 * Answers are reserved one at a time, and get a spare slot if there is no other.
 *
 * Return: number of frames reserved; fewer than @n, down to 0, if the link is full; 0 if there is no guest
 */
unsigned tap_reserve(struct tap *t, struct frame **f, unsigned n, size_t room, enum tap_how how);

/**
 * tap_reserve_exact() - the same, of frames whose length is known to the byte, but for the last: TCP segments
 * @hdr:	bytes of headers in front of the payload, Ethernet's on
 *
 * The link may have such payload in memory of its own: in several iovecs, and the last frame of a reservation may have
 * less room, but some. Headers of another length cost a copy of the payload then.
 */
unsigned tap_reserve_exact(struct tap *t, struct frame **f, unsigned n, size_t room, size_t hdr);

/* Gives back the last @n frames of a reservation, unused */
void tap_unreserve(struct tap *t, struct frame **f, unsigned n);

/* Identification of the first of @n datagrams to the guest (RFC 6864); the kernel counts within a super-packet */
static inline uint32_t tap_ids(struct tap *t, unsigned n)
{
	t->ids += n;
	return t->ids - n;
}

/* Hands a built frame to the link, which writes it now or at the next tap_flush(), in order */
void tap_commit(struct tap *t, struct frame *f);

/**
 * tap_commit_dgram() - a datagram that may be too large for one frame
 * @f:		reserved, with @len bytes of payload in pay[0]
 * @n:		its addresses; the identification is chosen here
 * @icmp:	its header, or NULL for UDP
 * @mtu:	largest IP packet; a larger one is sent in fragments
 *
 * Return: false if the link had no room for all fragments
 */
bool tap_commit_dgram(struct tap *t, struct frame *f, struct net_hdr *n, const struct icmp_hdr *icmp, size_t len,
		      uint32_t mtu);

/**
 * tap_borrow() - the payload of a frame to the guest is another guest's, which has it until its batch is consumed
 * @f:		reserved, with its first bytes in pay[0], as many as iov_len
 * @rest:	all behind
 *
 * Return: false if the link takes it in one piece only: it has to be copied
 */
bool tap_borrow(const struct tap *t, struct frame *f, const struct view *rest);

/* The batch is consumed: what was borrowed from it is written, or copied */
void tap_settle(struct tap *t);

/* Once per loop turn: 0, -EAGAIN if frames are still queued, other -errno if the link is lost */
int tap_flush(struct tap *t);

/* Event of descriptor @sub of the link: *@events becomes EPOLLIN for frames, EPOLLOUT for room. 0, -errno: link lost */
static inline int tap_event(struct tap *t, unsigned sub, uint32_t *events)
{
	return t->ops->event ? t->ops->event(t, sub, events) : 0;
}

/* The guest is gone: empties the queue, closes the descriptor */
void tap_gone(struct tap *t);

/* Empties the queue */
void tap_reset(struct tap *t);

/* Does the link take frames? If not, flows that have some are stalled until it does. */
static inline bool tap_takes(const struct tap *t)
{
	return t->fd >= 0 && !t->down && !t->full;
}

/* Backends' helpers: queued frame number @i, the oldest is 0; take that one off the queue, its slot free again */
static inline struct frame *tap_queued(const struct tap *t, unsigned i)
{
	return &t->frame[t->queue[(t->qhead + i) % TAP_FRAMES]];
}
void tap_queue_pop(struct tap *t);

/* Backends' helper: the payload of @f moves back to the pool's memory */
void tap_unlend(struct tap *t, struct frame *f);

/* tap_tun.c - a tap device with virtio_net_hdr
 *
 * tun_create(): attaches to (or creates) device @ifname in the network namespace where @fd, /dev/net/tun, was opened;
 * falls back feature by feature, the result is in @caps. Return: 0, or -errno.
 * tun_adopt(): the same for a descriptor that is attached, @ifname filled in. -EBADFD: no such device, -EPROTOTYPE:
 * another frame format.
 * tun_takes(): does the kernel find memory for a frame of @len bytes, link's header included? For a device that is
 * down: through one that is up, a frame of zeros enters the namespace, and the result is false.
 * tun_attach(): makes the descriptor the link.
 */
int tun_create(int fd, char *ifname, struct caps *caps);
int tun_adopt(int fd, char *ifname, struct caps *caps);
void tun_mac(int fd, struct mac *m);	/* the device's own address: the guest's */
bool tun_takes(int fd, size_t len);
void tun_attach(struct tap *t, int fd, const struct caps *caps, int pcap);

/* tap_sock.c - a stream socket to a virtual machine, each frame behind its length
 *
 * tap_sock_attach(): makes connected socket @fd, non-blocking, the link.
 */
void tap_sock_attach(struct tap *t, int fd, int pcap);

/* tap_vhost.c - virtio rings in a virtual machine's memory
 *
 * tap_vhost_attach(): makes connected socket @fd, non-blocking, of a vhost-user front end, the link; @down until the
 * driver has set up its device. Events are registered in @epfd. @given: by --fd. Return: 0, or -errno
 */
int tap_vhost_attach(struct tap *t, int fd, int epfd, int pcap, bool given);

#endif /* TAP_H */
