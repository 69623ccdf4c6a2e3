/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pesto.h - a program of its own in the same binary: forwarding rules of a passt or pasta that runs */
#ifndef PESTO_H
#define PESTO_H

#include <stdbool.h>

/* Is @name, with or without a path, that of the program? */
bool pesto_is_meant(const char *name);

/* Its exit status */
int pesto_main(int argc, char **argv);

#endif /* PESTO_H */
