/* SPDX-License-Identifier: GPL-2.0-or-later */
/* steps.c - runs a script, step by step
 *
 * Steps of the guest and the host that come at the same time are carried out without a loop turn between them: segments
 * are one batch, what happens to a socket is one event. Anything that is looked at lets the loop run first, until it
 * sleeps.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "../../ask.h"
#include "../../counters.c"
#include "../../egress.h"
#include "../../input.h"
#include "../../loop.h"
#include "../../tcp_seg.h"
#include "kernel.h"
#include "run.h"

#define STEP_OK(cond, r, ...)	((cond) || !(r)->strict || run_fail(r, __VA_ARGS__))

static struct conn *cur(struct run *r)
{
	return &r->conn[r->cur];
}

/* The host's socket of the current connection, open or not */
static struct fsock *host_sock(struct run *r)
{
	return fs_find(FS_TCP, &cur(r)->peer);
}

bool step_unexpected(struct run *r)
{
	const struct wire *w = run_peek(r);

	if (!w)
		return true;
	if (r->strict)
		return run_fail(r, "unexpected: %s", wire_text(r, w));
	while (run_peek(r))
		run_pop(r);
	return true;
}

static bool settle(struct run *r)
{
	return run_until(r, world.now, false);
}

/* Time passes up to the step's, and nothing else may happen meanwhile */
bool step_advance(struct run *r, const struct step *t)
{
	uint64_t to = r->t0 + t->at;

	if (!t->at)
		return true;
	if (!settle(r) || !step_unexpected(r))
		return false;
	if (to > world.now && !run_until(r, to, false))
		return false;
	r->t0 = world.now;
	return step_unexpected(r);
}

static bool same(int64_t want, int64_t got)
{
	return want == ANY || want == ABSENT || want == got;
}

static bool opts_match(const struct conn *cn, const struct spec *p, const struct wire_opts *o)
{
	bool good = same(p->sack_ok, o->sack_ok) && same(p->ts, o->ts) &&
		    same(p->tsval, (uint32_t)(o->tsval - cn->o_tsval)) && same(p->tsecr, o->tsecr) &&
		    same(p->sacks, o->sacks);

	for (int64_t i = 0; good && i < p->sacks; i++)
		good = same(p->sack[i].from, (uint32_t)(o->sack[i].from - cn->g_isn)) &&
		       same(p->sack[i].to, (uint32_t)(o->sack[i].to - cn->g_isn));
	return good;
}

static bool spec_match(const struct conn *cn, const struct spec *p, const struct wire *w)
{
	bool ack = w->flags & TCP_ACK;

	if (w->proto != IPPROTO_TCP || !end_eq(&w->dst, &cn->guest))
		return false;
	return same(p->flags, w->flags) && same(p->seq, (uint32_t)(w->seq - cn->o_isn)) &&
	       same(p->len, (int64_t)w->len) && same(p->ack, ack ? (uint32_t)(w->ack - cn->g_isn) : ABSENT) &&
	       same(p->win, w->win) && (p->mss == ABSENT || (p->mss == ANY ? w->mss != 0 : p->mss == w->mss)) &&
	       (p->wscale == ABSENT || (p->wscale == ANY ? w->wscale >= 0 : p->wscale == w->wscale)) &&
	       opts_match(cn, p, &w->opts);
}

/* Waits for a frame within the step's time; its time is the step's */
bool step_await(struct run *r, const struct step *t)
{
	uint64_t from = r->t0 + t->at, to = r->t0 + t->until;
	struct wire *w;

	if (!run_peek(r) && !settle(r))
		return false;
	if (!run_peek(r) && to > world.now && !run_until(r, to, true))
		return false;
	w = run_peek(r);
	if (!w)
		return STEP_OK(false, r, "expected a frame, but there was none");
	if (!STEP_OK(w->at + MS > from && w->at <= to, r, "%s after %.3f s, not at this time: %s",
		     w->at <= from ? "too early," : "too late,", (double)(w->at - r->t0) / 1e9, wire_text(r, w)))
		return false;
	if (t->at || t->until > MS)
		r->t0 = w->at;
	return true;
}

static bool expect(struct run *r, const struct step *t, const struct spec *p)
{
	if (!step_await(r, t))
		return false;
	if (!r->strict)
		return step_unexpected(r);
	if (!spec_match(cur(r), p, run_peek(r)))
		return run_fail(r, "got: %s", wire_text(r, run_peek(r)));
	run_pop(r);
	return true;
}

/* A range in pieces of one size: flags are the last one's */
static bool expect_cut(struct run *r, const struct step *t)
{
	struct spec p = t->spec;
	struct step s = *t;

	if (!p.by)
		return expect(r, t, &p);
	for (int64_t at = t->spec.seq; at < t->spec.end; at += p.by, s.at = 0, s.until = MS) {
		bool last = at + p.by >= t->spec.end;

		p.seq = at;
		p.len = last ? t->spec.end - at : p.by;
		p.flags = last ? t->spec.flags : t->spec.flags & ~(TCP_PSH | TCP_FIN);
		if (!expect(r, &s, &p))
			return false;
	}
	return true;
}

/* Data in order, cut in whatever way, PSH on its last segment */
static bool expect_bytes(struct run *r, const struct step *t)
{
	struct step s = *t;
	struct wire *w;
	int64_t at = t->spec.seq;
	uint8_t flags = 0;

	for (; at < t->spec.end; s.at = 0, s.until = MS) {
		if (!step_await(r, &s))
			return false;
		if (!r->strict)
			return step_unexpected(r);
		w = run_peek(r);
		if (w->proto != IPPROTO_TCP || !end_eq(&w->dst, &cur(r)->guest) || !w->len ||
		    (uint32_t)(w->seq - cur(r)->o_isn) != at || (t->spec.ack != ABSENT &&
		    !same(t->spec.ack, (uint32_t)(w->ack - cur(r)->g_isn))))
			return run_fail(r, "at byte %lld, got: %s", (long long)at, wire_text(r, w));
		at += (int64_t)w->len;
		flags = w->flags;
		run_pop(r);
	}
	return STEP_OK(at == t->spec.end, r, "more than that: up to %lld", (long long)at) &&
	       STEP_OK(flags & TCP_PSH, r, "TCP-31: no PSH at the end of a burst");
}

static bool expect_acks(struct run *r, const struct step *t)
{
	uint64_t to = r->t0 + (t->until > MS + t->at ? t->until : t->at);

	if (!settle(r) || (to > world.now && !run_until(r, to, false)))
		return false;
	r->t0 = world.now;
	for (; run_peek(r); run_pop(r)) {
		const struct wire *w = run_peek(r);

		if (!STEP_OK(w->proto == IPPROTO_TCP && w->flags == TCP_ACK && !w->len, r, "got: %s", wire_text(r, w)))
			return false;
	}
	return true;
}

static bool send_step(struct run *r, const struct step *t)
{
	const struct spec *p = &t->spec;
	struct wire_opts o = { .sack_ok = p->sack_ok == 1, .ts = p->ts == 1, .tsval = (uint32_t)p->tsval,
			       .tsecr = cur(r)->o_tsval + (uint32_t)p->tsecr };

	if (!step_unexpected(r))
		return false;
	for (; (int64_t)o.sacks < p->sacks; o.sacks++) {
		o.sack[o.sacks].from = cur(r)->o_isn + (uint32_t)p->sack[o.sacks].from;
		o.sack[o.sacks].to = cur(r)->o_isn + (uint32_t)p->sack[o.sacks].to;
	}
	guest_tcp_opts(r, cur(r), (uint8_t)p->flags, (uint32_t)p->seq, (uint32_t)p->len,
		  p->ack < 0 ? 0 : (uint32_t)p->ack, p->win < 0 ? 65535 : (uint16_t)p->win,
		  p->mss < 0 ? 0 : (uint16_t)p->mss, p->wscale < 0 ? -1 : (int)p->wscale, &o, p->by, p->ignored);
	return true;
}

static bool host_connect(struct run *r, const struct step *t)
{
	struct fsock *s;
	struct end to = { .a = run_addr(r, &t->end.a), .port = t->end.port };
	bool good;

	world.connect_err = (int)t->n;
	good = settle(r);
	world.connect_err = EINPROGRESS;
	if (!good || !t->has_end)
		return good;
	s = fs_find(FS_TCP, &to);
	return STEP_OK(s && s->connects == 1, r, "no connect() to there");
}

static bool host_accept(struct run *r, const struct step *t)
{
	const struct end from = { .a = t->has_end ? t->end.a : addr_from4(htonl(0xcb007105)) };
	struct end client = { .a = run_addr(r, &from.a), .port = (uint16_t)(CLIENT_PORT + r->cur) };
	struct fsock *l = fs_listener(FS_LISTEN, !r->v.v6);
	struct end to = { .a = cur(r)->guest.a, .port = LISTEN_PORT };

	if (!l)
		return run_fail(r, "nobody listens");
	conn_init(r, r->cur, &client);
	cur(r)->guest.port = SERVER_PORT;
	fs_client(l, &client, &to);
	return true;
}

static bool host_fail(struct run *r, const struct step *t)
{
	(void)r;
	world.fail_call = t->word;
	world.fail_err = (int)t->m;
	world.fail_count = (unsigned)t->n;
	return true;
}

/* What the host's side does to the socket */
static bool host_act(struct run *r, const struct step *t, struct fsock *s)
{
	if (!step_unexpected(r))
		return false;
	if (!s || s->fd == NOBODY)
		return STEP_OK(false, r, "there is no socket");
	if (t->op == OP_WRITABLE)
		fs_connected(s);
	else if (t->op == OP_ERROR)
		fs_error(s, (int)t->n);
	else if (t->op == OP_DATA)
		fs_data(s, (uint64_t)t->n);
	else if (t->op == OP_URGENT)
		fs_urgent(s, (uint64_t)t->n);
	else if (t->op == OP_EOF)
		fs_eof(s);
	else if (t->op == OP_ROOM)
		fs_room(s, t->n < 0 ? ROOM_AUTO : (uint64_t)t->n);
	else
		s->told = t->n < 0 ? ROOM_AUTO : (uint64_t)t->n;
	return true;
}

/* What the program did to the socket */
static bool host_check(struct run *r, const struct step *t, struct fsock *s)
{
	uint64_t was = cur(r)->host_got;

	if (!settle(r))
		return false;
	if (!s)
		return STEP_OK(false, r, "there never was a socket");
	if (t->op == OP_GOT) {
		cur(r)->host_got = s->tx_taken;
		return STEP_OK(s->tx_taken - was == (uint64_t)t->n, r, "it got %llu bytes",
			       (unsigned long long)(s->tx_taken - was));
	}
	if (t->op == OP_SHUTDOWN)
		return STEP_OK(s->shutdowns == 1, r, "shutdown(SHUT_WR) was not called");
	if (t->op == OP_NO_SHUTDOWN)
		return STEP_OK(!s->shutdowns, r, "shutdown(SHUT_WR) was called");
	if (t->op == OP_UNREAD)
		return STEP_OK(s->rx_have - s->rx_read == (uint64_t)t->n, r, "%llu bytes are in the queue",
			       (unsigned long long)(s->rx_have - s->rx_read));
	if (t->op == OP_OPEN)
		return STEP_OK(s->fd != NOBODY, r, "socket is closed");
	return STEP_OK(s->fd == NOBODY, r, "socket is still open") &&
	       STEP_OK(s->reset == (t->op == OP_RESET), r, s->reset ? "closed with a reset" : "closed without a reset");
}

static bool flow_step(struct run *r, const struct step *t)
{
	const struct flow *f;
	uint64_t woken;
	unsigned n = 0;

	if (!settle(r))
		return false;
	f = run_flow(r, cur(r));
	if (t->op == OP_GONE)
		return STEP_OK(!f, r, "it is there, in state %s", tcp_state_name[f->tcp.state]);
	if (t->op == OP_STATE)
		return STEP_OK(f && !strcmp(tcp_state_name[f->tcp.state], t->word), r, "its state is %s",
			       f ? tcp_state_name[f->tcp.state] : "gone");
	if (t->op == OP_COUNT) {
		for (uint32_t i = 0; i < r->c.flows.unused; i++) {
			f = &r->c.flows.f[i];
			n += f->type != FLOW_FREE && !f->dead && f->guest == r->guest;
		}
		return STEP_OK(n == (unsigned)t->n, r, "there are %u", n);
	}
	woken = world.wakeups - r->woken;
	r->woken = world.wakeups;
	if (t->op == OP_WAKEUPS)
		return STEP_OK(woken <= (uint64_t)t->n ||
			       !company_sleeps(r), r, "%llu times", (unsigned long long)woken);
	if (!step_unexpected(r) || !run_until(r, world.now + (uint64_t)t->n * SEC, false) || !step_unexpected(r))
		return false;
	r->t0 = world.now;
	woken = world.wakeups - r->woken;
	r->woken = world.wakeups;
	return STEP_OK(!woken || !company_sleeps(r), r, "woken %llu times", (unsigned long long)woken);
}

/* As Status has it: object and member, "tcp_resets_sent" */
static const struct counter *counter_named(const char *word)
{
	char name[64];

	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++) {
		const struct counter *k = &counters[i];

		snprintf(name, sizeof(name), "%s_%s", k->object, k->member ? k->member : "");
		if (!strcmp(name, word))
			return k;
	}
	return NULL;
}

static bool counter_step(struct run *r, const struct step *t)
{
	const struct counter *k = counter_named(t->word);
	uint64_t n;

	if (!settle(r))
		return false;
	if (!k)
		return run_fail(r, "there is no such counter");
	n = counter_value(&r->c, k, NULL);
	return STEP_OK(n == (uint64_t)t->n || (n > (uint64_t)t->n && !company_sleeps(r)), r, "it is %llu",
		       (unsigned long long)n);
}

/* A rule before all others, and for flows that are there */
static void deny_now(struct run *r, const char *rule)
{
	char rules[sizeof(r->s->policy) + 64];

	snprintf(rules, sizeof(rules), "deny %.32s\n%s", rule, r->s->policy);
	run_rules(r, r->v.guest, rules);
	egress_end_refused(&r->c);
}

/* What the user does, by way of the control socket: in a turn of the loop */
static bool ask_step(struct run *r, const struct step *t)
{
	const struct ask_question *q;
	unsigned n = 0;

	if (!settle(r))
		return false;
	q = ask_after(&r->c, 0);
	for (const struct ask_question *next = q; next; next = ask_after(&r->c, next->id))
		n += next->guest == r->guest;
	if (t->op == OP_QUESTIONS)
		return STEP_OK(n == (unsigned)t->n, r, "there are %u", n);
	if (t->op == OP_RULES) {
		ask_renew(&r->c);
	} else if (t->op == OP_NOW) {
		deny_now(r, t->word);
	} else {
		if (!q)
			return STEP_OK(false, r, "there is no question");
		for (enum ask_word w = ASK_ONCE; w < ASK_WORDS; w++)
			if (!strcmp(ask_word_name[w], t->word))
				ask_answer(&r->c, q->id, w);
	}
	input_asked(&r->c);
	loop_end(&r->c);
	return true;
}

static bool conn_step(struct run *r, const struct step *t)
{
	uint32_t isn = cur(r)->g_isn;

	if (t->n != (int64_t)r->cur)
		r->cur = (unsigned)t->n;
	if (t->has_end)
		conn_init(r, r->cur, &t->end);
	else if (t->flag)
		conn_init(r, r->cur, NULL);
	if (t->flag) {
		cur(r)->g_isn = isn + 100000;
		cur(r)->reused = true;
	}
	return true;
}

static bool run_step(struct run *r, const struct step *t)
{
	switch (t->op) {
	case OP_SEND:
		return step_advance(r, t) && send_step(r, t);
	case OP_DGRAM:
		return dgram_step(r, t);
	case OP_TOO_BIG:
		if (!step_advance(r, t) || !step_unexpected(r))
			return false;
		guest_too_big(r, cur(r), t->m == ABSENT ? IPPROTO_UDP : IPPROTO_TCP, (uint32_t)t->n, (uint32_t)t->m,
			      t->flag);
		return true;
	case OP_EXPECT:
		return expect_cut(r, t);
	case OP_EXPECT_BYTES:
		return expect_bytes(r, t);
	case OP_ACKS:
		return expect_acks(r, t);
	case OP_NOTHING:
		return step_advance(r, t) && settle(r) && step_unexpected(r);
	case OP_CONNECT:
		return step_advance(r, t) && host_connect(r, t);
	case OP_ACCEPT:
		return step_advance(r, t) && step_unexpected(r) && host_accept(r, t);
	case OP_FAIL:
		return step_advance(r, t) && host_fail(r, t);
	case OP_WRITABLE: case OP_ERROR: case OP_DATA: case OP_URGENT: case OP_EOF: case OP_ROOM: case OP_TOLD:
		return step_advance(r, t) && host_act(r, t, host_sock(r));
	case OP_GOT: case OP_SHUTDOWN: case OP_NO_SHUTDOWN: case OP_UNREAD: case OP_OPEN: case OP_CLOSED: case OP_RESET:
		return step_advance(r, t) && host_check(r, t, host_sock(r));
	case OP_UP:
		if (!step_advance(r, t) || !step_unexpected(r))
			return false;
		guest_announce(r);
		return true;
	case OP_LINK:
		if (!step_advance(r, t) || !step_unexpected(r))
			return false;
		tap_sim_room(t->n < 0 ? ROOM_AUTO : (uint64_t)t->n);
		return true;
	case OP_GONE: case OP_STATE: case OP_COUNT: case OP_SLEEP: case OP_WAKEUPS:
		return step_advance(r, t) && flow_step(r, t);
	case OP_CONN:
		return step_advance(r, t) && conn_step(r, t);
	case OP_COUNTER:
		return step_advance(r, t) && counter_step(r, t);
	case OP_ANSWER: case OP_QUESTIONS: case OP_RULES: case OP_NOW:
		return step_advance(r, t) && ask_step(r, t);
	}
	return false;
}

bool run_steps(struct run *r, const struct script *s)
{
	for (unsigned i = 0; i < s->n && !r->failed; i++) {
		if (s == r->s) {
			r->line = s->step[i].line;
			if (i == s->n / 2)
				company_middle(r);
		}
		run_step(r, &s->step[i]);
	}
	return !r->failed && settle(r) && step_unexpected(r);
}

bool run_script(struct run *r)
{
	return run_steps(r, r->s) && company_end(r);
}
