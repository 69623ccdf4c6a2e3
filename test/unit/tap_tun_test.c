/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_tun_test.c - frames read from a tap device always find room: read() is played, so that they come as fast as they can */
/* LINK: addr.o checksum.o log.o packet.o pcap.o tap.o util.o */
/* LDFLAGS: -Wl,--wrap=read */
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
	}
	return done();
}
