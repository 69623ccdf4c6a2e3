/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host set-ups made with ip(8) in a network namespace, and what becomes of them in a second one:
 *
 *	host namespace				guest namespace
 *	far0 --- eth0 (veth), wg0 (tun)		the tap device, named like the template
 *
 * Each row runs the whole way, from the command line on, in a process of its own.
 */

#include <linux/if_tun.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "../../ns_net.c"
#include "../../sock.h"
#include "../t.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define MAC		"02:00:00:00:00:07"
#define ETH0		"link add eth0 type veth peer name far0\nlink set far0 up\nlink set eth0 up\n"
#define ETH0_4		ETH0 "addr add 192.0.2.5/24 dev eth0\n"
#define ETH0_46		ETH0_4 "addr add 2001:db8::5/64 dev eth0 nodad\n"
#define WG0		"tuntap add dev wg0 mode tun\nlink set wg0 up\n"
#define DEF4		"route add default via 192.0.2.1\n"
#define DEF6		"route add ::/0 via fe80::99 dev eth0\n"

#define LOCAL4		"inet 169.254.2.1/16\n"
#define LOCAL4_R	"default via 169.254.2.2\n169.254.0.0/16 scope link src 169.254.2.1\n"
#define LL		"inet6 fe80::ff:fe00:7/64\n"
#define LL_R		"fe80::/64 metric 256\n"
#define LOCAL6_R	LL_R "default via fe80::1 metric 1024\n"
#define NET4_R		"192.0.2.0/24 scope link src 192.0.2.5\n"

/* The program's part that creates and enters namespaces, and its tap device, as little of them as is needed here */
static int host_ns, guest_ns;

static void go(int netns)
{
	if (setns(netns, CLONE_NEWNET))
		abort();
}

int ns_netlink(struct nl *nl, int proto)
{
	int rc;

	go(guest_ns);
	rc = nl_open(nl, proto);
	go(host_ns);
	return rc;
}

int opener_file(const char *path, int flags)
{
	int fd;

	go(guest_ns);
	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	go(host_ns);
	return fd < 0 ? -errno : fd;
}

int tun_adopt(int fd, char *ifname, struct caps *caps)
{
	(void)ifname;
	(void)caps;
	return fd;
}

/* What the kernel takes of such a device, as far as it could be asked */
static uint32_t tun_tso;
static bool tun_room;

bool tun_takes(int fd, size_t len)
{
	(void)fd;
	return tun_room && len > TAP_ROOM;
}

int tun_create(int fd, char *ifname, struct caps *caps)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	caps->tso4 = caps->tso6 = tun_tso;
	strcpy(ifr.ifr_name, ifname);
	return ioctl(fd, TUNSETIFF, &ifr) ? -EINVAL : 0;
}

static int new_netns(void)
{
	if (unshare(CLONE_NEWNET))
		return -1;
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		printf("# %s: %s\n", path, strerror(errno));
	close(fd);
}

/* Root of a user namespace, unless root already: ip(8) has to keep its capabilities */
static bool become_root(void)
{
	unsigned uid = getuid(), gid = getgid();
	char map[64];

	if (!uid && !unshare(CLONE_NEWNET | CLONE_NEWNS))
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS))
		return false;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
	return true;
}

/* Two fresh namespaces; the host's set up with @batch, for ip -batch */
static bool setup(const char *batch)
{
	FILE *ip;

	if (guest_ns > 0)
		close(guest_ns);
	if (host_ns > 0)
		close(host_ns);
	guest_ns = new_netns();
	host_ns = new_netns();
	if (guest_ns < 0 || host_ns < 0)
		return false;
	ip = popen("ip -batch -", "w");
	if (!ip)
		return false;
	fprintf(ip, "link set lo up\n%s", batch);
	return !pclose(ip);
}

static struct caps caps;
static struct net net;
static struct ns ns;

/* Start-up as passt.c does it, with @args behind "pasta --config-net": descriptor of the tap device */
static int start(struct conf *c, const char *args)
{
	static char *argv[64], buf[1024];
	int argc = 0, fd;

	caps = (struct caps){ .mtu = 65535 };
	snprintf(buf, sizeof(buf), "pasta --ns-mac-addr " MAC " %s", args);
	for (char *s = strtok(buf, " "); s && argc < 63; s = strtok(NULL, " "))
		argv[argc++] = s;
	argv[argc] = NULL;
	conf_parse(c, argc, argv);
	ns = (struct ns){ .netns = guest_ns };
	net_start(&net, c);
	fd = ns_tap(&ns, &net, c->link_fd, &caps);
	ns_configure(&ns, &net);
	return fd;
}

/* What ip(8) shows of an interface, the parts that don't matter and the interface's own name left out */
static void show(const char *ifname, const char *what)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd),
		 "{ ip -o addr show dev %s | sed -E 's/^.*(inet6? .*)\\\\.*$/\\1/;"
		 " s/ (brd [^ ]*|scope [a-z]*|%s)( |$)/ /g;"
		 " s/ (scope [a-z]*|nodad|%s)( |$)/ /g; s/ nodad( |$)/ /; s/ +/ /g; s/ $//'"
		 "; for f in 4 6; do ip -o -$f route show table main 2>/dev/null; done | sed -E 's/ proto [a-z0-9]+//;"
		 " s/ pref [a-z]+//; s/ dev %s//g; s/ weight 1//g; s/[\\\\[:space:]]+/ /g; s/ $//'; } | grep -E '%s'",
		 ifname, ifname, ifname, ifname, what);
	fflush(stdout);
	if (system(cmd) < 0)
		printf("%s\n", strerror(errno));
}

/* Runs @fn in a process of its own: what it printed, errors included, and its exit status in the last line unless 0 */
static const char *run(void (*fn)(const char *), const char *arg)
{
	static char out[65536];
	size_t len = 0;
	int p[2], st;
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	if (pipe(p) || (pid = fork()) < 0)
		return "fork";
	if (!pid) {
		dup2(p[1], 1);
		dup2(p[1], 2);
		close(p[0]);
		close(p[1]);
		fn(arg);
		fflush(stdout);
		_exit(0);
	}
	close(p[1]);
	while ((n = read(p[0], out + len, sizeof(out) - 32 - len)) > 0)
		len += (size_t)n;
	close(p[0]);
	waitpid(pid, &st, 0);
	out[len] = '\0';
	if (!WIFEXITED(st) || WEXITSTATUS(st))
		snprintf(out + len, 32, "status %i\n", WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st));
	return out;
}

static const char *show_what = ".";

static void run_and_show(const char *args)
{
	static struct conf c;

	start(&c, args);
	setns(guest_ns, CLONE_NEWNET);
	show(ns.ifname, show_what);
}

/* The host has more routes than the list shows: some of them, and how many there are */
static void run_many(const char *args)
{
	show_what = "^10\\.(0\\.0|5\\.53|10\\.106|15\\.159)\\.|^2001:db8:1::";
	run_and_show(args);
	if (system("ip -o -4 route show table main | wc -l; ip -o -6 route show table main | grep -vc fe80::/64"))
		printf("ip failed\n");
}

static void run_without_tun(const char *args)
{
	if (unshare(CLONE_NEWNS) || mount("none", "/dev/net", "tmpfs", 0, NULL))
		printf("%s\n", strerror(errno));
	run_and_show(args);
}

struct row {
	const char *name, *host, *args, *want;
};

static void rows_by(void (*fn)(const char *), const struct row *r, size_t n)
{
	for (; n--; r++) {
		test("%s", r->name);
		if (!ok(setup(r->host)))
			continue;
		eq_str(run(fn, r->args), r->want);
	}
}

static void rows(const struct row *r, size_t n)
{
	rows_by(run_and_show, r, n);
}

/* What is known of the host for DHCP, NDP and address mapping */
static void run_conf(const char *args)
{
	char a[ADDR_STRLEN], gw[ADDR_STRLEN], ll[ADDR_STRLEN];
	static struct conf c;

	start(&c, args);
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_ip *ip = &net.ip[f];

		if (!ip->on)
			continue;
		printf("%s %s/%u gw %s", ns.ifname, addr_fmt(&ip->guest.addr, a), ip->guest.plen,
		       addr_fmt(&ip->gw, gw));
		if (f == V6)
			printf(" ll %s", addr_fmt(&ip->our_ll, ll));
		printf("%s%s\n", ip->local ? " local" : "", ip->ifindex ? "" : " no interface");
	}
}

static void test_conf(void)
{
	static const struct row row[] = {
		{ "plain host", ETH0_46 DEF4 DEF6, "-q",
		  "eth0 192.0.2.5/24 gw 192.0.2.1\neth0 2001:db8::5/64 gw fe80::99 ll fe80::99\n" },
		{ "NL-12 no network", "", "-q", "tap0 169.254.2.1/16 gw 169.254.2.2 local no interface\n"
		  "tap0 ::/0 gw fe80::1 ll fe80::1 local no interface\n" },
		{ "NL-14 IPv6 routes and no address", ETH0_4 DEF4 DEF6, "-q",
		  "eth0 192.0.2.5/24 gw 192.0.2.1\neth0 ::/0 gw fe80::99 ll fe80::99\n" },
		{ "global gateway", ETH0_46 "route add ::/0 via 2001:db8::1\n", "-q -6",
		  "eth0 2001:db8::5/64 gw 2001:db8::1 ll fe80::1\n" },
		{ "NL-16 no gateway", WG0 "addr add 10.8.0.2/32 dev wg0\nroute add default dev wg0\n", "-q -4",
		  "wg0 10.8.0.2/32 gw 169.254.2.2\n" },
		{ "NL-18 IPv6 address of the longest prefix, neither deprecated nor tentative", ETH0
		  "addr add 2001:db8::4/60 dev eth0 nodad\naddr add 2001:db8::5/64 dev eth0 nodad\n"
		  "addr add 2001:db8::6/128 dev eth0 nodad preferred_lft 0\naddr add 2001:db8::7/128 dev eth0\n" DEF6,
		  "-q -6", "eth0 2001:db8::5/64 gw fe80::99 ll fe80::99\n" },
		{ "primary rather than secondary, global rather than link-local scope", ETH0
		  "addr add 169.254.9.9/32 dev eth0 scope link\naddr add 192.0.2.5/24 dev eth0\n"
		  "addr add 192.0.2.6/24 dev eth0\n" DEF4, "-q -4", "eth0 192.0.2.5/24 gw 192.0.2.1\n" },
		{ "one's own address, not the peer's", WG0 "addr add 10.8.0.2 peer 10.8.0.1/32 dev wg0\n"
		  "route add default dev wg0\n", "-q -4", "wg0 10.8.0.2/32 gw 169.254.2.2\n" },
		{ "IPv4 link-local addresses only", ETH0 "addr add 169.254.9.9/16 dev eth0 scope link\n", "-q -4",
		  "tap0 169.254.2.1/16 gw 169.254.2.2 local no interface\n" },
		{ "address given: prefix by class, the host's gateway", ETH0_4 DEF4, "-q -4 -a 172.16.0.9",
		  "eth0 172.16.0.9/16 gw 192.0.2.1\n" },
		{ "mask given, the rest from the host", ETH0_4 DEF4, "-q -4 -n 20",
		  "eth0 192.0.2.5/20 gw 192.0.2.1\n" },
		{ "gateway given, the rest from the host", ETH0_4 DEF4, "-q -4 -g 192.0.2.77",
		  "eth0 192.0.2.5/24 gw 192.0.2.77\n" },
		{ "address and gateway given, no network", "", "-q -4 -a 10.0.2.15 -n 24 -g 10.0.2.2",
		  "tap0 10.0.2.15/24 gw 10.0.2.2 no interface\n" },
		{ "named by the IPv6 template if there is no other",
		  ETH0 "addr add 2001:db8::5/64 dev eth0 nodad\n" DEF6,
		  "-q", "eth0 169.254.2.1/16 gw 169.254.2.2 local no interface\n"
		  "eth0 2001:db8::5/64 gw fe80::99 ll fe80::99\n" },
		{ "gateway of the chosen interface, not of another", ETH0_4 DEF4 WG0 "addr add 10.8.0.2/24 dev wg0\n"
		  "route add default via 10.8.0.1 metric 50\nroute add default via 10.8.0.3 metric 40\n",
		  "-q -4 -i wg0", "wg0 10.8.0.2/24 gw 10.8.0.3\n" },
	};

	rows_by(run_conf, row, ARRAY_SIZE(row));
}

static void test_templates(void)
{
	static const struct row row[] = {
		{ "plain host, both families", ETH0_46 DEF4 DEF6, "-q --config-net",
		  "inet 192.0.2.5/24\ninet6 2001:db8::5/64\n" LL
		  "default via 192.0.2.1\n" NET4_R "2001:db8::/64 metric 256\n" LL_R
		  "default via fe80::99 metric 1024\n" },
		{ "NL-10 no default route, one interface", ETH0_4, "-q -4 --config-net",
		  "inet 192.0.2.5/24\ndefault via 169.254.2.2 onlink\n" NET4_R },
		{ "NL-11 no default route, several interfaces: the first one with a route",
		  ETH0 "link set far0 down\nlink add eth1 type veth peer name far1\nlink set far1 up\n"
		  "link set eth1 up\n"
		  "addr add 198.51.100.5/24 dev eth1\naddr add 203.0.113.5/24 dev lo\n"
		  "route add 10.9.0.0/16 dev lo\n", "-q -4 --config-net",
		  "inet 198.51.100.5/24\ndefault via 169.254.2.2 onlink\n"
		  "198.51.100.0/24 scope link src 198.51.100.5\n" },
		{ "NL-12 no network at all", "", "-q --config-net", LOCAL4 LL LOCAL4_R LOCAL6_R },
		{ "NL-12 interface down", "link add eth0 type veth peer name far0\naddr add 192.0.2.5/24 dev eth0\n",
		  "-q --config-net", LOCAL4 LL LOCAL4_R LOCAL6_R },
		{ "NL-13 no IPv6", ETH0_4 DEF4, "-q --config-net",
		  "inet 192.0.2.5/24\n" LL "default via 192.0.2.1\n" NET4_R LOCAL6_R },
		{ "NL-13 no IPv4", ETH0 "addr add 2001:db8::5/64 dev eth0 nodad\n" DEF6, "-q --config-net",
		  LOCAL4 "inet6 2001:db8::5/64\n" LL LOCAL4_R
		  "2001:db8::/64 metric 256\n" LL_R "default via fe80::99 metric 1024\n" },
		{ "NL-14 no global IPv6 address on the template, but a route", ETH0 DEF6, "-q -6 --config-net",
		  LL LL_R "default via fe80::99 metric 1024\n" },
		{ "NL-16 no MAC address, no gateway", WG0 "addr add 10.8.0.2/32 dev wg0\nroute add default dev wg0\n",
		  "-q -4 --config-net", "inet 10.8.0.2/32\ndefault scope link\n" },
		{ "NL-17 link-local routes on other interfaces",
		  ETH0 "addr add 169.254.7.7/16 dev eth0\n" WG0 "addr add 10.8.0.2/24 dev wg0\n", "-q -4 --config-net",
		  "inet 10.8.0.2/24\ndefault via 169.254.2.2 onlink\n10.8.0.0/24 scope link src 10.8.0.2\n" },
		{ "default route of lowest metric",
		  ETH0_4 "route add default via 192.0.2.1 metric 100\n" WG0
		  "addr add 10.8.0.2/24 dev wg0\nroute add default via 10.8.0.1 metric 50\n", "-q -4 --config-net",
		  "inet 10.8.0.2/24\ndefault via 10.8.0.1 metric 50\n10.8.0.0/24 scope link src 10.8.0.2\n" },
		{ "NL-09 next hop of largest weight, and only next hops of that interface",
		  ETH0_4 WG0 "addr add 10.8.0.2/24 dev wg0\n"
		  "route add default nexthop via 10.8.0.1 weight 2 nexthop via 192.0.2.1 weight 5"
		  " nexthop via 192.0.2.2\n",
		  "-q -4 --config-net",
		  "inet 192.0.2.5/24\ndefault nexthop via 192.0.2.1 weight 5 nexthop via 192.0.2.2\n" NET4_R },
		{ "next hop whose interface is down", ETH0_4 WG0 "addr add 10.8.0.2/24 dev wg0\n"
		  "route add default nexthop via 10.8.0.1 weight 9 nexthop via 192.0.2.1\nlink set wg0 down\n",
		  "-q -4 --config-net", "inet 192.0.2.5/24\ndefault via 192.0.2.1\n" NET4_R },
		{ "NL-21 an address, no default route yet: IPv6 too",
		  ETH0_46, "-q --config-net", "inet 192.0.2.5/24\ninet6 2001:db8::5/64\n" LL
		  "default via 169.254.2.2 onlink\n" NET4_R "2001:db8::/64 metric 256\n" LOCAL6_R },
		{ "-i chooses the template", ETH0_4 DEF4 WG0 "addr add 10.8.0.2/24 dev wg0\n",
		  "-q -4 --config-net -i wg0",
		  "inet 10.8.0.2/24\ndefault via 169.254.2.2 onlink\n10.8.0.0/24 scope link src 10.8.0.2\n" },
		{ "--outbound-if4 chooses the template", ETH0_4 DEF4 WG0 "addr add 10.8.0.2/24 dev wg0\n",
		  "-q -4 --config-net --outbound-if4 wg0",
		  "inet 10.8.0.2/24\ndefault via 169.254.2.2 onlink\n10.8.0.0/24 scope link src 10.8.0.2\n" },
		{ "-i of no interface", ETH0_4 DEF4, "-q --config-net -i nonesuch",
		  "Invalid interface name nonesuch: No such device (-i/--interface)\nstatus 1\n" },
		{ "-i lo, all addresses given", "", "-q --config-net --interface lo --address 10.9.9.0 --netmask 31"
		  " --gateway 10.9.9.1 --address fd00::2 --gateway fe80::1",
		  "inet 10.9.9.0/31\ninet6 fd00::2/64\n" LL "default via 10.9.9.1\n"
		  "10.9.9.0/31 scope link src 10.9.9.0\n"
		  "fd00::/64 metric 256\n" LOCAL6_R },
	};

	rows(row, ARRAY_SIZE(row));
}

static void test_addrs(void)
{
	static const struct row row[] = {
		{ "NL-03 lifetimes are not copied",
		  ETH0 "addr add 192.0.2.5/24 dev eth0 valid_lft 600 preferred_lft 300\n"
		  "addr add 2001:db8::5/64 dev eth0 nodad valid_lft 600 preferred_lft 300\n" DEF4 DEF6,
		  "-q --config-net",
		  "inet 192.0.2.5/24\ninet6 2001:db8::5/64\n" LL
		  "default via 192.0.2.1\n" NET4_R "2001:db8::/64 metric 256\n" LL_R
		  "default via fe80::99 metric 1024\n" },
		{ "NL-18 deprecated addresses are not copied",
		  ETH0 "addr add 2001:db8::5/64 dev eth0 nodad\n"
		  "addr add 2001:db8::6/64 dev eth0 nodad preferred_lft 0\n" DEF6,
		  "-q -6 --config-net", "inet6 2001:db8::5/64\n" LL
		  "2001:db8::/64 metric 256\n" LL_R "default via fe80::99 metric 1024\n" },
		{ "several addresses, a secondary and a peer",
		  ETH0_4 "addr add 192.0.2.6/24 dev eth0\naddr add 10.8.0.2 peer 10.8.0.1/32 dev eth0\n" DEF4,
		  "-q -4 --config-net",
		  "inet 192.0.2.5/24\ninet 10.8.0.2 peer 10.8.0.1/32\ninet 192.0.2.6/24 secondary\n"
		  "default via 192.0.2.1\n10.8.0.1 scope link src 10.8.0.2\n" NET4_R },
		{ "NL-19 one family given, the other from the host", ETH0_46 DEF4 DEF6,
		  "-q --config-net -a 10.0.2.15 -g 10.0.2.2",
		  "inet 10.0.2.15/8\ninet6 2001:db8::5/64\n" LL "default via 10.0.2.2\n"
		  "10.0.0.0/8 scope link src 10.0.2.15\n"
		  "2001:db8::/64 metric 256\n" LL_R "default via fe80::99 metric 1024\n" },
		{ "NL-19 both families given, unlike the host's", ETH0_46 DEF4 DEF6,
		  "-q --config-net -a 10.0.2.15 -g 10.0.2.2 -n 24 -a fd00::15 -g fd00::1",
		  "inet 10.0.2.15/24\ninet6 fd00::15/64\n" LL "default via 10.0.2.2\n"
		  "10.0.2.0/24 scope link src 10.0.2.15\n"
		  "fd00::/64 metric 256\n" LL_R "default via fd00::1 metric 1024\n" },
		{ "an address given, routes from the host", ETH0_4 DEF4
		  "route add 198.51.100.0/24 via 192.0.2.9 src 192.0.2.5\n",
		  "-q -4 --config-net -a 203.0.113.7",
		  "inet 203.0.113.7/24\ndefault via 192.0.2.1\n192.0.2.0/24 scope link\n198.51.100.0/24 via 192.0.2.9\n"
		  "203.0.113.0/24 scope link src 203.0.113.7\n" },
		{ "a gateway given, outside of the prefix", ETH0_4 DEF4, "-q -4 --config-net -g 198.51.100.1",
		  "inet 192.0.2.5/24\ndefault via 198.51.100.1 onlink\n" NET4_R },
		{ "--no-copy-routes", ETH0_4 DEF4 "route add 198.51.100.0/24 via 192.0.2.9\n"
		  "addr add 192.0.2.6/24 dev eth0\n",
		  "-q -4 --config-net --no-copy-routes",
		  "inet 192.0.2.5/24\ninet 192.0.2.6/24 secondary\ndefault via 192.0.2.1\n" NET4_R },
		{ "--no-copy-routes, and the host's prefix routes are not the kernel's",
		  ETH0 "addr add 192.0.2.5/24 dev eth0 noprefixroute\nroute add 192.0.2.1 dev eth0\n" DEF4,
		  "-q -4 --config-net --no-copy-routes", "inet 192.0.2.5/24\ndefault via 192.0.2.1\n" NET4_R },
		{ "a mask given", ETH0_4 DEF4, "-q -4 --config-net -n 20",
		  "inet 192.0.2.5/20\ndefault via 192.0.2.1\n192.0.0.0/20 scope link src 192.0.2.5\n"
		  "192.0.2.0/24 scope link\n" },
		{ "--no-copy-addrs", ETH0_4 DEF4 "route add 198.51.100.0/24 via 192.0.2.9\n"
		  "addr add 192.0.2.6/24 dev eth0\n",
		  "-q -4 --config-net --no-copy-addrs",
		  "inet 192.0.2.5/24\ndefault via 192.0.2.1\n" NET4_R "198.51.100.0/24 via 192.0.2.9\n" },
	};

	rows(row, ARRAY_SIZE(row));
}

static void test_routes(void)
{
	static const struct row row[] = {
		{ "NL-04 noprefixroute: the routes that lead to gateways come after those that need them",
		  ETH0 "addr add 192.0.2.5/24 dev eth0 noprefixroute\n"
		  "route add 192.0.2.0/24 dev eth0 scope link src 192.0.2.5 metric 100\n"
		  "route add default via 192.0.2.1 metric 100\n"
		  "route add 10.0.0.0/8 via 192.0.2.9\n"
		  "addr add 2001:db8::5/64 dev eth0 nodad noprefixroute\n"
		  "route add 2001:db8::/64 dev eth0 metric 100\n"
		  "route add 2001:db8:1::/48 via 2001:db8::9\n" DEF6, "-q --config-net",
		  "inet 192.0.2.5/24 noprefixroute\ninet6 2001:db8::5/64 noprefixroute\n" LL
		  "default via 192.0.2.1 metric 100\n10.0.0.0/8 via 192.0.2.9\n"
		  "192.0.2.0/24 scope link src 192.0.2.5 metric 100\n"
		  "2001:db8::/64 metric 100\n2001:db8:1::/48 via 2001:db8::9 metric 1024\n" LL_R
		  "default via fe80::99 metric 1024\n" },
		{ "NL-05 routes of routing daemons: protocols, next hop ids",
		  ETH0_46 DEF4 "route add 10.1.0.0/16 via 192.0.2.9 proto bird\n"
		  "route add 10.2.0.0/16 via 192.0.2.9 proto ospf metric 20\n"
		  "nexthop add id 7 via 192.0.2.8 dev eth0\nroute add 10.3.0.0/16 nhid 7 proto bgp\n"
		  "nexthop add id 8 group 7\nroute add 10.4.0.0/16 nhid 8 proto zebra\n"
		  "nexthop add id 9 via fe80::8 dev eth0\nroute add 2001:db8:7::/48 nhid 9 proto bgp\n",
		  "-q --config-net",
		  "inet 192.0.2.5/24\ninet6 2001:db8::5/64\n" LL "default via 192.0.2.1\n"
		  "10.1.0.0/16 via 192.0.2.9\n10.2.0.0/16 via 192.0.2.9 metric 20\n10.3.0.0/16 via 192.0.2.8\n"
		  "10.4.0.0/16 via 192.0.2.8\n" NET4_R "2001:db8::/64 metric 256\n"
		  "2001:db8:7::/48 via fe80::8 metric 1024\n"
		  LOCAL6_R },
		{ "NL-05 routes flagged linkdown",
		  ETH0_46 DEF4 DEF6 "route add 10.1.0.0/16 nexthop via 192.0.2.9 nexthop via 192.0.2.8\n"
		  "link set far0 down\n",
		  "-q --config-net", "inet 192.0.2.5/24\ninet6 2001:db8::5/64\n" LL "default via 192.0.2.1\n"
		  "10.1.0.0/16 nexthop via 192.0.2.9 nexthop via 192.0.2.8\n" NET4_R
		  "2001:db8::/64 metric 256\n" LL_R "default via fe80::99 metric 1024\n" },
		{ "NL-07 /32 with a gateway outside, on-link",
		  ETH0 "addr add 192.0.2.5/32 dev eth0\nroute add default via 172.31.1.1 dev eth0 onlink\n",
		  "-q -4 --config-net",
		  "inet 192.0.2.5/32\ndefault via 172.31.1.1 onlink\n" },
		{ "NL-07 /32 with a gateway outside, by a route to it",
		  ETH0 "addr add 192.0.2.5/32 dev eth0\nroute add 172.31.1.1 dev eth0\n"
		  "route add default via 172.31.1.1 src 192.0.2.5\n",
		  "-q -4 --config-net", "inet 192.0.2.5/32\ndefault via 172.31.1.1 src 192.0.2.5\n"
		  "172.31.1.1 scope link\n" },
		{ "NL-07 /128 with a global gateway",
		  ETH0 "addr add 2001:db8::5/128 dev eth0 nodad\nroute add 2001:db8:ff::1 dev eth0\n"
		  "route add ::/0 via 2001:db8:ff::1 dev eth0\n", "-q -6 --config-net",
		  "inet6 2001:db8::5/128\n" LL "2001:db8::5 metric 256\n2001:db8:ff::1 metric 1024\n" LL_R
		  "default via 2001:db8:ff::1 metric 1024\n" },
		{ "gateway that lost its own route", ETH0_4 DEF4 "route add 10.0.0.0/8 via 192.0.2.9\n"
		  "route add 192.0.2.1 dev eth0\nroute del 192.0.2.0/24\n", "-q -4 --config-net -a 203.0.113.7",
		  "inet 203.0.113.7/24\ndefault via 192.0.2.1\n10.0.0.0/8 via 192.0.2.9 onlink\n192.0.2.1 scope link\n"
		  "203.0.113.0/24 scope link src 203.0.113.7\n" },
		{ "gateway reached through another gateway",
		  ETH0_4 DEF4 "route add 172.16.0.1 dev eth0\nroute add 10.0.0.0/8 via 172.16.0.1\n",
		  "-q -4 --config-net",
		  "inet 192.0.2.5/24\ndefault via 192.0.2.1\n10.0.0.0/8 via 172.16.0.1\n172.16.0.1 scope link\n"
		  NET4_R },
		{ "NL-09 routes of other interfaces are not copied",
		  ETH0_4 DEF4 WG0 "addr add 10.8.0.2/24 dev wg0\nroute add 10.0.0.0/8 via 10.8.0.1\n"
		  "route add blackhole 10.99.0.0/16\n"
		  "route add 10.77.0.0/16 via 192.0.2.7 table 77\n"
		  "route add 10.44.0.0/16 nexthop via 10.8.0.1 nexthop via 192.0.2.4 weight 3\n", "-q -4 --config-net",
		  "inet 192.0.2.5/24\ndefault via 192.0.2.1\n10.44.0.0/16 via 192.0.2.4\n" NET4_R },
		{ "IPv6 multipath, expiring and metric routes",
		  ETH0 "addr add 2001:db8::5/64 dev eth0 nodad\n"
		  "route add ::/0 nexthop via fe80::8 dev eth0 nexthop via fe80::9 dev eth0\n"
		  "route add 2001:db8:1::/48 via fe80::7 dev eth0 expires 600\n"
		  "route add 2001:db8:2::/48 via fe80::7 dev eth0 mtu 1400 pref high\n", "-q -6 --config-net",
		  "inet6 2001:db8::5/64\n" LL "2001:db8::/64 metric 256\n2001:db8:1::/48 via fe80::7 metric 1024\n"
		  "2001:db8:2::/48 via fe80::7 metric 1024 mtu 1400\n" LL_R
		  "default metric 1024 nexthop via fe80::8 nexthop via fe80::9\n" },
		{ "link-local and multicast routes are the namespace's own business",
		  ETH0 "addr add 2001:db8::5/64 dev eth0 nodad\nroute add fe80::/64 dev eth0 metric 77\n"
		  "route add ff00::/8 dev eth0\n" DEF6, "-q -6 --config-net",
		  "inet6 2001:db8::5/64\n" LL "2001:db8::/64 metric 256\n" LL_R
		  "default via fe80::99 metric 1024\n" },
		{ "IPv4 route by way of an IPv6 gateway", ETH0_46 DEF6
		  "route add 0.0.0.0/0 via inet6 fe80::99 dev eth0\n",
		  "-q --config-net", "inet 192.0.2.5/24\ninet6 2001:db8::5/64\n" LL
		  "default via inet6 fe80::99\n" NET4_R "2001:db8::/64 metric 256\n" LL_R
		  "default via fe80::99 metric 1024\n" },
		{ "IPv4 route by way of an IPv6 gateway, without IPv6", ETH0_46
		  "route add 0.0.0.0/0 via inet6 fe80::99 dev eth0\n",
		  "-q -4 --config-net", "inet 192.0.2.5/24\ndefault via 169.254.2.2 onlink\n" NET4_R },
	};

	rows(row, ARRAY_SIZE(row));
}

static void test_odd(void)
{
	static const struct row row[] = {
		{ "without --config-net, the interface is down and empty", ETH0_46 DEF4 DEF6, "-q", "" },
		{ "the tap device's name is taken", ETH0_4 DEF4, "-q -4 --config-net -I lo",
		  "Failed to set up tap interface lo in namespace: there is an interface of that name already "
		  "(-I/--ns-ifname takes another)\n"
		  "status 1\n" },
		{ "NL-22 interface name of IFNAMSIZ", ETH0_4 DEF4, "-q -4 --config-net -i abcdefghijklmnop",
		  "Invalid value \"abcdefghijklmnop\" for -i/--interface: interface name of more than 15 bytes\n"
		  "status 1\n" },
		{ "interface name as long as can be", ETH0_4 "route add default via 192.0.2.1\n",
		  "-q -4 --config-net -I abcdefghijklmno", "inet 192.0.2.5/24\ndefault via 192.0.2.1\n" NET4_R },
		{ "-4: no IPv6 on the interface at all", ETH0_46 DEF4 DEF6, "-q -4 --config-net",
		  "inet 192.0.2.5/24\ndefault via 192.0.2.1\n" NET4_R },
		{ "-6: no IPv4 at all", ETH0_46 DEF4 DEF6, "-q -6 --config-net",
		  "inet6 2001:db8::5/64\n" LL "2001:db8::/64 metric 256\n" LL_R "default via fe80::99 metric 1024\n" },
	};

	rows(row, ARRAY_SIZE(row));

	test("NL-15 IPv6 absent from the kernel");
	sock_features.ipv6 = false;
	ok(setup(ETH0_4 DEF4));
	eq_str(run(run_and_show, "-q --config-net"), "inet 192.0.2.5/24\ndefault via 192.0.2.1\n" NET4_R);
	test("NL-15 IPv6 absent, and nothing else wanted");
	eq_str(run(run_and_show, "-q -6 --config-net"),
	       "-6/--ipv6-only: IPv6 is not available on this host, as with the kernel's ipv6.disable=1\nstatus 1\n");
	sock_features.ipv6 = true;

	test("IPv6 switched off in the namespace");
	ok(setup(ETH0_46 DEF4 DEF6));
	setns(guest_ns, CLONE_NEWNET);
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	setns(host_ns, CLONE_NEWNET);
	eq_str(run(run_and_show, "-q --config-net"),
	       "inet 192.0.2.5/24\ndefault via 192.0.2.1\n" NET4_R);

	test("NL-05 a host that doesn't say what its next hop ids stand for");
	ok(setup(ETH0_4 "nexthop add id 7 via 192.0.2.8 dev eth0\nroute add default nhid 7\n"));
	write_file("/proc/sys/net/ipv4/nexthop_compat_mode", "0");
	eq_str(run(run_and_show, "-q -4 --config-net"), "inet 192.0.2.5/24\ndefault via 169.254.2.2 onlink\n" NET4_R);

	test("LIFE-24 /dev/net/tun missing");
	ok(setup(ETH0_4 DEF4));
	eq_str(run(run_without_tun, "-q --config-net"), "Failed to open /dev/net/tun: No such file or directory"
	       " (is the tun module loaded, and is the device in this container?)\nstatus 1\n");
}

static void run_link(const char *args)
{
	static struct conf c;
	struct nl_ifinfo info;

	start(&c, args);
	setns(guest_ns, CLONE_NEWNET);
	if (system("ip -o link show |"
		   " sed -E 's/^[0-9]+: ([^:]*):.*<(.*)> mtu ([0-9]*).*(qlen [0-9]*).*/\\1 \\2 \\3 \\4/'"))
		printf("ip failed\n");
	if (system("ip -o addr show | grep -c -e tentative -e dadfailed -e ' [0-9]*sec'") < 0)
		printf("ip failed\n");
	if (c.config_net) {
		struct nl nl;

		nl_open(&nl, NETLINK_ROUTE);
		nl_link_get(&nl, 0, ns.ifname, &info);
		printf("%s, MAC %s\n", c.no_ra ? "no RAs" : "RAs",
		       mac_is_zero(&c.ns_mac) || mac_eq(&c.ns_mac, &info.mac) ? "as asked" : "another");
	}
}

static void test_link(void)
{
	static const struct {
		const char *args, *want;
	} row[] = {
		{ "-q --config-net", "65520 qlen 4096" },
		{ "-q --config-net -m 1500", "1500 qlen 11492" },
		{ "-q --config-net -m 1280", "1280 qlen 13531" },
		{ "-q --config-net -4 -m 68", "68 qlen 16384" },
		{ "-q --config-net -m 0", "1500 qlen 11492" },
	};
	char want[256];

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		test("CFG-07 TCP-45 link at once usable: %s", row[i].args);
		ok(setup(ETH0_46 DEF4 DEF6));
		snprintf(want, sizeof(want),
			 "lo LOOPBACK,UP,LOWER_UP 65536 qlen 1000\neth0 BROADCAST,MULTICAST,UP,LOWER_UP %s\n"
			 "0\nno RAs, MAC as asked\n", row[i].want);
		eq_str(run(run_link, row[i].args), want);
	}
	test("loopback up, link down without --config-net");
	ok(setup(ETH0_46 DEF4 DEF6));
	eq_str(run(run_link, "-q"), "lo LOOPBACK,UP,LOWER_UP 65536 qlen 1000\neth0 BROADCAST,MULTICAST 1500 qlen 4096\n"
	       "0\n");
}

/* Announced by the device, and used by the rest of the program: more than 64 KiB where the kernel has both */
static void run_big(const char *args)
{
	static struct conf c;
	struct nl_ifinfo info;
	struct nl nl;

	start(&c, args);
	setns(guest_ns, CLONE_NEWNET);
	nl_open(&nl, NETLINK_ROUTE);
	nl_link_get(&nl, 0, ns.ifname, &info);
	printf("%s %s", info.gro4 == TAP_ROOM || info.gro6 == TAP_ROOM ? "announced" : "not announced",
	       caps.tso4 == (info.gro4 == TAP_ROOM ? TAP_SUPER : tun_tso) ? "and so" : "not so");
	printf(" %s\n", caps.tso6 == (info.gro6 == TAP_ROOM ? TAP_SUPER : tun_tso) ? "and so" : "not so");
}

static void test_big(void)
{
	static const struct {
		const char *name;
		uint32_t tso;
		bool room;
		const char *want;
	} row[] = {
		{ "no segmentation offload", 0, true, "not announced and so and so\n" },
		{ "no memory for large frames", 65535, false, "not announced and so and so\n" },
		{ "large frames", 65535, true, "announced and so and so\n" },
	};
	struct nl_ifinfo info;
	bool known;
	struct nl nl;

	ok(setup(""));
	nl_open(&nl, NETLINK_ROUTE);
	known = !nl_link_get(&nl, 0, "lo", &info) && nl_link_gro(&nl, info.ifindex, TAP_ROOM) != -EINVAL && info.gro6;
	nl_close(&nl);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		test("super-packets above 64 KiB: %s", row[i].name);
		tun_tso = row[i].tso;
		tun_room = row[i].room;
		ok(setup(ETH0_46 DEF4 DEF6));
		eq_str(run(run_big, "-q --config-net"), tun_tso && tun_room && !known ? row[0].want : row[i].want);
	}
	tun_tso = 0;
}

static void test_many(void)
{
	static char batch[1 << 20];
	static char want[1 << 16];
	size_t len;

	test("thousands of routes, every one of them");
	len = (size_t)snprintf(batch, sizeof(batch), ETH0 "addr add 192.0.2.5/24 dev eth0 noprefixroute\n"
			       "route add 192.0.2.0/24 dev eth0 scope link src 192.0.2.5 metric 7\n" DEF4
			       "addr add 2001:db8::5/64 dev eth0 nodad\n" DEF6);
	for (unsigned i = 0; i < 4000; i++)
		len += (size_t)snprintf(batch + len, sizeof(batch) - len,
					"route add 10.%u.%u.0/24 via 192.0.2.%u metric %u\n"
					"route add 2001:db8:%x::/48 via fe80::%x dev eth0\n",
					i >> 8, i & 255, 10 + i % 100, i % 3, i + 1, i + 100);
	ok(setup(batch));
	len = 0;
	for (unsigned i = 0; i < 4000; i += 1333)
		len += (size_t)snprintf(want + len, sizeof(want) - len,
					"10.%u.%u.0/24 via 192.0.2.%u%s\n", i >> 8, i & 255,
					10 + i % 100, i % 3 == 2 ? " metric 2" : i % 3 ? " metric 1" : "");
	snprintf(want + len, sizeof(want) - len, "2001:db8:1::/48 via fe80::64 metric 1024\n4002\n4002\n");
	eq_str(run(run_many, "-q --config-net"), want);
}

/* Without the first attempt that goes with the link's coming up */
static void run_copy(const char *args)
{
	struct nl_copy cp = { .from = &(struct nl){ 0 }, .to = &(struct nl){ 0 } };
	struct addr a = addr_from4(htonl(0xc6336401));

	(void)args;
	nl_open(cp.from, NETLINK_ROUTE);
	setns(guest_ns, CLONE_NEWNET);
	nl_open(cp.to, NETLINK_ROUTE);
	if (system("ip link add eth0 type veth peer name far0; ip link set far0 up; ip link set eth0 up"))
		printf("ip failed\n");
	cp.from_if = nl_ifindex(cp.from, "eth0");
	cp.to_if = nl_ifindex(cp.to, "eth0");
	nl_addr_add(cp.to, cp.to_if, &a, 24);
	printf("%i\n", nl_route_copy(&cp));
	printf("%i\n", nl_route_copy(&cp));
	show_what = "^default|^10|^192";
	show("eth0", show_what);
}

static void test_copy(void)
{
	test("NL-04 default route first in the dump, and what it needs last");
	ok(setup(ETH0 "addr add 192.0.2.5/24 dev eth0 noprefixroute\nroute add 192.0.2.0/25 dev eth0\n"
		 "route add 10.0.0.0/8 via 192.0.2.2 mtu 1400\n" DEF4));
	eq_str(run(run_copy, ""), "0\n0\ndefault via 192.0.2.1\n10.0.0.0/8 via 192.0.2.2 mtu 1400\n"
	       "192.0.2.0/25 scope link\n");
}

int main(void)
{
	sock_features.ipv6 = true;
	if (!become_root()) {
		printf("1..0 # SKIP no user namespaces\n");
		return 0;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return EXIT_FAILURE;
	test_conf();
	test_templates();
	test_addrs();
	test_routes();
	test_odd();
	test_link();
	test_copy();
	test_big();
	test_many();
	return done();
}
