/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shuffle.h - batches of the guest in random order */
#ifndef SHUFFLE_H
#define SHUFFLE_H

#include "run.h"

/* One connection, some batches: true if of each, what a slow reference takes was taken, and acknowledged once */
bool shuffle_run(struct run *r, uint64_t seed);

#endif /* SHUFFLE_H */
