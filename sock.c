/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock.c - host sockets: how to open them, and features of this kernel */
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "sock.h"
#include "sock_filter.h"
#include "util.h"

/* Older headers don't have them */
#ifndef SO_MEMINFO
#define SO_MEMINFO	55
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT	24
#endif

#define LISTEN_BACKLOG	4096		/* capped by net.core.somaxconn */

struct sock_features sock_features;
uint32_t sock_wmem_max = UINT32_MAX;
uint32_t sock_low_ports = 1024;
static bool bind_any;			/* addresses of others can be bound, too (ip_nonlocal_bind) */

int sock_opt(int fd, int level, int name, int value)
{
	int rc = setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;

	if (rc)
		debug("Socket option %i of level %i: %s", name, level, errno_text(-rc));
	return rc;
}

int sock_ip_opt(int fd, bool v6, int name4, int name6, int value)
{
	return sock_opt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? name6 : name4, value);
}

void sock_join(int fd)
{
	if (sock_features.udp_gro)
		sock_opt(fd, IPPROTO_UDP, UDP_GRO, 1);
}

static int sock_open(bool v6, int type, int proto)
{
	int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, proto);

	return fd < 0 ? -errno : fd;
}

/* @fd, or the error instead, and @fd is closed */
static int sock_or_error(int fd, int rc)
{
	if (rc)
		close(fd);
	return rc ? rc : fd;
}

uint32_t sock_sysctl(const char *path, uint32_t otherwise)
{
	const char *last;
	char buf[64];

	if (!file_line(path, buf, sizeof(buf)))
		return otherwise;
	last = strrchr(buf, '\t');
	return (uint32_t)MIN(strtoul(last ? last + 1 : buf, NULL, 10), UINT32_MAX);
}

void sock_probe(void)
{
	int tcp4 = sock_open(false, SOCK_STREAM, IPPROTO_TCP), tcp6 = sock_open(true, SOCK_STREAM, IPPROTO_TCP);
	int ping = sock_open(false, SOCK_DGRAM, IPPROTO_ICMP), udp = sock_open(false, SOCK_DGRAM, IPPROTO_UDP);
	struct sock_features *s = &sock_features;
	uint32_t mem[SK_MEMINFO_VARS];
	socklen_t len = sizeof(mem);

	sock_wmem_max = sock_sysctl("/proc/sys/net/ipv4/tcp_wmem", UINT32_MAX);
	sock_low_ports = sock_sysctl("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024);
	bind_any = sock_sysctl("/proc/sys/net/ipv4/ip_nonlocal_bind", 0) ||
		   sock_sysctl("/proc/sys/net/ipv6/ip_nonlocal_bind", 0);
	s->meminfo = !getsockopt(tcp4, SOL_SOCKET, SO_MEMINFO, mem, &len);
	s->ping = ping >= 0;
	s->ipv6 = tcp6 >= 0;
	s->peek_off = !sock_opt(tcp4, SOL_SOCKET, SO_PEEK_OFF, 0) &&			/* Linux 6.9, 05ea491641d3 */
		      (!s->ipv6 || !sock_opt(tcp6, SOL_SOCKET, SO_PEEK_OFF, 0));	/* 6.11, be9a4fb831b8 */
	s->udp_gso = !sock_opt(udp, IPPROTO_UDP, UDP_SEGMENT, 0);
	s->udp_gro = !sock_opt(udp, IPPROTO_UDP, UDP_GRO, 1);
	fd_close(tcp4);
	fd_close(tcp6);
	fd_close(ping);
	fd_close(udp);
	debug("Kernel: SO_PEEK_OFF for TCP %d, SO_MEMINFO %d, ping sockets %d, UDP_SEGMENT %d, UDP_GRO %d, IPv6 %d",
	      s->peek_off, s->meminfo, s->ping, s->udp_gso, s->udp_gro, s->ipv6);
}

static int sock_bind(int fd, const struct end *at, unsigned scope)
{
	union sockaddr_any sa;
	socklen_t len = end_to_sa(at, scope, &sa);

	return bind(fd, &sa.sa, len) ? -errno : 0;
}

/* Interface and TTL of outgoing packets, and the address, unless @at is NULL: 0 or -errno */
static int sock_place(int fd, bool v6, const struct end *at, const struct sock_out *o)
{
	int rc;

	if (o && o->ifname && *o->ifname &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, o->ifname, (socklen_t)strlen(o->ifname) + 1))
		return -errno;
	rc = o && o->ttl ? sock_ip_opt(fd, v6, IP_TTL, IPV6_UNICAST_HOPS, o->ttl) : 0;
	if (rc)
		return rc;
	if (o && o->freebind)
		sock_ip_opt(fd, v6, IP_FREEBIND, IPV6_FREEBIND, 1);
	return at ? sock_bind(fd, at, o ? o->scope : 0) : 0;
}

/* The error queue (ip(7), IP_RECVERR), on or off */
static void sock_errors(int fd, bool v6, bool on)
{
	sock_ip_opt(fd, v6, IP_RECVERR, IPV6_RECVERR, on);
}

static int connect_to(int fd, const struct end *peer, unsigned scope)
{
	union sockaddr_any sa;
	socklen_t len = end_to_sa(peer, scope, &sa);

	return connect(fd, &sa.sa, len) && errno != EINPROGRESS ? -errno : 0;
}

int sock_connect_on(int fd, const struct end *peer, unsigned scope)
{
	sock_opt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return connect_to(fd, peer, scope);
}

void sock_connected(int fd, bool v6)
{
	sock_errors(fd, v6, false);
}

int sock_connect(const struct side *host, const struct sock_out *o)
{
	const struct end from = { .a = host->our.a };
	bool v6 = !addr_is_v4(&host->peer.a), any = addr_is_unspec(&from.a);
	int fd = sock_open(v6, SOCK_STREAM, IPPROTO_TCP), rc;

	if (fd < 0)
		return fd;
	if (o && o->ttl)
		sock_errors(fd, v6, true);
	if (!any)
		sock_opt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	rc = sock_place(fd, v6, any ? NULL : &from, o);
	return sock_or_error(fd, rc ? rc : sock_connect_on(fd, &host->peer, o ? o->scope : 0));
}

int sock_udp(const struct end *our, const struct sock_out *o)
{
	/* The port is the guest's choice: a privilege of ours, for rules, must not make it a service of the host's */
	const struct end at = { our->a, our->port < sock_low_ports ? 0 : our->port };
	bool v6 = !addr_is_v4(&our->a);
	int fd = sock_open(v6, SOCK_DGRAM, IPPROTO_UDP), rc;

	if (fd < 0)
		return fd;
	if (v6)
		sock_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	sock_errors(fd, v6, true);
	rc = sock_place(fd, v6, &at, o);
	if (rc == -EADDRINUSE || rc == -EACCES)
		rc = sock_bind(fd, &(struct end){ .a = our->a }, o ? o->scope : 0);
	return sock_or_error(fd, rc);
}

bool sock_is_local(const struct addr *a, unsigned scope)
{
	int fd = bind_any ? -1 : sock_open(!addr_is_v4(a), SOCK_DGRAM, IPPROTO_UDP);
	bool local;

	if (fd < 0)
		return false;
	sock_opt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	local = !sock_bind(fd, &(struct end){ .a = *a }, scope);
	close(fd);
	return local;
}

int sock_udp_new(enum family f)
{
	return sock_open(f == V6, SOCK_DGRAM, IPPROTO_UDP);
}

int sock_udp_from(int fd, const struct addr *from, bool local)
{
	if (fd < 0)
		return fd;
	sock_join(fd);
	return sock_or_error(fd, filter_from(fd, from, local));
}

int sock_udp_to(int fd, const struct side *s, unsigned scope)
{
	int rc;

	if (fd < 0)
		return fd;
	sock_join(fd);
	rc = sock_bind(fd, &(struct end){ .a = s->our.a }, scope);
	return sock_or_error(fd, rc ? rc : connect_to(fd, &s->peer, scope));
}

int sock_udp_peer(const struct side *host, const struct sock_out *o)
{
	const struct end at = { .a = host->our.a };
	bool v6 = !addr_is_v4(&host->peer.a);
	int fd = sock_open(v6, SOCK_DGRAM, IPPROTO_UDP), rc;

	if (fd < 0)
		return fd;
	rc = sock_place(fd, v6, addr_is_unspec(&at.a) ? NULL : &at, o);
	return sock_or_error(fd, rc ? rc : connect_to(fd, &host->peer, o->scope));
}

int sock_pair(int fd[static 2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) ? -errno : 0;
}

struct end sock_name(int fd)
{
	struct end e = { .port = 0 };
	union sockaddr_any sa = { 0 };
	socklen_t len = sizeof(sa);

	if (!getsockname(fd, &sa.sa, &len))
		end_from_sa(&e, &sa);
	return e;
}

int sock_ping(bool v6, const struct addr *our, const struct sock_out *o)
{
	int fd = sock_open(v6, SOCK_DGRAM, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	const struct end at = { .a = *our };

	if (fd < 0)
		return fd;

	/* SO_REUSEADDR stays on, the default of ping sockets: the kernel picks an identifier that is nobody's so far,
	 * and a later bind() to it by another program must not fail. The first message binds an unspecified address.
	 */
	sock_errors(fd, v6, true);
	sock_ip_opt(fd, v6, IP_RECVTTL, IPV6_RECVHOPLIMIT, 1);
	return sock_or_error(fd, sock_place(fd, v6, addr_is_unspec(our) ? NULL : &at, o));
}

int sock_listen(uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	int fd = sock_open(dual || !addr_is_v4(&at->a), proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM, proto);

	return fd < 0 ? fd : sock_listen_on(fd, proto, at, dual, o);
}

int sock_listen_on(int fd, uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	const struct end any = { .a = addr_any6, .port = at->port };
	bool tcp = proto == IPPROTO_TCP, v6 = dual || !addr_is_v4(&at->a);
	int rc;

	if (v6)
		sock_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
	if (tcp) {
		sock_opt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		sock_opt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	} else {
		sock_errors(fd, v6, true);
		sock_opt(fd, SOL_SOCKET, SO_RCVBUF, UDP_RCVBUF);
		sock_opt(fd, IPPROTO_IP, IP_PKTINFO, 1);
		if (v6)
			sock_opt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		if (dual)
			sock_errors(fd, false, true);
	}
	rc = sock_place(fd, v6, dual ? &any : at, o);
	if (!rc && tcp && listen(fd, LISTEN_BACKLOG))
		rc = -errno;
	return sock_or_error(fd, rc);
}

/* Kernels without SO_PEEK_OFF for TCP copy the bytes to pass over to here, again and again */
#define DISCARD_SIZE	(64U << 10)
#define DISCARD_IOV	(SOCK_PASS / DISCARD_SIZE)
static uint8_t discard[DISCARD_SIZE];

static unsigned discard_iov(struct iovec *iov, uint32_t off)
{
	unsigned n = 0;

	for (; off && n < DISCARD_IOV; n++) {
		iov[n] = (struct iovec){ discard, MIN(off, DISCARD_SIZE) };
		off -= (uint32_t)iov[n].iov_len;
	}
	return n;
}

/* Bytes received, without waiting for them, or -errno */
static ssize_t recv_msg(int fd, struct msghdr *m, int flags)
{
	ssize_t n = UNINTERRUPTED(recvmsg(fd, m, flags | MSG_DONTWAIT));

	return n < 0 ? -errno : n;
}

ssize_t sock_peek(int fd, uint32_t *peek_off, uint32_t off, struct iovec *iov, unsigned cnt)
{
	static struct iovec all[DISCARD_IOV + SOCK_IOV];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = cnt };
	uint32_t skip = 0;
	ssize_t n;

	if (sock_features.peek_off) {
		if (*peek_off != off && (off || *peek_off != PEEK_OFF_NONE)) {
			n = sock_opt(fd, SOL_SOCKET, SO_PEEK_OFF, (int)off);
			if (n)
				return n;
			*peek_off = off;
		}
	} else if (off) {
		unsigned pass = discard_iov(all, off);

		memcpy(all + pass, iov, cnt * sizeof(*iov));
		msg = (struct msghdr){ .msg_iov = all, .msg_iovlen = pass + cnt };
		skip = off;
	}

	n = recv_msg(fd, &msg, MSG_PEEK);
	if (n < 0)
		return n;
	if ((size_t)n <= skip)
		return n < (ssize_t)skip || !n ? 0 : -EAGAIN;
	n -= skip;
	if (*peek_off != PEEK_OFF_NONE)
		*peek_off += (uint32_t)n;
	return n;
}

ssize_t sock_discard(int fd, uint32_t *peek_off, size_t n)
{
	ssize_t rc = UNINTERRUPTED(recv(fd, NULL, n, MSG_TRUNC | MSG_DONTWAIT));

	if (rc < 0 && errno == EFAULT)		/* not TCP: unix(7) copies them */
		rc = UNINTERRUPTED(recv(fd, discard, MIN(n, sizeof(discard)), MSG_DONTWAIT));
	if (rc < 0)
		return -errno;
	if (*peek_off != PEEK_OFF_NONE)		/* the kernel moves it back, too */
		*peek_off -= MIN(*peek_off, (uint32_t)rc);
	return rc;
}

uint32_t sock_room(int fd, uint32_t *size)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 }, sndbuf = 0, queued = 0;
	socklen_t len = sizeof(mem);

	if (sock_features.meminfo) {
		if (!getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len)) {
			sndbuf = mem[SK_MEMINFO_SNDBUF];
			queued = mem[SK_MEMINFO_WMEM_QUEUED];
		}
	} else {
		len = sizeof(sndbuf);
		if (!getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, &len))
			queued = sndbuf / 2;	/* unknown: the stash takes the excess */
	}

	/* The kernel counts its own overhead for each buffer as well: a quarter is left for it */
	*size = sndbuf / 4 * 3;
	return queued < sndbuf ? (sndbuf - queued) / 4 * 3 : 0;
}

bool sock_want_write(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	/* tcp_poll() sets SOCK_NOSPACE on a full socket: the event comes with room */
	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

int sock_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) ? errno : err;
}

/* Extended error and its offender from one control message, if it is one */
static bool errqueue_cmsg(const struct cmsghdr *cm, struct sock_err *e)
{
	struct {
		struct sock_extended_err ee;
		union sockaddr_any offender;
	} m = { 0 };

	if (!(cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_RECVERR) &&
	    !(cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_RECVERR))
		return false;

	memcpy(&m, CMSG_DATA(cm), MIN(cm->cmsg_len - CMSG_LEN(0), sizeof(m)));
	e->err = (int)m.ee.ee_errno;
	e->origin = m.ee.ee_origin;
	e->type = m.ee.ee_type;
	e->code = m.ee.ee_code;
	e->info = m.ee.ee_info;
	end_from_sa(&e->offender, &m.offender);
	return true;
}

int sock_errqueue(int fd, struct sock_err *e, void *buf, size_t size)
{
	union sockaddr_any dst = { .sa.sa_family = AF_UNSPEC };
	struct iovec iov = { buf, size };
	char control[256] __attribute__((aligned(8)));
	struct msghdr msg = {
		.msg_name = &dst, .msg_namelen = sizeof(dst), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t n;

	n = recv_msg(fd, &msg, MSG_ERRQUEUE);
	if (n < 0)
		return (int)n;
	*e = (struct sock_err){ .len = (size_t)n };
	end_from_sa(&e->dst, &dst);
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&msg); cm; cm = CMSG_NXTHDR(&msg, cm))
		if (errqueue_cmsg(cm, e))
			break;
	return 0;
}
