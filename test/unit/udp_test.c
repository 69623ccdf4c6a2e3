/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_test.c - UDP on the kernel's own sockets, guest and network played by the test */
/* LDFLAGS: -Wl,--wrap=sendmmsg */
#include <fcntl.h>

#include "../../udp.c"
#include "../../reclaim.h"
#include "../datagrams.h"

/* sendmmsg() fails at these calls (bits, first call first), with this error */
static uint32_t fail_calls;
static int fail_errno;
static unsigned fail_short;	/* or sends no more than so many at once */

int __real_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags);

int __wrap_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags)
{
	bool fail = fail_calls & 1;

	fail_calls >>= 1;
	if (fail) {
		errno = fail_errno;
		return -1;
	}
	return __real_sendmmsg(fd, mm, fail_short ? MIN(n, fail_short) : n, flags);
}

/* Both families by one set of cases */
struct subnet {
	const char *name, *guest, *gw, *server, *server2, *router, *loopback, *group;
};

static const struct subnet nets[] = {
	{ "IPv4", "192.0.2.1", "192.0.2.254", "198.51.100.7", "198.51.100.8", "203.0.113.9", "127.0.0.1",
	  "239.255.255.250" },
	{ "IPv6", "2001:db8::1", "fe80::1", "2001:db8:1::7", "2001:db8:1::8", "2001:db8:2::9", "::1",
	  "ff15::efc0:988f" },
};

#define EACH_NET(n)	for (const struct subnet *n = nets; n < nets + ARRAY_SIZE(nets); n++)

static bool payload_is(const struct ippkt *i, const char *text)
{
	return i->good && i->len == strlen(text) && !memcmp(i->data, text, i->len);
}

static void test_both_ways(const struct subnet *n)
{
	struct end guest = E(n->guest, 40000), server = E(n->server, 7), other = E(n->server2, 7);
	struct ippkt i;

	test("%s: a datagram leaves with the guest's port, its answer comes back", n->name);
	begin(NULL);
	guest_say(&guest, &server, "question");
	if (!ok(out_read(&i)))
		return;
	ok(payload_is(&i, "question"));
	ok(end_eq(&i.src, &guest));
	ok(end_eq(&i.dst, &server));
	out_udp(&server, &guest, "answer", 6);
	run();
	if (eq(ngot, 1)) {
		ok(payload_is(&got[0].ip, "answer"));
		ok(end_eq(&got[0].ip.src, &server));
		ok(end_eq(&got[0].ip.dst, &guest));
	}
	eq(drops(), 0);

	test("%s: what no flow asked for is dropped and counted", n->name);
	got_clear();
	out_udp(&other, &guest, "unasked", 7);
	server.port++;
	out_udp(&server, &guest, "unasked", 7);
	run();
	eq(ngot, 0);
	eq(g->drops[DROP_NO_FLOW], 2);

	test("%s: same port on the host for all destinations (RFC 4787 REQ-1)", n->name);
	guest_say(&guest, &other, "second");
	ok(out_read(&i) && i.src.port == 40000);
	eq(c.flows.count[FLOW_UDP], 2);
	eq(c.flows.count[FLOW_UDP_PORT], 1);

	test("%s: datagrams without payload pass both ways", n->name);
	got_clear();
	guest_say(&guest, &other, "");
	ok(out_read(&i) && payload_is(&i, ""));
	out_udp(&other, &guest, NULL, 0);
	ok(run() < 4);
	ok(ngot == 1 && payload_is(&got[0].ip, ""));
}

static void test_port_taken(const struct subnet *n)
{
	struct end guest = E(n->guest, 40001), server = E(n->server, 7), any = { .port = 40001 };
	struct ippkt i;
	int fd;

	test("%s: another port if the guest's is taken on the host, answers come to the guest's own", n->name);
	begin(NULL);
	any.a = addr_is_v4(&guest.a) ? addr_any4 : addr_any6;
	fd = host_socket(&any);
	guest_say(&guest, &server, "question");
	if (ok(out_read(&i))) {
		ok(i.src.port != 40001);
		out_udp(&server, &i.src, "answer", 6);
		run();
		ok(ngot == 1 && end_eq(&got[0].ip.dst, &guest));
	}
	close(fd);
}

/* The namespace is the test's own, so that it has the privilege */
static void test_port_low(const struct subnet *n)
{
	static const uint16_t low[] = { 1, 53, 67, 123, 514, 547, 1023 };
	struct end guest = E(n->guest, 0), server = E(n->server, 7), gw = E(n->gw, 7), at = E(n->loopback, 7), from;
	struct ippkt i;
	char buf[8];
	int fd;

	test("%s: a low port of the guest's is none of the host's, answers come to the guest's own", n->name);
	begin(NULL);
	fd = host_socket(&at);
	for (unsigned k = 0; k < ARRAY_SIZE(low); k++) {
		guest.port = low[k];
		guest_say(&guest, &server, "question");
		if (!ok(out_read(&i)) || !ok(i.src.port >= sock_low_ports))
			continue;
		out_udp(&server, &i.src, "answer", 6);
		run();
		ok(ngot == 1 && end_eq(&got[0].ip.dst, &guest));
		got_clear();
		guest_say(&guest, &gw, "host");
		ok(host_recv(fd, buf, sizeof(buf), &from) == 4 && from.port >= sock_low_ports);
	}
	eq(low[ARRAY_SIZE(low) - 1], sock_low_ports - 1);
	guest.port = (uint16_t)sock_low_ports;
	guest_say(&guest, &server, "question");
	ok(out_read(&i) && i.src.port == guest.port);
	close(fd);
}

static void test_batch(const struct subnet *n)
{
	struct end guest = E(n->guest, 40002), server = E(n->server, 7);
	uint8_t text[1400];
	struct ippkt i;
	unsigned k;

	test("UDP-13 %s: a batch of datagrams arrives complete, in order, each once", n->name);
	begin(NULL);
	for (k = 0; k < 200; k++) {
		memset(text, (int)k, sizeof(text));
		guest_udp(k, &guest, &server, 64, text, k * 7);
	}
	guest_send(200);
	for (k = 0; k < 200 && out_read(&i); k++) {
		memset(text, (int)k, sizeof(text));
		ok(i.good && i.len == k * 7 && !memcmp(i.data, text, i.len));
	}
	eq(k, 200);
	ok(!out_read(&i));
}

#define MANY	4096			/* flows: many batches, each of as many flows as it has datagrams */

static void test_many(const struct subnet *n)
{
	struct end guest = E(n->guest, 0), server = E(n->server, 7);
	static bool seen[65536];
	unsigned unique = 0, back = 0;
	struct ippkt i;

	test("L2-15 %s: 4096 flows of one tiny datagram, in batches: each gets there, and its answer comes back",
	     n->name);
	begin(NULL);
	memset(seen, 0, sizeof(seen));
	for (unsigned k = 0; k < MANY; k += SEND_MAX) {
		for (unsigned j = 0; j < SEND_MAX; j++) {
			guest.port = (uint16_t)(10000 + k + j);
			guest_udp(j, &guest, &server, 64, "", 0);
		}
		guest_send(SEND_MAX);
		for (unsigned j = 0; j < SEND_MAX && out_read(&i); j++) {
			unique += i.good && !seen[i.src.port];
			seen[i.src.port] = true;
			out_udp(&server, &i.src, "a", 1);
		}
		run();
		back += ngot;
		got_clear();
	}
	eq(unique, MANY);
	eq(back, MANY);
	eq(c.flows.count[FLOW_UDP], MANY);
	eq(drops(), 0);
}

/* What the server on the host's loopback gets: sizes in order, bytes numbered through */
static unsigned collect(int fd, size_t *total, size_t *largest)
{
	static uint8_t buf[65536];
	unsigned n = 0;
	ssize_t len;

	*total = *largest = 0;
	while ((len = host_recv(fd, buf, sizeof(buf), NULL)) >= 0) {
		for (ssize_t k = 0; k < len; k++)
			if (buf[k] != (uint8_t)((*total + (size_t)k) * 31 >> 3))
				ok(!"byte in its place");
		*total += (size_t)len;
		*largest = MAX(*largest, (size_t)len);
		n++;
	}
	return n;
}

static void test_gso_out(const struct subnet *n)
{
	static const struct {
		size_t len, largest;
		uint16_t gso;
		unsigned pieces;
		const char *what;
	} cases[] = {
		{ 3500, 1000, 1000, 4,		"some segments, the last one shorter" },
		{ 1000, 1000, 1000, 1,		"one segment" },
		{ 60000, 1400, 1400, 43,	"as long as it gets" },
		{ 12800, 100, 100, 128,		"as many segments as a guest may claim" },
	};
	struct end guest = E(n->guest, 40003), gw = E(n->gw, 7007), at = E(n->loopback, 7007);
	static uint8_t frame[14 + 65536], text[65536];
	size_t total, largest;
	int fd;

	for (unsigned k = 0; k < sizeof(text); k++)
		text[k] = (uint8_t)(k * 31 >> 3);
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		test("%s: super-packet in %s", n->name, cases[k].what);
		begin(NULL);
		fd = host_socket(&at);
		guest_len[0] = guest_eth(frame, udp_write(frame + 14, &guest, &gw, 64, text, cases[k].len));
		guest_gso[0] = cases[k].gso;
		guest_big = frame;
		guest_send(1);
		guest_big = NULL;
		eq(collect(fd, &total, &largest), cases[k].pieces);
		eq(total, cases[k].len);
		eq(largest, cases[k].largest);
		eq(drops(), 0);
		close(fd);
	}
}

static void test_gso_in(const struct subnet *n)
{
	struct end guest = E(n->guest, 40004), gw = E(n->gw, 7008), at = E(n->loopback, 7008), from;
	const struct caps uso = { .mtu = 65535, .csum = true, .uso = true };
	static uint8_t text[12000];
	char buf[64];
	int fd, gso = 1200;

	for (int with = 1; with >= 0; with--) {
		test("%s: datagrams the kernel joined reach the guest %s", n->name,
		     with ? "as one super-packet" : "one by one");
		begin(&uso);
		fd = host_socket(&at);
		guest_say(&guest, &gw, "send");
		if (!ok(host_recv(fd, buf, sizeof(buf), &from) == 4))
			return;
		if (!with)
			g->tap.caps.uso = false;
		setsockopt(fd, SOL_UDP, UDP_SEGMENT, &gso, sizeof(gso));
		host_send(fd, &from, text, 5000);
		run();
		if (with) {
			eq(ngot, 1);
			eq(got[0].off.gso, 1200);
			ok(got[0].ip.good && got[0].ip.len == 5000);
		} else {
			eq(ngot, 5);
			for (unsigned k = 0; k < ngot; k++)
				ok(got[k].ip.good && got[k].ip.len == (k < 4 ? 1200 : 200));
		}
		close(fd);
	}
}

static void test_fragments(const struct subnet *n)
{
	static const size_t sizes[] = { 1273, 1472, 1473, 4000, 8192, 60000, 65507 };
	struct end guest = E(n->guest, 40005), gw = E(n->gw, 7009), at = E(n->loopback, 7009), from;
	const struct caps small = { .mtu = 1300 };
	static uint8_t text[65536], whole[65536 + 8];
	char buf[64];
	int fd;

	for (unsigned k = 0; k < sizeof(text); k++)
		text[k] = (uint8_t)(k * 17 >> 4);
	for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++) {
		size_t len;

		test("%s: %zu bytes reach the guest in fragments", n->name, sizes[k]);
		begin(k & 1 ? &small : NULL);
		cf.mtu = k & 1 ? 9000 : 1300;
		fd = host_socket(&at);
		guest_say(&guest, &gw, "send");
		if (!ok(host_recv(fd, buf, sizeof(buf), &from) == 4))
			return;
		host_send(fd, &from, text, sizes[k]);
		run();
		len = reassemble(whole, 1300);
		if (eq(len, sizes[k] + 8)) {
			eq_mem(whole + 8, text, sizes[k]);
			eq(slow_sum(whole, len, slow_pseudo(&gw.a, &guest.a, IPPROTO_UDP, len)), 0xffff);
		}
		if (k) {
			uint16_t id = got[0].ip.id;

			got_clear();
			host_send(fd, &from, text, 2000);
			run();
			ok(ngot == 2 && got[0].ip.id != id && got[1].ip.id == got[0].ip.id);
		}
		eq(drops(), 0);
		close(fd);
	}
}

/* How datagrams of @size reach @guest: fragments of at most @mtu bytes, that are whole together */
static void expect_pieces(int fd, const struct end *to, const uint8_t *text, size_t size, uint32_t mtu, unsigned pieces)
{
	static uint8_t whole[65536 + 8];

	got_clear();
	host_send(fd, to, text, size);
	run();
	if (pieces == 1) {
		ok(ngot == 1 && got[0].ip.good && !got[0].ip.frag && got[0].ip.len == size);
		return;
	}
	eq(ngot, pieces);
	if (eq(reassemble(whole, mtu), size + 8))
		eq_mem(whole + 8, text, size);
}

static void test_path_mtu(const struct subnet *n)
{
	struct end guest = E(n->guest, 40005), gw = E(n->gw, 7009), at = E(n->loopback, 7009), from;
	const struct caps uso = { .mtu = 65535, .csum = true, .uso = true };
	bool v4 = n == nets;
	static uint8_t text[5000];
	struct addr other;
	char buf[64];
	int fd, gso = 1400;

	test("%s: datagrams to an address behind the guest are as large as its path takes, for ten minutes", n->name);
	begin(&uso);
	memset(text, 'x', sizeof(text));
	fd = host_socket(&at);
	guest_say(&guest, &gw, "send");
	if (!ok(host_recv(fd, buf, sizeof(buf), &from) == 4))
		return;
	other = gw.a;
	pmtu_set(&g->pmtu, &other, 1300, c.now);
	expect_pieces(fd, &from, text, 5000, 65535, 1);
	pmtu_set(&g->pmtu, &guest.a, 1300, c.now);
	expect_pieces(fd, &from, text, 1000, 1300, 1);
	expect_pieces(fd, &from, text, v4 ? 1272 : 1252, 1300, 1);
	expect_pieces(fd, &from, text, 1410, 1300, 2);
	expect_pieces(fd, &from, text, 5000, 1300, v4 ? 4 : 5);

	test("%s: and so are those that the kernel joined", n->name);
	setsockopt(fd, SOL_UDP, UDP_SEGMENT, &gso, sizeof(gso));
	got_clear();
	host_send(fd, &from, text, 4200);
	run();
	eq(ngot, 6);
	for (unsigned k = 0; k < ngot; k++)
		ok(got[k].ip.good && got[k].ip.frag && got[k].len - 14 <= 1300);
	gso = 0;
	setsockopt(fd, SOL_UDP, UDP_SEGMENT, &gso, sizeof(gso));

	test("%s: none is made smaller than routers can do themselves", n->name);
	pmtu_set(&g->pmtu, &guest.a, 1, c.now);
	expect_pieces(fd, &from, text, 1000, v4 ? 552 : 1280, v4 ? 2 : 1);
	c.now += PMTU_AGE;
	expect_pieces(fd, &from, text, 5000, 65535, 1);
	eq(drops(), 0);
	close(fd);
}

/* ICMP error in got[@k]: type, code, and a quote of the guest's datagram from @src to @dst */
static void expect_error(unsigned k, const char *from, uint8_t type, uint8_t code, const struct end *src,
			 const struct end *dst, const char *text)
{
	const struct ippkt *i = &got[k].ip;
	struct addr a = A(from);
	struct ippkt quoted;

	if (!ok(ngot > k))
		return;
	ok(i->good && i->proto == (i->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6));
	eq(i->type, type);
	eq(i->code, code);
	ok(addr_eq(&i->src.a, &a));
	ok(addr_eq(&i->dst.a, &src->a));
	quoted = ip_read(i->data, i->len, true);
	ok(quoted.good && quoted.proto == IPPROTO_UDP && end_eq(&quoted.src, src) && end_eq(&quoted.dst, dst));
	ok(payload_is(&quoted, text));
	ok(got[k].len - 14 <= (i->v4 ? 576 : 1280));
}

static void test_refused(const struct subnet *n)
{
	struct end guest = E(n->guest, 40006), server = E(n->server, 9), gw = E(n->gw, 9), other = E(n->server2, 7);
	struct addr router = A(n->router);
	bool v4 = addr_is_v4(&guest.a);
	struct ippkt i;

	test("UDP-21 %s: a closed port far away is told to the guest", n->name);
	begin(NULL);
	guest_say(&guest, &server, "anybody there?");
	if (!ok(out_read(&i)))
		return;
	out_error(&server.a, &i, v4 ? 3 : 1, v4 ? 3 : 4, 0, 576);
	ok(run() < 4);
	eq(ngot, 1);
	expect_error(0, n->server, v4 ? 3 : 1, v4 ? 3 : 4, &guest, &server, "anybody there?");

	test("UDP-01 %s: errors nobody reads cause no events, and the socket goes on working", n->name);
	got_clear();
	guest_say(&guest, &server, "1");
	ok(out_read(&i));
	for (unsigned k = 0; k < 150; k++)
		out_error(&router, &i, v4 ? 3 : 1, v4 ? 1 : 3, 0, 576);
	ok(run() < 20);
	eq(ngot, 150);
	guest_say(&guest, &other, "2");
	ok(out_read(&i) && payload_is(&i, "2"));

	test("UDP-01 %s: an error that belongs to no flow is counted, no more", n->name);
	got_clear();
	udp_end(&c, flow_find_guest(&c.flows, 0, FLOW_UDP, &guest, &server));
	guest_say(&guest, &other, "3");
	ok(out_read(&i));
	i.dst = server;
	{
		uint8_t p[128];
		size_t len = udp_write(p, &guest, &server, 1, "x", 1);
		struct ippkt gone = ip_read(p, len, true);

		out_error(&router, &gone, v4 ? 3 : 1, v4 ? 1 : 3, 0, 576);
	}
	ok(run() < 4);
	eq(ngot, 0);
	eq(g->drops[DROP_NO_FLOW], 1);

	test("UDP-21 %s: a closed port on the host, under the address the guest knows", n->name);
	begin(NULL);
	guest_say(&guest, &gw, "anybody here?");
	run();
	expect_error(0, n->gw, v4 ? 3 : 1, v4 ? 3 : 4, &guest, &gw, "anybody here?");

	test("UDP-14 %s: an error of another flow's does not cost a datagram", n->name);
	begin(NULL);
	guest_say(&guest, &server, "refused");
	ok(out_read(&i));
	out_error(&server.a, &i, v4 ? 3 : 1, v4 ? 3 : 4, 0, 576);
	for (uint8_t k = 0; k < 3; k++)
		guest_udp(k, &guest, &other, 64, &k, 1);
	guest_send(3);
	for (unsigned k = 0; k < 3; k++)
		ok(out_read(&i) && i.good && i.len == 1 && i.data[0] == k && addr_eq(&i.dst.a, &other.a));
	run();
	eq(ngot, 1);
	eq(drops(), 0);
}

static void test_traceroute(const struct subnet *n)
{
	struct end guest = E(n->guest, 40007), server = E(n->server, 33434);
	struct addr router = A(n->router);
	bool v4 = addr_is_v4(&guest.a);
	struct ippkt i, quoted;

	test("ICMP-07 %s: TTL is passed on, and the router it ends at is shown", n->name);
	begin(NULL);
	for (uint8_t ttl = 1; ttl < 4; ttl++) {
		guest_udp(0, &guest, &server, ttl, "probe", 5);
		guest_send(1);
		if (!ok(out_read(&i)) || !eq(i.ttl, ttl))
			return;
		out_error(&router, &i, v4 ? 11 : 3, 0, 0, 576);
		run();
		expect_error(ttl - 1U, n->router, v4 ? 11 : 3, 0, &guest, &server, "probe");
	}

	test("ICMP-07 %s: routers that quote no more than they must", n->name);
	got_clear();
	guest_udp(0, &guest, &server, 4, "probe", 5);
	guest_send(1);
	ok(out_read(&i));
	out_error(&router, &i, v4 ? 11 : 3, 0, 0, v4 ? 28 : 48);
	run();
	if (eq(ngot, 1)) {
		quoted = ip_read(got[0].ip.data, got[0].ip.len, false);
		ok(got[0].ip.good && end_eq(&quoted.src, &guest) && end_eq(&quoted.dst, &server));
	}

	test("%s: back to the usual TTL after another one, DSCP and ECN are passed on", n->name);
	guest_udp(0, &guest, &server, 64, "usual", 5);
	guest_udp(1, &guest, &server, 64, "marked", 6);
	guest_tos(1, 0xb9);
	guest_send(2);
	ok(out_read(&i) && i.ttl == 64 && i.tos == 0);
	ok(out_read(&i) && i.ttl == 64 && i.tos == 0xb9);
}

static void test_unreachable(const struct subnet *n)
{
	struct end guest = E(n->guest, 40008), server = E(n->server, 7);
	struct addr router = A(n->router);
	bool v4 = addr_is_v4(&guest.a);
	struct ippkt i;

	test("ICMP-09 PEER-01 %s: no route is told to the guest, and a new route is used at once", n->name);
	begin(NULL);
	host_default_routes("out", false);
	guest_say(&guest, &server, "to nowhere");
	eq(ngot, 1);
	expect_error(0, n->gw, v4 ? 3 : 1, 0, &guest, &server, "to nowhere");
	eq(g->drops[DROP_SEND], 1);
	host_default_routes("out", true);
	guest_say(&guest, &server, "to somewhere");
	ok(out_read(&i) && payload_is(&i, "to somewhere"));

	test("ICMP-09 %s: too big, with the MTU", n->name);
	got_clear();
	out_error(&router, &i, v4 ? 3 : 2, v4 ? 4 : 0, 1400, 576);
	run();
	expect_error(0, n->router, v4 ? 3 : 2, v4 ? 4 : 0, &guest, &server, "to somewhere");
	eq(got[0].ip.rest, 1400);
}

static void join(int fd, const struct addr *group)
{
	struct group_req r = { .gr_interface = if_nametoindex("out") };
	union sockaddr_any sa;
	socklen_t len = end_to_sa(&(struct end){ .a = *group }, 0, &sa);

	memcpy(&r.gr_group, &sa, len);
	MUST(setsockopt(fd, addr_is_v4(group) ? IPPROTO_IP : IPPROTO_IPV6, MCAST_JOIN_GROUP, &r, sizeof(r)));
}

static void test_multicast(const struct subnet *n)
{
	struct end guest = E(n->guest, 1900), group = E(n->group, 1900), device = E(n->server, 1900);
	struct ippkt i;

	test("%s %s: multicast leaves the host, with its TTL", addr_is_v4(&guest.a) ? "UDP-06" : "UDP-25", n->name);
	begin(NULL);
	publish(1900, 1900, 1900);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	guest_udp(0, &guest, &group, 2, "M-SEARCH", 8);
	guest_send(1);
	if (!ok(out_read(&i)))
		return;
	ok(payload_is(&i, "M-SEARCH"));
	ok(end_eq(&i.dst, &group));
	ok(addr_eq(&i.src.a, &guest.a));
	eq(i.ttl, 2);

	test("UDP-05 %s: and does not come back to the host's own listener, a member of the group or not", n->name);
	guest_udp(0, &guest, &group, 64, "M-SEARCH", 8);
	join(addr_is_v4(&group.a) ? s4 : s6, &group.a);
	guest_send(1);
	ok(out_read(&i) && i.ttl == 64);
	ok(run() < 4);
	eq(ngot, 0);
	ok(!out_read(&i));

	test("UDP-06 %s: who answers to multicast reaches the guest, and is answered", n->name);
	guest.port = 40010;
	guest_udp(0, &guest, &group, 2, "M-SEARCH", 8);
	guest_send(1);
	ok(out_read(&i));
	got_clear();
	out_udp(&device, &i.src, "here", 4);
	run();
	ok(ngot == 1 && payload_is(&got[0].ip, "here") && end_eq(&got[0].ip.src, &device) &&
	   end_eq(&got[0].ip.dst, &guest));
	guest_say(&guest, &device, "tell more");
	ok(out_read(&i) && payload_is(&i, "tell more") && end_eq(&i.dst, &device));
}

/* A program of the host's sends from @from to where the guest asks from: true if the guest hears of it */
static bool host_reaches(const struct addr *from, const struct end *to, uint16_t port)
{
	const struct end at = { *from, port };
	union sockaddr_any sa;
	int fd = host_socket(&at);

	got_clear();
	MUST(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, addr_is_loopback(from) ? "lo" : "out", 4));
	MUST(sendto(fd, "let me in", 9, 0, &sa.sa, end_to_sa(to, 0, &sa)));
	close(fd);
	run();
	return ngot;
}

static bool reaches(const struct end *from, const struct end *to)
{
	got_clear();
	out_udp(from, to, "let me in", 9);
	run();
	return ngot == 1 && payload_is(&got[0].ip, "let me in");
}

static void test_asked(const struct subnet *n)
{
	struct end guest = E(n->guest, 40010), lo = E(n->loopback, 40010);
	struct end group = E(n->group, 1900), other = E(n->group, 5353), device = E(n->server, 1900);
	struct end second = E(n->server2, 1900), wrong = E(n->server, 1901), third = E(n->router, 1900);
	struct addr own = A(n->guest), own2 = addr_is_v4(&own) ? A("192.0.2.9") : A("2001:db8::9");
	struct flow *port;

	test("%s: who was asked by multicast is heard for some seconds, nobody else", n->name);
	begin(NULL);
	guest_say(&guest, &device, "not to many");
	ok(!reaches(&second, &guest));
	guest_say(&guest, &group, "who is there");
	ok(!reaches(&wrong, &guest));
	ok(reaches(&second, &guest));
	ok(reaches(&device, &guest));
	c.now += UDP_ANSWER_TIME;
	ok(reaches(&third, &guest));
	c.now++;
	third.a.b[15]++;
	ok(!reaches(&third, &guest));
	ok(reaches(&second, &guest));		/* has a flow */
	second.port++;
	ok(!reaches(&second, &guest));

	test("%s: neither is the host itself, from whatever address", n->name);
	guest_say(&guest, &group, "who is there");
	ok(!host_reaches(&lo.a, &lo, 1900));
	ok(!host_reaches(&own, &guest, 1900));
	ok(!host_reaches(&own2, &guest, 1900));
	ok(reaches(&third, &guest));

	test("%s: nor who comes by another interface", n->name);
	port = flow_find_guest(&c.flows, 0, FLOW_UDP_PORT, &guest, &(struct end){
		.a = addr_is_v4(&guest.a) ? addr_any4 : addr_any6 });
	ok(port && port->udp.asked[0].scope == if_nametoindex("out"));
	port->udp.asked[0].scope++;
	third.a.b[15]++;
	ok(!reaches(&third, &guest));

	test("%s: who was heard, and not answered, gives way like any stranger", n->name);
	begin(NULL);
	guest_say(&guest, &group, "who is there");
	second.port = 1900;
	for (unsigned k = 0; k < 3; k++)
		ok(reaches(&device, &guest) && reaches(&second, &guest));
	eq(c.flows.lru[0][LRU_ANSWERED].n, 0);
	guest_say(&guest, &device, "tell more");
	eq(c.flows.lru[0][LRU_ANSWERED].n, 1);
	ok(reaches(&device, &guest));
	eq(c.flows.lru[0][LRU_ANSWERED].n, 1);

	test("%s: ports of several groups are asked, the last six count", n->name);
	begin(NULL);
	guest_say(&guest, &group, "who is there");
	c.now += UDP_ANSWER_TIME - 100;
	guest_say(&guest, &other, "who is there");
	other = device;
	other.port = 5353;
	ok(reaches(&device, &guest) && reaches(&other, &guest));
	c.now += 200;
	third.a.b[15]++;
	ok(!reaches(&third, &guest));
	third.port = 5353;
	ok(reaches(&third, &guest));
	for (uint16_t k = 0; k < UDP_ASKED; k++) {
		c.now++;
		group.port = (uint16_t)(2000 + k);
		guest_say(&guest, &group, "who is there");
	}
	third.a.b[15]++;
	ok(!reaches(&third, &guest));
	for (third.port = 2000; third.port < 2000 + UDP_ASKED; third.port++)
		ok(reaches(&third, &guest));
}

/* Networks' broadcast addresses: that they are some is known of no other kind of address than what the kernel says */
static void test_asked_broadcast(void)
{
	struct end guest = E("192.0.2.1", 9998), net = E("192.0.2.255", 9999), all = E("255.255.255.255", 9999);
	struct end near = E("192.0.2.77", 9999), far = E("198.51.100.7", 9999), lo = E("127.0.0.1", 9998),
		   one = E("192.0.2.76", 5);
	const struct addr own2 = A("192.0.2.9");

	for (unsigned k = 0; k < 3; k++) {
		test("UDP-06 answers to broadcast: those of the network, for some seconds, %s",
		     k == 0 ? "asked" :
		     k == 1 ? "asked after all networks were" :
			      "asked between flows to single hosts");
		begin(NULL);
		if (k == 1) {
			guest_say(&guest, &all, "who is there");
			c.now += UDP_ANSWER_TIME + 1;
			ok(!reaches(&near, &guest));
		} else if (k == 2) {
			guest_say(&guest, &net, "who is there");
			c.now += UDP_ANSWER_TIME + 1;
			guest_say(&guest, &one, "you");
		}
		guest_say(&guest, &net, "who is there");
		ok(!reaches(&far, &guest));
		ok(!host_reaches(&lo.a, &lo, 9999));
		ok(!host_reaches(&own2, &guest, 9999));
		near.port = 9998;
		ok(!reaches(&near, &guest));
		near.port = 9999;
		ok(reaches(&near, &guest));
		near.a.b[15]++;
		c.now += UDP_ANSWER_TIME + 1;
		ok(!reaches(&near, &guest));
		eq(g->drops[DROP_SEND], 0);
	}
}

static void test_broadcast(void)
{
	static const char *const all[] = { "255.255.255.255", "192.0.2.255" };
	struct end guest = E("192.0.2.1", 9999), neighbour = E("192.0.2.77", 9999);
	struct ippkt i;

	for (unsigned k = 0; k < ARRAY_SIZE(all); k++) {
		struct end to = E(all[k], 9999);

		test("UDP-06 UDP-05 broadcast to %s leaves the host, and is not forwarded back", all[k]);
		begin(NULL);
		publish(9999, 9999, 9999);
		eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
		guest_say(&guest, &to, "hello all");
		if (!ok(out_read(&i)))
			continue;
		ok(payload_is(&i, "hello all"));
		ok(end_eq(&i.dst, &to));
		ok(run() < 6);
		eq(ngot, 0);
		ok(!out_read(&i));

		test("UDP-04 a neighbour's broadcast to %s reaches the listener's guest, once", all[k]);
		got_clear();
		out_udp(&neighbour, &to, "hello too", 9);
		ok(run() < 6);
		ok(ngot == 1 && payload_is(&got[0].ip, "hello too") && end_eq(&got[0].ip.src, &neighbour));
		guest_say(&guest, &neighbour, "hello you");
		ok(out_read(&i) && payload_is(&i, "hello you") && end_eq(&i.dst, &neighbour) && i.src.port == 9999);
		ok(addr_eq(&i.src.a, &guest.a));
	}
}

/* Client with an address of its own to send from */
static void send_from(int fd, const struct addr *from, const struct end *to, const char *text)
{
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	uint8_t control[64] __attribute__((aligned(8))) = { 0 };
	union sockaddr_any sa;
	struct msghdr m = {
		.msg_name = &sa,
		.msg_namelen = end_to_sa(to, 0, &sa),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	bool v4 = addr_is_v4(from);
	struct cmsghdr *cm;

	m.msg_controllen = CMSG_SPACE(v4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo));
	cm = CMSG_FIRSTHDR(&m);
	cm->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	cm->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	cm->cmsg_len = CMSG_LEN(v4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo));
	addr_to_bytes(from, CMSG_DATA(cm) + (v4 ? offsetof(struct in_pktinfo, ipi_spec_dst) : 0));
	MUST(sendmsg(fd, &m, 0));
}

/* Strangers seem to come from where the guest asks: the address that leads to the host's loopback, a service */
static void test_stranger_names(const struct subnet *n)
{
	struct end gw = E(n->gw, 7012), at = E(n->loopback, 7012), to = E(n->guest, 1000), guest = E(n->guest, 2000);
	struct end dns = E(n->server, 53), from;
	struct ippkt i;
	char buf[64];
	int fd;

	test("%s: a stranger by the name of the host's loopback doesn't get what the guest sends there", n->name);
	begin(NULL);
	publish(1000, 1000, 2000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	out_udp(&gw, &to, "it is me", 8);
	run();
	ok(ngot == 1 && end_eq(&got[0].ip.src, &gw) && end_eq(&got[0].ip.dst, &guest));
	fd = host_socket(&at);
	guest.port = 40020;
	guest_say(&guest, &gw, "question");
	ok(host_recv(fd, buf, sizeof(buf), &from) == 8);
	close(fd);

	test("%s: nor says a stranger by the name of a service from which of the host's addresses that is asked",
	     n->name);
	to.a.b[15] = 9;
	got_clear();
	out_udp(&dns, &to, "it is me", 8);
	run();
	ok(ngot == 1 && end_eq(&got[0].ip.src, &dns));
	guest_say(&guest, &dns, "question");
	ok(out_read(&i) && end_eq(&i.dst, &dns) && addr_eq(&i.src.a, &guest.a));
}

static void test_listener(const struct subnet *n)
{
	struct end client = E(n->loopback, 0), far = E(n->server, 5555), gw = E(n->gw, 0), guest = E(n->guest, 2000);
	struct end to = E(n->guest, 1000), from, other = E(addr_is_v4(&guest.a) ? "192.0.2.33" : "2001:db8::33", 2000);
	char buf[64];
	struct ippkt i;
	int fd;

	test("%s: a datagram to a published port reaches the guest, with its client's address", n->name);
	begin(NULL);
	publish(1000, 1000, 2000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	out_udp(&far, &to, "request", 7);
	run();
	ok(ngot == 1 && payload_is(&got[0].ip, "request") && end_eq(&got[0].ip.src, &far) &&
	   end_eq(&got[0].ip.dst, &guest));

	test("UDP-09 UDP-23 %s: the answer leaves from the published address and port", n->name);
	guest_say(&guest, &far, "response");
	ok(out_read(&i) && payload_is(&i, "response") && end_eq(&i.src, &to) && end_eq(&i.dst, &far));

	test("%s: so does an answer from another address of the guest's, and one from another port by a flow of its own", n->name);
	guest_say(&other, &far, "elsewhere");
	ok(out_read(&i) && payload_is(&i, "elsewhere") && end_eq(&i.src, &to) && end_eq(&i.dst, &far));
	eq(c.flows.count[FLOW_UDP], 1);
	other.port++;
	guest_say(&other, &far, "new port");
	ok(out_read(&i) && payload_is(&i, "new port") && addr_eq(&i.src.a, &to.a) && i.src.port != to.port &&
	   end_eq(&i.dst, &far));
	eq(c.flows.count[FLOW_UDP], 2);
	from = i.src;
	got_clear();
	out_udp(&far, &from, "there", 5);
	run();
	ok(ngot == 1 && payload_is(&got[0].ip, "there") && end_eq(&got[0].ip.src, &far) &&
	   end_eq(&got[0].ip.dst, &other));

	test("UDP-10 %s: a connected client on the host's loopback is answered from where it asked", n->name);
	got_clear();
	fd = host_socket(&client);
	to = E(addr_is_v4(&guest.a) ? "127.0.0.55" : "::1", 1000);
	host_send(fd, &to, "request", 7);
	run();
	if (ok(ngot == 1 && payload_is(&got[0].ip, "request") && addr_eq(&got[0].ip.src.a, &gw.a))) {
		other = from = got[0].ip.src;
		guest_say(&guest, &from, "response");
		ok(host_recv(fd, buf, sizeof(buf), &from) == 8);
		ok(end_eq(&from, &to));

		test("%s: or from a new port, at the address it asked", n->name);
		guest.port++;
		guest_say(&guest, &other, "new port");
		ok(host_recv(fd, buf, sizeof(buf), &from) == 8 && addr_eq(&from.a, &to.a) && from.port != to.port);
		got_clear();
		host_send(fd, &from, "there", 5);
		run();
		ok(ngot == 1 && payload_is(&got[0].ip, "there") && end_eq(&got[0].ip.src, &other) &&
		   end_eq(&got[0].ip.dst, &guest));
		guest.port--;
	}
	close(fd);
	eq(drops(), 0);

	test("UDP-10 %s: a client that asks at two addresses of the host is answered from the last", n->name);
	got_clear();
	client.a = addr_is_v4(&guest.a) ? addr_any4 : addr_any6;
	client.port = 5556;
	fd = host_socket(&client);
	for (unsigned k = 0; k < 2; k++) {
		to = E(addr_is_v4(&guest.a) ? k ? "192.0.2.9" : "192.0.2.1" : k ? "2001:db8::9" : "2001:db8::1", 1000);
		client = E(n->guest, 5556);
		send_from(fd, &client.a, &to, "request");
		run();
	}
	ok(ngot == 2 && payload_is(&got[1].ip, "request") && end_eq(&got[0].ip.src, &got[1].ip.src));
	guest_say(&guest, &got[1].ip.src, "response");
	ok(host_recv(fd, buf, sizeof(buf), &from) == 8 && end_eq(&from, &to));
	close(fd);

	test("%s: the guest learns that a client is gone", n->name);
	got_clear();
	guest_say(&guest, &far, "late");
	ok(out_read(&i));
	out_error(&far.a, &i, i.v4 ? 3 : 1, i.v4 ? 3 : 4, 0, 576);
	run();
	expect_error(0, n->server, i.v4 ? 3 : 1, i.v4 ? 3 : 4, &guest, &far, "late");
}

static void test_listener_ranges(const struct subnet *n)
{
	static const struct {
		uint16_t first, last, to, ask, guest;
	} cases[] = {
		{ 5000, 5010, 6000, 5010, 6010 }, { 65530, 65535, 1, 65535, 6 }, { 1, 3, 65533, 3, 65535 },
	};
	struct end far = E(n->server, 5555);
	struct ippkt i;

	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		struct end to = E(n->guest, cases[k].ask), guest = E(n->guest, cases[k].guest);

		test("UDP-09 %s: port %u of %u-%u is the guest's %u", n->name, cases[k].ask, cases[k].first,
		     cases[k].last, cases[k].guest);
		begin(NULL);
		publish(cases[k].first, cases[k].last, cases[k].to);
		eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
		out_udp(&far, &to, "request", 7);
		run();
		ok(ngot == 1 && end_eq(&got[0].ip.dst, &guest));
		guest_say(&guest, &far, "response");
		ok(out_read(&i) && end_eq(&i.src, &to) && end_eq(&i.dst, &far));
	}
}

static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* This rule and no other from now on */
static void rules_over(const struct rule *r, uint16_t taken)
{
	static struct rules want;
	struct fwd_failure why;
	int rc;

	want.n = r ? 1 : 0;
	if (r)
		want.rule[0] = *r;
	rc = fwd_replace(&c.fwd, &c.net, &want, &why);
	udp_listeners_gone(&c);
	eq(rc, taken ? -EADDRINUSE : 0);
	if (!rc)
		return;
	eq(why.port, taken);
	ok(udp_make_way(&c, &want) && !udp_make_way(&c, &want));
	eq(fwd_replace(&c.fwd, &c.net, &want, &why), 0);
	udp_listeners_gone(&c);
}

static void rules(const struct rule *r)
{
	rules_over(r, 0);
}

static void test_rule_gone(const struct subnet *n)
{
	struct end guest = E(n->guest, 2000), to = E(n->guest, 1000), far = E(n->server, 5555);
	struct end client = E(n->guest, 1000), inside = E(n->guest, 40020), server = E(n->server, 7);
	struct rule r = { .proto = IPPROTO_UDP, .any = true, .first = 1000, .last = 1001, .to = 2000 };
	unsigned files, flows;
	struct ippkt i;

	test("FWD-19 %s: a rule that comes while the loop runs forwards", n->name);
	begin(NULL);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	guest_say(&inside, &server, "others");
	ok(out_read(&i));
	files = open_files();
	flows = c.flows.count[FLOW_UDP] + c.flows.count[FLOW_UDP_PORT];
	rules(&r);
	for (unsigned k = 0; k < 3; k++) {
		far.port = (uint16_t)(5555 + k);
		out_udp(&far, &to, "request", 7);
		run();
	}
	ok(ngot == 3 && end_eq(&got[0].ip.dst, &guest));
	eq(c.flows.count[FLOW_UDP], 4);
	eq(c.fwd.rule[0].accepted, 3);

	test("FWD-19 %s: it is deleted: its flows and sockets go, in the midst of what they do, others stay", n->name);
	far.port = 5556;
	out_udp(&far, &to, "waits", 5);
	flow_wait(&c.flows, &c.flows.f[c.fwd.l[0].flow - 1], WAIT_READY);
	rules(NULL);
	eq(open_files(), files);
	eq(c.flows.count[FLOW_UDP] + c.flows.count[FLOW_UDP_PORT], flows);
	eq(c.flows.wait[WAIT_READY].head, FLOW_NONE);
	got_clear();
	run();
	eq(ngot, 0);
	out_udp(&server, &inside, "answer", 6);
	run();
	ok(ngot == 1 && payload_is(&got[0].ip, "answer"));
	pass(TIMEOUT_REPLIED + 1000);
	eq(c.flows.count[FLOW_UDP], 0);

	test("FWD-19 %s: and its port can be had again, by another rule or somebody else", n->name);
	r.to = 3000;
	guest.port = 3000;
	got_clear();
	rules(&r);
	udp_listen_ready(&c, 0, EPOLLIN);
	udp_listen_ready(&c, 0, EPOLLIN);	/* told twice */
	eq(c.flows.count[FLOW_UDP_PORT], 1);
	out_udp(&far, &to, "request", 7);
	run();
	ok(ngot == 1 && end_eq(&got[0].ip.dst, &guest));
	rules(NULL);
	udp_listen_ready(&c, 0, EPOLLIN);
	close(host_socket(&client));
	eq(drops(), 0);

	test("FWD-19 %s: a port that a flow of the guest's has is no less the rule's", n->name);
	inside.port = 2001;
	guest_say(&inside, &server, "mine");
	ok(out_read(&i) && i.src.port == 2001);
	r.first = 2000;
	r.last = 2001;
	rules_over(&r, 2001);
	to.port = 2001;
	guest.port = 3001;
	got_clear();
	out_udp(&far, &to, "request", 7);
	run();
	ok(ngot == 1 && end_eq(&got[0].ip.dst, &guest));
	guest_say(&inside, &server, "still");
	ok(out_read(&i) && i.src.port != 2001);
	rules(NULL);
}

static void test_clients(const struct subnet *n)
{
	struct end guest = E(n->guest, 53), to = E(n->guest, 5300), far = E(n->server, 0);
	char text[16];
	struct ippkt i;
	unsigned k;

	test("UDP-08 %s: 100 clients at once, each gets its own answer", n->name);
	begin(NULL);
	publish(5300, 5300, 53);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	for (k = 0; k < 100; k++) {
		far.port = (uint16_t)(3000 + k);
		snprintf(text, sizeof(text), "q%u", k);
		out_udp(&far, &to, text, strlen(text));
	}
	run();
	eq(ngot, 100);
	for (k = 0; k < ngot; k++) {
		snprintf(text, sizeof(text), "a%u", got[k].ip.src.port - 3000);
		guest_say(&guest, &got[k].ip.src, text);
	}
	for (k = 0; k < 100 && out_read(&i); k++) {
		snprintf(text, sizeof(text), "a%u", i.dst.port - 3000);
		ok(payload_is(&i, text) && end_eq(&i.src, &to));
	}
	eq(k, 100);

	test("UDP-08 %s: 100 sockets of the guest, each gets its own answer", n->name);
	begin(NULL);
	for (k = 0; k < 100; k++) {
		snprintf(text, sizeof(text), "q%u", k);
		guest.port = (uint16_t)(20000 + k);
		far.port = 53;
		guest_udp(k, &guest, &far, 64, text, strlen(text));
	}
	guest_send(100);
	for (k = 0; k < 100 && out_read(&i); k++) {
		text[0] = 'a';
		snprintf(text + 1, sizeof(text) - 1, "%u", i.src.port - 20000);
		out_udp(&i.dst, &i.src, text, strlen(text));
	}
	eq(k, 100);
	run();
	eq(ngot, 100);
	for (k = 0; k < ngot; k++) {
		snprintf(text, sizeof(text), "a%u", got[k].ip.dst.port - 20000);
		ok(payload_is(&got[k].ip, text));
	}
}

static void test_same_view(void)
{
	struct end guest = E("192.0.2.1", 2000), gw = E("192.0.2.254", 5557), to = E("127.0.0.1", 1000), from;
	char buf[16];
	int fd[2];

	test("UDP-08 two clients the guest can't tell apart: the last one is answered, by one flow");
	begin(NULL);
	publish(1000, 1000, 2000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	for (unsigned k = 0; k < 2; k++) {
		from = E(k ? "127.0.0.3" : "127.0.0.2", 5557);
		fd[k] = host_socket(&from);
		host_send(fd[k], &to, "request", 7);
		run();
	}
	ok(ngot == 2 && end_eq(&got[0].ip.src, &gw) && end_eq(&got[1].ip.src, &gw));
	eq(c.flows.count[FLOW_UDP], 1);
	guest_say(&guest, &gw, "response");
	ok(host_recv(fd[0], buf, sizeof(buf), NULL) < 0);
	ok(host_recv(fd[1], buf, sizeof(buf), NULL) == 8);
	close(fd[0]);
	close(fd[1]);
}

static void test_link_local(void)
{
	struct end guest = E("fe80::abcd", 2000), neighbour = E("fe80::77", 5555), to = E("fe80::5", 1000);
	struct ippkt i;

	test("link-local neighbours reach the guest, and are answered");
	begin(NULL);
	host_address(s4, s6, "out", NULL, NULL, "fe80::5", 64);
	g->seen.ll = guest.a;
	publish(1000, 1000, 2000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	out_udp(&neighbour, &to, "request", 7);
	run();
	ok(ngot == 1 && end_eq(&got[0].ip.src, &neighbour) && end_eq(&got[0].ip.dst, &guest));
	guest_say(&guest, &neighbour, "response");
	ok(out_read(&i) && payload_is(&i, "response") && end_eq(&i.src, &to) && end_eq(&i.dst, &neighbour));

	test("the guest reaches link-local neighbours");
	neighbour.port++;
	guest_say(&guest, &neighbour, "request");
	if (ok(out_read(&i) && end_eq(&i.dst, &neighbour))) {
		got_clear();
		out_udp(&neighbour, &i.src, "response", 8);
		run();
		ok(ngot == 1 && end_eq(&got[0].ip.src, &neighbour) && end_eq(&got[0].ip.dst, &guest));
	}
}

static void test_two_names(const struct subnet *n)
{
	struct end guest = E(n->guest, 40011), one = E(n->gw, 7010), two = one, at = E(n->loopback, 7010), from[2];
	char buf[64];
	int fd;

	test("%s: two addresses that are one on the host: answers come from the one that was asked", n->name);
	begin(NULL);
	two.a = addr_is_v4(&one.a) ? A("192.0.2.253") : A("fe80::2");
	two.port = one.port = at.port = 53;
	c.net.ip[addr_family(&one.a)].dns_forward = two.a;
	c.net.ip[addr_family(&one.a)].dns_host = at.a;
	fd = host_socket(&at);
	guest_say(&guest, &one, "one");
	ok(host_recv(fd, buf, sizeof(buf), &from[0]) == 3);
	guest_say(&guest, &two, "two");
	ok(host_recv(fd, buf, sizeof(buf), &from[1]) == 3);
	host_send(fd, &from[1], "2", 1);
	run();
	host_send(fd, &from[0], "1", 1);
	run();
	if (eq(ngot, 2)) {
		ok(payload_is(&got[0].ip, "2") && end_eq(&got[0].ip.src, &two));
		ok(payload_is(&got[1].ip, "1") && end_eq(&got[1].ip.src, &one));
	}
	close(fd);
}

static void test_out_addr(void)
{
	struct end guest = E("192.0.2.1", 40012), server = E("198.51.100.7", 7), gw = E("192.0.2.254", 7011), from;
	struct end at = E("127.0.0.1", 7011);
	char buf[64];
	struct ippkt i;
	int fd;

	test("UDP-22 -o sets the source address, but for the host's loopback");
	begin(NULL);
	cf.ip[V4].out_addr = A("192.0.2.9");
	fd = host_socket(&at);
	guest_say(&guest, &server, "x");
	if (ok(out_read(&i) && addr_eq(&i.src.a, &cf.ip[V4].out_addr))) {
		out_udp(&server, &i.src, "y", 1);
		run();
		ok(ngot == 1 && end_eq(&got[0].ip.src, &server) && end_eq(&got[0].ip.dst, &guest));
	}
	guest_say(&guest, &gw, "z");
	ok(host_recv(fd, buf, sizeof(buf), &from) == 1 && addr_is_loopback(&from.a));
	close(fd);

	test("--outbound-if4 binds to the interface, but for the host's loopback");
	begin(NULL);
	snprintf(cf.ip[V4].out_if, sizeof(cf.ip[V4].out_if), "out");
	fd = host_socket(&at);
	guest_say(&guest, &gw, "z");
	ok(host_recv(fd, buf, sizeof(buf), &from) == 1 && addr_is_loopback(&from.a));
	guest_say(&guest, &server, "x");
	ok(out_read(&i) && payload_is(&i, "x"));
	eq(c.flows.count[FLOW_UDP_PORT], 2);
	close(fd);
}

static void test_exhaustion(const struct subnet *n)
{
	struct end guest = E(n->guest, 0), server = E(n->server, 53);
	struct rlimit old, few = { 256, 256 };
	unsigned sent = 0, answered = 0;
	struct ippkt i;

	test("UDP-02 UDP-07 PEER-05 %s: descriptors run out, queries go on being answered", n->name);
	begin(NULL);
	getrlimit(RLIMIT_NOFILE, &old);
	few.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	for (unsigned k = 0; k < 5000; k++) {
		guest.port = (uint16_t)(10000 + k);
		guest_say(&guest, &server, "q");
		if (out_read(&i)) {
			sent++;
			out_udp(&i.dst, &i.src, "a", 1);
			run();
			answered += ngot == 1 && end_eq(&got[0].ip.dst, &guest);
			got_clear();
		}
		c.now++;
	}
	setrlimit(RLIMIT_NOFILE, &old);
	eq(sent, 5000);
	eq(answered, 5000);
	eq(g->drops[DROP_NO_RESOURCE], 0);
	eq(c.flows.count[FLOW_UDP], c.flows.count[FLOW_UDP_PORT]);

	test("UDP-02 %s: what is in the same batch does not give way", n->name);
	begin(NULL);
	few.rlim_cur = fds_open() + 20;
	setrlimit(RLIMIT_NOFILE, &few);
	for (unsigned k = 0; k < 100; k++) {
		guest.port = (uint16_t)(10000 + k);
		guest_udp(k, &guest, &server, 64, "q", 1);
	}
	guest_send(100);
	setrlimit(RLIMIT_NOFILE, &old);
	for (sent = 0; out_read(&i); sent++)
		;
	ok(sent >= 10 && sent < 40);
	eq(sent + g->drops[DROP_NO_RESOURCE], 100);

	test("UDP-02 %s: the flow table runs out, the oldest flow gives way, the newest works", n->name);
	begin(NULL);
	guest.port = 40014;
	for (unsigned k = 0; k < FLOW_MAX + 5000; k++) {
		if (addr_is_v4(&server.a))
			server.a.w[3] = htonl((10U << 24) + k);
		else
			server.a.w[3] = k;
		guest_say(&guest, &server, "q");
		if (k % 64 == 63)
			out_drain();
	}
	eq(g->drops[DROP_NO_RESOURCE], 0);
	eq(c.flows.count[FLOW_UDP_PORT], 1);
	ok(c.flows.count[FLOW_UDP] <= FLOW_MAX - 1 && c.flows.count[FLOW_UDP] >= FLOW_MAX - 2 * RECLAIM_SPARE);
	got_clear();
	out_udp(&server, &guest, "a", 1);
	run();
	eq(ngot, 1);
}

/* A question that is answered: true if the guest got the answer */
static bool asks(const struct end *guest, const struct end *server)
{
	struct ippkt i;
	bool there;

	got_clear();
	out_drain();
	guest_say(guest, server, "q");
	if (!out_read(&i))
		return false;
	out_udp(&i.dst, &i.src, "a", 1);
	run();
	there = ngot == 1 && end_eq(&got[0].ip.dst, guest) && end_eq(&got[0].ip.src, server);
	got_clear();
	return there;
}

static void ping(const struct end *guest, const struct end *to)
{
	bool v4 = addr_is_v4(&guest->a);

	guest_len[0] = guest_eth(guest_frame[0], icmp_write(guest_frame[0] + 14, &guest->a, &to->a, 64, v4 ? 8 : 128, 0,
						   (uint32_t)guest->port << 16, "ping", 4));
	guest_send(1);
}

#define SHARE	50

static void test_share(const struct subnet *n)
{
	struct end guest = E(n->guest, 9000), server = E(n->server, 7), other = E(n->server2, 7);
	unsigned fds, most = 0, sent = 0;
	struct ippkt i;

	test("%s: a guest has no more sockets than its share, what was answered stays", n->name);
	begin(NULL);
	fds = fds_open();
	c.sockets_max = SHARE;
	ok(asks(&guest, &server));
	for (unsigned k = 0; k < 3000; k++) {
		c.now++;
		guest.port = (uint16_t)(10000 + k);
		guest_say(&guest, &server, "q");
		sent += out_read(&i) && i.src.port == guest.port;
		most = MAX(most, fds_open() - fds);
	}
	eq(sent, 3000);
	eq(most, SHARE);
	eq(g->sockets, SHARE);
	eq(c.flows.count[FLOW_UDP_PORT], SHARE);
	guest.port = 9000;
	out_udp(&server, &guest, "late", 4);
	run();
	ok(ngot == 1 && payload_is(&got[0].ip, "late"));

	test("%s: the newest of those that were not answered is, if it is", n->name);
	guest.port = 12999;
	got_clear();
	out_udp(&server, &guest, "a", 1);
	run();
	eq(ngot, 1);
	got_clear();
	guest.port = 10000;			/* gave way */
	out_udp(&server, &guest, "a", 1);
	run();
	eq(ngot, 0);

	test("%s: among those that were answered, the one idle for longest gives way", n->name);
	for (unsigned k = 0; k < 2 * SHARE; k++) {
		guest.port = (uint16_t)(20000 + k);
		ok(asks(&guest, &server));
		guest.port = 9000;
		ok(asks(&guest, &server));
	}
	eq(g->sockets, SHARE);
	eq(c.flows.count[FLOW_UDP_PORT], SHARE);

	test("%s: questions at the same time don't end each other, however full the share is of old answers", n->name);
	for (unsigned k = 0; k < SHARE / 10; k++) {
		guest.port = (uint16_t)(21000 + k);
		guest_say(&guest, &server, "q");
	}
	out_drain();
	got_clear();
	for (unsigned k = 0; k < SHARE / 10; k++) {
		guest.port = (uint16_t)(21000 + k);
		out_udp(&server, &guest, "a", 1);
	}
	run();
	eq(ngot, SHARE / 10);
	eq(g->sockets, SHARE);

	test("%s: echo has its part of the same share", n->name);
	for (unsigned k = 0; k < 3 * SHARE; k++) {
		guest.port = (uint16_t)(500 + k);
		ping(&guest, &server);
		out_drain();
	}
	eq(g->sockets, SHARE);
	eq(g->drops[DROP_NO_RESOURCE], 0);
	ok(c.flows.count[FLOW_PING] + c.flows.count[FLOW_UDP_PORT] == SHARE);
	guest.port = 9000;
	ok(asks(&guest, &server));

	test("%s: a socket of many flows gives way, too", n->name);
	begin(NULL);
	c.sockets_max = 2;
	guest.port = 9000;
	ok(asks(&guest, &other));
	guest.port = 9001;
	for (unsigned k = 0; k < 1000; k++) {
		server.port = (uint16_t)(1000 + k);
		guest_say(&guest, &server, "q");
		out_drain();
	}
	eq(c.flows.count[FLOW_UDP], 1001);
	guest.port = 9002;
	for (unsigned k = 0; k < 20 && c.flows.count[FLOW_UDP] > 2; k++)
		guest_say(&guest, &server, "q");
	eq(c.flows.count[FLOW_UDP], 2);
	ok(out_read(&i) && i.src.port == 9002);
	guest.port = 9000;
	ok(asks(&guest, &other));

	begin(NULL);
	eq(fds_open(), fds);
	eq(g->sockets, 0);
	c.sockets_max = 0;
}

/* More flows at once than the share has sockets: none of those can give way */
static void test_share_batch(const struct subnet *n)
{
	struct end guest = E(n->guest, 9000), server = E(n->server, 7);

	test("%s: a batch that is larger than the share ends nothing that was answered", n->name);
	begin(NULL);
	c.sockets_max = SHARE;
	ok(asks(&guest, &server));
	for (unsigned k = 0; k < 2 * SHARE; k++) {
		guest.port = (uint16_t)(10000 + k);
		guest_udp(k, &guest, &server, 64, "q", 1);
	}
	guest_send(2 * SHARE);
	eq(g->sockets, SHARE);
	eq(g->drops[DROP_NO_RESOURCE], SHARE + 1);
	guest.port = 9000;
	out_udp(&server, &guest, "late", 4);
	run();
	ok(ngot == 1 && payload_is(&got[0].ip, "late"));
	c.sockets_max = 0;
}

/* Strangers, each with an address and port of its own */
static void test_strangers(const struct subnet *n)
{
	struct end guest = E(n->guest, 9000), server = E(n->server, 7), stranger = E(n->server2, 0);
	const struct end at = E(n->guest, 5000);

	test("%s: no number of strangers at a forwarded port ends what was answered", n->name);
	begin(NULL);
	publish(5000, 5000, 5000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	ok(asks(&guest, &server));
	for (unsigned k = 0; k < FLOW_MAX + 20000; k++) {
		stranger.a.w[3] = htonl((10U << 24) + k / 1000);
		stranger.port = (uint16_t)(1 + k % 1000);
		out_udp(&stranger, &at, "x", 1);
		if (k % 64 == 63) {
			run();
			got_clear();
		}
	}
	run();
	ok(c.flows.count[FLOW_UDP] >= FLOW_MAX - 2 * RECLAIM_SPARE);
	got_clear();
	out_udp(&server, &guest, "late", 4);
	run();
	ok(ngot == 1 && payload_is(&got[0].ip, "late"));
	guest.port = 9001;
	ok(asks(&guest, &server));
	eq(g->drops[DROP_NO_RESOURCE], 0);
}

static void test_link_full(const struct subnet *n)
{
	struct end guest = E(n->guest, 40015), gw = E(n->gw, 7012), at = E(n->loopback, 7012), from;
	uint32_t k;
	char buf[8];
	int fd;

	test("%s: a full link leaves datagrams in the socket; they arrive later, complete and in order", n->name);
	begin(NULL);
	fd = host_socket(&at);
	guest_say(&guest, &gw, "send");
	ok(host_recv(fd, buf, sizeof(buf), &from) == 4);
	link_room = 10;
	for (k = 0; k < 200; k++)
		host_send(fd, &from, &k, sizeof(k));
	ok(run() < 10);
	eq(ngot, 10);
	ok(c.flows.wait[WAIT_STALLED].head != FLOW_NONE);
	for (unsigned turn = 0; turn < 100 && ngot < 200; turn++) {
		link_room = 7;
		tap_flush(&g->tap);
		link_resume(WAIT_STALLED);
		run();
	}
	eq(ngot, 200);
	for (k = 0; k < ngot; k++)
		eq_mem(got[k].ip.data, &k, sizeof(k));
	eq(drops(), 0);
	close(fd);

	test("%s: a full link does not make a listener spin", n->name);
	begin(NULL);
	publish(5000, 5000, 5000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	fd = host_socket(&at);
	at = E(n->loopback, 5000);
	link_room = 0;
	for (k = 0; k < 200; k++)
		host_send(fd, &at, &k, sizeof(k));
	ok(run() < 10);
	eq(ngot, 0);
	for (unsigned turn = 0; turn < 100 && ngot < 200; turn++) {
		link_room = 50;
		tap_flush(&g->tap);
		link_resume(WAIT_STALLED);
		run();
	}
	eq(ngot, 200);
	for (k = 0; k < ngot; k++)
		eq_mem(got[k].ip.data, &k, sizeof(k));
	eq(drops(), 0);
	close(fd);
}

static void test_flood(const struct subnet *n)
{
	struct end guest = E(n->guest, 40016), gw = E(n->gw, 7013), at = E(n->loopback, 7013), from;
	struct flow *port;
	char buf[8];
	int fd;

	test("UDP-26 %s: a socket that is always readable gives way to others", n->name);
	begin(NULL);
	fd = host_socket(&at);
	guest_say(&guest, &gw, "send");
	ok(host_recv(fd, buf, sizeof(buf), &from) == 4);
	for (unsigned k = 0; k < DGRAM_BATCH * TURN_IN + 20; k++)
		host_send(fd, &from, NULL, 0);
	port = flow_find_guest(&c.flows, 0, FLOW_UDP_PORT, &guest, &(struct end){
		.a = addr_is_v4(&guest.a) ? addr_any4 : addr_any6 });
	port->ops->ready(&c, port, HOST, EPOLLIN);
	tap_flush(&g->tap);
	eq(ngot, DGRAM_BATCH * TURN_IN);
	ok(c.flows.wait[WAIT_READY].head != FLOW_NONE);
	run();
	eq(ngot, DGRAM_BATCH * TURN_IN + 20);
	ok(c.flows.wait[WAIT_READY].head == FLOW_NONE);

	test("%s: a socket that gets one at a time is read in small batches, until there are many again", n->name);
	for (unsigned k = 0; k < 5; k++) {
		host_send(fd, &from, NULL, 0);
		run();
	}
	eq(port->udp.batch, 2);
	got_clear();
	for (unsigned k = 0; k < 2 * DGRAM_BATCH; k++)
		host_send(fd, &from, NULL, 0);
	run();
	eq(ngot, 2 * DGRAM_BATCH);
	ok(port->udp.batch >= DGRAM_BATCH / 2);
	close(fd);
}

static void test_unasked(const struct subnet *n)
{
	struct end guest = E(n->guest, 40018), a = E(n->server, 7), b = E(n->server2, 7), c2 = E(n->router, 7);
	struct end bad = E(n->server, 8), group = E(n->group, 1900), device = E(n->server, 1900);
	struct addr router = A(n->router);
	struct flow *port;
	struct ippkt i;

	test("%s: the kernel drops a flood of what nobody asked for, and nothing else", n->name);
	begin(NULL);
	guest_say(&guest, &a, "x");
	guest_say(&guest, &b, "x");
	port = &c.flows.f[flow_find_guest(&c.flows, 0, FLOW_UDP, &guest, &b)->udp.port];
	for (unsigned k = 0; k < 3 * DGRAM_BATCH; k++)
		out_udp(k % 2 ? &c2 : &bad, &guest, "flood", 5);
	run();
	ok(port->udp.filtered);
	eq(g->drops[DROP_NO_FLOW], 3 * DGRAM_BATCH);
	for (unsigned k = 0; k < 100; k++)
		out_udp(k % 2 ? &c2 : &bad, &guest, "flood", 5);
	eq(run(), 0);
	eq(g->drops[DROP_NO_FLOW], 3 * DGRAM_BATCH);
	ok(reaches(&a, &guest) && reaches(&b, &guest));

	test("%s: errors pass it, and so does whoever is asked later", n->name);
	out_drain();
	got_clear();
	guest_say(&guest, &a, "x");
	ok(out_read(&i));
	out_error(&router, &i, addr_is_v4(&guest.a) ? 3 : 1, addr_is_v4(&guest.a) ? 3 : 4, 0, 576);
	run();
	ok(ngot == 1 && got[0].ip.proto == (addr_is_v4(&guest.a) ? IPPROTO_ICMP : IPPROTO_ICMPV6));
	guest_say(&guest, &c2, "x");
	ok(!port->udp.filtered);
	ok(reaches(&a, &guest) && reaches(&b, &guest) && reaches(&c2, &guest));
	for (unsigned k = 0; k < 3 * DGRAM_BATCH; k++)
		out_udp(&bad, &guest, "flood", 5);
	run();
	ok(port->udp.filtered);
	ok(reaches(&a, &guest) && reaches(&b, &guest) && reaches(&c2, &guest));
	guest_say(&guest, &group, "who is there");
	ok(!port->udp.filtered);
	ok(reaches(&device, &guest));
}

int main(void)
{
	struct rlimit most;

	getrlimit(RLIMIT_NOFILE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
	host_init();
	host_allow_ping();
	EACH_NET(n) {
		test_both_ways(n);
		test_port_taken(n);
		test_port_low(n);
		test_batch(n);
		test_many(n);
		test_gso_out(n);
		test_gso_in(n);
		test_path_mtu(n);
		test_fragments(n);
		test_refused(n);
		test_traceroute(n);
		test_unreachable(n);
		test_multicast(n);
		test_asked(n);
		test_listener(n);
		test_stranger_names(n);
		test_listener_ranges(n);
		test_rule_gone(n);
		test_clients(n);
		test_two_names(n);
		test_exhaustion(n);
		test_share(n);
		test_share_batch(n);
		test_strangers(n);
		test_link_full(n);
		test_flood(n);
		test_unasked(n);
	}
	test_broadcast();
	test_asked_broadcast();
	test_same_view();
	test_link_local();
	test_out_addr();
	begin(NULL);
	return done();
}
