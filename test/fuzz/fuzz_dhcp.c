/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_dhcp.c - DHCP: every reply is well-formed, no longer than the client takes, and gives nothing but our address */

#include "../../dhcp.c"
#include "responder_fuzz.h"

static enum drop run(const struct asker *k, const struct pkt *p, struct answer *a)
{
	if (p->ethertype == ETH_P_IP && p->proto == IPPROTO_UDP && p->dst.port == 67)
		return dhcp_answer(k, p, a);
	*a = (struct answer){ 0 };
	return DROP_PROTO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct net c = fuzz_net(size ? data[0] : 0);
	const uint8_t *reply;
	struct answer a = { 0 };
	struct request r = { 0 };
	uint8_t addr[4];
	size_t at;

	reply = fuzz_run(run, &c, data, size, &a);
	if (!reply)
		return 0;
	CHECK(a.out.len >= REPLY_MIN && a.out.len <= ANSWER_MAX - HEADERS);
	CHECK(a.src.port == 67 && a.dst.port == 68 && addr_eq(&a.src.a, &c.ip[V4].gw) && !addr_is_unspec(&a.dst.a));
	CHECK(reply[M_OP] == BOOTREPLY && get_be32(reply + M_MAGIC) == MAGIC && !get_be32(reply + M_GIADDR));
	addr_to_bytes(&c.ip[V4].guest.addr, addr);
	CHECK(!get_be32(reply + M_YIADDR) || !memcmp(reply + M_YIADDR, addr, 4));

	/* Option by option up to the end, nothing but padding behind it; then by the parser */
	for (at = M_OPTIONS; reply[at] != OPT_END; at += 2U + reply[at + 1])
		CHECK(at + 2 < a.out.len && reply[at] != OPT_PAD && at + 2U + reply[at + 1] < a.out.len);
	for (at++; at < a.out.len; at++)
		CHECK(!reply[at]);
	CHECK(options_parse(&r, reply + M_OPTIONS, a.out.len - M_OPTIONS));
	CHECK(r.type == OFFER || r.type == ACK || r.type == NAK);
	CHECK(addr_eq(&r.server, &c.ip[V4].gw) && (r.type != NAK || !get_be32(reply + M_YIADDR)));
	return 0;
}
