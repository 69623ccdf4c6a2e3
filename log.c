/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - messages to stderr, system log or file
 *
 * One message is one line and one system call for each place it goes to: the text is built once, in the middle of a
 * static buffer, and each place's prefix is copied in front of it. Control characters and invalid UTF-8, which a
 * guest or a client may have chosen, become '?'.
 *
 * On stderr, the text stays as it is, as callers quote it; with debug messages, it has times. Until log_running(), a
 * log file, or without one the system log, gets it as well. The system log is a datagram socket to /dev/log, because
 * libc's syslog() opens files, at a time of its own.
 *
 * A log file stays between half its size and its size once it has grown there: before it would exceed the size, the
 * newest half moves to just behind the first line, in the same descriptor, as later on there is no directory to
 * rename in. Copying takes 0.2 ms in 1 MiB; fallocate(FALLOC_FL_COLLAPSE_RANGE), where there is such a thing, took
 * 0.8 ms, and waits for the disk.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define PREFIX_MAX	96
#define TEXT_MAX	1024
#define FILE_SIZE_MIN	(4 * (PREFIX_MAX + TEXT_MAX))	/* so that half of it holds a line and the header */
#define NAME_MAX_LEN	32

int log_level = LOG_INFO;

static const char *const level_name[] = {
	[LOG_EMERG] = "emergency", [LOG_ALERT] = "alert", [LOG_CRIT] = "critical", [LOG_ERR] = "error",
	[LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
	[LOG_TRACE] = "trace",
};

static struct {
	int		file, syslog;	/* descriptors, -1: not open */
	bool		to_stderr, running;
	bool		stderr_quiet;	/* by log_stderr_quiet() */
	char		name[NAME_MAX_LEN];
	pid_t		pid;
	bool		pid_told;	/* by log_pid(): getpid() would be wrong */
	uint64_t	start;		/* ms: time stamps count from here; 0: no message yet */
	uint64_t	size;		/* limit of the file, 0: none */
	uint64_t	used;		/* bytes in the file */
	uint64_t	header;		/* bytes of its first line */
	off_t		pid_at;		/* where the PID is in it */
} lg = { .file = -1, .syslog = -1, .to_stderr = true };

/* Moves the newest half of the file, whole lines, to behind its first line. On failure, the file just grows. */
static void file_rotate(void)
{
	static char buf[16384];
	uint64_t from = lg.used - (lg.size / 2 - lg.header), to = lg.header;
	ssize_t n;

	/* Back to the start of a line, so that half of the size is left, or more */
	n = pread(lg.file, buf, MIN(from - lg.header, PREFIX_MAX + TEXT_MAX),
		  (off_t)(from - MIN(from - lg.header, PREFIX_MAX + TEXT_MAX)));
	if (n < 0)
		return;
	while (n && buf[n - 1] != '\n') {
		n--;
		from--;
	}

	while ((n = pread(lg.file, buf, sizeof(buf), (off_t)from)) > 0) {
		if (pwrite(lg.file, buf, (size_t)n, (off_t)to) != n)
			break;
		from += (uint64_t)n;
		to += (uint64_t)n;
	}
	if (ftruncate(lg.file, (off_t)to))
		return;
	lseek(lg.file, (off_t)to, SEEK_SET);
	lg.used = to;
}

static void file_line(const char *line, size_t len)
{
	ssize_t n;

	if (lg.size && lg.used + len > lg.size)
		file_rotate();

	n = write(lg.file, line, len);
	if (n > 0)
		lg.used += (uint64_t)n;
}

static void start_clock(void)
{
	if (!lg.start)
		lg.start = now_ms();
}

static void write_stamped(int level, char *text, size_t len, bool file)
{
	char prefix[PREFIX_MAX];
	uint64_t ms;
	char *line;
	int n;

	start_clock();
	ms = now_ms() - lg.start;
	n = snprintf(prefix, sizeof(prefix), "%llu.%03u %s: ", (unsigned long long)ms / 1000, (unsigned)(ms % 1000),
		     level_name[level]);
	line = memcpy(text - n, prefix, (size_t)n);	/* there is room: PREFIX_MAX */
	if (file)
		file_line(line, len + (size_t)n);
	else if (write(STDERR_FILENO, line, len + (size_t)n) < 0)
		return;
}

static void write_syslog(int level, char *text, size_t len)
{
	char prefix[PREFIX_MAX];
	int n;

	n = snprintf(prefix, sizeof(prefix), "<%i>%s[%i]: ", LOG_DAEMON | MIN(level, LOG_DEBUG), lg.name, lg.pid);
	send(lg.syslog, memcpy(text - n, prefix, (size_t)n), len + (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void log_text(int level, bool to_stderr, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);

static void log_text(int level, bool to_stderr, const char *fmt, va_list ap)
{
	static char buf[PREFIX_MAX + TEXT_MAX + 1];
	char *text = buf + PREFIX_MAX;
	int saved = errno;
	size_t len;
	int n;

	n = vsnprintf(text, TEXT_MAX, fmt, ap);
	len = n < 0 ? 0 : MIN((size_t)n, TEXT_MAX - 1);
	while (len && text[len - 1] == '\n')
		len--;
	text_safe(text, len);

	if (lg.syslog >= 0 && !(lg.running && lg.to_stderr))
		write_syslog(level, text, len);

	text[len++] = '\n';
	if (to_stderr && log_level >= LOG_DEBUG)
		write_stamped(level, text, len, false);
	else if (to_stderr && write(STDERR_FILENO, text, len) < 0)
		errno = saved;		/* closed, or nobody reads it: nothing to be done */
	if (lg.file >= 0)
		write_stamped(level, text, len, true);
	errno = saved;
}

void log_at(int level, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_text(level, lg.to_stderr && !(lg.stderr_quiet && level > LOG_WARNING), fmt, ap);
	va_end(ap);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_ERR, lg.to_stderr, fmt, ap);
	va_end(ap);
	exit(EXIT_FAILURE);
}

bool log_limit_ok(struct log_limit *l, int level)
{
	uint64_t now = now_ms();
	uint32_t held = l->held;

	if (!l->sent || now - l->since >= LOG_INTERVAL) {
		*l = (struct log_limit){ .since = now };
		if (held)
			log_at(level, "(%u similar messages held back)", held);
	}
	if (l->sent >= LOG_BURST) {
		l->held++;
		return false;
	}
	l->sent++;
	return true;
}

/* Above the standard streams, which may be closed: what is written to stderr must not end up in another file */
static int fd_above_std(int fd)
{
	int dup;

	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	dup = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (dup < 0)
		dup = -errno;
	close(fd);
	return dup;
}

static int file_open(const char *path, uint64_t size, const char *version)
{
	char header[256];
	struct stat st;
	int n, rc;

	n = file_create(path, O_RDWR);
	n = n < 0 ? n : fd_above_std(n);
	if (n < 0)
		return n;
	lg.file = n;

	/* Nobody else may read what comes now into a file that was there, if it is ours. The rest is the caller's. */
	rc = fstat(lg.file, &st) || (S_ISREG(st.st_mode) && fchmod(lg.file, 0600) && errno != EPERM) ||
	     (S_ISREG(st.st_mode) && ftruncate(lg.file, 0)) ? -errno : 0;
	if (rc)
		return rc;

	/* The PID may change before log_running(): leave room */
	n = snprintf(header, sizeof(header) - 16, "%s, PID ", version);
	n = MIN(n, (int)sizeof(header) - 17);
	lg.pid_at = n;
	n += snprintf(header + n, 16, "%-7i\n", lg.pid);
	rc = fd_write_all(lg.file, header, (size_t)n);
	if (rc)
		return rc;

	lg.header = lg.used = (uint64_t)n;
	if (S_ISREG(st.st_mode))
		lg.size = MAX(size, FILE_SIZE_MIN);
	return 0;
}

static int syslog_open(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = fd_above_std(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		close(fd);
		return -1;
	}
	return fd < 0 ? -1 : fd;
}

int log_open(const char *name, const char *file, uint64_t size, const char *version)
{
	snprintf(lg.name, sizeof(lg.name), "%s", name);
	lg.pid = getpid();
	start_clock();
	if (file)
		return file_open(file, size, version);
	lg.syslog = syslog_open();
	return 0;
}

void log_pid(pid_t pid)
{
	lg.pid = pid;
	lg.pid_told = true;
}

void log_stderr_quiet(void)
{
	lg.stderr_quiet = true;
}

void log_running(bool to_stderr)
{
	char pid[16];
	int n;

	lg.running = true;
	lg.to_stderr = to_stderr;
	if (!lg.pid_told)
		lg.pid = getpid();
	if (lg.size) {
		n = snprintf(pid, sizeof(pid), "%-7i", lg.pid);
		if (pwrite(lg.file, pid, (size_t)n, lg.pid_at) < 0)
			return;
		lg.used = (uint64_t)lseek(lg.file, 0, SEEK_END);	/* the parent may have written, too */
	}
}
