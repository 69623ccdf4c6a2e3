/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd.h - forwarding rules in force, and their listeners */
#ifndef FWD_H
#define FWD_H

#include "flow.h"
#include "net.h"

#define LISTENERS_MAX	(1U << 17)	/* all ports of TCP and of UDP */
#define FD_RESERVE	64		/* descriptors for all else, until the first flow */

struct listener {
	int		fd;			/* -1: entry is free, or its socket had to be closed */
	uint16_t	rule;			/* index in fwd.rule; RULES_MAX: opened by a change under way */
	uint16_t	heir;			/* the same after that change; RULES_MAX: none */
	uint16_t	port;			/* 0: entry is free */
	uint8_t		guest;
	bool		v4 : 1, v6 : 1;		/* families it accepts */
	bool		gone : 1;		/* UDP: its socket was closed, its flows have to end */
	union {
		uint32_t	next;		/* TCP, or free: of @paused or @free, index + 1, or 0 */
		uint32_t	flow;		/* UDP: its FLOW_UDP_PORT, the same; 0: silent so far */
	};
};

struct fwd {
	struct listener	*l;			/* LISTENERS_MAX, in fwd.c */
	uint32_t	n;			/* entries ever used */
	uint32_t	used;			/* those with a socket now */
	uint32_t	free;			/* the others: first index + 1, or 0 */
	uint32_t	paused, paused_last;	/* in want of a descriptor, oldest first: the same (accept.h) */
	uint32_t	max;			/* limit of descriptors */
	bool		gone;			/* some listeners are: see fwd_gone() */

	struct fwd_rule	rule[RULES_MAX];
	unsigned	nrules;
	unsigned	targets;		/* rules with an address of the guest's side */
	unsigned	automatic[2];		/* automatic rules, outward or not */
	uint32_t	last_id;

	int		epfd;
	struct ephemeral eph[2];		/* the host's, the namespace's */
	uint32_t	auto_first;		/* lowest port of the host's that automatic rules open */
	uint8_t		ours[2][2][PORT_MAP];	/* ports we listen on: host's or namespace's, TCP's or UDP's */
};

/* Ends the process if the limit of open files leaves none for flows */
void fwd_need_files(void);

/**
 * fwd_listen() - open the sockets of all rules of conf.rules, outward ones in the namespace, and watch them
 * @epfd:	epoll descriptor, events EV_TCP_LISTEN and EV_UDP_LISTEN with the listener's index
 *
 * A port without an address has one dual-stack socket if both families are on, two if the kernel has none; a family
 * that fails is no error if the other works.
 *
 * Ports that options name come first: one refused is an error. Then those of weak rules ("all", or nothing but
 * exclusions), without ephemeral ones (ip_local_port_range); ports in use or privileged are left out, unless nothing
 * remains of an option. A lack of descriptors always is an error, with the number needed.
 *
 * A port in use is tried again for a moment: its owner may be our predecessor, whose namespace has just gone.
 *
 * Errors are logged with the option's text: "Failed to bind port N (reason) for option '-t ...'".
 *
 * Return: 0, or -errno
 */
int fwd_listen(struct fwd *fwd, const struct net *net, int epfd);

/* Port refused, and its rule: index into the wanted table */
struct fwd_failure {
	unsigned	rule;
	uint16_t	port;
	struct rule	in_the_way;	/* our rule in conflict; none if its first port is 0 */
};

/* Copies the table, for fwd_replace() */
void fwd_table(const struct fwd *fwd, struct rules *t);

/**
 * fwd_replace() - another table, as a whole or not at all, once the loop runs; nothing is logged
 * @want:	all rules; those in force keep ID, counter and sockets
 * @why:	filled in if it fails
 *
 * Connections go on. UDP flows do if another rule gets their port, as they share its socket; others have to end: see
 * fwd_gone(), also after a failure. Weak rules open the ports to be had; automatic ones none before the next
 * fwd_follow().
 *
 * Return: 0; -EAFNOSUPPORT, -EPROTONOSUPPORT: switched off; -EOPNOTSUPP: no namespace; -ENETUNREACH: the guest's
 *	   loopback without splicing; -EMFILE: no descriptor left; or a port's -errno
 */
int fwd_replace(struct fwd *fwd, const struct net *net, const struct rules *want, struct fwd_failure *why);

/* Can there be such a rule? 0; -EAFNOSUPPORT, -EPROTONOSUPPORT, -EOPNOTSUPP, -ENETUNREACH: as fwd_replace() */
int fwd_rule_possible(const struct net *net, const struct rule *r);

/**
 * fwd_follow() - listeners of automatic rules become those whose target is bound
 * @outward:	direction of the rules
 * @bound:	maps of ports, of TCP and of UDP
 *
 * Ports refused are left out, and tried again with the next call. UDP flows may have to end: fwd_gone().
 */
void fwd_follow(struct fwd *fwd, const struct net *net, bool outward, uint8_t bound[2][PORT_MAP]);

/**
 * fwd_gone() - next UDP listener closed by fwd_replace() or fwd_follow(): its flows have to end now
 * @from:	0, or the last one and 1
 *
 * Return: index, or LISTENERS_MAX
 */
uint32_t fwd_gone(struct fwd *fwd, uint32_t from);

/* Is @e an address of a listener of ours: on the host, or, @outward, in the namespace? */
bool fwd_leads_to_us(const struct fwd *fwd, bool outward, uint8_t proto, const struct end *e);

/* Listener of an event, if it still is one of this protocol, or NULL */
struct listener *fwd_listener(struct fwd *fwd, uint32_t idx, uint8_t proto);

/* An interface is there, maybe in place of another one of that name: listeners bound to that are opened anew, from
 * Linux 5.1 on
 */
void fwd_renew(struct fwd *fwd, const struct net *net, const char *ifname, unsigned ifindex);

/* The template interface of IPv6 is another one: listeners on link-local addresses are opened anew there */
void fwd_rescope(struct fwd *fwd, const struct net *net);

/* Does a rule name that interface; NULL: any? */
bool fwd_names(const struct fwd *fwd, const char *ifname);

/* Closes all ports, for a successor that starts as soon as our link is closed: exit() would close that first */
void fwd_close(struct fwd *fwd);

#endif /* FWD_H */
