/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mem_test.c - translation of a guest's addresses: all sets of small regions, all addresses and lengths around them
 *
 * The addresses are [BASE, BASE + SPACE), by turns around zero, in the middle, and up to the last one: a model has the
 * region of each of them.
 */
#include "../t.h"
#include "../../mem.c"

#define SPACE	7
#define REGIONS	3
#define PLACE	64		/* bytes here for each region: its own are in the middle of them */

static uint8_t here[REGIONS][PLACE];
static struct mem m;

static struct {
	int		owner[SPACE + 1];	/* region of each address, or -1; the last address is none's */
	struct mem_region r[REGIONS];
} model;

static struct mem_region region(unsigned i, uint64_t base, unsigned at, uint64_t size)
{
	return (struct mem_region){
		.gpa = base + at, .size = size, .uva = base + at + 1000 * (i + 1), .at = here[i] + PLACE / 2,
	};
}

/* Adds region @i: as the model expects? */
static bool add(unsigned i, uint64_t base, unsigned at, unsigned size)
{
	int want = !size || base + at + size < base + at ? -EINVAL : 0;

	model.r[i] = region(i, base, at, size);
	for (unsigned k = at; !want && k < at + size; k++)
		if (model.owner[k] >= 0)
			want = -EEXIST;
	for (unsigned k = at; !want && k < at + size; k++)
		model.owner[k] = (int)i;
	return mem_add(&m, &model.r[i]) == want;
}

/* Pointer of address @k in the model, and bytes from there to the end of its region */
static uint8_t *model_at(unsigned k, uint64_t *room)
{
	const struct mem_region *r;
	unsigned off;

	if (k >= SPACE || model.owner[k] < 0)
		return NULL;
	r = &model.r[model.owner[k]];
	for (off = 0; k > off && model.owner[k - off - 1] == model.owner[k]; off++)
		;
	*room = r->size - off;
	return r->at + off;
}

static bool looks_right(uint64_t base, unsigned k, uint64_t len)
{
	uint64_t room = 0, got = len;
	uint8_t *want = model_at(k, &room), *span = mem_span(&m, base + k, &got);
	bool good = span == want && (!want || got == MIN(len, room));
	const struct mem_region *r = want ? &model.r[model.owner[k]] : NULL;

	good &= mem_at(&m, base + k, len) == (len <= room ? want : NULL);
	if (r)
		good &= mem_at_uva(&m, r->uva + r->size - room, len) == (len <= room ? want : NULL);
	return good;
}

static void all_addresses(uint64_t base)
{
	static const uint64_t large[] = { UINT32_MAX, UINT64_MAX - 1, UINT64_MAX };
	bool good = true;

	for (unsigned k = 0; k <= SPACE; k++) {
		for (uint64_t len = 0; len <= SPACE + 1; len++)
			good &= looks_right(base, k, len);
		for (unsigned i = 0; i < ARRAY_SIZE(large); i++)
			good &= looks_right(base, k, large[i]);
	}
	ok(good);
}

/* Region @i and those behind it, everywhere and of every size */
static void all_sets(uint64_t base, unsigned i)
{
	if (i == REGIONS) {
		all_addresses(base);
		return;
	}
	for (unsigned at = 0; at < SPACE; at++)
		for (unsigned size = 0; at + size <= SPACE; size++) {
			const struct mem before = m;
			int owner[SPACE + 1];

			memcpy(owner, model.owner, sizeof(owner));
			ok(add(i, base, at, size));
			all_sets(base, i + 1);
			m = before;
			memcpy(model.owner, owner, sizeof(owner));
		}
}

static void test_all(const char *where, uint64_t base)
{
	test("all sets of %u regions in %u addresses %s", REGIONS, SPACE, where);
	memset(model.owner, 0xff, sizeof(model.owner));
	m = (struct mem){ 0 };
	all_sets(base, 0);
}

static void test_bounds(void)
{
	struct mem_region r = region(0, 0, 0, 1), out;
	uint64_t len = 1;

	test("no region at all: nothing is mapped");
	m = (struct mem){ 0 };
	ok(!mem_span(&m, 0, &len) && !mem_at(&m, 0, 0) && !mem_at_uva(&m, 0, 0));
	eq(mem_remove(&m, 0, 1, 0, &out), -ENOENT);

	test("a region that wraps around at the guest, at the front end, or here is refused");
	r.size = UINT64_MAX - r.gpa;
	r.uva = 1;
	eq(mem_add(&m, &r), -EINVAL);
	r = region(0, UINT64_MAX, 0, 1);
	eq(mem_add(&m, &r), -EINVAL);
	r = region(0, 0, 0, (uint64_t)0 - (uintptr_t)here[0]);
	r.uva = 0;
	eq(mem_add(&m, &r), -EINVAL);
	eq(m.n, 0);

	test("as many regions as there are places, in any order; the same again, and one more, are refused");
	for (unsigned i = 0; i < MEM_REGIONS; i++) {
		r = region(0, 0x1000, i * 37 % MEM_REGIONS * 16, 16);
		eq(mem_add(&m, &r), 0);
	}
	for (unsigned i = 1; i < MEM_REGIONS; i++)
		ok(m.region[i - 1].gpa + 16 == m.region[i].gpa);
	eq(mem_add(&m, &r), -EEXIST);
	r.gpa = 0;
	eq(mem_add(&m, &r), -ENOSPC);
	for (unsigned i = 0; i < MEM_REGIONS * 16; i++)
		ok(mem_at(&m, 0x1000 + i, 1) == here[0] + PLACE / 2 + i % 16);

	test("a region is removed by all three values, and only by them");
	r = m.region[5];
	eq(mem_remove(&m, r.gpa + 1, r.size, r.uva, &out), -ENOENT);
	eq(mem_remove(&m, r.gpa, r.size - 1, r.uva, &out), -ENOENT);
	eq(mem_remove(&m, r.gpa, r.size, r.uva + 1, &out), -ENOENT);
	eq(mem_remove(&m, 0, r.size, r.uva, &out), -ENOENT);
	eq(mem_remove(&m, r.gpa, r.size, r.uva, &out), 0);
	eq_mem(&out, &r, sizeof(r));
	eq(m.n, MEM_REGIONS - 1);
	ok(!mem_at(&m, r.gpa, 1) && !mem_at(&m, r.gpa + 15, 1) && mem_at(&m, r.gpa + 16, 1) &&
	   mem_at(&m, r.gpa - 1, 1));
}

static bool only_dirty(const uint8_t *log, size_t len, uint64_t from, uint64_t to)
{
	for (uint64_t page = 0; page < len * 8; page++)
		if (!!(log[page / 8] >> page % 8 & 1) != (page >= from && page <= to))
			return false;
	return true;
}

static void test_log(void)
{
	uint8_t log[10] = { 0 };		/* the last two are not the front end's */
	struct mem_region r = region(0, 0, 3, 16);

	test("a write marks its pages, to the byte");
	m = (struct mem){ 0 };
	mem_dirty(&m, 0, 1);
	m.log = log;
	m.log_len = 8;
	mem_dirty(&m, 3 * MEM_PAGE, 0);
	ok(only_dirty(log, 10, 1, 0));
	mem_dirty(&m, 3 * MEM_PAGE - 1, MEM_PAGE + 2);
	ok(only_dirty(log, 10, 2, 4));
	memset(log, 0, sizeof(log));
	mem_dirty(&m, 3 * MEM_PAGE, MEM_PAGE);
	ok(only_dirty(log, 10, 3, 3));

	test("pages beyond the log are not marked, nor are those of a write that wraps around");
	memset(log, 0, sizeof(log));
	mem_dirty(&m, 62 * MEM_PAGE, 10 * MEM_PAGE);
	ok(log[7] == 0xc0 && !log[8] && !log[9]);
	mem_dirty(&m, UINT64_MAX - 5, 10);
	mem_dirty(&m, UINT64_MAX, UINT64_MAX);
	ok(!log[0]);

	test("by pointer: the page of the guest's address");
	memset(log, 0, sizeof(log));
	r.gpa = 9 * MEM_PAGE - 1;
	eq(mem_add(&m, &r), 0);
	mem_dirty_at(&m, r.at - 1, 1);
	mem_dirty_at(&m, r.at + 16, 1);
	ok(only_dirty(log, 10, 1, 0));
	mem_dirty_at(&m, r.at + 1, 3);
	ok(only_dirty(log, 10, 9, 9));
}

int main(void)
{
	test_all("from zero on", 0);
	test_all("somewhere", 0x7fffffffcULL);
	test_all("at the end", (uint64_t)0 - SPACE);
	test_bounds();
	test_log();
	return done();
}
