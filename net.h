/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net.h - the host's network, and the guest's settings, which follow from it and from options
 *
 * Written by net.c only, but for the resolver that answered last: others read it at each use, and keep no copy.
 */
#ifndef NET_H
#define NET_H

#include "conf.h"

struct nl;

/* A guest's settings, of one family */
struct guest_ip {
	struct addr	addr;			/* assigned; with --lan, the host's only: see lease_ip() */
	uint8_t		plen;
	struct addr	ll;			/* link-local address, if set by us (IPv6) */
	struct addr	dns[DNS_MAX];
	unsigned	ndns;
};

/* A resolver, from the host's view */
struct resolver {
	struct addr	a;			/* unspecified: none */
	unsigned	scope;			/* interface of a link-local one, 0: not given */
	char		dev[IFNAMSIZ];		/* its name, as far as there is one: it may be made again */
};

/* Servers and search list of the host, in its order */
struct resolv {
	struct resolver	server[FAMILIES][DNS_MAX];
	unsigned	n[FAMILIES];
	struct search	search;
};

/* One family. Only @dns_host may be an address of the other; unspecified means none. */
struct net_ip {
	bool		on;			/* not switched off, and the host's kernel has it */
	bool		local;			/* host has no network of this family: local mode */
	bool		lost;			/* it had one, and has one of the other family only */
	bool		by_default;		/* the template interface has a default route */
	bool		had_default;		/* or had one */
	bool		has_addr;		/* it has an address for the guest now */
	bool		has_routes;		/* and its routes are all there, as far as is known */
	unsigned	ifindex;		/* template interface on the host, 0: none */

	struct addr	gw;			/* guest's default gateway: us; there always is one if @on */
	struct addr	server;			/* ours in DHCP: @gw at the start, as clients know us by that */
	struct addr	our_ll;			/* our link-local address on the link (IPv6) */
	struct addr	map_loopback;		/* guest-side address that stands for the host's loopback */
	struct addr	map_guest;		/* guest-side address that stands for the host's own global address */
	/* Guest-side address whose ports 53 and 853 lead to @dns_host: as given, or one of @guest.dns that stands for a
	 * resolver on loopback. @dns_host: from the host's view; of the other family if there is none of this one.
	 */
	struct addr	dns_forward, dns_host;
	struct addr	dns_was[DNS_MAX];	/* former @dns_forward: guests may still use them */
	unsigned	ndns_was;
	unsigned	dns_scope;		/* interface of a link-local one in resolv.conf, or 0 */
	struct resolver	dns_to[2 * DNS_MAX];	/* @dns_host, and those to try if it doesn't answer */
	unsigned	ndns_to;
	uint8_t		dns_first;		/* the one to begin with, until @dns_until: see resolver_begin() */
	uint64_t	dns_until;		/* ms */

	struct guest_ip	guest;
};

#define OLD_MAX		4		/* former prefixes, servers and routers in advertisements */

struct net_old {
	struct addr	a;
	uint64_t	until;			/* ms, 0: none */
};

struct net_old_name {
	char		name[DOMAIN_MAX];
	uint64_t	until;
};

struct net {
	const struct conf *cf;
	struct net_ip	ip[FAMILIES];
	struct search	search;			/* for guests */
	struct resolv	resolv;			/* the host's */
	uint64_t	changes;		/* of the host's network, since the start */
	struct net_old	prefix[OLD_MAX];	/* of former addresses of the guest (IPv6) */
	struct net_old	rdnss[OLD_MAX];		/* former servers (IPv6) */
	struct net_old	router[OLD_MAX];	/* our former link-local addresses */
	struct net_old_name domain[OLD_MAX];	/* former ones of the search list */
};

extern const char *const family_name[FAMILIES];

/* Do queries to @a go to the host's resolvers? */
static inline bool net_is_dns_forward(const struct net_ip *ip, const struct addr *a)
{
	bool is = addr_is(a, &ip->dns_forward);

	for (unsigned i = 0; i < ip->ndns_was && !is; i++)
		is = addr_eq(a, &ip->dns_was[i]);
	return is;
}

/* Interface index for a link-local or multicast destination on the host, or 0 */
static inline unsigned net_scope(const struct net *net, const struct addr *a)
{
	return addr_is_linklocal(a) || addr_is_multicast(a) ? net->ip[addr_family(a)].ifindex : 0;
}

/**
 * net_start() - look up the host's network, and the guest's settings
 * @cf:		kept
 *
 * After sock_probe(). May die(): for an interface that does not exist, or without any address family; never for the
 * host's routing.
 */
void net_start(struct net *net, const struct conf *cf);

extern const char *net_resolv_path;

/* Is a resolver on that interface, by its name; NULL: any? */
bool net_resolver_on(const struct net *net, const char *dev);

/* Do servers or search list come from resolv.conf? */
bool net_follows_names(const struct net *net);

/* Another text of resolv.conf: false if it names no server, or the same as before. Then net_again() is due. */
bool net_names(struct net *net, struct nl *nl, const char *text, size_t len);

/**
 * net_again() - the host's network as it is now, and the guest's settings
 * @nl:		in the host's namespace
 * @settled:	no address was deleted lately: a family without any is gone
 *
 * A family keeps its last addresses and routes until there are others.
 *
 * Return: a bit, 1 << family, for each family that changed
 */
unsigned net_again(struct net *net, struct nl *nl, uint64_t now, bool settled);

/* The guest's link-local address, set by us */
void net_set_guest_ll(struct net *net, const struct addr *ll);

/* The guest can't have addresses of family @f */
void net_switch_off(struct net *net, enum family f);

#endif /* NET_H */
