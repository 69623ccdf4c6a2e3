/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opt.c - options of a command line, from a table: parser and help */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "opt.h"
#include "util.h"

#ifndef VERSION
#define VERSION		"0"
#endif

const char opts_version_text[] = VERSION;

const char *opt_text(const struct opt *o)
{
	static char buf[48];
	const char dash_letter[] = { '-', o->letter, '/', '\0' };

	snprintf(buf, sizeof(buf), "%s--%s", o->letter ? dash_letter : "", o->name);
	return buf;
}

#define HELP_COL	34
#define HELP_WIDTH	100

void output_check(void)
{
	if (fflush(stdout) || ferror(stdout))
		die("Couldn't write to standard output: %s", errno_text(errno));
}

static _Noreturn void output_done(void)
{
	output_check();
	exit(EXIT_SUCCESS);
}

/* Prints @s from column @col on, broken at spaces */
static void help_wrap(const char *s, int col)
{
	while (*s) {
		int len = (int)strcspn(s, " ");

		if (col > HELP_COL && col + 1 + len > HELP_WIDTH) {
			printf("\n%*s", HELP_COL, "");
			col = HELP_COL;
		}
		col += printf("%s%.*s", col > HELP_COL ? " " : "", len, s);
		s += len;
		s += strspn(s, " ");
	}
	printf("\n");
}

static void help_row(const struct opt *o)
{
	int n;

	if (!o->name) {
		printf("\n%s:\n", o->help);
		return;
	}
	n = printf("  %c%c%c --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', o->letter ? ',' : ' ',
		   o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	printf("%s%*s", n < HELP_COL ? "" : "\n", n < HELP_COL ? HELP_COL - n : HELP_COL, "");
	help_wrap(o->help, HELP_COL);
}

_Noreturn void opts_help(const struct opts *t, const char *usage)
{
	printf("%s", usage);
	for (const struct opt *o = t->row; o < t->row + t->n; o++) {
		if (o->help && o->modes & t->mode)
			help_row(o);
	}
	output_done();
}

_Noreturn void opts_version(const char *name)
{
	printf("%s %s\n"
	       "License: GPL-2.0-or-later, the GNU General Public License, version 2 or later.\n"
	       "Free software: it may be changed and passed on. There is no warranty.\n",
	       name, opts_version_text);
	output_done();
}

/* Ends the process with all names that begin with the @len bytes, as getopt_long(3) */
static _Noreturn void ambiguous(const struct opts *t, const char *arg, size_t len)
{
	char list[768] = "";
	size_t n = 0;

	for (const struct opt *o = t->row; o < t->row + t->n && n < sizeof(list); o++) {
		if (o->name && !strncmp(o->name, arg + 2, len))
			n += (size_t)snprintf(list + n, sizeof(list) - n, " '--%s'", o->name);
	}
	die("%s: option '%.128s' is ambiguous; possibilities:%s", t->name, arg, list);
}

/* Row of a long option by its name, @len bytes, or by an unambiguous prefix. May die(). */
static const struct opt *find_long(const struct opts *t, const char *arg, size_t len)
{
	const struct opt *found = NULL;

	for (const struct opt *o = t->row; o < t->row + t->n; o++) {
		if (!o->name || strncmp(o->name, arg + 2, len))
			continue;
		if (!o->name[len])
			return o;
		if (found)
			ambiguous(t, arg, len);
		found = o;
	}
	if (!found)
		die("%s: unrecognized option '%.256s'", t->name, arg);
	return found;
}

/* "--name", "--name=value", "--name value" at argv[i]: index of the next argument */
static int parse_long(const struct opts *t, struct parse *p, char **argv, int i)
{
	const char *arg = argv[i], *equals = strchr(arg, '='), *val = equals ? equals + 1 : argv[i + 1];
	const struct opt *o = find_long(t, arg, (equals ? (size_t)(equals - arg) : strlen(arg)) - 2);

	if (!o->arg && equals)
		die("%s: option '--%s' doesn't allow an argument", t->name, o->name);
	if (o->arg && !val)
		die("%s: option '--%s' requires an argument", t->name, o->name);
	t->found(p, o, o->arg ? val : NULL);
	return i + (o->arg && !equals ? 2 : 1);
}

/* "-abc", "-oVALUE", "-o VALUE" at argv[i]: index of the next argument */
static int parse_short(const struct opts *t, struct parse *p, char **argv, int i)
{
	for (const char *s = argv[i] + 1; *s; s++) {
		const struct opt *o = t->row, *end = t->row + t->n;
		const char *val = s[1] ? s + 1 : argv[i + 1];

		while (o < end && o->letter != *s)
			o++;
		if (o == end)
			die("%s: invalid option -- '%c'", t->name, *s);
		if (o->arg && !val)
			die("%s: option requires an argument -- '%c'", t->name, *s);
		t->found(p, o, o->arg ? val : NULL);
		if (o->arg)
			return i + (s[1] ? 1 : 2);
	}
	return i + 1;
}

int opts_parse(const struct opts *t, struct parse *p, int argc, char **argv)
{
	int i = 1;

	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		if (!strcmp(argv[i], "--"))
			return i + 1;
		i = argv[i][1] == '-' ? parse_long(t, p, argv, i) : parse_short(t, p, argv, i);
	}
	return i;
}
