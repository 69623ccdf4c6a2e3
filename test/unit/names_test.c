/* SPDX-License-Identifier: GPL-2.0-or-later */
/* names_test.c - grants: how long they hold, and which one makes room */

#include "../addresses.h"
#include "../t.h"
#include "../../names.c"

static struct ctx c;
static struct guest *const g = &c.guest[0];

static bool put(const char *name, const char *addr, uint32_t ttl)
{
	struct addr a = A(addr);

	return names_grant(&c, g, name, &a, ttl);
}

static bool has(const char *name, const char *addr)
{
	struct addr a = A(addr);

	return names_find(&c, g, &a, name);
}

static const char *of(const char *addr)
{
	struct addr a = A(addr);

	return names_of(&c, g, &a);
}

static struct addr nth(unsigned i)
{
	return addr_from4(htonl(0x0a000000 + i));
}

static void test_time(void)
{
	static const struct {
		uint32_t	ttl;
		unsigned	s;		/* that it holds */
	} t[] = {
		{ 0, 60 }, { 1, 60 }, { 60, 60 }, { 61, 61 }, { 86400, 86400 }, { 7 * 86400 + 1, 7 * 86400 },
		{ UINT32_MAX, 7 * 86400 },
	};

	test("a grant holds for its time to live, a minute at least");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		ok(put("a.b", "192.0.2.1", t[i].ttl));
		c.now += 1000ULL * t[i].s - 1;
		ok(has("a.b", "192.0.2.1") && !has("a.b", "192.0.2.2") && !has("b", "192.0.2.1"));
		c.now++;
		ok(!has("a.b", "192.0.2.1"));
	}

	test("and as long as a flow lives by it");
	{
		static const struct flow_ops ops = { .type = FLOW_TCP };
		struct decision d = { .by = BY_NAME };
		struct addr a = A("192.0.2.1");
		struct flow *f;

		put("a.b", "192.0.2.1", 0);
		d.grant = names_find(&c, g, &a, "a.b");
		f = flow_alloc(&c.flows, &ops, 0, 0);
		flow_decided(&c.flows, f, &d);
		c.now += 3600000;
		ok(has("a.b", "192.0.2.1"));
		flow_end(&c.flows, f);
		flow_bury(&c.flows);
		ok(!has("a.b", "192.0.2.1"));
	}

	test("a shorter time to live ends nothing early");
	put("a.b", "192.0.2.1", 1000);
	put("a.b", "192.0.2.1", 1);
	c.now += 999999;
	ok(has("a.b", "192.0.2.1"));
	names_forget(g);
	ok(!has("a.b", "192.0.2.1") && !of("192.0.2.1"));
}

static void test_order(void)
{
	test("several names of an address: the latest comes first");
	put("a.b", "2001:db8::1", 0);
	put("c.d", "2001:db8::1", 0);
	eq_str(of("2001:db8::1"), "c.d");
	put("a.b", "2001:db8::1", 0);
	eq_str(of("2001:db8::1"), "a.b");
	ok(has("c.d", "2001:db8::1"));
	names_forget(g);

	test("an address has so many names at most: the one granted first goes");
	for (unsigned i = 0; i <= GRANTS_EACH; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u.b", i);
		ok(put(name, "192.0.2.1", 0));
	}
	ok(!has("n0.b", "192.0.2.1") && has("n1.b", "192.0.2.1") && has("n64.b", "192.0.2.1"));
	names_forget(g);

	test("a name that comes again when its time is over keeps its place: others of its address keep theirs");
	put("long.b", "192.0.2.1", 86400);
	for (unsigned i = 0; i <= GRANTS_EACH; i++) {
		ok(put("short.b", "192.0.2.1", 60));
		c.now += 60000;
	}
	ok(has("long.b", "192.0.2.1") && !has("short.b", "192.0.2.1"));
	names_forget(g);
}

static unsigned held(unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++) {
		struct addr a = nth(i);

		sum += !!names_find(&c, g, &a, "a.b");
	}
	return sum;
}

static void test_bounds(void)
{
	test("the table is bounded: the oldest one without a flow makes room");
	for (unsigned i = 0; i < GRANTS_MAX; i++) {
		struct addr a = nth(i);

		ok(names_grant(&c, g, "a.b", &a, 0));
	}
	eq(held(GRANTS_MAX), GRANTS_MAX);
	for (unsigned i = 0; i < 4; i++) {
		struct addr a = nth(i);

		c.flows.granted[names_find(&c, g, &a, "a.b")] = i != 2;
	}
	for (unsigned i = 0; i < 2; i++) {
		struct addr a = nth(GRANTS_MAX + i);

		ok(names_grant(&c, g, "a.b", &a, 0));
	}
	eq(held(GRANTS_MAX + 2), GRANTS_MAX);
	eq(held(5), 3);			/* without 2 and 4 */

	test("flows live by all of them: no room");
	for (unsigned i = 1; i <= GRANTS_MAX; i++)
		c.flows.granted[i] = 1;
	ok(!put("a.b", "192.0.2.1", 0) && !has("a.b", "192.0.2.1"));
	eq(held(GRANTS_MAX + 2), GRANTS_MAX);
	memset(c.flows.granted, 0, sizeof(c.flows.granted));
	ok(put("a.b", "192.0.2.1", 0));

	test("nothing is left of a guest that is gone");
	names_forget(g);
	eq(held(GRANTS_MAX + 2), 0);
	ok(!oldest && !newest);
	for (unsigned i = 0; i < GRANTS_MAX; i++) {
		struct addr a = nth(i);

		ok(names_grant(&c, g, "a.b", &a, 0));
	}
	names_forget(g);
}

int main(void)
{
	flows_init(&c.flows);
	c.now = 1000;
	test_time();
	test_order();
	test_bounds();
	return done();
}
