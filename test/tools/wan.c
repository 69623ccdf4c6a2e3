/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wan.c - a link between two network namespaces: delay, bit rate, loss, and other accidents
 *
 *	wan DELAY_MS MBIT LOSS_PERCENT NETNS_A IF_A NETNS_B IF_B [OPTIONS]
 *
 * Makes a tap device in each namespace and carries frames between them. DELAY_MS is one way; MBIT 0 is no limit.
 * Behind the rate there is a queue, which drops what does not fit. Loss is random, but the same in every run. Options
 * are those of lossy.h, from A to B, and back. No offloads: frames are those that a real link would carry. Prints
 * "ready" once both ends are up.
 */
/* LINK: test/tools/device.o test/tools/lossy.o */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "lossy.h"

#define BATCH		64

/* What has come in at @fd, onto the line */
static void take(int fd, struct lossy *l)
{
	static uint8_t frame[LOSSY_FRAME_MAX];

	for (unsigned i = 0; i < BATCH; i++) {
		ssize_t n = read(fd, frame, sizeof(frame));

		if (n <= 0) {
			lossy_turn(l);
			return;
		}
		lossy_put(l, frame, (size_t)n, lossy_now());
	}
}

/* What has arrived, out at @fd; returns when the next one does, or UINT64_MAX */
static uint64_t deliver(int fd, struct lossy *l, uint64_t now)
{
	const uint8_t *frame;
	size_t len;

	for (; (frame = lossy_peek(l, &len, now)); lossy_pop(l)) {
		if (write(fd, frame, len) < 0 && errno != EAGAIN && errno != EIO && errno != ENOBUFS)
			fatal("write");
	}
	return lossy_due(l);
}

/* One direction: the first three arguments, and the options in @more for it */
static struct lossy *direction(char **argv, const char *more, unsigned way)
{
	const char *other = more ? strchr(more, '/') : NULL;
	char *text;

	if (other && way)
		more = other + 1;
	if (asprintf(&text, "delay=%s,mbit=%s,loss=%s,%.*s", argv[1], argv[2], argv[3],
		     more ? other && !way ? (int)(other - more) : (int)strlen(more) : 0, more ? more : "") < 0)
		fatal("memory");
	return lossy_new(text, way);
}

int main(int argc, char **argv)
{
	struct lossy *line[2];
	struct pollfd pfd[2];

	if (argc != 8 && argc != 9) {
		fprintf(stderr, "Usage: wan DELAY_MS MBIT LOSS_PERCENT NETNS_A IF_A NETNS_B IF_B [OPTIONS]\n");
		return 1;
	}
	prctl(PR_SET_TIMERSLACK, 1000UL);
	for (unsigned i = 0; i < 2; i++) {
		line[i] = direction(argv, argv[8], i);
		pfd[i].fd = device_open(argv[4 + 2 * i], argv[5 + 2 * i], 0, NULL);
		pfd[i].events = POLLIN;
	}
	puts("ready");
	fflush(stdout);

	for (;;) {
		uint64_t now = lossy_now(), next = UINT64_MAX;
		struct timespec wait;

		for (int i = 0; i < 2; i++) {
			uint64_t due = deliver(pfd[!i].fd, line[i], now);

			next = due < next ? due : next;
		}
		next = next == UINT64_MAX ? 1000000000 : next > now ? next - now : 0;
		wait.tv_sec = (time_t)(next / 1000000000);
		wait.tv_nsec = (long)(next % 1000000000);
		if (ppoll(pfd, 2, &wait, NULL) <= 0)
			continue;
		for (int i = 0; i < 2; i++) {
			if (pfd[i].revents)
				take(pfd[i].fd, line[i]);
		}
	}
}
