/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "../../checksum.c"
#include "../t.h"

#include <stdlib.h>

#define LEN_MAX		2048
#define ALIGN_MAX	64

static uint8_t mem[ALIGN_MAX + 65536 + 1] __attribute__((aligned(64)));

/* RFC 1071 word for word: 16-bit big-endian words, a zero byte behind an odd one; value as stored */
static uint16_t slow(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return htons((uint16_t)sum);
}

/* 0 and 0xffff are the same number in ones' complement; only a sum of nothing but zeroes is 0 */
static uint64_t (*const variant[])(const uint8_t *, size_t) = {
	sum_plain,
#if CSUM_AVX2
	sum_avx2,
#endif
};

static bool usable(unsigned v)
{
#if CSUM_AVX2
	return !v || __builtin_cpu_supports("avx2");
#else
	return !v;
#endif
}

static void fill(int how)
{
	for (size_t i = 0; i < sizeof(mem); i++)
		mem[i] = how < 0 ? (uint8_t)random() : (uint8_t)how;
}

static void test_variants(void)
{
	static const struct { const char *name; int how; } pattern[] = {
		{ "random", -1 }, { "all ones", 0xff }, { "zero", 0 }, { "all but one bit", 0xfe },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pattern); i++) {
		fill(pattern[i].how);
		test("L2-11 checksum: every alignment 0..63 and length 0..2048, each variant, %s", pattern[i].name);
		for (size_t align = 0; align < ALIGN_MAX; align++) {
			const uint8_t *p = mem + align;
			uint32_t want = 0;

			for (size_t len = 0; len <= LEN_MAX; len++) {
				uint16_t stored = htons((uint16_t)want);

				if (csum_fold(csum_add(p, len, 0)) != stored)
					eq(csum_fold(csum_add(p, len, 0)), stored);
				for (unsigned v = 0; v < ARRAY_SIZE(variant); v++) {
					if (usable(v) && csum_fold(variant[v](p, len)) != stored)
						eq(csum_fold(variant[v](p, len)), stored);
				}
				want += len & 1 ? p[len] : (uint32_t)p[len] << 8;
				want = (want & 0xffff) + (want >> 16);
			}
			ok(true);
		}
	}
}

static void test_carry(void)
{
	uint16_t want;

	test("checksum: carry out of 64 bits comes back in");
	fill(-1);
	want = csum_fold(csum_add(mem, 1000, 0));
	for (unsigned i = 0; i < 64; i++) {
		uint64_t ones = UINT64_MAX << i;	/* any sum to start from */
		uint16_t start = csum_fold(ones);
		uint8_t word[2];

		memcpy(word, &start, 2);
		eq(csum_fold(csum_add(mem, 1000, ones)),
		   slow(mem, 1000, (uint32_t)(word[0] << 8 | word[1])));
	}
	eq(csum_fold(csum_add(mem, 1000, UINT64_MAX)), want);
	eq(csum_add(mem, 0, 0x1234), 0x1234);

	test("checksum: 64 KiB of ones");
	fill(0xff);
	eq(csum_fold(csum_add(mem, 65535, 0)), slow(mem, 65535, 0));
	eq(csum_finish(csum_add(mem, 65536, 0)), 0);
	eq(csum_finish(0), 0xffff);
	for (unsigned v = 0; v < ARRAY_SIZE(variant); v++) {
		for (size_t len = 65536 - 300; usable(v) && len <= 65536; len++)
			eq(csum_fold(variant[v](mem + len % ALIGN_MAX, len)), slow(mem, len, 0));
	}
}

/* Both halves of the words differ by 2^32 - 1: whatever goes from one to the other shows */
static void test_halves(void)
{
	test("checksum: nothing passes from one half of a word to the other");
	for (unsigned half = 0; half < 2; half++) {
		for (size_t i = 0; i < sizeof(mem); i++)
			mem[i] = i % 8 / 4 == half ? 0xff : 0;
		for (size_t len = 0; len <= 65536; len += len < 1000 ? 1 : 1009) {
			for (unsigned v = 0; v < ARRAY_SIZE(variant); v++) {
				if (usable(v))
					eq(csum_fold(variant[v](mem, len)), slow(mem, len, 0));
			}
		}
	}

	test("checksum: largest packets, random bytes, each variant");
	fill(-1);
	for (size_t len = 65536 - 300; len <= 65536; len++) {
		uint16_t want = slow(mem + len % ALIGN_MAX, len, 0);

		eq(csum_fold(csum_add(mem + len % ALIGN_MAX, len, 0)), want);
		for (unsigned v = 0; v < ARRAY_SIZE(variant); v++) {
			if (usable(v))
				eq(csum_fold(variant[v](mem + len % ALIGN_MAX, len)), want);
		}
	}
}

static void test_iov(void)
{
	struct iovec iov[12];

	test("L2-11 checksum: any split into buffers, odd ones and empty ones included, any part of it");
	fill(-1);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned cnt = 1 + (unsigned)random() % ARRAY_SIZE(iov);
		size_t max = random() % 4 ? 9 : 700, total = 0, off, len;
		uint8_t flat[12 * 700];

		for (unsigned i = 0; i < cnt; i++) {
			iov[i].iov_len = (size_t)random() % max;
			iov[i].iov_base = mem + random() % (65536 - 700);
			memcpy(flat + total, iov[i].iov_base, iov[i].iov_len);
			total += iov[i].iov_len;
		}
		off = (size_t)random() % (total + 3);
		len = (size_t)random() % (total + 3);
		if (off > total)
			eq(csum_iov(iov, cnt, off, len, 0), 0);
		else
			eq(csum_fold(csum_iov(iov, cnt, off, len, 0)), slow(flat + off, MIN(len, total - off), 0));
	}
	eq(csum_iov(NULL, 0, 0, 5, 77), 77);

	test("checksum: a sum to start from is kept, whatever the split");
	for (size_t at = 0; at < 100; at++) {
		iov[0] = (struct iovec){ mem + 1, at };
		iov[1] = (struct iovec){ mem + 1 + at, 100 - at };
		eq(csum_fold(csum_iov(iov, 2, 0, 100, UINT64_MAX - 5)),
		   csum_fold(csum_add(mem + 1, 100, UINT64_MAX - 5)));
	}
}

static void test_headers(void)
{
	/* IPv4: 192.0.2.1 > 198.51.100.7, UDP, 8 + 5 bytes: ports 1234 and 53, "hello" */
	static const uint8_t pseudo4[] = { 192, 0, 2, 1, 198, 51, 100, 7, 0, 17, 0, 13 };
	/* 2001:db8::1 > fe80::2, TCP, 70000 bytes (RFC 8200 8.1: 32 bits of length) */
	static const uint8_t pseudo6[] = {
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
		0, 1, 0x11, 0x70, 0, 0, 0, 6,
	};
	/* IPv4 header of a well-known example: checksum b861 at byte 10 */
	static const uint8_t header[] = {
		0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61,
		0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7,
	};
	struct addr a, b;

	test("checksum: pseudo-headers");
	a = addr_from_bytes(pseudo4, true);
	b = addr_from_bytes(pseudo4 + 4, true);
	eq(csum_fold(csum_pseudo(&a, &b, 17, 13)), slow(pseudo4, sizeof(pseudo4), 0));
	a = addr_from_bytes(pseudo6, false);
	b = addr_from_bytes(pseudo6 + 16, false);
	eq(csum_fold(csum_pseudo(&a, &b, 6, 70000)), slow(pseudo6, sizeof(pseudo6), 0));

	test("checksum: an IPv4 header");
	eq(csum_finish(csum_add(header, sizeof(header), 0)), 0);
	eq(csum_finish(csum_add(header + 12, 8, csum_add(header, 10, 0))), htons(0xb861));
}

int main(void)
{
	srandom(1071);
	test_variants();
	test_carry();
	test_halves();
	test_iov();
	test_headers();
	return done();
}
