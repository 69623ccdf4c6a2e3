/* SPDX-License-Identifier: GPL-2.0-or-later */
/* neigh.c - MAC addresses of the host's neighbours: a dump of the kernel's table, and its notifications
 *
 * A filter (neigh_filter.c) drops most notifications that change nothing; the others are read as they come, a limited
 * number at a time.
 *
 * Parts of a dump and notifications share one queue, in the order of the changes. The kernel reports notifications that
 * the queue had no room for (ENOBUFS): then the whole table is read again, and entries that are not in it are removed.
 */
#include <errno.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "neigh.h"
#include "netlink_msg.h"

#define DATAGRAM_MAX	16384	/* parts of a dump have 8 KiB at most, for a reader with little room */
#define START_MAX	65536	/* datagrams of the first dump */

static alignas(NLMSG_ALIGNTO) uint8_t datagram[DATAGRAM_MAX];

/* ---- the table ---- */

uint32_t neigh_hash(const struct neighs *n, const struct addr *a)
{
	uint64_t half[2];

	memcpy(half, a->b, sizeof(half));
	half[0] = ((half[0] ^ n->key[0]) * 0x9e3779b97f4a7c15ULL) ^ half[1] ^ n->key[1];
	half[0] ^= half[0] >> 32;
	return (uint32_t)((half[0] * 0xd6e8feb86659fd93ULL) >> 32);
}

static bool is_of(const struct neigh *e, const struct addr *a)
{
	return e->used && addr_eq(&e->a, a);
}

/* Index of the entry of @a, or else of a free one, or of the oldest that may give way to it */
static unsigned find(const struct neighs *n, const struct addr *a)
{
	unsigned first = neigh_hash(n, a) % NEIGH_SETS * NEIGH_WAYS, best = first;

	for (unsigned i = first; i < first + NEIGH_WAYS; i++) {
		const struct neigh *e = &n->e[i], *b = &n->e[best];

		if (is_of(e, a))
			return i;
		if (b->used && (!e->used || n->clock - e->age > n->clock - b->age))
			best = i;
	}
	return best;
}

const struct mac *neigh_find(const struct neighs *n, const struct net *net, const struct addr *a,
			     const struct mac *guest)
{
	const struct neigh *e = &n->e[find(n, a)];

	return is_of(e, a) && !mac_eq(&e->mac, guest) ? &e->mac : &net->cf->our_mac;
}

/* @e becomes another one, or none. With it in the filter, notifications that matter now may have been dropped. */
static void leave(struct neighs *n, const struct neigh *e)
{
	n->dirty = true;
	if (!e->filtered)
		return;
	n->lost = true;
	neigh_filter(n, false);
}

static void drop_entry(struct neighs *n, struct neigh *e)
{
	leave(n, e);
	e->used = e->filtered = false;
	n->count--;
}

static void remember_mac(struct neighs *n, const struct addr *a, const struct mac *mac)
{
	struct neigh *e = &n->e[find(n, a)];

	if (!is_of(e, a) || !mac_eq(&e->mac, mac)) {
		leave(n, e);
		n->count += !e->used;
		*e = (struct neigh){ .a = *a, .mac = *mac, .used = true };
	}
	e->round = n->round;
	e->age = n->clock++;
}

/* Removes entries that were not in the dump which has ended */
static void sweep(struct neighs *n)
{
	for (struct neigh *e = n->e; e < n->e + NEIGH_MAX; e++)
		if (e->used && e->round != n->round)
			drop_entry(n, e);
}

/* Is @a another host on the guest's link? Not if it stands for the host, or is the guest's. With
 * --lan, the link is another one.
 */
static bool is_neighbour(const struct net *net, const struct addr *a)
{
	enum family f = addr_family(a);
	const struct net_ip *ip = &net->ip[f];

	if (addr_is_unspec(a) || addr_is_loopback(a) || addr_is_many(a) || net->cf->lan.on)
		return false;
	if (addr_is(a, &ip->guest.addr) || addr_is(a, &ip->guest.ll) || addr_is(a, &ip->map_loopback) ||
	    addr_is(a, &ip->map_guest) || addr_is(a, &ip->dns_forward) ||
	    (addr_is(a, &ip->our_ll) && !addr_is(a, &ip->gw)))
		return false;
	if (addr_is(a, &ip->gw) || addr_is_unspec(&net->cf->ip[f].addr) || (f == V6 && addr_is_linklocal(a)))
		return true;
	/* Other networks of the host are behind the guest's router */
	return addr_in_prefix(a, &ip->guest.addr, ip->guest.plen);
}

/* ---- messages ---- */

/* RTM_NEWNEIGH, RTM_DELNEIGH into the table: true if @a is in it then */
static bool take(struct neighs *n, const struct nlmsghdr *nh, struct addr *a)
{
	const struct ndmsg *ndm = NLMSG_DATA(nh);
	const struct rtattr *tb[NDA_LLADDR + 1];
	const struct net_ip *ip;
	struct neigh *e;
	struct mac mac;
	bool v6;

	if (!msg_has(nh, sizeof(*ndm)) || (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6))
		return false;
	v6 = ndm->ndm_family == AF_INET6;
	ip = &n->net->ip[v6 ? V6 : V4];
	if (!ip->on || ndm->ndm_ifindex <= 0 || (unsigned)ndm->ndm_ifindex != ip->ifindex)
		return false;
	attrs_read(nh, sizeof(*ndm), tb, ARRAY_SIZE(tb) - 1);
	if (ndm->ndm_flags & NTF_PROXY || !attr_addr(tb[NDA_DST], v6, a) || addr_is_v4(a) == v6)
		return false;

	if (nh->nlmsg_type == RTM_NEWNEIGH && ndm->ndm_state & NEIGH_STATES && tb[NDA_LLADDR] &&
	    RTA_PAYLOAD(tb[NDA_LLADDR]) == sizeof(mac.b)) {
		memcpy(mac.b, RTA_DATA(tb[NDA_LLADDR]), sizeof(mac.b));
		if (!mac_is_zero(&mac) && !(mac.b[0] & 1) && is_neighbour(n->net, a)) {
			remember_mac(n, a, &mac);
			return true;
		}
	}
	e = &n->e[find(n, a)];
	if (is_of(e, a))
		drop_entry(n, e);
	return false;
}

bool neigh_next(struct neighs *n, struct addr *a)
{
	while (NLMSG_OK(n->next, n->len)) {
		const struct nlmsghdr *nh = n->next;
		int ret;

		n->next = NLMSG_NEXT(nh, n->len);
		if (nh->nlmsg_type == RTM_NEWNEIGH || nh->nlmsg_type == RTM_DELNEIGH) {
			if (take(n, nh, a))
				return true;
		} else if (n->dumping && msg_ends(nh, &n->nl, &ret)) {
			n->dumping = false;
			/* An interrupted dump may lack entries; changes have notifications (CFG-17) */
			if (nh->nlmsg_type == NLMSG_DONE && !(nh->nlmsg_flags & NLM_F_DUMP_INTR))
				sweep(n);
		}
	}
	n->len = 0;
	return false;
}

int neigh_read(struct neighs *n)
{
	n->next = (const void *)datagram;
	n->len = nl_recv(&n->nl, datagram, sizeof(datagram));
	if (n->len >= 0)
		return 0;
	if (n->len != -ENOBUFS && n->len != -EMSGSIZE)
		return -EAGAIN;			/* no other errors exist */
	n->lost = true;
	return -ENOBUFS;
}

/* Starts a dump: 0, or -errno; -EBUSY while one is under way */
static int neigh_dump(struct neighs *n)
{
	const struct net_ip *ip = n->net->ip;
	const struct ndmsg ndm = { .ndm_family = AF_UNSPEC };
	struct req r;
	int rc;

	if (n->dumping)
		return -EBUSY;
	req_start(&r, RTM_GETNEIGH, NLM_F_DUMP, &ndm, sizeof(ndm));
	if (ip[V4].ifindex == ip[V6].ifindex || !ip[V4].ifindex != !ip[V6].ifindex)
		req_attr_u32(&r, NDA_IFINDEX, ip[V4].ifindex ? ip[V4].ifindex : ip[V6].ifindex);
	rc = nl_ask(&n->nl, &r);
	if (rc)
		return rc;
	n->dumping = true;
	n->lost = false;
	n->round++;
	return 0;
}

void neigh_asked(struct neighs *n, const struct addr *a)
{
	if (n->ll || !n->net || n->nl.fd < 0 || addr_is_v4(a) || !addr_is_linklocal(a) || !is_neighbour(n->net, a))
		return;
	n->ll = true;
	neigh_filter(n, true);
	if (neigh_dump(n))
		n->lost = true;
}

void neigh_moved(struct neighs *n)
{
	if (n->nl.fd < 0)
		return;
	neigh_filter(n, false);
	n->lost = n->dirty = true;
}

int neigh_again(struct neighs *n)
{
	if (n->lost)
		return neigh_dump(n);
	if (!n->dirty || n->dumping)
		return 0;
	n->dirty = false;
	return neigh_filter(n, true);
}

int neigh_start(struct neighs *n, const struct net *net)
{
	const int group = RTNLGRP_NEIGH;
	struct addr a;
	int rc;

	n->net = net;
	n->nl.fd = -1;
	if (!net->cf->follow && !net->ip[V4].ifindex && !net->ip[V6].ifindex)
		return -ENODEV;
	random_bytes(n->key, sizeof(n->key));
	rc = nl_open(&n->nl, NETLINK_ROUTE);
	if (rc)
		return rc;
	rc = neigh_filter(n, false);
	if (rc)
		debug("Neighbours: no filter for notifications: %s", errno_text(-rc));
	rc = setsockopt(n->nl.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) ? -errno : neigh_dump(n);
	if (rc) {
		nl_close(&n->nl);
		return rc;
	}
	for (unsigned i = 0; n->dumping && i < START_MAX && neigh_read(n) != -EAGAIN; i++)
		while (neigh_next(n, &a))
			;
	neigh_again(n);
	return n->nl.fd;
}
