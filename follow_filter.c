/* SPDX-License-Identifier: GPL-2.0-or-later */
/* follow_filter.c - notifications that can't matter don't wake us
 *
 * Other interfaces come and go, with addresses and routes, wherever containers are started; wireless ones report each
 * scan; an IPv6 router renews the lifetime of addresses every few minutes. follow.c reads all anew whatever passes.
 */
#include <linux/rtnetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <stddef.h>

#include "bpf.h"
#include "follow.h"

/* Offsets in a notification. Without IFA_LOCAL (IPv6) or in front of it (IPv4), IFA_ADDRESS is the first attribute. */
enum {
	NOTE_TYPE		= offsetof(struct nlmsghdr, nlmsg_type),
	NOTE_FAMILY	= NLMSG_HDRLEN,		/* in all of them */
	NOTE_LINK		= NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_index),
	NOTE_ADDR_LINK	= NLMSG_HDRLEN + offsetof(struct ifaddrmsg, ifa_index),
	NOTE_ADDR_PLEN	= NLMSG_HDRLEN + offsetof(struct ifaddrmsg, ifa_prefixlen),
	NOTE_ADDR_FLAGS	= NLMSG_HDRLEN + offsetof(struct ifaddrmsg, ifa_flags),
	NOTE_ADDR		= NLMSG_LENGTH(sizeof(struct ifaddrmsg)) + RTA_LENGTH(0),
	NOTE_DST_LEN	= NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_dst_len),
	NOTE_TABLE	= NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_table),
	NOTE_KIND		= NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_type),
	NOTE_LINK_ATTRS	= NLMSG_LENGTH(sizeof(struct ifinfomsg)),
	NOTE_ROUTE_ATTRS	= NLMSG_LENGTH(sizeof(struct rtmsg)),
};

/* Instructions from here on are for messages of types @a and @b. Returns the jump that others take. */
static unsigned for_types(struct bpf *p, uint16_t a, uint16_t b)
{
	bpf_load(p, BPF_H, NOTE_TYPE);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, htons(a), 1, 0);
	return bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, htons(b), 0, 0);
}

static void for_end(struct bpf *p, unsigned jump)
{
	p->op[jump].jf = (uint8_t)(p->n - jump - 1);
}

/* Offset of attribute @type into X and A, 0: it isn't there (SKF_AD_NLATTR) */
static void find_attr(struct bpf *p, uint32_t at, uint32_t type)
{
	bpf_op(p, BPF_LDX | BPF_IMM, type, 0, 0);
	bpf_op(p, BPF_LD | BPF_IMM, at, 0, 0);
	bpf_op(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_AD_OFF + SKF_AD_NLATTR, 0, 0);
	bpf_op(p, BPF_MISC | BPF_TAX, 0, 0, 0);
}

/* Do names of interfaces matter? Rules may come later. */
static bool has_names(const struct ctx *c)
{
	const struct net *net = &c->net;

	return net->cf->control || fwd_names(&c->fwd, NULL) || net_resolver_on(net, NULL) || *net->cf->ifname ||
	       *net->cf->ip[V4].out_if || *net->cf->ip[V6].out_if;
}

static void links(struct bpf *p, const struct ctx *c)
{
	const struct net *net = &c->net;
	unsigned jump = for_types(p, RTM_NEWLINK, RTM_DELLINK);

	find_attr(p, NOTE_LINK_ATTRS, IFLA_WIRELESS);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	bpf_ret(p, FILTER_DROP);
	if (!has_names(c)) {
		bpf_load(p, BPF_W, NOTE_LINK);
		bpf_ret_unless(p, (const uint32_t[]){ htonl(net->ip[V4].ifindex), htonl(net->ip[V6].ifindex) }, 2,
			       FILTER_DROP);
	}
	bpf_ret(p, FILTER_PASS);
	for_end(p, jump);
}

/* All but link-local ones of other interfaces */
static void addresses_gone(struct bpf *p, const struct net *net)
{
	unsigned jump = for_types(p, RTM_DELADDR, RTM_DELADDR);

	bpf_load(p, BPF_B, NOTE_FAMILY);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 6);
	bpf_load(p, BPF_H, NOTE_ADDR);
	bpf_op(p, BPF_ALU | BPF_AND | BPF_K, 0xffc0, 0, 0);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, 0xfe80, 0, 3);
	bpf_load(p, BPF_W, NOTE_ADDR_LINK);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, htonl(net->ip[V6].ifindex), 1, 0);
	bpf_ret(p, FILTER_DROP);
	bpf_ret(p, FILTER_PASS);
	for_end(p, jump);
}

/* Of an interface in use, any if that has none; not the guest's own again, with another lifetime */
static void addresses(struct bpf *p, const struct net *net)
{
	unsigned jump = for_types(p, RTM_NEWADDR, RTM_NEWADDR);

	for (enum family f = V4; f < FAMILIES; f++) {
		const struct net_ip *ip = &net->ip[f];
		struct bpf_part part[8] = {
			{ BPF_B, NOTE_FAMILY, f == V6 ? AF_INET6 : AF_INET },
			{ BPF_W, NOTE_ADDR_LINK, htonl(ip->ifindex) },
		};
		unsigned n;

		if (!ip->on || !ip->ifindex || !ip->has_addr) {
			bpf_ret_if(p, part, 1, ip->on ? FILTER_PASS : FILTER_DROP);
			continue;
		}
		n = 2 + bpf_addr(part + 2, NOTE_ADDR, &ip->guest.addr);
		part[n++] = (struct bpf_part){ BPF_B, NOTE_ADDR_PLEN, ip->guest.plen };
		part[n++] = (struct bpf_part){ BPF_B, NOTE_ADDR_FLAGS, 0 };
		bpf_ret_if(p, part, n, FILTER_DROP);
		bpf_ret_if(p, part, 2, FILTER_PASS);
	}
	bpf_ret(p, FILTER_DROP);
	for_end(p, jump);
}

/* Of the main table: default routes, and those by an interface in use */
static void routes(struct bpf *p, const struct net *net)
{
	unsigned jump = for_types(p, RTM_NEWROUTE, RTM_DELROUTE);

	bpf_load(p, BPF_B, NOTE_TABLE);
	bpf_ret_unless(p, &(const uint32_t){ RT_TABLE_MAIN }, 1, FILTER_DROP);
	bpf_load(p, BPF_B, NOTE_KIND);
	bpf_ret_unless(p, &(const uint32_t){ RTN_UNICAST }, 1, FILTER_DROP);
	bpf_load(p, BPF_B, NOTE_DST_LEN);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	bpf_ret(p, FILTER_PASS);
	find_attr(p, NOTE_ROUTE_ATTRS, RTA_OIF);
	bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
	bpf_ret(p, FILTER_PASS);		/* several next hops */
	bpf_op(p, BPF_LD | BPF_W | BPF_IND, RTA_LENGTH(0), 0, 0);
	for (enum family f = V4; f < FAMILIES; f++) {
		bpf_op(p, BPF_JMP | BPF_JEQ | BPF_K, htonl(net->ip[f].ifindex), 0, 1);
		bpf_ret(p, FILTER_PASS);
	}
	bpf_ret(p, net->ip[V4].ifindex || net->ip[V6].ifindex ? FILTER_DROP : FILTER_PASS);
	for_end(p, jump);
}

int follow_filter(const struct follow *w, const struct ctx *c)
{
	static struct bpf p;

	p.n = 0;
	links(&p, c);
	addresses_gone(&p, &c->net);
	addresses(&p, &c->net);
	routes(&p, &c->net);
	return bpf_attach(&p, w->notes.fd, FILTER_PASS);
}
