/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splice.h - connections that are local on both sides move from socket to socket, and never see the guest's link */
#ifndef SPLICE_H
#define SPLICE_H

#include "ctx.h"

#define PIPE_SIZE	(1024 << 10)	/* pages count: room for 256 buffers of a socket; more takes a privilege */

/* Socket in the target namespace, IPPROTO_TCP or IPPROTO_UDP, of a few opened ahead, unless descriptors are scarce:
 * descriptor or -errno; -EAFNOSUPPORT if there is no namespace to reach
 */
int splice_ns_socket(const struct ctx *c, enum family f, uint8_t proto);

/**
 * splice_accept() - second half of an accepted connection
 * @g:		guest whose namespace one of its sides is in
 * @near:	GUEST or HOST: where it was accepted
 * @fd:		its socket, ours from now on: reset if the other half can't be had
 * @from:	its endpoints
 * @to:		@to->peer: where to connect on the other side
 * @d:		how that was decided, if the guest began it, or NULL
 */
void splice_accept(struct ctx *c, struct guest *g, unsigned near, int fd, const struct side *from,
		   const struct side *to, const struct decision *d);

/* Ends a connection with RST */
void splice_refuse(int fd);

#endif /* SPLICE_H */
