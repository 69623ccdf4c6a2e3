/* SPDX-License-Identifier: GPL-2.0-or-later */
/* prop.c - a simple TCP as the guest, over a link that loses, doubles and reorders frames
 *
 * Sizes, windows, sockets, loss and the order of closing come from the seed. What must hold: every byte arrives once
 * and in order on both sides (the pattern is checked where bytes pass), both directions end, within a time that
 * time_most() derives from the accidents, and nothing is left.
 *
 * One in five of the guest's connections is held until its ClientHello is whole (tcp_hold.c).
 *
 * The guest retransmits all from the first byte not acknowledged, but for what SACK blocks report; keeps nothing, one
 * range or all of what is out of order, and reports it; has SACK, timestamps, both or none; opens and shuts its window
 * as its application reads, and acknowledges at once or late.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tcp_seg.h"
#include "prop.h"

#define CARRY_MAX	4096
#define DELAY_MAX	(30 * MS)
#define RANGES		32
#define MSS		1000
#define LOSS_TIME	(2 * SEC)	/* a timeout; less once losses are repaired without one */
#define HANDSHAKE_LOSS	100
#define ROW_TIME	(50 * MS)

enum keep { KEEP_NONE, KEEP_ONE, KEEP_ALL };		/* what a receiver keeps behind a gap */

/* A frame on its way: to the guest as it was decoded, from the guest as bytes */
struct carried {
	uint64_t	at;
	bool		to_guest, used;
	struct wire	w;
	uint8_t		*frame;
	size_t		len;
	struct offload	off;
};

static struct link {
	struct carried	c[CARRY_MAX];
	unsigned	top;			/* none is used from here on */
	uint32_t	loss[2], dup, late;	/* of 1000 frames; to the guest, from it */
	uint32_t	row;			/* frames that are lost at once, at most */
	uint32_t	row_left[2];
	uint64_t	row_until[2];		/* ns: or fewer, as silence ends it */
	uint32_t	ring;			/* frames of a burst that the guest's card takes, 0: all */
	uint64_t	burst_at;		/* ns: of the last burst, */
	uint32_t	burst;			/* and its frames */
	bool		full;			/* takes nothing for a while, now and then */
} links[SIM_GUESTS], *link_;

/* Sequence numbers apart from each other, in order */
struct ranges {
	unsigned	n;
	struct range {
		uint32_t	from, to;
	} r[RANGES];
};

/* Numbers as in struct conn: 1 is the first byte */
static struct peer {
	struct run	*r;
	struct conn	*cn;
	bool		open, passive, fin_sent, fin_got, after_host, host_after;
	uint32_t	total, host_total;	/* bytes to send, each way */
	uint32_t	burst;			/* of the host's, if larger than usual */
	bool		sack, ts;		/* are offered */
	uint32_t	una, nxt, edge;		/* sending */
	struct ranges	sacked;
	uint32_t	rcv;			/* receiving */
	enum keep	keep;
	struct ranges	ooo;			/* out of order; a FIN is a number, too */
	struct range	last, again;		/* range of the last segment; what came twice, to be reported once */
	uint32_t	ts_recent;
	uint32_t	unread, buffer, adv;	/* application's side */
	unsigned	dups;
	uint64_t	rto_at, ack_at, app_at, host_at, rto;
	struct fsock	*s;
	uint64_t	host_sent;
	unsigned	host_mode;
} peers[SIM_GUESTS], *g;

static struct carried *carry_slot(void)
{
	for (unsigned i = 0; i < CARRY_MAX; i++) {
		if (link_->c[i].used)
			continue;
		link_->top = MAX(link_->top, i + 1);
		return &link_->c[i];
	}
	return NULL;			/* lost, then */
}

/* Until both ends know of each other, loss is limited: with too much, they are right to give up */
static bool is_lost(bool to_guest)
{
	const struct flow *f = run_flow(g->r, g->cn);
	uint32_t loss = link_->loss[!to_guest];

	if (g->rcv == 0 || (f && f->tcp.state < TCP_ESTABLISHED))
		loss = loss < HANDSHAKE_LOSS ? loss : HANDSHAKE_LOSS;
	if (to_guest && link_->burst_at != world.now) {
		link_->burst_at = world.now;
		link_->burst = 0;
	}
	if (to_guest && link_->ring && link_->burst++ >= link_->ring)
		return true;
	if (link_->row_left[!to_guest] && world.now < link_->row_until[!to_guest]) {
		link_->row_left[!to_guest]--;
		return true;
	}
	if (!chance(loss / link_->row))
		return false;
	link_->row_left[!to_guest] = below(2 * link_->row - 1);
	link_->row_until[!to_guest] = world.now + ROW_TIME;
	return true;
}

static void carry_one(const struct carried *what)
{
	struct carried *c;

	for (unsigned n = is_lost(what->to_guest) ? 0 : chance(link_->dup) ? 2 : 1; n; n--) {
		if (!(c = carry_slot()))
			return;
		*c = *what;
		c->used = true;
		c->at = world.now + (chance(link_->late) ? below(DELAY_MAX / 1000) * 1000ULL : 0);
		if (what->frame) {
			c->frame = malloc(c->len);
			memcpy(c->frame, what->frame, c->len);
		}
	}
}

/* What the guest sends */
static void carry(const void *frame, size_t len, const struct offload *off)
{
	struct carried c = { .frame = (uint8_t *)(uintptr_t)frame, .len = len, .off = *off };

	carry_one(&c);
}

static uint16_t guest_window(void)
{
	uint32_t room = g->buffer > g->unread ? g->buffer - g->unread : 0, win;

	g->adv = seq_max(g->adv, g->rcv + room);
	win = (g->adv - g->rcv) >> (g->open && g->cn->g_wscale > 0 && g->cn->o_wscale >= 0 ? g->cn->g_wscale : 0);
	return (uint16_t)(win > 65535 ? 65535 : win);
}

/* ---- Ranges */

/* False: there is no room for another one */
static bool range_add(struct ranges *rs, struct range n, unsigned max)
{
	unsigned at = 0, end;

	while (at < rs->n && seq_lt(rs->r[at].to, n.from))
		at++;
	for (end = at; end < rs->n && seq_le(rs->r[end].from, n.to); end++) {
		n.from = seq_lt(rs->r[end].from, n.from) ? rs->r[end].from : n.from;
		n.to = seq_max(rs->r[end].to, n.to);
	}
	if (at == end && rs->n >= max)
		return false;
	memmove(&rs->r[at + 1], &rs->r[end], (rs->n - end) * sizeof(n));
	rs->n = rs->n - (end - at) + 1;
	rs->r[at] = n;
	return true;
}

/* Those before @seq are gone */
static void range_cut(struct ranges *rs, uint32_t seq)
{
	unsigned n = 0;

	while (n < rs->n && seq_le(rs->r[n].to, seq))
		n++;
	rs->n -= n;
	memmove(rs->r, &rs->r[n], rs->n * sizeof(rs->r[0]));
}

/* The one with @seq in it, or NULL */
static const struct range *range_of(const struct ranges *rs, uint32_t seq)
{
	for (unsigned i = 0; i < rs->n; i++)
		if (seq_le(rs->r[i].from, seq) && seq_lt(seq, rs->r[i].to))
			return &rs->r[i];
	return NULL;
}

/* ---- The guest's TCP: sending */

static void put_block(struct wire_opts *o, const struct range *b)
{
	if (b && b->from != b->to && o->sacks < (o->ts ? 3U : 4U)) {
		o->sack[o->sacks].from = g->cn->o_isn + b->from;
		o->sack[o->sacks++].to = g->cn->o_isn + b->to;
	}
}

/* RFC 2018 4, RFC 2883 4, RFC 7323 3.2 */
static struct wire_opts guest_options(bool syn)
{
	struct wire_opts o = { .sack_ok = syn && g->sack && (!g->passive || g->cn->o_sack),
			       .ts = g->ts && ((syn && !g->passive) || g->cn->o_ts),
			       .tsval = (uint32_t)(world.now / MS), .tsecr = g->ts_recent };
	const struct range *last = range_of(&g->ooo, g->last.from);

	if (!syn && g->sack && g->cn->o_sack) {
		put_block(&o, &g->again);
		put_block(&o, last);
		for (unsigned i = 0; i < g->ooo.n; i++)
			put_block(&o, &g->ooo.r[i] == last ? NULL : &g->ooo.r[i]);
		g->again = (struct range){ 0 };
	}
	return o;
}

static void guest_send(uint8_t flags, uint32_t seq, uint32_t len)
{
	bool syn = flags & TCP_SYN;
	struct wire_opts o = guest_options(syn);

	guest_tcp_opts(g->r, g->cn, flags, seq, len, g->rcv, guest_window(), syn ? MSS : 0,
		       syn && g->total % 3 ? 7 : -1, &o, 0, false);
	if (flags & TCP_ACK)
		g->ack_at = 0;
}

static void guest_arm(void)
{
	g->rto_at = g->una == g->nxt ? 0 : world.now + g->rto;
}

/* All that may be sent, from @nxt on */
static void guest_output(void)
{
	uint32_t end = 1 + g->total;

	if (!g->open)
		return;
	while (seq_lt(g->nxt, end) && seq_lt(g->nxt, g->edge)) {
		uint32_t len = 1 + below(chance(300) ? 20000 : 1400);
		const struct range *there = range_of(&g->sacked, g->nxt);

		if (there) {
			g->nxt = there->to;
			continue;
		}
		len = len < end - g->nxt ? len : end - g->nxt;
		len = len < g->edge - g->nxt ? len : g->edge - g->nxt;
		for (unsigned i = 0; i < g->sacked.n; i++)
			if (seq_lt(g->nxt, g->sacked.r[i].from) && g->sacked.r[i].from - g->nxt < len)
				len = g->sacked.r[i].from - g->nxt;
		guest_send(TCP_ACK | TCP_PSH, g->nxt, len);
		g->nxt += len;
	}
	if (g->nxt == end && (!g->after_host || g->fin_got)) {
		guest_send(TCP_FIN | TCP_ACK, g->nxt++, 0);
		g->fin_sent = true;
	}
	if (!g->rto_at)
		guest_arm();
}

static void guest_timeout(void)
{
	g->sacked.n = 0;			/* RFC 2018 8: the receiver may have dropped it */
	g->rto = g->rto < 8 * SEC ? 2 * g->rto : g->rto;
	if (!g->open)
		guest_send(g->passive ? TCP_SYN | TCP_ACK : TCP_SYN, 0, 0);
	else if (g->una == g->edge)	/* window shut: probe */
		guest_send(TCP_ACK, g->una - 1, 0);
	else
		g->nxt = g->una;
	guest_output();
	guest_arm();
	if (!g->rto_at && g->una == g->edge && seq_lt(g->una, 1 + g->total))
		g->rto_at = world.now + g->rto;		/* a probe may be lost, too */
}

/* What SACK blocks report; a block of what is acknowledged is of what came twice */
static void guest_sacked(const struct wire *w)
{
	for (unsigned i = 0; i < w->opts.sacks; i++) {
		struct range b = { w->opts.sack[i].from - g->cn->g_isn, w->opts.sack[i].to - g->cn->g_isn };

		if (!seq_lt(b.from, b.to) || seq_lt(g->cn->sent_max, b.to))
			run_fail(g->r, "reports what was not sent: %u to %u", b.from, b.to);
		else if (seq_lt(g->una, b.from))
			range_add(&g->sacked, b, RANGES);
	}
	range_cut(&g->sacked, g->una);
}

static void guest_acked(const struct wire *w)
{
	uint32_t ack = w->ack - g->cn->g_isn, win = w->win;

	if (!(w->flags & TCP_SYN) && g->cn->g_wscale >= 0 && g->cn->o_wscale >= 0)
		win <<= g->cn->o_wscale;
	g->edge = seq_max(g->edge, ack + win);
	if (seq_lt(g->una, ack)) {
		g->una = ack;
		g->nxt = seq_max(g->nxt, ack);
		g->dups = 0;
		g->rto = 300 * MS;
		guest_arm();
	} else if (ack == g->una && !w->len && g->una != g->nxt && ++g->dups == 3) {
		g->nxt = g->una;
	}
	guest_sacked(w);
	/* Everything acknowledged and the window shut: probes */
	if (g->una == g->nxt && g->una == g->edge && seq_lt(g->una, 1 + g->total) && !g->rto_at)
		g->rto_at = world.now + g->rto;
}

/* Numbers up to @next are here; true if some of them were behind a gap */
static bool guest_advance(uint32_t next)
{
	const struct range *there = range_of(&g->ooo, next);
	bool filled = g->ooo.n;

	if (!there && g->ooo.n && seq_le(g->ooo.r[0].from, next))
		there = &g->ooo.r[0];
	next = there ? seq_max(there->to, next) : next;
	g->fin_got = next == g->host_total + 2;
	g->unread += next - g->rcv - g->fin_got;
	g->rcv = next;
	range_cut(&g->ooo, next);
	return filled;
}

static void guest_take(const struct wire *w)
{
	uint32_t seq = w->seq - g->cn->o_isn, end = seq + (uint32_t)w->len, next = end + !!(w->flags & TCP_FIN);
	bool now = true;

	if (next != end && end != 1 + g->host_total)
		run_fail(g->r, "FIN at %u, of %u bytes", end, g->host_total);
	if (w->opts.ts && seq_le(seq, g->rcv) && (int32_t)(w->opts.tsval - g->ts_recent) >= 0)
		g->ts_recent = w->opts.tsval;
	if (seq == next && seq == g->rcv)
		return;			/* acknowledges, no more */
	if (seq != next && seq_le(next, g->rcv)) {
		g->again = (struct range){ seq, next };
	} else if (seq != next && seq_lt(g->rcv, seq)) {
		g->last = (struct range){ seq, next };
		range_add(&g->ooo, g->last, g->keep == KEEP_ALL ? RANGES : g->keep == KEEP_ONE);
	} else if (seq != next) {
		now = guest_advance(next) || chance(500);
	}
	if (now)
		guest_send(TCP_ACK, g->nxt, 0);
	else if (!g->ack_at)
		g->ack_at = world.now + below(40) * MS;
}

static void guest_input(const struct wire *w)
{
	if (w->proto != IPPROTO_TCP)
		return;
	if (w->flags & TCP_RST) {
		/* We have no TIME-WAIT: what is late, or sent again because our last ACK was lost, gets this */
		if (g->fin_got && g->fin_sent && g->s && g->s->tx_shut)
			g->una = g->nxt = g->total + 2;
		else
			run_fail(g->r, "connection reset");
		return;
	}
	if (w->flags & TCP_SYN) {
		if (!g->rcv) {
			g->rcv = g->adv = 1;
			g->ts_recent = w->opts.tsval;
			if (g->passive)
				guest_send(TCP_SYN | TCP_ACK, 0, 0);
			g->nxt = 1;
		} else if (g->passive && !g->open) {
			guest_send(TCP_SYN | TCP_ACK, 0, 0);
		}
		if (w->flags & TCP_ACK) {
			g->open = true;
			g->una = g->nxt = g->una ? g->una : 1;
			guest_acked(w);
			guest_send(TCP_ACK, g->nxt, 0);
		}
		guest_arm();
		guest_output();
		return;
	}
	if (!g->rcv)
		return;			/* overtook the SYN,ACK */
	if (g->passive && w->ack != g->cn->g_isn)
		g->open = true;
	if (!g->open)
		return;
	guest_acked(w);
	guest_take(w);
	guest_output();
}

/* Application in the guest reads a little, or all, or takes a break */
static void guest_app(void)
{
	bool shut = !guest_window();

	g->app_at = world.now + (chance(30) ? 2 * SEC : (1 + below(40)) * MS);
	g->unread -= chance(300) ? g->unread : below(g->unread + 1);
	if (shut && g->open && g->buffer - g->unread >= MSS)
		guest_send(TCP_ACK, g->nxt, 0);
}

static void host_act(void)
{
	const struct flow *f;
	uint32_t left = g->host_total - (uint32_t)g->host_sent;
	uint32_t n = 1 + below(chance(300) ? MAX(60000, g->burst) : 2000);

	g->host_at = world.now + (chance(30) ? 2 * SEC : (1 + below(20)) * MS);
	if (link_->full)
		tap_sim_room(world.link->room != ROOM_AUTO || !chance(100) ? ROOM_AUTO : below(3));
	if (!g->s && (f = run_flow(g->r, g->cn)) && f->tcp.sock >= 0)
		g->s = fs_get(f->tcp.sock);
	if (!g->s || g->s->fd == NOBODY)
		return;
	fs_connected(g->s);
	n = n < left ? n : left;
	if (n)
		fs_data(g->s, n);
	g->host_sent += n;
	if (g->host_sent == g->host_total && !g->s->rx_eof && (!g->host_after || g->s->tx_shut))
		fs_eof(g->s);
	if (g->host_mode) {
		uint64_t room = g->s->room == ROOM_AUTO ? 0 : g->s->room;

		if (g->host_mode == 3 && g->s->tx_taken >= g->total / 2)
			fs_room(g->s, ROOM_AUTO);
		else if (room < 60000)
			fs_room(g->s, room + below(g->host_mode == 1 ? 700 : 20000));
	}
}

/* Nothing, little, as a bad radio link, or as much as TCP is said to survive */
static uint32_t loss_drawn(void)
{
	static const uint32_t most[] = { 1, 20, 120, 301 };

	return below(most[below(ARRAY_SIZE(most))]);
}

static void prop_set_up(struct run *r)
{
	memset(g, 0, sizeof(*g));
	g->r = r;
	g->cn = &r->conn[1];
	g->total = chance(200) ? below(3) : below(200000);
	g->host_total = chance(200) ? below(3) : below(200000);
	g->buffer = 2000 + below(chance(500) ? 10000 : 200000);
	if (r->v.big && chance(700)) {			/* as large as the largest frames, and several of them */
		g->host_total = below(3000000);
		g->buffer = 100000 + below(1000000);
		g->burst = 500000;
	}
	g->passive = chance(500);
	g->after_host = chance(300);
	g->host_after = !g->after_host && chance(300);
	if (g == peers)
		g->host_mode = below(4);
	else				/* sockets of all have room, or little */
		g->host_mode = world.room == ROOM_AUTO ? 0 : 1 + below(3);
	g->rto = 300 * MS;
	g->host_at = world.now + 1;
	g->app_at = world.now + MS;
	g->sack = chance(500);
	g->ts = chance(500);
	g->keep = (enum keep)below(3);
	link_->loss[0] = loss_drawn();
	link_->loss[1] = chance(500) ? link_->loss[0] : loss_drawn();
	link_->row = chance(700) ? 1 : 1 + below(8);
	link_->ring = chance(800) ? 0 : 3 + below(60);
	link_->dup = chance(300) ? 0 : below(100);
	link_->late = chance(300) ? 0 : below(300);
	link_->full = chance(500);
	world.room = g->host_mode ? 5000 : ROOM_AUTO;
	r->carry = carry;
}

/* Of 1000 segments, those that are lost, or their acknowledgment is */
static uint64_t vain(void)
{
	return link_->loss[0] + (1000 - link_->loss[0]) * link_->loss[1] / 1000;
}

/* ns until a segment arrives that is lost as often in a row as happens once in a million times: timeouts double */
static uint64_t row_most(void)
{
	uint64_t t = 0, wait = 300 * MS;

	for (unsigned odds = 1000000; odds; odds = (unsigned)(odds * vain() / 1000)) {
		t += wait;
		wait = wait < 30 * SEC ? 2 * wait : 60 * SEC;
	}
	return t;
}

/* How long this guest's transfer may take, ns: for the breaks of applications, for each loss LOSS_TIME, and once for
 * many in a row. To a receiver that keeps nothing behind a gap, what is late is lost.
 */
static uint64_t time_most(void)
{
	uint64_t segments = g->host_total / MSS + g->total / 500 + 10, lost;

	lost = segments * vain() / (1000 - vain()) + (g->keep == KEEP_NONE ? segments * link_->late / 1000 : 0);
	lost += link_->ring ? g->host_total / MSS / link_->ring : 0;
	return 60 * SEC + 2 * SEC * g->host_total / g->buffer + SEC * g->total / 2000 + lost * LOSS_TIME + row_most();
}

static void note_time(struct run *r, uint64_t took)
{
	if (r->verbose)
		printf("# %llu s of %llu for %u and %u bytes; lost %u and %u of 1000, %u in a row, ring of %u, "
		       "late %u, keeps %i%s%s\n",
		       (unsigned long long)(took / SEC), (unsigned long long)(time_most() / SEC), g->host_total,
		       g->total, link_->loss[0], link_->loss[1], link_->row, link_->ring, link_->late, (int)g->keep,
		       g->sack ? ", SACK" : "", g->ts ? ", timestamps" : "");
}

/* Its first bytes are a ClientHello, which is held: a name is denied, and this is another one */
static void prop_hold(struct run *r, uint64_t seed)
{
	const struct end to = { .a = r->conn[1].peer.a, .port = 443 };
	size_t len = hello_make(world.hello, "a.example", 100 + seed % 800);

	world.hello_len = len;
	run_rules(r, r->guest, "deny b.example\n");
	conn_init(r, 1, &to);
	g->total += (uint32_t)len;
	g->after_host = false;			/* both sides wait for it, and the host doesn't end before that */
	g->host_after = true;
}

static void prop_open(struct run *r)
{
	struct end client = { .a = r->conn[2].peer.a, .port = CLIENT_PORT + 1 };
	struct end to = { .a = g->cn->guest.a };

	if (g->passive) {
		conn_init(r, 1, NULL);
		g->cn->peer = client;
		g->cn->guest.port = SERVER_PORT;
		fs_client(fs_listener(FS_LISTEN, !r->v.v6), &client, &to);
		return;
	}
	guest_send(TCP_SYN, 0, 0);
	g->nxt = 1;
	guest_arm();
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

/* Time of the next thing to happen, but for what the program does */
static uint64_t next_event(void)
{
	uint64_t t = earlier(earlier(earlier(g->host_at, g->app_at), g->rto_at), g->ack_at);

	for (unsigned i = 0; i < link_->top; i++)
		if (link_->c[i].used)
			t = earlier(t, link_->c[i].at);
	return t;
}

static void deliver(void)
{
	while (link_->top && !link_->c[link_->top - 1].used)
		link_->top--;
	for (unsigned i = 0; i < link_->top; i++) {
		struct carried c = link_->c[i];

		if (!c.used || c.at > world.now)
			continue;
		link_->c[i].used = false;
		if (c.frame)
			tap_sim_push(c.frame, c.len, &c.off);
		else
			guest_input(&c.w);
		free(c.frame);
	}
}

static bool prop_done(struct run *r)
{
	return g->fin_got && g->fin_sent && g->una == g->total + 2 && g->s && g->s->tx_shut && !run_flow(r, g->cn);
}

/* From now on, it is guest @k's turn */
static void turn_of(struct run *r, unsigned k)
{
	run_as(r, k);
	g = &peers[k];
	link_ = &links[k];
}

/* What is due for this guest, and comes from the program */
static void prop_turn(struct run *r)
{
	for (struct wire *w; (w = run_peek(r)); run_pop(r)) {
		struct carried c = { .to_guest = true, .w = *w };

		carry_one(&c);
	}
	deliver();
	if (g->rto_at && g->rto_at <= world.now)
		guest_timeout();
	if (g->ack_at && g->ack_at <= world.now)
		guest_send(TCP_ACK, g->nxt, 0);
	if (g->app_at <= world.now)
		guest_app();
	if (g->host_at <= world.now)
		host_act();
}

static bool prop_arrived(struct run *r)
{
	if (!prop_done(r))
		return run_fail(r, "not done: guest sent %u of %u, got %u of %u; host took %llu, sent %llu", g->una,
				g->total, g->rcv, g->host_total, g->s ? (unsigned long long)g->s->tx_taken : 0,
				(unsigned long long)g->host_sent);
	if (g->s->tx_taken != g->total || g->rcv != g->host_total + 2)
		return run_fail(r, "host got %llu bytes of %u, guest %u of %u", (unsigned long long)g->s->tx_taken,
				g->total, g->rcv, g->host_total + 2);
	return true;
}

bool prop_run(struct run *r, uint64_t seed)
{
	uint64_t start = world.now, most = 0;
	unsigned left = SIM_GUESTS;

	world.seed = seed * 0x9e3779b97f4a7c15ULL;
	for (unsigned k = 0; k < SIM_GUESTS; k++) {
		memset(links[k].c, 0, links[k].top * sizeof(links[k].c[0]));
		memset(&links[k].top, 0, sizeof(links[k]) - offsetof(struct link, top));
	}
	for (unsigned k = 0; k < SIM_GUESTS; k++) {
		turn_of(r, k);
		prop_set_up(r);
		if (!g->passive && seed % 5 == 0)
			prop_hold(r, seed);
		prop_open(r);
		most = MAX(most, time_most());
	}
	while (!r->failed && left && world.now < start + most) {
		uint64_t t = UINT64_MAX;

		for (unsigned k = 0; k < SIM_GUESTS; k++) {
			turn_of(r, k);
			t = earlier(t, next_event());
		}
		run_until(r, t, true);
		left = 0;
		for (unsigned k = 0; k < SIM_GUESTS; k++) {
			turn_of(r, k);
			prop_turn(r);
			left += !prop_done(r);
		}
	}
	for (unsigned k = 0; k < SIM_GUESTS; k++) {
		turn_of(r, k);
		for (unsigned i = 0; i < link_->top; i++)
			if (link_->c[i].used)
				free(link_->c[i].frame);
		note_time(r, world.now - start);
		if (r->failed || !prop_arrived(r))
			return false;
	}
	return run_end(r, false);
}
