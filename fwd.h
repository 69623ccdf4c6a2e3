/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd.h - the table of forwarding rules, and what listens for them */
#ifndef FWD_H
#define FWD_H

#include "conf.h"
#include "drop.h"
#include "flow.h"
#include "net.h"
#include "sock.h"
#include "util.h"

#define LISTENERS_MAX	(1U << 17)	/* all ports of TCP and of UDP */
#define ENTRIES_MAX	(2 * RULES_MAX)	/* while a table replaces another one, there are both */

struct listener {
	int		fd;			/* -1: entry is free */
	uint16_t	rule;			/* index in fwd.rule */
	uint16_t	was;			/* the same, before a change of the table that may be undone */
	uint16_t	port;			/* that it is bound to */
	bool		v4, v6;			/* what it accepts */
	union {
		uint32_t	next;		/* of @paused or @free: index + 1, or 0 */
		uint32_t	flow;		/* UDP: its FLOW_UDP_PORT, the same; 0: it was silent so far */
	};
};

struct fwd {
	struct listener	*l;			/* LISTENERS_MAX, in fwd.c */
	uint32_t	n;			/* entries ever used */
	uint32_t	used;			/* those that are now */
	uint32_t	free;			/* those that aren't: first index + 1, or 0 */
	uint32_t	paused, paused_last;	/* left alone for want of a descriptor, oldest first: the same (accept.h) */
	uint32_t	max;			/* that there are descriptors for */

	struct fwd_rule	rule[ENTRIES_MAX];
	unsigned	nrules;			/* entries ever used, some of them free */
	unsigned	targets;		/* rules with an address of the guest's side */
	uint32_t	last_id;

	int		epfd;
	uint16_t	eph_first[2], eph_last[2];	/* ephemeral ports: the host's, the namespace's */
	uint32_t	auto_first;		/* lowest port of the host's that opens because the namespace has it bound */
	uint8_t		ours[2][2][(UINT16_MAX + 1) / 8];	/* ports we listen on: host's or namespace's, TCP's or UDP's */

	/* A UDP listener is about to be closed: what uses its socket has to end */
	void		(*udp_gone)(struct fwd *fwd, uint32_t listener);

	/* A rule names a UDP port of the host's that somebody has: true if it was a flow of the guest's, which has ended */
	bool		(*udp_wanted)(struct fwd *fwd, uint16_t port);
};

/**
 * fwd_listen() - open the sockets of all rules of conf.rules, and register them with epoll
 * @epfd:	epoll descriptor, events EV_TCP_LISTEN and EV_UDP_LISTEN with the listener's index
 *
 * One dual-stack socket for a port without an address where both families are on, and two only where the kernel has
 * none. A rule for which one family fails still counts if the other works.
 *
 * Ports that options name come first, and all of them have to be had. Then those of weak rules ("all", or nothing but
 * exclusions): not the host's ephemeral ones (ip_local_port_range), and not what somebody has or what takes a
 * privilege; that is an error only if nothing is left of an option's. To be out of descriptors always is one, and says
 * how many it takes: there are never fewer ports for a reason that nobody sees.
 *
 * A port that somebody has is tried again for a moment: it may be our predecessor, whose namespace has just gone.
 *
 * Errors are logged with the option's text: "Failed to bind port N (reason) for option '-t ...'".
 *
 * Return: 0, or -errno
 */
int fwd_listen(struct fwd *fwd, const struct net *c, int epfd);

/* The same for outward rules, in the target namespace: whoever calls is there. Bound to its loopback interface. */
int fwd_listen_ns(struct fwd *fwd, const struct net *c, int epfd);

/* Rule of the table that could not be had, and which of its ports: index into the one that was wanted */
struct fwd_failure {
	unsigned	rule;
	uint16_t	port;
	struct rule	in_the_way;	/* of ours, which has that port, or meant to; none if its first is 0 */
};

/* The table as it is, in the order in which rules came; for fwd_replace() */
void fwd_table(const struct fwd *fwd, struct rules *t);

/**
 * fwd_replace() - another table, as a whole or not at all, once the loop runs; nothing is logged
 * @want:	all rules there shall be; those that are there now keep ID, counter and sockets
 * @why:	filled in if it fails
 *
 * Connections live on, whatever becomes of the rule. UDP flows do if another rule has their port now, as they share its socket.
 * Of weak rules, those ports are opened that can be had.
 *
 * Return: 0; -EAFNOSUPPORT, -EPROTONOSUPPORT: switched off; -EOPNOTSUPP: from a namespace, and there is none;
 *	   -ENETUNREACH: to the guest's loopback, and nothing is spliced; -EMFILE: no descriptor left; or why a port
 *	   could not be bound
 */
int fwd_replace(struct fwd *fwd, const struct net *c, const struct rules *want, struct fwd_failure *why);

/* Can there be such a rule at all? 0; -EAFNOSUPPORT, -EPROTONOSUPPORT, -EOPNOTSUPP, -ENETUNREACH: as fwd_replace() */
int fwd_rule_possible(const struct net *c, const struct rule *r);

/* Listeners of an automatic rule become those whose target is in @bound, a map of ports: false if some could not be had */
bool fwd_follow(struct fwd *fwd, const struct net *c, struct fwd_rule *fr, const uint8_t *bound);

/* Would a connection, or datagram, to @e be one to a listener of ours: on the host, or, @outward, in the namespace? */
bool fwd_leads_to_us(const struct fwd *fwd, bool outward, uint8_t proto, const struct end *e);

/* Listener that an event is about, and that is still one of this protocol, or NULL */
struct listener *fwd_listener(struct fwd *fwd, uint32_t idx, uint8_t proto);

/* Lets go of all ports, for a successor that starts as soon as it hears of our end: exit() would close the link before them */
void fwd_close(struct fwd *fwd);

#endif /* FWD_H */
