/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer.h - packets to the guest that belong to no flow, and their responders
 *
 * A responder fills in a reply to a packet: without flows, sockets or link. The caller adds headers and sends it.
 * DROP_NONE and no payload: a proper packet that needs no reply. Messages that are switched off (--no-ndp and the like)
 * don't get here; an address family that is off, or lacks an address, gives DROP_POLICY.
 *
 * Responders have no state but the leases of a network of several guests (lease.h); without that, there is one guest,
 * with one address per family. Replies go to the MAC address that the frame came from.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "drop.h"
#include "lease.h"
#include "neigh.h"
#include "packet.h"

struct ctx;
struct guest;

/**
 * answer_local() - answers traffic for ourselves: ARP, NDP, DHCP, DHCPv6
 * @why:	set to DROP_NONE, or to the reason if @p was dropped
 *
 * Return: true if @p is such traffic
 */
bool answer_local(struct ctx *c, struct guest *g, const struct pkt *p, enum drop *why);

/* Unsolicited router advertisements: arm their timer, unless they are switched off; send one, and arm it again */
void answer_adverts(struct ctx *c, struct guest *g);
void answer_advert(struct ctx *c, struct guest *g);

/* The guest's settings changed: an advertisement at once, no more than one a second, and two more later */
void answer_changed(struct ctx *c, struct guest *g);

/* Asks for the guest's addresses: its answer makes it known (RFC 826, RFC 4861 7.2.2) */
void answer_probe(struct ctx *c, struct guest *g);

/* Sends the MAC address of the host's neighbour @who to a guest that has another one from us */
void answer_neighbour(struct ctx *c, struct guest *g, const struct addr *who);

#define ANSWER_MAX	1500
#define ANSWER_TTL	64
#define FOREVER		0xffffffffU	/* s: lifetimes, in all of these protocols */
#define LEASE		3600		/* s: of addresses that may change */

enum { PORT_DHCP = 67, PORT_DHCP_GUEST = 68, PORT_DHCPV6_GUEST = 546, PORT_DHCPV6 = 547 };

/* Bytes of a reply. Each entry is added if there is room for all of it. */
struct out {
	size_t		len, max;
	uint8_t		b[ANSWER_MAX];	/* zeros from @len on */
};

struct answer {
	uint8_t		proto;		/* IPPROTO_UDP or IPPROTO_ICMPV6; 0: ARP */
	uint8_t		ttl;
	struct mac	dmac;
	struct end	src, dst;	/* ARP: sender and target */
	struct icmp_hdr	icmp;		/* NDP: header in front of the payload */
	struct out	out;		/* payload; empty: no reply */
};

/* The guest that a packet came from, and what it may be told */
struct asker {
	const struct net *net;
	const struct neighs *neigh;
	struct leases	*leases;	/* NULL: net_ip.guest is its configuration */
	unsigned	guest;		/* its index */
};

/* Configuration of the guest, at @mac */
struct guest_ip answer_ip(const struct asker *k, const struct mac *mac, enum family f);

/* Does the guest send from @a, or answer for it? With a line if it may not: the lease wins. */
bool answer_owner(const struct asker *k, const struct mac *mac, const struct addr *a);

/* RFC 5227 1.1: a probe, or an announcement: the address is new at its sender */
bool arp_is_news(const struct pkt *p);

/* RFC 826, RFC 5227: requests for any address but the guest's own, probes and announcements excepted; with the MAC
 * address of a neighbour, or ours. With other guests on the link: for addresses that are ours, and probes for those
 * that the guest may not have.
 */
enum drop arp_answer(const struct asker *k, const struct pkt *p, struct answer *a);

/* RFC 4861: neighbour and router solicitations. Payload: from the end of the 8 bytes of ICMPv6 header on. */
enum drop ndp_answer(const struct asker *k, const struct pkt *p, struct answer *a);

/* Unsolicited router advertisement (RFC 4861 6.2.4), to all nodes; @mac: of its source, net_ip.our_ll */
void ndp_advert(const struct net *net, const struct mac *mac, struct answer *a);

/* The same of a former address of ours, which is no router's any more */
void ndp_withdraw(const struct addr *router, const struct mac *mac, struct answer *a);

/* Milliseconds until the next unsolicited one, after @n (RFC 4861 6.2.4). Never soon: solicited ones go first. */
unsigned ndp_interval(unsigned n);

/* RFC 2131, 2132, 3397, 4039, 4702; @p is UDP to PORT_DHCP */
enum drop dhcp_answer(const struct asker *k, const struct pkt *p, struct answer *a);

/* RFC 8415, 3646, 4704; @p is UDP to PORT_DHCPV6 */
enum drop dhcpv6_answer(const struct asker *k, const struct pkt *p, struct answer *a);

/* Search for a guest that has sent nothing yet: ARP request or neighbour solicitation for @target; @mac: of the sender,
 * the gateway or net_ip.our_ll
 */
void arp_solicit(const struct net *net, const struct mac *mac, const struct addr *target, struct answer *a);
void ndp_solicit(const struct net *net, const struct mac *mac, const struct addr *target, struct answer *a);

/**
 * arp_announce(), ndp_announce() - correction of an earlier answer: @who has the MAC address @mac by now
 * @to, @guest:	addresses of the guest, which has an entry for it; @to may be a group
 *
 * Gratuitous ARP (RFC 5944 4.6), neighbour advertisement that overrides (RFC 4861 7.2.4, 7.2.6). As an answer to one
 * guest, it leaves the entry reachable; after an announcement to all, each guest that uses it would probe again.
 */
void arp_announce(const struct addr *who, const struct mac *mac, const struct mac *guest, struct answer *a);
void ndp_announce(const struct addr *who, const struct mac *mac, const struct addr *to, const struct mac *guest,
		  struct answer *a);

static inline bool out_room(const struct out *o, size_t n)
{
	return o->max - o->len >= n;
}

void out_bytes(struct out *o, const void *p, size_t n);
void out_zero(struct out *o, size_t n);
void out_be(struct out *o, uint32_t v, unsigned n);	/* the lower @n bytes of @v, 1 to 4 */
void out_addr(struct out *o, const struct addr *a);	/* 4 or 16 bytes */

/* Domain name in wire format (RFC 1035 3.1), uncompressed; false, and nothing added, if it isn't one or doesn't fit */
bool out_name(struct out *o, const char *name);

/* As many names of @net's search list as fit, in order; returns their number */
unsigned out_search(struct out *o, const struct net *net);

/* Options of DHCP, @width 1, and DHCPv6, @width 2: bytes of code and length. Content: any, a number of @n bytes, @n
 * addresses, or none if @n is 0
 */
void out_opt(struct out *o, unsigned width, unsigned code, const void *data, size_t len);
void out_opt_be(struct out *o, unsigned width, unsigned code, uint32_t v, unsigned n);
void out_opt_addrs(struct out *o, unsigned width, unsigned code, const struct addr *a, unsigned n);

/* s: lifetime of the guest's addresses */
static inline uint32_t answer_lease(const struct net *net)
{
	return net->cf->follow || lan_on(net) ? LEASE : FOREVER;
}

/* Global address that may be handed out: neither missing nor link-local */
bool addr_is_global(const struct addr *a);

#endif /* ANSWER_H */
