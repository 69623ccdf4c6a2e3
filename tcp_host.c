/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_host.c - TCP, from the host's socket to the guest: the one push and the one emit function
 *
 * Bytes in flight stay in the socket's receive queue, and are only peeked at: the queue is the retransmission buffer,
 * from @sock_seq on. Acknowledged bytes are dropped from it (tcp_guest.c). A short answer is read off the queue at
 * once, into the keep, which saves the calls to find the queue empty and to drop it later:
 *
 *	snd_una         sock_seq                      snd_nxt, snd_max
 *	   |- in the keep -|- peeked at, in flight, or lost -|- not sent yet ...
 *
 * tcp_recover.c has what is lost. Without its state, all is: snd_nxt goes back to snd_una (tcp_rewind()).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "sock.h"
#include "tcp.h"
#include "tcp_buf.h"
#include "tcp_conn.h"
#include "tcp_gap.h"

#define PUSH_FRAMES	32		/* frames filled by one recvmsg() */
#define PUSH_IOV	SOCK_IOV	/* and buffers: the link's own may be small */
#define PUSH_BYTES	(256U << 10)	/* and bytes: still in the cache when they are written to the link */
#define PUSH_TURN	(256U << 10)	/* bytes, before other flows get their turn */

/* @n frames were reserved; 0: there are none on the link, and the flow is on the stalled list */
static unsigned tcp_reserved(struct ctx *c, struct flow *f, unsigned n)
{
	if (!n)
		flow_wait(&c->flows, f, WAIT_STALLED);
	return n;
}

/* One frame with room for @len bytes, or none, and the same */
static unsigned tcp_reserve(struct ctx *c, struct flow *f, struct frame **fr, size_t len, enum tap_how how)
{
	return tcp_reserved(c, f, tap_reserve(&flow_guest(c, f)->tap, fr, 1, len, how));
}

/* At most @n frames, @len bytes of data in each */
static unsigned tcp_reserve_data(struct ctx *c, struct flow *f, struct frame **fr, unsigned n, size_t len)
{
	size_t hdr = net_hdr_len(addr_is_v4(&f->side[GUEST].our.a), TCP_HLEN + tcp_opts_len(&f->tcp));

	return tcp_reserved(c, f, tap_reserve_exact(&flow_guest(c, f)->tap, fr, n, len, hdr));
}

/**
 * tcp_emit() - the one place segments to the guest come from
 * @flags:	TCP_SYN, TCP_FIN, TCP_RST, TCP_PSH, TCP_ACK
 * @fr:		reserved frame with payload, or NULL for none
 * @offer:	bytes from the guest there is room for, from tcp_offer()
 *
 * Return: false if there was no slot on the link: the flow is on the stalled list, and resumed when there is one
 */
bool tcp_emit(struct ctx *c, struct flow *f, uint8_t flags, uint32_t seq, struct frame *fr, uint32_t offer)
{
	struct tcp_seg s = { .seq = seq, .flags = flags, .wscale = TCP_WSCALE_NONE };
	const struct side *gs = &f->side[GUEST];
	struct guest *g = flow_guest(c, f);
	struct tcp *t = &f->tcp;
	struct net_hdr n;
	bool data = fr, reports;

	if (!fr && !tcp_reserve(c, f, &fr, 0, flags & TCP_RST ? TAP_LAST : TAP_ANY))
		return false;

	if (flags & TCP_SYN) {
		s.mss = seg_mss(c->net.cf->mtu, addr_is_v4(&gs->our.a));
		if (t->rcv_wscale)
			s.wscale = t->rcv_wscale;
		s.sack_ok = t->flags & TCPF_SACK;
	}
	if (t->flags & TCPF_TS) {
		s.ts = true;
		s.tsval = tcp_stamp(c, t);
		s.tsecr = flags & TCP_ACK ? t->ts_recent : 0;
	}
	if (!(flags & TCP_RST))
		s.win = seg_window(t->rcv_nxt, offer, flags & TCP_SYN ? 0 : t->rcv_wscale, &t->rcv_adv);
	if (flags & TCP_ACK) {
		s.ack = t->rcv_nxt;
		t->rcv_acked = t->rcv_nxt;
		t->ack_at = 0;
		reports = tcp_reports(t);
		if (reports && !data)
			s.sacks = (uint8_t)gap_blocks(t, s.sack, tcp_sacks_max(t));
		if (!reports || !data)
			t->flags &= ~TCPF_ACK_NOW;
	}

	n = guest_hdr(c, g, &gs->our, &gs->peer);
	frame_tcp(fr, &n, &s, t->mss, &g->tap.caps);
	tap_commit(&g->tap, fr);
	return true;
}

/* Sequence space before @end is used up now */
static void tcp_sent(struct tcp *t, uint32_t end)
{
	if (seq_lt(t->snd_nxt, end))
		t->snd_nxt = end;
	if (!seq_lt(t->snd_max, end))
		return;
	if (t->recover)
		recover_sent(t, end - t->snd_max);
	t->snd_max = end;
}

static void tcp_fin_sent(struct flow *f)
{
	struct tcp *t = &f->tcp;

	if (!tcp_in(t, TCPS_FIN_SENT))
		tcp_set_state(f, t->state == TCP_ESTABLISHED ? TCP_FIN_WAIT_1 : TCP_LAST_ACK);
	tcp_sent(t, t->fin_seq + 1);
}

/* The FIN goes with the last byte: flag for a segment that ends before number @end */
static uint8_t tcp_fin_next(struct flow *f, uint32_t end)
{
	if (!(f->tcp.flags & TCPF_EOF) || end != f->tcp.fin_seq)
		return 0;
	tcp_fin_sent(f);
	return TCP_FIN;
}

static void tcp_count_again(struct ctx *c, struct flow *f, uint32_t len)
{
	flow_guest(c, f)->count.tcp_retransmissions += DIV_ROUND_UP(len, f->tcp.mss);
}

/* One frame with @len bytes of data from number @seq on, and with FIN if nothing follows */
static inline void tcp_push_frame(struct ctx *c, struct flow *f, struct frame *fr, uint32_t seq, uint32_t len,
				  uint8_t flags, uint32_t offer)
{
	fr->len = len;
	flags |= tcp_fin_next(f, seq + len);
	tcp_emit(c, f, flags, seq, fr, offer);
	tcp_sent(&f->tcp, seq + len);
}

/* Bytes from the keep again, as they have left the socket's queue. Return: number of bytes, 0 if the link is full */
static uint32_t tcp_push_keep(struct ctx *c, struct flow *f, uint32_t seq, uint32_t wnd, uint32_t offer)
{
	struct tcp *t = &f->tcp;
	uint32_t left = t->sock_seq - seq, len = MIN(MIN(left, wnd), t->mss);
	uint8_t flags = TCP_ACK | (len == left || len == wnd ? TCP_PSH : 0);
	struct frame *fr;

	if (!tcp_reserve(c, f, &fr, len, TAP_ANY))
		return 0;
	memcpy(fr->pay[0].iov_base, keep_data(t) + t->keep_len - left, len);
	tcp_count_again(c, f, len);
	tcp_push_frame(c, f, fr, seq, len, flags, offer);
	return len;
}

/* State of the queue behind a read of @got bytes, with room for @want. The FIN comes behind all bytes of the peer. */
static inline void tcp_seen(struct tcp *t, ssize_t got, uint32_t want)
{
	bool empty = got == -EAGAIN || (got > 0 && !(t->flags & TCPF_URGENT));

	if (got == (ssize_t)want)
		return;
	if (got == -EAGAIN && t->flags & TCPF_URGENT && !sock_features.peek_off && t->snd_nxt != t->sock_seq)
		return;			/* no peeking past urgent data: there is more once this is acknowledged */
	if (got > 0 && !empty)
		return;

	t->flags &= ~TCPF_READABLE;
	if (t->flags & TCPF_ERROR && got <= 0)	/* it was read already: this is not the end */
		return;
	if (!got || (empty && t->flags & TCPF_RDHUP)) {
		t->flags |= TCPF_EOF | TCPF_RDHUP;
		t->fin_seq = t->snd_nxt + (uint32_t)MAX(got, 0);
	} else if (!empty) {
		t->flags |= TCPF_ERROR;
	}
}

/* A short answer is taken off the queue at once, up to @room bytes, and kept. Return: bytes sent, 0: nothing more now,
 * or the link is full
 */
static uint32_t tcp_push_short(struct ctx *c, struct flow *f, uint32_t room, uint32_t offer)
{
	struct tcp *t = &f->tcp;
	struct frame *fr;
	ssize_t got;

	if (!tcp_reserve(c, f, &fr, room, TAP_ANY))
		return 0;
	got = UNINTERRUPTED(recv(t->sock, fr->pay[0].iov_base, room, MSG_DONTWAIT));
	if (got < 0)
		got = -errno;
	tcp_seen(t, got, room);
	if (got <= 0) {
		tap_unreserve(&flow_guest(c, f)->tap, &fr, 1);
		return 0;
	}
	keep_store(t, fr->pay[0].iov_base, (uint32_t)got);
	t->sock_seq += (uint32_t)got;
	if (t->peek_off != PEEK_OFF_NONE)
		t->peek_off -= MIN(t->peek_off, (uint32_t)got);
	if ((uint32_t)got == room)
		t->flags |= TCPF_BULK;
	flow_moved(&c->flows, f, HOST, (size_t)got);
	tcp_push_frame(c, f, fr, t->snd_nxt, (uint32_t)got, TCP_ACK | TCP_PSH, offer);
	return (uint32_t)got;
}

/* Frames out of @got bytes from number @seq on, the last one with PSH */
static void tcp_push_frames(struct ctx *c, struct flow *f, struct frame **fr, uint32_t seq, uint32_t got,
			    uint32_t offer)
{
	flow_moved(&c->flows, f, HOST, got);
	for (; got; fr++) {
		uint32_t len = MIN(got, (uint32_t)frame_room(*fr));

		got -= len;
		tcp_push_frame(c, f, *fr, seq, len, TCP_ACK | (got ? 0 : TCP_PSH), offer);
		seq += len;
	}
}

/* One read from the socket, straight into frames, from number @seq on. Return: as above */
static uint32_t tcp_push_sock(struct ctx *c, struct flow *f, uint32_t seq, uint32_t wnd, uint32_t offer)
{
	static struct iovec iov[PUSH_IOV];	/* scratch */
	struct tap *tap = &flow_guest(c, f)->tap;
	struct tcp *t = &f->tcp;
	uint32_t each = seg_frame(&tap->caps, t->mss, tcp_opts_len(t), addr_is_v4(&f->side[GUEST].our.a),
				  t->flags & TCPF_FAR);
	bool again = seq_lt(seq, t->snd_max);
	struct frame *fr[PUSH_FRAMES];
	unsigned n, fit, cnt, used;
	size_t room;
	ssize_t got;

	wnd = MIN(wnd, PUSH_BYTES);
	if (again)
		wnd = MIN(wnd, t->snd_max - seq);
	if (t->flags & TCPF_EOF)
		wnd = MIN(wnd, t->fin_seq - seq);
	each = MIN(each, wnd);
	if (!again && !(t->flags & TCPF_BULK) && !t->keep && seq == t->sock_seq && keep_available())
		return tcp_push_short(c, f, MIN(each, KEEP_SIZE), offer);

	/* Full frames only: the remainder comes with the next read */
	n = tcp_reserve_data(c, f, fr, MIN(wnd / each, PUSH_FRAMES), each);
	if (!n)
		return 0;
	fit = n;
	cnt = frames_room(fr, &fit, iov, PUSH_IOV, &room);

	got = sock_peek(t->sock, &t->peek_off, seq - t->sock_seq, iov, cnt);
	if (!again)
		tcp_seen(t, got, (uint32_t)room);
	got = MAX(got, 0);
	if (again)
		tcp_count_again(c, f, (uint32_t)got);
	used = DIV_ROUND_UP((uint32_t)got, each);
	tap_unreserve(tap, fr + used, n - used);
	tcp_push_frames(c, f, fr, seq, (uint32_t)got, offer);
	return (uint32_t)got;
}

void tcp_size(struct ctx *c, struct flow *f)
{
	const struct addr *a = &f->side[GUEST].peer.a;
	struct tcp *t = &f->tcp;

	t->mss = seg_mss(pmtu_get(&flow_guest(c, f)->pmtu, a, IP_MAX, c->now), addr_is_v4(a)) - tcp_opts_len(t);
	t->mss = MIN(t->mss, t->mss_most);
	if (t->mss < t->mss_most)
		t->mss_until = (uint32_t)((c->now + PMTU_AGE) / 1000);
}

/* Segments that were too large are lost: all is sent again at once, RFC 1191 6.4 */
enum drop tcp_too_big(struct ctx *c, struct flow *f, uint32_t seq, uint32_t mtu)
{
	struct tcp *t = &f->tcp;
	uint16_t before = t->mss;

	if (!tcp_synced(t) || seq_lt(seq, t->snd_una) || !seq_lt(seq, t->snd_max))
		return DROP_TCP_SEQ;
	pmtu_set(&flow_guest(c, f)->pmtu, &f->side[GUEST].peer.a, mtu, c->now);
	tcp_size(c, f);
	if (t->mss < before) {
		t->dup_acks = 0;
		if (t->recover)
			recover_lost(t);
		else
			tcp_rewind(t);
		tcp_push_later(c, f);
	}
	return DROP_NONE;
}

/* After a timeout: do full segments vanish on the way, and nothing is reported (RFC 4821 7.7)? After two timeouts, and
 * each two more, smaller ones are tried. A link to the guest itself takes its own MTU.
 */
void tcp_black_hole(struct ctx *c, struct flow *f)
{
	static const uint16_t sizes[] = { 1400, PMTU_MIN6, 576 };	/* 576: IPv4 alone */
	bool v4 = addr_is_v4(&f->side[GUEST].peer.a);
	struct tcp *t = &f->tcp;

	if (!(t->flags & TCPF_FAR) || t->retries < 2 || t->retries % 2 || t->snd_max - t->snd_una < t->mss)
		return;
	for (unsigned i = 0; i < (v4 ? 3 : 2); i++) {
		uint16_t mss = seg_mss(sizes[i], v4) - tcp_opts_len(t);

		if (mss < t->mss) {
			t->mss = mss;
			t->mss_until = (uint32_t)((c->now + PMTU_AGE) / 1000);
			t->flags |= TCPF_HOLE;
			return;
		}
	}
}

/* Smaller segments have arrived: others to this address begin with their size */
void tcp_hole_passed(struct ctx *c, struct flow *f)
{
	const struct addr *a = &f->side[GUEST].peer.a;
	struct tcp *t = &f->tcp;

	t->flags &= ~TCPF_HOLE;
	pmtu_set(&flow_guest(c, f)->pmtu, a, ip_hlen(addr_is_v4(a)) + TCP_HLEN + tcp_opts_len(t) + t->mss, c->now);
}

/* Bytes from number @seq on, up to @wnd. Return: number of them, 0: nothing more now, or the link is full */
static inline uint32_t tcp_push_at(struct ctx *c, struct flow *f, uint32_t seq, uint32_t wnd, uint32_t offer)
{
	return seq_lt(seq, f->tcp.sock_seq) ? tcp_push_keep(c, f, seq, wnd, offer) :
					      tcp_push_sock(c, f, seq, wnd, offer);
}

/* Lost bytes of the first range again, or the FIN. Return: false if no more is possible now */
static bool tcp_push_lost(struct ctx *c, struct flow *f, uint32_t *sent, uint32_t offer)
{
	struct tcp *t = &f->tcp;
	uint32_t edge = t->snd_una + t->snd_wnd, seq, end, n;

	if (!recover_next(t, &seq, &end))
		return false;
	if (*sent >= PUSH_TURN) {
		flow_wait(&c->flows, f, WAIT_READY);
		return false;
	}
	if (t->flags & TCPF_EOF && seq == t->fin_seq) {
		if (!tcp_emit(c, f, TCP_FIN | TCP_ACK, seq, NULL, offer))
			return false;
		flow_guest(c, f)->count.tcp_retransmissions++;
		n = end - seq;
	} else if (!seq_lt(seq, edge)) {
		return false;
	} else {
		n = tcp_push_at(c, f, seq, recover_new(t, MIN(end - seq, edge - seq)), offer);
		*sent += n;
		n += n && t->flags & TCPF_EOF && seq + n == t->fin_seq && seq + n != end;	/* with FIN */
	}
	if (!n)
		return false;
	recover_again(t, seq, seq + n);
	if (seq == t->snd_una)			/* its timer starts anew: RFC 6298 5.1 */
		t->rtx_at = 0;
	return true;
}

/**
 * tcp_push() - send the guest as much as its window allows: lost bytes again, then new ones, then the FIN
 * @offer:	as for tcp_emit()
 *
 * Stops when there is nothing more (an event will come), the window is shut (an ACK, or a probe's answer, will come),
 * the link is full (stalled list), or the flow's turn is over (ready list).
 */
void tcp_push(struct ctx *c, struct flow *f, uint32_t offer)
{
	struct tcp *t = &f->tcp;
	uint32_t max = t->snd_max, sent = 0, n = 1, wnd;

	if (t->mss < t->mss_most && c->now / 1000 >= t->mss_until)
		tcp_size(c, f);

	while (n && tcp_lost(t))
		n = tcp_push_lost(c, f, &sent, offer);
	n = 1;
	while (n && (wnd = tcp_sendable(t))) {
		if (sent >= PUSH_TURN) {
			flow_wait(&c->flows, f, WAIT_READY);
			break;
		}
		n = tcp_push_at(c, f, t->snd_nxt, wnd, offer);
		sent += n;
	}

	if (!(t->flags & TCPF_READABLE) && sent && sent < KEEP_SIZE)
		t->flags &= ~TCPF_BULK;
	if (tcp_fin_due(t) && tcp_emit(c, f, TCP_FIN | TCP_ACK, t->snd_nxt, NULL, offer))
		tcp_fin_sent(f);
	if (t->snd_max != max)
		tcp_time(c, t);
	/* A tail is what was sent last: RFC 8985 7.2. But the oldest segment is younger than any timeout. */
	if ((sent || t->snd_max != max) && !(t->flags & TCPF_TAIL) &&
	    (uint32_t)c->now_us - t->rtt_at < 1000 * SEG_RTO_MIN) {
		t->flags |= TCPF_FRESH;
		t->rtx_at = 0;
	}
}
