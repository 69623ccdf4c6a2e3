/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock_filter.h - datagrams that the kernel drops in front of a UDP socket
 *
 * Datagrams in the queue stay there, and errors come from anybody. Functions return 0, or -errno, and nothing changed.
 */
#ifndef SOCK_FILTER_H
#define SOCK_FILTER_H

#include "addr.h"

#define FILTER_PEERS	8

/* Takes datagrams of @from, for all of 127.0.0.0/8 those of 127.0.0.1, too; with @local, also those of this machine, or
 * of the socket's namespace, from any address: they come by the loopback interface
 */
int filter_from(int fd, const struct addr *from, bool local);

/* Takes datagrams of @n peers, at most FILTER_PEERS, of the socket's family */
int filter_peers(int fd, const struct end *peer, unsigned n);

/* Takes all again */
int filter_none(int fd);

#endif /* SOCK_FILTER_H */
