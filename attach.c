/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach.c - guests come and go: the socket they connect to, begin and end of a link */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "accept.h"
#include "answer.h"
#include "ask.h"
#include "attach.h"
#include "event.h"
#include "frag.h"
#include "names.h"
#include "unix.h"

#define DEFAULT_PATH	"/tmp/passt_%u.socket"
#define DEFAULT_PATHS	100

#define TRIAL		2000		/* ms for a guest that may take another's place */

#define PROBE_FIRST	1000		/* ms: RFC 4861 10, RETRANS_TIMER; doubled up to the next */
#define PROBE_MOST	32000

int attach_listen(const char *path, char used[static UNIX_PATH])
{
	int fd = -EADDRINUSE;

	if (path) {
		snprintf(used, UNIX_PATH, "%s", path);
		fd = unix_listen(path, 0777);
		if (fd == -EADDRINUSE)
			die("Socket path %s already in use (-s/--socket)", path);
		if (fd < 0)
			die("Failed to listen on socket path %s: %s (-s/--socket)", path, file_text(-fd));
		return fd;
	}

	for (unsigned i = 1; i <= DEFAULT_PATHS; i++) {
		snprintf(used, UNIX_PATH, DEFAULT_PATH, i);
		fd = unix_listen(used, 0777);
		if (fd >= 0)
			return fd;
	}
	die("Failed to listen on any socket up to %s: %s; see -s/--socket", used, file_text(-fd));
}

bool attach_fd_ok(int fd)
{
	struct sockaddr_un a;
	int type;
	socklen_t len = sizeof(type), alen = sizeof(a);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM &&
	       !getpeername(fd, (struct sockaddr *)&a, &alen);
}

void attach_up(struct ctx *c, struct guest *g)
{
	g->adverts = 0;
	answer_adverts(c, g);
}

void attach_ready(struct ctx *c, struct guest *g)
{
	attach_up(c, g);
	lan_group_up(c, g);
	g->probe_wait = PROBE_FIRST;
	attach_probe(c, g);
}

/* One of those that may be connected */
static void seat(struct ctx *c, struct guest *g)
{
	if (g->trial)
		log_limited(LOG_INFO, "Guest connected");
	g->trial = false;
	g->since = c->now;
	timer_clear(&c->wheel, &g->patience);
	guests_add(&c->here, g->index);
	if (!g->tap.down)
		attach_ready(c, g);
}

int attach_guest(struct ctx *c, struct guest *g, int fd)
{
	const struct tap_stats stats = g->tap.stats;
	int pcap = g->tap.pcap, rc;

	if (c->net.cf->vhost_user) {
		rc = tap_vhost_attach(&g->tap, fd, c->epfd, pcap, c->net.cf->link_fd >= 0);
	} else {
		rc = ev_add(c->epfd, fd, EV_TAP, g->index, 0, EPOLLIN);
		if (!rc)
			tap_sock_attach(&g->tap, fd, pcap);
	}
	if (rc)
		return rc;
	g->tap.stats = g->before = stats;
	g->drops_before = guest_drops(g);
	g->fresh = true;
	g->trial = guests_count(&c->here) >= c->net.cf->guests;
	if (g->trial)
		timer_set(&c->wheel, &g->patience, c->now + TRIAL);
	else
		seat(c, g);
	tap_busy(&g->tap);
	return 0;
}

bool attach_first(struct ctx *c, struct guest *g, const struct mac *mac)
{
	bool unicast = !mac_is_zero(mac) && !(mac->b[0] & 1);
	struct guests set = unicast ? c->here : (struct guests){ 0 };
	struct guest *old;

	g->fresh = false;
	g->first = *mac;
	guests_del(&set, g->index);
	while ((old = guest_next(c, &set))) {
		if (c->net.cf->lan.on ? lan_find(&c->lan, mac, c->now) != old->index :
		    !mac_eq(&old->mac, mac) && !mac_eq(&old->first, mac))
			continue;
		guests_add(&c->here, g->index);		/* its place is no other's that waits for one */
		old->link_error = -EEXIST;
		attach_lost(c, old);
		if (g->trial)
			seat(c, g);
		return true;
	}
	if (g->trial)
		g->link_error = -EUSERS;
	return !g->trial;
}

void attach_trial(struct guest *g)
{
	if (!g->trial)
		return;
	g->link_error = -EUSERS;
	tap_busy(&g->tap);
}

void attach_drop(struct ctx *c, const struct guests *guests)
{
	struct guests set = *guests;
	struct guest *g;

	while ((g = guest_next(c, &set))) {
		g->link_error = -ECONNABORTED;
		tap_busy(&g->tap);
	}
}

void attach_probe(struct ctx *c, struct guest *g)
{
	if (g->tap.fd < 0 || g->tap.down || guest_heard(g))
		return;
	answer_probe(c, g);
	timer_set(&c->wheel, &g->probe, c->now + g->probe_wait);
	g->probe_wait = MIN(2 * g->probe_wait, PROBE_MOST);
}

/* There is room: a guest on trial has passed it */
static void trial_over(struct ctx *c)
{
	for (struct guest *g = c->guest; g < c->guest + c->guests; g++)
		if (g->trial && !g->link_error && guests_count(&c->here) < c->net.cf->guests)
			seat(c, g);
}

/* Only the host's peers are notified: the link is gone */
static void flows_end(struct ctx *c, const struct guest *g)
{
	for (uint32_t i = 0; i < c->flows.unused; i++) {
		struct flow *f = &c->flows.f[i];

		if (f->type != FLOW_FREE && !f->dead && flow_guest(c, f) == g)
			f->ops->end(c, f);
	}
}

void attach_lost(struct ctx *c, struct guest *g)
{
	int err = g->link_error;
	bool closed = err == -ECONNRESET || err == -EPIPE || err == -ECONNABORTED;
	int fd;

	if (err == -EUSERS)
		log_limited(LOG_INFO, "Another guest wanted to connect, refused");
	else if (err == -EEXIST)
		log_limited(LOG_INFO, "Guest disconnected: another one with its MAC address takes its place");
	else if (err == -EPROTO)
		log_limited(LOG_WARNING, "Guest's socket: %s, closing",
			    c->net.cf->vhost_user ? "not vhost-user, a refused request, or an answer that is not read"
						  : "length of a frame makes no sense");
	else
		log_limited(LOG_INFO, "Guest disconnected%s%s", closed ? "" : ": ", closed ? "" : errno_text(-err));

	flows_end(c, g);
	ask_forget(c, g);
	frags_forget(g->frags);
	timer_clear(&c->wheel, &g->link);
	timer_clear(&c->wheel, &g->ndp);
	timer_clear(&c->wheel, &g->probe);
	timer_clear(&c->wheel, &g->patience);
	tap_gone(&g->tap);
	g->link_error = 0;
	g->fresh = g->trial = false;
	guests_del(&c->here, g->index);
	guests_del(&c->lost, g->index);
	lan_forget(&c->lan, g->index);
	guest_forget(c, g);
	names_forget(g);
	trial_over(c);
	accept_next_guest(c, &fd);		/* one in the backlog has a link now */
}

/* Is the other end of the link gone, though its event was not handled yet? */
static bool link_dead(const struct tap *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

/* A guest without a link, or NULL; false: a link is about to be lost, and there is no room before */
static bool seat_find(struct ctx *c, struct guest **seat)
{
	struct guests here = c->here;
	struct guest *g;

	*seat = NULL;
	for (g = c->guest; g < c->guest + c->guests && !*seat; g++)
		if (g->tap.fd < 0)
			*seat = g;
	if (guests_count(&here) < c->net.cf->guests)
		return true;
	while ((g = guest_next(c, &here)))
		if (link_dead(&g->tap))
			return false;
	return true;
}

void attach_knock(struct ctx *c, int fd)
{
	struct guest *g;
	int conn, rc;

	if (!seat_find(c, &g))
		return;				/* after this turn, there is room */
	if (!g) {
		accept_pause(c, EV_GUEST, fd, 0);	/* until one that is on trial has left */
		return;
	}
	conn = accept_take(c, fd, NULL, false);
	if (conn == -EAGAIN)
		return;
	if (conn < 0) {
		log_limited(LOG_WARNING, "Can't accept a guest, it waits: %s", errno_text(-conn));
		accept_pause(c, EV_GUEST, fd, 0);
		return;
	}
	rc = attach_guest(c, g, conn);
	if (rc) {
		log_limited(LOG_WARNING, "Failed to watch the guest's socket: %s", errno_text(-rc));
		close(conn);
		return;
	}
	if (!g->trial)
		log_limited(LOG_INFO, "Guest connected");
}

void attach_repair(struct ctx *c, int fd)
{
	for (int conn; (conn = accept_take(c, fd, NULL, false)) >= 0;) {
		log_limited(LOG_WARNING, "A helper of a migration is refused: there is no migration yet");
		close(conn);
	}
}
