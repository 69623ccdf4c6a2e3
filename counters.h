/* SPDX-License-Identifier: GPL-2.0-or-later */
/* counters.h - one table of all counters, with their names, texts and places */
#ifndef COUNTERS_H
#define COUNTERS_H

#include "ctx.h"
#include "json.h"
#include "policy.h"

/* All into the log, also with --quiet: --stats, SIGUSR1 */
void counters_log(const struct ctx *c);

/* All as members of an object that is open */
void counters_json(const struct ctx *c, struct json_out *o);

#define COUNTERS_LINE	640		/* of metrics, and of few characters that JSON escapes */

/**
 * counters_metrics() - next lines of metrics (OpenMetrics 1.0)
 * @at:	0, or what the call before left there
 *
 * Return: false, after the last ones
 */
bool counters_metrics(const struct ctx *c, uint32_t *at, char buf[static COUNTERS_LINE]);

/* Traffic, or drops, since the last call? */
bool counters_moved(const struct ctx *c);

#endif /* COUNTERS_H */
