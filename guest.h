/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest.h - a guest comes and goes: the socket it connects to, and what begins and ends with its link
 *
 * Where the link is a socket, there may be no guest for a while, and another one later: flows, and what was learned of the
 * guest, end with its connection. Listeners stay, and connections that arrive meanwhile wait for the next guest, as they
 * would for one that is still booting.
 */
#ifndef GUEST_H
#define GUEST_H

#include "passt.h"

/**
 * guest_listen() - the socket that guests connect to
 * @path:	in a buffer of PATH_MAX bytes; empty: the first /tmp/passt_N.socket nobody listens on, filled in
 *
 * A socket nobody listens on any more is replaced. May die(). Return: descriptor
 */
int guest_listen(char *path);

/* Is @fd something that can be a guest: a connected stream socket? */
bool guest_fd_ok(int fd);

/* Guests may connect to @fd from now on: 0, or -errno; and one does */
int guest_await(struct ctx *c, int fd);
void guest_knock(struct ctx *c, int fd);
void guest_knock_again(struct ctx *c);		/* the socket was left alone for want of a descriptor */

/* The link of @g is there, on the socket of a virtual machine: 0, or -errno */
int guest_attach(struct ctx *c, struct guest *g, int fd);

/* Its link is set up, whichever it is: starts to talk to it */
void guest_up(struct ctx *c, struct guest *g);

/* The link was lost with -errno @err: everything of this guest's ends */
void guest_lost(struct ctx *c, struct guest *g, int err);

/* Nothing was learned of it yet */
void guest_forget(struct ctx *c, struct guest *g);

/* Timer of @g->probe: looks for a guest that has not spoken yet */
void guest_probe(struct ctx *c, struct guest *g);

#endif /* GUEST_H */
