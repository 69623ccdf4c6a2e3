/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stats.h - what happened so far, in the log: --stats, SIGUSR1 */
#ifndef STATS_H
#define STATS_H

#include "ctx.h"

/* Flows, frames and bytes, and every reason for which something was dropped, at level notice: also with --quiet */
void stats_log(const struct ctx *c);

/* Something passed the link, or was dropped, since this was asked last */
bool stats_moved(const struct ctx *c);

#endif /* STATS_H */
