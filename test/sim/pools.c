/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pools.c - tcp_buf.c and tcp_recover.c, and how much of its pools is in use: nothing, once all flows are gone */
#include "../../tcp_buf.c"
#include "../../tcp_recover.c"
#include "pools.h"

static uint16_t slots_gone;

static unsigned used(const struct pool *p)
{
	unsigned n = p->unused;

	for (uint32_t i = p->free; i; i = p->next[i])
		n--;
	return n;
}

unsigned pools_used(void)
{
	unsigned slots = recovers_unused - slots_gone;

	for (uint16_t i = recovers_free; i; i = recovers[i].next)
		slots--;
	return used(&stash) + used(&gap_pool) + used(&keep) + stash_promised + slots;
}

void pools_blocks(unsigned n)
{
	gap_used = n ? GAP_BLOCKS - n : 0;
}

void pools_slots(bool none)
{
	recovers_unused = slots_gone = none ? RECOVER_SLOTS : 0;
	recovers_free = 0;
}
