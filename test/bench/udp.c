/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp.c - datagrams one way, as fast as they go or at a given rate, with segmentation by the kernel (UDP_SEGMENT) if
 * told
 *
 *	udp recv PORT				prints "ready", takes what one sender sends, IPv4 or IPv6, and tells it
 *	udp send ADDR PORT SECONDS SIZE SEGMENTS [MBIT]
 *
 * SIZE bytes in a datagram, SEGMENTS datagrams in one call: 1 is plain send(). The receiver has UDP_GRO, so that it
 * can take several in a call too. With MBIT, calls are spread evenly. The sender prints one line of JSON: rate, Mbit/s
 * at the receiver, from first to last datagram; sent, received; lost, percent.
 *
 * At the end the sender asks for what has arrived, with datagrams shorter than all others, until it is answered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT	103
#endif
#ifndef UDP_GRO
#define UDP_GRO		104
#endif

#define RCVBUF		(4 << 20)	/* as much of it as the system allows */
#define ASK_MS		100
#define ASK_MAX		50
#define STAY_MS		1000		/* to answer again, should an answer be lost */

/* Question and answer, host byte order: both ends are on one machine */
struct tally {
	uint64_t	datagrams, bytes, ns;
};

static uint8_t buf[65536];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int fatal(const char *what)
{
	fprintf(stderr, "udp: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Receiver */

/* Datagrams in a message, by the size of each that UDP_GRO tells */
static uint64_t datagrams(struct msghdr *mh, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		int each;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&each, CMSG_DATA(c), sizeof(each));
		return (len + (size_t)each - 1) / (size_t)each;
	}
	return 1;
}

static void receive(int s)
{
	struct tally sum = { 0 };
	uint64_t begin = 0, end = 0;
	struct sockaddr_in6 from;
	char control[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr mh = { .msg_name = &from, .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };

	for (;;) {
		struct pollfd answered = { .fd = s, .events = POLLIN };
		ssize_t n;

		if (sum.ns && !poll(&answered, 1, STAY_MS))
			return;
		mh.msg_namelen = sizeof(from);
		mh.msg_controllen = sizeof(control);
		n = recvmsg(s, &mh, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fatal("recvmsg");
		if (n == sizeof(sum)) {
			sum.ns = end > begin ? end - begin : 1;
			sendto(s, &sum, sizeof(sum), 0, (struct sockaddr *)&from, mh.msg_namelen);
			continue;
		}
		end = now_ns();
		begin = begin ? begin : end;
		sum.datagrams += datagrams(&mh, (size_t)n);
		sum.bytes += (size_t)n;
	}
}

static int recv_socket(uint16_t port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const int one = 1, zero = 0, room = RCVBUF;
	int s = socket(AF_INET6, SOCK_DGRAM, 0);

	if (s < 0)
		fatal("socket");
	setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (setsockopt(s, SOL_UDP, UDP_GRO, &one, sizeof(one)))
		fatal("UDP_GRO");
	if (bind(s, (struct sockaddr *)&a, sizeof(a)))
		fatal("bind");
	return s;
}

/* Sender */

static int send_socket(const char *addr, uint16_t port)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int ipv4 = inet_pton(AF_INET, addr, &v4.sin_addr), s;

	if (!ipv4 && !inet_pton(AF_INET6, addr, &v6.sin6_addr)) {
		errno = EINVAL;
		fatal(addr);
	}
	s = socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	if (s < 0 || connect(s, ipv4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, ipv4 ? sizeof(v4) : sizeof(v6)))
		fatal(addr);
	return s;
}

static struct tally ask(int s)
{
	struct tally sum = { 0 };

	for (unsigned i = 0; i < ASK_MAX; i++) {
		struct pollfd pfd = { .fd = s, .events = POLLIN };

		send(s, &sum, sizeof(sum), 0);
		if (poll(&pfd, 1, ASK_MS) == 1 && recv(s, &sum, sizeof(sum), MSG_DONTWAIT) == sizeof(sum))
			return sum;
	}
	errno = ETIMEDOUT;
	fatal("answer");
	return sum;
}

static void wait_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void transmit(int s, uint64_t ns, size_t size, unsigned segments, double mbit)
{
	size_t len = size * segments;
	double ns_per_call = mbit > 0 ? (double)len * 8000 / mbit : 0;
	uint64_t begin = now_ns(), now = begin, calls = 0;
	struct tally got;

	for (; now - begin < ns; now = now_ns()) {
		uint64_t due = begin + (uint64_t)((double)calls * ns_per_call);

		if (due > now)
			wait_until(due);
		if (send(s, buf, len, 0) == (ssize_t)len)
			calls++;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
			fatal("send");
	}
	got = ask(s);
	printf("{\"rate\": %.2f, \"sent\": %llu, \"received\": %llu, \"bytes\": %llu, \"lost\": %.3f}\n",
	       (double)got.bytes * 8000 / (double)got.ns, (unsigned long long)calls * segments,
	       (unsigned long long)got.datagrams, (unsigned long long)got.bytes,
	       calls ? 100 - (double)got.datagrams * 100 / (double)(calls * segments) : 0);
}

int main(int argc, char **argv)
{
	prctl(PR_SET_TIMERSLACK, 1000UL);
	if (argc == 3 && !strcmp(argv[1], "recv")) {
		int s = recv_socket((uint16_t)atoi(argv[2]));

		puts("ready");
		fflush(stdout);
		receive(s);
	} else if ((argc == 7 || argc == 8) && !strcmp(argv[1], "send")) {
		int s = send_socket(argv[2], (uint16_t)atoi(argv[3])), size = atoi(argv[5]), segments = atoi(argv[6]);

		if (size <= (int)sizeof(struct tally) || segments < 1 || size * segments > 65507) {
			errno = ERANGE;
			fatal("SIZE, SEGMENTS");
		}
		if (segments > 1 && setsockopt(s, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
			fatal("UDP_SEGMENT");
		transmit(s, (uint64_t)(atof(argv[4]) * 1e9), (size_t)size, (unsigned)segments,
			 argc == 8 ? atof(argv[7]) : 0);
	} else {
		fprintf(stderr, "Usage: udp recv PORT | udp send ADDR PORT SECONDS SIZE SEGMENTS [MBIT]\n");
		return 1;
	}
	return 0;
}
