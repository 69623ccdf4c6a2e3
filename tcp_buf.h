/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_buf.h - static pools of bytes: stash, from the guest to a full socket; blocks of queues behind gaps (tcp_gap.h);
 * keep, from a socket to the guest
 *
 * Stash: bytes from inside an advertised window that the socket did not take. A chain of blocks per flow, first in
 * first out. Room is promised (stash_promise()) before it is advertised, so that it is there when the bytes come.
 *
 * Keep: a short answer that was read off the socket's queue, until the guest acknowledges it.
 */
#ifndef TCP_BUF_H
#define TCP_BUF_H

#include "flow.h"

#define STASH_BLOCK	(16U << 10)
#define STASH_BLOCKS	3072U
#define STASH_FLOW	(64U << 10)	/* a flow is promised: one super-packet */
#define STASH_FAR	(4U << 20)	/* the same of a guest far away, as long as all that is more than STASH_FLOW */
#define STASH_FARS	(24U << 20)	/* is no more than this */
#define GAP_BLOCK	(16U << 10)
#define GAP_BLOCKS	1024U
#define KEEP_SIZE	2048U
#define KEEP_SLOTS	8192U

/* At the start: half of the stash is in equal shares, one for each place of several guests */
void stash_shares(unsigned places);

/* Promises a flow @want bytes in place of those so far, as far as the pool goes without others' shares. Return: bytes
 * promised
 */
uint32_t stash_promise(struct tcp *t, uint32_t want);

/* Appends up to @len bytes behind the first @skip of @iov. Return: bytes taken */
uint32_t stash_add(struct tcp *t, const struct iovec *iov, unsigned cnt, size_t skip, uint32_t len);

/* Oldest bytes, *@len of them, as up to @max iovecs. Return: number of these */
unsigned stash_iov(const struct tcp *t, struct iovec *iov, unsigned max, uint32_t *len);

/* Drops @n bytes at the front */
void stash_drop(struct tcp *t, uint32_t n);

/* All of a flow's bytes and promises back to the pools */
void stash_free(struct tcp *t);

/* Blocks of GAP_BLOCK bytes: how many are free; one of them, or POOL_NONE; its memory; back to the pool */
uint32_t block_left(void);
uint32_t block_get(void);
uint8_t *block_mem(uint32_t b);
void block_put(uint32_t b);

/* Takes a copy of @len <= KEEP_SIZE bytes; false if there is no slot free, or the flow has one already */
bool keep_store(struct tcp *t, const void *data, uint32_t len);
const uint8_t *keep_data(const struct tcp *t);
void keep_free(struct tcp *t);

/* Is there a slot? Bytes read off a queue without one would be lost */
bool keep_available(void);

#endif /* TCP_BUF_H */
