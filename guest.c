/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest.c - one guest: its addresses as learned, and headers to it */
#include <string.h>

#include "ctx.h"

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

void guest_forget(struct ctx *c, struct guest *g)
{
	g->mac = mac_any;
	memset(g->told, 0, sizeof(g->told));
	for (unsigned i = V4; i < FAMILIES; i++)
		g->seen.addr[i] = c->net.ip[i].guest.addr;
	g->seen.ll = c->net.ip[V6].guest.ll;
	g->pmtu = (struct pmtus){ 0 };
}
