/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd.c - which address becomes which
 *
 * Mapping, outbound: the first line that matches decides.
 *
 *	destination		becomes				where
 *	loopback, unspecified	(dropped)
 *	multicast, broadcast	itself, UDP only
 *	--dns-forward		--dns-host			ports 53 and 853, TCP and UDP; of either family
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

#include <netinet/in.h>

#include "fwd.h"

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

	f = addr_family(&to);				/* the host's side, from here on */
	ip = &c->ip[f];
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
	guest->peer.port = rule_to(r, host->our.port);
	if (addr_is_unspec(&guest->peer.a) || addr_is_unspec(&client))
		return DROP_ADDR;
	/* A target that is us, or of another family, or that only fwd_splice() reaches */
	if (addr_eq(&guest->peer.a, &client) || addr_family(&guest->peer.a) != f || addr_is_loopback(&guest->peer.a))
		return DROP_ADDR;
	return DROP_NONE;
}

bool fwd_splice(const struct fwd *fwd, const struct conf *c, const struct seen *s, const struct rule *r, const struct side *from,
		struct side *to)
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
	to->peer = (struct end){ addr_is_unspec(&r->to_addr) ? lo : r->to_addr, rule_to(r, from->our.port) };
	if (addr_family(&to->peer.a) != f)
		return false;
	if (r->outward)
		return true;
	if (addr_is_unspec(&r->to_addr) && !c->host_lo_to_ns_lo) {
		to->peer.a = addr_is_unspec(&s->addr[f]) ? c->ip[f].addr : s->addr[f];
		if (addr_is_unspec(&to->peer.a) || c->splice_only)	/* none, or no link that would have it */
			to->peer.a = f == V4 ? addr_loopback4 : addr_loopback6;
	}
	return !fwd_leads_to_us(fwd, true, r->proto, &to->peer);	/* and back, and round again */
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

struct sock_out fwd_leave(const struct conf *c, const struct end *asked, const struct addr *to)
{
	const struct conf_ip *ip = &c->ip[addr_family(&asked->a)];
	struct sock_out o = {
		.ifname = addr_is_loopback(to) ? "" : c->ip[addr_family(to)].out_if,
		.scope = fwd_scope(c, to), .freebind = c->freebind,
	};

	/* The resolver, and not a neighbour of the same name */
	if (addr_is_linklocal(to) && ip->dns_scope && is_dns(IPPROTO_UDP, asked->port) && is_map(&asked->a, &ip->dns_forward))
		o.scope = ip->dns_scope;
	return o;
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
