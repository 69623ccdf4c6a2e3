/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink_msg.h - the engine of netlink.c, for the files that build and read messages */
#ifndef NETLINK_MSG_H
#define NETLINK_MSG_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>

#include "netlink.h"

#define REQ_MAX	4096

/* One request in the making */
struct req {
	bool			over;	/* something didn't fit */
	alignas(NLMSG_ALIGNTO) uint8_t b[REQ_MAX];
};

static inline struct nlmsghdr *req_head(struct req *r)
{
	return (struct nlmsghdr *)(void *)r->b;
}

void req_start(struct req *r, uint16_t type, uint16_t flags, const void *fixed, size_t len);
/* Room for @len more bytes, zeroed, or NULL */
void *req_room(struct req *r, size_t len);
void req_attr_u32(struct req *r, uint16_t type, uint32_t v);
void req_attr_addr(struct req *r, uint16_t type, const struct addr *a);
/* A copy of the kernel's attribute, if there is one */
void req_attr_same(struct req *r, const struct rtattr *a);
/* Nested attribute or next hop: everything added until req_end() is its content */
size_t req_nest(struct req *r, uint16_t type);
void req_end(struct req *r, size_t at);

bool msg_has(const struct nlmsghdr *nh, size_t len);	/* payload of at least @len bytes? */
/* Attributes in @left bytes from @a on into @tb, by type up to @max: the first of each type, or NULL */
void attrs_in(const struct rtattr *a, ssize_t left, const struct rtattr **tb, unsigned max);
/* The same of a message, behind its @fixed bytes */
void attrs_read(const struct nlmsghdr *nh, size_t fixed, const struct rtattr **tb, unsigned max);
uint32_t attr_u32(const struct rtattr *a, uint32_t none);
bool attr_addr(const struct rtattr *a, bool v6, struct addr *addr);
void attr_name(const struct rtattr *a, char name[static IFNAMSIZ]);	/* of an interface; unchanged without @a */
bool msg_addr(const struct nlmsghdr *nh, struct addr *a);	/* the local one of RTM_NEWADDR, RTM_DELADDR */

/* For each object of a query; with NULL before the first one, also of a dump that is repeated */
typedef void (*nl_each)(const struct nlmsghdr *nh, void *arg);

/**
 * nl_query() - read objects
 * @r:		request for a dump (NLM_F_DUMP), or for one object (NLM_F_ACK)
 *
 * Return: 0, also for a dump that is interrupted over and over again, or -errno
 */
int nl_query(struct nl *nl, struct req *r, nl_each each, void *arg);

/* Sends a request, with number @nl->seq: 0 or -errno. The first part of a dump can be read at once. */
int nl_ask(struct nl *nl, struct req *r);
/* Next datagram from the kernel: length; -ETIMEDOUT if there is none; -EMSGSIZE, -ENOBUFS if one was lost; -errno */
ssize_t nl_recv(const struct nl *nl, void *buf, size_t size);
/* Last message of the answer to the last request? The result, 0 or -errno, is in @ret then. */
bool msg_ends(const struct nlmsghdr *nh, const struct nl *nl, int *ret);

/* ---- for netlink_own.c ---- */

/* An object as the kernel has it, of one interface */
struct object {
	uint64_t	id, sig;	/* see struct owned */
	enum own_class	class;
	bool		kernel;		/* a route that the kernel has made, for an address */
	bool		deprecated;	/* an address */
	struct addr	a;		/* of an address */
	uint8_t		plen;
};

#define HASH_START	0
uint64_t hash_add(uint64_t h, const void *p, size_t n);
uint64_t hash_attr(uint64_t h, const struct rtattr *a);

/* An address, or a route of the main table, neither link-local nor loopback nor multicast: false for all else */
bool addr_object(const struct nlmsghdr *nh, bool v6, unsigned ifindex, struct object *ob);
bool route_object(const struct nlmsghdr *nh, bool v6, unsigned ifindex, struct object *ob);
uint64_t addr_id(const struct addr *a, uint8_t plen);
uint64_t route_id_default(bool v6, const struct addr *gw);

int addr_dump(struct nl *nl, bool v6, unsigned ifindex, nl_each each, void *arg);
int route_dump(struct nl *nl, bool v6, unsigned ifindex, nl_each each, void *arg);

/* Of the host: wanted, if it is ours */
void own_want(struct own *o, uint64_t id);
bool own_may(const struct own *o, uint64_t id, bool v6, enum own_class class);

/* Make a change: 0, also if it is in effect already or @nl holds requests, or -errno; -EMSGSIZE: it didn't fit */
int nl_talk(struct nl *nl, struct req *r);

#endif /* NETLINK_MSG_H */
