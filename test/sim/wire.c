/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wire.c - packets as the guest sends and sees them */
#include <netinet/in.h>
#include <string.h>

#include "wire.h"

const struct mac wire_guest_mac = { { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 } };
const struct mac wire_our_mac = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } };

/* RFC 1071, word by word */
static uint32_t sum(const uint8_t *p, size_t len, uint32_t s)
{
	for (size_t i = 0; i < len; i++) {
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		s = (s & 0xffff) + (s >> 16);
	}
	return s;
}

static uint32_t pseudo(const struct end *src, const struct end *dst, bool v6, uint8_t proto, size_t len)
{
	const uint8_t end[] = {
		(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, 0, proto,
	};
	uint32_t s;

	s = sum(v6 ? src->a.b : src->a.b + 12, v6 ? 16 : 4, 0);
	s = sum(v6 ? dst->a.b : dst->a.b + 12, v6 ? 16 : 4, s);
	return sum(end, sizeof(end), s);
}

/* Each option with padding in front; returns its end */
static size_t build_opts(uint8_t *p, size_t n, const struct wire_opts *o)
{
	if (o->sack_ok) {
		memcpy(p + n, "\1\1\4\2", 4);
		n += 4;
	}
	if (o->ts) {
		memcpy(p + n, "\1\1\10\12", 4);
		put_be32(p + n + 4, o->tsval);
		put_be32(p + n + 8, o->tsecr);
		n += 12;
	}
	if (o->sacks) {
		memcpy(p + n, "\1\1\5", 3);
		p[n + 3] = (uint8_t)(2 + 8 * o->sacks);
		n += 4;
	}
	for (unsigned i = 0; i < o->sacks; i++, n += 8) {
		put_be32(p + n, o->sack[i].from);
		put_be32(p + n + 4, o->sack[i].to);
	}
	return n;
}

static size_t build_l4(uint8_t *p, const struct wire *w)
{
	size_t n = w->proto == IPPROTO_TCP ? 20 : 8;

	memset(p, 0, 60);
	if (w->proto == IPPROTO_TCP) {
		if (w->mss) {
			p[n] = 2;
			p[n + 1] = 4;
			put_be16(p + n + 2, w->mss);
			n += 4;
		}
		if (w->wscale >= 0) {
			p[n] = 1;
			p[n + 1] = p[n + 2] = 3;
			p[n + 3] = (uint8_t)w->wscale;
			n += 4;
		}
		n = build_opts(p, n, &w->opts);
		put_be32(p + 4, w->seq);
		put_be32(p + 8, w->ack);
		p[12] = (uint8_t)(n / 4 << 4);
		p[13] = w->flags;
		put_be16(p + 14, w->win);
	} else if (w->proto == IPPROTO_UDP) {
		put_be16(p + 4, (uint16_t)(8 + w->len));
	} else {
		p[0] = w->type;
		p[1] = w->code;
		put_be16(p + 4, w->src.port);
		put_be16(p + 6, (uint16_t)w->seq);
	}
	if (w->proto == IPPROTO_TCP || w->proto == IPPROTO_UDP) {
		put_be16(p, w->src.port);
		put_be16(p + 2, w->dst.port);
	}
	memcpy(p + n, w->data, w->len);
	return n + w->len;
}

static size_t build_ip(uint8_t *p, const struct wire *w, size_t l4_len)
{
	if (w->v6) {
		memset(p, 0, 40);
		put_be16(p, (uint16_t)(0x6000 | w->tos << 4));
		put_be16(p + 4, (uint16_t)l4_len);
		p[6] = w->proto;
		p[7] = w->ttl;
		memcpy(p + 8, w->src.a.b, 16);
		memcpy(p + 24, w->dst.a.b, 16);
		return 40;
	}
	memset(p, 0, 20);
	p[0] = 0x45;
	p[1] = w->tos;
	put_be16(p + 2, (uint16_t)(20 + l4_len));
	p[6] = 0x40;
	p[8] = w->ttl;
	p[9] = w->proto;
	memcpy(p + 12, w->src.a.b + 12, 4);
	memcpy(p + 16, w->dst.a.b + 12, 4);
	put_be16(p + 10, (uint16_t)~sum(p, 20, 0));
	return 20;
}

static unsigned csum_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 2;
}

size_t wire_build(uint8_t *frame, const struct wire *w, bool partial)
{
	size_t ip_len = w->v6 ? 40 : 20, l4_len = build_l4(frame + 14 + ip_len, w);
	uint8_t *l4 = frame + 14 + ip_len;
	uint32_t s;

	memcpy(frame, wire_our_mac.b, 6);
	memcpy(frame + 6, wire_guest_mac.b, 6);
	put_be16(frame + 12, w->v6 ? 0x86dd : 0x0800);
	build_ip(frame + 14, w, l4_len);
	s = w->proto == IPPROTO_ICMP ? 0 : pseudo(&w->src, &w->dst, w->v6, w->proto, l4_len);
	if (partial) {
		put_be16(l4 + csum_at(w->proto), (uint16_t)s);
	} else {
		s = ~sum(l4, l4_len, s) & 0xffff;
		put_be16(l4 + csum_at(w->proto), (uint16_t)(s || w->proto != IPPROTO_UDP ? s : 0xffff));
	}
	return 14 + ip_len + l4_len;
}

static const char *parse_option(const uint8_t *p, struct wire *w)
{
	static const uint8_t len[] = { [2] = 4, [3] = 3, [4] = 2, [8] = 10 };
	struct wire_opts *o = &w->opts;

	if (p[0] == 5) {
		if ((p[1] - 2) % 8 || p[1] > 34)
			return "length of SACK option";
		o->sacks = (p[1] - 2) / 8;
		for (unsigned i = 0; i < o->sacks; i++) {
			o->sack[i].from = get_be32(p + 2 + 8 * i);
			o->sack[i].to = get_be32(p + 6 + 8 * i);
		}
		return NULL;
	}
	if (p[0] >= sizeof(len) || !len[p[0]])
		return "unknown TCP option";
	if (p[1] != len[p[0]])
		return "length of TCP option";
	if (p[0] == 2) {
		w->mss = get_be16(p + 2);
	} else if (p[0] == 3) {
		w->wscale = p[2];
	} else if (p[0] == 4) {
		o->sack_ok = true;
	} else {
		o->ts = true;
		o->tsval = get_be32(p + 2);
		o->tsecr = get_be32(p + 6);
	}
	return NULL;
}

static const char *parse_options(const uint8_t *p, size_t len, struct wire *w)
{
	const char *bad;

	while (len) {
		if (*p == 0)
			return NULL;
		if (*p == 1) {
			p++;
			len--;
			continue;
		}
		if (len < 2 || p[1] < 2 || p[1] > len)
			return "TCP option runs past its end";
		if ((bad = parse_option(p, w)))
			return bad;
		len -= p[1];
		p += p[1];
	}
	return NULL;
}

static const char *parse_l4(const uint8_t *p, size_t len, struct wire *w)
{
	size_t hdr = w->proto == IPPROTO_TCP ? 20 : 8;

	if (len < hdr)
		return "transport header cut";
	if (w->proto == IPPROTO_TCP) {
		hdr = p[12] >> 4 << 2;
		if (hdr < 20 || len < hdr)
			return "TCP data offset";
		w->seq = get_be32(p + 4);
		w->ack = get_be32(p + 8);
		w->flags = p[13];
		w->win = get_be16(p + 14);
		w->data = p + hdr;
		w->len = len - hdr;
		w->src.port = get_be16(p);
		w->dst.port = get_be16(p + 2);
		return parse_options(p + 20, hdr - 20, w);
	}
	w->data = p + hdr;
	w->len = len - hdr;
	if (w->proto == IPPROTO_UDP) {
		w->src.port = get_be16(p);
		w->dst.port = get_be16(p + 2);
		return get_be16(p + 4) == len ? NULL : "UDP length";
	}
	w->type = p[0];
	w->code = p[1];
	w->dst.port = get_be16(p + 4);
	w->seq = get_be16(p + 6);
	return NULL;
}

static const char *check_csum(const struct frame_out *f, const uint8_t *l4, size_t len, const struct caps *caps,
			      const struct wire *w)
{
	uint32_t s = w->proto == IPPROTO_ICMP ? 0 : pseudo(&w->src, &w->dst, w->v6, w->proto, len);

	if (f->off.partial) {
		if (!caps->csum)
			return "partial checksum, and the link takes none";
		if (f->csum_start != l4 - f->buf || f->csum_off != csum_at(w->proto))
			return "place of the partial checksum";
		return get_be16(l4 + f->csum_off) == s ? NULL : "partial checksum is not the pseudo-header's sum";
	}
	if (w->proto == IPPROTO_UDP && !get_be16(l4 + 6))
		return w->v6 ? "UDP over IPv6 without checksum" : NULL;
	return sum(l4, len, s) == 0xffff ? NULL : "transport checksum";
}

static const char *check_size(const struct caps *caps, size_t hdr, const struct wire *w)
{
	if (!w->gso)
		return w->ip_len > caps->mtu ? "packet larger than the MTU" : NULL;
	if (w->proto == IPPROTO_TCP && w->ip_len > (w->v6 ? caps->tso6 : caps->tso4))
		return "super-packet, and the link takes none, or none so large";
	if (w->proto == IPPROTO_UDP && !caps->uso)
		return "UDP super-packet, and the link takes none";
	if (hdr + w->gso > caps->mtu)
		return "segments of a super-packet larger than the MTU";
	return w->len > w->gso ? NULL : "super-packet of one segment";
}

/* Length of the IP packet in a frame, of a super-packet as Linux has those that are too large for the length field
 * (BIG TCP): IPv4 without a length, IPv6 with it in a hop-by-hop option (RFC 2675). Returns the length of the header,
 * 0 if it is malformed.
 */
static size_t parse_ip_len(const struct frame_out *f, struct wire *w)
{
	const uint8_t *p = f->buf + 14;
	size_t len = f->len - 14;

	w->proto = w->v6 ? p[6] : p[9];
	w->ip_len = w->v6 ? 40U + get_be16(p + 4) : get_be16(p + 2);
	if (get_be16(p + (w->v6 ? 4 : 2)) || !w->gso)
		return w->v6 ? 40 : 20;
	if (!w->v6) {
		w->ip_len = len;
		return len > 65535 ? 20 : 0;
	}
	if (len < 48 || w->proto != 0 || p[41] != 0 || p[42] != 0xc2 || p[43] != 4)
		return 0;
	w->proto = p[40];
	w->ip_len = 40U + get_be32(p + 44);
	return w->ip_len > 40 + 65535 ? 48 : 0;
}

const char *wire_parse(const struct frame_out *f, const struct caps *caps, struct wire *w)
{
	const uint8_t *p = f->buf + 14, *l4;
	size_t hdr;
	const char *bad;

	*w = (struct wire){ .at = f->at, .gso = f->off.gso, .wscale = -1 };
	if (f->len < 14 + 20)
		return "frame cut";
	if (memcmp(f->buf + 6, wire_our_mac.b, 6))
		return "source MAC address";
	w->v6 = get_be16(f->buf + 12) == 0x86dd;
	if (get_be16(f->buf + 12) == 0x0806)
		return NULL;
	if (!w->v6 && get_be16(f->buf + 12) != 0x0800)
		return "EtherType";
	hdr = w->v6 ? 40 : 20;
	if (f->len < 14 + hdr || p[0] >> 4 != (w->v6 ? 6 : 4) || (!w->v6 && p[0] != 0x45))
		return "IP version or header length";
	hdr = parse_ip_len(f, w);
	if (!hdr || w->ip_len != f->len - 14)
		return "IP length";
	if (!w->v6 && sum(p, 20, 0) != 0xffff)
		return "IPv4 header checksum";
	if (!w->v6 && get_be16(p + 6) != (w->proto == IPPROTO_TCP ? 0x4000 : 0))
		return "DF: segments must have it, datagrams must not";
	w->id = w->v6 ? 0 : get_be16(p + 4);
	w->ttl = w->v6 ? p[7] : p[8];
	w->src.a = addr_from_bytes(w->v6 ? p + 8 : p + 12, !w->v6);
	w->dst.a = addr_from_bytes(w->v6 ? p + 24 : p + 16, !w->v6);
	l4 = p + hdr;
	if (w->proto != IPPROTO_TCP && w->proto != IPPROTO_UDP && w->proto != (w->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return "protocol";
	if ((bad = parse_l4(l4, f->len - 14 - hdr, w)) || (bad = check_csum(f, l4, f->len - 14 - hdr, caps, w)))
		return bad;
	if (w->proto == IPPROTO_TCP && w->gso && w->len <= w->gso && !w->len)
		return "super-packet without data";
	return check_size(caps, (size_t)(w->data - l4) + (w->v6 ? 40 : 20), w);	/* segments are no jumbograms */
}
