/* SPDX-License-Identifier: GPL-2.0-or-later */
/* accept.h - connections are taken off a listening socket, or wait in its backlog: for descriptors, or a free link
 *
 * Inbound connections leave a reserve of descriptors for those of the guest: a tenth of those without a listener, at
 * least 16. The kernel gives out the lowest free number: the reserve is the highest numbers.
 *
 * A listening socket is registered level-triggered. With a client, and no descriptor for it, it would wake the loop
 * without end: so it is paused, until the end of a turn in which a flow ended, and for ACCEPT_PAUSE at most, as other
 * processes, and a limit that is raised, make room too.
 */
#ifndef ACCEPT_H
#define ACCEPT_H

#include "event.h"
#include "ctx.h"

#define ACCEPT_RESERVE	16		/* descriptors, at least */
#define ACCEPT_PAUSE	500		/* ms */

/* Reads the limit of descriptors */
void accept_init(struct ctx *c);

/* First descriptor of the reserve: an inbound connection has a lower one */
int accept_limit(const struct ctx *c);

/* Are there, as far as is known without asking the kernel, many more descriptors than are in use? */
bool accept_plenty(const struct ctx *c);

/* Are there @n more descriptors, at most ACCEPT_ASK, below the reserve? */
#define ACCEPT_ASK	2
bool accept_room(const struct ctx *c, unsigned n);

/**
 * accept_take() - next connection of a listening socket
 * @from:	filled in, or NULL
 * @inbound:	leaves the reserve
 *
 * Return: descriptor, -EAGAIN if there is none, other -errno if it has to wait: see accept_pause()
 */
int accept_take(const struct ctx *c, int fd, union sockaddr_any *from, bool inbound);

/* Pauses listening socket @fd of EV_TCP_LISTEN or EV_GUEST, whose events come with @idx */
void accept_pause(struct ctx *c, enum ev_type type, int fd, uint32_t idx);

/* Oldest paused TCP listener, watched again, in *@idx; false: none. The same for the guest's socket, in *@fd. */
bool accept_next_listener(struct ctx *c, uint32_t *idx);
bool accept_next_guest(struct ctx *c, int *fd);

/* Is a listening socket paused? */
static inline bool accept_waiting(const struct ctx *c)
{
	return c->fwd.paused || c->accept.guest >= 0;
}

#endif /* ACCEPT_H */
