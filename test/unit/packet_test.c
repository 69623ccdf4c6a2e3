/* SPDX-License-Identifier: GPL-2.0-or-later */
/* packet_test.c - views, parser, builders
 *
 * Checksums are verified by naive_sum(), which shares nothing with checksum.c (ICMP-06).
 */
#include <stdint.h>
#include <string.h>

/* Frame memory as a hostile guest has it: what was read once reads differently the second time */
static const uint8_t *hostile;
static size_t hostile_len;

static void *memcpy_once(void *to, const void *from, size_t n)
{
	uint8_t *b = (uint8_t *)(uintptr_t)from;

	memcpy(to, from, n);
	if (hostile && b >= hostile && b < hostile + hostile_len)
		for (size_t i = 0; i < n; i++)
			b[i] ^= 0xa5;
	return to;
}

#define memcpy memcpy_once
#include "../../packet.c"
#undef memcpy

#include "../t.h"
#include "packet_frames.h"

#define FRAME_BUF	70000

static const struct mac guest_mac = { { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 } };
static const struct mac our_mac = { { 0x9a, 0x55, 0x55, 0x55, 0x55, 0x55 } };

/* What the last call left on the stack must not help this one: header bytes not fetched are wrong bytes */
__attribute__((noinline)) static void scrub(void)
{
	volatile uint8_t b[4096];

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = 0xcc;
}

static enum drop parse(const struct raw *raw, struct pkt *p)
{
	scrub();
	return pkt_parse(raw, p);
}

static int nibble(char c)
{
	return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static size_t unhex(const char *s, uint8_t *b)
{
	size_t n = 0;

	for (; *s; s++) {
		if (*s == ' ')
			continue;
		b[n++] = (uint8_t)(nibble(s[0]) << 4 | nibble(s[1]));
		s++;
	}
	return n;
}

static struct addr address(const char *s)
{
	struct addr a;

	if (!addr_parse(s, strlen(s), &a))
		abort();
	return a;
}

/* RFC 1071 as it is written: 16-bit big-endian words, odd byte padded, carries added */
static uint32_t naive_sum(const uint8_t *b, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* @ip: whole packet without extension headers; sums pseudo-header, transport header and data, 0xffff if all is well */
static uint32_t naive_l4(const uint8_t *ip)
{
	bool v4 = *ip >> 4 == 4;
	size_t hlen = v4 ? (*ip & 15) * 4 : 40;
	size_t len = v4 ? (size_t)(ip[2] << 8 | ip[3]) - hlen : (size_t)(ip[4] << 8 | ip[5]);
	uint8_t proto = v4 ? ip[9] : ip[6];
	uint32_t sum = 0;

	if (proto != IPPROTO_ICMP) {
		sum = naive_sum(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32, 0) + proto + (uint32_t)len;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return naive_sum(ip + hlen, len, sum);
}

static uint32_t naive_ip4(const uint8_t *ip)
{
	return naive_sum(ip, (*ip & 15) * 4U, 0);
}

/* Buffers of exactly the size they should have, in memory of their own: a sanitizer sees the first byte too far */
struct cut {
	struct iovec	iov[512];
	struct raw	raw;
};

/* @first: size of the first buffer, @step: of the others */
static void cut_make(struct cut *c, const uint8_t *b, size_t len, size_t first, size_t step)
{
	unsigned n = 0;

	c->raw = (struct raw){ .iov = c->iov, .len = len };
	do {
		size_t part = MIN(n ? step : first, len);

		c->iov[n].iov_base = malloc(part + !part);
		if (!c->iov[n].iov_base || n == ARRAY_SIZE(c->iov) - 1)
			abort();
		memcpy(c->iov[n].iov_base, b, part);
		c->iov[n++].iov_len = part;
		b += part;
		len -= part;
	} while (len);
	c->raw.cnt = n;
}

static void cut_free(struct cut *c)
{
	for (unsigned i = 0; i < c->raw.cnt; i++)
		free(c->iov[i].iov_base);
}

static void test_views(void)
{
	enum { LEN = 37 };
	uint8_t b[LEN], to[LEN + 1];
	struct cut c;

	for (unsigned i = 0; i < LEN; i++)
		b[i] = (uint8_t)(i + 1);

	test("view: skip, trim and copy, at every offset, over every cut");
	for (size_t first = 0; first <= LEN; first++) {
		cut_make(&c, b, LEN, first, 5);
		for (size_t skip = 0; skip <= LEN + 1; skip++) {
			for (size_t keep = 0; keep <= LEN + 1; keep++) {
				struct view v = raw_view(&c.raw, 0, LEN);
				size_t s = MIN(skip, LEN), k = MIN(keep, LEN - s), n, sum = 0;
				struct iovec iov[16];

				view_skip(&v, skip / 2);
				view_skip(&v, skip - skip / 2);
				view_trim(&v, keep);
				memset(to, 0, sizeof(to));
				if (!ok(v.len == k) || !ok(view_copy(&v, 0, to, k)) || !eq_mem(to, b + s, k) ||
				    !eq(to[k], 0))
					goto out;
				ok(!view_copy(&v, 0, to, k + 1));
				ok(!view_copy(&v, k + 1, to, 0));
				ok(!view_copy(&v, SIZE_MAX, to, 2));
				ok(!view_copy(&v, 1, to, SIZE_MAX));
				n = view_iov(&v, iov, ARRAY_SIZE(iov), &sum);
				eq(sum, k);
				for (size_t i = 0, at = 0; i < n; at += iov[i++].iov_len)
					eq_mem(iov[i].iov_base, b + s + at, iov[i].iov_len);
				n = view_iov(&v, iov, 1, &sum);
				ok(n == (k > 0) && sum <= k && (!n || sum == iov[0].iov_len));
			}
		}
out:
		cut_free(&c);
	}
}

static void check_good(const struct good *g, const struct pkt *p, const uint8_t *b, size_t len)
{
	uint8_t pay[FRAME_BUF];
	const uint8_t *end;

	eq(p->next, PKT_NEXT_NONE);
	eq_mem(&p->smac, &guest_mac, ETH_ALEN);
	eq_mem(&p->dmac, b, ETH_ALEN);
	eq(p->ethertype, b[12] << 8 | b[13]);
	eq(p->proto, g->proto);
	eq(p->ttl, g->ttl);
	eq(p->tos, 0);
	eq(p->fragment, g->fragment);
	eq(p->src.port, g->sport);
	eq(p->dst.port, g->dport);
	eq(p->data.len, g->len);
	eq(p->ip.off, ETH_HLEN);
	ok(p->ip.off + p->ip.len <= len);
	ok(p->data.off + p->data.len <= p->ip.off + p->ip.len);
	if (p->ethertype == ETH_P_ARP)
		return;

	ok(addr_eq(&p->src.a, &(struct addr[]){ address(g->src) }[0]));
	ok(addr_eq(&p->dst.a, &(struct addr[]){ address(g->dst) }[0]));
	if (g->fragment) {
		eq(p->frag.id, g->frag.id);
		eq(p->frag.off, g->frag.off);
		eq(p->frag.more, g->frag.more);
	}
	ok(view_copy(&p->data, 0, pay, p->data.len));
	end = b + p->data.off + p->data.len;
	eq_mem(pay, end - p->data.len, p->data.len);
}

static void test_good(void)
{
	uint8_t b[FRAME_BUF];
	struct cut c;
	struct pkt p;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t len = unhex(good[i].hex, b);

		test("parse: %s", good[i].name);
		cut_make(&c, b, len, len, 0);
		memset(&p, 0x5a, sizeof(p));
		if (eq(parse(&c.raw, &p), DROP_NONE))
			check_good(&good[i], &p, b, len);
		cut_free(&c);
	}
}

static void test_bad(void)
{
	bool seen[DROP_COUNT] = { false };
	uint8_t b[FRAME_BUF];
	struct cut c;
	struct pkt p;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t len = unhex(bad[i].hex, b);

		test("drop: %s", bad[i].name);
		seen[bad[i].why] = true;
		for (size_t first = 0; first <= len; first++) {
			cut_make(&c, b, len, first, 7);
			eq(parse(&c.raw, &p), bad[i].why);
			cut_free(&c);
		}
	}
	test("drop: every reason the parser has");
	for (enum drop d = DROP_FRAME; d <= DROP_ADDR; d++)
		ok(d == DROP_FRAGMENT || d == DROP_L4_CSUM || d == DROP_SEGMENTS || seen[d]);
}

/* Whatever is missing, what is accepted is there */
static void test_truncated(void)
{
	uint8_t b[FRAME_BUF], pay[FRAME_BUF];
	struct cut c;
	struct pkt p;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t full = unhex(good[i].hex, b), first, len;

		test("cut at every byte, in every two buffers: %s", good[i].name);
		for (len = 0; len <= full; len++) {
			for (first = 0; first <= len; first++) {
				enum drop rc;

				cut_make(&c, b, len, first, len);
				rc = parse(&c.raw, &p);
				if (len == full && eq(rc, DROP_NONE)) {
					check_good(&good[i], &p, b, len);
				} else if (rc == DROP_NONE) {
					ok(p.ip.off + p.ip.len <= len);
					ok(p.data.off + p.data.len <= p.ip.off + p.ip.len);
					ok(view_copy(&p.data, 0, pay, p.data.len));
					ok(p.ethertype == ETH_P_ARP || p.data.len == good[i].len);
				} else {
					ok(rc == DROP_FRAME || rc == DROP_IP_HEADER);
				}
				cut_free(&c);
			}
		}
		for (first = 1; first < 20; first++) {
			cut_make(&c, b, full, 0, first);
			if (eq(parse(&c.raw, &p), DROP_NONE))
				check_good(&good[i], &p, b, full);
			cut_free(&c);
		}
	}
}

/* A packet of the guest's is as good as one of ours to be quoted: what the parser reads of it is in the quote, or
 * nothing
 */
static void test_quote(void)
{
	uint8_t b[FRAME_BUF];
	struct cut c;
	struct pkt p;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t full = unhex(good[i].hex, b), read = 0;
		bool v4, l4, rest;

		cut_make(&c, b, full, 0, full);
		if (!eq(parse(&c.raw, &p), DROP_NONE) || p.ethertype == ETH_P_ARP) {
			cut_free(&c);
			continue;
		}
		v4 = p.ethertype == ETH_P_IP;
		l4 = !p.fragment && (p.proto == IPPROTO_TCP || p.proto == IPPROTO_UDP);
		rest = p.fragment && p.frag.off;
		test("quoted, cut at every byte: %s", good[i].name);
		for (size_t len = 0; len <= p.ip.len; len++) {
			struct pkt e = { .ethertype = p.ethertype, .data = p.ip };
			struct quote q;

			view_trim(&e.data, len);
			if (!pkt_quote(&e, &q))
				continue;
			read++;
			ok(len >= (v4 ? 28 : 48) && !rest);
			ok(addr_eq(&q.src.a, &p.src.a) && addr_eq(&q.dst.a, &p.dst.a));
			eq(q.len, p.ip.len);
			if (!p.fragment)
				eq(q.proto, p.proto);
			if (l4)
				ok(q.src.port == p.src.port && q.dst.port == p.dst.port);
			if (l4 && p.proto == IPPROTO_TCP)
				eq(q.seq, p.tcp.seq);
		}
		eq(!read, rest);
		cut_free(&c);
	}
}

static void test_padded(void)
{
	uint8_t b[FRAME_BUF];
	struct cut c;
	struct pkt p;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t full = unhex(good[i].hex, b), len;

		if (!good[i].src)
			continue;
		test("L2-01 padding of any length makes no difference: %s", good[i].name);
		memset(b + full, 0xee, 600);
		for (len = full; len < full + 400; len++) {
			cut_make(&c, b, len, len, 0);
			if (eq(parse(&c.raw, &p), DROP_NONE))
				check_good(&good[i], &p, b, len);
			cut_free(&c);
		}
	}
}

static void test_single_fetch(void)
{
	uint8_t b[FRAME_BUF], mem[FRAME_BUF];
	struct iovec iov[2];
	struct raw raw = { .iov = iov, .cnt = 2 };
	struct pkt p;

	hostile = mem;
	hostile_len = sizeof(mem);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t len = unhex(good[i].hex, b);

		test("headers are read once: %s", good[i].name);
		raw.len = len;
		for (size_t first = 0; first <= len; first++) {
			memcpy(mem, b, len);
			iov[0] = (struct iovec){ mem, first };
			iov[1] = (struct iovec){ mem + first, len - first };
			if (!eq(parse(&raw, &p), DROP_NONE))
				continue;
			memcpy(mem, b, len);
			hostile = NULL;
			check_good(&good[i], &p, b, len);
			hostile = mem;
		}
	}
	hostile = NULL;
}

/* A raw frame whose buffers hold less than it claims must not be believed */
static void test_short_buffers(void)
{
	uint8_t b[FRAME_BUF];
	struct cut c;
	struct pkt p;

	test("fewer bytes in the buffers than announced");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t len = unhex(good[i].hex, b);

		for (size_t n = 0; n < MIN(len, HEAD_MIN); n++) {
			cut_make(&c, b, n, n, 0);
			c.raw.len = len;
			eq(parse(&c.raw, &p), DROP_FRAME);
			cut_free(&c);
		}
	}
}

static void test_tcp_options(void)
{
	static const struct {
		const char	*name, *opt;
		uint16_t	mss;
		uint8_t		wscale;
		bool		sack_ok, ts;
		uint32_t	tsval, tsecr;
		uint8_t		sacks;
		struct tcp_sack	sack[TCP_SACKS];
	} row[] = {
		{ "none", "", .mss = 0, .wscale = 255 },
		{ "MSS", "02040218", .mss = 536, .wscale = 255 },
		{ "MSS 0", "02040000", .mss = 0, .wscale = 255 },
		{ "window scale behind a no-operation", "01030307", .mss = 0, .wscale = 7 },
		{ "window scale above 14 counts as 14", "01 03030f", .mss = 0, .wscale = 14 },
		{ "window scale 255 counts as 14", "01 0303ff", .mss = 0, .wscale = 14 },
		{ "both", "020405b4 030309 01", .mss = 1460, .wscale = 9 },
		{ "the last of two", "02040218 020405b4", .mss = 1460, .wscale = 255 },
		{ "all of Linux", "020405b4 0402 080a0000000100000000 01 030307", .mss = 1460, .wscale = 7,
		  .sack_ok = true, .ts = true, .tsval = 1 },
		{ "timestamps as all have them", "0101080a fedcba98 01234567", .wscale = 255, .ts = true,
		  .tsval = 0xfedcba98, .tsecr = 0x1234567 },
		{ "timestamps elsewhere", "01 080a fedcba98 01234567 01", .wscale = 255, .ts = true,
		  .tsval = 0xfedcba98, .tsecr = 0x1234567 },
		{ "timestamps of a wrong length", "0101 0809 fedcba98 012345 01", .mss = 0, .wscale = 255 },
		{ "SACK permitted of a wrong length", "0403 00 01", .mss = 0, .wscale = 255 },
		{ "one block", "0101050a 00000001 00000002", .wscale = 255, .sacks = 1, .sack = { { 1, 2 } } },
		{ "four blocks", "01010522 00000001 00000002 00000003 00000004 00000005 00000006 80000007 80000008",
		  .wscale = 255, .sacks = 4, .sack = { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 0x80000007, 0x80000008 } } },
		{ "timestamps and three blocks",
		  "0101080a fedcba98 01234567 0101051a 00000001 00000002 00000003 00000004 00000005 00000006",
		  .wscale = 255, .ts = true, .tsval = 0xfedcba98, .tsecr = 0x1234567,
		  .sacks = 3, .sack = { { 1, 2 }, { 3, 4 }, { 5, 6 } } },
		{ "a block that is cut", "0101050e 00000001 00000002 00000003", .wscale = 255, .sacks = 1,
		  .sack = { { 1, 2 } } },
		{ "no block", "01010502", .mss = 0, .wscale = 255 },
		{ "blocks beyond the header", "01010512 00000001 00000002", .mss = 0, .wscale = 255 },
		{ "unknown one skipped", "fd041234 020405b4", .mss = 1460, .wscale = 255 },
		{ "end of list", "00 020405b4 000000", .mss = 0, .wscale = 255 },
		{ "length 0 ends it", "fd00 020405b4 0000", .mss = 0, .wscale = 255 },
		{ "length 1 ends it", "fd01 020405b4 0000", .mss = 0, .wscale = 255 },
		{ "length beyond the header", "01010204", .mss = 0, .wscale = 255 },
		{ "kind without length", "01010102", .mss = 0, .wscale = 255 },
		{ "MSS of a wrong length", "0203 05 02040218 01", .mss = 536, .wscale = 255 },
		{ "window scale of a wrong length", "03040700 01010101", .mss = 0, .wscale = 255 },
		{ "40 bytes",
		  "0101010101010101010101010101010101010101010101010101010101010101 01010101 01 030308", .mss = 0,
		  .wscale = 8 },
	};
	uint8_t h[14 + 20 + 60] = { 0 };
	struct cut c;
	struct pkt p;

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		static const uint8_t flags[] = { 0x02, 0x12, 0x10, 0x18, 0x04, 0xc2 };
		struct iovec iov = { h, 0 };
		uint16_t csum;
		size_t n;

		unhex(good[1].hex, h);
		n = unhex(row[i].opt, h + 54);
		h[46] = (uint8_t)((20 + n) / 4 << 4);
		put_be16(h + 16, (uint16_t)(40 + n));
		put_be16(h + 24, 0);
		csum = (uint16_t)~naive_ip4(h + 14);
		put_be16(h + 24, csum);
		iov.iov_len = 54 + n;

		test("TCP options: %s", row[i].name);
		eq(n % 4, 0);
		for (size_t j = 0; j < ARRAY_SIZE(flags); j++) {
			h[47] = flags[j];
			cut_make(&c, h, iov.iov_len, iov.iov_len, 0);
			if (eq(parse(&c.raw, &p), DROP_NONE)) {
				eq(p.tcp.flags, flags[j] & 0x3f);	/* without those of RFC 3168 */
				eq(p.tcp.seq, 0x01020304);
				eq(p.tcp.ack, 0x0a0b0c0d);
				eq(p.tcp.win, 64240);
				eq(p.tcp.mss, flags[j] & 2 ? row[i].mss : 0);
				eq(p.tcp.wscale, flags[j] & 2 ? row[i].wscale : TCP_WSCALE_NONE);
				eq(p.tcp.sack_ok, flags[j] & 2 && row[i].sack_ok);
				eq(p.tcp.ts, row[i].ts);
				if (row[i].ts)
					ok(p.tcp.tsval == row[i].tsval && p.tcp.tsecr == row[i].tsecr);
				eq(p.tcp.sacks, flags[j] & 2 ? 0 : row[i].sacks);
				eq_mem(p.tcp.sack, row[i].sack, p.tcp.sacks * sizeof(p.tcp.sack[0]));
			}
			cut_free(&c);
		}
	}
}

static void test_fields(void)
{
	uint8_t b[FRAME_BUF];
	struct cut c;
	struct pkt p;
	size_t len, i;

	test("type of service, time to live, ICMP words");
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		if (strncmp(good[i].name, "echo request", 12))
			continue;
		len = unhex(good[i].hex, b);
		if (good[i].proto == IPPROTO_ICMP) {
			b[15] = 0xb9;
			b[22] = 3;
			put_be16(b + 24, 0);
			put_be16(b + 24, (uint16_t)~naive_ip4(b + 14));
		} else {
			b[14] = 0x6b;
			b[15] = 0x9f;
			b[21] = 3;
		}
		cut_make(&c, b, len, len, 0);
		eq(parse(&c.raw, &p), DROP_NONE);
		eq(p.tos, 0xb9);
		eq(p.ttl, 3);
		eq(p.icmp.type, good[i].proto == IPPROTO_ICMP ? 8 : 128);
		eq(p.icmp.code, 0);
		eq(p.icmp.id, 7);
		eq(p.icmp.seq, 9);
		eq(p.icmp.rest, 0x00070009);
		cut_free(&c);
	}
}

/* Payload in two buffers, cut at @cut; room beyond the payload in the second, as reserved */
static void frame_make(struct frame *f, uint8_t *pay, size_t room, size_t len, size_t at)
{
	memset(f, 0xa5, sizeof(*f));
	f->pay[0] = (struct iovec){ pay, at };
	f->pay[1] = (struct iovec){ pay + at, room - at };
	f->npay = 2;
	f->len = len;
}

static size_t flatten(const struct frame *f, uint8_t *to)
{
	struct iovec iov[1 + FRAME_IOV];
	unsigned n = frame_iov(f, iov);
	size_t len = 0;

	ok(n == 1U + f->npay && n <= ARRAY_SIZE(iov));
	for (unsigned i = 0; i < n; i++) {
		memcpy(to + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	eq(len, f->hlen + f->len);
	return len;
}

static struct net_hdr net_make(bool v4)
{
	return (struct net_hdr){
		.dmac = guest_mac, .smac = our_mac, .ttl = 61, .tos = 0xb8, .id = 0xfedc,
		.src = { address(v4 ? "192.0.2.1" : "2001:db8:1::1"), 80 },
		.dst = { address(v4 ? "10.0.2.15" : "2001:db8::15"), 40000 },
	};
}

/* Partial checksums as the link's other end finishes them: over all from csum_start on, the field included */
static void finish(const struct frame *f, uint8_t *b, size_t len)
{
	uint32_t sum = naive_sum(b + f->csum_start, len - f->csum_start, 0);

	put_be16(b + f->csum_start + f->csum_off, (uint16_t)~sum);
}

static void check_built(struct frame *f, const struct net_hdr *n, uint8_t proto, const uint8_t *pay, size_t len,
			struct pkt *p)
{
	static uint8_t b[FRAME_BUF], got[FRAME_BUF];
	bool v4 = addr_is_v4(&n->src.a);
	struct iovec iov = { b, flatten(f, b) };
	struct raw raw = { &iov, 1, iov.iov_len, f->off, 0 };

	eq(f->len, len);
	eq(f->hoff, HDR_L4 - net_hdr_len(v4, 0));
	eq(f->v6, !v4);
	eq(f->proto, proto);
	if (v4) {
		eq(naive_ip4(b + ETH_HLEN), 0xffff);
		eq(get_be16(b + ETH_HLEN + 4), n->id);
		eq(get_be16(b + ETH_HLEN + 6), proto == IPPROTO_TCP ? 0x4000 : 0);	/* DF: for TCP alone */
	} else {
		eq(get_be32(b + ETH_HLEN), 0x6b800000);
	}
	if (f->off.partial) {
		eq(f->csum_start, net_hdr_len(v4, 0));
		finish(f, b, iov.iov_len);
	}
	eq(naive_l4(b + ETH_HLEN), 0xffff);

	if (!eq(parse(&raw, p), DROP_NONE))
		return;
	ok(end_eq(&p->src, &n->src) && end_eq(&p->dst, &n->dst));
	ok(mac_eq(&p->smac, &our_mac) && mac_eq(&p->dmac, &guest_mac));
	eq(p->proto, proto);
	eq(p->ttl, n->ttl);
	eq(p->tos, n->tos);
	eq(p->ip.len, iov.iov_len - ETH_HLEN);
	eq(p->data.len, len);
	ok(view_copy(&p->data, 0, got, len));
	eq_mem(got, pay, len);
}

/* { payload, gso given, gso kept } */
static const struct { size_t len; uint16_t gso, kept; } size_row[] = {
	{ 0, 0, 0 }, { 1, 0, 0 }, { 2, 0, 0 }, { 7, 0, 0 }, { 1460, 0, 0 }, { 1460, 1460, 0 }, { 1461, 1460, 1460 },
	{ 1, 1460, 0 }, { 0, 1460, 0 }, { 8999, 1448, 1448 }, { 65467, 65467, 0 }, { 65467, 65466, 65466 },
};

static void test_build(uint8_t proto, bool v4, bool partial)
{
	static uint8_t pay[FRAME_BUF];
	struct caps caps = { .mtu = 65535, .csum = partial };
	struct net_hdr n = net_make(v4);
	struct frame f;
	struct pkt p;

	for (size_t i = 0; i < sizeof(pay); i++)
		pay[i] = (uint8_t)(i * 7 + (i >> 8));

	for (size_t i = 0; i < ARRAY_SIZE(size_row); i++) {
		size_t len = size_row[i].len;

		for (size_t at = 0; at <= len; at += 1 + at * 3) {
			struct tcp_seg s = { .seq = 0xdeadbeef, .ack = 0x12345678, .win = 0xabcd,
					     .flags = TCP_ACK | TCP_PSH, .wscale = TCP_WSCALE_NONE };

			frame_make(&f, pay, sizeof(pay), len, at);
			if (proto == IPPROTO_TCP) {
				frame_tcp(&f, &n, &s, size_row[i].gso, &caps);
				check_built(&f, &n, proto, pay, len, &p);
				eq(p.tcp.seq, s.seq);
				eq(p.tcp.ack, s.ack);
				eq(p.tcp.win, s.win);
				eq(p.tcp.flags, s.flags);
			} else {
				frame_udp(&f, &n, size_row[i].gso, &caps);
				check_built(&f, &n, proto, pay, len, &p);
			}
			eq(f.hlen, net_hdr_len(v4, proto == IPPROTO_TCP ? 20 : 8));
			eq(f.off.partial, partial);
			eq(f.off.gso, partial ? size_row[i].kept : 0);
			eq(f.csum_off, !partial ? 0 : proto == IPPROTO_TCP ? 16 : 6);
			eq(p.off.gso, f.off.gso);
			eq(p.off.partial, partial);
		}
	}
}

static void test_builders(void)
{
	for (int i = 0; i < 8; i++) {
		uint8_t proto = i & 1 ? IPPROTO_TCP : IPPROTO_UDP;

		test("L2-17 build and parse: %s over IPv%d, %s checksum", i & 1 ? "TCP" : "UDP", i & 2 ? 4 : 6,
		     i & 4 ? "partial" : "whole");
		test_build(proto, i & 2, i & 4);
	}
}

static void test_build_syn(void)
{
	static const struct { uint16_t mss; uint8_t wscale; unsigned hlen; bool sack_ok, ts; uint8_t sacks; } row[] = {
		{ 1460, 14, 28, false, false, 0 }, { 1440, TCP_WSCALE_NONE, 24, false, false, 0 },
		{ 0, 0, 24, false, false, 0 }, { 0, TCP_WSCALE_NONE, 20, false, false, 0 },
		{ 65495, 0, 28, false, false, 0 }, { 1460, 7, 40, true, true, 0 }, { 1460, 7, 32, true, false, 0 },
		{ 0, TCP_WSCALE_NONE, 32, false, true, 0 }, { 0, TCP_WSCALE_NONE, 60, false, true, 3 },
		{ 0, TCP_WSCALE_NONE, 56, false, false, 4 }, { 0, TCP_WSCALE_NONE, 32, false, false, 1 },
	};

	test("build and parse: TCP options");
	for (size_t i = 0; i < 4 * ARRAY_SIZE(row); i++) {
		size_t r = i / 4;
		struct tcp_seg s = { .seq = 1, .ack = 2, .win = 3, .mss = row[r].mss, .wscale = row[r].wscale,
				     .flags = TCP_ACK | (row[r].mss || row[r].wscale != TCP_WSCALE_NONE ? TCP_SYN : 0),
				     .sack_ok = row[r].sack_ok, .ts = row[r].ts, .sacks = row[r].sacks,
				     .tsval = 0xf1000002, .tsecr = 0xf3000004,
				     .sack = { { 1, 2 }, { 0x80000003, 0x80000004 }, { 5, 6 }, { 7, 8 } } };
		struct caps caps = { .csum = i & 2 };
		struct net_hdr n = net_make(i & 1);
		uint8_t none[1];
		struct frame f;
		struct pkt p;

		frame_make(&f, none, 1, 0, 0);
		frame_tcp(&f, &n, &s, 1000, &caps);
		check_built(&f, &n, IPPROTO_TCP, none, 0, &p);
		eq(f.hlen, net_hdr_len(i & 1, row[r].hlen));
		eq(f.npay, 0);
		eq(p.tcp.mss, s.mss);
		eq(p.tcp.wscale, s.wscale);
		eq(p.tcp.flags, s.flags);
		eq(p.tcp.sack_ok, s.sack_ok);
		eq(p.tcp.ts, s.ts);
		if (s.ts)
			ok(p.tcp.tsval == s.tsval && p.tcp.tsecr == s.tsecr);
		eq(p.tcp.sacks, s.sacks);
		eq_mem(p.tcp.sack, s.sack, s.sacks * sizeof(s.sack[0]));
	}
}

static void test_build_icmp(void)
{
	static const struct icmp_hdr row[] = {
		{ .type = 0, .id = 0x1234, .seq = 0x5678 },
		{ .type = 3, .code = 4, .rest = 1400 },
		{ .type = 129, .id = 0xffff, .seq = 0xffff, .rest = 0xffffffff },
		{ .type = 255, .code = 255 },
	};
	uint8_t pay[101];

	memset(pay, 0xff, sizeof(pay));
	test("ICMP-06 build and parse: ICMP and ICMPv6, checksum");
	for (size_t i = 0; i < 2 * ARRAY_SIZE(row); i++) {
		const struct icmp_hdr *h = &row[i / 2];
		struct net_hdr n = net_make(i & 1);

		n.src.port = n.dst.port = 0;
		for (size_t len = 0; len <= sizeof(pay); len++) {
			struct frame f;
			struct pkt p;

			frame_make(&f, pay, sizeof(pay), len, len / 2);
			frame_icmp(&f, &n, h);
			check_built(&f, &n, i & 1 ? IPPROTO_ICMP : IPPROTO_ICMPV6, pay, len, &p);
			eq(p.icmp.type, h->type);
			eq(p.icmp.code, h->code);
			eq(p.icmp.rest, h->rest ? h->rest : (uint32_t)h->id << 16 | h->seq);
			ok(!f.off.partial && !f.off.gso);
		}
	}
}

static void test_build_udp_zero(void)
{
	struct caps caps = { .csum = false };

	test("RFC 768: a UDP checksum that comes out as 0 is sent as 0xffff");
	for (int v4 = 0; v4 < 2; v4++) {
		struct net_hdr n = net_make(v4);
		uint8_t pay[2] = { 0, 0 }, room[100], b[200];
		struct iovec iov = { pay, 2 };
		struct view dgram = { &iov, 1, 0, 2 };
		struct frame f;
		uint16_t csum;

		/* A word that makes up for all the rest */
		frame_make(&f, pay, 2, 2, 0);
		frame_udp(&f, &n, 0, &caps);
		flatten(&f, b);
		csum = get_be16(b + net_hdr_len(v4, 6));
		ok(csum && csum != 0xffff);
		put_be16(pay, csum);

		frame_make(&f, pay, 2, 2, 0);
		frame_udp(&f, &n, 0, &caps);
		flatten(&f, b);
		eq(get_be16(b + net_hdr_len(v4, 6)), 0xffff);
		eq(naive_l4(b + ETH_HLEN), 0xffff);

		frame_make(&f, room, sizeof(room), 2, 0);
		f.pay[0] = (struct iovec){ room, sizeof(room) };
		eq(frame_fragment(&f, &n, NULL, &dgram, 0, sizeof(room)), 2);
		flatten(&f, b);
		eq(get_be16(b + net_hdr_len(v4, v4 ? 6 : 14)), 0xffff);
	}
}

static void test_build_eth(void)
{
	uint8_t pay[60], b[100], want[14];
	struct frame f;

	test("build: Ethernet only");
	unhex("021122334455 9a5555555555 0806", want);
	memset(pay, 0x42, sizeof(pay));
	frame_make(&f, pay, sizeof(pay), 28, 28);
	frame_eth(&f, &guest_mac, &our_mac, ETH_P_ARP);
	eq(flatten(&f, b), 42);
	eq_mem(b, want, 14);
	eq_mem(b + 14, pay, 28);
	eq(f.hoff, HDR_L4 - ETH_HLEN);
	eq(f.npay, 1);
	ok(!f.off.partial && !f.off.gso && !f.csum_start);

	test("build: a payload that is not all there is cut, not read past its end");
	frame_make(&f, pay, 10, 28, 4);
	frame_eth(&f, &guest_mac, &our_mac, ETH_P_ARP);
	eq(flatten(&f, b), 24);
}

/* Sends @len bytes as fragments; puts them together again at @whole, which then starts with the UDP header */
static void check_fragments(bool v4, uint32_t mtu, const struct view *dgram, uint8_t *whole)
{
	static uint8_t room[FRAME_BUF], b[FRAME_BUF];
	struct net_hdr n = net_make(v4);
	size_t off = 0, at = 0;
	bool more;

	do {
		struct iovec iov = { .iov_base = b };
		struct raw raw = { .iov = &iov, .cnt = 1 };
		struct frame f;
		struct pkt p;
		size_t got;

		frame_make(&f, room, mtu, 12345, mtu);	/* length is the function's to set */
		got = frame_fragment(&f, &n, NULL, dgram, off, mtu);
		if (!ok(got > off || !dgram->len) || !ok(got <= dgram->len))
			return;
		off = got;
		raw.len = iov.iov_len = flatten(&f, b);
		ok(raw.len <= ETH_HLEN + mtu);
		if (v4)
			eq(naive_ip4(b + ETH_HLEN), 0xffff);
		else
			eq(get_be16(b + ETH_HLEN + 40), IPPROTO_UDP << 8);	/* and a reserved byte */
		ok(!f.off.partial && !f.off.gso);
		eq(f.hlen, net_hdr_len(v4, (v4 ? 0 : 8) + (at ? 0 : 8)));
		if (!eq(parse(&raw, &p), DROP_NONE))
			return;

		more = off < dgram->len;
		eq(p.proto, IPPROTO_UDP);
		ok(addr_eq(&p.src.a, &n.src.a) && addr_eq(&p.dst.a, &n.dst.a));
		ok(p.ttl == n.ttl && p.tos == n.tos);
		eq(p.fragment, more || at);
		if (p.fragment) {
			eq(p.frag.more, more);
			eq(p.frag.off, at);
			eq(p.frag.id, n.id);
			ok(raw.len + 8 > ETH_HLEN + mtu || !more);
		} else {		/* in one piece: IPv4 as always, IPv6 an atomic fragment */
			view_skip(&p.ip, v4 ? 20 : 48);
			p.data = p.ip;
		}
		if (!ok(at + p.data.len <= 8 + dgram->len))
			return;
		ok(view_copy(&p.data, 0, whole + at, p.data.len));
		at += p.data.len;
	} while (more);
	eq(at, 8 + dgram->len);
}

static void test_fragments(void)
{
	static const uint32_t mtu[] = { 68, 576, 1280, 1281, 1287, 1500, 9000, 65520 };
	static const size_t size[] = { 0, 1, 8, 100, 1232, 1233, 1472, 1473, 2000, 9000, 65507 };
	static uint8_t pay[FRAME_BUF], ip[FRAME_BUF];

	for (size_t i = 0; i < sizeof(pay); i++)
		pay[i] = (uint8_t)(i * 13 + (i >> 8));

	for (int i = 0; i < 2 * (int)ARRAY_SIZE(mtu); i++) {
		struct net_hdr n = net_make(i & 1);

		test("UDP-24 fragments over IPv%d, MTU %u", i & 1 ? 4 : 6, mtu[i / 2]);
		for (size_t j = 0; j < ARRAY_SIZE(size); j++) {
			size_t len = size[j], l4 = len + 8;
			struct iovec iov[3] = { { pay, 3 }, { pay + 3, len / 2 },
						{ pay + 3 + len / 2, FRAME_BUF - 3 - len / 2 } };
			struct view v = { iov, 3, 2, len };
			uint8_t *whole = ip + (i & 1 ? 20 : 40);

			memset(ip, 0, 40);
			check_fragments(i & 1, mtu[i / 2], &v, whole);
			eq(get_be16(whole), n.src.port);
			eq(get_be16(whole + 2), n.dst.port);
			eq(get_be16(whole + 4), l4);
			eq_mem(whole + 8, pay + 2, len);

			/* As if it had come in one piece */
			ip[0] = i & 1 ? 0x45 : 0x60;
			put_be16(ip + (i & 1 ? 2 : 4), (uint16_t)(i & 1 ? l4 + 20 : l4));
			ip[i & 1 ? 9 : 6] = IPPROTO_UDP;
			addr_to_bytes(&n.src.a, ip + (i & 1 ? 12 : 8));
			addr_to_bytes(&n.dst.a, ip + (i & 1 ? 16 : 24));
			eq(naive_l4(ip), 0xffff);
		}
	}
}

/* Super-packets: up to what IP's length fields can say */
static const struct { size_t len; uint16_t gso; enum drop want; } segs_row[] = {
	{ 0, 1, DROP_NONE }, { 1, 1, DROP_NONE }, { 2, 1, DROP_SEGMENTS }, { 64, 63, DROP_SEGMENTS },
	{ 64, 64, DROP_NONE },
	{ 65, 63, DROP_NONE }, { 126, 63, DROP_NONE }, { 128, 63, DROP_SEGMENTS }, { 128, 64, DROP_NONE },
	{ 8192, 64, DROP_NONE }, { 8193, 64, DROP_SEGMENTS }, { 65000, 1, DROP_SEGMENTS }, { 64000, 500, DROP_NONE },
	{ 64001, 500, DROP_SEGMENTS }, { 65000, 507, DROP_SEGMENTS }, { 65000, 508, DROP_NONE }, { 100, 0, DROP_NONE },
	{ 100, 65535, DROP_NONE }, { 1000, 1460, DROP_NONE },
};

static void test_super(void)
{
	static uint8_t pay[FRAME_BUF], b[FRAME_BUF];
	struct caps caps = { .csum = true };

	test("super-packets: segments that are too many, or too small for their number, are dropped");
	for (size_t i = 0; i < 4 * ARRAY_SIZE(segs_row); i++) {
		struct net_hdr n = net_make(i & 1);
		size_t len = segs_row[i / 4].len;
		struct iovec iov = { .iov_base = b };
		struct raw raw = { .iov = &iov, .cnt = 1 };
		struct tcp_seg s = { .flags = TCP_ACK, .wscale = TCP_WSCALE_NONE };
		struct frame f;
		struct pkt p;

		frame_make(&f, pay, sizeof(pay), len, len / 2);
		if (i & 2)
			frame_tcp(&f, &n, &s, 0, &caps);
		else
			frame_udp(&f, &n, 0, &caps);
		raw.len = iov.iov_len = flatten(&f, b);
		raw.off.gso = segs_row[i / 4].gso;
		eq(pkt_parse(&raw, &p), segs_row[i / 4].want);
	}

	test("super-packet of 65535 bytes of IP, one byte less in the frame is an error");
	for (int v4 = 0; v4 < 2; v4++) {
		size_t len = v4 ? 65535 - 40 : 65535 - 20;
		struct tcp_seg s = { .flags = TCP_ACK, .wscale = TCP_WSCALE_NONE };
		struct net_hdr n = net_make(v4);
		struct iovec iov = { .iov_base = b };
		struct raw raw = { .iov = &iov, .cnt = 1 };
		struct frame f;
		struct pkt p;

		frame_make(&f, pay, sizeof(pay), len, 100);
		frame_tcp(&f, &n, &s, 1448, &caps);
		eq(f.off.gso, 1448);
		raw.len = iov.iov_len = flatten(&f, b);
		raw.off = f.off;
		eq(parse(&raw, &p), DROP_NONE);
		eq(p.data.len, len);
		eq(p.off.gso, 1448);
		raw.off.gso = (uint16_t)len;
		eq(parse(&raw, &p), DROP_NONE);
		eq(p.off.gso, 0);
		raw.len--;
		eq(parse(&raw, &p), DROP_IP_HEADER);
	}
}

/* The header of a packet of @len payload bytes over TCP; without payload in the frame's buffers, and cut to what is
 * there if @cut
 */
static const uint8_t *super_header(struct frame *f, bool v4, size_t len, bool cut)
{
	struct tcp_seg s = { .seq = 1, .ack = 2, .win = 3, .flags = TCP_ACK, .wscale = TCP_WSCALE_NONE };
	const struct caps caps = { .csum = true };
	struct net_hdr n = net_make(v4);
	static uint8_t pay[262144];

	frame_make(f, pay, len, cut ? sizeof(pay) : len, len / 3);
	frame_tcp(f, &n, &s, 1400, &caps);
	eq(f->len, len);
	eq(f->off.gso, 1400);
	ok(f->off.partial);
	eq(f->csum_off, 16);
	return f->hdr + f->hoff;
}

/* Above what IP's length fields can say: none in IPv4, and a jumbogram in IPv6 (RFC 2675 2) */
static void test_jumbo(void)
{
	static const size_t row[] = { 1401, 65535 - 40, 65536 - 40, 65535 - 20, 65536 - 20, 65536, 131072,
				      262144 - 14 - 40 };

	for (size_t i = 0; i < 4 * ARRAY_SIZE(row); i++) {
		bool v4 = i & 1, cut = i & 2;
		size_t len = row[i / 4], l4 = 20 + len,
		       ip_len = l4 + (v4 ? 20 : 0); /* what its length field is about */
		unsigned hdr = v4 ? 20 : ip_len > 65535 ? 48 : 40;
		struct net_hdr n = net_make(v4);
		const uint8_t *h, *ip, *tcp;
		struct frame f;
		uint32_t sum;

		test("super-packet over IPv%u of %zu bytes%s", v4 ? 4 : 6, len,
		     cut ? ", more was said than is there" : "");
		h = super_header(&f, v4, len, cut);
		ip = h + ETH_HLEN;
		tcp = ip + hdr;
		ok(tcp == f.hdr + HDR_L4);
		ok(f.hoff >= 12);				/* room for the link's own header */
		eq(f.hlen, ETH_HLEN + hdr + 20);
		eq(f.csum_start, ETH_HLEN + hdr);
		eq(f.proto, IPPROTO_TCP);
		eq(get_be16(h + 12), v4 ? ETH_P_IP : ETH_P_IPV6);
		eq_mem(h, guest_mac.b, ETH_ALEN);
		if (v4) {
			eq(get_be16(ip + 2), ip_len > 65535 ? 0 : ip_len);
			eq(naive_ip4(ip), 0xffff);
			eq(ip[9], IPPROTO_TCP);
		} else {
			eq(get_be16(ip + 4), ip_len > 65535 ? 0 : ip_len);
			eq(ip[6], ip_len > 65535 ? IPPROTO_HOPOPTS : IPPROTO_TCP);
			ok(!memcmp(ip + 8, &n.src.a, 16) && !memcmp(ip + 24, &n.dst.a, 16));
		}
		if (hdr == 48) {
			eq_mem(ip + 40, ((uint8_t[]){ IPPROTO_TCP, 0, 0xc2, 4 }), 4);
			eq(get_be32(ip + 44), 8 + l4);
		}
		eq(get_be16(tcp), n.src.port);
		/* The pseudo-header has 32 bits for the length (RFC 8200 8.1), IPv4's by Linux' way */
		sum = naive_sum(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32, 0) + IPPROTO_TCP + (uint32_t)(l4 >> 16) +
		      (l4 & 0xffff);
		sum = (sum & 0xffff) + (sum >> 16);
		eq(get_be16(tcp + 16), (sum & 0xffff) + (sum >> 16));
	}
}

/* One of each, over IPv4 and IPv6, into @b */
static size_t checked_frame(uint8_t proto, bool v4, size_t len, uint8_t *b)
{
	struct tcp_seg s = { .seq = 1, .ack = 2, .win = 3, .flags = TCP_ACK, .wscale = TCP_WSCALE_NONE };
	struct icmp_hdr h = { .type = 8, .id = 1, .seq = 2 };
	static const struct caps none;
	struct net_hdr n = net_make(v4);
	static uint8_t pay[64];
	struct frame f;

	for (size_t i = 0; i < sizeof(pay); i++)
		pay[i] = (uint8_t)(i * 7 + 3);
	frame_make(&f, pay, sizeof(pay), len, len / 2);
	if (proto == IPPROTO_TCP)
		frame_tcp(&f, &n, &s, 1000, &none);
	else if (proto == IPPROTO_UDP)
		frame_udp(&f, &n, 0, &none);
	else
		frame_icmp(&f, &n, &h);
	return flatten(&f, b);
}

/* What a link says is complete is verified, each bit of it, wherever the buffers are cut; and nothing of other links */
static void test_l4_csum(void)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	uint8_t b[FRAME_BUF];
	struct pkt p;

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(protos); i++) {
		bool v4 = i & 1;
		uint8_t proto = protos[i / 2];
		size_t l4 = net_hdr_len(v4, 0);

		test("VM-04 transport checksum verified: %s over IPv%d",
		     proto == IPPROTO_TCP ? "TCP" :
		     proto == IPPROTO_UDP ? "UDP" :
					    "ICMP",
		     v4 ? 4 : 6);
		for (size_t len = 0; len < 40; len += 13) {
			size_t all = checked_frame(proto, v4, len, b);

			for (size_t at = l4 - 1; at < all; at++) {
				struct iovec iov[2] = { { b, at }, { b + at, all - at } };
				struct raw raw = { .iov = iov, .cnt = 2, .len = all, .off = { .full = true } };

				eq(parse(&raw, &p), DROP_NONE);
				if (at < l4)
					continue;
				b[at] ^= (uint8_t)(1 << at % 8);
				ok(parse(&raw, &p) != DROP_NONE);
				raw.off.full = false;
				ok(parse(&raw, &p) != DROP_L4_CSUM);
				b[at] ^= (uint8_t)(1 << at % 8);
			}
		}
	}

	for (unsigned v4 = 0; v4 < 2; v4++) {
		size_t all = checked_frame(IPPROTO_UDP, v4, 5, b);
		struct iovec iov = { b, all };
		struct raw raw = { .iov = &iov, .cnt = 1, .len = all, .off = { .full = true } };

		test(v4 ? "RFC 768: no UDP checksum over IPv4" : "RFC 8200 8.1: a UDP checksum is no option over IPv6");
		memset(b + net_hdr_len(v4, 6), 0, 2);
		eq(parse(&raw, &p), v4 ? DROP_NONE : DROP_L4_CSUM);
	}
}

static void test_room(void)
{
	static uint8_t mem[64];
	struct frame a = { .npay = 2, .pay = { { mem, 3 }, { mem + 8, 4 } } };
	struct frame b = { .npay = 3, .pay = { { mem + 16, 1 }, { mem + 24, 1 }, { mem + 32, 1 } } };
	struct frame *f[] = { &a, &b };
	struct iovec iov[5];
	unsigned n = 2;
	size_t len;

	test("room of frames as one list, of whole frames only");
	eq(frame_room(&a), 7);
	eq(frames_room(f, &n, iov, 5, &len), 5);
	eq(n, 2);
	eq(len, 10);
	ok(iov[1].iov_base == mem + 8 && iov[4].iov_base == mem + 32);
	eq(frames_room(f, &n, iov, 4, &len), 2);
	eq(n, 1);
	eq(len, 7);
}

int main(void)
{
	test_room();
	test_views();
	test_l4_csum();
	test_good();
	test_bad();
	test_truncated();
	test_quote();
	test_padded();
	test_single_fetch();
	test_short_buffers();
	test_tcp_options();
	test_fields();
	test_builders();
	test_build_syn();
	test_build_icmp();
	test_build_udp_zero();
	test_build_eth();
	test_fragments();
	test_super();
	test_jumbo();
	return done();
}
