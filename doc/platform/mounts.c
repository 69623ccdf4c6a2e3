/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mounts.c - what was opened before unshare(CLONE_NEWNS) stays in the mount namespace that was left
 *
 * ns_gone() looks up the name of a network namespace, usually a bind mount, in a directory that was opened with
 * O_PATH, and polls mountinfo to know when to look (proc(5)): both must be those of the host, while we have an empty
 * root of our own.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../test/t.h"

/* File system that a name is on: each tmpfs has a number of its own */
static dev_t fs_of(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) ? 0 : st.st_dev;
}

static bool told(int ep)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 10000) == 1 && ev.events & EPOLLPRI;
}

/* Stays outside, and does what one letter each tells it */
static void outside(int in, int out)
{
	char what;

	while (read(in, &what, 1) == 1) {
		int rc = what == 'm' ? mount("tmpfs", "/tmp", "tmpfs", 0, NULL) : umount2("/tmp", MNT_DETACH);

		what = rc ? 'f' : 'k';
		if (write(out, &what, 1) != 1)
			break;
	}
	_exit(0);
}

static bool ask(int to, int from, char what)
{
	return write(to, &what, 1) == 1 && read(from, &what, 1) == 1 && what == 'k';
}

int main(void)
{
	struct epoll_event ev = { .events = EPOLLPRI };
	int to[2], from[2], dir, ep = epoll_create1(0), mounts;
	dev_t before = fs_of(AT_FDCWD, "/tmp"), during;
	pid_t pid;

	test("directory and mount table are opened, and their mount namespace is left");
	ok(!unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)));
	ok(!mount("", "/", "", MS_PRIVATE | MS_REC, NULL));
	ok(!pipe(to) && !pipe(from));
	pid = fork();
	if (!pid) {
		close(to[1]);
		outside(to[0], from[1]);
	}
	ok((dir = open("/", O_PATH | O_DIRECTORY)) >= 0);
	ok((mounts = open("/proc/self/mountinfo", O_RDONLY)) >= 0);
	ok(!epoll_ctl(ep, EPOLL_CTL_ADD, mounts, &ev));
	ok(!unshare(CLONE_NEWNS));
	while (epoll_wait(ep, &ev, 1, 0)) /* others may delete what is mounted upon here */
		;

	test("something is mounted out there: mountinfo tells, the directory shows it, a path does not");
	ok(ask(to[1], from[0], 'm'));
	ok(told(ep));
	during = fs_of(dir, "tmp");
	ok(during && during != before);
	eq(fs_of(AT_FDCWD, "/tmp"), before);

	test("the same with something else mounted there in here, which is ours alone");
	ok(!mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
	ok(fs_of(AT_FDCWD, "/tmp") != during);
	eq(fs_of(dir, "tmp"), during);

	test("and when it goes");
	ok(ask(to[1], from[0], 'u'));
	ok(told(ep));
	eq(fs_of(dir, "tmp"), before);

	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return done();
}
