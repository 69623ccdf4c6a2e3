/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_test.c - what follows from options, resolv.conf and the host's network; users and groups */
/* LDFLAGS: -Wl,--wrap=die,--wrap=exit,--wrap=log_at */

#include <fcntl.h>
#include <unistd.h>

#include "../t.h"
#include "../../conf.c"
#include "../../net.c"
#include "../../summary.h"
#include "../conf_run.h"

static struct conf conf;
static struct net net;
static char path[] = "/tmp/net_test.XXXXXX";

static void write_file(const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || fd_write_all(fd, text, strlen(text))) {
		printf("Bail out! can't write %s\n", path);
		_exit(1);
	}
	close(fd);
}

/* What the host's network gives, where options leave it open */
enum host { HOST_FULL, HOST_NONE, HOST_LL_GW };

static void host_network(enum host h)
{
	static const char *const text[][3] = {
		[HOST_FULL] = { "192.0.2.2", "192.0.2.1", "2001:db8::1" },
		[HOST_LL_GW] = { "192.0.2.2", "192.0.2.1", "fe80::7" },
		[HOST_NONE] = { NULL, "169.254.2.2", "fe80::1" },
	};
	struct net_ip *ip4 = &net.ip[V4], *ip6 = &net.ip[V6];
	bool given4 = !addr_is_unspec(&ip4->guest.addr), given6 = !addr_is_unspec(&ip6->guest.addr);

	ip4->local = h == HOST_NONE && !given4;
	ip6->local = h == HOST_NONE && !given6;
	if (text[h][0] && !given4) {
		ok(addr_parse(text[h][0], strlen(text[h][0]), &ip4->guest.addr));
		ip4->guest.plen = ip4->guest.plen ? ip4->guest.plen : 24;
	}
	if (text[h][0] && !given6) {
		ok(addr_parse("2001:db8::2", 11, &ip6->guest.addr));
		ip6->guest.plen = ip6->guest.plen ? ip6->guest.plen : 64;
	}
	if (addr_is_unspec(&ip4->gw))
		ok(addr_parse(text[h][1], strlen(text[h][1]), &ip4->gw));
	if (addr_is_unspec(&ip6->gw))
		ok(addr_parse(text[h][2], strlen(text[h][2]), &ip6->gw));
}

static void run_net(const char *line, const char *resolv, enum host h)
{
	static char words[1024];
	char *argv[64];
	int argc = 0;

	snprintf(words, sizeof(words), "pasta %s", line);
	for (char *s = strtok(words, " "); s; s = strtok(NULL, " "))
		argv[argc++] = s;
	argv[argc] = NULL;

	write_file(resolv);
	net_resolv_path = path;
	ok(run_parse(&conf, argc, argv));
	eq_str(run.error, "");
	from_options(&net, &conf);
	host_network(h);
	run.log[0] = '\0';
	if (setjmp(run.end))
		return;
	complete(&net);
}

static const char *show(const struct addr *a)
{
	static char buf[4][ADDR_STRLEN];
	static unsigned n;

	return addr_is_unspec(a) ? "-" : addr_fmt(a, buf[n++ % 4]);
}

/* One family: servers for the guest > mapping, "192.0.2.1,192.0.2.9 | 192.0.2.1>127.0.0.53" */
static const char *show_dns(enum family f)
{
	static char buf[2][512];
	const struct net_ip *ip = &net.ip[f];
	char *s = buf[f];
	int n = 0;

	for (unsigned i = 0; i < ip->guest.ndns; i++)
		n += snprintf(s + n, sizeof(buf[0]) - (size_t)n, "%s%s", i ? "," : "", show(&ip->guest.dns[i]));
	snprintf(s + n, sizeof(buf[0]) - (size_t)n, "%s| %s>%s", n ? " " : "", show(&ip->dns_forward),
			 show(&ip->dns_host));
	return s;
}

/* The host is 192.0.2.2 with gateway 192.0.2.1, and 2001:db8::2 with 2001:db8::1 */
static const struct {
	const char	*name, *line, *resolv, *v4, *v6;
} dns[] = {
	{ "servers as they are", "",
	  "nameserver 198.51.100.53\nnameserver 2001:db8:53::1\nnameserver 198.51.100.54\n",
	  "198.51.100.53,198.51.100.54 | ->-", "2001:db8:53::1 | ->-" },
	{ "DNS-01 resolver on loopback: the gateway", "", "nameserver 127.0.0.53\n",
	  "192.0.2.1 | 192.0.2.1>127.0.0.53", "| ->-" },
	{ "DNS-01 the same, IPv6", "", "nameserver ::1\n", "| ->-", "2001:db8::1 | 2001:db8::1>::1" },
	{ "DNS-01 DNS-05 loopback and others, in order", "", "nameserver 198.51.100.53\nnameserver 127.0.0.1\n",
	  "198.51.100.53,192.0.2.1 | 192.0.2.1>127.0.0.1", "| ->-" },
	{ "DNS-01 two on loopback: the first", "", "nameserver 127.0.0.53\nnameserver 127.0.0.54\n",
	  "192.0.2.1 | 192.0.2.1>127.0.0.53", "| ->-" },
	{ "loopback, and nothing leads there", "--no-map-gw", "nameserver 127.0.0.53\n", "| ->-", "| ->-" },
	{ "loopback, --map-host-loopback none", "--map-host-loopback none", "nameserver 127.0.0.53\n", "| ->-",
	  "| ->-" },
	{ "loopback, --map-host-loopback", "--map-host-loopback 10.9.9.9", "nameserver 127.0.0.53\n",
	  "10.9.9.9 | 10.9.9.9>127.0.0.53", "| ->-" },
	{ "DNS-03 loopback, --dns-forward and --no-map-gw", "--no-map-gw --dns-forward 169.254.1.1",
	  "nameserver 127.0.0.53\n", "169.254.1.1 | 169.254.1.1>127.0.0.53", "| ->-" },
	{ "DNS-04 the gateway is the resolver", "", "nameserver 192.0.2.1\n", "192.0.2.1 | 192.0.2.1>192.0.2.1",
	  "| ->-" },
	{ "DNS-04 the same, IPv6", "", "nameserver 2001:db8::1\n", "| ->-",
	  "2001:db8::1 | 2001:db8::1>2001:db8::1" },
	{ "DNS-04 with --no-map-gw it is any server", "--no-map-gw", "nameserver 192.0.2.1\n", "192.0.2.1 | ->-",
	  "| ->-" },
	{ "--dns-forward to the first one", "--dns-forward 10.9.9.9",
	  "nameserver 198.51.100.53\nnameserver 198.51.100.54\n",
	  "198.51.100.53,198.51.100.54 | 10.9.9.9>198.51.100.53",
	  "| ->-" },
	{ "Lix: the gateway is the forward address", "-g 169.254.1.1 -a 169.254.1.2 --dns-forward 169.254.1.1",
	  "nameserver 127.0.0.53\n", "169.254.1.1 | 169.254.1.1>127.0.0.53", "| ->-" },
	{ "DNS-08 --dns feeds --dns-forward", "--dns-forward 10.9.9.9 -D 203.0.113.53", "nameserver 127.0.0.53\n",
	  "203.0.113.53 | 10.9.9.9>203.0.113.53", "| ->-" },
	{ "DNS-08 --dns none leaves the host's for --dns-forward", "--dns-forward 10.9.9.9 -D none",
	  "nameserver 127.0.0.53\n", "| 10.9.9.9>127.0.0.53", "| ->-" },
	{ "DNS-07 --dns on loopback: the guest's own", "-D 127.0.0.1 -D ::1", "nameserver 198.51.100.53\n",
	  "127.0.0.1 | ->-", "::1 | ->-" },
	{ "DNS-07 --dns on loopback, the host's, too", "-D 127.0.0.9", "nameserver 127.0.0.53\nnameserver ::1\n",
	  "127.0.0.9 | ->-", "2001:db8::1 | 2001:db8::1>::1" },
	{ "DNS-07 --dns on loopback feeds --dns-forward", "-D 127.0.0.1 --dns-forward 10.9.9.9",
	  "nameserver 198.51.100.53\n", "127.0.0.1 | 10.9.9.9>127.0.0.1", "| ->-" },
	{ "DNS-07 --dns on loopback, and nothing leads to the host's", "-D 127.0.0.1 --no-map-gw", "",
	  "127.0.0.1 | ->-",
	  "| ->-" },
	{ "DNS-07 --dns replaces one family", "-D 203.0.113.53",
	  "nameserver 2001:db8:53::1\nnameserver 198.51.100.53\n",
	  "203.0.113.53 | ->-", "2001:db8:53::1 | ->-" },
	{ "DNS-07 --dns replaces one family, IPv6", "-D 2001:db8:53::2", "nameserver ::1\nnameserver 127.0.0.53\n",
	  "192.0.2.1 | 192.0.2.1>127.0.0.53", "2001:db8:53::2 | ->-" },
	{ "DNS-07 --dns replaces both", "-D 203.0.113.53 -D ::1",
	  "nameserver 2001:db8:53::1\nnameserver 198.51.100.53\n",
	  "203.0.113.53 | ->-", "::1 | ->-" },
	{ "DNS-07 none replaces both", "-D none", "nameserver 2001:db8:53::1\nnameserver 127.0.0.53\n", "| ->-",
	  "| ->-" },
	{ "DNS-07 none, then one family", "-D none -D 203.0.113.53",
	  "nameserver 2001:db8:53::1\nnameserver 198.51.100.53\n",
	  "203.0.113.53 | ->-", "2001:db8:53::1 | ->-" },
	{ "--dns-host", "--dns-forward 10.9.9.9 --dns-host 127.0.0.7", "nameserver 198.51.100.53\n",
	  "198.51.100.53 | 10.9.9.9>127.0.0.7", "| ->-" },
	{ "--dns-host and a resolver on loopback", "--dns-host 203.0.113.7", "nameserver 127.0.0.53\n",
	  "192.0.2.1 | 192.0.2.1>203.0.113.7", "| ->-" },
	{ "--dns-forward, resolver of the other family", "--dns-forward fd00::53", "nameserver 198.51.100.53\n",
	  "198.51.100.53 | ->-", "fd00::53 | fd00::53>198.51.100.53" },
	{ "--dns-forward, IPv6-only resolvers", "--dns-forward 169.254.1.1",
	  "nameserver 2001:db8:53::1\nnameserver ::1\n",
	  "169.254.1.1 | 169.254.1.1>2001:db8:53::1", "2001:db8:53::1,2001:db8::1 | 2001:db8::1>::1" },
	{ "--dns-forward, resolver of the other family on loopback", "--dns-forward 169.254.1.1 --no-map-gw",
	  "nameserver ::1\n",
	  "169.254.1.1 | 169.254.1.1>::1", "| ->-" },
	{ "--dns-forward of both families, one resolver", "--dns-forward 169.254.1.1 --dns-forward fd00::53",
	  "nameserver 127.0.0.53\n", "169.254.1.1 | 169.254.1.1>127.0.0.53", "fd00::53 | fd00::53>127.0.0.53" },
	{ "--dns-forward of both families, both have one", "--dns-forward 169.254.1.1 --dns-forward fd00::53",
	  "nameserver 2001:db8:53::1\nnameserver 198.51.100.53\n", "198.51.100.53 | 169.254.1.1>198.51.100.53",
	  "2001:db8:53::1 | fd00::53>2001:db8:53::1" },
	{ "--dns-forward, resolver of the other family, which is off", "-4 --dns-forward 169.254.1.1",
	  "nameserver 2001:db8:53::1\n", "169.254.1.1 | 169.254.1.1>2001:db8:53::1", "| ->-" },
	{ "the same, -6", "-6 --dns-forward fd00::53", "nameserver 198.51.100.53\n", "| ->-",
	  "fd00::53 | fd00::53>198.51.100.53" },
	{ "--dns-host of the other family", "--dns-forward 169.254.1.1 --dns-host 2001:db8:53::7", "",
	  "169.254.1.1 | 169.254.1.1>2001:db8:53::7", "| ->2001:db8:53::7" },
	{ "-D of the other family", "--dns-forward 169.254.1.1 -D 2001:db8:53::7", "nameserver ::1\n",
	  "169.254.1.1 | 169.254.1.1>2001:db8:53::7", "2001:db8:53::7 | ->-" },
	{ "-4", "-4", "nameserver 198.51.100.53\nnameserver ::1\n", "198.51.100.53 | ->-", "| ->-" },
	{ "-6", "-6 -D 198.51.100.53 -D 2001:db8:53::1", "", "| ->-", "2001:db8:53::1 | ->-" },
	{ "no file but an empty one", "", "", "| ->-", "| ->-" },
	{ "same server twice", "", "nameserver 198.51.100.53\nnameserver 198.51.100.53\n", "198.51.100.53 | ->-",
	  "| ->-" },
	{ "scope, spaces, tabs, comments, no newline at the end", "",
	  "# nameserver 1.1.1.1\n; nameserver 1.1.1.2\n\n  nameserver \t 198.51.100.53 # why\nnameserver fe80::53%eth0",
	  "198.51.100.53 | ->-", "fe80::53 | ->-" },
	{ "unspecified address: the host itself", "", "nameserver 0.0.0.0\nnameserver ::\n",
	  "192.0.2.1 | 192.0.2.1>127.0.0.1", "2001:db8::1 | 2001:db8::1>::1" },
	{ "nonsense", "", "nameserver\nnameserver x\nnameserver 1.2.3\nnameservers 1.1.1.1\nnameserver 224.0.0.1\n"
	  "nameserver 255.255.255.255\nname server 1.1.1.1\n", "| ->-", "| ->-" },
	{ "more than fit", "", "nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4\n"
	  "nameserver 1.0.0.5\nnameserver 1.0.0.6\nnameserver 1.0.0.7\nnameserver 1.0.0.8\nnameserver 1.0.0.9\n",
	  "1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,1.0.0.7,1.0.0.8 | ->-", "| ->-" },
};

static void test_dns(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(dns); i++) {
		test("resolvers: %s", dns[i].name);
		run_net(dns[i].line, dns[i].resolv, HOST_FULL);
		eq_str(show_dns(V4), dns[i].v4);
		eq_str(show_dns(V6), dns[i].v6);
	}

	test("resolvers: no file at all");
	run_net("", "", HOST_FULL);
	net_resolv_path = "/nonexistent/resolv.conf";
	run_parse(&conf, 1, (char *[]){ (char *)"pasta", NULL });
	from_options(&net, &conf);
	complete(&net);
	eq_str(show_dns(V4), "| ->-");

	test("--dns-forward: link-local resolvers keep the interface they have in resolv.conf, by name or index");
	run_net("-4 --dns-forward 169.254.1.1", "nameserver fe80::53%lo\n", HOST_FULL);
	eq_str(show_dns(V4), "169.254.1.1 | 169.254.1.1>fe80::53");
	eq(net.ip[V4].dns_scope, if_nametoindex("lo"));
	run_net("--dns-forward fd00::53", "nameserver fe80::53%77 # there\n", HOST_FULL);
	eq(net.ip[V6].dns_scope, 77);
	run_net("--dns-forward fd00::53", "nameserver fe80::53%nosuchinterfaceatall\n", HOST_FULL);
	eq(net.ip[V6].dns_scope, 0);
	run_net("--dns-forward fd00::53", "nameserver fe80::53\n", HOST_FULL);
	eq(net.ip[V6].dns_scope, 0);

	test("no resolver for --dns-forward: said once");
	run_net("--dns-forward 10.9.9.9", "", HOST_FULL);
	eq_str(run.log, "IPv4: no resolver on the host for --dns-forward\n");
}

static void test_search(void)
{
	static char line[3000];
	static const struct {
		const char	*name, *line, *resolv, *want;
	} rows[] = {
		{ "list", "", "search a.example  b.example\tc\n", "a.example b.example c" },
		{ "last line counts", "", "domain a\nsearch b c\nsearch d\n", "d" },
		{ "domain counts as well", "", "search b c\ndomain a\n", "a" },
		{ "the root alone", "", "search .\n", "" },
		{ "-S instead", "-S x -S y", "search a b\n", "x y" },
		{ "-S none", "-S none", "search a b\n", "" },
		{ "what is no domain is left out", "", "search a..b c_d $x -e\n", "c_d $x -e" },
		{ "more than fit", "", "search a b c d e f g h i j\n", "a b c d e f g h" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[512] = "";

		test("search: %s", rows[i].name);
		run_net(rows[i].line, rows[i].resolv, HOST_FULL);
		for (unsigned j = 0; j < net.search.n; j++) {
			strcat(got, j ? " " : "");
			strcat(got, net.search.name[j]);
		}
		eq_str(got, rows[i].want);
	}

	test("search: a line longer than the buffer is cut, the next one is read");
	memset(line, 'a', sizeof(line) - 1);
	memcpy(line, "search b ", 9);
	memcpy(line + sizeof(line) - 30, "\nnameserver 198.51.100.53\n", 26);
	line[sizeof(line) - 4] = '\0';
	run_net("", line, HOST_FULL);
	eq(net.search.n, 1);
	eq_str(net.search.name[0], "b");
	eq(net.ip[V4].guest.ndns, 1);
}

/* Address/length, gateway, loopback, guest's, our link-local, as "-" where there is none */
static const char *show_ip(enum family f)
{
	static char buf[512];
	const struct net_ip *ip = &net.ip[f];

	if (!ip->on)
		return "off";
	snprintf(buf, sizeof(buf), "%s/%u", show(&ip->guest.addr), ip->guest.plen);
	snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), " gw %s lo %s", show(&ip->gw),
			 show(&ip->map_loopback));
	snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), " guest %s", show(&ip->map_guest));
	if (f == V6)
		snprintf(buf + strlen(buf), sizeof(buf) - strlen(buf), " ll %s", show(&ip->our_ll));
	ok(addr_family(&ip->guest.addr) == f && addr_family(&ip->map_loopback) == f &&
	   addr_family(&ip->map_guest) == f);
	return buf;
}

static void test_addresses(void)
{
	static const struct {
		const char	*name, *line;
		enum host	host;
		const char	*v4, *v6;
	} rows[] = {
		{ "from the host", "", HOST_FULL, "192.0.2.2/24 gw 192.0.2.1 lo 192.0.2.1 guest -",
		  "2001:db8::2/64 gw 2001:db8::1 lo 2001:db8::1 guest - ll fe80::1" },
		{ "link-local gateway", "", HOST_LL_GW, "192.0.2.2/24 gw 192.0.2.1 lo 192.0.2.1 guest -",
		  "2001:db8::2/64 gw fe80::7 lo fe80::7 guest - ll fe80::7" },
		{ "NL-12 no network", "", HOST_NONE, "169.254.2.1/16 gw 169.254.2.2 lo 169.254.2.2 guest -",
		  "-/0 gw fe80::1 lo fe80::1 guest - ll fe80::1" },
		{ "NL-12 no network, --no-map-gw", "--no-map-gw", HOST_NONE,
		  "169.254.2.1/16 gw 169.254.2.2 lo - guest -",
		  "-/0 gw fe80::1 lo - guest - ll fe80::1" },
		{ "NL-13 no network, address for one family", "-a 10.0.0.1/8", HOST_NONE,
		  "10.0.0.1/8 gw 169.254.2.2 lo 169.254.2.2 guest -",
		  "-/0 gw fe80::1 lo fe80::1 guest - ll fe80::1" },
		{ "no network, netmask", "-n 30", HOST_NONE, "169.254.2.1/30 gw 169.254.2.2 lo 169.254.2.2 guest -",
		  "-/0 gw fe80::1 lo fe80::1 guest - ll fe80::1" },
		{ "class A", "-4 -a 10.0.0.1", HOST_FULL, "10.0.0.1/8 gw 192.0.2.1 lo 192.0.2.1 guest -", "off" },
		{ "class B", "-4 -a 172.16.0.1", HOST_FULL, "172.16.0.1/16 gw 192.0.2.1 lo 192.0.2.1 guest -",
		  "off" },
		{ "class C", "-4 -a 192.168.0.1", HOST_FULL, "192.168.0.1/24 gw 192.0.2.1 lo 192.0.2.1 guest -",
		  "off" },
		{ "last of class A", "-4 -a 126.255.0.1", HOST_FULL,
		  "126.255.0.1/8 gw 192.0.2.1 lo 192.0.2.1 guest -",
		  "off" },
		{ "first of class B", "-4 -a 128.0.0.1", HOST_FULL,
		  "128.0.0.1/16 gw 192.0.2.1 lo 192.0.2.1 guest -", "off" },
		{ "last of class B", "-4 -a 191.255.0.1", HOST_FULL,
		  "191.255.0.1/16 gw 192.0.2.1 lo 192.0.2.1 guest -",
		  "off" },
		{ "first of class C", "-4 -a 192.0.0.1", HOST_FULL,
		  "192.0.0.1/24 gw 192.0.2.1 lo 192.0.2.1 guest -", "off" },
		{ "IPv6 address", "-6 -a fd00::5", HOST_FULL, "off",
		  "fd00::5/64 gw 2001:db8::1 lo 2001:db8::1 guest - ll fe80::1" },
		{ "address and mask", "-4 -a 10.0.0.1 -n 255.255.255.0", HOST_FULL,
		  "10.0.0.1/24 gw 192.0.2.1 lo 192.0.2.1 guest -", "off" },
		{ "gateway leads to loopback", "-g 10.9.9.9 -g fe80::9", HOST_FULL,
		  "192.0.2.2/24 gw 10.9.9.9 lo 10.9.9.9 guest -",
		  "2001:db8::2/64 gw fe80::9 lo fe80::9 guest - ll fe80::9" },
		{ "--map-host-loopback wins over --no-map-gw", "--map-host-loopback 10.9.9.9 --no-map-gw",
		  HOST_FULL,
		  "192.0.2.2/24 gw 192.0.2.1 lo 10.9.9.9 guest -",
		  "2001:db8::2/64 gw 2001:db8::1 lo - guest - ll fe80::1" },
		{ "--map-host-loopback none", "--map-host-loopback 10.9.9.9 --map-host-loopback none", HOST_FULL,
		  "192.0.2.2/24 gw 192.0.2.1 lo - guest -",
		  "2001:db8::2/64 gw 2001:db8::1 lo - guest - ll fe80::1" },
		{ "--map-guest-addr", "--map-guest-addr 169.254.1.2 --map-guest-addr fd00::2", HOST_FULL,
		  "192.0.2.2/24 gw 192.0.2.1 lo 192.0.2.1 guest 169.254.1.2",
		  "2001:db8::2/64 gw 2001:db8::1 lo 2001:db8::1 guest fd00::2 ll fe80::1" },
		{ "--map-guest-addr none", "--map-guest-addr 169.254.1.2 --map-guest-addr none", HOST_FULL,
		  "192.0.2.2/24 gw 192.0.2.1 lo 192.0.2.1 guest -",
		  "2001:db8::2/64 gw 2001:db8::1 lo 2001:db8::1 guest - ll fe80::1" },
		{ "MTU too small for IPv6", "-m 1279", HOST_FULL, "192.0.2.2/24 gw 192.0.2.1 lo 192.0.2.1 guest -",
		  "off" },
		{ "smallest MTU for IPv6", "-m 1280 -6", HOST_FULL, "off",
		  "2001:db8::2/64 gw 2001:db8::1 lo 2001:db8::1 guest - ll fe80::1" },
		{ "MTU left alone", "-m 0 -6", HOST_FULL, "off",
		  "2001:db8::2/64 gw 2001:db8::1 lo 2001:db8::1 guest - ll fe80::1" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		test("addresses: %s", rows[i].name);
		run_net(rows[i].line, "", rows[i].host);
		eq_str(show_ip(V4), rows[i].v4);
		eq_str(show_ip(V6), rows[i].v6);
	}
}

static const char *ifname = "", *socket_path = "";

/* What summary_print() says about options, on a host */
static const char *banner(const char *line, const char *resolv, enum host h)
{
	run_net(line, resolv, h);
	run.log[0] = '\0';
	summary_print(&net, ifname, socket_path);
	return run.log;
}

static void test_print(void)
{
	const char *s;

	test("banner: the DHCP block as callers parse it");
	s = banner("-D 198.51.100.53 -S example -M 02:00:00:00:00:01", "", HOST_FULL);
	ok(strstr(s, "\nDHCP:\n    assign: 192.0.2.2\n    mask: 255.255.255.0\n    router: 192.0.2.1\n"));
	ok(strstr(s, "\nDNS:\n    198.51.100.53\nDNS search list:\n    example\n"));
	ok(strstr(s, "\nNDP/DHCPv6:\n    assign: 2001:db8::2\n    router: 2001:db8::1\n"));
	ok(strstr(s, "MAC:\n    host: 02:00:00:00:00:01\n"));

	test("banner: what is left with --no-dhcpv6 and --no-ndp, mappings, interfaces");
	run_net("--no-dhcpv6 --dns-forward 10.9.9.9 --map-guest-addr 169.254.1.2", "nameserver 127.0.0.53\n",
		 HOST_FULL);
	net.ip[V4].ifindex = if_nametoindex("lo");
	ifname = "tap7";
	run.log[0] = '\0';
	summary_print(&net, ifname, socket_path);
	ok(strstr(run.log, "\nNDP:\n") && !strstr(run.log, "DHCPv6") && !strstr(run.log, "search"));
	ok(strstr(run.log, "\n    DNS queries to 10.9.9.9 go to 127.0.0.53\n") && !strstr(run.log, "queries to -"));
	ok(strstr(run.log, "\n    NAT to host 192.0.2.2: 169.254.1.2\n"));
	ok(strstr(run.log, "\n    NAT to host 127.0.0.1: 192.0.2.1\n"));
	ok(strstr(run.log, "\n    NAT to host ::1: 2001:db8::1\n"));
	ok(!strncmp(run.log, "Template interface: lo (IPv4)\nNamespace interface: tap7\nMAC:\n", 58));
	net.ip[V6].ifindex = net.ip[V4].ifindex;
	run.log[0] = '\0';
	summary_print(&net, ifname, socket_path);
	ok(!strncmp(run.log, "Template interface: lo (IPv4), lo (IPv6)\n", 41));
	ifname = "";
	s = banner("--no-ndp", "", HOST_NONE);
	ok(strstr(s, "\nDHCPv6:\n") && !strstr(s, "\nDNS") && !strstr(s, "Template"));
	ok(strstr(s, "IPv4: no network on the host, local mode"));
	ok(!strstr(banner("--no-ndp --no-dhcpv6 -6", "", HOST_FULL), "assign"));
	ok(!strstr(banner("--no-map-gw", "", HOST_FULL), "NAT"));

	test("banner: what leaves by an interface or from an address of the user's, capture, control socket");
	s = banner("-o 192.0.2.9 -o 2001:db8::9 --outbound-if6 eth7 -p x.pcap -c x.socket", "", HOST_FULL);
	ok(strstr(s, "\nOutbound interface: eth7 (IPv6)\n") || !strncmp(s + strlen("Configuration socket: x.socket\n"),
		  "Outbound interface: eth7 (IPv6)\n", 32));
	ok(strstr(s, "\nOutbound IPv4 address: 192.0.2.9\nOutbound IPv6 address: 2001:db8::9\n"));
	ok(strstr(s, "Configuration socket: ") == s && strstr(s, "\nSaving packet capture to ") &&
	   strstr(s, "x.pcap\n"));

	test("banner: forwarding rules, by who listens");
	s = banner("-t 8080:80 -u 127.0.0.1/53 -T 5432 -U none", "", HOST_FULL);
	ok(strstr(s, "\nInbound forwarding rules (HOST):\n    TCP [*]:8080  =>  80 \n    UDP [127.0.0.1]:53  =>  53 \n"
		  "Outbound forwarding rules (SPLICE):\n    TCP [*]%lo:5432  =>  5432 \n"));
	s = banner("-t none -u none -T none -U none --splice-only", "", HOST_FULL);
	eq_str(s, "No link: forwarding between loopback interfaces only\nInbound forwarding rules (HOST):\n"
	       "Outbound forwarding rules (SPLICE):\n");

	test("banner: a guest may come: only where one connects");
	run_net("", "", HOST_FULL);
	conf.mode = MODE_PASST;
	socket_path = "/tmp/s";
	run.log[0] = '\0';
	summary_print(&net, ifname, socket_path);
	ok(strstr(run.log, "\nYou can now start qemu (>= 7.2):\n    qemu ") && strstr(run.log, "addr.path=/tmp/s\n"));
	ok(strstr(run.log, "\nInbound forwarding rules (HOST):\n") && !strstr(run.log, "SPLICE"));
	socket_path = "";
	ok(!strstr(banner("", "", HOST_FULL), "qemu"));

	test("banner: nothing of what is switched off");
	s = banner("-4 --no-dhcp", "", HOST_FULL);
	ok(s[0] && !strstr(s, "DHCP") && !strstr(s, "NDP"));

	test("banner: empty with --quiet");
	eq_str(banner("-q", "", HOST_FULL), "");
}

static void test_runas(void)
{
	static const struct {
		const char	*spec;
		unsigned	uid, gid;
		const char	*error;
	} rows[] = {
		{ "alice", 1001, 2001, "" }, { "1001", 1001, 2001, "" }, { "1002", 1002, 2002, "" },
		{ "alice:staff", 1001, 3001, "" }, { "1001:staff", 1001, 3001, "" }, { "alice:7", 1001, 7, "" },
		{ "5:6", 5, 6, "" }, { "5", 5, 5, "" }, { "b", 1003, 2003, "" },
		{ "4294967294:4294967294", 4294967294, 4294967294, "" },
		{ "4294967295", 0, 0, "Invalid value \"4294967295\" for --runas: no such user" },
		{ "1:4294967295", 0, 0, "Invalid value \"1:4294967295\" for --runas: no such group" },
		{ "minus", 0, 0, "Invalid value \"minus\" for --runas: no such user" },
		{ "ali", 0, 0, "Invalid value \"ali\" for --runas: no such user" },
		{ "alicea", 0, 0, "Invalid value \"alicea\" for --runas: no such user" },
		{ "broken", 0, 0, "Invalid value \"broken\" for --runas: no such user" },
		{ "short", 0, 0, "Invalid value \"short\" for --runas: no such user" },
		{ "alice:alice", 0, 0, "Invalid value \"alice:alice\" for --runas: no such group" },
		{ "alice:", 0, 0, "Invalid value \"alice:\" for --runas: no such group" },
		{ "", 0, 0, "Invalid value \"\" for --runas: no such user" },
	};
	char group[] = "/tmp/net_group.XXXXXX";
	int fd = mkstemp(group);
	struct parse p = { .c = &conf };

	for (p.o = opts; !p.o->name || strcmp(p.o->name, "runas"); p.o++)
		;
	write_file("root:x:0:0:root:/:/\nshort\nbroken:x:y:z\n:x:4:4\nalice:x:1001:2001:A:/:/\nbob:x:1002:2002\n"
		   "minus:x:4294967295:1\nb:x:1003:2003::");
	ok(!fd_write_all(fd, "root:x:0:\nstaff:x:3001:alice,bob\n", 33));
	close(fd);
	passwd_path = path;
	group_path = group;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		test("--runas %s", rows[i].spec);
		memset(&conf, 0, sizeof(conf));
		p.val = rows[i].spec;
		run.error[0] = '\0';
		if (!setjmp(run.end))
			p_runas(&p);
		eq_str(run.error, rows[i].error);
		eq(conf.uid, rows[i].uid);
		eq(conf.gid, rows[i].gid);
		eq(conf.runas, !rows[i].error[0]);
	}
	unlink(group);
}

int main(void)
{
	int fd = mkstemp(path);

	if (fd < 0) {
		printf("Bail out! can't create %s\n", path);
		return EXIT_FAILURE;
	}
	close(fd);
	test_dns();
	test_search();
	test_addresses();
	test_print();
	test_runas();
	unlink(path);
	return done();
}
