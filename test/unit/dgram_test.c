/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dgram_test.c - datagrams in a message, refusals, batches in
 *
 * Out: the kernel is played by the test, and takes every message apart: the receiver gets each datagram once, as it
 * was sent, in order. In: the real kernel's loopback.
 */
/* LDFLAGS: -Wl,--wrap=sendmmsg -Wl,--wrap=sendmsg */
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../dgram.c"
#include "../t.h"

#define SENT_MAX	512
#define DATAGRAMS_MAX	1024

static struct {
	/* Orders: calls of sendmmsg() and sendmsg() that fail (bits, first call first), with what; messages of
	 * several, too
	 */
	uint32_t	fail_calls, fail_singles;
	int		fail_errno, refuse;

	/* What happened: messages that were taken, and those refused; datagrams that arrived */
	struct {
		size_t		len, iovs;
		uint16_t	size;		/* UDP_SEGMENT, 0: none */
		unsigned	controls;
		int		control[8];	/* type, in order */
	} sent[SENT_MAX];
	unsigned	nsent, refused, singles;
	struct { size_t len; uint8_t first; } got[DATAGRAMS_MAX];
	unsigned	ngot;
} kernel;

int __wrap_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

static uint16_t segment_of(const struct msghdr *m)
{
	uint16_t size = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, h))
		if (h->cmsg_level == IPPROTO_UDP && h->cmsg_type == UDP_SEGMENT)
			memcpy(&size, CMSG_DATA(h), sizeof(size));
	return size;
}

static void arrive(const struct msghdr *m, uint16_t size)
{
	static uint8_t buf[1 << 17];
	size_t len = 0, at = 0;

	for (size_t k = 0; k < m->msg_iovlen; len += m->msg_iov[k++].iov_len)
		memcpy(buf + len, m->msg_iov[k].iov_base, m->msg_iov[k].iov_len);
	do {
		size_t one = size ? MIN(size, len - at) : len;

		for (size_t i = 1; i < one; i++)
			if (buf[at + i] != buf[at])
				ok(!"bytes of one datagram");
		kernel.got[kernel.ngot].len = one;
		kernel.got[kernel.ngot++].first = one ? buf[at] : 0;
		at += one;
	} while (at < len);
}

static void note(const struct msghdr *m)
{
	unsigned i = kernel.nsent++;

	kernel.sent[i].iovs = m->msg_iovlen;
	kernel.sent[i].len = kernel.sent[i].controls = 0;
	kernel.sent[i].size = segment_of(m);
	for (size_t k = 0; k < m->msg_iovlen; k++)
		kernel.sent[i].len += m->msg_iov[k].iov_len;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, h))
		kernel.sent[i].control[kernel.sent[i].controls++] = h->cmsg_type;
	arrive(m, kernel.sent[i].size);
}

int __wrap_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags)
{
	bool fail = kernel.fail_calls & 1;
	unsigned k = 0;

	ok(fd == 99 && flags == (MSG_DONTWAIT | MSG_NOSIGNAL));
	kernel.fail_calls >>= 1;
	for (; k < n && !fail && !(kernel.refuse && segment_of(&mm[k].msg_hdr)); k++)
		note(&mm[k].msg_hdr);
	if (k)
		return (int)k;
	kernel.refused += !fail;
	errno = fail ? kernel.fail_errno : kernel.refuse;
	return -1;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	bool fail = kernel.fail_singles & 1;

	ok(fd == 99 && flags == (MSG_DONTWAIT | MSG_NOSIGNAL) && !segment_of(m));
	kernel.fail_singles >>= 1;
	if (fail) {
		errno = kernel.fail_errno;
		return -1;
	}
	kernel.singles++;
	arrive(m, 0);
	return 1;
}

/* So many datagrams of a kind, one after the other */
struct run_of {
	unsigned	n;
	size_t		len;
	uint8_t		ttl, tos;
	uint16_t	gso;		/* several in one */
};

#define RUNS	6
#define R(n_, len_)		{ .n = (n_), .len = (len_) }
#define RX(n_, len_, ...)	{ .n = (n_), .len = (len_), __VA_ARGS__ }

static struct side to;
static bool single;
static uint64_t lost;
static unsigned told[16], ntold;	/* @what of messages that were refused */

static void begin(bool join)
{
	memset(&kernel, 0, sizeof(kernel));
	to = (struct side){ { addr_from4(htonl(0xc6336407)), 7 }, { .a = addr_any4 } };
	lost = ntold = 0;
	single = false;
	sock_features.udp_gso = true;
	dgram_begin(&to, 0, join);
}

static void send_all(void)
{
	while (dgram_send(99, &single, &lost)) {
		if (ntold < ARRAY_SIZE(told))
			told[ntold++] = (unsigned)(uintptr_t)dgram_refused();
		dgram_skip(&lost);
	}
}

/* Datagram number @k is bytes of that number; a message of several is many of the same */
static void send_runs(const struct run_of *run)
{
	static uint8_t text[RUNS * 64][65536];
	unsigned k = 0;

	for (const struct run_of *r = run; r < run + RUNS && r->n; r++) {
		for (unsigned j = 0; j < r->n; j++, k++) {
			const struct iovec iov = { text[k % ARRAY_SIZE(text)], r->len };
			const struct view v = { &iov, 1, 0, r->len };

			memset(iov.iov_base, (int)k, r->len);
			if (dgram_add(&v, r->gso, r->ttl, r->tos, (void *)(uintptr_t)(k + 1)))
				continue;
			send_all();
			ok(dgram_add(&v, r->gso, r->ttl, r->tos, (void *)(uintptr_t)(k + 1)));
		}
	}
	send_all();
}

/* All of it arrived, but for those that @missing has a bit for */
static void arrived(const struct run_of *run, uint32_t missing)
{
	unsigned k = 0, i = 0, d = 0;

	for (const struct run_of *r = run; r < run + RUNS && r->n; r++) {
		for (unsigned j = 0; j < r->n; j++, k++) {
			size_t left = r->len;

			do {
				size_t one = r->gso && left > r->gso ? r->gso : left;

				left -= one;
				if (d < 32 && missing >> d++ & 1)
					continue;
				eq(kernel.got[i].len, one);
				if (one)
					eq(kernel.got[i].first, (uint8_t)k);
				i++;
			} while (left);
		}
	}
	eq(kernel.ngot, i);
}

/* What becomes of them: a message with so many, of that size but for the last */
struct joined {
	unsigned	n;
	size_t		size;
};

static const struct {
	const char	*what;
	struct run_of	run[RUNS];
	struct joined	msg[RUNS];
} outs[] = {
	{ "one",			{ R(1, 500) }, { { 1, 500 } } },
	{ "two",			{ R(2, 500) }, { { 2, 500 } } },
	{ "three",			{ R(3, 500) }, { { 3, 500 } } },
	{ "64",				{ R(64, 20) }, { { 64, 20 } } },
	{ "65: the last by itself",	{ R(65, 20) }, { { 64, 20 }, { 1, 20 } } },
	{ "130 of one byte",		{ R(130, 1) }, { { 64, 1 }, { 64, 1 }, { 2, 1 } } },
	{ "64, the last shorter",	{ R(63, 20), R(2, 19) }, { { 64, 20 }, { 1, 19 } } },
	{ "a shorter one is the last",	{ R(2, 500), R(3, 300) }, { { 3, 500 }, { 2, 300 } } },
	{ "a shorter one is the second", { R(1, 500), R(1, 3), R(1, 500) }, { { 2, 500 }, { 1, 500 } } },
	{ "a longer one is another",	{ R(2, 300), R(2, 500) }, { { 2, 300 }, { 2, 500 } } },
	{ "nothing in them",		{ R(2, 0), R(1, 7), R(1, 0), R(2, 7) },
					{ { 1, 0 }, { 1, 0 }, { 1, 7 }, { 1, 0 }, { 2, 7 } } },
	{ "another TTL",		{ R(2, 100), RX(2, 100, .ttl = 9), R(1, 100) },
					{ { 2, 100 }, { 2, 100 }, { 1, 100 } } },
	{ "another TTL, and back",	{ RX(2, 100, .ttl = 9), RX(2, 90, .ttl = 63) }, { { 2, 100 }, { 2, 90 } } },
	{ "other DSCP or ECN bits",	{ R(2, 100), RX(2, 100, .tos = 0xb8), RX(2, 100, .tos = 0xb9) },
					{ { 2, 100 }, { 2, 100 }, { 2, 100 } } },
	{ "one that is several already", { R(2, 700), RX(1, 1900, .gso = 700), R(2, 700) },
					{ { 2, 700 }, { 3, 700 }, { 2, 700 } } },
	{ "and two of these",		{ RX(2, 1400, .gso = 700), R(1, 600) },
					{ { 2, 700 }, { 2, 700 }, { 1, 600 } } },
	{ "several, of just one",	{ RX(1, 700, .gso = 700), R(2, 700) }, { { 3, 700 } } },
	{ "too much for one",		{ R(34, 1986) }, { { 32, 1986 }, { 2, 1986 } } },
	{ "just not too much",		{ R(32, 1985), R(1, 1967) }, { { 33, 1985 } } },
	{ "just too much",		{ R(32, 1985), R(1, 1968) }, { { 32, 1985 }, { 1, 1968 } } },
};

static void test_out(void)
{
	for (unsigned k = 0; k < ARRAY_SIZE(outs); k++) {
		unsigned m = 0;

		test("datagrams in a message: %s", outs[k].what);
		begin(true);
		send_runs(outs[k].run);
		for (; m < RUNS && outs[k].msg[m].n; m++) {
			size_t of = outs[k].msg[m].n > 1 ? outs[k].msg[m].size : 0;

			eq(kernel.sent[m].size, of);
			eq(of ? (kernel.sent[m].len + of - 1) / of : 1, outs[k].msg[m].n);
			ok(kernel.sent[m].len <= UDP_SEGMENTS_LEN);
			if (!of)
				eq(kernel.sent[m].len, outs[k].msg[m].size);
		}
		eq(kernel.nsent, m);
		arrived(outs[k].run, 0);
		ok(!lost && !single && !ntold);
	}
}

static void test_no_gso(void)
{
	const struct run_of batch[RUNS] = { R(70, 100), R(3, 7) };

	for (unsigned k = 0; k < 2; k++) {
		test("%s: one by one", k ? "a kernel without UDP_SEGMENT" : "a socket for which it can't be had");
		begin(k);
		sock_features.udp_gso = false;
		dgram_begin(NULL, 0, k);
		send_runs(batch);
		eq(kernel.nsent, 73);
		for (unsigned i = 0; i < kernel.nsent; i++)
			ok(!kernel.sent[i].controls && kernel.sent[i].iovs == 1);
		arrived(batch, 0);
	}
}

static void test_controls(void)
{
	static const char *const from[] = { "192.0.2.1", "2001:db8::1" };
	const struct run_of batch[RUNS] = { RX(3, 100, .ttl = 5, .tos = 0xb8), R(1, 200) };

	for (unsigned k = 0; k < 2; k++) {
		const int want[] = {
			k ? IPV6_PKTINFO : IP_PKTINFO, k ? IPV6_HOPLIMIT : IP_TTL, k ? IPV6_TCLASS : IP_TOS, UDP_SEGMENT
		};

		test("from %s: source, TTL and DSCP hold for all in a message, its segments' size comes last", from[k]);
		begin(true);
		addr_parse(from[k], strlen(from[k]), &to.our.a);
		to.peer.a = to.our.a;
		dgram_begin(&to, 0, true);
		send_runs(batch);
		eq(kernel.nsent, 2);
		eq(kernel.sent[0].controls, ARRAY_SIZE(want));
		eq_mem(kernel.sent[0].control, want, sizeof(want));
		eq(kernel.sent[1].controls, 1);
		eq(kernel.sent[1].control[0], want[0]);
	}
}

/* Packets with many buffers each, as none of today's links gives them */
static void test_buffers(void)
{
	static const struct {
		const char	*what;
		unsigned	cnt[6];		/* buffers of one byte: as many datagrams as there are numbers */
		unsigned	msg[6];		/* buffers in each message */
		unsigned	refused;
	} cases[] = {
		{ "all the buffers there are",	{ 256, 256 }, { 512 }, 0 },
		{ "one more than there are",	{ 200, 200, 113 }, { 400, 113 }, 0 },
		{ "twice as many",		{ 300, 300, 300 }, { 300, 300, 300 }, 0 },
		{ "used up in the middle",	{ 100, 100, 100, 100, 100, 100 }, { 500, 100 }, 0 },
		{ "more than one can have",	{ 100, 100, 513, 100, 100 }, { 200, 200 }, 1 },
	};
	static struct iovec iov[1024];
	static uint8_t byte[6] = { 1, 2, 3, 4, 5, 6 };

	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		unsigned m = 0, refused = 0;

		test("buffers of a batch: %s", cases[k].what);
		begin(true);
		for (unsigned d = 0; d < 6 && cases[k].cnt[d]; d++) {
			const struct view v = { iov, cases[k].cnt[d], 0, cases[k].cnt[d] };

			for (unsigned i = 0; i < cases[k].cnt[d]; i++)
				iov[i] = (struct iovec){ byte + d, 1 };
			if (dgram_add(&v, 0, 0, 0, NULL))
				continue;
			send_all();
			refused += !dgram_add(&v, 0, 0, 0, NULL);
		}
		send_all();
		for (; m < 6 && cases[k].msg[m]; m++)
			eq(kernel.sent[m].iovs, cases[k].msg[m]);
		eq(kernel.nsent, m);
		eq(refused, cases[k].refused);
	}
}

static void test_refused(void)
{
	static const int errors[] = { EINVAL, EIO, EMSGSIZE };
	const struct run_of batch[RUNS] = { R(3, 500), R(1, 100), R(1, 700), RX(4, 200, .ttl = 63), R(2, 150) };
	const struct run_of big[RUNS] = { RX(1, 1900, .gso = 700), R(1, 1986) };

	for (unsigned k = 0; k < ARRAY_SIZE(errors); k++) {
		test("%s for a message of several: each goes by itself, once, in order", strerror(errors[k]));
		begin(true);
		kernel.refuse = errors[k];
		send_runs(batch);
		eq(kernel.refused, 3);
		eq(kernel.nsent, 1);
		eq(kernel.singles, 10);
		arrived(batch, 0);
		ok(single && !lost && !ntold);
	}

	test("one that came as several and was refused says nothing about others");
	begin(true);
	kernel.refuse = EINVAL;
	send_runs(big);
	eq(kernel.refused, 1);
	arrived(big, 0);
	ok(!single && !lost);
}

/* Refused as one, and then some of them, too: calls that fail, and datagrams that are missing */
static void test_refused_twice(void)
{
	static const struct {
		int		err;
		uint32_t	calls;
		uint32_t	missing;
		unsigned	told;
	} cases[] = {
		{ EINTR, 0x3f, 0, 0 }, { ENOBUFS, 0x1, 0x1, 1 }, { ENOBUFS, 0x4, 0x4, 1 }, { ENOBUFS, 0x12, 0x12, 2 },
		{ ECONNREFUSED, 0x6, 0, 0 }, { EHOSTUNREACH, 0xe, 0x2, 1 }, { EMSGSIZE, 0x2, 0x2, 1 },
		{ EAGAIN, 0x4, 0x1fc, 0 },
	};
	const struct run_of batch[RUNS] = { R(5, 300), R(4, 600) };

	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		test("UDP-14 %s in the middle of what goes one by one, calls %#x", strerror(cases[k].err),
		     cases[k].calls);
		begin(true);
		kernel.refuse = EINVAL;
		kernel.fail_singles = cases[k].calls;
		kernel.fail_errno = cases[k].err;
		send_runs(batch);
		arrived(batch, cases[k].missing);
		eq(lost, (unsigned)__builtin_popcount(cases[k].missing));
		eq(ntold, cases[k].told);
	}
}

static void test_errors(void)
{
	static const struct {
		int		err;
		uint32_t	calls, missing;
		unsigned	told, first;
	} cases[] = {
		{ ENOBUFS, 1, 0x1f, 1, 1 }, { EHOSTUNREACH, 7, 0x1f, 1, 1 }, { EHOSTUNREACH, 3, 0, 0, 0 },
		{ EINTR, 0x1f, 0, 0, 0 },
		{ EAGAIN, 1, 0x1ff, 0, 0 }, { EPERM, 0xe, 0, 0, 0 }, { EMSGSIZE, 2, 0, 0, 0 },
	};
	const struct run_of batch[RUNS] = { R(5, 300), R(4, 600) };

	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		test("UDP-14 %s for a message of several, calls %#x: datagrams are counted",
		     strerror(cases[k].err), cases[k].calls);
		begin(true);
		kernel.fail_calls = cases[k].calls;
		kernel.fail_errno = cases[k].err;
		send_runs(batch);
		arrived(batch, cases[k].missing);
		eq(lost, (unsigned)__builtin_popcount(cases[k].missing));
		eq(ntold, cases[k].told);
		if (ntold)
			eq(told[0], cases[k].first);
		ok(!single);
	}
}

/* ---- in ---- */

static int bound(const char *addr, struct end *e)
{
	union sockaddr_any sa;
	socklen_t len;
	int fd;

	*e = (struct end){ .port = 0 };
	addr_parse(addr, strlen(addr), &e->a);
	len = end_to_sa(e, 0, &sa);
	fd = socket(sa.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &sa.sa, len) || (len = sizeof(sa), getsockname(fd, &sa.sa, &len)))
		exit(1);
	e->port = end_from_sa(e, &sa) ? e->port : 0;
	return fd;
}

static void say(int fd, const struct end *e, const void *p, size_t n)
{
	union sockaddr_any sa;
	socklen_t len = end_to_sa(e, 0, &sa);

	eq(sendto(fd, p, n, 0, &sa.sa, len), n);
}

static void test_in(const char *addr)
{
	bool v4 = !strchr(addr, ':');
	struct end a, b;
	int x = bound(addr, &a), y = bound(addr, &b), gso = 700;
	struct iovec place[DGRAM_BATCH];
	uint8_t batch = DGRAM_BATCH, text[3000];
	struct dgram d;

	test("%s: who sent, to what address, by which interface and with what TTL", addr);
	sock_opt(y, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
	sock_opt(y, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTTL : IPV6_RECVHOPLIMIT, 1);
	ok(!dgram_peek(y, &d));
	say(x, &b, "one", 3);
	say(x, &b, "", 0);
	ok(dgram_peek(y, &d) && end_eq(&d.from, &a) && addr_eq(&d.our, &b.a) && !d.data.iov_len);
	dgram_buffers(place, DGRAM_BATCH);
	eq(dgram_recv(y, place, DGRAM_BATCH, &batch), 2);
	ok(dgram_get(0, false, &d) && end_eq(&d.from, &a) && addr_eq(&d.our, &b.a) && d.ifindex == 1 && d.ttl == 64);
	ok(d.data.iov_len == 3 && !memcmp(d.data.iov_base, "one", 3) && !d.gso && !d.many && !d.scope);
	ok(dgram_get(1, false, &d) && !d.data.iov_len);
	eq(dgram_recv(y, place, DGRAM_BATCH, &batch), -EAGAIN);

	test("%s: fewer places after batches that were small, more again after full ones", addr);
	eq(batch, DGRAM_BATCH / 2);
	for (unsigned i = 0; i < 8; i++) {
		say(x, &b, "x", 1);
		dgram_recv(y, place, batch, &batch);
	}
	eq(batch, 2);
	for (unsigned i = 0; i < 9; i++)
		say(x, &b, "x", 1);
	eq(dgram_recv(y, place, batch, &batch), 2);
	eq(batch, 4);
	eq(dgram_recv(y, place, batch, &batch), 4);
	eq(dgram_recv(y, place, batch, &batch), 3);
	eq(batch, 4);

	test("%s: as many places again if all that came just filled them", addr);
	for (unsigned i = 0; i < 4; i++)
		say(x, &b, "x", 1);
	eq(dgram_recv(y, place, batch, &batch), 4);
	eq(batch, 8);
	eq(dgram_recv(y, place, batch, &batch), -EAGAIN);
	eq(batch, 8);

	test("%s: several that the kernel joined", addr);
	sock_probe();
	sock_join(y);
	setsockopt(x, IPPROTO_UDP, UDP_SEGMENT, &gso, sizeof(gso));
	memset(text, 7, sizeof(text));
	say(x, &b, text, 1500);
	eq(dgram_recv(y, place, batch, &batch), 1);
	ok(dgram_get(0, false, &d) && d.data.iov_len == 1500 && d.gso == 700);
	close(x);
	close(y);
}

/* The queue's entry, and room for a header in front of it */
static void test_error(void)
{
	struct end a, b;
	int x = bound("127.0.0.1", &a), y = bound("127.0.0.1", &b);
	struct sock_err e;
	uint8_t *data;

	test("an entry of the error queue, with its payload");
	sock_opt(x, IPPROTO_IP, IP_RECVERR, 1);
	ok(!dgram_error(x, 1, &e, &data));
	close(y);
	say(x, &b, "gone", 4);
	ok(dgram_error(x, 1, &e, &data));
	ok(e.err == ECONNREFUSED && end_eq(&e.dst, &b) && e.len == 4 && !memcmp(data, "gone", 4));
	memset(data - DGRAM_HEADROOM, 0, DGRAM_HEADROOM);
	ok(!dgram_error(x, 1, &e, &data));
	close(x);
}

int main(void)
{
	test_out();
	test_no_gso();
	test_controls();
	test_buffers();
	test_refused();
	test_refused_twice();
	test_errors();
	test_in("127.0.0.1");
	test_in("::1");
	test_error();
	return done();
}
