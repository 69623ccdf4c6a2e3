/* SPDX-License-Identifier: GPL-2.0-or-later */
/* checksum.c - Internet checksum (RFC 1071)
 *
 * The ones' complement sum of 16-bit words is the same, up to folding, if taken over 32-bit or 64-bit words with
 * end-around carry (RFC 1071 section 2), and in any byte order. Both variants add 32-bit words into 64-bit lanes,
 * which cannot overflow below 16 GiB.
 */

#include <arpa/inet.h>
#include <string.h>

#include "checksum.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#define CSUM_AVX2	1
#else
#define CSUM_AVX2	0
#endif

#define AVX2_MIN	128	/* bytes from which the vector variant pays */

static uint64_t add_carry(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

static uint64_t sum_plain(const uint8_t *p, size_t len)
{
	uint64_t w, a = 0, b = 0;
	uint8_t tail[8] = { 0 };

	for (; len >= 16; p += 16, len -= 16) {
		memcpy(&w, p, 8);
		a += (uint32_t)w + (w >> 32);
		memcpy(&w, p + 8, 8);
		b += (uint32_t)w + (w >> 32);
	}
	if (len >= 8) {
		memcpy(&w, p, 8);
		a += (uint32_t)w + (w >> 32);
		p += 8;
		len -= 8;
	}
	memcpy(tail, p, len);
	memcpy(&w, tail, 8);
	return a + b + (uint32_t)w + (w >> 32);
}

#if CSUM_AVX2
__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *p, size_t len)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i a = zero, b = zero, c = zero, d = zero;
	uint64_t lane[4];

	for (; len >= 64; p += 64, len -= 64) {
		__m256i x = _mm256_loadu_si256((const void *)p);
		__m256i y = _mm256_loadu_si256((const void *)(p + 32));

		a = _mm256_add_epi64(a, _mm256_unpacklo_epi32(x, zero));
		b = _mm256_add_epi64(b, _mm256_unpackhi_epi32(x, zero));
		c = _mm256_add_epi64(c, _mm256_unpacklo_epi32(y, zero));
		d = _mm256_add_epi64(d, _mm256_unpackhi_epi32(y, zero));
	}
	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	_mm256_storeu_si256((void *)lane, a);
	return lane[0] + lane[1] + lane[2] + lane[3] + sum_plain(p, len);
}
#endif

uint64_t csum_add(const void *buf, size_t len, uint64_t sum)
{
	if (!len)
		return sum;
#if CSUM_AVX2
	if (len >= AVX2_MIN && __builtin_cpu_supports("avx2"))
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
	bool v4 = addr_is_v4(src);
	size_t skip = v4 ? 12 : 0;
	uint64_t sum;

	sum = csum_add(src->b + skip, sizeof(src->b) - skip, (uint64_t)htonl(l4_len) + htons(proto));
	return csum_add(dst->b + skip, sizeof(dst->b) - skip, sum);
}

uint16_t csum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + (sum & 0xffff));
}
