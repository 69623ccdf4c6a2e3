/* SPDX-License-Identifier: GPL-2.0-or-later */
/* names.c - names that a guest was given addresses for: a hash by guest and address, and a list by age
 *
 * A guest may have all of the table, as one process has one guest. Expired grants stay until they are the oldest: a
 * look-up passes them over.
 */
#include <string.h>

#include "names.h"

#define SLOTS		8192		/* a power of two */
#define ROOM_TRIES		256		/* old ones that are looked at for room, as flows live by some */

static struct grant grant[GRANTS_MAX + 1];	/* from 1 on */
static uint16_t slot[SLOTS];
static uint16_t oldest, newest;			/* all that are in use */
static uint16_t unused = 1, freed;		/* the first that never was; a list by @chain of those that were */

static uint16_t *chain_of(const struct ctx *c, const struct guest *g, const struct addr *a)
{
	uint64_t key[] = { a->q[0], a->q[1], g->index };

	return &slot[siphash(c->secret, key, sizeof(key)) % SLOTS];
}

static bool is_for(const struct grant *k, const struct guest *g, const struct addr *a)
{
	return k->guest == g->index && addr_eq(&k->a, a);
}

/* Does it hold? */
static bool holds(const struct ctx *c, uint16_t i)
{
	return c->now < grant[i].until || c->flows.granted[i];
}

/* Number of an address' next entry behind number @after: the one of @name, or if that is NULL, one that holds */
static uint16_t entry_next(const struct ctx *c, const struct guest *g, const struct addr *a, uint16_t after,
			   const char *name)
{
	uint16_t i = after ? grant[after].chain : *chain_of(c, g, a);

	while (i && !(is_for(&grant[i], g, a) && (name ? !strcmp(grant[i].name, name) : holds(c, i))))
		i = grant[i].chain;
	return i;
}

static void age_remove(uint16_t i)
{
	const struct grant *k = &grant[i];

	*(k->older ? &grant[k->older].newer : &oldest) = k->newer;
	*(k->newer ? &grant[k->newer].older : &newest) = k->older;
}

static void age_add(uint16_t i)
{
	grant[i].older = newest;
	grant[i].newer = 0;
	*(newest ? &grant[newest].newer : &oldest) = i;
	newest = i;
}

static void take_back(uint16_t *at)
{
	uint16_t i = *at;

	*at = grant[i].chain;
	age_remove(i);
	grant[i].len = 0;
	grant[i].chain = freed;
	freed = i;
}

/* The place in its chain that refers to entry @i */
static uint16_t *link_of(const struct ctx *c, uint16_t i)
{
	uint16_t *at = chain_of(c, &c->guest[grant[i].guest], &grant[i].a);

	while (*at != i)
		at = &grant[*at].chain;
	return at;
}

/* Takes back the oldest grant that no flow lives by: false if there is none nearby, but others are nearby next time */
static bool make_room(const struct ctx *c)
{
	for (unsigned n = 0; n < ROOM_TRIES && oldest; n++) {
		uint16_t i = oldest;

		if (!c->flows.granted[i]) {
			take_back(link_of(c, i));
			return true;
		}
		age_remove(i);
		age_add(i);
	}
	return false;
}

/* Room among the names of one address: of too many, the one granted first that no flow lives by goes */
static bool make_room_here(const struct ctx *c, const struct guest *g, const struct addr *a)
{
	uint16_t *last = NULL;
	unsigned n = 0;

	for (uint16_t *at = chain_of(c, g, a); *at; at = &grant[*at].chain) {
		if (!is_for(&grant[*at], g, a))
			continue;
		n++;
		if (!c->flows.granted[*at])
			last = at;
	}
	if (n >= GRANTS_EACH && last)
		take_back(last);
	return n < GRANTS_EACH || last;
}

/* A free entry, or 0 */
static uint16_t entry(const struct ctx *c)
{
	uint16_t i;

	if (!freed && unused <= GRANTS_MAX)
		return unused++;
	if (!freed && !make_room(c))
		return 0;
	i = freed;
	freed = grant[i].chain;
	return i;
}

bool names_grant(struct ctx *c, const struct guest *g, const char *name, const struct addr *a, uint32_t ttl)
{
	uint64_t until = c->now + 1000ULL * MIN(MAX(ttl, GRANT_TIME), GRANT_MOST);
	uint16_t i = entry_next(c, g, a, 0, name), *first;

	if (i) {				/* again: the latest, as of now */
		until = MAX(until, grant[i].until);
		*link_of(c, i) = grant[i].chain;
		age_remove(i);
	} else if (!make_room_here(c, g, a) || !(i = entry(c))) {
		return false;
	}
	first = chain_of(c, g, a);
	grant[i].a = *a;
	grant[i].until = until;
	grant[i].guest = g->index;
	grant[i].len = (uint8_t)strnlen(name, DNS_NAME_LEN);
	memmove(grant[i].name, name, grant[i].len);
	grant[i].name[grant[i].len] = '\0';
	grant[i].chain = *first;
	*first = i;
	age_add(i);
	return true;
}

uint16_t names_next(struct ctx *c, const struct guest *g, const struct addr *a, uint16_t after)
{
	return entry_next(c, g, a, after, NULL);
}

const char *names_text(uint16_t i)
{
	return grant[i].name;
}

uint16_t names_find(struct ctx *c, const struct guest *g, const struct addr *a, const char *name)
{
	uint16_t i = entry_next(c, g, a, 0, name);

	return i && holds(c, i) ? i : 0;
}

const char *names_of(struct ctx *c, const struct guest *g, const struct addr *a)
{
	uint16_t i = names_next(c, g, a, 0);

	return i ? grant[i].name : NULL;
}

void names_forget(const struct guest *g)
{
	for (unsigned s = 0; oldest && s < SLOTS; s++) {
		for (uint16_t *at = &slot[s]; *at;) {
			if (grant[*at].guest == g->index)
				take_back(at);
			else
				at = &grant[*at].chain;
		}
	}
}
