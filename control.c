/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.c - clients on the control socket: connections, calls taken off the stream, answers sent
 *
 * Events are level-triggered: a client is watched for calls, or for room for its answer, never for both. No call is
 * read from a client that doesn't read.
 *
 * A connection ends after bytes that are no call, after a call that is too long, after PATIENCE without a whole call
 * (a client of another protocol may wait for a greeting), and after the client's end once all its calls are answered.
 * A client that is being answered may take its time. An event handles one call, or one buffer of an answer: no client
 * occupies the loop. An answer without an end waits for news, and is watched for the client's end only.
 *
 * Clients are few: if all slots are taken, another one waits until the client idle for longest has been idle for GRACE,
 * and gives way. One whose answer waits for news is idle by its nature: it gives way if all others are like that.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "control.h"
#include "unix.h"

#define LISTENER	CONTROL_CLIENTS		/* index of its events */
#define GRACE		500			/* ms of silence before a client gives way */
#define RETRY		1000			/* ms, if no descriptor is left */
#define PATIENCE	5000			/* ms, for a whole call */

struct client {
	int		fd;			/* -1: free */
	uint16_t	gen;
	uint32_t	events;			/* watched */
	uint64_t	heard;			/* ms: time of the last byte, either way */
	struct timer	patience;		/* for a call: disarmed while one is answered */
	bool		eof;			/* no more calls come */
	uint32_t	in_at, in_len, in_seen;	/* unhandled bytes of @in; the first @in_seen of them have no NUL */
	uint32_t	out_at;			/* bytes of @out already sent */
	struct json_out	out;
	struct control_call call;		/* the latest */
	char		in[CONTROL_IN], buf[CONTROL_OUT];
};

static struct {
	struct client	client[CONTROL_CLIENTS];
	int		fd;
	int		spare;			/* descriptor, closed for a client when no other is left; or -1 */
	bool		deaf;			/* new connections wait */
	struct timer	retry;
} ct;						/* no initialiser: the array would be in the binary */

/* Length of the next call, without its NUL; -1: incomplete */
static int next_call(struct client *cl)
{
	const char *start = cl->in + cl->in_at, *nul;

	nul = memchr(start + cl->in_seen, '\0', cl->in_len - cl->in_seen);
	cl->in_seen = nul ? (uint32_t)(nul - start) : cl->in_len;
	return nul ? (int)cl->in_seen : -1;
}

/* Reads once: false if the connection is to end */
static bool client_read(const struct ctx *c, struct client *cl)
{
	ssize_t n;

	if (cl->in_at)				/* a long call comes in many pieces */
		memmove(cl->in, cl->in + cl->in_at, cl->in_len);
	cl->in_at = 0;
	if (cl->in_len == sizeof(cl->in)) {
		debug("Control: a call of more than %u bytes, closing", CONTROL_IN);
		return false;
	}
	n = recv(cl->fd, cl->in + cl->in_len, sizeof(cl->in) - cl->in_len, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	cl->in_len += (uint32_t)n;
	cl->eof = !n;
	cl->heard = c->now;
	return true;
}

/* Sends @out, or its rest: false if the connection is to end */
static bool client_send(const struct ctx *c, struct client *cl)
{
	ssize_t n;

	if (!cl->out.len)
		return true;
	n = send(cl->fd, cl->buf + cl->out_at, cl->out.len - cl->out_at, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	cl->out_at += (uint32_t)n;
	cl->heard = c->now;
	if (cl->out_at == cl->out.len)
		cl->out_at = cl->out.len = 0;
	return true;
}

/* Nobody takes the rest of an answer */
static void call_drop(struct ctx *c, struct control_call *call)
{
	if (call->busy && call->gone)
		call->gone(c, call);
	call->busy = false;
}

/* Writes the next piece of an answer, or begins the next answer: false if the connection is to end */
static bool client_answer(struct ctx *c, struct client *cl)
{
	const char *v;
	bool ok = true;
	int len;

	if (cl->call.busy) {
		cl->call.waits = false;
		cl->call.fn(c, &cl->call, &cl->out);
	} else {
		len = next_call(cl);
		if (len < 0)
			return true;
		timer_clear(&c->wheel, &cl->patience);
		v = json_read(cl->in + cl->in_at, (size_t)len);
		ok = v && control_call(c, &cl->call, v, &cl->out);
		if (!ok)
			debug("Control: what a client sent is no call, or too long, closing");
		cl->in_at += (uint32_t)len + 1;
		cl->in_len -= (uint32_t)len + 1;
		cl->in_seen = 0;
	}
	if (cl->out.full) {
		log_limited(LOG_WARNING, "Control: an answer doesn't fit, closing");
		return false;
	}
	if (cl->call.oneway) {
		call_drop(c, &cl->call);
		cl->out.len = 0;
		cl->out.comma = false;
	}
	return ok;
}

/* Has it taken all of its answer that there is, and is there more to come? */
static bool client_waits(const struct client *cl)
{
	return !cl->out.len && cl->call.busy && cl->call.waits;
}

static bool client_serve(struct ctx *c, struct client *cl, uint32_t events)
{
	bool busy, waits;
	uint32_t want;

	if (events & (EPOLLHUP | EPOLLERR))
		return false;
	if (events & EPOLLIN && !client_read(c, cl))
		return false;
	if (!client_send(c, cl))
		return false;
	if (!cl->out.len && !(client_answer(c, cl) && client_send(c, cl)))
		return false;

	waits = client_waits(cl);
	busy = !waits && (cl->out.len || cl->call.busy || next_call(cl) >= 0);
	if (cl->eof && !busy && !waits)
		return false;
	want = busy ? EPOLLOUT : waits ? 0 : EPOLLIN;	/* EPOLLHUP comes anyway */
	if (want != cl->events && ev_mod(c->epfd, cl->fd, EV_CONTROL, (uint32_t)(cl - ct.client), cl->gen, want))
		return false;
	cl->events = want;
	if (busy || waits)
		timer_clear(&c->wheel, &cl->patience);
	else if (!timer_armed(&cl->patience))
		timer_set(&c->wheel, &cl->patience, c->now + PATIENCE);
	return true;
}

/* New connections wait, @ms at most */
static void deafen(struct ctx *c, uint64_t ms)
{
	ct.deaf = true;
	ev_mod(c->epfd, ct.fd, EV_CONTROL, LISTENER, 0, 0);
	timer_set(&c->wheel, &ct.retry, c->now + ms);
}

/* A descriptor may be free again: for the spare one first, then for clients */
static void undeafen(struct ctx *c)
{
	if (ct.spare < 0)
		ct.spare = unix_spare();
	if (!ct.deaf)
		return;
	ct.deaf = false;
	timer_clear(&c->wheel, &ct.retry);
	ev_mod(c->epfd, ct.fd, EV_CONTROL, LISTENER, 0, EPOLLIN);
}

static void client_close(struct ctx *c, struct client *cl)
{
	timer_clear(&c->wheel, &cl->patience);
	call_drop(c, &cl->call);
	close(cl->fd);
	cl->fd = -1;
	cl->gen = (cl->gen + 1) & 0x3ff;
	undeafen(c);
}

void control_timer(struct ctx *c, struct timer *t)
{
	if (t == &ct.retry) {
		undeafen(c);
	} else {
		debug("Control: no call within %u ms, closing", PATIENCE);
		client_close(c, container_of(t, struct client, patience));
	}
}

void control_news(struct ctx *c)
{
	for (struct client *cl = ct.client; cl < ct.client + CONTROL_CLIENTS; cl++) {
		if (cl->fd >= 0 && cl->call.busy && cl->call.waits && !client_serve(c, cl, 0))
			client_close(c, cl);
	}
}

/* The first free slot, whose pages may have been used before; NULL: none */
static struct client *client_free(void)
{
	for (struct client *cl = ct.client; cl < ct.client + CONTROL_CLIENTS; cl++) {
		if (cl->fd < 0)
			return cl;
	}
	return NULL;
}

/* The client that gives way: idle for longest, among those that don't wait for news if there are any; NULL: none */
static struct client *client_oldest(void)
{
	struct client *oldest = NULL;

	for (struct client *cl = ct.client; cl < ct.client + CONTROL_CLIENTS; cl++) {
		if (cl->fd < 0)
			continue;
		if (!oldest || client_waits(cl) < client_waits(oldest) ||
		    (client_waits(cl) == client_waits(oldest) && cl->heard < oldest->heard))
			oldest = cl;
	}
	return oldest;
}

/* A client gives way: false if it was idle for less than GRACE */
static bool evict(struct ctx *c)
{
	struct client *cl = client_oldest();

	if (!cl || c->now - cl->heard < GRACE) {
		deafen(c, cl ? cl->heard + GRACE - c->now : RETRY);
		return false;
	}
	debug("Control: a client that was idle for long gives way to another");
	client_close(c, cl);
	return true;
}

static bool is_scarce(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
}

/* Next client in the backlog: descriptor or -errno. The spare descriptor is given up if no other is left, and taken at
 * once, before a flow can take it. client_close() opens a new one.
 */
static int take_client(const struct ctx *c)
{
	int fd = accept_take(c, ct.fd, NULL, false);

	if (!is_scarce(fd) || ct.spare < 0)
		return fd;
	close(ct.spare);
	fd = accept_take(c, ct.fd, NULL, false);
	ct.spare = fd < 0 ? unix_spare() : -1;
	return fd;
}

static void admit(struct ctx *c)
{
	struct client *cl = client_free();
	int fd;

	if (!cl && evict(c))
		cl = client_free();
	if (!cl)
		return;
	fd = take_client(c);
	if (is_scarce(fd))
		evict(c);			/* the event comes again */
	else if (fd < 0 && fd != -EAGAIN)
		deafen(c, RETRY);
	if (fd < 0)
		return;
	cl->fd = fd;
	cl->events = EPOLLIN;
	cl->heard = c->now;
	cl->eof = false;
	cl->call = (struct control_call){ 0 };
	cl->in_at = cl->in_len = cl->in_seen = cl->out_at = 0;
	cl->out = (struct json_out){ .b = cl->buf, .max = sizeof(cl->buf) };
	timer_set(&c->wheel, &cl->patience, c->now + PATIENCE);
	if (ev_add(c->epfd, fd, EV_CONTROL, (uint32_t)(cl - ct.client), cl->gen, EPOLLIN))
		client_close(c, cl);
}

void control_event(struct ctx *c, union ev_ref ref, uint32_t events)
{
	struct client *cl = &ct.client[ref.idx];

	if (ref.idx == LISTENER)
		admit(c);
	else if (cl->fd >= 0 && cl->gen == ref.gen && !client_serve(c, cl, events))
		client_close(c, cl);
}

int control_start(struct ctx *c, int fd)
{
	for (struct client *cl = ct.client; cl < ct.client + CONTROL_CLIENTS; cl++) {
		cl->fd = -1;
		cl->patience.kind = TIMER_CONTROL;
	}
	ct.retry.kind = TIMER_CONTROL;
	ct.fd = fd;
	ct.spare = unix_spare();
	return ev_add(c->epfd, fd, EV_CONTROL, LISTENER, 0, EPOLLIN);
}
