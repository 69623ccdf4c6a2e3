/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pools.c - tcp_buf.c and tcp_recover.c, and how much of its pools is in use: nothing, once all flows are gone */
#include "../../tcp_buf.c"
#include "../../tcp_recover.c"
#include "pools.h"

static uint16_t slots_gone;
static uint32_t stash_gone;

static unsigned used(const struct pool *p)
{
	unsigned n = p->unused;

	for (uint32_t i = p->free; i; i = p->next[i])
		n--;
	return n;
}

unsigned pools_used(void)
{
	return used(&stash) + used(&gap_pool) + used(&keep) + stash_promised - stash_gone +
	       used(&recover_slots) - slots_gone;
}

void pools_blocks(unsigned n)
{
	gap_pool.used = n ? GAP_BLOCKS - n : 0;
}

void pools_slots(bool none)
{
	recover_slots.unused = slots_gone = none ? RECOVER_SLOTS : 0;
	recover_slots.free = 0;
}

void pools_stash(bool none)
{
	stash_promised = stash_gone = none ? STASH_BLOCKS * STASH_BLOCK : 0;
}
