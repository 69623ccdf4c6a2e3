/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xfer.h - between the parts of xfer: jobs, sockets in two namespaces, bytes that tell where they belong */
#ifndef XFER_H
#define XFER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHUNK		(256U << 10)
#define SIZES_MAX	32
#define IDLE_MAX	2048
#define RR_MAX		256

enum closing { CLOSE_CLIENT, CLOSE_SERVER, CLOSE_HALF };

/* One line of input */
struct job {
	char		name[256];
	const char	*client, *server;	/* paths of network namespaces */
	const char	*to, *at, *src;		/* connected to, bound to, client as the server sees it; may be NULL */
	const char	*want;			/* name of the error that is to happen */
	unsigned	port, lport;
	uint64_t	up, down;		/* bytes from client to server, and back */
	enum closing	close;
	unsigned	stall;			/* ms that the receiver pauses half way */
	unsigned	chunk;			/* most bytes in one write */
	unsigned	rcvbuf;
	unsigned	rate;			/* bytes per second that a receiver reads, 0: all */
	unsigned	ms;			/* longest that the connection may take, 0: any time */
	unsigned	count, parallel, batch;
	unsigned	size[SIZES_MAX], sizes;
	bool		v6;
	char		why[512];		/* reason of a failure, or something to add to a success */
};

union sa {
	struct sockaddr		sa;
	struct sockaddr_in	v4;
	struct sockaddr_in6	v6;
};

uint64_t now_ms(void);

/* Says why and returns false, so that a job can end with it; the first reason stays */
bool failed(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sockets, non-blocking, -1 and failed() on error. @type: SOCK_STREAM or SOCK_DGRAM */
int sock_server(struct job *j, int type);
/* @conn: connect() is started; for datagrams, done */
int sock_client(struct job *j, int type, bool conn);
/* The client of @sa is the one @j expects */
bool src_ok(struct job *j, const union sa *sa);
/* Waits for @events on @fd; false and failed() if nothing comes in time */
bool sock_wait(struct job *j, int fd, short events, const char *what);
/* Both ends of a new connection; @listener from sock_server() */
bool sock_pair(struct job *j, int listener, int fd[2]);

/* Pseudo-random bytes that depend on @seed and their position alone: @len of them from @off on, in a static buffer */
const uint8_t *pattern(uint64_t seed, uint64_t off, size_t len);
uint64_t pattern_seed(const char *name, unsigned which);
/* Compares; false and failed() with the position of the first difference */
bool pattern_ok(struct job *j, const char *who, uint64_t seed, uint64_t off, const uint8_t *p, size_t len);

/* Kinds of jobs: true if all was well */
bool job_tcp(struct job *j);
bool job_udp(struct job *j);
bool job_crr(struct job *j);
bool job_rr(struct job *j);
bool job_error(struct job *j);		/* connect() fails as wanted */
bool job_udp_error(struct job *j);
bool job_idle(struct job *j);		/* opens connections that stay */
bool job_check(struct job *j);		/* and shows that they still work */

extern unsigned patience;		/* ms without progress */

#endif /* XFER_H */
