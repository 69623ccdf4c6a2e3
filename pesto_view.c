/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pesto_view.c - what passes through a passt or pasta that runs: flows, once or again and again, events, metrics
 *
 * The program has bytes, not rates: flows are read twice, and found again by their number. Of a table that is
 * refreshed, as many rows are kept as the terminal has.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>

#include "control.h"
#include "json.h"
#include "log.h"
#include "opt.h"
#include "pesto.h"
#include "util.h"

#define PERIOD		1000			/* ms between two readings */
#define ROWS_MAX	1024			/* of a terminal */
#define ROW_LEN	512			/* of a row */

/* A flow at the first reading */
struct reading {
	int64_t		id;
	uint64_t	to, from;		/* bytes so far */
};

struct row {
	uint64_t	rate;			/* both ways */
	char		text[ROW_LEN];
};

static struct reading reading[2][FLOW_MAX];		/* in the reading before, and in this one */
static unsigned nreadings[2];
static struct row row[ROWS_MAX];
static unsigned nrows;
static struct termios tty;			/* as it was */
static volatile sig_atomic_t stop, resized;

/* ---- rows ---- */

/* Number of bytes, in five characters at most */
static const char *size_text(uint64_t n, char buf[static 16])
{
	static const char unit[] = " kMGTPE";
	unsigned u = 0;
	double d = (double)n;

	for (; d >= 999.5; u++)
		d /= 1000;
	if (!u)
		snprintf(buf, 16, "%u", (unsigned)n);
	else
		snprintf(buf, 16, "%.*f%c", d < 99.95, d, unit[u]);
	return buf;
}

/* Milliseconds as an age, in six characters at most */
static const char *age_text(uint64_t ms, char buf[static 16])
{
	unsigned long long s = ms / 1000;

	if (s < 60)
		snprintf(buf, 16, "%llus", s);
	else if (s < 3600)
		snprintf(buf, 16, "%llum%02llus", s / 60, s % 60);
	else if (s < 100 * 3600)
		snprintf(buf, 16, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		snprintf(buf, 16, "%llud", s / 86400);
	return buf;
}

/* "address:port" of an end; echo has no ports */
static void end_text(const char *end, bool port, char *buf, size_t size)
{
	char addr[PESTO_TEXT];
	bool v6;

	pesto_text(end, "address", addr);
	v6 = port && strchr(addr, ':');
	snprintf(buf, size, "%s%.64s%s", v6 ? "[" : "", addr, v6 ? "]" : "");
	if (port)
		snprintf(buf + strlen(buf), size - strlen(buf), ":%" PRIu16, (uint16_t)pesto_int(end, "port"));
}

/* The other end of a flow; of one from outside, with the port that it came to; its name in front, if it has one */
static void target_text(const char *v, bool in, char *buf, size_t size)
{
	char proto[PESTO_TEXT], name[PESTO_TEXT];
	const char *host = json_member(v, "host");
	size_t len;

	pesto_text(v, "protocol", proto);
	pesto_text(v, "name", name);
	snprintf(buf, size, "%.200s%s", name, *name ? " " : "");
	len = strlen(buf);
	end_text(json_member(host, "remote"), *proto != 'i', buf + len, size - len);
	if (in && *proto != 'i')
		snprintf(buf + strlen(buf), size - strlen(buf), " to :%" PRIu16,
			 (uint16_t)pesto_int(json_member(host, "local"), "port"));
}

static void row_text(const char *v, uint64_t to, uint64_t from, char text[static ROW_LEN])
{
	char proto[PESTO_TEXT], rule[PESTO_TEXT], dir[PESTO_TEXT], target[320], down[16], up[16], age[16];

	pesto_text(v, "protocol", proto);
	pesto_text(v, "rule", rule);
	pesto_text(v, "direction", dir);
	target_text(v, *dir == 'i', target, sizeof(target));
	snprintf(text, ROW_LEN, "%-6.6s %6s %6s %6s  %-3.3s  %-42s%s%.128s", proto, size_text(to, down),
		 size_text(from, up), age_text((uint64_t)pesto_int(v, "age"), age), dir, target, *rule ? "  " : "",
		 rule);
	for (size_t n = strlen(text); n && text[n - 1] == ' '; n--)
		text[n - 1] = '\0';
}

#define TITLE	"PROTO    DOWN     UP    AGE  DIR  ADDRESS                                     RULE"

/* Among those kept, the ones that move most, in order */
static void row_keep(unsigned most, const char *v, uint64_t to, uint64_t from)
{
	unsigned i = nrows;

	if (i == most && (!i || row[i - 1].rate >= to + from))
		return;
	i -= i == most;
	for (; i && row[i - 1].rate < to + from; i--)
		row[i] = row[i - 1];
	row[i].rate = to + from;
	row_text(v, to, from, row[i].text);
	nrows = MIN(nrows + 1, most);
}

/* ---- readings ---- */

static int by_id(const void *a, const void *b)
{
	const struct reading *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* Bytes per second since the reading before, of @ms; of a new flow, since it began */
static void rates(const struct reading *now, uint64_t age, uint64_t ms, uint64_t *to, uint64_t *from)
{
	const struct reading *was = now->id ? bsearch(now, reading[0], nreadings[0], sizeof(*now), by_id) : NULL;

	ms = was ? MAX(ms, 1U) : MAX(age, 1000U);
	*to = (now->to - (was ? was->to : 0)) * 1000 / ms;
	*from = (now->from - (was ? was->from : 0)) * 1000 / ms;
}

static struct reading *flow_read(const char *v)
{
	struct reading *s = &reading[1][nreadings[1]++];

	s->id = pesto_int(v, "id");
	s->to = (uint64_t)pesto_int(v, "to_guest");
	s->from = (uint64_t)pesto_int(v, "from_guest");
	return s;
}

/* All flows, and their rates since the reading before, @ms ago: to standard output, or the @most first ones to keep.
 * The sums are in @to and @from, which may be NULL: nothing is shown then.
 */
static void read_flows(int fd, const char *path, uint64_t ms, unsigned most, uint64_t *to, uint64_t *from)
{
	static const char flows[] = "{\"method\":\"" CONTROL_INTERFACE ".Flows\",\"more\":true}";
	char text[ROW_LEN];
	uint64_t down, up;
	bool more = true;

	nreadings[1] = nrows = 0;
	pesto_call(fd, path, flows, sizeof(flows));
	while (more) {
		const char *p = pesto_answer(fd, path, &more);

		for (const char *v = json_first(json_member(p, "flows")); v; v = json_next(v)) {
			if (nreadings[1] == FLOW_MAX)
				break;
			if (!to) {
				flow_read(v);
				continue;
			}
			rates(flow_read(v), (uint64_t)pesto_int(v, "age"), ms, &down, &up);
			*to += down;
			*from += up;
			if (most) {
				row_keep(most, v, down, up);
			} else {
				row_text(v, down, up, text);
				puts(text);
			}
		}
	}
	memcpy(reading[0], reading[1], nreadings[1] * sizeof(reading[0][0]));
	nreadings[0] = nreadings[1];
	qsort(reading[0], nreadings[0], sizeof(reading[0][0]), by_id);
}

static void show_flows(int fd, const char *path)
{
	uint64_t to = 0, from = 0, at;

	read_flows(fd, path, 0, 0, NULL, NULL);
	at = now_ms();
	while (poll(NULL, 0, PERIOD / 2) && errno == EINTR)
		;
	puts(TITLE);
	read_flows(fd, path, now_ms() - at, 0, &to, &from);
}

/* ---- a terminal ---- */

static void on_signal(int sig)
{
	if (sig == SIGWINCH)
		resized = 1;
	else
		stop = 1;
}

/* At exit, whatever the reason */
static void tty_restore(void)
{
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &tty);
}

/* Keys come one by one, and are not shown; signals end the view, so that the terminal becomes as it was */
static void tty_begin(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH };
	struct sigaction act = { .sa_handler = on_signal };
	struct termios raw;

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		sigaction(ends[i], &act, NULL);
	if (tcgetattr(STDIN_FILENO, &tty))
		return;
	raw = tty;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VSUSP] = _POSIX_VDISABLE;
	atexit(tty_restore);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
}

/* A line, as much of it as fits, and what is behind it is cleared */
static void put_line(const char *s, unsigned width, bool last)
{
	printf("%.*s\033[K%s", (int)width, s, last ? "\033[J" : "\n");
}

/* All of the screen: a line about all flows, the title, rows */
static void draw(const char *path, uint64_t to, uint64_t from, const struct winsize *w)
{
	char text[ROW_LEN], down[16], up[16];
	unsigned lines = MIN(nrows, w->ws_row > 2 ? w->ws_row - 2U : 0);

	printf("\033[H");
	snprintf(text, sizeof(text), "%u flows, to the guest %sB/s, from it %sB/s   %.256s", nreadings[0],
		 size_text(to, down), size_text(from, up), path);
	put_line(text, w->ws_col, false);
	put_line(TITLE, w->ws_col, !lines);
	for (unsigned i = 0; i < lines; i++)
		put_line(row[i].text, w->ws_col, i == lines - 1);
	fflush(stdout);
}

/* Waits for the next reading, a key or a signal: false if the user wants to leave */
static bool top_wait(uint64_t until)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t now;
	char key;
	int n;

	while (!stop && !resized && (now = now_ms()) < until) {
		n = poll(&p, 1, (int)(until - now));
		if (n <= 0)
			continue;
		n = (int)read(STDIN_FILENO, &key, 1);
		if (n == 1 && (key == 'q' || key == 'Q'))
			return false;
		if (n <= 0)
			p.fd = -1;		/* no keys come from there */
	}
	return !stop;
}

static void show_top(int fd, const char *path)
{
	uint64_t to, from, now, at = now_ms();
	struct winsize w;

	if (!isatty(STDOUT_FILENO)) {
		show_flows(fd, path);
		return;
	}
	tty_begin();
	printf("\033[H\033[J");
	do {
		resized = 0;
		if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_row || !w.ws_col)
			w = (struct winsize){ .ws_row = 24, .ws_col = 80 };
		w.ws_row = MIN(w.ws_row, ROWS_MAX);
		to = from = 0;
		now = now_ms();
		read_flows(fd, path, now - at, w.ws_row, &to, &from);
		at = now;
		draw(path, to, from, &w);
	} while (!ferror(stdout) && top_wait(at + PERIOD));
	puts("");
}

/* ---- events and metrics ---- */

static void put_event(const char *v)
{
	static char line[CONTROL_OUT];
	size_t len = json_len(v);

	if (len >= sizeof(line))
		return;
	memcpy(line, v, len);
	if (isatty(STDOUT_FILENO))
		text_safe(line, len);
	printf("%.*s\n", (int)len, line);
}

/* Until the other side ends, or there is nobody to show them to */
static void show_events(int fd, const char *path)
{
	static const char events[] = "{\"method\":\"" CONTROL_INTERFACE ".Events\",\"more\":true}";
	const struct timeval forever = { 0 };
	bool more = true;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	pesto_call(fd, path, events, sizeof(events));
	while (more) {
		const char *p = pesto_answer(fd, path, &more);

		if (!p)
			die("The program at %s is too old: it has no events", path);
		for (const char *v = json_first(json_member(p, "events")); v; v = json_next(v))
			put_event(v);
		output_check();
	}
}

static void show_metrics(int fd, const char *path)
{
	static const char metrics[] = "{\"method\":\"" CONTROL_INTERFACE ".Metrics\"}";
	static char text[PESTO_ANSWER];

	pesto_call(fd, path, metrics, sizeof(metrics));
	if (!json_get_str(json_member(pesto_answer(fd, path, NULL), "text"), text, sizeof(text)))
		die("What %s answers are no metrics", path);
	fputs(text, stdout);
}

void pesto_view(int fd, const char *path, enum pesto_view view)
{
	switch (view) {
	case VIEW_FLOWS:
		show_flows(fd, path);
		break;
	case VIEW_TOP:
		show_top(fd, path);
		break;
	case VIEW_EVENTS:
		show_events(fd, path);
		break;
	case VIEW_METRICS:
		show_metrics(fd, path);
		break;
	case VIEW_GUESTS:
		pesto_guests(fd, path);
		break;
	case VIEW_ASK:
		pesto_ask(fd, path);
		break;
	case VIEW_NONE:
		break;
	}
	output_check();
}
