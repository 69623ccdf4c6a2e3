/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auto.c - automatic port forwarding: what is bound in the namespace is forwarded from the host
 *
 * Once a second, sock_diag(7) is asked for sockets of the namespace that listen (TCP) or are bound and not connected
 * (UDP): a scan costs by these, whatever the number of connections. The netlink socket was opened in there while we could
 * enter; nothing of /proc is read.
 *
 * Automatic rules of struct conf say which ports of the host may be forwarded, and where to. For each of them whose target
 * is bound, there is a rule in struct fwd, marked automatic as well; what was bound and isn't any more takes it away. A
 * port that the host has no room for is left out without a word, and tried again with the next scan.
 *
 * - What is bound to loopback only is private to the namespace, unless --host-lo-to-ns-lo.
 * - Ephemeral ports of the host are left to its own connections (FWD-15), unless they are named.
 * - Who listens to TCP may soon take datagrams at the same port, and expect the first: iperf3 does. So TCP counts for UDP.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "auto.h"
#include "loop.h"
#include "netlink_msg.h"

#define SCAN_EVERY	1000		/* ms */

/* States of sockets, as the kernel numbers them */
#define KERNEL_CLOSE	7
#define KERNEL_LISTEN	10

#define LOOPBACK_IF	1		/* interface index, in each namespace */

enum { TCP, UDP };

static struct {
	struct nl	nl;
	struct timer	timer;
	struct bound	bound;		/* as of the last scan */
	bool		again;		/* some port could not be had */
} scan = { .timer = { .kind = TIMER_AUTO } };

/* What one dump is about */
struct dump {
	struct bound	*bound;
	unsigned	proto;		/* TCP or UDP */
	bool		loopback;	/* counts, too */
	const struct fwd *fwd;
};

/* Do we listen to that port on the namespace's loopback, for the host's? */
static bool is_ours(const struct fwd *fwd, unsigned proto, unsigned port)
{
	for (const struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++) {
		const struct rule *r = &fr->r;

		if (fr->id && r->outward && (r->proto == IPPROTO_TCP) == (proto == TCP) && port >= r->first &&
		    port <= r->last)
			return true;
	}
	return false;
}

/* One socket; NULL, before the first: what an interrupted dump said stays true for a second */
static void each_socket(const struct nlmsghdr *nh, void *arg)
{
	struct dump *d = arg;
	struct inet_diag_msg m;
	struct addr a;

	if (!nh || nh->nlmsg_type != SOCK_DIAG_BY_FAMILY || !msg_has(nh, sizeof(m)))
		return;
	memcpy(&m, NLMSG_DATA(nh), sizeof(m));
	if ((m.idiag_family != AF_INET && m.idiag_family != AF_INET6) || !m.id.idiag_sport || m.id.idiag_dport ||
	    m.idiag_state != (d->proto == TCP ? KERNEL_LISTEN : KERNEL_CLOSE))
		return;
	a = addr_from_bytes(m.id.idiag_src, m.idiag_family == AF_INET);
	if ((!addr_is_loopback(&a) && m.id.idiag_if != LOOPBACK_IF) ||
	    (d->loopback && !is_ours(d->fwd, d->proto, ntohs(m.id.idiag_sport))))
		bit_set(d->bound->port[d->proto], ntohs(m.id.idiag_sport));
}

static int dump_sockets(struct nl *nl, uint8_t family, struct dump *d)
{
	const struct inet_diag_req_v2 q = {
		.sdiag_family = family,
		.sdiag_protocol = d->proto == TCP ? IPPROTO_TCP : IPPROTO_UDP,
		.idiag_states = 1U << (d->proto == TCP ? KERNEL_LISTEN : KERNEL_CLOSE),
	};
	struct req r;

	req_start(&r, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &q, sizeof(q));
	return nl_query(nl, &r, each_socket, d);
}

/* Ports that are bound now: 0, or -errno if one of the protocols can't be asked for */
static int find_bound(struct nl *nl, const struct fwd *fwd, bool loopback, struct bound *b)
{
	struct dump d = { .bound = b, .loopback = loopback, .fwd = fwd };

	memset(b, 0, sizeof(*b));
	for (d.proto = TCP; d.proto <= UDP; d.proto++) {
		int rc4 = dump_sockets(nl, AF_INET, &d), rc6 = dump_sockets(nl, AF_INET6, &d);

		if (rc4 && rc6)
			return rc4;
	}
	for (unsigned i = 0; i < sizeof(b->port[UDP]); i++)
		b->port[UDP][i] |= b->port[TCP][i];
	return 0;
}

static bool is_bound(const struct bound *b, const struct rule *r)
{
	return bit_test(b->port[r->proto == IPPROTO_UDP], r->to);
}

/* Rule for port @to of the namespace, as @r has it; false if it is none of @r's */
static bool rule_for(const struct fwd *fwd, const struct rule *r, unsigned to, struct rule *one)
{
	unsigned port = r->first + (to - r->to);

	if (to < r->to || port > r->last || (r->weak && port >= fwd->eph_first[0] && port <= fwd->eph_last[0]))
		return false;
	*one = *r;
	one->first = one->last = (uint16_t)port;
	one->to = (uint16_t)to;
	one->weak = false;
	return true;
}

/* Rules for what is bound of the ports that @r is about: true if all could be had */
static bool add_bound(struct ctx *c, const struct rule *r)
{
	const uint8_t *ports = scan.bound.port[r->proto == IPPROTO_UDP];
	uint32_t id, before = c->fwd.last_id;
	struct rule one;
	bool all = true;

	for (unsigned to = 1; to <= UINT16_MAX; to++) {
		if (!ports[to / 8]) {
			to |= 7;
			continue;
		}
		if (!bit_test(ports, to) || !rule_for(&c->fwd, r, to, &one))
			continue;
		if (fwd_rule_add(&c->fwd, c->cf, &one, &id))
			all = false;
		else if (id > before)
			debug("Port %u is bound in the namespace: forwarded from %u, %s", to, one.first,
			      one.proto == IPPROTO_TCP ? "TCP" : "UDP");
	}
	return all;
}

/* Rules follow what is bound */
static void follow(struct ctx *c)
{
	const struct conf *cf = c->cf;
	struct fwd *fwd = &c->fwd;

	for (struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++) {
		if (!fr->id || !fr->r.automatic || is_bound(&scan.bound, &fr->r))
			continue;
		debug("Port %u is not bound any more in the namespace", fr->r.to);
		fwd_rule_del(fwd, fr->id);
	}
	scan.again = false;
	for (const struct rule *r = cf->rule; r < cf->rule + cf->nrules; r++) {
		if (r->automatic && !add_bound(c, r))
			scan.again = true;
	}
}

static int look(struct ctx *c)
{
	struct bound now;
	int rc = find_bound(&scan.nl, &c->fwd, c->cf->host_lo_to_ns_lo, &now);

	if (rc || (!scan.again && !memcmp(&now, &scan.bound, sizeof(now))))
		return rc;
	scan.bound = now;
	follow(c);
	return 0;
}

static void on_timer(struct ctx *c, struct timer *t)
{
	int rc = look(c);

	if (rc)
		log_limited(LOG_WARNING, "Can't find out what is bound in the namespace: %s", errno_text(-rc));
	timer_set(&c->wheel, t, c->now + SCAN_EVERY);
}

static int open_in_ns(void *arg)
{
	return nl_open_diag(arg);
}

void auto_start(struct ctx *c, const struct ns *ns)
{
	const struct conf *cf = c->cf;
	bool any = false;
	int rc;

	for (const struct rule *r = cf->rule; r < cf->rule + cf->nrules; r++)
		any |= r->automatic;
	if (!any)
		return;
	rc = ns_call(ns, open_in_ns, &scan.nl);
	if (!rc)
		rc = look(c);
	if (rc) {
		info("Can't find out what is bound in the namespace, so nothing is forwarded automatically: %s",
		     errno_text(-rc));
		return;
	}
	loop_on_timer(TIMER_AUTO, on_timer);
	timer_set(&c->wheel, &scan.timer, c->now + SCAN_EVERY);
}
