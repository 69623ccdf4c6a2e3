/* SPDX-License-Identifier: GPL-2.0-or-later */
/* neigh_test.c - neighbours of the host, from a kernel of canned messages: a socket pair in place of a netlink socket
 */

#include <fcntl.h>
#include <unistd.h>

#include "../../neigh.c"
#include "../addresses.h"
#include "../t.h"

#define IF4	4
#define IF6	6

static struct neighs n;
static struct conf cf;
static struct net net;
static int kernel = -1;

static const struct mac ours = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } };
static const struct mac one = { { 2, 0, 0, 0, 0, 1 } }, two = { { 2, 0, 0, 0, 0, 2 } };

static void fresh(void)
{
	int sv[2];

	if (kernel >= 0) {
		close(kernel);
		close(n.nl.fd);
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		abort();
	kernel = sv[1];
	fcntl(kernel, F_SETFL, O_NONBLOCK);
	cf = (struct conf){ .our_mac = ours };
	net.cf = &cf;
	net.ip[V4] = (struct net_ip){
		.on = true, .ifindex = IF4, .guest = { .addr = A("192.0.2.2"), .plen = 24, .ll = addr_any4 },
		.gw = A("192.0.2.1"),
		.map_loopback = A("192.0.2.1"), .map_guest = A("192.0.2.9"), .dns_forward = A("192.0.2.8"),
		.our_ll = addr_any4,
	};
	net.ip[V6] = (struct net_ip){
		.on = true, .ifindex = IF6, .guest = { A("2001:db8::2"), 64, .ll = A("fe80::2") }, .gw = A("fe80::99"),
		.our_ll = A("fe80::1"),
	};
	n = (struct neighs){ .net = &net, .nl.fd = sv[0], .key = { 123, 456 }, .ll = true };
}

/* A message of the kernel's in the making, and several of them in one datagram */
static alignas(NLMSG_ALIGNTO) uint8_t out[65536];
static size_t out_len;

static struct nlmsghdr *put_msg(uint16_t type, uint16_t flags, uint32_t seq, const void *fixed, size_t len)
{
	struct nlmsghdr *nh = (void *)(out + out_len);

	*nh = (struct nlmsghdr){ .nlmsg_len = (uint32_t)NLMSG_LENGTH(len), .nlmsg_type = type, .nlmsg_flags = flags,
				 .nlmsg_seq = seq };
	memcpy(NLMSG_DATA(nh), fixed, len);
	out_len += NLMSG_ALIGN(nh->nlmsg_len);
	return nh;
}

static void put_attr(struct nlmsghdr *nh, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (void *)(out + out_len);

	*a = (struct rtattr){ .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type };
	memcpy(RTA_DATA(a), data, len);
	out_len += RTA_SPACE(len);
	nh->nlmsg_len = (uint32_t)(out + out_len - (uint8_t *)nh);
}

/* @mac: NULL for none; of @mac_len bytes */
static void put_neigh_len(uint16_t type, struct ndmsg ndm, const struct addr *a, const void *mac, size_t mac_len)
{
	struct nlmsghdr *nh;
	uint8_t b[16];

	ndm.ndm_family = ndm.ndm_family ? ndm.ndm_family : addr_is_v4(a) ? AF_INET : AF_INET6;
	ndm.ndm_ifindex = ndm.ndm_ifindex ? ndm.ndm_ifindex : addr_is_v4(a) ? IF4 : IF6;
	nh = put_msg(type, 0, 0, &ndm, sizeof(ndm));
	addr_to_bytes(a, b);
	put_attr(nh, NDA_DST, b, addr_is_v4(a) ? 4 : 16);
	if (mac)
		put_attr(nh, NDA_LLADDR, mac, mac_len);
}

static void put_neigh(uint16_t type, uint16_t state, const char *a, const struct mac *mac)
{
	struct addr addr = A(a);

	put_neigh_len(type, (struct ndmsg){ .ndm_state = state }, &addr, mac, sizeof(mac->b));
}

static void sent(void)
{
	if (send(kernel, out, out_len, 0) != (ssize_t)out_len)
		abort();
	out_len = 0;
}

/* All that there is: how many neighbours were named, the last one in @last */
static unsigned heard(struct addr *last)
{
	unsigned count = 0;
	struct addr a;

	if (out_len)
		sent();
	while (neigh_read(&n) != -EAGAIN)
		while (neigh_next(&n, &a)) {
			count++;
			if (last)
				*last = a;
		}
	return count;
}

static void done_msg(uint16_t type, uint16_t flags, uint32_t seq)
{
	const int err = type == NLMSG_ERROR ? -EBUSY : 0;

	put_msg(type, (uint16_t)(NLM_F_MULTI | flags), seq, &err, sizeof(err));
}

static bool has(const char *s, const struct mac *mac)
{
	static const struct mac guest = { { 2, 9, 9, 9, 9, 9 } };
	struct addr a = A(s);

	return mac_eq(neigh_mac(&n, &net, &a, &guest), mac);
}

static void test_basic(void)
{
	const struct addr last = A("fe80::10");
	struct addr a;

	test("CFG-16 a neighbour has its own MAC address, everybody else ours, in both families");
	fresh();
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
	put_neigh(RTM_NEWNEIGH, NUD_STALE, "2001:db8::10", &two);
	put_neigh(RTM_NEWNEIGH, NUD_STALE, "fe80::10", &two);
	eq(heard(&a), 3);
	ok(addr_eq(&a, &last));
	ok(has("192.0.2.10", &one) && has("2001:db8::10", &two) && has("fe80::10", &two));
	ok(has("192.0.2.11", &ours) && has("2001:db8::11", &ours) && has("198.51.100.7", &ours));

	test("a change of it, and its end, by RTM_DELNEIGH or a state without address");
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &two);
	eq(heard(&a), 1);
	ok(has("192.0.2.10", &two));
	put_neigh(RTM_DELNEIGH, NUD_STALE, "192.0.2.10", &two);
	put_neigh(RTM_DELNEIGH, NUD_STALE, "192.0.2.77", &two);
	put_neigh(RTM_NEWNEIGH, NUD_FAILED, "2001:db8::10", &two);
	put_neigh(RTM_NEWNEIGH, NUD_INCOMPLETE, "fe80::10", NULL);
	eq(heard(&a), 0);
	ok(has("192.0.2.10", &ours) && has("2001:db8::10", &ours) && has("fe80::10", &ours));
	eq(n.count, 0);

	test("the guest's own MAC address is never a neighbour's");
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
	eq(heard(&a), 1);
	ok(mac_eq(neigh_mac(&n, &net, &a, &one), &ours) && mac_eq(neigh_mac(&n, &net, &a, &two), &one));
}

static void test_states(void)
{
	static const uint16_t known[] = { NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT };
	static const uint16_t not[] = { NUD_NONE, NUD_INCOMPLETE, NUD_FAILED, NUD_NOARP };

	test("states in which the address is known, and others");
	fresh();
	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		put_neigh(RTM_NEWNEIGH, known[i], "192.0.2.10", &one);
		eq(heard(NULL), 1);
		ok(has("192.0.2.10", &one));
	}
	for (unsigned i = 0; i < ARRAY_SIZE(not); i++) {
		put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
		put_neigh(RTM_NEWNEIGH, not[i], "192.0.2.10", &one);
		eq(heard(NULL), 1);
		ok(has("192.0.2.10", &ours));
	}
}

static void test_ours(void)
{
	static const char *const host[] = {
		"192.0.2.1", "192.0.2.2", "192.0.2.8", "192.0.2.9", "2001:db8::2", "fe80::1", "fe80::2",
		"127.0.0.1", "::1", "224.0.0.1", "255.255.255.255", "ff02::1",
	};
	static const struct mac bad[] = { { { 0 } }, { { 1, 0, 0, 0, 0, 1 } }, { { 255, 255, 255, 255, 255, 255 } } };
	struct addr a = A("192.0.2.10");

	for (unsigned i = 0; i < ARRAY_SIZE(host); i++) {
		test("%s is the host, or nobody, whatever the kernel has for it", host[i]);
		fresh();
		put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, host[i], &one);
		eq(heard(NULL), 0);
		eq(n.count, 0);
		ok(has(host[i], &ours));
	}

	test("a gateway that isn't mapped is a neighbour, link-local or not");
	fresh();
	net.ip[V4].map_loopback = addr_any4;
	net.ip[V6].our_ll = A("fe80::99");
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.1", &one);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "fe80::99", &two);
	eq(heard(NULL), 2);
	ok(has("192.0.2.1", &one) && has("fe80::99", &two));

	test("where the guest has another network than the host, only hosts in that, and the gateway");
	fresh();
	cf.ip[V4].addr = net.ip[V4].guest.addr;
	cf.ip[V6].addr = net.ip[V6].guest.addr;
	net.ip[V4].map_loopback = addr_any4;
	net.ip[V4].gw = A("10.0.0.1");
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.3.10", &one);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "2001:db8:1::10", &one);
	eq(heard(NULL), 0);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "10.0.0.1", &one);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "fe80::10", &one);
	eq(heard(NULL), 3);

	test("addresses that are none, and link layers that are not Ethernet");
	fresh();
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &bad[i]);
	for (size_t len = 0; len < 33; len++)
		if (len != 6)
			put_neigh_len(RTM_NEWNEIGH, (struct ndmsg){ .ndm_state = NUD_REACHABLE }, &a, out, len);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", NULL);
	eq(heard(NULL), 0);
	eq(n.count, 0);
}

static void test_not(void)
{
	static const struct ndmsg no[] = {
		{ .ndm_ifindex = IF6 }, { .ndm_ifindex = -1 }, { .ndm_ifindex = 77 }, { .ndm_family = AF_BRIDGE },
		{ .ndm_family = AF_INET6 }, { .ndm_flags = NTF_PROXY },
	};
	const struct ndmsg six = { .ndm_family = AF_INET6, .ndm_ifindex = IF6, .ndm_state = NUD_STALE };
	struct addr a = A("192.0.2.10"), mapped = A("192.0.2.10");
	struct nlmsghdr *nh;
	size_t len;

	test("other interfaces, families, proxies");
	fresh();
	for (unsigned i = 0; i < ARRAY_SIZE(no); i++) {
		struct ndmsg ndm = no[i];

		ndm.ndm_state = NUD_REACHABLE;
		put_neigh_len(RTM_NEWNEIGH, ndm, &a, one.b, 6);
	}
	put_neigh(RTM_NEWLINK, NUD_REACHABLE, "192.0.2.10", &one);
	eq(heard(NULL), 0);
	nh = put_msg(RTM_NEWNEIGH, 0, 0, &six, sizeof(six));
	put_attr(nh, NDA_DST, mapped.b, 16);	/* ::ffff:192.0.2.10 is no address of IPv4 */
	put_attr(nh, NDA_LLADDR, one.b, 6);
	net.ip[V6].on = false;
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "2001:db8::10", &one);
	eq(heard(NULL), 0);
	eq(n.count, 0);

	test("messages that are cut short anywhere, or say so");
	fresh();
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
	len = out_len;
	for (size_t k = 0; k < len; k++) {
		out_len = k;
		if (k)
			sent();
		eq(heard(NULL), 0);
	}
	for (uint32_t k = 0; k < 300; k++) {
		out_len = 0;
		put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
		((struct nlmsghdr *)(void *)out)->nlmsg_len = k;
		heard(NULL);
	}
	for (unsigned k = 0; k < 256; k++) {
		out_len = 0;
		put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
		out[NLMSG_LENGTH(sizeof(struct ndmsg))] = (uint8_t)k;	/* length of the first attribute */
		heard(NULL);
	}
	ok(n.count <= 1);
}

/* The request that was sent, as the kernel would see it: its sequence number */
static uint32_t asked(void)
{
	struct {
		struct nlmsghdr nh;
		struct ndmsg ndm;
		uint8_t rest[100];
	} req = { 0 };
	ssize_t len = recv(kernel, &req, sizeof(req), 0);

	ok(len >= (ssize_t)(sizeof(req.nh) + sizeof(req.ndm)) && req.nh.nlmsg_type == RTM_GETNEIGH);
	ok((req.nh.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && req.ndm.ndm_family == AF_UNSPEC && !req.ndm.ndm_ifindex);
	return req.nh.nlmsg_seq;
}

static void test_dump(void)
{
	uint32_t seq;

	test("a dump takes away what is gone, and keeps what came meanwhile");
	fresh();
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.11", &one);
	heard(NULL);
	n.lost = true;
	eq(neigh_dump(&n), 0);
	ok(!n.lost && n.dumping);
	eq(neigh_dump(&n), -EBUSY);
	seq = asked();
	put_neigh(RTM_NEWNEIGH, NUD_STALE, "192.0.2.10", &two);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.12", &one);
	done_msg(NLMSG_DONE, 0, seq - 1);
	eq(heard(NULL), 2);
	ok(n.dumping && has("192.0.2.11", &one));
	done_msg(NLMSG_DONE, 0, seq);
	eq(heard(NULL), 0);
	ok(!n.dumping && has("192.0.2.10", &two) && has("192.0.2.11", &ours) && has("192.0.2.12", &one));
	eq(n.count, 2);

	test("CFG-17 an interrupted one, or one that failed, takes nothing away");
	for (unsigned k = 0; k < 2; k++) {
		eq(neigh_dump(&n), 0);
		seq = asked();
		done_msg(k ? NLMSG_ERROR : NLMSG_DONE, NLM_F_DUMP_INTR, seq);
		heard(NULL);
		ok(!n.dumping);
		eq(n.count, 2);
	}

	test("a datagram larger than there is room for counts as lost");
	ok(!n.lost);
	memset(out, 0, sizeof(out));
	out_len = DATAGRAM_MAX + 4;
	sent();
	eq(neigh_read(&n), -ENOBUFS);
	ok(n.lost);
	eq(neigh_read(&n), -EAGAIN);
}

static void test_full(void)
{
	struct addr a = A("2001:db8::1:0:0");
	unsigned known = 0;
	struct addr keep = A("192.0.2.10");

	test("as many as there may be and more: the table stays what it is, and the latest are in it");
	fresh();
	for (unsigned i = 0; i < 50000; i++) {
		put_be16(a.b + 12, (uint16_t)(i >> 16));
		put_be16(a.b + 14, (uint16_t)i);
		put_neigh_len(RTM_NEWNEIGH, (struct ndmsg){ .ndm_state = NUD_STALE }, &a, one.b, 6);
		put_neigh_len(RTM_NEWNEIGH, (struct ndmsg){ .ndm_state = NUD_STALE }, &keep, two.b, 6);
		if (i % 40 == 0)
			heard(NULL);
	}
	heard(NULL);
	eq(n.count, NEIGH_MAX);
	ok(has("192.0.2.10", &two));
	for (unsigned i = 49999; i > 49999 - 256; i--) {
		put_be16(a.b + 12, (uint16_t)(i >> 16));
		put_be16(a.b + 14, (uint16_t)i);
		known += mac_eq(neigh_mac(&n, &net, &a, &two), &one);
	}
	ok(known > 240);
	eq(neigh_dump(&n), 0);
	done_msg(NLMSG_DONE, 0, asked());
	heard(NULL);
	eq(n.count, 0);
}

/* Does @out pass the filter? */
static bool passes(void)
{
	uint8_t b[1024];

	sent();
	return recv(n.nl.fd, b, sizeof(b), MSG_DONTWAIT) > 0;
}

static bool passes_neigh(uint16_t type, uint16_t state, const char *a, const struct mac *mac)
{
	put_neigh(type, state, a, mac);
	return passes();
}

static void test_filter(void)
{
	struct addr a4 = A("192.0.2.10"), a6 = A("fe80::10");
	const struct ndmsg wrong[] = {
		{ .ndm_ifindex = 77 }, { .ndm_ifindex = IF4 << 8 }, { .ndm_family = AF_BRIDGE },
		{ .ndm_type = RTN_MULTICAST }, { .ndm_type = RTN_BROADCAST },
	};
	static const char *const host[] = { "192.0.2.1", "192.0.2.8", "192.0.2.9" };
	int err[5] = { 0 };

	test("notifications of other interfaces, families, and of the host are not even received");
	fresh();
	eq(neigh_filter(&n, false), 0);
	ok(passes_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_STALE, "fe80::10", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_FAILED, "192.0.2.10", NULL));
	ok(passes_neigh(RTM_DELNEIGH, NUD_FAILED, "fe80::10", NULL));
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		put_neigh_len(RTM_NEWNEIGH, wrong[i], &a4, one.b, 6);
		ok(!passes());
		put_neigh_len(RTM_DELNEIGH, wrong[i], &a6, one.b, 6);
		ok(!passes());
	}
	for (unsigned i = 0; i < ARRAY_SIZE(host); i++)
		ok(!passes_neigh(RTM_NEWNEIGH, NUD_REACHABLE, host[i], &one));

	test("but all of a dump is, its end and errors included");
	put_neigh_len(RTM_NEWNEIGH, wrong[0], &a4, one.b, 6);
	((struct nlmsghdr *)(void *)out)->nlmsg_flags = NLM_F_MULTI;
	ok(passes());
	done_msg(NLMSG_DONE, 0, 1);
	ok(passes());
	put_msg(NLMSG_ERROR, 0, 1, err, sizeof(err));
	ok(passes());
}

static void test_link_local(void)
{
	struct addr a = A("2001:db8::10"), our_ll = A("fe80::1"), ll = A("fe80::10");

	test("link-local neighbours are followed once a guest has asked for one");
	fresh();
	n.ll = false;
	eq(neigh_filter(&n, false), 0);
	ok(!passes_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "fe80::10", &one));
	ok(!passes_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "febf::10", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "fec0::10", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "2001:db8::10", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "254.128.0.1", &one));
	neigh_asked(&n, &a);
	neigh_asked(&n, &our_ll);
	ok(!n.ll && !n.dumping);
	neigh_asked(&n, &ll);
	ok(n.ll && n.dumping && asked());
	neigh_asked(&n, &ll);
	ok(recv(kernel, out, sizeof(out), 0) < 0);
	ok(passes_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "fe80::10", &one));
}

static void test_known(void)
{
	test("what is known already is not received again, and any other is");
	fresh();
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "192.0.2.10", &one);
	put_neigh(RTM_NEWNEIGH, NUD_REACHABLE, "2001:db8::10", &two);
	eq(heard(NULL), 2);
	ok(neigh_waits(&n));
	eq(neigh_again(&n), 0);
	ok(!neigh_waits(&n));
	for (unsigned state = NUD_REACHABLE; state <= NUD_PROBE; state <<= 1) {
		ok(!!(state & NEIGH_STATES) != passes_neigh(RTM_NEWNEIGH, (uint16_t)state, "192.0.2.10", &one));
		ok(!!(state & NEIGH_STATES) != passes_neigh(RTM_NEWNEIGH, (uint16_t)state, "2001:db8::10", &two));
	}
	ok(passes_neigh(RTM_NEWNEIGH, NUD_STALE, "192.0.2.10", &two));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_STALE, "192.0.2.11", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_STALE, "2001:db8::10", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_STALE, "2001:db8::11", &two));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_STALE, "2001:db8:0:1::10", &two));
	ok(passes_neigh(RTM_DELNEIGH, NUD_STALE, "192.0.2.10", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_FAILED, "192.0.2.10", NULL));

	test("once it has changed, everything is received, and all neighbours are read again");
	put_neigh(RTM_NEWNEIGH, NUD_STALE, "192.0.2.10", &two);
	eq(heard(NULL), 1);
	ok(n.lost && neigh_waits(&n));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_STALE, "192.0.2.10", &one));
	eq(neigh_again(&n), 0);
	eq(neigh_again(&n), 0);
	ok(n.dumping && n.dirty && !neigh_waits(&n));
	put_neigh(RTM_NEWNEIGH, NUD_STALE, "192.0.2.10", &one);
	done_msg(NLMSG_DONE, 0, asked());
	eq(heard(NULL), 1);
	ok(neigh_waits(&n));
	eq(neigh_again(&n), 0);
	ok(!passes_neigh(RTM_NEWNEIGH, NUD_STALE, "192.0.2.10", &one));
	ok(passes_neigh(RTM_NEWNEIGH, NUD_STALE, "2001:db8::10", &two));

	test("the same for the end of one");
	put_neigh(RTM_DELNEIGH, NUD_STALE, "192.0.2.10", &one);
	eq(heard(NULL), 0);
	ok(n.lost && passes_neigh(RTM_NEWNEIGH, NUD_STALE, "192.0.2.10", &one));
}

int main(void)
{
	test_basic();
	test_states();
	test_ours();
	test_not();
	test_dump();
	test_full();
	test_filter();
	test_link_local();
	test_known();
	return done();
}
