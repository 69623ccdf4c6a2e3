/* SPDX-License-Identifier: GPL-2.0-or-later */
/* child.h - what can only be done once in a process is tested in children of the test
 *
 * A child reports with need(): what doesn't hold is written to its standard error, and ends it with CHILD_BAD.
 */
#ifndef CHILD_H
#define CHILD_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_BAD	99
#define USER		1000	/* an ordinary user */

static char child_err[8192];	/* what the last child wrote to standard error */

static _Noreturn void child_fail(const char *file, int line, const char *text)
{
	char buf[512];
	int n = snprintf(buf, sizeof(buf), "%s:%i: %s (%s)\n", file, line, text, errno_text(errno));

	if (write(STDERR_FILENO, buf, (size_t)n) < 0)
		_exit(CHILD_BAD + 1);
	_exit(CHILD_BAD);
}

#define need(x)								\
	do {								\
		if (!(x))						\
			child_fail(__FILE__, __LINE__, #x);		\
	} while (0)

/* Runs @fn(@arg) in a process group that ends with it: its exit status, or minus the signal that ended it */
static int child_run(void (*fn)(const void *), const void *arg)
{
	size_t len = 0;
	int err[2], status;
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	if (pipe2(err, O_CLOEXEC) || (pid = fork()) < 0)
		return -1000;
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		alarm(30);		/* a test that hangs has failed */
		dup2(err[1], STDERR_FILENO);
		close(err[0]);
		close(err[1]);
		fn(arg);
		_exit(0);
	}
	close(err[1]);
	waitpid(pid, &status, 0);
	kill(-pid, SIGKILL);		/* what it left behind */
	while ((n = read(err[0], child_err + len, sizeof(child_err) - 1 - len)) > 0)
		len += (size_t)n;
	child_err[len] = '\0';
	close(err[0]);
	if (WIFSIGNALED(status))
		return -WTERMSIG(status);
	if (WEXITSTATUS(status) >= CHILD_BAD)
		printf("# %s", child_err);
	return WEXITSTATUS(status);
}

/* An ordinary user, as if logged in: whoever we are */
__attribute__((unused)) static void child_user(void)
{
	if (geteuid())
		return;
	need(!setgroups(0, NULL) && !setresgid(USER, USER, USER) && !setresuid(USER, USER, USER));
	need(!prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

__attribute__((unused)) static void child_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	need(fd >= 0);
	need(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* UID 0 of a new user namespace, together with other new namespaces */
__attribute__((unused)) static void child_userns(int flags)
{
	char uid[32], gid[32];

	snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
	snprintf(gid, sizeof(gid), "0 %u 1", getegid());
	need(!unshare(CLONE_NEWUSER | flags));
	child_write("/proc/self/setgroups", "deny");
	child_write("/proc/self/uid_map", uid);
	child_write("/proc/self/gid_map", gid);
}

/* As on a kernel where system call @nr fails with @err */
__attribute__((unused)) static void child_without(uint32_t nr, uint16_t err)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(f) / sizeof(f[0]), .filter = f };

	need(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0));
}

#endif /* CHILD_H */
