/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_sim.c - links in memory, one for each guest: the backend that scripts talk through, and the far end of tap_sock.c
 *
 * Every frame from a guest is its own allocation, given back at recv_done, so that the sanitizer sees who reads past
 * it or keeps it. It comes in two pieces, cut at an odd place, as a ring may deliver it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "world.h"

#define CUT		7		/* bytes of a frame that a stream without room takes: its length and some */

struct simlink sim_link[SIM_GUESTS];
static struct iovec tap_iov[TAP_BATCH][2];

static void pop_in(struct simlink *l)
{
	free(l->in[l->in_head].buf);
	l->in_head = (l->in_head + 1) % LINK_FRAMES;
	l->in_len--;
}

/* Frames to the guest are read by nobody but tests: most are in an arena, which begins anew when all are gone */
void tap_sim_drop(struct simlink *l)
{
	uint8_t *buf = l->out[l->out_head].buf;

	if (buf < l->arena || buf >= l->arena + sizeof(l->arena))
		free(buf);
	l->out_head = (l->out_head + 1) % LINK_FRAMES;
	if (!--l->out_len)
		l->arena_used = 0;
}

static int sim_recv(struct tap *t, struct raw *raw, unsigned max)
{
	struct simlink *l = &sim_link[t->index];
	unsigned n;

	if (!l->in_len || sim_fault("tap_read", EINTR))
		return 0;
	for (n = 0; n < max && n < l->in_len; n++) {
		struct frame_in *f = &l->in[(l->in_head + n) % LINK_FRAMES];
		size_t cut = f->len > 37 && world.seed & 1 ? 37 : f->len;

		tap_iov[n][0] = (struct iovec){ f->buf, cut };
		tap_iov[n][1] = (struct iovec){ f->buf + cut, f->len - cut };
		raw[n] = (struct raw){ tap_iov[n], cut < f->len ? 2 : 1, f->len, f->off, 0 };
	}
	l->in_taken = n;
	return (int)n;
}

static void sim_recv_done(struct tap *t)
{
	struct simlink *l = &sim_link[t->index];

	for (; l->in_taken; l->in_taken--)
		pop_in(l);
}

static void sim_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
}

static struct frame_out *out_next(struct simlink *l, size_t len)
{
	struct frame_out *o = &l->out[(l->out_head + l->out_len++) % LINK_FRAMES];

	*o = (struct frame_out){ .len = len, .at = world.now };
	if (len <= sizeof(l->arena) - l->arena_used) {
		o->buf = l->arena + l->arena_used;
		l->arena_used += len;
	} else {
		o->buf = malloc(len);
	}
	if (l->room != ROOM_AUTO)
		l->room--;
	return o;
}

static void sim_capture(struct simlink *l, const struct frame *f)
{
	struct frame_out *o = out_next(l, f->hlen + f->len);
	struct iovec iov[1 + FRAME_IOV];
	unsigned cnt = frame_iov(f, iov);
	size_t at = 0;

	for (unsigned i = 0; i < cnt; at += iov[i++].iov_len)
		memcpy(o->buf + at, iov[i].iov_base, iov[i].iov_len);
	o->off = f->off;
	o->csum_start = f->csum_start;
	o->csum_off = f->csum_off;
}

static int sim_flush(struct tap *t)
{
	struct simlink *l = &sim_link[t->index];

	while (t->qlen) {
		const struct frame *f = tap_queued(t, 0);

		if (sim_fault("tap_write", EAGAIN)) {
			fs_wake(l->fs, EPOLLOUT);
			return -EAGAIN;
		}
		if (sim_fault("tap_memory", ENOMEM)) {
			t->starved = true;
			return -EAGAIN;
		}
		if (!l->room || l->out_len == LINK_FRAMES) {
			l->fs->nospace = true;
			return -EAGAIN;
		}
		sim_capture(l, f);
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

static int link_open(struct tap *t, bool stream)
{
	struct simlink *l = &sim_link[t->index];
	int fd = fs_open(FS_TAP, 0);

	l->fs = fs_get(fd);
	l->room = ROOM_AUTO;
	l->stream = stream;
	return fd;
}

void tap_sim_attach(struct tap *t, const struct caps *caps)
{
	tap_init(t, &sim_ops, link_open(t, false), caps, -1);
}

void tap_sim_stream(struct tap *t)
{
	tap_sock_attach(t, link_open(t, true), -1);
}

struct simlink *sim_link_of(const struct fsock *s)
{
	struct simlink *l = sim_link;

	while (l->fs != s)
		l++;
	return l;
}

void tap_sim_push_to(struct simlink *l, const void *frame, size_t len, const struct offload *off)
{
	struct frame_in *f = &l->in[(l->in_head + l->in_len) % LINK_FRAMES];

	f->buf = malloc(len ? len : 1);
	memcpy(f->buf, frame, len);
	f->len = len;
	f->off = *off;
	l->in_len++;
	fs_wake(l->fs, EPOLLIN);
}

void tap_sim_push(const void *frame, size_t len, const struct offload *off)
{
	tap_sim_push_to(world.link, frame, len, off);
}

void tap_sim_room_of(struct simlink *l, uint64_t frames)
{
	l->room = frames;
	if (frames && l->fs->nospace) {
		l->fs->nospace = false;
		fs_wake(l->fs, EPOLLOUT);
	}
}

void tap_sim_room(uint64_t frames)
{
	tap_sim_room_of(world.link, frames);
}

void tap_sim_hold(struct simlink *l, size_t held)
{
	l->held = held;
	if (!held)
		fs_wake(l->fs, EPOLLIN);
}

void tap_sim_clear(void)
{
	for (struct simlink *l = sim_link; l < sim_link + SIM_GUESTS; l++) {
		while (l->in_len)
			pop_in(l);
		while (l->out_len)
			tap_sim_drop(l);
		l->in_head = l->out_head = l->in_taken = 0;
		l->in_at = l->held = l->part_len = 0;
		l->fs = NULL;
	}
}

size_t sim_stream_here(const struct simlink *l)
{
	size_t n = 0;

	for (unsigned i = 0; i < l->in_len; i++)
		n += 4 + l->in[(l->in_head + i) % LINK_FRAMES].len;
	return n - l->in_at - l->held;
}

/* Frames behind their length, in network order */
ssize_t sim_stream_recv(struct fsock *s, void *buf, size_t len)
{
	struct simlink *l = sim_link_of(s);
	size_t here = sim_stream_here(l), n;
	uint8_t *p = buf;

	if (!here) {
		errno = EAGAIN;
		return -1;
	}
	len = len < here ? len : here;
	for (n = 0; n < len; n++) {
		const struct frame_in *f = &l->in[l->in_head];

		p[n] = l->in_at < 4 ? (uint8_t)(f->len >> (24 - 8 * l->in_at)) : f->buf[l->in_at - 4];
		if (++l->in_at == 4 + f->len) {
			l->in_at = 0;
			pop_in(l);
		}
	}
	return (ssize_t)n;
}

/* One byte to the guest; false: there is no room */
static bool stream_byte(struct simlink *l, uint8_t b)
{
	size_t len;

	if (l->part_len >= (l->room ? sizeof(l->part) : CUT))
		return false;
	l->part[l->part_len++] = b;
	len = l->part_len < 4 ? SIZE_MAX : 4 + get_be32(l->part);
	if (l->part_len < len)
		return true;
	/* Padding of short frames is not part of the packet */
	len = 14U + (get_be16(l->part + 16) == 0x86dd ? 40U + get_be16(l->part + 22) : get_be16(l->part + 20));
	if (l->part_len > 64 || get_be16(l->part + 16) == 0x0806)
		len = l->part_len - 4;
	memcpy(out_next(l, len)->buf, l->part + 4, len);
	l->part_len = 0;
	return true;
}

ssize_t sim_stream_send(struct fsock *s, const struct msghdr *m)
{
	struct simlink *l = sim_link_of(s);
	ssize_t n = 0;

	if (sim_fault("tap_memory", ENOMEM))
		return -1;
	if (sim_fault("tap_write", EAGAIN)) {
		fs_wake(s, EPOLLOUT);
		return -1;
	}
	for (size_t i = 0; i < m->msg_iovlen; i++)
		for (size_t k = 0; k < m->msg_iov[i].iov_len; k++, n++)
			if (!stream_byte(l, ((const uint8_t *)m->msg_iov[i].iov_base)[k])) {
				s->nospace = true;
				if (n)
					return n;
				errno = EAGAIN;
				return -1;
			}
	return n;
}
