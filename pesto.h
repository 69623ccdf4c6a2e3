/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pesto.h - a program of its own in the same binary: the control socket of a passt or pasta that runs */
#ifndef PESTO_H
#define PESTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PESTO_TEXT	1024			/* bytes of a member that is text, at most */
#define PESTO_ANSWER	(8U << 20)		/* of an answer */

/* Is @name, with or without a path, that of the program? */
bool pesto_is_meant(const char *name);

/* Its exit status */
int pesto_main(int argc, char **argv);

/* Sends a call of @len bytes, NUL included, to @path; an error ends the process */
void pesto_call(int fd, const char *path, const char *text, size_t len);

/* Answers from a connection */
struct replies {
	size_t		have, used;		/* bytes in @buf; those of the answers before the next one */
	size_t		size;
	char		*buf;
};

/* Reads once; an error, or the end of the connection, ends the process */
void replies_read(struct replies *r, int fd, const char *path);

/* The next one that is there in whole, or NULL; valid until the next replies_read() */
const char *replies_next(struct replies *r, const char *path);

/* The same, as soon as it is there */
const char *replies_wait(struct replies *r, int fd, const char *path);

/* The next answer's parameters; an error ends the process. @more: filled in: another answer follows; or NULL. With
 * @more, NULL is returned if the method is unknown there.
 */
const char *pesto_answer(int fd, const char *path, bool *more);

/* Member that is text, or ""; made safe for a terminal, as the server may be anybody */
void pesto_text(const char *v, const char *name, char buf[static PESTO_TEXT]);

/* Member that is a number, or 0 */
int64_t pesto_int(const char *v, const char *name);

/* A look at flows, events, counters or questions: until the user or the server ends it, for some */
enum pesto_view { VIEW_NONE, VIEW_FLOWS, VIEW_TOP, VIEW_EVENTS, VIEW_METRICS, VIEW_GUESTS, VIEW_ASK };
void pesto_view(int fd, const char *path, enum pesto_view view);

/* A connection to the control socket at @path, or the end of the process */
int pesto_connect(const char *path);

/* Prints an object's members that are a place: protocol, address with port, name or "-" */
void pesto_place(const char *v);

/* Questions, from a connection to @path, and answers, until the connection ends: an error */
_Noreturn void pesto_ask(int fd, const char *path);

/* The guests that are connected: a title, and a line each */
void pesto_guests(int fd, const char *path);

/* One of them, by index, MAC address, name or address, is to be disconnected; it is an error if there is none */
void pesto_disconnect(int fd, const char *path, const char *guest);

#endif /* PESTO_H */
