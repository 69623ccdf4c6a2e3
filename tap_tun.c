/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_tun.c - link backend: a tap device, with super-packets and partial checksums where the kernel has them
 *
 * The header in front of each frame is that of virtio_net (virtio 1.2, 5.1.6), as tun/tap takes and gives it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "tap.h"
#include "tap_vnet.h"

/* Linux 6.2; older headers don't have them */
#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

/* Largest frame with its header: 65535 bytes of IP. A batch ends when there is no room for another one, after four of
 * these: frames are sent while they are still in the cache, and later ones don't wait for long.
 */
#define TUN_FRAME_MAX	(sizeof(struct virtio_net_hdr_v1) + ETH_HLEN + 65535)
#define TUN_RX_SIZE	(264 << 10)

static uint8_t tun_rx[TUN_RX_SIZE] __attribute__((aligned(4096)));
static struct iovec tun_rx_iov[TAP_BATCH];

static int tun_recv(struct tap *t, struct raw *raw, unsigned max)
{
	unsigned hdr = t->caps.link_hdr, n = 0;
	size_t at = 0;

	while (n < max && TUN_RX_SIZE - at >= TUN_FRAME_MAX) {
		ssize_t len = read(t->fd, tun_rx + at, TUN_FRAME_MAX);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0) {
			if (errno == EAGAIN || n)
				break;
			return -errno;
		}
		if ((size_t)len <= hdr)			/* never from a tap device */
			break;

		tun_rx_iov[n] = (struct iovec){ tun_rx + at + hdr, (size_t)len - hdr };
		raw[n] = (struct raw){ .iov = &tun_rx_iov[n], .cnt = 1, .len = (size_t)len - hdr };
		if (hdr)
			raw[n].off = vnet_offload(tun_rx + at);
		at += ROUND_UP((size_t)len, 64);
		n++;
	}
	return (int)n;
}

static void tun_commit(struct tap *t, struct frame *f)
{
	const struct virtio_net_hdr_v1 h = vnet_hdr(f, 1);

	if (!t->caps.link_hdr)
		return;
	f->hoff = (uint8_t)(f->hoff - t->caps.link_hdr);
	f->hlen = (uint8_t)(f->hlen + t->caps.link_hdr);
	memcpy(f->hdr + f->hoff, &h, t->caps.link_hdr);
}

static int tun_flush(struct tap *t)
{
	while (t->qlen) {
		const struct frame *f = tap_queued(t, 0);
		struct iovec iov[1 + FRAME_IOV];
		unsigned n = frame_iov(f, iov);

		if (writev(t->fd, iov, (int)n) < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN)
				return -EAGAIN;
			if (errno == EBADFD || errno == EBADF || errno == EPIPE)
				return -errno;
			/* The device is down (EIO), or there is no memory: the frame is lost, as on an unplugged cable.
			 * Memory in small pieces still has room for one of 64 KiB.
			 */
			if (errno != EIO && f->hlen + f->len > TUN_FRAME_MAX)
				t->caps.tso4 = t->caps.tso6 = IP_MAX;
			t->stats.tx_lost++;
			log_limited(LOG_DEBUG, "Frame of %zu bytes refused by tap device: %s", f->len,
				    errno_text(errno));
		}
		tap_queue_pop(t);
	}
	return 0;
}

static const struct tap_ops tun_ops = {
	.name	= "tap",
	.eager	= true,
	.recv	= tun_recv,
	.commit	= tun_commit,
	.flush	= tun_flush,
};

/* Offloads, all at first, then fewer: the kernel refuses a set with an unknown one */
static void tun_offloads(int fd, struct caps *caps)
{
	static const struct {
		unsigned flags;
		bool tso, uso;
	} try[] = {
		{ TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6, true, true },
		{ TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN, true, false },
		{ TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, true, false },
		{ TUN_F_CSUM, false, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(try); i++) {
		if (ioctl(fd, TUNSETOFFLOAD, try[i].flags))
			continue;
		caps->csum = true;
		caps->tso4 = caps->tso6 = try[i].tso ? IP_MAX : 0;
		caps->uso = try[i].uso;
		return;
	}
}

/* Name and capabilities of the device that @ifr describes */
static void tun_features(int fd, const struct ifreq *ifr, char *ifname, struct caps *caps)
{
	int len = sizeof(struct virtio_net_hdr_v1);

	*caps = (struct caps){ .mtu = 65535 };
	memcpy(ifname, ifr->ifr_name, IFNAMSIZ);
	if (ifr->ifr_flags & IFF_VNET_HDR) {
		if (ioctl(fd, TUNSETVNETHDRSZ, &len))
			len = sizeof(struct virtio_net_hdr);
		caps->link_hdr = (uint8_t)len;
		tun_offloads(fd, caps);
	}
	trace("tap device %s: virtio_net header of %u bytes, checksum offload %s, TCP segmentation %s, "
	      "UDP segmentation %s",
	      ifname, caps->link_hdr, caps->csum ? "on" : "off", caps->tso4 ? "on" : "off", caps->uso ? "on" : "off");
}

int tun_create(int fd, char *ifname, struct caps *caps)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
		if (errno != EINVAL || ioctl(fd, TUNSETIFF, &ifr))
			return -errno;
	}
	tun_features(fd, &ifr, ifname, caps);
	return 0;
}

int tun_adopt(int fd, char *ifname, struct caps *caps)
{
	struct ifreq ifr = { 0 };
	int flags = fcntl(fd, F_GETFL);

	/* musl's request is an int; the kernel takes 32 bits of it */
	if (ioctl(fd, (int)TUNGETIFF, &ifr))
		return errno == ENOTTY ? -EBADFD : -errno;
	if ((ifr.ifr_flags & (IFF_TAP | IFF_NO_PI)) != (IFF_TAP | IFF_NO_PI))
		return -EPROTOTYPE;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -errno;
	tun_features(fd, &ifr, ifname, caps);
	return fd;
}

void tun_mac(int fd, struct mac *m)
{
	struct ifreq ifr = { 0 };

	if (!ioctl(fd, SIOCGIFHWADDR, &ifr))
		memcpy(m->b, ifr.ifr_hwaddr.sa_data, sizeof(m->b));
}

/* A device that is down takes no frame (EIO), but the kernel checks that only once it has memory for the frame */
bool tun_takes(int fd, size_t len)
{
	static const uint8_t zero[4096];
	struct iovec iov[TAP_ROOM / sizeof(zero) + 1];
	unsigned n = 0;

	for (; len && n < ARRAY_SIZE(iov); n++) {
		iov[n] = (struct iovec){ (void *)(uintptr_t)zero, MIN(len, sizeof(zero)) };
		len -= iov[n].iov_len;
	}
	return !len && writev(fd, iov, (int)n) < 0 && errno == EIO;
}

void tun_attach(struct tap *t, int fd, const struct caps *caps, int pcap)
{
	tap_init(t, &tun_ops, fd, caps, pcap);
}
