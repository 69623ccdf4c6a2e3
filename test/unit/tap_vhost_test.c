/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_vhost_test.c - virtio rings as a link: buffers that are lent, notifications, batches, drivers that break rules
 *
 * What all links promise is in tap_contract_test.c.
 */
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../t.h"
#include "../ring.h"

static int late_take(struct virtq *q, struct iovec *iov, unsigned max, struct virtq_chain *ch);

#define vhost_control	fake_control
#define virtq_take	late_take
#include "../../tap_vhost.c"
#undef virtq_take

#define SIZE	64
#define RX(i)	(ring_arena.low + (1U << 20) + 4096UL * (i))
#define TX	(ring_arena.high)
#define MERGE	(1ULL << VIRTIO_NET_F_MRG_RXBUF)
#define EVENT	(1ULL << VIRTIO_RING_F_EVENT_IDX)
#define HDR	(12 + 14 + 20 + 20)

static struct tap tap;
static struct ring in, out;		/* to the guest, from it */
static uint64_t use_next;		/* features after fake_control() */
static unsigned late;			/* takes until the driver posts another buffer */

int fake_control(struct vhost *v)
{
	v->use = use_next;
	return 0;
}

static void post(size_t len)
{
	const struct iovec iov = { RX(in.free % SIZE), len };

	ring_add(&in, &iov, 1, VRING_DESC_F_WRITE);
}

static int late_take(struct virtq *q, struct iovec *iov, unsigned max, struct virtq_chain *ch)
{
	int rc = virtq_take(q, iov, max, ch);

	if (late && !--late)
		post(1000);
	return rc;
}

static void begin(uint64_t use, unsigned posted, size_t len)
{
	const struct caps caps = { .mtu = 65535, .csum = true, .tso4 = IP_MAX, .link_hdr = 12 };
	struct vhost *v = vhost_of(0);

	for (unsigned i = 0; i < 2; i++)
		if (v->ring[i].q.size)
			close(v->ring[i].call);
	*v = (struct vhost){ .use = use, .pairs = 1 };
	ring_memory();
	ring_init(&in, 0, SIZE);
	ring_init(&out, 128U << 10, SIZE);
	v->mem = ring_mem;
	for (unsigned i = 0; i < 2; i++) {
		struct vhost_ring *r = &v->ring[i];

		*r = (struct vhost_ring){ .started = true, .enabled = true, .kick = -1, .err = -1 };
		r->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		eq(virtq_start(&r->q, &v->mem, i ? &out.place : &in.place, SIZE, 0, i ? VIRTQ_READ : VIRTQ_WRITE, use),
		   0);
	}
	tap_init(&tap, &vhost_ops, 99, &caps, -1);
	late = 0;
	while (posted--)
		post(len);
}

/* Notifications of a ring so far */
static unsigned calls(unsigned ring)
{
	uint64_t n;

	return read(vhost_of(0)->ring[ring].call, &n, sizeof(n)) == sizeof(n) ? (unsigned)n : 0;
}

static void put_with(struct frame *f, size_t len, bool ts)
{
	const struct net_hdr net = { .src = { addr_from4(htonl(0xc0000201)), 80 },
				     .dst = { addr_from4(htonl(0xc6336402)), 4000 } };
	const struct tcp_seg s = { .flags = TCP_ACK, .wscale = TCP_WSCALE_NONE, .ts = ts };

	f->len = len;
	frame_tcp(f, &net, &s, 0, &tap.caps);
	tap_commit(&tap, f);
}

static void put(struct frame *f, size_t len)
{
	put_with(f, len, false);
}

/* Next used buffer: descriptor, bytes, and with the first of a frame, buffers in its header */
static bool used(unsigned id, unsigned len, unsigned buffers)
{
	const struct vring_used_elem *e = ring_used(&in);
	struct virtio_net_hdr_v1 h;

	if (!ok(e))
		return false;
	memcpy(&h, RX(e->id), sizeof(h));
	return eq(e->id, id) & eq(e->len, len) & (!buffers || eq(h.num_buffers, buffers));
}

static void test_lend(void)
{
	struct frame *f[3], *other;

	test("TCP's payload is in the guest's buffers, behind the headers' place, which are filled in at commit");
	begin(MERGE, 10, 1000);
	eq(tap_reserve_exact(&tap, f, 3, 2000, net_hdr_len(true, TCP_HLEN)), 3);
	for (unsigned i = 0; i < 3; i++) {
		eq(f[i]->npay, 3);
		ok(f[i]->pay[0].iov_base == RX(3 * i) + HDR && f[i]->pay[0].iov_len == 1000 - HDR);
		ok(f[i]->pay[1].iov_base == RX(3 * i + 1) && f[i]->pay[1].iov_len == 1000);
		eq(frame_room(f[i]), 2000);
	}
	tap_unreserve(&tap, f + 2, 1);
	put(f[0], 2000);
	put(f[1], 5);
	eq(in.used->idx, 0);
	eq(tap_flush(&tap), 0);
	used(0, 1000, 3);
	used(1, 1000, 0);
	used(2, 66, 0);
	used(3, HDR + 5, 1);
	eq(get_be16(RX(3) + 12 + 12), ETH_P_IP);

	test("buffers that weren't needed go to the next frame, of whatever kind");
	eq(tap_reserve(&tap, &other, 1, 100, TAP_ANY), 1);
	put(other, 7);
	eq(tap_flush(&tap), 0);
	used(4, HDR + 7, 1);
	eq(tap_reserve_exact(&tap, f, 1, 100, net_hdr_len(false, TCP_HLEN)), 1);
	ok(f[0]->pay[0].iov_base == RX(5) + HDR + 20);
	tap_unreserve(&tap, f, 1);
	eq(tap.nfree, TAP_SLOTS);
	eq(vhost_of(0)->ring[0].q.out, 0);

	test("without mergeable buffers: one for each frame, with as much as it holds");
	begin(0, 2, 1000);
	eq(tap_reserve_exact(&tap, f, 3, 900, net_hdr_len(true, TCP_HLEN)), 2);
	eq(f[1]->npay, 1);
	put(f[0], 900);
	tap_unreserve(&tap, f + 1, 1);
	eq(tap_reserve_exact(&tap, f, 3, 2000, net_hdr_len(true, TCP_HLEN)), 1);
	eq(frame_room(f[0]), 1000 - HDR);
	put(f[0], 10);
	eq(tap_flush(&tap), 0);
	used(0, HDR + 900, 1);
	used(1, HDR + 10, 1);

	test("the place has room for the segments' options; other headers than promised cost a copy");
	begin(MERGE, 4, 1000);
	eq(tap_reserve_exact(&tap, f, 2, 100, net_hdr_len(true, TCP_HLEN + TCP_TS_LEN)), 2);
	ok(f[0]->pay[0].iov_base == RX(0) + HDR + TCP_TS_LEN);
	memset(f[0]->pay[0].iov_base, 'a', 100);
	memset(f[1]->pay[0].iov_base, 'b', 100);
	put_with(f[0], 100, true);
	eq(f[0]->own, FRAME_DONE);
	put(f[1], 100);
	eq(tap_flush(&tap), 0);
	used(0, HDR + TCP_TS_LEN + 100, 1);
	eq(RX(0)[HDR + TCP_TS_LEN], 'a');
	used(1, HDR + 100, 1);
	eq(RX(1)[HDR], 'b');
}

static void test_short(void)
{
	struct frame *f[3];
	uint32_t events = 0;

	test("the last buffers: a frame with less room; then the link is full, and a kick is asked for");
	begin(MERGE | EVENT, 3, 1000);
	eq(tap_reserve_exact(&tap, f, 3, 1900, net_hdr_len(true, TCP_HLEN)), 2);
	eq(frame_room(f[0]), 1900);
	eq(frame_room(f[1]), 1000 - HDR);
	put(f[0], 1900);
	put(f[1], 1000 - HDR);
	eq(tap_reserve_exact(&tap, f, 3, 1900, net_hdr_len(true, TCP_HLEN)), 0);
	ok(tap.full);
	eq(tap_flush(&tap), -EAGAIN);
	ok(!tap.qlen && tap.full);
	eq(*in.avail_event, 3);
	post(1000);
	eq(tap_event(&tap, VHOST_SUB_KICK(0), &events), 0);
	eq(events, EPOLLOUT);
	tap.full = false;
	eq(tap_reserve_exact(&tap, f, 3, 1900, net_hdr_len(true, TCP_HLEN)), 1);
	tap_unreserve(&tap, f, 1);
	eq(tap_event(&tap, VHOST_SUB_KICK(1), &events), 0);
	eq(events, EPOLLIN);

	test("buffers that come during a reservation: no frame is behind one with less room");
	begin(MERGE, 1, 1000);
	late = 2;
	eq(tap_reserve_exact(&tap, f, 3, 1900, net_hdr_len(true, TCP_HLEN)), 1);
	eq(frame_room(f[0]), 1000 - HDR);
	tap_unreserve(&tap, f, 1);
	begin(MERGE, 0, 0);
	late = 1;
	eq(tap_reserve_exact(&tap, f, 3, 500, net_hdr_len(true, TCP_HLEN)), 1);
	tap_unreserve(&tap, f, 1);
}

/* Commits a frame of @room from a reservation, whose payload has to be in the pool */
static void by_copy(size_t room)
{
	struct frame *f;

	eq(tap_reserve_exact(&tap, &f, 1, room, net_hdr_len(true, TCP_HLEN)), 1);
	eq(f->own, FRAME_POOL);
	eq(frame_room(f), room);
	memset(f->pay[0].iov_base, 0x5a, room);
	put(f, room);
	eq(tap_flush(&tap), 0);
	eq(tap.stats.tx_lost, 0);
}

static void test_pool(void)
{
	const struct iovec three[3] = { { RX(0), 12 }, { RX(0) + 12, 30 }, { RX(0) + 42, 1000 } };
	struct frame *f;
	bool good = true;

	test("headers' place in too many pieces: payload is copied");
	begin(0, 0, 0);
	ring_add(&in, three, 3, VRING_DESC_F_WRITE);
	by_copy(500);
	used(0, HDR + 500, 1);
	for (unsigned i = 0; i < 500; i++)
		good &= RX(0)[HDR + i] == 0x5a;
	ok(good && RX(0)[HDR + 500] != 0x5a);

	test("in two pieces, as old drivers have it: the payload is in the buffer");
	begin(0, 0, 0);
	ring_add(&in, (const struct iovec[]){ { RX(0), 12 }, { RX(0) + 100, 1000 } }, 2, VRING_DESC_F_WRITE);
	eq(tap_reserve_exact(&tap, &f, 1, 500, net_hdr_len(true, TCP_HLEN)), 1);
	ok(f->own == FRAME_LENT && f->pay[0].iov_base == RX(0) + 100 + HDR - 12);
	put(f, 3);
	eq(tap_flush(&tap), 0);
	used(0, HDR + 3, 1);
	eq(get_be16(RX(0) + 100 + 12), ETH_P_IP);

	test("more pieces than a frame has: payload is copied");
	begin(MERGE, SIZE, 70);
	by_copy(SIZE * 70 - HDR);
	used(0, 70, SIZE);

	test("a frame that all buffers together don't hold is lost, and the link goes on");
	begin(MERGE, SIZE, 70);
	eq(tap_reserve(&tap, &f, 1, SIZE * 70, TAP_ANY), 1);
	put(f, SIZE * 70 - HDR + 1);
	eq(tap_reserve(&tap, &f, 1, 10, TAP_ANY), 1);
	put(f, 10);
	eq(tap_flush(&tap), 0);
	eq(tap.stats.tx_lost, 1);
	used(0, 70, 2);

	test("without mergeable buffers, the same for one buffer");
	begin(0, SIZE, 100);
	eq(tap_reserve(&tap, &f, 1, 2000, TAP_ANY), 1);
	put(f, 101 - HDR);
	eq(tap_flush(&tap), 0);
	eq(tap.stats.tx_lost, 1);
	ok(!ring_used(&in));
}

static void test_wait(void)
{
	struct frame *f;

	test("a frame that finds too few buffers waits for more than there are, and none passes it");
	begin(MERGE | EVENT, 2, 1000);
	eq(tap_reserve(&tap, &f, 1, 3000, TAP_ANY), 1);
	put(f, 3000);
	eq(tap_reserve(&tap, &f, 1, 10, TAP_ANY), 1);
	put(f, 10);
	eq(tap_flush(&tap), -EAGAIN);
	eq(*in.avail_event, 2);
	ok(!ring_used(&in));
	eq(tap_reserve_exact(&tap, &f, 1, 10, net_hdr_len(true, TCP_HLEN)), 0);
	for (unsigned i = 0; i < 3; i++)
		post(1000);
	eq(tap_flush(&tap), -EAGAIN);		/* none waits, but there is no buffer left */
	eq(*in.avail_event, 5);
	used(0, 1000, 4);
	used(1, 1000, 0);
	used(2, 1000, 0);
	used(3, HDR, 0);
	used(4, HDR + 10, 1);
	tap.full = false;

	test("other features: frames that wait are as the former driver wanted them, and are gone");
	eq(tap_reserve(&tap, &f, 1, 3000, TAP_ANY), 1);
	put(f, 3000);
	eq(tap.qlen, 1);
	use_next = MERGE | EVENT;
	eq(tap_event(&tap, VHOST_SUB_CONTROL, &(uint32_t){ 0 }), 0);
	eq(tap.qlen, 1);
	use_next = MERGE;
	eq(tap_event(&tap, VHOST_SUB_CONTROL, &(uint32_t){ 0 }), 0);
	eq(tap.qlen, 0);
	eq(tap.stats.tx_lost, 1);
	eq(tap.nfree, TAP_SLOTS);
}

static void test_calls(void)
{
	struct frame *f[4];

	test("to the guest: one notification for all frames of a turn, and before anything else changes");
	begin(MERGE, SIZE, 1000);
	eq(tap_reserve_exact(&tap, f, 4, 100, net_hdr_len(true, TCP_HLEN)), 4);
	for (unsigned i = 0; i < 4; i++)
		put(f[i], 100);
	eq(calls(0), 0);
	eq(tap_flush(&tap), 0);
	eq(calls(0), 1);
	eq(tap_flush(&tap), 0);
	eq(calls(0), 0);
	eq(tap_reserve_exact(&tap, f, 1, 100, net_hdr_len(true, TCP_HLEN)), 1);
	put(f[0], 100);
	use_next = MERGE;
	eq(tap_event(&tap, VHOST_SUB_CONTROL, &(uint32_t){ 0 }), 0);
	eq(calls(0), 1);

	test("none that the driver doesn't want");
	tap_reset(&tap);
	tap.down = false;
	in.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	eq(tap_reserve_exact(&tap, f, 1, 100, net_hdr_len(true, TCP_HLEN)), 1);
	put(f[0], 100);
	eq(tap_flush(&tap), 0);
	eq(calls(0), 0);
	eq(in.used->idx, 6);
}

/* A frame from the guest of @len bytes, in pieces of @piece, with its header */
static void guest_sends(size_t len, size_t piece)
{
	static unsigned at;
	struct iovec iov[SIZE];
	unsigned n = 0;

	memset(TX + at, 0, len);
	for (size_t off = 0; off < len; off += piece)
		iov[n++] = (struct iovec){ TX + at + off, MIN(piece, len - off) };
	at = (at + ROUND_UP((unsigned)len, 64)) % (1U << 20);
	ring_add(&out, iov, n, 0);
}

static void test_recv(void)
{
	static struct raw raw[TAP_BATCH];
	const struct vring_used_elem *e;

	test("frames from the guest, the header in pieces; what is no more than one is used, and nothing else");
	begin(MERGE, 0, 0);
	guest_sends(12 + 100, 200);
	guest_sends(12 + 2, 1);
	guest_sends(12, 12);
	guest_sends(1, 1);
	eq(tap_recv(&tap, raw), 2);
	ok(raw[0].len == 100 && raw[0].cnt == 1 && raw[1].len == 2 && raw[1].cnt == 2);
	eq(tap.stats.tx_lost, 2);
	eq(out.used->idx, 0);
	eq(out.used->flags, 0);
	tap_recv_done(&tap);
	eq(calls(1), 1);
	for (unsigned i = 0; i < 4; i++)
		ok((e = ring_used(&out)) && !e->len);
	ok(!tap.more);

	test("a batch ends with 256 KiB, the rest comes without a kick; kicks are asked for at the end only");
	begin(MERGE, 0, 0);
	for (unsigned i = 0; i < 6; i++)
		guest_sends(60000, 60000);
	eq(tap_recv(&tap, raw), 5);
	ok(tap.more);
	eq(out.used->flags, VRING_USED_F_NO_NOTIFY);
	tap_recv_done(&tap);
	eq(tap_recv(&tap, raw), 1);
	ok(!tap.more);
	eq(out.used->flags, 0);
	tap_recv_done(&tap);

	test("a ring that isn't enabled: all is discarded");
	begin(MERGE, 0, 0);
	vhost_of(0)->ring[1].enabled = false;
	guest_sends(112, 112);
	eq(tap_recv(&tap, raw), 0);
	tap_recv_done(&tap);
	eq(out.used->idx, 1);
}

/* Is a broken ring an event for the front end? */
static bool reported(void)
{
	static struct raw raw[TAP_BATCH];
	int err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t n = 0;

	begin(MERGE, 2, 1000);
	vhost_of(0)->ring[1].err = err;
	ring_desc(&out, 5, 0, 100, 0, 0);
	ring_offer(&out, 5);
	eq(tap_recv(&tap, raw), 0);
	tap_recv_done(&tap);
	eq(tap_recv(&tap, raw), 0);
	tap_recv_done(&tap);
	(void)!read(err, &n, sizeof(n));
	close(err);
	return n == 1;
}

static void test_broken(void)
{
	int fd[2], ep = epoll_create1(EPOLL_CLOEXEC);
	static struct raw raw[TAP_BATCH];
	struct frame *f;

	test("a broken ring is reported once; that of the next guest, too");
	ok(reported());
	eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	eq(tap_vhost_attach(&tap, fd[0], ep, -1, false), 0);
	ok(reported());
	close(fd[0]);
	close(fd[1]);
	close(ep);

	test("a broken ring: what came before is served, then nothing, without a spin; the other ring goes on");
	begin(MERGE, 2, 1000);
	guest_sends(112, 112);
	ring_desc(&out, 5, 0, 100, 0, 0);
	ring_offer(&out, 5);
	eq(tap_recv(&tap, raw), 1);
	ok(!tap.more);
	tap_recv_done(&tap);
	eq(tap_recv(&tap, raw), 0);
	ok(!tap.more);
	tap_recv_done(&tap);
	eq(tap_reserve_exact(&tap, &f, 1, 10, net_hdr_len(true, TCP_HLEN)), 1);
	put(f, 10);
	eq(tap_flush(&tap), 0);
	used(0, HDR + 10, 1);

	test("the same to the guest: the link is full");
	in.desc[1].addr = 1;
	eq(tap_reserve_exact(&tap, &f, 1, 10, net_hdr_len(true, TCP_HLEN)), 0);
	ok(tap.full);
	eq(vhost_of(0)->ring[0].q.fault, VIRTQ_ADDRESS);
	tap.full = false;
	eq(tap_reserve(&tap, &f, 1, 10, TAP_ANY), 1);
	put(f, 10);
	eq(tap_flush(&tap), -EAGAIN);
	eq(tap_flush(&tap), -EAGAIN);

	test("memory that was cut short: the link is lost");
	vhost_of(0)->broken = true;
	eq(tap_recv(&tap, raw), -EFAULT);
	eq(tap_flush(&tap), -EFAULT);
}

static bool logged(const uint8_t *log, const uint8_t *at)
{
	uint64_t page = ring_gpa(at) / MEM_PAGE;

	return log[page / 8] >> page % 8 & 1;
}

static void test_log(void)
{
	static uint8_t log[(RING_GPA + 2 * RING_ARENA) / MEM_PAGE / 8];
	struct frame *f;

	test("buffers that were written to are in the log of dirty pages, lent and copied");
	begin(MERGE, 4, 1000);
	vhost_of(0)->mem.log = log;
	vhost_of(0)->mem.log_len = sizeof(log);
	eq(tap_reserve_exact(&tap, &f, 1, 1500, net_hdr_len(true, TCP_HLEN)), 1);
	put(f, 1500);
	ok(logged(log, RX(0)) && logged(log, RX(1)) && !logged(log, RX(2)));
	eq(tap_reserve(&tap, &f, 1, 100, TAP_ANY), 1);
	put(f, 100);
	ok(logged(log, RX(2)) && !logged(log, RX(3)));

	test("of a buffer, the pages that were written to, and no more");
	begin(MERGE, 0, 0);
	ring_add(&in, (struct iovec[]){ { ring_arena.high, RING_ARENA / 2 } }, 1, VRING_DESC_F_WRITE);
	ring_add(&in, (struct iovec[]){ { ring_arena.high + RING_ARENA / 2, RING_ARENA / 2 } }, 1, VRING_DESC_F_WRITE);
	memset(log, 0, sizeof(log));
	vhost_of(0)->mem.log = log;
	vhost_of(0)->mem.log_len = sizeof(log);
	eq(tap_reserve_exact(&tap, &f, 1, 60000, net_hdr_len(true, TCP_HLEN)), 1);
	put(f, 100);
	ok(logged(log, ring_arena.high) && !logged(log, ring_arena.high + MEM_PAGE));
	eq(tap_reserve(&tap, &f, 1, 100, TAP_ANY), 1);
	put(f, 100);
	ok(logged(log, ring_arena.high + RING_ARENA / 2) && !logged(log, ring_arena.high + RING_ARENA / 2 + MEM_PAGE));
}

/* Rings of pair @i, of which only the first is another's */
static struct ring more_in, more_out;

static void begin_pairs(unsigned i)
{
	struct vhost_ring *r = &vhost_of(0)->ring[2 * i];

	begin(MERGE, 8, 1000);
	vhost_of(0)->pairs = i + 1;
	ring_init(&more_in, 256U << 10, SIZE);
	ring_init(&more_out, 384U << 10, SIZE);
	r[0] = r[1] = (struct vhost_ring){ .started = true, .enabled = true, .kick = -1, .err = -1, .call = -1 };
	eq(virtq_start(&r[0].q, &vhost_of(0)->mem, &more_in.place, SIZE, 0, VIRTQ_WRITE, MERGE), 0);
	eq(virtq_start(&r[1].q, &vhost_of(0)->mem, &more_out.place, SIZE, 0, VIRTQ_READ, MERGE), 0);
	for (unsigned k = 0; k < 2; k++)
		ring_add(&more_in, &(struct iovec){ RX(SIZE + k), 1000 }, 1, VRING_DESC_F_WRITE);
}

static void test_pairs(void)
{
	static struct raw raw[TAP_BATCH];
	const struct iovec iov = { TX + (2U << 20), 100 };
	struct frame *f, *g;

	test("several queues: a frame is in the one of its flow, by reservation or by commit");
	begin_pairs(3);
	tap.pair = 3;
	eq(tap_reserve_exact(&tap, &f, 1, 100, net_hdr_len(true, TCP_HLEN)), 1);
	ok(f->pay[0].iov_base == RX(SIZE) + HDR);
	put(f, 100);
	tap.pair = 0;
	eq(tap_reserve(&tap, &f, 1, 100, TAP_ANY), 1);
	eq(tap_reserve(&tap, &g, 1, 100, TAP_ANY), 1);
	put(f, 1);
	tap.pair = 3;
	put(g, 2);
	eq(tap_flush(&tap), 0);
	eq(in.used->idx, 1);
	eq(more_in.used->idx, 2);
	used(0, HDR + 1, 1);

	test("a queue that is full: the kick is asked for there; with it, all goes on");
	eq(tap_reserve_exact(&tap, &f, 1, 100, net_hdr_len(true, TCP_HLEN)), 0);
	ok(tap.full);
	eq(more_in.used->flags, 0);
	ring_add(&more_in, &(struct iovec){ RX(SIZE), 1000 }, 1, VRING_DESC_F_WRITE);
	tap.full = false;
	eq(tap_reserve_exact(&tap, &f, 1, 100, net_hdr_len(true, TCP_HLEN)), 1);
	tap_unreserve(&tap, &f, 1);

	test("a queue that the driver has taken away, or never had: the first one");
	vhost_of(0)->ring[6].enabled = false;
	eq(tap_reserve_exact(&tap, &f, 1, 100, net_hdr_len(true, TCP_HLEN)), 1);
	ok(f->pay[0].iov_base == RX(1) + HDR);
	tap_unreserve(&tap, &f, 1);
	tap.pair = VHOST_PAIRS - 1;
	eq(tap_reserve_exact(&tap, &f, 1, 100, net_hdr_len(true, TCP_HLEN)), 1);
	ok(f->pay[0].iov_base == RX(1) + HDR);
	tap_unreserve(&tap, &f, 1);

	test("frames from all queues; one of a full batch doesn't keep the others from theirs");
	begin_pairs(3);
	for (unsigned i = 0; i < 10; i++)
		guest_sends(60000, 60000);
	ring_add(&more_out, &iov, 1, 0);
	eq(tap_recv(&tap, raw), 5);
	eq(raw[0].queue, 0);
	ok(tap.more);
	tap_recv_done(&tap);
	for (unsigned i = 1; i < 4; i++) {
		int n = tap_recv(&tap, raw);

		if (i == 1)
			ok(n >= 1 && raw[0].queue == 3 && raw[0].len == 88);
		tap_recv_done(&tap);
	}
	eq(more_out.used->idx, 1);
	eq(out.used->idx, 10);
	ok(!tap.more);
}

int main(void)
{
	test_pairs();
	test_lend();
	test_short();
	test_pool();
	test_wait();
	test_calls();
	test_recv();
	test_broken();
	test_log();
	return done();
}
