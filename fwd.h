/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd.h - forwarding rules in force, and their listeners */
#ifndef FWD_H
#define FWD_H

#include "flow.h"
#include "net.h"

#define LISTENERS_MAX	(1U << 17)	/* all ports of TCP and of UDP */

struct listener {
	int		fd;			/* -1: entry is free, or its socket had to go */
	uint16_t	rule;			/* index in fwd.rule; RULES_MAX: opened by a change that is under way */
	uint16_t	heir;			/* the same, once that change is through; RULES_MAX: nobody wants it */
	uint16_t	port;			/* that it is bound to; 0: entry is free */
	uint8_t		guest;
	bool		v4 : 1, v6 : 1;		/* families that it accepts */
	bool		gone : 1;		/* UDP: its socket was closed, and flows that used it have to end */
	union {
		uint32_t	next;		/* TCP, or free: of @paused or @free, index + 1, or 0 */
		uint32_t	flow;		/* UDP: its FLOW_UDP_PORT, the same; 0: it was silent so far */
	};
};

struct fwd {
	struct listener	*l;			/* LISTENERS_MAX, in fwd.c */
	uint32_t	n;			/* entries ever used */
	uint32_t	used;			/* those with a socket now */
	uint32_t	free;			/* the others: first index + 1, or 0 */
	uint32_t	paused, paused_last;	/* in want of a descriptor, oldest first: the same (accept.h) */
	uint32_t	max;			/* that there are descriptors for */
	bool		gone;			/* so are some listeners: see fwd_gone() */

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

/**
 * fwd_listen() - open the sockets of all rules of conf.rules, and register them with epoll
 * @epfd:	epoll descriptor, events EV_TCP_LISTEN and EV_UDP_LISTEN with the listener's index
 *
 * One dual-stack socket for a port without an address where both families are on, and two only where the kernel has
 * none. A rule for which one family fails still counts if the other works.
 *
 * Ports that options name come first, and all of them have to be had. Then those of weak rules ("all", or nothing but
 * exclusions): not the host's ephemeral ones (ip_local_port_range), nor ports that are taken or take a privilege; that
 * is an error only if nothing is left of an option's. To be out of descriptors always is one, with the number that it
 * takes: there are never fewer ports for a reason that nobody sees.
 *
 * A port that is taken is tried again for a moment: its owner may be our predecessor, whose namespace has just gone.
 *
 * Errors are logged with the option's text: "Failed to bind port N (reason) for option '-t ...'".
 *
 * Return: 0, or -errno
 */
int fwd_listen(struct fwd *fwd, const struct net *net, int epfd);

/* The same for outward rules, after fwd_listen(): in the namespace, on its loopback interface */
int fwd_listen_ns(struct fwd *fwd, const struct net *net, int epfd);

/* Rule of the table that could not be had, and which of its ports: index into the one that was wanted */
struct fwd_failure {
	unsigned	rule;
	uint16_t	port;
	struct rule	in_the_way;	/* of ours, which has that port, or meant to; none if its first is 0 */
};

/* The table as it is, for fwd_replace() */
void fwd_table(const struct fwd *fwd, struct rules *t);

/**
 * fwd_replace() - another table, as a whole or not at all, once the loop runs; nothing is logged
 * @want:	all rules there shall be; those that are there now keep ID, counter and sockets
 * @why:	filled in if it fails
 *
 * Connections live on, whatever becomes of the rule. UDP flows do if another rule has their port now, as they share
 * its socket; others have to end: see fwd_gone(), also if it failed. Of weak rules, those ports are opened that can be
 * had; of automatic ones, none before the next fwd_follow().
 *
 * Return: 0; -EAFNOSUPPORT, -EPROTONOSUPPORT: switched off; -EOPNOTSUPP: from a namespace, and there is none;
 *	   -ENETUNREACH: to the guest's loopback, and nothing is spliced; -EMFILE: no descriptor left; or why a port
 *	   could not be bound
 */
int fwd_replace(struct fwd *fwd, const struct net *net, const struct rules *want, struct fwd_failure *why);

/* Can there be such a rule at all? 0; -EAFNOSUPPORT, -EPROTONOSUPPORT, -EOPNOTSUPP, -ENETUNREACH: as fwd_replace() */
int fwd_rule_possible(const struct net *net, const struct rule *r);

/**
 * fwd_follow() - listeners of automatic rules become those whose target is bound
 * @outward:	of this direction
 * @bound:	maps of ports, of TCP and of UDP
 *
 * Ports that can't be had are left out, and tried again with the next call. UDP flows may have to end: fwd_gone().
 */
void fwd_follow(struct fwd *fwd, const struct net *net, bool outward, uint8_t bound[2][PORT_MAP]);

/**
 * fwd_gone() - next UDP listener whose socket fwd_replace() or fwd_follow() closed: flows that used it have to end now
 * @from:	0, or the last one and 1
 *
 * Return: its index, or LISTENERS_MAX if there is no other
 */
uint32_t fwd_gone(struct fwd *fwd, uint32_t from);

/* Would a connection, or datagram, to @e be one to a listener of ours: on the host, or, @outward, in the namespace? */
bool fwd_leads_to_us(const struct fwd *fwd, bool outward, uint8_t proto, const struct end *e);

/* Listener that an event is about, and that is still one of this protocol, or NULL */
struct listener *fwd_listener(struct fwd *fwd, uint32_t idx, uint8_t proto);

/* Lets go of all ports, for a successor that starts as soon as our link is closed: exit() would close that first */
void fwd_close(struct fwd *fwd);

#endif /* FWD_H */
