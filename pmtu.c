/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pmtu.c - path MTUs behind a guest: a small table with one place for an address */
#include <string.h>

#include "pmtu.h"
#include "util.h"

static unsigned slot_of(const struct addr *a)
{
	uint64_t w[2];

	memcpy(w, a->b, sizeof(w));
	return (unsigned)((w[0] ^ w[1]) * 0x9e3779b97f4a7c15ULL >> 32) % PMTU_SLOTS;
}

uint32_t pmtu_find(const struct pmtus *ps, const struct addr *a, uint32_t mtu, uint64_t now)
{
	unsigned i = slot_of(a);

	return now < ps->slot[i].until && addr_eq(&ps->slot[i].a, a) ? MIN(mtu, ps->slot[i].mtu) : mtu;
}

bool pmtu_set(struct pmtus *ps, const struct addr *a, uint32_t mtu, uint64_t now)
{
	unsigned i = slot_of(a);

	mtu = MAX(mtu, addr_is_v4(a) ? PMTU_MIN4 : PMTU_MIN6);
	if (pmtu_find(ps, a, UINT32_MAX, now) <= mtu)
		return false;
	ps->slot[i].a = *a;
	ps->slot[i].mtu = mtu;
	ps->slot[i].until = ps->until = now + PMTU_AGE;
	return true;
}

uint32_t pmtu_plateau(uint32_t len)
{
	static const uint16_t plateau[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296 };

	for (unsigned i = 0; i < ARRAY_SIZE(plateau); i++)
		if (plateau[i] < len)
			return plateau[i];
	return PMTU_MIN4;
}
