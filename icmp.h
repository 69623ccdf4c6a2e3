/* SPDX-License-Identifier: GPL-2.0-or-later */
/* icmp.h - echo through ping sockets, and ICMP errors towards the guest */
#ifndef ICMP_H
#define ICMP_H

#include "ctx.h"
#include "sock.h"

/* Echo: the guest's identifier and whom it asks */
extern const struct flow_ops ping_flow;

/* Echo request from the guest; anything else is dropped and counted */
void icmp_input(struct ctx *c, struct guest *g, const struct pkt *p);

/**
 * icmp_error() - tell the guest that a packet of its own failed
 * @e:		what the host's kernel said: errno, or an ICMP message from the network
 * @src, @dst:	endpoints of the packet at fault, as the guest sent it
 * @proto:	its protocol
 * @l4:		its transport header and as much of its payload as is known, at least 8 bytes
 *
 * RFC 792, RFC 4443: type and code by errno (ICMP-09) or as received, quoted packet rebuilt as the guest sent it.
 */
void icmp_error(struct ctx *c, struct guest *g, const struct sock_err *e, const struct end *src, const struct end *dst,
		uint8_t proto, const void *l4, size_t len);

/* Same, for a packet that is here in whole: quoted as it is */
void icmp_error_pkt(struct ctx *c, struct guest *g, int err, const struct pkt *p);

#endif /* ICMP_H */
