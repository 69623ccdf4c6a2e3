/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json.c - JSON (RFC 8259) in buffers that are there: a reader and a writer */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "util.h"

/* Reader: the check. Each function moves *@s behind what it took, up to @end, and is false if that is not there. */

static const char *skip_space(const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r'))
		s++;
	return s;
}

/* Four hexadecimal digits */
static bool take_hex(const char **s, const char *end, uint32_t *v)
{
	*v = 0;
	if (end - *s < 4)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		char c = *(*s)++, l = (char)(c | 0x20);

		if (!(c >= '0' && c <= '9') && !(l >= 'a' && l <= 'f'))
			return false;
		*v = *v << 4 | (uint32_t)(c <= '9' ? c - '0' : l - 'a' + 10);
	}
	return true;
}

/* What is behind a backslash: a character, two escapes of one outside the basic plane included */
static bool take_escape(const char **s, const char *end, uint32_t *c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	uint32_t low;

	if (*s == end)
		return false;
	if (**s != 'u') {
		at = memchr(from, **s, sizeof(from) - 1);
		if (!at)
			return false;
		*c = (uint8_t)to[at - from];
		(*s)++;
		return true;
	}
	(*s)++;
	if (!take_hex(s, end, c))
		return false;
	if (*c < 0xd800 || *c > 0xdfff)
		return true;
	if (*c > 0xdbff || end - *s < 2 || (*s)[0] != '\\' || (*s)[1] != 'u')
		return false;
	*s += 2;
	if (!take_hex(s, end, &low) || low < 0xdc00 || low > 0xdfff)
		return false;
	*c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

static bool take_string(const char **s, const char *end)
{
	uint32_t c;
	unsigned n;

	for ((*s)++; *s < end; *s += n) {
		n = utf8_len(*s, end);
		if (!n || (uint8_t)**s < 0x20)
			return false;
		if (**s == '"') {
			(*s)++;
			return true;
		}
		if (**s == '\\') {
			(*s)++;
			if (!take_escape(s, end, &c))
				return false;
			n = 0;
		}
	}
	return false;
}

static bool take_digits(const char **s, const char *end)
{
	const char *start = *s;

	while (*s < end && **s >= '0' && **s <= '9')
		(*s)++;
	return *s > start;
}

static bool take_number(const char **s, const char *end)
{
	const char *first;

	*s += **s == '-';
	first = *s;
	if (!take_digits(s, end) || (*first == '0' && *s - first > 1))
		return false;
	if (*s < end && **s == '.') {
		(*s)++;
		if (!take_digits(s, end))
			return false;
	}
	if (*s < end && (**s | 0x20) == 'e') {
		(*s)++;
		*s += *s < end && (**s == '+' || **s == '-');
		return take_digits(s, end);
	}
	return true;
}

static bool take_word(const char **s, const char *end, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(end - *s) < len || memcmp(*s, word, len))
		return false;
	*s += len;
	return true;
}

static bool take_value(const char **s, const char *end, unsigned depth);

/* An array or an object, from its bracket on */
static bool take_list(const char **s, const char *end, unsigned depth)
{
	bool object = **s == '{';
	char close = object ? '}' : ']';

	if (depth == JSON_DEPTH)
		return false;
	*s = skip_space(*s + 1, end);
	if (*s < end && **s == close) {
		(*s)++;
		return true;
	}
	while (*s < end) {
		if (object) {
			if (**s != '"' || !take_string(s, end))
				return false;
			*s = skip_space(*s, end);
			if (*s == end || *(*s)++ != ':')
				return false;
		}
		if (!take_value(s, end, depth + 1) || *s == end)
			return false;
		if (**s == close) {
			(*s)++;
			return true;
		}
		if (*(*s)++ != ',')
			return false;
		*s = skip_space(*s, end);
	}
	return false;
}

/* With white space around it. Recursion ends at JSON_DEPTH. */
static bool take_value(const char **s, const char *end, unsigned depth)
{
	bool ok;

	*s = skip_space(*s, end);
	if (*s == end)
		return false;
	switch (**s) {
	case '{':
	case '[':
		ok = take_list(s, end, depth);
		break;
	case '"':
		ok = take_string(s, end);
		break;
	case 't':
		ok = take_word(s, end, "true");
		break;
	case 'f':
		ok = take_word(s, end, "false");
		break;
	case 'n':
		ok = take_word(s, end, "null");
		break;
	default:
		ok = take_number(s, end);
	}
	*s = skip_space(*s, end);
	return ok;
}

bool json_read(const char *text, size_t len, struct json *v)
{
	const char *s = text, *end = text + len;

	if (!take_value(&s, end, 0) || s != end)
		return false;
	s = skip_space(text, end);
	while (strchr(" \t\r\n", end[-1]))
		end--;
	*v = (struct json){ s, end };
	return true;
}

/* Reader: parts of a text that was checked */

enum json_type json_type(const struct json *v)
{
	switch (*v->s) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
	case 'f':
		return JSON_BOOL;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

/* Where the value at @s ends */
static const char *value_end(const char *s, const char *end)
{
	unsigned depth = 0;

	do {
		if (*s == '"') {
			for (s++; *s != '"'; s++)
				s += *s == '\\';
			s++;
		} else if (*s == '[' || *s == '{') {
			depth++;
			s++;
		} else if (*s == ']' || *s == '}') {
			depth--;
			s++;
		} else if (depth) {
			s++;
		} else {
			while (s < end && !memchr(",]}: \t\r\n", *s, 8))
				s++;
		}
	} while (depth);
	return s;
}

/* The value at @in->s, and on to what is behind it */
static struct json value_at(struct json *in)
{
	struct json v = { in->s, value_end(in->s, in->end) };

	in->s = skip_space(v.end, in->end);
	return v;
}

/* On to the next element's or member's first byte: @in->s is at the opening bracket, a comma or the closing one */
static bool next_at(struct json *in)
{
	if (in->s == in->end || *in->s == ']' || *in->s == '}')
		return false;
	in->s = skip_space(in->s + 1, in->end);
	return *in->s != ']' && *in->s != '}';
}

bool json_next(struct json *in, struct json *v)
{
	if (!next_at(in))
		return false;
	*v = value_at(in);
	return true;
}

bool json_next_member(struct json *in, struct json *name, struct json *v)
{
	if (!next_at(in))
		return false;
	*name = value_at(in);
	in->s = skip_space(in->s + 1, in->end);		/* colon */
	*v = value_at(in);
	return true;
}

bool json_member(const struct json *v, const char *name, struct json *member)
{
	struct json in = *v, n;

	if (json_type(v) != JSON_OBJECT)
		return false;
	while (json_next_member(&in, &n, member)) {
		if (json_is(&n, name))
			return true;
	}
	return false;
}

bool json_get_bool(const struct json *v, bool *b)
{
	*b = *v->s == 't';
	return json_type(v) == JSON_BOOL;
}

bool json_get_int(const struct json *v, int64_t *n)
{
	bool minus = *v->s == '-';
	const char *s = v->s + minus;
	uint64_t u;

	if (json_type(v) != JSON_NUMBER || !parse_num(s, (size_t)(v->end - s), (uint64_t)INT64_MAX + minus, &u))
		return false;
	*n = (int64_t)(minus ? 0 - u : u);
	return true;
}

/* UTF-8 of @c into @out: bytes */
static unsigned utf8_put(char *out, uint32_t c)
{
	unsigned n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (unsigned i = n - 1; i; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	return n;
}

bool json_get_str(const struct json *v, char *buf, size_t size)
{
	size_t len = 0;

	if (json_type(v) != JSON_STRING)
		return false;
	for (const char *s = v->s + 1; *s != '"';) {
		char c[4];
		uint32_t esc;
		unsigned n = 1;

		c[0] = *s++;
		if (c[0] == '\\') {
			if (!take_escape(&s, v->end, &esc))
				return false;
			n = utf8_put(c, esc);
		}
		if (!c[0] || size - len <= n)
			return false;
		memcpy(buf + len, c, n);
		len += n;
	}
	if (len >= size)
		return false;
	buf[len] = '\0';
	return true;
}

bool json_is(const struct json *v, const char *s)
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

static void put_string(struct json_out *o, const char *s)
{
	const char *end = s + strlen(s);
	char esc[8];

	put(o, "\"", 1);
	while (s < end) {
		unsigned n = utf8_len(s, end);

		if (n && (uint8_t)*s >= 0x20 && *s != '"' && *s != '\\') {
			put(o, s, n);
		} else {
			snprintf(esc, sizeof(esc), "\\u%04x", n ? (unsigned)*s : 0xfffdU);
			put(o, esc, 6);
		}
		s += n ? n : 1;
	}
	put(o, "\"", 1);
}

/* What is in front of a value: a comma, unless it is the first, and the name */
static void put_name(struct json_out *o, const char *name)
{
	if (o->comma)
		put(o, ",", 1);
	o->comma = true;
	if (name) {
		put_string(o, name);
		put(o, ":", 1);
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
	char buf[24];
	int len = snprintf(buf, sizeof(buf), "%" PRIi64, n);

	put_name(o, name);
	put(o, buf, (size_t)len);
}

void json_bool(struct json_out *o, const char *name, bool b)
{
	put_name(o, name);
	put(o, b ? "true" : "false", b ? 4 : 5);
}

void json_str(struct json_out *o, const char *name, const char *s)
{
	put_name(o, name);
	put_string(o, s);
}

void json_nul(struct json_out *o)
{
	put(o, "", 1);
	o->comma = false;
}
