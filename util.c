/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util.c - sets of guests, descriptors, files by path, PID file, clock, numbers, text, SipHash */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

int guests_first(const struct guests *s, unsigned i)
{
	uint64_t mask = ~0ULL << i % 64;

	for (unsigned k = i / 64; k < GUESTS_WORDS; k++, mask = ~0ULL)
		if (s->w[k] & mask)
			return (int)(64 * k) + __builtin_ctzll(s->w[k] & mask);
	return -1;
}

int guests_take(struct guests *s)
{
	for (unsigned k = 0; k < GUESTS_WORDS; k++) {
		int bit = s->w[k] ? __builtin_ctzll(s->w[k]) : -1;

		s->w[k] &= s->w[k] - 1;
		if (bit >= 0)
			return (int)(64 * k) + bit;
	}
	return -1;
}

unsigned guests_count(const struct guests *s)
{
	int n = 0;

	for (unsigned k = 0; k < GUESTS_WORDS; k++)
		n += __builtin_popcountll(s->w[k]);
	return (unsigned)n;
}

uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t now_ms(void)
{
	return now_us() / 1000;
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
		ssize_t n = UNINTERRUPTED(write(fd, p, len));

		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

bool real_root(void)
{
	unsigned inside, outside, count;
	bool initial = true;
	struct lines l;
	const char *s;

	if (geteuid())
		return false;
	if (lines_open(&l, "/proc/self/uid_map"))
		return true;
	while ((s = lines_next(&l)))
		initial &= sscanf(s, "%u %u %u", &inside, &outside, &count) == 3 && !inside && !outside &&
			   count == UINT32_MAX;
	return initial;
}

/* Files by path */

#define DIR_FLAGS	(O_PATH | O_DIRECTORY | O_CLOEXEC)
#define PID_LEN		16		/* room for a PID and "\n" */
#define START_MOST	5000		/* ms for a process to start */
#define LINKS_MAX	40		/* on the way to a file, path_resolution(7) */

/* The kernel's links there lead to open files, not always by a path (proc(5)) */
static bool on_procfs(int fd)
{
	struct statfs s;

	return !fstatfs(fd, &s) && s.f_type == PROC_SUPER_MAGIC;
}

static int file_enter(int dir, const char *path, unsigned *links);

/* From the folder @dir, which is closed, into @name: as file_enter() */
static int file_step(int dir, const char *name, unsigned *links)
{
	int next = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), rc;
	struct stat st;

	if (next >= 0 && !fstat(next, &st) && S_ISLNK(st.st_mode)) {
		char text[PATH_MAX];
		ssize_t n = readlinkat(next, "", text, sizeof(text) - 1);

		close(next);
		if (!on_procfs(dir)) {
			if (st.st_uid || n < 0 || ++*links > LINKS_MAX) {
				close(dir);
				return -FILE_LINK;
			}
			text[n] = '\0';
			return file_enter(dir, text, links);
		}
		next = openat(dir, name, DIR_FLAGS);
	}
	rc = next < 0 ? -errno : next;
	close(dir);
	return rc;
}

/* Opens the folder @path, a relative one from @dir, which is closed, through links of root only, @links of them so far:
 * descriptor, -errno or -FILE_LINK
 */
static int file_enter(int dir, const char *path, unsigned *links)
{
	if (*path == '/') {
		close(dir);
		dir = open("/", DIR_FLAGS);
	}
	while (dir >= 0 && *(path += strspn(path, "/"))) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(path, "/");

		if (len > NAME_MAX) {
			close(dir);
			return -ENAMETOOLONG;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
		dir = file_step(dir, name, links);
	}
	return dir;
}

int file_dir(const char *path, char *name)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	bool root = real_root();
	unsigned links = 0;
	char dir[PATH_MAX];
	int fd;

	if (strlen(path) >= PATH_MAX || strlen(base) > NAME_MAX)
		return -ENAMETOOLONG;
	if (root && !*base)
		return *path ? -EISDIR : -ENOENT;
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)MAX(slash - path, 1) : 1, slash ? path : ".");
	strcpy(name, base);

	fd = open(root ? "." : dir, DIR_FLAGS);
	return fd < 0 ? -errno : root ? file_enter(fd, dir, &links) : fd;
}

/* May root write to the file @st in the folder @dir? 0 or -FILE_... Rules of protected_regular, protected_fifos and
 * protected_hardlinks (proc_sys_fs(5)), also if these are off, and for folders without the sticky bit.
 */
static int root_refuses(const struct stat *dir, const struct stat *st)
{
	bool shared = dir->st_mode & S_IWOTH || (dir->st_mode & S_ISVTX && dir->st_mode & S_IWGRP);
	bool others = dir->st_uid || dir->st_mode & (S_IWOTH | S_IWGRP);

	if (S_ISLNK(st->st_mode))
		return -FILE_LINK;
	if (shared && st->st_uid && st->st_uid != dir->st_uid)
		return -FILE_FOREIGN;
	return others && S_ISREG(st->st_mode) && st->st_nlink > 1 ? -FILE_NAMES : 0;
}

/* @name in the folder @dir, as root. A file is checked before it is opened, as opening may have effects, and after. */
static int root_create(int dir, const char *name, int flags)
{
	struct stat d, st, got;
	int fd, rc, extra;

	if (fstat(dir, &d))
		return -errno;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		fd = errno == ENOENT ? openat(dir, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) : -1;
		return fd < 0 ? -errno : fd;
	}
	rc = root_refuses(&d, &st);
	if (rc)
		return rc;

	/* Only a FIFO waits: for its reader */
	extra = O_NOFOLLOW | (S_ISFIFO(st.st_mode) ? 0 : O_NONBLOCK);
	fd = openat(dir, name, flags | extra);
	if (fd < 0)
		return errno == ELOOP ? -FILE_LINK : -errno;
	if (fstat(fd, &got) || got.st_dev != st.st_dev || got.st_ino != st.st_ino) {
		close(fd);
		return -FILE_LINK;
	}
	if (extra & O_NONBLOCK)
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	return fd;
}

/* Number N of a path /proc/self/fd/N or /dev/fd/N, or of a standard stream; -1 for any other path */
static int fd_of_path(const char *path)
{
	static const char *const dir[] = { "/proc/self/fd/", "/dev/fd/" };
	static const char *const stream[] = { "/dev/stdin", "/dev/stdout", "/dev/stderr" };

	for (size_t i = 0; i < ARRAY_SIZE(stream); i++) {
		if (!strcmp(path, stream[i]))
			return (int)i;
	}
	for (size_t i = 0; i < ARRAY_SIZE(dir); i++) {
		size_t len = strlen(dir[i]);
		uint64_t n;

		if (!strncmp(path, dir[i], len) && parse_num(path + len, strlen(path + len), INT32_MAX, &n))
			return (int)n;
	}
	return -1;
}

int file_create(const char *path, int flags)
{
	char name[NAME_MAX + 1];
	int dir, fd;

	flags |= O_CLOEXEC | O_NOCTTY;
	if (fd_of_path(path) >= 0 || !real_root()) {
		fd = open(path, flags | O_CREAT, 0600);
		return fd < 0 ? -errno : fd;
	}
	dir = file_dir(path, name);
	if (dir < 0)
		return dir;
	fd = root_create(dir, name, flags);
	close(dir);
	return fd;
}

const char *file_text(int err)
{
	switch (err) {
	case FILE_LINK:
		return "root follows no symbolic link here";
	case FILE_FOREIGN:
		return "it belongs to another user, in a folder that is everybody's";
	case FILE_NAMES:
		return "it has another name (hard link), in a folder that others may write to";
	default:
		return errno_text(err);
	}
}

bool file_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	fd_close(fd);
	buf[MAX(n, 0)] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return n > 0;
}

void file_remove(const char *path, mode_t type)
{
	char name[NAME_MAX + 1];
	int dir = file_dir(path, name);
	struct stat st;

	if (dir >= 0 && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && (st.st_mode & S_IFMT) == type)
		unlinkat(dir, name, 0);
	fd_close(dir);
}

/* An error at the first bytes, as on a full disk, comes before something is started: @fd, or -errno */
static int room_for_pid(int fd)
{
	int rc = fd < 0 ? fd : write(fd, "", 0);

	if (!rc && (!fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PID_LEN) || (errno != ENOSPC && errno != EDQUOT)))
		return fd;
	rc = fd < 0 ? fd : -errno;
	fd_close(fd);
	return rc;
}

int pidfile_open(const char *path)
{
	int fd = fd_of_path(path), flags = fcntl(fd, F_GETFL);

	/* The descriptor itself: opening it anew would truncate a file, and fails for sockets and pipes of others */
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return room_for_pid(file_create(path, O_WRONLY));
	fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return fd < 0 ? -errno : fd;
}

int pidfile_write(int fd, pid_t pid)
{
	char buf[PID_LEN];
	int len, rc;

	if (fd < 0)
		return 0;
	len = snprintf(buf, sizeof(buf), "%i\n", pid);
	rc = fd_write_all(fd, buf, (size_t)len);
	/* Cut the rest of an older PID; a stream with output before this one stays */
	if (lseek(fd, 0, SEEK_CUR) == len)
		(void)!ftruncate(fd, len);
	return close(fd) && !rc ? -errno : rc;
}

unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 'a' ^ 'A';
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

static bool parse_digits(const char *s, size_t len, unsigned base, uint64_t max, uint64_t *v)
{
	uint64_t n = 0;

	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = digit_value(s[i]);

		if (digit >= base || digit > max || n > (max - digit) / base)
			return false;
		n = n * base + digit;
	}
	*v = n;
	return true;
}

bool parse_num(const char *s, size_t len, uint64_t max, uint64_t *v)
{
	return parse_digits(s, len, 10, max, v);
}

bool parse_num_c(const char *s, size_t len, unsigned base, uint64_t max, uint64_t *v)
{
	const char *end = s + len;

	while (s < end && (*s == ' ' || (*s >= '\t' && *s <= '\r')))
		s++;
	if (s < end && (*s == '+' || *s == '-'))
		max = *s++ == '-' ? 0 : max;
	if (!base && end - s > 1 && *s == '0') {
		base = (s[1] | 0x20) == 'x' ? 16 : (s[1] | 0x20) == 'b' ? 2 : 8;
		s += base == 8 ? 1 : 2;
	}
	return parse_digits(s, (size_t)(end - s), base ? base : 10, max, v);
}

unsigned utf8_len(const char *s, const char *end)
{
	const uint8_t *b = (const uint8_t *)s;
	unsigned n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
	bool bad;

	if ((size_t)(end - s) < n)
		return 0;
	for (unsigned i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	}
	bad = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf0 && b[1] < 0x90) ||
	      (b[0] == 0xf4 && b[1] > 0x8f);
	return bad ? 0 : n;
}

/* C0 and C1 controls, DEL (ECMA-48 5.2, 5.3), which a terminal obeys; U+2028 to U+202E and U+2066 to U+2069 (UAX 9),
 * which change the order of text
 */
static bool is_control(const uint8_t *b, unsigned n)
{
	if (n == 1)
		return *b < ' ' || *b == 0x7f;
	if (n == 2)
		return b[0] == 0xc2 && b[1] < 0xa0;
	return n == 3 && b[0] == 0xe2 &&
	       ((b[1] == 0x80 && b[2] >= 0xa8 && b[2] <= 0xae) || (b[1] == 0x81 && b[2] >= 0xa6 && b[2] <= 0xa9));
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

	if (getentropy(buf, len)) {
		fd_write_all(STDERR_FILENO, failed, sizeof(failed) - 1);
		_exit(1);
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

const char *proto_text(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	default:
		return proto == IPPROTO_ICMP ? "icmp" : "icmpv6";
	}
}

int fork_away(void)
{
	int status, rc;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid && (UNINTERRUPTED(waitpid(pid, &status, 0)) != pid || !WIFEXITED(status)))
		return -EIO;
	if (pid)
		return WEXITSTATUS(status) ? -WEXITSTATUS(status) : 1;
	pid = fork();
	rc = pid < 0 ? errno : 0;
	if (pid)
		_exit(rc);
	return 0;
}

bool fd_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return UNINTERRUPTED(poll(&p, 1, START_MOST)) == 1 && read(fd, &byte, 1) == 1;
}

int lines_open(struct lines *l, const char *path)
{
	l->at = l->len = 0;
	l->text = l->buf;
	l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return l->fd < 0 ? -errno : 0;
}

void lines_of(struct lines *l, const char *text, size_t len)
{
	l->fd = -1;
	l->text = text;
	l->at = 0;
	l->len = len;
}

/* Next byte, or -1 at the end */
static int lines_byte(struct lines *l)
{
	if (l->at == l->len) {
		ssize_t n = l->fd < 0 ? 0 : read(l->fd, l->buf, sizeof(l->buf));

		if (n <= 0)
			return -1;
		l->at = 0;
		l->len = (size_t)n;
	}
	return (unsigned char)l->text[l->at++];
}

char *lines_next(struct lines *l)
{
	size_t n = 0;
	int ch;

	while ((ch = lines_byte(l)) >= 0 && ch != '\n') {
		if (n < sizeof(l->line) - 1)
			l->line[n++] = (char)ch;
	}
	l->line[n] = '\0';
	if (n || ch >= 0)
		return l->line;
	fd_close(l->fd);
	return NULL;
}
