/* SPDX-License-Identifier: GPL-2.0-or-later */
/* counters.h - one table of all counters, with their names, texts and places: for the log, control clients, and metrics
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include "ctx.h"
#include "json.h"

enum counter_kind {
	GAUGE,			/* a number that exists now */
	COUNTER,		/* since the start */
	TRAFFIC,		/* same, of traffic or drops: see counters_moved() */
};

struct counter {
	const char	*name;		/* of a metric, without prefix and "_total"; rows of one name are adjacent */
	const char	*label, *value;	/* of this row among those; NULL: the only one */
	const char	*help;
	enum counter_kind kind;
	bool		guest;		/* @offset is in struct guest, not in struct ctx */
	uint8_t		size;		/* bytes: 4 or 8 */
	uint32_t	offset;
	const char	*log;		/* text with '#' for the number; NULL: part of the next row's number */
	const char	*object, *member;	/* of Status; "": no object; NULL: no member */
};

extern const struct counter counters[];
extern const unsigned counters_n;

/* Number of a row: of guest @g, NULL: of all guests, or of the process */
uint64_t counter_value(const struct ctx *c, const struct counter *k, const struct guest *g);

/* All into the log, also with --quiet: --stats, SIGUSR1 */
void counters_log(const struct ctx *c);

/* All as members of an object that is open */
void counters_json(const struct ctx *c, struct json_out *o);

/* Traffic, or drops, since the last call? */
bool counters_moved(const struct ctx *c);

#endif /* COUNTERS_H */
