/* SPDX-License-Identifier: GPL-2.0-or-later */
/* messages.h - DNS messages from text: "1234 0100 0001 0000 0000 0000 =www.example.com 0001 0001"
 *
 * Words are bytes in hexadecimal; "=NAME" the labels of a name and the root's; "+NAME" labels without that; "@0c" a
 * pointer to that offset; "(" the length of all up to ")", in two bytes.
 */
#ifndef TEST_MESSAGES_H
#define TEST_MESSAGES_H

#include <stdlib.h>
#include <string.h>

#include "../util.h"

static inline unsigned message_labels(const char *s, size_t len, bool root, uint8_t *b)
{
	unsigned n = 0;

	for (const char *end = s + len; s < end;) {
		size_t label = strcspn(s, ". )");

		b[n++] = (uint8_t)label;
		memcpy(b + n, s, label);
		n += (unsigned)label;
		s += label + 1;
	}
	if (root)
		b[n++] = 0;
	return n;
}

static inline size_t message(const char *s, uint8_t *b)
{
	size_t n = 0, open = 0;

	while (*s) {
		size_t len = strcspn(s, " )");
		char digits[3] = { s[0], s[0] ? s[1] : '\0', '\0' };

		if (*s == ' ') {
			s++;
		} else if (*s == '=' || *s == '+') {
			n += message_labels(s + 1, len - 1, *s == '=', b + n);
			s += len;
		} else if (*s == '@') {
			put_be16(b + n, (uint16_t)(0xc000 | strtoul(s + 1, NULL, 16)));
			n += 2;
			s += len;
		} else if (*s == '(') {
			open = n;
			n += 2;
			s++;
		} else if (*s == ')') {
			put_be16(b + open, (uint16_t)(n - open - 2));
			s++;
		} else {
			b[n++] = (uint8_t)strtoul(digits, NULL, 16);
			s += 2;
		}
	}
	return n;
}

#endif /* TEST_MESSAGES_H */
