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
/* Room for @len more bytes, zeroed padding included, or NULL */
void *req_room(struct req *r, size_t len);
void req_attr(struct req *r, uint16_t type, const void *data, size_t len);
void req_attr_u32(struct req *r, uint16_t type, uint32_t v);
void req_attr_addr(struct req *r, uint16_t type, const struct addr *a);
/* An attribute as the kernel gave it, if it did */
void req_attr_same(struct req *r, const struct rtattr *a);
/* Nested attribute or next hop: everything added until req_end() is its content */
size_t req_nest(struct req *r, uint16_t type);
void req_end(struct req *r, size_t at);

/* Payload of at least @len bytes? */
bool msg_has(const struct nlmsghdr *nh, size_t len);
/* Attributes in @left bytes from @a on into @tb, indexed by type up to @max: the first of each type, or NULL */
void attrs_in(const struct rtattr *a, ssize_t left, const struct rtattr **tb, unsigned max);
/* Attributes of @nh behind a fixed part of @fixed bytes into @tb, indexed by type up to @max */
void attrs_read(const struct nlmsghdr *nh, size_t fixed, const struct rtattr **tb, unsigned max);
uint32_t attr_u32(const struct rtattr *a, uint32_t none);
bool attr_addr(const struct rtattr *a, bool v6, struct addr *addr);

/* Called for each object of a query, and with NULL before the first one */
typedef void (*nl_each)(const struct nlmsghdr *nh, void *arg);

/**
 * nl_query() - read objects
 * @r:		request for a dump (NLM_F_DUMP), which ends with NLMSG_DONE, or for one object, which ends with an
 * NLMSG_ERROR
 * @each:	called for every object
 *
 * Return: 0, or -errno; a dump interrupted over and over again is good enough in the end
 */
int nl_query(struct nl *nl, struct req *r, nl_each each, void *arg);

/* Sends a request, @nl->seq is its number then: 0 or -errno. Of a dump, the first part is there at once. */
int nl_ask(struct nl *nl, struct req *r);
/* One datagram of the kernel's: its length; -ETIMEDOUT if there is none; -EMSGSIZE, -ENOBUFS if one was lost; -errno */
ssize_t nl_recv(const struct nl *nl, void *buf, size_t size);
/* Last message of the answer to the last request? Then the result, 0 or -errno, is in @ret. */
bool msg_ends(const struct nlmsghdr *nh, const struct nl *nl, int *ret);

/* Make a change: 0, also if it is in effect already, or -errno; while @nl holds requests, 0 */
int nl_talk(struct nl *nl, struct req *r);

#endif /* NETLINK_MSG_H */
