/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pools.h - entries of pools in use, and bytes promised */
#ifndef POOLS_H
#define POOLS_H

#include <stdbool.h>

unsigned pools_used(void);

/* Blocks for queues behind gaps that there are, 0: as usual. None is in use. */
void pools_blocks(unsigned n);

/* State for flows with a loss: as usual, or there is none left */
void pools_slots(bool none);

/* Stash: as usual, or all of it is promised */
void pools_stash(bool none);

#endif /* POOLS_H */
