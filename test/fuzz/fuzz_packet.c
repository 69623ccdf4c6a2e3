/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_packet.c - parser: whatever the frame and however it is cut into buffers
 *
 * Input: size of the first buffer, size of the further ones (0: one buffer), options, then the frame. Options: gso in
 * units of 16, lowest bit clear to have the checksum of an IPv4 header put right, which chance alone would never do.
 * The same frame must parse to the same packet however it is cut, what is accepted must be consistent, and a frame, or
 * fragments, built from what was read must read as the same. A checksum that is verified is right or refused.
 */
#include <stdlib.h>

#include "../../packet.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECES	128

#define CHECK(x)	((x) ? (void)0 : abort())

/* Every buffer is an allocation of its own, so that a sanitizer sees the first byte too far */
static unsigned cut(const uint8_t *b, size_t len, size_t first, size_t step, struct iovec *iov)
{
	unsigned n = 0;

	while (len && n < PIECES) {
		size_t part = n ? step : first;

		if (!part || part > len || n == PIECES - 1)
			part = len;
		iov[n].iov_base = malloc(part);
		CHECK(iov[n].iov_base);
		memcpy(iov[n].iov_base, b, part);
		iov[n++].iov_len = part;
		b += part;
		len -= part;
	}
	return n;
}

static void fix_csum(uint8_t *b, size_t len)
{
	size_t hlen = len < ETH_HLEN + IP4_HLEN ? 0 : (b[ETH_HLEN] & 15) * 4U;
	uint16_t csum;

	if (hlen < IP4_HLEN || ETH_HLEN + hlen > len || get_be16(b + 2 * ETH_ALEN) != ETH_P_IP)
		return;
	b += ETH_HLEN;
	b[10] = b[11] = 0;
	csum = csum_finish(csum_add(b, hlen, 0));
	memcpy(b + 10, &csum, 2);
}

static void release(struct iovec *iov, unsigned n)
{
	while (n)
		free(iov[--n].iov_base);
}

static void check_view(const struct raw *raw, const struct view *v, const struct view *inside)
{
	static uint8_t buf[1 << 17];
	struct iovec iov[PIECES];
	struct view w = *v;
	size_t len;

	CHECK(v->off + v->len <= raw->len);
	CHECK(!inside || (v->off >= inside->off && v->off + v->len <= inside->off + inside->len));
	CHECK(v->len <= sizeof(buf) && view_copy(v, 0, buf, v->len));
	CHECK(!view_copy(v, 1, buf, v->len) && !view_copy(v, SIZE_MAX, buf, 2));
	CHECK(view_iov(v, iov, PIECES, &len) <= PIECES && len == v->len);
	view_skip(&w, v->len / 2);
	CHECK(w.len == v->len - v->len / 2 && view_copy(&w, 0, buf, w.len));
	view_skip(&w, SIZE_MAX);
	CHECK(!w.len);
}

static void check_pkt(const struct raw *raw, const struct pkt *p)
{
	bool v4 = p->ethertype == ETH_P_IP;

	check_view(raw, &p->ip, NULL);
	check_view(raw, &p->data, &p->ip);
	CHECK(p->next == PKT_NEXT_NONE);
	if (p->ethertype == ETH_P_ARP)
		return;

	CHECK(addr_is_v4(&p->src.a) == v4 && addr_is_v4(&p->dst.a) == v4);
	CHECK(!addr_is_loopback(&p->src.a) && !addr_is_loopback(&p->dst.a));
	CHECK(!addr_is_multicast(&p->src.a) && !addr_is_bcast(&p->src.a) && !addr_is_unspec(&p->dst.a));
	if (p->fragment) {
		CHECK(p->frag.off || p->frag.more);
		CHECK(p->frag.off % 8 == 0 && !p->off.gso);
		return;
	}
	CHECK(!p->off.gso || p->off.gso < p->data.len);
	if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP)
		CHECK(p->src.port && p->dst.port);
	if (p->proto == IPPROTO_TCP) {
		CHECK(p->tcp.wscale <= 14 || p->tcp.wscale == TCP_WSCALE_NONE);
		CHECK(p->tcp.flags & TCP_SYN ? !p->tcp.sacks : !p->tcp.mss && p->tcp.wscale == TCP_WSCALE_NONE);
		CHECK(p->tcp.sacks <= TCP_SACKS && (!p->tcp.sack_ok || p->tcp.flags & TCP_SYN));
		CHECK(!addr_is_multicast(&p->dst.a) && !addr_is_bcast(&p->dst.a));
	}
}

static void check_same(const struct pkt *a, const struct pkt *b)
{
	CHECK(a->ethertype == b->ethertype && a->proto == b->proto && a->fragment == b->fragment);
	CHECK(a->data.len == b->data.len);
	if (a->ethertype == ETH_P_ARP)
		return;
	CHECK(end_eq(&a->src, &b->src) && end_eq(&a->dst, &b->dst) && a->ttl == b->ttl && a->tos == b->tos);
	if (a->fragment)
		CHECK(a->frag.id == b->frag.id && a->frag.off == b->frag.off && a->frag.more == b->frag.more);
	else if (a->proto == IPPROTO_TCP)
		CHECK(a->tcp.seq == b->tcp.seq && a->tcp.ack == b->tcp.ack && a->tcp.win == b->tcp.win &&
		      a->tcp.mss == b->tcp.mss && a->tcp.flags == b->tcp.flags && a->tcp.wscale == b->tcp.wscale &&
		      a->tcp.sack_ok == b->tcp.sack_ok && a->tcp.ts == b->tcp.ts && a->tcp.sacks == b->tcp.sacks &&
		      (!a->tcp.ts || (a->tcp.tsval == b->tcp.tsval && a->tcp.tsecr == b->tcp.tsecr)) &&
		      !memcmp(a->tcp.sack, b->tcp.sack, a->tcp.sacks * sizeof(a->tcp.sack[0])));
	else if (a->proto != IPPROTO_UDP)
		CHECK(a->icmp.type == b->icmp.type && a->icmp.code == b->icmp.code && a->icmp.id == b->icmp.id &&
		      a->icmp.seq == b->icmp.seq && a->icmp.rest == b->icmp.rest);
}

/* As a quote in an ICMP error: the same however it is cut */
static void check_quote(const struct pkt *p, const struct pkt *again)
{
	struct quote q, r;

	if (p->proto != IPPROTO_ICMP && p->proto != IPPROTO_ICMPV6)
		return;
	CHECK(pkt_quote(p, &q) == pkt_quote(again, &r));
	CHECK(end_eq(&q.src, &r.src) && end_eq(&q.dst, &r.dst) && q.proto == r.proto);
	CHECK(q.len == r.len && q.seq == r.seq);
}

/* With its transport checksum verified */
static void check_full(struct raw raw, const struct pkt *p)
{
	struct pkt q;
	enum drop rc;

	raw.off.full = true;
	rc = pkt_parse(&raw, &q);
	CHECK(rc == DROP_NONE || (rc == DROP_L4_CSUM && p->ethertype != ETH_P_ARP && !p->fragment));
	if (rc == DROP_NONE)
		check_same(p, &q);
}

/* A datagram in fragments: its header and payload, piece by piece. None comes from the unspecified address. */
static void check_fragments(const struct pkt *p, uint32_t mtu)
{
	const struct net_hdr n = { .src = p->src, .dst = p->dst, .ttl = 64, .id = 7 };
	bool udp = p->proto == IPPROTO_UDP;
	static uint8_t pay[1500], part[1500];

	if (p->ethertype == ETH_P_ARP || p->proto == IPPROTO_TCP || addr_is_unspec(&p->src.a) ||
	    ip_hlen(p->ethertype == ETH_P_IP) + UDP_HLEN + p->data.len <= mtu)
		return;
	for (size_t at = 0, next; at < p->data.len; at = next) {
		struct frame f = { .pay = { { pay, sizeof(pay) } }, .npay = 1 };
		struct iovec iov[1 + FRAME_IOV];
		struct raw raw = { .iov = iov };
		size_t head = at ? 0 : UDP_HLEN;
		struct pkt q;

		next = frame_fragment(&f, &n, udp ? NULL : &p->icmp, &p->data, at, mtu);
		CHECK(next > at && next <= p->data.len);
		raw.cnt = frame_iov(&f, iov);
		raw.len = f.hlen + f.len;
		CHECK(pkt_parse(&raw, &q) == DROP_NONE && q.fragment && q.proto == p->proto);
		CHECK(raw.len <= ETH_HLEN + mtu);
		CHECK(q.frag.off == (at ? at + UDP_HLEN : 0) && q.frag.more == (next < p->data.len));
		CHECK(q.data.len == head + next - at && view_copy(&q.data, head, pay, next - at));
		CHECK(view_copy(&p->data, at, part, next - at) && !memcmp(pay, part, next - at));
	}
}

/* Build it again, both ways of checksumming, and read that */
static void check_rebuilt(const struct pkt *p, bool csum)
{
	struct net_hdr n = { .dmac = p->dmac, .smac = p->smac, .src = p->src, .dst = p->dst,
			     .ttl = p->ttl, .tos = p->tos };
	struct caps caps = { .mtu = 65535, .csum = csum };
	static uint8_t pay[1 << 17];
	struct frame f = { .pay = { { .iov_base = pay, .iov_len = sizeof(pay) } }, .npay = 1, .len = p->data.len };
	struct iovec iov[1 + FRAME_IOV];
	struct raw raw = { .iov = iov };
	struct frame *one = &f;
	unsigned cnt = 1;
	struct pkt q;
	size_t room;

	CHECK(view_copy(&p->data, 0, pay, p->data.len));
	if (csum) {			/* in two pieces, as a link's own memory may be */
		f.pay[0].iov_len = p->data.len / 2 + 1;
		f.pay[1] = (struct iovec){ pay + f.pay[0].iov_len, sizeof(pay) - f.pay[0].iov_len };
		f.npay = 2;
	}
	CHECK(frames_room(&one, &cnt, iov, f.npay, &room) == f.npay && cnt == 1 && room == sizeof(pay));
	if (p->ethertype == ETH_P_ARP)
		frame_eth(&f, &p->dmac, &p->smac, ETH_P_ARP);
	else if (p->proto == IPPROTO_TCP)
		frame_tcp(&f, &n, &p->tcp, p->off.gso, &caps);
	else if (p->proto == IPPROTO_UDP)
		frame_udp(&f, &n, p->off.gso, &caps);
	else
		frame_icmp(&f, &n, &p->icmp);
	raw.cnt = frame_iov(&f, iov);
	raw.len = f.hlen + f.len;
	raw.off = f.off;
	raw.off.full = !raw.off.partial;
	CHECK(f.len == p->data.len && pkt_parse(&raw, &q) == DROP_NONE);
	check_same(p, &q);
	check_pkt(&raw, &q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[70000];
	struct iovec one[PIECES], many[PIECES];
	struct raw a = { .iov = one }, b = { .iov = many };
	struct pkt p, q;
	enum drop rc;

	if (size < 3 || size > sizeof(frame))
		return 0;
	a.len = b.len = size - 3;
	memcpy(frame, data + 3, a.len);
	if (!(data[2] & 1))
		fix_csum(frame, a.len);
	a.off.gso = b.off.gso = (uint16_t)((data[2] & ~1U) * 8);
	a.cnt = cut(frame, a.len, a.len, 0, one);
	b.cnt = cut(frame, b.len, data[0], data[1], many);

	rc = pkt_parse(&a, &p);
	CHECK(rc < DROP_COUNT && pkt_parse(&b, &q) == rc);
	if (rc == DROP_NONE) {
		check_same(&p, &q);
		check_pkt(&a, &p);
		check_pkt(&b, &q);
		check_full(b, &p);
		if (!p.fragment) {
			check_quote(&p, &q);
			check_fragments(&q, p.ethertype == ETH_P_IP ? 68 : 1280);
			check_rebuilt(&p, false);
			check_rebuilt(&q, true);
		}
	}
	release(one, a.cnt);
	release(many, b.cnt);
	return 0;
}
