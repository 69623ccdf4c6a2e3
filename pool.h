/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool.h - numbers of a static table's entries, last in first out
 *
 * Numbers count from 1, so that a zeroed structure has none. Entries above @unused were never used, and are on no free
 * list: their memory stays untouched.
 */
#ifndef POOL_H
#define POOL_H

#include <stdint.h>

#define POOL_NONE	0

struct pool {
	uint32_t	size, unused, free, used;
	uint32_t	*next;		/* of @size + 1 entries */
};

/* An entry's number, or POOL_NONE */
static inline uint32_t pool_get(struct pool *p)
{
	uint32_t i = p->free;

	if (i)
		p->free = p->next[i];
	else if (p->unused < p->size)
		i = ++p->unused;
	if (i) {
		p->next[i] = POOL_NONE;
		p->used++;
	}
	return i;
}

static inline void pool_put(struct pool *p, uint32_t i)
{
	p->next[i] = p->free;
	p->free = i;
	p->used--;
}

#endif /* POOL_H */
