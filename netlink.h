/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink.h - rtnetlink(7): interfaces, addresses, routes
 *
 * A socket belongs to the network namespace it was opened in. An interrupted dump (NLM_F_DUMP_INTR) is repeated.
 * Functions return 0 or -errno, unless noted.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include <linux/netlink.h>
#include <net/if.h>
#include <stdbool.h>

#include "addr.h"

struct nl {
	int		fd;
	uint32_t	seq;		/* of the last request */
	bool		hold;		/* requests are collected, see nl_hold() */
	unsigned	held;
	unsigned	done, refused;	/* held requests: accepted; refused for another reason than EEXIST */
	int		err;		/* of the last one refused */
	int		failed;		/* not sent, or answers missing: -errno */
	uint8_t		waits;		/* times that SO_RCVTIMEO may pass: the other end is a process (ns_setter.c) */
};

/* Opens a socket, NETLINK_ROUTE or NETLINK_SOCK_DIAG, in the caller's network namespace */
int nl_open(struct nl *nl, int proto);
/* Takes over a socket that was opened elsewhere; a negative @fd is returned */
int nl_take(struct nl *nl, int fd);
void nl_close(struct nl *nl);

/**
 * nl_hold() - collect the requests that follow, and send them together
 *
 * The kernel carries out the requests of a datagram in order, and returns to user space after the last one: so a link
 * comes up and has its routes at once. A held request returns 0; more than fit are sent early. One socket at a time.
 */
void nl_hold(struct nl *nl);
/* Sends held requests and counts the answers in @nl: 0, or @nl->failed */
int nl_release(struct nl *nl);

/* Index of an interface by name, 0 if there is none */
unsigned nl_ifindex(struct nl *nl, const char *name);

struct nl_ifinfo {
	unsigned	ifindex;
	char		name[IFNAMSIZ];
	struct mac	mac;		/* zero if it has none */
	bool		up;
	uint32_t	mtu;
	uint32_t	gro4, gro6;	/* largest packet merged from received ones; 0: no limit */
};

/* Of interface @ifindex or, if that is 0, @name */
int nl_link_get(struct nl *nl, unsigned ifindex, const char *name, struct nl_ifinfo *info);

/* Interfaces of routes that are neither link-local nor loopback nor multicast; 0: none */
struct nl_routes {
	unsigned	by_default;	/* default route of lowest metric, next hop of largest weight */
	unsigned	other;		/* first route that is no default route */
	bool		has_gw;
	struct addr	gw;		/* of the default route, if @has_gw */
};

/* Of one family, through @ifindex unless that is 0 */
struct nl_routes nl_routes(struct nl *nl, bool v6, unsigned ifindex);

/* The usable global address with the longest prefix, or false: not deprecated, tentative or failed, not secondary if
 * there is another. @keep: before all others, if it is usable; NULL: none.
 */
bool nl_addr_get(struct nl *nl, bool v6, unsigned ifindex, const struct addr *keep, struct addr *a, uint8_t *plen);

/* Any one, even if it can't be used, or not yet */
bool nl_addr_any(struct nl *nl, bool v6, unsigned ifindex);

int nl_link_up(struct nl *nl, unsigned ifindex);
/* @attr: IFLA_MTU; IFLA_TXQLEN, in frames; IFLA_GSO_MAX_SEGS, of a super-packet to the device (Linux 4.16) */
int nl_link_set(struct nl *nl, unsigned ifindex, uint16_t attr, uint32_t value);
int nl_link_mac(struct nl *nl, unsigned ifindex, const struct mac *mac);
/* Largest packet merged from received ones; above 65536, BIG TCP: Linux 5.19 (or -EINVAL), for IPv4, too, 6.3 */
int nl_link_gro(struct nl *nl, unsigned ifindex, uint32_t bytes);
/* An IPv6 link-local address made from the MAC address by the kernel when the link comes up, or none */
int nl_link_autoaddr(struct nl *nl, unsigned ifindex, bool on);
/* With the first address of an IPv4 network, the kernel doesn't remove the others (promote_secondaries) */
int nl_link_keep_addrs(struct nl *nl, unsigned ifindex);
int nl_addr_add(struct nl *nl, unsigned ifindex, const struct addr *a, uint8_t plen);	/* IFA_F_NODAD, no lifetime */
/* Default route; @gw may be outside of every prefix; unspecified: on-link */
int nl_route_add_default(struct nl *nl, unsigned ifindex, const struct addr *gw);

/* Kinds of objects on an interface that we set, and nobody has touched since */
enum own_class { OWN_ADDR, OWN_DEFAULT, OWN_ROUTE, OWN_CLASSES };

struct owned {
	uint64_t	id, sig;	/* hashes: of what makes it another object, and of all the rest */
	uint8_t		class;		/* enum own_class */
	bool		v6;
	bool		ours;		/* or somebody else's, while changes are made */
	bool		banned;		/* was ours, and was deleted or changed by somebody */
	bool		there, wanted;	/* in the namespace; on the host */
};

#define OWN_SLOTS	4096		/* a power of two */
#define OWN_MAX		(OWN_SLOTS / 2)	/* objects: others are nobody's, and stay */

/* Addresses and routes of one interface. What somebody deleted or changed is not set again; nor is any of a class of
 * which we have nothing left.
 */
struct own {
	unsigned	n;
	bool		off[FAMILIES][OWN_CLASSES];
	struct owned	slot[OWN_SLOTS];
};

/**
 * own_look() - which objects are there, and which of ours are not what we set any more?
 * @v6:		the family; of all others, nothing changes
 *
 * Then marks of the objects that are wanted: nl_addr_copy() and nl_route_copy() with @mark, own_want_*(). own_remove()
 * takes away others of ours, then come new ones, and own_done() remembers all that is new.
 */
int own_look(struct own *o, struct nl *nl, bool v6, unsigned ifindex);
void own_want_addr(struct own *o, const struct addr *a, uint8_t plen);
void own_want_default(struct own *o, bool v6, const struct addr *gw);

/* Addresses that stay for now: those of connections, and those that are deprecated on the host, too */
struct own_keep {
	struct addr	a[16];
	unsigned	n, conns;	/* all, and the first ones of connections */
	bool		used;		/* result: some of these were to go */
};

/* @classes: bits 1 << enum own_class, those to remove; routes that the kernel made go with
 * both addresses and routes. Addresses in @keep become deprecated instead.
 */
int own_remove(const struct own *o, struct nl *nl, bool v6, unsigned ifindex, unsigned classes, struct own_keep *keep);
int own_done(struct own *o, struct nl *nl, bool v6, unsigned ifindex);

/* May it be set: not there, nor banned? */
bool own_may_addr(const struct own *o, const struct addr *a, uint8_t plen);
bool own_may_default(const struct own *o, bool v6, const struct addr *gw);

/* Is an address that was asked for one of the host's, on any interface? True, too, if that can't be read. */
bool nl_addr_there(struct nl *nl, const struct addr *a);

/* From an interface in the namespace of @from to one in that of @to, for one family */
struct nl_copy {
	struct nl	*from, *to;
	unsigned	from_if, to_if;
	bool		v6;
	bool		no_routes;	/* routes are not copied: the kernel makes those to the addresses' prefixes */
	bool		no_via;		/* routes with a gateway of the other family are left out */
	bool		no_src;		/* addresses are not copied: routes lose their preferred source */
	struct own	*own;		/* NULL: everything is copied */
	bool		mark;		/* nothing is copied, but marked as wanted in @own, */
	struct own_keep	*keep;		/* or as an address to be kept */
};

/**
 * nl_addr_copy() - all addresses of an interface to one in another namespace
 *
 * Without lifetimes and DAD; deprecated, tentative, failed, loopback and IPv6 link-local ones are left out.
 *
 * Return: number copied, or -errno of the last one refused if none could be
 */
int nl_addr_copy(const struct nl_copy *cp);

/**
 * nl_route_copy() - all routes of an interface's main table to an interface in another namespace
 *
 * Repeats until the kernel takes no further one, in whatever order it does: first unchanged, then without source and
 * metrics, then with gateways taken for on-link. Any number of routes.
 *
 * Return: number of routes refused, or -errno if the host's could not be read or the requests not sent
 */
int nl_route_copy(const struct nl_copy *cp);

/* Type of the route to @a in the kernel's tables, RTN_...; RTN_UNREACHABLE: there is none; or -errno */
int nl_route_type(struct nl *nl, const struct addr *a);

/* Requests for default routes and for routes to their gateways, to be held behind the one for the link to come up */
void nl_route_copy_first(const struct nl_copy *cp);

#endif /* NETLINK_H */
