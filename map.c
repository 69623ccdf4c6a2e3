/* SPDX-License-Identifier: GPL-2.0-or-later */
/* map.c - addresses of the guest's view and of the host's
 *
 * Outbound: the first line that matches decides.
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
 *	loopback		--map-host-loopback, or else the gateway
 *	the guest's own address	--map-guest-addr, or else the gateway
 *	any other		itself
 *	of --lan		the gateway			also one of the other family
 *
 * With --lan, no guest's address leaves it, nor does any of its prefix; the host's own is not the guest's.
 *
 * Answers go by their flow, not by the outbound table: the address shown for a client need not lead to it.
 */

#include <netinet/in.h>

#include "lease.h"
#include "map.h"

static bool guest_owns(const struct net *net, const struct seen *s, const struct addr *a)
{
	enum family f = addr_family(a);
	const struct net_ip *ip = &net->ip[f];

	if (lan_on(net))
		return lan_has(net, a);
	return addr_is(a, &ip->guest.addr) || addr_is(a, &ip->guest.ll) || addr_is(a, &s->addr[f]) ||
	       addr_is(a, &s->ll);
}

static bool switched_off(const struct net *net, uint8_t proto, enum family f)
{
	const struct conf *c = net->cf;

	return !net->ip[f].on || (proto == IPPROTO_TCP ? c->no_tcp : proto == IPPROTO_UDP ? c->no_udp : c->no_icmp);
}

/* DNS (RFC 1035) and DNS over TLS, DTLS, QUIC (RFC 7858, 8094, 9250) */
static bool is_dns(uint8_t proto, uint16_t port)
{
	return (proto == IPPROTO_TCP || proto == IPPROTO_UDP) && (port == 53 || port == 853);
}

enum drop map_out(const struct net *net, uint8_t proto, const struct end *src, const struct end *dst, struct side *host)
{
	enum family f = addr_family(&dst->a);
	const struct net_ip *ip = &net->ip[f];
	struct addr to = dst->a;

	if (switched_off(net, proto, f))
		return DROP_POLICY;
	if (addr_is_unspec(&src->a) || addr_is_loopback(&src->a) || addr_is_many(&src->a))
		return DROP_ADDR;
	if (addr_is_unspec(&to) || addr_is_loopback(&to) || (addr_is_many(&to) && proto != IPPROTO_UDP))
		return DROP_ADDR;

	if (is_dns(proto, dst->port) && net_is_dns_forward(ip, &to))
		to = ip->dns_first < ip->ndns_to ? ip->dns_to[ip->dns_first].a : ip->dns_host;
	else if (addr_is(&to, &ip->map_loopback))
		to = addr_loopback(f);
	else if (addr_is(&to, &ip->map_guest))
		to = ip->guest.addr;
	else if (lan_on(net) && lan_has(net, &to))	/* another guest's, a broadcast, or without a mapping ours */
		return addr_is(&to, &ip->gw) ? DROP_POLICY : DROP_ADDR;
	/* No resolver, no address of our own. With --lan, the names of guests are here (resolve.h). */
	if (addr_is_unspec(&to) && !(lan_on(net) && dst->port == PORT_DNS))
		return DROP_POLICY;

	f = addr_family(&to);				/* the host's side, from here on */
	ip = &net->ip[f];
	host->peer = (struct end){ to, dst->port };
	host->our = (struct end){ addr_any(f), src->port };
	if (!addr_is_loopback(&to) && !addr_is(&to, &ip->guest.addr) && !addr_is_unspec(&net->cf->ip[f].out_addr))
		host->our.a = net->cf->ip[f].out_addr;
	return DROP_NONE;
}

bool map_relays(const struct net *net, uint8_t proto, const struct end *dst)
{
	return is_dns(proto, dst->port) && net_is_dns_forward(&net->ip[addr_family(&dst->a)], &dst->a);
}

void map_resolver(const struct net *net, const struct side *guest, unsigned i, struct side *host)
{
	const struct addr *to = &net->ip[addr_family(&guest->our.a)].dns_to[i].a;
	const struct addr *from = &net->cf->ip[addr_family(to)].out_addr;
	bool own = addr_is_loopback(to) || addr_is(to, &net->ip[addr_family(to)].guest.addr) || addr_is_unspec(from);

	*host = (struct side){
		.peer = { *to, guest->our.port },
		.our = { own ? addr_any(addr_family(to)) : *from, guest->peer.port },
	};
}

/* Guest's address for a client: link-local for a link-local one, otherwise the last one seen or assigned */
static struct addr guest_addr(const struct net *net, const struct seen *s, const struct addr *client)
{
	enum family f = addr_family(client);
	const struct net_ip *ip = &net->ip[f];
	struct addr ll = addr_any6, a = s->addr[f];

	if (f == V6)
		ll = addr_is_unspec(&s->ll) ? ip->guest.ll : s->ll;
	if (addr_is_unspec(&a) && !lan_on(net))
		a = ip->guest.addr;
	if (!addr_is_unspec(&ll) && (addr_is_linklocal(client) || addr_is_unspec(&a)))
		return ll;
	return a;
}

enum drop map_in(const struct net *net, const struct seen *s, const struct rule *r, const struct side *host,
		 struct side *guest)
{
	struct addr client = host->peer.a;
	enum family f = addr_family(&client);
	const struct net_ip *ip = &net->ip[f];

	if (switched_off(net, r->proto, f) || net->cf->splice_only)
		return DROP_POLICY;
	if (addr_is_unspec(&client) || addr_is_many(&client))
		return DROP_ADDR;

	if (addr_is_loopback(&client))
		client = addr_is_unspec(&ip->map_loopback) ? ip->gw : ip->map_loopback;
	else if (guest_owns(net, s, &client) || addr_is(&client, &r->to_addr))
		client = addr_is_unspec(&ip->map_guest) ? ip->gw : ip->map_guest;
	if (lan_on(net) && !addr_is_unspec(&r->to_addr) && addr_family(&r->to_addr) != f) {
		f = addr_family(&r->to_addr);
		client = net->ip[f].gw;
	}

	guest->our = (struct end){ client, host->peer.port };
	guest->peer.a = addr_is_unspec(&r->to_addr) ? guest_addr(net, s, &client) : r->to_addr;
	guest->peer.port = rule_to(r, host->our.port);
	if (addr_is_unspec(&guest->peer.a) || addr_is_unspec(&client))
		return DROP_ADDR;
	/* A target that is ours, of the other family, or only for map_splice() */
	if (addr_eq(&guest->peer.a, &client) || addr_family(&guest->peer.a) != f || addr_is_loopback(&guest->peer.a))
		return DROP_ADDR;
	return DROP_NONE;
}

bool map_splice(const struct fwd *fwd, const struct net *net, const struct seen *s, const struct rule *r,
		const struct side *from, struct side *to)
{
	enum family f = addr_family(&from->peer.a);
	struct addr lo = addr_loopback(f);

	if (!r->outward && (net->cf->no_splice || !addr_is_loopback(&from->peer.a)))
		return false;
	if (addr_is_loopback(&from->our.a))
		lo = from->our.a;		/* 127.0.0.0/8: the same one */
	else if (r->outward && r->any)		/* the namespace's own address is not the host's loopback */
		return false;

	to->our = (struct end){ addr_any(f), 0 };
	to->peer = (struct end){ addr_is_unspec(&r->to_addr) ? lo : r->to_addr, rule_to(r, from->our.port) };
	if (addr_family(&to->peer.a) != f)
		return false;
	if (r->outward)
		return true;
	if (addr_is_unspec(&r->to_addr) && !net->cf->host_lo_to_ns_lo) {
		to->peer.a = addr_is_unspec(&s->addr[f]) ? net->ip[f].guest.addr : s->addr[f];
		if (addr_is_unspec(&to->peer.a) || net->cf->splice_only)	/* none, or no link to have it on */
			to->peer.a = addr_loopback(f);
	}
	return !fwd_leads_to_us(fwd, true, r->proto, &to->peer);	/* and back, and round again */
}

struct addr map_icmp_src(const struct net *net, const struct seen *s, const struct addr *a)
{
	if (addr_is_unspec(a) || addr_is_loopback(a) || addr_is_many(a) || guest_owns(net, s, a))
		return net->ip[addr_family(a)].gw;
	return *a;
}

struct sock_out map_leave(const struct net *net, const struct end *asked, const struct addr *to)
{
	const struct net_ip *ip = &net->ip[addr_family(&asked->a)];
	struct sock_out o = {
		.ifname = addr_is_loopback(to) ? "" : net->cf->ip[addr_family(to)].out_if,
		.scope = net_scope(net, to), .freebind = net->cf->freebind,
	};

	/* The resolver, and not a neighbour of the same name */
	if (!addr_is_linklocal(to) || !map_relays(net, IPPROTO_UDP, asked))
		return o;
	if (ip->dns_scope && addr_eq(to, &ip->dns_host))
		o.scope = ip->dns_scope;
	for (unsigned i = ip->ndns_to; i--;)
		if (ip->dns_to[i].scope && addr_eq(to, &ip->dns_to[i].a))
			o.scope = ip->dns_to[i].scope;
	return o;
}

bool map_is_target(const struct fwd *fwd, const struct net *net, const struct addr *a)
{
	if (!fwd->targets || addr_eq(a, &net->ip[addr_family(a)].guest.addr))
		return false;
	for (const struct fwd_rule *r = fwd->rule; r < fwd->rule + fwd->nrules; r++) {
		if (r->id && addr_is(a, &r->r.to_addr))
			return true;
	}
	return false;
}
