/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan_group_test.c - groups of guests: reports, leaves, queries, ages, and what makes no sense */
#include "../t.h"
#include "../../lan_group.c"

#define GUESTS	3

static struct ctx c;
static struct conf cf = { .guests = GUESTS, .lan.on = true, .our_mac = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } } };
static const uint64_t all = UINT64_MAX;

static uint8_t out[256];
static size_t out_len;
static unsigned queries[GUESTS];

static int sink_flush(struct tap *t)
{
	for (; t->qlen; tap_queue_pop(t)) {
		const struct frame *f = tap_queued(t, 0);

		memcpy(out, f->hdr + f->hoff, f->hlen);
		memcpy(out + f->hlen, f->pay[0].iov_base, f->pay[0].iov_len);
		out_len = f->hlen + f->pay[0].iov_len;
		queries[t->index]++;
	}
	return 0;
}

static void sink_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
}

static const struct tap_ops sink = { .name = "sink", .eager = true, .commit = sink_commit, .flush = sink_flush };

static void set_up(void)
{
	const struct caps caps = { .mtu = 1500 };

	c = (struct ctx){ .net.cf = &cf, .guests = GUESTS, .here = { { 7 } }, .now = 1000 };
	addr_parse("192.168.77.1", 12, &c.net.ip[V4].gw);
	addr_parse("fe80::1", 7, &c.net.ip[V6].our_ll);
	for (unsigned i = 0; i < GUESTS; i++) {
		c.guest[i].index = c.guest[i].tap.index = (uint8_t)i;
		tap_init(&c.guest[i].tap, &sink, 1, &caps, -1);
	}
	wheel_init(&c.wheel, c.now);
	lan_start(&c.lan);
	memset(queries, 0, sizeof(queries));
}

static struct addr addr_of(const char *s)
{
	struct addr a;

	if (!addr_parse(s, strlen(s), &a))
		abort();
	return a;
}

/* Of all there may be, as bits */
static uint64_t members(const char *group)
{
	const struct addr a = addr_of(group);
	struct guests set = { { UINT64_MAX } };

	lan_group_members(&c, &a, &set);
	return set.w[0];
}

static uint64_t routers(void)
{
	struct guests set = { { UINT64_MAX } };

	lan_group_routers(&c, &set);
	return set.w[0];
}

/* Timers up to that time */
static void later(uint64_t ms)
{
	for (uint64_t end = c.now + ms; c.now < end;) {
		c.now = MIN(end, c.now + 1000);
		for (struct timer *t; (t = timer_expire(&c.wheel, c.now));)
			if (eq(t->kind, TIMER_GROUPS))
				lan_group_timeout(&c);
	}
}

/* A message of @len bytes, its checksum to be finished, from @guest, in a packet with router alert */
static bool message_from(unsigned guest, bool v4, const uint8_t *msg, size_t len, size_t total)
{
	static uint8_t b[70000];
	struct addr from = v4 ? addr_from4(htonl(0xc0a84d0a + guest)) : addr_of("fe80::10"), to;
	uint8_t *ip = b + ETH_HLEN, *m = ip + (v4 ? 24 : 48);
	struct iovec iov[] = { { b, 40 }, { b + 40, (size_t)(m - b) + len - 40 } };
	struct raw raw = { iov, 2, (size_t)(m - b) + len, { 0 }, 0 };
	struct pkt p = { 0 };
	enum drop why;

	to = v4 ? addr_of("224.0.0.22") : addr_of("ff02::16");
	memset(b, 0, (size_t)(m - b));
	memcpy(m, msg, len);
	if (v4) {
		put_be16(b + 12, ETH_P_IP);
		memcpy(ip, (uint8_t[]){ 0x46, 0xc0, 0, 0, 0, 0, 0, 0, 1, IPPROTO_IGMP }, 10);
		put_be16(ip + 2, (uint16_t)(24 + total));
		addr_to_bytes(&from, ip + 12);
		addr_to_bytes(&to, ip + 16);
		ip[20] = 0x94;
		ip[21] = 4;
		sum_at(ip, 24, 10, 0);
		memset(m + 2, 0, len < 4 ? 0 : 2);
		if (len >= 4)
			sum_at(m, len, 2, 0);
	} else {
		put_be16(b + 12, ETH_P_IPV6);
		memcpy(ip, (uint8_t[]){ 0x60, 0, 0, 0, 0, 0, 0, 1 }, 8);
		put_be16(ip + 4, (uint16_t)(8 + total));
		addr_to_bytes(&from, ip + 8);
		addr_to_bytes(&to, ip + 24);
		memcpy(ip + 40, (uint8_t[]){ IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0 }, 8);
		memset(m + 2, 0, len < 4 ? 0 : 2);
		if (len >= 4)
			sum_at(m, len, 2, csum_pseudo(&from, &to, IPPROTO_ICMPV6, (uint32_t)len));
	}
	why = pkt_parse(&raw, &p);
	return (why == DROP_NONE || why == DROP_PROTO) && lan_group_report(&c, &c.guest[guest], &raw, &p);
}

/* A message about one group: of version 1 or 2, MLD's version 1 */
static bool simple(unsigned guest, uint8_t type, const char *group)
{
	const struct addr a = addr_of(group);
	bool v4 = addr_is_v4(&a);
	uint8_t m[24] = { type };

	addr_to_bytes(&a, m + (v4 ? 4 : 8));
	return message_from(guest, v4, m, v4 ? 8 : 24, v4 ? 8 : 24);
}

/* A report with one record of @type, with so many sources */
static bool record(unsigned guest, uint8_t type, const char *group, unsigned sources)
{
	const struct addr a = addr_of(group);
	bool v4 = addr_is_v4(&a);
	uint8_t m[200] = { v4 ? IGMP3_REPORT : MLD_REPORT2, [7] = 1, [8] = type, [11] = (uint8_t)sources };
	size_t len = 12 + (v4 ? 4U : 16U) * (1 + sources);

	addr_to_bytes(&a, m + 12);
	return message_from(guest, v4, m, len, len);
}

static void test_members(void)
{
	static const char *const groups[] = { "239.1.2.3", "ff15::77" };

	for (unsigned i = 0; i < 2; i++) {
		const char *group = groups[i], *other = i ? "ff15::78" : "239.1.2.4";

		test("%s: nobody joined it: all get it; then members do, once others had time to report theirs", group);
		set_up();
		ok(members(group) == all);
		ok(record(1, 4, group, 0));
		eq(queries[0] + queries[1] + queries[2], 3);
		eq(members(group), 7);
		later(SETTLED);
		eq(members(group), 2);
		ok(members(other) == all);
		ok(record(2, 2, group, 0));
		eq(members(group), 6);

		test("%s: a guest that leaves is asked, and gets it for 2 s more", group);
		ok(record(2, TO_INCLUDE, group, 0));
		eq(queries[2], 2);
		eq(members(group), 6);
		ok(record(2, TO_INCLUDE, group, 0));
		eq(queries[2], 2);
		later(SETTLED);
		eq(members(group), 2);
		ok(record(1, BLOCK_OLD, group, 1));
		ok(record(1, 2, group, 0));		/* the answer of another one behind it */
		later(SETTLED);
		eq(members(group), 2);
		ok(record(1, TO_INCLUDE, group, 0));
		later(SETTLED);
		ok(members(group) == all);
		later(QUERY_EVERY);
		ok(!timer_armed(&c.lan.groups.timer));
		eq(c.lan.groups.known[i], 0);

		test("%s: sources make a member, no sources none; older versions", group);
		set_up();
		ok(record(0, IS_INCLUDE, group, 0));
		ok(record(0, 5, group, 0));
		ok(record(0, 7, group, 1));
		ok(record(0, 0, group, 1));
		ok(members(group) == all);
		ok(record(0, IS_INCLUDE, group, 3));
		later(SETTLED);
		eq(members(group), 1);
		ok(simple(1, i ? MLD_REPORT1 : IGMP2_REPORT, group));
		eq(members(group), 3);
		ok(simple(1, i ? MLD_DONE : IGMP2_LEAVE, group));
		later(SETTLED);
		eq(members(group), 1);
		ok(i || simple(2, IGMP1_REPORT, group));
		eq(members(group), i ? 1 : 5);

		test("%s: forgotten after 260 s without a report; queried every 125 s until then", group);
		set_up();
		record(1, 4, group, 0);
		later(QUERY_EVERY);
		eq(queries[0], 2);
		later(MEMBER_AGE - QUERY_EVERY - 1);
		eq(members(group), 2);
		eq(queries[0], 3);
		later(1);
		ok(members(group) == all);
		later(QUERY_EVERY);
		eq(queries[0], 3);
		ok(!timer_armed(&c.lan.groups.timer));

		test("%s: a guest that comes is asked, and gets all meanwhile; one that goes is forgotten", group);
		set_up();
		c.here = (struct guests){ { 3 } };
		lan_group_up(&c, &c.guest[2]);
		eq(queries[2], 0);
		record(1, 4, group, 0);
		later(SETTLED);
		eq(queries[2], 0);
		c.here = (struct guests){ { 7 } };
		lan_group_up(&c, &c.guest[2]);
		eq(queries[2], 1);
		eq(members(group), 6);
		later(SETTLED);
		eq(members(group), 2);
		lan_group_forget(&c.lan, 1);
		ok(members(group) == all);

		test("%s: a guest that sends queries gets reports, and all groups, for 255 s", group);
		set_up();
		ok(routers() == 0);
		ok(!simple(0, i ? MLD_QUERY : IGMP_QUERY, i ? "::" : "0.0.0.0"));
		eq(routers(), 1);
		record(1, 4, group, 0);
		later(SETTLED);
		eq(members(group), 3);
		later(ROUTER_AGE - SETTLED);
		eq(routers(), 0);
	}

	test("some are flooded, whoever reports them");
	set_up();
	record(0, 4, "224.0.0.251", 0);
	record(0, 4, "ff02::1", 0);
	record(0, 4, "ff01::77", 0);
	record(0, 4, "10.0.0.1", 0);
	record(0, 4, "2001:db8::1", 0);
	simple(0, IGMP2_REPORT, "224.0.0.251");
	eq(c.lan.groups.known[V4] + c.lan.groups.known[V6], 0);
	eq(queries[0], 0);
	ok(members("224.0.0.251") == all);

	test("neighbour discovery reaches a guest that never reports, whoever reports its group");
	record(0, 4, "ff02::1:ff00:2", 0);
	record(1, 4, "ff02::1:ff00:3", 0);
	later(SETTLED);
	ok(members("ff02::1:ff00:2") == 5);
}

/* Queries are what the parser takes, and routers are known by */
static void test_query(void)
{
	static const char *const groups[] = { "239.1.2.3", "ff15::77" };

	for (unsigned i = 0; i < 2; i++) {
		const struct addr a = addr_of(groups[i]);

		for (unsigned specific = 0; specific < 2; specific++) {
			struct iovec iov = { out, 0 };
			struct raw raw = { &iov, 1, 0, { .full = true }, 0 };
			struct pkt p = { 0 };
			struct addr to = specific ? a : addr_of(i ? "ff02::1" : "224.0.0.1"), any = addr_any(i);

			test("query, IPv%u, %s", i ? 6 : 4, specific ? "of one group" : "of all");
			set_up();
			query_send(&c, &c.guest[0], specific ? &a : &any);
			iov.iov_len = raw.len = out_len;
			eq(pkt_parse(&raw, &p), i ? DROP_NONE : DROP_PROTO);
			ok(addr_eq(&p.dst.a, &to));
			eq(message(&raw, &p).len, i ? 28 : 12);
			ok(!lan_group_report(&c, &c.guest[1], &raw, &p));
			eq(routers(), 2);
			eq_mem(out, (i ? (uint8_t[]){ 0x33, 0x33, 0, 0, 0, specific ? 0x77 : 1 }
				       : (uint8_t[]){ 1, 0, 0x5e, specific, specific * 2, specific ? 3 : 1 }), 6);
		}
	}
}

static void test_hostile(void)
{
	static uint8_t m[1500];
	uint64_t seed = 1;

	test("10,000 groups of one guest: it gets all, others have theirs");
	set_up();
	for (unsigned i = 0; i < 10000; i++) {
		char group[ADDR_STRLEN];

		snprintf(group, sizeof(group), i % 2 ? "239.2.%u.%u" : "ff15::%02x%02x", i >> 8, i & 255);
		record(0, 4, group, 0);
	}
	eq(c.lan.groups.has[0], LAN_GROUPS);
	eq(queries[1], 2);
	record(1, 4, "239.1.2.3", 0);
	later(SETTLED);
	eq(members("239.1.2.3"), 3);
	later(2 * (MEMBER_AGE + QUERY_EVERY));
	eq(c.lan.groups.has[0], 0);

	test("counts of records and sources beyond the message, and any cut");
	for (unsigned v6 = 0; v6 < 2; v6++) {
		const struct addr a = addr_of(v6 ? "ff15::77" : "239.1.2.3");

		set_up();
		memset(m, 0, sizeof(m));
		m[0] = v6 ? MLD_REPORT2 : IGMP3_REPORT;
		m[6] = m[7] = 0xff;
		m[8] = 4;
		m[9] = m[10] = m[11] = 0xff;
		addr_to_bytes(&a, m + 12);
		for (size_t len = 0; len <= 100; len++)
			message_from(0, !v6, m, len, len);
		eq(c.lan.groups.has[0], 0);
		m[9] = m[10] = m[11] = 0;
		for (size_t len = 8; len < (v6 ? 28 : 16); len++)
			message_from(0, !v6, m, len, len);
		eq(c.lan.groups.has[0], 0);
		message_from(0, !v6, m, sizeof(m) - 100, sizeof(m) - 100);
		eq(c.lan.groups.has[0], 1);
		message_from(1, !v6, m, 100, 900);		/* the packet is cut */
		eq(c.lan.groups.has[1], 0);
	}

	test("anything");
	set_up();
	for (unsigned i = 0; i < 100000; i++) {
		static const uint8_t types[] = { 0x11, 0x12, 0x16, 0x17, 0x22, 130, 131, 132, 143, 0 };
		size_t len;

		for (unsigned k = 0; k < 64; k++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			m[k] = seed >> 40 & 1 ? (uint8_t)(seed >> 33) : 0;
		}
		len = (seed >> 34) % 65;
		m[0] = types[i % 10];
		m[12] = m[4] = i % 10 < 5 ? 239 : 255;
		message_from(seed >> 50 & 1, i % 10 < 5, m, len, len);
		c.now += seed >> 51 & 63;
		if (i % 1000 == 0)
			later(QUERY_EVERY);
		if (c.lan.groups.has[0] > LAN_GROUPS ||
		    c.lan.groups.known[V4] + c.lan.groups.known[V6] != c.lan.groups.has[0] + c.lan.groups.has[1] + 0U)
			break;
	}
	ok(c.lan.groups.has[0] <= LAN_GROUPS);
	eq(c.lan.groups.known[V4] + c.lan.groups.known[V6], c.lan.groups.has[0] + c.lan.groups.has[1]);
	later(MEMBER_AGE + QUERY_EVERY);
	eq(c.lan.groups.known[V4] + c.lan.groups.known[V6], 0);
	for (unsigned i = 0; i < GROUP_HASH; i++)
		if (!eq(c.lan.groups.head[i], 0))
			break;
}

int main(void)
{
	tap_guests(GUESTS);
	test_members();
	test_query();
	test_hostile();
	return done();
}
