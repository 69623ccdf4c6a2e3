/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop.h - one turn of the event loop
 *
 *	loop_wait(c, &t);
 *	while (loop_next(c, &t))
 *		the process's own event or timer, in @t
 *	loop_end(c);
 */
#ifndef LOOP_H
#define LOOP_H

#include "ctx.h"
#include "event.h"

#define LOOP_EVENTS	64		/* of a turn, at most */

struct turn {
	struct timer	*timer;		/* due: of the process; NULL: an event is */
	union ev_ref	ref;
	uint32_t	events;

	struct epoll_event ev[LOOP_EVENTS];
	int		n, i;		/* events, and those that were handled */
	bool		flows_done;
};

/* Sets up everything of @c but links and listeners: 0, or -errno */
int loop_init(struct ctx *c);

/* Sleeps until there is an event or a timer is due; not at all if flows have more to do */
void loop_wait(struct ctx *c, struct turn *t);

/* Handles what is due, up to an event or a timer of the process, not of the data path: signals, namespace watch,
 * control clients, statistics. Return: false if nothing is left in this turn
 */
bool loop_next(struct ctx *c, struct turn *t);

/* Writes queues, buries flows that ended. A guest with a lost link has guest.link_error, for attach_lost(). */
void loop_end(struct ctx *c);

#endif /* LOOP_H */
