/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attack.h - a guest whose every segment may be a lie, on several connections at once */
#ifndef ATTACK_H
#define ATTACK_H

#include "run.h"

/* Some hundred random lies, then honesty: true if each connection came to an end then, and nothing is left */
bool attack_run(struct run *r, uint64_t seed);

#endif /* ATTACK_H */
