/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_arp.c - ARP: only requests for others are answered, and each says what was asked for */

#include "../../arp.c"
#include "responder_fuzz.h"

static enum drop run(const struct asker *k, const struct pkt *p, struct answer *a)
{
	if (p->ethertype == ETH_P_ARP)
		return arp_answer(k, p, a);
	*a = (struct answer){ 0 };
	return DROP_PROTO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct net c = fuzz_net(size ? data[0] : 0);
	const uint8_t *reply, *ask = data + 1 + ETH_HLEN;
	struct answer a = { 0 };

	reply = fuzz_run(run, &c, data, size, &a);
	if (!reply)
		return 0;
	CHECK(a.out.len == ARP_LEN && get_be16(reply + ARP_OP) == 2 && get_be16(ask + ARP_OP) == 1);
	CHECK(!memcmp(reply + ARP_SHA, r_cf.our_mac.b, 6) && !memcmp(reply + ARP_THA, ask + ARP_SHA, 6));
	CHECK(!memcmp(reply + ARP_SPA, ask + ARP_TPA, 4) && !memcmp(reply + ARP_TPA, ask + ARP_SPA, 4));
	CHECK(get_be32(ask + ARP_SPA) && memcmp(ask + ARP_SPA, ask + ARP_TPA, 4));
	CHECK(addr_is_unspec(&c.ip[V4].guest.addr) || memcmp(ask + ARP_TPA, c.ip[V4].guest.addr.b + 12, 4));
	return 0;
}
