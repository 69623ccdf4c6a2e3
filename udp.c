/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp.c - UDP flows both ways
 *
 * Sockets are FLOW_UDP_PORT entries: one for each endpoint of the guest, and one for each listener, from its first
 * datagram on. They are never connected, and always bound to the unspecified address; the source address, where it
 * matters, goes with each message (IP_PKTINFO). A FLOW_UDP is found by the guest's pair of endpoints, and by socket and
 * remote endpoint on the host's side. Two destinations that are one on the host (a resolver, and the address mapped to
 * it) need sockets of their own, or answers would seem to come from the wrong one: the guest's side of a port has a
 * number for that.
 *
 * A server of the guest's may answer from another address than the client asked: bound to any, it takes its kernel's
 * choice; and from another port: it may have one for each client (RFC 1350 4). A datagram of no flow is looked up among
 * flows that came to listeners. By its port and client (BY_ANSWER), it is an answer of that flow. By client alone
 * (BY_CLIENT), it begins a flow of its own, to the client, whom the guest may see under another name, from the address
 * that the client had asked.
 *
 * Towards the guest, datagrams are received straight into frames of the link. Those of a listener may be
 * udp_splice.c's: while all of them are, or the link is full, they are received into other buffers. Sockets are
 * edge-triggered: they are read until they are empty, or until the flow is on the ready list (used up its turn) or the
 * stalled list (link full).
 *
 * An error that a call returns may be of any earlier datagram. The error queue names it, and is read at its event.
 *
 * Timers (RFC 4787 4.3) run once per idle time: a datagram only leaves a time stamp.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "checksum.h"
#include "dgram.h"
#include "egress.h"
#include "icmp.h"
#include "reach.h"
#include "reclaim.h"
#include "resolve.h"
#include "sock.h"
#include "udp.h"

/* RFC 4787 REQ-5: at least two minutes, five recommended; shorter only for well-known services */
#define TIMEOUT_REPLIED	300000		/* ms */
#define TIMEOUT_SILENT	120000		/* sent to, never answered */
#define TIMEOUT_DNS	30000		/* a query is over after that, whatever the resolver */
#define SERVICES_END	1024		/* ports below are services' */

#define LISTEN_DROPS	1024		/* datagrams dropped at once if their listener can't have a flow entry */
#define TURN_IN		4		/* batches, before other flows have their turn */
#define SOCKETS_MAX	4		/* of one endpoint of the guest */
#define FLOWS_AT_ONCE	16		/* that end with their socket */
#define UNASKED_MANY	64		/* datagrams for no flow of a port, before the kernel drops them */

#define TOUCH_TIME	16		/* ms; see udp_used() */

#define KEY_OWN		FLOW_NONE	/* host's side of FLOW_UDP_PORT: by local port, to know our own packets */

static const struct flow_ops udp_flow, udp_port_flow;

/* A batch from the host's side: nothing is kept here between calls */
static struct {
	struct frame		*frame[DGRAM_BATCH];	/* NULL: received into another buffer */
	struct iovec		place[DGRAM_BATCH];
	uint8_t			big[DGRAM_ROOM];	/* datagrams that the kernel joined, too many for the link */
	struct {
		struct flow	*f;		/* NULL: none */
		struct frame	*fr;
		struct dgram_run run;
	} join;					/* grows to a super-packet until another datagram follows */
} udp_in;

static struct flow *port_of(struct ctx *c, const struct flow *f)
{
	return &c->flows.f[f->udp.port];
}

/* ---- flows and their sockets ---- */

/* Of a FLOW_UDP_PORT that is no listener's, or of a FLOW_UDP_SPLICE */
static void socket_close(struct ctx *c, struct flow *f)
{
	if (f->udp.sock < 0)
		return;
	fd_close(f->udp.sock);
	f->udp.sock = -1;
	flow_guest(c, f)->sockets--;
}

static void port_put(struct ctx *c, struct flow *port)
{
	if (--port->udp.refs)
		return;
	socket_close(c, port);			/* no listener's: that keeps the first reference */
	flow_end(&c->flows, port);
}

static void port_add(struct ctx *c, struct flow *port, struct flow *f)
{
	udp_unfilter(port);
	f->udp.prev = FLOW_NONE;
	f->udp.next = port->udp.flows;
	if (f->udp.next != FLOW_NONE)
		c->flows.f[f->udp.next].udp.prev = flow_idx(&c->flows, f);
	port->udp.flows = flow_idx(&c->flows, f);
}

static void port_remove(struct ctx *c, struct flow *port, const struct flow *f)
{
	*(f->udp.prev == FLOW_NONE ? &port->udp.flows : &c->flows.f[f->udp.prev].udp.next) = f->udp.next;
	if (f->udp.next != FLOW_NONE)
		c->flows.f[f->udp.next].udp.prev = f->udp.prev;
}

void udp_end(struct ctx *c, struct flow *f)
{
	if (f->type == FLOW_UDP_SPLICE)
		udp_splice_alone(c, f);
	timer_clear(&c->wheel, &f->timer);
	socket_close(c, f);			/* a FLOW_UDP has none */
	flow_end(&c->flows, f);
	port_remove(c, port_of(c, f), f);
	port_put(c, port_of(c, f));
}

static bool is_listener(const struct flow *port)
{
	return port->udp.listener != FLOW_NONE;
}

void udp_used(struct ctx *c, struct flow *f, bool replied)
{
	bool lately = c->now / TOUCH_TIME == f->udp.used / TOUCH_TIME && f->lru != LRU_LISTS;
	bool same = replied <= f->udp.replied;

	f->udp.used = c->now;
	f->udp.replied |= replied;
	if ((!lately || !same) && (f->type != FLOW_UDP_PORT || !is_listener(f)))	/* these never give way */
		flow_touch(&c->flows, f, f->udp.replied);
}

static uint64_t timeout_of(const struct flow *f)
{
	if (f->side[!f->udp.near].peer.port == PORT_DNS)
		return TIMEOUT_DNS;
	return f->udp.replied ? TIMEOUT_REPLIED : TIMEOUT_SILENT;
}

static void udp_timeout(struct ctx *c, struct flow *f)
{
	uint64_t due = f->udp.used + timeout_of(f);

	if (f->udp.child)			/* children need its socket */
		due = MAX(due, c->now + TIMEOUT_DNS);
	if (c->now >= due)
		udp_end(c, f);
	else
		timer_set(&c->wheel, &f->timer, due);
}

void udp_start(struct ctx *c, struct flow *f)
{
	f->timer.kind = TIMER_FLOW;
	timer_set(&c->wheel, &f->timer, c->now + timeout_of(f));
	udp_used(c, f, false);
	port_add(c, port_of(c, f), f);
	udp_used(c, port_of(c, f), false);
}

/* Flow between two endpoints; takes over the caller's reference to @port, even on failure */
static struct flow *udp_new(struct ctx *c, struct guest *g, struct flow *port, const struct side *guest,
			    const struct side *host, unsigned scope)
{
	struct flow *f = reclaim_alloc(c, g, &udp_flow);

	if (!f) {
		drop_count(g, DROP_NO_RESOURCE);
		port_put(c, port);
		return NULL;
	}
	f->side[GUEST] = *guest;
	f->side[HOST] = *host;
	f->udp = (struct udp){ .port = flow_idx(&c->flows, port), .scope = scope, .sock = -1 };
	flow_hash_guest(&c->flows, f);
	flow_hash_host(&c->flows, f, f->udp.port);
	udp_start(c, f);
	return f;
}

static void port_init(struct flow *port, int fd, uint32_t listener)
{
	port->udp = (struct udp){
		.sock = fd, .refs = 1, .listener = listener, .flows = FLOW_NONE, .batch = DGRAM_BATCH,
	};
}

static int port_socket(struct ctx *c, struct guest *g, const struct end *our, const struct sock_out *o)
{
	int fd = -EMFILE;

	if (reclaim_share(c, g))
		for (unsigned i = 0; i < RECLAIM_TRIES && reclaim_for(c, fd = sock_udp(our, o)); i++)
			;
	if (fd < 0)
		log_limited(LOG_WARNING, "No UDP socket for port %u: %s", our->port, errno_text(-fd));
	else if (g->tap.caps.uso)
		sock_join(fd);
	return fd;
}

/* Socket of the guest's endpoint @src on the host, for addresses of the family of @any; @nr: of several. With a
 * reference for the caller.
 */
static struct flow *port_get(struct ctx *c, struct guest *g, const struct end *src, const struct addr *any, uint16_t nr,
			     const struct sock_out *o)
{
	const struct side guest = { .peer = *src, .our = { .a = *any, .port = nr } };
	const struct end our = { .a = *any, .port = src->port };
	struct flow *port = flow_find_guest(&c->flows, g->index, FLOW_UDP_PORT, &guest.peer, &guest.our);
	int fd;

	if (port) {
		port->udp.refs++;
		return port;
	}
	fd = port_socket(c, g, &our, o);
	port = reclaim_flow(c, g, &udp_port_flow, fd);
	if (!port)
		return NULL;
	port_init(port, fd, FLOW_NONE);
	port->side[GUEST] = guest;
	port->side[HOST].peer = port->side[HOST].our = (struct end){ our.a, sock_name(fd).port };
	flow_hash_guest(&c->flows, port);
	flow_hash_host(&c->flows, port, KEY_OWN);
	return port;
}

/* Host's interface for a destination, 0: routes decide, as for IPv4 link-local addresses; @scope: map_leave()'s */
static unsigned scope_of(const struct net *net, const struct addr *a, unsigned scope)
{
	if (addr_is_many(a) && *net->cf->ip[addr_family(a)].out_if)
		return 0;			/* the socket is bound to one */
	if (addr_is_v4(a))
		return addr_is_many(a) ? net->ip[V4].ifindex : 0;
	return scope;
}

/* Opens, or finds, a socket whose answers from @host->peer belong to no other flow */
static struct flow *port_free_for(struct ctx *c, struct guest *g, const struct end *src, const struct side *host,
				  struct sock_out o)
{
	const char *out_if = c->net.cf->ip[addr_family(&host->peer.a)].out_if;
	const struct addr *any = addr_is_v4(&host->peer.a) ? &addr_any4 : &addr_any6;
	uint16_t first = *out_if && !*o.ifname ? SOCKETS_MAX : 0; /* not bound to the interface: sockets of their own */

	o.scope = 0;				/* for all destinations */
	for (uint16_t i = 0; i < SOCKETS_MAX; i++) {
		struct flow *port = port_get(c, g, src, any, first + i, &o);

		if (!port)
			return NULL;
		if (!flow_find_host(&c->flows, FLOW_UDP, flow_idx(&c->flows, port), &host->peer))
			return port;
		port_put(c, port);
	}
	return NULL;
}

bool udp_move(struct ctx *c, struct flow *f, const struct side *host, const struct sock_out *leave)
{
	struct flow *old = port_of(c, f), *port;
	uint16_t head = f->batch_head;

	f->batch_head = 0;			/* stays, as with packets of the batch: others may end for the socket */
	port = port_free_for(c, flow_guest(c, f), &f->side[GUEST].peer, host, *leave);
	f->batch_head = head;
	if (!port)
		return false;
	port_remove(c, old, f);
	flow_unhash(&c->flows, f, HOST);
	f->side[HOST] = *host;
	f->udp.port = flow_idx(&c->flows, port);
	f->udp.scope = scope_of(&c->net, &host->peer.a, leave->scope);
	flow_hash_host(&c->flows, f, f->udp.port);
	port_add(c, port, f);
	port_put(c, old);
	return true;
}

void udp_rescope(struct ctx *c, enum family f, unsigned from, unsigned to)
{
	for (uint32_t i = 0; i < c->flows.unused; i++) {
		struct flow *fl = &c->flows.f[i];

		if (fl->type == FLOW_UDP && !fl->dead && !fl->udp.inbound && fl->udp.scope == from &&
		    addr_family(&fl->side[HOST].peer.a) == f)
			fl->udp.scope = to;
	}
}

/* @f came to a listener: the guest may answer from another endpoint */
static void hash_client(struct ctx *c, struct flow *f)
{
	const struct side *s = &f->side[GUEST];

	if (f->hash[BY_ANSWER] == FLOW_NONE)
		flow_hash_end(&c->flows, f, BY_ANSWER, s->peer.port, &s->our);
	if (f->hash[BY_CLIENT] == FLOW_NONE)
		flow_hash_end(&c->flows, f, BY_CLIENT, 0, &s->our);
}

/* A listener's client, which the guest sees as @dst, or NULL; @to: where map_out() leads. Clients may forge the address
 * of a service that the guest asks, or one that stands for something of the host's: so @dst is no service's port, and
 * the client's own name only if map_out() leads there.
 */
static const struct flow *client_of(const struct ctx *c, const struct guest *g, const struct end *dst,
				    const struct end *to)
{
	const struct flow *f = flow_find_end(&c->flows, g->index, BY_CLIENT, FLOW_UDP, 0, dst);

	return f && dst->port >= SERVICES_END && (end_eq(dst, to) || !end_eq(dst, &f->side[HOST].peer)) ? f : NULL;
}

struct flow *udp_open(struct ctx *c, struct guest *g, const struct pkt *p)
{
	const struct side guest = { .peer = p->src, .our = p->dst };
	const struct flow *client;
	struct flow *port, *f, *answered;
	struct sock_out leave;
	struct decision d;
	struct side host;
	enum drop why;

	resolver_begin(&c->net.ip[addr_family(&p->dst.a)], c->now);
	why = map_out(&c->net, IPPROTO_UDP, &p->src, &p->dst, &host);
	if (why != DROP_NONE) {
		icmp_refuse(c, g, why, p);
		return NULL;
	}
	answered = flow_find_end(&c->flows, g->index, BY_ANSWER, FLOW_UDP, p->src.port, &p->dst);
	if (answered)
		return answered;
	if (resolve_takes(c, g, &p->dst)) {
		resolve_datagram(c, g, p);
		return NULL;
	}
	client = client_of(c, g, &p->dst, &host.peer);
	if (client) {				/* it began */
		host.peer = client->side[HOST].peer;
		host.our.a = client->side[HOST].our.a;
		flow_log_inbound(c, g, IPPROTO_UDP, &host.peer, NULL);
	} else {
		why = egress_open(c, g, p, &host.peer, &d);
	}
	if (why != DROP_NONE) {
		icmp_refuse(c, g, why, p);
		return NULL;
	}
	leave = map_leave(&c->net, &p->dst, &host.peer.a);
	port = port_free_for(c, g, &p->src, &host, leave);
	if (!port) {
		drop_count(g, DROP_NO_RESOURCE);
		return NULL;
	}
	if (addr_is_many(&host.peer.a))
		udp_to_many(port, &host.peer.a);
	else
		udp_to_one(port);
	f = udp_new(c, g, port, &guest, &host,
		    scope_of(&c->net, &host.peer.a, client ? client->udp.scope : leave.scope));
	if (!f)
		return NULL;
	if (!client)
		flow_decided(&c->flows, f, &d);
	f->udp.many = addr_is_many(&host.peer.a);
	f->udp.relayed = map_relays(&c->net, IPPROTO_UDP, &p->dst);
	return f;
}

/* ---- errors ---- */

/* One entry of the error queue, with the payload @data, to its packet's flow */
static void port_error(struct ctx *c, struct flow *port, const struct sock_err *e, uint8_t *data)
{
	struct flow *f = flow_find_host(&c->flows, FLOW_UDP, flow_idx(&c->flows, port), &e->dst);
	uint8_t *udp = data - UDP_HLEN;
	size_t len = UDP_HLEN + e->len;
	const struct end *src, *dst;
	uint16_t csum;

	f = f ? f : udp_too_large(c, port, e);
	if (!f) {
		drop_count(flow_guest(c, port), DROP_NO_FLOW);
		return;
	}
	if (f->udp.relayed && udp_relay_error(c, f))
		return;
	src = &f->side[GUEST].peer;
	dst = &f->side[GUEST].our;

	/* Header as the guest wrote it, as far as the payload came back in whole */
	put_be16(udp, src->port);
	put_be16(udp + 2, dst->port);
	put_be16(udp + 4, (uint16_t)len);
	put_be16(udp + 6, 0);
	csum = csum_finish(csum_add(udp, len, csum_pseudo(&src->a, &dst->a, IPPROTO_UDP, (uint32_t)len)));
	csum = csum ? csum : 0xffff;
	memcpy(udp + 6, &csum, sizeof(csum));

	icmp_error(c, flow_guest(c, f), e, src, dst, IPPROTO_UDP, udp, len);
}

/* ---- guest to host ---- */

/* Sends the batch; datagrams that fail are dropped and counted. Errors of earlier ones, and of too large ones with the
 * MTU, come by the error queue. Then the flow may have another port: that of the next resolver.
 */
static void udp_send(struct ctx *c, struct flow *f)
{
	const struct addr *to = &f->side[HOST].peer.a;
	bool other = f->udp.relayed && c->net.ip[addr_family(&f->side[GUEST].our.a)].ndns_to > 1, failed = false;
	struct flow *port = port_of(c, f);
	struct guest *g = flow_guest(c, f);
	int err;

	while ((err = dgram_send(port->udp.sock, &port->udp.single, &g->drops[DROP_SEND]))) {
		if (err == EACCES && !port->udp.bcast && addr_is_v4(to) && !addr_is_multicast(to)) {
			udp_to_many(port, to);	/* a network's broadcast address: known to the kernel alone */
			f->udp.many = true;
			continue;
		}
		if (err == EMSGSIZE && port->udp.whole && !udp_has_df(g, dgram_refused())) {
			udp_set_whole(c, port, false);
			continue;
		}
		failed = true;
		if (err == EINVAL && !addr_is_unspec(&f->side[HOST].our.a))	/* it isn't the host's any more */
			err = EADDRNOTAVAIL;
		if (err != ENOBUFS && err != EMSGSIZE && !other)
			icmp_error_pkt(c, g, err, dgram_refused());
		dgram_skip(&g->drops[DROP_SEND]);
	}
	if (failed && other)
		udp_relay_error(c, f);
}

/* TTL and DSCP stay the guest's, so that traceroute sees the path's routers (ICMP-07) */
static bool udp_add(const struct flow *f, const struct pkt *p)
{
	uint8_t ttl = p->ttl == IPDEFTTL && !addr_is_many(&f->side[HOST].peer.a) ? 0 : MAX(p->ttl, 1);

	return dgram_add(&p->data, p->off.gso, ttl, p->tos, p);
}

void udp_input(struct ctx *c, struct flow *f, struct pkt *pkts)
{
	uint16_t i = f->batch_head;

	if (f->udp.relayed)
		udp_relay_query(c, f, pkts);
	f->batch_head = f->batch_tail = PKT_NEXT_NONE;
	dgram_begin(&f->side[HOST], f->udp.scope, !port_of(c, f)->udp.single);
	for (; i != PKT_NEXT_NONE; i = pkts[i].next) {
		bool whole = udp_goes_whole(flow_guest(c, f), port_of(c, f), &pkts[i]);

		flow_moved(&c->flows, f, GUEST, pkts[i].data.len);
		if (whole != port_of(c, f)->udp.whole) {
			udp_send(c, f);
			udp_set_whole(c, port_of(c, f), whole);
		}
		if (udp_add(f, &pkts[i]))
			continue;
		udp_send(c, f);
		if (!udp_add(f, &pkts[i]))
			drop_count(flow_guest(c, f), DROP_SEND);
	}
	udp_send(c, f);

	if (f->udp.many)
		udp_asks(c, port_of(c, f), f);
	udp_used(c, f, f->udp.inbound);
	udp_used(c, port_of(c, f), false);
}

/* ---- host to guest ---- */

bool udp_is_own(const struct flows *fs, const struct end *e)
{
	const struct end port = { .a = addr_is_v4(&e->a) ? addr_any4 : addr_any6, .port = e->port };

	return flow_find_host(fs, FLOW_UDP_PORT, KEY_OWN, &port);
}

/* Sent by a socket of ours to a group or broadcast address, and looped back (UDP-05) */
static bool own_packet(const struct flows *fs, const struct dgram *d)
{
	return addr_eq(&d->from.a, &d->our) && udp_is_own(fs, &d->from);
}

/* New flow for a datagram from the host's side: to a listener, or an answer to a group's question */
static struct flow *port_accept(struct ctx *c, struct flow *port, const struct side *host, const struct dgram *d)
{
	struct fwd_rule *rule = is_listener(port) ? &c->fwd.rule[c->fwd.l[port->udp.listener].rule] : NULL;
	struct guest *g = flow_guest(c, port);
	enum drop why = DROP_NONE;
	struct flow *old, *f;
	struct side guest;

	if (rule ? d->many && own_packet(&c->flows, d) : !udp_answers(c, port, d)) {
		why = DROP_NO_FLOW;
	} else if (rule) {
		why = rule->r.outward ? DROP_POLICY : reach_in(c, &rule->r, host, &g, &guest);
		if (!why && g->index != port->guest)
			why = DROP_POLICY;	/* moved in this turn: from the next event on, the port is its */
	} else {
		guest.peer = port->side[GUEST].peer;
		guest.our = (struct end){ map_icmp_src(&c->net, &g->seen, &host->peer.a), host->peer.port };
	}
	if (why != DROP_NONE) {
		drop_count(g, why);
		return NULL;
	}
	/* Two clients that are one for the guest, or one that now comes another way: answers go to the last */
	old = flow_find_guest(&c->flows, g->index, FLOW_UDP, &guest.peer, &guest.our);
	if (old)
		udp_end(c, old);
	port->udp.refs++;
	if (rule)
		rule->accepted++;
	flow_log_inbound(c, g, IPPROTO_UDP, &host->peer, rule ? &rule->r : NULL);
	f = udp_new(c, g, port, &guest, host, d->scope);
	if (f)
		f->udp.inbound = true;
	return f;
}

/* Datagrams that the kernel joined, one by one as the link can't carry all in a frame: @fr is the first's */
static void in_segments(struct guest *g, struct frame *fr, struct net_hdr *n, size_t len, uint16_t gso, uint32_t mtu)
{
	size_t at, size;

	memcpy(udp_in.big, fr->pay[0].iov_base, len);
	for (at = 0; at < len; at += size) {
		size = MIN(gso, len - at);
		if (at && !tap_reserve(&g->tap, &fr, 1, DGRAM_ROOM, TAP_ANY)) {
			drop_count(g, DROP_LINK_FULL);
			return;
		}
		memcpy(fr->pay[0].iov_base, udp_in.big + at, size);
		if (!tap_commit_dgram(&g->tap, fr, n, NULL, size, mtu))
			drop_count(g, DROP_LINK_FULL);
	}
}

/* Datagram of @len bytes in @fr to the guest */
static void in_emit(struct ctx *c, const struct flow *f, struct frame *fr, size_t len, uint16_t gso)
{
	struct guest *g = flow_guest(c, f);
	struct net_hdr n = guest_hdr(c, g, &f->side[GUEST].our, &f->side[GUEST].peer);
	uint32_t mtu = guest_pmtu(c, g, &n.dst.a);
	unsigned hdr = net_hdr_len(addr_is_v4(&n.src.a), UDP_HLEN) - ETH_HLEN;

	if (gso && gso < len && g->tap.caps.uso && gso + hdr <= mtu) {
		fr->len = len;
		n.id = tap_ids(&g->tap, (unsigned)DIV_ROUND_UP(len, gso));
		frame_udp(fr, &n, gso, &g->tap.caps);
		tap_commit(&g->tap, fr);
	} else if (gso && gso < len) {
		in_segments(g, fr, &n, len, gso, mtu);
	} else if (!tap_commit_dgram(&g->tap, fr, &n, NULL, len, mtu)) {
		drop_count(g, DROP_LINK_FULL);
	}
}

static void in_flush(struct ctx *c)
{
	const struct dgram_run *r = &udp_in.join.run;

	if (udp_in.join.f)
		in_emit(c, udp_in.join.f, udp_in.join.fr, r->len, r->n > 1 ? r->size : 0);
	udp_in.join.f = NULL;
}

/* Frame of message @i, a new one if another buffer has it; NULL, counted */
static struct frame *in_frame(struct guest *g, unsigned i, const struct iovec *data)
{
	struct frame *fr = udp_in.frame[i];

	if (fr)
		return fr;
	if (!tap_reserve(&g->tap, &fr, 1, DGRAM_ROOM, TAP_ANY)) {
		drop_count(g, DROP_LINK_FULL);
		return NULL;
	}
	memcpy(fr->pay[0].iov_base, data->iov_base, data->iov_len);
	return fr;
}

/* Message @i to the guest, joined with those before it if they are as long, and of the same flow: true if its frame
 * was used. A frame on the link costs several times the copy of a datagram.
 */
static bool in_pass(struct ctx *c, struct flow *f, unsigned i, const struct dgram *d)
{
	struct guest *g = flow_guest(c, f);
	unsigned hdr = net_hdr_len(addr_is_v4(&f->side[GUEST].our.a), UDP_HLEN) - ETH_HLEN;
	size_t len = d->data.iov_len, at = udp_in.join.run.len;
	struct frame *fr;

	if (udp_in.join.f == f && !d->gso && dgram_run_takes(&udp_in.join.run, len)) {
		memcpy((uint8_t *)udp_in.join.fr->pay[0].iov_base + at, d->data.iov_base, len);
		return false;
	}
	in_flush(c);
	fr = in_frame(g, i, &d->data);
	if (!fr)
		return false;
	if (d->gso || !len || !g->tap.caps.uso || len + hdr > guest_pmtu(c, g, &f->side[GUEST].peer.a)) {
		in_emit(c, f, fr, len, d->gso);
		return true;
	}
	udp_in.join.f = f;
	udp_in.join.fr = fr;
	udp_in.join.run = dgram_run_begin(len, 0, true);
	return true;
}

static struct side in_side(const struct flow *port, const struct dgram *d)
{
	return (struct side){ d->from, { d->our, port->side[HOST].our.port } };
}

/* Message @i: true if its frame was used */
static bool in_deliver(struct ctx *c, struct flow *port, unsigned i)
{
	bool listener = is_listener(port);
	struct side host;
	struct dgram d;
	struct flow *f;

	if (!dgram_get(i, false, &d)) {
		drop_count(flow_guest(c, port), DROP_PORT_ZERO);
		return false;
	}
	host = in_side(port, &d);
	if (listener && udp_splice_take(c, port, &host, &d))
		return false;

	f = flow_find_host(&c->flows, FLOW_UDP, flow_idx(&c->flows, port), &host.peer);
	if (f && d.scope && f->udp.scope && d.scope != f->udp.scope)
		f = NULL;			/* the same link-local address on another link is somebody else */
	if (!f)
		f = port_accept(c, port, &host, &d);
	if (!f)
		return false;

	if (listener) {
		f->side[HOST].our.a = d.our;	/* the address asked last is the one that answers (UDP-10) */
		f->udp.scope = d.scope;
		hash_client(c, f);
	}
	udp_used(c, f, !listener && !f->udp.inbound);	/* answers of a group don't count: anybody may send one */
	udp_used(c, port, !listener);
	flow_moved(&c->flows, f, HOST, d.data.iov_len);
	if (f->udp.relayed && !udp_relay_answer(c, f, d.data.iov_base, d.data.iov_len))
		return false;
	return in_pass(c, f, i, &d);
}

/* Is the next datagram of a listener's socket one that is spliced? */
static bool head_splices(struct ctx *c, const struct flow *port)
{
	struct side host, far;
	struct dgram d;

	if (!is_listener(port) || !dgram_peek(port->udp.sock, &d))
		return false;
	host = in_side(port, &d);
	return udp_splice_wants(c, port, &host, &d, &far);
}

/* Places for a batch: frames, or other buffers if it will hardly be for the link. How many; 0: the link is full */
static unsigned in_places(struct ctx *c, const struct flow *port)
{
	struct tap *t = &flow_guest(c, port)->tap;
	unsigned n = port->udp.batch;

	if (!port->udp.linkless && !(port->udp.spliced && tap_takes(t) && t->nfree >= n)) {
		n = tap_reserve(t, udp_in.frame, n, DGRAM_ROOM, TAP_ANY);
		for (unsigned i = 0; i < n; i++)
			udp_in.place[i] = udp_in.frame[i]->pay[0];
		if (n || !head_splices(c, port))
			return n;
		n = 1;
	}
	memset(udp_in.frame, 0, n * sizeof(udp_in.frame[0]));
	dgram_buffers(udp_in.place, n);
	return n;
}

/* Delivers @got messages of the batch, received into @n places */
static void in_batch(struct ctx *c, struct flow *port, int got, unsigned n)
{
	struct guest *g = flow_guest(c, port);
	uint64_t unasked = g->drops[DROP_NO_FLOW];
	unsigned unused = 0;

	for (unsigned i = 0; i < n; i++) {
		bool used = (int)i < got && in_deliver(c, port, i);

		if (!used && udp_in.frame[i])
			udp_in.frame[unused++] = udp_in.frame[i];
	}
	in_flush(c);
	tap_unreserve(&g->tap, udp_in.frame, unused);
	if (got > 0)
		port->udp.spliced = udp_splice_flush(c) == (unsigned)got;

	port->udp.unasked += (uint32_t)(g->drops[DROP_NO_FLOW] - unasked);
	if (port->udp.unasked >= UNASKED_MANY) {
		udp_filter(c, port);
		port->udp.unasked = 0;
	}
}

static void port_read(struct ctx *c, struct flow *port)
{
	unsigned useless = 0;

	for (unsigned turn = 0; turn < TURN_IN; turn++) {
		unsigned n = in_places(c, port);
		int rc;

		if (!n) {
			flow_wait(&c->flows, port, WAIT_STALLED);
			return;
		}
		rc = dgram_recv(port->udp.sock, udp_in.place, n, &port->udp.batch);
		in_batch(c, port, rc, n);
		if (rc == -EAGAIN || (rc >= 0 && (unsigned)rc < n))
			return;
		if (rc < 0 && useless++)	/* not a datagram's error: those are off the socket now */
			return;
	}
	flow_wait(&c->flows, port, WAIT_READY);
}

static void port_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	struct sock_err e;
	uint8_t *data;

	(void)side;
	if (f->udp.sock < 0)
		return;
	f->udp.refs++;				/* stays here even if its last flow gives way to another one */
	if (events & EPOLLERR)
		for (unsigned n = 0; dgram_error(f->udp.sock, n, &e, &data); n++)	/* UDP-01 */
			port_error(c, f, &e, data);
	port_read(c, f);
	port_put(c, f);
}

/* Ends flows of a port, and it with the last one, but no more at once than others can wait for */
static bool port_gone(struct ctx *c, struct flow *port)
{
	uint32_t idx;
	unsigned i;

	for (i = 0; i < FLOWS_AT_ONCE && (idx = port->udp.flows) != FLOW_NONE; i++) {
		if (c->flows.f[idx].batch_head != PKT_NEXT_NONE)
			break;
		udp_end(c, &c->flows.f[idx]);
	}
	return i;
}

static bool udp_gone(struct ctx *c, struct flow *f)
{
	if (f->batch_head != PKT_NEXT_NONE)
		return false;
	udp_end(c, f);
	return true;
}

/* A new one is opened for the next datagram. A listener's stays, and waits for its address. */
static void port_lost(struct ctx *c, struct flow *port)
{
	if (!is_listener(port))
		while (!port->dead && port_gone(c, port))
			;
}

static const char *udp_state(const struct flow *f)
{
	return f->udp.replied ? "both ways" : "one way";
}

static const struct flow_ops udp_flow = {
	.type = FLOW_UDP, .name = { "udp", "udp" }, .shares = true, .state = udp_state,
	.timeout = udp_timeout, .end = udp_gone,
};

static const struct flow_ops udp_port_flow = {
	.type = FLOW_UDP_PORT, .fds = 1, .ready = port_ready, .end = port_gone, .lost = port_lost,
};

const struct flow_ops udp_splice_flow = {
	.type = FLOW_UDP_SPLICE, .name = { "udp", "udp" }, .fds = 1, .spliced = true, .state = udp_state,
	.ready = udp_splice_ready, .timeout = udp_timeout, .end = udp_gone,
};

/* Ends all flows of a port, and the port with them if it is no listener's */
static void port_end(struct ctx *c, struct flow *port)
{
	while (port->udp.flows != FLOW_NONE)
		udp_end(c, &c->flows.f[port->udp.flows]);
}

/* ---- listeners ---- */

/* First datagram on a listener: from now on, it has a port like a guest's endpoint */
static struct flow *listener_port(struct ctx *c, struct guest *g, struct listener *l, uint32_t idx)
{
	const struct rule *r = &c->fwd.rule[l->rule].r;
	struct flow *port = reclaim_alloc(c, g, &udp_port_flow);

	if (!port)
		return NULL;
	port_init(port, l->fd, idx);
	l->flow = flow_idx(&c->flows, port) + 1;
	port->side[HOST].our.port = l->port;
	port->udp.linkless = r->outward || c->net.cf->splice_only;
	if (g->tap.caps.uso || !c->net.cf->no_splice || r->outward)
		sock_join(l->fd);
	return port;
}

void udp_listen_ready(struct ctx *c, uint32_t idx, uint32_t events)
{
	struct listener *l = fwd_listener(&c->fwd, idx, IPPROTO_UDP);
	struct flow *port = NULL;
	const struct rule *r;
	struct guest *g;
	struct addr to;

	if (!l)					/* closed since */
		return;
	r = &c->fwd.rule[l->rule].r;
	g = reach_guest(c, r, l->v6 ? V6 : V4, &to);
	if (g)
		port = l->flow ? &c->flows.f[l->flow - 1] : listener_port(c, g, l, idx);
	if (port) {
		if (port->guest != g->index) {	/* the target of the rule has become another guest: flows end */
			port_end(c, port);
			flow_move(&c->flows, port, g->index);
		}
		port_ready(c, port, HOST, events);
		return;
	}
	for (unsigned i = 0; i < LISTEN_DROPS && recv(l->fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) >= 0; i++)
		drop_count(g ? g : &c->guest[r->guest], g ? DROP_NO_RESOURCE : DROP_POLICY);
}

bool udp_make_way(struct ctx *c, const struct rules *t)
{
	const struct addr *any[] = { &addr_any4, &addr_any6 };
	bool was = false;

	for (const struct rule *r = t->rule; r < t->rule + t->n; r++) {
		if (r->proto != IPPROTO_UDP || r->outward || rule_exactness(r) != NAMED)
			continue;
		for (uint32_t i = 2U * r->first; i < 2U * (r->last + 1U); i++) {
			const struct end e = { *any[i % 2], (uint16_t)(i / 2) };
			struct flow *port = flow_find_host(&c->flows, FLOW_UDP_PORT, KEY_OWN, &e);

			if (!port)
				continue;
			port_end(c, port);
			was = true;
		}
	}
	return was;
}

void udp_listeners_gone(struct ctx *c)
{
	for (uint32_t i = 0; (i = fwd_gone(&c->fwd, i)) < LISTENERS_MAX; i++) {
		uint32_t flow = c->fwd.l[i].flow;
		struct flow *port;

		if (!flow)
			continue;
		port = &c->flows.f[flow - 1];
		port->udp.sock = -1;		/* it was the listener's */
		port_end(c, port);
		flow_end(&c->flows, port);
	}
}
