/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inside.c - a descriptor belongs to the network namespace that it was opened in (network_namespaces(7)), whoever uses
 * it from wherever: netlink sockets, a tap device, files of /proc/sys/net, TCP and UDP sockets. Rights are those of the
 * user, when he uses it: changes take CAP_NET_ADMIN in the namespace's user namespace. Without capabilities and behind
 * the loop's filter, sockets connect, are bound and listen, the device moves packets, and bound ports are listed
 * (sock_diag(7)).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <sys/ioctl.h>

#include "../../isolate.h"
#include "../../log.h"
#include "../../netlink_msg.h"
#include "../../test/child.h"
#include "pair.h"

#define TTL	"/proc/sys/net/ipv4/ip_default_ttl"

enum { ROUTE, DIAG, TUN, SYSCTL, LISTENER, CLIENT, BOUND, SPARE, FDS };

static int fd[FDS];

static int open_all(void *arg)
{
	(void)arg;
	fd[ROUTE] = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	fd[DIAG] = socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	fd[TUN] = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	fd[SYSCTL] = open(TTL, O_RDWR);
	fd[LISTENER] = socket(AF_INET, SOCK_STREAM, 0);
	fd[CLIENT] = socket(AF_INET, SOCK_STREAM, 0);
	fd[BOUND] = socket(AF_INET, SOCK_DGRAM, 0);
	fd[SPARE] = socket(AF_INET, SOCK_STREAM, 0);
	return 0;
}

/* A child that shares descriptors goes in */
static void open_by_child(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int status;
	pid_t pid;

	pid = clone(open_all, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_NEWNET, NULL);
	need(waitpid(pid, &status, __WALL) == pid && !status);
}

/* The process goes there and back */
static void open_by_visit(void)
{
	int back = open("/proc/self/ns/net", O_RDONLY);

	need(!unshare(CLONE_NEWNET));
	open_all(NULL);
	need(!setns(back, CLONE_NEWNET));
}

static int ttl(void)
{
	int file = open(TTL, O_RDONLY), n;
	char text[16] = "";

	n = (int)read(file, text, sizeof(text) - 1);
	close(file);
	return n > 0 ? atoi(text) : -1;
}

static struct sockaddr_in at(uint32_t a, int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(a), .sin_port = htons((uint16_t)port)
	};
}

static void set_up(struct nl *out, struct nl *in)
{
	const struct addr a = addr_from4(htonl(0xc0000201));	/* 192.0.2.1 */
	struct ifreq ifr = { .ifr_name = "inside0", .ifr_flags = IFF_TUN | IFF_NO_PI };
	unsigned ifindex;

	/* A device is made in the namespace that /dev/net/tun was opened in */
	need(!ioctl(fd[TUN], TUNSETIFF, &ifr));
	need((ifindex = nl_ifindex(in, "inside0")) && !nl_ifindex(out, "inside0"));

	need(!nl_link_up(in, nl_ifindex(in, "lo")) && !nl_addr_add(in, ifindex, &a, 24) && !nl_link_up(in, ifindex));

	need(pwrite(fd[SYSCTL], "33", 2, 0) == 2 && ttl() > 33);
}

static void each_listener(const struct nlmsghdr *nh, void *arg)
{
	const struct inet_diag_msg *m = nh ? NLMSG_DATA(nh) : NULL;

	if (m && m->id.idiag_sport == htons(7777))
		++*(unsigned *)arg;
}

static unsigned listed(struct nl *diag)
{
	const struct inet_diag_req_v2 q = {
		.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = 1U << 10 /* TCP_LISTEN */
	};
	unsigned n = 0;
	struct req r;

	req_start(&r, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &q, sizeof(q));
	need(!nl_query(diag, &r, each_listener, &n));
	return n;
}

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	uint8_t was[4];

	memcpy(was, a, n);
	memcpy(a, b, n);
	memcpy(b, was, n);
}

/* A datagram leaves by the device, with the TTL that was set, and comes back by it */
static void echo(void)
{
	struct sockaddr_in peer = at(0xc0000202, 9);		/* 192.0.2.2 */
	uint8_t ip[1500];
	char c = 0;
	ssize_t n;

	need(sendto(fd[BOUND], "y", 1, 0, (struct sockaddr *)&peer, sizeof(peer)) == 1);
	do
		n = read(fd[TUN], ip, sizeof(ip));
	while (n > 0 && ip[0] != 0x45);				/* IPv6 announces itself */
	need(n == 20 + 8 + 1 && ip[8] == 33 && ip[28] == 'y');
	swap(ip + 12, ip + 16, 4);				/* addresses and ports: the checksums stay true */
	swap(ip + 20, ip + 22, 2);
	need(write(fd[TUN], ip, (size_t)n) == n);
	need(recv(fd[BOUND], &c, 1, 0) == 1 && c == 'y');
}

static void use(int outside)
{
	struct sockaddr_in sa = at(INADDR_LOOPBACK, 7777), low = at(INADDR_ANY, 80);
	char c = 0;
	int s;

	need(!bind(fd[LISTENER], (struct sockaddr *)&sa, sizeof(sa)) && !listen(fd[LISTENER], 1));
	need(connect(outside, (struct sockaddr *)&sa, sizeof(sa)) && errno == ECONNREFUSED);
	need(!connect(fd[CLIENT], (struct sockaddr *)&sa, sizeof(sa)));
	need((s = accept4(fd[LISTENER], NULL, NULL, SOCK_CLOEXEC)) >= 0);
	need(send(s, "x", 1, 0) == 1 && recv(fd[CLIENT], &c, 1, 0) == 1 && c == 'x');
	need(bind(fd[SPARE], (struct sockaddr *)&low, sizeof(low)) && errno == EACCES);
}

static void (*const open_by[])(void) = { open_by_child, open_by_visit };

static void all(const void *arg)
{
	const struct conf c = { .mode = MODE_PASTA };
	struct nl out, in, diag;
	int outside;

	child_user();
	need(!unshare(CLONE_NEWUSER | CLONE_NEWNET));
	open_by[*(const unsigned *)arg]();
	need(!nl_open(&out, NETLINK_ROUTE) && !nl_take(&in, fd[ROUTE]) && !nl_take(&diag, fd[DIAG]));
	need(!nl_link_up(&out, nl_ifindex(&out, "lo")));
	set_up(&out, &in);
	need((outside = socket(AF_INET, SOCK_STREAM, 0)) >= 0);

	isolate_late(&c);
	use(outside);
	need(listed(&diag) == 1);
	echo();
	need(nl_ifindex(&in, "inside0") && nl_link_up(&in, nl_ifindex(&in, "inside0")) == -EPERM);
}

int main(void)
{
	static const char *const who[] = { "a child that shares descriptors", "a visit" };

	for (unsigned i = 0; i < 2; i++) {
		test("descriptors of another network namespace, opened by %s", who[i]);
		eq(child_run(all, &i), 0);
	}
	return done();
}
