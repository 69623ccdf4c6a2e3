/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_hello.c - first bytes of a connection: byte by byte they are judged as at once, but that malformed ones may be
 * found so later; and names are names
 *
 * The first byte of an input is the protocol, the rest is read.
 */
#include <stdlib.h>
#include <string.h>

#include "../../hello.c"

#define CHECK(x)	do { if (!(x)) __builtin_trap(); } while (0)
#define EACH		256		/* bytes that are looked at one by one */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(struct hello *h)
{
	char name[HELLO_NAME];

	enum hello_kind kind;

	while ((kind = hello_name(h, name))) {
		size_t len = kind == HELLO_NAME_GOOD ? strnlen(name, sizeof(name)) : 0;

		CHECK(len < sizeof(name));
		CHECK(kind != HELLO_NAME_GOOD || (len && name[len - 1] != '.'));
		for (size_t i = 0; i < len; i++)
			CHECK(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", name[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum hello_proto proto = size && data[0] & 1 ? HELLO_HTTP : HELLO_TLS;
	size_t len = MIN(size - !!size, HELLO_MAX), n;
	uint8_t *copy = malloc(len + !len);	/* a sanitizer sees a byte too many being read */
	enum hello_state state, piece = HELLO_MORE;
	uint16_t at = 0;
	struct hello h;

	if (len)
		memcpy(copy, data + 1, len);
	for (n = len > EACH ? len - EACH : 0; n <= len && piece == HELLO_MORE; n++) {
		uint16_t fresh = 0;

		piece = hello_read(proto, copy, n, &at, &h);
		CHECK(piece != HELLO_MORE || (at && at <= HELLO_MAX) || !n || proto == HELLO_HTTP);
		state = hello_read(proto, copy, n, &fresh, &h);
		CHECK(state == piece || (piece == HELLO_MORE && state == HELLO_BAD));
	}
	at = 0;
	state = hello_read(proto, copy, len, &at, &h);
	CHECK(state == piece || (piece == HELLO_MORE && state == HELLO_BAD));
	if (state == HELLO_WHOLE)
		check_names(&h);
	free(copy);
	return 0;
}
