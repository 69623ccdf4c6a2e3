/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LINK: */

#include "../../util.c"
#include "../t.h"

#include <sys/wait.h>

/* Appendix A of the SipHash paper, and the authors' vectors.h: key 00..0f, input 00, 01, 02, ... of the given length */
static void test_siphash(void)
{
	static const struct { size_t len; uint64_t hash; } row[] = {
		{ 0, 0x726fdb47dd0e0e31 }, { 1, 0x74f839c593dc67fd }, { 2, 0x0d6c8009d9a94f5a },
		{ 7, 0xab0200f58b01d137 }, { 8, 0x93f5f5799a932462 }, { 9, 0x9e0082df0ba9e4b0 },
		{ 15, 0xa129ca6149be45e5 }, { 16, 0x3f2acc7f57c29bdb }, { 63, 0x958a324ceb064572 },
	};
	static const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	uint8_t in[65];

	test("siphash: vectors of the paper");
	for (size_t shift = 0; shift < 2; shift++) {	/* any alignment */
		for (size_t i = 0; i < 64; i++)
			in[i + shift] = (uint8_t)i;
		for (size_t i = 0; i < ARRAY_SIZE(row); i++)
			eq(siphash(key, in + shift, row[i].len), row[i].hash);
	}
}

static void test_parse_num(void)
{
	static const struct { const char *text; uint64_t max; bool good; uint64_t value; } row[] = {
		{ "0", 0, true, 0 }, { "1", 0, false, 0 }, { "65535", 65535, true, 65535 },
		{ "65536", 65535, false, 0 }, { "", 9, false, 0 }, { "007", 9, true, 7 }, { "+1", 9, false, 0 },
		{ "-1", UINT64_MAX, false, 0 }, { " 1", 9, false, 0 }, { "1 ", 9, false, 0 }, { "1a", 99, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 }, { "99999999999999999999", UINT64_MAX, false, 0 },
		{ "/", 99, false, 0 }, { ":", 99, false, 0 }, { "\xb1", UINT64_MAX, false, 0 },
	};
	uint64_t v;

	test("CLI-06 parse_num: whole decimal numbers only, whatever errno is");
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		errno = ERANGE;
		v = 0;
		if (!eq(parse_num(row[i].text, strlen(row[i].text), row[i].max, &v), row[i].good))
			printf("# \"%s\"\n", row[i].text);
		if (row[i].good)
			eq(v, row[i].value);
	}
	ok(parse_num("123", 2, 99, &v));
	eq(v, 12);
}

static void test_parse_num_c(void)
{
	static const struct { const char *text; unsigned base; uint64_t max; bool good; uint64_t value; } row[] = {
		{ "1500", 0, 65535, true, 1500 }, { "0x5dc", 0, 65535, true, 1500 }, { "0X5DC", 0, 65535, true, 1500 },
		{ "02734", 0, 65535, true, 1500 }, { "0b101", 0, 9, true, 5 }, { "0B11", 0, 9, true, 3 },
		{ " \t\n\v\f\r15", 0, 99, true, 15 }, { "+15", 0, 99, true, 15 }, { " +0xf", 0, 99, true, 15 },
		{ "0", 0, 0, true, 0 }, { "00", 0, 0, true, 0 }, { "-0", 0, 9, true, 0 }, { "-00", 10, 9, true, 0 },
		{ "08080", 10, 9999, true, 8080 }, { " 8080", 10, 9999, true, 8080 }, { "+8080", 10, 9999, true, 8080 },
		{ "0xffffffffffffffff", 0, UINT64_MAX, true, UINT64_MAX },
		{ "0x1f90", 10, 65535, false, 0 }, { "0b11", 10, 99, false, 0 }, { "08", 0, 99, false, 0 },
		{ "0x", 0, 99, false, 0 }, { "0b", 0, 99, false, 0 }, { "0xg", 0, 99, false, 0 },
		{ "0b2", 0, 99, false, 0 },
		{ "", 0, 99, false, 0 }, { " ", 0, 99, false, 0 }, { "+", 0, 99, false, 0 }, { "-", 0, 99, false, 0 },
		{ "-1", 0, UINT64_MAX, false, 0 }, { "+-1", 0, 99, false, 0 }, { "++1", 0, 99, false, 0 },
		{ "+ 1", 0, 99, false, 0 }, { "1 ", 0, 99, false, 0 }, { "1.5", 0, 99, false, 0 },
		{ "1k", 0, 99, false, 0 },
		{ "0x10000000000000000", 0, UINT64_MAX, false, 0 },
		{ "02000000000000000000000", 0, UINT64_MAX, false, 0 },
		{ "0x10000", 0, 65535, false, 0 }, { "\xb1", 0, UINT64_MAX, false, 0 },
		{ "@", 0, UINT64_MAX, false, 0 },
	};
	uint64_t v;

	test("CLI-06 parse_num_c: as strtoul(3) reads them, but nothing below zero");
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		v = 0;
		if (!eq(parse_num_c(row[i].text, strlen(row[i].text), row[i].base, row[i].max, &v), row[i].good))
			printf("# \"%s\"\n", row[i].text);
		if (row[i].good && !eq(v, row[i].value))
			printf("# \"%s\"\n", row[i].text);
	}
	ok(parse_num_c("0x123", 4, 0, 999, &v));
	eq(v, 0x12);
}

static void test_bits(void)
{
	uint8_t map[16] = { 0 }, wire[5] = { 0 };

	test("bit maps and big-endian fields");
	for (unsigned i = 0; i < 128; i += 7)
		bit_set(map, i);
	for (unsigned i = 0; i < 128; i++)
		eq(bit_test(map, i), i % 7 == 0);
	bit_clear(map, 7);
	ok(!bit_test(map, 7) && bit_test(map, 0) && bit_test(map, 14));

	put_be32(wire + 1, 0x01020304);
	eq_mem(wire, "\0\1\2\3\4", 5);
	eq(get_be32(wire + 1), 0x01020304);
	put_be16(wire + 1, 0xfffe);
	eq(get_be16(wire + 1), 0xfffe);
	eq(get_be32(wire + 1), 0xfffe0304);
	eq(ROUND_UP(65, 64), 128);
	eq(DIV_ROUND_UP(64, 64), 1);
}

/* Contents of a file, which stays open at its start */
static const char *content(int fd)
{
	static char buf[256];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void test_pidfile_file(const char *dir)
{
	char path[256];
	struct stat st;
	int fd, rd;

	test("PID file: created with mode 0600");
	snprintf(path, sizeof(path), "%s/pid", dir);
	umask(0);
	fd = pidfile_open(path);
	ok(fd >= 0);
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	eq(pidfile_write(fd, 12345), 0);
	eq(fcntl(fd, F_GETFD), -1);
	eq(stat(path, &st), 0);
	eq(st.st_mode & 07777, 0600);
	rd = open(path, O_RDONLY);
	eq_str(content(rd), "12345\n");

	test("PID file: one that exists is rewritten, not replaced, and not before there is something to write");
	fd = pidfile_open(path);
	eq_str(content(rd), "12345\n");
	pidfile_write(fd, 7);
	eq_str(content(rd), "7\n");
	close(rd);

	test("PID file: errors, and none");
	snprintf(path, sizeof(path), "%s/none/pid", dir);
	eq(pidfile_open(path), -ENOENT);
	eq(pidfile_open(dir), -EISDIR);
	eq(pidfile_write(-1, 7), 0);
	eq(pidfile_open("/dev/full"), -ENOSPC);
}

static void test_pidfile_special(const char *dir)
{
	char path[256], name[64];
	int p[2], fd, status;
	pid_t pid;

	test("PID file: /proc/self/fd/N, a pipe");
	eq(pipe(p), 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%i", p[1]);
	pidfile_write(pidfile_open(name), 99);
	close(p[1]);
	memset(path, 0, sizeof(path));
	eq(read(p[0], path, sizeof(path)), 3);
	eq_str(path, "99\n");
	close(p[0]);

	test("PID file: /proc/self/fd/N, a file with something in it");
	snprintf(path, sizeof(path), "%s/out", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	eq(write(fd, "before\n", 7), 7);
	snprintf(name, sizeof(name), "/dev/fd/%i", fd);
	pidfile_write(pidfile_open(name), 1);
	eq_str(content(fd), "before\n1\n");
	close(fd);
	snprintf(name, sizeof(name), "/proc/self/fd/%i", fd);
	eq(pidfile_open(name), -ENOENT);

	test("PID file: a FIFO whose reader comes later");
	snprintf(path, sizeof(path), "%s/fifo", dir);
	eq(mkfifo(path, 0600), 0);
	pid = fork();
	if (!pid) {
		pidfile_write(pidfile_open(path), 4194304);
		_exit(0);
	}
	fd = open(path, O_RDONLY);
	memset(name, 0, sizeof(name));
	eq(read(fd, name, sizeof(name)), 8);
	eq_str(name, "4194304\n");
	close(fd);
	eq(waitpid(pid, &status, 0), pid);
	eq(status, 0);
}

static void test_text(void)
{
	static const struct { const char *text, *want; } row[] = {
		{ "", "" }, { "plain text ~", "plain text ~" }, { "a\tb\x1b]0;x\x07", "a?b?]0;x?" }, { "\x7f", "?" },
		{ "\xc2\x80\xc2\x9f\xc2\xa0", "????\xc2\xa0" }, { "\x9b\x80\xff", "???" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\xc0\x9b\xe0\x82\x9b\xf0\x80\x82\x9b", "?????????" },	/* U+009B, overlong */
		{ "\xed\xa0\x80\xf4\x90\x80\x80", "???????" }, { "\xc3", "?" }, { "\xe2\x82\x1b", "???" },
		{ "\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xaf", "\xe2\x80\xa7??????\xe2\x80\xaf" },
		{ "\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", "\xe2\x81\xa5??????\xe2\x81\xaa" },
	};
	char buf[64];

	test("text_safe: controls, and what is no UTF-8, become question marks");
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		snprintf(buf, sizeof(buf), "%s", row[i].text);
		text_safe(buf, strlen(buf));
		eq_str(buf, row[i].want);
	}
	memcpy(buf, "\xe2\x82\xac", 4);
	text_safe(buf, 2);			/* not beyond what it may look at */
	eq_str(buf, "??\xac");
}

static void test_rest(void)
{
	uint8_t a[256] = { 0 }, b[256] = { 0 };
	char text[16];
	uint64_t t;
	int p[2];

	test("random_bytes: all of them, and not twice the same");
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	ok(memcmp(a, b, 32));
	ok(memcmp(a + 224, b + 224, 32));

	test("errno_text: known and unknown values");
	eq_str(errno_text(ENOENT), "No such file or directory");
	ok(errno_text(99999) && *errno_text(99999));
	ok(errno_text(-1) && *errno_text(-1));

	test("now_ms: monotonic clock");
	t = now_ms();
	ok(t && now_ms() >= t && now_ms() - t < 10000);

	test("fd_write_all: errors, and a pipe");
	eq(fd_write_all(-1, "x", 1), -EBADF);
	eq(pipe(p), 0);
	eq(fd_write_all(p[1], "hello", 5), 0);
	eq(read(p[0], text, sizeof(text)), 5);
	fd_close(p[0]);
	fd_close(p[1]);
	fd_close(-1);
	eq(fcntl(p[0], F_GETFD), -1);
}

int main(void)
{
	char dir[] = "/tmp/util_test.XXXXXX", cmd[64];

	test_siphash();
	test_parse_num();
	test_parse_num_c();
	test_bits();
	test_text();
	test_rest();
	if (!mkdtemp(dir))
		return 1;
	test_pidfile_file(dir);
	test_pidfile_special(dir);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd) ? 1 : done();
}
