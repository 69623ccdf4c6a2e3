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
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>

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

enum drop fwd_in(const struct conf *c, const struct seen *s, const struct rule *r, const struct side *host,
		 struct side *guest)
{
	struct addr client = host->peer.a;
	enum family f = addr_family(&client);
	const struct conf_ip *ip = &c->ip[f];

	if (switched_off(c, r->proto, f))
		return DROP_POLICY;
	if (addr_is_unspec(&client) || is_group(&client))
		return DROP_ADDR;

	if (addr_is_loopback(&client))
		client = addr_is_unspec(&ip->map_loopback) ? us(c, f) : ip->map_loopback;
	else if (guest_owns(c, s, &client))
		client = addr_is_unspec(&ip->map_guest) ? us(c, f) : ip->map_guest;

	guest->our = (struct end){ client, host->peer.port };
	guest->peer.a = guest_addr(c, s, &client);
	guest->peer.port = (uint16_t)(r->to + (host->our.port - r->first));
	return addr_is_unspec(&guest->peer.a) || addr_is_unspec(&client) ? DROP_ADDR : DROP_NONE;
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

/* One listener for port @port of a rule: for both families, or for that of @a */
static int listen_one(struct fwd *fwd, const struct conf *c, int epfd, const struct rule *r, const struct addr *a,
		      bool dual, uint16_t port)
{
	struct sock_out out = { .ifname = r->ifname, .freebind = c->freebind };
	enum ev_type type = r->proto == IPPROTO_TCP ? EV_TCP_LISTEN : EV_UDP_LISTEN;
	struct end at = { *a, port };
	int fd, rc;

	if (addr_is_linklocal(a))
		out.scope = r->ifname[0] ? if_nametoindex(r->ifname) : fwd_scope(c, a);
	fd = sock_listen(r->proto, &at, dual, &out);
	if (fd < 0)
		return fd;
	rc = ev_add(epfd, fd, type, fwd->n, 0, EPOLLIN);
	if (rc) {
		fd_close(fd);
		return rc;
	}

	fwd->l[fwd->n++] = (struct listener){
		.fd	= fd,
		.rule	= (uint16_t)(r - c->rule),
		.port	= port,
		.v4	= dual || addr_is_v4(a),
		.v6	= dual || !addr_is_v4(a),
	};
	return 0;
}

/* All listeners of one port of a rule. Without an address, a family the host turns out not to have is no error, but a
 * port that is taken, or reserved, in one of two is: clients would reach somebody else there.
 */
static int listen_port(struct fwd *fwd, const struct conf *c, int epfd, const struct rule *r, uint16_t port)
{
	int rc, rc4, rc6;

	if (!r->any)
		return listen_one(fwd, c, epfd, r, &r->addr, false, port);
	if (!usable(c, V6))
		return listen_one(fwd, c, epfd, r, &addr_any4, false, port);
	if (!usable(c, V4))
		return listen_one(fwd, c, epfd, r, &addr_any6, false, port);

	rc = listen_one(fwd, c, epfd, r, &addr_any6, true, port);
	if (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL && rc != -EPROTONOSUPPORT)
		return rc;
	rc4 = listen_one(fwd, c, epfd, r, &addr_any4, false, port);
	rc6 = listen_one(fwd, c, epfd, r, &addr_any6, false, port);
	return rc4 && rc6 ? rc4 : 0;
}

/* Listeners that all rules take: more than can be had is said before the first is opened */
static int check_limits(const struct conf *c)
{
	struct rlimit lim;
	uint64_t n = 0;

	for (unsigned i = 0; i < c->nrules; i++)
		n += (uint64_t)c->rule[i].last - c->rule[i].first + 1;
	if (n > LISTENERS_MAX) {
		err("%llu ports to forward, but no more than %u can be", (unsigned long long)n, LISTENERS_MAX);
		return -ENFILE;
	}
	if (n && !getrlimit(RLIMIT_NOFILE, &lim) && n + FD_RESERVE > lim.rlim_cur) {
		err("%llu ports to forward need %llu open files, but the limit is %llu (RLIMIT_NOFILE)",
		    (unsigned long long)n, (unsigned long long)n + FD_RESERVE, (unsigned long long)lim.rlim_cur);
		return -EMFILE;
	}
	return 0;
}

int fwd_listen(struct fwd *fwd, const struct conf *c, int epfd)
{
	static struct listener listeners[LISTENERS_MAX];
	int rc = check_limits(c);

	fwd->l = listeners;
	fwd->n = 0;
	if (rc)
		return rc;

	for (const struct rule *r = c->rule; r < c->rule + c->nrules; r++) {
		if (r->any ? !usable(c, V4) && !usable(c, V6) : !usable(c, addr_family(&r->addr))) {
			warn("No %s: nothing forwarded for option '%s'", r->any ? "network" :
			     addr_is_v4(&r->addr) ? "IPv4" : "IPv6", conf_rule_text(r));
			continue;
		}
		for (uint32_t port = r->first; port <= r->last; port++) {
			rc = listen_port(fwd, c, epfd, r, (uint16_t)port);
			if (!rc)
				continue;
			err("Failed to bind port %u (%s) for option '%s'", port, errno_text(-rc), conf_rule_text(r));
			return rc;
		}
	}
	return 0;
}
