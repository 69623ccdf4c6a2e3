/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pools.c - tcp_buf.c, and how much of its pools is in use: nothing, once all flows are gone */
#include "../../tcp_buf.c"
#include "pools.h"

static unsigned used(const struct pool *p)
{
	unsigned n = p->unused;

	for (uint32_t i = p->free; i; i = p->next[i])
		n--;
	return n;
}

unsigned pools_used(void)
{
	return used(&stash) + used(&gap_pool) + used(&keep) + stash_promised;
}

void pools_blocks(unsigned n)
{
	gap_used = n ? GAP_BLOCKS - n : 0;
}
