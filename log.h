/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.h - leveled messages to stderr, system log or file
 *
 * Levels are those of syslog(3), and one below for traces of each packet. A disabled level costs one comparison and
 * no system call. After log_running(), nothing allocates or opens.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

#include "util.h"

#define LOG_TRACE	(LOG_DEBUG + 1)

extern int log_level;		/* highest level that is written */

void log_at(int level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_enabled(level)	((level) <= log_level)
#define log_if(level, ...)						\
	do {								\
		if (log_enabled(level))					\
			log_at(level, __VA_ARGS__);			\
	} while (0)

#define err(...)	log_if(LOG_ERR, __VA_ARGS__)
#define warn(...)	log_if(LOG_WARNING, __VA_ARGS__)
#define info(...)	log_if(LOG_INFO, __VA_ARGS__)
#define debug(...)	log_if(LOG_DEBUG, __VA_ARGS__)
#define trace(...)	log_if(LOG_TRACE, __VA_ARGS__)

/* Budget of one call site: LOG_BURST messages a LOG_INTERVAL, then the number of those held back */
#define LOG_BURST	5
#define LOG_INTERVAL	10000	/* ms */

struct log_limit {
	uint64_t	since;		/* start of the current interval, ms */
	uint32_t	sent, held;	/* messages written and held back in it */
};

bool log_limit_ok(struct log_limit *l, int level);

/* For messages caused by traffic */
#define log_limited(level, ...)						\
	do {								\
		static struct log_limit limit_;				\
		if (log_enabled(level) && log_limit_ok(&limit_, level))	\
			log_at(level, __VA_ARGS__);			\
	} while (0)

/* Start-up errors: one line on stderr whatever the level, exit status 1 */
_Noreturn void die(const char *fmt, ...) PRINTF_LIKE(1, 2);

/**
 * log_open() - open the log file, or the system log
 * @name:	of the program, for the system log
 * @file:	path of a log file, or NULL: created by file_create() or truncated, its mode 0600
 * @size:	bytes at which the file gives up its oldest half
 * @version:	first line of the file, together with the PID
 *
 * Until log_running(), messages also go to stderr. Times, in the file and with debug messages on stderr, are seconds
 * since the first message, by the monotonic clock.
 *
 * Return: 0, or -errno, -FILE_... if the file or its header can't be written
 */
int log_open(const char *name, const char *file, uint64_t size, const char *version);

/* A file of lines that gives up its oldest half when it is full, but for its first @header bytes */
struct log_file {
	int		fd;
	uint64_t	size, used, header;	/* bytes; @size 0: no limit, as it is no regular file */
};

/* Created by file_create() or truncated, its mode 0600: 0, or -errno, -FILE_... */
int log_file_open(struct log_file *f, const char *path, uint64_t size);

/* One line, or several that are less than a quarter of the size: false if not all of it could be written. In a regular
 * file, nothing of it is left then.
 */
bool log_file_write(struct log_file *f, const char *text, size_t len);

/* PID of the process that survives start-up, as seen from outside of its PID namespace */
void log_pid(pid_t pid);

/* Only warnings and errors go to stderr from now on, as it belongs to a command; all go to log file and system log */
void log_stderr_quiet(void);

/* Start-up is over, and log_pid() was called. @to_stderr: in the foreground; false in a daemon. */
void log_running(bool to_stderr);

#endif /* LOG_H */
