/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.h - one turn of the event loop */
#ifndef LOOP_H
#define LOOP_H

#include "event.h"
#include "ctx.h"

/* Sets up everything of @c but links and listeners: 0, or -errno */
int loop_init(struct ctx *c, const struct conf *cf);

/* Handlers of what belongs to the process, not to the data path: signals, namespace watch, their timers */
void loop_on_event(enum ev_type type, void (*fn)(struct ctx *c, union ev_ref ref, uint32_t events));
void loop_on_timer(enum timer_kind kind, void (*fn)(struct ctx *c, struct timer *t));

/**
 * loop_once() - wait for events, handle them, and do what is due at the end of a turn
 *
 * Return: 0, or -errno if the guest's link was lost
 */
int loop_once(struct ctx *c);

#endif /* LOOP_H */
