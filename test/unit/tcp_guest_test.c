/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LDFLAGS: -Wl,--wrap=sock_room,--wrap=sock_want_write,--wrap=sendmsg */
/* tcp_guest_test.c - the window offered to the guest, with a model of the host's socket on a wide-area path
 *
 * The send buffer has reached its maximum, and holds less than the path: it alone limits the flow. EPOLLOUT is as in
 * Linux' sk_stream_write_space(): on a socket that was found full, once a third is free. Time is in us.
 */
#include "../t.h"
#include "../../tcp_buf.c"
#include "../../tcp_guest.c"

#define SIZE (4U << 20) /* of the buffer */
#define TURN 500	/* between the guest's bursts */
#define PIECE 16384U	/* bytes of an acknowledgment of the peer's */
#define RING 4096

static struct ctx c;
static struct flow f;

static struct {
	uint64_t now, line_free;
	uint32_t rtt, rate; /* bytes per us */
	uint32_t queued, most;
	bool nospace;
	uint64_t acked;
	uint32_t asked, polled, cut;
	uint64_t due[RING];
	uint32_t len[RING], head, tail;
} path;

uint32_t __wrap_sock_room(int fd, uint32_t *size);
bool __wrap_sock_want_write(int fd);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

uint32_t __wrap_sock_room(int fd, uint32_t *size)
{
	(void)fd;
	path.asked++;
	*size = SIZE / 4 * 3;
	return path.queued < SIZE ? (SIZE - path.queued) / 4 * 3 : 0;
}

bool __wrap_sock_want_write(int fd)
{
	(void)fd;
	path.polled++;
	path.nospace = path.queued > SIZE / 3 * 2;
	return !path.nospace;
}

/* Takes all, or what there is room for, and sends it at once */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	uint32_t len = (uint32_t)m->msg_iov->iov_len, n = MIN(len, SIZE - MIN(SIZE, path.queued));

	(void)fd, (void)flags;
	path.nospace |= n < len;
	path.cut += n < len;
	path.queued += n;
	path.most = MAX(path.most, path.queued);
	for (uint32_t done = 0, part; done < n; done += part) {
		part = MIN(n - done, PIECE);
		path.line_free = MAX(path.line_free, path.now) + part / path.rate;
		path.due[path.tail % RING] = path.line_free + path.rtt;
		path.len[path.tail++ % RING] = part;
	}
	if (n)
		return n;
	errno = EAGAIN;
	return -1;
}

static void acknowledge(void)
{
	for (; path.head != path.tail && path.due[path.head % RING] <= path.now; path.head++) {
		path.queued -= path.len[path.head % RING];
		path.acked += path.len[path.head % RING];
	}
	if (path.nospace && path.queued <= SIZE / 3 * 2) {
		path.nospace = false;
		tcp_write(&f.tcp);
	}
}

/* The guest fills its window, up to @burst bytes in a turn, until @until */
static void run(uint32_t burst, uint64_t until)
{
	static uint8_t data[WINDOW_MAX];
	struct tcp *t = &f.tcp;

	for (; path.now < until; path.now += TURN) {
		struct iovec iov = { .iov_base = data };

		acknowledge();
		t->rcv_adv = seq_max(t->rcv_adv, t->rcv_nxt + tcp_offer(&c, &f));
		iov.iov_len = MIN(t->rcv_adv - t->rcv_nxt, burst);
		if (!iov.iov_len)
			continue;
		gather_iov[0] = iov;
		gather.cnt = 1;
		gather.len = (uint32_t)iov.iov_len;
		t->rcv_nxt += gather.len;
		gather_send(&c, &f);
	}
}

static void fresh(uint32_t rtt, uint32_t rate)
{
	memset(&path, 0, sizeof(path));
	memset(&f, 0, sizeof(f));
	path.rtt = rtt;
	path.rate = rate;
	f.tcp.state = TCP_ESTABLISHED;
	f.tcp.rcv_mss = 65480;
	sock_wmem_max = SIZE;
}

/* With a third of the buffer sent for each event, a round trip carries all of it, and takes as long as a third needs;
 * 9 % less for pieces of the window that are too small for a segment
 */
static void long_paths(void)
{
	static const struct {
		uint32_t rtt, rate, burst;
	} paths[] = {
		{ 50000, 125, 128U << 10 },  { 50000, 125, 192U << 10 },  { 50000, 125, 256U << 10 },
		{ 50000, 125, WINDOW_MAX },  { 200000, 25, 256U << 10 },  { 200000, 1250, 256U << 10 },
		{ 100000, 125, 256U << 10 }, { 70000, 1250, WINDOW_MAX },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
		uint64_t cycle = paths[i].rtt + SIZE / 3 / paths[i].rate, most, before;

		test("TCP-05 the buffer is in use on a path of %u ms, %u Mb/s, bursts of %u KiB", paths[i].rtt / 1000,
		     paths[i].rate * 8, paths[i].burst >> 10);
		fresh(paths[i].rtt, paths[i].rate);
		run(paths[i].burst, 2000000);
		before = path.acked;
		run(paths[i].burst, 12000000);
		most = MIN(10000000 / cycle * SIZE, 10000000ULL * paths[i].rate);
		ok((path.acked - before) * 100 >= most * 91);
		ok(path.most <= SIZE);
		eq(path.cut, 0);
	}
}

/* A buffer that is never full is never asked for an event, and its state once in 256 KiB */
static void short_path(void)
{
	test("TCP-05 a path that holds less than the buffer: no event is asked for");
	fresh(100, 1250);
	run(WINDOW_MAX, 2000000);
	eq(path.polled, 0);
	ok(path.asked <= path.acked / ROOM_STEP + 1);
	eq(f.tcp.burst, 0);
}

/* After an event, a buffer that empties quickly is unlimited again */
static void drained(void)
{
	test("TCP-05 room again: the limit of a third ends with it");
	fresh(50000, 125);
	run(256U << 10, 1000000);
	path.rtt = 100;
	path.rate = 1250;
	run(256U << 10, 2000000);
	eq(f.tcp.burst, 0);
	path.polled = 0;
	run(256U << 10, 3000000);
	eq(path.polled, 0);
}

/* A socket that took less than it had room for, and no promise of stash left: the end comes again by the guest */
static void no_room(void)
{
	struct tcp *t = &f.tcp;
	uint32_t blocks = 0;

	test("TCP-06 bytes without room in socket or stash are not acknowledged");
	fresh(100, 1250);
	while (pool_get(&stash))
		blocks++;
	eq(blocks, STASH_BLOCKS);
	t->flags |= TCPF_BLOCKED;
	gather_iov[0] = (struct iovec){ "abc", 3 };
	gather.cnt = 1;
	gather.len = 3;
	t->rcv_nxt = 1003;
	gather_send(&c, &f);
	eq(t->rcv_nxt, 1000);
	ok(t->flags & TCPF_ACK_NOW);
	eq(f.bytes[GUEST], 0);
	eq(c.guest[0].drops[DROP_NO_RESOURCE], 1);
}

/* The same while a segment is taken, as there are too many buffers for one sendmsg(): it is behind a gap then */
static void no_room_between(void)
{
	struct iovec iov[2] = { { "de", 2 }, { "f", 1 } };
	struct pkt p = { .data = { iov, 2, 0, 3 } };
	struct tcp *t = &f.tcp;

	test("TCP-06 bytes that were taken back leave no hole in the stream");
	fresh(100, 1250);
	t->flags |= TCPF_BLOCKED;
	gather_iov[0] = (struct iovec){ "abc", 3 };
	gather.cnt = GATHER_IOV - 1;
	gather.len = 3;
	t->rcv_nxt = 1003;
	t->rcv_adv = 2000;
	tcp_take(&c, &f, &p, 1003);
	eq(t->rcv_nxt, 1000);
	eq(gather.len, 0);
	eq(gather.cnt, 0);
	eq(f.bytes[GUEST], 0);
	ok(t->flags & TCPF_ACK_NOW);
}

int main(void)
{
	long_paths();
	short_path();
	drained();
	no_room();
	no_room_between();
	return done();
}
