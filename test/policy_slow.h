/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_slow.h - a slow reference for compiled rules of egress; included after policy.c */
#ifndef TEST_POLICY_SLOW_H
#define TEST_POLICY_SLOW_H

#include <strings.h>

/* Is @name, or NULL, the one of the rule, or below it? */
static inline bool slow_named(const struct policy_rule *r, const char *name)
{
	size_t len = name ? strlen(name) : 0, rest = len - r->plen;

	if (len < r->plen || strncasecmp(name + rest, r->name, r->plen))
		return false;
	return r->target == TARGET_NAME ? !rest : rest && name[rest - 1] == '.';
}

static inline bool slow_match(const struct policy *p, const struct policy_rule *r, enum policy_proto proto,
			      const struct end *to, unsigned groups, const char *name)
{
	bool quic = r->name && proto == POLICY_UDP && to->port == 443;

	if (!(r->protos >> (quic ? POLICY_QUIC : proto) & 1))
		return false;
	if (r->target == TARGET_GROUP ? !(groups >> r->plen & 1) : r->name ? !slow_named(r, name) :
	    !in_net(&to->a, &r->addr, r->plen))
		return false;
	for (unsigned i = 0; i < r->nranges; i++)
		if (to->port >= p->range[r->ranges + i].first && to->port <= p->range[r->ranges + i].last)
			return true;
	return !r->nranges;
}

/* The first rule for this, whose address is in @groups and has @name, or NULL; POLICY_NONE if there is none. To some
 * groups, no name leads: there it is good for a refusal only.
 */
static inline unsigned slow_judge(const struct policy *p, enum policy_proto proto, const struct end *to,
				  unsigned groups, const char *name)
{
	for (unsigned i = 0; i < p->nrules; i++) {
		const struct policy_rule *r = &p->rule[i];

		if (!slow_match(p, r, proto, to, groups, name))
			continue;
		if (!r->name || !(groups & POLICY_NAMELESS) || r->verdict == DENY)
			return i;
		name = NULL;
	}
	return POLICY_NONE;
}

/* Verdict on a name as far as one protocol and port go: by its rules, and those that allow any or public addresses */
static inline enum verdict slow_name(const struct policy *p, enum policy_proto proto, uint16_t port, const char *name)
{
	const struct end to = { addr_any4, port };

	for (const struct policy_rule *r = p->rule; r < p->rule + p->nrules; r++) {
		bool wide = r->target == TARGET_GROUP && (r->plen == GROUP_ANY || r->plen == GROUP_PUBLIC);

		if ((r->name || (wide && r->verdict != DENY)) &&
		    slow_match(p, r, proto, &to, 1U << GROUP_ANY | 1U << GROUP_PUBLIC, name))
			return (enum verdict)r->verdict;
	}
	return p->egress == EGRESS_LOCKED ? DENY : ALLOW;
}

/* May it be asked for? @ports: all that differ */
static inline bool slow_query(const struct policy *p, const uint16_t *ports, unsigned n, const char *name)
{
	for (unsigned i = 0; i < 2 * n; i++)
		if (slow_name(p, i % 2 ? POLICY_UDP : POLICY_TCP, ports[i / 2], name) != DENY)
			return true;
	return false;
}

#endif /* TEST_POLICY_SLOW_H */
