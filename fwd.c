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
	else if (guest_owns(c, s, &client))
		client = addr_is_unspec(&ip->map_guest) ? us(c, f) : ip->map_guest;

	guest->our = (struct end){ client, host->peer.port };
	guest->peer.a = guest_addr(c, s, &client);
	guest->peer.port = port_to(r, host->our.port);
	return addr_is_unspec(&guest->peer.a) || addr_is_unspec(&client) ? DROP_ADDR : DROP_NONE;
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
	to->peer = (struct end){ lo, port_to(r, from->our.port) };
	if (r->outward || c->host_lo_to_ns_lo)
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

static bool usable(const struct conf *c, enum family f)
{
	return c->ip[f].on && (f == V4 || sock_features.ipv6);
}

/* While listeners are opened: those of the host, or @outward ones */
struct opening {
	bool			outward;
	struct fwd		*fwd;
	const struct conf	*c;
	int			epfd;
	uint32_t		max;		/* listeners that there are descriptors for */
	uint16_t		eph_first, eph_last;
	unsigned		scope;		/* of the rule's address */
};

static bool rule_usable(const struct opening *o, const struct rule *r)
{
	return r->outward == o->outward &&
	       (r->any ? usable(o->c, V4) || usable(o->c, V6) : usable(o->c, addr_family(&r->addr)));
}

static const char *ephemeral_path = "/proc/sys/net/ipv4/ip_local_port_range";

/* Ports that the host's own connections come from, of TCP and UDP, IPv4 and IPv6: ip(7) */
static void find_ephemeral(struct opening *o)
{
	int fd = open(ephemeral_path, O_RDONLY | O_CLOEXEC);
	uint64_t first, last;
	char buf[64] = "";
	size_t mid;

	o->eph_first = 32768;			/* the kernel's default */
	o->eph_last = 60999;
	if (fd < 0)
		return;
	if (read(fd, buf, sizeof(buf) - 1) > 0) {
		buf[strcspn(buf, "\n")] = '\0';
		mid = strcspn(buf, "\t");
		if (buf[mid] && parse_num(buf, mid, UINT16_MAX, &first) &&
		    parse_num(buf + mid + 1, strlen(buf + mid + 1), UINT16_MAX, &last)) {
			o->eph_first = (uint16_t)first;
			o->eph_last = (uint16_t)last;
		}
	}
	close(fd);
}

/* First port from @port on that a rule is for, if it is not beyond the last */
static uint32_t next_port(const struct opening *o, const struct rule *r, uint32_t port)
{
	return r->weak && port >= o->eph_first && port <= o->eph_last ? o->eph_last + 1U : port;
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

/* How many listeners there is room for; more in rules without @weak is said before the first is opened */
static int check_limits(struct opening *o)
{
	const struct conf *c = o->c;
	struct rlimit lim;
	uint64_t n = 0;

	o->max = LISTENERS_MAX;
	if (!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur < LISTENERS_MAX + FD_RESERVE)
		o->max = lim.rlim_cur < FD_RESERVE ? 0 : (uint32_t)lim.rlim_cur - FD_RESERVE;

	for (const struct rule *r = c->rule; r < c->rule + c->nrules; r++)
		n += r->weak ? 0 : (uint64_t)r->last - r->first + 1;
	return n > o->max ? too_many(n) : 0;
}

/* One listener for port @port of a rule: for both families, or for that of @a */
static int listen_one(struct opening *o, const struct rule *r, const struct addr *a, bool dual, uint32_t port)
{
	bool lo = r->outward && !r->ifname[0] && addr_is_unspec(a);
	struct sock_out out = { .ifname = lo ? "lo" : r->ifname, .freebind = o->c->freebind, .scope = o->scope };
	enum ev_type type = r->proto == IPPROTO_TCP ? EV_TCP_LISTEN : EV_UDP_LISTEN;
	struct end at = { *a, (uint16_t)port };
	struct fwd *fwd = o->fwd;
	int fd, rc;

	if (fwd->n == o->max)
		return -EMFILE;
	fd = sock_listen(r->proto, &at, dual, &out);
	if (fd < 0)
		return fd;
	rc = ev_add(o->epfd, fd, type, fwd->n, 0, EPOLLIN);
	if (rc) {
		fd_close(fd);
		return rc;
	}

	fwd->l[fwd->n++] = (struct listener){
		.fd	= fd,
		.rule	= (uint16_t)(r - o->c->rule),
		.port	= at.port,
		.v4	= dual || addr_is_v4(a),
		.v6	= dual || !addr_is_v4(a),
	};
	return 0;
}

/* All listeners of one port of a rule. Without an address, a family the host turns out not to have is no error, but a
 * port that is taken, or reserved, in one of two is: clients would reach somebody else there.
 */
static int listen_port(struct opening *o, const struct rule *r, uint32_t port)
{
	int rc, rc4, rc6;

	if (!r->any)
		return listen_one(o, r, &r->addr, false, port);
	if (!usable(o->c, V6))
		return listen_one(o, r, &addr_any4, false, port);
	if (!usable(o->c, V4))
		return listen_one(o, r, &addr_any6, false, port);

	rc = listen_one(o, r, &addr_any6, true, port);
	if (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL && rc != -EPROTONOSUPPORT)
		return rc;
	rc4 = listen_one(o, r, &addr_any4, false, port);
	rc6 = listen_one(o, r, &addr_any6, false, port);
	return (rc4 && rc6) || rc4 == -EMFILE ? rc4 : rc6 == -EMFILE ? rc6 : 0;
}

static void set_scope(struct opening *o, const struct rule *r)
{
	o->scope = 0;
	if (!r->any && addr_is_linklocal(&r->addr))
		o->scope = r->ifname[0] ? if_nametoindex(r->ifname) : fwd_scope(o->c, &r->addr);
}

static int failed(const struct rule *r, uint32_t port, int rc)
{
	err("Failed to bind port %u (%s) for option '%s'", port, errno_text(-rc), conf_rule_text(r));
	return rc;
}

/* Ports that were named: each of them */
static int listen_named(struct opening *o, const struct rule *r)
{
	set_scope(o, r);
	for (uint32_t port = r->first; port <= r->last; port++) {
		int rc = listen_port(o, r, port);

		if (rc)
			return failed(r, port, rc);
	}
	return 0;
}

/* Ports of weak rules from @port of @r on, up to the last rule */
static uint64_t weak_ports(const struct opening *o, const struct rule *r, uint32_t port)
{
	const struct rule *end = o->c->rule + o->c->nrules;
	uint64_t n = 0;

	for (; r < end; r++, port = 1) {
		if (!r->weak || !rule_usable(o, r))
			continue;
		for (port = next_port(o, r, MAX(port, r->first)); port <= r->last; port = next_port(o, r, port + 1))
			n++;
	}
	return n;
}

/* Weak rules of one option, from @r up to @end: ports that somebody has, or that take a privilege, are left out */
static int listen_weak(struct opening *o, const struct rule *r, const struct rule *end)
{
	const struct rule *any = r;
	uint32_t before = o->fwd->n, missing = 0, port;
	int rc, why = 0;

	find_ephemeral(o);
	set_scope(o, r);
	for (; r < end; r++) {
		for (port = next_port(o, r, r->first); port <= r->last; port = next_port(o, r, port + 1)) {
			rc = listen_port(o, r, port);
			if (rc == -EMFILE)
				return too_many(o->fwd->n + weak_ports(o, r, port));
			if (rc && rc != -EADDRINUSE && rc != -EACCES && rc != -EPERM)
				return failed(r, port, rc);
			if (rc) {
				why = rc;
				missing++;
			}
		}
	}
	if (missing)
		debug("%u ports can't be had for option '%s'", missing, conf_rule_text(any));
	if (o->fwd->n > before)
		return 0;
	if (why)
		err("Failed to bind any port (%s) for option '%s'", errno_text(-why), conf_rule_text(any));
	else
		warn("Nothing is left to forward for option '%s'", conf_rule_text(any));
	return why;
}

static int listen_all(struct opening *o)
{
	const struct conf *c = o->c;
	const struct rule *end = c->rule + c->nrules, *next;
	int rc = check_limits(o);

	for (const struct rule *r = c->rule; !rc && r < end; r++) {
		if (r->outward == o->outward && !rule_usable(o, r) && (r == c->rule || r[-1].opt != r->opt))
			warn("No %s: nothing forwarded for option '%s'", r->any ? "network" :
			     addr_is_v4(&r->addr) ? "IPv4" : "IPv6", conf_rule_text(r));
		if (rule_usable(o, r) && !r->weak)
			rc = listen_named(o, r);
	}

	for (const struct rule *r = c->rule; !rc && r < end; r = next) {
		for (next = r + 1; next < end && next->opt == r->opt && next->weak == r->weak; next++)
			;
		if (r->weak && rule_usable(o, r))
			rc = listen_weak(o, r, next);
	}
	return rc;
}

int fwd_listen(struct fwd *fwd, const struct conf *c, int epfd)
{
	static struct listener listeners[LISTENERS_MAX];
	struct opening o = { .fwd = fwd, .c = c, .epfd = epfd };

	fwd->l = listeners;
	fwd->n = 0;
	return listen_all(&o);
}

int fwd_listen_ns(struct fwd *fwd, const struct conf *c, int epfd)
{
	struct opening o = { .outward = true, .fwd = fwd, .c = c, .epfd = epfd };

	return listen_all(&o);
}

void fwd_close(struct fwd *fwd)
{
	for (uint32_t i = 0; i < fwd->n; i++)
		close(fwd->l[i].fd);
	fwd->n = 0;
}
