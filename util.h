/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util.h - macros, bit maps, bytes in network order, descriptors, files by path, clock, numbers, text, keyed hash */
#ifndef UTIL_H
#define UTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define GUEST_SEATS		64	/* guests of one process, at most */
#define GUEST_TRIALS		4	/* others that may take the place of one */
#ifndef GUEST_MAX
#define GUEST_MAX		(GUEST_SEATS + GUEST_TRIALS)
#endif

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)		((a) < (b) ? (a) : (b))
#define MAX(a, b)		((a) > (b) ? (a) : (b))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define ROUND_UP(n, to)		(DIV_ROUND_UP(n, to) * (to))

/* Guests, by index */
struct guests {
	uint64_t	w[DIV_ROUND_UP(GUEST_MAX, 64)];
};

#define GUESTS_WORDS		ARRAY_SIZE(((struct guests *)0)->w)

static inline void guests_add(struct guests *s, unsigned i)
{
	s->w[i / 64] |= 1ULL << i % 64;
}

static inline void guests_del(struct guests *s, unsigned i)
{
	s->w[i / 64] &= ~(1ULL << i % 64);
}

static inline bool guests_has(const struct guests *s, unsigned i)
{
	return s->w[i / 64] >> i % 64 & 1;
}

int guests_first(const struct guests *s, unsigned i);	/* from @i on, or -1 */
int guests_take(struct guests *s);			/* the first one is taken out, -1: there is none */
unsigned guests_count(const struct guests *s);
#define container_of(p, type, member)					\
	((type *)(void *)((char *)(p) - offsetof(type, member)))
/* Result of a system call, repeated as long as a signal interrupts it */
#define UNINTERRUPTED(call)							\
	__extension__({							\
		ssize_t rc_;						\
									\
		do							\
			rc_ = (call);					\
		while (rc_ < 0 && errno == EINTR);			\
		rc_;							\
	})
#define PRINTF_LIKE(fmt, args)	__attribute__((format(printf, fmt, args)))

/* Bit maps over arrays of bytes; bit 0 is the lowest bit of byte 0 */
static inline bool bit_test(const uint8_t *map, unsigned bit)
{
	return map[bit / 8] & (1U << (bit % 8));
}

static inline void bit_set(uint8_t *map, unsigned bit)
{
	map[bit / 8] |= (uint8_t)(1U << (bit % 8));
}

static inline void bit_clear(uint8_t *map, unsigned bit)
{
	map[bit / 8] &= (uint8_t)~(1U << (bit % 8));
}

static inline uint8_t ascii_lower(uint8_t ch)
{
	return ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch;
}

/* Big-endian fields at any alignment */
static inline uint16_t get_be16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t get_be32(const void *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16((const uint8_t *)p + 2);
}

static inline void put_be16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void put_be32(void *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16((uint8_t *)p + 2, (uint16_t)v);
}

/* CLOCK_MONOTONIC in milliseconds, and in microseconds */
uint64_t now_ms(void);
uint64_t now_us(void);

/* Closes @fd unless it is negative */
void fd_close(int fd);

/* Writes all of @buf: 0, or -errno */
int fd_write_all(int fd, const void *buf, size_t len);

/* UID 0 of the initial user namespace? */
bool real_root(void);

/* Beside errno values, which are below 4096 */
enum {
	FILE_LINK = 4096,	/* a symbolic link that is not followed */
	FILE_FOREIGN,		/* another user's file in a folder that is everybody's */
	FILE_NAMES,		/* a file with several names in a folder that others may write to */
};

/* Text of an errno or FILE_... value */
const char *file_text(int err);

/**
 * file_dir() - open the folder of a file
 * @name:	filled with the file's name, NAME_MAX + 1 bytes
 *
 * Real root follows no links of other users on the way; others follow all.
 *
 * Return: descriptor (O_PATH), or -errno, -FILE_LINK
 */
int file_dir(const char *path, char *name);

/**
 * file_create() - open a file to write to, or create it with mode 0600; its content stays
 * @flags:	O_WRONLY or O_RDWR
 *
 * Real root follows no symbolic link to it, none of another user on the way, and touches no file that others may have
 * put in its place. /proc/self/fd/N, the standard streams by name, FIFOs and devices are fine.
 *
 * Return: descriptor, or -errno, -FILE_...
 */
int file_create(const char *path, int flags);

/* A file of one line, as of sysctl(8), without its end, into @buf: false if it can't be read */
bool file_line(const char *path, char *buf, size_t size);

/* Removes a file if its type is @type, S_IF... */
void file_remove(const char *path, mode_t type);

/* Opens, or creates as file_create(), a PID file, FIFO, or /proc/self/fd/N: descriptor, or -errno, -FILE_...
 * Nothing is renamed into place: the file may exist, be watched, or be a pipe.
 */
int pidfile_open(const char *path);

/* Writes "PID\n" to @fd, if that is no -1, and closes it: 0, or -errno */
int pidfile_write(int fd, pid_t pid);

/* Value of a hexadecimal digit, or 16 */
unsigned digit_value(char c);

/* Decimal number up to @max, and nothing else, in the @len bytes at @s: false otherwise */
bool parse_num(const char *s, size_t len, uint64_t max, uint64_t *v);

/**
 * parse_num_c() - same, as strtoul(3) reads it: white space and a plus sign may precede the number
 * @base:	10, or 0: hexadecimal after 0x, binary after 0b, octal after 0, decimal otherwise
 *
 * A number below zero is none, though strtoul() takes it modulo 2^64.
 */
bool parse_num_c(const char *s, size_t len, unsigned base, uint64_t max, uint64_t *v);

/* Bytes of the UTF-8 sequence (RFC 3629) at @s, 0: overlong, a surrogate, beyond U+10FFFF, cut at @end, or none */
unsigned utf8_len(const char *s, const char *end);

/* Makes text from outside safe for a terminal or log: '?' replaces each byte of control characters, of characters that
 * change the direction of text, and of invalid UTF-8
 */
void text_safe(char *s, size_t len);

/* Fills @buf, 256 bytes at most, from getrandom(2); ends the process if the kernel can't */
void random_bytes(void *buf, size_t len);

/* SipHash-2-4 (Aumasson and Bernstein, 2012) */
uint64_t siphash(const uint64_t key[2], const void *data, size_t len);

/* Text of an errno value, without locale, allocation or system call */
const char *errno_text(int err);

/* "tcp", "udp", "icmp" or "icmpv6": a protocol of IP that flows have */
const char *proto_text(uint8_t proto);

/* fork(), but for a process that isn't ours to wait for: 0 in it, 1 in the caller, or -errno */
int fork_away(void);

/* Waits for a byte, or a message, of a process that starts: is it there? */
bool fd_ready(int fd);

/* A text file, line by line; the rest of a line that exceeds @line is left out */
struct lines {
	int	fd;			/* -1: none, all is in @text */
	const char *text;
	size_t	at, len;
	char	buf[4096];
	char	line[1024];
};

/* 0, or -errno */
int lines_open(struct lines *l, const char *path);

/* The same of @len bytes of text, which stay */
void lines_of(struct lines *l, const char *text, size_t len);

/* Next line, without its end, or NULL at the end of the file, which is closed */
char *lines_next(struct lines *l);

#endif /* UTIL_H */
