/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_vhost.c - link backend: virtio rings in a virtual machine's memory */
#include <errno.h>
#include <sys/epoll.h>

#include "tap.h"
#include "vhost.h"

static int vhost_recv(struct tap *t, struct raw *raw, unsigned max)
{
	(void)raw;
	(void)max;
	return vhost_of(t->index)->broken ? -EFAULT : 0;
}

static void vhost_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
}

static int vhost_flush(struct tap *t)
{
	(void)t;
	return -EAGAIN;
}

/* Kick of a ring from the guest: frames; to the guest: room. Messages may change anything. */
static int vhost_event(struct tap *t, unsigned sub, uint32_t *events)
{
	struct vhost *v = vhost_of(t->index);
	int rc;

	if (sub != VHOST_SUB_CONTROL) {
		*events = sub % 2 ? EPOLLOUT : EPOLLIN;
		return 0;
	}
	rc = vhost_control(v);
	t->caps = vhost_caps(v);
	t->down = !vhost_up(v);
	t->polled = vhost_polled(v);
	*events = EPOLLIN | EPOLLOUT;		/* a ring that has started may have some */
	return rc;
}

static void vhost_gone(struct tap *t)
{
	vhost_close(vhost_of(t->index));
}

static const struct tap_ops vhost_ops = {
	.name	= "vhost-user",
	.recv	= vhost_recv,
	.commit	= vhost_commit,
	.flush	= vhost_flush,
	.event	= vhost_event,
	.gone	= vhost_gone,
};

int tap_vhost_attach(struct tap *t, int fd, int epfd, int pcap)
{
	struct vhost *v = vhost_of(t->index);
	int rc = vhost_open(v, t->index, epfd, fd);
	struct caps caps;

	if (rc)
		return rc;
	caps = vhost_caps(v);
	tap_init(t, &vhost_ops, fd, &caps, pcap);
	t->down = true;
	return 0;
}
