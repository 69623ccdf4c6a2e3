/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xfer_tcp.c - jobs with connections */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/errqueue.h>	/* needs struct timespec */

#include "xfer.h"

/* One side of a connection */
struct side {
	const char	*who;
	int		fd;
	uint64_t	tx_seed, rx_seed;
	uint64_t	to_send, sent, to_recv, got;
	uint64_t	stall_until;		/* ms; 0: not yet, 1: over */
	uint64_t	since;			/* ms: the first byte may come */
	bool		first;			/* closes as soon as it has all */
	bool		half;			/* ends its half when it has sent all */
	bool		shut, eof, closed;
};

static bool side_send(struct job *j, struct side *s, bool *progress)
{
	uint64_t left = s->to_send - s->sent;
	size_t len = left < j->chunk ? (size_t)left : j->chunk;
	ssize_t n = send(s->fd, pattern(s->tx_seed, s->sent, len), len, MSG_NOSIGNAL);

	if (n < 0) {
		return errno == EAGAIN || failed(j, "%s: send: %s at %llu of %llu", s->who, strerror(errno),
						 (unsigned long long)s->sent, (unsigned long long)s->to_send);
	}
	s->sent += (uint64_t)n;
	*progress |= n > 0;
	return true;
}

static bool side_recv(struct job *j, struct side *s, bool *progress)
{
	static uint8_t buf[CHUNK];
	ssize_t n = recv(s->fd, buf, j->rate && j->rate / 16 < CHUNK ? 1 + j->rate / 16 : CHUNK, 0);

	if (n < 0) {
		return errno == EAGAIN || failed(j, "%s: recv: %s at %llu of %llu", s->who, strerror(errno),
						 (unsigned long long)s->got, (unsigned long long)s->to_recv);
	}
	*progress = true;
	if (!n) {
		s->eof = true;
		return s->got == s->to_recv || failed(j, "%s: end at %llu of %llu", s->who, (unsigned long long)s->got,
						      (unsigned long long)s->to_recv);
	}
	if (s->got + (uint64_t)n > s->to_recv)
		return failed(j, "%s: more than %llu bytes", s->who, (unsigned long long)s->to_recv);
	if (!pattern_ok(j, s->who, s->rx_seed, s->got, buf, (size_t)n))
		return false;
	s->got += (uint64_t)n;
	if (j->stall && !s->stall_until && s->got >= s->to_recv / 2)
		s->stall_until = now_ms() + j->stall;
	return true;
}

/* What is due once all is sent, all is here, or the other side has ended */
static void side_close(struct side *s)
{
	bool sent = s->sent == s->to_send, got = s->got == s->to_recv;

	if (s->half && sent && !s->shut) {
		shutdown(s->fd, SHUT_WR);
		s->shut = true;
	}
	if (s->half ? sent && s->eof : sent && got && (s->first || s->eof)) {
		close(s->fd);
		s->fd = -1;
		s->closed = true;
	}
}

static bool side_stalls(const struct job *j, struct side *s, uint64_t now)
{
	if (j->rate && s->got < s->to_recv && s->got > j->rate * (now - s->since) / 1000)
		return true;
	if (s->stall_until > 1 && now >= s->stall_until)
		s->stall_until = 1;
	return s->stall_until > 1;
}

static bool pump(struct job *j, struct side s[2], uint64_t start)
{
	uint64_t last = now_ms();

	while (!s[0].closed || !s[1].closed) {
		struct pollfd p[2];
		bool progress = false, stalls = false;
		uint64_t now = now_ms();

		for (int i = 0; i < 2; i++) {
			bool wait = side_stalls(j, &s[i], now);

			stalls |= wait;
			p[i].fd = wait && s[i].sent == s[i].to_send ? -1 : s[i].fd;
			p[i].events = (short)((s[i].eof || wait ? 0 : POLLIN) |
					      (s[i].sent < s[i].to_send ? POLLOUT : 0));
			p[i].revents = 0;
			if (s[i].eof && s[i].sent == s[i].to_send)
				p[i].fd = -1;
		}
		if (poll(p, 2, stalls ? 10 : (int)patience) < 0)
			return failed(j, "poll: %s", strerror(errno));
		for (int i = 0; i < 2; i++) {
			if (p[i].revents & POLLOUT && !side_send(j, &s[i], &progress))
				return false;
			if (p[i].revents & (POLLIN | POLLHUP | POLLERR) && !s[i].eof && p[i].events & POLLIN &&
			    !side_recv(j, &s[i], &progress))
				return false;
		}
		for (int i = 0; i < 2; i++) {
			bool was = s[i].closed;

			if (!s[i].closed)
				side_close(&s[i]);
			progress |= s[i].closed != was;
		}
		if (j->ms && now_ms() - start > j->ms)
			return failed(j, "more than %u ms: client sent %llu, got %llu; server sent %llu, got %llu",
				      j->ms, (unsigned long long)s[0].sent, (unsigned long long)s[0].got,
				      (unsigned long long)s[1].sent, (unsigned long long)s[1].got);
		if (progress || stalls)
			last = now_ms();
		else if (now_ms() - last >= patience)
			return failed(j, "no progress in %u ms: client sent %llu, got %llu; server sent %llu, got %llu",
				      patience, (unsigned long long)s[0].sent, (unsigned long long)s[0].got,
				      (unsigned long long)s[1].sent, (unsigned long long)s[1].got);
	}
	return true;
}

bool job_tcp(struct job *j)
{
	uint64_t up = pattern_seed(j->name, 1), down = pattern_seed(j->name, 2), start, ms;
	struct side s[2] = {
		{ .who = "client", .tx_seed = up, .rx_seed = down, .to_send = j->up, .to_recv = j->down },
		{ .who = "server", .tx_seed = down, .rx_seed = up, .to_send = j->down, .to_recv = j->up },
	};
	int fd[2] = { -1, -1 }, listener = sock_server(j, SOCK_STREAM);
	bool good;

	if (listener < 0)
		return false;
	start = now_ms();
	good = sock_pair(j, listener, fd);
	close(listener);
	for (int i = 0; i < 2; i++) {
		s[i].fd = fd[i];
		s[i].half = j->close == CLOSE_HALF;
		s[i].since = start;
		s[i].first = (int)j->close == i;
	}
	good = good && pump(j, s, start);
	for (int i = 0; i < 2; i++) {
		if (s[i].fd >= 0)
			close(s[i].fd);
	}
	ms = now_ms() - start;
	if (good && j->up + j->down >= 10000000)
		failed(j, "%.2f Gb/s", (double)(j->up + j->down) * 8 / 1e6 / (double)(ms ? ms : 1));
	return good;
}

/* One byte from @a to @b */
static bool byte_over(struct job *j, int a, int b, const char *what)
{
	char c = 'x';

	if (send(a, &c, 1, MSG_NOSIGNAL) != 1)
		return failed(j, "%s: send: %s", what, strerror(errno));
	if (!sock_wait(j, b, POLLIN, what))
		return false;
	return recv(b, &c, 1, 0) == 1 || failed(j, "%s: recv: %s", what, strerror(errno));
}

bool job_crr(struct job *j)
{
	int listener = sock_server(j, SOCK_STREAM);
	uint64_t start = now_ms(), ms;
	bool good = listener >= 0;
	char c;

	for (unsigned i = 0; good && i < j->count; i++) {
		int fd[2] = { -1, -1 }, last;

		good = sock_pair(j, listener, fd) && byte_over(j, fd[0], fd[1], "request") &&
		       byte_over(j, fd[1], fd[0], "response");
		if (good) {
			last = i & 1;		/* the side that closes first changes */
			close(fd[!last]);
			fd[!last] = -1;
			good = sock_wait(j, fd[last], POLLIN, "end") &&
			       (!recv(fd[last], &c, 1, 0) || failed(j, "no end, but %s", strerror(errno)));
		}
		for (int k = 0; k < 2; k++) {
			if (fd[k] >= 0)
				close(fd[k]);
		}
		if (!good) {
			char why[400];

			snprintf(why, sizeof(why), "%.380s", j->why);
			j->why[0] = '\0';
			failed(j, "number %u: %s", i, why);
		}
	}
	if (listener >= 0)
		close(listener);
	ms = now_ms() - start;
	if (good)
		failed(j, "%.0f/s", j->count * 1e3 / (double)(ms ? ms : 1));
	return good;
}

/* What is due on one end of connection @i: @client has its response and asks again, the server answers */
static bool rr_turn(struct job *j, int fd, bool client, bool more, bool *response)
{
	char c = 'x';

	*response = client;
	if (recv(fd, &c, 1, 0) != 1)
		return failed(j, "%s: no byte: %s", client ? "client" : "server", strerror(errno));
	return (client && !more) || send(fd, &c, 1, MSG_NOSIGNAL) == 1 || failed(j, "send: %s", strerror(errno));
}

bool job_rr(struct job *j)
{
	int listener = sock_server(j, SOCK_STREAM), fd[RR_MAX][2];
	unsigned n = j->parallel < RR_MAX ? j->parallel : RR_MAX, open = 0, asked = n, answered = 0;
	struct pollfd p[2 * RR_MAX];
	bool good = listener >= 0, response;
	uint64_t start, ms;

	for (; good && open < n; open++) {
		good = sock_pair(j, listener, fd[open]);
		for (int k = 0; k < 2; k++)
			p[2 * open + (unsigned)k] = (struct pollfd){ .fd = fd[open][k], .events = POLLIN };
	}
	start = now_ms();
	for (unsigned i = 0; good && i < n; i++)
		good = send(fd[i][0], "x", 1, MSG_NOSIGNAL) == 1 || failed(j, "send: %s", strerror(errno));
	while (good && answered < asked) {
		if (poll(p, 2 * n, (int)patience) < 1) {
			good = failed(j, "%u of %u answers, and then nothing", answered, asked);
			break;
		}
		for (unsigned i = 0; good && i < 2 * n; i++) {
			if (!p[i].revents)
				continue;
			good = rr_turn(j, p[i].fd, !(i & 1), asked < j->count, &response);
			answered += response;
			asked += response && asked < j->count;
		}
	}
	ms = now_ms() - start;
	while (open--) {
		close(fd[open][0]);
		close(fd[open][1]);
	}
	if (listener >= 0)
		close(listener);
	if (good)
		failed(j, "%.0f/s", answered * 1e3 / (double)(ms ? ms : 1));
	return good;
}

static const struct { const char *name; int err; } errors[] = {
	{ "ECONNREFUSED", ECONNREFUSED }, { "EHOSTUNREACH", EHOSTUNREACH }, { "ENETUNREACH", ENETUNREACH },
	{ "ETIMEDOUT", ETIMEDOUT }, { "EMSGSIZE", EMSGSIZE }, { "ECONNRESET", ECONNRESET }, { "EACCES", EACCES },
};

/* @err is the error that is wanted */
static bool as_wanted(struct job *j, int err)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		if (j->want && !strcmp(errors[i].name, j->want) && errors[i].err == err)
			return true;
	}
	j->why[0] = '\0';
	return failed(j, "%s, not %s", err ? strerror(err) : "no error", j->want ? j->want : "(nothing wanted)");
}

bool job_error(struct job *j)
{
	for (unsigned i = 0; i < j->count; i++) {
		int fd = sock_client(j, SOCK_STREAM, true), err = errno;
		socklen_t len = sizeof(err);

		if (fd >= 0) {
			if (!sock_wait(j, fd, POLLOUT, "connect"))
				return close(fd), false;
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
			close(fd);
		}
		if (!as_wanted(j, err))
			return false;
		j->why[0] = '\0';
	}
	return true;
}

/* The error is in the queue before it is in SO_ERROR: this is where poll() saw it. 0 if there is none. */
static int queued_error(int fd)
{
	char control[512] __attribute__((aligned(8))), data[64];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof(control) };

	if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct sock_extended_err ee;

		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
			memcpy(&ee, CMSG_DATA(c), sizeof(ee));
			return (int)ee.ee_errno;
		}
	}
	return 0;
}

bool job_udp_error(struct job *j)
{
	for (unsigned i = 0; i < j->count; i++) {
		int fd = sock_client(j, SOCK_DGRAM, true), err = 0, one = 1;

		if (fd < 0)
			return false;
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));	/* all of them, not just refusals */
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one));
		if (send(fd, pattern(0, 0, 100), j->sizes ? j->size[0] : 5, 0) < 0) {
			err = errno;
		} else {
			if (!sock_wait(j, fd, 0, "error"))
				return close(fd), false;
			err = queued_error(fd);
		}
		close(fd);
		if (!as_wanted(j, err))
			return false;
	}
	return true;
}

/* Connections that stay */

static int idle[IDLE_MAX][2];
static unsigned idles;

bool job_idle(struct job *j)
{
	int listener = sock_server(j, SOCK_STREAM);
	bool good = listener >= 0;

	for (unsigned i = 0; good && i < j->count; i++) {
		if (idles == IDLE_MAX)
			return failed(j, "too many");
		good = sock_pair(j, listener, idle[idles]);
		idles += good;
	}
	if (listener >= 0)
		close(listener);
	return good;
}

bool job_check(struct job *j)
{
	for (unsigned i = 0; i < idles; i++) {
		if (!byte_over(j, idle[i][0], idle[i][1], "to the server") ||
		    !byte_over(j, idle[i][1], idle[i][0], "to the client"))
			return false;
	}
	return idles > 0 || failed(j, "no connections");
}
