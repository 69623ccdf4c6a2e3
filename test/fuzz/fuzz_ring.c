/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_ring.c - the rings of a virtual machine, whose driver writes anything there, at any time
 *
 * Input: features (bit 5: a log of dirty pages), binary logarithm of the rings' size, how often memory changes between
 * two reads of ours, a seed for that; then what driver and link do by turns, see step(). No pointer may lead out of the
 * guest's memory, no slot be lost, no frame be longer than its buffers, and each call has to return.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "../ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)	((x) ? (void)0 : abort())
#define STEPS		400
#define RINGS		(64U << 10)	/* bytes of the arena with all that is read: rings, tables, headers */
#define TABLES		(32U << 10)	/* tables and headers there */

static const uint8_t *input;
static size_t input_len;
static uint32_t seed, rate;

static unsigned byte(void)
{
	return input_len ? input_len--, *input++ : 0;
}

static unsigned word(void)
{
	return byte() << 8 | byte();
}

static uint32_t random_word(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

/* The driver's other CPU, between any two reads of ours */
static uint64_t meanwhile(uint64_t v)
{
	if (rate && random_word() % rate == 0) {
		uint32_t at = random_word() % (RINGS - 4), what = random_word();

		what = what & 0x10000 ? what : what & 7;
		memcpy(ring_arena.low + (at & ~1U), &what, what & 0x20000 ? 4 : 2);
	}
	return v;
}

static uint16_t fuzz_load16(const uint16_t *p, int order)
{
	return (uint16_t)meanwhile(__atomic_load_n(p, order));
}

/* Reads of a ring, as virtq.c makes them */
#undef le64toh
#define le64toh(x)		meanwhile(x)
#define __atomic_load_n(p, order) fuzz_load16(p, order)
#include "../../virtq.c"
#undef __atomic_load_n
#undef le64toh
#include "../../tap_vhost.c"

static struct tap tap;
static struct ring ring[2];
static uint8_t dirty[(RING_GPA + 2UL * RING_ARENA) / MEM_PAGE / 8];	/* pages */

static bool in_memory(const struct iovec *v)
{
	const uint8_t *at = v->iov_base;

	return v->iov_len && ((at >= ring_arena.low && v->iov_len <= (size_t)(ring_arena.low + RING_ARENA - at)) ||
			      (at >= ring_arena.high && v->iov_len <= (size_t)(ring_arena.high + RING_ARENA - at)));
}

/* An address: of tables and headers, of data, close to the end of a region, or any */
static uint64_t address(void)
{
	switch (byte() % 5) {
	case 0:
		return RING_GPA + TABLES + word() % (RINGS - TABLES);
	case 1:
		return RING_GPA + RINGS + 64UL * word() % (RING_ARENA - RINGS);
	case 2:
		return RING_GPA + RING_ARENA - byte();
	case 3:
		return RING_GPA + 2UL * RING_ARENA - byte();
	default:
		return (uint64_t)word() << 48 | (uint64_t)word() << 24 | word();
	}
}

static struct vring_desc some_desc(void)
{
	struct vring_desc d = { .addr = address() };
	unsigned kind = byte();

	d.len = kind & 64 ? word() * 16U : kind & 32 ? word() << 16 : word() % 4096;
	d.flags = (uint16_t)(kind & 7);
	d.next = (uint16_t)byte();
	return d;
}

static void driver(struct ring *r, unsigned op)
{
	struct vring_desc d = some_desc();

	switch (op) {
	case 0:					/* chain of one, as it should be */
		d.flags = r == &ring[0] ? VRING_DESC_F_WRITE : 0;
		d.addr = RING_GPA + RINGS + 4096UL * (r->free % 256);
		d.len = 2048;
		r->desc[r->free % r->size] = d;
		ring_offer(r, (uint16_t)(r->free++ % r->size));
		break;
	case 1:
		r->desc[d.next % r->size] = d;
		break;
	case 2:
		memcpy(ring_arena.low + TABLES + 16UL * byte(), &d, sizeof(d));
		break;
	case 3:
		ring_offer(r, d.next);
		break;
	case 4:
		r->avail->idx = (uint16_t)(r->avail->idx + (d.flags & 1 ? d.len : d.len % 4));
		break;
	default:
		r->avail->flags = d.flags & 1;
		*r->used_event = d.next;
	}
}

static void receive(void)
{
	static struct raw raw[TAP_BATCH];
	int n = tap_recv(&tap, raw);
	struct pkt p;

	CHECK(n >= 0 && n <= TAP_BATCH);
	for (int i = 0; i < n; i++) {
		size_t sum = 0;

		for (unsigned k = 0; k < raw[i].cnt; k++) {
			CHECK(in_memory(&raw[i].iov[k]));
			sum += raw[i].iov[k].iov_len;
		}
		CHECK(sum == raw[i].len && sum);
		pkt_parse(&raw[i], &p);
	}
	tap_recv_done(&tap);
}

/* Reserves up to eight frames, commits some of them, out of order too, gives back the others */
/* @hdr: bytes of headers that the link was told; 0: no exact length */
static void transmit(unsigned hdr)
{
	const struct net_hdr net = { .src = { addr_from4(1), 1 }, .dst = { addr_from4(2), 2 } };
	const struct tcp_seg s = { .wscale = TCP_WSCALE_NONE };
	size_t room = word() * (byte() % 4 ? 1U : 4U) % (TAP_ROOM / 2);
	unsigned n, commit, turned = byte() % 8;
	struct frame *f[8];

	n = 1 + byte() % 8;
	n = hdr ? tap_reserve_exact(&tap, f, n, room, hdr) : tap_reserve(&tap, f, n, room, TAP_ANY);
	commit = n ? byte() % (n + 1) : 0;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < f[i]->npay; k++) {
			CHECK(f[i]->own == FRAME_POOL || in_memory(&f[i]->pay[k]));
			memset(f[i]->pay[k].iov_base, 1, f[i]->pay[k].iov_len);
		}
		CHECK(i + 1 == n || frame_room(f[i]) == room);
		f[i]->len = frame_room(f[i]) >> (byte() % 4 ? 0 : 1);
	}
	for (unsigned i = 0; i < commit; i++) {
		struct frame *fr = f[turned ? i : commit - 1 - i];

		frame_tcp(fr, &net, &s, 1000, &tap.caps);
		tap_commit(&tap, fr);
	}
	tap_unreserve(&tap, f + commit, n - commit);
	CHECK(!tap.lent);
}

static void step(void)
{
	unsigned op = byte(), what = op % 16;
	uint32_t events;

	if (what < 8) {
		driver(&ring[op >> 7], what % 6);
	} else if (what < 11) {
		receive();
	} else if (what < 14) {
		transmit(what == 13 ? 0 : net_hdr_len(op & 64, TCP_HLEN));
	} else if (what == 14) {
		CHECK(!tap_event(&tap, VHOST_SUB_KICK(op >> 7), &events));
		tap.full &= !(events & EPOLLOUT);
	} else {
		int rc = tap_flush(&tap);

		CHECK(rc == 0 || rc == -EAGAIN);
	}
}

static void start(void)
{
	const struct caps caps = { .mtu = 65535, .csum = true, .tso4 = IP_MAX, .tso6 = IP_MAX, .link_hdr = 12 };
	unsigned bits = byte(), size = 1U << byte() % 8;
	struct vhost *v = vhost_of(0);
	uint64_t use = (bits & 1 ? 1ULL << VIRTIO_RING_F_EVENT_IDX : 0) |
		       (bits & 2 ? 1ULL << VIRTIO_RING_F_INDIRECT_DESC : 0) |
		       (bits & 4 ? 1ULL << VIRTIO_NET_F_MRG_RXBUF : 0);

	rate = byte();
	seed = 1 + word();
	memset(ring_arena.low, 0, RINGS);
	memset(dirty + RING_GPA / MEM_PAGE / 8, 0, sizeof(dirty) - RING_GPA / MEM_PAGE / 8);
	memset(told, 1, sizeof(told));		/* no log */
	ring_memory();
	*v = (struct vhost){ .use = use, .mem = ring_mem, .pairs = 1 };
	if (bits & 32) {
		v->mem.log = dirty;
		v->mem.log_len = sizeof(dirty) - (bits & 64 ? 64 : 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct vhost_ring *r = &v->ring[i];

		ring_init(&ring[i], i * TABLES / 2, size);
		*r = (struct vhost_ring){ .started = true, .kick = -1, .call = -1, .err = -1 };
		r->enabled = !(bits & 8) || !i;
		ring[i].avail->idx = ring[i].used->idx = (uint16_t)(bits & 16 ? 65530 : 0);
		CHECK(!virtq_start(&r->q, &v->mem, &ring[i].place, size, ring[i].used->idx,
				   i ? VIRTQ_READ : VIRTQ_WRITE, use));
		r->q.logged = bits & 32;
		r->q.log = RING_GPA + (uint64_t)((uint8_t *)ring[i].used - ring_arena.low);
	}
	tap_init(&tap, &vhost_ops, 99, &caps, -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned pool = 0;

	input = data;
	input_len = size;
	start();
	for (unsigned i = 0; i < STEPS && input_len; i++)
		step();

	for (unsigned i = 0; i < tap.qlen; i++)
		pool += tap_queued(&tap, i)->slot < TAP_SLOTS;
	CHECK(tap.nfree + pool == TAP_SLOTS);
	for (size_t i = 0; i < RING_GPA / MEM_PAGE / 8; i += 4096)
		CHECK(!dirty[i]);
	for (size_t i = 0; i < sizeof(ring_arena.gap); i++)
		CHECK(!ring_arena.gap[i]);
	return 0;
}
