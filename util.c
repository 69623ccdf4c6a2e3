/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util.c - descriptor helpers, PID file, clock, numbers, SipHash, errno texts */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int fd_write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Number N of a path /proc/self/fd/N or /dev/fd/N, -1 for any other path */
static int fd_of_path(const char *path)
{
	static const char *const dir[] = { "/proc/self/fd/", "/dev/fd/" };

	for (size_t i = 0; i < ARRAY_SIZE(dir); i++) {
		size_t len = strlen(dir[i]);
		uint64_t n;

		if (!strncmp(path, dir[i], len) && parse_num(path + len, strlen(path + len), INT32_MAX, &n))
			return (int)n;
	}
	return -1;
}

int pidfile_open(const char *path)
{
	int fd = fd_of_path(path), flags;

	/* The descriptor itself: opening anew would truncate a file, and fails for sockets and others' pipes */
	flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
	if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	else
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

	return fd < 0 ? -errno : fd;
}

void pidfile_write(int fd, pid_t pid)
{
	char buf[16];
	int len;

	if (fd < 0)
		return;

	len = snprintf(buf, sizeof(buf), "%i\n", pid);
	fd_write_all(fd, buf, (size_t)len);
	/* What an older one left behind that; not what somebody's stream has in front of it */
	if (lseek(fd, 0, SEEK_CUR) == len)
		(void)!ftruncate(fd, len);
	close(fd);
}

bool parse_num(const char *s, size_t len, uint64_t max, uint64_t *v)
{
	uint64_t n = 0;

	if (!len)
		return false;

	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)s[i] - '0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
		if (n > max)
			return false;
	}
	*v = n;
	return true;
}

unsigned utf8_len(const char *s, const char *end)
{
	const uint8_t *b = (const uint8_t *)s;
	unsigned n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;

	if ((size_t)(end - s) < n)
		return 0;
	for (unsigned i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
	    (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
		return 0;
	return n;
}

/* What a terminal would obey instead of showing it: C0 and C1 controls, DEL (ECMA-48 5.2, 5.3); and, as they turn the order of
 * what is shown around, U+2028 to U+202E and U+2066 to U+2069 (UAX 9)
 */
static bool is_control(const uint8_t *b, unsigned n)
{
	if (n == 1)
		return *b < ' ' || *b == 0x7f;
	if (n == 2)
		return b[0] == 0xc2 && b[1] < 0xa0;
	return n == 3 && b[0] == 0xe2 && ((b[1] == 0x80 && b[2] >= 0xa8 && b[2] <= 0xae) ||
					  (b[1] == 0x81 && b[2] >= 0xa6 && b[2] <= 0xa9));
}

void text_safe(char *s, size_t len)
{
	const char *end = s + len;

	while (s < end) {
		unsigned n = utf8_len(s, end);
		bool bad = !n || is_control((const uint8_t *)s, n);

		for (n = n ? n : 1; n; n--, s++)
			*s = bad ? '?' : *s;
	}
}

void random_bytes(void *buf, size_t len)
{
	static const char failed[] = "getrandom() failed\n";
	char *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fd_write_all(STDERR_FILENO, failed, sizeof(failed) - 1);
			_exit(1);
		}
		p += n;
		len -= (size_t)n;
	}
}

static uint64_t rotl(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static uint64_t get_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

uint64_t siphash(const uint64_t key[2], const void *data, size_t len)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573,
	};
	const uint8_t *p = data;
	uint64_t last = (uint64_t)len << 56;
	size_t left = len;

	for (; left >= 8; p += 8, left -= 8)
		sip_word(v, get_le64(p));
	while (left--)
		last |= (uint64_t)p[left] << 8 * left;
	sip_word(v, last);

	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

const char *errno_text(int err)
{
#ifdef __GLIBC__
	const char *s = strerrordesc_np(err);	/* strerror() translates, allocates, and may open files */

	return s ? s : "Unknown error";
#else
	return strerror(err);			/* musl: a table */
#endif
}
