/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event.h - epoll registration with typed references; knows no protocol
 *
 * A reference carries a generation: an event that was already fetched when its owner died is dropped.
 */
#ifndef EVENT_H
#define EVENT_H

#include <stdint.h>
#include <sys/epoll.h>

enum ev_type {
	EV_TAP,			/* idx: guest whose link it is, gen: number of the link's descriptor */
	EV_GUEST,		/* UNIX socket: a guest connects */
	EV_SIGNAL,		/* signalfd */
	EV_FLOW,		/* idx: flow, side: of its socket */
	EV_TCP_LISTEN,		/* idx: listener */
	EV_UDP_LISTEN,		/* idx: listener */
	EV_NEIGH,		/* netlink socket: neighbours of the host */
	EV_NETNS,		/* inotify, pidfd or mount table: the namespace may be gone */
	EV_REPAIR,		/* UNIX socket: a helper of a migration connects */
	EV_FLOW_LOG,		/* pipe to the process that writes the flow log */
	EV_HOST,		/* idx 0: netlink socket, the host's network has changed; 1: so has resolv.conf */
	EV_CONTROL,		/* idx: client on the control socket, or the one behind the last: a client connects */
	EV_TYPES
};

union ev_ref {
	uint64_t	u64;
	struct {
		uint64_t	type : 5, side : 1, gen : 10, idx : 24, fd : 24;
	};
};

/* Registers @fd once; flows' sockets are edge-triggered and never modified. 0, or -errno. */
int ev_add(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events);

/* The same for the socket of flow @idx on @side, edge-triggered */
int ev_add_flow(int epfd, int fd, uint32_t idx, uint16_t gen, unsigned side, uint32_t events);

/* Changes the events of a listener, the link or a control client */
int ev_mod(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events);

/* Forgets @fd before it is closed, as another process has the same open file */
void ev_del(int epfd, int fd);

#endif /* EVENT_H */
