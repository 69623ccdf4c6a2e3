/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_guest.c - TCP, from the guest to the host's socket: segments in, acknowledgments out
 *
 * Every byte inside the advertised window is taken: by the socket, the rest by the stash; behind a gap by tcp_gap.c,
 * until that is filled. The window offered is the socket's room, and a little more once it is half full: Linux lets a
 * send buffer grow only if it was found full. A guest far away is offered more (seg_fill()). Taken means acknowledged;
 * loss between the host and its peer is the host kernel's business.
 */
#include <errno.h>
#include <sys/socket.h>

#include "sock.h"
#include "tcp.h"
#include "tcp_buf.h"
#include "tcp_conn.h"
#include "tcp_gap.h"

/* Offered at once, to all flows that send much: the link's round trip is short, and more would wait in its queue, with
 * others behind it. Guests far away have a goal of their own.
 */
#define WINDOW_MAX	(512U << 10)
/* The same to each of several guests that send: links are read in turn, but an empty one passes. One with many flows
 * has this much on its way, by the least window of a flow; with less, another would have fewer turns.
 */
#define WINDOW_RIVAL	(2U << 20)
#define ROOM_STEP	(256U << 10)	/* bytes sent before SO_MEMINFO is read again */
#define TCP_CHALLENGE	100		/* ms between acknowledgments of empty segments out of the window */
#define BURST		7		/* 16ths of an empty socket's room: a third of its buffer, less 2 % */
#define GATHER_IOV	512		/* buffers of consecutive segments in one sendmsg() */
#define STASH_IOV	64		/* blocks in one sendmsg() */
#define DUPS_MAX	64		/* duplicate acknowledgments in a turn */
#define DISCARD_STEP	(256U << 10)	/* acknowledged bytes that may be left in the socket's queue */

/* Asks for EPOLLOUT unless it will come, or there is room: BLOCKED */
static void tcp_want_write(struct tcp *t)
{
	if (t->flags & TCPF_BLOCKED)
		return;
	t->burst = 0;
	if (!sock_want_write(t->sock))
		t->flags |= TCPF_BLOCKED;
}

/* Has the send buffer reached tcp_wmem's maximum? */
static bool tcp_grown(const struct tcp *t)
{
	return t->room_size >= WINDOW_MAX && t->room_size >= sock_wmem_max / 4 * 3;
}

/* May no more be sent before EPOLLOUT is asked for? That comes when a third of the buffer is free. On a long path with
 * the whole buffer in flight, acknowledgments come in trains, a third is sent for each third of a train, and the end of
 * a train that is less than a third waits for the next one, a round trip later. So no more than a third is sent for
 * each event, and nothing above the buffer's end: three of them are a train.
 */
static bool tcp_filled(const struct tcp *t)
{
	return tcp_grown(t) && (t->room < STASH_FLOW || (t->burst && t->burst < STASH_FLOW));
}

/* Of this batch's segments of one flow: payload in order, not sent yet; empty between calls */
static struct iovec gather_iov[GATHER_IOV];
static struct {
	unsigned	cnt;
	uint32_t	len;
	uint32_t	stamp;		/* newest timestamp for ts_recent, if @stamped */
	bool		stamped;
} gather;

uint32_t tcp_offer(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	uint32_t open = seq_lt(t->rcv_nxt, t->rcv_adv) ? t->rcv_adv - t->rcv_nxt : 0, extra, offer, room, most;

	if (tcp_in(t, TCPS_GUEST_FIN))
		return 0;
	if (t->flags & TCPF_HELD)
		return tcp_hold_offer(t);
	if (!tcp_synced(t))			/* 16 bits of a SYN's window: an empty socket and the stash hold that */
		return UINT16_MAX;

	/* The last answer is a lower bound, less bytes sent since. Asked now and then, the edge moves on steadily. */
	if (!(t->flags & TCPF_BLOCKED) &&
	    (!t->room_asked || t->room_asked - t->room >= MIN(ROOM_STEP, t->room_asked / 2)))
		t->room = t->room_asked = sock_room(t->sock, &t->room_size);

	if (tcp_filled(t))
		tcp_want_write(t);
	room = t->flags & TCPF_BLOCKED ? 0 : t->burst ? MIN(t->room, t->burst) : t->room;
	extra = t->stash_len + (open > room ? open - room : 0);

	/* Half full, or unknown; or so small that the guest would hold back less than a segment, until a timer of its
	 * own: Linux' segments are up to half of the largest window it was ever offered (RFC 9293 3.8.6.2.1)
	 */
	if (!tcp_grown(t) && (room <= t->room_size / 2 || room < 2U * t->rcv_mss))
		extra = MAX(extra, STASH_FLOW);
	if (!tcp_grown(t) && room < t->goal)	/* its buffer doesn't grow, as it is never full */
		extra = MAX(extra, t->goal - room);
	extra = stash_promise(t, extra);
	offer = room + (extra > t->stash_len ? extra - t->stash_len : 0);

	if (!offer)				/* no send failed, but there is no stash left: room must be announced */
		tcp_want_write(t);
	most = seg_share(&flow_guest(c, f)->senders, c->rivals.rounds ? WINDOW_RIVAL : WINDOW_MAX);
	most = MAX(most, t->goal);
	return MIN(offer, most);
}

/* Passes the guest's FIN on, once everything before it is */
static void tcp_shutdown(struct tcp *t)
{
	if (tcp_in(t, TCPS_GUEST_FIN) && !(t->flags & (TCPF_SHUT | TCPF_HELD)) && !t->stash_len) {
		shutdown(t->sock, SHUT_WR);
		t->flags |= TCPF_SHUT;
	}
}

/* Bytes the socket took; all of them if it is broken */
static uint32_t tcp_send(struct tcp *t, struct iovec *iov, unsigned cnt, uint32_t len)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = cnt };
	ssize_t n = UNINTERRUPTED(sendmsg(t->sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));

	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
		t->flags |= TCPF_ERROR;		/* and with that the error is off the socket: no event follows */
		return len;
	}
	n = MAX(n, 0);
	t->room -= MIN(t->room, (uint32_t)n);
	if (t->burst)				/* down to 1: 0 is no limit */
		t->burst -= MIN(t->burst - 1, (uint32_t)n);
	if ((uint32_t)n < len) {
		t->flags |= TCPF_BLOCKED;
		t->room = t->room_asked = 0;
	}
	return (uint32_t)n;
}

/* The socket has room again: for the stash, then for the FIN behind it */
void tcp_write(struct tcp *t)
{
	t->flags &= ~TCPF_BLOCKED;
	t->room_asked = 0;
	t->burst = tcp_grown(t) ? t->room_size / 16 * BURST : 0;
	while (t->stash_len && !(t->flags & TCPF_BLOCKED)) {
		struct iovec iov[STASH_IOV];
		uint32_t len;
		unsigned cnt = stash_iov(t, iov, ARRAY_SIZE(iov), &len);

		stash_drop(t, tcp_send(t, iov, cnt, len));
	}
	tcp_shutdown(t);
}

/* Sends the gathered bytes, the rest goes into the stash; bytes without room there are taken back, to come again */
static void gather_send(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	uint32_t left = gather.len, sent = 0;

	if (!(t->flags & TCPF_BLOCKED))
		sent = tcp_send(t, gather_iov, gather.cnt, gather.len);
	left -= sent;
	if (left)
		left -= stash_add(t, gather_iov, gather.cnt, sent, left);
	if (left) {
		t->rcv_nxt -= left;
		t->flags |= TCPF_ACK_NOW;
		drop_count(flow_guest(c, f), DROP_NO_RESOURCE);
	}
	flow_moved(&c->flows, f, GUEST, gather.len - left);
	gather.cnt = gather.len = 0;
}

/* Those of @len bytes from @seq on that were there already are reported (RFC 2883) */
static void tcp_duplicate(struct tcp *t, uint32_t seq, uint32_t len)
{
	uint32_t end = seq_lt(t->rcv_nxt, seq + len) ? t->rcv_nxt : seq + len;

	if (t->flags & TCPF_SACK && seq_lt(seq, end))
		gap_again(t, seq, end);
}

/* The guest's FIN, behind all that was taken (RFC 9293 3.10.7.4, eighth check) */
static void tcp_take_fin(struct flow *f)
{
	struct tcp *t = &f->tcp;

	gap_free(t);				/* nothing is behind it */
	t->rcv_nxt++;
	tcp_set_state(f, t->state == TCP_ESTABLISHED ? TCP_CLOSE_WAIT : TCP_CLOSING);
	tcp_shutdown(t);
}

/* A flow's bytes behind a gap are given up: the guest sends them again (RFC 2018 8) */
void tcp_gap_drop(struct ctx *c, struct flow *f)
{
	flow_guest(c, f)->count.tcp_gaps_dropped++;
	gap_free(&f->tcp);
}

/* Payload behind a gap that begins with number @seq, and FIN, as far as they are in the window. The flow whose gap was
 * filled least recently gives way. Return: false if nothing is kept
 */
static bool tcp_keep_behind(struct ctx *c, struct flow *f, const struct pkt *p, uint32_t seq)
{
	uint32_t room = seq_lt(seq, f->tcp.rcv_adv) ? f->tcp.rcv_adv - seq : 0;
	bool fin = p->tcp.flags & TCP_FIN && p->data.len <= room;
	struct view v = p->data;

	view_trim(&v, room);
	while (!gap_fits(f, seq, (uint32_t)v.len + fin)) {
		struct flow *oldest = gap_oldest();

		if (!oldest || oldest == f)
			return false;
		tcp_gap_drop(c, oldest);
	}
	return gap_add(f, seq, &v, fin, c->now);
}

/* A segment behind a gap: duplicate acknowledgments at once (RFC 5681 4.2), one for each segment of a super-packet, as
 * a guest without SACK counts them
 */
static void tcp_behind(struct ctx *c, struct flow *f, const struct pkt *p, uint32_t seq)
{
	uint32_t len = (uint32_t)p->data.len, n = p->off.gso ? DIV_ROUND_UP(len, p->off.gso) : 1;
	struct tcp *t = &f->tcp;

	t->flags |= TCPF_ACK_NOW;
	t->dups = (uint8_t)MIN(t->dups + n, DUPS_MAX);
	if (tcp_in(t, TCPS_GUEST_FIN) || !tcp_keep_behind(c, f, p, seq))
		drop_count(flow_guest(c, f), DROP_TCP_SEQ);
	else
		flow_guest(c, f)->count.tcp_out_of_order++;
}

/* Bytes of the gap came: those behind it follow, as far as they are in order. Each round sends some, or is the last. */
static void tcp_fill(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	uint32_t len, nxt, sent;

	t->flags |= TCPF_ACK_NOW;		/* RFC 5681 4.2 */
	gap_advance(t, c->now);
	do {
		if (!gap_filled(t))
			return;
		gather.cnt += gap_iov(t, gather_iov + gather.cnt, GATHER_IOV - gather.cnt, &len);
		sent = gather.len += len;
		nxt = t->rcv_nxt += len;
		if (sent)
			gather_send(c, f);	/* before the blocks are free */
		if (t->rcv_nxt != nxt) {	/* which took something back: all of it comes again */
			tcp_gap_drop(c, f);
			return;
		}
		if (gap_fin(t))
			tcp_take_fin(f);
		else
			gap_advance(t, c->now);
	} while (sent);
}

/* Payload of an acceptable segment, its first byte is number @seq, rcv_nxt or before: the new part is gathered */
static void tcp_take(struct ctx *c, struct flow *f, const struct pkt *p, uint32_t seq)
{
	uint32_t len = (uint32_t)p->data.len, nxt = f->tcp.rcv_nxt, skip, take;
	struct tcp *t = &f->tcp;
	struct view v = p->data;
	size_t got;

	take = seg_trim(seq, len, t->rcv_nxt, t->rcv_adv, &skip);
	t->rcv_mss = MAX(t->rcv_mss, p->off.gso ? p->off.gso : (uint16_t)MIN(len, UINT16_MAX));

	if (take < len) {			/* overlap, or beyond the window: answered at once */
		t->flags |= TCPF_ACK_NOW;
		tcp_duplicate(t, seq, len);
		if (!take)
			drop_count(flow_guest(c, f), DROP_TCP_SEQ);
		view_skip(&v, skip);
		view_trim(&v, take);
	}
	if (!take || tcp_in(t, TCPS_GUEST_FIN))
		return;

	if (GATHER_IOV - gather.cnt < v.cnt)
		gather_send(c, f);
	if (t->rcv_nxt != nxt)			/* which took something back: this is behind a gap, and comes again */
		return;
	gather.cnt += view_iov(&v, gather_iov + gather.cnt, GATHER_IOV - gather.cnt, &got);
	gather.len += (uint32_t)got;
	t->rcv_nxt += (uint32_t)got;
	if (t->gap)
		tcp_fill(c, f);
}

/* Acknowledged bytes leave the keep, and the socket's queue: in large steps, and before waiting for more */
static void tcp_discard(struct tcp *t)
{
	uint32_t una = t->snd_una, n;

	if (t->flags & TCPF_EOF && seq_lt(t->fin_seq, una))
		una = t->fin_seq;
	if (seq_le(t->sock_seq, una))
		keep_free(t);

	n = seq_lt(t->sock_seq, una) ? una - t->sock_seq : 0;
	if (n < DISCARD_STEP && t->snd_una != t->snd_max)
		return;
	while (n) {				/* urgent data cuts it */
		ssize_t done = sock_discard(t->sock, &t->peek_off, n);

		if (done < 0 && done != -EAGAIN)
			t->flags |= TCPF_ERROR;
		if (done <= 0)
			return;
		t->sock_seq += (uint32_t)done;
		n -= (uint32_t)done;
	}
}

/* Something was sent again by a timeout, and then acknowledged: the timeout is no longer doubled. A timestamp shows
 * which of them was answered, and so the round trip, to a tick above (RFC 7323 4.1); without one nothing does (RFC 6298
 * 3).
 */
static void tcp_time_again(const struct ctx *c, struct tcp *t, const struct tcp_seg *s)
{
	uint32_t ms = tcp_stamp(c, t) - s->tsecr + 1;

	if (s->ts && t->flags & TCPF_TS && ms <= SEG_RTO_MAX)
		seg_rtt(t, 1000 * ms);
	else
		t->rto = 0;
}

/* Acknowledgment of something new */
static void tcp_acked(struct ctx *c, struct flow *f, const struct tcp_seg *s)
{
	struct tcp *t = &f->tcp;
	uint32_t ack = s->ack;

	if (t->flags & TCPF_TIMED && seq_le(t->rtt_seq, ack)) {
		if (t->recover && recover_mended(t, ack))
			t->flags &= ~TCPF_TIMED;
		else
			tcp_timed(t, c->now_us);
	} else if (t->retries) {
		tcp_time_again(c, t, s);
	}

	if (t->flags & TCPF_HOLE)
		tcp_hole_passed(c, f);

	t->snd_una = ack;
	t->snd_nxt = seq_max(t->snd_nxt, ack);
	t->retries = t->dup_acks = 0;
	t->rtx_at = 0;
	t->flags &= ~(TCPF_TAIL | TCPF_FRESH);
	tcp_discard(t);

	if (t->state == TCP_FIN_WAIT_1 && t->snd_una == t->snd_max)
		tcp_set_state(f, TCP_FIN_WAIT_2);
}

/* The guest answered a probe, and doesn't have the tail. Without state it is the timeout's: with all sent again at
 * once, each answer would be followed by another probe, and no timeout would ever come.
 */
static void tcp_tail_lost(struct tcp *t)
{
	if (!recover_begin(t))
		return;
	t->flags &= ~TCPF_TAIL;
	t->rtx_at = 0;
	recover_lost(t);
}

/* Is it the first sign of a loss: a block behind a gap, or three duplicates of a guest without SACK? */
static bool tcp_sign(const struct tcp *t, const struct tcp_seg *s)
{
	if (t->flags & TCPF_SACK)
		return s->sacks && s->sack[0].from != t->snd_una && recover_block(t, s->sack[0].from, s->sack[0].to);
	return t->dup_acks == REORDER_MIN;
}

/* An acknowledgment of a flow that has lost something, or seems to; snd_una was @was before; @dup: RFC 5681 2 */
static void tcp_recover(struct ctx *c, struct flow *f, const struct pkt *p, uint32_t was, bool dup)
{
	struct tcp *t = &f->tcp;

	if (!t->recover && t->flags & TCPF_TAIL && !p->tcp.sacks) {
		if (!p->data.len)
			tcp_tail_lost(t);
		return;
	}
	if (t->snd_una == was && !(t->flags & TCPF_SACK) && !dup)
		return;
	if (!t->recover && !tcp_sign(t, &p->tcp))
		return;
	if (!recover_begin(t)) {
		if (t->dup_acks == REORDER_MIN)
			tcp_rewind(t);
		return;
	}
	/* Without SACK it is not known what arrived, and the timeout has to come: RFC 6298 5.3 */
	if (recover_ack(t, was, &p->tcp, c->now_us) && t->flags & TCPF_SACK) {
		t->flags &= ~TCPF_TAIL;
		if (!(t->flags & TCPF_EARLY))
			t->rtx_at = 0;
	}
	if (!(t->flags & TCPF_EARLY) && recover_waits(t))
		t->rtx_at = 0;
	flow_guest(c, f)->count.tcp_spurious += recover_undone(t);
}

/**
 * tcp_ack() - acknowledgment and window of an acceptable segment (RFC 9293 3.10.7.4, fifth check)
 *
 * Return: false if it acknowledges bytes that were never sent
 */
static bool tcp_ack(struct ctx *c, struct flow *f, const struct pkt *p)
{
	struct tcp *t = &f->tcp;
	uint32_t wnd = (uint32_t)p->tcp.win << (p->tcp.flags & TCP_SYN ? 0 : t->snd_wscale);
	uint32_t was = t->snd_una, ack = p->tcp.ack;
	bool dup = false;

	if (!sock_features.peek_off)		/* what is sent again is behind all of that in the queue */
		wnd = MIN(wnd, SOCK_PASS - DISCARD_STEP);
	if (seq_lt(t->snd_max, ack)) {
		t->flags |= TCPF_ACK_NOW;
		drop_count(flow_guest(c, f), DROP_TCP_SEQ);
		return false;
	}
	if (seq_lt(ack, t->snd_una))		/* an old one */
		return true;

	if (ack != t->snd_una) {
		tcp_acked(c, f, &p->tcp);
	} else if (!p->data.len && !(p->tcp.flags & TCP_FIN) && wnd == t->snd_wnd && wnd && t->snd_una != t->snd_max &&
		   !(tcp_in(t, TCPS_FIN_SENT) && t->snd_una == t->fin_seq)) {
		/* Duplicate (RFC 5681 2); three of them are a loss. A FIN that is alone in flight has its timer. */
		dup = true;
		t->dup_acks += t->dup_acks < UINT8_MAX;
	}
	if (t->recover || p->tcp.sacks || dup || t->flags & TCPF_TAIL)
		tcp_recover(c, f, p, was, dup);
	if (!t->snd_wnd && wnd && t->snd_una == t->snd_max)
		t->rtx_at = 0;			/* the window is open again: no more probes */
	if (t->snd_wnd && !wnd)
		flow_guest(c, f)->count.tcp_stalls++;
	t->snd_wnd = wnd;
	return true;
}

/* Is a segment with a timestamp older than others that came? If not, and it is acceptable, its timestamp counts (RFC
 * 7323 4.3), from the next batch on: sorting may have put a segment that was sent again before others, which are older,
 * and must pass PAWS.
 */
static bool tcp_old(const struct tcp *t, const struct pkt *p, bool acceptable)
{
	if (!(t->flags & TCPF_TS))
		return false;
	if (acceptable && seq_le(p->tcp.seq, t->rcv_acked) &&
	    !seq_lt(p->tcp.tsval, gather.stamped ? gather.stamp : t->ts_recent)) {
		gather.stamp = p->tcp.tsval;
		gather.stamped = true;
	}
	return seq_lt(p->tcp.tsval, t->ts_recent);
}

/* Acknowledgment of our SYN, by number @ack. Return: false if ours is not acknowledged yet, and not by that */
static bool tcp_syn_acked(struct flow *f, uint32_t ack)
{
	struct tcp *t = &f->tcp;

	if (tcp_synced(t))
		return true;
	if (ack != t->snd_max)
		return false;
	t->sock_seq = t->snd_max;
	t->flags &= ~TCPF_ASK;
	tcp_set_state(f, TCP_ESTABLISHED);
	return true;
}

/* RST, SYN, segments out of the window, or older than others that came (PAWS: RFC 7323 5.2; a guest that is silent is
 * probed, which renews ts_recent long before it is 24 days old). Return: true if nothing of @p is left to be done
 */
static bool tcp_control(struct ctx *c, struct flow *f, const struct pkt *p)
{
	uint32_t len = (uint32_t)p->data.len + !!(p->tcp.flags & TCP_FIN) + !!(p->tcp.flags & TCP_SYN);
	uint8_t flags = p->tcp.flags;
	struct tcp *t = &f->tcp;
	bool old = false, outside;

	if (flags & TCP_RST) {			/* RFC 5961 3.2 */
		if (p->tcp.seq == t->rcv_nxt) {
			flow_guest(c, f)->count.tcp_resets_received++;
			tcp_abort(c, f, false);
		} else {
			if (seg_acceptable(p->tcp.seq, len, t->rcv_nxt, t->rcv_adv))
				t->flags |= TCPF_ACK_NOW;
			drop_count(flow_guest(c, f), DROP_TCP_SEQ);
		}
		return true;
	}
	if (flags & TCP_SYN) {			/* RFC 5961 4.2; in SYN-RECEIVED it is ours that was lost */
		if (t->state == TCP_SYN_RCVD && p->tcp.seq == t->rcv_nxt - 1) {
			t->flags = (t->flags & ~TCPF_TIMED) | TCPF_ASK;
			t->retries = MAX(t->retries, 1);	/* ours is sent again: Karn's rule */
		} else {
			t->flags |= TCPF_ACK_NOW;
		}
		return true;
	}
	if (!(flags & TCP_ACK)) {
		drop_count(flow_guest(c, f), DROP_TCP_STATE);
		return true;
	}
	outside = !seg_acceptable(p->tcp.seq, len, t->rcv_nxt, t->rcv_adv);
	if (p->tcp.ts)
		old = tcp_old(t, p, !outside);
	if (old || outside) {
		/* Keep-alive and window probes, retransmissions, segments beyond the window. RFC 9293 3.10.7.4 lets
		 * ACK, and RST, through a window that is shut. Two ends out of step must not echo for ever.
		 */
		if (len || (uint32_t)c->now - t->challenged_at >= TCP_CHALLENGE) {
			t->flags |= TCPF_ACK_NOW;
			t->challenged_at = (uint32_t)c->now;
		}
		tcp_duplicate(t, p->tcp.seq, (uint32_t)p->data.len);
		if (p->tcp.seq == t->rcv_nxt && !old && tcp_syn_acked(f, p->tcp.ack))
			tcp_ack(c, f, p);
		else
			drop_count(flow_guest(c, f), DROP_TCP_SEQ);
		return true;
	}
	return false;
}

/* The guest's answer to our SYN: true if it is SYN,ACK */
static bool tcp_syn_answered(struct ctx *c, struct flow *f, const struct pkt *p)
{
	bool ack_ok = p->tcp.flags & TCP_ACK && p->tcp.ack == f->tcp.snd_max;

	if (p->tcp.flags & TCP_RST) {
		if (ack_ok) {
			flow_guest(c, f)->count.tcp_refused++;
			flow_guest(c, f)->count.tcp_resets_received++;
			tcp_abort(c, f, false);	/* refused: the host's peer gets RST, too */
		}
		return false;
	}
	if (p->tcp.flags & TCP_ACK && !ack_ok) {
		tcp_reply_rst(c, flow_guest(c, f), p);
		return false;
	}
	if (!ack_ok || !(p->tcp.flags & TCP_SYN)) {
		drop_count(flow_guest(c, f), DROP_TCP_STATE);
		return false;
	}
	tcp_take_syn(c, f, p);
	f->tcp.flags |= TCPF_ACK_NOW;
	return true;
}

/* Payload that begins with number @seq, and the FIN behind it (RFC 9293 3.10.7.4, seventh and eighth check) */
static void tcp_text(struct ctx *c, struct flow *f, const struct pkt *p, uint32_t seq)
{
	uint32_t end = seq + (uint32_t)p->data.len;
	bool fin = p->tcp.flags & TCP_FIN;
	struct tcp *t = &f->tcp;

	if (seq_lt(t->rcv_nxt, seq)) {
		if (end != seq || fin)
			tcp_behind(c, f, p, seq);
		return;
	}
	if (end != seq)
		tcp_take(c, f, p, seq);
	if (!fin)
		return;
	if (gather.len && end == t->rcv_nxt)
		gather_send(c, f);		/* which may take something back */
	if (!tcp_in(t, TCPS_GUEST_FIN) && end == t->rcv_nxt)
		tcp_take_fin(f);
	else
		t->flags |= TCPF_ACK_NOW;
}

static void tcp_segment(struct ctx *c, struct flow *f, const struct pkt *p)
{
	struct tcp *t = &f->tcp;

	t->heard_at = c->now;
	t->flags &= ~TCPF_PROBED;
	if (!t->snd_wnd || t->snd_una == t->snd_max)	/* probe answered: a window may stay shut, RFC 9293 3.8.6.1 */
		t->retries = 0;
	if (t->state == TCP_CONNECTING) {	/* SYN again, or the guest gave up */
		if (p->tcp.flags & TCP_RST) {
			flow_guest(c, f)->count.tcp_resets_received++;
			tcp_end(c, f);
		}
		return;
	}
	if (t->state == TCP_SYN_SENT ? !tcp_syn_answered(c, f, p) : tcp_control(c, f, p))
		return;

	if (!tcp_syn_acked(f, p->tcp.ack)) {
		tcp_reply_rst(c, flow_guest(c, f), p);
		return;
	}
	if (tcp_ack(c, f, p))			/* data may come with SYN,ACK: RFC 9293 3.10.7.3, fourth check */
		tcp_text(c, f, p, p->tcp.seq + !!(p->tcp.flags & TCP_SYN));
}

/* Within a batch, order does not matter: first segment of the chain at @head in the order of sequence numbers */
static uint16_t tcp_order(const struct tcp *t, struct pkt *pkts, uint16_t head)
{
	uint32_t nxt = t->rcv_nxt;
	uint16_t i = head;

	if (pkts[head].next == PKT_NEXT_NONE || t->state == TCP_CONNECTING)
		return head;
	if (t->state == TCP_SYN_SENT) {		/* its number is known by the guest's answer */
		while (i != PKT_NEXT_NONE &&
		       (~pkts[i].tcp.flags & (TCP_SYN | TCP_ACK) || pkts[i].tcp.ack != t->snd_max))
			i = pkts[i].next;
		if (i == PKT_NEXT_NONE)
			return head;
		nxt = pkts[i].tcp.seq + 1;
	}
	return seg_sort(pkts, head, nxt, t->state == TCP_SYN_RCVD);
}

/* Another SYN while connect() is under way, and not the same again: a program that counts hops goes on to the next, or
 * the guest has a new connection. This one ends, and @p starts another.
 */
static bool tcp_replaced(struct ctx *c, struct flow *f, const struct pkt *p)
{
	const struct tcp *t = &f->tcp;

	if (t->state != TCP_CONNECTING || (p->tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN ||
	    (p->ttl == t->ttl && p->tcp.seq + 1 == t->rcv_nxt))
		return false;
	tcp_end(c, f);
	return true;
}

uint16_t tcp_input(struct ctx *c, struct flow *f, struct pkt *pkts)
{
	uint16_t i = tcp_order(&f->tcp, pkts, f->batch_head);
	uint64_t before = f->bytes[GUEST];
	uint32_t edge;
	bool far;

	f->batch_head = f->batch_tail = PKT_NEXT_NONE;
	do {
		if (tcp_replaced(c, f, &pkts[i]))
			return i;
		tcp_segment(c, f, &pkts[i]);
		i = pkts[i].next;
	} while (i != PKT_NEXT_NONE && !f->dead && !tcp_finished(&f->tcp));

	if (gather.stamped)
		f->tcp.ts_recent = gather.stamp;
	gather.stamped = false;
	if (f->dead) {
		gather.cnt = gather.len = 0;
		return i;
	}
	if (gather.len)
		gather_send(c, f);
	if (f->tcp.flags & TCPF_HELD && !tcp_hold_read(c, f))
		return i;
	if (f->bytes[GUEST] != before &&
	    seg_count(&flow_guest(c, f)->senders, &f->tcp.sender, (uint32_t)(f->bytes[GUEST] - before)))
		seg_compete(&c->rivals, &flow_guest(c, f)->senders);
	far = f->tcp.rtt_min >= SEG_FAR / SEG_RTT_UNIT;
	if (far)
		seg_fill(&f->tcp, gap_end(&f->tcp), (uint32_t)c->now_us);
	edge = f->tcp.rcv_adv;
	tcp_turn_end(c, f, false);
	if (far && f->tcp.rcv_adv != edge)
		seg_fill_next(&f->tcp, gap_end(&f->tcp), (uint32_t)c->now_us);
	return i;
}
