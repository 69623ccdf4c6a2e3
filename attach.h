/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach.h - a guest comes and goes: the socket it connects to, and what begins and ends with its link
 *
 * Where the link is a socket, there may be no guest for a while, and another one later: flows, and what was learned of the
 * guest, end with its connection. Listeners stay, and connections that arrive meanwhile wait for the next guest, as they
 * would for one that is still booting.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include "ctx.h"
#include "unix.h"

/**
 * attach_listen() - the socket that guests connect to
 * @path:	NULL: the first /tmp/passt_N.socket nobody listens on
 * @used:	its path, filled in
 *
 * A socket nobody listens on any more is replaced. May die(). Return: descriptor
 */
int attach_listen(const char *path, char used[static UNIX_PATH]);

/* Is @fd something that can be a guest: a connected stream socket? */
bool attach_fd_ok(int fd);

/* A guest connects to @fd, of EV_GUEST */
void attach_knock(struct ctx *c, int fd);

/* The link of @g is there, on the socket of a virtual machine: 0, or -errno */
int attach_guest(struct ctx *c, struct guest *g, int fd);

/* Its link is set up, whichever it is: starts to talk to it */
void attach_up(struct ctx *c, struct guest *g);

/* The link was lost with g->link_error: everything of this guest's ends */
void attach_lost(struct ctx *c, struct guest *g);

/* Timer of @g->probe: looks for a guest that has not spoken yet */
void attach_probe(struct ctx *c, struct guest *g);

#endif /* ATTACH_H */
