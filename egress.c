/* SPDX-License-Identifier: GPL-2.0-or-later */
/* egress.c - may a guest begin a flow?
 *
 * Addresses of the host come and go: the kernel is asked, by a look-up of the route (rtnetlink(7)), at most once for an
 * address, and only if the answer makes a difference to the verdict. Without an answer, the address counts as the
 * host's where that refuses it.
 *
 * A destination that carries other addresses, of relays and translators, is refused if one of them is. Names that were
 * granted for it (names.h) count as rules for it, in their order.
 */
#include <linux/rtnetlink.h>
#include <stdio.h>

#include "ask.h"
#include "egress.h"
#include "names.h"

#define RULE_RESOLVER	"resolver"	/* in place of a rule's text */

void egress_set(struct ctx *c, struct policy *p)
{
	c->egress.policy = p;
	c->egress.since = c->flows.id;
	for (unsigned i = 0; i < c->guests; i++)
		c->guest[i].policy = p && policy_matters(p) ? p : NULL;
	ask_renew(c);
}

int egress_start(struct ctx *c, struct policy *p, bool later)
{
	c->egress.nl.fd = -1;
	ask_start(c);
	egress_set(c, p);
	return later || c->guest[0].policy ? nl_open(&c->egress.nl, NETLINK_ROUTE) : 0;
}

/* Groups that the network's settings know, added to the address's */
static unsigned groups_here(const struct net *net, const struct addr *a)
{
	const struct net_ip *ip = &net->ip[addr_family(a)];
	unsigned groups = policy_groups(a);

	/* The host's address, which the guest has too: --map-guest-addr leads there */
	if (addr_is(a, &ip->guest.addr))
		groups = policy_groups_with(groups, GROUP_HOST);
	for (enum family f = V4; f < FAMILIES; f++) {
		for (unsigned i = 0; i < net->ip[f].guest.ndns; i++)
			groups |= (unsigned)addr_eq(a, &net->ip[f].guest.dns[i]) << GROUP_RESOLVER;
		groups |= (unsigned)addr_is(a, &net->ip[f].dns_host) << GROUP_RESOLVER;
	}
	return groups;
}

static bool same(struct decision a, struct decision b)
{
	return a.rule == b.rule && a.verdict == b.verdict && a.by == b.by;
}

/* Of several decisions, a refusal counts, or else a question: @d or @also, in @d; and names matter if they do to one */
static void stricter(struct decision *d, struct decision also)
{
	uint8_t by = MAX(d->by, also.by);

	if (also.verdict == DENY || (also.verdict == ASK && d->verdict == ALLOW) ||
	    (also.verdict == d->verdict && also.by > d->by))
		*d = also;
	if (d->verdict != DENY)
		d->by = by;
}

/* Is it by a rule for a name? */
static bool is_named(const struct policy *p, const struct decision *d)
{
	return d->rule != POLICY_NONE && p->rule[d->rule].name;
}

/* An address, and the knowledge of kernel and network about it */
struct known {
	struct end	e;
	unsigned	groups;
	int		route;			/* nl_route_type(), as soon as it was asked */
	bool		asked;
};

static struct known known(const struct net *net, const struct addr *a, uint16_t port)
{
	return (struct known){ .e = { *a, port }, .groups = groups_here(net, a) };
}

/* Decision on one address, under a name that was granted for it, or NULL */
static struct decision judge_one(struct ctx *c, const struct policy *p, enum policy_proto proto, struct known *k,
				 const char *name)
{
	struct decision d = policy_judge(p, proto, &k->e, k->groups, name), host, many;

	host = policy_judge(p, proto, &k->e, policy_groups_with(k->groups, GROUP_HOST), name);
	many = policy_judge(p, proto, &k->e, policy_groups_with(k->groups, GROUP_MULTICAST), name);
	if (same(d, host) && same(d, many))
		return d;
	if (!k->asked)
		k->route = nl_route_type(&c->egress.nl, &k->e.a);
	k->asked = true;
	switch (k->route) {
	case RTN_LOCAL:
	case RTN_ANYCAST:
		return host;
	case RTN_BROADCAST:
	case RTN_MULTICAST:
		return many;
	case RTN_UNICAST:
	case RTN_UNREACHABLE:
		return d;
	default:
		stricter(&d, host);
		stricter(&d, many);
		return d;
	}
}

static enum policy_proto policy_proto(uint8_t proto)
{
	return proto == IPPROTO_TCP ? POLICY_TCP : proto == IPPROTO_UDP ? POLICY_UDP : POLICY_ECHO;
}

/* A destination, and addresses that it carries */
struct goal {
	struct known	k[1 + POLICY_CARRIED];
	unsigned	n;
};

static struct goal goal_of(const struct net *net, const struct end *to)
{
	struct goal pl = { .n = 1 };
	struct addr v4[POLICY_CARRIED];
	unsigned n = policy_carried(&to->a, v4);

	pl.k[0] = known(net, &to->a, to->port);
	for (unsigned i = 0; i < n; i++)
		pl.k[pl.n++] = known(net, &v4[i], to->port);
	return pl;
}

static struct decision judge_as(struct ctx *c, const struct policy *p, enum policy_proto proto, struct goal *pl,
				const char *name)
{
	struct decision d = judge_one(c, p, proto, &pl->k[0], name);

	for (unsigned i = 1; i < pl->n; i++)
		stricter(&d, judge_one(c, p, proto, &pl->k[i], name));
	return d;
}

/* Of the names that were granted for the destination, the one that is allowed counts, or else one that is a question;
 * without any, the address. The guest's first bytes may show which one it is.
 */
static struct decision judge(struct ctx *c, const struct policy *p, const struct guest *g, uint8_t proto,
			     const struct end *to)
{
	enum policy_proto pp = policy_proto(proto);
	uint16_t grant = p->slots && pp != POLICY_ECHO ? names_next(c, g, &to->a, 0) : 0;
	struct goal pl = goal_of(&c->net, to);
	struct decision best, d;

	best = judge_as(c, p, pp, &pl, grant ? names_text(grant) : NULL);
	best.grant = grant;
	while (grant && best.verdict != ALLOW && (grant = names_next(c, g, &to->a, grant))) {
		d = judge_as(c, p, pp, &pl, names_text(grant));
		d.grant = grant;
		if (d.verdict == ALLOW || (d.verdict == ASK && best.verdict == DENY))
			best = d;
	}
	if (!is_named(p, &best))
		best.grant = 0;
	return best;
}

/* The default, as the rule of a line: "egress locked" */
static const char *default_text(const struct policy *p, char buf[static EGRESS_STRLEN])
{
	snprintf(buf, EGRESS_STRLEN, "egress %s", egress_name[p ? p->egress : EGRESS_OPEN]);
	return buf;
}

const char *egress_rule(const struct ctx *c, const struct flow *f, char buf[static EGRESS_STRLEN])
{
	const struct policy *p = c->egress.policy;

	if (!f->egress || f->id <= c->egress.since)
		return NULL;
	if (f->decision.by == BY_RESOLVER)
		return RULE_RESOLVER;
	return f->decision.rule == POLICY_NONE ? default_text(p, buf) : p->rule[f->decision.rule].text;
}

/* Name that a decision is about: the one that was granted for it, or the last one of the address; NULL: none */
static const char *name_of(struct ctx *c, const struct guest *g, const struct end *to, const struct decision *d)
{
	return d->grant ? names_text(d->grant) : names_of(c, g, &to->a);
}

static void count(struct policy *p, const struct decision *d, bool allowed)
{
	++*(d->rule == POLICY_NONE ? &p->hits : &p->rule[d->rule].hits);
	*(d->rule == POLICY_NONE ? &p->denied : &p->rule[d->rule].denied) += !allowed;
}

/* Rule and reason of a decision; @buf: for the default's */
static void note_rule(struct flow_note *n, const struct policy *p, const struct decision *d,
		      char buf[static EGRESS_STRLEN])
{
	const struct policy_rule *r = d->rule == POLICY_NONE ? NULL : &p->rule[d->rule];

	n->rule = r ? r->text : default_text(p, buf);
	if (r && r->reason)
		n->reason = r->reason;
}

/* The record of a verdict, which is that of an answer if the rule asks */
static void record(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to, const struct decision *d,
		   bool allowed)
{
	struct flow_note n = {
		.event = allowed ? FLOW_ALLOW : FLOW_DENY, .dir = FLOW_OUT, .proto = proto, .g = g, .id = c->flows.id,
		.to = to, .name = name_of(c, g, to, d),
	};
	char text[EGRESS_STRLEN];

	note_rule(&n, g->policy, d, text);
	flow_log_verdict(c, &n);
}

enum drop egress_verdict(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to, const struct pkt *p,
			 struct decision *d)
{
	struct policy *rules = g->policy;
	enum drop why;

	if (rules)
		*d = judge(c, rules, g, proto, to);
	why = d->verdict == ALLOW ? DROP_NONE : DROP_POLICY;
	if (d->verdict == ASK)
		why = ask_judge(c, g, proto, to, name_of(c, g, to, d), p, rules->rule[d->rule].text);
	if (why == DROP_WAITS || why == DROP_ASK)
		return why;			/* it is judged again */
	if (rules)
		count(rules, d, !why);
	if (c->flow_log.on)
		record(c, g, proto, to, d, !why);
	return why;
}

void egress_queries(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to, struct decision *d)
{
	*d = (struct decision){ .rule = POLICY_NONE, .verdict = ALLOW, .by = BY_RESOLVER };
	c->flows.id++;
	if (c->flow_log.on)
		flow_log_verdict(c, &(struct flow_note){
			.event = FLOW_ALLOW, .dir = FLOW_OUT, .proto = proto, .g = g, .id = c->flows.id, .to = to,
			.rule = RULE_RESOLVER,
		});
}

/* Decision on an endpoint under a name that the guest sent there */
static struct decision judge_sent(struct ctx *c, const struct guest *g, enum policy_proto proto, const struct end *to,
				  const char *name)
{
	struct goal pl = goal_of(&c->net, to);
	struct decision d = judge_as(c, g->policy, proto, &pl, name);
	uint16_t grant = names_find(c, g, &to->a, name);

	d.grant = is_named(g->policy, &d) ? grant : 0;
	if (d.by == BY_NAME && d.verdict != DENY && !grant)
		stricter(&d, judge_as(c, g->policy, proto, &pl, NULL));
	return d;
}

struct decision names_judge(struct ctx *c, const struct guest *g, enum policy_proto proto, const struct end *to,
			    const char *name)
{
	return g->policy ? judge_sent(c, g, proto, to, name) : (struct decision){ .rule = POLICY_NONE };
}

/* The record of a verdict on a flow's first bytes: @name, or an empty text */
static void record_sent(struct ctx *c, const struct flow *f, const struct decision *d, const char *name,
			const char *reason)
{
	struct flow_note n = {
		.event = reason ? FLOW_DENY : FLOW_ALLOW, .dir = FLOW_OUT, .proto = IPPROTO_TCP,
		.g = flow_guest(c, f), .id = f->id, .to = &f->side[HOST].peer, .sni = *name ? name : NULL,
		.name = f->decision.grant ? names_text(f->decision.grant) : NULL, .reason = reason,
	};
	char text[EGRESS_STRLEN];

	note_rule(&n, n.g->policy, d, text);
	flow_log_verdict(c, &n);
}

void names_refused(struct ctx *c, const struct flow *f, const char *name, const char *reason)
{
	struct decision d = { .rule = POLICY_NONE, .verdict = DENY }, sent;
	const struct guest *g = flow_guest(c, f);

	if (!g->policy)
		return;
	if (*name) {
		sent = judge_sent(c, g, POLICY_TCP, &f->side[HOST].peer, name);
		d = sent.verdict == DENY ? sent : d;
	}
	count(g->policy, &d, false);
	if (c->flow_log.on)
		record_sent(c, f, &d, name, reason);
}

void names_allowed(struct ctx *c, const struct flow *f, const char *name)
{
	const struct guest *g = flow_guest(c, f);
	struct decision d;

	if (!g->policy || !c->flow_log.on)
		return;
	d = judge_sent(c, g, POLICY_TCP, &f->side[HOST].peer, name);
	record_sent(c, f, &d, name, NULL);
}

static uint8_t flow_proto(const struct flow *f)
{
	if (f->type == FLOW_PING)
		return IPPROTO_ICMP;
	return f->type == FLOW_TCP || f->type == FLOW_SPLICE ? IPPROTO_TCP : IPPROTO_UDP;
}

/* A flow of queries that would lead to the program's resolver now */
static bool queries_elsewhere(const struct flow *f, const struct policy *p)
{
	return (f->type == FLOW_TCP || f->type == FLOW_UDP) && f->side[GUEST].our.port == PORT_DNS &&
	       policy_resolves(p);
}

/* Would the flow be refused now, by the name that it was allowed by, or by its address? */
static bool refused_now(struct ctx *c, const struct flow *f, const struct policy *p)
{
	const struct end *to = &f->side[HOST].peer;
	struct goal pl = goal_of(&c->net, to);

	if (f->decision.grant &&
	    judge_as(c, p, policy_proto(flow_proto(f)), &pl, names_text(f->decision.grant)).verdict == DENY)
		return true;
	return queries_elsewhere(f, p) || judge(c, p, flow_guest(c, f), flow_proto(f), to).verdict == DENY;
}

unsigned egress_end_refused(struct ctx *c)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < c->flows.unused; i++) {
		struct flow *f = &c->flows.f[i];
		const struct policy *p = flow_guest(c, f)->policy;

		if (f->type != FLOW_FREE && !f->dead && f->egress && p && f->decision.by != BY_RESOLVER &&
		    refused_now(c, f, p))
			n += f->ops->end(c, f);
	}
	return n;
}
