/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp_join_test.c - datagrams joined to one frame to the guest, and both ways at random (dgram_test.c: to one message)
 *
 * What counts is the same everywhere: the receiver gets each datagram once, as it was sent, those of a flow in order.
 */
/* LDFLAGS: -Wl,--wrap=sendmmsg */
#include "../../udp.c"
#include "../datagrams.h"
#include "../opener_here.h"
#include "../../splice.h"

/* ---- between the program and the kernel ---- */

static int refuse;		/* UDP_SEGMENT, with this error */

int __real_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags);

static bool is_super(const struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, h))
		if (h->cmsg_level == IPPROTO_UDP && h->cmsg_type == UDP_SEGMENT)
			return true;
	return false;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *mm, unsigned n, int flags)
{
	unsigned k = 0;

	for (; refuse && k < n && !is_super(&mm[k].msg_hdr); k++)
		;
	if (!refuse || k)
		return __real_sendmmsg(fd, mm, refuse ? k : n, flags);
	errno = refuse;
	return -1;
}

/* ---- one guest, a server on the host's loopback ---- */

struct subnet {
	const char *name, *guest, *gw, *server, *server2, *loopback;
};

static const struct subnet nets[] = {
	{ "IPv4", "192.0.2.1", "192.0.2.254", "198.51.100.7", "198.51.100.8", "127.0.0.1" },
	{ "IPv6", "2001:db8::1", "fe80::1", "2001:db8:1::7", "2001:db8:1::8", "::1" },
};

#define EACH_NET(n)	for (const struct subnet *n = nets; n < nets + ARRAY_SIZE(nets); n++)

#define SERVERS	3

static const struct caps uso = { .mtu = 65535, .csum = true, .uso = true };
static struct end guest, gw[SERVERS], from[SERVERS];	/* servers as the guest sees them, and how they see the guest */
static int server[SERVERS] = { -1, -1, -1 };

static void set_up(const struct subnet *n, const struct caps *caps)
{
	begin(caps);
	refuse = 0;
	sock_probe();
	guest = E(n->guest, 41000);
	for (uint16_t k = 0; k < SERVERS; k++) {
		struct end at = E(n->loopback, 7100 + k);
		int size = 4 << 20;

		fd_close(server[k]);
		server[k] = host_socket(&at);
		setsockopt(server[k], SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
		gw[k] = E(n->gw, 7100 + k);
	}
}

static struct flow *the_port(void)
{
	return flow_find_guest(&c.flows, 0, FLOW_UDP_PORT, &guest, &(struct end){
		.a = addr_is_v4(&guest.a) ? addr_any4 : addr_any6 });
}

/* The servers learn who the guest is */
static void greet(void)
{
	char buf[8];

	for (unsigned k = 0; k < SERVERS; k++) {
		guest_say(&guest, &gw[k], "hello");
		ok(host_recv(server[k], buf, sizeof(buf), &from[k]) == 5);
	}
	got_clear();
	the_port()->udp.batch = DGRAM_BATCH;	/* whatever that made of it */
}

/* Bytes of datagram number @nr */
static const uint8_t *bytes_of(unsigned nr)
{
	static uint8_t text[1 << 17];

	if (!text[1])
		for (unsigned i = 0; i < sizeof(text); i++)
			text[i] = (uint8_t)(i * 2654435761U >> 23 | 1);
	return text + nr % 4093;
}

static bool is_datagram(unsigned nr, const void *p, size_t len, size_t want)
{
	return len == want && !memcmp(p, bytes_of(nr), len);
}

#define RUNS	6

/* So many datagrams of a kind, one after the other */
struct run_of {
	unsigned	n;
	size_t		len;
	uint8_t		ttl, tos;	/* 0: 64 */
	uint16_t	gso;		/* super-packet of the sender's own */
};

#define R(n_, len_)		{ .n = (n_), .len = (len_) }
#define RX(n_, len_, ...)	{ .n = (n_), .len = (len_), __VA_ARGS__ }

/* What becomes of them: a message or frame with so many, of that size but for the last */
struct joined {
	unsigned	n;
	size_t		size;
};

static size_t pieces(const struct run_of *r)
{
	return r->gso && r->len > r->gso ? (r->len + r->gso - 1) / r->gso : 1;
}

/* The guest's batch; how many there are in it */
static unsigned guest_runs(const struct run_of *run, const struct end *to)
{
	unsigned k = 0;

	for (const struct run_of *r = run; r < run + RUNS && r->n; r++) {
		for (unsigned j = 0; j < r->n; j++, k++) {
			guest_udp(k, &guest, to, r->ttl ? r->ttl : 64, bytes_of(k), r->len);
			guest_gso[k] = r->gso;
			if (r->tos)
				guest_tos(k, r->tos);
		}
	}
	guest_send(k);
	return k;
}

static void test_large(const struct subnet *n)
{
	const struct run_of large[RUNS] = { R(3, 1900), R(1, 1501) };
	struct end far = E(n->server, 7);
	struct ippkt i;

	test("%s: larger than the host's MTU, which the kernel refuses to join: each leaves in fragments", n->name);
	set_up(n, NULL);
	guest_runs(large, &far);
	for (unsigned k = 0; k < 8 && ok(out_read(&i)); k++) {
		ok(i.good && i.frag && i.more == !(k & 1));
		if (k & 1)
			eq(i.frag_off + i.l4_len, UDP_HLEN + (k < 6 ? 1900 : 1501));
		else
			ok(!i.frag_off && i.len > 1000 && !memcmp(i.data, bytes_of(k / 2), i.len));
	}
	ok(!out_read(&i));
	ok(the_port()->udp.single);
	eq(drops(), 0);
	eq(ngot, 0);
}

/* ---- in ---- */

static const struct {
	const char	*what;
	struct run_of	run[RUNS];
	struct joined	frame[RUNS];
} ins[] = {
	{ "one",			{ R(1, 500) }, { { 1, 500 } } },
	{ "two",			{ R(2, 500) }, { { 2, 500 } } },
	{ "a whole batch",		{ R(DGRAM_BATCH, 20) }, { { DGRAM_BATCH, 20 } } },
	{ "one more",			{ R(DGRAM_BATCH + 1, 20) }, { { DGRAM_BATCH, 20 }, { 1, 20 } } },
	{ "three batches, of one byte",	{ R(3 * DGRAM_BATCH, 1) },
	  { { DGRAM_BATCH, 1 }, { DGRAM_BATCH, 1 }, { DGRAM_BATCH, 1 } } },
	{ "a shorter one is the last",	{ R(2, 500), R(3, 300) }, { { 3, 500 }, { 2, 300 } } },
	{ "a shorter one is the second", { R(1, 500), R(1, 3), R(1, 500) }, { { 2, 500 }, { 1, 500 } } },
	{ "a longer one is another",	{ R(2, 300), R(2, 500) }, { { 2, 300 }, { 2, 500 } } },
	{ "nothing in them",		{ R(2, 0), R(1, 7), R(1, 0), R(2, 7) },
					{ { 1, 0 }, { 1, 0 }, { 1, 7 }, { 1, 0 }, { 2, 7 } } },
	{ "some that the kernel joined", { R(2, 700), RX(1, 1900, .gso = 700), R(2, 700) },
					{ { 2, 700 }, { 3, 700 }, { 2, 700 } } },
	{ "too much for one",		{ R(32, 2100) }, { { 31, 2100 }, { 1, 2100 } } },
	{ "just not too much",		{ R(31, 2100), R(1, 387) }, { { 32, 2100 } } },
	{ "just too much",		{ R(31, 2100), R(1, 388) }, { { 31, 2100 }, { 1, 388 } } },
};

static void server_runs(unsigned s, const struct run_of *run)
{
	unsigned k = 0;

	for (const struct run_of *r = run; r < run + RUNS && r->n; r++) {
		int gso = r->gso;

		setsockopt(server[s], SOL_UDP, UDP_SEGMENT, &gso, sizeof(gso));
		for (unsigned j = 0; j < r->n; j++)
			host_send(server[s], &from[s], bytes_of(k++), r->len);
	}
}

/* Frame @k is right in itself: addresses, lengths, checksum as far as it is there */
static bool frame_good(unsigned k, const struct end *src)
{
	const struct ippkt *i = &got[k].ip;

	if (!ok(k < ngot && i->good && end_eq(&i->src, src) && end_eq(&i->dst, &guest)))
		return false;
	ok(!got[k].off.gso || (got[k].off.partial && i->len > got[k].off.gso));
	if (got[k].off.partial)
		eq(get_be16(i->l4 + 6), slow_pseudo(&i->src.a, &i->dst.a, IPPROTO_UDP, i->l4_len));
	return eq(get_be16(i->l4 + 4), i->l4_len);
}

/* Datagrams in frames from @k on are those: which is the next frame */
static unsigned guest_got(unsigned k, const struct end *src, const struct run_of *run)
{
	size_t at = 0;			/* in frame @k */
	unsigned d = 0;

	for (const struct run_of *r = run; r < run + RUNS && r->n; r++) {
		for (unsigned j = 0; j < r->n; j++, d++) {
			size_t i = 0;

			do {
				size_t size = pieces(r) > 1 ? MIN(r->gso, r->len - i) : r->len;

				if (!at && !frame_good(k, src))
					return k;
				eq(got[k].off.gso ? MIN(got[k].off.gso, got[k].ip.len - at) : got[k].ip.len, size);
				if (!ok(at + size <= got[k].ip.len))
					return k;
				eq_mem(got[k].ip.data + at, bytes_of(d) + i, size);
				i += size;
				at += size;
				if (at == got[k].ip.len) {
					k++;
					at = 0;
				}
			} while (i < r->len);
		}
	}
	ok(!at);
	return k;
}

static void test_in(const struct subnet *n)
{
	for (unsigned k = 0; k < ARRAY_SIZE(ins); k++) {
		unsigned m = 0;

		test("%s: datagrams to the guest in a frame: %s", n->name, ins[k].what);
		set_up(n, &uso);
		greet();
		server_runs(0, ins[k].run);
		run();
		for (; m < RUNS && ins[k].frame[m].n; m++) {
			bool one = ins[k].frame[m].n == 1;

			if (!ok(m < ngot))
				break;
			eq(got[m].off.gso, one ? 0 : ins[k].frame[m].size);
			eq(one ? 1 : (got[m].ip.len + got[m].off.gso - 1) / got[m].off.gso, ins[k].frame[m].n);
			if (one)
				eq(got[m].ip.len, ins[k].frame[m].size);
		}
		eq(ngot, m);
		eq(guest_got(0, &gw[0], ins[k].run), ngot);
		eq(drops(), 0);
		eq(g->tap.nfree, TAP_SLOTS);
	}
}

/* Takes everything again, that which waited first */
static void link_opens(void)
{
	link_room = UINT32_MAX;
	do {
		tap_flush(&g->tap);
		link_resume(WAIT_STALLED);
		run();
	} while (g->tap.qlen);
}

static void test_in_alone(const struct subnet *n)
{
	const struct run_of some[RUNS] = { R(3, 100), R(1, 50) }, many[RUNS] = { R(150, 100) };
	unsigned hdr = net_hdr_len(addr_is_v4(&guest.a), UDP_HLEN) - ETH_HLEN;

	test("%s: a link without super-packets gets a frame for each", n->name);
	set_up(n, NULL);
	greet();
	server_runs(0, some);
	run();
	eq(ngot, 4);
	eq(guest_got(0, &gw[0], some), 4);
	eq(g->tap.nfree, TAP_SLOTS);

	test("%s: and loses none while it is full", n->name);
	got_clear();
	server_runs(0, many);
	link_room = 0;
	run();
	eq(ngot, 0);
	link_opens();
	eq(ngot, 150);
	eq(guest_got(0, &gw[0], many), 150);
	eq(drops(), 0);
	eq(g->tap.nfree, TAP_SLOTS);

	test("%s: up to the MTU they are joined, beyond they are fragments", n->name);
	for (unsigned over = 0; over < 2; over++) {
		const struct run_of run_mtu[RUNS] = { R(3, 1300 - hdr + over) };

		set_up(n, &uso);
		cf.mtu = 1300;
		greet();
		server_runs(0, run_mtu);
		run();
		eq(g->tap.nfree, TAP_SLOTS);
		eq(drops(), 0);
		if (!over) {
			eq(ngot, 1);
			guest_got(0, &gw[0], run_mtu);
			continue;
		}
		eq(ngot, 6);
		for (unsigned k = 0; k < ngot; k++) {
			const struct ippkt *i = &got[k].ip;

			ok(i->good && i->frag && !got[k].off.gso && i->id == got[k & ~1U].ip.id);
			if (k & 1)
				eq(i->frag_off + i->l4_len, UDP_HLEN + 1300 - hdr + 1);
			else
				ok(!i->frag_off && !memcmp(i->data, bytes_of(k / 2), i->len));
		}
	}
}

/* Letters are servers, one datagram each: what the guest gets is in groups */
static void test_in_flows(const struct subnet *n)
{
	static const struct {
		const char *sent, *frames;
	} cases[] = {
		{ "aabb", "aa bb" }, { "abab", "a b a b" }, { "aabaabbbca", "aa b aa bbb c a" }, { "cba", "c b a" },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		unsigned nr = 0, frames = 0;

		test("%s: in turns from several, %s: only neighbours share a frame, all in order", n->name,
		     cases[k].sent);
		set_up(n, &uso);
		greet();
		for (const char *p = cases[k].sent; *p; p++, nr++)
			host_send(server[*p - 'a'], &from[*p - 'a'], bytes_of(nr), 100);
		run();
		nr = 0;
		for (const char *p = cases[k].frames; *p; frames++) {
			size_t len = strcspn(p, " ");

			if (!frame_good(frames, &gw[*p - 'a']) || !eq(got[frames].ip.len, 100 * len))
				break;
			for (unsigned i = 0; i < len; i++)
				eq_mem(got[frames].ip.data + 100 * i, bytes_of(nr++), 100);
			p += len + (p[len] == ' ');
		}
		eq(ngot, frames);
		eq(g->tap.nfree, TAP_SLOTS);
	}
}

/* A client on the host's loopback, which is spliced, and one far away */
static void test_in_mixed(const struct subnet *n)
{
	struct end far = E(n->server, 5555), to = E(n->guest, 1000), local = E(n->loopback, 0), at = E(n->guest, 41000);
	static const char order[] = "rrlrllrr";
	int client, target;
	uint8_t buf[2048];

	test("%s: datagrams that are spliced in between: each by its way, in order", n->name);
	set_up(n, &uso);
	cf.no_splice = false;
	publish(1000, 1000, 41000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	client = host_socket(&local);
	target = host_socket(&at);
	local.port = 1000;
	for (unsigned turn = 0; turn < 50; turn++) {
		unsigned left = 5;

		got_clear();
		for (unsigned k = 0; order[k]; k++) {
			if (order[k] == 'l')
				host_send(client, &local, bytes_of(k), 300);
			else
				out_udp(&far, &to, bytes_of(k), 300);
		}
		run();
		for (unsigned k = 0, frame = 0, d = 0; order[k]; k++) {
			if (order[k] == 'l') {
				ok(is_datagram(k, buf, (size_t)host_recv(target, buf, sizeof(buf), NULL), 300));
				continue;
			}
			left--;
			if (!frame_good(frame, &far))
				break;
			eq_mem(got[frame].ip.data + 300 * d++, bytes_of(k), 300);
			if (got[frame].ip.len == 300 * d) {
				frame++;
				d = 0;
			}
			if (!left)
				eq(ngot, frame);
		}
		ok(host_recv(target, buf, sizeof(buf), NULL) < 0);
	}
	eq(drops(), 0);
	eq(g->tap.nfree, TAP_SLOTS);
	close(client);
	close(target);
}

static void test_in_gives_way(const struct subnet *n)
{
	const struct run_of two[RUNS] = { R(2, 200) }, one[RUNS] = { R(1, 200) };
	static const uint16_t order[] = { 5555, 5555, 5556, 5556, 5555 };
	struct end far = E(n->server, 5555), to = E(n->guest, 1000);

	test("%s: a flow gives way to the next one while its datagrams wait: they arrive", n->name);
	set_up(n, &uso);
	publish(1000, 1000, 41000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	c.flows.used += FLOW_MAX;	/* as if the table were full */
	for (unsigned k = 0; k < ARRAY_SIZE(order); k++) {
		far.port = order[k];
		out_udp(&far, &to, bytes_of(k % 2), 200);
	}
	run();
	c.flows.used -= FLOW_MAX;
	eq(ngot, 3);
	for (unsigned k = 0; k < 3; k++) {
		far.port = k == 1 ? 5556 : 5555;
		eq(guest_got(k, &far, k < 2 ? two : one), k + 1);
	}
	eq(c.flows.count[FLOW_UDP], 1);
	eq(drops(), 0);
	eq(g->tap.nfree, TAP_SLOTS);
}

/* Both look like the gateway's port 5557 to the guest */
static void test_in_same_view(void)
{
	const struct run_of two[RUNS] = { R(2, 200) };
	struct end to = E("127.0.0.1", 1000), at, seen = E("192.0.2.254", 5557);
	int fd[2];

	test("UDP-08 two clients the guest can't tell apart: no frame has datagrams of both");
	set_up(nets, &uso);
	publish(1000, 1000, 41000);
	eq(fwd_listen(&c.fwd, &c.net, c.epfd), 0);
	for (unsigned k = 0; k < 2; k++) {
		at = E(k ? "127.0.0.3" : "127.0.0.2", 5557);
		fd[k] = host_socket(&at);
		for (unsigned i = 0; i < 2; i++)
			host_send(fd[k], &to, bytes_of(i), 200);
	}
	run();
	eq(ngot, 2);
	eq(guest_got(0, &seen, two), 1);
	eq(guest_got(1, &seen, two), 2);
	eq(c.flows.count[FLOW_UDP], 1);
	eq(g->tap.nfree, TAP_SLOTS);
	close(fd[0]);
	close(fd[1]);
}

/* ---- at random ---- */

static uint32_t seed;

static unsigned chance(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

#define RANDOM_MAX	100

/* Datagrams sent to, or by, one of the servers; those of one batch */
static struct {
	unsigned	nr[RANDOM_MAX];
	size_t		len[RANDOM_MAX];
	uint16_t	gso[RANDOM_MAX];
	unsigned	n;
} told[SERVERS];

static unsigned tell(unsigned s, unsigned nr, size_t len, uint16_t gso)
{
	told[s].nr[told[s].n] = nr;
	told[s].len[told[s].n] = len;
	told[s].gso[told[s].n] = gso;
	return told[s].n++;
}

/* Takes what is next of @s: @p with @len bytes is that, or a segment of it from @at on */
static void expect(unsigned s, unsigned *next, size_t *at, const uint8_t *p, size_t len)
{
	size_t size, all;

	if (!ok(*next < told[s].n))
		return;
	all = told[s].len[*next];
	size = told[s].gso[*next] ? MIN(told[s].gso[*next], all - *at) : all;
	if (eq(len, size))
		eq_mem(p, bytes_of(told[s].nr[*next]) + *at, len);
	*at += size;
	if (*at == all) {
		++*next;
		*at = 0;
	}
}

static const size_t lengths[] = { 0, 1, 200, 200, 200, 200, 200, 200, 199, 201, 1400 };

static void test_random_out(const struct subnet *n)
{
	static const int refusals[] = { 0, 0, 0, 0, EINVAL, EIO, EMSGSIZE };
	static uint8_t buf[65536];

	test("%s: batches of the guest at random: every datagram arrives once, each server's in order", n->name);
	set_up(n, NULL);
	greet();
	seed = 1;
	for (unsigned turn = 0; turn < 300; turn++) {
		unsigned many = 1 + chance(RANDOM_MAX), s = 0;

		memset(told, 0, sizeof(told));
		the_port()->udp.single = false;
			refuse = refusals[chance(ARRAY_SIZE(refusals))];
		for (unsigned k = 0; k < many; k++) {
			size_t len = lengths[chance(ARRAY_SIZE(lengths))];

			if (!chance(4))
				s = chance(SERVERS);
			guest_udp(k, &guest, &gw[s], chance(10) ? 64 : 32, bytes_of(turn + k), len);
			if (len && !chance(10))
				guest_gso[k] = (uint16_t)MAX(200U, len / 3);
			tell(s, turn + k, len, guest_gso[k]);
		}
		guest_send(many);
		for (s = 0; s < SERVERS; s++) {
			unsigned next = 0;
			size_t at = 0;
			ssize_t len;

			while ((len = host_recv(server[s], buf, sizeof(buf), NULL)) >= 0)
				expect(s, &next, &at, buf, (size_t)len);
			eq(next, told[s].n);
		}
	}
	eq(drops(), 0);
	eq(ngot, 0);
}

/* What the guest got of all servers so far, frames taken apart */
static void expect_frames(unsigned *next, size_t *at)
{
	for (unsigned k = 0; k < ngot; k++) {
		const struct ippkt *i = &got[k].ip;
		unsigned s = i->src.port - 7100U;
		size_t done = 0, size;

		if (!ok(s < SERVERS) || !frame_good(k, &gw[s]))
			continue;
		do {
			size = got[k].off.gso ? MIN(got[k].off.gso, i->len - done) : i->len;
			expect(s, &next[s], &at[s], i->data + done, size);
			done += size;
		} while (done < i->len);
	}
	got_clear();
}

static void test_random_in(const struct subnet *n)
{
	unsigned files;

	test("%s: datagrams to the guest at random, the link full at times: each arrives once, each flow's in order",
	     n->name);
	set_up(n, &uso);
	files = fds_open();
	greet();
	seed = 2;
	for (unsigned turn = 0; turn < 300; turn++) {
		unsigned many = 1 + chance(RANDOM_MAX), s = 0, next[SERVERS] = { 0 };
		size_t at[SERVERS] = { 0 };

		memset(told, 0, sizeof(told));
		g->tap.caps.uso = chance(8);
		link_room = chance(3) ? UINT32_MAX : chance(40);
		for (unsigned k = 0; k < many; k++) {
			size_t len = lengths[chance(ARRAY_SIZE(lengths))];
			int gso = len && !chance(10) ? (int)MAX(200U, len / 3) : 0;

			if (!chance(4))
				s = chance(SERVERS);
			setsockopt(server[s], SOL_UDP, UDP_SEGMENT, &gso, sizeof(gso));
			host_send(server[s], &from[s], bytes_of(turn + k), len);
			tell(s, turn + k, len, (uint16_t)gso);
		}
		run();
		expect_frames(next, at);
		link_opens();
		expect_frames(next, at);
		for (s = 0; s < SERVERS; s++)
			eq(next[s], told[s].n);
		eq(g->tap.nfree, TAP_SLOTS);
	}
	eq(drops(), 0);
	pass(TIMEOUT_REPLIED);
	eq(c.flows.count[FLOW_UDP] + c.flows.count[FLOW_UDP_PORT], 0);
	eq(fds_open(), files);
}

int main(void)
{
	host_init();
	EACH_NET(n) {
		test_large(n);
		test_in(n);
		test_in_alone(n);
		test_in_flows(n);
		test_in_mixed(n);
		test_in_gives_way(n);
		test_random_out(n);
		test_random_in(n);
	}
	test_in_same_view();
	begin(NULL);
	return done();
}
