/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LDFLAGS: -Wl,--wrap=recv,--wrap=sendmsg */
/* fuzz_stream.c - the stream from a virtual machine: the same frames, whatever the pieces it comes in
 *
 * Input: how many sizes follow (low half of the byte) and how often to repeat the stream (high half, squared, plus
 * one); those sizes, see piece(), used in turn; then the stream. It is cut once more here, in the plainest way: no
 * frame may differ, none may be left when the link says there are no more, and a length that none can have ends it at
 * that place. Each frame is sent back, in pieces of the same sizes, the last one first: the same stream has to come
 * out, but for padding.
 */
#include <stdlib.h>

#include "../../tap_sock.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags);

#define CHECK(x)	((x) ? (void)0 : abort())
#define STREAM_MAX	(2U << 20)
#define PLAYED		1000

static uint8_t stream[STREAM_MAX];
static size_t stream_len, come, got;	/* bytes in all, that have come, that were read */
static const uint8_t *sizes;
static unsigned nsizes, turn, out_turn;
static uint8_t back[4 * STREAM_MAX];		/* frames sent back: all, and what the socket took */
static size_t back_len, took;

/* Bytes of the next piece: 1 to 128, then by 2048 up to a read's most */
static size_t piece(void)
{
	uint8_t b = nsizes ? sizes[turn++ % nsizes] : 0;

	return b < 128 ? b + 1U : (b - 127U) * 2048U;
}

ssize_t __wrap_recv(int fd, void *buf, size_t size, int flags)
{
	(void)flags;
	CHECK(fd == PLAYED && size > 0);
	CHECK((uint8_t *)buf >= rx_pool[0] && (uint8_t *)buf + size <= rx_pool[0] + RX_SIZE);
	size = MIN(size, come - got);
	if (!size) {
		errno = EAGAIN;
		return come == stream_len ? 0 : -1;
	}
	memcpy(buf, stream + got, size);
	got += size;
	return (ssize_t)size;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	static const int errs[] = { EPIPE, EAGAIN, ENOBUFS };
	uint8_t b = nsizes ? sizes[nsizes - 1 - out_turn++ % nsizes] : 255;
	const struct view v = { mh->msg_iov, (unsigned)mh->msg_iovlen, 0, back_len - took };
	size_t n = MIN(back_len - took, b < 128 ? b + 1U : (b - 127U) * 2048U);
	static uint8_t part[256 * 2048];

	(void)flags;
	CHECK(fd == PLAYED && back_len > took && view_copy(&v, 0, part, n));
	if (b > 124 && b < 128) {
		errno = errs[b - 125];
		return -1;
	}
	CHECK(!memcmp(part, back + took, n));
	took += n;
	return (ssize_t)n;
}

static int flush(struct tap *t)
{
	int rc = tap_flush(t);

	CHECK(rc == 0 || rc == -EAGAIN || rc == -EPIPE);
	CHECK(t->qlen || back_len == took);
	return rc == -EPIPE ? rc : 0;
}

static void send_back(struct tap *t, const uint8_t *b, size_t len)
{
	struct frame *f;
	struct mac mac[2];

	if (len < ETH_HLEN || len > DGRAM_ROOM || !tap_reserve(t, &f, 1, len, len % 2 ? TAP_ANY : TAP_LAST))
		return;
	memcpy(mac, b, sizeof(mac));
	f->len = len - ETH_HLEN;
	memcpy(f->pay[0].iov_base, b + ETH_HLEN, f->len);
	put_be32(back + back_len, (uint32_t)MAX(len, FRAME_MIN));
	memcpy(back + back_len + 4, b, len);
	memset(back + back_len + 4 + len, 0, FRAME_MIN);
	back_len += 4 + MAX(len, FRAME_MIN);
	frame_eth(f, &mac[0], &mac[1], get_be16(b + 2 * ETH_ALEN));
	tap_commit(t, f);
}

/* The parser sees the same in a buffer of just its size */
static void check_parse(const struct raw *raw, const uint8_t *frame)
{
	uint8_t *copy = malloc(raw->len + !raw->len);
	struct iovec iov = { copy, raw->len };
	struct raw alone = { .iov = &iov, .cnt = 1, .len = raw->len, .off = raw->off };
	struct pkt p, q;
	enum drop rc;

	CHECK(copy);
	memcpy(copy, frame, raw->len);
	rc = pkt_parse(raw, &p);
	CHECK(rc == pkt_parse(&alone, &q));
	CHECK(rc != DROP_NONE || (p.ethertype == q.ethertype && p.proto == q.proto && p.data.len == q.data.len));
	CHECK(rc == DROP_FRAME || raw->len >= ETH_HLEN);
	free(copy);
}

/* The next frame in the stream from @at on, of what was read; 0: none yet, or the length word, or -1 if none can come
 */
static long next_frame(size_t at, bool *whole)
{
	uint32_t len;

	*whole = false;
	if (got - at < 4)
		return 0;
	len = get_be32(stream + at);
	if (len > 65535 + 18)
		return -1;
	*whole = got - at >= 4 + len;
	return (long)len;
}

/* What an event makes the loop do: 0, or what the link said when it was lost; *@at: where the next frame is */
static int event(struct tap *t, size_t *at)
{
	static struct raw raw[TAP_BATCH];
	bool whole;

	do {
		int n = tap_recv(t, raw);

		if (n < 0)
			return n;
		CHECK(n <= TAP_BATCH);
		for (int i = 0; i < n; i++) {
			long len = next_frame(*at, &whole);

			CHECK(whole && raw[i].len == (size_t)len);
			CHECK(raw[i].cnt == 1 && raw[i].iov->iov_len == raw[i].len);
			CHECK(!memcmp(raw[i].iov->iov_base, stream + *at + 4, raw[i].len));
			check_parse(&raw[i], stream + *at + 4);
			send_back(t, stream + *at + 4, raw[i].len);
			*at += 4 + raw[i].len;
		}
		tap_recv_done(t);
	} while (t->more);
	return flush(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned repeat;
	struct tap t = { 0 };
	size_t at = 0;
	bool whole;
	int rc = 0;

	if (!size || size < 1U + (data[0] & 15))
		return 0;
	nsizes = data[0] & 15;
	repeat = (unsigned)(data[0] >> 4) * (data[0] >> 4) + 1;
	sizes = data + 1;
	data += 1 + nsizes;
	size -= 1 + nsizes;
	stream_len = come = got = turn = out_turn = 0;
	back_len = took = 0;
	for (unsigned i = 0; i < repeat && size <= STREAM_MAX - stream_len; i++, stream_len += size)
		memcpy(stream + stream_len, data, size);

	tap_sock_attach(&t, PLAYED, -1);
	while (!rc) {
		size = piece();
		come += MIN(size, stream_len - come);
		while (!rc && (got < come || come == stream_len))
			rc = event(&t, &at);
		CHECK(rc || (next_frame(at, &whole) >= 0 && !whole));
	}
	CHECK(t.nfree + t.nspare + t.qlen == TAP_FRAMES);
	if (rc == -EPIPE)
		return 0;
	CHECK(next_frame(at, &whole) < 0 ? rc == -EPROTO : rc == -ECONNRESET && !whole && got == stream_len);
	return 0;
}
