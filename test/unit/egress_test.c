/* SPDX-License-Identifier: GPL-2.0-or-later */
/* egress_test.c - verdicts by what kernel and network know: the host's addresses, resolvers, carried addresses */

#include <errno.h>

#include "../addresses.h"
#include "../t.h"
#include "../../egress.c"
#include "../../names.h"

static struct ctx c = { .guests = 1 };
static struct conf conf;
static char lines[1024];
static struct decision last;

/* In place of the kernel */
static struct {
	const char	*host, *broadcast;
	int		err;
	unsigned	asked;
} kernel;

int nl_route_type(struct nl *nl, const struct addr *a)
{
	struct addr host = A(kernel.host), broadcast = A(kernel.broadcast);

	(void)nl;
	kernel.asked++;
	if (kernel.err)
		return kernel.err;
	return addr_eq(a, &host) ? RTN_LOCAL : addr_eq(a, &broadcast) ? RTN_BROADCAST : RTN_UNICAST;
}

int nl_open(struct nl *nl, int proto)
{
	(void)proto;
	nl->fd = 100;
	return 0;
}

/* Lines separated by ';' */
static void rules(const char *text)
{
	struct policy *p = policy_new(NULL);
	unsigned line;

	snprintf(lines, sizeof(lines), "%s", text);
	for (char *s = lines; *s; s++)
		*s = *s == ';' ? '\n' : *s;
	eq_str(policy_lines(p, lines, strlen(lines), &line), NULL);
	policy_compile(p);
	egress_start(&c, p, false);
}

static bool allowed(uint8_t proto, const char *addr, uint16_t port)
{
	struct end to = { A(addr), port };

	kernel.asked = 0;
	return egress_judge(&c, &c.guest[0], proto, &to, &last) == DROP_NONE;
}

static void test_host(void)
{
	static const struct {
		const char	*rules, *addr;
		bool		allowed;
		unsigned	asked;
	} t[] = {
		{ "deny host", "203.0.113.7", false, 1 },
		{ "deny host", "203.0.113.8", true, 1 },
		{ "deny host", "127.0.0.1", false, 0 },
		{ "deny host", "::1", false, 0 },
		{ "deny host", "10.0.2.15", false, 0 },
		{ "egress internet", "203.0.113.7", false, 0 },
		{ "egress internet", "9.9.9.9", true, 1 },
		{ "egress internet", "10.0.0.1", false, 0 },
		{ "allow public", "9.9.9.9", true, 1 },
		{ "allow host; deny any", "203.0.113.7", true, 1 },
		{ "allow host; deny any", "203.0.113.8", false, 1 },
		{ "allow 203.0.113.7; deny host", "203.0.113.7", true, 0 },
		{ "deny 203.0.113.0/24; allow host", "203.0.113.7", false, 0 },
		{ "deny multicast", "203.0.113.255", false, 1 },
		{ "deny multicast", "203.0.113.8", true, 1 },
		{ "egress locked", "203.0.113.7", false, 0 },
	};

	test("addresses of the host: the kernel is asked once, where it matters");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		rules(t[i].rules);
		if (!eq(allowed(IPPROTO_TCP, t[i].addr, 80), t[i].allowed) || !eq(kernel.asked, t[i].asked))
			printf("# %s: %s\n", t[i].rules, t[i].addr);
	}

	test("a public address of the host is not public");
	kernel.host = "9.9.9.9";
	rules("egress internet");
	ok(!allowed(IPPROTO_TCP, "9.9.9.9", 80));
	ok(allowed(IPPROTO_TCP, "9.9.9.10", 80));
	kernel.host = "203.0.113.7";

	test("without an answer of the kernel, the address counts as the host's, unless that allows it");
	kernel.err = -ENOBUFS;
	rules("deny host");
	ok(!allowed(IPPROTO_TCP, "203.0.113.8", 80));
	rules("allow host; deny any");
	ok(!allowed(IPPROTO_TCP, "203.0.113.7", 80));
	rules("egress internet");
	ok(!allowed(IPPROTO_TCP, "9.9.9.9", 80));
	kernel.err = 0;
}

static void test_carried(void)
{
	static const struct {
		const char	*rules, *addr;
		bool		allowed;
	} t[] = {
		{ "deny 10.0.0.0/8", "2002:a00:1::1", false },
		{ "deny 10.0.0.0/8", "64:ff9b::a00:1", false },
		{ "deny 10.0.0.0/8", "2001:0:a00:1::1", false },		/* Teredo's server */
		{ "deny 10.0.0.0/8", "2001:0:909:909::f5ff:fffe", false },	/* Teredo's client */
		{ "deny 10.0.0.0/8", "::ffff:10.0.0.1", false },
		{ "deny 10.0.0.0/8", "2002:909:909::1", true },
		{ "deny private", "64:ff9b::c0a8:101", false },
		{ "deny loopback", "2002:7f00:1::1", false },
		{ "deny host", "64:ff9b::cb00:7107", false },			/* kernel.host */
		{ "deny 64:ff9b::/96", "64:ff9b::909:909", false },
		{ "allow 9.9.9.9", "9.9.9.9", true },
		{ "allow 9.9.9.9", "::ffff:9.9.9.9", true },
		{ "allow 9.9.9.9", "64:ff9b::909:909", false },
		{ "allow 9.9.9.9", "2002:909:909::1", false },
		{ "allow 64:ff9b::/96", "64:ff9b::909:909", false },
		{ "allow 64:ff9b::/96; allow 9.9.9.9", "64:ff9b::909:909", true },
		{ "egress internet", "64:ff9b::909:909", true },
		{ "egress internet", "64:ff9b::a00:1", false },
		{ "egress internet", "64:ff9b::a9fe:a9fe", false },
	};

	test("an address that carries another is refused if one of the two is");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		rules(t[i].rules);
		if (!eq(allowed(IPPROTO_TCP, t[i].addr, 80), t[i].allowed))
			printf("# %s: %s\n", t[i].rules, t[i].addr);
	}
}

static void test_resolver(void)
{
	test("internet: the resolver is allowed, on port 53, wherever it is");
	rules("egress internet");
	ok(allowed(IPPROTO_UDP, "127.0.0.53", 53));
	ok(allowed(IPPROTO_TCP, "127.0.0.53", 53));
	ok(!allowed(IPPROTO_TCP, "127.0.0.53", 853));
	ok(!allowed(IPPROTO_UDP, "127.0.0.54", 53));
	ok(allowed(IPPROTO_UDP, "192.168.1.1", 53));
	ok(!allowed(IPPROTO_UDP, "192.168.1.1", 80));
	ok(!allowed(IPPROTO_ICMP, "192.168.1.1", 0));
	ok(allowed(IPPROTO_UDP, "fd00::53", 53));
	test("but for a rule against it");
	rules("egress internet; deny loopback");
	ok(!allowed(IPPROTO_UDP, "127.0.0.53", 53));
	test("locked: it takes a rule");
	rules("egress locked");
	ok(!allowed(IPPROTO_UDP, "127.0.0.53", 53));
}

static void grant(const char *name, const char *addr)
{
	struct addr a = A(addr);

	ok(names_grant(&c, &c.guest[0], name, &a, 0));
}

/* The name in the question about a connection, or NULL: there is none */
static const char *asked(const char *addr, uint16_t port)
{
	uint8_t head[40] = { 0 };
	struct iovec iov = { head, sizeof(head) };
	const struct pkt p = {
		.proto = IPPROTO_TCP, .src = { A("10.0.2.15"), 1 }, .dst = { A(addr), port },
		.ip = { &iov, 1, 0, sizeof(head) },
	};
	struct decision d;

	wheel_init(&c.wheel, 0);
	if (egress_open(&c, &c.guest[0], &p, &p.dst, &d) != DROP_WAITS)
		return NULL;
	return ask_after(&c, c.ask.last - 1)->place.name;
}

static void test_names_asked(void)
{
	test("a question has the name that its rule is about, or else the one that was granted last");
	names_forget(&c.guest[0]);
	grant("a.example", "9.9.9.9");
	grant("b.example", "9.9.9.9");
	rules("ask a.example");
	eq_str(asked("9.9.9.9", 443), "a.example");
	eq_str(asked("9.9.9.10", 443), NULL);
	rules("ask 9.0.0.0/8");
	eq_str(asked("9.9.9.9", 443), "b.example");
	eq_str(asked("9.9.9.10", 443), "");
	rules("deny b.example; ask a.example; allow any");
	eq_str(asked("9.9.9.9", 443), "a.example");
	names_forget(&c.guest[0]);
}

static void test_names(void)
{
	static const struct {
		const char	*rules, *addr;
		uint16_t	port;
		bool		allowed;
		enum by_name	by;
	} t[] = {
		{ "allow a.example:443", "9.9.9.9", 443, true, BY_NAME },
		{ "allow a.example:443", "9.9.9.9", 80, false, 0 },
		{ "allow a.example:443", "9.9.9.10", 443, false, 0 },
		{ "allow b.example:443", "9.9.9.9", 443, true, BY_NAME },	/* one of two names */
		{ "deny a.example; allow b.example", "9.9.9.9", 443, true, BY_NAME },
		{ "deny a.example; deny b.example; allow any", "9.9.9.9", 443, false, BUT_NAMES },
		{ "deny 9.9.9.0/24; allow a.example", "9.9.9.9", 443, false, 0 },
		{ "allow a.example; deny private", "10.0.0.1", 443, true, BY_NAME },
		{ "deny private; allow a.example", "10.0.0.1", 443, false, 0 },
		{ "allow a.example", "203.0.113.7", 443, false, 0 },		/* kernel.host */
		{ "allow a.example", "203.0.113.255", 443, false, 0 },
		{ "allow a.example", "127.0.0.1", 443, false, 0 },
		{ "allow a.example; allow loopback:443", "127.0.0.1", 443, true, BY_ADDRESS },
		{ "allow a.example", "169.254.169.254", 443, false, 0 },
		{ "allow a.example", "64:ff9b::909:909", 443, true, BY_NAME },
		{ "allow a.example", "64:ff9b::7f00:1", 443, false, 0 },
		{ "allow a.example", "64:ff9b::cb00:7107", 443, false, 0 },
		{ "allow a.example; egress internet", "9.9.9.11", 443, true, BY_ADDRESS },
		/* by name, as one of two addresses is: in each order */
		{ "allow 64:ff9b::/96; allow a.example", "64:ff9b::909:909", 443, true, BY_NAME },
		{ "allow 9.9.9.9; allow a.example", "64:ff9b::909:909", 443, true, BY_NAME },
		{ "ask 9.9.9.9; allow a.example", "64:ff9b::909:909", 443, false, BY_NAME },	/* a question */
		{ "ask 64:ff9b::/96; allow a.example", "64:ff9b::909:909", 443, false, BY_NAME },
	};

	test("a name that was granted for an address is one more way to allow it");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		if (strcmp(t[i].addr, "9.9.9.10") && strcmp(t[i].addr, "9.9.9.11"))
			grant("a.example", t[i].addr);
	grant("b.example", "9.9.9.9");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		rules(t[i].rules);
		if (!eq(allowed(IPPROTO_TCP, t[i].addr, t[i].port), t[i].allowed) || !eq(last.by, t[i].by) ||
		    !ok(!t[i].allowed || t[i].by != BY_NAME || last.grant))
			printf("# %s: %s\n", t[i].rules, t[i].addr);
	}
	test("the kernel is asked once, however many names there are");
	rules("allow a.example");
	ok(allowed(IPPROTO_TCP, "9.9.9.9", 443));
	eq(kernel.asked, 1);
	eq_str(names_text(last.grant), "a.example");

	test("names that a flow shows: allowed by rule, and granted");
	for (unsigned i = 0; i < 2; i++) {
		struct end to = { A("9.9.9.9"), 443 }, other = { A("9.9.9.10"), 443 };

		rules("allow a.example; deny c.example; allow *.example; allow 9.9.9.10" + (i ? 48 : 0));
		eq(names_judge(&c, &c.guest[0], POLICY_TCP, &to, "a.example").verdict, i ? DENY : ALLOW);
		eq(names_judge(&c, &c.guest[0], POLICY_TCP, &to, "c.example").verdict, DENY);
		eq(names_judge(&c, &c.guest[0], POLICY_TCP, &to, "d.example").verdict, DENY);
		eq(names_judge(&c, &c.guest[0], POLICY_TCP, &to, "evil.net").verdict, DENY);
		eq(names_judge(&c, &c.guest[0], POLICY_TCP, &other, "d.example").verdict, ALLOW);
		eq(names_judge(&c, &c.guest[0], POLICY_TCP, &other, "c.example").verdict, i ? ALLOW : DENY);
	}

	test("a name that is allowed, where a carried address is a question: that one was answered");
	rules("ask 9.9.9.9; allow a.example");
	{
		struct end to = { A("64:ff9b::909:909"), 443 };

		last = names_judge(&c, &c.guest[0], POLICY_TCP, &to, "a.example");
		ok(last.verdict == ASK && last.rule == 0 && !last.grant);
		eq(names_judge(&c, &c.guest[0], POLICY_TCP, &to, "evil.net").verdict, DENY);
	}
	names_forget(&c.guest[0]);
}

static void test_counts(void)
{
	test("rules count their flows, and so does the default");
	rules("deny tcp/any:25; allow public");
	for (unsigned i = 0; i < 3; i++)
		allowed(IPPROTO_TCP, "9.9.9.9", 25);
	allowed(IPPROTO_TCP, "9.9.9.9", 26);
	allowed(IPPROTO_ICMPV6, "2620:fe::9", 0);
	allowed(IPPROTO_TCP, "10.0.0.1", 26);
	eq(c.guest[0].policy->rule[0].hits, 3);
	eq(c.guest[0].policy->rule[1].hits, 1);
	eq(c.guest[0].policy->rule[0].denied, 3);
	eq(c.guest[0].policy->rule[1].denied, 0);
	eq(c.guest[0].policy->hits, 2);

	test("where nothing can wait, a question is a refusal");
	rules("ask tcp/any:25; allow any");
	ok(!allowed(IPPROTO_TCP, "9.9.9.9", 25));
	ok(allowed(IPPROTO_TCP, "9.9.9.9", 26));
	eq(c.guest[0].policy->rule[0].hits, 1);
	eq(c.guest[0].policy->rule[0].denied, 1);

	test("without rules, nothing is judged, and no socket is opened");
	rules("");
	ok(!c.guest[0].policy);
	ok(allowed(IPPROTO_TCP, "127.0.0.1", 1));
	eq(c.egress.nl.fd, -1);
}

static bool fake_end(struct ctx *ctx, struct flow *f)
{
	flow_end(&ctx->flows, f);
	return true;
}

static void test_end(void)
{
	static const struct flow_ops ops[] = {
		{ .type = FLOW_TCP, .end = fake_end }, { .type = FLOW_UDP, .end = fake_end },
		{ .type = FLOW_PING, .end = fake_end }, { .type = FLOW_SPLICE, .end = fake_end },
		{ .type = FLOW_UDP_SPLICE, .end = fake_end },
	};
	struct flow *f[2 * ARRAY_SIZE(ops)];

	test("flows that guests began and may not begin any more are ended, and no others");
	flows_init(&c.flows);
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++) {
		f[i] = flow_alloc(&c.flows, &ops[i / 2], 0, 0);
		f[i]->side[HOST].peer = (struct end){ A("9.9.9.9"), 80 };
		f[i]->egress = i % 2;
	}
	rules("deny 9.9.9.8");
	eq(egress_end_refused(&c), 0);
	rules("deny udp/any:80");
	eq(egress_end_refused(&c), 2);
	ok(f[3]->dead && f[9]->dead);
	rules("ask any; allow icmp/any");	/* a question is no refusal */
	eq(egress_end_refused(&c), 0);
	rules("deny icmp/any");
	eq(egress_end_refused(&c), 1);
	ok(f[5]->dead);
	rules("egress locked");
	eq(egress_end_refused(&c), 2);
	eq(egress_end_refused(&c), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++)
		eq(f[i]->dead, i % 2);

	test("a flow by a name is ended if that name is refused, or all of its address");
	grant("b.example", "9.9.9.9");
	grant("a.example", "9.9.9.9");
	for (unsigned i = 0; i < 2; i++) {
		struct end to = { A("9.9.9.9"), 443 };
		struct decision d;

		flows_init(&c.flows);
		rules(i ? "allow *.example; allow any" : "allow *.example");
		egress_judge(&c, &c.guest[0], IPPROTO_TCP, &to, &d);
		eq_str(names_text(d.grant), "a.example");
		f[0] = flow_alloc(&c.flows, &ops[0], 0, 0);
		f[0]->side[HOST].peer = to;
		flow_decided(&c.flows, f[0], &d);
		rules("deny b.example; allow *.example");
		eq(egress_end_refused(&c), 0);
		rules(i ? "allow b.example" : "deny a.example; allow *.example");
		eq(egress_end_refused(&c), 1);
	}
	names_forget(&c.guest[0]);

	test("queries of the guest's that would lead to the program's resolver now are ended");
	flows_init(&c.flows);
	for (unsigned i = 0; i < 3; i++) {
		struct decision d = { .rule = POLICY_NONE, .by = i == 2 ? BY_RESOLVER : BY_ADDRESS };

		f[i] = flow_alloc(&c.flows, &ops[i % 2], 0, 0);
		f[i]->side[HOST].peer = f[i]->side[GUEST].our = (struct end){ A("9.9.9.9"), 53 };
		flow_decided(&c.flows, f[i], &d);
	}
	rules("egress open; deny 9.9.9.8");
	eq(egress_end_refused(&c), 0);
	rules("egress internet");
	eq(egress_end_refused(&c), 2);
	ok(!f[2]->dead);
}

int main(void)
{
	kernel.host = "203.0.113.7";
	kernel.broadcast = "203.0.113.255";
	c.net.cf = &conf;
	for (enum family f = V4; f < FAMILIES; f++)
		c.net.ip[f].dns_host = c.net.ip[f].guest.addr = addr_any(f);
	c.net.ip[V4].guest.addr = A("10.0.2.15");
	c.net.ip[V4].dns_host = A("127.0.0.53");
	c.net.ip[V4].guest.dns[0] = A("192.168.1.1");
	c.net.ip[V6].guest.dns[0] = A("fd00::53");
	c.net.ip[V4].guest.ndns = c.net.ip[V6].guest.ndns = 1;
	test_host();
	test_carried();
	test_resolver();
	test_names();
	test_names_asked();
	test_counts();
	test_end();
	return done();
}
