/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost_msg.h - messages of vhost-user on their socket, with descriptors (vhost-user.rst, Message Specification)
 *
 * Each descriptor that came with a message is closed by vhost_msg_done(), but for those that were taken.
 */
#ifndef VHOST_MSG_H
#define VHOST_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

#define VHOST_PAYLOAD	2056		/* bytes of the largest message, 64 regions */
#define VHOST_FDS	MEM_REGIONS	/* descriptors in a message */
#define VHOST_NEED_REPLY (1U << 3)	/* flag: an answer is wanted, also if there is none but for success */

/* The message that is being read, then its answer */
struct vhost_message {
	uint32_t	request, flags, size;
	uint8_t		payload[VHOST_PAYLOAD];
	uint32_t	got;		/* bytes of it */
	int		fds[VHOST_FDS];
	uint32_t	nfds;
	bool		cut;		/* descriptors were lost */
	bool		give;		/* the answer has @fds[0] */
};

/* 1: the message is whole, 0: it isn't yet, -errno. No byte behind it is read: that may have descriptors of its own. */
int vhost_msg_read(struct vhost_message *m, int fd);

/* Descriptor number @i, which stays open, and is the caller's from now on */
int vhost_msg_take_fd(struct vhost_message *m, unsigned i);

/* Sends the answer. 0, or -errno: a front end that doesn't read its answers is lost */
int vhost_msg_answer(struct vhost_message *m, int fd);

/* Before the next message */
void vhost_msg_done(struct vhost_message *m);

#endif /* VHOST_MSG_H */
