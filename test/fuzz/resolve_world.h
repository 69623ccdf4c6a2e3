/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolve_world.h - around resolve.c: sockets to resolvers, far ends of guests' streams, and links that take answers
 *
 * Each answer to a guest is one to a question that has none yet. resolve.c and known.h come before.
 */
#ifndef RESOLVE_WORLD_H
#define RESOLVE_WORLD_H

#include <netinet/in.h>
#include <unistd.h>

#define GUESTS		2
#define FD_BASE		1000		/* of descriptors in this world */
#define FILES		640
#define STREAMS		4		/* of a guest, at once */
#define STREAM_ROOM	8192
#define MESSAGE		9000
#define REPLIES		(256U << 10)
#define PORT_GUEST	40000
#define PORTS		4

int __wrap_sock_udp_peer(const struct side *host, const struct sock_out *o);
int __wrap_sock_connect(const struct side *host, const struct sock_out *o);
int __wrap_sock_pair(int fd[static 2]);
int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
ssize_t __wrap_send(int fd, const void *b, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *b, size_t len, int flags);
ssize_t __wrap___recv_chk(int fd, void *b, size_t len, size_t size, int flags);
int __wrap_close(int fd);
int __real_close(int fd);

static struct conf cf;
static unsigned failing;		/* calls until one fails, 0: none does */
static bool full;			/* both links are */

enum file_kind { FILE_NONE, FILE_UDP, FILE_TCP, FILE_STREAM, FILE_NEAR };

struct file {
	enum file_kind	kind;
	uint32_t	mask, events;	/* registered; due */
	union ev_ref	ref;
	int		err;		/* of the next call */
	bool		eof, up;	/* @up: connected */
	uint8_t		query[DNS_QUERY_MAX];	/* last one sent */
	size_t		nquery;
	unsigned	sends;
	unsigned	times;		/* UDP: datagrams that wait, each is reply[] */
	size_t		at, len;	/* bytes of @b read, and that came */
	uint8_t		*b;		/* STREAM_ROOM or 2 + MESSAGE bytes */
	size_t		nb;		/* TCP: bytes of the message at @b */
	unsigned	stream;
};

struct guest_stream {
	int		fd;		/* ours, its other end is the program's */
	size_t		room;		/* bytes of answers that it still takes */
	unsigned	questions, answers;
	uint16_t	open[256];	/* questions without an answer, by ID */
	uint8_t		ahead[STREAM_ROOM];	/* bytes that have not come yet */
	size_t		nahead;
};

static struct file file[FILES];
static unsigned files_end;		/* those behind were never open */
static uint8_t bytes[FILES][2 + MESSAGE];
static struct guest_stream stream[GUESTS * STREAMS];
static uint8_t reply[MESSAGE], wanted[65536];
static size_t nreply, nwanted;	/* @wanted: the answer that is due in this turn */
static bool wanted_seen;
static unsigned opening;		/* stream that is opened */
static unsigned answers;		/* to guests, in this turn */
static uint16_t questions[GUESTS][PORTS][256];	/* by datagrams, without an answer: by ID */
static uint64_t last_question[GUESTS][FAMILIES][PORTS][256];	/* sent on: its hash, 0: one of several */
static struct {
	uint8_t		b[REPLIES];
	size_t		n;
} replies[GUESTS];			/* answers of their first streams */

static struct file *file_of(int fd)
{
	CHECK(fd >= FD_BASE && fd < FD_BASE + FILES && file[fd - FD_BASE].kind != FILE_NONE);
	return &file[fd - FD_BASE];
}

/* The call that fails is this one: with an errno, in place of a descriptor with -errno */
static bool fails(void)
{
	return failing && !--failing;
}

static int file_open(enum file_kind kind)
{
	unsigned i = 0;

	if (fails())
		return -EMFILE;
	while (file[i].kind != FILE_NONE)
		CHECK(++i < FILES);
	files_end = MAX(files_end, i + 1);
	file[i] = (struct file){ .kind = kind, .b = bytes[i] };
	return FD_BASE + (int)i;
}

static int resolver_open(enum file_kind kind, const struct side *host)
{
	struct resolver r[RESOLVERS];
	unsigned n = resolvers(&c.net, r), i = 0;

	while (i < n && !addr_eq(&r[i].a, &host->peer.a))
		i++;
	CHECK(i < n && host->peer.port == PORT_DNS);
	return file_open(kind);
}

int __wrap_sock_udp_peer(const struct side *host, const struct sock_out *o)
{
	CHECK(o->freebind == cf.freebind);
	return resolver_open(FILE_UDP, host);
}

int __wrap_sock_connect(const struct side *host, const struct sock_out *o)
{
	(void)o;
	return resolver_open(FILE_TCP, host);
}

int __wrap_sock_pair(int fd[static 2])
{
	fd[0] = file_open(FILE_NEAR);
	if (fd[0] < 0)
		return fd[0];
	fd[1] = file_open(FILE_STREAM);
	if (fd[1] < 0) {
		close(fd[0]);
		return fd[1];
	}
	file_of(fd[1])->stream = opening;
	return 0;
}

int __wrap_close(int fd)
{
	if (fd < FD_BASE)
		return __real_close(fd);
	file_of(fd)->kind = FILE_NONE;
	return 0;
}

int __wrap_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct file *f = file_of(fd);

	(void)epfd;
	CHECK(op == EPOLL_CTL_ADD && ev->events & EPOLLET && !f->mask);
	if (fails()) {
		errno = ENOSPC;
		return -1;
	}
	f->mask = ev->events | EPOLLERR | EPOLLHUP;
	f->ref.u64 = ev->data.u64;
	return 0;
}

/* ---- answers to guests ---- */

static void answer_seen(const uint8_t *b, size_t len)
{
	answers++;
	if (len == nwanted && !memcmp(b, wanted, len))
		wanted_seen = true;
}

/* A stream's, whole: the program writes one at a time */
static void stream_answer(struct guest_stream *s, const uint8_t *b, size_t len)
{
	unsigned k = (unsigned)(s - stream) / STREAMS;

	CHECK(len >= 2 + DNS_HEADER && get_be16(b) == len - 2 && b[4] & DNS_QR);
	CHECK(s->open[b[3]] > 0);		/* nobody asked */
	s->open[b[3]]--;
	s->answers++;
	answer_seen(b + 2, len - 2);
	if (s == &stream[k * STREAMS] && replies[k].n + len <= REPLIES) {
		memcpy(replies[k].b + replies[k].n, b, len);
		replies[k].n += len;
	}
}

ssize_t __wrap_send(int fd, const void *b, size_t len, int flags)
{
	struct file *f = file_of(fd);
	size_t skip = f->kind == FILE_TCP ? 2 : 0;

	CHECK(flags & MSG_DONTWAIT && flags & MSG_NOSIGNAL);
	if (fails()) {
		errno = EAGAIN;
		return -1;
	}
	if (f->kind == FILE_STREAM) {
		struct guest_stream *s = &stream[f->stream];

		if (len > s->room) {
			ssize_t part = (ssize_t)s->room;

			s->room = 0;
			errno = EAGAIN;
			return part ? part : -1;
		}
		s->room -= len;
		stream_answer(s, b, len);
		return (ssize_t)len;
	}
	CHECK(f->kind == FILE_UDP || (f->kind == FILE_TCP && f->up));
	CHECK(len - skip <= sizeof(f->query) && (!skip || get_be16(b) == len - skip));
	memcpy(f->query, (const uint8_t *)b + skip, len - skip);
	f->nquery = len - skip;
	f->sends++;
	return (ssize_t)len;
}

static ssize_t give(void *to, const uint8_t *b, size_t have, size_t len)
{
	len = MIN(len, have);
	memcpy(to, b, len);
	return (ssize_t)len;
}

/* A message of a stream's is taken: an answer is due, unless it is none */
static void stream_taken(struct file *f, const uint8_t *b, size_t len)
{
	struct guest_stream *s = &stream[f->stream];
	struct dns_query q;

	CHECK(len >= 2 && get_be16(b) == len - 2);
	if (dns_read(b + 2, len - 2, &q) == DNS_NONE)
		return;
	s->questions++;
	s->open[b[3]]++;
}

ssize_t __wrap_recv(int fd, void *b, size_t len, int flags)
{
	struct file *f = file_of(fd);
	ssize_t n;

	CHECK(flags & MSG_DONTWAIT);
	if (f->err) {
		errno = f->err;
		f->err = 0;
		return -1;
	}
	if (f->kind == FILE_UDP && f->times) {
		f->times--;
		return give(b, reply, nreply, len);
	}
	if (f->kind != FILE_UDP && f->at < f->len) {
		n = give(b, f->b + f->at, f->len - f->at, len);
		if (flags & MSG_PEEK)
			return n;
		f->at += (size_t)n;
		stream_taken(f, b, (size_t)n);
		return n;
	}
	if (f->kind != FILE_UDP && f->eof)
		return 0;
	errno = EAGAIN;
	return -1;
}

ssize_t __wrap___recv_chk(int fd, void *b, size_t len, size_t size, int flags)
{
	CHECK(len <= size);
	return __wrap_recv(fd, b, len, flags);
}

/* Of a message with one question, or 0 */
static uint64_t question_hash(const uint8_t *b, size_t len)
{
	size_t at = DNS_HEADER;

	while (at < len && b[at])
		at += 1U + b[at];
	return at + 5 > len || get_be16(b + 4) != 1 ? 0 :
	       1 | __real_siphash((uint64_t[]){ 1, 2 }, b + DNS_HEADER, at + 5 - DNS_HEADER);
}

static void dgram_answer(struct guest *g, const struct pkt *p)
{
	uint8_t b[65536];
	unsigned port = p->dst.port - PORT_GUEST;
	uint64_t hash, last;

	CHECK(p->proto == IPPROTO_UDP && p->src.port == PORT_DNS && port < PORTS && p->data.len >= DNS_HEADER);
	CHECK(view_copy(&p->data, 0, b, p->data.len) && b[2] & DNS_QR);
	CHECK(p->data.len <= ANSWER_UDP && questions[g->index][port][b[1]] > 0);
	questions[g->index][port][b[1]]--;
	hash = question_hash(b, p->data.len);
	last = last_question[g->index][addr_family(&p->dst.a)][port][b[1]];
	CHECK(b[0] || !get_be16(b + 6) || !last || hash == last);	/* with an answer in it */
	answer_seen(b, p->data.len);
}

static int sink_flush(struct tap *t)
{
	if (full)
		return -EAGAIN;
	for (; t->qlen; tap_queue_pop(t)) {
		const struct frame *f = tap_queued(t, 0);
		struct iovec iov[1 + FRAME_IOV];
		struct raw raw = { iov, frame_iov(f, iov), f->hlen + f->len, f->off, 0 };
		struct pkt p;

		raw.off.full = !f->off.partial;
		CHECK(pkt_parse(&raw, &p) == DROP_NONE && !p.fragment);
		dgram_answer(&c.guest[t->index], &p);
	}
	return 0;
}

static void sink_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
}

static const struct tap_ops sink = { .name = "sink", .commit = sink_commit, .flush = sink_flush };

/* ---- turns ---- */

/* With @lookups under way. All that is there is read, but part of a message, or behind as many as there may be */
static void check_stream(const struct flow *f, unsigned n)
{
	const struct file *r = file_of(f->sock);
	const struct guest_stream *s = &stream[r->stream];
	size_t have = r->len - r->at, len = have < 2 ? SIZE_MAX - 2 : get_be16(r->b + r->at);
	bool bad = have >= 2 && (len < DNS_HEADER || len > RESOLVE_QUERY), whole = !bad && have >= len + 2;

	CHECK(f->stream.lookups == n && n <= STREAM_LOOKUPS && s->questions - s->answers == n);
	CHECK(!whole || n == STREAM_LOOKUPS);
	CHECK(!(bad || (r->eof && !whole)) || n);
}

static void check_lookups(void)
{
	unsigned n = 0, files = 0, of[ARRAY_SIZE(stream)] = { 0 };

	for (unsigned i = 0; i < lookups; i++) {
		struct lookup *l = &lookup[i];
		struct flow *f, *s;

		if (l->flow == FLOW_NONE)
			continue;
		f = &c.flows.f[l->flow];
		CHECK(f->type == FLOW_LOOKUP && !f->dead && lookup_of(f) == l && timer_armed(&f->timer));
		CHECK(file_of(f->sock)->kind == (l->tcp ? FILE_TCP : FILE_UDP));
		CHECK(!l->tcp || l->stream != FLOW_NONE);
		files += 1 + (l->late >= 0);
		s = lookup_stream(&c, l);
		if (s)
			of[file_of(s->sock)->stream]++;
		n++;
	}
	CHECK(n == c.flows.count[FLOW_LOOKUP] && lookups <= lookups_max(&c));
	for (uint32_t i = 0; i < c.flows.unused; i++) {
		const struct flow *f = &c.flows.f[i];

		if (f->type == FLOW_STREAM)
			check_stream(f, of[file_of(f->sock)->stream]);
		files += f->type == FLOW_STREAM;
	}
	for (unsigned i = 0; i < files_end; i++)
		files -= file[i].kind != FILE_NONE && file[i].kind != FILE_NEAR;
	CHECK(!files);
}

static bool event(struct file *f)
{
	struct flow *flow = flow_get(&c.flows, f->ref.idx, (uint16_t)f->ref.gen);
	uint32_t ev = f->events & f->mask;

	f->events = 0;
	if (!ev || f->kind == FILE_NONE)
		return false;
	CHECK(flow && f->ref.type == EV_FLOW && f->ref.side == HOST);
	flow->ops->ready(&c, flow, HOST, ev);
	return true;
}

/* Until nothing is ready */
static void turn(void)
{
	bool more = true;

	for (unsigned n = 0; more; n++) {
		struct flow *f;

		CHECK(n < 1000);		/* it spins */
		more = false;
		for (unsigned i = 0; i < files_end; i++)
			more |= file[i].kind != FILE_NONE && event(&file[i]);
		for (unsigned g = 0; g < GUESTS; g++) {
			if (!(f = flow_next(&c.flows, wait_list(WAIT_READY, g))))
				continue;
			more = true;
			if (f->ops->resume)
				f->ops->resume(&c, f);
			else
				f->ops->ready(&c, f, HOST, EPOLLIN);
		}
		for (unsigned g = 0; g < GUESTS; g++)
			tap_flush(&c.guest[g].tap);
		flow_bury(&c.flows);
	}
	for (unsigned i = 0; i < files_end; i++)
		CHECK(file[i].kind != FILE_UDP || !file[i].times);
	check_lookups();
}

/* ---- streams ---- */

static struct guest_stream *stream_of(const struct guest *g, unsigned n)
{
	return &stream[g->index * STREAMS + n % STREAMS];
}

/* The program's end, or NULL: it is closed */
static struct file *stream_far(const struct guest_stream *s)
{
	for (unsigned i = 0; i < files_end; i++)
		if (file[i].kind == FILE_STREAM && file[i].stream == s - stream)
			return &file[i];
	return NULL;
}

/* The guest's end is closed: nothing more comes, and nothing can be sent there */
static void stream_close(struct guest_stream *s)
{
	struct file *f = stream_far(s);

	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->room = 0;
	if (f) {
		f->eof = true;
		f->events |= EPOLLIN | EPOLLRDHUP | EPOLLHUP;
	}
}

/* false: there is none, as the one before is not gone, or nothing is to be had */
static bool stream_open(struct guest *g, struct guest_stream *s)
{
	if (s->fd >= 0 && stream_far(s))
		return true;
	stream_close(s);
	if (stream_far(s))
		return false;
	opening = (unsigned)(s - stream);
	*s = (struct guest_stream){ .fd = resolve_stream(&c, g), .room = SIZE_MAX };
	CHECK(s->fd >= 0 || s->fd == -EMFILE || s->fd == -ENOBUFS);
	return s->fd >= 0;
}

/* Up to @n bytes that are ahead come */
static void stream_come(struct guest_stream *s, size_t n)
{
	struct file *f = stream_far(s);

	if (!f || f->eof)
		return;
	memmove(f->b, f->b + f->at, f->len - f->at);
	f->len -= f->at;
	f->at = 0;
	n = MIN(MIN(n, s->nahead), STREAM_ROOM - f->len);
	memcpy(f->b + f->len, s->ahead, n);
	memmove(s->ahead, s->ahead + n, s->nahead - n);
	s->nahead -= n;
	f->len += n;
	if (n)
		f->events |= EPOLLIN;
	turn();
}

#endif /* RESOLVE_WORLD_H */
