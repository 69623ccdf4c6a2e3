/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opt.h - options of a command line, from a table: parser and help
 *
 * Parsing is our own, with the rules and messages of getopt_long(3): callers match on them, and libcs word them
 * differently. Help is made from the same table, so text and parser can't differ.
 */
#ifndef OPT_H
#define OPT_H

#include <stddef.h>
#include <stdint.h>

#define OPT_STRLEN	48

/* What a table's owner keeps while it parses: each has a structure of its own */
struct parse;

struct opt {
	const char	*name;		/* NULL: title of a section, in @help */
	char		letter;
	const char	*arg;		/* placeholder in help, NULL: takes no argument */
	uint8_t		modes;		/* bits: who has it */
	void		(*parse)(struct parse *p);
	size_t		off;		/* for parsers that serve several options */
	const char	*help;		/* NULL: not there yet; callers search the help text for what they may use */
};

struct opts {
	const struct opt *row;
	size_t		n;
	const char	*name;		/* of the program */
	uint8_t		mode;		/* rows with one of these bits are in the help */

	/* An option, and its argument or NULL, in the order of the command line */
	void		(*found)(struct parse *p, const struct opt *o, const char *val);
};

/* Index of the first argument that is no option. May die(). */
int opts_parse(const struct opts *t, struct parse *p, int argc, char **argv);

/* Option as messages name it: "-m/--mtu", or "--trace" */
const char *opt_text(const struct opt *o, char buf[static OPT_STRLEN]);

/* "YYYYMMDD.COMMIT", day and ID of the commit it was built from: callers compare the day */
extern const char opts_version_text[];

/* Both end the process: all of the text is on stdout, also if that is a pipe, and the status 0, or 1 if it can't be */
_Noreturn void opts_help(const struct opts *t, const char *usage);
_Noreturn void opts_version(const char *name);

/* Writes out stdout, and ends the process with a line and status 1 if that, or something before it, failed */
void output_check(void);

#endif /* OPT_H */
