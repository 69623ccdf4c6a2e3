/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow_filter_test.c - notifications that pass the filter, run by the kernel on a socket pair */
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include "../../follow_filter.c"
#include "../../netlink_msg.h"
#include "../t.h"

#define TEMPLATE	7
#define OTHER		8

static struct ctx ctx;
static struct conf conf;
static struct follow watcher;
static int kernel;

static void start(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		abort();
	watcher.notes.fd = pair[0];
	kernel = pair[1];
	ctx.net.cf = &conf;
	for (enum family f = V4; f < FAMILIES; f++)
		ctx.net.ip[f] = (struct net_ip){
			.on = true, .ifindex = TEMPLATE, .has_addr = true, .guest = { .plen = f == V6 ? 64 : 24 },
		};
	ctx.net.ip[V4].guest.addr = addr_from4(htonl(0xc0000202));
	ctx.net.ip[V6].guest.addr = (struct addr){ .b = { 0x20, 1, 0xd, 0xb8, [15] = 2 } };
	eq(follow_filter(&watcher, &ctx), 0);
}

static bool passes(struct req *r)
{
	char byte;

	if (send(kernel, r->b, req_head(r)->nlmsg_len, 0) < 0)
		abort();
	return recv(watcher.notes.fd, &byte, 1, MSG_DONTWAIT) == 1;
}

static bool link_passes(int ifindex, bool wireless)
{
	const struct ifinfomsg ifi = { .ifi_index = ifindex };
	struct req r;

	req_start(&r, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	req_attr_u32(&r, IFLA_MTU, 1500);
	if (wireless)
		req_attr_u32(&r, IFLA_WIRELESS, 0);
	return passes(&r);
}

static bool addr_passes(uint16_t type, unsigned ifindex, const struct addr *a, uint8_t plen, uint8_t flags)
{
	const struct ifaddrmsg ifa = {
		.ifa_family = addr_is_v4(a) ? AF_INET : AF_INET6, .ifa_prefixlen = plen, .ifa_flags = flags,
		.ifa_index = ifindex,
	};
	struct req r;

	req_start(&r, type, 0, &ifa, sizeof(ifa));
	req_attr_addr(&r, IFA_ADDRESS, a);
	req_attr_u32(&r, IFA_FLAGS, flags);
	return passes(&r);
}

static bool route_passes(uint8_t len, uint8_t table, uint8_t type, unsigned oif)
{
	const struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_dst_len = len, .rtm_table = table, .rtm_type = type };
	struct req r;

	req_start(&r, RTM_NEWROUTE, 0, &rtm, sizeof(rtm));
	req_attr_u32(&r, RTA_TABLE, table);
	if (len)
		req_attr_addr(&r, RTA_DST, &(struct addr){ .b = { [10] = 0xff, 0xff, 10 } });
	if (oif)
		req_attr_u32(&r, RTA_OIF, oif);
	return passes(&r);
}

static void test_links(void)
{
	test("links: the template interface, but for wireless scans");
	ok(link_passes(TEMPLATE, false) && !link_passes(OTHER, false) && !link_passes(TEMPLATE, true));
	test("links: any, if names matter");
	strcpy(conf.ifname, "eth9");
	eq(follow_filter(&watcher, &ctx), 0);
	ok(link_passes(TEMPLATE, false) && link_passes(OTHER, false) && !link_passes(OTHER, true));
	conf.ifname[0] = '\0';
	eq(follow_filter(&watcher, &ctx), 0);
}

static void test_addrs(void)
{
	const struct addr ll = { .b = { 0xfe, 0x80, [15] = 2 } }, other = addr_from4(htonl(0xc0000203));

	test("addresses that go: from any interface, but for link-local ones of others");
	ok(addr_passes(RTM_DELADDR, OTHER, &other, 24, 0) && !addr_passes(RTM_DELADDR, OTHER, &ll, 64, 0));
	ok(addr_passes(RTM_DELADDR, TEMPLATE, &other, 24, 0) && addr_passes(RTM_DELADDR, TEMPLATE, &ll, 64, 0));
	ok(addr_passes(RTM_DELADDR, OTHER, &ctx.net.ip[V6].guest.addr, 64, 0));
	test("addresses that come: of the template interface, but for another lifetime of the guest's");
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct guest_ip *g = &ctx.net.ip[f].guest;

		ok(!addr_passes(RTM_NEWADDR, TEMPLATE, &g->addr, g->plen, 0));
		ok(addr_passes(RTM_NEWADDR, TEMPLATE, &g->addr, g->plen, IFA_F_DEPRECATED));
		ok(addr_passes(RTM_NEWADDR, TEMPLATE, &g->addr, g->plen - 1, 0));
		ok(!addr_passes(RTM_NEWADDR, OTHER, &g->addr, g->plen, 0));
	}
	ok(addr_passes(RTM_NEWADDR, TEMPLATE, &other, 24, 0));
	test("without a template interface, any");
	ctx.net.ip[V4].ifindex = 0;
	eq(follow_filter(&watcher, &ctx), 0);
	ok(addr_passes(RTM_NEWADDR, OTHER, &other, 24, 0));
	ok(!addr_passes(RTM_NEWADDR, OTHER, &ctx.net.ip[V6].guest.addr, 64, 0));
	ctx.net.ip[V4].ifindex = TEMPLATE;
	test("the template interface has no address, as if it was made again: any");
	ctx.net.ip[V6].has_addr = false;
	eq(follow_filter(&watcher, &ctx), 0);
	ok(addr_passes(RTM_NEWADDR, OTHER, &ctx.net.ip[V6].guest.addr, 64, 0));
	ok(!addr_passes(RTM_NEWADDR, OTHER, &other, 24, 0));
	ctx.net.ip[V6].has_addr = true;
	eq(follow_filter(&watcher, &ctx), 0);
}

static void test_routes(void)
{
	test("routes: of the main table, to anywhere, or by the template interface");
	ok(route_passes(0, RT_TABLE_MAIN, RTN_UNICAST, OTHER) && route_passes(0, RT_TABLE_MAIN, RTN_UNICAST, 0));
	ok(route_passes(8, RT_TABLE_MAIN, RTN_UNICAST, TEMPLATE));
	ok(!route_passes(8, RT_TABLE_MAIN, RTN_UNICAST, OTHER));
	ok(route_passes(8, RT_TABLE_MAIN, RTN_UNICAST, 0));		/* several next hops */
	ok(!route_passes(0, RT_TABLE_LOCAL, RTN_UNICAST, TEMPLATE));
	ok(!route_passes(8, RT_TABLE_MAIN, RTN_LOCAL, TEMPLATE));
	test("all other messages pass");
	ok(passes(&(struct req){ .b = { 16, 0, 0, 0, NLMSG_ERROR } }));
}

int main(void)
{
	test("the kernel takes it");
	start();
	test_links();
	test_addrs();
	test_routes();
	return done();
}
