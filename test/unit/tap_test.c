/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tap_test.c - the link's own part: how many frames are asked for, which slot is next, when a frame is written
 *
 * What every backend promises is in test/contract; the backend here does what a test tells it.
 */
#include "../t.h"
#include "../../tap.c"

static struct {
	int		give;		/* frames there are, or -errno */
	unsigned	asked, calls;	/* of the last recv(), recv()s and flush()es in all */
	unsigned	room;		/* frames the link takes */
	unsigned	flushes, commits, dones;
	int		error;		/* what flush() says when it has no room */
	uint16_t	out[4 * TAP_SLOTS];	/* slots, as they were written */
	unsigned	nout;
} link_;

static int fake_recv(struct tap *t, struct raw *raw, unsigned max)
{
	static uint8_t bytes[100];
	static const struct iovec iov = { bytes, sizeof(bytes) };
	int n = link_.give < (int)max ? link_.give : (int)max;

	(void)t;
	link_.asked = max;
	link_.calls++;
	for (int i = 0; i < n; i++)
		raw[i] = (struct raw){ &iov, 1, sizeof(bytes), { 0 }, 0 };
	return n;
}

static void fake_done(struct tap *t)
{
	(void)t;
	link_.dones++;
}

static void fake_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
	link_.commits++;
}

static int fake_flush(struct tap *t)
{
	link_.flushes++;
	while (t->qlen) {
		const struct frame *f = tap_queued(t, 0);

		if (!link_.room)
			return link_.error;
		link_.room--;
		link_.out[link_.nout++ % ARRAY_SIZE(link_.out)] = f->slot;
		tap_queue_pop(t);
	}
	return 0;
}

static const struct tap_ops lazy = { .name = "lazy", .recv = fake_recv, .recv_done = fake_done, .commit = fake_commit,
				     .flush = fake_flush };
static const struct tap_ops eager = { .name = "eager", .eager = true, .recv = fake_recv, .commit = fake_commit,
				      .flush = fake_flush };

static struct tap tap;
static struct raw raw[TAP_BATCH];

static void begin(const struct tap_ops *ops)
{
	const struct caps caps = { .mtu = 1500 };

	memset(&link_, 0, sizeof(link_));
	link_.room = UINT32_MAX;
	link_.error = -EAGAIN;
	tap_init(&tap, ops, 3, &caps, -1);
}

static unsigned asked(int give, int want)
{
	link_.give = give;
	eq(tap_recv(&tap, raw), want);
	tap_recv_done(&tap);
	return link_.asked;
}

static void test_burst(void)
{
	unsigned n, twice = 0;

	test("burst: doubles while batches come back full, up to the largest");
	begin(&eager);
	tap.burst = 2;
	for (n = 2; n <= TAP_BATCH; n *= 2)
		eq(asked(1000, (int)n), n);
	eq(asked(1000, TAP_BATCH), TAP_BATCH);
	eq(asked(1000, TAP_BATCH), TAP_BATCH);

	test("burst: shrinks to what came, never below one");
	eq(asked(37, 37), TAP_BATCH);
	eq(asked(37, 37), 37);
	eq(asked(5, 5), 74);
	eq(asked(0, 0), 5);
	eq(asked(1, 1), 1);

	test("burst: with one frame at a time, two are tried only now and then");
	begin(&eager);
	for (n = 0; n < 8 * TAP_SINGLES; n++)
		twice += asked(1, 1) == 2;
	ok(twice > 0 && twice <= 8);
	begin(&eager);
	for (n = 0; n < 3 * TAP_SINGLES && asked(1000, MIN((int)tap.burst, TAP_BATCH)) == 1; n++)
		;
	eq(n, TAP_SINGLES);				/* and when there is a second one, it goes on from there */
	eq(asked(1000, 4), 4);

	test("burst: whatever the loop expects, never more than a batch; errors are passed on");
	tap.burst = UINT16_MAX;
	eq(asked(1000, TAP_BATCH), TAP_BATCH);
	eq(asked(-EIO, -EIO), TAP_BATCH);
	eq(asked(1000, TAP_BATCH), TAP_BATCH);

	test("a link that reads many frames at once is asked for a whole batch");
	begin(&lazy);
	eq(asked(1, 1), TAP_BATCH);
	eq(asked(0, 0), TAP_BATCH);
	begin(&eager);
	tap_recv_done(&tap);				/* means nothing to this one */
	eq(link_.dones, 0);
}

static void test_recv_stats(void)
{
	test("what comes in is counted, frames and bytes");
	begin(&lazy);
	tap.burst = 10;
	asked(7, 7);
	asked(-EIO, -EIO);
	asked(0, 0);
	eq(tap.stats.rx_frames, 7);
	eq(tap.stats.rx_bytes, 700);
	eq(link_.dones, 3);
}

static void test_last_in_first_out(void)
{
	struct frame *a[3], *b[3];

	test("slots: the one used last is used next, its payload buffer empty and its own");
	begin(&lazy);
	eq(tap_reserve(&tap, a, 3, 100, TAP_ANY), 3);
	ok(a[0] != a[1] && a[1] != a[2] && a[0] != a[2]);
	ok(a[0]->pay[0].iov_base != a[1]->pay[0].iov_base);
	a[1]->len = 55;
	a[1]->npay = 2;
	tap_unreserve(&tap, a, 1);
	tap_unreserve(&tap, a + 1, 1);
	eq(tap_reserve_exact(&tap, b, 2, TAP_ROOM, net_hdr_len(true, TCP_HLEN)), 2);
	ok(b[0] == a[1] && b[1] == a[0]);
	eq(b[0]->len, 0);
	eq(b[0]->npay, 1);
	eq(b[0]->pay[0].iov_len, TAP_ROOM);
	eq(tap.nfree, TAP_SLOTS - 3);
	tap_unreserve(&tap, b, 2);			/* back in the order they had */
	eq(tap_reserve_exact(&tap, a, 2, 0, net_hdr_len(true, TCP_HLEN)), 2);
	ok(a[0] == b[0] && a[1] == b[1]);
}

static void commit(unsigned n)
{
	struct frame *f;

	while (n--) {
		if (!ok(tap_reserve(&tap, &f, 1, 0, TAP_ANY) == 1))
			return;
		f->hlen = 54;
		f->len = 10;
		tap_commit(&tap, f);
	}
}

static void test_lazy(void)
{
	test("a link for batches: written once a turn, not by commit");
	begin(&lazy);
	commit(5);
	eq(link_.commits, 5);
	eq(link_.flushes, 0);
	eq(tap.qlen, 5);
	eq(tap_flush(&tap), 0);
	eq(link_.flushes, 1);
	eq(tap.qlen, 0);
	eq(tap_flush(&tap), 0);
	eq(link_.flushes, 1);				/* nothing queued, no system call */
	eq(tap.stats.tx_frames, 5);
	eq(tap.stats.tx_bytes, 5 * 64);
}

static void test_eager(void)
{
	test("a link for single frames: written at once, until it is full, and then not tried for each");
	begin(&eager);
	link_.room = 3;
	commit(3);
	eq(link_.flushes, 3);
	ok(!tap.full);
	commit(4);
	eq(link_.flushes, 4);
	ok(tap.full);
	eq(tap.qlen, 4);
	eq(tap_flush(&tap), -EAGAIN);
	ok(tap.full);
	link_.room = 2;
	eq(tap_flush(&tap), -EAGAIN);
	eq(tap.qlen, 2);
	link_.room = 9;
	eq(tap_flush(&tap), 0);
	ok(!tap.full);
	commit(1);
	eq(link_.nout, 8);

	test("a link that is lost: said so, and not taken for full");
	begin(&lazy);
	link_.room = 0;
	link_.error = -ENODEV;
	commit(1);
	eq(tap_flush(&tap), -ENODEV);
	ok(!tap.full);
}

/* Slots are reused in any order, the queue goes around its ring: frames leave as they were committed */
static void test_ring(void)
{
	uint16_t want[4 * TAP_SLOTS];
	unsigned nwant = 0, seed = 1, wrong = 0, full = 0;
	struct frame *f[2];

	test("I5 queue: in the order of commit, all around the ring, and no slot is lost");
	begin(&lazy);
	link_.room = 0;
	while (nwant < ARRAY_SIZE(want)) {
		unsigned n = tap_reserve(&tap, f, 2, 0, TAP_ANY), give_back = seed >> 30 & 1;

		seed = seed * 1103515245 + 12345;
		if (n == 2) {
			tap_unreserve(&tap, f + give_back, 1);
			want[nwant++] = f[!give_back]->slot;
			tap_commit(&tap, f[!give_back]);
		} else {
			tap_unreserve(&tap, f, n);
			full++;
			link_.room = 1 + (seed >> 20) % TAP_SLOTS;
		}
		if (seed >> 28 == 3)
			link_.room += seed >> 16 & 15;
		tap_flush(&tap);
	}
	link_.room = UINT32_MAX;
	eq(tap_flush(&tap), 0);
	eq(link_.nout, nwant);
	for (unsigned i = 0; i < nwant; i++)
		wrong += link_.out[i] != want[i];
	eq(wrong, 0);
	ok(full > 3);
	eq(tap.nfree, TAP_SLOTS);
	eq(tap.qlen, 0);
}

int main(void)
{
	test_burst();
	test_recv_stats();
	test_last_in_first_out();
	test_lazy();
	test_eager();
	test_ring();
	return done();
}
