/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pesto_ask.c - questions of a passt or pasta that runs: lines on standard output, and answers on standard input
 *
 * The n-th line of answers is for the n-th question. None is read before its question is there: what is typed too early
 * stays with the terminal, or in the pipe. Behind the end of input, every answer is "never".
 *
 * Questions are one answer without an end; each answer to one is a call on a connection of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ask.h"
#include "control.h"
#include "log.h"
#include "opt.h"
#include "pesto.h"
#include "unix.h"

#define OPEN_MAX	1024			/* questions that were shown, and not answered */
#define WAIT_MAX	30			/* s, for an answer of the program's */

static struct {
	int64_t		id[OPEN_MAX];
	uint64_t	first, end;		/* numbers of the first one without an answer, and of the next one */
} shown;

static struct {
	size_t		len;
	bool		end, bad;		/* no more input; the line is too long */
	char		line[16];		/* a word, in the making */
} input;

int pesto_connect(const char *path)
{
	const struct timeval patience = { .tv_sec = WAIT_MAX };
	int fd = unix_connect(path);

	if (fd < 0)
		die("Failed to connect to %s: %s (option -c of pasta or passt makes it)", path, errno_text(-fd));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

/* Member that is text, safe for a terminal and without a blank; "-" without one */
static void field(const char *v, const char *name, char buf[static PESTO_TEXT])
{
	pesto_text(v, name, buf);
	if (!*buf)
		snprintf(buf, PESTO_TEXT, "-");
	for (char *s = buf; *s; s++)
		*s = *s == ' ' ? '_' : *s;
}

void pesto_place(const char *v)
{
	char protocol[PESTO_TEXT], address[PESTO_TEXT], name[PESTO_TEXT];
	int64_t port = pesto_int(v, "port");
	bool v6;

	field(v, "protocol", protocol);
	field(v, "address", address);
	field(v, "name", name);
	v6 = strchr(address, ':');
	printf("%s %s%s%s", protocol, v6 && port ? "[" : "", address, v6 && port ? "]" : "");
	if (port)
		printf(":%" PRIi64, port);
	printf(" %s", name);
}

/* Shows a question, its place and its rule; anything else ends the process */
static void take_question(const char *v, const char *path)
{
	const char *q = json_member(json_member(v, "parameters"), "question");
	char error[PESTO_TEXT], rule[PESTO_TEXT];
	int64_t id;

	field(v, "error", error);
	if (strcmp(error, "-"))
		die("Refused: %s", error);
	if (!json_get_int(json_member(q, "id"), &id))
		die("What %s answers is no question", path);
	field(q, "rule", rule);
	pesto_place(q);
	printf(" %s\n", rule);
	output_check();
	shown.id[shown.end++ % OPEN_MAX] = id;
}

/* The first question without an answer gets one */
static void give_answer(enum ask_word w, const char *path)
{
	char text[256], buf[1024], error[PESTO_TEXT];
	struct replies reply = { .size = sizeof(buf), .buf = buf };
	int fd = pesto_connect(path);

	snprintf(text, sizeof(text),
		 "{\"method\":\"" CONTROL_INTERFACE ".Answer\",\"parameters\":{\"id\":%" PRIi64 ",\"answer\":\"%s\"}}",
		 shown.id[shown.first++ % OPEN_MAX], ask_word_name[w]);
	pesto_call(fd, path, text, strlen(text) + 1);
	field(replies_wait(&reply, fd, path), "error", error);
	close(fd);
	if (!strcmp(error, CONTROL_INTERFACE ".NoSuchQuestion"))
		warn("The answer came too late, or another one before");
	else if (strcmp(error, "-"))
		die("Refused: %s", error);
}

/* A line of input is complete */
static void line_done(const char *path)
{
	enum ask_word w = ASK_ONCE;

	while (w < ASK_WORDS &&
	       (input.bad || strlen(ask_word_name[w]) != input.len || memcmp(ask_word_name[w], input.line, input.len)))
		w++;
	input.len = 0;
	input.bad = false;
	if (w == ASK_WORDS)
		warn("Not an answer: once, always or never expected");
	else
		give_answer(w, path);
}

/* A byte of input: no more than that, so that what is behind the line is left to others */
static void take_input(const char *path)
{
	char ch = 0;

	if (UNINTERRUPTED(read(STDIN_FILENO, &ch, 1)) != 1) {
		input.end = true;
		if (input.len || input.bad)
			line_done(path);
	} else if (ch == '\n') {
		line_done(path);
	} else if (input.len == sizeof(input.line)) {
		input.bad = true;
	} else if (ch != '\r') {
		input.line[input.len++] = ch;
	}
}

_Noreturn void pesto_ask(int fd, const char *path)
{
	static const char call[] = "{\"method\":\"" CONTROL_INTERFACE ".Questions\",\"more\":true}";
	static char buf[CONTROL_OUT];
	struct replies questions = { .size = sizeof(buf), .buf = buf };
	const char *v;

	pesto_call(fd, path, call, sizeof(call));
	while (true) {
		bool open = shown.first != shown.end, full = shown.end - shown.first == OPEN_MAX;
		struct pollfd p[] = {
			{ .fd = full ? -1 : fd, .events = POLLIN },
			{ .fd = open && !input.end ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (open && input.end) {
			give_answer(ASK_NEVER, path);
			continue;
		}
		if (!full && (v = replies_next(&questions, path))) {
			take_question(v, path);
			continue;
		}
		if (UNINTERRUPTED(poll(p, ARRAY_SIZE(p), -1)) < 0)
			die("Failed to wait: %s", errno_text(errno));
		if (p[0].revents)
			replies_read(&questions, fd, path);
		if (p[1].revents)
			take_input(path);
	}
}
