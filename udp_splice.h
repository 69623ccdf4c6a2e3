/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_splice.h - datagrams that are local on both sides move from socket to socket, and never see the guest's link
 *
 * udp.c receives what comes to listeners. What udp_splice_wants() is taken, and sent when the batch is complete, from
 * where it is. Answers are received and sent here.
 */
#ifndef UDP_SPLICE_H
#define UDP_SPLICE_H

#include "ctx.h"
#include "dgram.h"

/**
 * udp_splice_wants() - is a message that came to a listener one that is spliced?
 * @port:	the listener's
 * @near:	peer: client; our: address and port it was sent to
 * @to:		filled in: where it leads
 */
bool udp_splice_wants(const struct ctx *c, const struct flow *port, const struct side *near, const struct dgram *d,
		      struct side *to);

/* Takes it, and sends all that was taken at the end of the batch; udp_splice_flush() returns their number */
void udp_splice_take(struct ctx *c, struct flow *port, const struct side *near, const struct side *to,
		     const struct dgram *d);
unsigned udp_splice_flush(struct ctx *c);

/* Flow is about to end: it takes its children with it, and leaves its parent's list */
void udp_splice_alone(struct ctx *c, struct flow *f);

/* Is that a socket of ours on the far side, where that is @side? */
bool udp_splice_is_own(const struct flows *fs, unsigned side, const struct end *e);

/* Verb of udp_splice_flow: the flow's socket is readable, or it is its turn again */
void udp_splice_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events);

#endif /* UDP_SPLICE_H */
