/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap.c - the guest's link: slots with their payload buffers, queue, backpressure, capture */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "pcap.h"
#include "tap.h"

static_assert(ETH_HLEN + TAP_SUPER <= PCAP_SNAPLEN, "a captured frame would be more than its readers take");

/* Not a multiple of a page apart: frames of up to 1500 bytes would all be in the same few sets of the caches */
#define TAP_STRIDE	(TAP_ROOM + 1536)
#define SPARE_STRIDE	(DGRAM_ROOM + 1536)

struct tap_pool {
	uint8_t	slot[TAP_SLOTS][TAP_STRIDE] __attribute__((aligned(4096)));
	uint8_t	spare[TAP_SPARE][SPARE_STRIDE] __attribute__((aligned(4096)));
};

/* By guest: memory is touched as a link is used. Addresses are taken at the start, of as many guests as there may be:
 * 64 in the program's own memory would be more than some hosts have.
 */
static struct frame tap_frames[GUEST_MAX][TAP_FRAMES];
static struct tap_pool tap_pool;		/* of the first one */
static struct tap_pool *tap_pools;		/* of the others */

void tap_guests(unsigned n)
{
	size_t size = (n - 1) * sizeof(*tap_pools);

	if (n < 2 || tap_pools)
		return;
	tap_pools = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tap_pools == MAP_FAILED)
		die("No memory for %u guests: %s", n, errno_text(errno));
}

void tap_init(struct tap *t, const struct tap_ops *ops, int fd, const struct caps *caps, int pcap)
{
	*t = (struct tap){
		.ops = ops, .caps = *caps, .fd = fd, .pcap = pcap, .burst = 1, .most = TAP_BATCH,
		.index = t->index, .frame = tap_frames[t->index],
		.pool = t->index ? &tap_pools[t->index - 1] : &tap_pool, .work = t->work,
	};
	random_bytes(&t->ids, sizeof(t->ids));
	tap_reset(t);
}

void tap_reset(struct tap *t)
{
	for (unsigned i = 0; i < TAP_SLOTS; i++)
		t->stack[TAP_SLOTS - 1 - i] = (uint16_t)i;
	for (unsigned i = 0; i < TAP_SPARE; i++)
		t->spare[TAP_SPARE - 1 - i] = (uint16_t)(TAP_SLOTS + i);
	t->nfree = TAP_SLOTS;
	t->nspare = TAP_SPARE;
	t->qhead = t->qlen = t->qahead = 0;
	t->qbytes = t->held = 0;
	t->lent = t->waiting = 0;
	memset(t->from, 0, sizeof(t->from));
	t->full = t->starved = t->more = t->polled = t->borrowed = false;
}

void tap_gone(struct tap *t)
{
	if (t->ops->gone)
		t->ops->gone(t);
	fd_close(t->fd);
	t->fd = -1;
	tap_reset(t);
}

/* A full batch doubles the next one; a smaller one sets its size. With one frame at a time, as in a ping-pong, a second
 * read would find none: it is tried once in TAP_SINGLES (links are level-triggered).
 */
int tap_recv(struct tap *t, struct raw *raw)
{
	unsigned max = t->ops->eager ? MIN(t->burst, t->most) : t->most;
	int n = t->ops->recv(t, raw, max);

	if (n < 0)
		return n;

	if ((unsigned)n < max)
		t->burst = (uint16_t)MAX(n, 1);
	else if (max > 1 || ++t->singles % TAP_SINGLES == 0)
		t->burst = (uint16_t)MIN(2 * max, TAP_BATCH);
	t->stats.rx_frames += (unsigned)n;
	for (int i = 0; i < n; i++) {
		t->stats.rx_bytes += raw[i].len;
		if (t->pcap >= 0)
			pcap_frame(&t->pcap, raw[i].iov, raw[i].cnt, raw[i].len);
	}
	return n;
}

void tap_recv_done(struct tap *t)
{
	if (t->ops->recv_done)
		t->ops->recv_done(t);
}

static void slot_free(struct tap *t, const struct frame *f)
{
	assert(f->slot < TAP_SLOTS ? t->nfree < TAP_SLOTS : t->nspare < TAP_SPARE);
	if (f->slot < TAP_SLOTS)
		t->stack[t->nfree++] = f->slot;
	else
		t->spare[t->nspare++] = f->slot;
}

static uint8_t *slot_room(const struct tap *t, uint16_t slot)
{
	return slot < TAP_SLOTS ? t->pool->slot[slot] : t->pool->spare[slot - TAP_SLOTS];
}

static struct frame *slot_take(struct tap *t, uint16_t slot, size_t len, bool ahead)
{
	struct frame *f = &t->frame[slot];

	f->slot = slot;
	f->own = FRAME_POOL;
	f->pay[0] = (struct iovec){ slot_room(t, slot), len };
	f->npay = 1;
	f->len = 0;
	f->ahead = ahead;
	f->from = 0;
	return f;
}

/* One spare slot: an answer would be lost, as others wait in all slots */
static unsigned spare_reserve(struct tap *t, struct frame **f, size_t room, enum tap_how how, bool ahead)
{
	if (how < TAP_ANSWER || t->nspare <= (how == TAP_VITAL ? 0 : TAP_SPARE / 2))
		return 0;
	assert(room <= DGRAM_ROOM);
	*f = slot_take(t, t->spare[--t->nspare], room, ahead);
	return 1;
}

unsigned tap_reserve(struct tap *t, struct frame **f, unsigned n, size_t room, enum tap_how how)
{
	bool ahead = how == TAP_ANSWER || how == TAP_VITAL;
	/* While the link is full, frames that keep their order have slots up to TAP_QUEUE bytes */
	bool slots = !t->full || (!ahead && t->qbytes < TAP_QUEUE);

	assert(room <= TAP_ROOM);
	if (t->fd < 0 || t->down)
		return 0;
	if (n > t->nfree && !t->full)
		tap_flush(t);
	if (!slots || !t->nfree)
		return spare_reserve(t, f, room, how, ahead);
	n = MIN(n, t->nfree);
	for (unsigned i = 0; i < n; i++)
		f[i] = slot_take(t, t->stack[--t->nfree], room, ahead);
	return n;
}

unsigned tap_reserve_exact(struct tap *t, struct frame **f, unsigned n, size_t room, size_t hdr)
{
	unsigned got = n = tap_reserve(t, f, n, room, TAP_ANY);

	if (n && t->ops->lend)
		got = t->ops->lend(t, f, n, room, hdr);
	tap_unreserve(t, f + got, n - got);
	return got;
}

void tap_unreserve(struct tap *t, struct frame **f, unsigned n)
{
	while (n--) {
		if (f[n]->own == FRAME_LENT)
			t->ops->unlend(t, f[n]);
		slot_free(t, f[n]);
	}
}

void tap_unlend(struct tap *t, struct frame *f)
{
	const struct view v = { f->pay, f->npay, 0, f->len };

	t->ops->unlend(t, f);
	view_copy(&v, 0, slot_room(t, f->slot), f->len);
	f->own = FRAME_POOL;
	f->pay[0] = (struct iovec){ slot_room(t, f->slot), f->len };
	f->npay = 1;
}

bool tap_borrow(const struct tap *t, struct frame *f, const struct view *rest)
{
	size_t len;
	unsigned n = view_iov(rest, f->pay + 1, t->ops->pieces ? t->ops->pieces - 1U : 0, &len);

	if (len < rest->len)
		return false;
	f->npay = (uint8_t)(1 + n);
	f->own = FRAME_BORROWED;
	return true;
}

/* Its payload moves to the pool's memory, behind the part that is there */
static void frame_keep(struct frame *f)
{
	size_t here = f->pay[0].iov_len;
	const struct view rest = { f->pay + 1, f->npay - 1U, 0, f->len - here };

	view_copy(&rest, 0, (uint8_t *)f->pay[0].iov_base + here, rest.len);
	f->own = FRAME_POOL;
	f->pay[0].iov_len = f->len;
	f->npay = 1;
}

void tap_settle(struct tap *t)
{
	if (!t->borrowed)
		return;
	if (!t->full)
		tap_flush(t);			/* an error comes again at the end of the turn */
	for (unsigned i = 0; i < t->qlen; i++)
		if (tap_queued(t, i)->own == FRAME_BORROWED)
			frame_keep(tap_queued(t, i));
	t->borrowed = false;
}

void tap_queue_pop(struct tap *t)
{
	const struct frame *f = tap_queued(t, 0);

	t->qbytes -= (uint32_t)(f->hlen + f->len);
	t->from[f->from]--;
	t->qahead = (uint16_t)(t->qahead - f->ahead);
	slot_free(t, f);
	t->qhead = (t->qhead + 1) % TAP_FRAMES;
	t->qlen--;
}

/* Behind all others; with @f->ahead, only behind others that went ahead, and a frame that is written in part */
static void queue_put(struct tap *t, const struct frame *f)
{
	unsigned at = t->qlen++;

	if (f->ahead) {
		unsigned first = t->qahead + (t->held && !tap_queued(t, 0)->ahead);

		for (; at > first; at--)
			t->queue[(t->qhead + at) % TAP_FRAMES] = t->queue[(t->qhead + at - 1) % TAP_FRAMES];
		t->qahead++;
	}
	t->queue[(t->qhead + at) % TAP_FRAMES] = f->slot;
}

void tap_commit(struct tap *t, struct frame *f)
{
	if (t->pcap >= 0) {
		struct iovec iov[1 + FRAME_IOV];
		unsigned n = frame_iov(f, iov);

		pcap_frame(&t->pcap, iov, n, f->hlen + f->len);
	}
	t->stats.tx_frames++;
	t->stats.tx_bytes += f->hlen + f->len;

	if (f->own != FRAME_LENT)
		f->queue = t->pair;
	t->ops->commit(t, f);
	if (f->own == FRAME_BORROWED && t->full)
		frame_keep(f);
	t->borrowed |= f->own == FRAME_BORROWED;
	queue_put(t, f);
	tap_busy(t);
	t->qbytes += (uint32_t)(f->hlen + f->len);
	t->from[f->from]++;
	if ((t->ops->eager || t->qbytes >= TAP_QUEUE) && !t->full)
		tap_flush(t);
}

int tap_flush(struct tap *t)
{
	int rc;

	if (!t->qlen)
		return 0;
	t->starved = false;
	rc = t->ops->flush(t);
	t->full = rc == -EAGAIN;
	return rc;
}

bool tap_commit_dgram(struct tap *t, struct frame *f, struct net_hdr *n, const struct icmp_hdr *icmp, size_t len,
		      uint32_t mtu)
{
	static uint8_t whole[DGRAM_ROOM];
	const struct iovec iov = { whole, len };
	const struct view dgram = { .iov = &iov, .cnt = 1, .len = len };

	n->id = tap_ids(t, 1);
	if (ip_hlen(addr_is_v4(&n->src.a)) + UDP_HLEN + len <= mtu) {
		f->len = len;
		if (icmp)
			frame_icmp(f, n, icmp);
		else
			frame_udp(f, n, 0, &t->caps);
		tap_commit(t, f);
		return true;
	}

	memcpy(whole, f->pay[0].iov_base, len);		/* the frame's own buffer takes the first piece */
	for (size_t at = 0;;) {
		at = frame_fragment(f, n, icmp, &dgram, at, mtu);
		tap_commit(t, f);
		if (at == len || !tap_reserve(t, &f, 1, DGRAM_ROOM, TAP_LAST))
			return at == len;
	}
}
