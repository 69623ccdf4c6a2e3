/* SPDX-License-Identifier: GPL-2.0-or-later */
/* accept_test.c - descriptors are scarce: who may have one, and who waits */

#include <netinet/in.h>

#include "../t.h"
#include "../../accept.c"
#include "../../sock.h"

#define LIMIT	200

static struct ctx c;
static struct listener listeners[4];
static int taken[LIMIT], ntaken;

/* All numbers below @to are in use, but for @holes of them */
static void use_up(int to, int holes)
{
	int fd;

	while ((fd = fcntl(c.epfd, F_DUPFD_CLOEXEC, 0)) >= 0 && fd < to)
		taken[ntaken++] = fd;
	fd_close(fd);
	while (holes--)
		close(taken[--ntaken]);
}

static void give_back(void)
{
	while (ntaken)
		close(taken[--ntaken]);
}

/* Listening socket of loopback, where @clients wait */
static int listen_here(unsigned clients, int *client)
{
	const struct end at = { .a = addr_loopback4 };
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	struct side to = { 0 };
	int fd = sock_listen(IPPROTO_TCP, &at, false, NULL);

	getsockname(fd, &sa.sa, &len);
	end_from_sa(&to.peer, &sa);
	to.our.a = addr_any4;
	for (unsigned i = 0; i < clients; i++)
		client[i] = sock_connect(&to, NULL);
	return fd;
}

static void test_limit(void)
{
	static const struct {
		uint32_t fds, listeners;
		int limit;
	} t[] = {
		{ 1024, 0, 1024 - 102 }, { 1024, 24, 1024 - 100 }, { 256, 1, 256 - 25 }, { 100, 0, 84 }, { 64, 0, 48 },
		{ 30, 0, 15 }, { 65600, 65536, 65600 - 16 }, { 65540, 65536, 65538 }, { 10, 20, 10 },
		{ INT32_MAX, 0, INT32_MAX - 214748364 },
	};

	test("PEER-05 the reserve: a tenth of what listeners leave, at least 16, at most half");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		c.accept.fds = t[i].fds;
		c.fwd.used = t[i].listeners;
		eq(accept_limit(&c), t[i].limit);
	}
	c.fwd.used = 0;
	test("PEER-05 flows are counted by what each may have: plenty, or ask the kernel");
	c.accept.fds = 2000;
	ok(accept_plenty(&c));
	c.flows.fds = 1543;
	ok(accept_plenty(&c));
	c.flows.fds = 1544;
	ok(!accept_plenty(&c));
	c.flows.fds = 0;
}

static void test_room(void)
{
	const struct rlimit lim = { LIMIT, LIMIT };
	int limit, client[3], fd, conn;
	union sockaddr_any from;

	test("PEER-05 what comes in leaves the reserve, and what the guest starts may use it");
	ok(!setrlimit(RLIMIT_NOFILE, &lim));
	accept_init(&c);
	limit = accept_limit(&c);
	eq(limit, LIMIT - 20);
	fd = listen_here(3, client);
	ok(accept_room(&c, 2));
	use_up(limit, 2);
	ok(accept_room(&c, 2));
	use_up(limit, 1);
	ok(accept_room(&c, 1));
	ok(!accept_room(&c, 2));
	eq(accept_take(&c, fd, &from, true), -EMFILE);
	conn = accept_take(&c, fd, &from, false);
	ok(conn >= 0);
	close(conn);
	use_up(LIMIT, 0);
	ok(!accept_room(&c, 1));
	eq(accept_take(&c, fd, NULL, false), -EMFILE);
	give_back();
	for (unsigned i = 0; i < 2; i++) {
		conn = accept_take(&c, fd, &from, true);
		ok(conn >= 0);
		close(conn);
		close(client[i]);
	}
	eq(accept_take(&c, fd, NULL, true), -EAGAIN);
	close(client[2]);
	close(fd);
}

static bool wakes(void)
{
	struct epoll_event ev;

	return epoll_wait(c.epfd, &ev, 1, 0) == 1;
}

static void test_pause(void)
{
	int client, fd[4], guest;
	uint32_t i;

	test("I8 PEER-05 a socket that was left alone wakes nobody; the oldest is first");
	c.fwd.l = listeners;
	for (i = 0; i < 4; i++) {
		c.fwd.l[i].fd = fd[i] = listen_here(1, &client);
		eq(ev_add(c.epfd, fd[i], EV_TCP_LISTEN, i, 0, EPOLLIN), 0);
		ok(wakes());
		accept_pause(&c, EV_TCP_LISTEN, fd[i], i);
		ok(!wakes());
		close(client);
	}
	guest = listen_here(1, &client);
	eq(ev_add(c.epfd, guest, EV_GUEST, 0, 0, EPOLLIN), 0);
	accept_pause(&c, EV_GUEST, guest, 0);
	ok(!wakes() && accept_waiting(&c) && timer_armed(&c.accept.timer));
	for (unsigned k = 0; k < 4; k++) {
		ok(accept_next_listener(&c, &i));
		eq(i, k);
		ok(wakes());
		if (!k) {			/* again: behind all others */
			accept_pause(&c, EV_TCP_LISTEN, fd[0], 0);
			ok(!wakes());
		}
		close(k ? fd[k] : -1);
	}
	ok(accept_next_listener(&c, &i) && !i && !accept_next_listener(&c, &i));
	close(fd[0]);
	ok(accept_waiting(&c) && !wakes());
	ok(accept_next_guest(&c, &fd[0]) && fd[0] == guest && wakes());
	ok(!accept_next_guest(&c, &fd[0]) && !accept_waiting(&c));
	close(client);
	close(guest);
}

int main(void)
{
	c.epfd = epoll_create1(EPOLL_CLOEXEC);
	flows_init(&c.flows);
	wheel_init(&c.wheel, 1000);
	c.now = 1000;
	test_limit();
	test_room();
	test_pause();
	return done();
}
