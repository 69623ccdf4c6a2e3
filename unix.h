/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unix.h - sockets with a path: to listen on, and to connect to */
#ifndef UNIX_H
#define UNIX_H

#include <sys/types.h>

#define UNIX_PATH	108		/* bytes of a path that fits in struct sockaddr_un, with the terminator */

/**
 * unix_listen() - stream socket listening at @path, non-blocking
 * @mode:	of the file, less the process's umask
 *
 * A socket nobody listens on any more is replaced. Links on the way are followed as by file_dir(); one at the path is
 * not followed for root.
 *
 * Return: descriptor; -EADDRINUSE: somebody listens there; -ENOTSOCK: something else is there; other -errno, -FILE_LINK
 */
int unix_listen(const char *path, mode_t mode);

/* Stream socket connected to @path, blocking: descriptor or -errno */
int unix_connect(const char *path);

/* A descriptor for nothing but to be closed when there is no other left: or -errno */
int unix_spare(void);

#endif /* UNIX_H */
