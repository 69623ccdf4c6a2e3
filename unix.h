/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unix.h - stream sockets with a path */
#ifndef UNIX_H
#define UNIX_H

#include <sys/types.h>

#define UNIX_PATH	108		/* bytes of a path that fits in struct sockaddr_un, with the terminator */

/**
 * unix_listen() - stream socket listening at @path, non-blocking
 * @mode:	of the file, less the process's umask
 *
 * A socket without a listener is replaced. Links on the way are followed as by file_dir(); for root, none at @path is.
 *
 * Return: descriptor; -EADDRINUSE: there is a listener; -ENOTSOCK: another type of file; other -errno, -FILE_LINK
 */
int unix_listen(const char *path, mode_t mode);

/* Stream socket connected to @path, blocking: descriptor or -errno */
int unix_connect(const char *path);

/* A descriptor in reserve, to be closed when no other is left: or -errno */
int unix_spare(void);

#endif /* UNIX_H */
