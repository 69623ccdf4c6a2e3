/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd_rules_test.c - rules that come and go while the loop runs, with stubs in place of sockets */
/* LINK: addr.o util.o log.o conf_ports.o fwd.o */
/* LDFLAGS: -Wl,--wrap=fd_close,--wrap=getrlimit */

#include "../t.h"
#include "../../fwd_rules.c"

#define FD_FIRST	1000

struct sock_features sock_features = { .ipv6 = true };

/* Sockets there are, by descriptor */
static struct {
	bool		open, dual;
	uint8_t		proto;
	struct end	at;
	uint32_t	idx;
	enum ev_type	type;
} sk[4096];

static struct {
	unsigned	open, added;
	uint16_t	taken, denied;		/* somebody has this port; ports up to this one take a privilege */
	int		fail_add;
	uint32_t	gone[16];		/* of udp_gone */
	unsigned	ngone;
} world;

static struct fwd fwd;
static struct conf c;

int __real_getrlimit(int resource, struct rlimit *lim);
int __wrap_getrlimit(int resource, struct rlimit *lim);
void __wrap_fd_close(int fd);

int __wrap_getrlimit(int resource, struct rlimit *lim)
{
	if (resource != RLIMIT_NOFILE)		/* a sanitizer's */
		return __real_getrlimit(resource, lim);
	lim->rlim_cur = lim->rlim_max = RLIM_INFINITY;
	return 0;
}

void __wrap_fd_close(int fd)
{
	if (!ok(fd >= FD_FIRST && sk[fd - FD_FIRST].open))
		return;
	sk[fd - FD_FIRST].open = false;
	world.open--;
}

int sock_listen(uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	unsigned i, place = ARRAY_SIZE(sk);

	(void)o;
	if (at->port == world.taken)
		return -EADDRINUSE;
	if (at->port <= world.denied)
		return -EACCES;
	for (i = 0; i < ARRAY_SIZE(sk); i++) {
		if (!sk[i].open)
			place = MIN(place, i);
		else if (sk[i].proto == proto && sk[i].at.port == at->port &&
			 (sk[i].dual || dual || addr_eq(&sk[i].at.a, &at->a)))
			return -EADDRINUSE;
	}
	if (!ok(place < ARRAY_SIZE(sk)))
		return -EMFILE;
	world.open++;
	sk[place].open = true;
	sk[place].dual = dual;
	sk[place].proto = proto;
	sk[place].at = *at;
	return FD_FIRST + (int)place;
}

int sock_listen_on(int fd, uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	(void)fd;
	return sock_listen(proto, at, dual, o);
}

int ev_add(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events)
{
	if (world.fail_add)
		return world.fail_add;
	ok(epfd == 99 && events == EPOLLIN && !gen && sk[fd - FD_FIRST].open);
	sk[fd - FD_FIRST].idx = idx;
	sk[fd - FD_FIRST].type = type;
	world.added++;
	return 0;
}

static void on_udp_gone(struct fwd *f, uint32_t listener)
{
	ok(f == &fwd && f->l[listener].fd >= FD_FIRST && sk[f->l[listener].fd - FD_FIRST].open);
	if (world.ngone < ARRAY_SIZE(world.gone))
		world.gone[world.ngone] = listener;
	world.ngone++;
}

/* Each socket is some listener's, and each listener's rule is there */
static void consistent(void)
{
	uint32_t used = 0, unused = 0, i;

	for (i = 0; i < fwd.n; i++) {
		const struct listener *l = &fwd.l[i];

		if (l->fd < 0)
			continue;
		used++;
		ok(sk[l->fd - FD_FIRST].open && sk[l->fd - FD_FIRST].idx == i);
		ok(l->rule < fwd.nrules && fwd.rule[l->rule].id);
		ok(l->port >= fwd.rule[l->rule].r.first && l->port <= fwd.rule[l->rule].r.last);
	}
	for (i = fwd.free; i && unused <= fwd.n; i = fwd.l[i - 1].next, unused++)
		ok(fwd.l[i - 1].fd < 0);
	eq(used, fwd.used);
	eq(used, world.open);
	eq(unused, fwd.n - used);
}

/* Only these options at start */
static void fresh(const char *name, const char *spec, const char *spec2)
{
	const char *const specs[] = { spec, spec2 };

	test("%s", name);
	memset(&world, 0, sizeof(world));
	memset(sk, 0, sizeof(sk));
	memset(&c, 0, sizeof(c));
	ephemeral_path = "/nonexistent";
	c.ip[V4].on = c.ip[V6].on = true;
	for (unsigned i = 0; i < ARRAY_SIZE(specs) && specs[i]; i++)
		eq_str(conf_ports(&c.rules, MODE_PASTA, specs[i][0], specs[i] + 1), NULL);
	fwd.udp_gone = on_udp_gone;
	eq(fwd_listen(&fwd, &c, 99), 0);
}

static struct rules want;

/* The table, and a rule more; -EEXIST and -ENOSPC for a table that can't be asked for */
static int add(const char *spec, uint32_t *id)
{
	static struct rules one;
	struct fwd_failure why;
	int rc;

	one = (struct rules){ .run_time = true };
	eq_str(conf_ports(&one, MODE_PASTA, spec[0], spec + 1), NULL);
	eq(one.n, 1);
	fwd_table(&fwd, &want);
	if (want.n == RULES_MAX)
		return -ENOSPC;
	if (conf_ports(&want, MODE_PASTA, spec[0], spec + 1))
		return -EEXIST;
	rc = fwd_replace(&fwd, &c, &want, &why);
	for (unsigned i = 0; !rc && i < fwd.nrules; i++) {
		if (fwd.rule[i].id && rule_same(&fwd.rule[i].r, &one.rule[0]))
			*id = fwd.rule[i].id;
	}
	return rc;
}

/* The table, without one of its rules */
static int del(uint32_t id)
{
	struct fwd_failure why;
	unsigned n = 0;

	for (unsigned i = 0; id && i < fwd.nrules; i++) {
		if (fwd.rule[i].id != id)
			continue;
		fwd_table(&fwd, &want);
		for (unsigned k = 0; k < want.n; k++) {
			if (!rule_same(&want.rule[k], &fwd.rule[i].r))
				want.rule[n++] = want.rule[k];
		}
		eq(n, want.n - 1);
		want.n = n;
		return fwd_replace(&fwd, &c, &want, &why);
	}
	return -ENOENT;
}

static void test_add(void)
{
	uint32_t a = 0, b = 0, again = 0;

	fresh("FWD-19 a rule is added: its ports are listened to", "t80", NULL);
	eq(add("t8080-8082:90-92", &a), 0);
	eq(world.open, 4);
	ok(a && a != fwd.rule[0].id);
	eq(sk[3].at.port, 8082);
	ok(sk[3].type == EV_TCP_LISTEN && sk[3].dual);
	eq(fwd.rule[fwd.l[sk[3].idx].rule].r.to, 90);
	consistent();

	test("FWD-25 the same again is the same rule");
	eq(add("t8080-8082:90-92", &again), 0);
	eq(again, a);
	eq(add("t80", &again), 0);
	eq(again, fwd.rule[0].id);
	eq(world.open, 4);
	consistent();

	test("another is another");
	eq(add("u8080", &b), 0);
	ok(b && b != a);
	eq(world.open, 5);
	ok(sk[4].type == EV_UDP_LISTEN && sk[4].proto == IPPROTO_UDP);
	consistent();

	test("FWD-19 a rule is deleted: its ports are free");
	eq(del(a), 0);
	eq(world.open, 2);
	consistent();
	eq(del(a), -ENOENT);
	eq(del(0), -ENOENT);
	eq(del(12345), -ENOENT);

	test("and its entries are used again, but not what it was called");
	eq(add("t8080:1", &again), 0);
	ok(again != a && again != b);
	eq(fwd.n, 5);
	eq(fwd.nrules, 3);
	eq(world.open, 3);
	consistent();

	test("a rule of the command line goes as well");
	eq(del(fwd.rule[0].id), 0);
	eq(world.open, 2);
	eq(add("t80:8000", &again), 0);
	consistent();

	test("a new rule has counted nothing");
	fwd.rule[0].accepted = 5;
	eq(del(fwd.rule[0].id), 0);
	eq(add("t81", &again), 0);
	eq(fwd.rule[0].accepted, 0);
	fwd_close(&fwd);
	eq(fwd.used, 0);
}

/* What fails changes nothing */
static const struct refused {
	const char	*name, *start[2], *rule;
	int		rc;
	uint16_t	taken, denied;
	int		fail_add;
	uint32_t	limit;			/* of descriptors, 0: none */
	bool		off4, off6, no_tcp, no_udp;
} refused[] = {
	{ .name = "the 2nd port is taken", .rule = "t80-82", .taken = 81, .rc = -EADDRINUSE },
	{ .name = "the last port is taken", .rule = "u80-82:1-3", .taken = 82, .rc = -EADDRINUSE },
	{ .name = "a port takes a privilege", .rule = "t70-90", .denied = 80, .rc = -EACCES },
	{ .name = "epoll is full", .rule = "t80-82", .fail_add = -ENOSPC, .rc = -ENOSPC },
	{ .name = "descriptors for two of three", .rule = "t80-82", .limit = FD_RESERVE + 2, .rc = -EMFILE },
	{ .name = "no descriptors", .rule = "t80", .limit = FD_RESERVE, .rc = -EMFILE },
	{ .name = "another target", .start = { "t80:90" }, .rule = "t80:91", .rc = -EEXIST },
	{ .name = "another target's address", .start = { "t127.0.0.1/80:10.0.0.1" }, .rule = "t127.0.0.1/80",
	  .rc = -EEXIST },
	{ .name = "part of a range", .start = { "t80-90" }, .rule = "t85", .rc = -EEXIST },
	{ .name = "range that overlaps", .start = { "u80-90" }, .rule = "u90-91", .rc = -EEXIST },
	{ .name = "an address, and any has the port", .start = { "t80" }, .rule = "t127.0.0.1/80", .rc = -EADDRINUSE },
	{ .name = "all, and all are taken", .rule = "u~1-79,~81-65535", .taken = 80, .rc = -EADDRINUSE },
	{ .name = "no IPv6", .rule = "t::1/80", .off6 = true, .rc = -EAFNOSUPPORT },
	{ .name = "no IPv4", .rule = "t127.0.0.1/80", .off4 = true, .rc = -EAFNOSUPPORT },
	{ .name = "no TCP", .rule = "t80", .no_tcp = true, .rc = -EPROTONOSUPPORT },
	{ .name = "no UDP", .rule = "u80", .no_udp = true, .rc = -EPROTONOSUPPORT },
};

static void test_refused(void)
{
	for (const struct refused *r = refused; r < refused + ARRAY_SIZE(refused); r++) {
		char name[128];
		uint32_t id = 4711;
		unsigned open;

		snprintf(name, sizeof(name), "FWD-19 nothing changes: %s", r->name);
		fresh(name, r->start[0], r->start[1]);
		open = world.open;
		world.taken = r->taken;
		world.denied = r->denied;
		world.fail_add = r->fail_add;
		if (r->limit)
			fwd.max = r->limit - FD_RESERVE;
		c.ip[V4].on = !r->off4;
		c.ip[V6].on = !r->off6;
		c.no_tcp = r->no_tcp;
		c.no_udp = r->no_udp;
		eq(add(r->rule, &id), r->rc);
		eq(id, 4711);
		eq(world.open, open);
		eq(fwd.used, open);
		eq(fwd.targets, r->rc == -EEXIST && strstr(r->start[0], "10.") ? 1 : 0);
		consistent();
		for (unsigned i = c.rules.n; i < fwd.nrules; i++)
			ok(!fwd.rule[i].id);
	}

	fresh("FWD-19 what failed works when its port is free", NULL, NULL);
	world.taken = 81;
	uint32_t id = 0;
	eq(add("t80-82", &id), -EADDRINUSE);
	world.taken = 0;
	eq(add("t80-82", &id), 0);
	eq(world.open, 3);
	consistent();

	fresh("same port, another address", "t127.0.0.1/80", NULL);
	eq(add("t::1/80", &id), 0);
	eq(add("t127.0.0.2/80:81", &id), 0);
	eq(world.open, 3);
	consistent();

	fresh("a rule for a family that is off isn't in the table", NULL, NULL);
	c.ip[V6].on = false;
	eq_str(conf_ports(&c.rules, MODE_PASTA, 't', "::1/80"), NULL);
	eq(fwd_listen(&fwd, &c, 99), 0);
	eq(fwd.rule[0].id, 0);
	eq(add("t80", &id), 0);
	eq(fwd.l[0].rule, 0);
	consistent();
}

static void test_weak_rules(void)
{
	uint32_t id = 0;

	fresh("all of a range, less what is taken and ephemeral", NULL, NULL);
	world.taken = 32766;
	eq(add("t~1-32764,~61001-65535", &id), 0);
	eq(world.open, 3);		/* 32765, 32767, 61000 */
	consistent();
	eq(del(id), 0);
	eq(world.open, 0);

	test("nothing but ephemeral ones: no error, and nothing");
	eq(add("t~1-32767,~61000-65535", &id), 0);
	eq(world.open, 0);
	eq(del(id), 0);
	consistent();
}

static void test_paused(void)
{
	static const uint32_t order[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 }, { 1, 2, 0 }, { 0, 2, 1 } };
	uint32_t i;

	for (unsigned k = 0; k < ARRAY_SIZE(order); k++) {
		uint32_t id[3];

		fresh("listeners that wait for a descriptor are deleted, in any order", NULL, NULL);
		eq(add("t80", &id[0]), 0);
		eq(add("t81-82", &id[1]), 0);
		eq(add("t83", &id[2]), 0);
		for (i = 0; i < 4; i++) {	/* as tcp.c does */
			fwd.l[i].next = fwd.paused;
			fwd.paused = i + 1;
		}
		for (unsigned j = 0; j < 3; j++) {
			unsigned left = 0;

			eq(del(id[order[k][j]]), 0);
			for (i = fwd.paused; i && left <= 4; i = fwd.l[i - 1].next, left++)
				ok(fwd.l[i - 1].fd >= 0);
			eq(left, fwd.used);
			consistent();
		}
		eq(fwd.paused, 0);
	}
}

static void test_udp_gone(void)
{
	uint32_t id = 0;

	fresh("UDP listeners are told of before they are closed, TCP's are not", "t80", NULL);
	eq(add("u80-82", &id), 0);
	eq(del(id), 0);
	eq(world.ngone, 3);
	eq(del(fwd.rule[0].id), 0);
	eq(world.ngone, 3);
}

static void test_stale(void)
{
	uint32_t t = 0, u = 0;

	fresh("an event of a listener that is gone, or another one by now, is nobody's", NULL, NULL);
	eq(add("t80", &t), 0);
	ok(fwd_listener(&fwd, 0, IPPROTO_TCP) == &fwd.l[0]);
	ok(!fwd_listener(&fwd, 0, IPPROTO_UDP));
	eq(del(t), 0);
	ok(!fwd_listener(&fwd, 0, IPPROTO_TCP));
	eq(add("u80", &u), 0);
	ok(!fwd_listener(&fwd, 0, IPPROTO_TCP));
	ok(fwd_listener(&fwd, 0, IPPROTO_UDP) == &fwd.l[0]);
}

static void test_many(void)
{
	static uint32_t id[RULES_MAX + 1];
	char spec[16];
	unsigned i;

	fresh("FWD-19 as many rules as there may be, one more, and all deleted", NULL, NULL);
	for (i = 0; i <= RULES_MAX; i++) {
		snprintf(spec, sizeof(spec), "%c%u", i % 2 ? 't' : 'u', 1000 + i);
		eq(add(spec, &id[i]), i < RULES_MAX ? 0 : -ENOSPC);
	}
	eq(world.open, RULES_MAX);
	consistent();
	for (i = 0; i < RULES_MAX; i++)
		eq(del(id[(i * 7) % RULES_MAX]), 0);
	eq(world.open, 0);
	consistent();

	test("FWD-19 1,000 rules of three ports added and deleted: entries and descriptors as before");
	for (i = 0; i < 1000; i++) {
		eq(add("t127.0.0.1/80-82:10.0.0.1/90-92", &id[0]), 0);
		eq(add("u80-82", &id[1]), 0);
		ok(id[1] > id[0]);
		eq(del(id[i % 2]), 0);
		eq(del(id[!(i % 2)]), 0);
	}
	eq(world.open, 0);
	eq(fwd.n, RULES_MAX);
	eq(fwd.nrules, RULES_MAX);
	eq(fwd.targets, 0);
	eq(fwd.last_id, RULES_MAX + 2000);
	consistent();
}

int main(void)
{
	log_level = LOG_ERR;
	test_add();
	test_refused();
	test_weak_rules();
	test_paused();
	test_udp_gone();
	test_stale();
	test_many();
	return done();
}
