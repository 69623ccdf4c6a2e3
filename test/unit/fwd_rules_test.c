/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd_rules_test.c - rules that come and go while the loop runs, with stubs in place of sockets */
/* LDFLAGS: -Wl,--wrap=fd_close,--wrap=getrlimit */

#include "../t.h"
#include "../../fwd.c"

#define FD_FIRST	1000

struct sock_features sock_features = { .ipv6 = true };

/* Sockets there are, by descriptor */
static struct socket {
	bool		open, dual, ns;
	uint8_t		proto;
	struct end	at;
	char		ifname[IFNAMSIZ];
	uint32_t	idx, serial;
	enum ev_type	type;
} sk[4096];

static struct {
	unsigned	open, added;
	uint16_t	taken, denied;		/* somebody has this port; ports up to this one take a privilege */
	int		fail_add;
	unsigned	serial;
	unsigned	calls, fail_call;	/* that open something; this one fails, 0: none */
	bool		no_bindtodevice;
	unsigned	scope;			/* of the last one */
	uint32_t	gone[16];		/* listeners whose UDP flows have to end */
	unsigned	ngone;
} world;

static struct fwd fwd;
static struct conf c;
static struct net net = { .cf = &c };
static struct fwd_failure failure;	/* of the last change that failed */

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

/* Does one of these calls fail by itself? */
static bool this_fails(void)
{
	return ++world.calls == world.fail_call;
}

static bool conflict(const struct socket *a, const struct socket *b)
{
	return a->proto == b->proto && a->ns == b->ns && a->at.port == b->at.port &&
	       (a->dual || b->dual || addr_eq(&a->at.a, &b->at.a)) &&
	       (!a->ifname[0] || !b->ifname[0] || !strcmp(a->ifname, b->ifname));
}

/* Socket in place @i is bound */
static int sock_bind(struct socket *s, uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	struct socket new = { .open = true, .ns = s->ns, .proto = proto, .at = *at, .dual = dual };

	snprintf(new.ifname, sizeof(new.ifname), "%s", o->ifname ? o->ifname : "");
	s->open = false;
	world.scope = o->scope;
	if (this_fails())
		return -ENOBUFS;
	if (new.ifname[0] && world.no_bindtodevice)
		return -EPERM;
	if (at->port == world.taken)
		return -EADDRINUSE;
	if (at->port <= world.denied)
		return -EACCES;
	for (unsigned i = 0; i < ARRAY_SIZE(sk); i++) {
		if (sk[i].open && conflict(&sk[i], &new))
			return -EADDRINUSE;
	}
	new.serial = ++world.serial;
	*s = new;
	world.open++;
	return FD_FIRST + (int)(s - sk);
}

static struct socket *sock_new(bool ns)
{
	for (struct socket *s = sk; s < sk + ARRAY_SIZE(sk); s++) {
		if (!s->open) {
			s->ns = ns;
			return s;
		}
	}
	printf("Bail out! more sockets than there is room for\n");
	exit(EXIT_FAILURE);
}

int sock_listen(uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	return sock_bind(sock_new(false), proto, at, dual, o);
}

int sock_listen_on(int fd, uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	struct socket *s = &sk[fd - FD_FIRST];

	ok(s->ns && s->open && s->proto == proto && s->dual == (dual || !addr_is_v4(&at->a)));
	return sock_bind(s, proto, at, dual, o);
}

/* In place of the opener */
static bool opener;

bool opener_runs(void)
{
	return opener;
}

int opener_file(const char *path, int flags)
{
	(void)path;
	(void)flags;
	return -ENOENT;
}

int opener_sockets(int family, int type, int proto, int *fd, unsigned n)
{
	struct socket *s = sock_new(true);

	ok(n == 1 && type == (proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM));
	if (this_fails())
		return -ENFILE;
	s->open = true;
	s->proto = (uint8_t)proto;
	s->dual = family == AF_INET6;
	*fd = FD_FIRST + (int)(s - sk);
	return 1;
}

int ev_add(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events)
{
	if (world.fail_add)
		return world.fail_add;
	if (this_fails())
		return -ENOSPC;
	ok(epfd == 99 && !gen && sk[fd - FD_FIRST].open);
	ok(events == (type == EV_UDP_LISTEN ? EPOLLIN | EPOLLET : EPOLLIN));
	sk[fd - FD_FIRST].idx = idx;
	sk[fd - FD_FIRST].type = type;
	world.added++;
	return 0;
}

static void take_gone(void)
{
	for (uint32_t i = 0; (i = fwd_gone(&fwd, i)) < LISTENERS_MAX; i++) {
		ok(!fwd.l[i].flow);
		if (world.ngone < ARRAY_SIZE(world.gone))
			world.gone[world.ngone] = i;
		world.ngone++;
	}
}

static int replace(const struct rules *t)
{
	int rc = fwd_replace(&fwd, &net, t, &failure);

	take_gone();
	return rc;
}

/* Each socket is some listener's, and each listener's rule is there */
static void consistent(void)
{
	static uint8_t ours[2][2][PORT_MAP];
	uint32_t used = 0, unused = 0, i;

	memset(ours, 0, sizeof(ours));
	for (i = 0; i < fwd.n; i++) {
		const struct listener *l = &fwd.l[i];

		if (l->fd < 0)
			continue;
		used++;
		ok(sk[l->fd - FD_FIRST].open && sk[l->fd - FD_FIRST].idx == i);
		ok(l->rule < fwd.nrules && fwd.rule[l->rule].id);
		ok(l->port >= fwd.rule[l->rule].r.first && l->port <= fwd.rule[l->rule].r.last);
		ok(sk[l->fd - FD_FIRST].at.port == l->port && sk[l->fd - FD_FIRST].proto == fwd.rule[l->rule].r.proto);
		ok(sk[l->fd - FD_FIRST].ns == fwd.rule[l->rule].r.outward && l->heir == l->rule);
		bit_set(ours[fwd.rule[l->rule].r.outward][fwd.rule[l->rule].r.proto == IPPROTO_UDP], l->port);
	}
	eq_mem(fwd.ours, ours, sizeof(ours));
	for (i = fwd.free; i && unused <= fwd.n; i = fwd.l[i - 1].next, unused++)
		ok(fwd.l[i - 1].fd < 0);
	eq(used, fwd.used);
	eq(used, world.open);
	eq(unused, fwd.n - used);
}

/* The state that a change may not touch if it fails */
static struct before {
	struct listener	l[64];
	struct fwd_rule	rule[64];
	struct socket	sk[64];
	unsigned	n, nrules, targets, open;
	uint32_t	last_id, paused, used;
	uint8_t		ours[2][2][PORT_MAP];
} before;

static void remember(void)
{
	ok(fwd.n <= ARRAY_SIZE(before.l) && fwd.nrules <= ARRAY_SIZE(before.rule));
	memset(&before, 0, sizeof(before));
	before.n = fwd.n;
	for (unsigned i = 0; i < fwd.n; i++)
		before.l[i] = fwd.l[i];
	for (unsigned i = 0; i < fwd.nrules; i++) {
		fwd.rule[i].accepted = 100 + fwd.rule[i].id;
		if (fwd.rule[i].id)
			memcpy(&before.rule[i], &fwd.rule[i], sizeof(before.rule[i]));
	}
	memcpy(before.sk, sk, sizeof(before.sk));
	before.nrules = fwd.nrules;
	before.targets = fwd.targets;
	before.open = world.open;
	before.last_id = fwd.last_id;
	before.paused = fwd.paused;
	before.used = fwd.used;
	memcpy(before.ours, fwd.ours, sizeof(before.ours));
}

/* Nothing has changed but the order of what is free */
static void same_as_before(void)
{
	for (unsigned i = 0; i < fwd.n; i++) {
		if (i < before.n && before.l[i].fd >= 0)
			eq_mem(&fwd.l[i], &before.l[i], sizeof(before.l[i]));
		else
			eq(fwd.l[i].fd, -1);
	}
	for (unsigned i = 0; i < fwd.nrules && ok(i < ARRAY_SIZE(before.rule)); i++) {
		eq(fwd.rule[i].id, before.rule[i].id);
		if (fwd.rule[i].id)
			eq_mem(&fwd.rule[i], &before.rule[i], sizeof(before.rule[i]));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(before.sk); i++)
		ok(sk[i].open == before.sk[i].open && (!sk[i].open || !memcmp(&sk[i], &before.sk[i], sizeof(sk[i]))));
	eq_mem(fwd.ours, before.ours, sizeof(before.ours));
	eq(fwd.nrules, before.nrules);
	eq(fwd.targets, before.targets);
	eq(world.open, before.open);
	eq(fwd.last_id, before.last_id);
	eq(fwd.paused, before.paused);
	eq(fwd.used, before.used);
	consistent();
}

/* Options separated by spaces, "t80 u53", into a table */
static const char *options(struct rules *t, const char *specs)
{
	static char val[8][64];			/* are kept, at start */
	const char *why = NULL;

	for (unsigned i = 0; *specs && !why; i++) {
		size_t len = strcspn(specs + 1, " ");

		ok(i < ARRAY_SIZE(val) && len < sizeof(val[0]));
		snprintf(val[i], sizeof(val[i]), "%.*s", (int)len, specs + 1);
		why = conf_ports(t, MODE_PASTA, *specs, val[i]);
		specs += 1 + len + (specs[1 + len] == ' ');
	}
	return why;
}

/* Only these options at start */
static void fresh(const char *name, const char *specs)
{
	test("%s", name);
	memset(&world, 0, sizeof(world));
	memset(sk, 0, sizeof(sk));
	memset(&c, 0, sizeof(c));
	ephemeral_path = "/nonexistent";
	net.ip[V4].on = net.ip[V6].on = true;
	eq_str(options(&c.rules, specs), NULL);
	opener = true;
	eq(fwd_listen(&fwd, &net, 99), 0);
	remember();
}

static struct rules want;

/* The table, and a rule more; -EEXIST and -ENOSPC for a table that can't be asked for */
static int add(const char *spec, uint32_t *id)
{
	static struct rules one;
	int rc;

	one = (struct rules){ .run_time = true };
	eq_str(conf_ports(&one, MODE_PASTA, spec[0], spec + 1), NULL);
	eq(one.n, 1);
	fwd_table(&fwd, &want);
	if (want.n == RULES_MAX)
		return -ENOSPC;
	if (conf_ports(&want, MODE_PASTA, spec[0], spec + 1))
		return -EEXIST;
	rc = replace(&want);
	for (unsigned i = 0; !rc && i < fwd.nrules; i++) {
		if (fwd.rule[i].id && rule_same(&fwd.rule[i].r, &one.rule[0]))
			*id = fwd.rule[i].id;
	}
	return rc;
}

/* The table, without one of its rules */
static int del(uint32_t id)
{
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
		return replace(&want);
	}
	return -ENOENT;
}

static void test_add(void)
{
	uint32_t a = 0, b = 0, again = 0;

	fresh("FWD-19 a rule is added: its ports are listened to", "t80");
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
	const char	*name, *start, *rule;
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
	{ .name = "another target", .start = "t80:90", .rule = "t80:91", .rc = -EEXIST },
	{ .name = "another target's address", .start = "t127.0.0.1/80:10.0.0.1", .rule = "t127.0.0.1/80",
	  .rc = -EEXIST },
	{ .name = "part of a range", .start = "t80-90", .rule = "t85", .rc = -EEXIST },
	{ .name = "range that overlaps", .start = "u80-90", .rule = "u90-91", .rc = -EEXIST },
	{ .name = "an address, and any has the port", .start = "t80", .rule = "t127.0.0.1/80", .rc = -EADDRINUSE },
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
		fresh(name, r->start ? r->start : "");
		open = world.open;
		world.taken = r->taken;
		world.denied = r->denied;
		world.fail_add = r->fail_add;
		if (r->limit)
			fwd.max = r->limit - FD_RESERVE;
		net.ip[V4].on = !r->off4;
		net.ip[V6].on = !r->off6;
		c.no_tcp = r->no_tcp;
		c.no_udp = r->no_udp;
		eq(add(r->rule, &id), r->rc);
		eq(id, 4711);
		eq(world.open, open);
		eq(fwd.used, open);
		eq(fwd.targets, r->rc == -EEXIST && strstr(r->start, "10.") ? 1 : 0);
		consistent();
		eq(fwd.nrules, r->start ? 1 : 0);
	}

	fresh("FWD-19 what failed works when its port is free", "");
	world.taken = 81;
	uint32_t id = 0;
	eq(add("t80-82", &id), -EADDRINUSE);
	world.taken = 0;
	eq(add("t80-82", &id), 0);
	eq(world.open, 3);
	consistent();

	fresh("same port, another address", "t127.0.0.1/80");
	eq(add("t::1/80", &id), 0);
	eq(add("t127.0.0.2/80:81", &id), 0);
	eq(world.open, 3);
	consistent();

	fresh("a rule for a family that is off isn't in the table", "");
	net.ip[V6].on = false;
	eq_str(conf_ports(&c.rules, MODE_PASTA, 't', "::1/80"), NULL);
	eq(fwd_listen(&fwd, &net, 99), 0);
	eq(fwd.nrules, 0);
	eq(add("t80", &id), 0);
	eq(fwd.l[0].rule, 0);
	consistent();
}

static void test_weak_rules(void)
{
	uint32_t id = 0;

	fresh("all of a range, less what is taken and ephemeral", "");
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

		fresh("listeners that wait for a descriptor are deleted, in any order", "");
		eq(add("t80", &id[0]), 0);
		eq(add("t81-82", &id[1]), 0);
		eq(add("t83", &id[2]), 0);
		for (i = 0; i < 4; i++) {	/* as accept.c does, the last one first */
			fwd.l[i].next = fwd.paused;
			fwd.paused = i + 1;
			if (!i)
				fwd.paused_last = 1;
		}
		for (unsigned j = 0; j < 3; j++) {
			unsigned left = 0;

			eq(del(id[order[k][j]]), 0);
			for (i = fwd.paused; i && left <= 4; i = fwd.l[i - 1].next, left++)
				ok(fwd.l[i - 1].fd >= 0);
			eq(left, fwd.used);
			eq(left ? fwd.l[fwd.paused_last - 1].next : 0, 0);
			consistent();
		}
		eq(fwd.paused, 0);
	}
}

static void test_udp_gone(void)
{
	uint32_t id = 0;

	fresh("UDP listeners are told of before they are closed, TCP's are not", "t80");
	eq(add("u80-82", &id), 0);
	eq(del(id), 0);
	eq(world.ngone, 3);
	eq(del(fwd.rule[0].id), 0);
	eq(world.ngone, 3);
}

static void test_stale(void)
{
	uint32_t t = 0, u = 0;

	fresh("an event of a listener that is gone, or another one by now, is nobody's", "");
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

	fresh("FWD-19 as many rules as there may be, one more, and all deleted", "");
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
	eq(fwd.nrules, 0);
	eq(fwd.targets, 0);
	eq(fwd.last_id, RULES_MAX + 2000);
	consistent();
}

/* One table replaced by another: "=t80-82>90#3" is what listens for rule 3, on sockets that were open before. A range
 * is ports of one rule in a row; "o:" stands for outward, "/4" and "/6" for sockets of one family.
 */
static const struct change {
	const char	*name, *from, *to, *want;
	unsigned	gone;			/* UDP listeners that are closed */
} changes[] = {
	{ "the same", "t80 u53", "t80 u53", "=t80>80#1 =u53>53#2", 0 },
	{ "the same, in another order", "t80 u53", "u53 t80", "=t80>80#1 =u53>53#2", 0 },
	{ "the same, and one more in front", "t80 u53", "t79 t80 u53", "t79>79#3 =t80>80#1 =u53>53#2", 0 },
	{ "nothing", "t80 u53", "", "", 1 },
	{ "from nothing", "", "t80 u53", "t80>80#1 u53>53#2", 0 },
	{ "another target", "t80:8080 u53:1", "t80:8081 u53:2", "=t80>8081#3 =u53>2#4", 0 },
	{ "another target's address", "u127.0.0.1/80:10.0.0.1", "u127.0.0.1/80:10.0.0.2", "=u80>80#2/4", 0 },
	{ "a range in parts", "u80-83", "u80-81 u82:90 u83:91", "=u80-81>80#2 =u82>90#3 =u83>91#4", 0 },
	{ "parts become a range", "u80 u81 u82:1", "u80-82", "=u80-82>80#4", 0 },
	{ "less of a range", "u80-83", "u81-82", "=u81-82>81#2", 2 },
	{ "more of a range", "u81", "u80-82", "u80>80#2 =u81>81#2 u82>82#2", 0 },
	{ "a range moves", "u80-82", "u82-84", "=u82>82#2 u83-84>83#2", 2 },
	{ "one goes, another comes", "t80 u53", "t81 u53", "t81>81#3 =u53>53#2", 0 },
	{ "another protocol is another place", "u80", "t80", "t80>80#2", 1 },
	{ "another address is another place", "t127.0.0.1/80 t::1/80", "t127.0.0.2/80 t::1/80",
	  "=t80>80#2/6 t80>80#3/4", 0 },
	{ "another interface is another place", "t%eth0/80", "t%eth1/80", "t80>80#2", 0 },
	{ "another direction is another place", "t80", "T80", "o:t80>80#2", 0 },
	{ "outward: another target", "T80 t80", "T80:81 t80", "=t80>80#2 =o:t80>81#3", 0 },
	{ "outward: nothing", "T80-82 t80", "t80", "=t80>80#2", 0 },
	{ "outward: from nothing", "t80", "t80 T80-82:1-3", "=t80>80#1 o:t80-82>1#2", 0 },

	{ "a name takes a port away from all", "u~1-69,~91-65535", "u~1-69,~91-65535 u80:8080",
	  "=u70-79>70#1 =u80>8080#2 =u81-90>81#1", 0 },
	{ "a range takes more than all has", "u~1-69,~91-65535", "u~1-69,~91-65535 u89-92:1-4",
	  "=u70-88>70#1 =u89-90>1#2 u91-92>3#2", 0 },
	{ "and all gets it back", "u~1-69,~91-65535 u80:8080", "u~1-69,~91-65535", "=u70-90>70#1", 0 },
	{ "but no more than was its own", "u~1-69,~91-65535 u89-92:1-4", "u~1-69,~91-65535", "=u70-90>70#1", 2 },
	{ "a name follows a name, all is not asked", "u~1-69,~91-65535 u80:8080", "u~1-69,~91-65535 u80:8081",
	  "=u70-79>70#1 =u80>8081#3 =u81-90>81#1", 0 },
	{ "all comes beside a name", "u80:8080", "u80:8080 u~1-78,~83-65535", "u79>79#2 =u80>8080#1 u81-82>81#2", 0 },
	{ "all comes, the name goes", "u80:8080", "u~1-78,~83-65535", "u79>79#2 =u80>80#2 u81-82>81#2", 0 },
	{ "all goes, the name comes", "u~1-78,~83-65535", "u80:8080", "=u80>8080#2", 3 },
	{ "both come", "", "u~1-78,~83-65535 u80:8080", "u79>79#1 u80>8080#2 u81-82>81#1", 0 },
	{ "both go", "u~1-78,~83-65535 u80:8080", "", "", 4 },
	{ "all of another range", "u~1-69,~91-65535", "u~1-79,~96-65535", "=u80-90>80#2 u91-95>91#2", 10 },
	{ "all gets another target", "u0.0.0.0/~1-69,~91-65535", "u0.0.0.0/all:10.0.0.1,~1-69,~91-65535",
	  "=u70-90>70#2/4", 0 },
	{ "all of one place, a name of another", "t%eth0/~1-69,~91-65535", "t%eth0/~1-69,~91-65535 t%eth1/80",
	  "=t70-90>70#1 t80>80#2", 0 },
	{ "outward: a name takes a port away from all", "T~1-69,~91-65535", "T~1-69,~91-65535 T80:8080",
	  "=o:t70-79>70#1 =o:t80>8080#2 =o:t81-90>81#1", 0 },
	{ "a port of each direction", "t~1-69,~91-65535", "t~1-69,~91-65535 T80", "=t70-90>70#1 o:t80>80#2", 0 },
};

static bool was_open(const struct listener *l)
{
	uint32_t i = (uint32_t)(l - fwd.l);

	return i < before.n && before.l[i].fd == l->fd &&
	       before.sk[l->fd - FD_FIRST].serial == sk[l->fd - FD_FIRST].serial;
}

/* Listener at a port of a direction and protocol, behind @l; NULL: none */
static const struct listener *listener_at(const struct listener *l, unsigned key)
{
	for (l = l ? l + 1 : fwd.l; l < fwd.l + fwd.n; l++) {
		const struct rule *r = &fwd.rule[l->rule].r;

		if (l->fd >= 0 && l->port == key % 65536 && r->outward == key >> 17 &&
		    (r->proto == IPPROTO_UDP) == (key >> 16) % 2)
			return l;
	}
	return NULL;
}

static const char *listeners_text(void)
{
	static char buf[512];
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned key = 0; key < 4 << 16; key++) {
		for (const struct listener *l = listener_at(NULL, key), *m; l && n < sizeof(buf);
		     l = listener_at(l, key)) {
			const struct fwd_rule *fr = &fwd.rule[l->rule];
			unsigned last = key;

			m = listener_at(NULL, key - 1);
			if (key && m && m->rule == l->rule && was_open(m) == was_open(l))
				continue;	/* part of the range before */
			while ((m = listener_at(NULL, last + 1)) && m->rule == l->rule && was_open(m) == was_open(l))
				last++;
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%s%s%c%u", n ? " " : "",
					      was_open(l) ? "=" : "", fr->r.outward ? "o:" : "",
					      fr->r.proto == IPPROTO_UDP ? 'u' : 't', l->port);
			if (last > key)
				n += (size_t)snprintf(buf + n, sizeof(buf) - n, "-%u", last % 65536);
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, ">%u#%u%s", rule_to(&fr->r, l->port), fr->id,
					      l->v4 && l->v6 ? "" : l->v4 ? "/4" : "/6");
		}
	}
	return buf;
}

static int change(const char *specs)
{
	want = (struct rules){ .run_time = true };
	eq_str(options(&want, specs), NULL);
	return replace(&want);
}

/* The table is what was wanted, IDs and counters of what was there before are kept, and the same again is no change */
static void as_wanted(const char *specs)
{
	static struct rules table;
	unsigned targets = 0;

	fwd_table(&fwd, &table);
	eq(table.n, want.n);
	for (unsigned i = 0; i < want.n; i++) {
		unsigned k = 0;

		while (k < table.n && !rule_same(&table.rule[k], &want.rule[i]))
			k++;
		ok(k < table.n);
		targets += !addr_is_unspec(&want.rule[i].to_addr);
	}
	eq(fwd.targets, targets);
	for (const struct fwd_rule *fr = fwd.rule; fr < fwd.rule + fwd.nrules; fr++)
		ok(!fr->id || fr->accepted == (fr->id <= before.last_id ? 100 + fr->id : 0));
	consistent();

	remember();
	world.calls = world.ngone = 0;
	eq(change(specs), 0);
	same_as_before();
	eq(world.calls + world.ngone, 0);
}

static void test_changes(void)
{
	for (const struct change *t = changes; t < changes + ARRAY_SIZE(changes); t++) {
		char name[128];

		snprintf(name, sizeof(name), "FWD-19 table replaced, or not if anything fails: %s", t->name);
		fresh(name, t->from);
		for (unsigned n = 1; n < 200; n++) {
			world.calls = world.ngone = 0;
			world.fail_call = n;
			if (!change(t->to))
				break;
			ok(failure.rule < want.n);
			for (unsigned i = 0; i < world.ngone && i < ARRAY_SIZE(world.gone); i++)
				ok(world.gone[i] >= before.n || before.l[world.gone[i]].fd < 0);
			same_as_before();
		}
		eq(world.calls, world.fail_call - 1);	/* each of them has failed once */
		eq_str(listeners_text(), t->want);
		eq(world.ngone, t->gone);
		as_wanted(t->to);
	}
}

/* listeners_text(), whichever socket it is */
static const char *ports_text(void)
{
	static char buf[512];
	size_t n = 0;

	for (const char *s = listeners_text(); *s; s++) {
		if (*s != '=')
			buf[n++] = *s;
	}
	buf[n] = '\0';
	return buf;
}

/* Rules for other addresses that can't be bound beside those that leave: these make way, and come back if it fails */
static void test_other_address(void)
{
	static const struct { const char *from, *to, *before, *after; } rows[] = {
		{ "t80", "t127.0.0.1/80", "t80>80#1", "t80>80#2/4" },
		{ "u127.0.0.1/80 u::1/81", "u79-81", "u80>80#1/4 u81>81#2/6", "u79-81>79#3" },
		{ "u127.0.0.1/80 t80", "u80:90 t80", "t80>80#2 u80>80#1/4", "t80>80#2 u80>90#3" },
		{ "T80", "T127.0.0.1/80", "o:t80>80#1", "o:t80>80#2/4" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[128];

		snprintf(name, sizeof(name), "FWD-19 %s in place of %s, or not if anything fails", rows[i].to,
			 rows[i].from);
		fresh(name, rows[i].from);
		eq_str(ports_text(), rows[i].before);
		for (unsigned n = 1; n < 50; n++) {
			world.calls = 0;
			world.fail_call = n;
			if (!change(rows[i].to))
				break;
			eq_str(ports_text(), rows[i].before);
			consistent();
		}
		eq_str(ports_text(), rows[i].after);
		consistent();
	}
}

static uint8_t bound[2][PORT_MAP];

static void bind_port(unsigned port)
{
	bit_set(bound[0], port);
	bit_set(bound[1], port);
}

static void follow_bound(void)
{
	fwd_follow(&fwd, &net, false, bound);
	fwd_follow(&fwd, &net, true, bound);
	take_gone();
}

/* What is open of automatic rules when other rules come and go */
static void test_automatic(void)
{
	memset(bound, 0, sizeof(bound));
	for (unsigned port = 80; port <= 82; port++)
		bind_port(port);
	fresh("automatic rules have no listeners before something is bound", "uauto uall,~1-81,~84-65535");
	eq_str(listeners_text(), "=u82-83>82#2");

	test("and leave to others what they have");
	follow_bound();
	eq_str(listeners_text(), "u80-81>80#1 =u82-83>82#2");
	consistent();

	test("a name takes ports away from both");
	remember();
	eq(change("uauto uall,~1-81,~84-65535 u81-82:1-2"), 0);
	eq_str(listeners_text(), "=u80>80#1 =u81-82>1#3 =u83>83#2");
	eq(world.ngone, 0);
	follow_bound();
	consistent();

	test("and they get them back, all at once, automatic ones until the next scan");
	remember();
	eq(change("uauto uall,~1-81,~84-65535"), 0);
	eq_str(listeners_text(), "=u80-81>80#1 =u82-83>82#2");
	eq(world.ngone, 0);
	follow_bound();
	eq_str(listeners_text(), "=u80-81>80#1 =u82-83>82#2");
	consistent();

	test("all takes ports away from automatic ones");
	remember();
	eq(change("uauto uall,~1-80,~84-65535"), 0);
	eq_str(listeners_text(), "=u80>80#1 =u81-83>81#4");

	test("automatic ones go, and all takes over what is its own");
	remember();
	eq(change("uall,~1-79,~84-65535"), 0);
	eq_str(listeners_text(), "=u80-83>80#5");
	consistent();

	fresh("a port of an automatic rule is closed: its UDP flows end; TCP's, outward as well", "tauto uauto Tauto");
	follow_bound();
	remember();
	eq_str(listeners_text(), "=t80-82>80#1 =u80-82>80#2 =o:t80-82>80#3");
	bit_clear(bound[0], 81);
	bit_clear(bound[1], 81);
	follow_bound();
	eq_str(listeners_text(), "=t80>80#1 =t82>82#1 =u80>80#2 =u82>82#2 =o:t80>80#3 =o:t82>82#3");
	eq(world.ngone, 1);
	consistent();
	eq(change(""), 0);
	eq(world.open, 0);

	fresh("no low port opens because somebody binds it later, unless it is named", "tauto t81:81,auto Tauto");
	bind_port(81);
	fwd.auto_first = 82;
	follow_bound();
	eq_str(listeners_text(), "t81>81#2 t82>82#1 o:t80-82>80#3");
	fwd.auto_first = 0;

	fresh("automatic, of a link-local address", "tfe80::1/auto");
	net.ip[V6].ifindex = 6;
	follow_bound();
	eq(world.scope, 6);
}

/* Outward rules: where their sockets come from, and what is needed for them */
static void test_outward(void)
{
	fresh("outward: sockets of the namespace, bound to its loopback interface", "");
	eq(change("T80 T127.0.0.2/81 T::1/82"), 0);
	eq_str(listeners_text(), "o:t80>80#1 o:t81>81#2/4 o:t82>82#3/6");
	ok(sk[0].ns && sk[0].dual && !strcmp(sk[0].ifname, "lo"));
	ok(sk[1].ns && !sk[1].dual && !sk[1].ifname[0]);
	consistent();

	fresh("outward: two sockets at loopback addresses where binding to an interface takes a privilege", "");
	world.no_bindtodevice = true;
	eq(change("T80-81"), 0);
	eq(world.open, 4);
	for (unsigned i = 0; i < 4; i++) {
		ok(sk[i].ns && !sk[i].ifname[0] && sk[i].at.port == 80 + i / 2);
		ok(addr_eq(&sk[i].at.a, i % 2 ? &addr_loopback6 : &addr_loopback4));
	}
	remember();
	eq(change("T80:90"), 0);
	eq_str(listeners_text(), "=o:t80>90#2/4 =o:t80>90#2/6");
	consistent();
	for (unsigned f = V4; f < FAMILIES; f++) {
		fresh("outward: one where the other family is off", "");
		world.no_bindtodevice = true;
		net.ip[f].on = false;
		eq(change("T80"), 0);
		eq(world.open, 1);
		consistent();
	}

	fresh("outward: nobody is in the namespace to open them", "t80");
	opener = false;
	eq(change("t80 t81 T80"), -EOPNOTSUPP);
	eq(failure.rule, 2);
	same_as_before();

	fresh("outward rules stay where nobody is in the namespace any more", "T80");
	opener = false;
	eq(change("T80 t80"), 0);
	eq_str(listeners_text(), "t80>80#2 =o:t80>80#1");

	fresh("outward: all, but the namespace's ephemeral ports", "");
	fwd.eph[true] = (struct ephemeral){ 100, 65000 };
	eq(change("T~1-98,~65002-65535"), 0);
	eq_str(listeners_text(), "o:t99>99#1 o:t65001>65001#1");
}

/* Is who connects to an address one of our listeners? */
static void test_leads_to_us(void)
{
	static const struct {
		const char	*specs;
		bool		outward;
		uint8_t		proto;
		const char	*addr;
		uint16_t	port;
		bool		want;
	} rows[] = {
		{ "t80", false, IPPROTO_TCP, "127.0.0.1", 80, true },
		{ "t80", false, IPPROTO_TCP, "192.0.2.1", 80, true },
		{ "t80", false, IPPROTO_TCP, "::1", 80, true },
		{ "t80", false, IPPROTO_TCP, "0.0.0.0", 80, true },
		{ "t80:81", false, IPPROTO_TCP, "127.0.0.1", 81, false },
		{ "t80", false, IPPROTO_UDP, "127.0.0.1", 80, false },
		{ "t80", true, IPPROTO_TCP, "127.0.0.1", 80, false },
		{ "u80", false, IPPROTO_UDP, "127.0.0.1", 80, true },
		{ "u80 t81", false, IPPROTO_TCP, "127.0.0.1", 80, false },
		{ "t80-90", false, IPPROTO_TCP, "127.0.0.1", 90, true },
		{ "t80-90", false, IPPROTO_TCP, "127.0.0.1", 91, false },
		{ "t127.0.0.1/80", false, IPPROTO_TCP, "127.0.0.1", 80, true },
		{ "t127.0.0.1/80", false, IPPROTO_TCP, "127.0.0.2", 80, false },
		{ "t127.0.0.1/80", false, IPPROTO_TCP, "::1", 80, false },
		{ "t127.0.0.1/80 t::1/80", false, IPPROTO_TCP, "::1", 80, true },
		{ "t0.0.0.0/80", false, IPPROTO_TCP, "127.0.0.1", 80, true },
		{ "t0.0.0.0/80", false, IPPROTO_TCP, "::1", 80, false },
		{ "t::/80", false, IPPROTO_TCP, "127.0.0.1", 80, false },
		{ "t127.0.0.1/80 t127.0.0.2/81", false, IPPROTO_TCP, "127.0.0.1", 81, false },
		{ "tauto", false, IPPROTO_TCP, "127.0.0.1", 80, false },
		{ "t192.0.2.1/80 tauto", false, IPPROTO_TCP, "192.0.2.1", 80, true },
		{ "tauto t192.0.2.1/80", false, IPPROTO_TCP, "127.0.0.1", 80, false },
		{ "t~1-79,~82-65535 t192.0.2.1/90", false, IPPROTO_TCP, "127.0.0.1", 90, false },
		{ "T80", true, IPPROTO_TCP, "127.0.0.1", 80, true },
		{ "T80", true, IPPROTO_TCP, "::1", 80, true },
		{ "T80", true, IPPROTO_TCP, "127.9.9.9", 80, true },
		{ "T80", true, IPPROTO_TCP, "192.0.2.1", 80, false },
		{ "T80:81", true, IPPROTO_TCP, "127.0.0.1", 81, false },
		{ "T80", false, IPPROTO_TCP, "127.0.0.1", 80, false },
		{ "T192.0.2.1/80", true, IPPROTO_TCP, "192.0.2.1", 80, true },
		{ "T192.0.2.1/80", true, IPPROTO_TCP, "127.0.0.1", 80, false },
		{ "T0.0.0.0/80", true, IPPROTO_TCP, "192.0.2.1", 80, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct end e = { .port = rows[i].port };
		char name[128];

		snprintf(name, sizeof(name), "-%s: is %s port %u ours, %s, %s?", rows[i].specs, rows[i].addr, e.port,
			 rows[i].proto == IPPROTO_TCP ? "TCP" : "UDP", rows[i].outward ? "namespace" : "host");
		fresh(name, rows[i].specs);
		ok(addr_parse(rows[i].addr, strlen(rows[i].addr), &e.a));
		eq(fwd_leads_to_us(&fwd, rows[i].outward, rows[i].proto, &e), rows[i].want);
		eq(change(""), 0);
		ok(!fwd_leads_to_us(&fwd, rows[i].outward, rows[i].proto, &e));
	}
}

/* As many rules as there may be: port @first, and each @step from there, to @to and so on */
static void many(struct rules *t, unsigned first, unsigned step, unsigned to)
{
	static char spec[RULES_MAX * 16];
	size_t n = 0;

	*t = (struct rules){ .run_time = true };
	for (unsigned i = 0; i < RULES_MAX; i++)
		n += (size_t)snprintf(spec + n, sizeof(spec) - n, "%s%u:%u", i ? "," : "", first + i * step,
				      to + 2 * i);
	eq_str(conf_ports(t, MODE_PASTA, 'u', spec), NULL);
	eq(t->n, RULES_MAX);
}

static void test_full(void)
{
	uint32_t first;

	fresh("FWD-19 1,024 rules are replaced by 1,024 others", "");
	many(&want, 1000, 2, 10000);
	eq(replace(&want), 0);
	eq(world.open, RULES_MAX);
	first = fwd.last_id;
	many(&want, 1001, 2, 10000);
	eq(replace(&want), 0);
	eq(world.open, RULES_MAX);
	eq(world.ngone, RULES_MAX);
	eq(fwd.last_id, first + RULES_MAX);
	eq(fwd.nrules, RULES_MAX);
	consistent();

	test("FWD-19 by 1,024 others for the same ports, whose sockets are handed over");
	world.calls = world.ngone = 0;
	many(&want, 1001, 2, 20000);
	eq(replace(&want), 0);
	eq(world.calls + world.ngone, 0);
	eq(world.open, RULES_MAX);
	eq(fwd.nrules, RULES_MAX);
	consistent();

	test("FWD-19 the last of 1,024 can't be had: nothing has changed");
	first = fwd.last_id;
	world.taken = 1000 + 2 * (RULES_MAX - 1);
	many(&want, 1000, 2, 10000);
	eq(replace(&want), -EADDRINUSE);
	eq(failure.rule, RULES_MAX - 1);
	eq(failure.port, world.taken);
	eq(world.open, RULES_MAX);
	eq(fwd.last_id, first);
	consistent();
	fwd_table(&fwd, &want);
	eq(want.n, RULES_MAX);
	eq(want.rule[5].to, 20010);

	test("FWD-19 and by none");
	eq(change(""), 0);
	eq(world.open, 0);
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
	test_full();
	test_changes();
	test_other_address();
	test_automatic();
	test_outward();
	test_leads_to_us();
	return done();
}
