/* SPDX-License-Identifier: GPL-2.0-or-later */
/* world.c - the simulated kernel: what a script does to it, and what it holds
 *
 * Modelled on Linux where the program depends on it: which events a socket wakes epoll for (tcp_poll()), SOCK_NOSPACE,
 * edge-triggered readiness, SO_PEEK_OFF. The system calls themselves are in kernel.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "kernel.h"
#include "../../opener.h"
#include "world.h"

#define FS_MAX		8192	/* files opened in one run */

struct world world;

static struct fsock fs_all[FS_MAX];
static struct fsock *fd_table[FD_MAX];
static int fd_end;		/* above all that were open */
static uint64_t ready_last;

void world_bad(const char *fmt, ...)
{
	va_list ap;

	if (world.violation)
		return;
	va_start(ap, fmt);
	vsnprintf(world.why, sizeof(world.why), fmt, ap);
	va_end(ap);
	world.violation = world.why;
}

static void dgrams_free(struct dgrams *q)
{
	for (; q->len; q->len--) {
		free(q->d[q->head].data);
		q->head = (q->head + 1) % DGRAM_MAX;
	}
}

void world_reset(uint64_t seed)
{
	tap_sim_clear();
	for (unsigned i = 0; i < world.nfs; i++) {
		dgrams_free(&fs_all[i].rx);
		dgrams_free(&fs_all[i].tx);
		dgrams_free(&fs_all[i].errq);
	}
	memset(fd_table, 0, sizeof(fd_table));
	fd_end = 0;
	world.now = world.limit = START;
	world.idle = world.armed = world.no_peek_off = world.no_meminfo = false;
	world.wakeups = world.calls = world.fail_at = 0;
	world.seed = seed;
	world.failed = world.fail_call = world.count_call = world.violation = NULL;
	world.fail_count = world.counted = 0;
	world.fail_on = false;
	world.connect_err = EINPROGRESS;
	world.room = ROOM_AUTO;
	world.hello_len = 0;
	world.link = &sim_link[0];
	world.fs = fs_all;
	world.nfs = 0;
	ready_last = 0;
}

uint32_t world_random(void)
{
	world.seed = world.seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(world.seed >> 33);
}

/* Can this go on for long? Waiting can't fail, and the link is there or gone. */
static bool lasting(const char *call)
{
	return strncmp(call, "tap_", 4) && strncmp(call, "epoll_", 6);
}

bool sim_fault(const char *call, int err)
{
	if (world.count_call && !strcmp(call, world.count_call))
		world.counted++;
	if (world.fail_call && world.fail_count && !strcmp(call, world.fail_call)) {
		world.fail_count--;
		errno = world.fail_err;
		return true;
	}
	if (!world.armed || ++world.calls < world.fail_at || !world.fail_at)
		return false;
	if (world.calls > world.fail_at && (!world.fail_on || !lasting(call)))
		return false;
	if (!world.failed)
		world.failed = call;
	errno = err;
	return true;
}

struct fsock *fs_get(int fd)
{
	struct fsock *s = fd >= FD_BASE && fd < FD_BASE + FD_MAX ? fd_table[fd - FD_BASE] : NULL;

	if (!s && fd >= FD_BASE)
		world_bad("descriptor %i is used, but not open", fd);
	return s;
}

/* Lowest free descriptor, as the kernel does: whoever keeps a closed one soon meets somebody else's socket */
int fs_open(enum fs_kind kind, int domain)
{
	struct fsock *s;

	for (int i = 0; i < FD_MAX; i++) {
		if (fd_table[i])
			continue;
		if (world.nfs == FS_MAX) {
			fprintf(stderr, "out of simulated files\n");
			abort();
		}
		s = &fs_all[world.nfs++];
		memset(s, 0, offsetof(struct fsock, rx));	/* the rest is written before it is read */
		s->rx.len = s->tx.len = s->errq.len = s->rx.head = s->tx.head = s->errq.head = 0;
		s->kind = kind;
		s->domain = domain;
		s->fd = FD_BASE + i;
		s->by = world.link;
		s->peek_off = -1;
		s->room = world.room;
		s->told = ROOM_AUTO;
		s->urgent = NO_URGENT;
		fd_table[i] = s;
		fd_end = i < fd_end ? fd_end : i + 1;
		return s->fd;
	}
	errno = EMFILE;
	return -1;
}

bool opener_runs(void)
{
	return true;
}

int opener_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int opener_sockets(int family, int type, int proto, int *fd, unsigned n)
{
	(void)proto;
	(void)n;
	if (sim_fault("ns_socket", EMFILE) || (*fd = fs_open(type == SOCK_STREAM ? FS_TCP : FS_UDP, family)) < 0)
		return -errno;
	fs_get(*fd)->ns = true;
	return 1;
}

void fs_closed(struct fsock *s)
{
	fd_table[s->fd - FD_BASE] = NULL;
	s->fd = NOBODY;
	s->reg = false;
}

static uint32_t tcp_mask(struct fsock *s)
{
	bool both = (s->rx_eof || s->rx_shut) && s->tx_shut;
	uint32_t m = s->err ? EPOLLERR : 0;

	if (both || s->state == FS_CLOSED || s->state == FS_NEW)
		m |= EPOLLHUP;
	if (s->rx_eof || s->rx_shut || s->state == FS_CLOSED)
		m |= EPOLLIN | EPOLLRDHUP;
	if (s->state == FS_CONNECTING)
		return m;
	if (s->rx_have > s->rx_read)		/* wherever SO_PEEK_OFF stands */
		m |= EPOLLIN;
	if (s->urgent != NO_URGENT)
		m |= EPOLLPRI;
	if (s->tx_shut || s->state == FS_CLOSED || s->room)
		m |= EPOLLOUT;
	else
		s->nospace = true;
	return m;
}

uint32_t fs_mask(struct fsock *s)
{
	const struct simlink *l;

	switch (s->kind) {
	case FS_TCP:
		return tcp_mask(s);
	case FS_LISTEN:
		return s->naccept ? EPOLLIN : 0;
	case FS_UDP:
	case FS_PING:
		return (s->rx.len ? EPOLLIN : 0) | (s->errq.len || s->err ? EPOLLERR : 0) | EPOLLOUT;
	case FS_TAP:
		l = sim_link_of(s);
		if (!l->room)
			s->nospace = true;
		return ((l->stream ? sim_stream_here(l) : l->in_len) ? EPOLLIN : 0) | (l->room ? EPOLLOUT : 0);
	case FS_NONE:
	case FS_EPOLL:
		break;
	}
	return 0;
}

/* As ep_poll_callback(): on the ready list if it waits for any of these */
void fs_wake(struct fsock *s, uint32_t events)
{
	if (s->reg && !s->ready && events & (s->events | EPOLLERR | EPOLLHUP))
		s->ready = ++ready_last;
}

/* Next file on the ready list after place *@at, level-triggered ones that went quiet left out */
static struct fsock *ready_next(uint64_t *at)
{
	struct fsock *first = NULL;

	for (int i = 0; i < fd_end; i++) {
		struct fsock *s = fd_table[i];

		if (s && s->reg && s->ready > *at && (!first || s->ready < first->ready))
			first = s;
	}
	if (first)
		*at = first->ready;
	return first;
}

int fs_collect(struct epoll_event *ev, int max)
{
	uint64_t at = 0, last = ready_last;
	struct fsock *s;
	int n = 0;

	while (n < max && (s = ready_next(&at)) && at <= last) {
		uint32_t m = fs_mask(s) & (s->events | EPOLLERR | EPOLLHUP);

		s->ready = 0;
		if (!m)
			continue;
		if (!(s->events & EPOLLET))
			s->ready = ++ready_last;
		ev[n++] = (struct epoll_event){ .events = m, .data.u64 = s->data };
	}
	return n;
}

void fs_connected(struct fsock *s)
{
	if (s->state != FS_CONNECTING)
		return;
	s->state = FS_CONNECTED;
	fs_wake(s, EPOLLOUT);
}

void fs_error(struct fsock *s, int err)
{
	s->err = err;
	s->state = FS_CLOSED;
	fs_wake(s, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
}

void fs_data(struct fsock *s, uint64_t n)
{
	s->rx_have += n;
	fs_wake(s, EPOLLIN);
}

void fs_urgent(struct fsock *s, uint64_t n)
{
	s->urgent = s->rx_have + n - 1;
	s->rx_have += n;
	fs_wake(s, EPOLLIN | EPOLLPRI);
}

void fs_eof(struct fsock *s)
{
	s->rx_eof = true;
	fs_wake(s, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
}

void fs_room(struct fsock *s, uint64_t room)
{
	s->room = room;
	if (room && s->nospace) {
		s->nospace = false;
		fs_wake(s, EPOLLOUT);
	}
}

bool fs_client(struct fsock *l, const struct end *from, const struct end *to)
{
	if (l->naccept == ACCEPT_MAX)
		return false;
	l->local.a = to->a;
	l->accept[l->naccept++] = *from;
	fs_wake(l, EPOLLIN);
	return true;
}

bool fs_dgram(struct fsock *s, struct dgrams *q, const struct dgram *d)
{
	struct dgram *to = &q->d[(q->head + q->len) % DGRAM_MAX];

	if (q->len == DGRAM_MAX)
		return false;
	*to = *d;
	to->data = malloc(d->len ? d->len : 1);
	if (d->len)
		memcpy(to->data, d->data, d->len);
	q->len++;
	if (q == &s->rx)
		fs_wake(s, EPOLLIN);
	else if (q == &s->errq)
		fs_wake(s, EPOLLERR);
	return true;
}

struct fsock *fs_find(enum fs_kind kind, const struct end *peer)
{
	for (unsigned i = world.nfs; i--; )
		if (fs_all[i].kind == kind && fs_mine(&fs_all[i]) && end_eq(&fs_all[i].peer, peer))
			return &fs_all[i];
	return NULL;
}

struct fsock *fs_listener(enum fs_kind kind, bool v4)
{
	for (unsigned i = 0; i < world.nfs; i++) {
		struct fsock *s = &fs_all[i];

		if (s->kind == kind && s->fd != NOBODY && s->local.port == world.link->port &&
		    (s->domain == (v4 ? AF_INET : AF_INET6) || !s->v6only))
			return s;
	}
	return NULL;
}

unsigned fs_count(enum fs_kind kind)
{
	unsigned n = 0;

	for (int i = 0; i < fd_end; i++)
		n += fd_table[i] && fd_table[i]->kind == kind;
	return n;
}
