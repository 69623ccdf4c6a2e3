/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hint.h - settings of the host behind an error: text in parentheses for the end of its message, "" if there is none
 *
 * Texts are valid until the next call. Nothing is known without /proc.
 */
#ifndef HINT_H
#define HINT_H

#include <stdint.h>

/* unshare(2) or clone(2) with @flags (CLONE_NEWUSER and others) failed, or a right in the new namespaces is missing.
 * errno is @err afterwards.
 */
const char *hint_namespaces(int err, int flags);

/* bind(2) of a port on the host failed */
const char *hint_bind(int err, unsigned port);

#endif /* HINT_H */
