/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ns_net.c - the network on both sides: what the host has, and the same for the namespace
 *
 * Nothing the host has or lacks keeps us from starting. A family for which it has no usable interface is set up on
 * local addresses (struct conf_ip, local); a host without default route gets one in the namespace all the same, for
 * the day it has one: with no namespace-side route, packets would never reach us.
 *
 * In the namespace, everything that can be done while the link is down is done then, addresses with IFA_F_NODAD
 * included. The kernel takes routes only for a link that is up: so one datagram carries the request that brings it up
 * and, behind it, those for routes (see nl_hold()). What that leaves out follows right after; each step can be
 * repeated.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "ns.h"
#include "tap.h"

#define NS_IFNAME	"tap0"

/* The device drops what is beyond its queue, and nobody is told. Without super-packets, a guest's kernel sends the largest window
 * it may fill in one burst, in packets of one MTU each: 16 MiB is more than the default tcp_wmem and our window make of it.
 * Datagrams are small whatever the MTU is, and come while we wait for a CPU, up to 5 ms on a busy machine: the least is what
 * comes in 4 ms at a million of them each second. It costs 8 bytes of ring per packet, and memory for those that wait.
 */
#define WINDOW_MAX	(16U << 20)
#define TXQLEN_MIN	4096U
#define TXQLEN_MAX	16384U
#define HEADERS_MIN	40U		/* of one MTU: IPv4 and TCP without options */

static const char *const family_name[FAMILIES] = { "IPv4", "IPv6" };

/* The guest's router where the host has none: link-local, so it hides no real address */
static const struct addr no_gw[FAMILIES] = {
	{ .b = { [10] = 0xff, 0xff, 169, 254, 2, 2 } },
	{ .b = { 0xfe, 0x80, [15] = 1 } },
};

/* Kernels without IPv6 (ipv6.disable=1, or not built in) have no such sockets */
static bool have_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno != EAFNOSUPPORT;
	close(fd);
	return true;
}

/* Interface the user named: its index. May die(). */
static unsigned named_interface(struct nl *nl, const char *name)
{
	unsigned ifindex = nl_ifindex(nl, name);

	if (!ifindex)
		die("Invalid interface name %s: %s", name, errno_text(ENODEV));
	return ifindex;
}

/* Interface of --outbound-if4, --outbound-if6 or -o: sockets are bound to it by name, one by one, so it may come later */
static unsigned outbound_interface(struct nl *nl, const char *name, enum family f)
{
	unsigned ifindex = *name ? nl_ifindex(nl, name) : 0;

	if (*name && !ifindex)
		warn("Outbound interface %s doesn't exist: nothing leaves the host by %s until it does", name, family_name[f]);
	return ifindex;
}

static void host_family(struct nl *nl, struct conf *c, enum family f)
{
	struct conf_ip *ip = &c->ip[f];
	struct addr a, gw;
	uint8_t plen;
	bool has_addr;

	ip->ifindex = outbound_interface(nl, ip->out_if, f);
	if (c->ifname[0])
		ip->ifindex = named_interface(nl, c->ifname);
	if (!ip->ifindex)
		ip->ifindex = nl_template(nl, f == V6);

	has_addr = ip->ifindex && nl_addr_get(nl, f == V6, ip->ifindex, &a, &plen, NULL);
	if (has_addr && !ip->addr_given) {
		ip->addr = a;
		if (!ip->plen_given)
			ip->plen = plen;
	}
	/* Without an address, only IPv6 routes make an interface of use: by its link-local address */
	if (ip->ifindex && !has_addr && !ip->addr_given && (f == V4 || !nl_route_any(nl, true, ip->ifindex)))
		ip->ifindex = 0;
	ip->local = !ip->ifindex && !ip->addr_given;
	if (!ip->ifindex)
		debug("%s: no interface with usable routes", family_name[f]);

	if (ip->gw_given)
		return;
	if (ip->ifindex && nl_gateway(nl, f == V6, ip->ifindex, &gw))
		ip->gw = gw;
	else
		ip->gw = no_gw[f];
}

void ns_host_network(struct conf *c)
{
	struct nl nl;
	int ret;

	if (c->ip[V6].on && !have_ipv6()) {
		info("IPv6 is not available on this host");
		c->ip[V6].on = false;
	}
	if (!c->ip[V4].on && !c->ip[V6].on)
		die("IPv6 is not available on this host, and IPv4 is switched off");

	ret = nl_open(&nl);
	if (ret)
		die("Failed to open netlink socket: %s", errno_text(-ret));
	for (enum family f = V4; f < FAMILIES; f++) {
		if (c->ip[f].on)
			host_family(&nl, c, f);
	}
	nl_close(&nl);
}

/* What a child in the namespace is told, and tells */
struct ns_net {
	struct conf	*c;
	struct caps	*caps;
	struct nl	host, ns;
	unsigned	ifindex;
	const char	*failed;	/* the step that did */
	bool		exists;		/* the namespace has an interface of that name */
};

static int step(struct ns_net *n, const char *what, int ret)
{
	if (ret < 0)
		n->failed = what;
	return ret;
}

static uint32_t txqlen(uint32_t mtu)
{
	uint32_t payload = mtu > HEADERS_MIN ? mtu - HEADERS_MIN : 1;

	return MIN(MAX(DIV_ROUND_UP(WINDOW_MAX, payload), TXQLEN_MIN), TXQLEN_MAX);
}

/* Super-packets may be larger than IP's length fields can say if the namespace's kernel lets the device announce it (BIG TCP) */
static void set_big_tcp(struct ns_net *n, int fd, const struct nl_ifinfo *before)
{
	struct nl_ifinfo info;
	int ret;

	if (!n->caps->tso4 || before->up || !tun_takes(fd, TAP_ROOM + HDR_MAX))
		return;
	ret = nl_link_gro(&n->ns, n->ifindex, TAP_ROOM);
	if (!ret)
		ret = nl_link_get(&n->ns, n->ifindex, &info);
	if (ret) {
		debug("Super-packets above 64 KiB not announced: %s", errno_text(-ret));
		return;
	}
	if (info.gro4 == TAP_ROOM)
		n->caps->tso4 = TAP_SUPER;
	if (info.gro6 == TAP_ROOM)
		n->caps->tso6 = TAP_SUPER;
}

static int tap_in_ns(void *arg)
{
	struct ns_net *n = arg;
	struct conf *c = n->c;
	struct nl_ifinfo info;
	int fd, ret;

	ret = step(n, "open netlink socket", nl_open(&n->ns));
	if (ret)
		return ret;
	n->exists = nl_ifindex(&n->ns, c->ns_ifname);
	fd = step(n, NULL, tun_open(c->ns_ifname, n->caps));
	if (fd < 0)
		goto out;

	n->ifindex = nl_ifindex(&n->ns, c->ns_ifname);
	ret = step(n, "find interface", nl_link_get(&n->ns, n->ifindex, &info));
	if (!ret && !mac_is_zero(&c->ns_mac))
		ret = step(n, "set MAC address", nl_link_mac(&n->ns, n->ifindex, &c->ns_mac));
	if (!ret) {
		/* A shorter queue only costs speed */
		int err = nl_link_txqlen(&n->ns, n->ifindex, txqlen(c->mtu ? c->mtu : info.mtu));

		if (err)
			debug("Transmit queue length not set: %s", errno_text(-err));
		set_big_tcp(n, fd, &info);
	}
	if (ret) {
		close(fd);
		fd = ret;
	}
out:
	nl_close(&n->ns);
	return fd;
}

/* By default, the interface is named like the template; "lo" can't be */
static void default_ifname(struct conf *c)
{
	unsigned ifindex = c->ip[V4].on ? c->ip[V4].ifindex : 0;
	struct nl_ifinfo info = { 0 };
	struct nl nl;

	if (!ifindex && c->ip[V6].on)
		ifindex = c->ip[V6].ifindex;
	if (ifindex && !nl_open(&nl)) {
		if (nl_link_get(&nl, ifindex, &info))
			info.name[0] = '\0';
		nl_close(&nl);
	}
	if (!info.name[0] || !strcmp(info.name, "lo"))
		strcpy(info.name, NS_IFNAME);
	memcpy(c->ns_ifname, info.name, sizeof(c->ns_ifname));
}

/* tun_open() failed with -errno @ret: which of its steps, and what can be done about it */
_Noreturn static void tun_failed(const struct ns_net *n, int ret)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), e = errno;
	const char *hint = "";

	if (fd < 0) {
		if (e == ENOENT || e == ENODEV || e == ENXIO)
			hint = " (is the tun module loaded, and is the device in this container?)";
		else if (e == EPERM || e == EACCES)
			hint = " (does this container allow the device?)";
		die("Failed to open /dev/net/tun: %s%s", errno_text(e), hint);
	}
	close(fd);
	if (n->exists)
		die("Failed to set up tap interface %s in namespace: there is an interface of that name already",
		    n->c->ns_ifname);
	die("Failed to set up tap interface %s in namespace: %s", n->c->ns_ifname, errno_text(-ret));
}

int ns_tap(const struct ns *ns, struct conf *c, struct caps *caps)
{
	struct ns_net n = { .c = c, .caps = caps };
	int fd;

	if (c->link_fd >= 0) {
		fd = tun_adopt(c->link_fd, c->ns_ifname, caps);
		if (fd < 0)
			die("Invalid value \"%i\" for -F/--fd: %s", c->link_given, fd == -EBADFD ? "not a tap device" :
			    fd == -EPROTOTYPE ? "not created with IFF_TAP and IFF_NO_PI" : errno_text(-fd));
		return fd;
	}
	if (!c->ns_ifname[0])
		default_ifname(c);
	fd = ns_call(ns, tap_in_ns, &n);
	if (fd >= 0)
		return fd;
	if (n.failed)
		die("Failed to %s for interface %s in namespace: %s", n.failed, c->ns_ifname, errno_text(-fd));
	tun_failed(&n, fd);
}

/* Link-local address the kernel would make (RFC 4291, appendix A), to have it without DAD */
static struct addr eui64(const struct mac *m)
{
	const uint8_t *b = m->b;

	return (struct addr){ .b = { 0xfe, 0x80, [8] = b[0] ^ 2, b[1], b[2], 0xff, 0xfe, b[3], b[4], b[5] } };
}

/* Are this family's addresses, and routes, the host's? */
static bool copy_addrs(const struct conf *c, const struct conf_ip *ip)
{
	return ip->ifindex && !ip->addr_given && !ip->plen_given && !c->no_copy_addrs;
}

static bool copy_routes(const struct conf *c, const struct conf_ip *ip)
{
	return ip->ifindex && !ip->gw_given && !c->no_copy_routes;
}

static struct nl_copy family_copy(struct ns_net *n, enum family f)
{
	const struct conf_ip *ip = &n->c->ip[f];

	return (struct nl_copy){
		.from = &n->host, .to = &n->ns, .from_if = ip->ifindex, .to_if = n->ifindex, .v6 = f == V6,
		.no_routes = !copy_routes(n->c, ip), .no_src = !copy_addrs(n->c, ip),
		.no_via = !n->c->ip[f == V4 ? V6 : V4].on,
	};
}

static int set_addrs(struct ns_net *n, enum family f)
{
	struct conf_ip *ip = &n->c->ip[f];
	struct nl_copy cp = family_copy(n, f);
	struct nl_ifinfo info;
	int ret;

	if (f == V6) {
		ret = nl_link_get(&n->ns, n->ifindex, &info);
		if (ret)
			return ret;
		ip->ns_ll = eui64(&info.mac);
		ret = nl_addr_add(&n->ns, n->ifindex, &ip->ns_ll, 64);
		if (ret)
			return ret;
	}
	if (copy_addrs(n->c, ip)) {
		ret = nl_addr_copy(&cp);
		if (ret)
			return MIN(ret, 0);
	}
	return addr_is_unspec(&ip->addr) ? 0 : nl_addr_add(&n->ns, n->ifindex, &ip->addr, ip->plen);
}

/* First attempt, while requests are held: with the link's coming up */
static void first_routes(struct ns_net *n, enum family f)
{
	const struct conf_ip *ip = &n->c->ip[f];
	struct nl_copy cp = family_copy(n, f);

	if (copy_routes(n->c, ip))
		nl_route_copy_first(&cp);
	else
		nl_route_add_default(&n->ns, n->ifindex, &ip->gw);
}

static int all_routes(struct ns_net *n, enum family f)
{
	const struct conf_ip *ip = &n->c->ip[f];
	struct nl_copy cp = family_copy(n, f);
	int ret;

	if (copy_routes(n->c, ip)) {
		ret = nl_route_copy(&cp);
		if (ret < 0)
			warn("Can't copy %s routes: %s", family_name[f], errno_text(-ret));
		if (nl_route_has_default(&n->ns, f == V6, n->ifindex))
			return 0;
	}
	return nl_route_add_default(&n->ns, n->ifindex, &ip->gw);
}

/* IPv6 may be switched off in the namespace (disable_ipv6, or an MTU below 1280): then IPv4 is what there is */
static int family_failed(struct ns_net *n, enum family f, const char *what, int ret)
{
	if (f == V4)
		return step(n, what, ret);
	/* The user's own doing is nothing to warn of */
	log_if(ret == -EACCES ? LOG_INFO : LOG_WARNING, "Failed to %s in namespace: %s", what, errno_text(-ret));
	n->c->ip[V6].on = false;
	return 0;
}

/* Nothing will answer router solicitations (see ns_configure()), and the kernel would repeat them for ever, waking us. Without
 * /proc, or where it is read-only, it does.
 */
static void no_solicitations(const char *ifname)
{
	char path[64 + IFNAMSIZ];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "0", 1) < 0)
		debug("Can't switch off router solicitations in namespace: %s", errno_text(errno));
	close(fd);
}

static int configure_link(struct ns_net *n)
{
	struct conf *c = n->c;
	int ret;

	n->ifindex = nl_ifindex(&n->ns, c->ns_ifname);
	if (!n->ifindex)
		return step(n, "find interface", -ENODEV);
	if (c->mtu) {
		ret = step(n, "set MTU", nl_link_mtu(&n->ns, n->ifindex, c->mtu));
		if (ret)
			return ret;
	}
	nl_link_autoaddr(&n->ns, n->ifindex, c->ip[V6].on);
	no_solicitations(c->ns_ifname);
	for (enum family f = V4; f < FAMILIES; f++) {
		ret = c->ip[f].on ? set_addrs(n, f) : 0;
		if (ret && (ret = family_failed(n, f, f == V4 ? "set IPv4 addresses" : "set IPv6 addresses", ret)))
			return ret;
	}

	nl_hold(&n->ns);
	nl_link_up(&n->ns, n->ifindex);
	for (enum family f = V4; f < FAMILIES; f++) {
		if (c->ip[f].on)
			first_routes(n, f);
	}
	nl_release(&n->ns);
	ret = step(n, "bring up interface", nl_link_up(&n->ns, n->ifindex));
	for (enum family f = V4; !ret && f < FAMILIES; f++) {
		ret = c->ip[f].on ? all_routes(n, f) : 0;
		if (ret)
			ret = family_failed(n, f, f == V4 ? "set IPv4 routes" : "set IPv6 routes", ret);
	}
	return ret;
}

/* The kernel segments what would be more, so that what pkt_parse() drops comes from no honest sender. Also if the device was made
 * by somebody else (--fd).
 */
static void limit_segments(struct ns_net *n)
{
	unsigned ifindex = n->c->splice_only ? 0 : nl_ifindex(&n->ns, n->c->ns_ifname);
	int ret = ifindex ? nl_link_gso_segs(&n->ns, ifindex, GSO_SEGS_MAX) : 0;

	if (ret)
		debug("Segments of super-packets not limited: %s", errno_text(-ret));
}

static int configure_in_ns(void *arg)
{
	struct ns_net *n = arg;
	unsigned lo;
	int ret;

	ret = step(n, "open netlink socket", nl_open(&n->ns));
	if (ret)
		return ret;
	lo = nl_ifindex(&n->ns, "lo");
	ret = nl_link_up(&n->ns, lo);
	if (ret)
		warn("Failed to bring up loopback interface in namespace: %s", errno_text(-ret));
	limit_segments(n);
	ret = n->c->config_net ? configure_link(n) : 0;
	nl_close(&n->ns);
	return ret;
}

void ns_configure(const struct ns *ns, struct conf *c)
{
	struct ns_net n = { .c = c };
	int ret;

	ret = nl_open(&n.host);
	if (ret)
		die("Failed to open netlink socket: %s", errno_text(-ret));
	ret = ns_call(ns, configure_in_ns, &n);
	nl_close(&n.host);
	if (ret < 0)
		die("Failed to %s in namespace: %s", n.failed ? n.failed : "set up the network", errno_text(-ret));
	/* They would add a second address, with DAD, and a second default route */
	c->no_ra |= c->config_net;
}
