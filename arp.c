/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arp.c - each IPv4 address but the guest's own is at a known neighbour, or here (RFC 826, RFC 5227) */
#include <net/if_arp.h>
#include <string.h>

#include "answer.h"

/* Offsets in the packet for Ethernet and IPv4 */
enum { ARP_OP = 6, ARP_SHA = 8, ARP_SPA = 14, ARP_THA = 18, ARP_TPA = 24, ARP_LEN = 28 };

static const uint8_t arp_ethernet_ip4[ARP_OP] = { 0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, ETH_ALEN, 4 };

/* ARP packet to @dmac */
static void arp_fill(struct answer *a, uint16_t op, const struct mac *sha, const struct addr *spa,
		     const struct mac *tha, const struct addr *tpa, const struct mac *dmac)
{
	*a = (struct answer){ .dmac = *dmac, .src.a = *spa, .dst.a = *tpa, .out.max = ARP_LEN };
	out_bytes(&a->out, arp_ethernet_ip4, sizeof(arp_ethernet_ip4));
	out_be(&a->out, op, 2);
	out_bytes(&a->out, sha->b, sizeof(sha->b));
	out_addr(&a->out, spa);
	out_bytes(&a->out, tha->b, sizeof(tha->b));
	out_addr(&a->out, tpa);
}

bool arp_is_news(const struct pkt *p)
{
	uint8_t arp[ARP_LEN];
	struct addr asker;

	if (!view_copy(&p->data, 0, arp, sizeof(arp)))
		return false;
	asker = addr_from_bytes(arp + ARP_SPA, true);
	return addr_is_unspec(&asker) || !memcmp(arp + ARP_SPA, arp + ARP_TPA, 4);
}

/* With other guests on the link: is a request one for us? They answer for themselves. A probe (RFC 5227 2.1.1) for an
 * address that the guest may not have is answered, too, so that it takes another one.
 */
static bool is_for_us(const struct asker *k, const struct addr *asker, const struct addr *target)
{
	return lan_ours(k->net, target) || (addr_is_unspec(asker) && !lease_owns(k->leases, k->guest, target));
}

enum drop arp_answer(const struct asker *k, const struct pkt *p, struct answer *a)
{
	const struct net *net = k->net;
	struct addr asker, target;
	uint8_t arp[ARP_LEN];
	struct mac sha;

	a->out.len = 0;
	if (!net->ip[V4].on)
		return DROP_POLICY;
	if (!view_copy(&p->data, 0, arp, sizeof(arp)) || memcmp(arp, arp_ethernet_ip4, sizeof(arp_ethernet_ip4)))
		return DROP_RESPONDER;

	memcpy(sha.b, arp + ARP_SHA, sizeof(sha.b));
	asker = addr_from_bytes(arp + ARP_SPA, true);
	target = addr_from_bytes(arp + ARP_TPA, true);

	if (!addr_is_unspec(&asker) && !answer_owner(k, &p->smac, &asker))
		return DROP_OWNER;
	if (get_be16(arp + ARP_OP) == ARPOP_REPLY)
		return DROP_NONE;		/* to arp_solicit(); MAC addresses are learned from any frame */
	if (get_be16(arp + ARP_OP) != ARPOP_REQUEST || (sha.b[0] & 1) || mac_is_zero(&sha))
		return DROP_RESPONDER;
	if (addr_is_unspec(&target) || addr_is_loopback(&target) || addr_is_many(&target))
		return DROP_RESPONDER;

	if (k->leases && !is_for_us(k, &asker, &target))
		return DROP_NONE;
	/* Probes and announcements (RFC 5227 1.1), and requests that only the guest itself may answer */
	if (!k->leases &&
	    (addr_is_unspec(&asker) || addr_eq(&asker, &target) || addr_eq(&target, &net->ip[V4].guest.addr)))
		return DROP_NONE;

	arp_fill(a, ARPOP_REPLY, neigh_mac(k->neigh, net, &target, &p->smac), &target, &sha, &asker, &p->smac);
	return DROP_NONE;
}

void arp_solicit(const struct net *net, const struct mac *mac, const struct addr *target, struct answer *a)
{
	static const struct mac none, all = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	const struct addr *gw = &net->ip[V4].gw;

	arp_fill(a, ARPOP_REQUEST, mac, addr_is_unspec(gw) ? &addr_any4 : gw, &none, target, &all);
}

void arp_announce(const struct addr *who, const struct mac *mac, const struct mac *guest, struct answer *a)
{
	arp_fill(a, ARPOP_REPLY, mac, who, mac, who, guest);
}
