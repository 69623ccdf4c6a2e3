/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rules_test.c - tables of rules: which ports each is to have, and who has them after a change */

#include "../t.h"
#include "../../conf.h"
#include "../../rules.c"

static struct fwd_rule table[64];
static unsigned ntable;

/* Options separated by spaces, "t80 u53", behind what is in @table */
static void options(const char *specs)
{
	static struct rules t;
	static char val[16][64];			/* are kept */

	t.n = 0;
	for (unsigned i = 0; *specs; i++) {
		size_t len = strcspn(specs + 1, " ");

		snprintf(val[i], sizeof(val[i]), "%.*s", (int)len, specs + 1);
		eq_str(conf_ports(&t, MODE_PASTA, *specs, val[i]), NULL);
		specs += 1 + len + (specs[1 + len] == ' ');
	}
	for (unsigned i = 0; i < t.n; i++)
		table[ntable++] = (struct fwd_rule){ .r = t.rule[i] };
}

/* Ports of a map: "1-3 5" */
static const char *map_text(const uint8_t *map)
{
	static char buf[256];
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned port = 0, last; port <= UINT16_MAX && n < sizeof(buf); port = last + 1) {
		for (last = port; last < UINT16_MAX && bit_test(map, port) && bit_test(map, last + 1);)
			last++;
		if (bit_test(map, port))
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, last > port ? "%s%u-%u" : "%s%u", n ? " " : "",
					      port, last);
	}
	return buf;
}

static const struct ephemeral eph[2] = { { 100, 65000 }, { 50, 60000 } };

/* The first option's first rule beside all others; automatic rules lead to ports 10, 40, 49, 90, 99, 40000, 65001 */
static const struct plan {
	const char	*name, *specs, *want;
	uint16_t	left;
} plans[] = {
	{ "a name", "t80", "80", 0 },
	{ "a range", "t1-65535", "1-65535", 0 },
	{ "FWD-15 a name is ephemeral", "t80-200", "80-200", 0 },
	{ "FWD-15 all, less the host's ephemeral ports", "tall", "1-99 65001-65535", 0 },
	{ "FWD-15 outward: all, less the namespace's", "Tall", "1-49 60001-65535", 0 },
	{ "FWD-15 all of a range", "t~1-90,~65010-65535", "91-99 65001-65009", 0 },
	{ "FWD-15 all that is left is ephemeral", "t~1-99,~65001-65535", "", 0 },
	{ "FWD-16 all, less a port that is named", "tall t80:8080", "1-79 81-99 65001-65535", 80 },
	{ "FWD-16 the same, the name first in the list", "tall,80-82", "1-79 83-99 65001-65535", 82 },
	{ "all, less ports at both ends", "tall t1,65535", "2-99 65001-65534", 65535 },
	{ "all, less a range that reaches out of it", "t~1-9,~20-65535 t5-12", "13-19", 12 },
	{ "all, of which nothing is left", "t~1-79,~81-65535 t80", "", 80 },
	{ "a name in the ephemeral range takes nothing away", "tall t200", "1-99 65001-65535", 0 },
	{ "a name of another protocol", "tall u80", "1-99 65001-65535", 0 },
	{ "a name of the other direction", "tall T80", "1-99 65001-65535", 0 },
	{ "a name of another address", "t127.0.0.1/all t127.0.0.2/80 t80", "1-99 65001-65535", 0 },
	{ "a name of another interface", "t%eth0/all t%eth1/80", "1-99 65001-65535", 0 },
	{ "a name of the same address and interface", "t127.0.0.1%eth0/all t127.0.0.1%eth0/80",
	  "1-79 81-99 65001-65535", 80 },
	{ "names are left to nobody", "t80-90 tall", "80-90", 0 },
	{ "automatic: what is bound, and ephemeral on no side", "tauto", "10 40 49 65001", 0 },
	{ "FWD-15 automatic, outward", "Tauto", "10 40 49 65001", 0 },
	{ "automatic, of ports: elsewhere, ephemeral or not", "t1090:90,40001:40000,2:3,auto", "1090", 0 },
	{ "automatic, of a range", "t1000-1099:1-100,auto", "1009 1039 1048 1089 1098", 0 },
	{ "automatic, less ports that are named", "tauto t40:1 t49", "10 65001", 49 },
	{ "automatic, beside all: the kernel decides", "tauto tall", "10 40 49 65001", 0 },
	{ "automatic, beside automatic names: the same", "tauto t40:40,auto", "10 40 49 65001", 0 },
};

static void test_plan(void)
{
	static const unsigned ports[] = { 10, 40, 49, 90, 99, 40000, 65001 };
	static uint8_t bound[PORT_MAP], map[PORT_MAP];

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++)
		bit_set(bound, ports[i]);
	for (const struct plan *p = plans; p < plans + ARRAY_SIZE(plans); p++) {
		test("plan: %s", p->name);
		ntable = 0;
		options(p->specs);
		memset(map, 0, sizeof(map));
		eq(rules_plan(table, ntable, 0, eph, bound, map), p->left);
		eq_str(map_text(map), p->want);
	}
}

/* Who has a port of the table @from in the table of @stay and @come? */
static const struct heir {
	const char	*name, *from, *stay, *come;
	uint16_t	port;
	unsigned	want;			/* index */
} heirs[] = {
	{ "it stays", "t80", "t80", "", 80, 0 },
	{ "it stays, others come", "t80", "t80", "tall tauto t81", 80, 0 },
	{ "it goes", "t80", "t81", "", 80, RULES_MAX },
	{ "it goes, another target comes", "t80", "t81", "t80:90", 80, 1 },
	{ "it goes, and so does its address", "t127.0.0.1/80", "t81", "t80 t127.0.0.2/80", 80, RULES_MAX },
	{ "it goes, all was there before", "t80", "tall", "", 80, 0 },
	{ "it goes, all comes", "t80", "", "tall", 80, 0 },
	{ "FWD-15 all comes, but the port is ephemeral", "t200", "", "tall", 200, RULES_MAX },
	{ "it goes, automatic ones were there", "t80", "tauto", "", 80, 0 },
	{ "it goes: all, not automatic ones", "t80", "tauto tall", "", 80, 1 },
	{ "it goes: a name, not all", "t80", "tauto tall", "t80:1", 80, 2 },
	{ "all has it, and a name comes", "tall", "tall", "t80", 80, 1 },
	{ "all has it, and a name was there, but couldn't have it", "tall", "tall t80", "", 80, 0 },
	{ "all has it, and a name of other ports comes", "tall", "tall", "t81 u80 T80", 80, 0 },
	{ "an automatic one has it, and all comes", "tauto", "tauto", "tall", 80, 1 },
	{ "an automatic one has it, a name and all come", "tauto", "tauto", "tall t80", 80, 2 },
};

static void test_heir(void)
{
	for (const struct heir *h = heirs; h < heirs + ARRAY_SIZE(heirs); h++) {
		uint16_t old, stays = RULES_MAX;
		struct rule of;

		test("heir: %s", h->name);
		ntable = 0;
		options(h->from);
		of = table[0].r;
		ntable = 0;
		options(h->stay);
		old = (uint16_t)ntable;
		options(h->come);
		for (uint16_t i = 0; i < old; i++)
			stays = rule_same(&table[i].r, &of) ? i : stays;
		eq(rules_heir(table, ntable, old, &of, stays, eph, h->port), h->want);
	}
}

static void test_guests(void)
{
	static struct rules t;
	struct rule a = { .proto = IPPROTO_TCP, .any = true, .first = 80, .last = 80, .to = 80 }, b = a;

	test("a rule of another guest is another rule, and no overlap of one table: the kernel has a port but once");
	b.guest = 1;
	ok(!rule_same(&a, &b) && !rule_same_place(&a, &b) && rules_meet(&a, &b));
	eq_str(rules_add(&t, &a), NULL);
	eq_str(rules_add(&t, &b), NULL);
	eq_str(rules_add(&t, &b), NULL);
	eq(t.n, 2);
}

int main(void)
{
	test_plan();
	test_heir();
	test_guests();
	return done();
}
