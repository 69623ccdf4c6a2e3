/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splice.h - connections that are local on both sides move from socket to socket, and never see the guest's link */
#ifndef SPLICE_H
#define SPLICE_H

#include "ctx.h"

extern const struct flow_ops splice_flow;

/* Socket in the target namespace, IPPROTO_TCP or IPPROTO_UDP, from a few that are kept, unless descriptors are scarce:
 * descriptor or -errno; -EAFNOSUPPORT if there is no namespace to reach
 */
int splice_ns_socket(const struct ctx *c, enum family f, uint8_t proto);

/**
 * splice_accept() - second half of a connection that was accepted
 * @g:		guest whose namespace one of its sides is in
 * @near:	GUEST or HOST: where
 * @fd:		its socket, ours from now on: reset if the other half can't be had
 * @from:	its endpoints
 * @to:		@to->peer: what to connect to on the other side
 */
void splice_accept(struct ctx *c, struct guest *g, unsigned near, int fd, const struct side *from, const struct side *to);

/* Refuses what was accepted after all: RST */
void splice_refuse(int fd);

#endif /* SPLICE_H */
