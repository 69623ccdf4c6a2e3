/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frag_test.c - reassembly of fragments from the guest (UDP-24, SEC-02) */

#include "../../frag.c"
#include "../t.h"

#define DGRAM_MAX	65535

static uint8_t payload[DGRAM_MAX + 8];

/* RFC 1071 as it is written, nothing shared with checksum.c */
static uint32_t naive_sum(const uint8_t *b, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static struct addr address(const char *s)
{
	struct addr a;

	if (!addr_parse(s, strlen(s), &a))
		abort();
	return a;
}

static void reset(void)
{
	memset(&frags_pool, 0, sizeof(frags_pool));
}

/* One fragment as the parser leaves it; its payload is the piece of payload[] it stands for */
struct piece {
	struct pkt	p;
	struct iovec	iov;
};

static void piece_make(struct piece *f, bool v4, uint8_t proto, uint32_t id, uint32_t off, size_t len, bool more)
{
	uint8_t *b = malloc(len + !len);

	if (!b)
		abort();
	memcpy(b, payload + MIN(off, sizeof(payload) - len), len);
	f->iov = (struct iovec){ b, len };
	f->p = (struct pkt){
		.ethertype = v4 ? ETH_P_IP : ETH_P_IPV6, .fragment = true, .proto = proto, .ttl = 60, .tos = 0xb8,
		.smac = { { 2, 1, 2, 3, 4, 5 } }, .dmac = { { 2, 9, 8, 7, 6, 5 } },
		.src.a = address(v4 ? "10.0.2.15" : "2001:db8::15"),
		.dst.a = address(v4 ? "192.0.2.1" : "2001:db8:1::1"),
		.frag = { .id = id, .off = off, .more = more }, .data = { &f->iov, 1, 0, len },
	};
}

/* What frag_add() said; the piece is gone afterwards, as the frame it came in would be */
static enum drop add(struct piece *f, uint64_t now, struct raw *out, bool *whole)
{
	enum drop rc = frag_add(frags_pool, &f->p, now, out, whole);

	free(f->iov.iov_base);
	ok(rc == DROP_NONE || (rc == DROP_FRAGMENT && !*whole));
	return rc;
}

/* Headers and payload of what came out */
static void check_whole(const struct raw *raw, bool v4, uint8_t proto, uint32_t id, size_t len)
{
	const uint8_t *b = raw->iov->iov_base, *ip = b + ETH_HLEN;
	uint8_t eth[14] = { 2, 9, 8, 7, 6, 5, 2, 1, 2, 3, 4, 5, v4 ? 8 : 0x86, v4 ? 0 : 0xdd };
	struct piece want;

	piece_make(&want, v4, proto, id, 0, 0, false);
	free(want.iov.iov_base);
	ok(raw->cnt == 1 && raw->iov->iov_len == raw->len && !raw->off.gso && !raw->off.partial);
	eq(raw->len, 14 + (v4 ? 20 : 40) + len);
	eq_mem(b, eth, 14);
	if (v4) {
		eq(ip[0], 0x45);
		eq(ip[1], 0xb8);
		eq(get_be16(ip + 2), 20 + len);
		eq(get_be16(ip + 4), id & 0xffff);
		eq(get_be16(ip + 6), 0);
		eq(ip[8], 60);
		eq(ip[9], proto);
		eq(naive_sum(ip, 20, 0), 0xffff);
		eq_mem(ip + 12, want.p.src.a.b + 12, 4);
		eq_mem(ip + 16, want.p.dst.a.b + 12, 4);
	} else {
		eq(get_be32(ip), 0x6b800000);
		eq(get_be16(ip + 4), len);
		eq(ip[6], proto);
		eq(ip[7], 60);
		eq_mem(ip + 8, want.p.src.a.b, 16);
		eq_mem(ip + 24, want.p.dst.a.b, 16);
	}
	eq_mem(ip + (v4 ? 20 : 40), payload, len);
}

/* A fragment, and what is to become of it: refused, or the last one that was missing */
enum { MORE = 1, REFUSED = 2, WHOLE = 4 };

struct step {
	uint32_t	off, len;
	unsigned	flags;
};

static const struct {
	const char	*name;
	struct step	step[6];	/* up to the first without length */
} row[] = {
	{ "two", { { 0, 16, MORE }, { 16, 5, WHOLE } } },
	{ "two, last first", { { 16, 5, 0 }, { 0, 16, MORE | WHOLE } } },
	{ "three, middle last", { { 0, 16, MORE }, { 24, 1, 0 }, { 16, 8, MORE | WHOLE } } },
	{ "two datagrams with one identification, one after the other",
	  { { 0, 16, MORE }, { 16, 5, WHOLE }, { 0, 24, MORE }, { 24, 8, WHOLE } } },
	{ "SEC-02 overlap by 8 bytes; the rest is refused too",
	  { { 0, 16, MORE }, { 8, 16, MORE | REFUSED }, { 24, 8, REFUSED }, { 0, 24, MORE | REFUSED } } },
	{ "SEC-02 overlap by the second half of the one before",
	  { { 8, 16, MORE }, { 0, 16, MORE | REFUSED }, { 24, 8, REFUSED } } },
	{ "SEC-02 the same twice", { { 0, 16, MORE }, { 0, 16, MORE | REFUSED }, { 16, 5, REFUSED } } },
	{ "SEC-02 one inside another", { { 0, 32, MORE }, { 8, 8, MORE | REFUSED }, { 32, 5, REFUSED } } },
	{ "SEC-02 one around another", { { 8, 8, MORE }, { 0, 32, MORE | REFUSED }, { 32, 5, REFUSED } } },
	{ "SEC-02 two last ones, the same", { { 16, 5, 0 }, { 16, 5, REFUSED }, { 0, 16, MORE | REFUSED } } },
	{ "SEC-02 two last ones, the second farther out",
	  { { 16, 8, 0 }, { 24, 8, REFUSED }, { 0, 16, MORE | REFUSED } } },
	{ "SEC-02 two last ones, the second nearer",
	  { { 24, 8, 0 }, { 16, 8, REFUSED }, { 0, 16, MORE | REFUSED } } },
	{ "SEC-02 beyond the last one", { { 16, 5, 0 }, { 24, 8, MORE | REFUSED }, { 0, 16, MORE | REFUSED } } },
	{ "SEC-02 across the end of the last one",
	  { { 16, 16, 0 }, { 0, 40, MORE | REFUSED }, { 0, 16, MORE | REFUSED } } },
	{ "SEC-02 last one in front of what is there",
	  { { 32, 8, MORE }, { 16, 8, REFUSED }, { 0, 16, MORE | REFUSED } } },
	{ "SEC-02 last one in front of what is there, not only of what came just before",
	  { { 32, 8, MORE }, { 0, 8, MORE }, { 16, 8, REFUSED } } },
	{ "a short one after a long one, last first",
	  { { 0, 16, MORE }, { 16, 5, WHOLE }, { 8, 5, 0 }, { 0, 8, MORE | WHOLE } } },
	{ "not last, and not a multiple of 8: ignored", { { 0, 15, MORE | REFUSED }, { 0, 16, MORE },
	  { 16, 9, MORE | REFUSED }, { 16, 8, WHOLE } } },
	{ "SEC-02 tiny first fragment: ignored", { { 0, 7, REFUSED }, { 8, 8, 0 }, { 0, 8, MORE | WHOLE } } },
	{ "one byte short of complete, then complete",
	  { { 0, 8, MORE }, { 16, 9, 0 }, { 8, 8, MORE | WHOLE } } },
};

static void test_steps(void)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(row); i++) {
		const struct step *s = row[i / 2].step;
		bool v4 = i & 1;
		size_t end = 0;

		reset();
		test("IPv%d: %s", v4 ? 4 : 6, row[i / 2].name);
		for (; s < row[i / 2].step + ARRAY_SIZE(row[0].step) && s->len; s++) {
			struct piece f;
			struct raw out;
			bool whole = true;

			piece_make(&f, v4, IPPROTO_UDP, 77, s->off, s->len, s->flags & MORE);
			eq(add(&f, 1000, &out, &whole), s->flags & REFUSED ? DROP_FRAGMENT : DROP_NONE);
			eq(whole, !!(s->flags & WHOLE));
			if (!(s->flags & REFUSED))
				end = MAX(end, s->off + s->len);
			if (whole) {
				check_whole(&out, v4, IPPROTO_UDP, 77, end);
				end = 0;
			}
		}
	}
}

/* Fragments that are refused whatever is there: nothing is kept of them */
static void test_insane(void)
{
	static const struct { const char *name; uint32_t off, len; bool more; uint8_t proto; int ver; } bad[] = {
		{ "no data", 0, 0, true, IPPROTO_UDP, 0 },
		{ "no data, last", 8, 0, false, IPPROTO_UDP, 0 },
		{ "7 bytes, not last", 8, 7, true, IPPROTO_UDP, 0 },
		{ "beyond 65535 bytes", 65528, 8, false, IPPROTO_UDP, 0 },
		{ "beyond 65535 bytes with header", 65512, 4, false, IPPROTO_UDP, 4 },
		{ "SEC-02 UDP header cut", 0, 7, false, IPPROTO_UDP, 0 },
		{ "SEC-02 TCP header cut", 0, 16, true, IPPROTO_TCP, 0 },
		{ "SEC-02 second piece inside the TCP header", 8, 16, true, IPPROTO_TCP, 0 },
		{ "SEC-02 third piece inside the TCP header", 16, 16, true, IPPROTO_TCP, 0 },
		{ "SEC-02 fragment header in a fragment", 0, 16, true, IPPROTO_FRAGMENT, 6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test("refused: %s", bad[i].name);
		for (int v4 = 0; v4 < 2; v4++) {
			struct piece f;
			struct raw out;
			bool whole;

			if (bad[i].ver && bad[i].ver != (v4 ? 4 : 6))
				continue;
			reset();
			piece_make(&f, v4, bad[i].proto, 1, bad[i].off, bad[i].len, bad[i].more);
			eq(add(&f, 0, &out, &whole), DROP_FRAGMENT);
			for (unsigned j = 0; j < FRAG_MAX; j++)
				eq(frags_pool[0].d[j].state, DGRAM_FREE);
		}
	}
}

/* Two pieces that would make a datagram if they belonged together */
static void test_keys(void)
{
	static const struct { const char *name; bool v4, same; } keys[] = {
		{ "same in everything, IPv4", true, true }, { "same in everything, IPv6", false, true },
		{ "other source, IPv4", true, false }, { "other source, IPv6", false, false },
		{ "other destination, IPv4", true, false }, { "other destination, IPv6", false, false },
		{ "other identification, IPv4", true, false }, { "other identification, IPv6", false, false },
		{ "other protocol, IPv4 (RFC 791 3.2)", true, false },
		{ "other next header, IPv6 (RFC 8200 4.5)", false, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct piece a, b;
		struct raw out;
		bool whole;

		test("one datagram or two: %s", keys[i].name);
		for (int first = 0; first < 2; first++) {
			reset();
			piece_make(&a, keys[i].v4, IPPROTO_UDP, 9, first ? 0 : 8, 8, first);
			piece_make(&b, keys[i].v4, IPPROTO_UDP, 9, first ? 8 : 0, 8, !first);
			switch (i / 2) {
			case 1: b.p.src.a.b[15] ^= 0x80; break;
			case 2: b.p.dst.a.b[15] ^= 0x80; break;
			case 3: b.p.frag.id ^= 0x8000; break;
			case 4: (first ? &b : &a)->p.proto = IPPROTO_TCP + 100; break;
			}
			eq(add(&a, 0, &out, &whole), DROP_NONE);
			ok(!whole);
			eq(add(&b, 0, &out, &whole), DROP_NONE);
			eq(whole, keys[i].same);
			if (whole)	/* RFC 8200 4.5: the next header is that of the first fragment */
				check_whole(&out, keys[i].v4, IPPROTO_UDP, 9, 16);
		}
	}
}

/* Headers come from the fragment at offset 0, whichever arrives first */
static void test_first_headers(void)
{
	test("time to live and type of service are those of the first fragment");
	for (int i = 0; i < 4; i++) {
		bool v4 = i & 1, whole;
		struct piece f;
		struct raw out;

		reset();
		for (int j = 0; j < 2; j++) {
			bool head = j == (i & 2) / 2;

			piece_make(&f, v4, IPPROTO_UDP, 5, head ? 0 : 8, 8, head);
			if (!head)
				f.p.ttl = f.p.tos = f.p.smac.b[5] = f.p.dmac.b[5] = 1;
			add(&f, 0, &out, &whole);
		}
		if (ok(whole))
			check_whole(&out, v4, IPPROTO_UDP, 5, 16);
	}
}

static void test_timeout(void)
{
	static const struct { uint64_t wait; bool whole; } wait_row[] = {
		{ 0, true }, { FRAG_TIMEOUT - 1, true }, { FRAG_TIMEOUT, false }, { 10 * FRAG_TIMEOUT, false },
	};
	struct piece f;
	struct raw out;
	bool whole;

	test("a datagram that takes %d ms is given up", FRAG_TIMEOUT);
	for (size_t i = 0; i < ARRAY_SIZE(wait_row); i++) {
		reset();
		piece_make(&f, true, IPPROTO_UDP, 1, 0, 8, true);
		add(&f, 5000, &out, &whole);
		piece_make(&f, true, IPPROTO_UDP, 1, 8, 8, false);
		eq(add(&f, 5000 + wait_row[i].wait, &out, &whole), DROP_NONE);
		eq(whole, wait_row[i].whole);
	}

	test("SEC-02 an overlap is forgotten after that time, too");
	reset();
	for (int i = 0; i < 2; i++) {
		piece_make(&f, true, IPPROTO_UDP, 1, 0, 8, true);
		eq(add(&f, 5000, &out, &whole), i ? DROP_FRAGMENT : DROP_NONE);
	}
	piece_make(&f, true, IPPROTO_UDP, 1, 0, 8, true);
	eq(add(&f, 5000 + FRAG_TIMEOUT - 1, &out, &whole), DROP_FRAGMENT);
	piece_make(&f, true, IPPROTO_UDP, 1, 0, 8, true);
	eq(add(&f, 5000 + FRAG_TIMEOUT, &out, &whole), DROP_NONE);
	piece_make(&f, true, IPPROTO_UDP, 1, 8, 8, false);
	eq(add(&f, 5000 + FRAG_TIMEOUT, &out, &whole), DROP_NONE);
	if (ok(whole))
		check_whole(&out, true, IPPROTO_UDP, 1, 16);
}

static void test_pool(void)
{
	enum { EXTRA = 3 };
	struct piece f;
	struct raw out;
	bool whole;

	test("SEC-02 the pool is bounded: %d datagrams, the oldest give way", FRAG_MAX);
	reset();
	for (uint32_t id = 0; id < FRAG_MAX + EXTRA; id++) {
		piece_make(&f, id & 1, IPPROTO_UDP, id, 0, 8, true);
		eq(add(&f, 0, &out, &whole), DROP_NONE);
	}
	for (uint32_t id = FRAG_MAX + EXTRA; id-- > EXTRA; ) {
		piece_make(&f, id & 1, IPPROTO_UDP, id, 8, 8, false);
		eq(add(&f, 0, &out, &whole), DROP_NONE);
		if (ok(whole))
			check_whole(&out, id & 1, IPPROTO_UDP, id, 16);
	}
	for (uint32_t id = 0; id < EXTRA; id++) {
		piece_make(&f, id & 1, IPPROTO_UDP, id, 8, 8, false);
		eq(add(&f, 0, &out, &whole), DROP_NONE);
		ok(!whole);
	}

	test("a place that became free is taken before the oldest gives way");
	reset();
	for (uint32_t id = 0; id < FRAG_MAX; id++) {
		piece_make(&f, true, IPPROTO_UDP, id, 0, 8, true);
		add(&f, 0, &out, &whole);
	}
	piece_make(&f, true, IPPROTO_UDP, 7, 8, 8, false);
	add(&f, 0, &out, &whole);
	ok(whole);
	piece_make(&f, true, IPPROTO_UDP, 100, 0, 8, true);
	add(&f, 0, &out, &whole);
	piece_make(&f, true, IPPROTO_UDP, 0, 8, 8, false);
	eq(add(&f, 0, &out, &whole), DROP_NONE);
	ok(whole);
}

/* The smallest fragments of the largest datagram; 12289 has no factor in common with their number */
static void test_largest(void)
{
	for (int v4 = 0; v4 < 2; v4++) {
		uint32_t size = v4 ? 65515 : 65535, units = DIV_ROUND_UP(size, 8);
		bool whole = false;
		struct raw out;

		test("IPv%d: largest datagram, 8 bytes at a time", v4 ? 4 : 6);
		reset();
		for (uint32_t i = 0, u = 5; i < units; i++, u = (u + 12289) % units) {
			struct piece f;
			uint32_t len = MIN(8, size - u * 8);

			ok(!whole);
			piece_make(&f, v4, IPPROTO_UDP, 3, u * 8, len, u < units - 1);
			eq(add(&f, 0, &out, &whole), DROP_NONE);
		}
		if (ok(whole))
			check_whole(&out, v4, IPPROTO_UDP, 3, size);
	}
}

/* A fragment header behind destination options is only seen once the datagram is together */
static void test_nested(void)
{
	static const uint8_t inside[32] = {
		44, 0, 1, 4, 0, 0, 0, 0,		/* destination options, next: fragment */
		17, 0, 0, 1, 0, 0, 0, 42,		/* fragment: offset 0, more; next: UDP */
		0x9c, 0x40, 0, 53, 0, 100, 0, 0,	/* UDP */
	};
	struct raw out, again;
	struct piece f;
	struct pkt p;
	bool whole;

	test("SEC-02 a fragment inside a datagram put together is refused");
	reset();
	for (int i = 0; i < 2; i++) {
		piece_make(&f, false, IPPROTO_DSTOPTS, 6, i ? 16 : 0, 16, !i);
		memcpy(f.iov.iov_base, inside + (i ? 16 : 0), 16);
		add(&f, 0, &out, &whole);
	}
	ok(whole);
	eq(pkt_parse(&out, &p), DROP_NONE);
	ok(p.fragment);
	eq(frag_add(frags_pool, &p, 0, &again, &whole), DROP_FRAGMENT);
	ok(!whole);
}

/* Sends @len bytes in fragments as the guest's kernel would, hands them over in some order, reads what comes out */
static void round_trip(bool v4, uint32_t mtu, size_t len, int order)
{
	static uint8_t frame[1100][1600], room[1600];
	struct net_hdr n = { .src = { address(v4 ? "10.0.2.15" : "2001:db8::15"), 40000 }, .ttl = 64, .id = 0x4242,
			     .dst = { address(v4 ? "192.0.2.1" : "2001:db8:1::1"), 53 } };
	struct iovec iov = { payload, sizeof(payload) }, part[1 + FRAME_IOV];
	struct view dgram = { &iov, 1, 0, len }, got;
	struct raw raw = { .iov = &iov, .cnt = 1 }, out;
	size_t size[1100], cnt = 0, off = 0;
	static uint8_t back[DGRAM_MAX + 40];
	bool whole = false;
	uint32_t sum;
	struct pkt p;

	do {
		struct frame f = { .pay = { { room, mtu } }, .npay = 1 };

		off = frame_fragment(&f, &n, NULL, &dgram, off, mtu);
		got = (struct view){ part, frame_iov(&f, part), 0, f.hlen + f.len };
		size[cnt] = got.len;
		ok(view_copy(&got, 0, frame[cnt++], got.len));
	} while (off < len && cnt < ARRAY_SIZE(size));

	for (size_t i = 0; i < cnt; i++) {
		/* 1103 is prime, and divides none of the counts: every one gets its turn */
		size_t j = order == 0 ? i : order == 1 ? cnt - 1 - i : (i * 1103 + 7) % cnt;


		iov = (struct iovec){ frame[j], size[j] };
		raw.len = size[j];
		ok(!whole);
		if (!eq(pkt_parse(&raw, &p), DROP_NONE) || !ok(p.fragment))
			return;
		eq(frag_add(frags_pool, &p, 0, &out, &whole), DROP_NONE);
	}
	if (!ok(whole) || !eq(pkt_parse(&out, &p), DROP_NONE))
		return;
	ok(end_eq(&p.src, &n.src) && end_eq(&p.dst, &n.dst) && !p.fragment && p.proto == IPPROTO_UDP);
	eq(p.data.len, len);
	ok(view_copy(&p.data, 0, back, len));
	eq_mem(back, payload, len);

	/* RFC 768, over what came out: pseudo-header, UDP header, data */
	view_skip(&p.ip, v4 ? 12 : 8);
	ok(view_copy(&p.ip, 0, back, p.ip.len));
	sum = naive_sum(back, p.ip.len, IPPROTO_UDP + (uint32_t)len + 8);
	eq(sum, 0xffff);
}

static void test_round_trip(void)
{
	static const uint32_t mtu[] = { 576, 1280, 1500 };
	static const size_t size[] = { 1473, 1477, 2952, 10001, 20000, 65507 };

	for (int i = 0; i < 2 * (int)ARRAY_SIZE(mtu); i++) {
		if (!(i & 1) && mtu[i / 2] < 1280)
			continue;
		test("UDP-24 IPv%d, MTU %u: fragmented, put together, read", i & 1 ? 4 : 6, mtu[i / 2]);
		reset();
		for (size_t j = 0; j < 3 * ARRAY_SIZE(size); j++)
			round_trip(i & 1, mtu[i / 2], size[j / 3], j % 3);
	}
}

int main(void)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + (i >> 8) * 3);

	test_steps();
	test_insane();
	test_keys();
	test_first_headers();
	test_timeout();
	test_pool();
	test_largest();
	test_nested();
	test_round_trip();
	return done();
}
