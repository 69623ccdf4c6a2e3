/* SPDX-License-Identifier: GPL-2.0-or-later */
/* short_read.c - a read that gives less than asked for has emptied the queue (epoll(7), questions and answers), and the
 * next byte is a new edge; but a read stops at urgent data (tcp(7), "at mark"), with more behind it: TCPF_URGENT
 */
#include <errno.h>
#include <sys/epoll.h>

#include "pair.h"

int main(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET };
	int ep = epoll_create1(0), fd[2];
	char buf[16];

	pair(fd, -1);
	eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd[1], &ev), 0);
	eq(epoll_wait(ep, &ev, 1, 0), 0);

	test("short read: the queue was empty behind it");
	put(fd[0], fd[1], "abcdef", 6);
	eq(epoll_wait(ep, &ev, 1, 10000), 1);
	eq(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), 6);
	eq(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), -1);
	eq(errno, EAGAIN);

	test("the next byte is a new event, once, whether there is one left or not");
	put(fd[0], fd[1], "a", 1);
	eq(epoll_wait(ep, &ev, 1, 10000), 1);
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	put(fd[0], fd[1], "b", 1);
	eq(epoll_wait(ep, &ev, 1, 10000), 1);
	eq(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), 2);

	test("urgent data: EPOLLPRI, and a read stops in front of it, though more is behind it");
	eq(send(fd[0], "abcU", 4, MSG_OOB), 4);
	eq(send(fd[0], "efg", 3, 0), 3);
	for (unsigned seen = 0; !(seen & EPOLLPRI); seen |= ev.events)
		eq(epoll_wait(ep, &ev, 1, 10000), 1);
	eq(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), 3);
	eq_mem(buf, "abc", 3);
	eq(recv(fd[1], buf, sizeof(buf), 0), 3);
	eq_mem(buf, "efg", 3);

	test("an end behind what is queued is told with it: EPOLLRDHUP, then 0");
	eq(send(fd[0], "xyz", 3, 0), 3);
	shutdown(fd[0], SHUT_WR);
	for (unsigned seen = 0; !(seen & EPOLLRDHUP); seen |= ev.events)
		eq(epoll_wait(ep, &ev, 1, 10000), 1);
	eq(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), 3);
	eq(recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT), 0);
	return done();
}
