/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qrap_test.c - command lines as a table; who answers on a socket, and what is left in it */

#define main qrap_main
int qrap_main(int argc, char **argv);
#include "../../qrap.c"
#undef main
#include <net/ethernet.h>

#include "../t.h"

/* Words of @text, as arguments */
static char **words(const char *text)
{
	static char buf[4096], *args[64];
	unsigned n = 0;
	char *p, *save;

	snprintf(buf, sizeof(buf), "%s", text);
	for (p = strtok_r(buf, " ", &save); p; p = strtok_r(NULL, " ", &save))
		args[n++] = p;
	args[n] = NULL;
	return args;
}

static const char *joined(char *const *args)
{
	static char buf[4096];
	size_t len = 0;

	buf[0] = '\0';
	for (; *args; args++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s%s", len ? " " : "", *args);
	return buf;
}

#define ADDED(nic)	"-device " nic ",netdev=passt -netdev socket,fd=5,id=passt"

static const struct {
	const char *name, *args, *want;
} lines[] = {
	{ "nothing", "", ADDED("virtio-net") },
	{ "an image", "test.qcow2 -m 1024 -nodefaults", "test.qcow2 -m 1024 -nodefaults " ADDED("virtio-net") },
	{ "no network", "-net none a.img", "a.img " ADDED("virtio-net") },
	{ "no network, newer", "-nic none a.img", "a.img " ADDED("virtio-net") },
	{ "two dashes", "--netdev user,id=n --device e1000,netdev=n",
	  "-device e1000,netdev=n -netdev socket,fd=5,id=n" },
	{ "legacy pair", "-net user -net nic -m 1G", "-m 1G " ADDED("virtio-net") },
	{ "legacy pair with a model", "-net nic,model=e1000 -net user", ADDED("e1000") },
	{ "legacy virtio", "-net nic,model=virtio,macaddr=52:54:00:00:00:07 -net tap,ifname=tap0",
	  "-device virtio-net,netdev=passt,mac=52:54:00:00:00:07 -netdev socket,fd=5,id=passt" },
	{ "-nic with model and address", "-nic user,hostfwd=tcp::22-:22,model=rtl8139,mac=52:54:00:00:00:08",
	  "-device rtl8139,netdev=passt,mac=52:54:00:00:00:08 -netdev socket,fd=5,id=passt" },
	{ "backend only", "-netdev user,id=n0", ADDED("virtio-net") },
	{ "device and backend, any order",
	  "-device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01 -S -netdev tap,id=n0,vhost=on",
	  "-device virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01 -S -netdev socket,fd=5,id=n0" },
	{ "address on the bus stays", "-netdev user,id=h0 -device virtio-net-pci,netdev=h0,id=net0,bus=pci.1,addr=0x0",
	  "-device virtio-net-pci,netdev=h0,id=net0,bus=pci.1,addr=0x0 -netdev socket,fd=5,id=h0" },
	{ "device without a backend", "-device e1000e", ADDED("e1000e") },
	{ "device without a backend, with properties", "-device virtio-net-ccw,mac=52:54:00:00:00:02",
	  ADDED("virtio-net-ccw,mac=52:54:00:00:00:02") },
	{ "driver by name", "-device id=x,driver=rtl8139", ADDED("id=x,driver=rtl8139") },
	{ "uncommon model", "-device vmxnet3,netdev=v -netdev user,id=v",
	  "-device vmxnet3,netdev=v -netdev socket,fd=5,id=v" },
	{ "two devices", "-device e1000,netdev=a -device rtl8139,netdev=b -netdev user,id=a -netdev user,id=b -m 1G",
	  "-device e1000,netdev=a -m 1G -netdev socket,fd=5,id=a" },
	{ "a device beats -nic", "-nic user,model=e1000 -device rtl8139,netdev=b",
	  "-device rtl8139,netdev=b -netdev socket,fd=5,id=b" },
	{ "other devices stay", "-device virtio-blk-pci,drive=d -device e1000-like -device virtio-serial",
	  "-device virtio-blk-pci,drive=d -device e1000-like -device virtio-serial " ADDED("virtio-net") },
	{ "not a property", "-device virtio-blk-pci,serial=a,,netdev=x",
	  "-device virtio-blk-pci,serial=a,,netdev=x " ADDED("virtio-net") },
	{ "JSON", "-netdev {\"type\":\"tap\",\"fd\":\"27\",\"id\":\"hostnet0\"} "
	  "-device {\"driver\":\"virtio-net-pci\",\"netdev\":\"hostnet0\",\"id\":\"net0\",\"bus\":\"pci.1\",\"addr\":\"0x0\"}",
	  "-device {\"driver\":\"virtio-net-pci\",\"netdev\":\"hostnet0\",\"id\":\"net0\",\"bus\":\"pci.1\",\"addr\":\"0x0\"} "
	  "-netdev socket,fd=5,id=hostnet0" },
	{ "JSON without a backend", "-device {\"driver\":\"e1000\"}",
	  "-device {\"netdev\":\"passt\",\"driver\":\"e1000\"} -netdev socket,fd=5,id=passt" },
	{ "JSON, other device", "-device {\"driver\":\"virtio-rng-pci\",\"rng\":\"driver\"}",
	  "-device {\"driver\":\"virtio-rng-pci\",\"rng\":\"driver\"} " ADDED("virtio-net") },
	{ "option without its argument", "-m 1G -netdev", "-m 1G -netdev " ADDED("virtio-net") },
	{ "device without its argument", "-m 1G -device", "-m 1G -device " ADDED("virtio-net") },
};

static void test_lines(void)
{
	char *out[64];
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		test("command line: %s", lines[i].name);
		patch(words(lines[i].args), 5, out);
		eq_str(joined(out), lines[i].want);
	}
	test("command line: number of the descriptor");
	patch(words("-nic user"), 2147483647, out);
	eq_str(joined(out), "-device virtio-net,netdev=passt -netdev socket,fd=2147483647,id=passt");
}

static const struct {
	const char *args;
	bool question, names_5;
} kinds[] = {
	{ "", false, false },
	{ "-net socket,fd=5 -net nic", false, true },
	{ "-device virtio-net-pci,netdev=s -netdev socket,fd=5,id=s", false, true },
	{ "-nic socket,fd=5,model=e1000", false, true },
	{ "--netdev id=s,type=socket,fd=5", false, true },
	{ "-netdev {\"type\":\"socket\",\"fd\":\"5\"}", false, true },
	{ "-netdev {\"type\":\"socket\",\"fd\":\"55\"}", false, false },
	{ "-net socket,fd=55", false, false },
	{ "-netdev tap,vhostfd=5", false, false },
	{ "-add-fd fd=5,set=1", false, false },
	{ "-net", false, false },
	{ "-version", true, false },
	{ "--version", true, false },
	{ "-h", true, false },
	{ "-m 1G --help", true, false },
	{ "-help", true, false },
	{ "-S -nodefaults -machine none,accel=kvm:tcg -daemonize", true, false },
	{ "-M none", true, false },
	{ "-machine accel=tcg,type=none", true, false },
	{ "-machine pc,usb=none", false, false },
	{ "-machine", false, false },
	{ "help", false, false },
};

static void test_kinds(void)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		test("kind of command line: '%s'", kinds[i].args);
		eq(is_question(words(kinds[i].args)), kinds[i].question);
		eq(names_fd(words(kinds[i].args), 5), kinds[i].names_5);
	}
}

static const struct {
	const char *arg, *key, *want;
} props[] = {
	{ "a=1,b=2", "b", "2" },
	{ "a=1,b=2", "a", "1" },
	{ "a=1,bb=2", "b", NULL },
	{ "b", "b", NULL },
	{ "b=", "b", "" },
	{ "", "b", NULL },
	{ ",", "b", NULL },
	{ "a=1,,b=3,b=2", "b", "2" },
	{ "a=1,,,b=2", "b", "2" },
	{ "a=1,,", "b", NULL },
	{ "{ \"a\" : \"b\", \"b\" : \"2\" }", "b", "2" },
	{ "{\"b\":2}", "b", NULL },
	{ "{\"b", "b", NULL },
	{ "{\"b\"", "b", NULL },
	{ "{\"b\":\"\"}", "b", "" },
	{ "{\"b\":\"", "b", NULL },
	{ "{\"a\":{\"b\":\"1\"},\"b\":\"\\u0032\"}", "b", "2" },
	{ "{", "b", NULL },
};

static void test_props(void)
{
	char val[8];
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(props); i++) {
		test("property %s of '%s'", props[i].key, props[i].arg);
		if (eq(prop(props[i].arg, props[i].key, false, val, sizeof(val)), props[i].want != NULL) &&
		    props[i].want)
			eq_str(val, props[i].want);
	}
	test("property that does not fit");
	ok(prop("a=1234567", "a", false, val, sizeof(val)));
	ok(!prop("a=12345678", "a", false, val, sizeof(val)));
	ok(!prop("12345678", "a", true, val, sizeof(val)));
	ok(!prop("{\"a\":\"12345678\"}", "a", false, val, sizeof(val)));
}

/* What comes from the socket, in length; how it ends; what of it is still there */
static const struct {
	const char *name;
	size_t len;
	uint32_t frame;
	bool closed;
	int want;
	size_t left;
} said[] = {
	{ "one frame", 64, 60, false, 0, 0 },
	{ "shortest frame", 18, 14, false, 0, 0 },
	{ "longest frame", 65554, 65550, false, 0, 0 },
	{ "a frame, and part of the next", 70, 60, false, 0, 6 },
	{ "a frame, and the end", 64, 60, true, 0, 0 },
	{ "nothing", 0, 60, false, -ETIMEDOUT, 0 },
	{ "part of a frame", 63, 60, false, -ETIMEDOUT, 0 },
	{ "part of a length", 3, 60, false, -ETIMEDOUT, 0 },
	{ "the end", 0, 60, true, -ECONNRESET, 0 },
	{ "part of a frame, and the end", 20, 60, true, -ECONNRESET, 0 },
	{ "a length too short", 64, 13, false, -EPROTO, 60 },
	{ "a length too long", 64, 65551, false, -EPROTO, 60 },
};

static void test_answers(void)
{
	static uint8_t buf[80000];
	unsigned i;
	int sv[2];

	for (i = 0; i < ARRAY_SIZE(said); i++) {
		int size = 1 << 18;
		ssize_t left;

		test("answer: %s", said[i].name);
		if (!ok(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv)))
			return;
		setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		put_be32(buf, said[i].frame);
		eq(send(sv[1], buf, said[i].len, MSG_DONTWAIT), said[i].len);
		if (said[i].closed)
			shutdown(sv[1], SHUT_WR);
		eq(answers(sv[0]), said[i].want);
		left = recv(sv[0], buf, sizeof(buf), MSG_DONTWAIT);
		eq(MAX(left, 0), said[i].left);
		eq(recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT), sizeof(question));
		close(sv[0]);
		close(sv[1]);
	}

	test("answer: nobody to ask");
	ok(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	close(sv[1]);
	eq(answers(sv[0]), -EPIPE);
	close(sv[0]);
}

static void test_question(void)
{
	const uint8_t *rs = question + 4 + 60 + 4 + ETH_HLEN, *p;
	uint32_t sum = 8 + 58;

	test("question: two frames, and the checksum of the second");
	eq(get_be32(question), 60);
	eq(get_be32(question + 64), 62);
	eq(sizeof(question), 64 + 66);
	for (p = rs + 8; p < question + sizeof(question); p += 2)	/* from the addresses on: RFC 8200, 8.1 */
		sum += get_be16(p);
	eq((sum & 0xffff) + (sum >> 16), 0xffff);
}

int main(void)
{
	test_lines();
	test_kinds();
	test_props();
	test_answers();
	test_question();
	return done();
}
