/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_test.c - which texts are JSON (RFC 8259), what is in them, and what is written */

#include "../t.h"
#include "../../json.c"

/* @text may have NUL in it: @len if it is not 0 */
static const struct {
	const char	*what, *text;
	bool		good;
	size_t		len;
} texts[] = {
	{ "null", "null", true, 0 },
	{ "true", "true", true, 0 },
	{ "false", "false", true, 0 },
	{ "white space around a value", " \t\r\n0\n", true, 0 },
	{ "empty", "", false, 0 },
	{ "white space alone", " \n", false, 0 },
	{ "half a word", "nul", false, 0 },
	{ "a longer word", "nulll", false, 0 },
	{ "another case", "True", false, 0 },
	{ "not a number", "NaN", false, 0 },
	{ "two values", "1 2", false, 0 },
	{ "form feed is no white space", "\f1", false, 0 },
	{ "byte order mark", "\xef\xbb\xbf" "1", false, 0 },
	{ "NUL behind", "1", false, 2 },

	{ "-0", "-0", true, 0 },
	{ "fraction and exponent", "-12.034e+05", true, 0 },
	{ "exponent alone", "1E5", true, 0 },
	{ "leading zero", "01", false, 0 },
	{ "minus alone", "-", false, 0 },
	{ "plus", "+1", false, 0 },
	{ "no digit behind the point", "1.", false, 0 },
	{ "no digit before the point", ".5", false, 0 },
	{ "no digit in the exponent", "1e", false, 0 },
	{ "sign alone in the exponent", "1e+", false, 0 },
	{ "hexadecimal", "0x10", false, 0 },
	{ "many digits", "123456789012345678901234567890", true, 0 },

	{ "empty string", "\"\"", true, 0 },
	{ "all short escapes", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", true, 0 },
	{ "\\u", "\"\\u00e9\\uABCD\"", true, 0 },
	{ "surrogate pair", "\"\\ud83d\\ude00\"", true, 0 },
	{ "high surrogate alone", "\"\\ud83d\"", false, 0 },
	{ "high surrogate, then something else", "\"\\ud83d\\u0041\"", false, 0 },
	{ "low surrogate alone", "\"\\ude00\"", false, 0 },
	{ "\\u cut", "\"\\u00e\"", false, 0 },
	{ "\\u with a letter that is no digit", "\"\\u00eg\"", false, 0 },
	{ "escape of nothing", "\"\\", false, 0 },
	{ "unknown escape", "\"\\x41\"", false, 0 },
	{ "escaped NUL byte", "\"\\\0\"", false, 4 },
	{ "no closing quote", "\"abc", false, 0 },
	{ "closing quote escaped", "\"abc\\\"", false, 0 },
	{ "single quotes", "'abc'", false, 0 },
	{ "control character", "\"a\nb\"", false, 0 },
	{ "NUL", "\"a\0b\"", false, 5 },
	{ "DEL is allowed", "\"\x7f\"", true, 0 },
	{ "UTF-8 of 2, 3 and 4 bytes", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", true, 0 },
	{ "first and last of each length",
	  "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"", true, 0 },
	{ "overlong, 2 bytes", "\"\xc1\xbf\"", false, 0 },
	{ "overlong, 3 bytes", "\"\xe0\x9f\xbf\"", false, 0 },
	{ "overlong, 4 bytes", "\"\xf0\x8f\xbf\xbf\"", false, 0 },
	{ "UTF-8 surrogate", "\"\xed\xa0\x80\"", false, 0 },
	{ "beyond U+10FFFF", "\"\xf4\x90\x80\x80\"", false, 0 },
	{ "continuation alone", "\"\x80\"", false, 0 },
	{ "sequence cut by a quote", "\"\xe2\x82\"", false, 0 },
	{ "sequence cut by the end", "\"\xe2\x82", false, 0 },

	{ "empty array", "[ ]", true, 0 },
	{ "array", "[1,\"a\",[],{},null ]", true, 0 },
	{ "comma behind the last element", "[1,]", false, 0 },
	{ "no comma", "[1 2]", false, 0 },
	{ "comma alone", "[,]", false, 0 },
	{ "not closed", "[1", false, 0 },
	{ "not closed, behind a comma", "[1,", false, 0 },
	{ "closed by the other bracket", "[1}", false, 0 },
	{ "closed twice", "[]]", false, 0 },
	{ "empty object", "{ }", true, 0 },
	{ "object", "{\"a\" : 1 , \"b\":{\"c\":[]}}", true, 0 },
	{ "name without quotes", "{a:1}", false, 0 },
	{ "number as a name", "{1:1}", false, 0 },
	{ "no colon", "{\"a\" 1}", false, 0 },
	{ "no value", "{\"a\":}", false, 0 },
	{ "name alone", "{\"a\"", false, 0 },
	{ "comma behind the last member", "{\"a\":1,}", false, 0 },
	{ "comment", "{} // x", false, 0 },
	{ "16 levels", "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", true, 0 },
	{ "17 levels", "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", false, 0 },
};

/* In memory of its own, so that a sanitizer sees a byte too many being read */
static const char *reads(const char *text, size_t len)
{
	static char *copy;

	free(copy);
	copy = malloc(len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	return json_read(copy, len);
}

static void test_texts(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t len = texts[i].len ? texts[i].len : strlen(texts[i].text);

		test("%s", texts[i].what);
		eq(reads(texts[i].text, len) != NULL, texts[i].good);
		for (size_t cut = 0; texts[i].good && strchr("[{\"", texts[i].text[0]) && cut < len; cut++)
			ok(!reads(texts[i].text, cut));
	}
	test("a million brackets");
	{
		static char many[1000000];

		memset(many, '[', sizeof(many));
		ok(!reads(many, sizeof(many)));
	}
}

static void test_parts(void)
{
	static const char text[] = " {\"a\": [1, \"]},\\\"\", {\"x\":[[2]]} ,[ ], true] ,\"b\":\"\\u0041\", \"\\u0063\":-5, \"b\":null} ";
	const char *v, *a, *e, *name;
	char buf[8];
	int64_t n = 0;
	bool b = false;

	test("members and elements");
	v = reads(text, strlen(text));
	eq(json_type(v), JSON_OBJECT);
	a = json_member(v, "a");
	eq(json_type(a), JSON_ARRAY);
	e = json_first(a);
	ok(json_get_int(e, &n) && n == 1);
	e = json_next(e);
	ok(json_get_str(e, buf, sizeof(buf)));
	eq_str(buf, "]},\"");
	e = json_next(e);
	ok(json_type(e) == JSON_OBJECT && !strncmp(json_member(e, "x"), "[[2]]}", 6));
	e = json_next(e);
	ok(json_type(e) == JSON_ARRAY && !strncmp(e, "[ ],", 4));
	ok(!json_first(e));
	e = json_next(e);
	ok(json_get_bool(e, &b) && b);
	ok(!json_next(e));
	ok(!json_next(v));

	test("the first of two members with one name counts, escapes in names are understood");
	ok(json_is(json_member(v, "b"), "A"));
	ok(json_get_int(json_member(v, "c"), &n) && n == -5);
	ok(!json_member(v, "d"));
	ok(!json_member(a, "a"));
	ok(!json_member(json_read("{\"n\":null}", 10), "n"));

	test("all members in order");
	name = json_first(v);
	for (const char *want = "abcb"; *want; want++) {
		ok(json_is(name, (char[]){ *want, '\0' }));
		e = json_value(name);
		name = json_next(e);
	}
	eq(json_type(e), JSON_NULL);
	ok(!name);

	test("what is not there is of no type");
	eq(json_type(NULL), JSON_NONE);
	ok(!json_first(NULL) && !json_first(json_member(v, "c")) && !json_member(NULL, "a"));
	ok(!json_get_bool(NULL, &b) && !json_get_int(NULL, &n) && !json_get_str(NULL, buf, sizeof(buf)) &&
	   !json_is(NULL, ""));
}

static void test_integers(void)
{
	static const struct {
		const char *text;
		bool good;
		int64_t n;
	} row[] = {
		{ "0", true, 0 }, { "-0", true, 0 }, { "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN }, { "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 }, { "1.0", false, 0 }, { "1e1", false, 0 }, { "\"1\"", false, 0 },
		{ "true", false, 0 }, { "99999999999999999999999999", false, 0 },
	};
	int64_t n;

	test("integers of 64 bits");
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		n = 0;
		eq(json_get_int(reads(row[i].text, strlen(row[i].text)), &n), row[i].good);
		eq(n, row[i].n);
	}
}

static void test_strings(void)
{
	static const struct {
		const char *text, *want;	/* NULL: can't be had */
		size_t size;
	} row[] = {
		{ "\"abc\"", "abc", 4 }, { "\"abc\"", NULL, 3 }, { "\"\"", "", 1 }, { "\"\"", NULL, 0 },
		{ "\"\\u20ac\"", "\xe2\x82\xac", 4 }, { "\"\\u20ac\"", NULL, 3 },
		{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80", 5 }, { "\"\\u00e9\\b\"", "\xc3\xa9\b", 8 },
		{ "\"a\\u0000b\"", NULL, 16 }, { "1", NULL, 16 }, { "[\"a\"]", NULL, 16 },
	};
	char buf[16];

	test("strings: escapes, sizes, NUL");
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		eq(json_get_str(reads(row[i].text, strlen(row[i].text)), buf, row[i].size), row[i].want != NULL);
		if (row[i].want)
			eq_str(buf, row[i].want);
	}
}

static void write_all(struct json_out *o)
{
	json_open(o, NULL, '{');
	json_open(o, "list", '[');
	json_int(o, NULL, INT64_MIN);
	json_bool(o, NULL, true);
	json_open(o, NULL, '{');
	json_close(o, '}');
	json_open(o, NULL, '[');
	json_close(o, ']');
	json_str(o, NULL, "");
	json_close(o, ']');
	json_bool(o, "no", false);
	json_str_cut(o, "cut", "\n\xc3\xa9\xc3\xa9z", 4);
	json_str_cut(o, "not cut", "abc", 3);
	json_str(o, "a\"b", "\\ \n\x7f\xc3\xa9\xff\xe2\x82");
	json_close(o, '}');
	json_nul(o);
	json_int(o, NULL, 1);
}

static void test_writer(void)
{
	static const char want[] = "{\"list\":[-9223372036854775808,true,{},[],\"\"],\"no\":false,"
				   "\"cut\":\"\\u000a\xc3\xa9\\ufffd\",\"not cut\":\"abc\","
				   "\"a\\u0022b\":\"\\u005c \\u000a\x7f\xc3\xa9\\ufffd\\ufffd\\ufffd\"}\0" "1";
	char buf[256];

	test("what is written is as it should be, commas included, and reads");
	{
		struct json_out o = { .b = buf, .max = sizeof(buf) };

		write_all(&o);
		ok(!o.full);
		if (eq(o.len, sizeof(want) - 1))
			eq_mem(buf, want, o.len);
		ok(reads(buf, strlen(buf)) != NULL);
	}
	test("no byte is written behind the end, whatever its place");
	for (size_t max = 0; max < sizeof(want); max++) {
		struct json_out o = { .b = malloc(max + !max), .max = max };

		write_all(&o);
		eq(o.full, max < sizeof(want) - 1);
		ok(o.len <= max && !memcmp(o.b, want, o.len));
		free(o.b);
	}
	test("a buffer that is emptied in between");
	{
		struct json_out o = { .b = buf, .max = sizeof(buf) };

		json_open(&o, NULL, '[');
		json_int(&o, NULL, 1);
		o.len = 0;
		json_int(&o, NULL, 2);
		json_close(&o, ']');
		eq(o.len, 3);
		eq_mem(buf, ",2]", 3);
	}
}

int main(void)
{
	test_texts();
	test_parts();
	test_integers();
	test_strings();
	test_writer();
	return done();
}
