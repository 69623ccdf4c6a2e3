/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_splice.c - datagrams between loopback interfaces: from socket to socket
 *
 * A flow (FLOW_UDP_SPLICE) is a client, as seen from the listener's side, the *near* one, and the address it sent to. It has a
 * socket on the *far* side, that sends to what the rule says, and shares the listener's with others: answers leave from there,
 * with the address that was asked as their source. Both are read in batches. Batches from a listener are of any number of
 * clients: their datagrams are chained by flow, and sent one flow after the other.
 *
 * Answers come from the address that was asked or, in the namespace, from any of its addresses: a server that is bound to any
 * takes the one that its kernel picks. The kernel drops what comes from elsewhere (sock_udp_from()). A server may also have a
 * port of its own for each client (RFC 1350 4): what comes from another port than the one that was asked gets a flow of its
 * own, a *child*, with a socket on the near side, connected to the client and bound to the address it had asked and a new port.
 * What the client sends there goes to that port of the server's, from the parent's far socket, as the server has to see the
 * same client. A child ends with its parent, which stays as long as there are any.
 *
 * Payload is received once and sent from where it is. Datagrams that the kernel joined (UDP_GRO) go on as they are
 * (UDP_SEGMENT), and others that follow each other and have the same length are joined here: one way through the kernel's
 * stack for many of them. Limits (RFC 768, udp(7)) are those of one datagram.
 *
 * What the receiver has no room for is dropped and counted. If nobody is there, the far side's socket is told
 * (ECONNREFUSED), but the client can't be: its own kernel would have to, and for that kernel there is somebody, the listener.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "event.h"
#include "reclaim.h"
#include "sock.h"
#include "splice.h"
#include "udp.h"
#include "udp_splice.h"

#define BATCH		UDP_SPLICE_BATCH
#define TURN		4		/* batches, before other flows get their turn */
#define BUF_SIZE	((64U << 10) + 1536)	/* any datagram; of a power of two, all would compete for the same cache lines */
#define ERROR_TRIES	4		/* sends again after an error that was another datagram's */
#define CMSG_ROOM	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)))
#define NONE		UINT16_MAX
#define CHILDREN_MAX	64		/* of one flow; the one idle for longest gives way */

static_assert(BATCH <= UDP_SEGMENTS_MAX, "each kernel has UDP_SEGMENT for as many");

static uint8_t payload[BATCH][BUF_SIZE];

/* From listeners: what was taken of a batch */
static struct {
	struct {
		struct iovec	iov;
		uint16_t	gso;
		uint16_t	next;	/* of the same flow, or NONE */
	} d[BATCH];
	struct flow	*flow[BATCH];	/* in order of their first datagram */
	unsigned	n, nflows;
} taken;

/* From flows' own sockets */
static struct {
	struct mmsghdr	mm[BATCH];
	union sockaddr_any from[BATCH];
	struct iovec	iov[BATCH];
	uint8_t		control[BATCH][CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
} in;

/* Messages on their way out, all of one flow. Nothing is kept here between calls. */
static struct {
	struct mmsghdr	mm[BATCH];
	struct iovec	iov[BATCH];
	struct udp_run	msg[BATCH];	/* @n counts what came as several, too */
	uint8_t		control[BATCH][CMSG_ROOM] __attribute__((aligned(8)));
	unsigned	n, niov;
} out;

unsigned udp_splice_buffers(struct iovec *iov, unsigned n)
{
	n = MIN(n, BATCH);
	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){ payload[i], DGRAM_ROOM };
	return n;
}

/* ---- out ---- */

/* Next datagram from side @from of the flow, or several of @gso bytes. There is room: a batch out is no larger than one in. */
static void out_add(struct ctx *c, struct flow *f, unsigned from, const struct iovec *iov, uint16_t gso)
{
	size_t len = iov->iov_len;
	bool joined = gso && len > gso;

	c->splice.bytes += len;
	f->bytes[from] += len;
	out.iov[out.niov] = *iov;
	if (out.n && !joined && udp_run_takes(&out.msg[out.n - 1], len)) {
		out.niov++;
		out.mm[out.n - 1].msg_hdr.msg_iovlen++;
		udp_run_add(&out.msg[out.n - 1], len);
		return;
	}
	out.mm[out.n].msg_hdr = (struct msghdr){ .msg_iov = &out.iov[out.niov++], .msg_iovlen = 1 };
	out.msg[out.n] = udp_run_begin(len, gso, sock_features.udp_gso);
	if (joined)
		out.msg[out.n].n = (uint16_t)DIV_ROUND_UP(len, gso);
	out.n++;
}

/* Addresses, where the socket is not connected, and control messages of message @i */
static void out_finish(unsigned i, const struct side *to, unsigned scope, union sockaddr_any *sa, socklen_t sa_len)
{
	struct msghdr *m = &out.mm[i].msg_hdr;

	m->msg_control = out.control[i];
	if (to) {
		m->msg_name = sa;
		m->msg_namelen = sa_len;
		sock_cmsg_source(m, to, scope);
	}
	if (out.msg[i].n > 1)
		sock_cmsg_segment(m, out.msg[i].size);
	if (!m->msg_controllen)
		m->msg_control = NULL;
}

/* Is it worth to send again what was refused with @err, @tries times in a row before? What became of an earlier datagram is told
 * by the next call, and then off the socket (ip(7), IP_RECVERR).
 */
static bool out_again(int err, unsigned tries)
{
	return err == EINTR || (err != EMSGSIZE && err != EAGAIN && tries < ERROR_TRIES);
}

/* Message @i datagram by datagram: UDP_SEGMENT can't be had on the way they take. How many could not be sent. */
static unsigned out_split(int fd, unsigned i)
{
	const struct msghdr *m = &out.mm[i].msg_hdr;
	unsigned lost = 0;

	for (size_t k = 0; k < m->msg_iovlen; k++) {
		struct iovec rest = m->msg_iov[k];

		while (rest.iov_len) {
			struct iovec part = { rest.iov_base, MIN(rest.iov_len, out.msg[i].size) };
			struct msghdr one = *m;
			unsigned tries = 0;
			ssize_t rc;

			one.msg_iov = &part;
			one.msg_iovlen = 1;
			one.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));	/* the last one */
			do
				rc = sendmsg(fd, &one, MSG_DONTWAIT | MSG_NOSIGNAL);
			while (rc < 0 && out_again(errno, tries++));
			lost += rc < 0;
			rest.iov_base = (uint8_t *)rest.iov_base + part.iov_len;
			rest.iov_len -= part.iov_len;
		}
	}
	return lost;
}

/* Message @i was refused with @err, @tries times in a row before: true to try again, otherwise it was sent or is lost */
static bool out_failed(struct guest *g, int fd, unsigned i, int err, unsigned tries)
{
	if (out.msg[i].n > 1 && (err == EINVAL || err == EMSGSIZE || err == EIO)) {
		g->drops[DROP_SEND] += out_split(fd, i);
		return false;
	}
	if (out_again(err, tries))
		return true;
	g->drops[DROP_SEND] += out.msg[i].n;
	return false;
}

/* Sends the batch to @to, NULL: the socket is connected */
static void out_send(struct guest *g, int fd, const struct side *to, unsigned scope)
{
	socklen_t len = 0;
	union sockaddr_any sa;
	unsigned tries = 0;

	if (to)
		len = end_to_sa(&to->peer, scope, &sa);
	for (unsigned i = 0; i < out.n; i++)
		out_finish(i, to, scope, &sa, len);

	for (unsigned i = 0; i < out.n;) {
		int rc = sendmmsg(fd, out.mm + i, out.n - i, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (rc > 0) {
			i += (unsigned)rc;
			tries = 0;
		} else if (rc < 0 && errno == EAGAIN) {		/* full, and so it is for the rest */
			for (; i < out.n; i++)
				g->drops[DROP_SEND] += out.msg[i].n;
		} else if (!out_failed(g, fd, i, rc ? errno : EIO, tries++)) {
			i++;
			tries = 0;
		}
	}
	out.n = out.niov = 0;
}

/* ---- flows, and datagrams from listeners ---- */

static struct flow *parent_of(const struct ctx *c, const struct flow *f)
{
	return f->udp.parent ? &c->flows.f[f->udp.parent - 1] : NULL;
}

/* Socket of the flow's own: on the far side, or, a child's, on the near one */
static int own_socket(const struct ctx *c, const struct flow *f)
{
	const struct flow *parent = parent_of(c, f);
	uint8_t side = parent ? f->udp.near : !f->udp.near;
	int fd = -1;

	if (f->udp.near == HOST && !accept_room(c, 1))
		return -EMFILE;
	if (side == GUEST) {
		fd = splice_ns_socket(c, addr_family(&f->side[side].peer.a), IPPROTO_UDP);
		if (fd < 0)
			return fd;
	}
	if (parent)
		return sock_udp_to(fd, &f->side[side], parent->udp.scope);
	/* Whoever is in the namespace is the guest; on the host, other users have sockets, too */
	return sock_udp_from(fd, &f->side[side].peer.a, side == GUEST);
}

/* Opens it, and tells the loop: 0 or -errno */
static int own_open(struct ctx *c, struct flow *f)
{
	int rc;

	if (!reclaim_share(c, flow_guest(c, f)))
		return -EMFILE;
	for (unsigned i = 0; i < RECLAIM_TRIES; i++) {
		bool inbound = f->udp.near == HOST;

		rc = f->udp.sock = own_socket(c, f);
		if (inbound && rc == -EMFILE ? !reclaim_below(c, accept_limit(c)) : !reclaim_for(c, rc))
			break;
	}
	if (f->udp.sock < 0)
		return f->udp.sock;
	rc = ev_add_flow(c->epfd, f->udp.sock, flow_idx(&c->flows, f), f->gen, !f->udp.near, EPOLLIN);
	if (rc)
		fd_close(f->udp.sock);
	return rc;
}

static struct flow *flow_new(struct ctx *c, struct flow *port, const struct side *near, const struct side *to, uint8_t side,
			     unsigned scope)
{
	struct flow *f = reclaim_alloc(c, flow_guest(c, port), &udp_splice_flow);
	char peer[END_STRLEN];
	int rc;

	if (!f)
		return NULL;
	f->side[side] = *near;
	f->side[!side] = *to;
	f->udp = (struct udp){ .port = flow_idx(&c->flows, port), .scope = scope, .near = side };
	rc = own_open(c, f);
	if (rc) {
		log_limited(LOG_WARNING, "Can't send datagrams to %s: %s", end_fmt(&to->peer, peer), errno_text(-rc));
		flow_end(&c->flows, f);
		return NULL;
	}
	port->udp.refs++;
	flow_guest(c, f)->sockets++;
	flow_hash_pair(&c->flows, f, side);
	udp_start(c, f);
	c->splice.flows++;
	return f;
}

bool udp_splice_take(struct ctx *c, struct flow *port, const struct side *near, unsigned scope, void *p, size_t len,
		     uint16_t gso)
{
	struct fwd_rule *rule = &c->fwd.rule[c->fwd.l[port->udp.listener].rule];
	uint8_t side = rule->r.outward ? GUEST : HOST;
	struct guest *g = flow_guest(c, port);
	uint16_t i = (uint16_t)taken.n;
	struct flow *f;
	struct side to;

	if (!map_splice(&c->fwd, &c->net, &g->seen, &rule->r, near, &to))
		return false;
	f = flow_find_pair(&c->flows, side, FLOW_UDP_SPLICE, &near->peer, &near->our);
	if (f && f->udp.port != flow_idx(&c->flows, port)) {	/* of a listener that was more to the point, and is gone */
		udp_end(c, f);
		f = NULL;
	}
	if (!f) {
		f = flow_new(c, port, near, &to, side, scope);
		if (!f) {
			drop_count(g, DROP_NO_RESOURCE);
			return true;
		}
		rule->accepted++;
	}

	if (f->batch_head == NONE)
		taken.flow[taken.nflows++] = f;
	*(f->batch_head == NONE ? &f->batch_head : &taken.d[f->batch_tail].next) = i;
	f->batch_tail = i;
	taken.d[i].iov = (struct iovec){ p, len };
	taken.d[i].gso = gso;
	taken.d[i].next = NONE;
	taken.n++;
	return true;
}

/* Flow is alive, and so is the one that it can't be without */
static void note_use(struct ctx *c, struct flow *f)
{
	struct flow *parent = parent_of(c, f);

	f->udp.used = c->now;
	flow_touch(&c->flows, f, f->udp.replied);
	if (parent) {
		parent->udp.used = c->now;
		flow_touch(&c->flows, parent, parent->udp.replied);
	}
}

/* The far socket has a port since it sent: our own, in case somebody looks who serves what */
static void note_port(struct ctx *c, struct flow *f)
{
	struct end *our = &f->side[!f->udp.near].our;

	our->port = sock_name(f->udp.sock).port;
	if (our->port)
		flow_hash_end(&c->flows, f, BY_CLIENT, !f->udp.near, our);
}

bool udp_splice_is_own(const struct flows *fs, unsigned side, const struct end *e)
{
	return flow_find_end(fs, BY_CLIENT, FLOW_UDP_SPLICE, side, e);
}

void udp_splice_flush(struct ctx *c)
{
	for (unsigned k = 0; k < taken.nflows; k++) {
		struct flow *f = taken.flow[k];

		for (uint16_t i = f->batch_head; i != NONE; i = taken.d[i].next)
			out_add(c, f, f->udp.near, &taken.d[i].iov, taken.d[i].gso);
		out_send(flow_guest(c, f), f->udp.sock, &f->side[!f->udp.near], 0);
		f->batch_head = f->batch_tail = NONE;
		note_use(c, f);
		if (!f->side[!f->udp.near].our.port)
			note_port(c, f);
	}
	taken.n = taken.nflows = 0;
}

/* ---- children ---- */

void udp_splice_alone(struct ctx *c, struct flow *f)
{
	struct flow *parent = parent_of(c, f);

	while (f->udp.child)
		udp_end(c, &c->flows.f[f->udp.child - 1]);
	if (!parent)
		return;
	*(f->udp.sib_prev ? &c->flows.f[f->udp.sib_prev - 1].udp.sib_next : &parent->udp.child) = f->udp.sib_next;
	if (f->udp.sib_next)
		c->flows.f[f->udp.sib_next - 1].udp.sib_prev = f->udp.sib_prev;
	f->udp.parent = f->udp.sib_next = f->udp.sib_prev = 0;
}

static void child_link(struct ctx *c, struct flow *parent, struct flow *f)
{
	f->udp.sib_next = parent->udp.child;
	if (f->udp.sib_next)
		c->flows.f[f->udp.sib_next - 1].udp.sib_prev = flow_idx(&c->flows, f) + 1;
	parent->udp.child = flow_idx(&c->flows, f) + 1;
}

/* Room for one child more */
static void child_room(struct ctx *c, const struct flow *parent)
{
	struct flow *f, *oldest = NULL;
	unsigned n = 0;

	for (uint32_t i = parent->udp.child; i; i = f->udp.sib_next, n++) {
		f = &c->flows.f[i - 1];
		if (!oldest || f->udp.used <= oldest->udp.used)
			oldest = f;
	}
	if (n >= CHILDREN_MAX)
		udp_end(c, oldest);
}

/* Address that the server knows the client by: the kernel's choice on the way to what was asked, and not the one on the way to
 * another address of the server's
 */
static struct addr far_source(const struct ctx *c, const struct flow *parent)
{
	const struct side *far = &parent->side[!parent->udp.near];
	struct addr a = far->our.a;
	int fd = -1;

	if (parent->udp.child)
		return c->flows.f[parent->udp.child - 1].side[!parent->udp.near].our.a;
	if (parent->udp.near == HOST) {
		fd = splice_ns_socket(c, addr_family(&a), IPPROTO_UDP);
		if (fd < 0)
			return a;
	}
	fd = sock_udp_to(fd, &(struct side){ far->peer, { .a = a } }, 0);
	if (fd >= 0) {
		a = sock_name(fd).a;
		close(fd);
	}
	return a;
}

/* Flow of what the server sends from @from, of interface @scope if that is link-local; NULL if there can't be one. Others may
 * give way for it, the parent too: then it is dead.
 */
static struct flow *child_new(struct ctx *c, struct flow *parent, const struct end *from, unsigned scope)
{
	uint8_t near = parent->udp.near;
	struct flow *f;

	flow_touch(&c->flows, parent, parent->udp.replied);
	child_room(c, parent);
	f = reclaim_alloc(c, flow_guest(c, parent), &udp_splice_flow);
	if (!f)
		return NULL;
	f->side[near] = (struct side){ parent->side[near].peer, { .a = parent->side[near].our.a } };
	f->side[!near] = (struct side){ *from, { far_source(c, parent), parent->side[!near].our.port } };
	f->udp = (struct udp){
		.port = parent->udp.port, .scope = scope, .near = near, .parent = flow_idx(&c->flows, parent) + 1,
	};
	if (parent->dead || own_open(c, f)) {
		flow_end(&c->flows, f);
		return NULL;
	}
	if (parent->dead) {
		fd_close(f->udp.sock);
		flow_end(&c->flows, f);
		return NULL;
	}
	f->side[near].our.port = sock_name(f->udp.sock).port;
	child_link(c, parent, f);
	flow_guest(c, f)->sockets++;
	c->flows.f[f->udp.port].udp.refs++;
	flow_hash_end(&c->flows, f, BY_ANSWER, flow_idx(&c->flows, parent), &f->side[!near].peer);
	udp_start(c, f);
	c->splice.flows++;
	return f;
}

/* ---- from flows' own sockets ---- */

/* Count, or -errno */
static int in_receive(int fd)
{
	int rc;

	udp_splice_buffers(in.iov, BATCH);
	for (unsigned i = 0; i < BATCH; i++)
		in.mm[i].msg_hdr = (struct msghdr){
			.msg_name = &in.from[i], .msg_namelen = sizeof(in.from[i]),
			.msg_iov = &in.iov[i], .msg_iovlen = 1,
			.msg_control = in.control[i], .msg_controllen = sizeof(in.control[i]),
		};
	do
		rc = recvmmsg(fd, in.mm, BATCH, MSG_DONTWAIT, NULL);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

/* Message @i of the batch, from one side of the flow */
static void in_add(struct ctx *c, struct flow *f, unsigned from, unsigned i)
{
	bool v4 = addr_is_v4(&f->side[from].peer.a);

	in.iov[i].iov_len = in.mm[i].msg_len;
	out_add(c, f, from, &in.iov[i], sock_ancillary(&in.mm[i].msg_hdr, v4).gso);
}

/* What is there for the client: from the listener's socket, and the address that was asked; or a child's own */
static void send_near(struct ctx *c, struct flow *f)
{
	struct guest *g = flow_guest(c, f);

	if (!out.n)
		return;
	if (f->udp.parent)
		out_send(g, f->udp.sock, NULL, 0);
	else
		out_send(g, c->flows.f[f->udp.port].udp.sock, &f->side[f->udp.near], f->udp.scope);
	note_use(c, f);
}

/* A batch of @n from the client to a server's port, by the socket that the server knows */
static void pass_far(struct ctx *c, struct flow *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		in_add(c, f, f->udp.near, i);
	out_send(flow_guest(c, f), parent_of(c, f)->udp.sock, &f->side[!f->udp.near], f->udp.scope);
	note_use(c, f);
}

/* Flow of message @i that came from the far side, @f or a child of its, or NULL. What is there for @last is sent before a flow
 * that may be that one gives way.
 */
static struct flow *flow_of(struct ctx *c, struct flow *f, struct flow *last, unsigned i)
{
	const struct end *server = &f->side[!f->udp.near].peer;
	const union sockaddr_any *sa = &in.from[i];
	struct flow *child;
	struct end from;

	if (!end_from_sa(&from, sa) || addr_family(&from.a) != addr_family(&server->a) || !from.port)
		return NULL;
	if (from.port == server->port)
		return f;
	child = flow_find_end(&c->flows, BY_ANSWER, FLOW_UDP_SPLICE, flow_idx(&c->flows, f), &from);
	if (child)
		return child;
	send_near(c, last);
	return child_new(c, f, &from, sa->sa.sa_family == AF_INET6 ? sa->v6.sin6_scope_id : 0);
}

/* A batch of @n from the far side to the client */
static void pass_near(struct ctx *c, struct flow *f, unsigned n)
{
	struct flow *last = f;

	for (unsigned i = 0; i < n; i++) {
		struct flow *to = flow_of(c, f, last, i);

		if (f->dead)
			return;
		if (!to) {
			drop_count(flow_guest(c, f), DROP_NO_FLOW);
			continue;
		}
		if (to != last)
			send_near(c, last);
		last = to;
		in_add(c, to, !to->udp.near, i);
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
		int n = in_receive(f->udp.sock);

		if (n == -EAGAIN || (n < 0 && useless++))
			return;
		if (n < 0)			/* of a datagram sent earlier; it is off the socket now */
			continue;
		f->udp.replied = true;
		if (f->udp.parent)
			pass_far(c, f, (unsigned)n);
		else
			pass_near(c, f, (unsigned)n);
		if (f->dead || n < BATCH)
			return;
	}
	flow_wait(&c->flows, f, WAIT_READY);
}

void udp_splice_resume(struct ctx *c, struct flow *f)
{
	udp_splice_ready(c, f, !f->udp.near, EPOLLIN);
}
