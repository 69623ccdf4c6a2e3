/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow.h - the host's network changes while the program runs: guests, flows and the namespace follow
 *
 * Notifications of the kernel (rtnetlink(7)) are reasons to read the host's network again, a moment later. net.c
 * decides what it means. Changes cost at most a hundredth of the time, however many of them come. doc/follow.md has the
 * rules.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "ctx.h"
#include "event.h"
#include "ns.h"

#define GONE_MAX	16

/* An address that was deleted, and may come back */
struct gone {
	struct addr	a;
	uint64_t	at;		/* ms */
	bool		left;		/* it did not: flows end */
};

struct follow {
	struct nl	notes, nl;	/* notifications; requests. In the host's namespace; -1: none */
	int		resolv;		/* line of the process that reads resolv.conf; -1: none */
	struct ns	*ns;		/* NULL: none to configure */
	struct addr	in_ns[FAMILIES];	/* guest's address that the namespace was given last */
	struct timer	read, leave;	/* next reading; next look at addresses that were deleted */
	uint64_t	next;		/* ms: no reading before */
	uint64_t	busy;		/* ms: changes so far are paid for then, see pay() */
	struct gone	gone[GONE_MAX];
	unsigned	ngone;
	bool		any;		/* addresses went that are not in @gone, */
	bool		unbound;	/* or an interface that sockets are bound to, */
	uint64_t	any_at;		/* then. The same, of the walk: */
	bool		walk_any, walk_unbound;
	struct addr	asked;		/* last address looked for in a walk, */
	bool		there;		/* and what was found */
	bool		keeping;	/* the namespace has old addresses until connections end */
	uint32_t	walk;		/* next flow of a walk for addresses that left, FLOW_NONE: there is no walk */
	const struct tap *full;		/* the link that the walk waits for, or NULL */
};

/* Opens sockets in the host's network namespace: before net_start(), so that no change is missed. Without them, the
 * network stays as it is.
 */
void follow_open(struct follow *w, const struct conf *cf);

/* From now on, changes are events (EV_HOST). @ns: namespace to configure, or NULL */
void follow_start(struct follow *w, struct ctx *c, struct ns *ns);

/* Watches resolv.conf, too: after the last error, before isolate_prefork() */
void follow_names(struct follow *w, struct ctx *c);

/* Waits for the process that reads it: it has let go of all that the main process has */
void follow_names_ready(struct follow *w);

/* EV_HOST, TIMER_HOST */
void follow_event(struct follow *w, struct ctx *c, union ev_ref ref);
void follow_timer(struct follow *w, struct ctx *c, struct timer *t);

/* Flows may have ended in this turn: before loop_end() */
static inline bool follow_waits(const struct follow *w, const struct ctx *c)
{
	return w->keeping && c->flows.dead != FLOW_NONE;
}
void follow_flows_ended(struct follow *w, struct ctx *c);

/* A walk goes on if the link takes frames again, or is gone: after loop_end() */
static inline bool follow_walks(const struct follow *w)
{
	return w->full && (w->full->fd < 0 || tap_takes(w->full));
}
void follow_link_takes(struct follow *w, struct ctx *c);

#define RESOLV_TEXT	16384		/* bytes of the file that count */

/* Starts a process that sends the text of a file now, and whenever it changes: descriptor, or -errno */
int follow_resolv(const char *path);

/* Filter of notifications: of interfaces in use or named, default routes, and addresses that go. 0 or -errno */
int follow_filter(const struct follow *w, const struct ctx *c);

#endif /* FOLLOW_H */
