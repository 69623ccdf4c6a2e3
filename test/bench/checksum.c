/* SPDX-License-Identifier: GPL-2.0-or-later */
/* checksum.c - what a checksum costs, beside the copies that a byte takes anyway: GB/s, best of some runs
 *
 * Sizes are of a short segment, of one at MTU 1500, and of the largest. Each is hot in a cache: one buffer again and
 * again, or as many as make 512 KiB, in turn. The kernel's copies are of a UNIX stream socket, once in and once out.
 */
#include "../../checksum.c"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AREA		(512 << 10)
#define RUNS		9
#define RUN_NS		10000000

static uint8_t from[AREA + 64] __attribute__((aligned(4096))), to[AREA + 64] __attribute__((aligned(4096)));
static int pair[2];
static volatile uint64_t sink;

static void do_plain(size_t at, size_t len)
{
	sink += sum_plain(from + at, len);
}

#if CSUM_AVX2
static void do_avx2(size_t at, size_t len)
{
	sink += sum_avx2(from + at, len);
}
#endif

static void do_csum(size_t at, size_t len)
{
	sink += csum_add(from + at, len, 0);
}

static void do_copy(size_t at, size_t len)
{
	memcpy(to + at, from + at, len);
	__asm__ volatile ("" : : : "memory");
}

static void do_copy_csum(size_t at, size_t len)
{
	do_copy(at, len);
	sink += csum_add(to + at, len, 0);
}

static void do_socket(size_t at, size_t len)
{
	if (write(pair[0], from + at, len) != (ssize_t)len || read(pair[1], to + at, len) != (ssize_t)len)
		abort();
}

static void do_socket_csum(size_t at, size_t len)
{
	do_socket(at, len);
	sink += csum_add(to + at, len, 0);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Bytes per ns of @fn over pieces of @len, @stride apart and @start from an aligned address, @count of them in turn */
static double measure(void (*fn)(size_t at, size_t len), size_t len, size_t stride, size_t count, size_t start)
{
	double best = 0;

	for (unsigned run = 0; run < RUNS; run++) {
		double begin = now_ns(), t;
		size_t calls = 0;

		do {
			for (unsigned i = 0; i < 64; i++)
				fn(start + calls++ % count * stride, len);
			t = now_ns() - begin;
		} while (t < RUN_NS);
		best = MAX(best, (double)calls * (double)len / t);
	}
	return best;
}

int main(void)
{
	static const struct { const char *name; void (*fn)(size_t at, size_t len); } row[] = {
		{ "checksum, portable", do_plain },
#if CSUM_AVX2
		{ "checksum, AVX2", do_avx2 },
#endif
		{ "checksum, as called", do_csum }, { "memcpy", do_copy }, { "memcpy, checksum", do_copy_csum },
		{ "socket", do_socket }, { "socket, checksum", do_socket_csum },
	};
	static const struct { const char *name; size_t len, stride, count, start; } col[] = {
		{ "20", 20, 64, 1, 2 }, { "64", 64, 64, 1, 2 }, { "1460", 1460, 2048, 1, 2 },
		{ "1460 L2", 1460, 2048, 256, 2 },
		{ "65480", 65480, 65536, 1, 2 }, { "65480 L2", 65480, 65536, 8, 2 }, { "aligned", 65480, 65536, 1, 0 },
	};
	const int size = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)))
		return 1;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)random();
	printf("%-20s", "GB/s");
	for (unsigned j = 0; j < ARRAY_SIZE(col); j++)
		printf(" %9s", col[j].name);
	printf("\n");
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
#if CSUM_AVX2
		if (row[i].fn == do_avx2 && !__builtin_cpu_supports("avx2"))
			continue;
#endif
		printf("%-20s", row[i].name);
		for (unsigned j = 0; j < ARRAY_SIZE(col); j++) {
			printf(" %9.2f", measure(row[i].fn, col[j].len, col[j].stride, col[j].count, col[j].start));
			fflush(stdout);
		}
		printf("\n");
	}
	return 0;
}
