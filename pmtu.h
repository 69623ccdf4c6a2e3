/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pmtu.h - path MTUs behind the guest, as routers there reported them (RFC 1191, RFC 8201)
 *
 * By destination address, in a table of one guest. An entry is forgotten after ten minutes, or if another address takes
 * its place: packets are then too large once more, and reported again.
 */
#ifndef PMTU_H
#define PMTU_H

#include "addr.h"

#define PMTU_SLOTS	64
#define PMTU_AGE	600000		/* ms: RFC 1191 6.3, RFC 8201 5.3 */

/* A report can't bring packets below these sizes. IPv4: segments of 88 bytes, as small as a SYN's MSS can make them. */
#define PMTU_MIN4	128
#define PMTU_MIN6	1280		/* RFC 8201 4: a report of less is dropped */
#define PMTU_DGRAM4	552		/* of datagrams without DF, which routers fragment further */

struct pmtus {
	struct {
		struct addr	a;
		uint32_t	mtu;
		uint64_t	until;	/* ms; 0: free */
	} slot[PMTU_SLOTS];
	uint64_t	until;		/* all entries are old then, and need no look */
};

/* A packet to @a was too large, one of @mtu bytes is not. Return: false if that was known already */
bool pmtu_set(struct pmtus *ps, const struct addr *a, uint32_t mtu, uint64_t now);

/* The next smaller MTU in use, where a router does not report one (RFC 1191 7) */
uint32_t pmtu_plateau(uint32_t len);

uint32_t pmtu_find(const struct pmtus *ps, const struct addr *a, uint32_t mtu, uint64_t now);

/* Largest packet to @a, on a link of this @mtu */
static inline uint32_t pmtu_get(const struct pmtus *ps, const struct addr *a, uint32_t mtu, uint64_t now)
{
	return now < ps->until ? pmtu_find(ps, a, mtu, now) : mtu;
}

#endif /* PMTU_H */
