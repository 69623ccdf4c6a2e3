/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.c - command line: a table with a row for each option
 *
 * An error is one line with option, value and reason, and status 1. An option given again replaces its value or adds to
 * its list; "none" empties a list. Conditions on several options are checked at the end: order doesn't matter.
 */

#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "log.h"
#include "opt.h"
#include "policy.h"
#include "unix.h"

#define MTU_DEFAULT	65520		/* largest multiple of 4, so that IPv4 header and payload stay aligned */
#define MTU_MAX		65521		/* limit of a tap device: 65535 less an Ethernet header */
#define MTU_MIN4	68		/* RFC 791 3.2 */
#define MTU_MIN6	1280		/* RFC 8200 5 */
#define LOG_SIZE	(1024 * 1024)
#define LOG_SIZE_MIN	(40 * 1024)
#define NETNS_DIR	"/run/netns/"	/* where ip-netns(8) keeps names */

static const char *passwd_path = "/etc/passwd", *group_path = "/etc/group";

static const struct mac mac_default = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } };

struct parse {
	struct conf	*c;
	const struct opt *o;		/* row of the option being parsed, and its argument */
	const char	*val;
	bool		ports_given[4];	/* -t, -u, -T, -U */
	bool		dns_none;	/* the last -D is "none" */
	uint8_t		netmask;	/* -n, unless a prefix length of -a came after it; or 0 */
};

#define PASTA	(1 << MODE_PASTA)
#define PASST	(1 << MODE_PASST)
#define BOTH	(PASTA | PASST)

#define CONF(m)	offsetof(struct conf, m)
#define IP(m)	offsetof(struct conf_ip, m)

static _Noreturn void bad(const struct parse *p, const char *why)
{
	die("Invalid value \"%.256s\" for %s: %s", p->val, opt_text(p->o), why);
}

/* A full list is no error */
static void left_out(const struct parse *p, const char *why)
{
	warn("\"%.256s\" is left out of %s: %s", p->val, opt_text(p->o), why);
}

/* Member at @off of a flag or single value */
static void *member(const struct parse *p)
{
	return (char *)p->c + p->o->off;
}

static void p_ignore(struct parse *p)
{
	(void)p;
}

static void p_set(struct parse *p)
{
	*(bool *)member(p) = true;
}

static void p_clear(struct parse *p)
{
	*(bool *)member(p) = false;
}

/* -q, -d, --trace: @off is the level; --trace outdoes -d */
static void p_level(struct parse *p)
{
	int level = (int)p->o->off;

	p->c->log_level = level < LOG_INFO ? level : MAX(level, p->c->log_level);
}

/* -4, -6: @off is the family to keep */
static void p_only(struct parse *p)
{
	for (enum family f = V4; f < FAMILIES; f++)
		p->c->ip[f].off = f != p->o->off;
}

static void check_arg(const struct parse *p, size_t size)
{
	if (!*p->val)
		bad(p, "empty");
	if (strlen(p->val) >= size)
		bad(p, "too long");
}

static void p_path(struct parse *p)
{
	check_arg(p, PATH_MAX);
	*(const char **)member(p) = p->val;
}

/* The last of --userns and --netns-only counts */
static void p_userns(struct parse *p)
{
	p_path(p);
	p->c->netns_only = false;
}

static void p_netns_only(struct parse *p)
{
	p->c->netns_only = true;
	p->c->userns = NULL;
}

static void p_ifname(struct parse *p)
{
	bool dots = !strcmp(p->val, ".") || !strcmp(p->val, "..");

	if (strlen(p->val) >= IFNAMSIZ)
		bad(p, "interface name of more than 15 bytes");
	for (const char *s = p->val; *s; s++) {
		/* '%': the kernel completes "tun%d", and refuses any other */
		if (dots || *s <= ' ' || *s == 0x7f || strchr("/:%", *s))
			bad(p, "not an interface name");
	}
	check_arg(p, IFNAMSIZ);
	strcpy(member(p), p->val);
}

static void p_mac(struct parse *p)
{
	struct mac m;

	if (!mac_parse(p->val, &m))
		bad(p, "not a MAC address");
	if (mac_is_zero(&m) || m.b[0] & 1)
		bad(p, "not a unicast MAC address");
	*(struct mac *)member(p) = m;
}

/* Number from @min to @max in C's notation; otherwise bad(), with @why */
static uint64_t number(const struct parse *p, uint64_t min, uint64_t max, const char *why)
{
	uint64_t v;

	if (!parse_num_c(p->val, strlen(p->val), 0, max, &v) || v < min)
		bad(p, why);
	return v;
}

static void p_stats(struct parse *p)
{
	p->c->stats_interval = (unsigned)number(p, 0, INT_MAX / 1000, "seconds expected");
}

static void p_busy_poll(struct parse *p)
{
	p->c->busy_poll = (unsigned)number(p, 0, 1000000, "microseconds expected, at most a million");
}

static void p_log_size(struct parse *p)
{
	p->c->log_size = number(p, LOG_SIZE_MIN, INT64_MAX, "bytes expected, at least 40960");
}

static void p_socket(struct parse *p)
{
	if (strlen(p->val) >= UNIX_PATH)
		bad(p, "longer than the 107 bytes that the path of a socket may have");
	p_path(p);
}

static void p_repair(struct parse *p)
{
	if (strcmp(p->val, "none") != 0)
		p_socket(p);
	else
		p->c->repair = p->val;
}

/* vhost-user.json's VHostUserBackendCapabilities, in QEMU's docs/interop; all that follows is ignored (vhost-user.rst,
 * Backend program conventions)
 */
static void p_capabilities(struct parse *p)
{
	(void)p;
	puts("{\n  \"type\": \"net\"\n}");
	output_check();
	exit(EXIT_SUCCESS);
}

/* The guest's link: the last of -s and -F counts */
static void p_link_socket(struct parse *p)
{
	p_socket(p);
	p->c->link_fd = -1;
	p->c->nlink_fds = 0;
}

/* With several guests, all count */
static void p_fd(struct parse *p)
{
	struct conf *c = p->c;

	c->link_fd = (int)number(p, 0, INT_MAX, "descriptor number expected");
	c->socket = NULL;
	memmove(c->link_fds + 1, c->link_fds, (GUEST_MAX - 1) * sizeof(*c->link_fds));
	c->link_fds[0] = c->link_fd;
	c->nlink_fds++;
}

static void p_guests(struct parse *p)
{
	static const char why[] = "a number from 1 to 64 expected";

	p->c->guests = (unsigned)number(p, 1, GUEST_SEATS, why);
}

static void p_lan(struct parse *p)
{
	const char *why = conf_lan(&p->c->lan, p->val);

	if (why)
		bad(p, why);
}

static void p_lease(struct parse *p)
{
	const char *why = conf_lease(&p->c->lan, p->val);

	if (why)
		bad(p, why);
}

static void p_mtu(struct parse *p)
{
	p->c->mtu = (uint32_t)number(p, 0, MTU_MAX, "bytes expected, from 68 to 65521, or 0 to not assign any");
	if (p->c->mtu && p->c->mtu < MTU_MIN4)
		bad(p, "less than 68, the least that IPv4 needs");
}

static void p_netns(struct parse *p)
{
	static char named[sizeof(NETNS_DIR) + NAME_MAX];

	if (!strcmp(p->val, ".") || !strcmp(p->val, ".."))
		bad(p, "not a name");
	check_arg(p, strchr(p->val, '/') ? PATH_MAX : NAME_MAX + 1);
	snprintf(named, sizeof(named), NETNS_DIR "%.*s", NAME_MAX, p->val);
	p->c->netns = strchr(p->val, '/') ? p->val : named;
}

/* Number in the next field of a line of passwd(5) or group(5) */
static bool next_id(char **s, uint64_t *v)
{
	const char *field = strsep(s, ":");

	return field && parse_num(field, strlen(field), UINT32_MAX - 1, v);
}

/* Entry of passwd(5) or group(5) by name, or by number if @name is NULL: its ID, and the group's in passwd(5) */
static bool find_entry(const char *path, const char *name, size_t len, uint64_t *id, uint64_t *gid)
{
	static struct lines l;
	bool found = false;
	char *s;

	if (lines_open(&l, path))
		return false;
	while ((s = lines_next(&l))) {
		const char *entry = strsep(&s, ":");
		uint64_t v;

		strsep(&s, ":");				/* password */
		if (found || !next_id(&s, &v) ||
		    (name ? strlen(entry) != len || strncmp(entry, name, len) : v != *id) || (gid && !next_id(&s, gid)))
			continue;
		*id = v;
		found = true;
	}
	return found;
}

static void p_runas(struct parse *p)
{
	const char *s = p->val, *group = strchr(s, ':');
	size_t len = group ? (size_t)(group++ - s) : strlen(s);
	uint64_t uid, gid;

	if (parse_num_c(s, len, 0, UINT32_MAX - 1, &uid)) {
		if (!group && !find_entry(passwd_path, NULL, 0, &uid, &gid))
			gid = uid;
	} else if (!len || !find_entry(passwd_path, s, len, &uid, &gid)) {
		bad(p, "no such user");
	}
	if (group && !parse_num_c(group, strlen(group), 0, UINT32_MAX - 1, &gid) &&
	    (!*group || !find_entry(group_path, group, strlen(group), &gid, NULL)))
		bad(p, "no such group");
	p->c->uid = (uid_t)uid;
	p->c->gid = (gid_t)gid;
	p->c->runas = true;
}

/* Domain name (RFC 1035 2.3.4)? */
static bool domain_ok(const char *s, size_t len)
{
	size_t label = 0;

	if (len && s[len - 1] == '.')
		len--;
	if (!len || len > DOMAIN_MAX - 3)		/* 255 bytes with first length and root */
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

static const char search_full[] = "more than 8 domains";

const char *conf_search_add(struct search *l, const char *s)
{
	const char *why = NULL;

	while (*(s += strspn(s, " \t"))) {
		size_t len = strcspn(s, " \t");
		bool root = len == 1 && *s == '.';	/* resolv.conf(5): no suffix */

		if (!root && (l->n == SEARCH_MAX || !domain_ok(s, len))) {
			why = why ? why : domain_ok(s, len) ? search_full : "not a list of domains";
		} else if (!root) {
			memcpy(l->name[l->n], s, len);
			l->name[l->n++][len] = '\0';
		}
		s += len;
	}
	return why;
}

static void p_hostname(struct parse *p)
{
	if (*p->val && !domain_ok(p->val, strlen(p->val)))
		bad(p, "not a host name");
	*(const char **)member(p) = *p->val ? p->val : NULL;
}

static void p_search(struct parse *p)
{
	struct search *l = &p->c->search;
	const char *why = NULL;

	p->c->search_given = true;
	if (!*p->val || !strcmp(p->val, "none"))
		l->n = 0;
	else
		why = conf_search_add(l, p->val);
	if (why == search_full)
		left_out(p, why);
	else if (why)
		bad(p, why);
}

/* Member at @off of struct conf_ip */
static struct addr *ip_member(const struct parse *p, enum family f)
{
	return (struct addr *)(void *)((char *)&p->c->ip[f] + p->o->off);
}

/* Address of one host; @lo: also a loopback one */
static struct addr addr_arg(const struct parse *p, const char *s, size_t len, bool lo)
{
	struct addr a;

	if (!addr_parse(s, len, &a))
		bad(p, "not an IPv4 or IPv6 address");
	if (addr_is_unspec(&a))
		bad(p, "unspecified address");
	if (addr_is_many(&a))
		bad(p, "not a unicast address");
	if (!lo && addr_is_loopback(&a))
		bad(p, "loopback address");
	return a;
}

static void p_addr(struct parse *p)
{
	struct addr a = addr_arg(p, p->val, strlen(p->val), p->o->off == IP(dns_host));

	*ip_member(p, addr_family(&a)) = a;
}

/* Address of the host as the guest sees it, or "none" */
static void p_map(struct parse *p)
{
	if (strcmp(p->val, "none")) {
		p_addr(p);
		return;
	}
	for (enum family f = V4; f < FAMILIES; f++)
		*ip_member(p, f) = addr_any(f);
	p->c->no_map_gw |= p->o->off == IP(map_loopback);
}

static void p_address(struct parse *p)
{
	const char *slash = strchr(p->val, '/'), *s = p->val;
	size_t len = slash ? (size_t)(slash - s) : strlen(s);
	bool brackets = len >= 2 && *s == '[' && s[len - 1] == ']';
	struct addr a = addr_arg(p, s + brackets, len - 2 * brackets, false);
	unsigned skip = addr_is_v4(&a) && memchr(s, ':', len) ? 96 : 0;		/* RFC 4291 2.5.5.2: IPv4-mapped */
	struct conf_ip *ip = &p->c->ip[addr_family(&a)];
	uint64_t plen = skip;

	if (slash && (!parse_num_c(slash + 1, strlen(slash + 1), 10, addr_is_v4(&a) ? 32 + skip : 128, &plen) ||
		      plen <= skip))
		bad(p, "not a prefix length");
	ip->addr = a;
	ip->plen = (uint8_t)(plen - skip);
	if (slash && addr_is_v4(&a))
		p->netmask = 0;
}

static void p_netmask(struct parse *p)
{
	struct addr a;
	uint64_t plen;

	if (!parse_num_c(p->val, strlen(p->val), 0, 32, &plen)) {
		if (!addr_parse(p->val, strlen(p->val), &a) || !addr_is_v4(&a))
			bad(p, "neither a number of bits from 1 to 32 nor an IPv4 mask");
		plen = (uint64_t)__builtin_popcount(addr_v4(&a));
		if (addr_mask4((unsigned)plen) != addr_v4(&a))
			bad(p, "mask with gaps");
	}
	if (!plen)
		bad(p, "no network bits");
	p->netmask = (uint8_t)plen;
}

/* An address, or an interface's name for both families */
static void p_outbound(struct parse *p)
{
	struct addr a;

	if (addr_parse(p->val, strlen(p->val), &a)) {
		a = addr_arg(p, p->val, strlen(p->val), true);
		p->c->ip[addr_family(&a)].out_addr = a;
		return;
	}
	if (!p->val[strspn(p->val, "0123456789.")] || strchr(p->val, ':'))
		bad(p, "not an address");
	p_ifname(p);
	strcpy(p->c->ip[V6].out_if, p->val);
}

static void p_dns(struct parse *p)
{
	struct conf_ip *ip = p->c->ip;
	struct addr a;

	if (!*p->val || !strcmp(p->val, "none")) {
		ip[V4].ndns = ip[V6].ndns = 0;
		ip[V4].dns_given = ip[V6].dns_given = p->dns_none = true;
		return;
	}
	a = addr_arg(p, p->val, strlen(p->val), true);
	if (p->dns_none)
		ip[V4].dns_given = ip[V6].dns_given = p->dns_none = false;
	ip += addr_family(&a);
	ip->dns_given = true;
	if (ip->ndns == DNS_MAX)
		left_out(p, "more than 8 servers");
	else
		ip->dns[ip->ndns++] = a;
}

/* Forwarding */

static const char port_letters[] = "tuTU";

static void p_ports(struct parse *p)
{
	const char *why = conf_ports(&p->c->rules, p->c->mode, p->o->letter, p->val);

	if (why)
		bad(p, why);
	p->ports_given[strchr(port_letters, p->o->letter) - port_letters] = true;
}

/* pasta's rules for those of -t, -u, -T and -U not given */
static void default_ports(struct parse *p)
{
	struct conf *c = p->c;

	for (unsigned i = 0; c->mode == MODE_PASTA && port_letters[i]; i++) {
		if (!p->ports_given[i] && !(i % 2 ? c->no_udp : c->no_tcp))
			conf_ports(&c->rules, c->mode, port_letters[i], "auto");
	}
}

/* Egress */

static struct policy *policy_of(struct parse *p)
{
	if (!p->c->policy)
		p->c->policy = policy_new(NULL);
	return p->c->policy;
}

/* --allow, --deny, --ask: @off is the verdict */
static void p_rule(struct parse *p)
{
	const char *why = policy_add(policy_of(p), (enum verdict)p->o->off, p->val, NULL);

	if (why)
		bad(p, why);
}

static void p_policy(struct parse *p)
{
	unsigned line;
	const char *why;

	check_arg(p, PATH_MAX);
	why = policy_file(policy_of(p), p->val, &line);
	if (why && line)
		die("Invalid value \"%.256s\" for %s: line %u: %s", p->val, opt_text(p->o), line, why);
	if (why)
		bad(p, why);
}

static void p_egress(struct parse *p)
{
	const char *why = policy_egress(policy_of(p), p->val);

	if (why)
		bad(p, why);
}

static void p_ask_timeout(struct parse *p)
{
	p->c->ask_timeout = (unsigned)number(p, 1, ASK_TIMEOUT_MAX, "1 to 3600 seconds expected");
}

static struct opts table;

static void p_help(struct parse *p)
{
	opts_help(&table, p->c->mode == MODE_PASTA ?
		  "Usage: pasta [OPTION]... [COMMAND [ARG]...]\n"
		  "       pasta [OPTION]... PID\n"
		  "       pasta [OPTION]... --netns PATH|NAME\n\n"
		  "Connects a network namespace to the host's network, without privileges: a new one that a\n"
		  "command (a shell by default) runs in, that of a process, or one that has a name.\n" :
		  "Usage: passt [OPTION]...\n\n"
		  "Connects a virtual machine to the host's network, without privileges.\n");
}

static void p_version(struct parse *p)
{
	opts_version(conf_name(p->c));
}

static const struct opt opts[] = {
	{ .help = "Process", .modes = BOTH },
	{ "help", 'h', NULL, BOTH, p_help, 0, "Show this text and exit" },
	{ "version", 0, NULL, BOTH, p_version, 0, "Show the version and exit" },
	{ "check", 0, NULL, BOTH, p_set, CONF(check),
	  "Print the abilities that this host has and lacks, each tried, with remedies, and exit" },
	{ "foreground", 'f', NULL, BOTH, p_set, CONF(foreground),
	  "Stay in the foreground; without it, the program goes to the background as soon as everything is ready" },
	{ "quiet", 'q', NULL, BOTH, p_level, LOG_WARNING, "Errors and warnings only" },
	{ "debug", 'd', NULL, BOTH, p_level, LOG_DEBUG, "More messages" },
	{ "trace", 0, NULL, BOTH, p_level, LOG_TRACE, "All messages, down to single packets" },
	{ "stats", 0, "SECONDS", BOTH, p_stats, 0, "Print counters at this interval, unless nothing moved; 0: never" },
	{ "log-file", 'l', "PATH", BOTH, p_path, CONF(log_file), "Log to a file instead of the system log" },
	{ "log-size", 0, "BYTES", BOTH, p_log_size, 0,
	  "Size at which the log file gives up its oldest half; 1 MiB by default, 40960 at least" },
	{ "flow-log", 0, "PATH", BOTH, p_path, CONF(flow_log),
	  "Record each verdict on a flow, and its end, as a line of JSON in a file; --log-size holds for it, too" },
	{ "pid", 'P', "PATH", BOTH, p_path, CONF(pid_file), "Write the process ID to a file" },
	{ "pcap", 'p', "PATH", BOTH, p_path, CONF(pcap), "Record all frames on the guest's link, in pcap format" },
	{ "runas", 0, "USER[:GROUP]", BOTH, p_runas, 0,
	  "User and group to become, names or numbers; when started as root, nobody by default" },
	{ "busy-poll", 0, "USEC", BOTH, p_busy_poll, 0,
	  "Stay awake for so many microseconds after an event, for the next one: shorter round-trip times, for a core "
	  "that is busy while there is traffic; 0 by default" },
	{ "chroot-fallback", 0, NULL, BOTH, p_set, CONF(chroot_fallback),
	  "Use chroot() where pivot_root() is impossible, as on an initramfs" },
	{ "conf-path", 'c', "PATH", BOTH, p_socket, CONF(control),
	  "UNIX domain socket to make, by which pesto and others show and change rules" },

	{ .help = "Namespace", .modes = PASTA },
	{ "netns", 0, "PATH|NAME", PASTA, p_netns, 0, "Network namespace to connect, not a process or a command" },
	{ "userns", 0, "PATH", PASTA, p_userns, CONF(userns),
	  "User namespace to join first; the namespaces of a command are made in it" },
	{ "netns-only", 0, NULL, PASTA, p_netns_only, 0,
	  "Stay in the user namespace, do not join the one that owns the network namespace; of this and --userns, the "
	  "last counts" },
	{ "no-netns-quit", 0, NULL, PASTA, p_set, CONF(no_netns_quit), "Go on when the namespace's path is deleted" },
	{ "no-pidns", 0, NULL, PASTA, p_set, CONF(no_pidns), "No PID namespace for the command" },
	{ "config-net", 0, NULL, PASTA, p_set, CONF(config_net),
	  "Set up addresses, routes and the interface in the namespace, instead of leaving that to DHCP and NDP" },
	{ "ns-ifname", 'I', "NAME", PASTA, p_ifname, CONF(ns_ifname),
	  "Name of the interface in the namespace; by default, that of the template interface" },
	{ "ns-mac-addr", 0, "MAC", PASTA, p_mac, CONF(ns_mac), "MAC address of the interface in the namespace" },
	{ "no-copy-routes", 0, NULL, PASTA, p_set, CONF(no_copy_routes), "With --config-net, a default route only" },
	{ "no-copy-addrs", 0, NULL, PASTA, p_set, CONF(no_copy_addrs), "With --config-net, one address a family only" },

	{ .help = "Guest", .modes = PASST },
	{ "socket", 's', "PATH", PASST, p_link_socket, CONF(socket),
	  "UNIX domain socket the guest connects to; by default, the first of /tmp/passt_1.socket, /tmp/passt_2.socket "
	  "and so on that is free" },
	{ "socket-path", 0, "PATH", PASST, p_link_socket, CONF(socket), NULL },
	{ "vhost-user", 0, NULL, PASST, p_set, CONF(vhost_user),
	  "Speak vhost-user on the socket: the guest's memory is shared, which is faster" },
	{ "print-capabilities", 0, NULL, PASST, p_capabilities, 0,
	  "Print abilities for --vhost-user in JSON, and exit" },
	{ "one-off", '1', NULL, PASST, p_set, CONF(one_off), 
	  "Quit when the guest disconnects, the last one of several" },
	{ "guests", 0, "N", PASST, p_guests, 0,
	  "Guests that may be connected at once, 1 to 64; 1 by default. More than one need --lan" },
	{ "lan", 0, "PREFIX4[,PREFIX6]", PASST, p_lan, 0,
	  "A network of the guests' own, with addresses from these prefixes. The first address of each is the gateway "
	  "and the resolver" },
	{ "lan-isolate", 0, NULL, PASST, p_set, CONF(lan.isolate), "Guests do not reach each other" },
	{ "lease", 0, "MAC=ADDR[,NAME]", PASST, p_lease, 0,
	  "Address, and name, of the guest with this MAC address; up to 128 times" },

	{ .help = "Link and addresses", .modes = BOTH },
	{ "fd", 'F', "FD", BOTH, p_fd, 0,
	  "Descriptor of an open link, instead of making one; with --guests, several times" },
	{ "repair-path", 0, "PATH|none", BOTH, p_repair, CONF(repair),
	  "Socket for helpers of a migration; by default, that of the guest, if it is for vhost-user, with .repair "
	  "appended" },
	{ "mtu", 'm', "BYTES", BOTH, p_mtu, 0, "MTU of the guest, 0 to leave it alone; 65520 by default" },
	{ "mac-addr", 'M', "MAC", BOTH, p_mac, CONF(our_mac), "Gateway's MAC address; 9a:55:9a:55:9a:55 by default" },
	{ "interface", 'i', "NAME", BOTH, p_ifname, CONF(ifname),
	  "Template interface, whose addresses and routes the guest gets; by default, the one the default route goes "
	  "through" },
	{ "address", 'a', "ADDR[/BITS]", BOTH, p_address, 0,
	  "The guest's address, one for IPv4 and one for IPv6; by default, that of the template interface" },
	{ "netmask", 'n', "BITS|MASK", BOTH, p_netmask, 0,
	  "The guest's IPv4 mask; of this option and the bits of --address, the last one counts" },
	{ "gateway", 'g', "ADDR", BOTH, p_addr, IP(gw), "The guest's default gateway, one for IPv4 and one for IPv6" },
	{ "no-follow", 0, NULL, BOTH, p_clear, CONF(follow), "Keep to the host's network as it is at the start" },
	{ "outbound", 'o', "ADDR|NAME", BOTH, p_outbound, CONF(ip[V4].out_if),
	  "Source address on the host, or interface, of outbound traffic" },
	{ "outbound-if4", 0, "NAME", BOTH, p_ifname, CONF(ip[V4].out_if),
	  "Interface by which IPv4 leaves the host; it may appear later" },
	{ "outbound-if6", 0, "NAME", BOTH, p_ifname, CONF(ip[V6].out_if),
	  "Interface by which IPv6 leaves the host; it may appear later" },
	{ "ipv4-only", '4', NULL, BOTH, p_only, V4, "No IPv6; the last of -4 and -6 counts" },
	{ "ipv6-only", '6', NULL, BOTH, p_only, V6, "No IPv4; the last of -4 and -6 counts" },
	{ "no-tcp", 0, NULL, BOTH, p_set, CONF(no_tcp), "No TCP" },
	{ "no-udp", 0, NULL, BOTH, p_set, CONF(no_udp), "No UDP" },
	{ "no-icmp", 0, NULL, BOTH, p_set, CONF(no_icmp), "No ICMP echo, IPv4 and IPv6" },
	{ "no-dhcp", 0, NULL, BOTH, p_set, CONF(no_dhcp), "No DHCP server" },
	{ "no-dhcpv6", 0, NULL, BOTH, p_set, CONF(no_dhcpv6), "No DHCPv6 server" },
	{ "no-ndp", 0, NULL, BOTH, p_set, CONF(no_ndp), "No answers to neighbour and router solicitations" },
	{ "no-ra", 0, NULL, BOTH, p_set, CONF(no_ra), "No router advertisements" },

	{ .help = "Names", .modes = BOTH },
	{ "dns", 'D', "ADDR|none", BOTH, p_dns, 0,
	  "DNS server for the guest, as it is, any number of times; by default, and for a family without one, those of "
	  "/etc/resolv.conf" },
	{ "search", 'S', "LIST|none", BOTH, p_search, 0,
	  "Search domains for the guest, separated by spaces; by default, those of /etc/resolv.conf" },
	{ "dhcp-dns", 0, NULL, BOTH, p_set, CONF(dhcp_dns),
	  "Hand out DNS servers by DHCP, DHCPv6 and NDP: passt's default" },
	{ "no-dhcp-dns", 0, NULL, BOTH, p_clear, CONF(dhcp_dns), "Do not: pasta's default" },
	{ "dhcp-search", 0, NULL, BOTH, p_set, CONF(dhcp_search), "Hand out search domains: passt's default" },
	{ "no-dhcp-search", 0, NULL, BOTH, p_clear, CONF(dhcp_search), "Do not: pasta's default" },
	{ "hostname", 'H', "NAME", BOTH, p_hostname, CONF(hostname), "Host name for the guest" },
	{ "fqdn", 0, "NAME", BOTH, p_hostname, CONF(fqdn), "Fully qualified domain name for the guest" },
	{ "dns-forward", 0, "ADDR", BOTH, p_addr, IP(dns_forward),
	  "Forward DNS queries to this address to the host's resolver" },
	{ "dns-host", 0, "ADDR", BOTH, p_addr, IP(dns_host),
	  "Resolver of the host; by default, the first of --dns or /etc/resolv.conf" },

	{ .help = "Host as the guest sees it", .modes = BOTH },
	{ "map-host-loopback", 0, "ADDR|none", BOTH, p_map, IP(map_loopback),
	  "Address that leads to the host's loopback interface; by default, the gateway's" },
	{ "map-guest-addr", 0, "ADDR|none", BOTH, p_map, IP(map_guest),
	  "Address that leads to the host's own address, the one the guest has too; none by default" },
	{ "no-map-gw", 0, NULL, BOTH, p_set, CONF(no_map_gw), "The gateway's address does not lead to the host" },

	{ .help = "Destinations the guest may reach", .modes = BOTH },
	{ "allow", 0, "RULE", BOTH, p_rule, ALLOW,
	  "Allow what matches RULE; of the options --allow, --deny, --ask and --policy, the first rule that matches "
	  "decides. RULE is [tcp/|udp/|icmp/]TARGET[:PORTS], TARGET an address, a prefix (of IPv6 in brackets, if "
	  "ports follow), a name, *.NAME (all names below it), or a group: any, public, private, host, loopback, "
	  "link-local, metadata or multicast; PORTS a list, separated by commas, of PORT[-PORT]. Without a protocol, "
	  "TCP and UDP" },
	{ "deny", 0, "RULE", BOTH, p_rule, DENY,
	  "Refuse what matches RULE; without protocol and ports, echo as well" },
	{ "ask", 0, "RULE", BOTH, p_rule, ASK,
	  "Ask the user whether to allow what matches RULE, by pesto --ask: connections, datagrams and echo requests "
	  "wait for the answer" },
	{ "ask-timeout", 0, "SECONDS", BOTH, p_ask_timeout, 0,
	  "Refuse what waits for so long without an answer, 1 to 3600; 30 by default" },
	{ "policy", 0, "PATH", BOTH, p_policy, 0,
	  "Rules of a file, in this place, a line each: allow RULE; deny RULE, which a reason in quotes may follow; "
	  "ask RULE; or egress WORD. A word that begins with # begins a comment" },
	{ "egress", 0, "open|internet|locked", BOTH, p_egress, 0,
	  "What happens to destinations that no rule matches: allowed; allowed if they are public addresses, or the "
	  "resolver; refused. By default locked if there is a rule that allows or asks, or else open" },

	{ .help = "Forwarding to the guest", .modes = BOTH },
	{ "tcp-ports", 't', "SPEC", BOTH, p_ports, 0,
	  "TCP ports of the host to forward, any number of times. SPEC is none, or [ADDR[%NAME]/]PORTS: bound to an "
	  "address (* is any), an interface, or any. PORTS is a list, separated by commas, of "
	  "PORT[-PORT][:[ADDR/]PORT[-PORT]]: on the host, and in the guest where that differs; ~PORT[-PORT]: excluded; "
	  "all[:ADDR]: those that are neither ephemeral nor in use. Nothing but exclusions means all others. none is "
	  "passt's default; auto, pasta's: ports that are bound in the namespace, while they are" },
	{ "udp-ports", 'u', "SPEC", BOTH, p_ports, 0, "UDP ports of the host to forward" },
	{ "tcp-ns", 'T', "SPEC", PASTA, p_ports, 0,
	  "TCP ports of the namespace's loopback interface to forward to the host's; by default, auto: those that are "
	  "bound on the host, also with --no-map-gw" },
	{ "udp-ns", 'U', "SPEC", PASTA, p_ports, 0, "Same, for UDP" },
	{ "freebind", 0, NULL, BOTH, p_set, CONF(freebind), "Bind to addresses the host does not have yet" },
	{ "host-lo-to-ns-lo", 0, NULL, PASTA, p_set, CONF(host_lo_to_ns_lo),
	  "Connections from the host's loopback address go to the same one in the namespace; by default, to the "
	  "namespace's own address" },
	{ "no-splice", 0, NULL, BOTH, p_set, CONF(no_splice),
	  "Connections from the host's loopback address pass the link, as all others do: always so with passt" },
	{ "splice-only", 0, NULL, PASTA, p_set, CONF(splice_only),
	  "No link and no network: only connections from loopback to loopback are forwarded" },

	{ .help = "Without effect, for compatibility", .modes = BOTH },
	{ "stderr", 'e', NULL, BOTH, p_ignore, 0, "Messages go to stderr while in the foreground, always" },
	{ "migrate-exit", 0, NULL, BOTH, p_ignore, 0, "Deprecated" },
	{ "migrate-no-linger", 0, NULL, BOTH, p_ignore, 0, "Deprecated" },
};

static void run_option(struct parse *p, const struct opt *o, const char *val)
{
	p->o = o;
	p->val = val;
	if (!(o->modes & (1 << p->c->mode)))
		die("%s is for %s mode only", opt_text(o), o->modes == PASTA ? "pasta" : "passt");
	o->parse(p);
}

/* Decimal number in strtol(3)'s notation, and none below zero? */
static bool is_pid(const char *s)
{
	s += strspn(s, " \t\n\v\f\r");
	s += *s == '+';
	return *s && !s[strspn(s, "0123456789")];
}

/* A PID, or a command with its arguments */
static void parse_operands(struct conf *c, char **argv)
{
	uint64_t pid;

	if (!argv[1] && is_pid(argv[0])) {
		if (!parse_num_c(argv[0], strlen(argv[0]), 10, INT_MAX, &pid) || !pid)
			die("Invalid PID \"%.256s\"", argv[0]);
		c->ns_pid = (pid_t)pid;
	} else {
		c->command = argv;
	}
	if (c->netns)
		die("Both --netns and a %s given", c->ns_pid ? "PID" : "command");
}

static void defaults(struct conf *c, const char *name)
{
	*c = (struct conf){
		.mode		= strncmp(name, "passt", 5) ? MODE_PASTA : MODE_PASST,
		.log_level	= LOG_INFO,
		.log_size	= LOG_SIZE,
		.ask_timeout	= ASK_TIMEOUT,
		.our_mac	= mac_default,
		.mtu		= MTU_DEFAULT,
		.link_fd	= -1,
		.guests		= 1,
		.rules.lan	= true,			/* it may follow: check_ports() */
		.follow		= true,
	};
	c->dhcp_dns = c->dhcp_search = c->no_splice = c->mode == MODE_PASST;

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct addr none = addr_any(f);

		c->ip[f] = (struct conf_ip){ .addr = none, .gw = none, .map_loopback = none, .map_guest = none,
					     .dns_forward = none, .dns_host = none, .out_addr = none };
	}
}

/* A command, or a shell, on our stderr? */
static bool starts_command(const struct conf *c)
{
	return c->mode == MODE_PASTA && !c->ns_pid && !c->netns;
}

/* Rules excluded by other options, or without effect */
static void check_ports(struct conf *c)
{
	const struct rule *warned = NULL;

	for (const struct rule *r = c->rules.rule; r < c->rules.rule + c->rules.n; r++) {
		const char *why = conf_target(c, r);

		if (why)
			die("Invalid option '%s': %s", rule_text(r), why);
		if (r->proto == IPPROTO_TCP ? c->no_tcp : c->no_udp)
			die("Option '%s' and --no-%s exclude each other", rule_text(r),
			    r->proto == IPPROTO_TCP ? "tcp" : "udp");
		c->ports_later |= r->outward && r->automatic;
		if (c->no_splice && rule_needs_splice(r) && (!warned || warned->opt != r->opt)) {
			warn("Option '%s': the guest's loopback can't be reached over the link, clients will be "
			     "refused",
			     rule_text(r));
			warned = r;
		}
	}
	c->ports_later |= c->control != NULL;
}

/* Conditions on several options */
static void check(const struct parse *p)
{
	struct conf *c = p->c;
	char text[LAN_TEXT];
	const char *why;

	if (p->netmask)
		c->ip[V4].plen = p->netmask;
	check_ports(c);
	if (c->policy)
		policy_compile(c->policy);
	if (c->no_splice && c->splice_only)
		die("--no-splice and --splice-only exclude each other");
	if (c->check && (c->ns_pid || c->netns || c->command))
		die("--check takes no %s: it makes its own", c->command ? "command" : "namespace");
	if (c->link_fd >= 0 && c->splice_only)
		die("-F/--fd and --splice-only exclude each other");
	why = conf_lan_check(c, text);
	if (why)
		die("%s", why);
	if (c->repair && strcmp(c->repair, "none") != 0 && !c->vhost_user)
		die("--repair-path is for --vhost-user only");
	if (c->ip[V4].off && c->mtu && c->mtu < MTU_MIN6)
		die("Invalid value \"%u\" for -m/--mtu: less than %u, the least that IPv6 needs, with -6/--ipv6-only",
		    c->mtu, MTU_MIN6);

	c->foreground |= starts_command(c);		/* its status is ours */
	c->config_net &= !c->splice_only;
	c->no_ra |= c->config_net;	/* RAs would add a second address, with DAD, and a second default route */
}

void conf_parse(struct conf *c, int argc, char **argv)
{
	struct parse p = { .c = c };
	int i;

	defaults(c, argc ? basename(argv[0]) : "");
	table = (struct opts){ opts, ARRAY_SIZE(opts), conf_name(c), (uint8_t)(1 << c->mode), run_option };
	i = opts_parse(&table, &p, argc, argv);
	if (i < argc && c->mode == MODE_PASST)
		die("passt: unexpected argument '%.256s'", argv[i]);
	if (i < argc)
		parse_operands(c, argv + i);
	default_ports(&p);
	check(&p);

	log_level = c->log_level;
	if (log_level == LOG_INFO && starts_command(c))
		log_stderr_quiet();
}
