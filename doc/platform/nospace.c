/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nospace.c - when a socket that was full tells an edge-triggered EPOLLOUT
 *
 * Only if somebody found it full: a send that failed or was cut, or poll() for POLLOUT, sets SOCK_NOSPACE, and the
 * acknowledgment that makes room (a third of the buffer) then wakes whoever waits. TCPF_BLOCKED rests on this.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "pair.h"

static int ep;

static char data[1 << 20];

/* A pair with a small send buffer, registered, the event of that taken */
static void open_pair(int fd[2])
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int size = 65536;

	pair(fd, -1);
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev), 0);
	eq(epoll_wait(ep, &ev, 1, 0), 1);
	eq(epoll_wait(ep, &ev, 1, 0), 0);
}

/* The peer reads until all was acknowledged */
static void drain(int fd[2])
{
	int left = 1;

	while (!ioctl(fd[0], SIOCOUTQ, &left) && left)
		recv(fd[1], data, sizeof(data), MSG_DONTWAIT);
	while (recv(fd[1], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
}

static void close_pair(int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	struct epoll_event ev;
	ssize_t n;
	int fd[2];

	ep = epoll_create1(0);

	test("nobody found it full: no event");
	open_pair(fd);
	ok(send(fd[0], data, 10000, MSG_DONTWAIT) == 10000);
	drain(fd);
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	close_pair(fd);

	test("a send that was cut: an event once there is room");
	open_pair(fd);
	n = send(fd[0], data, sizeof(data), MSG_DONTWAIT);
	ok(n > 0 && (size_t)n < sizeof(data));
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	drain(fd);
	eq(epoll_wait(ep, &ev, 1, 10000), 1);
	ok(ev.events & EPOLLOUT);
	eq(epoll_wait(ep, &ev, 1, 0), 0);

	test("a send that failed: the same");
	while (send(fd[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	eq(errno, EAGAIN);
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	drain(fd);
	eq(epoll_wait(ep, &ev, 1, 10000), 1);
	ok(ev.events & EPOLLOUT);
	close_pair(fd);

	test("poll() for POLLOUT on a full socket: the same");
	open_pair(fd);
	while (poll(&(struct pollfd){ .fd = fd[0], .events = POLLOUT }, 1, 0) == 1)
		eq(send(fd[0], data, 1, MSG_DONTWAIT), 1);
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	drain(fd);
	eq(epoll_wait(ep, &ev, 1, 10000), 1);
	ok(ev.events & EPOLLOUT);
	close_pair(fd);
	return done();
}
