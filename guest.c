/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest.c - one guest: its addresses as learned, and headers to it */
#include <string.h>

#include "ctx.h"
#include "frag.h"

static const struct mac mac_any = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

bool guest_heard(const struct guest *g)
{
	return !mac_eq(&g->mac, &mac_any);
}

struct net_hdr guest_hdr(const struct ctx *c, const struct guest *g, const struct end *src, const struct end *dst)
{
	return (struct net_hdr){
		.dmac = g->mac, .smac = *neigh_mac(&c->neigh, &c->net, &src->a, &g->mac),
		.src = *src, .dst = *dst, .ttl = 255,
	};
}

struct told *guest_told(const struct ctx *c, struct guest *g, const struct addr *a)
{
	return &g->told[neigh_hash(&c->neigh, a) % TOLD];
}

void guest_learn(const struct ctx *c, struct guest *g, const struct pkt *p)
{
	const struct addr *a = &p->src.a;
	struct addr *seen = !addr_is_v4(a) && addr_is_linklocal(a) ? &g->seen.ll : &g->seen.addr[addr_family(a)];

	if (!mac_eq(&g->mac, &p->smac))
		g->mac = p->smac;
	if (!addr_is_unspec(a) && !addr_eq(a, seen) && !map_is_target(&c->fwd, &c->net, a))
		*seen = *a;
}

void guest_init(struct ctx *c)
{
	for (unsigned i = 0; i < GUEST_MAX; i++) {
		struct guest *g = &c->guest[i];

		g->index = g->tap.index = (uint8_t)i;
		g->frags = frags_of(i);
		g->tap.fd = -1;
		g->link.kind = TIMER_LINK;
		g->ndp.kind = TIMER_NDP;
		g->probe.kind = TIMER_PROBE;
		guest_forget(c, g);
	}
}

void guest_forget(struct ctx *c, struct guest *g)
{
	g->mac = mac_any;
	memset(g->told, 0, sizeof(g->told));
	for (unsigned i = V4; i < FAMILIES; i++)
		g->seen.addr[i] = c->net.ip[i].guest.addr;
	g->seen.ll = c->net.ip[V6].guest.ll;
	g->pmtu = (struct pmtus){ 0 };
}
