/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp.c - TCP: life of a connection between the guest, and a socket on the host
 *
 * To the guest we are a TCP endpoint of our own; towards the host's peer the host kernel's is used. Both directions have a file:
 * tcp_guest.c from the guest, tcp_host.c to the guest; arithmetic is in tcp_seg.c, buffers in tcp_buf.c, theory in doc/tcp.md.
 *
 * A SYN from the guest starts connect(), and is answered when that succeeded, or with what it failed with: a refused peer looks
 * refused. A connection accepted on the host becomes a SYN to the guest. FIN goes through when the other side's came, in each
 * direction on its own; RST becomes RST.
 *
 * There is no TIME-WAIT: the guest keeps its own, the host kernel the one of the socket.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "event.h"
#include "icmp.h"
#include "reclaim.h"
#include "sock.h"
#include "splice.h"
#include "tcp_buf.h"
#include "tcp_conn.h"

#define TCP_EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)
#define ACCEPT_BATCH	64
#define AGAIN_BATCH	4		/* listeners that were left alone, in a turn */

void tcp_init(struct ctx *c)
{
	random_bytes(c->secret, sizeof(c->secret));
}

void tcp_set_segment(struct ctx *c, struct flow *f, const struct pkt *p)
{
	f->tcp.mss_most = seg_mss_to_guest(p->tcp.mss, c->cf->mtu, addr_is_v4(&p->src.a));
	tcp_size(c, f);
	if (p->ttl != TCP_TTL || !mac_eq(&p->smac, &flow_guest(c, f)->device))	/* routed, or bridged */
		f->tcp.flags |= TCPF_FAR;
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
	keep_free(t);
	timer_clear(&c->wheel, &f->timer);
	flow_end(&c->flows, f);
}

void tcp_abort(struct ctx *c, struct flow *f, bool tell_guest)
{
	const struct linger rst = { .l_onoff = 1 };

	if (tell_guest)
		tcp_emit(c, f, TCP_RST, f->tcp.snd_max, NULL);
	if (!(f->tcp.flags & TCPF_ERROR))	/* the connection is there to be reset */
		setsockopt(f->tcp.sock, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
	tcp_end(c, f);
}

bool tcp_done(struct ctx *c, struct flow *f)
{
	const struct tcp *t = &f->tcp;

	if (!(t->flags & TCPF_FIN_SENT) || !(t->flags & TCPF_SHUT) || t->snd_una != t->snd_max)
		return false;

	/* The guest's FIN, or data before it; without a slot for it, when the stalled flow has its turn */
	if (t->rcv_acked != t->rcv_nxt && !tcp_emit(c, f, TCP_ACK, t->snd_nxt, NULL))
		return false;
	tcp_end(c, f);
	return true;
}

void tcp_arm(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	uint64_t due = t->heard_at + TCP_IDLE;

	if (t->flags & TCPF_ERROR) {
		tcp_abort(c, f, true);
		return;
	}
	if (t->flags & TCPF_PROBED)
		due = c->now + TCP_PROBE_EVERY;
	if (t->rtx_at)				/* whoever doesn't answer is given up by that: nothing is idle meanwhile */
		due = t->rtx_at;
	if (t->ack_at)
		due = MIN(due, t->ack_at);

	/* Earlier only: a timer that fires before anything is due finds its new time then */
	if (!timer_armed(&f->timer) || due < f->timer.due)
		timer_set(&c->wheel, &f->timer, due);
}

/* Header of an answer to @p, or of a segment that opens a connection, has nothing of a flow yet */
void tcp_reply_rst(struct ctx *c, struct guest *g, const struct pkt *p)
{
	struct tcp_seg s = { .flags = TCP_RST, .wscale = TCP_WSCALE_NONE };
	struct net_hdr n = guest_hdr(c, g, &p->dst, &p->src);
	struct frame *fr;

	if (p->tcp.flags & TCP_RST || !tap_reserve(&g->tap, &fr, 1, 0, TAP_LAST))
		return;

	if (p->tcp.flags & TCP_ACK) {		/* RFC 9293 3.10.7.1 */
		s.seq = p->tcp.ack;
	} else {
		s.flags |= TCP_ACK;
		s.ack = p->tcp.seq + (uint32_t)p->data.len + !!(p->tcp.flags & TCP_SYN) + !!(p->tcp.flags & TCP_FIN);
	}
	frame_tcp(fr, &n, &s, 0, &g->tap.caps);
	tap_commit(&g->tap, fr);
}

static void tcp_flow_init(struct ctx *c, struct flow *f, int sock, enum tcp_state state)
{
	struct tcp *t = &f->tcp;

	f->timer.kind = TIMER_FLOW;
	t->sock = sock;
	t->peek_off = PEEK_OFF_NONE;
	t->rcv_wscale = TCP_WSCALE;
	t->rcv_mss = 1;
	t->rto = TCP_RTO_INIT;
	t->heard_at = c->now;
	t->snd_una = t->snd_nxt = t->snd_max = seg_isn(c->secret, &f->side[GUEST].our, &f->side[GUEST].peer, c->now);
	tcp_set_state(f, state);
}

static struct flow *tcp_flow_alloc(struct ctx *c, struct guest *g)
{
	struct flow *f = reclaim_alloc(c, g, &tcp_flow);

	if (!f)
		log_limited(LOG_WARNING, "Flow table full, connection refused");
	return f;
}

/* Socket for a connection the guest makes; if descriptors are used up, that of the datagram flow idle for longest */
static int tcp_socket(struct ctx *c, const struct side *host, const struct sock_out *out)
{
	int fd = sock_connect(host, out);

	if ((fd == -EMFILE || fd == -ENFILE) && reclaim_socket(c))
		fd = sock_connect(host, out);
	return fd;
}

/* What the guest is told of a connection that can't be made: RST, or the ICMP message that came, or that fits */
static void tcp_refuse(struct ctx *c, struct guest *g, const struct end *src, const struct end *dst, uint32_t isn,
		       const struct sock_err *e)
{
	struct tcp_seg s = { .flags = TCP_RST | TCP_ACK, .ack = isn + 1, .wscale = TCP_WSCALE_NONE };
	struct net_hdr n = guest_hdr(c, g, dst, src);
	struct frame *fr;
	uint8_t l4[8];

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
		return;
	case ETIMEDOUT:				/* the guest's own SYN is given up at about the same time */
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:				/* it tries again */
		drop_count(g, DROP_NO_RESOURCE);
		return;
	}
	if (tap_reserve(&g->tap, &fr, 1, 0, TAP_LAST)) {
		frame_tcp(fr, &n, &s, 0, &g->tap.caps);
		tap_commit(&g->tap, fr);
	}
}

void tcp_open(struct ctx *c, struct guest *g, const struct pkt *p)
{
	struct sock_out out;
	struct side host;
	struct flow *f;
	enum drop why;
	int fd;

	if ((p->tcp.flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN) {
		tcp_reply_rst(c, g, p);
		return;
	}
	why = c->cf->no_tcp ? DROP_POLICY : map_out(&c->net, &g->seen, IPPROTO_TCP, &p->src, &p->dst, &host);
	if (why) {
		drop_count(g, why);
		if (why == DROP_POLICY)
			tcp_reply_rst(c, g, p);
		return;
	}

	out = map_leave(&c->net, &p->dst, &host.peer.a);
	if (p->ttl != TCP_TTL)			/* not the default: somebody counts hops */
		out.ttl = p->ttl;
	fd = tcp_socket(c, &host, &out);
	if (fd < 0) {
		tcp_refuse(c, g, &p->src, &p->dst, p->tcp.seq, &(struct sock_err){ .err = -fd, .origin = SO_EE_ORIGIN_LOCAL });
		return;
	}
	if (!(f = tcp_flow_alloc(c, g))) {
		close(fd);
		drop_count(g, DROP_NO_RESOURCE);
		return;
	}

	f->side[GUEST] = (struct side){ .peer = p->src, .our = p->dst };
	f->side[HOST] = host;
	tcp_flow_init(c, f, fd, TCP_CONNECTING);
	f->tcp.rcv_nxt = f->tcp.rcv_adv = f->tcp.rcv_acked = p->tcp.seq + 1;
	f->tcp.snd_wnd = p->tcp.win;
	f->tcp.ttl = p->ttl;
	tcp_set_segment(c, f, p);
	if (p->tcp.wscale == TCP_WSCALE_NONE)
		f->tcp.rcv_wscale = 0;
	else
		f->tcp.snd_wscale = MIN(p->tcp.wscale, 14);

	flow_hash_guest(&c->flows, f);
	if (ev_add_flow(c->epfd, fd, flow_idx(&c->flows, f), f->gen, HOST, TCP_EVENTS)) {
		drop_count(g, DROP_NO_RESOURCE);
		tcp_end(c, f);
	}
}

/* What edges told, kept until it can be acted upon: they come once */
static void tcp_note(struct tcp *t, uint32_t events)
{
	if (events & (EPOLLRDHUP | EPOLLHUP) && !(events & EPOLLERR))	/* a reset is no end of data: no FIN */
		t->flags |= TCPF_RDHUP;
	if (events & EPOLLPRI && !(t->flags & TCPF_URGENT)) {
		t->flags |= TCPF_URGENT;
		sock_urgent_inline(t->sock);
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) && !(t->flags & TCPF_EOF))
		t->flags |= TCPF_READABLE;
}

/* Why connect() failed: who said so is known where the guest counts hops (sock_connect()) */
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

/* connect() is over */
static void tcp_connected(struct ctx *c, struct flow *f, uint32_t events)
{
	struct tcp *t = &f->tcp;

	if (events & (EPOLLERR | EPOLLHUP)) {
		struct sock_err e = tcp_failure(t);

		tcp_refuse(c, flow_guest(c, f), &f->side[GUEST].peer, &f->side[GUEST].our, t->rcv_nxt - 1, &e);
		tcp_end(c, f);
		return;
	}
	if (!(events & EPOLLOUT))
		return;
	if (t->ttl != TCP_TTL)
		sock_connected(t->sock, !addr_is_v4(&f->side[HOST].peer.a));

	tcp_note(t, events);
	tcp_set_state(f, TCP_SYN_RCVD);
	t->snd_max = t->snd_nxt = t->snd_una + 1;
	t->rtx_at = c->now + t->rto;
	tcp_emit(c, f, TCP_SYN | TCP_ACK, t->snd_una, NULL);
	tcp_arm(c, f);
}

static void tcp_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	struct tcp *t = &f->tcp;

	(void)side;
	if (t->state == TCP_CONNECTING) {
		tcp_connected(c, f, events);
		return;
	}

	tcp_note(t, events);
	if (events & EPOLLOUT && t->flags & TCPF_BLOCKED && !tcp_write(c, f))
		return;

	tcp_push_soon(c, f);
	if (events & EPOLLERR && !(t->flags & TCPF_ERROR) && sock_error(t->sock))
		t->flags |= TCPF_ERROR;
	tcp_ack_due(c, f);
	tcp_arm(c, f);
}

/* One connection accepted on the host: 0, or -errno if there is none */
static int tcp_accept_one(struct ctx *c, const struct listener *l)
{
	struct fwd_rule *rule = &c->fwd.rule[l->rule];
	struct guest *g = &c->guest[0];
	union sockaddr_any from, to;
	socklen_t len = sizeof(to);
	struct side host, guest;
	enum drop why;
	struct flow *f;
	int fd;

	fd = accept_take(c, l->fd, &from, !rule->r.outward);
	if (fd < 0)
		return fd;

	why = getsockname(fd, &to.sa, &len) || !end_from_sa(&host.peer, &from) || !end_from_sa(&host.our, &to) ? DROP_ADDR :
	      DROP_NONE;
	if (!why && map_splice(&c->fwd, &c->net, &g->seen, &rule->r, &host, &guest)) {
		rule->accepted++;
		splice_accept(c, rule->r.outward ? GUEST : HOST, fd, &host, &guest);
		return 0;
	}
	if (!why)
		why = rule->r.outward ? DROP_POLICY : map_in(&c->net, &g->seen, &rule->r, &host, &guest);
	if (!why && flow_find_guest(&c->flows, FLOW_TCP, &guest.peer, &guest.our))
		why = DROP_TCP_STATE;		/* two clients that look the same to the guest */
	f = why ? NULL : tcp_flow_alloc(c, g);
	if (!f) {
		drop_count(g, why ? why : DROP_NO_RESOURCE);
		splice_refuse(fd);
		return 0;
	}

	f->side[GUEST] = guest;
	f->side[HOST] = host;
	tcp_flow_init(c, f, fd, TCP_SYN_SENT);
	f->tcp.snd_max = f->tcp.snd_nxt = f->tcp.snd_una + 1;
	flow_hash_guest(&c->flows, f);
	if (ev_add_flow(c->epfd, fd, flow_idx(&c->flows, f), f->gen, HOST, TCP_EVENTS)) {
		drop_count(g, DROP_NO_RESOURCE);
		tcp_abort(c, f, false);
		return 0;
	}
	rule->accepted++;
	f->tcp.rtx_at = c->now + f->tcp.rto;
	tcp_emit(c, f, TCP_SYN, f->tcp.snd_una, NULL);
	tcp_arm(c, f);
	return 0;
}

/* What there is, as far as it goes: false if clients have to wait in the backlog */
static bool tcp_accept_all(struct ctx *c, uint32_t listener)
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

void tcp_accept(struct ctx *c, uint32_t listener)
{
	tcp_accept_all(c, listener);
}

bool tcp_accept_again(struct ctx *c)
{
	uint32_t i;

	for (unsigned n = 0; n < AGAIN_BATCH; n++)
		if (!accept_next_listener(c, &i) || !tcp_accept_all(c, i))
			return true;
	return !c->fwd.paused;
}

static void tcp_emit_syn(struct ctx *c, struct flow *f)
{
	tcp_emit(c, f, f->tcp.state == TCP_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK, f->tcp.snd_una, NULL);
}

static void tcp_resume(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;

	if (tcp_synced(t)) {
		tcp_push(c, f);
		if (tcp_done(c, f))
			return;
		tcp_ack_due(c, f);
		tcp_arm(c, f);
	} else {
		tcp_emit_syn(c, f);
	}
}

/* Nothing came of what was sent: again, from the oldest byte not acknowledged, and less often each time */
static void tcp_retransmit(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	bool syn = t->state == TCP_SYN_SENT || t->state == TCP_SYN_RCVD;

	if (++t->retries > (syn ? TCP_SYN_RETRIES : TCP_RETRIES)) {
		debug("TCP connection gave up after %u tries in %s", t->retries - 1U, tcp_state_name[t->state]);
		tcp_abort(c, f, true);
		return;
	}

	t->rto = MIN(2 * t->rto, TCP_RTO_MAX);
	t->rtx_at = c->now + t->rto;
	if (syn) {
		tcp_emit_syn(c, f);
	} else if (!t->snd_wnd) {
		tcp_probe(c, f);
	} else {
		t->snd_nxt = t->snd_una;
		tcp_push(c, f);
	}
}

/* Nothing heard from the guest for hours: is it still there (RFC 9293 3.8.4, RFC 5382 REQ-5)? */
static void tcp_idle(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;
	const int on = 1;

	if (!(t->flags & TCPF_PROBED)) {
		t->retries = 0;
		t->flags |= TCPF_PROBED;
		setsockopt(t->sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	if (++t->retries > TCP_PROBES) {
		debug("TCP connection dead: no answer to keep-alive probes");
		tcp_abort(c, f, true);
		return;
	}
	tcp_probe(c, f);
}

static void tcp_timeout(struct ctx *c, struct flow *f)
{
	struct tcp *t = &f->tcp;

	if (t->ack_at && t->ack_at <= c->now) {
		t->ack_at = 0;			/* no slot for it now: it is still due when the stalled flow has its turn */
		t->flags |= TCPF_ACK_NOW;
		tcp_emit(c, f, TCP_ACK, t->snd_nxt, NULL);
	}
	if (t->rtx_at && t->rtx_at <= c->now)
		tcp_retransmit(c, f);
	else if (!t->rtx_at && t->heard_at + TCP_IDLE <= c->now && tcp_synced(t))
		tcp_idle(c, f);
	else if (!t->rtx_at && t->heard_at + TCP_IDLE <= c->now)
		tcp_end(c, f);			/* connect() that never came to an end */
	if (!f->dead && !tcp_done(c, f))
		tcp_arm(c, f);
}

static bool tcp_gone(struct ctx *c, struct flow *f)
{
	tcp_abort(c, f, false);
	return true;
}

static const char *tcp_state(const struct flow *f)
{
	return tcp_state_name[f->tcp.state];
}

const struct flow_ops tcp_flow = {
	.type = FLOW_TCP, .name = { "tcp", "tcp" }, .fds = 1, .state = tcp_state,
	.ready = tcp_ready, .resume = tcp_resume, .timeout = tcp_timeout, .end = tcp_gone,
};
