/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hint.h - settings of the host behind an error: text in parentheses for the end of its message, "" if there is none
 *
 * Texts are valid until the next call. Nothing is known without /proc.
 */
#ifndef HINT_H
#define HINT_H

#include <stdint.h>
#include <sys/types.h>

/* unshare(2) or clone(2) with @flags (CLONE_NEWUSER and others) failed, or a right in the new namespaces is missing.
 * errno is @err afterwards.
 */
const char *hint_namespaces(int err, int flags);

/* A descriptor, process or watch is one too many */
const char *hint_limit(int err);

/* The end of process @pid, a child of ours that had to get something ready: a line if it left none, as a signal killed
 * it, and status 1
 */
_Noreturn void hint_child(pid_t pid);

/* bind(2) of a port on the host failed. The setting for EACCES is read once: isolate_client() forbids to read it. */
const char *hint_bind(int err, unsigned port);

#endif /* HINT_H */
