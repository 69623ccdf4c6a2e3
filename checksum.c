/* SPDX-License-Identifier: GPL-2.0-or-later */
/* checksum.c - Internet checksum (RFC 1071)
 *
 * The ones' complement sum of 16-bit words is the same, up to folding, if taken over 32-bit or 64-bit words with
 * end-around carry (RFC 1071 section 2), and in any byte order.
 *
 * Words of 64 bits are added up without their carries: s, modulo 2^64; so are their upper halves: h. The sum of the
 * lower halves is s - (h << 32), modulo 2^64 as well; below 16 GiB it is less than that, so the result is exact. That
 * takes an addition, a shift and an addition for each vector, fewer than to widen its halves, or to look for carries.
 */

#include <arpa/inet.h>
#include <string.h>

#include "checksum.h"

#if defined(__x86_64__) || defined(__i386__)
#define CSUM_AVX2	1
#else
#define CSUM_AVX2	0
#endif

/* At any address. Read once each, as a load that crosses a cache line is two: hence volatile */
typedef uint64_t vec2 __attribute__((vector_size(16)));
typedef const volatile vec2 __attribute__((aligned(1), may_alias)) vec2_from;
#if CSUM_AVX2
typedef uint64_t vec4 __attribute__((vector_size(32)));
typedef const volatile vec4 __attribute__((aligned(1), may_alias)) vec4_from;
#endif

#define PLAIN_STEP	(2 * sizeof(vec2))
#define AVX2_STEP	128		/* the vector variant doesn't pay below */

static uint64_t add_carry(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

static uint64_t sum_plain(const uint8_t *p, size_t len)
{
	uint64_t w, s = 0, h = 0;
	uint32_t quad = 0;
	uint16_t pair = 0, end;
	uint8_t last[2] = { 0 };

	if (len >= PLAIN_STEP) {
		vec2 s0 = { 0 }, s1 = { 0 }, h0 = { 0 }, h1 = { 0 };

		for (; len >= PLAIN_STEP; p += PLAIN_STEP, len -= PLAIN_STEP) {
			vec2_from *v = (const void *)p;
			vec2 v0 = v[0], v1 = v[1];

			s0 += v0;
			s1 += v1;
			h0 += v0 >> 32;
			h1 += v1 >> 32;
		}
		s0 += s1;
		h0 += h1;
		s = s0[0] + s0[1];
		h = h0[0] + h0[1];
	}
	for (; len >= sizeof(w); p += sizeof(w), len -= sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		s += w;
		h += w >> 32;
	}
	if (len & 4) {
		memcpy(&quad, p, 4);
		p += 4;
	}
	if (len & 2) {
		memcpy(&pair, p, 2);
		p += 2;
	}
	if (len & 1)
		last[0] = *p;
	memcpy(&end, last, 2);
	return s - (h << 32) + h + quad + pair + end;
}

#if CSUM_AVX2
__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *p, size_t len)
{
	vec4 s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 }, h0 = { 0 }, h1 = { 0 }, h2 = { 0 }, h3 = { 0 };
	uint64_t s, h;

	for (; len >= AVX2_STEP; p += AVX2_STEP, len -= AVX2_STEP) {
		vec4_from *v = (const void *)p;
		vec4 v0 = v[0], v1 = v[1], v2 = v[2], v3 = v[3];

		s0 += v0;
		s1 += v1;
		s2 += v2;
		s3 += v3;
		h0 += v0 >> 32;
		h1 += v1 >> 32;
		h2 += v2 >> 32;
		h3 += v3 >> 32;
	}
	s0 += s1 + s2 + s3;
	h0 += h1 + h2 + h3;
	s = s0[0] + s0[1] + s0[2] + s0[3];
	h = h0[0] + h0[1] + h0[2] + h0[3];
	__builtin_ia32_vzeroupper();	/* gcc 12 forgets it: each SSE instruction would wait for the one before */
	return s - (h << 32) + h + sum_plain(p, len);
}
#endif

uint64_t csum_add(const void *buf, size_t len, uint64_t sum)
{
	if (!len)
		return sum;
#if CSUM_AVX2
	if (len >= AVX2_STEP && __builtin_cpu_supports("avx2"))
		return add_carry(sum, sum_avx2(buf, len));
#endif
	return add_carry(sum, sum_plain(buf, len));
}

uint64_t csum_iov(const struct iovec *iov, unsigned cnt, size_t off, size_t len, uint64_t sum)
{
	bool odd = false;	/* the next byte is the second of its word */

	for (; cnt && len; iov++, cnt--) {
		size_t n;

		if (off >= iov->iov_len) {
			off -= iov->iov_len;
			continue;
		}
		n = MIN(iov->iov_len - off, len);
		if (odd)	/* RFC 1071 2(B): the sum of swapped words is the swapped sum */
			sum = add_carry(sum, __builtin_bswap16(csum_fold(csum_add((char *)iov->iov_base + off, n, 0))));
		else
			sum = csum_add((char *)iov->iov_base + off, n, sum);
		odd ^= n & 1;
		len -= n;
		off = 0;
	}
	return sum;
}

uint64_t csum_pseudo(const struct addr *src, const struct addr *dst, uint8_t proto, uint32_t l4_len)
{
	uint64_t sum = (uint64_t)htonl(l4_len) + htons(proto);

	for (unsigned i = addr_is_v4(src) ? 3 : 0; i < 4; i++)
		sum += (uint64_t)src->w[i] + dst->w[i];
	return sum;
}

uint16_t csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}
