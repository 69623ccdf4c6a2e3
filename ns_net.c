/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ns_net.c - the network of the namespace: tap device, addresses, routes
 *
 * The namespace gets a default route also if the host has none (yet): without, packets would never reach us.
 *
 * Addresses (IFA_F_NODAD) and settings come while the link is down. The kernel takes routes only for a link that is up:
 * so one datagram carries the request that brings it up and, behind it, those for routes (see nl_hold()). The other
 * routes follow right after; each step can be repeated.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hint.h"
#include "log.h"
#include "ns.h"
#include "opener.h"
#include "tap.h"

#define NS_IFNAME	"tap0"
#define LATE_MOST	20		/* times without an answer of the process that makes changes, 1 s each */
#define BUSY_MOST	10		/* the same in the midst of a change: the kernel may be busy with others' */

/* The device drops packets beyond its queue silently. Without super-packets, a guest's kernel sends a window in one
 * burst, in packets of one MTU each: 16 MiB is more than the default tcp_wmem and our window allow. Datagrams are small
 * at any MTU, and come while we wait for a CPU, up to 5 ms on a busy machine: the least is 4 ms at a million of them a
 * second. It costs 8 bytes of ring per packet, and memory for those that wait.
 */
#define BURST_MAX	(16U << 20)
#define TXQLEN_MIN	4096U
#define TXQLEN_MAX	16384U
#define HEADERS_MIN	40U		/* of one MTU: IPv4 and TCP without options */

/* A step in the namespace that has to succeed, for an interface unless @ifname is empty. May die(). */
static void must(const char *what, const char *ifname, int ret)
{
	if (ret)
		die("Failed to %s%s%s in namespace: %s", what, *ifname ? " for interface " : "", ifname,
		    errno_text(-ret));
}

static uint32_t txqlen(uint32_t mtu)
{
	uint32_t payload = mtu > HEADERS_MIN ? mtu - HEADERS_MIN : 1;

	return MIN(MAX(DIV_ROUND_UP(BURST_MAX, payload), TXQLEN_MIN), TXQLEN_MAX);
}

/* Super-packets larger than IP's length fields (BIG TCP), if the namespace's kernel lets the device announce them */
static void set_big_tcp(struct nl *nl, int fd, const struct nl_ifinfo *before, struct caps *caps)
{
	struct nl_ifinfo info;
	int ret;

	if (!caps->tso4 || before->up || !tun_takes(fd, TAP_ROOM + HDR_MAX))
		return;
	ret = nl_link_gro(nl, before->ifindex, TAP_ROOM);
	if (!ret)
		ret = nl_link_get(nl, before->ifindex, NULL, &info);
	if (ret) {
		debug("Super-packets above 64 KiB not announced: %s", errno_text(-ret));
		return;
	}
	if (info.gro4 == TAP_ROOM)
		caps->tso4 = TAP_SUPER;
	if (info.gro6 == TAP_ROOM)
		caps->tso6 = TAP_SUPER;
}

/* By default, the interface is named like the template; "lo" can't be */
static void default_ifname(const struct net *net, char name[static IFNAMSIZ])
{
	const struct net_ip *ip = net->ip;
	unsigned ifindex = ip[V4].on && ip[V4].ifindex ? ip[V4].ifindex : ip[V6].on ? ip[V6].ifindex : 0;

	if (!ifindex || !if_indextoname(ifindex, name) || !strcmp(name, "lo"))
		strcpy(name, NS_IFNAME);
}

/* Device of our own in the namespace. May die(). */
static int tap_create(char *ifname, bool exists, struct caps *caps)
{
	int fd = opener_file("/dev/net/tun", O_RDWR), ret;
	const char *hint = "";

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
		hint = " (is the tun module loaded, and is the device in this container?)";
	else if (fd == -EPERM || fd == -EACCES)
		hint = " (does this container allow the device?)";
	if (fd < 0)
		die("Failed to open /dev/net/tun: %s%s", errno_text(-fd), hint);
	ret = tun_create(fd, ifname, caps);
	if (ret)
		die("Failed to set up tap interface %s in namespace: %s%s", ifname,
		    exists ? "there is an interface of that name already" : errno_text(-ret),
		    exists || ret == -EINVAL ? " (-I/--ns-ifname takes another)" : hint_namespaces(-ret, CLONE_NEWNET));
	return fd;
}

int ns_tap(struct ns *ns, const struct net *net, int link, struct caps *caps)
{
	const struct conf *c = net->cf;
	struct nl_ifinfo info;
	struct nl nl;
	int fd, ret;

	memcpy(ns->ifname, c->ns_ifname, IFNAMSIZ);
	if (c->link_fd >= 0) {
		fd = tun_adopt(link, ns->ifname, caps);
		if (fd < 0)
			die("Invalid value \"%i\" for -F/--fd: %s", c->link_fd, fd == -EBADFD ? "not a tap device" :
			    fd == -EPROTOTYPE ? "not created with IFF_TAP and IFF_NO_PI" : errno_text(-fd));
		return fd;
	}
	if (!ns->ifname[0])
		default_ifname(net, ns->ifname);
	must("open netlink socket", ns->ifname, ns_netlink(&nl, NETLINK_ROUTE));
	fd = tap_create(ns->ifname, nl_ifindex(&nl, ns->ifname), caps);
	must("find interface", ns->ifname, nl_link_get(&nl, 0, ns->ifname, &info));
	if (!mac_is_zero(&c->ns_mac))
		must("set MAC address of --ns-mac-addr", ns->ifname, nl_link_mac(&nl, info.ifindex, &c->ns_mac));
	/* A shorter queue only costs speed */
	ret = nl_link_set(&nl, info.ifindex, IFLA_TXQLEN, txqlen(c->mtu ? c->mtu : info.mtu));
	if (ret)
		debug("Transmit queue length not set: %s", errno_text(-ret));
	set_big_tcp(&nl, fd, &info, caps);
	nl_close(&nl);
	return fd;
}

/* An interface, and both sides */
struct ns_net {
	const struct net *net;
	struct net	*change;	/* the same, in ns_configure() */
	struct nl	*host, *ns;
	unsigned	ifindex;
	struct own	*own;		/* in ns_follow(), or NULL */
};

/* The kernel's link-local address (RFC 4291, appendix A), to add it without DAD */
static struct addr eui64(const struct mac *m)
{
	const uint8_t *b = m->b;

	return (struct addr){ .b = { 0xfe, 0x80, [8] = b[0] ^ 2, b[1], b[2], 0xff, 0xfe, b[3], b[4], b[5] } };
}

/* Are this family's addresses, and routes, the host's? */
static bool copy_addrs(const struct net *net, enum family f)
{
	const struct conf_ip *want = &net->cf->ip[f];

	return net->ip[f].ifindex && addr_is_unspec(&want->addr) && !want->plen && !net->cf->no_copy_addrs;
}

static bool copy_routes(const struct net *net, enum family f)
{
	return net->ip[f].ifindex && addr_is_unspec(&net->cf->ip[f].gw) && !net->cf->no_copy_routes;
}

static struct nl_copy family_copy(struct ns_net *n, enum family f)
{
	return (struct nl_copy){
		.from = n->host, .to = n->ns, .from_if = n->net->ip[f].ifindex, .to_if = n->ifindex, .v6 = f == V6,
		.no_routes = !copy_routes(n->net, f), .no_src = !copy_addrs(n->net, f),
		.no_via = !n->net->ip[f == V4 ? V6 : V4].on, .own = n->own,
	};
}

static int set_link_local(struct ns_net *n)
{
	struct nl_ifinfo info;
	struct addr ll;
	int ret = nl_link_get(n->ns, n->ifindex, NULL, &info);

	if (ret)
		return ret;
	ll = eui64(&info.mac);
	net_set_guest_ll(n->change, &ll);
	return nl_addr_add(n->ns, n->ifindex, &ll, 64);
}

static int add_addrs(struct ns_net *n, enum family f)
{
	const struct guest_ip *g = &n->net->ip[f].guest;
	struct nl_copy cp = family_copy(n, f);
	int ret;

	if (copy_addrs(n->net, f)) {
		ret = nl_addr_copy(&cp);
		if (ret)
			return MIN(ret, 0);
	}
	if (addr_is_unspec(&g->addr) || (n->own && !own_may_addr(n->own, &g->addr, g->plen)))
		return 0;
	return nl_addr_add(n->ns, n->ifindex, &g->addr, g->plen);
}

static int set_addrs(struct ns_net *n, enum family f)
{
	int ret = f == V6 ? set_link_local(n) : 0;

	return ret ? ret : add_addrs(n, f);
}

/* While requests are held, with the link's coming up: the first attempt */
static int set_routes(struct ns_net *n, enum family f)
{
	struct nl_copy cp = family_copy(n, f);
	int ret;

	if (copy_routes(n->net, f)) {
		if (n->ns->hold) {
			nl_route_copy_first(&cp);
			return 0;
		}
		ret = nl_route_copy(&cp);
		if (ret < 0)			/* an interface that is waited for is no news */
			log_if(n->own && ret == -ENODEV ? LOG_DEBUG : LOG_WARNING, "Can't copy %s routes: %s",
			       family_name[f], errno_text(-ret));
		if (nl_routes(n->ns, f == V6, n->ifindex).by_default)
			return 0;
	}
	if (n->own && !own_may_default(n->own, f == V6, &n->net->ip[f].gw))
		return 0;
	return nl_route_add_default(n->ns, n->ifindex, &n->net->ip[f].gw);
}

/* One step for both families. IPv6 may be off in the namespace (disable_ipv6, or an MTU below 1280): then there is only
 * IPv4. No warning if the user has switched it off.
 */
static void each_family(struct ns_net *n, const char *what, int (*set)(struct ns_net *n, enum family f))
{
	for (enum family f = V4; f < FAMILIES; f++) {
		int ret = n->net->ip[f].on ? set(n, f) : 0;

		if (!ret)
			continue;
		if (f == V4)
			die("Failed to set IPv4 %s in namespace: %s", what, errno_text(-ret));
		log_if(ret == -EACCES ? LOG_INFO : LOG_WARNING, "Failed to set IPv6 %s in namespace: %s", what,
		       errno_text(-ret));
		net_switch_off(n->change, V6);
	}
}

/* Router solicitations get no answer, and the kernel would repeat them for ever, and wake us. Without a /proc to write
 * to, it does.
 */
static void no_solicitations(const char *ifname)
{
	char path[64 + IFNAMSIZ];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", ifname);
	fd = opener_file(path, O_WRONLY);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		debug("Can't switch off router solicitations in namespace: %s", errno_text(errno));
	fd_close(fd);
}

static void configure_link(struct ns_net *n, const char *ifname)
{
	const struct net *net = n->net;

	must("find interface", "", n->ifindex ? 0 : -ENODEV);
	if (net->cf->mtu)
		must("set MTU (-m/--mtu)", "", nl_link_set(n->ns, n->ifindex, IFLA_MTU, net->cf->mtu));
	nl_link_autoaddr(n->ns, n->ifindex, net->ip[V6].on);
	if (net->cf->follow)		/* others' addresses stay if ours go */
		nl_link_keep_addrs(n->ns, n->ifindex);
	no_solicitations(ifname);
	each_family(n, "addresses", set_addrs);

	nl_hold(n->ns);
	nl_link_up(n->ns, n->ifindex);
	each_family(n, "routes", set_routes);
	nl_release(n->ns);
	must("bring up interface", "", nl_link_up(n->ns, n->ifindex));
	each_family(n, "routes", set_routes);
}

/* All that is ours now, to be followed later */
static void remember(struct ns *ns, struct ns_net *n)
{
	for (enum family f = V4; f < FAMILIES; f++) {
		int ret = n->net->ip[f].on ? own_done(&ns->own, n->ns, f == V6, n->ifindex) : 0;

		if (ret)
			debug("Can't read %s network of the namespace: %s", family_name[f], errno_text(-ret));
	}
	ns->nl = *n->ns;
}

void ns_configure(struct ns *ns, struct net *net)
{
	struct nl host, in_ns;
	struct ns_net n = { .net = net, .change = net, .host = &host, .ns = &in_ns };
	int ret = nl_open(&host, NETLINK_ROUTE);

	if (ret)
		die("Failed to open netlink socket: %s", errno_text(-ret));
	must("open netlink socket", "", ns_netlink(&in_ns, NETLINK_ROUTE));
	ret = nl_link_up(&in_ns, nl_ifindex(&in_ns, "lo"));
	if (ret)
		warn("Failed to bring up loopback interface in namespace: %s", errno_text(-ret));

	/* The kernel segments larger ones: pkt_parse() would drop them. Also for another program's device (-F). */
	ns->ifindex = n.ifindex = *ns->ifname ? nl_ifindex(&in_ns, ns->ifname) : 0;
	ret = n.ifindex ? nl_link_set(&in_ns, n.ifindex, IFLA_GSO_MAX_SEGS, GSO_SEGS_MAX) : 0;
	if (ret)
		debug("Segments of super-packets not limited: %s", errno_text(-ret));

	if (net->cf->config_net)
		configure_link(&n, ns->ifname);
	nl_close(&host);
	if (net->cf->config_net && net->cf->follow && n.ifindex)
		remember(ns, &n);
	else
		nl_close(&in_ns);
}

static void mark_wanted(struct ns_net *n, enum family f, struct own_keep *keep)
{
	const struct net_ip *ip = &n->net->ip[f];
	struct nl_copy cp = family_copy(n, f);

	cp.mark = true;
	cp.keep = keep;
	if (copy_addrs(n->net, f))
		nl_addr_copy(&cp);
	if (!addr_is_unspec(&ip->guest.addr))
		own_want_addr(n->own, &ip->guest.addr, ip->guest.plen);
	if (!copy_routes(n->net, f) || !nl_routes(n->host, f == V6, ip->ifindex).by_default)
		own_want_default(n->own, f == V6, &ip->gw);
	if (copy_routes(n->net, f))
		nl_route_copy(&cp);
}

/* Objects of ours that may go: not what the host will have again (struct net_ip), nor routes that aren't its own */
static unsigned classes_to_remove(const struct net *net, enum family f)
{
	const struct net_ip *ip = &net->ip[f];
	bool addrs = copy_addrs(net, f), routes = copy_routes(net, f);
	unsigned classes = 0;

	if (!addrs || ip->has_addr)
		classes |= 1U << OWN_ADDR;
	if (!routes || ip->has_routes)
		classes |= 1U << OWN_DEFAULT | (addrs && routes ? 1U << OWN_ROUTE : 0);
	return classes;
}

/* New addresses first: with the last one of a family, the kernel removes all of its routes. Again behind, for one that
 * went with the old one of its prefix (without promote_secondaries).
 */
bool ns_follow(struct ns *ns, const struct net *net, struct nl *host, enum family f, struct own_keep *keep)
{
	struct ns_net n = { .net = net, .host = host, .ns = &ns->nl, .ifindex = ns->ifindex, .own = &ns->own };
	int ret;

	if (ns->nl.fd < 0 || !net->ip[f].on)
		return true;
	ret = own_look(n.own, n.ns, f == V6, n.ifindex);
	/* It doesn't run at the moment. Later on, it wouldn't be known what was done. */
	if (ret == -ETIMEDOUT && ++ns->late < LATE_MOST)
		return false;
	if (!ret) {
		ns->late = 0;
		ns->nl.waits = ns->nl.waits ? BUSY_MOST : 0;
		mark_wanted(&n, f, keep);
		add_addrs(&n, f);
		ret = own_remove(n.own, n.ns, f == V6, n.ifindex, classes_to_remove(net, f), keep);
	}
	if (!ret) {
		add_addrs(&n, f);
		set_routes(&n, f);
		ret = own_done(n.own, n.ns, f == V6, n.ifindex);
	}
	ns->nl.waits = ns->nl.waits > 0;
	if (!ret)
		return true;
	warn("%s addresses and routes of the namespace stay: %s", family_name[f], errno_text(-ret));
	if (ret == -EPIPE || ret == -EAGAIN || ret == -ETIMEDOUT || ret == -ECONNRESET)	/* the other process is gone */
		nl_close(&ns->nl);
	return true;
}
