/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_ndp.c - NDP: every reply is an advertisement a host must accept (RFC 4861 6.1.2, 7.1.2) */

#include "../../ndp.c"
#include "responder_fuzz.h"

static enum drop run(const struct asker *k, const struct pkt *p, struct answer *a)
{
	if (p->ethertype == ETH_P_IPV6 && p->proto == IPPROTO_ICMPV6)
		return ndp_answer(k, p, a);
	*a = (struct answer){ 0 };
	return DROP_PROTO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct net c = fuzz_net(size ? data[0] : 0);
	bool rdnss = false, dnssl = false, is_ra;
	struct answer a = { 0 };
	const uint8_t *reply;
	size_t at;

	reply = fuzz_run(run, &c, data, size, &a);
	if (!reply)
		return 0;
	is_ra = a.icmp.type == ND_ROUTER_ADVERT;
	CHECK(is_ra || a.icmp.type == ND_NEIGHBOR_ADVERT);
	CHECK(!a.icmp.code && a.ttl == 255 && !addr_is_unspec(&a.dst.a) && !addr_is_multicast(&a.src.a));
	if (is_ra) {
		CHECK(addr_is_linklocal(&a.src.a) && a.out.len <= NDP_MAX);
		at = 8;
	} else {
		CHECK(!memcmp(reply, a.src.a.b, 16) && !addr_is_multicast(&a.dst.a));
		CHECK(!addr_eq(&a.src.a, &c.ip[V6].guest.addr) && !addr_eq(&a.src.a, &a.dst.a));
		at = 16;
	}
	while (at < a.out.len) {
		CHECK(a.out.len - at >= 8 && reply[at + 1] && a.out.len - at >= reply[at + 1] * 8U);
		rdnss |= reply[at] == NDP_RDNSS;
		dnssl |= reply[at] == NDP_DNSSL;
		at += reply[at + 1] * 8U;
	}
	CHECK(at == a.out.len && (rdnss || !dnssl));
	return 0;
}
