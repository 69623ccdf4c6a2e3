/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_call.c - messages on the control socket: the interface that all Varlink services have, and
 * org.passt.control
 *
 * Lists are written element by element, as long as the buffer surely has room for one, and continued when the client
 * has taken them. A rule or flow that exists all along is in a list exactly once; one that comes or goes meanwhile may
 * be missing.
 *
 * A change is made on a copy of the table of rules, step by step. The copy replaces the table as a whole, or not at
 * all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "attach.h"
#include "auto.h"
#include "control.h"
#include "counters.h"
#include "egress.h"
#include "input.h"
#include "names.h"
#include "opt.h"
#include "udp.h"

#define NAME_LEN	256		/* of a method; names in errors are cut to this, too */
#define VALUE_MAX	8192		/* of an option; as part of an error, VALUE_SHOWN */
#define VALUE_SHOWN	512
#define SCAN		4096		/* entries of the flow table visited in a turn */

#define SERVICE		"org.varlink.service"
#define ERROR(name)	CONTROL_INTERFACE "." name

/* Both interfaces in Varlink's language */
__asm__(".pushsection .rodata\n"
	"service_description: .incbin \"doc/org.varlink.service.varlink\"\n.byte 0\n"
	"control_description: .incbin \"doc/org.passt.control.varlink\"\n.byte 0\n"
	".popsection");
extern const char service_description[], control_description[] __attribute__((visibility("hidden")));

static const struct interface {
	const char *name, *description;
} interfaces[] = {
	{ SERVICE, service_description },
	{ CONTROL_INTERFACE, control_description },
};

/* An answer, or an error: its parameters are written in between. The end may be written turns after the beginning. */
static void reply_begin(struct json_out *o)
{
	json_open(o, NULL, '{');
	json_open(o, "parameters", '{');
}

static void reply_end(struct json_out *o, bool continues)
{
	json_close(o, '}');
	if (continues)
		json_bool(o, "continues", true);
	json_close(o, '}');
	json_nul(o);
}

static void reply_error(struct json_out *o, const char *error)
{
	json_open(o, NULL, '{');
	json_str(o, "error", error);
	json_open(o, "parameters", '{');
}

static void reply_service_error(struct json_out *o, const char *error, const char *name, const char *value)
{
	reply_error(o, error);
	if (name)
		json_str(o, name, value);
	reply_end(o, false);
}

static void reply_invalid(struct json_out *o, const char *parameter)
{
	reply_service_error(o, SERVICE ".InvalidParameter", "parameter", parameter);
}

/* Name of the first member of an object that is none of @n names, or NULL */
static const char *unknown_member(const char *v, const char *const *names, unsigned n)
{
	static char name[NAME_LEN];
	unsigned i;

	for (v = json_first(v); v; v = json_next(json_value(v))) {
		for (i = 0; i < n && !(names[i] && json_is(v, names[i])); i++)
			;
		if (i == n)
			return json_get_str(v, name, sizeof(name)) ? name : "";
	}
	return NULL;
}

/* The interface of every service (varlink.org) */

static const struct interface *find_interface(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(interfaces); i++) {
		if (!strcmp(interfaces[i].name, name))
			return &interfaces[i];
	}
	return NULL;
}

static void get_info(struct ctx *c, struct control_call *call, struct json_out *o)
{
	(void)call;
	reply_begin(o);
	json_str(o, "vendor", "passt");
	json_str(o, "product", conf_name(c->net.cf));
	json_str(o, "version", opts_version_text);
	json_str(o, "url", "");
	json_open(o, "interfaces", '[');
	for (unsigned i = 0; i < ARRAY_SIZE(interfaces); i++)
		json_str(o, NULL, interfaces[i].name);
	json_close(o, ']');
	reply_end(o, false);
}

static void get_description(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const struct interface *it;
	char name[NAME_LEN];

	(void)c;
	if (!json_get_str(json_member(call->parameters, "interface"), name, sizeof(name))) {
		reply_invalid(o, "interface");
	} else if (!(it = find_interface(name))) {
		reply_service_error(o, SERVICE ".InterfaceNotFound", "interface", name);
	} else {
		reply_begin(o);
		json_str(o, "description", it->description);
		reply_end(o, false);
	}
}

/* Rules */

static bool room(const struct json_out *o)
{
	return o->max - o->len >= CONTROL_ROOM;
}

/* The rule that was added next after the one with this ID, or NULL */
static const struct fwd_rule *rule_after(const struct fwd *fwd, uint32_t id)
{
	const struct fwd_rule *next = NULL;

	for (const struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++) {
		if (fr->id > id && (!next || fr->id < next->id))
			next = fr;
	}
	return next;
}

static void put_rule(struct json_out *o, const struct fwd_rule *fr)
{
	char text[RULE_STRLEN], a[ADDR_STRLEN];
	const struct rule *r = &fr->r;

	rule_fmt(r, text);			/* "-t VALUE" */
	text[2] = '\0';

	json_open(o, NULL, '{');
	json_int(o, "id", fr->id);
	json_str(o, "protocol", proto_text(r->proto));
	json_str(o, "direction", r->outward ? "out" : "in");
	json_str(o, "option", text + 1);
	json_str(o, "value", text + 3);
	if (!r->any)
		json_str(o, "address", addr_fmt(&r->addr, a));
	if (r->ifname[0])
		json_str(o, "interface", r->ifname);
	json_int(o, "first", r->first);
	json_int(o, "last", r->last);
	json_int(o, "to", r->to);
	if (!addr_is_unspec(&r->to_addr))
		json_str(o, "to_address", addr_fmt(&r->to_addr, a));
	if (r->to_name[0])
		json_str(o, "to_name", r->to_name);
	json_bool(o, "weak", r->weak);
	json_bool(o, "automatic", r->automatic);
	json_int(o, "accepted", (int64_t)fr->accepted);
	json_close(o, '}');
}

static void list_rules(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const struct fwd_rule *fr;

	if (!call->busy) {
		reply_begin(o);
		json_open(o, "rules", '[');
	}
	while ((fr = rule_after(&c->fwd, call->at)) && room(o)) {
		put_rule(o, fr);
		call->at = fr->id;
	}
	call->busy = fr || !room(o);
	if (!call->busy) {
		json_close(o, ']');
		reply_end(o, false);
	}
}

/* Change */

enum action { ADD, DELETE, CLEAR };

struct step {
	enum action	action;
	char		letter;			/* 0: by @id */
	int64_t		id;
	char		value[VALUE_MAX];
};

/* The new table; and the rules that a step names */
static struct rules want, named;

/* False, and the error is written, if @v is no step */
static bool read_step(const char *v, struct step *s, struct json_out *o)
{
	static const char *const members[] = { "action", "option", "value", "id" };
	const char *bad = json_type(v) == JSON_OBJECT ? unknown_member(v, members, ARRAY_SIZE(members)) : "steps";
	const char *m[ARRAY_SIZE(members)];
	char letter[2] = "";

	if (bad) {
		reply_invalid(o, bad);
		return false;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(members); i++)
		m[i] = json_member(v, members[i]);
	s->action = json_is(m[0], "add") ? ADD : json_is(m[0], "delete") ? DELETE : CLEAR;
	s->value[0] = '\0';
	if (s->action == CLEAR && !json_is(m[0], "clear"))
		bad = "action";
	else if (m[3] && (s->action != DELETE || !json_get_int(m[3], &s->id)))
		bad = "id";
	else if (!m[1] == !m[3] || (m[1] && !(json_get_str(m[1], letter, 2) && *letter && strchr("tuTU", *letter))))
		bad = "option";
	else if (!m[2] != (s->action == CLEAR || m[3]) || (m[2] && !json_get_str(m[2], s->value, VALUE_MAX)))
		bad = "value";
	s->letter = letter[0];
	if (bad)
		reply_invalid(o, bad);
	return !bad;
}

/* Error about step @n, with a port and a reason unless they are 0 and NULL; returns false */
static bool step_error(struct json_out *o, const char *error, unsigned n, struct step *s, uint16_t port,
		       const char *why)
{
	char letter[2] = { s->letter, '\0' };

	reply_error(o, error);
	json_int(o, "step", n);
	if (!s->letter) {
		json_int(o, "id", s->id);
	} else {
		s->value[VALUE_SHOWN] = '\0';
		json_str(o, "option", letter);
		json_str(o, "value", s->value);
	}
	if (port)
		json_int(o, "port", port);
	if (why)
		json_str(o, "reason", why);
	reply_end(o, false);
	return false;
}

/* The reason why rules in @named are impossible, whatever the table, or NULL */
static const char *not_here(const struct ctx *c)
{
	for (const struct rule *r = named.rule; r < named.rule + named.n; r++) {
		const char *why = conf_target(c->net.cf, r);

		if (why)
			return why;
		switch (fwd_rule_possible(&c->net, r)) {
		case -EPROTONOSUPPORT:
			return r->proto == IPPROTO_TCP ? "no TCP here, it is switched off" :
							 "no UDP here, it is switched off";
		case -EAFNOSUPPORT:
			return r->any ? "no network here" : addr_is_v4(&r->addr) ? "no IPv4 here" : "no IPv6 here";
		case -ENETUNREACH:
			return "the guest's loopback can't be reached over the link, and nothing is spliced here";
		}
	}
	return NULL;
}

static struct rule *find_rule(struct rules *t, const struct rule *r)
{
	for (struct rule *at = t->rule; at < t->rule + t->n; at++) {
		if (rule_same(at, r))
			return at;
	}
	return NULL;
}

/* Takes @named out of @want: false if one of these rules is missing, or @named empty */
static bool delete_named(const struct step *s)
{
	struct rule *r;

	for (unsigned i = 0; i < named.n; i++) {
		r = find_rule(&want, &named.rule[i]);
		if (!r)
			return false;
		memmove(r, r + 1, (size_t)(want.rule + --want.n - r) * sizeof(*r));
	}
	return named.n || !strcmp(s->value, "none");
}

/* Applies a step to @want: false, and the error is written, if that is impossible */
static bool do_step(const struct ctx *c, unsigned n, struct step *s, struct json_out *o)
{
	const struct fwd_rule *fr;
	const char *why = NULL;

	named.n = 0;
	named.run_time = true;
	named.lan = want.lan = c->net.cf->lan.on;
	if (!s->letter) {
		fr = s->id > 0 && s->id <= UINT32_MAX ? rule_after(&c->fwd, (uint32_t)s->id - 1) : NULL;
		if (fr && fr->id == s->id)
			named.rule[named.n++] = fr->r;
	} else if (s->action != CLEAR) {
		why = conf_ports(&named, c->net.cf->mode, s->letter, s->value);
	}
	if (!why && s->action == ADD)
		why = not_here(c);
	if (!why && s->action != DELETE)
		why = conf_ports(&want, c->net.cf->mode, s->letter, s->action == CLEAR ? "none" : s->value);
	if (why)
		return step_error(o, ERROR("InvalidRule"), n, s, 0, why);
	if (s->action == DELETE && !delete_named(s))
		return step_error(o, ERROR("NoSuchRule"), n, s, 0, NULL);
	return true;
}

/* A rule of @want failed: the error is about the last step that added it */
static void report_failure(const struct ctx *c, const char *steps, const struct fwd_failure *f, int rc,
			   struct json_out *o)
{
	static struct step s, last;
	unsigned at = 0, n = 0;
	char text[RULE_STRLEN], why[RULE_TEXT_MAX + 96];

	rule_fmt(&want.rule[f->rule], text);	/* if no step did */
	last = (struct step){ .letter = text[1] };
	memcpy(last.value, text + 3, sizeof(text) - 3);
	for (const char *v = json_first(steps); v; v = json_next(v), n++) {
		struct json_out none = { 0 };

		named.n = 0;
		if (read_step(v, &s, &none) && s.action == ADD &&
		    !conf_ports(&named, c->net.cf->mode, s.letter, s.value) && find_rule(&named, &want.rule[f->rule])) {
			last = s;
			at = n;
		}
	}
	if (f->in_the_way.first) {
		snprintf(why, sizeof(why), RULE_OVERLAP, (unsigned)f->port, rule_text(&f->in_the_way));
		step_error(o, ERROR("InvalidRule"), at, &last, 0, why);
	} else {
		step_error(o, ERROR("BindFailed"), at, &last, f->port, errno_text(-rc));
	}
}

/* @want becomes the table: 0, or -errno and @why */
static int replace(struct ctx *c, struct fwd_failure *why)
{
	int rc = fwd_replace(&c->fwd, &c->net, &want, why);

	udp_listeners_gone(c);
	return rc;
}

static void change(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const char *steps = json_member(call->parameters, "steps");
	static struct step s;
	struct fwd_failure f;
	unsigned n = 0;
	int rc;

	if (json_type(steps) != JSON_ARRAY) {
		reply_invalid(o, "steps");
		return;
	}
	fwd_table(&c->fwd, &want);
	for (const char *v = json_first(steps); v; v = json_next(v)) {
		if (!read_step(v, &s, o) || !do_step(c, n++, &s, o))
			return;
	}
	rc = replace(c, &f);
	if (rc == -EADDRINUSE && want.rule[f.rule].proto == IPPROTO_UDP && udp_make_way(c, &want))
		rc = replace(c, &f);
	if (rc) {
		report_failure(c, steps, &f, rc, o);
		return;
	}
	auto_again(c);
	reply_begin(o);
	reply_end(o, false);
}

/* Egress policy */

#define TEXT_SHOWN	400		/* bytes of a rule: those of one are in CONTROL_ROOM */

static void put_policy_rule(struct json_out *o, const struct policy_rule *r)
{
	json_open(o, NULL, '{');
	json_str(o, "verdict", verdict_name[r->verdict]);
	json_str_cut(o, "rule", r->text, TEXT_SHOWN);
	if (r->reason)
		json_str(o, "reason", r->reason);
	json_int(o, "flows", (int64_t)r->hits);
	json_close(o, '}');
}

static void list_policy(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const struct policy *p = c->egress.policy;
	unsigned n = p ? p->nrules : 0;

	reply_begin(o);
	json_str(o, "egress", egress_name[p ? p->egress : EGRESS_OPEN]);
	json_int(o, "flows", (int64_t)(p ? p->hits : 0));
	json_open(o, "rules", '[');
	while (call->at < n && room(o))
		put_policy_rule(o, &p->rule[call->at++]);
	call->busy = call->at < n;
	json_close(o, ']');
	reply_end(o, call->busy);
}

static void set_policy(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const char *text = json_member(call->parameters, "text"), *now = json_member(call->parameters, "now"), *why;
	struct policy *p = policy_new(c->egress.policy);
	unsigned line, ended = 0;
	bool end = false;

	if (!json_get_str(text, p->text, sizeof(p->text))) {
		reply_invalid(o, "text");
		return;
	}
	if (now && !json_get_bool(now, &end)) {
		reply_invalid(o, "now");
		return;
	}
	why = policy_lines(p, p->text, strlen(p->text), &line);
	if (why) {
		reply_error(o, ERROR("InvalidPolicy"));
		json_int(o, "line", line);
		json_str(o, "reason", why);
		reply_end(o, false);
		return;
	}
	policy_compile(p);
	egress_set(c, p);
	if (end)
		ended = egress_end_refused(c);
	input_asked(c);
	reply_begin(o);
	json_int(o, "ended", ended);
	reply_end(o, false);
}

/* Questions */

static void put_place(struct json_out *o, const struct ask_place *p)
{
	char a[ADDR_STRLEN];

	json_str(o, "protocol", proto_text(p->proto));
	json_str(o, "address", addr_fmt(&p->to.a, a));
	json_int(o, "port", p->to.port);
	if (p->name[0])
		json_str(o, "name", p->name);
}

/* One by one, without an end: the next one may be asked any time later */
static void list_questions(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const struct ask_question *q = ask_after(c, call->last);

	call->busy = true;
	call->waits = !q;
	if (!q)
		return;
	call->last = q->id;
	reply_begin(o);
	json_open(o, "question", '{');
	json_int(o, "id", (int64_t)q->id);
	put_place(o, &q->place);
	json_str_cut(o, "rule", q->rule, TEXT_SHOWN);
	json_int(o, "left", (int64_t)(MAX(q->timer.due, c->now) - c->now));
	json_close(o, '}');
	reply_end(o, true);
}

static void take_answer(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const char *word = json_member(call->parameters, "answer");
	enum ask_word w = ASK_ONCE;
	int64_t id;

	while (w < ASK_WORDS && !json_is(word, ask_word_name[w]))
		w++;
	if (w == ASK_WORDS) {
		reply_invalid(o, "answer");
	} else if (!json_get_int(json_member(call->parameters, "id"), &id)) {
		reply_invalid(o, "id");
	} else if (id <= 0 || !ask_answer(c, (uint64_t)id, w)) {
		reply_error(o, ERROR("NoSuchQuestion"));
		json_int(o, "id", id);
		reply_end(o, false);
	} else {
		input_asked(c);
		reply_begin(o);
		reply_end(o, false);
	}
}

/* Those that hold */
static void list_answers(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const struct ask_known *k;

	reply_begin(o);
	json_open(o, "answers", '[');
	while ((k = ask_known_after(c, call->last)) && room(o)) {
		json_open(o, NULL, '{');
		put_place(o, &k->place);
		json_str(o, "answer", ask_word_name[k->word]);
		json_close(o, '}');
		call->last = k->id;
	}
	call->busy = k;
	json_close(o, ']');
	reply_end(o, k);
}

/* Flows */

#define FLOW_RULE_SHOWN	128		/* bytes of a rule */

static void put_end(struct json_out *o, const char *name, const struct end *e)
{
	char a[ADDR_STRLEN];

	json_open(o, name, '{');
	json_str(o, "address", addr_fmt(&e->a, a));
	json_int(o, "port", e->port);
	json_close(o, '}');
}

static void put_side(struct json_out *o, const char *name, const struct side *s)
{
	json_open(o, name, '{');
	put_end(o, "remote", &s->peer);
	put_end(o, "local", &s->our);
	json_close(o, '}');
}

/* Name that the guest knows the other end by, or NULL */
static const char *flow_name(struct ctx *c, const struct flow *f)
{
	if (f->decision.grant)
		return names_text(f->decision.grant);
	return f->egress ? names_of(c, flow_guest(c, f), &f->side[HOST].peer.a) : NULL;
}

static void put_flow(struct ctx *c, struct json_out *o, const struct flow *f)
{
	char buf[EGRESS_STRLEN];
	const char *rule, *name;

	if (f->type == FLOW_FREE || f->dead || !f->ops->state)
		return;
	json_open(o, NULL, '{');
	json_str(o, "protocol", f->ops->name[addr_family(&f->side[GUEST].peer.a)]);
	json_bool(o, "spliced", f->ops->spliced);
	json_str(o, "state", f->ops->state(f));
	put_side(o, "guest", &f->side[GUEST]);
	put_side(o, "host", &f->side[HOST]);
	json_int(o, "from_guest", (int64_t)f->bytes[GUEST]);
	json_int(o, "to_guest", (int64_t)f->bytes[HOST]);
	json_int(o, "age", (int64_t)(c->now - f->created));
	json_int(o, "id", f->id);
	json_str(o, "direction", f->egress ? "out" : "in");
	name = flow_name(c, f);
	if (name)
		json_str(o, "name", name);
	rule = egress_rule(c, f, buf);
	if (rule)
		json_str_cut(o, "rule", rule, FLOW_RULE_SHOWN);
	json_close(o, '}');
}

static void list_flows(struct ctx *c, struct control_call *call, struct json_out *o)
{
	const struct flows *fs = &c->flows;
	uint32_t end = MIN(fs->unused, call->at + SCAN);

	reply_begin(o);
	json_open(o, "flows", '[');
	while (call->at < end && room(o))
		put_flow(c, o, &fs->f[call->at++]);
	call->busy = call->at < fs->unused;
	json_close(o, ']');
	reply_end(o, call->busy);
}

/* Lines of the flow log from now on, in answers without an end. The first one is empty: none is missing after it. */

static void events_gone(struct ctx *c, struct control_call *call)
{
	(void)call;
	flow_log_leave(c);
}

static void put_events(struct ctx *c, struct flow_reader *r, struct json_out *o)
{
	static char line[FLOW_LOG_LINE];
	size_t len;

	json_open(o, "events", '[');
	while (o->max - o->len > FLOW_LOG_LINE + CONTROL_ROOM && (len = flow_log_next(c, r, line)))
		json_put(o, NULL, line, len);
	json_close(o, ']');
}

static void events(struct ctx *c, struct control_call *call, struct json_out *o)
{
	if (!call->busy) {
		flow_log_join(c, &call->events);
		call->gone = events_gone;
		call->busy = true;
	} else if (call->events.at == c->flow_log.head) {
		call->waits = true;
		return;
	}
	reply_begin(o);
	put_events(c, &call->events, o);
	reply_end(o, true);
	call->waits = call->events.at == c->flow_log.head;
}

static void metrics(struct ctx *c, struct control_call *call, struct json_out *o)
{
	char line[COUNTERS_LINE];

	if (!call->busy) {
		reply_begin(o);
		json_str_open(o, "text");
	}
	call->busy = true;
	while (room(o) && (call->busy = counters_metrics(c, &call->at, line)))
		json_str_add(o, line);
	if (!call->busy) {
		json_str_close(o);
		reply_end(o, false);
	}
}

/* Guests */

#define GUEST_ADDRS	8		/* addresses of one that are shown */

/* Name and addresses of a guest. Return: number of addresses */
static unsigned guest_facts(const struct ctx *c, const struct guest *g, struct addr *a, const char **name)
{
	const struct addr *seen[] = { &g->seen.addr[V4], &g->seen.addr[V6], &g->seen.ll };
	unsigned n = 0;

	*name = NULL;
	if (lan_on(&c->net))
		return lease_facts(&c->leases, g->index, a, GUEST_ADDRS, name);
	for (unsigned i = 0; i < ARRAY_SIZE(seen) && guest_heard(g); i++)
		if (!addr_is_unspec(seen[i]))
			a[n++] = *seen[i];
	return n;
}

static void put_count(struct json_out *o, const char *name, uint64_t frames, uint64_t bytes)
{
	json_open(o, name, '{');
	json_int(o, "frames", (int64_t)frames);
	json_int(o, "bytes", (int64_t)bytes);
	json_close(o, '}');
}

static void put_guest(struct json_out *o, const struct ctx *c, const struct guest *g)
{
	struct mac own = lan_on(&c->net) ? c->lan.e[g->index][0].mac : guest_heard(g) ? g->mac : (struct mac){ 0 };
	char mac[MAC_STRLEN], text[ADDR_STRLEN];
	const struct tap_stats *s = &g->tap.stats, *before = &g->before;
	struct addr a[GUEST_ADDRS];
	const char *name;
	unsigned n = guest_facts(c, g, a, &name);

	json_open(o, NULL, '{');
	json_int(o, "index", g->index);
	if (!mac_is_zero(&own))
		json_str(o, "mac", mac_fmt(&own, mac));
	json_open(o, "addresses", '[');
	for (unsigned i = 0; i < n; i++)
		json_str(o, NULL, addr_fmt(&a[i], text));
	json_close(o, ']');
	if (name)
		json_str(o, "name", name);
	json_str(o, "link", g->tap.ops->name);
	json_int(o, "age", (int64_t)(c->now - g->since));
	put_count(o, "from_guest", s->rx_frames - before->rx_frames, s->rx_bytes - before->rx_bytes);
	put_count(o, "to_guest", s->tx_frames - before->tx_frames, s->tx_bytes - before->tx_bytes);
	json_int(o, "lost", (int64_t)(s->tx_lost - before->tx_lost));
	json_int(o, "dropped", (int64_t)(guest_drops(g) - g->drops_before));
	json_close(o, '}');
}

static void list_guests(struct ctx *c, struct control_call *call, struct json_out *o)
{
	if (!call->busy) {
		reply_begin(o);
		json_open(o, "guests", '[');
	}
	for (; call->at < c->guests && room(o); call->at++)
		if (guests_has(&c->here, call->at))
			put_guest(o, c, &c->guest[call->at]);
	call->busy = call->at < c->guests || !room(o);
	if (!call->busy) {
		json_close(o, ']');
		reply_end(o, false);
	}
}

/* Has the guest this MAC address, or address? */
static bool is_guest(const struct ctx *c, const struct guest *g, const struct mac *mac, const struct addr *a)
{
	struct addr have[GUEST_ADDRS];
	unsigned n = a ? guest_facts(c, g, have, &(const char *){ NULL }) : 0, owner;
	struct mac at;

	if (mac && (mac_eq(mac, &g->mac) || lan_find(&c->lan, mac, c->now) == g->index))
		return true;
	if (a && lan_on(&c->net) && lease_find(&c->leases, a, &owner, &at))
		return owner == g->index;
	while (n && !addr_eq(a, &have[n - 1]))
		n--;
	return n;
}

/* The guest with this index, MAC address, name or address, or NULL */
static struct guest *find_guest(struct ctx *c, const char *text)
{
	size_t len = strlen(text);
	const struct lease *l = lease_named(&c->leases, text, len);
	struct guest *g;
	struct mac mac;
	struct addr a;
	uint64_t n = l ? l->guest : GUEST_MAX;

	if (n < GUEST_MAX || parse_num(text, len, GUEST_MAX - 1, &n))
		return guests_has(&c->here, (unsigned)n) ? &c->guest[n] : NULL;
	for (struct guests set = c->here; (g = guest_next(c, &set));)
		if (is_guest(c, g, mac_parse(text, &mac) ? &mac : NULL, addr_parse(text, len, &a) ? &a : NULL))
			break;
	return g;
}

static void disconnect_guest(struct ctx *c, struct control_call *call, struct json_out *o)
{
	struct guests set = { 0 };
	char name[NAME_LEN];
	struct guest *g;

	if (!json_get_str(json_member(call->parameters, "guest"), name, sizeof(name))) {
		reply_invalid(o, "guest");
		return;
	}
	g = find_guest(c, name);
	if (!g || !mac_is_zero(&c->guest[0].device)) {		/* a namespace stays */
		reply_service_error(o, ERROR("NoSuchGuest"), "guest", name);
		return;
	}
	guests_add(&set, g->index);
	attach_drop(c, &set);
	reply_begin(o);
	reply_end(o, false);
}

static void status(struct ctx *c, struct control_call *call, struct json_out *o)
{
	(void)call;
	reply_begin(o);
	json_str(o, "program", conf_name(c->net.cf));
	json_str(o, "version", opts_version_text);
	json_int(o, "pid", c->pid);
	counters_json(c, o);
	reply_end(o, false);
}

static const struct method {
	const char	*name;
	bool		more;			/* only if called with "more" */
	bool		rules;			/* may be as long as all rules about destinations */
	const char	*parameter[2];		/* NULL: none */
	void		(*fn)(struct ctx *c, struct control_call *call, struct json_out *o);
} methods[] = {
	{ SERVICE ".GetInfo", false, false, { NULL }, get_info },
	{ SERVICE ".GetInterfaceDescription", false, false, { "interface" }, get_description },
	{ CONTROL_INTERFACE ".Rules", false, false, { NULL }, list_rules },
	{ CONTROL_INTERFACE ".Change", false, false, { "steps" }, change },
	{ CONTROL_INTERFACE ".Flows", true, false, { NULL }, list_flows },
	{ CONTROL_INTERFACE ".Events", true, false, { NULL }, events },
	{ CONTROL_INTERFACE ".Metrics", false, false, { NULL }, metrics },
	{ CONTROL_INTERFACE ".Policy", true, false, { NULL }, list_policy },
	{ CONTROL_INTERFACE ".SetPolicy", false, true, { "text", "now" }, set_policy },
	{ CONTROL_INTERFACE ".Questions", true, false, { NULL }, list_questions },
	{ CONTROL_INTERFACE ".Answer", false, false, { "id", "answer" }, take_answer },
	{ CONTROL_INTERFACE ".Answers", true, false, { NULL }, list_answers },
	{ CONTROL_INTERFACE ".ListGuests", false, false, { NULL }, list_guests },
	{ CONTROL_INTERFACE ".DisconnectGuest", false, false, { "guest" }, disconnect_guest },
	{ CONTROL_INTERFACE ".Status", false, false, { NULL }, status },
};

/* NULL, and the error is written, if there is none of this name */
static const struct method *find_method(char *name, struct json_out *o)
{
	char *dot = strrchr(name, '.');

	for (unsigned i = 0; i < ARRAY_SIZE(methods); i++) {
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	}
	if (dot)
		*dot = '\0';
	if (!dot || !find_interface(name)) {
		reply_service_error(o, SERVICE ".InterfaceNotFound", "interface", dot ? name : "");
		return NULL;
	}
	*dot = '.';
	reply_service_error(o, SERVICE ".MethodNotFound", "method", name);
	return NULL;
}

/* False if the member is there, and no boolean */
static bool get_flag(const char *call, const char *name, bool *flag)
{
	const char *v = json_member(call, name);

	return json_get_bool(v, flag) || !v;
}

bool control_call(struct ctx *c, struct control_call *call, const char *v, struct json_out *o)
{
	const char *unknown, *p = json_member(v, "parameters");
	const struct method *m;
	char name[NAME_LEN];
	bool upgrade;

	*call = (struct control_call){ .parameters = p };
	if (!json_get_str(json_member(v, "method"), name, sizeof(name)) || !get_flag(v, "more", &call->more) ||
	    !get_flag(v, "oneway", &call->oneway) || !get_flag(v, "upgrade", &upgrade) ||
	    (p && json_type(p) != JSON_OBJECT))
		return false;

	m = find_method(name, o);
	if (!m)
		return true;
	if (!m->rules && strlen(v) > CONTROL_SHORT)
		return false;
	call->fn = m->fn;
	unknown = unknown_member(p, m->parameter, ARRAY_SIZE(m->parameter));
	if (unknown || upgrade) {
		reply_invalid(o, unknown ? unknown : "upgrade");
	} else if (m->more && !call->more) {
		reply_service_error(o, SERVICE ".ExpectedMore", NULL, NULL);
	} else {
		debug("Control: %s", name);
		m->fn(c, call, o);
	}
	return true;
}
