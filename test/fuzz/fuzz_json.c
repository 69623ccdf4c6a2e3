/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_json.c - a text that is JSON: taken apart and written anew, it is JSON, and taken apart again the same */

#include <stdlib.h>

#include "../../json.c"

#define CHECK(x)	do { if (!(x)) __builtin_trap(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char buf[2][1 << 16];

/* Writes @v anew. What can't be had by the interface becomes null. */
static void copy(struct json_out *o, const char *name, const struct json *v, unsigned depth)
{
	struct json in = *v, key, e;
	static char text[4096];
	char label[64];
	int64_t n;
	bool b;

	CHECK(v->s < v->end && depth <= JSON_DEPTH);
	switch (json_type(v)) {
	case JSON_BOOL:
		CHECK(json_get_bool(v, &b));
		json_bool(o, name, b);
		return;
	case JSON_NUMBER:
		if (!json_get_int(v, &n))
			break;
		json_int(o, name, n);
		return;
	case JSON_STRING:
		if (!json_get_str(v, text, sizeof(text)))
			break;
		json_str(o, name, text);
		return;
	case JSON_ARRAY:
		json_open(o, name, '[');
		while (json_next(&in, &e))
			copy(o, NULL, &e, depth + 1);
		json_close(o, ']');
		return;
	case JSON_OBJECT:
		json_open(o, name, '{');
		while (json_next_member(&in, &key, &e)) {
			CHECK(json_type(&key) == JSON_STRING);
			if (!json_get_str(&key, label, sizeof(label)))
				continue;
			CHECK(json_member(v, label, &key));
			copy(o, label, &e, depth + 1);
		}
		json_close(o, '}');
		return;
	case JSON_NULL:
		break;
	}
	json_int(o, name, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_out o[2] = { { .b = buf[0], .max = sizeof(buf[0]) }, { .b = buf[1], .max = sizeof(buf[1]) } };
	struct json v;

	if (size > 4096 || !json_read((const char *)data, size, &v))
		return 0;
	copy(&o[0], NULL, &v, 0);
	if (o[0].full)
		return 0;
	CHECK(json_read(buf[0], o[0].len, &v));
	copy(&o[1], NULL, &v, 0);
	CHECK(o[0].len == o[1].len && !memcmp(buf[0], buf[1], o[0].len));
	return 0;
}
