/* SPDX-License-Identifier: GPL-2.0-or-later */
/* meminfo.c - SO_MEMINFO: how full a send buffer is, and that it grows only if it was found full
 *
 * Linux 4.12. sock_room() takes three quarters of SNDBUF - WMEM_QUEUED as room for payload: the rest is the kernel's
 * overhead.
 */
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "pair.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

static char data[1 << 20];

static uint32_t meminfo(int fd, int which)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	ok(!getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len));
	return mem[which];
}

static void drain(int fd[2])
{
	int left = 1;

	while (!ioctl(fd[0], SIOCOUTQ, &left) && left)
		recv(fd[1], data, sizeof(data), MSG_DONTWAIT);
	while (recv(fd[1], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
}

/* Connection with segments as small as on a network, and a buffer that starts small for that */
static void open_pair(int fd[2])
{
	int mss = 1400, client = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(client, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss));
	pair(fd, client);
}

int main(void)
{
	uint32_t size, queued;
	int fd[2], left;

	test("what is sent and not acknowledged is in WMEM_QUEUED, with the kernel's overhead");
	open_pair(fd);
	eq(meminfo(fd[0], SK_MEMINFO_WMEM_QUEUED), 0);
	while (send(fd[0], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	queued = meminfo(fd[0], SK_MEMINFO_WMEM_QUEUED);
	ioctl(fd[0], SIOCOUTQ, &left);
	ok(left && queued >= (uint32_t)left);
	drain(fd);
	eq(meminfo(fd[0], SK_MEMINFO_WMEM_QUEUED), 0);
	close(fd[0]);
	close(fd[1]);

	open_pair(fd);
	size = meminfo(fd[0], SK_MEMINFO_SNDBUF);
	test("never found full: SNDBUF stays as it was");
	for (unsigned i = 0; i < 100; i++) {
		eq(send(fd[0], data, 10000, MSG_DONTWAIT), 10000);
		drain(fd);
	}
	printf("# SNDBUF %u, then %u\n", size, meminfo(fd[0], SK_MEMINFO_SNDBUF));
	eq(meminfo(fd[0], SK_MEMINFO_SNDBUF), size);

	test("found full, again and again: it grows");
	for (unsigned i = 0; i < 100; i++) {
		while (send(fd[0], data, sizeof(data), MSG_DONTWAIT) > 0)
			recv(fd[1], data, 100000, MSG_DONTWAIT);
		drain(fd);
	}
	printf("# SNDBUF %u, then %u\n", size, meminfo(fd[0], SK_MEMINFO_SNDBUF));
	ok(meminfo(fd[0], SK_MEMINFO_SNDBUF) > size);
	return done();
}
