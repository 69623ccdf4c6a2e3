/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp_seg_test.c - TCP arithmetic: tables, and every byte counted one by one around wrapping sequence numbers */
#include "../draw.h"
#include "../t.h"
#include "../../tcp_seg.c"

/* Where sequence numbers and their differences change sign */
static const uint32_t bases[] = { 0, 1000, 0x7ffffff0, 0x80000000, 0xffffffe8, 0xffffffff };

static void test_seq(void)
{
	test("sequence numbers compare around their wrap");
	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
		uint32_t a = bases[i];

		ok(!seq_lt(a, a) && seq_le(a, a) && seq_max(a, a) == a);
		ok(seq_lt(a, a + 1) && seq_le(a, a + 1) && !seq_lt(a + 1, a) && !seq_le(a + 1, a));
		ok(seq_lt(a, a + 0x7fffffff) && !seq_lt(a + 0x7fffffff, a));
		ok(seq_max(a, a + 5) == a + 5 && seq_max(a + 5, a) == a + 5);
	}
}

/* RFC 9293 3.10.7.4, its four cases; numbers relative to what is expected next */
static const struct {
	int32_t		seq;
	uint32_t	len, wnd;
	bool		good;
	const char	*name;
} acceptable[] = {
	{ 0,	0,	0,	true,	"empty, window shut, in order" },
	{ 1,	0,	0,	false,	"empty, window shut, ahead" },
	{ -1,	0,	0,	false,	"empty, window shut: keep-alive probe" },
	{ 0,	0,	10,	true,	"empty, in order" },
	{ 9,	0,	10,	true,	"empty, last byte of the window" },
	{ 10,	0,	10,	true,	"empty, behind a window that was filled" },
	{ 11,	0,	10,	false,	"empty, beyond" },
	{ -1,	0,	10,	false,	"empty, before: keep-alive probe" },
	{ 0,	1,	0,	false,	"data, window shut: window probe" },
	{ -1,	1,	0,	false,	"data, window shut, old" },
	{ 0,	10,	10,	true,	"data fills the window" },
	{ 0,	11,	10,	true,	"data, one byte too many" },
	{ 9,	1,	10,	true,	"data, last byte" },
	{ 10,	1,	10,	false,	"data, beyond" },
	{ -5,	5,	10,	false,	"data, all of it old" },
	{ -5,	6,	10,	true,	"data, its last byte new" },
	{ -1,	1,	10,	false,	"TCP-14 keep-alive probe with a byte" },
	{ -5,	30,	10,	true,	"data, more than the window at both ends" },
};

static void test_acceptable_table(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(acceptable); i++) {
		test("seg_acceptable: %s", acceptable[i].name);
		for (unsigned j = 0; j < ARRAY_SIZE(bases); j++)
			eq(seg_acceptable(bases[j] + (uint32_t)acceptable[i].seq, acceptable[i].len, bases[j],
					  bases[j] + acceptable[i].wnd), acceptable[i].good);
	}
}

/* Byte by byte: is @seq at or behind @nxt, and before @edge */
static bool in_window(int32_t byte, int32_t wnd)
{
	return byte >= 0 && byte < wnd;
}

static void check_bytes(uint32_t base, int32_t seq, int32_t len, int32_t wnd)
{
	int32_t old = 0, inside = 0, take = 0;
	uint32_t skip = 99, got;

	for (int32_t i = seq; i < seq + len; i++) {
		old += i < 0;
		inside += in_window(i, wnd);
		take += in_window(i, wnd) && seq <= 0;
	}
	if (len)
		eq(seg_acceptable(base + (uint32_t)seq, (uint32_t)len, base, base + (uint32_t)wnd), inside > 0);
	got = seg_trim(base + (uint32_t)seq, (uint32_t)len, base, base + (uint32_t)wnd, &skip);
	if (!eq(got, take) || (got && !eq(skip, old)))
		printf("#\tseq %i, len %i, window %i\n", seq, len, wnd);
	ok(skip <= (uint32_t)len);
}

static void test_bytes(void)
{
	test("seg_acceptable, seg_trim: byte by byte, every start, length and window around every wrap");
	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++)
		for (int32_t seq = -14; seq <= 14; seq++)
			for (int32_t len = 0; len <= 30; len++)
				for (int32_t wnd = 0; wnd <= 12; wnd++)
					check_bytes(bases[i], seq, len, wnd);

	test("seg_trim: nothing is taken behind a FIN, which is beyond the window that was said");
	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
		uint32_t skip;

		eq(seg_trim(bases[i], 10, bases[i] + 1, bases[i], &skip), 0);
		eq(seg_trim(bases[i] + 1, 10, bases[i] + 1, bases[i], &skip), 0);
	}
}

/* The window field, as whoever reads it does */
static uint32_t edge_of(uint32_t nxt, uint16_t win, uint8_t wscale)
{
	return nxt + ((uint32_t)win << wscale);
}

static const struct {
	uint32_t	want, open;	/* room, and what was advertised before */
	uint8_t		wscale;
	uint16_t	win;
	const char	*name;
} window[] = {
	{ 0,		0,	0,	0,	"shut" },
	{ 1000,		0,	0,	1000,	"opens" },
	{ 65535,	0,	0,	65535,	"largest without scale" },
	{ 65536,	0,	0,	65535,	"more than the field holds" },
	{ 0,		1000,	0,	1000,	"room is gone, what was said stands" },
	{ 500,		1000,	0,	1000,	"less room, what was said stands" },
	{ 255,		0,	8,	0,	"less than a unit is none" },
	{ 256,		0,	8,	1,	"one unit" },
	{ 511,		0,	8,	1,	"rounded down where nothing was said" },
	{ 0,		1,	8,	0,	"one byte that was said, no room behind it" },
	{ 1,		1,	8,	1,	"one byte that was said, and room: a unit" },
	{ 0,		256,	8,	1,	"a unit that was said" },
	{ 0,		257,	8,	1,	"a unit and a byte that were said, no room behind them" },
	{ 1,		257,	8,	2,	"a unit and a byte that were said, and room" },
	{ 1 << 24,	0,	8,	65535,	"16 MiB less 256" },
	{ 1 << 20,	100,	8,	4096,	"1 MiB" },
	{ UINT32_MAX,	0,	14,	65535,	"everything" },
};

static void test_window_table(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(window); i++) {
		test("seg_window: %s", window[i].name);
		for (unsigned j = 0; j < ARRAY_SIZE(bases); j++) {
			uint32_t nxt = bases[j], adv = nxt + window[i].open;

			eq(seg_window(nxt, window[i].want, window[i].wscale, &adv), window[i].win);
			eq(adv - nxt, MAX(window[i].open, edge_of(0, window[i].win, window[i].wscale)));
		}
	}
}

/* A connection's life: bytes come and room changes at random. What was advertised once is never taken back by a byte
 * where there is room, by less than a unit where there is none; and then the edge does not move on, either.
 */
static void window_life(uint8_t wscale)
{
	uint32_t nxt = bases[below(ARRAY_SIZE(bases))], adv = nxt, unit = 1U << wscale, most = 65535U << wscale;

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t want = below(4) ? below(below(2) ? 3 * unit : 2 * most) : 0, old = adv, edge;
		uint16_t win = seg_window(nxt, want, wscale, &adv);

		edge = edge_of(nxt, win, wscale);
		ok(seq_le(old, want ? edge : edge + unit - 1));	/* never back */
		ok(adv == seq_max(old, edge));		/* what was said once is kept */
		ok(want || adv == old);			/* and no more, without room */
		ok(seq_le(edge, seq_max(nxt + want, old + unit - 1)));	/* never more than there is room for */
		ok(win == UINT16_MAX || seq_lt(nxt + want, edge + unit) || !want);	/* nor less */
		edge = below(3);
		nxt += below(2) ? below(adv - nxt + 1) : MIN(adv - nxt, edge);
	}
}

static void test_window_random(void)
{
	for (uint8_t wscale = 0; wscale <= 14; wscale++) {
		test("seg_window: right edge never goes back by a byte, scale %u", wscale);
		seed = wscale;
		for (unsigned i = 0; i < 20; i++)
			window_life(wscale);
	}
}

static void test_window_syn(void)
{
	uint32_t adv = 1000;

	test("seg_window: after a SYN, whose window has no scale, nothing is taken back, either");
	eq(seg_window(1000, 65535, 0, &adv), 65535);
	eq(seg_window(1000, 1, 8, &adv), 256);
	eq(adv, 1000 + 65536);
	adv = 1000;
	eq(seg_window(1000, 65535, 0, &adv), 65535);
	eq(seg_window(1000 + 65535, 0, 8, &adv), 0);
	eq(adv, 1000 + 65535);
	adv = 71000;					/* more than the field can say again */
	eq(seg_window(1000, 0, 0, &adv), 65535);
	eq(adv, 71000);
	adv = 900;					/* never said anything of what comes now */
	eq(seg_window(1000, 0, 0, &adv), 0);
	eq(adv, 1000);
}

static void test_mss_table(void)
{
	static const struct {
		uint32_t	mtu;
		bool		v4;
		uint16_t	mss, theirs, to_guest;
	} mss[] = {
		{ 1500,		true,	1460,	0,	536 },	/* RFC 9293 3.7.1: not given */
		{ 1500,		false,	1440,	0,	1220 },
		{ 1500,		true,	1460,	1460,	1460 },
		{ 1500,		true,	1460,	9000,	1460 },
		{ 1500,		true,	1460,	1000,	1000 },
		{ 1500,		true,	1460,	1,	88 },
		{ 1500,		true,	1460,	88,	88 },
		{ 1280,		false,	1220,	0,	1220 },
		{ 576,		true,	536,	0,	536 },
		{ 500,		true,	460,	0,	460 },
		{ 68,		true,	28,	1460,	28 },
		{ 68,		true,	28,	1,	28 },
		{ 65520,	true,	65480,	65480,	65480 },	/* the default */
		{ 65520,	false,	65460,	65460,	65460 },
		{ 65535,	true,	65495,	65535,	65495 },
		{ 65535,	false,	65475,	65535,	65475 },
		{ 0,		true,	65495,	65535,	65495 },	/* left to the guest */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(mss); i++) {
		test("MSS of MTU %u, IPv%u; to a guest that says %u", mss[i].mtu, mss[i].v4 ? 4 : 6, mss[i].theirs);
		eq(seg_mss(mss[i].mtu, mss[i].v4), mss[i].mss);
		eq(seg_mss_to_guest(mss[i].theirs, mss[i].mtu, mss[i].v4), mss[i].to_guest);
	}
}

static uint8_t payload[262144];

/* Length of the IP packet a frame of @len bytes comes to, as its header says; 0 if header and frame don't agree. What
 * is above 65535 is said in an option of IPv6's, and nowhere in IPv4.
 */
static uint32_t built_ip_len(uint32_t len, uint16_t mss, const struct caps *c, bool v4)
{
	struct net_hdr n = { .src = { v4 ? addr_loopback4 : addr_loopback6, 1 }, .ttl = 64 };
	struct tcp_seg s = { .flags = TCP_ACK, .wscale = TCP_WSCALE_NONE };
	struct frame f = { .pay[0] = { payload, sizeof(payload) }, .npay = 1, .len = len };
	struct iovec iov[1 + FRAME_IOV];
	uint32_t said, real = 0;
	const uint8_t *ip;
	unsigned cnt;

	n.dst = n.src;
	frame_tcp(&f, &n, &s, mss, c);
	cnt = frame_iov(&f, iov);
	for (unsigned i = 0; i < cnt; i++)
		real += (uint32_t)iov[i].iov_len;
	ip = (const uint8_t *)iov[0].iov_base + ETH_HLEN;
	said = v4 ? get_be16(ip + 2) : 40U + get_be16(ip + 4);
	if (!v4 && said == 40)
		said += get_be32(ip + 44);
	else if (!said && real - ETH_HLEN > 65535)
		said = real - ETH_HLEN;
	return real - ETH_HLEN == said ? said : 0;
}

/* Headers of a packet that is not above @limit: a jumbogram's have 8 bytes more (RFC 2675 2) */
static uint32_t headers(bool v4, uint32_t limit)
{
	return v4 ? 40 : limit > 65535 ? 68 : 60;
}

/* What a guest with this MSS gets on a link with this MTU */
static void check_frame(const struct caps *c, uint16_t theirs, bool v4, bool far)
{
	uint32_t tso = v4 ? c->tso4 : c->tso6, limit = far ? MIN(tso, 65535U) : tso, hdr = headers(v4, limit);
	uint32_t mss = seg_mss_to_guest(theirs, c->mtu, v4), len;

	len = seg_frame(c, (uint16_t)mss, 0, v4, far);
	ok(mss && mss + headers(v4, 0) <= c->mtu);
	if (!limit) {
		eq(len, mss);
		return;
	}
	ok(len >= mss && len % mss == 0);
	ok(len + hdr <= limit);
	ok(len + mss + hdr > limit);			/* no segment more would fit */
	ok(len <= sizeof(payload));
}

static void test_frames(void)
{
	static const uint16_t theirs[] = { 0, 1, 88, 89, 536, 1460, 8960, 32767, 65460, 65480, 65535 };
	static const struct { uint32_t limit; const char *name; } kind[] = {
		{ 0, "single packets" }, { 65535, "super-packets" }, { 131072, "super-packets of 128 KiB" },
		{ 262130, "super-packets of 256 KiB with Ethernet" }, { 262144, "super-packets of 256 KiB" },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(kind); k++) {
		for (unsigned v4 = 0; v4 < 2; v4++) {
			uint32_t limit = kind[k].limit;

			test("TCP-07 no IPv%u packet above what the link takes, any MTU, %s", v4 ? 4 : 6, kind[k].name);
			for (uint32_t mtu = 68; mtu <= 65535; mtu += limit > 65535 && mtu % 1000 > 4 ? 7 : 1) {
				struct caps c = { .mtu = mtu, .csum = true, .tso4 = limit, .tso6 = limit };
				uint16_t mss = seg_mss_to_guest(65535, mtu, v4);
				uint32_t len = seg_frame(&c, mss, 0, v4, false);

				for (unsigned i = 0; i < 2 * ARRAY_SIZE(theirs); i++)
					check_frame(&c, theirs[i / 2], v4, i & 1);
				eq(built_ip_len(len, mss, &c, v4), len + headers(v4, limit));
				len = seg_frame(&c, mss, 0, v4, true);
				eq(built_ip_len(len, mss, &c, v4), len + headers(v4, 0));
			}
		}
	}

	test("offload of one family is not taken for the other's");
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso4 = 65535 }, 1460, 0, false, false), 1460);
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso6 = 65535 }, 1460, 0, true, false), 1460);
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso4 = 65535 }, 1460, 0, true, false), 44 * 1460);
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso6 = 65535 }, 1440, 0, false, false), 45 * 1440);
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso4 = 262144, .tso6 = 65535 }, 1460, 0, true, false), 179 * 1460);
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso4 = 262144, .tso6 = 65535 }, 1440, 0, false, false), 45 * 1440);
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso4 = 65535, .tso6 = 262144 }, 1440, 0, false, false), 181 * 1440);

	test("somebody who is routed for gets no more than an ordinary device takes");
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso4 = 262144 }, 1460, 0, true, true), 44 * 1460);
	eq(seg_frame(&(struct caps){ .mtu = 1500, .tso6 = 262144 }, 1440, 0, false, true), 45 * 1440);
	eq(seg_frame(&(struct caps){ .mtu = 1500 }, 1460, 0, true, true), 1460);
}

static void test_page_size(void)
{
	unsigned wrong = 0;

	test("TCP-37 sizes follow from the MTU alone: nothing is rounded to pages or words");
	for (uint32_t mtu = 200; mtu <= 65535; mtu++) {
		wrong += seg_mss(mtu, true) != mtu - 40 || seg_mss(mtu, false) != mtu - 60;
		wrong += seg_mss_to_guest(65535, mtu, true) != mtu - 40 ||
			 seg_mss_to_guest(65535, mtu, false) != mtu - 60;
	}
	eq(wrong, 0);
}

/* Leaves something on the stack, for whoever looks at what it never wrote */
__attribute__((noinline)) static void dirty_stack(int with)
{
	volatile uint8_t mem[2048];

	for (unsigned i = 0; i < sizeof(mem); i++)
		mem[i] = (uint8_t)with;
}

static void test_isn(void)
{
	const uint64_t key[2] = { 1, 2 }, other[2] = { 1, 3 };
	struct end a = { addr_loopback4, 1000 }, b = { addr_loopback6, 80 }, c = { addr_loopback4, 1001 };
	uint32_t isn, again, stamp, first;

	test("seg_isn: RFC 6528: the same for the same ends, but for a clock of 4 us");
	isn = seg_isn(key, &a, &b, 5, &first);
	for (int i = 0; i < 256; i++) {
		dirty_stack(i);
		again = seg_isn(key, &a, &b, 5, &stamp);
		eq(again, isn);
		eq(stamp, first);
	}
	eq(seg_isn(key, &a, &b, 6, &stamp) - isn, 250);
	eq(seg_isn(key, &a, &b, 5 + 4000000, &stamp) - isn, 1000000000);
	eq(stamp, first);
	ok(stamp != isn);
	eq(seg_isn(key, &a, &b, (1ULL << 40) + 5, &stamp), isn);	/* 250 * 2^40 is a multiple of 2^32 */

	test("seg_isn: other ends, ports, directions, keys: other numbers");
	ok(seg_isn(key, &b, &a, 5, &stamp) != isn && stamp != first);
	ok(seg_isn(key, &c, &b, 5, &stamp) != isn);
	ok(seg_isn(key, &a, &c, 5, &stamp) != isn);
	ok(seg_isn(other, &a, &b, 5, &stamp) != isn);
	b.a.b[0]++;
	ok(seg_isn(key, &a, &b, 5, &stamp) != isn);
	b.a.b[0]--;
	b.port++;
	ok(seg_isn(key, &a, &b, 5, &stamp) != isn);
	b = (struct end){ addr_loopback6, 80 };
	a.a.b[15]++;
	ok(seg_isn(key, &a, &b, 5, &stamp) != isn);
}

static void test_senders(void)
{
	static const struct {
		unsigned many, each, few, little, n;	/* @many flows send @each, in turn, and @few send @little */
	} row[] = {
		{ 1, 65536, 0, 0, 1 },
		{ 1, 1, 0, 0, 1 },
		{ 2, 65536, 0, 0, 2 },
		{ 4, 65536, 0, 0, 4 },
		{ 4, 262144, 0, 0, 4 },
		{ 4, 65536, 50, 1, 4 },			/* ping-pongs */
		{ 1, 65536, 100, 100, 1 },
		{ 2, 65536, 2, 32768, 3 },		/* 6^2 / (2 * 4 + 2) = 3.6 */
		{ 100, 1000, 0, 0, 100 },
		{ 1000, 100, 0, 0, 1000 },
	};
	static struct sender f[1000];
	struct senders s;

	test("seg_count: flows that send much, however many there are beside them");
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		unsigned k = row[i].many + row[i].few, got = 0;

		memset(f, 0, sizeof(f));
		s = (struct senders){ .round = UINT16_MAX - 1 };	/* wraps */
		for (unsigned turn = 0; s.round != 2; turn++) {
			for (unsigned j = 0; j < k && s.round != 2; j++)
				seg_count(&s, &f[j], j < row[i].many ? row[i].each : row[i].little);
			got = s.n;
		}
		ok(got == row[i].n || got + 1 == row[i].n);
		if (got != row[i].n && got + 1 != row[i].n)
			printf("# row %u: %u\n", i, got);
	}

	test("seg_count: one goes on when others have ended");
	memset(f, 0, sizeof(f));
	s = (struct senders){ 0 };
	for (unsigned i = 0; i < 64; i++)
		seg_count(&s, &f[i % 8], 65536);
	eq(s.n, 8);
	for (unsigned i = 0; i < 2 * ROUND / 65536; i++)
		seg_count(&s, &f[0], 65536);
	eq(s.n, 1);
	seg_count(&s, &f[0], 0);
	eq(s.n, 1);

	test("seg_count: true once a round is over, seg_compete: several guests, until one had 64 rounds alone");
	{
		struct senders g[2] = { { 0 } };
		struct rivals r = { 0 };

		memset(f, 0, sizeof(f));
		ok(!seg_count(&g[0], &f[0], ROUND - 1));
		ok(seg_count(&g[0], &f[0], 1));
		for (unsigned i = 0; i < 3; i++)
			seg_compete(&r, &g[0]);
		eq(r.rounds, 0);
		seg_compete(&r, &g[1]);
		ok(r.rounds);
		seg_compete(&r, &g[1]);
		seg_compete(&r, &g[0]);
		for (unsigned i = 0; i + 1 < RIVAL_ROUNDS; i++)
			seg_compete(&r, &g[0]);
		ok(r.rounds);
		seg_compete(&r, &g[0]);
		eq(r.rounds, 0);
	}

	test("seg_share: all of it for one, equal parts, and never less than two super-packets");
	s.n = 0;
	eq(seg_share(&s, 512 << 10), 512 << 10);
	s.n = 1;
	eq(seg_share(&s, 512 << 10), 512 << 10);
	s.n = 3;
	eq(seg_share(&s, 512 << 10), (512 << 10) / 3);
	s.n = 4;
	eq(seg_share(&s, 512 << 10), 128 << 10);
	s.n = 1000;
	eq(seg_share(&s, 512 << 10), 128 << 10);
}

/* ---- order of a batch */

static struct pkt sort_pkt[TAP_BATCH];

static void sort_put(unsigned i, uint32_t seq, uint32_t len, uint8_t flags)
{
	sort_pkt[i] = (struct pkt){
		.tcp = { .seq = seq, .flags = flags }, .data = { .len = len }, .next = (uint16_t)(i + 1),
	};
}

/* Chain of the first @n packets, sorted: the next one of each is where the slow reference, by selection, has it */
static bool sort_check(unsigned n, uint32_t nxt, bool opening, const uint8_t *want)
{
	uint16_t i;
	unsigned k = 0;

	sort_pkt[n - 1].next = PKT_NEXT_NONE;
	i = seg_sort(sort_pkt, 0, nxt, opening);
	for (; i != PKT_NEXT_NONE && k < n && i == want[k]; i = sort_pkt[i].next)
		k++;
	return k == n && i == PKT_NEXT_NONE;
}

static void test_sort(void)
{
	static uint8_t want[TAP_BATCH];

	test("seg_sort: any order of a full batch, numbers that wrap, compared with a sort by selection");
	for (unsigned round = 0; round < 200; round++) {
		uint32_t nxt = bases[round % ARRAY_SIZE(bases)];
		unsigned n = round % 3 ? 1 + (unsigned)rand() % TAP_BATCH : TAP_BATCH;
		bool used[TAP_BATCH] = { false };

		for (unsigned i = 0; i < n; i++)	/* in reverse, all alike, few values, many */
			sort_put(i,
				 round == 0 ? nxt + (n - i) * 10 :
				 round == 1 ? nxt :
					      nxt - 500 + (uint32_t)rand() % (round % 2 ? 20 : 100000),
				 (uint32_t)rand() % 2 * 10, TCP_ACK);
		for (unsigned k = 0; k < n; k++) {
			unsigned best = n;

			for (unsigned i = 0; i < n; i++)
				if (!used[i] && (best == n || seq_lt(sort_pkt[i].tcp.seq, sort_pkt[best].tcp.seq) ||
						 (sort_pkt[i].tcp.seq == sort_pkt[best].tcp.seq &&
						  sort_pkt[i].data.len < sort_pkt[best].data.len)))
					best = i;
			used[best] = true;
			want[k] = (uint8_t)best;
		}
		ok(sort_check(n, nxt, false, want));
	}
}

static void test_sort_control(void)
{
	test("seg_sort: no segment passes a SYN; one that opens this connection is the first");
	sort_put(0, 300, 10, TCP_ACK);
	sort_put(1, 100, 10, TCP_ACK);
	sort_put(2, 99, 0, TCP_SYN);
	sort_put(3, 400, 10, TCP_ACK);
	sort_put(4, 200, 10, TCP_ACK);
	ok(sort_check(5, 100, false, (const uint8_t[]){ 1, 0, 2, 4, 3 }));
	for (unsigned i = 0; i < 5; i++)
		sort_pkt[i].next = (uint16_t)(i + 1);
	ok(sort_check(5, 100, true, (const uint8_t[]){ 2, 1, 4, 0, 3 }));

	test("seg_sort: at one number, empty segments, FIN, data, RST");
	sort_put(0, 100, 0, TCP_RST);
	sort_put(1, 100, 20, TCP_ACK);
	sort_put(2, 100, 0, TCP_FIN | TCP_ACK);
	sort_put(3, 100, 0, TCP_ACK);
	ok(sort_check(4, 100, false, (const uint8_t[]){ 3, 2, 1, 0 }));
}

static void test_rtt(void)
{
	static const struct {
		uint32_t us[4], srtt, rttvar;
		uint16_t rto;
	} rows[] = {
		{ { 0 }, 0, 0, 1000 },
		{ { 30 }, 30, 15, 201 },
		{ { 1 }, 1, 0, 201 },
		{ { 100000 }, 100000, 50000, 301 },
		{ { 100000, 100000 }, 100000, 37500, 301 },
		{ { 100000, 900000 }, 200000, 237500, 1151 },
		{ { 800000, 800000, 800000 }, 800000, 225000, 1701 },
		{ { 900000000 }, 60000000, 30000000, 60000 },
		{ { 20000000, UINT32_MAX }, 25000000, 17500000, 60000 },
	};

	test("seg_rtt: RFC 6298 2, at least 200 ms above the round trip, at most a minute");
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tcp t = { .rto = 0 };

		for (unsigned j = 0; j < ARRAY_SIZE(rows[i].us) && rows[i].us[j]; j++)
			seg_rtt(&t, rows[i].us[j]);
		eq(t.srtt, rows[i].srtt);
		eq(t.rttvar, rows[i].rttvar);
		eq(seg_rto(&t), rows[i].rto);
		t.rto = 60000;			/* doubled, as far as it goes */
		eq(seg_rto(&t), 60000);
	}
}

/* A sender that sends what it is offered, up to @most bytes, every @us. Return: the goal in the end */
static uint32_t fill(struct tcp *t, uint32_t us, uint32_t most, unsigned rounds)
{
	static uint32_t now = 0xfffff000;

	for (unsigned i = 0; i < rounds; i++) {
		uint32_t offer = MAX(t->goal, 100000U), part = MIN(t->rcv_adv - t->rcv_nxt, most);

		t->rcv_nxt += part / 2;			/* in two batches, the second with the end of the window */
		seg_fill(t, t->rcv_nxt, now);
		seg_fill_next(t, t->rcv_nxt, now);
		t->rcv_nxt += part - part / 2;
		seg_fill(t, t->rcv_nxt, now);
		t->rcv_adv = seq_max(t->rcv_adv, t->rcv_nxt + offer);
		seg_fill_next(t, t->rcv_nxt, now);
		now += us;
	}
	return t->goal;
}

/* A segment at the window's front is lost, all others up to its edge come in a round trip */
static void test_fill_gap(void)
{
	struct tcp t = { .rtt_min = 20000 / SEG_RTT_UNIT, .rcv_adv = 300000, .goal = 300000 };
	uint32_t now = 77;

	test("seg_fill: bytes behind a gap count as taken, and the window holds them, too");
	seg_fill_next(&t, 0, now);
	seg_fill(&t, 200000, now + 10000);
	eq(t.goal, 300000);
	seg_fill(&t, 300000, now + 20000);
	eq(t.goal, 2 * 300000 + 300000);

	test("seg_fill: a window that is full of bytes behind a gap shows no rate");
	seg_fill_next(&t, 300000, now + 20000);
	seg_fill(&t, 300000, now + 20500);
	eq(t.goal, 2 * 300000 + 300000);
	t.rcv_adv = 300000 + 10000;
	seg_fill_next(&t, 300000, now + 20500);
	eq(t.fill_len, 0);

	test("seg_fill: of a window with a gap, what came after it was offered counts");
	t.rcv_adv = 900000;
	seg_fill_next(&t, 300000, now + 20500);
	eq(t.fill_len, 600000);
	seg_fill(&t, 900000, now + 60500);
	eq(t.goal, 2 * 600000 + 900000);
}

static void test_fill(void)
{
	struct tcp t = { .rtt_min = 20000 / SEG_RTT_UNIT, .rcv_nxt = 0xffffff00, .rcv_adv = 0xffffff00 + 100000 };

	test("seg_fill: a window that is filled in a round trip is doubled, up to a bound");
	eq(fill(&t, 20000, 1000000000, 1), 0);
	eq(fill(&t, 20000, 1000000000, 1), 200000);
	eq(fill(&t, 20000, 1000000000, 2), 200000 * 2);
	eq(fill(&t, 20000, 1000000000, 20), GOAL_MAX);

	test("seg_fill: twice the bytes of a round trip of a sender with a rate of its own, or that has become slow");
	fill(&t, 20000, 500000, 200);
	ok(t.goal >= 700000 && t.goal <= 2000000);
	fill(&t, 1000000, 500000, 200);
	ok(t.goal <= 50000);

	test("seg_fill: no round trip is longer than the time in which a window was filled");
	t.goal = 300000;
	eq(fill(&t, 500, 1000000000, 4), 0);

	test("seg_fill: but a round trip may be longer than the shortest: a queue, or processors that are busy");
	t = (struct tcp){ .rtt_min = 1000 / SEG_RTT_UNIT + 1, .rcv_adv = 100000 };
	eq(fill(&t, 4000, 1000000000, 20), GOAL_MAX);
	t = (struct tcp){ .rtt_min = 1000 / SEG_RTT_UNIT + 1, .rcv_adv = 100000 };
	fill(&t, 20000, 1000000000, 20);
	ok(t.goal <= 100000);

	test_fill_gap();

	test("seg_fill: after an idle hour");
	t = (struct tcp){ .rtt_min = 20000 / SEG_RTT_UNIT, .rcv_adv = 100000 };
	fill(&t, 3600000000U, 1000000000, 1);
	ok(fill(&t, 20000, 1000000000, 1) < 10);
	ok(fill(&t, 20000, 1000000000, 2) >= 200000);
}

int main(void)
{
	test_fill();
	test_rtt();
	test_seq();
	test_acceptable_table();
	test_bytes();
	test_window_table();
	test_window_random();
	test_window_syn();
	test_mss_table();
	test_frames();
	test_page_size();
	test_isn();
	test_senders();
	test_sort();
	test_sort_control();
	return done();
}
