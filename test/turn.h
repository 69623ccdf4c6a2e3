/* SPDX-License-Identifier: GPL-2.0-or-later */
/* turn.h - the program's loop without anything of the process */
#ifndef TURN_H
#define TURN_H

#include "../loop.h"

/* A turn without anything of the process's */
static inline void loop_once(struct ctx *c)
{
	struct turn t;

	loop_wait(c, &t);
	while (loop_next(c, &t))
		;
	loop_end(c);
}

#endif /* TURN_H */
