/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ping.h - echo between the guest and others, through ping sockets */
#ifndef PING_H
#define PING_H

#include "ctx.h"
/* An identifier of the guest's and a destination */
/* The guest's identifier and whom it asks */
extern const struct flow_ops ping_flow;

/* Echo request from the guest; anything else is dropped and counted */
void ping_input(struct ctx *c, struct guest *g, const struct pkt *p);

#endif /* PING_H */
