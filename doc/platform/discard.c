/* SPDX-License-Identifier: GPL-2.0-or-later */
/* discard.c - recv(fd, NULL, n, MSG_TRUNC) takes bytes off a TCP socket's queue without copying them (tcp(7), Linux
 * 2.4)
 */
#include <errno.h>

#include "pair.h"

int main(void)
{
	static char data[60000];
	char c;
	int fd[2];

	pair(fd, -1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i / 255);
	put(fd[0], fd[1], data, sizeof(data));

	test("no buffer needed, as many bytes as asked for");
	eq(recv(fd[1], NULL, 30000, MSG_TRUNC | MSG_DONTWAIT), 30000);
	eq(recv(fd[1], &c, 1, MSG_PEEK), 1);
	eq(c, data[30000]);

	test("no more than there are");
	eq(recv(fd[1], NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT), 30000);
	eq(recv(fd[1], NULL, 1, MSG_TRUNC | MSG_DONTWAIT), -1);
	eq(errno, EAGAIN);

	test("0 at the end");
	close(fd[0]);
	eq(recv(fd[1], NULL, 1, MSG_TRUNC), 0);
	return done();
}
