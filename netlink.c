/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink.c - rtnetlink(7): one engine for requests and dumps, small builders
 *
 * nl_query() reads the kernel's objects, nl_talk() changes them. Both match answers by sequence number and read until
 * the last one, so that none is left over for the next request. The kernel answers from within send(), the rest of a
 * dump from within recv(): a missing answer is an error, and never waited for.
 *
 * The kernel refuses an object that exists with EEXIST (NLM_F_EXCL). It counts as done, so any step can be repeated.
 */

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "netlink_msg.h"

/* Linux 5.16, 6.3; older headers don't have them */
#define IFLA_GRO_MAX_SIZE	58
#define IFLA_GRO_IPV4_MAX_SIZE	64

#define QUERY_MAX	65536	/* the kernel builds dumps in pieces of at most 32 KiB, and one object may be larger */
#define ACK_MAX		8192	/* kernels before 4.3 repeat the request in it */
#define HELD_MAX	64	/* requests in one datagram: the answers have to fit into the receive buffer */
#define HELD_BYTES	32768
#define DUMP_TRIES	16

static alignas(NLMSG_ALIGNTO) uint8_t query_buf[QUERY_MAX], ack_buf[ACK_MAX], held_buf[HELD_BYTES];
static size_t held_len;

int nl_take(struct nl *nl, int fd)
{
	const int on = 1;

	*nl = (struct nl){ .fd = fd };
	if (fd < 0)
		return fd;
	/* All optional: Linux 4.20, 4.3, 4.12 */
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	return 0;
}

int nl_open(struct nl *nl, int proto)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, proto);

	return nl_take(nl, fd < 0 ? -errno : fd);
}

void nl_close(struct nl *nl)
{
	fd_close(nl->fd);
	nl->fd = -1;
}

/* Requests */

void req_start(struct req *r, uint16_t type, uint16_t flags, const void *fixed, size_t len)
{
	struct nlmsghdr *nh = req_head(r);

	r->over = false;
	memset(nh, 0, sizeof(*nh));
	nh->nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	nh->nlmsg_type = type;
	nh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	memcpy(NLMSG_DATA(nh), fixed, len);
}

void *req_room(struct req *r, size_t len)
{
	struct nlmsghdr *nh = req_head(r);
	size_t at = NLMSG_ALIGN(nh->nlmsg_len);

	if (at + NLMSG_ALIGN(len) > sizeof(r->b)) {
		r->over = true;
		return NULL;
	}
	memset(r->b + nh->nlmsg_len, 0, at + NLMSG_ALIGN(len) - nh->nlmsg_len);
	nh->nlmsg_len = (uint32_t)(at + len);
	return r->b + at;
}

static void req_attr(struct req *r, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = req_room(r, RTA_LENGTH(len));

	if (!a)
		return;
	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
}

void req_attr_u32(struct req *r, uint16_t type, uint32_t v)
{
	req_attr(r, type, &v, sizeof(v));
}

void req_attr_addr(struct req *r, uint16_t type, const struct addr *a)
{
	uint8_t b[16];

	addr_to_bytes(a, b);
	req_attr(r, type, b, addr_is_v4(a) ? 4 : 16);
}

void req_attr_same(struct req *r, const struct rtattr *a)
{
	if (a)
		req_attr(r, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
}

size_t req_nest(struct req *r, uint16_t type)
{
	size_t at = NLMSG_ALIGN(req_head(r)->nlmsg_len);

	req_attr(r, type, NULL, 0);
	return at;
}

void req_end(struct req *r, size_t at)
{
	uint16_t len = (uint16_t)(req_head(r)->nlmsg_len - at);

	if (!r->over)
		memcpy(r->b + at, &len, sizeof(len));	/* rta_len and rtnh_len come first in both */
}

/* Answers */

bool msg_has(const struct nlmsghdr *nh, size_t len)
{
	return nh->nlmsg_len >= NLMSG_LENGTH(len);
}

/* Log the kernel's text for a refusal, if there is one (NLMSGERR_ATTR_MSG) */
static void msg_explain(const struct nlmsghdr *nh)
{
	size_t fixed = sizeof(struct nlmsgerr);
	const struct nlmsgerr *e = NLMSG_DATA(nh);
	const struct rtattr *tb[NLMSGERR_ATTR_MSG + 1];

	if (!log_enabled(LOG_DEBUG) || !(nh->nlmsg_flags & NLM_F_ACK_TLVS) || !msg_has(nh, sizeof(*e)))
		return;
	if (!(nh->nlmsg_flags & NLM_F_CAPPED))
		fixed += NLMSG_ALIGN(e->msg.nlmsg_len - MIN(sizeof(e->msg), e->msg.nlmsg_len));
	attrs_read(nh, fixed, tb, ARRAY_SIZE(tb) - 1);
	if (tb[NLMSGERR_ATTR_MSG])
		debug("Kernel: %.*s", (int)RTA_PAYLOAD(tb[NLMSGERR_ATTR_MSG]), (char *)RTA_DATA(tb[NLMSGERR_ATTR_MSG]));
}

/* Error number in an NLMSG_ERROR or NLMSG_DONE: 0 or -errno */
static int msg_error(const struct nlmsghdr *nh)
{
	int e;

	if (!msg_has(nh, sizeof(e)))
		return nh->nlmsg_type == NLMSG_DONE ? 0 : -EPROTO;
	memcpy(&e, NLMSG_DATA(nh), sizeof(e));
	if (e < 0 && e != -EEXIST && nh->nlmsg_type == NLMSG_ERROR)
		msg_explain(nh);
	return MIN(e, 0);
}

ssize_t nl_recv(const struct nl *nl, void *buf, size_t size)
{
	struct sockaddr_nl from = { .nl_pid = 0 };
	unsigned left = nl->waits;
	socklen_t len = sizeof(from);
	ssize_t n;

	do
		n = UNINTERRUPTED(recvfrom(nl->fd, buf, size, (nl->waits ? 0 : MSG_DONTWAIT) | MSG_TRUNC,
					   (void *)&from, &len));
	while (n < 0 ? errno == EAGAIN && left && --left : n > 0 && from.nl_pid);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (!n)
		return -EPIPE;
	return (size_t)n > size ? -EMSGSIZE : n;
}

static int nl_send(const struct nl *nl, const void *buf, size_t len)
{
	return UNINTERRUPTED(send(nl->fd, buf, len, MSG_NOSIGNAL)) < 0 ? -errno : 0;
}

int nl_ask(struct nl *nl, struct req *r)
{
	struct nlmsghdr *nh = req_head(r);

	nh->nlmsg_seq = ++nl->seq;
	return r->over ? -EMSGSIZE : nl_send(nl, nh, nh->nlmsg_len);
}

bool msg_ends(const struct nlmsghdr *nh, const struct nl *nl, int *ret)
{
	if (nh->nlmsg_seq != nl->seq || (nh->nlmsg_type != NLMSG_DONE && nh->nlmsg_type != NLMSG_ERROR))
		return false;
	*ret = msg_error(nh);
	return true;
}

/* One datagram of a query's answer: true at the answer's end, with the result in *@ret */
static bool query_part(const struct nl *nl, ssize_t len, nl_each each, void *arg, bool *intr, int *ret)
{
	const struct nlmsghdr *nh;

	for (nh = (const void *)query_buf; NLMSG_OK(nh, len); nh = NLMSG_NEXT(nh, len)) {
		if (nh->nlmsg_seq != nl->seq)
			continue;
		*intr |= !!(nh->nlmsg_flags & NLM_F_DUMP_INTR);
		if (msg_ends(nh, nl, ret))
			return true;
		if (nh->nlmsg_type >= NLMSG_MIN_TYPE)
			each(nh, arg);
	}
	return false;
}

int nl_query(struct nl *nl, struct req *r, nl_each each, void *arg)
{
	bool dump = (req_head(r)->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;

	for (unsigned tries = 0; tries < DUMP_TRIES; tries++) {
		bool intr = false, lost = false;
		ssize_t n;
		int ret;

		each(NULL, arg);
		ret = nl_ask(nl, r);
		if (ret)
			return ret;
		do {
			n = nl_recv(nl, query_buf, sizeof(query_buf));
			lost |= n == -EMSGSIZE;
			if (n < 0 && n != -EMSGSIZE)
				return lost ? -EMSGSIZE : (int)n;
		} while (!query_part(nl, n, each, arg, &intr, &ret));
		if (ret == -ENOENT && dump)
			ret = 0;	/* the routing table doesn't exist before its first route */
		if (ret != -EBUSY && ret != -EINTR && (ret || !intr))
			return ret;
	}
	debug("Netlink dump interrupted %u times, going on", DUMP_TRIES);
	return 0;
}

/* Takes the answers to @n requests, the last of them @nl->seq: 0, or -errno if one is missing */
static int nl_acks(struct nl *nl, unsigned n)
{
	uint32_t first = nl->seq - n + 1;

	while (n) {
		ssize_t left = nl_recv(nl, ack_buf, sizeof(ack_buf));
		const struct nlmsghdr *nh;

		if (left < 0)
			return (int)left;
		for (nh = (const void *)ack_buf; n && NLMSG_OK(nh, left); nh = NLMSG_NEXT(nh, left)) {
			int e;

			if (nh->nlmsg_type != NLMSG_ERROR || nh->nlmsg_seq - first > nl->seq - first)
				continue;
			n--;
			e = msg_error(nh);
			if (e && e != -EEXIST) {
				nl->refused++;
				nl->err = e;
			}
			nl->done += !e;
		}
	}
	return 0;
}

static void nl_send_held(struct nl *nl)
{
	int ret = nl->held ? nl_send(nl, held_buf, held_len) : 0;

	if (!ret)
		ret = nl_acks(nl, nl->held);
	if (ret)
		nl->failed = ret;
	nl->held = 0;
	held_len = 0;
}

void nl_hold(struct nl *nl)
{
	nl->hold = true;
	nl->done = nl->refused = 0;
	nl->failed = nl->err = 0;
}

int nl_release(struct nl *nl)
{
	nl_send_held(nl);
	nl->hold = false;
	return nl->failed;
}

int nl_talk(struct nl *nl, struct req *r)
{
	struct nlmsghdr *nh = req_head(r);
	size_t len = NLMSG_ALIGN(nh->nlmsg_len);
	bool alone = !nl->hold;
	int ret;

	if (r->over) {
		nl->refused++;
		return nl->err = -EMSGSIZE;
	}
	if (alone)
		nl_hold(nl);
	if (nl->held == HELD_MAX || held_len + len > sizeof(held_buf))
		nl_send_held(nl);
	nh->nlmsg_flags |= NLM_F_ACK;
	nh->nlmsg_seq = ++nl->seq;
	memcpy(held_buf + held_len, nh, len);
	held_len += len;
	nl->held++;
	if (!alone)
		return 0;
	ret = nl_release(nl);
	return ret ? ret : nl->err;
}

void attrs_in(const struct rtattr *a, ssize_t left, const struct rtattr **tb, unsigned max)
{
	memset(tb, 0, (max + 1) * sizeof(*tb));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		unsigned type = a->rta_type & NLA_TYPE_MASK;

		if (type <= max && !tb[type])
			tb[type] = a;
	}
}

void attrs_read(const struct nlmsghdr *nh, size_t fixed, const struct rtattr **tb, unsigned max)
{
	size_t off = NLMSG_LENGTH(NLMSG_ALIGN(fixed));

	attrs_in((const void *)((const char *)nh + off), (ssize_t)nh->nlmsg_len - (ssize_t)off, tb, max);
}

uint32_t attr_u32(const struct rtattr *a, uint32_t none)
{
	uint32_t v = none;

	if (a && RTA_PAYLOAD(a) >= sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

bool attr_addr(const struct rtattr *a, bool v6, struct addr *addr)
{
	if (!a || RTA_PAYLOAD(a) < (v6 ? 16 : 4))
		return false;
	*addr = addr_from_bytes(RTA_DATA(a), !v6);
	return true;
}

void attr_name(const struct rtattr *a, char name[static IFNAMSIZ])
{
	if (a)
		snprintf(name, IFNAMSIZ, "%.*s", (int)RTA_PAYLOAD(a), (const char *)RTA_DATA(a));
}

/* Links */

static void link_each(const struct nlmsghdr *nh, void *arg)
{
	const struct rtattr *tb[IFLA_GRO_IPV4_MAX_SIZE + 1], *a;
	struct nl_ifinfo *info = arg;
	const struct ifinfomsg *ifi;

	if (!nh) {
		*info = (struct nl_ifinfo){ 0 };
		return;
	}
	if (nh->nlmsg_type != RTM_NEWLINK || !msg_has(nh, sizeof(*ifi)))
		return;
	ifi = NLMSG_DATA(nh);
	attrs_read(nh, sizeof(*ifi), tb, ARRAY_SIZE(tb) - 1);
	info->ifindex = (unsigned)ifi->ifi_index;
	info->up = ifi->ifi_flags & IFF_UP;
	info->mtu = attr_u32(tb[IFLA_MTU], 0);
	info->gro4 = attr_u32(tb[IFLA_GRO_IPV4_MAX_SIZE], 0);
	info->gro6 = attr_u32(tb[IFLA_GRO_MAX_SIZE], 0);
	attr_name(tb[IFLA_IFNAME], info->name);
	a = tb[IFLA_ADDRESS];
	if (a && ifi->ifi_type == ARPHRD_ETHER && RTA_PAYLOAD(a) == sizeof(info->mac.b))
		memcpy(info->mac.b, RTA_DATA(a), sizeof(info->mac.b));
}

int nl_link_get(struct nl *nl, unsigned ifindex, const char *name, struct nl_ifinfo *info)
{
	const struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex };
	struct req r;
	int ret;

	req_start(&r, RTM_GETLINK, NLM_F_ACK, &ifi, sizeof(ifi));
	if (name)
		req_attr(&r, IFLA_IFNAME, name, strlen(name) + 1);
	ret = nl_query(nl, &r, link_each, info);
	return ret || info->ifindex ? ret : -ENODEV;
}

unsigned nl_ifindex(struct nl *nl, const char *name)
{
	struct nl_ifinfo info;

	return strlen(name) >= IFNAMSIZ || nl_link_get(nl, 0, name, &info) ? 0 : info.ifindex;
}

static void link_start(struct req *r, unsigned ifindex, unsigned flags)
{
	const struct ifinfomsg ifi = {
		.ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex, .ifi_flags = flags, .ifi_change = flags
	};

	req_start(r, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
}

int nl_link_up(struct nl *nl, unsigned ifindex)
{
	struct req r;

	link_start(&r, ifindex, IFF_UP);
	return nl_talk(nl, &r);
}

int nl_link_set(struct nl *nl, unsigned ifindex, uint16_t attr, uint32_t value)
{
	struct req r;

	link_start(&r, ifindex, 0);
	req_attr_u32(&r, attr, value);
	return nl_talk(nl, &r);
}

int nl_link_mac(struct nl *nl, unsigned ifindex, const struct mac *mac)
{
	struct req r;

	link_start(&r, ifindex, 0);
	req_attr(&r, IFLA_ADDRESS, mac->b, sizeof(mac->b));
	return nl_talk(nl, &r);
}

int nl_link_gro(struct nl *nl, unsigned ifindex, uint32_t bytes)
{
	struct req r;

	link_start(&r, ifindex, 0);
	req_attr_u32(&r, IFLA_GRO_MAX_SIZE, bytes);
	req_attr_u32(&r, IFLA_GRO_IPV4_MAX_SIZE, bytes);
	return nl_talk(nl, &r);
}

int nl_link_autoaddr(struct nl *nl, unsigned ifindex, bool on)
{
	const uint8_t mode = on ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE;
	size_t spec, inet6;
	struct req r;

	link_start(&r, ifindex, 0);
	spec = req_nest(&r, IFLA_AF_SPEC);
	inet6 = req_nest(&r, AF_INET6);
	req_attr(&r, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	req_end(&r, inet6);
	req_end(&r, spec);
	return nl_talk(nl, &r);
}

int nl_link_keep_addrs(struct nl *nl, unsigned ifindex)
{
	size_t spec, inet, conf;
	struct req r;

	link_start(&r, ifindex, 0);
	spec = req_nest(&r, IFLA_AF_SPEC);
	inet = req_nest(&r, AF_INET);
	conf = req_nest(&r, IFLA_INET_CONF);
	req_attr_u32(&r, IPV4_DEVCONF_PROMOTE_SECONDARIES, 1);
	req_end(&r, conf);
	req_end(&r, inet);
	req_end(&r, spec);
	return nl_talk(nl, &r);
}

/* Addresses */

/* With a peer, IFA_ADDRESS is the peer's */
static bool local_addr(const struct rtattr *const *tb, bool v6, struct addr *a)
{
	return attr_addr(tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS], v6, a);
}

bool msg_addr(const struct nlmsghdr *nh, struct addr *a)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);
	const struct rtattr *tb[IFA_LOCAL + 1];

	if (!msg_has(nh, sizeof(*ifa)))
		return false;
	attrs_read(nh, sizeof(*ifa), tb, IFA_LOCAL);
	return local_addr(tb, ifa->ifa_family == AF_INET6, a);
}

struct usable_addr {
	struct ifaddrmsg	ifa;
	const struct rtattr	*tb[IFA_RT_PRIORITY + 1];
	struct addr		a;
	uint32_t		flags;
};

/* One address of @ifindex, or false */
static bool ifaddr_any(const struct nlmsghdr *nh, bool v6, unsigned ifindex, struct usable_addr *ia)
{
	const struct ifaddrmsg *ifa = NLMSG_DATA(nh);

	if (nh->nlmsg_type != RTM_NEWADDR || !msg_has(nh, sizeof(*ifa)) ||
	    ifa->ifa_family != (v6 ? AF_INET6 : AF_INET) || ifa->ifa_index != ifindex ||
	    ifa->ifa_prefixlen > (v6 ? 128 : 32))
		return false;
	ia->ifa = *ifa;
	attrs_read(nh, sizeof(*ifa), ia->tb, IFA_RT_PRIORITY);
	ia->flags = attr_u32(ia->tb[IFA_FLAGS], ifa->ifa_flags);
	if (!local_addr(ia->tb, v6, &ia->a) || addr_is_loopback(&ia->a) || ifa->ifa_scope >= RT_SCOPE_HOST ||
	    (v6 && addr_is_linklocal(&ia->a)))
		return false;
	return true;
}

/* One that may be used on another interface, too, or false */
static bool ifaddr_read(const struct nlmsghdr *nh, bool v6, unsigned ifindex, struct usable_addr *ia)
{
	return ifaddr_any(nh, v6, ifindex, ia) &&
	       !(ia->flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED));
}

uint64_t hash_add(uint64_t h, const void *p, size_t n)
{
	return siphash((const uint64_t[2]){ h, 0 }, p, n);
}

uint64_t hash_attr(uint64_t h, const struct rtattr *a)
{
	return a ? hash_add(h, RTA_DATA(a), RTA_PAYLOAD(a)) : hash_add(h, "", 1);
}

uint64_t addr_id(const struct addr *a, uint8_t plen)
{
	return hash_add(hash_add(HASH_START, a, sizeof(*a)), &plen, sizeof(plen));
}

bool addr_object(const struct nlmsghdr *nh, bool v6, unsigned ifindex, struct object *ob)
{
	const struct rtattr *life;
	struct usable_addr ia;
	uint32_t flags;

	if (!ifaddr_any(nh, v6, ifindex, &ia))
		return false;
	*ob = (struct object){
		.class = OWN_ADDR, .a = ia.a, .plen = ia.ifa.ifa_prefixlen,
		.deprecated = ia.flags & IFA_F_DEPRECATED,
	};
	ob->id = addr_id(&ia.a, ob->plen);
	/* The kernel changes these two */
	flags = ia.flags & ~(uint32_t)(IFA_F_SECONDARY | IFA_F_TENTATIVE);
	life = ia.tb[IFA_CACHEINFO];
	ob->sig = hash_add(HASH_START, &flags, sizeof(flags));
	if (life)			/* the lifetimes come first in it; the rest are times of changes */
		ob->sig = hash_add(ob->sig, RTA_DATA(life), MIN(RTA_PAYLOAD(life), 8U));
	ob->sig = hash_attr(hash_attr(ob->sig, ia.tb[IFA_ADDRESS]), ia.tb[IFA_BROADCAST]);
	ob->sig = hash_attr(ob->sig, ia.tb[IFA_RT_PRIORITY]);
	return true;
}

int addr_dump(struct nl *nl, bool v6, unsigned ifindex, nl_each each, void *arg)
{
	const struct ifaddrmsg ifa = { .ifa_family = v6 ? AF_INET6 : AF_INET, .ifa_index = ifindex };
	struct req r;

	req_start(&r, RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
	return nl_query(nl, &r, each, arg);
}

struct addr_best {
	bool		v6;
	unsigned	ifindex;
	const struct addr *keep;
	/* Result */
	struct addr	a;
	int		rank;		/* 0: none */
	uint8_t		plen;
};

static void addr_best_each(const struct nlmsghdr *nh, void *arg)
{
	struct addr_best *b = arg;
	struct usable_addr ia;
	int rank;

	if (!nh) {
		b->rank = 0;
		return;
	}
	if (!ifaddr_read(nh, b->v6, b->ifindex, &ia))
		return;
	/* Scope, then primary before secondary (IFA_F_TEMPORARY in IPv6), then the longer prefix */
	rank = 1 + ia.ifa.ifa_prefixlen + (ia.flags & IFA_F_SECONDARY ? 0 : 256) +
	       (ia.ifa.ifa_scope < RT_SCOPE_LINK ? 512 : 0) + (b->keep && addr_eq(&ia.a, b->keep) ? 1024 : 0);
	if (rank > b->rank) {
		b->rank = rank;
		b->a = ia.a;
		b->plen = ia.ifa.ifa_prefixlen;
	}
}

bool nl_addr_get(struct nl *nl, bool v6, unsigned ifindex, const struct addr *keep, struct addr *a, uint8_t *plen)
{
	struct addr_best b = { .v6 = v6, .ifindex = ifindex, .keep = keep };

	if (addr_dump(nl, v6, ifindex, addr_best_each, &b) || !b.rank)
		return false;
	*a = b.a;
	*plen = b.plen;
	return true;
}

struct addr_any {
	bool		v6, found;
	unsigned	ifindex;
};

static void addr_any_each(const struct nlmsghdr *nh, void *arg)
{
	struct addr_any *aa = arg;
	struct usable_addr ia;

	aa->found |= nh && ifaddr_any(nh, aa->v6, aa->ifindex, &ia) && !(ia.flags & IFA_F_DADFAILED);
}

bool nl_addr_any(struct nl *nl, bool v6, unsigned ifindex)
{
	struct addr_any aa = { .v6 = v6, .ifindex = ifindex };

	return !addr_dump(nl, v6, ifindex, addr_any_each, &aa) && aa.found;
}

int nl_addr_add(struct nl *nl, unsigned ifindex, const struct addr *a, uint8_t plen)
{
	bool v4 = addr_is_v4(a);
	struct ifaddrmsg ifa = {
		.ifa_family = v4 ? AF_INET : AF_INET6, .ifa_prefixlen = plen, .ifa_index = ifindex,
		.ifa_flags = v4 ? 0 : IFA_F_NODAD,	/* the kernel finds an IPv6 address's scope itself */
	};
	struct req r;

	req_start(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa));
	req_attr_addr(&r, IFA_LOCAL, a);
	req_attr_addr(&r, IFA_ADDRESS, a);
	return nl_talk(nl, &r);
}

struct addr_copy {
	const struct nl_copy	*cp;
	int			done, err;
};

static void addr_copy_each(const struct nlmsghdr *nh, void *arg)
{
	struct addr_copy *ac = arg;
	const struct nl_copy *cp = ac->cp;
	struct usable_addr ia;
	uint32_t flags;
	struct req r;
	int ret;

	if (!nh) {
		ac->done = 0;
		return;
	}
	if (cp->keep && cp->keep->n < ARRAY_SIZE(cp->keep->a) && ifaddr_any(nh, cp->v6, cp->from_if, &ia) &&
	    ia.flags & IFA_F_DEPRECATED)
		cp->keep->a[cp->keep->n++] = ia.a;
	if (!ifaddr_read(nh, cp->v6, cp->from_if, &ia))
		return;
	if (cp->mark)
		own_want(cp->own, addr_id(&ia.a, ia.ifa.ifa_prefixlen));
	if (cp->mark || (cp->own && !own_may_addr(cp->own, &ia.a, ia.ifa.ifa_prefixlen)))
		return;
	flags = cp->v6 ? IFA_F_NODAD : 0;
	if (!cp->no_routes)
		flags |= ia.flags & IFA_F_NOPREFIXROUTE;
	ia.ifa.ifa_index = cp->to_if;
	ia.ifa.ifa_flags = flags & 0xff;
	req_start(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ia.ifa, sizeof(ia.ifa));
	req_attr_same(&r, ia.tb[IFA_LOCAL]);
	req_attr_same(&r, ia.tb[IFA_ADDRESS]);
	req_attr_same(&r, ia.tb[IFA_BROADCAST]);
	req_attr_same(&r, ia.tb[IFA_RT_PRIORITY]);
	req_attr_u32(&r, IFA_FLAGS, flags);
	ret = nl_talk(cp->to, &r);
	if (ret)
		ac->err = ret;
	else
		ac->done++;
}

int nl_addr_copy(const struct nl_copy *cp)
{
	struct addr_copy ac = { .cp = cp };
	int ret = addr_dump(cp->from, cp->v6, cp->from_if, addr_copy_each, &ac);

	return ret ? ret : ac.done ? ac.done : ac.err;
}

struct addr_there {
	const struct addr	*a;
	bool			found;
};

static void addr_there_each(const struct nlmsghdr *nh, void *arg)
{
	struct addr_there *t = arg;
	struct addr a;

	t->found |= nh && nh->nlmsg_type == RTM_NEWADDR && msg_addr(nh, &a) && addr_eq(&a, t->a);
}

bool nl_addr_there(struct nl *nl, const struct addr *a)
{
	struct addr_there t = { .a = a };

	return addr_dump(nl, !addr_is_v4(a), 0, addr_there_each, &t) || t.found;
}
