/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LDFLAGS: -Wl,--wrap=log_at */
/* fuzz_control.c - what a client sends: what is answered is Varlink, whatever it is
 *
 * Input: calls, NUL behind each. The table of rules is a simple one here: port 1 can't be had, port 2 not even be
 * asked for. Ten flows are there, and three wait for an answer. A client that waits for events gets one for each turn
 * it waits.
 */

#include <stdarg.h>
#include <stdlib.h>

#include "../../control.c"
#include "../../control_call.c"

#define CHECK(x)	do { if (!(x)) __builtin_trap(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __wrap_log_at(int level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What is below */

void __wrap_log_at(int level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static const char *state(const struct flow *f)
{
	return tcp_state_name[f->tcp.state];
}

static const struct flow_ops verbs[] = {
	{ .type = FLOW_TCP, .name = { "tcp", "tcp" }, .state = state },
	{ .type = FLOW_SPLICE, .name = { "tcp", "tcp" }, .spliced = true, .state = state },
};

void attach_drop(struct ctx *c, const struct guests *guests)
{
	(void)c, (void)guests;
}

bool guest_heard(const struct guest *g)
{
	(void)g;
	return false;
}

uint64_t guest_drops(const struct guest *g)
{
	return g->drops[DROP_POLICY];
}

void auto_again(struct ctx *c)
{
	(void)c;
}

int ev_add(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events)
{
	(void)epfd, (void)fd, (void)type, (void)idx, (void)gen, (void)events;
	return 0;
}

int ev_mod(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events)
{
	return ev_add(epfd, fd, type, idx, gen, events);
}

void fwd_table(const struct fwd *fwd, struct rules *t)
{
	*t = (struct rules){ .run_time = true };
	for (const struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++)
		t->rule[t->n++] = fr->r;
}

int fwd_rule_possible(const struct net *c, const struct rule *r)
{
	(void)c;
	return r->first != 2 ? 0 : r->proto == IPPROTO_TCP ? -EAFNOSUPPORT : -EPROTONOSUPPORT;
}

int fwd_replace(struct fwd *fwd, const struct net *c, const struct rules *t, struct fwd_failure *why)
{
	(void)c;
	CHECK(t->n <= RULES_MAX);
	for (unsigned i = 0; i < t->n; i++) {
		const struct rule *r = &t->rule[i];

		CHECK(r->first && r->first <= r->last && r->to && r->to + (r->last - r->first) <= UINT16_MAX);
		CHECK(memchr(r->ifname, '\0', sizeof(r->ifname)));
		*why = (struct fwd_failure){ .rule = i, .port = r->first };
		if (r->first == 1 && !r->weak)
			return -EADDRINUSE;
	}
	fwd->nrules = t->n;
	for (unsigned i = 0; i < t->n; i++)
		fwd->rule[i] = (struct fwd_rule){ .r = t->rule[i], .id = ++fwd->last_id };
	return 0;
}

/* A packet waits if its question does, and comes back once */
static unsigned waiting;

void input_asked(struct ctx *c)
{
	uint8_t frame[ASK_ROOM];
	struct raw raw;

	while (ask_next(&c->guest[0], frame, &raw)) {
		CHECK(raw.len == ETH_HLEN + 40 && waiting);
		waiting--;
	}
}

static void wait_begin(struct ctx *c, const struct end *to)
{
	uint8_t head[40] = { 0 };
	struct iovec iov = { head, sizeof(head) };
	const struct pkt p = {
		.proto = IPPROTO_TCP, .src = { addr_any4, 1 }, .dst = *to, .ip = { &iov, 1, 0, sizeof(head) },
	};

	CHECK(ask_judge(c, &c->guest[0], IPPROTO_TCP, to, to->port == 3 ? "example.com" : NULL, &p, "tcp/any") ==
	      DROP_WAITS);
	waiting++;
}

static void check_questions(const struct ctx *c)
{
	unsigned n = 0;

	for (const struct ask_question *q = ask_after(c, 0); q; q = ask_after(c, q->id))
		n++;
	CHECK(n == waiting);
}

void udp_listeners_gone(struct ctx *c)
{
	(void)c;
}

bool udp_make_way(struct ctx *c, const struct rules *t)
{
	(void)c;
	CHECK(t->n);
	return true;
}

/* Answers, as they were sent */
static char sent[4 << 20];
static size_t sent_len;

/* A rule about destinations is one that the command line would take */
static void check_policy_rule(const char *v)
{
	static struct policy p;
	char text[512];

	p.nrules = p.nranges = 0;
	CHECK(json_is(json_member(v, "verdict"), "allow") || json_is(json_member(v, "verdict"), "deny") ||
	      json_is(json_member(v, "verdict"), "ask"));
	CHECK(json_get_str(json_member(v, "rule"), text, sizeof(text)) && strlen(text) <= TEXT_SHOWN);
	CHECK(strlen(text) == TEXT_SHOWN || !policy_add(&p, DENY, text, NULL));
}

/* All of the metrics, in one string */
static void check_metrics(const char *v)
{
	static char text[64 << 10];
	size_t len;

	CHECK(json_get_str(v, text, sizeof(text)));
	len = strlen(text);
	CHECK(len > 6 && !strcmp(text + len - 6, "# EOF\n") && !strncmp(text, "# TYPE passt_", 13));
}

static void check_answer(const char *s, size_t len)
{
	const char *v = json_read(s, len), *p = json_member(v, "parameters"), *m;
	char text[RULE_STRLEN];
	static struct rules t;
	bool b;

	CHECK(json_type(v) == JSON_OBJECT && json_type(p) == JSON_OBJECT);
	m = json_member(v, "error");
	CHECK(!m || json_type(m) == JSON_STRING);
	m = json_member(v, "continues");
	CHECK(!m || (json_get_bool(m, &b) && b));
	if (json_member(p, "text"))
		check_metrics(json_member(p, "text"));
	for (m = json_first(json_member(p, "events")); m; m = json_next(m))
		CHECK(json_is(json_member(m, "event"), "deny") || json_is(json_member(m, "event"), "lost"));
	for (m = json_first(json_member(p, "rules")); m; m = json_next(m)) {	/* each has a value that makes it */
		if (json_member(m, "verdict")) {
			check_policy_rule(m);
			continue;
		}
		CHECK(json_get_str(json_member(m, "option"), text, sizeof(text)));
		t = (struct rules){ .run_time = true };
		CHECK(json_member(m, "value"));
		if (strchr("tu", text[0]) && json_get_str(json_member(m, "value"), text + 2, sizeof(text) - 2))
			CHECK(!conf_ports(&t, MODE_PASTA, text[0], text + 2) && t.n == 1);
	}
}

static void check_answers(void)
{
	const char *s = sent, *nul;

	while (s < sent + sent_len) {
		nul = memchr(s, '\0', (size_t)(sent + sent_len - s));
		CHECK(nul);
		check_answer(s, (size_t)(nul - s));
		s = nul + 1;
	}
}

/* Something is denied */
static void an_event(struct ctx *c)
{
	const struct end to = { .port = 443 };

	flow_log_verdict(c, &(struct flow_note){ .event = FLOW_DENY, .proto = IPPROTO_TCP, .g = &c->guest[0],
						 .to = &to, .rule = "any", .reason = "\"" });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf conf = { .mode = MODE_PASTA, .ask_timeout = 1 };
	struct client *cl = &ct.client[0];
	static struct ctx ctx = { .guests = 1 };
	unsigned calls = 0;
	bool ok = true;

	if (size > 65536)
		return 0;
	ctx.fwd = (struct fwd){ .nrules = 0 };
	flow_log_init(&ctx);
	ctx.net.cf = &conf;
	wheel_init(&ctx.wheel, 0);
	ask_start(&ctx);
	egress_set(&ctx, NULL);
	waiting = 0;
	for (uint16_t i = 1; i <= 3; i++)
		wait_begin(&ctx, &(struct end){ addr_any4, i });
	ctx.net.ip[V4].on = ctx.net.ip[V6].on = true;
	flows_init(&ctx.flows);
	for (unsigned i = 0; i < 10; i++) {
		struct flow *f = flow_alloc(&ctx.flows, &verbs[i % 2], 0, 0);

		if (i % 2 == 0)
			f->tcp.state = TCP_ESTABLISHED;
	}

	memset(cl, 0, offsetof(struct client, in));	/* what is behind it is large, and written before it is read */
	cl->fd = -1;
	cl->out = (struct json_out){ .b = cl->buf, .max = sizeof(cl->buf) };
	memcpy(cl->in, data, size);
	cl->in_len = (uint32_t)size;
	sent_len = 0;
	while (ok && (cl->call.busy || next_call(cl) >= 0) && calls++ < 200) {
		if (cl->call.busy && cl->call.waits && ctx.flow_log.clients)
			an_event(&ctx);
		ok = client_answer(&ctx, cl);
		CHECK(!cl->out.full && cl->in_at + cl->in_len == size);
		CHECK(sent_len + cl->out.len <= sizeof(sent));
		memcpy(sent + sent_len, cl->buf, cl->out.len);
		sent_len += cl->out.len;
		cl->out.len = 0;
	}
	if (!cl->call.busy || cl->call.waits)
		check_answers();
	call_drop(&ctx, &cl->call);
	CHECK(!ctx.flow_log.clients && !ctx.flow_log.on);
	check_questions(&ctx);
	return 0;
}
