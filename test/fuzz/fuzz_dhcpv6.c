/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_dhcpv6.c - DHCPv6: every reply is well-formed, fits 1280 bytes, and gives our address once at most */

#include "../../dhcpv6.c"
#include "responder_fuzz.h"

static enum drop run(const struct asker *k, const struct pkt *p, struct answer *a)
{
	if (p->ethertype == ETH_P_IPV6 && p->proto == IPPROTO_UDP && p->dst.port == PORT_DHCPV6)
		return dhcpv6_answer(k, p, a);
	*a = (struct answer){ 0 };
	return DROP_PROTO;
}

/* Leases in the reply; all must be ours, unless they have ended */
static unsigned leases(const struct net *c, const struct opt6 *ia)
{
	struct opt6 o;
	unsigned n = 0;

	for (o.next = ia->data + IA_NA_LEN; opt6_next(&o, ia->next); ) {
		if (o.code != OPT6_IAADDR)
			continue;
		CHECK(get_be32(o.data + 16) == get_be32(o.data + 20));
		if (!get_be32(o.data + 16))
			continue;
		CHECK(!memcmp(o.data, c->ip[V6].guest.addr.b, 16) && !addr_is_unspec(&c->ip[V6].guest.addr));
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
	struct request6 r = { 0 };
	unsigned n = 0;
	struct opt6 o;

	reply = fuzz_run(run, &c, data, size, &a);
	if (!reply)
		return 0;
	CHECK(a.out.len >= HEAD_LEN + HEAD_LEN + DUID_LEN && a.out.len <= REPLY6_MAX);
	CHECK(a.src.port == 547 && a.dst.port == 546 && addr_eq(&a.src.a, &c.ip[V6].our_ll));
	CHECK(!addr_is_unspec(&a.dst.a));
	CHECK(reply[0] == MSG6_ADVERTISE || reply[0] == MSG6_REPLY);

	for (o.next = reply + HEAD_LEN; opt6_next(&o, reply + a.out.len); ) {
		CHECK(option6_take(&r, &o));
		if (o.code == OPT6_IA_NA)
			n += leases(&c, &o);
	}
	duid_fill(&c, duid);
	CHECK(o.next == reply + a.out.len && n <= 1 && r.server.len == DUID_LEN &&
	      !memcmp(r.server.data, duid, DUID_LEN));
	return 0;
}
