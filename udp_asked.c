/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_asked.c - answers to what was sent to a group or to a broadcast address: from anybody, but not for ever
 *
 * Who answers is not known before, so that an endpoint-dependent filter (RFC 4787 5) has nothing to go by. What is known is when
 * somebody was asked, which port, and by which interface, and this is what an answer has to agree with. From then on there is a
 * flow for whoever answered, as for any other.
 */
#include "udp.h"

#define LOOPBACK_IF	1		/* in every network namespace */

/* Bits of an IPv4 address that a network's broadcast address may have set: as many as are alike at its end */
static uint32_t host_bits(uint32_t broadcast)
{
	uint32_t other = broadcast & 1 ? broadcast + 1 : broadcast - 1;

	return (broadcast ^ other) >> 1;
}

/* Is the sender one of a network with that broadcast address? */
static bool in_network(const struct addr *from, const struct addr *broadcast)
{
	uint32_t b = ntohl(addr_v4(broadcast));

	return !((ntohl(addr_v4(from)) ^ b) & ~host_bits(b));
}

bool udp_from_network(const struct end *from, const struct sock_anc *a, const struct addr *broadcast)
{
	if (addr_is_loopback(&from->a) || !a->ifindex || a->ifindex == LOOPBACK_IF || addr_eq(&from->a, &a->our) ||
	    (broadcast && !in_network(&from->a, broadcast)))
		return false;
	/* For what this host sent to itself, the kernel shows the address' interface, not lo, with IPv6 (ipv6_rcv()), and
	 * with IPv4 if the sender was bound to one
	 */
	return !sock_is_local(&from->a, addr_is_linklocal(&from->a) ? a->ifindex : 0);
}

void udp_asks(const struct ctx *c, struct flow *port, const struct flow *f)
{
	const struct end *to = &f->side[HOST].peer;
	const struct conf_ip *ip = &c->cf->ip[addr_family(&to->a)];
	bool group = sock_to_many(&to->a);
	struct udp_asked now = { .at = (uint32_t)c->now, .scope = f->udp.scope, .port = to->port };
	struct udp_asked *a, *old = port->udp.asked;

	if (!group) {
		now.broadcast = addr_v4(&to->a);
		now.scope = addr_in_prefix(&to->a, &ip->addr, ip->plen) ? ip->ifindex : 0;
	}
	for (a = port->udp.asked; a < port->udp.asked + UDP_ASKED; a++) {
		if (a->port == now.port && a->scope == now.scope && a->broadcast == now.broadcast)
			break;
		if (old->port && (!a->port || now.at - a->at > now.at - old->at))
			old = a;
	}
	*(a < port->udp.asked + UDP_ASKED ? a : old) = now;
}

bool udp_answers(const struct ctx *c, struct flow *port, const struct end *from, const struct sock_anc *a)
{
	for (struct udp_asked *q = port->udp.asked; q < port->udp.asked + UDP_ASKED; q++) {
		const struct addr broadcast = addr_from4(q->broadcast);

		if (q->port && (uint32_t)c->now - q->at > UDP_ANSWER_TIME)
			q->port = 0;
		if (q->port == from->port && (!q->scope || q->scope == a->ifindex) &&
		    udp_from_network(from, a, q->broadcast ? &broadcast : NULL))
			return true;
	}
	return false;
}
