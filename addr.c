/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addr.c - address classes, prefixes, text and socket addresses */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

const struct addr addr_any4 = { .b = { [10] = 0xff, 0xff, 0, 0, 0, 0 } };
const struct addr addr_any6;
const struct addr addr_loopback4 = { .b = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
const struct addr addr_loopback6 = { .b = { [15] = 1 } };

void addr_to_bytes(const struct addr *a, void *p)
{
	bool v4 = addr_is_v4(a);

	memcpy(p, v4 ? a->b + 12 : a->b, v4 ? 4 : 16);
}

bool addr_is_unspec(const struct addr *a)
{
	return addr_eq(a, &addr_any4) || addr_eq(a, &addr_any6);
}

bool addr_is_loopback(const struct addr *a)
{
	return addr_is_v4(a) ? a->b[12] == 127 : addr_eq(a, &addr_loopback6);
}

bool addr_is_multicast(const struct addr *a)
{
	return addr_is_v4(a) ? a->b[12] >> 4 == 14 : a->b[0] == 0xff;
}

bool addr_is_linklocal(const struct addr *a)
{
	if (addr_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool addr_is_bcast(const struct addr *a)
{
	return addr_is_v4(a) && a->w[3] == 0xffffffff;
}

bool addr_is_many(const struct addr *a)
{
	return addr_is_multicast(a) || addr_is_bcast(a);
}

bool addr_in_prefix(const struct addr *a, const struct addr *net, unsigned plen)
{
	bool v4 = addr_is_v4(a);
	unsigned bits = plen + (v4 ? 96 : 0), bytes = bits / 8;

	if (v4 != addr_is_v4(net) || bits > 128 || memcmp(a->b, net->b, bytes))
		return false;
	return bits % 8 == 0 || !((a->b[bytes] ^ net->b[bytes]) >> (8 - bits % 8));
}

uint32_t addr_mask4(unsigned plen)
{
	return plen ? htonl(0xffffffffU << (32 - plen)) : 0;
}

bool addr_parse(const char *s, size_t len, struct addr *a)
{
	char buf[ADDR_STRLEN];
	uint32_t v4;

	if (len >= sizeof(buf) || memchr(s, '\0', len))
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';

	if (inet_pton(AF_INET, buf, &v4) == 1) {
		*a = addr_from4(v4);
		return true;
	}
	return inet_pton(AF_INET6, buf, a->b) == 1;
}

/* Faster than inet_ntop(3), for records of many flows */
static void v4_fmt(const uint8_t *b, char *to)
{
	for (unsigned i = 0; i < 4; i++) {
		if (b[i] >= 100)
			*to++ = (char)('0' + b[i] / 100);
		if (b[i] >= 10)
			*to++ = (char)('0' + b[i] / 10 % 10);
		*to++ = (char)('0' + b[i] % 10);
		*to++ = i < 3 ? '.' : '\0';
	}
}

const char *addr_fmt(const struct addr *a, char buf[static ADDR_STRLEN])
{
	if (addr_is_v4(a))
		v4_fmt(a->b + 12, buf);
	else if (!inet_ntop(AF_INET6, a->b, buf, ADDR_STRLEN))
		buf[0] = '\0';
	return buf;
}

const char *end_fmt(const struct end *e, char buf[static END_STRLEN])
{
	char text[ADDR_STRLEN];
	bool v4 = addr_is_v4(&e->a);

	addr_fmt(&e->a, text);
	snprintf(buf, END_STRLEN, "%s%s%s:%u", v4 ? "" : "[", text, v4 ? "" : "]", e->port);
	return buf;
}

/* Six groups of one or two hexadecimal digits between colons */
bool mac_parse(const char *s, struct mac *m)
{
	struct mac r;

	for (unsigned i = 0; i < sizeof(r.b); i++) {
		unsigned hi = digit_value(*s++), lo = hi < 16 ? digit_value(*s) : 16;

		if (hi > 15)
			return false;
		if (lo < 16)
			s++;
		r.b[i] = (uint8_t)(lo < 16 ? hi << 4 | lo : hi);
		if (*s++ != (i == sizeof(r.b) - 1 ? '\0' : ':'))
			return false;
	}
	*m = r;
	return true;
}

const char *mac_fmt(const struct mac *m, char buf[static MAC_STRLEN])
{
	const uint8_t *b = m->b;

	snprintf(buf, MAC_STRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	return buf;
}

bool mac_is_zero(const struct mac *m)
{
	return mac_eq(m, &(struct mac){ 0 });
}

bool mac_eq(const struct mac *a, const struct mac *b)
{
	return !memcmp(a->b, b->b, sizeof(a->b));
}

socklen_t end_to_sa(const struct end *e, unsigned scope, union sockaddr_any *sa)
{
	memset(sa, 0, sizeof(*sa));
	if (addr_is_v4(&e->a)) {
		sa->v4.sin_family = AF_INET;
		sa->v4.sin_port = htons(e->port);
		sa->v4.sin_addr.s_addr = addr_v4(&e->a);
		return sizeof(sa->v4);
	}
	sa->v6.sin6_family = AF_INET6;
	sa->v6.sin6_port = htons(e->port);
	sa->v6.sin6_scope_id = scope;
	memcpy(&sa->v6.sin6_addr, e->a.b, sizeof(e->a.b));
	return sizeof(sa->v6);
}

bool end_from_sa(struct end *e, const union sockaddr_any *sa)
{
	switch (sa->sa.sa_family) {
	case AF_INET:
		e->a = addr_from4(sa->v4.sin_addr.s_addr);
		e->port = ntohs(sa->v4.sin_port);
		return true;
	case AF_INET6:
		e->a = addr_from_bytes(&sa->v6.sin6_addr, false);
		e->port = ntohs(sa->v6.sin6_port);
		return true;
	}
	return false;
}
