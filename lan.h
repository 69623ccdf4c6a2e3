/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan.h - the switch between guests of one network (--lan): a table of MAC addresses, and frames from guest to guest
 *
 * Known unicast goes to one guest, all else to all others. Frames to our address are for us, broadcast and multicast
 * for us as well. A frame that a guest's link has no room for is lost, and counted: nobody waits for anybody.
 *
 * A guest has the MAC addresses that it sends from, up to LAN_MACS. The first is its own as long as it is connected;
 * others are forgotten LAN_AGE after they were last seen. Nobody else may send from them meanwhile.
 */
#ifndef LAN_H
#define LAN_H

#include "addr.h"
#include "drop.h"

#define LAN_MACS	16		/* of a guest: bridges behind it */
#define LAN_AGE		300000		/* ms: IEEE 802.1Q 8.8.3, its recommended ageing time */
#define LAN_HASH	(GUEST_MAX * LAN_MACS)
#define LAN_NOBODY	UINT_MAX

struct ctx;
struct guest;
struct raw;

struct lan_entry {
	struct mac	mac;			/* zero: free */
	uint16_t	next;			/* number of the next one of its chain and 1, 0: none */
	uint64_t	seen;			/* ms */
};

struct lan {
	uint64_t	key[2];			/* of the hash */
	uint8_t		last[GUEST_MAX];	/* entry of a guest that was seen last */
	uint16_t	head[LAN_HASH];		/* number of a chain's first entry and 1, 0: none */
	struct lan_entry e[GUEST_MAX][LAN_MACS];
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

#endif /* LAN_H */
