/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xfer_udp.c - jobs with datagrams: there and back, every one of its own content, in order */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xfer.h"

#define CLIENTS_MAX	256
#define DGRAM_MAX	65536

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, (int)patience) == 1;
}

/* Receives one datagram of @len bytes of the pattern */
static bool take(struct job *j, int fd, const char *who, uint64_t seed, uint64_t off, size_t len, union sa *from)
{
	static uint8_t buf[DGRAM_MAX];
	socklen_t salen = sizeof(*from);
	ssize_t n;

	if (!readable(fd))
		return failed(j, "%s: datagram of %zu bytes: nothing in %u ms", who, len, patience);
	n = recvfrom(fd, buf, sizeof(buf), 0, &from->sa, &salen);
	if (n < 0)
		return failed(j, "%s: recv: %s", who, strerror(errno));
	if ((size_t)n != len)
		return failed(j, "%s: %zi bytes, not %zu", who, n, len);
	return pattern_ok(j, who, seed, off, buf, len);
}

/* @batch datagrams to the server, and back */
static bool round_trip(struct job *j, int fd, int server, uint64_t seed, size_t len)
{
	union sa from[64];
	unsigned batch = j->batch < 64 ? j->batch : 64;

	for (unsigned i = 0; i < batch; i++) {
		if (send(fd, pattern(seed, i * 64, len), len, 0) != (ssize_t)len)
			return failed(j, "client: send of %zu: %s", len, strerror(errno));
	}
	for (unsigned i = 0; i < batch; i++) {
		if (!take(j, server, "server", seed, i * 64, len, &from[i]) || !src_ok(j, &from[i]))
			return false;
	}
	for (unsigned i = 0; i < batch; i++) {
		socklen_t salen = from[i].sa.sa_family == AF_INET6 ? sizeof(from[i].v6) : sizeof(from[i].v4);

		if (sendto(server, pattern(seed, i * 64 + 8, len), len, 0, &from[i].sa, salen) != (ssize_t)len)
			return failed(j, "server: send of %zu: %s", len, strerror(errno));
	}
	for (unsigned i = 0; i < batch; i++) {
		union sa sa;

		if (!take(j, fd, "client", seed, i * 64 + 8, len, &sa))
			return false;
	}
	return true;
}

/* All clients send, and the answers come when all have: each gets its own. Which is whose, the first word says. */
static bool round_all(struct job *j, const int *fd, int server, uint64_t seed)
{
	enum { LEN = 200 };
	union sa from[CLIENTS_MAX];
	uint8_t buf[CLIENTS_MAX][LEN];

	for (unsigned i = 0; i < j->parallel; i++) {
		if (send(fd[i], pattern(seed, i * LEN, LEN), LEN, 0) != LEN)
			return failed(j, "client %u: send: %s", i, strerror(errno));
	}
	for (unsigned i = 0; i < j->parallel; i++) {
		socklen_t salen = sizeof(from[i]);

		if (!readable(server))
			return failed(j, "server: %u of %u datagrams", i, j->parallel);
		if (recvfrom(server, buf[i], LEN, 0, &from[i].sa, &salen) != LEN)
			return failed(j, "server: recv: %s", strerror(errno));
		if (!src_ok(j, &from[i]))
			return false;
	}
	for (unsigned i = j->parallel; i-- > 0;) {
		socklen_t salen = from[i].sa.sa_family == AF_INET6 ? sizeof(from[i].v6) : sizeof(from[i].v4);

		if (sendto(server, buf[i], LEN, 0, &from[i].sa, salen) != LEN)
			return failed(j, "server: send: %s", strerror(errno));
	}
	for (unsigned i = 0; i < j->parallel; i++) {
		uint8_t more;
		union sa sa;

		if (!take(j, fd[i], "client", seed, i * LEN, LEN, &sa))
			return false;
		if (recv(fd[i], &more, 1, 0) >= 0)
			return failed(j, "client %u got another datagram", i);
	}
	return true;
}

bool job_udp(struct job *j)
{
	uint64_t seed = pattern_seed(j->name, 3);
	int server = sock_server(j, SOCK_DGRAM), fd[CLIENTS_MAX];
	unsigned n = 0;
	bool good = server >= 0;

	if (j->parallel > CLIENTS_MAX)
		j->parallel = CLIENTS_MAX;
	for (; good && n < j->parallel; n += good) {
		fd[n] = sock_client(j, SOCK_DGRAM, true);
		good = fd[n] >= 0;
	}
	for (unsigned k = 0; good && k < j->count; k++) {
		if (n > 1)
			good = round_all(j, fd, server, seed + k);
		for (unsigned i = 0; good && i < j->sizes; i++)
			good = round_trip(j, fd[0], server, seed + k, j->size[i]);
	}
	while (n > 0)
		close(fd[--n]);
	if (server >= 0)
		close(server);
	return good;
}
