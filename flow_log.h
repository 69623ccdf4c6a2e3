/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_log.h - a record of what flows may do, and did: lines of JSON, for a file and for clients of the control socket
 *
 * Lines are kept in a ring, and leave it at the end of a turn: a reader that is too slow loses the oldest ones, and is
 * given their number. Nothing is recorded unless there is a reader (flow_log.on): callers test that first.
 * doc/policy.md has the keys.
 */
#ifndef FLOW_LOG_H
#define FLOW_LOG_H

#include "addr.h"
#include "policy.h"

#define FLOW_LOG_LINE	8192		/* bytes of a line at most, newline included */

struct ctx;
struct flow;
struct guest;
struct rule;

/* Place of a reader: next byte, and number of the next line */
struct flow_reader {
	uint64_t	at, line;
};

struct flow_log {
	bool		on;		/* somebody reads: the file's process, or clients */
	unsigned	clients;
	uint64_t	head;		/* bytes so far */
	uint64_t	lines;		/* and lines */
	struct flow_reader oldest;	/* line in the ring */
	int		fd;		/* pipe to the file's process (flow_file.h), or -1 */
	int		alive;		/* its other end is closed when that process ends; or -1 */
	struct flow_reader file;
};

enum flow_event { FLOW_ALLOW, FLOW_DENY, FLOW_ASK };
enum flow_dir { FLOW_OUT, FLOW_IN };

struct flow_note {
	uint8_t		event;		/* enum flow_event */
	uint8_t		dir;		/* enum flow_dir */
	uint8_t		proto;		/* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP or IPPROTO_ICMPV6 */
	const struct guest *g;
	uint32_t	id;		/* of the flow: flow.id, or flows.id of one that doesn't exist yet */
	const struct end *to;		/* destination after mapping; of a flow from outside: its client */
	const char	*name, *sni;	/* NULL: none, here and below */
	const char	*rule, *reason;
};

/* Nobody reads yet */
void flow_log_init(struct ctx *c);

/* A verdict: if flow_log.on */
void flow_log_verdict(struct ctx *c, const struct flow_note *n);

/* Answer to a guest's query of @type ("AAAA"), with @n addresses: if flow_log.on */
void flow_log_dns(struct ctx *c, const struct guest *g, const char *name, const char *type, enum verdict v,
		  const struct addr *addresses, unsigned n);

/* A flow comes from outside, from @from, by a rule of forwarding; NULL: on account of another one. Always to be called,
 * before the flow is there.
 */
void flow_log_inbound(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *from,
		      const struct rule *r);

/* End of a turn: ends of flows that are to be buried */
void flow_log_turn(struct ctx *c);

/* Lines to the file's process, as many as it takes now: end of a turn, EV_FLOW_LOG */
void flow_log_flush(struct ctx *c);

/* The process ends: so do all flows. Waits for the file, but not for long. */
void flow_log_quit(struct ctx *c);

/* A client reads from now on, or no more */
void flow_log_join(struct ctx *c, struct flow_reader *r);
void flow_log_leave(struct ctx *c);

/* Next line for a client, into @buf: its length without the newline, 0: there is none yet */
size_t flow_log_next(const struct ctx *c, struct flow_reader *r, char buf[static FLOW_LOG_LINE]);

#endif /* FLOW_LOG_H */
