/* SPDX-License-Identifier: GPL-2.0-or-later */
/* neigh_filter.c - notifications that change nothing don't wake us
 *
 * The kernel notifies of each state of each neighbour: one that is in use has a few of them every half a minute, with
 * the same MAC address. A classic filter on the socket (SO_ATTACH_FILTER) drops those of other interfaces, of bridges'
 * forwarding tables, which come by the same group, of multicast addresses, of addresses that stand for the host, and
 * those that repeat a pair of addresses of the table.
 *
 * neigh.c checks all that the filter lets through; a message with another layout than expected here passes. A pair that
 * isn't true any more must not stay in the filter: neigh.c has it rebuilt.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "neigh.h"

#define PAIRS_MAX	48	/* in the filter: two of them have to fit into net.core.optmem_max, 20 KiB and more */
#define CODE_MAX	1024
#define PASS		UINT32_MAX
#define DROP		0

/* Offsets in a notification: NDA_DST is its first attribute, NDA_LLADDR the second */
enum {
	AT_TYPE		= offsetof(struct nlmsghdr, nlmsg_type),
	AT_FLAGS	= offsetof(struct nlmsghdr, nlmsg_flags),
	AT_FAMILY	= NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_family),
	AT_IFINDEX	= NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_ifindex),
	AT_KIND		= NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_type),
	AT_STATE	= NLMSG_HDRLEN + offsetof(struct ndmsg, ndm_state),
	AT_DST		= NLMSG_LENGTH(sizeof(struct ndmsg)) + RTA_LENGTH(0),
};

struct code {
	struct sock_filter	op[CODE_MAX];
	unsigned		n;
};

/* Part of a message, as loads have it: in network byte order */
struct part {
	uint16_t	size;		/* BPF_W, BPF_H, BPF_B */
	uint32_t	at, value;
};

static void op(struct code *p, uint16_t code, uint32_t k, unsigned jt, unsigned jf)
{
	if (p->n < CODE_MAX)
		p->op[p->n++] = (struct sock_filter){ .code = code, .jt = (uint8_t)jt, .jf = (uint8_t)jf, .k = k };
}

static void ret(struct code *p, uint32_t k)
{
	op(p, BPF_RET | BPF_K, k, 0, 0);
}

static void load(struct code *p, uint16_t size, uint32_t at)
{
	op(p, (uint16_t)(BPF_LD | BPF_ABS | size), at, 0, 0);
}

/* @k, unless what is at @at is one of two values */
static void unless(struct code *p, uint32_t k, uint16_t size, uint32_t at, uint32_t a, uint32_t b)
{
	load(p, size, at);
	op(p, BPF_JMP | BPF_JEQ | BPF_K, a, 2, 0);
	op(p, BPF_JMP | BPF_JEQ | BPF_K, b, 1, 0);
	ret(p, k);
}

/* All of the parts are so */
static void drop_if(struct code *p, const struct part *part, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		load(p, part[i].size, part[i].at);
		op(p, BPF_JMP | BPF_JEQ | BPF_K, part[i].value, 0, 2 * (n - 1 - i) + 1);
	}
	ret(p, DROP);
}

/* @a as NDA_DST: number of parts */
static unsigned address(const struct addr *a, struct part part[4])
{
	unsigned n = addr_is_v4(a) ? 1 : 4;
	uint8_t b[16];

	addr_to_bytes(a, b);
	for (unsigned i = 0; i < n; i++)
		part[i] = (struct part){ BPF_W, AT_DST + 4 * i, get_be32(b + 4 * i) };
	return n;
}

/* The host, whatever MAC address it has in its own table */
static void drop_host(struct code *p, const struct addr *a)
{
	struct part part[5] = { { BPF_B, AT_FAMILY, addr_is_v4(a) ? AF_INET : AF_INET6 } };

	if (!addr_is_unspec(a))
		drop_if(p, part, 1 + address(a, part + 1));
}

static void drop_known(struct code *p, const struct neigh *e)
{
	struct part part[6];
	unsigned n = address(&e->a, part);
	uint32_t mac = AT_DST + 4 * n + RTA_LENGTH(0);

	part[n++] = (struct part){ BPF_W, mac, get_be32(e->mac.b) };
	part[n++] = (struct part){ BPF_H, mac + 4, get_be16(e->mac.b + 4) };
	drop_if(p, part, n);
}

/* Routers and hosts probe each other by these addresses all the time */
static void drop_link_local(struct code *p)
{
	load(p, BPF_B, AT_FAMILY);
	op(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 4);
	load(p, BPF_H, AT_DST);
	op(p, BPF_ALU | BPF_AND | BPF_K, 0xffc0, 0, 0);
	op(p, BPF_JMP | BPF_JEQ | BPF_K, 0xfe80, 0, 1);
	ret(p, DROP);
}

/* Parts of a dump (NLM_F_MULTI) have several messages: they pass. So do errors. */
static void always(const struct neighs *n, struct code *p)
{
	const struct net_ip *ip = n->net->ip;

	load(p, BPF_H, AT_FLAGS);
	op(p, BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_MULTI), 0, 1);
	ret(p, PASS);
	unless(p, PASS, BPF_H, AT_TYPE, htons(RTM_NEWNEIGH), htons(RTM_DELNEIGH));
	unless(p, DROP, BPF_W, AT_IFINDEX, htonl(ip[V4].ifindex), htonl(ip[V6].ifindex));
	unless(p, DROP, BPF_B, AT_FAMILY, AF_INET, AF_INET6);
	/* Entries that the kernel makes for groups */
	drop_if(p, &(struct part){ BPF_B, AT_KIND, RTN_MULTICAST }, 1);
	drop_if(p, &(struct part){ BPF_B, AT_KIND, RTN_BROADCAST }, 1);
	if (!n->ll)
		drop_link_local(p);
	for (unsigned f = V4; f < FAMILIES; f++) {
		drop_host(p, &ip[f].map_loopback);
		drop_host(p, &ip[f].map_guest);
		drop_host(p, &ip[f].dns_forward);
	}
}

int neigh_filter(struct neighs *n, bool known)
{
	static struct code code;
	unsigned pairs = 0;
	struct sock_fprog p;

	code.n = 0;
	always(n, &code);
	unless(&code, PASS, BPF_H, AT_TYPE, htons(RTM_NEWNEIGH), htons(RTM_NEWNEIGH));
	load(&code, BPF_H, AT_STATE);
	op(&code, BPF_JMP | BPF_JSET | BPF_K, htons(NEIGH_STATES), 1, 0);
	ret(&code, PASS);
	for (struct neigh *e = n->e; e < n->e + NEIGH_MAX; e++) {
		if (!e->used)		/* its memory may not be there yet */
			continue;
		e->filtered = known && pairs < PAIRS_MAX;
		pairs += e->filtered;
		if (e->filtered)
			drop_known(&code, e);
	}
	ret(&code, PASS);

	p = (struct sock_fprog){ .len = (uint16_t)code.n, .filter = code.op };
	return setsockopt(n->nl.fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) ? -errno : 0;
}
