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

/* Does a process have the socket at @a? 0, -EADDRINUSE, or other -errno. A datagram socket gets EPROTOTYPE from one of
 * streams (unix(7), unix_find_bsd() in the kernel): a listener sees no connection, which it may take for its guest.
 */
static int used(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)a, sizeof(*a)) ? errno : EPROTOTYPE;
	close(fd);
	return rc == EPROTOTYPE ? -EADDRINUSE : rc == ENOENT || rc == ECONNREFUSED ? 0 : -rc;
}

/* Removes a socket that no process has, @name in @dir: 0, -EADDRINUSE, other -errno, -FILE_LINK */
static int clear_path(const struct sockaddr_un *a, int dir, const char *name)
{
	struct stat st;
	int rc;

	if (real_root() && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
		return -FILE_LINK;
	rc = used(a);
	if (rc)
		return rc;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
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
	rc = dir < 0 ? dir : clear_path(&a, dir, name);
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
