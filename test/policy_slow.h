/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_slow.h - a slow reference for compiled rules of egress; included after policy.c */
#ifndef TEST_POLICY_SLOW_H
#define TEST_POLICY_SLOW_H

static inline bool slow_match(const struct policy *p, const struct policy_rule *r, enum policy_proto proto,
			      const struct end *to, unsigned groups)
{
	if (!(r->protos >> proto & 1))
		return false;
	if (r->target == TARGET_GROUP ? !(groups >> r->plen & 1) : !in_net(&to->a, &r->addr, r->plen))
		return false;
	for (unsigned i = 0; i < r->nranges; i++)
		if (to->port >= p->range[r->ranges + i].first && to->port <= p->range[r->ranges + i].last)
			return true;
	return !r->nranges;
}

/* The first rule for this, whose address is in @groups; POLICY_NONE if there is none */
static inline unsigned slow_judge(const struct policy *p, enum policy_proto proto, const struct end *to,
				  unsigned groups)
{
	for (unsigned i = 0; i < p->nrules; i++)
		if (slow_match(p, &p->rule[i], proto, to, groups))
			return i;
	return POLICY_NONE;
}

#endif /* TEST_POLICY_SLOW_H */
