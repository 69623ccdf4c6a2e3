/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attach.h - guests come and go: the socket they connect to, begin and end of a link
 *
 * A link that is a socket may be without a guest for a while: flows and learned addresses end with its connection.
 * Listeners stay, and connections that arrive meanwhile wait for the next guest, as for one that is still booting.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include "ctx.h"
#include "unix.h"

/**
 * attach_listen() - the socket that guests connect to
 * @path:	NULL: the first /tmp/passt_N.socket without a listener
 * @used:	its path, filled in
 *
 * A socket without a listener is replaced. May die(). Return: descriptor
 */
int attach_listen(const char *path, char used[static UNIX_PATH]);

/* Can @fd be a guest: is it a connected stream socket? */
bool attach_fd_ok(int fd);

/* A guest connects to @fd, of EV_GUEST */
void attach_knock(struct ctx *c, int fd);

/* A helper of a migration connects to @fd, of EV_REPAIR, edge-triggered: there is nothing for it to do yet */
void attach_repair(struct ctx *c, int fd);

/* The first frame of @g came from @mac: a guest that has the same one gives way, and a guest on trial has to go if
 * there is none. False: it has to go.
 */
bool attach_first(struct ctx *c, struct guest *g, const struct mac *mac);

/* Timer of @g->patience: no frame came */
void attach_trial(struct guest *g);

/* The connections of these guests are to end, with guest.link_error -ECONNABORTED */
void attach_drop(struct ctx *c, const struct guests *guests);

/* The link of @g is there, on the socket of a virtual machine: 0, or -errno */
int attach_guest(struct ctx *c, struct guest *g, int fd);

/* The link of @g is set up, of any kind: router advertisements begin */
void attach_up(struct ctx *c, struct guest *g);

/* The device of a virtual machine is set up: the same, and a look for the guest */
void attach_ready(struct ctx *c, struct guest *g);

/* The link was lost with g->link_error: ends everything of this guest */
void attach_lost(struct ctx *c, struct guest *g);

/* Timer of @g->probe: looks for a guest that has not spoken yet */
void attach_probe(struct ctx *c, struct guest *g);

#endif /* ATTACH_H */
