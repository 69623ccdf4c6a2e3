/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_asked.c - senders from which a socket of the guest's takes datagrams
 *
 * The flow table has them: an endpoint-dependent filter (RFC 4787 5). Two things are beyond it. A group or a broadcast
 * address is answered by anybody: an answer has to agree with the time, port and interface of a question, and gets a
 * flow, as any other. And a flood of unasked datagrams is dropped by the kernel.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "dgram.h"
#include "sock_filter.h"
#include "udp.h"

/* Bits of an IPv4 address that may be set in a network's broadcast address: all equal ones at its end */
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

bool udp_from_network(const struct dgram *d, const struct addr *broadcast)
{
	const struct addr *from = &d->from.a;

	if (addr_is_loopback(from) || !d->ifindex || d->ifindex == LOOPBACK_IF || addr_eq(from, &d->our) ||
	    (broadcast && !in_network(from, broadcast)))
		return false;
	/* Datagrams of this host to itself: IPV6_PKTINFO has the address' interface, not lo (ipv6_rcv()); so has
	 * IP_PKTINFO if the sender was bound to one
	 */
	return !sock_is_local(from, addr_is_linklocal(from) ? d->ifindex : 0);
}

void udp_to_many(struct flow *port, const struct addr *to)
{
	int fd = port->udp.sock;
	bool v4 = addr_is_v4(to);

	if (!port->udp.many) {
		udp_unfilter(port);
		port->udp.many = true;
		sock_ip_opt(fd, !v4, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, 0);
		sock_ip_opt(fd, !v4, IP_PKTINFO, IPV6_RECVPKTINFO, 1);
	}
	if (v4 && !port->udp.bcast && !addr_is_multicast(to)) {
		port->udp.bcast = true;
		sock_opt(fd, SOL_SOCKET, SO_BROADCAST, 1);
	}
}

void udp_to_one(struct flow *port)
{
	if (!port->udp.bcast)
		return;
	port->udp.bcast = false;
	sock_opt(port->udp.sock, SOL_SOCKET, SO_BROADCAST, 0);
}

void udp_asks(const struct ctx *c, struct flow *port, const struct flow *f)
{
	const struct end *to = &f->side[HOST].peer;
	const struct net_ip *ip = &c->net.ip[addr_family(&to->a)];
	struct udp_asked now = { .at = (uint32_t)c->now, .scope = f->udp.scope, .port = to->port };
	struct udp_asked *slot = port->udp.asked;

	if (!addr_is_many(&to->a)) {
		now.broadcast = addr_v4(&to->a);
		now.scope = addr_in_prefix(&to->a, &ip->guest.addr, ip->guest.plen) ? ip->ifindex : 0;
	}
	for (struct udp_asked *a = port->udp.asked; a < port->udp.asked + UDP_ASKED; a++) {
		bool same = a->port == now.port && a->scope == now.scope && a->broadcast == now.broadcast;

		if (same || (slot->port && (!a->port || now.at - a->at > now.at - slot->at)))
			slot = a;
		if (same)
			break;
	}
	*slot = now;
}

bool udp_answers(const struct ctx *c, struct flow *port, const struct dgram *d)
{
	for (struct udp_asked *q = port->udp.asked; q < port->udp.asked + UDP_ASKED; q++) {
		const struct addr broadcast = addr_from4(q->broadcast);

		if (q->port && (uint32_t)c->now - q->at > UDP_ANSWER_TIME)
			q->port = 0;
		if (q->port == d->from.port && (!q->scope || q->scope == d->ifindex) &&
		    udp_from_network(d, q->broadcast ? &broadcast : NULL))
			return true;
	}
	return false;
}

void udp_filter(const struct ctx *c, struct flow *port)
{
	struct end peer[FILTER_PEERS];
	unsigned n = 0;

	if (port->udp.filtered || port->udp.many || port->udp.listener != FLOW_NONE)
		return;
	for (uint32_t i = port->udp.flows; i != FLOW_NONE; i = c->flows.f[i].udp.next) {
		if (n == FILTER_PEERS)
			return;
		peer[n++] = c->flows.f[i].side[HOST].peer;
	}
	port->udp.filtered = n && !filter_peers(port->udp.sock, peer, n);
}

void udp_unfilter(struct flow *port)
{
	if (port->udp.filtered)
		port->udp.filtered = filter_none(port->udp.sock);
}
