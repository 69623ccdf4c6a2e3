/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dgram.h - datagrams in and out of host sockets, many in a call; knows no flow and no link protocol
 *
 * In: a batch is received into places of the caller's, or into buffers of this file, and looked at message by message.
 * Out: datagrams to one endpoint are added, and sent where they are; those of one length that follow each other are
 * joined to one message (udp(7), UDP_SEGMENT): one way through the kernel's stack for many of them. Nothing is kept
 * between calls but the batch that was received last, and messages that were added and not yet sent.
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
#define UDP_SEGMENTS_LEN	65487	/* bytes in them: what IPv4 and IPv6 can carry */

/* Datagrams that go on as one, in a message or in a super-packet: all as long, the last maybe shorter */
struct dgram_run {
	uint32_t	len;		/* bytes, of all */
	uint16_t	size;		/* of each */
	uint16_t	n;		/* that were joined; what comes as several already is one */
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

/* A message that came: a datagram, or several that the kernel joined (UDP_GRO) */
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
 *		so that a ping-pong is not charged the preparations for a flood. An empty socket behind a full batch
 *		changes nothing: the next batch of that size would fill its places again, and cost a second call.
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

/* One datagram more, or several of @gso bytes; @ttl, @tos: 0: the default. @what: see dgram_refused(). False if the
 * batch has no room for it.
 */
bool dgram_add(const struct view *v, uint16_t gso, uint8_t ttl, uint8_t tos, const void *what);

/* Was anything added, and not sent yet? */
bool dgram_pending(void);

/**
 * dgram_send() - sends what was added
 * @single:	set if datagrams that were joined here can't be sent as one: they go one by one. NULL: nothing is joined
 * @lost:	datagrams that the full socket didn't take are added
 *
 * Return: 0, or why a message was refused. Called again, it is tried again, unless dgram_skip() leaves it out.
 */
int dgram_send(int fd, bool *single, uint64_t *lost);
void dgram_skip(uint64_t *lost);

/* @what of the message that was refused: of its first datagram */
const void *dgram_refused(void);

/* Next entry of the error queue, with its payload, in front of which is room for a header; false: there is none */
bool dgram_error(int fd, struct sock_err *e, uint8_t **data);

#endif /* DGRAM_H */
