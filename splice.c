/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splice.c - connections between loopback interfaces: two sockets, one in the target namespace, and no packets
 *
 * Each direction, a *way*, is on its own: bytes, end of file and half-close. Bytes are moved by whichever costs less:
 *
 *	short	one recv() into a buffer that all share, one send(); bytes the receiver doesn't take go into a pipe
 *	bulk	splice() into a pipe and out of it, from the moment a read fills the buffer until the socket runs dry
 *	peek	without a pipe (descriptors used up, or the user's pipes limited to less than the buffer): bytes stay in
 *		the sender's socket until the receiver took them
 *
 * A way has a pipe only while it holds bytes; empty ones are kept for the next. It stops when there is nothing to read,
 * or no room to write, and an edge will come; or when its turn is over, and then it is on the ready list.
 *
 * FIN becomes FIN once everything before it was taken, RST becomes RST, and so does a connect() that fails. A broken
 * socket can still be read to its end: its bytes are delivered before the other one is reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "event.h"
#include "opener.h"
#include "reclaim.h"
#include "resolve.h"
#include "sock.h"
#include "splice.h"

#define SPLICE_EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)
#define SPLICE_FLAGS	(SPLICE_F_MOVE | SPLICE_F_NONBLOCK)	/* Linux 4.19 doesn't look at O_NONBLOCK */

#define SPLICE_BUF	(64U << 10)	/* as much as an empty pipe holds */
#define FILL_SIZE	(4U << 20)	/* more than a pipe full of a socket's buffers */
#define TURN_SIZE	(1U << 20)	/* bytes, before other flows get their turn */
#define PIPES_IDLE	16
#define SOCKS_SPARE	32

/* Flags of struct splice_way */
#define WAY_READABLE	0x01	/* socket has bytes, or its end, that were not seen yet */
#define WAY_HANGUP	0x02	/* sender is done: nothing comes behind the queue */
#define WAY_BLOCKED	0x04	/* receiver is full, or not connected: EPOLLOUT will come */
#define WAY_EOF		0x08	/* all of it was read */
#define WAY_DONE	0x10	/* and passed on; or never will be */
#define WAY_BULK	0x20
#define WAY_URGENT	0x40	/* a short read is not an empty queue: it stops at urgent data, splice() for good */

static const struct flow_ops splice_flow;

static uint8_t buf[SPLICE_BUF];

static struct {
	int		fd[PIPES_IDLE][2];
	unsigned	n;
} idle;				/* empty pipes */

/* Sockets in the target namespace, not connected, of TCP and of UDP: opened elsewhere, and so several at a time */
static struct {
	int		fd[SOCKS_SPARE];
	unsigned	n;
} spare[2][FAMILIES];

/* No pipe any more; @keep: for the next way that needs one */
static void way_unpipe(struct splice_way *w, bool keep)
{
	if (keep && w->pipe[0] >= 0 && idle.n < PIPES_IDLE) {
		memcpy(idle.fd[idle.n++], w->pipe, sizeof(w->pipe));
	} else {
		fd_close(w->pipe[0]);
		fd_close(w->pipe[1]);
	}
	w->pipe[0] = w->pipe[1] = -1;
	w->queued = 0;
}

/* A pipe that holds a whole buffer, until way_unpipe(). Its descriptors are not of the reserve (accept.h). */
static bool way_pipe(const struct ctx *c, struct splice_way *w)
{
	if (w->pipe[0] >= 0)
		return true;
	if (idle.n) {
		memcpy(w->pipe, idle.fd[--idle.n], sizeof(w->pipe));
		return true;
	}
	if (pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC))
		return false;
	/* Refused, and less than the default, if the user has many: pipe(7), pipe-user-pages-soft */
	if (MAX(w->pipe[0], w->pipe[1]) < accept_limit(c) &&
	    (fcntl(w->pipe[0], F_SETPIPE_SZ, PIPE_SIZE) >= 0 || fcntl(w->pipe[0], F_GETPIPE_SZ) >= (int)SPLICE_BUF))
		return true;
	way_unpipe(w, false);
	return false;
}

static void way_done(struct splice_way *w)
{
	way_unpipe(w, !w->queued);
	w->flags |= WAY_DONE;
}

/* Nothing can be written to the socket on @side any more, but its bytes are still to be read */
static void side_broken(struct splice *s, unsigned side)
{
	s->reset = true;
	s->way[side].flags |= WAY_READABLE;
	way_done(&s->way[!side]);
}

/* State of the queue behind a read of @want bytes. Return: true if it brought something */
static bool way_seen(struct splice *s, unsigned from, ssize_t got, size_t want)
{
	struct splice_way *w = &s->way[from];

	if (got < 0 && errno == EAGAIN) {
		w->flags &= (uint8_t)~WAY_READABLE;
	} else if (got < 0) {
		side_broken(s, from);
		way_done(w);
	} else if (!got) {
		w->flags |= WAY_EOF;
	} else if ((size_t)got < want && !(w->flags & WAY_URGENT)) {
		w->flags &= (uint8_t)~WAY_READABLE;
		if (w->flags & WAY_HANGUP)
			w->flags |= WAY_EOF;
	}
	return got > 0;
}

/* Bytes that the receiver took; 0 also if it is full, or broken */
static size_t way_written(struct splice *s, unsigned from, ssize_t n, size_t want)
{
	struct splice_way *w = &s->way[from];

	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
		side_broken(s, !from);
	else if (n < (ssize_t)want)
		w->flags |= WAY_BLOCKED;
	return n < 0 ? 0 : (size_t)n;
}

/* The rest of a message goes into the pipe: there is one, and it holds as much */
static void way_keep(struct splice *s, unsigned from, const uint8_t *p, size_t len)
{
	struct splice_way *w = &s->way[from];
	ssize_t n = UNINTERRUPTED(write(w->pipe[1], p, len));

	if (n == (ssize_t)len) {
		w->queued = (uint32_t)n;
		return;
	}
	log_limited(LOG_WARNING, "No room for what a spliced connection holds, reset");
	w->queued = (uint32_t)MAX(n, 0);
	side_broken(s, from);
	way_done(w);
}

/* One read, one write: bytes moved */
static size_t way_pass(const struct ctx *c, struct splice *s, unsigned from)
{
	struct splice_way *w = &s->way[from];
	bool keep = way_pipe(c, w);
	ssize_t n = UNINTERRUPTED(recv(s->sock[from], buf, sizeof(buf), MSG_DONTWAIT | (keep ? 0 : MSG_PEEK))), out;
	uint8_t before = w->flags;
	size_t sent;

	if (!way_seen(s, from, n, sizeof(buf)))
		return 0;
	if (n == sizeof(buf) && keep && !(w->flags & WAY_URGENT))
		w->flags |= WAY_BULK;

	out = UNINTERRUPTED(send(s->sock[!from], buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL));
	sent = way_written(s, from, out, (size_t)n);
	if (!keep) {
		if (sent < (size_t)n)		/* there is more, after all */
			w->flags = (uint8_t)((w->flags & ~WAY_EOF) | (before & WAY_READABLE));
		if (sent)
			UNINTERRUPTED(recv(s->sock[from], NULL, sent, MSG_TRUNC | MSG_DONTWAIT));
	} else if (sent < (size_t)n && !(w->flags & WAY_DONE)) {
		way_keep(s, from, buf + sent, (size_t)n - sent);
	}
	return sent;
}

/* From the socket into the pipe: bytes */
static size_t way_fill(const struct ctx *c, struct splice *s, unsigned from)
{
	struct splice_way *w = &s->way[from];
	ssize_t n;

	if (!way_pipe(c, w)) {
		w->flags &= (uint8_t)~WAY_BULK;
		return 0;
	}
	n = UNINTERRUPTED(splice(s->sock[from], NULL, w->pipe[1], NULL, FILL_SIZE, SPLICE_FLAGS));
	if (n > 0) {
		w->queued = (uint32_t)n;
		return (size_t)n;
	}
	if (!n)					/* the end; or urgent data, which only recv() passes */
		w->flags &= (uint8_t)~WAY_BULK;
	else
		way_seen(s, from, n, 0);
	return 0;
}

/* From the pipe into the other socket */
static void way_drain(struct splice *s, unsigned from)
{
	struct splice_way *w = &s->way[from];
	ssize_t n = UNINTERRUPTED(splice(w->pipe[0], NULL, s->sock[!from], NULL, w->queued, SPLICE_FLAGS));

	way_written(s, from, n, 1);		/* a short one may have met the pipe's end, not the socket's */
	if (n > 0)
		w->queued -= (uint32_t)n;
}

/* Moves the bytes of one way, as far as it goes */
static void way_run(struct ctx *c, struct flow *f, unsigned from)
{
	struct splice *s = &f->splice;
	struct splice_way *w = &s->way[from];
	size_t moved = 0;

	while (!(w->flags & (WAY_DONE | WAY_BLOCKED))) {
		if (w->queued) {
			way_drain(s, from);
		} else if (w->flags & WAY_EOF) {
			if (!s->reset)
				shutdown(s->sock[!from], SHUT_WR);
			way_done(w);
		} else if (!(w->flags & WAY_READABLE)) {
			break;
		} else if (moved >= TURN_SIZE) {
			flow_wait(&c->flows, f, WAIT_READY);
			break;
		} else {
			moved += w->flags & WAY_BULK ? way_fill(c, s, from) : way_pass(c, s, from);
		}
	}
	if (!w->queued)
		way_unpipe(w, true);
	if (!(w->flags & WAY_READABLE) && moved < SPLICE_BUF)
		w->flags &= (uint8_t)~WAY_BULK;
	flow_moved(&c->flows, f, from, moved);
	c->splice.bytes += moved;
}

void splice_refuse(int fd)
{
	const struct linger rst = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
	close(fd);
}

static void splice_end(struct ctx *c, struct flow *f)
{
	struct splice *s = &f->splice;

	for (unsigned side = 0; side < 2; side++) {
		way_unpipe(&s->way[side], !s->way[side].queued);
		if (s->reset)
			splice_refuse(s->sock[side]);
		else
			close(s->sock[side]);
	}
	flow_end(&c->flows, f);
}

static void splice_resume(struct ctx *c, struct flow *f)
{
	struct splice *s = &f->splice;

	way_run(c, f, GUEST);
	way_run(c, f, HOST);
	if (s->reset)				/* found broken just now: that side may have bytes to be read */
		way_run(c, f, GUEST);
	if (s->way[GUEST].flags & s->way[HOST].flags & WAY_DONE)
		splice_end(c, f);
}

static void splice_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	struct splice *s = &f->splice;
	struct splice_way *w = &s->way[side];

	if (events & EPOLLERR) {
		side_broken(s, side);
		if (s->connecting)		/* refused, or the client left meanwhile: nothing passed yet */
			way_done(w);
	} else if (events & (EPOLLRDHUP | EPOLLHUP)) {
		w->flags |= WAY_HANGUP;
	}
	if (events & EPOLLPRI && !(w->flags & WAY_URGENT)) {
		w->flags = (uint8_t)((w->flags | WAY_URGENT) & ~WAY_BULK);
		sock_opt(s->sock[side], SOL_SOCKET, SO_OOBINLINE, 1);	/* urgent data is data */
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		w->flags |= WAY_READABLE;
	if (events & EPOLLOUT && !(events & EPOLLERR)) {
		if (side == s->far)
			s->connecting = false;
		s->way[!side].flags &= (uint8_t)~WAY_BLOCKED;
	}
	splice_resume(c, f);
}

int splice_ns_socket(const struct ctx *c, enum family f, uint8_t proto)
{
	bool udp = proto == IPPROTO_UDP;
	int n;

	if (!spare[udp][f].n) {
		n = opener_sockets(f == V4 ? AF_INET : AF_INET6, udp ? SOCK_DGRAM : SOCK_STREAM, proto,
				   spare[udp][f].fd, accept_plenty(c) ? SOCKS_SPARE : 1);
		if (n < 0)
			return n;
		spare[udp][f].n = (unsigned)n;
	}
	return spare[udp][f].fd[--spare[udp][f].n];
}

/* Socket of the other half, connect() under way, or -errno */
static int connect_far(const struct ctx *c, unsigned far, const struct side *to)
{
	int fd, rc;

	if (far == HOST)
		return sock_connect(to, NULL);
	fd = splice_ns_socket(c, addr_family(&to->peer.a), IPPROTO_TCP);
	if (fd < 0)
		return fd;
	rc = sock_connect_on(fd, &to->peer, 0);
	if (rc)
		close(fd);
	return rc ? rc : fd;
}

static int splice_add(struct ctx *c, const struct flow *f, unsigned side)
{
	return ev_add_flow(c->epfd, f->splice.sock[side], flow_idx(&c->flows, f), f->gen, side, SPLICE_EVENTS);
}

void splice_accept(struct ctx *c, struct guest *g, unsigned near, int fd, const struct side *from,
		   const struct side *to, const struct decision *d)
{
	unsigned far = !near;
	char peer[END_STRLEN];
	struct flow *f;
	int conn = d && d->by == BY_RESOLVER ? resolve_stream(c, g) : connect_far(c, far, to);

	f = conn < 0 ? NULL : reclaim_alloc(c, g, &splice_flow);
	if (!f) {
		if (conn == -ECONNREFUSED)
			debug("Nobody listens at %s", end_fmt(&to->peer, peer));
		else
			log_limited(LOG_WARNING, "Can't connect to %s: %s", end_fmt(&to->peer, peer),
				    conn < 0 ? errno_text(-conn) : "flow table full");
		fd_close(conn);
		splice_refuse(fd);
		return;
	}

	f->side[near] = *from;
	f->side[far] = *to;
	if (d)
		flow_decided(&c->flows, f, d);
	f->splice = (struct splice){
		.way = { { .pipe = { -1, -1 } }, { .pipe = { -1, -1 } } }, .far = far, .connecting = true,
	};
	f->splice.sock[near] = fd;
	f->splice.sock[far] = conn;
	f->splice.way[near].flags = WAY_BLOCKED;
	c->splice.flows++;
	if (splice_add(c, f, near) || splice_add(c, f, far)) {
		f->splice.reset = true;
		splice_end(c, f);
	}
}

/* Its guest is gone: reset, so that nobody takes the bytes so far for all of them */
static bool splice_gone(struct ctx *c, struct flow *f)
{
	f->splice.reset = true;
	splice_end(c, f);
	return true;
}

static const char *splice_state(const struct flow *f)
{
	return f->splice.connecting ? "connecting" : "established";
}

static const struct flow_ops splice_flow = {
	.type = FLOW_SPLICE, .name = { "tcp", "tcp" }, .fds = 6, .spliced = true, .state = splice_state,
	.ready = splice_ready, .resume = splice_resume, .end = splice_gone,
};
