/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_vhost.c - link backend: virtio rings in a virtual machine's memory (virtio 1.3, 5.1.6)
 *
 * From the guest: frames are where the guest has them, until the batch was consumed.
 *
 * To the guest: TCP's payload is received into buffers of the ring, behind room for the headers (vhost_lend()), that
 * are copied in front of it at commit. All other frames are in the pool, and copied into buffers at commit. Buffers
 * that a reservation did not need go back to the ring at its end. Order of commit is order in the ring: a frame that
 * finds no buffers waits on the queue, and all behind it. While reserved frames have buffers, no others are taken.
 *
 * With several pairs of queues, a frame is in the pair of its flow. One that is full holds up the others: the queue of
 * committed frames is one.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "log.h"
#include "tap.h"
#include "tap_vnet.h"
#include "vhost.h"

#define RX_IOV		(4 * VIRTQ_MAX)		/* of a batch; and any chain, of one table and another, fits twice */
#define HEAD_IOV	2			/* link's header, and those of the frame, may be in two buffers */

/* A batch from the guest: its chains are used once it was consumed */
static struct {
	struct iovec	iov[RX_IOV];
	unsigned	at;			/* iovecs in use */
	struct {
		struct vhost_ring	*ring;
		uint16_t		head;
	} chain[TAP_BATCH];
	unsigned	n;
} rx;

/* By guest and slot: buffers of a frame with its payload in the ring */
static struct lent {
	uint16_t	at;			/* index of the first chain in the ring */
	uint16_t	chains;
	uint16_t	hdr;			/* bytes of room for headers */
	uint8_t		nhead;
	struct iovec	head[HEAD_IOV];
} lent_pool[GUEST_MAX][TAP_SLOTS];

/* By guest, queue, and index in the ring: chains taken and not used */
static struct taken {
	uint16_t	head;
	uint32_t	len;
} taken_pool[GUEST_MAX][VHOST_PAIRS][VIRTQ_MAX];

static bool told[GUEST_MAX][VHOST_RINGS];	/* the ring's fault is in the log */

/* Ring to the guest of the pair @queue */
static struct vhost_ring *ring_in(const struct tap *t, unsigned queue)
{
	return &vhost_of(t->index)->ring[2 * queue];
}

/* From the guest */
static struct vhost_ring *ring_out(const struct tap *t, unsigned queue)
{
	return &vhost_of(t->index)->ring[2 * queue + 1];
}

/* The pair for frames of @queue: the first one if the driver has fewer now */
static unsigned queue_for(const struct tap *t, unsigned queue)
{
	const struct vhost_ring *r = ring_in(t, queue % VHOST_PAIRS);

	return r->started && r->enabled ? queue % VHOST_PAIRS : 0;
}

static struct lent *lent_of(const struct tap *t, const struct frame *f)
{
	return &lent_pool[t->index][f->slot];
}

/* Chains of the ring to the guest of the pair @queue, by their index there */
static struct taken *taken_of(const struct tap *t, unsigned queue)
{
	return taken_pool[t->index][queue];
}

static bool mergeable(const struct tap *t)
{
	return vhost_of(t->index)->use & (1ULL << VIRTIO_NET_F_MRG_RXBUF);
}

/* A driver that broke the rules: the first time, for the log and the front end */
static void ring_check(struct tap *t, const struct vhost_ring *r)
{
	bool *done = &told[t->index][r - vhost_of(t->index)->ring];

	if (r->q.fault && !*done) {
		log_limited(LOG_WARNING, "vhost-user: ring %u is broken, and not served until it is set up again: %s",
			    (unsigned)(r - vhost_of(t->index)->ring), virtq_fault_text(r->q.fault));
		vhost_error(r);
	}
	*done = r->q.fault;
}

static void ring_publish(struct tap *t, struct vhost_ring *r)
{
	if (virtq_publish(&r->q))
		vhost_call(r);
	ring_check(t, r);
}

/* ---- from the guest ---- */

/* Takes @hdr bytes off the front of @iov, into @to: how many iovecs have no more */
static unsigned take_hdr(struct iovec *iov, unsigned cnt, uint8_t *to, size_t hdr)
{
	unsigned i = 0;

	while (i < cnt) {
		size_t n = MIN(hdr, iov[i].iov_len);

		memcpy(to, iov[i].iov_base, n);
		to += n;
		hdr -= n;
		if (n < iov[i].iov_len) {
			iov[i].iov_base = (uint8_t *)iov[i].iov_base + n;
			iov[i].iov_len -= n;
			break;
		}
		i++;
	}
	return i;
}

/* The next chain of @r, as frame @raw if it is one. Return: as virtq_take() */
static int rx_frame(struct tap *t, struct vhost_ring *r, struct raw *raw, bool *whole)
{
	uint8_t hdr[sizeof(struct virtio_net_hdr_v1)];
	unsigned skip, len = t->caps.link_hdr;
	struct iovec *iov = rx.iov + rx.at;
	struct virtq_chain ch;
	int rc = virtq_take(&r->q, iov, RX_IOV - rx.at, &ch);

	if (rc == -ENOBUFS && !rx.at)
		virtq_break(&r->q, VIRTQ_LONG);
	if (rc != 1)
		return rc;

	rx.chain[rx.n].ring = r;
	rx.chain[rx.n++].head = ch.head;
	*whole = ch.len > len && r->enabled;
	if (!*whole) {
		t->stats.tx_lost += r->enabled;
		return 1;
	}
	skip = take_hdr(iov, ch.cnt, hdr, len);
	*raw = (struct raw){ .iov = iov + skip, .cnt = ch.cnt - skip, .len = ch.len - len, .off = vnet_offload(hdr) };
	rx.at += ch.cnt;
	return 1;
}

/* Frames of one ring, behind the @n in @raw that have *@bytes. A batch ends at TAP_QUEUE bytes, too. At the end of the
 * ring, the next frame comes with a kick. Return: frames in @raw
 */
static unsigned rx_ring(struct tap *t, unsigned queue, struct raw *raw, unsigned n, unsigned max, size_t *bytes)
{
	struct vhost_ring *r = ring_out(t, queue);
	unsigned before = rx.n;
	bool whole;
	int rc = 1;

	while (rx.n < max && *bytes < TAP_QUEUE && (rc = rx_frame(t, r, &raw[n], &whole)) == 1)
		if (whole) {
			raw[n].queue = (uint8_t)queue;
			*bytes += raw[n++].len;
		}
	if (rx.n > before)
		virtq_busy(&r->q);
	if (virtq_runs(&r->q))
		t->more |= rc == 1 || rc == -ENOBUFS || (r->q.quiet && virtq_wait(&r->q));
	ring_check(t, r);
	return n;
}

static unsigned pair_next(const struct vhost *v, unsigned queue)
{
	return queue + 1 < v->pairs ? queue + 1 : 0;
}

/* Each time, another queue comes first */
static int vhost_recv(struct tap *t, struct raw *raw, unsigned max)
{
	const struct vhost *v = vhost_of(t->index);
	unsigned n = 0, queue = t->turn;
	size_t bytes = 0;

	if (v->broken)
		return -EFAULT;
	rx.n = rx.at = 0;
	t->more = false;
	for (unsigned i = 0; i < v->pairs; i++, queue = pair_next(v, queue))
		if (ring_out(t, queue)->started)
			n = rx_ring(t, queue, raw, n, max, &bytes);
	t->turn = (uint8_t)pair_next(v, queue);
	return (int)n;
}

static void vhost_recv_done(struct tap *t)
{
	for (unsigned i = 0; i < rx.n; i++)
		virtq_use(&rx.chain[i].ring->q, rx.chain[i].head, 0);
	rx.n = 0;
	for (unsigned i = 0; i < vhost_of(t->index)->pairs; i++)
		ring_publish(t, ring_out(t, i));
}

/* ---- to the guest ---- */

/* A place in buffers, for bytes from several sources */
struct place {
	const struct iovec	*iov;
	size_t			off;
};

static void place_put(struct place *p, const void *data, size_t len)
{
	const uint8_t *from = data;

	while (len) {
		size_t n = MIN(len, p->iov->iov_len - p->off);

		memcpy((uint8_t *)p->iov->iov_base + p->off, from, n);
		from += n;
		len -= n;
		p->off += n;
		if (p->off == p->iov->iov_len)
			*p = (struct place){ p->iov + 1, 0 };
	}
}

/* Takes one more chain, noted in @taken. Return: as virtq_take() */
static int chain_take(struct virtq *q, struct taken *taken, struct iovec *iov, unsigned max, struct virtq_chain *ch)
{
	unsigned at = q->avail_next;
	int rc = virtq_take(q, iov, max, ch);

	if (rc == 1)
		taken[at % VIRTQ_MAX] = (struct taken){ ch->head, (uint32_t)MIN(ch->len, UINT32_MAX) };
	return rc;
}

/* The oldest chains taken, as many as @len bytes need: how many */
static unsigned chains_for(const struct virtq *q, const struct taken *taken, size_t len)
{
	unsigned at = (uint16_t)(q->avail_next - q->out), n = 0;

	for (; len; n++)
		len -= MIN(len, taken[(at + n) % VIRTQ_MAX].len);
	return n;
}

/* They are used, with @len bytes; what they have is complete */
static void chains_use(struct virtq *q, const struct taken *taken, size_t len)
{
	unsigned at = (uint16_t)(q->avail_next - q->out);

	do {
		const struct taken *c = &taken[at++ % VIRTQ_MAX];
		size_t n = MIN(len, c->len);

		virtq_use(q, c->head, (uint32_t)n);
		len -= n;
	} while (len);
}

/* The first @len bytes of buffers were written to: these may be a part of them */
static void iov_dirty(const struct tap *t, const struct iovec *iov, size_t len)
{
	const struct mem *m = &vhost_of(t->index)->mem;

	for (size_t n; m->log && len; iov++, len -= n) {
		n = MIN(len, iov->iov_len);
		mem_dirty_at(m, iov->iov_base, n);
	}
}

/* Copies a frame from the pool into buffers. Return: false if there are too few for now */
static bool place_frame(struct tap *t, const struct frame *f)
{
	unsigned queue = queue_for(t, f->queue), cnt = 0, chains = 0;
	struct taken *taken = taken_of(t, queue);
	struct virtq *q = &ring_in(t, queue)->q;
	static struct iovec iov[VIRTQ_MAX];
	size_t need = t->caps.link_hdr + f->hlen + f->len, have = 0;
	struct place p = { iov, 0 };
	struct virtio_net_hdr_v1 h;
	struct virtq_chain ch;
	int rc = 1;

	virtq_untake(q, q->out);
	while (have < need && (!chains || mergeable(t)) &&
	       (rc = chain_take(q, taken, iov + cnt, VIRTQ_MAX - cnt, &ch)) == 1) {
		cnt += ch.cnt;
		have += ch.len;
		chains++;
	}
	if (have < need) {
		virtq_untake(q, q->out);
		if (!rc && chains < q->size)
			return false;
		t->stats.tx_lost += rc != -EPROTO;	/* more than all of its buffers, or its only one, hold */
		return rc != -EPROTO;
	}

	h = vnet_hdr(f, chains);
	place_put(&p, &h, t->caps.link_hdr);
	place_put(&p, f->hdr + f->hoff, f->hlen);
	for (unsigned i = 0; i < f->npay; i++)
		place_put(&p, f->pay[i].iov_base, f->pay[i].iov_len);
	iov_dirty(t, iov, need);
	chains_use(q, taken, need);
	return true;
}

enum lend { LEND_NONE, LEND_POOL, LEND_PART, LEND_DONE };

/* Splits buffers: room for @l->hdr bytes of headers, payload of at most @room. False if the headers' is too scattered,
 * or there is none for payload.
 */
static bool lend_split(struct lent *l, struct frame *f, const struct iovec *iov, unsigned cnt, size_t room)
{
	size_t left = l->hdr, off = 0;
	unsigned i = 0;

	for (l->nhead = 0; i < cnt && left; l->nhead++) {
		size_t n = MIN(left, iov[i].iov_len);

		if (l->nhead == HEAD_IOV)
			return false;
		l->head[l->nhead] = (struct iovec){ iov[i].iov_base, n };
		left -= n;
		off = n < iov[i].iov_len ? n : 0;
		i += !off;
	}
	for (f->npay = 0; i < cnt && room && f->npay < FRAME_IOV; i++, off = 0) {
		size_t n = MIN(room, iov[i].iov_len - off);

		f->pay[f->npay++] = (struct iovec){ (uint8_t *)iov[i].iov_base + off, n };
		room -= n;
	}
	return f->npay;
}

/* Buffers for one frame; fewer than @room needs, if there are no more */
static enum lend lend_frame(struct tap *t, unsigned queue, struct frame *f, size_t room, size_t hdr)
{
	struct taken *taken = taken_of(t, queue);
	struct virtq *q = &ring_in(t, queue)->q;
	struct iovec iov[HEAD_IOV + FRAME_IOV];
	const struct iovec pool = f->pay[0];
	struct lent *l = lent_of(t, f);
	struct virtq_chain ch;
	unsigned cnt = 0;
	size_t have = 0;
	int rc = 1;

	*l = (struct lent){ .at = q->avail_next, .hdr = (uint16_t)(t->caps.link_hdr + hdr) };
	while (have < l->hdr + room && (!l->chains || mergeable(t)) &&
	       (rc = chain_take(q, taken, iov + cnt, ARRAY_SIZE(iov) - cnt, &ch)) == 1) {
		cnt += ch.cnt;
		have += ch.len;
		l->chains++;
	}
	if (rc >= 0 && lend_split(l, f, iov, cnt, room)) {
		f->own = FRAME_LENT;
		return frame_room(f) < room ? LEND_PART : LEND_DONE;
	}
	virtq_untake(q, l->chains);
	f->pay[0] = pool;
	f->npay = 1;
	return rc == 0 || rc == -EPROTO ? LEND_NONE : LEND_POOL;
}

static unsigned vhost_lend(struct tap *t, struct frame **f, unsigned n, size_t room, size_t hdr)
{
	unsigned i = 0, queue = queue_for(t, t->pair);
	struct vhost_ring *r = ring_in(t, queue);
	enum lend rc = LEND_DONE;

	if (t->full)
		return 0;
	if (t->waiting)
		return n;
	if (!t->lent)
		virtq_untake(&r->q, r->q.out);
	do {
		for (; i < n && rc == LEND_DONE; i += rc >= LEND_PART)
			rc = lend_frame(t, queue, f[i], room, hdr);
	} while (!i && rc == LEND_NONE && virtq_wait(&r->q) && (rc = LEND_DONE));
	ring_check(t, r);
	if (!i && rc == LEND_POOL)
		return n;
	for (unsigned k = 0; k < i; k++)
		f[k]->queue = (uint8_t)queue;
	t->lent = (uint16_t)(t->lent + i);
	t->full = !i && n;
	t->full_pair = (uint8_t)queue;
	return i;
}

/* The last reserved frame gives back all that was not used */
static void vhost_unlend(struct tap *t, const struct frame *f)
{
	(void)f;
	if (--t->lent)
		return;
	for (unsigned i = 0; i < vhost_of(t->index)->pairs; i++)
		virtq_untake(&ring_in(t, i)->q, ring_in(t, i)->q.out);
}

/* A frame with its payload in the ring gets its headers, and is complete: false if it isn't its turn */
static bool lent_commit(struct tap *t, struct frame *f)
{
	const struct taken *taken = taken_of(t, f->queue);
	struct virtq *q = &ring_in(t, f->queue)->q;
	struct lent *l = lent_of(t, f);
	size_t len = t->caps.link_hdr + f->hlen + f->len;
	struct place p = { l->head, 0 };
	struct virtio_net_hdr_v1 h;

	if (t->waiting || l->at != (uint16_t)(q->avail_next - q->out) || l->hdr != t->caps.link_hdr + f->hlen)
		return false;
	h = vnet_hdr(f, chains_for(q, taken, len));
	place_put(&p, &h, t->caps.link_hdr);
	place_put(&p, f->hdr + f->hoff, f->hlen);
	iov_dirty(t, l->head, l->hdr);
	iov_dirty(t, f->pay, f->len);
	chains_use(q, taken, len);
	f->own = FRAME_DONE;
	return true;
}

static void vhost_commit(struct tap *t, struct frame *f)
{
	if (f->own == FRAME_LENT) {
		if (lent_commit(t, f)) {
			vhost_unlend(t, f);
			return;
		}
		tap_unlend(t, f);
	}
	if (!t->waiting && !t->lent && place_frame(t, f))
		f->own = FRAME_DONE;
	else
		t->waiting++;
}

/* Frames that wait, oldest first. Return: 0, or -EAGAIN: a kick comes with more buffers */
static int vhost_write(struct tap *t)
{
	struct virtq *q;

	while (t->qlen) {
		const struct frame *f = tap_queued(t, 0);

		if (f->own != FRAME_DONE) {
			if (t->lent)
				return 0;
			if (!place_frame(t, f)) {
				t->full_pair = (uint8_t)queue_for(t, f->queue);
				if (virtq_wait(&ring_in(t, t->full_pair)->q))
					continue;
				return -EAGAIN;
			}
			t->waiting--;
		}
		tap_queue_pop(t);
	}
	q = &ring_in(t, t->full_pair)->q;
	return t->full && !t->lent && !virtq_ready(q) && !virtq_wait(q) ? -EAGAIN : 0;
}

static int vhost_flush(struct tap *t)
{
	const struct vhost *v = vhost_of(t->index);
	int rc;

	if (v->broken)
		return -EFAULT;
	rc = vhost_write(t);
	for (unsigned i = 0; i < v->pairs; i++) {
		if (!rc)
			virtq_busy(&ring_in(t, i)->q);
		ring_publish(t, ring_in(t, i));
	}
	return rc;
}

/* ---- events ---- */

/* Frames that wait are as the former driver wanted them */
static void queue_drop(struct tap *t)
{
	for (; t->qlen; tap_queue_pop(t))
		t->stats.tx_lost += tap_queued(t, 0)->own != FRAME_DONE;
	t->waiting = 0;
}

/* Kick of a ring from the guest: frames; to the guest: room. Messages may change anything. */
static int vhost_event(struct tap *t, unsigned sub, uint32_t *events)
{
	struct vhost *v = vhost_of(t->index);
	uint64_t use = v->use;
	int rc;

	if (sub != VHOST_SUB_CONTROL) {
		*events = sub % 2 ? EPOLLOUT : EPOLLIN;
		return 0;
	}
	for (unsigned i = 0; i < v->pairs; i++)
		ring_publish(t, ring_in(t, i));
	rc = vhost_control(v);
	if (v->use != use)
		queue_drop(t);
	t->caps = vhost_caps(v);
	t->down = !vhost_up(v);
	t->polled = vhost_polled(v);
	*events = EPOLLIN | EPOLLOUT;		/* a ring that has started may have some */
	return rc;
}

static void vhost_gone(struct tap *t)
{
	vhost_close(vhost_of(t->index));
}

static const struct tap_ops vhost_ops = {
	.name	= "vhost-user",
	.pieces	= FRAME_IOV,
	.recv	= vhost_recv,
	.recv_done = vhost_recv_done,
	.lend	= vhost_lend,
	.unlend	= vhost_unlend,
	.commit	= vhost_commit,
	.flush	= vhost_flush,
	.event	= vhost_event,
	.gone	= vhost_gone,
};

int tap_vhost_attach(struct tap *t, int fd, int epfd, int pcap, bool given)
{
	struct vhost *v = vhost_of(t->index);
	int rc = vhost_open(v, t->index, epfd, fd, given);
	struct caps caps;

	if (rc)
		return rc;
	caps = vhost_caps(v);
	tap_init(t, &vhost_ops, fd, &caps, pcap);
	memset(told[t->index], 0, sizeof(told[t->index]));
	t->down = true;
	return 0;
}
