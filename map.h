/* SPDX-License-Identifier: GPL-2.0-or-later */
/* map.h - which address becomes which
 *
 * All mapping between the guest's view and the host's, as pure functions of options, of the host's network and of the
 * guest's addresses, as learned. Loopback addresses never pass the link, in either direction. See map.c for the tables.
 */
#ifndef MAP_H
#define MAP_H

#include "drop.h"
#include "fwd.h"
#include "net.h"
#include "sock.h"

/* Addresses the guest was seen to use; at first those assigned to it */
struct seen {
	struct addr	addr[FAMILIES];		/* last global (or private) source address */
	struct addr	ll;			/* last IPv6 link-local one */
};

/**
 * map_out() - the host's side of a flow that the guest starts: with --dns-forward, of the other family if need be
 * @proto:	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP or IPPROTO_ICMPV6
 * @src:	guest's endpoint
 * @dst:	endpoint it wants to reach
 * @host:	filled in: peer to connect or send to, own address to bind (unspecified: the kernel's choice), and
 *		@src's port
 *
 * Return: DROP_NONE, DROP_ADDR or DROP_POLICY
 */
enum drop map_out(const struct net *net, uint8_t proto, const struct end *src, const struct end *dst,
		  struct side *host);

/**
 * map_in() - the guest's side of a connection or datagram that arrived on the host
 * @s:		the guest's addresses, as learned
 * @r:		rule of the listener
 * @host:	peer: client; our: local address and port it came to
 * @guest:	filled in: peer: endpoint in the guest; our: the client as the guest sees it
 *
 * Return: DROP_NONE, DROP_ADDR or DROP_POLICY
 */
enum drop map_in(const struct net *net, const struct seen *s, const struct rule *r, const struct side *host,
		 struct side *guest);

/**
 * map_splice() - does a connection that was accepted, or a datagram, go straight to a socket on the other side?
 * @r:		rule of the listener
 * @from:	peer: client; our: local address and port it came to; in the namespace if @r is outward
 * @to:		filled in: peer: what to connect to
 *
 * From the host: if the client is on loopback. To the rule's target, loopback included: this is the only way to a
 * target there. Without one, to the namespace's own address, so that a service on its loopback stays its own; to
 * loopback where it has no address, or with --host-lo-to-ns-lo. Never to a port of ours, which would lead back and
 * round for ever. From the namespace: if it came to loopback, or to an address that the rule names.
 */
bool map_splice(const struct fwd *fwd, const struct net *net, const struct seen *s, const struct rule *r,
		const struct side *from, struct side *to);

/**
 * map_icmp_src() - guest-side address for a router or host that sent an ICMP error
 * @a:		address as the host saw it
 *
 * Return: address to show; @a itself wherever it can be shown, otherwise the gateway's
 */
struct addr map_icmp_src(const struct net *net, const struct seen *s, const struct addr *a);

/* Is @a a rule's target, and not the address assigned? Its packets don't make it the guest's own. */
bool map_is_target(const struct fwd *fwd, const struct net *net, const struct addr *a);

/* Interfaces by which a flow of the guest's to @asked leaves the host: by the family of @to, where map_out() leads */
struct sock_out map_leave(const struct net *net, const struct end *asked, const struct addr *to);

#endif /* MAP_H */
