/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reach.h - the guest that a rule leads to */
#ifndef REACH_H
#define REACH_H

#include "ctx.h"

/**
 * reach_guest() - the guest that a rule leads to, and may have to be looked for
 * @client:	family of the client
 * @to:		set to its address there; unspecified: its own
 *
 * Return: NULL if nobody has that address or name now
 */
struct guest *reach_guest(struct ctx *c, const struct rule *r, enum family client, struct addr *to);

/* map_in(), to that guest, which is put into *@g if there is one */
enum drop reach_in(struct ctx *c, const struct rule *r, const struct side *host, struct guest **g, struct side *side);

#endif /* REACH_H */
