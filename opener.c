/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opener.c - files and sockets of the target network namespace
 *
 * Both sides share memory, with thread-local storage and errno: only one of them runs at a time. So a message is the
 * address of a request, and the answer, an int, its result.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "opener.h"
#include "util.h"

struct opener_request {
	const char	*path;		/* of a file, or NULL: a socket */
	int		flags;
	int		family, type, proto;
	int		*fd;		/* descriptors, @n at most */
	unsigned	n;
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

/* As many as were requested, or until an error: their number, or -errno if none */
static int open_all(const struct opener_request *r)
{
	for (unsigned i = 0; i < r->n; i++) {
		r->fd[i] = open_one(r);
		if (r->fd[i] < 0)
			return i ? (int)i : r->fd[i];
	}
	return (int)r->n;
}

void opener_serve(int rc)
{
	const struct opener_request *r;
	int n = rc;

	while (write(line.its, &n, sizeof(n)) == sizeof(n) && !rc && read(line.its, &r, sizeof(r)) == sizeof(r))
		n = open_all(r);
	close(line.its);
}

int opener_ready(void)
{
	int n = -EIO;

	return UNINTERRUPTED(read(line.ours, &n, sizeof(n))) == sizeof(n) ? n : -EIO;
}

static int ask(const struct opener_request *r)
{
	/* The filter of an opener that stays would end the process */
	if (line.ours < 0 || (line.stays && (r->path || (r->family != AF_INET && r->family != AF_INET6))))
		return -EAFNOSUPPORT;
	return write(line.ours, &r, sizeof(r)) == sizeof(r) ? opener_ready() : -EIO;
}

int opener_sockets(int family, int type, int proto, int *fd, unsigned n)
{
	return ask(&(struct opener_request){ .family = family, .type = type, .proto = proto, .fd = fd, .n = n });
}

int opener_file(const char *path, int flags)
{
	int fd, n = ask(&(struct opener_request){ .path = path, .flags = flags, .fd = &fd, .n = 1 });

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

void opener_hang_up(void)
{
	close(line.ours);
	line.ours = -1;
}
