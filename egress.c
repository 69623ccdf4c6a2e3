/* SPDX-License-Identifier: GPL-2.0-or-later */
/* egress.c - may a guest begin a flow?
 *
 * Addresses of the host come and go: the kernel is asked, by a look-up of the route (rtnetlink(7)), at most once for an
 * address, and only if the answer makes a difference to the verdict. Without an answer, the address counts as the
 * host's where that refuses it.
 *
 * A destination that carries other addresses, of relays and translators, is refused if one of them is.
 */
#include <linux/rtnetlink.h>

#include "egress.h"

void egress_set(struct ctx *c, struct policy *p)
{
	c->egress.policy = p;
	for (unsigned i = 0; i < GUEST_MAX; i++)
		c->guest[i].policy = p && policy_matters(p) ? p : NULL;
}

int egress_start(struct ctx *c, struct policy *p, bool later)
{
	c->egress.nl.fd = -1;
	egress_set(c, p);
	return later || c->guest[0].policy ? nl_open(&c->egress.nl, NETLINK_ROUTE) : 0;
}

/* Groups that the network's settings know, added to the address's */
static unsigned groups_here(const struct net *net, const struct addr *a)
{
	const struct net_ip *ip = &net->ip[addr_family(a)];
	unsigned groups = policy_groups(a);

	/* The host's address, which the guest has too: --map-guest-addr leads there */
	if (addr_is(a, &ip->guest.addr))
		groups = policy_groups_with(groups, GROUP_HOST);
	for (enum family f = V4; f < FAMILIES; f++) {
		for (unsigned i = 0; i < net->ip[f].guest.ndns; i++)
			groups |= (unsigned)addr_eq(a, &net->ip[f].guest.dns[i]) << GROUP_RESOLVER;
		groups |= (unsigned)addr_is(a, &net->ip[f].dns_host) << GROUP_RESOLVER;
	}
	return groups;
}

static bool same(struct decision a, struct decision b)
{
	return a.rule == b.rule && a.verdict == b.verdict;
}

/* Of several decisions, a refusal counts, or else a question: @d or @also, in @d */
static void stricter(struct decision *d, struct decision also)
{
	if (also.verdict == DENY || (also.verdict == ASK && d->verdict == ALLOW))
		*d = also;
}

/* Decision on one address */
static struct decision judge_one(struct ctx *c, const struct policy *p, enum policy_proto proto, const struct end *to)
{
	unsigned groups = groups_here(&c->net, &to->a);
	struct decision d = policy_judge(p, proto, to, groups), host, many;

	host = policy_judge(p, proto, to, policy_groups_with(groups, GROUP_HOST));
	many = policy_judge(p, proto, to, policy_groups_with(groups, GROUP_MULTICAST));
	if (same(d, host) && same(d, many))
		return d;
	switch (nl_route_type(&c->egress.nl, &to->a)) {
	case RTN_LOCAL:
	case RTN_ANYCAST:
		return host;
	case RTN_BROADCAST:
	case RTN_MULTICAST:
		return many;
	case RTN_UNICAST:
	case RTN_UNREACHABLE:
		return d;
	default:
		stricter(&d, host);
		stricter(&d, many);
		return d;
	}
}

/* Decision on a destination, with what it carries */
static struct decision judge(struct ctx *c, const struct policy *p, uint8_t proto, const struct end *to)
{
	enum policy_proto pp = proto == IPPROTO_TCP ? POLICY_TCP : proto == IPPROTO_UDP ? POLICY_UDP : POLICY_ECHO;
	struct decision d = judge_one(c, p, pp, to);
	struct addr v4[POLICY_CARRIED];
	unsigned n = policy_carried(&to->a, v4);

	for (unsigned i = 0; i < n; i++) {
		const struct end carried = { v4[i], to->port };

		stricter(&d, judge_one(c, p, pp, &carried));
	}
	return d;
}

enum drop egress_verdict(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to)
{
	struct policy *p = g->policy;
	struct decision d = judge(c, p, proto, to);

	if (d.rule == POLICY_NONE)
		p->hits++;
	else
		p->rule[d.rule].hits++;
	return d.verdict == ALLOW ? DROP_NONE : DROP_POLICY;
}

static uint8_t flow_proto(const struct flow *f)
{
	if (f->type == FLOW_PING)
		return IPPROTO_ICMP;
	return f->type == FLOW_TCP || f->type == FLOW_SPLICE ? IPPROTO_TCP : IPPROTO_UDP;
}

unsigned egress_end_refused(struct ctx *c)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < c->flows.unused; i++) {
		struct flow *f = &c->flows.f[i];
		const struct policy *p = flow_guest(c, f)->policy;

		if (f->type == FLOW_FREE || f->dead || !f->egress || !p ||
		    judge(c, p, flow_proto(f), &f->side[HOST].peer).verdict == ALLOW)
			continue;
		n += f->ops->end(c, f);
	}
	return n;
}
