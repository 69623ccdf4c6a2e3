/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolve_lan.c - names of guests on a network of their own (--lan), and of the host, both ways
 *
 *	NAME, NAME.internal	a guest's addresses, as they were leased
 *	host.internal		addresses that --map-guest-addr, or else --map-host-loopback, lead to the host from
 *	*.internal		nothing else is there
 *	reverse			the same, for all addresses of the network
 *
 * Any other name is the resolver's: a guest's is a single label, which the DNS has no addresses for.
 */
#include <stdio.h>
#include <string.h>

#include "dns.h"
#include "resolve.h"

#define ZONE		"internal"
#define HOST_OF_ALL	"host"

/* Address of the host for guests; unspecified: nothing leads there */
static const struct addr *host_at(const struct net *net, enum family f)
{
	const struct net_ip *ip = &net->ip[f];

	return addr_is_unspec(&ip->map_guest) ? &ip->map_loopback : &ip->map_guest;
}

/* Is there one in either family, and here? */
static bool host_has(const struct net *net, enum family f)
{
	return net->ip[f].on && !addr_is_unspec(host_at(net, f));
}

/* Bytes of @text without @suffix, which a dot is in front of; 0: it has none */
static size_t label_before(const char *text, const char *suffix)
{
	size_t len = strlen(text), n = strlen(suffix);

	return len > n + 1 && !strcmp(text + len - n, suffix) && text[len - n - 1] == '.' ? len - n - 1 : 0;
}

/* Address of a reverse name (RFC 1035 3.5, RFC 3596 2.5): false if it is none, or not all of one */
static bool reverse_addr(const char *text, struct addr *a)
{
	size_t v4 = label_before(text, "in-addr.arpa"), v6 = label_before(text, "ip6.arpa");
	uint8_t b[16] = { 0 };
	uint64_t n;

	if (v6 == 63) {
		for (unsigned i = 0; i < 32; i++) {
			unsigned digit = digit_value(text[2 * i]);

			if (digit > 15 || text[2 * i + 1] != '.')
				return false;
			b[15 - i / 2] |= (uint8_t)(digit << (i % 2 * 4));
		}
		*a = addr_from_bytes(b, false);
		return true;
	}
	for (unsigned i = 0; v4 && i < 4; i++) {
		size_t len = strcspn(text, ".");

		if (!parse_num(text, len, UINT8_MAX, &n))
			return false;
		b[3 - i] = (uint8_t)n;
		text += len + 1;
	}
	*a = addr_from_bytes(b, true);
	return v4 && !strcmp(text, "in-addr.arpa");
}

/* Reverse, for addresses of the network */
static size_t reverse(const struct ctx *c, const struct dns_query *q, const struct addr *a, uint8_t *answer)
{
	const struct lease *l = lease_at(&c->leases, a);
	enum family f = addr_family(a);
	char name[LEASE_NAME + sizeof(ZONE)];

	if (!(l && l->name[0]) && !(host_has(&c->net, f) && addr_eq(a, host_at(&c->net, f))))
		return dns_error(q, DNS_NXDOMAIN, false, answer);
	snprintf(name, sizeof(name), "%s." ZONE, l && l->name[0] ? l->name : HOST_OF_ALL);
	return dns_record(q, NULL, q->type == DNS_PTR ? name : NULL, NAME_TTL, answer);
}

size_t resolve_lan(const struct ctx *c, const struct dns_query *q, uint8_t answer[static DNS_RECORD_MAX])
{
	size_t inside = label_before(q->text, ZONE), len = inside ? inside : strlen(q->text);
	enum family f = q->type == DNS_A ? V4 : V6;
	const struct addr *a = NULL;
	const struct lease *l;
	struct addr rev;

	if (reverse_addr(q->text, &rev) && lan_has(&c->net, &rev))
		return reverse(c, q, &rev, answer);
	l = lease_named(&c->leases, q->text, len);
	if (l && (lease_has(l, V4) || lease_has(l, V6))) {
		if (lease_has(l, f))
			a = &l->a[f];
	} else if (inside == strlen(HOST_OF_ALL) && !memcmp(q->text, HOST_OF_ALL, inside) &&
		   (host_has(&c->net, V4) || host_has(&c->net, V6))) {
		if (host_has(&c->net, f))
			a = host_at(&c->net, f);
	} else {
		return inside || !strcmp(q->text, ZONE) ? dns_error(q, DNS_NXDOMAIN, false, answer) : 0;
	}
	return dns_record(q, q->type == DNS_A || q->type == DNS_AAAA ? a : NULL, NULL, NAME_TTL, answer);
}
