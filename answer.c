/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer.c - packets to the guest that belong to no flow; bounded writing for their responders */
#include <string.h>

#include "answer.h"
#include "ctx.h"
#include "tcp.h"

enum { NDP_RS = 133, NDP_NS = 135, NDP_REDIRECT = 137, MLD_FIRST = 130, MLD_LAST = 132, MLD2_REPORT = 143 };

#define ADVERT_AGAIN	500		/* ms between two for changes: each of many is told within a second */
#define ADVERTS_AGAIN	3		/* of a change */
#define LABEL_MAX	63		/* RFC 1035 2.3.4 */
#define NAME_MAX_WIRE	255

void out_bytes(struct out *o, const void *p, size_t n)
{
	if (!n || !out_room(o, n))
		return;
	memcpy(o->b + o->len, p, n);
	o->len += n;
}

void out_zero(struct out *o, size_t n)
{
	if (out_room(o, n))
		o->len += n;
}

void out_be(struct out *o, uint32_t v, unsigned n)
{
	uint8_t b[4];

	put_be32(b, v);
	out_bytes(o, b + sizeof(b) - n, n);
}

void out_addr(struct out *o, const struct addr *a)
{
	uint8_t b[16];

	addr_to_bytes(a, b);
	out_bytes(o, b, addr_is_v4(a) ? 4 : 16);
}

bool out_name(struct out *o, const char *name)
{
	uint8_t wire[NAME_MAX_WIRE];
	size_t len = 0;

	if (!*name)
		return false;
	while (*name) {
		size_t label = strcspn(name, ".");

		if (!label || label > LABEL_MAX || len + 1 + label + 1 > sizeof(wire))
			return false;
		wire[len++] = (uint8_t)label;
		memcpy(wire + len, name, label);
		len += label;
		name += label;
		if (*name == '.')
			name++;
	}
	wire[len++] = 0;
	if (!out_room(o, len))
		return false;
	out_bytes(o, wire, len);
	return true;
}

unsigned out_search(struct out *o, const struct net *net)
{
	unsigned i, n = 0;

	for (i = 0; i < net->search.n; i++)
		n += out_name(o, net->search.name[i]);
	return n;
}

void out_opt(struct out *o, unsigned width, unsigned code, const void *data, size_t len)
{
	if (len >= 1U << 8 * width || !out_room(o, 2 * width + len))
		return;
	out_be(o, code, width);
	out_be(o, (uint32_t)len, width);
	out_bytes(o, data, len);
}

void out_opt_be(struct out *o, unsigned width, unsigned code, uint32_t v, unsigned n)
{
	uint8_t b[4];

	put_be32(b, v);
	out_opt(o, width, code, b + sizeof(b) - n, n);
}

void out_opt_addrs(struct out *o, unsigned width, unsigned code, const struct addr *a, unsigned n)
{
	struct out list = { .max = sizeof(list.b) };

	while (n--)
		out_addr(&list, a++);
	if (list.len)
		out_opt(o, width, code, list.b, list.len);
}

bool addr_is_global(const struct addr *a)
{
	return !addr_is_unspec(a) && !addr_is_linklocal(a) && !addr_is_loopback(a) && !addr_is_multicast(a);
}

struct guest_ip answer_ip(const struct asker *k, const struct mac *mac, enum family f)
{
	return k->leases ? lease_ip(k->leases, k->guest, mac, f) : k->net->ip[f].guest;
}

bool answer_owner(const struct asker *k, const struct mac *mac, const struct addr *a)
{
	return !k->leases || lease_claim(k->leases, k->guest, mac, a);
}

/* The guest, for responders */
static struct asker asker_of(struct ctx *c, const struct guest *g)
{
	return (struct asker){ &c->net, &c->neigh, lan_on(&c->net) ? &c->leases : NULL, g->index };
}

static void answer_send(struct ctx *c, struct guest *g, const struct answer *a)
{
	struct net_hdr n = {
		.dmac = a->dmac, .smac = *neigh_mac(&c->neigh, &c->net, &a->src.a, &g->mac),
		.src = a->src, .dst = a->dst, .ttl = a->ttl,
	};
	struct frame *f;

	if (!tap_reserve(&g->tap, &f, 1, a->out.len, TAP_VITAL)) {
		drop_count(g, DROP_LINK_FULL);
		return;
	}
	memcpy(f->pay[0].iov_base, a->out.b, a->out.len);
	f->len = a->out.len;
	n.id = tap_ids(&g->tap, 1);
	if (a->proto == IPPROTO_UDP)
		frame_udp(f, &n, 0, &g->tap.caps);
	else if (a->proto)
		frame_icmp(f, &n, &a->icmp);
	else
		frame_eth(f, &n.dmac, &n.smac, ETH_P_ARP);
	tap_commit(&g->tap, f);
	neigh_asked(&c->neigh, &a->src.a);
	guest_tell(c, g, &(struct told){ a->src.a, a->dst.a, n.smac });
}

/* Does an interface come up there: DHCP, a router solicitation, a probe or announcement of an address (RFC 5227 1.1,
 * RFC 4862 5.4.2)?
 */
static bool comes_up(const struct pkt *p)
{
	if (p->ethertype == ETH_P_ARP)
		return arp_is_news(p);
	return p->proto == IPPROTO_UDP || p->icmp.type == NDP_RS ||
	       (p->icmp.type == NDP_NS && addr_is_unspec(&p->src.a));
}

/* After DHCP, connections to the guest find it, before it has sent anything from its address */
static void learn_lease(const struct asker *k, struct guest *g, const struct mac *mac, enum family f)
{
	if (k->leases && addr_is_unspec(&g->seen.addr[f]))
		g->seen.addr[f] = lease_ip(k->leases, k->guest, mac, f).addr;
}

bool answer_local(struct ctx *c, struct guest *g, const struct pkt *p, enum drop *why)
{
	const struct asker k = asker_of(c, g);
	const struct conf *cf = c->net.cf;
	struct answer a;

	a.out.len = 0;
	if (p->ethertype == ETH_P_ARP) {
		*why = arp_answer(&k, p, &a);
	} else if (p->proto == IPPROTO_ICMPV6 && p->icmp.type >= NDP_RS && p->icmp.type <= NDP_REDIRECT) {
		bool off = cf->no_ndp || (cf->no_ra && p->icmp.type == NDP_RS);

		*why = off ? DROP_POLICY : ndp_answer(&k, p, &a);
	} else if (p->proto == IPPROTO_ICMPV6 &&
		   ((p->icmp.type >= MLD_FIRST && p->icmp.type <= MLD_LAST) || p->icmp.type == MLD2_REPORT)) {
		*why = DROP_NONE;		/* multicast listeners: lan_group.c reads them */
	} else if (p->proto == IPPROTO_UDP && p->dst.port == PORT_DHCP && addr_is_v4(&p->dst.a) && !cf->no_dhcp) {
		*why = dhcp_answer(&k, p, &a);
		learn_lease(&k, g, &p->smac, V4);
	} else if (p->proto == IPPROTO_UDP && p->dst.port == PORT_DHCPV6 && !addr_is_v4(&p->dst.a) && !cf->no_dhcpv6) {
		*why = dhcpv6_answer(&k, p, &a);
		learn_lease(&k, g, &p->smac, V6);
	} else {
		return false;
	}

	if (!*why && comes_up(p) && c->now >= g->came_next) {
		g->came_next = c->now + GUEST_CAME_EVERY;
		tcp_again(c, g);
	}
	if (!*why && a.out.len)
		answer_send(c, g, &a);
	return true;
}

void answer_neighbour(struct ctx *c, struct guest *g, const struct addr *who)
{
	const struct mac *mac = neigh_mac(&c->neigh, &c->net, who, &g->mac);
	const struct told *told = guest_told(c, g, who);
	struct answer a;

	if (!told || mac_eq(&told->mac, mac))
		return;
	if (addr_is_v4(who))
		arp_announce(who, mac, &g->mac, &a);
	else
		ndp_announce(who, mac, &told->to, &g->mac, &a);
	answer_send(c, g, &a);
}

void answer_adverts(struct ctx *c, struct guest *g)
{
	if (c->net.ip[V6].on && !c->net.cf->no_ndp && !c->net.cf->no_ra)
		timer_set(&c->wheel, &g->ndp, c->now + ndp_interval(g->adverts));
}

void answer_changed(struct ctx *c, struct guest *g)
{
	g->adverts = 0;
	answer_adverts(c, g);
	if (timer_armed(&g->ndp))
		timer_set(&c->wheel, &g->ndp, MAX(c->now, g->advert_at + ADVERT_AGAIN));
}

void answer_advert(struct ctx *c, struct guest *g)
{
	struct answer a;

	ndp_advert(&c->net, neigh_mac(&c->neigh, &c->net, &c->net.ip[V6].our_ll, &g->mac), &a);
	answer_send(c, g, &a);
	for (const struct net_old *r = c->net.router; r < c->net.router + OLD_MAX && g->adverts < ADVERTS_AGAIN; r++) {
		if (r->until <= c->now)
			continue;
		ndp_withdraw(&r->a, neigh_mac(&c->neigh, &c->net, &r->a, &g->mac), &a);
		answer_send(c, g, &a);
	}
	g->advert_at = c->now;
	g->adverts++;
	answer_adverts(c, g);
}

void answer_probe(struct ctx *c, struct guest *g)
{
	const struct net_ip *ip = c->net.ip;
	struct answer a;

	if (lan_on(&c->net))			/* a guest's address is its MAC address's, which is not known */
		return;
	if (ip[V4].on && !addr_is_unspec(&ip[V4].guest.addr)) {
		arp_solicit(&c->net, neigh_mac(&c->neigh, &c->net, &ip[V4].gw, &g->mac), &ip[V4].guest.addr, &a);
		answer_send(c, g, &a);
	}
	if (ip[V6].on && !addr_is_unspec(&ip[V6].guest.addr) && !c->net.cf->no_ndp) {
		ndp_solicit(&c->net, neigh_mac(&c->neigh, &c->net, &ip[V6].our_ll, &g->mac), &ip[V6].guest.addr, &a);
		answer_send(c, g, &a);
	}
}
