/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy.c - egress policy: rules compiled into places, and the verdict on a flow
 *
 * A place is a prefix or a group that rules name. Its rules become one map of keys, protocol and port in one number, to
 * the first rule that has the key. Prefixes are sorted, and each has a link to the next larger one around it: the last
 * one that is not behind an address, and those around it, are all that can contain the address. Among the places of an
 * address, the lowest number of a rule counts.
 */
#include <stddef.h>
#include <string.h>

#include "policy.h"
#include "util.h"

#define RULE_BITS	14

static struct policy policies[2];		/* one in use, and its successor in the making */

/* Scratch of policy_compile() */
static uint32_t order[POLICY_MAX], skip[POLICY_EDGES + 1];

struct policy *policy_new(const struct policy *old)
{
	struct policy *p = &policies[old == &policies[0]];

	/* Tables behind the counts are written before they are read */
	memset(p, 0, offsetof(struct policy, rule));
	p->given = old ? old->given : EGRESS_UNSET;
	return p;
}

/* ---- groups ---- */

#define IN(group)	(1U << GROUP_##group)
#define NET4(i, j, k, l, plen)	{ .b = { [10] = 0xff, 0xff, i, j, k, l } }, 96 + (plen)
#define NET6(x, y, z, last, plen)										\
	{ .b = { (x) >> 8, (x) & 0xff, (y) >> 8, (y) & 0xff, (z) >> 8, (z) & 0xff, [15] = last } }, plen

/* IANA's special-purpose address registries for IPv4 and IPv6 (RFC 6890): the first row that contains an address says
 * whether it is globally reachable. "N/A" there is not. Unicast is 2000::/3 (RFC 4291 2.5.4). Groups are those of all
 * rows.
 */
static const struct special {
	struct addr	addr;
	uint8_t		plen;
	bool		global;
	uint16_t	groups;
} special[] = {
	{ NET4(169, 254, 169, 254, 32), false, IN(METADATA) },
	{ NET4(0, 0, 0, 0, 8), false, 0 },
	{ NET4(10, 0, 0, 0, 8), false, IN(PRIVATE) },
	{ NET4(100, 64, 0, 0, 10), false, IN(PRIVATE) },
	{ NET4(127, 0, 0, 0, 8), false, IN(LOOPBACK) | IN(HOST) },
	{ NET4(169, 254, 0, 0, 16), false, IN(LINK_LOCAL) },
	{ NET4(172, 16, 0, 0, 12), false, IN(PRIVATE) },
	{ NET4(192, 0, 0, 9, 32), true, 0 },
	{ NET4(192, 0, 0, 10, 32), true, 0 },
	{ NET4(192, 0, 0, 0, 24), false, 0 },
	{ NET4(192, 0, 2, 0, 24), false, 0 },
	{ NET4(192, 88, 99, 0, 24), false, 0 },
	{ NET4(192, 168, 0, 0, 16), false, IN(PRIVATE) },
	{ NET4(198, 18, 0, 0, 15), false, 0 },
	{ NET4(198, 51, 100, 0, 24), false, 0 },
	{ NET4(203, 0, 113, 0, 24), false, 0 },
	{ NET4(224, 0, 0, 0, 4), false, IN(MULTICAST) },
	{ NET4(255, 255, 255, 255, 32), false, IN(MULTICAST) },
	{ NET4(240, 0, 0, 0, 4), false, 0 },
	{ NET4(0, 0, 0, 0, 0), true, 0 },

	{ NET6(0, 0, 0, 1, 128), false, IN(LOOPBACK) | IN(HOST) },
	{ NET6(0x64, 0xff9b, 0, 0, 96), true, 0 },
	{ NET6(0x2001, 0, 0, 0, 32), false, 0 },
	{ NET6(0x2001, 1, 0, 1, 128), true, 0 },
	{ NET6(0x2001, 1, 0, 2, 128), true, 0 },
	{ NET6(0x2001, 1, 0, 3, 128), true, 0 },
	{ NET6(0x2001, 3, 0, 0, 32), true, 0 },
	{ NET6(0x2001, 4, 0x112, 0, 48), true, 0 },
	{ NET6(0x2001, 0x20, 0, 0, 28), true, 0 },
	{ NET6(0x2001, 0x30, 0, 0, 28), true, 0 },
	{ NET6(0x2001, 0, 0, 0, 23), false, 0 },
	{ NET6(0x2001, 0xdb8, 0, 0, 32), false, 0 },
	{ NET6(0x2002, 0, 0, 0, 16), false, 0 },
	{ NET6(0x3fff, 0, 0, 0, 20), false, 0 },
	{ NET6(0x2000, 0, 0, 0, 3), true, 0 },
	{ { .b = { 0xfd, 0, 0x0e, 0xc2, [14] = 0x02, 0x54 } }, 128, false, IN(METADATA) },
	{ NET6(0xfc00, 0, 0, 0, 7), false, IN(PRIVATE) },
	{ NET6(0xfe80, 0, 0, 0, 10), false, IN(LINK_LOCAL) },
	{ NET6(0xff00, 0, 0, 0, 8), false, IN(MULTICAST) },
	{ NET6(0, 0, 0, 0, 0), false, 0 },
};

/* Is @a in a prefix of its family? @plen: of 128 bits */
static bool in_net(const struct addr *a, const struct addr *net, unsigned plen)
{
	return addr_in_prefix(a, net, plen - (addr_is_v4(net) ? 96 : 0));
}

unsigned policy_groups(const struct addr *a)
{
	bool known = false, global = false;
	unsigned groups = IN(ANY);

	for (const struct special *s = special; s < special + ARRAY_SIZE(special); s++) {
		if (!in_net(a, &s->addr, s->plen))
			continue;
		global = known ? global : s->global;
		known = true;
		groups |= s->groups;
	}
	return global && groups == IN(ANY) ? groups | IN(PUBLIC) : groups;
}

unsigned policy_groups_with(unsigned groups, enum group also)
{
	return (groups & ~IN(PUBLIC)) | 1U << also;
}

unsigned policy_carried(const struct addr *a, struct addr v4[static POLICY_CARRIED])
{
	static const struct addr teredo = { .b = { 0x20, 0x01 } }, nat64 = { .b = { 0, 0x64, 0xff, 0x9b } };
	static const struct addr six_to_four = { .b = { 0x20, 0x02 } };

	if (addr_in_prefix(a, &six_to_four, 16)) {		/* RFC 3056 2 */
		v4[0] = addr_from_bytes(a->b + 2, true);
		return 1;
	}
	if (addr_in_prefix(a, &nat64, 96)) {			/* RFC 6052 2.2 */
		v4[0] = addr_from4(a->w[3]);
		return 1;
	}
	if (addr_in_prefix(a, &teredo, 32)) {			/* RFC 4380 4: server, and client, inverted */
		v4[0] = addr_from4(a->w[1]);
		v4[1] = addr_from4(~a->w[3]);
		return 2;
	}
	return 0;
}

/* ---- compiling ---- */

/* Order of places, and of rules in the same place: 0 */
static int place_cmp(unsigned target, const struct addr *a, unsigned plen, const struct policy_rule *r)
{
	int d = (int)target - r->target;

	d = d ? d : memcmp(a->b, r->addr.b, sizeof(a->b));
	return d ? d : (int)plen - r->plen;
}

/* Numbers by value, or numbers of @p's rules by place */
static bool before(const struct policy *p, uint32_t a, uint32_t b)
{
	int d = p ? place_cmp(p->rule[a].target, &p->rule[a].addr, p->rule[a].plen, &p->rule[b]) : 0;

	return d < 0 || (!d && a < b);
}

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

static void sift(const struct policy *p, uint32_t *v, unsigned i, unsigned n)
{
	for (unsigned child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && before(p, v[child], v[child + 1]))
			child++;
		if (!before(p, v[i], v[child]))
			return;
		swap(&v[i], &v[child]);
	}
}

/* Heapsort: qsort(3) may allocate */
static void sort(const struct policy *p, uint32_t *v, unsigned n)
{
	for (unsigned i = n / 2; i--;)
		sift(p, v, i, n);
	while (n > 1) {
		swap(&v[0], &v[--n]);
		sift(p, v, 0, n);
	}
}

static uint32_t key_of(unsigned proto, uint16_t port)
{
	return (uint32_t)proto << 16 | (proto == POLICY_ECHO ? 0 : port);
}

/* Next range of keys of a rule, from @first to before @end; *@i: 0 for the first. false: there is none */
static bool next_keys(const struct policy *p, const struct policy_rule *r, unsigned *i, uint32_t *first, uint32_t *end)
{
	unsigned n = MAX(r->nranges, 1U);

	while (*i < POLICY_PROTOS * n) {
		unsigned proto = *i / n, range = r->ranges + (*i)++ % n;

		if (!(r->protos >> proto & 1))
			continue;
		*first = key_of(proto, r->nranges ? p->range[range].first : 0);
		*end = key_of(proto, r->nranges ? p->range[range].last : UINT16_MAX) + 1;
		return true;
	}
	return false;
}

static uint32_t edge_key(uint32_t edge)
{
	return edge >> RULE_BITS;
}

static uint32_t edge_rule(uint32_t edge)
{
	return edge & POLICY_NONE;
}

/* Index of the last edge that is not behind @key; the first one is at 0 */
static unsigned edge_at(const uint32_t *e, unsigned n, uint32_t key)
{
	unsigned low = 0;

	while (n - low > 1) {
		unsigned mid = low + (n - low) / 2;

		if (edge_key(e[mid]) <= key)
			low = mid;
		else
			n = mid;
	}
	return low;
}

/* Rule @nr at the edges from @first to before @end that have none yet; skip[] leads to the next one of these */
static void edges_paint(uint32_t *e, unsigned n, uint32_t nr, uint32_t first, uint32_t end)
{
	for (unsigned i = edge_at(e, n, first);; i++) {
		while (skip[i] != i)
			i = skip[i] = skip[skip[i]];
		if (i == n || edge_key(e[i]) >= end)
			return;
		e[i] = (e[i] & ~POLICY_NONE) | nr;
		skip[i] = i + 1;
	}
}

/* Number of different ones of @n sorted edges, by whole value, or by rule: the first of each run stays */
static unsigned edges_unique(uint32_t *e, unsigned n, bool by_rule)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!kept || (by_rule ? edge_rule(e[i]) != edge_rule(e[kept - 1]) : e[i] != e[kept - 1]))
			e[kept++] = e[i];
	}
	return kept;
}

/* Edges of @count rules with the numbers @nr, ascending, which share a place, to @e: their number */
static unsigned edges_make(const struct policy *p, const uint32_t *nr, unsigned count, uint32_t *e)
{
	uint32_t first, end;
	unsigned n = 0;

	e[n++] = POLICY_NONE;
	for (unsigned k = 0; k < count; k++) {
		for (unsigned i = 0; next_keys(p, &p->rule[nr[k]], &i, &first, &end);) {
			e[n++] = first << RULE_BITS | POLICY_NONE;
			e[n++] = end << RULE_BITS | POLICY_NONE;
		}
	}
	sort(NULL, e, n);
	n = edges_unique(e, n, false);
	for (unsigned i = 0; i <= n; i++)
		skip[i] = i;
	for (unsigned k = 0; k < count; k++) {
		for (unsigned i = 0; next_keys(p, &p->rule[nr[k]], &i, &first, &end);)
			edges_paint(e, n, nr[k], first, end);
	}
	return edges_unique(e, n, true);
}

/* The place of @count rules, behind all others */
static void place_add(struct policy *p, const uint32_t *nr, unsigned count)
{
	const struct policy_rule *r = &p->rule[nr[0]];
	struct policy_place *pl = &p->place[p->nplaces];
	unsigned up = p->nplaces ? p->nplaces - 1 : POLICY_NONE;

	*pl = (struct policy_place){ .addr = r->addr, .plen = r->plen, .target = r->target, .edges = p->nedges };
	pl->nedges = edges_make(p, nr, count, p->edge + p->nedges);
	p->nedges += pl->nedges;
	while (up != POLICY_NONE && (p->place[up].target != r->target || p->place[up].plen > r->plen ||
				     !in_net(&r->addr, &p->place[up].addr, p->place[up].plen)))
		up = p->place[up].up;
	pl->up = r->target == TARGET_GROUP ? POLICY_NONE : (uint16_t)up;
	if (r->target == TARGET_GROUP)
		p->group[r->plen] = (uint16_t)p->nplaces;
	p->nplaces++;
	if (r->target == TARGET_V4)
		p->first_v6 = p->nplaces;
	if (r->target != TARGET_GROUP)
		p->end_v6 = p->nplaces;
}

void policy_compile(struct policy *p)
{
	bool allows = false;
	unsigned n;

	p->nplaces = p->nedges = p->first_v6 = p->end_v6 = 0;
	for (unsigned g = 0; g < GROUPS; g++)
		p->group[g] = POLICY_NONE;
	for (unsigned i = 0; i < p->nrules; i++) {
		order[i] = i;
		allows |= p->rule[i].verdict != DENY;
	}
	p->egress = p->given ? p->given : allows ? EGRESS_LOCKED : EGRESS_OPEN;
	sort(p, order, p->nrules);
	for (unsigned i = 0; i < p->nrules; i += n) {
		const struct policy_rule *r = &p->rule[order[i]];

		for (n = 1; i + n < p->nrules; n++)
			if (place_cmp(r->target, &r->addr, r->plen, &p->rule[order[i + n]]))
				break;
		place_add(p, order + i, n);
	}
}

/* ---- verdicts ---- */

/* First rule of a place with @key, or POLICY_NONE */
static unsigned place_rule(const struct policy *p, unsigned place, uint32_t key)
{
	const struct policy_place *pl = &p->place[place];
	const uint32_t *e = p->edge + pl->edges;

	return edge_rule(e[edge_at(e, pl->nedges, key)]);
}

/* The last place of the family of @a, from @low to before @high, that is not behind it, or POLICY_NONE */
static unsigned place_near(const struct policy *p, const struct addr *a, unsigned low, unsigned high)
{
	unsigned first = low;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (memcmp(p->place[mid].addr.b, a->b, sizeof(a->b)) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low > first ? low - 1 : POLICY_NONE;
}

/* First rule for a key of address @a, or POLICY_NONE */
static unsigned first_rule(const struct policy *p, uint32_t key, const struct addr *a, unsigned groups)
{
	bool v4 = addr_is_v4(a);
	unsigned rule = POLICY_NONE;

	for (unsigned g = 0; g < GROUPS; g++) {
		if (groups >> g & 1 && p->group[g] != POLICY_NONE)
			rule = MIN(rule, place_rule(p, p->group[g], key));
	}
	for (unsigned i = place_near(p, a, v4 ? 0 : p->first_v6, v4 ? p->first_v6 : p->end_v6); i != POLICY_NONE;
	     i = p->place[i].up) {
		if (in_net(a, &p->place[i].addr, p->place[i].plen))
			rule = MIN(rule, place_rule(p, i, key));
	}
	return rule;
}

static enum verdict by_default(const struct policy *p, enum policy_proto proto, uint16_t port, unsigned groups)
{
	switch (p->egress) {
	case EGRESS_UNSET:
	case EGRESS_OPEN:
		return ALLOW;
	case EGRESS_INTERNET:
		if (groups & IN(RESOLVER) && proto != POLICY_ECHO && port == 53)
			return ALLOW;
		return groups & IN(PUBLIC) ? ALLOW : DENY;
	case EGRESS_LOCKED:
	case EGRESS_WORDS:
		break;
	}
	return DENY;
}

struct decision policy_judge(const struct policy *p, enum policy_proto proto, const struct end *to, unsigned groups)
{
	unsigned rule = first_rule(p, key_of(proto, to->port), &to->a, groups);
	enum verdict v = rule == POLICY_NONE ? by_default(p, proto, to->port, groups) : p->rule[rule].verdict;

	return (struct decision){ .rule = (uint16_t)rule, .verdict = (uint8_t)v };
}
