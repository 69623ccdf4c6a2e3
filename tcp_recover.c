/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_recover.c - segments to the guest that were lost: scoreboard by order, congestion window by rounds */
#include <assert.h>
#include <string.h>

#include "pool.h"
#include "tcp_conn.h"
#include "tcp_recover.h"
#include "tcp_seg.h"
#include "util.h"

#define HEAVY		8		/* a round that lost one part in so many shuts the window, whatever else */
#define TCP_INITIAL	10U		/* segments sent at once, when no acknowledgment comes: RFC 6928 */
#define CUT_MIN		4U		/* segments: the least that a window is cut to */
#define RISE_MIN	4000U		/* us: a round trip that is longer by as much has a queue, RFC 9406 4.2 */
#define RISE_MAX	16000U
#define RTTS		4U
#define SPARE		(RECOVER_PIECES / 4)	/* pieces for what is lost: not for what arrived */
#define REORDER_KEPT	16		/* rounds */
#define CWND_MAX	(1U << 30)

enum fate { FLIGHT, SACKED, LOST, AGAIN, FATES };

#define OF(fate)	(1U << (fate))
#define FATE_ANY	(OF(FATES) - 1)

struct piece {
	uint32_t	seq, end;
	uint32_t	mark;		/* AGAIN: snd_max at that time: numbers from there on were sent later */
	uint32_t	order;		/* AGAIN: bytes that had been sent again by then */
	uint8_t		fate;
};

struct recover {
	uint16_t	n;
	uint16_t	reorder;	/* segments that may arrive before an earlier one */
	uint16_t	in_order;	/* rounds with a loss since that was seen last */
	bool		open;		/* in recovery, until @point is acknowledged */
	bool		timeout;	/* by a timeout, which may turn out to be spurious: */
	uint32_t	stamp;		/* it was at that timestamp */
	uint32_t	point;
	uint32_t	high;		/* behind the last number that arrived */
	uint32_t	swept;		/* of numbers before, none is in FLIGHT */
	uint32_t	order, order_high;	/* bytes sent again, and those before the last one that arrived */
	uint32_t	before;		/* numbers up to there were sent before some that arrived the second time: */
	uint32_t	before_order;	/* as the bytes behind that order are */
	uint32_t	bytes[FATES];	/* of pieces; 0 of FLIGHT */
	uint32_t	rtt[RTTS];	/* us: the last ones measured */
	unsigned	rtts;
	uint32_t	dups;		/* bytes that arrived by duplicate acknowledgments */
	uint32_t	again, again_spurious;	/* bytes sent again since the last cut, and those reported twice */
	uint32_t	dup_point;	/* no more of those count until this is acknowledged */
	uint32_t	probe;		/* end of a tail that was sent again without a sign of loss, if @probed */
	bool		probed;
	bool		crowded;	/* no room for all holes, until something arrives */
	unsigned	undone;

	uint32_t	cwnd, ssthresh;	/* bytes; UINT32_MAX: none */
	uint32_t	credit;		/* in recovery: bytes that may be sent by what arrived (RFC 6937) */
	uint32_t	force;		/* bytes that may be sent in any case */
	uint32_t	cwnd_was, ssthresh_was;	/* before the last cut */
	uint32_t	cut_point;	/* no other cut until this is acknowledged */
	uint32_t	wmax, k;	/* CUBIC: RFC 9438 4.1; bytes, ms */
	uint64_t	epoch;		/* us: of the last cut */
	uint64_t	round_at;	/* us: start of this round */
	uint32_t	delivered, lost;	/* bytes in it */
	uint32_t	bdp;		/* most that was delivered in a shortest round trip, lately */
	uint32_t	grow;		/* bytes that the window grows by in it */

	struct piece	p[RECOVER_PIECES];	/* in order, without overlap; FLIGHT is between them */
};

static struct recover recovers[RECOVER_SLOTS + 1];
static uint32_t recover_slot_next[RECOVER_SLOTS + 1];
static struct pool recover_slots = { .size = RECOVER_SLOTS, .next = recover_slot_next };

static_assert(RECOVER_SLOTS < UINT16_MAX && RECOVER_PIECES < UINT16_MAX, "their numbers have 16 bits");

static struct recover *of(const struct tcp *t)
{
	return &recovers[t->recover];
}

bool recover_begin(struct tcp *t)
{
	struct recover *r;

	if (t->recover)
		return true;
	t->recover = (uint16_t)pool_get(&recover_slots);
	if (!t->recover)
		return false;
	r = of(t);
	memset(r, 0, offsetof(struct recover, p));
	r->reorder = REORDER_MIN;
	r->cwnd = r->ssthresh = UINT32_MAX;
	r->high = r->swept = r->before = r->point = r->cut_point = r->dup_point = t->snd_una;
	for (unsigned i = 0; i < RTTS; i++)
		r->rtt[i] = t->srtt;
	t->snd_nxt = t->snd_max;
	return true;
}

void recover_rtt(struct tcp *t, uint32_t us)
{
	of(t)->rtt[of(t)->rtts++ % RTTS] = us;
}

void recover_free(struct tcp *t)
{
	if (!t->recover)
		return;
	pool_put(&recover_slots, t->recover);
	t->recover = POOL_NONE;
}

/* First piece that ends behind @seq */
static unsigned piece_at(const struct recover *r, uint32_t seq)
{
	unsigned lo = 0, hi = r->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (seq_le(r->p[mid].end, seq))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Pieces in the making, by recolour() */
static struct {
	unsigned	n;
	struct piece	p[2 * RECOVER_PIECES + 3];
} drawn;

/* Bytes that changed, by what they were; highest order of AGAIN, with its mark; first number of FLIGHT and LOST */
struct change {
	uint32_t	of[FATES];
	uint32_t	order, mark, first;
};

static void draw(struct piece p)
{
	struct piece *last = drawn.n ? &drawn.p[drawn.n - 1] : NULL;

	if (p.fate == FLIGHT || p.seq == p.end)
		return;
	if (last && last->end == p.seq && last->fate == p.fate &&
	    (p.fate != AGAIN || (last->mark == p.mark && last->order == p.order)))
		last->end = p.end;
	else
		drawn.p[drawn.n++] = p;
}

/* [@p.seq, @p.end) becomes @as, if that is so for its fate */
static void draw_changed(struct piece p, unsigned over, const struct piece *as, struct change *ch)
{
	if (p.seq == p.end)
		return;
	if (!(over & OF(p.fate))) {
		draw(p);
		return;
	}
	if (p.fate <= LOST && p.fate != SACKED && !(ch->of[FLIGHT] + ch->of[LOST]))
		ch->first = p.seq;
	if (p.fate == AGAIN && seq_lt(ch->order, p.order)) {
		ch->order = p.order;
		ch->mark = p.mark;
	}
	ch->of[p.fate] += p.end - p.seq;
	draw((struct piece){ .seq = p.seq, .end = p.end, .mark = as->mark, .order = as->order, .fate = as->fate });
}

/**
 * recolour() - numbers of some fates get another one
 * @over:	those that do, OF(fate)
 * @as:		with a new fate, AGAIN: @mark and @order
 * @ch:		filled in
 *
 * Return: false if there is no room for as many pieces: nothing has changed
 */
static bool recolour(struct recover *r, uint32_t from, uint32_t to, unsigned over, struct piece as, struct change *ch)
{
	unsigned i = piece_at(r, from), j;
	uint32_t at = from;

	*ch = (struct change){ .order = r->order_high };
	if (!seq_lt(from, to))
		return true;
	i -= i && r->p[i - 1].end == from;	/* may be one with what follows */
	drawn.n = 0;
	for (j = i;; j++) {
		const struct piece *p = j < r->n ? &r->p[j] : NULL;
		uint32_t gap = p ? seq_min(p->seq, to) : to;
		struct piece left, mid, right;

		if (seq_lt(at, gap)) {
			draw_changed((struct piece){ .seq = at, .end = gap, .fate = FLIGHT }, over, &as, ch);
			at = gap;
		}
		if (!p || seq_lt(to, p->seq))
			break;
		left = mid = right = *p;
		left.end = mid.seq = seq_min(p->end, seq_max(p->seq, at));
		mid.end = right.seq = seq_max(mid.seq, seq_min(p->end, to));
		draw(left);
		draw_changed(mid, over, &as, ch);
		draw(right);
		at = seq_max(at, mid.end);
	}
	if (r->n - (j - i) + drawn.n > RECOVER_PIECES - (as.fate == SACKED ? SPARE : 0) && drawn.n > j - i)
		return false;
	memmove(r->p + i + drawn.n, r->p + j, (r->n - j) * sizeof(*r->p));
	memcpy(r->p + i, drawn.p, drawn.n * sizeof(*r->p));
	r->n = (uint16_t)(r->n - (j - i) + drawn.n);
	for (unsigned k = 0; k < FATES; k++) {
		r->bytes[k] -= k == FLIGHT ? 0 : ch->of[k];
		r->bytes[as.fate] += as.fate == FLIGHT ? 0 : ch->of[k];
	}
	return true;
}

/* Bytes in flight */
static uint32_t pipe_of(const struct tcp *t)
{
	const struct recover *r = of(t);
	uint32_t all = t->snd_max - t->snd_una, gone = r->bytes[SACKED] + r->bytes[LOST] + r->dups;

	return gone < all ? all - gone : 0;
}

/* From the first loss on, there is a window: as large as what is in flight then */
static void limit(const struct tcp *t)
{
	struct recover *r = of(t);

	if (r->cwnd == UINT32_MAX)
		r->cwnd = r->grow = MAX(t->snd_max - t->snd_una, CUT_MIN * t->mss);
}

/* Bytes are lost: recovery begins, unless it is under way */
static void lost(struct tcp *t, uint32_t bytes)
{
	struct recover *r = of(t);

	if (!bytes)
		return;
	r->lost += bytes;
	limit(t);
	if (r->open)
		return;
	r->open = true;
	r->point = t->snd_max;
	r->credit = 0;
	r->force = t->mss;
}

/* Adds to @sum the bytes that are lost. Return: false if there is no room for their pieces */
static bool mark_lost(struct recover *r, uint32_t from, uint32_t to, unsigned over, uint32_t *sum)
{
	struct change ch;

	if (!recolour(r, from, to, over, (struct piece){ .fate = LOST }, &ch))
		return false;
	*sum += ch.of[FLIGHT] + ch.of[AGAIN];
	return true;
}

/* Bytes sent after a piece was sent again that have arrived */
static uint32_t evidence(const struct recover *r, const struct piece *p)
{
	return (seq_lt(p->mark, r->high) ? r->high - p->mark : 0) +
	       (seq_lt(p->order, r->order_high) ? r->order_high - p->order : 0);
}

/* What is lost by the order of what arrived: @least bytes, sent later, have */
static void find_lost(struct tcp *t, uint32_t least)
{
	struct recover *r = of(t);
	uint32_t sum = 0, to = r->high - (least > 1 ? least : 0);

	if (seq_lt(to, r->before) && r->order_high - r->before_order >= least)
		to = r->before;
	/* If there is no room for all holes, a part of them comes now, the others when there are fewer pieces */
	for (uint32_t n = to - r->swept; seq_lt(r->swept, to); n /= 2) {
		if (mark_lost(r, r->swept, r->swept + n, OF(FLIGHT), &sum)) {
			r->swept += n;
			break;
		}
	}
	for (unsigned i = 0; r->bytes[AGAIN] && i < r->n; i++) {
		struct piece *p = &r->p[i];

		if (p->fate != AGAIN || evidence(r, p) < least)
			continue;
		p->fate = LOST;
		r->bytes[AGAIN] -= p->end - p->seq;
		r->bytes[LOST] += p->end - p->seq;
		sum += p->end - p->seq;
	}
	lost(t, sum);
}

bool recover_mended(const struct tcp *t, uint32_t seq)
{
	const struct recover *r = of(t);

	for (unsigned i = 0; i < r->n && seq_lt(r->p[i].seq, seq); i++)
		if (r->p[i].fate != SACKED)
			return true;
	return false;
}

bool recover_waits(const struct tcp *t)
{
	const struct recover *r = of(t);
	uint32_t at = r->swept;

	if (r->crowded)
		return false;
	for (unsigned i = piece_at(r, at); i < r->n && seq_lt(at, r->high); i++) {
		if (seq_lt(at, r->p[i].seq))
			return true;
		at = r->p[i].end;
	}
	for (unsigned i = 0; r->bytes[AGAIN] && i < r->n; i++)
		if (r->p[i].fate == AGAIN && evidence(r, &r->p[i]))
			return true;
	return false;
}

void recover_overdue(struct tcp *t)
{
	struct recover *r = of(t);

	find_lost(t, 1);
	r->crowded = recover_waits(t);		/* the same again would find nothing, and put off the timeout */
	r->credit = MAX(r->credit, TCP_INITIAL * t->mss);	/* no acknowledgment brings any */
}

/* The last cut was for nothing */
static void restore(struct recover *r)
{
	if (r->cwnd_was) {
		r->cwnd = MAX(r->cwnd, r->cwnd_was);
		r->ssthresh = MAX(r->ssthresh, r->ssthresh_was);
		r->undone++;
	}
	r->cwnd_was = 0;
	r->timeout = false;
}

static void reordered(struct recover *r, uint32_t segments)
{
	r->reorder = (uint16_t)MIN(MAX(r->reorder, segments), REORDER_MAX);
	r->in_order = 0;
}

/* The timeout came too early: what it declared lost is on its way, recovery is over, and the window is what it was (RFC
 * 4015)
 */
static void spurious(struct tcp *t)
{
	struct recover *r = of(t);
	struct change ch;

	restore(r);
	r->open = false;
	r->force = 0;
	if (recolour(r, t->snd_una, t->snd_max, OF(LOST), (struct piece){ .fate = FLIGHT }, &ch))
		r->swept = r->before = t->snd_una;
}

/* Bytes up to @to arrived, as @ch. Return: number of them */
static uint32_t arrived(struct tcp *t, uint32_t to, const struct change *ch)
{
	struct recover *r = of(t);

	if (seq_lt(r->order_high, ch->order) && seq_le(r->before, r->swept) && seq_lt(r->swept, ch->mark)) {
		r->before = ch->mark;
		r->before_order = ch->order - t->mss;
	}
	r->order_high = ch->order;
	r->high = seq_max(r->high, to);
	return ch->of[FLIGHT] + ch->of[LOST] + ch->of[AGAIN];
}

/* All before snd_una is acknowledged, which was @was. A first segment that came behind others, and was not sent again,
 * was reordered; of later ones the guest may have had no room to report.
 */
static uint32_t take_una(struct tcp *t, uint32_t was, const struct tcp_seg *s)
{
	bool ts = s->ts && t->flags & TCPF_TS;
	struct recover *r = of(t);
	uint32_t behind = r->bytes[SACKED] ? r->high - was : 0, bytes;
	struct change ch;

	recolour(r, was, t->snd_una, FATE_ANY, (struct piece){ .fate = FLIGHT }, &ch);
	bytes = arrived(t, t->snd_una, &ch);
	r->swept = seq_max(r->swept, t->snd_una);
	r->cut_point = seq_max(r->cut_point, t->snd_una);
	r->dup_point = seq_max(r->dup_point, t->snd_una);
	r->before = seq_max(r->before, t->snd_una);
	if (t->flags & TCPF_SACK && ch.first == was && ch.of[FLIGHT] + ch.of[LOST] && behind && !r->timeout)
		reordered(r, behind / t->mss + 1);
	if (r->timeout && (ts ? seq_lt(s->tsecr, r->stamp) : t->flags & TCPF_SACK && ch.of[LOST]))
		spurious(t);			/* RFC 3522: the answer is to what was sent before; or RFC 5682 */
	r->timeout = false;
	if (r->open && seq_le(r->point, t->snd_una)) {
		r->open = false;
		r->force = 0;
	}
	return bytes;
}

/* By distances from snd_una: seq_lt() is not transitive, and numbers half of the space away are "between" any */
bool recover_block(const struct tcp *t, uint32_t from, uint32_t to)
{
	uint32_t una = t->snd_una;

	return from - una < to - una && to - una <= t->snd_max - una;
}

static uint32_t take_block(struct tcp *t, uint32_t from, uint32_t to, uint64_t now)
{
	struct recover *r = of(t);
	unsigned i = piece_at(r, from);
	struct change ch;

	if (!recover_block(t, from, to))
		return 0;
	if (i < r->n && r->p[i].fate == SACKED && seq_le(r->p[i].seq, from) && seq_le(to, r->p[i].end))
		return 0;
	if (!recolour(r, from, to, FATE_ANY, (struct piece){ .fate = SACKED }, &ch))
		return 0;
	if (t->flags & TCPF_TIMED && seq_lt(from, t->rtt_seq) && seq_le(t->rtt_seq, to))
		tcp_timed(t, now);
	return arrived(t, to, &ch);
}

/* The guest got numbers twice (RFC 2883): were they sent again for nothing? That raises the number of segments once a
 * round trip (RFC 8985 6.2, step 4): all that was sent again by then is of one guess.
 */
static void take_duplicate(struct tcp *t, uint32_t from, uint32_t to)
{
	struct recover *r = of(t);

	if (seq_le(to, from) || to - from > r->again)
		return;
	if (r->probed && to == r->probe) {	/* that was no guess by order */
		r->probed = false;
		r->again -= to - from;
		return;
	}
	if (seq_le(r->dup_point, t->snd_una)) {
		reordered(r, r->reorder + r->reorder / 4U + 1);
		r->dup_point = t->snd_max;
	}
	r->again_spurious += to - from;
	if (r->again_spurious >= r->again)
		restore(r);
}

/* Cube root, rounded down (RFC 9438 4.2) */
static uint32_t cbrt64(uint64_t v)
{
	uint64_t x = 0;

	for (uint64_t bit = 1U << 20; bit; bit /= 2)
		if ((x + bit) * (x + bit) * (x + bit) <= v)
			x += bit;
	return (uint32_t)x;
}

/* Bytes by which the window grows in the round that begins: doubled, or RFC 9438 4, at least RFC 5681 3.1; a part of
 * it, if the path has @room
 */
static uint32_t growth(const struct tcp *t, bool room, uint64_t now)
{
	const struct recover *r = of(t);
	uint32_t least = room ? MAX(r->cwnd / 16, t->mss) : t->mss;
	int64_t ms = (int64_t)MIN((now - r->epoch + t->srtt) / 1000, 60000U) - (int64_t)r->k, target;

	if (r->cwnd < r->ssthresh)
		return r->cwnd;
	target = (int64_t)r->wmax + ms * ms * ms / 1000 * 2 * t->mss / 5000000;
	if (target <= (int64_t)r->cwnd)
		return least;
	return (uint32_t)MIN(MAX(target - r->cwnd, least), r->cwnd / 2);
}

/* The window shuts to @to bytes */
static void cut(struct tcp *t, uint32_t to, uint64_t now)
{
	struct recover *r = of(t);

	to = MAX(to, CUT_MIN * t->mss);
	r->cwnd_was = r->cwnd;
	r->ssthresh_was = r->ssthresh;
	r->wmax = r->cwnd;
	r->ssthresh = to;
	r->cwnd = MIN(r->cwnd, to);
	r->epoch = now;
	r->k = cbrt64((uint64_t)(r->wmax - r->cwnd) / t->mss * 2500000000U);
	r->cut_point = t->snd_max;
	r->again = r->again_spurious = 0;
}

/* Is there a queue on the path? Single round trips are long for many a reason, such as a busy machine. */
static bool queued(const struct tcp *t)
{
	uint32_t least = t->rtt_min * SEG_RTT_UNIT, us = UINT32_MAX;

	for (unsigned i = 0; i < RTTS; i++)
		us = MIN(us, of(t)->rtt[i]);
	return us > least + MIN(MAX(least / 8, RISE_MIN), RISE_MAX);
}

/* Slow start ends, as the round trip gets longer (RFC 9406) */
static void steady(struct recover *r, uint64_t now)
{
	r->ssthresh = r->wmax = r->cwnd;
	r->epoch = now;
	r->k = 0;
}

/* A round trip is over. Loss of a small part without a queue is that of the link, and no congestion. */
static void round_end(struct tcp *t, uint64_t now)
{
	struct recover *r = of(t);
	uint32_t us = (uint32_t)MIN(now - r->round_at, UINT32_MAX);
	uint32_t bdp = (uint32_t)((uint64_t)r->delivered * MIN(t->rtt_min * SEG_RTT_UNIT, us) / MAX(us, 1U));
	bool heavy = r->lost > MAX((r->delivered + r->lost) / HEAVY, 2U * t->mss);
	bool first = seq_le(r->cut_point, t->snd_una), room = r->lost <= r->delivered / 16 && !queued(t);

	r->bdp = MAX(bdp, r->bdp - r->bdp / 8);
	if (r->lost && first && heavy)
		cut(t, MAX(bdp, MIN(r->delivered, r->cwnd / 2)), now);
	else if (r->lost && first && queued(t))
		cut(t, MAX(r->cwnd / 10 * 7, r->bdp), now);
	else if (r->cwnd < r->ssthresh && queued(t))
		steady(r, now);
	r->in_order += !!r->lost;
	if (r->in_order >= REORDER_KEPT)	/* RFC 8985 6.2: no longer than that */
		r->reorder = REORDER_MIN;
	r->round_at = now;
	r->delivered = r->lost = 0;
	r->grow = growth(t, room, now);
}

/* @bytes arrived, with @pipe in flight before */
static void opened(struct tcp *t, uint32_t bytes, uint32_t pipe, uint64_t now)
{
	struct recover *r = of(t);

	r->delivered += bytes;
	if (r->cwnd == UINT32_MAX)
		return;
	if (pipe >= r->cwnd / 2)		/* else it is not the window that limits */
		r->cwnd = (uint32_t)MIN(r->cwnd + (uint64_t)bytes * r->grow / r->cwnd, CWND_MAX);
	if (r->open) {
		r->credit += bytes;
		if (pipe_of(t) + r->credit < r->cwnd)
			r->credit += MIN(MAX(bytes, t->mss), r->cwnd - pipe_of(t) - r->credit);
	}
	if (!r->round_at)
		r->round_at = now;
	if (now - r->round_at >= t->srtt)
		round_end(t, now);
}

/* Without SACK: the first segment is lost, unless it is on its way again */
static void next_plain(struct tcp *t)
{
	uint32_t una = t->snd_una, sum = 0;

	mark_lost(of(t), una, una + MIN(t->mss, t->snd_max - una), OF(FLIGHT), &sum);
	lost(t, sum);
}

/* Without SACK: the first segment is lost, three others have arrived. What follows measures no round trip. */
static void first_plain(struct tcp *t)
{
	uint32_t una = t->snd_una, all = t->snd_max - una;
	struct recover *r = of(t);

	r->dups = MIN(MAX(r->dups, REORDER_MIN * t->mss), all - MIN(t->mss, all));
	t->flags &= ~TCPF_TIMED;
	next_plain(t);
}

/* Without SACK: a duplicate acknowledgment is a segment that arrived (RFC 6582 3.2, step 3), an acknowledgment of a
 * part shows the next one that is lost (step 5)
 */
static uint32_t take_plain(struct tcp *t, uint32_t was, uint32_t bytes)
{
	struct recover *r = of(t);
	uint32_t una = t->snd_una;

	if (una == was) {
		if (r->dups + t->mss > t->snd_max - una)
			return 0;
		r->dups += t->mss;
		if (!r->open && t->dup_acks == REORDER_MIN)
			first_plain(t);
		return t->mss;
	}
	was = bytes;
	bytes -= MIN(bytes, r->dups);
	r->dups -= MIN(r->dups, was - MIN(was, t->mss));
	if (!r->open || una == t->snd_max) {
		r->dups = 0;
	} else if (seq_lt(una, r->point)) {
		next_plain(t);
		r->force = t->mss;		/* at once, whatever else seems to be in flight */
	}
	return MAX(bytes, MIN(was, t->mss));
}

bool recover_ack(struct tcp *t, uint32_t was, const struct tcp_seg *s, uint64_t now)
{
	uint32_t bytes = 0, pipe = pipe_of(t) + (t->snd_una - was);
	struct recover *r = of(t);
	unsigned i = 0;

	if (seq_lt(was, t->snd_una))
		bytes = take_una(t, was, s);
	if (!(t->flags & TCPF_SACK)) {
		bytes = take_plain(t, was, bytes);
	} else {
		if (s->sacks && (seq_lt(s->sack[0].from, t->snd_una) ||
				 (s->sacks > 1 && seq_le(s->sack[1].from, s->sack[0].from) &&
				  seq_le(s->sack[0].to, s->sack[1].to)))) {
			take_duplicate(t, s->sack[0].from, s->sack[0].to);
			i = 1;
		}
		for (; i < s->sacks; i++)
			bytes += take_block(t, s->sack[i].from, s->sack[i].to, now);
		find_lost(t, (uint32_t)r->reorder * t->mss);
	}
	r->crowded &= !bytes;
	opened(t, bytes, pipe, now);
	return bytes;
}

void recover_lost(struct tcp *t)
{
	struct recover *r = of(t);
	uint32_t sum = 0;

	if (mark_lost(r, t->snd_una, t->snd_max, OF(FLIGHT) | OF(AGAIN), &sum))
		r->swept = t->snd_max;
	lost(t, sum);
	r->credit = MAX(r->credit, TCP_INITIAL * t->mss);
}

void recover_timeout(struct tcp *t, uint32_t stamp, uint64_t now)
{
	struct recover *r = of(t);
	struct change ch;

	limit(t);
	if (!r->timeout && t->retries <= 1) {
		cut(t, r->cwnd / 10 * 7, now);
		r->stamp = stamp;
		r->timeout = true;
	}
	r->cwnd = t->mss;
	if (t->retries > 1 || (r->n && r->p[0].fate == SACKED && r->p[0].seq == t->snd_una) ||
	    !recolour(r, t->snd_una, t->snd_max, OF(FLIGHT) | OF(AGAIN), (struct piece){ .fate = LOST }, &ch)) {
		memset(r->bytes, 0, sizeof(r->bytes));
		r->n = 0;
		recolour(r, t->snd_una, t->snd_max, OF(FLIGHT), (struct piece){ .fate = LOST }, &ch);
	}
	r->dups = 0;
	r->high = t->snd_una;
	r->swept = r->before = r->point = t->snd_max;
	r->open = true;
	r->credit = r->force = t->mss;
	r->round_at = now;
	r->delivered = r->lost = 0;
	r->grow = r->cwnd;
}

void recover_tail(struct tcp *t)
{
	struct recover *r = of(t);
	uint32_t end = t->snd_max, from, sum = 0;

	for (unsigned i = r->n; i && r->p[i - 1].end == end && r->p[i - 1].fate == SACKED; i--)
		end = r->p[i - 1].seq;
	from = end - MIN(t->mss, end - t->snd_una);
	mark_lost(r, from, end, OF(FLIGHT) | OF(AGAIN), &sum);
	r->force = t->mss;
	r->probe = end;
	r->probed = true;
}

bool recover_next(const struct tcp *t, uint32_t *seq, uint32_t *end)
{
	const struct recover *r = of(t);

	for (unsigned i = 0; r->bytes[LOST] && i < r->n; i++) {
		if (r->p[i].fate != LOST)
			continue;
		*seq = r->p[i].seq;
		*end = r->p[i].end;
		return true;
	}
	return false;
}

void recover_sent(struct tcp *t, uint32_t len)
{
	struct recover *r = of(t);

	r->credit -= MIN(r->credit, len);
	r->force -= MIN(r->force, len);
}

void recover_again(struct tcp *t, uint32_t seq, uint32_t end)
{
	struct recover *r = of(t);
	struct piece as = { .mark = t->snd_max, .fate = AGAIN };
	struct change ch;
	unsigned i;

	if (t->flags & TCPF_TIMED && seq_lt(seq, t->rtt_seq) && seq_le(t->rtt_seq, end))
		t->flags &= ~TCPF_TIMED;	/* Karn's rule: RFC 6298 3 */
	recover_sent(t, end - seq);
	r->again += end - seq;
	as.order = r->order += end - seq;
	if (recolour(r, seq, end, OF(LOST), as, &ch))
		return;
	i = piece_at(r, seq);			/* no room: all of it counts as sent, and will be found lost */
	as.seq = r->p[i].seq;
	as.end = r->p[i].end;
	r->bytes[LOST] -= as.end - as.seq;
	r->bytes[AGAIN] += as.end - as.seq;
	r->p[i] = as;
}

uint32_t recover_room(const struct tcp *t)
{
	const struct recover *r = of(t);
	uint32_t pipe = pipe_of(t), cwnd = MAX(r->cwnd, t->mss);	/* segments may have become larger */
	uint32_t room = pipe < cwnd ? cwnd - pipe : 0;

	if (r->open)
		room = MIN(room, r->credit);
	return MAX(room, r->force);
}

uint32_t recover_new(const struct tcp *t, uint32_t len)
{
	uint32_t room = recover_room(t);

	return room < len ? room / t->mss * t->mss : len;
}

bool recover_due(const struct tcp *t)
{
	uint32_t lost = of(t)->bytes[LOST];

	return lost && recover_room(t) >= MIN(lost, t->mss);
}

unsigned recover_undone(struct tcp *t)
{
	unsigned n = of(t)->undone;

	of(t)->undone = 0;
	return n;
}
