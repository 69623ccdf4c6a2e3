/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.c - the event loop: the handler of each event, and the work at the end of each turn
 *
 * A turn: events; flows that had more to do (ready list); flows that waited for the link (stalled list); timers; the
 * link's queue; burial of flows that ended. There is no other work: a turn costs what its events cost.
 */
#include <assert.h>
#include <errno.h>

#include "accept.h"
#include "answer.h"
#include "ask.h"
#include "attach.h"
#include "input.h"
#include "loop.h"
#include "tcp.h"
#include "udp.h"

#define TURN_TIME	100		/* us for flows of a list, before events are looked for again */
#define STOPPED		1000		/* ms that it took longer than it should have: nobody ran us */
#define CATCH_UP	1000		/* ms for what came meanwhile, at most */
#define NEIGH_TURN	16		/* datagrams about neighbours, before others have their turn */
#define NEIGH_AGAIN	1000		/* ms between dumps, and between filters */

/* Event of descriptor @sub of the link. A device that is set up, for the first time or again, has a driver that knows
 * nothing of us yet.
 */
static void link_event(struct ctx *c, struct guest *g, unsigned sub, uint32_t events)
{
	bool down = g->tap.down;
	int rc = tap_event(&g->tap, sub, &events);

	tap_busy(&g->tap);
	if (!rc && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		rc = input_ready(c, g);
	if (events & EPOLLOUT)
		g->tap.full = false;
	if (rc)
		g->link_error = rc;
	else if (down && !g->tap.down && !g->trial)
		attach_ready(c, g);
}

/* The link takes frames again, or is one without events */
static void link_timeout(struct ctx *c, struct guest *g)
{
	if (!g->tap.polled)
		return;				/* only to wake up: each turn writes the queue */
	tap_busy(&g->tap);
	g->tap.full = false;
	g->link_error = g->link_error ? g->link_error : input_ready(c, g);
}

/* Limited: on a busy segment, neighbours change all the time */
static void neigh_event(struct ctx *c)
{
	struct guest *g;
	struct addr a;

	for (unsigned i = 0; i < NEIGH_TURN && neigh_read(&c->neigh) != -EAGAIN; i++) {
		while (neigh_next(&c->neigh, &a))
			for (struct guests set = c->here; (g = guest_next(c, &set));)
				answer_neighbour(c, g, &a);
	}
	if (neigh_waits(&c->neigh) && !timer_armed(&c->neigh_again))
		timer_set(&c->wheel, &c->neigh_again, c->now + NEIGH_AGAIN);
}

/* Frames of @f leave by the link's queue that the guest used for it last: there, its CPU waits for them */
static struct flow *on_queue(struct ctx *c, struct flow *f)
{
	flow_guest(c, f)->tap.pair = f->queue;
	return f;
}

/* Return: false if the event is the process's */
static bool take_event(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct flow *f;

	switch ((enum ev_type)ref.type) {
	case EV_FLOW:
		f = flow_get(&c->flows, ref.idx, ref.gen);
		if (f)
			f->ops->ready(c, on_queue(c, f), ref.side, events);
		break;
	case EV_TAP:
		if (c->guest[ref.idx].tap.fd >= 0)	/* another guest may have taken its place in this turn */
			link_event(c, &c->guest[ref.idx], ref.gen, events);
		break;
	case EV_GUEST:
		attach_knock(c, ref.fd);
		break;
	case EV_REPAIR:
		attach_repair(c, ref.fd);
		break;
	case EV_TCP_LISTEN:
		tcp_accept(c, ref.idx);
		break;
	case EV_UDP_LISTEN:
		udp_listen_ready(c, ref.idx, events);
		break;
	case EV_NEIGH:
		neigh_event(c);
		break;
	case EV_FLOW_LOG:
		flow_log_flush(c);
		break;
	case EV_SIGNAL:
	case EV_NETNS:
	case EV_CONTROL:
	case EV_HOST:
	case EV_TYPES:
		return false;
	}
	return true;
}

static void neigh_timeout(struct ctx *c)
{
	int rc = neigh_again(&c->neigh);

	if (rc == -EBUSY)
		timer_set(&c->wheel, &c->neigh_again, c->now + NEIGH_AGAIN);
	else if (rc)
		debug("Neighbours: %s", errno_text(-rc));
}

/* A few of the paused listening sockets, and more a ms later while there are descriptors for them: a timer that is due
 * now would fire in this turn.
 */
static void accept_again(struct ctx *c)
{
	bool done = tcp_accept_again(c);
	int fd;

	if (accept_next_guest(c, &fd))
		attach_knock(c, fd);
	if (!accept_waiting(c))
		timer_clear(&c->wheel, &c->accept.timer);
	else
		timer_set(&c->wheel, &c->accept.timer, c->now + (done ? ACCEPT_PAUSE : 1));
}

/* Return: false if the timer is the process's */
static bool take_timer(struct ctx *c, struct timer *t)
{
	struct flow *f;

	switch ((enum timer_kind)t->kind) {
	case TIMER_FLOW:
		f = container_of(t, struct flow, timer);
		f->ops->timeout(c, on_queue(c, f));
		break;
	case TIMER_QUERY:
		udp_relay_timeout(c, t);
		break;
	case TIMER_ASK:
		ask_timeout(c, t);
		input_asked(c);
		break;
	case TIMER_NDP:
		answer_advert(c, container_of(t, struct guest, ndp));
		break;
	case TIMER_PROBE:
		attach_probe(c, container_of(t, struct guest, probe));
		break;
	case TIMER_TRIAL:
		attach_trial(container_of(t, struct guest, patience));
		break;
	case TIMER_NEIGH:
		neigh_timeout(c);
		break;
	case TIMER_ACCEPT:
		accept_again(c);
		break;
	case TIMER_LINK:
		link_timeout(c, container_of(t, struct guest, link));
		break;
	case TIMER_GROUPS:
		lan_group_timeout(c);
		break;
	case TIMER_NS:
	case TIMER_STATS:
	case TIMER_AUTO:
	case TIMER_CONTROL:
	case TIMER_HOST:
	case TIMER_ASKED:
	case TIMER_NONE:
	case TIMER_KINDS:
		return false;
	}
	return true;
}

int loop_init(struct ctx *c)
{
	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epfd < 0)
		return -errno;

	c->now_us = now_us();
	c->now = c->now_us / 1000;
	flows_init(&c->flows);
	wheel_init(&c->wheel, c->now);
	c->neigh_again.kind = TIMER_NEIGH;
	accept_init(c);
	flow_log_init(c);
	random_bytes(c->secret, sizeof(c->secret));
	guest_init(c);
	return 0;
}

static void run_flow(struct ctx *c, struct flow *f)
{
	if (f->ops->resume)
		f->ops->resume(c, on_queue(c, f));
	else
		f->ops->ready(c, on_queue(c, f), HOST, EPOLLIN);
}

/* Each flow on the list gets one turn, as far as there is time; one that puts itself on the list again waits for the
 * next call. Events that come meanwhile, of flows that move little, must not wait for all flows that always have more.
 */
static void run_list(struct ctx *c, unsigned list)
{
	uint32_t last = c->flows.wait[list].tail;
	uint64_t until = now_us() + TURN_TIME;
	struct flow *f;
	bool more;

	do {
		f = flow_next(&c->flows, list);
		if (!f)
			return;
		more = flow_idx(&c->flows, f) != last;
		run_flow(c, f);
	} while (more && now_us() < until);
}

/* The same with ready flows of several guests, which take turns: one with many flows gets no more than others */
static void run_ready(struct ctx *c)
{
	uint64_t until = now_us() + TURN_TIME;
	uint32_t n = 0;
	struct guest *g;
	int later;

	for (struct guests set = c->flows.ready; (g = guest_next(c, &set));)
		n += c->flows.wait[wait_list(WAIT_READY, g->index)].n;
	do {
		later = guests_first(&c->flows.ready, c->last + 1U);	/* behind the last one, and round again */
		later = later < 0 ? guests_first(&c->flows.ready, 0) : later;
		if (later < 0)
			return;
		c->last = (uint8_t)later;
		run_flow(c, flow_next(&c->flows, wait_list(WAIT_READY, c->last)));
	} while (--n && now_us() < until);
}

/* Can a stalled flow of @g go on? */
static bool stalled_goes(const struct ctx *c, const struct guest *g)
{
	return flow_waits(&c->flows, wait_list(WAIT_STALLED, g->index)) && tap_takes(&g->tap);
}

/* Has @g work without an event: frames that no event will report, or flows that can go on? */
static bool goes_on(const struct ctx *c, const struct guest *g)
{
	return g->tap.more || stalled_goes(c, g);
}

/* Writes the link's queue; EPOLLOUT comes when the link takes more */
static void turn_link(struct ctx *c, struct guest *g)
{
	struct tap *t = &g->tap;
	int rc = tap_flush(t);
	bool wait = t->full && !t->starved && !t->ops->event;	/* event() reports room by itself */

	if (rc && rc != -EAGAIN) {
		g->link_error = g->link_error ? g->link_error : rc;
		return;
	}
	if (t->starved || (t->polled && !timer_armed(&g->link)))
		timer_set(&c->wheel, &g->link, c->now + (t->polled ? TAP_POLL : TAP_RETRY));
	if (wait != t->armed && t->fd >= 0 &&
	    !ev_mod(c->epfd, t->fd, EV_TAP, g->index, 0, EPOLLIN | (wait ? EPOLLOUT : 0)))
		t->armed = wait;
}

/* Flows that have more to do, or wait for the link; before timers, which may find it done */
static void turn_flows(struct ctx *c)
{
	struct guest *g;
	int ready;

	for (struct guests set = c->work; (g = guest_next(c, &set));)
		if (g->tap.more && !g->link_error)
			g->link_error = input_ready(c, g);
	ready = guests_first(&c->flows.ready, 0);
	if (ready >= 0 && guests_first(&c->flows.ready, (unsigned)ready + 1) >= 0)
		run_ready(c);
	else if (ready >= 0)
		run_list(c, wait_list(WAIT_READY, (unsigned)ready));
	for (struct guests set = c->work; (g = guest_next(c, &set));)
		if (stalled_goes(c, g))
			run_list(c, wait_list(WAIT_STALLED, g->index));
}

/* epoll_wait(), with --busy-poll: awake, while the last event is recent */
static int wait_events(struct ctx *c, struct epoll_event *ev, int timeout)
{
	int n = 0;

	if (!c->net.cf->busy_poll || !timeout)
		return epoll_wait(c->epfd, ev, LOOP_EVENTS, timeout);
	if (timeout > 0)
		c->awake_until = MIN(c->awake_until, now_us() + 1000ULL * (unsigned)timeout);
	while (!n && now_us() < c->awake_until)
		n = epoll_wait(c->epfd, ev, LOOP_EVENTS, 0);
	if (!n)
		n = epoll_wait(c->epfd, ev, LOOP_EVENTS, timeout);
	if (n > 0)
		c->awake_until = now_us() + c->net.cf->busy_poll;
	return n;
}

void loop_wait(struct ctx *c, struct turn *t)
{
	uint64_t before = c->now;
	int timeout;

	t->i = 0;
	t->flows_done = false;
	timeout = c->again || guests_first(&c->flows.ready, 0) >= 0 ? 0 : wheel_timeout(&c->wheel, c->now);
	t->n = wait_events(c, t->ev, timeout);
	assert(t->n >= 0 || errno == EINTR);
	c->now_us = now_us();
	c->now = c->now_us / 1000;
	if (timeout >= 0 && c->now - before > STOPPED + (unsigned)timeout)
		c->behind_until = c->now + CATCH_UP;
}

static bool has_work(struct ctx *c)
{
	bool work = guests_first(&c->flows.ready, 0) >= 0;
	struct guest *g;

	for (struct guests set = c->work; (g = guest_next(c, &set));)
		work |= goes_on(c, g);
	return work;
}

/* After a sleep, many timers are due. What they wait for may be there: it comes first. */
static bool is_behind(struct ctx *c, const struct turn *t)
{
	if (c->now < c->behind_until && (t->n == LOOP_EVENTS || has_work(c)))
		return true;
	c->behind_until = 0;
	return false;
}

bool loop_next(struct ctx *c, struct turn *t)
{
	t->timer = NULL;
	while (t->i < t->n) {
		const struct epoll_event *ev = &t->ev[t->i++];

		t->ref.u64 = ev->data.u64;
		t->events = ev->events;
		if (!take_event(c, t->ref, ev->events))
			return true;
	}
	if (!t->flows_done)
		turn_flows(c);
	t->flows_done = true;
	if (is_behind(c, t))
		return false;
	while ((t->timer = timer_expire(&c->wheel, c->now)))
		if (!take_timer(c, t->timer))
			return true;
	return false;
}

void loop_end(struct ctx *c)
{
	struct guests work;
	struct guest *g;

	if (c->flows.dead != FLOW_NONE && accept_waiting(c))	/* their descriptors are free */
		accept_again(c);
	work = c->work;
	c->work = (struct guests){ 0 };
	c->again = false;
	while ((g = guest_next(c, &work))) {
		turn_link(c, g);
		if (g->link_error)
			guests_add(&c->lost, g->index);
		if (goes_on(c, g)) {
			c->again = true;
			tap_busy(&g->tap);
		} else if (g->tap.qlen) {
			tap_busy(&g->tap);
		}
	}
	if (c->flow_log.on)
		flow_log_turn(c);
	flow_bury(&c->flows);
}
