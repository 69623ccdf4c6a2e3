/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_ports_test.c - values of -t, -u, -T, -U: the rules they become, or why they are refused */
/* LDFLAGS: -Wl,--wrap=log_at */

#include "../t.h"
#include "../../conf_ports.c"

#define SPECS_MAX	8

static char said[512];

void __wrap_log_at(int level, const char *fmt, ...) PRINTF_LIKE(2, 3);

void __wrap_log_at(int level, const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list ap;

	eq(level, LOG_WARNING);
	va_start(ap, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, ap);
	va_end(ap);
}

/* Rules as text, in order: "22-80>32", "22>ADDR/32", behind it * if weak and ? if automatic, "o:" in front if outward,
 * "u:" for UDP, then "ADDR%IF/"
 */
static const char *rules_text(const struct conf *c)
{
	static char buf[4096];
	char addr[ADDR_STRLEN];
	size_t n = 0;

	buf[0] = '\0';
	for (const struct rule *r = c->rules.rule; r < c->rules.rule + c->rules.n && n < sizeof(buf); r++) {
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%s%s", n ? " " : "", r->outward ? "o:" : "",
				      r->proto == IPPROTO_UDP ? "u:" : "");
		if (!r->any || r->ifname[0])
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%s%s/",
					      r->any ? "" : addr_fmt(&r->addr, addr), r->ifname[0] ? "%" : "",
					      r->ifname);
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%u", r->first);
		if (r->last != r->first)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "-%u", r->last);
		if (!addr_is_unspec(&r->to_addr))
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, ">%s/%u", addr_fmt(&r->to_addr, addr), r->to);
		else if (r->to != r->first)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, ">%u", r->to);
		if (r->weak)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "*");
		if (r->automatic)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "?");
	}
	return buf;
}

/* Options separated by spaces, "t80 u~5": rules, or '!' and the reason for the last one */
static const struct row {
	const char	*name, *specs, *want;
} rows[] = {
	{ "all", "tall", "1-65535*" },
	{ "all, UDP", "uall", "u:1-65535*" },
	{ "all of both", "tall uall", "1-65535* u:1-65535*" },
	{ "FWD-10 all of an address", "t::1/all", "::1/1-65535*" },
	{ "FWD-10 all of an address and interface", "u192.0.2.1%eth0/all", "u:192.0.2.1%eth0/1-65535*" },
	{ "FWD-10 all of an interface", "t%eth0/all", "%eth0/1-65535*" },
	{ "all, twice", "tall tall", "1-65535*" },
	{ "all, twice in a list", "tall,all", "1-65535*" },

	{ "all but one", "t~22", "1-21* 23-65535*" },
	{ "all but the first and the last", "t~1,~65535", "2-65534*" },
	{ "all but the lower half", "t~1-32767", "32768-65535*" },
	{ "FWD-06 each exclusion has a range of its own", "t~22,~100-200", "1-21* 23-99* 201-65535*" },
	{ "FWD-06 ranges first", "t~100-200,~22", "1-21* 23-99* 201-65535*" },
	{ "exclusions that overlap, and touch", "t~10-20,~15-25,~26,~12", "1-9* 27-65535*" },
	{ "FWD-04 port 0 excluded is no port less", "t~0", "1-65535*" },
	{ "FWD-04 port 0 excluded, in a range", "t~0-5", "6-65535*" },
	{ "all, and exclusions", "tall,~22", "1-21* 23-65535*" },
	{ "exclusions, and all", "t~22,all", "1-21* 23-65535*" },
	{ "exclusions, same again", "t~22,~33 t~33,~22", "1-21* 23-32* 34-65535*" },
	{ "exclusions of an address and interface", "t127.0.0.1%lo/~22", "127.0.0.1%lo/1-21* 127.0.0.1%lo/23-65535*" },
	{ "exclusions of an interface", "u%lo/~22", "u:%lo/1-21* u:%lo/23-65535*" },
	{ "exclusions of two addresses", "t127.0.0.1/~1-65534 t::1/~1-65533", "127.0.0.1/65535* ::1/65534-65535*" },

	{ "KubeVirt: exclusions first, and a port", "t~15000,~15001,8080", "8080" },
	{ "exclusions, and ports among them", "t~15000,~15001,15001,8080", "8080" },
	{ "range less a port", "t10-20,~15", "10-14 16-20" },
	{ "exclusions count for what is before and behind", "t~15,10-20,30-40,~35", "10-14 16-20 30-34 36-40" },
	{ "range less its ends", "t5-25,~1-5,~25-30", "6-24" },
	{ "range elsewhere, less ports", "t10-20:110-120,~12,~14-15", "10-11>110 13>113 16-20>116" },
	{ "range downwards, less ports", "u65530-65535:1-6,~65533", "u:65530-65532>1 u:65534-65535>5" },
	{ "exclusions beside the ports", "t80,~22", "80" },
	{ "exclusions of one option don't count for others", "t~22 t22 u22", "1-21* 23-65535* 22 u:22" },
	{ "exclusions of an address don't count for others", "t127.0.0.1/10-12,~11 t::1/10-12",
	  "127.0.0.1/10 127.0.0.1/12 ::1/10-12" },

	{ "all, and ports by name", "tall,80", "1-65535* 80" },
	{ "ports by name, and all", "t80,all", "1-65535* 80" },
	{ "all, ports elsewhere, and exclusions", "t8080:80,all,~22", "1-21* 23-65535* 8080>80" },
	{ "ports of another option are left to it", "tall t8080:80", "1-65535* 8080>80" },
	{ "ports of another option, before", "t8080-8081:80-81 t~22", "8080-8081>80 1-21* 23-65535*" },
	{ "ephemeral ports by name", "t32768-60999", "32768-60999" },

	{ "FWD-18 none, then all", "tnone tall", "1-65535*" },
	{ "FWD-18 all, then none", "tall uall tnone", "u:1-65535*" },
	{ "FWD-18 exclusions, then none, then others", "t~22 tnone t~33", "1-32* 34-65535*" },

	{ "automatic", "tauto uauto", "1-65535*? u:1-65535*?" },
	{ "automatic, less ports", "tauto,~22", "1-21*? 23-65535*?" },
	{ "automatic, of all", "tall,auto", "1-65535*?" },
	{ "automatic, after others", "t80 tauto", "80 1-65535*?" },
	{ "automatic, of an address", "t::1/auto", "::1/1-65535*?" },
	{ "automatic, of an interface", "u%eth0/auto,~53", "u:%eth0/1-52*? u:%eth0/54-65535*?" },
	{ "automatic, of ports", "t80-82,auto", "80-82?" },
	{ "automatic, of ports, elsewhere, less one", "tauto,8080-8082:80-82,~8081", "8080>80? 8082>82?" },
	{ "automatic, twice", "tauto tauto", "1-65535*?" },
	{ "FWD-18 automatic, then none", "tauto uauto tnone", "u:1-65535*?" },
	{ "FWD-18 none, then automatic", "t80 tnone tauto", "1-65535*?" },
	{ "FWD-16 automatic, twice, and exclusions that differ", "tauto tauto,~22",
	  "!Overlapping port specifier: port 1 is already forwarded by option '-t auto'" },
	{ "from the namespace, automatic", "Tauto", "o:1-65535*?" },
	{ "from the namespace, automatic, UDP", "Uauto", "o:u:1-65535*?" },
	{ "from the namespace, automatic, less ports", "Tauto,~22", "o:1-21*? o:23-65535*?" },
	{ "from the namespace, automatic, of ports", "T8080:80,auto", "o:8080>80?" },
	{ "from the namespace, none", "t80 Tnone Unone", "80" },

	{ "target address", "t0.0.0.0/8080:192.0.2.5/80", "0.0.0.0/8080>192.0.2.5/80" },
	{ "target address, same ports", "t127.0.0.1/80-82:192.0.2.5", "127.0.0.1/80-82>192.0.2.5/80" },
	{ "target address, same ports, and a slash", "u127.0.0.1/80:192.0.2.5/", "u:127.0.0.1/80>192.0.2.5/80" },
	{ "target address, range", "t192.0.2.1%eth0/80-82:192.0.2.5/90-92", "192.0.2.1%eth0/80-82>192.0.2.5/90" },
	{ "target address, IPv6", "t[::1]/80:[2001:db8::5]/90", "::1/80>2001:db8::5/90" },
	{ "target address, IPv6, no brackets", "t::1/80:2001:db8::5/90", "::1/80>2001:db8::5/90" },
	{ "target address, IPv6, no port", "t::1/80:2001:db8::5", "::1/80>2001:db8::5/80" },
	{ "target address, IPv6, brackets, no port", "t::/80:[2001:db8::5]", "::/80>2001:db8::5/80" },
	{ "target address, IPv6, short", "t::1/80:fc00::", "::1/80>fc00::/80" },
	{ "FWD-26 address of 127/8 to one in the guest", "t127.0.4.1/2375:10.89.0.2/2375",
	  "127.0.4.1/2375>10.89.0.2/2375" },
	{ "target addresses of a list", "t0.0.0.0/80:10.0.0.1/81,82,83:84,85:10.0.0.2",
	  "0.0.0.0/80>10.0.0.1/81 0.0.0.0/82 0.0.0.0/83>84 0.0.0.0/85>10.0.0.2/85" },
	{ "target address, less ports", "t0.0.0.0/80-84:10.0.0.1/90-94,~82",
	  "0.0.0.0/80-81>10.0.0.1/90 0.0.0.0/83-84>10.0.0.1/93" },
	{ "target address unspecified: the guest's own", "t80:0.0.0.0/81 t::1/82:[::]/83", "80>81 ::1/82>83" },
	{ "all to an address", "t0.0.0.0/all:10.0.0.1", "0.0.0.0/1-65535>10.0.0.1/1*" },
	{ "all to an address, IPv6, less ports", "t::/all:[2001:db8::5],~22",
	  "::/1-21>2001:db8::5/1* ::/23-65535>2001:db8::5/23*" },
	{ "all to an address, and ports elsewhere", "t0.0.0.0/80:10.0.0.2,all:10.0.0.1",
	  "0.0.0.0/1-65535>10.0.0.1/1* 0.0.0.0/80>10.0.0.2/80" },
	{ "all to an address, twice", "t::/all:fc00::1 t::/all:fc00::1", "::/1-65535>fc00::1/1*" },
	{ "target addresses of both families", "t0.0.0.0/80:10.0.0.1 t[::]/80:fc00::1",
	  "0.0.0.0/80>10.0.0.1/80 ::/80>fc00::1/80" },

	{ "FWD-16 two target addresses", "t0.0.0.0/80:10.0.0.1 t0.0.0.0/80:10.0.0.2",
	  "!Overlapping port specifier: port 80 is already forwarded by option '-t 0.0.0.0/80:10.0.0.1'" },
	{ "FWD-16 target address, and none", "t0.0.0.0/80:10.0.0.1 t0.0.0.0/80",
	  "!Overlapping port specifier: port 80 is already forwarded by option '-t 0.0.0.0/80:10.0.0.1'" },
	{ "FWD-16 all to two addresses", "t0.0.0.0/all:10.0.0.1,all:10.0.0.2",
	  "!Overlapping port specifier: port 1 is already forwarded by option '-t 0.0.0.0/all:10.0.0.1,all:10.0.0.2'" },
	{ "target address, and any to listen on", "t80:10.0.0.1/80",
	  "!a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any" },
	{ "target address, and any of an interface", "t%eth0/80:[fc00::1]/80",
	  "!a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any" },
	{ "target address, and any, behind others", "t80,81:10.0.0.1/82",
	  "!a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any" },
	{ "all to an address, and any", "tall:10.0.0.1",
	  "!a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any" },
	{ "IPv4 to IPv6", "t127.0.0.1/80:[fc00::1]/80",
	  "!IPv4 can't be forwarded to IPv6, or the other way around" },
	{ "IPv6 to IPv4", "t[::]/80:10.0.0.1", "!IPv4 can't be forwarded to IPv6, or the other way around" },
	{ "target is loopback", "t0.0.0.0/5000:127.0.0.1/6000", "0.0.0.0/5000>127.0.0.1/6000" },
	{ "target is loopback, UDP, a range", "u127.0.0.1/80-82:127.0.0.53/90-92", "u:127.0.0.1/80-82>127.0.0.53/90" },
	{ "target is loopback, IPv6", "t::/80:[::1]/80 u[::1]/80:::1", "::/80>::1/80 u:::1/80>::1/80" },
	{ "target is loopback, all", "t0.0.0.0/all:127.0.0.1", "0.0.0.0/1-65535>127.0.0.1/1*" },
	{ "target is loopback, v4-mapped", "t::/80:::ffff:127.0.0.1",
	  "!IPv4 can't be forwarded to IPv6, or the other way around" },
	{ "target is loopback, any to listen on", "t*/80:127.0.0.1/81",
	  "!a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any" },

	{ "FWD-10 any address, written out", "t*/8080 u*/8080:80", "8080 u:8080>80" },
	{ "FWD-10 any address, written out, of an interface", "t*%eth0/8080", "%eth0/8080" },
	{ "FWD-10 any address, written out, lists", "t*/80-82:90-92,85,~81", "80>90 82>92 85" },
	{ "FWD-10 any address, written out, automatic", "t*/auto", "1-65535*?" },
	{ "FWD-10 any address, written out, all but one", "u*/~22", "u:1-21* u:23-65535*" },
	{ "FWD-10 any address, twice", "t*/80 t80", "80" },
	{ "any address is no prefix of one", "t*1/80", "!not an IPv4 or IPv6 address before the slash" },
	{ "any address in brackets", "t[*]/80", "!not an IPv4 or IPv6 address before the slash" },
	{ "any address, no slash", "t*", "!not a port number" },
	{ "CLI-06 ports: space, plus sign, zeros", "t\t80,+81-\t082:+90-91,~\t81 u127.0.0.1/\n8080:\n00080",
	  "80 82>91 u:127.0.0.1/8080>80" },
	{ "CLI-06 ports: decimal only", "t0x50", "!not a port number" },
	{ "CLI-06 ports: space behind", "t80\t", "!not a port number" },
	{ "CLI-06 ports: below zero", "t80:-81", "!port missing" },
	{ "target is multicast", "u0.0.0.0/80:224.0.0.1", "!target is not a unicast address" },
	{ "target is multicast, IPv6", "t::/80:ff02::1", "!target is not a unicast address" },
	{ "target is broadcast", "u0.0.0.0/80:255.255.255.255/80", "!target is not a unicast address" },
	{ "target address missing", "t80:/80", "!target is not an IPv4 or IPv6 address" },
	{ "target missing", "t80:", "!port missing" },
	{ "target address is none", "t80:10.0.0.256/80", "!target is not an IPv4 or IPv6 address" },
	{ "target address with an interface", "t0.0.0.0/80:10.0.0.1%eth0/80",
	  "!target is not an IPv4 or IPv6 address" },
	{ "target brackets don't match", "t::/80:[fc00::1/80", "!target is not an IPv4 or IPv6 address" },
	{ "FWD-04 target port 0", "t0.0.0.0/80:10.0.0.1/0", "!port 0 can't be forwarded" },
	{ "target ports of another number", "t0.0.0.0/80-81:10.0.0.1/80", "!ranges of different lengths" },
	{ "all to ports", "t0.0.0.0/all:10.0.0.1/80", "!target is not an IPv4 or IPv6 address" },
	{ "target address of automatic forwarding", "tauto:10.0.0.1/80", "!\"auto\" has no target" },
	{ "target address of an exclusion", "t~22:10.0.0.1/80", "!an exclusion has no target" },

	{ "exclusions that differ", "t~22 t~33",
	  "!Overlapping port specifier: port 1 is already forwarded by option '-t ~22'" },
	{ "all, and all but one", "tall t~33",
	  "!Overlapping port specifier: port 1 is already forwarded by option '-t all'" },
	{ "exclusions that differ at the end", "u~1-65534 u~1-100",
	  "!Overlapping port specifier: port 65535 is already forwarded by option '-u ~1-65534'" },
	{ "FWD-16 port with two targets, in what exclusions leave", "t10-20,~15 t16:99",
	  "!Overlapping port specifier: port 16 is already forwarded by option '-t 10-20,~15'" },
	{ "FWD-16 port with two targets, beside all", "tall,80:1 t80:2",
	  "!Overlapping port specifier: port 80 is already forwarded by option '-t all,80:1'" },
	{ "nothing", "t", "!port missing" },
	{ "nothing excluded", "t~", "!port missing" },
	{ "FWD-06 end of an exclusion missing", "t~5-", "!port missing" },
	{ "FWD-06 start of an exclusion missing", "t~-5", "!port missing" },
	{ "nothing behind an exclusion", "t~80,", "!port missing" },
	{ "nothing behind all", "tall,", "!port missing" },
	{ "nothing in front", "t,80", "!port missing" },
	{ "nothing in between", "t80,,81", "!port missing" },
	{ "address, and nothing", "t::1/", "!port missing" },
	{ "FWD-06 exclusion runs backwards", "t~80-70", "!range runs backwards" },
	{ "exclusion above 65535", "t~70000", "!port above 65535" },
	{ "CLI-06 exclusion of many digits", "t~1-99999999999999999999999", "!port above 65535" },
	{ "excluded twice", "t~~80", "!not a port number" },
	{ "an exclusion of all", "t~all", "!not a port number" },
	{ "exclusion with a target", "t~80:81", "!an exclusion has no target" },
	{ "all with a target", "tall:81", "!only ports named have other ports as a target" },
	{ "automatic with a target", "tauto:81-90", "!\"auto\" has no target" },
	{ "all, and a range", "tall-80", "!not a port number" },
	{ "in capitals", "tALL", "!not a port number" },
	{ "a target that is all", "t80:all", "!not a port number" },
	{ "three ports", "t80:81:82", "!target is not an IPv4 or IPv6 address" },
	{ "FWD-04 port 0 with exclusions", "t0-5,~0", "!port 0 can't be forwarded" },
	{ "none among exclusions", "t~80,none", "!\"none\" goes alone" },
	{ "mistake behind automatic", "tauto,80x", "!not a port number" },
	{ "exclusion in front of the address", "t~::1/80", "!an exclusion has no target" },
	{ "all, in front of the slash", "tall/80", "!not an IPv4 or IPv6 address before the slash" },
	{ "from the namespace, all", "Tall", "o:1-65535*" },
	{ "from the namespace, another port", "T80:81 t80", "o:80>81 80" },
	{ "FWD-18 from the namespace, none after all", "t80 T80 T::1/81 Tnone", "80" },
	{ "FWD-18 to the namespace, none after all", "t80 T80 tnone", "o:80" },
	{ "from the namespace, twice", "T80:81 T80:82",
	  "!Overlapping port specifier: port 80 is already forwarded by option '-T 80:81'" },
	{ "from the namespace, exclusions", "U~22", "o:u:1-21* o:u:23-65535*" },
	{ "from the namespace, a mistake", "T~22x", "!not a port number" },
};

/* Reason for which the last is refused, or NULL */
static const char *parse(struct conf *c, const char *specs)
{
	static char val[SPECS_MAX][64];
	const char *why = NULL;

	memset(c, 0, sizeof(*c));
	said[0] = '\0';
	for (unsigned i = 0; i < SPECS_MAX && *specs; i++) {
		char letter = *specs++;
		size_t len = strcspn(specs, " ");

		ok(!why && len < sizeof(val[i]));
		snprintf(val[i], sizeof(val[i]), "%.*s", (int)len, specs);
		why = conf_ports(&c->rules, c->mode, letter, val[i]);
		specs += len + (specs[len] == ' ');
	}
	ok(!*specs);
	return why;
}

static void test_rules(void)
{
	static struct conf c;

	for (const struct row *r = rows; r < rows + ARRAY_SIZE(rows); r++) {
		const char *why;

		test("%s: %s", r->name, r->specs);
		why = parse(&c, r->specs);
		if (r->want[0] == '!') {
			eq_str(why, r->want + 1);
			continue;
		}
		eq_str(why, NULL);
		eq_str(rules_text(&c), r->want);
		eq_str(said, "");
	}
}

/* With --lan, or with none if @lan is "": a target, and the reason for which it is refused in the end */
static const struct {
	const char	*lan, *specs, *want, *why;
} targets[] = {
	{ "192.168.77.0/24", "t2222:192.168.77.11/22", "-t 2222:192.168.77.11/22", NULL },
	{ "192.168.77.0/24", "t2222:web/22", "-t 2222:web/22", NULL },
	{ "192.168.77.0/24", "u53:a-1/", "-u 53:a-1/", NULL },
	{ "192.168.77.0/24", "t0.0.0.0/80-82:web/90-92", "-t 0.0.0.0/80-82:web/90-92", NULL },
	{ "192.168.77.0/24", "t80", "-t 80", "with several guests, a target is needed" },
	{ "192.168.77.0/24", "t80:192.168.78.1", "-t 80:192.168.78.1", "outside of --lan" },
	{ "192.168.77.0/24", "t80:[fd00:77::2]", "-t 80:[fd00:77::2]", "outside of --lan" },
	{ "192.168.77.0/24", "t80:192.168.77.1/22", "-t 80:192.168.77.1/22", "this is our address" },
	{ "192.168.77.0/24", "u80:192.168.77.255/22", "-u 80:192.168.77.255/22", "not an address of one host" },
	{ "192.168.77.0/24,fd00:77::/64", "t80:[fd00:77::2]", "-t 80:[fd00:77::2]", NULL },
	{ "192.168.77.0/24,fd00:77::/64", "t80:[fd00:77::1]", "-t 80:[fd00:77::1]", "this is our address" },
	{ "", "t80:web/22", "-t 80:web/22", "a name as a target takes --lan" },
	{ "", "T80:web/22", "-T 80:web/22", "a name as a target takes --lan" },
	{ "", "t80:10.0.0.1",  "-t 80:10.0.0.1",
	  "a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any" },
	{ "", "t0.0.0.0/80:[::1]",  "-t 0.0.0.0/80:[::1]",
	  "IPv4 can't be forwarded to IPv6, or the other way around" },
};

static void test_targets(void)
{
	static struct conf c;
	char buf[RULE_STRLEN];
	const char *why;

	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		test("target of %s with --lan %s", targets[i].specs, targets[i].lan);
		memset(&c, 0, sizeof(c));
		c.rules.lan = true;
		c.guests = 2;
		if (*targets[i].lan)
			eq_str(conf_lan(&c.lan, targets[i].lan), NULL);
		why = conf_ports(&c.rules, c.mode, *targets[i].specs, targets[i].specs + 1);
		eq_str(why, NULL);
		if (why)
			continue;
		eq_str(rule_fmt(&c.rules.rule[0], buf), targets[i].want);
		eq_str(conf_target(&c, &c.rules.rule[0]), targets[i].why);
	}

	test("names that are none, and that take --lan");
	eq_str(parse(&c, "t80:host/22"), "target is not an IPv4 or IPv6 address");
	eq_str(parse(&c, "t80:-a/22"), "target is not an IPv4 or IPv6 address");
	eq_str(parse(&c, "t80:123/22"), "target is not an IPv4 or IPv6 address");
	eq_str(parse(&c, "t80:web/22"), "a name as a target takes --lan");
}

static void test_nothing_left(void)
{
	static const char *const specs[][2] = {
		{ "t80,~80", "-t 80,~80" },
		{ "u80-82:90-92,~80,~81-82", "-u 80-82:90-92,~80,~81-82" },
		{ "t~1-65535", "-t ~1-65535" }, { "tall,~0-65535", "-t all,~0-65535" },
		{ "t80 t::1/5,~5", "-t ::1/5,~5" },
	};
	static struct conf c;
	char want[128];

	for (unsigned i = 0; i < ARRAY_SIZE(specs); i++) {
		test("all is excluded: no error, but said: %s", specs[i][0]);
		eq_str(parse(&c, specs[i][0]), NULL);
		eq(c.rules.n, specs[i][0][2] == '0' && specs[i][0][3] == ' ');
		snprintf(want, sizeof(want), "Nothing is left to forward for option '%s'", specs[i][1]);
		eq_str(said, want);
	}

	test("the same again leaves something, though it adds nothing");
	eq_str(parse(&c, "t80-90,~85 t80-90,~85"), NULL);
	eq_str(rules_text(&c), "80-84 86-90");
	eq_str(said, "");
}

/* Each rule's option is the one it is from, for messages */
static void test_texts(void)
{
	static struct conf c;

	test("options of rules");
	eq_str(parse(&c, "tall,~22 u5-6 t8080:80,9090"), NULL);
	eq_str(rules_text(&c), "1-21* 23-65535* u:5-6 8080>80 9090");
	eq_str(rule_text(&c.rules.rule[0]), "-t all,~22");
	eq_str(rule_text(&c.rules.rule[1]), "-t all,~22");
	eq_str(rule_text(&c.rules.rule[2]), "-u 5-6");
	eq_str(rule_text(&c.rules.rule[4]), "-t 8080:80,9090");
}

/* What a rule is formatted as makes that rule: same text, and same rule again */
static void test_format(void)
{
	static const struct {
		const char *specs, *want;
	} exact[] = {
		{ "t80", "-t 80" }, { "u80:81", "-u 80:81" }, { "T80-82", "-T 80-82" },
		{ "t80-82:90-92", "-t 80-82:90-92" },
		{ "t127.0.0.1/80", "-t 127.0.0.1/80" }, { "t::1/80", "-t [::1]/80" }, { "t%eth0/80", "-t %eth0/80" },
		{ "t[fe80::1]%eth0/80", "-t [fe80::1]%eth0/80" }, { "t127.0.0.1%lo/80", "-t 127.0.0.1%lo/80" },
		{ "t0.0.0.0/80:10.0.0.1", "-t 0.0.0.0/80:10.0.0.1" },
		{ "t::/80:[fc00::1]/81", "-t [::]/80:[fc00::1]/81" },
		{ "t0.0.0.0/80-82:10.0.0.1/90-92", "-t 0.0.0.0/80-82:10.0.0.1/90-92" },
		{ "tall", "-t all" }, { "uall,~1-5", "-u all,~1-5" }, { "t~1-5,~7-65535", "-t all,~1-5,~7-65535" },
		{ "t::1/all,~100-65535", "-t [::1]/all,~100-65535" }, { "t~1,~65535", "-t all,~1,~65535" },
		{ "t0.0.0.0/all:10.0.0.1", "-t 0.0.0.0/all:10.0.0.1" },
		{ "t::/all:fc00::1,~1", "-t [::]/all:[fc00::1],~1" },
		{ "tauto", "-t auto" }, { "Tauto,~1-22", "-T auto,~1-22" },
		{ "t80-82:90-92,auto", "-t 80-82:90-92,auto" },
		{ "t0.0.0.0/all:10.0.0.1,auto", "-t 0.0.0.0/all:10.0.0.1,auto" },
		{ "t::1/auto", "-t [::1]/auto" }, { "t::/80:fc00::1/1,auto", "-t [::]/80:[fc00::1]/1,auto" },
	};
	static const struct {
		const char *specs, *want;
	} shown[] = {
		{ "t80", "TCP [*]:80  =>  80 " }, { "u80-90:180-190", "UDP [*]:80-90  =>  180-190 " },
		{ "t127.0.0.1/80", "TCP [127.0.0.1]:80  =>  80 " }, { "t::1/80", "TCP [::1]:80  =>  80 " },
		{ "t%eth0/80", "TCP [*]%eth0:80  =>  80 " }, { "u[fe80::1%eth0]/80", "UDP [fe80::1]%eth0:80  =>  80 " },
		{ "t0.0.0.0/80:10.0.0.1/81", "TCP [0.0.0.0]:80  =>  10.0.0.1:81 " },
		{ "t::/80-81:[fc00::1]/82-83", "TCP [::]:80-81  =>  fc00::1:82-83 " },
		{ "tall", "TCP [*]:1-65535  =>  1-65535  (best effort)" },
		{ "uauto", "UDP [*]:1-65535  =>  1-65535  (best effort) (auto-scan)" },
		{ "t80,auto", "TCP [*]:80  =>  80  (auto-scan)" },
		{ "T80", "TCP [*]%lo:80  =>  80 " }, { "U127.0.0.1/80:81", "UDP [127.0.0.1]:80  =>  81 " },
	};
	static struct conf c;
	static struct rules t;
	char buf[RULE_STRLEN], again[RULE_STRLEN], show[RULE_SHOW_STRLEN];

	for (unsigned i = 0; i < ARRAY_SIZE(exact); i++) {
		test("rule as an option: %s", exact[i].specs);
		eq_str(parse(&c, exact[i].specs), NULL);
		eq(c.rules.n, 1);
		eq_str(rule_fmt(&c.rules.rule[0], buf), exact[i].want);
	}

	test("each rule of all values that are accepted, as an option, makes the same rule");
	for (const struct row *r = rows; r < rows + ARRAY_SIZE(rows); r++) {
		if (!ok(r->want[0] == '!' || !parse(&c, r->specs)) || r->want[0] == '!')
			continue;
		for (unsigned i = 0; i < c.rules.n; i++) {
			t = (struct rules){ .run_time = true };
			rule_fmt(&c.rules.rule[i], buf);
			eq_str(conf_ports(&t, MODE_PASTA, buf[1], buf + 3), NULL);
			eq(t.n, 1);
			if (!ok(rule_same(&t.rule[0], &c.rules.rule[i])))
				printf("# %s: %s\n", r->specs, buf);
			eq_str(rule_fmt(&t.rule[0], again), buf);
			eq_str(rule_text(&t.rule[0]), buf);
		}
	}

	test("rule as tables show it");
	for (unsigned i = 0; i < ARRAY_SIZE(shown); i++) {
		eq_str(parse(&c, shown[i].specs), NULL);
		eq_str(rule_show(&c.rules.rule[0], show), shown[i].want);
	}

	test("the longest");
	ok(addr_parse("2001:db8:1111:2222:3333:4444:5555:6666", 38, &c.rules.rule[0].addr));
	c.rules.rule[0] = (struct rule){ .proto = IPPROTO_TCP, .automatic = true, .addr = c.rules.rule[0].addr,
					 .to_addr = c.rules.rule[0].addr, .ifname = "interface-of-15",
					 .first = 10000, .last = 55534, .to = 10001 };
	eq_str(rule_fmt(&c.rules.rule[0], buf), "-t [2001:db8:1111:2222:3333:4444:5555:6666]%interface-of-15/"
	       "10000-55534:[2001:db8:1111:2222:3333:4444:5555:6666]/10001-55535,auto");
	c.rules.rule[0].weak = true;
	eq_str(rule_show(&c.rules.rule[0], show), "TCP [2001:db8:1111:2222:3333:4444:5555:6666]%interface-of-15:"
	       "10000-55534  =>  2001:db8:1111:2222:3333:4444:5555:6666:10001-55535  (best effort) (auto-scan)");
}

/* As many stretches as there is room for */
static void test_many(void)
{
	static char spec[RULES_MAX * 8];
	static struct conf c;
	size_t n = 0;

	test("exclusions that leave as many stretches as there are rules, and one more");
	for (unsigned i = 1; i < RULES_MAX; i++)
		n += (size_t)sprintf(spec + n, "%s~%u", i > 1 ? "," : "", 2 * i);
	eq_str(conf_ports(&c.rules, MODE_PASTA, 't', spec), NULL);
	eq(c.rules.n, RULES_MAX);
	eq(c.rules.rule[RULES_MAX - 1].first, 2 * RULES_MAX - 1);
	eq(c.rules.rule[RULES_MAX - 1].last, 65535);
	memset(&c, 0, sizeof(c));
	sprintf(spec + n, ",~%u", 2 * RULES_MAX);
	eq_str(conf_ports(&c.rules, MODE_PASTA, 't', spec), "too many port ranges");
}

int main(void)
{
	test_rules();
	test_targets();
	test_nothing_left();
	test_texts();
	test_format();
	test_many();
	return done();
}
