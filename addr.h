/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addr.h - one address type for IPv4 and IPv6, endpoints, classes, text */
#ifndef ADDR_H
#define ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "util.h"

/* IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2): one form of address for tables and rules */
struct addr {
	union {
		uint8_t		b[16];
		uint16_t	h[8];
		uint32_t	w[4];
		uint64_t	q[2];
	};
};

/* Address and port, the port in host order */
struct end {
	struct addr	a;
	uint16_t	port;
};

/* Both endpoints of a flow, as seen from one of its ends */
struct side {
	struct end	peer, our;
};

struct mac {
	uint8_t		b[6];
};

#define ADDR_STRLEN	46			/* INET6_ADDRSTRLEN */
#define END_STRLEN	(ADDR_STRLEN + 8)	/* brackets, colon, port */
#define MAC_STRLEN	18

#define LOOPBACK_IF	1			/* index of the loopback interface, in every network namespace */

extern const struct addr addr_any4, addr_any6, addr_loopback4, addr_loopback6;

union sockaddr_any {
	struct sockaddr		sa;
	struct sockaddr_in	v4;
	struct sockaddr_in6	v6;
};

static inline bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

static inline bool end_eq(const struct end *a, const struct end *b)
{
	return a->port == b->port && addr_eq(&a->a, &b->a);
}

static inline bool addr_is_v4(const struct addr *a)
{
	return !a->q[0] && !a->h[4] && a->h[5] == 0xffff;
}

/* @v4 is in network order, as in struct in_addr */
static inline struct addr addr_from4(uint32_t v4)
{
	struct addr a = { .h = { [5] = 0xffff } };

	a.w[3] = v4;
	return a;
}

static inline uint32_t addr_v4(const struct addr *a)
{
	return a->w[3];
}

/* Address families, as an index */
enum family { V4, V6, FAMILIES };

static inline enum family addr_family(const struct addr *a)
{
	return addr_is_v4(a) ? V4 : V6;
}

/* The unspecified address of a family, and its loopback address */
static inline struct addr addr_any(enum family f)
{
	return f == V4 ? addr_any4 : addr_any6;
}

static inline struct addr addr_loopback(enum family f)
{
	return f == V4 ? addr_loopback4 : addr_loopback6;
}

/* From wire bytes: 4 or 16 of them */
static inline struct addr addr_from_bytes(const void *p, bool v4)
{
	struct addr a = addr_from4(0);

	memcpy(v4 ? a.b + 12 : a.b, p, v4 ? 4 : 16);
	return a;
}

/* To wire bytes: 4 or 16 of them, by the address's family */
void addr_to_bytes(const struct addr *a, void *p);

/* Classes, each for both families */
bool addr_is_unspec(const struct addr *a);	/* 0.0.0.0, :: */
bool addr_is_loopback(const struct addr *a);	/* 127.0.0.0/8, ::1 */
bool addr_is_multicast(const struct addr *a);	/* 224.0.0.0/4, ff00::/8 */
bool addr_is_linklocal(const struct addr *a);	/* 169.254.0.0/16, fe80::/10 */
bool addr_is_bcast(const struct addr *a);	/* 255.255.255.255 */
bool addr_is_many(const struct addr *a);	/* multicast or broadcast */

/* Is @a equal to @which, which may be unspecified: then it isn't */
static inline bool addr_is(const struct addr *a, const struct addr *which)
{
	return !addr_is_unspec(which) && addr_eq(a, which);
}

/**
 * addr_in_prefix() - do the first @plen bits of two addresses agree?
 * @plen:	prefix length, 0 to 32 for IPv4 and 0 to 128 for IPv6; addresses of two families never match
 */
bool addr_in_prefix(const struct addr *a, const struct addr *net, unsigned plen);

/* Network mask of an IPv4 prefix length, in network order; 0 to 32 */
uint32_t addr_mask4(unsigned plen);

/**
 * addr_parse() - read an IPv4 or IPv6 address, without brackets or scope
 * @s:		text, @len bytes of it
 *
 * Return: true if all of it was one address
 */
bool addr_parse(const char *s, size_t len, struct addr *a);

/* Both write into @buf and return it; IPv6 in an endpoint is bracketed */
const char *addr_fmt(const struct addr *a, char buf[static ADDR_STRLEN]);
const char *end_fmt(const struct end *e, char buf[static END_STRLEN]);

bool mac_parse(const char *s, struct mac *m);
const char *mac_fmt(const struct mac *m, char buf[static MAC_STRLEN]);
bool mac_is_zero(const struct mac *m);
bool mac_eq(const struct mac *a, const struct mac *b);

/**
 * end_to_sa() - endpoint as a socket address of its family
 * @scope:	interface index for IPv6 link-local and multicast, 0 otherwise
 *
 * Return: length of the socket address
 */
socklen_t end_to_sa(const struct end *e, unsigned scope, union sockaddr_any *sa);

/* Any AF_INET or AF_INET6 (also v4-mapped) socket address; false for another family */
bool end_from_sa(struct end *e, const union sockaddr_any *sa);

#endif /* ADDR_H */
