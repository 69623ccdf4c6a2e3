/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kernel.h - between world.c, which holds the files, and kernel.c, which has the system calls */
#ifndef KERNEL_H
#define KERNEL_H

#include "world.h"

#define FD_BASE		1000	/* lowest simulated descriptor; others are real */
#define FD_MAX		256
#define LISTEN_PORT	8080	/* of the listeners scripts have */
#define HOST_IF		2	/* index of the host's interface */

struct epoll_event;

void fs_closed(struct fsock *s);
uint32_t fs_mask(struct fsock *s);
int fs_collect(struct epoll_event *ev, int max);

#endif /* KERNEL_H */
