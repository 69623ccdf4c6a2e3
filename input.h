/* SPDX-License-Identifier: GPL-2.0-or-later */
/* input.h - a batch from the guest goes to responders and flows; the only demultiplexer */
#ifndef INPUT_H
#define INPUT_H

#include "ctx.h"

/* The guest's link is readable: one batch. 0, or -errno if the link is lost */
int input_ready(struct ctx *c, struct guest *g);

/* Packets that waited for an answer (ask.h), and are to be judged again */
void input_asked(struct ctx *c);

#endif /* INPUT_H */
