/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer.h - hierarchical timer wheel without descriptors
 *
 * Six levels of 64 slots, one millisecond at the lowest: every operation is O(1). The wheel gives epoll_wait() its
 * timeout, and returns due timers one by one: nothing is called upward.
 */
#ifndef TIMER_H
#define TIMER_H

#include <stdbool.h>
#include <stdint.h>

enum timer_kind {
	TIMER_NONE,
	TIMER_FLOW,
	TIMER_QUERY,
	TIMER_NDP,
	TIMER_PROBE,
	TIMER_NEIGH,
	TIMER_ACCEPT,
	TIMER_LINK,
	TIMER_TRIAL,
	TIMER_NS,
	TIMER_STATS,
	TIMER_AUTO,
	TIMER_CONTROL,
	TIMER_HOST,
	TIMER_ASK,
	TIMER_ASKED,
	TIMER_GROUPS,
	TIMER_KINDS
};

/* Intrusive: lives in its owner, found again with container_of() by its kind */
struct timer {
	struct timer	*next, **pprev;	/* pprev NULL: not armed */
	uint64_t	due;		/* ms, as now_ms() */
	uint8_t		kind;		/* enum timer_kind */
	uint8_t		level, slot;	/* of its list; kept by timer.c */
};

#define WHEEL_LEVELS	6
#define WHEEL_SLOTS	64

#define WHEEL_NEVER	UINT64_MAX

struct wheel {
	uint64_t	now;				/* everything due before this is on @expired */
	uint64_t	next;				/* start of the first occupied slot; WHEEL_NEVER; 0: unknown */
	struct timer	*slot[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t	used[WHEEL_LEVELS];		/* a bit per occupied slot */
	struct timer	*expired;
};

void wheel_init(struct wheel *w, uint64_t now);

/* Arms, or re-arms, @t for @due; a time already past is due at once. Farther than 2^36 ms counts as 2^36 ms. */
void timer_set(struct wheel *w, struct timer *t, uint64_t due);

void timer_clear(struct wheel *w, struct timer *t);

static inline bool timer_armed(const struct timer *t)
{
	return t->pprev;
}

struct timer *wheel_expire(struct wheel *w, uint64_t now);

/* Next timer due at @now, disarmed, or NULL when there is none left. May be called with timers set in between. */
static inline struct timer *timer_expire(struct wheel *w, uint64_t now)
{
	if (w->expired || w->next <= now)
		return wheel_expire(w, now);
	if (w->now < now)
		w->now = now;
	return NULL;
}

/* Milliseconds epoll_wait() may sleep at @now: 0 if something is due, -1 if nothing is armed */
int wheel_timeout(struct wheel *w, uint64_t now);

#endif /* TIMER_H */
