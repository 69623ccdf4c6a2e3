/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink_own_test.c - the table of objects that are ours; the steps are in test/sys/follow.sh, with a kernel */
#include "../../netlink_own.c"
#include "../t.h"

static struct own own;

static struct object object(uint64_t id, uint64_t sig, enum own_class class)
{
	return (struct object){ .id = id, .sig = sig, .class = class };
}

static void add(uint64_t id)
{
	const struct object ob = object(id, id, OWN_ROUTE);

	owned_add(&own, &ob, false, true);
}

static void see(uint64_t id, uint64_t sig)
{
	struct reading r = { .o = &own };
	const struct object ob = object(id, sig, OWN_ROUTE);

	look_each(&r, &ob, NULL);
}

static void test_slots(void)
{
	test("entries that hash to one place are found after any of them is removed");
	for (unsigned gone = 0; gone < 8; gone++) {
		memset(&own, 0, sizeof(own));
		for (unsigned i = 0; i < 8; i++)
			add(OWN_SLOTS - 2 + (uint64_t)i * OWN_SLOTS);		/* behind the last slot is the first */
		owned_remove(&own, own_slot(&own, OWN_SLOTS - 2 + (uint64_t)gone * OWN_SLOTS));
		eq(own.n, 7);
		for (unsigned i = 0; i < 8; i++)
			ok(!owned_find(&own, OWN_SLOTS - 2 + (uint64_t)i * OWN_SLOTS) == (i == gone));
	}
	test("a full table takes no more");
	memset(&own, 0, sizeof(own));
	for (unsigned i = 1; i <= OWN_MAX + 10; i++)
		add(i);
	eq(own.n, OWN_MAX);
	ok(owned_find(&own, OWN_MAX) && !owned_find(&own, OWN_MAX + 1));
}

static void test_looks(void)
{
	test("what is as we set it is ours; what changed is not, and not set again");
	memset(&own, 0, sizeof(own));
	add(1);
	add(2);
	see(1, 1);
	see(2, 77);
	see(3, 3);
	ok(owned_find(&own, 1)->ours && owned_find(&own, 1)->there);
	ok(!owned_find(&own, 2)->ours && owned_find(&own, 2)->banned);
	ok(!owned_find(&own, 3)->ours && !owned_find(&own, 3)->banned);
	ok(!own_may(&own, 1, false, OWN_ROUTE) && !own_may(&own, 2, false, OWN_ROUTE) &&
	   !own_may(&own, 3, false, OWN_ROUTE) && own_may(&own, 4, false, OWN_ROUTE));
	own.off[V4][OWN_ROUTE] = true;
	ok(!own_may(&own, 4, false, OWN_ROUTE) && own_may(&own, 4, true, OWN_ROUTE) &&
	   own_may(&own, 4, false, OWN_DEFAULT));
	test("others' objects are never wanted in a way that removes them");
	own_want(&own, 99);
	ok(!owned_find(&own, 99));
}

static void test_ids(void)
{
	const struct addr a = addr_from4(htonl(0xc0000201)), b = addr_from4(htonl(0xc0000202));

	test("identity: address and length; family and gateway of a default route");
	ok(addr_id(&a, 24) != addr_id(&a, 25) && addr_id(&a, 24) != addr_id(&b, 24) &&
	   addr_id(&a, 24) == addr_id(&a, 24));
	ok(route_id_default(false, &a) != route_id_default(false, &b));
	ok(route_id_default(false, &addr_any4) != route_id_default(true, &addr_any6));
}

int main(void)
{
	test_slots();
	test_looks();
	test_ids();
	return done();
}
