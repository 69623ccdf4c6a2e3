/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest.c - stands in for a virtual machine: a network namespace's kernel is the guest behind passt's socket
 *
 *	guest [-r] [-i IFNAME] [-m MTU] [-a MAC] [-l OPTIONS] SOCKET NETNS
 *
 * Makes a tap device IFNAME (ext) in the namespace, without offloads, and carries frames between it and SOCKET, a path
 * to connect to or fd=N. On the stream, each frame has its length in front, 4 bytes, big endian. Prints "ready" once
 * the device is up and the socket connected, every time it is.
 *
 * Status is 0 once passt has closed the connection; with -r, the path is connected to again, until that works. A
 * length that no network card would take, of a runt or a giant, is status 3. Neither direction waits for the other,
 * and nothing that was read is dropped; the device's own queue (txqueuelen) does drop when it is full, other than a
 * virtual machine's.
 *
 * With -l, a link with accidents is between device and socket, and a slash in OPTIONS between the two directions: from
 * the guest, and to it (lossy.h).
 */
/* LINK: test/tools/device.o test/tools/lossy.o */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "lossy.h"

#define FRAME_MIN	60		/* without checksum */
#define FRAME_MAX	65550
#define LEN		4		/* bytes in front of a frame */
#define BUF		(1U << 20)
#define RECONNECT_MS	20
#define BATCH		256

static struct buf {
	uint8_t		data[BUF];
	size_t		head, tail;	/* what is to be written: data[head..tail) */
} in, out;				/* towards the device, towards the socket */

static const char *path;
static int tap;
static struct lossy *line[2];		/* from the guest, to the guest; NULL: a wire */

/* Room at the end for @len more bytes; false if there is none */
static bool room(struct buf *b, size_t len)
{
	if (b->head == b->tail)
		b->head = b->tail = 0;
	if (BUF - b->tail < len && b->head) {
		memmove(b->data, b->data + b->head, b->tail - b->head);
		b->tail -= b->head;
		b->head = 0;
	}
	return BUF - b->tail >= len;
}

/* Device */

/* The frame of @len bytes behind the end, with room for its length in front, is to be sent */
static void out_add(size_t len)
{
	uint32_t be = htonl((uint32_t)len);

	memcpy(out.data + out.tail, &be, LEN);
	out.tail += LEN + len;
}

/* Frames that the line has carried from the guest, as many as fit */
static void out_fill(void)
{
	const uint8_t *frame;
	size_t len;

	while (room(&out, LEN + FRAME_MAX) && (frame = lossy_peek(line[0], &len, lossy_now()))) {
		memcpy(out.data + out.tail + LEN, frame, len);
		out_add(len);
		lossy_pop(line[0]);
	}
}

/* Frames of the device, as many as there are and fit */
static void tap_read(void)
{
	for (unsigned n = 0; n < BATCH && room(&out, LEN + FRAME_MAX); n++) {
		uint8_t *frame = out.data + out.tail + LEN;
		ssize_t len = read(tap, frame, FRAME_MAX);

		if (len < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)
			fatal("device");
		if (len <= 0) {
			if (line[0])
				lossy_turn(line[0]);
			break;
		}
		if (line[0])
			lossy_put(line[0], frame, (size_t)len, lossy_now());
		else
			out_add((size_t)len);
	}
}

/* False: the device takes nothing now. EIO: it is down, and a cable would not know either. */
static bool tap_put(const uint8_t *frame, size_t len)
{
	if (write(tap, frame, len) >= 0 || errno == EIO)
		return true;
	if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ENOMEM)
		fatal("device");
	return false;
}

/* Complete frames from the socket, to the device or the line; false if it takes no more now */
static bool in_take(void)
{
	while (in.tail - in.head >= LEN) {
		const uint8_t *frame = in.data + in.head + LEN;
		uint32_t len;

		memcpy(&len, in.data + in.head, LEN);
		len = ntohl(len);
		if (len < FRAME_MIN || len > FRAME_MAX) {
			fprintf(stderr, "guest: a frame of %u bytes\n", len);
			exit(3);
		}
		if (in.tail - in.head < LEN + len)
			break;
		if (line[1])
			lossy_put(line[1], frame, len, lossy_now());
		else if (!tap_put(frame, len))
			return false;
		in.head += LEN + len;
	}
	return true;
}

/* Frames to the device; false if it takes no more now */
static bool tap_write(void)
{
	const uint8_t *frame;
	size_t len;

	if (!in_take())
		return false;
	for (; line[1] && (frame = lossy_peek(line[1], &len, lossy_now())); lossy_pop(line[1])) {
		if (!tap_put(frame, len))
			return false;
	}
	return true;
}

/* Socket. Those that return bool: false if passt is gone */

static bool sock_read(int s)
{
	ssize_t n;

	if (!room(&in, LEN + FRAME_MAX))
		return true;
	n = recv(s, in.data + in.tail, BUF - in.tail, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	in.tail += (size_t)n;
	/* What was there has all come: on a socket, less than asked for */
	if (line[1] && in.tail < BUF) {
		in_take();
		lossy_turn(line[1]);
	}
	return n;
}

static bool sock_write(int s)
{
	while (out.head != out.tail) {
		ssize_t n = send(s, out.data + out.head, out.tail - out.head, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		out.head += (size_t)n;
	}
	return true;
}

/* The first time it has to work at once */
static int sock_open(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timespec pause = { 0, RECONNECT_MS * 1000000L };
	static bool before;
	int s;

	if (!strncmp(path, "fd=", 3))
		return atoi(path + 3);
	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		fatal(path);
	}
	memcpy(a.sun_path, path, strlen(path));
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		fatal("socket");
	while (connect(s, (struct sockaddr *)&a, sizeof(a))) {
		if (!before || (errno != ECONNREFUSED && errno != ENOENT && errno != EINTR && errno != EAGAIN))
			fatal(path);
		nanosleep(&pause, NULL);
	}
	before = true;
	return s;
}

/* Waits for an event, or the first frame that arrives and can go on; @takes: the device takes frames */
static void wait_for(struct pollfd pfd[2], bool takes)
{
	uint64_t due = UINT64_MAX, now = lossy_now();
	struct timespec t;

	if (line[0] && room(&out, LEN + FRAME_MAX))
		due = lossy_due(line[0]);
	if (line[1] && takes && lossy_due(line[1]) < due)
		due = lossy_due(line[1]);
	due = due > now ? due - now : 0;
	t.tv_sec = (time_t)(due / 1000000000);
	t.tv_nsec = (long)(due % 1000000000);
	if (ppoll(pfd, 2, line[0] ? &t : NULL, NULL) < 0 && errno != EINTR)
		fatal("poll");
}

/* One connection, until passt closes it */
static void carry(int s)
{
	struct pollfd pfd[2] = { { .fd = s }, { .fd = tap } };
	bool open = true, takes = true;

	while (open) {
		/* From the socket, always, unless the device is what is full */
		pfd[0].events = (short)((takes ? POLLIN : 0) | (out.head != out.tail ? POLLOUT : 0));
		pfd[1].events = (short)((room(&out, LEN + FRAME_MAX) ? POLLIN : 0) | (takes ? 0 : POLLOUT));
		wait_for(pfd, takes);
		if (pfd[1].revents & ~POLLOUT)
			tap_read();
		if (line[0])
			out_fill();
		open = sock_write(s) && (!(pfd[0].revents & ~POLLOUT) || sock_read(s));
		takes = tap_write();
	}
}

static int usage(void)
{
	fprintf(stderr, "Usage: guest [-r] [-i IFNAME] [-m MTU] [-a MAC] [-l OPTIONS] SOCKET|fd=N NETNS\n");
	return 1;
}

int main(int argc, char **argv)
{
	const struct ether_addr *mac = NULL;
	const char *name = "ext";
	bool again = false;
	int mtu = 65520, o;

	while ((o = getopt(argc, argv, "ri:m:a:l:")) >= 0) {
		if (o == 'r')
			again = true;
		else if (o == 'i')
			name = optarg;
		else if (o == 'm')
			mtu = atoi(optarg);
		else if (o == 'l')
			line[0] = lossy_new(optarg, 0), line[1] = lossy_new(optarg, 1);
		else if (o != 'a' || !(mac = ether_aton(optarg)))
			return usage();
	}
	if (argc - optind != 2)
		return usage();
	path = argv[optind];
	tap = device_open(argv[optind + 1], name, mtu, mac);
	do {
		int s = sock_open();

		puts("ready");
		fflush(stdout);
		carry(s);
		close(s);
		/* What was on its way is lost with the connection */
		in.head = in.tail = out.head = out.tail = 0;
		for (int i = 0; i < 2 && line[i]; i++)
			lossy_clear(line[i]);
	} while (again && strncmp(path, "fd=", 3));
	return 0;
}
