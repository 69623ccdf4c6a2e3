/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer.h - packets to the guest that belong to no flow, and the responders that make them
 *
 * A responder: packet in, payload of a reply out; no flows, no sockets, no link.
 * Each writes its reply's payload into @out, of ANSWER_MAX bytes, and fills in @a; the caller puts headers in front and
 * sends it. DROP_NONE and no length: the packet is fine, and needs no reply. What is switched off (--no-ndp and the
 * like) never gets here; an address family that is off, or lacks an address, gives DROP_POLICY.
 *
 * No state of their own: there is one guest, one address per family, and it is leased for ever. Replies go to the MAC
 * address that the frame came from.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "drop.h"
#include "neigh.h"
#include "packet.h"

struct ctx;
struct guest;

/**
 * answer_local() - traffic for ourselves is answered: ARP, NDP, DHCP, DHCPv6
 * @why:	set to the reason if @p is such, and was dropped; else to DROP_NONE
 *
 * Return: true if @p is such
 */
bool answer_local(struct ctx *c, struct guest *g, const struct pkt *p, enum drop *why);

/* Unsolicited router advertisements: arms their timer, unless they are switched off; one is due, and arms the next */
void answer_adverts(struct ctx *c, struct guest *g);
void answer_advert(struct ctx *c, struct guest *g);

/* Asks for the guest's addresses, so that it answers, and is known (RFC 826, RFC 4861 7.2.2) */
void answer_probe(struct ctx *c, struct guest *g);

/* The MAC address of the host's neighbour @who, to a guest that has another one from us */
void answer_neighbour(struct ctx *c, struct guest *g, const struct addr *who);

#define ANSWER_MAX	1500

struct answer {
	size_t		len;		/* bytes of payload, 0: no reply */
	struct mac	dmac;
	struct end	src, dst;	/* of the reply; UDP ports for DHCP and DHCPv6; ARP: @src is who speaks */
	uint8_t		ttl;
	struct icmp_hdr	icmp;		/* NDP: header in front of the payload */
};

/* RFC 826, RFC 5227: answers for every address but the guest's own, with the MAC address of a neighbour, or ours; not
 * probes, announcements. @out: ARP packet.
 */
enum drop arp_answer(const struct net *net, const struct neighs *n, const struct pkt *p, uint8_t *out,
		     struct answer *a);

/* RFC 4861: neighbour and router solicitations. @out: what follows the 8 bytes of ICMPv6 header. */
enum drop ndp_answer(const struct net *net, const struct neighs *n, const struct pkt *p, uint8_t *out,
		     struct answer *a);

/* Unsolicited router advertisement (RFC 4861 6.2.4), to all nodes; @mac: of its source, net_ip.our_ll */
void ndp_advert(const struct net *net, const struct mac *mac, uint8_t *out, struct answer *a);

/* Milliseconds until the next unsolicited one, @n sent so far (RFC 4861 6.2.4). Never soon: solicited ones go first. */
unsigned ndp_interval(unsigned n);

/* RFC 2131, 2132, 3397, 4039, 4702; @p is UDP to port 67 */
enum drop dhcp_answer(const struct net *net, const struct pkt *p, uint8_t *out, struct answer *a);

/* RFC 8415, 3646, 4704; @p is UDP to port 547 */
enum drop dhcpv6_answer(const struct net *net, const struct pkt *p, uint8_t *out, struct answer *a);

/* ARP request or neighbour solicitation for @target, to find a guest that has not spoken yet; @mac: of the sender, the
 * gateway or net_ip.our_ll
 */
void arp_solicit(const struct net *net, const struct mac *mac, const struct addr *target, uint8_t *out,
		 struct answer *a);
void ndp_solicit(const struct net *net, const struct mac *mac, const struct addr *target, uint8_t *out,
		 struct answer *a);

/**
 * arp_announce(), ndp_announce() - another answer to a question that was answered: @who has the MAC address @mac by now
 * @to, @guest:	addresses of the guest, which has an entry for it; @to may be a group
 *
 * Gratuitous ARP (RFC 5944 4.6), neighbour advertisement that overrides (RFC 4861 7.2.4, 7.2.6). As an answer to one
 * guest, it leaves the entry reachable: one that was announced to all would be probed again by each guest that uses it.
 */
void arp_announce(const struct addr *who, const struct mac *mac, const struct mac *guest, uint8_t *out,
		  struct answer *a);
void ndp_announce(const struct addr *who, const struct mac *mac, const struct addr *to, const struct mac *guest,
		  uint8_t *out, struct answer *a);

/* For the responders: bytes of a reply, one after the other. What does not fit is left out, whole: see out_room(). */
struct out {
	uint8_t		*b;
	size_t		len, max;
};

static inline bool out_room(const struct out *o, size_t n)
{
	return o->max - o->len >= n;
}

/* Each adds its bytes if there is room for all of them */
void out_bytes(struct out *o, const void *p, size_t n);
void out_zero(struct out *o, size_t n);
void out_u8(struct out *o, uint8_t v);
void out_be16(struct out *o, uint16_t v);
void out_be32(struct out *o, uint32_t v);
void out_addr(struct out *o, const struct addr *a);	/* 4 or 16 bytes */

/* Domain name in wire format (RFC 1035 3.1), uncompressed; false, and nothing added, if it isn't one or doesn't fit */
bool out_name(struct out *o, const char *name);

/* As many names of @c's search list as fit, in order; returns how many */
unsigned out_search(struct out *o, const struct net *net);

/* Global address that may be handed out: neither missing nor link-local */
bool addr_is_global(const struct addr *a);

#endif /* ANSWER_H */
