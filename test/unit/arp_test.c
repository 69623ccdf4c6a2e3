/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "../../arp.c"
#include "../responder.h"
#include "../t.h"

/* @a becomes the only neighbour that is known, 02:00:00:00:00:aa */
static void know(const struct addr *a)
{
	const struct neigh e = { .a = *a, .mac = { { 2, [5] = 0xaa } }, .used = true };

	r_hood = (struct neighs){ .count = 1 };
	r_hood.e[neigh_hash(&r_hood, a) % NEIGH_SETS * NEIGH_WAYS] = e;
}

/* Ethernet: broadcast, from the guest 52:54:00:12:34:56, ARP; Ethernet and IPv4, then operation */
#define ETH		"ffffffffffff 525400123456 0806"
#define REQUEST		ETH " 0001 0800 06 04 0001 "
#define GUEST		"525400123456 c000020f "		/* 52:54:00:12:34:56, 192.0.2.15 */
#define ZERO		"000000000000 "

static const struct {
	const char	*name, *frame;
	enum drop	rc;
	const char	*reply;
} row[] = {
	{ "who has the gateway, 192.0.2.1",
	  REQUEST GUEST ZERO "c0000201", DROP_NONE,
	  /* reply, 192.0.2.1 is at 9a:55:9a:55:9a:55, to the guest */
	  "0001 0800 06 04 0002 9a559a559a55 c0000201 525400123456 c000020f" },
	{ "who has another host, 192.0.2.77",
	  REQUEST GUEST ZERO "c000024d", DROP_NONE,
	  "0001 0800 06 04 0002 9a559a559a55 c000024d 525400123456 c000020f" },
	{ "who has a host outside of the network, 8.8.8.8",
	  REQUEST GUEST ZERO "08080808", DROP_NONE,
	  "0001 0800 06 04 0002 9a559a559a55 08080808 525400123456 c000020f" },
	{ "unicast, asker has an address that was not assigned: 10.9.8.7; padding",
	  "9a559a559a55 525400123456 0806 0001 0800 06 04 0001 525400123456 0a090807 9a559a559a55 c0000201"
	  "000000000000000000000000000000000000", DROP_NONE,
	  "0001 0800 06 04 0002 9a559a559a55 c0000201 525400123456 0a090807" },
	{ "who has the guest's own address, asked by another address of it",
	  REQUEST "525400123456 0a090807" ZERO "c000020f", DROP_NONE, NULL },
	{ "probe (RFC 5227): 0.0.0.0 asks for 192.0.2.15",
	  REQUEST "525400123456 00000000" ZERO "c000020f", DROP_NONE, NULL },
	{ "probe for another address, 192.0.2.77",
	  REQUEST "525400123456 00000000" ZERO "c000024d", DROP_NONE, NULL },
	{ "announcement: 192.0.2.15 asks for itself",
	  REQUEST GUEST ZERO "c000020f", DROP_NONE, NULL },
	{ "announcement of another address",
	  REQUEST "525400123456 c000024d" ZERO "c000024d", DROP_NONE, NULL },
	{ "reply, as to our own request",
	  ETH "0001 0800 06 04 0002" GUEST "9a559a559a55 c0000201", DROP_NONE, NULL },
	{ "reverse request (RFC 903)",
	  ETH "0001 0800 06 04 0003" GUEST ZERO "c0000201", DROP_RESPONDER, NULL },
	{ "hardware type 6", ETH "0006 0800 06 04 0001" GUEST ZERO "c0000201", DROP_RESPONDER, NULL },
	{ "protocol 0x86dd", ETH "0001 86dd 06 04 0001" GUEST ZERO "c0000201", DROP_RESPONDER, NULL },
	{ "hardware address of 8 bytes", ETH "0001 0800 08 04 0001" GUEST ZERO "c0000201", DROP_RESPONDER, NULL },
	{ "protocol address of 16 bytes", ETH "0001 0800 06 10 0001" GUEST ZERO "c0000201", DROP_RESPONDER, NULL },
	{ "multicast hardware address", REQUEST "010000000001 c000020f" ZERO "c0000201", DROP_RESPONDER, NULL },
	{ "no hardware address", REQUEST "000000000000 c000020f" ZERO "c0000201", DROP_RESPONDER, NULL },
	{ "who has 0.0.0.0", REQUEST GUEST ZERO "00000000", DROP_RESPONDER, NULL },
	{ "who has 127.0.0.1", REQUEST GUEST ZERO "7f000001", DROP_RESPONDER, NULL },
	{ "who has 224.0.0.1", REQUEST GUEST ZERO "e0000001", DROP_RESPONDER, NULL },
	{ "who has 255.255.255.255", REQUEST GUEST ZERO "ffffffff", DROP_RESPONDER, NULL },
	{ "last byte missing", REQUEST GUEST ZERO "c00002", DROP_RESPONDER, NULL },
};

static void check_row(size_t i)
{
	static const struct mac guest = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };
	uint8_t frame[128], want[ARP_LEN], *reply;
	size_t len = r_hex(row[i].frame, frame);
	struct net c = r_net();
	struct answer a;

	test("arp: %s", row[i].name);
	eq(r_run(arp_answer, &c, frame, len, &a, &reply), row[i].rc);
	eq(a.out.len, row[i].reply ? ARP_LEN : 0);
	if (row[i].reply && a.out.len) {
		eq(r_hex(row[i].reply, want), sizeof(want));
		eq_mem(reply, want, sizeof(want));
		ok(mac_eq(&a.dmac, &guest));
	}
	for (size_t n = 0; n < 14 + 28; n++) {
		ok(r_run(arp_answer, &c, frame, n, &a, &reply) != DROP_NONE);
		eq(a.out.len, 0);
	}
}

static void test_off(void)
{
	uint8_t frame[128], *reply;
	size_t len = r_hex(row[0].frame, frame);
	struct net c = r_net();
	struct answer a;

	test("arp: silent without IPv4");
	c.ip[V4].on = false;
	eq(r_run(arp_answer, &c, frame, len, &a, &reply), DROP_POLICY);
	eq(a.out.len, 0);

	test("arp: guest without an address gets answers");
	c = r_net();
	c.ip[V4].guest.addr = (struct addr){ 0 };
	eq(r_run(arp_answer, &c, frame, len, &a, &reply), DROP_NONE);
	eq(a.out.len, ARP_LEN);
}

static void test_solicit(void)
{
	static const struct mac broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	struct net c = r_net();
	uint8_t want[ARP_LEN];
	struct answer a;

	test("arp: we ask for the guest, from the gateway's address");
	arp_solicit(&c, &r_cf.our_mac, &c.ip[V4].guest.addr, &a);
	eq(a.out.len, ARP_LEN);
	ok(mac_eq(&a.dmac, &broadcast));
	r_hex("0001 0800 06 04 0001 9a559a559a55 c0000201 000000000000 c000020f", want);
	eq_mem(a.out.b, want, sizeof(want));

	test("arp: we ask for the guest, without a gateway");
	c.ip[V4].gw = (struct addr){ 0 };
	arp_solicit(&c, &r_cf.our_mac, &c.ip[V4].guest.addr, &a);
	r_hex("0001 0800 06 04 0001 9a559a559a55 00000000 000000000000 c000020f", want);
	eq_mem(a.out.b, want, sizeof(want));
}

static void test_neighbour(void)
{
	uint8_t frame[128], want[ARP_LEN], *reply;
	size_t len = r_hex(REQUEST GUEST ZERO "c000024d", frame);
	const struct addr who = addr_from4(htonl(0xc000024d));
	struct net c = r_net();
	struct answer a;

	test("CFG-16 arp: a neighbour that is known has its own MAC address, and nobody else has it");
	know(&who);
	eq(r_run(arp_answer, &c, frame, len, &a, &reply), DROP_NONE);
	r_hex("0001 0800 06 04 0002 0200000000aa c000024d 525400123456 c000020f", want);
	eq_mem(reply, want, sizeof(want));
	ok(addr_eq(&a.src.a, &who));
	len = r_hex(REQUEST GUEST ZERO "c000024e", frame);
	eq(r_run(arp_answer, &c, frame, len, &a, &reply), DROP_NONE);
	eq_mem(reply + ARP_SHA, r_cf.our_mac.b, 6);

	test("CFG-16 arp: but who asks from that very address is told ours");
	len = r_hex("ffffffffffff 0200000000aa 0806 0001 0800 06 04 0001 0200000000aa c000020f" ZERO "c000024d", frame);
	eq(r_run(arp_answer, &c, frame, len, &a, &reply), DROP_NONE);
	eq_mem(reply + ARP_SHA, r_cf.our_mac.b, 6);
	r_hood.count = 0;

	test("RFC 5944 4.6 arp: gratuitous reply");
	arp_announce(&who, &(struct mac){ { 2, [5] = 0xbb } }, &(struct mac){ { 2, [5] = 0xcc } }, &a);
	eq(a.out.len, ARP_LEN);
	r_hex("0001 0800 06 04 0002 0200000000bb c000024d 0200000000bb c000024d", want);
	eq_mem(a.out.b, want, sizeof(want));
	r_hex("0200000000cc", want);
	eq_mem(a.dmac.b, want, 6);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		check_row(i);
	test_off();
	test_solicit();
	test_neighbour();
	return done();
}
