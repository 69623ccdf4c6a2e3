/* SPDX-License-Identifier: GPL-2.0-or-later */
/* accept.c - connections are taken off a listening socket, or wait in its backlog: for descriptors, or a free link */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"

#define OTHERS		256		/* descriptors of neither listeners nor flows, at most */
#define ABORTED_MAX	64		/* clients that left again, before others have their turn */

void accept_init(struct ctx *c)
{
	struct rlimit r;

	c->accept.timer.kind = TIMER_ACCEPT;
	c->accept.guest = -1;
	c->accept.fds = getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur > INT32_MAX ? INT32_MAX : (uint32_t)r.rlim_cur;
}

int accept_limit(const struct ctx *c)
{
	uint32_t left = c->accept.fds - MIN(c->fwd.used, c->accept.fds);

	return (int)(c->accept.fds - MIN(MAX(left / 10, ACCEPT_RESERVE), left / 2));
}

bool accept_plenty(const struct ctx *c)
{
	return (uint64_t)OTHERS + c->fwd.used + c->flows.fds < (uint32_t)accept_limit(c);
}

bool accept_room(const struct ctx *c, unsigned n)
{
	int fd[ACCEPT_ASK], limit = accept_limit(c);
	unsigned i = 0;
	bool room = true;

	if (accept_plenty(c))
		return true;
	for (; i < n && room; i++) {		/* the numbers that would be next */
		fd[i] = fcntl(c->epfd, F_DUPFD_CLOEXEC, 0);
		room = fd[i] >= 0 && fd[i] < limit;
	}
	while (i--)
		fd_close(fd[i]);
	return room;
}

int accept_take(const struct ctx *c, int fd, union sockaddr_any *from, bool inbound)
{
	socklen_t len = sizeof(*from);

	if (inbound && !accept_room(c, 2))	/* one for the other side of a spliced connection */
		return -EMFILE;
	for (unsigned i = 0; i < ABORTED_MAX; i++) {
		int conn = accept4(fd, from ? &from->sa : NULL, from ? &len : NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (conn >= 0)
			return conn;
		if (errno != EINTR && errno != ECONNABORTED)
			return -errno;
	}
	return -EAGAIN;
}

void accept_pause(struct ctx *c, enum ev_type type, int fd, uint32_t idx)
{
	struct fwd *fwd = &c->fwd;

	if (ev_mod(c->epfd, fd, type, idx, 0, 0))
		return;
	if (type == EV_TCP_LISTEN) {
		*(fwd->paused ? &fwd->l[fwd->paused_last - 1].next : &fwd->paused) = idx + 1;
		fwd->paused_last = idx + 1;
		fwd->l[idx].next = 0;
	} else {
		c->accept.guest = fd;
	}
	if (!timer_armed(&c->accept.timer))
		timer_set(&c->wheel, &c->accept.timer, c->now + ACCEPT_PAUSE);
}

bool accept_next_listener(struct ctx *c, uint32_t *idx)
{
	struct fwd *fwd = &c->fwd;

	if (!fwd->paused)
		return false;
	*idx = fwd->paused - 1;
	fwd->paused = fwd->l[*idx].next;
	return !ev_mod(c->epfd, fwd->l[*idx].fd, EV_TCP_LISTEN, *idx, 0, EPOLLIN);
}

bool accept_next_guest(struct ctx *c, int *fd)
{
	*fd = c->accept.guest;
	c->accept.guest = -1;
	return *fd >= 0 && !ev_mod(c->epfd, *fd, EV_GUEST, 0, 0, EPOLLIN);
}
