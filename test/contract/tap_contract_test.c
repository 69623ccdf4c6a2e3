/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_contract_test.c - what every link promises (tap.h), the same cases for each backend
 *
 * The other end of a link is a handful of functions: struct far_end. A new backend adds one, and nothing else.
 */
/* LINK: test/sim/tap_sim.o test/sim/wire.o test/sim/world.o */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../ring.h"
#include "../sim/wire.h"
#include "../t.h"
#include "../../vhost.h"

struct far_end {
	const char	*name;
	struct caps	caps;
	void		(*open)(struct tap *t, const struct caps *caps);
	void		(*send)(const void *frame, size_t len, const struct offload *off);
	bool		(*recv)(struct frame_out *f);		/* next frame from the link, into f->buf; false: none */
	void		(*block)(bool on);			/* takes nothing for now; NULL: fills up by itself */
	int		(*gone)(void);				/* peer goes away; the error expected. NULL: it can't */
	void		(*renew)(void);				/* another guest in its place; NULL: the link stays */
	void		(*close)(void);
	unsigned	answers;				/* that it takes when it is full of frames of 9,000 */
};

static const struct far_end *far;
static struct tap tap;
static uint8_t far_buf[12 + ETH_HLEN + TAP_SUPER];

/* A tap device is a message socket that both sides speak virtio_net_hdr on, or not */
static int tun_fd[2] = { -1, -1 };

static void tun_far_open(struct tap *t, const struct caps *caps)
{
	const int size = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, tun_fd))
		abort();
	setsockopt(tun_fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(tun_fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	tun_attach(t, tun_fd[0], caps, -1);
}

static void tun_far_send(const void *frame, size_t len, const struct offload *off)
{
	struct virtio_net_hdr_v1 h = { .flags = off->partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0, .gso_size = off->gso,
				       .gso_type = off->gso ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE };
	struct iovec iov[2] = { { &h, tap.caps.link_hdr }, { (void *)(uintptr_t)frame, len } };

	ok(writev(tun_fd[1], iov, 2) == (ssize_t)(tap.caps.link_hdr + len));
}

static bool tun_far_recv(struct frame_out *f)
{
	struct virtio_net_hdr_v1 h = { 0 };
	ssize_t n = read(tun_fd[1], far_buf, sizeof(far_buf));
	unsigned hdr = tap.caps.link_hdr;

	if (n < (ssize_t)hdr)
		return false;
	memcpy(&h, far_buf, hdr);
	*f = (struct frame_out){
		.buf = far_buf + hdr, .len = (size_t)n - hdr, .csum_start = h.csum_start, .csum_off = h.csum_offset,
		.off = { .gso = h.gso_type ? h.gso_size : 0, .partial = h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM },
	};
	if (h.gso_type)
		ok(h.gso_type == VIRTIO_NET_HDR_GSO_TCPV4 && h.hdr_len == 14 + 20 + 20);
	return true;
}

static int tun_far_gone(void)
{
	close(tun_fd[1]);
	tun_fd[1] = -1;
	return -EPIPE;
}

static void tun_far_close(void)
{
	close(tun_fd[0]);
	if (tun_fd[1] >= 0)
		close(tun_fd[1]);
}

/* A virtual machine: each frame behind its length, 4 bytes in network order. What came and was not taken is in
 * sock_buf.
 */
static int sock_fd[2] = { -1, -1 };
static uint8_t sock_buf[1 << 20];
static size_t sock_len;

static void sock_far_pair(int fd[2])
{
	const int size = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd))
		abort();
	setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	sock_len = 0;
}

static void sock_far_open(struct tap *t, const struct caps *caps)
{
	sock_far_pair(sock_fd);
	tap_sock_attach(t, sock_fd[0], -1);
	eq(t->caps.mtu, caps->mtu);
	ok(!t->caps.csum && !t->caps.tso4 && !t->caps.tso6 && !t->caps.uso);
}

static void sock_far_send(const void *frame, size_t len, const struct offload *off)
{
	uint8_t word[4];
	struct iovec iov[2] = { { word, 4 }, { (void *)(uintptr_t)frame, len } };

	(void)off;
	put_be32(word, (uint32_t)len);
	ok(writev(sock_fd[1], iov, 2) == (ssize_t)(4 + len));
}

/* Length of a frame without its padding, which is zero and makes 60 bytes of less */
static size_t sock_far_unpad(const uint8_t *p, size_t len)
{
	size_t ip_len;

	if (len != 60)
		return len;
	ip_len = 14U + (get_be16(p + 12) == 0x0800 ? get_be16(p + 16) : 40U + get_be16(p + 18));
	for (size_t i = ip_len; i < len; i++)
		ok(!p[i]);
	return MIN(len, ip_len);
}

static bool sock_far_recv(struct frame_out *f)
{
	size_t len = sock_len >= 4 ? get_be32(sock_buf) : 0;
	ssize_t n;

	while (sock_len < 4 || sock_len < 4 + len) {
		n = read(sock_fd[1], sock_buf + sock_len, sizeof(sock_buf) - sock_len);
		if (n <= 0)
			return false;
		sock_len += (size_t)n;
		len = sock_len >= 4 ? get_be32(sock_buf) : 0;
	}
	if (!ok(len >= 60 && len <= WIRE_MAX))
		return false;
	memcpy(far_buf, sock_buf + 4, len);
	sock_len -= 4 + len;
	memmove(sock_buf, sock_buf + 4 + len, sock_len);
	*f = (struct frame_out){ .buf = far_buf, .len = sock_far_unpad(far_buf, len) };
	return true;
}

static int sock_far_gone(void)
{
	close(sock_fd[1]);
	sock_fd[1] = -1;
	return -EPIPE;
}

/* A stream that broke off in a frame goes on nowhere: the next guest has its own */
static void sock_far_renew(void)
{
	int fd[2];

	sock_far_pair(fd);
	for (unsigned i = 0; i < 2; i++) {
		ok(dup3(fd[i], sock_fd[i], O_CLOEXEC) == sock_fd[i]);
		close(fd[i]);
	}
}

static void sock_far_close(void)
{
	close(sock_fd[0]);
	if (sock_fd[1] >= 0)
		close(sock_fd[1]);
}

static void sim_far_open(struct tap *t, const struct caps *caps)
{
	world_reset(1);
	tap_sim_attach(t, caps);
}

static bool sim_far_recv(struct frame_out *f)
{
	if (!world.link->out_len)
		return false;
	*f = world.link->out[world.link->out_head];
	memcpy(far_buf, f->buf, f->len);
	f->buf = far_buf;
	tap_sim_drop(world.link);
	return true;
}

static void sim_far_block(bool on)
{
	tap_sim_room(on ? 0 : ROOM_AUTO);
}

static void sim_far_close(void)
{
	world_reset(1);
}

/* A virtual machine's rings, of Linux' size of buffers; its front end's socket is silent. Descriptor i is buffer i. */
#define FAR_SIZE	VIRTQ_MAX
#define FAR_BUF(i)	(ring_arena.low + (1U << 20) + 1600UL * (i))
#define FAR_RX		1530
#define FAR_MERGE	(1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX)

static struct ring far_rx, far_tx;
static int vhost_fd[3];

static void vhost_far_post(void)
{
	const struct iovec iov = { FAR_BUF(far_rx.free % FAR_SIZE), FAR_RX };

	ring_add(&far_rx, &iov, 1, VRING_DESC_F_WRITE);
}

static void vhost_far_open(struct tap *t, const struct caps *caps)
{
	struct vhost *v = vhost_of(0);

	vhost_fd[2] = epoll_create1(EPOLL_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, vhost_fd))
		abort();
	eq(tap_vhost_attach(t, vhost_fd[0], vhost_fd[2], -1, false), 0);
	ok(t->down);
	ring_memory();
	ring_init(&far_rx, 0, FAR_SIZE);
	ring_init(&far_tx, 128U << 10, FAR_SIZE);
	v->mem = ring_mem;
	v->features = v->use = FAR_MERGE;
	v->pairs = 1;
	for (unsigned i = 0; i < 2; i++) {
		v->ring[i].started = v->ring[i].enabled = true;
		eq(virtq_start(&v->ring[i].q, &v->mem, i ? &far_tx.place : &far_rx.place, FAR_SIZE, 0,
			       i ? VIRTQ_READ : VIRTQ_WRITE, FAR_MERGE), 0);
	}
	t->caps = *caps;
	t->down = false;
	for (unsigned i = 0; i < FAR_SIZE; i++)
		vhost_far_post();
}

/* In two buffers: header with some of the frame, and the rest */
static void vhost_far_send(const void *frame, size_t len, const struct offload *off)
{
	struct virtio_net_hdr_v1 h = { .flags = off->partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0, .gso_size = off->gso,
				       .gso_type = off->gso ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_NONE };
	uint8_t *at = ring_arena.high + 1600UL * (far_tx.free % FAR_SIZE);
	size_t first = sizeof(h) + MIN(len, 20);
	const struct iovec iov[2] = { { at, first }, { at + first, sizeof(h) + len - first } };

	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), frame, len);
	ring_add(&far_tx, iov, 1 + (len > 20), 0);	/* no buffer is empty */
}

/* The buffers of a frame go back into the ring */
static bool vhost_far_recv(struct frame_out *f)
{
	const struct vring_used_elem *e = ring_used(&far_rx);
	struct virtio_net_hdr_v1 h;
	size_t len = 0;

	if (!e)
		return false;
	memcpy(&h, FAR_BUF(e->id), sizeof(h));
	for (unsigned left = h.num_buffers; left; e = --left ? ring_used(&far_rx) : NULL) {
		if (!ok(e && e->len && e->len <= FAR_RX && len + e->len <= sizeof(far_buf)))
			return false;
		memcpy(far_buf + len, FAR_BUF(e->id), e->len);
		len += e->len;
		vhost_far_post();
	}
	*f = (struct frame_out){
		.buf = far_buf + sizeof(h), .len = len - sizeof(h), .csum_start = h.csum_start,
		.csum_off = h.csum_offset,
		.off = { .gso = h.gso_type ? h.gso_size : 0, .partial = h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM },
	};
	if (h.gso_type)
		ok(h.gso_type == VIRTIO_NET_HDR_GSO_TCPV4 && h.hdr_len == 14 + 20 + 20);
	return true;
}

static int vhost_far_gone(void)
{
	vhost_of(0)->broken = true;
	return -EFAULT;
}

static void vhost_far_close(void)
{
	tap_gone(&tap);
	close(vhost_fd[1]);
	close(vhost_fd[2]);
}

#define OFFLOADS	.csum = true, .tso4 = TAP_SUPER, .tso6 = TAP_SUPER, .uso = true

static const struct far_end far_ends[] = {
	{ "tap device", { .mtu = 65535, .link_hdr = 12, OFFLOADS }, tun_far_open, tun_far_send, tun_far_recv, NULL,
	  tun_far_gone, NULL, tun_far_close, 0 },
	{ "tap device, short header", { .mtu = 65535, .link_hdr = 10, OFFLOADS }, tun_far_open, tun_far_send,
	  tun_far_recv, NULL, tun_far_gone, NULL, tun_far_close, 0 },
	{ "tap device, no header", { .mtu = 65535 }, tun_far_open, tun_far_send, tun_far_recv, NULL, tun_far_gone,
	  NULL, tun_far_close, 0 },
	{ "stream socket", { .mtu = 65535, .link_hdr = 4 }, sock_far_open, sock_far_send, sock_far_recv, NULL,
	  sock_far_gone,
	  sock_far_renew, sock_far_close, 0 },
	{ "vhost-user", { .mtu = 65535, .link_hdr = 12, OFFLOADS }, vhost_far_open, vhost_far_send, vhost_far_recv,
	  NULL, vhost_far_gone, NULL, vhost_far_close, FAR_SIZE % 6 },	/* a large one takes 6 buffers */
	{ "simulated", { .mtu = 65535, OFFLOADS }, sim_far_open, tap_sim_push, sim_far_recv, sim_far_block, NULL, NULL,
	  sim_far_close, 0 },
};

static struct net_hdr net;

static void begin(void)
{
	net = (struct net_hdr){
		.dmac = wire_guest_mac, .smac = wire_our_mac, .ttl = 64,
		.src = { addr_from4(htonl(0xc0000201)), 80 }, .dst = { addr_from4(htonl(0xc6336402)), 4000 },
	};
	far->open(&tap, &far->caps);
}

/* Payload of frame @seq, by position */
static uint8_t byte_of(unsigned seq, size_t i)
{
	return (uint8_t)(seq * 37 + i * 7 + (i >> 8));
}

/* Fills a reserved frame with @len bytes, as TCP segment number @seq, and commits it */
static void put(struct frame *f, unsigned seq, size_t len, uint16_t gso)
{
	struct tcp_seg s = { .seq = seq, .flags = TCP_ACK, .wscale = TCP_WSCALE_NONE };
	size_t at = 0;

	ok(frame_room(f) >= len);
	for (unsigned k = 0; k < f->npay; k++)
		for (size_t i = 0; i < f->pay[k].iov_len && at < len; i++, at++)
			((uint8_t *)f->pay[k].iov_base)[i] = byte_of(seq, at);
	f->len = len;
	frame_tcp(f, &net, &s, gso, &tap.caps);
	tap_commit(&tap, f);
}

/* The far end's next frame is segment @seq with @len bytes, correct in all its parts */
static bool got(unsigned seq, size_t len, uint16_t gso)
{
	struct frame_out f;
	struct wire w;
	const char *bad;

	if (!ok(far->recv(&f)))
		return false;
	bad = wire_parse(&f, &tap.caps, &w);
	if (bad)
		return ok(!bad) || printf("# %s\n", bad) < 0;
	for (size_t i = 0; i < w.len; i++)
		if (w.data[i] != byte_of(seq, i))
			return ok(!"payload as it was sent");
	eq(w.seq, seq);
	eq(w.gso, gso);
	return eq(w.len, len);
}

static bool nothing(void)
{
	struct frame_out f;

	return ok(!far->recv(&f));
}

static void test_order(void)
{
	static const size_t len[] = { 0, 1, 1460, 5, 0, 999, 1400, 2 };
	struct frame *f[8];

	test("PEER-12 %s: frames come out whole, with the offloads of this link only, in the order of commit",
	     far->name);
	begin();
	eq(tap_reserve(&tap, f, 8, 1460, TAP_ANY), 8);
	for (unsigned i = 0; i < 8; i++)
		put(f[i], i, len[i], 0);
	eq(tap_flush(&tap), 0);
	for (unsigned i = 0; i < 8; i++)
		got(i, len[i], 0);
	nothing();
	eq(tap.nfree, TAP_SLOTS);
	eq(tap.stats.tx_frames, 8);
	far->close();
}

static void test_reserve(void)
{
	struct frame *f[TAP_SLOTS + 10];
	unsigned n;

	test("%s: every slot once, with the room asked for, and no more than there are", far->name);
	begin();
	n = tap_reserve(&tap, f, TAP_SLOTS + 10, TAP_ROOM, TAP_ANY);
	eq(n, TAP_SLOTS);
	eq(tap_reserve(&tap, f + n, 1, 0, TAP_ANY), 0);
	for (unsigned i = 0; i < n; i++) {
		eq(f[i]->npay, 1);
		eq(f[i]->pay[0].iov_len, TAP_ROOM);
		memset(f[i]->pay[0].iov_base, (int)i, TAP_ROOM);
	}
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = f[i]->pay[0].iov_base;

		ok(p[0] == (uint8_t)i && p[TAP_ROOM - 1] == (uint8_t)i);
	}
	tap_unreserve(&tap, f, n);
	eq(tap.nfree, TAP_SLOTS);
	nothing();
	far->close();
}

static void test_unreserve(void)
{
	struct frame *a[6], *b[4];

	test("%s: what is given back is free, the rest goes out; last one short", far->name);
	begin();
	eq(tap_reserve_exact(&tap, a, 6, 1000, net_hdr_len(true, TCP_HLEN)), 6);
	eq(tap_reserve(&tap, b, 4, 1000, TAP_ANY), 4);
	put(a[0], 0, 1000, 0);
	put(b[0], 1, 70, 0);
	put(a[1], 2, 1000, 0);
	put(a[2], 3, 10, 0);
	tap_unreserve(&tap, a + 3, 3);
	put(b[1], 4, 0, 0);
	tap_unreserve(&tap, b + 2, 2);
	eq(tap_flush(&tap), 0);
	got(0, 1000, 0);
	got(1, 70, 0);
	got(2, 1000, 0);
	got(3, 10, 0);
	got(4, 0, 0);
	nothing();
	eq(tap.nfree, TAP_SLOTS);
	far->close();
}

/* Commits until the link is full and all slots are used; returns how many, from @seq on */
static unsigned fill(unsigned seq, size_t len)
{
	struct frame *f;
	unsigned n = 0;

	while (n < 100000 && tap_reserve(&tap, &f, 1, len, TAP_ANY)) {
		put(f, seq + n++, len, 0);
		tap_flush(&tap);
	}
	return n;
}

static void test_full(void)
{
	unsigned n, queued, next = 0;
	struct frame *f;
	int rc;

	test("%s: full: nothing is lost, and it goes on when there is room (I5, TCP-28)", far->name);
	begin();
	if (far->block)
		far->block(true);
	n = fill(0, 9000);
	queued = tap.qlen;
	ok(queued && n >= queued);
	ok(tap.full);
	ok(queued == TAP_SLOTS || (tap.qbytes >= TAP_QUEUE && tap.qbytes < TAP_QUEUE + 10000));
	eq(tap_flush(&tap), -EAGAIN);
	eq(tap_reserve(&tap, &f, 1, 0, TAP_ANY), 0);

	if (far->block)
		far->block(false);
	while (next < n - queued && got(next, 9000, 0))	/* what the link held */
		next++;
	do {
		rc = tap_flush(&tap);
		ok(rc == 0 || rc == -EAGAIN);
		eq(tap.full, rc == -EAGAIN);
		while (next < n - tap.qlen && got(next, 9000, 0))
			next++;
	} while (rc && next < n);
	eq(next, n);
	eq(tap.nfree, TAP_SLOTS);
	eq(tap_reserve(&tap, &f, 1, 10, TAP_ANY), 1);
	put(f, n, 10, 0);
	eq(tap_flush(&tap), 0);
	got(n, 10, 0);
	nothing();
	far->close();
}

/* Another guest's memory is its own again after tap_settle(), be the link full or not */
static void test_borrow(void)
{
	static uint8_t other[1400];
	struct iovec iov[] = { { other, 600 }, { other + 600, 1 }, { other + 601, 799 } };

	for (unsigned i = 0; i < 4; i++) {
		bool full = i & 1, pieces = i & 2;
		unsigned n = 0, next = 0;
		struct view rest = { iov, pieces ? 3 : 1, 0, pieces ? 1400 : 600 };
		size_t len = 100 + rest.len;
		struct frame *f;

		test("%s%s: payload in another guest's memory, %u iovecs", far->name, full ? ", full" : "", rest.cnt);
		begin();
		if (full && far->block)
			far->block(true);
		for (; full && !tap.full && ok(tap_reserve(&tap, &f, 1, 9000, TAP_ANY)); tap_flush(&tap))
			put(f, n++, 9000, 0);
		if (!ok(tap_reserve(&tap, &f, 1, len, TAP_ANY)))
			continue;
		f->pay[0].iov_len = 100;
		if (!tap_borrow(&tap, f, &rest))
			f->pay[0].iov_len = len;
		put(f, n, len, 0);
		tap_settle(&tap);
		memset(other, 0xee, sizeof(other));
		if (full && far->block)
			far->block(false);
		for (tap_flush(&tap); next < n && got(next, 9000, 0); next++)
			tap_flush(&tap);
		got(n, len, 0);
		nothing();
		eq(tap.nfree, TAP_SLOTS);
		far->close();
	}
}

#define AHEAD	1000000			/* sequence numbers of answers */

/* Everything that is on the link and in its queue, in the order of arrival: how many frames, their sequence numbers in
 * @seq
 */
static unsigned drain(unsigned *seq, unsigned max)
{
	struct frame_out f;
	unsigned n = 0;
	struct wire w;

	do {
		tap_flush(&tap);
		while (n < max && far->recv(&f) && ok(!wire_parse(&f, &tap.caps, &w)))
			seq[n++] = w.seq;
	} while (tap.qlen && n < max);
	return n;
}

/* Answers while the link is full of other frames: in spare slots, and ahead; a flow's last word too, but in order */
static void test_answers(void)
{
	static unsigned seq[4096];
	unsigned n, queued, last = 0, ahead = 0, got_n, next = 0, next_ahead = AHEAD, before = 0;
	struct frame *f;

	test("VM-04 %s: full: answers are not lost, and go first; each kind has its share of the spare slots",
	     far->name);
	begin();
	if (far->block)
		far->block(true);
	n = fill(0, 9000);
	queued = tap.qlen;
	eq(tap_reserve(&tap, &f, 1, 0, TAP_ANY), 0);
	for (; tap_reserve(&tap, &f, 1, 10, ahead > last ? TAP_LAST : TAP_ANSWER);)
		put(f, ahead > last ? n + last++ : AHEAD + ahead++, 10, 0);
	eq(last + ahead, TAP_SPARE / 2);
	eq(tap_reserve(&tap, &f, 1, 0, TAP_ANSWER), 0);
	for (; tap_reserve(&tap, &f, 1, DGRAM_ROOM, TAP_VITAL); ahead++)
		put(f, AHEAD + ahead, 20, 0);
	eq(last + ahead, TAP_SPARE);
	eq(tap_flush(&tap), -EAGAIN);
	eq(tap.qlen, queued + TAP_SPARE - far->answers);

	if (far->block)
		far->block(false);
	got_n = drain(seq, ARRAY_SIZE(seq));
	eq(got_n, n + TAP_SPARE);
	for (unsigned i = 0; i < got_n; i++) {
		if (seq[i] < AHEAD) {
			eq(seq[i], next++);
		} else {
			eq(seq[i], next_ahead++);
			before = next;
		}
	}
	ok(before <= n - queued + 1);		/* what the link held, and what was cut short */
	eq(next, n + last);
	eq(tap.nfree, TAP_SLOTS);
	eq(tap.nspare, TAP_SPARE);
	eq(tap.qahead, 0);
	far->close();
}

/* A datagram in fragments that begins while the link is full, and has slots, is there as a whole */
static void test_fragments(void)
{
	const struct net_hdr h = { .src = { addr_from4(htonl(0xc6336401)), 1 },
				   .dst = { addr_from4(htonl(0xc6336402)), 2 } };
	struct frame *f;
	unsigned n = 0;

	test("VM-04 %s: full: of datagrams in fragments, none begins that does not end", far->name);
	begin();
	if (far->block)
		far->block(true);
	for (unsigned i = 0; i < 100000 && !tap.full && tap_reserve(&tap, &f, 1, 9000, TAP_ANY); i++) {
		put(f, i, 9000, 0);
		tap_flush(&tap);
	}
	ok(tap.full);
	for (; n < 100 && tap_reserve(&tap, &f, 1, DGRAM_ROOM, TAP_ANY); n++) {
		struct net_hdr to = h;

		memset(f->pay[0].iov_base, 0, 60000);
		ok(tap_commit_dgram(&tap, f, &to, NULL, 60000, 1500));
	}
	ok(n >= 2);
	far->close();
}

static void test_reset(void)
{
	struct frame_out o;
	struct frame *f;

	test("%s: reset: the queue is forgotten, all slots are free", far->name);
	begin();
	if (far->block)
		far->block(true);
	fill(0, 20000);
	tap_reset(&tap);
	eq(tap.nfree, TAP_SLOTS);
	ok(!tap.full);
	if (far->block)
		far->block(false);
	while (far->recv(&o))
		;
	if (far->renew)
		far->renew();
	eq(tap_flush(&tap), 0);
	nothing();
	eq(tap_reserve(&tap, &f, 1, 10, TAP_ANY), 1);
	put(f, 7, 10, 0);
	eq(tap_flush(&tap), 0);
	got(7, 10, 0);
	far->close();
}

static void test_absent(void)
{
	struct frame *f[2];
	int fd;

	test("%s: no guest: nothing can be reserved, nothing is queued, and all is well when there is one", far->name);
	begin();
	fd = tap.fd;
	tap.fd = -1;
	eq(tap_reserve(&tap, f, 1, 10, TAP_ANY), 0);
	eq(tap_reserve_exact(&tap, f, 2, TAP_ROOM, net_hdr_len(true, TCP_HLEN)), 0);
	eq(tap_reserve(&tap, f, 1, 0, TAP_ANY), 0);
	ok(!tap_takes(&tap));
	eq(tap_flush(&tap), 0);
	eq(tap.qlen, 0);
	eq(tap.nfree, TAP_SLOTS);
	ok(!tap.full);
	tap.fd = fd;
	ok(tap_takes(&tap));
	nothing();
	eq(tap_reserve(&tap, f, 1, 10, TAP_ANY), 1);
	put(f[0], 5, 10, 0);
	eq(tap_flush(&tap), 0);
	got(5, 10, 0);
	far->close();
}

/* Slots that ran out while others wait to be written: those are written first */
static void test_run_out(void)
{
	struct frame *f[TAP_SLOTS];

	test("%s: a reservation that finds too few slots writes what is queued", far->name);
	begin();
	eq(tap_reserve_exact(&tap, f, TAP_SLOTS, 10, net_hdr_len(true, TCP_HLEN)), TAP_SLOTS);
	for (unsigned i = 0; i < TAP_SLOTS; i++)
		put(f[i], i, 10, 0);
	eq(tap_reserve_exact(&tap, f, TAP_SLOTS, 10, net_hdr_len(true, TCP_HLEN)), TAP_SLOTS);
	for (unsigned i = 0; i < TAP_SLOTS; i++)
		got(i, 10, 0);
	nothing();
	for (unsigned i = 0; i < TAP_SLOTS; i++)
		put(f[i], TAP_SLOTS + i, 10, 0);
	eq(tap_flush(&tap), 0);
	for (unsigned i = 0; i < TAP_SLOTS; i++)
		got(TAP_SLOTS + i, 10, 0);
	nothing();
	far->close();
}

static void test_gone(void)
{
	struct frame *f;
	int err;

	if (!far->gone)
		return;
	test("%s: the guest goes away: an error that says so", far->name);
	begin();
	err = far->gone();
	eq(tap_reserve(&tap, &f, 1, 10, TAP_ANY), 1);
	put(f, 0, 10, 0);
	eq(tap_flush(&tap), err);
	far->close();
}

static void test_super(void)
{
	struct frame *f[4];

	if (!far->caps.tso4)
		return;
	test("%s: super-packets go out as one frame, with what the guest needs to cut them", far->name);
	begin();
	eq(tap_reserve_exact(&tap, f, 4, TAP_ROOM, net_hdr_len(true, TCP_HLEN)), 4);
	put(f[0], 0, 14601, 1460);
	put(f[1], 1, 1460, 1460);		/* one segment is no super-packet */
	put(f[2], 2, 65535 - 40, 1000);
	put(f[3], 3, TAP_SUPER - 40, 1000);
	eq(tap_flush(&tap), 0);
	got(0, 14601, 1460);
	got(1, 1460, 0);
	got(2, 65535 - 40, 1000);
	got(3, TAP_SUPER - 40, 1000);
	nothing();
	eq(tap.stats.tx_lost, 0);
	far->close();
}

static void test_largest(void)
{
	struct frame *f;

	test("%s: the largest packet there is", far->name);
	begin();
	eq(tap_reserve_exact(&tap, &f, 1, 65535 - 40, net_hdr_len(true, TCP_HLEN)), 1);
	put(f, 3, 65535 - 40, 0);
	eq(tap_flush(&tap), 0);
	got(3, 65535 - 40, 0);
	far->close();
}

/* Receives up to @max frames: each is checked against @check, which gets its number; returns how many there were */
static unsigned recv_all(unsigned max, void (*check)(unsigned i, const struct raw *raw))
{
	static struct raw raw[TAP_BATCH];
	unsigned n = 0;
	int rc;

	while (n < max && (rc = tap_recv(&tap, raw)) != 0) {
		if (!ok(rc > 0 && rc <= TAP_BATCH))
			break;
		for (int i = 0; i < rc; i++) {
			size_t sum = 0;

			for (unsigned j = 0; j < raw[i].cnt; j++)
				sum += raw[i].iov[j].iov_len;
			eq(sum, raw[i].len);
			check(n++, &raw[i]);
		}
		tap_recv_done(&tap);
	}
	return n;
}

static size_t in_len[1000];

static void check_in(unsigned i, const struct raw *raw)
{
	struct view v = { raw->iov, raw->cnt, 0, raw->len };
	static uint8_t buf[WIRE_MAX];

	eq(raw->len, in_len[i]);
	ok(view_copy(&v, 0, buf, raw->len));
	for (size_t j = 0; j < raw->len; j++)
		if (buf[j] != byte_of(i, j)) {
			ok(!"frame as the guest sent it");
			return;
		}
}

static void test_recv(void)
{
	static uint8_t frame[2000];
	const struct offload off = { 0 };
	unsigned sent = 0;

	test("%s: frames from the guest, one by one and in batches, in order and whole", far->name);
	begin();
	eq(recv_all(1, check_in), 0);
	for (unsigned round = 0; round < 30; round++) {
		unsigned n = round < 10 ? 1 : round;

		for (unsigned i = 0; i < n; i++) {
			size_t len = 60 + (i * 177 + round * 31) % 1400;

			in_len[i] = len;
			for (size_t j = 0; j < len; j++)
				frame[j] = byte_of(i, j);
			far->send(frame, len, &off);
		}
		eq(recv_all(n, check_in), n);
		sent += n;
	}
	eq(tap.stats.rx_frames, sent);
	eq(recv_all(1, check_in), 0);
	far->close();
}

static struct offload in_off;

static void check_off(unsigned i, const struct raw *raw)
{
	(void)i;
	eq(raw->off.gso, in_off.gso);
	eq(raw->off.partial, in_off.partial);
	eq(raw->len, in_len[0]);
}

static void test_recv_super(void)
{
	static uint8_t frame[14 + 65535];

	if (!far->caps.tso4)
		return;
	test("%s: super-packets from the guest, up to the largest, and what they leave to do", far->name);
	begin();
	in_len[0] = sizeof(frame);
	in_off = (struct offload){ .gso = 1448, .partial = true };
	far->send(frame, sizeof(frame), &in_off);
	eq(recv_all(1, check_off), 1);
	in_len[0] = 100;
	in_off = (struct offload){ .partial = true };
	far->send(frame, 100, &in_off);
	eq(recv_all(1, check_off), 1);
	in_off = (struct offload){ 0 };
	far->send(frame, 100, &in_off);
	eq(recv_all(1, check_off), 1);
	far->close();
}

static unsigned dropped;

static void check_hostile(unsigned i, const struct raw *raw)
{
	struct pkt p;

	(void)i;
	ok(raw->len > 0);
	dropped += pkt_parse(raw, &p) != DROP_NONE;
}

static void test_hostile(void)
{
	static const struct offload odd[] = {
		{ .gso = 0 }, { .gso = 1, .partial = true }, { .gso = 65535, .partial = true }, { .gso = 65535 },
	};
	uint8_t frame[80];
	unsigned n = 0;

	test("%s: frames of hostile lengths are dropped by who reads them, and harm nobody", far->name);
	begin();
	memset(frame, 0xff, sizeof(frame));
	put_be16(frame + 12, 0x0800);
	for (size_t len = 1; len <= 60; len++) {
		far->send(frame, len, &odd[len % (tap.caps.tso4 ? 4 : 1)]);
		n++;
		if (len % 7 == 0)
			recv_all(n, check_hostile);
	}
	recv_all(n, check_hostile);
	eq(dropped, 60);
	dropped = 0;
	far->close();
}

int main(void)
{
	static void (*const cases[])(void) = {
		test_order, test_reserve, test_unreserve, test_full, test_borrow, test_answers, test_fragments,
		test_reset, test_absent, test_run_out, test_gone, test_super, test_largest, test_recv, test_recv_super,
		test_hostile,
	};

	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < ARRAY_SIZE(far_ends); i++) {
		far = &far_ends[i];
		for (unsigned j = 0; j < ARRAY_SIZE(cases); j++)
			cases[j]();
	}
	return done();
}
