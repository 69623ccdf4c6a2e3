/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hellos.c - what a guest sends first: a ClientHello, or an HTTP request */
#include <stdio.h>
#include <string.h>

#include "../../util.h"
#include "hellos.h"

/* The next of @names, or NULL */
static const char *next(const char **names, size_t *len)
{
	const char *name = *names;

	if (!*name || !strcmp(name, "-"))
		return NULL;
	*len = strcspn(name, ",");
	*names += *len + (name[*len] == ',');
	return name;
}

/* RFC 8446 4.1.2, with an extension for server names (RFC 6066 3) and one for padding (RFC 7685) */
size_t hello_make(uint8_t *buf, const char *names, size_t len)
{
	static const uint8_t head[] = { 22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3 }, suites[] = { 0, 0, 2, 0x13, 1, 1, 0, 0, 0 };
	size_t n = sizeof(head), exts, ext, each;

	memcpy(buf, head, n);
	memset(buf + n, 0xa5, 32);
	n += 32;
	memcpy(buf + n, suites, sizeof(suites));
	exts = n += sizeof(suites);
	ext = n;
	for (const char *name; (name = next(&names, &each));) {
		if (n == ext) {
			memset(buf + n, 0, 6);
			n += 6;
		}
		buf[n] = 0;
		put_be16(buf + n + 1, (uint16_t)each);
		memcpy(buf + n + 3, name, each);
		n += 3 + each;
	}
	if (n != ext) {
		put_be16(buf + ext + 2, (uint16_t)(n - ext - 4));
		put_be16(buf + ext + 4, (uint16_t)(n - ext - 6));
	}
	if (len > n + 4) {
		memset(buf + n, 0, len - n);
		put_be16(buf + n, 21);
		put_be16(buf + n + 2, (uint16_t)(len - n - 4));
		n = len;
	}
	put_be16(buf + exts - 2, (uint16_t)(n - exts));
	put_be16(buf + 3, (uint16_t)(n - 5));
	put_be16(buf + 7, (uint16_t)(n - 9));
	return n;
}

size_t request_make(uint8_t *buf, const char *names, size_t len)
{
	char *text = (char *)buf;
	size_t n = (size_t)sprintf(text, "GET / HTTP/1.1\r\n"), each;

	for (const char *name; (name = next(&names, &each));)
		n += (size_t)sprintf(text + n, "Host: %.*s\r\n", (int)each, name);
	if (len > n + 8) {
		n += (size_t)sprintf(text + n, "X: ");
		memset(text + n, 'x', len - n - 4);
		n = len - 4;
		n += (size_t)sprintf(text + n, "\r\n");
	}
	return n + (size_t)sprintf(text + n, "\r\n");
}
