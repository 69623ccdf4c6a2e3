/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp.c - TCP: life of a connection between the guest, and a socket on the host
 *
 * To the guest we are a TCP endpoint of our own; towards the host's peer the host kernel's is used. Each direction has
 * a file: tcp_guest.c from the guest, tcp_host.c to the guest; arithmetic is in tcp_seg.c, bytes behind a gap in
 * tcp_gap.c, lost segments in tcp_recover.c, buffers in tcp_buf.c, theory in doc/tcp.md.
 *
 * A SYN from the guest starts connect(), and is answered when that succeeded, or with its error: a refused peer looks
 * refused. A connection accepted on the host becomes a SYN to the guest. FIN goes through when the other side's came,
 * in each direction on its own; RST becomes RST. There is no TIME-WAIT: the guest keeps its own, the host kernel the
 * one of the socket.
 *
 * Segments, an event of the socket, the timer and the link each begin a turn of a flow: they change its state, and
 * tcp_turn_end() does the rest.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "ask.h"
#include "egress.h"
#include "event.h"
#include "icmp.h"
#include "reach.h"
#include "reclaim.h"
#include "resolve.h"
#include "sock.h"
#include "splice.h"
#include "tcp.h"
#include "tcp_buf.h"
#include "tcp_conn.h"
#include "tcp_gap.h"

#define TCP_EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)
#define ACCEPT_BATCH	64
#define AGAIN_BATCH	4		/* paused listeners, in a turn */

/* Times in ms */
#define TCP_RETRIES	15		/* more than RFC 9293 3.8.3's R2 of 100 s */
#define TCP_SYN_RETRIES	7		/* at least 3 minutes, RFC 9293 3.8.3 */
#define TCP_ACK_DELAY	10
#define TCP_PROBE_EXTRA	5
#define TCP_IDLE	(124 * 60000)	/* RFC 5382 REQ-5: 2 h 4 min */
#define TCP_PROBE_EVERY	75000
#define TCP_PROBES	9
#define TCP_WSCALE	8		/* windows of up to 16 MiB, in steps of 256 bytes */

static const struct flow_ops tcp_flow;

void tcp_take_syn(struct ctx *c, struct flow *f, const struct pkt *p)
{
	struct tcp *t = &f->tcp;
	uint32_t offered = t->rcv_adv - t->rcv_nxt;	/* by our SYN, before the window's numbers were known */

	t->rcv_nxt = t->rcv_acked = p->tcp.seq + 1;
	t->rcv_adv = t->rcv_nxt + offered;
	t->snd_wnd = p->tcp.win;
	t->ttl = p->ttl;
	if (p->tcp.wscale == TCP_WSCALE_NONE)
		t->rcv_wscale = 0;
	else
		t->snd_wscale = MIN(p->tcp.wscale, 14);
	if (p->ttl != TCP_TTL || !mac_eq(&p->smac, &flow_guest(c, f)->device))	/* routed, or bridged */
		t->flags |= TCPF_FAR;
	t->flags &= ~((p->tcp.ts ? 0 : TCPF_TS) | (p->tcp.sack_ok ? 0 : TCPF_SACK));
	t->ts_recent = p->tcp.ts ? p->tcp.tsval : 0;
	t->mss_most = seg_mss_to_guest(p->tcp.mss, c->net.cf->mtu, addr_is_v4(&p->src.a)) - tcp_opts_len(t);
	tcp_size(c, f);
}

void tcp_set_state(struct flow *f, enum tcp_state state)
{
	struct tcp *t = &f->tcp;
	char guest[END_STRLEN], our[END_STRLEN];

	trace("TCP %s -> %s: %s -> %s", end_fmt(&f->side[GUEST].peer, guest), end_fmt(&f->side[GUEST].our, our),
	      tcp_state_name[t->state], tcp_state_name[state]);
	t->state = (uint8_t)state;
}

void tcp_end(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;

	tcp_set_state(f, TCP_CLOSED);
	fd_close(t->sock);
	stash_free(t);
	gap_free(t);
	keep_free(t);
	recover_free(t);
	timer_clear(&c->wheel, &f->timer);
	flow_end(&c->flows, f);
}

void tcp_abort(struct ctx *c, struct flow *f, bool tell_guest)
{
	struct tcp *t = &f->tcp;

	if (tell_guest && tcp_emit(c, f, TCP_RST, t->snd_max, NULL, 0))
		flow_guest(c, f)->count.tcp_resets_sent++;
	if (!(t->flags & TCPF_ERROR)) {		/* the connection is there to be reset */
		splice_refuse(t->sock);
		t->sock = -1;
	}
	tcp_end(c, f);
}

/* Is an acknowledgment due at once? For two segments (RFC 5681 4.2), before the end, or for news to the guest. */
static inline bool tcp_ack_due(const struct tcp *t)
{
	uint32_t owed = t->rcv_nxt - t->rcv_acked;

	return t->flags & TCPF_ACK_NOW || (owed && (owed >= 2U * t->rcv_mss || tcp_finished(t)));
}

/* Is the window nearly shut? */
static bool tcp_low(const struct tcp *t)
{
	return t->rcv_adv - t->rcv_nxt < 2U * t->rcv_mss;
}

/* Is a window of @offer bytes worth a segment? With the same window, it would be a duplicate: RFC 5681 2. */
static bool tcp_update_due(const struct tcp *t, uint32_t offer)
{
	uint32_t open = t->rcv_adv - t->rcv_nxt;

	return tcp_low(t) && offer >> t->rcv_wscale > open >> t->rcv_wscale &&
	       offer - open >= MIN(2U * t->rcv_mss, offer / 2);
}

/* Acknowledgments of a turn with segments behind a gap: with SACK, as many as have room for all ranges that are news.
 * A guest without it counts them: as many as there were segments. A duplicate with another window doesn't count (RFC
 * 5681 2).
 */
static void tcp_answer_gap(struct ctx *c, struct flow *f, uint32_t offer)
{
	struct tcp *t = &f->tcp;
	unsigned n = t->dups;

	t->dups = 0;
	if (t->flags & TCPF_SACK || !t->gap) {	/* or it was filled meanwhile */
		while (tcp_emit(c, f, TCP_ACK, t->snd_nxt, NULL, offer) && gap_news(t))
			;			/* each has some of it */
		return;
	}
	if (t->rcv_nxt != t->rcv_acked)
		n++;
	else
		offer = t->rcv_adv - t->rcv_nxt;
	while (n && tcp_emit(c, f, TCP_ACK, t->snd_nxt, NULL, offer))
		n--;
}

/* Segments without payload: SYN or probe, then acknowledgment or window update */
static void tcp_answer(struct ctx *c, struct flow *f, uint32_t offer)
{
	struct tcp *t = &f->tcp;

	if (t->flags & TCPF_ASK) {
		uint8_t ask = (t->state == TCP_SYN_SENT ? 0 : TCP_ACK) | (tcp_synced(t) ? 0 : TCP_SYN);

		/* A segment before the window makes the guest answer with its state: RFC 9293 3.8.4, 3.8.6.1 */
		if (tcp_emit(c, f, ask, t->snd_una - tcp_synced(t), NULL, offer)) {
			t->flags &= ~TCPF_ASK;
			if (ask & TCP_SYN && !t->retries)	/* Karn's rule: RFC 6298 3 */
				tcp_time(c, t);
		}
	}
	if (t->dups)
		tcp_answer_gap(c, f, offer);
	else if (tcp_ack_due(t) || (tcp_synced(t) && tcp_update_due(t, offer)))
		tcp_emit(c, f, TCP_ACK, t->snd_nxt, NULL, offer);
}

/* For data in flight: segments that may be late, then a probe for its tail, then the timeout. A probe is due after two
 * round trips, and a little for the machine (RFC 8985 7.2). Behind an acknowledgment of what was sent before, one is
 * enough to ask.
 */
static void tcp_arm(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	uint32_t trips = t->recover || t->flags & TCPF_FRESH ? 2 : 1, wait = trips * t->srtt / 1000 + TCP_PROBE_EXTRA;

	t->flags &= ~(TCPF_PTO | TCPF_EARLY);
	if (t->recover && recover_waits(t)) {
		t->flags |= TCPF_EARLY;
		wait = t->srtt / 4000 + 1;
	} else if (t->srtt && !(t->flags & TCPF_TAIL) && t->snd_wnd && t->snd_una != t->snd_max &&
		   f->wait == WAIT_NONE && (wait < SEG_RTO_MIN || wait < seg_rto(t))) {
		t->flags |= TCPF_PTO;
	} else {
		wait = seg_rto(t);
	}
	t->rtx_at = c->now + wait;
}

/* Or before @due: bytes behind a gap, or that are held */
static uint64_t tcp_rarely(const struct ctx *c, const struct tcp *t, uint64_t due)
{
	uint64_t gap = t->gap ? gap_due(t) : due, held = t->flags & TCPF_HELD ? tcp_hold_due(c, t) : due;

	return MIN(due, MIN(gap, held));
}

/* The one timer, for the next of retransmission or window probe, acknowledgment, keep-alive */
static void tcp_settle(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	uint64_t due;

	if (t->snd_una == t->snd_max && (t->snd_wnd || !(t->flags & TCPF_READABLE)))
		t->rtx_at = 0;			/* nothing in flight, and nothing that waits for the window to open */
	else if (!t->rtx_at)
		tcp_arm(c, f);
	/* A single segment is acknowledged later, so that a response can carry that */
	if (t->rcv_nxt != t->rcv_acked && !t->ack_at && f->wait != WAIT_STALLED)
		t->ack_at = c->now + TCP_ACK_DELAY;

	due = t->rtx_at && t->ack_at ? MIN(t->rtx_at, t->ack_at) : t->rtx_at | t->ack_at;
	if (!due)			/* a guest that doesn't answer is given up by the above: it is not idle */
		due = t->flags & TCPF_PROBED ? c->now + TCP_PROBE_EVERY : t->heard_at + TCP_IDLE;
	if (t->gap || t->flags & TCPF_HELD)
		due = tcp_rarely(c, t, due);

	/* Earlier only: a timer that fires before anything is due finds its new time then */
	if (!timer_armed(&f->timer) || due < f->timer.due)
		timer_set(&c->wheel, &f->timer, due);
}

/* Is the socket broken? */
static bool tcp_broken(struct tcp *t)
{
	if (t->flags & TCPF_EPOLLERR && !(t->flags & TCPF_ERROR) && sock_error(t->sock))
		t->flags |= TCPF_ERROR;
	t->flags &= ~TCPF_EPOLLERR;
	return t->flags & TCPF_ERROR;
}

/**
 * tcp_turn_end() - the end of every turn of a flow
 * @now:	push now; else a flow that moves much does so when others had their turn
 *
 * Sends all that is due, under one offer of a window, and then ends the flow or sets its timer.
 */
void tcp_turn_end(struct ctx *c, struct flow *f, bool now)
{
	struct tcp *t = &f->tcp;
	bool push = tcp_synced(t) && (tcp_sendable(t) || tcp_fin_due(t) || tcp_lost(t));
	bool answer = t->flags & TCPF_ASK || tcp_low(t) || tcp_ack_due(t);
	uint32_t offer = 0;

	if (push && !now && (t->flags & (TCPF_BULK | TCPF_EPOLLERR | TCPF_ERROR)) == TCPF_BULK) {
		tcp_push_later(c, f);
		push = false;
	}
	if (push || answer)
		offer = tcp_offer(c, f);
	if (push)
		tcp_push(c, f, offer);
	if (t->flags & (TCPF_EPOLLERR | TCPF_ERROR) && tcp_broken(t)) {
		tcp_abort(c, f, true);
		return;
	}
	if (answer)
		tcp_answer(c, f, offer);
	if (tcp_finished(t) && t->rcv_nxt == t->rcv_acked)
		tcp_end(c, f);
	else
		tcp_settle(c, f);
}

/* A segment that belongs to no flow, as answer to one from @src */
static void tcp_reply(struct ctx *c, struct guest *g, const struct end *src, const struct end *dst, uint8_t flags,
		      uint32_t seq, uint32_t ack)
{
	struct tcp_seg s = { .flags = flags, .seq = seq, .ack = ack, .wscale = TCP_WSCALE_NONE };
	struct net_hdr n = guest_hdr(c, g, dst, src);
	struct frame *fr;

	if (tap_reserve(&g->tap, &fr, 1, 0, TAP_LAST)) {
		g->count.tcp_resets_sent++;
		frame_tcp(fr, &n, &s, 0, &g->tap.caps);
		tap_commit(&g->tap, fr);
	}
}

void tcp_reply_rst(struct ctx *c, struct guest *g, const struct pkt *p)
{
	uint32_t next = p->tcp.seq + (uint32_t)p->data.len + !!(p->tcp.flags & TCP_SYN) + !!(p->tcp.flags & TCP_FIN);

	if (p->tcp.flags & TCP_RST)
		return;
	if (p->tcp.flags & TCP_ACK)		/* RFC 9293 3.10.7.1 */
		tcp_reply(c, g, &p->src, &p->dst, TCP_RST, p->tcp.ack, 0);
	else
		tcp_reply(c, g, &p->src, &p->dst, TCP_RST | TCP_ACK, 0, next);
}

/* A connection that can't be made: the guest gets RST, or the ICMP message that came, or one that fits */
static void tcp_refuse(struct ctx *c, struct guest *g, const struct end *src, const struct end *dst, uint32_t isn,
		       const struct sock_err *e)
{
	uint8_t l4[8];

	g->count.tcp_refused++;
	switch (e->origin == SO_EE_ORIGIN_LOCAL ? e->err : EHOSTUNREACH) {
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case ENODEV:				/* the interface to leave by doesn't exist, or not yet */
	case EACCES:
	case EPERM:
		put_be16(l4, src->port);
		put_be16(l4 + 2, dst->port);
		put_be32(l4 + 4, isn);
		icmp_error(c, g, e, src, dst, IPPROTO_TCP, l4, sizeof(l4));
		break;
	case ETIMEDOUT:				/* the guest's own SYN is given up at about the same time */
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:				/* it tries again */
		drop_count(g, DROP_NO_RESOURCE);
		break;
	default:
		tcp_reply(c, g, src, dst, TCP_RST | TCP_ACK, 0, isn + 1);
	}
}

/* A flow with the socket @fd, which is reset if there is none */
static struct flow *tcp_begin(struct ctx *c, struct guest *g, const struct side *guest, const struct side *host, int fd)
{
	struct flow *f = reclaim_alloc(c, g, &tcp_flow);
	struct tcp *t;

	if (!f) {
		log_limited(LOG_WARNING, "Flow table full, connection refused");
		drop_count(g, DROP_NO_RESOURCE);
		splice_refuse(fd);
		return NULL;
	}
	f->side[GUEST] = *guest;
	f->side[HOST] = *host;
	f->timer.kind = TIMER_FLOW;
	t = &f->tcp;
	t->sock = fd;
	t->guest = g->index;
	t->peek_off = PEEK_OFF_NONE;
	t->rcv_wscale = TCP_WSCALE;
	t->flags = TCPF_SACK | TCPF_TS;		/* unless its SYN has none of them */
	t->rcv_mss = 1;
	t->heard_at = c->now;
	t->snd_una = seg_isn(c->secret, &guest->our, &guest->peer, c->now, &t->ts_off);
	t->snd_nxt = t->snd_max = t->snd_una;
	flow_hash_guest(&c->flows, f);
	if (!ev_add_flow(c->epfd, fd, flow_idx(&c->flows, f), f->gen, HOST, TCP_EVENTS))
		return f;
	drop_count(g, DROP_NO_RESOURCE);
	tcp_abort(c, f, false);
	return NULL;
}

/* Sends our SYN, or SYN,ACK */
static void tcp_ask(struct flow *f, enum tcp_state state)
{
	tcp_set_state(f, state);
	f->tcp.snd_max = f->tcp.snd_nxt = f->tcp.snd_una + 1;
	f->tcp.flags |= TCPF_ASK;
}

/* Resolvers that a connection between @guest may go to, or NULL: none, or its queries are judged (resolve.h) */
static struct net_ip *tcp_resolvers(struct ctx *c, const struct guest *g, const struct side *guest)
{
	struct net_ip *ip = &c->net.ip[addr_family(&guest->our.a)];
	bool several = ip->ndns_to > 1 && map_relays(&c->net, IPPROTO_TCP, &guest->our);

	return several && !resolve_takes(c, g, &guest->our) ? ip : NULL;
}

/* Connects to the host's side; to another resolver if that fails at once: descriptor or -errno */
static int tcp_connect(struct ctx *c, struct guest *g, const struct side *guest, struct side *host, uint8_t ttl)
{
	const struct net_ip *ip = tcp_resolvers(c, g, guest);
	struct sock_out out;
	struct decision d;
	int fd;

	for (unsigned n = 1;; n++) {
		out = map_leave(&c->net, &guest->our, &host->peer.a);
		if (ttl != TCP_TTL)		/* not the default: a program that counts hops */
			out.ttl = ttl;
		fd = sock_connect(host, &out);
		if (reclaim_for(c, fd))
			fd = sock_connect(host, &out);
		if (fd >= 0 || !ip || n >= ip->ndns_to)
			return fd;
		map_resolver(&c->net, guest, resolver_next(ip, resolver_nr(ip, &host->peer.a)), host);
		if (egress_judge(c, g, IPPROTO_TCP, &host->peer, &d))
			return -EACCES;
	}
}

/* The resolver refuses the connection, or doesn't answer: the next one, until all were asked. False: there is none. */
static bool tcp_next_resolver(struct ctx *c, struct flow *f)
{
	const struct net_ip *ip = tcp_resolvers(c, flow_guest(c, f), &f->side[GUEST]);
	struct side host = f->side[HOST];
	struct decision d;
	int fd;

	if (!ip || ++f->tcp.retries >= ip->ndns_to)
		return false;
	map_resolver(&c->net, &f->side[GUEST], resolver_next(ip, resolver_nr(ip, &host.peer.a)), &host);
	if (egress_judge(c, flow_guest(c, f), IPPROTO_TCP, &host.peer, &d))
		return false;
	fd = tcp_connect(c, flow_guest(c, f), &f->side[GUEST], &host, f->tcp.ttl);
	if (fd < 0)
		return false;
	if (ev_add_flow(c->epfd, fd, flow_idx(&c->flows, f), f->gen, HOST, TCP_EVENTS)) {
		close(fd);
		return false;
	}
	fd_close(f->tcp.sock);
	f->tcp.sock = fd;
	f->side[HOST] = host;
	timer_set(&c->wheel, &f->timer, c->now + RESOLVER_WAIT);
	return true;
}

void tcp_open(struct ctx *c, struct guest *g, const struct pkt *p)
{
	struct side host, guest = { .peer = p->src, .our = p->dst };
	struct decision d;
	struct flow *f;
	enum drop why;
	bool ours;
	int fd;

	if ((p->tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN) {
		if (!ask_waits(g, p))
			tcp_reply_rst(c, g, p);
		return;
	}
	resolver_begin(&c->net.ip[addr_family(&p->dst.a)], c->now);
	why = map_out(&c->net, IPPROTO_TCP, &p->src, &p->dst, &host);
	ours = !why && resolve_takes(c, g, &p->dst);
	if (ours) {
		host = (struct side){ p->dst, { .a = addr_any(addr_family(&p->dst.a)) } };
		egress_queries(c, g, IPPROTO_TCP, &p->dst, &d);
	} else if (!why) {
		why = egress_open(c, g, p, &host.peer, &d);
	}
	if (why) {
		drop_count(g, why);
		if (why == DROP_POLICY)
			tcp_reply_rst(c, g, p);
		return;
	}

	fd = ours ? resolve_stream(c, g) : tcp_connect(c, g, &guest, &host, p->ttl);
	if (fd < 0) {
		tcp_refuse(c, g, &p->src, &p->dst, p->tcp.seq,
			   &(struct sock_err){ .err = -fd, .origin = SO_EE_ORIGIN_LOCAL });
	} else if ((f = tcp_begin(c, g, &guest, &host, fd))) {
		flow_decided(&c->flows, f, &d);
		tcp_hold(f);
		tcp_set_state(f, TCP_CONNECTING);
		tcp_take_syn(c, f, p);
		if (tcp_resolvers(c, g, &guest))
			timer_set(&c->wheel, &f->timer, c->now + RESOLVER_WAIT);
	}
}

/* Edges come once: kept until they can be acted upon */
static void tcp_note(struct tcp *t, uint32_t events)
{
	if (events & (EPOLLRDHUP | EPOLLHUP) && !(events & EPOLLERR))	/* a reset is no end of data: no FIN */
		t->flags |= TCPF_RDHUP | (t->flags & TCPF_HELD ? TCPF_ERROR : 0);
	if (events & EPOLLPRI && !(t->flags & TCPF_URGENT)) {
		t->flags |= TCPF_URGENT;
		sock_opt(t->sock, SOL_SOCKET, SO_OOBINLINE, 1);	/* urgent data is data */
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) && !(t->flags & (TCPF_EOF | TCPF_HELD)))
		t->flags |= TCPF_READABLE;
	if (events & EPOLLERR)
		t->flags |= TCPF_EPOLLERR;
}

/* Cause of a failed connect(), and the router that sent it, if the guest counts hops (sock_connect()) */
static struct sock_err tcp_failure(const struct tcp *t)
{
	struct sock_err e;
	uint8_t quote[8];

	if (t->ttl == TCP_TTL || sock_errqueue(t->sock, &e, quote, sizeof(quote)))
		e = (struct sock_err){ .err = sock_error(t->sock), .origin = SO_EE_ORIGIN_LOCAL };
	if (!e.err)
		e.err = ECONNREFUSED;
	return e;
}

/* connect() is over: true if there is a connection */
static bool tcp_connected(struct ctx *c, struct flow *f, uint32_t events)
{
	struct net_ip *ip = tcp_resolvers(c, flow_guest(c, f), &f->side[GUEST]);
	struct tcp *t = &f->tcp;
	struct sock_err e;

	if (events & (EPOLLERR | EPOLLHUP)) {
		e = tcp_failure(t);
		if (tcp_next_resolver(c, f))
			return false;
		tcp_refuse(c, flow_guest(c, f), &f->side[GUEST].peer, &f->side[GUEST].our, t->rcv_nxt - 1, &e);
		tcp_end(c, f);
		return false;
	}
	if (!(events & EPOLLOUT))
		return false;
	if (t->ttl != TCP_TTL)
		sock_connected(t->sock, !addr_is_v4(&f->side[HOST].peer.a));
	if (ip)
		resolver_answered(ip, &f->side[HOST].peer.a, c->now);
	t->retries = 0;
	if (t->flags & TCPF_HELD && !tcp_hold_begin(t)) {
		drop_count(flow_guest(c, f), DROP_NO_RESOURCE);
		tcp_abort(c, f, false);		/* the guest tries again */
		return false;
	}
	tcp_ask(f, TCP_SYN_RCVD);
	return true;
}

static void tcp_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	struct tcp *t = &f->tcp;

	(void)side;
	if (t->state == TCP_CONNECTING && !tcp_connected(c, f, events))
		return;

	tcp_note(t, events);
	if (events & EPOLLOUT && (t->flags & (TCPF_BLOCKED | TCPF_HELD)) == TCPF_BLOCKED)
		tcp_write(t);
	tcp_turn_end(c, f, false);
}

/* A connection from loopback to loopback, to @guest->peer. Return: DROP_NONE, or the reason to refuse it */
static enum drop tcp_splice(struct ctx *c, struct guest *g, struct fwd_rule *rule, int fd, const struct side *host,
			    const struct side *guest)
{
	const struct end *to = &guest->peer;
	enum drop why = DROP_NONE;
	struct decision d;

	if (!rule->r.outward) {
		rule->accepted++;
		flow_log_inbound(c, g, IPPROTO_TCP, &host->peer, &rule->r);
		splice_accept(c, g, HOST, fd, host, guest, NULL);
		return DROP_NONE;
	}
	if (resolve_takes(c, g, to))
		egress_queries(c, g, IPPROTO_TCP, to, &d);
	else
		why = egress_judge(c, g, IPPROTO_TCP, to, &d);
	if (!why && d.by == BY_NAME && policy_shows_name(POLICY_TCP, to->port))
		why = DROP_POLICY;		/* nobody would read the server's name */
	if (why)
		return why;
	rule->accepted++;
	splice_accept(c, g, GUEST, fd, host, guest, &d);
	return DROP_NONE;
}

/* One connection accepted on the host: 0, or -errno if there is none */
static int tcp_accept_one(struct ctx *c, const struct listener *l)
{
	struct fwd_rule *rule = &c->fwd.rule[l->rule];
	struct guest *g = guest_of(c, rule->r.guest);
	union sockaddr_any from, to;
	socklen_t len = sizeof(to);
	struct side host, guest;
	enum drop why = DROP_NONE;
	struct flow *f;
	int fd;

	fd = accept_take(c, l->fd, &from, !rule->r.outward);
	if (fd < 0)
		return fd;

	if (getsockname(fd, &to.sa, &len) || !end_from_sa(&host.peer, &from) || !end_from_sa(&host.our, &to)) {
		why = DROP_ADDR;
	} else if (map_splice(&c->fwd, &c->net, &g->seen, &rule->r, &host, &guest)) {
		why = tcp_splice(c, g, rule, fd, &host, &guest);
		if (!why)
			return 0;
	} else {
		why = rule->r.outward ? DROP_POLICY : reach_in(c, &rule->r, &host, &g, &guest);
	}
	if (!why && flow_find_guest(&c->flows, g->index, FLOW_TCP, &guest.peer, &guest.our))
		why = DROP_TCP_STATE;		/* two clients that look the same to the guest */
	if (why) {
		drop_count(g, why);
		splice_refuse(fd);
		return 0;
	}
	flow_log_inbound(c, g, IPPROTO_TCP, &host.peer, &rule->r);
	if ((f = tcp_begin(c, g, &guest, &host, fd))) {
		rule->accepted++;
		tcp_ask(f, TCP_SYN_SENT);
		tcp_turn_end(c, f, false);
	}
	return 0;
}

bool tcp_accept(struct ctx *c, uint32_t listener)
{
	const struct listener *l = fwd_listener(&c->fwd, listener, IPPROTO_TCP);
	int rc = 0;

	for (unsigned i = 0; l && !rc && i < ACCEPT_BATCH; i++)
		rc = tcp_accept_one(c, l);
	if (!rc || rc == -EAGAIN)
		return true;
	log_limited(LOG_WARNING, "Can't accept connection on port %u, it waits: %s", l->port, errno_text(-rc));
	accept_pause(c, EV_TCP_LISTEN, l->fd, listener);
	return false;
}

bool tcp_accept_again(struct ctx *c)
{
	uint32_t i;

	for (unsigned n = 0; n < AGAIN_BATCH; n++)
		if (!accept_next_listener(c, &i) || !tcp_accept(c, i))
			return true;
	return !c->fwd.paused;
}

static void tcp_resume(struct ctx *c, struct flow *f)
{
	tcp_turn_end(c, f, true);
}

/* No answer: all that the guest hasn't reported is lost, and is sent again, less often each time. Or nothing heard for
 * hours: is the guest still there (RFC 9293 3.8.4, RFC 5382 REQ-5)?
 */
static void tcp_retry(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	bool idle = !t->rtx_at;
	const int on = 1;

	if (idle && !(t->flags & TCPF_PROBED)) {
		t->retries = 0;
		t->flags |= TCPF_PROBED;
		setsockopt(t->sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (++t->retries > (idle ? TCP_PROBES : tcp_synced(t) ? TCP_RETRIES : TCP_SYN_RETRIES)) {
		if (idle)
			debug("TCP connection dead: no answer to keep-alive probes");
		else
			debug("TCP connection gave up after %u tries in %s", t->retries - 1U, tcp_state_name[t->state]);
		tcp_abort(c, f, true);
		return;
	}
	if (!idle) {
		flow_guest(c, f)->count.tcp_timeouts++;
		t->rto = (uint16_t)MIN(2U * seg_rto(t), SEG_RTO_MAX);
	}
	t->rtx_at = 0;
	t->flags &= ~TCPF_TIMED;
	tcp_black_hole(c, f);
	if (idle || !tcp_synced(t) || !t->snd_wnd)
		t->flags |= TCPF_ASK;
	else if (recover_begin(t))
		recover_timeout(t, tcp_stamp(c, t), c->now_us);
	else
		tcp_rewind(t);
}

/* Before the timeout: segments that were late are lost. Or nothing new arrived for two round trips: was the tail lost?
 * On a link that has lost nothing yet, the guest is asked, as no data is sent again by a timer there; else the last
 * segment shows it, and what is missing before it.
 */
static void tcp_early(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;

	if (t->flags & TCPF_EARLY) {
		recover_overdue(t);
	} else {
		flow_guest(c, f)->count.tcp_probes++;
		t->flags |= TCPF_TAIL;
		if (t->recover)
			recover_tail(t);
		else
			t->flags |= TCPF_ASK;
	}
	t->flags &= ~(TCPF_PTO | TCPF_EARLY);
	t->rtx_at = 0;
}

static void tcp_timeout(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	bool ack = t->ack_at && t->ack_at <= c->now, retry = (t->rtx_at ? t->rtx_at : t->heard_at + TCP_IDLE) <= c->now;

	if (ack) {
		t->ack_at = 0;
		t->flags |= TCPF_ACK_NOW;
	}
	if (t->flags & TCPF_HELD && tcp_hold_due(c, t) <= c->now) {
		tcp_hold_late(c, f);
		return;
	}
	if (t->gap && gap_due(t) <= c->now)
		tcp_gap_drop(c, f);
	if (t->state == TCP_CONNECTING && !retry && tcp_next_resolver(c, f))
		return;
	if (retry && t->state == TCP_CONNECTING)	/* connect() that never came to an end */
		tcp_end(c, f);
	else if (retry && t->rtx_at && t->flags & (TCPF_PTO | TCPF_EARLY))
		tcp_early(c, f);
	else if (retry)
		tcp_retry(c, f);
	if (!f->dead && (ack || retry))
		tcp_turn_end(c, f, true);
	else if (!f->dead)
		tcp_settle(c, f);
}

/* One walk over all flows, at most once in GUEST_CAME_EVERY. These tries count as none: no flow is given up earlier. */
void tcp_again(struct ctx *c, const struct guest *g)
{
	for (uint32_t i = 0; i < c->flows.unused; i++) {
		struct flow *f = &c->flows.f[i];
		struct tcp *t = &f->tcp;

		if (f->type != FLOW_TCP || f->dead || f->guest != g->index || !t->rtx_at || !t->retries ||
		    t->state == TCP_CONNECTING)
			continue;
		t->retries--;
		t->rto = 0;
		t->flags &= ~(TCPF_PTO | TCPF_EARLY);
		t->rtx_at = c->now;
		tcp_settle(c, f);
	}
}

/* Its guest is gone, or may not have it any more */
static bool tcp_gone(struct ctx *c, struct flow *f)
{
	tcp_abort(c, f, !flow_guest(c, f)->link_error);
	return true;
}

/* The guest may connect again */
static void tcp_addr_gone(struct ctx *c, struct flow *f)
{
	const struct sock_err e = { .err = ECONNABORTED, .origin = SO_EE_ORIGIN_LOCAL };

	if (f->tcp.state != TCP_CONNECTING) {
		tcp_abort(c, f, true);
		return;
	}
	tcp_refuse(c, flow_guest(c, f), &f->side[GUEST].peer, &f->side[GUEST].our, f->tcp.rcv_nxt - 1, &e);
	tcp_end(c, f);
}

static const char *tcp_state(const struct flow *f)
{
	return tcp_state_name[f->tcp.state];
}

static const struct flow_ops tcp_flow = {
	.type = FLOW_TCP, .name = { "tcp", "tcp" }, .fds = 1, .state = tcp_state,
	.ready = tcp_ready, .resume = tcp_resume, .timeout = tcp_timeout, .end = tcp_gone,
	.lost = tcp_addr_gone,
};
