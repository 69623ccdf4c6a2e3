/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splice_test.c - spliced connections: the client, the two sockets in between, and the server are all on loopback here
 *
 * One loop, our own, serves both ends: nothing is left to time. Small buffers make every read and write end in EAGAIN
 * sooner or later; system calls are made to fail, or to be short, by wrappers.
 */
/* LDFLAGS: -Wl,--wrap=splice,--wrap=recv,--wrap=send,--wrap=pipe2,--wrap=write */

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>

#include "../descriptors.h"
#include "../opener_here.h"
#include "../t.h"
#include "../../splice.c"

/* How the kernel behaves: every @nth call is interrupted; no more than @most bytes a call; no pipes */
static struct {
	unsigned	nth, calls;
	size_t		most;
	bool		no_pipe;
	unsigned	splices, recvs, peeks;
} kernel;

static bool interrupted(void)
{
	if (!kernel.nth || ++kernel.calls % kernel.nth)
		return false;
	errno = EINTR;
	return true;
}

static size_t at_most(size_t len)
{
	return kernel.most ? MIN(len, kernel.most) : len;
}

ssize_t __real_splice(int in, off_t *in_off, int out, off_t *out_off, size_t len, unsigned flags);
ssize_t __wrap_splice(int in, off_t *in_off, int out, off_t *out_off, size_t len, unsigned flags);
ssize_t __wrap_splice(int in, off_t *in_off, int out, off_t *out_off, size_t len, unsigned flags)
{
	kernel.splices++;
	ok(flags & SPLICE_F_NONBLOCK);		/* SPL-11 */
	return interrupted() ? -1 : __real_splice(in, in_off, out, out_off, at_most(len), flags);
}

ssize_t __real_recv(int fd, void *p, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t len, int flags)
{
	kernel.recvs++;
	kernel.peeks += !!(flags & MSG_PEEK);
	return interrupted() ? -1 : __real_recv(fd, p, len, flags);
}

ssize_t __real_send(int fd, const void *p, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t len, int flags)
{
	return interrupted() ? -1 : __real_send(fd, p, len, flags);
}

ssize_t __real_write(int fd, const void *p, size_t len);
ssize_t __wrap_write(int fd, const void *p, size_t len);
ssize_t __wrap_write(int fd, const void *p, size_t len)
{
	return interrupted() ? -1 : __real_write(fd, p, len);
}

int __real_pipe2(int fd[2], int flags);
int __wrap_pipe2(int fd[2], int flags);
int __wrap_pipe2(int fd[2], int flags)
{
	errno = EMFILE;
	return kernel.no_pipe ? -1 : __real_pipe2(fd, flags);
}

static const struct conf cf;
static struct ctx c = { .net.cf = &cf };

static struct end bound(int fd)
{
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	struct end e = { 0 };

	if (!getsockname(fd, &sa.sa, &len))
		end_from_sa(&e, &sa);
	return e;
}

/* Listens on loopback; @size: of its buffers, and those of connections, 0: the default */
static int listen_at(bool v6, int size, struct end *at)
{
	const struct end any = { .a = v6 ? addr_loopback6 : addr_loopback4 };
	union sockaddr_any sa;
	socklen_t len = end_to_sa(&any, 0, &sa);
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (size) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	if (bind(fd, &sa.sa, len) || listen(fd, 10))
		printf("# listen: %s\n", strerror(errno));
	*at = bound(fd);
	return fd;
}

static int connect_to(const struct end *to, int size)
{
	int fd = socket(addr_is_v4(&to->a) ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	union sockaddr_any sa;
	socklen_t len = end_to_sa(to, 0, &sa);

	if (size) {
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	if (connect(fd, &sa.sa, len) && errno != EINPROGRESS)
		printf("# connect: %s\n", strerror(errno));
	return fd;
}

static int accepted(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };

	return poll(&p, 1, 1000) == 1 ? accept4(listener, NULL, NULL, SOCK_NONBLOCK) : -1;
}

/* One end of a connection */
struct peer {
	int		fd;
	uint64_t	sent, got;
	bool		eof;
	int		err;
};

static struct peer client, server;
static unsigned turns;

/* A turn of the loop: events, then the ready list. False if there was nothing. */
static bool turn(int wait)
{
	struct epoll_event ev[16];
	int n = epoll_wait(c.epfd, ev, ARRAY_SIZE(ev), c.flows.wait[WAIT_READY].head != FLOW_NONE ? 0 : wait);
	bool more = n > 0 || c.flows.wait[WAIT_READY].head != FLOW_NONE;
	struct flow *f;

	turns++;
	for (int i = 0; i < n; i++) {
		union ev_ref ref = { .u64 = ev[i].data.u64 };

		f = flow_get(&c.flows, ref.idx, ref.gen);
		if (f)
			splice_ready(&c, f, ref.side, ev[i].events);
	}
	f = flow_next(&c.flows, WAIT_READY);
	if (f)
		splice_resume(&c, f);
	flow_bury(&c.flows);
	return more;
}

/* Whatever is under way comes to rest: loopback is quick */
static void settle(void)
{
	for (unsigned i = 0; i < 100000 && turn(1); i++)
		;
}

/* A connection through us: near is where it is accepted. @size: buffers of all four sockets */
static void pair(unsigned near, bool v6, int size)
{
	struct side from, to = { .our.a = addr_any4 };
	int l = listen_at(v6, size, &from.our), far, fd;

	far = listen_at(v6, size, &to.peer);
	client = (struct peer){ .fd = connect_to(&from.our, size) };
	fd = accepted(l);
	from.peer = bound(client.fd);
	splice_accept(&c, &c.guest[0], near, fd, &from, &to, NULL);
	server = (struct peer){ .fd = accepted(far) };
	close(l);
	close(far);
	settle();
}

static void over(void)
{
	close(client.fd);
	close(server.fd);
	settle();
	eq(c.flows.count[FLOW_SPLICE], 0);
}

#define CHUNK	(1U << 20)
#define PERIOD	(1U << 24)		/* of the bytes of a stream */

/* Bytes @n to @n + CHUNK of a stream */
static const uint8_t *bytes_at(uint64_t n)
{
	static uint8_t b[PERIOD + CHUNK];

	for (uint32_t i = 0; !b[1] && i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 167 + (i >> 8) * 13 + (i >> 16));
	return b + n % PERIOD;
}

/* @n bytes more, as many as go: how many */
static size_t say(struct peer *p, size_t n)
{
	size_t done = 0;
	ssize_t rc;

	while (done < n) {
		rc = __real_send(p->fd, bytes_at(p->sent), MIN(n - done, CHUNK), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (rc <= 0)
			break;
		p->sent += (uint64_t)rc;
		done += (size_t)rc;
	}
	return done;
}

static size_t hear(struct peer *p)
{
	static uint8_t in[CHUNK];
	size_t all = 0;
	ssize_t n;

	while ((n = __real_recv(p->fd, in, sizeof(in), MSG_DONTWAIT)) > 0) {
		if (!eq_mem(in, bytes_at(p->got), (size_t)n))
			return 0;
		p->got += (uint64_t)n;
		all += (size_t)n;
	}
	if (!n)
		p->eof = true;
	else if (errno != EAGAIN)
		p->err = errno;
	return all;
}

/* Until @n bytes from each to the other are there, and their ends */
static void converse(uint64_t up, uint64_t down, bool both)
{
	bool shut[2] = { false };

	for (unsigned quiet = 0; quiet < 50 && !(client.eof && server.eof); ) {
		bool some = false;

		some |= say(&client, up - client.sent) > 0;
		if (both)
			some |= say(&server, down - server.sent) > 0;
		if (client.sent == up && !shut[0])
			some = shut[0] = !shutdown(client.fd, SHUT_WR);
		if (server.sent == down && !shut[1])
			some = shut[1] = !shutdown(server.fd, SHUT_WR);
		some |= turn(some ? 0 : 5);
		some |= hear(&server) > 0;
		some |= hear(&client) > 0;
		quiet = some ? 0 : quiet + 1;
		both |= server.eof;
	}
	eq(server.got, up);
	eq(client.got, down);
	ok(server.eof && client.eof);
	ok(!client.err && !server.err);
}

/* All that @from sent is there. Windows of small buffers open late: patience is for that */
static void arrive(struct peer *p, const struct peer *from)
{
	for (unsigned quiet = 0; quiet < 200 && p->got < from->sent; ) {
		bool some = turn(5);

		quiet = hear(p) || some ? 0 : quiet + 1;
	}
	settle();
	hear(p);
	eq(p->got, from->sent);
}

static void test_transfers(void)
{
	static const struct { const char *name; unsigned nth; size_t most; bool no_pipe; int size; } how[] = {
		{ "as it is", 0, 0, false, 0 },
		{ "SPL-01 small buffers", 0, 0, false, 4096 },
		{ "SPL-05 interrupted now and then", 3, 0, false, 0 },
		{ "SPL-05 interrupted, small buffers", 2, 0, false, 4096 },
		{ "SPL-05 splice() is short", 0, 1000, false, 0 },
		{ "SPL-19 no pipes", 0, 0, true, 0 },
		{ "SPL-19 no pipes, small buffers, interrupted", 3, 0, true, 4096 },
	};
	static const uint64_t sizes[][2] = { { 1, 1 }, { 0, 0 }, { 65536, 65536 }, { 65537, 3 }, { 3000000, 3000000 } };

	for (unsigned i = 0; i < ARRAY_SIZE(how); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++) {
			unsigned near = k % 2 ? GUEST : HOST;
			uint64_t up = sizes[k][0], down = sizes[k][1];

			if (how[i].size) {		/* in far more pieces */
				up = MIN(up, 300000U);
				down = MIN(down, 300000U);
			}
			test("%s: %u bytes there, %u back", how[i].name, (unsigned)up, (unsigned)down);
			kernel.nth = how[i].nth;
			kernel.most = how[i].most;
			kernel.no_pipe = how[i].no_pipe;
			while (kernel.no_pipe && idle.n) {
				idle.n--;
				close(idle.fd[idle.n][0]);
				close(idle.fd[idle.n][1]);
			}
			pair(near, k % 2, how[i].size);
			kernel.splices = kernel.peeks = 0;
			converse(up, down, k % 2);
			if (up == 1)
				eq(kernel.splices, 0);
			if (kernel.no_pipe)
				ok(!kernel.splices && (kernel.peeks || !up));
			settle();
			eq(c.flows.count[FLOW_SPLICE], 0);	/* both ends were passed on */
			over();
		}
	}
	memset(&kernel, 0, sizeof(kernel));
}

static void test_bulk(void)
{
	test("bulk is spliced, and short messages are not: one recv() and one send() each");
	pair(HOST, false, 0);
	say(&client, 1 << 20);
	settle();
	arrive(&server, &client);
	ok(kernel.splices > 0);
	say(&client, 10);
	settle();
	kernel.splices = kernel.recvs = 0;
	say(&client, 10);
	settle();
	eq(kernel.splices, 0);
	eq(kernel.recvs, 1);
	hear(&server);
	eq(server.got, client.sent);
	over();
}

/* Full in both directions, nobody reads: it rests, and nothing is lost */
static void test_stopped(void)
{
	unsigned before;

	test("SPL-01 SPL-02 neither reads: no turn comes, and all arrives once they do");
	pair(HOST, false, 0);
	while (say(&client, 1 << 20) + say(&server, 1 << 20))
		settle();
	settle();
	eq(c.flows.wait[WAIT_READY].head, FLOW_NONE);
	before = turns;				/* the kernel still moves a little; a spin would be many thousands */
	for (uint64_t end = now_ms() + 500; now_ms() < end; )
		turn(50);
	ok(turns - before < 200);
	arrive(&client, &server);
	arrive(&server, &client);
	over();

	test("an end behind what could not be taken yet");
	pair(GUEST, true, 4096);
	while (say(&client, 1 << 20))
		settle();
	shutdown(client.fd, SHUT_WR);
	settle();
	ok(!server.eof);
	arrive(&server, &client);
	ok(server.eof);
	eq(say(&server, 5), 5);			/* SPL-09: the other way is open still */
	settle();
	eq(hear(&client), 5);
	over();
}

static int pending(int fd)
{
	char b;

	return __real_recv(fd, &b, 1, MSG_DONTWAIT) < 0 ? errno : 0;
}

static void test_resets(void)
{
	struct side from = { 0 }, to = { 0 };
	int l, closed, fd;

	for (unsigned who = 0; who < 2; who++) {
		struct peer *one = who ? &server : &client, *two = who ? &client : &server;

		test("RST of the %s is RST for the other, behind its data", who ? "server" : "client");
		pair(HOST, false, 0);
		say(one, 1000);
		settle();
		splice_refuse(one->fd);
		settle();
		eq(c.flows.count[FLOW_SPLICE], 0);
		eq(hear(two), 1000);
		eq(two->err, ECONNRESET);
		one->fd = -1;
		over();
	}

	test("RST while the other has a full buffer");
	pair(HOST, false, 4096);
	while (say(&client, 1 << 20))
		settle();
	splice_refuse(server.fd);
	server.fd = -1;
	settle();
	eq(c.flows.count[FLOW_SPLICE], 0);
	eq(pending(client.fd), ECONNRESET);
	over();

	test("what was sent before a RST is delivered though it has to wait for room");
	pair(HOST, false, 4096);
	while (say(&server, 1 << 20))
		settle();
	close(client.fd);			/* with unread data: RST */
	client.fd = -1;
	settle();
	eq(c.flows.count[FLOW_SPLICE], 0);
	over();

	test("SPL-08 nobody listens: RST to the client");
	closed = listen_at(false, 0, &to.peer);
	close(closed);
	l = listen_at(false, 0, &from.our);
	client.fd = connect_to(&from.our, 0);
	splice_accept(&c, &c.guest[0], HOST, accepted(l), &from, &to, NULL);
	settle();
	eq(c.flows.count[FLOW_SPLICE], 0);
	eq(pending(client.fd), ECONNRESET);
	close(client.fd);

	test("SPL-19 no socket in the namespace: RST to the client");
	opener_error = -EMFILE;
	while (spare[0][V4].n)
		close(spare[0][V4].fd[--spare[0][V4].n]);
	client.fd = connect_to(&from.our, 0);
	fd = accepted(l);
	splice_accept(&c, &c.guest[0], HOST, fd, &from, &to, NULL);
	eq(fcntl(fd, F_GETFD), -1);
	eq(pending(client.fd), ECONNRESET);
	eq(c.flows.count[FLOW_SPLICE], 0);
	close(client.fd);
	opener_error = 0;

	test("SPL-19 flow table full: RST to the client");
	c.flows.unused = FLOW_MAX;
	fd = (int)c.flows.free;
	c.flows.free = FLOW_NONE;
	client.fd = connect_to(&from.our, 0);
	closed = listen_at(false, 0, &to.peer);
	splice_accept(&c, &c.guest[0], HOST, accepted(l), &from, &to, NULL);
	eq(pending(client.fd), ECONNRESET);
	c.flows.unused = 100;
	c.flows.free = (uint32_t)fd;
	close(client.fd);
	close(closed);
	close(l);
}

static void test_urgent(void)
{
	test("urgent data is data, in its place");
	pair(HOST, false, 0);
	say(&client, 200000);
	settle();
	hear(&server);
	for (unsigned i = 0; i < 5; i++) {
		eq(send(client.fd, bytes_at(client.sent), 1, MSG_OOB), 1);
		client.sent++;
		settle();
		say(&client, 100000);
		settle();
		hear(&server);
	}
	shutdown(client.fd, SHUT_WR);
	settle();
	arrive(&server, &client);
	ok(server.eof);
	over();
}

static void test_many(void)
{
	unsigned before;

	test("SPL-06 1,000 connections: descriptors are where they were");
	pair(HOST, false, 0);
	over();
	before = fds_open();
	for (unsigned i = 0; i < 1000; i++) {
		pair(i % 2 ? HOST : GUEST, i % 4 > 1, 0);
		say(&client, i);
		settle();
		hear(&server);
		eq(server.got, i);
		over();
	}
	ok(fds_open() <= before + 3);
}

int main(void)
{
	c.epfd = epoll_create1(EPOLL_CLOEXEC);
	flows_init(&c.flows);
	accept_init(&c);
	opener_most = 2;
	log_level = LOG_ERR;
	test_transfers();
	test_bulk();
	test_stopped();
	test_resets();
	test_urgent();
	test_many();
	return done();
}
