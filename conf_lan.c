/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_lan.c - the guests' own network: values of --lan and --lease, and their conditions */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lease.h"

#define PLEN4_MIN	8		/* of a network that makes sense here: 10.0.0.0/8 */
#define PLEN4_MAX	30
#define PLEN6		64		/* RFC 4862 5.5.3: the interface identifiers of Ethernet have 64 bits */

/* Hosts of the network, without the network's own address, ours and broadcast */
static uint32_t hosts(const struct lan_conf *l)
{
	return (1U << (32 - l->plen4)) - 3;
}

/* "ADDRESS/BITS" of one family, of @len bytes: its network, or the reason to refuse it */
static const char *prefix_read(const char *s, size_t len, enum family f, struct addr *net, uint8_t *plen)
{
	const char *slash = memchr(s, '/', len);
	uint64_t bits;

	if (!slash || !addr_parse(s, (size_t)(slash - s), net) || addr_family(net) != f ||
	    !parse_num(slash + 1, len - (size_t)(slash + 1 - s), f == V4 ? 32 : 128, &bits))
		return f == V4 ? "not an IPv4 prefix, ADDRESS/BITS" : "not an IPv6 prefix, ADDRESS/BITS";
	if (addr_is_unspec(net) || addr_is_many(net) || addr_is_loopback(net) || addr_is_linklocal(net))
		return "not a prefix of unicast addresses";
	if (f == V6 && bits != PLEN6)
		return "the prefix length of IPv6 is not 64";
	if (f == V4 && (bits < PLEN4_MIN || bits > PLEN4_MAX))
		return "the prefix length of IPv4 is not between 8 and 30";
	*plen = (uint8_t)bits;
	if (f == V4)
		*net = addr_from4(addr_v4(net) & addr_mask4(*plen));
	else
		memset(net->b + PLEN6 / 8, 0, sizeof(net->b) - PLEN6 / 8);
	return NULL;
}

const char *conf_lan(struct lan_conf *l, const char *val)
{
	const char *comma = strchr(val, ','), *why;
	uint8_t plen6;

	why = prefix_read(val, comma ? (size_t)(comma - val) : strlen(val), V4, &l->net[V4], &l->plen4);
	if (!why && comma)
		why = prefix_read(comma + 1, strlen(comma + 1), V6, &l->net[V6], &plen6);
	l->v6 = comma;
	l->on = true;
	return why;
}

const char *conf_lease(struct lan_conf *l, const char *val)
{
	const char *equal = strchr(val, '='), *comma = equal ? strchr(equal, ',') : NULL;
	struct lan_lease *e = &l->lease[l->nlease];
	char mac[MAC_STRLEN];
	size_t len;

	if (l->nlease == LEASE_MAX)
		return "too many leases";
	*e = (struct lan_lease){ 0 };
	if (!equal || equal - val >= MAC_STRLEN)
		return "not MAC=ADDRESS";
	memcpy(mac, val, (size_t)(equal - val));
	mac[equal - val] = '\0';
	if (!mac_parse(mac, &e->mac) || mac_is_zero(&e->mac) || e->mac.b[0] & 1)
		return "not a unicast MAC address";
	len = comma ? (size_t)(comma - equal - 1) : strlen(equal + 1);
	if (!addr_parse(equal + 1, len, &e->a))
		return "not an IPv4 or IPv6 address";
	if (comma && !lease_name_ok(comma + 1, strlen(comma + 1)))
		return "not a name that a guest may have";
	for (size_t i = 0; comma && comma[1 + i]; i++)
		e->name[i] = (char)ascii_lower((uint8_t)comma[1 + i]);
	for (const struct lan_lease *o = l->lease; o < e; o++) {
		bool same = mac_eq(&o->mac, &e->mac);

		if (same && addr_family(&o->a) == addr_family(&e->a))
			return "the MAC address has one already";
		if (addr_eq(&o->a, &e->a))
			return "another MAC address has this one";
		if (!same && *e->name && !strcmp(o->name, e->name))
			return "another MAC address has this name";
	}
	l->nlease++;
	return NULL;
}

const char *conf_lan_host(const struct lan_conf *l, const struct addr *a)
{
	enum family f = addr_family(a);
	uint32_t host = ntohl(addr_v4(a)) & ~ntohl(addr_mask4(l->plen4));
	struct addr first = l->net[f];

	if ((f == V6 && !l->v6) || !addr_in_prefix(a, &l->net[f], f == V4 ? l->plen4 : PLEN6))
		return "outside of --lan";
	first.b[15] |= 1;
	if (addr_eq(a, &first))
		return "this is our address";
	if (addr_eq(a, &l->net[f]) || (f == V4 && host == ~ntohl(addr_mask4(l->plen4))))
		return "not an address of one host";
	return NULL;
}

/* Conditions of --lan itself */
static const char *lan_bad(const struct conf *c, char text[static LAN_TEXT])
{
	const struct lan_conf *l = &c->lan;
	char a[ADDR_STRLEN];

	if (hosts(l) < c->guests)
		return "--lan has fewer addresses for guests than --guests";
	if (c->ip[V4].off && !l->v6)
		return "-6/--ipv6-only takes an IPv6 prefix in --lan";
	for (enum family f = V4; f < FAMILIES; f++)
		if (!addr_is_unspec(&c->ip[f].addr) || !addr_is_unspec(&c->ip[f].gw) || c->ip[f].plen)
			return "--lan excludes --address, --netmask and --gateway";
	for (const struct lan_lease *e = l->lease; e < l->lease + l->nlease; e++) {
		const char *why = mac_eq(&e->mac, &c->our_mac) ? "this is our MAC address" : conf_lan_host(l, &e->a);

		if (!why)
			continue;
		snprintf(text, LAN_TEXT, "Invalid value \"%s\" for --lease: %s", addr_fmt(&e->a, a), why);
		return text;
	}
	return NULL;
}

const char *conf_lan_check(const struct conf *c, char text[static LAN_TEXT])
{
	const struct lan_conf *l = &c->lan;

	if (c->guests > 1 && !l->on)
		return "--guests needs --lan";
	if (c->guests > 1 && c->nlink_fds > c->guests)
		return "-F/--fd is given more often than --guests allows";
	if (!l->on)
		return l->isolate ? "--lan-isolate needs --lan" : l->nlease ? "--lease needs --lan" : NULL;
	return lan_bad(c, text);
}
