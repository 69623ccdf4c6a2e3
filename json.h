/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json.h - JSON (RFC 8259) in place: a reader and a writer, neither of which allocates
 *
 * json_read() checks a text once, as a whole. A value is a pointer to its first byte, in a text that was checked; NULL
 * is an absent value, of no type. The other functions get such values only, none malformed.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH	16		/* arrays and objects in each other */

enum json_type { JSON_NONE, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/**
 * json_read() - the value in a text, or NULL if the text is not one JSON value, with white space around it
 * @text:	@len bytes and a NUL, unchanged while a value in them is used
 *
 * Strict: UTF-8 without surrogates, no control characters in strings, no unpaired \u escapes, up to JSON_DEPTH levels.
 */
const char *json_read(const char *text, size_t len);

enum json_type json_type(const char *v);

/* Member of an object by its name, the first if there are several; NULL: none, or null */
const char *json_member(const char *v, const char *name);

/* First element of an array, or name of an object's first member; the next after an element, or after a member's value;
 * the value of a name. NULL: there is none.
 */
const char *json_first(const char *v);
const char *json_next(const char *v);
const char *json_value(const char *name);

/* False: another type; a number with fraction or exponent, or of more than 64 bits; a string with NUL in it, or too
 * long for @buf with its terminator
 */
bool json_get_bool(const char *v, bool *b);
bool json_get_int(const char *v, int64_t *n);
bool json_get_str(const char *v, char *buf, size_t size);

/* Bytes of a value's text, with white space behind it */
size_t json_len(const char *v);

/* Is @v this string? */
bool json_is(const char *v, const char *s);

/* Text in the making, commas included. A piece that doesn't fit sets @full, and is left out with all that follows. @len
 * may be set back to 0 at any time, to continue with an empty buffer.
 */
struct json_out {
	char		*b;
	size_t		len, max;
	bool		comma;		/* goes in front of the next value */
	bool		full;
};

/* @name: of a member, NULL in an array; @bracket: '{' or '[', '}' or ']' */
void json_open(struct json_out *o, const char *name, char bracket);
void json_close(struct json_out *o, char bracket);
void json_int(struct json_out *o, const char *name, int64_t n);
void json_bool(struct json_out *o, const char *name, bool b);

/* U+FFFD replaces each byte of @s that is no UTF-8 */
void json_str(struct json_out *o, const char *name, const char *s);

/* The same of the first @most bytes, if there are more */
void json_str_cut(struct json_out *o, const char *name, const char *s, size_t most);

/* The same, piece by piece: whole characters */
void json_str_open(struct json_out *o, const char *name);
void json_str_add(struct json_out *o, const char *s);
void json_str_close(struct json_out *o);

/* A value that is JSON */
void json_put(struct json_out *o, const char *name, const char *v, size_t len);

/* NUL, the end of a message */
void json_nul(struct json_out *o);

#endif /* JSON_H */
