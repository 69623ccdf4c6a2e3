/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opener.h - files and sockets of the target network namespace, which this process never enters
 *
 * A descriptor works from anywhere (doc/platform/inside.c): it only has to be opened inside, by the opener that ns.c
 * starts there. It shares descriptors with its caller, which waits: a call costs two context switches.
 */
#ifndef OPENER_H
#define OPENER_H

#include <stdbool.h>

bool opener_runs(void);

/**
 * opener_sockets() - socket() in the target namespace, up to @n times
 * @family:	AF_INET or AF_INET6; any other only during start-up
 * @type:	SOCK_CLOEXEC and SOCK_NONBLOCK are added
 * @fd:		descriptors
 *
 * Return: number of sockets, or -errno if none; -EAFNOSUPPORT without an opener
 */
int opener_sockets(int family, int type, int proto, int *fd, unsigned n);

/* open() there, during start-up; O_CLOEXEC and O_NONBLOCK are added: descriptor or -errno */
int opener_file(const char *path, int flags);

/* A line to a new opener: 0 or -errno. @stays: for sockets of AF_INET and AF_INET6 only */
int opener_connect(bool stays);
/* Waits for its start, or answer: the result */
int opener_ready(void);
/* The opener leaves opener_serve() */
void opener_hang_up(void);
/* In the opener; @rc: 0, or -errno if it can't do its work */
void opener_serve(int rc);

#endif /* OPENER_H */
