/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drop.c - names of the reasons for which something was not delivered */
#include "drop.h"

#define NAME(reason, name)	[reason] = name,

const char *const drop_name[DROP_COUNT] = { DROPS(NAME) };
