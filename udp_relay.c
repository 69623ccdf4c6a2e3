/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_relay.c - DNS queries to --dns-forward, or to a resolver of the host's: another resolver if one doesn't answer
 *
 * A query is kept until it is answered. Without an answer after 2 s, at once after an ICMP error, SERVFAIL or REFUSED
 * (RFC 1035 4.1.1), the flow moves on to the next resolver, behind the last one to the first again, with all queries
 * that it keeps. The resolver that answered is the first one for other queries, for a minute: for those of new flows,
 * and of flows that wait for no answer. The answer that the last one gives is the guest's, whatever it is.
 *
 * Of a message, only its identifier and the result are looked at. One too long to be kept, or without room for it, is
 * sent as any other datagram; so is each if there is one resolver only. DNS over DTLS or QUIC (RFC 8094, 9250) has none
 * of these: there, the last datagram before the first answer is kept, which opens the connection.
 */
#include <netinet/in.h>
#include <string.h>

#include "dgram.h"
#include "dns.h"
#include "egress.h"
#include "udp.h"

#define QUERY_SETS	64		/* a power of two */
#define QUERY_WAYS	4
#define QUERY_BYTES	1472		/* Ethernet's; DNS flag day 2020: 1,232 are usual */

struct query {
	struct timer	timer;
	uint32_t	flow;
	uint16_t	gen;
	uint16_t	id;
	uint16_t	len;		/* 0: the place is free */
	uint8_t		tries;		/* resolvers that were asked, and failed */
	uint64_t	since;		/* ms */
};

static struct query query[QUERY_SETS][QUERY_WAYS];
static uint8_t query_text[QUERY_SETS][QUERY_WAYS][QUERY_BYTES];

static struct query *query_set(const struct ctx *c, const struct flow *f, uint16_t id)
{
	return query[(flow_idx(&c->flows, f) * 31 ^ id ^ id >> 8) % QUERY_SETS];
}

static bool query_is_of(const struct ctx *c, const struct query *q, const struct flow *f)
{
	return q->len && q->flow == flow_idx(&c->flows, f) && q->gen == f->gen;
}

static struct query *query_find(const struct ctx *c, const struct flow *f, uint16_t id)
{
	struct query *set = query_set(c, f, id);

	for (struct query *q = set; q < set + QUERY_WAYS; q++)
		if (query_is_of(c, q, f) && q->id == id)
			return q;
	return NULL;
}

static void query_end(struct ctx *c, struct query *q)
{
	timer_clear(&c->wheel, &q->timer);
	q->len = 0;
}

/* Identifier in a message; 0 for those that have none */
static uint16_t query_id(const struct flow *f, const uint8_t *b)
{
	return f->side[GUEST].our.port == PORT_DNS ? get_be16(b) : 0;
}

/* A place for a query: its own if it is repeated, or a free one, or the oldest */
static struct query *query_place(struct ctx *c, const struct flow *f, uint16_t id)
{
	struct query *set = query_set(c, f, id), *q = query_find(c, f, id);

	if (q)
		return q;
	q = set;
	for (struct query *k = set; k < set + QUERY_WAYS; k++)
		if (q->len && (!k->len || k->since < q->since))
			q = k;
	query_end(c, q);
	return q;
}

static void query_keep(struct ctx *c, const struct flow *f, const struct pkt *p)
{
	bool dns = f->side[GUEST].our.port == PORT_DNS;
	uint8_t head[DNS_HEADER];
	struct query *q;

	if (p->data.len > QUERY_BYTES || p->off.gso || !view_copy(&p->data, 0, head, sizeof(head)) ||
	    (dns ? head[2] & DNS_QR : f->udp.replied))
		return;
	q = query_place(c, f, query_id(f, head));
	q->timer.kind = TIMER_QUERY;
	q->flow = flow_idx(&c->flows, f);
	q->gen = f->gen;
	q->id = query_id(f, head);
	q->len = (uint16_t)p->data.len;
	q->tries = 0;
	q->since = c->now;
	view_copy(&p->data, 0, query_text[(q - query[0]) / QUERY_WAYS][(q - query[0]) % QUERY_WAYS], q->len);
	timer_set(&c->wheel, &q->timer, c->now + RESOLVER_WAIT);
}

static struct net_ip *family_of(struct ctx *c, const struct flow *f)
{
	return &c->net.ip[addr_family(&f->side[GUEST].our.a)];
}

static bool resolver_set(struct ctx *c, struct flow *f, unsigned i)
{
	struct sock_out leave;
	struct decision d;
	struct side host;

	map_resolver(&c->net, &f->side[GUEST], i, &host);
	if (egress_judge(c, flow_guest(c, f), IPPROTO_UDP, &host.peer, &d))
		return false;
	leave = map_leave(&c->net, &f->side[GUEST].our, &host.peer.a);
	return udp_move(c, f, &host, &leave);
}

/* All queries of the flow, to its resolver: false if one can't be sent */
static bool send_all(struct ctx *c, struct flow *f)
{
	struct flow *port = &c->flows.f[f->udp.port];
	struct iovec iov[QUERY_SETS * QUERY_WAYS];
	unsigned n = 0;

	dgram_begin(&f->side[HOST], f->udp.scope, false);
	for (unsigned i = 0; i < QUERY_SETS * QUERY_WAYS; i++) {
		struct query *q = &query[i / QUERY_WAYS][i % QUERY_WAYS];

		if (!query_is_of(c, q, f))
			continue;
		iov[n] = (struct iovec){ query_text[i / QUERY_WAYS][i % QUERY_WAYS], q->len };
		if (!dgram_add(&(struct view){ &iov[n], 1, 0, q->len }, 0, 0, 0, NULL))
			break;
		n++;
		q->tries++;
		timer_set(&c->wheel, &q->timer, c->now + RESOLVER_WAIT);
	}
	if (!dgram_send(port->udp.sock, NULL, &flow_guest(c, f)->drops[DROP_SEND]))
		return true;
	do
		dgram_skip(&flow_guest(c, f)->drops[DROP_SEND]);
	while (dgram_send(port->udp.sock, NULL, &flow_guest(c, f)->drops[DROP_SEND]));
	return false;
}

/* To the next resolver that takes them */
static void relay_next(struct ctx *c, struct flow *f)
{
	const struct net_ip *ip = family_of(c, f);
	unsigned i = resolver_nr(ip, &f->side[HOST].peer.a);

	for (unsigned n = 0; n < ip->ndns_to; n++) {
		i = resolver_next(ip, i);
		if (resolver_set(c, f, i) && send_all(c, f))
			return;
	}
}

/* Is nothing asked? Connections by DTLS or QUIC stay where they are. */
static bool is_idle(const struct ctx *c, const struct flow *f)
{
	if (f->side[GUEST].our.port != PORT_DNS)
		return false;
	for (unsigned i = 0; i < QUERY_SETS * QUERY_WAYS; i++)
		if (query_is_of(c, &query[i / QUERY_WAYS][i % QUERY_WAYS], f))
			return false;
	return true;
}

void udp_relay_query(struct ctx *c, struct flow *f, const struct pkt *pkts)
{
	struct net_ip *ip = family_of(c, f);
	unsigned i = resolver_nr(ip, &f->side[HOST].peer.a);

	resolver_begin(ip, c->now);
	if (ip->ndns_to && i != ip->dns_first && (i == ip->ndns_to || is_idle(c, f)))
		resolver_set(c, f, ip->dns_first);
	if (ip->ndns_to < 2)
		return;
	for (i = f->batch_head; i != PKT_NEXT_NONE; i = pkts[i].next)
		query_keep(c, f, &pkts[i]);
}

bool udp_relay_answer(struct ctx *c, struct flow *f, const uint8_t *b, size_t len)
{
	struct net_ip *ip = family_of(c, f);
	struct query *q = len >= DNS_HEADER ? query_find(c, f, query_id(f, b)) : NULL;
	bool failed;

	if (!q)
		return true;
	failed = f->side[GUEST].our.port == PORT_DNS &&
		 ((b[3] & DNS_RCODE) == DNS_SERVFAIL || (b[3] & DNS_RCODE) == DNS_REFUSED);
	if (failed && q->tries + 1U < ip->ndns_to) {
		relay_next(c, f);
		return false;
	}
	query_end(c, q);
	if (!failed)
		resolver_answered(ip, &f->side[HOST].peer.a, c->now);
	return true;
}

bool udp_relay_error(struct ctx *c, struct flow *f)
{
	const struct net_ip *ip = family_of(c, f);
	bool more = false;

	for (unsigned i = 0; i < QUERY_SETS * QUERY_WAYS && ip->ndns_to > 1; i++) {
		const struct query *q = &query[i / QUERY_WAYS][i % QUERY_WAYS];

		more |= query_is_of(c, q, f) && q->tries + 1U < ip->ndns_to;
	}
	if (more)
		relay_next(c, f);
	return more;
}

void udp_relay_timeout(struct ctx *c, struct timer *t)
{
	struct query *q = container_of(t, struct query, timer);
	struct flow *f = flow_get(&c->flows, q->flow, q->gen);

	/* The guest repeats it by itself after all were asked */
	if (!f || f->dead || f->type != FLOW_UDP || q->tries >= family_of(c, f)->ndns_to)
		q->len = 0;
	else
		relay_next(c, f);
}
