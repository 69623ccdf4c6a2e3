/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest.h - one guest: its link, its addresses as learned, its drops and timers */
#ifndef GUEST_H
#define GUEST_H

#include "lease.h"
#include "map.h"
#include "packet.h"
#include "pmtu.h"
#include "tap.h"

struct ctx;
struct frags;
struct asks;
struct policy;

#define GUEST_CAME_EVERY 1000		/* ms: an interface that comes up is noticed */
#define TOLD_SETS	64		/* a power of two */
#define TOLD_WAYS	8

/* A MAC address sent to the guest: its changes are announced. In a set by its address (neigh_hash()), the last first:
 * the oldest of a set gives way.
 */
struct told {
	struct addr	a, to;		/* to: the guest's address that it was sent to */
	struct mac	mac;
};

/* So far; names and texts are in counters.c */
struct counts {
	uint64_t tcp_retransmissions, tcp_timeouts, tcp_probes, tcp_spurious, tcp_resets_sent, tcp_resets_received,
		tcp_refused, tcp_stalls, tcp_out_of_order, tcp_gaps_dropped;
};

struct guest {
	struct tap	tap;
	struct frags	*frags;		/* incomplete datagrams */
	int		link_error;	/* -errno: the link is lost, for attach_lost() */
	uint8_t		index;		/* in ctx.guest */
	struct policy	*policy;	/* for flows that it begins; NULL: all are allowed */
	struct asks	*asks;		/* those that wait for an answer */
	struct mac	mac;		/* last source MAC address seen; broadcast until then */
	struct mac	first;		/* source of the connection's first frame, which may be of any kind */
	struct mac	device;		/* of its own interface; zero if that is not known */
	bool		bridged;	/* with --lan: more than one of them was seen */
	struct seen	seen;
	uint32_t	checked[FAMILIES];	/* leases.moves when seen.addr was last found to be its own */
	struct pmtus	pmtu;		/* of paths behind it */
	struct senders	senders;	/* TCP flows that share the link's queue to us */
	uint64_t	drops[DROP_WAITS + 1];	/* the last one of none that are dropped */
	struct counts	count;
	struct tap_stats before;	/* of the link, */
	uint64_t	drops_before;	/* and of @drops: when it connected */
	uint32_t	sockets;	/* of its datagram flows, without listeners' */
	uint64_t	came_next;	/* ms, before which it is not noticed that its interface came up */
	bool		fresh;		/* connected, and nothing has come yet */
	bool		trial;		/* one too many: the first frame decides */
	uint64_t	since;		/* ms: connected */
	struct timer	patience;	/* end of the trial */
	struct timer	link;		/* next try of a link that is out of memory */
	struct timer	ndp;		/* unsolicited router advertisements */
	unsigned	adverts;	/* sent since the settings changed */
	uint64_t	advert_at;	/* ms: last one */
	struct timer	probe;		/* until the guest has spoken */
	unsigned	probe_wait;	/* ms until the next one */
	struct told	told[TOLD_SETS][TOLD_WAYS];
	uint64_t	icmp_next;	/* rate limit of ICMP errors: ms at which the next one is due on average */
};

static inline void drop_count(struct guest *g, enum drop why)
{
	g->drops[why]++;
}

/* Is @a the address that the guest has last sent from, and its own still? */
static inline bool guest_checked(const struct guest *g, const struct leases *t, const struct addr *a)
{
	return addr_eq(a, &g->seen.addr[addr_family(a)]) && g->checked[addr_family(a)] == t->moves;
}

/* All that are counted in @g->drops */
uint64_t guest_drops(const struct guest *g);

/* All guests, at start: none has a link */
void guest_init(struct ctx *c);

/* MAC address of guest @g at address @a */
struct mac guest_mac_at(const struct ctx *c, const struct guest *g, const struct addr *a);

/* Nothing was learned of it yet */
void guest_forget(struct ctx *c, struct guest *g);

/* Has it sent anything yet? Until then, its MAC address is the broadcast one. */
bool guest_heard(const struct guest *g);

/* Learns from a packet's source: the guest's MAC address, and its address unless that is the target of a rule. False:
 * the address is another guest's, or ours.
 */
bool guest_learn(struct ctx *c, struct guest *g, const struct pkt *p);

/* The guest is sent @t */
void guest_tell(const struct ctx *c, struct guest *g, const struct told *t);

/* What it was sent for address @a; NULL: nothing, or it gave way */
const struct told *guest_told(const struct ctx *c, const struct guest *g, const struct addr *a);

#endif /* GUEST_H */
