/* SPDX-License-Identifier: GPL-2.0-or-later */
/* neigh_filter.c - notifications that change nothing don't wake us
 *
 * The kernel notifies of each state of each neighbour: one that is in use has a few of them every half a minute, with
 * the same MAC address. A filter on the socket (SO_ATTACH_FILTER) drops notifications of other interfaces, of bridges'
 * forwarding tables (the same netlink group), of multicast addresses, of addresses that stand for the host, and those
 * that repeat a pair of addresses of the table.
 *
 * neigh.c checks all messages that pass; one with another layout than expected here passes. When a pair becomes wrong,
 * neigh.c rebuilds the filter.
 */
#include <linux/rtnetlink.h>
#include <stddef.h>

#include "bpf.h"
#include "neigh.h"
#include "util.h"

#define PAIRS_MAX	48	/* in a filter: two filters have to fit into net.core.optmem_max, 20 KiB and more */

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

/* The host, whatever MAC address it has in its own table */
static void drop_host(struct bpf *p, const struct addr *a)
{
	struct bpf_part part[5] = { { BPF_B, AT_FAMILY, addr_is_v4(a) ? AF_INET : AF_INET6 } };

	if (!addr_is_unspec(a))
		bpf_ret_if(p, part, 1 + bpf_addr(part + 1, AT_DST, a), FILTER_DROP);
}

static void drop_known(struct bpf *p, const struct neigh *e)
{
	struct bpf_part part[6];
	unsigned n = bpf_addr(part, AT_DST, &e->a);
	uint32_t mac = AT_DST + 4 * n + RTA_LENGTH(0);

	part[n++] = (struct bpf_part){ BPF_W, mac, get_be32(e->mac.b) };
	part[n++] = (struct bpf_part){ BPF_H, mac + 4, get_be16(e->mac.b + 4) };
	bpf_ret_if(p, part, n, FILTER_DROP);
}

/* Routers and hosts probe each other by these addresses all the time */
static void drop_link_local(struct bpf *p)
{
	bpf_load(p, BPF_B, AT_FAMILY);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 4);
	bpf_load(p, BPF_H, AT_DST);
	bpf_op(p, BPF_ALU | BPF_AND | BPF_K, 0xffc0, 0, 0);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, 0xfe80, 0, 1);
	bpf_ret(p, FILTER_DROP);
}

/* Parts of a dump (NLM_F_MULTI) have several messages: they pass. So do errors. */
static void always(const struct neighs *n, struct bpf *p)
{
	const struct net_ip *ip = n->net->ip;

	bpf_load(p, BPF_H, AT_FLAGS);
	bpf_op(p, BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_MULTI), 0, 1);
	bpf_ret(p, FILTER_PASS);
	bpf_load(p, BPF_H, AT_TYPE);
	bpf_ret_unless(p, (const uint32_t[]){ htons(RTM_NEWNEIGH), htons(RTM_DELNEIGH) }, 2, FILTER_PASS);
	bpf_load(p, BPF_W, AT_IFINDEX);
	bpf_ret_unless(p, (const uint32_t[]){ htonl(ip[V4].ifindex), htonl(ip[V6].ifindex) }, 2, FILTER_DROP);
	bpf_load(p, BPF_B, AT_FAMILY);
	bpf_ret_unless(p, (const uint32_t[]){ AF_INET, AF_INET6 }, 2, FILTER_DROP);
	/* Entries that the kernel makes for groups */
	bpf_ret_if(p, &(struct bpf_part){ BPF_B, AT_KIND, RTN_MULTICAST }, 1, FILTER_DROP);
	bpf_ret_if(p, &(struct bpf_part){ BPF_B, AT_KIND, RTN_BROADCAST }, 1, FILTER_DROP);
	if (!n->ll)
		drop_link_local(p);
	for (enum family f = V4; f < FAMILIES; f++) {
		drop_host(p, &ip[f].map_loopback);
		drop_host(p, &ip[f].map_guest);
		drop_host(p, &ip[f].dns_forward);
	}
}

int neigh_filter(struct neighs *n, bool known)
{
	static struct bpf p;
	unsigned pairs = 0;

	p.n = 0;
	always(n, &p);
	bpf_load(&p, BPF_H, AT_TYPE);
	bpf_ret_unless(&p, &(const uint32_t){ htons(RTM_NEWNEIGH) }, 1, FILTER_PASS);
	bpf_load(&p, BPF_H, AT_STATE);
	bpf_op(&p, BPF_JMP | BPF_JSET | BPF_K, htons(NEIGH_STATES), 1, 0);
	bpf_ret(&p, FILTER_PASS);
	for (struct neigh *e = n->e; e < n->e + NEIGH_MAX; e++) {
		if (!e->used)		/* its memory may not be there yet */
			continue;
		e->filtered = known && pairs < PAIRS_MAX;
		pairs += e->filtered;
		if (e->filtered)
			drop_known(&p, e);
	}
	return bpf_attach(&p, n->nl.fd, FILTER_PASS);
}
