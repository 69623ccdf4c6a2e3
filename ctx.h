/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctx.h - the running process: one member per owning module, nothing else */
#ifndef CTX_H
#define CTX_H

#include "flow.h"
#include "flow_log.h"
#include "guest.h"
#include "lan.h"
#include "lease.h"
#include "log.h"
#include "neigh.h"
#include "net.h"
#include "timer.h"

struct ctx {
	struct net	net;
	struct guest	guest[GUEST_MAX];
	struct leases	leases;		/* on a network of their own (--lan) */
	unsigned	guests;		/* that may be connected at once, be it on trial: the first ones */
	struct guests	here;		/* with a link; */
	struct guests	work;		/* that the end of the turn has to look after; */
	struct guests	lost;		/* whose link is lost, for attach_lost() */
	bool		again;		/* there is work without an event */
	uint8_t		last;		/* guest whose flow had a turn last */
	struct lan	lan;
	struct flows	flows;
	struct fwd	fwd;
	struct wheel	wheel;
	struct neighs	neigh;
	struct timer	neigh_again;	/* next reading of all of them */
	uint32_t	sockets_max;	/* of one guest's datagram flows, 0: any number */
	struct {
		struct timer	timer;	/* next try of listening sockets that wait for a descriptor */
		int		guest;	/* the one for guests if it waits, or -1 */
		uint32_t	fds;	/* that the process may have (RLIMIT_NOFILE) */
	} accept;
	struct {
		struct policy	*policy; /* of all guests, or NULL */
		uint32_t	since;	/* id of the last flow before it */
		struct nl	nl;	/* in the host's namespace, or closed: whose is an address? */
	} egress;
	struct {
		uint8_t		first;	/* resolver that answered last, the first one until @until */
		uint64_t	until;	/* ms */
		uint64_t	asked;	/* queries so far */
	} resolve;
	struct flow_log	flow_log;
	struct {
		uint64_t	last;	/* number of the latest question */
		struct timer	news;	/* due: there is one that nobody was asked yet */
	} ask;
	struct rivals	rivals;		/* guests that send by TCP */
	int		epfd;
	struct {
		uint64_t	flows, bytes;
	} splice;			/* so far */
	pid_t		pid;		/* ours, in the outer PID namespace */
	uint64_t	now, now_us;	/* ms, and the same in us: read once per wakeup */
	uint64_t	behind_until;	/* ms: we were stopped, and events come before timers, see is_behind() */
	uint64_t	awake_until;	/* us: with --busy-poll, no sleep before */
	uint64_t	secret[2];	/* key of initial sequence numbers (RFC 6528) */
};

/* Takes a guest out of @set, or NULL: for (struct guests set = c->here; (g = guest_next(c, &set));) */
static inline struct guest *guest_next(struct ctx *c, struct guests *set)
{
	int i = guests_take(set);

	return i < 0 ? NULL : &c->guest[i];
}

/* Largest IP packet to the guest */
static inline uint32_t guest_mtu(const struct ctx *c, const struct guest *g)
{
	return c->net.cf->mtu ? MIN(c->net.cf->mtu, g->tap.caps.mtu) : g->tap.caps.mtu;
}

/* Largest IP packet that is a datagram to @a, at the guest or behind it */
static inline uint32_t guest_pmtu(const struct ctx *c, const struct guest *g, const struct addr *a)
{
	uint32_t link = guest_mtu(c, g), path = pmtu_get(&g->pmtu, a, link, c->now);

	return path < link && addr_is_v4(a) ? MIN(MAX(path, PMTU_DGRAM4), link) : path;
}

/* Guest of a rule: the only one, wherever it is connected */
static inline struct guest *guest_of(struct ctx *c, unsigned index)
{
	int only = c->net.cf->guests > 1 ? -1 : guests_first(&c->here, 0);

	return &c->guest[only < 0 ? index : (unsigned)only];
}

/* Guest a flow belongs to */
static inline struct guest *flow_guest(struct ctx *c, const struct flow *f)
{
	return &c->guest[f->guest];
}

/* Ethernet addresses and defaults of a header towards the guest */
static inline struct net_hdr guest_hdr(const struct ctx *c, const struct guest *g, const struct end *src,
				       const struct end *dst)
{
	return (struct net_hdr){
		.dmac = g->bridged ? guest_mac_at(c, g, &dst->a) : g->mac,
		.smac = *neigh_mac(&c->neigh, &c->net, &src->a, &g->mac),
		.src = *src, .dst = *dst, .ttl = 255,
	};
}

#endif /* CTX_H */
