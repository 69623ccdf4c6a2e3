/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan_test.c - the switch between guests: its table beside a slow one, and frames that their receiver's link takes */
#include <netinet/in.h>

#include "../t.h"
#include "../../lan.c"
#include "../../lan_send.c"

#define GUESTS		5
#define ADDRS		60
#define STEPS		200000

/* The table, by linear search */
static struct entry {
	unsigned	guest;
	unsigned	mac;
	uint64_t	seen;
	bool		first;
} model[GUESTS * LAN_MACS];
static unsigned nmodel;

static uint64_t seed = 1;

static unsigned below(unsigned n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(seed >> 33) % n;
}

static struct mac mac_of(unsigned i)
{
	return (struct mac){ { 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } };
}

static void model_age(uint64_t now)
{
	for (unsigned i = 0; i < nmodel;) {
		if (!model[i].first && now - model[i].seen >= LAN_AGE)
			model[i] = model[--nmodel];
		else
			i++;
	}
}

static enum drop model_learn(unsigned guest, unsigned mac, uint64_t now)
{
	unsigned mine = 0;

	for (unsigned i = 0; i < nmodel; i++) {
		mine += model[i].guest == guest;
		if (model[i].mac != mac)
			continue;
		if (model[i].guest != guest)
			return DROP_OWNER;
		model[i].seen = now;
		return DROP_NONE;
	}
	if (mine == LAN_MACS)
		return DROP_NO_RESOURCE;
	model[nmodel++] = (struct entry){ guest, mac, now, !mine };
	return DROP_NONE;
}

static unsigned model_find(unsigned mac)
{
	for (unsigned i = 0; i < nmodel; i++)
		if (model[i].mac == mac)
			return model[i].guest;
	return LAN_NOBODY;
}

static void test_table(void)
{
	static struct lan l;
	unsigned seen[DROP_COUNT] = { 0 };
	uint64_t now = 1000;

	test("table: as by linear search, whoever comes, goes, ages and moves");
	lan_start(&l);
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned guest = below(GUESTS), n = below(ADDRS);
		struct mac mac = mac_of(n);
		enum drop why;

		now += below(100) ? below(1000) : below(LAN_AGE);
		model_age(now);
		if (!below(500)) {
			lan_forget(&l, guest);
			for (unsigned k = 0; k < nmodel;) {
				if (model[k].guest == guest)
					model[k] = model[--nmodel];
				else
					k++;
			}
		}
		why = lan_learn(&l, guest, &mac, now);
		seen[why]++;
		if (!eq(why, model_learn(guest, n, now)))
			return;
		n = below(ADDRS);
		mac = mac_of(n);
		if (!eq(lan_find(&l, &mac, now), model_find(n)))
			return;
	}
	ok(seen[DROP_NONE] > 1000 && seen[DROP_OWNER] > 1000 && seen[DROP_NO_RESOURCE] > 100);

	test("table: a group, or no address, is no source");
	eq(lan_learn(&l, 0, &(struct mac){ { 0 } }, now), DROP_FRAME);
	eq(lan_learn(&l, 0, &(struct mac){ { 1, 2, 3, 4, 5, 6 } }, now), DROP_FRAME);
}

/* ---- frames ---- */

static struct ctx c;
static struct conf cf = { .guests = 2, .lan.on = true, .our_mac = { { 0x9a, 0x55, 0x9a, 0x55, 0x9a, 0x55 } } };

static uint8_t out[256][70000];
static struct frame out_frame[256];
static size_t out_len[256];
static unsigned nout;

static int sink_flush(struct tap *t)
{
	for (; t->qlen; tap_queue_pop(t)) {
		const struct frame *f = tap_queued(t, 0);
		struct iovec iov[1 + FRAME_IOV];
		unsigned n = frame_iov(f, iov);

		out_len[nout] = 0;
		for (unsigned i = 0; i < n; i++) {
			memcpy(out[nout] + out_len[nout], iov[i].iov_base, iov[i].iov_len);
			out_len[nout] += iov[i].iov_len;
		}
		out_frame[nout++] = *f;
	}
	return 0;
}

static void sink_commit(struct tap *t, struct frame *f)
{
	(void)t;
	(void)f;
}

static const struct tap_ops sink = { .name = "sink", .eager = true, .commit = sink_commit, .flush = sink_flush };

static const struct tap_ops later = { .name = "later", .pieces = FRAME_IOV, .commit = sink_commit,
				      .flush = sink_flush };

static void set_up(struct caps caps)
{
	struct mac to = mac_of(2);

	c = (struct ctx){ .net.cf = &cf, .guests = 2, .here = { { 3 } }, .now = 1000 };
	c.guest[1].index = c.guest[1].tap.index = 1;
	tap_guests(2);
	tap_init(&c.guest[1].tap, &sink, 1, &caps, -1);
	lan_start(&c.lan);
	leases_start(&c.leases, &c.net);
	lan_learn(&c.lan, 1, &to, c.now);
	nout = 0;
}

/* A packet of @len bytes of payload, headers finished but for the transport checksum, into @b: its length */
static size_t packet(uint8_t *b, bool v4, uint8_t proto, size_t len)
{
	uint8_t *ip = b + ETH_HLEN, *l4 = ip + ip_hlen(v4);
	struct addr src, dst;
	size_t l4len = proto == IPPROTO_TCP ? TCP_HLEN + TCP_TS_LEN : UDP_HLEN;
	struct mac from = mac_of(1), to = mac_of(2);
	uint16_t sum;

	addr_parse(v4 ? "192.168.77.10" : "fd77::10", v4 ? 13 : 8, &src);
	addr_parse(v4 ? "192.168.77.11" : "fd77::11", v4 ? 13 : 8, &dst);
	memset(b, 0, ETH_HLEN + IP6_HLEN + l4len);
	memcpy(b, &to, sizeof(to));
	memcpy(b + ETH_ALEN, &from, sizeof(from));
	put_be16(b + 12, v4 ? ETH_P_IP : ETH_P_IPV6);
	if (v4) {
		ip[0] = 0x45;
		put_be16(ip + 2, (uint16_t)(IP4_HLEN + l4len + len));
		put_be16(ip + 4, 0xfffe);
		ip[8] = 64;
		ip[9] = proto;
		addr_to_bytes(&src, ip + 12);
		addr_to_bytes(&dst, ip + 16);
		sum = csum_finish(csum_add(ip, IP4_HLEN, 0));
		memcpy(ip + 10, &sum, sizeof(sum));
	} else {
		ip[0] = 0x60;
		put_be16(ip + 4, (uint16_t)(l4len + len));
		ip[6] = proto;
		ip[7] = 64;
		addr_to_bytes(&src, ip + 8);
		addr_to_bytes(&dst, ip + 24);
	}
	put_be16(l4, 1000);
	put_be16(l4 + 2, 2000);
	if (proto == IPPROTO_TCP) {
		put_be32(l4 + 4, 0xfffffff0);
		l4[12] = 0x80;
		l4[13] = 0x80 | TCP_ACK | TCP_PSH | TCP_FIN;		/* with CWR */
		put_be32(l4 + TCP_HLEN, 0x0101080a);
	} else {
		put_be16(l4 + 4, (uint16_t)(UDP_HLEN + len));
	}
	for (size_t i = 0; i < len; i++)
		l4[l4len + i] = (uint8_t)(i * 7 + i / 251);
	sum = csum_fold(csum_pseudo(&src, &dst, proto, (uint32_t)(l4len + len)));
	memcpy(l4 + (proto == IPPROTO_TCP ? 16 : 6), &sum, sizeof(sum));
	return (size_t)(l4 - b) + l4len + len;
}

/* Each frame that came is a packet by the parser, its checksum too; their payloads are the original's */
static void check_segments(const uint8_t *b, size_t hlen, uint16_t gso, size_t len)
{
	size_t at = 0;

	eq(nout, DIV_ROUND_UP(len, gso));
	for (unsigned i = 0; i < nout; i++) {
		struct iovec iov = { out[i], out_len[i] };
		struct raw raw = { &iov, 1, out_len[i], { .full = true }, 0 };
		struct pkt p;
		bool last = i + 1 == nout;

		eq(pkt_parse(&raw, &p), DROP_NONE);
		eq(p.data.len, MIN(gso, len - at));
		eq_mem(out[i] + p.data.off, b + hlen + at, p.data.len);
		ok(!out_frame[i].off.gso && !out_frame[i].off.partial);
		if (p.proto == IPPROTO_TCP) {
			eq(p.tcp.seq, (uint32_t)(0xfffffff0 + at));
			eq(p.tcp.flags, last ? TCP_ACK | TCP_PSH | TCP_FIN : TCP_ACK);
			eq(out[i][p.l4 + 13] & 0x80, i ? 0 : 0x80);
			ok(p.tcp.ts);
		}
		if (p.ethertype == ETH_P_IP)
			eq(get_be16(out[i] + ETH_HLEN + 4), (uint16_t)(0xfffe + i));
		at += p.data.len;
	}
	eq(at, len);
}

static void test_frames(void)
{
	static uint8_t b[70000];
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	const struct caps none = { .mtu = 1500 }, all = { .mtu = 65535, .csum = true, .tso4 = IP_MAX, .tso6 = IP_MAX,
							  .uso = true };

	for (unsigned v4 = 0; v4 < 2; v4++) {
		for (unsigned i = 0; i < ARRAY_SIZE(protos); i++) {
			const char *name = protos[i] == IPPROTO_TCP ? "TCP" : "UDP";
			unsigned hlen = net_hdr_len(v4, protos[i] == IPPROTO_TCP ? TCP_HLEN + TCP_TS_LEN : UDP_HLEN);
			size_t len = packet(b, v4, protos[i], 30001);
			/* in two buffers, the first one ends within the headers */
			struct iovec iov[] = { { b, 20 }, { b + 20, len - 20 } };
			struct raw raw = { iov, 2, len, { .gso = 1000, .partial = true }, 0 };
			bool ours = true;

			test("super-packet of %s over IPv%u, to a link without offloads: segments", name, v4 ? 4 : 6);
			set_up(none);
			eq(lan_input(&c, &c.guest[0], &raw, &ours), DROP_NONE);
			ok(!ours);
			check_segments(b, hlen, 1000, 30001);

			test("super-packet of %s over IPv%u, to a link that takes it: whole", name, v4 ? 4 : 6);
			set_up(all);
			eq(lan_input(&c, &c.guest[0], &raw, &ours), DROP_NONE);
			eq(nout, 1);
			eq(out_len[0], len);
			eq_mem(out[0], b, len);
			eq(out_frame[0].off.gso, 1000);
			ok(out_frame[0].off.partial);
			eq(out_frame[0].csum_start + out_frame[0].csum_off,
			   ETH_HLEN + ip_hlen(v4) + (protos[i] == IPPROTO_TCP ? 16 : 6));

			test("%s over IPv%u with a partial checksum, to a link without: complete", name, v4 ? 4 : 6);
			len = packet(b, v4, protos[i], 999);
			iov[1].iov_len = len - 20;
			raw.len = len;
			raw.off.gso = 0;
			set_up(none);
			eq(lan_input(&c, &c.guest[0], &raw, &ours), DROP_NONE);
			eq(nout, 1);
			raw = (struct raw){ &(struct iovec){ out[0], out_len[0] }, 1, out_len[0], { .full = true }, 0 };
			eq(pkt_parse(&raw, &(struct pkt){ 0 }), DROP_NONE);
		}
	}

	test("what was checked is what is sent: a guest writes to its frame meanwhile");
	for (unsigned k = 0; k < 2; k++) {
		size_t len = packet(b, !k, IPPROTO_UDP, 1400);
		struct iovec iov = { b, len };
		struct raw raw = { &iov, 1, len, { .full = true }, 0 };
		static uint8_t before[1500];
		bool ours;

		memcpy(before, b, len);
		set_up(none);
		c.guest[1].tap.ops = &later;
		eq(lan_input(&c, &c.guest[0], &raw, &ours), DROP_NONE);
		memset(b, 0xee, HEAD_MAX);		/* addresses and ports, too */
		eq(tap_flush(&c.guest[1].tap), 0);
		eq(nout, 1);
		eq(out_len[0], len);
		eq_mem(out[0], before, HEAD_MAX);

		len = packet(b, !k, IPPROTO_UDP, 1400);
		eq(lan_input(&c, &c.guest[0], &raw, &ours), DROP_NONE);
		eq(c.lan.borrowers.w[0], 2);
		lan_settle(&c, &c.guest[0], 1);
		eq(c.lan.borrowers.w[0], 0);
		memset(b, 0xee, len);
		tap_flush(&c.guest[1].tap);
		eq(nout, 2);
		eq_mem(out[1], before, len);
	}

	test("a frame in pieces: of two bytes each, it passes; of one, it is dropped");
	for (unsigned each = 1; each <= 2; each++) {
		static struct iovec iov[1500];
		size_t len = packet(b, true, IPPROTO_UDP, 1450), n = 0;
		struct raw raw = { iov, 0, len, { .full = true }, 0 };
		bool ours;

		for (size_t at = 0; at < len; at += each)
			iov[n++] = (struct iovec){ b + at, MIN(each, len - at) };
		raw.cnt = (unsigned)n;
		set_up(none);
		eq(lan_input(&c, &c.guest[0], &raw, &ours), each == 1 ? DROP_FRAME : DROP_NONE);
		eq(nout, each - 1);
		ok(each == 1 || !memcmp(out[0], b, len));
	}

	test("a frame that is longer than the receiver's link takes is lost, and counted");
	{
		size_t len = packet(b, true, IPPROTO_UDP, 3000);
		struct iovec iov = { b, len };
		struct raw raw = { &iov, 1, len, { .full = true }, 0 };
		bool ours;

		set_up(none);
		eq(lan_input(&c, &c.guest[0], &raw, &ours), DROP_NONE);
		eq(nout, 0);
		eq(c.guest[1].tap.stats.tx_lost, 1);
	}
}

static int stuck_flush(struct tap *t)
{
	(void)t;
	return -EAGAIN;
}

static const struct tap_ops stuck = { .name = "stuck", .commit = sink_commit, .flush = stuck_flush };

/* Sends @n frames of guest @from, to guest 2 or to all: how many of it wait there then */
static unsigned waiting(unsigned from, bool many, unsigned n)
{
	static uint8_t b[2000];
	size_t len = packet(b, true, IPPROTO_UDP, 100);
	struct iovec iov = { b, len };
	struct raw raw = { &iov, 1, len, { .full = true }, 0 };
	struct mac smac = mac_of(from ? 3 : 1);
	uint16_t sum;
	bool ours;

	memcpy(b + ETH_ALEN, &smac, sizeof(smac));
	b[ETH_HLEN + 15] = (uint8_t)(10 + 10 * from);		/* its own */
	memset(b + ETH_HLEN + 10, 0, 2);
	sum = csum_finish(csum_add(b + ETH_HLEN, IP4_HLEN, 0));
	memcpy(b + ETH_HLEN + 10, &sum, sizeof(sum));
	if (many)
		memset(b, 0xff, ETH_ALEN);
	while (n--)
		eq(lan_input(&c, &c.guest[from], &raw, &ours), DROP_NONE);
	return c.guest[1].tap.from[1 + from];
}

static void test_queue(void)
{
	const struct caps none = { .mtu = 1500 };

	test("queue: a guest that floods leaves room to others, and to what is for one");
	set_up(none);
	c.guests = 3;
	c.here = (struct guests){ { 7 } };
	c.guest[2].index = c.guest[2].tap.index = 2;
	c.guest[2].tap.fd = -1;
	c.guest[1].tap.ops = &stuck;
	eq(waiting(0, true, 300), QUEUE_MANY);
	ok(c.guest[1].tap.full);
	eq(waiting(0, false, 300), QUEUE_ONE);
	eq(waiting(2, true, 300), FULL_MANY);
	eq(waiting(2, false, 10), FULL_MANY + 10);
	ok(c.guest[1].drops[DROP_LINK_FULL] >= 300 - QUEUE_MANY + 300 - FULL_MANY);

	test("queue: empty, and all of it is there again");
	c.guest[1].tap.ops = &sink;
	tap_flush(&c.guest[1].tap);
	for (unsigned i = 0; i < ARRAY_SIZE(c.guest[1].tap.from); i++)
		eq(c.guest[1].tap.from[i], 0);

	test("turn: the more receivers its frames have, the fewer are in a guest's next batch");
	c.lan.copies = 0;
	lan_settle(&c, &c.guest[0], 256);
	eq(c.guest[0].tap.most, TAP_BATCH);
	c.lan.copies = 256 * 4;
	lan_settle(&c, &c.guest[0], 256);
	eq(c.guest[0].tap.most, TAP_BATCH / 4);
	c.lan.copies = 64 * 63;
	lan_settle(&c, &c.guest[0], 64);
	eq(c.guest[0].tap.most, BATCH_LEAST);
	c.lan.copies = 16;
	lan_settle(&c, &c.guest[0], 16);
	eq(c.guest[0].tap.most, TAP_BATCH);
}

int main(void)
{
	cf.lan.plen4 = 24;
	cf.lan.v6 = true;
	addr_parse("192.168.77.0", 12, &cf.lan.net[V4]);
	addr_parse("fd77::", 6, &cf.lan.net[V6]);
	test_table();
	test_frames();
	test_queue();
	return done();
}
