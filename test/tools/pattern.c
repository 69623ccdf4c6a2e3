/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pattern.c - bytes that tell where they belong: a sequence that depends on its seed alone, from any position on */
#include "xfer.h"

/* splitmix64: word number @i of the sequence that starts with @seed */
static uint64_t word(uint64_t seed, uint64_t i)
{
	uint64_t z = seed + i * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

const uint8_t *pattern(uint64_t seed, uint64_t off, size_t len)
{
	static uint64_t buf[CHUNK / 8 + 2];
	uint64_t first = off / 8, last = (off + len + 7) / 8;

	for (uint64_t i = first; i < last; i++)
		buf[i - first] = word(seed, i);
	return (uint8_t *)buf + off % 8;
}

uint64_t pattern_seed(const char *name, unsigned which)
{
	uint64_t h = 0xcbf29ce484222325ULL + which;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3ULL;
	return h;
}
