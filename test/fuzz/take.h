/* SPDX-License-Identifier: GPL-2.0-or-later */
/* take.h - an input that is read from the front: zeros behind its end */
#ifndef TAKE_H
#define TAKE_H

#include <stddef.h>
#include <stdint.h>

static const uint8_t *in;
static size_t in_left;

/* The next bytes, at most four, as a number in network order */
static inline uint32_t take(unsigned bytes)
{
	uint32_t v = 0;

	for (; bytes; bytes--) {
		v = v << 8 | (in_left ? *in : 0);
		in += in_left > 0;
		in_left -= in_left > 0;
	}
	return v;
}

#endif /* TAKE_H */
