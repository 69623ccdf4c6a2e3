/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opener_here.h - in place of the opener in another namespace: files and sockets are opened where the test is */
#ifndef OPENER_HERE_H
#define OPENER_HERE_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "../opener.h"

static int opener_error;		/* -errno: there is nothing to be had */
static unsigned opener_most = 1;	/* sockets at a time, so that descriptors can be counted */

bool opener_runs(void)
{
	return opener_error != -EAFNOSUPPORT;
}

int opener_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int opener_sockets(int family, int type, int proto, int *fd, unsigned n)
{
	unsigned i;

	if (opener_error)
		return opener_error;
	for (i = 0; i < n && i < opener_most; i++) {
		fd[i] = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
		if (fd[i] < 0)
			return i ? (int)i : -errno;
	}
	return (int)i;
}

#endif /* OPENER_HERE_H */
