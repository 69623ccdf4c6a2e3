/* SPDX-License-Identifier: GPL-2.0-or-later */
/* icmp.h - ICMP errors: towards the guest, and from it */
#ifndef ICMP_H
#define ICMP_H

#include "ctx.h"
#include "sock.h"

/* RFC 792, RFC 4443 */
enum {
	ICMP4_ECHO_REPLY	= 0,
	ICMP4_UNREACH		= 3,
	ICMP4_ECHO		= 8,
	ICMP4_TIME_EXCEEDED	= 11,
	ICMP4_PARAM		= 12,
	ICMP6_UNREACH		= 1,
	ICMP6_TOO_BIG		= 2,
	ICMP6_TIME_EXCEEDED	= 3,
	ICMP6_PARAM		= 4,
	ICMP6_ECHO		= 128,
	ICMP6_ECHO_REPLY	= 129,
};
#define UNREACH4_TOO_BIG	4		/* RFC 1191 */

/**
 * icmp_error() - shows the guest that one of its packets failed
 * @e:		the kernel's errno, or an ICMP message from the network
 * @src, @dst:	endpoints of the packet at fault, as the guest sent it
 * @proto:	its protocol
 * @l4:		its transport header and as much of its payload as came back, at least 8 bytes
 *
 * RFC 792, RFC 4443: type and code by errno (ICMP-09) or as received, quoted packet rebuilt as the guest sent it.
 */
void icmp_error(struct ctx *c, struct guest *g, const struct sock_err *e, const struct end *src, const struct end *dst,
		uint8_t proto, const void *l4, size_t len);

/* The same, for a packet that is here in whole: quoted as it is */
void icmp_error_pkt(struct ctx *c, struct guest *g, int err, const struct pkt *p);

/* No flow for a packet: counted by its reason, and prohibited if rules refuse it */
void icmp_refuse(struct ctx *c, struct guest *g, enum drop why, const struct pkt *p);

/* Is @p "fragmentation needed", or "packet too big"? */
bool icmp_is_too_big(const struct pkt *p);

/* A packet of ours that was too large */
struct icmp_size {
	struct flow	*flow;		/* its flow */
	uint32_t	seq;		/* of TCP: its sequence number */
	uint32_t	mtu;		/* size that passes */
};

/**
 * icmp_too_big() - a router behind the guest, or the guest as one, can't pass on a packet of ours (RFC 1191, RFC 8201)
 * @s:		filled in
 *
 * Believed of packets to the guest's own flows only, and if it was sent to the source of the packet. Datagrams' size
 * follows at once; TCP's is tcp_too_big()'s.
 *
 * Return: DROP_NONE, or the reason to drop it
 */
enum drop icmp_too_big(struct ctx *c, struct guest *g, const struct pkt *p, struct icmp_size *s);

#endif /* ICMP_H */
