/* SPDX-License-Identifier: GPL-2.0-or-later */
/* big_tcp.c - a tap device takes TCP super-packets that are longer than IP's length fields can say: over IPv4 with
 * length 0, over IPv6 as jumbograms (RFC 2675), if the kernel has "BIG TCP" (Linux 6.3, 5.19 with IPv6) and memory for
 * such frames (6.6)
 *
 * What the kernel has is asked as ns_net.c does it: can the device announce such packets, and is there memory? A
 * segment without ACK is answered with RST, which acknowledges all of it (RFC 9293 3.10.7.1): so it tells how much the
 * kernel saw.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../netlink.h"
#include "../../test/t.h"

#define LARGE	262000
#define HLEN	(12 + 14)		/* virtio_net, Ethernet */

static int tap;
static struct ifreq ifr = { .ifr_name = "big0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

static bool device(void)
{
	int len = sizeof(struct virtio_net_hdr_v1);

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return tap >= 0 && !ioctl(tap, TUNSETIFF, &ifr) && !ioctl(tap, TUNSETVNETHDRSZ, &len) &&
	       !ioctl(tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
}

/* Up, with addresses 192.0.2.1 and fd00::1; without ARP and DAD, so that replies come at once */
static bool up(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) };
	struct in6_ifreq r6 = { .ifr6_prefixlen = 64, .ifr6_addr.s6_addr = { 0xfd, [15] = 1 } };
	int s4 = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0);
	bool good;

	r6.ifr6_ifindex = (int)if_nametoindex("big0");
	memcpy(&ifr.ifr_addr, &sa, sizeof(sa));
	good = !ioctl(s4, SIOCSIFADDR, &ifr);
	ifr.ifr_flags = IFF_UP | IFF_NOARP;
	good = good && !ioctl(s4, SIOCSIFFLAGS, &ifr) && !ioctl(s6, SIOCSIFADDR, &r6);
	close(s4);
	close(s6);
	return good;
}

/* Headers of a TCP segment to port 9 with @len bytes, @super: as a super-packet; returns their length */
static size_t headers(uint8_t *p, bool v4, uint32_t len, bool super)
{
	uint32_t ext = !v4 && len > 65535 ? 8 : 0, ip = v4 ? 20 : 40 + ext, sum = 0, all = 20 + len + (v4 ? 20 : ext);
	struct virtio_net_hdr_v1 h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = (uint16_t)(14 + ip), .csum_offset = 16,
		.gso_type = !super ? VIRTIO_NET_HDR_GSO_NONE : v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
		.gso_size = super ? 1000 : 0, .hdr_len = (uint16_t)(14 + ip + 20),
	};
	uint8_t *n = p + HLEN, *t = n + ip;

	memset(p, 0, HLEN + ip + 20);
	memcpy(p, &h, sizeof(h));
	ioctl(tap, SIOCGIFHWADDR, &ifr);
	memcpy(p + 12, ifr.ifr_hwaddr.sa_data, 6);
	put_be16(p + 24, v4 ? 0x0800 : 0x86dd);
	if (v4) {
		memcpy(n,
		       (uint8_t[]){ 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, IPPROTO_TCP, 0, 0, 192, 0, 2, 2, 192, 0, 2, 1 },
		       20);
		put_be16(n + 2, all > 65535 ? 0 : (uint16_t)all);
		for (unsigned i = 0; i < 20; i += 2)
			sum += get_be16(n + i);
		put_be16(n + 10, (uint16_t)~((sum & 0xffff) + (sum >> 16)));
	} else {
		n[0] = 0x60;
		put_be16(n + 4, ext ? 0 : (uint16_t)all);
		n[6] = ext ? IPPROTO_HOPOPTS : IPPROTO_TCP;
		n[7] = 64;
		n[8] = n[24] = 0xfd;
		n[23] = 2;
		n[39] = 1;
		if (ext) {
			memcpy(n + 40, (uint8_t[]){ IPPROTO_TCP, 0, 0xc2, 4 }, 4);
			put_be32(n + 44, all);
		}
	}
	put_be16(t, 1000);
	put_be16(t + 2, 9);
	put_be32(t + 4, 5000);			/* sequence number; no flags */
	t[12] = 5 << 4;
	return HLEN + ip + 20;
}

/* Bytes that the kernel's RST acknowledges; 0: none came within @ms */
static uint32_t answered(int ms)
{
	struct pollfd p = { .fd = tap, .events = POLLIN };
	uint8_t b[2000];

	while (poll(&p, 1, ms) > 0) {
		ssize_t n = read(tap, b, sizeof(b));
		const uint8_t *ip = b + HLEN;
		bool v4 = ip[0] >> 4 == 4;

		if (n >= HLEN + 40 && (v4 ? ip[9] : ip[6]) == IPPROTO_TCP)
			return get_be32(ip + (v4 ? 20 : 40) + 8) - 5000;
	}
	return 0;
}

/* The address takes a moment to be usable */
static bool ready6(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t h[128 + 1] = { 0 };
		size_t len = headers(h, false, 1, false) + 1;

		if (write(tap, h, len) != (ssize_t)len)
			return false;
		if (answered(10) == 1)
			return true;
	}
	return false;
}

static uint32_t seen(bool v4, uint32_t len, bool super)
{
	static uint8_t payload[LARGE];
	uint8_t h[128];
	struct iovec iov[2] = { { h, headers(h, v4, len, super) }, { payload, len } };

	eq(writev(tap, iov, 2), iov[0].iov_len + len);
	if (super)
		return answered(10000);
	/* What is dropped has no answer: one behind it has */
	len = answered(0);
	iov[0].iov_len = headers(h, v4, 1, false);
	iov[1].iov_len = 1;
	eq(writev(tap, iov, 2), iov[0].iov_len + 1);
	eq(answered(10000), 1);
	return len;
}

int main(void)
{
	static uint8_t zero[262144];
	struct nl_ifinfo info;
	bool memory, has4, has6;
	struct nl nl;

	test("a tap device");
	ok(device());
	test("a device that is down refuses a frame, EIO, only once there is memory for it");
	ok(write(tap, zero, 1000) < 0 && errno == EIO);
	memory = write(tap, zero, sizeof(zero)) < 0 && errno == EIO;
	ok(memory || errno == EMSGSIZE || errno == ENOBUFS);

	test("it announces larger packets, or the kernel doesn't know of them");
	nl_open(&nl, NETLINK_ROUTE);
	ok(!nl_link_get(&nl, 0, "big0", &info) && info.mtu == 1500 && info.gro4 <= 65536 &&
	   info.gro6 <= 65536);
	nl_link_gro(&nl, if_nametoindex("big0"), sizeof(zero));
	ok(!nl_link_get(&nl, 0, "big0", &info));
	has4 = memory && info.gro4 == sizeof(zero);
	has6 = memory && info.gro6 == sizeof(zero);
	nl_close(&nl);
	printf("# super-packets above 64 KiB: memory %d, IPv4 %d, IPv6 %d\n", memory, has4, has6);

	test("up to 64 KiB, super-packets have a length");
	ok(up() && ready6());
	while (answered(0))		/* to those that were sent early */
		;
	eq(seen(true, 60000, true), 60000);
	eq(seen(false, 60000, true), 60000);
	if (has4) {
		test("IPv4: above, none, and all of it is seen");
		eq(seen(true, LARGE, true), LARGE);
		eq(seen(true, 65536 - 40, true), 65536 - 40);
		test("IPv4: length 0 is nothing but a super-packet's");
		eq(seen(true, 65536 - 40, false), 0);
	}
	if (has6) {
		test("IPv6: above, a jumbogram");
		eq(seen(false, LARGE, true), LARGE);
		eq(seen(false, 65536, true), 65536);
	}
	return done();
}
