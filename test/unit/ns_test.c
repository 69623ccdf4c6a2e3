/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ns_test.c - namespaces created and entered, and their end noticed, as root and as an ordinary user */
#include "../t.h"
#include "../../ns.c"
#include "../child.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>

/* Who starts us */
enum who { ROOT, ORDINARY, NESTED, WHOS };

static const char *const who_name[WHOS] = { "root", "ordinary user", "root of a nested user namespace" };

static void become(enum who who)
{
	if (who != ROOT)
		child_user();
	if (who == NESTED)
		child_userns(CLONE_NEWNS);
}

#define for_each_who(w)	for (enum who w = geteuid() ? ORDINARY : ROOT; w < WHOS; w++)

#define MANY	32			/* sockets in a request */

/* Start-up as far as namespaces are concerned */
static void start(struct ns *ns, const struct conf *c)
{
	isolate_early(c, (const int[]){ -1 }, 1);
	isolate_user(c);
	ns_open(ns, c);
}

static uint64_t inode(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

/* The opener, during start-up */

/* Inode of the network namespace that it is in */
static uint64_t opener_inode(void)
{
	int fd = opener_file("/proc/thread-self/ns/net", O_RDONLY);
	struct stat st;

	need(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && !fstat(fd, &st));
	close(fd);
	return st.st_ino;
}

static void opener_there(const void *arg)
{
	char *const command[] = { "sleep", "1000", NULL };
	struct conf c = { .command = command };
	struct stat st;
	uint64_t here;
	struct ns ns;
	struct nl nl;
	int fd[2];

	become(*(const enum who *)arg);
	start(&ns, &c);
	here = inode("/proc/self/ns/net");
	need(!fstat(ns.netns, &st));
	need(opener_inode() == st.st_ino && here != st.st_ino);
	need(inode("/proc/self/ns/net") == here && inode("/proc/thread-self/ns/net") == here);
	need(opener_file("/nonexistent", O_RDONLY) == -ENOENT);
	need(opener_sockets(AF_INET, SOCK_STREAM, 0, fd, 2) == 2 && fcntl(fd[1], F_GETFD) == FD_CLOEXEC);
	need(opener_sockets(-1, SOCK_STREAM, 0, fd, 1) == -EAFNOSUPPORT);
	need(!ns_netlink(&nl, NETLINK_ROUTE) && nl_ifindex(&nl, "lo") == 1 && !nl_link_up(&nl, 1));
	need(opener_runs());
	ns_opener_stop(&ns);
	need(waitpid(-1, NULL, WNOHANG | __WALL) == 0);		/* only the command is left */
	need(!opener_runs() && opener_file("/", O_RDONLY) == -EAFNOSUPPORT);
	need(ns_netlink(&nl, NETLINK_ROUTE) == -EAFNOSUPPORT);
}

/* It ends when its parent is killed: the pipe, which both have, does then */
static void opener_ends(const void *arg)
{
	int pipe[2];
	pid_t pid;
	char b;

	(void)arg;
	child_user();
	need(!pipe2(pipe, O_CLOEXEC) && (pid = fork()) >= 0);
	if (!pid) {
		struct ns ns;

		need(!unshare(CLONE_NEWUSER | CLONE_NEWNET));
		ns.netns = open_ns("/proc/self/ns/net", "network", "");
		need(!opener_start(&ns, 0) && write(pipe[1], "", 1) == 1);
		pause();
	}
	close(pipe[1]);
	need(read(pipe[0], &b, 1) == 1);
	need(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	need(read(pipe[0], &b, 1) == 0);
}

/* The command */

struct command_case {
	const char	*name;
	char *const	*command;
	int		status;
	const char	*out, *err;	/* what is written: all of stdout, part of stderr */
	bool		netns_only, no_pidns;
	const char	*shell;
	int		(*before)(void);
};

#define SH(script)	(char *const []){ "sh", "-c", script, NULL }

static int odd_settings(void)
{
	unsigned long dfl[8] = { 0 };	/* the kernel's struct sigaction: SIG_DFL */
	sigset_t all;

	/* May be ignored from the start: by a shell in the background; by make(1) those that libc keeps to itself */
	for (int sig = 1; sig < SIGRTMIN; sig++)
		syscall(__NR_rt_sigaction, sig, dfl, NULL, sizeof(uint64_t));
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	umask(027);
	return dup2(STDOUT_FILENO, 9);
}

/* LIFE-14: UID 0 can't be mapped without CAP_SETFCAP */
static int no_setfcap(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	child_user();
	child_userns(CLONE_NEWNS);
	need(!syscall(__NR_capget, &h, d));
	d[0].effective &= ~(1U << CAP_SETFCAP);
	d[0].permitted &= ~(1U << CAP_SETFCAP);
	return (int)syscall(__NR_capset, &h, d);
}

static const struct command_case commands[] = {
	{ "exit status", SH("exit 7"), .status = 7, .out = "" },
	{ "killed by a signal", SH("kill -9 $$"), .status = -SIGKILL, .out = "", .no_pidns = true },
	{ "not found", (char *const []){ "/nonexistent", NULL }, .status = 1, .out = "",
	  .err = "Couldn't run /nonexistent: No such file or directory\n" },
	{ "not executable", (char *const []){ "/etc/passwd", NULL }, .status = 1, .out = "",
	  .err = "Couldn't run /etc/passwd: Permission denied\n" },
	{ "root in there", SH("id -u; id -g; cat /proc/self/setgroups"), .out = "0\n0\ndeny\n" },
	{ "all capabilities in there", SH("sed -n 's/^CapEff:.*[1-9a-f].*/all/p' /proc/self/status"), .out = "all\n" },
	{ "PID namespace with its /proc", SH("echo $$ $PPID; cut -d' ' -f1 /proc/1/stat; ls -d /proc/[1-9]* | head -1"),
	  .out = "1 0\n1\n/proc/1\n" },
	{ "--no-pidns", SH("test $PPID -gt 1 && test -d /proc/$PPID && echo outside"), .out = "outside\n",
	  .no_pidns = true },
	{ "LIFE-11 only the standard streams", SH("cd /proc/self/fd; for i in *; do test -e $i && echo $i; done; true"),
	  .out = "0\n1\n2\n", .before = odd_settings },
	/* No shell: it would clear the mask */
	{ "signals and umask", (char *const []){ "grep", "-E", "Sig(Blk|Ign)|Umask", "/proc/self/status", NULL },
	  .out = "Umask:\t0027\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n", .before = odd_settings },
	{ "only loopback, down", SH("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), .out = "lo\n" },
	{ "host name", SH("hostname | cut -c -6"), .out = "pasta-\n" },
	{ "root may ping", SH("cat /proc/sys/net/ipv4/ping_group_range"), .out = "0\t0\n" },
	{ "login shell", NULL, .out = "", .shell = "/bin/true" },
	{ "LIFE-14 uid_map can't be written", SH("id -u"), .out = "65534\n", .before = no_setfcap,
	  .err = "Couldn't map user and group" },
};

/* Runs the command to its end; its standard output goes where @arg's does */
static void command_run(const void *arg)
{
	const struct command_case *t = arg;
	struct conf c = { .command = t->command, .netns_only = t->netns_only, .no_pidns = t->no_pidns };
	int status;
	struct ns ns;

	if (t->before)
		need(t->before() >= 0);
	if (t->shell)
		setenv("SHELL", t->shell, 1);
	start(&ns, &c);
	ns_go(&ns);
	need(ns.go == -1 && ns.netns == -1);
	need(waitpid(ns.child, &status, 0) == ns.child);
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WEXITSTATUS(status));
}

struct command_who {
	const struct command_case	*t;
	enum who			who;
	int				out;
};

static void command_who(const void *arg)
{
	const struct command_who *w = arg;

	need(dup2(w->out, STDOUT_FILENO) == STDOUT_FILENO);
	if (w->t->before != no_setfcap)
		become(w->who);
	command_run(w->t);
}

static void test_command(const struct command_case *t, enum who who)
{
	struct command_who w = { t, who, -1 };
	char out[4096], path[] = "/tmp/ns_test.XXXXXX";
	ssize_t n;

	w.out = mkstemp(path);
	unlink(path);
	eq(child_run(command_who, &w), t->status);
	n = pread(w.out, out, sizeof(out) - 1, 0);
	out[n > 0 ? n : 0] = '\0';
	eq_str(out, t->out);
	if (!ok(t->err ? strstr(child_err, t->err) != NULL : !*child_err || strstr(child_err, "nobody\n")))
		printf("# %s\n", child_err);
	close(w.out);
}

/* What the command mounts stays with it, also where a new user namespace doesn't see to that by itself */
static void command_mounts(const void *arg)
{
	struct conf c = {
		.netns_only = true,
		.command = SH("mkdir /tmp/d && mount -t tmpfs none /tmp/d && : >/tmp/d/inside"),
	};
	struct ns ns;
	int status;

	(void)arg;
	child_user();
	child_userns(CLONE_NEWNS);
	need(!mount("none", "/tmp", "tmpfs", 0, NULL) && !mount("", "/", "", MS_SHARED | MS_REC, NULL));
	start(&ns, &c);
	ns_go(&ns);
	need(waitpid(ns.child, &status, 0) == ns.child && !status);
	need(!access("/tmp/d", F_OK) && access("/tmp/d/inside", F_OK));
}

/* Before ns_go() the command doesn't run, and if we die, it never does */
static void command_waits(const void *arg)
{
	char path[] = "/tmp/ns_test.XXXXXX";
	struct conf c = { .command = (char *const []){ "rm", path, NULL } };
	struct ns ns;
	int status;

	(void)arg;
	child_user();
	close(mkstemp(path));
	start(&ns, &c);
	close(ns.go);
	need(waitpid(ns.child, &status, 0) == ns.child && WIFEXITED(status) && WEXITSTATUS(status) == 1);
	need(!unlink(path));
}

static void test_commands(void)
{
	for_each_who(w) {
		for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
			test("command as %s: %s", who_name[w], commands[i].name);
			test_command(&commands[i], w);
		}
	}
	test("command's mounts don't leave its namespace");
	eq(child_run(command_mounts, NULL), 0);
	test("command runs when told so, or never");
	eq(child_run(command_waits, NULL), 0);
}

/* Namespaces of others */

/* A process in new namespaces, of user @user; @then, after one more unshare(). It stays until it is killed. */
static pid_t target(bool user, int flags, int then)
{
	int ready[2];
	pid_t pid;
	char c;

	need(!pipe(ready) && (pid = fork()) >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (user)
			child_user();
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* forgotten with the change of user */
		if (flags & CLONE_NEWUSER)
			child_userns(flags & ~CLONE_NEWUSER);
		else
			need(!unshare(flags));
		need(!then || !unshare(then));
		need(write(ready[1], "", 1) == 1);
		while (true)
			pause();
	}
	close(ready[1]);
	need(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	return pid;
}

struct join_case {
	const char	*name;
	enum who	who;		/* we are */
	bool		user;		/* target is of an ordinary user, else of root */
	int		flags, then;	/* its namespaces */
	enum { BY_PID, BY_PATHS, BY_NETNS, BY_FDS, BY_HIGH_FDS } by;
	int		status;
	const char	*err;
	bool		sys_admin;	/* an ordinary user, but for that */
};

#define BOTH	(CLONE_NEWUSER | CLONE_NEWNET)

static const struct join_case joins[] = {
	{ "PID", ORDINARY, true, BOTH, 0, BY_PID, 0, NULL, false },
	{ "PID, netns owned by the outer of two user namespaces", ORDINARY, true, BOTH, CLONE_NEWUSER, BY_PID, 0, NULL,
	  false },
	{ "--userns --netns", ORDINARY, true, BOTH, 0, BY_PATHS, 0, NULL, false },
	{ "--netns alone, owned by a user namespace of ours", ORDINARY, true, BOTH, 0, BY_NETNS, 0, NULL, false },
	{ "descriptors 0 and 1", ORDINARY, true, BOTH, 0, BY_FDS, 0, NULL, false },
	{ "descriptors 7 and 9", ORDINARY, true, BOTH, 0, BY_HIGH_FDS, 0, NULL, false },
	{ "root: PID of root", ROOT, false, CLONE_NEWNET, 0, BY_PID, 0, NULL, false },
	{ "root: --netns of root", ROOT, false, CLONE_NEWNET, 0, BY_NETNS, 0, NULL, false },
	{ "root: PID of root in a user namespace", ROOT, false, BOTH, 0, BY_PID, 0, NULL, false },
	{ "LIFE-16 root: PID in another user's namespace", ROOT, true, BOTH, 0, BY_PID, 0, NULL, false },
	{ "root: descriptors 0 and 1", ROOT, true, BOTH, 0, BY_FDS, 0, NULL, false },
	{ "ordinary user with CAP_SYS_ADMIN: descriptors 0 and 1", ORDINARY, false, BOTH, 0, BY_FDS, 0,
	  NULL, true },
	{ "PID of root is refused", ORDINARY, false, CLONE_NEWNET, 0, BY_PID, 1,
	  "Couldn't open network namespace /proc/", false },
};

/* As Lix starts us: another user, with one of root's capabilities */
static void become_sys_admin(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 }, { 0 } };

	d[0].effective = d[0].permitted = 1U << CAP_SYS_ADMIN;
	need(!prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	child_user();
	need(!syscall(__NR_capset, &h, d));
}

static void join(const void *arg)
{
	const struct join_case *t = arg;
	struct conf c = { 0 };
	uint64_t want, here;
	char netns[64], userns[64];
	int hold[2] = { 0, 1 };
	struct ns ns;
	pid_t pid;

	if (t->who != ROOT && t->user)
		become(t->who);
	pid = target(t->user, t->flags, t->then);
	snprintf(netns, sizeof(netns), "/proc/%i/ns/net", pid);
	snprintf(userns, sizeof(userns), "/proc/%i/ns/user", pid);
	want = inode(netns);
	if (t->by == BY_HIGH_FDS) {
		hold[0] = 7;
		hold[1] = 9;
	}
	if (t->by == BY_FDS || t->by == BY_HIGH_FDS) {
		int n = open(netns, O_RDONLY | O_CLOEXEC), u = open(userns, O_RDONLY | O_CLOEXEC);

		need(dup2(n, hold[0]) == hold[0] && dup2(u, hold[1]) == hold[1]);
		snprintf(netns, sizeof(netns), "/proc/self/fd/%i", hold[0]);
		snprintf(userns, sizeof(userns), "/proc/self/fd/%i", hold[1]);
	}
	if (t->sys_admin)
		become_sys_admin();
	else
		become(t->who);
	if (t->by == BY_PID)
		c.ns_pid = pid;
	else
		c.netns = netns;
	if (t->by != BY_PID && t->by != BY_NETNS)
		c.userns = userns;

	here = inode("/proc/self/ns/net");
	start(&ns, &c);
	need(opener_inode() == want);
	need(inode("/proc/self/ns/net") == here);
	need(t->by != BY_HIGH_FDS || (fcntl(7, F_GETFD) < 0 && fcntl(9, F_GETFD) < 0));
	kill(pid, SIGKILL);
}

/* LIFE-15 */
static void netns_only(const void *arg)
{
	struct conf c = { .netns_only = true, .command = SH("readlink /proc/self/ns/user >&2") };
	char own[64] = "", buf[256] = "";
	int out[2], status;
	struct ns ns;

	(void)arg;
	need(!pipe(out));
	child_user();
	child_userns(0);
	need(readlink("/proc/self/ns/user", own, sizeof(own) - 1) > 0);
	need(dup2(out[1], STDERR_FILENO) == STDERR_FILENO && dup2(out[0], STDIN_FILENO) == STDIN_FILENO);
	start(&ns, &c);
	ns_go(&ns);
	need(waitpid(ns.child, &status, 0) == ns.child && !status);
	need(read(STDIN_FILENO, buf, sizeof(buf) - 1) > 0 && !strncmp(buf, own, strlen(own)));
}

static void test_join(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(joins); i++) {
		if (geteuid() && (joins[i].who == ROOT || !joins[i].user))
			continue;
		test("join: %s", joins[i].name);
		eq(child_run(join, &joins[i]), joins[i].status);
		ok(!joins[i].err || strstr(child_err, joins[i].err));
	}
	test("LIFE-15 --netns-only with a command: no user namespace, no maps");
	eq(child_run(netns_only, NULL), 0);
}

/* The end of a namespace */

struct end_case {
	const char	*name;
	enum who	who;
	enum { END_PID, END_UMOUNT, END_LINK, END_MOVE } how;
	uint32_t	without;	/* system call that this kernel doesn't have */
	bool		no_inotify;	/* FWD-02 */
	bool		private;	/* directory only its owner may look into */
	int		watch;		/* that tells, -1: nothing, polled for */
};

static const struct end_case ends[] = {
	{ "FWD-01 process", ORDINARY, END_PID, 0, false, false, WATCH_PID },
	{ "LIFE-25 process, no pidfd", ORDINARY, END_PID, __NR_pidfd_open, false, false, -1 },
	{ "LIFE-01 bind mount undone", ORDINARY, END_UMOUNT, 0, false, false, WATCH_MOUNTS },
	{ "FWD-02 bind mount undone, inotify exhausted", ORDINARY, END_UMOUNT, 0, true, false, WATCH_MOUNTS },
	{ "symbolic link removed", ORDINARY, END_LINK, 0, false, false, WATCH_DIR },
	{ "symbolic link moved away", ORDINARY, END_MOVE, 0, false, false, WATCH_DIR },
	{ "FWD-02 symbolic link removed, inotify exhausted", ORDINARY, END_LINK, 0, true, false, -1 },
	{ "root: process", ROOT, END_PID, 0, false, false, WATCH_PID },
	{ "root: bind mount undone", ROOT, END_UMOUNT, 0, false, false, WATCH_MOUNTS },
	{ "root: symbolic link removed in a directory of root's", ROOT, END_LINK, 0, false, true, WATCH_DIR },
};

/* Who ends it, told by a byte: @name was made by whom we are now, in this mount namespace */
static int ender(const struct end_case *t, pid_t pid, const char *name)
{
	char other[PATH_MAX + 8], c;
	int go[2];
	pid_t self;

	need(!pipe2(go, O_CLOEXEC) && (self = fork()) >= 0);
	if (self) {
		close(go[0]);
		return go[1];
	}
	close(go[1]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(go[0], &c, 1) == 1) {
		snprintf(other, sizeof(other), "%s.other", name);
		if (c == 'x') {		/* nothing to do with it */
			need(!mkdir(other, 0700) && !mount("none", other, "tmpfs", 0, NULL));
			need(!umount2(other, MNT_DETACH) && !rmdir(other));
		} else if (t->how == END_PID) {
			need(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) < 0);
		} else if (t->how == END_UMOUNT) {
			need(!umount2(name, MNT_DETACH));
		} else if (t->how == END_LINK) {
			need(!unlink(name));
		} else {
			need(!rename(name, other));
		}
	}
	_exit(0);
}

static void end_name(const struct end_case *t, pid_t pid, char *path, size_t size)
{
	char net[64];

	snprintf(net, sizeof(net), "/proc/%i/ns/net", pid);
	if (t->how == END_PID) {
		snprintf(path, size, "%s", net);
		return;
	}
	need(!mkdir("/tmp/d", t->private ? 0700 : 0755) || errno == EEXIST);
	snprintf(path, size, "/tmp/d/name");
	if (t->how == END_UMOUNT) {
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		need(!mount(net, path, NULL, MS_BIND, NULL));
	} else {
		need(!symlink(net, path));
	}
}

/* What the loop does, for so long: true if it is gone, and an event told so where one should */
static bool end_seen(struct ns *ns, int ep, int ms)
{
	for (uint64_t start_ms = now_ms(); now_ms() - start_ms < (uint64_t)ms;) {
		struct epoll_event ev;
		union ev_ref ref;

		if (epoll_wait(ep, &ev, 1, ns->poll ? 20 : ms) == 1) {
			ref.u64 = ev.data.u64;
			need(ref.type == EV_NETNS);
		} else if (!ns->poll) {
			return false;
		}
		if (ns_gone(ns))
			return true;
	}
	return false;
}

static void end(const void *arg)
{
	const struct end_case *t = arg;
	struct conf c = { .foreground = true };
	char name[PATH_MAX];
	int go, ep;
	struct ns ns;
	pid_t pid;

	/* A mount namespace with a /tmp of our own */
	if (t->who != ROOT) {
		child_user();
		child_userns(CLONE_NEWNS);
	} else {
		need(!unshare(CLONE_NEWNS) && !mount("", "/", "", MS_PRIVATE | MS_REC, NULL));
	}
	need(!mount("none", "/tmp", "tmpfs", 0, NULL));
	if (t->no_inotify)
		child_write("/proc/sys/user/max_inotify_instances", "0");
	signal(SIGCHLD, SIG_IGN);	/* no zombie */
	pid = target(false, CLONE_NEWNET, 0);
	end_name(t, pid, name, sizeof(name));
	c.netns = name;
	go = ender(t, pid, name);

	if (t->without)
		child_without(t->without, ENOSYS);
	isolate_early(&c, (const int[]){ go }, 1);
	isolate_user(&c);
	ns_open(&ns, &c);
	ep = epoll_create1(EPOLL_CLOEXEC);
	ns_watch(&ns, &c, ep);
	need(ns.poll == (t->watch < 0) && (ns.poll || ns.watch[t->watch] >= 0));
	need(t->no_inotify == (ns.dirfd >= 0 && !t->without && ns.watch[WATCH_DIR] < 0) || t->how == END_PID);
	isolate_prefork(&c);
	isolate_late(&c);

	need(!ns_gone(&ns));
	if (t->how != END_PID)
		need(write(go, "x", 1) == 1);
	need(!end_seen(&ns, ep, 100));
	need(write(go, "!", 1) == 1 && end_seen(&ns, ep, 5000));
}

/* kern looks for these words, and then does without */
static void end_no_dir(const void *arg)
{
	struct conf c = { .netns = "/nonexistent/name", .no_netns_quit = arg != NULL };
	struct ns ns;

	start(&ns, &c);
}

static void end_no_quit(const void *arg)
{
	struct conf c = { .no_netns_quit = true };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev;
	struct ns ns;
	pid_t pid;

	(void)arg;
	child_user();
	pid = target(false, CLONE_NEWUSER | CLONE_NEWNET, 0);
	c.ns_pid = pid;
	ns_open(&ns, &c);
	ns_watch(&ns, &c, ep);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	need(!ns.poll && epoll_wait(ep, &ev, 1, 50) == 0 && !ns_gone(&ns));
}

static void test_end(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		if (geteuid() && ends[i].who == ROOT)
			continue;
		test("end noticed: %s", ends[i].name);
		eq(child_run(end, &ends[i]), 0);
	}
	test("end: no directory to watch");
	eq(child_run(end_no_dir, NULL), 1);
	ok(strstr(child_err, "netns dir open"));
	eq(child_run(end_no_dir, ""), 1);
	ok(!strstr(child_err, "netns dir open"));
	test("--no-netns-quit: the end is not noticed");
	eq(child_run(end_no_quit, NULL), 0);
}

/* Sockets in the namespace, after everything was given up */

/* Listener on the namespace's loopback interface, address into @sa */
static int listen_there(struct sockaddr_in *sa)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t len = sizeof(*sa);
	int fd;

	need(opener_sockets(AF_INET, SOCK_STREAM, 0, &fd, 1) == 1 && !ioctl(fd, SIOCSIFFLAGS, &ifr));
	need(!bind(fd, (struct sockaddr *)sa, len) && !listen(fd, 1) && !getsockname(fd, (struct sockaddr *)sa, &len));
	return fd;
}

/* Threads but our own: how many have no capability and a filter */
static unsigned confined(int proc)
{
	DIR *d = fdopendir(openat(proc, "self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	unsigned n = 0;
	struct dirent *e;

	need(d);
	while ((e = readdir(d))) {
		char path[300], text[4096] = "";
		int fd;

		if (*e->d_name == '.' || atoi(e->d_name) == gettid())
			continue;
		snprintf(path, sizeof(path), "self/task/%s/status", e->d_name);
		need((fd = openat(proc, path, O_RDONLY | O_CLOEXEC)) >= 0 && read(fd, text, sizeof(text) - 1) > 0);
		n += strstr(text, "CapPrm:\t0000000000000000\n") && strstr(text, "Seccomp:\t2\n");
	}
	return n;
}

static void opener_works(const void *arg)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct conf c = { .foreground = true, .command = SH("sleep 1000") };
	int l, s, h, proc, fd[MANY];
	const struct rlimit lim = { 60, 60 };
	struct ns ns;

	become(*(const enum who *)arg);
	start(&ns, &c);
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	need((l = listen_there(&sa)) >= 0);
	ns_opener_stop(&ns);
	isolate_prefork(&c);
	need(!ns_opener_stay(&ns) && confined(proc) == 1);
	need(!setrlimit(RLIMIT_NOFILE, &lim));
	isolate_late(&c);
	ns_go(&ns);

	need(opener_sockets(AF_NETLINK, SOCK_RAW, 0, fd, 1) == -EAFNOSUPPORT);
	need(opener_file("/", O_RDONLY) == -EAFNOSUPPORT);
	need(opener_sockets(AF_INET, SOCK_STREAM, 0, &s, 1) == 1 && (h = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	need(connect(h, (struct sockaddr *)&sa, sizeof(sa)) && errno == ECONNREFUSED);
	need(connect(s, (struct sockaddr *)&sa, sizeof(sa)) && errno == EINPROGRESS);
	need(accept4(l, NULL, NULL, 0) >= 0);
	for (int i = 0; i < 100; i++) {
		need(opener_sockets(AF_INET6, SOCK_DGRAM, 0, fd, MANY) == MANY);
		for (int k = 0; k < MANY; k++)
			need(!close(fd[k]));
	}

	/* SPL-19: as many as there are descriptors for, and then none */
	need(opener_sockets(AF_INET, SOCK_STREAM, 0, fd, MANY) == MANY);
	s = opener_sockets(AF_INET, SOCK_STREAM, 0, fd, MANY);
	need(s > 0 && s < MANY);
	need(opener_sockets(AF_INET, SOCK_STREAM, 0, fd, MANY) == -EMFILE);
}

static void test_opener(void)
{
	for_each_who(w) {
		test("sockets of the namespace after isolation, as %s", who_name[w]);
		eq(child_run(opener_works, &w), 0);
	}
}

int main(void)
{
	for_each_who(w) {
		test("opener as %s: there, while we are not", who_name[w]);
		eq(child_run(opener_there, &w), 0);
	}
	test("opener: gone with a parent that was killed");
	eq(child_run(opener_ends, NULL), 0);
	test_commands();
	test_join();
	test_end();
	test_opener();
	return done();
}
