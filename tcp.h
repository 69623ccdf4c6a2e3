/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp.h - TCP between the guest, whom we face as a TCP endpoint, and a socket on the host */
#ifndef TCP_H
#define TCP_H

#include "ctx.h"

/* A segment that belongs to no flow: opens one, or is answered with RST */
void tcp_open(struct ctx *c, struct guest *g, const struct pkt *p);

/* This batch's segments of a flow, f->batch_head on, in @pkts. Return: the first one behind the end of the flow, or the
 * one that ended it as it starts another, or PKT_NEXT_NONE
 */
uint16_t tcp_input(struct ctx *c, struct flow *f, struct pkt *pkts);

/* Segment @seq was too large for a path behind the guest, where packets of @mtu bytes pass. Return: DROP_NONE, or the
 * reason not to believe it
 */
enum drop tcp_too_big(struct ctx *c, struct flow *f, uint32_t seq, uint32_t mtu);

/* The guest's interface came up: what it hasn't acknowledged is sent now, not only when a timer is due that was doubled
 * time after time
 */
void tcp_again(struct ctx *c, const struct guest *g);

/* A listener has clients. Return: false if they have to wait in the backlog */
bool tcp_accept(struct ctx *c, uint32_t listener);
/* Some of the paused listeners. Return: false if more of them are left, and may have a descriptor */
bool tcp_accept_again(struct ctx *c);

#endif /* TCP_H */
