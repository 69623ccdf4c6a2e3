/* SPDX-License-Identifier: GPL-2.0-or-later */
/* egress.h - may a guest begin a flow? Its policy (policy.h), with the groups that only kernel and network know */
#ifndef EGRESS_H
#define EGRESS_H

#include "ctx.h"
#include "policy.h"

#define EGRESS_STRLEN	32		/* "egress internet" */

/**
 * egress_start() - policy of all guests
 * @p:		NULL: everything is allowed
 * @later:	it may be replaced
 *
 * In the host's network namespace, before the seccomp filter, as it opens a socket. Return: 0, or -errno
 */
int egress_start(struct ctx *c, struct policy *p, bool later);

/* Policy of all guests from now on; flows live on */
void egress_set(struct ctx *c, struct policy *p);

/* Ends flows that guests began, and may not begin any more: their number */
unsigned egress_end_refused(struct ctx *c);

/* Text of the rule that allowed a flow, or the default's (@buf); NULL: none that is still in force */
const char *egress_rule(const struct ctx *c, const struct flow *f, char buf[static EGRESS_STRLEN]);

/* egress_judge(), and with a packet egress_open(), of a guest with a policy, or a flow log */
enum drop egress_verdict(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to, const struct pkt *p,
			 struct decision *d);

/**
 * egress_judge() - verdict on a flow that the guest begins
 * @proto:	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP or IPPROTO_ICMPV6
 * @to:		endpoint to connect or send to, after all mapping
 * @d:		filled in, for flow_decided()
 *
 * Return: DROP_NONE, or DROP_POLICY, and the guest is to see that
 */
static inline enum drop egress_judge(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to,
				     struct decision *d)
{
	*d = (struct decision){ .rule = POLICY_NONE, .verdict = ALLOW };
	c->flows.id++;
	return g->policy || c->flow_log.on ? egress_verdict(c, g, proto, to, NULL, d) : DROP_NONE;
}

/* The same on a flow that begins with packet @p. DROP_WAITS: @p waits for an answer; DROP_ASK: the flow does, without
 * it
 */
static inline enum drop egress_open(struct ctx *c, const struct guest *g, const struct pkt *p, const struct end *to,
				    struct decision *d)
{
	*d = (struct decision){ .rule = POLICY_NONE, .verdict = ALLOW };
	c->flows.id++;
	return g->policy || c->flow_log.on ? egress_verdict(c, g, p->proto, to, p, d) : DROP_NONE;
}

/* A flow of queries begins, to @to: no rule is needed */
void egress_queries(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to, struct decision *d);

/**
 * names_judge() - may the guest reach an endpoint under a name of the server's, which it sent there?
 * @name:	in lower case, without the root's dot
 *
 * For flows whose decision is BY_NAME or BUT_NAMES. Return: decision, ALLOW if a rule, or the default, allows the name,
 * and it was granted for that address unless the address itself is allowed
 */
struct decision names_judge(struct ctx *c, const struct guest *g, enum policy_proto proto, const struct end *to,
			    const char *name);

/* Counts and records that the flow is refused after all, by its first bytes: @name, or an empty text, and why */
void names_refused(struct ctx *c, const struct flow *f, const char *name, const char *reason);

/* Records that it is allowed under the name that it sent */
void names_allowed(struct ctx *c, const struct flow *f, const char *name);

#endif /* EGRESS_H */
