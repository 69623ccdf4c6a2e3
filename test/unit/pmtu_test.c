/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pmtu_test.c - path MTUs: what is known of an address, for how long, and what it can't be made to be */
#include "../t.h"
#include "../../pmtu.c"

static struct pmtus ps;

static struct addr numbered(bool v4, uint32_t n)
{
	struct addr a = { .b = { 0x20, 0x01, 0x0d, 0xb8 } };

	if (v4)
		return addr_from4(n);
	memcpy(a.b + 12, &n, sizeof(n));
	return a;
}

static void test_one(bool v4)
{
	const struct addr a = numbered(v4, 1), b = numbered(v4, 2);
	uint64_t now = 5000;

	test("%s: smaller ones count, larger ones do not, and the link's is the limit", v4 ? "IPv4" : "IPv6");
	ps = (struct pmtus){ 0 };
	eq(pmtu_get(&ps, &a, 65535, now), 65535);
	ok(pmtu_set(&ps, &a, 1420, now));
	eq(pmtu_get(&ps, &a, 65535, now), 1420);
	eq(pmtu_get(&ps, &a, 1300, now), 1300);
	ok(!pmtu_set(&ps, &a, 1420, now) && !pmtu_set(&ps, &a, 9000, now));
	ok(pmtu_set(&ps, &a, 1400, now));
	eq(pmtu_get(&ps, &a, 65535, now), 1400);
	eq(pmtu_get(&ps, &b, 65535, now), 65535);

	test("%s: ten minutes later it is forgotten, whether or not it was told again", v4 ? "IPv4" : "IPv6");
	ok(!pmtu_set(&ps, &a, 1400, now + PMTU_AGE / 2));
	ok(pmtu_set(&ps, &b, 1300, now + PMTU_AGE / 2));
	eq(pmtu_get(&ps, &a, 65535, now + PMTU_AGE - 1), 1400);
	eq(pmtu_get(&ps, &a, 65535, now + PMTU_AGE), 65535);
	eq(pmtu_get(&ps, &b, 65535, now + PMTU_AGE), 1300);
	eq(pmtu_get(&ps, &b, 65535, now + PMTU_AGE / 2 + PMTU_AGE), 65535);
	ok(pmtu_set(&ps, &a, 9000, now + PMTU_AGE));

	test("%s: nothing makes it smaller than the least", v4 ? "IPv4" : "IPv6");
	pmtu_set(&ps, &a, 0, now + PMTU_AGE);
	eq(pmtu_get(&ps, &a, 65535, now + PMTU_AGE), v4 ? 128 : 1280);
}

static void test_many(bool v4)
{
	unsigned known = 0;

	test("%s: of many addresses, the last ones are known", v4 ? "IPv4" : "IPv6");
	ps = (struct pmtus){ 0 };
	for (uint32_t n = 0; n < 1000; n++) {
		struct addr a = numbered(v4, n);

		ok(pmtu_set(&ps, &a, 1300 + n, 1000));
		eq(pmtu_get(&ps, &a, 65535, 1000), 1300 + n);
	}
	for (uint32_t n = 0; n < 1000; n++) {
		struct addr a = numbered(v4, n);
		uint32_t mtu = pmtu_get(&ps, &a, 65535, 1000);

		ok(mtu == 65535 || mtu == 1300 + n);
		known += mtu != 65535;
	}
	ok(known > PMTU_SLOTS / 2 && known <= PMTU_SLOTS);
}

int main(void)
{
	for (int v4 = 0; v4 < 2; v4++) {
		test_one(v4);
		test_many(v4);
	}
	test("plateaus of RFC 1191 7.1: always smaller, down to the least");
	eq(pmtu_plateau(65535), 32000);
	eq(pmtu_plateau(1500), 1492);
	eq(pmtu_plateau(1492), 1006);
	eq(pmtu_plateau(300), 296);
	eq(pmtu_plateau(296), PMTU_MIN4);
	return done();
}
