/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy.h - egress policy: rules in order, and the verdict on a flow that a guest begins
 *
 * Rules are added, from the command line or a file, compiled once, and then only looked up: the cost depends on the
 * number of prefixes around an address, at most 129, of labels in a name, at most 127, and on the logarithm of the
 * number of rules. The first rule that matches decides; without one, the default does. policy_text.c has the grammar,
 * doc/policy.md the manual.
 *
 * A name here is text in lower case, without the root's dot: "example.com".
 */
#ifndef POLICY_H
#define POLICY_H

#include "addr.h"

#define POLICY_MAX	10000			/* rules */
#define POLICY_RANGES	32768			/* ranges of ports in all of them */
#define POLICY_TEXT	(1U << 20)		/* bytes of files */
#define POLICY_NONE	((1U << 14) - 1)	/* no rule: more than any rule's number */
#define POLICY_EDGES	(2 * (3 * POLICY_RANGES + 6 * POLICY_MAX) + POLICY_MAX)
#define POLICY_SLOTS	(1U << 15)		/* of the hash of names: twice as many as rules, or more */
#define PORT_DNS	53
#define PORT_DOT	853			/* DNS over TLS, DTLS, QUIC (RFC 7858, 8094, 9250) */

enum verdict { ALLOW, DENY, ASK };

/* For flows that no rule matches; EGRESS_UNSET: locked as soon as a rule allows or asks, or else open */
enum egress { EGRESS_UNSET, EGRESS_OPEN, EGRESS_INTERNET, EGRESS_LOCKED, EGRESS_WORDS };

extern const char *const egress_name[EGRESS_WORDS];
extern const char *const verdict_name[];

/* Groups of addresses, as numbers of bits. The first ones are words of rules, in policy_text.c. */
enum group {
	GROUP_ANY,
	GROUP_PUBLIC,		/* globally reachable, and in none of the following */
	GROUP_PRIVATE,
	GROUP_HOST,		/* address of the host: known to the kernel alone, but for loopback ones */
	GROUP_LOOPBACK,
	GROUP_LINK_LOCAL,
	GROUP_METADATA,
	GROUP_MULTICAST,	/* and broadcast; a network's broadcast address is known to the kernel alone */
	GROUPS,
	GROUP_RESOLVER = GROUPS	/* a resolver that the guest is given */
};

/* By name, UDP port 443 takes a rule for UDP only: QUIC would hide the server's name, TCP shows it */
enum policy_proto { POLICY_TCP, POLICY_UDP, POLICY_ECHO, POLICY_PROTOS, POLICY_QUIC = POLICY_PROTOS, POLICY_KEYS };

enum target { TARGET_V4, TARGET_V6, TARGET_GROUP, TARGET_NAME, TARGET_BELOW /* all names below it */ };

struct port_range {
	uint16_t	first, last;
};

struct policy_rule {
	const char	*text;			/* as it was given, and the reason given with it, or NULL */
	const char	*reason;
	uint64_t	hits, denied;		/* flows it decided on, and refused */
	struct addr	addr;			/* of a prefix */
	const char	*name;			/* in any case, in @text */
	uint8_t		plen;			/* of 128 bits for both families; number of a group; bytes of @name */
	uint8_t		target;			/* enum target */
	uint8_t		verdict;		/* enum verdict */
	uint8_t		protos;			/* bits by enum policy_proto */
	uint16_t	ranges, nranges;	/* of ports, in policy.range; none: all ports */
};

/* The rules of one prefix, group or name: a map of protocol and port, by their edges */
struct policy_place {
	struct addr	addr;
	uint8_t		plen, target;
	uint16_t	up;			/* next larger prefix around it, or POLICY_NONE */
	uint16_t	rule;			/* the first one */
	uint32_t	edges, nedges;
};

struct policy {
	enum egress	given, egress;		/* default by its word, and in force */
	uint64_t	hits, denied;		/* flows that the default decided on, and refused */
	unsigned	nrules, nplaces;
	unsigned	first_v6, end_v6;	/* places are in order of their targets */
	unsigned	slots;			/* of @slot, in use; 0: no rule has a name */
	unsigned	no_name;		/* first rule that denies a name, or POLICY_NONE */
	unsigned	nranges, nedges;
	size_t		ntext;
	uint16_t	group[GROUPS];		/* its place, or POLICY_NONE */
	struct policy_rule	rule[POLICY_MAX];
	struct policy_place	place[POLICY_MAX];
	struct port_range	range[POLICY_RANGES];
	uint16_t	slot[POLICY_SLOTS];	/* places with names by their hash; number + 1, or 0 */
	uint32_t	edge[POLICY_EDGES];	/* protocol and port above the number of the rule from there on */
	char		text[POLICY_TEXT];
};

/* An empty policy, which takes the place of @old (NULL: there is none) and keeps its default. As much of it is touched
 * as is used.
 */
struct policy *policy_new(const struct policy *old);

/**
 * policy_add() - one rule more
 * @text:	"tcp/192.0.2.0/24:80,443", kept
 * @reason:	kept, or NULL
 *
 * Return: NULL, or the reason to refuse it, valid until the next call
 */
const char *policy_add(struct policy *p, enum verdict v, const char *text, const char *reason);

/* Default by its word: NULL, or the reason to refuse it */
const char *policy_egress(struct policy *p, const char *word);

/**
 * policy_file() - rules of a file, a rule a line
 * @line:	filled in: number of the line at fault, 0: the file itself
 *
 * Return: NULL, or the reason to refuse it
 */
const char *policy_file(struct policy *p, const char *path, unsigned *line);

/* The same, of @len bytes at @text, kept and changed; a byte behind them is written, too */
const char *policy_lines(struct policy *p, char *text, size_t len, unsigned *line);

/* After the last rule, before the first verdict */
void policy_compile(struct policy *p);

/* Is any flow refused, or a question? */
static inline bool policy_matters(const struct policy *p)
{
	return p->nrules || p->egress != EGRESS_OPEN;
}

/* Is there a rule that asks? */
bool policy_asks(const struct policy *p);

/* Groups of an address as bits, all but those that only the kernel and the network's settings know */
unsigned policy_groups(const struct addr *a);

/* The same of an address of the host, or one that many get, in whichever groups it would be otherwise */
unsigned policy_groups_with(unsigned groups, enum group also);

/* IPv4 addresses that an IPv6 address carries (RFC 3056, 4380, 6052), into @v4: their number */
#define POLICY_CARRIED	2
unsigned policy_carried(const struct addr *a, struct addr v4[static POLICY_CARRIED]);

/* Do the guest's first bytes matter, as they name the server? */
enum by_name {
	BY_ADDRESS,		/* the address is allowed, whatever names it has */
	BUT_NAMES,		/* so it is, but there are names that are not: none of those may be sent */
	BY_NAME,		/* it is allowed by a name only: that must be sent, or another one that is allowed */
	BY_RESOLVER,		/* the flow is one of queries, which are judged one by one */
};

struct decision {
	uint16_t	rule;			/* its number, POLICY_NONE: the default */
	uint8_t		verdict;		/* enum verdict */
	uint8_t		by;			/* enum by_name */
	uint16_t	grant;			/* the name that @rule is for: its number (names.h), or 0 */
};

/* Verdict on a flow to one address, without those that it carries. @groups: the address's; @name: one that was granted
 * for it, or NULL
 */
struct decision policy_judge(const struct policy *p, enum policy_proto proto, const struct end *to, unsigned groups,
			     const char *name);

/* May a guest ask for the addresses of a name? So it may if it may use them in any way. */
struct decision policy_query(const struct policy *p, const char *name);

/* Do the guest's first bytes on that port have the server's name: in TLS, in HTTP? */
bool policy_shows_name(enum policy_proto proto, uint16_t port);

/* Groups of addresses that a name never leads to */
#define POLICY_NAMELESS	(1U << GROUP_HOST | 1U << GROUP_LOOPBACK | 1U << GROUP_LINK_LOCAL | 1U << GROUP_METADATA | \
			 1U << GROUP_MULTICAST)

/* Is port 53 the program's, whatever the address: are queries judged, and answered by the program's resolver? */
static inline bool policy_resolves(const struct policy *p)
{
	return p && (p->slots || p->egress == EGRESS_INTERNET);
}

#endif /* POLICY_H */
