/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink.h - rtnetlink(7): one request and dump engine, small builders
 *
 * A socket belongs to the network namespace it was opened in. Answers are matched by sequence number, whatever way the
 * kernel splits a dump into datagrams; an interrupted dump (NLM_F_DUMP_INTR) is repeated.
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
};

/* Opens a socket, NETLINK_ROUTE or NETLINK_SOCK_DIAG, in the caller's network namespace: 0 or -errno */
int nl_open(struct nl *nl, int proto);
/* Takes over one that was opened elsewhere: 0, or @fd if that is -errno */
int nl_take(struct nl *nl, int fd);
void nl_close(struct nl *nl);

/**
 * nl_hold() - collect the requests that follow, and send them together
 *
 * The kernel carries out one datagram's requests in order and without returning to user space in between, so that a
 * link comes up and has its routes at once. A request returns 0 when it is held; more than fit are sent early. One
 * socket at a time.
 */
void nl_hold(struct nl *nl);

/* Sends what is held and counts the answers in @nl: 0, or -errno if it could not be sent or answers are missing */
int nl_release(struct nl *nl);

/* Index of an interface by name, 0 if there is none */
unsigned nl_ifindex(struct nl *nl, const char *name);

/* What start-up wants to know of the host's interface for one family */
struct nl_ifinfo {
	unsigned	ifindex;
	struct mac	mac;		/* zero if it has none */
	bool		up;
	uint32_t	mtu;
	uint32_t	gro4, gro6;	/* largest packet merged from received ones; 0: no limit */
};

int nl_link_get(struct nl *nl, unsigned ifindex, struct nl_ifinfo *info);

/* Routes of a family that are neither link-local nor loopback nor multicast: interfaces, 0 if there is none */
struct nl_routes {
	unsigned	by_default;	/* default route of lowest metric, next hop of largest weight */
	unsigned	other;		/* first route that is no default route */
	bool		has_gw;
	struct addr	gw;		/* of the default route, if @has_gw */
};

/* @ifindex: only routes through that interface, unless 0 */
struct nl_routes nl_routes(struct nl *nl, bool v6, unsigned ifindex);

/**
 * nl_addr_get() - address of an interface to give to the guest
 *
 * The usable global address with the longest prefix: not deprecated, tentative or failed, not secondary if there is
 * another.
 *
 * Return: true if there is one
 */
bool nl_addr_get(struct nl *nl, bool v6, unsigned ifindex, struct addr *a, uint8_t *plen);

/* Set up an interface in the namespace of @nl: 0 or -errno */
int nl_link_up(struct nl *nl, unsigned ifindex);
/* A setting, IFLA_*: IFLA_MTU; IFLA_TXQLEN, in frames; IFLA_GSO_MAX_SEGS, the most segments of a super-packet that the
 * kernel gives to the device (Linux 4.16)
 */
int nl_link_set(struct nl *nl, unsigned ifindex, uint16_t what, uint32_t value);
int nl_link_mac(struct nl *nl, unsigned ifindex, const struct mac *mac);
/* Largest packet merged from received ones; above 65536, BIG TCP: Linux 5.19 (or -EINVAL), for IPv4, too, 6.3 */
int nl_link_gro(struct nl *nl, unsigned ifindex, uint32_t bytes);
/* Does the kernel give the link an IPv6 link-local address of its own (from its MAC address) when it comes up? */
int nl_link_autoaddr(struct nl *nl, unsigned ifindex, bool on);
int nl_addr_add(struct nl *nl, unsigned ifindex, const struct addr *a, uint8_t plen);	/* IFA_F_NODAD, no lifetime */
/* Default route, there already is fine; @gw may be outside of every prefix, unspecified: on-link */
int nl_route_add_default(struct nl *nl, unsigned ifindex, const struct addr *gw);

/* From an interface in the namespace of @from to one in that of @to, for one family */
struct nl_copy {
	struct nl	*from, *to;
	unsigned	from_if, to_if;
	bool		v6;
	bool		no_routes;	/* routes are not copied: addresses then bring the one to their prefix */
	bool		no_via;		/* routes by way of a gateway of the other family are left out */
	bool		no_src;		/* addresses are not copied: routes do without preferred source */
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
 * nl_route_copy() - all routes of an interface to one in another namespace, in whatever order they can be inserted
 *
 * Main table only; next hop ids, next hop state flags and protocol-specific attributes are left out, next hops of
 * multipath routes through other interfaces too. Repeats until no further route can be inserted: as they are, then
 * without source and metrics, then with gateways taken for on-link. A route that is there already is fine. Any number
 * of routes.
 *
 * Return: number of routes that still could not be inserted, or -errno if the host's could not be read
 */
int nl_route_copy(const struct nl_copy *cp);

/* Requests for default routes and for what may lead to their gateways, to be held with that for the link to come up */
void nl_route_copy_first(const struct nl_copy *cp);

#endif /* NETLINK_H */
