/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mem.c - memory of a guest: translation of addresses, log of dirty pages */
#include <errno.h>
#include <string.h>

#include "mem.h"
#include "util.h"

/* Does [@start, @start + @size) wrap around, or reach the last address, behind which is none? */
static bool wraps(uint64_t start, uint64_t size)
{
	return start + size < start;
}

/* Number of regions that start at @gpa or below */
static unsigned rank(const struct mem *m, uint64_t gpa)
{
	unsigned from = 0, to = m->n;

	while (from < to) {
		unsigned mid = (from + to) / 2;

		if (m->region[mid].gpa <= gpa)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

int mem_add(struct mem *m, const struct mem_region *r)
{
	unsigned i = rank(m, r->gpa);

	if (!r->size || wraps(r->gpa, r->size) || wraps(r->uva, r->size) || wraps((uintptr_t)r->at, r->size))
		return -EINVAL;
	if (i && r->gpa - m->region[i - 1].gpa < m->region[i - 1].size)
		return -EEXIST;
	if (i < m->n && m->region[i].gpa - r->gpa < r->size)
		return -EEXIST;
	if (m->n == MEM_REGIONS)
		return -ENOSPC;

	memmove(&m->region[i + 1], &m->region[i], (m->n - i) * sizeof(m->region[0]));
	m->region[i] = *r;
	m->n++;
	return 0;
}

int mem_remove(struct mem *m, uint64_t gpa, uint64_t size, uint64_t uva, struct mem_region *r)
{
	unsigned i = rank(m, gpa);

	if (!i--)
		return -ENOENT;
	*r = m->region[i];
	if (r->gpa != gpa || r->size != size || r->uva != uva)
		return -ENOENT;
	m->n--;
	memmove(&m->region[i], &m->region[i + 1], (m->n - i) * sizeof(m->region[0]));
	return 0;
}

void *mem_span(const struct mem *m, uint64_t gpa, uint64_t *len)
{
	unsigned i = rank(m, gpa);
	const struct mem_region *r;

	if (!i)
		return NULL;
	r = &m->region[i - 1];
	if (gpa - r->gpa >= r->size)
		return NULL;
	*len = MIN(*len, r->size - (gpa - r->gpa));
	return r->at + (gpa - r->gpa);
}

void *mem_at(const struct mem *m, uint64_t gpa, uint64_t len)
{
	uint64_t have = len;
	void *at = mem_span(m, gpa, &have);

	return have == len ? at : NULL;
}

void *mem_at_uva(const struct mem *m, uint64_t uva, uint64_t len)
{
	for (const struct mem_region *r = m->region; r < m->region + m->n; r++) {
		uint64_t off = uva - r->uva;

		if (off < r->size && len <= r->size - off)
			return r->at + off;
	}
	return NULL;
}

/* Bits are set in one go: the front end clears them at the same time */
void mem_dirty(const struct mem *m, uint64_t gpa, uint64_t len)
{
	if (!m->log || !len || wraps(gpa, len))
		return;
	for (uint64_t page = gpa / MEM_PAGE; page <= (gpa + len - 1) / MEM_PAGE && page / 8 < m->log_len; page++)
		__atomic_fetch_or(&m->log[page / 8], (uint8_t)(1U << (page % 8)), __ATOMIC_RELEASE);
}

void mem_dirty_at(const struct mem *m, const void *at, size_t len)
{
	for (const struct mem_region *r = m->region; m->log && r < m->region + m->n; r++) {
		uint64_t off = (uintptr_t)at - (uintptr_t)r->at;

		if ((uintptr_t)at >= (uintptr_t)r->at && off < r->size) {
			mem_dirty(m, r->gpa + off, len);
			return;
		}
	}
}
