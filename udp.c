/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp.c - UDP flows both ways
 *
 * Sockets are FLOW_UDP_PORT entries: one for each endpoint of the guest, and one for each listener, from its first
 * datagram on. They are never connected and always bound to the unspecified address; the source address, where it
 * matters, goes with each message (IP_PKTINFO). A FLOW_UDP is found by the guest's pair of endpoints, and by socket and
 * remote endpoint on the host's side. Two destinations that are one on the host (a resolver, and the address that is
 * mapped to it) need sockets of their own, or answers would seem to come from the wrong one: the guest's side of a port
 * is numbered for that.
 *
 * A server of the guest's doesn't always answer from the address that was asked: bound to any, it takes the one that its
 * kernel picks; nor always from that port: it may have one for each client (RFC 1350 4). What is of no flow is looked up
 * among flows that came to listeners. By its port and client (BY_ANSWER), it is an answer of that flow. By client alone
 * (BY_CLIENT), it begins a flow of its own, to where the client is, which the guest may see under another name, from the
 * address that the client had asked.
 *
 * Towards the guest, datagrams are received straight into frames of the link, also those that are spliced: these are sent
 * from there by udp_splice.c, and the frame was not used. Sockets are edge-triggered: they are
 * read until they give less than was asked for, or until the flow is on the ready list (used up its turn) or the
 * stalled list (link full).
 *
 * An error on a socket says nothing about whose packet it was: send calls report what another flow's peer answered
 * earlier. So whatever a call reports, the error queue is read first, and its entries are told to the flows they name.
 *
 * Timers (RFC 4787 4.3) run once per idle time: a datagram only leaves a time stamp.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "checksum.h"
#include "event.h"
#include "icmp.h"
#include "reclaim.h"
#include "sock.h"
#include "udp.h"
#include "udp_splice.h"

#ifndef UDP_GRO
#define UDP_GRO		104
#endif

/* RFC 4787 REQ-5: at least two minutes, five recommended; shorter only for well-known services */
#define TIMEOUT_REPLIED	300000		/* ms */
#define TIMEOUT_SILENT	120000		/* sent to, never answered */
#define TIMEOUT_DNS	30000		/* a query is over after that, whatever the resolver */
#define PORT_DNS	53
#define PORT_CLIENT	1024		/* those below are services' */

#define UDP_HLEN	8
#define BATCH_OUT	64		/* messages in one sendmmsg() */
#define IOV_OUT		512
#define BATCH_IN	32		/* in one recvmmsg() */
#define TURN_IN		4		/* recvmmsg() calls before other flows have their turn */
#define TURN_ERRORS	64		/* entries of an error queue, the same */
#define ERROR_TRIES	4		/* sends again after an error that was another packet's */
#define SOCKETS_MAX	4		/* of one endpoint of the guest */
#define FLOWS_AT_ONCE	16		/* that end with their socket */
#define UNASKED_MANY	64		/* datagrams of a port that no flow was about, before the kernel has to see to them */

#define KEY_LISTENER	FLOW_MAX	/* host's side of FLOW_UDP_PORT: listener's index above this */
#define KEY_OWN		FLOW_NONE	/* same: by local port, to know our own packets */

#define CMSG_ROOM	256

static_assert(BATCH_IN <= UDP_SPLICE_BATCH, "what can be taken of a batch");

/* Messages on their way out: nothing is kept here between calls */
static struct {
	struct mmsghdr		mm[BATCH_OUT];
	const struct pkt	*pkt[BATCH_OUT];	/* the first of those that are joined */
	struct udp_run		msg[BATCH_OUT];
	uint8_t			control[BATCH_OUT][CMSG_ROOM] __attribute__((aligned(8)));
	struct iovec		iov[IOV_OUT];
	union sockaddr_any	to;
	socklen_t		to_len;
	unsigned		n, niov;
} out;

/* And in */
static struct {
	struct mmsghdr		mm[BATCH_IN];
	struct frame		*frame[BATCH_IN];
	struct iovec		iov[BATCH_IN];
	union sockaddr_any	from[BATCH_IN];
	uint8_t			control[BATCH_IN][CMSG_ROOM] __attribute__((aligned(8)));
	uint8_t			big[DGRAM_ROOM];	/* datagram in pieces */
	struct {
		struct flow	*f;		/* NULL: none */
		struct frame	*fr;
		struct udp_run	run;
	} join;					/* datagrams that go to the guest as a super-packet, once there are no more */
	uint8_t			quote[UDP_HLEN + 1280];
} in;

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
	socket_close(c, port);			/* not a listener's, which keeps the first reference */
	flow_end(&c->flows, port);
}

/* @f is one of the flows of @port, and is none any more */
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

static void port_touch(struct ctx *c, struct flow *port)
{
	if (port->udp.listener == FLOW_NONE)
		flow_touch(&c->flows, port, port->udp.replied);
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

	if (f->udp.child)			/* which need its socket */
		due = MAX(due, c->now + TIMEOUT_DNS);
	if (c->now >= due)
		udp_end(c, f);
	else
		timer_set(&c->wheel, &f->timer, due);
}

void udp_start(struct ctx *c, struct flow *f)
{
	f->udp.used = c->now;
	f->timer.kind = TIMER_FLOW;
	timer_set(&c->wheel, &f->timer, c->now + timeout_of(f));
	flow_touch(&c->flows, f, false);
	port_add(c, port_of(c, f), f);
	port_touch(c, port_of(c, f));
}

/* Flow between two endpoints; takes over the reference to @port, also if it fails */
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

/* Entry for a socket; its descriptor's events come here from now on. A listener's is registered, and stays so if this fails. */
static struct flow *port_new(struct ctx *c, struct guest *g, int fd, uint32_t listener)
{
	int (*watch)(int, int, uint32_t, uint16_t, unsigned, uint32_t) = listener == FLOW_NONE ? ev_add_flow : ev_mod_flow;
	struct flow *port = reclaim_alloc(c, g, &udp_port_flow);

	if (!port)
		return NULL;
	port->udp = (struct udp){ .sock = fd, .refs = 1, .listener = listener, .flows = FLOW_NONE, .batch = BATCH_IN };
	if (watch(c->epfd, fd, flow_idx(&c->flows, port), port->gen, HOST, EPOLLIN)) {
		flow_end(&c->flows, port);
		return NULL;
	}
	return port;
}

static int port_socket(struct ctx *c, struct guest *g, const struct end *our, const struct sock_out *o)
{
	int fd;

	if (!reclaim_share(c, g))
		return -EMFILE;
	for (unsigned i = 0; i < RECLAIM_TRIES; i++) {
		fd = sock_udp(our, o, g->tap.caps.uso, false);
		if (!reclaim_for(c, fd))
			break;
	}
	if (fd < 0)
		log_limited(LOG_WARNING, "No UDP socket for port %u: %s", our->port, errno_text(-fd));
	return fd;
}

/* Socket of the guest's endpoint @src on the host, for addresses of the family of @any, number @nr of its kind; with a reference
 * for the caller
 */
static struct flow *port_get(struct ctx *c, struct guest *g, const struct end *src, const struct addr *any, uint16_t nr,
			     const struct sock_out *o)
{
	const struct side guest = { .peer = *src, .our = { .a = *any, .port = nr } };
	const struct end our = { .a = guest.our.a, .port = src->port };
	struct flow *port = flow_find_guest(&c->flows, FLOW_UDP_PORT, &guest.peer, &guest.our);
	int fd;

	if (port) {
		port->udp.refs++;
		return port;
	}
	fd = port_socket(c, g, &our, o);
	if (fd < 0)
		return NULL;
	port = port_new(c, g, fd, FLOW_NONE);
	if (!port) {
		fd_close(fd);
		return NULL;
	}
	g->sockets++;
	port->side[GUEST] = guest;
	port->side[HOST].peer.a = port->side[HOST].our.a = our.a;
	port->side[HOST].our.port = sock_name(fd).port;
	port->side[HOST].peer.port = port->side[HOST].our.port;
	flow_hash_guest(&c->flows, port);
	flow_hash_host(&c->flows, port, KEY_OWN);
	return port;
}

static void opt_set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		debug("UDP socket option %i: %s", name, errno_text(errno));
}

/* Host's interface for a destination, 0: routes decide, as they do for IPv4 link-local addresses; @scope: map_leave()'s */
static unsigned scope_of(const struct net *net, const struct addr *a, unsigned scope)
{
	if (sock_to_many(a) && *net->cf->ip[addr_family(a)].out_if)
		return 0;			/* the one that the socket is bound to */
	if (addr_is_v4(a))
		return sock_to_many(a) ? net->ip[V4].ifindex : 0;
	return scope;
}

/* Opens, or finds, a socket whose answers from @host->peer belong to no other flow */
static struct flow *port_free_for(struct ctx *c, struct guest *g, const struct end *src, const struct side *host,
				  struct sock_out o)
{
	const char *out_if = c->cf->ip[addr_family(&host->peer.a)].out_if;
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

/* A flow that came to a listener, for what the guest answers in another way than expected */
static void hash_client(struct ctx *c, struct flow *f)
{
	const struct side *s = &f->side[GUEST];

	if (f->hash[BY_ANSWER] == FLOW_NONE)
		flow_hash_end(&c->flows, f, BY_ANSWER, s->peer.port, &s->our);
	if (f->hash[BY_CLIENT] == FLOW_NONE)
		flow_hash_end(&c->flows, f, BY_CLIENT, 0, &s->our);
}

/* The client of a listener's that @dst is for the guest, or NULL; @to is where map_out() leads. Anybody may seem to come from a
 * service that the guest asks, or from an address that stands for something of the host's: so it is no port of a service, and
 * under its own name only where that is no other thing's.
 */
static const struct flow *client_of(const struct ctx *c, const struct end *dst, const struct end *to)
{
	const struct flow *f = flow_find_end(&c->flows, BY_CLIENT, FLOW_UDP, 0, dst);

	return f && dst->port >= PORT_CLIENT && (end_eq(dst, to) || !end_eq(dst, &f->side[HOST].peer)) ? f : NULL;
}

struct flow *udp_open(struct ctx *c, struct guest *g, const struct pkt *p)
{
	const struct side guest = { .peer = p->src, .our = p->dst };
	const struct flow *client = NULL;
	struct flow *port, *f, *answered;
	struct sock_out leave;
	struct side host;
	enum drop why;

	why = c->cf->no_udp ? DROP_POLICY : map_out(&c->net, &g->seen, IPPROTO_UDP, &p->src, &p->dst, &host);
	if (why == DROP_NONE && (answered = flow_find_end(&c->flows, BY_ANSWER, FLOW_UDP, p->src.port, &p->dst)))
		return answered;
	if (why == DROP_NONE && (client = client_of(c, &p->dst, &host.peer))) {
		host.peer = client->side[HOST].peer;
		host.our.a = client->side[HOST].our.a;
	}
	if (why != DROP_NONE) {
		drop_count(g, why);
		if (why == DROP_POLICY)
			icmp_error_pkt(c, g, EACCES, p);
		return NULL;
	}
	leave = map_leave(&c->net, &p->dst, &host.peer.a);
	port = port_free_for(c, g, &p->src, &host, leave);
	if (!port) {
		drop_count(g, DROP_NO_RESOURCE);
		return NULL;
	}
	if (sock_to_many(&host.peer.a))
		udp_to_many(port, &host.peer.a);
	else
		udp_to_one(port);
	f = udp_new(c, g, port, &guest, &host, scope_of(&c->net, &host.peer.a, client ? client->udp.scope : leave.scope));
	if (f)
		f->udp.many = sock_to_many(&host.peer.a);
	return f;
}

/* ---- errors ---- */

/* One entry of the error queue, to the flow whose packet it was */
static void port_error(struct ctx *c, struct flow *port, const struct sock_err *e)
{
	struct flow *f = flow_find_host(&c->flows, FLOW_UDP, flow_idx(&c->flows, port), &e->dst);
	size_t len = UDP_HLEN + e->len;
	const struct end *src, *dst;
	uint16_t csum;

	if (!f) {
		drop_count(flow_guest(c, port), DROP_NO_FLOW);
		return;
	}
	src = &f->side[GUEST].peer;
	dst = &f->side[GUEST].our;

	/* Header as the guest wrote it, as far as the payload came back in whole */
	put_be16(in.quote, src->port);
	put_be16(in.quote + 2, dst->port);
	put_be16(in.quote + 4, (uint16_t)len);
	put_be16(in.quote + 6, 0);
	csum = csum_finish(csum_add(in.quote, len, csum_pseudo(&src->a, &dst->a, IPPROTO_UDP, (uint32_t)len)));
	if (!csum)
		csum = 0xffff;
	memcpy(in.quote + 6, &csum, sizeof(csum));

	icmp_error(c, flow_guest(c, f), e, src, dst, IPPROTO_UDP, in.quote, len);
}

/* Reads the error queue, to its end or to the limit of a turn: number of entries */
static unsigned port_errors(struct ctx *c, struct flow *port)
{
	struct sock_err e;
	unsigned n;

	for (n = 0; n < TURN_ERRORS; n++) {
		if (sock_errqueue(port->udp.sock, &e, in.quote + UDP_HLEN, sizeof(in.quote) - UDP_HLEN))
			return n;
		port_error(c, port, &e);
	}
	flow_wait(&c->flows, port, WAIT_READY);
	return n;
}

/* ---- guest to host ---- */

/* TTL and DSCP go on as the guest set them, so that traceroute sees the path's routers (ICMP-07) */
static void cmsg_put_ip(struct msghdr *m, const struct flow *f, const struct pkt *p)
{
	bool v4 = addr_is_v4(&f->side[HOST].peer.a);
	int ttl = MAX(p->ttl, 1), tos = p->tos;

	if (ttl != IPDEFTTL || sock_to_many(&f->side[HOST].peer.a))
		sock_cmsg(m, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (tos)
		sock_cmsg(m, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos));
}

/* 0 if the whole packet is one datagram */
static uint16_t segment_size(const struct pkt *p)
{
	return p->data.len > p->off.gso ? p->off.gso : 0;
}

/* One datagram more in the last message: as long as those before it, or the last and shorter. One way through the host's stack
 * for many, see udp(7), UDP_SEGMENT.
 */
static bool out_join(const struct flow *port, const struct pkt *p)
{
	unsigned i = out.n - 1, cnt;
	size_t len;

	if (!out.n || port->udp.single || segment_size(p) || !udp_run_takes(&out.msg[i], p->data.len))
		return false;
	if (p->ttl != out.pkt[i]->ttl || p->tos != out.pkt[i]->tos)
		return false;
	cnt = view_iov(&p->data, out.iov + out.niov, IOV_OUT - out.niov, &len);
	if (len < p->data.len)
		return false;

	out.niov += cnt;
	out.mm[i].msg_hdr.msg_iovlen += cnt;
	udp_run_add(&out.msg[i], len);
	return true;
}

/* Next message; false if the batch has no room for it */
static bool out_add(const struct flow *f, const struct pkt *p)
{
	uint16_t gso = segment_size(p);
	struct msghdr *m;
	size_t len;

	if (out.n == BATCH_OUT)
		return false;
	m = &out.mm[out.n].msg_hdr;
	*m = (struct msghdr){
		.msg_name = &out.to,
		.msg_namelen = out.to_len,
		.msg_iov = out.iov + out.niov,
		.msg_control = out.control[out.n],
	};
	m->msg_iovlen = view_iov(&p->data, m->msg_iov, IOV_OUT - out.niov, &len);
	if (len < p->data.len)
		return false;
	sock_cmsg_source(m, &f->side[HOST], f->udp.scope);
	cmsg_put_ip(m, f, p);

	out.niov += (unsigned)m->msg_iovlen;
	out.msg[out.n] = udp_run_begin(len, gso, sock_features.udp_gso);
	out.pkt[out.n++] = p;
	return true;
}

/* Does message @i consist of several datagrams? */
static bool out_is_super(unsigned i)
{
	return out.msg[i].len > out.msg[i].size;
}

static void out_finish(unsigned i)
{
	struct msghdr *m = &out.mm[i].msg_hdr;

	if (out_is_super(i))
		sock_cmsg_segment(m, out.msg[i].size);
	if (!m->msg_controllen)
		m->msg_control = NULL;
}

enum verdict { TRY_AGAIN, NEXT_ONE, GIVE_UP };

/* A message that begins with @p, of @n datagrams, was refused with @err, @tries times in a row before */
static enum verdict out_refused(struct ctx *c, struct flow *f, struct flow *port, const struct pkt *p, unsigned n, int err,
				unsigned tries)
{
	const struct addr *to = &f->side[HOST].peer.a;
	struct guest *g = flow_guest(c, f);
	bool queued;

	if (err == EINTR)
		return TRY_AGAIN;
	if (err == EAGAIN)			/* socket full, and so it is for the rest */
		return GIVE_UP;

	if (err == EACCES && !port->udp.bcast && addr_is_v4(to) && !addr_is_multicast(to)) {
		udp_to_many(port, to);		/* a network's broadcast address: nothing tells before */
		f->udp.many = true;
		return TRY_AGAIN;
	}
	queued = port_errors(c, port);
	if (queued && err != EMSGSIZE && tries < ERROR_TRIES)	/* another packet's error */
		return TRY_AGAIN;
	g->drops[DROP_SEND] += n;
	if (!queued && err != ENOBUFS)
		icmp_error_pkt(c, g, err, p);
	return NEXT_ONE;
}

/* Message @i in single ones, without its last control message, which is UDP_SEGMENT. GIVE_UP leaves those that were not sent
 * in out.msg[i].n.
 */
static enum verdict out_split(struct ctx *c, struct flow *f, struct flow *port, unsigned i)
{
	const struct msghdr *m = &out.mm[i].msg_hdr;
	struct view rest = { .iov = m->msg_iov, .cnt = (unsigned)m->msg_iovlen, .len = out.msg[i].len };
	uint16_t gso = out.msg[i].size;
	struct iovec iov[32];

	for (; rest.len; view_skip(&rest, gso)) {
		enum verdict v = TRY_AGAIN;
		struct msghdr one = *m;
		struct view part = rest;
		size_t len;

		view_trim(&part, gso);
		one.msg_iov = iov;
		one.msg_iovlen = view_iov(&part, iov, ARRAY_SIZE(iov), &len);
		one.msg_controllen -= CMSG_SPACE(sizeof(gso));
		if (len < part.len) {
			drop_count(flow_guest(c, f), DROP_SEND);
			continue;
		}
		for (unsigned tries = 0; v == TRY_AGAIN; tries++) {
			if (sendmsg(port->udp.sock, &one, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
				break;
			v = out_refused(c, f, port, out.pkt[i], 1, errno, tries);
		}
		if (v == GIVE_UP) {
			out.msg[i].n = (uint16_t)DIV_ROUND_UP(rest.len, gso);
			return GIVE_UP;
		}
	}
	return NEXT_ONE;
}

/* Message @i was refused with @err, @tries times in a row before */
static enum verdict out_failed(struct ctx *c, struct flow *f, struct flow *port, unsigned i, int err, unsigned tries)
{
	/* More segments, or larger ones, than it takes */
	if (out_is_super(i) && (err == EINVAL || err == EMSGSIZE || err == EIO)) {
		port->udp.single |= out.msg[i].n > 1;
		return out_split(c, f, port, i);
	}
	return out_refused(c, f, port, out.pkt[i], out.msg[i].n, err, tries);
}

/* Sends the batch; what fails is dropped and counted, what comes after it is sent nevertheless */
static void out_flush(struct ctx *c, struct flow *f, struct flow *port)
{
	unsigned i = 0, tries = 0;

	for (unsigned k = 0; k < out.n; k++)
		out_finish(k);
	while (i < out.n) {
		int rc = sendmmsg(port->udp.sock, out.mm + i, out.n - i, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (rc > 0) {
			i += (unsigned)rc;
			tries = 0;
			continue;
		}
		switch (out_failed(c, f, port, i, rc ? errno : EIO, tries)) {
		case TRY_AGAIN:
			tries++;
			continue;
		case NEXT_ONE:
			tries = 0;
			i++;
			continue;
		case GIVE_UP:
			for (; i < out.n; i++)
				flow_guest(c, f)->drops[DROP_SEND] += out.msg[i].n;
			break;
		}
	}
	out.n = out.niov = 0;
}

void udp_input(struct ctx *c, struct flow *f, struct pkt *pkts)
{
	struct flow *port = port_of(c, f);
	uint16_t i = f->batch_head;

	f->batch_head = f->batch_tail = PKT_NEXT_NONE;
	out.n = out.niov = 0;
	out.to_len = end_to_sa(&f->side[HOST].peer, f->udp.scope, &out.to);

	for (; i != PKT_NEXT_NONE; i = pkts[i].next) {
		f->bytes[GUEST] += pkts[i].data.len;
		if (!out_join(port, &pkts[i]) && !out_add(f, &pkts[i])) {
			out_flush(c, f, port);
			if (!out_add(f, &pkts[i]))
				drop_count(flow_guest(c, f), DROP_SEND);
		}
	}
	out_flush(c, f, port);

	if (f->udp.many)
		udp_asks(c, port, f);
	f->udp.used = c->now;
	f->udp.replied |= f->udp.inbound;
	flow_touch(&c->flows, f, f->udp.replied);
	port_touch(c, port);
}

/* ---- host to guest ---- */

bool udp_is_own(const struct flows *fs, const struct end *e)
{
	const struct end port = { .a = addr_is_v4(&e->a) ? addr_any4 : addr_any6, .port = e->port };

	return flow_find_host(fs, FLOW_UDP_PORT, KEY_OWN, &port);
}

/* Sent by a socket of ours: on the way to many, it came back (UDP-05) */
static bool own_packet(const struct flows *fs, const struct end *from, const struct sock_anc *a)
{
	return addr_eq(&from->a, &a->our) && udp_is_own(fs, from);
}

/* New flow for a datagram from the host's side: to a listener, or an answer to what was sent to many */
static struct flow *port_accept(struct ctx *c, struct flow *port, const struct side *host, const struct sock_anc *a,
				unsigned scope)
{
	bool listener = port->udp.listener != FLOW_NONE;
	struct fwd_rule *rule = listener ? &c->fwd.rule[c->fwd.l[port->udp.listener].rule] : NULL;
	struct guest *g = flow_guest(c, port);
	enum drop why = DROP_NONE;
	struct flow *old, *f;
	struct side guest;

	if (listener ? a->many && own_packet(&c->flows, &host->peer, a) : !udp_answers(c, port, &host->peer, a)) {
		why = DROP_NO_FLOW;
	} else if (listener) {
		why = rule->r.outward ? DROP_POLICY : map_in(&c->net, &g->seen, &rule->r, host, &guest);
	} else {
		guest.peer = port->side[GUEST].peer;
		guest.our = (struct end){ map_icmp_src(&c->net, &g->seen, &host->peer.a), host->peer.port };
	}
	if (why != DROP_NONE) {
		drop_count(g, why);
		return NULL;
	}
	/* Two clients the guest can't tell apart, or one that now comes another way: answers go to the last */
	old = flow_find_guest(&c->flows, FLOW_UDP, &guest.peer, &guest.our);
	if (old)
		udp_end(c, old);
	port->udp.refs++;
	if (rule)
		rule->accepted++;
	f = udp_new(c, g, port, &guest, host, scope);
	if (f)
		f->udp.inbound = true;
	return f;
}

/* Segments of what the kernel joined, for a link that can't carry it in one frame: first the one it is in, then others */
static void in_segments(struct guest *g, struct frame *fr, struct net_hdr *n, size_t len, uint16_t gso, uint32_t mtu)
{
	size_t at, size;

	memcpy(in.big, fr->pay[0].iov_base, len);
	for (at = 0; at < len; at += size) {
		size = MIN(gso, len - at);
		if (at && !tap_reserve(&g->tap, &fr, 1, DGRAM_ROOM, TAP_ANY)) {
			drop_count(g, DROP_LINK_FULL);
			return;
		}
		memcpy(fr->pay[0].iov_base, in.big + at, size);
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

/* What was joined goes to the guest */
static void in_flush(struct ctx *c)
{
	if (in.join.f)
		in_emit(c, in.join.f, in.join.fr, in.join.run.len, in.join.run.n > 1 ? in.join.run.size : 0);
	in.join.f = NULL;
}

/* Message @i to the guest, joined with those before it if they are as long, and of the same flow: true if its frame was used.
 * A frame on the link costs several times what it takes to copy a datagram.
 */
static bool in_pass(struct ctx *c, struct flow *f, unsigned i, size_t len, uint16_t gso)
{
	struct guest *g = flow_guest(c, f);
	unsigned hdr = net_hdr_len(addr_is_v4(&f->side[GUEST].our.a), UDP_HLEN) - ETH_HLEN;

	if (in.join.f == f && !gso && udp_run_takes(&in.join.run, len)) {
		memcpy((uint8_t *)in.join.fr->pay[0].iov_base + in.join.run.len, in.iov[i].iov_base, len);
		udp_run_add(&in.join.run, len);
		return false;
	}
	in_flush(c);
	if (gso || !len || !g->tap.caps.uso || len + hdr > guest_pmtu(c, g, &f->side[GUEST].peer.a)) {
		in_emit(c, f, in.frame[i], len, gso);
		return true;
	}
	in.join.f = f;
	in.join.fr = in.frame[i];
	in.join.run = udp_run_begin(len, 0, true);
	return true;
}

/* Message @i, @len bytes: true if its frame was used */
static bool in_deliver(struct ctx *c, struct flow *port, unsigned i, size_t len)
{
	const union sockaddr_any *sa = &in.from[i];
	unsigned scope = sa->sa.sa_family == AF_INET6 ? sa->v6.sin6_scope_id : 0;
	bool listener = port->udp.listener != FLOW_NONE;
	struct side host;
	struct sock_anc a;
	struct flow *f;

	if (!end_from_sa(&host.peer, sa) || !host.peer.port) {
		drop_count(flow_guest(c, port), DROP_PORT_ZERO);
		return false;
	}
	a = sock_ancillary(&in.mm[i].msg_hdr, addr_is_v4(&host.peer.a));
	host.our = (struct end){ a.our, port->side[HOST].our.port };
	if (!scope)				/* a link-local address may be asked from a global one */
		scope = a.scope;
	if (listener && !a.many && udp_splice_take(c, port, &host, scope, in.iov[i].iov_base, len, a.gso))
		return false;

	f = flow_find_host(&c->flows, FLOW_UDP, flow_idx(&c->flows, port), &host.peer);
	if (f && scope && f->udp.scope && scope != f->udp.scope)
		f = NULL;			/* the same link-local address on another link is somebody else */
	if (!f)
		f = port_accept(c, port, &host, &a, scope);
	if (!f)
		return false;

	if (listener) {
		f->side[HOST].our.a = a.our;	/* the address asked last is the one that answers (UDP-10) */
		f->udp.scope = scope;
		hash_client(c, f);
	} else {
		port->udp.replied = true;
		f->udp.replied |= !f->udp.inbound;	/* what was sent to many, any number of strangers may answer */
	}
	f->udp.used = c->now;
	flow_touch(&c->flows, f, f->udp.replied);
	port_touch(c, port);
	f->bytes[HOST] += len;
	return in_pass(c, f, i, len, a.gso);
}

/* Places for a batch: payload of frames, or buffers where nothing can go to the link. How many; 0: the link is full */
static unsigned in_reserve(struct ctx *c, const struct flow *port)
{
	unsigned n = port->udp.batch;

	if (port->udp.linkless)
		return udp_splice_buffers(in.iov, n);
	n = tap_reserve(&flow_guest(c, port)->tap, in.frame, n, DGRAM_ROOM, TAP_ANY);
	for (unsigned i = 0; i < n; i++)
		in.iov[i] = in.frame[i]->pay[0];
	return n;
}

/* Up to @n messages into the places reserved: count or -errno */
static int in_receive(int fd, unsigned n)
{
	int rc;

	for (unsigned i = 0; i < n; i++)
		in.mm[i].msg_hdr = (struct msghdr){
			.msg_name = &in.from[i], .msg_namelen = sizeof(in.from[i]),
			.msg_iov = &in.iov[i], .msg_iovlen = 1,
			.msg_control = in.control[i], .msg_controllen = sizeof(in.control[i]),
		};
	do
		rc = recvmmsg(fd, in.mm, n, MSG_DONTWAIT, NULL);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

/* The next batch is larger if this one, of @n places, was full, and smaller if it was far from that: a ping-pong is not charged
 * what it takes to prepare for a flood
 */
static void in_adapt(struct flow *port, int got, unsigned n)
{
	int places = port->udp.batch;

	if (got == (int)n)
		port->udp.batch = (uint8_t)MIN(2 * places, BATCH_IN);
	else if (got < places / 2)
		port->udp.batch = (uint8_t)MAX(places / 2, 2);
}

static void port_read(struct ctx *c, struct flow *port)
{
	unsigned useless = 0;

	for (unsigned turn = 0; turn < TURN_IN; turn++) {
		unsigned n = in_reserve(c, port), unused = 0;
		uint64_t unasked = flow_guest(c, port)->drops[DROP_NO_FLOW];
		int rc;

		if (!n) {
			flow_wait(&c->flows, port, WAIT_STALLED);
			return;
		}
		rc = in_receive(port->udp.sock, n);
		in_adapt(port, rc, n);
		for (unsigned i = 0; i < n; i++)
			if ((int)i >= rc || !in_deliver(c, port, i, in.mm[i].msg_len))
				in.frame[unused++] = in.frame[i];
		in_flush(c);
		udp_splice_flush(c);		/* out of the frames */
		if (!port->udp.linkless)
			tap_unreserve(&flow_guest(c, port)->tap, in.frame, unused);
		port->udp.unasked += (uint32_t)(flow_guest(c, port)->drops[DROP_NO_FLOW] - unasked);
		if (port->udp.unasked >= UNASKED_MANY) {
			udp_filter(c, port);
			port->udp.unasked = 0;
		}

		if (rc == -EAGAIN || (rc >= 0 && (unsigned)rc < n))
			return;
		if (rc < 0 && !port_errors(c, port) && useless++)
			return; /* the socket is of no use, and the ready list must not spin on it */
	}
	flow_wait(&c->flows, port, WAIT_READY);
}

static void port_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	(void)side;
	if (f->udp.sock < 0)
		return;
	f->udp.refs++;				/* stays here even if its last flow gives way to another one */
	if (events & EPOLLERR && !port_errors(c, f))
		sock_error(f->udp.sock);	/* nobody's (UDP-01) */
	port_read(c, f);
	port_put(c, f);
}

static void port_resume(struct ctx *c, struct flow *f)
{
	port_ready(c, f, HOST, EPOLLIN);
}

/* Ends flows of a port, and it with the last one, but no more at once than the time of others permits */
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

static const char *udp_state(const struct flow *f)
{
	return f->udp.replied ? "both ways" : "one way";
}

const struct flow_ops udp_flow = {
	.type = FLOW_UDP, .name = { "udp", "udp" }, .shares = true, .state = udp_state,
	.timeout = udp_timeout, .end = udp_gone,
};

const struct flow_ops udp_port_flow = {
	.type = FLOW_UDP_PORT, .fds = 1, .ready = port_ready, .resume = port_resume, .end = port_gone,
};

const struct flow_ops udp_splice_flow = {
	.type = FLOW_UDP_SPLICE, .name = { "udp", "udp" }, .fds = 1, .spliced = true, .state = udp_state,
	.ready = udp_splice_ready, .resume = udp_splice_resume, .timeout = udp_timeout, .end = udp_gone,
};

/* Ends all flows of a port, and the port with them if it is no listener's */
static void port_end(struct ctx *c, struct flow *port)
{
	while (port->udp.flows != FLOW_NONE)
		udp_end(c, &c->flows.f[port->udp.flows]);
}

/* Entry that stands for a listener, or NULL while it is silent */
static struct flow *listener_flow(const struct ctx *c, uint32_t listener)
{
	static const struct end nobody;

	return flow_find_host(&c->flows, FLOW_UDP_PORT, KEY_LISTENER + listener, &nobody);
}

/* First datagram on a listener: from now on, it is a port like others */
static struct flow *listener_port(struct ctx *c, struct guest *g, uint32_t idx)
{
	const struct listener *l = &c->fwd.l[idx];
	const struct rule *r = &c->fwd.rule[l->rule].r;
	struct flow *port;

	port = port_new(c, g, l->fd, idx);
	if (!port)
		return NULL;
	port->side[HOST].our.port = l->port;
	port->udp.linkless = r->outward || c->cf->splice_only;
	flow_hash_host(&c->flows, port, KEY_LISTENER + idx);
	if ((g->tap.caps.uso || !c->cf->no_splice || r->outward) && sock_features.udp_gro)
		opt_set(l->fd, SOL_UDP, UDP_GRO, 1);
	return port;
}

void udp_listen_ready(struct ctx *c, uint32_t listener, uint32_t events)
{
	const struct listener *l = fwd_listener(&c->fwd, listener, IPPROTO_UDP);
	struct flow *port;

	if (!l || listener_flow(c, listener))	/* told of what was closed since */
		return;
	port = listener_port(c, &c->guest[0], listener);
	if (port) {
		port_ready(c, port, HOST, events);
		return;
	}
	for (unsigned i = 0; i < BATCH_IN && recv(l->fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) >= 0; i++)
		drop_count(&c->guest[0], DROP_NO_RESOURCE);
}

bool udp_port_wanted(struct fwd *fwd, uint16_t port)
{
	struct ctx *c = container_of(fwd, struct ctx, fwd);
	const struct addr any[] = { addr_any4, addr_any6 };
	struct flow *f;
	bool was = false;

	for (unsigned i = 0; i < ARRAY_SIZE(any); i++) {
		f = flow_find_host(&c->flows, FLOW_UDP_PORT, KEY_OWN, &(struct end){ any[i], port });
		if (!f)
			continue;
		port_end(c, f);
		was = true;
	}
	return was;
}

void udp_listener_gone(struct fwd *fwd, uint32_t listener)
{
	struct ctx *c = container_of(fwd, struct ctx, fwd);
	struct flow *port = listener_flow(c, listener);

	if (!port)
		return;
	port_end(c, port);
	flow_end(&c->flows, port);		/* the socket is the listener's */
}
