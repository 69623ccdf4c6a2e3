/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer.c - hierarchical timer wheel
 *
 * A timer sits on the level of the highest group of six bits in which its due time differs from the wheel's. So all
 * of a level's timers are due before any of the next level's, the current slot of every level but the lowest is
 * empty, and the next thing to do is at the first occupied slot of the lowest occupied level. At the start of a slot
 * of a higher level, its timers move to lower ones: at most five moves in a timer's life, six if it was too far away
 * for the highest level, which is the only one that wraps around.
 *
 * A timer on the expired list keeps its level and slot, whose bit is correct by then.
 */

#include <limits.h>
#include <string.h>

#include "timer.h"
#include "util.h"

#define LEVEL_BITS	6
#define LEVEL_SHIFT(l)	((l) * LEVEL_BITS)
#define TOP		(WHEEL_LEVELS - 1)
#define TIMER_MAX	(1ULL << LEVEL_SHIFT(WHEEL_LEVELS))	/* ms */

_Static_assert(WHEEL_SLOTS == 1 << LEVEL_BITS && WHEEL_SLOTS == 64, "a level's slots must fit its bit map");

void wheel_init(struct wheel *w, uint64_t now)
{
	memset(w, 0, sizeof(*w));
	w->now = now;
}

static void list_add(struct timer **head, struct timer *t)
{
	t->next = *head;
	t->pprev = head;
	if (t->next)
		t->next->pprev = &t->next;
	*head = t;
}

static void list_del(struct timer *t)
{
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	t->pprev = NULL;
}

/* Links a timer due at or after w->now into its slot */
static void wheel_add(struct wheel *w, struct timer *t)
{
	uint64_t diff = t->due ^ w->now;
	unsigned level = diff ? (unsigned)(63 - __builtin_clzll(diff)) / LEVEL_BITS : 0;
	uint64_t slot;

	level = MIN(level, TOP);
	slot = t->due >> LEVEL_SHIFT(level);
	if (slot - (w->now >> LEVEL_SHIFT(level)) >= WHEEL_SLOTS)	/* as far ahead as the highest level sees */
		slot = (w->now >> LEVEL_SHIFT(level)) + WHEEL_SLOTS - 1;

	t->level = (uint8_t)level;
	t->slot = (uint8_t)(slot % WHEEL_SLOTS);
	w->used[level] |= 1ULL << t->slot;
	w->next = MIN(w->next, slot << LEVEL_SHIFT(level));
	list_add(&w->slot[level][t->slot], t);
}

void timer_set(struct wheel *w, struct timer *t, uint64_t due)
{
	timer_clear(w, t);
	if (due < w->now) {
		t->due = due;
		t->level = t->slot = 0;
		list_add(&w->expired, t);
		return;
	}
	t->due = MIN(due, w->now + TIMER_MAX);
	wheel_add(w, t);
}

void timer_clear(struct wheel *w, struct timer *t)
{
	if (!timer_armed(t))
		return;

	list_del(t);
	if (!w->slot[t->level][t->slot]) {
		w->used[t->level] &= ~(1ULL << t->slot);
		w->next = 0;
	}
}

/* Finds the first occupied slot. Return: its level, WHEEL_LEVELS if there is none */
static unsigned wheel_find(struct wheel *w)
{
	for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
		uint64_t pos = w->now >> LEVEL_SHIFT(l), used = w->used[l];
		unsigned cur = pos % WHEEL_SLOTS;

		if (!used)
			continue;
		used = used >> cur | used << (WHEEL_SLOTS - cur) % WHEEL_SLOTS;
		w->next = (pos + (unsigned)__builtin_ctzll(used)) << LEVEL_SHIFT(l);
		return l;
	}
	w->next = WHEEL_NEVER;
	return WHEEL_LEVELS;
}

/* Moves the timers of the slot that begins now to @expired, or to lower levels */
static void wheel_turn(struct wheel *w, unsigned level)
{
	unsigned s = (w->now >> LEVEL_SHIFT(level)) % WHEEL_SLOTS;
	struct timer *t = w->slot[level][s], *next;

	w->slot[level][s] = NULL;
	w->used[level] &= ~(1ULL << s);
	w->next = 0;

	if (!level) {			/* all due in this millisecond */
		w->expired = t;
		t->pprev = &w->expired;
		return;
	}
	for (; t; t = next) {
		next = t->next;
		wheel_add(w, t);
	}
}

struct timer *wheel_expire(struct wheel *w, uint64_t now)
{
	struct timer *t;

	while (!w->expired) {
		unsigned level = w->next > now ? WHEEL_LEVELS : wheel_find(w);

		if (w->next > now) {
			w->now = MAX(now, w->now);
			return NULL;
		}
		w->now = w->next;
		wheel_turn(w, level);
	}
	t = w->expired;
	list_del(t);
	return t;
}

int wheel_timeout(struct wheel *w, uint64_t now)
{
	if (w->expired)
		return 0;
	if (!w->next)
		wheel_find(w);
	if (w->next == WHEEL_NEVER)
		return -1;
	return w->next <= now ? 0 : (int)MIN(w->next - now, INT_MAX);
}
