/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolve.c - queries of guests: judged, sent on, and their answers
 *
 * A query that is sent on is a lookup: a flow with a socket of its own, connected to one resolver, with a port of the
 * kernel's choice and an ID of ours. So an answer is that resolver's, and neither port nor ID are the guest's to
 * choose. The resolvers are asked in turn: the next one after RESOLVER_WAIT, while the one before may still answer, or
 * at once after an error, SERVFAIL or REFUSED. By TCP, a guest gets all of an answer: one that is cut by UDP is asked
 * for again by TCP.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "dns.h"
#include "egress.h"
#include "event.h"
#include "flow_log.h"
#include "names.h"
#include "policy.h"
#include "reclaim.h"
#include "resolve.h"
#include "sock.h"

#define LOOKUPS		256		/* at once */
#define LOOKUP_TIME	10000		/* ms: after that, and with all resolvers asked, there is no answer */
#define LOOKUP_READS	16		/* datagrams of one event */
#define ANSWER_UDP	4096		/* bytes of an answer to the guest, by UDP */
#define MESSAGE_MAX	65535
#define RESOLVERS	(4 * DNS_MAX)

struct lookup {
	struct dns_query q;		/* the guest's */
	uint32_t	flow;		/* its own, FLOW_NONE: the entry is free */
	uint32_t	stream;		/* flow that it came by, FLOW_NONE: as a datagram between f->side[GUEST] */
	uint16_t	stream_gen;
	uint16_t	id;		/* ours */
	uint8_t		nr, tries;	/* resolver that is asked, and how many were */
	int		late;		/* socket to the one before, whose answer may be late; or -1 */
	uint8_t		late_nr;
	bool		tcp;
	bool		sent;		/* by TCP, once there is a connection */
	bool		plain;		/* without OPT, which the resolver may not know */
	uint64_t	since;		/* ms */
};

static struct lookup lookup[LOOKUPS];
static unsigned lookups;		/* entries that were ever used */
static uint8_t received[2 + MESSAGE_MAX], made[2 + MESSAGE_MAX];	/* within a call */

static const struct flow_ops lookup_flow;

static struct lookup *lookup_of(const struct flow *f)
{
	return &lookup[f->lookup.nr];
}

/* ---- resolvers ---- */

static void resolver_add(struct resolver r[static RESOLVERS], unsigned *n, const struct addr *a, unsigned scope)
{
	for (unsigned i = 0; i < *n; i++)
		if (addr_eq(&r[i].a, a) && r[i].scope == scope)
			return;
	r[(*n)++] = (struct resolver){ .a = *a, .scope = scope };
}

/* Interface of a link-local resolver, as resolv.conf has it */
static unsigned resolver_scope(const struct net *net, const struct addr *a)
{
	const struct resolver *r = net->resolv.server[addr_family(a)];

	for (unsigned i = 0; i < net->resolv.n[addr_family(a)]; i++)
		if (addr_eq(&r[i].a, a) && r[i].scope)
			return r[i].scope;
	return net_scope(net, a);
}

/* Those that --dns-forward leads to; or else those that the guest is given; or else the host's: their number */
static unsigned resolvers(const struct net *net, struct resolver r[static RESOLVERS])
{
	unsigned n = 0, before;			/* @before: of those that come first, of both families */

	for (enum family f = V4; f < FAMILIES; f++)
		for (unsigned i = 0; i < net->ip[f].ndns_to; i++)
			resolver_add(r, &n, &net->ip[f].dns_to[i].a, net->ip[f].dns_to[i].scope);
	before = n;
	for (enum family f = V4; !before && !lan_on(net) && f < FAMILIES; f++)
		for (unsigned i = 0; i < net->ip[f].guest.ndns; i++)
			resolver_add(r, &n, &net->ip[f].guest.dns[i], resolver_scope(net, &net->ip[f].guest.dns[i]));
	before = n;
	for (enum family f = V4; !before && f < FAMILIES; f++)
		for (unsigned i = 0; i < net->resolv.n[f]; i++)
			resolver_add(r, &n, &net->resolv.server[f][i].a, net->resolv.server[f][i].scope);
	return n;
}

/* ---- to the resolver ---- */

/* The stream that it came by, or NULL */
static struct flow *lookup_stream(const struct ctx *c, const struct lookup *l)
{
	struct flow *f = l->stream == FLOW_NONE ? NULL : flow_get(&c->flows, l->stream, l->stream_gen);

	return f && !f->dead ? f : NULL;
}

static void lookup_end(struct ctx *c, struct flow *f)
{
	struct flow *stream = lookup_stream(c, lookup_of(f));

	if (stream)
		stream->stream.lookups--;
	lookup_of(f)->flow = FLOW_NONE;
	timer_clear(&c->wheel, &f->timer);
	fd_close(lookup_of(f)->late);
	fd_close(f->sock);
	flow_end(&c->flows, f);
}

/* The query, also once more: false if the socket doesn't take it */
static bool lookup_send(struct flow *f)
{
	struct lookup *l = lookup_of(f);
	uint8_t b[2 + DNS_QUERY_MAX];
	size_t len = dns_ask(&l->q, l->id, !l->plain, b + 2);

	put_be16(b, (uint16_t)len);
	if (l->tcp)
		len += 2;
	l->sent = true;
	return send(f->sock, l->tcp ? b : b + 2, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

/* Socket to resolver @r, or -errno */
static int lookup_socket(struct ctx *c, const struct resolver *r, bool tcp, struct side *host)
{
	const struct conf_ip *cf = &c->net.cf->ip[addr_family(&r->a)];
	bool local = addr_is_loopback(&r->a);
	struct sock_out o = { .ifname = local ? "" : cf->out_if, .scope = r->scope, .freebind = c->net.cf->freebind };
	int fd;

	*host = (struct side){ .peer = { r->a, PORT_DNS }, .our = { .a = addr_any(addr_family(&r->a)) } };
	if (!local && !addr_is_unspec(&cf->out_addr))
		host->our.a = cf->out_addr;
	fd = tcp ? sock_connect(host, &o) : sock_udp_peer(host, &o);
	if (reclaim_for(c, fd))
		fd = tcp ? sock_connect(host, &o) : sock_udp_peer(host, &o);
	return fd;
}

/* Asks the resolver whose turn it is: false if that can't be */
static bool lookup_try(struct ctx *c, struct flow *f)
{
	const struct guest *g = flow_guest(c, f);
	struct lookup *l = lookup_of(f);
	struct resolver r[RESOLVERS];
	unsigned n = resolvers(&c->net, r);
	struct decision d;
	int fd;

	fd_close(f->sock);
	f->sock = -1;
	if (!n)
		return false;
	/* Without names in the policy, it is about the resolver */
	if (!policy_resolves(g->policy) && egress_judge(c, g, l->tcp ? IPPROTO_TCP : IPPROTO_UDP,
							&(struct end){ r[l->nr % n].a, PORT_DNS }, &d))
		return false;
	fd = lookup_socket(c, &r[l->nr % n], l->tcp, &f->side[HOST]);
	if (fd < 0)
		return false;
	f->sock = fd;
	l->sent = false;
	timer_set(&c->wheel, &f->timer, c->now + RESOLVER_WAIT);
	if (!ev_add_flow(c->epfd, fd, flow_idx(&c->flows, f), f->gen, HOST,
			 EPOLLIN | (l->tcp ? EPOLLOUT | EPOLLRDHUP : 0)) &&
	    (l->tcp || lookup_send(f)))
		return true;
	fd_close(fd);				/* nothing would be read from it */
	f->sock = -1;
	return false;
}

/* Closes the socket for a late answer, and leaves that of the resolver that is asked in its place, or -1 */
static void lookup_leave(struct flow *f, bool keep)
{
	struct lookup *l = lookup_of(f);

	fd_close(l->late);
	l->late = keep ? f->sock : -1;
	l->late_nr = l->nr;
	f->sock = keep ? -1 : f->sock;
}

/* The next resolver that can be asked: false if all were. @slow: the one so far may still answer */
static bool lookup_next(struct ctx *c, struct flow *f, bool slow)
{
	struct lookup *l = lookup_of(f);
	struct resolver r[RESOLVERS];
	unsigned n = resolvers(&c->net, r);

	if (slow && !l->tcp && l->tries < n)
		lookup_leave(f, true);
	while (l->tries < n) {
		l->tries++;
		l->nr = (uint8_t)((l->nr + 1U) % n);
		l->tcp = l->plain = false;
		if (lookup_try(c, f))
			return true;
	}
	return false;
}

/* ---- to the guest ---- */

static void datagram_to_guest(struct ctx *c, struct guest *g, const struct side *guest, const uint8_t *b, size_t len)
{
	struct net_hdr n = guest_hdr(c, g, &guest->our, &guest->peer);
	struct frame *fr;

	if (!tap_reserve(&g->tap, &fr, 1, DGRAM_ROOM, TAP_ANY)) {
		drop_count(g, DROP_LINK_FULL);
		return;
	}
	memcpy(fr->pay[0].iov_base, b, len);
	if (!tap_commit_dgram(&g->tap, fr, &n, NULL, len, guest_pmtu(c, g, &guest->peer.a)))
		drop_count(g, DROP_LINK_FULL);
}

/* The answer of @len bytes, two bytes into @made; the lookup is over */
static void lookup_done(struct ctx *c, struct flow *f, size_t len)
{
	struct flow *stream = lookup_stream(c, lookup_of(f));

	if (lookup_of(f)->stream == FLOW_NONE)
		datagram_to_guest(c, flow_guest(c, f), &f->side[GUEST], made + 2, len);
	lookup_end(c, f);
	if (stream)
		resolve_answered(c, stream, made, len);
}

/* The record of an answer, which is one of ours without @found */
static void note_answer(struct ctx *c, const struct guest *g, const struct dns_query *q, enum verdict v,
			const struct dns_found *found)
{
	char type[DNS_TYPE_LEN];

	if (c->flow_log.on)
		flow_log_dns(c, g, q->text, dns_type(q->type, type), v, found ? found->a : NULL, found ? found->n : 0);
}

/* There is no answer: the guest is shown that */
static void lookup_refuse(struct ctx *c, struct flow *f)
{
	note_answer(c, flow_guest(c, f), &lookup_of(f)->q, ALLOW, NULL);
	lookup_done(c, f, dns_error(&lookup_of(f)->q, DNS_SERVFAIL, false, made + 2));
}

/* This resolver has none: another one is asked */
static void lookup_failed(struct ctx *c, struct flow *f)
{
	if (!lookup_next(c, f, false))
		lookup_refuse(c, f);
}

/* Is it, or does it carry, an address that no name leads to? The host's are known when a flow begins. */
static bool is_nameless(const struct addr *a)
{
	struct addr v4[POLICY_CARRIED];
	unsigned n = policy_carried(a, v4), groups = policy_groups(a);

	while (n--)
		groups |= policy_groups(&v4[n]);
	return groups & POLICY_NAMELESS;
}

/* Names without a rule, too: for the record, and as one of several names of an address */
static void learn(struct ctx *c, const struct guest *g, const char *name, const struct dns_found *found)
{
	if (found->rcode)
		return;
	for (unsigned i = 0; i < found->n; i++)
		if (!is_nameless(&found->a[i]) && !names_grant(c, g, name, &found->a[i], found->ttl[i]))
			log_limited(LOG_WARNING, "Table of names full, no address is allowed for %s", name);
}

/* A message of @len bytes in @b came from the resolver, or from the one before if @late: true if it was the answer */
static bool lookup_take(struct ctx *c, struct flow *f, const uint8_t *b, size_t len, bool late)
{
	struct lookup *l = lookup_of(f);
	bool whole = l->stream != FLOW_NONE;
	size_t max = whole ? MESSAGE_MAX : MIN(l->q.size, ANSWER_UDP);
	struct dns_found found;
	bool failed;

	if (!late && !l->plain && !l->tcp && dns_no_opt(b, len, l->id)) {
		l->plain = true;
		lookup_send(f);
		return false;
	}
	len = dns_answer(b, len, &l->q, l->id, made + 2, max, &found);
	if (!len)
		return false;
	failed = found.rcode == DNS_SERVFAIL || found.rcode == DNS_REFUSED;
	if (late && (failed || (found.cut && whole)))
		return false;
	if (failed && lookup_next(c, f, false))
		return true;
	if (found.cut && whole && !l->tcp) {
		l->tcp = true;
		lookup_leave(f, false);
		if (!lookup_try(c, f))
			lookup_failed(c, f);
		return true;
	}
	if (!failed) {
		c->resolve.first = late ? l->late_nr : l->nr;
		c->resolve.until = c->now + RESOLVER_FIRST;
	}
	note_answer(c, flow_guest(c, f), &l->q, ALLOW, &found);
	learn(c, flow_guest(c, f), l->q.text, &found);
	lookup_done(c, f, len);
	return true;
}

/* By TCP: the answer stays in the socket until all of it is there */
static void lookup_read_tcp(struct ctx *c, struct flow *f, uint32_t events)
{
	struct lookup *l = lookup_of(f);
	ssize_t n;

	if (events & (EPOLLERR | EPOLLHUP) || (!l->sent && events & EPOLLOUT && !lookup_send(f))) {
		lookup_failed(c, f);
		return;
	}
	n = UNINTERRUPTED(recv(f->sock, received, sizeof(received), MSG_PEEK | MSG_DONTWAIT));
	if (n >= 2 && n >= 2 + get_be16(received)) {
		if (!lookup_take(c, f, received + 2, get_be16(received), false))
			lookup_failed(c, f);
	} else if (!n || events & EPOLLRDHUP || (n < 0 && errno != EAGAIN)) {
		lookup_failed(c, f);
	}
}

/* Datagrams of the resolver, or of the one before if @late: true if the lookup is over, or the next one is asked */
static bool lookup_read(struct ctx *c, struct flow *f, bool late)
{
	struct lookup *l = lookup_of(f);
	ssize_t n;

	for (unsigned i = 0; i < LOOKUP_READS; i++) {
		n = UNINTERRUPTED(recv(late ? l->late : f->sock, received, sizeof(received), MSG_DONTWAIT));
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && late) {
			lookup_leave(f, false);
			return false;
		}
		if (n < 0) {			/* ICMP: nobody is there */
			lookup_failed(c, f);
			return true;
		}
		if (lookup_take(c, f, received, (size_t)n, late))
			return true;
	}
	flow_wait(&c->flows, f, WAIT_READY);
	return false;
}

static void lookup_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	(void)side;
	if (lookup_of(f)->tcp)
		lookup_read_tcp(c, f, events);
	else if (lookup_of(f)->late < 0 || !lookup_read(c, f, true))
		lookup_read(c, f, false);
}

static void lookup_timeout(struct ctx *c, struct flow *f)
{
	uint64_t end = lookup_of(f)->since + LOOKUP_TIME;

	if (lookup_next(c, f, true))
		return;
	if (f->sock < 0 || c->now >= end) {
		lookup_failed(c, f);
		return;
	}
	if (!lookup_of(f)->tcp) {		/* the last one may be slow, or the query was lost, or its OPT is why */
		lookup_of(f)->plain = true;
		lookup_send(f);
	}
	timer_set(&c->wheel, &f->timer, MIN(end, c->now + RESOLVER_WAIT));
}

static bool lookup_gone(struct ctx *c, struct flow *f)
{
	lookup_end(c, f);
	return true;
}

static const struct flow_ops lookup_flow = {
	.type = FLOW_LOOKUP, .fds = 2, .ready = lookup_ready, .timeout = lookup_timeout, .end = lookup_gone,
};

/* ---- from the guest ---- */

/* Each may have two descriptors */
static unsigned lookups_max(const struct ctx *c)
{
	return MIN((unsigned)LOOKUPS, MAX(c->accept.fds / 8, 1U));
}

/* Whose entry gives way for another of @g? The oldest of its own datagrams; if it has less than its share, that of a
 * guest with more, whose streams' queries come last. LOOKUPS: nobody's.
 */
static unsigned lookup_victim(const struct ctx *c, const struct guest *g)
{
	unsigned share = MAX(lookups_max(c) / MAX(c->net.cf->guests, 1), 1U), victim = LOOKUPS, n[GUEST_MAX] = { 0 };
	uint64_t turn, first = UINT64_MAX;

	for (unsigned i = 0; i < lookups; i++)
		n[c->flows.f[lookup[i].flow].guest]++;
	for (unsigned i = 0; i < lookups; i++) {
		bool streams = lookup[i].stream != FLOW_NONE;
		unsigned of = c->flows.f[lookup[i].flow].guest;

		if (n[g->index] < share ? n[of] <= share : of != g->index || streams)
			continue;
		turn = lookup[i].since | (uint64_t)streams << 63;
		if (turn < first) {
			first = turn;
			victim = i;
		}
	}
	return victim;
}

/* A free entry, or LOOKUPS. For a datagram that gives way, there is no answer: the guest repeats it. */
static unsigned lookup_place(struct ctx *c, const struct guest *g)
{
	unsigned i = 0;

	while (i < lookups && lookup[i].flow != FLOW_NONE)
		i++;
	if (i < lookups)
		return i;
	if (lookups < lookups_max(c))
		return lookups++;
	i = lookup_victim(c, g);
	if (i != LOOKUPS && lookup[i].stream != FLOW_NONE)
		lookup_refuse(c, &c->flows.f[lookup[i].flow]);
	else if (i != LOOKUPS)
		lookup_end(c, &c->flows.f[lookup[i].flow]);
	return i;
}

/* The guest repeats a query that is under way: so do we, unless it is another one */
static bool repeated(struct ctx *c, struct guest *g, const struct side *guest, const struct dns_query *q)
{
	struct flow *f = flow_find(&c->flows, GUEST, g->index, FLOW_LOOKUP, q->id, &guest->peer, &guest->our);
	struct lookup *l;

	if (!f)
		return false;
	l = lookup_of(f);
	if (l->q.type != q->type || strcmp(l->q.text, q->text)) {
		lookup_end(c, f);
		return false;
	}
	if (!l->tcp)
		lookup_send(f);
	return true;
}

/* Sends a query on: false if that can't be */
static bool lookup_begin(struct ctx *c, struct guest *g, struct flow *stream, const struct side *guest,
			 const struct dns_query *q)
{
	uint64_t seed[] = { c->now_us, ++c->resolve.asked };
	struct lookup *l;
	struct flow *f;
	unsigned nr;

	if (!stream && repeated(c, g, guest, q))
		return true;
	nr = lookup_place(c, g);
	if (nr == LOOKUPS)
		return false;
	l = &lookup[nr];
	l->flow = FLOW_NONE;
	f = reclaim_alloc(c, g, &lookup_flow);
	if (!f)
		return false;
	*l = (struct lookup){
		.q = *q, .flow = flow_idx(&c->flows, f), .stream = stream ? flow_idx(&c->flows, stream) : FLOW_NONE,
		.stream_gen = stream ? stream->gen : 0, .id = (uint16_t)siphash(c->secret, seed, sizeof(seed)),
		.nr = c->now < c->resolve.until ? c->resolve.first : 0, .tries = 1, .late = -1, .since = c->now,
	};
	f->lookup = (struct lookup_sock){ .sock = -1, .nr = (uint16_t)nr };
	if (stream)
		stream->stream.lookups++;
	f->timer.kind = TIMER_FLOW;
	if (!stream) {
		f->side[GUEST] = *guest;
		flow_hash(&c->flows, f, GUEST, q->id, &f->side[GUEST].peer, &f->side[GUEST].our);
	}
	if (lookup_try(c, f) || lookup_next(c, f, false))
		return true;
	lookup_end(c, f);
	return false;
}

size_t resolve_query(struct ctx *c, struct guest *g, struct flow *stream, const struct side *guest, const uint8_t *b,
		     size_t len, uint8_t *answer)
{
	struct decision d = { .verdict = ALLOW };
	struct dns_query q;
	size_t made_here;
	int rc = dns_read(b, len, &q);

	if (rc == DNS_NONE) {
		drop_count(g, DROP_POLICY);
		return 0;
	}
	if (rc != DNS_PLAIN)
		return dns_error(&q, (enum dns_rcode)rc, false, answer);
	made_here = lan_on(&c->net) ? resolve_lan(c, &q, answer) : 0;
	if (made_here)
		return made_here;
	if (policy_resolves(g->policy))
		d = policy_query(g->policy, q.text);
	if (d.verdict != DENY && lookup_begin(c, g, stream, guest, &q))
		return 0;
	note_answer(c, g, &q, d.verdict, NULL);
	return dns_error(&q, d.verdict == DENY ? DNS_NXDOMAIN : DNS_SERVFAIL, d.verdict == DENY, answer);
}

size_t resolve_cut(const uint8_t *b, size_t len, uint8_t answer[static DNS_ERROR_MAX])
{
	struct dns_query q;
	size_t n;

	if (dns_read(b, len, &q) != DNS_PLAIN)
		return 0;
	n = dns_error(&q, DNS_OK, false, answer);
	answer[2] |= DNS_TC;
	return n;
}

bool resolve_takes(const struct ctx *c, const struct guest *g, const struct end *to)
{
	if (to->port != PORT_DNS || addr_is_many(&to->a))
		return false;
	return policy_resolves(g->policy) || (lan_on(&c->net) && map_relays(&c->net, IPPROTO_UDP, to));
}

void resolve_datagram(struct ctx *c, struct guest *g, const struct pkt *p)
{
	const struct side guest = { p->src, p->dst };
	size_t size = p->off.gso ? p->off.gso : MAX(p->data.len, 1U), len;
	uint8_t b[RESOLVE_QUERY], answer[DNS_RECORD_MAX];

	for (size_t at = 0; !at || at < p->data.len; at += size) {
		len = MIN(size, p->data.len - at);
		if (!view_copy(&p->data, at, b, MIN(len, sizeof(b))) || len < DNS_HEADER) {
			drop_count(g, DROP_POLICY);
			continue;
		}
		if (len > sizeof(b))
			len = DNS_HEADER;	/* too long for a question */
		len = resolve_query(c, g, NULL, &guest, b, len, answer);
		if (len)
			datagram_to_guest(c, g, &guest, answer, len);
	}
}
