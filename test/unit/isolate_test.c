/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isolate_test.c - what is left after each step, as root and as an ordinary user */
#include "../t.h"
#include "../../isolate.c"
#include "../child.h"

#include <assert.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

/* Who starts us: as root, a test is all of these, else just the last two */
enum who { ROOT, ORDINARY, NESTED, WHOS };

static const char *const who_name[WHOS] = { "root", "ordinary user", "root of a nested user namespace" };

static void become(enum who who)
{
	switch (who) {
	case ROOT:
		break;
	case ORDINARY:
		child_user();
		break;
	case NESTED:
		child_user();
		child_userns(0);
		break;
	case WHOS:
		break;
	}
}

#define for_each_who(w)	for (enum who w = geteuid() ? ORDINARY : ROOT; w < WHOS; w++)

/* isolate_early() */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void early_fds(const void *arg)
{
	struct conf c = { .netns = "/proc/self/fd/20", .userns = "/proc/self/fd/1" };
	int some[] = { 3, 4, 7, 19, 20, 21, 200 };

	for (unsigned i = 0; i < ARRAY_SIZE(some); i++)
		need(dup2(STDERR_FILENO, some[i]) == some[i]);
	if (arg)
		child_without(__NR_close_range, ENOSYS);
	isolate_early(&c, (const int[]){ 7 }, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(some); i++)
		need(is_open(some[i]) == (some[i] == 7 || some[i] == 20));
	need(is_open(0) && is_open(1) && is_open(2));
}

/* The list is read with a descriptor that is in it */
static void early_fds_listed(const void *arg)
{
	struct conf c = { 0 };

	(void)arg;
	for (int fd = 3; fd < 600; fd++)
		need(dup2(STDERR_FILENO, fd) == fd);
	close(3);
	child_without(__NR_close_range, ENOSYS);
	isolate_early(&c, (const int[]){ -1 }, 1);
	for (int fd = 3; fd < 600; fd++)
		need(!is_open(fd));
}

static void early_streams(const void *arg)
{
	struct conf c = { 0 };
	struct stat st, null;

	(void)arg;
	need(!stat("/dev/null", &null));
	close(0);
	close(2);
	isolate_early(&c, (const int[]){ -1 }, 1);
	need(!fstat(0, &st) && st.st_rdev == null.st_rdev);
	need(!fstat(2, &st) && st.st_rdev == null.st_rdev);
	need(!is_open(3));
}

static void early_caps(const void *arg)
{
	struct conf c = { 0 };
	struct __user_cap_data_struct d[2];

	(void)arg;
	child_userns(0);
	need(caps_have(CAP_SYS_MODULE) && caps_have(CAP_SYS_ADMIN));
	isolate_early(&c, (const int[]){ -1 }, 1);
	caps_get(d);
	need((d[0].permitted | (uint64_t)d[1].permitted << 32) == CAPS_STARTUP);
	for (unsigned i = 0; i < 2; i++)
		need(d[i].effective == d[i].permitted && !d[i].inheritable);
}

/* isolate_user() */

struct user_case {
	enum who	who;
	bool		runas;
	uid_t		uid, gid;
	int		status;		/* of the child */
	uid_t		want;		/* who it is afterwards, seen from inside */
	const char	*name;
};

static void user_changes(const void *arg)
{
	const struct user_case *u = arg;
	struct conf c = { .runas = u->runas, .uid = u->uid, .gid = u->gid };
	gid_t extra[] = { 4, 5 };
	bool admin, ptrace;

	if (u->who == ROOT)
		need(!setgroups(2, extra));
	become(u->who);
	isolate_early(&c, (const int[]){ -1 }, 1);
	admin = caps_have(CAP_SYS_ADMIN);
	ptrace = caps_have(CAP_SYS_PTRACE);
	isolate_user(&c);
	need(getuid() == u->want && geteuid() == u->want && getgid() == u->want);
	need(u->who != ROOT || getgroups(0, NULL) == 0);

	/* What is to come takes these */
	need(u->who == ORDINARY || admin);
	need(admin == caps_have(CAP_SYS_ADMIN) && ptrace == caps_have(CAP_SYS_PTRACE));
	if (!c.runas && u->who == ROOT)
		need(setuid(0) || !caps_have(CAP_SYS_MODULE));
}

static void test_user(void)
{
	uid_t own = geteuid() ? geteuid() : USER;
	const struct user_case cases[] = {
		{ ROOT,		false, 0, 0,		0, NOBODY,	"root becomes nobody" },
		{ ROOT,		true, 0, 0,		0, 0,		"--runas 0 stays root" },
		{ ROOT,		true, 1234, 1234,	0, 1234,	"--runas" },
		{ ORDINARY,	false, 0, 0,		0, own,		"ordinary user stays" },
		{ ORDINARY,	true, own, own,		0, own,		"--runas with one's own IDs" },
		{ ORDINARY,	true, 1234, 1234,	1, 0,		"--runas with other IDs is refused" },
		{ NESTED,	false, 0, 0,		0, 0,		"UID 0 of a user namespace is not root" },
		{ NESTED,	true, 0, 0,		0, 0,		"--runas 0 in a user namespace" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		if (cases[i].who == ROOT && geteuid())
			continue;
		test("SEC-07 isolate_user(): %s", cases[i].name);
		eq(child_run(user_changes, &cases[i]), cases[i].status);
		ok(!cases[i].status || strstr(child_err, "Couldn't change to UID 1234, GID 1234: "));
	}
}

/* isolate_prefork() */

struct prefork_case {
	enum who	who;
	bool		foreground, chroot_fallback;
};

static bool root_is_empty(void)
{
	DIR *d = opendir("/");
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	return d && !n && mkdir("/x", 0700) && errno == EROFS && open("../../..", O_TMPFILE | O_RDWR, 0600) < 0;
}

static void prefork_namespaces(const void *arg)
{
	static const char *const name[] = {
		"self/ns/ipc", "self/ns/mnt", "self/ns/uts", "self/ns/pid_for_children", "self/ns/net",
	};
	const struct prefork_case *p = arg;
	struct conf c = { .foreground = p->foreground };
	char before[5][64] = { "" }, after[64];
	int proc = open("/proc", O_PATH | O_DIRECTORY);

	become(p->who);
	isolate_early(&c, (const int[]){ proc }, 1);
	isolate_user(&c);
	for (unsigned i = 0; i < ARRAY_SIZE(name); i++)
		need(readlinkat(proc, name[i], before[i], sizeof(before[i]) - 1) > 0);
	isolate_prefork(&c);
	for (unsigned i = 0; i < 4; i++) {
		memset(after, 0, sizeof(after));
		/* Of a new PID namespace, the link has no target before there is a process in it */
		if (readlinkat(proc, name[i], after, sizeof(after) - 1) <= 0)
			need(i == 3 && !c.foreground);
		need(!strcmp(before[i], after) == (i == 3 && c.foreground));
	}
	memset(after, 0, sizeof(after));
	need(readlinkat(proc, name[4], after, sizeof(after) - 1) > 0 && !strcmp(before[4], after));
	need(root_is_empty());
}

/* As if root were an initramfs */
static void prefork_initramfs(const void *arg)
{
	const struct prefork_case *p = arg;
	struct conf c = { .foreground = true, .chroot_fallback = p->chroot_fallback };

	become(p->who);
	child_without(__NR_pivot_root, EINVAL);
	isolate_prefork(&c);
	need(root_is_empty());
}

static void test_prefork(void)
{
	for_each_who(w) {
		for (unsigned fg = 0; fg < 2; fg++) {
			struct prefork_case p = { w, fg, false };

			test("isolate_prefork() as %s in the %sground: new namespaces, empty root", who_name[w],
			     fg ? "fore" : "back");
			eq(child_run(prefork_namespaces, &p), 0);
		}
	}
	test("LIFE-13 no pivot_root() from an initramfs: one line");
	eq(child_run(prefork_initramfs, &(struct prefork_case){ ORDINARY, true, false }), 1);
	ok(strstr(child_err, "pivot_root") && strstr(child_err, "--chroot-fallback"));
	eq_str(strchr(child_err, '\n'), "\n");
	test("LIFE-13 --chroot-fallback");
	eq(child_run(prefork_initramfs, &(struct prefork_case){ ORDINARY, true, true }), 0);
}

/* isolate_late() */

/* All steps; /proc/self/status stays open in *@status, what @outside is stays reachable in *@outside */
static void isolate_all(enum who who, enum mode mode, int *status)
{
	struct conf c = { .foreground = true, .mode = mode };

	become(who);
	isolate_early(&c, (const int[]){ -1 }, 1);
	isolate_user(&c);
	*status = open("/proc/self/status", O_RDONLY);
	need(*status >= 0);
	isolate_prefork(&c);
	isolate_late(&c);
}

static bool status_has(const char *text, const char *name, const char *value)
{
	const char *at = strstr(text, name);

	return at && !strncmp(at + strlen(name), value, strlen(value));
}

static void late_status(const void *arg)
{
	static const char none[] = ":\t0000000000000000\n";
	static char text[8192];
	int fd;

	isolate_all(*(const enum who *)arg, MODE_PASTA, &fd);
	need(read(fd, text, sizeof(text) - 1) > 0);
	need(status_has(text, "CapInh", none));
	need(status_has(text, "CapPrm", none));
	need(status_has(text, "CapEff", none));
	need(status_has(text, "CapBnd", none));
	need(status_has(text, "CapAmb", none));
	need(status_has(text, "NoNewPrivs", ":\t1\n"));
	need(status_has(text, "Seccomp", ":\t2\n"));
	need(*(const enum who *)arg != ROOT || status_has(text, "Groups", ":\t \n"));
}

/* Root owns what /proc shows of who can't be dumped */
static void late_not_dumpable(const void *arg)
{
	char path[64], byte;
	int fds[2], status;
	struct stat st;
	pid_t pid;

	if (*(const enum who *)arg != ROOT)
		child_user();
	need(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds) && (pid = fork()) >= 0);
	if (!pid) {
		struct conf c = { .foreground = true };

		isolate_early(&c, (const int[]){ fds[1] }, 1);
		isolate_user(&c);
		isolate_prefork(&c);
		isolate_late(&c);
		need(write(fds[1], "", 1) == 1);
		need(read(fds[1], &byte, 1) < 0);	/* until killed */
	}
	need(read(fds[0], &byte, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%i/fd", pid);
	need(!stat(path, &st));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	need(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	need(st.st_uid == 0);
}

/* Calls that nobody needs who has started */
static const struct {
	const char	*name;
	long		nr, arg[4];
	unsigned	modes;		/* that it is forbidden in, 0: all */
} forbidden[] = {
#ifndef SANITIZED
	{ "openat",	__NR_openat,	{ AT_FDCWD, (long)"/", O_RDONLY, 0 }, 0 },
#endif
	{ "execve",	__NR_execve,	{ (long)"/bin/true", 0, 0, 0 }, 0 },
	{ "clone",	__NR_clone,	{ SIGCHLD, 0, 0, 0 }, 0 },
	{ "mprotect",	__NR_mprotect,	{ 0, 0, 0, 0 }, 0 },
	{ "kill",	__NR_kill,	{ 1, 0, 0, 0 }, 0 },
	{ "ptrace",	__NR_ptrace,	{ 0, 0, 0, 0 }, 0 },
	{ "prctl",	__NR_prctl,	{ PR_SET_DUMPABLE, 1, 0, 0 }, 0 },
	{ "setns",	__NR_setns,	{ 0, 0, 0, 0 }, 0 },
	{ "unshare",	__NR_unshare,	{ CLONE_NEWUSER, 0, 0, 0 }, 0 },
	{ "mount",	__NR_mount,	{ 0, 0, 0, 0 }, 0 },
	{ "io_uring_setup", 425,	{ 1, 0, 0, 0 }, 0 },
	{ "bpf",	__NR_bpf,	{ 0, 0, 0, 0 }, 0 },
	{ "ioctl(TIOCSTI)", __NR_ioctl,	{ 0, TIOCSTI, 0, 0 }, 0 },
	{ "fcntl(F_SETOWN)", __NR_fcntl, { 0, F_SETOWN, 1, 0 }, 0 },
#ifdef __NR_stat
	{ "stat",	__NR_stat,	{ (long)"/", (long)"/", 0, 0 }, 0 },	/* its number is that of F_SETFL */
#endif
	{ "wait4",	__NR_wait4,	{ -1, 0, WNOHANG, 0 }, LOOP_PASST },
	{ "socket(AF_UNIX), without a control socket", __NR_socket, { AF_UNIX, SOCK_STREAM, 0 }, 0 },
	{ "socket(AF_UNIX) in the low half", __NR_socket, { AF_UNIX | (long)((uint64_t)AF_INET << 32), SOCK_STREAM, 0 },
	  0 },
	{ "socket(AF_NETLINK)", __NR_socket, { AF_NETLINK, SOCK_RAW, 0 }, 0 },
	{ "socket(AF_PACKET)", __NR_socket, { AF_PACKET, SOCK_DGRAM, 0 }, 0 },
	{ "socket(AF_ALG)", __NR_socket, { AF_ALG, SOCK_SEQPACKET, 0 }, 0 },
	{ "socket(AF_VSOCK)", __NR_socket, { AF_VSOCK, SOCK_STREAM, 0 }, 0 },
	{ "socket(SOCK_RAW)", __NR_socket, { AF_INET, SOCK_RAW, IPPROTO_ICMP }, 0 },
	{ "socket(SOCK_PACKET)", __NR_socket, { AF_INET, SOCK_PACKET | SOCK_CLOEXEC, 0 }, 0 },
	{ "socket(SCTP)", __NR_socket, { AF_INET, SOCK_STREAM, IPPROTO_SCTP }, 0 },
	{ "socket(MPTCP)", __NR_socket, { AF_INET6, SOCK_STREAM, 262 }, 0 },
	{ "socket(L2TP)", __NR_socket, { AF_INET6, SOCK_DGRAM, 115 }, 0 },
	{ "tgkill() of another process", __NR_tgkill, { 1, 1, 0 }, 0 },
	{ "tgkill() of all", __NR_tgkill, { -1, 1, 0 }, 0 },
	{ "tkill() of another thread", __NR_tkill, { 1, 0 }, 0 },
	{ "pipe2(), a notification pipe", __NR_pipe2, { 0, O_EXCL | O_CLOEXEC | O_NONBLOCK }, 0 },
};

struct call_case {
	unsigned	i;
	enum mode	mode;
};

static void late_forbidden(const void *arg)
{
	const struct call_case *c = arg;
	int fd;

	isolate_all(ORDINARY, c->mode, &fd);
	syscall(forbidden[c->i].nr, forbidden[c->i].arg[0], forbidden[c->i].arg[1], forbidden[c->i].arg[2],
		forbidden[c->i].arg[3]);
}

#ifdef __x86_64__
static void late_foreign_arch(const void *arg)
{
	int fd, rc = 20;	/* getpid() of i386, writev() of x86-64: allowed there */

	if (arg)
		isolate_all(ORDINARY, MODE_PASTA, &fd);
	__asm__ volatile("int $0x80" : "+a"(rc) : : "memory", "r8", "r9", "r10", "r11");
	_exit(rc > 0 ? 0 : 1);
}
#endif

/* Those of flows, in both families. Of an argument that is an int, the kernel looks at 32 bits. */
static void late_sockets(void)
{
	static const struct { int type, proto, proto6; } row[] = {
		{ SOCK_STREAM, IPPROTO_TCP, IPPROTO_TCP }, { SOCK_DGRAM, IPPROTO_UDP, IPPROTO_UDP },
		{ SOCK_DGRAM, 0, 0 },
		{ SOCK_DGRAM, IPPROTO_ICMP, IPPROTO_ICMPV6 },
	};
	const long high = (long)((uint64_t)AF_UNIX << 32);
	int fd;

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		fd = socket(AF_INET, row[i].type | SOCK_NONBLOCK | SOCK_CLOEXEC, row[i].proto);
		need(fd >= 0 || errno == EACCES);	/* ping sockets are not everybody's */
		fd = socket(AF_INET6, row[i].type | SOCK_NONBLOCK | SOCK_CLOEXEC, row[i].proto6);
		need(fd >= 0 || errno == EACCES || errno == EAFNOSUPPORT);
	}
	need(syscall(__NR_socket, AF_INET | high, SOCK_STREAM | high, 0 | high) >= 0);
}

/* A connection's life, time, and what C libraries call beneath: none of it may be forbidden */
static void late_works(const void *arg)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	struct epoll_event ev = { .events = EPOLLIN };
	struct timespec ts;
	int status, ep = epoll_create1(EPOLL_CLOEXEC), l, s, a;
	char buf[16];

	(void)arg;
	need(dup2(ep, 3) == 3);
	{
		struct conf c = { .foreground = true };

		become(ORDINARY);
		isolate_early(&c, (const int[]){ 3 }, 1);
		isolate_user(&c);
		isolate_prefork(&c);
		isolate_late(&c);
	}
	need((l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) >= 0);
	need(!setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)));
	need(!bind(l, (struct sockaddr *)&sa, sizeof(sa)) && !getsockname(l, (struct sockaddr *)&sa, &len));
	need(!listen(l, 5) && !epoll_ctl(3, EPOLL_CTL_ADD, l, &ev));
	need((s = socket(AF_INET, SOCK_STREAM, 0)) >= 0 && !connect(s, (struct sockaddr *)&sa, sizeof(sa)));
	need(epoll_wait(3, &ev, 1, 1000) == 1);
	need((a = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	need(accept(l, NULL, NULL) < 0 && errno == EAGAIN);			/* LIFE-06 */
	need(!fcntl(a, F_SETFL, 0) && !fcntl(a, F_SETFD, FD_CLOEXEC));
	need(send(s, "x", 1, 0) == 1 && recv(a, buf, 16, MSG_PEEK) == 1 && recv(a, buf, 16, 0) == 1);
	need(!shutdown(s, SHUT_WR) && !close(s) && !close(a));
	need(!syscall(__NR_clock_gettime, CLOCK_MONOTONIC, &ts));
#ifndef SANITIZED
	need(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
#endif
	need(waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD);
	late_sockets();
	need(!syscall(__NR_tgkill, getpid(), syscall(__NR_gettid), 0) && !syscall(__NR_tkill, getpid(), 0));
	need(!pipe2((int[2]){ 0 }, O_NONBLOCK | O_CLOEXEC));
}

/* With a control socket, one more family is in the filter, and not the next one */
static void late_control(const void *arg)
{
	struct conf c = { .foreground = true, .control = "/run/socket" };

	become(ORDINARY);
	isolate_user(&c);
	isolate_prefork(&c);
	isolate_late(&c);
	need(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	late_sockets();
	if (arg)
		socket(AF_NETLINK, SOCK_RAW, 0);
}

/* Messages, with every errno there is, and nobody to read them */
static void late_messages(const void *arg)
{
	int fd;

	isolate_all(ORDINARY, *(const enum mode *)arg, &fd);
	for (int e = -1; e < 200; e++)
		err("error %i: %s", e, errno_text(e));
	close(STDERR_FILENO);
	err("into the void");
	log_limited(LOG_ERR, "%s", errno_text(ENOENT));
}

static void late_assert(const void *arg)
{
	int fd;

	(void)arg;
	isolate_all(ORDINARY, MODE_PASTA, &fd);
	assert(!fd);
}

/* All but the filter: what a descriptor held by accident would still give access to */
static void late_landlock(const void *arg)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int dir = open("/", O_PATH | O_DIRECTORY), s = socket(AF_UNIX, SOCK_STREAM, 0), status, t;
	struct conf c = { .foreground = true };
	socklen_t len = sizeof(sa);
	pid_t pid;

	need(!bind(s, (struct sockaddr *)&sa, sizeof(sa_family_t)) && !listen(s, 1));	/* autobind: an abstract name */
	need(!getsockname(s, (struct sockaddr *)&sa, &len));
	become(*(const enum who *)arg);
	isolate_user(&c);
	need((pid = fork()) >= 0);
	if (pid) {
		need(waitpid(pid, &status, 0) == pid);
		_exit(WEXITSTATUS(status));
	}

	child_without(__NR_seccomp, 0);		/* seems to succeed */
	isolate_prefork(&c);
	need(openat(dir, "etc", O_RDONLY | O_DIRECTORY) >= 0);
	isolate_late(&c);
	need(openat(dir, "etc", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
	need(openat(dir, "dev/null", O_RDWR) < 0 && errno == EACCES);
	need(open("/", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
	need(mkdirat(dir, "tmp/isolate_test", 0700) && errno == EACCES);
	need((t = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
	if (syscall(__NR_landlock_create_ruleset, NULL, 0, 1) < 6)
		return;
	need(connect(t, (struct sockaddr *)&sa, len) && errno == EPERM);
	need(kill(getppid(), 0) && errno == EPERM);
}

/* The thread that opens sockets has no other skill */
static void late_opener(const void *arg)
{
	int fd = open("/dev/null", O_RDWR);

	become(ORDINARY);
	isolate_opener();
	need(socket(AF_INET, SOCK_STREAM, 0) >= 0 && !read(fd, &(char){ 0 }, 1) && write(fd, "", 1) == 1);
	late_sockets();
	if (arg && *(const int *)arg == AF_UNIX)
		socket(AF_UNIX, SOCK_STREAM, 0);
	else if (arg)
		connect(3, NULL, 0);
}

/* What @arg names ends the process */
enum bad { BAD_OPEN, BAD_SOCKET, BAD_WRITE };

static void late_reader(const void *arg)
{
	int pair[2];

	need(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	isolate_reader();
	need(syscall(__NR_openat, AT_FDCWD, "/etc/passwd", READER_FLAGS) >= 0);
	need(send(pair[0], "x", 1, MSG_NOSIGNAL) == 1);
	if (arg && *(const enum bad *)arg == BAD_OPEN)
		syscall(__NR_openat, AT_FDCWD, "/dev/null", READER_FLAGS | O_RDWR);
	else if (arg && *(const enum bad *)arg == BAD_SOCKET)
		socket(AF_INET, SOCK_DGRAM, 0);
	else if (arg)
		need(dup(pair[0]) >= 0);
}

static void late_setter(const void *arg)
{
	bool had = caps_have(CAP_NET_ADMIN);
	char byte;
	int pair[2];

	need(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	isolate_setter();
	need(send(pair[0], "x", 1, MSG_NOSIGNAL) == 1 && recv(pair[1], &byte, 1, 0) == 1);
	if (arg && *(const enum bad *)arg == BAD_OPEN)
		syscall(__NR_openat, AT_FDCWD, "/dev/null", READER_FLAGS);
	else if (arg && *(const enum bad *)arg == BAD_SOCKET)
		socket(AF_INET, SOCK_DGRAM, 0);
	else if (arg && had)			/* capget() is none of its calls */
		caps_have(CAP_NET_ADMIN);
	else if (arg)
		getpid();
}

static void late_writer(const void *arg)
{
	const struct timespec pause = { .tv_nsec = 1 };
	FILE *f = tmpfile();
	int fd;

	need(f);
	fd = fileno(f);
	isolate_writer();
	need(write(fd, "abc", 3) == 3 && !lseek(fd, 0, SEEK_SET) && read(fd, &(char){ 0 }, 1) == 1);
	need(!ftruncate(fd, 1) && pwrite(fd, "a", 1, 0) == 1 && !nanosleep(&pause, NULL));
	if (arg && *(const enum bad *)arg == BAD_OPEN)
		syscall(__NR_openat, AT_FDCWD, "/dev/null", READER_FLAGS);
	else if (arg && *(const enum bad *)arg == BAD_SOCKET)
		socket(AF_UNIX, SOCK_STREAM, 0);
	else if (arg)
		send(fd, "x", 1, MSG_NOSIGNAL);
}

static void test_helpers(void)
{
	test("isolate_writer(): a file that is open, and nothing else");
	eq(child_run(late_writer, NULL), 0);
	for (enum bad b = BAD_OPEN; b <= BAD_WRITE; b++)
		eq(child_run(late_writer, &b), -SIGSYS);
	test("isolate_reader(): files to read, and nothing else");
	eq(child_run(late_reader, NULL), 0);
	for (enum bad b = BAD_OPEN; b <= BAD_WRITE; b++)
		eq(child_run(late_reader, &b), -SIGSYS);
	test("isolate_setter(): messages, and nothing else");
	eq(child_run(late_setter, NULL), 0);
	for (enum bad b = BAD_OPEN; b <= BAD_WRITE; b++)
		eq(child_run(late_setter, &b), -SIGSYS);
}

static void test_late(void)
{
	for_each_who(w) {
		test("SEC-07 isolate_late() as %s: no capability in any set, no groups, no_new_privs", who_name[w]);
		eq(child_run(late_status, &w), 0);
	}
	for_each_who(w) {
		if (w == NESTED)	/* the owner shown is root's of the initial user namespace, nobody there */
			continue;
		test("isolate_late() as %s: not dumpable", who_name[w]);
		eq(child_run(late_not_dumpable, &w), 0);
	}
	for (struct call_case c = { 0 }; c.i < ARRAY_SIZE(forbidden); c.i++) {
		test("forbidden: %s", forbidden[c.i].name);
		for (c.mode = MODE_PASTA; c.mode <= MODE_PASST; c.mode++) {
			if (!forbidden[c.i].modes || (forbidden[c.i].modes & 1U << c.mode))
				eq(child_run(late_forbidden, &c), -SIGSYS);
			else
				eq(child_run(late_forbidden, &c), 0);
		}
	}
#ifdef __x86_64__
	test("forbidden: system calls of another architecture");
	eq(child_run(late_foreign_arch, ""), child_run(late_foreign_arch, NULL) ? -SIGSEGV : -SIGSYS);
#endif
	test("LIFE-06 what the loop does is allowed");
	eq(child_run(late_works, NULL), 0);
	test("LIFE-04 LIFE-05 error messages make no other system call");
	eq(child_run(late_messages, &(enum mode){ MODE_PASTA }), 0);
	ok(strstr(child_err, "error 2: No such file or directory\n") && strstr(child_err, "error 199: "));
	eq(child_run(late_messages, &(enum mode){ MODE_PASST }), 0);
	test("LIFE-08 a failed assertion says so, and aborts");
	eq(child_run(late_assert, NULL), -SIGABRT);
	ok(strstr(child_err, "!fd"));
	for_each_who(w) {
		test("Landlock as %s: nothing can be opened, not even below a descriptor", who_name[w]);
		eq(child_run(late_landlock, &w), 0);
	}
	test("isolate_opener(): sockets, and nothing else");
	eq(child_run(late_opener, NULL), 0);
	eq(child_run(late_opener, &(int){ 0 }), -SIGSYS);
	eq(child_run(late_opener, &(int){ AF_UNIX }), -SIGSYS);
	test("with a control socket: AF_UNIX, and no other family");
	eq(child_run(late_control, NULL), 0);
	eq(child_run(late_control, ""), -SIGSYS);
}

static void test_table(void)
{
	test("table of system calls: each once");
	for (unsigned i = 0; i < ARRAY_SIZE(allowed); i++) {
		ok(allowed[i].modes);
		for (unsigned j = 0; j < i; j++)
			ok(allowed[i].nr != allowed[j].nr);
	}
}

int main(void)
{
	test("isolate_early(): inherited descriptors are closed, but for those named");
	eq(child_run(early_fds, NULL), 0);
	test("LIFE-25 the same without close_range()");
	eq(child_run(early_fds, ""), 0);
	eq(child_run(early_fds_listed, NULL), 0);
	test("isolate_early(): closed standard streams become /dev/null");
	eq(child_run(early_streams, NULL), 0);
	test("isolate_early(): capabilities that start-up doesn't take are dropped");
	eq(child_run(early_caps, NULL), 0);
	test_user();
	test_prefork();
	test_late();
	test_helpers();
	test_table();
	return done();
}
