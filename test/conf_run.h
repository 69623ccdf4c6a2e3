/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_run.h - conf_parse() without the process ending: die(), exit() and log_at() are caught
 *
 * For tests that link with -Wl,--wrap=die,--wrap=exit,--wrap=log_at and include conf.c.
 */
#ifndef CONF_RUN_H
#define CONF_RUN_H

#include <setjmp.h>
#include <stdarg.h>

_Noreturn void __wrap_die(const char *fmt, ...) PRINTF_LIKE(1, 2);
_Noreturn void __wrap_exit(int status);
void __wrap_log_at(int level, const char *fmt, ...) PRINTF_LIKE(2, 3);

static struct {
	jmp_buf	end;
	int	status;			/* -1: it returned */
	char	error[1024];		/* of die(); empty if there was none */
	char	log[4096];		/* lines of log_at() */
} run;

void __wrap_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(run.error, sizeof(run.error), fmt, ap);
	va_end(ap);
	run.status = EXIT_FAILURE;
	longjmp(run.end, 1);
}

void __wrap_exit(int status)
{
	run.status = status;
	longjmp(run.end, 1);
}

void __wrap_log_at(int level, const char *fmt, ...)
{
	size_t len = strlen(run.log);
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(run.log + len, sizeof(run.log) - len, fmt, ap);
	va_end(ap);
	len = strlen(run.log);
	snprintf(run.log + len, sizeof(run.log) - len, "\n");
}

/* True if it returned; otherwise run.status and run.error say how it ended */
static bool run_parse(struct conf *c, int argc, char **argv)
{
	run.status = -1;
	run.error[0] = run.log[0] = '\0';
	if (setjmp(run.end))
		return false;
	conf_parse(c, argc, argv);
	return true;
}

#endif /* CONF_RUN_H */
