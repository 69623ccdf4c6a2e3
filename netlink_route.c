/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink_route.c - the host's routes, and copies of them for the namespace
 *
 * Only unicast routes of the main table count; of a multipath route, only the next hops through the interface in
 * question. Destination, source prefix, gateway, metric, TOS, protocol, scope, preferred source and metrics are copied,
 * all other attributes are not: next hop ids, state, lifetimes, encapsulation.
 *
 * No route is stored: each round dumps them all and inserts them, for as long as a round gets further.
 */

#include <string.h>

#include "log.h"
#include "netlink_msg.h"

/* The routes that a round is about */
enum phase { PHASE_ONLINK, PHASE_DEFAULT, PHASE_ALL };
/* Changes to a route to make the kernel take it: none; no source, no metrics; gateway on-link, too */
enum level { LEVEL_SAME, LEVEL_PLAIN, LEVEL_ONLINK, LEVELS };

struct route {
	struct rtmsg		rtm;
	const struct rtattr	*tb[RTA_MAX + 1];
	bool			v6;
	struct addr		dst;
	uint32_t		metric;
};

/* A next hop: of a multipath route, or the route's own */
struct hop {
	unsigned		ifindex;
	uint8_t			flags, hops;	/* RTNH_F_*; weight less 1 */
	const struct rtattr	*gw, *via;
};

/* A unicast route of the main table, or false */
static bool route_read(const struct nlmsghdr *nh, bool v6, struct route *rt)
{
	const struct rtmsg *rtm = NLMSG_DATA(nh);

	if (nh->nlmsg_type != RTM_NEWROUTE || !msg_has(nh, sizeof(*rtm)) ||
	    rtm->rtm_family != (v6 ? AF_INET6 : AF_INET) || rtm->rtm_type != RTN_UNICAST ||
	    rtm->rtm_flags & RTM_F_CLONED)
		return false;
	attrs_read(nh, sizeof(*rtm), rt->tb, RTA_MAX);
	if (attr_u32(rt->tb[RTA_TABLE], rtm->rtm_table) != RT_TABLE_MAIN)
		return false;
	rt->rtm = *rtm;
	rt->v6 = v6;
	rt->metric = attr_u32(rt->tb[RTA_PRIORITY], 0);
	rt->dst = addr_any(v6 ? V6 : V4);
	return !rtm->rtm_dst_len || attr_addr(rt->tb[RTA_DST], v6, &rt->dst);
}

static struct hop hop_read(const struct route *rt, const struct rtattr *const *tb, unsigned ifindex, unsigned flags)
{
	const struct rtattr *gw = tb[RTA_GATEWAY];

	if (gw && RTA_PAYLOAD(gw) != (rt->v6 ? 16 : 4))
		gw = NULL;
	return (struct hop){ .ifindex = ifindex, .flags = (uint8_t)flags, .gw = gw, .via = tb[RTA_VIA] };
}

/* The @n-th next hop, or false if there are fewer */
static bool route_hop(const struct route *rt, unsigned n, struct hop *h)
{
	const struct rtattr *tb[RTA_VIA + 1], *mp = rt->tb[RTA_MULTIPATH];
	const struct rtnexthop *nh;
	size_t left, step;

	if (!mp) {
		*h = hop_read(rt, rt->tb, attr_u32(rt->tb[RTA_OIF], 0), rt->rtm.rtm_flags);
		return !n;
	}
	left = RTA_PAYLOAD(mp);
	for (nh = RTA_DATA(mp); left >= sizeof(*nh); left -= step) {
		if (nh->rtnh_len < sizeof(*nh) || nh->rtnh_len > left)
			return false;
		if (!n--) {
			attrs_in(RTNH_DATA(nh), (ssize_t)(nh->rtnh_len - sizeof(*nh)), tb, RTA_VIA);
			*h = hop_read(rt, tb, (unsigned)nh->rtnh_ifindex, nh->rtnh_flags);
			h->hops = nh->rtnh_hops;
			return true;
		}
		step = MIN(left, (size_t)RTNH_ALIGN(nh->rtnh_len));
		nh = (const void *)((const char *)nh + step);
	}
	return false;
}

/* The next hop of largest weight, through @ifindex unless that is 0, whose interface is up */
static bool route_best_hop(const struct route *rt, unsigned ifindex, struct hop *best)
{
	bool any = false;
	struct hop h;
	unsigned n;

	*best = (struct hop){ 0 };
	for (n = 0; route_hop(rt, n, &h); n++) {
		if (!h.ifindex || h.flags & RTNH_F_DEAD || (ifindex && h.ifindex != ifindex))
			continue;
		if (!any || h.hops > best->hops)
			*best = h;
		any = true;
	}
	return any;
}

int route_dump(struct nl *nl, bool v6, unsigned ifindex, nl_each each, void *arg)
{
	const struct rtmsg rtm = { .rtm_family = v6 ? AF_INET6 : AF_INET, .rtm_table = RT_TABLE_MAIN };
	struct req r;

	req_start(&r, RTM_GETROUTE, NLM_F_DUMP, &rtm, sizeof(rtm));
	if (ifindex)
		req_attr_u32(&r, RTA_OIF, ifindex);
	return nl_query(nl, &r, each, arg);
}

/* One that a namespace may have, too */
static bool route_counts(const struct route *rt)
{
	return !addr_is_multicast(&rt->dst) && !addr_is_loopback(&rt->dst) && !(rt->v6 && addr_is_linklocal(&rt->dst));
}

/* By destination, metric, TOS, and gateways through @ifindex */
static uint64_t route_id(const struct route *rt, unsigned ifindex)
{
	const uint32_t key[] = { rt->rtm.rtm_dst_len, rt->rtm.rtm_tos, rt->metric };
	uint64_t id = hash_add(hash_add(HASH_START, &rt->dst, sizeof(rt->dst)), key, sizeof(key));
	struct hop h;

	for (unsigned n = 0; route_hop(rt, n, &h); n++) {
		if (h.ifindex == ifindex)
			id = hash_attr(id, h.gw ? h.gw : h.via);
	}
	return id;
}

#define METRIC6		1024		/* of the kernel's choice: IP6_RT_PRIO_USER */

uint64_t route_id_default(bool v6, const struct addr *gw)
{
	const uint32_t key[] = { 0, 0, v6 ? METRIC6 : 0 };
	const struct addr any = addr_any(v6 ? V6 : V4);
	uint64_t id = hash_add(hash_add(HASH_START, &any, sizeof(any)), key, sizeof(key));
	uint8_t b[16];

	if (addr_is_unspec(gw))
		return hash_attr(id, NULL);
	addr_to_bytes(gw, b);
	return hash_add(id, b, v6 ? 16 : 4);
}

bool route_object(const struct nlmsghdr *nh, bool v6, unsigned ifindex, struct object *ob)
{
	struct route rt;
	struct hop h;

	if (!route_read(nh, v6, &rt) || !route_counts(&rt) || !route_best_hop(&rt, ifindex, &h))
		return false;
	*ob = (struct object){
		.class = rt.rtm.rtm_dst_len ? OWN_ROUTE : OWN_DEFAULT, .kernel = rt.rtm.rtm_protocol == RTPROT_KERNEL,
		.id = route_id(&rt, ifindex),
		.sig = hash_add(HASH_START, &rt.rtm.rtm_protocol, 2),		/* and scope */
	};
	ob->sig = hash_attr(hash_attr(ob->sig, rt.tb[RTA_PREFSRC]), rt.tb[RTA_METRICS]);
	return true;
}

struct route_best {
	bool			v6;
	unsigned		ifindex;	/* to look for, 0: any */
	struct nl_routes	found;
	uint32_t		metric;		/* of the default route */
};

static void route_best_each(const struct nlmsghdr *nh, void *arg)
{
	struct route_best *b = arg;
	struct nl_routes *found = &b->found;
	struct route rt;
	struct hop h;

	if (!nh) {
		*found = (struct nl_routes){ 0 };
		return;
	}
	if (!route_read(nh, b->v6, &rt) || !route_best_hop(&rt, b->ifindex, &h) || h.ifindex == LOOPBACK_IF)
		return;
	if (rt.rtm.rtm_dst_len) {
		if (!found->other && !addr_is_linklocal(&rt.dst) && !addr_is_loopback(&rt.dst) &&
		    !addr_is_multicast(&rt.dst))
			found->other = h.ifindex;
		return;
	}
	if (found->by_default && rt.metric >= b->metric)
		return;
	found->by_default = h.ifindex;
	b->metric = rt.metric;
	found->has_gw = attr_addr(h.gw, b->v6, &found->gw) && !addr_is_unspec(&found->gw);
}

struct nl_routes nl_routes(struct nl *nl, bool v6, unsigned ifindex)
{
	struct route_best b = { .v6 = v6, .ifindex = ifindex };

	if (route_dump(nl, v6, ifindex, route_best_each, &b))
		b.found = (struct nl_routes){ 0 };
	return b.found;
}

static int route_add_default(struct nl *nl, unsigned ifindex, const struct addr *gw, unsigned flags)
{
	bool onlink = addr_is_unspec(gw);
	const struct rtmsg rtm = {
		.rtm_family = addr_is_v4(gw) ? AF_INET : AF_INET6,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = onlink ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = flags,
	};
	struct req r;

	req_start(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rtm, sizeof(rtm));
	req_attr_u32(&r, RTA_OIF, ifindex);
	if (!onlink)
		req_attr_addr(&r, RTA_GATEWAY, gw);
	return nl_talk(nl, &r);
}

int nl_route_add_default(struct nl *nl, unsigned ifindex, const struct addr *gw)
{
	int ret = route_add_default(nl, ifindex, gw, 0);

	/* While requests are held, both go: the second one only has an effect if the first one had none */
	if ((ret || nl->hold) && !addr_is_unspec(gw))
		ret = route_add_default(nl, ifindex, gw, RTNH_F_ONLINK);
	return ret;
}

struct route_copy {
	const struct nl_copy	*cp;
	enum phase		phase;
	enum level		level;
};

static struct rtmsg *req_rtm(struct req *r)
{
	return NLMSG_DATA(req_head(r));
}

/* Gateway, if there is one: RTNH_F_* for it */
static uint8_t hop_add(struct req *r, const struct route_copy *rc, const struct hop *h)
{
	bool onlink = rc->level == LEVEL_ONLINK;

	if (h->gw || !onlink)
		req_attr_same(r, h->gw ? h->gw : h->via);
	return onlink && h->gw ? RTNH_F_ONLINK : h->flags & RTNH_F_ONLINK;
}

/* Next hops through the interface: one in the route itself, or several in RTA_MULTIPATH */
static void route_add_hops(struct req *r, const struct route_copy *rc, const struct route *rt)
{
	struct hop h, one = { 0 };
	unsigned n, use = 0;
	size_t mp;

	for (n = 0; route_hop(rt, n, &h); n++) {
		if (h.ifindex == rc->cp->from_if && !use++)
			one = h;
	}
	if (use <= 1) {
		req_attr_u32(r, RTA_OIF, rc->cp->to_if);
		req_rtm(r)->rtm_flags = hop_add(r, rc, &one);
		return;
	}
	mp = req_nest(r, RTA_MULTIPATH);
	for (n = 0; route_hop(rt, n, &h); n++) {
		size_t at = NLMSG_ALIGN(req_head(r)->nlmsg_len);
		struct rtnexthop *nh;

		if (h.ifindex != rc->cp->from_if)
			continue;
		nh = req_room(r, sizeof(*nh));
		if (!nh)
			break;
		nh->rtnh_hops = h.hops;
		nh->rtnh_ifindex = (int)rc->cp->to_if;
		nh->rtnh_flags = hop_add(r, rc, &h);
		req_end(r, at);
	}
	req_end(r, mp);
}

static void route_copy_each(const struct nlmsghdr *nh, void *arg)
{
	const struct route_copy *rc = arg;
	struct route rt;
	struct hop h;
	enum own_class class;
	struct req r;
	uint64_t id;
	bool gw;

	if (!nh || !route_read(nh, rc->cp->v6, &rt) || !route_best_hop(&rt, rc->cp->from_if, &h))
		return;
	if (!route_counts(&rt) || (h.via && rc->cp->no_via))
		return;
	id = route_id(&rt, rc->cp->from_if);
	if (rc->cp->mark)
		own_want(rc->cp->own, id);
	class = rt.rtm.rtm_dst_len ? OWN_ROUTE : OWN_DEFAULT;
	if (rc->cp->mark || (rc->cp->own && !own_may(rc->cp->own, id, rt.v6, class)))
		return;
	gw = h.gw || h.via;
	if ((rc->phase == PHASE_ONLINK && gw) || (rc->phase == PHASE_DEFAULT && (!gw || rt.rtm.rtm_dst_len)))
		return;
	rt.rtm.rtm_table = RT_TABLE_MAIN;
	rt.rtm.rtm_flags = 0;
	if (rc->level == LEVEL_ONLINK && !h.gw)
		rt.rtm.rtm_scope = rt.v6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	req_start(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rt.rtm, sizeof(rt.rtm));
	req_attr_same(&r, rt.tb[RTA_DST]);
	req_attr_same(&r, rt.tb[RTA_SRC]);
	req_attr_same(&r, rt.tb[RTA_PRIORITY]);
	if (rc->level == LEVEL_SAME) {
		if (!rc->cp->no_src)
			req_attr_same(&r, rt.tb[RTA_PREFSRC]);
		req_attr_same(&r, rt.tb[RTA_METRICS]);
	}
	route_add_hops(&r, rc, &rt);
	nl_talk(rc->cp->to, &r);
}

static int copy_round(struct route_copy *rc)
{
	return route_dump(rc->cp->from, rc->cp->v6, rc->cp->from_if, route_copy_each, rc);
}

void nl_route_copy_first(const struct nl_copy *cp)
{
	struct route_copy rc = { .cp = cp, .phase = PHASE_ONLINK };

	copy_round(&rc);
	rc.phase = PHASE_DEFAULT;
	for (; rc.level < LEVELS; rc.level++)
		copy_round(&rc);
}

int nl_route_copy(const struct nl_copy *cp)
{
	struct route_copy rc = { .cp = cp, .phase = PHASE_ALL };
	int dumped, sent;

	if (cp->mark)
		return copy_round(&rc);
	for (; rc.level < LEVELS; rc.level++) {
		do {
			nl_hold(cp->to);
			dumped = copy_round(&rc);
			sent = nl_release(cp->to);
			if (dumped || sent)
				return dumped ? dumped : sent;
			if (!cp->to->refused)
				return 0;
		} while (cp->to->done);
	}
	debug("%u IPv%c routes not copied (%s)", cp->to->refused, cp->v6 ? '6' : '4', errno_text(-cp->to->err));
	return (int)cp->to->refused;
}

/* Answer in a datagram of @len bytes: false: it is not there */
static bool type_read(const struct nl *nl, const struct nlmsghdr *nh, ssize_t len, int *type)
{
	for (; NLMSG_OK(nh, len); nh = NLMSG_NEXT(nh, len)) {
		const struct rtmsg *rtm = NLMSG_DATA(nh);

		if (msg_ends(nh, nl, type)) {
			if (*type == -ENETUNREACH || *type == -EHOSTUNREACH || *type == -EACCES)
				*type = RTN_UNREACHABLE;
			return true;
		}
		if (nh->nlmsg_seq == nl->seq && nh->nlmsg_type == RTM_NEWROUTE && msg_has(nh, sizeof(*rtm))) {
			*type = rtm->rtm_type;
			return true;
		}
	}
	return false;
}

int nl_route_type(struct nl *nl, const struct addr *a)
{
	bool v4 = addr_is_v4(a);
	const struct rtmsg rtm = { .rtm_family = v4 ? AF_INET : AF_INET6, .rtm_dst_len = v4 ? 32 : 128 };
	alignas(NLMSG_ALIGNTO) uint8_t buf[2048];
	struct req r;
	ssize_t n;
	int ret;

	req_start(&r, RTM_GETROUTE, 0, &rtm, sizeof(rtm));
	req_attr_addr(&r, RTA_DST, a);
	ret = nl_ask(nl, &r);
	if (ret)
		return ret;
	do {
		n = nl_recv(nl, buf, sizeof(buf));
		if (n < 0)
			return (int)n;
	} while (!type_read(nl, (const void *)buf, n, &ret));
	return ret;
}
