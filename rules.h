/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rules.h - forwarding rules: table, text, and the ports of each */
#ifndef RULES_H
#define RULES_H

#include <net/if.h>
#include <string.h>

#include "addr.h"
#include "util.h"

#define RULES_MAX	1024
#define RULE_NAME	64		/* RFC 1035 2.3.4, a label and its terminator */
#define PORT_MAP	((UINT16_MAX + 1) / 8)	/* bytes of a map with a bit for each port */

/* Connections and datagrams to ports of the host (-t, -u) go to the guest, or the other way round */
struct rule {
	uint8_t		proto;			/* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t		guest;			/* index in ctx.guest */
	bool		outward;		/* -T, -U: from the namespace to the host */
	bool		any;			/* no address given: both families */
	bool		weak;			/* "all": without ephemeral ports, and ports in use */
	bool		automatic;		/* a port is open only while its target is bound */
	struct addr	addr;			/* bound on the host, unless @any */
	char		ifname[IFNAMSIZ];	/* bound to this interface, or empty */
	uint16_t	first, last;		/* ports on the host */
	uint16_t	to;			/* port in the guest for @first */
	struct addr	to_addr;		/* in the guest, of @addr's family; unspecified: its own address */
	char		to_name[RULE_NAME];	/* of the guest, in place of its address, or empty */
	uint16_t	opt;			/* its option, for messages; RULES_MAX: none */
};

struct rules {
	struct rule	rule[RULES_MAX];
	unsigned	n;
	bool		lan;			/* targets may be names, or addresses of either family */
	bool		run_time;		/* not of the command line: without the text of an option */
};

/* A rule in force */
struct fwd_rule {
	struct rule	r;
	uint32_t	id;			/* never used again */
	uint64_t	accepted;		/* connections, or UDP flows started from the host's side */
};

/* Local ports of a host's or namespace's connections (ip(7), ip_local_port_range), of all protocols */
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

/* Same effect on traffic? */
static inline bool rule_same(const struct rule *a, const struct rule *b)
{
	return rule_same_place(a, b) && a->weak == b->weak && a->automatic == b->automatic && a->first == b->first &&
	       a->last == b->last && a->to == b->to && addr_eq(&a->to_addr, &b->to_addr) &&
	       !strcmp(a->to_name, b->to_name);
}

/* Is the target the guest's loopback, which takes splicing? */
static inline bool rule_needs_splice(const struct rule *r)
{
	return !r->outward && addr_is_loopback(&r->to_addr);
}

/* Of several rules in one place, the most exact one has a port */
enum exactness { AUTOMATIC, WEAK, NAMED };

static inline enum exactness rule_exactness(const struct rule *r)
{
	return r->automatic ? AUTOMATIC : r->weak ? WEAK : NAMED;
}

/* Target of @port */
static inline uint16_t rule_to(const struct rule *r, uint32_t port)
{
	return (uint16_t)(r->to + (port - r->first));
}

/* Reason to refuse a rule: a port, and another rule's text. libvirt's tests look for the first words. */
#define RULE_OVERLAP	"Overlapping port specifier: port %u is already forwarded by option '%s'"

/**
 * rules_add() - one rule more; a rule given twice is no error, a contradiction is
 *
 * Return: NULL, or the reason to refuse it, valid until the next call
 */
const char *rules_add(struct rules *t, const struct rule *r);

/* Value, which is kept, of the option that the next rules come from: number for rule.opt; RULES_MAX: too many */
uint16_t rules_option(const struct rules *t, const char *val);

/* May the rule listen on @port? @eph: of the host, and of the namespace */
bool rule_covers(const struct rule *r, const struct ephemeral eph[2], uint32_t port);

/**
 * rules_plan() - ports for rule @i of a table to listen on
 * @t:		table of @n rules
 * @eph:	of the host, and of the namespace: weak rules leave out their side's, automatic ones both
 * @bound:	map of bound ports on the target's side, for automatic rules
 * @map:	bits of the rule's ports are set
 *
 * Ports that a rule names are its own: others leave them out. Of "all" and automatic rules, the first has a port.
 *
 * Return: a port left to a more exact rule, 0: none
 */
uint16_t rules_plan(const struct fwd_rule *t, unsigned n, unsigned i, const struct ephemeral eph[2],
		    const uint8_t *bound, uint8_t *map);

/**
 * rules_heir() - rule of a new table that gets a port and its socket
 * @t:		new table of @n rules; those in front of @first are not new
 * @of:		rule that had the port
 * @stays:	its index in @t, or RULES_MAX if it is gone
 *
 * A rule keeps its ports, unless a more exact one comes. For an automatic one, the next scan decides.
 *
 * Return: index in @t, or RULES_MAX: none
 */
uint16_t rules_heir(const struct fwd_rule *t, unsigned n, uint16_t first, const struct rule *of, uint16_t stays,
		    const struct ephemeral eph[2], uint32_t port);

/* Do listeners of both with one port conflict? Any address is in both families, no interface is each. */
bool rules_meet(const struct rule *a, const struct rule *b);

/* Interface of a rule, for its text: outward rules for any address are bound to the loopback interface */
const char *rule_ifname(const struct rule *r);

#define RULE_STRLEN		(ADDR_STRLEN + RULE_NAME + IFNAMSIZ + 48)
#define RULE_SHOW_STRLEN	(ADDR_STRLEN + RULE_NAME + IFNAMSIZ + 80)
#define RULE_TEXT_MAX		MAX(RULE_STRLEN, 128)		/* of rule_text() */

/* Rule as the option that makes it, "-t 127.0.0.1%eth0/80-90:180-190", into @buf, which is returned */
const char *rule_fmt(const struct rule *r, char buf[static RULE_STRLEN]);

/* Rule as tables show it, "TCP [127.0.0.1]%eth0:80-90  =>  180-190 ", into @buf, which is returned */
const char *rule_show(const struct rule *r, char buf[static RULE_SHOW_STRLEN]);

/* A rule's option, or rule_fmt(), for messages: "-t 8080:80"; valid until the next call */
const char *rule_text(const struct rule *r);

#endif /* RULES_H */
