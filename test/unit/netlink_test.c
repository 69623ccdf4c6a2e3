/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine against a kernel of canned answers: one end of a socket pair in place of a netlink socket. What the kernel
 * would answer is queued beforehand; what it was asked can be read back.
 */

#include "../../netlink.c"
#include "../../netlink_route.c"
#include "../t.h"

static struct nl nl, to = { .fd = -1 };
static int kernel;

static uint8_t pkt[65536 + 4096];
static size_t pkt_len;
static bool pkt_open;

static void fresh(void)
{
	const int size = 1 << 20;
	int sv[2];

	if (nl.fd > 0)
		close(nl.fd);
	if (kernel > 0)
		close(kernel);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		abort();
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	nl = (struct nl){ .fd = sv[0], .seq = UINT32_MAX - 3 };	/* sequence numbers wrap in most tests */
	kernel = sv[1];
	pkt_len = 0;
	pkt_open = false;
}

/* Adds a message to the datagram in the making; @seq counts from the first request on */
static struct nlmsghdr *put(uint16_t type, uint16_t flags, uint32_t seq, const void *data, size_t len)
{
	struct nlmsghdr *nh = (void *)(pkt + pkt_len);

	memset(nh, 0, NLMSG_SPACE(len));
	*nh = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
		.nlmsg_type = type,
		.nlmsg_flags = flags,
		.nlmsg_seq = nl.seq + seq,
	};
	if (len)
		memcpy(NLMSG_DATA(nh), data, len);
	pkt_len += NLMSG_SPACE(len);
	return nh;
}

static void attr(struct nlmsghdr *nh, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((char *)nh + NLMSG_ALIGN(nh->nlmsg_len));

	*a = (struct rtattr){ .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = type };
	memcpy(RTA_DATA(a), data, len);
	nh->nlmsg_len = (uint32_t)(NLMSG_ALIGN(nh->nlmsg_len) + RTA_LENGTH(len));
	pkt_len = (size_t)((uint8_t *)nh - pkt) + NLMSG_ALIGN(nh->nlmsg_len);
}

static void sent(void)
{
	if (send(kernel, pkt, pkt_len, 0) != (ssize_t)pkt_len)
		abort();
	pkt_len = 0;
}

/* One IPv4 default route by interface @oif with @metric */
static void put_route(uint16_t flags, uint32_t seq, uint32_t oif, uint32_t metric)
{
	const struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST };
	struct nlmsghdr *nh = put(RTM_NEWROUTE, NLM_F_MULTI | flags, seq, &rtm, sizeof(rtm));

	attr(nh, RTA_OIF, &oif, sizeof(oif));
	attr(nh, RTA_PRIORITY, &metric, sizeof(metric));
}

static void put_done(uint16_t flags, uint32_t seq, int err)
{
	put(NLMSG_DONE, NLM_F_MULTI | flags, seq, &err, sizeof(err));
}

static void put_ack(uint32_t seq, int err)
{
	struct nlmsgerr e = { .error = err };

	put(NLMSG_ERROR, 0, seq, &e, sizeof(e));
}

/* Nothing is left that the next request could take for its answer */
static bool drained(void)
{
	uint8_t b;

	return recv(nl.fd, &b, 1, MSG_DONTWAIT) < 0;
}

static unsigned requests(void)
{
	unsigned n = 0;

	while (recv(kernel, pkt, sizeof(pkt), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

/* Interface of the default route */
static unsigned template(void)
{
	return nl_routes(&nl, false, 0).by_default;
}

static void test_dump(void)
{
	test("NL-01 end of the dump in the same datagram");
	fresh();
	put_route(0, 1, 3, 10);
	put_done(0, 1, 0);
	sent();
	eq(template(), 3);
	ok(drained());

	test("NL-01 end of the dump in a datagram of its own");
	fresh();
	put_route(0, 1, 3, 10);
	sent();
	put_done(0, 1, 0);
	sent();
	eq(template(), 3);
	ok(drained());

	test("NL-01 one message per datagram");
	fresh();
	for (uint32_t i = 1; i < 50; i++) {
		put_route(0, 1, i, 100 - i);
		sent();
	}
	put_done(0, 1, 0);
	sent();
	eq(template(), 49);
	ok(drained());

	test("NL-01 end of the dump without error number");
	fresh();
	put_route(0, 1, 3, 10);
	put(NLMSG_DONE, NLM_F_MULTI, 1, NULL, 0);
	sent();
	eq(template(), 3);

	test("NL-02 answers to an earlier request are passed over");
	fresh();
	put_route(0, 0, 7, 1);
	put_done(0, 0, 0);
	put_route(0, 1, 3, 10);
	sent();
	put_ack(0, -EINVAL);
	put_done(0, 0, 0);
	put_done(0, 1, 0);
	sent();
	eq(template(), 3);
	ok(drained());

	test("NL-02 after a dump, the next one has its own answers only");
	fresh();
	put_route(0, 1, 3, 10);
	put_done(0, 1, 0);
	sent();
	put_route(0, 2, 4, 10);
	put_done(0, 2, 0);
	sent();
	eq(template(), 3);
	eq(template(), 4);
	ok(drained());

	test("no answer at all");
	fresh();
	eq(template(), 0);

	test("dump refused");
	fresh();
	put_route(0, 1, 3, 10);
	put_done(0, 1, -EPERM);
	sent();
	eq(template(), 0);
	put_ack(1, -EOPNOTSUPP);
	sent();
	eq(template(), 0);
	ok(drained());

	test("dump of a table that doesn't exist yet");
	fresh();
	put_done(0, 1, -ENOENT);
	sent();
	ok(!nl_routes(&nl, false, 3).by_default);
	put_ack(1, -ENOENT);
	sent();
	ok(!nl_routes(&nl, false, 3).other);
	put_ack(1, -ENOENT);
	sent();
	eq(nl_route_copy(&(struct nl_copy){ .from = &nl, .to = &to }), 0);
	ok(drained());
}

static void test_interrupted(void)
{
	test("CFG-17 interrupted dump: repeated, its first half forgotten");
	fresh();
	put_route(0, 1, 7, 1);
	sent();
	put_route(NLM_F_DUMP_INTR, 1, 8, 2);
	put_done(NLM_F_DUMP_INTR, 1, 0);
	sent();
	put_route(0, 2, 3, 10);
	put_done(0, 2, 0);
	sent();
	eq(template(), 3);
	ok(drained());
	eq(requests(), 2);

	test("CFG-17 flag on the last message only");
	fresh();
	put_route(0, 1, 7, 1);
	put_done(NLM_F_DUMP_INTR, 1, 0);
	put_route(0, 2, 3, 10);
	put_done(0, 2, 0);
	sent();
	put_route(0, 2, 3, 10);
	put_done(0, 2, 0);
	sent();
	eq(template(), 3);

	test("CFG-17 interrupted without end: goes on with what it has");
	fresh();
	for (uint32_t i = 1; i <= DUMP_TRIES; i++) {
		put_route(NLM_F_DUMP_INTR, i, i, 10);
		put_done(NLM_F_DUMP_INTR, i, 0);
		sent();
	}
	eq(template(), DUMP_TRIES);
	ok(drained());
	eq(requests(), DUMP_TRIES);

	test("CFG-17 another dump still running");
	fresh();
	put_ack(1, -EBUSY);
	sent();
	put_route(0, 2, 3, 10);
	put_done(0, 2, 0);
	sent();
	eq(template(), 3);
}

static void test_malformed(void)
{
	const struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST };
	const uint32_t oif = 7, table = 1000;
	struct rtmsg other = rtm;
	struct nlmsghdr *nh;
	struct rtattr *a;

	test("routes of other tables and other types, from a kernel that doesn't filter");
	fresh();
	other.rtm_table = 77;
	attr(put(RTM_NEWROUTE, 0, 1, &other, sizeof(other)), RTA_OIF, &oif, sizeof(oif));
	nh = put(RTM_NEWROUTE, 0, 1, &rtm, sizeof(rtm));
	attr(nh, RTA_OIF, &oif, sizeof(oif));
	attr(nh, RTA_TABLE, &table, sizeof(table));
	other = rtm;
	other.rtm_type = RTN_UNREACHABLE;
	attr(put(RTM_NEWROUTE, 0, 1, &other, sizeof(other)), RTA_OIF, &oif, sizeof(oif));
	other = rtm;
	other.rtm_flags = RTM_F_CLONED;
	attr(put(RTM_NEWROUTE, 0, 1, &other, sizeof(other)), RTA_OIF, &oif, sizeof(oif));
	put_route(0, 1, 3, 10);
	put_done(0, 1, 0);
	sent();
	eq(template(), 3);

	test("datagram larger than the buffer: what is in it is lost, the rest is read");
	fresh();
	while (pkt_len < sizeof(query_buf) + 1000)
		put_route(0, 1, 7, 1);
	sent();
	put_route(0, 1, 3, 10);
	put_done(0, 1, 0);
	sent();
	eq(template(), 3);
	ok(drained());

	test("messages cut short, attributes beyond their end, routes without interface");
	fresh();
	put(RTM_NEWROUTE, 0, 1, &rtm, sizeof(rtm) - 1);
	put(RTM_NEWROUTE, 0, 1, NULL, 0);
	put(RTM_NEWROUTE, 0, 1, &rtm, sizeof(rtm));
	nh = put(RTM_NEWROUTE, 0, 1, &rtm, sizeof(rtm));
	attr(nh, RTA_OIF, "\7\0\0", 2);
	nh = put(RTM_NEWROUTE, 0, 1, &rtm, sizeof(rtm));
	attr(nh, RTA_OIF, "\7\0\0", 4);
	a = (void *)((char *)nh + NLMSG_SPACE(sizeof(rtm)));
	a->rta_len = 100;
	nh = put(RTM_NEWROUTE, 0, 1, &rtm, sizeof(rtm));
	attr(nh, RTA_MULTIPATH, "\3\0\0\0\0\0\0", 8);
	nh = put(RTM_NEWROUTE, 0, 1, &rtm, sizeof(rtm));
	attr(nh, RTA_MULTIPATH, "\50\0\0\0\1\0\0", 8);
	put_route(0, 1, 3, 10);
	put_done(0, 1, 0);
	sent();
	eq(template(), 3);
	ok(drained());
}

static void test_changes(void)
{
	struct addr gw = addr_from4(htonl(0xc0000201));
	const struct nlmsghdr *nh;
	const struct timeval limit = { .tv_usec = 20000 };
	size_t len, n = 0;
	uint64_t begin;

	test("change: accepted, in effect already, refused");
	fresh();
	put_ack(1, 0);
	sent();
	put_ack(2, -EEXIST);
	sent();
	put_ack(3, -EPERM);
	sent();
	eq(nl_link_up(&nl, 3), 0);
	eq(nl_addr_add(&nl, 3, &gw, 24), 0);
	eq(nl_link_set(&nl, 3, IFLA_MTU, 1500), -EPERM);
	eq(nl_link_up(&nl, 3), -ETIMEDOUT);
	ok(drained());

	test("FOL-14 of a process, an answer is waited for: a time limit, as often as the line has it");
	eq(setsockopt(nl.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	for (nl.waits = 1; nl.waits <= 5; nl.waits += 4) {
		begin = now_us();
		eq(nl_link_up(&nl, 3), -ETIMEDOUT);
		ok(now_us() - begin >= nl.waits * 20000ULL);
	}
	nl.waits = 0;
	ok(drained());

	test("NL-07 default route to a gateway outside: on-link, only if it has to be");
	fresh();
	put_ack(1, -ENETUNREACH);
	sent();
	put_ack(2, 0);
	sent();
	put_ack(3, 0);
	sent();
	eq(nl_route_add_default(&nl, 3, &gw), 0);
	eq(nl_route_add_default(&nl, 3, &gw), 0);
	ok(drained());
	eq(requests(), 3);

	test("held requests go in one datagram, the link's coming up and its routes");
	fresh();
	put_ack(2, -EEXIST);
	put_ack(1, 0);
	sent();
	put_ack(9, -EINVAL);
	put_ack(3, -EINVAL);
	sent();
	nl_hold(&nl);
	eq(nl_link_up(&nl, 3), 0);
	eq(nl_route_add_default(&nl, 3, &gw), 0);
	eq(requests(), 0);
	eq(nl_release(&nl), 0);
	eq(nl.done, 1);
	eq(nl.refused, 1);
	eq(nl.err, -EINVAL);
	len = (size_t)recv(kernel, pkt, sizeof(pkt), MSG_DONTWAIT);
	for (nh = (const void *)pkt; NLMSG_OK(nh, len); nh = NLMSG_NEXT(nh, len))
		eq(nh->nlmsg_type, n++ ? RTM_NEWROUTE : RTM_NEWLINK);
	eq(n, 3);
	eq(requests(), 0);

	test("more requests than fit are sent early");
	fresh();
	for (uint32_t i = 1; i <= 3 * HELD_MAX + 1; i++) {
		put_ack(i, 0);
		sent();
	}
	nl_hold(&nl);
	for (unsigned i = 0; i < 3 * HELD_MAX + 1; i++)
		eq(nl_link_up(&nl, i), 0);
	eq(requests(), 3);
	eq(nl_release(&nl), 0);
	eq(requests(), 1);
	eq(nl.done, 3 * HELD_MAX + 1);
	ok(drained());

	test("answers to held requests missing");
	fresh();
	put_ack(1, 0);
	sent();
	nl_hold(&nl);
	nl_link_up(&nl, 3);
	nl_link_up(&nl, 3);
	eq(nl_release(&nl), -ETIMEDOUT);
}

/* One address of interface 3 */
static void put_addr(uint8_t family, uint32_t flags, uint8_t plen, uint8_t last)
{
	struct ifaddrmsg ifa = { .ifa_family = family, .ifa_prefixlen = plen, .ifa_index = 3 };
	uint8_t a[16] = { 0x20, 1, 0xd, 0xb8, [15] = last };
	struct nlmsghdr *nh = put(RTM_NEWADDR, NLM_F_MULTI, 1, &ifa, sizeof(ifa));

	attr(nh, IFA_ADDRESS, a, sizeof(a));
	attr(nh, IFA_FLAGS, &flags, sizeof(flags));
}

static void test_addr(void)
{
	struct addr a;
	uint8_t plen;

	test("NL-18 temporary, tentative, failed, deprecated, of another family: none of them, if there is another");
	fresh();
	put_addr(AF_INET6, IFA_F_TEMPORARY, 64, 1);
	put_addr(AF_INET6, IFA_F_PERMANENT, 64, 2);
	put_addr(AF_INET6, IFA_F_PERMANENT | IFA_F_TENTATIVE, 65, 3);
	put_addr(AF_INET6, IFA_F_PERMANENT | IFA_F_DADFAILED, 66, 4);
	put_addr(AF_INET6, IFA_F_PERMANENT | IFA_F_DEPRECATED, 67, 5);
	put_addr(AF_INET, IFA_F_PERMANENT, 32, 6);
	put_addr(AF_INET6, IFA_F_PERMANENT, 129, 7);
	put_done(0, 1, 0);
	sent();
	ok(nl_addr_get(&nl, true, 3, NULL, &a, &plen));
	eq(a.b[15], 2);
	eq(plen, 64);

	test("a temporary IPv6 address, if it is the only one; not another interface's");
	fresh();
	put_addr(AF_INET6, IFA_F_TEMPORARY, 64, 1);
	put_done(0, 1, 0);
	sent();
	ok(nl_addr_get(&nl, true, 3, NULL, &a, &plen));
	eq(a.b[15], 1);
	put_addr(AF_INET6, IFA_F_PERMANENT, 64, 1);
	put_done(0, 1, 0);
	sent();
	ok(!nl_addr_get(&nl, true, 4, NULL, &a, &plen));
}

/* Object without a dump: the answer, then an acknowledgement */
static void test_link(void)
{
	const struct ifinfomsg ifi = { .ifi_index = 5, .ifi_type = ARPHRD_ETHER };
	const struct ifinfomsg tun = { .ifi_index = 6, .ifi_type = ARPHRD_NONE };
	const struct mac mac = { { 2, 0, 0, 0, 0, 9 } };
	const uint32_t mtu = 1420;
	struct nl_ifinfo info;
	struct nlmsghdr *nh;

	test("link: MAC address, MTU");
	fresh();
	nh = put(RTM_NEWLINK, 0, 1, &ifi, sizeof(ifi));
	attr(nh, IFLA_IFNAME, "eth0", 5);
	attr(nh, IFLA_ADDRESS, mac.b, 6);
	attr(nh, IFLA_MTU, &mtu, 4);
	sent();
	put_ack(1, 0);
	sent();
	nh = put(RTM_NEWLINK, 0, 2, &ifi, sizeof(ifi));
	put_ack(2, 0);
	sent();
	put_ack(3, -ENODEV);
	sent();
	eq(nl_link_get(&nl, 5, NULL, &info), 0);
	eq(info.ifindex, 5);
	eq(info.mtu, 1420);
	ok(mac_eq(&info.mac, &mac));
	eq(nl_ifindex(&nl, "eth0"), 5);
	eq(nl_ifindex(&nl, "eth0"), 0);
	eq(nl_ifindex(&nl, "0123456789abcdef"), 0);
	ok(drained());

	test("NL-16 link without MAC address; a name without end does no harm");
	fresh();
	nh = put(RTM_NEWLINK, 0, 1, &tun, sizeof(tun));
	attr(nh, IFLA_IFNAME, "0123456789abcdefghij", 20);
	attr(nh, IFLA_ADDRESS, mac.b, 6);
	put_ack(1, 0);
	sent();
	eq(nl_link_get(&nl, 6, NULL, &info), 0);
	ok(mac_is_zero(&info.mac));
}

static void test_gro(void)
{
	const uint32_t old = 65536, size = 262144;
	const struct ifinfomsg ifi = { .ifi_index = 5 };
	const struct rtattr *tb[IFLA_GRO_IPV4_MAX_SIZE + 1];
	struct nl_ifinfo info;
	struct nlmsghdr *nh;
	ssize_t n;

	test("link: largest packet merged from received ones, of each family; 0 if the kernel doesn't say");
	for (unsigned i = 0; i < 4; i++) {
		fresh();
		nh = put(RTM_NEWLINK, 0, 1, &ifi, sizeof(ifi));
		if (i & 1)
			attr(nh, IFLA_GRO_MAX_SIZE, &old, 4);
		if (i & 2)
			attr(nh, IFLA_GRO_IPV4_MAX_SIZE, &size, 4);
		attr(nh, 65, &size, 4);				/* newer than we are */
		put_ack(1, 0);
		sent();
		eq(nl_link_get(&nl, 5, NULL, &info), 0);
		eq(info.gro6, i & 1 ? old : 0);
		eq(info.gro4, i & 2 ? size : 0);
		requests();
	}

	test("link: it is set for both families, and a kernel that refuses it says so");
	fresh();
	put_ack(1, 0);
	sent();
	eq(nl_link_gro(&nl, 5, size), 0);
	n = recv(kernel, pkt, sizeof(pkt), MSG_DONTWAIT);
	nh = (void *)pkt;
	ok(n > 0 && NLMSG_OK(nh, (size_t)n) && nh->nlmsg_type == RTM_NEWLINK);
	eq(((struct ifinfomsg *)NLMSG_DATA(nh))->ifi_index, 5);
	eq(((struct ifinfomsg *)NLMSG_DATA(nh))->ifi_change, 0);
	attrs_read(nh, sizeof(ifi), tb, ARRAY_SIZE(tb) - 1);
	eq(attr_u32(tb[58], 0), size);
	eq(attr_u32(tb[64], 0), size);
	put_ack(1, -EINVAL);
	sent();
	eq(nl_link_gro(&nl, 5, size), -EINVAL);
}

static void put_type(uint32_t seq, uint8_t type)
{
	const struct rtmsg rtm = { .rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_type = type };

	put(RTM_NEWROUTE, 0, seq, &rtm, sizeof(rtm));
}

static void test_route_type(void)
{
	struct addr a = addr_loopback4;

	test("type of a route, behind the answer to an earlier question");
	fresh();
	put_type(0, RTN_BROADCAST);
	sent();
	put_type(1, RTN_LOCAL);
	sent();
	eq(nl_route_type(&nl, &a), RTN_LOCAL);
	ok(drained());
	eq(requests(), 1);

	test("type of a route: no route is no error, all else is");
	for (unsigned i = 0; i < 5; i++) {
		static const int err[] = { -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL, -EPERM };

		fresh();
		put_ack(1, err[i]);
		sent();
		eq(nl_route_type(&nl, &a), i < 3 ? RTN_UNREACHABLE : err[i]);
	}
	fresh();
	eq(nl_route_type(&nl, &a), -ETIMEDOUT);

	test("type of a route, of this kernel");
	if (ok(!nl_open(&nl, NETLINK_ROUTE))) {
		eq(nl_route_type(&nl, &a), RTN_LOCAL);
		a = addr_loopback6;
		ok(nl_route_type(&nl, &a) == RTN_LOCAL || access("/proc/net/if_inet6", F_OK));
	}
}

int main(void)
{
	test_route_type();
	test_dump();
	test_interrupted();
	test_malformed();
	test_changes();
	test_addr();
	test_link();
	test_gro();
	return done();
}
