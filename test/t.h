/* SPDX-License-Identifier: GPL-2.0-or-later */
/* t.h - test harness: TAP on standard output, the plan at the end
 *
 *	test("NL-04 what must hold");		begins a test, and ends the one before it
 *	ok(x > 3);				a condition
 *	eq(x, 3);				two integers
 *	eq_str(s, "text");			two strings
 *	eq_mem(p, want, len);			memory, dumped in hexadecimal if it differs
 *	return done();				from main(): plan and exit status
 *
 * Each check returns whether it held. A test that makes none has failed.
 */
#ifndef T_H
#define T_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	char		name[256];
	unsigned	tests, failed;
	unsigned	checks, bad;	/* in the current test */
} t_;

__attribute__((unused)) static void t_end(void)
{
	bool good = t_.checks && !t_.bad;

	if (!t_.name[0])
		return;
	if (!t_.checks)
		printf("# nothing was checked\n");
	printf("%sok %u - %s\n", good ? "" : "not ", ++t_.tests, t_.name);
	fflush(stdout);
	t_.failed += !good;
	t_.name[0] = '\0';
}

__attribute__((unused, format(printf, 1, 2))) static void test(const char *fmt, ...)
{
	va_list ap;

	t_end();
	t_.checks = t_.bad = 0;
	va_start(ap, fmt);
	vsnprintf(t_.name, sizeof(t_.name), fmt, ap);
	va_end(ap);
}

/* Counts a check; true, once in a while, if its failure is to be printed */
__attribute__((unused)) static bool t_report(bool good)
{
	t_.checks++;
	if (!good && t_.bad++ == 10)
		printf("# ...and more\n");
	return !good && t_.bad <= 10;
}

__attribute__((unused)) static bool t_ok(const char *at, int line, bool good, const char *text)
{
	if (t_report(good))
		printf("# %s:%i: %s\n", at, line, text);
	return good;
}

__attribute__((unused)) static bool t_eq(const char *at, int line, long long got, long long want, const char *text)
{
	if (t_report(got == want))
		printf("# %s:%i: %s\n#\tgot  %lli (%#llx)\n#\twant %lli (%#llx)\n", at, line, text, got,
		       (unsigned long long)got, want, (unsigned long long)want);
	return got == want;
}

__attribute__((unused)) static bool t_eq_str(const char *at, int line, const char *got, const char *want)
{
	bool good = got && want ? !strcmp(got, want) : got == want;

	if (t_report(good))
		printf("# %s:%i:\n#\tgot  \"%s\"\n#\twant \"%s\"\n", at, line, got ? got : "", want ? want : "");
	return good;
}

/* Lines of 16 bytes, those that differ from @other marked */
__attribute__((unused)) static void t_dump(const char *title, const void *mem, const void *other, size_t len)
{
	const unsigned char *p = mem, *o = other;

	printf("#\t%s\n", title);
	for (size_t i = 0; i < len; i += 16) {
		size_t n = len - i < 16 ? len - i : 16;

		printf("#\t%c %04zx ", memcmp(p + i, o + i, n) ? '*' : ' ', i);
		for (size_t j = 0; j < n; j++)
			printf(" %02x", p[i + j]);
		printf("\n");
	}
}

__attribute__((unused)) static bool t_eq_mem(const char *at, int line, const void *got, const void *want, size_t len)
{
	bool good = !len || !memcmp(got, want, len);

	if (t_report(good)) {
		printf("# %s:%i: memory differs\n", at, line);
		t_dump("got", got, want, len);
		t_dump("want", want, got, len);
	}
	return good;
}

#define ok(x)			t_ok(__FILE__, __LINE__, (x), #x)
#define eq(got, want)		t_eq(__FILE__, __LINE__, (long long)(got), (long long)(want), #got " == " #want)
#define eq_str(got, want)	t_eq_str(__FILE__, __LINE__, (got), (want))
#define eq_mem(got, want, len)	t_eq_mem(__FILE__, __LINE__, (got), (want), (len))

__attribute__((unused)) static int done(void)
{
	t_end();
	printf("1..%u\n", t_.tests);
	return t_.failed || !t_.tests ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* T_H */
