/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_test.c - what one turn does */
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../t.h"
#include "../../loop.c"
#include "../../sock.h"

#define LISTENERS	10

static struct ctx c;
static struct conf cf;
static struct listener listeners[LISTENERS];

static unsigned paused(void)
{
	unsigned n = 0;

	for (uint32_t i = c.fwd.paused; i; i = listeners[i - 1].next)
		n++;
	return n;
}

/* What is due, without waiting */
static void turn_end(void)
{
	struct turn t = { 0 };

	while (loop_next(&c, &t))
		;
	loop_end(&c);
}

/* Nobody waits at them by now */
static void test_listeners(void)
{
	const struct end at = { .a = addr_loopback4 };
	unsigned left;

	test("I6 PEER-05 listening sockets that were left alone: a few in a turn, the rest in the next ones");
	c.fwd.l = listeners;
	c.fwd.rule[0].r.proto = IPPROTO_TCP;
	for (uint32_t i = 0; i < LISTENERS; i++) {
		listeners[i].fd = sock_listen(IPPROTO_TCP, &at, false, NULL);
		eq(ev_add(c.epfd, listeners[i].fd, EV_TCP_LISTEN, i, 0, EPOLLIN), 0);
		accept_pause(&c, EV_TCP_LISTEN, listeners[i].fd, i);
	}
	timer_set(&c.wheel, &c.accept.timer, c.now);
	for (left = LISTENERS; left; left = paused()) {
		turn_end();
		eq(left - paused(), MIN(left, 4));
		c.now++;
	}
	turn_end();
	ok(!accept_waiting(&c) && !timer_armed(&c.accept.timer));
	for (unsigned i = 0; i < LISTENERS; i++)
		close(listeners[i].fd);
}

/* A turn: events of ours that came, and whether the timer was among them */
static unsigned turn(const struct timer *t, bool *timed)
{
	struct turn now;
	unsigned n = 0;

	*timed = false;
	loop_wait(&c, &now);
	while (loop_next(&c, &now)) {
		uint64_t count;

		if (now.timer)
			*timed |= now.timer == t;
		else
			n += read((int)now.ref.fd, &count, sizeof(count)) > 0;
	}
	loop_end(&c);
	return n;
}

/* A process that was stopped, or a machine that slept */
static void test_stopped(void)
{
	struct timer t = { .kind = TIMER_STATS };
	int fd[LOOP_EVENTS + 1];
	bool timed;

	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = eventfd(1, EFD_CLOEXEC);
		eq(ev_add(c.epfd, fd[i], EV_SIGNAL, 0, 0, EPOLLIN), 0);
	}
	test("after a sleep, what came meanwhile is before timers");
	timer_set(&c.wheel, &t, c.now + 1);
	usleep((STOPPED + 50) * 1000);
	eq(turn(&t, &timed), LOOP_EVENTS);
	ok(!timed);
	eq(turn(&t, &timed), 1);
	ok(timed);
	test("without one, a timer is on time");
	timer_set(&c.wheel, &t, c.now + 1);
	usleep(2000);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++)
		eq(write(fd[i], &(uint64_t){ 1 }, sizeof(uint64_t)), sizeof(uint64_t));
	eq(turn(&t, &timed), LOOP_EVENTS);
	ok(timed);
	for (unsigned i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

int main(void)
{
	c.net.cf = &cf;
	eq(loop_init(&c), 0);
	test_listeners();
	test_stopped();
	return done();
}
