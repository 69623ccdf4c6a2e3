/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.h - clients on the control socket: they list and change forwarding rules, and see what passes; doc/control.md
 *
 * The protocol is Varlink: JSON objects that end with NUL. A client is answered in order, and its next call is looked at
 * once it has taken the whole answer to the one before. Answers are made as they are taken, whatever their length, in a
 * buffer of a few kB. There are few clients at a time: another one waits until the one idle for longest has been for half a
 * second, which then gives way.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "ctx.h"
#include "event.h"
#include "json.h"

#define CONTROL_CLIENTS	16
#define CONTROL_IN	(128U << 10)	/* longest call */
#define CONTROL_OUT	(16U << 10)
#define CONTROL_ROOM	1024U		/* of @out, for one element of a list */

/* Answer that is a list, and on its way: each of its kinds has a function that goes on with it */
struct call {
	const char	*method;		/* without the interface, as in the table it was found in */
	struct json	parameters;		/* in the client's buffer: for the first answer only */
	bool		more, oneway;
	bool		busy;			/* more to come */
	uint32_t	at;			/* what comes next */
};

/* Clients may connect to @fd from now on: 0, or -errno */
int control_start(struct ctx *c, int fd);

/* EV_CONTROL, TIMER_CONTROL */
void control_event(struct ctx *c, union ev_ref ref, uint32_t events);
void control_timer(struct ctx *c, struct timer *t);

/* Between control.c and control_call.c: org.passt.control, and how it is answered */

struct method {
	const char	*name;
	bool		more;			/* only if called with "more" */
	const char	*parameters[2];		/* that it knows */
	/* Answers, or goes on to: sets @call->busy if that was not all */
	void		(*fn)(struct ctx *c, struct call *call, struct json_out *o);
};

extern const struct method control_methods[];
extern const unsigned control_nmethods;
extern const char control_description[];	/* of the interface, in Varlink's language */

#define CONTROL_INTERFACE	"org.passt.control"

/* An answer, or an error: what is written in between are its parameters. The end may come turns after the beginning. */
void reply_begin(struct json_out *o);
void reply_end(struct json_out *o, bool continues);
void reply_error(struct json_out *o, const char *error);

/* org.varlink.service.InvalidParameter */
void reply_invalid(struct json_out *o, const char *parameter);

/* First member of an object that is none of @n names, as text, or NULL */
const char *unknown_member(const struct json *v, const char *const *names, unsigned n);

#endif /* CONTROL_H */
