/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_test.c - egress policy: text of rules, groups, verdicts by tables, and against a slow reference */

#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "../addresses.h"
#include "../draw.h"
#include "../t.h"
#include "../../policy.c"
#include "../../policy_text.c"
#include "../policy_slow.h"

#define LABEL61	"abcdefghijklmnopqrstuvwxyz-0123456789_ABCDEFGHIJKLMNOPQRSTUVW"
#define LABEL	LABEL61 "XY"

static struct policy *p;
static char lines[1 << 20];

/* Rules from lines separated by ';', compiled: NULL, or the reason to refuse them */
static const char *rules(const char *text)
{
	const char *why;
	unsigned line;

	p = policy_new(NULL);
	snprintf(lines, sizeof(lines), "%s", text);
	for (char *s = lines; *s; s++)
		*s = *s == ';' ? '\n' : *s;
	why = policy_lines(p, lines, strlen(lines), &line);
	if (!why)
		policy_compile(p);
	return why;
}

static void test_text(void)
{
	static const struct {
		const char *rule, *why;		/* NULL: it is fine */
	} t[] = {
		{ "192.0.2.1", NULL },
		{ "192.0.2.0/24:80", NULL },
		{ "0.0.0.0/0", NULL },
		{ "::/0", NULL },
		{ "2001:db8::1", NULL },
		{ "2001:db8::/32", NULL },
		{ "[2001:db8::/32]:443", NULL },
		{ "[::1]", NULL },
		{ "::ffff:10.0.0.0/104", NULL },
		{ "tcp/any:1-65535,7", NULL },
		{ "udp/192.0.2.1:53", NULL },
		{ "icmp/public", NULL },
		{ "link-local", NULL },
		{ "", "a word is missing" },
		{ "tcp/", "no address, group or name" },
		{ ":80", "no address, group or name" },
		{ "tpc/192.0.2.1", "neither an address nor tcp, udp or icmp before a slash" },
		{ "publik", "unknown word: a group, an address, or a name with a dot expected" },
		{ "Public", "unknown word: a group, an address, or a name with a dot expected" },
		{ "localhost:80", "unknown word: a group, an address, or a name with a dot expected" },
		{ "*", "unknown word: a group, an address, or a name with a dot expected" },
		{ "10.0.0.1/8", "address with bits beyond the prefix" },
		{ "2001:db8::1/64", "address with bits beyond the prefix" },
		{ "::ffff:0:0/95", "address with bits beyond the prefix" },
		{ "10.0.0.0/33", "not a prefix length" },
		{ "10.0.0.0/", "not a prefix length" },
		{ "10.0.0.0/+8", "not a prefix length" },
		{ "10.0.0.0/8/8", "not a prefix length" },
		{ "2001:db8::/129", "not a prefix length" },
		{ "2001:db8::/32:443", "not a prefix length" },
		{ "any/8", "neither an address nor tcp, udp or icmp before a slash" },
		{ "10.0.0.256", "not an address" },
		{ "127.1", "not an address" },
		{ "010.0.0.1", "not an address" },
		{ "0x7f000001", "not an address" },
		{ "a.0x7f", "not an address" },
		{ "2130706433", "not an address" },
		{ "1.2.3.4.", "not an address" },
		{ "2001:db8::1::2", "not an address" },
		{ "fe80::1%eth0", "not an address" },
		{ "[192.0.2.1]:80", "no IPv6 address in brackets" },
		{ "[::1", "no IPv6 address in brackets" },
		{ "[any]:80", "no IPv6 address in brackets" },
		{ "[::1]80", "nothing but ports may follow the brackets" },
		{ "any:", "not a port, or range of ports, from 1 to 65535" },
		{ "any:0", "not a port, or range of ports, from 1 to 65535" },
		{ "any:65536", "not a port, or range of ports, from 1 to 65535" },
		{ "any:90-80", "not a port, or range of ports, from 1 to 65535" },
		{ "any:80-", "not a port, or range of ports, from 1 to 65535" },
		{ "any:-80", "not a port, or range of ports, from 1 to 65535" },
		{ "any:80,", "not a port, or range of ports, from 1 to 65535" },
		{ "any:80,,90", "not a port, or range of ports, from 1 to 65535" },
		{ "any:http", "not a port, or range of ports, from 1 to 65535" },
		{ "icmp/any:8", "echo has no ports" },
		{ "example.com:443", NULL },
		{ "udp/Example.COM.:443,500-600", NULL },
		{ "*.example.com", NULL },
		{ "*.com", NULL },
		{ "registry.", NULL },
		{ "host.", NULL },
		{ "_sip._udp.example.com", NULL },
		{ "xn--exmple-cua.com", NULL },
		{ "4.3.2.1.in-addr.arpa", NULL },
		{ LABEL "." LABEL "." LABEL "." LABEL61, NULL },
		{ LABEL "." LABEL "." LABEL "." LABEL61 "a", "neither an address nor a name" },
		{ "a" LABEL ".com", "neither an address nor a name" },
		{ "icmp/example.com", "a name is for TCP and UDP" },
		{ "example.com:", "not a port, or range of ports, from 1 to 65535" },
		{ "example.com/24", "neither an address nor tcp, udp or icmp before a slash" },
		{ "https://example.com", "unknown word: a group, an address, or a name with a dot expected" },
		{ "*.", "neither an address nor a name" },
		{ "*example.com", "neither an address nor a name" },
		{ "a.*.com", "neither an address nor a name" },
		{ "example.com..", "neither an address nor a name" },
		{ "[example.com]:80", "no IPv6 address in brackets" },
		{ "*.*.com", "neither an address nor a name" },
		{ "a..com", "neither an address nor a name" },
		{ ".com", "neither an address nor a name" },
		{ "-a.com", "neither an address nor a name" },
		{ "a-.com", "neither an address nor a name" },
		{ "exämple.com", "neither an address nor a name" },
	};

	test("a rule is understood as a whole, or refused with a reason");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		char line[512];
		const char *why;

		snprintf(line, sizeof(line), "deny %s", t[i].rule);
		why = rules(line);
		if (!eq_str(why ? why : "", t[i].why ? t[i].why : ""))
			printf("# %s\n", t[i].rule);
		eq(p->nrules, !t[i].why);
	}
}

static void test_lines(void)
{
	static const struct {
		const char *text, *why;
		unsigned line, n;
	} t[] = {
		{ "", NULL, 0, 0 },
		{ "# nothing\n\n  \t# else\n", NULL, 3, 0 },
		{ "allow 192.0.2.1:80 # a comment\ndeny any \"no # more\"\n", NULL, 2, 2 },
		{ "\tdeny\tany\t\"why\"\r\nallow public", NULL, 2, 2 },
		{ "egress internet\negress locked", NULL, 2, 0 },
		{ "allow public\nallow\n", "a word is missing", 2, 1 },
		{ "allow # public\n", "a word is missing", 1, 0 },
		{ "permit public\n", "unknown word: allow, deny, ask or egress expected", 1, 0 },
		{ "ALLOW public\n", "unknown word: allow, deny, ask or egress expected", 1, 0 },
		{ "ask public\n", NULL, 1, 1 },
		{ "ask public \"why\"\n", "only deny has a reason", 1, 0 },
		{ "egress shut\n", "neither open, internet nor locked", 1, 0 },
		{ "allow public private\n", "more words than one rule has", 1, 0 },
		{ "deny any \"x\" y\n", "more words than one rule has", 1, 0 },
		{ "deny any \"x\n", "not a text of up to 128 bytes in quotes", 1, 0 },
		{ "deny any \"x\"y\n", "not a text of up to 128 bytes in quotes", 1, 0 },
		{ "deny any \"\x1b[2J\"\n", "not a text of up to 128 bytes in quotes", 1, 0 },
		{ "deny any \"\xff\"\n", "not a text of up to 128 bytes in quotes", 1, 0 },
		{ "allow any \"x\"\n", "only deny has a reason", 1, 0 },
		{ "\n\n\nallow any:0\n", "not a port, or range of ports, from 1 to 65535", 4, 0 },
	};
	char zero[] = "allow public\ndeny\0 any";
	unsigned line;

	test("lines: comments, reasons, and the number of the one at fault");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		const char *why;

		p = policy_new(NULL);
		snprintf(lines, sizeof(lines), "%s", t[i].text);
		why = policy_lines(p, lines, strlen(lines), &line);
		if (!eq_str(why ? why : "", t[i].why ? t[i].why : "") || !eq(line, t[i].line) ||
		    !eq(p->nrules, t[i].n))
			printf("# %s\n", t[i].text);
	}
	p = policy_new(NULL);
	eq_str(policy_lines(p, zero, sizeof(zero) - 1, &line), "a byte of 0: not a text");
	eq(line, 2);

	test("the reason of a rule, and its text, are kept");
	eq_str(rules("deny tcp/any:25 \"no mail\""), NULL);
	eq_str(p->rule[0].text, "tcp/any:25");
	eq_str(p->rule[0].reason, "no mail");
}

static void test_file(void)
{
	char path[64];
	unsigned line;
	int fd[2];

	test("a file is read to its end, also a pipe, or refused");
	p = policy_new(NULL);
	eq_str(policy_file(p, "/", &line), "Is a directory");
	eq(line, 0);
	eq_str(policy_file(p, "/nonexistent", &line), "No such file or directory");
	if (!ok(!pipe(fd)))
		return;
	ok(write(fd[1], "allow public\nallow 10.0.0.1", 27) == 27);
	close(fd[1]);
	snprintf(path, sizeof(path), "/proc/self/fd/%i", fd[0]);
	eq_str(policy_file(p, path, &line), NULL);
	close(fd[0]);
	eq(p->nrules, 2);
	eq_str(p->rule[1].text, "10.0.0.1");
	eq_str(policy_file(p, "/dev/zero", &line), "more than 1 MiB of rules");
}

static void test_groups(void)
{
	static const struct {
		const char *addr;
		unsigned groups;	/* but for ANY */
	} t[] = {
		{ "8.8.8.8", IN(PUBLIC) },
		{ "192.0.0.9", IN(PUBLIC) },
		{ "192.31.196.1", IN(PUBLIC) },
		{ "2606:4700::1", IN(PUBLIC) },
		{ "2001:4860::1", IN(PUBLIC) },
		{ "2001:1::1", IN(PUBLIC) },
		{ "64:ff9b::808:808", IN(PUBLIC) },
		{ "10.0.0.1", IN(PRIVATE) },
		{ "9.255.255.255", IN(PUBLIC) },
		{ "11.0.0.0", IN(PUBLIC) },
		{ "172.15.255.255", IN(PUBLIC) },
		{ "172.16.0.0", IN(PRIVATE) },
		{ "172.31.255.255", IN(PRIVATE) },
		{ "172.32.0.0", IN(PUBLIC) },
		{ "192.168.1.1", IN(PRIVATE) },
		{ "100.64.0.1", IN(PRIVATE) },
		{ "100.128.0.0", IN(PUBLIC) },
		{ "fd12::1", IN(PRIVATE) },
		{ "127.0.0.1", IN(LOOPBACK) | IN(HOST) },
		{ "127.255.255.255", IN(LOOPBACK) | IN(HOST) },
		{ "::1", IN(LOOPBACK) | IN(HOST) },
		{ "169.254.1.1", IN(LINK_LOCAL) },
		{ "fe80::1", IN(LINK_LOCAL) },
		{ "169.254.169.254", IN(LINK_LOCAL) | IN(METADATA) },
		{ "fd00:ec2::254", IN(PRIVATE) | IN(METADATA) },
		{ "224.0.0.1", IN(MULTICAST) },
		{ "239.255.255.255", IN(MULTICAST) },
		{ "255.255.255.255", IN(MULTICAST) },
		{ "ff02::1", IN(MULTICAST) },
		{ "0.0.0.1", 0 },
		{ "192.0.0.1", 0 },
		{ "192.0.2.1", 0 },
		{ "192.88.99.1", 0 },
		{ "198.18.0.1", 0 },
		{ "198.19.255.255", 0 },
		{ "198.51.100.1", 0 },
		{ "203.0.113.1", 0 },
		{ "240.0.0.1", 0 },
		{ "::", 0 },
		{ "::2", 0 },
		{ "64:ff9b:1::1", 0 },
		{ "100::1", 0 },
		{ "2001::1", 0 },
		{ "2001:2::1", 0 },
		{ "2001:db8::1", 0 },
		{ "2002:808:808::1", 0 },
		{ "3fff::1", 0 },
		{ "5f00::1", 0 },
		{ "fec0::1", 0 },
		{ "4000::1", 0 },
	};

	test("groups of addresses");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct addr a = A(t[i].addr);

		if (!eq(policy_groups(&a), t[i].groups | IN(ANY)))
			printf("# %s\n", t[i].addr);
	}
	test("an address of the host is not public");
	eq(policy_groups_with(IN(ANY) | IN(PUBLIC), GROUP_HOST), IN(ANY) | IN(HOST));
}

static void test_carried(void)
{
	static const struct {
		const char *v6, *v4[POLICY_CARRIED];
	} t[] = {
		{ "2002:a00:1::1", { "10.0.0.1" } },
		{ "64:ff9b::10.0.0.1", { "10.0.0.1" } },
		{ "2001:0:c000:201:0:0:f5ff:fffe", { "192.0.2.1", "10.0.0.1" } },
		{ "2001:db8::10.0.0.1", { NULL } },
		{ "64:ff9b:1::10.0.0.1", { NULL } },
		{ "::ffff:10.0.0.1", { NULL } },	/* is one */
		{ "10.0.0.1", { NULL } },
	};

	test("IPv4 addresses within IPv6 ones");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct addr v6 = A(t[i].v6), v4[POLICY_CARRIED];
		unsigned n = policy_carried(&v6, v4);

		eq(n, !!t[i].v4[0] + !!t[i].v4[1]);
		for (unsigned k = 0; k < n; k++) {
			struct addr want = A(t[i].v4[k]);

			ok(addr_eq(&v4[k], &want));
		}
	}
}

static void test_verdicts(void)
{
	static const char mixed[] = "deny 10.1.0.0/16; allow tcp/10.0.0.0/8:80,443,8000-8010; allow 10.2.3.4:22;"
				    "deny 10.2.0.0/16; allow 10.0.0.0/8:22; allow icmp/10.9.9.9;"
				    "allow [2001:db8:1::/48]:443; deny 2001:db8::/32; allow public";
	static const struct {
		const char	*rules;
		enum policy_proto proto;
		const char	*addr;
		uint16_t	port;
		enum verdict	want;
		int		rule;	/* -1: the default */
	} t[] = {
		{ mixed, POLICY_TCP, "10.1.2.3", 80, DENY, 0 },
		{ mixed, POLICY_ECHO, "10.1.2.3", 0, DENY, 0 },
		{ mixed, POLICY_TCP, "10.2.3.4", 80, ALLOW, 1 },
		{ mixed, POLICY_TCP, "10.2.3.4", 22, ALLOW, 2 },
		{ mixed, POLICY_TCP, "10.2.3.5", 22, DENY, 3 },
		{ mixed, POLICY_TCP, "10.3.3.5", 22, ALLOW, 4 },
		{ mixed, POLICY_TCP, "10.3.3.5", 8000, ALLOW, 1 },
		{ mixed, POLICY_TCP, "10.3.3.5", 8010, ALLOW, 1 },
		{ mixed, POLICY_TCP, "10.3.3.5", 8011, DENY, -1 },
		{ mixed, POLICY_TCP, "10.3.3.5", 7999, DENY, -1 },
		{ mixed, POLICY_UDP, "10.3.3.5", 80, DENY, -1 },
		{ mixed, POLICY_UDP, "10.3.3.5", 22, ALLOW, 4 },
		{ mixed, POLICY_ECHO, "10.9.9.9", 0, ALLOW, 5 },
		{ mixed, POLICY_ECHO, "10.9.9.8", 0, DENY, -1 },
		{ mixed, POLICY_TCP, "::ffff:10.2.3.4", 80, ALLOW, 1 },
		{ mixed, POLICY_TCP, "2001:db8:1::1", 443, ALLOW, 6 },
		{ mixed, POLICY_TCP, "2001:db8:1::1", 80, DENY, 7 },
		{ mixed, POLICY_UDP, "2001:db8:2::1", 443, DENY, 7 },
		{ mixed, POLICY_TCP, "8.8.8.8", 1, ALLOW, 8 },
		{ mixed, POLICY_UDP, "2606:4700::1", 65535, ALLOW, 8 },
		{ mixed, POLICY_ECHO, "8.8.8.8", 0, DENY, -1 },
		{ "allow ::/0", POLICY_TCP, "192.0.2.1", 1, DENY, -1 },
		{ "allow 0.0.0.0/0", POLICY_TCP, "2001:db8::1", 1, DENY, -1 },
		{ "allow 0.0.0.0/0", POLICY_TCP, "::1", 1, DENY, -1 },
		{ "allow ::ffff:192.0.2.1", POLICY_TCP, "192.0.2.1", 1, ALLOW, 0 },
		{ "allow any", POLICY_TCP, "192.0.2.1", 1, ALLOW, 0 },
		{ "allow any", POLICY_UDP, "::1", 1, ALLOW, 0 },
		{ "deny any:25", POLICY_TCP, "192.0.2.1", 25, DENY, 0 },
		{ "deny any:25", POLICY_TCP, "192.0.2.1", 26, ALLOW, -1 },
		{ "deny any:25", POLICY_ECHO, "192.0.2.1", 0, ALLOW, -1 },
		{ "deny any", POLICY_ECHO, "192.0.2.1", 0, DENY, 0 },
		{ "deny metadata; allow link-local", POLICY_TCP, "169.254.169.254", 80, DENY, 0 },
		{ "deny metadata; allow link-local", POLICY_TCP, "169.254.169.253", 80, ALLOW, 1 },
		{ "deny metadata; allow private", POLICY_TCP, "fd00:ec2::254", 80, DENY, 0 },
		{ "allow 127.0.0.1:8080; deny loopback; deny host; allow any", POLICY_TCP, "127.0.0.1", 8080, ALLOW,
		  0 },
		{ "allow 127.0.0.1:8080; deny loopback; deny host; allow any", POLICY_TCP, "127.0.0.1", 8081, DENY, 1 },
		{ "allow 127.0.0.1:8080; deny loopback; deny host; allow any", POLICY_TCP, "127.0.0.2", 8080, DENY, 1 },
		{ "deny host; allow any", POLICY_TCP, "127.0.0.1", 80, DENY, 0 },
		{ "deny multicast", POLICY_UDP, "255.255.255.255", 67, DENY, 0 },
		{ "egress open", POLICY_TCP, "127.0.0.1", 1, ALLOW, -1 },
		{ "egress internet", POLICY_TCP, "8.8.8.8", 1, ALLOW, -1 },
		{ "egress internet", POLICY_ECHO, "8.8.8.8", 0, ALLOW, -1 },
		{ "egress internet", POLICY_TCP, "10.0.0.1", 1, DENY, -1 },
		{ "egress internet", POLICY_UDP, "224.0.0.251", 5353, DENY, -1 },
		{ "egress internet", POLICY_UDP, "127.0.0.53", 53, DENY, -1 },
		{ "egress internet", POLICY_TCP, "192.0.2.1", 1, DENY, -1 },
		{ "egress internet; allow 10.0.0.1:22", POLICY_TCP, "10.0.0.1", 22, ALLOW, 0 },
		{ "egress internet; allow 10.0.0.1:22", POLICY_TCP, "8.8.8.8", 22, ALLOW, -1 },
		{ "egress locked", POLICY_TCP, "8.8.8.8", 1, DENY, -1 },
		{ "allow public; egress open", POLICY_TCP, "10.0.0.1", 1, ALLOW, -1 },
		{ "deny public", POLICY_TCP, "10.0.0.1", 1, ALLOW, -1 },
	};

	test("verdicts: the first rule that matches decides, and its number is known");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct end to = { A(t[i].addr), t[i].port };
		const char *why = rules(t[i].rules);
		struct decision d;

		eq_str(why, NULL);
		d = policy_judge(p, t[i].proto, &to, policy_groups(&to.a), NULL);
		if (!eq(d.verdict, t[i].want) || !eq(d.rule == POLICY_NONE ? -1 : d.rule, t[i].rule))
			printf("# %s: %s port %u\n", t[i].rules, t[i].addr, t[i].port);
	}

	test("internet: queries to the guest's resolver are allowed, wherever that is");
	rules("egress internet");
	for (unsigned i = 0; i < 4; i++) {
		struct end to = { A("127.0.0.53"), i & 1 ? 53 : 853 };
		enum policy_proto proto = i & 2 ? POLICY_TCP : POLICY_UDP;

		eq(policy_judge(p, proto, &to, policy_groups(&to.a) | IN(RESOLVER), NULL).verdict,
		   i & 1 ? ALLOW : DENY);
	}

	test("a successor keeps the default that was given, not one that follows from rules");
	rules("allow public; egress internet");
	{
		struct policy *old = p;

		p = policy_new(old);
		ok(p != old && policy_new(p) == old);
		p = policy_new(old);
	}
	policy_compile(p);
	eq(p->egress, EGRESS_INTERNET);
	rules("allow public");
	p = policy_new(p);
	policy_compile(p);
	eq(p->egress, EGRESS_OPEN);

	test("without rules that refuse anything, there is no policy");
	p = policy_new(NULL);
	policy_compile(p);
	ok(!policy_matters(p));
	rules("egress open");
	policy_compile(p);
	ok(!policy_matters(p));
	rules("egress locked");
	policy_compile(p);
	ok(policy_matters(p));
}

/* ---- names ---- */

static void test_names(void)
{
	static const char mixed[] = "deny tcp/bad.example.com:22; allow *.Example.com; allow 192.0.2.7:22;"
				    "allow udp/one.:443; deny TWO.example.org; allow example.org:80,443;"
				    "allow *.org:25";
	static const struct {
		const char	*rules;
		enum policy_proto proto;
		uint16_t	port;
		const char	*name;
		enum verdict	want;
		int		rule;	/* -1: the default */
		enum by_name	by;
	} t[] = {
		{ mixed, POLICY_TCP, 443, "www.example.com", ALLOW, 1, BY_NAME },
		{ mixed, POLICY_TCP, 22, "a.b.example.com", ALLOW, 1, BY_ADDRESS },
		{ mixed, POLICY_TCP, 22, "bad.example.com", DENY, 0, BY_NAME },
		{ mixed, POLICY_TCP, 23, "bad.example.com", ALLOW, 1, BY_NAME },
		{ mixed, POLICY_TCP, 443, "example.com", DENY, -1, BUT_NAMES },
		{ mixed, POLICY_TCP, 443, "badexample.com", DENY, -1, BUT_NAMES },
		{ mixed, POLICY_TCP, 22, "example.com", ALLOW, 2, BY_ADDRESS },
		{ mixed, POLICY_TCP, 443, "www.example.com.evil.net", DENY, -1, BUT_NAMES },
		{ mixed, POLICY_UDP, 442, "www.example.com", ALLOW, 1, BY_NAME },
		{ mixed, POLICY_UDP, 443, "www.example.com", DENY, -1, BY_ADDRESS },
		{ mixed, POLICY_TCP, 853, "www.example.com", DENY, -1, BY_ADDRESS },
		{ mixed, POLICY_UDP, 853, "www.example.com", DENY, -1, BY_ADDRESS },
		{ mixed, POLICY_ECHO, 0, "www.example.com", DENY, -1, BY_ADDRESS },
		{ mixed, POLICY_UDP, 443, "one", ALLOW, 3, BY_NAME },
		{ mixed, POLICY_TCP, 443, "one", DENY, -1, BUT_NAMES },
		{ mixed, POLICY_TCP, 443, "two.example.org", DENY, 4, BY_NAME },
		{ mixed, POLICY_UDP, 443, "two.example.org", DENY, 4, BY_NAME },
		{ mixed, POLICY_TCP, 25, "two.example.org", DENY, 4, BY_NAME },
		{ mixed, POLICY_TCP, 443, "example.org", ALLOW, 5, BY_NAME },
		{ mixed, POLICY_UDP, 443, "example.org", DENY, -1, BY_ADDRESS },
		{ mixed, POLICY_TCP, 25, "example.org", ALLOW, 6, BY_NAME },
		{ mixed, POLICY_TCP, 25, "org", DENY, -1, BY_ADDRESS },
		{ "allow a.b:853", POLICY_TCP, 853, "a.b", ALLOW, 0, BY_NAME },
		{ "deny a.b", POLICY_TCP, 853, "a.b", DENY, 0, BY_ADDRESS },
		{ "deny a.b", POLICY_TCP, 853, "a.c", DENY, -1, BY_ADDRESS },	/* no other resolver */
		{ "deny a.b", POLICY_ECHO, 0, "a.b", ALLOW, -1, BY_ADDRESS },
		{ "deny a.b", POLICY_TCP, 443, "a.c", ALLOW, -1, BUT_NAMES },
		{ "deny a.b", POLICY_TCP, 444, "a.c", ALLOW, -1, BY_ADDRESS },
		{ "deny a.b", POLICY_TCP, 8080, NULL, ALLOW, -1, BUT_NAMES },
		{ "allow any; deny a.b", POLICY_TCP, 443, "a.b", ALLOW, 0, BY_ADDRESS },
		{ "deny a.b; allow any", POLICY_TCP, 443, "a.c", ALLOW, 1, BUT_NAMES },
		{ "allow a.b:443; allow any:443", POLICY_TCP, 443, "a.b", ALLOW, 0, BY_ADDRESS },
		{ "allow a.b:443; deny any", POLICY_TCP, 443, "a.b", ALLOW, 0, BY_NAME },
		{ "deny any; allow a.b:443", POLICY_TCP, 443, "a.b", DENY, 0, BY_ADDRESS },
	};

	test("names: the first rule that matches the address, or its name, decides");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct end to = { A("192.0.2.7"), t[i].port };
		struct decision d;

		eq_str(rules(t[i].rules), NULL);
		d = policy_judge(p, t[i].proto, &to, policy_groups(&to.a), t[i].name);
		if (!eq(d.verdict, t[i].want) || !eq(d.rule == POLICY_NONE ? -1 : d.rule, t[i].rule) ||
		    (d.verdict == ALLOW && !eq(d.by, t[i].by)))
			printf("# %s: %s port %u\n", t[i].rules, t[i].name ? t[i].name : "", t[i].port);
	}

	test("a name is none of an address of the host, loopback, link-local, metadata or multicast");
	rules("allow a.b");
	for (unsigned g = 0; g < GROUPS; g++) {
		struct end to = { A("192.0.2.7"), 80 };
		bool leads = g == GROUP_ANY || g == GROUP_PUBLIC || g == GROUP_PRIVATE;

		eq(policy_judge(p, POLICY_TCP, &to, IN(ANY) | 1U << g, "a.b").verdict, leads ? ALLOW : DENY);
	}

	test("but one that is denied is, whatever the address");
	rules("deny a.b");
	for (unsigned g = 0; g < GROUPS; g++) {
		struct end to = { A("192.0.2.7"), 443 };

		eq(policy_judge(p, POLICY_TCP, &to, IN(ANY) | 1U << g, "a.b").verdict, DENY);
		eq(policy_judge(p, POLICY_TCP, &to, IN(ANY) | 1U << g, "a.c").verdict, ALLOW);
	}
}

static void test_queries(void)
{
	static const struct {
		const char	*rules, *name;
		enum verdict	want;
		int		rule;
	} t[] = {
		{ "allow a.b", "a.b", ALLOW, 0 },
		{ "allow a.b", "b", DENY, -1 },
		{ "allow a.b", "x.a.b", DENY, -1 },
		{ "allow *.b", "x.a.b", ALLOW, 0 },
		{ "allow *.b", "b", DENY, -1 },
		{ "allow udp/a.b:443", "a.b", ALLOW, 0 },
		{ "allow a.b; egress internet", "c.d", ALLOW, -1 },
		{ "deny a.b", "a.b", DENY, 0 },
		{ "deny a.b", "c.d", ALLOW, -1 },
		{ "deny a.b:80", "a.b", ALLOW, -1 },
		{ "deny tcp/a.b", "a.b", ALLOW, -1 },
		{ "deny tcp/a.b; deny udp/a.b", "a.b", DENY, 0 },
		{ "deny a.b; allow *.b", "a.b", DENY, 0 },
		{ "deny a.b:22; allow *.b", "a.b", ALLOW, 1 },
		{ "allow *.b:443; deny a.b", "a.b", ALLOW, 0 },
		{ "deny a.b; allow any:443", "a.b", DENY, 0 },
		{ "deny a.b; allow any:443", "a.c", ALLOW, 1 },
		{ "allow public; deny a.b", "a.b", ALLOW, 0 },
		{ "deny any; allow a.b", "a.c", DENY, -1 },
		{ "allow a.b; allow 10.0.0.0/8", "a.c", DENY, -1 },
		{ "allow a.b; allow private", "a.c", DENY, -1 },
		{ "deny a.b; allow any", "1.0.0.10.in-addr.arpa", DENY, -1 },
		{ "allow 1.0.0.10.in-addr.arpa", "1.0.0.10.in-addr.arpa", ALLOW, 0 },
		{ "egress internet", "1.0.0.10.in-addr.arpa", ALLOW, -1 },
		{ "egress internet", "", ALLOW, -1 },
		{ "allow a.b", "", DENY, -1 },
	};

	test("a name may be asked for if it may be used in any way");
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct decision d;

		eq_str(rules(t[i].rules), NULL);
		d = policy_query(p, t[i].name);
		if (!eq(d.verdict, t[i].want) || !eq(d.rule == POLICY_NONE ? -1 : d.rule, t[i].rule))
			printf("# %s: %s\n", t[i].rules, t[i].name);
	}
	test("queries are the program's as soon as a rule has a name, or with internet");
	rules("allow a.b");
	ok(policy_resolves(p));
	rules("egress internet");
	ok(policy_resolves(p));
	rules("allow public");
	ok(!policy_resolves(p) && !policy_resolves(NULL));
}

/* ---- against the slow reference ---- */

/* Names that are close to each other */
static const char *rnd_name(char text[32])
{
	char *s = text;

	for (unsigned n = 1 + below(4); n--;)
		s += sprintf(s, "%c%s", 'a' + (char)below(2), n ? "." : below(2) ? ".b" : ".a");
	return text;
}

/* Addresses that are close to each other: prefixes of many lengths contain each other */
static struct addr rnd_addr(void)
{
	struct addr a = below(2) ? A("10.0.0.0") : A("2001:db8::");

	for (unsigned i = below(6); i; i--)
		a.b[12 + below(4)] |= (uint8_t)(1 << below(8));
	if (!addr_is_v4(&a) && !below(4))
		a.b[below(8)] ^= (uint8_t)(1 << below(8));
	return below(16) ? a : below(2) ? A("127.0.0.1") : A("8.8.8.8");
}

/* One rule's text at @s, which @size bytes are for: its end */
static char *rnd_rule(char *s, size_t size)
{
	char text[ADDR_STRLEN], *end = s + size;
	struct addr a = rnd_addr();
	bool v4 = addr_is_v4(&a), ports = below(2);
	unsigned least = v4 ? 96 : 0, plen = least + below(129 - least), named = 0;

	s += snprintf(s, (size_t)(end - s), "%s %s", below(2) ? "allow" : "deny",
		      ports || below(2) ? (const char *[]){ "", "tcp/", "udp/" }[below(3)] : "icmp/");
	ports &= s[-2] != 'p' || s[-3] != 'm';
	for (unsigned i = plen; i < 128; i++)
		a.b[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	if (!addr_is_v4(&a))			/* the zeroes of a short prefix */
		v4 = false;
	if (s[-2] != 'p' || s[-3] != 'm')
		named = below(3);
	if (named == 1)
		s += snprintf(s, (size_t)(end - s), "%s%s", below(2) ? "*." : "", rnd_name(text));
	else if (!below(8))
		s += snprintf(s, (size_t)(end - s), "%s", group_name[below(GROUPS)]);
	else
		s += snprintf(s, (size_t)(end - s), v4 ? "%s/%u" : "[%s/%u]", addr_fmt(&a, text), plen - (v4 ? 96 : 0));
	for (unsigned n = ports ? 1 + below(3) : 0, i = 0; i < n; i++) {
		unsigned first = 1 + below(40);

		s += snprintf(s, (size_t)(end - s), i ? ",%u-%u" : ":%u-%u", first, first + below(20));
	}
	s += snprintf(s, (size_t)(end - s), "\n");
	return s;
}

static void test_reference(void)
{
	test("compiled rules and a slow reference agree");
	for (seed = 1; seed < 300; seed++) {
		uint64_t first = seed;
		char *s = lines, *end = lines + sizeof(lines);
		unsigned n = below(8) ? below(30) : below(600), line;
		const char *why;

		p = policy_new(NULL);
		while (n--)
			s = rnd_rule(s, (size_t)(end - s));
		why = policy_lines(p, lines, (size_t)(s - lines), &line);
		if (!eq_str(why, NULL))
			printf("# seed %llu, line %u\n", (unsigned long long)first, line);
		policy_compile(p);
		for (unsigned i = 0; i < 400; i++) {
			struct end to = { rnd_addr(), (uint16_t)(below(16) ? 1 + below(64) : below(2) ? 443 : 853) };
			enum policy_proto proto = (enum policy_proto)below(POLICY_PROTOS);
			unsigned groups = policy_groups(&to.a);
			const char *name;
			struct decision d;
			char text[32];

			if (!below(4))
				groups = policy_groups_with(groups, below(2) ? GROUP_HOST : GROUP_MULTICAST);
			if (proto == POLICY_ECHO)
				to.port = 0;
			name = below(2) ? rnd_name(text) : NULL;
			d = policy_judge(p, proto, &to, groups, name);
			if (!eq(d.rule, slow_judge(p, proto, &to, groups, name)))
				printf("# seed %llu\n", (unsigned long long)first);
		}
		seed = first;
	}
}

static void test_query_reference(void)
{
	uint16_t ports[64];

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)	/* rnd_rule() has none above 60 */
		ports[i] = (uint16_t)(i < 61 ? i : (const uint16_t[]){ 443, 853, 65535 }[i - 61]);
	test("names that may be asked for, and a slow reference");
	for (seed = 1; seed < 600; seed++) {
		uint64_t first = seed;
		char *s = lines, *end = lines + sizeof(lines), text[32];
		unsigned line;

		p = policy_new(NULL);
		if (below(2))
			policy_egress(p, egress_name[EGRESS_OPEN + below(3)]);
		for (unsigned n = below(12); n--;)
			s = rnd_rule(s, (size_t)(end - s));
		eq_str(policy_lines(p, lines, (size_t)(s - lines), &line), NULL);
		policy_compile(p);
		for (unsigned i = 0; i < 40; i++) {
			const char *name = rnd_name(text);
			bool may = policy_query(p, name).verdict != DENY;

			if (!eq(may, slow_query(p, ports, ARRAY_SIZE(ports), name)))
				printf("# seed %llu: %s\n", (unsigned long long)first, name);
		}
		seed = first;
	}
}

/* ---- size ---- */

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* One rule of a kind */
static char *kind(char *s, unsigned k, unsigned i)
{
	size_t room = (size_t)(lines + sizeof(lines) - s);

	if (!k)				/* as many prefixes */
		return s + snprintf(s, room, "allow tcp/10.0.%u.%u:443\n", i / 250 + 1, i % 250 + 1);
	if (k == 1)			/* one prefix, as many ports */
		return s + snprintf(s, room, "allow tcp/10.0.0.0/8:%u\n", i + 1000);
	if (k == 2)
		return s + snprintf(s, room, "allow any:%u,1-3,65535\n", i + 1000);
	return s + snprintf(s, room, "allow %shost%u.example.com\n", i % 2 ? "*." : "", i);
}

/* @n rules of a kind: us to compile, us for 100,000 verdicts */
static void measure(unsigned k, unsigned n, uint64_t *compile, uint64_t *judge)
{
	static const char *const names[] = { "host2.example.com", "a.host1.example.com", "a.b.c.example.com", "c.d" };
	char *s = lines;
	uint64_t start = cpu_us();
	unsigned line, sum = 0;

	p = policy_new(NULL);
	for (unsigned i = 0; i < n; i++)
		s = kind(s, k, i);
	eq_str(policy_lines(p, lines, (size_t)(s - lines), &line), NULL);
	policy_compile(p);
	*compile = cpu_us() - start;
	start = cpu_us();
	for (unsigned i = 0; i < 100000; i++) {
		const char *name = k == 3 ? names[i % ARRAY_SIZE(names)] : NULL;
		struct end to = { addr_from4(htonl(0x0a000000 + i * 7919U % 65536)), (uint16_t)(i % 65535 + 1) };

		sum += policy_judge(p, POLICY_TCP, &to, policy_groups(&to.a), name).rule;
	}
	*judge = cpu_us() - start;
	ok(sum);
}

static void test_size(void)
{
	for (unsigned k = 0; k < 4; k++) {
		uint64_t compile, few, many;
		size_t used;

		test("%u rules of kind %u cost about as much as ten", POLICY_MAX, k);
		measure(k, 10, &compile, &few);
		measure(k, 10, &compile, &few);
		measure(k, POLICY_MAX, &compile, &many);
		used = p->nrules * sizeof(p->rule[0]) + p->nplaces * sizeof(p->place[0]) +
		       p->nranges * sizeof(p->range[0]) + p->slots * sizeof(p->slot[0]) +
		       p->nedges * sizeof(p->edge[0]) + sizeof(order) +
		       2 * p->nedges * sizeof(skip[0]) + strlen(lines);
		printf("# %llu us to compile, %.0f ns a verdict with ten, %.0f ns with all, about %zu KiB\n",
		       (unsigned long long)compile, (double)few / 100, (double)many / 100, used >> 10);
		ok(compile < 200000);		/* 20 ms, but for sanitizers */
		ok(many < 4 * few + 20000);
		ok(used < 2 << 20);
	}
	test("one more is refused");
	eq_str(policy_add(p, DENY, "any", NULL), "more than 10000 rules");
}

int main(void)
{
	test_text();
	test_lines();
	test_file();
	test_groups();
	test_carried();
	test_verdicts();
	test_names();
	test_queries();
	test_reference();
	test_query_reference();
	test_size();
	return done();
}
