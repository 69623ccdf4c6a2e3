/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ndp.c - each IPv6 address but the guest's own is at a known neighbour, or here; we are the router
 * (RFC 4861, 4862, 8106)
 *
 * Prefix, servers and search list never expire, but others may take their place; the default route is refreshed long
 * before it does. An advertisement is one packet of at most 1280 bytes, which every link carries (RFC 8200 5).
 */
#include <netinet/icmp6.h>
#include <string.h>

#include "answer.h"

#define HOP_LIMIT	255		/* RFC 4861 7.1.1: proves that no router was in between */
#define NDP_MAX		(1280 - IP6_HLEN - ICMP_HLEN)

#define ROUTER_LIFETIME	65535		/* s: RFC 8319 4, and hosts had to take it before (RFC 4861 4.2) */

/* RFC 4861 6.2.1, 10; the longest interval allowed: nothing changes, and wakeups cost */
#define ADVERT_MAX	1800000U	/* ms */
#define ADVERT_MIN	(ADVERT_MAX / 100 * 33)
#define ADVERT_INITIAL	16000U
#define ADVERT_INITIALS	3

#define RA_MANAGED	0x80
#define RA_OTHER	0x40
/* In all advertisements: a host that sees the flag go removes its default route (RFC 4861 7.2.5) */
#define NA_ROUTER	0x80000000U
#define NA_SOLICITED	0x40000000U
#define NA_OVERRIDE	0x20000000U

#define LOST_LIFETIME	7200		/* s: RFC 4862 5.5.3 e, what hosts make of a shorter one */
#define PREFIX_LEN	64		/* SLAAC works with no other, whatever the configured length is */
#define PREFIX_FLAGS	0xc0		/* on-link, autonomous */

/* RFC 4861 4.6, RFC 8106 5 */
enum { NDP_SLLA = 1, NDP_TLLA = 2, NDP_PREFIX = 3, NDP_MTU = 5, NDP_RDNSS = 25, NDP_DNSSL = 31 };

static const struct addr all_nodes = { .b = { 0xff, 2, [15] = 1 } };
static const struct mac all_nodes_mac = { { 0x33, 0x33, 0, 0, 0, 1 } };

/* Options from @at on; false if they are malformed, and so the message (RFC 4861 4.6, 6.1.1, 7.1.1) */
static bool options_ok(const struct view *v, size_t at, bool *slla)
{
	uint8_t opt[2];

	*slla = false;
	while (at < v->len) {
		if (!view_copy(v, at, opt, sizeof(opt)) || !opt[1] || opt[1] * 8U > v->len - at)
			return false;
		*slla |= opt[0] == NDP_SLLA;
		at += opt[1] * 8U;
	}
	return true;
}

/* Header of an option: @len bytes, in units of 8, and the 16 bits behind it */
static void head_put(struct out *o, uint8_t type, size_t len, uint16_t rest)
{
	out_be(o, type, 1);
	out_be(o, (uint32_t)len / 8, 1);
	out_be(o, rest, 2);
}

static void lladdr_put(struct out *o, uint8_t type, const struct mac *mac)
{
	out_be(o, type, 1);
	out_be(o, 1, 1);
	out_bytes(o, mac->b, sizeof(mac->b));
}

/* Lifetimes in s */
static void prefix_put(struct out *o, const struct addr *addr, uint32_t preferred, uint32_t valid)
{
	if (!addr_is_global(addr) || !out_room(o, 32))
		return;
	head_put(o, NDP_PREFIX, 32, PREFIX_LEN << 8 | PREFIX_FLAGS);
	out_be(o, valid, 4);
	out_be(o, preferred, 4);
	out_zero(o, 4);
	out_bytes(o, addr->b, PREFIX_LEN / 8);
	out_zero(o, 16 - PREFIX_LEN / 8);
}

static void list_put(struct out *o, uint8_t type, uint32_t lifetime, const struct out *list)
{
	head_put(o, type, 8 + list->len, 0);
	out_be(o, lifetime, 4);
	out_bytes(o, list->b, list->len);
}

/* Former prefixes are deprecated (RFC 4862 5.5.4, RFC 9096 3.5) */
static void old_prefixes_put(struct out *o, const struct net *net, uint64_t now)
{
	for (const struct net_old *p = net->prefix; p < net->prefix + OLD_MAX; p++)
		if (p->until > now)
			prefix_put(o, &p->a, 0, (uint32_t)((p->until - now) / 1000));
}

/* RFC 8106 5.1. Former servers are not to be used; they come last, as dhcpcd's hook stops at the first of these. */
static void servers_put(struct out *o, const struct net *net, uint64_t now)
{
	const struct guest_ip *g = &net->ip[V6].guest;
	struct out list = { .max = sizeof(list.b) }, old = { .max = sizeof(old.b) };

	for (unsigned i = 0; i < g->ndns; i++)
		out_addr(&list, &g->dns[i]);
	for (unsigned i = 0; i < OLD_MAX; i++)
		if (net->rdnss[i].until > now)
			out_addr(&old, &net->rdnss[i].a);
	if (list.len && out_room(o, 8 + list.len))
		list_put(o, NDP_RDNSS, FOREVER, &list);
	if (old.len && out_room(o, 8 + old.len))
		list_put(o, NDP_RDNSS, 0, &old);
}

/* RFC 8106 5.2: padded to a multiple of 8. A search list is of no use without servers, and has confused clients. */
static void domains_put(struct out *o, const struct net *net, uint64_t now)
{
	struct out list = { .max = (MAX(o->max - o->len, 8) - 8) / 8 * 8 }, old = { .max = OLD_MAX * DOMAIN_MAX };

	if (net->ip[V6].guest.ndns && out_search(&list, net)) {
		out_zero(&list, ROUND_UP(list.len, 8) - list.len);
		list_put(o, NDP_DNSSL, FOREVER, &list);
	}
	for (unsigned i = 0; i < OLD_MAX; i++)
		if (net->domain[i].until > now)
			out_name(&old, net->domain[i].name);
	out_zero(&old, ROUND_UP(old.len, 8) - old.len);
	if (old.len && out_room(o, 8 + old.len))
		list_put(o, NDP_DNSSL, 0, &old);
}

static void ndp_start(struct answer *a, uint8_t type, uint32_t rest, const struct addr *src, const struct mac *dmac,
		      const struct addr *dst)
{
	*a = (struct answer){
		.proto = IPPROTO_ICMPV6, .ttl = HOP_LIMIT, .icmp = { .type = type, .rest = rest },
		.src.a = *src, .dst.a = *dst, .dmac = *dmac, .out.max = NDP_MAX,
	};
}

/* RFC 4861 4.2: reachable time and retransmission timer are left to the guest */
void ndp_advert(const struct net *net, const struct mac *mac, struct answer *a)
{
	const struct net_ip *ip = &net->ip[V6];
	const struct addr *prefix = lan_on(net) ? &ip->gw : &ip->guest.addr;
	const bool lost = ip->lost && !lan_on(net);	/* guests have no other prefix to reach each other by */
	struct out *o = &a->out;
	uint64_t now = now_ms();
	uint32_t flags = 0;

	if (!net->cf->no_dhcpv6)
		flags = RA_OTHER | (addr_is_global(prefix) ? RA_MANAGED : 0);
	ndp_start(a, ND_ROUTER_ADVERT, (uint32_t)ANSWER_TTL << 24 | flags << 16 |
		  (addr_is_unspec(&ip->gw) || ip->lost ? 0 : ROUTER_LIFETIME), &ip->our_ll, &all_nodes_mac, &all_nodes);
	out_zero(o, 8);
	lladdr_put(o, NDP_SLLA, mac);
	if (net->cf->mtu >= 1280) {
		head_put(o, NDP_MTU, 8, 0);
		out_be(o, net->cf->mtu, 4);
	}
	prefix_put(o, prefix, lost ? 0 : FOREVER, lost ? LOST_LIFETIME : FOREVER);
	old_prefixes_put(o, net, now);
	if (net->cf->dhcp_dns)
		servers_put(o, net, now);
	if (net->cf->dhcp_dns && net->cf->dhcp_search)
		domains_put(o, net, now);
}

/* RFC 4861 6.2.5 */
void ndp_withdraw(const struct addr *router, const struct mac *mac, struct answer *a)
{
	ndp_start(a, ND_ROUTER_ADVERT, (uint32_t)ANSWER_TTL << 24, router, &all_nodes_mac, &all_nodes);
	out_zero(&a->out, 8);
	lladdr_put(&a->out, NDP_SLLA, mac);
}

/* Neighbour advertisement (RFC 4861 4.4) */
static void na_fill(struct answer *a, const struct addr *target, const struct mac *mac, uint32_t flags,
		    const struct mac *dmac, const struct addr *dst)
{
	ndp_start(a, ND_NEIGHBOR_ADVERT, NA_ROUTER | NA_OVERRIDE | flags, target, dmac, dst);
	out_addr(&a->out, target);
	lladdr_put(&a->out, NDP_TLLA, mac);
}

void ndp_announce(const struct addr *who, const struct mac *mac, const struct addr *to, const struct mac *guest,
		  struct answer *a)
{
	if (addr_is_multicast(to))
		na_fill(a, who, mac, 0, &all_nodes_mac, &all_nodes);
	else
		na_fill(a, who, mac, NA_SOLICITED, guest, to);
}

/* RFC 4861 7.1.1, 7.2.3, 7.2.4 */
static enum drop ns_answer(const struct asker *k, const struct pkt *p, struct answer *a)
{
	const struct net *net = k->net;
	struct addr target;
	bool slla;

	if (!view_copy(&p->data, 0, target.b, sizeof(target.b)) || !options_ok(&p->data, sizeof(target.b), &slla))
		return DROP_RESPONDER;
	if (addr_is_multicast(&target) || addr_is_unspec(&target) || addr_is_loopback(&target) || addr_is_v4(&target))
		return DROP_RESPONDER;
	if (addr_is_unspec(&p->src.a)) {	/* duplicate address detection */
		if (slla)
			return DROP_RESPONDER;
		if (!answer_owner(k, &p->smac, &target))	/* RFC 4862 5.4.4: so that it takes another one */
			na_fill(a, &target, &net->cf->our_mac, 0, &all_nodes_mac, &all_nodes);
		return DROP_NONE;
	}
	if (k->leases && !lan_ours(net, &target))
		return DROP_NONE;		/* other guests answer for themselves */
	if (addr_eq(&target, &p->src.a) || addr_eq(&target, &net->ip[V6].guest.addr) ||
	    addr_eq(&target, &net->ip[V6].guest.ll))
		return DROP_NONE;

	na_fill(a, &target, neigh_mac(k->neigh, net, &target, &p->smac), NA_SOLICITED, &p->smac, &p->src.a);
	return DROP_NONE;
}

/* RFC 4861 6.1.1, 6.2.6: at once, and to the asker alone if it has an address */
static enum drop rs_answer(const struct asker *k, const struct pkt *p, struct answer *a)
{
	bool slla;

	if (!options_ok(&p->data, 0, &slla) || (slla && addr_is_unspec(&p->src.a)))
		return DROP_RESPONDER;
	ndp_advert(k->net, neigh_mac(k->neigh, k->net, &k->net->ip[V6].our_ll, &p->smac), a);
	if (!addr_is_unspec(&p->src.a)) {
		a->dmac = p->smac;
		a->dst.a = p->src.a;
	}
	return DROP_NONE;
}

/* With other guests on the link: an advertisement (RFC 4861 7.1.2) is for an address of the guest */
static enum drop na_check(const struct asker *k, const struct pkt *p)
{
	struct addr target;

	if (!view_copy(&p->data, 0, target.b, sizeof(target.b)))
		return k->leases ? DROP_RESPONDER : DROP_NONE;
	return answer_owner(k, &p->smac, &target) ? DROP_NONE : DROP_OWNER;
}

enum drop ndp_answer(const struct asker *k, const struct pkt *p, struct answer *a)
{
	a->out.len = 0;
	if (!k->net->ip[V6].on)
		return DROP_POLICY;
	if (p->ttl != HOP_LIMIT || p->icmp.code)
		return DROP_RESPONDER;

	switch (p->icmp.type) {
	case ND_ROUTER_SOLICIT:
		return rs_answer(k, p, a);
	case ND_NEIGHBOR_SOLICIT:
		return ns_answer(k, p, a);
	case ND_NEIGHBOR_ADVERT:
		return na_check(k, p);	/* to ndp_solicit(), or unsolicited; MAC addresses are learned from any frame */
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

void ndp_solicit(const struct net *net, const struct mac *mac, const struct addr *target, struct answer *a)
{
	/* Solicited-node address (RFC 4291 2.7.1) */
	const uint8_t *t = target->b + 13;
	const struct mac dmac = { { 0x33, 0x33, 0xff, t[0], t[1], t[2] } };
	const struct addr dst = { .b = { 0xff, 2, [11] = 1, 0xff, t[0], t[1], t[2] } };

	ndp_start(a, ND_NEIGHBOR_SOLICIT, 0, &net->ip[V6].our_ll, &dmac, &dst);
	out_addr(&a->out, target);
	lladdr_put(&a->out, NDP_SLLA, mac);
}
