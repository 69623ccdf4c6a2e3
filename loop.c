/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.c - the event loop: who handles what, and what is done at the end of each turn
 *
 * A turn: events; flows that had more to do (ready list); flows that waited for the link (stalled list); timers; what is still
 * queued on the link; burial of flows that ended. There is no other work: a turn costs what its events cost.
 */
#include <errno.h>

#include "accept.h"
#include "attach.h"
#include "icmp.h"
#include "input.h"
#include "loop.h"
#include "splice.h"
#include "tcp.h"
#include "udp.h"
#include "udp_splice.h"

#define TURN_TIME	100		/* us for flows of a list, before events are looked for again */
#define EVENTS		64
#define NEIGH_TURN	16		/* datagrams about neighbours, before others have their turn */
#define NEIGH_AGAIN	1000		/* ms between dumps, and between filters */

static void on_tap(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct guest *g = &c->guest[ref.idx];

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		c->link_error = input_ready(c, g);
	if (events & EPOLLOUT)
		g->tap.full = false;
}

static void on_guest(struct ctx *c, union ev_ref ref, uint32_t events)
{
	(void)events;
	attach_knock(c, ref.fd);
}

static void on_tcp(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct flow *f = flow_get(&c->flows, ref.idx, ref.gen);

	if (f)
		tcp_ready(c, f, events);
}

static void on_udp(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct flow *f = flow_get(&c->flows, ref.idx, ref.gen);

	if (f)
		udp_ready(c, f, events);
}

static void on_ping(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct flow *f = flow_get(&c->flows, ref.idx, ref.gen);

	if (f)
		icmp_ready(c, f, events);
}

static void on_splice(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct flow *f = flow_get(&c->flows, ref.idx / 2, ref.gen);

	if (f)
		splice_ready(c, f, ref.idx % 2, events);
}

static void on_udp_splice(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct flow *f = flow_get(&c->flows, ref.idx, ref.gen);

	if (f)
		udp_splice_ready(c, f, events);
}

/* Limited: on a busy segment, neighbours change all the time */
static void on_neigh(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct addr a;

	(void)ref;
	(void)events;
	for (unsigned i = 0; i < NEIGH_TURN && neigh_read(&c->neigh) != -EAGAIN; i++) {
		while (neigh_next(&c->neigh, &a))
			for (unsigned k = 0; k < GUEST_MAX; k++)
				input_neighbour(c, &c->guest[k], &a);
	}
	if (neigh_waits(&c->neigh) && !timer_armed(&c->neigh_again))
		timer_set(&c->wheel, &c->neigh_again, c->now + NEIGH_AGAIN);
}

static void on_tcp_listen(struct ctx *c, union ev_ref ref, uint32_t events)
{
	(void)events;
	tcp_accept(c, ref.idx);
}

static void on_udp_listen(struct ctx *c, union ev_ref ref, uint32_t events)
{
	udp_listen_ready(c, ref.idx, events);
}

static void (*event_fn[EV_TYPES])(struct ctx *, union ev_ref, uint32_t) = {
	[EV_TAP]	= on_tap,
	[EV_GUEST]	= on_guest,
	[EV_TCP]	= on_tcp,
	[EV_TCP_LISTEN]	= on_tcp_listen,
	[EV_UDP]	= on_udp,
	[EV_UDP_LISTEN]	= on_udp_listen,
	[EV_PING]	= on_ping,
	[EV_SPLICE]	= on_splice,
	[EV_UDP_SPLICE]	= on_udp_splice,
	[EV_NEIGH]	= on_neigh,
};

static void on_tcp_timer(struct ctx *c, struct timer *t)
{
	tcp_timeout(c, container_of(t, struct flow, timer));
}

static void on_udp_timer(struct ctx *c, struct timer *t)
{
	udp_timeout(c, container_of(t, struct flow, timer));
}

static void on_ping_timer(struct ctx *c, struct timer *t)
{
	icmp_timeout(c, container_of(t, struct flow, timer));
}

static void on_ndp_timer(struct ctx *c, struct timer *t)
{
	input_ndp_timer(c, container_of(t, struct guest, ndp));
}

static void on_probe_timer(struct ctx *c, struct timer *t)
{
	attach_probe(c, container_of(t, struct guest, probe));
}

static void on_neigh_timer(struct ctx *c, struct timer *t)
{
	int rc = neigh_again(&c->neigh);

	if (rc == -EBUSY)
		timer_set(&c->wheel, t, c->now + NEIGH_AGAIN);
	else if (rc)
		debug("Neighbours: %s", errno_text(-rc));
}

/* Listening sockets that were left alone: a few, and more a ms later while there are descriptors for them. A timer that is
 * due now would fire in this turn.
 */
static void accept_again(struct ctx *c)
{
	bool done = tcp_accept_again(c);

	attach_knock_again(c);
	if (!accept_waiting(c))
		timer_clear(&c->wheel, &c->accept.timer);
	else
		timer_set(&c->wheel, &c->accept.timer, c->now + (done ? ACCEPT_PAUSE : 1));
}

static void on_accept_timer(struct ctx *c, struct timer *t)
{
	(void)t;
	accept_again(c);
}

/* Nothing to do but to wake up: each turn writes what is queued */
static void on_link_timer(struct ctx *c, struct timer *t)
{
	(void)c;
	(void)t;
}

static void (*timer_fn[TIMER_KINDS])(struct ctx *, struct timer *) = {
	[TIMER_TCP]	= on_tcp_timer,
	[TIMER_UDP]	= on_udp_timer,
	[TIMER_PING]	= on_ping_timer,
	[TIMER_NDP]	= on_ndp_timer,
	[TIMER_PROBE]	= on_probe_timer,
	[TIMER_NEIGH]	= on_neigh_timer,
	[TIMER_ACCEPT]	= on_accept_timer,
	[TIMER_LINK]	= on_link_timer,
};

void loop_on_event(enum ev_type type, void (*fn)(struct ctx *c, union ev_ref ref, uint32_t events))
{
	event_fn[type] = fn;
}

void loop_on_timer(enum timer_kind kind, void (*fn)(struct ctx *c, struct timer *t))
{
	timer_fn[kind] = fn;
}

int loop_init(struct ctx *c, const struct conf *cf)
{
	c->cf = cf;
	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epfd < 0)
		return -errno;

	c->now = now_ms();
	flows_init(&c->flows);
	wheel_init(&c->wheel, c->now);
	c->neigh_again.kind = TIMER_NEIGH;
	accept_init(c);
	c->fwd.udp_gone = udp_listener_gone;
	c->fwd.udp_wanted = udp_port_wanted;
	tcp_init(c);
	for (unsigned i = 0; i < GUEST_MAX; i++) {
		struct guest *g = &c->guest[i];

		g->tap.fd = -1;
		g->link.kind = TIMER_LINK;
		g->ndp.kind = TIMER_NDP;
		g->probe.kind = TIMER_PROBE;
		guest_forget(c, g);
	}
	return 0;
}

/* Every flow that is on the list now gets one turn, as far as there is time; those that put themselves on it again wait for the
 * next. What comes meanwhile, of flows that have little to say, must not wait for all of those that always have more.
 */
static void run_list(struct ctx *c, enum flow_wait wait)
{
	uint32_t last = c->flows.wait[wait].tail;
	uint64_t until = last == FLOW_NONE ? 0 : now_us() + TURN_TIME;
	struct flow *f;

	while (last != FLOW_NONE && (f = flow_next(&c->flows, wait))) {
		bool more = flow_idx(&c->flows, f) != last;

		switch ((enum flow_type)f->type) {
		case FLOW_TCP:
			tcp_resume(c, f);
			break;
		case FLOW_UDP:
		case FLOW_UDP_PORT:
			udp_resume(c, f);
			break;
		case FLOW_PING:
			icmp_ready(c, f, EPOLLIN);
			break;
		case FLOW_SPLICE:
			splice_resume(c, f);
			break;
		case FLOW_UDP_SPLICE:
			udp_splice_ready(c, f, EPOLLIN);
			break;
		case FLOW_FREE:
		case FLOW_TYPES:
			break;
		}
		if (!more || now_us() >= until)
			break;
	}
}

/* The link's last word of this turn: write what is left, and ask to be told when it takes more */
static int turn_link(struct ctx *c, struct guest *g)
{
	struct tap *t = &g->tap;
	int rc = tap_flush(t);
	bool wait = t->full && !t->starved;

	if (rc && rc != -EAGAIN)
		return rc;
	if (t->starved)
		timer_set(&c->wheel, &g->link, c->now + TAP_RETRY);
	if (wait != t->armed && t->fd >= 0) {
		if (!ev_mod(c->epfd, t->fd, EV_TAP, (uint32_t)(g - c->guest), 0, EPOLLIN | (wait ? EPOLLOUT : 0)))
			t->armed = wait;
	}
	return 0;
}

static int turn_end(struct ctx *c)
{
	struct timer *t;
	int rc = 0;

	if (c->guest[0].tap.more && !c->link_error)
		c->link_error = input_ready(c, &c->guest[0]);
	run_list(c, WAIT_READY);
	if (tap_takes(&c->guest[0].tap))
		run_list(c, WAIT_STALLED);
	while ((t = timer_expire(&c->wheel, c->now)))
		timer_fn[t->kind](c, t);
	if (c->flows.dead != FLOW_NONE && accept_waiting(c))	/* their descriptors are free */
		accept_again(c);

	for (unsigned i = 0; i < GUEST_MAX && !rc; i++)
		rc = turn_link(c, &c->guest[i]);
	flow_bury(&c->flows);
	return rc;
}

/* epoll_wait(), with --busy-poll: awake, while the last event is recent */
static int wait_events(struct ctx *c, struct epoll_event *ev, int timeout)
{
	int n = 0;

	if (!c->cf->busy_poll || !timeout)
		return epoll_wait(c->epfd, ev, EVENTS, timeout);
	if (timeout > 0)
		c->awake_until = MIN(c->awake_until, now_us() + 1000ULL * (unsigned)timeout);
	while (!n && now_us() < c->awake_until)
		n = epoll_wait(c->epfd, ev, EVENTS, 0);
	if (!n)
		n = epoll_wait(c->epfd, ev, EVENTS, timeout);
	if (n > 0)
		c->awake_until = now_us() + c->cf->busy_poll;
	return n;
}

int loop_once(struct ctx *c)
{
	const struct tap *t = &c->guest[0].tap;
	bool busy = c->flows.wait[WAIT_READY].head != FLOW_NONE || t->more ||
		    (c->flows.wait[WAIT_STALLED].head != FLOW_NONE && tap_takes(t));
	struct epoll_event ev[EVENTS];
	int n, rc;

	n = wait_events(c, ev, busy ? 0 : wheel_timeout(&c->wheel, c->now));
	if (n < 0 && errno != EINTR)
		return -errno;

	c->now = now_ms();
	for (int i = 0; i < n; i++) {
		union ev_ref ref = { .u64 = ev[i].data.u64 };

		event_fn[ref.type](c, ref, ev[i].events);
	}
	rc = turn_end(c);
	if (c->link_error)
		rc = c->link_error;
	c->link_error = 0;
	return rc;
}
