/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_gap.h - queues of bytes from the guest that came behind a gap, until it is filled
 *
 * A queue belongs to a flow, f->tcp.gap, and has a list of ranges, above rcv_nxt and apart from each other. Their bytes
 * are in blocks of a pool, each for an aligned piece of sequence space: a window of n pieces takes n + 1
 * blocks at most, however the bytes came. A FIN is one number behind the last byte, as in RFC 9293 3.4.
 *
 * All flows share GAP_BLOCKS blocks. A queue may be given up at any time, although its bytes were reported: the sender
 * keeps them until they are acknowledged (RFC 2018 8).
 */
#ifndef TCP_GAP_H
#define TCP_GAP_H

#include "flow.h"
#include "packet.h"

#define GAP_RANGES	128U		/* of a flow: bounds the work for a segment; 3 % of a window of 4 MiB */
#define GAP_AGE		30000U		/* ms: a queue lives as long without a byte that fills its gap */

/**
 * gap_fits() - are there blocks for another @len numbers from @seq on?
 * @seq:	above rcv_nxt
 */
bool gap_fits(const struct flow *f, uint32_t seq, uint32_t len);

/**
 * gap_add() - keeps a copy of a segment's payload
 * @seq:	number of its first byte, above rcv_nxt
 * @v:		payload, cut at the window's edge; up to 16 MiB - 16 KiB behind rcv_nxt is kept
 * @fin:	FIN is behind it
 *
 * What is there already is noted as a duplicate.
 *
 * Return: false if it isn't kept: more ranges than GAP_RANGES, no block free, or it contradicts a FIN
 */
bool gap_add(struct flow *f, uint32_t seq, const struct view *v, bool fin, uint64_t now);

/* Does a range begin at rcv_nxt, or before it? */
bool gap_filled(const struct tcp *t);

/* Bytes in order from rcv_nxt on, *@len of them, as up to @max iovecs. Return: number of these */
unsigned gap_iov(const struct tcp *t, struct iovec *iov, unsigned max, uint32_t *len);

/* Is a FIN that came behind a gap next? */
bool gap_fin(const struct tcp *t);

/* rcv_nxt has moved: whatever is before it is dropped, and the queue's age begins anew */
void gap_advance(struct tcp *t, uint64_t now);

/* Drops a flow's queue, if there is one */
void gap_free(struct tcp *t);

/* The flow whose gap was filled least recently, or NULL */
struct flow *gap_oldest(void);

/* Time at which a flow's queue is to be dropped, ms */
uint64_t gap_due(const struct tcp *t);

/* Notes for the next acknowledgment that numbers from @seq up to @end came again; the first ones of several count */
void gap_again(struct tcp *t, uint32_t seq, uint32_t end);

/* Behind the last number that came */
uint32_t gap_end(const struct tcp *t);

/* Ranges with segments that no acknowledgment has reported yet */
unsigned gap_news(const struct tcp *t);

/**
 * gap_blocks() - up to @max SACK blocks for an acknowledgment
 *
 * First the duplicate that was noted (RFC 2883 4), once; then ranges, the one of the last segment first (RFC 2018 4).
 * If more ranges than fit are news, those that came first are reported, and the next acknowledgment is for others.
 */
unsigned gap_blocks(struct tcp *t, struct tcp_sack *b, unsigned max);

#endif /* TCP_GAP_H */
