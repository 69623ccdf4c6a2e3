/* SPDX-License-Identifier: GPL-2.0-or-later */
/* checksum.h - Internet checksum (RFC 1071) over buffers and iovecs
 *
 * Sums are carried unfolded, in 64 bits, in the byte order of memory: partial sums of even-length pieces add up,
 * and csum_fold() gives the value to store as it stands.
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <string.h>

#include "addr.h"
#include "util.h"

/* Adds @len bytes at @buf, any alignment, to @sum. AVX2 where the processor has it. */
uint64_t csum_add(const void *buf, size_t len, uint64_t sum);

/* An IPv4 header without options */
static inline uint64_t csum_ip4(const uint8_t ip[static 20])
{
	uint32_t w[5];

	memcpy(w, ip, sizeof(w));
	return (uint64_t)w[0] + w[1] + w[2] + w[3] + w[4];
}

/* The same over @cnt buffers as if they were one, odd lengths included, up to @len bytes after @off */
uint64_t csum_iov(const struct iovec *iov, unsigned cnt, size_t off, size_t len, uint64_t sum);

/* Pseudo-header of RFC 793 and RFC 8200: both addresses of one family, protocol, transport length */
uint64_t csum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto, uint32_t l4_len);

/* Folded, not complemented: value of a partial checksum field */
uint16_t csum_fold(uint64_t sum);

/* Folded and complemented: value of a finished checksum field */
static inline uint16_t csum_finish(uint64_t sum)
{
	return (uint16_t)~csum_fold(sum);
}

#endif /* CHECKSUM_H */
