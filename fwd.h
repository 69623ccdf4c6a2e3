/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fwd.h - which address becomes which, and what listens
 *
 * All mapping between the guest's view and the host's is here, as pure functions over struct conf and what was
 * learned of the guest. Order, outbound: DNS forward (ports 53 and 853), host loopback, host's own address, everything
 * else as it is. Inbound: a client on the host's loopback, or with the guest's own address, can't be shown as it is, and
 * becomes the address that leads back to it. Loopback addresses never pass the link, in either direction.
 */
#ifndef FWD_H
#define FWD_H

#include "conf.h"
#include "drop.h"
#include "flow.h"
#include "sock.h"
#include "util.h"

#define LISTENERS_MAX	(1U << 17)	/* all ports of TCP and of UDP */
#define ENTRIES_MAX	(2 * RULES_MAX)	/* while a table replaces another one, there are both */

/* Addresses the guest was seen to use; at first those assigned to it */
struct seen {
	struct addr	addr[FAMILIES];		/* last global (or private) source address */
	struct addr	ll;			/* last IPv6 link-local one */
};

struct listener {
	int		fd;			/* -1: entry is free */
	uint16_t	rule;			/* index in fwd.rule */
	uint16_t	was;			/* the same, before a change of the table that may be undone */
	uint16_t	port;			/* that it is bound to */
	bool		v4, v6;			/* what it accepts */
	uint32_t	next;			/* of @paused or @free: index + 1, or 0 */
};

struct fwd_rule {
	struct rule	r;
	uint32_t	id;			/* never used again; 0: entry is free */
	uint64_t	accepted;		/* connections, or UDP flows that the host's side started */
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

	/* Opens sockets in the namespace, once we can't enter it any more: up to @n of a family (AF_INET, AF_INET6) into @fd; how
	 * many, or -errno if none
	 */
	int		(*ns_sockets)(int family, int type, int proto, int *fd, unsigned n);

	/* A UDP listener is about to be closed: what uses its socket has to end */
	void		(*udp_gone)(struct fwd *fwd, uint32_t listener);

	/* A rule names a UDP port of the host's that somebody has: true if it was a flow of the guest's, which has ended */
	bool		(*udp_wanted)(struct fwd *fwd, uint16_t port);
};

/**
 * fwd_out() - where a flow the guest starts goes on the host: not always to the family that the guest uses, see --dns-forward
 * @c:		configuration
 * @s:		what was learned of the guest
 * @proto:	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP or IPPROTO_ICMPV6
 * @src:	guest's endpoint
 * @dst:	endpoint it wants to reach
 * @host:	filled in: peer to connect or send to, own address to bind (unspecified: the kernel's choice), and
 *		@src's port
 *
 * Return: DROP_NONE, DROP_ADDR or DROP_POLICY
 */
enum drop fwd_out(const struct conf *c, const struct seen *s, uint8_t proto, const struct end *src,
		  const struct end *dst, struct side *host);

/**
 * fwd_in() - how a connection or datagram that arrived on the host looks to the guest
 * @r:		rule of the listener
 * @host:	peer: client; our: local address and port it came to
 * @guest:	filled in: peer: endpoint in the guest; our: the client as the guest sees it
 *
 * Return: DROP_NONE, DROP_ADDR or DROP_POLICY
 */
enum drop fwd_in(const struct conf *c, const struct seen *s, const struct rule *r, const struct side *host,
		 struct side *guest);

/**
 * fwd_splice() - does a connection that was accepted, or a datagram, go straight to a socket on the other side?
 * @r:		rule of the listener
 * @from:	peer: client; our: local address and port it came to; in the namespace if @r is outward
 * @to:		filled in: peer: what to connect to
 *
 * From the host: if the client is on loopback. To the rule's target, loopback included: this is the only way to a target
 * there. Without one, to the namespace's own address, so that a service on its loopback stays its own; to loopback where it
 * has no address, or with --host-lo-to-ns-lo. Never to a port of ours, which would lead back and round for ever. From the
 * namespace: if it came to loopback, or to an address that the rule names.
 */
bool fwd_splice(const struct fwd *fwd, const struct conf *c, const struct seen *s, const struct rule *r, const struct side *from,
		struct side *to);

/**
 * fwd_icmp_src() - guest-side address for a router or host that sent an ICMP error
 * @a:		address as the host saw it
 *
 * Return: address to show; @a itself wherever it can be shown, otherwise the gateway's
 */
struct addr fwd_icmp_src(const struct conf *c, const struct seen *s, const struct addr *a);

/* Is @a a rule's target, and not the address assigned? That it speaks doesn't make it the guest's own. */
bool fwd_is_target(const struct fwd *fwd, const struct conf *c, const struct addr *a);

/* Interface index for a link-local or multicast destination on the host, or 0 */
unsigned fwd_scope(const struct conf *c, const struct addr *a);

/* How a flow that the guest starts leaves the host: interfaces, by the family of @to, where fwd_out() leads what was sent to
 * @asked
 */
struct sock_out fwd_leave(const struct conf *c, const struct end *asked, const struct addr *to);

/**
 * fwd_listen() - open the sockets of all rules of conf.rule, and register them with epoll
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
int fwd_listen(struct fwd *fwd, const struct conf *c, int epfd);

/* The same for outward rules, in the target namespace: whoever calls is there. Bound to its loopback interface. */
int fwd_listen_ns(struct fwd *fwd, const struct conf *c, int epfd);

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
int fwd_replace(struct fwd *fwd, const struct conf *c, const struct rules *want, struct fwd_failure *why);

/* Can there be such a rule at all? 0; -EAFNOSUPPORT, -EPROTONOSUPPORT, -EOPNOTSUPP, -ENETUNREACH: as fwd_replace() */
int fwd_rule_possible(const struct fwd *fwd, const struct conf *c, const struct rule *r);

/* Listeners of an automatic rule become those whose target is in @bound, a map of ports: false if some could not be had */
bool fwd_follow(struct fwd *fwd, const struct conf *c, struct fwd_rule *fr, const uint8_t *bound);

/* Would a connection, or datagram, to @e be one to a listener of ours: on the host, or, @outward, in the namespace? */
bool fwd_leads_to_us(const struct fwd *fwd, bool outward, uint8_t proto, const struct end *e);

/* What a rule makes of a port of its own */
static inline uint16_t rule_to(const struct rule *r, uint16_t port)
{
	return (uint16_t)(r->to + (port - r->first));
}

/* Listener that an event is about, and that is still one of this protocol, or NULL */
struct listener *fwd_listener(struct fwd *fwd, uint32_t idx, uint8_t proto);

/* Lets go of all ports, for a successor that starts as soon as it hears of our end: exit() would close the link before them */
void fwd_close(struct fwd *fwd);

#endif /* FWD_H */
