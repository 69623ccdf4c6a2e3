/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd_rules.c - the table of forwarding rules, and what listens for them
 *
 * A port has one listener, that of one rule. Of several rules for the same address, interface and port, the most exact one
 * has it: who names a port comes before "all", and that before what is automatic. These give way, and get it back.
 *
 * The table changes as a whole, or not at all: fwd_replace() opens what is new, and closes what nobody wants any more only
 * if that worked. A port that is in the old table and in the new one keeps its socket, and clients in its backlog notice
 * nothing. Only where two can't be bound at a time, one for any address and one for a single one, the old one goes first, and
 * comes back if the change fails after all.
 *
 * Sockets of outward rules are the namespace's: at start, whoever calls is in there; later, a thread opens them.
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
#include "log.h"
#include "map.h"
#include "opener.h"
#include "sock.h"

#define FD_RESERVE	64		/* descriptors for all else, until the first flow */

/* ms. Who restarts a container doesn't wait for our predecessor to end: it lets go of its ports as soon as the scheduler lets it,
 * up to 80 ms for 20,000 of them. That somebody has ports of "all" is nothing unusual.
 */
#define PATIENCE	250
#define PATIENCE_WEAK	50		/* since the last one that became free */
#define RETRY_EVERY	2

/* What becomes of each entry while the table changes */
static enum fate { LEAVES, STAYS, COMES } fate[ENTRIES_MAX];

static bool usable(const struct net *c, enum family f)
{
	return c->ip[f].on && (f == V4 || sock_features.ipv6);
}

/* While listeners are opened: those of the host, or @outward ones */
struct opening {
	bool			outward;
	struct fwd		*fwd;
	const struct net	*c;
	const uint8_t		*have;		/* ports that have a listener already, or NULL */
	bool			patient;	/* at start: ports that somebody has are tried again */
	bool			changing;	/* the table does: rules that leave make way */
	uint8_t			*settled;	/* of a weak option: ports that are open, or won't be had; or NULL */
	uint32_t		taken;		/* of a weak option: others */
	uint32_t		missing;	/* ports of weak rules that can't be had */
	int			why;		/* for the last of these */
};

static bool rule_usable(const struct net *c, const struct rule *r)
{
	return r->any ? usable(c, V4) || usable(c, V6) : usable(c, addr_family(&r->addr));
}

/* Or is it at least no mistake? All addresses of a family that is off are none; callers name those of both (Podman does). */
static bool rule_harmless(const struct net *c, const struct rule *r)
{
	return rule_usable(c, r) || (!r->any && addr_is_unspec(&r->addr));
}

static const char *ephemeral_path = "/proc/sys/net/ipv4/ip_local_port_range";

/* Ports that connections of whoever calls come from, host or namespace; of TCP and UDP, IPv4 and IPv6: ip(7) */
static void find_ephemeral(struct fwd *fwd, bool ns)
{
	int fd = ns ? opener_file(ephemeral_path, O_RDONLY) : open(ephemeral_path, O_RDONLY | O_CLOEXEC);
	uint64_t first, last;
	char buf[64] = "";
	size_t mid;

	fwd->eph_first[ns] = 32768;		/* the kernel's default */
	fwd->eph_last[ns] = 60999;
	if (fd < 0)
		return;
	if (read(fd, buf, sizeof(buf) - 1) > 0) {
		buf[strcspn(buf, "\n")] = '\0';
		mid = strcspn(buf, "\t");
		if (buf[mid] && parse_num(buf, mid, UINT16_MAX, &first) &&
		    parse_num(buf + mid + 1, strlen(buf + mid + 1), UINT16_MAX, &last)) {
			fwd->eph_first[ns] = (uint16_t)first;
			fwd->eph_last[ns] = (uint16_t)last;
		}
	}
	close(fd);
}

static bool port_ephemeral(const struct fwd *fwd, bool ns, uint32_t port)
{
	return port >= fwd->eph_first[ns] && port <= fwd->eph_last[ns];
}

/* First port from @port on that a rule is for, if it is not beyond the last */
static uint32_t next_port(const struct fwd *fwd, const struct rule *r, uint32_t port)
{
	return r->weak && port_ephemeral(fwd, r->outward, port) ? fwd->eph_last[r->outward] + 1U : port;
}

/* Descriptors for @n listeners can't be had */
static int too_many(uint64_t n)
{
	struct rlimit lim = { 0 };

	if (n > LISTENERS_MAX) {
		err("%llu ports to forward, but no more than %u can be", (unsigned long long)n, LISTENERS_MAX);
		return -ENFILE;
	}
	getrlimit(RLIMIT_NOFILE, &lim);
	err("%llu ports to forward need %llu open files, but the limit is %llu (RLIMIT_NOFILE)",
	    (unsigned long long)n, (unsigned long long)n + FD_RESERVE, (unsigned long long)lim.rlim_cur);
	return -EMFILE;
}

/* How many listeners there is room for */
static uint32_t listeners_max(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur >= LISTENERS_MAX + FD_RESERVE)
		return LISTENERS_MAX;
	return lim.rlim_cur < FD_RESERVE ? 0 : (uint32_t)lim.rlim_cur - FD_RESERVE;
}

/* More in rules without @weak is said before the first is opened */
static int check_limits(struct opening *o)
{
	const struct rules *t = &o->c->cf->rules;
	uint64_t n = 0;

	o->fwd->max = listeners_max();
	for (const struct rule *r = t->rule; r < t->rule + t->n; r++)
		n += r->weak || r->automatic ? 0 : (uint64_t)r->last - r->first + 1;
	return n > o->fwd->max ? too_many(n) : 0;
}

/* Index of a free entry */
static uint32_t listener_get(struct fwd *fwd)
{
	uint32_t i = fwd->free - 1;

	if (fwd->free)
		fwd->free = fwd->l[i].next;
	else
		i = fwd->n++;
	fwd->used++;
	return i;
}

static void listener_put(struct fwd *fwd, uint32_t i)
{
	fwd->l[i] = (struct listener){ .fd = -1, .next = fwd->free };
	fwd->free = i + 1;
	fwd->used--;
}

static int listen_in_ns(uint8_t proto, const struct end *at, bool dual, const struct sock_out *out)
{
	int family = dual || !addr_is_v4(&at->a) ? AF_INET6 : AF_INET, fd;
	int rc = opener_sockets(family, proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM, proto, &fd, 1);

	return rc < 0 ? rc : sock_listen_on(fd, proto, at, dual, out);
}

/* One listener for port @port of a rule: for both families, or for that of @a */
static int listen_one(struct opening *o, const struct fwd_rule *fr, const struct addr *a, bool dual, uint32_t port)
{
	bool lo = fr->r.outward && !fr->r.ifname[0] && addr_is_unspec(a);
	struct sock_out out = { .ifname = lo ? "lo" : fr->r.ifname, .freebind = o->c->cf->freebind };
	enum ev_type type = fr->r.proto == IPPROTO_TCP ? EV_TCP_LISTEN : EV_UDP_LISTEN;
	struct end at = { *a, (uint16_t)port };
	struct fwd *fwd = o->fwd;
	uint32_t i;
	int fd, rc;

	if (fwd->used >= fwd->max)
		return -EMFILE;
	if (addr_is_linklocal(a) && !fr->r.ifname[0])	/* bound to an interface, an address needs no other scope */
		out.scope = map_scope(o->c, a);
	fd = fr->r.outward ? listen_in_ns(fr->r.proto, &at, dual, &out) : sock_listen(fr->r.proto, &at, dual, &out);
	if (fd < 0)
		return fd;
	i = listener_get(fwd);
	rc = ev_add(fwd->epfd, fd, type, i, 0, type == EV_UDP_LISTEN ? EPOLLIN | EPOLLET : EPOLLIN);
	if (rc) {
		listener_put(fwd, i);
		fd_close(fd);
		return rc;
	}

	fwd->l[i] = (struct listener){
		.fd	= fd,
		.rule	= (uint16_t)(fr - fwd->rule),
		.was	= (uint16_t)(fr - fwd->rule),
		.port	= at.port,
		.v4	= dual || addr_is_v4(a),
		.v6	= dual || !addr_is_v4(a),
	};
	bit_set(fwd->ours[fr->r.outward][fr->r.proto == IPPROTO_UDP], port);
	return 0;
}

/* Two listeners, of which one is enough */
static int listen_each(struct opening *o, const struct fwd_rule *fr, const struct addr *a4, const struct addr *a6, uint32_t port)
{
	int rc4 = usable(o->c, V4) ? listen_one(o, fr, a4, false, port) : -EAFNOSUPPORT;
	int rc6 = usable(o->c, V6) ? listen_one(o, fr, a6, false, port) : -EAFNOSUPPORT;

	return (rc4 && rc6) || rc4 == -EMFILE ? rc4 : rc6 == -EMFILE ? rc6 : 0;
}

/* All listeners of one port of a rule. Without an address, a family the host turns out not to have is no error, but a
 * port that is taken, or reserved, in one of two is: clients would reach somebody else there.
 */
static int listen_port(struct opening *o, const struct fwd_rule *fr, uint32_t port)
{
	bool both = usable(o->c, V4) && usable(o->c, V6);
	int rc;

	if (!fr->r.any)
		return listen_one(o, fr, &fr->r.addr, false, port);
	rc = listen_one(o, fr, usable(o->c, V6) ? &addr_any6 : &addr_any4, both, port);
	if (rc == -EPERM && fr->r.outward)	/* SO_BINDTODEVICE takes a privilege before Linux 5.7 */
		return listen_each(o, fr, &addr_loopback4, &addr_loopback6, port);
	if (!both || (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL && rc != -EPROTONOSUPPORT))
		return rc;
	return listen_each(o, fr, &addr_any4, &addr_any6, port);
}

/* Do we have that port ourselves? */
static bool is_ours(const struct fwd *fwd, const struct rule *r, uint32_t port)
{
	return bit_test(fwd->ours[r->outward][r->proto == IPPROTO_UDP], port);
}

static bool make_way(struct fwd *fwd, const struct rule *r);

/* A port that is named, and that somebody has, may be free in a moment; or at once, if that is a rule that leaves, or a flow */
static int listen_patiently(struct opening *o, const struct fwd_rule *fr, uint32_t port)
{
	bool patient = o->patient && !fr->r.weak && !is_ours(o->fwd, &fr->r, port);
	uint64_t until = now_ms() + PATIENCE;
	int rc = listen_port(o, fr, port);

	if (rc == -EADDRINUSE && o->changing && make_way(o->fwd, &fr->r))
		rc = listen_port(o, fr, port);
	if (rc == -EADDRINUSE && !fr->r.weak && !fr->r.outward && fr->r.proto == IPPROTO_UDP && o->fwd->udp_wanted &&
	    o->fwd->udp_wanted(o->fwd, (uint16_t)port))
		rc = listen_port(o, fr, port);
	while (rc == -EADDRINUSE && patient && now_ms() < until) {
		poll(NULL, 0, RETRY_EVERY);
		rc = listen_port(o, fr, port);
	}
	return rc;
}

/* All ports of a rule from @port on; of a weak one, but those that are taken, or take a privilege. On an error, *@port is
 * where it happened.
 */
static int listen_rule(struct opening *o, const struct fwd_rule *fr, uint32_t *port)
{
	const struct rule *r = &fr->r;
	uint32_t p;
	int rc;

	if (!rule_usable(o->c, r))
		return 0;
	for (p = next_port(o->fwd, r, r->first); p <= r->last; p = next_port(o->fwd, r, p + 1)) {
		if ((o->have && bit_test(o->have, p)) || (o->settled && bit_test(o->settled, p)))
			continue;
		rc = listen_patiently(o, fr, p);
		*port = p;
		if (rc && (!r->weak || (rc != -EADDRINUSE && rc != -EACCES && rc != -EPERM)))
			return rc;
		if (rc)
			o->why = rc;
		if (rc == -EADDRINUSE && o->settled && !is_ours(o->fwd, r, p)) {
			o->taken++;
			continue;
		}
		o->missing += !!rc;
		if (o->settled)
			bit_set(o->settled, p);
	}
	return 0;
}

/* Can there not be listeners of both with one port? Any address is one of both families, and no interface is each. */
static bool places_meet(const struct rule *a, const struct rule *b)
{
	if (a->proto != b->proto || a->outward != b->outward ||
	    (a->ifname[0] && b->ifname[0] && strcmp(a->ifname, b->ifname)))
		return false;
	if (a->any || b->any)
		return true;
	return addr_is_v4(&a->addr) == addr_is_v4(&b->addr) &&
	       (addr_is_unspec(&a->addr) || addr_is_unspec(&b->addr) || addr_eq(&a->addr, &b->addr));
}

/* Rule of ours that keeps @r from @port; NULL: somebody else does */
static const struct rule *in_the_way(const struct fwd *fwd, const struct rule *r, uint32_t port)
{
	for (const struct listener *l = fwd->l; l < fwd->l + fwd->n; l++) {
		const struct rule *of = &fwd->rule[l->rule].r;

		if (l->fd >= 0 && l->port == port && of != r && places_meet(of, r))
			return of;
	}
	return NULL;
}

/* Both of the texts that callers know of this error from other programs, in one line */
static int failed(const struct fwd *fwd, const struct rule *r, uint32_t port, int rc)
{
	const struct rule *other = rc == -EADDRINUSE ? in_the_way(fwd, r, port) : NULL;
	const char *ifname = r->outward && r->any && !r->ifname[0] ? "lo" : r->ifname, *why = errno_text(-rc);
	char a[ADDR_STRLEN], text[RULE_TEXT_MAX];

	if (other) {
		snprintf(text, sizeof(text), "%s", rule_text(r));
		err("Invalid option '%s': " RULE_OVERLAP, text, port, rule_text(other));
		return rc;
	}
	err("Failed to bind port %u (%s) for option '%s': Couldn't listen on requested ports: "
	    "Listen failed for %s %s port %s%s%s/%u: %s", port, why, rule_text(r), r->outward ? "SPLICE" : "HOST",
	    r->proto == IPPROTO_TCP ? "TCP" : "UDP", r->any ? "*" : addr_fmt(&r->addr, a), ifname[0] ? "%" : "", ifname,
	    port, why);
	return rc;
}

/* Ports of weak rules from @port of @fr on, up to the last rule */
static uint64_t weak_ports(const struct opening *o, const struct fwd_rule *fr, uint32_t port)
{
	const struct fwd *fwd = o->fwd;
	const struct fwd_rule *end = fwd->rule + fwd->nrules;
	uint64_t n = 0;

	for (; fr < end; fr++, port = 1) {
		const struct rule *r = &fr->r;

		if (!r->weak || r->automatic || !fr->id || r->outward != o->outward)
			continue;
		for (port = next_port(fwd, r, MAX(port, r->first)); port <= r->last; port = next_port(fwd, r, port + 1))
			n++;
	}
	return n;
}

/* Once through the weak rules of one option, from @fr up to @end */
static int listen_option(struct opening *o, const struct fwd_rule *fr, const struct fwd_rule *end)
{
	uint32_t port = 0;
	int rc;

	o->taken = 0;
	for (; fr < end; fr++) {
		rc = listen_rule(o, fr, &port);
		if (rc == -EMFILE)
			return too_many(o->fwd->used + weak_ports(o, fr, port));
		if (rc)
			return failed(o->fwd, &fr->r, port, rc);
	}
	return 0;
}

/* All that can be had of them: again, while others let go of ports */
static int listen_weak(struct opening *o, const struct fwd_rule *fr, const struct fwd_rule *end)
{
	static uint8_t settled[(UINT16_MAX + 1) / 8];
	uint32_t before = o->fwd->used, least = UINT32_MAX;
	uint64_t until = 0;
	int rc;

	memset(settled, 0, sizeof(settled));
	o->settled = settled;
	o->missing = 0;
	o->why = 0;
	for (;;) {
		rc = listen_option(o, fr, end);
		if (rc)
			return rc;
		if (o->taken < least) {
			least = o->taken;
			until = now_ms() + PATIENCE_WEAK;
		}
		if (!o->taken || now_ms() >= until)
			break;
		poll(NULL, 0, RETRY_EVERY);
	}
	o->settled = NULL;
	o->missing += o->taken;
	if (o->missing)
		debug("%u ports can't be had for option '%s'", o->missing, rule_text(&fr->r));
	if (o->fwd->used > before)
		return 0;
	if (o->why)
		err("Failed to bind any port (%s) for option '%s': Couldn't listen on requested ports",
		    errno_text(-o->why), rule_text(&fr->r));
	else
		warn("Nothing is left to forward for option '%s'", rule_text(&fr->r));
	return o->why;
}

/* The table as it is at start: entries that can't be of use are free */
static void rules_init(struct fwd *fwd, const struct net *c)
{
	static struct listener listeners[LISTENERS_MAX];

	fwd->l = listeners;
	fwd->n = fwd->used = fwd->free = fwd->paused = fwd->targets = fwd->last_id = 0;
	memset(fwd->ours, 0, sizeof(fwd->ours));
	fwd->nrules = c->cf->rules.n;
	for (unsigned i = 0; i < c->cf->rules.n; i++) {
		const struct rule *r = &c->cf->rules.rule[i];

		fwd->rule[i] = (struct fwd_rule){ .r = *r };
		if (rule_harmless(c, r)) {
			fwd->rule[i].id = ++fwd->last_id;
			fwd->targets += !addr_is_unspec(&r->to_addr);
		}
		if (!rule_usable(c, r) && (!i || r[-1].opt != r->opt)) {
			warn("No %s: nothing forwarded for option '%s'", r->any ? "network" :
			     addr_is_v4(&r->addr) ? "IPv4" : "IPv6", rule_text(r));
		}
	}
}

/* Rules that are open as long as they are there, of this direction; @weak ones or others */
static bool is_lasting(const struct opening *o, const struct fwd_rule *fr, bool weak)
{
	return fr->id && fr->r.outward == o->outward && fr->r.weak == weak && !fr->r.automatic;
}

static int listen_all(struct opening *o)
{
	const struct fwd_rule *end = o->fwd->rule + o->fwd->nrules, *next;
	uint32_t port = 0;
	int rc = check_limits(o);

	for (const struct fwd_rule *fr = o->fwd->rule; !rc && fr < end; fr++) {
		if (is_lasting(o, fr, false) && (rc = listen_rule(o, fr, &port)))
			failed(o->fwd, &fr->r, port, rc);
	}
	for (const struct fwd_rule *fr = o->fwd->rule; !rc && fr < end; fr = next) {
		for (next = fr + 1; next < end && next->r.opt == fr->r.opt && next->r.weak == fr->r.weak; next++)
			;
		if (is_lasting(o, fr, true))
			rc = listen_weak(o, fr, next);
	}
	return rc;
}

int fwd_listen(struct fwd *fwd, const struct net *c, int epfd)
{
	struct opening o = { .fwd = fwd, .c = c, .patient = true };

	fwd->epfd = epfd;
	find_ephemeral(fwd, false);
	fwd->eph_first[true] = fwd->eph_first[false];	/* unless we see what it really has */
	fwd->eph_last[true] = fwd->eph_last[false];
	rules_init(fwd, c);
	return listen_all(&o);
}

int fwd_listen_ns(struct fwd *fwd, const struct net *c, int epfd)
{
	struct opening o = { .outward = true, .fwd = fwd, .c = c, .patient = true };

	fwd->epfd = epfd;
	find_ephemeral(fwd, true);
	return listen_all(&o);
}

/* ---- the table changes ---- */

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

static void listener_close(struct fwd *fwd, uint32_t i)
{
	const struct listener *l = &fwd->l[i];

	if (fwd->rule[l->rule].r.proto == IPPROTO_UDP && fwd->udp_gone)
		fwd->udp_gone(fwd, i);
	unpause(fwd, i);
	fd_close(l->fd);
	listener_put(fwd, i);
}

/* Some were closed: which ports are ours now? */
static void note_ports(struct fwd *fwd)
{
	memset(fwd->ours, 0, sizeof(fwd->ours));
	for (const struct listener *l = fwd->l; l < fwd->l + fwd->n; l++) {
		const struct rule *r = &fwd->rule[l->rule].r;

		if (l->fd >= 0)
			bit_set(fwd->ours[r->outward][r->proto == IPPROTO_UDP], l->port);
	}
}

void fwd_table(const struct fwd *fwd, struct rules *t)
{
	uint32_t id[RULES_MAX];
	unsigned i;

	*t = (struct rules){ .run_time = true };
	for (const struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++) {
		if (!fr->id)
			continue;
		for (i = t->n++; i && id[i - 1] > fr->id; i--) {
			id[i] = id[i - 1];
			t->rule[i] = t->rule[i - 1];
		}
		id[i] = fr->id;
		t->rule[i] = fr->r;
		t->rule[i].opt = RULES_MAX;
	}
}

/* How exact a rule is about its ports */
static unsigned exactness(const struct rule *r)
{
	return r->automatic ? 0 : r->weak ? 1 : 2;
}

/* Port that a rule would open, as far as we know */
static bool covers(const struct fwd *fwd, const struct rule *r, uint32_t port)
{
	return port >= r->first && port <= r->last && next_port(fwd, r, port) == port;
}

/* Would a rule that comes have this listener, of another rule? */
static bool takes_over(const struct fwd *fwd, const struct rule *r, const struct listener *l)
{
	const struct rule *of = &fwd->rule[l->rule].r;

	return l->fd >= 0 && fate[l->rule] != COMES && (fate[l->rule] == LEAVES || exactness(of) < exactness(r)) &&
	       covers(fwd, r, l->port) && rule_same_place(of, r);
}

/* Ports that rules which leave had to let go of before the end, as another rule has them for another address */
static struct {
	struct {
		uint16_t	rule, port;
	} p[LISTENERS_MAX];
	uint32_t	n;
} let_go;

/* Lets go of what is in the way of a rule that comes: false if there is nothing */
static bool make_way(struct fwd *fwd, const struct rule *r)
{
	uint32_t before = let_go.n;

	for (uint32_t i = 0; i < fwd->n; i++) {
		const struct listener *l = &fwd->l[i];
		const struct rule *of = &fwd->rule[l->rule].r;

		if (l->fd < 0 || fate[l->rule] != LEAVES || of->proto != r->proto || of->outward != r->outward ||
		    !covers(fwd, r, l->port))
			continue;
		let_go.p[let_go.n].rule = l->rule;
		let_go.p[let_go.n++].port = l->port;
		listener_close(fwd, i);
	}
	return let_go.n > before;
}

static int rule_open(struct fwd *fwd, const struct net *c, const struct fwd_rule *fr, uint32_t *port)
{
	static uint8_t have[(UINT16_MAX + 1) / 8];
	struct opening o = { .outward = fr->r.outward, .fwd = fwd, .c = c, .have = have, .changing = true };
	bool any = false;
	int rc;

	memset(have, 0, sizeof(have));
	for (struct listener *l = fwd->l; l < fwd->l + fwd->n; l++) {
		if (takes_over(fwd, &fr->r, l)) {
			l->was = l->rule;
			l->rule = (uint16_t)(fr - fwd->rule);
			bit_set(have, l->port);
		}
	}
	if (fr->r.automatic)
		return 0;
	*port = fr->r.first;
	rc = listen_rule(&o, fr, port);
	for (uint32_t i = 0; !rc && o.why && !any && i < fwd->n; i++)
		any = fwd->l[i].fd >= 0 && &fwd->rule[fwd->l[i].rule] == fr;
	return !rc && !any ? o.why : rc;	/* of a weak one, nothing at all */
}

/* All that comes, exact rules first: what is less exact leaves these ports to them */
static int open_new(struct fwd *fwd, const struct net *c, const struct rules *want, const uint16_t *entry,
		    struct fwd_failure *why)
{
	for (unsigned least = 3; least-- > 0;) {
		for (unsigned i = 0; i < want->n; i++) {
			const struct rule *r;
			uint32_t port = 0;
			int rc;

			if (fate[entry[i]] != COMES || exactness(&want->rule[i]) != least)
				continue;
			rc = rule_open(fwd, c, &fwd->rule[entry[i]], &port);
			*why = (struct fwd_failure){ .rule = i, .port = (uint16_t)port };
			if (!rc)
				continue;
			r = rc == -EADDRINUSE ? in_the_way(fwd, &fwd->rule[entry[i]].r, port) : NULL;
			if (r)
				why->in_the_way = *r;
			return rc;
		}
	}
	return 0;
}

static void undo(struct fwd *fwd, const struct net *c)
{
	for (uint32_t i = 0; i < fwd->n; i++) {
		struct listener *l = &fwd->l[i];

		if (l->fd < 0 || fate[l->rule] != COMES)
			continue;
		if (l->was != l->rule)
			l->rule = l->was;
		else
			listener_close(fwd, i);
	}
	for (unsigned i = 0; i < fwd->nrules; i++) {
		if (fate[i] == COMES)
			fwd->rule[i] = (struct fwd_rule){ 0 };
	}
	for (uint32_t i = 0; i < let_go.n; i++) {
		const struct fwd_rule *fr = &fwd->rule[let_go.p[i].rule];
		struct opening o = { .outward = fr->r.outward, .fwd = fwd, .c = c };

		if (listen_port(&o, fr, let_go.p[i].port))
			log_limited(LOG_WARNING, "Somebody took port %u while rules changed", let_go.p[i].port);
	}
}

/* "all" gets back what a rule that leaves had of its ports */
static bool hand_back(struct fwd *fwd, struct listener *l)
{
	for (unsigned i = 0; i < fwd->nrules; i++) {
		const struct rule *r = &fwd->rule[i].r;

		if (fate[i] != LEAVES && r->weak && !r->automatic && covers(fwd, r, l->port) &&
		    rule_same_place(r, &fwd->rule[l->rule].r)) {
			l->rule = (uint16_t)i;
			return true;
		}
	}
	return false;
}

static void commit(struct fwd *fwd, const struct rules *want, const uint16_t *entry)
{
	for (uint32_t i = 0; i < fwd->n; i++) {
		struct listener *l = &fwd->l[i];

		if (l->fd >= 0 && fate[l->rule] == LEAVES && !hand_back(fwd, l))
			listener_close(fwd, i);
		l->was = l->rule;
	}
	for (unsigned i = 0; i < fwd->nrules; i++) {
		if (fate[i] == LEAVES)
			fwd->rule[i] = (struct fwd_rule){ 0 };
	}
	for (unsigned i = 0; i < want->n; i++) {
		if (fate[entry[i]] == COMES)
			fwd->rule[entry[i]].id = ++fwd->last_id;
	}
	fwd->targets = 0;
	for (unsigned i = 0; i < fwd->nrules; i++)
		fwd->targets += fwd->rule[i].id && !addr_is_unspec(&fwd->rule[i].r.to_addr);
}

int fwd_rule_possible(const struct net *c, const struct rule *r)
{
	if (r->proto == IPPROTO_TCP ? c->cf->no_tcp : c->cf->no_udp)
		return -EPROTONOSUPPORT;
	if (r->outward && !opener_runs())
		return -EOPNOTSUPP;
	if (rule_needs_splice(r) && c->cf->no_splice)
		return -ENETUNREACH;
	return rule_harmless(c, r) ? 0 : -EAFNOSUPPORT;
}

/* Entry that has the rule, or a free one, which has it then; there are twice as many as there are rules */
static uint16_t entry_for(struct fwd *fwd, const struct rule *r)
{
	uint16_t unused = ENTRIES_MAX;

	for (uint16_t i = 0; i < fwd->nrules; i++) {
		if (fwd->rule[i].id && rule_same(&fwd->rule[i].r, r)) {
			fate[i] = STAYS;
			return i;
		}
		if (!fwd->rule[i].id && fate[i] != COMES && unused == ENTRIES_MAX)
			unused = i;
	}
	if (unused == ENTRIES_MAX)
		unused = (uint16_t)fwd->nrules++;
	fwd->rule[unused] = (struct fwd_rule){ .r = *r };
	fate[unused] = COMES;
	return unused;
}

int fwd_replace(struct fwd *fwd, const struct net *c, const struct rules *want, struct fwd_failure *why)
{
	uint16_t entry[RULES_MAX];
	int rc = 0;

	memset(fate, 0, sizeof(fate));
	let_go.n = 0;
	for (unsigned i = 0; i < want->n && !rc; i++) {
		*why = (struct fwd_failure){ .rule = i, .port = want->rule[i].first };
		entry[i] = entry_for(fwd, &want->rule[i]);
		if (fate[entry[i]] == COMES)
			rc = fwd_rule_possible(c, &want->rule[i]);
	}
	if (!rc)
		rc = open_new(fwd, c, want, entry, why);
	if (rc)
		undo(fwd, c);
	else
		commit(fwd, want, entry);
	note_ports(fwd);
	return rc;
}

bool fwd_follow(struct fwd *fwd, const struct net *c, struct fwd_rule *fr, const uint8_t *bound)
{
	static uint8_t have[(UINT16_MAX + 1) / 8];
	struct opening o = { .outward = fr->r.outward, .fwd = fwd, .c = c };
	const struct rule *r = &fr->r;
	uint32_t first = r->weak && !r->outward ? MAX(r->first, fwd->auto_first) : r->first;
	bool all = true, closed = false;

	memset(have, 0, sizeof(have));
	for (uint32_t i = 0; i < fwd->n; i++) {
		const struct listener *l = &fwd->l[i];

		if (l->fd < 0 || &fwd->rule[l->rule] != fr)
			continue;
		if (bit_test(bound, rule_to(r, l->port))) {
			bit_set(have, l->port);
			continue;
		}
		debug("Port %u is not bound any more: not forwarded from %u", rule_to(r, l->port), l->port);
		listener_close(fwd, i);
		closed = true;
	}
	for (uint32_t port = next_port(fwd, r, first); port <= r->last; port = next_port(fwd, r, port + 1)) {
		if (!bit_test(bound, rule_to(r, (uint16_t)port)) || bit_test(have, port) ||
		    (r->weak && port_ephemeral(fwd, !r->outward, port)))
			continue;
		if (listen_port(&o, fr, port))
			all = false;
		else
			debug("Port %u is bound: forwarded from %u, %s", rule_to(r, (uint16_t)port), port,
			      r->proto == IPPROTO_TCP ? "TCP" : "UDP");
	}
	if (closed)
		note_ports(fwd);
	return all;
}

/* Would a listener of this rule have what goes to an address? */
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
		bool named = !r->weak && !r->automatic;

		if (!fr->id || r->outward != outward || r->proto != proto || e->port < r->first || e->port > r->last)
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

void fwd_close(struct fwd *fwd)
{
	for (uint32_t i = 0; i < fwd->n; i++) {
		if (fwd->l[i].fd >= 0)
			close(fwd->l[i].fd);
	}
	fwd->n = fwd->used = fwd->free = 0;
}
