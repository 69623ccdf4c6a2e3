/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hellos.h - what a guest sends first: a ClientHello, or an HTTP request */
#ifndef HELLOS_H
#define HELLOS_H

#include <stddef.h>
#include <stdint.h>

#define HELLOS_MAX	20000

/**
 * hello_make(), request_make() - first bytes of a connection
 * @names:	with commas, "-" for none
 * @len:	so many of them; 0: as many as it takes
 *
 * Return: their number, in @buf of HELLOS_MAX bytes
 */
size_t hello_make(uint8_t *buf, const char *names, size_t len);
size_t request_make(uint8_t *buf, const char *names, size_t len);

#endif /* HELLOS_H */
