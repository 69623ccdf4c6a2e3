/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_json.c - a text that is JSON: taken apart and written anew, it is JSON, and taken apart again the same */

#include <stdlib.h>

#include "../../json.c"

#define CHECK(x)	do { if (!(x)) __builtin_trap(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char buf[2][1 << 16];

/* The first member of that name is had by it, but for null */
static bool found(const char *v, const char *name)
{
	const char *key = json_first(v), *m = json_member(v, name);

	while (key && !json_is(key, name))
		key = json_next(json_value(key));
	return key && (json_type(json_value(key)) == JSON_NULL ? !m : m == json_value(key));
}

/* Writes @v anew. What can't be had by the interface becomes null. */
static void copy(struct json_out *o, const char *name, const char *v, unsigned depth)
{
	static char text[4096];
	char label[64];
	int64_t n;
	bool b;

	CHECK(depth <= JSON_DEPTH);
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
		for (const char *e = json_first(v); e; e = json_next(e))
			copy(o, NULL, e, depth + 1);
		json_close(o, ']');
		return;
	case JSON_OBJECT:
		json_open(o, name, '{');
		for (const char *key = json_first(v); key; key = json_next(json_value(key))) {
			CHECK(json_type(key) == JSON_STRING);
			if (!json_get_str(key, label, sizeof(label)))
				continue;
			CHECK(found(v, label));
			copy(o, label, json_value(key), depth + 1);
		}
		json_close(o, '}');
		return;
	case JSON_NULL:
		break;
	case JSON_NONE:
		CHECK(false);
	}
	json_int(o, name, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_out o[2] = { { .b = buf[0], .max = sizeof(buf[0]) }, { .b = buf[1], .max = sizeof(buf[1]) } };
	char *text = malloc(size + 1);		/* a sanitizer sees a byte too many being read */
	size_t len = 0;

	memcpy(text, data, size);
	text[size] = '\0';
	if (size <= 4096 && json_read(text, size)) {
		copy(&o[0], NULL, json_read(text, size), 0);
		len = o[0].len;
		json_nul(&o[0]);
	}
	free(text);
	if (!o[0].len || o[0].full)
		return 0;
	CHECK(json_read(buf[0], len));
	copy(&o[1], NULL, json_read(buf[0], len), 0);
	CHECK(len == o[1].len && !memcmp(buf[0], buf[1], len));
	return 0;
}
