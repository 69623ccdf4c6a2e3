/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dgram.c - datagrams in and out of host sockets, many in a call
 *
 * A message that is refused as one (EINVAL, EMSGSIZE, EIO: more segments, or larger ones, than the way takes) is sent
 * again datagram by datagram, in order and before those behind it. Any other error may be an earlier datagram's, which
 * the kernel reports once, by the next call (ip(7), IP_RECVERR): the message is tried again, and a lasting error is its
 * own.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "dgram.h"

#define OUT		64		/* messages in one sendmmsg() */
#define PART_IOV	32		/* buffers of a datagram that is sent by itself */
#define TRIES		3		/* of a message whose error may be another one's */
#define CMSG_ROOM	256
#define DGRAM_BUF	(DGRAM_ROOM + 1536)	/* of a power of two, all would compete for the same cache lines */
#define SEND_FLAGS	(MSG_DONTWAIT | MSG_NOSIGNAL)

static_assert(DGRAM_BATCH <= OUT, "a batch in is no larger than one out");

static struct {
	struct mmsghdr		mm[DGRAM_BATCH];
	union sockaddr_any	from[DGRAM_BATCH];
	uint8_t			control[DGRAM_BATCH][CMSG_ROOM] __attribute__((aligned(8)));
	uint8_t			buf[DGRAM_BATCH][DGRAM_BUF];
} in;

static struct {
	struct mmsghdr		mm[OUT];
	struct dgram_run	run[OUT];
	const void		*what[OUT];
	uint8_t			ttl[OUT], tos[OUT];
	uint8_t			control[OUT][CMSG_ROOM] __attribute__((aligned(8)));
	struct iovec		iov[DGRAM_IOV];
	const struct side	*to;
	union sockaddr_any	sa;
	socklen_t		sa_len;
	unsigned		scope;
	bool			join;
	unsigned		n, niov;
	unsigned		ready;		/* messages with a complete header */
	unsigned		at;		/* the first that was not sent */
	struct view		rest;		/* of that one, if it goes datagram by datagram */
	unsigned		tries;		/* of that one */
} out;

/* ---- in ---- */

void dgram_buffers(struct iovec *place, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		place[i] = (struct iovec){ in.buf[i], DGRAM_ROOM };
}

static void prepare(const struct iovec *place, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		in.mm[i].msg_hdr = (struct msghdr){
			.msg_name = &in.from[i], .msg_namelen = sizeof(in.from[i]),
			.msg_iov = (struct iovec *)(uintptr_t)&place[i], .msg_iovlen = 1,
			.msg_control = in.control[i], .msg_controllen = sizeof(in.control[i]),
		};
}

int dgram_recv(int fd, const struct iovec *place, unsigned n, uint8_t *batch)
{
	int rc;

	prepare(place, n);
	rc = (int)UNINTERRUPTED(recvmmsg(fd, in.mm, n, MSG_DONTWAIT, NULL));
	if (batch && rc == (int)n)
		*batch = (uint8_t)MIN(2 * *batch, DGRAM_BATCH);
	else if (batch && rc >= 0 && rc < *batch / 2)
		*batch = (uint8_t)MAX(*batch / 2, 2);
	return rc < 0 ? -errno : rc;
}

static void read_pktinfo6(const struct cmsghdr *cm, bool v4, struct dgram *d)
{
	struct in6_pktinfo pi;

	memcpy(&pi, CMSG_DATA(cm), sizeof(pi));
	d->our = addr_from_bytes(&pi.ipi6_addr, false);
	d->ifindex = pi.ipi6_ifindex;
	d->many = addr_is_many(&d->our);
	if (d->many)
		d->our = v4 ? addr_any4 : addr_any6;
	else if (!d->scope && addr_is_linklocal(&d->our) && !addr_is_v4(&d->our))
		d->scope = pi.ipi6_ifindex;	/* a link-local address may be asked from a global one */
}

/* For IPv4, a dual-stack socket has both kinds of IP_PKTINFO; only IPv4's has the address to answer from */
static void read_control(const struct msghdr *m, bool v4, struct dgram *d)
{
	bool pktinfo4 = false;
	int value;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, cm)) {
		if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(cm), sizeof(pi));
			d->our = addr_from4(pi.ipi_spec_dst.s_addr);
			d->ifindex = (unsigned)pi.ipi_ifindex;
			d->many = pi.ipi_addr.s_addr != pi.ipi_spec_dst.s_addr;
			pktinfo4 = true;
		} else if (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_PKTINFO && !pktinfo4) {
			read_pktinfo6(cm, v4, d);
		} else if (cm->cmsg_level == IPPROTO_UDP && cm->cmsg_type == UDP_GRO) {
			memcpy(&value, CMSG_DATA(cm), sizeof(value));
			d->gso = (uint16_t)value;
		} else if ((cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_TTL) ||
			   (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_HOPLIMIT)) {
			memcpy(&value, CMSG_DATA(cm), sizeof(value));
			d->ttl = (uint8_t)value;
		}
	}
}

bool dgram_get(unsigned i, bool any_port, struct dgram *d)
{
	const struct msghdr *m = &in.mm[i].msg_hdr;
	const union sockaddr_any *sa = &in.from[i];
	bool v4;

	*d = (struct dgram){ .data = { m->msg_iov->iov_base, in.mm[i].msg_len } };
	if (!end_from_sa(&d->from, sa) || (!d->from.port && !any_port))
		return false;
	v4 = addr_is_v4(&d->from.a);
	d->our = v4 ? addr_any4 : addr_any6;
	d->scope = sa->sa.sa_family == AF_INET6 ? sa->v6.sin6_scope_id : 0;
	read_control(m, v4, d);
	return true;
}

bool dgram_peek(int fd, struct dgram *d)
{
	static const struct iovec nothing;
	ssize_t n;

	prepare(&nothing, 1);
	n = UNINTERRUPTED(recvmsg(fd, &in.mm[0].msg_hdr, MSG_DONTWAIT | MSG_PEEK));
	in.mm[0].msg_len = 0;
	return n >= 0 && dgram_get(0, false, d);
}

/* ---- out ---- */

/* One more control message, behind the msg_controllen bytes that are there */
static void control_add(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *cm = (void *)((uint8_t *)m->msg_control + m->msg_controllen);

	memset(cm, 0, CMSG_SPACE(len));
	cm->cmsg_level = level;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cm), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

/* Source address and interface of a datagram, where they are not the kernel's choice */
static void control_source(struct msghdr *m, const struct side *s, unsigned scope)
{
	bool unspec = addr_is_unspec(&s->our.a) || addr_is_many(&s->our.a);

	if (addr_is_v4(&s->peer.a)) {
		struct in_pktinfo pi = { .ipi_ifindex = (int)scope };

		if (unspec && !scope)
			return;
		if (!unspec)
			pi.ipi_spec_dst.s_addr = addr_v4(&s->our.a);
		control_add(m, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	} else if (!unspec) {			/* the interface is in the socket address */
		struct in6_pktinfo pi = { .ipi6_ifindex = scope };

		memcpy(&pi.ipi6_addr, s->our.a.b, sizeof(s->our.a.b));
		control_add(m, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	}
}

void dgram_begin(const struct side *to, unsigned scope, bool join)
{
	out.to = to;
	out.scope = scope;
	out.join = join && sock_features.udp_gso;
	out.sa_len = to ? end_to_sa(&to->peer, scope, &out.sa) : 0;
	out.n = out.niov = out.ready = out.at = out.tries = 0;
	out.rest.len = 0;
}

static bool is_super(const struct dgram_run *r)
{
	return r->len > r->size;
}

static unsigned datagrams(const struct dgram_run *r)
{
	return is_super(r) ? DIV_ROUND_UP(r->len, r->size) : 1;
}

bool dgram_add(const struct view *v, uint16_t gso, uint8_t ttl, uint8_t tos, const void *what)
{
	unsigned i = out.n - 1, cnt;
	struct msghdr *m;
	size_t len;

	cnt = view_iov(v, out.iov + out.niov, DGRAM_IOV - out.niov, &len);
	if (len < v->len)
		return false;
	if (out.n && (!gso || len <= gso) && ttl == out.ttl[i] && tos == out.tos[i] &&
	    dgram_run_takes(&out.run[i], len)) {
		out.mm[i].msg_hdr.msg_iovlen += cnt;
		out.niov += cnt;
		return true;
	}
	if (out.n == OUT)
		return false;

	i = out.n++;
	m = &out.mm[i].msg_hdr;
	*m = (struct msghdr){
		.msg_name = out.to ? &out.sa : NULL, .msg_namelen = out.sa_len,
		.msg_iov = out.iov + out.niov, .msg_iovlen = cnt, .msg_control = out.control[i],
	};
	out.niov += cnt;
	out.run[i] = dgram_run_begin(len, gso, out.join);
	out.ttl[i] = ttl;
	out.tos[i] = tos;
	out.what[i] = what;
	return true;
}

bool dgram_pending(void)
{
	return out.n;
}

/* The rest of message @i's header; the segments' size comes last, as send_part() leaves it out */
static void finish(unsigned i)
{
	struct msghdr *m = &out.mm[i].msg_hdr;
	bool v4 = out.sa.sa.sa_family == AF_INET;
	int ttl = out.ttl[i], tos = out.tos[i];

	if (out.to)
		control_source(m, out.to, out.scope);
	if (ttl)
		control_add(m, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (tos)
		control_add(m, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos));
	if (is_super(&out.run[i]))
		control_add(m, IPPROTO_UDP, UDP_SEGMENT, &out.run[i].size, sizeof(out.run[i].size));
	if (!m->msg_controllen)
		m->msg_control = NULL;
}

/* Message @out.at, or the next datagram of it, was sent, or is lost */
static void advance(unsigned n)
{
	out.tries = 0;
	if (out.rest.len) {
		view_skip(&out.rest, out.run[out.at].size);
		n = !out.rest.len;
	}
	out.at += n;
}

/* The next datagram of a message that can't be sent as one; returns as sendmmsg() */
static int send_part(int fd, uint64_t *lost)
{
	struct msghdr m = out.mm[out.at].msg_hdr;
	struct view part = out.rest;
	struct iovec iov[PART_IOV];
	size_t len;

	view_trim(&part, out.run[out.at].size);
	m.msg_iov = iov;
	m.msg_iovlen = view_iov(&part, iov, PART_IOV, &len);
	m.msg_controllen -= CMSG_SPACE(sizeof(uint16_t));
	if (len == part.len)
		return sendmsg(fd, &m, SEND_FLAGS) < 0 ? -1 : 1;
	++*lost;
	return 1;
}

static bool splits(int err)
{
	return !out.rest.len && is_super(&out.run[out.at]) && (err == EINVAL || err == EMSGSIZE || err == EIO);
}

int dgram_send(int fd, bool *single, uint64_t *lost)
{
	for (; out.ready < out.n; out.ready++)
		finish(out.ready);
	while (out.at < out.n) {
		const struct msghdr *m = &out.mm[out.at].msg_hdr;
		int rc = out.rest.len ? send_part(fd, lost) : sendmmsg(fd, out.mm + out.at, out.n - out.at, SEND_FLAGS);
		int err = rc ? errno : EIO;

		if (rc > 0) {
			advance((unsigned)rc);
		} else if (err == EAGAIN) {	/* full, and so it is for the rest */
			while (out.at < out.n)
				dgram_skip(lost);
		} else if (splits(err)) {
			out.rest = (struct view){ m->msg_iov, (unsigned)m->msg_iovlen, 0, out.run[out.at].len };
			if (out.run[out.at].n > 1) {
				*single = true;
				out.join = false;
			}
		} else if (err != EINTR && (err == EMSGSIZE || err == ENOBUFS || ++out.tries >= TRIES)) {
			return err;
		}
	}
	out.n = out.niov = out.ready = out.at = 0;
	return 0;
}

void dgram_skip(uint64_t *lost)
{
	*lost += out.rest.len ? 1 : datagrams(&out.run[out.at]);
	advance(1);
}

const void *dgram_refused(void)
{
	return out.what[out.at];
}

/* ---- errors ---- */

bool dgram_error(int fd, unsigned n, struct sock_err *e, uint8_t **data)
{
	static uint8_t buf[DGRAM_HEADROOM + 1280];

	*data = buf + DGRAM_HEADROOM;
	if (n < DGRAM_ERRORS && !sock_errqueue(fd, e, *data, sizeof(buf) - DGRAM_HEADROOM))
		return true;
	if (!n)
		sock_error(fd);
	return false;
}
