/* SPDX-License-Identifier: GPL-2.0-or-later */
/* attack.c - a guest whose every segment may be a lie: SACK blocks, timestamps, windows, gaps, FIN, ICMP
 *
 * The guest knows the program's state, and aims at its borders. Two things must hold: what always holds (check.c), turn
 * by turn; and that a guest which is honest from then on, and has forgotten all that it did not acknowledge, gets every
 * byte and FIN, and both ends close.
 *
 * With one seed in four, connections are held until a ClientHello is whole (tcp_hold.c). Such a one may end any time.
 */
#include <netinet/in.h>
#include <string.h>

#include "../../tcp_conn.h"
#include "attack.h"
#include "pools.h"

#define VICTIMS		6
#define HONEST_TIME	(1000 * SEC)	/* timeouts that were doubled up to their limit */
#define HONEST_STEP	(200 * MS)
#define FLOOD		120
#define KEPT		64
#define RETRIES		10			/* of 15 */

static struct victim {
	struct conn	*cn;
	struct fsock	*s;
	bool		ts, sack;
	uint32_t	stamp;			/* the guest's last */
	uint32_t	rcv;			/* honest: numbers before have arrived, */
	unsigned	n;			/* and these behind a gap */
	struct { uint32_t from, to; } kept[KEPT];
	bool		late;			/* when it became so, the program was about to give up */
	bool		held;			/* once, or still */
} victims[VICTIMS], *g;

/* Any number between @from and @to, their borders more often; or not far away */
static uint32_t near(uint32_t from, uint32_t to)
{
	uint32_t len = to - from;

	switch (below(12)) {
	case 0:
	case 1:
		return from;
	case 2:
		return to;
	case 3:
		return from + below(3) - 1;
	case 4:
		return to + below(3) - 1;
	case 5:
		return from - below(70000);
	case 6:
		return to + below(70000);
	default:
		return from + below(len + 1);
	}
}

/* Or anywhere, where comparisons turn */
static uint32_t wild(uint32_t from, uint32_t to)
{
	return chance(50) ? world_random() : chance(50) ? from + (1U << 31) + below(3) - 1 : near(from, to);
}

static struct wire_opts lies(const struct tcp *t)
{
	struct wire_opts o = { .ts = g->ts && !chance(20) };
	unsigned n = g->sack && chance(700) ? below(o.ts ? 4 : 5) : 0;

	if (chance(30))
		g->stamp += chance(30) ? world_random() : below(100000);
	o.tsval = chance(30) ? world_random() : g->stamp;
	o.tsecr = chance(300) ? world_random() : t->ts_off + (uint32_t)(world.now / MS) - below(3000);
	for (; n; n--) {
		uint32_t from = wild(t->snd_una, t->snd_max), len = below(chance(500) ? 3 : 4000);

		o.sack[o.sacks].from = from;
		o.sack[o.sacks++].to = chance(50) ? from - len : chance(300) ? wild(from, t->snd_max) : from + len;
	}
	return o;
}

/* @len bytes at distance @off of what comes next */
static void tell(struct run *r, const struct tcp *t, uint8_t flags, uint32_t off, uint32_t len)
{
	static const uint16_t wins[] = { 0, 0, 1, 2, 10, 100, 1000, UINT16_MAX };
	struct wire_opts o = lies(t);
	uint32_t ack = chance(600) ? t->snd_una : near(t->snd_una, t->snd_max);

	guest_tcp_opts(r, g->cn, flags, t->rcv_nxt + off - g->cn->g_isn, len, ack - g->cn->o_isn,
		       chance(600) ? 2000 : wins[below(8)], 0, -1, &o, 0, flags & TCP_SYN);
}

/* Gaps of any kind, up to the window's edge and beyond */
static void tell_data(struct run *r, const struct tcp *t)
{
	uint32_t off = near(t->rcv_nxt, t->rcv_adv) - t->rcv_nxt, len = 1 + below(chance(600) ? 3 : 3000);

	tell(r, t, TCP_ACK | (chance(30) ? TCP_FIN : 0), chance(100) ? 0 : off, len);
}

static void host_acts(void)
{
	if (!g->s || g->s->fd == NOBODY || g->s->state != FS_CONNECTED)
		return;
	if (chance(300))
		fs_room(g->s, chance(500) ? ROOM_AUTO : below(30000));
	else if (!g->s->rx_eof && chance(20))
		fs_eof(g->s);
	else if (!g->s->rx_eof && g->s->rx_have < 4000000)
		fs_data(g->s, 1 + below(chance(500) ? 20 : 60000));
}

static bool pass(struct run *r, uint64_t ns)
{
	bool good = run_until(r, world.now + ns, false);

	r->pend_len = 0;
	return good;
}

static void lie(struct run *r)
{
	const struct flow *f = run_flow(r, g->cn);
	const struct tcp *t = f ? &f->tcp : NULL;
	unsigned n = chance(100) ? 1 + below(FLOOD) : 1;

	if (!f || !tcp_synced(t))
		return;
	switch (below(20)) {
	case 0:
		tell(r, t, TCP_ACK | TCP_FIN, near(t->rcv_nxt, t->rcv_adv) - t->rcv_nxt, 0);
		return;
	case 1:
		tell(r, t, chance(500) ? TCP_SYN : TCP_RST, 1 + below(5), 0);
		return;
	case 2:
		guest_too_big(r, g->cn, IPPROTO_TCP, below(chance(500) ? 70000 : 2000),
			      near(t->snd_una, t->snd_max) - g->cn->o_isn, false);
		return;
	case 3:
		tap_sim_room(chance(700) ? ROOM_AUTO : below(5));
		return;
	case 4:
	case 5:
	case 6:
	case 7:
		host_acts();
		return;
	case 8:
	case 9:
	case 10:
	case 11:
		for (; n; n--)
			tell_data(r, t);
		return;
	default:
		for (; n; n--)
			tell(r, t, TCP_ACK, chance(900) ? 0 : near(0, 100), 0);
	}
}

/* The first connections, each to a server of its own */
static void hold(struct run *r)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct end to = { .a = r->conn[1 + i].peer.a, .port = i ? 8443 : 443 };

		conn_init(r, 1 + i, &to);
	}
	world.hello_len = hello_make(world.hello, "a.example", 100 + below(chance(500) ? 16300 : 1000));
	run_rules(r, r->guest, "deny b.example\n");
}

/* With all kinds of options */
static bool open_one(struct run *r, unsigned i)
{
	struct wire_opts o = { .sack_ok = chance(700), .ts = chance(500), .tsval = world_random() };

	g = &victims[i];
	*g = (struct victim){ .cn = &r->conn[1 + i], .ts = o.ts, .sack = o.sack_ok, .stamp = o.tsval };
	g->held = g->cn->peer.port == 443 || g->cn->peer.port == 8443;
	guest_tcp_opts(r, g->cn, TCP_SYN, 0, 0, 0, 65535, chance(200) ? 1 : (uint16_t)(500 + below(1000)),
		       chance(200) ? -1 : (int)below(15), &o, 0, false);
	if (!pass(r, 0) || !(g->s = fs_find(FS_TCP, &g->cn->peer)))
		return run_fail(r, "no connection");
	g->cn->mss = (uint16_t)MAX(g->cn->mss, 88);
	fs_connected(g->s);
	if (!pass(r, chance(500) ? below(50) * MS : 0))
		return false;
	o = (struct wire_opts){ .ts = o.ts, .tsval = g->stamp, .tsecr = g->cn->o_tsval };
	guest_tcp_opts(r, g->cn, TCP_ACK, 1, 0, 1, 2000, 0, -1, &o, 0, false);
	return pass(r, 0);
}

/* A segment arrived; one that is behind a gap is kept, if there is room */
static void take_one(struct victim *v, uint32_t from, uint32_t to)
{
	unsigned i = 0;

	if (seq_lt(v->rcv, from)) {
		if (v->n < KEPT) {
			v->kept[v->n].from = from;
			v->kept[v->n++].to = to;
		}
		return;
	}
	v->rcv = seq_max(v->rcv, to);
	while (i < v->n) {
		if (seq_lt(v->rcv, v->kept[i].from)) {
			i++;
			continue;
		}
		if (seq_lt(v->rcv, v->kept[i].to)) {
			v->rcv = v->kept[i].to;
			i = 0;			/* which may lead to any other */
			continue;
		}
		v->kept[i] = v->kept[--v->n];
	}
}

static void take_all(struct run *r)
{
	for (const struct wire *w; (w = run_peek(r)); run_pop(r)) {
		const struct conn *cn = conn_of(r, w);
		uint32_t seq = cn ? w->seq - cn->o_isn : 0, end = seq + (uint32_t)w->len + !!(w->flags & TCP_FIN);

		for (unsigned i = 0; i < VICTIMS; i++)
			if (victims[i].cn == cn && seq != end)
				take_one(&victims[i], seq, end);
	}
}

/* What an honest guest would send now; true: the connection is gone */
static bool confess(struct run *r)
{
	const struct flow *f = run_flow(r, g->cn);
	const struct tcp *t = f ? &f->tcp : NULL;
	struct wire_opts o;
	bool fin;

	if (!f || !tcp_synced(t))		/* or a SYN behind RST, both lies, began another one */
		return true;
	if (g->s->fd != NOBODY && g->s->state == FS_CONNECTED && g->s->room != ROOM_AUTO)
		fs_room(g->s, ROOM_AUTO);
	if (g->s->fd != NOBODY && g->s->state == FS_CONNECTED && !g->s->rx_eof)
		fs_eof(g->s);
	fin = !tcp_in(t, TCPS_GUEST_FIN);
	o = (struct wire_opts){ .ts = g->ts, .tsval = t->ts_recent + 1,
				.tsecr = t->ts_off + (uint32_t)(world.now / MS) };
	guest_tcp_opts(r, g->cn, TCP_ACK | (fin ? TCP_FIN : 0), t->rcv_nxt - g->cn->g_isn, 0, g->rcv, 65535, 0, -1,
		       &o, 0, false);
	return false;
}

static bool all_gone(struct run *r, unsigned n)
{
	bool gone = true;

	for (unsigned i = 0; i < n; i++) {
		g = &victims[i];
		gone &= confess(r);
	}
	return gone;
}

static bool repent(struct run *r, unsigned n)
{
	uint64_t end = world.now + HONEST_TIME;

	tap_sim_room(ROOM_AUTO);
	if (!pass(r, 0))			/* what was said */
		return false;
	for (unsigned i = 0; i < n; i++) {
		const struct flow *f = run_flow(r, victims[i].cn);

		victims[i].rcv = f ? f->tcp.snd_una - victims[i].cn->o_isn : 0;
		victims[i].late = !f || f->tcp.retries > RETRIES;
		victims[i].cn->reset = false;
	}
	while (!all_gone(r, n)) {
		if (!run_until(r, world.now + HONEST_STEP, false))
			return false;
		if (world.now > end)
			return run_fail(r, "a connection goes on and on");
		take_all(r);
	}
	for (unsigned i = 0; i < n; i++)
		if (victims[i].cn->reset && !victims[i].late && !victims[i].held &&
		    victims[i].rcv != victims[i].s->rx_have + 2)
			return run_fail(r, "a connection of an honest guest was given up: %u", i + 1);
	return true;
}

bool attack_run(struct run *r, uint64_t seed)
{
	unsigned n, steps;

	world.seed = seed * 0x9e3779b97f4a7c15ULL;
	r->strict = false;
	pools_blocks(chance(300) ? 1 + below(8) : 0);
	pools_slots(chance(200));
	n = 1 + below(VICTIMS);
	if (seed % 4 == 0)
		hold(r);
	for (unsigned i = 0; i < n; i++)
		if (!open_one(r, i))
			return false;
	for (steps = 50 + below(400); steps; steps--) {
		g = &victims[below(n)];
		lie(r);
		if (!chance(200) && !pass(r, chance(700) ? 0 : below(chance(100) ? 100000 : 300) * MS))
			return false;
	}
	return repent(r, n) && pass(r, 0) && run_end(r, false);
}
