/* SPDX-License-Identifier: GPL-2.0-or-later */
/* input.h - a batch from the guest goes to responders and flows; the only demultiplexer */
#ifndef INPUT_H
#define INPUT_H

#include "ctx.h"

/* The guest's link is readable: one batch. 0, or -errno if the link is lost */
int input_ready(struct ctx *c, struct guest *g);

/* Unsolicited router advertisements: start them, unless they are switched off; and their timer */
void input_ndp_start(struct ctx *c, struct guest *g);
void input_ndp_timer(struct ctx *c, struct guest *g);

/* Asks for the guest's addresses, so that it answers, and is known (RFC 826, RFC 4861 7.2.2) */
void input_probe(struct ctx *c, struct guest *g);

/* Announces the MAC address of the host's neighbour @who to a guest that was told another one */
void input_neighbour(struct ctx *c, struct guest *g, const struct addr *who);

#endif /* INPUT_H */
