/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unix.c - stream sockets with a path */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unix.h"
#include "util.h"

#define BACKLOG		128

static int unix_socket(const char *path, int flags, struct sockaddr_un *a)
{
	int fd;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	return fd < 0 ? -errno : fd;
}

/* Removes a socket without a listener, @name in @dir: 0, -EADDRINUSE if it has one, other -errno, -FILE_LINK */
static int clear_path(int fd, const struct sockaddr_un *a, int dir, const char *name)
{
	struct stat st;

	if (real_root() && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
		return -FILE_LINK;
	if (!connect(fd, (const struct sockaddr *)a, sizeof(*a)) || errno == EAGAIN)	/* its queue is full */
		return -EADDRINUSE;
	if (errno == ENOENT)
		return 0;
	if (errno != ECONNREFUSED)
		return -errno;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	return unlinkat(dir, name, 0) ? -errno : 0;
}

int unix_listen(const char *path, mode_t mode)
{
	char name[NAME_MAX + 1];
	struct sockaddr_un a;
	int fd, dir, rc;
	mode_t mask;

	fd = unix_socket(path, SOCK_NONBLOCK, &a);
	if (fd < 0)
		return fd;
	dir = file_dir(path, name);
	rc = dir < 0 ? dir : clear_path(fd, &a, dir, name);
	fd_close(dir);
	mask = umask(0777);
	umask(mask | (~mode & 0777));
	if (!rc && (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, BACKLOG)))
		rc = -errno;
	umask(mask);
	if (rc)
		close(fd);
	return rc ? rc : fd;
}

int unix_connect(const char *path)
{
	struct sockaddr_un a;
	int fd = unix_socket(path, 0, &a), rc = fd;

	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		rc = -errno;
		close(fd);
	}
	return rc;
}

int unix_spare(void)
{
	struct sockaddr_un a;

	return unix_socket("", 0, &a);
}
