/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_log.c - a record of what flows may do, and did: lines in a ring, and their readers
 *
 * A line costs no system call: all of a turn leave in one. Readers have a place in the ring each. One that falls behind
 * by the whole ring goes on at the oldest line, after a line with the number of those that are gone. The file's process
 * is at the other end of a pipe: how fast its disk is doesn't matter here.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "ctx.h"
#include "json.h"

#define RING		(1U << 20)
#define ADDRESSES	64		/* of an answer, shown at most */
#define TEXT		400		/* bytes of a text that are shown: six times that if all are escaped */
#define QUIT_MOST	1000		/* ms that the end may take */

static char ring[RING];

/* What goes to the file first: the rest of a line, of which a part was taken, or a line about lost ones */
static struct {
	char		text[FLOW_LOG_LINE];
	size_t		len;
	uint64_t	lost;		/* lines, not yet written */
} rest;

void flow_log_init(struct ctx *c)
{
	c->flow_log = (struct flow_log){ .fd = -1, .alive = -1 };
}

/* ---- the ring ---- */

/* Behind the newline of a whole line at @at */
static uint64_t line_end(uint64_t at)
{
	size_t off = at % RING;
	const char *nl = memchr(ring + off, '\n', RING - off);

	if (!nl)
		nl = (char *)memchr(ring, '\n', off) + RING;
	return at + (size_t)(nl - (ring + off)) + 1;
}

static void ring_get(uint64_t at, char *to, size_t len)
{
	size_t off = at % RING, first = MIN(len, RING - off);

	memcpy(to, ring + off, first);
	memcpy(to + first, ring, len - first);
}

/* A line, in place of the oldest ones */
static void ring_add(struct flow_log *l, const char *s, size_t len)
{
	size_t off = l->head % RING, first = MIN(len, RING - off);

	while (l->head + len - l->oldest.at > RING) {
		l->oldest.at = line_end(l->oldest.at);
		l->oldest.line++;
	}
	memcpy(ring + off, s, first);
	memcpy(ring, s + first, len - first);
	l->head += len;
	l->lines++;
}

/* Lines that a reader has lost so far, from its place on: it goes on at the oldest one */
static uint64_t reader_lost(const struct flow_log *l, struct flow_reader *r)
{
	uint64_t n;

	if (r->at >= l->oldest.at)
		return 0;
	n = l->oldest.line - r->line;
	*r = l->oldest;
	return n;
}

/* ---- lines ---- */

/* Two or three digits */
static void digits(char *to, unsigned n, unsigned value)
{
	while (n--) {
		to[n] = (char)('0' + value % 10);
		value /= 10;
	}
}

/* Days since 1970, as a date of the Gregorian calendar: years begin with March, so that a leap day is their last one */
static void put_date(char text[static 11], uint64_t days)
{
	unsigned era_day = (unsigned)((days + 719468) % 146097), era = (unsigned)((days + 719468) / 146097);
	unsigned year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	unsigned day = era_day - (365 * year + year / 4 - year / 100), month = (5 * day + 2) / 153;

	year += 400 * era + (month >= 10);
	digits(text, 4, year);
	digits(text + 5, 2, month < 10 ? month + 3 : month - 9);
	digits(text + 8, 2, day - (153 * month + 2) / 5 + 1);
	text[4] = text[7] = '-';
}

/* Beginning of a line, with UTC of this turn (RFC 3339), up to the event */
#define LINE_HEAD		"{\"v\":1,\"time\":\"0000-00-00T00:00:00.000Z\",\"event\":\""
#define LINE_HEAD_LEN	(sizeof(LINE_HEAD) - 1)
#define TIME_AT		15

static const char *line_head(const struct ctx *c)
{
	static char line[] = LINE_HEAD, *const text = line + TIME_AT;
	static uint64_t turn = UINT64_MAX, last_day = UINT64_MAX;
	uint64_t s;
	struct timespec t;

	if (turn == c->now_us)
		return line;
	turn = c->now_us;
	clock_gettime(CLOCK_REALTIME, &t);
	s = (uint64_t)t.tv_sec;
	if (s / 86400 != last_day)
		put_date(text, s / 86400);
	last_day = s / 86400;
	digits(text + 11, 2, (unsigned)(s / 3600 % 24));
	digits(text + 14, 2, (unsigned)(s / 60 % 60));
	digits(text + 17, 2, (unsigned)(s % 60));
	digits(text + 20, 3, (unsigned)(t.tv_nsec / 1000000));
	return line;
}

static struct json_out line_begin(const struct ctx *c, const char *event)
{
	static char buf[FLOW_LOG_LINE];
	size_t len = strlen(event);
	struct json_out o = { .b = buf, .len = LINE_HEAD_LEN + len + 1, .max = sizeof(buf) - 1, .comma = true };

	memcpy(buf, line_head(c), LINE_HEAD_LEN);
	memcpy(buf + LINE_HEAD_LEN, event, len);
	buf[LINE_HEAD_LEN + len] = '"';
	return o;
}

static void line_close(struct json_out *o)
{
	json_close(o, '}');
	o->b[o->len++] = '\n';
}

static void line_put(struct ctx *c, struct json_out *o)
{
	line_close(o);
	assert(!o->full);			/* all texts are cut */
	ring_add(&c->flow_log, o->b, o->len);
}

static void put_cut(struct json_out *o, const char *name, const char *s)
{
	if (s)
		json_str_cut(o, name, s, TEXT);
}

/* A line about @n lost ones: its length */
static size_t lost_line(const struct ctx *c, uint64_t n, char buf[static FLOW_LOG_LINE])
{
	struct json_out o = line_begin(c, "lost");

	json_int(&o, "count", (int64_t)n);
	line_close(&o);
	memcpy(buf, o.b, o.len);
	return o.len;
}

/* What verdict and end have in common; @proto: its text. Echo has no ports. */
static void put_about(struct json_out *o, uint32_t id, enum flow_dir dir, unsigned guest, const char *proto,
		      const struct end *to)
{
	char addr[ADDR_STRLEN];

	json_int(o, "id", id);
	json_str(o, "dir", dir == FLOW_IN ? "in" : "out");
	json_int(o, "guest", guest);
	json_str(o, "proto", proto);
	json_str(o, "address", addr_fmt(&to->a, addr));
	if (*proto != 'i')
		json_int(o, "port", to->port);
}

void flow_log_verdict(struct ctx *c, const struct flow_note *n)
{
	static const char *const name[] = { [FLOW_ALLOW] = "allow", [FLOW_DENY] = "deny", [FLOW_ASK] = "ask" };
	struct json_out o = line_begin(c, name[n->event]);

	put_about(&o, n->id, n->dir, n->g->index, proto_text(n->proto), n->to);
	put_cut(&o, "name", n->name);
	put_cut(&o, "sni", n->sni);
	put_cut(&o, "rule", n->rule);
	put_cut(&o, "reason", n->reason);
	line_put(c, &o);
}

void flow_log_dns(struct ctx *c, const struct guest *g, const char *name, const char *type, enum verdict v,
		  const struct addr *addresses, unsigned n)
{
	struct json_out o = line_begin(c, "dns");
	char addr[ADDR_STRLEN];

	json_int(&o, "guest", g->index);
	put_cut(&o, "name", name);
	put_cut(&o, "type", type);
	json_str(&o, "verdict", verdict_name[v]);
	json_open(&o, "addresses", '[');
	for (unsigned i = 0; i < MIN(n, ADDRESSES); i++)
		json_str(&o, NULL, addr_fmt(&addresses[i], addr));
	json_close(&o, ']');
	line_put(c, &o);
}

/* A flow has ended. Internal ones are left out. */
static void flow_log_end(struct ctx *c, const struct flow *f)
{
	const struct end *to = &f->side[HOST].peer;
	struct json_out o;

	if (!f->ops->state)
		return;
	o = line_begin(c, "end");
	put_about(&o, f->id, f->egress ? FLOW_OUT : FLOW_IN, f->guest,
		 f->ops->name[addr_family(&f->side[GUEST].peer.a)], to);
	json_int(&o, "from_guest", (int64_t)f->bytes[GUEST]);
	json_int(&o, "to_guest", (int64_t)f->bytes[HOST]);
	json_int(&o, "ms", (int64_t)(c->now - f->created));
	line_put(c, &o);
}

void flow_log_inbound(struct ctx *c, const struct guest *g, uint8_t proto, const struct end *from, const struct rule *r)
{
	char text[RULE_STRLEN];

	c->flows.id++;
	if (c->flow_log.on)
		flow_log_verdict(c, &(struct flow_note){
			.event = FLOW_ALLOW, .dir = FLOW_IN, .proto = proto, .g = g, .id = c->flows.id, .to = from,
			.rule = r ? (rule_fmt(r, text), text) : NULL,
		});
}

void flow_log_turn(struct ctx *c)
{
	for (uint32_t i = c->flows.dead; i != FLOW_NONE; i = c->flows.f[i].link[LINK_WAIT].next)
		flow_log_end(c, &c->flows.f[i]);
	flow_log_flush(c);
}

/* ---- the file ---- */

/* The pipe took the ring up to @to: of a line that is cut there, the rest must follow, whatever becomes of the ring */
static void file_taken(struct flow_log *l, uint64_t to)
{
	if (to == l->head) {
		l->file = (struct flow_reader){ l->head, l->lines };
		return;
	}
	while (l->file.at < to) {
		l->file.at = line_end(l->file.at);
		l->file.line++;
	}
	rest.len = (size_t)(l->file.at - to);
	ring_get(to, rest.text, rest.len);
}

/* The pipe has no reader any more */
static void file_gone(struct flow_log *l)
{
	warn("Flow log: its process is gone, nothing is written any more");
	fd_close(l->fd);
	l->fd = -1;
	l->on = l->clients;
}

/* Return: was all taken that there was? */
static bool flush_once(struct ctx *c)
{
	struct flow_log *l = &c->flow_log;
	struct iovec iov[3] = { { .iov_base = rest.text } };
	size_t off;
	ssize_t n;

	rest.lost += reader_lost(l, &l->file);
	if (rest.lost && !rest.len) {
		rest.len = lost_line(c, rest.lost, rest.text);
		rest.lost = 0;
	}
	off = l->file.at % RING;
	iov[0].iov_len = rest.len;
	iov[1] = (struct iovec){ ring + off, MIN(l->head - l->file.at, RING - off) };
	iov[2] = (struct iovec){ ring, l->head - l->file.at - iov[1].iov_len };
	n = writev(l->fd, iov, ARRAY_SIZE(iov));
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		file_gone(l);
	if (n <= 0)
		return false;
	if ((size_t)n < rest.len) {
		rest.len -= (size_t)n;
		memmove(rest.text, rest.text + n, rest.len);
		return false;
	}
	n -= (ssize_t)rest.len;
	rest.len = 0;
	file_taken(l, l->file.at + (uint64_t)n);
	return l->file.at == l->head && !rest.len;
}

/* Something is left to write */
static bool unwritten(const struct flow_log *l)
{
	return l->fd >= 0 && (l->file.at != l->head || rest.len || rest.lost);
}

void flow_log_flush(struct ctx *c)
{
	while (unwritten(&c->flow_log) && flush_once(c))
		;
}

/* Waits until the pipe takes more, or its process has ended (@fd: alive): false: it took too long, or no end is left */
static bool wait_until(const struct flow_log *l, int fd, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = fd == l->fd ? POLLOUT : POLLIN };
	uint64_t now = now_ms();

	return now < until && UNINTERRUPTED(poll(&p, 1, (int)(until - now))) == 1;
}

/* Lines in the ring are taken, as far as there is time */
static void drain(struct ctx *c, uint64_t until)
{
	struct flow_log *l = &c->flow_log;

	flow_log_flush(c);
	while (unwritten(l) && wait_until(l, l->fd, until))
		flow_log_flush(c);
}

void flow_log_quit(struct ctx *c)
{
	uint64_t until = now_ms() + QUIT_MOST;
	struct flow_log *l = &c->flow_log;

	if (l->fd < 0)
		return;
	flow_log_turn(c);			/* flows may have ended in this one */
	for (uint32_t i = 0; i < c->flows.unused; i++) {
		const struct flow *f = &c->flows.f[i];

		if (f->type == FLOW_FREE || f->dead)
			continue;
		flow_log_end(c, f);
		if (l->head - l->file.at > RING / 2)
			drain(c, until);
	}
	drain(c, until);
	fd_close(l->fd);
	wait_until(l, l->alive, until);
}

/* ---- clients ---- */

void flow_log_join(struct ctx *c, struct flow_reader *r)
{
	*r = (struct flow_reader){ c->flow_log.head, c->flow_log.lines };
	c->flow_log.clients++;
	c->flow_log.on = true;
}

void flow_log_leave(struct ctx *c)
{
	c->flow_log.clients--;
	c->flow_log.on = c->flow_log.clients || c->flow_log.fd >= 0;
}

size_t flow_log_next(const struct ctx *c, struct flow_reader *r, char buf[static FLOW_LOG_LINE])
{
	uint64_t lost = reader_lost(&c->flow_log, r);
	size_t len;

	if (lost)
		return lost_line(c, lost, buf) - 1;
	if (r->at == c->flow_log.head)
		return 0;
	len = (size_t)(line_end(r->at) - r->at);
	ring_get(r->at, buf, len);
	r->at += len;
	r->line++;
	return len - 1;
}
