/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wan.c - a wide-area link between two network namespaces: delay, bit rate, loss
 *
 *	wan DELAY_MS MBIT LOSS_PERCENT NETNS_A IF_A NETNS_B IF_B
 *
 * Makes a tap device in each namespace and carries frames between them, in order. DELAY_MS is one way; MBIT 0 is no
 * limit. Behind the rate there is a queue of QUEUE_BYTES, which drops what does not fit. Loss is random, but the same
 * in every run. No offloads: frames are those that a real link would carry. Prints "ready" once both ends are up.
 */
/* LINK: test/tools/device.o */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "device.h"

#define FRAME_MAX	1600
#define RING		(1U << 15)		/* frames under way in one direction */
#define QUEUE_BYTES	(4UL << 20)
#define BATCH		64

struct frame {
	uint64_t	due;			/* ns */
	uint32_t	len;
	uint8_t		data[FRAME_MAX];
};

struct direction {
	struct frame	*ring;
	uint32_t	head, tail;		/* next to deliver, next to fill; they wrap */
	uint64_t	line_free;		/* ns: when the line has sent what is queued */
};

static uint64_t delay, loss, lcg = 1;		/* ns; of 2^32 */
static double bytes_per_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool lost(void)
{
	lcg = lcg * 6364136223846793005ULL + 1442695040888963407ULL;
	return lcg >> 32 < loss;
}

/* What has come in at @fd, onto the line */
static void take(int fd, struct direction *d)
{
	for (unsigned i = 0; i < BATCH; i++) {
		struct frame *f = d->ring + d->tail % RING, dummy;
		uint64_t now = now_ns(), start, backlog;
		bool full = d->tail - d->head == RING;
		ssize_t n;

		if (full)
			f = &dummy;
		n = read(fd, f->data, FRAME_MAX);
		if (n <= 0)
			return;
		start = d->line_free > now ? d->line_free : now;
		backlog = (uint64_t)((double)(start - now) * bytes_per_ns);
		if (full || lost() || backlog > QUEUE_BYTES)
			continue;
		if (bytes_per_ns > 0)
			d->line_free = start + (uint64_t)((double)n / bytes_per_ns);
		f->due = (bytes_per_ns > 0 ? d->line_free : now) + delay;
		f->len = (uint32_t)n;
		d->tail++;
	}
}

/* What has arrived, out at @fd; returns when the next one does, or UINT64_MAX */
static uint64_t deliver(int fd, struct direction *d, uint64_t now)
{
	for (; d->head != d->tail; d->head++) {
		struct frame *f = d->ring + d->head % RING;

		if (f->due > now)
			return f->due;
		if (write(fd, f->data, f->len) < 0 && errno != EAGAIN && errno != EIO && errno != ENOBUFS)
			fatal("write");
	}
	return UINT64_MAX;
}

int main(int argc, char **argv)
{
	struct direction dir[2] = { { 0 } };
	struct pollfd pfd[2];

	if (argc != 8) {
		fprintf(stderr, "Usage: wan DELAY_MS MBIT LOSS_PERCENT NETNS_A IF_A NETNS_B IF_B\n");
		return 1;
	}
	delay = (uint64_t)(atof(argv[1]) * 1e6);
	bytes_per_ns = atof(argv[2]) / 8000;
	loss = (uint64_t)(atof(argv[3]) / 100 * 4294967296.0);
	prctl(PR_SET_TIMERSLACK, 1000UL);
	for (int i = 0; i < 2; i++) {
		dir[i].ring = calloc(RING, sizeof(*dir[i].ring));
		if (!dir[i].ring)
			fatal("memory");
		pfd[i].fd = device_open(argv[4 + 2 * i], argv[5 + 2 * i], 0, NULL);
		pfd[i].events = POLLIN;
	}
	puts("ready");
	fflush(stdout);

	for (;;) {
		uint64_t now = now_ns(), next = UINT64_MAX;
		struct timespec wait;

		for (int i = 0; i < 2; i++) {
			uint64_t due = deliver(pfd[!i].fd, &dir[i], now);

			next = due < next ? due : next;
		}
		next = next == UINT64_MAX ? 1000000000 : next - now;
		wait.tv_sec = (time_t)(next / 1000000000);
		wait.tv_nsec = (long)(next % 1000000000);
		if (ppoll(pfd, 2, &wait, NULL) <= 0)
			continue;
		for (int i = 0; i < 2; i++) {
			if (pfd[i].revents)
				take(pfd[i].fd, &dir[i]);
		}
	}
}
