/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opener.c - files and sockets of the target network namespace: requests, and the answers of the opener in there
 *
 * Both sides share memory, with thread-local storage and errno: only one of them runs at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "opener.h"
#include "util.h"

struct opener_request {
	const char	*path;		/* of a file, or NULL: a socket */
	int		flags;
	int		family, type, proto;
	unsigned	n;
};

struct opener_answer {
	int		n;		/* how many, or -errno */
	int		fd[OPENER_MAX];
};

static struct {
	int	ours, its;		/* ends of a socket pair; -1: there is no opener */
	bool	stays;
} line = { -1, -1, false };

static int open_one(const struct opener_request *r)
{
	int fd = r->path ? open(r->path, r->flags | O_CLOEXEC | O_NONBLOCK) :
		 socket(r->family, r->type | SOCK_CLOEXEC | SOCK_NONBLOCK, r->proto);

	return fd < 0 ? -errno : fd;
}

/* As many as were requested, or until an error */
static void open_all(const struct opener_request *r, struct opener_answer *a)
{
	int fd = 0;

	for (a->n = 0; (unsigned)a->n < MIN(r->n, OPENER_MAX) && (fd = open_one(r)) >= 0; a->n++)
		a->fd[a->n] = fd;
	if (!a->n)
		a->n = fd;
}

void opener_serve(int rc)
{
	struct opener_answer a = { .n = rc };
	struct opener_request r;

	while (write(line.its, &a, sizeof(a)) == sizeof(a) && !rc && read(line.its, &r, sizeof(r)) == sizeof(r))
		open_all(&r, &a);
	close(line.its);
}

static int take_answer(struct opener_answer *a)
{
	return UNINTERRUPTED(read(line.ours, a, sizeof(*a))) == sizeof(*a) ? a->n : -EIO;
}

static int ask(const struct opener_request *r, int *fd)
{
	struct opener_answer a;
	int n;

	/* The filter of an opener that stays would end the process */
	if (line.ours < 0 || (line.stays && (r->path || (r->family != AF_INET && r->family != AF_INET6))))
		return -EAFNOSUPPORT;
	if (write(line.ours, r, sizeof(*r)) != sizeof(*r))
		return -EIO;
	n = take_answer(&a);
	if (n > 0)
		memcpy(fd, a.fd, (unsigned)n * sizeof(*fd));
	return n;
}

int opener_sockets(int family, int type, int proto, int *fd, unsigned n)
{
	return ask(&(struct opener_request){ .family = family, .type = type, .proto = proto, .n = n }, fd);
}

int opener_file(const char *path, int flags)
{
	int fd, n = ask(&(struct opener_request){ .path = path, .flags = flags, .n = 1 }, &fd);

	return n < 0 ? n : fd;
}

bool opener_runs(void)
{
	return line.ours >= 0;
}

int opener_connect(bool stays)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
		return -errno;
	line.ours = fd[0];
	line.its = fd[1];
	line.stays = stays;
	return 0;
}

int opener_ready(void)
{
	struct opener_answer a;

	return take_answer(&a);
}

void opener_hang_up(void)
{
	close(line.ours);
	line.ours = -1;
}
