/* SPDX-License-Identifier: GPL-2.0-or-later */
/* icmp.c - echo through ping sockets (icmp(7)), and ICMP errors towards the guest
 *
 * One ping socket, one flow, for an identifier of the guest and a destination. The kernel answers for nobody: what
 * comes back was sent by the host that was asked, with the TTL it arrived with, and only the identifier is the
 * guest's again. The socket's identifier is the kernel's choice: identifiers belong to the whole host, IPv4 and IPv6
 * together, and a guest must not keep other programs from using one. A guest's share of sockets bounds them; a program that
 * binds one of ours gets its replies, while we go on with another one.
 *
 * Errors quote the guest's packet as the guest sent it. They are as long as RFC 1812 4.3.2.3 and RFC 4443 2.4 (c)
 * allow, never answer what must not be answered (RFC 1122 3.2.2, RFC 4443 2.4 (e)), and are limited in rate (RFC 4443
 * 2.4 (f)).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "checksum.h"
#include "event.h"
#include "icmp.h"
#include "reclaim.h"
#include "sock.h"
#include "udp.h"

/* RFC 792, RFC 4443 */
enum {
	ICMP4_ECHO_REPLY	= 0,
	ICMP4_UNREACH		= 3,
	ICMP4_ECHO		= 8,
	ICMP4_TIME_EXCEEDED	= 11,
	ICMP4_PARAM		= 12,
	ICMP6_UNREACH		= 1,
	ICMP6_TOO_BIG		= 2,
	ICMP6_TIME_EXCEEDED	= 3,
	ICMP6_PARAM		= 4,
	ICMP6_ECHO		= 128,
	ICMP6_ECHO_REPLY	= 129,
};
#define UNREACH4_TOO_BIG	4		/* RFC 1191 */

#define IP4_HLEN	20
#define IP6_HLEN	40
#define ICMP_HLEN	8
#define IP6_MTU_MIN	1280
#define IP4_ERROR_MAX	576
#define QUOTE_L4_MIN	8			/* bytes of transport header that have to be quoted */

#define RATE		1			/* ms for an error, on average */
#define RATE_BURST	200			/* ms that may be used up at once */

#define PING_TIMEOUT	60000			/* ms: RFC 5508 REQ-2 */
#define PING_SILENT	10000			/* ms without a reply or error: another socket is tried */
#define PING_TURN	16			/* messages read before other flows have their turn */
#define PING_TRIES	3			/* sends again after an error that was another packet's */
#define IOV_OUT		128

/* ---- errors ---- */

/* ICMP message for a local error; false if there is none (ICMP-09) */
static bool by_errno(int err, uint32_t info, bool v4, struct icmp_hdr *h)
{
	static const struct {
		int	err;
		uint8_t	type4, code4, type6, code6;
	} map[] = {
		{ ECONNREFUSED,	ICMP4_UNREACH, 3,	ICMP6_UNREACH, 4 },
		{ EHOSTUNREACH,	ICMP4_UNREACH, 1,	ICMP6_UNREACH, 3 },
		{ EHOSTDOWN,	ICMP4_UNREACH, 1,	ICMP6_UNREACH, 3 },
		{ ENETUNREACH,	ICMP4_UNREACH, 0,	ICMP6_UNREACH, 0 },
		{ ENETDOWN,	ICMP4_UNREACH, 0,	ICMP6_UNREACH, 0 },
		{ EADDRNOTAVAIL, ICMP4_UNREACH, 0,	ICMP6_UNREACH, 0 },
		{ ENODEV,	ICMP4_UNREACH, 0,	ICMP6_UNREACH, 0 },
		{ EACCES,	ICMP4_UNREACH, 13,	ICMP6_UNREACH, 1 },
		{ EPERM,	ICMP4_UNREACH, 13,	ICMP6_UNREACH, 1 },
		{ ENOPROTOOPT,	ICMP4_UNREACH, 2,	ICMP6_UNREACH, 4 },
		{ EMSGSIZE,	ICMP4_UNREACH, UNREACH4_TOO_BIG, ICMP6_TOO_BIG, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
		if (map[i].err != err)
			continue;
		*h = v4 ? (struct icmp_hdr){ .type = map[i].type4, .code = map[i].code4 } :
			  (struct icmp_hdr){ .type = map[i].type6, .code = map[i].code6 };
		if (err == EMSGSIZE)
			h->rest = v4 ? MIN(info, UINT16_MAX) : MAX(info, IP6_MTU_MIN);
		return true;
	}
	return false;
}

/* Message for what happened to a packet that went on as one of the other family: a resolver's, see map_out(). The kernel's errno
 * has types and codes as RFC 7915 4.2 and 5.2 translate them, but for "time exceeded"; packets' sizes differ by their headers.
 */
static bool by_translation(const struct sock_err *e, bool v4, struct icmp_hdr *h)
{
	uint32_t info = v4 ? e->info - MIN(e->info, IP6_HLEN - IP4_HLEN) : e->info + (IP6_HLEN - IP4_HLEN);

	if (e->origin == (v4 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP) &&
	    e->type == (v4 ? ICMP6_TIME_EXCEEDED : ICMP4_TIME_EXCEEDED)) {
		*h = (struct icmp_hdr){ .type = v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED, .code = e->code };
		return true;
	}
	return by_errno(e->err, info, v4, h);
}

/* Message as it came from the network, or one for the errno */
static bool by_error(const struct sock_err *e, bool v4, struct icmp_hdr *h)
{
	bool param, big;

	if (!addr_is_unspec(&e->dst.a) && addr_is_v4(&e->dst.a) != v4)
		return by_translation(e, v4, h);
	if (e->origin != (v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6))
		return by_errno(e->err, e->info, v4, h);

	if (v4 && e->type != ICMP4_UNREACH && e->type != ICMP4_TIME_EXCEEDED && e->type != ICMP4_PARAM)
		return false;
	if (!v4 && (e->type < ICMP6_UNREACH || e->type > ICMP6_PARAM))
		return false;

	*h = (struct icmp_hdr){ .type = e->type, .code = e->code };
	big = v4 ? e->type == ICMP4_UNREACH && e->code == UNREACH4_TOO_BIG : e->type == ICMP6_TOO_BIG;
	param = e->type == (v4 ? ICMP4_PARAM : ICMP6_PARAM);
	if (big)
		h->rest = v4 ? MIN(e->info, UINT16_MAX) : MAX(e->info, IP6_MTU_MIN);
	else if (param)
		h->rest = v4 ? e->info << 24 : e->info;		/* pointer */
	return true;
}

static bool may_answer(const struct net *net, const struct addr *src, const struct addr *dst)
{
	const struct guest_ip *g = &net->ip[addr_family(dst)].guest;

	if (addr_is_unspec(src) || addr_is_multicast(src) || addr_is_bcast(src))
		return false;
	if (addr_is_multicast(dst) || addr_is_bcast(dst))
		return false;
	/* Broadcast address of the guest's network */
	return !(addr_is_v4(dst) && g->plen && g->plen < 31 && addr_in_prefix(dst, &g->addr, g->plen) &&
		 !~(addr_v4(dst) | addr_mask4(g->plen)));
}

/* One every RATE ms, RATE_BURST ms of them at once */
static bool rate_ok(struct guest *g, uint64_t now)
{
	if (g->icmp_next > now + RATE_BURST)
		return false;
	g->icmp_next = MAX(g->icmp_next, now) + RATE;
	return true;
}

/* Frame for a message to the guest, or NULL, counted */
static struct frame *get_frame(struct guest *g)
{
	struct frame *fr;

	if (tap_reserve(&g->tap, &fr, 1, DGRAM_ROOM, TAP_ANSWER))
		return fr;
	drop_count(g, DROP_LINK_FULL);
	return NULL;
}

/* Who seems to say it: the one it came from, where the guest can be shown that, or the gateway */
static struct addr error_source(struct ctx *c, const struct guest *g, const struct sock_err *e, const struct addr *dst)
{
	const struct net_ip *ip = &c->net.ip[addr_family(dst)];

	if (!addr_is_unspec(&e->offender.a)) {
		if (addr_eq(&e->offender.a, &e->dst.a)) /* the destination itself, under the guest's name for it */
			return *dst;
		if (addr_family(&e->offender.a) == addr_family(dst))
			return map_icmp_src(&c->net, &g->seen, &e->offender.a);
	}
	if (!addr_is_unspec(&ip->gw))
		return ip->gw;
	return addr_is_unspec(&ip->our_ll) || addr_is_v4(dst) ? *dst : ip->our_ll;
}

/* Bytes of the guest's packet in an error, which has to pass the link in one piece */
static size_t quote_max(const struct guest *g, bool v4)
{
	return MIN(v4 ? IP4_ERROR_MAX : IP6_MTU_MIN, g->tap.caps.mtu) - (v4 ? IP4_HLEN : IP6_HLEN) - ICMP_HLEN;
}

/* IP header of a quoted packet: bytes written to @p */
static size_t quote_ip(uint8_t *p, const struct addr *src, const struct addr *dst, uint8_t proto, uint8_t ttl,
		       size_t l4_len)
{
	uint16_t csum;

	if (addr_is_v4(dst)) {
		memset(p, 0, IP4_HLEN);
		p[0] = 4 << 4 | IP4_HLEN / 4;
		put_be16(p + 2, (uint16_t)(IP4_HLEN + l4_len));
		put_be16(p + 6, 0x4000);			/* DF */
		p[8] = ttl;
		p[9] = proto;
		addr_to_bytes(src, p + 12);
		addr_to_bytes(dst, p + 16);
		csum = csum_finish(csum_add(p, IP4_HLEN, 0));
		memcpy(p + 10, &csum, sizeof(csum));
		return IP4_HLEN;
	}
	memset(p, 0, 8);
	p[0] = 6 << 4;
	put_be16(p + 4, (uint16_t)l4_len);
	p[6] = proto;
	p[7] = ttl;
	addr_to_bytes(src, p + 8);
	addr_to_bytes(dst, p + 24);
	return IP6_HLEN;
}

static void send_error(struct ctx *c, struct guest *g, struct frame *fr, const struct icmp_hdr *h,
		       const struct addr *from, const struct addr *to)
{
	const struct end src = { .a = *from }, dst = { .a = *to };
	struct net_hdr n = guest_hdr(c, g, &src, &dst);

	n.id = tap_ids(&g->tap, 1);
	frame_icmp(fr, &n, h);
	tap_commit(&g->tap, fr);
}

void icmp_error(struct ctx *c, struct guest *g, const struct sock_err *e, const struct end *src, const struct end *dst,
		uint8_t proto, const void *l4, size_t len)
{
	bool v4 = addr_is_v4(&dst->a);
	struct icmp_hdr h;
	struct frame *fr;
	struct addr from;
	uint8_t *p, ttl;
	size_t hlen;

	if (!by_error(e, v4, &h) || !may_answer(&c->net, &src->a, &dst->a) || !rate_ok(g, c->now) || !(fr = get_frame(g)))
		return;

	p = fr->pay[0].iov_base;
	ttl = h.type == (v4 ? ICMP4_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED) ? 1 : IPDEFTTL; /* as the router saw it */
	hlen = quote_ip(p, &src->a, &dst->a, proto, ttl, len);
	len = MIN(len, quote_max(g, v4) - hlen);
	memcpy(p + hlen, l4, len);
	fr->len = hlen + len;

	from = error_source(c, g, e, &dst->a);
	send_error(c, g, fr, &h, &from, &src->a);
}

void icmp_error_pkt(struct ctx *c, struct guest *g, int err, const struct pkt *p)
{
	const struct sock_err e = { .err = err, .origin = SO_EE_ORIGIN_LOCAL };
	bool v4 = addr_is_v4(&p->dst.a);
	struct icmp_hdr h;
	struct frame *fr;
	struct addr from;
	size_t len;

	if (!by_errno(err, 0, v4, &h) || !may_answer(&c->net, &p->src.a, &p->dst.a) || !rate_ok(g, c->now) ||
	    !(fr = get_frame(g)))
		return;

	len = MIN(p->ip.len, quote_max(g, v4));
	view_copy(&p->ip, 0, fr->pay[0].iov_base, len);
	fr->len = len;

	from = error_source(c, g, &e, &p->dst.a);
	send_error(c, g, fr, &h, &from, &p->src.a);
}

/* ---- echo ---- */

static void ping_end(struct ctx *c, struct flow *f)
{
	timer_clear(&c->wheel, &f->timer);
	fd_close(f->ping.sock);
	f->ping.sock = -1;
	flow_guest(c, f)->sockets--;
	flow_end(&c->flows, f);
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

	if (!reclaim_share(c, g))
		return fd;
	for (unsigned i = 0; i < RECLAIM_TRIES; i++) {
		fd = sock_ping(v6, &host->our.a, &o);
		if (!reclaim_for(c, fd))
			break;
	}
	return fd;
}

/* New flow for an echo request, or NULL: counted, and answered with an error where there is one */
static struct flow *ping_open(struct ctx *c, struct guest *g, const struct pkt *p, const struct side *guest)
{
	struct side host;
	struct flow *f;
	enum drop why;
	int fd;

	why = c->cf->no_icmp ? DROP_POLICY : map_out(&c->net, &g->seen, p->proto, &guest->peer, &guest->our, &host);
	if (why != DROP_NONE) {
		drop_count(g, why);
		if (why == DROP_POLICY)
			icmp_error_pkt(c, g, EACCES, p);
		return NULL;
	}
	fd = ping_socket(c, g, &guest->our, &host);
	if (fd < 0) {
		log_limited(LOG_WARNING, "No ping socket: %s%s", errno_text(-fd),
			    sock_features.ping ? "" : ", see net.ipv4.ping_group_range in icmp(7)");
		drop_count(g, DROP_NO_RESOURCE);
		return NULL;
	}
	f = reclaim_alloc(c, g, &ping_flow);
	if (!f || ev_add_flow(c->epfd, fd, flow_idx(&c->flows, f), f->gen, HOST, EPOLLIN)) {
		drop_count(g, DROP_NO_RESOURCE);
		fd_close(fd);
		if (f)
			flow_end(&c->flows, f);
		return NULL;
	}
	g->sockets++;
	f->side[GUEST] = *guest;
	f->side[HOST] = host;
	f->ping = (struct ping){ .sock = fd, .id = guest->peer.port };
	flow_hash_guest(&c->flows, f);
	f->timer.kind = TIMER_FLOW;
	timer_set(&c->wheel, &f->timer, c->now + PING_TIMEOUT);
	return f;
}

static void opt_set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		debug("Ping socket option %i: %s", name, errno_text(errno));
}

/* TTL as the guest's. Options, not control messages: ping sockets take those for IPv6 only since Linux 5.18 */
static void ping_set_ttl(struct flow *f, uint8_t ttl)
{
	bool v4 = addr_is_v4(&f->side[HOST].peer.a);

	if (ttl == (f->ping.ttl ? f->ping.ttl : IPDEFTTL))
		return;
	f->ping.ttl = ttl = MAX(ttl, 1);
	if (addr_is_multicast(&f->side[HOST].peer.a))
		opt_set(f->ping.sock, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS, ttl);
	else
		opt_set(f->ping.sock, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_UNICAST_HOPS, ttl);
}

/* Quoted echo request of an error, with the guest's identifier back in it */
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

/* Error queue, to its end or to the limit of a turn: number of entries */
static unsigned ping_errors(struct ctx *c, struct flow *f)
{
	static uint8_t msg[IP6_MTU_MIN];
	struct sock_err e;
	unsigned n;

	for (n = 0; n < PING_TURN; n++) {
		if (sock_errqueue(f->ping.sock, &e, msg, sizeof(msg)))
			return n;
		f->ping.asked = 0;
		ping_error(c, f, &e, msg);
	}
	flow_wait(&c->flows, f, WAIT_READY);
	return n;
}

/* A refused message: true to send it again */
static bool ping_failed(struct ctx *c, struct flow *f, const struct pkt *p, int err, unsigned tries)
{
	struct guest *g = flow_guest(c, f);
	unsigned queued;

	if (err == EINTR)
		return true;
	if (err == EACCES && !f->ping.bcast && addr_is_v4(&f->side[HOST].peer.a)) {
		f->ping.bcast = true;
		opt_set(f->ping.sock, SOL_SOCKET, SO_BROADCAST, 1);
		opt_set(f->ping.sock, IPPROTO_IP, IP_PKTINFO, 1);
		return true;
	}
	queued = ping_errors(c, f);
	if (queued && err != EMSGSIZE && tries < PING_TRIES)
		return true;			/* it was about an earlier request */
	drop_count(g, DROP_SEND);
	if (!queued)
		icmp_error_pkt(c, g, err, p);
	return false;
}

static void ping_send(struct ctx *c, struct flow *f, const struct pkt *p)
{
	uint8_t head[ICMP_HLEN] = { p->icmp.type };
	struct iovec iov[1 + IOV_OUT] = { { head, sizeof(head) } };
	unsigned scope = map_scope(&c->net, &f->side[HOST].peer.a), tries = 0;
	const struct end to = { .a = f->side[HOST].peer.a };
	struct msghdr m = { .msg_iov = iov };
	union sockaddr_any sa;
	size_t len;

	m.msg_name = &sa;
	m.msg_namelen = end_to_sa(&to, scope, &sa);
	m.msg_iovlen = 1 + view_iov(&p->data, iov + 1, IOV_OUT, &len);
	if (len < p->data.len) {
		drop_count(flow_guest(c, f), DROP_SEND);
		return;
	}
	put_be16(head + 4, p->icmp.id);		/* the kernel writes the socket's over it, and the checksum */
	put_be16(head + 6, p->icmp.seq);

	while (sendmsg(f->ping.sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && ping_failed(c, f, p, errno, tries++))
		;
}

void icmp_input(struct ctx *c, struct guest *g, const struct pkt *p)
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
	f = flow_find_guest(&c->flows, FLOW_PING, &guest.peer, &guest.our);
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
	f->bytes[GUEST] += p->data.len;
	f->ping.used = c->now;
	flow_touch(&c->flows, f, f->ping.replied);
}

/* TTL of a message that came, or 0 */
static uint8_t ttl_received(struct msghdr *m)
{
	int ttl = 0;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm))
		if ((cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_TTL) ||
		    (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_HOPLIMIT))
			memcpy(&ttl, CMSG_DATA(cm), sizeof(ttl));
	return (uint8_t)ttl;
}

/* Was a broadcast address asked that the sender answers to, a moment ago? */
static bool ping_answers(const struct ctx *c, const struct flow *f, const struct end *from, const struct msghdr *m)
{
	const struct sock_anc a = sock_ancillary(m, true);

	return f->ping.bcast && c->now - f->ping.used <= UDP_ANSWER_TIME &&
	       udp_from_network(from, &a, &f->side[HOST].peer.a);
}

/* Reply @m, of @len bytes behind its header @head in @fr, to the guest: true if the frame was used */
static bool ping_reply(struct ctx *c, struct flow *f, struct msghdr *m, const uint8_t *head, struct frame *fr, size_t len)
{
	const union sockaddr_any *sa = m->msg_name;
	struct guest *g = flow_guest(c, f);
	uint8_t ttl = ttl_received(m);
	const struct addr *asked = &f->side[HOST].peer.a;
	bool v4 = addr_is_v4(asked);
	struct icmp_hdr h = {
		.type = v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY, .id = f->ping.id, .seq = get_be16(head + 6),
	};
	const struct end to = { .a = f->side[GUEST].peer.a };
	struct end from, src = { .a = f->side[GUEST].our.a };
	struct net_hdr n;

	if (head[0] != h.type || !end_from_sa(&from, sa)) {
		drop_count(g, DROP_NO_FLOW);
		return false;
	}
	if (addr_eq(&from.a, asked)) {
		f->ping.used = c->now;
	} else if (ping_answers(c, f, &from, m)) {	/* one of many: its answer is no reason to wait for more */
		src.a = map_icmp_src(&c->net, &g->seen, &from.a);
	} else {
		drop_count(g, DROP_NO_FLOW);
		return false;
	}

	n = guest_hdr(c, g, &src, &to);
	if (ttl)
		n.ttl = ttl;
	if (!tap_commit_dgram(&g->tap, fr, &n, &h, len, guest_pmtu(c, g, &to.a)))
		drop_count(g, DROP_LINK_FULL);

	f->bytes[HOST] += len;
	f->ping.asked = 0;
	f->ping.replied = true;
	flow_touch(&c->flows, f, true);
	return true;
}

/* One message: 0, -EAGAIN if there is none, another error of the socket, or -EBUSY if the link is full */
static int ping_read(struct ctx *c, struct flow *f)
{
	uint8_t head[ICMP_HLEN] = { 0 }, control[128] __attribute__((aligned(8)));
	struct guest *g = flow_guest(c, f);
	struct iovec iov[2] = { { head, sizeof(head) } };
	union sockaddr_any sa = { 0 };
	struct msghdr m = {
		.msg_name = &sa, .msg_namelen = sizeof(sa), .msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct frame *fr;
	ssize_t n;
	int rc;

	if (!tap_reserve(&g->tap, &fr, 1, DGRAM_ROOM, TAP_ANSWER)) {
		flow_wait(&c->flows, f, WAIT_STALLED);
		return -EBUSY;
	}
	iov[1] = fr->pay[0];
	do
		n = recvmsg(f->ping.sock, &m, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	rc = n < 0 ? -errno : 0;

	if (n < ICMP_HLEN || !ping_reply(c, f, &m, head, fr, (size_t)n - ICMP_HLEN))
		tap_unreserve(&g->tap, &fr, 1);
	return rc;
}

static void ping_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events)
{
	unsigned useless = 0;

	(void)side;
	if (events & EPOLLERR && !ping_errors(c, f))
		sock_error(f->ping.sock);
	for (unsigned i = 0; i < PING_TURN; i++) {
		int rc = ping_read(c, f);

		if (rc == -EAGAIN || rc == -EBUSY)
			return;
		if (rc && !ping_errors(c, f) && useless++)
			return; /* the socket is of no use, and the ready list must not spin on it */
	}
	flow_wait(&c->flows, f, WAIT_READY);
}

static void ping_resume(struct ctx *c, struct flow *f)
{
	ping_ready(c, f, HOST, EPOLLIN);
}

static bool ping_gone(struct ctx *c, struct flow *f)
{
	if (f->batch_head != PKT_NEXT_NONE)
		return false;
	ping_end(c, f);
	return true;
}

static const char *ping_state(const struct flow *f)
{
	(void)f;
	return "established";
}

const struct flow_ops ping_flow = {
	.type = FLOW_PING, .name = { "icmp", "icmpv6" }, .fds = 1, .state = ping_state,
	.ready = ping_ready, .resume = ping_resume, .timeout = ping_timeout, .end = ping_gone,
};
