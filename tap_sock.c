/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_sock.c - link backend: a stream socket to a virtual machine, as qemu's "-netdev stream" speaks it
 *
 * Each frame is preceded by its length, 4 bytes in network order. No offloads: frames are as on a cable, with
 * checksums, and at least 60 bytes long towards the guest, as some drivers need.
 *
 * From the guest: one recv(); frames are cut in place, and an incomplete one at the end waits for the next call. To the
 * guest: one sendmsg() for the queue. A frame cut short by a full socket (tap.held) is completed before anything else.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "tap.h"

#define LEN_BYTES	4
#define FRAME_MIN	60		/* IEEE 802.3, 64 bytes less the checksum */
#define FRAME_LIMIT	(ETH_HLEN + 4 + 65535)	/* with a VLAN tag; beyond, synchronisation is lost */

/* A read that fits in the cache, and room for the end of a frame that began in it */
#define RX_READ		(256U << 10)
#define RX_SIZE		(RX_READ + (LEN_BYTES + FRAME_LIMIT + 63) / 64 * 64)

/* By guest: an incomplete frame is between tap.rx_at and tap.rx_end */
static uint8_t rx_pool[GUEST_MAX][RX_SIZE] __attribute__((aligned(4096)));
static struct iovec rx_iov[TAP_BATCH];

/* Bytes in the socket: enough to keep a guest busy that is slow to wake up; not so many that urgent frames wait long,
 * or that frames are out of the cache when the guest reads them. The kernel doubles it, for its overhead, and cuts it
 * to net.core.wmem_max.
 */
#define TX_SNDBUF	(1 << 20)
#define SOCK_PAYLOAD	2		/* iovecs of it: in the pool; or from another guest's, behind its headers */
#define SOCK_PARTS	(1 + SOCK_PAYLOAD + 1)	/* of a frame on the socket: headers, payload, padding */

static const uint8_t padding[FRAME_MIN];

/* Reads behind the rest of the last time: 0, or -errno; 0 also if there is nothing to read */
static int rx_fill(struct tap *t)
{
	uint8_t *rx = rx_pool[t->index];
	ssize_t n;

	if (t->rx_at == t->rx_end) {
		t->rx_at = t->rx_end = 0;
	} else if (t->rx_at && RX_SIZE - t->rx_end < RX_READ) {
		memmove(rx, rx + t->rx_at, t->rx_end - t->rx_at);
		t->rx_end -= t->rx_at;
		t->rx_at = 0;
	}

	n = UNINTERRUPTED(recv(t->fd, rx + t->rx_end, MIN(RX_SIZE - t->rx_end, RX_READ), MSG_DONTWAIT));
	if (!n)
		return -ECONNRESET;
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	t->rx_end += (uint32_t)n;
	return 0;
}

static int sock_recv(struct tap *t, struct raw *raw, unsigned max)
{
	uint8_t *rx = rx_pool[t->index];
	unsigned n = 0;
	int rc;

	if (!t->more && (rc = rx_fill(t)))
		return rc;

	for (t->more = false; t->rx_end - t->rx_at >= LEN_BYTES; n++) {
		uint32_t len = get_be32(rx + t->rx_at);

		if (len > FRAME_LIMIT && !n)
			return -EPROTO;
		if (len <= FRAME_LIMIT && t->rx_end - t->rx_at < LEN_BYTES + len)
			break;
		if (len > FRAME_LIMIT || n == max) {
			t->more = true;
			break;
		}
		rx_iov[n] = (struct iovec){ rx + t->rx_at + LEN_BYTES, len };
		raw[n] = (struct raw){ .iov = &rx_iov[n], .cnt = 1, .len = len, .off = { .full = true } };
		t->rx_at += LEN_BYTES + len;
	}
	return (int)n;
}

static size_t padded(size_t len)
{
	return MAX(len, FRAME_MIN);
}

static void sock_commit(struct tap *t, struct frame *f)
{
	(void)t;
	f->hoff = (uint8_t)(f->hoff - LEN_BYTES);
	put_be32(f->hdr + f->hoff, (uint32_t)padded(f->hlen + f->len));
	f->hlen = (uint8_t)(f->hlen + LEN_BYTES);
}

/* Bytes of a committed frame on the socket */
static size_t sock_bytes(const struct frame *f)
{
	return LEN_BYTES + padded(f->hlen - LEN_BYTES + f->len);
}

/* The queue, but for @skip bytes of the oldest frame that are written; *@sum: its bytes */
static struct msghdr tx_queued(const struct tap *t, struct iovec *iov, size_t skip, size_t *sum)
{
	struct iovec *end = iov;

	*sum = 0;
	for (unsigned i = 0; i < t->qlen; i++) {
		const struct frame *f = tap_queued(t, i);
		size_t bytes = sock_bytes(f), pad = bytes - f->hlen - f->len;

		*sum += bytes;
		end += frame_iov(f, end);
		if (pad)
			*end++ = (struct iovec){ (void *)(uintptr_t)padding, pad };
	}
	*sum -= skip;

	for (; skip >= iov->iov_len; iov++)
		skip -= iov->iov_len;
	iov->iov_base = (uint8_t *)iov->iov_base + skip;
	iov->iov_len -= skip;
	return (struct msghdr){ .msg_iov = iov, .msg_iovlen = (size_t)(end - iov) };
}

static int sock_flush(struct tap *t)
{
	struct iovec iov[TAP_FRAMES * SOCK_PARTS];		/* no more than sendmsg() takes, UIO_MAXIOV */
	size_t sum, done;
	struct msghdr mh = tx_queued(t, iov, t->held, &sum);
	ssize_t n;

	n = UNINTERRUPTED(sendmsg(t->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL));
	if (n < 0 && (errno == ENOBUFS || errno == ENOMEM)) {	/* passes, like a full socket */
		t->starved = true;
		return -EAGAIN;
	}
	if (n < 0)
		return -errno;

	for (done = t->held + (size_t)n; t->qlen; tap_queue_pop(t)) {
		size_t bytes = sock_bytes(tap_queued(t, 0));

		if (done < bytes)
			break;
		done -= bytes;
	}
	t->held = (uint32_t)done;
	return (size_t)n < sum ? -EAGAIN : 0;
}

static const struct tap_ops sock_ops = {
	.name	= "socket",
	.pieces	= SOCK_PAYLOAD,
	.recv	= sock_recv,
	.commit	= sock_commit,
	.flush	= sock_flush,
};

void tap_sock_attach(struct tap *t, int fd, int pcap)
{
	const struct caps caps = { .mtu = 65535, .link_hdr = LEN_BYTES };
	const int size = TX_SNDBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
		debug("Send buffer of guest's socket not set: %s", errno_text(errno));
	tap_init(t, &sock_ops, fd, &caps, pcap);
}
