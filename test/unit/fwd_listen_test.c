/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd_listen_test.c - what is listened to at start, with stubs in place of sockets */
/* LDFLAGS: -Wl,--wrap=getrlimit */

#include <sys/mman.h>
#include <unistd.h>

#include "../t.h"
#include "../../fwd.c"

/* Stubs: what would be opened, failures by family or port, and a limit of descriptors */

struct sock_features sock_features;

static struct {
	int		fail4, fail6, fail_dual;	/* returned for sockets of that kind */
	uint16_t	fail_port;		/* only this port fails, 0: all */
	uint16_t	taken;			/* somebody has this port, in all families */
	unsigned	tries;			/* and lets go of it after so many; 0: never */
	uint16_t	denied;			/* ports up to this one take a privilege */
	uint8_t		used[2][FAMILIES][(UINT16_MAX + 1) / 8];	/* by us: TCP or UDP, family, port */
	int		fail_add;
	unsigned	opened, added;
	rlim_t		limit;			/* RLIMIT_NOFILE */
	struct {
		uint8_t		proto;
		struct end	at;
		bool		dual, freebind;
		char		ifname[IFNAMSIZ];
		unsigned	scope;
		uint32_t	idx;
		enum ev_type	type;
	} l[16];
} world;

int __real_getrlimit(int resource, struct rlimit *lim);
int __wrap_getrlimit(int resource, struct rlimit *lim);

int __wrap_getrlimit(int resource, struct rlimit *lim)
{
	if (resource != RLIMIT_NOFILE)		/* a sanitizer's */
		return __real_getrlimit(resource, lim);
	lim->rlim_cur = lim->rlim_max = world.limit;
	return 0;
}

int sock_listen(uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	int rc = dual ? world.fail_dual : addr_is_v4(&at->a) ? world.fail4 : world.fail6;
	unsigned i = world.opened;

	if (rc && (!world.fail_port || world.fail_port == at->port))
		return rc;
	if (at->port <= world.denied)
		return -EACCES;
	for (enum family f = V4; f < FAMILIES; f++) {
		uint8_t *used = world.used[proto == IPPROTO_UDP][f];

		if (!dual && f != addr_family(&at->a))
			continue;
		if (at->port == world.taken) {
			if (world.tries && !--world.tries)
				world.taken = 0;
			return -EADDRINUSE;
		}
		if (bit_test(used, at->port))
			return -EADDRINUSE;
		bit_set(used, at->port);
	}
	if (i < ARRAY_SIZE(world.l)) {
		world.l[i].proto = proto;
		world.l[i].at = *at;
		world.l[i].dual = dual;
		world.l[i].freebind = o->freebind;
		world.l[i].scope = o->scope;
		strcpy(world.l[i].ifname, o->ifname ? o->ifname : "");
	}
	return 1000000 + (int)world.opened++;
}

int sock_listen_on(int fd, uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	(void)fd;
	ok(!"nothing is opened by somebody else at start");
	return sock_listen(proto, at, dual, o);
}

int ev_add(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events)
{
	unsigned i = (unsigned)fd - 1000000;

	if (world.fail_add)
		return world.fail_add;
	ok(epfd == 99 && i == world.opened - 1 && !gen);
	ok(events == (type == EV_UDP_LISTEN ? EPOLLIN | EPOLLET : EPOLLIN));
	world.added++;
	if (i < ARRAY_SIZE(world.l)) {
		world.l[i].idx = idx;
		world.l[i].type = type;
	}
	return 0;
}

/* A file as /proc/sys/net/ipv4/ip_local_port_range */
static void ephemeral(const char *text)
{
	static char path[32];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("ip_local_port_range", 0);
	ok(fd >= 0 && !ftruncate(fd, 0) && pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text));
	snprintf(path, sizeof(path), "/proc/self/fd/%i", fd);
	ephemeral_path = path;
}

static char said[4096];

/* Text about a port that can't be had */
#define REQUESTED	": Couldn't listen on requested ports"
#define FAILED(port, why, opt, val, proto, place)						\
	"Failed to bind port " port " (" why ") for option '-" opt " " val "'" REQUESTED		\
	": Listen failed for HOST " proto " port " place "/" port ": " why

/* The host's settings are not to be seen in messages */
const char *hint_bind(int err, unsigned port)
{
	(void)err;
	(void)port;
	return "";
}

static struct net net;

/* fwd_listen() for options in @opts, "t 80" or "u 80", with what it says on stderr in @said */
static int listen_with(struct fwd *fwd, struct conf *c, const char *const *options)
{
	int saved = dup(STDERR_FILENO), fd[2], rc;
	ssize_t n;

	for (; *options; options++) {
		const char *why = conf_ports(&c->rules, c->mode, (*options)[0], *options + 2);

		if (why)
			printf("# %s: %s\n", *options, why);
		ok(!why);
	}
	if (pipe(fd)) {
		perror("pipe");
		exit(EXIT_FAILURE);
	}
	dup2(fd[1], STDERR_FILENO);
	close(fd[1]);
	rc = fwd_listen(fwd, &net, 99);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(fd[0], said, sizeof(said) - 1);
	said[MAX(n, 0)] = '\0';
	close(fd[0]);
	return rc;
}

static const char *text(const struct addr *a)
{
	static char buf[ADDR_STRLEN];

	return addr_fmt(a, buf);
}

static void fresh(struct conf *c, const char *name)
{
	test("listen: %s", name);
	memset(&world, 0, sizeof(world));
	world.limit = RLIM_INFINITY;
	ephemeral_path = "/nonexistent";
	sock_features.ipv6 = true;
	*c = (struct conf){ 0 };
	net.cf = c;
	net.ip[V4] = (struct net_ip){ .on = true, .ifindex = 4, .map_loopback = addr_any4 };
	net.ip[V6] = (struct net_ip){ .on = true, .ifindex = 6, .map_loopback = addr_any6 };
}

#define OPTIONS(...)	((const char *const []){ __VA_ARGS__, NULL })

static void test_listen(void)
{
	static struct fwd fwd;
	static struct conf c;

	fresh(&c, "one socket for both families, UDP and TCP apart");
	eq(listen_with(&fwd, &c, OPTIONS("t 80", "u 53:5353")), 0);
	eq(fwd.n, 2);
	eq(world.added, 2);
	ok(world.l[0].dual && world.l[0].proto == IPPROTO_TCP && world.l[0].type == EV_TCP_LISTEN &&
	   world.l[0].idx == 0);
	ok(world.l[1].dual && world.l[1].proto == IPPROTO_UDP && world.l[1].type == EV_UDP_LISTEN &&
	   world.l[1].idx == 1);
	eq(world.l[1].at.port, 53);
	ok(fwd.l[1].v4 && fwd.l[1].v6 && fwd.l[1].rule == 1 && fwd.l[1].port == 53 && fwd.l[1].fd == 1000001);
	eq_str(said, "");

	fresh(&c, "FWD-10 address, interface, link-local scope, freebind");
	c.freebind = true;
	eq(listen_with(&fwd, &c, OPTIONS("t 127.0.0.1%lo/80", "t [fe80::1]/81", "u ::1/82", "t %lo/83", "t 0.0.0.0/84",
					 "t fe80::1%lo/85")), 0);
	eq(fwd.n, 6);
	ok(!world.l[0].dual && world.l[0].freebind);
	eq_str(world.l[0].ifname, "lo");
	eq_str(text(&world.l[0].at.a), "127.0.0.1");
	ok(fwd.l[0].v4 && !fwd.l[0].v6);
	eq(world.l[1].scope, 6);
	ok(!fwd.l[1].v4 && fwd.l[1].v6);
	eq_str(text(&world.l[2].at.a), "::1");
	ok(world.l[3].dual);
	eq_str(world.l[3].ifname, "lo");
	ok(!world.l[4].dual && addr_eq(&world.l[4].at.a, &addr_any4));
	eq(world.l[5].scope, 0);		/* the interface it is bound to says enough */

	fresh(&c, "range");
	eq(listen_with(&fwd, &c, OPTIONS("t 65530-65535:1-6")), 0);
	eq(fwd.n, 6);
	eq(fwd.l[5].port, 65535);

	fresh(&c, "nothing to do");
	eq(listen_with(&fwd, &c, OPTIONS("t none")), 0);
	eq(fwd.n, 0);

	fresh(&c, "FWD-09 -4: IPv4 only, an IPv6 address is left out");
	net.ip[V6].on = false;
	eq(listen_with(&fwd, &c, OPTIONS("t 80", "t ::1/81")), 0);
	eq(fwd.n, 1);
	ok(!world.l[0].dual && addr_is_v4(&world.l[0].at.a));
	eq_str(said, "No IPv6: nothing forwarded for option '-t ::1/81'\n");

	fresh(&c, "FWD-09 -6: IPv6 only");
	net.ip[V4].on = false;
	eq(listen_with(&fwd, &c, OPTIONS("t 80", "t 127.0.0.1/81")), 0);
	eq(fwd.n, 1);
	ok(!world.l[0].dual && !addr_is_v4(&world.l[0].at.a));
	eq_str(said, "No IPv4: nothing forwarded for option '-t 127.0.0.1/81'\n");

	fresh(&c, "NL-15 FWD-23 no IPv6 in the kernel");
	net.ip[V6].on = false;		/* by net_start() */
	world.fail6 = world.fail_dual = -EAFNOSUPPORT;
	eq(listen_with(&fwd, &c, OPTIONS("t 80", "u 80")), 0);
	eq(fwd.n, 2);
	eq_str(said, "");

	fresh(&c, "FWD-08 no dual-stack socket: one for each family");
	world.fail_dual = -EAFNOSUPPORT;
	eq(listen_with(&fwd, &c, OPTIONS("t 80")), 0);
	eq(fwd.n, 2);
	ok(fwd.l[0].v4 && !fwd.l[0].v6 && !fwd.l[1].v4 && fwd.l[1].v6);

	fresh(&c, "FWD-08 IPv6 fails, IPv4 works");
	world.fail_dual = world.fail6 = -EADDRNOTAVAIL;
	eq(listen_with(&fwd, &c, OPTIONS("t 80")), 0);
	eq(fwd.n, 1);
	ok(fwd.l[0].v4);
	eq_str(said, "");

	fresh(&c, "FWD-08 IPv4 fails, IPv6 works");
	world.fail_dual = world.fail4 = -EADDRNOTAVAIL;
	eq(listen_with(&fwd, &c, OPTIONS("t 80")), 0);
	eq(fwd.n, 1);
	ok(fwd.l[0].v6);

	fresh(&c, "FWD-08 both fail");
	world.fail_dual = world.fail4 = world.fail6 = -EADDRNOTAVAIL;
	eq(listen_with(&fwd, &c, OPTIONS("t 80")), -EADDRNOTAVAIL);
	eq_str(said, FAILED("80", "Cannot assign requested address", "t", "80", "TCP", "*") "\n");

	fresh(&c, "FWD-24 no privilege");
	world.fail_dual = -EACCES;
	eq(listen_with(&fwd, &c, OPTIONS("t 80")), -EACCES);
	eq_str(said, FAILED("80", "Permission denied", "t", "80", "TCP", "*") "\n");

	fresh(&c, "FWD-16 port taken, in one family only");
	world.fail_dual = world.fail4 = -EADDRINUSE;
	eq(listen_with(&fwd, &c, OPTIONS("u 5000", "t 8080-8090:80-90")), -EADDRINUSE);
	eq_str(said, FAILED("5000", "Address already in use", "u", "5000", "UDP", "*") "\n");

	fresh(&c, "FWD-16 port taken in the middle of a range");
	world.fail4 = -EADDRINUSE;
	world.fail_port = 8085;
	eq(listen_with(&fwd, &c, OPTIONS("t 9999", "t 127.0.0.1/8080-8090:80-90")), -EADDRINUSE);
	eq_str(said,
	       FAILED("8085", "Address already in use", "t", "127.0.0.1/8080-8090:80-90", "TCP", "127.0.0.1") "\n");

	fresh(&c, "FWD-01 a port is taken, but not for long");
	world.taken = 80;
	world.tries = 5;
	eq(listen_with(&fwd, &c, OPTIONS("t 79-81")), 0);
	eq(fwd.n, 3);
	eq_str(said, "");

	fresh(&c, "epoll is full");
	world.fail_add = -ENOSPC;
	eq(listen_with(&fwd, &c, OPTIONS("t 80")), -ENOSPC);
	eq(fwd.used, 0);
	ok(strstr(said, "for option '-t 80'"));
}

static void test_limits(void)
{
	static struct fwd fwd;
	static struct conf c;

	fresh(&c, "FWD-12 more ports than open files");
	world.limit = 200;
	eq(listen_with(&fwd, &c, OPTIONS("t 1000-1136")), -EMFILE);
	eq(world.opened, 0);
	eq_str(said,
	       "137 ports to forward by -t, -u, -T, -U need 201 open files, but the limit is 200 (RLIMIT_NOFILE)\n");

	fresh(&c, "FWD-12 just as many");
	world.limit = 200;
	eq(listen_with(&fwd, &c, OPTIONS("t 1000-1135")), 0);
	eq(world.opened, 136);

	fresh(&c, "FWD-12 more than the table holds");
	eq(listen_with(&fwd, &c, OPTIONS("t 1-65535", "u 1-65535", "t ::1/1-3")), -ENFILE);
	eq(world.opened, 0);
	eq_str(said, "131073 ports to forward by -t, -u, -T, -U, but no more than 131072 can be\n");

	fresh(&c, "FWD-12 as many as the table holds: only the limit of open files is in the way");
	world.limit = 1000;
	eq(listen_with(&fwd, &c, OPTIONS("t 1-65535", "u 1-65535", "t ::1/1-2")), -EMFILE);
	eq_str(said,
	       "131072 ports to forward by -t, -u, -T, -U need 131136 open files, but the limit is 1000 (RLIMIT_NOFILE)\n");

	fresh(&c, "FWD-12 a limit that leaves nothing");
	world.limit = 20;
	eq(listen_with(&fwd, &c, OPTIONS("t 80")), -EMFILE);
	eq_str(said, "1 ports to forward by -t, -u, -T, -U need 65 open files, but the limit is 20 (RLIMIT_NOFILE)\n");

	fresh(&c, "FWD-12 two sockets for each port, and room for three: none is left out silently");
	world.limit = 67;
	world.fail_dual = -EAFNOSUPPORT;
	eq(listen_with(&fwd, &c, OPTIONS("t 80-81")), -EMFILE);
	eq_str(said, FAILED("81", "Too many open files", "t", "80-81", "TCP", "*") "\n");

	fresh(&c, "FWD-12 FWD-13 all ports there are: one socket and one table entry for each");
	ephemeral("1\t1\n");
	eq(listen_with(&fwd, &c, OPTIONS("t all,1", "u all,1")), 0);
	eq(world.opened, 131070);
	eq(fwd.n, 131070);
	eq(sizeof(fwd.l[0]), 16);

	fresh(&c, "FWD-12 all of more addresses than the table has room for");
	eq(listen_with(&fwd, &c, OPTIONS("t 127.0.0.1/all", "t ::1/all", "u 127.0.0.1/all", "u ::1/all")), -ENFILE);
	eq_str(said, "149212 ports to forward by -t, -u, -T, -U, but no more than 131072 can be\n");
}

/* Ports that are listened to, in the order of opening: "t:1-21 u:80" */
static const char *ports_text(const struct fwd *fwd, const struct conf *c)
{
	static char buf[512];
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0, j; i < fwd->n && n < sizeof(buf); i = j) {
		const struct listener *l = &fwd->l[i];

		for (j = i + 1; j < fwd->n && fwd->l[j].rule == l->rule && fwd->l[j].port == l->port + (j - i); j++)
			;
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%c:%u", n ? " " : "",
				      c->rules.rule[l->rule].proto == IPPROTO_TCP ? 't' : 'u', l->port);
		if (j - i > 1)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "-%u", fwd->l[j - 1].port);
	}
	return buf;
}

#define WIDE	"1100\t65000\n"		/* leaves 1-1099 and 65001-65535: 1634 ports */
#define USUAL	"32768\t60999\n"		/* leaves 1-32767 and 61000-65535: 37303 ports */

/* Rules of "all": what is left out, and when that is an error */
static const struct weak {
	const char	*name, *eph, *opt[3];
	uint16_t	taken, denied;
	rlim_t		limit;			/* 0: none */
	int		rc;
	const char	*ports, *said;		/* NULL: don't care; nothing */
} weaks[] = {
	{ "FWD-15 ephemeral ports", USUAL, { "t all" }, .ports = "t:1-32767 t:61000-65535" },
	{ "FWD-15 ephemeral ports, UDP", USUAL, { "u all" }, .ports = "u:1-32767 u:61000-65535" },
	{ "FWD-15 ephemeral ports, unknown", NULL, { "t all" }, .ports = "t:1-32767 t:61000-65535" },
	{ "FWD-15 ephemeral ports, nothing sensible", "x\n", { "t all" }, .ports = "t:1-32767 t:61000-65535" },
	{ "FWD-15 ephemeral ports, one number", "5\n", { "t all" }, .ports = "t:1-32767 t:61000-65535" },
	{ "FWD-15 ephemeral ports, too large", "1\t65536\n", { "t all" }, .ports = "t:1-32767 t:61000-65535" },
	{ "FWD-15 ephemeral ports from the first on", "1\t65530\n", { "t all" }, .ports = "t:65531-65535" },
	{ "FWD-15 ephemeral ports to the last", "3\t65535\n", { "t all" }, .ports = "t:1-2" },
	{ "FWD-15 one ephemeral port", "3\t3\n", { "t ~5-65535" }, .ports = "t:1-2 t:4" },
	{ "FWD-15 ephemeral ports by name", WIDE, { "t 2000-2002,~2001" }, .ports = "t:2000 t:2002" },
	{ "FWD-15 ephemeral ports beside all", WIDE, { "t all,2000" }, .ports = "t:2000 t:1-1099 t:65001-65535" },
	{ "exclusion that reaches into them", WIDE, { "t ~1000-2000" }, .ports = "t:1-999 t:65001-65535" },
	{ "exclusion that reaches out of them", WIDE, { "t ~64000-65010" }, .ports = "t:1-1099 t:65011-65535" },
	{ "FWD-06 exclusions", WIDE, { "t ~22,~100-200" }, .ports = "t:1-21 t:23-99 t:201-1099 t:65001-65535" },

	{ "FWD-07 a port is taken: no word", WIDE, { "t all" }, .taken = 80,
	  .ports = "t:1-79 t:81-1099 t:65001-65535" },
	{ "FWD-07 privileged ports: no word", WIDE, { "t all" }, .denied = 1023, .ports = "t:1024-1099 t:65001-65535" },
	{ "FWD-07 all of a rule privileged, none of another", WIDE, { "t ~22" }, .denied = 1023,
	  .ports = "t:1024-1099 t:65001-65535" },
	{ "FWD-07 all are taken", WIDE, { "t ~1-79,~81-65535" }, .taken = 80, .rc = -EADDRINUSE, .ports = "",
	  .said = "Failed to bind any port (Address already in use) for option '-t ~1-79,~81-65535'" REQUESTED },
	{ "FWD-07 all are privileged", WIDE, { "u ~1000-65535" }, .denied = 1023, .rc = -EACCES, .ports = "",
	  .said = "Failed to bind any port (Permission denied) for option '-u ~1000-65535'" REQUESTED },
	{ "FWD-07 none of one option, though others have some", WIDE, { "t 70", "t ::1/~1-79,~81-65535" }, .taken = 80,
	  .rc = -EADDRINUSE, .ports = "t:70",
	  .said = "Failed to bind any port (Address already in use) for option '-t ::1/~1-79,~81-65535'" REQUESTED },
	{ "all that isn't excluded is ephemeral", WIDE, { "t ~1-1099,~65001-65535", "t 80" }, .ports = "t:80",
	  .said = "Nothing is left to forward for option '-t ~1-1099,~65001-65535'" },
	{ "FWD-16 a named port stays strict", WIDE, { "t all", "t 80:8080" }, .taken = 80, .rc = -EADDRINUSE,
	  .ports = "", .said = FAILED("80", "Address already in use", "t", "80:8080", "TCP", "*") },
	{ "FWD-24 a named port stays strict, in a list", WIDE, { "t all,80" }, .denied = 1023, .rc = -EACCES,
	  .ports = "", .said = FAILED("80", "Permission denied", "t", "all,80", "TCP", "*") },
	{ "a named port is its option's, not all's", WIDE, { "t all", "t 80:8080" },
	  .ports = "t:80 t:1-79 t:81-1099 t:65001-65535" },
	{ "a named port of UDP doesn't count for TCP", WIDE, { "u 80:8080", "t all" },
	  .ports = "u:80 t:1-1099 t:65001-65535" },
	{ "all of an address, after all of any", WIDE, { "t all", "t ::1/all" }, .rc = -EADDRINUSE,
	  .ports = "t:1-1099 t:65001-65535",
	  .said = "Failed to bind any port (Address already in use) for option '-t ::1/all'" REQUESTED },

	{ "FWD-12 all, and too few descriptors", WIDE, { "t all" }, .limit = 100, .rc = -EMFILE,
	  .said = "1634 ports to forward by -t, -u, -T, -U need 1698 open files, but the limit is 100 (RLIMIT_NOFILE)" },
	{ "FWD-12 all of both, and one descriptor too few", WIDE, { "t all", "u all" }, .limit = 3331, .rc = -EMFILE,
	  .said = "3268 ports to forward by -t, -u, -T, -U need 3332 open files, but the limit is 3331 (RLIMIT_NOFILE)" },
	{ "FWD-12 all of both, and just as many", WIDE, { "t all", "u all" }, .limit = 3332,
	  .ports = "t:1-1099 t:65001-65535 u:1-1099 u:65001-65535" },
	{ "FWD-12 what can't be had takes none", WIDE, { "t all" }, .denied = 1023, .limit = 675,
	  .ports = "t:1024-1099 t:65001-65535" },
	{ "FWD-12 what can't be had is not counted", WIDE, { "t all" }, .denied = 1023, .limit = 674, .rc = -EMFILE,
	  .said = "611 ports to forward by -t, -u, -T, -U need 675 open files, but the limit is 674 (RLIMIT_NOFILE)" },
	{ "FWD-12 named ports leave too few", WIDE, { "t 2000-2099", "u all" }, .limit = 200, .rc = -EMFILE,
	  .said = "1734 ports to forward by -t, -u, -T, -U need 1798 open files, but the limit is 200 (RLIMIT_NOFILE)" },
	{ "FWD-12 no room for the first", USUAL, { "t all", "u all" }, .limit = 64, .rc = -EMFILE, .ports = "",
	  .said = "74606 ports to forward by -t, -u, -T, -U need 74670 open files, but the limit is 64 (RLIMIT_NOFILE)" },
};

static void test_weak(void)
{
	static struct fwd fwd;
	static struct conf c;

	for (const struct weak *w = weaks; w < weaks + ARRAY_SIZE(weaks); w++) {
		fresh(&c, w->name);
		if (w->eph)
			ephemeral(w->eph);
		world.taken = w->taken;
		world.denied = w->denied;
		world.limit = w->limit ? w->limit : RLIM_INFINITY;
		eq(listen_with(&fwd, &c, w->opt), w->rc);
		if (w->ports)
			eq_str(ports_text(&fwd, &c), w->ports);
		said[strcspn(said, "\n")] = '\0';
		eq_str(said, w->said ? w->said : "");
	}

	fresh(&c, "FWD-01 a port of all is taken, but not for long");
	ephemeral(WIDE);
	world.taken = 80;
	world.tries = 5;
	eq(listen_with(&fwd, &c, OPTIONS("t all")), 0);
	eq_str(ports_text(&fwd, &c), "t:1-79 t:81-1099 t:65001-65535 t:80");

	fresh(&c, "all: one socket for both families");
	ephemeral(WIDE);
	eq(listen_with(&fwd, &c, OPTIONS("t all")), 0);
	ok(world.l[0].dual && fwd.l[0].v4 && fwd.l[0].v6);

	fresh(&c, "FWD-08 a port is taken in one family: left out, or clients would reach somebody else there");
	ephemeral(WIDE);
	world.fail_dual = world.fail4 = -EADDRINUSE;
	world.fail_port = 80;
	eq(listen_with(&fwd, &c, OPTIONS("t all")), 0);
	eq_str(ports_text(&fwd, &c), "t:1-79 t:81-1099 t:65001-65535");

	fresh(&c, "how many are left out can be seen with --debug");
	ephemeral(WIDE);
	world.denied = 1023;
	log_level = LOG_DEBUG;
	eq(listen_with(&fwd, &c, OPTIONS("t all", "u ~1-1023")), 0);
	log_level = LOG_INFO;
	ok(strstr(said, " debug: 1023 ports can't be had for option '-t all'\n"));

	fresh(&c, "a port that its own option names is left out of all once");
	ephemeral(WIDE);
	log_level = LOG_DEBUG;
	eq(listen_with(&fwd, &c, OPTIONS("t all,80", "u 80")), 0);
	log_level = LOG_INFO;
	ok(strstr(said, " debug: 1 ports can't be had for option '-t all,80'\n"));

	fresh(&c, "FWD-12 -4: ports of IPv6 addresses take no descriptors");
	ephemeral(WIDE);
	net.ip[V6].on = false;
	world.limit = 100;
	eq(listen_with(&fwd, &c, OPTIONS("t all", "u ::1/all")), -EMFILE);
	ok(strstr(said,
		  "\n1634 ports to forward by -t, -u, -T, -U need 1698 open files, but the limit is 100 (RLIMIT_NOFILE)\n"));

	fresh(&c, "all of a link-local address");
	ephemeral(WIDE);
	eq(listen_with(&fwd, &c, OPTIONS("t fe80::1/~3-65535", "t ::1/~1-2,~4-65535")), 0);
	eq(world.opened, 3);
	eq(world.l[0].scope, 6);
	eq(world.l[1].scope, 6);
	eq(world.l[2].scope, 0);

	fresh(&c, "FWD-09 -4, and all of an IPv6 address: said once, also of several ranges");
	net.ip[V6].on = false;
	eq(listen_with(&fwd, &c, OPTIONS("t ::1/~22,~33", "t ::1/70,72", "t 80")), 0);
	eq_str(ports_text(&fwd, &c), "t:80");
	eq_str(said, "No IPv6: nothing forwarded for option '-t ::1/~22,~33'\n"
		     "No IPv6: nothing forwarded for option '-t ::1/70,72'\n");

	fresh(&c, "FWD-07 what fails for every port is no matter of one port, and fails at once");
	world.fail6 = -EADDRNOTAVAIL;
	eq(listen_with(&fwd, &c, OPTIONS("t 2001:db8::99/all")), -EADDRNOTAVAIL);
	eq(world.opened, 0);
	eq_str(said,
	       FAILED("1", "Cannot assign requested address", "t", "2001:db8::99/all", "TCP", "2001:db8::99") "\n");
}
int main(void)
{
	test_listen();
	test_limits();
	test_weak();
	return done();
}
