/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock.h - host sockets: the only place that opens them, and knows kernels' features
 *
 * All are non-blocking and close-on-exec. Functions return a descriptor or -errno.
 */
#ifndef SOCK_H
#define SOCK_H

#include <time.h>
#include <linux/errqueue.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "addr.h"

#ifndef UDP_GRO				/* older headers don't have it */
#define UDP_GRO		104
#endif

/* Features of this kernel; probed once, at start */
struct sock_features {
	bool	peek_off;	/* SO_PEEK_OFF for TCP, both families (Linux 6.9) */
	bool	meminfo;	/* SO_MEMINFO (4.12) */
	bool	ping;		/* ping sockets are permitted (ping_group_range) */
	bool	udp_gso;	/* UDP_SEGMENT (4.18) */
	bool	udp_gro;	/* UDP_GRO (5.0) */
	bool	ipv6;		/* AF_INET6 sockets can be opened */
};

extern struct sock_features sock_features;

/* Bytes a TCP send buffer may grow to: tcp(7), tcp_wmem; UINT32_MAX if unknown */
extern uint32_t sock_wmem_max;

/* Ports below take a privilege: ip(7), ip_unprivileged_port_start */
extern uint32_t sock_low_ports;

void sock_probe(void);

/* Last number of a file of sysctl(8), of the network namespace of the host's sockets; @otherwise if there is none */
uint32_t sock_sysctl(const char *path, uint32_t otherwise);

/* setsockopt() of a number, or of an IPv4 or IPv6 option. 0, or -errno and a debug message. */
int sock_opt(int fd, int level, int name, int value);
int sock_ip_opt(int fd, bool v6, int name4, int name6, int value);

/* Where a socket leaves the host: -o, --outbound-if4/6, as conf_ip has them */
struct sock_out {
	const char	*ifname;	/* SO_BINDTODEVICE, or empty or NULL */
	unsigned	scope;		/* for link-local and multicast destinations */
	uint8_t		ttl;		/* IP_TTL or IPV6_UNICAST_HOPS, 0: the default */
	bool		freebind;
};

/**
 * sock_connect() - TCP socket with connect() under way
 * @host:	peer to connect to; our.a to bind first, if it is specified
 *
 * TCP_NODELAY is set. With a TTL, the error queue is on (IP_RECVERR): routers' answers come with their address.
 * sock_connected() ends that: in a connection, each ICMP hint would be an error (ip(7)).
 *
 * Return: descriptor, also while the connection is being made, or -errno as connect() gave it
 */
int sock_connect(const struct side *host, const struct sock_out *o);

void sock_connected(int fd, bool v6);

/* connect() of an open TCP socket, under way: 0 or -errno. TCP_NODELAY is set. */
int sock_connect_on(int fd, const struct end *peer, unsigned scope);

/**
 * sock_udp() - UDP socket for one endpoint of the guest, unconnected
 * @our:	address (unspecified: any) and port to bind; another one if that is taken, or low, with any privilege
 *
 * The error queue is on (IP_RECVERR).
 */
int sock_udp(const struct end *our, const struct sock_out *o);

/* The kernel may join datagrams (UDP_GRO) */
void sock_join(int fd);

/* UDP socket without any option */
int sock_udp_new(enum family f);

/**
 * sock_udp_from() - UDP socket for a server that may answer from another port, or another address of its machine
 * @fd:		an open one, closed on error; or an -errno, which is returned
 * @from:	the server's address
 * @local:	datagrams sent on its own machine, or in its namespace, are taken from any address
 *
 * Not connected, and not bound before it sends. The kernel drops datagrams from elsewhere; but 127.0.0.1, kernels'
 * choice, answers for all of 127.0.0.0/8. UDP_GRO is set.
 */
int sock_udp_from(int fd, const struct addr *from, bool local);

/* UDP socket connected to @host->peer, from a port of the kernel's choice */
int sock_udp_peer(const struct side *host, const struct sock_out *o);

/* Two stream sockets, connected to each other: 0 or -errno */
int sock_pair(int fd[static 2]);

/* UDP socket connected to @s->peer, bound to an ephemeral port of @s->our.a; UDP_GRO and @fd as above */
int sock_udp_to(int fd, const struct side *s, unsigned scope);

/* Local address and port of a socket; unspecified and 0 as long as it has none */
struct end sock_name(int fd);

/* Is that an address of this host's? false, too, if that can't be known (ip_nonlocal_bind) */
bool sock_is_local(const struct addr *a, unsigned scope);

/* Ping socket (icmp(7)); @v6 for ICMPv6. The kernel picks the identifier; another program may still bind it. */
int sock_ping(bool v6, const struct addr *our, const struct sock_out *o);

/**
 * sock_listen() - listening TCP socket, or bound UDP socket for forwarding
 *
 * TCP_NODELAY is set, and inherited by accepted connections.
 *
 * @proto:	IPPROTO_TCP or IPPROTO_UDP
 * @dual:	@at->a is ignored: an IPv6 socket that takes IPv4 too
 */
int sock_listen(uint8_t proto, const struct end *at, bool dual, const struct sock_out *o);

/* The same of an open, non-blocking socket; closed if that fails */
int sock_listen_on(int fd, uint8_t proto, const struct end *at, bool dual, const struct sock_out *o);

#define UDP_RCVBUF	(1 << 20)	/* of a listener, while others have their turn; as far as rmem_max permits */

#define SOCK_IOV	512
#define SOCK_PASS	(17U << 20)	/* bytes that a peek can pass over without SO_PEEK_OFF */
#define PEEK_OFF_NONE	UINT32_MAX	/* SO_PEEK_OFF was never set on the socket */

/**
 * sock_peek() - reads bytes of the receive queue, and leaves them there
 * @peek_off:	where the kernel's SO_PEEK_OFF stands; kept up to date
 * @off:	bytes to pass over, counted from the front of the queue; without SO_PEEK_OFF at most SOCK_PASS
 * @iov:	for the bytes behind those, at most SOCK_IOV entries
 *
 * Return: bytes put into @iov, 0 at end of file, -errno
 */
ssize_t sock_peek(int fd, uint32_t *peek_off, uint32_t off, struct iovec *iov, unsigned cnt);

/* Drops @n bytes, which are known to be there, from the front of the receive queue: bytes dropped or -errno */
ssize_t sock_discard(int fd, uint32_t *peek_off, size_t n);

/* Bytes of payload that the socket would take now, and if it was empty (*@size), less the kernel's overhead */
uint32_t sock_room(int fd, uint32_t *size);

/* Requests EPOLLOUT for when a full socket has room again, though no send failed: true if it has room now */
bool sock_want_write(int fd);

/* Pending error of the socket, taken off it: 0 or errno */
int sock_error(int fd);

/* One message of the error queue (ip(7), IP_RECVERR) */
struct sock_err {
	int		err;			/* errno */
	uint8_t		origin, type, code;	/* SO_EE_ORIGIN_*, and ICMP type and code */
	uint32_t	info;			/* MTU for "too big" */
	struct end	offender;		/* sender of the ICMP message; unspecified if local */
	struct end	dst;			/* destination of the packet at fault */
	size_t		len;			/* bytes of its payload that came back */
};

/* Takes one message off the error queue, its payload into @buf: 0, or -EAGAIN if there is none */
int sock_errqueue(int fd, struct sock_err *e, void *buf, size_t size);

#endif /* SOCK_H */
