/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_conn.h - shared by tcp.c (life of a connection), tcp_guest.c (from the guest) and tcp_host.c (to the guest) */
#ifndef TCP_CONN_H
#define TCP_CONN_H

#include "ctx.h"
#include "tcp_recover.h"
#include "tcp_seg.h"

#define TCPF_READABLE	0x0001U	/* socket has bytes, or its end, that were not seen yet */
#define TCPF_RDHUP	0x0002U	/* host's peer is done sending: nothing comes behind the queue */
#define TCPF_EOF	0x0004U	/* all of it was seen: @fin_seq is set */
#define TCPF_SHUT	0x0008U	/* guest's FIN was passed on: shutdown(SHUT_WR) */
#define TCPF_ACK_NOW	0x0010U	/* acknowledgment due at the end of the turn */
#define TCPF_ASK	0x0020U	/* SYN, SYN,ACK or, once connected, a probe due then: the guest has to answer */
#define TCPF_BLOCKED	0x0040U	/* socket full: EPOLLOUT will come */
#define TCPF_BULK	0x0080U	/* answers come in more than KEEP_SIZE bytes */
#define TCPF_URGENT	0x0100U	/* a short read does not mean an empty queue: it stops at urgent data */
#define TCPF_EPOLLERR	0x0200U	/* socket may be broken: SO_ERROR is read after its data, as a read may report it */
#define TCPF_ERROR	0x0400U	/* it is: reset once its data is delivered */
#define TCPF_PROBED	0x0800U	/* idle: keep-alive probes under way */
#define TCPF_FAR	0x1000U	/* of a host behind the guest, which passes its packets on */
#define TCPF_TS		0x2000U	/* each segment has timestamps (RFC 7323) */
#define TCPF_SACK	0x4000U	/* both ends know SACK (RFC 2018) */
#define TCPF_TIMED	0x8000U	/* round trip under way: @rtt_seq, @rtt_at */
#define TCPF_TAIL	0x10000U /* tail was probed for, and nothing arrived since */
#define TCPF_PTO	0x20000U /* @rtx_at is a tail loss probe's (RFC 8985 7) */
#define TCPF_EARLY	0x40000U /* @rtx_at is that of segments that may be late, or lost (RFC 8985 6.3) */
#define TCPF_HOLE	0x80000U	/* smaller segments are tried, as full ones vanish: none was acknowledged yet */
#define TCPF_FRESH	0x100000U /* something was sent since the last acknowledgment of something new */
#define TCPF_HELD	0x200000U /* nothing passes until the guest's first bytes are judged (tcp_hold.c): BLOCKED */

/* Sets of states for tcp_in(): the guest's FIN was taken; ours was sent */
#define TCPS_GUEST_FIN	(1U << TCP_CLOSE_WAIT | 1U << TCP_CLOSING | 1U << TCP_LAST_ACK)
#define TCPS_FIN_SENT	(1U << TCP_FIN_WAIT_1 | 1U << TCP_FIN_WAIT_2 | 1U << TCP_CLOSING | 1U << TCP_LAST_ACK)

#define TCP_TTL		64		/* Linux' default: a packet with all of it left was not routed */

/* Number of the guest's and ours, on each segment that goes to it: ticks of 1 ms (RFC 7323 5.4) */
static inline uint32_t tcp_stamp(const struct ctx *c, const struct tcp *t)
{
	return t->ts_off + (uint32_t)c->now;
}

/* Bytes of a segment's header that its MSS doesn't count (RFC 6691) */
static inline uint16_t tcp_opts_len(const struct tcp *t)
{
	return t->flags & TCPF_TS ? TCP_TS_LEN : 0;
}

/* SACK blocks that fit a segment's header, which has 40 bytes of options, and the smallest MTU */
static inline unsigned tcp_sacks_max(const struct tcp *t)
{
	return t->flags & TCPF_SACK ? MIN(TCP_SACKS - !!(t->flags & TCPF_TS), (t->mss - 4U) / 8) : 0;
}

static inline bool tcp_in(const struct tcp *t, unsigned states)
{
	return states >> t->state & 1;
}

static inline bool tcp_synced(const struct tcp *t)
{
	return t->state >= TCP_ESTABLISHED;
}

/* Bytes that may be sent now: there are some, or there may be, and the guest's window has room for as many */
static inline uint32_t tcp_sendable(const struct tcp *t)
{
	uint32_t edge = t->snd_una + t->snd_wnd;
	bool some = t->flags & TCPF_EOF ? seq_lt(t->snd_nxt, t->fin_seq) :
					  t->flags & TCPF_READABLE || seq_lt(t->snd_nxt, t->snd_max);

	if (!some || !seq_lt(t->snd_nxt, edge))
		return 0;
	return t->recover ? recover_new(t, edge - t->snd_nxt) : edge - t->snd_nxt;
}

/* Are there lost bytes, and may they be sent now? */
static inline bool tcp_lost(const struct tcp *t)
{
	return t->recover && recover_due(t);
}

/* Is it our FIN's turn to be sent? */
static inline bool tcp_fin_due(const struct tcp *t)
{
	return t->flags & TCPF_EOF && t->snd_nxt == t->fin_seq;
}

/* Both FINs have arrived */
static inline bool tcp_finished(const struct tcp *t)
{
	return t->flags & TCPF_SHUT && tcp_in(t, TCPS_FIN_SENT) && t->snd_una == t->snd_max;
}

/* The round trip of the number before @snd_max is measured, unless another one is */
static inline void tcp_time(const struct ctx *c, struct tcp *t)
{
	if (t->flags & TCPF_TIMED)
		return;
	t->flags |= TCPF_TIMED;
	t->rtt_seq = t->snd_max;
	t->rtt_at = (uint32_t)c->now_us;
}

/* It has arrived; @now: us */
static inline void tcp_timed(struct tcp *t, uint64_t now)
{
	uint32_t us = (uint32_t)now - t->rtt_at;

	t->flags &= ~TCPF_TIMED;
	seg_rtt(t, us);
	if (t->recover)
		recover_rtt(t, us);
}

/* All that is in flight is lost: it is sent again, and its timer starts anew */
static inline void tcp_rewind(struct tcp *t)
{
	t->flags &= ~TCPF_TIMED;		/* Karn's rule: RFC 6298 3 */
	t->snd_nxt = t->snd_una;
	t->rtx_at = 0;
}

/* Is there news that only an acknowledgment without data has, of a gap or a duplicate? */
static inline bool tcp_reports(const struct tcp *t)
{
	return t->gap || t->again_seq != t->again_end;
}

/* A flow that moves much sends when others had their turn */
static inline void tcp_push_later(struct ctx *c, struct flow *f)
{
	if (f->wait == WAIT_NONE)
		flow_wait(&c->flows, f, WAIT_READY);
}

/* tcp.c */
void tcp_set_state(struct flow *f, enum tcp_state state);
void tcp_take_syn(struct ctx *c, struct flow *f, const struct pkt *p);	/* the guest's SYN, or SYN,ACK */
void tcp_reply_rst(struct ctx *c, struct guest *g, const struct pkt *p);	/* to a segment without a flow */
void tcp_end(struct ctx *c, struct flow *f);			/* orderly: both sides are done */
void tcp_abort(struct ctx *c, struct flow *f, bool tell_guest);	/* RST to the host's peer, and to the guest if so */
void tcp_turn_end(struct ctx *c, struct flow *f, bool now);

/* tcp_guest.c: to the host's socket */
void tcp_write(struct tcp *t);
uint32_t tcp_offer(struct ctx *c, struct flow *f);		/* bytes from the guest there is room for */
void tcp_gap_drop(struct ctx *c, struct flow *f);

/* tcp_hold.c: first bytes, while TCPF_HELD is set */
void tcp_hold(struct flow *f);					/* sets it for a new flow whose names matter */
bool tcp_hold_begin(struct tcp *t);				/* its SYN,ACK is due; false: no room for its bytes */
uint32_t tcp_hold_offer(const struct tcp *t);
uint64_t tcp_hold_due(const struct ctx *c, const struct tcp *t);	/* ms: tcp_hold_late() then */
void tcp_hold_late(struct ctx *c, struct flow *f);
bool tcp_hold_read(struct ctx *c, struct flow *f);		/* bytes or FIN came; false: that was its end */

/* tcp_host.c: to the guest */
bool tcp_emit(struct ctx *c, struct flow *f, uint8_t flags, uint32_t seq, struct frame *fr, uint32_t offer);
void tcp_push(struct ctx *c, struct flow *f, uint32_t offer);
void tcp_size(struct ctx *c, struct flow *f);			/* of segments, by the guest's MSS and the path's MTU */
void tcp_black_hole(struct ctx *c, struct flow *f);
void tcp_hole_passed(struct ctx *c, struct flow *f);

#endif /* TCP_CONN_H */
