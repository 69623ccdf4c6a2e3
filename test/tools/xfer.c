/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xfer.c - moves bytes between two network namespaces and looks at every one of them
 *
 *	xfer [-t SECONDS] < JOBS
 *
 * One process has both ends, so that nothing needs to be coordinated, and results need not be collected. A line is a
 * job:
 *
 *	KIND NAME KEY=VALUE...
 *
 * tcp	a connection: up=BYTES, down=BYTES, close=client|server|half (half: each side when it has sent all), stall=MS,
 *	chunk=BYTES, rcvbuf=BYTES, rate=N bytes per second that a receiver reads, ms=N at most
 * udp	datagrams there and back: sizes=N,N..., batch=N at a time, parallel=N clients at once
 * crr	count=N connections, each with one byte up and one down
 * rr	parallel=N connections, on each a byte there and one back, again and again: count=N times in all
 * error, udp-error	count=N attempts, each of which ends with want=ECONNREFUSED or the like
 * idle, check	count=N connections that stay open until the end; a byte there and back on each
 *
 * For all: c=NETNS and s=NETNS, paths of client's and server's namespace; to=ADDR port=N to connect to; at=ADDR
 * lport=N to listen at, by default any address and the same port; src=ADDR, the client as the server has to see it. A
 * name with spaces uses _ instead. Prints TAP without a plan. SECONDS without progress end a job.
 */
/* LINK: test/tools/xfer_tcp.o test/tools/xfer_udp.o test/tools/pattern.o */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "xfer.h"

unsigned patience = 10000;

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool failed(struct job *j, const char *fmt, ...)
{
	va_list ap;

	if (j->why[0])
		return false;
	va_start(ap, fmt);
	vsnprintf(j->why, sizeof(j->why), fmt, ap);
	va_end(ap);
	return false;
}

/* Pattern */

bool pattern_ok(struct job *j, const char *who, uint64_t seed, uint64_t off, const uint8_t *p, size_t len)
{
	const uint8_t *want = pattern(seed, off, len);
	size_t i;

	if (!memcmp(p, want, len))
		return true;
	for (i = 0; p[i] == want[i]; i++)
		;
	return failed(j, "%s: byte %llu is 0x%02x, not 0x%02x", who, (unsigned long long)(off + i), p[i], want[i]);
}

/* Sockets */

static bool netns_enter(struct job *j, const char *path)
{
	static char current[256];
	int fd;

	if (!path || !strcmp(current, path))
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		return failed(j, "%s: %s", path, strerror(errno));
	close(fd);
	snprintf(current, sizeof(current), "%s", path);
	return true;
}

/* Family of an address: the server's may be another than the client's, see --dns-forward */
static bool is_v6(const struct job *j, const char *text)
{
	return text ? strchr(text, ':') != NULL : j->v6;
}

static socklen_t sa_make(struct job *j, const char *text, unsigned port, union sa *sa)
{
	memset(sa, 0, sizeof(*sa));
	if (is_v6(j, text)) {
		char addr[64], *scope;

		snprintf(addr, sizeof(addr), "%s", text ? text : "::");
		scope = strchr(addr, '%');
		if (scope) {
			*scope++ = '\0';
			sa->v6.sin6_scope_id = (uint32_t)atoi(scope);
		}
		sa->v6.sin6_family = AF_INET6;
		sa->v6.sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, addr, &sa->v6.sin6_addr) == 1 ? sizeof(sa->v6) : 0;
	}
	sa->v4.sin_family = AF_INET;
	sa->v4.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, text ? text : "0.0.0.0", &sa->v4.sin_addr) == 1 ? sizeof(sa->v4) : 0;
}

static int sock_new(struct job *j, const char *text, int type)
{
	int fd = socket(is_v6(j, text) ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 4 << 20;

	if (fd < 0) {
		failed(j, "socket: %s", strerror(errno));
		return -1;
	}
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	else if (j->rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &j->rcvbuf, sizeof(j->rcvbuf));
	return fd;
}

int sock_server(struct job *j, int type)
{
	socklen_t len;
	union sa sa;
	int fd, one = 1;

	if (!netns_enter(j, j->server))
		return -1;
	fd = sock_new(j, j->at, type);
	if (fd < 0)
		return -1;
	len = sa_make(j, j->at, j->lport, &sa);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));	/* not for clients: two could get one port */
	if (is_v6(j, j->at))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (!len || bind(fd, &sa.sa, len) || (type == SOCK_STREAM && listen(fd, 4096))) {
		failed(j, "listen: %s", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int sock_client(struct job *j, int type, bool conn)
{
	socklen_t len;
	union sa sa;
	int fd;

	if (!netns_enter(j, j->client))
		return -1;
	fd = sock_new(j, j->to, type);
	if (fd < 0 || !conn)
		return fd;
	len = sa_make(j, j->to, j->port, &sa);
	if (!len || (connect(fd, &sa.sa, len) && errno != EINPROGRESS)) {
		int err = errno;

		close(fd);
		failed(j, "connect: %s", len ? strerror(err) : "not an address");
		errno = err;
		return -1;
	}
	return fd;
}

bool src_ok(struct job *j, const union sa *sa)
{
	char got[64];

	if (!j->src)
		return true;
	if (sa->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &sa->v6.sin6_addr, got, sizeof(got));
	else
		inet_ntop(AF_INET, &sa->v4.sin_addr, got, sizeof(got));
	return !strcmp(got, j->src) || failed(j, "client is seen as %s, not %s", got, j->src);
}

bool sock_wait(struct job *j, int fd, short events, const char *what)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, (int)patience) == 1 || failed(j, "%s: nothing in %u ms", what, patience);
}

bool sock_pair(struct job *j, int listener, int fd[2])
{
	int err = 0, one = 1;
	socklen_t len = sizeof(err), salen;
	union sa sa;

	fd[1] = -1;
	fd[0] = sock_client(j, SOCK_STREAM, true);
	if (fd[0] < 0)
		return false;
	if (!sock_wait(j, fd[0], POLLOUT, "connect"))
		return false;
	getsockopt(fd[0], SOL_SOCKET, SO_ERROR, &err, &len);
	if (err)
		return failed(j, "connect: %s", strerror(err));
	if (!sock_wait(j, listener, POLLIN, "accept"))
		return false;
	salen = sizeof(sa);
	fd[1] = accept4(listener, &sa.sa, &salen, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd[1] < 0)
		return failed(j, "accept: %s", strerror(errno));
	for (int i = 0; i < 2; i++)
		setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return src_ok(j, &sa);
}

/* Jobs */

static bool key_value(struct job *j, const char *key, char *v)
{
	if (!strcmp(key, "c"))			j->client = v;
	else if (!strcmp(key, "s"))		j->server = v;
	else if (!strcmp(key, "to"))		j->to = v;
	else if (!strcmp(key, "at"))		j->at = v;
	else if (!strcmp(key, "src"))		j->src = v;
	else if (!strcmp(key, "want"))		j->want = v;
	else if (!strcmp(key, "port"))		j->port = (unsigned)atoi(v);
	else if (!strcmp(key, "lport"))		j->lport = (unsigned)atoi(v);
	else if (!strcmp(key, "up"))		j->up = strtoull(v, NULL, 10);
	else if (!strcmp(key, "down"))		j->down = strtoull(v, NULL, 10);
	else if (!strcmp(key, "stall"))		j->stall = (unsigned)atoi(v);
	else if (!strcmp(key, "ms"))		j->ms = (unsigned)atoi(v);
	else if (!strcmp(key, "chunk"))		j->chunk = (unsigned)atoi(v);
	else if (!strcmp(key, "rcvbuf"))	j->rcvbuf = (unsigned)atoi(v);
	else if (!strcmp(key, "rate"))		j->rate = (unsigned)atoi(v);
	else if (!strcmp(key, "count"))		j->count = (unsigned)atoi(v);
	else if (!strcmp(key, "parallel"))	j->parallel = (unsigned)atoi(v);
	else if (!strcmp(key, "batch"))		j->batch = (unsigned)atoi(v);
	else if (!strcmp(key, "close"))
		j->close = !strcmp(v, "half") ? CLOSE_HALF : !strcmp(v, "server") ? CLOSE_SERVER : CLOSE_CLIENT;
	else if (!strcmp(key, "sizes")) {
		for (char *s = strtok(v, ","); s && j->sizes < SIZES_MAX; s = strtok(NULL, ","))
			j->size[j->sizes++] = (unsigned)atoi(s);
	} else
		return failed(j, "no such key: %s", key);
	return true;
}

static bool job_parse(struct job *j, char *line, char **kind)
{
	char *at = line, *w;

	*kind = strsep(&at, " ");
	w = strsep(&at, " ");
	snprintf(j->name, sizeof(j->name), "%s", w ? w : "?");
	for (w = j->name; *w; w++)
		*w = *w == '_' ? ' ' : *w;
	j->chunk = CHUNK;
	j->count = j->parallel = j->batch = 1;
	while ((w = strsep(&at, " ")) != NULL) {
		char *v = strchr(w, '=');

		if (!*w)
			continue;
		if (!v)
			return failed(j, "not KEY=VALUE: %s", w);
		*v++ = '\0';
		if (!key_value(j, w, v))
			return false;
	}
	if (!j->lport)
		j->lport = j->port;
	if (!j->chunk || j->chunk > CHUNK)
		j->chunk = CHUNK;
	j->v6 = j->to && strchr(j->to, ':');
	return true;
}

int main(int argc, char **argv)
{
	static const struct { const char *kind; bool (*run)(struct job *); } kinds[] = {
		{ "tcp", job_tcp }, { "udp", job_udp }, { "crr", job_crr }, { "rr", job_rr },
		{ "error", job_error }, { "udp-error", job_udp_error }, { "idle", job_idle }, { "check", job_check },
	};
	struct rlimit rl;
	char line[4096];
	unsigned n = 0, bad = 0;

	if (argc == 3 && !strcmp(argv[1], "-t"))
		patience = (unsigned)atoi(argv[2]) * 1000;
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	while (fgets(line, sizeof(line), stdin)) {
		struct job j = { .name = "" };
		bool good = false, known = false;
		char *kind;

		line[strcspn(line, "\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (job_parse(&j, line, &kind)) {
			for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
				if (strcmp(kind, kinds[i].kind))
					continue;
				known = true;
				good = kinds[i].run(&j);
			}
			if (!known)
				failed(&j, "no such kind of job: %s", kind);
		}
		printf("%sok %u - %s%s%s\n", good ? "" : "not ", ++n, j.name, j.why[0] ? ": " : "", j.why);
		fflush(stdout);
		bad += !good;
	}
	return bad ? 1 : 0;
}
