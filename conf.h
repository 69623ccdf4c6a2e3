/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf.h - options: written by conf_parse() only */
#ifndef CONF_H
#define CONF_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "addr.h"
#include "rules.h"

enum mode {
	MODE_PASTA,
	MODE_PASST,
};

#define DNS_MAX		8
#define SEARCH_MAX	8
#define ASK_TIMEOUT	30		/* s */
#define ASK_TIMEOUT_MAX	3600
#define DOMAIN_MAX	256		/* RFC 1035 2.3.4, with the terminator */

/* Options of one family. Unspecified address, prefix length 0, empty name: not given. */
struct conf_ip {
	bool		off;			/* by -4 or -6 */
	bool		dns_given;		/* also "none" */
	uint8_t		plen;
	struct addr	addr;			/* the guest's */
	struct addr	gw;
	struct addr	map_loopback, map_guest, dns_forward, dns_host;
	struct addr	dns[DNS_MAX];
	unsigned	ndns;
	struct addr	out_addr;		/* -o: source address on the host */
	char		out_if[IFNAMSIZ];	/* --outbound-if4, --outbound-if6 */
};

/* Search list of a resolver */
struct search {
	char		name[SEARCH_MAX][DOMAIN_MAX];
	unsigned	n;
};

#define LEASE_MAX	128		/* --lease */
#define LAN_TEXT	128		/* of an error */
#define LEASE_NAME	RULE_NAME

/* The guests' own network: --lan and its like. We are .1 and ::1 there. */
struct lan_conf {
	bool		on;
	bool		isolate;		/* guests don't reach each other */
	bool		v6;			/* there is a prefix of IPv6, a /64 */
	uint8_t		plen4;
	struct addr	net[FAMILIES];		/* network addresses */
	unsigned	nlease;
	struct lan_lease {
		struct mac	mac;
		struct addr	a;
		char		name[LEASE_NAME];	/* lower case, or empty */
	} lease[LEASE_MAX];
};

struct policy;

struct conf {
	enum mode	mode;

	/* Process */
	bool		check;
	bool		foreground;
	int		log_level;
	unsigned	stats_interval;		/* s, --stats; 0: never */
	unsigned	busy_poll;		/* us awake after an event */
	const char	*pid_file;		/* paths in argv, here and below; NULL: not given */
	const char	*log_file, *flow_log;
	uint64_t	log_size;
	const char	*pcap;
	const char	*control;		/* -c: control socket */
	uid_t		uid;			/* --runas */
	gid_t		gid;
	bool		runas;
	bool		chroot_fallback;

	/* Namespace */
	pid_t		ns_pid;			/* PID given, or 0 */
	const char	*netns;			/* --netns path, resolved from a name */
	const char	*userns;
	bool		netns_only, no_netns_quit, no_pidns, config_net;
	char *const	*command;		/* COMMAND and its arguments, NULL-terminated, or NULL */
	char		ns_ifname[IFNAMSIZ];
	struct mac	ns_mac;			/* --ns-mac-addr; zero: kernel's choice */
	bool		no_copy_routes, no_copy_addrs;

	/* Link */
	struct mac	our_mac;		/* -M: gateway's MAC as the guest sees it */
	uint32_t	mtu;			/* as advertised to the guest; 0: do not assign */
	unsigned	guests;			/* that may be connected at once, --guests */
	int		link_fd;		/* --fd, the last one, or -1 */
	int		link_fds[GUEST_MAX];	/* all of them */
	unsigned	nlink_fds;
	const char	*socket;		/* -s: for guests to connect to */
	bool		one_off;		/* -1: one guest only */
	bool		vhost_user;		/* the guest's front end speaks vhost-user on its socket */
	const char	*repair;		/* --repair-path, "none", or NULL: beside the guest's socket */

	/* Network */
	char		ifname[IFNAMSIZ];	/* -i: template interface, or empty */
	struct conf_ip	ip[FAMILIES];
	bool		no_tcp, no_udp, no_icmp;
	bool		no_dhcp, no_dhcpv6, no_ndp, no_ra;
	bool		dhcp_dns, dhcp_search;	/* hand out servers and search list */
	bool		no_map_gw;		/* also by --map-host-loopback none */
	bool		host_lo_to_ns_lo;
	bool		freebind;
	bool		follow;			/* the host's network, as it changes */
	bool		no_splice;		/* connections from the host's loopback pass the link */
	bool		splice_only;		/* no link */
	const char	*hostname, *fqdn;
	struct search	search;
	bool		search_given;			/* -S, also "none" */

	struct lan_conf	lan;
	struct policy	*policy;	/* --allow, --deny, --ask, --policy, --egress; NULL: none of these */
	unsigned	ask_timeout;	/* s; without an answer, it is no */
	struct rules	rules;
	bool		ports_later;		/* ports may open while the loop runs */
};

/* Name of the program */
static inline const char *conf_name(const struct conf *c)
{
	return c->mode == MODE_PASTA ? "pasta" : "passt";
}

/* Links there may be: those of guests, and of virtual machines that may take another's place */
static inline unsigned conf_links(const struct conf *c)
{
	return MIN(MAX(c->guests, 1) + (c->mode == MODE_PASST ? GUEST_TRIALS : 0), GUEST_MAX);
}

/**
 * conf_parse() - command line into @c
 *
 * Ends the process on any error, with one line and status 1, and after --help and --version, with 0. Opens nothing but
 * files of rules, and the user and group files for --runas.
 */
void conf_parse(struct conf *c, int argc, char **argv);

/**
 * conf_ports() - add the rules of -t, -u, -T or -U to a table
 * @t:		table; "none" drops rules of this option
 * @letter:	the option
 * @val:	its value; kept for messages, unless @t->run_time
 *
 * Return: NULL, or the reason to refuse the value; @t may have some of its rules then
 */
const char *conf_ports(struct rules *t, enum mode mode, char letter, const char *val);

/* The reason why a rule is none for these guests, or NULL; for a table with @lan */
const char *conf_target(const struct conf *c, const struct rule *r);

/**
 * conf_lan() - value of --lan, PREFIX4[,PREFIX6]
 *
 * Return: NULL, or the reason to refuse it
 */
const char *conf_lan(struct lan_conf *l, const char *val);

/* The same for one more --lease, MAC=ADDRESS[,NAME] */
const char *conf_lease(struct lan_conf *l, const char *val);

/* The reason why an address is none that a guest of this network may have, or NULL */
const char *conf_lan_host(const struct lan_conf *l, const struct addr *a);

/* Conditions on these and other options, once all were read: NULL, or what is wrong, in @text perhaps */
const char *conf_lan_check(const struct conf *c, char text[static LAN_TEXT]);

/* Appends domains, separated by blanks, to a search list: NULL, or the reason to leave one out */
const char *conf_search_add(struct search *l, const char *s);

#endif /* CONF_H */
