/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isolate.h - give up everything that is not needed, step by step
 *
 * Order, each as early as it can be: capabilities and inherited descriptors (isolate_early), the user (isolate_user),
 * IPC, mount, UTS and PID namespaces and an empty root (isolate_prefork), the last capabilities, no_new_privs, Landlock
 * and the system call filter (isolate_late).
 */
#ifndef ISOLATE_H
#define ISOLATE_H

#include "conf.h"

/* Not dumpable (prctl(2), PR_SET_DUMPABLE): tracing this process, its memory, root, descriptors and namespaces in /proc
 * then take CAP_SYS_PTRACE in the user namespace that the program was started in (ptrace(2)). Kept by fork() and
 * clone(); the kernel sets it anew, to fs.suid_dumpable, when the user ID changes or capabilities grow: repeat it after
 * these. May die().
 */
void isolate_hide(void);

/* Hides the process (isolate_hide), closes every descriptor above stderr but @keep (-1: none) and those that namespaces
 * are given by, opens /dev/null for closed standard streams, and drops capabilities that no later step needs. Messages
 * go to stderr; may die().
 */
void isolate_early(const struct conf *c, int keep);

/* Closes every descriptor above stderr but the @n in @keep; negative ones stand for nothing */
void isolate_fds(const int *keep, unsigned n);

/* Descriptor that a namespace's path, /proc/self/fd/N, stands for, or -1 */
int isolate_fd_in_path(const char *path);

/* Root in the initial user namespace becomes nobody or --runas; groups are dropped. What joining namespaces takes is
 * kept until isolate_late(), so that root's targets can be joined. Otherwise nothing changes, but --runas of
 * one's own ids is accepted. Files are opened before this. May die().
 */
void isolate_user(const struct conf *c);

/* New IPC, mount, UTS and (if not in the foreground) PID namespaces, in a new user namespace where that is needed;
 * root becomes an empty, read-only file system. May die().
 */
void isolate_prefork(const struct conf *c);

/* All capabilities (also from the bounding set), no_new_privs, not dumpable, Landlock, seccomp. May die(). */
void isolate_late(const struct conf *c);

/* For a program that has opened all it will ever need: no capabilities, no privileges to gain, no files. May die(). */
void isolate_client(void);

/* The same for the calling thread, if all it does is to open sockets and answer: see ns_opener_stay() */
void isolate_opener(void);

#endif /* ISOLATE_H */
