/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan_group.c - which guests get datagrams to a group: IGMP (RFC 3376) and MLD (RFC 3810) snooping, and the querier
 *
 * RFC 4541: reports are for routers only, as hosts that see those of others keep silent (2.1.1, 1a); 224.0.0.0/24,
 * ff02::1 and groups without members are flooded. A guest gets all groups of a family while its own are not known:
 * until it had time to answer its first query, and if it has more than LAN_GROUPS. Groups of neighbour discovery reach
 * guests that never reported one as well.
 *
 * Sources of groups are not looked at.
 */
#include <string.h>

#include "checksum.h"
#include "ctx.h"
#include "lan.h"

#define QUERY_EVERY	125000		/* ms: RFC 3376 8.2, RFC 3810 9.2 */
#define MEMBER_AGE	260000		/* ms: 8.4, 9.4 */
#define ROUTER_AGE	255000		/* ms: 8.5, 9.5 */
#define RESPONSE	1000		/* ms that hosts have for an answer: 8.8, 9.8 */
#define SETTLED		(2 * RESPONSE)

enum { IGMP_QUERY = 0x11, IGMP1_REPORT = 0x12, IGMP2_REPORT = 0x16, IGMP2_LEAVE = 0x17, IGMP3_REPORT = 0x22 };
enum { MLD_QUERY = 130, MLD_REPORT1 = 131, MLD_DONE = 132, MLD_REPORT2 = 143 };
enum { IS_INCLUDE = 1, TO_INCLUDE = 3, BLOCK_OLD = 6 };	/* of a record: RFC 3376 4.2.12, RFC 3810 5.2.12 */

#define QUERY4		36		/* IPv4 header with an option, IGMPv3 query */
#define QUERY6		76		/* IPv6 header, hop-by-hop options, MLDv2 query */

/* Is the group flooded, whoever has joined it? */
static bool is_flooded(const struct addr *a)
{
	static const struct addr nodes = { .b = { 0xff, 2, [15] = 1 } };

	if (addr_is_v4(a))
		return a->b[12] == 224 && !a->b[13] && !a->b[14];
	return addr_eq(a, &nodes) || (a->b[1] & 15) < 2;
}

/* RFC 4291 2.7.1: solicited-node address */
static bool is_solicited(const struct addr *a)
{
	static const struct addr net = { .b = { 0xff, 2, [11] = 1, 0xff } };

	return addr_in_prefix(a, &net, 104);
}

static uint16_t *chain_at(struct lan *l, const struct addr *a)
{
	return &l->groups.head[siphash(l->key, a, sizeof(*a)) % GROUP_HASH];
}

static struct lan_group *group_at(struct lan_groups *t, unsigned n)
{
	return &t->e[n / LAN_GROUPS][n % LAN_GROUPS];
}

static unsigned guest_at(const struct lan_groups *t, const struct lan_group *e)
{
	return (unsigned)(e - t->e[0]) / LAN_GROUPS;
}

static struct lan_group *group_find(struct lan *l, unsigned guest, const struct addr *a)
{
	for (unsigned n = *chain_at(l, a); n; n = group_at(&l->groups, n - 1)->next) {
		struct lan_group *e = group_at(&l->groups, n - 1);

		if (guest_at(&l->groups, e) == guest && addr_eq(&e->a, a))
			return e;
	}
	return NULL;
}

static void group_remove(struct lan *l, struct lan_group *e)
{
	unsigned n = (unsigned)(e - l->groups.e[0]) + 1, guest = guest_at(&l->groups, e);
	uint16_t *at = chain_at(l, &e->a);

	while (*at != n)
		at = &group_at(&l->groups, *at - 1U)->next;
	*at = e->next;
	l->groups.known[addr_family(&e->a)]--;
	l->groups.has[guest]--;
	*e = (struct lan_group){ 0 };
}

/* Of @guest: those that are too old, or all */
static void groups_remove(struct lan *l, unsigned guest, uint64_t before)
{
	for (unsigned i = 0; i < LAN_GROUPS && l->groups.has[guest]; i++)
		if (l->groups.e[guest][i].until && l->groups.e[guest][i].until <= before)
			group_remove(l, &l->groups.e[guest][i]);
}

static void sum_at(uint8_t *b, size_t len, size_t at, uint64_t sum)
{
	uint16_t s = csum_finish(csum_add(b, len, sum));

	memcpy(b + at, &s, sizeof(s));
}

/* Behind the Ethernet header: a query about @group, or all of its family (RFC 3376 4.1, RFC 3810 5.1). Its length. */
static size_t query_build(const struct net *net, const struct addr *group, uint8_t *b)
{
	bool v4 = addr_is_v4(group), all = addr_is_unspec(group);
	const struct addr nodes = v4 ? addr_from4(htonl(0xe0000001)) : (struct addr){ .b = { 0xff, 2, [15] = 1 } };
	const struct addr *from = v4 ? &net->ip[V4].gw : &net->ip[V6].our_ll, *to = all ? &nodes : group;

	memset(b, 0, v4 ? QUERY4 : QUERY6);
	if (v4) {
		memcpy(b, (uint8_t[]){ 0x46, 0xc0, 0, QUERY4, 0, 0, 0x40, 0, 1, IPPROTO_IGMP }, 10);
		addr_to_bytes(from, b + 12);
		addr_to_bytes(to, b + 16);
		memcpy(b + 20, (uint8_t[]){ 0x94, 4, 0, 0, IGMP_QUERY, RESPONSE / 100 }, 6);
		if (!all)
			addr_to_bytes(group, b + 28);
		memcpy(b + 32, (uint8_t[]){ 2, QUERY_EVERY / 1000 }, 2);
		sum_at(b, 24, 10, 0);
		sum_at(b + 24, QUERY4 - 24, 2, 0);
		return QUERY4;
	}
	memcpy(b, (uint8_t[]){ 0x60, 0, 0, 0, 0, QUERY6 - IP6_HLEN, IPPROTO_HOPOPTS, 1 }, 8);
	addr_to_bytes(from, b + 8);
	addr_to_bytes(to, b + 24);
	memcpy(b + 40, (uint8_t[]){ IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0, MLD_QUERY }, 9);
	put_be16(b + 52, RESPONSE);
	if (!all)
		addr_to_bytes(group, b + 56);
	memcpy(b + 72, (uint8_t[]){ 2, QUERY_EVERY / 1000 }, 2);
	sum_at(b + 48, QUERY6 - 48, 2, csum_pseudo(from, to, IPPROTO_ICMPV6, QUERY6 - 48));
	return QUERY6;
}

static void query_send(struct ctx *c, struct guest *g, const struct addr *group)
{
	struct frame *f;
	uint8_t *b;
	struct mac to;

	if (g->tap.down || g->link_error)
		return;
	if (!tap_reserve(&g->tap, &f, 1, QUERY6, TAP_VITAL)) {
		drop_count(g, DROP_LINK_FULL);
		return;
	}
	b = f->pay[0].iov_base;
	f->len = query_build(&c->net, group, b);
	if (addr_is_v4(group))			/* RFC 1112 6.4, RFC 2464 7 */
		to = (struct mac){ { 1, 0, 0x5e, b[17] & 0x7f, b[18], b[19] } };
	else
		to = (struct mac){ { 0x33, 0x33, b[36], b[37], b[38], b[39] } };
	frame_eth(f, &to, &c->net.cf->our_mac, addr_is_v4(group) ? ETH_P_IP : ETH_P_IPV6);
	tap_commit(&g->tap, f);
}

/* To the guests of @set; those that have not been queried yet get all meanwhile */
static void query_all(struct ctx *c, enum family f, const struct guests *guests)
{
	const struct addr any = addr_any(f);
	struct guests set = *guests;
	uint64_t until = c->now + SETTLED;
	struct guest *g;

	while ((g = guest_next(c, &set))) {
		query_send(c, g, &any);
		if (!guests_has(&c->lan.groups.queried[f], g->index))
			c->lan.groups.all[f][g->index] = MAX(c->lan.groups.all[f][g->index], until);
		guests_add(&c->lan.groups.queried[f], g->index);
	}
}

void lan_group_up(struct ctx *c, const struct guest *g)
{
	struct guests set = { 0 };

	guests_add(&set, g->index);
	for (enum family f = V4; f < FAMILIES; f++)
		if (c->lan.groups.known[f])
			query_all(c, f, &set);
}

void lan_group_timeout(struct ctx *c)
{
	struct lan_groups *t = &c->lan.groups;

	for (unsigned i = 0; i < c->guests; i++)
		groups_remove(&c->lan, i, c->now);
	for (enum family f = V4; f < FAMILIES; f++) {
		if (t->known[f])
			query_all(c, f, &c->here);
		else
			t->queried[f] = (struct guests){ 0 };
	}
	if (t->known[V4] || t->known[V6])
		timer_set(&c->wheel, &t->timer, c->now + QUERY_EVERY);
}

static void group_join(struct ctx *c, const struct guest *g, const struct addr *a)
{
	struct lan_groups *t = &c->lan.groups;
	struct lan_group *e = group_find(&c->lan, g->index, a);
	enum family f = addr_family(a);
	uint16_t *at = chain_at(&c->lan, a);

	if (!e && t->has[g->index] == LAN_GROUPS) {
		t->all[f][g->index] = c->now + MEMBER_AGE;
		return;
	}
	if (!e) {
		for (e = t->e[g->index]; e->until; e++)
			;
		*e = (struct lan_group){ .a = *a, .next = *at };
		*at = (uint16_t)(e - t->e[0] + 1);
		t->has[g->index]++;
		if (!t->known[f]++)
			query_all(c, f, &c->here);
	}
	e->until = c->now + MEMBER_AGE;
	t->timer.kind = TIMER_GROUPS;
	if (!timer_armed(&t->timer))
		timer_set(&c->wheel, &t->timer, c->now + QUERY_EVERY);
}

/* There may be others behind the guest: they are asked (RFC 3376 6.4.2, RFC 3810 7.4.2) */
static void group_leave(struct ctx *c, struct guest *g, const struct addr *a)
{
	struct lan_group *e = group_find(&c->lan, g->index, a);

	if (!e || e->until <= c->now + SETTLED)
		return;
	e->until = c->now + SETTLED;
	query_send(c, g, a);
}

/* A report of version 3, or of MLD's version 2: @v from its header on. What is cut ends it. */
static void records_read(struct ctx *c, struct guest *g, const struct view *v, bool v4)
{
	size_t alen = v4 ? 4 : 16, at = 8;
	uint8_t b[20];

	if (!view_copy(v, 0, b, 8))
		return;
	for (unsigned n = get_be16(b + 6); n && view_copy(v, at, b, 4 + alen); n--) {
		unsigned type = b[0], sources = get_be16(b + 2);
		const struct addr a = addr_from_bytes(b + 4, v4);

		at += 4 + alen + sources * alen + b[1] * 4U;
		if (at > v->len || !addr_is_multicast(&a) || is_flooded(&a) || addr_is_v4(&a) != v4)
			continue;
		if (type == BLOCK_OLD || (!sources && (type == IS_INCLUDE || type == TO_INCLUDE)))
			group_leave(c, g, &a);
		else if (type && type < BLOCK_OLD && (sources || type % 2 == 0))
			group_join(c, g, &a);
	}
}

/* The message of a packet that makes sense, with a complete checksum: from its header on; nothing: it is none */
static struct view message(const struct raw *raw, const struct pkt *p)
{
	bool v4 = p->ethertype == ETH_P_IP;
	struct view v = { raw->iov, raw->cnt, p->l4, p->data.off + p->data.len - p->l4 };
	const struct view none = { 0 };
	uint64_t sum = 0;
	uint8_t b[1];

	if (p->fragment || p->ttl != 1 || p->proto != (v4 ? IPPROTO_IGMP : IPPROTO_ICMPV6))
		return none;
	if (v4) {
		if (!view_copy(&p->ip, 0, b, 1))
			return none;
		v = p->ip;
		v.off += (b[0] & 15) * 4U;
		v.len -= MIN(v.len, (b[0] & 15) * 4U);
	} else {
		if (!addr_is_unspec(&p->src.a) && !addr_is_linklocal(&p->src.a))
			return none;
		sum = csum_pseudo(&p->src.a, &p->dst.a, IPPROTO_ICMPV6, (uint32_t)v.len);
	}
	if (v.len < 8 || (!raw->off.partial && csum_finish(csum_iov(v.iov, v.cnt, v.off, v.len, sum))))
		return none;
	return v;
}

bool lan_group_report(struct ctx *c, struct guest *g, const struct raw *raw, const struct pkt *p)
{
	bool v4 = p->ethertype == ETH_P_IP;
	const struct view v = message(raw, p);
	struct addr a = addr_any6;
	uint8_t b[24] = { 0 };
	unsigned type;

	if (!v.len || !view_copy(&v, 0, b, v4 || v.len < 24 ? 8 : 24))
		return false;
	type = b[0];
	if (type == (v4 ? IGMP_QUERY : MLD_QUERY)) {
		if (!addr_is_unspec(&p->src.a))
			c->lan.groups.router[g->index] = c->now + ROUTER_AGE;
		return false;
	}
	if (type == (v4 ? IGMP3_REPORT : MLD_REPORT2)) {
		records_read(c, g, &v, v4);
	} else {
		if (v4 ? type != IGMP1_REPORT && type != IGMP2_REPORT && type != IGMP2_LEAVE
		       : type != MLD_REPORT1 && type != MLD_DONE)
			return false;
		a = addr_from_bytes(b + (v4 ? 4 : 8), v4);
		if (!addr_is_multicast(&a) || is_flooded(&a) || addr_is_v4(&a) != v4)
			return true;
		if (type == (v4 ? IGMP2_LEAVE : MLD_DONE))
			group_leave(c, g, &a);
		else
			group_join(c, g, &a);
	}
	if (!v4)
		guests_add(&c->lan.groups.reported, g->index);
	return true;
}

static void routers_add(const struct ctx *c, struct guests *set)
{
	for (unsigned i = 0; i < c->guests; i++)
		if (c->lan.groups.router[i] > c->now)
			guests_add(set, i);
}

/* Of @set, those that are in @of */
static void guests_limit(struct guests *set, const struct guests *of)
{
	for (unsigned k = 0; k < GUESTS_WORDS; k++)
		set->w[k] &= of->w[k];
}

void lan_group_routers(const struct ctx *c, struct guests *set)
{
	struct guests routers = { 0 };

	routers_add(c, &routers);
	guests_limit(set, &routers);
}

void lan_group_members(struct ctx *c, const struct addr *a, struct guests *set)
{
	struct lan_groups *t = &c->lan.groups;
	struct guests members = { 0 };

	if (is_flooded(a) || !t->known[addr_family(a)])
		return;
	for (unsigned n = *chain_at(&c->lan, a); n; n = group_at(t, n - 1)->next) {
		const struct lan_group *e = group_at(t, n - 1);

		if (e->until > c->now && addr_eq(&e->a, a))
			guests_add(&members, guest_at(t, e));
	}
	if (guests_first(&members, 0) < 0)
		return;
	for (unsigned i = 0; i < c->guests; i++)
		if (t->all[addr_family(a)][i] > c->now || (is_solicited(a) && !guests_has(&t->reported, i)))
			guests_add(&members, i);
	routers_add(c, &members);
	guests_limit(set, &members);
}

void lan_group_forget(struct lan *l, unsigned guest)
{
	struct lan_groups *t = &l->groups;

	groups_remove(l, guest, UINT64_MAX);
	guests_del(&t->reported, guest);
	t->router[guest] = 0;
	for (enum family f = V4; f < FAMILIES; f++) {
		guests_del(&t->queried[f], guest);
		t->all[f][guest] = 0;
	}
}
