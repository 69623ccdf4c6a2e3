/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mem.h - memory of a guest that is mapped here: addresses to pointers, and the log of pages that were written to
 *
 * A front end shares regions, each at a guest address and at an address of its own process. All functions but
 * mem_dirty() are pure. A pointer is valid until the next change of the regions; its bytes may change at any time.
 */
#ifndef MEM_H
#define MEM_H

#include <stddef.h>
#include <stdint.h>

#define MEM_REGIONS	64
#define MEM_PAGE	4096		/* bytes for each bit of the log: VHOST_LOG_PAGE */

struct mem_region {
	uint64_t	gpa;		/* guest address of its first byte */
	uint64_t	size;		/* bytes, at least one */
	uint64_t	uva;		/* the front end's address of its first byte */
	uint8_t		*at;		/* its first byte here */
	void		*map;		/* mapping that has it, for the owner of the mapping */
	size_t		map_len;
};

struct mem {
	struct mem_region	region[MEM_REGIONS];	/* by guest address, none overlaps another */
	unsigned		n;
	uint8_t			*log;		/* a bit for each page of guest memory, or NULL */
	uint64_t		log_len;	/* bytes */
};

/* One more region: 0, or -EINVAL: empty, or wraps around; -EEXIST: guest addresses overlap; -ENOSPC: no more fit */
int mem_add(struct mem *m, const struct mem_region *r);

/* Takes out the region with these three values, into @r: 0, or -ENOENT */
int mem_remove(struct mem *m, uint64_t gpa, uint64_t size, uint64_t uva, struct mem_region *r);

/* Pointer to guest address @gpa; *@len is cut at the end of its region. NULL: not mapped. */
void *mem_span(const struct mem *m, uint64_t gpa, uint64_t *len);

/* Pointer to @len bytes from guest address @gpa on, all in one region, or NULL */
void *mem_at(const struct mem *m, uint64_t gpa, uint64_t len);

/* The same by the front end's address, for rings */
void *mem_at_uva(const struct mem *m, uint64_t uva, uint64_t len);

/* Logs a write of @len bytes at guest address @gpa; the write comes first. Nothing without a log. */
void mem_dirty(const struct mem *m, uint64_t gpa, uint64_t len);

/* The same by pointer */
void mem_dirty_at(const struct mem *m, const void *at, size_t len);

#endif /* MEM_H */
