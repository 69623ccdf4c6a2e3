/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_splice.h - datagrams that are local on both sides move from socket to socket, and never see the guest's link
 *
 * udp.c receives what comes to listeners, and offers it one by one: udp_splice_take(). What was taken is sent when the batch
 * is complete: udp_splice_flush(). Answers are received and sent here.
 */
#ifndef UDP_SPLICE_H
#define UDP_SPLICE_H

#include <sys/uio.h>

#include "ctx.h"

#define UDP_SPLICE_BATCH	32	/* datagrams, or what the kernel made of several */

/* Buffers for a batch, where the link has none: their number, at most @n. Valid until flushed. */
unsigned udp_splice_buffers(struct iovec *iov, unsigned n);

/**
 * udp_splice_take() - a datagram that came to a listener, or several that the kernel joined
 * @port:	the listener's
 * @near:	peer: client; our: address and port it was sent to
 * @scope:	client's interface, if it is link-local
 * @p:		@len bytes of payload, which stay there until they are flushed
 * @gso:	size of each, 0: just one
 *
 * Return: false if it is not to be spliced; true also if it had to be dropped
 */
bool udp_splice_take(struct ctx *c, struct flow *port, const struct side *near, unsigned scope, void *p, size_t len,
		     uint16_t gso);

/* End of a batch */
void udp_splice_flush(struct ctx *c);

/* Flow is about to end: it takes its children with it, and leaves its parent's list */
void udp_splice_alone(struct ctx *c, struct flow *f);

/* Is that a socket of ours on the far side, where that is @side? */
bool udp_splice_is_own(const struct flows *fs, unsigned side, const struct end *e);

/* Verbs of udp_splice_flow: the flow's socket is readable, or it is its turn again */
void udp_splice_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events);
void udp_splice_resume(struct ctx *c, struct flow *f);

#endif /* UDP_SPLICE_H */
