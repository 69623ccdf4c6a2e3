/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_dhcpv6.c - DHCPv6: every reply is well-formed, fits 1280 bytes, and gives our address once at most */

#include "../../dhcpv6.c"
#include "responder_fuzz.h"

static enum drop run(const struct net *c, const struct pkt *p, uint8_t *out, struct answer *a)
{
	if (p->ethertype == ETH_P_IPV6 && p->proto == IPPROTO_UDP && p->dst.port == PORT_SERVER)
		return dhcpv6_answer(c, p, out, a);
	*a = (struct answer){ 0 };
	return DROP_PROTO;
}

/* Leases in the reply; all must be ours, unless they have ended */
static unsigned leases(const struct net *c, const struct opt *ia)
{
	struct opt o = { 0 };
	unsigned n = 0;
	struct addr a;

	while (ia_addr(ia, IA_NA_LEN, &o, &a)) {
		CHECK(get_be32(o.data + 16) == get_be32(o.data + 20));
		if (!get_be32(o.data + 16))
			continue;
		CHECK(addr_eq(&a, &c->ip[V6].guest.addr) && !addr_is_unspec(&a));
		n++;
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct net c = fuzz_net(size ? data[0] : 0);
	uint8_t duid[DUID_LEN];
	const uint8_t *reply;
	struct answer a = { 0 };
	struct request r = { 0 };
	unsigned n = 0;
	struct opt o;
	bool ok;

	reply = fuzz_run(run, &c, data, size, &a);
	if (!reply)
		return 0;
	CHECK(a.len >= HEAD_LEN + HEAD_LEN + DUID_LEN && a.len <= REPLY_MAX);
	CHECK(a.src.port == 547 && a.dst.port == 546 && addr_eq(&a.src.a, &c.ip[V6].our_ll));
	CHECK(!addr_is_unspec(&a.dst.a));
	CHECK(reply[0] == ADVERTISE || reply[0] == REPLY);

	for (o.next = reply + HEAD_LEN; opt_next(o.next, reply + a.len, &o, &ok); ) {
		CHECK(option_take(&r, &o));
		if (o.code == OPT_IA_NA)
			n += leases(&c, &o);
	}
	duid_fill(&c, duid);
	CHECK(ok && n <= 1 && r.server.len == DUID_LEN && !memcmp(r.server.data, duid, DUID_LEN));
	return 0;
}
