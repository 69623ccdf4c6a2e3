/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock_filter.h - what the kernel drops before it gets to a UDP socket
 *
 * What is in the queue already stays there, and errors come from anybody. Functions return 0, or -errno: then all is as before.
 */
#ifndef SOCK_FILTER_H
#define SOCK_FILTER_H

#include "addr.h"

#define FILTER_PEERS	8
#define LOOPBACK_IF	1	/* index of the loopback interface, in every network namespace */

/* Takes what @from sent, of all of 127.0.0.0/8 also 127.0.0.1; with @local, also what was sent on this machine, or in the
 * socket's namespace, from whatever address: it comes by the loopback interface
 */
int filter_from(int fd, const struct addr *from, bool local);

/* Takes what one of @n peers sent, at most FILTER_PEERS, of the socket's family */
int filter_peers(int fd, const struct end *peer, unsigned n);

/* Takes all again */
int filter_none(int fd);

#endif /* SOCK_FILTER_H */
