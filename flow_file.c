/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_file.c - a process that writes the flow log's file
 *
 * A disk may be slow, or full: the main process never waits for it. This one has the file, and the end of a pipe; it
 * ends when the pipe does, after the last line. Lines that the file didn't take are counted, and a line with their
 * number precedes the next one that it takes.
 *
 * It sleeps for PAUSE after few lines, so that it doesn't wake up for each of many.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "event.h"
#include "flow_file.h"
#include "isolate.h"
#include "log.h"

#define LINES_PIPE	(1 << 20)	/* bytes: what any user may have (pipe(7)) */
#define BUF		(64U << 10)
#define PIECE		(16U << 10)	/* of a write at most, whatever the file's size */
#define PAUSE		5		/* ms */

static struct {
	struct log_file	file;
	uint64_t	lost;		/* lines since the last one written */
	size_t		have;
	char		buf[BUF];
} w;

/* A line about lost ones, with the time of the line behind it: false if the file doesn't take it either */
static bool write_lost(const char *next)
{
	static const char key[] = "{\"v\":1,\"time\":\"";
	const char *time = next + sizeof(key) - 1;
	char line[128];
	int n;

	n = snprintf(line, sizeof(line), "%s%.24s\",\"event\":\"lost\",\"count\":%llu}\n", key, time,
		     (unsigned long long)w.lost);
	if (!log_file_write(&w.file, line, (size_t)n))
		return false;
	w.lost = 0;
	return true;
}

/* Whole lines */
static void write_lines(const char *s, size_t len)
{
	if ((!w.lost || write_lost(s)) && log_file_write(&w.file, s, len))
		return;
	for (const char *at = s; (at = memchr(at, '\n', (size_t)(s + len - at))); at++)
		w.lost++;
}

/* All whole lines in the buffer, in pieces that leave room to rotate */
static void write_all(void)
{
	size_t most = w.file.size ? MIN(PIECE, w.file.size / 4) : PIECE, at = 0, n;
	const char *nl;

	while ((nl = memrchr(w.buf + at, '\n', MIN(most, w.have - at)))) {
		n = (size_t)(nl - (w.buf + at)) + 1;
		write_lines(w.buf + at, n);
		at += n;
	}
	w.have -= at;
	memmove(w.buf, w.buf + at, w.have);
}

static _Noreturn void write_until_end(int from, int alive)
{
	const struct timespec pause = { .tv_nsec = PAUSE * 1000000 };
	ssize_t n;

	if (write(alive, "", 1) != 1)		/* ready */
		_exit(0);
	while ((n = UNINTERRUPTED(read(from, w.buf + w.have, BUF - w.have))) > 0) {
		w.have += (size_t)n;
		write_all();
		if ((size_t)n < BUF / 2)
			nanosleep(&pause, NULL);
	}
	_exit(0);
}

static _Noreturn void file_main(int from, int alive)
{
	const int keep[] = { from, alive, w.file.fd };

	isolate_beside("passt-flows", keep, ARRAY_SIZE(keep));
	isolate_writer();
	write_until_end(from, alive);
}

int flow_file_start(struct ctx *c, const struct log_file *file)
{
	int data[2] = { -1, -1 }, alive[2] = { -1, -1 }, rc = 0;

	if (pipe2(data, O_CLOEXEC) || pipe2(alive, O_CLOEXEC))
		rc = -errno;
	if (!rc)
		fcntl(data[1], F_SETPIPE_SZ, LINES_PIPE);	/* a smaller one does, too */
	w.file = *file;
	rc = rc ? rc : fork_away();
	if (!rc)
		file_main(data[0], alive[1]);
	fd_close(data[0]);
	fd_close(alive[1]);
	close(file->fd);
	if (rc < 0 || fcntl(data[1], F_SETFL, O_NONBLOCK)) {
		fd_close(data[1]);
		fd_close(alive[0]);
		return rc < 0 ? rc : -errno;
	}
	c->flow_log.fd = data[1];
	c->flow_log.alive = alive[0];
	c->flow_log.on = true;
	return 0;
}

int flow_file_ready(struct ctx *c)
{
	if (c->flow_log.fd < 0)
		return 0;
	return fd_ready(c->flow_log.alive) ? ev_add(c->epfd, c->flow_log.fd, EV_FLOW_LOG, 0, 0, EPOLLOUT | EPOLLET) :
					     -EIO;
}
