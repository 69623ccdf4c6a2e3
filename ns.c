/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ns.c - open, create and enter namespaces, and notice their end
 *
 * The process joins the user namespace that owns the target network namespace, if it isn't its own, but never the
 * network namespace: the opener (opener.h) opens files and sockets there, which are used from outside. Until
 * ns_opener_stop(), it is a child that shares memory and descriptors, started early for early errors. The thread that
 * may follow it outlives the last fork; before its first request, it loses its capabilities and all system calls but
 * those to open sockets.
 *
 * A namespace's end has three signs: the target process ends (pidfd); the directory with the namespace's name changes
 * (inotify); the mount table changes (poll on mountinfo), as a name is usually a bind mount. Only the last one takes no
 * limited resource. After each sign, the name is looked up: the namespace is gone if the name is, or belongs to another
 * file. Directory and mount table are opened in the mount namespace that we are started in, and stay there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event.h"
#include "hint.h"
#include "isolate.h"
#include "log.h"
#include "ns.h"
#include "opener.h"
#include "util.h"

#ifndef __NR_pidfd_open
#define __NR_pidfd_open		434
#endif

enum { WATCH_PID, WATCH_DIR, WATCH_MOUNTS };

/* The opener */

struct opener {
	int	netns;
	pid_t	parent;		/* 0: it is a thread, and stays */
};

static int opener_main(void *arg)
{
	struct opener o = *(const struct opener *)arg;
	int rc = setns(o.netns, CLONE_NEWNET) ? -errno : 0;

	/* A child has the socket's other end, too: it would wait for a parent that was killed */
	if (!o.parent)
		isolate_opener();
	else if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != o.parent)
		return 0;
	opener_serve(rc);
	return 0;
}

static int opener_start(struct ns *ns, int thread_flags)
{
	static _Alignas(16) char own_stack[16384];
	struct opener o = { .netns = ns->netns, .parent = thread_flags ? 0 : getpid() };
	int rc = opener_connect(thread_flags);
	pid_t pid;

	if (rc)
		return rc;
	/* A child's end sends no signal, and only ns_opener_stop() waits for it */
	pid = clone(opener_main, own_stack + sizeof(own_stack), CLONE_VM | CLONE_FILES | thread_flags, &o);
	rc = pid < 0 ? -errno : opener_ready();
	ns->opener = thread_flags || pid < 0 ? 0 : pid;
	if (rc)
		ns_opener_stop(ns);
	return rc;
}

int ns_opener_stay(struct ns *ns)
{
	return opener_start(ns, CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM);
}

void ns_opener_stop(struct ns *ns)
{
	opener_hang_up();
	if (ns->opener)
		waitpid(ns->opener, NULL, __WALL);
	ns->opener = 0;
}

int ns_netlink(struct nl *nl, int proto)
{
	int fd, rc = opener_sockets(AF_NETLINK, SOCK_RAW, proto, &fd, 1);

	return nl_take(nl, rc < 0 ? rc : fd);
}

/* @what: kind of namespace, and the option */
static int open_ns(const char *path, const char *what, const char *option)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err = errno;

	if (fd < 0)
		die("Couldn't open %s namespace %s: %s%s%s", what, path, errno_text(err), option,
		    access("/proc/self", F_OK) ? " (/proc is not mounted)" : "");
	return fd;
}

static bool is_own_userns(int fd)
{
	struct stat own, other;

	return !stat("/proc/self/ns/user", &own) && !fstat(fd, &other) && own.st_dev == other.st_dev &&
	       own.st_ino == other.st_ino;
}

/* With fs.suid_dumpable 1 (proc_sys_fs(5)), a change of credentials makes a process dumpable: setns(), too, unless the
 * namespace is a child of ours that belongs to our user. isolate_hide() would come too late then.
 */
static bool join_exposes(int fd)
{
	char mode[8];
	uid_t owner;
	int parent;
	bool ours;

	if (!file_line("/proc/sys/fs/suid_dumpable", mode, sizeof(mode)) || strcmp(mode, "1") != 0)
		return false;

	parent = ioctl(fd, NS_GET_PARENT);
	ours = parent >= 0 && is_own_userns(parent) && !ioctl(fd, NS_GET_OWNER_UID, &owner) && owner == geteuid();
	fd_close(parent);
	return !ours;
}

static void join_userns(int fd, const char *path, const char *option)
{
	if (!is_own_userns(fd)) {
		if (join_exposes(fd))
			die("Couldn't join user namespace %s: processes there could trace this one, "
			    "as sysctl fs.suid_dumpable is 1%s",
			    path, option);
		if (setns(fd, CLONE_NEWUSER))
			die("Couldn't join user namespace %s: %s%s", path, errno_text(errno), option);
		isolate_hide();
	}
	close(fd);
}

/* The command */

#define COMMAND_FDS	2		/* network namespace; user namespace, if it is its own */

struct command {
	const struct conf	*c;
	uid_t			uid;
	gid_t			gid;
	bool			own_userns;
	int			go[2];		/* the child's, ours: its namespaces come, then it may go */
};

/* Its namespaces come in one message (unix(7), SCM_RIGHTS): those of a process that isn't dumpable can't be opened */
union command_fds {
	struct cmsghdr	h;
	char		room[CMSG_SPACE(COMMAND_FDS * sizeof(int))];
};

static int write_close(int fd, const char *text)
{
	int rc = fd < 0 ? fd : fd_write_all(fd, text, strlen(text));

	fd_close(fd);
	return rc;
}

static int open_to_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Our user becomes root in there, or the overflow user if that isn't permitted */
static void command_map_user(const struct command *cmd)
{
	int uid_map, gid_map, setgroups, rc, rc_gid;
	char map[64];

	/* Files of a process that is not dumpable belong to root (proc(5)). No stranger is in this namespace yet. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	uid_map = open_to_write("/proc/self/uid_map");
	gid_map = open_to_write("/proc/self/gid_map");
	setgroups = open_to_write("/proc/self/setgroups");
	isolate_hide();

	snprintf(map, sizeof(map), "0 %u 1\n", cmd->uid);
	rc = write_close(uid_map, map);

	/* user_namespaces(7): without privileges outside, setgroups() has to be given up first */
	write_close(setgroups, "deny");
	snprintf(map, sizeof(map), "0 %u 1\n", cmd->gid);
	rc_gid = write_close(gid_map, map);
	if (rc || rc_gid)
		warn("Couldn't map user and group in new user namespace: %s", errno_text(rc ? -rc : -rc_gid));
}

static void command_send_namespaces(const struct command *cmd)
{
	int net = open_ns("/proc/self/ns/net", "network", "");
	int fd[COMMAND_FDS] = { net, cmd->own_userns ? open_ns("/proc/self/ns/user", "user", "") : net };
	union command_fds c = {
		.h = { .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS }
	};
	struct msghdr m = {
		.msg_iov = &(struct iovec){ fd, 1 }, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)
	};

	memcpy(CMSG_DATA(&c.h), fd, sizeof(fd));
	if (sendmsg(cmd->go[0], &m, 0) >= 0)
		return;
	if (errno == EPIPE)
		_exit(EXIT_FAILURE);		/* the parent has ended, with its message */
	die("Couldn't hand over namespaces of the command: %s", errno_text(errno));
}

static void command_take_namespaces(const struct command *cmd, pid_t child, int fd[COMMAND_FDS])
{
	union command_fds c = { .h = { .cmsg_len = 0 } };
	char byte;
	struct msghdr m = {
		.msg_iov = &(struct iovec){ &byte, 1 }, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)
	};
	ssize_t n = UNINTERRUPTED(recvmsg(cmd->go[1], &m, MSG_CMSG_CLOEXEC));

	if (!n)
		hint_child(child);
	if (n < 0 || c.h.cmsg_len != CMSG_LEN(COMMAND_FDS * sizeof(*fd)))
		die("Couldn't take over namespaces of the command: %s", errno_text(n < 0 ? errno : EMFILE));
	memcpy(fd, CMSG_DATA(&c.h), COMMAND_FDS * sizeof(*fd));
}

static void command_set_up(const struct command *cmd)
{
	char host[DOMAIN_MAX] = "", name[sizeof("pasta-") + DOMAIN_MAX];
	const char *own = cmd->c->hostname;

	if (cmd->own_userns)
		command_map_user(cmd);

	/* The host's new mounts still appear here, but not the reverse */
	if (mount("", "/", "", MS_SLAVE | MS_REC, NULL))
		debug("Couldn't detach mounts of the command: %s", errno_text(errno));
	if (!cmd->c->no_pidns && mount("proc", "/proc", "proc", MS_NODEV | MS_NOEXEC | MS_NOSUID, NULL))
		warn("Couldn't mount /proc for the command: %s (--no-pidns does without)", errno_text(errno));

	/* Our group may ping: it is 0 in there */
	write_close(open_to_write("/proc/sys/net/ipv4/ping_group_range"), "0 0");

	gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), "%s%s", own ? "" : "pasta-", own ? own : host);
	name[MIN(strlen(name), 64U)] = '\0';	/* __NEW_UTS_LEN */
	if (sethostname(name, strlen(name)))
		debug("Couldn't set host name %s: %s", name, errno_text(errno));
}

/* PID 1 in its namespaces; of our descriptors, it has the standard streams and the socket */
static int command_child(void *arg)
{
	const struct command *cmd = arg;
	char *const *args = cmd->c->command, name[PATH_MAX + 1];
	const char *file = args ? args[0] : getenv("SHELL");
	sigset_t none;
	char go;

	isolate_fds(cmd->go, 1);
	command_send_namespaces(cmd);
	command_set_up(cmd);

	/* Not if the parent has died */
	if (read(cmd->go[0], &go, 1) != 1)
		_exit(EXIT_FAILURE);
	close(cmd->go[0]);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);

	if (!args && (!file || !*file))
		file = "/bin/sh";
	/* A shell gets its first argument as from login(1): its file name after a dash */
	snprintf(name, sizeof(name), "-%s", file);
	execvp(file, args ? args : (char *const[]){ name, NULL });
	die("Couldn't run %s: %s", *file ? file : "\"\"", errno_text(errno));
}

/* The descriptor in a path that isolate_early() spared */
static void close_given(const char *path)
{
	int fd = isolate_fd_in_path(path);

	if (fd > STDERR_FILENO)
		close(fd);
}

static void open_command(struct ns *ns, const struct conf *c)
{
	static _Alignas(16) char stack[256 * 1024];
	struct command cmd = {
		.c = c, .uid = geteuid(), .gid = getegid(), .own_userns = !c->userns && !c->netns_only
	};
	int flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD;
	int fd[COMMAND_FDS], err, userns;

	if (c->userns) {
		userns = open_ns(c->userns, "user", " (--userns)");
		close_given(c->userns);
		join_userns(userns, c->userns, " (--userns)");
	}
	if (cmd.own_userns)
		flags |= CLONE_NEWUSER;
	if (!c->no_pidns)
		flags |= CLONE_NEWPID;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, cmd.go))
		die("Couldn't open socket pair: %s", errno_text(errno));

	ns->child = clone(command_child, stack + sizeof(stack), flags, &cmd);
	if (ns->child < 0 && cmd.own_userns) {
		/* Switched off, or nested too deeply; not needed with privileges */
		err = errno;
		cmd.own_userns = false;
		ns->child = clone(command_child, stack + sizeof(stack), flags & ~CLONE_NEWUSER, &cmd);
		if (ns->child >= 0)
			warn("Couldn't create user namespace for the command: %s%s", errno_text(err),
			     hint_namespaces(err, CLONE_NEWUSER));
		else
			errno = err;
	}
	if (ns->child < 0)
		die("Couldn't create namespaces for the command: %s%s%s", errno_text(errno),
		    c->userns ? " (--userns)" : c->netns_only ? " (--netns-only)" : "", hint_namespaces(errno, flags));
	close(cmd.go[0]);
	ns->go = cmd.go[1];

	command_take_namespaces(&cmd, ns->child, fd);
	ns->netns = fd[0];
	if (cmd.own_userns)
		join_userns(fd[1], "of the command", "");
	else
		close(fd[1]);
}

/* Targets that exist */

/* PID in a path /proc/PID/..., 0 for any other; the rest of the path in @rest */
static pid_t pid_in_path(const char *path, const char **rest)
{
	int pid, len = 0;

	if (sscanf(path, "/proc/%d/%n", &pid, &len) != 1 || !len)
		return 0;
	*rest = path + len;
	return pid;
}

static void watch_in(struct ns *ns, const char *dir, const char *name)
{
	snprintf(ns->name, sizeof(ns->name), "%s", name);
	ns->dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ns->dirfd < 0)
		die("netns dir open: %s: %s (--netns %s/%s%s)", dir, errno_text(errno), dir, name,
		    errno == ENOENT ? "" : "; --no-netns-quit does without it");
}

/* Before Linux 5.3, without pidfd: a process is watched by its name in /proc, which has no events */
static void watch_proc(struct ns *ns, pid_t pid)
{
	char path[64];

	debug("No pidfd for process %i: %s", pid, errno_text(errno));
	snprintf(path, sizeof(path), "/proc/%i/ns", pid);
	watch_in(ns, path, "net");
	ns->poll = true;
}

static void watch_name(struct ns *ns, const char *path)
{
	const char *slash = strrchr(path, '/'), *rest;
	pid_t pid = pid_in_path(path, &rest);
	char dir[PATH_MAX], mounts[64];
	struct stat st;

	snprintf(dir, sizeof(dir), "%.*s", slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
	watch_in(ns, dir, slash ? slash + 1 : path);

	/* A symbolic link itself: its target may not exist in our later root */
	if (fstatat(ns->dirfd, ns->name, &st, AT_SYMLINK_NOFOLLOW))
		die("Couldn't open network namespace %s: %s (--netns)", path, errno_text(errno));
	ns->dev = st.st_dev;
	ns->ino = st.st_ino;

	/* /proc/PID/root/... is in that process's mount namespace */
	snprintf(mounts, sizeof(mounts), pid ? "/proc/%i/mountinfo" : "/proc/self/mountinfo", pid);
	ns->watch[WATCH_MOUNTS] = open(mounts, O_RDONLY | O_CLOEXEC);
	if (ns->watch[WATCH_MOUNTS] < 0)
		debug("Couldn't open %s: %s", mounts, errno_text(errno));
}

/* Opens all that is to be watched, with the rights that we are started with, before any namespace is joined */
static void watch_prepare(struct ns *ns, const char *path)
{
	const char *rest;
	pid_t pid;

	/* The name of a descriptor of ours stays when the namespace goes */
	if (!strncmp(path, "/proc/self/", 11) || !strncmp(path, "/proc/thread-self/", 18) ||
	    !strncmp(path, "/dev/fd/", 8))
		return;

	pid = pid_in_path(path, &rest);
	if (pid)
		ns->watch[WATCH_PID] = (int)syscall(__NR_pidfd_open, pid, 0);	/* close-on-exec */
	if (!pid || !strncmp(rest, "root/", 5) || !strncmp(rest, "cwd/", 4))
		watch_name(ns, path);
	else if (ns->watch[WATCH_PID] < 0)
		watch_proc(ns, pid);
}

static void open_existing(struct ns *ns, const struct conf *c, const char *netns)
{
	const char *path = c->userns, *option = c->ns_pid ? " (PID)" : " (--netns)";
	int userns = -1;

	if (c->ns_pid)			/* its name is in no folder but its own */
		ns->netns = open_ns(netns, "network", option);
	if (!c->no_netns_quit)
		watch_prepare(ns, netns);
	if (!c->ns_pid)
		ns->netns = open_ns(netns, "network", option);

	/* The owner's is joined: a process may be in a user namespace below it. A path may need none. -1: the owner is
	 * neither our user namespace nor descends from it, or Linux before 4.9.
	 */
	if (path) {
		option = " (--userns)";
		userns = open_ns(path, "user", option);
	} else if (!c->netns_only && (c->ns_pid || opener_start(ns, 0))) {
		userns = ioctl(ns->netns, NS_GET_USERNS);
		path = netns;
	}
	if (userns < 0 && c->ns_pid && !c->netns_only) {
		static char proc[64];

		snprintf(proc, sizeof(proc), "/proc/%i/ns/user", c->ns_pid);
		path = proc;
		userns = open_ns(path, "user", option);
	}

	close_given(netns);
	close_given(c->userns);
	if (userns >= 0)
		join_userns(userns, path, option);
}

void ns_open(struct ns *ns, const struct conf *c)
{
	const char *path = c->netns;
	char proc[64];
	int rc;

	memset(ns, 0, offsetof(struct ns, own));	/* pages of the rest come when they are used */
	ns->netns = ns->go = ns->dirfd = ns->nl.fd = -1;
	ns->watch[WATCH_PID] = ns->watch[WATCH_DIR] = ns->watch[WATCH_MOUNTS] = -1;

	if (!path && c->ns_pid) {
		snprintf(proc, sizeof(proc), "/proc/%i/ns/net", c->ns_pid);
		path = proc;
	}
	if (path)
		open_existing(ns, c, path);
	else
		open_command(ns, c);

	rc = opener_runs() ? 0 : opener_start(ns, 0);
	if (rc)
		die("Couldn't join network namespace %s: %s%s", path ? path : "of the command", errno_text(-rc),
		    c->netns ? " (--netns)" : path ? " (PID)" : "");
}

/* Its end */

static void watch_add(struct ns *ns, unsigned which, int epfd, uint32_t events)
{
	int rc;

	if (ns->watch[which] < 0)
		return;
	rc = ev_add(epfd, ns->watch[which], EV_NETNS, which, 0, events);
	if (rc) {
		debug("Couldn't watch for the end of the namespace (%u): %s", which, errno_text(-rc));
		close(ns->watch[which]);
		ns->watch[which] = -1;
	}
}

static int watch_dir(const struct ns *ns)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%i", ns->dirfd);
	if (fd >= 0 && inotify_add_watch(fd, path, IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF) >= 0)
		return fd;

	debug("Couldn't watch directory of %s: %s", ns->name, errno_text(errno));
	fd_close(fd);
	return -1;
}

/* Is the name a mount of the namespace? Then its end changes the mount table. */
static bool is_mounted(const struct ns *ns)
{
	struct stat st;

	return !fstat(ns->netns, &st) && st.st_dev == ns->dev && st.st_ino == ns->ino;
}

void ns_watch(struct ns *ns, const struct conf *c, int epfd)
{
	if (c->no_netns_quit || ns->child)
		return;

	if (ns->dirfd >= 0 && !ns->poll)
		ns->watch[WATCH_DIR] = watch_dir(ns);
	watch_add(ns, WATCH_PID, epfd, EPOLLIN);
	watch_add(ns, WATCH_DIR, epfd, EPOLLIN);
	watch_add(ns, WATCH_MOUNTS, epfd, EPOLLPRI);
	if (ns->dirfd >= 0 && ns->watch[WATCH_DIR] < 0 && (ns->watch[WATCH_MOUNTS] < 0 || !is_mounted(ns)))
		ns->poll = true;
	if (ns->poll)
		debug("No event tells the end of the namespace: will look every %i ms", NS_POLL);
}

/* Reads all of inotify's events: did the name go? */
static bool name_went(const struct ns *ns)
{
	_Alignas(struct inotify_event) char buf[4096];
	const struct inotify_event *e;
	bool went = false;
	ssize_t n;

	if (ns->watch[WATCH_DIR] < 0)
		return false;
	while ((n = read(ns->watch[WATCH_DIR], buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*e) + e->len)) {
			e = (const void *)(buf + at);
			went |= (e->mask & (IN_DELETE | IN_MOVED_FROM)) && e->len && !strcmp(e->name, ns->name);
		}
	}
	return went;
}

bool ns_gone(struct ns *ns)
{
	struct pollfd pidfd = { .fd = ns->watch[WATCH_PID], .events = POLLIN };
	bool went = name_went(ns);
	struct stat st;

	if (pidfd.fd >= 0 && poll(&pidfd, 1, 0) > 0)
		return true;
	if (ns->dirfd < 0)
		return false;
	if (!fstatat(ns->dirfd, ns->name, &st, AT_SYMLINK_NOFOLLOW))
		return ns->ino && (st.st_dev != ns->dev || st.st_ino != ns->ino);

	/* Without root's permission to look any more, the name is taken to be there until inotify reports its end */
	return errno != EACCES || went;
}

void ns_go(struct ns *ns)
{
	fd_close(ns->netns);
	ns->netns = -1;
	if (ns->go < 0)
		return;
	fd_write_all(ns->go, "", 1);
	close(ns->go);
	ns->go = -1;
}
