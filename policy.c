/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy.c - egress policy: rules compiled into places, and the verdict on a flow
 *
 * A place is a prefix, a group or a name that rules have. Its rules become one map of keys, protocol and port in one
 * number, to the first rule that has the key. Prefixes are sorted, and each has a link to the next larger one around
 * it: the last one that is not behind an address, and those around it, are all that can contain the address. Names are
 * in a hash: a name is looked up there, and each name above it. Among the places of an address and its name, the lowest
 * number of a rule counts.
 */
#include <stddef.h>
#include <string.h>

#include "dns.h"
#include "policy.h"
#include "util.h"

#define RULE_BITS	14

#define PORT_QUIC	443		/* by UDP */

static struct policy policies[2];		/* one in use, and its successor in the making */

/* Scratch of policy_compile() */
static uint32_t order[POLICY_MAX], skip[POLICY_EDGES + 1];

struct policy *policy_new(const struct policy *old)
{
	struct policy *p = &policies[old == &policies[0]];

	/* Tables behind the counts are written before they are read */
	memset(p, 0, offsetof(struct policy, rule));
	p->no_name = POLICY_NONE;
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

/* As memcmp(), without case (RFC 4343 3) */
static int name_cmp(const char *a, const char *b, size_t len)
{
	int d = 0;

	for (size_t i = 0; i < len && !d; i++)
		d = ascii_lower((uint8_t)a[i]) - ascii_lower((uint8_t)b[i]);
	return d;
}

static bool has_name(unsigned target)
{
	return target == TARGET_NAME || target == TARGET_BELOW;
}

/* Order of places, and of rules in the same place: 0 */
static int place_cmp(const struct policy_rule *a, const struct policy_rule *b)
{
	int d = (int)a->target - b->target;

	d = d ? d : memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
	d = d ? d : (int)a->plen - b->plen;
	return d || !has_name(a->target) ? d : name_cmp(a->name, b->name, a->plen);
}

/* Numbers by value, or numbers of @p's rules by place */
static bool before(const struct policy *p, uint32_t a, uint32_t b)
{
	int d = p ? place_cmp(&p->rule[a], &p->rule[b]) : 0;

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
	return (uint32_t)proto << 16 | (proto == POLICY_ECHO || proto == POLICY_QUIC ? 0 : port);
}

/* Next range of keys of a rule, from @first to before @end; *@i: 0 for the first. false: there is none */
static bool next_keys(const struct policy *p, const struct policy_rule *r, unsigned *i, uint32_t *first, uint32_t *end)
{
	static const struct port_range all = { 0, UINT16_MAX };
	unsigned n = MAX(r->nranges, 1U);

	while (*i < POLICY_KEYS * n) {
		unsigned proto = *i / n, k = (*i)++ % n;
		const struct port_range *range = r->nranges ? &p->range[r->ranges + k] : &all;

		if (!(r->protos >> proto & 1) ||
		    (proto == POLICY_QUIC && (range->first > PORT_QUIC || range->last < PORT_QUIC)))
			continue;
		*first = key_of(proto, range->first);
		*end = key_of(proto, range->last) + 1;
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

/* Of a name, byte by byte from its end on (FNV-1a): all names above it are on the way. The longest run of full slots is
 * the policy's own affair: the guest has no part in it.
 */
#define NAME_HASH	2166136261U

static uint32_t name_hash_add(uint32_t h, char ch)
{
	return (h ^ ascii_lower((uint8_t)ch)) * 16777619U;
}

static uint32_t name_hash(const char *name, size_t len)
{
	uint32_t h = NAME_HASH;

	while (len)
		h = name_hash_add(h, name[--len]);
	return h;
}

/* Slot of a name with hash @h, or the free one for it */
static uint16_t *name_slot(const struct policy *p, unsigned target, const char *name, size_t len, uint32_t h)
{
	const struct policy_rule *r;
	uint16_t *s;

	h = (h ^ h >> 15) + target;
	do {
		s = (uint16_t *)&p->slot[h++ % p->slots];
		r = *s ? &p->rule[p->place[*s - 1].rule] : NULL;
	} while (r && (r->target != target || r->plen != len || name_cmp(r->name, name, len)));
	return s;
}

/* The place of @count rules, behind all others */
static void place_add(struct policy *p, const uint32_t *nr, unsigned count)
{
	const struct policy_rule *r = &p->rule[nr[0]];
	struct policy_place *pl = &p->place[p->nplaces];
	unsigned up = p->nplaces ? p->nplaces - 1 : POLICY_NONE;

	*pl = (struct policy_place){
		.addr = r->addr, .plen = r->plen, .target = r->target, .rule = (uint16_t)nr[0], .edges = p->nedges,
	};
	pl->nedges = edges_make(p, nr, count, p->edge + p->nedges);
	p->nedges += pl->nedges;
	while (up != POLICY_NONE && (p->place[up].target != r->target || p->place[up].plen > r->plen ||
				     !in_net(&r->addr, &p->place[up].addr, p->place[up].plen)))
		up = p->place[up].up;
	pl->up = r->target >= TARGET_GROUP ? POLICY_NONE : (uint16_t)up;
	if (r->target == TARGET_GROUP)
		p->group[r->plen] = (uint16_t)p->nplaces;
	if (has_name(r->target))
		*name_slot(p, r->target, r->name, r->plen, name_hash(r->name, r->plen)) = (uint16_t)(p->nplaces + 1);
	p->nplaces++;
	if (r->target == TARGET_V4)
		p->first_v6 = p->nplaces;
	if (r->target < TARGET_GROUP)
		p->end_v6 = p->nplaces;
}

/* An empty hash for @n names */
static void slots_clear(struct policy *p, unsigned n)
{
	p->slots = n ? 2 : 0;
	while (p->slots < 2 * n)
		p->slots *= 2;
	memset(p->slot, 0, p->slots * sizeof(*p->slot));
}

void policy_compile(struct policy *p)
{
	unsigned n, names = 0;
	bool allows = false;

	p->no_name = POLICY_NONE;
	p->nplaces = p->nedges = p->first_v6 = p->end_v6 = 0;
	for (unsigned g = 0; g < GROUPS; g++)
		p->group[g] = POLICY_NONE;
	for (unsigned i = 0; i < p->nrules; i++) {
		const struct policy_rule *r = &p->rule[i];

		order[i] = i;
		allows |= r->verdict != DENY;
		names += has_name(r->target);
		if (has_name(r->target) && r->verdict == DENY)
			p->no_name = MIN(p->no_name, i);
	}
	slots_clear(p, names);
	p->egress = p->given ? p->given : allows ? EGRESS_LOCKED : EGRESS_OPEN;
	sort(p, order, p->nrules);
	for (unsigned i = 0; i < p->nrules; i += n) {
		for (n = 1; i + n < p->nrules; n++)
			if (place_cmp(&p->rule[order[i]], &p->rule[order[i + n]]))
				break;
		place_add(p, order + i, n);
	}
}

bool policy_asks(const struct policy *p)
{
	unsigned i = 0;

	while (i < p->nrules && p->rule[i].verdict != ASK)
		i++;
	return i < p->nrules;
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

/* Places of a name, and of those above it that have rules for all below: their number */
static unsigned places_of(const struct policy *p, const char *name, uint16_t place[static DNS_LABELS + 1])
{
	uint32_t h = NAME_HASH;
	unsigned n = 0, s;
	size_t len = p->slots ? strlen(name) : 0;

	for (size_t at = len; at--; h = name_hash_add(h, name[at])) {
		s = name[at] == '.' ? *name_slot(p, TARGET_BELOW, name + at + 1, len - at - 1, h) : 0;
		if (s && n < DNS_LABELS)
			place[n++] = (uint16_t)(s - 1);
	}
	s = len ? *name_slot(p, TARGET_NAME, name, len, h) : 0;
	if (s)
		place[n++] = (uint16_t)(s - 1);
	return n;
}

static unsigned places_rule(const struct policy *p, const uint16_t *place, unsigned n, uint32_t key)
{
	unsigned rule = POLICY_NONE;

	for (unsigned i = 0; i < n; i++)
		rule = MIN(rule, place_rule(p, place[i], key));
	return rule;
}

/* First rule for a name, or POLICY_NONE */
static unsigned name_rule(const struct policy *p, enum policy_proto proto, uint16_t port, const char *name)
{
	uint16_t place[DNS_LABELS + 1];

	if (proto == POLICY_UDP && port == PORT_QUIC)
		proto = POLICY_QUIC;
	return places_rule(p, place, places_of(p, name, place), key_of(proto, port));
}

static enum verdict by_default(const struct policy *p, enum policy_proto proto, uint16_t port, unsigned groups)
{
	/* A resolver that the guest chooses: names would not be judged */
	if (p->slots && (port == PORT_DOT || port == PORT_DNS) && proto != POLICY_ECHO)
		return DENY;
	switch (p->egress) {
	case EGRESS_UNSET:
	case EGRESS_OPEN:
		return ALLOW;
	case EGRESS_INTERNET:
		if (groups & IN(RESOLVER) && proto != POLICY_ECHO && port == PORT_DNS)
			return ALLOW;
		return groups & IN(PUBLIC) ? ALLOW : DENY;
	case EGRESS_LOCKED:
	case EGRESS_WORDS:
		break;
	}
	return DENY;
}

bool policy_shows_name(enum policy_proto proto, uint16_t port)
{
	return proto == POLICY_TCP && (port == 443 || port == 8443 || port == 80 || port == 8080);
}

struct decision policy_judge(const struct policy *p, enum policy_proto proto, const struct end *to, unsigned groups,
			     const char *name)
{
	unsigned rule = first_rule(p, key_of(proto, to->port), &to->a, groups), named = POLICY_NONE;
	enum verdict v = rule == POLICY_NONE ? by_default(p, proto, to->port, groups) : p->rule[rule].verdict;
	struct decision d = { .rule = (uint16_t)rule, .verdict = (uint8_t)v };

	if (name)
		named = name_rule(p, proto, to->port, name);
	if (groups & POLICY_NAMELESS && named != POLICY_NONE && p->rule[named].verdict != DENY)
		named = POLICY_NONE;		/* no name leads there; one that is denied is refused there, too */
	if (p->no_name < rule && policy_shows_name(proto, to->port))
		d.by = BUT_NAMES;
	if (named < rule) {
		d.rule = (uint16_t)named;
		d.verdict = p->rule[named].verdict;
		d.by = v == ALLOW ? d.by : BY_NAME;
	}
	return d;
}

/* Rules for an address that a name may have, too, as far as they allow it: not those of the arpa names of addresses */
static unsigned wide_places(const struct policy *p, const char *name, uint16_t place[static 2])
{
	static const uint8_t wide[] = { GROUP_ANY, GROUP_PUBLIC };
	size_t len = strlen(name);
	unsigned n = 0;

	if (len > 5 && !memcmp(name + len - 5, ".arpa", 5))
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(wide); i++)
		if (p->group[wide[i]] != POLICY_NONE)
			place[n++] = p->group[wide[i]];
	return n;
}

/* Decision on a name as far as @key goes: by rules for the name, @n of @place, and @wide of them behind these */
static struct decision query_key(const struct policy *p, const uint16_t *place, unsigned n, unsigned wide, uint32_t key)
{
	unsigned rule = places_rule(p, place, n, key);
	struct decision d = { .rule = (uint16_t)rule, .verdict = p->egress == EGRESS_LOCKED ? DENY : ALLOW };

	if (rule != POLICY_NONE)
		d.verdict = p->rule[rule].verdict;
	for (unsigned i = 0; i < wide; i++) {
		unsigned r = place_rule(p, place[n + i], key);

		if (r < d.rule && p->rule[r].verdict != DENY)
			d = (struct decision){ .rule = (uint16_t)r, .verdict = p->rule[r].verdict };
	}
	return d;
}

/* Is it one of a flow that a name may lead to? */
static bool key_counts(uint32_t key)
{
	return key >> 16 < POLICY_ECHO || key == key_of(POLICY_QUIC, 0);
}

struct decision policy_query(const struct policy *p, const char *name)
{
	uint16_t place[DNS_LABELS + 3];
	unsigned n = places_of(p, name, place), wide = wide_places(p, name, place + n);
	struct decision d = query_key(p, place, n, wide, 0), also;

	/* Verdicts change at edges only */
	for (unsigned i = 0; i < n + wide && d.verdict == DENY; i++) {
		const uint32_t *e = p->edge + p->place[place[i]].edges;

		for (unsigned k = 0; k < p->place[place[i]].nedges && d.verdict == DENY; k++) {
			also = key_counts(edge_key(e[k])) ? query_key(p, place, n, wide, edge_key(e[k])) : d;
			if (also.verdict != DENY || also.rule < d.rule)
				d = also;
		}
	}
	return d;
}
