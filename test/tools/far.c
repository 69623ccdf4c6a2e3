/* SPDX-License-Identifier: GPL-2.0-or-later */
/* far.c - one end of a transfer, when the other end is on another machine; both look at every byte
 *
 *	far serve PORT			TCP and UDP, IPv4 and IPv6, until killed; prints "ready" first
 *	far tcp HOST PORT UP DOWN [COUNT]
 *	far udp HOST PORT SIZE,SIZE... [COUNT [BATCH]]
 *
 * tcp: COUNT connections, one after the other, each with UP bytes to the server and, at the same time, DOWN bytes
 * back. udp: the list of datagrams there and back, COUNT times, BATCH datagrams before the first one has to be back.
 * The last line is "done, seen as ADDR": the client, as the server sees it. Else, status 1 and the reason.
 *
 * On a connection: the lengths, both ways, 64 bits each, big endian; data; from the server, a line with its verdict.
 */
/* LINK: test/tools/pattern.o */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xfer.h"

#define PATIENCE	30000		/* ms without progress */
#define SEED_UP		1
#define SEED_DOWN	2
#define DGRAM_MAX	65536
#define WHO		"who?"		/* a datagram that is answered with the sender's address */

/* One end of a connection */
struct half {
	int		fd;
	uint64_t	tx, rx;		/* bytes to be sent, and to come */
	uint64_t	tx_seed, rx_seed;
	uint64_t	sent, got;
	bool		shut;		/* shutdown() when all was sent */
};

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void name_of(const struct sockaddr_in6 *sa, char *s, socklen_t size)
{
	if (!inet_ntop(AF_INET6, &sa->sin6_addr, s, size))
		die("inet_ntop");
	if (IN6_IS_ADDR_V4MAPPED(&sa->sin6_addr))
		memmove(s, s + strlen("::ffff:"), strlen(s) - strlen("::ffff:") + 1);
}

/* Address, with %SCOPE if link-local, or name; everything goes as IPv6, if mapped */
static struct sockaddr_in6 sa_make(const char *name, const char *port)
{
	const struct addrinfo hints = { .ai_family = AF_INET6, .ai_socktype = SOCK_STREAM, .ai_flags = AI_V4MAPPED };
	struct sockaddr_in6 sa;
	struct addrinfo *list;
	int rc = getaddrinfo(name, port, &hints, &list);

	if (rc) {
		printf("%s: %s\n", name, gai_strerror(rc));
		exit(1);
	}
	memcpy(&sa, list->ai_addr, sizeof(sa));
	freeaddrinfo(list);
	return sa;
}

/* TCP */

static bool half_write(struct half *h)
{
	uint64_t left = h->tx - h->sent;
	size_t len = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t n = send(h->fd, pattern(h->tx_seed, h->sent, len), len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN;
	h->sent += (uint64_t)n;
	return h->sent < h->tx || !h->shut || !shutdown(h->fd, SHUT_WR);
}

/* False at a wrong byte or the end, with @errno */
static bool half_read(struct half *h)
{
	static uint8_t buf[CHUNK];
	uint64_t left = h->rx - h->got;
	ssize_t n = recv(h->fd, buf, left < CHUNK ? (size_t)left : CHUNK, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN;
	errno = n ? EBADMSG : ENODATA;
	if (!n || memcmp(buf, pattern(h->rx_seed, h->got, (size_t)n), (size_t)n))
		return false;
	h->got += (uint64_t)n;
	return true;
}

/* All there is to send and receive, at the same time */
static bool half_run(struct half *h)
{
	if (!h->tx && h->shut)
		shutdown(h->fd, SHUT_WR);
	while (h->sent < h->tx || h->got < h->rx) {
		struct pollfd p = { .fd = h->fd };
		int n;

		p.events = (short)((h->sent < h->tx ? POLLOUT : 0) | (h->got < h->rx ? POLLIN : 0));
		n = poll(&p, 1, PATIENCE);
		if (!n)
			errno = ETIMEDOUT;
		if (n <= 0)
			return false;
		if (h->got < h->rx && p.revents & (POLLIN | POLLHUP | POLLERR) && !half_read(h))
			return false;
		if (h->sent < h->tx && p.revents & (POLLOUT | POLLERR) && !half_write(h))
			return false;
	}
	return true;
}

/* @len bytes, or up to the end of the stream; their number */
static size_t read_all(int fd, void *buf, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;

	while (n < len && poll(&p, 1, PATIENCE) == 1) {
		ssize_t r = recv(fd, (char *)buf + n, len - n, 0);

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	return n;
}

static void tcp_serve(int fd, const struct sockaddr_in6 *client)
{
	struct half h = { .fd = fd, .tx_seed = SEED_DOWN, .rx_seed = SEED_UP };
	char line[160], name[64];
	uint64_t len[2];
	char end;

	if (read_all(fd, len, sizeof(len)) != sizeof(len))
		return;
	h.rx = be64toh(len[0]);
	h.tx = be64toh(len[1]);
	name_of(client, name, sizeof(name));
	if (!half_run(&h))
		snprintf(line, sizeof(line), "server, after %llu of %llu bytes, %llu of %llu sent: %s\n",
			 (unsigned long long)h.got, (unsigned long long)h.rx, (unsigned long long)h.sent,
			 (unsigned long long)h.tx, strerror(errno));
	else if (read_all(fd, &end, 1))
		snprintf(line, sizeof(line), "server: something after the end\n");
	else
		snprintf(line, sizeof(line), "done, seen as %s\n", name);
	send(fd, line, strlen(line), MSG_NOSIGNAL);
}

/* The verdict, in static memory */
static const char *tcp_once(const struct sockaddr_in6 *sa, uint64_t up, uint64_t down)
{
	struct half h = { .fd = socket(AF_INET6, SOCK_STREAM, 0), .tx = up, .rx = down,
			  .tx_seed = SEED_UP, .rx_seed = SEED_DOWN,
			  .shut = true };
	uint64_t len[2] = { htobe64(up), htobe64(down) };
	static char line[160];

	if (connect(h.fd, (const struct sockaddr *)sa, sizeof(*sa)))
		die("connect");
	if (send(h.fd, len, sizeof(len), MSG_NOSIGNAL) != sizeof(len))
		die("send");
	if (!half_run(&h))
		snprintf(line, sizeof(line), "client, after %llu of %llu bytes, %llu of %llu sent: %s\n",
			 (unsigned long long)h.got, (unsigned long long)h.rx, (unsigned long long)h.sent,
			 (unsigned long long)h.tx, strerror(errno));
	else
		line[read_all(h.fd, line, sizeof(line) - 1)] = '\0';
	close(h.fd);
	return *line ? line : "no verdict from the server\n";
}

/* UDP */

/* Echoed from the address that it was sent to */
static void udp_serve(int fd)
{
	static uint8_t buf[DGRAM_MAX];
	uint8_t control[256];
	struct sockaddr_in6 from;
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, 0);

	if (n < 0)
		return;
	iov.iov_len = (size_t)n;
	if (n == (ssize_t)strlen(WHO) && !memcmp(buf, WHO, (size_t)n)) {
		name_of(&from, (char *)buf, sizeof(buf));
		iov.iov_len = strlen((char *)buf);
	}
	sendmsg(fd, &m, 0);
}

static int udp_recv(int fd, void *buf, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = -1;

	if (poll(&p, 1, PATIENCE) == 1)
		n = recv(fd, buf, size, 0);
	else
		errno = ETIMEDOUT;
	return (int)n;
}

static int udp_client(const struct sockaddr_in6 *sa, const char *list, unsigned count, unsigned batch)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), size[SIZES_MAX], sizes = 0, n;
	unsigned all, sent = 0, got = 0, buf_size = 4U << 20;
	static char buf[DGRAM_MAX];

	for (const char *s = list; s && sizes < SIZES_MAX; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
		size[sizes++] = atoi(s);
	all = count * (unsigned)sizes;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buf_size, sizeof(buf_size));
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		die("connect");

	for (; got < all; got++) {
		for (; sent < all && sent < got + batch; sent++) {
			size_t len = (size_t)size[sent % (unsigned)sizes];

			if (send(fd, pattern(sent, 0, len), len, 0) != (ssize_t)len)
				die("send");
		}
		n = udp_recv(fd, buf, sizeof(buf));
		if (n != size[got % (unsigned)sizes] || memcmp(buf, pattern(got, 0, (size_t)n), (size_t)n)) {
			printf("datagram %u of %u, %d bytes: %s\n", got, all, size[got % (unsigned)sizes],
			       n < 0 ? strerror(errno) : "not as sent");
			return 1;
		}
	}
	if (send(fd, WHO, strlen(WHO), 0) < 0)
		die("send");
	n = udp_recv(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		die("who");
	printf("done, seen as %.*s\n", n, buf);
	return 0;
}

static int serve(const char *port)
{
	struct sockaddr_in6 any = sa_make("::", port), client;
	int tcp = socket(AF_INET6, SOCK_STREAM, 0), udp = socket(AF_INET6, SOCK_DGRAM, 0), one = 1, size = 4 << 20, fd;
	struct pollfd p[2] = { { .fd = tcp, .events = POLLIN }, { .fd = udp, .events = POLLIN } };
	socklen_t len = sizeof(client);

	signal(SIGCHLD, SIG_IGN);
	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(udp, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)) ||
	    bind(tcp, (struct sockaddr *)&any, sizeof(any)) || listen(tcp, 128) ||
	    bind(udp, (struct sockaddr *)&any, sizeof(any)))
		die("serve");
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			udp_serve(udp);
		if (!p[0].revents)
			continue;
		fd = accept(tcp, (struct sockaddr *)&client, &len);
		if (fd >= 0 && !fork()) {
			tcp_serve(fd, &client);
			_exit(0);
		}
		close(fd);
	}
}

int main(int argc, char **argv)
{
	const char *verdict = "";
	struct sockaddr_in6 sa;
	unsigned count;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		return serve(argv[2]);
	if (argc < 5)
		return 2;
	sa = sa_make(argv[2], argv[3]);
	if (!strcmp(argv[1], "udp"))
		return udp_client(&sa, argv[4], argc > 5 ? (unsigned)atoi(argv[5]) : 1,
				  argc > 6 ? (unsigned)atoi(argv[6]) : 1);
	if (argc < 6 || strcmp(argv[1], "tcp"))
		return 2;
	count = argc > 6 ? (unsigned)atoi(argv[6]) : 1;
	for (unsigned i = 0; i < count; i++) {
		verdict = tcp_once(&sa, strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
		if (strncmp(verdict, "done", 4)) {
			printf("connection %u: ", i + 1);
			break;
		}
	}
	fputs(verdict, stdout);
	return !!strncmp(verdict, "done", 4);
}
