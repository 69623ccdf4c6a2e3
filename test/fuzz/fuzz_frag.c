/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_frag.c - reassembly: any order, any overlap, any number of datagrams
 *
 * Input: records of 6 bytes, one fragment each (see struct rec). With REC_RAW the payload is what follows in the input,
 * otherwise it is a pattern made from identification and position: then what comes out must be just that pattern.
 */
#include <stdlib.h>

#include "../../frag.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)	((x) ? (void)0 : abort())

enum { REC_V6 = 1, REC_MORE = 2, REC_UDP = 4, REC_RAW = 8, REC_LATE = 16, REC_ODD = 32 };

struct rec {
	uint8_t		flags;
	uint8_t		id;
	uint16_t	off, len;	/* in 8 bytes; REC_ODD: 3 bytes less; a long @len has its top bit set */
};

static bool raw_used[256];

static uint8_t pattern(uint32_t id, size_t at)
{
	return (uint8_t)(id * 31 + at + (at >> 8) * 7);
}

static void check_whole(const struct raw *raw, struct frags *fs)
{
	const uint8_t *ip = (uint8_t *)raw->iov->iov_base + ETH_HLEN;
	bool done = false, v6 = ip[0] >> 4 == 6;
	struct raw again;
	struct pkt p;
	enum drop rc = pkt_parse(raw, &p);
	size_t i, hlen;
	uint32_t id;

	CHECK(raw->cnt == 1 && raw->iov->iov_len == raw->len && raw->len <= ETH_HLEN + IP6_HLEN + DATA_MAX);
	CHECK(rc != DROP_FRAME && rc != DROP_IP_HEADER && rc != DROP_IP_CSUM && rc != DROP_ETHERTYPE);
	if (rc == DROP_NONE && p.fragment)
		CHECK(frag_add(fs, &p, 0, &again, &done) == DROP_FRAGMENT && !done);

	/* The identification is in the source address too */
	id = ip[v6 ? 23 : 15];
	if (raw_used[id])
		return;
	CHECK(p.proto == 253 || p.proto == IPPROTO_UDP);
	hlen = v6 ? IP6_HLEN : IP4_HLEN;
	for (i = hlen; i < raw->len - ETH_HLEN; i++)
		CHECK(ip[i] == pattern(id, i - hlen));
}

/* Fills in a packet as the parser would; returns bytes of the input used as payload */
static size_t make(const struct rec *r, const uint8_t *more, size_t left, struct iovec *iov, struct pkt *p)
{
	size_t i, len = r->len * 8U;
	uint8_t *b;

	len -= MIN(len, (r->flags & REC_ODD) ? 3U : 0U);
	if (r->flags & REC_RAW) {
		len = MIN(len, left);
		raw_used[r->id] = true;
	}
	b = malloc(len + !len);
	CHECK(b);
	for (i = 0; i < len; i++)
		b[i] = (r->flags & REC_RAW) ? more[i] : pattern(r->id, r->off * 8U + i);
	*iov = (struct iovec){ .iov_base = b, .iov_len = len };

	*p = (struct pkt){ .ethertype = (r->flags & REC_V6) ? ETH_P_IPV6 : ETH_P_IP, .fragment = true, .ttl = 64,
			   .proto = (r->flags & REC_UDP) ? IPPROTO_UDP : 253,
			   .frag = { .id = r->id, .off = r->off * 8U, .more = r->flags & REC_MORE },
			   .data = { .iov = iov, .cnt = 1, .len = len } };
	if (r->flags & REC_RAW && len && !(r->flags & REC_UDP))
		p->proto = b[0];
	if (r->flags & REC_V6) {
		p->src.a = (struct addr){ .b = { 0x20, 1, [15] = r->id } };
		p->dst.a = (struct addr){ .b = { 0x20, 2, [15] = 1 } };
	} else {
		p->src.a = (struct addr){ .b = { [10] = 255, 255, 10, 0, 0, r->id } };
		p->dst.a = (struct addr){ .b = { [10] = 255, 255, 10, 1, 0, 1 } };
	}
	return (r->flags & REC_RAW) ? len : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frags *fs = frags_pool;
	uint64_t now = 1000;
	unsigned i;

	for (i = 0; i < FRAG_MAX; i++)
		fs->d[i].state = DGRAM_FREE;
	memset(raw_used, 0, sizeof(raw_used));

	while (size >= 6) {
		struct rec r = { data[0], data[1], get_be16(data + 2) & 0x1fff, get_be16(data + 4) };
		struct iovec iov;
		struct raw out;
		struct pkt p;
		bool done = true;
		size_t used;
		enum drop rc;

		r.len &= r.len & 0x8000 ? 0x1fff : 0x3f;	/* long ones are slow to check, and teach little */
		data += 6;
		size -= 6;
		used = make(&r, data, size, &iov, &p);
		data += used;
		size -= used;
		if (r.flags & REC_LATE)
			now += FRAG_TIMEOUT / 2;
		rc = frag_add(fs, &p, now, &out, &done);
		CHECK(rc == DROP_NONE || (rc == DROP_FRAGMENT && !done));
		free(iov.iov_base);
		if (done)
			check_whole(&out, fs);
	}
	return 0;
}
