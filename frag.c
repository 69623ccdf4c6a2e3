/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frag.c - reassembly of IP fragments
 *
 * A datagram is its IP payload in a buffer of its own, room for the headers in front, and a bit for every 8 bytes that
 * are there: fragments start, and all but the last end, at multiples of 8. A bit found set is an overlap.
 *
 * Memory is the static pool, time is 1/8 of a step per byte and FRAG_MAX steps a call: there is nothing to exhaust.
 * After an overlap, the datagram keeps its place until it times out, and its other fragments are dropped (RFC 5722 4).
 * Exact duplicates are overlaps too (RFC 8200 4.5 leaves the choice): nothing on the link makes them.
 */
#include <netinet/in.h>
#include <string.h>

#include "frag.h"

#define HEADROOM	(ETH_HLEN + IP6_HLEN)
#define DATA_MAX	65535
#define UNITS		DIV_ROUND_UP(DATA_MAX, 8)

enum dgram_state { DGRAM_FREE, DGRAM_OPEN, DGRAM_DEAD };

struct frag_dgram {
	enum dgram_state state;
	uint64_t	since;		/* ms, first arrival */
	uint64_t	order;		/* of first arrivals */

	/* Identity: RFC 791 3.2 with the protocol, RFC 8200 4.5 without */
	struct addr	src, dst;
	uint32_t	id;
	uint8_t		proto;		/* of the fragment at offset 0, once that is there */

	uint8_t		ttl, tos;	/* these too */
	struct mac	smac, dmac;
	uint32_t	have, end;	/* bytes, and the end of the last of them */
	uint32_t	total;		/* 0: last fragment not seen */
	uint8_t		map[DIV_ROUND_UP(UNITS, 8)];
	uint8_t		buf[HEADROOM + DATA_MAX];
};

struct frags {
	struct frag_dgram	d[FRAG_MAX];
	uint64_t	order;
	struct iovec	out;
};

static struct frags frags_pool[GUEST_MAX];

struct frags *frags_of(unsigned index)
{
	return &frags_pool[index];
}

/* Does the fragment make sense by itself? */
static bool frag_sane(const struct pkt *p)
{
	bool v4 = p->ethertype == ETH_P_IP;
	size_t len = p->data.len, min = p->proto == IPPROTO_TCP ? 20 : 8;

	if (!len || (p->frag.more && len % 8))
		return false;
	if (p->frag.off + len > DATA_MAX - (v4 ? IP4_HLEN : 0U))
		return false;
	/* A transport header in pieces is made to pass filters (RFC 1858, RFC 3128, RFC 7112) */
	if (p->frag.off ? p->proto == IPPROTO_TCP && p->frag.off < 20 : len < min)
		return false;
	return v4 || p->proto != IPPROTO_FRAGMENT;
}

static bool frag_dgram_match(const struct frag_dgram *d, const struct pkt *p)
{
	return d->state != DGRAM_FREE && d->id == p->frag.id && addr_eq(&d->src, &p->src.a) &&
	       addr_eq(&d->dst, &p->dst.a) && (p->ethertype == ETH_P_IPV6 || d->proto == p->proto);
}

/* A datagram for @p: its own, a free one, or the oldest */
static struct frag_dgram *frag_dgram_of(struct frags *fs, const struct pkt *p, uint64_t now)
{
	struct frag_dgram *d, *best = fs->d;

	for (d = fs->d; d < fs->d + FRAG_MAX; d++) {
		if (d->state != DGRAM_FREE && now - d->since >= FRAG_TIMEOUT)
			d->state = DGRAM_FREE;
		if (frag_dgram_match(d, p))
			return d;
		if (best->state != DGRAM_FREE && (d->state == DGRAM_FREE || d->order < best->order))
			best = d;
	}
	best->state = DGRAM_OPEN;
	best->since = now;
	best->order = fs->order++;
	best->src = p->src.a;
	best->dst = p->dst.a;
	best->id = p->frag.id;
	best->proto = p->proto;
	best->have = best->end = best->total = 0;
	memset(best->map, 0, sizeof(best->map));
	return best;
}

/* Takes the bytes; false if they contradict earlier ones */
static bool frag_dgram_put(struct frag_dgram *d, const struct pkt *p)
{
	uint32_t off = p->frag.off, len = (uint32_t)p->data.len, i;

	if ((d->total && off + len > d->total) || (!p->frag.more && off + len < d->end))
		return false;
	for (i = off / 8; i < DIV_ROUND_UP(off + len, 8); i++) {
		if (bit_test(d->map, i))
			return false;
		bit_set(d->map, i);
	}
	if (!view_copy(&p->data, 0, d->buf + HEADROOM + off, len))
		return false;

	d->have += len;
	d->end = MAX(d->end, off + len);
	if (!p->frag.more)
		d->total = off + len;
	if (!off) {
		d->proto = p->proto;
		d->ttl = p->ttl;
		d->tos = p->tos;
		d->smac = p->smac;
		d->dmac = p->dmac;
	}
	return true;
}

/* Headers in front of the payload, as if it had come in one piece; returns the start of the frame */
static uint8_t *frag_dgram_headers(struct frag_dgram *d)
{
	const struct net_hdr n = {
		.src.a = d->src, .dst.a = d->dst, .ttl = d->ttl, .tos = d->tos, .id = d->id,
	};
	uint8_t *ip = put_ip(d->buf + HEADROOM, &n, d->proto, d->total, 0);

	return put_eth(ip, &d->dmac, &d->smac, addr_is_v4(&d->src) ? ETH_P_IP : ETH_P_IPV6);
}

enum drop frag_add(struct frags *fs, const struct pkt *p, uint64_t now, struct raw *out, bool *done)
{
	struct frag_dgram *d;

	*done = false;

	/* In the last call's result: no fragments of fragments, they lie in memory to be written */
	if (p->data.iov == &fs->out || !frag_sane(p))
		return DROP_FRAGMENT;
	d = frag_dgram_of(fs, p, now);
	if (d->state == DGRAM_DEAD)
		return DROP_FRAGMENT;
	if (!frag_dgram_put(d, p)) {
		d->state = DGRAM_DEAD;
		return DROP_FRAGMENT;
	}
	if (!d->total || d->have != d->total)
		return DROP_NONE;

	fs->out.iov_base = frag_dgram_headers(d);
	fs->out.iov_len = (size_t)(d->buf + HEADROOM + d->total - (uint8_t *)fs->out.iov_base);
	*out = (struct raw){ .iov = &fs->out, .cnt = 1, .len = fs->out.iov_len };
	d->state = DGRAM_FREE;
	*done = true;
	return DROP_NONE;
}

bool frag_made(const struct frags *fs, const struct pkt *p)
{
	return fs && p->ip.iov == &fs->out;
}

void frags_forget(struct frags *fs)
{
	for (struct frag_dgram *d = fs->d; d < fs->d + FRAG_MAX; d++)
		if (d->state != DGRAM_FREE)	/* memory that was never used isn't touched */
			d->state = DGRAM_FREE;
}
