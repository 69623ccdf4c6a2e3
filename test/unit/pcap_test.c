/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcap_test.c - capture files (PCAP-01) */

#include "../../pcap.c"
#include "../t.h"

#include <sys/resource.h>
#include <signal.h>

static char dir[] = "/tmp/pcap_test.XXXXXX", path[64];

static size_t slurp(uint8_t *b, size_t max)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, b, max);

	close(fd);
	return n < 0 ? 0 : (size_t)n;
}

static mode_t mode(void)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_mode & 07777;
}

static uint32_t word(const uint8_t *p)
{
	uint32_t w;

	memcpy(&w, p, 4);
	return w;
}

static void test_open(void)
{
	/* Magic of nanosecond files, version 2.4, two words reserved, snapshot length, Ethernet; machine's order */
	struct { uint32_t magic; uint16_t major, minor; uint32_t zone, figs, snap, type; } want = {
		0xa1b23c4d, 2, 4, 0, 0, 262144, 1,
	};
	uint8_t b[100];
	int fd;

	test("PCAP-01 new file: header, mode 0600 whatever the umask lets through");
	umask(0);
	fd = pcap_open(path);
	ok(fd >= 0);
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	eq(mode(), 0600);
	eq(sizeof(want), 24);
	eq(slurp(b, sizeof(b)), 24);
	eq_mem(b, &want, 24);
	close(fd);

	test("PCAP-01 file that was there: emptied, and no longer for everybody");
	fd = open(path, O_WRONLY | O_APPEND);
	ok(write(fd, b, 50) == 50);
	close(fd);
	chmod(path, 0666);
	fd = pcap_open(path);
	ok(fd >= 0);
	eq(mode(), 0600);
	eq(slurp(b, sizeof(b)), 24);
	close(fd);

	test("file that can't be made");
	eq(pcap_open(dir), -EISDIR);
	eq(pcap_open("/nonexistent/x.pcap"), -ENOENT);
	eq(pcap_open("/dev/full"), -ENOSPC);
}

static void test_frames(void)
{
	static uint8_t data[70000], b[200000];
	static const size_t len[] = { 14, 60, 61, 1514, 65549, 0 };
	size_t at = 24, total;
	struct timespec before, after;
	int fd = pcap_open(path);

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 3 + (i >> 8));

	test("PCAP-01 frames in any number of buffers, with time and length");
	clock_gettime(CLOCK_REALTIME, &before);
	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		struct iovec iov[3] = { { data, MIN(len[i], 10) }, { data + 10, 0 }, { data + 10, sizeof(data) - 10 } };

		pcap_frame(&fd, iov, 3, len[i]);
		ok(fd >= 0);
	}
	clock_gettime(CLOCK_REALTIME, &after);
	total = slurp(b, sizeof(b));
	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		struct timespec t = { word(b + at), word(b + at + 4) };

		ok(t.tv_sec > before.tv_sec || (t.tv_sec == before.tv_sec && t.tv_nsec >= before.tv_nsec));
		ok(t.tv_sec < after.tv_sec || (t.tv_sec == after.tv_sec && t.tv_nsec <= after.tv_nsec));
		ok(t.tv_nsec < 1000000000);
		eq(word(b + at + 8), len[i]);
		eq(word(b + at + 12), len[i]);
		eq_mem(b + at + 16, data, len[i]);
		at += 16 + len[i];
		before = t;
	}
	eq(at, total);

	test("PCAP-01 a frame in more buffers than one write takes is marked as cut, and the next one is right");
	if (ok(!ftruncate(fd, 24) && lseek(fd, 24, SEEK_SET) == 24)) {
		struct iovec iov[PCAP_IOV + 50];

		for (size_t i = 0; i < ARRAY_SIZE(iov); i++)
			iov[i] = (struct iovec){ data + i, 1 };
		pcap_frame(&fd, iov, ARRAY_SIZE(iov), ARRAY_SIZE(iov));
		pcap_frame(&fd, iov, 14, 14);
		eq(slurp(b, sizeof(b)), 24 + 16 + PCAP_IOV + 16 + 14);
		eq(word(b + 24 + 8), PCAP_IOV);
		eq(word(b + 24 + 12), ARRAY_SIZE(iov));
		eq_mem(b + 40, data, PCAP_IOV);
		eq(word(b + 40 + PCAP_IOV + 8), 14);
	}
	close(fd);
}

/* Standard error of what @fd's end says, as lines */
static unsigned lines(int from)
{
	char b[4096];
	ssize_t n = read(from, b, sizeof(b));
	unsigned cnt = 0;

	for (ssize_t i = 0; i < n; i++)
		cnt += b[i] == '\n';
	return cnt;
}

static void test_end(void)
{
	struct rlimit old, lim;
	uint8_t data[1000] = { 0 };
	struct iovec iov = { data, sizeof(data) };
	int p[2], err_fd = dup(2), fd, none = -1;

	if (pipe2(p, O_NONBLOCK))
		return;

	test("no capture: nothing happens");
	pcap_frame(&none, &iov, 1, 1000);
	eq(none, -1);

	/* A file that may not grow beyond the middle of the second frame: that one is cut short */
	test("PCAP-01 a short write ends the capture, with one message");
	fd = pcap_open(path);
	getrlimit(RLIMIT_FSIZE, &old);
	lim = (struct rlimit){ 24 + 1016 + 500, old.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &lim);
	dup2(p[1], 2);
	pcap_frame(&fd, &iov, 1, 1000);
	ok(fd >= 0);
	for (int i = 0; i < 3; i++) {
		pcap_frame(&fd, &iov, 1, 1000);
		eq(fd, -1);
	}
	dup2(err_fd, 2);
	setrlimit(RLIMIT_FSIZE, &old);
	eq(lines(p[0]), 1);

	test("PCAP-01 a failed write ends the capture, with one message");
	fd = open("/dev/full", O_WRONLY);
	dup2(p[1], 2);
	for (int i = 0; i < 3; i++) {
		pcap_frame(&fd, &iov, 1, 1000);
		eq(fd, -1);
	}
	dup2(err_fd, 2);
	eq(lines(p[0]), 1);
	close(p[0]);
	close(p[1]);
	close(err_fd);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/x.pcap", dir);
	test_open();
	test_frames();
	test_end();
	unlink(path);
	rmdir(dir);
	return done();
}
