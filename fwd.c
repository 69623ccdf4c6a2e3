/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd.c - which address becomes which, and what listens
 *
 * Mapping, outbound: the first line that matches decides.
 *
 *	destination		becomes				where
 *	loopback, unspecified	(dropped)
 *	multicast, broadcast	itself, UDP only
 *	--dns-forward		--dns-host			ports 53 and 853, TCP and UDP
 *	--map-host-loopback	127.0.0.1 or ::1
 *	--map-guest-addr	the guest's address, which is the host's too
 *	any other		itself
 *
 * Inbound:
 *
 *	client			is shown as
 *	unspecified, multicast	(dropped)
 *	loopback		--map-host-loopback, or else us
 *	the guest's own address	--map-guest-addr, or else us
 *	any other		itself
 *
 * "Us" is an address that the guest sends to us whatever its routes are: the gateway's, or one on its link. What came
 * from the host is answered by way of its flow, not by the outbound table: the address it is shown as need not lead
 * back for new connections.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "event.h"
#include "fwd.h"
#include "sock.h"

#define FD_RESERVE	64		/* descriptors for all else, until the first flow */

static const struct addr local_gw4 = { .b = { [10] = 0xff, 0xff, 169, 254, 2, 2 } };

/* Is @a the address @map, where that is one? */
static bool is_map(const struct addr *a, const struct addr *map)
{
	return !addr_is_unspec(map) && addr_eq(a, map);
}

/* Us, as the guest sees it */
static struct addr us(const struct conf *c, enum family f)
{
	const struct conf_ip *ip = &c->ip[f];

	if (!addr_is_unspec(&ip->gw))
		return ip->gw;
	return f == V6 ? ip->our_ll : local_gw4;
}

static bool guest_owns(const struct conf *c, const struct seen *s, const struct addr *a)
{
	enum family f = addr_family(a);
	const struct conf_ip *ip = &c->ip[f];

	return is_map(a, &ip->addr) || is_map(a, &s->addr[f]) || is_map(a, &s->ll) || is_map(a, &ip->ns_ll);
}

static bool switched_off(const struct conf *c, uint8_t proto, enum family f)
{
	switch (proto) {
	case IPPROTO_TCP:
		return c->no_tcp || !c->ip[f].on;
	case IPPROTO_UDP:
		return c->no_udp || !c->ip[f].on;
	default:
		return c->no_icmp || !c->ip[f].on;
	}
}

/* DNS (RFC 1035) and DNS over TLS, DTLS, QUIC (RFC 7858, 8094, 9250) */
static bool is_dns(uint8_t proto, uint16_t port)
{
	return (proto == IPPROTO_TCP || proto == IPPROTO_UDP) && (port == 53 || port == 853);
}

/* Neither any address nor one host's */
static bool is_group(const struct addr *a)
{
	return addr_is_multicast(a) || addr_is_bcast(a);
}

enum drop fwd_out(const struct conf *c, const struct seen *s, uint8_t proto, const struct end *src,
		  const struct end *dst, struct side *host)
{
	enum family f = addr_family(&dst->a);
	const struct conf_ip *ip = &c->ip[f];
	struct addr to = dst->a;

	(void)s;
	if (switched_off(c, proto, f))
		return DROP_POLICY;
	if (addr_is_unspec(&src->a) || addr_is_loopback(&src->a) || is_group(&src->a))
		return DROP_ADDR;
	if (addr_is_unspec(&to) || addr_is_loopback(&to) || (is_group(&to) && proto != IPPROTO_UDP))
		return DROP_ADDR;

	if (is_dns(proto, dst->port) && is_map(&to, &ip->dns_forward))
		to = ip->dns_host;
	else if (is_map(&to, &ip->map_loopback))
		to = f == V4 ? addr_loopback4 : addr_loopback6;
	else if (is_map(&to, &ip->map_guest))
		to = ip->addr;
	if (addr_is_unspec(&to))			/* no resolver, no address of our own */
		return DROP_POLICY;

	host->peer = (struct end){ to, dst->port };
	host->our = (struct end){ f == V4 ? addr_any4 : addr_any6, src->port };
	if (!addr_is_loopback(&to) && !is_map(&to, &ip->addr) && !addr_is_unspec(&ip->out_addr))
		host->our.a = ip->out_addr;
	return DROP_NONE;
}

/* Guest's address for a client: link-local to link-local, otherwise the one it used last, or was given */
static struct addr guest_addr(const struct conf *c, const struct seen *s, const struct addr *client)
{
	enum family f = addr_family(client);
	const struct conf_ip *ip = &c->ip[f];
	struct addr ll = addr_any6, a = s->addr[f];

	if (f == V6)
		ll = addr_is_unspec(&s->ll) ? ip->ns_ll : s->ll;
	if (addr_is_unspec(&a))
		a = ip->addr;
	if (!addr_is_unspec(&ll) && (addr_is_linklocal(client) || addr_is_unspec(&a)))
		return ll;
	return a;
}

/* What a rule makes of a port of its own */
static uint16_t port_to(const struct rule *r, uint16_t port)
{
	return (uint16_t)(r->to + (port - r->first));
}

enum drop fwd_in(const struct conf *c, const struct seen *s, const struct rule *r, const struct side *host,
		 struct side *guest)
{
	struct addr client = host->peer.a;
	enum family f = addr_family(&client);
	const struct conf_ip *ip = &c->ip[f];

	if (switched_off(c, r->proto, f) || c->splice_only)
		return DROP_POLICY;
	if (addr_is_unspec(&client) || is_group(&client))
		return DROP_ADDR;

	if (addr_is_loopback(&client))
		client = addr_is_unspec(&ip->map_loopback) ? us(c, f) : ip->map_loopback;
	else if (guest_owns(c, s, &client) || is_map(&client, &r->to_addr))
		client = addr_is_unspec(&ip->map_guest) ? us(c, f) : ip->map_guest;

	guest->our = (struct end){ client, host->peer.port };
	guest->peer.a = addr_is_unspec(&r->to_addr) ? guest_addr(c, s, &client) : r->to_addr;
	guest->peer.port = port_to(r, host->our.port);
	if (addr_is_unspec(&guest->peer.a) || addr_is_unspec(&client))
		return DROP_ADDR;
	/* A target that is us, or of another family */
	return addr_eq(&guest->peer.a, &client) || addr_family(&guest->peer.a) != f ? DROP_ADDR : DROP_NONE;
}

bool fwd_splice(const struct conf *c, const struct seen *s, const struct rule *r, const struct side *from, struct side *to)
{
	enum family f = addr_family(&from->peer.a);
	struct addr lo = f == V4 ? addr_loopback4 : addr_loopback6;

	if (!r->outward && (c->no_splice || !addr_is_loopback(&from->peer.a)))
		return false;
	if (addr_is_loopback(&from->our.a))
		lo = from->our.a;		/* 127.0.0.0/8: the same one */
	else if (r->outward && r->any)		/* the namespace's own address is not the host's loopback */
		return false;

	to->our = (struct end){ f == V4 ? addr_any4 : addr_any6, 0 };
	to->peer = (struct end){ addr_is_unspec(&r->to_addr) ? lo : r->to_addr, port_to(r, from->our.port) };
	if (addr_family(&to->peer.a) != f)
		return false;
	if (r->outward || c->host_lo_to_ns_lo || !addr_is_unspec(&r->to_addr))
		return true;

	to->peer.a = addr_is_unspec(&s->addr[f]) ? c->ip[f].addr : s->addr[f];
	if (addr_is_unspec(&to->peer.a) || c->splice_only)	/* none, or no link that would have it */
		to->peer.a = f == V4 ? addr_loopback4 : addr_loopback6;
	return true;
}

bool fwd_splices(const struct conf *c)
{
	const struct rule *r = c->rule, *end = r + c->nrules;

	while (r < end && (r->outward || r->proto != IPPROTO_TCP))
		r++;
	return r < end && !c->no_splice;
}

struct addr fwd_icmp_src(const struct conf *c, const struct seen *s, const struct addr *a)
{
	if (addr_is_unspec(a) || addr_is_loopback(a) || is_group(a) || guest_owns(c, s, a))
		return us(c, addr_family(a));
	return *a;
}

unsigned fwd_scope(const struct conf *c, const struct addr *a)
{
	return addr_is_linklocal(a) || addr_is_multicast(a) ? c->ip[addr_family(a)].ifindex : 0;
}

bool fwd_is_target(const struct fwd *fwd, const struct conf *c, const struct addr *a)
{
	if (!fwd->targets || addr_eq(a, &c->ip[addr_family(a)].addr))
		return false;
	for (const struct fwd_rule *r = fwd->rule; r < fwd->rule + fwd->nrules; r++) {
		if (r->id && is_map(a, &r->r.to_addr))
			return true;
	}
	return false;
}

static bool usable(const struct conf *c, enum family f)
{
	return c->ip[f].on && (f == V4 || sock_features.ipv6);
}

/* While listeners are opened: those of the host, or @outward ones */
struct opening {
	bool			outward;
	struct fwd		*fwd;
	const struct conf	*c;
	unsigned		scope;		/* of the rule's address */
	uint32_t		missing;	/* ports of weak rules that can't be had */
	int			why;		/* for the last of these */
};

static bool rule_usable(const struct conf *c, const struct rule *r)
{
	return r->any ? usable(c, V4) || usable(c, V6) : usable(c, addr_family(&r->addr));
}

static const char *ephemeral_path = "/proc/sys/net/ipv4/ip_local_port_range";

/* Ports that connections of whoever calls come from, host or namespace; of TCP and UDP, IPv4 and IPv6: ip(7) */
static void find_ephemeral(struct fwd *fwd, bool ns)
{
	int fd = open(ephemeral_path, O_RDONLY | O_CLOEXEC);
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

/* First port from @port on that a rule is for, if it is not beyond the last */
static uint32_t next_port(const struct fwd *fwd, const struct rule *r, uint32_t port)
{
	if (r->weak && port >= fwd->eph_first[r->outward] && port <= fwd->eph_last[r->outward])
		return fwd->eph_last[r->outward] + 1U;
	return port;
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
	const struct conf *c = o->c;
	uint64_t n = 0;

	o->fwd->max = listeners_max();
	for (const struct rule *r = c->rule; r < c->rule + c->nrules; r++)
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

/* One listener for port @port of a rule: for both families, or for that of @a */
static int listen_one(struct opening *o, const struct fwd_rule *fr, const struct addr *a, bool dual, uint32_t port)
{
	bool lo = fr->r.outward && !fr->r.ifname[0] && addr_is_unspec(a);
	struct sock_out out = { .ifname = lo ? "lo" : fr->r.ifname, .freebind = o->c->freebind, .scope = o->scope };
	enum ev_type type = fr->r.proto == IPPROTO_TCP ? EV_TCP_LISTEN : EV_UDP_LISTEN;
	struct end at = { *a, (uint16_t)port };
	struct fwd *fwd = o->fwd;
	uint32_t i;
	int fd, rc;

	if (fwd->used >= fwd->max)
		return -EMFILE;
	fd = sock_listen(fr->r.proto, &at, dual, &out);
	if (fd < 0)
		return fd;
	i = listener_get(fwd);
	rc = ev_add(fwd->epfd, fd, type, i, 0, EPOLLIN);
	if (rc) {
		listener_put(fwd, i);
		fd_close(fd);
		return rc;
	}

	fwd->l[i] = (struct listener){
		.fd	= fd,
		.rule	= (uint16_t)(fr - fwd->rule),
		.port	= at.port,
		.v4	= dual || addr_is_v4(a),
		.v6	= dual || !addr_is_v4(a),
	};
	return 0;
}

/* All listeners of one port of a rule. Without an address, a family the host turns out not to have is no error, but a
 * port that is taken, or reserved, in one of two is: clients would reach somebody else there.
 */
static int listen_port(struct opening *o, const struct fwd_rule *fr, uint32_t port)
{
	int rc, rc4, rc6;

	if (!fr->r.any)
		return listen_one(o, fr, &fr->r.addr, false, port);
	if (!usable(o->c, V6))
		return listen_one(o, fr, &addr_any4, false, port);
	if (!usable(o->c, V4))
		return listen_one(o, fr, &addr_any6, false, port);

	rc = listen_one(o, fr, &addr_any6, true, port);
	if (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL && rc != -EPROTONOSUPPORT)
		return rc;
	rc4 = listen_one(o, fr, &addr_any4, false, port);
	rc6 = listen_one(o, fr, &addr_any6, false, port);
	return (rc4 && rc6) || rc4 == -EMFILE ? rc4 : rc6 == -EMFILE ? rc6 : 0;
}

/* All ports of a rule from @port on; of a weak one, but those that are taken, or take a privilege. On an error, *@port is
 * where it happened.
 */
static int listen_rule(struct opening *o, const struct fwd_rule *fr, uint32_t *port)
{
	const struct rule *r = &fr->r;
	uint32_t p;
	int rc;

	/* Bound to an interface, an address needs no other scope */
	o->scope = !r->any && !r->ifname[0] && addr_is_linklocal(&r->addr) ? fwd_scope(o->c, &r->addr) : 0;
	for (p = next_port(o->fwd, r, r->first); p <= r->last; p = next_port(o->fwd, r, p + 1)) {
		rc = listen_port(o, fr, p);
		*port = p;
		if (rc && (!r->weak || (rc != -EADDRINUSE && rc != -EACCES && rc != -EPERM)))
			return rc;
		if (rc) {
			o->why = rc;
			o->missing++;
		}
	}
	return 0;
}

static int failed(const struct rule *r, uint32_t port, int rc)
{
	err("Failed to bind port %u (%s) for option '%s'", port, errno_text(-rc), conf_rule_text(r));
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

		if (!r->weak || !fr->id || r->outward != o->outward)
			continue;
		for (port = next_port(fwd, r, MAX(port, r->first)); port <= r->last; port = next_port(fwd, r, port + 1))
			n++;
	}
	return n;
}

/* Weak rules of one option, from @fr up to @end */
static int listen_weak(struct opening *o, const struct fwd_rule *fr, const struct fwd_rule *end)
{
	const struct rule *any = &fr->r;
	uint32_t before = o->fwd->used, port = 0;
	int rc;

	o->missing = 0;
	o->why = 0;
	for (; fr < end; fr++) {
		rc = listen_rule(o, fr, &port);
		if (rc == -EMFILE)
			return too_many(o->fwd->used + weak_ports(o, fr, port));
		if (rc)
			return failed(&fr->r, port, rc);
	}
	if (o->missing)
		debug("%u ports can't be had for option '%s'", o->missing, conf_rule_text(any));
	if (o->fwd->used > before)
		return 0;
	if (o->why)
		err("Failed to bind any port (%s) for option '%s'", errno_text(-o->why), conf_rule_text(any));
	else
		warn("Nothing is left to forward for option '%s'", conf_rule_text(any));
	return o->why;
}

/* The table as it is at start: entries that can't be of use are free */
static void rules_init(struct fwd *fwd, const struct conf *c)
{
	static struct listener listeners[LISTENERS_MAX];

	fwd->l = listeners;
	fwd->n = fwd->used = fwd->free = fwd->paused = fwd->targets = fwd->last_id = 0;
	fwd->nrules = c->nrules;
	for (unsigned i = 0; i < c->nrules; i++) {
		const struct rule *r = &c->rule[i];

		fwd->rule[i] = (struct fwd_rule){ .r = *r };
		if (r->automatic)		/* stands for many that come and go */
			continue;
		if (rule_usable(c, r)) {
			fwd->rule[i].id = ++fwd->last_id;
			fwd->targets += !addr_is_unspec(&r->to_addr);
		} else if (!i || r[-1].opt != r->opt) {
			warn("No %s: nothing forwarded for option '%s'", r->any ? "network" :
			     addr_is_v4(&r->addr) ? "IPv4" : "IPv6", conf_rule_text(r));
		}
	}
}

static int listen_all(struct opening *o)
{
	const struct fwd_rule *end = o->fwd->rule + o->fwd->nrules, *next;
	uint32_t port = 0;
	int rc = check_limits(o);

	for (const struct fwd_rule *fr = o->fwd->rule; !rc && fr < end; fr++) {
		if (fr->id && fr->r.outward == o->outward && !fr->r.weak && (rc = listen_rule(o, fr, &port)))
			failed(&fr->r, port, rc);
	}
	for (const struct fwd_rule *fr = o->fwd->rule; !rc && fr < end; fr = next) {
		for (next = fr + 1; next < end && next->r.opt == fr->r.opt && next->r.weak == fr->r.weak; next++)
			;
		if (fr->id && fr->r.outward == o->outward && fr->r.weak)
			rc = listen_weak(o, fr, next);
	}
	return rc;
}

int fwd_listen(struct fwd *fwd, const struct conf *c, int epfd)
{
	struct opening o = { .fwd = fwd, .c = c };

	fwd->epfd = epfd;
	find_ephemeral(fwd, false);
	rules_init(fwd, c);
	return listen_all(&o);
}

int fwd_listen_ns(struct fwd *fwd, const struct conf *c, int epfd)
{
	struct opening o = { .outward = true, .fwd = fwd, .c = c };

	fwd->epfd = epfd;
	find_ephemeral(fwd, true);
	return listen_all(&o);
}

/* ---- rules that come and go ---- */

static void unpause(struct fwd *fwd, uint32_t i)
{
	uint32_t *p = &fwd->paused;

	while (*p && *p != i + 1)
		p = &fwd->l[*p - 1].next;
	if (*p)
		*p = fwd->l[i].next;
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

static void rule_close(struct fwd *fwd, struct fwd_rule *fr)
{
	for (uint32_t i = 0; i < fwd->n; i++) {
		if (fwd->l[i].fd >= 0 && fwd->l[i].rule == fr - fwd->rule)
			listener_close(fwd, i);
	}
	fwd->targets -= !addr_is_unspec(&fr->r.to_addr);
	fr->id = 0;
}

static bool contradicts(const struct rule *a, const struct rule *b)
{
	return rule_same_place(a, b) && !a->weak && !b->weak && a->first <= b->last && b->first <= a->last;
}

/* Entry for a new rule, or the one that has it already: 0 or -errno */
static int rule_find_place(struct fwd *fwd, const struct rule *r, struct fwd_rule **place)
{
	struct fwd_rule *fr, *end = fwd->rule + fwd->nrules, *unused = NULL;

	for (fr = fwd->rule; fr < end; fr++) {
		if (!fr->id && !unused)
			unused = fr;
		if (fr->id && rule_same(&fr->r, r)) {
			*place = fr;
			return 0;
		}
	}
	for (fr = fwd->rule; fr < end; fr++) {
		if (fr->id && contradicts(&fr->r, r))
			return -EEXIST;
	}
	if (!unused && fwd->nrules == RULES_MAX)
		return -ENOSPC;
	*place = unused ? unused : &fwd->rule[fwd->nrules++];
	(*place)->id = 0;
	return 0;
}

int fwd_rule_add(struct fwd *fwd, const struct conf *c, const struct rule *r, uint32_t *id)
{
	struct opening o = { .fwd = fwd, .c = c };
	uint32_t before = fwd->used, port;
	struct fwd_rule *fr;
	int rc;

	if (r->proto == IPPROTO_TCP ? c->no_tcp : c->no_udp)
		return -EPROTONOSUPPORT;
	if (r->outward)
		return -EOPNOTSUPP;
	if (!rule_usable(c, r))
		return -EAFNOSUPPORT;
	rc = rule_find_place(fwd, r, &fr);
	if (rc)
		return rc;
	if (!fr->id) {
		*fr = (struct fwd_rule){ .r = *r };
		fwd->targets += !addr_is_unspec(&r->to_addr);
		rc = listen_rule(&o, fr, &port);
		if (!rc && fwd->used == before)
			rc = o.why;
		if (rc) {
			rule_close(fwd, fr);
			return rc;
		}
		fr->id = ++fwd->last_id;
	}
	*id = fr->id;
	return 0;
}

int fwd_rule_del(struct fwd *fwd, uint32_t id)
{
	for (struct fwd_rule *fr = fwd->rule; id && fr < fwd->rule + fwd->nrules; fr++) {
		if (fr->id == id) {
			rule_close(fwd, fr);
			return 0;
		}
	}
	return -ENOENT;
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
