/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isolate.h - give up everything that is not needed, step by step
 *
 * Order, each as early as it can be: capabilities and inherited descriptors (isolate_early), the user (isolate_user), IPC,
 * mount, UTS and PID namespaces and an empty root (isolate_prefork), the last capabilities, no_new_privs, Landlock and the
 * system call filter (isolate_late).
 */
#ifndef ISOLATE_H
#define ISOLATE_H

#include "conf.h"

/* Closes every descriptor above stderr but @keep (-1: none), opens /dev/null for closed standard streams, and drops
 * capabilities that no later step needs. Messages go to stderr; may die().
 */
void isolate_early(const struct conf *c, int keep);

/* Root in the initial user namespace becomes nobody or --runas; groups are dropped. Otherwise nothing changes, but --runas of
 * one's own ids is accepted. Files are opened before this. May die().
 */
void isolate_user(const struct conf *c);

/* New IPC, mount, UTS and (if not in the foreground) PID namespaces, in a new user namespace where that is needed;
 * root becomes an empty, read-only file system. May die().
 */
void isolate_prefork(const struct conf *c);

/* All capabilities (also from the bounding set), no_new_privs, not dumpable, Landlock, seccomp. May die(). */
void isolate_late(const struct conf *c);

#endif /* ISOLATE_H */
