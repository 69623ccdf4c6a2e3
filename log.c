/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.c - messages to stderr, system log or file
 *
 * A message is one line, and one system call for each destination: the text is built once, in the middle of a static
 * buffer, and each destination's prefix is copied in front of it. Control characters and invalid UTF-8, chosen by a
 * guest or client, become '?'.
 *
 * On stderr, the text stays as it is, as callers quote it; with debug messages, times precede it. Until log_running(),
 * it also goes to the log file, or without one to the system log. The system log is a datagram socket to /dev/log:
 * libc's syslog() opens files, at a time of its own.
 *
 * Before a log file would exceed its size, the newest half moves to just behind the first line, in the same
 * descriptor, as there is no directory to rename in after start-up. Copying takes 0.2 ms in 1 MiB;
 * fallocate(FALLOC_FL_COLLAPSE_RANGE), where supported, took 0.8 ms, and waits for the disk.
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
	struct log_file	file;
	int		syslog;		/* descriptor, -1: not open */
	int		to_stderr;	/* highest level written there, -1: none */
	bool		running;
	char		name[NAME_MAX_LEN];
	pid_t		pid;
	uint64_t	start;		/* ms: time stamps count from here; 0: no message yet */
	off_t		pid_at;		/* offset of the PID in it */
} lg = { .file.fd = -1, .syslog = -1, .to_stderr = LOG_TRACE };

/* Moves the newest half of the file, whole lines, to behind its first ones. On failure, the file grows. */
static void file_rotate(struct log_file *f)
{
	static char buf[16384];
	uint64_t from = f->used - (f->size / 2 - f->header), to = f->header;
	uint64_t back = MIN(MIN(from - f->header, f->size / 4), sizeof(buf));
	ssize_t n;

	/* Back to the start of a line, so that half of the size is left, or more */
	n = pread(f->fd, buf, back, (off_t)(from - back));
	if (n < 0)
		return;
	for (; n && buf[n - 1] != '\n'; n--)
		from--;

	while ((n = pread(f->fd, buf, sizeof(buf), (off_t)from)) > 0 &&
	       pwrite(f->fd, buf, (size_t)n, (off_t)to) == n) {
		from += (uint64_t)n;
		to += (uint64_t)n;
	}
	if (ftruncate(f->fd, (off_t)to))
		return;
	lseek(f->fd, (off_t)to, SEEK_SET);
	f->used = to;
}

bool log_file_write(struct log_file *f, const char *text, size_t len)
{
	ssize_t n;

	if (f->size && f->used + len > f->size)
		file_rotate(f);
	n = write(f->fd, text, len);
	if (n > 0 && n < (ssize_t)len && f->size && !ftruncate(f->fd, (off_t)f->used)) {	/* the disk is full */
		lseek(f->fd, (off_t)f->used, SEEK_SET);
		return false;
	}
	f->used += (uint64_t)MAX(n, 0);
	return n == (ssize_t)len;
}

/* ms since the first call */
static uint64_t log_time(void)
{
	uint64_t now = now_ms();

	if (!lg.start)
		lg.start = now;
	return now - lg.start;
}

static void write_stamped(int level, char *text, size_t len, bool file)
{
	uint64_t ms = log_time();
	char prefix[PREFIX_MAX];
	char *line;
	int n;

	n = snprintf(prefix, sizeof(prefix), "%llu.%03u %s: ", (unsigned long long)ms / 1000, (unsigned)(ms % 1000),
		     level_name[level]);
	line = memcpy(text - n, prefix, (size_t)n);	/* there is room: PREFIX_MAX */
	len += (size_t)n;
	if (file)
		log_file_write(&lg.file, line, len);
	else if (write(STDERR_FILENO, line, len) < 0)
		return;			/* closed, or without a reader */
}

static void write_syslog(int level, char *text, size_t len)
{
	char prefix[PREFIX_MAX];
	int n;

	n = snprintf(prefix, sizeof(prefix), "<%i>%s[%i]: ", LOG_DAEMON | MIN(level, LOG_DEBUG), lg.name, lg.pid);
	send(lg.syslog, memcpy(text - n, prefix, (size_t)n), len + (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

PRINTF_LIKE(2, 0) static void log_text(int level, const char *fmt, va_list ap)
{
	static char buf[PREFIX_MAX + TEXT_MAX + 1];
	bool to_stderr = level <= lg.to_stderr;
	char *text = buf + PREFIX_MAX;
	int saved = errno;
	size_t len;
	int n;

	n = vsnprintf(text, TEXT_MAX, fmt, ap);
	len = n < 0 ? 0 : MIN((size_t)n, TEXT_MAX - 1);
	while (len && text[len - 1] == '\n')
		len--;
	text_safe(text, len);

	if (lg.syslog >= 0 && !(lg.running && lg.to_stderr >= 0))
		write_syslog(level, text, len);

	text[len++] = '\n';
	if (to_stderr && log_level >= LOG_DEBUG)
		write_stamped(level, text, len, false);
	else if (to_stderr && write(STDERR_FILENO, text, len) < 0)
		errno = saved;		/* closed, or without a reader */
	if (lg.file.fd >= 0)
		write_stamped(level, text, len, true);
	errno = saved;
}

void log_at(int level, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_text(level, fmt, ap);
	va_end(ap);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(LOG_ERR, fmt, ap);
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

/* @fd by a number above those of standard streams, which may be closed: no other file is to get output for stderr */
static int fd_above_std(int fd)
{
	int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), rc = above < 0 ? -errno : above;

	fd_close(fd);
	return rc;
}

int log_file_open(struct log_file *f, const char *path, uint64_t size)
{
	int fd = file_create(path, O_RDWR);
	struct stat st;

	fd = fd < 0 ? fd : fd_above_std(fd);
	if (fd < 0)
		return fd;
	*f = (struct log_file){ .fd = fd };
	if (fstat(fd, &st))
		return -errno;

	/* A file that existed becomes private if it is ours, and empty */
	if (S_ISREG(st.st_mode) && ((fchmod(fd, 0600) && errno != EPERM) || ftruncate(fd, 0)))
		return -errno;
	if (S_ISREG(st.st_mode))
		f->size = MAX(size, FILE_SIZE_MIN);
	return 0;
}

static int file_open(const char *path, uint64_t size, const char *version)
{
	char header[256];
	int n, rc = log_file_open(&lg.file, path, size);

	if (rc)
		return rc;
	/* Room for another PID, see log_running() */
	n = snprintf(header, sizeof(header), "%.200s, PID ", version);
	lg.pid_at = n;
	n += snprintf(header + n, sizeof(header) - (size_t)n, "%-7i\n", lg.pid);
	rc = fd_write_all(lg.file.fd, header, (size_t)n);
	if (!rc)
		lg.file.header = lg.file.used = (uint64_t)n;
	return rc;
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
	log_time();
	if (file)
		return file_open(file, size, version);
	lg.syslog = syslog_open();
	return 0;
}

void log_pid(pid_t pid)
{
	lg.pid = pid;
}

void log_stderr_quiet(void)
{
	lg.to_stderr = LOG_WARNING;
}

void log_running(bool to_stderr)
{
	char pid[16];
	int n;

	lg.running = true;
	if (!to_stderr)
		lg.to_stderr = -1;
	if (lg.file.size) {
		n = snprintf(pid, sizeof(pid), "%-7i", lg.pid);
		if (pwrite(lg.file.fd, pid, (size_t)n, lg.pid_at) < 0)
			return;
		lg.file.used = (uint64_t)lseek(lg.file.fd, 0, SEEK_END);	/* the parent writes, too */
	}
}
