/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_again_test.c - changes of the host's network: the parts that follow, and those that stay; the kernel is played */
#include "../t.h"
#include "../../net.c"

#define MS_HOUR	3600000ULL

/* One interface and its network of a family */
struct host_net {
	unsigned	ifindex;
	const char	*addr[3];	/* the kernel's order of preference */
	const char	*gw;		/* NULL: no default route */
	bool		down;
};

static struct conf conf;
static struct net net;
static struct host_net host[FAMILIES][2];
static unsigned template_index;		/* of -i */
static uint64_t now = 1000;

static struct addr A(const char *s)
{
	struct addr a = addr_any6;

	if (s && !addr_parse(s, strlen(s), &a))
		printf("Bail out! %s\n", s);
	return a;
}

static const struct host_net *host_find(bool v6, unsigned ifindex)
{
	const struct host_net *any = NULL;

	for (const struct host_net *h = host[v6]; h < host[v6] + 2; h++) {
		if (h->ifindex && (h->ifindex == ifindex || (!ifindex && h->gw)))
			return h;
		if (h->ifindex && !ifindex)
			any = h;
	}
	return any;
}

struct nl_routes nl_routes(struct nl *nl, bool v6, unsigned ifindex)
{
	const struct host_net *h = host_find(v6, ifindex);
	struct nl_routes r = { 0 };

	(void)nl;
	if (!h || h->down)
		return r;
	r.other = h->addr[0] ? h->ifindex : 0;
	if (h->gw)
		r = (struct nl_routes){ h->ifindex, r.other, *h->gw, *h->gw ? A(h->gw) : addr_any6 };
	return r;
}

bool nl_addr_get(struct nl *nl, bool v6, unsigned ifindex, const struct addr *keep, struct addr *a, uint8_t *plen)
{
	const struct host_net *h = host_find(v6, ifindex);

	(void)nl;
	if (!h || !h->addr[0])
		return false;
	*a = A(h->addr[0]);
	*plen = v6 ? 64 : 24;
	for (unsigned i = 0; i < ARRAY_SIZE(h->addr) && h->addr[i] && keep; i++) {
		struct addr b = A(h->addr[i]);

		if (addr_eq(&b, keep))
			*a = b;
	}
	return true;
}

static bool any_address;

bool nl_addr_any(struct nl *nl, bool v6, unsigned ifindex)
{
	(void)nl;
	(void)v6;
	(void)ifindex;
	return any_address;
}

unsigned nl_ifindex(struct nl *nl, const char *name)
{
	(void)nl;
	(void)name;
	return template_index;
}

int nl_link_get(struct nl *nl, unsigned ifindex, const char *name, struct nl_ifinfo *info)
{
	(void)nl;
	(void)name;
	for (unsigned i = 0; i < 4; i++)
		if (host[i / 2][i % 2].ifindex == ifindex)
			info->up = !host[i / 2][i % 2].down;
	return 0;
}

int nl_open(struct nl *nl, int proto)
{
	(void)nl;
	(void)proto;
	return 0;
}

void nl_close(struct nl *nl)
{
	(void)nl;
}

#define ETH4	{ 2, { "192.0.2.2" }, "192.0.2.1", false }
#define ETH6	{ 2, { "2001:db8:1::2" }, "fe80::1", false }
#define WLAN4	{ 3, { "198.51.100.2" }, "198.51.100.1", false }
#define WLAN6	{ 3, { "2001:db8:2::2" }, "fe80::2", false }

static void set_host(const struct host_net v4[2], const struct host_net v6[2])
{
	memcpy(host[V4], v4, sizeof(host[V4]));
	memcpy(host[V6], v6, sizeof(host[V6]));
}

static void names(const char *text)
{
	struct nl nl;

	net_names(&net, &nl, text, strlen(text));
}

/* A host with both families on interface 2, as at the start */
static void start(void)
{
	memset(&conf, 0, sizeof(conf));
	for (enum family f = V4; f < FAMILIES; f++)
		conf.ip[f] = (struct conf_ip){
			.addr = addr_any(f), .gw = addr_any(f), .map_loopback = addr_any(f), .map_guest = addr_any(f),
			.dns_forward = addr_any(f), .dns_host = addr_any(f), .out_addr = addr_any(f),
		};
	conf.follow = conf.dhcp_dns = true;
	conf.mtu = 65520;
	sock_features.ipv6 = true;
	template_index = 0;
	set_host((struct host_net[2]){ ETH4 }, (struct host_net[2]){ ETH6 });
	net_resolv_path = "/nonexistent/resolv.conf";
	net_start(&net, &conf);
}

static unsigned again(void)
{
	struct nl nl;

	now += 1000;
	return net_again(&net, &nl, now, true);
}

/* "address gateway interface" */
static const char *is(enum family f)
{
	static char buf[2 * ADDR_STRLEN + 32];
	char a[ADDR_STRLEN], b[ADDR_STRLEN];
	const struct net_ip *ip = &net.ip[f];

	snprintf(buf, sizeof(buf), "%s %s %u%s%s", addr_is_unspec(&ip->guest.addr) ? "-" : addr_fmt(&ip->guest.addr, a),
		 addr_fmt(&ip->gw, b), ip->ifindex, ip->lost ? " lost" : "", ip->local ? " local" : "");
	return buf;
}

#define BOTH	(1U << V4 | 1U << V6)

static void test_roaming(void)
{
	test("nothing changes");
	start();
	eq(again(), 0);
	eq(net.changes, 0);
	eq_str(is(V4), "192.0.2.2 192.0.2.1 2");
	eq_str(is(V6), "2001:db8:1::2 fe80::1 2");

	test("the default route is another interface's");
	set_host((struct host_net[2]){ WLAN4 }, (struct host_net[2]){ WLAN6 });
	eq(again(), BOTH);
	eq(net.changes, 1);
	eq_str(is(V4), "198.51.100.2 198.51.100.1 3");
	eq_str(is(V6), "2001:db8:2::2 fe80::2 3");
	ok(net.ip[V4].has_addr && net.ip[V4].has_routes);

	test("one without a router, as a VPN's: the router is ours");
	set_host((struct host_net[2]){ { 4, { "10.8.0.2" }, "", false } }, (struct host_net[2]){ WLAN6 });
	eq(again(), 1U << V4);
	eq_str(is(V4), "10.8.0.2 169.254.2.2 4");
}

static void test_absence(void)
{
	test("the default route is gone: all stays, and routes are waited for");
	start();
	set_host((struct host_net[2]){ { 2, { "192.0.2.2" }, NULL, false } }, (struct host_net[2]){ ETH6 });
	eq(again(), 0);
	eq_str(is(V4), "192.0.2.2 192.0.2.1 2");
	ok(net.ip[V4].has_addr && !net.ip[V4].has_routes && net.ip[V4].had_default);
	eq(again(), 0);
	ok(!net.ip[V4].has_routes);

	test("the address is gone, too, with all of IPv4: waited for");
	set_host((struct host_net[2]){ { 0 } }, (struct host_net[2]){ { 0 } });
	eq(again(), 0);
	eq_str(is(V4), "192.0.2.2 192.0.2.1 2");
	eq_str(is(V6), "2001:db8:1::2 fe80::1 2");
	ok(!net.ip[V4].has_addr && !net.ip[V6].has_addr && !net.ip[V4].has_routes);

	test("and there again");
	set_host((struct host_net[2]){ ETH4 }, (struct host_net[2]){ ETH6 });
	eq(again(), 0);
	ok(net.ip[V4].has_addr && net.ip[V4].has_routes);

	test("a host that never had a default route: its routes are as they are, but if the link is down");
	start();
	set_host((struct host_net[2]){ { 2, { "192.0.2.2" }, NULL, false } }, (struct host_net[2]){ { 0 } });
	net_start(&net, &conf);
	again();
	ok(net.ip[V4].has_routes);
	host[V4][0].down = true;
	again();
	ok(!net.ip[V4].has_routes);

	test("no network at the start: it comes");
	start();
	set_host((struct host_net[2]){ { 0 } }, (struct host_net[2]){ { 0 } });
	net_start(&net, &conf);
	eq_str(is(V4), "169.254.2.1 169.254.2.2 0 local");
	set_host((struct host_net[2]){ ETH4 }, (struct host_net[2]){ ETH6 });
	eq(again(), BOTH);
	eq_str(is(V4), "192.0.2.2 192.0.2.1 2");
}

static void test_addresses(void)
{
	test("another address, and a better one: the guest's stays as long as the host has it");
	start();
	host[V4][0].addr[0] = "192.0.2.200";
	host[V4][0].addr[1] = "192.0.2.2";
	eq(again(), 0);
	eq_str(is(V4), "192.0.2.2 192.0.2.1 2");
	host[V4][0].addr[1] = NULL;
	eq(again(), 1U << V4);
	eq_str(is(V4), "192.0.2.200 192.0.2.1 2");

	test("but not with another router");
	start();
	host[V4][0].addr[0] = "203.0.113.2";
	host[V4][0].addr[1] = "192.0.2.2";
	host[V4][0].gw = "203.0.113.1";
	eq(again(), 1U << V4);
	eq_str(is(V4), "203.0.113.2 203.0.113.1 2");

	test("what options name stays");
	start();
	conf.ip[V4].addr = A("10.0.0.2");
	conf.ip[V4].gw = A("10.0.0.1");
	net_start(&net, &conf);
	set_host((struct host_net[2]){ WLAN4 }, (struct host_net[2]){ ETH6 });
	eq(again(), 1U << V4);			/* another interface */
	eq_str(is(V4), "10.0.0.2 10.0.0.1 3");

	test("-i: it goes, and no other one is taken; it is made again");
	start();
	template_index = 2;
	strcpy(conf.ifname, "eth0");
	net_start(&net, &conf);
	template_index = 0;
	set_host((struct host_net[2]){ WLAN4 }, (struct host_net[2]){ WLAN6 });
	eq(again(), 0);
	eq_str(is(V4), "192.0.2.2 192.0.2.1 2");
	template_index = 9;
	set_host((struct host_net[2]){ WLAN4, { 9, { "192.0.2.9" }, "192.0.2.1", false } },
		 (struct host_net[2]){ WLAN6 });
	eq(again(), BOTH);
	eq_str(is(V4), "192.0.2.9 192.0.2.1 9");
	eq_str(is(V6), "2001:db8:1::2 fe80::1 2 lost");
}

static bool is_old(const struct net_old *old, const char *s)
{
	struct addr a = A(s);

	for (unsigned i = 0; i < OLD_MAX; i++)
		if (old[i].until > now && addr_eq(&old[i].a, &a))
			return true;
	return false;
}

static void test_old(void)
{
	static const char *const prefix[] = { "2001:db8:a::2", "2001:db8:b::2", "2001:db8:c::2", "2001:db8:d::2",
						      "2001:db8:e::2" };

	test("a former prefix, for two hours");
	start();
	host[V6][0].addr[0] = prefix[0];
	again();
	ok(is_old(net.prefix, "2001:db8:1::2"));
	now += 2 * MS_HOUR - 1;
	ok(is_old(net.prefix, "2001:db8:1::2"));
	now += 1;
	ok(!is_old(net.prefix, "2001:db8:1::2"));

	test("four of them, the last ones; one that is back is no such one");
	for (unsigned i = 1; i < ARRAY_SIZE(prefix); i++) {
		host[V6][0].addr[0] = prefix[i];
		again();
	}
	for (unsigned i = 0; i < ARRAY_SIZE(prefix) - 1; i++)
		ok(is_old(net.prefix, prefix[i]));
	host[V6][0].addr[0] = "2001:db8:f::2";
	again();
	ok(!is_old(net.prefix, prefix[0]) && is_old(net.prefix, prefix[1]) && is_old(net.prefix, prefix[4]));
	host[V6][0].addr[0] = prefix[4];
	again();
	ok(!is_old(net.prefix, prefix[4]));

	test("another address of the same prefix is none");
	host[V6][0].addr[0] = "2001:db8:e::77";
	again();
	ok(!is_old(net.prefix, prefix[4]));

	test("former routers");
	start();
	host[V6][0].gw = "fe80::7";
	again();
	ok(is_old(net.router, "fe80::1") && !is_old(net.router, "fe80::7"));
	host[V6][0].gw = "fe80::1";
	again();
	ok(!is_old(net.router, "fe80::1") && is_old(net.router, "fe80::7"));

	test("IPv6 is lost if there is IPv4, and not while an address may come back");
	set_host((struct host_net[2]){ ETH4 }, (struct host_net[2]){ { 0 } });
	eq(net_again(&net, &(struct nl){ 0 }, now, false), 0);
	any_address = true;			/* deprecated, or tentative */
	eq(again(), 0);
	any_address = false;
	eq(again(), 1U << V6);
	eq_str(is(V6), "2001:db8:1::2 fe80::1 2 lost");
	eq(again(), 0);
	set_host((struct host_net[2]){ ETH4 }, (struct host_net[2]){ ETH6 });
	eq(again(), 1U << V6);
	eq_str(is(V6), "2001:db8:1::2 fe80::1 2");
}

static bool forwards(const char *s)
{
	struct addr a = A(s);

	return net_is_dns_forward(&net.ip[V4], &a);
}

static void test_names(void)
{
	char a[ADDR_STRLEN];

	test("a text without a server, or the same once more, is no change");
	start();
	names("nameserver 192.0.2.53\n");
	eq(again(), 1U << V4);
	names("");
	names("# nothing\nsearch example.org\n");
	names("nameserver 192.0.2.53\n");
	eq(again(), 0);
	eq_str(addr_fmt(&net.ip[V4].guest.dns[0], a), "192.0.2.53");

	test("a search list alone is one");
	names("nameserver 192.0.2.53\nsearch example.org\n");
	eq(again(), BOTH);
	eq_str(net.search.name[0], "example.org");
	names("nameserver 192.0.2.53\nsearch example.com example.net\n");
	again();
	ok(!strcmp(net.domain[0].name, "example.org") && net.domain[0].until > now);
	names("nameserver 192.0.2.53\nsearch example.org example.com\n");
	again();
	ok(net.domain[0].until == 0 && !strcmp(net.domain[1].name, "example.net") == (net.domain[1].until > now));

	test("former servers of IPv6");
	names("nameserver 2001:db8::1\nnameserver 2001:db8::2\n");
	again();
	names("nameserver 2001:db8::2\nnameserver 2001:db8::3\n");
	again();
	ok(is_old(net.rdnss, "2001:db8::1") && !is_old(net.rdnss, "2001:db8::2") && !is_old(net.rdnss, "2001:db8::3"));

	test("the address that stood for a resolver on loopback leads to the resolvers, whatever the gateway");
	start();
	names("nameserver 127.0.0.53\n");
	again();
	ok(forwards("192.0.2.1") && net.ip[V4].ndns_to == 1);
	set_host((struct host_net[2]){ WLAN4 }, (struct host_net[2]){ ETH6 });
	again();
	ok(forwards("192.0.2.1") && forwards("198.51.100.1"));
	names("nameserver 203.0.113.53\n");
	again();
	ok(forwards("192.0.2.1") && forwards("198.51.100.1") && !forwards("203.0.113.53") && !forwards("198.51.100.2"));
	eq(net.ip[V4].ndns_to, 1);
	eq_str(addr_fmt(&net.ip[V4].dns_to[0].a, a), "203.0.113.53");

	test("--dns-forward is one address for ever");
	start();
	conf.ip[V4].dns_forward = A("169.254.1.1");
	net_start(&net, &conf);
	names("nameserver 127.0.0.53\n");
	again();
	names("nameserver 203.0.113.53\n");
	again();
	ok(forwards("169.254.1.1") && !forwards("192.0.2.1"));
	eq(net.ip[V4].ndns_was, 0);

	test("the resolver that answered is the first one, until there are others");
	names("nameserver 203.0.113.53\nnameserver 203.0.113.54\n");
	again();
	net.ip[V4].dns_first = 1;
	net.ip[V4].dns_until = now + 60000;
	host[V4][0].addr[0] = "192.0.2.9";
	eq(again(), 1U << V4);
	ok(net.ip[V4].dns_first == 1 && net.ip[V4].dns_until > now);
	names("nameserver 203.0.113.54\nnameserver 203.0.113.53\n");
	again();
	eq(net.ip[V4].dns_first, 0);

	test("a link-local resolver's interface is made again");
	template_index = 7;
	names("nameserver fe80::53%eth0\n");
	again();
	eq(net.ip[V4].dns_scope, 7);
	template_index = 8;
	ok(again() & 1U << V4);
	eq(net.ip[V4].dns_scope, 8);

	test("what options name is not followed");
	ok(net_follows_names(&net));
	conf.ip[V4].dns_host = conf.ip[V6].dns_host = A("203.0.113.1");
	ok(net_follows_names(&net));		/* for the search list */
	conf.search_given = true;
	ok(!net_follows_names(&net));
}

int main(void)
{
	test_roaming();
	test_absence();
	test_addresses();
	test_old();
	test_names();
	return done();
}
