/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net.h - the host's network, and the guest's settings, which follow from it and from options
 *
 * Only net.c writes it: everybody else reads it again at each use, and keeps no copy.
 */
#ifndef NET_H
#define NET_H

#include "conf.h"

/* A guest's own, of one family */
struct guest_ip {
	struct addr	addr;			/* assigned to it */
	uint8_t		plen;
	struct addr	ll;			/* its link-local address, if we set it (IPv6) */
	struct addr	dns[DNS_MAX];		/* servers that it is given */
	unsigned	ndns;
};

/* One family. Addresses of the other family never occur in it, but for @dns_host; unspecified means none. */
struct net_ip {
	bool		on;			/* not switched off, and the host's kernel has it */
	bool		local;			/* host has no network of this family: local mode */
	unsigned	ifindex;		/* template interface on the host, 0: none */

	struct addr	gw;			/* guest's default gateway: us; there always is one if @on */
	struct addr	our_ll;			/* our link-local address on the link (IPv6) */
	struct addr	map_loopback;		/* guest-side address that stands for the host's loopback */
	struct addr	map_guest;		/* guest-side address that stands for the host's own global address */
	/* Guest-side address whose ports 53 and 853 lead to @dns_host: as given, or one of @guest.dns that stands for a
	 * resolver on loopback. @dns_host: as the host reaches it, loopback included; of the other family where the
	 * host has none of this one.
	 */
	struct addr	dns_forward, dns_host;
	unsigned	dns_scope;		/* its interface, if it is link-local and resolv.conf names one; or 0 */

	struct guest_ip	guest;
};

struct net {
	const struct conf *cf;
	struct net_ip	ip[FAMILIES];
	struct search	search;			/* that guests are given */
};

extern const char *const family_name[FAMILIES];

/* Interface index for a link-local or multicast destination on the host, or 0 */
static inline unsigned net_scope(const struct net *net, const struct addr *a)
{
	return addr_is_linklocal(a) || addr_is_multicast(a) ? net->ip[addr_family(a)].ifindex : 0;
}

/**
 * net_start() - look up the host's network, and derive what depends on it
 * @cf:		kept
 *
 * After sock_probe(). May die(): for an interface that does not exist, or without any address family. The host's
 * routing is never a reason.
 */
void net_start(struct net *net, const struct conf *cf);

/* The guest's link-local address, which we set */
void net_set_guest_ll(struct net *net, const struct addr *ll);

/* Addresses of the family @f can't be had in the guest */
void net_switch_off(struct net *net, enum family f);

#endif /* NET_H */
