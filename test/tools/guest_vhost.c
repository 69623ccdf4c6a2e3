/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_vhost.c - stands in for a virtual machine: a network namespace's kernel is the guest behind passt's vhost-user
 * socket
 *
 *	guest_vhost [-rLPs] [-i IFNAME] [-m MTU] [-a MAC] [-q PAIRS] [-n SIZE] [-b BYTES] [-c BYTES] [-g REGIONS]
 *		    [-f NAME,...|-x NAME,...] SOCKET|fd=N NETNS
 *
 * Makes a tap device IFNAME (ext) in the namespace, and joins it to PAIRS of virtqueues (1) of SIZE descriptors (256),
 * as front end and driver: its frames, with virtio_net_hdr, are read into the memory of transmit queues and written
 * from the memory of receive queues, with those offloads that were negotiated. Prints "ready" once all is set up.
 *
 *	-f, -x	only these features, or all but them, by the names in vhost_user.c; all that are offered
 *	-b	bytes of a receive buffer (4096); what the largest frame takes, without mergeable ones
 *	-c	bytes of a descriptor (32768): larger buffers have several
 *	-g	regions of memory (2), one next to the other: buffers cross them
 *	-L	logs dirty pages, and holds the log against the frames that came
 *	-P	a driver that polls: no interrupts, and no descriptors for them
 *	-s	statistics at the end of a connection, on stdout
 *
 * SIGUSR1 plugs another region of memory in, for frames to be sent from, and out. SIGUSR2 reboots: queues are stopped,
 * and set up again on the same connection.
 *
 * Status is 0 once passt has closed the connection; with -r, the path is connected to again, until that works. What a
 * driver would not take, or what it has not agreed to, is status 3.
 */
/* LINK: test/tools/device.o */
/* LINK: test/tools/vhost_user.o */
/* LINK: test/tools/vring.o */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "vhost_user.h"
#include "vring.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

#define GSO_UDP_L4	5		/* VIRTIO_NET_HDR_GSO_UDP_L4 */
#define HOST_USO	56
#define GUEST_USO4	54
#define GUEST_USO6	55

#define PAIRS_MAX	8
#define FRAME_MAX	65550U
#define SLOT		(17 * 4096UL)	/* a frame with its header */
#define TURN		64		/* frames one way before the other gets its turn */
#define BUSY		8		/* frames in a turn: the next one follows without an interrupt */
#define RECONNECT_MS	20
#define GPA		0x40000000UL
#define EXTRA		0x80000000UL	/* of the region that comes and goes */
#define MERGED_MAX	RING_MAX	/* buffers of a frame */

/* Queue pair: the tap device's queue, and two rings */
static struct pair {
	int		tap;
	struct ring	rx, tx;
	char		*rx_buf;		/* RX buffers, by token */
	char		*tx_buf;		/* slots, by token */
	uint16_t	slot[RING_MAX];		/* free ones, last in first out */
	unsigned	nslot;
	bool		blocked;		/* the ring is full: the device isn't read */
	bool		watched;		/* EPOLLIN is registered */
	bool		readable;		/* the device may have a frame */
	uint64_t	sent, received, interrupts;
} pairs[PAIRS_MAX];

static struct {
	const char	*path;
	unsigned	pairs, size, regions;
	size_t		rx_size, piece;
	uint64_t	only, but, p_only, p_but;	/* features by option */
	int		mtu;
	bool		again, log, polls, stats;
} opt = { .pairs = 1, .size = 256, .regions = 2, .rx_size = 4096, .piece = 32768, .only = ~0ULL, .p_only = ~0ULL,
	  .mtu = 65520 };

static struct vu vu;
static uint64_t features, protocol;
static size_t hdr_len, buf_len;		/* of virtio_net_hdr; of an RX buffer */
static int memfd, extrafd, epfd, sigfd;
static char *mem, *extra;
static size_t mem_len, extra_len;
static uint8_t *dirty;			/* log of pages */
static size_t dirty_len;
static bool plugged, plug, reboot;	/* the extra region is there; shall change; shall set up again */

static bool has(unsigned bit)  { return features >> bit & 1; }
static bool speaks(unsigned bit) { return protocol >> bit & 1; }

static _Noreturn void bad(const char *what, unsigned long value)
{
	fprintf(stderr, "guest_vhost: %s: %lu\n", what, value);
	exit(3);
}

/* Memory */

static size_t rx_bytes(void)
{
	return ((opt.size * buf_len) + 4095) & ~4095UL;
}

static size_t pair_bytes(void)
{
	return 2 * ring_bytes(opt.size) + opt.size * ((opt.rx_size > SLOT ? opt.rx_size : SLOT) + SLOT);
}

static char *shared(int *fd, size_t len)
{
	char *p;

	*fd = memfd_create("guest", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, (off_t)len))
		fatal("memory");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (p == MAP_FAILED)
		fatal("memory");
	return p;
}

/* Region @i of the table: rings are in the first one, buffers cross from one to the next */
static struct vu_region region(unsigned i)
{
	size_t rings = 2 * PAIRS_MAX * ring_bytes(opt.size), rest = (mem_len - rings) / opt.regions & ~4095UL;
	size_t from = i ? rings + i * rest : 0, to = i + 1 < opt.regions ? rings + (i + 1) * rest : mem_len;

	if (i == opt.regions)
		return (struct vu_region){ EXTRA, extra_len, (uintptr_t)extra, 0 };
	return (struct vu_region){ GPA + from, to - from, (uintptr_t)mem + from, from };
}

static void send_region(enum vu_request what, unsigned i)
{
	const struct {
		uint64_t		pad;
		struct vu_region	region;
	} m = { 0, region(i) };
	int fd = i == opt.regions ? extrafd : memfd;

	vu_send(&vu, what, &m, sizeof(m), &fd, what == VU_ADD_MEM_REG);
}

static void send_table(unsigned n)
{
	struct vu_mem m = { .n = n };
	int fd[VU_REGIONS];

	for (unsigned i = 0; i < n; i++) {
		m.region[i] = region(i);
		fd[i] = i == opt.regions ? extrafd : memfd;
	}
	vu_send(&vu, VU_SET_MEM_TABLE, &m, 8 + n * sizeof(*m.region), fd, n);
}

static void send_memory(void)
{
	if (!speaks(VU_P_MEM_SLOTS)) {
		send_table(opt.regions);
		return;
	}
	if (vu_ask_u64(&vu, VU_GET_MAX_MEM_SLOTS) <= opt.regions && !vu.lost)
		bad("memory slots", opt.regions);
	for (unsigned i = 0; i < opt.regions; i++)
		send_region(VU_ADD_MEM_REG, i);
}

/* Another region for frames to be sent from, or back: when none is on its way */
static void plug_change(void)
{
	for (unsigned i = 0; i < opt.pairs; i++)
		if (ring_outstanding(&pairs[i].tx))
			return;
	plug = false;
	plugged = !plugged;
	if (speaks(VU_P_MEM_SLOTS))
		send_region(plugged ? VU_ADD_MEM_REG : VU_REM_MEM_REG, opt.regions);
	else
		send_table(opt.regions + plugged);
	for (unsigned i = 0; i < opt.pairs; i++) {
		struct pair *p = &pairs[i];

		p->tx.mem = plugged ? extra : mem;
		p->tx.gpa = plugged ? EXTRA : GPA;
		p->tx_buf = plugged ? extra + i * opt.size * SLOT : p->rx_buf + rx_bytes();
		p->tx.indirect = has(VIRTIO_RING_F_INDIRECT_DESC) && !plugged;	/* its tables are in the first one */
	}
	printf("memory %s\n", plugged ? "plugged" : "unplugged");
	fflush(stdout);
}

/* Negotiation */

static void set_dirty_log(void)
{
	struct {
		uint64_t	size, offset;
	} m;
	int fd;

	dirty_len = ((EXTRA + extra_len) / 4096 / 8 + 4096) & ~4095UL;
	if (dirty)
		munmap(dirty, dirty_len);
	dirty = (uint8_t *)shared(&fd, dirty_len);
	m.size = dirty_len;
	m.offset = 0;
	vu_send(&vu, VU_SET_LOG_BASE, &m, sizeof(m), &fd, 1);
	close(fd);
}

/* A transmit offload of the device without its checksum's, and a receive offload without the driver's, are none (virtio
 * 1.3 5.1.3.1)
 */
static uint64_t consistent(uint64_t f)
{
	const uint64_t host = 1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6 | 1ULL << HOST_USO |
			      1ULL << VIRTIO_NET_F_HOST_ECN;
	const uint64_t guest = 1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 |
			       1ULL << GUEST_USO4 | 1ULL << GUEST_USO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN;

	if (!(f >> VIRTIO_NET_F_CSUM & 1))
		f &= ~host;
	if (!(f >> VIRTIO_NET_F_GUEST_CSUM & 1))
		f &= ~guest;
	return f;
}

/* As QEMU: what the back end offers, less what is not wanted */
static void negotiate(void)
{
	const uint64_t known = 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_MTU |
		1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN |
		1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6 | 1ULL << VIRTIO_NET_F_HOST_ECN |
		1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_RING_F_EVENT_IDX |
		1ULL << VIRTIO_F_VERSION_1 | 1ULL << HOST_USO | 1ULL << GUEST_USO4 | 1ULL << GUEST_USO6 |
		1ULL << VU_F_PROTOCOL;
	const uint64_t p_known = 1U << VU_P_MQ | 1U << VU_P_LOG_SHMFD | 1U << VU_P_REPLY_ACK | 1U << VU_P_MTU |
		1U << VU_P_BACKEND_REQ | 1U << VU_P_INFLIGHT | 1U << VU_P_MEM_SLOTS | 1U << VU_P_STATUS;
	uint64_t offered = vu_ask_u64(&vu, VU_GET_FEATURES);

	features = consistent(offered & known & opt.only & ~opt.but);
	protocol = 0;
	if (has(VU_F_PROTOCOL)) {
		protocol = vu_ask_u64(&vu, VU_GET_PROTOCOL_FEATURES) & p_known & opt.p_only & ~opt.p_but;
		vu_send_u64(&vu, VU_SET_PROTOCOL_FEATURES, protocol);
		vu.ack = speaks(VU_P_REPLY_ACK);
	}
	vu_send(&vu, VU_SET_OWNER, NULL, 0, NULL, 0);
	if (opt.pairs > 1 && (!speaks(VU_P_MQ) || vu_ask_u64(&vu, VU_GET_QUEUE_NUM) < opt.pairs) && !vu.lost)
		bad("queue pairs", opt.pairs);
	if (speaks(VU_P_BACKEND_REQ)) {
		int fd[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
			fatal("socketpair");
		vu_send(&vu, VU_SET_BACKEND_REQ_FD, NULL, 0, &fd[1], 1);
		close(fd[1]);		/* and ours stays open until the end, unread */
	}
	if (opt.log && !(offered >> VU_F_LOG_ALL & speaks(VU_P_LOG_SHMFD)) && !vu.lost)
		bad("no log of dirty pages", 0);
}

/* The kernel's side of the same */
static void set_offloads(void)
{
	unsigned f = 0;
	int len = (int)hdr_len;

	if (has(VIRTIO_NET_F_CSUM))
		f |= TUN_F_CSUM;
	if (has(VIRTIO_NET_F_HOST_TSO4))
		f |= TUN_F_TSO4;
	if (has(VIRTIO_NET_F_HOST_TSO6))
		f |= TUN_F_TSO6;
	if (f & (TUN_F_TSO4 | TUN_F_TSO6) && has(VIRTIO_NET_F_HOST_ECN))
		f |= TUN_F_TSO_ECN;
	if (has(HOST_USO))
		f |= TUN_F_USO4 | TUN_F_USO6;
	for (unsigned i = 0; i < opt.pairs; i++)
		if (ioctl(pairs[i].tap, TUNSETVNETHDRSZ, &len) || (ioctl(pairs[i].tap, TUNSETOFFLOAD, f) &&
		    ioctl(pairs[i].tap, TUNSETOFFLOAD, f & ~(unsigned)(TUN_F_USO4 | TUN_F_USO6))))
			fatal("offloads");
}

static void watch(int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		fatal("epoll");
}

static void ring_tell(struct ring *r, unsigned index)
{
	struct vu_addr a = {
		.index = index, .flags = opt.log, .desc = (uintptr_t)r->desc, .used = (uintptr_t)r->used,
		.avail = (uintptr_t)r->avail, .log = GPA + (uint64_t)((char *)r->used - mem),
	};

	vu_send_state(&vu, VU_SET_VRING_NUM, index, r->size);
	vu_send_state(&vu, VU_SET_VRING_BASE, index, 0);
	vu_send(&vu, VU_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
	r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vu_send_fd(&vu, VU_SET_VRING_KICK, index, r->kick);
	if (!opt.polls) {
		r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		watch(r->call, EPOLLIN | EPOLLET, index);
	}
	vu_send_fd(&vu, VU_SET_VRING_CALL, index, r->call);
}

static void pair_init(unsigned i)
{
	struct pair *p = &pairs[i];
	bool event_idx = has(VIRTIO_RING_F_EVENT_IDX), indirect = has(VIRTIO_RING_F_INDIRECT_DESC);
	char *rings = mem + 2 * i * ring_bytes(opt.size);

	ring_init(&p->rx, opt.size, mem, GPA, rings, event_idx, indirect);
	ring_init(&p->tx, opt.size, mem, GPA, rings + ring_bytes(opt.size), event_idx, indirect);
	p->rx_buf = mem + 2 * PAIRS_MAX * ring_bytes(opt.size) + i * (pair_bytes() - 2 * ring_bytes(opt.size));
	p->tx_buf = p->rx_buf + rx_bytes();
	p->blocked = false;
	p->readable = true;
	p->sent = p->received = p->interrupts = 0;
	for (p->nslot = 0; p->nslot < opt.size; p->nslot++)
		p->slot[p->nslot] = (uint16_t)p->nslot;
	for (uint16_t b = 0; b < opt.size; b++)
		if (!ring_add(&p->rx, b, p->rx_buf + b * buf_len, buf_len, opt.piece, true))
			break;
	ring_want(&p->rx, !opt.polls);
	ring_want(&p->tx, 0);
}

/* All that a driver does when it starts, and the front end for it */
static void start(void)
{
	bool gso = has(VIRTIO_NET_F_GUEST_TSO4) || has(VIRTIO_NET_F_GUEST_TSO6) || has(GUEST_USO4) || has(GUEST_USO6);

	hdr_len = has(VIRTIO_F_VERSION_1) || has(VIRTIO_NET_F_MRG_RXBUF) ? 12 : 10;
	buf_len = opt.rx_size;
	if (!has(VIRTIO_NET_F_MRG_RXBUF))
		buf_len = hdr_len + (gso ? FRAME_MAX : (unsigned)opt.mtu + 14);
	set_offloads();
	vu_send_u64(&vu, VU_SET_FEATURES, features | (opt.log ? 1ULL << VU_F_LOG_ALL : 0));
	if (opt.log)
		set_dirty_log();
	if (speaks(VU_P_MTU) && has(VIRTIO_NET_F_MTU))
		vu_send_u64(&vu, VU_NET_SET_MTU, (uint64_t)opt.mtu);
	if (speaks(VU_P_INFLIGHT)) {
		struct vu_inflight in = { 0, 0, (uint16_t)(2 * opt.pairs), (uint16_t)opt.size };
		int fd;

		vu_ask(&vu, VU_GET_INFLIGHT_FD, &in, sizeof(in), &in, sizeof(in), &fd);
		if (fd >= 0) {
			vu_send(&vu, VU_SET_INFLIGHT_FD, &in, sizeof(in), &fd, 1);
			close(fd);
		}
	}
	for (unsigned i = 0; i < opt.pairs; i++) {
		pair_init(i);
		ring_tell(&pairs[i].rx, 2 * i);
		ring_tell(&pairs[i].tx, 2 * i + 1);
	}
	for (unsigned i = 0; has(VU_F_PROTOCOL) && i < 2 * opt.pairs; i++)
		vu_send_state(&vu, VU_SET_VRING_ENABLE, i, 1);
	if (speaks(VU_P_STATUS))
		vu_send_u64(&vu, VU_SET_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			    VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	for (unsigned i = 0; i < opt.pairs; i++) {
		ring_kick(&pairs[i].rx);
		if (!pairs[i].watched)
			watch(pairs[i].tap, EPOLLIN, 2 * PAIRS_MAX + i);
		pairs[i].watched = true;
	}
}

static void ring_close(struct ring *r)
{
	if (r->kick >= 0)
		close(r->kick);
	if (r->call >= 0)
		close(r->call);
	r->kick = r->call = -1;
}

/* Data */

/* The first buffer's header: nothing that was not agreed to */
static void check_header(const struct virtio_net_hdr_v1 *h, size_t len)
{
	bool ok = true;

	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		break;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		ok = has(VIRTIO_NET_F_GUEST_TSO4);
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		ok = has(VIRTIO_NET_F_GUEST_TSO6);
		break;
	case GSO_UDP_L4:
		ok = has(GUEST_USO4) || has(GUEST_USO6);
		break;
	default:
		ok = false;
	}
	if (!ok)
		bad("super-packet that was not negotiated", h->gso_type);
	if (h->gso_type && !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		bad("super-packet without a partial checksum", h->gso_type);
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && !has(VIRTIO_NET_F_GUEST_CSUM))
		bad("partial checksum that was not negotiated", h->flags);
	if (len < 14 || len > FRAME_MAX || (!h->gso_type && len > (size_t)opt.mtu + 14))
		bad("bytes of a frame", len);
}

/* DATA_VALID: a virtio driver takes the checksum for right, whatever it is. A tap device knows no such flag, but takes
 * a partial one.
 */
static void pass_valid(char *buf, size_t len)
{
	struct virtio_net_hdr_v1 *h = (void *)buf;
	const uint8_t *f = (uint8_t *)buf + hdr_len;
	size_t at, min = hdr_len + 14 + 40;
	uint8_t proto;

	if (!(h->flags & VIRTIO_NET_HDR_F_DATA_VALID) || h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM || len < min)
		return;
	at = 14U + (f[12] == 0x08 ? (f[14] & 15U) * 4U : 40U);
	proto = f[12] == 0x08 ? f[23] : f[20];
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = (uint16_t)at;
	h->csum_offset = proto == IPPROTO_TCP ? 16 : 6;
}

static bool is_dirty(const char *p)
{
	uint64_t page = (GPA + (uint64_t)(p - mem)) / 4096;

	return __atomic_load_n(&dirty[page / 8], __ATOMIC_RELAXED) >> page % 8 & 1;
}

static void check_log(const struct pair *p, const struct iovec *iov)
{
	const char *base = iov->iov_base;

	if (iov->iov_len && (!is_dirty(base) || !is_dirty(base + iov->iov_len - 1)))
		bad("page not logged", (unsigned long)(base - mem) / 4096);
	if (!is_dirty((const char *)p->rx.used))
		bad("used ring not logged", 0);
}

/* Next frame from the device: its buffers, at most MERGED_MAX, and their tokens; their number, 0: none */
static unsigned frame_get(struct pair *p, struct iovec *iov, uint16_t *token)
{
	struct virtio_net_hdr_v1 h = { 0 };
	unsigned n = 0, want = 1;
	size_t len = 0;

	while (n < want) {
		uint32_t used;
		int t = ring_get(&p->rx, &used);

		if (t < 0 && !n)
			return 0;
		if (t < 0)
			bad("buffers of a frame, not all used", want);
		if (used > buf_len || (!n && used < hdr_len))
			bad("used bytes", used);
		iov[n] = (struct iovec){ p->rx_buf + (size_t)t * buf_len, used };
		if (opt.log)
			check_log(p, &iov[n]);
		if (!n) {
			memcpy(&h, iov->iov_base, hdr_len);
			want = has(VIRTIO_NET_F_MRG_RXBUF) ? h.num_buffers : 1;
			if (!want || want > MERGED_MAX)
				bad("buffers of a frame", want);
		}
		len += used;
		token[n++] = (uint16_t)t;
	}
	check_header(&h, len - hdr_len);
	pass_valid(iov->iov_base, iov->iov_len);
	return n;
}

/* Frames to the kernel; their buffers go back. Returns their number. */
static unsigned take(struct pair *p)
{
	struct iovec iov[MERGED_MAX];
	uint16_t token[MERGED_MAX];
	unsigned frames, n;

	for (frames = 0; frames < TURN && (n = frame_get(p, iov, token)); frames++) {
		/* EIO: the device is down */
		if (writev(p->tap, iov, (int)n) < 0 && errno != EIO) {
			fprintf(stderr, "guest_vhost: the kernel refuses a frame of %zu bytes: %s\n", iov->iov_len,
				strerror(errno));
			if (errno != ENOMEM && errno != ENOBUFS && errno != EAGAIN)
				exit(3);
		}
		for (unsigned i = 0; i < n; i++)
			ring_add(&p->rx, token[i], p->rx_buf + token[i] * buf_len, buf_len, opt.piece, true);
	}
	p->received += frames;
	ring_kick(&p->rx);
	return frames;
}

static void reclaim(struct pair *p)
{
	uint32_t len;
	int t;

	while ((t = ring_get(&p->tx, &len)) >= 0)
		p->slot[p->nslot++] = (uint16_t)t;
}

/* Whether the device is read, or an interrupt awaited */
static void block(struct pair *p, bool on)
{
	struct epoll_event ev = { .events = on ? 0 : EPOLLIN, .data.u64 = 2 * PAIRS_MAX + (uint64_t)(p - pairs) };

	if (p->blocked == on)
		return;
	p->blocked = on;
	if (epoll_ctl(epfd, EPOLL_CTL_MOD, p->tap, &ev))
		fatal("epoll");
	if (!on)
		ring_want(&p->tx, 0);
}

/* Frames of the kernel, as long as the ring takes them; their number */
static unsigned give(struct pair *p)
{
	const unsigned most = 3;	/* descriptors of a frame in pieces of 32 KB */
	unsigned n;

	reclaim(p);
	for (n = 0; n < TURN && p->readable; n++) {
		uint16_t t, left;
		ssize_t len;

		while (!p->nslot || p->tx.nfree < most || (plug && ring_outstanding(&p->tx))) {
			left = ring_outstanding(&p->tx);
			if (!opt.polls && ring_want(&p->tx, plug ? left : (uint16_t)(left * 3 / 4))) {
				block(p, true);
				return n;
			}
			reclaim(p);
			if (opt.polls)
				return n;
		}
		if (plug)
			return n;
		t = p->slot[p->nslot - 1];
		len = read(p->tap, p->tx_buf + t * SLOT, hdr_len + FRAME_MAX);
		if (len < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
			fatal("device");
		p->readable = len > 0 || opt.polls;
		if (len <= 0)
			break;
		if (!ring_add(&p->tx, t, p->tx_buf + t * SLOT, (size_t)len, opt.piece, false))
			bad("descriptors", p->tx.nfree);
		p->nslot--;
		ring_kick(&p->tx);
	}
	p->sent += n;
	block(p, false);
	return n;
}

/* Both ways of all pairs; whether there was much, or is more */
static bool turn(void)
{
	bool changing = plug;		/* and devices that waited for it are read afterwards */
	unsigned n = 0;

	for (unsigned i = 0; i < opt.pairs; i++)
		n += take(&pairs[i]) + give(&pairs[i]);
	if (plug)
		plug_change();
	return n >= BUSY || changing;
}

/* All queues empty, an interrupt for the next frame */
static bool rest(void)
{
	bool ok = true;

	for (unsigned i = 0; i < opt.pairs && !opt.polls; i++)
		ok &= ring_want(&pairs[i].rx, 1);
	return ok;
}

/* Life of a connection */

static void statistics(void)
{
	for (unsigned i = 0; i < opt.pairs && opt.stats; i++) {
		const struct pair *p = &pairs[i];

		printf("pair %u: sent %lu kicks %lu received %lu interrupts %lu kicks %lu\n", i, (unsigned long)p->sent,
		       (unsigned long)p->tx.kicks, (unsigned long)p->received, (unsigned long)p->interrupts,
		       (unsigned long)p->rx.kicks);
	}
	fflush(stdout);
}

/* Queues stop, and their place is what the driver knows it to be */
static void stop(void)
{
	for (unsigned i = 0; i < 2 * opt.pairs; i++) {
		struct ring *r = i % 2 ? &pairs[i / 2].tx : &pairs[i / 2].rx;
		struct vu_state s = { i, 0 };

		vu_ask(&vu, VU_GET_VRING_BASE, &s, sizeof(s), &s, sizeof(s), NULL);
		if (!vu.lost && (uint16_t)(s.num - r->used->idx))
			bad("queue stopped with buffers on their way", s.num);
		ring_close(r);
	}
}

static void signalled(void)
{
	struct signalfd_siginfo si;

	while (read(sigfd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGUSR1)
			plug = true;
		if (si.ssi_signo == SIGUSR2)
			reboot = true;
	}
}

enum { EV_SOCKET = 3 * PAIRS_MAX, EV_SIGNAL };

static void event(const struct epoll_event *ev)
{
	char c;

	if (ev->data.u64 == EV_SIGNAL)
		signalled();
	else if (ev->data.u64 == EV_SOCKET)
		vu.lost |= recv(vu.sock, &c, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
	else if (ev->data.u64 < 2 * PAIRS_MAX)
		pairs[ev->data.u64 / 2].interrupts += !(ev->data.u64 % 2);
	else
		pairs[ev->data.u64 - 2 * PAIRS_MAX].readable = true;
}

static void restart(void)
{
	reboot = false;
	statistics();
	stop();
	if (plugged) {
		if (speaks(VU_P_MEM_SLOTS))
			send_region(VU_REM_MEM_REG, opt.regions);
		else
			send_table(opt.regions);
		plugged = false;
	}
	start();
	puts("rebooted");
	fflush(stdout);
}

static void carry(void)
{
	struct epoll_event ev[32];

	while (!vu.lost) {
		bool busy = turn() || !rest();
		int n = epoll_wait(epfd, ev, 32, busy ? 0 : opt.polls ? 1 : -1);

		if (n < 0 && errno != EINTR)
			fatal("epoll");
		for (int i = 0; i < n; i++)
			event(&ev[i]);
		if (reboot)
			restart();
	}
}

/* The first time it has to work at once */
static int sock_open(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timespec pause = { 0, RECONNECT_MS * 1000000L };
	static bool before;
	int s;

	if (!strncmp(opt.path, "fd=", 3))
		return atoi(opt.path + 3);
	if (strlen(opt.path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		fatal(opt.path);
	}
	memcpy(a.sun_path, opt.path, strlen(opt.path));
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		fatal("socket");
	while (connect(s, (struct sockaddr *)&a, sizeof(a))) {
		if (!before || (errno != ECONNREFUSED && errno != ENOENT && errno != EINTR && errno != EAGAIN))
			fatal(opt.path);
		nanosleep(&pause, NULL);
	}
	before = true;
	return s;
}

static void connection(void)
{
	vu = (struct vu){ .sock = sock_open() };
	plugged = plug = reboot = false;
	negotiate();
	send_memory();
	if (!vu.lost)
		start();
	watch(vu.sock, EPOLLIN | EPOLLRDHUP, EV_SOCKET);
	if (!vu.lost) {
		if (opt.stats)
			printf("features %#lx, of the protocol %#lx\n", (unsigned long)features,
			       (unsigned long)protocol);
		puts("ready");
		fflush(stdout);
	}
	carry();
	statistics();
	close(vu.sock);
	for (unsigned i = 0; i < opt.pairs; i++) {
		ring_close(&pairs[i].rx);
		ring_close(&pairs[i].tx);
	}
}

static int usage(void)
{
	fprintf(stderr, "Usage: guest_vhost [-rLPs] [-i IFNAME] [-m MTU] [-a MAC] [-q PAIRS] [-n SIZE] [-b BYTES]\n"
		"\t[-c BYTES] [-g REGIONS] [-f NAME,...|-x NAME,...] SOCKET|fd=N NETNS\n");
	return 1;
}

/* Features of a list of names */
static void names(const char *s, uint64_t *f, uint64_t *p)
{
	*f = *p = 0;
	while (*s) {
		size_t len = strcspn(s, ",");
		const struct vu_name *n = vu_name(s, len);

		if (len && !n) {
			fprintf(stderr, "guest_vhost: no such feature: %s\n", s);
			exit(1);
		}
		if (n)
			*(n->protocol ? p : f) |= 1ULL << n->bit;
		s += len + (s[len] == ',');
	}
}

static bool option(int o, const char **name, const struct ether_addr **mac)
{
	switch (o) {
	case 'r':	opt.again = true; break;
	case 'L':	opt.log = true; break;
	case 'P':	opt.polls = true; break;
	case 's':	opt.stats = true; break;
	case 'i':	*name = optarg; break;
	case 'm':	opt.mtu = atoi(optarg); break;
	case 'a':	*mac = ether_aton(optarg); return *mac;
	case 'q':	opt.pairs = (unsigned)atoi(optarg); break;
	case 'n':	opt.size = (unsigned)atoi(optarg); break;
	case 'b':	opt.rx_size = (size_t)atoi(optarg); break;
	case 'c':	opt.piece = (size_t)atoi(optarg); break;
	case 'g':	opt.regions = (unsigned)atoi(optarg); break;
	case 'f':	names(optarg, &opt.only, &opt.p_only); break;
	case 'x':	names(optarg, &opt.but, &opt.p_but); break;
	default:	return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	const struct ether_addr *mac = NULL;
	const char *name = "ext";
	int fd[PAIRS_MAX], o;
	sigset_t set;

	while ((o = getopt(argc, argv, "rLPsi:m:a:q:n:b:c:g:f:x:")) >= 0)
		if (!option(o, &name, &mac))
			return usage();
	if (argc - optind != 2 || !opt.pairs || opt.pairs > PAIRS_MAX || !opt.size || opt.size > RING_MAX ||
	    opt.rx_size < 64 || opt.piece < 4096 || !opt.regions || opt.regions >= VU_REGIONS)
		return usage();
	opt.path = argv[optind];
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	watch(sigfd, EPOLLIN, EV_SIGNAL);
	mem_len = 2 * PAIRS_MAX * ring_bytes(opt.size) + opt.pairs * pair_bytes();
	mem = shared(&memfd, mem_len);
	extra_len = opt.pairs * opt.size * SLOT;
	extra = shared(&extrafd, extra_len);
	device_open_queues(argv[optind + 1], name, opt.mtu, mac, fd, opt.pairs);
	for (unsigned i = 0; i < opt.pairs; i++)
		pairs[i].tap = fd[i];
	do {
		connection();
	} while (opt.again && strncmp(opt.path, "fd=", 3));
	return 0;
}
