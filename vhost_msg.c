/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhost_msg.c - messages of vhost-user on their socket, with descriptors */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"
#include "vhost_msg.h"

/* Header: vhost-user.rst, Header */
#define HDR		offsetof(struct vhost_message, payload)
#define VERSION_MASK	3U
#define VERSION_1	1U
#define REPLY		(1U << 2)

#define SCM_MAX		253		/* descriptors that the kernel passes at once (SCM_MAX_FD) */

int vhost_msg_take_fd(struct vhost_message *m, unsigned i)
{
	int fd = m->fds[i];

	m->fds[i] = -1;
	return fd;
}

void vhost_msg_done(struct vhost_message *m)
{
	for (unsigned i = 0; i < m->nfds; i++)
		fd_close(m->fds[i]);
	m->nfds = m->got = 0;
	m->cut = m->give = false;
}

static void keep_fds(struct vhost_message *m, struct msghdr *mh)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		size_t n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(fd), sizeof(fd));
			if (m->nfds < VHOST_FDS) {
				m->fds[m->nfds++] = fd;
			} else {
				close(fd);
				m->cut = true;
			}
		}
	}
	m->cut |= mh->msg_flags & MSG_CTRUNC;
}

/* Up to @len bytes of the message, and descriptors: 1, 0: nothing is there, -errno */
static int msg_recv(struct vhost_message *m, int fd, size_t len)
{
	union {
		struct cmsghdr	align;
		uint8_t		buf[CMSG_SPACE(SCM_MAX * sizeof(int))];
	} ctl;
	struct iovec iov = { (uint8_t *)m + m->got, len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf, .msg_controllen = sizeof(ctl) };
	ssize_t n = UNINTERRUPTED(recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	keep_fds(m, &mh);
	m->got += (uint32_t)n;
	return n ? 1 : -ECONNRESET;
}

int vhost_msg_read(struct vhost_message *m, int fd)
{
	while (m->got < HDR || m->got < HDR + m->size) {
		int rc = msg_recv(m, fd, m->got < HDR ? HDR - m->got : HDR + m->size - m->got);

		if (rc <= 0)
			return rc;
		if (m->got == HDR && ((m->flags & VERSION_MASK) != VERSION_1 || m->size > VHOST_PAYLOAD))
			return -EPROTO;
	}
	return 1;
}

int vhost_msg_answer(struct vhost_message *m, int fd)
{
	union {
		struct cmsghdr	cm;
		uint8_t		buf[CMSG_SPACE(sizeof(int))];
	} ctl = { .cm = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { m, HDR + m->size };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (m->give) {
		memcpy(CMSG_DATA(&ctl.cm), &m->fds[0], sizeof(int));
		mh.msg_control = ctl.buf;
		mh.msg_controllen = sizeof(ctl);
	}
	m->flags = VERSION_1 | REPLY;
	n = UNINTERRUPTED(sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL));
	if (n < 0)
		return errno == EAGAIN ? -EPROTO : -errno;
	return (size_t)n == iov.iov_len ? 0 : -EPROTO;
}
