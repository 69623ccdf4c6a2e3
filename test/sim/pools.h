/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pools.h - entries of stash and keep in use, and bytes promised */
#ifndef POOLS_H
#define POOLS_H

unsigned pools_used(void);

/* Blocks for queues behind gaps that there are, 0: as usual. None is in use. */
void pools_blocks(unsigned n);

#endif /* POOLS_H */
