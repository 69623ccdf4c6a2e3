/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LINK: */

#include "../../timer.c"
#include "../../util.h"
#include "../t.h"

#define TIMERS	200

/* The slow reference: due times in an array, 0 where not armed */
static struct timer timer[TIMERS];
static uint64_t due[TIMERS];
static struct wheel wheel;

static uint64_t random64(void)
{
	return (uint64_t)random() << 31 ^ (uint64_t)random();
}

/* Delays of every magnitude, edges of slots and levels above all */
static uint64_t random_delay(void)
{
	uint64_t d = 1ULL << random() % 38;

	switch (random() % 4) {
	case 0:
		return d - 1 + (uint64_t)random() % 3;
	case 1:
		return (uint64_t)random() % 130;
	default:
		return random64() % d;
	}
}

static uint64_t earliest(void)
{
	uint64_t min = 0;

	for (unsigned i = 0; i < TIMERS; i++) {
		if (due[i] && (!min || due[i] < min))
			min = due[i];
	}
	return min;
}

static void set(unsigned i, uint64_t at)
{
	timer_set(&wheel, &timer[i], at);
	due[i] = at > wheel.now && at - wheel.now > TIMER_MAX ? wheel.now + TIMER_MAX : at;
}

/* Takes all that is due and checks that it is what was due, in its order, and no more; sets some again while at it */
static unsigned expire(uint64_t now, bool again)
{
	uint64_t last = 0;
	unsigned count = 0;
	struct timer *t;

	while ((t = timer_expire(&wheel, now))) {
		unsigned i = (unsigned)(t - timer);

		ok(due[i] && due[i] <= now && !timer_armed(t));
		eq(t->due, due[i]);
		ok(t->due >= last);
		last = t->due;
		due[i] = 0;
		count++;
		if (again && random() % 4 == 0)
			set(i, now + 1 + random_delay());
	}
	ok(!earliest() || earliest() > now);
	return count;
}

/* Never late, and 0 only if there is something to do */
static void check_timeout(uint64_t now)
{
	int ms = wheel_timeout(&wheel, now);
	uint64_t first = earliest();

	if (!first)
		eq(ms, -1);
	else if (first <= now)
		eq(ms, 0);
	else
		ok(ms > 0 && (uint64_t)ms <= first - now);
}

static void test_random(uint64_t start, unsigned steps)
{
	uint64_t now = start;

	test("timer: %u random operations from %llu on, against a list", steps, (unsigned long long)start);
	memset(timer, 0, sizeof(timer));
	memset(due, 0, sizeof(due));
	wheel_init(&wheel, now);
	for (unsigned step = 0; step < steps; step++) {
		unsigned i = (unsigned)random() % TIMERS;
		uint64_t late;

		switch (random() % 8) {
		case 0:
			timer_clear(&wheel, &timer[i]);
			ok(!timer_armed(&timer[i]));
			due[i] = 0;
			break;
		case 1:				/* past, or right now */
			late = random_delay();
			set(i, late >= now ? 1 : now - late);
			expire(now, false);
			break;
		case 2:
			now += random_delay() % (1ULL << random() % 37);
			expire(now, true);
			break;
		case 3:				/* as the event loop does */
			if (wheel_timeout(&wheel, now) > 0)
				now += (uint64_t)wheel_timeout(&wheel, now);
			expire(now, true);
			break;
		default:
			set(i, now + random_delay());
			break;
		}
		if (random() % 2) {
			expire(now, true);
			check_timeout(now);
		}
	}
	for (unsigned i = 0; i < TIMERS; i++) {
		timer_clear(&wheel, &timer[i]);
		due[i] = 0;
	}
	eq(wheel_timeout(&wheel, now), -1);
	for (unsigned l = 0; l < WHEEL_LEVELS; l++)
		eq(wheel.used[l], 0);
}

static void test_wakeups(void)
{
	static const uint64_t delay[] = {
		1, 63, 64, 65, 200, 1000, 4096, 60000, 7440000, 86400000, TIMER_MAX - 1, TIMER_MAX,
	};
	unsigned most = 0;

	test("timer: sleeping as told, a timer wakes at most 7 times, and on time");
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t start = random64() >> random() % 50, now = start, want;
		unsigned wakeups = 0;

		wheel_init(&wheel, now);
		memset(timer, 0, sizeof(timer[0]));
		want = start + delay[i % ARRAY_SIZE(delay)];
		timer_set(&wheel, &timer[0], want);
		while (!timer_expire(&wheel, now) && wakeups < 100) {
			int ms = wheel_timeout(&wheel, now);

			if (!ok(ms > 0))
				return;
			now += (uint64_t)ms;
			wakeups += ms != INT32_MAX;	/* epoll_wait() can't sleep any longer */
		}
		eq(now, want);
		most = wakeups > most ? wakeups : most;
	}
	ok(most > 1 && most <= WHEEL_LEVELS + 1);
}

static void test_idle(void)
{
	uint64_t now = 123456789;
	unsigned wakeups = 0;

	test("timer: 200 timers two hours away wake nobody in the next minute, and nothing wakes without timers");
	wheel_init(&wheel, now);
	eq(wheel_timeout(&wheel, now), -1);
	eq(wheel_timeout(&wheel, now + 1000000), -1);
	ok(!timer_expire(&wheel, now + 5));
	memset(timer, 0, sizeof(timer));
	for (unsigned i = 0; i < TIMERS; i++)
		timer_set(&wheel, &timer[i], now + 7200000 + i * 37);
	for (uint64_t t = now; t < now + 60000; wakeups++) {
		ok(!timer_expire(&wheel, t));
		t += (uint64_t)wheel_timeout(&wheel, t);
	}
	ok(wakeups <= 2);
}

static void test_edges(void)
{
	struct timer t[3] = { 0 };
	unsigned count = 0;

	test("timer: due now, past, and set again while they expire");
	wheel_init(&wheel, 1000);
	timer_set(&wheel, &t[0], 1000);
	eq(wheel_timeout(&wheel, 1000), 0);
	ok(timer_expire(&wheel, 1000) == &t[0]);
	ok(!timer_expire(&wheel, 1000));
	timer_set(&wheel, &t[0], 1);
	ok(timer_armed(&t[0]));
	eq(wheel_timeout(&wheel, 1000), 0);
	timer_clear(&wheel, &t[0]);
	eq(wheel_timeout(&wheel, 1000), -1);
	timer_clear(&wheel, &t[0]);

	timer_set(&wheel, &t[0], 1500);
	timer_set(&wheel, &t[1], 1500);
	timer_set(&wheel, &t[2], 1500);
	ok(timer_expire(&wheel, 2000));
	for (unsigned i = 0; i < 3; i++) {	/* off the list of those due */
		count += timer_armed(&t[i]);
		timer_set(&wheel, &t[i], 3000);
	}
	eq(count, 2);
	ok(!timer_expire(&wheel, 2999));
	for (count = 0; timer_expire(&wheel, 3000); count++)
		;
	eq(count, 3);

	test("timer: a clock that stands still or jumps back does no harm");
	timer_set(&wheel, &t[0], 3010);
	timer_set(&wheel, &t[1], 3003);
	ok(!timer_expire(&wheel, 10));
	ok(!timer_expire(&wheel, 100));
	ok(!timer_expire(&wheel, 3002));
	ok(timer_expire(&wheel, 3003) == &t[1]);
	ok(wheel_timeout(&wheel, 3003) > 0 && wheel_timeout(&wheel, 3003) <= 7);
	ok(timer_expire(&wheel, 3010) == &t[0]);

	test("timer: 2^64 - 1 counts as 2^36 ms");
	timer_set(&wheel, &t[0], UINT64_MAX);
	eq(t[0].due, 3010 + (1ULL << 36));
	eq(wheel_timeout(&wheel, 3010), INT32_MAX);
	ok(timer_expire(&wheel, t[0].due) == &t[0]);
}

int main(void)
{
	srandom(64);
	test_edges();
	test_random(1000, 60000);
	test_random((1ULL << 36) - 100, 30000);
	test_random((1ULL << 40) + 77, 30000);
	test_wakeups();
	test_idle();
	return done();
}
