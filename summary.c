/* SPDX-License-Identifier: GPL-2.0-or-later */
/* summary.c - text at start-up: interfaces, addresses, DHCP, DNS, rules, and how to start a guest. Callers parse it. */
#include <net/if.h>
#include <string.h>

#include "log.h"
#include "policy.h"
#include "summary.h"

static void print_addr(const char *label, const struct addr *a)
{
	char buf[ADDR_STRLEN];

	if (!addr_is_unspec(a))
		info("    %s%s", label, addr_fmt(a, buf));
}

/* A family's settings for the guest, by protocol */
static void print_guest(const struct net *net, enum family f)
{
	const struct net_ip *ip = &net->ip[f];
	const struct guest_ip *g = &ip->guest;
	const struct lan_conf *lan = &net->cf->lan;
	const struct addr mask = f == V4 ? addr_from4(addr_mask4(lan->on ? lan->plen4 : g->plen)) : addr_any6;
	const char *title = net->cf->no_dhcp || addr_is_unspec(&g->addr) ? NULL : "DHCP:";

	if (f == V6 && net->cf->no_dhcpv6)
		title = net->cf->no_ndp ? NULL : "NDP:";
	else if (f == V6)
		title = net->cf->no_ndp ? "DHCPv6:" : "NDP/DHCPv6:";
	if (title) {
		info("%s", title);
		print_addr(lan->on ? "assign to each guest one of: " : "assign: ", lan->on ? &lan->net[f] : &g->addr);
		print_addr("mask: ", &mask);
		print_addr("router: ", &ip->gw);
		print_addr("our link-local: ", &ip->our_ll);
	}
	if (!g->ndns)
		return;
	info("DNS:");
	for (unsigned i = 0; i < g->ndns; i++)
		print_addr("", &g->dns[i]);
	if (net->search.n)
		info("DNS search list:");
	for (unsigned i = 0; i < net->search.n; i++)
		info("    %s", net->search.name[i]);
}

/* "TITLE: eth0 (IPv4), wlan0 (IPv6)", or one of them */
static void print_interfaces(const char *title, char name[FAMILIES][IFNAMSIZ])
{
	const char *v4 = name[V4][0] ? " (IPv4)" : "", *v6 = name[V6][0] ? " (IPv6)" : "";

	if (*v4 || *v6)
		info("%s: %s%s%s%s%s", title, name[V4], v4, *v4 && *v6 ? ", " : "", name[V6], v6);
}

static void print_host_side(const struct net *net)
{
	char template[FAMILIES][IFNAMSIZ] = { "", "" }, out[FAMILIES][IFNAMSIZ] = { "", "" }, a[ADDR_STRLEN];

	for (enum family f = V4; f < FAMILIES; f++) {
		if (!net->ip[f].on)
			continue;
		if (!if_indextoname(net->ip[f].ifindex, template[f]))	/* nor is there one of index 0 */
			template[f][0] = '\0';
		memcpy(out[f], net->cf->ip[f].out_if, IFNAMSIZ);
	}
	print_interfaces("Template interface", template);
	print_interfaces("Outbound interface", out);
	for (enum family f = V4; f < FAMILIES; f++) {
		if (net->ip[f].on && !addr_is_unspec(&net->cf->ip[f].out_addr))
			info("Outbound %s address: %s", family_name[f], addr_fmt(&net->cf->ip[f].out_addr, a));
	}
}

/* Guest-side addresses of the host and of a resolver */
static void print_mapped(const struct net_ip *ip, enum family f)
{
	char a[ADDR_STRLEN], b[ADDR_STRLEN];

	if (!addr_is_unspec(&ip->map_loopback))
		info("    NAT to host %s: %s", f == V4 ? "127.0.0.1" : "::1", addr_fmt(&ip->map_loopback, a));
	if (!addr_is_unspec(&ip->map_guest))
		info("    NAT to host %s: %s", addr_fmt(&ip->guest.addr, b), addr_fmt(&ip->map_guest, a));
	if (!addr_is_unspec(&ip->dns_forward) && !addr_is_unspec(&ip->dns_host))
		info("    DNS queries to %s go to %s", addr_fmt(&ip->dns_forward, a), addr_fmt(&ip->dns_host, b));
}

static void print_guest_side(const struct net *net, const char *ifname)
{
	char mac[MAC_STRLEN];

	if (*ifname)
		info("Namespace interface: %s", ifname);
	info("MAC:");
	info("    host: %s", mac_fmt(&net->cf->our_mac, mac));
	for (enum family f = V4; f < FAMILIES; f++) {
		if (net->ip[f].on)
			print_mapped(&net->ip[f], f);
	}
	for (enum family f = V4; f < FAMILIES; f++) {
		if (net->ip[f].on && net->ip[f].local)
			info("%s: no network on the host, local mode: link-local addresses only", family_name[f]);
		if (net->ip[f].on)
			print_guest(net, f);
	}
}

static void print_rules(const struct rules *t, const char *title, bool outward)
{
	char buf[RULE_SHOW_STRLEN];

	info("%s", title);
	for (const struct rule *r = t->rule; r < t->rule + t->n; r++) {
		if (r->outward == outward)
			info("    %s", rule_show(r, buf));
	}
}

void summary_print(const struct net *net, const char *ifname, const char *socket)
{
	const struct conf *c = net->cf;

	if (!log_enabled(LOG_INFO))
		return;
	if (c->control)
		info("Configuration socket: %s", c->control);
	if (c->splice_only) {
		info("No link: forwarding between loopback interfaces only");
	} else {
		print_host_side(net);
		print_guest_side(net, ifname);
	}
	print_rules(&c->rules, "Inbound forwarding rules (HOST):", false);
	if (c->mode == MODE_PASTA)
		print_rules(&c->rules, "Outbound forwarding rules (SPLICE):", true);
	if (c->policy && policy_matters(c->policy))
		info("Egress policy: %u rules, all else: %s", c->policy->nrules, egress_name[c->policy->egress]);
	if (c->policy && !c->control && policy_asks(c->policy))
		warn("Nobody can be asked, as there is no control socket (-c): --ask is a refusal after %u s",
		     c->ask_timeout);
	if (c->pcap)
		info("Saving packet capture to %s", c->pcap);
	if (!*socket)
		return;
	if (c->vhost_user) {
		info("You can now start qemu:");
		info("    qemu ... -chardev socket,id=c,path=%s -netdev vhost-user,id=s,chardev=c "
		     "-device virtio-net-pci,netdev=s -object memory-backend-memfd,id=m,share=on,size=$SIZE "
		     "-machine memory-backend=m", socket);
		return;
	}
	info("You can now start qemu (>= 7.2):");
	info("    qemu ... -device virtio-net-pci,netdev=s -netdev stream,id=s,server=off,addr.type=unix,addr.path=%s",
	     socket);
	info("or, before qemu 7.2:");
	info("    qrap 5 qemu ... -device virtio-net-pci,netdev=s -netdev socket,fd=5,id=s");
}
