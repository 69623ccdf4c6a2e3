/* SPDX-License-Identifier: GPL-2.0-or-later */
/* script.c - packet scripts: the parser */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "world.h"

#define WORDS_MAX	16

struct words {
	char		*w[WORDS_MAX];
	unsigned	n;
	char		buf[256];
};

static const struct {
	const char *name;
	int err;
} errors[] = {
	{ "OK", 0 }, { "EINPROGRESS", EINPROGRESS }, { "ECONNREFUSED", ECONNREFUSED }, { "ECONNRESET", ECONNRESET },
	{ "ETIMEDOUT", ETIMEDOUT }, { "EHOSTUNREACH", EHOSTUNREACH }, { "ENETUNREACH", ENETUNREACH },
	{ "EACCES", EACCES }, { "EPERM", EPERM }, { "EMFILE", EMFILE }, { "ENOMEM", ENOMEM }, { "ENOBUFS", ENOBUFS },
	{ "EAGAIN", EAGAIN }, { "EINTR", EINTR }, { "EPIPE", EPIPE }, { "EADDRNOTAVAIL", EADDRNOTAVAIL },
	{ "ENETDOWN", ENETDOWN }, { "EMSGSIZE", EMSGSIZE }, { "ENOSPC", ENOSPC },
	{ "EINVAL", EINVAL }, { "EIO", EIO }, { "EHOSTDOWN", EHOSTDOWN },
};

int err_number(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		if (!strcmp(errors[i].name, name))
			return errors[i].err;
	return -1;
}

static void split(struct words *w, const char *line)
{
	w->n = 0;
	snprintf(w->buf, sizeof(w->buf), "%s", line);
	for (char *p = strtok(w->buf, " \t\n"); p && w->n < WORDS_MAX; p = strtok(NULL, " \t\n"))
		w->w[w->n++] = p;
}

bool script_number(const char *s, int64_t *v)
{
	char *end;

	if (!strcmp(s, "*")) {
		*v = ANY;
		return true;
	}
	*v = strtoll(s, &end, 0);
	return end != s && !*end;
}

static bool seconds(const char *s, uint64_t *ns, char **end)
{
	double d = strtod(s, end);

	*ns = (uint64_t)(d * 1e6 + .5) * 1000;
	return *end != s && d >= 0;
}

static bool parse_time(struct step *t, const char *s)
{
	char *end;

	if (!strcmp(s, "*")) {
		t->until = 86400 * SEC;
		return true;
	}
	if (!seconds(s + (*s == '+'), &t->at, &end))
		return false;
	t->until = t->at + MS;
	if (*end == '~' && !seconds(end + 1, &t->until, &end))
		return false;
	return !*end && t->until >= t->at;
}

bool script_end(struct end *e, const char *s)
{
	const char *colon = strrchr(s, ':');

	e->port = colon ? (uint16_t)atoi(colon + 1) : 0;
	return addr_parse(s, colon ? (size_t)(colon - s) : strlen(s), &e->a);
}

static bool parse_flags(int64_t *v, const char *s)
{
	static const char name[] = "FSRP.U";

	*v = 0;
	if (!strcmp(s, "*")) {
		*v = ANY;
		return true;
	}
	for (; *s; s++) {
		const char *p = strchr(name, *s);

		if (!p)
			return false;
		*v |= 1 << (p - name);
	}
	return true;
}

/* A:B(LEN), A:B, or * */
static bool parse_range(struct spec *p, const char *s)
{
	char *end;

	if (!strcmp(s, "*")) {
		p->seq = p->end = p->len = ANY;
		return true;
	}
	p->seq = strtoll(s, &end, 0);
	if (*end != ':')
		return false;
	p->end = strtoll(end + 1, &end, 0);
	p->len = p->end - p->seq;
	if (*end == '(')
		p->len = strtoll(end + 1, &end, 0);
	return *end == ')' ? p->len == p->end - p->seq : !*end;
}

/* A:B, each of them a number or * */
static bool parse_pair(const char *s, size_t len, int64_t *a, int64_t *b)
{
	char text[64], *colon;

	snprintf(text, sizeof(text), "%.*s", (int)len, s);
	colon = strchr(text, ':');
	if (!colon)
		return false;
	*colon = '\0';
	return script_number(text, a) && script_number(colon + 1, b);
}

static bool parse_sacks(struct spec *p, const char *s)
{
	p->sacks = 0;
	for (size_t n; *(s += strspn(s, " ")) && p->sacks < 4; s += n, p->sacks++) {
		n = strcspn(s, " ");
		if (!parse_pair(s, n, &p->sack[p->sacks].from, &p->sack[p->sacks].to))
			return false;
	}
	return !*s && p->sacks;
}

static bool parse_option(struct spec *p, const char *o)
{
	static const struct { const char *text; size_t at; int64_t v; } flag[] = {
		{ "no wscale", offsetof(struct spec, wscale), -1 },
		{ "sackOK", offsetof(struct spec, sack_ok), 1 },
		{ "no sackOK", offsetof(struct spec, sack_ok), 0 },
		{ "no ts", offsetof(struct spec, ts), 0 },
		{ "no sack", offsetof(struct spec, sacks), 0 },
	};

	if (!strncmp(o, "mss ", 4))
		return script_number(o + 4, &p->mss);
	if (!strncmp(o, "wscale ", 7))
		return script_number(o + 7, &p->wscale);
	if (!strncmp(o, "sack ", 5))
		return parse_sacks(p, o + 5);
	if (!strncmp(o, "ts ", 3)) {
		p->ts = 1;
		return parse_pair(o + 3, strlen(o + 3), &p->tsval, &p->tsecr);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(flag); i++) {
		if (strcmp(o, flag[i].text))
			continue;
		memcpy((char *)p + flag[i].at, &flag[i].v, sizeof(flag[i].v));
		return true;
	}
	return false;
}

/* <OPTION,OPTION>, which may have blanks */
static bool parse_options(struct spec *p, char *s)
{
	bool good = true;

	for (char *o = strtok(s, "<>,"); o; o = strtok(NULL, "<>,")) {
		o += strspn(o, " \t\n");
		if (*o)
			good &= parse_option(p, o);
	}
	return good;
}

static bool parse_spec(struct spec *p, const struct words *w, unsigned i, char *options)
{
	*p = (struct spec){ .ack = ABSENT, .win = ABSENT, .mss = ABSENT, .wscale = ABSENT,
			    .sack_ok = ABSENT, .ts = ABSENT, .tsval = ABSENT, .tsecr = ABSENT, .sacks = ABSENT };
	if (i + 2 > w->n || !parse_flags(&p->flags, w->w[i]) || !parse_range(p, w->w[i + 1]))
		return false;
	for (i += 2; i < w->n; i++) {
		int64_t v;

		if (!strcmp(w->w[i], "ignored")) {
			p->ignored = true;
			continue;
		}
		if (++i == w->n || !script_number(w->w[i], &v))
			return false;
		if (!strcmp(w->w[i - 1], "ack"))
			p->ack = v;
		else if (!strcmp(w->w[i - 1], "win"))
			p->win = v;
		else if (!strcmp(w->w[i - 1], "by"))
			p->by = (uint32_t)v;
		else
			return false;
	}
	return !options || parse_options(p, options);
}

static bool parse_guest(struct step *t, struct words *w, char *options)
{
	bool out;

	if (w->n < 4 || (strcmp(w->w[2], ">") && strcmp(w->w[2], "<")))
		return false;
	out = *w->w[2] == '>';
	if (!strcmp(w->w[3], "nothing")) {
		t->op = OP_NOTHING;
		return !out;
	}
	if (!strcmp(w->w[3], "acks")) {
		t->op = OP_ACKS;
		return !out;
	}
	if (!strcmp(w->w[3], "too-big") && w->n >= 6) {
		t->op = OP_TOO_BIG;
		t->flag = w->n == 7 && !strcmp(w->w[6], "astray");
		t->m = ABSENT;
		return out && script_number(w->w[4], &t->n) &&
			(!strcmp(w->w[5], "udp") || script_number(w->w[5], &t->m)) && w->n == 6U + t->flag;
	}
	if (!strcmp(w->w[3], "bytes")) {
		t->op = OP_EXPECT_BYTES;
		w->w[3] = (char *)(uintptr_t)"*";
		return !out && parse_spec(&t->spec, w, 3, options);
	}
	t->op = out ? OP_SEND : OP_EXPECT;
	return parse_spec(&t->spec, w, 3, options);
}

/* What a step has behind its name */
enum arg { A_NONE, A_NUM, A_ERR, A_END, A_WORD, A_ROOM };

static const struct {
	const char *who, *name;
	enum op op;
	enum arg arg;
} script_ops[] = {
	{ "host", "writable",	OP_WRITABLE,	A_NONE },	/* connect() succeeded */
	{ "host", "error",	OP_ERROR,	A_ERR },	/* the connection failed, or ended, with an error */
	{ "host", "data",	OP_DATA,	A_NUM },	/* so many bytes arrived from the host's peer */
	{ "host", "urgent",	OP_URGENT,	A_NUM },	/* the same, the last one of them urgent */
	{ "host", "eof",	OP_EOF,		A_NONE },	/* its FIN */
	{ "host", "room",	OP_ROOM,	A_ROOM },	/* bytes the socket takes from now on, or "auto" */
	{ "host", "told",	OP_TOLD,	A_ROOM },	/* room SO_MEMINFO speaks of, if not the same */
	{ "host", "got",	OP_GOT,		A_NUM },	/* bytes its peer got since the last such step */
	{ "host", "shutdown(WR)", OP_SHUTDOWN,	A_NONE },	/* was called, once */
	{ "host", "no-shutdown", OP_NO_SHUTDOWN, A_NONE },
	{ "host", "close",	OP_CLOSED,	A_NONE },	/* was called, and was no reset */
	{ "host", "reset",	OP_RESET,	A_NONE },	/* close() that sends RST */
	{ "host", "open",	OP_OPEN,	A_NONE },	/* the socket still is */
	{ "host", "accept",	OP_ACCEPT,	A_END },	/* a client connects to the forwarded port */
	{ "host", "unread",	OP_UNREAD,	A_NUM },	/* bytes in the receive queue */
	{ "host", "answer",	OP_ANSWER,	A_WORD },	/* once, always or never, to the oldest question */
	{ "host", "questions",	OP_QUESTIONS,	A_NUM },	/* so many are open */
	{ "host", "rules",	OP_RULES,	A_NONE },	/* the same ones again, as new ones */
	{ "host", "now",	OP_NOW,		A_WORD },	/* pesto --now, with a first rule that denies this */
	{ "flow", "gone",	OP_GONE,	A_NONE },
	{ "flow", "state",	OP_STATE,	A_WORD },
	{ "flow", "count",	OP_COUNT,	A_NUM },	/* flows in the table, of all types */
	{ "flow", "sleep",	OP_SLEEP,	A_NUM },	/* nothing for so many seconds, no wakeup either */
	{ "flow", "wakeups",	OP_WAKEUPS,	A_NUM },	/* not more than so many since the last such step */
	{ "link", "up",		OP_UP,		A_NONE },	/* the guest announces its address (RFC 5227) */
	{ "link", "room",	OP_LINK,	A_ROOM },	/* frames it takes from now on, or "auto" */
};

static bool parse_arg(struct step *t, enum arg arg, const char *s)
{
	switch (arg) {
	case A_NONE:
		return !s;
	case A_NUM:
		return s && script_number(s, &t->n);
	case A_ERR:
		t->n = s ? err_number(s) : -1;
		return t->n >= 0;
	case A_END:
		t->has_end = s;
		return !s || script_end(&t->end, s);
	case A_WORD:
		snprintf(t->word, sizeof(t->word), "%s", s ? s : "");
		return s;
	case A_ROOM:
		t->n = -1;
		return s && (!strcmp(s, "auto") || script_number(s, &t->n));
	}
	return false;
}

/* host connect(ADDR:PORT) = ERROR */
static bool parse_connect(struct step *t, const struct words *w)
{
	char *at = w->w[2] + strlen("connect("), *end = strchr(at, ')');

	if (!end || w->n != 5 || strcmp(w->w[3], "="))
		return false;
	*end = '\0';
	t->op = OP_CONNECT;
	t->n = err_number(w->w[4]);
	t->has_end = strcmp(at, "*");
	return t->n >= 0 && (!t->has_end || script_end(&t->end, at));
}

/* TIME conn N [new] [to ADDR:PORT] */
static bool parse_conn(struct step *t, const struct words *w)
{
	unsigned i = 3;

	t->op = OP_CONN;
	if (w->n < 3 || !script_number(w->w[2], &t->n) || t->n < 1 || t->n > 60)
		return false;
	if (i < w->n && !strcmp(w->w[i], "new")) {
		t->flag = true;
		i++;
	}
	if (i + 2 == w->n && !strcmp(w->w[i], "to")) {
		t->has_end = true;
		return script_end(&t->end, w->w[i + 1]);
	}
	return i == w->n;
}

static bool parse_step(struct step *t, struct words *w, char *options)
{
	if (w->n < 3 || !parse_time(t, w->w[0]))
		return false;
	if (dgram_parse(t, w->w, w->n))
		return true;
	if (!strcmp(w->w[1], "guest"))
		return parse_guest(t, w, options);
	if (!strcmp(w->w[1], "conn"))
		return parse_conn(t, w);
	if (!strcmp(w->w[1], "counter")) {
		t->op = OP_COUNTER;
		snprintf(t->word, sizeof(t->word), "%s", w->w[2]);
		return w->n == 4 && script_number(w->w[3], &t->n);
	}
	if (!strcmp(w->w[1], "host") && !strncmp(w->w[2], "connect(", 8))
		return parse_connect(t, w);
	if (!strcmp(w->w[1], "host") && !strcmp(w->w[2], "fail") && w->n == 6) {
		t->op = OP_FAIL;	/* host fail CALL ERROR TIMES */
		snprintf(t->word, sizeof(t->word), "%s", w->w[3]);
		t->m = err_number(w->w[4]);
		return t->m > 0 && script_number(w->w[5], &t->n);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(script_ops); i++)
		if (!strcmp(script_ops[i].who, w->w[1]) && !strcmp(script_ops[i].name, w->w[2])) {
			t->op = script_ops[i].op;
			return w->n <= 4 && parse_arg(t, script_ops[i].arg, w->n == 4 ? w->w[3] : NULL);
		}
	return false;
}

/* set hello NAMES [LEN], set request NAMES [LEN] */
static bool parse_hello(struct script *s, const struct words *w)
{
	s->request = !strcmp(w->w[1], "request");
	snprintf(s->hello, sizeof(s->hello), "%s", w->w[2]);
	s->hello_len = w->n == 4 ? (uint32_t)atoi(w->w[3]) : 0;
	return s->hello_len < HELLOS_MAX;
}

/* A line of a policy */
static void add_rule(struct script *s, const char *verb, const char *rule)
{
	size_t len = strlen(s->policy);

	snprintf(s->policy + len, sizeof(s->policy) - len, "%s %s\n", verb, rule);
}

static bool parse_set(struct script *s, const struct words *w)
{
	if (w->n == 3 && !strcmp(w->w[1], "mtu"))
		s->mtu = (uint32_t)atoi(w->w[2]);
	else if (w->n == 3 && !strcmp(w->w[1], "only"))
		*(strcmp(w->w[2], "v4") ? &s->only6 : &s->only4) = true;
	else if (w->n == 3 && !strcmp(w->w[1], "sockets"))
		s->sockets_max = (uint32_t)atoi(w->w[2]);
	else if (w->n == 3 && !strcmp(w->w[1], "gap-blocks"))
		s->gap_blocks = (uint32_t)atoi(w->w[2]);
	else if (w->n == 3 && (!strcmp(w->w[1], "allow") || !strcmp(w->w[1], "deny") ||
			      !strcmp(w->w[1], "ask") || !strcmp(w->w[1], "egress")))
		add_rule(s, w->w[1], w->w[2]);
	else if (w->n == 3 && !strcmp(w->w[1], "grant"))
		snprintf(s->grants + strlen(s->grants), sizeof(s->grants) - strlen(s->grants), "%s\n", w->w[2]);
	else if ((w->n == 3 || w->n == 4) && (!strcmp(w->w[1], "hello") || !strcmp(w->w[1], "request")))
		return parse_hello(s, w);
	else if (w->n == 2 && !strcmp(w->w[1], "no-stash"))
		s->no_stash = true;
	else if (w->n == 2 && !strcmp(w->w[1], "no-recover"))
		s->no_recover = true;
	else if (w->n == 2 && !strcmp(w->w[1], "outward"))
		s->outward = true;
	else if (w->n == 2 && !strcmp(w->w[1], "no-icmp"))
		s->no_icmp = true;
	else if (w->n == 2 && !strcmp(w->w[1], "routed"))
		s->routed = true;
	else if (w->n == 2 && !strcmp(w->w[1], "no-udp"))
		s->no_udp = true;
	else if (w->n == 2 && !strcmp(w->w[1], "no-faults"))
		s->no_faults = true;
	else if (w->n == 2 && !strcmp(w->w[1], "meminfo"))
		s->meminfo = true;
	else if (w->n == 2 && !strcmp(w->w[1], "peek"))
		s->peek = true;
	else if (w->n == 2 && !strcmp(w->w[1], "no-peek"))
		s->no_peek = true;
	else
		return false;
	return true;
}

/* Openings that most scripts share, with a round trip of a third of a second: the timeout is a second */
static const struct {
	const char *name, *line[8];
} openings[] = {
	{ "active", {
		"+0 guest > S 0:0(0) win 65535 <mss 1000,wscale 7>",
		"+0 host connect(*) = EINPROGRESS",
		"+0 host writable",
		"+0 guest < S. 0:0(0) ack 1",
		"+.333 guest > . 1:1(0) ack 1 win 512",
		"+0 guest < nothing",
	} },
	{ "sack", {
		"+0 guest > S 0:0(0) win 65535 <mss 1000,sackOK,wscale 7>",
		"+0 host connect(*) = EINPROGRESS",
		"+0 host writable",
		"+0 guest < S. 0:0(0) ack 1 <sackOK,no ts>",
		"+.333 guest > . 1:1(0) ack 1 win 512",
		"+0 guest < nothing",
	} },
	{ "passive", {
		"+0 host accept",
		"+0 guest < S 0:0(0)",
		"+.333 guest > S. 0:0(0) ack 1 win 65535 <mss 1000,wscale 7>",
		"+0 guest < . 1:1(0) ack 1",
	} },
};

static bool parse_line(struct script *s, const char *text, unsigned no);

static bool parse_use(struct script *s, const char *name, unsigned no)
{
	bool good = true;

	for (unsigned i = 0; i < ARRAY_SIZE(openings); i++) {
		if (strcmp(openings[i].name, name))
			continue;
		for (unsigned j = 0; openings[i].line[j]; j++)
			good &= parse_line(s, openings[i].line[j], no);
		return good;
	}
	return false;
}

static bool parse_line(struct script *s, const char *text, unsigned no)
{
	char line[256];
	struct step *t = &s->step[s->n];
	char *hash, *options;
	struct words w;

	snprintf(line, sizeof(line), "%s", text);
	hash = strchr(line, '#');
	if (hash) {
		*hash++ = '\0';
		hash += strspn(hash, " ");
		if (!s->title[0])
			snprintf(s->title, sizeof(s->title), "%.*s", (int)strcspn(hash, "\n"), hash);
	}
	*t = (struct step){ .line = no };
	snprintf(t->text, sizeof(t->text), "%.*s", (int)strcspn(line, "\n"), line);
	options = strchr(line, '>') && strchr(line, ':') ? strstr(strchr(line, ':'), " <") : NULL;
	if (options)
		*options++ = '\0';
	split(&w, line);
	if (!w.n)
		return true;
	if (!strcmp(w.w[0], "set"))
		return parse_set(s, &w);
	if (!strcmp(w.w[0], "use"))
		return w.n == 2 && parse_use(s, w.w[1], no);
	if (s->n == STEPS_MAX - 1 || !parse_step(t, &w, options))
		return false;
	s->n++;
	return true;
}

bool script_read(struct script *s, const char *path)
{
	const char *base = strrchr(path, '/');
	FILE *f = fopen(path, "r");
	bool good = true;
	char line[256];

	*s = (struct script){ .mtu = 1500 };
	snprintf(s->name, sizeof(s->name), "%s", base ? base + 1 : path);
	if (!f) {
		printf("# %s: %s\n", path, strerror(errno));
		return false;
	}
	for (unsigned no = 1; fgets(line, sizeof(line), f); no++) {
		if (!parse_line(s, line, no)) {
			printf("# %s:%u: can't read this: %s", path, no, line);
			good = false;
		}
	}
	fclose(f);
	return good;
}
