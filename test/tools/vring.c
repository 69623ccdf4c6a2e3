/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vring.c - the driver's side of a split virtqueue */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vring.h"

#define PAGE		4096UL

static size_t pages(size_t n)
{
	return (n + PAGE - 1) & ~(PAGE - 1);
}

/* avail and used have an event index behind them (2.7.10) */
static size_t desc_bytes(unsigned size)  { return pages(size * sizeof(struct vring_desc)); }
static size_t avail_bytes(unsigned size) { return pages(6 + 2UL * size); }
static size_t used_bytes(unsigned size)  { return pages(6 + 8UL * size); }

size_t ring_bytes(unsigned size)
{
	return desc_bytes(size) * (1 + RING_PIECES) + avail_bytes(size) + used_bytes(size);
}

void ring_init(struct ring *r, unsigned size, char *mem, uint64_t gpa, char *at, bool event_idx, bool indirect)
{
	memset(at, 0, ring_bytes(size));
	*r = (struct ring){
		.size = size, .event_idx = event_idx, .indirect = indirect, .mem = mem, .gpa = gpa,
		.kick = -1, .call = -1, .nfree = (uint16_t)size,
	};
	r->desc = (void *)at;
	at += desc_bytes(size);
	r->avail = (void *)at;
	at += avail_bytes(size);
	r->used = (void *)at;
	at += used_bytes(size);
	r->table = (void *)at;
	for (unsigned i = 0; i < size; i++)
		r->desc[i].next = (uint16_t)(i + 1);
}

static uint16_t *used_event(struct ring *r)
{
	return &r->avail->ring[r->size];
}

static uint16_t avail_event(const struct ring *r)
{
	const volatile void *p = &r->used->ring[r->size];

	return *(const volatile uint16_t *)p;
}

static uint64_t address(const struct ring *r, const void *p)
{
	return r->gpa + (uint64_t)((const char *)p - r->mem);
}

bool ring_add(struct ring *r, uint16_t token, const char *buf, size_t len, size_t piece, bool write)
{
	uint16_t n = (uint16_t)((len + piece - 1) / piece), flag = write ? VRING_DESC_F_WRITE : 0;
	bool indirect = r->indirect && n > 1;
	uint16_t head = r->free, at = head, need = indirect ? 1 : n;
	struct vring_desc *table = &r->table[(size_t)head * RING_PIECES];

	if (r->nfree < need || n > RING_PIECES)
		return false;
	for (uint16_t i = 0; i < n; i++) {
		struct vring_desc *d = indirect ? &table[i] : &r->desc[at];
		size_t off = i * piece;

		d->addr = address(r, buf + off);
		d->len = (uint32_t)(len - off < piece ? len - off : piece);
		d->flags = flag | (i + 1 < n ? VRING_DESC_F_NEXT : 0);
		if (indirect)
			d->next = (uint16_t)(i + 1);
		else
			at = d->next;
	}
	if (indirect) {
		r->desc[head].addr = address(r, table);
		r->desc[head].len = (uint32_t)(n * sizeof(*table));
		r->desc[head].flags = VRING_DESC_F_INDIRECT;
		at = r->desc[head].next;
	}
	r->free = at;
	r->nfree = (uint16_t)(r->nfree - need);
	r->token[head] = token;
	r->pieces[head] = need;
	r->avail->ring[r->next_avail % r->size] = head;
	__atomic_store_n(&r->avail->idx, ++r->next_avail, __ATOMIC_RELEASE);
	return true;
}

void ring_kick(struct ring *r)
{
	uint16_t old = r->kicked;
	const uint64_t one = 1;
	bool wanted;

	if (old == r->next_avail)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wanted = r->event_idx ? vring_need_event(avail_event(r), r->next_avail, old) :
				!(*(volatile uint16_t *)&r->used->flags & VRING_USED_F_NO_NOTIFY);
	r->kicked = r->next_avail;
	if (wanted) {
		r->kicks++;
		if (write(r->kick, &one, sizeof(one)) < 0 && errno != EAGAIN)
			abort();
	}
}

int ring_get(struct ring *r, uint32_t *len)
{
	const volatile struct vring_used_elem *e = &r->used->ring[r->last_used % r->size];
	uint16_t idx = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE), last;
	uint32_t head;

	if (idx == r->last_used)
		return -1;
	head = e->id;
	*len = e->len;
	if ((uint16_t)(idx - r->last_used) > ring_outstanding(r) || head >= r->size || !r->pieces[head]) {
		fprintf(stderr, "%s: used index %u, buffer %u: not with the device\n", program_invocation_short_name,
			idx, head);
		exit(3);
	}
	r->last_used++;
	last = (uint16_t)head;
	for (unsigned i = 1; i < r->pieces[head]; i++)
		last = r->desc[last].next;
	r->desc[last].next = r->free;
	r->free = (uint16_t)head;
	r->nfree = (uint16_t)(r->nfree + r->pieces[head]);
	r->pieces[head] = 0;
	return r->token[head];
}

bool ring_want(struct ring *r, uint16_t n)
{
	uint16_t at = (uint16_t)(r->last_used + (n ? n - 1 : 0x7fff));

	if (r->event_idx)
		*(volatile uint16_t *)used_event(r) = at;
	else
		*(volatile uint16_t *)&r->avail->flags = n ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !n || (uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - r->last_used) < n;
}
