/* SPDX-License-Identifier: GPL-2.0-or-later */
/* icmp_test.c - echo through the kernel's ping sockets, and errors, guest and network played by the test */
#include "../../icmp.c"
#include "../../ping.c"
#include "../datagrams.h"

struct subnet {
	const char *name, *guest, *gw, *server, *server2, *router, *loopback;
	uint8_t echo, reply, exceeded, unreach, refused, too_big, too_big_code;
	size_t max;
};

static const struct subnet nets[] = {
	{ "IPv4", "192.0.2.1", "192.0.2.254", "198.51.100.7", "198.51.100.8", "203.0.113.9", "127.0.0.1",
	  8, 0, 11, 3, 3, 3, 4, 576 },
	{ "IPv6", "2001:db8::1", "fe80::1", "2001:db8:1::7", "2001:db8:1::8", "2001:db8:2::9", "::1",
	  128, 129, 3, 1, 4, 2, 0, 1280 },
};

#define EACH_NET(n)	for (const struct subnet *n = nets; n < nets + ARRAY_SIZE(nets); n++)
#define ID_SEQ(id, seq)	((uint32_t)(id) << 16 | (seq))

/* Echo request of the guest, or another message, at once */
static void guest_icmp(const char *from, const char *to, uint8_t ttl, uint8_t type, uint32_t rest, const void *data,
		       size_t len)
{
	struct addr src = A(from), dst = A(to);

	guest_len[0] = icmp_write(guest_frame[0] + 14, &src, &dst, ttl, type, 0, rest, data, len);
	guest_len[0] = guest_eth(guest_frame[0], guest_len[0]);
	guest_gso[0] = 0;
	guest_send(1);
}

static void guest_ping(const struct subnet *n, uint8_t ttl, uint16_t id, uint16_t seq)
{
	guest_icmp(n->guest, n->server, ttl, n->echo, ID_SEQ(id, seq), "payload", 7);
}

/* Answer of @from to the request @i */
static void out_reply(const struct subnet *n, const char *from, const struct ippkt *i, uint8_t ttl)
{
	static uint8_t p[65536];
	struct addr src = A(from);

	out_write(p, icmp_write(p, &src, &i->src.a, ttl, n->reply, 0, i->rest, i->data, i->len));
}

static void expect_reply(const struct subnet *n, unsigned k, const char *from, uint16_t id, uint16_t seq, uint8_t ttl)
{
	struct addr src = A(from), dst = A(n->guest);
	const struct ippkt *i = &got[k].ip;

	if (!eq(ngot, k + 1))
		return;
	ok(i->good);
	eq(i->type, n->reply);
	eq(i->rest, ID_SEQ(id, seq));
	eq(i->ttl, ttl);
	ok(addr_eq(&i->src.a, &src) && addr_eq(&i->dst.a, &dst));
	ok(i->len == 7 && !memcmp(i->data, "payload", 7));
}

static void test_echo(const struct subnet *n)
{
	static const struct {
		const char *name;
		uint16_t id, seq;
		uint8_t ttl;
	} cases[] = {
		{ "ICMP-06 echo and reply, checksums verified", 0x1234, 1, 57 },
		{ "ICMP-01 identifier 0, sequence 0", 0, 0, 64 },
		{ "largest identifier and sequence, TTL 1 and 255", 65535, 65535, 255 },
		{ "TTL 1", 77, 2, 1 },
	};
	struct ippkt i;

	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		test("%s: %s", n->name, cases[k].name);
		begin(NULL);
		guest_ping(n, 64, cases[k].id, cases[k].seq);
		if (!ok(out_read(&i)))
			continue;
		ok(i.good && i.type == n->echo && i.code == 0 && i.len == 7 && !memcmp(i.data, "payload", 7));
		eq(i.rest & 0xffff, cases[k].seq);
		out_reply(n, n->server, &i, cases[k].ttl);
		run();
		expect_reply(n, 0, n->server, cases[k].id, cases[k].seq, cases[k].ttl);
		eq(drops(), 0);
	}
}

static void test_never_forged(const struct subnet *n)
{
	struct ippkt i;

	test("ICMP-08 %s: no reply but from the host that was asked", n->name);
	begin(NULL);
	guest_ping(n, 64, 5, 1);
	ok(out_read(&i));
	pass(30000);
	run();
	eq(ngot, 0);
	out_reply(n, n->server2, &i, 64);
	run();
	eq(ngot, 0);
	eq(g->drops[DROP_NO_FLOW], 1);
	out_reply(n, n->server, &i, 64);
	run();
	expect_reply(n, 0, n->server, 5, 1, 64);
}

static void test_broadcast(void)
{
	const struct subnet *n = &nets[0];
	struct ippkt i;

	test("a broadcast address answers for some seconds, by hosts of its network, however many go on");
	begin(NULL);
	guest_icmp(n->guest, "192.0.2.255", 64, n->echo, ID_SEQ(5, 1), "payload", 7);
	if (!ok(out_read(&i)))
		return;
	out_reply(n, n->server, &i, 64);	/* of another one */
	run();
	eq(ngot, 0);
	for (unsigned k = 0; k < 5; k++) {
		c.now += k ? UDP_ANSWER_TIME / 4 : 0;
		out_reply(n, "192.0.2.77", &i, 64);
		run();
		expect_reply(n, k, "192.0.2.77", 5, 1, 64);
	}
	c.now++;
	out_reply(n, "192.0.2.77", &i, 64);
	run();
	eq(ngot, 5);
	eq(g->drops[DROP_NO_FLOW], 2);
	pass(PING_TIMEOUT - UDP_ANSWER_TIME);
	eq(c.flows.count[FLOW_PING], 0);
}

/* A program of the host wants identifier @id, 0: any; its socket, or -errno */
static int host_ping(const struct subnet *n, uint16_t id)
{
	bool v6 = n != nets;
	struct end at = { .a = v6 ? addr_any6 : addr_any4, .port = id };
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	union sockaddr_any sa;
	socklen_t len = end_to_sa(&at, 0, &sa);

	MUST(fd);
	if (!bind(fd, &sa.sa, len))
		return fd;
	close(fd);
	return -errno;
}

static void test_id(const struct subnet *n)
{
	struct addr router = A(n->router);
	struct ippkt i, j;
	int fd, other;

	test("ICMP-05 %s: identifiers are the kernel's choice, and translated both ways", n->name);
	begin(NULL);
	fd = host_ping(n, 99);
	guest_ping(n, 64, 99, 1);
	ok(out_read(&i) && i.rest >> 16 != 99);
	guest_icmp(n->guest, n->server2, 64, n->echo, ID_SEQ(99, 2), "payload", 7);
	if (!ok(out_read(&j)) || !ok(j.rest >> 16 != 99) || !ok(j.rest >> 16 != i.rest >> 16))
		return;
	eq(c.flows.count[FLOW_PING], 2);
	out_reply(n, n->server2, &j, 64);
	run();
	expect_reply(n, 0, n->server2, 99, 2, 64);

	test("ICMP-05 %s: and so are errors", n->name);
	got_clear();
	out_error(&router, &j, n->exceeded, 0, 0, 576);
	run();
	if (eq(ngot, 1)) {
		struct ippkt q = ip_read(got[0].ip.data, got[0].ip.len, addr_is_v4(&got[0].ip.src.a));

		ok(q.good);
		eq(q.rest, ID_SEQ(99, 2));
	}

	test("%s: a program that binds an identifier of ours has it, and the guest's ping goes on with another one",
	     n->name);
	got_clear();
	other = host_ping(n, (uint16_t)(i.rest >> 16));
	ok(other >= 0);
	pass(1000);
	guest_ping(n, 64, 99, 3);
	ok(out_read(&j) && j.rest >> 16 == i.rest >> 16);
	out_reply(n, n->server, &j, 64);
	run();
	eq(ngot, 0);
	pass(PING_SILENT + 1);
	guest_ping(n, 64, 99, 4);
	ok(out_read(&j) && j.rest >> 16 != i.rest >> 16 && (j.rest & 0xffff) == 4);
	out_reply(n, n->server, &j, 64);
	run();
	expect_reply(n, 0, n->server, 99, 4, 64);
	close(other);
	close(fd);

	test("%s: while replies come, it stays the same socket, however long", n->name);
	i = j;
	for (unsigned k = 5; k < 30; k++) {
		pass(PING_SILENT - 1);
		guest_ping(n, 64, 99, (uint16_t)k);
		ok(out_read(&j) && j.rest >> 16 == i.rest >> 16);
		out_reply(n, n->server, &j, 64);
		run();
	}
}

/* Identifiers of the guest's over the whole range, and between them programs of the host that want theirs */
static void test_ids(const struct subnet *n)
{
	unsigned refused = 0, lost = 0;
	struct rlimit many;
	int fd;

	MUST(getrlimit(RLIMIT_NOFILE, &many));
	many.rlim_cur = many.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &many));
	test("%s: a guest that uses identifiers all over the range keeps the host from none", n->name);
	begin(NULL);
	c.sockets_max = 2000;
	for (unsigned id = 0; id < 65536; id += n == nets ? 3 : 9) {
		struct ippkt i;

		guest_ping(n, 64, (uint16_t)id, 1);
		lost += !out_read(&i);
		if ((fd = host_ping(n, (uint16_t)id)) < 0)
			refused++;
		else
			close(fd);
	}
	for (unsigned id = 0; id < 65536; id++) {
		if ((fd = host_ping(n, (uint16_t)id)) < 0)
			refused++;
		else
			close(fd);
	}
	eq(lost, 0);
	eq(refused, 0);
	eq(c.flows.count[FLOW_PING], c.sockets_max);
	eq(drops(), 0);
}

static void test_refused(const struct subnet *n)
{
	unsigned fds;
	struct ippkt i;

	test("ICMP-04 %s: without permission for ping sockets, echo requests are dropped, and nothing else happens",
	     n->name);
	begin(NULL);
	ok(!sock_features.ping);
	fds = fds_open();
	guest_ping(n, 64, 99, 1);
	eq(g->drops[DROP_NO_RESOURCE], 1);
	eq(fds_open(), fds);
	eq(c.flows.count[FLOW_PING], 0);
	ok(!out_read(&i));
}

/* ICMP error in got[@k], about echo request @id, @seq to the server */
static void expect_error(const struct subnet *n, unsigned k, const char *from, uint8_t type, uint8_t code, uint16_t id,
			 uint16_t seq)
{
	struct addr src = A(from), dst = A(n->guest), server = A(n->server);
	const struct ippkt *i = &got[k].ip;
	struct ippkt quoted;

	if (!eq(ngot, k + 1))
		return;
	ok(i->good && addr_eq(&i->src.a, &src) && addr_eq(&i->dst.a, &dst));
	eq(i->type, type);
	eq(i->code, code);
	ok(got[k].len - 14 <= n->max);
	quoted = ip_read(i->data, i->len, false);
	ok(quoted.good && addr_eq(&quoted.src.a, &dst) && addr_eq(&quoted.dst.a, &server));
	eq(quoted.type, n->echo);
	eq(quoted.rest, ID_SEQ(id, seq));
}

static void test_errors(const struct subnet *n)
{
	struct addr router = A(n->router);
	struct ippkt i;

	test("ICMP-07 %s: TTL is passed on, and the router it ends at is shown", n->name);
	begin(NULL);
	for (uint8_t ttl = 1; ttl < 5; ttl++) {
		guest_ping(n, ttl, 7, ttl);
		if (!ok(out_read(&i)) || !eq(i.ttl, ttl))
			return;
		out_error(&router, &i, n->exceeded, 0, 0, ttl & 1 ? n->max == 576 ? 28 : 48 : 576);
		ok(run() < 4);
		expect_error(n, ttl - 1U, n->router, n->exceeded, 0, 7, ttl);
	}
	guest_ping(n, 64, 7, 9);
	ok(out_read(&i) && i.ttl == 64);

	test("%s: an unreachable host is shown so, and the next request is sent nevertheless", n->name);
	got_clear();
	out_error(&router, &i, n->unreach, 1, 0, 576);
	guest_ping(n, 64, 7, 10);
	run();
	expect_error(n, 0, n->router, n->unreach, 1, 7, 9);
	ok(out_read(&i) && (i.rest & 0xffff) == 10);
	eq(drops(), 0);

	test("ICMP-09 PEER-01 %s: no route is told, and a new one is used at once", n->name);
	begin(NULL);
	host_default_routes("out", false);
	guest_ping(n, 64, 8, 1);
	expect_error(n, 0, n->gw, n->unreach, 0, 8, 1);
	host_default_routes("out", true);
	guest_ping(n, 64, 8, 2);
	ok(out_read(&i) && (i.rest & 0xffff) == 2);
}

static void test_local(const struct subnet *n)
{
	test("%s: the gateway's address is the host's loopback", n->name);
	begin(NULL);
	guest_icmp(n->guest, n->gw, 64, n->echo, ID_SEQ(3, 1), "payload", 7);
	run();
	expect_reply(n, 0, n->gw, 3, 1, 64);
}

static void test_fragments(const struct subnet *n)
{
	static const size_t sizes[] = { 1273, 2000, 9000, 40000 };
	static uint8_t data[40000], whole[65536 + 8], frame[65536];
	struct addr src = A(n->guest), dst = A(n->gw);

	for (unsigned k = 0; k < sizeof(data); k++)
		data[k] = (uint8_t)(k * 13 >> 3);
	for (unsigned k = 0; k < ARRAY_SIZE(sizes); k++) {
		size_t len;

		test("%s: a reply of %zu bytes reaches the guest in fragments", n->name, sizes[k]);
		begin(NULL);
		cf.mtu = 1300;
		len = icmp_write(frame + 14, &src, &dst, 64, n->echo, 0, ID_SEQ(7, 8), data, sizes[k]);
		guest_big = frame;
		guest_len[0] = guest_eth(frame, len);
		guest_gso[0] = 0;
		guest_send(1);
		guest_big = NULL;
		run();
		len = reassemble(whole, 1300);
		if (eq(len, sizes[k] + 8)) {
			eq(whole[0], n->reply);
			eq_mem(whole + 8, data, sizes[k]);
			eq(slow_sum(whole, len, n == nets ? 0 : slow_pseudo(&dst, &src, IPPROTO_ICMPV6, len)), 0xffff);
		}
		eq(drops(), 0);
	}
}

static void test_not_echo(const struct subnet *n)
{
	static const uint8_t types[] = { 1, 3, 4, 9, 11, 12, 13, 15, 17, 130, 200, 255 };
	struct ippkt i;

	test("%s: nothing but echo requests leaves", n->name);
	begin(NULL);
	for (unsigned k = 0; k < ARRAY_SIZE(types); k++)
		guest_icmp(n->guest, n->server, 64, types[k], 0, "payload", 7);
	guest_icmp(n->guest, n->server, 64, n->reply, ID_SEQ(1, 1), "payload", 7);
	ok(!out_read(&i));
	eq(g->drops[DROP_PROTO], ARRAY_SIZE(types) + 1);
	eq(c.flows.count[FLOW_PING], 0);

	test("%s: --no-icmp is told as prohibited", n->name);
	cf.no_icmp = true;
	guest_ping(n, 64, 4, 1);
	eq(g->drops[DROP_POLICY], 1);
	expect_error(n, 0, n->gw, n->unreach, addr_is_v4(&got[0].ip.src.a) ? 13 : 1, 4, 1);
}

static void test_scan(const struct subnet *n)
{
	struct rlimit old, few;
	struct addr to = A(n->server), from = A(n->guest);
	unsigned sent = 0;
	struct ippkt i;

	test("UDP-07 %s: a scan uses up all descriptors, and goes on", n->name);
	begin(NULL);
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = 128;
	setrlimit(RLIMIT_NOFILE, &few);
	for (unsigned k = 0; k < 1000; k++) {
		put_be16(to.b + 14, (uint16_t)(1000 + k));
		guest_len[0] = guest_eth(guest_frame[0], icmp_write(guest_frame[0] + 14, &from, &to, 64, n->echo, 0,
								    ID_SEQ(1, k), NULL, 0));
		guest_gso[0] = 0;
		guest_send(1);
		sent += out_read(&i) && addr_eq(&i.dst.a, &to);
	}
	setrlimit(RLIMIT_NOFILE, &old);
	eq(sent, 1000);
	eq(drops(), 0);
}

static void test_link_full(const struct subnet *n)
{
	struct ippkt i;

	test("%s: a full link keeps replies waiting, in the socket", n->name);
	begin(NULL);
	link_room = 0;
	for (uint16_t k = 0; k < 200; k++) {
		guest_ping(n, 64, 2, k);
		ok(out_read(&i));
		out_reply(n, n->server, &i, 64);
	}
	ok(run() < 10);
	eq(ngot, 0);
	for (unsigned turn = 0; turn < 100 && ngot < 200; turn++) {
		link_room = 50;
		tap_flush(&g->tap);
		link_resume(WAIT_STALLED);
		run();
	}
	eq(ngot, 200);
	for (unsigned k = 0; k < ngot; k++)
		eq(got[k].ip.rest, ID_SEQ(2, k));
	eq(drops(), 0);
}

/* icmp_error() about a UDP datagram of @len bytes */
static void tell(const struct subnet *n, const struct sock_err *e, const char *to, size_t len)
{
	static uint8_t l4[9000];
	struct end src = E(n->guest, 1111), dst = E(to, 2222);

	put_be16(l4, 1111);
	put_be16(l4 + 2, 2222);
	put_be16(l4 + 4, (uint16_t)(8 + len));
	icmp_error(&c, g, e, &src, &dst, IPPROTO_UDP, l4, 8 + len);
	tap_flush(&g->tap);
}

static void test_map(const struct subnet *n)
{
	static const struct {
		int err;
		uint8_t type[FAMILIES], code[FAMILIES];
	} cases[] = {
		{ ECONNREFUSED,	{ 3, 1 }, { 3, 4 } },	{ EHOSTUNREACH,	{ 3, 1 }, { 1, 3 } },
		{ ENETUNREACH,	{ 3, 1 }, { 0, 0 } },	{ EACCES,	{ 3, 1 }, { 13, 1 } },
		{ EPERM,	{ 3, 1 }, { 13, 1 } },	{ EMSGSIZE,	{ 3, 2 }, { 4, 0 } },
	};
	enum family fam = n == nets ? V4 : V6;

	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		struct sock_err e = { .err = cases[k].err, .origin = SO_EE_ORIGIN_LOCAL, .info = 1400 };

		test("ICMP-09 %s: %s", n->name, strerror(e.err));
		begin(NULL);
		tell(n, &e, n->server, 10);
		if (!eq(ngot, 1))
			continue;
		ok(got[0].ip.good);
		eq(got[0].ip.type, cases[k].type[fam]);
		eq(got[0].ip.code, cases[k].code[fam]);
		eq(got[0].ip.rest, e.err == EMSGSIZE ? 1400 : 0);
	}
	for (int err = 0; err < 140; err++) {
		struct sock_err e = { .err = err };
		bool listed = false;

		for (unsigned k = 0; k < ARRAY_SIZE(cases); k++)
			listed |= cases[k].err == err;
		if (listed || err == EHOSTDOWN || err == ENETDOWN || err == EADDRNOTAVAIL || err == ENODEV ||
		    err == ENOPROTOOPT)
			continue;
		if (!err) {
			test("ICMP-09 %s: no message for an error of another kind", n->name);
			begin(NULL);
		}
		tell(n, &e, n->server, 10);
		eq(ngot, 0);
	}
}

static void test_relayed(const struct subnet *n)
{
	struct sock_err e = {
		.err = EHOSTUNREACH,
		.origin = n == nets ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6,
		.offender = E(n->router, 0),
	};

	test("%s: types and codes from the network are passed on, and no other than errors", n->name);
	begin(NULL);
	for (unsigned type = 0; type < 256; type++) {
		bool error = n == nets ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;

		e.type = (uint8_t)type;
		e.code = (uint8_t)(type + 3);
		e.info = 0x12345678;
		got_clear();
		c.now += 10;
		tell(n, &e, n->server, 10);
		eq(ngot, error);
		if (error && ngot)
			ok(got[0].ip.good && got[0].ip.type == type && got[0].ip.code == e.code);
	}

	test("%s: with MTU and pointer, nothing else", n->name);
	for (unsigned k = 0; k < 4; k++) {
		static const uint32_t want[FAMILIES][4] = { { 1400, 0, 0, 20U << 24 }, { 1400, 0, 0, 20 } };
		const uint8_t types[] = { n->too_big, n->unreach, n->exceeded, n == nets ? 12 : 4 };

		e.type = types[k];
		e.code = k ? 0 : n->too_big_code;
		e.info = k ? 20 : 1400;
		got_clear();
		tell(n, &e, n->server, 10);
		if (!eq(ngot, 1))
			continue;
		eq(got[0].ip.rest, want[n - nets][k]);
		eq(ip_read(got[0].ip.data, got[0].ip.len, true).ttl, types[k] == n->exceeded ? 1 : 64);
	}

	test("%s: from the destination itself, under the guest's name for it", n->name);
	e.type = n->unreach;
	e.dst = e.offender = E(n->server2, 0);
	got_clear();
	tell(n, &e, n->server, 10);
	ok(ngot == 1 && addr_eq(&got[0].ip.src.a, &(struct end){ .a = A(n->server) }.a));

	test("%s: from the gateway, where the guest can't be shown who says it", n->name);
	e.offender = E(n->loopback, 0);
	got_clear();
	tell(n, &e, n->server, 10);
	ok(ngot == 1 && addr_eq(&got[0].ip.src.a, &(struct end){ .a = A(n->gw) }.a));
}

/* The host's side of the flow is of the other family: a resolver's */
static void test_translated(const struct subnet *n)
{
	static const struct {
		int err;
		uint8_t from[FAMILIES][2], to[FAMILIES][2];	/* type and code, the host's and the guest's */
	} cases[] = {
		{ ECONNREFUSED,	{ { 1, 4 }, { 3, 3 } }, { { 3, 3 }, { 1, 4 } } },
		{ EHOSTUNREACH,	{ { 1, 3 }, { 3, 1 } }, { { 3, 1 }, { 1, 3 } } },
		{ ENETUNREACH,	{ { 1, 0 }, { 3, 0 } }, { { 3, 0 }, { 1, 0 } } },
		{ EACCES,	{ { 1, 1 }, { 3, 13 } }, { { 3, 13 }, { 1, 1 } } },
		{ EHOSTUNREACH,	{ { 3, 0 }, { 11, 0 } }, { { 11, 0 }, { 3, 0 } } },
		{ EMSGSIZE,	{ { 2, 0 }, { 3, 4 } }, { { 3, 4 }, { 2, 0 } } },
	};
	enum family f = n == nets ? V4 : V6;
	const struct subnet *other = &nets[f == V4 ? V6 : V4];
	struct sock_err e = { .origin = f == V4 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP, .dst = E(other->server, 53) };

	test("%s: errors of the other family are translated", n->name);
	begin(NULL);
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		e.err = cases[k].err;
		e.type = cases[k].from[f][0];
		e.code = cases[k].from[f][1];
		e.info = 1400;
		e.offender = E(other->router, 0);
		got_clear();
		c.now += 10;
		tell(n, &e, n->server, 10);
		if (!eq(ngot, 1))
			continue;
		ok(got[0].ip.good && got[0].ip.type == cases[k].to[f][0] && got[0].ip.code == cases[k].to[f][1]);
		eq(got[0].ip.rest, e.err != EMSGSIZE ? 0 : f == V4 ? 1380 : 1420);
		ok(addr_eq(&got[0].ip.src.a, &(struct end){ .a = A(n->gw) }.a));
	}

	test("%s: from the destination itself, under the guest's name for it, of the other family", n->name);
	e.offender = e.dst;
	e.err = ECONNREFUSED;
	got_clear();
	c.now += 10;
	tell(n, &e, n->server, 10);
	ok(ngot == 1 && addr_eq(&got[0].ip.src.a, &(struct end){ .a = A(n->server) }.a));

	test("%s: what has no translation is dropped", n->name);
	e.err = EPROTO;
	got_clear();
	c.now += 10;
	tell(n, &e, n->server, 10);
	eq(ngot, 0);
}

static void test_silence(const struct subnet *n)
{
	static const char *const none[][3] = {
		{ "239.1.2.3", "255.255.255.255", "192.0.2.255" }, { "ff02::1", "ff15::1", "ff0e::77" },
	};
	struct sock_err e = { .err = ECONNREFUSED };
	unsigned before;

	for (unsigned k = 0; k < 3; k++) {
		test("RFC 1122 3.2.2 %s: no error about what was sent to %s", n->name, none[n - nets][k]);
		begin(NULL);
		tell(n, &e, none[n - nets][k], 10);
		eq(ngot, 0);
	}

	test("RFC 1122 3.2.2 %s: no error to a source that is none", n->name);
	for (unsigned k = 0; k < 2; k++) {
		static const uint8_t l4[8];
		const char *from = k ? none[n - nets][0] : n == nets ? "0.0.0.0" : "::";
		struct end src = E(from, 1111), dst = E(n->server, 2222);

		icmp_error(&c, g, &e, &src, &dst, IPPROTO_UDP, l4, sizeof(l4));
	}
	tap_flush(&g->tap);
	eq(ngot, 0);

	test("RFC 4443 2.4 (f) %s: errors are limited in rate, and go on after a while", n->name);
	begin(NULL);
	for (unsigned k = 0; k < 900; k++)
		tell(n, &e, n->server, 10);
	ok(ngot >= 100 && ngot <= RATE_BURST + 1);
	before = ngot;
	pass(100);
	for (unsigned k = 0; k < 500; k++)
		tell(n, &e, n->server, 10);
	ok(ngot >= before + 90 && ngot <= before + 110);

	test("RFC 1812 4.3.2.3, RFC 4443 2.4 (c) %s: as much is quoted as fits", n->name);
	begin(NULL);
	for (size_t len = 0; len < 9000 - 8; len += 97) {
		got_clear();
		c.now += 10;
		tell(n, &e, n->server, len);
		if (eq(ngot, 1)) {
			size_t ip = n == nets ? 20 : 40, want = MIN(ip + 8 + ip + 8 + len, n->max);

			ok(got[0].ip.good);
			eq(got[0].len - 14, want);
			ok(ip_read(got[0].ip.data, got[0].ip.len, want < n->max).v4 == (n == nets));
		}
	}
}

int main(void)
{
	host_init();
	EACH_NET(n)
		test_refused(n);
	host_allow_ping();
	EACH_NET(n) {
		test_echo(n);
		test_never_forged(n);
		test_id(n);
		test_ids(n);
		test_errors(n);
		test_local(n);
		test_fragments(n);
		test_not_echo(n);
		test_scan(n);
		test_link_full(n);
		test_map(n);
		test_relayed(n);
		test_translated(n);
		test_silence(n);
	}
	test_broadcast();
	begin(NULL);
	return done();
}
