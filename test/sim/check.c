/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check.c - what holds in every run, whatever the script: of each segment to the guest, and of the program at rest */
#include <netinet/in.h>
#include <sys/epoll.h>

#include "../../tcp_conn.h"
#include "../../tcp_gap.h"
#include "../../tcp_recover.h"
#include "../../tcp_seg.h"
#include "run.h"

/* RFC 9293 and what failed in the field, segment by segment */
static bool check_flags(struct run *r, struct conn *cn, const struct wire *w)
{
	if (!(w->flags & (TCP_SYN | TCP_RST | TCP_ACK)))
		return run_fail(r, "TCP-08: segment without ACK: %s", wire_text(r, w));
	if (w->flags & TCP_SYN && (w->flags & (TCP_FIN | TCP_RST) || w->len))
		return run_fail(r, "SYN with FIN, RST or data: %s", wire_text(r, w));
	if (w->flags & TCP_RST && (w->flags & (TCP_FIN | TCP_PSH) || w->len))
		return run_fail(r, "RST with more than that: %s", wire_text(r, w));
	if (!(w->flags & TCP_SYN) && (w->mss || w->wscale >= 0 || w->opts.sack_ok))
		return run_fail(r, "options of a SYN: %s", wire_text(r, w));
	if (w->flags & TCP_SYN) {
		if (cn->o_known && cn->o_isn != w->seq)
			return run_fail(r, "SYN sent again with another sequence number: %s", wire_text(r, w));
		if (w->mss != r->s->mtu - (r->v.v6 ? 60 : 40))
			return run_fail(r, "MSS is not the MTU's: %s", wire_text(r, w));
		cn->o_known = true;
		cn->o_isn = w->seq;
		cn->o_wscale = w->wscale;
		cn->o_ts = w->opts.ts;
		cn->o_sack = w->opts.sack_ok;
		cn->o_tsval = w->opts.tsval;
		cn->got = seq_max(cn->got, 1);
	}
	return true;
}

/* RFC 7323 3.2: timestamps in all segments, or none; RFC 2018 2. Options are part of what the MSS is for: RFC 6691 */
static bool check_options(struct run *r, const struct conn *cn, const struct wire *w)
{
	bool ts = cn->g_ts && cn->o_ts, first = (w->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;

	if (first || w->flags & TCP_RST)
		return true;
	if (w->opts.ts != ts)
		return run_fail(r, "segment %s timestamps: %s", ts ? "without" : "with", wire_text(r, w));
	if ((w->opts.sack_ok || w->opts.sacks) && !(cn->g_sack && cn->o_sack))
		return run_fail(r, "the guest does not know SACK: %s", wire_text(r, w));
	if (w->len + (ts ? 12 : 0) + (w->opts.sacks ? 4 + 8 * w->opts.sacks : 0) > MAX(cn->mss, 88))
		return run_fail(r, "segment larger than the guest's MSS of %u: %s", cn->mss, wire_text(r, w));
	return true;
}

static bool check_data(struct run *r, struct conn *cn, const struct wire *w)
{
	uint32_t at = w->seq - cn->o_isn - 1, end = at + 1 + (uint32_t)w->len, next = end + !!(w->flags & TCP_FIN);

	for (size_t i = 0; i < w->len; i++)
		if (w->data[i] != pattern(TO_GUEST, cn->peer.port, at + i))
			return run_fail(r, "byte %zu of the stream to the guest is wrong: %s", at + i, wire_text(r, w));
	if (r->strict && w->len > cn->small && world.now < cn->small_until)
		return run_fail(r, "segment larger than what the path takes, %u: %s", cn->small, wire_text(r, w));
	if (w->len > cn->mss)
		return run_fail(r, "segment larger than the guest's MSS of %u: %s", cn->mss, wire_text(r, w));
	/* But a probe of a closed window is one byte, RFC 9293 3.8.6.1 */
	if (w->len > 1 && seq_lt(cn->edge, end))
		return run_fail(r, "TCP-29: data beyond the guest's window, up to %u: %s", cn->edge, wire_text(r, w));
	if (seq_le(w->seq - cn->o_isn, cn->got) && seq_lt(cn->got, next))
		cn->got = next;
	return true;
}

static bool check_ack(struct run *r, struct conn *cn, const struct wire *w)
{
	unsigned scale = w->flags & TCP_SYN || cn->g_wscale < 0 || cn->o_wscale < 0 ? 0 : (unsigned)cn->o_wscale;
	uint32_t ack = w->ack - cn->g_isn, edge = ack + ((uint32_t)w->win << scale);

	if (seq_lt(cn->sent_max, ack))
		return run_fail(r, "acknowledges what was not sent: %s", wire_text(r, w));
	if (seq_lt(ack, cn->acked) && !(w->flags & TCP_RST))
		return run_fail(r, "acknowledges less than before, %u: %s", cn->acked, wire_text(r, w));
	if (w->flags & TCP_RST)
		return true;
	if (seq_lt(edge + (1U << scale) - 1, cn->adv))
		return run_fail(r, "window's right edge goes back, from %u to %u: %s", cn->adv, edge, wire_text(r, w));
	cn->acked = ack;
	cn->adv = seq_max(cn->adv, edge);
	return true;
}

bool check_segment(struct run *r, struct wire *w)
{
	struct conn *cn;

	if (w->proto != IPPROTO_TCP)
		return true;
	if (!(cn = conn_of(r, w)))
		return run_fail(r, "segment of no connection: %s", wire_text(r, w));
	if (cn->reused && !r->strict)
		return true;
	if (!check_flags(r, cn, w) || !check_options(r, cn, w))
		return false;
	if (w->flags & TCP_RST) {
		cn->reset = true;
		return true;
	}
	if ((w->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)	/* its window is behind its SYN: RFC 9293 3.10.7.3 */
		cn->adv = seq_max(cn->adv, 1U + w->win);
	return check_data(r, cn, w) && (!(w->flags & TCP_ACK) || check_ack(r, cn, w));
}

struct flow *run_flow(struct run *r, const struct conn *cn)
{
	return flow_find_guest(&r->c.flows, r->guest, FLOW_TCP, &cn->guest, &cn->peer);
}

static bool tcp_state_in(const struct flow *f, unsigned states)
{
	return states >> f->tcp.state & 1;
}

#define OPEN_STATES	(1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT)
#define TAKE_STATES	(1U << TCP_ESTABLISHED | 1U << TCP_FIN_WAIT_1 | 1U << TCP_FIN_WAIT_2)

/* I4: who is on no list waits for an event that will come, or for a timer */
static bool check_waits(struct run *r, const struct flow *f, const struct fsock *s)
{
	const struct tcp *t = &f->tcp;
	uint32_t flight = t->snd_max - t->snd_una, open = t->snd_wnd - (t->snd_nxt - t->snd_una);
	uint64_t unsent = s->rx_have - s->rx_read;

	if (flight && !timer_armed(&f->timer) && f->wait == WAIT_NONE)
		return run_fail(r, "TCP-25: data in flight and no timer armed");
	if (t->rcv_nxt != t->rcv_acked && tcp_state_in(f, TAKE_STATES | 1U << TCP_CLOSE_WAIT) && f->wait == WAIT_NONE &&
	    (!timer_armed(&f->timer) || f->timer.due > r->c.now + 10))
		return run_fail(r, "TCP-26: acknowledgment owed, and not due in 10 ms");
	if (t->flags & TCPF_HELD) {
		if (s->tx_taken || s->tx_shut || s->rx_read || (tcp_synced(t) && t->snd_max != t->sock_seq))
			return run_fail(r, "bytes passed before the first ones were judged");
		return !t->stash_len || f->timer.due <= r->c.now + 10001 ||
		       run_fail(r, "bytes are held, and for more than 10 s");
	}
	if (t->stash_len && !s->nospace)
		return run_fail(r, "I4: bytes in the stash, and nobody waits for room in the socket");
	if (t->state == TCP_ESTABLISHED && t->rcv_adv == t->rcv_nxt && !s->nospace && f->wait == WAIT_NONE)
		return run_fail(r, "I3: our window is shut, and nobody waits for room in the socket");
	if (!tcp_state_in(f, OPEN_STATES) || f->wait != WAIT_NONE || !s->reg || s->ready)
		return true;
	unsent -= unsent < t->snd_nxt - t->sock_seq ? unsent : t->snd_nxt - t->sock_seq;
	if (seq_lt(t->snd_nxt, t->sock_seq) || (s->urgent != NO_URGENT && s->peek_off < 0 && flight))
		return true;		/* no peeking past urgent data */
	if (t->recover && flight && recover_room(t) < t->mss)
		return true;		/* the congestion window is full: an acknowledgment will come, or the timer */
	if (unsent && t->snd_nxt == t->snd_max && t->snd_wnd > t->snd_nxt - t->snd_una &&
	    (open >= t->mss || open >= unsent) && !t->retries)
		return run_fail(r, "I4: %llu bytes to send, a window of %u, and nothing that would make it happen",
				(unsigned long long)unsent, open);
	return true;
}

/* I1: what the guest sent in order and inside the window has been taken */
static bool check_taken(struct run *r, const struct conn *cn, const struct flow *f)
{
	if (cn->reset || !tcp_state_in(f, TAKE_STATES) || !r->strict)
		return true;
	if (seq_lt(f->tcp.rcv_nxt - cn->g_isn, cn->sent))
		return run_fail(r, "I1: guest sent up to %u inside the window of %u, taken only up to %u", cn->sent,
				cn->adv, f->tcp.rcv_nxt - cn->g_isn);
	return true;
}

static bool link_has_room(const struct run *r, unsigned k)
{
	const struct tap *t = &r->c.guest[k].tap;

	return t->fd >= 0 && sim_link[k].room && t->nfree && !t->starved;
}

static bool check_flow(struct run *r, const struct flow *f)
{
	const struct fsock *s = NULL;

	if (f->tcp.state == TCP_CLOSED || f->tcp.state >= TCP_STATES)
		return run_fail(r, "live flow in state %u", f->tcp.state);
	if (f->wait == WAIT_READY)
		return run_fail(r, "I4: flow on the ready list, and the loop sleeps");
	if (f->wait == WAIT_STALLED && link_has_room(r, f->guest))
		return run_fail(r, "I4: flow is stalled, and the link has room");
	if (f->tcp.sock >= 0 && (!(s = fs_get(f->tcp.sock)) || s->kind != FS_TCP))
		return run_fail(r, "flow without its socket: descriptor %i", f->tcp.sock);
	if (s && s->mods)
		return run_fail(r, "I4: registration of a flow's socket modified");
	if (f->tcp.gap && (gap_filled(&f->tcp) || !timer_armed(&f->timer) || f->timer.due > gap_due(&f->tcp)))
		return run_fail(r, "I1: bytes behind a gap that was filled, or that are kept for ever");
	if (!timer_armed(&f->timer) && f->tcp.state != TCP_CONNECTING)	/* the kernel has one for connect() */
		return run_fail(r, "no timer in state %s: the flow could live for ever", tcp_state_name[f->tcp.state]);
	return !s || check_waits(r, f, s);
}

static bool has_udp(const struct flow *f, int fd)
{
	return (f->type == FLOW_UDP_PORT || f->type == FLOW_UDP_SPLICE) && f->udp.sock == fd;
}

/* A UDP socket belongs to a port, a spliced flow or a listener; a flow on no list waits for an event that will come */
static bool check_udp(struct run *r)
{
	const struct flows *fs = &r->c.flows;

	for (uint32_t i = 0; i < fs->unused; i++) {
		const struct flow *f = &fs->f[i];

		if (f->dead || f->type == FLOW_TCP)
			continue;
		if (f->wait == WAIT_READY)
			return run_fail(r, "I4: flow on the ready list, and the loop sleeps");
		if (f->wait == WAIT_STALLED && link_has_room(r, f->guest))
			return run_fail(r, "I4: flow is stalled, and the link has room");
	}

	for (unsigned i = 0; i < world.nfs; i++) {
		int fd = world.fs[i].kind == FS_UDP ? world.fs[i].fd : NOBODY;
		bool owned = fd == NOBODY;

		for (uint32_t j = 0; j < fs->unused && !owned; j++)
			owned = has_udp(&fs->f[j], fd);
		for (uint32_t j = 0; j < r->c.fwd.n && !owned; j++)
			owned = r->c.fwd.l[j].fd == fd;
		if (!owned)
			return run_fail(r, "UDP socket %i belongs to nobody", fd);
	}
	return true;
}

static bool check_link(struct run *r, unsigned k)
{
	const struct tap *t = &r->c.guest[k].tap;
	const struct fsock *s = sim_link[k].fs;

	if (t->nfree + t->nspare + t->qlen != TAP_FRAMES)
		return run_fail(r, "slots of the link lost: %u and %u free, %u queued", t->nfree, t->nspare, t->qlen);
	/* At the end of a turn, a write that failed may have made a wake-up that is yet to come */
	if (t->qlen && sim_link[k].room && !t->starved && !(s->ready && s->events & EPOLLOUT))
		return run_fail(r, "I5: frames queued, and the link has room");
	return true;
}

bool check_idle(struct run *r)
{
	const struct flows *fs = &r->c.flows;
	unsigned socks = 0;

	if (world.violation)
		return run_fail(r, "%s", world.violation);
	if (fs->dead != FLOW_NONE)
		return run_fail(r, "dead flows were not buried");
	for (uint32_t i = 0; i < fs->unused; i++) {
		const struct flow *f = &fs->f[i];

		if (f->type == FLOW_SPLICE && !f->dead)
			socks += (f->splice.sock[HOST] >= 0) + (f->splice.sock[GUEST] >= 0);
		if (f->type != FLOW_TCP || f->dead)
			continue;
		if (!check_flow(r, f))
			return false;
		socks += f->tcp.sock >= 0;
	}
	if (socks != fs_count(FS_TCP))
		return run_fail(r, "%u sockets open, of %u flows", fs_count(FS_TCP), socks);
	for (unsigned k = 0; k < SIM_GUESTS; k++)
		if (!check_link(r, k))
			return false;
	if (!check_udp(r))
		return false;
	for (unsigned i = 1; i < CONNS; i++) {
		const struct flow *f = r->conn[i].sent ? run_flow(r, &r->conn[i]) : NULL;

		if (f && !check_taken(r, &r->conn[i], f))
			return false;
	}
	return true;
}
