/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ndp.c - every IPv6 address but the guest's own is a neighbour's that is known, or ours; and we are its router
 * (RFC 4861, 4862, 8106)
 *
 * What is advertised holds for ever: prefix, servers and search list never expire, and the default route is refreshed
 * long before it does. All in one packet of at most 1280 bytes, as RFC 8200 has every link carry.
 */
#include <netinet/icmp6.h>
#include <string.h>

#include "answer.h"

#define HOP_LIMIT	255		/* RFC 4861 7.1.1: proves that no router was in between */
#define CUR_HOP_LIMIT	64
#define ICMP6_HLEN	8
#define RA_MAX		(1280 - 40 - ICMP6_HLEN)
#define FOREVER		0xffffffffU

#define ROUTER_LIFETIME	65535		/* s: RFC 8319 4, and hosts had to take it before (RFC 4861 4.2) */

/* RFC 4861 6.2.1, 10; the interval is the longest one there: nothing changes, and wakeups cost */
#define ADVERT_MAX	1800000U	/* ms */
#define ADVERT_MIN	(ADVERT_MAX / 100 * 33)
#define ADVERT_INITIAL	16000U
#define ADVERT_INITIALS	3

#define RA_MANAGED	0x80
#define RA_OTHER	0x40
/* Always a router: a host that sees the flag go takes its default route away (RFC 4861 7.2.5) */
#define NA_ROUTER	0x80000000U
#define NA_SOLICITED	0x40000000U
#define NA_OVERRIDE	0x20000000U

#define PREFIX_LEN	64		/* the only one SLAAC works with, whatever the address was configured with */
#define PREFIX_FLAGS	0xc0		/* on-link, autonomous */

/* RFC 4861 4.6, RFC 8106 5. Sizes of options are counted in units of 8 bytes. */
enum { OPT_SLLA = 1, OPT_TLLA = 2, OPT_PREFIX = 3, OPT_MTU = 5, OPT_RDNSS = 25, OPT_DNSSL = 31 };

static const struct addr all_nodes = { .b = { 0xff, 2, [15] = 1 } };
static const struct mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };

/* Walks the options behind @at; false if they are malformed, which condemns the message (RFC 4861 4.6, 6.1.1, 7.1.1) */
static bool options_ok(const struct view *v, size_t at, bool *slla)
{
	uint8_t opt[2];

	*slla = false;
	while (at < v->len) {
		if (!view_copy(v, at, opt, sizeof(opt)) || !opt[1] || opt[1] * 8U > v->len - at)
			return false;
		*slla |= opt[0] == OPT_SLLA;
		at += opt[1] * 8U;
	}
	return true;
}

static void lladdr_put(struct out *o, uint8_t type, const struct mac *mac)
{
	out_u8(o, type);
	out_u8(o, 1);
	out_bytes(o, mac->b, sizeof(mac->b));
}

static void answer_icmp(struct answer *a, uint8_t type, uint32_t rest, const struct out *o)
{
	a->icmp = (struct icmp_hdr){ .type = type, .rest = rest };
	a->ttl = HOP_LIMIT;
	a->len = o->len;
}

static void prefix_put(struct out *o, const struct addr *addr)
{
	if (!addr_is_global(addr) || !out_room(o, 32))
		return;
	out_u8(o, OPT_PREFIX);
	out_u8(o, 4);
	out_u8(o, PREFIX_LEN);
	out_u8(o, PREFIX_FLAGS);
	out_be32(o, FOREVER);
	out_be32(o, FOREVER);
	out_zero(o, 4);
	out_bytes(o, addr->b, PREFIX_LEN / 8);
	out_zero(o, 16 - PREFIX_LEN / 8);
}

/* RFC 8106 5.1, 5.2. A search list is of no use without servers, and has confused clients. */
static void dns_put(struct out *o, const struct net *net)
{
	const struct net_ip *ip = &net->ip[V6];
	size_t start, len;
	struct out list;

	if (!net->cf->dhcp_dns || !ip->guest.ndns || !out_room(o, 8 + 16 * ip->guest.ndns))
		return;
	out_u8(o, OPT_RDNSS);
	out_u8(o, (uint8_t)(1 + 2 * ip->guest.ndns));
	out_zero(o, 2);
	out_be32(o, FOREVER);
	for (unsigned i = 0; i < ip->guest.ndns; i++)
		out_addr(o, &ip->guest.dns[i]);

	start = o->len;
	if (!net->cf->dhcp_search || !out_room(o, 8))
		return;
	/* Room for padding: what is left, and so the list, is a multiple of 8 */
	list = (struct out){ .b = o->b + start + 8, .max = (o->max - start - 8) / 8 * 8 };
	if (!out_search(&list, net))
		return;
	len = ROUND_UP(list.len, 8);
	out_zero(&list, len - list.len);
	out_u8(o, OPT_DNSSL);
	out_u8(o, (uint8_t)(1 + len / 8));
	out_zero(o, 2);
	out_be32(o, FOREVER);
	o->len += len;
}

/* RFC 4861 4.2: reachable time and retransmission timer are left to the guest */
static void ra_fill(const struct net *net, const struct mac *mac, uint8_t *buf, struct answer *a)
{
	const struct net_ip *ip = &net->ip[V6];
	struct out o = { .b = buf, .max = RA_MAX };
	uint32_t flags = 0;

	if (!net->cf->no_dhcpv6)
		flags = RA_OTHER | (addr_is_global(&ip->guest.addr) ? RA_MANAGED : 0);

	out_zero(&o, 8);
	lladdr_put(&o, OPT_SLLA, mac);
	if (net->cf->mtu >= 1280) {
		out_u8(&o, OPT_MTU);
		out_u8(&o, 1);
		out_zero(&o, 2);
		out_be32(&o, net->cf->mtu);
	}
	prefix_put(&o, &ip->guest.addr);
	dns_put(&o, net);

	answer_icmp(a, ND_ROUTER_ADVERT, (uint32_t)CUR_HOP_LIMIT << 24 | flags << 16 |
					 (addr_is_unspec(&ip->gw) ? 0 : ROUTER_LIFETIME), &o);
	a->src.a = ip->our_ll;
}

void ndp_advert(const struct net *net, const struct mac *mac, uint8_t *out, struct answer *a)
{
	*a = (struct answer){ .dmac = all_nodes_mac, .dst.a = all_nodes };
	ra_fill(net, mac, out, a);
}

/* Everything of a neighbour advertisement but who it is to (RFC 4861 4.4) */
static void na_fill(const struct addr *target, const struct mac *mac, uint32_t flags, uint8_t *buf, struct answer *a)
{
	struct out o = { .b = buf, .max = ANSWER_MAX };

	out_addr(&o, target);
	lladdr_put(&o, OPT_TLLA, mac);
	answer_icmp(a, ND_NEIGHBOR_ADVERT, flags, &o);
	a->src.a = *target;
}

void ndp_announce(const struct addr *who, const struct mac *mac, const struct addr *to, const struct mac *guest,
		  uint8_t *out, struct answer *a)
{
	if (addr_is_multicast(to)) {
		*a = (struct answer){ .dmac = all_nodes_mac, .dst.a = all_nodes };
		na_fill(who, mac, NA_ROUTER | NA_OVERRIDE, out, a);
	} else {
		*a = (struct answer){ .dmac = *guest, .dst.a = *to };
		na_fill(who, mac, NA_ROUTER | NA_SOLICITED | NA_OVERRIDE, out, a);
	}
}

/* RFC 4861 7.1.1, 7.2.3, 7.2.4 */
static enum drop ns_answer(const struct net *net, const struct neighs *n, const struct pkt *p, uint8_t *buf,
			   struct answer *a)
{
	struct addr target;
	bool slla;

	if (!view_copy(&p->data, 0, target.b, sizeof(target.b)) || !options_ok(&p->data, sizeof(target.b), &slla))
		return DROP_RESPONDER;
	if (addr_is_multicast(&target) || addr_is_unspec(&target) || addr_is_loopback(&target) || addr_is_v4(&target))
		return DROP_RESPONDER;
	if (addr_is_unspec(&p->src.a))		/* duplicate address detection: nobody else has it */
		return slla ? DROP_RESPONDER : DROP_NONE;
	if (addr_eq(&target, &p->src.a) || addr_eq(&target, &net->ip[V6].guest.addr) ||
	    addr_eq(&target, &net->ip[V6].guest.ll))
		return DROP_NONE;

	na_fill(&target, neigh_mac(n, net, &target, &p->smac), NA_ROUTER | NA_SOLICITED | NA_OVERRIDE, buf, a);
	a->dmac = p->smac;
	a->dst.a = p->src.a;
	return DROP_NONE;
}

/* RFC 4861 6.1.1, 6.2.6: at once, and to the asker alone if it has an address */
static enum drop rs_answer(const struct net *net, const struct neighs *n, const struct pkt *p, uint8_t *buf,
			   struct answer *a)
{
	bool slla;

	if (!options_ok(&p->data, 0, &slla) || (slla && addr_is_unspec(&p->src.a)))
		return DROP_RESPONDER;
	ndp_advert(net, neigh_mac(n, net, &net->ip[V6].our_ll, &p->smac), buf, a);
	if (!addr_is_unspec(&p->src.a)) {
		a->dmac = p->smac;
		a->dst.a = p->src.a;
	}
	return DROP_NONE;
}

enum drop ndp_answer(const struct net *net, const struct neighs *n, const struct pkt *p, uint8_t *out, struct answer *a)
{
	*a = (struct answer){ 0 };
	if (!net->ip[V6].on)
		return DROP_POLICY;
	if (p->ttl != HOP_LIMIT || p->icmp.code)
		return DROP_RESPONDER;

	switch (p->icmp.type) {
	case ND_ROUTER_SOLICIT:
		return rs_answer(net, n, p, out, a);
	case ND_NEIGHBOR_SOLICIT:
		return ns_answer(net, n, p, out, a);
	case ND_NEIGHBOR_ADVERT:
		return DROP_NONE;	/* to ndp_solicit(), or unsolicited; MAC addresses are learned from any frame */
	default:
		return DROP_RESPONDER;	/* no other router is heard here */
	}
}

unsigned ndp_interval(unsigned n)
{
	uint32_t r;

	if (n < ADVERT_INITIALS)	/* the bounds are above it */
		return ADVERT_INITIAL;
	random_bytes(&r, sizeof(r));
	return ADVERT_MIN + r % (ADVERT_MAX - ADVERT_MIN + 1);
}

void ndp_solicit(const struct net *net, const struct mac *mac, const struct addr *target, uint8_t *out,
		 struct answer *a)
{
	struct out o = { .b = out, .max = ANSWER_MAX };
	const uint8_t *t = target->b + 13;

	out_addr(&o, target);
	lladdr_put(&o, OPT_SLLA, mac);

	/* Solicited-node address (RFC 4291 2.7.1) */
	*a = (struct answer){ .dmac = { { 0x33, 0x33, 0xff, t[0], t[1], t[2] } },
			      .src.a = net->ip[V6].our_ll,
			      .dst.a = { .b = { 0xff, 2, [11] = 1, 0xff, t[0], t[1], t[2] } } };
	answer_icmp(a, ND_NEIGHBOR_SOLICIT, 0, &o);
}
