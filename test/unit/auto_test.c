/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auto_test.c - what sock_diag says is bound, and the rules that follow it: canned answers in place of the kernel's */
/* LDFLAGS: -Wl,--wrap=fd_close */
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../../opener.h"
#include "../t.h"
#include "../../event.h"
#include "../../sock.h"
#include "../../auto.c"

static struct ctx ctx;
static struct conf conf;
static int kernel = -1;
static uint32_t seq;			/* of the request that is answered next */

/* Sockets in place of the kernel's: none conflict with each other */
static int refuse;			/* every new one, with this */
static unsigned opened;
static bool in_ns;			/* that is where they are opened */
static uint16_t guests_port;		/* the guest sends datagrams from it: UDP socket of ours on the host */
static uint16_t splice_port[2];	/* a spliced flow has it, on that side */

struct sock_features sock_features = { .ipv6 = true };

void __wrap_fd_close(int fd);

void __wrap_fd_close(int fd)
{
	ok(fd >= 1000 && fd < 1000 + (int)opened);
}

int sock_listen(uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	(void)proto;
	(void)dual;
	ok(at->port && !in_ns && !o->ifname[0]);
	return refuse ? refuse : 1000 + (int)opened++;
}

int sock_listen_on(int fd, uint8_t proto, const struct end *at, bool dual, const struct sock_out *o)
{
	(void)proto;
	ok(at->port && in_ns && (!dual || !strcmp(o->ifname, "lo")));
	in_ns = false;
	return fd;
}

int opener_sockets(int family, int type, int proto, int *fd, unsigned n)
{
	eq(n, 1);
	eq(type, proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM);
	ok(family == AF_INET || family == AF_INET6);
	if (refuse)
		return refuse;
	in_ns = true;
	*fd = 1000 + (int)opened++;
	return 1;
}

int ev_add(int epfd, int fd, enum ev_type type, uint32_t idx, uint16_t gen, uint32_t events)
{
	(void)idx;
	(void)gen;
	ok(epfd == 99 && fd >= 1000 && (type == EV_TCP_LISTEN || type == EV_UDP_LISTEN));
	ok(events == (type == EV_UDP_LISTEN ? EPOLLIN | EPOLLET : EPOLLIN));
	return 0;
}

bool udp_is_own(const struct flows *fs, const struct end *e)
{
	ok(fs == &ctx.flows);
	return guests_port && e->port == guests_port;
}

void udp_listeners_gone(struct ctx *c)
{
	for (uint32_t i = 0; (i = fwd_gone(&c->fwd, i)) < LISTENERS_MAX; i++)
		;
}

bool udp_splice_is_own(const struct ctx *c_, unsigned side, const struct end *e)
{
	ok(&c_->flows == &ctx.flows);
	return splice_port[side] && e->port == splice_port[side];
}

int ns_netlink(struct nl *nl, int proto)
{
	(void)nl;
	(void)proto;
	return -EPERM;
}

int opener_file(const char *path, int flags)
{
	(void)path;
	(void)flags;
	return -ENOENT;
}

bool opener_runs(void)
{
	return true;
}

static uint8_t dgram[65536];
static size_t dgram_len;

/* Message of @len bytes in all, of which only those of @data are there */
static void put(uint16_t type, const void *data, size_t len, uint32_t claimed)
{
	struct nlmsghdr nh = { .nlmsg_len = claimed, .nlmsg_type = type, .nlmsg_flags = NLM_F_MULTI, .nlmsg_seq = seq };

	memcpy(dgram + dgram_len, &nh, sizeof(nh));
	if (len)
		memcpy(dgram + dgram_len + NLMSG_HDRLEN, data, len);
	dgram_len += NLMSG_SPACE(len);
}

static void sent(void)
{
	ok(send(kernel, dgram, dgram_len, 0) == (ssize_t)dgram_len);
	dgram_len = 0;
}

static struct inet_diag_msg sock(const char *at, uint16_t port, uint8_t state)
{
	struct inet_diag_msg m = { .idiag_state = state };
	struct addr a = addr_any6;

	ok(addr_parse(at, strlen(at), &a));
	m.idiag_family = addr_is_v4(&a) ? AF_INET : AF_INET6;
	addr_to_bytes(&a, (uint8_t *)m.id.idiag_src);
	m.id.idiag_sport = htons(port);
	return m;
}

static void put_sock(const char *at, uint16_t port, uint8_t state)
{
	struct inet_diag_msg m = sock(at, port, state);

	put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
}

/* End of a dump: the next one's answers follow */
static void end(int err)
{
	put(NLMSG_DONE, &err, sizeof(err), NLMSG_LENGTH(sizeof(err)));
	sent();
	seq++;
}

static void scan_from(bool host)
{
	const struct timeval patience = { .tv_usec = 1000 };
	int sv[2];

	if (kernel >= 0) {
		close(kernel);
		close(scan[scan[true].on].nl.fd);
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		abort();
	setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	memset(scan, 0, sizeof(scan));
	scan[host] = (struct scan){ .nl = { .fd = sv[0] }, .on = true };
	kernel = sv[1];
	seq = 1;
}

static void fresh(const char *name)
{
	test("%s", name);
	scan_from(false);
	memset(&ctx.fwd, 0, sizeof(ctx.fwd));
	memset(&conf, 0, sizeof(conf));
	ctx.net.ip[V4].on = ctx.net.ip[V6].on = true;
	ctx.net.cf = &conf;
	refuse = 0;
	opened = 0;
	in_ns = false;
	guests_port = splice_port[HOST] = splice_port[GUEST] = 0;
}

static void rule(uint8_t proto, uint16_t first, uint16_t last, uint16_t to, bool weak)
{
	conf.rules.rule[conf.rules.n++] = (struct rule){
		.proto = proto, .any = true, .automatic = true, .weak = weak, .first = first, .last = last, .to = to,
	};
}

/* Rules of conf are those there are */
static void begin(void)
{
	eq(fwd_listen(&ctx.fwd, &ctx.net, 99), 0);
	ctx.fwd.eph[0] = (struct ephemeral){ 32768, 60999 };
	ctx.fwd.eph[1] = (struct ephemeral){ 50000, 60000 };
}

/* Ports of a map as text */
static const char *ports_text(const uint8_t *map)
{
	static char buf[256];
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned port = 0; port <= UINT16_MAX && n < sizeof(buf); port++) {
		if (bit_test(map, port))
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%u", n ? " " : "", port);
	}
	return buf;
}

#define L	KERNEL_LISTEN
#define U	KERNEL_CLOSE

static void test_dumps(void)
{
	static struct bound b;

	fresh("listeners of TCP, sockets of UDP, of both families");
	put_sock("0.0.0.0", 80, L);
	put_sock("198.51.100.2", 81, L);
	sent();
	end(0);
	put_sock("::", 82, L);
	end(0);
	put_sock("0.0.0.0", 53, U);
	end(0);
	put_sock("2001:db8::1", 54, U);
	end(0);
	eq(find_bound(&ctx, false, &b), 0);
	eq_str(ports_text(b.port[TCP]), "80 81 82");
	test("UDP-16 TCP counts for UDP, and not the other way around");
	eq_str(ports_text(b.port[UDP]), "53 54 80 81 82");

	for (unsigned lo = 0; lo < 3; lo++) {
		fresh(lo == 2 ? "loopback, with --splice-only" :
		      lo      ? "loopback, with --host-lo-to-ns-lo" :
				"loopback is private");
		conf.host_lo_to_ns_lo = lo == 1;
		conf.splice_only = lo == 2;
		put_sock("127.0.0.1", 80, L);
		put_sock("127.9.9.9", 81, L);
		end(0);
		put_sock("::1", 82, L);
		struct inet_diag_msg m = sock("::", 83, L);
		m.id.idiag_if = 1;
		put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
		m = sock("::", 84, L);
		m.id.idiag_if = 2;
		put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
		end(0);
		end(0);
		end(0);
		eq(find_bound(&ctx, false, &b), 0);
		eq_str(ports_text(b.port[TCP]), lo ? "80 81 82 83 84" : "84");
	}

	for (unsigned fallback = 0; fallback < 2; fallback++) {
		struct inet_diag_msg m = sock("::", 80, L);

		fresh(fallback ? "UDP-16 nor if they are bound to loopback addresses" :
		      "UDP-16 our own sockets on the namespace's loopback are no candidates, others there are");
		rule(IPPROTO_TCP, 80, 81, 80, false);
		conf.rules.rule[0].outward = true;
		begin();
		fwd_follow(&ctx.fwd, &ctx.net, true, (uint8_t[2][PORT_MAP]){ { [10] = 3 } });
		eq(opened, 2);
		conf.host_lo_to_ns_lo = true;
		if (fallback)
			put_sock("127.0.0.1", 80, L);
		put_sock("127.0.0.1", 82, L);
		put_sock("198.51.100.2", 81, L);
		end(0);
		if (fallback) {
			put_sock("::1", 80, L);
		} else {
			m.id.idiag_if = LOOPBACK_IF;
			put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
		}
		end(0);
		put_sock("127.0.0.1", 80, U);
		end(0);
		end(0);
		eq(find_bound(&ctx, false, &b), 0);
		eq_str(ports_text(b.port[TCP]), "81 82");
		eq_str(ports_text(b.port[UDP]), "80 81 82");
	}

	fresh("FWD-14 connections that the kernel tells of nevertheless don't count");
	put_sock("0.0.0.0", 80, 1);
	put_sock("0.0.0.0", 81, U);
	end(0);
	end(0);
	struct inet_diag_msg m = sock("0.0.0.0", 53, U);
	m.id.idiag_dport = htons(1000);
	put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
	put_sock("0.0.0.0", 54, L);
	put_sock("0.0.0.0", 0, U);
	end(0);
	end(0);
	eq(find_bound(&ctx, false, &b), 0);
	eq_str(ports_text(b.port[TCP]), "");
	eq_str(ports_text(b.port[UDP]), "");

	fresh("messages that are too short, too long, or of another kind");
	m = sock("0.0.0.0", 80, L);
	put(SOCK_DIAG_BY_FAMILY, &m, 16, NLMSG_LENGTH(16));
	put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m) - 4, NLMSG_LENGTH(sizeof(m) - 4));
	put(SOCK_DIAG_BY_FAMILY, NULL, 0, NLMSG_LENGTH(0));
	put(SOCK_DIAG_BY_FAMILY + 1, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
	m.idiag_family = AF_UNIX;
	put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
	put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), UINT32_MAX);
	sent();
	put_sock("0.0.0.0", 81, L);
	put(SOCK_DIAG_BY_FAMILY, &m, 8, NLMSG_LENGTH(sizeof(m)));	/* longer than its datagram */
	sent();
	end(0);
	end(0);
	end(0);
	end(0);
	eq(find_bound(&ctx, false, &b), 0);
	eq_str(ports_text(b.port[TCP]), "81");

	fresh("a family that the kernel doesn't have is none");
	put_sock("0.0.0.0", 80, L);
	end(0);
	end(-EINVAL);
	end(0);
	end(-EINVAL);
	eq(find_bound(&ctx, false, &b), 0);
	eq_str(ports_text(b.port[TCP]), "80");

	fresh("no answer at all is an error");
	eq(find_bound(&ctx, false, &b), -ETIMEDOUT);
}

/* Listeners there are, by port: "t:80>8080", "o:" in front if outward */
static const char *open_text(void)
{
	static char buf[256];
	const struct fwd *f = &ctx.fwd;
	char addr[ADDR_STRLEN];
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned key = 0; key < 4 << 16; key++) {
		for (const struct listener *l = f->l; l < f->l + f->n && n < sizeof(buf); l++) {
			const struct rule *r = &f->rule[l->rule].r;

			if (l->fd < 0 || l->port != key % 65536 || r->outward != (key >> 17) ||
			    (r->proto == IPPROTO_UDP) != (key >> 16) % 2)
				continue;
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%s%c:%s%s%u>%u", n ? " " : "",
					      r->outward ? "o:" : "", r->proto == IPPROTO_TCP ? 't' : 'u',
					      r->any ? "" : addr_fmt(&r->addr, addr), r->any ? "" : "/", l->port,
					      rule_to(r, l->port));
		}
	}
	return buf;
}

/* A scan that finds these ports bound, TCP's and UDP's */
static void found(const char *tcp, const char *udp)
{
	const char *lists[] = { tcp, udp };

	for (unsigned p = TCP; p <= UDP; p++) {
		for (const char *s = lists[p]; *s; s += strcspn(s, " "), s += *s == ' ')
			put_sock("0.0.0.0", (uint16_t)atoi(s), p == TCP ? L : U);
		end(0);
		end(0);
	}
	eq(look(&ctx, scan[true].on), 0);
}

static void test_follow(void)
{
	fresh("what is bound is forwarded, what isn't any more is withdrawn");
	rule(IPPROTO_TCP, 1, 21, 1, true);
	rule(IPPROTO_TCP, 23, 65535, 23, true);
	rule(IPPROTO_UDP, 1, 65535, 1, true);
	begin();
	eq(opened, 0);
	found("22 80 65535", "53");
	eq_str(open_text(), "t:80>80 t:65535>65535 u:22>22 u:53>53 u:80>80 u:65535>65535");
	found("80 81", "53");
	eq_str(open_text(), "t:80>80 t:81>81 u:53>53 u:80>80 u:81>81");
	found("80 81", "53");
	eq(opened, 8);
	found("", "");
	eq_str(open_text(), "");

	fresh("FWD-15 ephemeral ports of either side are left alone");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	begin();
	ctx.fwd.eph[1].last = 61005;
	found("32767 32768 40000 60999 61000 61005 61006", "");
	eq_str(open_text(), "t:32767>32767 t:61006>61006");

	fresh("ports that are named: other targets, ephemeral ones, too");
	rule(IPPROTO_TCP, 8080, 8082, 80, false);
	rule(IPPROTO_TCP, 40000, 40000, 40000, false);
	begin();
	found("79 80 82 83 8080 40000", "");
	eq_str(open_text(), "t:8080>80 t:8082>82 t:40000>40000");

	fresh("ports at both ends");
	rule(IPPROTO_TCP, 65530, 65535, 1, false);
	rule(IPPROTO_UDP, 1, 6, 65530, false);
	begin();
	found("1 6 7", "65529 65530 65535");
	eq_str(open_text(), "t:65530>1 t:65535>6 u:1>65530 u:6>65535");

	fresh("UDP-17 addresses are kept");
	rule(IPPROTO_UDP, 1, 65535, 1, true);
	conf.rules.rule[0].any = false;
	conf.rules.rule[0].addr = addr_loopback4;
	begin();
	found("", "53");
	eq_str(open_text(), "u:127.0.0.1/53>53");

	fresh("what can't be had is tried again with each scan");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	begin();
	refuse = -EADDRINUSE;
	found("80", "");
	eq_str(open_text(), "");
	found("80", "");
	refuse = 0;
	found("80", "");
	eq_str(open_text(), "t:80>80");

	fresh("rules that aren't automatic, or of the other direction, are not touched");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	rule(IPPROTO_TCP, 70, 70, 70, false);
	conf.rules.rule[1].automatic = false;
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	conf.rules.rule[2].outward = true;
	begin();
	found("71", "");
	eq_str(open_text(), "t:70>70 t:71>71");
	found("", "");
	eq_str(open_text(), "t:70>70");
	found("80", "");
	eq_str(open_text(), "t:70>70 t:80>80");
	ctx.fwd.automatic[false] = 0;
	eq(look(&ctx, false), 0);		/* nobody is asked: it would time out */

	fresh("a scan that fails changes nothing");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	begin();
	found("80", "");
	eq(look(&ctx, false), -ETIMEDOUT);
	eq_str(open_text(), "t:80>80");
}

/* What listens on the host, by address: what of it is forwarded from the namespace? */
static void test_outward(void)
{
	fresh("-T auto: what is bound on the host is forwarded from the namespace's loopback, while it is");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	conf.rules.rule[0].outward = true;
	begin();
	scan_from(true);
	found("22 80", "53");
	eq_str(open_text(), "o:t:22>22 o:t:80>80");
	found("80", "");
	eq_str(open_text(), "o:t:80>80");
	found("", "");
	eq_str(open_text(), "");

	test("-T auto: what can't be had is tried again");
	refuse = -EADDRINUSE;
	found("80", "");
	eq_str(open_text(), "");
	refuse = 0;
	found("80", "");
	eq_str(open_text(), "o:t:80>80");

	fresh("FWD-15 -T auto: ephemeral ports of either side are left alone");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	conf.rules.rule[0].outward = true;
	begin();
	ctx.fwd.eph[1].last = 61005;
	scan_from(true);
	found("32767 32768 40000 60999 61000 61005 61006", "");
	eq_str(open_text(), "o:t:32767>32767 o:t:61006>61006");

	fresh("-T 40000:80,auto: what is named, elsewhere");
	rule(IPPROTO_TCP, 40000, 40001, 80, false);
	conf.rules.rule[0].outward = true;
	begin();
	scan_from(true);
	found("80 40001", "");
	eq_str(open_text(), "o:t:40000>80");
}

/* Sockets of the host that outward rules may lead to */
static void test_host(void)
{
	static struct bound b;
	struct inet_diag_msg m;

	fresh("host: loopback and any count, other addresses are not where outward rules lead");
	begin();
	scan_from(true);
	put_sock("127.0.0.1", 80, L);
	put_sock("0.0.0.0", 81, L);
	put_sock("192.0.2.1", 82, L);
	put_sock("127.0.0.53", 83, L);
	m = sock("0.0.0.0", 84, L);
	m.id.idiag_if = LOOPBACK_IF;
	put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
	m = sock("0.0.0.0", 85, L);
	m.id.idiag_if = 2;
	put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
	m = sock("127.0.0.1", 86, L);
	m.id.idiag_if = 2;
	put(SOCK_DIAG_BY_FAMILY, &m, sizeof(m), NLMSG_LENGTH(sizeof(m)));
	end(0);
	put_sock("::1", 90, L);
	put_sock("::", 91, L);
	put_sock("2001:db8::1", 92, L);
	put_sock("fe80::1", 93, L);
	end(0);
	put_sock("0.0.0.0", 53, U);
	put_sock("192.0.2.1", 54, U);
	put_sock("127.0.0.1", 55, U);
	end(0);
	put_sock("::1", 56, U);
	end(0);
	eq(find_bound(&ctx, true, &b), 0);
	eq_str(ports_text(b.port[TCP]), "80 81 83 84 90 91");
	eq_str(ports_text(b.port[UDP]), "53 55 56 80 81 83 84 90 91");

	fresh("host: our own sockets are no candidates: what is forwarded one way is not forwarded the other way");
	rule(IPPROTO_TCP, 80, 81, 80, false);
	rule(IPPROTO_UDP, 53, 53, 53, false);
	rule(IPPROTO_TCP, 90, 90, 90, false);
	for (unsigned i = 0; i < conf.rules.n; i++)
		conf.rules.rule[i].automatic = false;
	conf.rules.rule[2].any = false;
	conf.rules.rule[2].addr = addr_loopback4;
	begin();
	scan_from(true);
	guests_port = 5000;
	splice_port[HOST] = 5002;
	splice_port[GUEST] = 5003;
	put_sock("127.0.0.1", 90, L);
	put_sock("127.0.0.2", 90, L);
	end(0);
	put_sock("::", 80, L);
	put_sock("::", 81, L);
	put_sock("::1", 82, L);
	end(0);
	put_sock("0.0.0.0", 5000, U);
	put_sock("0.0.0.0", 5001, U);
	put_sock("0.0.0.0", 5002, U);
	put_sock("0.0.0.0", 5003, U);
	end(0);
	put_sock("::", 53, U);
	put_sock("::", 80, U);
	end(0);
	eq(find_bound(&ctx, true, &b), 0);
	eq_str(ports_text(b.port[TCP]), "82 90");
	eq_str(ports_text(b.port[UDP]), "80 82 90 5001 5003");
}

static void test_interval(void)
{
	static const struct { uint64_t quiet, wait; } rows[] = {
		{ 0, 50 }, { 50, 50 }, { 400, 50 }, { 800, 100 }, { 1600, 200 }, { 8000, 1000 }, { 8001, 1000 },
		{ 1000000, 1000 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		test("scans are rarer the longer nothing changes: %u ms", (unsigned)rows[i].quiet);
		eq(interval(rows[i].quiet), rows[i].wait);
	}

	fresh("what has changed since the last scan is known");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	begin();
	changed_at = 0;
	ctx.now = 5;
	found("80", "");
	eq(changed_at, 5);
	ctx.now = 6;
	found("80", "");
	eq(changed_at, 5);
	found("81", "");
	eq(changed_at, 6);
}

int main(void)
{
	test_interval();
	test_dumps();
	test_follow();
	test_outward();
	test_host();
	return done();
}
