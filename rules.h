/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rules.h - forwarding rules: a table of them, their text, and the ports that each is to have */
#ifndef RULES_H
#define RULES_H

#include <net/if.h>
#include <string.h>

#include "addr.h"
#include "util.h"

#define RULES_MAX	1024
#define PORT_MAP	((UINT16_MAX + 1) / 8)	/* bytes of a map with a bit for each port */

/* One forwarding rule: connections and datagrams to addresses and ports of the host (-t, -u) go to the guest; or the
 * other way round
 */
struct rule {
	uint8_t		proto;			/* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t		guest;			/* index in ctx.guest */
	bool		outward;		/* -T, -U: listens in the namespace, and leads to the host */
	bool		any;			/* no address given: both families */
	bool		weak;			/* of "all": less ephemeral ports, and those that can't be had */
	bool		automatic;		/* ports are open only while their target is bound on the other side */
	struct addr	addr;			/* bound on the host, if not @any */
	char		ifname[IFNAMSIZ];	/* bound to this interface, or empty */
	uint16_t	first, last;		/* ports on the host */
	uint16_t	to;			/* port in the guest for @first */
	struct addr	to_addr;		/* the guest's side, of @addr's family; unspecified: its own address */
	uint16_t	opt;			/* option it came from, for messages; RULES_MAX: none */
};

/* Rules that somebody wants */
struct rules {
	struct rule	rule[RULES_MAX];
	unsigned	n;
	bool		run_time;		/* not of the command line: messages show them as they are */
};

/* A rule in force */
struct fwd_rule {
	struct rule	r;
	uint32_t	id;			/* never used again */
	uint64_t	accepted;		/* connections, or UDP flows that the host's side started */
};

/* Ports that connections of a host or namespace come from (ip(7), ip_local_port_range), of all protocols */
struct ephemeral {
	uint16_t	first, last;
};

static inline bool is_ephemeral(const struct ephemeral *e, uint32_t port)
{
	return port >= e->first && port <= e->last;
}

/* Same guest, bound address and interface? */
static inline bool rule_same_place(const struct rule *a, const struct rule *b)
{
	return a->proto == b->proto && a->outward == b->outward && a->guest == b->guest && a->any == b->any &&
	       (a->any || addr_eq(&a->addr, &b->addr)) && !strcmp(a->ifname, b->ifname);
}

/* Same in every way that matters to traffic? */
static inline bool rule_same(const struct rule *a, const struct rule *b)
{
	return rule_same_place(a, b) && a->guest == b->guest && a->weak == b->weak && a->automatic == b->automatic &&
	       a->first == b->first && a->last == b->last && a->to == b->to && addr_eq(&a->to_addr, &b->to_addr);
}

/* Is its target one that only splicing reaches: the guest's loopback? */
static inline bool rule_needs_splice(const struct rule *r)
{
	return !r->outward && addr_is_loopback(&r->to_addr);
}

/* How exact a rule is about its ports: of several in one place, the most exact one has a port */
enum exactness { AUTOMATIC, WEAK, NAMED };

static inline enum exactness rule_exactness(const struct rule *r)
{
	return r->automatic ? AUTOMATIC : r->weak ? WEAK : NAMED;
}

/* Target port for a port of the rule's */
static inline uint16_t rule_to(const struct rule *r, uint32_t port)
{
	return (uint16_t)(r->to + (port - r->first));
}

/* Reason to refuse a rule: a port, and the text of another rule. libvirt's tests look for the first words. */
#define RULE_OVERLAP	"Overlapping port specifier: port %u is already forwarded by option '%s'"

/**
 * rules_add() - one rule more; the very same rule again is no error, two that contradict each other are
 *
 * Return: NULL, or why it is refused; valid until the next call
 */
const char *rules_add(struct rules *t, const struct rule *r);

/* The next rules come from an option with this value, which is kept: number for rule.opt, RULES_MAX if none is left */
uint16_t rules_option(const struct rules *t, const char *val);

/* Is @port one that a rule may listen on? @eph: of the host, and of the namespace */
bool rule_covers(const struct rule *r, const struct ephemeral eph[2], uint32_t port);

/**
 * rules_plan() - ports that one rule of a table is to listen on, as far as nobody else has them
 * @t:		table of @n rules
 * @i:		the rule
 * @eph:	of the host, and of the namespace: left alone by weak rules, both by automatic ones
 * @bound:	map of bound ports on the side that the rule leads to, for automatic rules
 * @map:	bits of the rule's ports are set
 *
 * Rules that name ports have all of these. Others leave them out; of "all" and automatic rules, the first has a port.
 *
 * Return: a port that was left to a more exact rule, 0: none was
 */
uint16_t rules_plan(const struct fwd_rule *t, unsigned n, unsigned i, const struct ephemeral eph[2],
		    const uint8_t *bound, uint8_t *map);

/**
 * rules_heir() - rule of a new table that has a port from now on, and its socket
 * @t:		new table of @n rules, of which those in front of @first were in the table before
 * @of:		rule that had the port
 * @stays:	its index in @t, or RULES_MAX if it is gone
 *
 * What a rule has stays with it, unless one comes that is more exact. For an automatic one, the next scan decides.
 *
 * Return: index in @t, or RULES_MAX: nobody wants it
 */
uint16_t rules_heir(const struct fwd_rule *t, unsigned n, uint16_t first, const struct rule *of, uint16_t stays,
		    const struct ephemeral eph[2], uint32_t port);

/* Can't there be listeners of both with one port? Any address is one of both families, and no interface is each. */
bool rules_meet(const struct rule *a, const struct rule *b);

/* Interface that a rule shows: outward rules for any address are bound to the loopback interface */
const char *rule_ifname(const struct rule *r);

#define RULE_STRLEN		(2 * ADDR_STRLEN + IFNAMSIZ + 48)
#define RULE_SHOW_STRLEN	(2 * ADDR_STRLEN + IFNAMSIZ + 80)
#define RULE_TEXT_MAX		MAX(RULE_STRLEN, 128)		/* of rule_text() */

/* Rule as the option that makes it, "-t 127.0.0.1%eth0/80-90:180-190", into @buf, which is returned */
const char *rule_fmt(const struct rule *r, char buf[static RULE_STRLEN]);

/* Rule as tables show it, "TCP [127.0.0.1]%eth0:80-90  =>  180-190 ", into @buf, which is returned */
const char *rule_show(const struct rule *r, char buf[static RULE_SHOW_STRLEN]);

/* The option a rule came from, or rule_fmt(), for messages: "-t 8080:80"; valid until the next call */
const char *rule_text(const struct rule *r);

#endif /* RULES_H */
