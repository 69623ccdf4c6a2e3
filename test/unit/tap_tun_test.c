/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_tun_test.c - frames read from a tap device always find room, and what it refuses is lost and told; read() and
 * writev() are played
 */
/* LDFLAGS: -Wl,--wrap=read,--wrap=writev */
#include "../../tap_tun.c"
#include "../t.h"

static size_t now_comes[2 * TAP_BATCH];		/* frames the device holds, with the link's header; 0: none left */
static unsigned next, short_of_room;

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);

/* As the kernel does: what does not fit into @size is lost */
ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	size_t len = now_comes[next];

	if (fd != -2)
		return __real_read(fd, buf, size);
	if (!len) {
		errno = EAGAIN;
		return -1;
	}
	short_of_room += size < TUN_FRAME_MAX || (uint8_t *)buf + size > tun_rx + sizeof(tun_rx);
	len = MIN(len, size);
	memset(buf, (int)++next, len);
	return (ssize_t)len;
}

static struct tap tap;

/* @small frames of @len bytes, then only the largest there are, until all were read: each of them is whole */
static void read_all(unsigned small, size_t len, unsigned hdr)
{
	const struct caps caps = { .mtu = 65535, .link_hdr = (uint8_t)hdr };
	const size_t largest = hdr + ETH_HLEN + 65535;
	static struct raw raw[TAP_BATCH];
	unsigned total = small + 20, n = 0, bad = 0;
	int rc;

	tun_attach(&tap, -2, &caps, -1);
	tap.burst = TAP_BATCH;
	memset(now_comes, 0, sizeof(now_comes));
	for (unsigned i = 0; i < total; i++)
		now_comes[i] = i < small ? len : largest;
	next = short_of_room = 0;
	while (n < total && (rc = tap_recv(&tap, raw)) > 0) {
		for (int i = 0; i < rc; i++, n++) {
			const uint8_t *p = raw[i].iov->iov_base;
			size_t want = now_comes[n] - hdr;

			bad += raw[i].len != want || raw[i].iov->iov_len != want || p[0] != (uint8_t)(n + 1) ||
			       p[want - 1] != (uint8_t)(n + 1);
		}
		tap_recv_done(&tap);
		tap.burst = TAP_BATCH;
	}
	eq(n, total);
	eq(bad, 0);
	eq(short_of_room, 0);
}

#define DEVICE		1000		/* descriptor that is written to, of nothing */

/* The device takes up to @most bytes, then it says @error */
static struct {
	size_t	most;
	int	error;
	unsigned calls;
	size_t	len;		/* of the last frame, whether taken or not, and its start */
	uint8_t	head[128];
} device;

ssize_t __real_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
	if (fd != DEVICE)
		return __real_writev(fd, iov, n);
	device.calls++;
	device.len = 0;
	for (int i = 0; i < n; i++) {
		if (device.len < sizeof(device.head))
			memcpy(device.head + device.len, iov[i].iov_base,
			       MIN(iov[i].iov_len, sizeof(device.head) - device.len));
		device.len += iov[i].iov_len;
	}
	if (device.len <= device.most)
		return (ssize_t)device.len;
	errno = device.error;
	return -1;
}

#define TSO	.mtu = 65535, .csum = true, .tso4 = TAP_SUPER, .tso6 = TAP_SUPER

static void begin(unsigned hdr, size_t most, int error)
{
	const struct caps caps = { .link_hdr = (uint8_t)hdr, TSO };

	memset(&device, 0, sizeof(device));
	device.most = most;
	device.error = error;
	tun_attach(&tap, DEVICE, &caps, -1);
}

static void put(bool v4, size_t len)
{
	struct net_hdr n = { .src = { v4 ? addr_loopback4 : addr_loopback6, 80 }, .ttl = 64 };
	struct tcp_seg s = { .flags = TCP_ACK, .wscale = TCP_WSCALE_NONE };
	struct frame *f;

	n.dst = n.src;
	if (!ok(tap_reserve_exact(&tap, &f, 1, len, net_hdr_len(true, TCP_HLEN)) == 1))
		return;
	f->len = len;
	frame_tcp(f, &n, &s, 1400, &tap.caps);
	tap_commit(&tap, f);
}

static void test_header(unsigned hdr)
{
	static const size_t row[] = { 1400, 1401, 65535 - 60, 65536, TAP_SUPER - 68 };

	test("header of %u bytes in front of a super-packet, of any size", hdr);
	begin(hdr, SIZE_MAX, 0);
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(row); i++) {
		bool v4 = i & 1;
		size_t len = row[i / 2];
		unsigned ip = v4 ? 20 : 20 + len > 65535 ? 48 : 40;
		struct virtio_net_hdr_v1 h;

		put(v4, len);
		memcpy(&h, device.head, hdr);
		eq(device.len, hdr + ETH_HLEN + ip + 20 + len);
		eq(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		eq(h.csum_start, ETH_HLEN + ip);
		eq(h.csum_offset, 16);
		eq(h.gso_type, len == 1400 ? VIRTIO_NET_HDR_GSO_NONE :
			       v4	   ? VIRTIO_NET_HDR_GSO_TCPV4 :
					     VIRTIO_NET_HDR_GSO_TCPV6);
		eq(h.gso_size, len == 1400 ? 0 : 1400);
		eq(h.hdr_len, len == 1400 ? 0 : ETH_HLEN + ip + 20);
		eq(device.head[hdr + ETH_HLEN] >> 4, v4 ? 4 : 6);
	}
	eq(tap.stats.tx_lost, 0);
	eq(tap.caps.tso4, TAP_SUPER);
	eq(tap.caps.tso6, TAP_SUPER);
}

static void test_refused(void)
{
	static const struct {
		const char *name;
		size_t len, most;
		int error;
		bool lost, smaller;
	} row[] = {
		{ "a large frame is taken", 200000, SIZE_MAX, 0, false, false },
		{ "no memory for a large frame", 200000, 70000, ENOBUFS, true, true },
		{ "no memory for a large frame, said otherwise", 200000, 70000, ENOMEM, true, true },
		{ "a kernel that has no such frames", 200000, 70000, EMSGSIZE, true, true },
		{ "no memory for one just above 64 KiB", 65536, 65535, ENOBUFS, true, true },
		{ "no memory for one of 64 KiB", 65535 - 60, 10000, ENOBUFS, true, false },
		{ "no memory for a small one", 1000, 100, ENOBUFS, true, false },
		{ "the device is down", 200000, 0, EIO, true, false },
		{ "the device is full", 200000, 0, EAGAIN, false, false },
	};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(row); i++) {
		bool v4 = i & 1;
		size_t r = i / 2;

		test("super-packet over IPv%u: %s", v4 ? 4 : 6, row[r].name);
		begin(12, row[r].most, row[r].error);
		put(v4, row[r].len);
		eq(device.calls, 1);
		eq(tap.stats.tx_lost, row[r].lost);
		eq(tap.caps.tso4, row[r].smaller ? 65535 : TAP_SUPER);
		eq(tap.caps.tso6, row[r].smaller ? 65535 : TAP_SUPER);
		eq(tap.full, row[r].error == EAGAIN);
		eq(tap.qlen, row[r].error == EAGAIN);
		eq(tap.nfree, TAP_SLOTS - (row[r].error == EAGAIN));
	}
}

static void test_takes(void)
{
	static const struct {
		const char *name;
		size_t len, most;
		int error;
		unsigned calls;
		bool takes;
	} row[] = {
		{ "down, and there was memory", TAP_ROOM + HDR_MAX, 0, EIO, 1, true },
		{ "a short frame", 60, 0, EIO, 1, true },
		{ "no memory", TAP_ROOM, 0, ENOBUFS, 1, false },
		{ "a kernel that has no such frames", TAP_ROOM, 0, EMSGSIZE, 1, false },
		{ "up", TAP_ROOM, SIZE_MAX, 0, 1, false },
		{ "more than any frame", TAP_ROOM + 4097, 0, EIO, 0, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		test("does a device take it: %s", row[i].name);
		begin(12, row[i].most, row[i].error);
		eq(tun_takes(DEVICE, row[i].len), row[i].takes);
		eq(device.calls, row[i].calls);
		eq(device.len, row[i].calls ? row[i].len : 0);
	}
}

int main(void)
{
	static const unsigned hdr[] = { 0, sizeof(struct virtio_net_hdr), sizeof(struct virtio_net_hdr_v1) };

	for (unsigned i = 0; i < ARRAY_SIZE(hdr); i++) {
		test("L2-08 header of %u bytes: the largest frame finds room, however full the batch is", hdr[i]);
		for (unsigned small = 0; small <= TAP_BATCH; small++)
			read_all(small, 60, hdr[i]);
		for (size_t len = 1500; len <= 65500; len += 1601)
			for (unsigned small = 1; small < 400 && small * len < TUN_RX_SIZE + 65536; small++)
				read_all(small, len, hdr[i]);
		if (hdr[i])
			test_header(hdr[i]);
	}
	test_refused();
	test_takes();
	return done();
}
