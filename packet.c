/* SPDX-License-Identifier: GPL-2.0-or-later */
/* packet.c - frames: views, the parser, the builders
 *
 * The parser works on a copy of the headers. The frame may lie in memory that the guest can still write to: no byte of
 * a header is read twice. The payload stays in place.
 *
 * Checksums: that of the IPv4 header is verified, for a broken header would misdirect the packet. Those of TCP, UDP and
 * ICMP (RFC 9293 3.1, MUST-3) are verified where they are complete (offload.full). A tap device's frames come from this
 * kernel, often with partial checksums; those of a virtual machine from another process: qemu (7.2) that stops its
 * machine in the middle of a frame continues later with the rest of another one.
 *
 * The builders fill frame.hdr backwards from HDR_L4: the transport header starts there, IP and Ethernet end there.
 */
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "checksum.h"
#include "packet.h"

#define FRAG_HLEN	8		/* IPv6 fragment header */

#define IP4_MF		0x2000
#define IP4_OFF		0x1fff

#define EXT_COUNT	8

#define HEAD_MIN	144		/* Ethernet, IPv4 and TCP with all their options */

static_assert(HEAD_MIN >= ETH_HLEN + 60 + 60, "headers of a TCP segment over IPv4 don't fit");
static_assert(HDR_L4 >= ETH_HLEN + IP6_HLEN + JUMBO_HLEN, "no room in front of the transport header");

void view_skip(struct view *v, size_t n)
{
	n = MIN(n, v->len);
	v->len -= n;
	v->off += n;
	for (; v->cnt && v->off >= v->iov->iov_len; v->iov++, v->cnt--)
		v->off -= v->iov->iov_len;
}

void view_trim(struct view *v, size_t n)
{
	v->len = MIN(v->len, n);
}

/* Takes the bytes of @v that are in the next buffer; their number, 0 at the end */
static inline size_t view_next(struct view *v, uint8_t **at)
{
	while (v->cnt && v->len) {
		size_t off = v->off, room = v->iov->iov_len;

		*at = (uint8_t *)v->iov->iov_base + off;
		v->iov++;
		v->cnt--;
		if (off < room) {
			room = MIN(room - off, v->len);
			v->off = 0;
			v->len -= room;
			return room;
		}
		v->off -= room;
	}
	return 0;
}

bool view_copy(const struct view *v, size_t at, void *to, size_t n)
{
	struct view rest = { v->iov, v->cnt, v->off + at, n };
	uint8_t *p = to, *from;

	if (at > v->len || n > v->len - at)
		return false;
	while ((n = view_next(&rest, &from))) {
		memcpy(p, from, n);
		p += n;
	}
	return !rest.len;
}

unsigned view_iov(const struct view *v, struct iovec *iov, unsigned max, size_t *len)
{
	struct view rest = *v;
	unsigned n = 0;
	uint8_t *at;

	for (size_t part; n < max && (part = view_next(&rest, &at)); n++)
		iov[n] = (struct iovec){ at, part };
	*len = v->len - rest.len;
	return n;
}

/* Bytes from @at up to @end of a frame */
static struct view raw_view(const struct raw *raw, size_t at, size_t end)
{
	return (struct view){ .iov = raw->iov, .cnt = raw->cnt, .off = at, .len = end - at };
}

/* Copies frame bytes [@from, @to) to their places in @head, as far as the frame has them. @p->ip is scratch: a view of
 * this function's own would cost all packets a stack protector.
 */
static bool head_fetch(const struct raw *raw, struct pkt *p, uint8_t *head, size_t from, size_t to)
{
	size_t n;

	to = MIN(to, raw->len);
	if (to <= from)
		return true;
	n = to - from;
	if (raw->cnt && raw->iov->iov_len >= to) {
		const uint8_t *b = raw->iov->iov_base;

		if (!from && n == HEAD_MIN)	/* nearly all frames, and a size known to the compiler */
			memcpy(head, b, HEAD_MIN);
		else
			memcpy(head + from, b + from, n);
		return true;
	}
	p->ip = raw_view(raw, from, to);
	return view_copy(&p->ip, 0, head + from, n);
}

/* Unicast, and no address of check_special()'s rules */
static bool addr_ordinary(const struct addr *a, bool v4)
{
	uint8_t b = a->b[v4 ? 12 : 0];

	return v4 ? b && b != 127 && b < 224 : b && b != 0xff;
}

/* RFC 1122 3.2.1.3, RFC 4291 2.5 and 2.7 */
static enum drop check_special(const struct pkt *p, bool v4)
{
	const struct addr *src = &p->src.a, *dst = &p->dst.a;

	/* A mapped address would be taken for the IPv4 one */
	if (!v4 && (addr_is_v4(src) || addr_is_v4(dst)))
		return DROP_ADDR;

	if (addr_is_loopback(src) || addr_is_loopback(dst) || addr_is_unspec(dst) || addr_is_many(src))
		return DROP_ADDR;

	if (p->proto == IPPROTO_TCP && addr_is_many(dst))
		return DROP_ADDR;

	/* No address yet: DHCP (RFC 2131 4.1, its port checked later), IGMP (RFC 3376 4.2.13), or NDP and MLD (RFC 4861
	 * 4.1, RFC 4862 5.4.2)
	 */
	if (addr_is_unspec(src)) {
		if (p->fragment)
			return DROP_ADDR;
		if (v4 && p->proto != IPPROTO_IGMP && (p->proto != IPPROTO_UDP || !addr_is_bcast(dst)))
			return DROP_ADDR;
		if (!v4 && (p->proto != IPPROTO_ICMPV6 || !addr_is_multicast(dst)))
			return DROP_ADDR;
	}
	return DROP_NONE;
}

#define OPTS_TS		0x0101080aU	/* two no-operations, then timestamps: RFC 7323 appendix A */

static inline void parse_ts(const uint8_t *at, struct tcp_seg *s)
{
	s->ts = true;
	s->tsval = get_be32(at);
	s->tsecr = get_be32(at + 4);
}

/* @at: blocks of an option of @olen bytes, of which the last may be cut */
static void parse_sack(const uint8_t *at, uint8_t olen, struct tcp_seg *s)
{
	s->sacks = (uint8_t)MIN((olen - 2U) / 8, TCP_SACKS);
	for (unsigned i = 0; i < s->sacks; i++)
		s->sack[i] = (struct tcp_sack){ get_be32(at + 8 * i), get_be32(at + 8 * i + 4) };
}

/* One option of @olen bytes; of a SYN, or of another segment */
static void parse_tcp_opt(const uint8_t *opt, uint8_t olen, bool syn, struct tcp_seg *s)
{
	uint8_t kind = opt[0];

	if (kind == 2 && olen == 4 && syn)
		s->mss = get_be16(opt + 2);
	else if (kind == 3 && olen == 3 && syn)
		s->wscale = MIN(opt[2], 14);		/* RFC 7323 2.3 */
	else if (kind == 4 && olen == 2 && syn)
		s->sack_ok = true;
	else if (kind == 5 && !syn)
		parse_sack(opt + 2, olen, s);
	else if (kind == 8 && olen == 10)
		parse_ts(opt + 2, s);
}

/* @opt: @len bytes behind the fixed part. A malformed option ends the list (RFC 9293 3.1, MUST-7) */
static void parse_tcp_opts(const uint8_t *opt, size_t len, struct tcp_seg *s)
{
	size_t i = 0;

	while (i < len && opt[i] != 0) {
		uint8_t olen;

		if (opt[i] == 1) {
			i++;
			continue;
		}
		if (len - i < 2)
			return;
		olen = opt[i + 1];
		if (olen < 2 || olen > len - i)
			return;
		parse_tcp_opt(opt + i, olen, s->flags & TCP_SYN, s);
		i += olen;
	}
}

/* @t: header as copied, @len: bytes of IP payload; returns the header's length, 0 if it is malformed */
static size_t parse_tcp(const uint8_t *t, size_t len, struct pkt *p)
{
	struct tcp_seg *s = &p->tcp;
	size_t hlen;

	if (len < TCP_HLEN)
		return 0;
	hlen = (size_t)(t[12] >> 4) * 4;
	if (hlen < TCP_HLEN || hlen > len)
		return 0;
	p->src.port = get_be16(t);
	p->dst.port = get_be16(t + 2);
	s->seq = get_be32(t + 4);
	s->ack = get_be32(t + 8);
	s->flags = t[13] & 0x3f;
	s->win = get_be16(t + 14);
	s->mss = 0;
	s->wscale = TCP_WSCALE_NONE;
	s->sack_ok = s->ts = false;
	s->sacks = 0;
	if (hlen == TCP_HLEN)
		return hlen;
	if (hlen == TCP_HLEN + TCP_TS_LEN && get_be32(t + TCP_HLEN) == OPTS_TS)	/* nearly all, if any */
		parse_ts(t + TCP_HLEN + 4, s);
	else
		parse_tcp_opts(t + TCP_HLEN, hlen - TCP_HLEN, s);
	return hlen;
}

/* Transport checksum over the frame from @at to @end */
static bool csum_ok(const struct raw *raw, const uint8_t *l4, size_t at, size_t end, const struct pkt *p)
{
	uint64_t sum = 0;

	if (p->proto == IPPROTO_UDP && addr_is_v4(&p->src.a) && !l4[6] && !l4[7])	/* none (RFC 768) */
		return true;
	if (p->proto != IPPROTO_ICMP)
		sum = csum_pseudo(&p->src.a, &p->dst.a, p->proto, (uint32_t)(end - at));
	return !csum_finish(csum_iov(raw->iov, raw->cnt, at, end - at, sum));
}

static bool segments_ok(size_t len, uint16_t gso)
{
	size_t n = DIV_ROUND_UP(len, gso);

	return n <= GSO_SEGS_MAX && (gso >= GSO_SIZE_MIN || n <= DIV_ROUND_UP(len, GSO_SIZE_MIN));
}

/* @h: headers as copied; the transport header is at @at, the IP payload ends at @end */
static enum drop parse_l4(const struct raw *raw, const uint8_t *h, size_t at, size_t end, struct pkt *p)
{
	const uint8_t *l4 = h + at;
	size_t hlen, len = end - at;

	p->l4 = (uint16_t)at;
	switch (p->proto) {
	case IPPROTO_TCP:
		hlen = parse_tcp(l4, len, p);
		if (!hlen)
			return DROP_L4_HEADER;
		break;
	case IPPROTO_UDP:
		hlen = UDP_HLEN;
		if (len < UDP_HLEN || get_be16(l4 + 4) < UDP_HLEN || get_be16(l4 + 4) > len)
			return DROP_L4_HEADER;
		p->src.port = get_be16(l4);
		p->dst.port = get_be16(l4 + 2);
		end = at + get_be16(l4 + 4);
		if (addr_is_unspec(&p->src.a) && p->dst.port != 67)
			return DROP_ADDR;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if ((p->proto == IPPROTO_ICMP) != (p->ethertype == ETH_P_IP))
			return DROP_PROTO;
		hlen = ICMP_HLEN;
		if (len < ICMP_HLEN)
			return DROP_L4_HEADER;
		p->icmp = (struct icmp_hdr){ .type = l4[0], .code = l4[1], .id = get_be16(l4 + 4),
					     .seq = get_be16(l4 + 6), .rest = get_be32(l4 + 4) };
		break;
	default:
		return DROP_PROTO;
	}
	if (raw->off.full && !csum_ok(raw, l4, at, end, p))
		return DROP_L4_CSUM;
	p->data = raw_view(raw, at + hlen, end);
	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) {
		p->off.gso = 0;
		return DROP_NONE;
	}
	if (!p->src.port || !p->dst.port)
		return DROP_PORT_ZERO;
	if (p->off.gso >= p->data.len)
		p->off.gso = 0;
	return !p->off.gso || segments_ok(p->data.len, p->off.gso) ? DROP_NONE : DROP_SEGMENTS;
}

/* Behind the headers of both IP versions: addresses, fragments, transport */
static enum drop parse_rest(const struct raw *raw, const uint8_t *h, size_t at, size_t end, struct pkt *p)
{
	bool v4 = p->ethertype == ETH_P_IP;

	if (!addr_ordinary(&p->src.a, v4) || !addr_ordinary(&p->dst.a, v4)) {
		enum drop rc = check_special(p, v4);

		if (rc)
			return rc;
	}
	if (p->fragment) {
		p->data = raw_view(raw, at, end);
		p->off = (struct offload){ 0 };
		return DROP_NONE;
	}
	return parse_l4(raw, h, at, end, p);
}

/* RFC 791 3.1. Options are skipped: they mean nothing behind a socket */
static enum drop parse_ip4(const struct raw *raw, const uint8_t *h, struct pkt *p)
{
	const uint8_t *ip = h + ETH_HLEN;
	size_t hlen, total, room = raw->len - ETH_HLEN;
	uint16_t frag;

	if (room < IP4_HLEN)
		return DROP_FRAME;
	hlen = (size_t)(ip[0] & 15) * 4;
	total = get_be16(ip + 2);
	if (ip[0] >> 4 != 4 || hlen < IP4_HLEN || total < hlen || total > room)
		return DROP_IP_HEADER;
	if (csum_finish(hlen == IP4_HLEN ? csum_ip4(ip) : csum_add(ip, hlen, 0)))
		return DROP_IP_CSUM;

	frag = get_be16(ip + 6);
	p->tos = ip[1];
	p->ttl = ip[8];
	p->proto = ip[9];
	p->src.a = addr_from_bytes(ip + 12, true);
	p->dst.a = addr_from_bytes(ip + 16, true);
	p->ip = raw_view(raw, ETH_HLEN, ETH_HLEN + total);
	if (frag & (IP4_MF | IP4_OFF)) {
		p->fragment = true;
		p->frag.id = get_be16(ip + 4);
		p->frag.off = (frag & IP4_OFF) * 8U;
		p->frag.more = frag & IP4_MF;
	}
	return parse_rest(raw, h, ETH_HLEN + hlen, ETH_HLEN + total, p);
}

/**
 * skip_ext() - find the transport header behind extension headers, or the fragment header (RFC 8200 4)
 * @h:		headers as copied
 * @at:		offset of the first extension header; set to that of the header behind them
 * @end:	of the packet
 * @p:		@p->proto is the first header's type; set to that of the header behind them
 */
static enum drop skip_ext(const uint8_t *h, size_t *at, size_t end, struct pkt *p)
{
	const size_t start = *at;
	bool atomic = false;
	unsigned count;

	for (count = 0;; count++) {
		const uint8_t *e = h + *at;
		uint8_t type = p->proto;
		size_t len;

		if (type != IPPROTO_HOPOPTS && type != IPPROTO_ROUTING && type != IPPROTO_DSTOPTS &&
		    type != IPPROTO_FRAGMENT)
			return DROP_NONE;
		if (count == EXT_COUNT || end - *at < 8)
			return DROP_IP_EXT;
		len = type == IPPROTO_FRAGMENT ? FRAG_HLEN : (e[1] + 1U) * 8;
		if (len > end - *at || *at + len - start > EXT_BYTES)
			return DROP_IP_EXT;
		/* Hop-by-hop options come first, if at all; with segments left to visit, we are a router (RFC 5095) */
		if ((type == IPPROTO_HOPOPTS && count) || (type == IPPROTO_ROUTING && e[3]))
			return DROP_IP_EXT;

		p->proto = e[0];
		*at += len;
		if (type != IPPROTO_FRAGMENT)
			continue;
		p->frag.off = get_be16(e + 2) & ~7U;
		p->frag.more = e[3] & 1;
		p->frag.id = get_be32(e + 4);
		p->fragment = p->frag.off || p->frag.more;
		/* A fragment that is the whole packet needs no reassembly (RFC 6946 4), once */
		if (atomic || p->fragment)
			return atomic ? DROP_IP_EXT : DROP_NONE;
		atomic = true;
	}
}

static enum drop parse_ip6(const struct raw *raw, uint8_t *h, struct pkt *p)
{
	const uint8_t *ip = h + ETH_HLEN;
	size_t at = ETH_HLEN + IP6_HLEN, end;
	enum drop rc;

	if (raw->len < at)
		return DROP_FRAME;
	end = at + get_be16(ip + 4);
	if (ip[0] >> 4 != 6 || end > raw->len)
		return DROP_IP_HEADER;

	p->tos = (uint8_t)(get_be16(ip) >> 4);
	p->proto = ip[6];
	p->ttl = ip[7];
	memcpy(&p->src.a, ip + 8, 16);
	memcpy(&p->dst.a, ip + 24, 16);
	if (p->proto != IPPROTO_TCP && p->proto != IPPROTO_UDP) {
		if (!head_fetch(raw, p, h, HEAD_MIN, HEAD_MAX))
			return DROP_FRAME;
		rc = skip_ext(h, &at, end, p);
		if (rc)
			return rc;
	}
	p->ip = raw_view(raw, ETH_HLEN, end);
	return parse_rest(raw, h, at, end, p);
}

/* Quoted IPv4 header at @ip; returns the bytes in front of the transport header, 0 if there is none */
static size_t quote_ip4(const uint8_t *ip, size_t len, struct quote *q)
{
	if (len < IP4_HLEN || ip[0] >> 4 != 4 || get_be16(ip + 6) & IP4_OFF)
		return 0;
	q->src.a = addr_from_bytes(ip + 12, true);
	q->dst.a = addr_from_bytes(ip + 16, true);
	q->proto = ip[9];
	q->len = get_be16(ip + 2);
	return MAX((ip[0] & 15U) * 4, IP4_HLEN);
}

static size_t quote_ip6(const uint8_t *h, size_t len, struct quote *q)
{
	size_t at = ETH_HLEN + IP6_HLEN;
	const uint8_t *ip = h + ETH_HLEN;
	struct pkt inner = { 0 };

	if (len < IP6_HLEN || ip[0] >> 4 != 6)
		return 0;
	inner.proto = ip[6];
	if (skip_ext(h, &at, ETH_HLEN + len, &inner) || inner.frag.off)
		return 0;
	memcpy(&q->src.a, ip + 8, 16);
	memcpy(&q->dst.a, ip + 24, 16);
	if (addr_is_v4(&q->src.a) || addr_is_v4(&q->dst.a))
		return 0;
	q->proto = inner.proto;
	q->len = get_be16(ip + 4);
	if (q->len)				/* else a jumbogram */
		q->len += IP6_HLEN;
	return at - ETH_HLEN;
}

bool pkt_quote(const struct pkt *error, struct quote *q)
{
	size_t len = MIN(error->data.len, HEAD_MAX - ETH_HLEN), at;
	uint8_t h[HEAD_MAX];
	const uint8_t *l4;

	*q = (struct quote){ 0 };
	if (!view_copy(&error->data, 0, h + ETH_HLEN, len))
		return false;
	at = error->ethertype == ETH_P_IP ? quote_ip4(h + ETH_HLEN, len, q) : quote_ip6(h, len, q);
	if (!at || len < at + UDP_HLEN)
		return false;
	l4 = h + ETH_HLEN + at;
	if (q->proto == IPPROTO_TCP || q->proto == IPPROTO_UDP) {
		q->src.port = get_be16(l4);
		q->dst.port = get_be16(l4 + 2);
		q->seq = get_be32(l4 + 4);
	} else {
		q->dst.port = get_be16(l4 + 4);
	}
	return true;
}

enum drop pkt_parse(const struct raw *raw, struct pkt *p)
{
	uint8_t h[HEAD_MAX];

	if (raw->len < ETH_HLEN || !head_fetch(raw, p, h, 0, HEAD_MIN))
		return DROP_FRAME;

	memcpy(&p->dmac, h, ETH_ALEN);
	memcpy(&p->smac, h + ETH_ALEN, ETH_ALEN);
	p->ethertype = get_be16(h + 2 * ETH_ALEN);
	p->src.port = p->dst.port = 0;
	p->off = raw->off;
	p->fragment = false;
	p->next = PKT_NEXT_NONE;

	switch (p->ethertype) {
	case ETH_P_IP:
		return parse_ip4(raw, h, p);
	case ETH_P_IPV6:
		return parse_ip6(raw, h, p);
	case ETH_P_ARP:
		p->src.a = p->dst.a = addr_any6;
		p->proto = p->ttl = p->tos = 0;
		p->off = (struct offload){ 0 };
		p->data = raw_view(raw, ETH_HLEN, raw->len);
		p->ip = p->data;
		return DROP_NONE;
	default:
		return DROP_ETHERTYPE;
	}
}

/* Cuts the payload buffers to the first @f->len bytes */
static void trim_payload(struct frame *f)
{
	size_t left = f->len;
	unsigned i;

	if (f->npay == 1) {			/* but for links that lend */
		f->pay[0].iov_len = f->len = MIN(f->pay[0].iov_len, left);
		f->npay = f->len > 0;
		return;
	}
	for (i = 0; i < f->npay && left; i++) {
		f->pay[i].iov_len = MIN(f->pay[i].iov_len, left);
		left -= f->pay[i].iov_len;
	}
	f->npay = (uint8_t)i;
	f->len -= left;
}

uint8_t *put_eth(uint8_t *behind, const struct mac *dmac, const struct mac *smac, uint16_t ethertype)
{
	uint8_t *h = behind - ETH_HLEN;

	memcpy(h, dmac, ETH_ALEN);
	memcpy(h + ETH_ALEN, smac, ETH_ALEN);
	put_be16(h + 2 * ETH_ALEN, ethertype);
	return h;
}

uint8_t *put_ip(uint8_t *l4, const struct net_hdr *n, uint8_t proto, size_t len, uint16_t frag)
{
	bool v4 = addr_is_v4(&n->src.a), jumbo = (v4 ? IP4_HLEN : 0) + len > IP_MAX;
	uint8_t *ip = l4 - ip_hlen(v4);
	uint16_t csum;

	if (v4) {
		ip[0] = 0x45;
		ip[1] = n->tos;
		put_be16(ip + 2, jumbo ? 0 : (uint16_t)(IP4_HLEN + len));
		put_be16(ip + 4, (uint16_t)n->id);
		put_be16(ip + 6, frag);
		ip[8] = n->ttl;
		ip[9] = proto;
		ip[10] = ip[11] = 0;
		memcpy(ip + 12, n->src.a.b + 12, 4);
		memcpy(ip + 16, n->dst.a.b + 12, 4);
		csum = csum_finish(csum_ip4(ip));
		memcpy(ip + 10, &csum, 2);
		return ip;
	}
	if (jumbo) {	/* hop-by-hop options (RFC 8200 4.3), with one for the length */
		ip -= JUMBO_HLEN;
		put_be32(l4 - 8, (uint32_t)proto << 24 | 0xc204);
		put_be32(l4 - 4, (uint32_t)(JUMBO_HLEN + len));
	}
	put_be32(ip, 6U << 28 | (uint32_t)n->tos << 20);
	put_be16(ip + 4, jumbo ? 0 : (uint16_t)len);
	ip[6] = jumbo ? IPPROTO_HOPOPTS : proto;
	ip[7] = n->ttl;
	memcpy(ip + 8, &n->src.a, 16);
	memcpy(ip + 24, &n->dst.a, 16);
	return ip;
}

/* The frame's headers begin at @start and end @l4 bytes behind HDR_L4 */
static void set_headers(struct frame *f, const uint8_t *start, unsigned l4, uint8_t proto, bool v6)
{
	f->hoff = (uint8_t)(start - f->hdr);
	f->hlen = (uint8_t)(HDR_L4 + l4 - f->hoff);
	f->off = (struct offload){ 0 };
	f->csum_start = f->csum_off = 0;
	f->proto = proto;
	f->v6 = v6;
}

/**
 * put_net() - Ethernet and IP header in front of HDR_L4
 * @proto:	type of the header at HDR_L4
 * @l4:		its length
 * @frag:	IPv4 flags and fragment offset
 *
 * The payload is cut to its length first, so that lengths can't disagree.
 */
static void put_net(struct frame *f, const struct net_hdr *n, uint8_t proto, unsigned l4, uint16_t frag)
{
	bool v4 = addr_is_v4(&n->src.a);
	uint8_t *ip;

	trim_payload(f);
	ip = put_ip(f->hdr + HDR_L4, n, proto, l4 + f->len, frag);
	set_headers(f, put_eth(ip, &n->dmac, &n->smac, v4 ? ETH_P_IP : ETH_P_IPV6), l4, proto, !v4);
}

/* Checksum of a transport header of @l4 bytes, its field zero so far, and of its payload */
static uint16_t csum_l4(const struct net_hdr *n, uint8_t proto, const uint8_t *h, unsigned l4, const struct view *data)
{
	uint64_t sum = 0;
	uint16_t csum;

	if (proto != IPPROTO_ICMP)		/* RFC 792: no pseudo-header */
		sum = csum_pseudo(&n->src.a, &n->dst.a, proto, (uint32_t)(l4 + data->len));
	csum = csum_finish(csum_iov(data->iov, data->cnt, data->off, data->len, csum_add(h, l4, sum)));
	return !csum && proto == IPPROTO_UDP ? 0xffff : csum;	/* zero means none (RFC 768) */
}

/**
 * put_csum() - transport checksum, its field zero so far
 * @l4:		length of the transport header
 * @at:		offset of the checksum in it
 * @partial:	the link finishes it: the field then holds the folded sum of the pseudo-header
 * @gso:	payload bytes per segment, or 0
 */
static void put_csum(struct frame *f, const struct net_hdr *n, unsigned l4, unsigned at, bool partial, uint16_t gso)
{
	uint8_t *h = f->hdr + HDR_L4;
	uint16_t csum;

	if (partial) {
		f->off.partial = true;
		f->off.gso = f->len > gso ? gso : 0;
		f->csum_start = (uint16_t)(f->hlen - l4);
		f->csum_off = (uint16_t)at;
		csum = csum_fold(csum_pseudo(&n->src.a, &n->dst.a, f->proto, (uint32_t)(l4 + f->len)));
	} else {
		csum = csum_l4(n, f->proto, h, l4, &(struct view){ f->pay, f->npay, 0, f->len });
	}
	memcpy(h + at, &csum, 2);
}

/* Options are put in words, in the order and padding of Linux'; each function returns their end */
static inline uint8_t *put_ts(uint8_t *o, uint32_t word, const struct tcp_seg *s)
{
	put_be32(o, word);
	put_be32(o + 4, s->tsval);
	put_be32(o + 8, s->tsecr);
	return o + TCP_TS_LEN;
}

static uint8_t *put_syn_opts(uint8_t *o, const struct tcp_seg *s)
{
	if (s->mss) {
		put_be32(o, 0x02040000 | s->mss);
		o += 4;
	}
	if (s->ts) {
		o = put_ts(o, s->sack_ok ? 0x0402080a : OPTS_TS, s);
	} else if (s->sack_ok) {
		put_be32(o, 0x01010402);
		o += 4;
	}
	if (s->wscale != TCP_WSCALE_NONE) {
		put_be32(o, 0x01030300 | s->wscale);
		o += 4;
	}
	return o;
}

static uint8_t *put_sacks(uint8_t *o, const struct tcp_seg *s)
{
	assert(s->sacks <= TCP_SACKS - s->ts);
	put_be32(o, 0x01010500 | (2 + 8U * s->sacks));
	o += 4;
	for (unsigned i = 0; i < s->sacks; i++, o += 8) {
		put_be32(o, s->sack[i].from);
		put_be32(o + 4, s->sack[i].to);
	}
	return o;
}

void frame_tcp(struct frame *f, const struct net_hdr *n, const struct tcp_seg *s, uint16_t gso, const struct caps *c)
{
	uint8_t *t = f->hdr + HDR_L4, *o = t + TCP_HLEN;
	unsigned l4;

	if (s->flags & TCP_SYN)
		o = put_syn_opts(o, s);
	else if (s->ts)
		o = put_ts(o, OPTS_TS, s);
	if (s->sacks)
		o = put_sacks(o, s);
	l4 = (unsigned)(o - t);
	put_be16(t, n->src.port);
	put_be16(t + 2, n->dst.port);
	put_be32(t + 4, s->seq);
	put_be32(t + 8, s->ack);
	t[12] = (uint8_t)(l4 / 4 << 4);
	t[13] = s->flags;
	put_be16(t + 14, s->win);
	put_be32(t + 16, 0);

	put_net(f, n, IPPROTO_TCP, l4, IP4_DF);
	put_csum(f, n, l4, 16, c->csum, gso);
}

/* @len: payload bytes of the whole datagram */
static void put_udp(uint8_t *u, const struct net_hdr *n, size_t len)
{
	put_be16(u, n->src.port);
	put_be16(u + 2, n->dst.port);
	put_be16(u + 4, (uint16_t)(UDP_HLEN + len));
	put_be16(u + 6, 0);
}

void frame_udp(struct frame *f, const struct net_hdr *n, uint16_t gso, const struct caps *c)
{
	put_net(f, n, IPPROTO_UDP, UDP_HLEN, 0);
	put_udp(f->hdr + HDR_L4, n, f->len);
	put_csum(f, n, UDP_HLEN, 6, c->csum, gso);
}

static void put_icmp(uint8_t *i, const struct icmp_hdr *h)
{
	i[0] = h->type;
	i[1] = h->code;
	put_be16(i + 2, 0);
	put_be32(i + 4, h->rest | (uint32_t)h->id << 16 | h->seq);
}

void frame_icmp(struct frame *f, const struct net_hdr *n, const struct icmp_hdr *h)
{
	put_icmp(f->hdr + HDR_L4, h);
	put_net(f, n, addr_is_v4(&n->src.a) ? IPPROTO_ICMP : IPPROTO_ICMPV6, ICMP_HLEN, 0);
	put_csum(f, n, ICMP_HLEN, 2, false, 0);
}

void frame_eth(struct frame *f, const struct mac *dmac, const struct mac *smac, uint16_t ethertype)
{
	trim_payload(f);
	set_headers(f, put_eth(f->hdr + HDR_L4, dmac, smac, ethertype), 0, 0, false);
}

size_t frame_fragment(struct frame *f, const struct net_hdr *n, const struct icmp_hdr *icmp, const struct view *dgram,
		      size_t off, uint32_t mtu)
{
	bool v4 = addr_is_v4(&n->src.a), more;
	uint8_t proto = !icmp ? IPPROTO_UDP : v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	unsigned l4 = v4 ? 0 : FRAG_HLEN;
	size_t at = off ? off + UDP_HLEN : 0;		/* in the IP payload */
	size_t room, len = dgram->len - off;
	uint8_t *frag = f->hdr + HDR_L4, *h = frag + l4;

	if (!off) {	/* the header, of ICMP as long as of UDP, with the checksum of all of the datagram */
		uint16_t csum;

		if (icmp)
			put_icmp(h, icmp);
		else
			put_udp(h, n, dgram->len);
		csum = csum_l4(n, proto, h, UDP_HLEN, dgram);
		memcpy(h + (icmp ? 2 : 6), &csum, 2);
		l4 += UDP_HLEN;
	}
	room = mtu - ip_hlen(v4) - l4;
	more = len > room;
	if (more)	/* header and data up to here are a multiple of 8, and stay one */
		len = room & ~(size_t)7;
	if (!v4) {
		put_be16(frag, (uint16_t)(proto << 8));
		put_be16(frag + 2, (uint16_t)(at | more));
		put_be32(frag + 4, n->id);
	}
	view_copy(dgram, off, f->pay[0].iov_base, len);
	f->len = len;
	put_net(f, n, v4 ? proto : IPPROTO_FRAGMENT, l4, (uint16_t)((more ? IP4_MF : 0) | at / 8));
	f->proto = proto;
	return off + len;
}

unsigned frames_room(struct frame *const *f, unsigned *n, struct iovec *iov, unsigned max, size_t *len)
{
	struct iovec *at = iov;
	size_t sum = 0;
	unsigned i;

	for (i = 0; i < *n; i++) {
		const struct iovec *pay = f[i]->pay;
		unsigned left = f[i]->npay;

		if (left > max)
			break;
		max -= left;
		do {
			sum += pay->iov_len;
			*at++ = *pay++;
		} while (--left);
	}
	*n = i;
	*len = sum;
	return (unsigned)(at - iov);
}

unsigned frame_iov(const struct frame *f, struct iovec *iov)
{
	unsigned i;

	iov[0].iov_base = (uint8_t *)f->hdr + f->hoff;
	iov[0].iov_len = f->hlen;
	for (i = 0; i < f->npay; i++)
		iov[1 + i] = f->pay[i];
	return 1 + i;
}
