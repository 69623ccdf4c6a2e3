/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_splice.c - datagrams between loopback interfaces: from socket to socket
 *
 * A flow (FLOW_UDP_SPLICE) is a client on the listener's side, the *near* one, and the address it sent to. Its socket
 * on the *far* side sends to the rule's target. Answers leave by the listener's socket, shared with other flows, with
 * the address that the client asked as their source. Batches from a listener (udp.c) are of any number of clients:
 * their datagrams are chained by flow, and sent one flow after the other.
 *
 * Answers come from the target or, in the namespace, from any of its addresses: a server that is bound to any takes its
 * kernel's choice. The kernel drops others (sock_udp_from()). A server may also have a port for each client (RFC 1350
 * 4): another port than the target's gets a flow of its own, a *child*, with a socket on the near side, connected to
 * the client and bound to the address it had asked and a new port. The client's datagrams to that go to the server's
 * port, from the parent's far socket, as the server has to see the same client. A child ends with its parent, which
 * stays as long as there are any.
 *
 * Payload is received once and sent from where it is (dgram.h). Datagrams that the kernel joined (UDP_GRO) stay so.
 *
 * Datagrams without room at the receiver are dropped and counted. The far socket learns that nobody is there
 * (ECONNREFUSED). The client does not: for its kernel, the listener is there.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "dgram.h"
#include "egress.h"
#include "reclaim.h"
#include "resolve.h"
#include "sock.h"
#include "splice.h"
#include "udp.h"

#define TURN		4		/* batches, before other flows get their turn */
#define BATCH_FIRST	8		/* messages that are expected at once, to begin with */
#define NONE		UINT16_MAX
#define CHILDREN_MAX	64		/* of one flow; the one idle for longest gives way */

/* Datagrams of a listener's batch */
static struct {
	struct {
		struct iovec	data;
		uint16_t	gso;
		uint16_t	next;	/* of the same flow, or NONE */
	} d[DGRAM_BATCH];
	struct flow	*flow[DGRAM_BATCH];	/* in order of their first datagram */
	unsigned	n, nflows;
} taken;

/* Next datagram from side @from of the flow, or several of @gso bytes. There is room: a batch in is no larger than one
 * out.
 */
static void spliced_add(struct ctx *c, struct flow *f, unsigned from, const struct iovec *data, uint16_t gso)
{
	c->splice.bytes += data->iov_len;
	flow_moved(&c->flows, f, from, data->iov_len);
	dgram_add(&(struct view){ data, 1, 0, data->iov_len }, gso, 0, 0, NULL);
}

static struct flow *parent_of(const struct ctx *c, const struct flow *f)
{
	return f->udp.parent ? &c->flows.f[f->udp.parent - 1] : NULL;
}

/* Sends the batch; datagrams that fail are dropped and counted. The flow is alive, and so is its parent. */
static void spliced_send(struct ctx *c, struct flow *f, int fd)
{
	uint64_t *lost = &flow_guest(c, f)->drops[DROP_SEND];

	while (dgram_send(fd, &f->udp.single, lost))
		dgram_skip(lost);
	udp_used(c, f, false);
	if (f->udp.parent)
		udp_used(c, parent_of(c, f), false);
}

/* ---- flows, and datagrams from listeners ---- */

static int socket_at(const struct ctx *c, unsigned side, const struct addr *a)
{
	return side == GUEST ? splice_ns_socket(c, addr_family(a), IPPROTO_UDP) : sock_udp_new(addr_family(a));
}

/* A flow's own socket, on the far side, or a child's on the near one; or -errno */
static int own_socket(const struct ctx *c, const struct side *side, uint8_t near, const struct flow *parent)
{
	uint8_t at = parent ? near : !near;
	int fd;

	if (near == HOST && !accept_room(c, 1))
		return -EMFILE;
	fd = socket_at(c, at, &side[at].peer.a);
	if (parent)
		return sock_udp_to(fd, &side[at], parent->udp.scope);
	/* Whoever is in the namespace is the guest; on the host, other users have sockets, too */
	return sock_udp_from(fd, &side[at].peer.a, at == GUEST);
}

static int own_open(struct ctx *c, struct guest *g, const struct side *side, uint8_t near, const struct flow *parent)
{
	char peer[END_STRLEN];
	int fd = -EMFILE;

	for (unsigned i = 0; i < RECLAIM_TRIES && reclaim_share(c, g); i++) {
		fd = own_socket(c, side, near, parent);
		if (near == HOST && fd == -EMFILE ? !reclaim_below(c, accept_limit(c)) : !reclaim_for(c, fd))
			break;
	}
	if (fd < 0)
		log_limited(LOG_WARNING, "Can't send datagrams to %s: %s", end_fmt(&side[!near].peer, peer),
			    errno_text(-fd));
	return fd;
}

/* New flow of a listener's @port, in no table yet; @parent: whose child it will be, or NULL. Others may give way for
 * it; NULL if the parent did.
 */
static struct flow *spliced_new(struct ctx *c, struct flow *port, const struct side *side, uint8_t near, unsigned scope,
				const struct flow *parent)
{
	int fd = own_open(c, flow_guest(c, port), side, near, parent);
	struct flow *f = reclaim_flow(c, flow_guest(c, port), &udp_splice_flow, fd);

	if (!f)
		return NULL;
	memcpy(f->side, side, sizeof(f->side));
	f->udp = (struct udp){
		.sock = fd, .port = flow_idx(&c->flows, port), .scope = scope, .near = near, .batch = BATCH_FIRST,
	};
	port->udp.refs++;
	udp_start(c, f);
	if (parent && parent->dead) {
		udp_end(c, f);
		return NULL;
	}
	c->splice.flows++;
	return f;
}

bool udp_splice_wants(const struct ctx *c, const struct flow *port, const struct side *near, const struct dgram *d,
		      struct side *to)
{
	const struct rule *r = &c->fwd.rule[c->fwd.l[port->udp.listener].rule].r;

	return !d->many && map_splice(&c->fwd, &c->net, &c->guest[port->guest].seen, r, near, to);
}

/* A query to a resolver on the host's loopback interface, of a guest with rules by name: resolve.h judges it by TCP */
static void answer_cut(struct guest *g, const struct flow *port, const struct side *near, const struct dgram *d)
{
	uint8_t answer[DNS_ERROR_MAX];
	struct iovec iov = { answer, resolve_cut(d->data.iov_base, d->data.iov_len, answer) };

	if (!iov.iov_len) {
		drop_count(g, DROP_POLICY);
		return;
	}
	dgram_begin(near, d->scope, false);
	dgram_add(&(struct view){ &iov, 1, 0, iov.iov_len }, 0, 0, 0, NULL);
	while (dgram_send(port->udp.sock, NULL, &g->drops[DROP_SEND]))
		dgram_skip(&g->drops[DROP_SEND]);
}

bool udp_splice_take(struct ctx *c, struct flow *port, const struct side *near, const struct dgram *d)
{
	struct fwd_rule *rule = &c->fwd.rule[c->fwd.l[port->udp.listener].rule];
	uint8_t side = rule->r.outward ? GUEST : HOST;
	struct side sides[2] = { *near, *near };
	struct guest *g = flow_guest(c, port);
	struct decision by;
	struct flow *f;
	enum drop why;
	uint16_t i;

	if (!udp_splice_wants(c, port, near, d, &sides[!side]))
		return false;
	if (rule->r.outward && resolve_takes(c, g, &sides[!side].peer)) {
		answer_cut(g, port, near, d);
		return true;
	}
	i = (uint16_t)taken.n++;
	taken.d[i].data = d->data;
	taken.d[i].gso = d->gso;
	taken.d[i].next = NONE;
	f = flow_find(&c->flows, side, port->guest, FLOW_UDP_SPLICE, 0, &near->peer, &near->our);
	if (f && f->udp.port != flow_idx(&c->flows, port)) {	/* of a more specific listener, now gone */
		udp_end(c, f);
		f = NULL;
	}
	if (!f) {
		why = rule->r.outward ? egress_judge(c, g, IPPROTO_UDP, &sides[!side].peer, &by) : DROP_NONE;
		if (!rule->r.outward)
			flow_log_inbound(c, g, IPPROTO_UDP, &near->peer, &rule->r);
		f = why ? NULL : spliced_new(c, port, sides, side, d->scope, NULL);
		if (!f) {
			drop_count(g, why ? why : DROP_NO_RESOURCE);
			return true;
		}
		if (rule->r.outward)
			flow_decided(&c->flows, f, &by);
		flow_hash(&c->flows, f, side, 0, &f->side[side].peer, &f->side[side].our);
		rule->accepted++;
	}

	if (f->batch_head == NONE)
		taken.flow[taken.nflows++] = f;
	*(f->batch_head == NONE ? &f->batch_head : &taken.d[f->batch_tail].next) = i;
	f->batch_tail = i;
	return true;
}

/* The far socket got a port as it sent: one of ours, for auto.c */
static void note_port(struct ctx *c, struct flow *f)
{
	struct end *our = &f->side[!f->udp.near].our;

	our->port = sock_name(f->udp.sock).port;
	if (our->port)
		flow_hash_end(&c->flows, f, BY_CLIENT, !f->udp.near, our);
}

bool udp_splice_is_own(const struct ctx *c, unsigned side, const struct end *e)
{
	for (unsigned i = 0; i < c->guests; i++)
		if (flow_find_end(&c->flows, i, BY_CLIENT, FLOW_UDP_SPLICE, side, e))
			return true;
	return false;
}

unsigned udp_splice_flush(struct ctx *c)
{
	unsigned n = taken.n;

	for (unsigned k = 0; k < taken.nflows; k++) {
		struct flow *f = taken.flow[k];

		dgram_begin(&f->side[!f->udp.near], 0, !f->udp.single);
		for (uint16_t i = f->batch_head; i != NONE; i = taken.d[i].next)
			spliced_add(c, f, f->udp.near, &taken.d[i].data, taken.d[i].gso);
		spliced_send(c, f, f->udp.sock);
		f->batch_head = f->batch_tail = NONE;
		if (!f->side[!f->udp.near].our.port)
			note_port(c, f);
	}
	taken.n = taken.nflows = 0;
	return n;
}

/* ---- children ---- */

void udp_splice_alone(struct ctx *c, struct flow *f)
{
	struct flow *parent = parent_of(c, f);
	uint32_t *at;

	while (f->udp.child)
		udp_end(c, &c->flows.f[f->udp.child - 1]);
	if (!parent)
		return;
	for (at = &parent->udp.child; *at != flow_idx(&c->flows, f) + 1; at = &c->flows.f[*at - 1].udp.sibling)
		;
	*at = f->udp.sibling;
}

static void child_link(const struct flows *fs, struct flow *parent, struct flow *f)
{
	f->udp.parent = flow_idx(fs, parent) + 1;
	f->udp.sibling = parent->udp.child;
	parent->udp.child = flow_idx(fs, f) + 1;
}

/* Makes room for one child more */
static void child_room(struct ctx *c, const struct flow *parent)
{
	struct flow *f, *oldest = NULL;
	unsigned n = 0;

	for (uint32_t i = parent->udp.child; i; i = f->udp.sibling, n++) {
		f = &c->flows.f[i - 1];
		if (!oldest || f->udp.used <= oldest->udp.used)
			oldest = f;
	}
	if (n >= CHILDREN_MAX)
		udp_end(c, oldest);
}

/* The client's address as the server knows it: the kernel's choice on the way to the target, which may differ from that
 * on the way to another address of the server's
 */
static struct addr far_source(const struct ctx *c, const struct flow *parent)
{
	const struct side *far = &parent->side[!parent->udp.near];
	struct addr a = far->our.a;
	int fd;

	if (parent->udp.child)
		return c->flows.f[parent->udp.child - 1].side[!parent->udp.near].our.a;
	fd = sock_udp_to(socket_at(c, !parent->udp.near, &a), &(struct side){ far->peer, { .a = a } }, 0);
	if (fd >= 0) {
		a = sock_name(fd).a;
		close(fd);
	}
	return a;
}

/* Flow for the server's endpoint @from, of interface @scope if that is link-local; NULL if there can't be one, or
 * @parent is dead by now
 */
static struct flow *child_new(struct ctx *c, struct flow *parent, const struct end *from, unsigned scope)
{
	uint8_t near = parent->udp.near;
	struct side side[2];
	struct flow *f;

	flow_touch(&c->flows, parent, parent->udp.replied);
	child_room(c, parent);
	side[near] = (struct side){ parent->side[near].peer, { .a = parent->side[near].our.a } };
	side[!near] = (struct side){ *from, { far_source(c, parent), parent->side[!near].our.port } };
	flow_log_inbound(c, flow_guest(c, parent), IPPROTO_UDP, &side[HOST].peer, NULL);
	f = spliced_new(c, &c->flows.f[parent->udp.port], side, near, scope, parent);
	if (!f)
		return NULL;
	f->side[near].our.port = sock_name(f->udp.sock).port;
	child_link(&c->flows, parent, f);
	flow_hash_end(&c->flows, f, BY_ANSWER, flow_idx(&c->flows, parent), &f->side[!near].peer);
	return f;
}

/* ---- from flows' own sockets ---- */

/* Starts a batch to the client: from the listener's socket, and the address that the client asked; or a child's own */
static void begin_near(const struct flow *f)
{
	dgram_begin(f->udp.parent ? NULL : &f->side[f->udp.near], f->udp.scope, !f->udp.single);
}

static void send_near(struct ctx *c, struct flow *f)
{
	if (dgram_pending())
		spliced_send(c, f, f->udp.parent ? f->udp.sock : c->flows.f[f->udp.port].udp.sock);
}

/* A batch of @n from the client to a child's port of the server, by the socket that the server knows */
static void pass_far(struct ctx *c, struct flow *f, unsigned n)
{
	struct dgram d;

	dgram_begin(&f->side[!f->udp.near], f->udp.scope, !f->udp.single);
	for (unsigned i = 0; i < n; i++) {
		dgram_get(i, true, &d);
		spliced_add(c, f, f->udp.near, &d.data, d.gso);
	}
	spliced_send(c, f, parent_of(c, f)->udp.sock);
}

/* Flow of a datagram from the far side: @f, or a child of its, or NULL. A new child may take the place of @last, whose
 * datagrams are sent first.
 */
static struct flow *flow_of(struct ctx *c, struct flow *f, struct flow *last, const struct dgram *d)
{
	const struct end *server = &f->side[!f->udp.near].peer;
	struct flow *child;

	if (addr_family(&d->from.a) != addr_family(&server->a))
		return NULL;
	if (d->from.port == server->port)
		return f;
	child = flow_find_end(&c->flows, f->guest, BY_ANSWER, FLOW_UDP_SPLICE, flow_idx(&c->flows, f), &d->from);
	if (child)
		return child;
	send_near(c, last);
	return child_new(c, f, &d->from, d->scope);
}

/* A batch of @n from the far side to the client */
static void pass_near(struct ctx *c, struct flow *f, unsigned n)
{
	struct flow *last = f;
	struct dgram d;

	begin_near(f);
	for (unsigned i = 0; i < n; i++) {
		struct flow *to = dgram_get(i, false, &d) ? flow_of(c, f, last, &d) : NULL;

		if (f->dead)
			return;
		if (!to) {
			drop_count(flow_guest(c, f), DROP_NO_FLOW);
			continue;
		}
		if (to != last) {
			send_near(c, last);
			begin_near(to);
		}
		last = to;
		spliced_add(c, to, !to->udp.near, &d.data, d.gso);
	}
	send_near(c, last);
}

void udp_splice_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	unsigned useless = 0;

	(void)side;
	if (events & EPOLLERR && sock_error(f->udp.sock))	/* mostly: nobody was there */
		drop_count(flow_guest(c, f), DROP_SEND);
	for (unsigned turn = 0; turn < TURN; turn++) {
		struct iovec place[DGRAM_BATCH];
		unsigned room = f->udp.batch;
		int n;

		dgram_buffers(place, room);
		n = dgram_recv(f->udp.sock, place, room, &f->udp.batch);
		if (n == -EAGAIN || (n < 0 && useless++))
			return;
		if (n < 0)			/* an earlier datagram's error; it is off the socket now */
			continue;
		udp_used(c, f, true);
		if (f->udp.parent)
			pass_far(c, f, (unsigned)n);
		else
			pass_near(c, f, (unsigned)n);
		if (f->dead || (unsigned)n < room)
			return;
	}
	flow_wait(&c->flows, f, WAIT_READY);
}
