/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_net.c - what follows from the command line and the host's network: defaults, resolvers, users
 *
 * Resolvers. The guest is told of servers it can reach. A server on the host's loopback, or at the gateway's address,
 * which leads to the host's loopback, can't be reached as it is: the guest gets the address that leads to loopback
 * instead, and DNS queries to that address go to the very server: the same translation as that of --dns-forward,
 * which is used if it was given, and then works without any address for loopback.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "log.h"

#define LINE_LEN	1024

static const char *resolv_path = "/etc/resolv.conf", *passwd_path = "/etc/passwd", *group_path = "/etc/group";

static const char *const family_name[FAMILIES] = { "IPv4", "IPv6" };

/* A text file, line by line; what is beyond LINE_LEN in a line is left out */
struct lines {
	int	fd;
	size_t	at, len;
	char	buf[4096];
	char	line[LINE_LEN];
};

static int lines_open(struct lines *l, const char *path)
{
	l->at = l->len = 0;
	l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return l->fd < 0 ? -errno : 0;
}

/* Next line, without its end, or NULL at the end of the file, which is closed */
static char *lines_next(struct lines *l)
{
	size_t n = 0;

	for (;;) {
		if (l->at == l->len) {
			ssize_t got = read(l->fd, l->buf, sizeof(l->buf));

			if (got <= 0)
				break;
			l->at = 0;
			l->len = (size_t)got;
		}
		if (l->buf[l->at] == '\n') {
			l->at++;
			l->line[n] = '\0';
			return l->line;
		}
		if (n < LINE_LEN - 1)
			l->line[n++] = l->buf[l->at];
		l->at++;
	}
	if (n) {
		l->line[n] = '\0';
		return l->line;
	}
	close(l->fd);
	return NULL;
}

/* Field @n of a line of passwd(5) or group(5), with its length */
static const char *field(const char *s, unsigned n, size_t *len)
{
	while (n-- && *(s += strcspn(s, ":")))
		s++;
	*len = strcspn(s, ":");
	return s;
}

static bool field_num(const char *line, unsigned n, uint64_t *v)
{
	size_t len;
	const char *s = field(line, n, &len);

	return parse_num(s, len, UINT32_MAX - 1, v);
}

/* Entry of passwd(5) or group(5) by name, or by number if @name is NULL: its ID, and from passwd, the group's */
static bool find_entry(const char *path, const char *name, size_t name_len, uint64_t *id, uint64_t *gid)
{
	static struct lines l;
	bool found = false;
	const char *s;

	if (lines_open(&l, path))
		return false;
	while ((s = lines_next(&l))) {
		uint64_t v;

		if (found || !field_num(s, 2, &v))
			continue;
		if (name ? strcspn(s, ":") != name_len || strncmp(s, name, name_len) : v != *id)
			continue;
		if (gid && !field_num(s, 3, gid))
			continue;
		*id = v;
		found = true;
	}
	return found;
}

void conf_runas(struct conf *c, const char *spec)
{
	size_t len = strcspn(spec, ":");
	const char *group = spec[len] ? spec + len + 1 : NULL;
	uint64_t uid, gid;

	if (parse_num_c(spec, len, 0, UINT32_MAX - 1, &uid)) {
		if (!group && !find_entry(passwd_path, NULL, 0, &uid, &gid))
			gid = uid;
	} else if (!len || !find_entry(passwd_path, spec, len, &uid, &gid)) {
		die("Invalid value \"%.256s\" for --runas: no such user", spec);
	}
	if (group && !parse_num_c(group, strlen(group), 0, UINT32_MAX - 1, &gid) &&
	    (!*group || !find_entry(group_path, group, strlen(group), &gid, NULL)))
		die("Invalid value \"%.256s\" for --runas: no such group", spec);

	c->uid = (uid_t)uid;
	c->gid = (gid_t)gid;
	c->runas = true;
}

bool conf_domain_ok(const char *s, size_t len)
{
	size_t label = 0;

	if (len && s[len - 1] == '.')
		len--;
	if (!len || len > DOMAIN_MAX - 3)		/* RFC 1035 2.3.4: 255 bytes with first length and root */
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char ch = (unsigned char)s[i];

		if (ch == '.' ? !label : ch <= ' ' || ch >= 0x7f || strchr("\"\\/,;:@()[]<>", ch))
			return false;
		label = ch == '.' ? 0 : label + 1;
		if (label > 63)
			return false;
	}
	return label;
}

bool conf_search_add(struct conf *c, const char *s, size_t len)
{
	if (c->nsearch == SEARCH_MAX)
		return false;
	memcpy(c->search[c->nsearch], s, len);
	c->search[c->nsearch++][len] = '\0';
	return true;
}

/* Servers and search list of the host, in its order (resolv.conf(5)) */
struct resolv {
	struct addr	dns[FAMILIES][DNS_MAX];
	unsigned	scope[FAMILIES][DNS_MAX];	/* interface of a link-local one, 0: not given */
	unsigned	ndns[FAMILIES];
};

/* Interface in "fe80::1%eth0", by name or index (RFC 4007 11); 0 if there is none */
static unsigned resolv_scope(const char *s)
{
	char name[IFNAMSIZ];
	uint64_t index;
	size_t len;

	s += strcspn(s, " \t%");
	if (*s != '%')
		return 0;
	len = strcspn(++s, " \t");
	if (parse_num(s, len, INT32_MAX, &index))
		return (unsigned)index;
	if (len >= sizeof(name))
		return 0;
	memcpy(name, s, len);
	name[len] = '\0';
	return if_nametoindex(name);
}

static void resolv_server(struct resolv *r, const char *s)
{
	enum family f;
	struct addr a;

	if (!addr_parse(s, strcspn(s, " \t%"), &a) || addr_is_multicast(&a) || addr_is_bcast(&a))
		return;
	if (addr_is_unspec(&a))				/* resolv.conf(5): the local machine */
		a = addr_is_v4(&a) ? addr_loopback4 : addr_loopback6;
	f = addr_family(&a);
	if (r->ndns[f] < DNS_MAX) {
		r->scope[f][r->ndns[f]] = f == V6 && addr_is_linklocal(&a) ? resolv_scope(s) : 0;
		r->dns[f][r->ndns[f]++] = a;
	}
}

/* The last "search" or "domain" line counts. Domains that don't fit are left out, as are names that can't be one. */
static void resolv_search(struct conf *c, const char *s)
{
	c->nsearch = 0;
	while (*(s += strspn(s, " \t"))) {
		size_t len = strcspn(s, " \t");

		if (conf_domain_ok(s, len))
			conf_search_add(c, s, len);
		s += len;
	}
}

static void resolv_read(struct conf *c, struct resolv *r)
{
	static struct lines l;
	char *s;
	int rc;

	memset(r, 0, sizeof(*r));
	rc = lines_open(&l, resolv_path);
	if (rc) {
		debug("Can't read %s: %s", resolv_path, errno_text(-rc));
		return;
	}
	while ((s = lines_next(&l))) {
		size_t len;

		s += strspn(s, " \t");
		len = strcspn(s, " \t");
		if (len == 10 && !memcmp(s, "nameserver", len))
			resolv_server(r, s + len + strspn(s + len, " \t"));
		else if (!c->search_given && len == 6 && (!memcmp(s, "search", len) || !memcmp(s, "domain", len)))
			resolv_search(c, s + len);
	}
}

/* One server for the guest. A server of the host's on loopback, or at the address that leads to loopback, goes by way of
 * --dns-forward or of that address. One of -D on loopback is the guest's own.
 */
static void dns_add(struct conf_ip *ip, const struct addr *server, bool forward_given)
{
	bool mapped = (addr_is_loopback(server) && !ip->dns_given) ||
		      (!addr_is_unspec(&ip->map_loopback) && addr_eq(server, &ip->map_loopback));
	struct addr a = *server;

	if (mapped) {
		if (!forward_given && addr_is_unspec(&ip->dns_forward)) {
			if (addr_is_unspec(&ip->map_loopback))
				return;
			ip->dns_forward = ip->map_loopback;
			if (addr_is_unspec(&ip->dns_host))
				ip->dns_host = *server;
		}
		a = ip->dns_forward;
	}
	for (unsigned i = 0; i < ip->ndns; i++) {
		if (addr_eq(&ip->dns[i], &a))
			return;
	}
	ip->dns[ip->ndns++] = a;
}

/* The resolver of a family as the host reaches it, of options or of the host's configuration */
struct resolver {
	struct addr	a;			/* unspecified: there is none */
	unsigned	scope;
};

static struct resolver dns_first(const struct conf *c, enum family f, const struct resolv *r)
{
	const struct conf_ip *ip = &c->ip[f];

	if (!addr_is_unspec(&ip->dns_host))
		return (struct resolver){ ip->dns_host, 0 };
	if (ip->dns_given && ip->ndns)
		return (struct resolver){ ip->dns[0], 0 };
	return (struct resolver){ r->dns[f][0], r->scope[f][0] };
}

/* Where --dns-forward leads. Without a resolver of the family, to one of the other family, that the host can reach whichever the
 * guest has; and it is what the guest is told of.
 */
static void dns_forward_to(struct conf *c, enum family f, const struct resolver first[FAMILIES])
{
	struct conf_ip *ip = &c->ip[f];
	const struct resolver *to = &first[f];

	if (addr_is_unspec(&to->a)) {
		to = &first[f == V4 ? V6 : V4];
		if (addr_is_unspec(&to->a)) {
			info("%s: no resolver on the host for --dns-forward", family_name[f]);
			return;
		}
		if (!ip->ndns && !ip->dns_given)
			ip->dns[ip->ndns++] = ip->dns_forward;
	}
	ip->dns_host = to->a;
	ip->dns_scope = to->scope;
}

static void dns_complete(struct conf *c, enum family f, const struct resolv *r, const struct resolver first[FAMILIES])
{
	struct conf_ip *ip = &c->ip[f];
	const struct addr *list = ip->dns_given ? ip->dns : r->dns[f];
	unsigned n = ip->dns_given ? ip->ndns : r->ndns[f];
	bool forward_given = !addr_is_unspec(&ip->dns_forward);
	struct addr server[DNS_MAX];

	memcpy(server, list, n * sizeof(server[0]));
	ip->ndns = 0;
	for (unsigned i = 0; i < n; i++)
		dns_add(ip, &server[i], forward_given);

	if (forward_given && addr_is_unspec(&ip->dns_host))
		dns_forward_to(c, f, first);
}

/* Without -n: class A, B or C (RFC 791 2.3) for an address from the command line; /64 for IPv6 (RFC 4291 2.5.1) */
static uint8_t plen_default(const struct addr *a)
{
	uint8_t b = a->b[12];

	if (!addr_is_v4(a))
		return 64;
	return b < 128 ? 8 : b < 192 ? 16 : 24;
}

/* Where the host has no IPv4 network: link-local, so that it hides no real address. IPv6 does without a global one. */
static const struct addr local_addr4 = { .b = { [10] = 0xff, 0xff, 169, 254, 2, 1 } };
static const struct addr default_ll = { .b = { 0xfe, 0x80, [15] = 1 } };

static void ip_complete(struct conf *c, enum family f)
{
	struct conf_ip *ip = &c->ip[f];

	if (f == V4 && ip->local && addr_is_unspec(&ip->addr)) {
		ip->addr = local_addr4;
		if (!ip->plen_given)
			ip->plen = 16;
	}
	if (!addr_is_unspec(&ip->addr) && !ip->plen)
		ip->plen = plen_default(&ip->addr);
	if (f == V6 && addr_is_unspec(&ip->our_ll))
		ip->our_ll = addr_is_linklocal(&ip->gw) ? ip->gw : default_ll;

	if (ip->no_map_loopback)
		ip->map_loopback = f == V4 ? addr_any4 : addr_any6;
	else if (addr_is_unspec(&ip->map_loopback) && !c->no_map_gw)
		ip->map_loopback = ip->gw;
	ip->no_map_loopback = addr_is_unspec(&ip->map_loopback);
	if (ip->no_map_guest)
		ip->map_guest = f == V4 ? addr_any4 : addr_any6;
	ip->no_map_guest = addr_is_unspec(&ip->map_guest);
}

void conf_complete(struct conf *c)
{
	struct resolver first[FAMILIES];
	static struct resolv r;

	if (c->mtu && c->mtu < 1280 && c->ip[V6].on) {		/* RFC 8200 5 */
		warn("MTU %u is less than the 1280 bytes IPv6 needs: IPv4 only", c->mtu);
		c->ip[V6].on = false;
	}

	resolv_read(c, &r);
	for (enum family f = V4; f < FAMILIES; f++)
		first[f] = dns_first(c, f, &r);
	for (enum family f = V4; f < FAMILIES; f++) {
		struct conf_ip *ip = &c->ip[f];

		if (!ip->on) {
			ip->ndns = 0;
			continue;
		}
		ip_complete(c, f);
		dns_complete(c, f, &r, first);
	}
	if (c->dhcp_dns && !c->ip[V4].ndns && !c->ip[V6].ndns && !c->ip[V4].dns_given && !c->ip[V6].dns_given)
		info("No DNS server to tell the guest about");
}

static void print_addr(const char *label, const struct addr *a)
{
	char buf[ADDR_STRLEN];

	if (!addr_is_unspec(a))
		info("    %s%s", label, addr_fmt(a, buf));
}

static void print_names(const struct conf *c, const struct conf_ip *ip)
{
	if (ip->ndns)
		info("DNS:");
	for (unsigned i = 0; i < ip->ndns; i++)
		print_addr("", &ip->dns[i]);
	if (ip->ndns && c->nsearch)
		info("DNS search list:");
	for (unsigned i = 0; ip->ndns && i < c->nsearch; i++)
		info("    %s", c->search[i]);
}

static void print4(const struct conf *c, const struct conf_ip *ip)
{
	struct addr mask = addr_from4(addr_mask4(ip->plen));

	if (!c->no_dhcp && !addr_is_unspec(&ip->addr)) {
		info("DHCP:");
		print_addr("assign: ", &ip->addr);
		print_addr("mask: ", &mask);
		print_addr("router: ", &ip->gw);
	}
	print_names(c, ip);
}

static void print6(const struct conf *c, const struct conf_ip *ip)
{
	if (!c->no_ndp || !c->no_dhcpv6) {
		info(c->no_dhcpv6 ? "NDP:" : c->no_ndp ? "DHCPv6:" : "NDP/DHCPv6:");
		print_addr("assign: ", &ip->addr);
		print_addr("router: ", &ip->gw);
		print_addr("our link-local: ", &ip->our_ll);
	}
	print_names(c, ip);
}

/* What both families have a value for, or one of them: "TITLE: eth0 (IPv4), wlan0 (IPv6)" */
static void print_interfaces(const char *title, char name[FAMILIES][IFNAMSIZ])
{
	const char *v4 = name[V4][0] ? " (IPv4)" : "", *v6 = name[V6][0] ? " (IPv6)" : "";

	if (*v4 || *v6)
		info("%s: %s%s%s%s%s", title, name[V4], v4, *v4 && *v6 ? ", " : "", name[V6], v6);
}

static void print_host_side(const struct conf *c)
{
	char template[FAMILIES][IFNAMSIZ] = { "", "" }, out[FAMILIES][IFNAMSIZ] = { "", "" }, a[ADDR_STRLEN];

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct conf_ip *ip = &c->ip[f];

		if (ip->on && ip->ifindex && !if_indextoname(ip->ifindex, template[f]))
			template[f][0] = '\0';
		if (ip->on)
			memcpy(out[f], ip->out_if, IFNAMSIZ);
	}
	print_interfaces("Template interface", template);
	print_interfaces("Outbound interface", out);
	for (enum family f = V4; f < FAMILIES; f++) {
		if (c->ip[f].on && !addr_is_unspec(&c->ip[f].out_addr))
			info("Outbound %s address: %s", family_name[f], addr_fmt(&c->ip[f].out_addr, a));
	}
}

/* Addresses of the guest's side that lead to the host, or to a resolver */
static void print_mapped(const struct conf_ip *ip, enum family f)
{
	char a[ADDR_STRLEN], b[ADDR_STRLEN];

	if (!ip->no_map_loopback)
		info("    NAT to host %s: %s", f == V4 ? "127.0.0.1" : "::1", addr_fmt(&ip->map_loopback, a));
	if (!ip->no_map_guest)
		info("    NAT to host %s: %s", addr_fmt(&ip->addr, b), addr_fmt(&ip->map_guest, a));
	if (!addr_is_unspec(&ip->dns_forward) && !addr_is_unspec(&ip->dns_host))
		info("    DNS queries to %s go to %s", addr_fmt(&ip->dns_forward, a), addr_fmt(&ip->dns_host, b));
}

static void print_guest_side(const struct conf *c)
{
	char mac[MAC_STRLEN];

	if (c->ns_ifname[0])
		info("Namespace interface: %s", c->ns_ifname);
	info("MAC:");
	info("    host: %s", mac_fmt(&c->our_mac, mac));
	for (enum family f = V4; f < FAMILIES; f++) {
		if (c->ip[f].on)
			print_mapped(&c->ip[f], f);
	}
	for (enum family f = V4; f < FAMILIES; f++) {
		if (c->ip[f].on && c->ip[f].local)
			info("%s: no network on the host, local mode: link-local addresses only", family_name[f]);
		if (c->ip[f].on && f == V4)
			print4(c, &c->ip[f]);
		else if (c->ip[f].on)
			print6(c, &c->ip[f]);
	}
}

static void print_rules(const struct rules *t, const char *title, bool outward)
{
	char buf[RULE_SHOW_STRLEN];

	info("%s", title);
	for (const struct rule *r = t->rule; r < t->rule + t->n; r++) {
		if (r->outward == outward)
			info("    %s", conf_rule_show(r, buf));
	}
}

void conf_print(const struct conf *c)
{
	if (!log_enabled(LOG_INFO))
		return;
	if (c->control[0])
		info("Configuration socket: %s", c->control);
	if (c->splice_only) {
		info("No link: forwarding between loopback interfaces only");
	} else {
		print_host_side(c);
		print_guest_side(c);
	}
	print_rules(&c->rules, "Inbound forwarding rules (HOST):", false);
	if (c->mode == MODE_PASTA)
		print_rules(&c->rules, "Outbound forwarding rules (SPLICE):", true);
	if (c->pcap[0])
		info("Saving packet capture to %s", c->pcap);
	if (!c->socket[0])
		return;
	info("You can now start qemu (>= 7.2):");
	info("    qemu ... -device virtio-net-pci,netdev=s -netdev stream,id=s,server=off,addr.type=unix,addr.path=%s",
	     c->socket);
	info("or, before qemu 7.2:");
	info("    qrap 5 qemu ... -device virtio-net-pci,netdev=s -netdev socket,fd=5,id=s");
}
