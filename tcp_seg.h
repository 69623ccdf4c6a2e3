/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_seg.h - TCP arithmetic without sockets: sequence numbers, trimming, windows, segment sizes, round trips */
#ifndef TCP_SEG_H
#define TCP_SEG_H

#include "flow.h"
#include "packet.h"

/* Sequence numbers wrap (RFC 9293 3.4) */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? b : a;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? a : b;
}

/**
 * seg_acceptable() - first test of RFC 9293 3.10.7.4
 * @len:	length in sequence space: payload, SYN and FIN
 * @nxt, @edge:	next sequence number expected, right edge of the window
 */
static inline bool seg_acceptable(uint32_t seq, uint32_t len, uint32_t nxt, uint32_t edge)
{
	if (!len)
		return nxt == edge ? seq == nxt : seq_le(nxt, seq) && seq_le(seq, edge);

	return nxt != edge && seq_lt(seq, edge) && seq_lt(nxt, seq + len);
}

/**
 * seg_trim() - part of a segment's payload that is next in order and in the window
 * @len:	payload bytes
 * @skip:	set to the bytes at the front that came before
 *
 * Return: bytes to take after those; 0 if there are none, or if the segment starts beyond @nxt
 */
static inline uint32_t seg_trim(uint32_t seq, uint32_t len, uint32_t nxt, uint32_t edge, uint32_t *skip)
{
	uint32_t end = seq + len;

	*skip = 0;
	if (seq_lt(nxt, seq) || seq_le(end, nxt))
		return 0;

	if (seq_lt(edge, end))
		end = edge;
	*skip = nxt - seq;
	return seq_lt(nxt, end) ? end - nxt : 0;
}

/**
 * seg_sort() - segments of a batch in the order of their sequence numbers
 * @pkts:	the batch, at most TAP_BATCH packets
 * @head:	first one of the flow's chain
 * @nxt:	next sequence number expected
 * @opening:	a SYN with the number before that belongs to this connection
 *
 * At the same number, empty segments come first, RST last. No segment passes another SYN without ACK, which may open
 * the next connection of these addresses. It is one pass if they are in order, and some 3,000 comparisons for any 256.
 *
 * Return: first one of the chain now
 */
uint16_t seg_sort(struct pkt *pkts, uint16_t head, uint32_t nxt, bool opening);

/* MSS to advertise on a link of this MTU (RFC 9293 3.7.1): without options, so 40 or 60 bytes less */
uint16_t seg_mss(uint32_t mtu, bool v4);

/* Payload bytes of a segment to the guest: its own MSS (0: not given, RFC 9293 3.7.1), and no more than the link's */
uint16_t seg_mss_to_guest(uint16_t theirs, uint32_t mtu, bool v4);

/**
 * seg_frame() - payload bytes of a frame: one segment, or the most segments that fit a super-packet of the link's
 * @opts:	bytes of TCP options in each
 * @far:	passed on behind the link. To a device that takes only 64 KiB, a larger one goes segment by segment.
 */
uint32_t seg_frame(const struct caps *c, uint16_t mss, uint16_t opts, bool v4, bool far);

/**
 * seg_window() - window field for a right edge
 * @nxt:	next sequence number expected
 * @want:	bytes there is room for
 * @adv:	right edge advertised so far, never taken back (RFC 9293 3.8.6); moved if the new one is farther
 *
 * Return: value of the window field, at @wscale
 */
static inline uint16_t seg_window(uint32_t nxt, uint32_t want, uint8_t wscale, uint32_t *adv)
{
	uint32_t unit = 1U << wscale, open = seq_lt(nxt, *adv) ? *adv - nxt : 0;
	uint32_t win = MIN(want >> wscale, UINT16_MAX);

	/* Rounding must not take back a byte, so an edge already advertised is rounded up; but down with no room behind
	 * it (RFC 7323 2.4), or a guest that leaves a byte of each window would move the edge on and on
	 */
	win = MAX(win, MIN(want ? DIV_ROUND_UP(open, unit) : open / unit, UINT16_MAX));
	*adv = seq_max(*adv, nxt + (win << wscale));
	return (uint16_t)win;
}

/**
 * seg_count() - a flow sent @len bytes
 *
 * n flows that send as much are n, beside any number that send little: (sum of x)^2 / sum of x^2, with x the bytes each
 * has sent in a round.
 *
 * Return: true if a round is over, and @s->n is new
 */
bool seg_count(struct senders *s, struct sender *one, uint32_t len);

#define SHARE_MIN	(128U << 10)

/* What each flow may have on its way, of @all bytes: two super-packets at least */
static inline uint32_t seg_share(const struct senders *s, uint32_t all)
{
	return s->n > 1 ? MAX(all / s->n, SHARE_MIN) : all;
}

#define RIVAL_ROUNDS	64U

/* A round of a guest is over. Guests are rivals, until one had RIVAL_ROUNDS in a row. */
void seg_compete(struct rivals *r, const struct senders *s);

#define SEG_FAR		1000U		/* us: a round trip of the guest's that needs more than the usual window */

/**
 * seg_fill() - finds @goal, what to offer a guest whose shortest round trip is SEG_FAR or more; after bytes were taken
 * @end:	behind the last byte that came, be it behind a gap
 * @now:	us
 *
 * Twice the bytes that it sends in a round trip, and that the socket takes, found whenever a window was filled. None is
 * filled sooner than a round trip after it was offered: less time for that is a better measurement. More time is a
 * round trip up to twice the shortest, or 4 ms more, unless it is the socket that is slow. Bytes behind a gap are in
 * the window until that is filled: the goal is larger by as many, up to its double.
 */
void seg_fill(struct tcp *t, uint32_t end, uint32_t now);

/* The next such window is the rest of that offered just now, unless one is being filled, or a gap leaves little */
void seg_fill_next(struct tcp *t, uint32_t end, uint32_t now);

#define SEG_RTO_INIT	1000U		/* ms, RFC 6298 2.1 */
#define SEG_RTO_MIN	200U		/* above the round trip: guests delay an acknowledgment by up to 200 ms */
#define SEG_RTO_MAX	60000U		/* RFC 6298 2.4 */

#define SEG_RTT_UNIT	16U		/* us of @rtt_min */

/* A round trip took @us: smoothed, with its variation (RFC 6298 2); the timeout is no longer doubled */
void seg_rtt(struct tcp *t, uint32_t us);

/* Retransmission timeout in ms: doubled, or by round trips so far */
uint16_t seg_rto(const struct tcp *t);

/**
 * seg_isn() - initial sequence number (RFC 6528): hash of the endpoints, and a clock of 4 microseconds
 * @now:	ms
 * @ts_off:	set to the offset of timestamps to the clock, by the same hash: they go on in the next connection of
 *		these endpoints, and don't show the host's uptime (RFC 7323 7.1)
 */
uint32_t seg_isn(const uint64_t key[2], const struct end *a, const struct end *b, uint64_t now, uint32_t *ts_off);

#endif /* TCP_SEG_H */
