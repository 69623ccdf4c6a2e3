/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check.c - --check: abilities of this host, each tried
 *
 * A child takes the program's own steps of start-up, in their order and with its rights, and a few others between them:
 * a line each. A step that fails ends it, with the program's message; another child goes on behind that step. They make
 * namespaces, a tap device and sockets, all of which end with them: the parent waits for the end of their standard
 * error, which each process of theirs has.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fwd.h"
#include "hint.h"
#include "isolate.h"
#include "log.h"
#include "opener.h"
#include "opt.h"
#include "sock.h"
#include "splice.h"

#define FACT_MAX	400
#define FEW_BYTES	(1 << 20)	/* of a TCP buffer: 84 Mbit/s at a round trip of 100 ms */
#define ANSWER_MS	1000		/* for a resolver */

static struct state {
	const struct conf *c;
	struct ns	*ns;
	struct net	net;
	char		fact[FACT_MAX];
	char		groups[32];	/* icmp(7): ping_group_range, before another user namespace is joined */
} st;

static void fact(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Adds to the fact */
static void fact(const char *fmt, ...)
{
	size_t len = strlen(st.fact);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(st.fact + len, sizeof(st.fact) - len, fmt, ap);
	va_end(ap);
}

/* Steps: NULL, or the remedy of a limit */

static const char *try_kernel(void)
{
	struct utsname u;

	uname(&u);
	fact("%s %s %s", u.sysname, u.release, u.machine);
	return sock_features.peek_off ? NULL : "before 6.11, bytes that wait for the guest are copied more than once";
}

static const char *try_namespaces(void)
{
	int status = 0;

	ns_open(st.ns, st.c);
	ns_go(st.ns);
	waitpid(st.ns->child, &status, 0);
	fact("a command ran in new ones: %snetwork, mount, %sIPC, UTS",
	     st.c->userns || st.c->netns_only ? "" : "user, ", st.c->no_pidns ? "" : "PID, ");
	return status ? "it failed" : NULL;
}

static const char *try_tap_device(void)
{
	struct caps caps;

	if (!opener_runs())
		die("not tried without a network namespace");
	close(ns_tap(st.ns, &st.net, -1, &caps));
	fact("%s, by /dev/net/tun", st.ns->ifname);
	return caps.tso4 ? NULL : "without super-packets: 64 KiB at a time need Linux 2.6.27";
}

static const char *try_isolation(void)
{
	int abi = isolate_landlock();

	if (opener_runs())
		ns_opener_stop(st.ns);
	isolate_prefork(st.c);
	isolate_late(st.c);
	fact("empty root, no capabilities, system call filter, %s", abi > 0 ? "Landlock" : "no Landlock");
	return abi > 0 ? NULL : "it takes Linux 5.13, and \"landlock\" in the kernel's parameter lsm=";
}

/* Without CAP_NET_RAW, which the program gives up */
static const char *try_ping(void)
{
	int fd = sock_ping(false, &addr_any4, NULL);

	if (fd >= 0) {
		close(fd);
		fact("echo sockets");
		return NULL;
	}
	fact("no echo sockets (%s): net.ipv4.ping_group_range is %s", errno_text(-fd),
	     *st.groups ? st.groups : "not known, without /proc");
	return "sysctl net.ipv4.ping_group_range=\"0 2147483647\"";
}

static const char *try_ports(void)
{
	unsigned port = 0;
	int fd = -EACCES;

	while (fd == -EACCES && port < UINT16_MAX)
		fd = sock_listen(IPPROTO_UDP, &(struct end){ addr_loopback4, (uint16_t)++port }, false, NULL);
	fd_close(fd);
	fact("of the host, from %u on", port);
	return port == 1 ? NULL : "sysctl net.ipv4.ip_unprivileged_port_start=80, or -t 8080:80";
}

static const char *try_open_files(void)
{
	struct rlimit r = { 0 };
	rlim_t soft;
	unsigned flows;
	int fd;

	fwd_need_files();
	getrlimit(RLIMIT_NOFILE, &r);
	soft = r.rlim_cur;
	r.rlim_cur = r.rlim_max = MIN(r.rlim_max, INT_MAX);
	setrlimit(RLIMIT_NOFILE, &r);
	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, (int)r.rlim_max - 1);
	if (fd < 0)
		fact("not all of them: %s; ", errno_text(errno));
	flows = (unsigned)MIN(r.rlim_max - MIN(r.rlim_max, FD_RESERVE), FLOW_MAX);
	fact("%llu, which the program raises to %llu: %u flows", (unsigned long long)soft,
	     (unsigned long long)r.rlim_max, flows);
	return flows == FLOW_MAX && fd >= 0 ? NULL : "ulimit -Hn, LimitNOFILE= of a unit, nofile in limits.conf(5)";
}

static const char *try_buffers(void)
{
	int udp = sock_listen(IPPROTO_UDP, &(struct end){ .a = addr_loopback4 }, false, NULL), size = 0;
	int from = sock_udp_from(sock_udp_new(V4), &addr_loopback4, true);
	uint32_t rmem = sock_sysctl("/proc/sys/net/ipv4/tcp_rmem", UINT32_MAX);
	socklen_t len = sizeof(size);

	getsockopt(udp, SOL_SOCKET, SO_RCVBUF, &size, &len);	/* twice the size */
	if (rmem < UINT32_MAX)
		fact("TCP, %u KiB to send, %u to receive; ", sock_wmem_max >> 10, rmem >> 10);
	fact("UDP, %i KiB to receive", size >> 11);
	if (from < 0)
		fact("; no filter for senders (%s)", errno_text(-from));
	fd_close(udp);
	fd_close(from);
	if (from < 0)
		return "sysctl net.core.optmem_max=20480";
	if (rmem == UINT32_MAX)
		return "those of TCP are not known, without /proc";
	if (sock_wmem_max < FEW_BYTES)
		return "sysctl net.ipv4.tcp_wmem=\"4096 16384 4194304\"";
	if (rmem < FEW_BYTES)
		return "sysctl net.ipv4.tcp_rmem=\"4096 131072 6291456\"";
	return size / 2 < UDP_RCVBUF ? "sysctl net.core.rmem_max=1048576, for bursts of datagrams" : NULL;
}

static const char *try_loopback(void)
{
	int p[2] = { -1, -1 }, size;

	if (pipe2(p, O_CLOEXEC) || fcntl(p[0], F_SETPIPE_SZ, PIPE_SIZE) < 0)
		fact("%s; ", errno_text(errno));
	size = fcntl(p[0], F_GETPIPE_SZ);
	fact("pipes of %i KiB", MAX(size, 0) >> 10);
	fd_close(p[0]);
	fd_close(p[1]);
	return size >= PIPE_SIZE ? NULL : "sysctl fs.pipe-max-size=1048576, fs.pipe-user-pages-soft=0";
}

static const char *try_shared_memory(void)
{
	int fd = memfd_create("check", MFD_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, 4096))
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fact("for --vhost-user: %s", p == MAP_FAILED ? errno_text(errno) : "memfd");
	fd_close(fd);
	return p == MAP_FAILED ? "Linux 3.17, and a container's filter that permits memfd_create()" : NULL;
}

static const char *family(enum family f)
{
	static const struct addr far[FAMILIES] = {		/* RFC 5737, RFC 3849: nobody's; nothing is sent */
		{ .b = { [10] = 0xff, 0xff, 192, 0, 2, 1 } }, { .b = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } }
	};
	const struct net_ip *ip = &st.net.ip[f];
	const struct side to = { .peer = { far[f], 9 }, .our = { .a = addr_any(f) } };
	char a[ADDR_STRLEN], ifname[IFNAMSIZ] = "";
	int fd;

	if (!ip->on) {
		fact("off");
		return st.c->ip[f].off ? NULL : "the kernel has none, or the MTU is too small";
	}
	if (ip->local) {
		fact("no interface with an address and a route: link-local addresses only");
		return "-i NAME takes another one; a network that comes later is noticed";
	}
	if_indextoname(ip->ifindex, ifname);
	fact("%s/%u, as on %s", addr_fmt(&ip->guest.addr, a), ip->guest.plen, ifname);
	fd = sock_udp_peer(&to, &(struct sock_out){ .ifname = st.c->ip[f].out_if });
	if (fd < 0) {
		fact("; to other networks: %s", errno_text(-fd));
		return "ip route; -i NAME, -o NAME take another interface";
	}
	close(fd);
	return NULL;
}

static const char *try_ipv4(void)
{
	return family(V4);
}

static const char *try_ipv6(void)
{
	return family(V6);
}

/* Does it answer a query for the root's name servers (RFC 1035 4.1)? */
static bool resolver_answers(const struct resolver *r)
{
	static const uint8_t query[] = { 0x70, 0x61, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1 };
	const struct side to = { .peer = { r->a, 53 }, .our = { .a = addr_any(addr_family(&r->a)) } };
	int fd = sock_udp_peer(&to, &(struct sock_out){ .scope = r->scope });
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t answer[2];
	bool ok;

	if (fd < 0)
		return false;
	ok = send(fd, query, sizeof(query), 0) > 0 && poll(&p, 1, ANSWER_MS) > 0 &&
	     recv(fd, answer, sizeof(answer), 0) == sizeof(answer) && !memcmp(answer, query, sizeof(answer));
	close(fd);
	return ok;
}

static const char *try_resolvers(void)
{
	char a[ADDR_STRLEN];
	unsigned n = 0;

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct conf_ip *want = &st.c->ip[f];

		for (unsigned i = 0; i < (want->dns_given ? want->ndns : st.net.resolv.n[f]); i++, n++) {
			struct resolver r = st.net.resolv.server[f][i];

			if (want->dns_given)
				r = (struct resolver){ .a = want->dns[i] };
			addr_fmt(&r.a, a);
			if (resolver_answers(&r)) {
				st.fact[0] = '\0';
				fact("%s answers", a);
				return NULL;
			}
			fact("%s%s", n ? ", " : "no answer within a second: ", a);
		}
	}
	if (!n)
		fact("none in %s", net_resolv_path);
	return "-D ADDR names another one";
}

#define FOR_PASTA	(1U << MODE_PASTA)
#define FOR_PASST	(1U << MODE_PASST)
#define FOR_BOTH	(FOR_PASTA | FOR_PASST)

static const struct check {
	const char	*name;
	unsigned	modes;
	const char	*(*run)(void);
} checks[] = {
	{ "kernel",		FOR_BOTH,	try_kernel },
	{ "namespaces",		FOR_PASTA,	try_namespaces },
	{ "tap device",		FOR_PASTA,	try_tap_device },
	{ "ping",		FOR_BOTH,	try_ping },
	{ "ports",		FOR_BOTH,	try_ports },
	{ "open files",		FOR_BOTH,	try_open_files },
	{ "buffers",		FOR_BOTH,	try_buffers },
	{ "loopback",		FOR_PASTA,	try_loopback },
	{ "shared memory",	FOR_PASST,	try_shared_memory },
	{ "IPv4",		FOR_BOTH,	try_ipv4 },
	{ "IPv6",		FOR_BOTH,	try_ipv6 },
	{ "resolvers",		FOR_BOTH,	try_resolvers },
	{ "isolation",		FOR_BOTH,	try_isolation },	/* the last: nothing else is possible then */
};

/* The child: a line for each check from @i on, behind a byte that no message has */
static _Noreturn void child_from(unsigned i)
{
	char line[2 * FACT_MAX];

	for (; i < ARRAY_SIZE(checks); i++) {
		const char *remedy;

		if (!(checks[i].modes & 1U << st.c->mode))
			continue;
		st.fact[0] = '\0';
		remedy = checks[i].run();
		snprintf(line, sizeof(line), "\t%s %s: %s%s%s\n", remedy ? "limit" : "ok   ", checks[i].name, st.fact,
			 remedy ? "; " : "", remedy ? remedy : "");
		fd_write_all(STDERR_FILENO, line, strlen(line));
	}
	_exit(0);
}

/* Prints the child's lines: the check that it ended in, if it did. A warning in front of a line is its limit. */
static unsigned print_from(struct lines *l, pid_t child, unsigned i)
{
	char last[FACT_MAX] = "";
	int status = 0;
	char *s;

	while ((s = lines_next(l))) {
		if (*s != '\t') {
			snprintf(last, sizeof(last), "%s", s);
			continue;
		}
		while (!(checks[i].modes & 1U << st.c->mode))
			i++;
		if (*last)
			printf("limit %s: %s\n", checks[i].name, last);
		else
			printf("%s\n", s + 1);
		last[0] = '\0';
		i++;
	}
	waitpid(child, &status, 0);
	if (!status)
		return ARRAY_SIZE(checks);
	while (!(checks[i].modes & 1U << st.c->mode))
		i++;
	if (!*last)
		snprintf(last, sizeof(last), "ended by signal %i", WTERMSIG(status));
	printf("FAIL  %s: %s\n", checks[i].name, last);
	return i;
}

int check_host(struct conf *c, struct ns *ns)
{
	static struct lines l;
	int status = EXIT_SUCCESS, p[2];
	unsigned i = 0;
	pid_t pid;
	char *tab;

	st.c = c;
	st.ns = ns;
	c->command = (char *const[]){ "true", NULL };
	c->splice_only = false;
	c->link_fd = -1;
	log_level = LOG_WARNING;
	isolate_early(c, NULL, 0);
	isolate_user(c);
	file_line("/proc/sys/net/ipv4/ping_group_range", st.groups, sizeof(st.groups));
	tab = strchr(st.groups, '\t');
	if (tab)
		*tab = ' ';
	sock_probe();
	net_start(&st.net, c);
	do {
		fflush(stdout);
		if (pipe2(p, O_CLOEXEC) || (pid = fork()) < 0)
			die("Failed to start a process: %s%s", errno_text(errno), hint_limit(errno));
		if (!pid) {
			dup2(p[1], STDERR_FILENO);
			close(p[1]);
			child_from(i);
		}
		close(p[1]);
		l = (struct lines){ .fd = p[0], .text = l.buf };
		i = print_from(&l, pid, i);
		if (i < ARRAY_SIZE(checks))
			status = EXIT_FAILURE;
	} while (++i < ARRAY_SIZE(checks));
	output_check();
	return status;
}
