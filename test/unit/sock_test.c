/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock_test.c - host sockets on the loopback interface of a network namespace of our own
 *
 * What this kernel has is tried against what sock_probe() says; what an older one lacks is refused by a filter.
 */
#include "../draw.h"
#include "../t.h"
#include "../../sock.c"
#include "../child.h"

#include <assert.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <linux/capability.h>

#define PATIENCE	10000	/* ms, for what the kernel does at once */

static struct end end_of(const char *addr, uint16_t port)
{
	struct end e = { .port = port };

	if (!addr_parse(addr, strlen(addr), &e.a))
		abort();
	return e;
}

/* Where a socket is bound, or connected to */
static struct end name_of(int fd, bool peer)
{
	union sockaddr_any sa = { .sa.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(sa);
	struct end e = { .port = 0 };

	ok(!(peer ? getpeername(fd, &sa.sa, &len) : getsockname(fd, &sa.sa, &len)));
	ok(end_from_sa(&e, &sa));
	return e;
}

static int opt_of(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	ok(!getsockopt(fd, level, name, &v, &len));
	return v;
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, PATIENCE) == 1;
}

static bool flags_ok(int fd)
{
	return fd >= 0 && fcntl(fd, F_GETFL) & O_NONBLOCK && fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

/* A client, fd[0], and what it is accepted as, fd[1] */
static void pair(int fd[2], const char *addr)
{
	const struct end at = end_of(addr, 0);
	struct side host = { .our.a = addr_is_v4(&at.a) ? addr_any4 : addr_any6 };
	int l = sock_listen(IPPROTO_TCP, &at, false, NULL);

	ok(flags_ok(l));
	host.peer = name_of(l, false);
	fd[0] = sock_connect(&host, NULL);
	ok(flags_ok(fd[0]));
	ok(wait_for(l, POLLIN));
	fd[1] = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ok(fd[1] >= 0 && wait_for(fd[0], POLLOUT) && !sock_error(fd[0]));
	close(l);
}

static void unpair(int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

/* sock_peek(), sock_discard() */

struct stream {
	int		fd[2];
	bool		feature;	/* sock_features.peek_off for this one */
	uint32_t	peek_off;
	uint64_t	sent, gone;	/* stream positions */
};

static uint32_t queued(const struct stream *s)
{
	return (uint32_t)(s->sent - s->gone);
}


/* More bytes, waited for until they are in the queue: FIONREAD does not depend on SO_PEEK_OFF */
static void stream_send(struct stream *s, uint32_t n)
{
	static uint8_t buf[40000];
	int have = 0;

	for (uint32_t i = 0; i < n; i++)
		buf[i] = pattern(0, s->sent + i);
	ok(send(s->fd[0], buf, n, 0) == (ssize_t)n);
	s->sent += n;
	for (unsigned i = 0; i < PATIENCE && !ioctl(s->fd[1], FIONREAD, &have) && (uint32_t)have < queued(s); i++)
		poll(NULL, 0, 1);
	eq(have, queued(s));
}

/* Kernel's idea of the offset, and ours */
static void check_offset(const struct stream *s)
{
	if (s->feature && s->peek_off != PEEK_OFF_NONE)
		eq(opt_of(s->fd[1], SOL_SOCKET, SO_PEEK_OFF), s->peek_off);
	if (!s->feature)
		eq(s->peek_off, PEEK_OFF_NONE);
}

static ssize_t stream_peek(struct stream *s, uint32_t off, uint32_t want, unsigned pieces)
{
	static uint8_t buf[100000];
	struct iovec iov[SOCK_IOV];
	uint32_t at = 0;
	bool good = true;
	ssize_t n;

	memset(buf, 0xaa, want + 1);
	for (unsigned i = 0; i < pieces; i++) {
		uint32_t part = i + 1 == pieces ? want - at : (want - at) / pieces;

		iov[i] = (struct iovec){ buf + at, part };
		at += part;
	}
	sock_features.peek_off = s->feature;
	n = sock_peek(s->fd[1], &s->peek_off, off, iov, pieces);
	for (ssize_t i = 0; i < n && good; i++)
		good = buf[i] == pattern(0, s->gone + off + (uint64_t)i);
	ok(good);
	eq(buf[n > 0 ? n : 0], n > 0 && (uint32_t)n < want ? 0xaa : buf[n > 0 ? n : 0]);
	check_offset(s);
	return n;
}

static void stream_discard(struct stream *s, uint32_t n)
{
	sock_features.peek_off = s->feature;
	eq(sock_discard(s->fd[1], &s->peek_off, n), n);
	s->gone += n;
	check_offset(s);
}

static void test_peek_random(const char *addr, bool feature)
{
	struct stream s = { .feature = feature, .peek_off = PEEK_OFF_NONE };

	test("TCP-43 peek and discard at random, %s, %s SO_PEEK_OFF", addr, feature ? "with" : "without");
	pair(s.fd, addr);
	seed = feature;
	for (unsigned i = 0; i < 600; i++) {
		uint32_t off = below(queued(&s) + 1), want = 1 + below(20000);

		switch (below(3)) {
		case 0:
			if (queued(&s) < 20000)		/* the receiver has room for more than that */
				stream_send(&s, 1 + below(below(2) ? 20000 : 100));
			break;
		case 1:
			if (off)
				stream_discard(&s, off);
			break;
		case 2:
			if (below(2) && s.peek_off != PEEK_OFF_NONE && s.peek_off < queued(&s))
				off = s.peek_off;		/* goes on where it was */
			if (off == queued(&s))
				eq(stream_peek(&s, off, want, 1 + below(8)), -EAGAIN);
			else
				eq(stream_peek(&s, off, want, 1 + below(SOCK_IOV)), MIN(want, queued(&s) - off));
		}
	}
	unpair(s.fd);
}

static void test_peek_ends(bool feature)
{
	struct stream s = { .feature = feature, .peek_off = PEEK_OFF_NONE };
	const struct linger rst = { .l_onoff = 1 };
	uint8_t c;

	test("peek: nothing, the end, a reset, %s SO_PEEK_OFF", feature ? "with" : "without");
	pair(s.fd, "127.0.0.1");
	eq(stream_peek(&s, 0, 100, 1), -EAGAIN);
	eq(s.peek_off, PEEK_OFF_NONE);			/* no call for what is not needed */
	stream_send(&s, 1000);
	eq(stream_peek(&s, 0, 400, 2), 400);
	eq(stream_peek(&s, 400, 1000, 2), 600);
	eq(s.peek_off, feature ? 1000 : PEEK_OFF_NONE);
	eq(stream_peek(&s, 1000, 10, 1), -EAGAIN);
	eq(stream_peek(&s, 0, 1000, 1), 1000);		/* again, from the first byte on */
	stream_discard(&s, 900);
	eq(s.peek_off, feature ? 100 : PEEK_OFF_NONE);
	eq(stream_peek(&s, 10, 1000, 3), 90);
	shutdown(s.fd[0], SHUT_WR);
	ok(wait_for(s.fd[1], POLLRDHUP));
	eq(stream_peek(&s, 10, 1000, 3), 90);		/* what is queued comes first */
	if (feature)
		eq(stream_peek(&s, 100, 1000, 3), 0);
	stream_discard(&s, 100);
	eq(stream_peek(&s, 0, 1000, 3), 0);
	eq(sock_discard(s.fd[1], &s.peek_off, 5), 0);
	unpair(s.fd);

	s = (struct stream){ .feature = feature, .peek_off = PEEK_OFF_NONE };
	pair(s.fd, "127.0.0.1");
	stream_send(&s, 100);
	eq(stream_peek(&s, 50, 1000, 1), 50);
	setsockopt(s.fd[0], SOL_SOCKET, SO_LINGER, &rst, sizeof(rst));
	close(s.fd[0]);
	ok(wait_for(s.fd[1], POLLERR));
	stream_discard(&s, 100);
	eq(stream_peek(&s, 0, 100, 1), -ECONNRESET);
	close(s.fd[1]);

	eq(sock_peek(s.fd[1], &s.peek_off, 0, &(struct iovec){ &c, 1 }, 1), -EBADF);
	eq(sock_discard(s.fd[1], &s.peek_off, 1), -EBADF);
}

static void test_peek(void)
{
	bool have = sock_features.peek_off;

	for (unsigned feature = 0; feature <= have; feature++) {
		test_peek_random("127.0.0.1", feature);
		if (sock_features.ipv6)
			test_peek_random("::1", feature);
		test_peek_ends(feature);
	}
	sock_features.peek_off = have;
}

/* sock_room(), sock_want_write() */

static char zeros[1 << 20];

static void drain(int fd[2])
{
	int left = 1;

	for (unsigned i = 0; i < PATIENCE && !ioctl(fd[0], TIOCOUTQ, &left) && left; i++)
		while (wait_for(fd[1], POLLIN) && recv(fd[1], zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
			if (!ioctl(fd[0], TIOCOUTQ, &left) && !left)
				break;
	while (recv(fd[1], zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
		;
	eq(left, 0);
}

static void test_room(bool meminfo)
{
	bool have = sock_features.meminfo;
	uint32_t room, size, empty, n = 0;
	int fd[2], sndbuf;

	test("TCP-05 room: what is promised is taken, %s SO_MEMINFO", meminfo ? "with" : "without");
	sock_features.meminfo = meminfo;
	pair(fd, "127.0.0.1");
	sndbuf = opt_of(fd[0], SOL_SOCKET, SO_SNDBUF);
	empty = room = sock_room(fd[0], &size);
	ok(room > 0 && room < (uint32_t)sndbuf && size >= room && size < (uint32_t)sndbuf);
	if (meminfo) {
		eq(room, size);				/* nothing is queued */
		for (; n < 1000 && (room = sock_room(fd[0], &size)) > 0; n++) {
			room = MIN(room, 7000);
			if (!eq(send(fd[0], zeros, room, 0), room))
				break;
		}
		ok(n && n < 1000);			/* it fills, and then there is none */
		eq(room, 0);
		ok(size > 0);
		while (send(fd[0], zeros, 5000, 0) > 0)
			;
		eq(sock_room(fd[0], &size), 0);
		drain(fd);
		ok(sock_room(fd[0], &size) >= empty);
	} else {
		ok(room <= (uint32_t)sndbuf / 2);	/* not known: half of it, whatever is queued */
		eq(send(fd[0], zeros, room, 0), room);
		ok(sock_room(fd[0], &size) > 0);
	}
	unpair(fd);
	room = sock_room(fd[0], &size);
	ok(!room && !size);				/* not a socket any more */
	sock_features.meminfo = have;
}

static void test_want_write(void)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int fd[2], ep = epoll_create1(EPOLL_CLOEXEC);
	unsigned n = 0;

	test("want_write: asked while full, there is an edge when there is room, and none otherwise");
	pair(fd, "127.0.0.1");
	eq(epoll_ctl(ep, EPOLL_CTL_ADD, fd[0], &ev), 0);
	eq(epoll_wait(ep, &ev, 1, PATIENCE), 1);
	ok(sock_want_write(fd[0]));
	while (sock_want_write(fd[0]) && n++ < 100000)
		ok(send(fd[0], zeros, 1000, 0) == 1000);	/* none of them fails or is cut */
	ok(n < 100000);
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	drain(fd);
	eq(epoll_wait(ep, &ev, 1, PATIENCE), 1);
	ok(ev.events & EPOLLOUT);
	ok(sock_want_write(fd[0]));
	eq(epoll_wait(ep, &ev, 1, 0), 0);
	unpair(fd);
	ok(!sock_want_write(fd[0]));
	close(ep);
}

/* Listening and connecting */

static void test_nodelay(void)
{
	int fd[2];

	test("TCP-32 TCP_NODELAY on connected and on accepted sockets");
	pair(fd, "127.0.0.1");
	eq(opt_of(fd[0], IPPROTO_TCP, TCP_NODELAY), 1);
	eq(opt_of(fd[1], IPPROTO_TCP, TCP_NODELAY), 1);
	unpair(fd);

	test("TCP-38 buffer sizes are left to the kernel");
	pair(fd, "127.0.0.1");
	for (unsigned i = 0; i < 2; i++) {
		int plain = socket(AF_INET, SOCK_STREAM, 0);

		ok(opt_of(fd[i], SOL_SOCKET, SO_RCVBUF) >= opt_of(plain, SOL_SOCKET, SO_RCVBUF));
		ok(opt_of(fd[i], SOL_SOCKET, SO_SNDBUF) >= opt_of(plain, SOL_SOCKET, SO_SNDBUF));
		close(plain);
	}
	unpair(fd);
}

static void client(int l, const char *to, const char *seen_as)
{
	struct end at = name_of(l, false), from = end_of(seen_as, 0), e;
	struct side host = { .peer = end_of(to, at.port), .our.a = addr_any4 };
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	int fd, c;

	if (!addr_is_v4(&host.peer.a))
		host.our.a = addr_any6;
	fd = sock_connect(&host, NULL);
	ok(fd >= 0 && wait_for(l, POLLIN));
	c = accept4(l, &sa.sa, &len, 0);
	ok(c >= 0 && end_from_sa(&e, &sa) && addr_eq(&e.a, &from.a));
	close(c);					/* so TIME-WAIT is on our side */
	ok(wait_for(fd, POLLRDHUP));
	close(fd);
}

static void test_listen(void)
{
	const struct end any = { .a = addr_any4, .port = 5000 }, lo6 = end_of("::1", 5000),
		lo4 = end_of("127.0.0.1", 5000);
	const struct end any6 = { .a = addr_any6, .port = 5000 };
	int l, other;

	test("listen: both families by one socket; SPL-12 clients are seen as what they are");
	l = sock_listen(IPPROTO_TCP, &any, true, NULL);
	ok(flags_ok(l));
	client(l, "127.0.0.1", "127.0.0.1");
	client(l, "::1", "::1");
	eq(sock_listen(IPPROTO_TCP, &any, true, NULL), -EADDRINUSE);
	eq(sock_listen(IPPROTO_TCP, &lo4, false, NULL), -EADDRINUSE);
	close(l);

	test("listen: again at once, although connections of before are in TIME-WAIT");
	l = sock_listen(IPPROTO_TCP, &any, true, NULL);
	ok(l >= 0);
	close(l);

	test("listen: IPv6 alone leaves the port to IPv4");
	l = sock_listen(IPPROTO_TCP, &any6, false, NULL);
	eq(opt_of(l, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	other = sock_listen(IPPROTO_TCP, &any, false, NULL);
	ok(l >= 0 && other >= 0);
	client(l, "::1", "::1");
	client(other, "127.0.0.1", "127.0.0.1");
	close(l);
	close(other);

	test("listen: one address; an address that is not there, with and without freebind");
	l = sock_listen(IPPROTO_TCP, &lo6, false, NULL);
	client(l, "::1", "::1");
	close(l);
	{
		const struct end not = end_of("203.0.113.1", 5000);
		const struct sock_out o = { .freebind = true }, dev = { .ifname = "lo" },
			no_dev = { .ifname = "nothere" };

		eq(sock_listen(IPPROTO_TCP, &not, false, NULL), -EADDRNOTAVAIL);
		l = sock_listen(IPPROTO_TCP, &not, false, &o);
		ok(l >= 0);
		close(l);
		l = sock_listen(IPPROTO_TCP, &lo4, false, &dev);
		client(l, "127.0.0.1", "127.0.0.1");
		close(l);
		eq(sock_listen(IPPROTO_TCP, &lo4, false, &no_dev), -ENODEV);
	}
}

static void test_connect(void)
{
	struct side host = { .peer = end_of("127.0.0.1", 0), .our.a = addr_any4 };
	const struct sock_out o = { .ttl = 33, .ifname = "lo" }, no_dev = { .ifname = "nothere" };
	const struct end at = end_of("127.0.0.1", 0);
	int l = sock_listen(IPPROTO_TCP, &at, false, NULL), fd;
	struct end e = end_of("127.0.0.5", 0);

	test("connect: from an address, with a TTL, through an interface");
	host.peer = name_of(l, false);
	host.our.a = e.a;
	host.our.port = 4321;				/* not ours to bind */
	fd = sock_connect(&host, &o);
	ok(fd >= 0 && wait_for(fd, POLLOUT));
	e = name_of(fd, false);
	ok(addr_eq(&e.a, &host.our.a) && e.port != 4321 && e.port);
	eq(opt_of(fd, IPPROTO_IP, IP_TTL), 33);
	close(fd);
	eq(sock_connect(&host, &no_dev), -ENODEV);
	close(l);

	test("connect: refused, no route, no such address of ours: told as it was");
	fd = sock_connect(&host, NULL);
	if (fd >= 0) {
		ok(wait_for(fd, POLLOUT));
		eq(sock_error(fd), ECONNREFUSED);
		eq(sock_error(fd), 0);			/* taken off */
		close(fd);
	} else {
		eq(fd, -ECONNREFUSED);
	}
	eq(sock_error(-1), EBADF);
	host = (struct side){ .peer = end_of("203.0.113.1", 80), .our.a = addr_any4 };
	eq(sock_connect(&host, NULL), -ENETUNREACH);
	host.our = end_of("203.0.113.2", 0);
	eq(sock_connect(&host, NULL), -EADDRNOTAVAIL);
	host = (struct side){ .peer = end_of("2001:db8::1", 80), .our.a = addr_any6 };
	eq(sock_connect(&host, &(struct sock_out){ .ttl = 5 }), -ENETUNREACH);
}

/* Datagrams */

static void send_to(int fd, const struct end *to, const void *data, size_t len)
{
	union sockaddr_any sa;
	socklen_t salen = end_to_sa(to, 0, &sa);

	sendto(fd, data, len, 0, &sa.sa, salen);
}

static void test_udp(const char *addr)
{
	const struct end at = end_of(addr, 6000), not = end_of(strchr(addr, ':') ? "2001:db8::9" : "203.0.113.9", 6000);
	bool v6 = !addr_is_v4(&at.a);
	int fd, other, third;
	struct end a, b;
	char buf[16];

	test("UDP socket, %s: the port asked for, or another one if it is taken", addr);
	fd = sock_udp(&at, NULL);
	sock_join(fd);
	other = sock_udp(&at, NULL);
	ok(flags_ok(fd) && flags_ok(other));
	a = name_of(fd, false);
	b = name_of(other, false);
	ok(end_eq(&a, &at));
	ok(addr_eq(&b.a, &at.a) && b.port && b.port != at.port);
	send_to(fd, &b, "hello", 5);
	ok(wait_for(other, POLLIN));
	eq(recv(other, buf, sizeof(buf), 0), 5);
	send_to(other, &a, "there", 5);
	ok(wait_for(fd, POLLIN));
	eq(recv(fd, buf, sizeof(buf), 0), 5);

	test("UDP socket, %s: options", addr);
	eq(opt_of(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR), 1);
	eq(opt_of(other, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR), 1);
	if (sock_features.udp_gro) {
		struct sock_features have = sock_features;

		eq(opt_of(fd, IPPROTO_UDP, UDP_GRO), 1);
		eq(opt_of(other, IPPROTO_UDP, UDP_GRO), 0);
		sock_features.udp_gro = false;
		third = sock_udp(&at, NULL);
		sock_join(third);
		eq(opt_of(third, IPPROTO_UDP, UDP_GRO), 0);
		close(third);
		sock_features = have;
	}
	if (v6)
		eq(opt_of(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	third = sock_udp(&at, &(struct sock_out){ .ttl = 9, .ifname = "lo" });
	eq(opt_of(third, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_UNICAST_HOPS : IP_TTL), 9);
	close(third);
	eq(sock_udp(&at, &(struct sock_out){ .ifname = "nothere" }), -ENODEV);
	eq(sock_udp(&not, NULL), -EADDRNOTAVAIL);
	third = sock_udp(&not, &(struct sock_out){ .freebind = true });
	a = name_of(third, false);
	ok(end_eq(&a, &not));
	close(third);
	close(fd);
	close(other);
}

/* Without the right to low ports */
static void udp_low_port(const void *arg)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 }, { 0 } };
	const struct end at = end_of("127.0.0.1", 53);
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	struct end e;
	int fd;

	(void)arg;
	need(!syscall(__NR_capset, &h, d));
	fd = sock_udp(&at, NULL);
	need(fd >= 0 && !getsockname(fd, &sa.sa, &len) && end_from_sa(&e, &sa));
	need(addr_eq(&e.a, &at.a) && e.port && e.port != 53);
}

static void test_udp_listen(void)
{
	const struct end at = { .a = addr_any6, .port = 6001 }, to4 = end_of("127.0.0.1", 6001),
		to6 = end_of("::1", 6001);
	const struct end from4 = end_of("127.0.0.1", 0), from6 = end_of("::1", 0);
	int l, a = sock_udp(&from4, NULL), b = sock_udp(&from6, NULL);
	char buf[8];

	test("UDP-21 UDP listener: both families, destination told, no second one, errors queued");
	l = sock_listen(IPPROTO_UDP, &at, true, NULL);
	ok(flags_ok(l));
	send_to(a, &to4, "4", 1);
	ok(wait_for(l, POLLIN));
	eq(recv(l, buf, sizeof(buf), 0), 1);
	send_to(b, &to6, "66", 2);
	ok(wait_for(l, POLLIN));
	eq(recv(l, buf, sizeof(buf), 0), 2);
	eq(opt_of(l, IPPROTO_IP, IP_PKTINFO), 1);
	eq(opt_of(l, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
	eq(opt_of(l, IPPROTO_IP, IP_RECVERR), 1);
	eq(opt_of(l, IPPROTO_IPV6, IPV6_RECVERR), 1);
	eq(sock_listen(IPPROTO_UDP, &at, true, NULL), -EADDRINUSE);
	eq(sock_listen(IPPROTO_UDP, &to4, false, NULL), -EADDRINUSE);
	close(l);
	close(a);
	close(b);
}

/* Error queue */

static void test_errqueue(const char *addr)
{
	const struct end at = end_of(addr, 0), closed = end_of(addr, 6002);
	bool v6 = !addr_is_v4(&at.a);
	int fd = sock_udp(&at, NULL);
	struct sock_err e;
	char buf[100];

	test("UDP-01 error queue, %s: port unreachable, its destination, who said it, and what it was about", addr);
	memset(&e, 0xff, sizeof(e));
	eq(sock_errqueue(fd, &e, buf, sizeof(buf)), -EAGAIN);
	send_to(fd, &closed, "nobody there", 12);
	ok(wait_for(fd, POLLERR));
	eq(sock_errqueue(fd, &e, buf, sizeof(buf)), 0);
	eq(e.err, ECONNREFUSED);
	eq(e.origin, v6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP);
	eq(e.type, v6 ? 1 : ICMP_DEST_UNREACH);
	eq(e.code, v6 ? 4 : ICMP_PORT_UNREACH);
	ok(end_eq(&e.dst, &closed));
	ok(addr_eq(&e.offender.a, &closed.a));
	eq(e.len, 12);
	eq_mem(buf, "nobody there", 12);
	eq(sock_errqueue(fd, &e, buf, sizeof(buf)), -EAGAIN);

	test("error queue, %s: too big, told by ourselves", addr);
	ok(!setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
		       &(int){ v6 ? IPV6_PMTUDISC_DO : IP_PMTUDISC_DO }, sizeof(int)));
	send_to(fd, &closed, zeros, 3000);
	eq(sock_errqueue(fd, &e, buf, 10), 0);
	eq(e.err, EMSGSIZE);
	eq(e.origin, SO_EE_ORIGIN_LOCAL);
	eq(e.info, 1500);
	ok(!e.offender.port && addr_is_unspec(&e.offender.a));
	ok(e.len <= 10);
	close(fd);
	eq(sock_errqueue(fd, &e, buf, 10), -EBADF);
}

/* Ping sockets */

/* Identifier of an echo and its reply */
static uint16_t echo(int fd, const struct end *to, bool v6)
{
	struct icmphdr h = { .type = v6 ? 128 : ICMP_ECHO, .un.echo = { .sequence = htons(7) } }, r = { 0 };

	send_to(fd, to, &h, sizeof(h));
	ok(wait_for(fd, POLLIN));
	eq(recv(fd, &r, sizeof(r), 0), sizeof(r));
	eq(r.type, v6 ? 129 : ICMP_ECHOREPLY);
	eq(r.un.echo.sequence, htons(7));
	return ntohs(r.un.echo.id);
}

static void test_ping(const char *addr)
{
	const struct end to = end_of(addr, 0);
	bool v6 = !addr_is_v4(&to.a);
	union sockaddr_any sa;
	socklen_t len;
	int fd, other;

	test("ping socket, %s: an identifier of its own each, echoes", addr);
	fd = sock_ping(v6, v6 ? &addr_any6 : &addr_any4, NULL);
	other = sock_ping(v6, &to.a, &(struct sock_out){ .ttl = 44 });
	ok(flags_ok(fd) && flags_ok(other));
	ok(echo(fd, &to, v6) != echo(other, &to, v6));
	eq(opt_of(other, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_UNICAST_HOPS : IP_TTL), 44);
	eq(opt_of(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR), 1);
	eq(opt_of(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL), 1);
	close(other);

	test("ping socket, %s: another program can have its identifier", addr);
	other = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	len = end_to_sa(&(struct end){ .a = to.a, .port = echo(fd, &to, v6) }, 0, &sa);
	eq(bind(other, &sa.sa, len), 0);
	close(fd);
	close(other);
}

/* An older kernel: @name of setsockopt() or getsockopt(), or family and type of socket(), is refused */

struct old {
	uint32_t	nr;
	unsigned	arg;		/* which one, and its value */
	uint32_t	value;
	uint16_t	err;
	const char	*name;
	bool		struct_off[6];	/* for sock_probe() to find missing: struct sock_features, in order */
};

static void refuse(const struct old *o)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, o->nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args[0]) + 8 * o->arg +
			 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0))),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, o->value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | o->err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(f) / sizeof(f[0]), .filter = f };

	need(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0));
}

static void probe_old(const void *arg)
{
	const struct sock_features all = sock_features;
	const struct old *o = arg;
	const bool *was = (const bool *)&all, *is = (const bool *)&sock_features;
	int fd;

	refuse(o);
	memset(&sock_features, 0, sizeof(sock_features));
	sock_probe();
	for (unsigned i = 0; i < sizeof(o->struct_off); i++)
		need(is[i] == (was[i] && !o->struct_off[i]));

	/* And it works without */
	if (sock_features.ipv6) {
		fd = sock_udp(&(struct end){ .a = addr_any6 }, NULL);
		need(fd >= 0);
	}
	fd = sock_udp(&(struct end){ .a = addr_any4 }, NULL);
	need(fd >= 0);
	fd = sock_listen(IPPROTO_TCP, &(struct end){ .a = addr_any4 }, false, NULL);
	need(fd >= 0);
}

static const struct old olds[] = {
	{ __NR_setsockopt, 2, SO_PEEK_OFF, EOPNOTSUPP, "SO_PEEK_OFF for TCP", { true } },
	{ __NR_getsockopt, 2, SO_MEMINFO, ENOPROTOOPT, "SO_MEMINFO", { false, true } },
	{ __NR_socket, 2, IPPROTO_ICMP, EACCES, "ping sockets", { false, false, true } },
	{ __NR_setsockopt, 2, UDP_SEGMENT, ENOPROTOOPT, "UDP_SEGMENT", { false, false, false, true } },
	{ __NR_setsockopt, 2, UDP_GRO, ENOPROTOOPT, "UDP_GRO", { false, false, false, false, true } },
	{ __NR_socket, 0, AF_INET6, EAFNOSUPPORT, "IPv6", { false, false, false, false, false, true } },
};

static void test_probe(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), zero = 0;

	test("TCP-43 what this kernel has is found");
	static_assert(sizeof(struct sock_features) == sizeof(olds[0].struct_off), "a row for each");
	eq(sock_features.peek_off, !setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)));
	ok(sock_features.meminfo && sock_features.udp_gso && sock_features.udp_gro && sock_features.ping &&
	   sock_features.ipv6);
	close(fd);

	test("the largest send buffer of TCP is tcp_wmem's third number");
	fd = open("/proc/sys/net/ipv4/tcp_wmem", O_RDONLY);
	{
		unsigned min = 0, normal = 0, max = 0;
		char text[64] = "";

		ok(read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "%u %u %u", &min, &normal, &max) == 3);
		eq(sock_wmem_max, max);
	}
	close(fd);

	for (unsigned i = 0; i < ARRAY_SIZE(olds); i++) {
		test("TCP-43 a kernel without %s", olds[i].name);
		eq(child_run(probe_old, &olds[i]), 0);
	}
}

static void test_no_ping(void)
{
	test("ping sockets that are not permitted: found at start, and said at each try");
	sock_probe();
	ok(!sock_features.ping);
	eq(sock_ping(false, &addr_any4, NULL), -EACCES);
	eq(sock_ping(true, &addr_any6, NULL), -EACCES);
	child_write("/proc/sys/net/ipv4/ping_group_range", "0 0");
	memset(&sock_features, 0, sizeof(sock_features));
	sock_probe();
	ok(sock_features.ping);
}

/* A namespace with a loopback interface alone, MTU 1500 */
static void set_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd;

	child_userns(CLONE_NEWNET);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_flags = IFF_UP;
	need(fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &ifr));
	ifr.ifr_mtu = 1500;
	need(!ioctl(fd, SIOCSIFMTU, &ifr));
	close(fd);
}

int main(void)
{
	log_level = LOG_EMERG;
	set_up();
	test_no_ping();
	test_probe();
	test_peek();
	test_room(true);
	test_room(false);
	test_want_write();
	test_nodelay();
	test_listen();
	test_connect();
	test_udp("127.0.0.1");
	test_udp("::1");
	test("UDP socket: a port that only root may have is another one");
	eq(child_run(udp_low_port, NULL), 0);
	test_udp_listen();
	test_errqueue("127.0.0.1");
	test_errqueue("::1");
	test_ping("127.0.0.1");
	test_ping("::1");
	return done();
}
