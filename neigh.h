/* SPDX-License-Identifier: GPL-2.0-or-later */
/* neigh.h - MAC addresses of the host's neighbours, as the host's kernel knows them
 *
 * To the guest, hosts on the host's segment are neighbours with their own MAC addresses. The table follows the kernel's
 * (rtnetlink(7)): a dump at start, then a notification for each change. All other addresses have our MAC address: hosts
 * unknown to the kernel, and addresses that are, or stand for, the host itself.
 *
 * One table for the process, as it is about the host. Neighbours can fill it up: the oldest of a few entries gives way.
 */
#ifndef NEIGH_H
#define NEIGH_H

#include "net.h"
#include "netlink.h"

#define NEIGH_SETS	256		/* a power of two */
#define NEIGH_WAYS	4
#define NEIGH_MAX	(NEIGH_SETS * NEIGH_WAYS)

/* States in which the kernel knows the MAC address */
#define NEIGH_STATES	(NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

struct neigh {
	struct addr	a;
	struct mac	mac;
	bool		used;
	bool		filtered;	/* notifications with both addresses are dropped */
	uint8_t		round;		/* last dump it was seen in, or after */
	uint32_t	age;		/* of the last message about it */
};

struct neighs {
	const struct net *net;
	struct nl	nl;		/* in the host's namespace; -1: none */
	bool		dumping;	/* a dump is under way */
	bool		lost;		/* notifications may have been lost since it began: another dump is due */
	bool		ll;		/* a guest has asked for an IPv6 link-local neighbour */
	bool		dirty;		/* the table has changed since the filter was made */
	uint8_t		round;		/* of dumps */
	uint32_t	clock;		/* of messages */
	uint32_t	count;		/* entries used */
	uint64_t	key[2];
	struct neigh	e[NEIGH_MAX];
	const struct nlmsghdr *next;	/* the rest of the datagram that is being read, in neigh.c */
	ssize_t		len;
};

/**
 * neigh_start() - learn the neighbours of the template interfaces, and follow them from now on
 * @net:	kept
 *
 * In the host's network namespace, before the seccomp filter: opens a socket. Returns with the kernel's whole table.
 *
 * Return: descriptor to wait for (EPOLLIN), or -errno; -ENODEV without an interface
 */
int neigh_start(struct neighs *n, const struct net *net);

/* Is a dump, or a new filter, due? It may wait. */
static inline bool neigh_waits(const struct neighs *n)
{
	return n->lost || (n->dirty && !n->dumping);
}
/* Starts it: 0, or -errno; -EBUSY: later */
int neigh_again(struct neighs *n);

/* Template interfaces, or addresses that stand for the host, changed: another dump is due */
void neigh_moved(struct neighs *n);

/* Filter for notifications; @known: also against those that repeat the table. 0, or -errno: the one before stays */
int neigh_filter(struct neighs *n, bool known);

/* Next datagram: 0, -EAGAIN if there is none, or -ENOBUFS if some were lost, which sets @n->lost */
int neigh_read(struct neighs *n);

/* Next neighbour of that datagram whose MAC address is new or confirmed, in @a; false at its end */
bool neigh_next(struct neighs *n, struct addr *a);

/* A guest was sent the MAC address of @a. Link-local neighbours are followed from the first of these on. */
void neigh_asked(struct neighs *n, const struct addr *a);

/* Hash of @a, keyed: 32 bits, the lowest ones are good */
uint32_t neigh_hash(const struct neighs *n, const struct addr *a);

const struct mac *neigh_find(const struct neighs *n, const struct net *net, const struct addr *a,
			     const struct mac *guest);

/* MAC address that @a has for the guest @guest: the neighbour's or ours, and never the guest's own */
static inline const struct mac *neigh_mac(const struct neighs *n, const struct net *net, const struct addr *a,
					  const struct mac *guest)
{
	return n->count ? neigh_find(n, net, a, guest) : &net->cf->our_mac;
}

#endif /* NEIGH_H */
