/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auto_test.c - what sock_diag says is bound, and the rules that follow it: canned answers in place of the kernel's */
/* LINK: addr.o log.o netlink.o timer.o util.o */
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "../t.h"
#include "../../auto.c"

static struct ctx ctx;
static struct conf conf;
static int kernel = -1;
static uint32_t seq;			/* of the request that is answered next */

/* Rules in struct fwd, without sockets */
static int refuse;			/* every new one, with this */
static unsigned added;

int fwd_rule_add(struct fwd *fwd, const struct conf *c, const struct rule *r, uint32_t *id)
{
	(void)c;
	ok(r->automatic && !r->weak && r->first == r->last);
	for (unsigned i = 0; i < fwd->nrules; i++) {
		if (fwd->rule[i].id && rule_same(&fwd->rule[i].r, r)) {
			*id = fwd->rule[i].id;
			return 0;
		}
	}
	if (refuse)
		return refuse;
	added++;
	*id = ++fwd->last_id;
	fwd->rule[fwd->nrules++] = (struct fwd_rule){ .r = *r, .id = *id };
	return 0;
}

int fwd_rule_del(struct fwd *fwd, uint32_t id)
{
	for (unsigned i = 0; i < fwd->nrules; i++) {
		if (id && fwd->rule[i].id == id) {
			fwd->rule[i].id = 0;
			return 0;
		}
	}
	return -ENOENT;
}

int ns_call(const struct ns *ns, int (*fn)(void *), void *arg)
{
	(void)ns;
	(void)fn;
	(void)arg;
	return -EPERM;
}

void loop_on_timer(enum timer_kind kind, void (*fn)(struct ctx *c, struct timer *t))
{
	(void)kind;
	(void)fn;
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

static void fresh(const char *name)
{
	const struct timeval patience = { .tv_usec = 1000 };
	int sv[2];

	test("%s", name);
	if (kernel >= 0) {
		close(kernel);
		nl_close(&scan.nl);
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		abort();
	setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	scan.nl = (struct nl){ .fd = sv[0] };
	kernel = sv[1];
	seq = 1;
	memset(&scan.bound, 0, sizeof(scan.bound));
	scan.again = false;
	memset(&ctx.fwd, 0, sizeof(ctx.fwd));
	memset(&conf, 0, sizeof(conf));
	ctx.cf = &conf;
	ctx.fwd.eph_first[0] = 32768;
	ctx.fwd.eph_last[0] = 60999;
	refuse = 0;
	added = 0;
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
	eq(find_bound(&scan.nl, &ctx.fwd, false, &b), 0);
	eq_str(ports_text(b.port[TCP]), "80 81 82");
	test("UDP-16 TCP counts for UDP, and not the other way around");
	eq_str(ports_text(b.port[UDP]), "53 54 80 81 82");

	for (unsigned lo = 0; lo < 2; lo++) {
		fresh(lo ? "loopback, with --host-lo-to-ns-lo" : "loopback is private");
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
		eq(find_bound(&scan.nl, &ctx.fwd, lo, &b), 0);
		eq_str(ports_text(b.port[TCP]), lo ? "80 81 82 83 84" : "84");
	}

	fresh("UDP-16 our own sockets on the namespace's loopback are no candidates, others there are");
	ctx.fwd.rule[0] = (struct fwd_rule){ .r = { .proto = IPPROTO_TCP, .outward = true, .first = 80, .last = 81 }, .id = 1 };
	ctx.fwd.nrules = 1;
	put_sock("127.0.0.1", 80, L);
	put_sock("127.0.0.1", 82, L);
	put_sock("198.51.100.2", 81, L);
	end(0);
	end(0);
	put_sock("127.0.0.1", 80, U);
	end(0);
	end(0);
	eq(find_bound(&scan.nl, &ctx.fwd, true, &b), 0);
	eq_str(ports_text(b.port[TCP]), "81 82");
	eq_str(ports_text(b.port[UDP]), "80 81 82");

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
	eq(find_bound(&scan.nl, &ctx.fwd, false, &b), 0);
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
	eq(find_bound(&scan.nl, &ctx.fwd, false, &b), 0);
	eq_str(ports_text(b.port[TCP]), "81");

	fresh("a family that the kernel doesn't have is none");
	put_sock("0.0.0.0", 80, L);
	end(0);
	end(-EINVAL);
	end(0);
	end(-EINVAL);
	eq(find_bound(&scan.nl, &ctx.fwd, false, &b), 0);
	eq_str(ports_text(b.port[TCP]), "80");

	fresh("no answer at all is an error");
	eq(find_bound(&scan.nl, &ctx.fwd, false, &b), -ETIMEDOUT);
}

/* Rules there are, as text: "t:80>8080" */
static const char *rules_text(void)
{
	static char buf[256];
	char addr[ADDR_STRLEN];
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < ctx.fwd.nrules && n < sizeof(buf); i++) {
		const struct rule *r = &ctx.fwd.rule[i].r;

		if (ctx.fwd.rule[i].id)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%c:%s%s%u>%u", n ? " " : "",
					      r->proto == IPPROTO_TCP ? 't' : 'u', r->any ? "" : addr_fmt(&r->addr, addr),
					      r->any ? "" : "/", r->first, r->to);
	}
	return buf;
}

static void rule(uint8_t proto, uint16_t first, uint16_t last, uint16_t to, bool weak)
{
	conf.rule[conf.nrules++] = (struct rule){
		.proto = proto, .any = true, .automatic = true, .weak = weak, .first = first, .last = last, .to = to,
	};
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
	eq(look(&ctx), 0);
}

static void test_follow(void)
{
	fresh("what is bound is forwarded, what isn't any more is withdrawn");
	rule(IPPROTO_TCP, 1, 21, 1, true);
	rule(IPPROTO_TCP, 23, 65535, 23, true);
	rule(IPPROTO_UDP, 1, 65535, 1, true);
	found("22 80 65535", "53");
	eq_str(rules_text(), "t:80>80 t:65535>65535 u:22>22 u:53>53 u:80>80 u:65535>65535");
	found("80 81", "53");
	eq_str(rules_text(), "t:80>80 u:53>53 u:80>80 t:81>81 u:81>81");
	found("80 81", "53");
	eq(added, 8);
	found("", "");
	eq_str(rules_text(), "");

	fresh("FWD-15 ephemeral ports of the host are left alone");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	found("32767 32768 40000 60999 61000", "");
	eq_str(rules_text(), "t:32767>32767 t:61000>61000");

	fresh("ports that are named: other targets, ephemeral ones, too");
	rule(IPPROTO_TCP, 8080, 8082, 80, false);
	rule(IPPROTO_TCP, 40000, 40000, 40000, false);
	found("79 80 82 83 8080 40000", "");
	eq_str(rules_text(), "t:8080>80 t:8082>82 t:40000>40000");

	fresh("ports at both ends");
	rule(IPPROTO_TCP, 65530, 65535, 1, false);
	rule(IPPROTO_UDP, 1, 6, 65530, false);
	found("1 6 7", "65529 65530 65535");
	eq_str(rules_text(), "t:65530>1 t:65535>6 u:1>65530 u:6>65535");

	fresh("UDP-17 addresses are kept");
	rule(IPPROTO_UDP, 1, 65535, 1, true);
	conf.rule[0].any = false;
	conf.rule[0].addr = addr_loopback4;
	found("", "53");
	eq_str(rules_text(), "u:127.0.0.1/53>53");

	fresh("what can't be had is tried again with each scan");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	refuse = -EADDRINUSE;
	found("80", "");
	eq_str(rules_text(), "");
	found("80", "");
	refuse = 0;
	found("80", "");
	eq_str(rules_text(), "t:80>80");

	fresh("rules of others are not touched");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	ctx.fwd.rule[ctx.fwd.nrules++] = (struct fwd_rule){ .r = { .first = 70, .last = 70, .to = 70 }, .id = 99 };
	ctx.fwd.rule[0].r.proto = IPPROTO_TCP;
	ctx.fwd.rule[0].r.any = true;
	found("70", "");
	found("", "");
	eq_str(rules_text(), "t:70>70");
	conf.rule[0].automatic = false;
	found("80", "");
	eq_str(rules_text(), "t:70>70");

	fresh("a scan that fails changes nothing");
	rule(IPPROTO_TCP, 1, 65535, 1, true);
	found("80", "");
	eq(look(&ctx), -ETIMEDOUT);
	eq_str(rules_text(), "t:80>80");
}

int main(void)
{
	test_dumps();
	test_follow();
	return done();
}
