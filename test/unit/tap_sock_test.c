/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_sock_test.c - frames in a stream, however it is split, and whenever it stops
 *
 * recv() and sendmsg() on descriptor PLAYED are played, so that they give and take as many bytes as a test says. Real
 * sockets, blocking ones, so that a call that waits is found, come last.
 */
/* LDFLAGS: -Wl,--wrap=recv -Wl,--wrap=sendmsg */
#include "../../tap_sock.c"
#include "../t.h"

#include <unistd.h>

#define PLAYED		1000		/* a descriptor that is not open */
#define FRAMES		8192
#define SHIFTS		251		/* frame number i is the pattern from (i % SHIFTS) on */

static struct tap tap;
static uint8_t pattern[FRAME_LIMIT + SHIFTS];

/* What the guest sends: a stream, of which @in_at bytes were read and @in_len are there to be read */
static uint8_t in[8 << 20];
static size_t in_at, in_len, in_end;
static bool in_eof;
static int in_error, in_eintr;
static unsigned in_calls;

static uint32_t sent[FRAMES];		/* lengths of the frames in it */
static unsigned nsent, nseen;

/* What it gets, how many bytes at a time, and what it should get */
static uint8_t out[1 << 20], want[1 << 20];
static size_t out_len, want_len, out_quota;
static int out_error, out_eintr;
static unsigned ncommitted;

ssize_t __real_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *mh, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags);

static ssize_t fail(int err)
{
	errno = err;
	return -1;
}

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
	uint8_t *p = buf;

	ok(size > 0 && p >= rx_pool[0] && p + size <= rx_pool[0] + RX_SIZE);
	ok(flags & MSG_DONTWAIT);
	if (fd != PLAYED)
		return __real_recv(fd, buf, size, flags);
	in_calls++;
	if (in_eintr && in_eintr--)
		return fail(EINTR);
	if (in_error)
		return fail(in_error);
	if (in_at == in_len)
		return in_eof ? 0 : fail(EAGAIN);
	size = MIN(size, in_len - in_at);
	memcpy(buf, in + in_at, size);
	in_at += size;
	return (ssize_t)size;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	size_t done = 0;

	ok((flags & (MSG_DONTWAIT | MSG_NOSIGNAL)) == (MSG_DONTWAIT | MSG_NOSIGNAL));
	ok(mh->msg_iovlen > 0 && mh->msg_iovlen <= 1024);	/* UIO_MAXIOV */
	if (fd != PLAYED)
		return __real_sendmsg(fd, mh, flags);
	if (out_eintr && out_eintr--)
		return fail(EINTR);
	if (out_error)
		return fail(out_error);
	for (size_t i = 0; i < mh->msg_iovlen && out_quota; i++) {
		size_t n = MIN(mh->msg_iov[i].iov_len, out_quota);

		if (out_len + n > sizeof(out))
			abort();
		memcpy(out + out_len, mh->msg_iov[i].iov_base, n);
		out_len += n;
		out_quota -= n;
		done += n;
	}
	return done ? (ssize_t)done : fail(EAGAIN);
}

static void begin(void)
{
	in_at = in_len = in_end = 0;
	in_eof = false;
	in_error = in_eintr = out_error = out_eintr = 0;
	in_calls = nsent = nseen = ncommitted = 0;
	out_len = want_len = 0;
	out_quota = SIZE_MAX;
	tap_sock_attach(&tap, PLAYED, -1);
}

static const uint8_t *bytes_of(unsigned i)
{
	return pattern + i % SHIFTS;
}

/* Appends a frame to what the guest will send; arrive() has it come */
static void from_guest(uint32_t len)
{
	put_be32(in + in_end, len);
	memcpy(in + in_end + 4, bytes_of(nsent), len);
	in_end += 4 + len;
	sent[nsent++] = len;
}

/* Up to @n bytes more of the stream are there to be read; false if there are none */
static bool arrive(size_t n)
{
	n = MIN(n, in_end - in_len);
	in_len += n;
	return n;
}

static void check_frame(const struct raw *raw)
{
	const uint8_t *p = raw->iov[0].iov_base;
	unsigned i = nseen++;

	if (!ok(i < nsent))
		return;
	eq(raw->len, sent[i]);
	ok(raw->cnt == 1 && raw->iov[0].iov_len == raw->len && !raw->off.gso && !raw->off.partial);
	ok(raw->len == sent[i] && !memcmp(p, bytes_of(i), raw->len));
}

/* What one event makes the loop do; returns how many frames came, or the error behind them */
static int event(void)
{
	static struct raw raw[TAP_BATCH];
	unsigned before = nseen;

	do {
		int rc = tap_recv(&tap, raw);

		ok(rc <= TAP_BATCH);
		if (rc < 0)
			return rc;
		for (int i = 0; i < rc; i++)
			check_frame(&raw[i]);
		tap_recv_done(&tap);
	} while (tap.more);
	return (int)(nseen - before);
}

/* Events until all that has come is read; returns the last one's result */
static int events(void)
{
	int rc;

	do
		rc = event();
	while (rc >= 0 && in_at < in_len);
	return rc;
}

/* Frames of which the last byte is among the first @len of the stream */
static unsigned whole(size_t len)
{
	size_t end = 0;
	unsigned n = 0;

	while (n < nsent && (end += 4 + sent[n]) <= len)
		n++;
	return n;
}

static void test_bytes(void)
{
	static const uint32_t len[] = { 60, 14, 0, 1514, 1, 0, 0, 59, 9014 };

	test("stream, one byte at a time: a frame is there with its last byte");
	begin();
	for (unsigned i = 0; i < ARRAY_SIZE(len); i++)
		from_guest(len[i]);
	while (arrive(1)) {
		ok(event() >= 0);
		eq(nseen, whole(in_at));
	}
	eq(nseen, ARRAY_SIZE(len));
	eq(tap.stats.rx_frames, ARRAY_SIZE(len));
	eq(event(), 0);
}

static void test_splits(void)
{
	begin();
	from_guest(21);
	from_guest(60);
	from_guest(17);

	test("stream, every split into two, of three frames");
	for (size_t k = 1; k < in_end; k++) {
		in_at = in_len = nseen = 0;
		arrive(k);
		ok(event() >= 0);
		eq(nseen, whole(k));
		arrive(SIZE_MAX);
		ok(event() >= 0);
		eq(nseen, 3);
		eq(event(), 0);
	}

	test("stream, every split into three, of three frames");
	for (size_t k = 1; k < in_end; k++) {
		for (size_t l = 1; l < in_end - k; l++) {
			in_at = in_len = nseen = 0;
			arrive(k);
			ok(event() >= 0);
			arrive(l);
			ok(event() >= 0);
			eq(nseen, whole(k + l));
			arrive(SIZE_MAX);
			ok(event() >= 0);
			eq(nseen, 3);
		}
	}
}

static void test_at_once(void)
{
	test("stream, 200 frames at once: one read, one batch");
	begin();
	for (unsigned i = 0; i < 200; i++)
		from_guest(60 + i * 5);
	arrive(SIZE_MAX);
	eq(event(), 200);
	eq(in_calls, 1);
	ok(!tap.more);

	test("stream, exactly a batch at once: nothing is left, nothing is said to be left");
	begin();
	for (unsigned i = 0; i < TAP_BATCH; i++)
		from_guest(60);
	arrive(SIZE_MAX);
	eq(event(), TAP_BATCH);
	eq(in_calls, 1);
}

static void test_front(void)
{
	static struct raw raw[TAP_BATCH];

	test("stream, one frame after the other: all at the front of the buffer, which stays in the cache");
	begin();
	for (unsigned i = 0; i < 1000; i++) {
		from_guest(60 + i);
		arrive(SIZE_MAX);
		eq(tap_recv(&tap, raw), 1);
		ok(raw[0].iov->iov_base == rx_pool[0] + 4);
	}
}

static void test_many(void)
{
	static const uint32_t len[] = { 0, 1, 14, 18, 50, 60 };
	static struct raw raw[TAP_BATCH];

	for (unsigned i = 0; i < ARRAY_SIZE(len); i++) {
		test("L2-06 L2-15 stream, 4096 frames of %u bytes at once: none is left behind", len[i]);
		begin();
		for (unsigned n = 0; n < 4096; n++)
			from_guest(len[i]);
		arrive(SIZE_MAX);
		ok(events() >= 0);
		eq(nseen, 4096);
		eq(in_calls, DIV_ROUND_UP(in_end, RX_READ));
		eq(event(), 0);
	}

	test("L2-06 stream: whole frames beyond a batch are told of, a part of one is not");
	begin();
	for (unsigned n = 0; n < 2 * TAP_BATCH + 1; n++)
		from_guest(60);
	arrive(in_end - 1);
	for (unsigned n = 0; n < 2; n++) {
		eq(tap_recv(&tap, raw), TAP_BATCH);
		eq(tap.more, !n);
		nseen += TAP_BATCH;
	}
	eq(in_calls, 1);
	arrive(1);
	eq(event(), 1);
}

static void test_random(void)
{
	test("stream, random frames, random splits: the same frames in the same order");
	for (unsigned round = 0; round < 40; round++) {
		size_t most = (size_t[]){ 3, 100, 3000, 70000, 600000 }[round % 5];

		begin();
		while (nsent < 1000 && in_end < sizeof(in) - FRAME_LIMIT - 4 && in_end < most * 3000) {
			long r = random();

			if (r % 100 < 60)
				from_guest((uint32_t)(r / 100 % 200));
			else if (r % 100 < 95)
				from_guest((uint32_t)(r / 100 % 1515));
			else
				from_guest((uint32_t)(r / 100 % (FRAME_LIMIT + 1)));
		}
		while (arrive(1 + (size_t)random() % most)) {
			if (random() % 3)
				ok(event() >= 0);
			ok(nseen <= whole(in_at));
		}
		ok(events() >= 0);
		eq(nseen, nsent);
		eq(event(), 0);
		eq(tap.stats.rx_frames, nsent);
	}
}

static void test_lengths(void)
{
	test("L2-03 stream: frames of 14 bytes to the largest: short ones, long ones, and some of those in between");
	begin();
	for (uint32_t len = ETH_HLEN; len <= FRAME_LIMIT; len += len < 1600 || len > FRAME_LIMIT - 70 ? 1 : 67) {
		if (in_end > sizeof(in) - FRAME_LIMIT - 4 || nsent == FRAMES) {
			arrive(SIZE_MAX);
			ok(events() >= 0);
			eq(nseen, nsent);
			begin();
		}
		from_guest(len);
	}
	arrive(SIZE_MAX);
	ok(events() >= 0);
	eq(nseen, nsent);
	eq(sent[nsent - 1], FRAME_LIMIT);
}

/* A datagram of @len bytes with its headers in the place of what from_guest() appended last */
static void last_is_udp(uint32_t len)
{
	const struct net_hdr n = { .ttl = 64, .src = { addr_from4(htonl(0xc0000201)), 80 },
				   .dst = { addr_from4(htonl(0xc6336402)), 4000 } };
	const struct caps caps = { .mtu = 65535 };
	struct frame f = { .pay = { { in + in_end - len + 42, len - 42 } }, .npay = 1, .len = len - 42 };
	struct iovec iov[1 + FRAME_IOV];

	frame_udp(&f, &n, 0, &caps);
	frame_iov(&f, iov);
	memcpy(in + in_end - len, iov[0].iov_base, 42);
}

static void test_alignment(void)
{
	static struct raw raw[TAP_BATCH];
	static uint8_t seen[64][64];
	unsigned pairs = 0;

	test("L2-03 stream: frames of each length modulo 64 at each address modulo 64 are read and parsed");
	for (uint32_t align = 0; align < 64; align++) {
		for (uint32_t l = 0; l < 64; l++) {
			const uint32_t base[] = { 64, 1472, l < 14 ? 65536 : 65472 };	/* up to 65535 bytes of IP */
			uint32_t len = base[(align + l) % ARRAY_SIZE(base)] + l;
			const struct raw *r = &raw[1];
			struct pkt p;

			begin();
			from_guest(64 + (align + 56) % 64);	/* 4 + this + 4 is align, modulo 64 */
			from_guest(len);
			last_is_udp(len);
			arrive(SIZE_MAX);
			if (!eq(tap_recv(&tap, raw), 2))
				return;
			eq(r->len, len);
			seen[(uintptr_t)r->iov->iov_base % 64][r->len % 64]++;
			eq(pkt_parse(r, &p), DROP_NONE);
			eq(p.data.len, len - 42);
			eq(p.dst.port, 4000);
			ok(!memcmp((const uint8_t *)r->iov->iov_base + 42, bytes_of(1) + 42, len - 42));
		}
	}
	for (unsigned i = 0; i < 64 * 64; i++)
		pairs += seen[i / 64][i % 64] > 0;
	eq(pairs, 64 * 64);
}

static void test_short(void)
{
	static struct raw raw[TAP_BATCH];
	struct pkt p;

	test("stream: frames without a whole Ethernet header are passed up, and dropped there");
	begin();
	for (uint32_t len = 0; len < ETH_HLEN; len++)
		from_guest(len);
	from_guest(60);
	arrive(SIZE_MAX);
	eq(tap_recv(&tap, raw), ETH_HLEN + 1);
	for (unsigned i = 0; i < ETH_HLEN; i++) {
		eq(raw[i].len, i);
		eq(pkt_parse(&raw[i], &p), DROP_FRAME);
	}
	eq(raw[ETH_HLEN].len, 60);
}

static void test_absurd(void)
{
	static const uint32_t len[] = { 65554, 65555, 70000, 1 << 17, 0x1000000, INT32_MAX, 0x80000000,
					UINT32_MAX - 4, UINT32_MAX - 3, UINT32_MAX };
	static const unsigned before[] = { 0, 1, 7, TAP_BATCH - 1, TAP_BATCH, TAP_BATCH + 1, 2 * TAP_BATCH };

	eq(FRAME_LIMIT, 65553);
	for (unsigned i = 0; i < ARRAY_SIZE(len); i++) {
		test("stream: a length of %u ends it, but not the frames before", len[i]);
		for (unsigned j = 0; j < ARRAY_SIZE(before); j++) {
			begin();
			for (unsigned n = 0; n < before[j]; n++)
				from_guest(60);
			put_be32(in + in_end, len[i]);
			in_end += 4;
			arrive(in_end - 1);
			ok(event() >= 0);		/* three bytes of it say nothing yet */
			eq(nseen, before[j]);
			arrive(1);
			eq(event(), -EPROTO);
			eq(event(), -EPROTO);
			eq(nseen, before[j]);

			in_at = in_len = nseen = 0;	/* the same at once, with bytes behind it */
			tap_sock_attach(&tap, PLAYED, -1);
			in_end += 100;
			arrive(SIZE_MAX);
			eq(event(), -EPROTO);
			eq(nseen, before[j]);
		}
	}
}

static void test_end(void)
{
	static const int errors[] = { ECONNRESET, ENOMEM, EIO, ENOTCONN };

	test("stream: its end, after whole frames, in a length, in a frame: frames, then an error");
	for (size_t k = 0; k <= 4 + 60 + 4 + 33; k++) {
		begin();
		from_guest(60);
		from_guest(33);
		arrive(k);
		in_eof = true;
		for (unsigned i = 0; i < 2 && in_at < in_len; i++)
			ok(event() >= 0);
		eq(nseen, whole(k));
		eq(event(), -ECONNRESET);
		eq(event(), -ECONNRESET);
		eq(nseen, whole(k));
	}

	test("stream: a new guest begins with an empty buffer, whatever the last one left");
	for (size_t k = 1; k < 4 + 60; k++) {
		begin();
		from_guest(60);
		arrive(k);
		eq(event(), 0);
		begin();
		from_guest(99);
		arrive(SIZE_MAX);
		eq(event(), 1);
	}

	test("stream: errors of recv(), interruptions");
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++) {
		begin();
		in_error = errors[i];
		eq(event(), -errors[i]);
	}
	begin();
	from_guest(60);
	arrive(SIZE_MAX);
	in_eintr = 3;
	eq(event(), 1);
	in_eintr = 1;
	eq(event(), 0);
}

/* Commits a frame of @len bytes, in a slot that is full of ones; false if there is no slot */
static bool to_guest(size_t len)
{
	static const struct mac mac = { { 2, 3, 4, 5, 6, 7 } };
	size_t padded_len = MAX(len, 60);
	uint8_t *w = want + want_len + 4;
	struct frame *f;

	if (!tap_reserve(&tap, &f, 1, MAX(len - ETH_HLEN, 100), TAP_ANY))
		return false;
	if (want_len + 4 + padded_len > sizeof(want))
		abort();
	memset(f->pay[0].iov_base, 0xff, 100);
	memcpy(f->pay[0].iov_base, bytes_of(ncommitted), len - ETH_HLEN);
	f->len = len - ETH_HLEN;
	frame_eth(f, &mac, &mac, 0x88b5);

	put_be32(w - 4, (uint32_t)padded_len);
	memcpy(w, &mac, 6);
	memcpy(w + 6, &mac, 6);
	put_be16(w + 12, 0x88b5);
	memcpy(w + ETH_HLEN, bytes_of(ncommitted), len - ETH_HLEN);
	memset(w + len, 0, padded_len - len);
	want_len += 4 + padded_len;
	ncommitted++;
	tap_commit(&tap, f);
	return true;
}

static void arrived(void)
{
	eq(out_len, want_len);
	eq_mem(out, want, MIN(out_len, want_len));
	eq(tap.nfree, TAP_SLOTS);
	eq(tap.qlen, 0);
	eq(tap.qbytes, 0);
	eq(tap.held, 0);
}

static void test_runts(void)
{
	test("L2-02 to the guest: frames of less than 60 bytes are padded with zeros, others are as they were");
	for (size_t len = ETH_HLEN; len <= 70; len++) {
		begin();
		ok(to_guest(len));
		eq(tap_flush(&tap), 0);
		eq(get_be32(out), MAX(len, 60));
		arrived();
	}
	begin();
	for (size_t len = ETH_HLEN; len <= 70; len++)
		ok(to_guest(len));
	eq(tap_flush(&tap), 0);
	arrived();

	test("to the guest: as many as there are slots, all padded, in one call");
	begin();
	for (unsigned i = 0; i < TAP_SLOTS; i++)
		ok(to_guest(20));
	eq(tap_flush(&tap), 0);
	arrived();
}

/* Bytes of the oldest frame that are among the first @n */
static size_t part(size_t n)
{
	while (n >= 4 && n >= 4 + get_be32(want + out_len - n))
		n -= 4 + get_be32(want + out_len - n);
	return n;
}

static void four(void)
{
	begin();
	ok(to_guest(14) && to_guest(61) && to_guest(60) && to_guest(75));
}

static void test_cuts(void)
{
	size_t total;

	test("L2-07 to the guest: cut short at every byte: the rest comes first, exactly");
	four();
	total = want_len;
	for (size_t k = 0; k < total; k++) {
		four();
		out_quota = k;
		eq(tap_flush(&tap), -EAGAIN);
		ok(tap.full);
		eq(out_len, k);
		eq(tap.held, part(k));
		ok(to_guest(33));
		out_quota = SIZE_MAX;
		eq(tap_flush(&tap), 0);
		ok(!tap.full);
		arrived();
	}

	test("L2-07 to the guest: cut short at any two places");
	for (size_t k = 0; k < total; k++) {
		for (size_t l = 1; l < total - k; l++) {
			four();
			out_quota = k;
			tap_flush(&tap);
			out_quota = l;
			tap_flush(&tap);
			eq(out_len, k + l);
			out_quota = SIZE_MAX;
			eq(tap_flush(&tap), 0);
			arrived();
		}
	}

	test("L2-07 to the guest: some bytes at a time, with more frames coming all the time");
	for (size_t n = 1; n < 400; n++) {
		begin();
		for (unsigned i = 0; i < 100; i++) {
			to_guest(14 + i * n % 300);
			out_quota = n;
			tap_flush(&tap);
		}
		out_quota = n;
		while (tap_flush(&tap) == -EAGAIN) {
			ok(tap.full);
			out_quota = n;
		}
		arrived();
	}
}

static void test_full(void)
{
	static const int waits[] = { EAGAIN, ENOBUFS, ENOMEM }, lost[] = { EPIPE, ECONNRESET, ENOTCONN };
	unsigned n = 0;

	test("to the guest: the socket takes nothing: slots run out, nothing is lost");
	begin();
	out_quota = 0;
	while (to_guest(100))
		n++;
	eq(n, TAP_SLOTS);
	ok(tap.full);
	out_quota = 1000;
	eq(tap_flush(&tap), -EAGAIN);
	eq(tap.nfree, 1000 / 104);
	eq(tap.held, 1000 % 104);
	out_quota = SIZE_MAX;
	eq(tap_flush(&tap), 0);
	arrived();

	test("to the guest: a queue of %u bytes is written at once; if it can't be, no more frames are taken",
	     TAP_QUEUE);
	begin();
	for (n = 0; !out_len && n < TAP_SLOTS; n++)
		ok(to_guest(9014));
	eq(n, DIV_ROUND_UP(TAP_QUEUE, 4 + 9014));
	arrived();
	begin();
	out_quota = 0;
	for (n = 0; to_guest(9014); n++)
		;
	eq(n, DIV_ROUND_UP(TAP_QUEUE, 4 + 9014));
	ok(tap.full);
	out_quota = 3 * (4 + 9014);
	eq(tap_flush(&tap), -EAGAIN);
	for (; to_guest(9014); n++)
		;
	eq(n, DIV_ROUND_UP(TAP_QUEUE, 4 + 9014) + 3);
	out_quota = SIZE_MAX;
	eq(tap_flush(&tap), 0);
	arrived();

	test("to the guest: errors of sendmsg(), interruptions");
	for (unsigned i = 0; i < ARRAY_SIZE(waits); i++) {
		four();
		out_error = waits[i];
		eq(tap_flush(&tap), -EAGAIN);
		ok(tap.full);
		eq(tap.starved, waits[i] != EAGAIN);
		out_error = 0;
		eq(tap_flush(&tap), 0);
		arrived();
	}
	for (unsigned i = 0; i < ARRAY_SIZE(lost); i++) {
		four();
		out_error = lost[i];
		eq(tap_flush(&tap), -lost[i]);
	}
	four();
	out_eintr = 3;
	eq(tap_flush(&tap), 0);
	arrived();

	test("to the guest: a new one gets whole frames, whatever was cut for the last");
	for (size_t k = 1; k < 64; k++) {
		four();
		out_quota = k;
		eq(tap_flush(&tap), -EAGAIN);
		tap_reset(&tap);
		eq(tap.nfree, TAP_SLOTS);
		out_len = want_len = 0;
		out_quota = SIZE_MAX;
		ok(to_guest(44));
		eq(tap_flush(&tap), 0);
		arrived();
	}
}

/* Real sockets: @pair[0] is the link's, and blocks for whoever lets it; the guest's end does not */
static int pair[2];

static void begin_real(int sndbuf)
{
	begin();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	tap_sock_attach(&tap, pair[0], -1);
	if (sndbuf)
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
}

static void end_real(void)
{
	close(pair[0]);
	close(pair[1]);
}

/* The guest reads up to @n bytes; returns how many there were */
static size_t guest_reads(size_t n)
{
	ssize_t rc = __real_recv(pair[1], out + out_len, MIN(n, sizeof(out) - out_len), MSG_DONTWAIT);

	ok(rc > 0 || errno == EAGAIN);
	out_len += rc > 0 ? (size_t)rc : 0;
	return rc > 0 ? (size_t)rc : 0;
}

static void test_real_short(void)
{
	static const size_t step[] = { 1, 2, 3, 5, 7, 13, 59, 60, 61, 63, 64, 65, 199, 1000, 2239, 2240, 2241,
				       4095, 4096, 4097, 20000, 65535, 65536, 65537, 500000 };
	static const size_t len[] = { 60, 9014, 14, 1514, 30000, 59, 61, 65549, 33, 1514, 1514, 40, 7000 };

	for (unsigned s = 0; s < 2; s++) {
		unsigned cut = 0;

		test("L2-07 a socket with %s buffer, the guest reads n bytes at a time",
		     s ? "the largest" : "the smallest");
		for (unsigned i = 0; i < ARRAY_SIZE(step); i++) {
			size_t idle = 0, most = MIN(sizeof(want) - 70000, 4000 + step[i] * 3000);
			unsigned at = i;

			begin_real(s ? 0 : 1);
			while (idle < 3) {
				while (want_len < most && to_guest(len[at % ARRAY_SIZE(len)]))
					at++;
				tap_flush(&tap);
				cut += tap.held > 0;
				idle = guest_reads(step[i]) ? 0 : idle + 1;
			}
			arrived();
			end_real();
		}
		ok(s || cut > 100);
	}
}

static void test_real_both(void)
{
	test("a socket, both directions at random");
	for (unsigned round = 0; round < 20; round++) {
		unsigned idle = 0;

		begin_real(round % 2 ? 1 : 0);
		while (nsent < 500 && in_end < 600000)
			from_guest((uint32_t)(random() % (random() % 20 ? 2000 : FRAME_LIMIT + 1)));
		while (idle < 100) {
			size_t before = out_len + in_len + nseen, n = 1 + (size_t)random() % 5000;
			ssize_t rc = send(pair[1], in + in_len, MIN(n, in_end - in_len), MSG_DONTWAIT);

			in_len += rc > 0 ? (size_t)rc : 0;
			if (random() % 2)
				ok(event() >= 0);
			if (random() % 2 && want_len < 600000)
				to_guest(14 + (size_t)random() % (random() % 20 ? 2000 : 65536));
			if (random() % 4 == 0)
				tap_flush(&tap);
			if (random() % 2)
				guest_reads(1 + (size_t)random() % 8000);
			idle = before == out_len + in_len + nseen ? idle + 1 : 0;
		}
		eq(in_len, in_end);
		eq(nseen, nsent);
		arrived();
		end_real();
	}
}

static void test_real_gone(void)
{
	test("a socket whose guest is gone: errors, no signal");
	begin_real(0);
	ok(to_guest(100));
	close(pair[1]);
	eq(tap_flush(&tap), -EPIPE);
	eq(event(), -ECONNRESET);
	close(pair[0]);

	test("a socket whose guest is gone, and left bytes unread");
	begin_real(0);
	ok(to_guest(100));
	eq(tap_flush(&tap), 0);
	close(pair[1]);
	ok(to_guest(100));
	ok(tap_flush(&tap) == -EPIPE || tap_flush(&tap) == -ECONNRESET);
	eq(event(), -ECONNRESET);
	close(pair[0]);

	test("a socket whose guest will send no more, after frames");
	begin_real(0);
	from_guest(60);
	from_guest(61);
	eq(write(pair[1], in, in_end), in_end);
	shutdown(pair[1], SHUT_WR);
	eq(event(), 2);
	eq(event(), -ECONNRESET);
	end_real();
}

int main(void)
{
	srandom(1514);
	alarm(300);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 8) * 13);
	test_bytes();
	test_splits();
	test_at_once();
	test_front();
	test_many();
	test_random();
	test_lengths();
	test_alignment();
	test_short();
	test_absurd();
	test_end();
	test_runts();
	test_cuts();
	test_full();
	test_real_short();
	test_real_both();
	test_real_gone();
	return done();
}
