/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peek_off.c - SO_PEEK_OFF on TCP: advances with MSG_PEEK, moves back with what is taken off the queue
 *
 * Linux 6.9 (05ea491641d3), for IPv6 6.11 (be9a4fb831b8). sock_peek() relies on it, and elsewhere passes over what it
 * knows by reading that again, into iovecs in front: shown here too, as it must work everywhere. Note that put() of
 * pair.h peeks.
 */
#include <errno.h>
#include <sys/uio.h>

#include "pair.h"

static int set_off(int fd, int off)
{
	return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
}

static int get_off(int fd)
{
	socklen_t len = sizeof(int);
	int off = -2;

	getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len);
	return off;
}

int main(void)
{
	char pass[3], buf[8] = "";
	struct iovec iov[] = { { pass, sizeof(pass) }, { buf, 4 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int fd[2];

	pair(fd, -1);
	put(fd[0], fd[1], "abcdefghij", 10);

	test("peeking past what is known, with an iovec for that");
	eq(recvmsg(fd[1], &msg, MSG_PEEK | MSG_DONTWAIT), 7);
	eq_mem(buf, "defg", 4);

	test("SO_PEEK_OFF: can be set, or an error says that it is not there");
	if (!ok(!set_off(fd[1], 0) || errno == EOPNOTSUPP) || get_off(fd[1])) {
		printf("# this kernel has none for TCP\n");
		return done();
	}

	test("each peek goes on where the last one ended");
	eq(recv(fd[1], buf, 4, MSG_PEEK), 4);
	eq_mem(buf, "abcd", 4);
	eq(get_off(fd[1]), 4);
	eq(recv(fd[1], buf, 4, MSG_PEEK), 4);
	eq_mem(buf, "efgh", 4);
	eq(get_off(fd[1]), 8);

	test("it moves back with what is discarded in front");
	eq(recv(fd[1], NULL, 3, MSG_TRUNC), 3);
	eq(get_off(fd[1]), 5);
	eq(recv(fd[1], buf, 4, MSG_PEEK), 2);
	eq_mem(buf, "ij", 2);

	test("and with what is read, to 0 at most");
	eq(recv(fd[1], buf, 7, 0), 7);
	eq_mem(buf, "defghij", 7);
	eq(get_off(fd[1]), 0);

	test("nothing behind it: EAGAIN, also while there is something in front of it");
	set_off(fd[1], -1);
	put(fd[0], fd[1], "kl", 2);
	eq(set_off(fd[1], 2), 0);
	eq(recv(fd[1], buf, 4, MSG_PEEK | MSG_DONTWAIT), -1);
	eq(errno, EAGAIN);
	return done();
}
