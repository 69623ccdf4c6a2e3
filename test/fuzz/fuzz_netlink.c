/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_netlink.c - answers of the kernel: whatever they are, what is inserted for them is well-formed and of our
 * interface
 *
 * Input: one byte, its lowest bit the family, then one datagram, in answer to whatever was asked; sequence number 1.
 */

#include "../../neigh.c"
#include "../../netlink.c"
#include "../../netlink_route.c"

#include <stdlib.h>

#define FROM_IF	20
#define TO_IF	7

#define CHECK(x)				\
	do {					\
		if (!(x))			\
			abort();		\
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nl from, to;
static int kernel[2];

static void init(void)
{
	int sv[2];

	for (unsigned i = 0; i < 2; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv))
			abort();
		(i ? &to : &from)->fd = sv[0];
		kernel[i] = sv[1];
	}
}

/* The answer to the request that comes next */
static void answer(const uint8_t *data, size_t size)
{
	uint8_t b[4096];

	for (unsigned i = 0; i < 2; i++) {
		while (recv(kernel[i], b, sizeof(b), 0) > 0)
			;
	}
	while (recv(from.fd, b, sizeof(b), 0) > 0)
		;
	from.seq = 0;
	if (size)
		send(kernel[0], data, size, 0);
}

static void check_route(const struct nlmsghdr *nh)
{
	const struct rtattr *tb[RTA_MAX + 1];
	const struct rtmsg *rtm = NLMSG_DATA(nh);
	const struct rtnexthop *hop;
	size_t left;

	CHECK(nh->nlmsg_type == RTM_NEWROUTE && msg_has(nh, sizeof(*rtm)));
	attrs_read(nh, sizeof(*rtm), tb, RTA_MAX);
	CHECK(rtm->rtm_type == RTN_UNICAST && rtm->rtm_table == RT_TABLE_MAIN);
	CHECK(!(rtm->rtm_flags & ~(unsigned)RTNH_F_ONLINK));
	CHECK(!tb[RTA_NH_ID] && !tb[RTA_CACHEINFO] && !tb[RTA_EXPIRES] && !tb[RTA_TABLE] && !tb[RTA_ENCAP]);
	if (!tb[RTA_MULTIPATH]) {
		CHECK(attr_u32(tb[RTA_OIF], 0) == TO_IF);
		return;
	}
	CHECK(!tb[RTA_OIF]);
	left = RTA_PAYLOAD(tb[RTA_MULTIPATH]);
	CHECK(left >= 2 * sizeof(*hop));
	for (hop = RTA_DATA(tb[RTA_MULTIPATH]); RTNH_OK(hop, (ssize_t)left); hop = RTNH_NEXT(hop)) {
		CHECK(hop->rtnh_ifindex == TO_IF && !(hop->rtnh_flags & ~RTNH_F_ONLINK));
		left -= MIN(left, (size_t)RTNH_ALIGN(hop->rtnh_len));
	}
	CHECK(!left);
}

/* The requests held for the namespace's side */
static void check_held(void (*check)(const struct nlmsghdr *))
{
	const struct nlmsghdr *nh;
	size_t left = held_len;
	unsigned n = 0;

	for (nh = (const void *)held_buf; NLMSG_OK(nh, left); nh = NLMSG_NEXT(nh, left), n++)
		check(nh);
	CHECK(!left && n == to.held);
	held_len = to.held = 0;
}

static void check_addr(const struct nlmsghdr *nh)
{
	const struct rtattr *tb[IFA_MAX + 1];
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);

	CHECK(nh->nlmsg_type == RTM_NEWADDR && msg_has(nh, sizeof(*ifa)));
	attrs_read(nh, sizeof(*ifa), tb, IFA_MAX);
	CHECK(ifa->ifa_index == TO_IF && !tb[IFA_CACHEINFO] && !tb[IFA_LABEL]);
	CHECK(!(attr_u32(tb[IFA_FLAGS], 0) & ~(uint32_t)(IFA_F_NODAD | IFA_F_NOPREFIXROUTE)));
}

/* The same as a notification: who is in the table is a neighbour, and only its addresses are named */
static void check_neighbours(void)
{
	static const struct conf cf;
	static const struct net net = {
		.cf = &cf,
		.ip[V4] = { .on = true, .ifindex = FROM_IF, .guest.addr.b = { [10] = 0xff, 0xff, 192, 0, 2, 2 } },
		.ip[V6] = { .on = true, .ifindex = FROM_IF },
	};	static struct neighs n;
	uint32_t count = 0;
	struct addr a;

	n = (struct neighs){ .net = &net, .nl = from, .dumping = true, .nl.seq = 1 };
	if (neigh_read(&n))
		return;
	while (neigh_next(&n, &a)) {
		CHECK(neigh_mac(&n, &net, &a, &cf.our_mac) != &cf.our_mac);
		CHECK(!addr_eq(&a, &net.ip[V4].guest.addr) && !addr_is_multicast(&a) && !addr_is_loopback(&a));
	}
	CHECK(n.len == 0);
	for (const struct neigh *e = n.e; e < n.e + NEIGH_MAX; e++) {
		CHECK(!e->used || (!(e->mac.b[0] & 1) && !mac_is_zero(&e->mac)));
		count += e->used;
	}
	CHECK(count == n.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nl_copy cp = { .from = &from, .to = &to, .from_if = FROM_IF, .to_if = TO_IF, .v6 = size && data[0] & 1 };
	struct route_copy rc = { .cp = &cp, .phase = PHASE_ALL };
	struct nl_ifinfo info;
	struct nl_routes routes;
	struct addr a;
	uint8_t plen;

	if (!size)
		return 0;
	if (!kernel[0])
		init();
	data++;
	size--;
	answer(data, size);
	nl_routes(&from, cp.v6, 0);
	answer(data, size);
	routes = nl_routes(&from, cp.v6, FROM_IF);
	CHECK(!routes.has_gw || (routes.by_default && !addr_is_unspec(&routes.gw)));
	answer(data, size);
	if (nl_addr_get(&from, cp.v6, FROM_IF, NULL, &a, &plen))
		CHECK(plen <= (cp.v6 ? 128 : 32) && !addr_is_loopback(&a));
	answer(data, size);
	if (!nl_link_get(&from, FROM_IF, NULL, &info))
		CHECK(info.ifindex);
	answer(data, size);
	check_neighbours();

	answer(data, size);
	nl_hold(&to);
	nl_addr_copy(&cp);
	check_held(check_addr);
	for (unsigned l = LEVEL_SAME; l < LEVELS; l++) {
		rc.level = (enum level)l;
		answer(data, size);
		nl_hold(&to);
		route_dump(&from, cp.v6, FROM_IF, route_copy_each, &rc);
		check_held(check_route);
	}
	return 0;
}
