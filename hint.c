/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hint.c - settings of the host behind an error */
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "hint.h"
#include "log.h"
#include "util.h"

#define FILTERED " (a system call filter is in force: options of the container that this runs in may permit it)"

static char text[160];

static bool is_set(const char *path, const char *value)
{
	char buf[32];

	return file_line(path, buf, sizeof(buf)) && !strcmp(buf, value);
}

/* namespaces(7), "The /proc/sys/user directory" */
static const char *limit_reached(int flags)
{
	static const struct {
		int		flag;
		const char	*name;
	} limit[] = {
		{ CLONE_NEWUSER, "user" }, { CLONE_NEWNET, "net" }, { CLONE_NEWNS, "mnt" },
		{ CLONE_NEWPID, "pid" }, { CLONE_NEWIPC, "ipc" }, { CLONE_NEWUTS, "uts" },
	};
	char path[64];

	for (unsigned i = 0; i < ARRAY_SIZE(limit); i++) {
		snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", limit[i].name);
		if (flags & limit[i].flag && is_set(path, "0")) {
			snprintf(text, sizeof(text), " (sysctl user.max_%s_namespaces is 0)", limit[i].name);
			return text;
		}
	}
	return " (as many as sysctl user.max_user_namespaces or its like permit, or 32 inside of each other)";
}

static const char *cause(int err, int flags)
{
	if (err == ENOSPC || err == EUSERS)		/* EUSERS: before Linux 4.9 */
		return limit_reached(flags);
	if (err == EINVAL || err == ENOSYS)
		return " (this kernel doesn't have these namespaces)";
	if (err != EPERM && err != EACCES)
		return hint_limit(err);
	if (is_set("/proc/sys/kernel/unprivileged_userns_clone", "0"))			/* Debian */
		return " (sysctl kernel.unprivileged_userns_clone=1 permits it)";
	if (is_set("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"))	/* Ubuntu */
		return " (an AppArmor profile for this program permits it, or sysctl "
		       "kernel.apparmor_restrict_unprivileged_userns=0)";
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER)
		return FILTERED;
	return flags & CLONE_NEWUSER ? " (forbidden in a chroot, and by some security modules)" : "";
}

/* Callers print errno as well */
const char *hint_namespaces(int err, int flags)
{
	const char *s = cause(err, flags);

	errno = err;
	return s;
}

const char *hint_limit(int err)
{
	switch (err) {
	case EAGAIN:
		return " (RLIMIT_NPROC, or the cgroup's pids.max)";
	case EMFILE:
		return " (RLIMIT_NOFILE)";
	case ENFILE:
		return " (sysctl fs.file-max)";
	default:
		return "";
	}
}

void hint_child(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		die("Killed by signal %i before all was ready%s", WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? FILTERED : "");
	exit(EXIT_FAILURE);
}

const char *hint_bind(int err, unsigned port)
{
	static const char path[] = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
	static char first[16];

	if (err == EADDRNOTAVAIL)
		return " (not an address of this host, see --freebind)";
	if (err != EACCES || (!*first && !file_line(path, first, sizeof(first))) || port >= strtoul(first, NULL, 10))
		return "";
	snprintf(text, sizeof(text), " (sysctl net.ipv4.ip_unprivileged_port_start=%u permits it)", port);
	return text;
}
