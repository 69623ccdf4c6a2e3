/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net.c - the host's network, and the guest's share of it: addresses, gateways, resolvers
 *
 * The program starts whatever the state of the host's network. A family without usable interface gets local addresses
 * (struct net_ip, local); the host is the guest's gateway also without a default route, which may come later.
 *
 * Resolvers. A server on the host's loopback, or at the gateway's address, which leads there, is out of the guest's
 * reach. The guest is given map_loopback instead; its DNS queries are redirected to that server, as with --dns-forward.
 * If --dns-forward was given, that address is used, and map_loopback is not needed.
 */

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "log.h"
#include "net.h"
#include "netlink.h"
#include "sock.h"

const char *const family_name[FAMILIES] = { "IPv4", "IPv6" };

const char *net_resolv_path = "/etc/resolv.conf";

/* Link-local, so that they hide no real address: the guest's router if the host has none, and its address if the host
 * has no network (IPv6 needs no global one).
 */
static const struct addr no_gw4 = { .b = { [10] = 0xff, 0xff, 169, 254, 2, 2 } };
static const struct addr local_addr4 = { .b = { [10] = 0xff, 0xff, 169, 254, 2, 1 } };
static const struct addr default_ll = { .b = { 0xfe, 0x80, [15] = 1 } };

/* ---- the host's interfaces, addresses and routes ---- */

/* Interface named by -i, --outbound-if4 or --outbound-if6, 0: none, or it isn't there */
static unsigned named_interface(const struct conf *cf, struct nl *nl, enum family f)
{
	unsigned ifindex = *cf->ip[f].out_if ? nl_ifindex(nl, cf->ip[f].out_if) : 0;

	return *cf->ifname ? nl_ifindex(nl, cf->ifname) : ifindex;
}

/* May die(): -i has to exist at the start. --outbound-if4, --outbound-if6 or -o may come later: sockets are bound by
 * name.
 */
static void check_named(const struct conf *cf, struct nl *nl, enum family f)
{
	if (*cf->ip[f].out_if && !nl_ifindex(nl, cf->ip[f].out_if))
		warn("Outbound interface %s doesn't exist: nothing leaves the host by %s until it does "
		     "(--outbound-if%c)",
		     cf->ip[f].out_if, family_name[f], f == V4 ? '4' : '6');
	if (*cf->ifname && !nl_ifindex(nl, cf->ifname))
		die("Invalid interface name %s: %s (-i/--interface)", cf->ifname, errno_text(ENODEV));
}

/* Template interface of a family, 0: none. @old: the one until now, which stays if it lost its default route only. */
static unsigned template_interface(const struct conf *cf, struct nl *nl, enum family f, const struct net_ip *old)
{
	unsigned ifindex = named_interface(cf, nl, f);
	struct nl_routes routes = { 0 };

	if (ifindex)
		return ifindex;
	if (!*cf->ifname)
		routes = nl_routes(nl, f == V6, 0);
	if (routes.by_default || !old || !old->ifindex)
		return routes.by_default ? routes.by_default : routes.other;
	return old->ifindex;
}

/* The guest's address stays as long as the host has it there, and the gateway doesn't change: others come and go */
static const struct addr *address_to_keep(const struct net_ip *ip, const struct net_ip *old,
					  const struct nl_routes *routes)
{
	bool same_gw = !routes->has_gw || !addr_is_unspec(&ip->gw) || (old && addr_eq(&routes->gw, &old->gw));

	return old && old->ifindex == ip->ifindex && same_gw ? &old->guest.addr : NULL;
}

/* Routes that the kernel has deleted, as the link went down, or a default route that is gone, will be back */
static void note_routes(struct net_ip *ip, struct nl *nl, const struct net_ip *old)
{
	struct nl_ifinfo info = { .up = false };

	ip->had_default = ip->by_default || (old && old->ifindex == ip->ifindex && old->had_default);
	ip->has_routes = ip->by_default || (ip->ifindex && !ip->had_default &&
					    !nl_link_get(nl, ip->ifindex, NULL, &info) && info.up);
}

/* @old: see template_interface() */
static void read_family(struct net *net, struct nl *nl, enum family f, const struct net_ip *old)
{
	const struct conf_ip *want = &net->cf->ip[f];
	struct net_ip *ip = &net->ip[f];
	bool given = !addr_is_unspec(&want->addr), found;
	struct nl_routes routes;
	struct addr a;
	uint8_t plen;

	ip->ifindex = template_interface(net->cf, nl, f, old);
	routes = nl_routes(nl, f == V6, ip->ifindex);
	found = ip->ifindex &&
		nl_addr_get(nl, f == V6, ip->ifindex, address_to_keep(ip, old, &routes), &a, &plen);
	if (found && !given) {
		ip->guest.addr = a;
		ip->guest.plen = want->plen ? want->plen : plen;
	}
	/* Without an address, an interface is of use for IPv6 routes only, with its link-local one */
	if (!found && !given && (f == V4 || !(routes.by_default || routes.other)))
		ip->ifindex = 0;
	ip->by_default = ip->ifindex && routes.by_default;
	ip->has_addr = ip->ifindex && found;
	ip->local = !ip->ifindex && !given;
	note_routes(ip, nl, old);
	if (!ip->ifindex)
		debug("%s: no interface with usable routes", family_name[f]);
	if (addr_is_unspec(&ip->gw))
		ip->gw = ip->ifindex && routes.has_gw ? routes.gw : f == V4 ? no_gw4 : default_ll;
}

static void read_host(struct net *net)
{
	struct nl nl;
	int ret;

	if (net->ip[V6].on && !sock_features.ipv6) {
		info("IPv6 is not available on this host");
		net->ip[V6].on = false;
	}
	if (!net->ip[V4].on && !net->ip[V6].on)
		die("-6/--ipv6-only: IPv6 is not available on this host, as with the kernel's ipv6.disable=1");

	ret = nl_open(&nl, NETLINK_ROUTE);
	if (ret)
		die("Failed to open netlink socket: %s", errno_text(-ret));
	for (enum family f = V4; f < FAMILIES; f++) {
		if (!net->ip[f].on)
			continue;
		check_named(net->cf, &nl, f);
		read_family(net, &nl, f, NULL);
	}
	nl_close(&nl);
}

/* ---- resolv.conf(5) ---- */

static unsigned index_of(const char *name, struct nl *nl)
{
	return nl ? nl_ifindex(nl, name) : if_nametoindex(name);
}

/* Interface in "fe80::1%eth0", by name or index (RFC 4007 11). @nl: NULL at the start */
static void resolv_scope(struct resolver *r, const char *s, struct nl *nl)
{
	uint64_t index;
	size_t len;

	s += strcspn(s, " \t%");
	if (*s != '%')
		return;
	len = strcspn(++s, " \t");
	if (parse_num(s, len, INT32_MAX, &index)) {
		r->scope = (unsigned)index;
	} else if (len < sizeof(r->dev)) {
		memcpy(r->dev, s, len);
		r->scope = index_of(r->dev, nl);
	}
}

static void resolv_server(struct resolv *r, const char *s, struct nl *nl)
{
	enum family f;
	struct addr a;

	if (!addr_parse(s, strcspn(s, " \t%"), &a) || addr_is_many(&a))
		return;
	if (addr_is_unspec(&a))				/* resolv.conf(5): the local machine */
		a = addr_loopback(addr_family(&a));
	f = addr_family(&a);
	if (r->n[f] == DNS_MAX)
		return;
	r->server[f][r->n[f]] = (struct resolver){ .a = a };
	if (f == V6 && addr_is_linklocal(&a))
		resolv_scope(&r->server[f][r->n[f]], s, nl);
	r->n[f]++;
}

/* Interfaces of these names may be others by now */
static void resolv_scopes(struct resolv *r, struct nl *nl)
{
	for (unsigned i = 0; i < r->n[V6]; i++)
		if (*r->server[V6][i].dev)
			r->server[V6][i].scope = index_of(r->server[V6][i].dev, nl);
}

/* Servers and search list in @l */
static void resolv_lines(const struct net *net, struct lines *l, struct nl *nl, struct resolv *r)
{
	char *s;

	memset(r, 0, sizeof(*r));
	r->search = net->cf->search;
	while ((s = lines_next(l))) {
		size_t len;

		s += strspn(s, " \t");
		len = strcspn(s, " \t");
		if (len == 10 && !memcmp(s, "nameserver", len))
			resolv_server(r, s + len + strspn(s + len, " \t"), nl);
		if (net->cf->search_given || len != 6 || (memcmp(s, "search", len) && memcmp(s, "domain", len)))
			continue;
		r->search.n = 0;			/* the last line counts; names that are no domains do not */
		conf_search_add(&r->search, s + len);
	}
}

static void resolv_read(struct net *net)
{
	static struct lines l;
	int rc = lines_open(&l, net_resolv_path);

	if (rc) {
		debug("Can't read %s: %s", net_resolv_path, errno_text(-rc));
		net->resolv = (struct resolv){ .search = net->cf->search };
		return;
	}
	resolv_lines(net, &l, NULL, &net->resolv);
}

/* ---- the guest's settings ---- */

/* One server for the guest. A server of the host's on loopback, or at map_loopback, is reached by --dns-forward or
 * map_loopback. A server of -D on loopback is the guest's own.
 */
static void dns_add(struct net_ip *ip, const struct conf_ip *want, const struct addr *server)
{
	bool mapped = (addr_is_loopback(server) && !want->dns_given) || addr_is(server, &ip->map_loopback);
	const struct addr *a = mapped ? &ip->dns_forward : server;

	if (addr_is_unspec(a)) {
		if (addr_is_unspec(&ip->map_loopback))
			return;
		ip->dns_forward = ip->map_loopback;
		if (addr_is_unspec(&ip->dns_host))
			ip->dns_host = *server;
	}
	for (unsigned i = 0; i < ip->guest.ndns; i++) {
		if (addr_eq(&ip->guest.dns[i], a))
			return;
	}
	ip->guest.dns[ip->guest.ndns++] = *a;
}

/* The resolver of a family: of options, or @host */
static struct resolver dns_first(const struct conf_ip *want, const struct resolver *host)
{
	if (!addr_is_unspec(&want->dns_host))
		return (struct resolver){ .a = want->dns_host };
	if (want->dns_given && want->ndns)
		return (struct resolver){ .a = want->dns[0] };
	return *host;
}

/* The target of --dns-forward. Without a resolver of the family, it is one of the other, and the guest is given the
 * forward address.
 */
static void dns_forward_to(struct net *net, enum family f, const struct resolv *r)
{
	struct resolver to = dns_first(&net->cf->ip[f], r->server[f]);
	enum family other = f == V4 ? V6 : V4;
	struct net_ip *ip = &net->ip[f];

	if (addr_is_unspec(&to.a)) {
		to = dns_first(&net->cf->ip[other], r->server[other]);
		if (addr_is_unspec(&to.a)) {
			info("%s: no resolver on the host for --dns-forward", family_name[f]);
			return;
		}
		if (!ip->guest.ndns && !net->cf->ip[f].dns_given)
			ip->guest.dns[ip->guest.ndns++] = ip->dns_forward;
	}
	ip->dns_host = to.a;
	ip->dns_scope = to.scope;
}

static void dns_to_add(struct net_ip *ip, const struct resolver *r)
{
	for (unsigned i = 0; i < ip->ndns_to; i++)
		if (addr_eq(&ip->dns_to[i].a, &r->a) && ip->dns_to[i].scope == r->scope)
			return;
	if (ip->ndns_to < ARRAY_SIZE(ip->dns_to) && !addr_is_unspec(&r->a))
		ip->dns_to[ip->ndns_to++] = *r;
}

/* --lan: guests are told of one server, the one that knows their names, too */
static void dns_lan(struct net_ip *ip)
{
	ip->guest.dns[0] = ip->dns_forward;
	ip->guest.ndns = 1;
}

/* The target of --dns-forward, and others to try: unless it is --dns-host, the servers of either family */
static void dns_to_fill(struct net *net, enum family f, const struct resolv *r)
{
	struct net_ip *ip = &net->ip[f];

	ip->ndns_to = 0;
	dns_to_add(ip, &(struct resolver){ .a = ip->dns_host, .scope = ip->dns_scope });
	if ((!ip->ndns_to && !ip->ndns_was) || !addr_is_unspec(&net->cf->ip[f].dns_host))
		return;
	for (unsigned n = 0; n < FAMILIES; n++) {
		enum family k = n ? (f == V4 ? V6 : V4) : f;
		const struct conf_ip *want = &net->cf->ip[k];

		for (unsigned i = 0; i < want->ndns && want->dns_given; i++)
			dns_to_add(ip, &(struct resolver){ .a = want->dns[i] });
		for (unsigned i = 0; i < r->n[k] && !want->dns_given; i++)
			dns_to_add(ip, &r->server[k][i]);
	}
}

static void dns_complete(struct net *net, enum family f, const struct resolv *r)
{
	const struct conf_ip *want = &net->cf->ip[f];
	unsigned n = want->dns_given ? want->ndns : r->n[f];
	bool lan = net->cf->lan.on && !want->dns_given;

	for (unsigned i = 0; i < n && !lan; i++)
		dns_add(&net->ip[f], want, want->dns_given ? &want->dns[i] : &r->server[f][i].a);
	if (!addr_is_unspec(&net->ip[f].dns_forward) && addr_is_unspec(&want->dns_host) &&
	    (net->cf->lan.on || !addr_is_unspec(&want->dns_forward)))
		dns_forward_to(net, f, r);
	if (lan)
		dns_lan(&net->ip[f]);
	dns_to_fill(net, f, r);
}

static void ip_complete(struct net *net, enum family f)
{
	struct net_ip *ip = &net->ip[f];
	struct guest_ip *g = &ip->guest;

	if (f == V4 && ip->local && addr_is_unspec(&g->addr))
		g->addr = local_addr4;
	/* Without -n: class A, B or C (RFC 791 2.3); RFC 4291 2.5.1 */
	if (!addr_is_unspec(&g->addr) && !g->plen)
		g->plen = f == V6 ? 64 : g->addr.b[12] < 128 ? 8 : g->addr.b[12] < 192 ? 16 : 24;
	if (addr_is_unspec(&ip->server))
		ip->server = ip->gw;
	if (f == V6)
		ip->our_ll = addr_is_linklocal(&ip->gw) ? ip->gw : default_ll;
	if (addr_is_unspec(&ip->map_loopback) && !net->cf->no_map_gw)
		ip->map_loopback = ip->gw;
}

/* --lan: its first addresses are ours, and ports 53 and 853 there are the resolver */
static void from_lan(struct net *net, const struct lan_conf *lan)
{
	net->ip[V6].on &= lan->v6;
	for (enum family f = V4; f < FAMILIES; f++) {
		struct net_ip *ip = &net->ip[f];

		if (!ip->on)
			continue;
		ip->gw = lan->net[f];
		ip->gw.b[15] |= 1;
		if (addr_is_unspec(&ip->dns_forward))
			ip->dns_forward = ip->gw;
	}
}

/* The options' values */
static void from_options(struct net *net, const struct conf *cf)
{
	*net = (struct net){ .cf = cf, .search = cf->search };
	for (enum family f = V4; f < FAMILIES; f++) {
		const struct addr none = addr_any(f);
		const struct conf_ip *want = &cf->ip[f];

		net->ip[f] = (struct net_ip){
			.on = !want->off, .gw = want->gw, .server = none, .our_ll = none,
			.map_loopback = want->map_loopback, .map_guest = want->map_guest,
			.dns_forward = want->dns_forward, .dns_host = want->dns_host,
			.guest = { .addr = want->addr, .plen = want->plen, .ll = none },
		};
	}
	if (cf->lan.on)
		from_lan(net, &cf->lan);
}

/* All that follows from the host's network and resolvers */
static void derive(struct net *net)
{
	net->search = net->resolv.search;
	for (enum family f = V4; f < FAMILIES; f++) {
		if (!net->ip[f].on)
			continue;
		ip_complete(net, f);
		dns_complete(net, f, &net->resolv);
	}
}

static void complete(struct net *net)
{
	const struct conf *cf = net->cf;

	if (cf->mtu && cf->mtu < 1280 && net->ip[V6].on) {		/* RFC 8200 5 */
		warn("MTU %u is less than the 1280 bytes IPv6 needs: IPv4 only (-m/--mtu)", cf->mtu);
		net->ip[V6].on = false;
	}
	resolv_read(net);
	derive(net);
	if (cf->dhcp_dns && !net->ip[V4].guest.ndns && !net->ip[V6].guest.ndns &&
	    !cf->ip[V4].dns_given && !cf->ip[V6].dns_given)
		info("No DNS server to tell the guest about");
}

void net_start(struct net *net, const struct conf *cf)
{
	from_options(net, cf);
	read_host(net);
	complete(net);
}

/* ---- changes while the program runs ---- */

#define OLD_LIFETIME	7200000		/* ms: RFC 4862 5.5.3 e, hosts keep a prefix for as long */

/* What the host doesn't have now stays as it was */
static void keep_family(struct net_ip *ip, const struct net_ip *old, const struct conf_ip *want)
{
	struct guest_ip now = ip->guest;
	bool gateway = ip->by_default || !old->ifindex;

	if (!ip->ifindex) {
		ip->ifindex = old->ifindex;
		ip->local = old->local;
		ip->had_default = old->had_default;
	}
	if (addr_is_unspec(&now.addr)) {
		ip->guest.addr = old->guest.addr;
		ip->guest.plen = old->guest.plen;
	}
	if (!gateway && addr_is_unspec(&want->gw))
		ip->gw = old->gw;
}

static bool prefix_eq(const struct addr *a, const struct addr *b)
{
	return !memcmp(a->b, b->b, 8);
}

/* Adds @a, in place of the one that ends first */
static void old_add(struct net_old *old, const struct addr *a, uint64_t until)
{
	struct net_old *to = old;

	for (struct net_old *o = old; o < old + OLD_MAX; o++) {
		if (o->until && addr_eq(&o->a, a))
			o->until = 0;
		if (o->until < to->until)
			to = o;
	}
	*to = (struct net_old){ *a, until };
}

/* It is there again */
static void old_remove(struct net_old *old, const struct addr *a)
{
	for (unsigned i = 0; i < OLD_MAX; i++) {
		if (addr_eq(&old[i].a, a))
			old[i].until = 0;
	}
}

static bool search_has(const struct search *l, const char *name)
{
	bool has = false;

	for (unsigned i = 0; i < l->n && !has; i++)
		has = !strcmp(l->name[i], name);
	return has;
}

static void remember_search(struct net *net, const struct search *was, uint64_t now)
{
	for (unsigned i = 0; i < was->n; i++) {
		struct net_old_name *to = net->domain;

		if (search_has(&net->search, was->name[i]))
			continue;
		for (struct net_old_name *o = net->domain; o < net->domain + OLD_MAX; o++)
			if (to->until && (o->until < to->until || !strcmp(o->name, was->name[i])))
				to = o;
		memcpy(to->name, was->name[i], sizeof(to->name));
		to->until = now + OLD_LIFETIME;
	}
	for (unsigned i = 0; i < OLD_MAX; i++)
		if (search_has(&net->search, net->domain[i].name))
			net->domain[i].until = 0;
}

/* A prefix, servers and a router that guests had from us, and that are gone; and the other way round */
static void remember_old(struct net *net, const struct net_ip *was, uint64_t now)
{
	const struct guest_ip *g = &net->ip[V6].guest, *old = &was->guest;

	if (net->cf->lan.on)
		return;
	if (!addr_is_unspec(&old->addr) && !prefix_eq(&old->addr, &g->addr))
		old_add(net->prefix, &old->addr, now + OLD_LIFETIME);
	for (unsigned i = 0; i < OLD_MAX; i++) {
		if (prefix_eq(&net->prefix[i].a, &g->addr))
			net->prefix[i].until = 0;
	}
	for (unsigned i = 0; i < old->ndns; i++)
		old_add(net->rdnss, &old->dns[i], now + OLD_LIFETIME);
	for (unsigned i = 0; i < g->ndns; i++)
		old_remove(net->rdnss, &g->dns[i]);
	if (!addr_is_unspec(&was->our_ll))
		old_add(net->router, &was->our_ll, now + OLD_LIFETIME);
	old_remove(net->router, &net->ip[V6].our_ll);
}

/* What guests see, or flows use, of a family */
static bool ip_eq(const struct net_ip *a, const struct net_ip *b)
{
	return a->ifindex == b->ifindex && a->local == b->local && a->lost == b->lost && addr_eq(&a->gw, &b->gw) &&
	       addr_eq(&a->dns_forward, &b->dns_forward) && addr_eq(&a->dns_host, &b->dns_host) &&
	       a->dns_scope == b->dns_scope && a->ndns_to == b->ndns_to &&
	       !memcmp(a->dns_to, b->dns_to, a->ndns_to * sizeof(*a->dns_to)) &&
	       addr_eq(&a->guest.addr, &b->guest.addr) && a->guest.plen == b->guest.plen &&
	       a->guest.ndns == b->guest.ndns &&
	       !memcmp(a->guest.dns, b->guest.dns, a->guest.ndns * sizeof(*a->guest.dns));
}

static bool search_eq(const struct search *a, const struct search *b)
{
	bool eq = a->n == b->n;

	for (unsigned i = 0; i < a->n && eq; i++)
		eq = !strcmp(a->name[i], b->name[i]);
	return eq;
}

bool net_resolver_on(const struct net *net, const char *dev)
{
	const struct resolv *r = &net->resolv;
	bool on = false;

	for (unsigned i = 0; i < r->n[V6] && !on; i++)
		on = *r->server[V6][i].dev && (!dev || !strcmp(dev, r->server[V6][i].dev));
	return on;
}

bool net_follows_names(const struct net *net)
{
	const struct conf_ip *ip = net->cf->ip;
	bool given = true;

	for (enum family f = V4; f < FAMILIES; f++)
		given &= !net->ip[f].on || ip[f].dns_given || !addr_is_unspec(&ip[f].dns_host);
	return !given || !net->cf->search_given;
}

static bool resolvers_eq(const struct resolv *a, const struct resolv *b)
{
	bool eq = true;

	for (enum family f = V4; f < FAMILIES; f++) {
		eq &= a->n[f] == b->n[f];
		for (unsigned i = 0; i < a->n[f] && eq; i++)
			eq = addr_eq(&a->server[f][i].a, &b->server[f][i].a) &&
			     a->server[f][i].scope == b->server[f][i].scope;
	}
	return eq;
}

bool net_names(struct net *net, struct nl *nl, const char *text, size_t len)
{
	static struct resolv r;
	static struct lines l;

	lines_of(&l, text, len);
	resolv_lines(net, &l, nl, &r);
	if ((!r.n[V4] && !r.n[V6]) ||
	    (resolvers_eq(&r, &net->resolv) && search_eq(&r.search, &net->resolv.search)))
		return false;
	net->resolv = r;
	return true;
}

/* An address that is deprecated, or not usable yet, is a reason to wait, too */
static bool family_there(const struct net *net, struct nl *nl, enum family f, unsigned was)
{
	const struct net_ip *ip = &net->ip[f];
	bool given = !addr_is_unspec(&net->cf->ip[f].addr);

	return given || (ip->on && ip->ifindex && !addr_is_unspec(&ip->guest.addr)) ||
	       (ip->on && was && nl_addr_any(nl, f == V6, was));
}

/* Guests may have the former address for their resolver until they renew their lease, or for longer */
static void keep_forward(struct net_ip *ip, const struct net_ip *old, const struct conf_ip *want)
{
	memcpy(ip->dns_was, old->dns_was, sizeof(ip->dns_was));
	ip->ndns_was = old->ndns_was;
	if (addr_is_unspec(&old->dns_forward) || !addr_is_unspec(&want->dns_forward) ||
	    net_is_dns_forward(ip, &old->dns_forward))
		return;
	if (ip->ndns_was == DNS_MAX)
		memmove(ip->dns_was, ip->dns_was + 1, --ip->ndns_was * sizeof(*ip->dns_was));
	ip->dns_was[ip->ndns_was++] = old->dns_forward;
}

/* The resolver that answered last */
static void keep_resolver(struct net_ip *ip, const struct net_ip *old)
{
	if (ip->ndns_to != old->ndns_to || memcmp(ip->dns_to, old->dns_to, ip->ndns_to * sizeof(*ip->dns_to)))
		return;
	ip->dns_first = old->dns_first;
	ip->dns_until = old->dns_until;
}

unsigned net_again(struct net *net, struct nl *nl, uint64_t now, bool settled)
{
	static struct net next;
	bool there[FAMILIES];
	unsigned changed = 0;

	from_options(&next, net->cf);
	for (enum family f = V4; f < FAMILIES; f++) {
		next.ip[f].on = net->ip[f].on;
		next.ip[f].guest.ll = net->ip[f].guest.ll;
		next.ip[f].server = net->ip[f].server;
		if (next.ip[f].on)
			read_family(&next, nl, f, &net->ip[f]);
		there[f] = family_there(&next, nl, f, net->ip[f].ifindex);
		keep_family(&next.ip[f], &net->ip[f], &net->cf->ip[f]);
		keep_forward(&next.ip[f], &net->ip[f], &net->cf->ip[f]);
	}
	for (enum family f = V4; f < FAMILIES; f++) {
		bool was = net->ip[f].ifindex, other = there[f == V4 ? V6 : V4];

		next.ip[f].lost = !there[f] && (net->ip[f].lost || (was && settled && other));
	}
	next.resolv = net->resolv;
	resolv_scopes(&next.resolv, nl);
	next.changes = net->changes;
	memcpy(next.prefix, net->prefix, sizeof(next.prefix));
	memcpy(next.rdnss, net->rdnss, sizeof(next.rdnss));
	memcpy(next.router, net->router, sizeof(next.router));
	memcpy(next.domain, net->domain, sizeof(next.domain));
	derive(&next);
	for (enum family f = V4; f < FAMILIES; f++) {
		keep_resolver(&next.ip[f], &net->ip[f]);
		if (!ip_eq(&next.ip[f], &net->ip[f]))
			changed |= 1U << f;
	}
	if (!search_eq(&next.search, &net->search))
		changed |= 1U << V4 | 1U << V6;
	if (!changed) {				/* what is there, and what is waited for */
		memcpy(net->ip, next.ip, sizeof(net->ip));
		return 0;
	}
	remember_old(&next, &net->ip[V6], now);
	remember_search(&next, &net->search, now);
	next.changes++;
	*net = next;
	return changed;
}

void net_set_guest_ll(struct net *net, const struct addr *ll)
{
	net->ip[V6].guest.ll = *ll;
}

void net_switch_off(struct net *net, enum family f)
{
	net->ip[f].on = false;
}
