/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hello.h - server names in the first bytes of a connection: a ClientHello of TLS, or the header of an HTTP request
 *
 * Readers without state of their own: bytes may come in any pieces, and are read from the first one on at each call.
 * What a strict server would refuse is refused here: a lenient one could find another name in it.
 */
#ifndef HELLO_H
#define HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_MAX	(16U << 10)	/* bytes of either, at most */
#define HELLO_NAME	254		/* bytes of a name, with its NUL: RFC 1035 2.3.4 */

enum hello_proto { HELLO_TLS, HELLO_HTTP };

enum hello_state {
	HELLO_MORE,			/* not whole yet, and fewer than HELLO_MAX bytes */
	HELLO_OTHER,			/* another protocol */
	HELLO_BAD,			/* malformed, of another version, or more than HELLO_MAX bytes */
	HELLO_WHOLE,
};

enum hello_kind {
	HELLO_NAME_NONE,		/* no more */
	HELLO_NAME_GOOD,
	HELLO_NAME_ADDRESS,		/* an address where a name may be, or an empty Host line */
	HELLO_NAME_BAD,			/* no name: a lenient server could make one of it */
};

struct span {
	const uint8_t	*p;
	size_t		len;
};

/* What is left to be read of a whole one */
struct hello {
	enum hello_proto proto;
	bool		begun;
	struct span	rest;		/* extensions, or lines */
	struct span	list;		/* the names of one extension */
};

/**
 * hello_read() - is it whole?
 * @p:		the first bytes of a connection, @len <= HELLO_MAX of them
 * @at:		0 at first, then as the last call left it: saves the work done so far
 * @h:		filled in if it is whole: refers to @p, and until the next call to a scratch buffer
 */
enum hello_state hello_read(enum hello_proto proto, const uint8_t *p, size_t len, uint16_t *at, struct hello *h);

/* The next one of all names in it. @name: HELLO_NAME bytes, filled in with a good one: ASCII in lower case, without
 * port and the root's dot
 */
enum hello_kind hello_name(struct hello *h, char *name);

#endif /* HELLO_H */
