/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_conn.h - what tcp.c (life of a connection), tcp_guest.c (from the guest) and tcp_host.c (to the guest) share */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include "tcp.h"
#include "tcp_seg.h"

#define TCPF_READABLE	0x0001	/* socket has bytes, or its end, that were not seen yet */
#define TCPF_RDHUP	0x0002	/* host's peer is done sending: nothing comes behind what is queued */
#define TCPF_EOF	0x0004	/* all of it was seen: @fin_seq is set */
#define TCPF_FIN_SENT	0x0008
#define TCPF_GUEST_FIN	0x0010	/* guest's FIN was taken */
#define TCPF_SHUT	0x0020	/* and passed on: shutdown(SHUT_WR) */
#define TCPF_ACK_NOW	0x0040	/* acknowledgment due at the end of the batch */
#define TCPF_BLOCKED	0x0080	/* socket full: EPOLLOUT will come */
#define TCPF_BULK	0x0100	/* answers come in more than KEEP_SIZE bytes */
#define TCPF_URGENT	0x0200	/* a short read does not mean an empty queue: it stops at urgent data */
#define TCPF_ERROR	0x0400	/* socket is broken: reset once what it had is delivered */
#define TCPF_PROBED	0x0800	/* idle: keep-alive probes under way */
#define TCPF_FAR	0x1000	/* it is not the guest's own: somebody behind it, whose packets it passes on */

#define TCP_TTL		64		/* Linux' default: with all of it left, nobody has routed the packet */

/* Times in ms */
#define TCP_RTO_INIT	1000		/* RFC 6298 2.1; round trips to the guest are not measured: the link loses nothing */
#define TCP_RTO_MAX	60000		/* RFC 6298 2.4 */
#define TCP_RETRIES	15		/* more than RFC 9293 3.8.3's R2 of 100 s */
#define TCP_SYN_RETRIES	7		/* at least 3 minutes, RFC 9293 3.8.3 */
#define TCP_ACK_DELAY	10
#define TCP_CHALLENGE	100		/* acknowledgments of empty segments out of the window: not more often */
#define TCP_IDLE	(124 * 60000)	/* RFC 5382 REQ-5: 2 h 4 min */
#define TCP_PROBE_EVERY	75000
#define TCP_PROBES	9

#define TCP_WSCALE	8		/* windows of up to 16 MiB, in steps of 256 bytes */

/* tcp.c */
void tcp_set_state(struct flow *f, enum tcp_state state);
void tcp_end(struct ctx *c, struct flow *f);			/* orderly: both sides are done */
bool tcp_done(struct ctx *c, struct flow *f);			/* ends the flow if both sides are done: true if so */
void tcp_arm(struct ctx *c, struct flow *f);			/* ends a turn: timer for what is next, or the end if it broke */
void tcp_reply_rst(struct ctx *c, struct guest *g, const struct pkt *p);	/* to a segment without a flow */

/* What the guest's SYN says of segments to it */
void tcp_set_segment(struct ctx *c, struct flow *f, const struct pkt *p);

/* tcp_guest.c: to the host's socket */
bool tcp_write(struct ctx *c, struct flow *f);			/* socket has room: stash, then FIN; false: the flow is gone */
void tcp_ack_due(struct ctx *c, struct flow *f);		/* sends, or schedules, what the guest is owed */
uint32_t tcp_offer(const struct senders *s, struct tcp *t);	/* bytes from the guest there is room for */

/* tcp_host.c: to the guest */
bool tcp_emit(struct ctx *c, struct flow *f, uint8_t flags, uint32_t seq, struct frame *fr);
void tcp_push(struct ctx *c, struct flow *f);
void tcp_size(struct ctx *c, struct flow *f);			/* of segments, by the guest's MSS and the path's MTU */

/* The same at once for a flow that has little to say; for one that moves much, when others had their turn */
static inline void tcp_push_soon(struct ctx *c, struct flow *f)
{
	if (!(f->tcp.flags & TCPF_BULK))
		tcp_push(c, f);
	else if (f->wait == WAIT_NONE)
		flow_wait(&c->flows, f, WAIT_READY);
}
void tcp_probe(struct ctx *c, struct flow *f);
bool tcp_synced(const struct tcp *t);

#endif /* TCP_CONN_H */
