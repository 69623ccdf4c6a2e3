/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow_resolv.c - a process that reads /etc/resolv.conf whenever it changes
 *
 * The main process has no file system. This one has nothing but that, to read: it sends the text, and ends with the
 * main process. resolv.conf(5) may be a link, or a chain of them, also by directories that are links, to a file that is
 * written anew, replaced, or made later (NetworkManager, systemd-resolved, resolvconf). So the directory of each of the
 * names is watched (inotify(7)), and the file itself; for a directory that doesn't exist, the one above. Watches are
 * set anew before each reading: a change behind it is another event.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "follow.h"
#include "isolate.h"
#include "log.h"

#define HOPS_MAX	16		/* in a chain */
#define SETTLE		20		/* ms: several events come at once */
#define WATCH_EVENTS	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_MODIFY |	\
			 IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF)

struct chain {
	int	inotify;
	int	watch[2 * HOPS_MAX + 1];
	char	name[HOPS_MAX + 1][NAME_MAX + 1];	/* names that matter */
	unsigned n, names;
};

/* Cuts the last part off a path, into @name; false if there is none */
static bool path_cut(char *path, char name[static NAME_MAX + 1])
{
	char *slash = strrchr(path, '/');

	if (!slash || !slash[1])
		return false;
	snprintf(name, NAME_MAX + 1, "%s", slash + 1);
	slash[slash == path] = '\0';
	return true;
}

static bool watch_path(struct chain *c, const char *path)
{
	int wd = inotify_add_watch(c->inotify, path, WATCH_EVENTS);

	for (unsigned i = 0; i < c->n; i++)
		if (c->watch[i] == wd)
			return true;
	if (wd >= 0 && c->n < ARRAY_SIZE(c->watch))
		c->watch[c->n++] = wd;
	return wd >= 0;
}

/* The directory of @path, or the next one above that exists, for the name in it */
static void watch_above(struct chain *c, const char *path)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", path);
	while (path_cut(dir, c->name[c->names]) && !watch_path(c, dir))
		;
	c->names++;
}

/* Target of the link @path, with @rest behind it, into @path; false if it isn't one */
static bool follow_link(char path[static PATH_MAX], const char *rest)
{
	char to[PATH_MAX], at[PATH_MAX], name[NAME_MAX + 1];
	long n = syscall(__NR_readlinkat, AT_FDCWD, path, to, sizeof(to) - 1);

	if (n <= 0)
		return false;
	to[n] = '\0';
	snprintf(at, sizeof(at), "%s", path);
	path_cut(at, name);
	n = *to == '/' ? snprintf(path, PATH_MAX, "%s%s", to, rest) : snprintf(path, PATH_MAX, "%s/%s%s", at, to, rest);
	return n < PATH_MAX;
}

/* Watches the first link on the way, and follows it; false if there is none */
static bool watch_link(struct chain *c, char path[static PATH_MAX])
{
	char way[PATH_MAX];

	for (size_t n = 0; path[n];) {
		n += 1 + strcspn(path + n + 1, "/");
		snprintf(way, sizeof(way), "%.*s", (int)n, path);
		if (!follow_link(way, path + n))
			continue;
		path[n] = '\0';
		watch_above(c, path);
		snprintf(path, PATH_MAX, "%s", way);
		return true;
	}
	return false;
}

/* Watches of all names in the chain of links, in place of the former ones */
static void watch_chain(struct chain *c, const char *start)
{
	char path[PATH_MAX];

	while (c->n)
		inotify_rm_watch(c->inotify, c->watch[--c->n]);
	c->names = 0;
	snprintf(path, sizeof(path), "%s", start);
	for (unsigned i = 0; i < HOPS_MAX && watch_link(c, path); i++)
		;
	watch_above(c, path);
	watch_path(c, path);
}

/* Takes all events: does any of them matter? */
static bool take_events(struct chain *c)
{
	static _Alignas(struct inotify_event) char buf[4096];
	const struct inotify_event *e;
	bool matters = false;
	ssize_t n;

	while ((n = read(c->inotify, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*e) + e->len)) {
			e = (const void *)(buf + at);
			matters |= !e->len && !(e->mask & IN_IGNORED);
			for (unsigned i = 0; i < c->names && e->len; i++)
				matters |= !strcmp(e->name, c->name[i]);
		}
	}
	return matters;
}

/* Text of the file: length, or -1 */
static ssize_t read_file(const char *path, char buf[static RESOLV_TEXT])
{
	int fd = (int)syscall(__NR_openat, AT_FDCWD, path, READER_FLAGS);
	ssize_t len = 0, n;

	if (fd < 0)
		return -1;
	while (len < RESOLV_TEXT && (n = read(fd, buf + len, (size_t)(RESOLV_TEXT - len))) > 0)
		len += n;
	close(fd);
	return len;
}

static _Noreturn void read_and_send(const char *path, int line, int inotify)
{
	static struct chain c;
	static char text[2][RESOLV_TEXT];
	struct pollfd p[] = { { .fd = line }, { .fd = inotify, .events = POLLIN } };
	ssize_t len, last = -1;
	unsigned now = 0;

	c.inotify = inotify;
	send(line, "", 1, MSG_NOSIGNAL);		/* ready */
	do {
		watch_chain(&c, path);
		len = read_file(path, text[now]);
		if (len > 0 && (len != last || memcmp(text[0], text[1], (size_t)len))) {
			if (send(line, text[now], (size_t)len, MSG_NOSIGNAL) < 0)
				break;
			last = len;
			now ^= 1;
		}
		do {
			if (UNINTERRUPTED(poll(p, 2, -1)) < 0 || p[0].revents)
				_exit(0);
		} while (!take_events(&c));
	} while (UNINTERRUPTED(poll(p, 1, SETTLE)) == 0);
	_exit(0);
}

static _Noreturn void reader_main(const char *path, int line, int inotify)
{
	const int keep[] = { line, inotify };

	isolate_beside("passt-names", keep, ARRAY_SIZE(keep));
	isolate_reader();
	read_and_send(path, line, inotify);
}

int follow_resolv(const char *path)
{
	int line[2] = { -1, -1 }, inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), rc = 0;

	if (inotify < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line))
		rc = -errno;
	rc = rc ? rc : fork_away();
	if (!rc)
		reader_main(path, line[1], inotify);
	fd_close(inotify);
	fd_close(line[1]);
	if (rc > 0)
		return line[0];
	fd_close(line[0]);
	return rc;
}
