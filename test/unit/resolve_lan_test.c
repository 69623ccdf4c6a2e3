/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolve_lan_test.c - names of guests on a network of their own: queries and answers in wire format */
#include "../../resolve_lan.c"
#include "../addresses.h"
#include "../t.h"

static struct conf cf;
static struct ctx c;

static struct mac mac(unsigned i)
{
	return (struct mac){ { 2, [5] = (uint8_t)i } };
}

/* 192.168.77.0/24 and fd00:77::/64: .2 is "web", of both families, .3 "db", of IPv4, and "new" was offered only */
static void begin(void)
{
	static const char *const name[] = { "web", "db", "new" };

	cf = (struct conf){ .lan = { .on = true, .v6 = true, .plen4 = 24,
				     .net = { A("192.168.77.0"), A("fd00:77::") } } };
	memset(&c.leases, 0, sizeof(c.leases));
	c.net = (struct net){ .cf = &cf };
	for (enum family f = V4; f < FAMILIES; f++) {
		c.net.ip[f].on = true;
		c.net.ip[f].map_guest = addr_any(f);
		c.net.ip[f].gw = A(f == V4 ? "192.168.77.1" : "fd00:77::1");
		c.net.ip[f].map_loopback = c.net.ip[f].dns_forward = c.net.ip[f].gw;
	}
	leases_start(&c.leases, &c.net);
	for (unsigned i = 1; i <= ARRAY_SIZE(name); i++) {
		const struct mac m = mac(i);

		lease_offer(&c.leases, 0, &m, V4, NULL);
		if (i < 3)
			lease_take(&c.leases, 0, &m, V4);
		lease_set_name(&c.leases, 0, &m, name[i - 1], strlen(name[i - 1]));
		if (i > 1)
			continue;
		lease_offer(&c.leases, 0, &m, V6, NULL);
		lease_take(&c.leases, 0, &m, V6);
	}
}

/* Labels of @name, to @b: their length */
static size_t labels(const char *name, uint8_t *b)
{
	size_t at = 0;

	while (*name) {
		size_t n = strcspn(name, ".");

		b[at++] = (uint8_t)n;
		memcpy(b + at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	b[at] = 0;
	return at + 1;
}

/* Answer to a query for a name: "-": none of ours; result, and a record's data */
static const char *ask(const char *name, uint16_t type)
{
	static char buf[400];
	uint8_t b[400] = { 0x12, 0x34, 1, 0, 0, 1 }, out[DNS_RECORD_MAX];
	size_t n = 12 + labels(name, b + 12), len, at;
	struct dns_query q;
	struct addr a;

	put_be16(b + n, type);
	put_be16(b + n + 2, 1);
	n += 4;
	eq(dns_read(b, n, &q), DNS_PLAIN);
	len = resolve_lan(&c, &q, out);
	if (!len)
		return "-";
	ok(len >= n && !memcmp(out + 12, b + 12, n - 12) && get_be16(out) == 0x1234 && (out[2] & 0x81) == 0x81);
	if (!out[7]) {
		eq(len, n);
		return out[3] & 15 ? "NXDOMAIN" : "no data";
	}
	eq(get_be16(out + n), 0xc00c);
	eq(get_be16(out + n + 2), type);
	eq(get_be32(out + n + 6), NAME_TTL);
	eq(get_be16(out + n + 10), len - n - 12);
	if (type != 12) {
		a = addr_from_bytes(out + n + 12, type == 1);
		return addr_fmt(&a, buf);
	}
	for (at = n + 12, n = 0; out[at]; at += out[at] + 1U)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%.*s.", out[at], out + at + 1);
	eq(at + 1, len);
	return buf;
}

#define R6 "0.0.0.0.0.0.0.0.7.7.0.0.0.0.d.f.ip6.arpa"

static const struct {
	const char	*name;
	uint16_t	type;
	const char	*want;
} row[] = {
	{ "web", 1, "192.168.77.2" }, { "WEB", 1, "192.168.77.2" }, { "web.internal", 1, "192.168.77.2" },
	{ "Web.Internal", 28, "fd00:77::ff:fe00:1" }, { "web", 28, "fd00:77::ff:fe00:1" },
	{ "web", 16, "no data" }, { "web.internal", 65, "no data" },
	{ "db", 1, "192.168.77.3" }, { "db", 28, "no data" },
	{ "new", 1, "-" }, { "new.internal", 1, "NXDOMAIN" },
	{ "other", 1, "-" }, { "other.internal", 1, "NXDOMAIN" }, { "a.web.internal", 1, "NXDOMAIN" },
	{ "web.example.com", 1, "-" }, { "xinternal", 1, "-" }, { "internal", 1, "NXDOMAIN" },
	{ "host.internal", 1, "192.168.77.1" }, { "host.internal", 28, "fd00:77::1" }, { "host", 1, "-" },
	{ "host.internal", 16, "no data" },
	{ "2.77.168.192.in-addr.arpa", 12, "web.internal." }, { "3.77.168.192.in-addr.arpa", 12, "db.internal." },
	{ "4.77.168.192.in-addr.arpa", 12, "NXDOMAIN" }, { "9.77.168.192.in-addr.arpa", 12, "NXDOMAIN" },
	{ "1.77.168.192.in-addr.arpa", 12, "host.internal." }, { "2.77.168.192.in-addr.arpa", 16, "no data" },
	{ "77.168.192.in-addr.arpa", 12, "-" }, { "2.78.168.192.in-addr.arpa", 12, "-" },
	{ "1.2.77.168.192.in-addr.arpa", 12, "-" }, { "256.77.168.192.in-addr.arpa", 12, "-" },
	{ "x.77.168.192.in-addr.arpa", 12, "-" }, { "in-addr.arpa", 12, "-" }, { "ip6.arpa", 12, "-" },
	{ "1.0.0.0.0.0.e.f.f.f.0.0.0.0.0.0." R6, 12, "web.internal." },
	{ "2.0.0.0.0.0.e.f.f.f.0.0.0.0.0.0." R6, 12, "NXDOMAIN" },
	{ "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0." R6, 12, "host.internal." },
	{ "g.0.0.0.0.0.e.f.f.f.0.0.0.0.0.0." R6, 12, "-" }, { "0.0." R6, 12, "-" },
};

int main(void)
{
	begin();
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		test("%s, type %u", row[i].name, row[i].type);
		eq_str(ask(row[i].name, row[i].type), row[i].want);
	}

	test("the host's name without a mapping, and with another one");
	c.net.ip[V4].map_loopback = addr_any4;
	eq_str(ask("host.internal", 1), "no data");
	eq_str(ask("1.77.168.192.in-addr.arpa", 12), "NXDOMAIN");
	c.net.ip[V6].map_loopback = addr_any6;
	eq_str(ask("host.internal", 1), "NXDOMAIN");
	c.net.ip[V4].map_guest = A("192.168.77.250");
	eq_str(ask("host.internal", 1), "192.168.77.250");

	test("names of a guest that is away stay, as long as its lease");
	leases_gone(&c.leases, 0);
	eq_str(ask("web", 1), "192.168.77.2");
	eq_str(ask("new.internal", 1), "NXDOMAIN");
	return done();
}
