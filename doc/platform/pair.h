/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pair.h - two connected TCP sockets on the loopback interface, for the programs in this directory */
#ifndef PAIR_H
#define PAIR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../test/t.h"

/* Listening socket, any port, address in @sa */
__attribute__((unused)) static int listener(struct sockaddr_in *sa)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(*sa);

	*sa = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)sa, len) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)sa, &len)) {
		perror("listener");
		exit(EXIT_FAILURE);
	}
	return fd;
}

/* A client, @fd[0], and what it is accepted as, @fd[1]; @client: the former, not connected yet, or -1 */
__attribute__((unused)) static void pair(int fd[2], int client)
{
	struct sockaddr_in sa;
	int l = listener(&sa);

	fd[0] = client < 0 ? socket(AF_INET, SOCK_STREAM, 0) : client;
	if (connect(fd[0], (struct sockaddr *)&sa, sizeof(sa)) || (fd[1] = accept(l, NULL, NULL)) < 0) {
		perror("pair");
		exit(EXIT_FAILURE);
	}
	close(l);
}

/* Sends all of it, and waits until it is in the other's queue */
__attribute__((unused)) static void put(int from, int to, const void *data, size_t len)
{
	char buf[65536];
	ssize_t before = recv(to, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT), n;

	before = before < 0 ? 0 : before;
	eq(send(from, data, len, 0), len);
	do
		n = recv(to, buf, sizeof(buf), MSG_PEEK);
	while (n >= 0 && (size_t)n < (size_t)before + len);
}

#endif /* PAIR_H */
