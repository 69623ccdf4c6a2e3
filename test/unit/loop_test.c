/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop_test.c - what one turn does */
#include <netinet/in.h>
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

int main(void)
{
	c.net.cf = &cf;
	eq(loop_init(&c), 0);
	test_listeners();
	return done();
}
