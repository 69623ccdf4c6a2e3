/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ping.c - echo through ping sockets (icmp(7))
 *
 * One ping socket, one flow, for an identifier of the guest and a destination. Replies are the asked host's, with the
 * TTL they arrived with, and the guest's identifier. The socket's identifier is the kernel's choice: identifiers belong
 * to the whole host, IPv4 and IPv6 together, and a guest must not keep other programs from using one. A guest's share
 * of sockets bounds them. A program that binds one of ours gets its replies, and another one is opened.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/epoll.h>

#include "checksum.h"
#include "dgram.h"
#include "egress.h"
#include "icmp.h"
#include "ping.h"
#include "reclaim.h"
#include "udp.h"

#define PING_TIMEOUT	60000			/* ms: RFC 5508 REQ-2 */
#define PING_SILENT	10000			/* ms without a reply or error, before another socket is tried */
#define PING_BATCH	4			/* messages read at once */
#define PING_TURN	4			/* batches, before other flows have their turn */

static const struct flow_ops ping_flow;

static bool ping_end(struct ctx *c, struct flow *f)
{
	timer_clear(&c->wheel, &f->timer);
	fd_close(f->ping.sock);
	f->ping.sock = -1;
	flow_guest(c, f)->sockets--;
	flow_end(&c->flows, f);
	return true;
}

static void ping_timeout(struct ctx *c, struct flow *f)
{
	uint64_t due = f->ping.used + PING_TIMEOUT;

	if (c->now >= due)
		ping_end(c, f);
	else
		timer_set(&c->wheel, &f->timer, due);
}

static int ping_socket(struct ctx *c, struct guest *g, const struct end *asked, const struct side *host)
{
	const struct sock_out o = map_leave(&c->net, asked, &host->peer.a);
	bool v6 = !addr_is_v4(&host->peer.a);
	int fd = -EMFILE;

	if (reclaim_share(c, g))
		for (unsigned i = 0; i < RECLAIM_TRIES && reclaim_for(c, fd = sock_ping(v6, &host->our.a, &o)); i++)
			;
	if (fd < 0)
		log_limited(LOG_WARNING, "No ping socket: %s%s", errno_text(-fd),
			    sock_features.ping ? "" : ", see net.ipv4.ping_group_range in icmp(7)");
	return fd;
}

/* New flow for an echo request, or NULL: counted, and answered with an error where there is one */
static struct flow *ping_open(struct ctx *c, struct guest *g, const struct pkt *p, const struct side *guest)
{
	struct decision d;
	struct side host;
	struct flow *f;
	enum drop why;
	int fd;

	why = map_out(&c->net, p->proto, &guest->peer, &guest->our, &host);
	if (why == DROP_NONE)
		why = egress_open(c, g, p, &host.peer, &d);
	if (why != DROP_NONE) {
		icmp_refuse(c, g, why, p);
		return NULL;
	}
	fd = ping_socket(c, g, &guest->our, &host);
	f = reclaim_flow(c, g, &ping_flow, fd);
	if (!f) {
		drop_count(g, DROP_NO_RESOURCE);
		return NULL;
	}
	f->side[GUEST] = *guest;
	f->side[HOST] = host;
	flow_decided(&c->flows, f, &d);
	f->ping = (struct ping){ .sock = fd, .id = guest->peer.port };
	flow_hash_guest(&c->flows, f);
	f->timer.kind = TIMER_FLOW;
	timer_set(&c->wheel, &f->timer, c->now + PING_TIMEOUT);
	return f;
}

/* TTL as the guest's. Options, not control messages: ping sockets take those for IPv6 only since Linux 5.18 */
static void ping_set_ttl(struct flow *f, uint8_t ttl)
{
	if (ttl == (f->ping.ttl ? f->ping.ttl : IPDEFTTL))
		return;
	f->ping.ttl = ttl = MAX(ttl, 1);
	sock_ip_opt(f->ping.sock, !addr_is_v4(&f->side[HOST].peer.a), IP_TTL, IPV6_UNICAST_HOPS, ttl);
}

/* Quoted echo request @msg of an error, with the guest's identifier back in it */
static void ping_error(struct ctx *c, struct flow *f, const struct sock_err *e, uint8_t *msg)
{
	const struct end src = { .a = f->side[GUEST].peer.a }, dst = { .a = f->side[GUEST].our.a };
	bool v4 = addr_is_v4(&dst.a);
	struct sock_err ping = *e;
	uint16_t csum, id;

	if (e->len < ICMP_HLEN || msg[0] != (v4 ? ICMP4_ECHO : ICMP6_ECHO)) {
		drop_count(flow_guest(c, f), DROP_NO_FLOW);
		return;
	}
	/* RFC 1624: HC' = ~(~HC + ~m + m') */
	memcpy(&csum, msg + 2, sizeof(csum));
	memcpy(&id, msg + 4, sizeof(id));
	put_be16(msg + 4, f->ping.id);
	csum = csum_finish(csum_add(msg + 4, 2, (uint64_t)(uint16_t)~csum + (uint16_t)~id));
	memcpy(msg + 2, &csum, sizeof(csum));

	if (addr_is_unspec(&ping.dst.a))
		ping.dst = f->side[HOST].peer;
	icmp_error(c, flow_guest(c, f), &ping, &src, &dst, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, msg, e->len);
}

/* Sends the message as it is: the kernel replaces identifier and checksum */
static void ping_send(struct ctx *c, struct flow *f, const struct pkt *p)
{
	const struct side to = { .peer.a = f->side[HOST].peer.a };
	struct guest *g = flow_guest(c, f);
	bool v4 = addr_is_v4(&to.peer.a);
	struct view msg = p->ip;
	int err;

	view_skip(&msg, p->ip.len - p->data.len - ICMP_HLEN);
	dgram_begin(&to, v4 ? 0 : net_scope(&c->net, &to.peer.a), false);
	if (!dgram_add(&msg, 0, 0, 0, NULL))
		drop_count(g, DROP_SEND);
	while ((err = dgram_send(f->ping.sock, NULL, &g->drops[DROP_SEND]))) {
		if (err == EACCES && !f->ping.bcast && v4) {
			f->ping.bcast = true;
			sock_opt(f->ping.sock, SOL_SOCKET, SO_BROADCAST, 1);
			sock_opt(f->ping.sock, IPPROTO_IP, IP_PKTINFO, 1);
			continue;
		}
		if (err != EMSGSIZE)
			icmp_error_pkt(c, g, err, p);
		dgram_skip(&g->drops[DROP_SEND]);
	}
}

void ping_input(struct ctx *c, struct guest *g, const struct pkt *p)
{
	bool v4 = p->proto == IPPROTO_ICMP;
	const struct side guest = {
		.peer = { .a = p->src.a, .port = p->icmp.id }, .our = { .a = p->dst.a },
	};
	struct flow *f;

	if (p->icmp.type != (v4 ? ICMP4_ECHO : ICMP6_ECHO) || p->icmp.code) {
		drop_count(g, DROP_PROTO);
		return;
	}
	f = flow_find_guest(&c->flows, g->index, FLOW_PING, &guest.peer, &guest.our);
	if (f && f->ping.asked && c->now - f->ping.asked > PING_SILENT) {
		ping_end(c, f);			/* its identifier may be another program's by now */
		f = NULL;
	}
	if (!f)
		f = ping_open(c, g, p, &guest);
	if (!f)
		return;

	ping_set_ttl(f, p->ttl);
	if (!f->ping.asked)
		f->ping.asked = c->now;
	ping_send(c, f, p);
	flow_moved(&c->flows, f, GUEST, p->data.len);
	f->ping.used = c->now;
	flow_touch(&c->flows, f, f->ping.replied);
}

/* Does the sender answer a broadcast address that the guest has just asked? */
static bool ping_answers(const struct ctx *c, const struct flow *f, const struct dgram *d)
{
	return f->ping.bcast && c->now - f->ping.used <= UDP_ANSWER_TIME && udp_from_network(d, &f->side[HOST].peer.a);
}

/* Message @d in @fr to the guest if it is a reply: true if the frame was used */
static bool ping_reply(struct ctx *c, struct flow *f, const struct dgram *d, struct frame *fr)
{
	const struct addr *asked = &f->side[HOST].peer.a;
	const struct end to = { .a = f->side[GUEST].peer.a };
	struct end src = { .a = f->side[GUEST].our.a };
	const uint8_t *head = d->data.iov_base;
	struct guest *g = flow_guest(c, f);
	struct icmp_hdr h = {
		.type = addr_is_v4(asked) ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY,
		.id = f->ping.id, .seq = get_be16(head + 6),
	};
	struct net_hdr n;
	bool direct = addr_eq(&d->from.a, asked);

	if (d->data.iov_len < ICMP_HLEN || head[0] != h.type || !(direct || ping_answers(c, f, d))) {
		drop_count(g, DROP_NO_FLOW);
		return false;
	}
	if (direct)
		f->ping.used = c->now;
	else				/* one of many: more of them may answer, but for no longer than before */
		src.a = map_icmp_src(&c->net, &g->seen, &d->from.a);

	n = guest_hdr(c, g, &src, &to);
	if (d->ttl)
		n.ttl = d->ttl;
	fr->pay[0].iov_base = (uint8_t *)d->data.iov_base + ICMP_HLEN;
	if (!tap_commit_dgram(&g->tap, fr, &n, &h, d->data.iov_len - ICMP_HLEN, guest_pmtu(c, g, &to.a)))
		drop_count(g, DROP_LINK_FULL);

	flow_moved(&c->flows, f, HOST, d->data.iov_len - ICMP_HLEN);
	f->ping.asked = 0;
	f->ping.replied = true;
	flow_touch(&c->flows, f, true);
	return true;
}

/* A batch: 0: maybe there are more, -EAGAIN: no more, -EBUSY: the link is full, or another error of the socket */
static int ping_read(struct ctx *c, struct flow *f)
{
	struct tap *t = &flow_guest(c, f)->tap;
	struct iovec place[PING_BATCH];
	struct frame *fr[PING_BATCH];
	unsigned n;
	int rc;

	for (n = 0; n < PING_BATCH && tap_reserve(t, &fr[n], 1, DGRAM_ROOM, TAP_ANSWER); n++)
		place[n] = fr[n]->pay[0];
	if (!n) {
		flow_wait(&c->flows, f, WAIT_STALLED);
		return -EBUSY;
	}
	rc = dgram_recv(f->ping.sock, place, n, NULL);
	for (unsigned i = 0; i < n; i++) {
		struct dgram d;

		if ((int)i >= rc || !dgram_get(i, true, &d) || !ping_reply(c, f, &d, fr[i]))
			tap_unreserve(t, &fr[i], 1);
	}
	return rc >= 0 && (unsigned)rc < n ? -EAGAIN : MIN(rc, 0);
}

static void ping_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	unsigned useless = 0;
	struct sock_err e;
	uint8_t *msg;

	(void)side;
	if (events & EPOLLERR)
		for (unsigned n = 0; dgram_error(f->ping.sock, n, &e, &msg); n++) {
			ping_error(c, f, &e, msg);
			f->ping.asked = 0;
		}
	for (unsigned i = 0; i < PING_TURN; i++) {
		int rc = ping_read(c, f);

		if (rc == -EAGAIN || rc == -EBUSY)
			return;
		if (rc && useless++)		/* not a request's error: those are off the socket now */
			return;
	}
	flow_wait(&c->flows, f, WAIT_READY);
}

static void ping_lost(struct ctx *c, struct flow *f)
{
	ping_end(c, f);
}

static const char *ping_state(const struct flow *f)
{
	(void)f;
	return "established";
}

static const struct flow_ops ping_flow = {
	.type = FLOW_PING, .name = { "icmp", "icmpv6" }, .fds = 1, .state = ping_state,
	.ready = ping_ready, .timeout = ping_timeout, .end = ping_end, .lost = ping_lost,
};
