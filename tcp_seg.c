/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_seg.c - TCP arithmetic without sockets */
#include <assert.h>

#include "tap.h"
#include "tcp_seg.h"
#include "util.h"

#define ROUND		(2U << 20)	/* bytes that flows send before it is seen anew how many they are */
#define GOAL_MAX	(4U << 20)
#define QUEUE		4000U		/* us: of a round trip, in queues and for processors that are busy */

static_assert(TAP_BATCH <= 256, "a place in the batch has 8 bits of the sort key");

/* By sequence number, then length in sequence space, then place in the batch. RST comes last: no data is behind it. */
static uint64_t sort_key(const struct pkt *p, uint32_t base, uint16_t i)
{
	uint64_t len = p->data.len + !!(p->tcp.flags & TCP_SYN) + !!(p->tcp.flags & TCP_FIN);

	if (p->tcp.flags & TCP_RST)
		len = 0xffffff;
	return (uint64_t)(p->tcp.seq - base) << 32 | MIN(len, 0xffffffU) << 8 | i;
}

/* Shell's sort, with Ciura's gaps: no memory, and no input is far slower than others */
static void sort_keys(uint64_t *key, unsigned n)
{
	static const uint8_t gaps[] = { 132, 57, 23, 10, 4, 1 };

	for (unsigned g = 0; g < ARRAY_SIZE(gaps); g++) {
		for (unsigned i = gaps[g]; i < n; i++) {
			uint64_t k = key[i];
			unsigned j = i;

			for (; j >= gaps[g] && key[j - gaps[g]] > k; j -= gaps[g])
				key[j] = key[j - gaps[g]];
			key[j] = k;
		}
	}
}

uint16_t seg_sort(struct pkt *pkts, uint16_t head, uint32_t nxt, bool opening)
{
	const uint32_t base = nxt - (1U << 31);
	uint64_t key[TAP_BATCH];
	uint16_t *link = &head;

	while (*link != PKT_NEXT_NONE) {
		uint16_t *start = link, i;
		bool sorted = true;
		unsigned n = 0;

		for (i = *link; i != PKT_NEXT_NONE; i = pkts[i].next) {
			const struct tcp_seg *s = &pkts[i].tcp;

			if ((s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && !(opening && s->seq == nxt - 1))
				break;
			key[n] = sort_key(&pkts[i], base, i);
			sorted &= !n || key[n - 1] < key[n];
			link = &pkts[i].next;
			n++;
		}
		if (!sorted) {
			sort_keys(key, n);
			link = start;
			for (unsigned k = 0; k < n; k++) {
				*link = key[k] & 0xff;
				link = &pkts[*link].next;
			}
			*link = i;
		}
		if (i != PKT_NEXT_NONE)		/* the SYN stays where it is */
			link = &pkts[i].next;
	}
	return head;
}

uint16_t seg_mss(uint32_t mtu, bool v4)
{
	return (uint16_t)(MIN(mtu ? mtu : IP_MAX, IP_MAX) - ip_hlen(v4) - TCP_HLEN);
}

uint16_t seg_mss_to_guest(uint16_t theirs, uint32_t mtu, bool v4)
{
	uint16_t mss = theirs ? theirs : v4 ? 536 : 1220;

	mss = MAX(mss, 88);	/* as Linux' TCP_MIN_MSS: a tiny one multiplies frames */
	return MIN(mss, seg_mss(mtu, v4));
}

uint32_t seg_frame(const struct caps *c, uint16_t mss, uint16_t opts, bool v4, bool far)
{
	uint32_t tso = v4 ? c->tso4 : c->tso6;
	unsigned hlen = ip_hlen(v4) + TCP_HLEN + opts;

	if (far)
		tso = MIN(tso, IP_MAX);
	if (!v4 && tso > IP_MAX)
		hlen += JUMBO_HLEN;
	return tso ? (tso - hlen) / mss * mss : mss;
}

bool seg_count(struct senders *s, struct sender *one, uint32_t len)
{
	if (one->round != s->round)
		*one = (struct sender){ .round = s->round };
	s->squares += (uint64_t)len * (2ULL * one->bytes + len);
	s->bytes += len;
	one->bytes += len;
	if (s->bytes < ROUND)
		return false;
	*s = (struct senders){
		.n = (uint32_t)(s->bytes * s->bytes / s->squares), .round = (uint16_t)(s->round + 1),
	};
	return true;
}

void seg_compete(struct rivals *r, const struct senders *s)
{
	if (r->last != s)
		*r = (struct rivals){ s, r->last ? RIVAL_ROUNDS : 0 };
	else if (r->rounds)
		r->rounds--;
}

void seg_fill(struct tcp *t, uint32_t end, uint32_t now)
{
	uint32_t time = MAX(now - t->fill_at, 1U), taken = end - t->stash_len, behind = end - t->rcv_nxt;
	uint32_t least = t->rtt_min * SEG_RTT_UNIT, most = t->stash_len ? least : MAX(2 * least, least + QUEUE);
	uint32_t rtt = MIN(most, time);
	uint64_t want;

	if (!t->fill_len || seq_lt(taken, t->fill_edge))
		return;
	taken -= t->fill_edge - t->fill_len;
	want = 2ULL * taken * rtt / time;
	want = MIN(want + MIN(behind, want), GOAL_MAX);
	t->goal = MIN(least, time) < SEG_FAR ? 0 : MAX((uint32_t)want, t->goal - t->goal / 8);
	t->fill_len = 0;
}

void seg_fill_next(struct tcp *t, uint32_t end, uint32_t now)
{
	uint32_t left = seq_lt(end, t->rcv_adv) ? t->rcv_adv - end : 0;

	if (t->fill_len || left < (t->rcv_adv - t->rcv_nxt) / 3)
		return;
	t->fill_edge = t->rcv_adv;
	t->fill_len = left;
	t->fill_at = now;
}

uint16_t seg_rto(const struct tcp *t)
{
	uint32_t ms = (t->srtt + MAX(4 * t->rttvar, SEG_RTO_MIN * 1000)) / 1000 + 1;

	if (t->rto)
		return t->rto;
	return (uint16_t)(t->srtt ? MIN(ms, SEG_RTO_MAX) : SEG_RTO_INIT);
}

void seg_rtt(struct tcp *t, uint32_t us)
{
	uint32_t diff;

	us = MIN(us, SEG_RTO_MAX * 1000);
	if (!t->srtt) {
		t->srtt = us;
		t->rttvar = us / 2;
		t->rtt_min = UINT16_MAX;
	} else {
		diff = us < t->srtt ? t->srtt - us : us - t->srtt;
		t->rttvar = t->rttvar - t->rttvar / 4 + diff / 4;
		t->srtt = t->srtt - t->srtt / 8 + us / 8;
	}
	t->srtt += !t->srtt;
	if (us / SEG_RTT_UNIT < t->rtt_min)
		t->rtt_min = (uint16_t)(us / SEG_RTT_UNIT + 1);
	t->rto = 0;
}

uint32_t seg_isn(const uint64_t key[2], const struct end *a, const struct end *b, uint64_t now, uint32_t *ts_off)
{
	struct {
		struct addr a, b;
		uint64_t ports;		/* 64 bits: no padding, which would be hashed, too */
	} ends = { a->a, b->a, (uint64_t)a->port << 16 | b->port };
	uint64_t hash = siphash(key, &ends, sizeof(ends));

	*ts_off = (uint32_t)(hash >> 32);
	return (uint32_t)hash + (uint32_t)(now * 250);
}
