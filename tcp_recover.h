/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_recover.h - segments to the guest that its link, or a path behind it, lost: scoreboard and congestion window
 *
 * A flow that loses nothing has none of this, and no congestion window. The state, t->recover, is taken from a pool at
 * the first sign of a loss, and kept for the life of the flow. If the pool is empty, all in flight is sent again.
 *
 * Numbers in flight, from snd_una up to snd_max, are of four kinds: sent once, arrived (SACK), lost, sent again. Order
 * alone tells them apart (RFC 6675, and RFC 8985 in spirit): a segment is lost if another one, sent @reorder segments
 * later or more, has arrived. A guest without SACK has duplicate acknowledgments counted (RFC 6582).
 */
#ifndef TCP_RECOVER_H
#define TCP_RECOVER_H

#include "flow.h"
#include "packet.h"

#define RECOVER_SLOTS	2048U
#define RECOVER_PIECES	256U		/* of a flow: bounds the work for an acknowledgment */
#define REORDER_MIN	3U		/* segments: RFC 5681 3.2 */
#define REORDER_MAX	300U

/* Takes the state, unless there is one. Return: false if there is none left */
bool recover_begin(struct tcp *t);
void recover_free(struct tcp *t);

/* A round trip took @us */
void recover_rtt(struct tcp *t, uint32_t us);

/* Can a SACK block be true: is it between snd_una and snd_max, and not empty? */
bool recover_block(const struct tcp *t, uint32_t from, uint32_t to);

/**
 * recover_ack() - an acknowledgment with something new, or with SACK blocks; a duplicate one of a guest without SACK
 * @was:	snd_una before
 * @s:		header; its blocks are believed only between snd_una and snd_max
 * @now:	us
 *
 * Finds what is lost by that, and opens the congestion window or shuts it.
 *
 * Return: true if something arrived
 */
bool recover_ack(struct tcp *t, uint32_t was, const struct tcp_seg *s, uint64_t now);

/* Timeout: all that has not arrived is lost (RFC 6298 5.4), and slow start begins. What the guest reported counts until
 * the second timeout, or if its report was impossible: it may have forgotten it (RFC 2018 8).
 */
void recover_timeout(struct tcp *t, uint32_t stamp, uint64_t now);

/* All that has not arrived is lost: the guest said so, or it was too large. The window stays. */
void recover_lost(struct tcp *t);

/* The last segment that has not arrived counts as lost: a probe for the others (RFC 8985 7.3) */
void recover_tail(struct tcp *t);

/* Nothing more arrived for a part of a round trip: what was sent before others that did is lost (RFC 8985 6.3) */
void recover_overdue(struct tcp *t);

/* Is anything before @seq lost, or sent again? Then an acknowledgment up to there had to wait. */
bool recover_mended(const struct tcp *t, uint32_t seq);

/* Is there something that may be lost, once recover_overdue() finds it so? */
bool recover_waits(const struct tcp *t);

/* First range of lost bytes. Return: false if there is none */
bool recover_next(const struct tcp *t, uint32_t *seq, uint32_t *end);

/* Bytes of it were sent again; new ones were sent */
void recover_again(struct tcp *t, uint32_t seq, uint32_t end);
void recover_sent(struct tcp *t, uint32_t len);

/* Are there lost bytes, and room for a segment? */
bool recover_due(const struct tcp *t);

/* Bytes that may be sent: of @len new ones; by the congestion window */
uint32_t recover_new(const struct tcp *t, uint32_t len);
uint32_t recover_room(const struct tcp *t);

/* Times that a congestion window was found to be cut for nothing, since this was called last */
unsigned recover_undone(struct tcp *t);

#endif /* TCP_RECOVER_H */
