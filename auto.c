/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auto.c - automatic port forwarding: ports bound on one side are forwarded from the other
 *
 * Once a second, and more often shortly after a change, sock_diag(7) lists the sockets of the namespace, and of the
 * host, that listen (TCP) or are bound and not connected (UDP): about 0.1 ms, whatever the number of connections. The
 * kernel notifies unprivileged users of no listeners. The netlink socket was opened in the namespace before isolation;
 * nothing of /proc is read.
 *
 * Ports of automatic rules have a listener while their target is bound. A port refused is left out without a message,
 * and tried again with the next scan.
 *
 * - Sockets bound to loopback are private to the namespace, unless --host-lo-to-ns-lo. On the host, they count, as
 *   outward rules lead to its loopback.
 * - Our own sockets don't count: a port forwarded one way would be forwarded the other way, too.
 * - Ephemeral ports are left to connections (FWD-15), unless named.
 * - TCP counts for UDP: iperf3 listens to TCP, and then expects the first datagram at the same port.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "auto.h"
#include "netlink_msg.h"
#include "ns.h"
#include "udp.h"

#define SCAN_LEAST	50		/* ms between scans: just after something has changed, */
#define SCAN_MOST	1000		/* and at rest; in between, an eighth of the time since then */

/* States of sockets, as the kernel numbers them */
#define KERNEL_CLOSE	7
#define KERNEL_LISTEN	10

enum { TCP, UDP };

/* Bound ports, by protocol */
struct bound {
	uint8_t		port[2][PORT_MAP];
};

static struct timer timer = { .kind = TIMER_AUTO };

/* By direction of the rules: false, scans of the namespace; true, of the host */
static struct scan {
	struct nl	nl;
	bool		on;
	struct bound	last;
} scan[2];

static uint64_t changed_at;		/* ms: the last scan with another result */

struct dump {
	const struct ctx *c;
	struct bound	*bound;
	unsigned	proto;		/* TCP or UDP */
	bool		host;		/* or the namespace */
};

/* Does a socket bound to @e serve connections by our rules? @lo: bound to the loopback interface */
static bool is_candidate(const struct dump *d, struct end e, bool lo)
{
	const struct ctx *c = d->c;
	bool any = addr_is_unspec(&e.a) && !lo, loopback = lo || addr_is_loopback(&e.a);

	if (d->host ? !any && !loopback : loopback && !c->net.cf->host_lo_to_ns_lo && !c->net.cf->splice_only)
		return false;
	if (d->proto == UDP && d->host && udp_is_own(&c->flows, &e))
		return false;
	if (d->proto == UDP && udp_splice_is_own(c, d->host ? HOST : GUEST, &e))
		return false;
	if (lo && addr_is_unspec(&e.a))
		e.a = addr_is_v4(&e.a) ? addr_loopback4 : addr_loopback6;
	return !fwd_leads_to_us(&c->fwd, !d->host, d->proto == TCP ? IPPROTO_TCP : IPPROTO_UDP, &e);
}

/* One socket. NULL before the first of a dump: ports of an interrupted one stay for a second. */
static void each_socket(const struct nlmsghdr *nh, void *arg)
{
	struct dump *d = arg;
	struct inet_diag_msg m;
	struct end e;

	if (!nh || nh->nlmsg_type != SOCK_DIAG_BY_FAMILY || !msg_has(nh, sizeof(m)))
		return;
	memcpy(&m, NLMSG_DATA(nh), sizeof(m));
	if ((m.idiag_family != AF_INET && m.idiag_family != AF_INET6) || !m.id.idiag_sport || m.id.idiag_dport ||
	    m.idiag_state != (d->proto == TCP ? KERNEL_LISTEN : KERNEL_CLOSE))
		return;
	e = (struct end){ addr_from_bytes(m.id.idiag_src, m.idiag_family == AF_INET), ntohs(m.id.idiag_sport) };
	if (d->host && m.id.idiag_if && m.id.idiag_if != LOOPBACK_IF)
		return;
	if (is_candidate(d, e, m.id.idiag_if == LOOPBACK_IF))
		bit_set(d->bound->port[d->proto], e.port);
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

/* Bound ports: 0, or -errno if those of a protocol can't be listed */
static int find_bound(const struct ctx *c, bool host, struct bound *b)
{
	struct dump d = { .c = c, .bound = b, .host = host };

	memset(b, 0, sizeof(*b));
	for (d.proto = TCP; d.proto <= UDP; d.proto++) {
		int rc4 = dump_sockets(&scan[host].nl, AF_INET, &d), rc6 = dump_sockets(&scan[host].nl, AF_INET6, &d);

		if (rc4 && rc6)
			return rc4;
	}
	for (unsigned i = 0; i < sizeof(b->port[UDP]); i++)
		b->port[UDP][i] |= b->port[TCP][i];
	return 0;
}

/* Rules of a direction follow the bound ports: 0 or -errno */
static int look(struct ctx *c, bool outward)
{
	static struct bound bound;
	int rc;

	if (!scan[outward].on || !c->fwd.automatic[outward])
		return 0;
	rc = find_bound(c, outward, &bound);
	if (rc)
		return rc;
	if (memcmp(&bound, &scan[outward].last, sizeof(bound))) {
		scan[outward].last = bound;
		changed_at = c->now;
	}
	fwd_follow(&c->fwd, &c->net, outward, bound.port);
	udp_listeners_gone(c);
	return 0;
}

/* Time until the next scan, if nothing has changed for @quiet ms */
static uint64_t interval(uint64_t quiet)
{
	return MAX(MIN(quiet / 8, SCAN_MOST), SCAN_LEAST);
}

void auto_scan(struct ctx *c)
{
	for (unsigned outward = 0; outward < 2; outward++) {
		int rc = look(c, outward);

		if (rc)
			log_limited(LOG_WARNING, "Can't find out what is bound %s: %s",
				    outward ? "on the host" : "in the namespace", errno_text(-rc));
	}
	if (c->fwd.automatic[false] || c->fwd.automatic[true])
		timer_set(&c->wheel, &timer, c->now + interval(c->now - changed_at));
}

void auto_start(struct ctx *c)
{
	bool any = c->fwd.automatic[false] || c->fwd.automatic[true];
	int rc;

	if (!any && !c->net.cf->control)		/* now and later */
		return;
	rc = nl_open(&scan[true].nl, NETLINK_SOCK_DIAG);
	scan[true].on = !rc;
	if (!rc)
		rc = ns_netlink(&scan[false].nl, NETLINK_SOCK_DIAG);
	scan[false].on = !rc;
	if (!rc)
		rc = look(c, true);
	if (!rc)
		rc = look(c, false);
	if (rc)
		info("Can't find out what is bound, so not everything is forwarded automatically: %s", errno_text(-rc));
	changed_at = c->now;
	if (any)
		timer_set(&c->wheel, &timer, c->now + SCAN_LEAST);
}

void auto_again(struct ctx *c)
{
	changed_at = c->now;
	if (scan[false].on || scan[true].on)
		timer_set(&c->wheel, &timer, c->now);
}
