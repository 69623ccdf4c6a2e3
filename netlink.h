/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink.h - rtnetlink(7): one request and dump engine, small builders
 *
 * A socket belongs to the network namespace it was opened in. Answers are matched by sequence number, whatever way the
 * kernel splits a dump into datagrams; an interrupted dump (NLM_F_DUMP_INTR) is repeated.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include <net/if.h>
#include <stdbool.h>

#include "addr.h"

struct nl {
	int		fd;
	uint32_t	seq;
};

/* Opens a NETLINK_ROUTE socket in the caller's network namespace: 0 or -errno */
int nl_open(struct nl *nl);
void nl_close(struct nl *nl);

/* Index of an interface by name, 0 if there is none */
unsigned nl_ifindex(struct nl *nl, const char *name);

/* What start-up wants to know of the host's interface for one family */
struct nl_ifinfo {
	unsigned	ifindex;
	char		name[IFNAMSIZ];
	struct mac	mac;		/* zero if it has none */
	uint32_t	mtu;
};

int nl_link_get(struct nl *nl, unsigned ifindex, struct nl_ifinfo *info);

/**
 * nl_template() - interface that a family's traffic leaves the host by
 *
 * The default route of lowest metric (of a multipath route, the next hop of largest weight); without a default route, the
 * first interface with a route that is neither link-local nor loopback nor multicast.
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
 * The usable global address with the longest prefix: not deprecated, tentative or failed, not secondary if there is another.
 *
 * Return: true if there is one
 */
bool nl_addr_get(struct nl *nl, bool v6, unsigned ifindex, struct addr *a, uint8_t *plen, struct addr *ll);

/* Set up an interface in the namespace of @nl: 0 or -errno */
int nl_link_up(struct nl *nl, unsigned ifindex);
int nl_link_mtu(struct nl *nl, unsigned ifindex, uint32_t mtu);
int nl_link_mac(struct nl *nl, unsigned ifindex, const struct mac *mac);
int nl_link_txqlen(struct nl *nl, unsigned ifindex, uint32_t frames);
int nl_link_arp(struct nl *nl, unsigned ifindex, bool on);	/* IFF_NOARP off or on: no DAD while it is off */
int nl_addr_add(struct nl *nl, unsigned ifindex, const struct addr *a, uint8_t plen);	/* IFA_F_NODAD, no lifetime */
int nl_route_add_default(struct nl *nl, unsigned ifindex, const struct addr *gw);	/* @gw unspecified: on-link */

/**
 * nl_addr_copy() - all addresses of an interface to one in another namespace
 *
 * Without lifetimes and DAD; deprecated, tentative and IPv6 link-local ones are left out.
 *
 * Return: number copied, or -errno
 */
int nl_addr_copy(struct nl *from, unsigned from_if, struct nl *to, unsigned to_if, bool v6);

/**
 * nl_route_copy() - all routes of an interface to one in another namespace, in whatever order they can be inserted
 *
 * Main table only; next hop ids, next hop state flags and protocol-specific attributes are left out, next hops of multipath
 * routes through other interfaces too. Repeats until no further route can be inserted. Any number of routes.
 *
 * Return: number of routes copied, or -errno of the last one refused if none could be
 */
int nl_route_copy(struct nl *from, unsigned from_if, struct nl *to, unsigned to_if, bool v6);

#endif /* NETLINK_H */
