/* SPDX-License-Identifier: GPL-2.0-or-later */
/* shuffle.c - batches of segments of one connection in random order, compared with a slow reference
 *
 * A range of the stream is cut into pieces; some are lost, some come twice, some overlap others, some are beyond the
 * window, a FIN may be behind all of them, and SYN,ACK among them. What is behind a gap is kept for the next batch. The
 * reference marks each number that came, and counts from the first.
 *
 * One in four of the guest's connections is held until a ClientHello is whole (tcp_hold.c): the host gets nothing
 * before.
 */
#include <string.h>

#include "../../tcp_seg.h"
#include "shuffle.h"

#define PIECES		100
#define RANGE		90000U		/* numbers in a batch at most: more than a SYN's window */
#define ROUNDS		6

static struct {
	struct run	*r;
	struct conn	*cn;
	struct fsock	*s;
	struct { uint32_t seq, len; uint8_t flags; } piece[PIECES];
	unsigned	n;
	bool		came[RANGE + 2];	/* numbers from @next on */
	uint32_t	next;			/* expected next, relative as in struct conn */
	bool		fin;			/* taken */
	bool		ends;			/* the guest has sent its FIN, with number @last */
	uint32_t	last, top;		/* @top: end of what it has sent */
	uint32_t	hello;			/* bytes of the ClientHello, 0: the connection isn't held */
} g;

static void piece(uint32_t seq, uint32_t len, uint8_t flags)
{
	if (g.n == PIECES)
		return;
	g.piece[g.n].seq = seq;
	g.piece[g.n].len = len;
	g.piece[g.n++].flags = flags;
}

/* Pieces of the next range, in order */
static void cut(uint32_t loss, uint32_t twice, uint32_t overlap)
{
	uint32_t at = g.next, end = g.ends ? g.last : at + 1 + below(chance(200) ? RANGE : 12000);

	while (at != end && g.n < PIECES - 4) {
		uint32_t len = 1 + below(chance(200) ? 20000 : 1400), back = 0;

		len = MIN(len, end - at);
		if (chance(overlap))
			back = below(MIN(at - g.next, 2000U) + 1);
		if (!chance(loss))
			piece(at - back, len + back, TCP_ACK | (chance(300) ? TCP_PSH : 0));
		if (chance(twice))
			piece(at, len, TCP_ACK);
		if (chance(100))
			piece(at, 0, TCP_ACK);
		at += len;
	}
	g.top = seq_max(g.top, at);
	if (at != g.top || at != end || at <= g.hello || !chance(300))
		return;
	piece(at, 0, TCP_ACK | TCP_FIN);
	g.ends = true;
	g.last = at;
}

/* What has to be taken of it, one number at a time */
static uint32_t reference(void)
{
	uint32_t at = 0, edge = g.cn->adv - g.next;

	for (unsigned i = 0; i < g.n; i++) {
		uint32_t from = g.piece[i].seq - g.next;

		for (uint32_t k = 0; k < g.piece[i].len; k++)
			if (from + k < RANGE && from + k < edge)
				g.came[from + k] = true;
		if (g.piece[i].flags & TCP_FIN && from < edge)
			g.came[from] = true;
	}
	while (g.came[at])
		at++;
	g.fin = g.ends && g.next + at == g.last + 1;
	memmove(g.came, g.came + at, RANGE + 2 - at);
	memset(g.came + RANGE + 2 - at, 0, at);
	return at;
}

static void send_shuffled(void)
{
	for (unsigned i = g.n; i > 1; i--) {
		unsigned j = below(i);
		__typeof__(g.piece[0]) p = g.piece[i - 1];

		g.piece[i - 1] = g.piece[j];
		g.piece[j] = p;
	}
	for (unsigned i = 0; i < g.n; i++)
		guest_tcp(g.r, g.cn, g.piece[i].flags, g.piece[i].seq, g.piece[i].len, 1, 65535,
			  g.piece[i].flags & TCP_SYN ? 1000 : 0, g.piece[i].flags & TCP_SYN ? 7 : -1, 0, false);
}

/* One batch; @syn: the guest's answer to our SYN is in it */
static bool batch(bool syn)
{
	bool lossy = chance(400), rest = false;
	uint32_t taken, end;
	unsigned acks = 0;

	g.n = 0;
	if (syn)
		piece(0, 0, TCP_SYN | TCP_ACK);
	cut(lossy ? 100 : 0, chance(300) ? 150 : 0, chance(300) ? 200 : 0);
	taken = reference();
	end = g.next + taken;
	for (unsigned i = 0; i < g.n; i++)
		rest |= seq_lt(end, g.piece[i].seq + g.piece[i].len + !!(g.piece[i].flags & TCP_FIN)) &&
			(g.piece[i].len || g.piece[i].flags & TCP_FIN);
	send_shuffled();

	if (!run_until(g.r, world.now, false))
		return false;
	if (rest && !run_peek(g.r))
		return run_fail(g.r, "a gap was not answered at once");
	if (!run_until(g.r, world.now + 20 * MS, false))
		return false;
	for (const struct wire *w; (w = run_peek(g.r)); run_pop(g.r), acks++)
		if (w->flags != TCP_ACK || w->len || w->ack - g.cn->g_isn != end)
			return run_fail(g.r, "not an ACK of %u: %s", end, wire_text(g.r, w));
	if (acks > (rest ? 65 : 1) || (taken && !acks))	/* behind a gap: one for each segment */
		return run_fail(g.r, "%u ACKs of a batch up to %u", acks, end);
	if (g.s->room == ROOM_AUTO && g.s->tx_taken != (end > g.hello ? end - 1 - g.fin : 0))
		return run_fail(g.r, "host got %llu bytes, up to %u were sent", (unsigned long long)g.s->tx_taken, end);
	g.next = end;
	return true;
}

static bool open_active(void)
{
	guest_tcp(g.r, g.cn, TCP_SYN, 0, 0, 0, 65535, 1000, 7, 0, false);
	if (!run_until(g.r, world.now, false) || !(g.s = fs_find(FS_TCP, &g.cn->peer)))
		return run_fail(g.r, "no connection");
	fs_connected(g.s);
	if (!run_until(g.r, world.now, false) || !run_peek(g.r))
		return run_fail(g.r, "no SYN,ACK");
	run_pop(g.r);
	if (chance(500))			/* in the same batch as the data otherwise: each segment acknowledges */
		guest_tcp(g.r, g.cn, TCP_ACK, 1, 0, 1, 65535, 0, -1, 0, false);
	return true;
}

static bool open_passive(void)
{
	struct end client = { .a = g.r->conn[2].peer.a, .port = CLIENT_PORT + 1 }, to = { .a = g.cn->guest.a };

	conn_init(g.r, 1, NULL);
	g.cn->peer = client;
	g.cn->guest.port = SERVER_PORT;
	fs_client(fs_listener(FS_LISTEN, !g.r->v.v6), &client, &to);
	if (!run_until(g.r, world.now, false) || !run_peek(g.r) || !(g.s = fs_find(FS_TCP, &client)))
		return run_fail(g.r, "no SYN");
	run_pop(g.r);
	return true;
}

/* A name is denied, and the ClientHello has another one */
static void hold(uint64_t seed)
{
	const struct end to = { .a = g.cn->peer.a, .port = 443 };

	g.hello = (uint32_t)hello_make(world.hello, "a.example", 100 + seed * 7919 % 16000);
	world.hello_len = g.hello;
	run_rules(g.r, g.r->guest, "deny b.example\n");
	conn_init(g.r, 1, &to);
}

bool shuffle_run(struct run *r, uint64_t seed)
{
	bool passive;

	world.seed = seed * 0x9e3779b97f4a7c15ULL;
	memset(&g, 0, sizeof(g));
	g.r = r;
	g.cn = &r->conn[1];
	g.next = 1;
	passive = chance(500);
	if (!passive && seed % 4 == 0)
		hold(seed);
	if (!(passive ? open_passive() : open_active()))
		return false;
	if (chance(300))
		fs_room(g.s, below(40000));
	for (unsigned i = 0; i < ROUNDS && !g.fin && g.cn->adv != g.next; i++)
		if (!batch(passive && !i))
			return false;
	return run_end(r, false);
}
