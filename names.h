/* SPDX-License-Identifier: GPL-2.0-or-later */
/* names.h - names that a guest was given addresses for: grants
 *
 * A grant is a name and one address, learned from an answer of the program's resolver to a query of that guest's. It
 * holds for the answer's time to live, for GRANT_TIME at least, and as long as a flow lives that was allowed by it. The
 * table is bounded; the oldest grant without a flow makes room for a new one.
 */
#ifndef NAMES_H
#define NAMES_H

#include "ctx.h"
#include "dns.h"

#define GRANT_TIME	60		/* s, at least */
#define GRANT_MOST	DNS_TTL_MOST	/* s, at most */
#define GRANTS_EACH	64		/* names of one address */

struct grant {
	struct addr	a;
	uint64_t	until;		/* ms */
	uint16_t	chain;		/* number of the next one of the same hash; 0: there is none */
	uint16_t	older, newer;	/* the same by age */
	uint8_t		guest;
	uint8_t		len;		/* of @name; 0: the entry is free */
	char		name[DNS_NAME_LEN + 1];
};

/* Name of an address, in an answer with a time to live in s: false if there is no room for it */
bool names_grant(struct ctx *c, const struct guest *g, const char *name, const struct addr *a, uint32_t ttl);

/* Number of the next name that is granted for an address, behind number @after, the latest first; 0: there is none */
uint16_t names_next(struct ctx *c, const struct guest *g, const struct addr *a, uint16_t after);

/* Its text, valid until the next grant */
const char *names_text(uint16_t grant);

/* Number of the grant of exactly that name, or 0 */
uint16_t names_find(struct ctx *c, const struct guest *g, const struct addr *a, const char *name);

/* The name last granted for an address, or NULL */
const char *names_of(struct ctx *c, const struct guest *g, const struct addr *a);

/* Nothing was granted to the guest */
void names_forget(const struct guest *g);

#endif /* NAMES_H */
