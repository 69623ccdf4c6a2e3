/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest.c - one guest: its addresses as learned */
#include <string.h>

#include "ctx.h"
#include "frag.h"

static const struct mac mac_any = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

bool guest_heard(const struct guest *g)
{
	return !mac_eq(&g->mac, &mac_any);
}

static unsigned told_set(const struct ctx *c, const struct addr *a)
{
	return neigh_hash(&c->neigh, a) % TOLD_SETS;
}

const struct told *guest_told(const struct ctx *c, const struct guest *g, const struct addr *a)
{
	const struct told *set = g->told[told_set(c, a)];

	for (const struct told *t = set; t < set + TOLD_WAYS; t++)
		if (addr_eq(&t->a, a))
			return t;
	return NULL;
}

void guest_tell(const struct ctx *c, struct guest *g, const struct told *t)
{
	struct told *set = g->told[told_set(c, &t->a)];
	unsigned i = 0;

	while (i < TOLD_WAYS - 1 && !addr_eq(&set[i].a, &t->a))
		i++;
	memmove(set + 1, set, i * sizeof(*set));
	set[0] = *t;
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
