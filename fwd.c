/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd.c - forwarding rules in force, and their listeners
 *
 * rules.c decides which rule has a port; here, the ports that are open become those of a table.
 *
 * The table changes as a whole, or not at all. Each listener gets an heir, the rule of the new table that has its
 * port; new ports are opened; then listeners without an heir are closed. A port in both tables keeps its socket and
 * its backlog. Where two can't be bound at a time, one to any address and one to a single one, the old one is closed
 * first, and opened again if the change fails.
 *
 * Sockets of outward rules are the namespace's, from the opener.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "event.h"
#include "fwd.h"
#include "hint.h"
#include "log.h"
#include "opener.h"
#include "sock.h"

/* ms. A container may be restarted before our predecessor has ended: 20,000 ports are free 80 ms later. Ports of "all"
 * may well be somebody's.
 */
#define PATIENCE_NAMED	250
#define PATIENCE_WEAK	50		/* since the last one became free */
#define RETRY_EVERY	2

/* The new table, while it changes */
static struct {
	struct fwd_rule	t[RULES_MAX];
	uint16_t	first;			/* rule that the old one doesn't have */
	uint16_t	to[RULES_MAX];		/* index in @t by index in the old table; RULES_MAX: the rule goes */
} next;

/* While listeners are opened */
struct opening {
	struct fwd		*fwd;
	const struct net	*net;
	const struct fwd_rule	*t;		/* table: @fwd's, or @next's */
	unsigned		n;		/* rules in it */
	uint32_t		since;		/* rules with higher IDs open their ports */
	bool			start;		/* ports in use are tried again */
	unsigned		rule;		/* the one in hand, and its port */
	uint32_t		port;
	uint32_t		opened;		/* ports */
	uint32_t		taken;		/* ports of others */
	int			why;		/* the last one refused */
};

static bool rule_usable(const struct net *net, const struct rule *r)
{
	return r->any ? net->ip[V4].on || net->ip[V6].on : net->ip[addr_family(&r->addr)].on;
}

/* Or at least no mistake? Podman names the unspecified addresses of both families, also if one is off. */
static bool rule_harmless(const struct net *net, const struct rule *r)
{
	return rule_usable(net, r) || (!r->any && addr_is_unspec(&r->addr));
}

/* ---- limits ---- */

static const char *ephemeral_path = "/proc/sys/net/ipv4/ip_local_port_range";

/* Of the host, or the namespace */
static struct ephemeral find_ephemeral(bool ns)
{
	int fd = ns ? opener_file(ephemeral_path, O_RDONLY) : open(ephemeral_path, O_RDONLY | O_CLOEXEC);
	struct ephemeral e = { 32768, 60999 };		/* the kernel's default */
	unsigned first, last;
	char buf[64] = "";

	if (fd < 0)
		return e;
	if (read(fd, buf, sizeof(buf) - 1) > 0 && sscanf(buf, "%u %u", &first, &last) == 2 && first <= UINT16_MAX &&
	    last <= UINT16_MAX)
		e = (struct ephemeral){ (uint16_t)first, (uint16_t)last };
	close(fd);
	return e;
}

/* No descriptors for @n listeners */
static int too_many(uint32_t n)
{
	struct rlimit lim = { 0 };

	if (n > LISTENERS_MAX) {
		err("%u ports to forward by -t, -u, -T, -U, but no more than %u can be", n, LISTENERS_MAX);
		return -ENFILE;
	}
	getrlimit(RLIMIT_NOFILE, &lim);
	err("%u ports to forward by -t, -u, -T, -U need %u open files, but the limit is %llu (RLIMIT_NOFILE)", n,
	    n + FD_RESERVE, (unsigned long long)lim.rlim_cur);
	return -EMFILE;
}

void fwd_need_files(void)
{
	struct rlimit lim;

	if (!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_max <= FD_RESERVE)
		die("RLIMIT_NOFILE permits %llu open files: more than %u are needed", (unsigned long long)lim.rlim_max,
		    FD_RESERVE);
}

/* Room for listeners. Rules that name more ports are refused before the first is opened. */
static int check_limits(struct fwd *fwd)
{
	struct rlimit lim = { .rlim_cur = RLIM_INFINITY };
	uint32_t n = 0;

	getrlimit(RLIMIT_NOFILE, &lim);
	fwd->max = (uint32_t)MIN(lim.rlim_cur - MIN(lim.rlim_cur, FD_RESERVE), LISTENERS_MAX);
	for (const struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++)
		n += rule_exactness(&fr->r) == NAMED ? fr->r.last - fr->r.first + 1U : 0;
	return n > fwd->max ? too_many(n) : 0;
}

/* ---- listeners ---- */

static void listener_put(struct fwd *fwd, uint32_t i)
{
	fwd->l[i] = (struct listener){ .fd = -1, .next = fwd->free };
	fwd->free = i + 1;
}

static void unpause(struct fwd *fwd, uint32_t i)
{
	uint32_t *p = &fwd->paused, before = 0;

	for (; *p && *p != i + 1; p = &fwd->l[*p - 1].next)
		before = *p;
	if (!*p)
		return;
	*p = fwd->l[i].next;
	if (fwd->paused_last == i + 1)
		fwd->paused_last = before;
}

/* Closes a socket; its entry stays. A listener of the change under way has no flows. */
static void listener_shut(struct fwd *fwd, uint32_t i)
{
	struct listener *l = &fwd->l[i];

	if (l->rule != RULES_MAX && fwd->rule[l->rule].r.proto == IPPROTO_UDP)
		l->gone = fwd->gone = true;
	else
		unpause(fwd, i);
	fd_close(l->fd);
	l->fd = -1;
	fwd->used--;
}

static void listener_close(struct fwd *fwd, uint32_t i)
{
	struct listener *l = &fwd->l[i];

	if (l->fd >= 0)
		listener_shut(fwd, i);
	l->port = 0;
	if (!l->gone)
		listener_put(fwd, i);
}

uint32_t fwd_gone(struct fwd *fwd, uint32_t from)
{
	if (from)
		listener_put(fwd, from - 1);	/* its flows have ended */
	for (; fwd->gone && from < fwd->n; from++) {
		if (fwd->l[from].gone)
			return from;
	}
	fwd->gone = false;
	return LISTENERS_MAX;
}

/* A rule's socket for both families, or for that of @at: descriptor or -errno */
static int listener_socket(const struct net *net, const struct rule *r, const struct end *at, bool dual)
{
	bool udp = r->proto == IPPROTO_UDP, v4 = addr_is_v4(&at->a), lo = r->outward && addr_is_unspec(&at->a);
	struct sock_out out = { .ifname = lo && !r->ifname[0] ? "lo" : r->ifname, .freebind = net->cf->freebind };
	int fd, rc;

	if (addr_is_linklocal(&at->a) && !r->ifname[0])	/* the interface is the scope */
		out.scope = net->ip[addr_family(&at->a)].ifindex;
	if (!r->outward)
		return sock_listen(r->proto, at, dual, &out);
	rc = opener_sockets(v4 && !dual ? AF_INET : AF_INET6, udp ? SOCK_DGRAM : SOCK_STREAM, r->proto, &fd, 1);
	return rc < 0 ? rc : sock_listen_on(fd, r->proto, at, dual, &out);
}

static int listener_watch(const struct fwd *fwd, uint32_t i, int fd, bool udp)
{
	return ev_add(fwd->epfd, fd, udp ? EV_UDP_LISTEN : EV_TCP_LISTEN, i, 0, udp ? EPOLLIN | EPOLLET : EPOLLIN);
}

/* One listener for port @port of a rule: for both families, or for that of @a */
static int listen_one(struct opening *o, const struct fwd_rule *fr, const struct addr *a, bool dual, uint32_t port)
{
	bool udp = fr->r.proto == IPPROTO_UDP, v4 = addr_is_v4(a);
	struct end at = { *a, (uint16_t)port };
	uint16_t rule = (uint16_t)(fr - o->t);
	struct fwd *fwd = o->fwd;
	int fd, rc;
	uint32_t i;

	if (fwd->used >= fwd->max)
		return -EMFILE;
	fd = listener_socket(o->net, &fr->r, &at, dual);
	if (fd < 0)
		return fd;
	i = fwd->free ? fwd->free - 1 : fwd->n++;
	fwd->free = fwd->free ? fwd->l[i].next : 0;
	fwd->l[i] = (struct listener){
		.fd = fd, .rule = o->t == next.t ? RULES_MAX : rule, .heir = rule, .port = at.port,
		.guest = fr->r.guest, .v4 = dual || v4, .v6 = dual || !v4,
	};
	rc = listener_watch(fwd, i, fd, udp);
	if (rc) {
		fd_close(fd);
		listener_put(fwd, i);
		return rc;
	}
	fwd->used++;
	bit_set(fwd->ours[fr->r.outward][udp], port);
	return 0;
}

/* Listeners of one port of a rule: without an address, for one family or both. A family that the host lacks is no error
 * then; a port taken or reserved in one of two is: clients would reach another server there.
 */
static int listen_families(struct opening *o, const struct fwd_rule *fr, bool v4, bool v6, uint32_t port)
{
	int rc4 = -EAFNOSUPPORT, rc6 = -EAFNOSUPPORT, rc;
	bool lo;

	if (!fr->r.any)
		return listen_one(o, fr, &fr->r.addr, false, port);
	rc = listen_one(o, fr, v6 ? &addr_any6 : &addr_any4, v4 && v6, port);
	lo = rc == -EPERM && fr->r.outward;	/* SO_BINDTODEVICE takes a privilege before Linux 5.7 */
	if (!lo && (!v4 || !v6 || (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL && rc != -EPROTONOSUPPORT)))
		return rc;
	if (v4)
		rc4 = listen_one(o, fr, lo ? &addr_loopback4 : &addr_any4, false, port);
	if (v6)
		rc6 = listen_one(o, fr, lo ? &addr_loopback6 : &addr_any6, false, port);
	return (rc4 && rc6) || rc4 == -EMFILE ? rc4 : rc6 == -EMFILE ? rc6 : 0;
}

static int listen_port(struct opening *o, const struct fwd_rule *fr, uint32_t port)
{
	return listen_families(o, fr, o->net->ip[V4].on, o->net->ip[V6].on, port);
}

/* A listener of ours with that port? */
static bool is_ours(const struct fwd *fwd, const struct rule *r, uint32_t port)
{
	return bit_test(fwd->ours[r->outward][r->proto == IPPROTO_UDP], port);
}

/* Closes listeners of rules that go, unless a new rule as exact as @r has their port: false if there are none */
static bool make_way(struct fwd *fwd, const struct rule *r)
{
	bool any = false;

	for (uint32_t i = 0; i < fwd->n; i++) {
		struct listener *l = &fwd->l[i];
		const struct rule *of;

		if (l->fd < 0 || l->rule == RULES_MAX || next.to[l->rule] != RULES_MAX)
			continue;
		of = &fwd->rule[l->rule].r;
		if (of->proto != r->proto || of->outward != r->outward || !rule_covers(r, fwd->eph, l->port))
			continue;
		if (l->heir != RULES_MAX && rule_exactness(&next.t[l->heir].r) >= rule_exactness(r))
			continue;
		listener_shut(fwd, i);
		l->heir = RULES_MAX;
		any = true;
	}
	return any;
}

/* A named port in use may be free in a moment; or at once, if it is that of a rule that goes */
static int listen_patiently(struct opening *o, const struct fwd_rule *fr, uint32_t port)
{
	bool patient = o->start && !fr->r.weak && !is_ours(o->fwd, &fr->r, port);
	uint64_t until = now_ms() + PATIENCE_NAMED;
	int rc = listen_port(o, fr, port);

	if (rc == -EADDRINUSE && !o->start && make_way(o->fwd, &fr->r))
		rc = listen_port(o, fr, port);
	while (rc == -EADDRINUSE && patient && now_ms() < until) {
		poll(NULL, 0, RETRY_EVERY);
		rc = listen_port(o, fr, port);
	}
	return rc;
}

/* Is one port refused, so that a weak rule does without? */
static bool is_bearable(int rc)
{
	return rc == -EADDRINUSE || rc == -EACCES || rc == -EPERM;
}

/* Opens ports in @todo of rule @o->rule, and takes them out; ports of others stay, if it is weak */
static int open_rule(struct opening *o, uint8_t *todo)
{
	const struct fwd_rule *fr = &o->t[o->rule];

	if (!rule_usable(o->net, &fr->r))
		return 0;
	for (uint32_t port = fr->r.first; port <= fr->r.last; port++) {
		int rc;

		if (!bit_test(todo, port))
			continue;
		o->port = port;
		rc = listen_patiently(o, fr, port);
		if (rc && (!fr->r.weak || !is_bearable(rc)))
			return rc;
		o->opened += !rc;
		o->why = rc ? rc : o->why;
		if (rc == -EADDRINUSE && !is_ours(o->fwd, &fr->r, port))
			o->taken++;
		else
			bit_clear(todo, port);
	}
	return 0;
}

/* Takes ports with a listener of rule @i off @todo: their number */
static uint32_t take_kept(const struct fwd *fwd, unsigned i, uint8_t *todo)
{
	uint32_t n = 0;

	for (const struct listener *l = fwd->l; l < fwd->l + fwd->n; l++) {
		if (l->fd >= 0 && l->heir == i) {
			bit_clear(todo, l->port);
			n++;
		}
	}
	return n;
}

/* Ports that rules from @first up to @end lack. Of weak ones, all to be had: at start, as long as others close theirs.
 * None at all is an error.
 */
static int open_group(struct opening *o, unsigned first, unsigned end)
{
	static uint8_t todo[PORT_MAP];
	uint32_t least = UINT32_MAX;
	uint64_t until = 0;
	int rc;

	memset(todo, 0, sizeof(todo));
	o->opened = 0;
	o->why = 0;
	for (unsigned i = first; i < end; i++) {
		uint16_t left = rules_plan(o->t, o->n, i, o->fwd->eph, NULL, todo);

		o->why = left ? -EADDRINUSE : o->why;
		o->port = left;
		o->opened += take_kept(o->fwd, i, todo);
	}
	for (;;) {
		o->taken = 0;
		for (o->rule = first; o->rule < end; o->rule++) {
			rc = open_rule(o, todo);
			if (rc)
				return rc;
		}
		o->rule = first;
		if (o->taken < least) {
			least = o->taken;
			until = now_ms() + PATIENCE_WEAK;
		}
		if (!o->start || !o->taken || now_ms() >= until)
			return o->opened ? 0 : o->why;
		poll(NULL, 0, RETRY_EVERY);
	}
}

/* Rule of ours that keeps @r from @port; NULL: somebody else does */
static const struct rule *in_the_way(const struct opening *o, const struct rule *r, uint32_t port)
{
	const struct fwd *fwd = o->fwd;

	for (const struct listener *l = fwd->l; l < fwd->l + fwd->n; l++) {
		const struct rule *of = l->heir == RULES_MAX ? &fwd->rule[l->rule].r : &o->t[l->heir].r;

		if (l->fd >= 0 && l->port == port && of != r && rules_meet(of, r))
			return of;
	}
	return NULL;
}

/* ---- start ---- */

/* Ports of weak rules from @port of rule @i on, up to @end */
static uint32_t weak_ports(const struct opening *o, unsigned i, unsigned end, uint32_t port)
{
	uint32_t n = 0;

	for (; i < end; i++, port = 0) {
		const struct rule *r = &o->t[i].r;

		if (rule_exactness(r) != WEAK)
			continue;
		for (port = MAX(port, r->first); port <= r->last; port++)
			n += rule_covers(r, o->fwd->eph, port);
	}
	return n;
}

/* Reports the port refused. Callers look for one of two texts about a port in use: the line has both. */
static int failed(const struct opening *o, int rc)
{
	const struct rule *r = &o->t[o->rule].r, *other = rc == -EADDRINUSE ? in_the_way(o, r, o->port) : NULL;
	const char *ifname = rule_ifname(r), *why = errno_text(-rc);
	char a[ADDR_STRLEN], text[RULE_TEXT_MAX];

	snprintf(text, sizeof(text), "%s", rule_text(r));
	if (r->weak && rc == -EMFILE)
		return too_many(o->fwd->used + weak_ports(o, o->rule, o->n, o->port));
	if (r->weak && is_bearable(rc))
		err("Failed to bind any port (%s) for option '%s': Couldn't listen on requested ports", why, text);
	else if (other)
		err("Invalid option '%s': " RULE_OVERLAP, text, o->port, rule_text(other));
	else
		err("Failed to bind port %u (%s) for option '%s': Couldn't listen on requested ports: "
		    "Listen failed for %s %s port %s%s%s/%u: %s%s", o->port, why, text, r->outward ? "SPLICE" : "HOST",
		    r->proto == IPPROTO_TCP ? "TCP" : "UDP", r->any ? "*" : addr_fmt(&r->addr, a), ifname[0] ? "%" : "",
		    ifname, o->port, why, r->outward ? "" : hint_bind(-rc, o->port));
	return rc;
}

/* Rules @i up to @end are of one option */
static int open_option(struct opening *o, unsigned i, unsigned end)
{
	int rc = open_group(o, i, end);
	uint32_t missing = rc || !o->why ? 0 : weak_ports(o, i, end, 0) - o->opened;

	if (rc)
		return failed(o, rc);
	if (missing)
		debug("%u ports can't be had for option '%s'", missing, rule_text(&o->t[i].r));
	if (!o->opened && o->t[i].r.weak)
		warn("Nothing is left to forward for option '%s'", rule_text(&o->t[i].r));
	return 0;
}

static void summarise(struct fwd *fwd)
{
	fwd->targets = fwd->automatic[false] = fwd->automatic[true] = 0;
	for (const struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++) {
		fwd->targets += !addr_is_unspec(&fr->r.to_addr);
		fwd->automatic[fr->r.outward] += fr->r.automatic;
	}
}

/* The options' table, without rules of no use */
static void rules_init(struct fwd *fwd, const struct net *net)
{
	for (const struct rule *r = net->cf->rules.rule; r < net->cf->rules.rule + net->cf->rules.n; r++) {
		if (rule_harmless(net, r))
			fwd->rule[fwd->nrules++] = (struct fwd_rule){ .r = *r, .id = ++fwd->last_id };
		if (!rule_usable(net, r) && (r == net->cf->rules.rule || r[-1].opt != r->opt))
			warn("No %s: nothing forwarded for option '%s'", r->any ? "network" :
			     addr_is_v4(&r->addr) ? "IPv4" : "IPv6", rule_text(r));
	}
	summarise(fwd);
}

/* Exact rules come first. Automatic ones open no ports: these are inherited, or come by fwd_follow(). */
static int open_table(struct opening *o)
{
	int rc = 0;

	for (enum exactness e = NAMED; e > AUTOMATIC; e--) {
		for (unsigned i = 0, end; !rc && i < o->n; i = end) {
			const struct rule *r = &o->t[i].r;

			for (end = i + 1; o->start && end < o->n && o->t[end].r.opt == r->opt; end++) {
				if (o->t[end].r.weak != r->weak)
					break;
			}
			if (rule_exactness(r) == e && o->t[i].id > o->since)
				rc = o->start ? open_option(o, i, end) : open_group(o, i, end);
		}
	}
	return rc;
}

int fwd_listen(struct fwd *fwd, const struct net *net, int epfd)
{
	static struct listener listeners[LISTENERS_MAX];
	struct opening o = { .fwd = fwd, .net = net, .t = fwd->rule, .start = true };
	int rc;

	memset(fwd, 0, offsetof(struct fwd, rule));	/* of rules, no memory is touched before there is one */
	memset(&fwd->nrules, 0, sizeof(*fwd) - offsetof(struct fwd, nrules));
	fwd->l = listeners;
	fwd->epfd = epfd;
	fwd->eph[false] = find_ephemeral(false);
	fwd->eph[true] = opener_runs() ? find_ephemeral(true) : fwd->eph[false];
	rules_init(fwd, net);
	o.n = fwd->nrules;
	rc = check_limits(fwd);
	return rc ? rc : open_table(&o);
}

/* ---- the table changes ---- */

void fwd_table(const struct fwd *fwd, struct rules *t)
{
	t->n = fwd->nrules;
	t->run_time = true;
	for (unsigned i = 0; i < t->n; i++) {
		t->rule[i] = fwd->rule[i].r;
		t->rule[i].opt = RULES_MAX;
	}
}

int fwd_rule_possible(const struct net *net, const struct rule *r)
{
	if (r->proto == IPPROTO_TCP ? net->cf->no_tcp : net->cf->no_udp)
		return -EPROTONOSUPPORT;
	if (r->outward && !opener_runs())
		return -EOPNOTSUPP;
	if (rule_needs_splice(r) && net->cf->no_splice)
		return -ENETUNREACH;
	return rule_harmless(net, r) ? 0 : -EAFNOSUPPORT;
}

/* The new table, in the order of @want */
static int make_next(const struct fwd *fwd, const struct net *net, const struct rules *want, struct fwd_failure *why)
{
	uint32_t id = fwd->last_id;

	next.first = (uint16_t)want->n;
	for (unsigned k = 0; k < fwd->nrules; k++)
		next.to[k] = RULES_MAX;
	for (uint16_t i = 0; i < want->n; i++) {
		const struct rule *r = &want->rule[i];
		unsigned k = 0;
		int rc;

		while (k < fwd->nrules && !rule_same(&fwd->rule[k].r, r))
			k++;
		if (k < fwd->nrules) {
			next.to[k] = i;
			next.t[i] = fwd->rule[k];
			continue;
		}
		*why = (struct fwd_failure){ .rule = i, .port = r->first };
		rc = fwd_rule_possible(net, r);
		if (rc)
			return rc;
		id++;
		next.t[i] = (struct fwd_rule){ .r = *r, .id = id };
		next.first = MIN(next.first, i);
	}
	return 0;
}

/* Listeners become those of their heirs, in @t; others are closed */
static void hand_over(struct fwd *fwd, const struct fwd_rule *t)
{
	memset(fwd->ours, 0, sizeof(fwd->ours));
	for (uint32_t i = 0; i < fwd->n; i++) {
		struct listener *l = &fwd->l[i];

		if (!l->port)			/* free, or its flows have yet to end */
			continue;
		if (l->heir == RULES_MAX) {
			listener_close(fwd, i);
			continue;
		}
		l->rule = l->heir;
		if (l->fd >= 0)
			bit_set(fwd->ours[t[l->rule].r.outward][t[l->rule].r.proto == IPPROTO_UDP], l->port);
	}
}

static void undo(struct fwd *fwd, const struct net *net)
{
	struct opening o = { .fwd = fwd, .net = net, .t = fwd->rule };

	for (struct listener *l = fwd->l; l < fwd->l + fwd->n; l++)
		l->heir = l->rule;
	hand_over(fwd, fwd->rule);
	for (uint32_t i = 0; i < fwd->n; i++) {
		const struct listener l = fwd->l[i];

		if (!l.port || l.fd >= 0)
			continue;
		listener_close(fwd, i);
		if (listen_families(&o, &fwd->rule[l.rule], l.v4, l.v6, l.port))
			log_limited(LOG_WARNING, "Somebody took port %u while rules changed", l.port);
	}
}

static void commit(struct fwd *fwd, unsigned n)
{
	hand_over(fwd, next.t);
	memcpy(fwd->rule, next.t, n * sizeof(next.t[0]));
	fwd->nrules = n;
	for (unsigned i = 0; i < n; i++)
		fwd->last_id = MAX(fwd->last_id, next.t[i].id);
	summarise(fwd);
}

int fwd_replace(struct fwd *fwd, const struct net *net, const struct rules *want, struct fwd_failure *why)
{
	int rc = make_next(fwd, net, want, why);
	struct opening o = { .fwd = fwd, .net = net, .t = next.t, .n = want->n, .since = fwd->last_id };
	const struct rule *other;

	if (rc)
		return rc;
	for (struct listener *l = fwd->l; l < fwd->l + fwd->n; l++) {
		const struct rule *of = &fwd->rule[l->rule].r;

		if (l->port)
			l->heir = rules_heir(next.t, want->n, next.first, of, next.to[l->rule], fwd->eph, l->port);
	}
	rc = open_table(&o);
	if (rc) {
		other = rc == -EADDRINUSE ? in_the_way(&o, &next.t[o.rule].r, o.port) : NULL;
		*why = (struct fwd_failure){ .rule = o.rule, .port = (uint16_t)o.port };
		if (other)
			why->in_the_way = *other;
		undo(fwd, net);
	} else {
		commit(fwd, want->n);
	}
	return rc;
}

/* fwd_follow() for rule @i: are there listeners to close? */
static bool follow(struct opening *o, unsigned i, const uint8_t *bound)
{
	static uint8_t todo[PORT_MAP];
	const struct rule *r = &o->t[i].r;
	uint32_t port = r->weak && !r->outward ? MAX(r->first, o->fwd->auto_first) : r->first;
	bool some_go = false;

	memset(todo, 0, sizeof(todo));
	rules_plan(o->t, o->n, i, o->fwd->eph, bound, todo);
	for (struct listener *l = o->fwd->l; l < o->fwd->l + o->fwd->n; l++) {
		if (l->fd < 0 || l->rule != i || bit_test(todo, l->port))
			continue;
		debug("Port %u is not bound any more: not forwarded from %u", rule_to(r, l->port), l->port);
		l->heir = RULES_MAX;
		some_go = true;
	}
	take_kept(o->fwd, i, todo);
	for (; port <= r->last; port++) {
		if (bit_test(todo, port) && !listen_port(o, &o->t[i], port))
			debug("Port %u is bound: forwarded from %u, %s", rule_to(r, port), port,
			      r->proto == IPPROTO_TCP ? "TCP" : "UDP");
	}
	return some_go;
}

void fwd_follow(struct fwd *fwd, const struct net *net, bool outward, uint8_t bound[2][PORT_MAP])
{
	struct opening o = { .fwd = fwd, .net = net, .t = fwd->rule, .n = fwd->nrules };
	bool some_go = false;

	for (unsigned i = 0; i < fwd->nrules; i++) {
		const struct rule *r = &fwd->rule[i].r;

		if (r->automatic && r->outward == outward)
			some_go |= follow(&o, i, bound[r->proto == IPPROTO_UDP]);
	}
	if (some_go)
		hand_over(fwd, fwd->rule);
}

/* ---- questions ---- */

/* Does a listener of the rule get traffic to @a? */
static bool is_at(const struct rule *r, const struct addr *a)
{
	if (r->any)
		return !r->outward || addr_is_loopback(a);
	return addr_eq(&r->addr, a) || (addr_is_unspec(&r->addr) && addr_family(&r->addr) == addr_family(a));
}

bool fwd_leads_to_us(const struct fwd *fwd, bool outward, uint8_t proto, const struct end *e)
{
	bool maybe = false, elsewhere = false;

	if (!bit_test(fwd->ours[outward][proto == IPPROTO_UDP], e->port))
		return false;
	for (const struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++) {
		const struct rule *r = &fr->r;
		bool named = rule_exactness(r) == NAMED;

		if (r->outward != outward || r->proto != proto || e->port < r->first || e->port > r->last)
			continue;
		if (is_at(r, &e->a) && (named || !r->any))
			return true;
		maybe |= is_at(r, &e->a);
		elsewhere |= named;
	}
	return maybe && !elsewhere;		/* a port named for one address can't be had for any */
}

struct listener *fwd_listener(struct fwd *fwd, uint32_t idx, uint8_t proto)
{
	struct listener *l = &fwd->l[idx];

	return l->fd >= 0 && fwd->rule[l->rule].r.proto == proto ? l : NULL;
}

/* SO_BINDTODEVICE looks an interface up once. The descriptor, which flows may have, stays the same. */
static void listener_renew(struct fwd *fwd, const struct net *net, uint32_t i, const struct rule *r)
{
	struct listener *l = &fwd->l[i];
	const struct end at = { r->any ? (l->v6 ? addr_any6 : addr_any4) : r->addr, l->port };
	int fd = listener_socket(net, r, &at, l->v4 && l->v6), rc = fd;

	if (fd >= 0) {
		rc = dup2(fd, l->fd) < 0 ? -errno : listener_watch(fwd, i, l->fd, r->proto == IPPROTO_UDP);
		close(fd);
	}
	if (rc < 0)
		log_limited(LOG_WARNING, "Port %u on %s not opened again: %s", l->port,
			    *r->ifname ? r->ifname : "a link-local address", errno_text(-rc));
}

void fwd_renew(struct fwd *fwd, const struct net *net, const char *ifname, unsigned ifindex)
{
	for (uint32_t i = 0; i < fwd->n; i++) {
		const struct rule *r = &fwd->rule[fwd->l[i].rule].r;
		int bound = 0;
		socklen_t len = sizeof(bound);

		if (fwd->l[i].fd < 0 || !fwd->l[i].port || r->outward || strcmp(r->ifname, ifname))
			continue;
		if (!getsockopt(fwd->l[i].fd, SOL_SOCKET, SO_BINDTOIFINDEX, &bound, &len) && (unsigned)bound != ifindex)
			listener_renew(fwd, net, i, r);
	}
}

void fwd_rescope(struct fwd *fwd, const struct net *net)
{
	for (uint32_t i = 0; i < fwd->n; i++) {
		const struct rule *r = &fwd->rule[fwd->l[i].rule].r;

		if (fwd->l[i].fd >= 0 && fwd->l[i].port && !r->outward && !r->any && !r->ifname[0] &&
		    addr_is_linklocal(&r->addr) && !addr_is_v4(&r->addr))
			listener_renew(fwd, net, i, r);
	}
}

bool fwd_names(const struct fwd *fwd, const char *ifname)
{
	for (const struct fwd_rule *r = fwd->rule; r < fwd->rule + fwd->nrules; r++)
		if (r->id && !r->r.outward && r->r.ifname[0] && (!ifname || !strcmp(r->r.ifname, ifname)))
			return true;
	return false;
}

void fwd_close(struct fwd *fwd)
{
	for (uint32_t i = 0; i < fwd->n; i++) {
		if (fwd->l[i].fd >= 0)
			close(fwd->l[i].fd);
	}
	fwd->n = fwd->used = fwd->free = 0;
}
