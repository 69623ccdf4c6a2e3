/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lease_test.c - addresses and names of guests on a network of their own, also against slow searches */
#include "../../lease.c"
#include "../addresses.h"
#include "../draw.h"
#include "../t.h"

#define GUESTS	4

static struct conf cf;
static struct net net;
static struct leases t;

/* 192.168.77.0/@plen and fd00:77::/64; we are .1 and ::1, .5 stands for the host */
static void start(unsigned plen)
{
	memset(&cf.lan, 0, offsetof(struct lan_conf, lease));
	cf.lan.on = cf.lan.v6 = true;
	cf.lan.net[V4] = A("192.168.77.0");
	cf.lan.net[V6] = A("fd00:77::");
	cf.lan.plen4 = (uint8_t)plen;
	net = (struct net){ .cf = &cf };
	for (enum family f = V4; f < FAMILIES; f++)
		net.ip[f].our_ll = net.ip[f].map_loopback = net.ip[f].dns_forward = net.ip[f].guest.addr = addr_any(f);
	net.ip[V4].gw = A("192.168.77.1");
	net.ip[V6].gw = A("fd00:77::1");
	net.ip[V6].our_ll = A("fe80::1");
	net.ip[V4].map_guest = A("192.168.77.5");
	net.ip[V6].map_guest = addr_any6;
	memset(&t, 0, sizeof(t));
}

static void begin(unsigned plen)
{
	start(plen);
	leases_start(&t, &net);
}

static struct mac mac(unsigned i)
{
	return (struct mac){ { 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i } };
}

/* Address that guest @g's MAC address @i is offered, "-": none */
static const char *offer(unsigned g, unsigned i, enum family f, const char *wish)
{
	static char buf[ADDR_STRLEN];
	const struct mac m = mac(i);
	const struct addr w = A(wish ? wish : "0.0.0.0");
	struct addr got;

	if (!lease_offer(&t, g, &m, f, wish ? &w : NULL))
		return "-";
	got = lease_ip(&t, g, &m, f).addr;
	return addr_fmt(&got, buf);
}

static void take(unsigned g, unsigned i, enum family f)
{
	const struct mac m = mac(i);

	lease_take(&t, g, &m, f);
}

static void release(unsigned g, unsigned i, bool bad)
{
	const struct mac m = mac(i);

	lease_release(&t, g, &m, V4, bad);
}

static bool use(unsigned g, unsigned i, const char *a)
{
	const struct mac m = mac(i);
	const struct addr addr = A(a);

	return lease_use(&t, g, &m, &addr);
}

static void call(unsigned g, unsigned i, const char *name)
{
	const struct mac m = mac(i);

	lease_set_name(&t, g, &m, name, strlen(name));
}

/* "guest/last byte of the MAC address" at an address, "-": nobody */
static const char *at(const char *a)
{
	const struct addr addr = A(a);
	static char buf[16];
	struct mac m;
	unsigned g;

	if (!lease_find(&t, &addr, &g, &m))
		return "-";
	snprintf(buf, sizeof(buf), "%u/%u", g, m.b[5]);
	return buf;
}

static void fixed(unsigned i, const char *a, const char *name)
{
	unsigned n = cf.lan.nlease++;

	cf.lan.lease[n].mac = mac(i);
	cf.lan.lease[n].a = A(a);
	snprintf(cf.lan.lease[n].name, LEASE_NAME, "%s", name);
}

static void addresses(void)
{
	test("addresses are given in order, without ours, and those of the host");
	begin(24);
	eq_str(offer(0, 1, V4, NULL), "192.168.77.2");
	eq_str(offer(0, 2, V4, NULL), "192.168.77.3");
	eq_str(offer(1, 3, V4, NULL), "192.168.77.4");
	eq_str(offer(1, 4, V4, NULL), "192.168.77.6");
	eq_str(offer(0, 1, V4, NULL), "192.168.77.2");
	eq_str(offer(0, 1, V6, NULL), "fd00:77::ff:fe00:1");

	test("a wish counts if it is free, and of the network");
	begin(24);
	eq_str(offer(0, 1, V4, "192.168.77.40"), "192.168.77.40");
	eq_str(offer(0, 2, V4, "192.168.77.40"), "192.168.77.2");
	eq_str(offer(0, 2, V4, "192.168.77.50"), "192.168.77.2");	/* it has one */
	eq_str(offer(1, 3, V4, "192.168.77.0"), "192.168.77.3");
	eq_str(offer(1, 4, V4, "192.168.77.255"), "192.168.77.4");
	eq_str(offer(1, 5, V4, "192.168.78.9"), "192.168.77.6");
	eq_str(offer(1, 6, V4, "192.168.77.1"), "192.168.77.7");
	eq_str(offer(2, 7, V4, "192.168.77.5"), "192.168.77.8");

	test("no more than four for a guest, and another guest still gets one");
	begin(24);
	for (unsigned i = 1; i <= LEASES_EACH; i++)
		ok(strcmp(offer(0, i, V4, NULL), "-") != 0);
	eq_str(offer(0, 9, V4, NULL), "-");
	eq_str(offer(0, 9, V6, NULL), "-");
	eq_str(offer(1, 9, V4, NULL), "192.168.77.7");

	test("an offer that nobody took goes with its guest, a lease stays");
	begin(24);
	offer(0, 1, V4, NULL);
	offer(0, 2, V4, NULL);
	take(0, 2, V4);
	leases_gone(&t, 0);
	eq_str(offer(1, 3, V4, NULL), "192.168.77.2");
	eq_str(offer(2, 2, V4, NULL), "192.168.77.3");
	eq_str(offer(1, 1, V4, NULL), "192.168.77.4");

	test("and it stays if it was given back: the same address for the same guest");
	release(2, 2, false);
	leases_gone(&t, 2);
	eq_str(offer(3, 5, V4, NULL), "192.168.77.6");
	eq_str(offer(2, 2, V4, NULL), "192.168.77.3");

	test("a lease of a guest that is here is not another's");
	eq_str(offer(1, 2, V4, NULL), "-");

	test("in a full network, the guest that is away for longest loses its address");
	begin(29);				/* .2, .3, .4, .6 */
	for (unsigned i = 1; i <= 4; i++) {
		offer(0, i, V4, NULL);
		take(0, i, V4);
	}
	eq_str(offer(1, 5, V4, NULL), "-");
	leases_gone(&t, 0);
	offer(0, 1, V4, NULL);
	leases_gone(&t, 0);
	eq_str(offer(1, 5, V4, NULL), "192.168.77.3");
	eq_str(offer(1, 1, V4, NULL), "192.168.77.2");

	test("an address that can't be used is not offered again");
	begin(24);
	eq_str(offer(0, 1, V4, NULL), "192.168.77.2");
	release(0, 1, true);
	eq_str(offer(0, 1, V4, NULL), "192.168.77.3");
	release(0, 1, false);
	eq_str(offer(0, 1, V4, NULL), "192.168.77.3");
}

static void owners(void)
{
	test("a guest may use its leases and free addresses, and those of nobody else");
	begin(24);
	offer(0, 1, V4, NULL);
	take(0, 1, V4);
	ok(use(0, 1, "192.168.77.2"));
	ok(!use(1, 2, "192.168.77.2"));
	ok(use(1, 2, "192.168.77.90"));
	ok(!use(0, 1, "192.168.77.90"));
	ok(use(1, 2, "192.168.77.90"));
	ok(!use(0, 1, "192.168.77.1"));
	ok(!use(0, 1, "192.168.77.5"));
	ok(!use(0, 1, "192.168.77.0"));
	ok(!use(0, 1, "192.168.77.255"));
	ok(!use(0, 1, "10.0.0.1"));
	ok(!use(0, 1, "2001:db8::1"));
	ok(!use(0, 1, "fd00:77::1"));
	ok(!use(0, 1, "fe80::1"));
	ok(use(0, 1, "fd00:77::abcd"));
	ok(use(0, 1, "fe80::abcd"));
	ok(!use(1, 2, "fd00:77::abcd"));
	ok(!use(1, 2, "fe80::abcd"));
	eq_str(at("192.168.77.2"), "0/1");
	eq_str(at("192.168.77.90"), "1/2");
	eq_str(at("fd00:77::abcd"), "0/1");
	eq_str(at("192.168.77.91"), "-");

	test("an address in use is not leased");
	begin(24);
	ok(use(1, 2, "192.168.77.2"));
	eq_str(offer(0, 1, V4, NULL), "192.168.77.3");
	eq_str(offer(0, 3, V4, "192.168.77.2"), "192.168.77.4");

	test("addresses of a guest that is gone are free, leases stay");
	begin(24);
	ok(use(0, 1, "192.168.77.90"));
	offer(0, 1, V4, NULL);
	take(0, 1, V4);
	leases_gone(&t, 0);
	eq_str(at("192.168.77.2"), "-");
	ok(!use(1, 2, "192.168.77.2"));
	ok(use(1, 2, "192.168.77.90"));
	ok(use(2, 1, "192.168.77.2"));		/* the same MAC address */
	eq_str(at("192.168.77.2"), "2/1");

	test("of many addresses of a guest, the oldest are forgotten, and only its own");
	begin(24);
	ok(use(1, 2, "fd00:77::aaaa"));
	for (unsigned i = 0; i < 3 * CLAIMS_EACH; i++) {
		char a[ADDR_STRLEN];

		snprintf(a, sizeof(a), "fd00:77::1:%x", i);
		ok(use(0, 1, a));
	}
	eq_str(at("fd00:77::1:0"), "-");
	eq_str(at("fd00:77::1:2f"), "0/1");
	eq_str(at("fd00:77::aaaa"), "1/2");

	test("leases of options");
	start(24);
	fixed(1, "192.168.77.9", "Web");
	fixed(1, "fd00:77::9", "web");
	fixed(2, "192.168.77.2", "db");
	leases_start(&t, &net);
	eq_str(offer(0, 3, V4, NULL), "192.168.77.3");
	eq_str(offer(0, 1, V4, "192.168.77.20"), "192.168.77.9");
	eq_str(offer(0, 1, V6, NULL), "fd00:77::9");
	ok(!use(1, 4, "192.168.77.2"));
	ok(use(1, 2, "192.168.77.2"));
	leases_gone(&t, 0);
	leases_gone(&t, 1);
	eq_str(offer(2, 1, V4, NULL), "192.168.77.9");
	eq_str(offer(2, 2, V4, NULL), "192.168.77.2");
}

/* Last byte of the MAC address of a name, -1: nobody's */
static int named(const char *name)
{
	const struct lease *l = lease_named(&t, name, strlen(name));

	return l ? l->mac.b[5] : -1;
}

/* Name of an address that was given */
static const char *holder(const char *a)
{
	const struct addr addr = A(a);
	const struct lease *l = lease_at(&t, &addr);

	return l ? l->name : NULL;
}

static void names(void)
{
	static const char *const bad[] = {
		"", "-a", "a-", "a_b", "a b", "host", "HOST", "gateway", "localhost", "wpad", "isatap", "123",
		"\xc3\xa4", "0123456789012345678901234567890123456789012345678901234567890abc",
	};
	static const char *const good[] = {
		"a", "A9", "9a", "a-b", "012345678901234567890123456789012345678901234567890123456789abc",
	};

	test("names that can be");
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!lease_name_ok(bad[i], strlen(bad[i])));
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		ok(lease_name_ok(good[i], strlen(good[i])));

	test("the first guest keeps a name");
	begin(24);
	offer(0, 1, V4, NULL);
	take(0, 1, V4);
	offer(1, 2, V4, NULL);
	call(0, 1, "Web.example.org");
	call(1, 2, "WEB");
	eq(named("web"), 1);
	call(1, 2, "other");
	eq(named("OTHER"), 2);
	call(0, 1, "other");
	eq(named("other"), 2);
	eq(named("web"), 1);
	call(0, 1, "new");
	eq(named("web"), -1);
	eq(named("new"), 1);
	call(0, 1, "not valid");
	eq(named("new"), 1);

	test("a guest that is away keeps its name");
	leases_gone(&t, 0);
	eq(named("new"), 1);
	call(1, 2, "new");
	eq(named("new"), 1);
	eq(named("other"), 2);

	test("a name of options stays, and is nobody else's");
	start(24);
	fixed(1, "192.168.77.9", "web");
	leases_start(&t, &net);
	offer(0, 1, V4, NULL);
	offer(0, 2, V4, NULL);
	call(0, 1, "mine");
	call(0, 2, "web");
	eq(named("web"), 1);
	eq(named("mine"), -1);
	eq_str(holder("192.168.77.9"), "web");
	eq_str(holder("192.168.77.3"), NULL);
}

/* ---- random calls: the tables by search, and what must hold ---- */

static struct lease *slow_addr(const struct addr *a)
{
	for (struct lease *l = t.l; l < t.l + LEASES_MAX; l++)
		if (l->used && addr_eq(&l->a[addr_family(a)], a))
			return l;
	return NULL;
}

static int slow_claim(const struct addr *a)
{
	for (unsigned g = 0; g < GUESTS; g++)
		for (unsigned i = 0; i < CLAIMS_EACH; i++)
			if (t.claim[g][i].age && addr_eq(&t.claim[g][i].a, a))
				return (int)g;
	return -1;
}

static bool slow_owns(unsigned g, const struct addr *a)
{
	const struct lease *l = slow_addr(a);
	int by = slow_claim(a);
	enum family f = addr_family(a);

	if (lan_ours(&net, a) || is_end(&cf.lan, a))
		return false;
	return !(l && l->guest != g && (l->fixed[f] || l->state[f])) && (by < 0 || by == (int)g);
}

static void look_all(void)
{
	unsigned n[GUESTS] = { 0 };

	for (struct lease *l = t.l; l < t.l + LEASES_MAX; l++) {
		if (!l->used)
			continue;
		ok(by_mac(&t, &l->mac) == l);
		ok(!l->name[0] || by_name(&t, l->name, strlen(l->name)) == l);
		if (l->guest != LEASE_AWAY && !is_fixed(l))
			n[l->guest]++;
		for (enum family f = V4; f < FAMILIES; f++) {
			ok(addr_is_unspec(&l->a[f]) || by_addr(&t, &l->a[f]) == l);
			ok(!l->state[f] || (lan_has(&net, &l->a[f]) && !lan_ours(&net, &l->a[f])));
		}
	}
	for (unsigned g = 0; g < GUESTS; g++)
		ok(n[g] == t.count[g] && n[g] <= LEASES_EACH);
}

static struct addr random_addr(void)
{
	struct mac m;

	if (below(2))
		return addr_from4(htonl(0xc0a84d00 | below(18)));
	m = mac(below(40));
	return lan_address(&cf.lan.net[V6], &m);
}

static void random_step(void)
{
	unsigned g = below(GUESTS), i = below(40);
	enum family f = (enum family)below(FAMILIES);
	const struct mac m = mac(i);
	struct addr a = random_addr(), was = addr_any4;
	const struct lease *l = by_mac(&t, &m);
	char name[] = { 'n', (char)('a' + below(8)), 0 };
	bool had = l && l->guest == g && l->state[f] == LEASE_GIVEN && slow_claim(&l->a[f]) < 0;
	bool may = slow_owns(g, &a);

	switch (below(8)) {
	case 0:
	case 1:
		was = l ? l->a[f] : addr_any4;
		if (lease_offer(&t, g, &m, f, below(2) ? &a : NULL)) {
			const struct addr got = lease_ip(&t, g, &m, f).addr;

			ok(!had || addr_eq(&was, &got));
			ok(slow_owns(g, &got) && !is_taken(&t, g, &m, &got));
		} else {
			ok(!had);
		}
		break;
	case 2:
		lease_take(&t, g, &m, f);
		break;
	case 3:
		lease_release(&t, g, &m, f, below(2));
		break;
	case 4:
		lease_set_name(&t, g, &m, name, 2);
		break;
	case 5:
		if (!below(8))
			leases_gone(&t, g);
		break;
	default:
		ok(lease_owns(&t, g, &a) == may);
		if (lease_use(&t, g, &m, &a))
			ok(lease_owns(&t, g, &a));
	}
}

static void at_random(void)
{
	for (seed = 1; seed < 200; seed++) {
		uint64_t s = seed;

		test("random calls, seed %u", (unsigned)s);
		start(28 + below(2));
		fixed(3, "192.168.77.3", "na");
		leases_start(&t, &net);
		for (unsigned k = 0; k < 400; k++)
			random_step();
		look_all();
		seed = s;
	}
}

int main(void)
{
	addresses();
	owners();
	names();
	at_random();
	return done();
}
