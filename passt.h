/* SPDX-License-Identifier: GPL-2.0-or-later */
/* passt.h - the running process: one member per owning module, nothing else */
#ifndef PASST_H
#define PASST_H

#include "conf.h"
#include "flow.h"
#include "fwd.h"
#include "log.h"
#include "neigh.h"
#include "packet.h"
#include "pmtu.h"
#include "tap.h"
#include "timer.h"

#define GUEST_MAX	1

#define TOLD		512		/* addresses */

/* MAC addresses that a guest was told, by address (neigh_hash()): their changes concern it */
struct told {
	struct addr	a, to;		/* to: the guest's address that it was told */
	struct mac	mac;
};

/* What belongs to one guest: its link, what was learned of it, what was dropped on its behalf */
struct guest {
	struct tap	tap;
	struct mac	mac;		/* last source MAC address seen; broadcast until then */
	struct mac	device;		/* of its own interface; zero if that is not known */
	struct seen	seen;
	struct pmtus	pmtu;		/* of whom it forwards to */
	struct senders	senders;	/* TCP flows that share the link's queue to us */
	uint64_t	drops[DROP_COUNT];
	uint32_t	sockets;	/* of its datagram flows: what listeners have is not among them */
	struct timer	link;		/* when a link that is out of memory is tried again */
	struct timer	ndp;		/* unsolicited router advertisements */
	unsigned	adverts;	/* sent so far */
	struct timer	probe;		/* until the guest has spoken */
	unsigned	probe_wait;	/* ms until the next one */
	struct told	told[TOLD];
	uint64_t	icmp_next;	/* rate limit of ICMP errors: ms at which the next one is due on average */
};

struct ctx {
	const struct conf *cf;
	struct guest	guest[GUEST_MAX];
	struct flows	flows;
	struct fwd	fwd;
	struct wheel	wheel;
	struct neighs	neigh;
	struct timer	neigh_again;	/* reads all of them again */
	uint32_t	sockets_max;	/* of one guest's datagram flows, 0: as many as there are */
	struct {
		struct timer	timer;	/* when listening sockets that wait for a descriptor are looked at again */
		int		guest;	/* the one for guests if it waits, or -1 */
		uint32_t	fds;	/* that the process may have (RLIMIT_NOFILE) */
	} accept;
	int		epfd;
	struct {
		uint64_t	flows, bytes;
	} splice;			/* so far */
	pid_t		pid;		/* ours, as the outside has it */
	uint64_t	now;		/* ms, read once per wakeup */
	uint64_t	awake_until;	/* us: with --busy-poll, no sleep before */
	int		link_error;	/* -errno: the guest is gone */
	uint64_t	secret[2];	/* key of initial sequence numbers (RFC 6528) */
};

static inline void drop_count(struct guest *g, enum drop why)
{
	g->drops[why]++;
}

/* Largest IP packet to the guest */
static inline uint32_t guest_mtu(const struct ctx *c, const struct guest *g)
{
	return c->cf->mtu ? MIN(c->cf->mtu, g->tap.caps.mtu) : g->tap.caps.mtu;
}

/* Largest IP packet that is a datagram to @a, at the guest or behind it */
static inline uint32_t guest_pmtu(const struct ctx *c, const struct guest *g, const struct addr *a)
{
	uint32_t link = guest_mtu(c, g), path = pmtu_get(&g->pmtu, a, link, c->now);

	return path < link && addr_is_v4(a) ? MIN(MAX(path, PMTU_DGRAM4), link) : path;
}

/* Guest a flow belongs to */
static inline struct guest *flow_guest(struct ctx *c, const struct flow *f)
{
	return &c->guest[f->guest];
}

/* Ethernet addresses and defaults of a header towards the guest */
struct net_hdr net_hdr_to_guest(const struct ctx *c, const struct guest *g, const struct end *src, const struct end *dst);

#endif /* PASST_H */
