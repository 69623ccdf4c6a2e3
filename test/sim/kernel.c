/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel.c - system calls of the simulated kernel, in place of the real ones (-Wl,--wrap)
 *
 * Every call but the clock counts, and the n-th of a run can be made to fail. Descriptors below FD_BASE are real.
 */
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>


#include "../../sock_filter.h"
#include "kernel.h"
#include "world.h"

#define SNDBUF		87040U		/* what a connection starts with */

/* Declared here only: the linker makes calls of x() calls of __wrap_x() */
#define WRAP(type, name, ...)	type __real_##name(__VA_ARGS__); type __wrap_##name(__VA_ARGS__); \
				type __wrap_##name(__VA_ARGS__)

static bool simulated(int fd)
{
	return fd >= FD_BASE;
}

static int fail(int err)
{
	errno = err;
	return -1;
}

/* The socket behind @fd, or NULL and errno, also when the call's turn to fail has come */
static struct fsock *enter(int fd, const char *call, int err)
{
	struct fsock *s = fs_get(fd);

	if (!s) {
		errno = EBADF;
		return NULL;
	}
	return sim_fault(call, err) ? NULL : s;
}

/* Takes pending error, as sock_error() of the kernel */
static int take_error(struct fsock *s)
{
	int err = s->err;

	s->err = 0;
	return err;
}

/* Clock and randomness */

WRAP(int, clock_gettime, clockid_t id, struct timespec *ts)
{
	if (id == CLOCK_REALTIME)	/* a fuzzer's own */
		return __real_clock_gettime(id, ts);
	*ts = (struct timespec){ (time_t)(world.now / SEC), (long)(world.now % SEC) };
	return 0;
}

WRAP(int, getentropy, void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)world_random();
	return 0;
}

/* epoll */

WRAP(int, epoll_create1, int flags)
{
	(void)flags;
	return fs_open(FS_EPOLL, 0);
}

WRAP(int, epoll_ctl, int epfd, int op, int fd, struct epoll_event *ev)
{
	struct fsock *s;

	(void)epfd;
	if (!simulated(fd))
		return 0;
	if (!(s = enter(fd, "epoll_ctl", ENOSPC)))
		return -1;
	if (op == EPOLL_CTL_ADD ? s->reg : !s->reg)
		return fail(op == EPOLL_CTL_ADD ? EEXIST : ENOENT);
	if (op == EPOLL_CTL_MOD && (s->kind == FS_TCP || s->kind == FS_UDP || s->kind == FS_PING))
		world_bad("I4: epoll_ctl(EPOLL_CTL_MOD) for the socket of a flow");
	if (op == EPOLL_CTL_DEL) {
		s->reg = false;
		return 0;
	}
	*(op == EPOLL_CTL_ADD ? &s->adds : &s->mods) += 1;
	s->reg = true;
	s->ready = 0;
	s->events = ev->events;
	s->data = ev->data.u64;
	fs_wake(s, fs_mask(s));
	return 0;
}

WRAP(int, epoll_wait, int epfd, struct epoll_event *ev, int max, int timeout)
{
	uint64_t due = timeout < 0 ? UINT64_MAX : world.now + (uint64_t)timeout * MS;
	int n;

	(void)epfd;
	if (sim_fault("epoll_wait", EINTR))
		return -1;
	n = fs_collect(ev, max);
	if (n || !timeout) {
		world.wakeups += n > 0;
		return n;
	}
	if (due > world.limit) {
		world.now = world.limit;
		world.idle = true;
		return 0;
	}
	world.wakeups++;
	world.now = due;
	return 0;
}

WRAP(int, poll, struct pollfd *p, nfds_t n, int timeout)
{
	struct fsock *s;

	if (n != 1 || !simulated(p->fd))
		return __real_poll(p, n, timeout);
	if (!(s = enter(p->fd, "poll", ENOMEM)))
		return -1;
	p->revents = (short)(fs_mask(s) & ((uint32_t)p->events | EPOLLERR | EPOLLHUP));
	return p->revents != 0;
}

/* Sockets: making, naming, ending */

WRAP(int, socket, int domain, int type, int proto)
{
	int base = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (domain != AF_INET && domain != AF_INET6)
		return __real_socket(domain, type, proto);
	if (sim_fault("socket", EMFILE))
		return -1;
	if (!(type & SOCK_NONBLOCK) || !(type & SOCK_CLOEXEC))
		world_bad("socket() without SOCK_NONBLOCK or SOCK_CLOEXEC");
	return fs_open(base == SOCK_STREAM ? FS_TCP : proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ? FS_PING :
		       FS_UDP, domain);
}

static int set_int(struct fsock *s, int level, int name, int v)
{
	if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF) && s->kind == FS_TCP)
		world_bad("TCP-38: SO_SNDBUF or SO_RCVBUF ends the kernel's own tuning");
	if (level == SOL_SOCKET && name == SO_PEEK_OFF) {
		if (world.no_peek_off && s->kind == FS_TCP)
			return fail(EOPNOTSUPP);
		s->peek_off = v;
	}
	if (level == SOL_SOCKET && name == SO_OOBINLINE)
		s->inline_ = v;
	if (level == IPPROTO_TCP && name == TCP_NODELAY)
		s->nodelay = v;
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		s->v6only = v;
	if ((level == IPPROTO_IP && name == IP_TTL) || (level == IPPROTO_IPV6 && name == IPV6_UNICAST_HOPS))
		s->ttl = (uint8_t)v;
	if ((level == IPPROTO_IP && name == IP_PKTINFO) || (level == IPPROTO_IPV6 && name == IPV6_RECVPKTINFO))
		s->pktinfo = v;
	if ((level == IPPROTO_IP && name == IP_RECVERR) || (level == IPPROTO_IPV6 && name == IPV6_RECVERR))
		s->recverr = v;
	if (level == IPPROTO_UDP && name == 104)	/* UDP_GRO */
		s->gro = v;
	if (level == SOL_SOCKET && name == SO_BROADCAST)
		s->bcast = v;
	return 0;
}

WRAP(int, setsockopt, int fd, int level, int name, const void *val, socklen_t len)
{
	struct fsock *s = enter(fd, "setsockopt", ENOBUFS);
	int v = 0;

	if (!s)
		return -1;
	memcpy(&v, val, len < sizeof(v) ? len : sizeof(v));
	if (level == SOL_SOCKET && name == SO_LINGER) {
		const struct linger *l = val;

		s->linger0 = l->l_onoff && !l->l_linger;
		return 0;
	}
	return set_int(s, level, name, v);
}

WRAP(int, getsockopt, int fd, int level, int name, void *val, socklen_t *len)
{
	struct fsock *s = enter(fd, "getsockopt", ENOBUFS);
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	uint64_t room;

	if (!s)
		return -1;
	if (level == SOL_SOCKET && (name == SO_ERROR || name == SO_SNDBUF)) {
		*(int *)val = name == SO_ERROR ? take_error(s) : (int)SNDBUF;
		*len = sizeof(int);
		return 0;
	}
	if (level == SOL_SOCKET && name == SO_MEMINFO && world.no_meminfo)
		return fail(ENOPROTOOPT);
	if (level == SOL_SOCKET && name == SO_MEMINFO) {
		room = s->told != ROOM_AUTO ? s->told : s->room;
		mem[SK_MEMINFO_SNDBUF] = SNDBUF;
		mem[SK_MEMINFO_WMEM_QUEUED] = room < SNDBUF ? SNDBUF - (uint32_t)room : 0;
		memcpy(val, mem, *len < sizeof(mem) ? *len : sizeof(mem));
		*len = *len < sizeof(mem) ? *len : sizeof(mem);
		return 0;
	}
	world_bad("getsockopt(%i, %i) is not simulated", level, name);
	return fail(ENOPROTOOPT);
}

WRAP(int, ioctl, int fd, unsigned long request, ...)
{
	struct fsock *s;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!simulated(fd))
		return __real_ioctl(fd, request, arg);
	if (!(s = enter(fd, "ioctl", ENOMEM)))
		return -1;
	switch (request) {
	case TIOCOUTQ:
		*(int *)arg = (int)(s->room < SNDBUF / 2 ? SNDBUF / 2 - s->room : 0);
		return 0;
	case FIONREAD:
		*(int *)arg = (int)(s->rx_have - s->rx_read);
		return 0;
	}
	world_bad("ioctl(%#lx) is not simulated", request);
	return fail(ENOTTY);
}

/* The host's addresses: of loopback, and the one that the guest has, too */
static bool is_local(const struct addr *a)
{
	return addr_is_unspec(a) || addr_is_loopback(a) || addr_eq(a, &world.host_addr);
}

static bool port_taken(const struct fsock *me)
{
	for (unsigned i = 0; i < world.nfs; i++) {
		const struct fsock *s = &world.fs[i];

		if (s != me && fs_mine(s) && s->kind == FS_UDP && s->fd != NOBODY && s->ns == me->ns &&
		    s->domain == me->domain &&
		    s->local.port == me->local.port)
			return true;
	}
	return false;
}

WRAP(int, bind, int fd, const struct sockaddr *sa, socklen_t len)
{
	struct fsock *s;
	union sockaddr_any any;

	if (!simulated(fd))
		return __real_bind(fd, sa, len);
	if (!(s = enter(fd, "bind", EADDRINUSE)))
		return -1;
	memcpy(&any, sa, len);
	end_from_sa(&s->local, &any);
	if (!is_local(&s->local.a)) {
		s->local = (struct end){ .port = 0 };
		return fail(EADDRNOTAVAIL);
	}
	if (s->local.port && s->kind == FS_UDP && port_taken(s)) {
		s->local.port = 0;
		return fail(EADDRINUSE);
	}
	if (!s->local.port && s->kind == FS_UDP)
		s->local.port = (uint16_t)(30000 + (s - world.fs));
	return 0;
}

WRAP(int, listen, int fd, int backlog)
{
	struct fsock *s = enter(fd, "listen", EADDRINUSE);

	(void)backlog;
	if (!s)
		return -1;
	s->kind = FS_LISTEN;
	return 0;
}

WRAP(int, connect, int fd, const struct sockaddr *sa, socklen_t len)
{
	union sockaddr_any any;
	struct fsock *s;

	if (!simulated(fd))
		return __real_connect(fd, sa, len);
	if (!(s = enter(fd, "connect", EADDRNOTAVAIL)))
		return -1;
	memcpy(&any, sa, len);
	end_from_sa(&s->peer, &any);
	s->connects++;
	if (s->kind != FS_TCP) {
		if (addr_is_unspec(&s->local.a))	/* the kernel's choice */
			s->local.a = addr_is_loopback(&s->peer.a) ? s->peer.a : world.host_addr;
		return 0;
	}
	if (world.connect_err == EINPROGRESS)
		s->state = FS_CONNECTING;
	else if (!world.connect_err)
		s->state = FS_CONNECTED;
	return world.connect_err ? fail(world.connect_err) : 0;
}

static int put_name(const struct end *e, struct sockaddr *sa, socklen_t *len)
{
	union sockaddr_any any;
	socklen_t n;

	if (!sa)
		return 0;
	n = end_to_sa(e, 0, &any);
	memcpy(sa, &any, n < *len ? n : *len);
	*len = n;
	return 0;
}

WRAP(int, accept4, int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	struct fsock *l = enter(fd, "accept4", EMFILE), *s;
	int new;

	if (!l)
		return -1;
	if (!l->naccept)
		return fail(EAGAIN);
	if (!(flags & SOCK_NONBLOCK) || !(flags & SOCK_CLOEXEC))
		world_bad("accept4() without SOCK_NONBLOCK or SOCK_CLOEXEC");
	if ((new = fs_open(FS_TCP, l->domain)) < 0)
		return -1;
	s = fs_get(new);
	s->state = FS_CONNECTED;
	s->peer = l->accept[0];
	s->local = l->local;
	s->nodelay = l->nodelay;
	memmove(l->accept, l->accept + 1, --l->naccept * sizeof(l->accept[0]));
	put_name(&s->peer, sa, len);
	return new;
}

WRAP(int, getsockname, int fd, struct sockaddr *sa, socklen_t *len)
{
	struct fsock *s;

	if (!simulated(fd))
		return __real_getsockname(fd, sa, len);
	if (!(s = enter(fd, "getsockname", ENOBUFS)))
		return -1;
	return put_name(&s->local, sa, len);
}

WRAP(int, getpeername, int fd, struct sockaddr *sa, socklen_t *len)
{
	struct fsock *s = enter(fd, "getpeername", ENOTCONN);

	return s ? put_name(&s->peer, sa, len) : -1;
}

WRAP(int, shutdown, int fd, int how)
{
	struct fsock *s = enter(fd, "shutdown", ENOTCONN);

	if (!s)
		return -1;
	if (s->state != FS_CONNECTED)
		return fail(ENOTCONN);
	if (how != SHUT_RD) {
		s->shutdowns += !s->tx_shut;
		s->tx_shut = true;
	}
	if (how != SHUT_WR)
		s->rx_shut = true;
	fs_wake(s, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP);	/* sk_state_change() */
	return 0;
}

WRAP(int, close, int fd)
{
	struct fsock *s;
	bool failed;

	if (!simulated(fd))
		return __real_close(fd);
	if (!(s = fs_get(fd)))
		return fail(EBADF);
	failed = sim_fault("close", EINTR);	/* closed all the same */
	s->reset = s->kind == FS_TCP && s->state == FS_CONNECTED && (s->linger0 || s->rx_have > s->rx_read);
	fs_closed(s);
	return failed ? -1 : 0;
}

/* Sockets: data. A stream checks what it gets against the pattern, and gives what the pattern says. */

static ssize_t tcp_send(struct fsock *s, const struct iovec *iov, size_t cnt, int flags)
{
	uint64_t n = 0, take;

	if (!(flags & MSG_NOSIGNAL))
		world_bad("send without MSG_NOSIGNAL: SIGPIPE would end the process");
	if (s->err)
		return fail(take_error(s));
	if (s->state == FS_CONNECTING)
		return fail(EAGAIN);
	if (s->state != FS_CONNECTED || s->tx_shut)
		return fail(EPIPE);
	if (!s->nodelay && !world.failed)
		world_bad("TCP-32: data sent without TCP_NODELAY");

	for (size_t i = 0; i < cnt; i++)
		n += iov[i].iov_len;
	take = n < s->room ? n : s->room;
	for (size_t i = 0, left = take; left; i++) {
		const uint8_t *p = iov[i].iov_base;

		for (size_t j = 0; j < iov[i].iov_len && left; j++, left--, s->tx_taken++)
			if (p[j] != pattern(TO_HOST, s->peer.port, s->tx_taken))
				world_bad("byte %llu of the stream to the host is wrong",
					  (unsigned long long)s->tx_taken);
	}
	if (s->room != ROOM_AUTO)
		s->room -= take;
	if (take < n)
		s->nospace = true;
	return n && !take ? fail(EAGAIN) : (ssize_t)take;
}

static ssize_t tcp_recv(struct fsock *s, const struct iovec *iov, size_t cnt, size_t max, int flags)
{
	bool peek = flags & MSG_PEEK;
	uint64_t at = s->rx_read + (peek && s->peek_off > 0 ? (uint64_t)s->peek_off : 0), n;

	if (s->rx_have <= at) {
		if (s->rx_eof || s->rx_shut)
			return 0;
		if (s->err)
			return fail(take_error(s));
		if (s->state == FS_NEW || s->state == FS_CLOSED)
			return s->state == FS_NEW ? fail(ENOTCONN) : 0;
		return fail(EAGAIN);
	}
	n = s->rx_have - at < max ? s->rx_have - at : max;
	if (s->urgent == at && !s->inline_ && !world.failed)
		world_bad("urgent byte is lost to the stream");
	if (s->urgent != NO_URGENT && s->urgent > at && s->urgent < at + n)
		n = s->urgent - at;		/* a read stops there */
	if (!(flags & MSG_TRUNC)) {
		uint64_t pos = at;

		for (size_t i = 0; i < cnt && pos < at + n; i++)
			for (size_t j = 0; j < iov[i].iov_len && pos < at + n; j++)
				((uint8_t *)iov[i].iov_base)[j] = pattern(TO_GUEST, s->peer.port, pos++);
	}
	if (!peek)
		s->rx_read += n;
	if (s->urgent != NO_URGENT && s->rx_read > s->urgent)
		s->urgent = NO_URGENT;
	if (s->peek_off >= 0)
		s->peek_off = peek ? s->peek_off + (int64_t)n :
			      s->peek_off > (int64_t)n ? s->peek_off - (int64_t)n : 0;
	return (ssize_t)n;
}

static size_t iov_len(const struct iovec *iov, size_t cnt)
{
	size_t n = 0;

	while (cnt--)
		n += iov++->iov_len;
	return n;
}

/* A control message of a datagram that is sent: ip(7), ipv6(7), udp(7) */
static void get_cmsg(const struct cmsghdr *c, struct dgram *d, uint16_t *gso)
{
	bool v4 = c->cmsg_level == IPPROTO_IP, v6 = c->cmsg_level == IPPROTO_IPV6;
	const void *data = CMSG_DATA(c);
	int v = 0;

	if (c->cmsg_len == CMSG_LEN(sizeof(v)))
		memcpy(&v, data, sizeof(v));
	if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
		memcpy(gso, data, sizeof(*gso));
	else if ((v4 && c->cmsg_type == IP_TTL) || (v6 && c->cmsg_type == IPV6_HOPLIMIT))
		d->ttl = (uint8_t)v;
	else if ((v4 && c->cmsg_type == IP_TOS) || (v6 && c->cmsg_type == IPV6_TCLASS))
		d->tos = (uint8_t)v;
	else if (v4 && c->cmsg_type == IP_PKTINFO)
		d->our.a = addr_from4(((const struct in_pktinfo *)data)->ipi_spec_dst.s_addr);
	else if (v6 && c->cmsg_type == IPV6_PKTINFO)
		d->our.a = addr_from_bytes(&((const struct in6_pktinfo *)data)->ipi6_addr, false);
	else
		world_bad("control message %i, %i is not simulated", c->cmsg_level, c->cmsg_type);
}

static ssize_t dgram_send(struct fsock *s, const struct msghdr *m)
{
	struct dgram d = { .len = iov_len(m->msg_iov, m->msg_iovlen), .ttl = s->ttl, .our = s->local };
	static uint8_t buf[65536];
	union sockaddr_any any;
	size_t at = 0, all;
	uint16_t gso = 0;

	if (s->err)
		return fail(take_error(s));
	if (d.len > sizeof(buf))
		return fail(EMSGSIZE);
	for (size_t i = 0; i < m->msg_iovlen; at += m->msg_iov[i++].iov_len)
		memcpy(buf + at, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
	d.data = buf;
	d.peer = s->peer;
	if (m->msg_name) {
		memcpy(&any, m->msg_name, m->msg_namelen);
		end_from_sa(&d.peer, &any);
	}
	if (addr_is_bcast(&d.peer.a) && !s->bcast)
		return fail(EACCES);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)m, c))
		get_cmsg(c, &d, &gso);
	if (!s->local.port) {			/* bound by its first message */
		s->local.port = (uint16_t)(30000 + (s - world.fs));
		d.our.port = s->local.port;
	}
	s->msgs++;
	for (at = 0, all = d.len; gso && gso < all - at; at += gso) {	/* as the receiver will see them */
		d.data = buf + at;
		d.len = gso;
		if (!fs_dgram(s, &s->tx, &d))
			return fail(EAGAIN);
	}
	d.data = buf + at;
	d.len = all - at;
	return fs_dgram(s, &s->tx, &d) ? (ssize_t)all : fail(EAGAIN);
}

static void put_cmsg(struct msghdr *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (void *)((char *)m->msg_control + m->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	m->msg_controllen += CMSG_SPACE(len);
}

static unsigned came_by(const struct dgram *d)
{
	return d->ifindex ? d->ifindex : addr_is_loopback(&d->peer.a) ? LOOPBACK_IF : HOST_IF;
}

static void put_cmsgs(struct fsock *s, struct msghdr *m, const struct dgram *d, bool err)
{
	bool v4 = addr_is_v4(&d->peer.a);

	if (err) {
		struct {
			struct sock_extended_err ee;
			union sockaddr_any offender;
		} e = { .ee = { .ee_errno = (uint32_t)d->err, .ee_origin = d->origin, .ee_type = d->type,
				.ee_code = d->code, .ee_info = d->info } };

		end_to_sa(&d->our, 0, &e.offender);
		put_cmsg(m, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &e, sizeof(e));
		return;
	}
	if (s->pktinfo && v4) {
		const struct in_addr to = { addr_v4(&d->our.a) };
		struct in_pktinfo p = { .ipi_addr = to, .ipi_spec_dst = to, .ipi_ifindex = (int)came_by(d) };

		put_cmsg(m, IPPROTO_IP, IP_PKTINFO, &p, sizeof(p));
	} else if (s->pktinfo) {
		struct in6_pktinfo p;

		memset(&p, 0, sizeof(p));
		addr_to_bytes(&d->our.a, &p.ipi6_addr);
		p.ipi6_ifindex = came_by(d);
		put_cmsg(m, IPPROTO_IPV6, IPV6_PKTINFO, &p, sizeof(p));
	}
	if (s->kind == FS_PING && d->ttl) {
		int ttl = d->ttl;

		put_cmsg(m, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TTL : IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	}
	if (d->gso) {
		int gso = d->gso;

		put_cmsg(m, IPPROTO_UDP, 104, &gso, sizeof(gso));
	}
}

static ssize_t dgram_recv(struct fsock *s, struct msghdr *m, int flags)
{
	struct dgrams *q = flags & MSG_ERRQUEUE ? &s->errq : &s->rx;
	struct dgram *d = &q->d[q->head];
	size_t at = 0;

	if (!(flags & MSG_ERRQUEUE) && s->err)
		return fail(take_error(s));
	if (!q->len)
		return fail(EAGAIN);

	for (size_t i = 0; i < m->msg_iovlen && at < d->len; i++) {
		size_t n = m->msg_iov[i].iov_len < d->len - at ? m->msg_iov[i].iov_len : d->len - at;

		if (n)
			memcpy(m->msg_iov[i].iov_base, d->data + at, n);
		at += n;
	}
	m->msg_flags = at < d->len ? MSG_TRUNC : 0;
	if (m->msg_name)
		put_name(&d->peer, m->msg_name, &m->msg_namelen);
	m->msg_controllen = 0;
	if (m->msg_control)
		put_cmsgs(s, m, d, flags & MSG_ERRQUEUE);
	if (!(flags & MSG_PEEK)) {
		free(d->data);
		q->head = (q->head + 1) % DGRAM_MAX;
		q->len--;
		if (flags & MSG_ERRQUEUE)		/* sock_dequeue_err_skb() */
			s->err = q->len ? q->d[q->head].err : 0;
	}
	return (ssize_t)at;
}

WRAP(ssize_t, sendmsg, int fd, const struct msghdr *m, int flags)
{
	struct fsock *s;

	if (!simulated(fd))
		return __real_sendmsg(fd, m, flags);
	s = fs_get(fd);
	if (s && s->kind == FS_TAP)
		return sim_stream_send(s, m);
	if (!(s = enter(fd, "sendmsg", ENOBUFS))) {
		s = fs_get(fd);
		if (s && s->kind == FS_TCP && errno == ENOBUFS) {	/* short of memory: sk_stream_wait_memory() */
			s->nospace = true;
			if (!world.fail_on)
				fs_room(s, s->room);
			errno = EAGAIN;
		} else if (s && s->kind == FS_TCP && errno != EINTR) {	/* broken, and that was its error */
			s->state = FS_CLOSED;
		}
		return -1;
	}
	return s->kind == FS_TCP ? tcp_send(s, m->msg_iov, m->msg_iovlen, flags) : dgram_send(s, m);
}

WRAP(ssize_t, sendto, int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
{
	struct iovec iov = { (void *)buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = (void *)to, .msg_namelen = tolen };

	return simulated(fd) ? __wrap_sendmsg(fd, &m, flags) : __real_sendto(fd, buf, len, flags, to, tolen);
}

WRAP(ssize_t, send, int fd, const void *buf, size_t len, int flags)
{
	return simulated(fd) ? __wrap_sendto(fd, buf, len, flags, NULL, 0) : __real_send(fd, buf, len, flags);
}

WRAP(int, sendmmsg, int fd, struct mmsghdr *mm, unsigned n, int flags)
{
	struct fsock *s = enter(fd, "sendmmsg", ENOBUFS);
	unsigned i;

	(void)flags;
	if (!s)
		return -1;
	for (i = 0; i < n; i++) {
		ssize_t rc = dgram_send(s, &mm[i].msg_hdr);

		if (rc < 0)
			return i ? (int)i : -1;
		mm[i].msg_len = (unsigned)rc;
	}
	return (int)i;
}

WRAP(ssize_t, recvmsg, int fd, struct msghdr *m, int flags)
{
	struct fsock *s;

	if (!simulated(fd))
		return __real_recvmsg(fd, m, flags);
	if (!(s = enter(fd, "recvmsg", ENOMEM)))
		return -1;
	if (s->kind == FS_TCP && flags & MSG_ERRQUEUE)
		return fail(EAGAIN);
	return s->kind == FS_TCP ? tcp_recv(s, m->msg_iov, m->msg_iovlen, iov_len(m->msg_iov, m->msg_iovlen), flags) :
	       dgram_recv(s, m, flags);
}

WRAP(ssize_t, recv, int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = { buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct fsock *s;

	if (!simulated(fd))
		return __real_recv(fd, buf, len, flags);
	if (!(s = enter(fd, "recv", ENOMEM)))
		return -1;
	if (s->kind == FS_TAP)
		return sim_stream_recv(s, buf, len);
	return s->kind == FS_TCP ? tcp_recv(s, &iov, 1, len, flags) : dgram_recv(s, &m, flags);
}

ssize_t __wrap___recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __wrap___recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
	(void)size;
	return __wrap_recv(fd, buf, len, flags);
}

WRAP(int, recvmmsg, int fd, struct mmsghdr *mm, unsigned n, int flags, struct timespec *timeout)
{
	struct fsock *s = enter(fd, "recvmmsg", ENOMEM);
	unsigned i;

	(void)timeout;
	if (!s)
		return -1;
	for (i = 0; i < n; i++) {
		ssize_t rc = dgram_recv(s, &mm[i].msg_hdr, flags);

		if (rc < 0)
			return i ? (int)i : -1;
		mm[i].msg_len = (unsigned)rc;
	}
	return (int)i;
}
