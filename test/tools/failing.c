/* SPDX-License-Identifier: GPL-2.0-or-later */
/* failing - run a command of which some system calls fail, by a filter (seccomp(2)), as under a container's
 *
 *	failing CALL[,ARG=VALUE]...:ERRNO|KILL... -- COMMAND...
 *
 * CALL is a name of the table below. Of argument number ARG, from 0 on, the low 32 bits have to be VALUE, or with
 * ARG&VALUE to have one of these bits. Numbers are in C's notation. ERRNO is a name of the other table;
 * KILL ends the process by SIGSYS.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset	444
#define __NR_landlock_restrict_self	446
#endif

static const struct {
	const char	*name;
	unsigned	nr;
} calls[] = {
#define CALL(c)	{ #c, __NR_##c }
	CALL(capget), CALL(capset), CALL(chdir), CALL(chroot), CALL(clone), CALL(connect), CALL(epoll_create1),
	CALL(epoll_ctl), CALL(execve), CALL(fcntl), CALL(landlock_create_ruleset), CALL(landlock_restrict_self),
	CALL(inotify_init1), CALL(memfd_create), CALL(mount), CALL(openat), CALL(pipe2), CALL(pivot_root),
	CALL(ppoll), CALL(prctl), CALL(recvmsg), CALL(seccomp), CALL(sendmsg), CALL(setgroups), CALL(setns),
	CALL(setresuid), CALL(setsockopt), CALL(signalfd4), CALL(socket), CALL(socketpair), CALL(umount2),
	CALL(unshare), CALL(write),
#ifdef __NR_poll
	CALL(poll),
#endif
}, errors[] = {
#define ERROR(e) { #e, e }
	ERROR(EACCES), ERROR(EAGAIN), ERROR(EINVAL), ERROR(EMFILE), ERROR(ENFILE), ERROR(ENOMEM), ERROR(ENOPROTOOPT),
	ERROR(ENOSPC), ERROR(ENOSYS), ERROR(EOPNOTSUPP), ERROR(EPERM),
};

#define MOST	256
static struct sock_filter filter[MOST];
static unsigned short n;

static void emit(unsigned code, unsigned k, unsigned jt, unsigned jf)
{
	if (n == MOST)
		exit(2);
	filter[n++] = (struct sock_filter){ (unsigned short)code, (unsigned char)jt, (unsigned char)jf, k };
}

#define NUMBER(table, name, len)	number(table, sizeof(table) / sizeof(*(table)), name, len)

static unsigned number(const void *rows, size_t count, const char *name, size_t len)
{
	const __typeof__(calls[0]) *t = rows;

	for (size_t i = 0; i < count; i++) {
		if (strlen(t[i].name) == len && !memcmp(t[i].name, name, len))
			return t[i].nr;
	}
	fprintf(stderr, "failing: unknown: %.*s\n", (int)len, name);
	exit(2);
}

/* A condition that does not hold passes over the rest: @left instructions */
static char *condition(char *s, unsigned left)
{
	unsigned arg = (unsigned)strtoul(s, &s, 0), value, bits = *s++ == '&';

	value = (unsigned)strtoul(s, &s, 0);
	emit(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, args) + 8 * arg, 0, 0);
	emit(BPF_JMP | (bits ? BPF_JSET : BPF_JEQ) | BPF_K, value, 0, left);
	return s;
}

static void row(char *s)
{
	const char *colon = strchr(s, ':');
	size_t len = strcspn(s, ",:");
	unsigned left = 1, conditions = 0;

	if (!colon)
		exit(2);
	for (const char *p = s; p < colon; p++)
		conditions += *p == ',';
	emit(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, nr), 0, 0);
	emit(BPF_JMP | BPF_JEQ | BPF_K, NUMBER(calls, s, len), 0, left + 2 * conditions);
	for (s += len; *s == ','; conditions--)
		s = condition(s + 1, left + 2 * (conditions - 1));
	emit(BPF_RET | BPF_K, !strcmp(colon + 1, "KILL") ? SECCOMP_RET_KILL_PROCESS :
	     SECCOMP_RET_ERRNO | NUMBER(errors, colon + 1, strlen(colon + 1)), 0, 0);
}

int main(int argc, char **argv)
{
	struct sock_fprog prog = { .filter = filter };
	int i = 1;

	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		row(argv[i]);
	if (i + 1 >= argc)
		return 2;
	emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	prog.len = n;
	/* no_new_privs only where it is needed: it is the command's, too */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))) {
		perror("failing");
		return 2;
	}
	execv(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 2;
}
