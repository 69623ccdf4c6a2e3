/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pesto.h - a program of its own, in the same binary: lists and changes forwarding rules of a passt or pasta that runs */
#ifndef PESTO_H
#define PESTO_H

#include <stdbool.h>

/* Is that the program that was started as @name? */
bool pesto_is_meant(const char *name);

/* Its exit status */
int pesto_main(int argc, char **argv);

#endif /* PESTO_H */
