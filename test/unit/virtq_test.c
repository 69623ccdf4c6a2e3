/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtq_test.c - a split virtqueue: chains, their order, notifications, and drivers that break the rules */
#include "../t.h"
#include "../ring.h"
#include "../../virtq.c"

#define SIZE	8
#define DATA	(64U << 10)		/* where buffers are in the arena */
#define EVENT	(1ULL << VIRTIO_RING_F_EVENT_IDX)
#define TABLES	(1ULL << VIRTIO_RING_F_INDIRECT_DESC)

static struct ring r;
static struct virtq q;
static struct iovec got[64];
static struct virtq_chain ch;

static uint8_t *data(unsigned i)
{
	return ring_arena.low + DATA + 4096UL * i;
}

static struct iovec buffer(unsigned i, size_t len)
{
	return (struct iovec){ data(i), len };
}

static void start(uint16_t base, enum virtq_dir dir, uint64_t features)
{
	ring_memory();
	ring_init(&r, 0, SIZE);
	r.avail->idx = r.used->idx = r.seen = base;
	eq(virtq_start(&q, &ring_mem, &r.place, SIZE, base, dir, features), 0);
}

static void test_order(uint16_t base)
{
	bool good = true;

	test("chains are taken and used in order, from index %u on", base);
	start(base, VIRTQ_READ, 0);
	eq(virtq_take(&q, got, 64, &ch), 0);
	for (unsigned i = 0; i < 5 * SIZE; i++) {
		const struct iovec iov[2] = { buffer(2 * i % 20, 100 + i), buffer(2 * i % 20 + 1, 1) };
		uint16_t head = ring_add(&r, iov, 2, 0);
		const struct vring_used_elem *e;

		good &= virtq_ready(&q) == 1 && virtq_take(&q, got, 64, &ch) == 1 && ch.head == head;
		good &= ch.cnt == 2 && ch.len == 101 + i && got[0].iov_base == iov[0].iov_base &&
			got[0].iov_len == 100 + i && got[1].iov_base == iov[1].iov_base && got[1].iov_len == 1;
		virtq_use(&q, ch.head, i);
		good &= !ring_used(&r);
		virtq_publish(&q);
		good &= (e = ring_used(&r)) && e->id == head && e->len == i;
	}
	ok(good);
	eq(q.fault, VIRTQ_OK);
}

static void test_untake(void)
{
	uint16_t head[SIZE];

	test("the last chains are given back, and come again");
	start(65533, VIRTQ_WRITE, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		const struct iovec iov = buffer(i, 10 + i);

		head[i] = ring_add(&r, &iov, 1, VRING_DESC_F_WRITE);
	}
	eq(virtq_ready(&q), SIZE);
	for (unsigned i = 0; i < 5; i++)
		eq(virtq_take(&q, got, 64, &ch), 1);
	virtq_untake(&q, 3);
	eq(virtq_ready(&q), SIZE - 2);
	virtq_use(&q, head[0], 1);
	for (unsigned i = 2; i < SIZE; i++) {
		eq(virtq_take(&q, got, 64, &ch), 1);
		eq(ch.head, head[i]);
	}
	eq(virtq_take(&q, got, 64, &ch), 0);

	test("a chain of more buffers than there is room for isn't taken");
	virtq_untake(&q, 1);
	eq(virtq_take(&q, got, 0, &ch), -ENOBUFS);
	eq(virtq_take(&q, got, 1, &ch), 1);
	eq(ch.head, head[SIZE - 1]);

	test("stopped: the base is behind the last used one; started again from there");
	eq(virtq_stop(&q), (uint16_t)(65533 + 1));
	ok(!virtq_runs(&q));
	eq(virtq_ready(&q), 0);
	eq(virtq_take(&q, got, 64, &ch), 0);
	ok(!virtq_publish(&q) && !virtq_wait(&q));
	r.used->idx++;
	eq(virtq_start(&q, &ring_mem, &r.place, SIZE, 65534, VIRTQ_WRITE, 0), 0);
	eq(virtq_ready(&q), SIZE - 1);
	eq(virtq_take(&q, got, 64, &ch), 1);
	eq(ch.head, head[1]);
}

static void test_indirect(void)
{
	struct vring_desc *t = (void *)data(0);
	const struct iovec first = buffer(1, 12);

	test("an indirect table, behind a buffer; its own flag of direction doesn't count");
	start(0, VIRTQ_READ, TABLES);
	t[0] = (struct vring_desc){ .addr = ring_gpa(data(2)), .len = 100, .flags = VRING_DESC_F_NEXT, .next = 2 };
	t[2] = (struct vring_desc){ .addr = ring_gpa(data(3)), .len = 200 };
	ring_desc(&r, 0, ring_gpa(first.iov_base), 12, VRING_DESC_F_NEXT, 5);
	ring_desc(&r, 5, ring_gpa(t), 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	ring_offer(&r, 0);
	eq(virtq_take(&q, got, 64, &ch), 1);
	eq(ch.cnt, 3);
	eq(ch.len, 312);
	ok(got[1].iov_base == data(2) && got[2].iov_base == data(3));

	test("a table longer than the queue, at an odd address");
	start(0, VIRTQ_WRITE, TABLES);
	t = (void *)(data(0) + 1);
	for (unsigned i = 0; i < 40; i++) {
		const struct vring_desc d = {
			ring_gpa(data(i + 1)), 1, VRING_DESC_F_WRITE | (i < 39), (uint16_t)(i + 1),
		};

		memcpy((uint8_t *)t + 16UL * i, &d, 16);
	}
	ring_desc(&r, 3, ring_gpa(t), 40 * 16, VRING_DESC_F_INDIRECT, 0);
	ring_offer(&r, 3);
	eq(virtq_take(&q, got, 64, &ch), 1);
	eq(ch.cnt, 40);
	eq(ch.head, 3);
}

static void test_regions(void)
{
	test("a buffer that goes on into the next region is in pieces");
	start(0, VIRTQ_WRITE, 0);
	ring_desc(&r, 0, RING_GPA + RING_ARENA - 100, 300, VRING_DESC_F_WRITE, 0);
	ring_offer(&r, 0);
	eq(virtq_take(&q, got, 1, &ch), -ENOBUFS);
	eq(virtq_take(&q, got, 64, &ch), 1);
	eq(ch.cnt, 2);
	eq(ch.len, 300);
	ok(got[0].iov_base == ring_arena.low + RING_ARENA - 100 && got[0].iov_len == 100);
	ok(got[1].iov_base == ring_arena.high && got[1].iov_len == 200);
}

/* All published so far; then @n more: is a notification due? */
static bool used_more(unsigned n)
{
	while (n--) {
		const struct iovec iov = buffer(0, 1);

		ring_add(&r, &iov, 1, 0);
		eq(virtq_take(&q, got, 64, &ch), 1);
		virtq_use(&q, ch.head, 0);
	}
	return virtq_publish(&q);
}

static void test_calls(void)
{
	test("notifications: the driver's flag");
	start(0, VIRTQ_READ, 0);
	ok(!virtq_publish(&q));
	ok(used_more(1) && used_more(3));
	r.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	ok(!used_more(1));
	r.avail->flags = 0;
	ok(used_more(1));
	ok(!virtq_publish(&q));

	test("notifications: the driver's index, which a batch passes or not; the first one always");
	start(65530, VIRTQ_READ, EVENT);
	r.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;	/* without a meaning */
	*r.used_event = 1;
	ok(used_more(1));			/* up to 65531 */
	ok(!used_more(6));			/* 1 */
	ok(used_more(1));			/* 2: passed 1 */
	ok(!used_more(8));			/* 10 */
	*r.used_event = 14;
	ok(used_more(8));			/* 18 */
	*r.used_event = 18;
	ok(used_more(1));
}

static void test_kicks(void)
{
	const struct iovec iov = buffer(0, 1);

	test("kicks: by flag");
	start(0, VIRTQ_READ, 0);
	eq(r.used->flags, 0);
	virtq_busy(&q);
	eq(r.used->flags, VRING_USED_F_NO_NOTIFY);
	ok(!virtq_wait(&q));
	eq(r.used->flags, 0);
	virtq_busy(&q);
	ring_add(&r, &iov, 1, 0);
	ok(virtq_wait(&q));

	test("kicks: by index");
	start(65535, VIRTQ_READ, EVENT);
	virtq_busy(&q);
	eq(r.used->flags, 0);
	ok(!virtq_wait(&q));
	eq(*r.avail_event, 65535);
	ring_add(&r, &iov, 1, 0);
	ok(virtq_wait(&q));
	eq(virtq_take(&q, got, 64, &ch), 1);
	ok(!virtq_wait(&q));
	eq(*r.avail_event, 0);

	test("kicks: behind chains that were found, and weren't enough");
	for (unsigned event = 0; event < 2; event++) {
		start(65535, VIRTQ_READ, event ? EVENT : 0);
		ring_add(&r, &iov, 1, 0);
		ring_add(&r, &iov, 1, 0);
		eq(virtq_ready(&q), 2);
		ok(!virtq_wait(&q));
		eq(*r.avail_event, event ? 1 : 0);
		ring_add(&r, &iov, 1, 0);
		ok(virtq_wait(&q));
		ok(!virtq_wait(&q));
	}
}

/* The chain at descriptor 0 has fault @why; then the ring is not touched any more */
static void breaks(enum virtq_fault why)
{
	ring_offer(&r, 0);
	eq(virtq_take(&q, got, 64, &ch), -EPROTO);
	eq(q.fault, why);
	ok(!virtq_runs(&q));
	eq(virtq_take(&q, got, 64, &ch), 0);
	eq(virtq_ready(&q), 0);
	virtq_busy(&q);
	ok(!virtq_wait(&q) && !virtq_publish(&q));
	eq(r.used->flags, 0);
	eq(r.used->idx, 0);
}

static void test_chain_faults(void)
{
	uint64_t good = ring_gpa(data(0));

	test("head, or a next descriptor, beyond the table");
	start(0, VIRTQ_READ, 0);
	ring_offer(&r, SIZE);
	eq(virtq_take(&q, got, 64, &ch), -EPROTO);
	eq(q.fault, VIRTQ_HEAD);
	start(0, VIRTQ_READ, 0);
	ring_desc(&r, 0, good, 1, VRING_DESC_F_NEXT, SIZE);
	breaks(VIRTQ_HEAD);

	test("a chain that is a loop, of one, of many");
	start(0, VIRTQ_READ, 0);
	ring_desc(&r, 0, good, 1, VRING_DESC_F_NEXT, 0);
	breaks(VIRTQ_LONG);
	start(0, VIRTQ_READ, 0);
	for (unsigned i = 0; i < SIZE; i++)
		ring_desc(&r, i, good, 1, VRING_DESC_F_NEXT, (uint16_t)((i + 1) % SIZE));
	breaks(VIRTQ_LONG);

	test("an empty buffer: it would cost work, and fill nothing");
	start(0, VIRTQ_READ, 0);
	ring_desc(&r, 0, good, 1, VRING_DESC_F_NEXT, 1);
	ring_desc(&r, 1, good, 0, 0, 0);
	breaks(VIRTQ_EMPTY);

	test("a buffer of the other direction");
	start(0, VIRTQ_READ, 0);
	ring_desc(&r, 0, good, 1, VRING_DESC_F_WRITE, 0);
	breaks(VIRTQ_WAY);
	start(0, VIRTQ_WRITE, 0);
	ring_desc(&r, 0, good, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	ring_desc(&r, 1, good, 1, 0, 0);
	breaks(VIRTQ_WAY);

	test("a buffer outside of memory: before, behind, wrapping around");
	start(0, VIRTQ_READ, 0);
	ring_desc(&r, 0, RING_GPA - 1, 1, 0, 0);
	breaks(VIRTQ_ADDRESS);
	start(0, VIRTQ_READ, 0);
	ring_desc(&r, 0, RING_GPA + 2 * RING_ARENA - 1, 2, 0, 0);
	breaks(VIRTQ_ADDRESS);
	start(0, VIRTQ_READ, 0);
	ring_desc(&r, 0, UINT64_MAX, UINT32_MAX, 0, 0);
	breaks(VIRTQ_ADDRESS);
}

/* Descriptor 0 is an indirect table at @at, of one good descriptor but for @flags */
static void table(uint64_t features, uint64_t at, uint32_t len, uint16_t flags, uint16_t inner)
{
	struct vring_desc *t = (void *)data(0);

	start(0, VIRTQ_READ, features);
	memset(t, 0, 2048 * sizeof(*t));
	*t = (struct vring_desc){ .addr = ring_gpa(data(40)), .len = 1, .flags = inner };
	ring_desc(&r, 0, at, len, VRING_DESC_F_INDIRECT | flags, 1);
}

static void test_table_faults(void)
{
	uint64_t at = ring_gpa(data(0));

	test("an indirect table: not negotiated; followed by another descriptor; of no, half and too many entries; in another");
	table(0, at, 16, 0, 0);
	breaks(VIRTQ_TABLE);
	table(TABLES, at, 16, VRING_DESC_F_NEXT, 0);
	breaks(VIRTQ_TABLE);
	table(TABLES, at, 0, 0, 0);
	breaks(VIRTQ_TABLE);
	table(TABLES, at, 24, 0, 0);
	breaks(VIRTQ_TABLE);
	table(TABLES, at, (VIRTQ_MAX + 1) * 16, 0, 0);
	breaks(VIRTQ_TABLE);
	table(TABLES, at, 16, 0, VRING_DESC_F_INDIRECT);
	breaks(VIRTQ_TABLE);

	test("an indirect table outside of memory, or in two regions; its loops, and its end");
	table(TABLES, RING_GPA - 16, 16, 0, 0);
	breaks(VIRTQ_ADDRESS);
	table(TABLES, RING_GPA + RING_ARENA - 16, 32, 0, 0);
	breaks(VIRTQ_ADDRESS);
	table(TABLES, at, 16, 0, VRING_DESC_F_NEXT);
	breaks(VIRTQ_LONG);
	table(TABLES, at, VIRTQ_MAX * 16, 0, VRING_DESC_F_NEXT);
	((struct vring_desc *)(void *)data(0))->len = 0;
	breaks(VIRTQ_EMPTY);
	table(TABLES, at, 16, 0, VRING_DESC_F_NEXT);
	((struct vring_desc *)(void *)data(0))->next = 1;
	breaks(VIRTQ_HEAD);
}

static void test_index_faults(void)
{
	const struct iovec iov = buffer(0, 1);

	test("more available than the ring has, or an index that jumps back");
	start(0, VIRTQ_READ, 0);
	r.avail->idx = SIZE + 1;
	eq(virtq_take(&q, got, 64, &ch), -EPROTO);
	eq(q.fault, VIRTQ_INDEX);
	start(100, VIRTQ_READ, 0);
	r.avail->idx = 99;
	eq(virtq_ready(&q), 0);
	eq(q.fault, VIRTQ_INDEX);

	test("an index that goes back, though not behind what was taken");
	start(0, VIRTQ_READ, 0);
	r.avail->idx = 3;
	eq(virtq_ready(&q), 3);
	r.avail->idx = 2;
	ok(!virtq_wait(&q));
	eq(q.fault, VIRTQ_INDEX);

	test("the same, with chains that are in our hands");
	start(0, VIRTQ_READ, 0);
	ring_add(&r, &iov, 1, 0);
	eq(virtq_take(&q, got, 64, &ch), 1);
	r.avail->idx = SIZE;
	eq(virtq_ready(&q), SIZE - 1);
	r.avail->idx = SIZE + 1;
	eq(virtq_ready(&q), 0);
	eq(q.fault, VIRTQ_INDEX);
}

static void test_start(void)
{
	static const uint32_t sizes[] = { 0, 3, 7, 9, 1023, 2048, 32768, 65536, 0x80000000 };
	struct virtq_place p;

	test("sizes that a ring can't have");
	ring_memory();
	ring_init(&r, 0, SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		eq(virtq_start(&q, &ring_mem, &r.place, sizes[i], 0, VIRTQ_READ, 0), -EINVAL);
		ok(!virtq_runs(&q));
	}
	eq(virtq_start(&q, &ring_mem, &r.place, 1, 0, VIRTQ_READ, 0), 0);
	eq(virtq_start(&q, &ring_mem, &r.place, VIRTQ_MAX, 0, VIRTQ_READ, 0), 0);

	test("parts that are not aligned, not in memory, or end behind it");
	for (unsigned i = 0; i < 3; i++) {
		uint64_t *part = i == 0 ? &p.desc : i == 1 ? &p.avail : &p.used;

		for (unsigned k = 0; k < 3; k++) {
			p = r.place;
			*part = k == 0 ? *part + 1 : k == 1 ? RING_UVA - 64 : RING_UVA + RING_ARENA - 16;
			eq(virtq_start(&q, &ring_mem, &p, SIZE, 0, VIRTQ_READ, 0), -EINVAL);
		}
	}
	p = r.place;
	p.avail = RING_UVA + RING_ARENA - 4 - 2 * SIZE;	/* without the event's index: enough, unless negotiated */
	eq(virtq_start(&q, &ring_mem, &p, SIZE, 0, VIRTQ_READ, 0), 0);
	eq(virtq_start(&q, &ring_mem, &p, SIZE, 0, VIRTQ_READ, EVENT), -EINVAL);

	test("memory moves: the ring goes on, or stops where its memory went");
	start(0, VIRTQ_READ, 0);
	ok(used_more(3));
	memcpy(ring_arena.high, ring_arena.low, 4096);
	p = r.place;
	p.desc = ring_mem.region[1].uva;
	p.avail = p.desc + 16 * SIZE;
	p.used = p.desc + ROUND_UP(18UL * SIZE + 6, 64);
	eq(virtq_move(&q, &p), 0);
	eq(virtq_ready(&q), 0);
	((struct vring_avail *)(void *)(ring_arena.high + 16UL * SIZE))->idx++;
	eq(virtq_ready(&q), 1);
	ring_mem.n = 1;
	eq(virtq_move(&q, &p), -EINVAL);
	ok(!virtq_runs(&q));
}

static bool logged(const uint8_t *log, unsigned page)
{
	return log[page / 8] >> page % 8 & 1;
}

static void test_log(void)
{
	static uint8_t log[32];

	test("each write to the used ring is in the log of dirty pages, at the address given for it");
	for (unsigned event = 0; event < 2; event++) {
		start(0, VIRTQ_READ, event ? EVENT : 0);
		ring_mem.log = log;
		ring_mem.log_len = sizeof(log);
		q.logged = true;
		q.log = 8 * MEM_PAGE - 12;		/* second entry on the next page */
		memset(log, 0, sizeof(log));
		used_more(1);
		ok(logged(log, 7) && !logged(log, 8));
		used_more(1);
		ok(logged(log, 8));
		memset(log, 0, sizeof(log));
		virtq_busy(&q);
		virtq_wait(&q);
		ok(logged(log, event ? 8 : 7) && !logged(log, event ? 7 : 8));
	}
}

int main(void)
{
	test_order(0);
	test_order(65530);
	test_untake();
	test_indirect();
	test_regions();
	test_calls();
	test_kicks();
	test_chain_faults();
	test_table_faults();
	test_index_faults();
	test_start();
	test_log();
	return done();
}
