/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ns_setter.c - a process that changes addresses and routes of the namespace while the loop runs
 *
 * Such a change takes CAP_NET_ADMIN in the namespace's user namespace (netlink(7)), and no packet is handled with a
 * capability. So this process has it, one netlink socket in the namespace, a line to the main process, and nothing
 * else: no file, no memory of the main process, three system calls. It passes on requests about addresses and routes,
 * and the kernel's answers. It ends with the main process.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolate.h"
#include "log.h"
#include "ns.h"
#include "util.h"

#define ANSWER_TIMEOUT	1		/* s: a process that is stopped doesn't stop the loop */
#define LINE_BYTES	65536		/* bytes of a datagram: requests held, or a part of a dump */

/* Requests about addresses and routes only? */
static bool requests_ok(const void *buf, ssize_t len)
{
	const struct nlmsghdr *nh;

	for (nh = buf; NLMSG_OK(nh, len); nh = NLMSG_NEXT(nh, len)) {
		switch (nh->nlmsg_type) {
		case RTM_NEWADDR:
		case RTM_DELADDR:
		case RTM_GETADDR:
		case RTM_NEWROUTE:
		case RTM_DELROUTE:
		case RTM_GETROUTE:
			break;
		default:
			return false;
		}
	}
	return !len;
}

static bool pass(int from, int to, void *buf, int flags)
{
	ssize_t n = recv(from, buf, LINE_BYTES, flags);

	return n > 0 && send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

/* The kernel answers from within send(), and continues a dump from within recv() */
static _Noreturn void serve(int line, int nl)
{
	static _Alignas(NLMSG_ALIGNTO) uint8_t buf[LINE_BYTES];
	ssize_t n;

	send(line, "", 1, MSG_NOSIGNAL);		/* ready */
	while ((n = recv(line, buf, sizeof(buf), 0)) > 0 && requests_ok(buf, n) &&
	       send(nl, buf, (size_t)n, MSG_NOSIGNAL) == n)
		while (pass(nl, line, buf, MSG_DONTWAIT))
			;
	_exit(0);
}

static _Noreturn void setter_main(int line, int nl)
{
	const int keep[] = { line, nl };

	isolate_beside("pasta-setter", keep, ARRAY_SIZE(keep));
	isolate_setter();
	serve(line, nl);
}

void ns_setter(struct ns *ns)
{
	const struct timeval patience = { .tv_sec = ANSWER_TIMEOUT };
	int line[2] = { -1, -1 }, rc = 0;

	if (ns->nl.fd < 0)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) ||
	    setsockopt(line[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		rc = -errno;
	rc = rc ? rc : fork_away();
	if (!rc)
		setter_main(line[1], ns->nl.fd);
	fd_close(line[1]);
	nl_close(&ns->nl);
	if (rc < 0) {
		warn("Addresses and routes of the namespace stay: %s", errno_text(-rc));
		fd_close(line[0]);
		return;
	}
	ns->nl = (struct nl){ .fd = line[0], .waits = 1 };
}

void ns_setter_ready(struct ns *ns)
{
	if (ns->nl.fd < 0 || fd_ready(ns->nl.fd))
		return;
	warn("Addresses and routes of the namespace stay: the process to change them didn't start");
	nl_close(&ns->nl);
}
