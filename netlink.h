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
	unsigned	done, refused;	/* of requests that were held: accepted; neither that nor there already */
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
	char		name[IFNAMSIZ];
	struct mac	mac;		/* zero if it has none */
	bool		up;
	uint32_t	mtu;
	uint32_t	gro4, gro6;	/* largest packet merged from received ones; 0 if the kernel has no such limit */
};

int nl_link_get(struct nl *nl, unsigned ifindex, struct nl_ifinfo *info);

/**
 * nl_template() - interface that a family's traffic leaves the host by
 *
 * The default route of lowest metric (of a multipath route, the next hop of largest weight); without a default route,
 * the first interface with a route that is neither link-local nor loopback nor multicast.
 *
 * Return: interface index, 0 if there is none
 */
unsigned nl_template(struct nl *nl, bool v6);

/* Gateway of the default route through @ifindex: true if there is one */
bool nl_gateway(struct nl *nl, bool v6, unsigned ifindex, struct addr *gw);

/**
 * nl_addr_get() - address of an interface to give to the guest
 * @ll:		IPv6: filled with the interface's link-local address, or unspecified; may be NULL
 *
 * The usable global address with the longest prefix: not deprecated, tentative or failed, not secondary if there is
 * another.
 *
 * Return: true if there is one
 */
bool nl_addr_get(struct nl *nl, bool v6, unsigned ifindex, struct addr *a, uint8_t *plen, struct addr *ll);

/* Set up an interface in the namespace of @nl: 0 or -errno */
int nl_link_up(struct nl *nl, unsigned ifindex);
int nl_link_mtu(struct nl *nl, unsigned ifindex, uint32_t mtu);
int nl_link_mac(struct nl *nl, unsigned ifindex, const struct mac *mac);
/* Largest packet merged from received ones. Above 65536, BIG TCP: -EINVAL before Linux 5.19; before 6.3, of IPv6 only. */
int nl_link_gro(struct nl *nl, unsigned ifindex, uint32_t bytes);
/* Most segments of a super-packet that the kernel gives to the device; Linux 4.16 */
int nl_link_gso_segs(struct nl *nl, unsigned ifindex, uint32_t segs);
int nl_link_txqlen(struct nl *nl, unsigned ifindex, uint32_t frames);
/* Does the kernel give the link an IPv6 link-local address of its own (from its MAC address) when it comes up? */
int nl_link_autoaddr(struct nl *nl, unsigned ifindex, bool on);
int nl_addr_add(struct nl *nl, unsigned ifindex, const struct addr *a, uint8_t plen);	/* IFA_F_NODAD, no lifetime */
/* Default route, there already is fine; @gw may be outside of every prefix, unspecified: on-link */
int nl_route_add_default(struct nl *nl, unsigned ifindex, const struct addr *gw);
/* Is there a default route through the interface? Any route that nl_template() would go by? */
bool nl_route_has_default(struct nl *nl, bool v6, unsigned ifindex);
bool nl_route_any(struct nl *nl, bool v6, unsigned ifindex);

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
