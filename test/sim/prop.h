/* SPDX-License-Identifier: GPL-2.0-or-later */
/* prop.h - transfers between a simple TCP in the guest and the host, over a link that loses, doubles and reorders */
#ifndef PROP_H
#define PROP_H

#include "run.h"

/* One connection with random sizes, windows, sockets and accidents: true if all arrived, and all ended */
bool prop_run(struct run *r, uint64_t seed);

#endif /* PROP_H */
