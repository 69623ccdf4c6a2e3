/* SPDX-License-Identifier: GPL-2.0-or-later */
/* draw.h - what tests draw at random, the same in every run */
#ifndef TEST_DRAW_H
#define TEST_DRAW_H

#include <stdint.h>

static uint64_t seed;

/* A number below @n; 0 if there is none */
static inline uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return n ? (uint32_t)((seed >> 32) % n) : 0;
}

/* The byte at @pos of stream @i */
static inline uint8_t pattern(unsigned i, uint64_t pos)
{
	return (uint8_t)((pos + i * 1000003ULL) * 0x9e3779b97f4a7c15ULL >> 56);
}

#endif /* TEST_DRAW_H */
