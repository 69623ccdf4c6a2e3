/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arp.c - every IPv4 address but the guest's own is a neighbour's that is known, or ours (RFC 826, RFC 5227) */

#include <net/if_arp.h>
#include <string.h>

#include "answer.h"

/* Offsets in the packet for Ethernet and IPv4 */
enum { ARP_OP = 6, ARP_SHA = 8, ARP_SPA = 14, ARP_THA = 18, ARP_TPA = 24, ARP_LEN = 28 };

static const uint8_t arp_ethernet_ip4[ARP_OP] = { 0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, ETH_ALEN, 4 };

static void arp_fill(uint8_t *out, uint16_t op, const struct mac *sha, const struct addr *spa, const struct mac *tha,
		     const struct addr *tpa)
{
	memcpy(out, arp_ethernet_ip4, sizeof(arp_ethernet_ip4));
	put_be16(out + ARP_OP, op);
	memcpy(out + ARP_SHA, sha->b, sizeof(sha->b));
	addr_to_bytes(spa, out + ARP_SPA);
	memcpy(out + ARP_THA, tha->b, sizeof(tha->b));
	addr_to_bytes(tpa, out + ARP_TPA);
}

enum drop arp_answer(const struct net *net, const struct neighs *n, const struct pkt *p, uint8_t *out, struct answer *a)
{
	struct addr asker, target;
	uint8_t arp[ARP_LEN];
	struct mac sha;

	*a = (struct answer){ 0 };
	if (!net->ip[V4].on)
		return DROP_POLICY;
	if (!view_copy(&p->data, 0, arp, sizeof(arp)) || memcmp(arp, arp_ethernet_ip4, sizeof(arp_ethernet_ip4)))
		return DROP_RESPONDER;

	memcpy(sha.b, arp + ARP_SHA, sizeof(sha.b));
	asker = addr_from_bytes(arp + ARP_SPA, true);
	target = addr_from_bytes(arp + ARP_TPA, true);

	if (get_be16(arp + ARP_OP) == ARPOP_REPLY)
		return DROP_NONE;		/* to arp_solicit(); MAC addresses are learned from any frame */
	if (get_be16(arp + ARP_OP) != ARPOP_REQUEST || (sha.b[0] & 1) || mac_is_zero(&sha))
		return DROP_RESPONDER;
	if (addr_is_unspec(&target) || addr_is_loopback(&target) || addr_is_multicast(&target) ||
	    addr_is_bcast(&target))
		return DROP_RESPONDER;

	/* Probes and announcements (RFC 5227 1.1), and what only the guest itself may answer */
	if (addr_is_unspec(&asker) || addr_eq(&asker, &target) || addr_eq(&target, &net->ip[V4].guest.addr))
		return DROP_NONE;

	arp_fill(out, ARPOP_REPLY, neigh_mac(n, net, &target, &p->smac), &target, &sha, &asker);
	a->len = ARP_LEN;
	a->dmac = p->smac;
	a->src.a = target;
	a->dst.a = asker;
	return DROP_NONE;
}

void arp_solicit(const struct net *net, const struct mac *mac, const struct addr *target, uint8_t *out,
		 struct answer *a)
{
	const struct addr *gw = &net->ip[V4].gw;
	static const struct mac none;

	*a = (struct answer){ .len = ARP_LEN, .dmac = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } } };
	a->src.a = addr_is_unspec(gw) ? addr_any4 : *gw;
	a->dst.a = *target;
	arp_fill(out, ARPOP_REQUEST, mac, &a->src.a, &none, target);
}

void arp_announce(const struct addr *who, const struct mac *mac, const struct mac *guest, uint8_t *out,
		  struct answer *a)
{
	*a = (struct answer){ .len = ARP_LEN, .dmac = *guest, .src.a = *who, .dst.a = *who };
	arp_fill(out, ARPOP_REPLY, mac, who, mac, who);
}
