/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_splice_test.c - datagrams from loopback to loopback: the client, the sockets in between, and the server on one
 * kernel
 *
 * The target namespace is our own: its address is 192.0.2.1 or 2001:db8::1, and servers there are told from the
 * listeners by their ports.
 */
/* LDFLAGS: -Wl,--wrap=sendmmsg -Wl,--wrap=sendmsg */
#include <netinet/udp.h>

#include "../../udp_splice.c"
#include "../datagrams.h"
#include "../opener_here.h"

#ifndef UDP_GRO
#define UDP_GRO	104
#endif

#define PORT_IN		1000		/* of the listeners, and of what they lead to */
#define PORT_OUT	1100
#define TO_IN		2000
#define TO_OUT		2100

/* sendmmsg() fails at these calls (bits, first call first), sendmsg() at those, with this error each; how often the
 * first one was called, and for how much
 */
static struct {
	uint32_t	fail_calls, fail_singles;
	int		fail_errno, single_errno;
	unsigned	calls, messages;
} kernel;

int __real_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags);

int __wrap_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags)
{
	bool fail = kernel.fail_calls & 1;
	int rc;

	kernel.calls++;
	kernel.fail_calls >>= 1;
	if (fail) {
		errno = kernel.fail_errno;
		return -1;
	}
	rc = __real_sendmmsg(fd, mm, n, flags);
	kernel.messages += rc > 0 ? (unsigned)rc : 0;
	return rc;
}

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
	bool fail = kernel.fail_singles & 1;

	kernel.fail_singles >>= 1;
	if (!fail)
		return __real_sendmsg(fd, m, flags);
	errno = kernel.single_errno;
	return -1;
}

/* Both families and both ways: what is asked, and where that leads to */
struct way {
	const char	*name, *ask, *server, *client;
	uint16_t	port, to;
};

static const struct way ways[] = {
	{ "IPv4, in", "127.0.0.1", "192.0.2.1", "192.0.2.1", PORT_IN, TO_IN },
	{ "IPv6, in", "::1", "2001:db8::1", "2001:db8::1", PORT_IN, TO_IN },
	{ "IPv4, out", "127.0.0.1", "127.0.0.1", "127.0.0.1", PORT_OUT, TO_OUT },
	{ "IPv6, out", "::1", "::1", "::1", PORT_OUT, TO_OUT },
};

#define EACH_WAY(w)	for (const struct way *w = ways; w < ways + ARRAY_SIZE(ways); w++)

static struct end ask, at;
static int client = -1, server = -1;

static int any_client(void)
{
	const struct end any = { .a = ask.a };

	return host_socket(&any);
}

/* Listeners of both ways, one client, one server */
static void set_up(const struct way *w)
{
	fd_close(client);
	fd_close(server);
	begin(NULL);
	cf.no_splice = false;
	publish(PORT_IN, PORT_IN, TO_IN);
	publish(PORT_OUT, PORT_OUT, TO_OUT);
	cf.rules.rule[1].outward = true;
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	memset(&kernel, 0, sizeof(kernel));
	memset(&c.splice, 0, sizeof(c.splice));
	ask = E(w->ask, w->port);
	at = E(w->server, w->to);
	client = any_client();
	server = host_socket(&at);
}

/* Next datagram on @fd is @text; who sent it */
static bool gets(int fd, const char *text, struct end *from)
{
	char buf[2048];
	ssize_t n = host_recv(fd, buf, sizeof(buf), from);

	return n == (ssize_t)strlen(text) && !memcmp(buf, text, strlen(text));
}

static void say(int fd, const struct end *to, const char *text)
{
	host_send(fd, to, text, strlen(text));
}

static void test_both_ways(const struct way *w)
{
	struct end from, seen;
	struct flow *f;

	test("%s: a datagram and its answer, by the addresses that were asked; the link gets nothing", w->name);
	set_up(w);
	say(client, &ask, "question");
	run();
	ok(gets(server, "question", &seen));
	ok(addr_eq(&seen.a, &at.a));
	say(server, &seen, "answer");
	run();
	ok(gets(client, "answer", &from) && end_eq(&from, &ask));
	eq(c.flows.count[FLOW_UDP_SPLICE], 1);
	eq(c.flows.count[FLOW_UDP], 0);
	eq(c.fwd.rule[w->port == PORT_OUT].accepted, 1);
	eq(c.splice.flows, 1);
	eq(c.splice.bytes, 14);
	f = flow_oldest(&c.flows, 0, LRU_SOCKET_ANSWERED);
	if (ok(f && f->type == FLOW_UDP_SPLICE))
		ok(f->bytes[f->udp.near] == 8 && f->bytes[!f->udp.near] == 6);

	test("%s: datagrams without payload", w->name);
	host_send(client, &ask, "", 0);
	run();
	ok(gets(server, "", &seen));
	host_send(server, &seen, "", 0);
	ok(run() < 4);
	ok(gets(client, "", &from));
	eq(ngot, 0);
	eq(drops(), 0);
}

static void test_two_addresses(void)
{
	struct end one = E("127.0.0.1", PORT_IN), two = E("127.0.0.2", PORT_IN), seen[2], from;

	test("UDP-10 SPL-15 a client that asks at two addresses is answered from each");
	set_up(&ways[0]);
	say(client, &one, "one");
	say(client, &two, "two");
	run();
	ok(gets(server, "one", &seen[0]) && gets(server, "two", &seen[1]) && seen[0].port != seen[1].port);
	say(server, &seen[0], "1");
	run();
	say(server, &seen[1], "2");
	run();
	ok(gets(client, "1", &from) && end_eq(&from, &one));
	ok(gets(client, "2", &from) && end_eq(&from, &two));
	eq(c.flows.count[FLOW_UDP_SPLICE], 2);

	test("SPL-15 the same address in the namespace with --host-lo-to-ns-lo");
	cf.host_lo_to_ns_lo = true;
	fd_close(server);
	two.port = TO_IN;
	server = host_socket(&two);
	two.port = PORT_IN;
	fd_close(client);
	client = any_client();
	say(client, &two, "two");
	run();
	ok(gets(server, "two", NULL));
}

static void test_segments(const struct way *w)
{
	static uint8_t text[60000], got_text[65536];
	int on = 1, gso = 1400;
	struct end seen;

	test("%s: a super-datagram passes as one, both ways", w->name);
	set_up(w);
	for (unsigned k = 0; k < sizeof(text); k++)
		text[k] = (uint8_t)(k * 31 >> 3);
	say(client, &ask, "first");	/* the listener asks for UDP_GRO from here on */
	run();
	ok(gets(server, "first", NULL));
	for (unsigned i = 0; i < 2; i++) {
		int fd = i ? server : client;

		setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &gso, sizeof(gso));
		setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	}
	kernel.calls = kernel.messages = 0;
	host_send(client, &ask, text, sizeof(text));
	run();
	eq(host_recv(server, got_text, sizeof(got_text), &seen), sizeof(text));
	eq_mem(got_text, text, sizeof(text));
	host_send(server, &seen, text, sizeof(text));
	run();
	eq(host_recv(client, got_text, sizeof(got_text), NULL), sizeof(text));
	eq_mem(got_text, text, sizeof(text));
	eq(kernel.messages, 2);
	eq(drops(), 0);

	test("%s: in single datagrams where it can't be sent as one", w->name);
	kernel.fail_calls = 1;
	kernel.fail_errno = EINVAL;
	host_send(client, &ask, text, 5000);
	run();
	for (unsigned k = 0; k < 4; k++) {
		size_t len = k < 3 ? 1400 : 800;

		eq(host_recv(server, got_text, sizeof(got_text), NULL), len);
		eq_mem(got_text, text + k * 1400, len);
	}
	ok(host_recv(server, got_text, sizeof(got_text), NULL) < 0);
	eq(drops(), 0);
}

static void test_singles(const struct way *w)
{
	static const struct {
		int err;
		uint32_t singles;		/* sendmsg() that are refused, first call first */
		unsigned arrive, drops;		/* of 3 */
	} row[] = {
		{ EINTR, 0x3f, 3, 0 },
		{ ECONNREFUSED, 0x2, 3, 0 },	/* what became of an earlier one */
		{ ECONNREFUSED, 0x3, 3, 0 },
		{ ECONNREFUSED, 0x7, 2, 1 },	/* of this one, then */
		{ EMSGSIZE, 0x2, 2, 1 },
		{ EAGAIN, 0x1, 0, 3 },		/* the socket is full */
		{ EAGAIN, 0x2, 1, 2 },
	};
	static const char text[3000];
	static char got_text[2000];
	int gso = 1000;

	test("%s: single datagrams of a message that are refused", w->name);
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		unsigned arrived = 0;

		set_up(w);
		say(client, &ask, "first");	/* the listener asks for UDP_GRO from here on */
		run();
		ok(gets(server, "first", NULL));
		setsockopt(client, IPPROTO_UDP, UDP_SEGMENT, &gso, sizeof(gso));
		host_send(client, &ask, text, sizeof(text));
		kernel.fail_calls = 1;
		kernel.fail_errno = EINVAL;
		kernel.fail_singles = row[i].singles;
		kernel.single_errno = row[i].err;
		run();
		while (host_recv(server, got_text, sizeof(got_text), NULL) == 1000)
			arrived++;
		eq(arrived, row[i].arrive);
		eq(drops(), row[i].drops);
		eq(kernel.fail_singles, 0);
	}
}

static void test_clients(const struct way *w)
{
	enum { CLIENTS = 10, EACH = 3 };
	struct end from[CLIENTS], seen;
	int fd[CLIENTS];
	char text[16];

	test("UDP-08 %s: a batch of several clients: in order, a call for each client; answers to each", w->name);
	set_up(w);
	for (unsigned i = 0; i < CLIENTS; i++)
		fd[i] = any_client();
	for (unsigned k = 0; k < EACH * CLIENTS; k++) {
		snprintf(text, sizeof(text), "%u %u", k % CLIENTS, k / CLIENTS);
		say(fd[k % CLIENTS], &ask, text);
	}
	run();
	eq(kernel.calls, CLIENTS);
	for (unsigned i = 0; i < CLIENTS; i++) {
		for (unsigned k = 0; k < EACH; k++) {
			snprintf(text, sizeof(text), "%u %u", i, k);
			ok(gets(server, text, &from[i]));
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		snprintf(text, sizeof(text), "answer %u", i);
		say(server, &from[i], text);
	}
	run();
	for (unsigned i = 0; i < CLIENTS; i++) {
		snprintf(text, sizeof(text), "answer %u", i);
		ok(gets(fd[i], text, &seen) && end_eq(&seen, &ask));
		ok(host_recv(fd[i], text, sizeof(text), NULL) < 0);
		close(fd[i]);
	}
	eq(drops(), 0);
}

static void test_mixed(const struct way *w)
{
	bool v4 = addr_is_v4(&ask.a);
	struct end far = E(v4 ? "198.51.100.7" : "2001:db8:1::7", 5555),
		to = E(v4 ? "192.0.2.1" : "2001:db8::1", PORT_IN);

	test("%s: one batch with clients on loopback and others: each by its way", w->name);
	set_up(w);
	for (unsigned k = 0; k < 3; k++) {
		say(client, &ask, "local");
		out_udp(&far, &to, "remote", 6);
	}
	run();
	eq(ngot, 3);
	for (unsigned k = 0; k < 3; k++) {
		ok(gets(server, "local", NULL));
		ok(k < ngot && got[k].ip.good && got[k].ip.len == 6 && !memcmp(got[k].ip.data, "remote", 6));
	}
	eq(drops(), 0);
	eq(g->tap.nfree, TAP_SLOTS);
}

static void test_errors(const struct way *w)
{
	struct end seen;

	test("UDP-14 %s: an error of an earlier datagram's does not cost another one", w->name);
	set_up(w);
	kernel.fail_calls = 1;
	kernel.fail_errno = ECONNREFUSED;
	say(client, &ask, "sent");
	run();
	ok(gets(server, "sent", &seen));
	kernel.fail_calls = 1;
	say(server, &seen, "answer");
	run();
	ok(gets(client, "answer", NULL));
	eq(drops(), 0);

	test("%s: an error that stays, or no room, costs what it is about", w->name);
	kernel.fail_errno = ENETUNREACH;
	kernel.fail_calls = 0x1f;
	say(client, &ask, "lost");
	run();
	eq(drops(), 1);
	kernel.fail_errno = EAGAIN;
	kernel.fail_calls = 1;
	say(client, &ask, "first");
	say(client, &ask, "2nd");
	say(client, &ask, "3rd");
	run();
	eq(g->drops[DROP_SEND], 4);
	say(client, &ask, "next");
	run();
	ok(gets(server, "next", NULL));

	test("UDP-01 %s: nobody is there: the loop rests; then somebody is", w->name);
	fd_close(server);
	memset(g->drops, 0, sizeof(g->drops));
	for (unsigned k = 0; k < 20; k++) {
		say(client, &ask, "anybody?");
		ok(run() < 5);
	}
	eq(g->drops[DROP_SEND], 0);
	server = host_socket(&at);
	say(client, &ask, "somebody?");
	run();
	ok(gets(server, "somebody?", &seen));

	test("UDP-01 %s: the client is gone: the listener's errors are read, and the loop rests", w->name);
	fd_close(client);
	for (unsigned k = 0; k < 20; k++) {
		say(server, &seen, "anybody?");
		ok(run() < 5);
	}
	client = any_client();
	say(client, &ask, "another one");
	run();
	ok(gets(server, "another one", &seen));
	say(server, &seen, "answer");
	run();
	ok(gets(client, "answer", NULL));
}

static void test_end(const struct way *w)
{
	struct rules none = { .n = 0 };
	struct fwd_failure why;
	struct end seen;
	unsigned files;

	test("%s: a flow ends when it was silent for long enough, later if it was answered", w->name);
	set_up(w);
	files = fds_open();
	say(client, &ask, "x");
	run();
	eq(fds_open(), files + 1);
	pass(119000);
	eq(c.flows.count[FLOW_UDP_SPLICE], 1);
	pass(2000);
	eq(c.flows.count[FLOW_UDP_SPLICE], 0);
	eq(fds_open(), files);
	say(client, &ask, "y");
	run();
	ok(gets(server, "x", NULL) && gets(server, "y", &seen));
	say(server, &seen, "z");
	run();
	pass(290000);
	eq(c.flows.count[FLOW_UDP_SPLICE], 1);
	pass(11000);
	eq(c.flows.count[FLOW_UDP_SPLICE], 0);

	test("%s: and when its listener goes, with its socket, in the midst of what it does", w->name);
	say(client, &ask, "x");
	run();
	files = fds_open();
	for (uint32_t i = 0; i < c.flows.unused; i++)
		if (c.flows.f[i].type == FLOW_UDP_SPLICE)
			flow_wait(&c.flows, &c.flows.f[i], WAIT_READY);
	say(client, &ask, "late");
	eq(fwd_replace(&c.fwd, &c.net, &none, &why), 0);
	udp_listeners_gone(&c);
	run();
	eq(c.flows.count[FLOW_UDP_SPLICE] + c.flows.count[FLOW_UDP_PORT], 0);
	ok(!flow_oldest(&c.flows, 0, LRU_SOCKET_SILENT) && !flow_oldest(&c.flows, 0, LRU_SOCKET_ANSWERED));
	eq(fds_open(), files - 3);		/* two listeners, and the far side's */
}

static void test_dns(void)
{
	struct end dns = { .port = 53 };

	test("a flow to port 53 is over sooner");
	set_up(&ways[2]);
	fd_close(server);
	cf.rules.rule[1].to = 53;
	c.fwd.rule[1].r.to = 53;
	dns.a = ask.a;
	server = host_socket(&dns);
	say(client, &ask, "x");
	run();
	ok(gets(server, "x", NULL));
	pass(31000);
	eq(c.flows.count[FLOW_UDP_SPLICE], 0);
}

/* A server on the far side that answers from other addresses and ports */
static void test_children(const struct way *w)
{
	struct end any = { .a = ask.a }, from, seen, again, port[2];
	struct rules none = { .n = 0 };
	int other[2], stranger;
	struct fwd_failure why;
	unsigned files;
	bool good;

	test("%s: an answer from a new port is one from a new port, at the address that was asked; and what is sent there arrives", w->name);
	set_up(w);
	files = fds_open();
	any.a = at.a;
	say(client, &ask, "request");
	run();
	ok(gets(server, "request", &seen));
	for (unsigned k = 0; k < 2; k++) {
		other[k] = host_socket(&any);
		say(other[k], &seen, "from a new port");
		run();
		ok(gets(client, "from a new port", &port[k]) && addr_eq(&port[k].a, &ask.a) &&
		   port[k].port != ask.port);
		say(client, &port[k], "there");
		run();
		ok(gets(other[k], "there", &again) && end_eq(&again, &seen));
	}
	ok(port[0].port != port[1].port);
	eq(c.flows.count[FLOW_UDP_SPLICE], 3);
	eq(fds_open(), files + 3 + 2);

	test("%s: all of them in turns, in one batch", w->name);
	good = true;
	for (unsigned i = 0; i < 6; i++)
		say(i % 3 ? other[i % 3 - 1] : server, &seen, "turn");
	run();
	for (unsigned i = 0; i < 6; i++)
		good &= gets(client, "turn", &from) && end_eq(&from, i % 3 ? &port[i % 3 - 1] : &ask);
	ok(good);

	test("%s: nobody but the client gets there", w->name);
	stranger = any_client();
	say(stranger, &port[0], "injected");
	run();
	say(client, &port[0], "real");
	run();
	ok(gets(other[0], "real", NULL));

	test("%s: they are no more than so many, the one idle for longest gives way", w->name);
	for (unsigned k = 0; k < 2 * CHILDREN_MAX; k++) {
		fd_close(stranger);
		stranger = host_socket(&any);
		c.now++;
		say(client, &port[0], "in use");
		run();
		say(stranger, &seen, "more");
		run();
		ok(gets(client, "more", NULL) && gets(other[0], "in use", NULL));
	}
	eq(c.flows.count[FLOW_UDP_SPLICE], 1 + CHILDREN_MAX);
	eq(g->sockets, 1 + CHILDREN_MAX);

	test("%s: the flow they come from stays as long as there are any, and is the last to go", w->name);
	for (unsigned k = 0; k < 20; k++) {
		pass(100000);
		say(client, &port[0], "in use");
		run();
		ok(gets(other[0], "in use", NULL));
	}
	eq(c.flows.count[FLOW_UDP_SPLICE], 2);
	pass(700000);
	eq(c.flows.count[FLOW_UDP_SPLICE], 0);
	eq(g->sockets, 0);

	test("%s: and all go with their listener", w->name);
	say(client, &ask, "request");
	run();
	ok(gets(server, "request", &seen));
	say(other[0], &seen, "from a new port");
	say(other[1], &seen, "from a new port");
	run();
	eq(c.flows.count[FLOW_UDP_SPLICE], 3);
	eq(fwd_replace(&c.fwd, &c.net, &none, &why), 0);
	udp_listeners_gone(&c);
	flow_bury(&c.flows);
	eq(c.flows.count[FLOW_UDP_SPLICE] + c.flows.count[FLOW_UDP_PORT], 0);
	eq(g->sockets, 0);
	fd_close(other[0]);
	fd_close(other[1]);
	fd_close(stranger);
	eq(fds_open(), files - 2);
}

static void test_exhaustion(const struct way *w)
{
	struct rlimit most, few;
	unsigned answered = 0;
	struct end seen;

	test("PEER-03 %s: more clients than descriptors: the one idle for longest gives way", w->name);
	set_up(w);
	getrlimit(RLIMIT_NOFILE, &most);
	few = most;
	few.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &few);
	for (unsigned i = 0; i < 300; i++) {
		fd_close(client);
		client = any_client();
		say(client, &ask, "x");
		run();
		if (!gets(server, "x", &seen))
			continue;
		say(server, &seen, "y");
		run();
		answered += gets(client, "y", NULL);
	}
	setrlimit(RLIMIT_NOFILE, &most);
	eq(answered, 300);
	eq(drops(), 0);
	ok(c.flows.count[FLOW_UDP_SPLICE] < 64);
}

static void test_policy(void)
{
	test("the link is full: what leaves the namespace doesn't care");
	set_up(&ways[2]);
	link_room = 0;
	g->tap.full = true;
	g->tap.qbytes = TAP_QUEUE;
	say(client, &ask, "x");
	run();
	ok(gets(server, "x", NULL));
	g->tap.qbytes = 0;

	test("there is none: --splice-only, and clients elsewhere are dropped");
	set_up(&ways[0]);
	cf.splice_only = true;
	fd_close(server);
	at = E("127.0.0.1", TO_IN);
	server = host_socket(&at);
	g->tap.fd = -1;
	say(client, &ask, "x");
	out_udp(&(struct end){ A("198.51.100.7"), 5555 }, &(struct end){ A("192.0.2.1"), PORT_IN }, "remote", 6);
	run();
	ok(gets(server, "x", NULL));
	eq(g->drops[DROP_POLICY], 1);
	eq(ngot, 0);

	test("no socket to be had in the namespace: dropped and counted");
	set_up(&ways[1]);
	opener_error = -EAFNOSUPPORT;
	for (int fd; (fd = splice_ns_socket(&c, V6, IPPROTO_UDP)) >= 0;)	/* those in reserve */
		close(fd);
	say(client, &ask, "x");
	run();
	eq(g->drops[DROP_NO_RESOURCE], 1);
	eq(c.flows.count[FLOW_UDP_SPLICE], 0);
	opener_error = 0;
}

int main(void)
{
	host_init();
	EACH_WAY(w) {
		test_both_ways(w);
		test_segments(w);
		test_singles(w);
		test_clients(w);
		test_errors(w);
		test_end(w);
		test_children(w);
		test_exhaustion(w);
	}
	test_mixed(&ways[0]);
	test_mixed(&ways[1]);
	test_two_addresses();
	test_dns();
	test_policy();
	got_clear();
	return done();
}
