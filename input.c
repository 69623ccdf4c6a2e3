/* SPDX-License-Identifier: GPL-2.0-or-later */
/* input.c - a batch from the guest goes to responders and flows; the only demultiplexer
 *
 * Packets of one flow are chained, and the flow is handed the chain once the batch is sorted: consecutive segments become one
 * system call, however they are mixed with those of other flows.
 */
#include <errno.h>
#include <string.h>

#include "answer.h"
#include "frag.h"
#include "icmp.h"
#include "input.h"
#include "ping.h"
#include "tcp.h"
#include "udp.h"

#define SMALL		1500		/* bytes of payload */

/* One batch: scratch, means nothing between calls */
static struct raw input_raw[TAP_BATCH];
static struct pkt input_pkt[TAP_BATCH];
static uint32_t input_flow[TAP_BATCH];		/* flows touched, in order */
static unsigned input_flows;

#define PORT_DHCP	67
#define PORT_DHCPV6	547

static struct told *input_told(const struct ctx *c, struct guest *g, const struct addr *a)
{
	return &g->told[neigh_hash(&c->neigh, a) % TOLD];
}

/* Who the guest is, by what it sends */
static void input_learn(const struct ctx *c, struct guest *g, const struct pkt *p)
{
	const struct addr *a = &p->src.a;
	struct addr *seen = !addr_is_v4(a) && addr_is_linklocal(a) ? &g->seen.ll : &g->seen.addr[addr_family(a)];

	if (!mac_eq(&g->mac, &p->smac))
		g->mac = p->smac;
	if (!addr_is_unspec(a) && !addr_eq(a, seen) && !map_is_target(&c->fwd, &c->net, a))
		*seen = *a;
}

/* Reply of a responder, payload in @out */
static void input_answer(struct ctx *c, struct guest *g, uint16_t ethertype, uint8_t proto, const struct answer *a,
			 const uint8_t *out)
{
	struct net_hdr n = {
		.dmac = a->dmac, .smac = *neigh_mac(&c->neigh, &c->net, &a->src.a, &g->mac),
		.src = a->src, .dst = a->dst, .ttl = a->ttl,
	};
	struct frame *f;

	if (!tap_reserve(&g->tap, &f, 1, a->len, TAP_VITAL)) {
		drop_count(g, DROP_LINK_FULL);
		return;
	}
	memcpy(f->pay[0].iov_base, out, a->len);
	f->len = a->len;
	n.id = tap_ids(&g->tap, 1);
	if (ethertype == ETH_P_ARP)
		frame_eth(f, &n.dmac, &n.smac, ETH_P_ARP);
	else if (proto == IPPROTO_UDP)
		frame_udp(f, &n, 0, &g->tap.caps);
	else
		frame_icmp(f, &n, &a->icmp);
	tap_commit(&g->tap, f);
	neigh_asked(&c->neigh, &a->src.a);
	*input_told(c, g, &a->src.a) = (struct told){ a->src.a, a->dst.a, n.smac };
}

void input_neighbour(struct ctx *c, struct guest *g, const struct addr *who)
{
	const struct mac *mac = neigh_mac(&c->neigh, &c->net, who, &g->mac);
	const struct told *told = input_told(c, g, who);
	struct answer a = { 0 };
	uint8_t out[ANSWER_MAX];

	if (!addr_eq(&told->a, who) || mac_eq(&told->mac, mac))
		return;
	if (addr_is_v4(who)) {
		arp_announce(who, mac, &g->mac, out, &a);
		input_answer(c, g, ETH_P_ARP, 0, &a, out);
	} else {
		ndp_announce(who, mac, &told->to, &g->mac, out, &a);
		input_answer(c, g, ETH_P_IPV6, IPPROTO_ICMPV6, &a, out);
	}
}

enum { NDP_RS = 133, NDP_REDIRECT = 137, ICMPV6_ECHO = 128, MLD_FIRST = 130, MLD_LAST = 132, MLD2_REPORT = 143 };

/* Traffic for ourselves: true if @p was that, with why it was dropped, if it was, in @why */
static bool input_local(struct ctx *c, struct guest *g, const struct pkt *p, enum drop *why)
{
	const struct conf *cf = c->cf;
	struct answer a = { 0 };
	uint8_t out[ANSWER_MAX];

	if (p->ethertype == ETH_P_ARP) {
		*why = arp_answer(&c->net, &c->neigh, p, out, &a);
	} else if (p->proto == IPPROTO_ICMPV6 && p->icmp.type >= NDP_RS && p->icmp.type <= NDP_REDIRECT) {
		bool off = cf->no_ndp || (cf->no_ra && p->icmp.type == NDP_RS);

		*why = off ? DROP_POLICY : ndp_answer(&c->net, &c->neigh, p, out, &a);
	} else if (p->proto == IPPROTO_ICMPV6 &&
		   ((p->icmp.type >= MLD_FIRST && p->icmp.type <= MLD_LAST) || p->icmp.type == MLD2_REPORT)) {
		*why = DROP_NONE;		/* multicast listeners: nothing to answer, the link floods nothing */
	} else if (p->proto == IPPROTO_UDP && p->dst.port == PORT_DHCP && addr_is_v4(&p->dst.a) && !cf->no_dhcp) {
		*why = dhcp_answer(&c->net, p, out, &a);
	} else if (p->proto == IPPROTO_UDP && p->dst.port == PORT_DHCPV6 && !addr_is_v4(&p->dst.a) && !cf->no_dhcpv6) {
		*why = dhcpv6_answer(&c->net, p, out, &a);
	} else {
		return false;
	}

	if (!*why && a.len)
		input_answer(c, g, p->ethertype, p->proto, &a, out);
	return true;
}

/* Flow of a packet, opened if need be; NULL if it was dropped, or answered without one */
static struct flow *input_find(struct ctx *c, struct guest *g, const struct pkt *p)
{
	struct flow *f;

	if (p->proto == IPPROTO_TCP) {
		f = flow_find_guest(&c->flows, FLOW_TCP, &p->src, &p->dst);
		if (!f)
			tcp_open(c, g, p);
	} else {
		f = flow_find_guest(&c->flows, FLOW_UDP, &p->src, &p->dst);
		if (!f)
			f = udp_open(c, g, p);
	}
	return f;
}

/* One packet: answered, dropped, or chained to its flow */
static enum drop input_packet(struct ctx *c, struct guest *g, uint16_t i)
{
	struct pkt *p = &input_pkt[i];
	enum drop why = DROP_NONE;
	struct flow *f;

	input_learn(c, g, p);
	if (input_local(c, g, p, &why))
		return why;

	if (icmp_is_too_big(p))
		return icmp_too_big(c, g, p);
	if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
		ping_input(c, g, p);
		return DROP_NONE;
	}
	if (!(f = input_find(c, g, p)))
		return DROP_NONE;

	p->next = PKT_NEXT_NONE;
	if (f->batch_head == PKT_NEXT_NONE) {
		f->batch_head = i;
		input_flow[input_flows++] = flow_idx(&c->flows, f);
	} else {
		input_pkt[f->batch_tail].next = i;
	}
	f->batch_tail = i;
	return DROP_NONE;
}

/* Segments behind the end of their flow are looked up again, one by one: a SYN may reuse the addresses at once */
static void input_leftover(struct ctx *c, struct guest *g, uint16_t i)
{
	while (i != PKT_NEXT_NONE) {
		uint16_t next = input_pkt[i].next;
		struct flow *f = input_find(c, g, &input_pkt[i]);

		if (f) {
			input_pkt[i].next = PKT_NEXT_NONE;
			f->batch_head = f->batch_tail = i;
			if (tcp_input(c, f, input_pkt) == i) {	/* ended that flow, too */
				input_pkt[i].next = next;
				continue;
			}
		}
		i = next;
	}
}

static void input_chain(struct ctx *c, struct guest *g, struct flow *f)
{
	if (f->dead)				/* gave way to a newer one of this batch */
		return;
	if (f->type == FLOW_TCP)
		input_leftover(c, g, tcp_input(c, f, input_pkt));
	else
		udp_input(c, f, input_pkt);
}

/* Flows touched so far get their chains: those of one small packet first, as others may take long */
static void input_flush(struct ctx *c, struct guest *g)
{
	unsigned rest = 0;

	for (unsigned i = 0; i < input_flows; i++) {
		struct flow *f = &c->flows.f[input_flow[i]];

		if (f->batch_head == f->batch_tail && input_pkt[f->batch_tail].data.len < SMALL)
			input_chain(c, g, f);
		else
			input_flow[rest++] = input_flow[i];
	}
	for (unsigned i = 0; i < rest; i++)
		input_chain(c, g, &c->flows.f[input_flow[i]]);
	input_flows = 0;
}

static enum drop input_frame(struct ctx *c, struct guest *g, uint16_t i)
{
	enum drop why = pkt_parse(&input_raw[i], &input_pkt[i]);
	bool whole = false, full = input_raw[i].off.full;

	if (why || !input_pkt[i].fragment)
		return why ? why : input_packet(c, g, i);

	why = frag_add(&frags_pool, &input_pkt[i], c->now, &input_raw[i], &whole);
	if (!whole)
		return why;
	input_raw[i].off.full = full;
	why = pkt_parse(&input_raw[i], &input_pkt[i]);
	if (!why && input_pkt[i].fragment)	/* fragments in fragments */
		why = DROP_FRAGMENT;
	if (!why)
		why = input_packet(c, g, i);
	input_flush(c, g);		/* the datagram is in frag.c's memory until its next call */
	return why;
}

int input_ready(struct ctx *c, struct guest *g)
{
	int n = tap_recv(&g->tap, input_raw);

	for (int i = 0; i < n; i++) {
		enum drop why = input_frame(c, g, (uint16_t)i);

		if (why)
			drop_count(g, why);
	}
	input_flush(c, g);
	tap_recv_done(&g->tap);
	return n < 0 ? n : 0;
}

void input_ndp_start(struct ctx *c, struct guest *g)
{
	if (c->net.ip[V6].on && !c->cf->no_ndp && !c->cf->no_ra)
		timer_set(&c->wheel, &g->ndp, c->now + ndp_interval(g->adverts));
}

void input_ndp_timer(struct ctx *c, struct guest *g)
{
	struct answer a = { 0 };
	uint8_t out[ANSWER_MAX];

	ndp_advert(&c->net, neigh_mac(&c->neigh, &c->net, &c->net.ip[V6].our_ll, &g->mac), out, &a);
	input_answer(c, g, ETH_P_IPV6, IPPROTO_ICMPV6, &a, out);
	g->adverts++;
	input_ndp_start(c, g);
}

void input_probe(struct ctx *c, struct guest *g)
{
	const struct net_ip *ip = c->net.ip;
	struct answer a = { 0 };
	uint8_t out[ANSWER_MAX];

	if (ip[V4].on && !addr_is_unspec(&ip[V4].guest.addr)) {
		arp_solicit(&c->net, neigh_mac(&c->neigh, &c->net, &ip[V4].gw, &g->mac), &ip[V4].guest.addr, out, &a);
		input_answer(c, g, ETH_P_ARP, 0, &a, out);
	}
	if (ip[V6].on && !addr_is_unspec(&ip[V6].guest.addr) && !c->cf->no_ndp) {
		ndp_solicit(&c->net, neigh_mac(&c->neigh, &c->net, &ip[V6].our_ll, &g->mac), &ip[V6].guest.addr, out, &a);
		input_answer(c, g, ETH_P_IPV6, IPPROTO_ICMPV6, &a, out);
	}
}
