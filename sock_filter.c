/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock_filter.c - what the kernel drops before it gets to a UDP socket (SO_ATTACH_FILTER)
 *
 * Programs are classic BPF. The packet they see begins with the UDP header; SKF_NET_OFF leads to the IP header.
 */
#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include "sock_filter.h"
#include "util.h"

#define ADDR_OPS	8		/* instructions of an address, at most */
#define PEER_OPS	(ADDR_OPS + 3)	/* and of an endpoint, or of an address that is let in */

struct program {
	struct sock_filter	op[FILTER_PEERS * PEER_OPS + 1];
	unsigned short		n;
};

static void add(struct program *p, uint16_t code, uint32_t k, unsigned jt, unsigned jf)
{
	p->op[p->n++] = (struct sock_filter){ .code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k };
}

static void pass(struct program *p)
{
	add(p, BPF_RET | BPF_K, UINT32_MAX, 0, 0);
}

/* Goes on if @a is the source of the packet (RFC 791 3.1, RFC 8200 3), and @skip instructions further if it is not */
static void only_from(struct program *p, const struct addr *a, unsigned skip)
{
	bool v4 = addr_is_v4(a);
	unsigned words = v4 ? 1 : 4;

	for (unsigned i = 0; i < words; i++) {
		add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_NET_OFF + (v4 ? 12 : 8 + 4 * i), 0, 0);
		add(p, BPF_JMP | BPF_JEQ | BPF_K, ntohl(a->w[4 - words + i]), 0, 2 * (words - 1 - i) + skip);
	}
}

/* Drops what got through to here: 0 or -errno */
static int attach(int fd, struct program *p)
{
	struct sock_fprog prog = { .filter = p->op };

	add(p, BPF_RET | BPF_K, 0, 0, 0);
	prog.len = p->n;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ? -errno : 0;
}

int filter_from(int fd, const struct addr *from, bool local)
{
	struct program p = { .n = 0 };

	if (local) {		/* linux/filter.h, SKF_AD_IFINDEX: where it arrived, not its scope as in IPV6_PKTINFO */
		add(&p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX), 0, 0);
		add(&p, BPF_JMP | BPF_JEQ | BPF_K, LOOPBACK_IF, 0, 1);
		pass(&p);
	}
	only_from(&p, from, 1);
	pass(&p);
	if (addr_is_v4(from) && addr_is_loopback(from)) {
		only_from(&p, &addr_loopback4, 1);
		pass(&p);
	}
	return attach(fd, &p);
}

int filter_peers(int fd, const struct end *peer, unsigned n)
{
	struct program p = { .n = 0 };

	for (unsigned i = 0; i < n; i++) {
		only_from(&p, &peer[i].a, 3);
		add(&p, BPF_LD | BPF_H | BPF_ABS, 0, 0, 0);
		add(&p, BPF_JMP | BPF_JEQ | BPF_K, peer[i].port, 0, 1);
		pass(&p);
	}
	return attach(fd, &p);
}

int filter_none(int fd)
{
	const int ignored = 0;

	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof(ignored)) ? -errno : 0;
}
