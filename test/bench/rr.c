/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rr.c - requests and responses, one at a time on each flow; or connections that carry one each
 *
 *	rr serve PORT				sends back what comes, TCP and UDP, IPv4 and IPv6; prints "ready"
 *	rr tcp|udp ADDR PORT SECONDS FLOWS SIZE
 *	rr crr ADDR PORT SECONDS FLOWS		connect, one byte there and back, close
 *	rr idle ADDR PORT COUNT			so many connections, each used once; prints "ready", stays
 *
 * A client prints one line of JSON: rate, per second; count; failed: datagrams that never came back, and were sent
 * again, or connections that broke; and how long an exchange took, median and 99th percentile.
 *
 * A single flow is a blocking socket, several are on one epoll descriptor. Clients close with RST, as ports in
 * TIME-WAIT would soon be all there are, theirs or the program's; the server closes when it sees that.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FLOWS_MAX	200000
#define EVENTS		256
#define AGAIN_MS	100		/* a datagram that isn't back by then is lost */
#define STEPS		16		/* of the histogram, for each power of two */

static struct flow {
	uint64_t	since;		/* ns: begin of the exchange; 0: not connected yet */
	uint32_t	got;		/* bytes of the response */
} flows[FLOWS_MAX];			/* by descriptor */

static struct result {
	uint64_t	count, failed;
	uint64_t	took[64 * STEPS];
} res;

static union {
	struct sockaddr		sa;
	struct sockaddr_in	v4;
	struct sockaddr_in6	v6;
} to;
static socklen_t to_len;
static int type = SOCK_STREAM;
static char buf[65536];
static uint32_t size = 1;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int fatal(const char *what)
{
	fprintf(stderr, "rr: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int check(int rc, const char *what)
{
	return rc < 0 ? fatal(what) : rc;
}

static void watch(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	check(epoll_ctl(ep, op, fd, &e), "epoll_ctl");
}

static void end_with_rst(int fd)
{
	const struct linger rst = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
}

static void no_delay(int fd)
{
	const int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Server */

static int serve_socket(uint16_t port, int t)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const int one = 1, zero = 0;
	int s = check(socket(AF_INET6, t | SOCK_NONBLOCK, 0), "socket");

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	check(bind(s, (struct sockaddr *)&a, sizeof(a)), "bind");
	return s;
}

static void serve_udp(int s)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);
	ssize_t n;

	while ((n = recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&a, &len)) >= 0)
		sendto(s, buf, (size_t)n, 0, (struct sockaddr *)&a, len);
}

static void serve(uint16_t port)
{
	int tcp = serve_socket(port, SOCK_STREAM), udp = serve_socket(port, SOCK_DGRAM), ep = epoll_create1(0), n, fd;
	struct epoll_event ev[EVENTS];

	check(listen(tcp, 4096), "listen");
	watch(ep, EPOLL_CTL_ADD, tcp, EPOLLIN);
	watch(ep, EPOLL_CTL_ADD, udp, EPOLLIN);
	puts("ready");
	fflush(stdout);
	while ((n = epoll_wait(ep, ev, EVENTS, -1)) >= 0 || errno == EINTR) {
		for (int i = 0; i < n; i++) {
			ssize_t len;

			fd = ev[i].data.fd;
			if (fd == udp) {
				serve_udp(udp);
			} else if (fd == tcp) {
				while ((fd = accept4(tcp, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					no_delay(fd);
					watch(ep, EPOLL_CTL_ADD, fd, EPOLLIN);
				}
			} else if ((len = recv(fd, buf, sizeof(buf), 0)) > 0) {
				send(fd, buf, (size_t)len, MSG_NOSIGNAL);
			} else if (!len || errno != EAGAIN) {
				close(fd);
			}
		}
	}
	fatal("epoll_wait");
}

/* Clients */

static void took(uint64_t ns)
{
	unsigned log = ns < STEPS ? 0 : 63 - (unsigned)__builtin_clzll(ns);
	unsigned step = (unsigned)(log ? ns >> (log - 4) : ns) % STEPS;

	res.took[log * STEPS + step]++;
	res.count++;
}

/* us that @part of all exchanges took, at most, to 1/16 of that */
static double took_us(double part)
{
	uint64_t want = (uint64_t)((double)res.count * part), sum = 0;
	unsigned i;

	for (i = 0; i < 64 * STEPS - 1; i++) {
		sum += res.took[i];
		if (sum > want)
			break;
	}
	return (i < STEPS ? i : (double)(1ULL << i / STEPS) * (1 + (double)(i % STEPS) / STEPS)) / 1000;
}

static void print(uint64_t begin)
{
	printf("{\"rate\": %.1f, \"count\": %llu, \"failed\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
	       (double)res.count * 1e9 / (double)(now_ns() - begin), (unsigned long long)res.count,
	       (unsigned long long)res.failed, took_us(.5), took_us(.99));
}

static void request(int fd)
{
	flows[fd].got = 0;
	flows[fd].since = now_ns();
	if (send(fd, buf, size, MSG_NOSIGNAL) != (ssize_t)size)
		fatal("send");
}

/* A connected flow that has been used once */
static int flow_open(void)
{
	const struct timeval again = { 0, AGAIN_MS * 1000 }, never = { 0, 0 };
	int fd = check(socket(to.sa.sa_family, type, 0), "socket"), tries = 0;

	if (fd >= FLOWS_MAX) {
		errno = EMFILE;
		fatal("flows");
	}
	check(connect(fd, &to.sa, to_len), "connect");
	if (type == SOCK_STREAM) {
		no_delay(fd);
		end_with_rst(fd);
	} else {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &again, sizeof(again));
	}
	for (request(fd); recv(fd, buf, size, MSG_WAITALL) != (ssize_t)size; request(fd)) {
		if (type == SOCK_STREAM || (errno != EAGAIN && errno != ECONNREFUSED) || ++tries > 20)
			fatal("first response");
	}
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	return fd;
}

static void one_flow(uint64_t ns)
{
	int fd = flow_open();
	uint64_t begin = now_ns(), now = begin;

	while (now - begin < ns) {
		ssize_t n;

		request(fd);
		n = recv(fd, buf, size, MSG_WAITALL);
		now = now_ns();
		if (n == (ssize_t)size)
			took(now - flows[fd].since);
		else if (type == SOCK_STREAM || errno != EAGAIN)
			fatal("response");
		else
			res.failed++;
	}
	print(begin);
}

/* Datagrams that are overdue are sent again */
static void again(const int *fd, unsigned n)
{
	uint64_t now = now_ns();

	for (unsigned i = 0; i < n; i++) {
		if (now - flows[fd[i]].since < AGAIN_MS * 1000000ULL)
			continue;
		res.failed++;
		request(fd[i]);
	}
}

static void some_flows(uint64_t ns, unsigned n)
{
	int ep = epoll_create1(0), *fd = calloc(n, sizeof(*fd)), k;
	struct epoll_event ev[EVENTS];
	uint64_t begin, looked;

	if (!fd)
		fatal("memory");
	for (unsigned i = 0; i < n; i++) {
		fd[i] = flow_open();
		watch(ep, EPOLL_CTL_ADD, fd[i], EPOLLIN);
	}
	begin = looked = now_ns();
	for (unsigned i = 0; i < n; i++)
		request(fd[i]);
	while (now_ns() - begin < ns) {
		k = epoll_wait(ep, ev, EVENTS, AGAIN_MS);
		for (int i = 0; i < k; i++) {
			int f = ev[i].data.fd;
			ssize_t len = recv(f, buf, size, MSG_DONTWAIT);

			if (len <= 0 && errno != EAGAIN)
				fatal("response");
			flows[f].got += len > 0 ? (uint32_t)len : 0;
			if (flows[f].got < size)
				continue;
			took(now_ns() - flows[f].since);
			request(f);
		}
		if (type == SOCK_DGRAM && now_ns() - looked > AGAIN_MS * 1000000ULL) {
			again(fd, n);
			looked = now_ns();
		}
	}
	print(begin);
}

static void crr_open(int ep)
{
	int fd = check(socket(to.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");

	flows[fd] = (struct flow){ .since = now_ns() };
	if (connect(fd, &to.sa, to_len) && errno != EINPROGRESS)
		fatal("connect");
	watch(ep, EPOLL_CTL_ADD, fd, EPOLLOUT);
}

static void crr(uint64_t ns, unsigned n)
{
	struct epoll_event ev[EVENTS];
	uint64_t begin = now_ns();
	int ep = epoll_create1(0), k;

	for (unsigned i = 0; i < n; i++)
		crr_open(ep);
	while (now_ns() - begin < ns) {
		k = epoll_wait(ep, ev, EVENTS, AGAIN_MS);
		for (int i = 0; i < k; i++) {
			int fd = ev[i].data.fd;

			if (ev[i].events == EPOLLOUT && send(fd, buf, 1, MSG_NOSIGNAL) == 1) {
				watch(ep, EPOLL_CTL_MOD, fd, EPOLLIN);
				continue;
			}
			if (ev[i].events & EPOLLIN && recv(fd, buf, 1, 0) == 1)
				took(now_ns() - flows[fd].since);
			else
				res.failed++;
			end_with_rst(fd);
			close(fd);
			crr_open(ep);
		}
	}
	print(begin);
}

static void idle(unsigned n)
{
	while (n--)
		flow_open();
	puts("ready");
	fflush(stdout);
	pause();
}

static void target(const char *addr, const char *port)
{
	if (inet_pton(AF_INET, addr, &to.v4.sin_addr) == 1) {
		to.v4.sin_family = AF_INET;
		to.v4.sin_port = htons((uint16_t)atoi(port));
		to_len = sizeof(to.v4);
	} else if (inet_pton(AF_INET6, addr, &to.v6.sin6_addr) == 1) {
		to.v6.sin6_family = AF_INET6;
		to.v6.sin6_port = htons((uint16_t)atoi(port));
		to_len = sizeof(to.v6);
	} else {
		errno = EINVAL;
		fatal(addr);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned n = argc > 5 ? (unsigned)atoi(argv[5]) : 0;
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);

	if (argc > 4)
		target(argv[2], argv[3]);
	if (!strcmp(what, "serve") && argc == 3) {
		serve((uint16_t)atoi(argv[2]));
	} else if (!strcmp(what, "idle") && argc == 5) {
		idle((unsigned)atoi(argv[4]));
	} else if (!strcmp(what, "crr") && argc == 6 && n) {
		crr((uint64_t)(atof(argv[4]) * 1e9), n);
	} else if ((!strcmp(what, "tcp") || !strcmp(what, "udp")) && argc == 7 && n) {
		type = *what == 'u' ? SOCK_DGRAM : SOCK_STREAM;
		size = (uint32_t)atoi(argv[6]);
		if (!size || size > sizeof(buf)) {
			errno = ERANGE;
			fatal(argv[6]);
		}
		if (n == 1)
			one_flow((uint64_t)(atof(argv[4]) * 1e9));
		else
			some_flows((uint64_t)(atof(argv[4]) * 1e9), n);
	} else {
		fprintf(stderr, "Usage: rr serve PORT | rr tcp|udp ADDR PORT SECONDS FLOWS SIZE | "
			"rr crr ADDR PORT SECONDS FLOWS | rr idle ADDR PORT COUNT\n");
		return 1;
	}
	return 0;
}
