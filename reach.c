/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reach.c - the guest that a rule leads to: the rule's own, or with --lan, whoever has an address or a name now */
#include <string.h>

#include "reach.h"

struct guest *reach_guest(struct ctx *c, const struct rule *r, enum family client, struct addr *to)
{
	const struct lease *l;
	unsigned guest;
	struct mac mac;

	*to = r->to_addr;
	if (!lan_on(&c->net) || (addr_is_unspec(to) && !r->to_name[0]))
		return guest_of(c, r->guest);
	if (r->to_name[0]) {
		l = lease_named(&c->leases, r->to_name, strlen(r->to_name));
		if (!l || (!lease_has(l, V4) && !lease_has(l, V6)))
			return NULL;
		*to = l->a[lease_has(l, client) ? client : client == V4 ? V6 : V4];
	}
	return lease_find(&c->leases, to, &guest, &mac) ? &c->guest[guest] : NULL;
}

enum drop reach_in(struct ctx *c, const struct rule *r, const struct side *host, struct guest **g, struct side *side)
{
	struct rule to = { .to_addr = addr_any6 };
	struct guest *found = reach_guest(c, r, addr_family(&host->peer.a), &to.to_addr);

	if (!found)
		return DROP_POLICY;
	*g = found;
	if (!r->to_name[0])
		return map_in(&c->net, &found->seen, r, host, side);
	to.proto = r->proto;
	to.first = r->first;
	to.to = r->to;
	return map_in(&c->net, &found->seen, &to, host, side);
}
