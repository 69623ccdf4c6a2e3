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

uint64_t guest_drops(const struct guest *g)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		sum += g->drops[i];
	return sum;
}

struct mac guest_mac_at(const struct ctx *c, const struct guest *g, const struct addr *a)
{
	unsigned guest;
	struct mac mac;

	return lease_find(&c->leases, a, &guest, &mac) && guest == g->index ? mac : g->mac;
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

bool guest_learn(struct ctx *c, struct guest *g, const struct pkt *p)
{
	const struct addr *a = &p->src.a;
	struct addr *seen = !addr_is_v4(a) && addr_is_linklocal(a) ? &g->seen.ll : &g->seen.addr[addr_family(a)];

	if (!mac_eq(&g->mac, &p->smac)) {
		g->bridged |= lan_on(&c->net) && guest_heard(g);
		g->mac = p->smac;
	}
	if (addr_is_unspec(a) || (lan_on(&c->net) ? guest_checked(g, &c->leases, a) : addr_eq(a, seen)))
		return true;
	if (lan_on(&c->net) && !lease_claim(&c->leases, g->index, &p->smac, a))
		return false;
	if (seen != &g->seen.ll)
		g->checked[addr_family(a)] = c->leases.moves;
	if (lan_on(&c->net) || !map_is_target(&c->fwd, &c->net, a))
		*seen = *a;
	return true;
}

void guest_init(struct ctx *c)
{
	c->guests = conf_links(c->net.cf);
	lan_start(&c->lan);
	tap_guests(c->guests);
	for (unsigned i = 0; i < c->guests; i++) {
		struct guest *g = &c->guest[i];

		g->index = g->tap.index = (uint8_t)i;
		g->frags = frags_of(i);
		g->tap.fd = g->tap.pcap = -1;
		g->link.kind = TIMER_LINK;
		g->ndp.kind = TIMER_NDP;
		g->probe.kind = TIMER_PROBE;
		g->patience.kind = TIMER_TRIAL;
		g->tap.work = &c->work;
		guest_forget(c, g);
	}
}

void guest_forget(struct ctx *c, struct guest *g)
{
	g->mac = g->first = mac_any;
	for (unsigned i = 0; i < TOLD_SETS; i++)
		for (struct told *t = g->told[i]; t < g->told[i] + TOLD_WAYS; t++)
			if (!mac_is_zero(&t->mac))	/* memory that was never used isn't touched */
				*t = (struct told){ 0 };
	for (unsigned i = V4; i < FAMILIES; i++)
		g->seen.addr[i] = lan_on(&c->net) ? addr_any(i) : c->net.ip[i].guest.addr;
	g->seen.ll = c->net.ip[V6].guest.ll;
	g->bridged = false;
	if (lan_on(&c->net))
		leases_gone(&c->leases, g->index);
	if (g->pmtu.until)
		g->pmtu = (struct pmtus){ 0 };
}
