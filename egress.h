/* SPDX-License-Identifier: GPL-2.0-or-later */
/* egress.h - may a guest begin a flow? Its policy (policy.h), with the groups that only kernel and network know */
#ifndef EGRESS_H
#define EGRESS_H

#include "ctx.h"
#include "policy.h"

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

/* egress_judge() of a guest with a policy */
enum drop egress_verdict(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to);

/**
 * egress_judge() - verdict on a flow that the guest begins
 * @proto:	IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP or IPPROTO_ICMPV6
 * @to:		endpoint to connect or send to, after all mapping
 *
 * Return: DROP_NONE, or DROP_POLICY, and the guest is to see that
 */
static inline enum drop egress_judge(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *to)
{
	return g->policy ? egress_verdict(c, g, proto, to) : DROP_NONE;
}

#endif /* EGRESS_H */
