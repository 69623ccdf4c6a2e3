/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opt.h - options of a command line, from a table: parser and help
 *
 * Rules and messages are those of getopt_long(3) in glibc, for callers that match on them: other libcs word them
 * differently.
 */
#ifndef OPT_H
#define OPT_H

#include <stddef.h>
#include <stdint.h>

/* State of a table's owner while parsing: each has its own */
struct parse;

struct opt {
	const char	*name;		/* NULL: title of a section, in @help */
	char		letter;
	const char	*arg;		/* placeholder in help, NULL: no argument */
	uint8_t		modes;		/* bits */
	void		(*parse)(struct parse *p);
	size_t		off;		/* for parsers that serve several options */
	const char	*help;		/* NULL: not supported yet; callers search the help for options to use */
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

/* Option in messages, "-m/--mtu" or "--trace"; valid until the next call */
const char *opt_text(const struct opt *o);

/* "YYYYMMDD.COMMIT", by the commit built: callers compare the day */
extern const char opts_version_text[];

/* Print to stdout, and end the process: with status 0, or 1 if not all could be written */
_Noreturn void opts_help(const struct opts *t, const char *usage);
_Noreturn void opts_version(const char *name);

/* Flushes stdout: ends the process with a line and status 1 if output has failed */
void output_check(void);

#endif /* OPT_H */
