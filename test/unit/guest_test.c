/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_test.c - a guest remembers what it was told of its neighbours, whatever the hash's key */
#include "../../ctx.h"
#include "../t.h"

#define KEYS	2000		/* of the hash: each is another start of the program */

static struct ctx ctx;

static struct addr neighbour(unsigned i)
{
	return addr_from4(htonl(0xc6336400 + i));
}

static void tell(unsigned i, uint8_t mac)
{
	guest_tell(&ctx, &ctx.guest[0], &(struct told){ .a = neighbour(i), .mac = { { 2, [5] = mac } } });
}

/* Of @n neighbours that the guest was told of one after the other, those that it would hear of */
static unsigned heard(unsigned n)
{
	unsigned found = 0;

	random_bytes(ctx.neigh.key, sizeof(ctx.neigh.key));
	memset(ctx.guest[0].told, 0, sizeof(ctx.guest[0].told));
	for (unsigned i = 1; i <= n; i++)
		tell(i, (uint8_t)i);
	for (unsigned i = 1; i <= n; i++) {
		struct addr a = neighbour(i);
		const struct told *t = guest_told(&ctx, &ctx.guest[0], &a);

		found += t && addr_eq(&t->a, &a) && t->mac.b[5] == (uint8_t)i;
	}
	return found;
}

int main(void)
{
	unsigned least8 = 8, least = 254;
	const struct told *t;
	struct addr a;

	for (unsigned i = 0; i < KEYS; i++) {
		least8 = MIN(least8, heard(8));
		least = MIN(least, heard(254));
	}
	test("eight neighbours, all keys: none is forgotten");
	eq(least8, 8);
	test("a /24 full of them, all keys: most are remembered");
	ok(least > 220);

	heard(0);
	tell(1, 1);
	tell(1, 2);
	a = neighbour(1);
	t = guest_told(&ctx, &ctx.guest[0], &a);
	test("the last MAC address counts");
	ok(t && t->mac.b[5] == 2);
	a = neighbour(2);
	test("nothing of another address");
	ok(!guest_told(&ctx, &ctx.guest[0], &a));
	return done();
}
