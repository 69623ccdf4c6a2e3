/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addresses.h - addresses as tables of tests have them */
#ifndef TEST_ADDRESSES_H
#define TEST_ADDRESSES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../addr.h"

/* The address with this text, of NULL "::"; the whole test ends if it is none */
static inline struct addr A(const char *s)
{
	struct addr a = addr_any6;

	if (s && !addr_parse(s, strlen(s), &a)) {
		printf("Bail out! bad address in a table: %s\n", s);
		exit(EXIT_FAILURE);
	}
	return a;
}

#endif /* TEST_ADDRESSES_H */
