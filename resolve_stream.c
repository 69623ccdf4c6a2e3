/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolve_stream.c - queries by TCP
 *
 * The guest's connection has a socket as its far end, as any other; its peer is a flow of ours here. Messages are read
 * as a whole, and stay in the socket until then. With STREAM_LOOKUPS queries under way, no more are read, and the
 * guest's window closes.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns.h"
#include "event.h"
#include "reclaim.h"
#include "resolve.h"
#include "sock.h"

#define STREAM_TURN	64		/* messages, before others have their turn */
#define STREAM_IDLE	30000		/* ms without a query: RFC 7766 6.2.3 */

static const struct flow_ops stream_flow;

static bool stream_gone(struct ctx *c, struct flow *f)
{
	timer_clear(&c->wheel, &f->timer);
	close(f->sock);
	flow_end(&c->flows, f);
	return true;
}

/* Answer @b, behind two bytes of room for its length: false if too many wait in the socket, as they aren't read */
static bool stream_write(struct flow *f, uint8_t *b, size_t len)
{
	put_be16(b, (uint16_t)len);
	return send(f->sock, b, 2 + len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(2 + len);
}

/* Next message: its length, 0: it isn't there yet, -1: there is no more, or it makes no sense */
static ssize_t stream_message(struct flow *f, uint8_t b[static 2 + RESOLVE_QUERY])
{
	ssize_t n = UNINTERRUPTED(recv(f->sock, b, 2 + RESOLVE_QUERY, MSG_PEEK | MSG_DONTWAIT)), len;

	if (n < 0 && errno == EAGAIN)
		return 0;
	len = n < 2 ? 0 : get_be16(b);
	if (n <= 0 || (n >= 2 && (len < DNS_HEADER || len > RESOLVE_QUERY)))
		return -1;
	if (n < 2 || n < 2 + len)
		return f->stream.eof ? -1 : 0;
	return UNINTERRUPTED(recv(f->sock, b, (size_t)(2 + len), MSG_DONTWAIT)) == 2 + len ? len : -1;
}

static void stream_read(struct ctx *c, struct flow *f)
{
	uint8_t b[2 + RESOLVE_QUERY], answer[2 + DNS_RECORD_MAX];
	ssize_t len = 0;
	size_t made;

	for (unsigned i = 0; i < STREAM_TURN && f->stream.lookups < STREAM_LOOKUPS; i++) {
		len = stream_message(f, b);
		if (len <= 0)
			break;
		f->stream.used = c->now;
		made = resolve_query(c, flow_guest(c, f), f, NULL, b + 2, (size_t)len, answer + 2);
		if (made && !stream_write(f, answer, made)) {
			stream_gone(c, f);
			return;
		}
	}
	if (len > 0 && f->stream.lookups < STREAM_LOOKUPS)
		flow_wait(&c->flows, f, WAIT_READY);
	else if (len < 0 && !f->stream.lookups)
		stream_gone(c, f);
}

void resolve_answered(struct ctx *c, struct flow *f, uint8_t *b, size_t len)
{
	if (stream_write(f, b, len))
		flow_wait(&c->flows, f, WAIT_READY);
	else
		stream_gone(c, f);
}

static void stream_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	(void)side;
	if (events & (EPOLLRDHUP | EPOLLHUP))
		f->stream.eof = true;
	stream_read(c, f);
}

static void stream_timeout(struct ctx *c, struct flow *f)
{
	if (f->stream.lookups)
		f->stream.used = c->now;
	if (c->now >= f->stream.used + STREAM_IDLE)
		stream_gone(c, f);
	else
		timer_set(&c->wheel, &f->timer, f->stream.used + STREAM_IDLE);
}

static const struct flow_ops stream_flow = {
	.type = FLOW_STREAM, .fds = 1, .ready = stream_ready, .resume = stream_read, .timeout = stream_timeout,
	.end = stream_gone,
};

int resolve_stream(struct ctx *c, struct guest *g)
{
	struct flow *f;
	int fd[2], rc = sock_pair(fd);

	if (reclaim_for(c, rc))
		rc = sock_pair(fd);
	if (rc)
		return rc;
	f = reclaim_alloc(c, g, &stream_flow);
	if (!f || ev_add_flow(c->epfd, fd[1], flow_idx(&c->flows, f), f->gen, HOST, EPOLLIN | EPOLLRDHUP)) {
		if (f)
			flow_end(&c->flows, f);
		close(fd[0]);
		close(fd[1]);
		return -ENOBUFS;
	}
	f->stream = (struct stream){ .sock = fd[1], .used = c->now };
	f->timer.kind = TIMER_FLOW;
	timer_set(&c->wheel, &f->timer, c->now + STREAM_IDLE);
	return fd[0];
}
