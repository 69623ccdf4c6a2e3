/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check.h - --check: abilities of this host */
#ifndef CHECK_H
#define CHECK_H

#include "ns.h"

/* Prints a line for each, with a remedy where it is limited: exit status, 1 if a job of the program is impossible.
 * @c is changed, and privileges are given up: nothing else can follow.
 */
int check_host(struct conf *c, struct ns *ns);

#endif /* CHECK_H */
