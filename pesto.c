/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pesto.c - lists and changes rules of a passt or pasta that runs, by its control socket
 *
 * Options of ports become the steps of one call, which is done as a whole or not at all; --policy is another one.
 * Values are passed on unparsed, with the grammar of the other side's command line.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "hint.h"
#include "isolate.h"
#include "json.h"
#include "log.h"
#include "opt.h"
#include "pesto.h"
#include "policy.h"

struct parse {
	const char	*action;		/* of the options that follow; NULL: they replace a table */
	bool		replaced[2];		/* tables: HOST (-t, -u), SPLICE (-T, -U) */
	bool		show;
	bool		now;			/* with --policy */
	enum pesto_view	view;			/* wanted in the end */
	const char	*disconnect;		/* guest, or NULL */
	unsigned	steps;
	struct json_out	call;
};

static char call_buf[CONTROL_SHORT], policy_buf[CONTROL_IN], answer_buf[PESTO_ANSWER];
static const char *policy_path;		/* file of rules, or NULL */
static struct replies replies = { .buf = answer_buf, .size = sizeof(answer_buf) };

/* Options */

static void add_step(struct parse *p, const char *action, char letter, const char *value)
{
	char option[2] = { letter, '\0' };
	struct json_out *o = &p->call;

	json_open(o, NULL, '{');
	json_str(o, "action", action);
	json_str(o, "option", option);
	if (value)
		json_str(o, "value", value);
	json_close(o, '}');
	p->steps++;
}

static const struct opt opts[] = {
	{ .help = "General", .modes = 1 },
	{ "help", 'h', NULL, 1, NULL, 0, "Show this text and exit" },
	{ "version", 0, NULL, 1, NULL, 0, "Show the version and exit" },
	{ "debug", 'd', NULL, 1, NULL, 0, "Show what is sent and answered" },
	{ "show", 's', NULL, 1, NULL, 0, "Show all rules, as without options; with a change, before and after it" },

	{ .help = "What passes through it", .modes = 1 },
	{ "flows", 0, NULL, 1, NULL, VIEW_FLOWS,
	  "Show connections and other flows: protocol, bytes per second to the guest and from it, age, address or "
	  "name, and the rule that allowed them" },
	{ "top", 0, NULL, 1, NULL, VIEW_TOP,
	  "Same, again each second, those that move most first, until q is pressed; once, if that is no terminal" },
	{ "events", 0, NULL, 1, NULL, VIEW_EVENTS,
	  "Show verdicts on flows, and their ends, as they come: lines of JSON, as of pasta's option --flow-log" },
	{ "metrics", 0, NULL, 1, NULL, VIEW_METRICS, "Show all counters in the text format of OpenMetrics" },
	{ .help = "Guests", .modes = 1 },
	{ "guests", 0, NULL, 1, NULL, VIEW_GUESTS,
	  "Show the guests that are connected: index, MAC address, name, kind of link, seconds since then, bytes from "
	  "and to the guest, frames dropped, and addresses" },
	{ "disconnect", 0, "GUEST", 1, NULL, 0,
	  "End the connection of a guest: its index, MAC address, name or address. It may connect again" },

	{ .help = "Destinations the guest may reach", .modes = 1 },
	{ "policy", 0, "PATH", 1, NULL, 0,
	  "The rules of a file, as of pasta's option --policy, take the place of all rules there are, or nothing "
	  "changes. Ports are changed first. Connections that exist live on" },
	{ "now", 0, NULL, 1, NULL, 0, "With --policy: what the new rules refuse ends at once" },
	{ "ask", 0, NULL, 1, NULL, VIEW_ASK,
	  "Show what waits for an answer, by rules that ask: a line each on standard output. Lines on standard input "
	  "answer them in their order: once, always or never" },

	{ .help = "Changes, in their order", .modes = 1 },
	{ "add", 'A', NULL, 1, NULL, 0,
	  "Ports that options behind this one name are forwarded in addition. It is no error if they are already" },
	{ "delete", 'D', NULL, 1, NULL, 0,
	  "Ports that options behind this one name are not forwarded any more. It is an error if they were not" },
	{ "clear", 'C', "HOST|SPLICE", 1, NULL, 0,
	  "Nothing is forwarded any more from the host, or from the namespace" },
	{ "tcp-ports", 't', "SPEC", 1, NULL, 0,
	  "TCP ports of the host, as in pasta(1). Without -A or -D in front, what all -t and -u say is all that is "
	  "forwarded from then on" },
	{ "udp-ports", 'u', "SPEC", 1, NULL, 0, "Same, for UDP" },
	{ "tcp-ns", 'T', "SPEC", 1, NULL, 0,
	  "TCP ports of the namespace's loopback interface. Without -A or -D in front, what all -T and -U say is "
	  "all that is forwarded from then on" },
	{ "udp-ns", 'U', "SPEC", 1, NULL, 0, "Same, for UDP" },
};

static void clear_table(struct parse *p, bool splice)
{
	add_step(p, "clear", splice ? 'T' : 't', NULL);
	add_step(p, "clear", splice ? 'U' : 'u', NULL);
}

static void ports(struct parse *p, char letter, const char *val)
{
	bool splice = letter == 'T' || letter == 'U';

	if (!p->action && !p->replaced[splice])
		clear_table(p, splice);
	p->replaced[splice] |= !p->action;
	add_step(p, p->action ? p->action : "add", letter, val);
}

/* Most of them have no end: a second one would never be shown */
static void view(struct parse *p, enum pesto_view v)
{
	if (p->view && p->view != v)
		die("pesto: one of --flows, --top, --events, --metrics, --guests and --ask expected");
	p->view = v;
}

static void found(struct parse *p, const struct opt *o, const char *val);

static const struct opts table = { .row = opts, .n = ARRAY_SIZE(opts), .name = "pesto", .mode = 1, .found = found };

static void found(struct parse *p, const struct opt *o, const char *val)
{
	switch (o->letter) {
	case 'h':
		opts_help(&table, "Usage: pesto [OPTION]... PATH\n\n"
				  "Shows and changes forwarded ports and rules about destinations of a pasta or "
				  "passt that runs,\nand shows what passes. PATH is its control socket, see option "
				  "-c of pasta and passt.\n");
	case '\0':
		if (!strcmp(o->name, "version"))
			opts_version(table.name);
		if (o->off)
			view(p, (enum pesto_view)o->off);
		else if (!strcmp(o->name, "now"))
			p->now = true;
		else if (!strcmp(o->name, "disconnect"))
			p->disconnect = val;
		else
			policy_path = val;
		break;
	case 'd':
		log_level = LOG_DEBUG;
		break;
	case 's':
		p->show = true;
		break;
	case 'A':
	case 'D':
		p->action = o->name;
		break;
	case 'C':
		if (strcmp(val, "HOST") && strcmp(val, "SPLICE"))
			die("Invalid value \"%.256s\" for -C/--clear: HOST or SPLICE expected", val);
		clear_table(p, *val == 'S');
		break;
	default:
		ports(p, o->letter, val);
	}
}

/* @line: at fault, 0: the file itself */
static _Noreturn void policy_bad(int line, const char *why)
{
	if (line)
		die("Invalid value \"%.256s\" for --policy: line %i: %s", policy_path, line, why);
	die("Invalid value \"%.256s\" for --policy: %s", policy_path, why);
}

/* A file, as text of a call, into policy_buf: the length of that. A mistake is found here, before a port changes. */
static size_t policy_call(const struct parse *p)
{
	static char text[POLICY_TEXT];
	struct json_out o = { .b = policy_buf, .max = sizeof(policy_buf) };
	int fd = open(policy_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	size_t len = 0;
	const char *why;
	unsigned line;

	while (n > 0 && len < sizeof(text) - 1) {
		n = UNINTERRUPTED(read(fd, text + len, sizeof(text) - 1 - len));
		len += (size_t)MAX(n, 0);
	}
	if (n < 0)
		policy_bad(0, errno_text(errno));
	fd_close(fd);
	json_open(&o, NULL, '{');
	json_str(&o, "method", CONTROL_INTERFACE ".SetPolicy");
	json_open(&o, "parameters", '{');
	json_str(&o, "text", text);
	json_bool(&o, "now", p->now);
	json_close(&o, '}');
	json_close(&o, '}');
	json_nul(&o);
	if (n || o.full)
		policy_bad(0, "more rules than one call may have: 1 MiB");
	why = policy_lines(policy_new(NULL), text, len, &line);
	if (why)
		policy_bad((int)line, why);
	return o.len;
}

/* Calls */

void pesto_text(const char *v, const char *name, char buf[static PESTO_TEXT])
{
	if (!json_get_str(json_member(v, name), buf, PESTO_TEXT))
		buf[0] = '\0';
	text_safe(buf, strlen(buf));
}

int64_t pesto_int(const char *v, const char *name)
{
	int64_t n;

	return json_get_int(json_member(v, name), &n) ? n : 0;
}

static bool bool_of(const char *v, const char *name)
{
	bool b;

	return json_get_bool(json_member(v, name), &b) && b;
}

/* Callers know two texts of this error: by option, and by address */
static _Noreturn void not_bound(const char *option, const char *value, int port, const char *reason)
{
	const char *slash = strchr(value, '/'), *addr = slash ? value + (*value == '[') : "*";
	size_t len = strcspn(addr, "]/"), rest = addr[len] == ']' ? strcspn(addr + len + 1, "/") : 0;
	const char *proto = *option == 't' || *option == 'T' ? "TCP" : "UDP";
	bool outward = *option == 'T' || *option == 'U';

	die("Failed to bind port %i (%s) for option '-%s %s': Couldn't listen on requested ports: "
	    "Listen failed for %s %s port %s%.*s%.*s%s/%i: %s%s",
	    port, reason, option, value, outward ? "SPLICE" : "HOST", proto, *addr == '%' ? "*" : "", (int)len, addr,
	    (int)rest, rest ? addr + len + 1 : "", outward && !slash ? "%lo" : "", port, reason,
	    !outward && !strcmp(reason, errno_text(EACCES)) ? hint_bind(EACCES, (unsigned)port) : "");
}

/* Ends the process with the text of an error, @p its parameters: options as they were given, "-t 8080:80" */
static _Noreturn void refused(const char *p, const char *error)
{
	char option[PESTO_TEXT], value[PESTO_TEXT], reason[PESTO_TEXT], parameter[PESTO_TEXT];
	char guest[PESTO_TEXT];

	pesto_text(p, "option", option);
	pesto_text(p, "value", value);
	pesto_text(p, "reason", reason);
	pesto_text(p, "parameter", parameter);
	if (!strcmp(error, CONTROL_INTERFACE ".BindFailed"))
		not_bound(option, value, (int)pesto_int(p, "port"), reason);
	if (!strcmp(error, CONTROL_INTERFACE ".InvalidRule"))
		die("Invalid value \"%s\" for option -%s: %s", value, option, reason);
	if (policy_path && !strcmp(error, CONTROL_INTERFACE ".InvalidPolicy"))
		policy_bad((int)pesto_int(p, "line"), reason);
	pesto_text(p, "guest", guest);
	if (!strcmp(error, CONTROL_INTERFACE ".NoSuchGuest"))
		die("No such guest: %s (--disconnect)", guest);
	if (!strcmp(error, CONTROL_INTERFACE ".NoSuchRule"))
		die("Nothing to delete: no rule of option '-%s %s' is there", option, value);
	die("Refused: %s%s%s", error, *parameter ? " " : "", parameter);
}

void replies_read(struct replies *r, int fd, const char *path)
{
	ssize_t n;

	r->have -= r->used;
	memmove(r->buf, r->buf + r->used, r->have);
	r->used = 0;
	n = r->have < r->size ? UNINTERRUPTED(recv(fd, r->buf + r->have, r->size - r->have, 0)) : 0;
	if (n <= 0 && r->have < r->size)
		die("No answer from %s: %s", path, n ? errno_text(errno) : "the connection was closed");
	if (n <= 0 || r->buf[0] != '{')		/* a server of another protocol may speak first */
		die("What %s answers is not Varlink", path);
	r->have += (size_t)n;
}

const char *replies_next(struct replies *r, const char *path)
{
	const char *text = r->buf + r->used, *nul = memchr(text, '\0', r->have - r->used), *v;

	if (!nul)
		return NULL;
	r->used = (size_t)(nul - r->buf) + 1;
	debug("Answer: %s", text);
	v = json_read(text, (size_t)(nul - text));
	if (json_type(v) != JSON_OBJECT)
		die("What %s answers is not Varlink", path);
	return v;
}

const char *replies_wait(struct replies *r, int fd, const char *path)
{
	const char *v;

	while (!(v = replies_next(r, path)))
		replies_read(r, fd, path);
	return v;
}

const char *pesto_answer(int fd, const char *path, bool *more)
{
	const char *v = replies_wait(&replies, fd, path), *p;
	char error[PESTO_TEXT];

	if (more)
		*more = bool_of(v, "continues");
	p = json_member(v, "parameters");
	p = p ? p : v;
	pesto_text(v, "error", error);
	if (more && !strcmp(error, "org.varlink.service.MethodNotFound"))
		return NULL;
	if (*error)
		refused(p, error);
	return p;
}

void pesto_call(int fd, const char *path, const char *text, size_t len)
{
	int rc;

	debug("Call: %s", text);
	rc = fd_write_all(fd, text, len);
	if (rc)
		die("Failed to send to %s: %s", path, errno_text(-rc));
}

/* Sends a call, NUL included: the answer's parameters; an error ends the process */
static const char *ask(int fd, const char *path, const char *text, size_t len)
{
	pesto_call(fd, path, text, len);
	return pesto_answer(fd, path, NULL);
}

/* Rules */

/* Address of a member, addr_any6 without one: false if the member is no address */
static bool addr_of(const char *v, const char *name, struct addr *a)
{
	char text[PESTO_TEXT];

	pesto_text(v, name, text);
	*a = addr_any6;
	return !*text || addr_parse(text, strlen(text), a);
}

/* False if @v is a rule with addresses of an unknown kind: all but these is in @r */
static bool rule_of(const char *v, struct rule *r)
{
	char text[PESTO_TEXT];

	*r = (struct rule){
		.first = (uint16_t)pesto_int(v, "first"), .last = (uint16_t)pesto_int(v, "last"),
		.to = (uint16_t)pesto_int(v, "to"),
		.weak = bool_of(v, "weak"), .automatic = bool_of(v, "automatic"),
		.proto = json_is(json_member(v, "protocol"), "tcp") ? IPPROTO_TCP : IPPROTO_UDP,
		.outward = json_is(json_member(v, "direction"), "out"),
	};
	pesto_text(v, "address", text);
	r->any = !*text;
	pesto_text(v, "interface", text);
	snprintf(r->ifname, sizeof(r->ifname), "%.*s", IFNAMSIZ - 1, text);
	pesto_text(v, "to_name", text);
	snprintf(r->to_name, sizeof(r->to_name), "%.*s", RULE_NAME - 1, text);
	return addr_of(v, "address", &r->addr) && addr_of(v, "to_address", &r->to_addr);
}

static void print_table(const char *rules, bool outward)
{
	char text[RULE_SHOW_STRLEN];
	struct rule r;

	printf("  %s\n", outward ? "SPLICE" : "HOST");
	for (const char *v = json_first(rules); v; v = json_next(v)) {
		if (rule_of(v, &r))
			rule_show(&r, text);
		else
			snprintf(text, sizeof(text), "%s rule with an address of an unknown kind",
				 r.proto == IPPROTO_TCP ? "TCP" : "UDP");
		if (r.outward == outward)
			printf("    %s\n", text);
	}
}

/* Rules about destinations, if there are any: each with the number of flows that it decided on */
static void show_policy(int fd, const char *path)
{
	static const char policy[] = "{\"method\":\"" CONTROL_INTERFACE ".Policy\",\"more\":true}";
	char verdict[PESTO_TEXT], rule[PESTO_TEXT], reason[PESTO_TEXT], word[PESTO_TEXT];
	bool more = true, title = false;
	int64_t others = 0;

	pesto_call(fd, path, policy, sizeof(policy));
	while (more) {
		const char *p = pesto_answer(fd, path, &more), *v;

		if (!p)			/* an older program's socket: it has none */
			return;
		pesto_text(p, "egress", word);
		others = pesto_int(p, "flows");
		v = json_first(json_member(p, "rules"));
		if (!title && (v || strcmp(word, "open"))) {
			printf("  EGRESS\n");
			title = true;
		}
		for (; v; v = json_next(v)) {
			pesto_text(v, "verdict", verdict);
			pesto_text(v, "rule", rule);
			pesto_text(v, "reason", reason);
			printf("    %s %s%s%s%s  (%lli)\n", verdict, rule, *reason ? " \"" : "", reason,
			       *reason ? "\"" : "", (long long)pesto_int(v, "flows"));
		}
	}
	if (title)
		printf("    egress %s  (%lli)\n", word, (long long)others);
}

/* Answers to questions that hold from now on, if there are any */
static void show_answers(int fd, const char *path)
{
	static const char answers[] = "{\"method\":\"" CONTROL_INTERFACE ".Answers\",\"more\":true}";
	char word[PESTO_TEXT];
	bool more = true;

	pesto_call(fd, path, answers, sizeof(answers));
	while (more) {
		const char *p = pesto_answer(fd, path, &more);

		if (!p)			/* an older program's socket: it has none */
			return;
		for (const char *v = json_first(json_member(p, "answers")); v; v = json_next(v)) {
			pesto_text(v, "answer", word);
			printf("    %s ", word);
			pesto_place(v);
			printf("\n");
		}
	}
}

static void show(int fd, const char *path, const char *title)
{
	static const char info[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
	static const char rules[] = "{\"method\":\"" CONTROL_INTERFACE ".Rules\"}";
	static const char status[] = "{\"method\":\"" CONTROL_INTERFACE ".Status\"}";
	char product[PESTO_TEXT];
	const char *list, *counts;

	pesto_text(ask(fd, path, info, sizeof(info)), "product", product);
	list = json_member(ask(fd, path, rules, sizeof(rules)), "rules");
	if (json_type(list) != JSON_ARRAY)
		die("What %s answers is no list of rules", path);
	printf("%s (%s)\n", title, path);
	print_table(list, false);
	if (strcmp(product, "passt"))
		print_table(list, true);
	show_policy(fd, path);
	show_answers(fd, path);
	counts = ask(fd, path, status, sizeof(status));
	if (json_member(counts, "host_changes"))	/* an older program has none */
		printf("host: changes %" PRIi64 "\n", pesto_int(counts, "host_changes"));
	output_check();
}

/* The number of a closed standard stream must not become the socket's, and its use must stay an error */
static void streams_take(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			die("Couldn't open /dev/null: %s", errno_text(errno));
	}
}

bool pesto_is_meant(const char *name)
{
	const char *slash = name ? strrchr(name, '/') : NULL;

	return name && !strncmp(slash ? slash + 1 : name, "pesto", 5);
}

int pesto_main(int argc, char **argv)
{
	struct parse p = { .call = { .b = call_buf, .max = sizeof(call_buf) } };
	size_t policy_len;
	const char *path;
	bool changes;
	int i, fd;

	json_open(&p.call, NULL, '{');
	json_str(&p.call, "method", CONTROL_INTERFACE ".Change");
	json_open(&p.call, "parameters", '{');
	json_open(&p.call, "steps", '[');
	i = opts_parse(&table, &p, argc, argv);
	path = argv[i];
	if (path)					/* options behind it, as of getopt_long(3) */
		i += opts_parse(&table, &p, argc - i, argv + i);
	json_close(&p.call, ']');
	json_close(&p.call, '}');
	json_close(&p.call, '}');
	json_nul(&p.call);
	if (!path || !*path || i != argc)
		die("pesto: the path of one control socket expected; see --help");
	if (p.call.full)
		die("pesto: more options than one change may have");

	if (p.now && !policy_path)
		die("pesto: --now takes --policy");

	streams_take();
	policy_len = policy_path ? policy_call(&p) : 0;
	changes = p.steps || policy_path;
	fd = pesto_connect(path);
	signal(SIGPIPE, SIG_IGN);
	hint_bind(EACCES, 0);
	isolate_client();

	if (p.disconnect)
		pesto_disconnect(fd, path, p.disconnect);
	if (p.show || !(changes || p.view || p.disconnect))
		show(fd, path, changes ? "Previous configuration" : "passt/pasta configuration");
	if (p.steps)
		ask(fd, path, call_buf, p.call.len);
	if (policy_path)
		ask(fd, path, policy_buf, policy_len);
	if (p.show && changes)
		show(fd, path, "Updated configuration");
	if (p.view)
		pesto_view(fd, path, p.view);
	return EXIT_SUCCESS;
}
