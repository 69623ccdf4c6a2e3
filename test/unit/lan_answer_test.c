/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan_answer_test.c - responders and address mapping for guests that share a network with us (--lan) */
#include "../../answer.h"
#include "../../map.h"
#include "../addresses.h"
#include "../draw.h"
#include "../t.h"

static struct conf cf;
static struct net net;
static struct neighs hood;
static struct leases leases;
static struct answer a;

static const struct mac ours = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } };

/* 192.168.77.0/24 and fd00:77::/64; the host is 192.0.2.15 */
static void begin(void)
{
	cf = (struct conf){ .our_mac = ours, .mtu = 1500, .dhcp_dns = true, .guests = 4,
			    .lan = { .on = true, .v6 = true, .plen4 = 24,
				     .net = { A("192.168.77.0"), A("fd00:77::") } } };
	net = (struct net){ .cf = &cf };
	for (enum family f = V4; f < FAMILIES; f++) {
		net.ip[f].on = true;
		net.ip[f].map_guest = cf.ip[f].out_addr = addr_any(f);
		net.ip[f].gw = A(f == V4 ? "192.168.77.1" : "fd00:77::1");
		net.ip[f].server = net.ip[f].map_loopback = net.ip[f].dns_forward = net.ip[f].gw;
		net.ip[f].guest.dns[0] = net.ip[f].gw;
		net.ip[f].guest.ndns = 1;
		net.ip[f].guest.addr = A(f == V4 ? "192.0.2.15" : "2001:db8::15");
		net.ip[f].dns_host = A("192.0.2.53");
	}
	net.ip[V6].our_ll = A("fe80::1");
	memset(&leases, 0, sizeof(leases));
	leases_start(&leases, &net);
}

static struct mac mac(unsigned i)
{
	return (struct mac){ { 2, [5] = (uint8_t)i } };
}

static struct asker asker(unsigned guest)
{
	return (struct asker){ &net, &hood, &leases, guest };
}

/* A message of @len bytes from a guest */
static struct pkt message(const void *b, size_t len, unsigned m)
{
	static struct iovec iov;

	iov = (struct iovec){ (void *)b, len };
	return (struct pkt){ .smac = mac(m), .src.a = addr_any4, .data = { &iov, 1, 0, len } };
}

/* ---- DHCP ---- */

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE };

/* Message of guest @g's MAC address @m; @chaddr's is another one, maybe. Reply: "TYPE ADDRESS", or "-" */
static const char *dhcp(unsigned g, unsigned m, unsigned chaddr, uint8_t type, const char *wish, const char *name)
{
	const struct asker k = asker(g);
	uint8_t b[400] = { 1, 1, 6, [236] = 0x63, 0x82, 0x53, 0x63, 53, 1, type }, *o = b + 243;
	static char buf[ADDR_STRLEN + 4];
	const struct mac ch = mac(chaddr);
	char addr[ADDR_STRLEN];
	struct addr w;
	struct pkt p;

	memcpy(b + 28, ch.b, 6);
	if (wish) {
		w = A(wish);
		o[0] = 50;
		o[1] = 4;
		addr_to_bytes(&w, o + 2);
		o += 6;
	}
	if (name) {
		o[0] = 12;
		o[1] = (uint8_t)strlen(name);
		memcpy(o + 2, name, o[1]);
		o += 2 + o[1];
	}
	*o = 255;
	p = message(b, sizeof(b), m);
	if (dhcp_answer(&k, &p, &a))
		return "dropped";
	if (!a.out.len)
		return "-";
	w = addr_from_bytes(a.out.b + 16, true);
	snprintf(buf, sizeof(buf), "%u %s", a.out.b[242], addr_fmt(&w, addr));
	return buf;
}

/* Content of an option in the reply */
static const uint8_t *option(uint8_t code)
{
	const uint8_t *o = a.out.b + 240;

	while (*o != code && *o != 255)
		o += 2 + o[1];
	return *o == code ? o + 2 : (const uint8_t *)"\0\0\0\0\0\0\0";
}

/* MAC address of a name, -1: nobody's */
static int named(const char *name)
{
	const struct lease *l = lease_named(&leases, name, strlen(name));

	return l ? l->mac.b[5] : -1;
}

static void dhcp_leases(void)
{
	static const char *const first[] = { "2 192.168.77.2", "2 192.168.77.3", "2 192.168.77.4", "2 192.168.77.5" };

	test("LAN-01 DHCP: each MAC address has an address, we are gateway, resolver and server");
	begin();
	eq_str(dhcp(0, 1, 1, DISCOVER, NULL, NULL), "2 192.168.77.2");
	eq_mem(option(3), "\xc0\xa8\x4d\x01", 4);
	eq_mem(option(6), "\xc0\xa8\x4d\x01", 4);
	eq_mem(option(54), "\xc0\xa8\x4d\x01", 4);
	eq_mem(option(1), "\xff\xff\xff", 4);
	ok(!option(121)[0]);
	eq_str(dhcp(1, 2, 2, DISCOVER, NULL, NULL), "2 192.168.77.3");
	eq_str(dhcp(0, 1, 1, REQUEST, "192.168.77.2", "Web"), "5 192.168.77.2");
	eq_str(dhcp(1, 2, 2, REQUEST, "192.168.77.3", "web"), "5 192.168.77.3");
	eq(named("web"), 1);

	test("LAN-02 DHCP: another's address is refused, a free one of before is given");
	eq_str(dhcp(1, 3, 3, REQUEST, "192.168.77.2", NULL), "6 0.0.0.0");
	eq_str(dhcp(1, 4, 4, REQUEST, "192.168.77.99", NULL), "5 192.168.77.99");
	eq_str(dhcp(1, 5, 5, REQUEST, "10.0.0.1", NULL), "6 0.0.0.0");

	test("LAN-03 DHCP: chaddr is the frame's source");
	eq_str(dhcp(2, 6, 7, DISCOVER, NULL, NULL), "dropped");

	test("LAN-04 DHCP: starvation: four leases a guest, others get theirs");
	begin();
	for (unsigned i = 1; i < 250; i++)
		eq_str(dhcp(0, i, i, DISCOVER, NULL, NULL), i > ARRAY_SIZE(first) ? "-" : first[i - 1]);
	eq_str(dhcp(1, 251, 251, DISCOVER, NULL, NULL), "2 192.168.77.6");
	eq_str(dhcp(0, 9, 9, REQUEST, "192.168.77.100", NULL), "6 0.0.0.0");

	test("LAN-05 DHCP: an address that is in use there is not given again");
	begin();
	eq_str(dhcp(0, 1, 1, DISCOVER, NULL, NULL), "2 192.168.77.2");
	eq_str(dhcp(0, 1, 1, DECLINE, "192.168.77.2", NULL), "-");
	eq_str(dhcp(0, 1, 1, DISCOVER, NULL, NULL), "2 192.168.77.3");
	eq_str(dhcp(0, 1, 1, RELEASE, NULL, NULL), "-");
	eq_str(dhcp(0, 1, 1, DISCOVER, NULL, NULL), "2 192.168.77.3");
}

/* ---- DHCPv6 ---- */

/* SOLICIT, REQUEST and others of type @type, with an IA_NA, and a name: the reply's address, or "-" */
static const char *dhcpv6(unsigned g, unsigned m, uint8_t type, const char *name)
{
	const struct asker k = asker(g);
	const uint8_t head[] = { type, 1, 2, 3, 0, 1, 0, 4, 1, 2, 3, 4 };
	const uint8_t server[] = { 0, 2, 0, 10, 0, 3, 0, 1, 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 };
	const uint8_t ia[] = { 0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
	static char buf[ADDR_STRLEN];
	struct out o = { .max = sizeof(o.b) };
	struct addr got;
	struct pkt p;

	out_bytes(&o, head, sizeof(head));
	if (type != 1)
		out_bytes(&o, server, sizeof(server));
	out_bytes(&o, ia, sizeof(ia));
	if (name) {
		out_be(&o, 39, 2);
		out_be(&o, (uint32_t)strlen(name) + 2, 2);
		out_be(&o, 0, 1);
		out_be(&o, (uint32_t)strlen(name), 1);
		out_bytes(&o, name, strlen(name));
	}
	p = message(o.b, o.len, m);
	p.src.a = A("fe80::2");
	p.dst.a = A("ff02::1:2");
	if (dhcpv6_answer(&k, &p, &a) || !a.out.len)
		return "-";
	for (size_t i = 4; i + 4 <= a.out.len; i += 4U + get_be16(a.out.b + i + 2)) {
		if (get_be16(a.out.b + i) != 3 || get_be16(a.out.b + i + 16) != 5)
			continue;
		got = addr_from_bytes(a.out.b + i + 20, false);
		return addr_fmt(&got, buf);
	}
	return "-";
}

static void dhcpv6_leases(void)
{
	test("LAN-06 DHCPv6: the address is that of the MAC address, and its name known");
	begin();
	eq_str(dhcpv6(0, 1, 1, NULL), "fd00:77::ff:fe00:1");
	eq_str(dhcpv6(0, 1, 3, "db"), "fd00:77::ff:fe00:1");
	eq_str(dhcpv6(1, 2, 3, NULL), "fd00:77::ff:fe00:2");
	eq(named("db"), 1);

	test("LAN-07 DHCPv6: no address for a fifth MAC address, nor for another guest's");
	for (unsigned i = 3; i <= 5; i++)
		ok(strcmp(dhcpv6(0, i, 1, NULL), "-") != 0);
	eq_str(dhcpv6(0, 6, 1, NULL), "-");
	eq_str(dhcpv6(2, 1, 1, NULL), "-");
}

/* ---- ARP ---- */

/* "reply", "-" or "owner", the reason for a drop, to a packet of guest @g's MAC address @m */
static const char *arp(unsigned g, unsigned m, uint8_t op, const char *from, const char *target)
{
	const struct asker k = asker(g);
	const struct addr spa = A(from), tpa = A(target);
	uint8_t b[28] = { 0, 1, 8, 0, 6, 4, 0, op, 2, 0, 0, 0, 0, (uint8_t)m };
	struct pkt p;
	enum drop why;

	addr_to_bytes(&spa, b + 14);
	addr_to_bytes(&tpa, b + 24);
	p = message(b, sizeof(b), m);
	why = arp_answer(&k, &p, &a);
	if (why)
		return why == DROP_OWNER ? "owner" : "dropped";
	return a.out.len && !memcmp(a.out.b + 8, ours.b, 6) ? "reply" : "-";
}

static void arp_owners(void)
{
	test("LAN-08 ARP: we answer for ourselves, and not for other guests");
	begin();
	dhcp(0, 1, 1, DISCOVER, NULL, NULL);
	dhcp(0, 1, 1, REQUEST, "192.168.77.2", NULL);
	eq_str(arp(0, 1, 1, "192.168.77.2", "192.168.77.1"), "reply");
	eq_str(arp(0, 1, 1, "192.168.77.2", "192.168.77.9"), "-");
	eq_str(arp(0, 1, 1, "192.168.77.2", "8.8.8.8"), "reply");

	test("LAN-09 ARP: nobody claims our address, or one that was leased to another");
	eq_str(arp(1, 2, 1, "192.168.77.2", "192.168.77.1"), "owner");
	eq_str(arp(1, 2, 2, "192.168.77.2", "192.168.77.1"), "owner");
	eq_str(arp(1, 2, 1, "192.168.77.1", "192.168.77.1"), "owner");
	eq_str(arp(1, 2, 2, "10.1.1.1", "192.168.77.2"), "owner");
	eq_str(arp(1, 2, 1, "192.168.77.40", "192.168.77.40"), "-");
	eq_str(arp(0, 1, 2, "192.168.77.40", "192.168.77.1"), "owner");

	test("LAN-10 ARP: a probe for an address that the guest may not have is answered");
	eq_str(arp(1, 2, 1, "0.0.0.0", "192.168.77.2"), "reply");
	eq_str(arp(1, 2, 1, "0.0.0.0", "192.168.77.1"), "reply");
	eq_str(arp(1, 2, 1, "0.0.0.0", "192.168.77.41"), "-");
	eq_str(arp(0, 1, 1, "0.0.0.0", "192.168.77.2"), "-");
}

/* ---- NDP ---- */

/* The same for a solicitation (@type 135), or an advertisement (136), from @from */
static const char *nd(unsigned g, unsigned m, uint8_t type, const char *from, const char *target)
{
	const struct asker k = asker(g);
	const struct addr t = A(target);
	uint8_t b[16];
	struct pkt p;
	enum drop why;

	addr_to_bytes(&t, b);
	p = message(b, sizeof(b), m);
	p.ttl = 255;
	p.icmp.type = type;
	p.src.a = A(from);
	why = ndp_answer(&k, &p, &a);
	if (why)
		return why == DROP_OWNER ? "owner" : "dropped";
	return a.out.len && !memcmp(a.out.b + 18, ours.b, 6) ? "reply" : "-";
}

/* Is the prefix there, preferred, with L and A? */
static bool has_prefix(const struct answer *ra)
{
	static const uint8_t head[] = { 3, 4, 64, 0xc0 }, never[4] = { 0 };
	bool prefix = false;

	for (size_t i = 8; i < ra->out.len; i += 8U * ra->out.b[i + 1])
		prefix |= !memcmp(ra->out.b + i, head, sizeof(head)) &&
			  !memcmp(ra->out.b + i + 16, cf.lan.net[V6].b, 16) &&
			  memcmp(ra->out.b + i + 8, never, sizeof(never)) != 0;
	return prefix;
}

static void ndp_owners(void)
{
	struct answer ra;

	test("LAN-11 NDP: we answer for ourselves, and not for other guests");
	begin();
	eq_str(nd(0, 1, 135, "fe80::aa", "fd00:77::1"), "reply");
	eq_str(nd(0, 1, 135, "fe80::aa", "fe80::1"), "reply");
	eq_str(nd(0, 1, 135, "fe80::aa", "fe80::bb"), "-");
	eq_str(nd(0, 1, 135, "fe80::aa", "fd00:77::bb"), "-");
	eq_str(nd(0, 1, 135, "fe80::aa", "2001:db8::1"), "reply");

	test("LAN-12 NDP: who detects a duplicate of another's address, or of ours, finds it");
	dhcpv6(0, 1, 3, NULL);
	eq_str(nd(1, 2, 135, "::", "fd00:77::ff:fe00:1"), "reply");
	eq_str(nd(1, 2, 135, "::", "fd00:77::1"), "reply");
	eq_str(nd(1, 2, 135, "::", "fe80::1"), "reply");
	eq_str(nd(0, 1, 135, "::", "fd00:77::ff:fe00:1"), "-");
	eq_str(nd(1, 2, 135, "::", "fd00:77::1234"), "-");
	eq_str(nd(0, 1, 135, "::", "fd00:77::1234"), "reply");

	test("LAN-13 NDP: nobody advertises another's address, or a router");
	eq_str(nd(1, 2, 136, "fe80::cc", "fd00:77::ff:fe00:1"), "owner");
	eq_str(nd(1, 2, 136, "fe80::cc", "fe80::1"), "owner");
	eq_str(nd(1, 2, 136, "fe80::cc", "fd00:77::1234"), "-");
	eq_str(nd(1, 2, 134, "fe80::cc", "fe80::cc"), "dropped");
	eq_str(nd(1, 2, 137, "fe80::cc", "fe80::cc"), "dropped");

	test("LAN-14 NDP: advertisements have the prefix, with L and A, and M");
	ndp_advert(&net, &ours, &ra);
	ok(ra.icmp.rest >> 16 & 0x80 && has_prefix(&ra));

	test("LAN-14 NDP: so they have if the host has no IPv6 any more, and we are no router");
	net.ip[V6].lost = true;
	ndp_advert(&net, &ours, &ra);
	net.ip[V6].lost = false;
	ok(!(ra.icmp.rest & 0xffff) && has_prefix(&ra));
}

/* ---- addresses of both sides ---- */

/* Where a connection from a guest to @to, port @port, leads */
static const char *out(const char *to, uint16_t port)
{
	const struct end src = { A(strchr(to, ':') ? "fd00:77::2" : "192.168.77.2"), 1000 }, dst = { A(to), port };
	static char buf[ADDR_STRLEN];
	struct side host;
	enum drop why = map_out(&net, IPPROTO_TCP, &src, &dst, &host);

	return why ? why == DROP_POLICY ? "policy" : "addr" : addr_fmt(&host.peer.a, buf);
}

/* Addresses that the guest sees of a connection from @client to a rule for @to: "CLIENT -> GUEST" */
static const char *in(const char *client, const char *to)
{
	const struct rule r = { .proto = IPPROTO_TCP, .first = 80, .to = 80, .to_addr = A(to) };
	const struct side host = { .peer = { A(client), 1000 }, .our = { A("::"), 80 } };
	const struct seen seen = { { addr_any4, addr_any6 }, addr_any6 };
	static char buf[2 * ADDR_STRLEN + 8];
	char from[ADDR_STRLEN], at[ADDR_STRLEN];
	struct side guest;

	if (map_in(&net, &seen, &r, &host, &guest))
		return "dropped";
	snprintf(buf, sizeof(buf), "%s -> %s", addr_fmt(&guest.our.a, from), addr_fmt(&guest.peer.a, at));
	return buf;
}

static void mapping(void)
{
	test("LAN-15 outbound: ours as the gateway's, nothing of the prefix leaves");
	begin();
	eq_str(out("192.168.77.1", 80), "127.0.0.1");
	eq_str(out("192.168.77.1", 53), "192.0.2.53");
	eq_str(out("fd00:77::1", 853), "192.0.2.53");
	eq_str(out("fd00:77::1", 80), "::1");
	eq_str(out("192.168.77.9", 80), "addr");
	eq_str(out("fd00:77::9", 80), "addr");
	eq_str(out("8.8.8.8", 80), "8.8.8.8");
	eq_str(out("192.0.2.15", 80), "192.0.2.15");
	net.ip[V4].dns_host = addr_any4;
	eq_str(out("192.168.77.1", 53), "0.0.0.0");	/* names of guests are known without a resolver */
	eq_str(out("192.168.77.1", 853), "policy");
	net.ip[V4].dns_host = A("192.0.2.53");
	net.ip[V4].map_loopback = addr_any4;
	eq_str(out("192.168.77.1", 80), "policy");
	eq_str(out("192.168.77.1", 53), "192.0.2.53");

	test("LAN-16 inbound: clients of the prefix, on loopback, or of the other family are shown as the gateway");
	begin();
	eq_str(in("198.51.100.1", "192.168.77.2"), "198.51.100.1 -> 192.168.77.2");
	eq_str(in("192.0.2.15", "192.168.77.2"), "192.0.2.15 -> 192.168.77.2");
	eq_str(in("192.168.77.9", "192.168.77.2"), "192.168.77.1 -> 192.168.77.2");
	eq_str(in("127.0.0.1", "192.168.77.2"), "192.168.77.1 -> 192.168.77.2");
	eq_str(in("2001:db8::9", "192.168.77.2"), "192.168.77.1 -> 192.168.77.2");
	eq_str(in("::1", "192.168.77.2"), "192.168.77.1 -> 192.168.77.2");
	eq_str(in("198.51.100.1", "fd00:77::2"), "fd00:77::1 -> fd00:77::2");
	eq_str(in("198.51.100.1", "::"), "dropped");	/* the guest has no address yet */
}

/* ---- messages at random ---- */

/* Of each responder: whatever comes, an address that is handed out is one of the network, and is the asker's */
static void at_random(void)
{
	static uint8_t b[1500];

	test("LAN-17 messages with errors");
	begin();
	for (seed = 1; seed < 60000;) {
		uint64_t s = seed;
		unsigned g = below(4), m = below(40);
		const struct asker k = asker(g);
		const struct mac ch = mac(m);
		size_t len = 240 + below(sizeof(b) - 240);
		struct pkt p;
		struct addr got;

		for (size_t i = 0; i < len; i++)
			b[i] = (uint8_t)below(below(3) ? 8 : 256);
		memcpy(b, "\1\1\6", 3);
		memset(b + 24, 0, 4);
		memcpy(b + 28, ch.b, 6);
		memcpy(b + 236, "\x63\x82\x53\x63\x35\x01", 6);
		for (size_t i = 243, n; i + 2 < len; i += n) {		/* options of lengths that fit */
			static const uint8_t code[] = { 12, 50, 54, 55, 57, 61, 80, 81, 255 };
			static const uint8_t size[] = { 5, 4, 4, 3, 2, 7, 0, 9, 0 };
			unsigned c = below(sizeof(code));

			n = 2U + size[c];
			b[i] = code[c];
			b[i + 1] = below(50) ? size[c] : (uint8_t)below(256);
		}
		p = message(b, len, m);
		if (!dhcp_answer(&k, &p, &a) && a.out.len) {
			got = addr_from_bytes(a.out.b + 16, true);
			ok(a.out.len <= ANSWER_MAX && (addr_is_unspec(&got) || lease_owns(&leases, g, &got)));
		}
		b[0] = (uint8_t)(1 + below(11));
		b[4] = b[6] = 0;
		b[5] = 1;
		b[7] = 4;
		b[12] = 0;
		b[13] = (uint8_t)below(40);
		b[14] = 0;
		b[15] = (uint8_t)below(30);
		p = message(b, 20 + below(100), m);
		p.src.a = A("fe80::2");
		p.dst.a = A("ff02::1:2");
		ok(dhcpv6_answer(&k, &p, &a) || a.out.len <= ANSWER_MAX);
		p.ttl = 255;
		p.icmp.type = (uint8_t)(133 + below(5));
		ok(ndp_answer(&k, &p, &a) || a.out.len <= ANSWER_MAX);
		ok(arp_answer(&k, &p, &a) || a.out.len <= ANSWER_MAX);
		if (!below(100))
			leases_gone(&leases, g);
		seed = s + 1;
	}
}

int main(void)
{
	dhcp_leases();
	dhcpv6_leases();
	arp_owners();
	ndp_owners();
	mapping();
	at_random();
	return done();
}
