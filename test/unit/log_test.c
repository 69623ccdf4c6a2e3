/* SPDX-License-Identifier: GPL-2.0-or-later */

#define now_ms	fake_now_ms
#include "../../log.c"
#include "../t.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static uint64_t clock_ms;
static int real_stderr;
static char dir[] = "/tmp/log_test.XXXXXX";

uint64_t now_ms(void)
{
	return clock_ms;
}

/* As at the start of a process, but with @fd as stderr; -1: closed */
static void fresh(int fd)
{
	fd_close(lg.file.fd);
	fd_close(lg.syslog);
	memset(&lg, 0, sizeof(lg));
	lg.file.fd = lg.syslog = -1;
	lg.to_stderr = LOG_TRACE;
	log_level = LOG_INFO;
	if (fd < 0)
		close(STDERR_FILENO);
	else
		dup2(fd, STDERR_FILENO);
}

static const char *path_in(const char *where, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", where, name);
	return path;
}

/* All of a file */
static char *content(const char *path, size_t *len)
{
	static char buf[4 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	if (len)
		*len = n < 0 ? 0 : (size_t)n;
	return buf;
}

/* One packet of a socket, as a string; "" if there is none */
static const char *packet(int fd)
{
	static char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void test_places(void)
{
	int out[2], sys[2], file[2];
	char want[64];

	test("LOG-08 start-up: messages on stderr as they are, also with a log file or a system log");
	eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, out), 0);
	eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, sys), 0);
	eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, file), 0);
	fresh(out[1]);
	eq(log_open("pasta", NULL, 0, "v"), 0);
	fd_close(lg.syslog);
	lg.syslog = sys[1];
	lg.file.fd = file[1];
	clock_ms = lg.start = 5000;
	warn("netns dir open: %s, exiting", errno_text(EACCES));
	eq_str(packet(out[0]), "netns dir open: Permission denied, exiting\n");
	snprintf(want, sizeof(want), "<%i>pasta[%i]: netns dir open: Permission d", LOG_DAEMON | LOG_WARNING, getpid());
	eq(strncmp(packet(sys[0]), want, strlen(want)), 0);
	eq_str(packet(file[0]), "0.000 warning: netns dir open: Permission denied, exiting\n");
	debug("not enabled");
	log_at(LOG_DEBUG, "not enabled");
	eq_str(packet(out[0]), "");
	eq_str(packet(sys[0]), "");
	eq_str(packet(file[0]), "");

	test("a daemon's messages: none on stderr, one system call for each place");
	log_running(false);
	clock_ms += 61007;
	info("hello");
	eq_str(packet(out[0]), "");
	snprintf(want, sizeof(want), "<%i>pasta[%i]: hello", LOG_DAEMON | LOG_INFO, getpid());
	eq_str(packet(sys[0]), want);
	eq_str(packet(file[0]), "61.007 info: hello\n");

	test("in the foreground: stderr, with time stamps for debugging, and no system log");
	lg.to_stderr = LOG_TRACE;
	log_running(true);
	info("hello");
	eq_str(packet(out[0]), "hello\n");
	eq_str(packet(sys[0]), "");
	log_level = LOG_TRACE;
	trace("packet");
	eq_str(packet(out[0]), "61.007 trace: packet\n");
	eq_str(packet(file[0]), "61.007 info: hello\n");
	eq_str(packet(file[0]), "61.007 trace: packet\n");

	test("LOG-02 with debug messages, times from the first line on, start-up's, too; they don't run back");
	lg.running = false;
	lg.start = 0;
	clock_ms = 90000;
	debug("first");
	clock_ms += 1;
	warn("second");
	eq(log_open("pasta", "/dev/null", 0, "v"), 0);
	fd_close(lg.file.fd);
	lg.file.fd = -1;
	info("third");
	log_running(true);
	clock_ms += 2499;
	info("fourth");
	eq_str(packet(out[0]), "0.000 debug: first\n");
	eq_str(packet(out[0]), "0.001 warning: second\n");
	eq_str(packet(out[0]), "0.001 info: third\n");
	eq_str(packet(out[0]), "2.500 info: fourth\n");
	eq_str(packet(out[0]), "");
	for (int i = 0; i < 3; i++)
		packet(file[0]);
	lg.file.fd = file[1];
	log_level = LOG_INFO;

	test("stderr of a command: warnings only; log file and system log get the rest, too");
	lg.running = false;
	log_stderr_quiet();
	info("hello");
	warn("oh");
	log_running(true);
	info("hello again");
	eq_str(packet(out[0]), "oh\n");
	eq_str(packet(out[0]), "");
	eq_str(packet(file[0]), "2.500 info: hello\n");
	eq_str(packet(file[0]), "2.500 warning: oh\n");
	eq_str(packet(file[0]), "2.500 info: hello again\n");
	lg.to_stderr = LOG_TRACE;

	test("messages keep errno, also if nobody reads them");
	close(sys[0]);
	close(file[0]);
	lg.running = false;
	signal(SIGPIPE, SIG_IGN);
	errno = ETIMEDOUT;
	info("hello");
	eq(errno, ETIMEDOUT);
	eq_str(packet(out[0]), "hello\n");
	close(out[0]);
	errno = ETIMEDOUT;
	info("hello");
	eq(errno, ETIMEDOUT);
	close(out[1]);
	fresh(real_stderr);
}

static void test_lines(void)
{
	static const struct { const char *text, *want; } row[] = {
		{ "plain", "plain\n" }, { "end\n", "end\n" }, { "ends\n\n\n", "ends\n" }, { "a\nb", "a?b\n" },
		{ "", "\n" },
		{ "host\r\033[2Jname\t\x7f", "host??[2Jname??\n" }, { "\xc3\xa4", "\xc3\xa4\n" },
		{ "\xc2\x9b" "31m", "??31m\n" }, { "\x9b" "31m\xff", "?31m?\n" }, { "\xe2\x82\xac", "\xe2\x82\xac\n" },
		{ "\xe2\x82", "??\n" }, { "\xe2\x80\xae.exe", "???.exe\n" }, { "%s%n", "%s%n\n" },
	};
	char text[3 * TEXT_MAX];
	int out[2];
	size_t len;

	test("LOG-03 one line per message, whatever is in it");
	eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, out), 0);
	fresh(out[1]);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		info("%s", row[i].text);
		eq_str(packet(out[0]), row[i].want);
	}
	for (len = TEXT_MAX - 3; len < sizeof(text); len++) {
		const char *got;

		memset(text, 'x', len);
		text[len] = '\0';
		err("%s", text);
		got = packet(out[0]);
		eq(strlen(got), MIN(len + 1, TEXT_MAX));
		eq(strspn(got, "x"), strlen(got) - 1);
		eq(got[strlen(got) - 1], '\n');
	}
	close(out[0]);
	close(out[1]);
	fresh(real_stderr);
}

static void test_stamps(void)
{
	const char *path = path_in(dir, "stamps"), *line;
	uint64_t want[200], now = 7777777;
	unsigned i;

	test("LOG-02 time stamps count from the start and never go back");
	fresh(real_stderr);
	clock_ms = now;
	eq(log_open("pasta", path, 1 << 20, "pasta 1"), 0);
	log_running(false);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		want[i] = clock_ms - now;
		info("message %u", i);
		clock_ms += i < 100 ? 7 * i % 40 : 333 * i;
	}
	line = strchr(content(path, NULL), '\n') + 1;
	for (i = 0; i < ARRAY_SIZE(want); i++, line = strchr(line, '\n') + 1) {
		unsigned s, ms, num;

		eq(sscanf(line, "%u.%3u info: message %u\n", &s, &ms, &num), 3);
		eq(s * 1000ULL + ms, want[i]);
		eq(num, i);
	}
	eq_str(line, "");
	fresh(real_stderr);
}

/* Any system call but exit_group() is deadly */
static void no_syscalls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { ARRAY_SIZE(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(99);
}

static int status_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static void test_disabled(void)
{
	pid_t pid;

	test("LOG-04 a disabled message makes no system call");
	fresh(real_stderr);
	log_open("pasta", path_in(dir, "disabled"), 1 << 20, "pasta 1");
	log_running(false);
	pid = fork();
	if (!pid) {
		no_syscalls();
		for (unsigned i = 0; i < 1000; i++) {
			debug("packet %u", i);
			trace("packet %u", i);
			log_limited(LOG_DEBUG, "packet %u", i);
		}
		syscall(SYS_exit_group, 7);
	}
	eq(status_of(pid), 7 << 8);

	pid = fork();			/* the check can fail */
	if (!pid) {
		no_syscalls();
		info("packet");
		syscall(SYS_exit_group, 7);
	}
	ok(WIFSIGNALED(status_of(pid)));
	fresh(real_stderr);
}

static void flood(unsigned n, const char *text)
{
	while (n--)
		log_limited(LOG_WARNING, "%s", text);
}

static void test_limit(void)
{
	char *text;
	unsigned lines = 0;

	test("LOG-05 messages that traffic can cause: a few, then a count with the next one that passes");
	fresh(real_stderr);
	clock_ms = 3;			/* just booted */
	log_open("pasta", path_in(dir, "limit"), 1 << 20, "pasta 1");
	log_running(false);
	flood(10000, "fragment");
	text = content(path_in(dir, "limit"), NULL);
	for (char *p = text; (p = strstr(p, "warning: fragment\n")); p++)
		lines++;
	eq(lines, LOG_BURST);
	ok(!strstr(text, "held back"));

	clock_ms += LOG_INTERVAL - 1;
	flood(1, "early");
	ok(!strstr(content(path_in(dir, "limit"), NULL), "early"));
	clock_ms += 1;
	flood(1, "late");
	text = content(path_in(dir, "limit"), NULL);
	ok(strstr(text, "warning: (9996 similar messages held back)\n10.000 warning: late\n"));
	clock_ms += LOG_INTERVAL;
	flood(1, "calm");
	text = content(path_in(dir, "limit"), NULL);
	ok(strstr(text, "warning: late\n20.000 warning: calm\n"));

	test("LOG-05 each call site has its own budget");
	flood(100, "again");
	log_limited(LOG_WARNING, "elsewhere");
	ok(strstr(content(path_in(dir, "limit"), NULL), "elsewhere"));
	fresh(real_stderr);
}

/* The file is header, then messages in sequence, the newest last, each whole */
static void check_rotated(const char *path, unsigned newest, const char *header, uint64_t limit, bool was_full)
{
	unsigned num, prev = 0, count = 0;
	size_t len;
	char *p = content(path, &len);

	if (!ok(!strncmp(p, header, strlen(header))))
		return;
	ok(len <= limit);
	ok(!was_full || len >= limit / 2);
	for (p = strchr(p, '\n') + 1; *p; p = strchr(p, '\n') + 1) {
		size_t fill;
		int at;

		if (!eq(sscanf(p, "%*u.%*u info: %u %zu %n", &num, &fill, &at), 2))
			return;
		eq(strspn(p + at, "#"), fill);
		eq(p[(size_t)at + fill], '\n');
		ok(!count++ || num == prev + 1);
		prev = num;
	}
	eq(prev, newest);
}

static void test_rotation(const char *where, uint64_t limit, unsigned messages)
{
	char path[256], header[64], fill[TEXT_MAX + 1], line[64];
	uint64_t last = 0;
	bool was_full = false;
	struct stat st;
	ino_t ino = 0;

	test("log file: %u messages in %llu bytes in %s", messages, (unsigned long long)limit, where);
	snprintf(path, sizeof(path), "%s/log_test.%i", where, getpid());
	fresh(real_stderr);
	eq(log_open("pasta", path, limit, "pasta 2026.11-3"), 0);
	snprintf(header, sizeof(header), "pasta 2026.11-3, PID %-7i\n", getpid());
	log_running(false);
	memset(fill, '#', sizeof(fill));
	for (unsigned i = 0; i < messages; i++) {
		int len = random() % 16 ? (int)(random() % 80) + 1 : (int)(random() % (TEXT_MAX - 40)) + 1;

		clock_ms += (uint64_t)random() % 300;
		info("%u %i %.*s", i, len, len, fill);
		eq(stat(path, &st), 0);
		eq(st.st_size, lg.file.used);
		ok((uint64_t)st.st_size <= limit);
		ok(!ino || ino == st.st_ino);
		ino = st.st_ino;
		if ((uint64_t)st.st_size < last) {
			was_full = true;
			check_rotated(path, i, header, limit, was_full);
		}
		ok(!was_full || (uint64_t)st.st_size >= limit / 2);
		last = (uint64_t)st.st_size;
	}
	ok(was_full);
	check_rotated(path, messages - 1, header, limit, was_full);
	snprintf(line, sizeof(line), "info: %u ", messages - 1);
	ok(strstr(content(path, NULL), line));
	eq(st.st_mode & 07777, 0600);
	unlink(path);
	fresh(real_stderr);
}

static void test_files(void)
{
	char header[64];
	size_t len;
	pid_t pid;

	test("log file: the PID is the survivor's, the parent's messages are kept");
	fresh(real_stderr);
	eq(log_open("pasta", path_in(dir, "pid"), 1 << 20, "pasta 9"), 0);
	log_level = LOG_ERR;
	lg.to_stderr = -1;
	err("before");
	pid = fork();
	if (!pid) {
		err("child");
		log_pid(getpid());
		log_running(false);
		err("after");
		_exit(0);
	}
	eq(status_of(pid), 0);
	snprintf(header, sizeof(header), "pasta 9, PID %-7i\n", pid);
	ok(!strncmp(content(path_in(dir, "pid"), NULL), header, strlen(header)));
	ok(strstr(content(path_in(dir, "pid"), NULL), "error: before\n"));
	ok(strstr(content(path_in(dir, "pid"), NULL), "error: after\n"));
	log_pid(4194304);
	log_running(false);
	ok(!strncmp(content(path_in(dir, "pid"), &len), "pasta 9, PID 4194304\n", 21));
	err("parent");
	eq(lg.file.used, len + strlen("0.000 error: parent\n"));

	test("log file: truncated at start, errors are returned, what is no file works");
	eq(log_open("pasta", path_in(dir, "pid"), 1 << 20, "pasta 10"), 0);
	content(path_in(dir, "pid"), &len);
	eq(len, strlen("pasta 10, PID 1234567\n"));
	fresh(real_stderr);
	eq(log_open("pasta", path_in(dir, "no/file"), 1 << 20, "v"), -ENOENT);
	eq(lg.file.fd, -1);
	eq(log_open("pasta", "/dev/full", 1 << 20, "v"), -ENOSPC);
	fresh(real_stderr);
	eq(log_open("pasta", "/dev/null", 1 << 20, "v"), 0);
	log_running(false);
	for (unsigned i = 0; i < 10000; i++)
		info("%0900u", i);
	eq(lg.file.size, 0);
	fresh(real_stderr);
}

static void test_closed(void)
{
	int fd, in = fcntl(STDIN_FILENO, F_DUPFD, 10);
	size_t len;

	test("closed stderr: nothing is written to what has its number, the log file gets another");
	fresh(-1);
	close(STDIN_FILENO);
	eq(log_open("pasta", path_in(dir, "closed"), 1 << 20, "v"), 0);
	ok(lg.file.fd > STDERR_FILENO);
	eq(lg.syslog, -1);
	dup2(in, STDIN_FILENO);
	errno = 0;
	info("nobody");
	eq(errno, 0);
	log_running(false);
	fd = open(path_in(dir, "other"), O_RDWR | O_CREAT, 0600);
	eq(fd, STDERR_FILENO);
	info("daemon");
	content(path_in(dir, "other"), &len);
	eq(len, 0);
	ok(strstr(content(path_in(dir, "closed"), NULL), "info: nobody\n"));
	ok(strstr(content(path_in(dir, "closed"), NULL), "info: daemon\n"));
	close(fd);
	close(in);
	fresh(real_stderr);
}

static void test_die(void)
{
	int out[2];
	pid_t pid;

	test("LOG-08 die(): on stderr, also with --quiet and a log file, and exit status 1");
	eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, out), 0);
	pid = fork();
	if (!pid) {
		fresh(out[1]);
		log_open("pasta", path_in(dir, "die"), 1 << 20, "v");
		log_level = -1;
		die("Invalid port: %s", "99999");
	}
	eq(status_of(pid), 1 << 8);
	eq_str(packet(out[0]), "Invalid port: 99999\n");
	ok(strstr(content(path_in(dir, "die"), NULL), " error: Invalid port: 99999\n"));
	close(out[0]);
	close(out[1]);
}

int main(void)
{
	char cmd[64];

	srandom(1);
	if (fcntl(STDIN_FILENO, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != STDIN_FILENO)
		return 1;
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD, 10);
	if (!mkdtemp(dir))
		return 1;
	test_places();
	test_lines();
	test_stamps();
	test_disabled();
	test_limit();
	test_rotation(dir, 1 << 20, 30000);
	test_rotation(dir, 20000, 3000);
	test_rotation("/dev/shm", 1 << 20, 30000);
	test_rotation("/dev/shm", FILE_SIZE_MIN, 2000);
	test_files();
	test_closed();
	test_die();
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd) ? 1 : done();
}
