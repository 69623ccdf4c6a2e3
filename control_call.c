/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_call.c - org.passt.control: forwarding rules, flows, counters
 *
 * Lists are written element by element, as long as one surely fits the buffer, and go on when the client has taken that.
 * A rule or flow that is there all along is in a list exactly once; what comes or goes meanwhile may be, or not.
 *
 * A change is made on a copy of the table of rules, step by step, which then replaces the table as a whole, or not at all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auto.h"
#include "control.h"
#include "opt.h"

#define VALUE_MAX	8192		/* of an option; as part of an error, no more than VALUE_SHOWN */
#define VALUE_SHOWN	512
#define SCAN		4096		/* entries of the flow table looked at in a turn */

const char control_description[] =
	"# Ports that a passt or pasta forwards, and what passes through it\n"
	"interface org.passt.control\n"
	"\n"
	"# A rule forwards what arrives at its ports: from the host (in) or from the namespace (out)\n"
	"type Rule (\n"
	"  id: int,\n"
	"  protocol: (tcp, udp),\n"
	"  direction: (in, out),\n"
	"  option: (t, u, T, U),\n"
	"  value: string,\n"
	"  address: ?string,\n"
	"  interface: ?string,\n"
	"  first: int,\n"
	"  last: int,\n"
	"  to: int,\n"
	"  to_address: ?string,\n"
	"  weak: bool,\n"
	"  automatic: bool,\n"
	"  accepted: int\n"
	")\n"
	"\n"
	"# All of an option's rules: add, delete, clear. One rule: delete, with its id.\n"
	"type Step (\n"
	"  action: (add, delete, clear),\n"
	"  option: ?(t, u, T, U),\n"
	"  value: ?string,\n"
	"  id: ?int\n"
	")\n"
	"\n"
	"type End (address: string, port: int)\n"
	"\n"
	"# What talks to each other on one side: the remote end, and ours\n"
	"type Side (remote: End, local: End)\n"
	"\n"
	"# Times in ms, bytes of payload\n"
	"type Flow (\n"
	"  protocol: (tcp, udp, icmp, icmpv6),\n"
	"  spliced: bool,\n"
	"  state: string,\n"
	"  guest: Side,\n"
	"  host: Side,\n"
	"  from_guest: int,\n"
	"  to_guest: int,\n"
	"  age: int\n"
	")\n"
	"\n"
	"type Count (frames: int, bytes: int)\n"
	"\n"
	"# All rules, in the order in which they came\n"
	"method Rules() -> (rules: []Rule)\n"
	"\n"
	"# All steps, in order, as one change: either all of it is done, or nothing\n"
	"method Change(steps: []Step) -> ()\n"
	"\n"
	"# All flows, in as many replies as it takes: only with \"more\"\n"
	"method Flows() -> (flows: []Flow)\n"
	"\n"
	"# The process, what there is now, and what was so far\n"
	"method Status() -> (\n"
	"  program: (passt, pasta),\n"
	"  version: string,\n"
	"  pid: int,\n"
	"  flows: [string]int,\n"
	"  from_guest: Count,\n"
	"  to_guest: Count,\n"
	"  lost: int,\n"
	"  spliced_connections: int,\n"
	"  spliced_bytes: int,\n"
	"  dropped: [string]int\n"
	")\n"
	"\n"
	"# A step is not as an option would have to be\n"
	"error InvalidRule (step: int, option: string, value: string, reason: string)\n"
	"\n"
	"# A step deletes what is not there\n"
	"error NoSuchRule (step: int, option: ?string, value: ?string, id: ?int)\n"
	"\n"
	"# A port can't be had\n"
	"error BindFailed (step: int, option: string, value: string, port: int, reason: string)\n";

#define ERROR(name)	CONTROL_INTERFACE "." name

static bool room(const struct json_out *o)
{
	return o->max - o->len >= CONTROL_ROOM;
}

/* Rules */

/* The rule that came next after the one with this ID, or NULL */
static const struct fwd_rule *next_rule(const struct fwd *fwd, uint32_t id)
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
	json_str(o, "protocol", r->proto == IPPROTO_TCP ? "tcp" : "udp");
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
	json_bool(o, "weak", r->weak);
	json_bool(o, "automatic", r->automatic);
	json_int(o, "accepted", (int64_t)fr->accepted);
	json_close(o, '}');
}

static void rules(struct ctx *c, struct call *call, struct json_out *o)
{
	const struct fwd_rule *fr;

	if (!call->busy) {
		reply_begin(o);
		json_open(o, "rules", '[');
	}
	while ((fr = next_rule(&c->fwd, call->at)) && room(o)) {
		put_rule(o, fr);
		call->at = fr->id;
	}
	call->busy = fr || !room(o);
	if (call->busy)
		return;
	json_close(o, ']');
	reply_end(o, false);
}

/* Change */

enum action { ADD, DELETE, CLEAR };

struct step {
	enum action	action;
	char		letter;			/* 0: none */
	bool		by_id;
	int64_t		id;
	char		value[VALUE_MAX];
};

/* The table that shall be, and what a step says is in it, or not */
static struct rules want, said;

/* Of steps[@n], in @v: false, and the error is written, if it is none */
static bool read_step(const struct json *v, struct step *s, struct json_out *o)
{
	static const char *const members[] = { "action", "option", "value", "id" };
	const char *bad = json_type(v) == JSON_OBJECT ? unknown_member(v, members, ARRAY_SIZE(members)) : "steps";
	struct json m[ARRAY_SIZE(members)];
	bool have[ARRAY_SIZE(members)];
	char letter[2] = "";

	if (bad) {
		reply_invalid(o, bad);
		return false;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(members); i++)
		have[i] = json_member(v, members[i], &m[i]) && json_type(&m[i]) != JSON_NULL;

	s->action = have[0] && json_is(&m[0], "add") ? ADD : have[0] && json_is(&m[0], "delete") ? DELETE : CLEAR;
	s->by_id = have[3];
	s->value[0] = '\0';
	if (!have[0] || (s->action == CLEAR && !json_is(&m[0], "clear")))
		bad = "action";
	else if (have[3] && (s->action != DELETE || !json_get_int(&m[3], &s->id)))
		bad = "id";
	else if (have[1] == have[3] || (have[1] && (!json_get_str(&m[1], letter, 2) || !strchr("tuTU", letter[0]) || !letter[0])))
		bad = "option";
	else if (have[2] != (s->action != CLEAR && !s->by_id) || (have[2] && !json_get_str(&m[2], s->value, VALUE_MAX)))
		bad = "value";
	s->letter = letter[0];
	if (bad)
		reply_invalid(o, bad);
	return !bad;
}

/* Error about step @n; its own parameters come behind */
static void step_error(struct json_out *o, const char *error, unsigned n, struct step *s)
{
	char letter[2] = { s->letter, '\0' };

	reply_error(o, error);
	json_int(o, "step", n);
	if (s->by_id) {
		json_int(o, "id", s->id);
		return;
	}
	s->value[VALUE_SHOWN] = '\0';
	json_str(o, "option", letter);
	json_str(o, "value", s->value);
}

/* What is wrong with the rules in @said, whatever the table, or NULL */
static const char *not_here(const struct ctx *c)
{
	for (const struct rule *r = said.rule; r < said.rule + said.n; r++) {
		switch (fwd_rule_possible(&c->fwd, &c->net, r)) {
		case -EPROTONOSUPPORT:
			return r->proto == IPPROTO_TCP ? "no TCP here, it is switched off" : "no UDP here, it is switched off";
		case -EAFNOSUPPORT:
			return r->any ? "no network here" : addr_is_v4(&r->addr) ? "no IPv4 here" : "no IPv6 here";
		case -ENETUNREACH:
			return "the guest's loopback can't be reached over the link, and nothing is spliced here";
		}
	}
	return NULL;
}

static const struct fwd_rule *rule_by_id(const struct fwd *fwd, int64_t id)
{
	for (const struct fwd_rule *fr = fwd->rule; fr < fwd->rule + fwd->nrules; fr++) {
		if (fr->id && fr->id == id)
			return fr;
	}
	return NULL;
}

/* False if it is not there */
static bool rule_remove(struct rules *t, const struct rule *r)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (!rule_same(&t->rule[i], r))
			continue;
		memmove(&t->rule[i], &t->rule[i + 1], (--t->n - i) * sizeof(t->rule[0]));
		return true;
	}
	return false;
}

/* Rules that a step names into @said: false, and the error is written, if it makes no sense */
static bool parse_step(const struct ctx *c, unsigned n, struct step *s, struct json_out *o)
{
	const struct fwd_rule *fr;
	const char *why = NULL;

	said.n = 0;
	said.run_time = true;
	if (s->by_id) {
		fr = rule_by_id(&c->fwd, s->id);
		if (fr)
			said.rule[said.n++] = fr->r;
	} else if (s->action != CLEAR) {
		why = conf_ports(&said, c->cf->mode, s->letter, s->value);
		if (!why && s->action == ADD)
			why = not_here(c);
	}
	if (!why)
		return true;
	step_error(o, ERROR("InvalidRule"), n, s);
	json_str(o, "reason", why);
	reply_end(o, false);
	return false;
}

/* A step, on @want */
static bool do_step(const struct ctx *c, unsigned n, struct step *s, struct json_out *o)
{
	const char *why = NULL;
	bool there = true;

	if (!parse_step(c, n, s, o))
		return false;
	switch (s->action) {
	case ADD:
		why = conf_ports(&want, c->cf->mode, s->letter, s->value);
		break;
	case CLEAR:
		conf_ports(&want, c->cf->mode, s->letter, "none");
		break;
	case DELETE:
		there = said.n || !strcmp(s->value, "none");
		for (unsigned i = 0; i < said.n && there; i++)
			there = rule_remove(&want, &said.rule[i]);
		break;
	}
	if (!why && there)
		return true;
	step_error(o, why ? ERROR("InvalidRule") : ERROR("NoSuchRule"), n, s);
	if (why)
		json_str(o, "reason", why);
	reply_end(o, false);
	return false;
}

/* A rule of @want could not be had: which step asked for it */
static void report_failure(const struct ctx *c, const struct json *steps, const struct fwd_failure *f, int rc, struct json_out *o)
{
	struct json in = *steps, v;
	static struct step s, last;
	unsigned at = 0;
	char text[RULE_STRLEN], why[RULE_TEXT_MAX + 96];

	rule_fmt(&want.rule[f->rule], text);	/* of none: one that was there */
	last = (struct step){ .letter = text[1] };
	memcpy(last.value, text + 3, sizeof(text) - 3);
	for (unsigned n = 0; json_next(&in, &v); n++) {
		struct json_out none = { 0 };

		if (!read_step(&v, &s, &none) || s.action != ADD || !parse_step(c, n, &s, &none))
			continue;
		for (unsigned i = 0; i < said.n; i++) {
			if (rule_same(&said.rule[i], &want.rule[f->rule])) {
				last = s;
				at = n;
			}
		}
	}
	if (f->in_the_way.first) {
		snprintf(why, sizeof(why), RULE_OVERLAP, (unsigned)f->port, rule_text(&f->in_the_way));
		step_error(o, ERROR("InvalidRule"), at, &last);
	} else {
		snprintf(why, sizeof(why), "%s", errno_text(-rc));
		step_error(o, ERROR("BindFailed"), at, &last);
		json_int(o, "port", f->port);
	}
	json_str(o, "reason", why);
	reply_end(o, false);
}

static void change(struct ctx *c, struct call *call, struct json_out *o)
{
	static struct step s;
	struct fwd_failure f;
	struct json in, steps, v;
	int rc;

	if (!json_member(&call->parameters, "steps", &steps) || json_type(&steps) != JSON_ARRAY) {
		reply_invalid(o, "steps");
		return;
	}
	fwd_table(&c->fwd, &want);
	in = steps;
	for (unsigned n = 0; json_next(&in, &v); n++) {
		if (!read_step(&v, &s, o) || !do_step(c, n, &s, o))
			return;
	}
	rc = fwd_replace(&c->fwd, &c->net, &want, &f);
	if (rc) {
		report_failure(c, &steps, &f, rc, o);
		return;
	}
	auto_again(c);
	reply_begin(o);
	reply_end(o, false);
}

/* Flows */

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

static void put_flow(struct json_out *o, const struct flow *f, uint64_t now)
{
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
	json_int(o, "age", (int64_t)(now - f->created));
	json_close(o, '}');
}

static void flows(struct ctx *c, struct call *call, struct json_out *o)
{
	const struct flows *fs = &c->flows;
	uint32_t end = MIN(fs->unused, call->at + SCAN);

	reply_begin(o);
	json_open(o, "flows", '[');
	while (call->at < end && room(o))
		put_flow(o, &fs->f[call->at++], c->now);
	call->busy = call->at < fs->unused;
	json_close(o, ']');
	reply_end(o, call->busy);
}

/* Status */

static void put_count(struct json_out *o, const char *name, uint64_t frames, uint64_t bytes)
{
	json_open(o, name, '{');
	json_int(o, "frames", (int64_t)frames);
	json_int(o, "bytes", (int64_t)bytes);
	json_close(o, '}');
}

static void status(struct ctx *c, struct call *call, struct json_out *o)
{
	const struct guest *g = &c->guest[0];
	const struct tap_stats *s = &g->tap.stats;
	const uint32_t *n = c->flows.count;

	(void)call;
	reply_begin(o);
	json_str(o, "program", conf_name(c->cf));
	json_str(o, "version", opts_version_text);
	json_int(o, "pid", c->pid);
	json_open(o, "flows", '{');
	json_int(o, "tcp", n[FLOW_TCP]);
	json_int(o, "udp", n[FLOW_UDP]);
	json_int(o, "ping", n[FLOW_PING]);
	json_int(o, "spliced", n[FLOW_SPLICE] + n[FLOW_UDP_SPLICE]);
	json_close(o, '}');
	put_count(o, "from_guest", s->rx_frames, s->rx_bytes);
	put_count(o, "to_guest", s->tx_frames, s->tx_bytes);
	json_int(o, "lost", (int64_t)s->tx_lost);
	json_int(o, "spliced_connections", (int64_t)c->splice.flows);
	json_int(o, "spliced_bytes", (int64_t)c->splice.bytes);
	json_open(o, "dropped", '{');
	for (unsigned why = DROP_NONE + 1; why < DROP_COUNT; why++)
		json_int(o, drop_name[why], (int64_t)g->drops[why]);
	json_close(o, '}');
	reply_end(o, false);
}

const struct method control_methods[] = {
	{ "Rules", false, { NULL }, rules },
	{ "Change", false, { "steps" }, change },
	{ "Flows", true, { NULL }, flows },
	{ "Status", false, { NULL }, status },
};
const unsigned control_nmethods = ARRAY_SIZE(control_methods);
