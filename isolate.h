/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isolate.h - give up all rights that are not needed, step by step
 *
 * Order, each as early as it can be: capabilities and inherited descriptors (isolate_early), the user (isolate_user),
 * IPC, mount, UTS and PID namespaces and an empty root (isolate_prefork), the last capabilities, no_new_privs, Landlock
 * and the system call filter (isolate_late).
 */
#ifndef ISOLATE_H
#define ISOLATE_H

#include "conf.h"

/* Not dumpable (prctl(2), PR_SET_DUMPABLE): tracing this process, its memory, root, descriptors and namespaces in /proc
 * then take CAP_SYS_PTRACE in the user namespace of the program's start (ptrace(2)). fork() and clone() keep it. The
 * kernel resets it to fs.suid_dumpable when the user ID changes or capabilities grow: repeat it then. May die().
 */
void isolate_hide(void);

/* Hides the process (isolate_hide), closes descriptors above stderr but @n in @keep and the namespaces', opens
 * /dev/null for closed standard streams, and drops capabilities that no later step needs. Before the log is open; may
 * die().
 */
void isolate_early(const struct conf *c, const int *keep, unsigned n);

/* Closes descriptors above stderr but the @n in @keep; negative ones are none */
void isolate_fds(const int *keep, unsigned n);

/* In a process that stays beside the main one: its name in lists of processes, for users another program; no signals,
 * which a terminal or a service sends to the main process; standard streams nowhere; no other descriptors
 */
void isolate_beside(const char *name, const int *keep, unsigned n);

/* N of a path /proc/self/fd/N, or negative for any other */
int isolate_fd_in_path(const char *path);

/* Root in the initial user namespace becomes nobody or --runas; groups are dropped. Capabilities for joining namespaces
 * are kept until isolate_late(), for root's targets. Another user may only become itself. Files are opened before. May
 * die().
 */
void isolate_user(const struct conf *c);

/* New IPC, mount, UTS and (in the background) PID namespaces, in a new user namespace where that is needed; the root
 * becomes an empty, read-only file system. May die().
 */
void isolate_prefork(const struct conf *c);

/* No capabilities (nor in the bounding set), no_new_privs, not dumpable, Landlock, seccomp. May die(). */
void isolate_late(const struct conf *c);

/* Version of the kernel's Landlock, below 1: it has none (before Linux 5.13), or it is switched off */
int isolate_landlock(void);

/* For a program without files to open any more: no capabilities, no_new_privs, Landlock. May die(). */
void isolate_client(void);

/* isolate_late() for the calling thread, which opens sockets and answers: see ns_opener_stay() */
void isolate_opener(void);

/* For a process that changes the network of the namespace: CAP_NET_ADMIN, and sending and receiving only. May die(). */
void isolate_setter(void);

#define READER_FLAGS	(O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)	/* its only way to open a file */

/* For a process that reads files and nothing else, and writes to a socket. May die(). */
void isolate_reader(void);

/* For a process that copies from a pipe to a file that is open. May die(). */
void isolate_writer(void);

#endif /* ISOLATE_H */
