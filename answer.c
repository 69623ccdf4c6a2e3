/* SPDX-License-Identifier: GPL-2.0-or-later */
/* answer.c - what the responders have in common: bounded writing, domain names */

#include <string.h>

#include "answer.h"

#define LABEL_MAX	63		/* RFC 1035 2.3.4 */
#define NAME_MAX_WIRE	255

void out_bytes(struct out *o, const void *p, size_t n)
{
	if (!n || !out_room(o, n))
		return;
	memcpy(o->b + o->len, p, n);
	o->len += n;
}

void out_zero(struct out *o, size_t n)
{
	if (!out_room(o, n))
		return;
	memset(o->b + o->len, 0, n);
	o->len += n;
}

void out_u8(struct out *o, uint8_t v)
{
	out_bytes(o, &v, 1);
}

void out_be16(struct out *o, uint16_t v)
{
	uint8_t b[2];

	put_be16(b, v);
	out_bytes(o, b, sizeof(b));
}

void out_be32(struct out *o, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	out_bytes(o, b, sizeof(b));
}

void out_addr(struct out *o, const struct addr *a)
{
	uint8_t b[16];

	addr_to_bytes(a, b);
	out_bytes(o, b, addr_is_v4(a) ? 4 : 16);
}

bool out_name(struct out *o, const char *name)
{
	uint8_t wire[NAME_MAX_WIRE];
	size_t len = 0;

	if (!*name)
		return false;
	while (*name) {
		size_t label = strcspn(name, ".");

		if (!label || label > LABEL_MAX || len + 1 + label + 1 > sizeof(wire))
			return false;
		wire[len++] = (uint8_t)label;
		memcpy(wire + len, name, label);
		len += label;
		name += label;
		if (*name == '.')
			name++;
	}
	wire[len++] = 0;
	if (!out_room(o, len))
		return false;
	out_bytes(o, wire, len);
	return true;
}

unsigned out_search(struct out *o, const struct net *net)
{
	unsigned i, n = 0;

	for (i = 0; i < net->search.n; i++)
		n += out_name(o, net->search.name[i]);
	return n;
}

bool addr_is_global(const struct addr *a)
{
	return !addr_is_unspec(a) && !addr_is_linklocal(a) && !addr_is_loopback(a) && !addr_is_multicast(a);
}
