/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json.c - JSON (RFC 8259) in place: a reader and a writer */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "util.h"

#define SPACE	" \t\n\r"

/* Reader. Each function moves *@s behind a thing, and is false if that is not there. None contains NUL, which so ends
 * all.
 */

static const char *skip_space(const char *s)
{
	return s + strspn(s, SPACE);
}

static bool take_word(const char **s, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*s, word, len))
		return false;
	*s += len;
	return true;
}

/* Four hexadecimal digits */
static bool take_hex(const char **s, uint32_t *v)
{
	char digits[5] = "";

	if (strspn(*s, "0123456789abcdefABCDEF") < 4)
		return false;
	memcpy(digits, *s, 4);
	*s += 4;
	*v = (uint32_t)strtoul(digits, NULL, 16);
	return true;
}

/* A character, from behind its backslash on; outside of the basic plane, it is two escapes */
static bool take_escape(const char **s, uint32_t *c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = memchr(from, **s, sizeof(from) - 1);
	uint32_t low;

	if (at) {
		(*s)++;
		*c = (uint8_t)to[at - from];
		return true;
	}
	if (!take_word(s, "u") || !take_hex(s, c))
		return false;
	if (*c < 0xd800 || *c > 0xdfff)
		return true;
	if (*c > 0xdbff || !take_word(s, "\\u") || !take_hex(s, &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* UTF-8 of @c into @out: number of bytes */
static unsigned utf8_put(char out[static 4], uint32_t c)
{
	unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (unsigned i = n - 1; i; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	return n;
}

/* A string, into @buf unless that is NULL: also false if it doesn't fit, or contains NUL */
static bool take_string(const char **s, char *buf, size_t size)
{
	size_t len = 0;

	for ((*s)++; **s != '"';) {
		const char *from = *s;
		unsigned n = utf8_len(from, from + 4);	/* reads no byte behind NUL */
		uint32_t c;
		char esc[4];

		if (!n || (uint8_t)*from < 0x20)
			return false;
		*s += n;
		if (*from == '\\') {
			if (!take_escape(s, &c))
				return false;
			n = utf8_put(esc, c);
			from = esc;
		}
		if (!buf)
			continue;
		if (!*from || size - len <= n)
			return false;
		memcpy(buf + len, from, n);
		len += n;
	}
	(*s)++;
	if (buf && len < size)
		buf[len] = '\0';
	return !buf || len < size;
}

static bool take_digits(const char **s)
{
	size_t n = strspn(*s, "0123456789");

	*s += n;
	return n;
}

static bool take_number(const char **s)
{
	const char *first;

	*s += **s == '-';
	first = *s;
	if (!take_digits(s) || (*first == '0' && *s - first > 1))
		return false;
	if (take_word(s, ".") && !take_digits(s))
		return false;
	if (!take_word(s, "e") && !take_word(s, "E"))
		return true;
	*s += **s == '+' || **s == '-';
	return take_digits(s);
}

static bool take_value(const char **s, unsigned depth);

/* An array or an object, from its bracket on */
static bool take_list(const char **s, unsigned depth)
{
	bool object = *(*s)++ == '{';
	const char *close = object ? "}" : "]";

	if (depth == JSON_DEPTH)
		return false;
	*s = skip_space(*s);
	if (take_word(s, close))
		return true;
	do {
		*s = skip_space(*s);
		if (object && (**s != '"' || !take_value(s, depth) || !take_word(s, ":")))
			return false;
		if (!take_value(s, depth + 1))
			return false;
	} while (take_word(s, ","));
	return take_word(s, close);
}

/* With white space around it. Recursion ends at JSON_DEPTH. */
static bool take_value(const char **s, unsigned depth)
{
	bool ok;

	*s = skip_space(*s);
	if (**s == '{' || **s == '[')
		ok = take_list(s, depth);
	else if (**s == '"')
		ok = take_string(s, NULL, 0);
	else
		ok = take_word(s, "true") || take_word(s, "false") || take_word(s, "null") || take_number(s);
	*s = skip_space(*s);
	return ok;
}

const char *json_read(const char *text, size_t len)
{
	const char *s = text;

	return take_value(&s, 0) && s == text + len ? skip_space(text) : NULL;
}

enum json_type json_type(const char *v)
{
	static const char first[] = "ntf\"[{";
	static const enum json_type type[] = {
		JSON_NULL, JSON_BOOL, JSON_BOOL, JSON_STRING, JSON_ARRAY, JSON_OBJECT, JSON_NONE,	/* NUL */
	};
	const char *at = v ? strchr(first, *v) : NULL;

	return !v ? JSON_NONE : at ? type[at - first] : JSON_NUMBER;
}

const char *json_first(const char *v)
{
	if (json_type(v) < JSON_ARRAY)
		return NULL;
	v = skip_space(v + 1);
	return *v == ']' || *v == '}' ? NULL : v;
}

const char *json_next(const char *v)
{
	take_value(&v, 0);
	return *v == ',' ? skip_space(v + 1) : NULL;
}

size_t json_len(const char *v)
{
	const char *end = v;

	take_value(&end, 0);
	return (size_t)(end - v);
}

const char *json_value(const char *name)
{
	take_value(&name, 0);
	return skip_space(name + 1);		/* colon */
}

const char *json_member(const char *v, const char *name)
{
	if (json_type(v) != JSON_OBJECT)
		return NULL;
	for (v = json_first(v); v; v = json_next(json_value(v))) {
		if (json_is(v, name))
			break;
	}
	v = v ? json_value(v) : NULL;
	return json_type(v) == JSON_NULL ? NULL : v;
}

bool json_get_bool(const char *v, bool *b)
{
	*b = v && *v == 't';
	return json_type(v) == JSON_BOOL;
}

bool json_get_int(const char *v, int64_t *n)
{
	bool minus = v && *v == '-';
	uint64_t u;

	if (json_type(v) != JSON_NUMBER ||
	    !parse_num(v + minus, strcspn(v + minus, ",]}" SPACE), (uint64_t)INT64_MAX + minus, &u))
		return false;
	*n = (int64_t)(minus ? 0 - u : u);
	return true;
}

bool json_get_str(const char *v, char *buf, size_t size)
{
	return json_type(v) == JSON_STRING && take_string(&v, buf, size);
}

bool json_is(const char *v, const char *s)
{
	char buf[64];

	return json_get_str(v, buf, sizeof(buf)) && !strcmp(buf, s);
}

/* Writer */

static void put(struct json_out *o, const char *s, size_t n)
{
	if (o->full || o->max - o->len < n) {
		o->full = true;
		return;
	}
	memcpy(o->b + o->len, s, n);
	o->len += n;
}

/* Bytes from @s on that stay as they are, most often all up to @end */
static size_t plain_len(const char *s, const char *end)
{
	const char *at = s;

	while (at < end && (uint8_t)(*at - 0x20) < 0x60 && *at != '"' && *at != '\\')
		at++;
	return (size_t)(at - s);
}

/* Text of a string, without its quotes */
static void put_text(struct json_out *o, const char *s, size_t len)
{
	const char *end = s + len;
	char esc[8];

	while (s < end) {
		size_t n = plain_len(s, end);

		n = n ? n : utf8_len(s, end);
		if (n && (uint8_t)*s >= 0x20 && *s != '"' && *s != '\\') {
			put(o, s, n);
		} else {
			snprintf(esc, sizeof(esc), "\\u%04x", n ? (unsigned)*s : 0xfffdU);
			put(o, esc, 6);
		}
		s += n ? n : 1;
	}
}

/* A comma, unless the value is the first, and its name */
static void put_name(struct json_out *o, const char *name)
{
	if (o->comma)
		put(o, ",", 1);
	o->comma = true;
	if (name) {
		put(o, "\"", 1);
		put_text(o, name, strlen(name));
		put(o, "\":", 2);
	}
}

void json_open(struct json_out *o, const char *name, char bracket)
{
	put_name(o, name);
	put(o, &bracket, 1);
	o->comma = false;
}

void json_close(struct json_out *o, char bracket)
{
	put(o, &bracket, 1);
	o->comma = true;
}

void json_int(struct json_out *o, const char *name, int64_t n)
{
	uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
	char buf[24], *end = buf + sizeof(buf), *at = end;

	do
		*--at = (char)('0' + u % 10);
	while (u /= 10);
	if (n < 0)
		*--at = '-';
	put_name(o, name);
	put(o, at, (size_t)(end - at));
}

void json_bool(struct json_out *o, const char *name, bool b)
{
	put_name(o, name);
	put(o, b ? "true" : "false", b ? 4 : 5);
}

void json_str(struct json_out *o, const char *name, const char *s)
{
	json_str_cut(o, name, s, strlen(s));
}

void json_str_cut(struct json_out *o, const char *name, const char *s, size_t most)
{
	json_str_open(o, name);
	put_text(o, s, strnlen(s, most));
	json_str_close(o);
}

void json_str_open(struct json_out *o, const char *name)
{
	put_name(o, name);
	put(o, "\"", 1);
}

void json_str_add(struct json_out *o, const char *s)
{
	put_text(o, s, strlen(s));
}

void json_str_close(struct json_out *o)
{
	put(o, "\"", 1);
}

void json_put(struct json_out *o, const char *name, const char *v, size_t len)
{
	put_name(o, name);
	put(o, v, len);
}

void json_nul(struct json_out *o)
{
	put(o, "", 1);
	o->comma = false;
}
