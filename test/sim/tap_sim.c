/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_sim.c - a link in memory: the backend that scripts talk through
 *
 * Every frame from the guest is its own allocation, given back at recv_done, so that the sanitizer sees who reads past
 * it or keeps it. It comes in two pieces, cut at an odd place, as a ring may deliver it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "world.h"

static struct iovec tap_iov[TAP_BATCH][2];

static int sim_recv(struct tap *t, struct raw *raw, unsigned max)
{
	unsigned n;

	(void)t;
	if (!world.in_len || sim_fault("tap_read", EINTR))
		return 0;
	for (n = 0; n < max && n < world.in_len; n++) {
		struct frame_in *f = &world.in[(world.in_head + n) % LINK_MAX];
		size_t cut = f->len > 37 && world.seed & 1 ? 37 : f->len;

		tap_iov[n][0] = (struct iovec){ f->buf, cut };
		tap_iov[n][1] = (struct iovec){ f->buf + cut, f->len - cut };
		raw[n] = (struct raw){ tap_iov[n], cut < f->len ? 2 : 1, f->len, f->off };
	}
	world.in_taken = n;
	return (int)n;
}

static void sim_recv_done(struct tap *t)
{
	(void)t;
	for (; world.in_taken; world.in_taken--) {
		free(world.in[world.in_head].buf);
		world.in_head = (world.in_head + 1) % LINK_MAX;
		world.in_len--;
	}
}

static void sim_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
}

static void sim_capture(const struct frame *f)
{
	struct frame_out *o = &world.out[(world.out_head + world.out_len) % LINK_MAX];
	struct iovec iov[1 + FRAME_IOV];
	unsigned cnt = frame_iov(f, iov);
	size_t at = 0;

	o->len = 0;
	for (unsigned i = 0; i < cnt; i++)
		o->len += iov[i].iov_len;
	o->buf = malloc(o->len ? o->len : 1);
	for (unsigned i = 0; i < cnt; at += iov[i++].iov_len)
		memcpy(o->buf + at, iov[i].iov_base, iov[i].iov_len);
	o->off = f->off;
	o->csum_start = f->csum_start;
	o->csum_off = f->csum_off;
	o->at = world.now;
	world.out_len++;
}

static int sim_flush(struct tap *t)
{
	while (t->qlen) {
		const struct frame *f = tap_queued(t, 0);

		if (sim_fault("tap_write", EAGAIN)) {
			fs_wake(world.tap, EPOLLOUT);
			return -EAGAIN;
		}
		if (sim_fault("tap_memory", ENOMEM)) {
			t->starved = true;
			return -EAGAIN;
		}
		if (!world.link_room || world.out_len == LINK_MAX) {
			world.tap->nospace = true;
			return -EAGAIN;
		}
		if (world.link_room != ROOM_AUTO)
			world.link_room--;
		sim_capture(f);
		tap_queue_pop(t);
	}
	return 0;
}

static const struct tap_ops sim_ops = {
	.name		= "sim",
	.recv		= sim_recv,
	.recv_done	= sim_recv_done,
	.commit		= sim_commit,
	.flush		= sim_flush,
};

void tap_sim_attach(struct tap *t, const struct caps *caps)
{
	int fd = fs_open(FS_TAP, 0);

	world.tap = fs_get(fd);
	world.link_room = ROOM_AUTO;
	tap_init(t, &sim_ops, fd, caps, -1);
}

void tap_sim_push(const void *frame, size_t len, const struct offload *off)
{
	struct frame_in *f = &world.in[(world.in_head + world.in_len) % LINK_MAX];

	f->buf = malloc(len ? len : 1);
	memcpy(f->buf, frame, len);
	f->len = len;
	f->off = *off;
	world.in_len++;
	fs_wake(world.tap, EPOLLIN);
}

void tap_sim_room(uint64_t frames)
{
	world.link_room = frames;
	if (frames && world.tap->nospace) {
		world.tap->nospace = false;
		fs_wake(world.tap, EPOLLOUT);
	}
}

void tap_sim_clear(void)
{
	for (; world.in_len; world.in_len--) {
		free(world.in[world.in_head].buf);
		world.in_head = (world.in_head + 1) % LINK_MAX;
	}
	for (; world.out_len; world.out_len--) {
		free(world.out[world.out_head].buf);
		world.out_head = (world.out_head + 1) % LINK_MAX;
	}
}
