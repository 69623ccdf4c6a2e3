/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dgram.h - datagrams in and out of host sockets, many in a call; knows no flow and no link protocol
 *
 * In: a batch is received into the caller's places, or into buffers of this file, and read message by message. Out:
 * datagrams to one endpoint are added, and sent from where they are; those of one length in a row are joined to one
 * message (udp(7), UDP_SEGMENT): one way through the kernel's stack for many of them. Between calls, only the last
 * batch received, and messages that were added and not yet sent, are kept.
 */
#ifndef DGRAM_H
#define DGRAM_H

#include "packet.h"
#include "sock.h"

#define DGRAM_BATCH	32		/* messages received at once, at most */
#define DGRAM_ERRORS	64		/* entries of an error queue that are read for one event, at most */
#define DGRAM_IOV	512		/* buffers of all messages that wait to be sent */
#define DGRAM_HEADROOM	8		/* bytes in front of an error's payload, for a transport header */

#define UDP_SEGMENTS_MAX	64	/* datagrams in one message that UDP_SEGMENT is good for on every kernel */
#define UDP_SEGMENTS_LEN	65487	/* bytes in them: as many as IPv4 and IPv6 can carry */

/* Datagrams that go on as one, in a message or a super-packet: all of one length, the last maybe shorter */
struct dgram_run {
	uint32_t	len;		/* bytes, of all */
	uint16_t	size;		/* of each */
	uint16_t	n;		/* joined here: 1 if the kernel joined them */
	bool		open;		/* for one more */
};

/* Begins with @len bytes, in pieces of @gso if that is neither 0 nor more; @open: others may join a single one */
static inline struct dgram_run dgram_run_begin(size_t len, uint16_t gso, bool open)
{
	bool several = gso && len > gso;

	return (struct dgram_run){ (uint32_t)len, several ? gso : (uint16_t)len, 1, open && !several && len };
}

/* Is a datagram of @len bytes the next one? */
static inline bool dgram_run_takes(struct dgram_run *r, size_t len)
{
	if (!r->open || !len || len > r->size || r->len + len > UDP_SEGMENTS_LEN)
		return false;
	r->len += (uint32_t)len;
	r->open = ++r->n < UDP_SEGMENTS_MAX && len == r->size;
	return true;
}

/* A message received: a datagram, or several that the kernel joined (UDP_GRO) */
struct dgram {
	struct end	from;
	struct addr	our;		/* local address it came to, or that is to answer */
	unsigned	scope;		/* interface of @from, or of @our, if that is link-local and IPv6; or 0 */
	unsigned	ifindex;	/* interface it came in by, 0: not known */
	uint16_t	gso;		/* size of each datagram, 0: just one */
	uint8_t		ttl;		/* 0: not known */
	bool		many;		/* sent to a multicast or broadcast address */
	struct iovec	data;
};

/* Buffers of this file as places for @n messages */
void dgram_buffers(struct iovec *place, unsigned n);

/**
 * dgram_recv() - the next messages of a socket
 * @place:	@n buffers, at most DGRAM_BATCH
 * @batch:	messages that are expected at once, or NULL: more if this batch was full, fewer if it was far from that,
 *		so that a ping-pong is not charged the preparations for a flood. An empty socket changes nothing: behind
 *		a full batch, fewer places would be filled again, and cost a second call again
 *
 * Return: count, or -errno
 */
int dgram_recv(int fd, const struct iovec *place, unsigned n, uint8_t *batch);

/* Message @i of the batch; false if it is from no address, or from port 0, unless @any_port */
bool dgram_get(unsigned i, bool any_port, struct dgram *d);

/* The next message, its payload left out, stays in the socket: false if there is none */
bool dgram_peek(int fd, struct dgram *d);

/* Starts a batch to @to->peer, from @to->our unless that is the kernel's choice; NULL: the socket is connected. @join:
 * UDP_SEGMENT is worth a try.
 */
void dgram_begin(const struct side *to, unsigned scope, bool join);

/* One datagram more, or several of @gso bytes; @ttl, @tos: 0: the default. @what: see dgram_refused(). False: the batch
 * has no room for it.
 */
bool dgram_add(const struct view *v, uint16_t gso, uint8_t ttl, uint8_t tos, const void *what);

/* Are datagrams added, and not yet sent? */
bool dgram_pending(void);

/**
 * dgram_send() - sends the datagrams added
 * @single:	set if datagrams that were joined here can't be sent as one: they go one by one. NULL: nothing is joined
 * @lost:	plus the datagrams that the full socket didn't take
 *
 * Return: 0, or the errno of a message that was refused. The next call tries it again, unless dgram_skip() leaves it
 * out.
 */
int dgram_send(int fd, bool *single, uint64_t *lost);
void dgram_skip(uint64_t *lost);

/* @what of the message that was refused: of its first datagram */
const void *dgram_refused(void);

/**
 * dgram_error() - next entry of a socket's error queue
 * @n:		entries read so far; 0: there may be none, but a pending error of nobody's, which is taken off
 * @data:	its payload, with DGRAM_HEADROOM bytes in front of it
 *
 * Return: false if there is none, or @n has reached DGRAM_ERRORS
 */
bool dgram_error(int fd, unsigned n, struct sock_err *e, uint8_t **data);

#endif /* DGRAM_H */
