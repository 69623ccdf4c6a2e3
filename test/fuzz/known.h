/* SPDX-License-Identifier: GPL-2.0-or-later */
/* known.h - names.c, beside a slow reference of its table, which is changed in the same way, and compared
 *
 * c is the process; siphash() has to be wrapped, so that chains are long, and getentropy(). Steps of inputs that need
 * no query are here, too.
 */
#ifndef KNOWN_H
#define KNOWN_H

#include <stdio.h>
#include <stdlib.h>

#include "../../names.c"
#include "take.h"

#define CHECK(x)	((x) ? (void)0 : abort())
#define BUCKETS		512
#define CHAINS		256		/* slots in use */
#define SMALL_TABLE	300		/* entries that are compared after each step; more, after each LARGE_STEP */
#define LARGE_STEP	64
#define FULL		16		/* grants of a step, once the table is full: each costs a search; */
#define MANY		(GRANTS_MAX + 256)	/* of all steps of an input */

struct known {
	unsigned	guest;
	struct addr	a;
	char		name[DNS_NAME_LEN + 1];
	uint64_t	until;
	uint64_t	granted, age;	/* numbers of the last grant, and for the order in which room is made */
	uint32_t	flows;
	bool		used, live;	/* @live: by the step of that name */
	uint16_t	next;		/* of a bucket; index + 1 */
};

static struct ctx c;
static struct known known[GRANTS_MAX];
static uint16_t bucket[BUCKETS], known_end, known_used;
static uint64_t known_clock;
static unsigned known_many;		/* grants by op_grant() */

uint64_t __wrap_siphash(const uint64_t key[2], const void *data, size_t len);
uint64_t __real_siphash(const uint64_t key[2], const void *data, size_t len);
int __wrap_getentropy(void *b, size_t len);

int __wrap_getentropy(void *b, size_t len)
{
	memset(b, 0, len);
	return 0;
}

uint64_t __wrap_siphash(const uint64_t key[2], const void *data, size_t len)
{
	const size_t addr = sizeof(struct addr);

	if (len == addr + sizeof(uint64_t))		/* an address, and a guest */
		return __real_siphash(key, data, addr) % CHAINS;
	return __real_siphash(key, data, len);
}

static const char *const pool[] = {
	"a.good.test", "b.good.test", "good.test", "bad.good.test", "a.test", "q.test", "x.evil.test", "other.net",
	"host.internal", "1.77.168.192.in-addr.arpa", "test",
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.good.test",
};

static const char *name_take(void)
{
	return pool[take(1) % ARRAY_SIZE(pool)];
}

/* Addresses with a meaning; those from ROUTED on are of the network outside, odd numbers IPv4 */
#define ROUTED	16
static const char *const special[ROUTED] = {
	"127.0.0.1", "169.254.169.254", "224.0.0.251", "255.255.255.255", "::1", "fe80::1", "ff02::fb",
	"64:ff9b::7f00:1", "2002:7f00:1::", "192.0.2.15", "198.51.100.250", "198.51.100.251", "198.51.100.252",
	"fd00:ec2::254", "10.0.0.1", "0.0.0.0",
};

/* Rules about these names */
enum rules_word { NAMES, EXCEPT, INTERNET, LOCKED };

static enum rules_word rules_now;

static struct policy *rules_of(enum rules_word word)
{
	static const char *const texts[] = {
		[NAMES] = "deny bad.good.test\nallow *.good.test\nallow a.test\nask *.test\n",
		[EXCEPT] = "egress open\ndeny bad.good.test\ndeny *.evil.test\n",
		[INTERNET] = "egress internet\n",
		[LOCKED] = "egress locked\nallow 8.0.0.33\n",
	};
	static char lines[256];
	struct policy *p = policy_new(NULL);
	unsigned line;

	snprintf(lines, sizeof(lines), "%s", texts[word]);
	CHECK(!policy_lines(p, lines, strlen(lines), &line));
	policy_compile(p);
	rules_now = word;
	return p;
}

static bool below_name(const char *name, const char *of)
{
	size_t n = strlen(name), len = strlen(of);

	return n > len && name[n - len - 1] == '.' && !strcmp(name + n - len, of);
}

/* Verdict on a name by the rules' text, written once more */
static enum verdict verdict_of(const char *name)
{
	switch (rules_now) {
	case NAMES:
		if (!strcmp(name, "bad.good.test"))
			return DENY;
		if (below_name(name, "good.test") || !strcmp(name, "a.test"))
			return ALLOW;
		return below_name(name, "test") ? ASK : DENY;
	case EXCEPT:
		return !strcmp(name, "bad.good.test") || below_name(name, "evil.test") ? DENY : ALLOW;
	case INTERNET:
	case LOCKED:
		break;
	}
	return ALLOW;
}

static struct addr addr_of(unsigned n)
{
	struct addr a = { .b = { 0x26, 0, 0xd, 0xb8, [14] = (uint8_t)(n >> 8), [15] = (uint8_t)n } };

	if (n < ROUTED)
		CHECK(addr_parse(special[n], strlen(special[n]), &a));
	else if (n & 1)
		a = addr_from4(htonl(0x08000000 + n));
	return a;
}

static uint16_t *bucket_of(unsigned guest, const struct addr *a)
{
	return &bucket[(guest + a->b[15] + 7U * a->b[14] + 3U * a->b[3]) % BUCKETS];
}

static struct known *known_find(unsigned guest, const struct addr *a, const char *name)
{
	for (unsigned i = *bucket_of(guest, a); i; i = known[i - 1].next)
		if (known[i - 1].guest == guest && addr_eq(&known[i - 1].a, a) && !strcmp(known[i - 1].name, name))
			return &known[i - 1];
	return NULL;
}

static bool known_holds(const struct known *k)
{
	return k->used && (c.now < k->until || k->flows);
}

static void known_drop(struct known *k)
{
	uint16_t *at = bucket_of(k->guest, &k->a);

	while (*at != k - known + 1)
		at = &known[*at - 1].next;
	*at = k->next;
	k->used = false;
	known_used--;
}

/* Of the names of an address, the one granted first that no flow lives by goes, if they are too many */
static bool known_room_here(unsigned guest, const struct addr *a)
{
	struct known *first = NULL;
	unsigned n = 0;

	for (unsigned i = *bucket_of(guest, a); i; i = known[i - 1].next) {
		struct known *k = &known[i - 1];

		if (k->guest != guest || !addr_eq(&k->a, a))
			continue;
		n++;
		if (!k->flows && (!first || k->granted < first->granted))
			first = k;
	}
	if (n < GRANTS_EACH)
		return true;
	if (first)
		known_drop(first);
	return first;
}

/* The same of all; those with a flow are passed over, and looked at last from then on */
static bool known_room(void)
{
	for (unsigned n = 0; known_used == GRANTS_MAX && n < ROOM_TRIES; n++) {
		struct known *first = NULL;

		for (struct known *k = known; k < known + known_end; k++)
			if (k->used && (!first || k->age < first->age))
				first = k;
		if (first->flows)
			first->age = ++known_clock;
		else
			known_drop(first);
	}
	return known_used < GRANTS_MAX;
}

static bool known_grant(unsigned guest, const char *name, const struct addr *a, uint32_t ttl)
{
	struct known *k = known_find(guest, a, name);
	uint16_t *at = bucket_of(guest, a);

	ttl = MIN(MAX(ttl, 60), 7 * 86400);
	if (!k) {
		if (!known_room_here(guest, a) || !known_room())
			return false;
		for (k = known_used == known_end ? &known[known_end++] : known; k->used;)
			k++;
		*k = (struct known){ .guest = guest, .a = *a, .used = true, .next = *at };
		*at = (uint16_t)(k - known + 1);
		snprintf(k->name, sizeof(k->name), "%s", name);
		known_used++;
	}
	k->until = MAX(k->until, c.now + 1000ULL * ttl);
	k->granted = k->age = ++known_clock;
	return true;
}

/* Addresses that no name leads to: by their bytes */
static void check_nameless(const struct addr *a)
{
	const uint8_t *v4 = a->b + 12;

	if (addr_is_v4(a)) {
		CHECK(v4[0] != 127 && !(v4[0] == 169 && v4[1] == 254) && v4[0] < 224);
		return;
	}
	CHECK(a->b[0] != 0xff && !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80));
	CHECK(!(a->q[0] == 0 && !memcmp(a->b + 8, "\0\0\0\0\0\0\0\1", 8)));
	CHECK(memcmp(a->b, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0\x7f", 13) && memcmp(a->b, "\x20\x02\x7f", 3));
}

static void check_grant(uint16_t i)
{
	const struct grant *k = &grant[i];
	const struct known *want = known_find(k->guest, &k->a, k->name);

	CHECK(k->len == strlen(k->name) && want && want->used);
	CHECK(want->until == k->until && want->flows == c.flows.granted[i]);
	CHECK(names_find(&c, &c.guest[k->guest], &k->a, k->name) == (known_holds(want) ? i : 0));
	check_nameless(&k->a);
}

/* Each entry is in one chain, and in the order of age, or free; and is the reference's */
static void check_names(void)
{
	static uint8_t seen[GRANTS_MAX + 1];
	unsigned n = 0, back = 0, none = 0;

	CHECK(unused <= GRANTS_MAX + 1);
	memset(seen, 0, sizeof(seen));
	for (unsigned s = 0; s < CHAINS; s++) {
		for (uint16_t i = slot[s]; i; i = grant[i].chain) {
			CHECK(i < unused && !seen[i]++ && grant[i].len);
			check_grant(i);
			n++;
		}
	}
	for (uint16_t i = oldest, last = 0; i; last = i, i = grant[i].newer) {
		CHECK(seen[i]++ == 1 && grant[i].older == last);
		CHECK(grant[i].newer || newest == i);
		back++;
	}
	for (uint16_t i = freed; i; i = grant[i].chain) {
		CHECK(i < unused && !seen[i]++ && !grant[i].len && !c.flows.granted[i]);
		none++;
	}
	CHECK(n == known_used && back == n && n + none == unused - 1U);
}

/* ---- steps ---- */

static inline struct addr addr_take(void)
{
	return addr_of(take(1));
}

/* Names of one address, or one name of many addresses, as answers would grant them */
static void op_grant(struct guest *g, unsigned n)
{
	static const uint32_t ttl[] = { 0, 60, 3600, UINT32_MAX };
	uint8_t how = (uint8_t)take(1);
	unsigned count = 1 + take(how & 8 ? 2 : 1) % (GRANTS_MAX + 1), full = 0;
	char name[32];

	for (unsigned i = 0; i < count && full < FULL && known_many < MANY; i++) {
		const char *text = how & 16 ? pool[(n + i) % ARRAY_SIZE(pool)] : name;
		struct addr a = addr_of(ROUTED + (how & 4 ? n : i + n));

		snprintf(name, sizeof(name), how & 4 ? "n%u.good.test" : "a.good.test", i);
		CHECK(names_grant(&c, g, text, &a, ttl[how & 3]) == known_grant(g->index, text, &a, ttl[how & 3]));
		full += known_used == GRANTS_MAX;
		known_many++;
	}
}

/* A flow more lives by each name; or none of these any more */
static void op_live(bool begin)
{
	for (unsigned s = 0; s < CHAINS; s++)
		for (uint16_t i = slot[s]; i; i = grant[i].chain) {
			struct known *k = known_find(grant[i].guest, &grant[i].a, grant[i].name);

			if (k->live == begin)
				continue;
			k->live = begin;
			k->flows += begin ? 1U : -1U;
			c.flows.granted[i] += begin ? 1U : -1U;
		}
}

/* The guest is gone: no flow is left of it */
static void known_forget(const struct guest *g)
{
	op_live(false);
	names_forget(g);
	for (struct known *k = known; k < known + known_end; k++)
		if (k->used && k->guest == g->index)
			known_drop(k);
}

/* All guests are: the next input begins with the same numbers */
static void known_clear(void)
{
	CHECK(!known_used && !oldest && !newest);
	check_names();
	unused = 1;
	freed = 0;
	known_end = 0;
	known_many = 0;
}

static inline void known_check(unsigned steps)
{
	if (known_used <= SMALL_TABLE || !(steps % LARGE_STEP))
		check_names();
}

#endif /* KNOWN_H */
