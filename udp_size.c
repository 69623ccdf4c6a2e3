/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_size.c - datagrams that are too large for their path
 *
 * Programs that look for the path's MTU (RFC 8899, RFC 9000 14.3) send up to WHOLE_MAX bytes, with DF. Beyond, DF is
 * but the mark of a kernel that knows the link's MTU only, up to 65,520 bytes: the host fragments. An IPv6 datagram
 * that isn't in fragments has DF, so to speak.
 */
#include <errno.h>
#include <netinet/in.h>

#include "frag.h"
#include "sock.h"
#include "udp.h"

#define WHOLE_MIN	1280		/* bytes of a packet that nearly every path takes (RFC 8200 5) */
#define WHOLE_MAX	1500		/* and those of Ethernet */
#define FLOWS_LOOKED_AT	16

bool udp_has_df(const struct guest *g, const struct pkt *p)
{
	uint8_t ip[8];

	if (frag_made(g->frags, p) || !view_copy(&p->ip, 0, ip, sizeof(ip)))
		return false;
	return ip[0] >> 4 == 4 ? (get_be16(ip + 6) & IP4_FRAGMENT) == IP4_DF : ip[6] == IPPROTO_UDP;
}

bool udp_goes_whole(const struct guest *g, const struct flow *port, const struct pkt *p)
{
	size_t len = p->off.gso ? MIN(p->off.gso, p->data.len) : p->data.len;

	len += UDP_HLEN + ip_hlen(addr_is_v4(&p->dst.a));
	return len <= WHOLE_MIN ? port->udp.whole : len <= WHOLE_MAX && udp_has_df(g, p);
}

void udp_set_whole(const struct ctx *c, struct flow *port, bool whole)
{
	const struct listener *l = port->udp.listener != FLOW_NONE ? &c->fwd.l[port->udp.listener] : NULL;
	bool v4 = l ? l->v4 : addr_is_v4(&port->side[HOST].our.a), v6 = l ? l->v6 : !v4;

	port->udp.whole = whole;
	if (v4)
		sock_opt(port->udp.sock, IPPROTO_IP, IP_MTU_DISCOVER, whole ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT);
	if (v6)
		sock_opt(port->udp.sock, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			 whole ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT);
}

struct flow *udp_too_large(const struct ctx *c, const struct flow *port, const struct sock_err *e)
{
	uint32_t i = port->udp.flows;

	if (e->err != EMSGSIZE || e->origin != SO_EE_ORIGIN_LOCAL || e->dst.port)
		return NULL;
	for (unsigned n = 0; n < FLOWS_LOOKED_AT && i != FLOW_NONE; n++, i = c->flows.f[i].udp.next)
		if (addr_eq(&c->flows.f[i].side[HOST].peer.a, &e->dst.a))
			return &c->flows.f[i];
	return NULL;
}
