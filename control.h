/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.h - clients on the control socket: rules, flows, counters; doc/control.md
 *
 * The protocol is Varlink: JSON objects that end with NUL. Calls of a client are answered in order, the next one
 * after all of the answer was taken. An answer of any length is written piece by piece, as it is taken, into a buffer
 * of a few kB.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "ctx.h"
#include "event.h"
#include "json.h"
#include "policy.h"

#define CONTROL_INTERFACE	"org.passt.control"
#define CONTROL_CLIENTS	16
#define CONTROL_IN	(POLICY_TEXT + (256U << 10))	/* longest call: all rules about destinations, with escapes */
#define CONTROL_SHORT	(128U << 10)	/* same, of any other method */
#define CONTROL_OUT	(16U << 10)
#define CONTROL_ROOM	1536U		/* of @out, for one element of a list */

/* Clients may connect to @fd from now on: 0, or -errno */
int control_start(struct ctx *c, int fd);

/* EV_CONTROL, TIMER_CONTROL */
void control_event(struct ctx *c, union ev_ref ref, uint32_t events);
void control_timer(struct ctx *c, struct timer *t);

/* There may be something for answers that wait for it */
void control_news(struct ctx *c);

/* Between control.c (connections) and control_call.c (messages): a call, and the progress of its answer */
struct control_call {
	/* Writes the answer, or its next piece */
	void		(*fn)(struct ctx *c, struct control_call *call, struct json_out *o);
	const char	*parameters;		/* in the client's buffer: for the first piece of the answer only */
	bool		more, oneway;
	bool		busy;			/* the answer has further pieces, */
	bool		waits;			/* the next one not before control_news() */
	uint32_t	at;			/* start of the next one */
	uint64_t	last;			/* the same, of Questions and Answers: number of the one before */
	struct flow_reader events;		/* the same, of Events */
	/* The client is gone before the answer was whole; NULL: it doesn't matter */
	void		(*gone)(struct ctx *c, struct control_call *call);
};

/* Begins to answer the call in @v, by an error if need be: false, without an answer, if @v is no call */
bool control_call(struct ctx *c, struct control_call *call, const char *v, struct json_out *o);

#endif /* CONTROL_H */
