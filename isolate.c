/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isolate.c - give up all rights that are not needed, step by step
 *
 * Real root gives up its user ID early, but keeps the few capabilities for opening and joining others' namespaces
 * until isolate_late(): root's targets can be joined, and no packet is handled with a capability.
 *
 * The table of system calls holds all that the loop may call, C libraries' own calls (glibc, musl) included. Any other
 * call ends the process with SIGSYS; its number is in the kernel's audit log (type 1326). A row may be for one value of
 * an argument only.
 *
 * Capabilities and Landlock are used by plain system calls: without a library, and with headers older than the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <grp.h>

#include "bpf.h"
#include "hint.h"
#include "isolate.h"
#include "log.h"
#include "util.h"

#define NOBODY		65534

/* Newer than some headers */
#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT			47
#define PR_CAP_AMBIENT_CLEAR_ALL	4
#endif
#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW	(1UL << 2)
#endif
#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS	0x80000000U
#endif
#ifndef __NR_close_range
#define __NR_close_range		436
#endif
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset	444
#define __NR_landlock_add_rule		445
#define __NR_landlock_restrict_self	446
#endif

/* Capabilities */

#define CAP(c)	(1ULL << (c))

/* For start-up: low ports, files where only root may create them, another user, others' namespaces */
#define CAPS_STARTUP											\
	(CAP(CAP_SYS_ADMIN) | CAP(CAP_NET_ADMIN) | CAP(CAP_SYS_PTRACE) | CAP(CAP_SETUID) | CAP(CAP_SETGID) |	\
	 CAP(CAP_SETPCAP) | CAP(CAP_SETFCAP) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_DAC_READ_SEARCH) |		\
	 CAP(CAP_NET_BIND_SERVICE) | CAP(CAP_SYS_CHROOT))

static void caps_get(struct __user_cap_data_struct d[static 2])
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };

	if (syscall(__NR_capget, &h, d))
		die("Couldn't get capabilities: %s", errno_text(errno));
}

/* Permitted ones in @mask stay, effective; none inheritable, which clears the ambient set as well */
static int caps_keep(uint64_t mask)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	caps_get(d);
	for (unsigned i = 0; i < 2; i++) {
		d[i].effective = d[i].permitted &= (uint32_t)(mask >> 32 * i);
		d[i].inheritable = 0;
	}
	return syscall(__NR_capset, &h, d) ? -errno : 0;
}

static bool caps_have(unsigned cap)
{
	struct __user_cap_data_struct d[2];

	caps_get(d);
	return d[cap / 32].effective & 1U << cap % 32;
}

/* All but @keep, from every set. Without CAP_SETPCAP, the bounding set stays: it has no effect with no_new_privs. */
static void caps_drop(uint64_t keep)
{
	bool bounding = caps_have(CAP_SETPCAP);
	int rc;

	for (int cap = 0; bounding && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			die("Couldn't drop capability %i from bounding set: %s", cap, errno_text(errno));
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);	/* Linux 4.3 */
	rc = caps_keep(keep);
	if (rc)
		die("Couldn't drop capabilities: %s", errno_text(-rc));
}

/* Descriptors */

/* Without close_range(): the descriptors in /proc. getdents64(), as opendir() allocates. */
static void close_listed(unsigned first, unsigned last)
{
	struct entry {			/* getdents64(2) */
		uint64_t	ino;
		int64_t		off;
		uint16_t	reclen;
		uint8_t		type;
		char		name[];
	};
	struct entry *e;
	int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(8) char buf[4096];
	struct rlimit rl;
	long n;

	if (dir < 0 && !getrlimit(RLIMIT_NOFILE, &rl)) {
		for (unsigned fd = first; fd <= last && fd < rl.rlim_cur && fd < 1U << 20; fd++)
			close((int)fd);
		return;
	}
	while ((n = syscall(__NR_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n; at += e->reclen) {
			uint64_t fd;

			e = (void *)(buf + at);
			if (parse_num(e->name, strlen(e->name), last, &fd) && fd >= first && fd != (unsigned)dir)
				close((int)fd);
		}
	}
	close(dir);
}

static void close_between(unsigned first, unsigned last)
{
	if (first > last || !syscall(__NR_close_range, first, last, 0))
		return;
	debug("No close_range(): %s", errno_text(errno));	/* Linux 5.9 */
	close_listed(first, last);
}

void isolate_fds(const int *keep, unsigned n)
{
	/* All between one descriptor to keep and the next higher one */
	for (unsigned next, from = STDERR_FILENO + 1; from; from = next + 1) {
		next = UINT32_MAX;
		for (unsigned i = 0; i < n; i++) {
			if (keep[i] >= (int)from)
				next = MIN(next, (unsigned)keep[i]);
		}
		close_between(from, next - 1);
	}
}

void isolate_beside(const char *name, const int *keep, unsigned n)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t all;

	prctl(PR_SET_NAME, name);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	isolate_fds(keep, n);
}

int isolate_fd_in_path(const char *path)
{
	int fd, len = 0;

	return path && sscanf(path, "/proc/self/fd/%d%n", &fd, &len) == 1 && !path[len] ? fd : -1;
}

static void streams_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			die("Couldn't open /dev/null: %s", errno_text(errno));
	}
}

void isolate_hide(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		die("Couldn't keep others from tracing this process: %s", errno_text(errno));
}

void isolate_early(const struct conf *c, const int *keep, unsigned n)
{
	int keep_all[GUEST_MAX + 2] = { isolate_fd_in_path(c->netns), isolate_fd_in_path(c->userns) };

	for (unsigned i = 0; i < n; i++)
		keep_all[2 + i] = keep[i];
	isolate_hide();
	streams_open();
	isolate_fds(keep_all, n + 2);

	/* A command in our own user namespace gets all of our capabilities */
	if (!c->command || !c->netns_only)
		caps_keep(CAPS_STARTUP);
}

/* User */

void isolate_user(const struct conf *c)
{
	bool root = real_root();
	uid_t uid = c->uid;
	gid_t gid = c->gid;

	if (!root && (!c->runas || (uid == geteuid() && gid == getegid())))
		return;
	if (!c->runas && !uid)
		uid = gid = NOBODY;
	if (!c->runas)
		info("Started as root, will change to nobody");
	if (setgroups(0, NULL) && errno != EPERM)
		die("Couldn't drop supplementary groups: %s", errno_text(errno));
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		die("%sCouldn't change to UID %u, GID %u: %s", c->runas ? "--runas: " : "", uid, gid,
		    errno_text(errno));
	isolate_hide();
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	caps_keep(CAPS_STARTUP);
}

/* Namespaces and root */

/* An empty file system becomes the root, in place of all mounts */
static void root_empty(bool chroot_fallback)
{
	static const char *const at[] = { "/tmp", "/proc", "/dev", "/usr" };
	unsigned i = 0;

	if (mount("", "/", "", MS_UNBINDABLE | MS_REC, NULL))
		die("Couldn't make mounts private: %s%s", errno_text(errno), hint_namespaces(errno, 0));
	while (mount("", at[i], "tmpfs", MS_NODEV | MS_NOEXEC | MS_NOSUID | MS_RDONLY,
		     "nr_inodes=2,nr_blocks=1,mode=0555")) {
		if (++i == ARRAY_SIZE(at))
			die("Couldn't mount an empty root: %s%s", errno_text(errno), hint_namespaces(errno, 0));
	}
	if (chdir(at[i]))
		die("Couldn't change to the empty root: %s", errno_text(errno));

	/* pivot_root(2), NOTES: the old root is on top of the new one then, at the same place */
	if (!syscall(__NR_pivot_root, ".", ".")) {
		if (umount2(".", MNT_DETACH) || chdir("/"))
			die("Couldn't leave the old root: %s", errno_text(errno));
		return;
	}
	if (errno != EINVAL || !chroot_fallback)
		die("Couldn't pivot_root(): %s%s", errno_text(errno),
		    errno == EINVAL ? " (root is an initramfs or not a mount point, see --chroot-fallback)" : "");
	if (mount(".", "/", NULL, MS_MOVE, NULL))
		debug("Couldn't move the empty root: %s", errno_text(errno));
	if (chroot(".") || chdir("/"))
		die("Couldn't chroot(): %s", errno_text(errno));
}

void isolate_prefork(const struct conf *c)
{
	int flags = CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWUTS | (c->foreground ? 0 : CLONE_NEWPID);

	if (!caps_have(CAP_SYS_ADMIN) && unshare(CLONE_NEWUSER))
		die("Couldn't create user namespace: %s%s", errno_text(errno), hint_namespaces(errno, CLONE_NEWUSER));
	isolate_hide();
	if (unshare(flags))
		die("Couldn't create isolating namespaces: %s%s", errno_text(errno), hint_namespaces(errno, flags));
	root_empty(c->chroot_fallback);
}

/* Landlock (landlock(7)) */

/* All files and directories may be read */
static void landlock_read(long ruleset)
{
	struct {
		uint64_t	access;
		int32_t		fd;
	} __attribute__((packed)) rule = { .access = 1 << 2 | 1 << 3 };	/* LANDLOCK_ACCESS_FS_READ_FILE, _READ_DIR */

	rule.fd = open("/", O_PATH | O_CLOEXEC);
	if (rule.fd < 0 || syscall(__NR_landlock_add_rule, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, &rule, 0))
		die("Couldn't allow files to be read by Landlock: %s", errno_text(errno));
	close(rule.fd);
}

int isolate_landlock(void)
{
	return (int)syscall(__NR_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);
}

static void landlock(bool reads)
{
	/* Number of file system rights by ABI. Those of the network are not handled: we bind and connect. */
	static const uint8_t rights[] = { 0, 13, 14, 15, 15, 16 };
	struct {
		uint64_t	fs, net, scoped;
	} attr = { 0 };
	int abi = isolate_landlock();
	long fd;

	if (abi <= 0) {
		debug("No Landlock: %s", errno_text(errno));	/* Linux 5.13, and not switched off */
		return;
	}
	attr.fs = (1ULL << rights[MIN((size_t)abi, ARRAY_SIZE(rights) - 1)]) - 1;
	if (abi >= 6)
		attr.scoped = 3;	/* LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL */

	fd = syscall(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd >= 0 && reads)
		landlock_read(fd);
	if (fd < 0 || syscall(__NR_landlock_restrict_self, fd, 0))
		die("Couldn't restrict file system by Landlock: %s", errno_text(errno));
	close((int)fd);
}

/* System calls */

enum {
	LOOP_PASTA	= 1 << MODE_PASTA,
	LOOP_PASST	= 1 << MODE_PASST,
	LOOP	= LOOP_PASTA | LOOP_PASST,
	OPENER	= LOOP_PASST << 1,		/* the thread in the target namespace, see ns_opener_stay() */
	ALL	= LOOP | OPENER,
	CONTROL	= OPENER << 1,		/* with a control socket */
	VHOST	= CONTROL << 1,		/* with --vhost-user */
	SETTER	= VHOST << 1,		/* the process that changes the namespace's network, see ns_setter.c */
	READER	= SETTER << 1,		/* the process that reads resolv.conf, see follow_resolv.c */
	WRITER	= READER << 1,		/* the process that writes the flow log, see flow_file.c */
	REFUSED	= WRITER << 1,		/* fails with ENOMEM: libc can do without */
};

/* Names of 32-bit architectures, and of C libraries there */
#ifdef __NR_fcntl64
#undef __NR_fcntl
#define __NR_fcntl		__NR_fcntl64
#endif
#ifdef __NR_mmap2
#undef __NR_mmap
#define __NR_mmap		__NR_mmap2
#endif
#ifndef __NR_newfstatat		/* 32 bit, LIFE-07 */
#define __NR_newfstatat		__NR_fstatat64
#endif
#ifndef __NR_clock_gettime	/* musl, 32 bit */
#define __NR_clock_gettime	__NR_clock_gettime32
#endif

/* Only with this value of argument @i, counted from 0: int or unsigned, of which the kernel takes the low 32 bits */
#define WITH(i, value)	((int64_t)((i) + 1) << 24 | (int64_t)(value) << 32)
#define OURSELVES	0		/* as a value: number of the process, and of its only thread */

/* The reason is for readers, and not in the program */
#define ROW(nr, modes, reason)	{ nr, modes }

static const struct {
	int64_t		nr;		/* with the value of an argument, if only that one is allowed */
	unsigned	modes;
} allowed[] = {
	/* The loop and the data path, most frequent first */
#ifdef __NR_epoll_wait			/* newer architectures have none of these */
	ROW(__NR_epoll_wait,		LOOP,	"loop"),
	ROW(__NR_poll,			LOOP | READER,"pidfd; is the guest's end of its socket closed?"),
	ROW(__NR_dup2,			LOOP,	"standard streams of a daemon; listeners opened anew"),
#endif
	ROW(__NR_epoll_pwait,		LOOP,	"loop: musl, newer architectures"),
	ROW(__NR_read,			ALL | READER | WRITER, "tap device, signalfd, inotify, splice; requests"),
	ROW(__NR_write,			ALL | WRITER,	"tap device, log, pcap, splice; opener: answers"),
	ROW(__NR_writev,			LOOP,	"tap device, pcap"),
	ROW(__NR_recvmsg,			LOOP,	"flows"),
	ROW(__NR_recvmmsg,		LOOP,	"datagrams"),
	ROW(__NR_recvfrom,		LOOP | SETTER,	"flows, qemu's socket, netlink; setter"),
	ROW(__NR_sendmsg,			LOOP,	"flows, qemu's socket"),
	ROW(__NR_sendmmsg,		LOOP,	"datagrams"),
	ROW(__NR_sendto,			LOOP | SETTER | READER,	"flows, system log, netlink; setter"),
	ROW(__NR_splice,			LOOP_PASTA,	"loopback bypass"),
	ROW(__NR_clock_gettime,		LOOP,	"time, where the vDSO has none; CPU time"),

	/* A flow's life */
	ROW(__NR_epoll_ctl,		LOOP,	"flows"),
	ROW(__NR_socket | WITH(0, AF_INET), ALL,	"flows; types and protocols: see emit_socket()"),
	ROW(__NR_socket | WITH(0, AF_INET6), ALL,	"flows, the same"),
	ROW(__NR_socket | WITH(0, AF_UNIX), CONTROL, "spare descriptor, unix_spare()"),
	ROW(__NR_socketpair | WITH(0, AF_UNIX), LOOP, "queries of a guest by TCP"),
	ROW(__NR_bind,			LOOP,	"flows"),
	ROW(__NR_connect,			LOOP,	"flows"),
	ROW(__NR_listen,			LOOP,	"ports that open later"),
	ROW(__NR_accept4,			LOOP,	"flows, qemu"),
	ROW(__NR_getsockopt,		LOOP,	"flows: errors, room, TCP_INFO"),
	ROW(__NR_setsockopt,		LOOP,	"flows, filter for notifications of neighbours"),
	ROW(__NR_getsockname,		LOOP,	"flows"),
	ROW(__NR_shutdown,		LOOP,	"flows"),
	ROW(__NR_close,			LOOP | READER,"flows"),
	ROW(__NR_pipe2 | WITH(1, O_CLOEXEC | O_NONBLOCK), LOOP_PASTA, "loopback bypass; not O_NOTIFICATION_PIPE"),
	ROW(__NR_fcntl | WITH(1, F_SETPIPE_SZ), LOOP_PASTA, "loopback bypass"),
	ROW(__NR_fcntl | WITH(1, F_GETPIPE_SZ), LOOP_PASTA, "loopback bypass"),
	ROW(__NR_fcntl | WITH(1, F_DUPFD_CLOEXEC), LOOP, "is a descriptor left for the next connection?"),
	ROW(__NR_fcntl | WITH(1, F_SETFD), LOOP, "musl without SOCK_CLOEXEC"),
	ROW(__NR_fcntl | WITH(1, F_SETFL), LOOP, "eventfds of a virtual machine; musl without SOCK_NONBLOCK"),
	ROW(__NR_getrandom,		LOOP,	"identifiers"),
	ROW(__NR_dup3,			LOOP,	"dup2() on newer architectures"),

	/* End of the namespace */
	ROW(__NR_newfstatat,		LOOP_PASTA,	"name of the namespace"),
	ROW(__NR_statx,			LOOP_PASTA,	"name of the namespace, with 64-bit time"),
	ROW(__NR_ppoll,			LOOP | READER,"poll() on newer architectures"),
	ROW(__NR_wait4,			LOOP_PASTA,	"the command's exit status"),
	ROW(__NR_waitid,			LOOP_PASTA,	"the command's exit status"),

	/* resolv.conf */
	ROW(__NR_openat | WITH(2, READER_FLAGS), READER,	"the file"),
	ROW(__NR_readlinkat,		READER,	"links to it"),
	ROW(__NR_inotify_add_watch,	READER,	"their directories"),
	ROW(__NR_inotify_rm_watch,	READER,	"their directories"),

	/* Flow log */
	ROW(__NR_clock_nanosleep,		WRITER,	"few writes for many lines"),
#ifdef __NR_nanosleep
	ROW(__NR_nanosleep,		WRITER,	"the same: musl"),
#endif

	/* Log file */
	ROW(__NR_pread64,			LOOP | WRITER,	"rotation"),
	ROW(__NR_pwrite64,		LOOP | WRITER,	"rotation"),
	ROW(__NR_lseek,			LOOP | WRITER,	"rotation"),
	ROW(__NR_ftruncate,		LOOP | WRITER,	"rotation"),

	/* Ends, good and bad */
	ROW(__NR_exit_group,		ALL | SETTER | READER | WRITER,"exit"),
	ROW(__NR_exit,			OPENER,	"exit of the thread"),
	ROW(__NR_rt_sigreturn,		LOOP,	"signals"),
	ROW(__NR_restart_syscall,		ALL | SETTER | READER | WRITER,"after SIGSTOP and SIGCONT"),
	ROW(__NR_rt_sigprocmask,		LOOP,	"abort(), LIFE-08"),
	ROW(__NR_rt_sigaction,		LOOP,	"abort(), LIFE-08"),
	ROW(__NR_getpid,			LOOP,	"abort(), LIFE-08"),
	ROW(__NR_gettid,			LOOP,	"abort(), LIFE-08"),
	ROW(__NR_tgkill | WITH(0, OURSELVES), LOOP, "abort(), LIFE-08"),
	ROW(__NR_tkill | WITH(0, OURSELVES), LOOP, "abort() of musl, LIFE-08"),
	/* No PROT_EXEC */
	ROW(__NR_mmap | WITH(2, PROT_READ | PROT_WRITE), VHOST, "memory of a virtual machine, also cut short"),
	ROW(__NR_memfd_create | WITH(1, MFD_CLOEXEC), VHOST, "a virtual machine's buffers in flight"),
#ifdef SANITIZED			/* they call more, for their reports most of all (make SAN=1) */
	ROW(__NR_mmap,			LOOP,	"sanitizers"),
	ROW(__NR_munmap,			LOOP,	"sanitizers"),
#else
	ROW(__NR_munmap,			VHOST,	"memory of a virtual machine"),
	ROW(__NR_mmap,			LOOP | REFUSED, "abort() of glibc keeps its message there"),
#endif
	ROW(__NR_brk,			LOOP,	"assert() builds its message in allocated memory, LIFE-08"),

	/* Of some architectures and C libraries */
#ifdef __NR_accept
	ROW(__NR_accept,			LOOP,	"musl falls back to it, LIFE-06"),
#endif
#ifdef __NR_recv
	ROW(__NR_recv,			LOOP | SETTER,	"flows; setter"),
	ROW(__NR_send,			LOOP | SETTER | READER,	"flows, system log, netlink; setter"),
#endif
#ifdef __NR_socketcall
	ROW(__NR_socketcall,		ALL | SETTER | READER,"all socket calls, LIFE-07, with any arguments"),
#endif
#ifdef __NR_sigreturn
	ROW(__NR_sigreturn,		LOOP,	"signals"),
#endif
#if __SIZEOF_LONG__ == 4
	ROW(__NR_clock_nanosleep_time64,	WRITER,	"few writes for many lines"),
	ROW(__NR_recvmmsg_time64,		LOOP,	"datagrams"),
	ROW(__NR_ppoll_time64,		LOOP | READER,"pidfd, the guest's socket"),
	ROW(__NR__llseek,			LOOP | WRITER,	"rotation"),
	ROW(__NR_ftruncate64,		LOOP | WRITER,	"rotation"),
	ROW(__NR_clock_gettime64,		LOOP,	"time, where the vDSO has none; CPU time"),
#endif
#ifdef SANITIZED
	ROW(__NR_sigaltstack,		ALL | SETTER | READER | WRITER,	"sanitizers, before exit()"),
	ROW(__NR_madvise,			LOOP,	"sanitizers"),
	ROW(__NR_sched_yield,		LOOP,	"sanitizers"),
	ROW(__NR_futex,			LOOP,	"sanitizers"),
	ROW(__NR_openat,			LOOP,	"sanitizers' reports: fails, for Landlock and the empty root"),
	ROW(__NR_ioctl | WITH(1, TCGETS),	LOOP,	"sanitizers' reports"),
#ifdef __NR_open
	ROW(__NR_open,			LOOP,	"sanitizers' reports"),
	ROW(__NR_readlink,		LOOP,	"sanitizers' reports"),
#endif
#endif
};

#if defined(__x86_64__)
#define NATIVE_ARCH	AUDIT_ARCH_X86_64	/* x32 has the same, its numbers match no row */
#elif defined(__i386__)
#define NATIVE_ARCH	AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define NATIVE_ARCH	AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define NATIVE_ARCH	AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH	AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_ARCH	AUDIT_ARCH_PPC64LE
#elif defined(__powerpc64__)
#define NATIVE_ARCH	AUDIT_ARCH_PPC64
#elif defined(__s390x__)
#define NATIVE_ARCH	AUDIT_ARCH_S390X
#elif defined(__loongarch__)
#define NATIVE_ARCH	AUDIT_ARCH_LOONGARCH64
#elif defined(__mips64) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_ARCH	AUDIT_ARCH_MIPSEL64
#else
#error "name the audit architecture"
#endif

#define NUMBER		offsetof(struct seccomp_data, nr)
/* The low half of argument @i */
#define LOW_HALF	(__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0)
#define ARGUMENT(i)	(offsetof(struct seccomp_data, args) + 8 * (i) + LOW_HALF)

static struct bpf filter;

/* Goes on if the value loaded last is @k; the other target is filled in later */
static unsigned emit_only(uint32_t k)
{
	return bpf_op(&filter, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 0);
}

/* Only types and protocols of flows: others would load rare modules of the kernel */
static void emit_socket(void)
{
	static const uint32_t type[] = { SOCK_STREAM, SOCK_DGRAM };
	static const uint32_t proto[] = { 0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6 };

	bpf_load(&filter, BPF_W, ARGUMENT(1));
	bpf_op(&filter, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), 0, 0);
	bpf_ret_unless(&filter, type, ARRAY_SIZE(type), SECCOMP_RET_KILL_PROCESS);
	bpf_load(&filter, BPF_W, ARGUMENT(2));
	bpf_ret_unless(&filter, proto, ARRAY_SIZE(proto), SECCOMP_RET_KILL_PROCESS);
}

/* One row: begins and ends with the number loaded, so that the next row may be for the same call */
static void emit_row(int64_t row, uint32_t verdict)
{
	uint32_t nr = row & 0xffffff, value = (uint32_t)((uint64_t)row >> 32);
	unsigned arg = row >> 24 & 0xff, start = emit_only(nr), miss = start;

	if (arg) {
		bpf_load(&filter, BPF_W, ARGUMENT(arg - 1));
		miss = emit_only(value == OURSELVES ? (uint32_t)getpid() : value);
	}
	if (nr == __NR_socket)
		emit_socket();
	bpf_ret(&filter, verdict);
	filter.op[miss].jf = (uint8_t)(filter.n - miss - 1);
	if (arg)
		bpf_load(&filter, BPF_W, NUMBER);
	filter.op[start].jf = (uint8_t)(filter.n - start - 1);
}

/* Allows the rows of @mode, and nothing else */
static void filter_syscalls(unsigned mode)
{
	struct sock_fprog prog = { .filter = filter.op };

	filter.n = 0;
	bpf_load(&filter, BPF_W, offsetof(struct seccomp_data, arch));
	bpf_ret_unless(&filter, &(const uint32_t){ NATIVE_ARCH }, 1, SECCOMP_RET_KILL_PROCESS);
	bpf_load(&filter, BPF_W, NUMBER);
	for (unsigned i = 0; i < ARRAY_SIZE(allowed); i++) {
		if (allowed[i].modes & mode)
			emit_row(allowed[i].nr,
				 allowed[i].modes & REFUSED ? SECCOMP_RET_ERRNO | ENOMEM : SECCOMP_RET_ALLOW);
	}
	bpf_ret(&filter, SECCOMP_RET_KILL_PROCESS);
	prog.len = filter.n;

	/* Without costly mitigations of speculation, where the kernel adds them to a filter: nothing here is secret */
	if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0))
		die("Couldn't install system call filter: %s", errno_text(errno));
}

static void give_up(uint64_t keep, bool reads)
{
	caps_drop(keep);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("Couldn't set no_new_privs: %s", errno_text(errno));
	landlock(reads);
}

static void isolate_last(unsigned mode, uint64_t keep)
{
	give_up(keep, mode == READER);
	isolate_hide();
	filter_syscalls(mode);
}

void isolate_late(const struct conf *c)
{
	/* For ports below 1024 that are bound after start: in the namespace by -T auto, or by pesto */
	isolate_last(1U << c->mode | (c->control ? CONTROL : 0) | (c->vhost_user ? VHOST : 0),
		     c->ports_later ? CAP(CAP_NET_BIND_SERVICE) : 0);
}

void isolate_client(void)
{
	give_up(0, false);
}

void isolate_opener(void)
{
	isolate_last(OPENER, 0);
}

void isolate_setter(void)
{
	isolate_last(SETTER, CAP(CAP_NET_ADMIN));
}

void isolate_reader(void)
{
	isolate_last(READER, 0);
}

void isolate_writer(void)
{
	isolate_last(WRITER, 0);
}
