/* SPDX-License-Identifier: GPL-2.0-or-later */
/* map.h - addresses of the guest's view and of the host's
 *
 * Pure functions of options, the host's network and the guest's addresses. Loopback addresses never pass the link, in
 * either direction. See map.c for the tables.
 */
#ifndef MAP_H
#define MAP_H

#include "drop.h"
#include "fwd.h"
#include "net.h"
#include "sock.h"

/* The guest's last source addresses; at first those assigned */
struct seen {
	struct addr	addr[FAMILIES];		/* global or private */
	struct addr	ll;			/* IPv6 link-local */
};

/**
 * map_out() - the host's side of a flow from the guest; by --dns-forward, its family may be the other one
 * @proto:	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP or IPPROTO_ICMPV6
 * @src:	guest's endpoint
 * @dst:	its peer
 * @host:	filled in: peer to connect or send to; address to bind (unspecified: the kernel's choice), @src's port
 *
 * Return: DROP_NONE, DROP_ADDR or DROP_POLICY
 */
enum drop map_out(const struct net *net, uint8_t proto, const struct end *src, const struct end *dst,
		  struct side *host);

/* Does @dst lead to a resolver of the host's, which may be one of several? */
bool map_relays(const struct net *net, uint8_t proto, const struct end *dst);

/* The host's side of a flow to resolver @i of those, as of map_out(); @guest: its guest's side */
void map_resolver(const struct net *net, const struct side *guest, unsigned i, struct side *host);

#define RESOLVER_WAIT	2000		/* ms for an answer, before the next one is asked */
#define RESOLVER_FIRST	60000		/* ms for which the one that answered comes first */

/* The one that a flow begins with: that one, or else the first */
static inline void resolver_begin(struct net_ip *ip, uint64_t now)
{
	if (now >= ip->dns_until || ip->dns_first >= ip->ndns_to)
		ip->dns_first = 0;
}

/* Number of resolver @a, or that of all if it is none (any more) */
static inline unsigned resolver_nr(const struct net_ip *ip, const struct addr *a)
{
	unsigned i = 0;

	while (i < ip->ndns_to && !addr_eq(&ip->dns_to[i].a, a))
		i++;
	return i;
}

/* Behind the last one comes the first one again */
static inline unsigned resolver_next(const struct net_ip *ip, unsigned i)
{
	return i + 1 < ip->ndns_to ? i + 1 : 0;
}

/* Resolver @a has answered */
static inline void resolver_answered(struct net_ip *ip, const struct addr *a, uint64_t now)
{
	unsigned i = resolver_nr(ip, a);

	if (i == ip->ndns_to)
		return;
	ip->dns_first = (uint8_t)i;
	ip->dns_until = now + RESOLVER_FIRST;
}

/**
 * map_in() - the guest's side of a connection or datagram from the host
 * @r:		rule of the listener
 * @host:	peer: client; our: its destination
 * @guest:	filled in: peer: endpoint in the guest; our: the client as the guest sees it
 *
 * Return: DROP_NONE, DROP_ADDR or DROP_POLICY
 */
enum drop map_in(const struct net *net, const struct seen *s, const struct rule *r, const struct side *host,
		 struct side *guest);

/**
 * map_splice() - does a connection or datagram go straight to a socket on the other side?
 * @r:		rule of the listener
 * @from:	peer: client; our: its destination; in the namespace if @r is outward
 * @to:		filled in: peer: address to connect to
 *
 * From the host: if the client is on loopback. To the rule's target, which may be on loopback only here. Without a
 * target, to the namespace's own address, so that a service on its loopback stays private; to loopback if it has no
 * address, or with --host-lo-to-ns-lo. Never to a port of ours, a loop. From the namespace: if the destination is
 * on loopback, or an address of the rule.
 */
bool map_splice(const struct fwd *fwd, const struct net *net, const struct seen *s, const struct rule *r,
		const struct side *from, struct side *to);

/* Guest-side source of an ICMP error from @a: @a, or the gateway if the guest can't be shown that */
struct addr map_icmp_src(const struct net *net, const struct seen *s, const struct addr *a);

/* Is @a a rule's target, and not the address assigned? As a source, it is not learned. */
bool map_is_target(const struct fwd *fwd, const struct net *net, const struct addr *a);

/* Interfaces by which a flow to @asked leaves the host; @to: @asked after map_out() */
struct sock_out map_leave(const struct net *net, const struct end *asked, const struct addr *to);

#endif /* MAP_H */
