/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ping.h - echo between the guest and others, through ping sockets */
#ifndef PING_H
#define PING_H

#include "ctx.h"

/* Echo request from the guest; anything else is dropped and counted */
void ping_input(struct ctx *c, struct guest *g, const struct pkt *p);

#endif /* PING_H */
