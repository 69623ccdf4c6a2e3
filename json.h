/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json.h - JSON (RFC 8259) in buffers that are there: a reader and a writer, neither of which allocates
 *
 * A text is checked once, as a whole, by json_read(). What hands out parts of it afterwards can't meet anything that is
 * malformed, and has no error but "not there" and "not of this type".
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH	16		/* arrays and objects in each other */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A value in a text that was checked, without white space around it; or, for json_next(), where in it one is */
struct json {
	const char	*s, *end;
};

/**
 * json_read() - is this one JSON value, with nothing but white space around it?
 * @text:	@len bytes, which stay where they are for as long as the value is used
 *
 * Strict: UTF-8 without surrogates, no control characters in strings, no unpaired \u escapes, at most JSON_DEPTH levels.
 */
bool json_read(const char *text, size_t len, struct json *v);

enum json_type json_type(const struct json *v);

/* Member of an object by its name, the first if there are several; false if there is none, or @v is no object */
bool json_member(const struct json *v, const char *name, struct json *member);

/* Next element of an array, or value of an object's member and its name; @in starts as a copy of the array or object */
bool json_next(struct json *in, struct json *v);
bool json_next_member(struct json *in, struct json *name, struct json *v);

/* Each is false if @v is of another type, or can't be had: an integer of 64 bits, without fraction or exponent; a string
 * that fits @buf, terminator included, and has no NUL in it
 */
bool json_get_bool(const struct json *v, bool *b);
bool json_get_int(const struct json *v, int64_t *n);
bool json_get_str(const struct json *v, char *buf, size_t size);

/* Is @v this string? */
bool json_is(const struct json *v, const char *s);

/* Text that is written, commas included. What does not fit sets @full, and is left out, as is all that comes after. @len may
 * be set back to 0 at any time, to go on with the buffer empty.
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

/* What is not UTF-8 in @s is replaced, byte by byte, by U+FFFD */
void json_str(struct json_out *o, const char *name, const char *s);

/* NUL, the end of a message */
void json_nul(struct json_out *o);

#endif /* JSON_H */
