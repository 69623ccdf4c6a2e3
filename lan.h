/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan.h - the switch between guests of one network (--lan): a table of MAC addresses, and frames from guest to guest
 *
 * Known unicast goes to one guest, all else to all others. Frames to our address are for us, broadcast and multicast
 * for us as well. A frame that a guest's link has no room for is lost, and counted: nobody waits for anybody.
 *
 * A guest has the MAC addresses that it sends from, up to LAN_MACS. The first is its own as long as it is connected;
 * others are forgotten LAN_AGE after they were last seen. Nobody else may send from them meanwhile.
 *
 * Datagrams to a group go to its members, if it has any.
 */
#ifndef LAN_H
#define LAN_H

#include "addr.h"
#include "drop.h"
#include "timer.h"

#define LAN_MACS	16		/* of a guest: bridges behind it */
#define LAN_AGE		300000		/* ms: IEEE 802.1Q 8.8.3, its recommended ageing time */
#define LAN_HASH	(GUEST_MAX * LAN_MACS)
#define LAN_NOBODY	UINT_MAX
#define LAN_GROUPS	64		/* of a guest; one with more gets all */
#define GROUP_HASH	(GUEST_MAX * LAN_GROUPS)

struct ctx;
struct guest;
struct raw;
struct pkt;

struct lan_entry {
	struct mac	mac;			/* zero: free */
	uint16_t	next;			/* number of the next one of its chain and 1, 0: none */
	uint64_t	seen;			/* ms */
};

/* A group that a guest is a member of */
struct lan_group {
	struct addr	a;
	uint64_t	until;			/* ms, 0: free */
	uint16_t	next;			/* as lan_entry's */
};

struct lan_groups {
	struct timer	timer;			/* next query; armed while there are members */
	unsigned	known[FAMILIES];	/* entries */
	struct guests	queried[FAMILIES];	/* since there are members; */
	struct guests	reported;		/* that have sent a report of MLD */
	uint64_t	all[FAMILIES][GUEST_MAX];	/* ms, until which it gets all groups; */
	uint64_t	router[GUEST_MAX];	/* and reports, as it sends queries */
	uint8_t		has[GUEST_MAX];		/* entries of a guest */
	uint16_t	head[GROUP_HASH];
	struct lan_group e[GUEST_MAX][LAN_GROUPS];
};

struct lan {
	uint64_t	key[2];			/* of the hash */
	unsigned	copies;			/* of frames of the present batch, to guests */
	struct guests	borrowers;		/* with frames of the present batch that are not copied */
	uint8_t		last[GUEST_MAX];	/* entry of a guest that was seen last */
	uint16_t	head[LAN_HASH];		/* number of a chain's first entry and 1, 0: none */
	struct lan_entry e[GUEST_MAX][LAN_MACS];
	struct lan_groups groups;
};

void lan_start(struct lan *l);

/* A frame from @mac of @guest. DROP_OWNER: another guest has the address, DROP_NO_RESOURCE: it has LAN_MACS others */
enum drop lan_learn(struct lan *l, unsigned guest, const struct mac *mac, uint64_t now);

/* The guest that has @mac, or LAN_NOBODY */
unsigned lan_find(const struct lan *l, const struct mac *mac, uint64_t now);

/* The guest is gone */
void lan_forget(struct lan *l, unsigned guest);

/* lan_send.c */

/**
 * lan_input() - a frame of guest @g, on its way to others
 * @ours:	filled in: it is for us, or for us as well
 *
 * Return: DROP_NONE, or the reason to drop it; then, it isn't ours either
 */
enum drop lan_input(struct ctx *c, struct guest *g, const struct raw *raw, bool *ours);

/* The batch of @g is consumed, of @n frames; before tap_recv_done() */
void lan_settle(struct ctx *c, struct guest *g, unsigned n);

/* lan_group.c */

/**
 * lan_group_report() - learns from a packet of a guest, whose addresses were checked
 *
 * Return: true if it is a report, or a leave: for lan_group_routers() only
 */
bool lan_group_report(struct ctx *c, struct guest *g, const struct raw *raw, const struct pkt *p);

/* Limits @set, of guests, to those that send queries; to those that datagrams to group @a are for */
void lan_group_routers(const struct ctx *c, struct guests *set);
void lan_group_members(struct ctx *c, const struct addr *a, struct guests *set);

/* The next query */
void lan_group_timeout(struct ctx *c);

/* The guest's device is set up; the guest is gone */
void lan_group_up(struct ctx *c, const struct guest *g);
void lan_group_forget(struct lan *l, unsigned guest);

#endif /* LAN_H */
