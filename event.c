/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event.c - epoll registration with typed references */
#include <errno.h>
#include <stddef.h>

#include "event.h"

static int ev_ctl(int epfd, int op, int fd, union ev_ref ref, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	ref.fd = (uint32_t)fd;
	ev.data.u64 = ref.u64;
	return epoll_ctl(epfd, op, fd, &ev) ? -errno : 0;
}

int ev_add(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events)
{
	return ev_ctl(epfd, EPOLL_CTL_ADD, fd, (union ev_ref){ .type = type, .gen = gen, .idx = idx }, events);
}

int ev_mod(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events)
{
	return ev_ctl(epfd, EPOLL_CTL_MOD, fd, (union ev_ref){ .type = type, .gen = gen, .idx = idx }, events);
}

int ev_add_flow(int epfd, int fd, uint32_t idx, uint16_t gen, unsigned side, uint32_t events)
{
	union ev_ref ref = { .type = EV_FLOW, .side = side & 1, .gen = gen, .idx = idx };

	return ev_ctl(epfd, EPOLL_CTL_ADD, fd, ref, events | EPOLLET);
}

void ev_del(int epfd, int fd)
{
	epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
}
