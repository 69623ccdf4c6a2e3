/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_test.c - the flow table against arrays that are searched from one end to the other
 *
 * Random operations, with a hash that is good, or that puts all flows into the first and the last buckets.
 */
#include "../draw.h"
#include "../t.h"
#include "../../util.h"

/* flow.c's hash, as bad as a test wants it */
static uint64_t test_hash(const uint64_t key[2], const void *data, size_t len);
#define siphash test_hash
#include "../../flow.c"
#undef siphash

static unsigned buckets;	/* 0: a good hash; else so many buckets, around the end of the table */

static uint64_t test_hash(const uint64_t key[2], const void *data, size_t len)
{
	uint64_t h = siphash(key, data, len);

	return buckets ? HASH_SIZE - buckets / 2 + h % buckets : h;
}

static struct flows fs;

static const struct flow_ops verbs[FLOW_TYPES] = {
	[FLOW_TCP]	= { .type = FLOW_TCP, .fds = 3 },
	[FLOW_UDP]	= { .type = FLOW_UDP, .shares = true },
	[FLOW_PING]	= { .type = FLOW_PING },
};

static void fresh(void)
{
	memset(flow_table, 0, sizeof(flow_table));
	memset(flow_hash_head, 0, sizeof(flow_hash_head));
	flows_init(&fs);
}

/* The model: what is alive, in the order in which it came, and the lists */
#define LIVE	300

static struct {
	struct flow	*f;
	enum flow_type	type;
	struct side	guest;
	struct end	host;
	uint32_t	key;
	bool		in[2];		/* hash tables */
} live[LIVE];
static unsigned nlive;

static struct list {
	struct flow	*f[LIVE];
	unsigned	n;
} wait_model[WAIT_KINDS], lru_model[LRU_LISTS], dead_model;

static void list_del(struct list *l, const struct flow *f)
{
	for (unsigned i = 0; i < l->n; i++) {
		if (l->f[i] != f)
			continue;
		memmove(l->f + i, l->f + i + 1, (--l->n - i) * sizeof(l->f[0]));
		return;
	}
}

static void list_add(struct list *l, struct flow *f)
{
	l->f[l->n++] = f;
}

static void model_fresh(void)
{
	fresh();
	nlive = dead_model.n = 0;
	for (unsigned i = 0; i < LRU_LISTS; i++)
		lru_model[i].n = 0;
	for (unsigned i = 0; i < WAIT_KINDS; i++)
		wait_model[i].n = 0;
}

/* Few addresses and ports, so that keys differ in little and often are the same but for the type */
static struct end some_end(void)
{
	struct end e = { .a = addr_any4, .port = (uint16_t)(1 + below(4)) };

	e.a.b[15] = (uint8_t)below(3);
	if (!below(4))
		e.a = addr_any6;
	return e;
}

static struct flow *search_guest(enum flow_type type, const struct end *peer, const struct end *our)
{
	for (unsigned i = 0; i < nlive; i++)
		if (live[i].in[GUEST] && live[i].type == type && end_eq(&live[i].guest.peer, peer) &&
		    end_eq(&live[i].guest.our, our))
			return live[i].f;
	return NULL;
}

static struct flow *search_host(enum flow_type type, uint32_t key, const struct end *peer)
{
	for (unsigned i = 0; i < nlive; i++)
		if (live[i].in[HOST] && live[i].type == type && live[i].key == key && end_eq(&live[i].host, peer))
			return live[i].f;
	return NULL;
}

/* A flow with both keys, where they are free: no two flows have the same */
static void add_one(void)
{
	enum flow_type type = below(2) ? FLOW_UDP : below(2) ? FLOW_TCP : FLOW_PING;
	struct side s = { some_end(), some_end() };
	struct end host = some_end();
	uint32_t key = below(3);
	struct flow *f;

	if (nlive == LIVE || search_guest(type, &s.peer, &s.our))
		return;
	f = flow_alloc(&fs, &verbs[type], 0, 5);
	if (!ok(f) || !ok(f->type == type && f->wait == WAIT_NONE && f->lru == LRU_LISTS && !f->dead))
		return;
	ok(f->hash[GUEST] == FLOW_NONE && f->hash[HOST] == FLOW_NONE && f->batch_head == UINT16_MAX && f->created == 5);
	f->side[GUEST] = s;
	f->side[HOST].peer = host;
	live[nlive].f = f;
	live[nlive].type = type;
	live[nlive].guest = s;
	live[nlive].host = host;
	live[nlive].key = key;
	live[nlive].in[GUEST] = below(8);
	live[nlive].in[HOST] = below(2) && !search_host(type, key, &host);
	if (live[nlive].in[GUEST])
		flow_hash_guest(&fs, f);
	if (live[nlive].in[HOST])
		flow_hash_host(&fs, f, key);
	nlive++;
}

static void end_one(void)
{
	unsigned i = nlive ? below(nlive) : 0;
	struct flow *f;

	if (!nlive)
		return;
	f = live[i].f;
	flow_end(&fs, f);
	for (unsigned w = 0; w < WAIT_KINDS; w++)
		list_del(&wait_model[w], f);
	for (unsigned l = 0; l < LRU_LISTS; l++)
		list_del(&lru_model[l], f);
	list_add(&dead_model, f);
	live[i] = live[--nlive];
}

static void find_all(void)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < nlive; i++) {
		if (live[i].in[GUEST])
			wrong += flow_find_guest(&fs, 0, live[i].type, &live[i].guest.peer, &live[i].guest.our) !=
				 live[i].f;
		if (live[i].in[HOST])
			wrong += flow_find_host(&fs, live[i].type, live[i].key, &live[i].host) != live[i].f;
		wrong += flow_get(&fs, flow_idx(&fs, live[i].f), live[i].f->gen) != live[i].f;
	}
	eq(wrong, 0);
}

static void find_some(void)
{
	enum flow_type type = below(2) ? FLOW_UDP : below(2) ? FLOW_TCP : FLOW_PING;
	struct end a = some_end(), b = some_end();
	uint32_t key = below(3);

	ok(flow_find_guest(&fs, 0, type, &a, &b) == search_guest(type, &a, &b));
	ok(flow_find_host(&fs, type, key, &a) == search_host(type, key, &a));
}

static void bury(void)
{
	unsigned wrong = 0;

	flow_bury(&fs);
	for (unsigned i = 0; i < dead_model.n; i++)
		wrong += dead_model.f[i]->type != FLOW_FREE || dead_model.f[i]->dead;
	eq(wrong, 0);
	ok(fs.dead == FLOW_NONE);
	dead_model.n = 0;
}

static void check_counts(void)
{
	unsigned n[FLOW_TYPES] = { 0 };

	for (unsigned i = 0; i < nlive; i++)
		n[live[i].type]++;
	for (unsigned t = 0; t < FLOW_TYPES; t++)
		eq(fs.count[t], n[t]);
	eq(fs.used, nlive);
	eq(fs.fds, 3 * n[FLOW_TCP]);
}

/* TCP-21: whatever comes and goes, the table finds what a linear search does */
static void test_hash_property(unsigned n_buckets, unsigned ops)
{
	test("TCP-21 hash against linear search, %s", !n_buckets ? "good hash" : n_buckets == 1 ? "one bucket" :
	     "buckets at both ends of the table");
	buckets = n_buckets;
	seed = 21 + n_buckets;
	model_fresh();
	for (unsigned i = 0; i < ops; i++) {
		unsigned grow = i / 1000 % 2 ? 3 : 6;	/* fills, and empties again */

		if (below(10) < grow)
			add_one();
		else
			end_one();
		find_some();
		if (!below(7))
			bury();
		if (!below(20))
			find_all();
	}
	check_counts();
	while (nlive)
		end_one();
	bury();
	check_counts();
	for (unsigned i = 0; i < 2 * HASH_SIZE; i++)
		if (flow_hash_head[i / HASH_SIZE][i % HASH_SIZE] && !ok(!"empty buckets are empty"))
			break;
	buckets = 0;
}

static void test_key(void)
{
	struct end a = { addr_loopback4, 1 }, b = { addr_loopback4, 2 }, c = { addr_loopback6, 2 };
	struct flow *f;

	test("TCP-21 keys: each part of them tells flows apart, and nothing else does");
	fresh();
	eq(sizeof(struct flow_key), 2 * sizeof(struct addr) + 8);
	f = flow_alloc(&fs, &verbs[FLOW_UDP], 0, 0);
	f->side[GUEST] = (struct side){ a, b };
	f->side[HOST] = (struct side){ b, a };
	buckets = 1;
	flow_hash_guest(&fs, f);
	flow_hash_host(&fs, f, 7);
	ok(flow_find_guest(&fs, 0, FLOW_UDP, &a, &b) == f);
	ok(!flow_find_guest(&fs, 0, FLOW_UDP, &b, &a));
	ok(!flow_find_guest(&fs, 0, FLOW_TCP, &a, &b));
	ok(!flow_find_guest(&fs, 1, FLOW_UDP, &a, &b));
	ok(flow_find_host(&fs, FLOW_UDP, 7, &b) == f);
	ok(!flow_find_host(&fs, FLOW_UDP, 8, &b));
	ok(!flow_find_host(&fs, FLOW_UDP, 7, &a));
	ok(!flow_find_host(&fs, FLOW_TCP, 7, &b));
	buckets = 0;
	ok(hash_of(&fs, GUEST, 0, FLOW_UDP, 0, &a, &b) != hash_of(&fs, GUEST, 0, FLOW_UDP, 0, &b, &a));
	ok(hash_of(&fs, GUEST, 0, FLOW_UDP, 0, &a, &b) != hash_of(&fs, GUEST, 0, FLOW_TCP, 0, &a, &b));
	ok(hash_of(&fs, GUEST, 0, FLOW_UDP, 0, &a, &b) != hash_of(&fs, GUEST, 0, FLOW_UDP, 0, &a, &c));
	ok(hash_of(&fs, GUEST, 0, FLOW_UDP, 0, &b, &a) != hash_of(&fs, GUEST, 0, FLOW_UDP, 0, &c, &a));
	ok(hash_of(&fs, BY_ANSWER, 0, FLOW_UDP, 7, &b, NULL) != hash_of(&fs, BY_ANSWER, 0, FLOW_UDP, 7, &c, NULL));
	ok(hash_of(&fs, GUEST, 0, FLOW_UDP, 0, &a, &b) != hash_of(&fs, GUEST, 1, FLOW_UDP, 0, &a, &b));
	ok(hash_of(&fs, BY_ANSWER, 0, FLOW_UDP, 7, &a, NULL) != hash_of(&fs, BY_ANSWER, 0, FLOW_UDP, 8, &a, NULL));
	ok(hash_of(&fs, BY_ANSWER, 0, FLOW_UDP, 7, &a, NULL) != hash_of(&fs, BY_ANSWER, 0, FLOW_UDP, 7, &b, NULL));
}

/* Tables by a number and an endpoint: one flow for each, the last */
static void test_by_end(void)
{
	struct end a = { addr_loopback4, 1 }, b = { addr_loopback4, 2 };
	struct flow *f[3];

	test("by a number and any endpoint: each part counts, the last flow does, and none that has ended");
	fresh();
	buckets = 1;
	for (unsigned i = 0; i < 3; i++) {
		f[i] = flow_alloc(&fs, &verbs[FLOW_UDP], 0, 0);
		f[i]->side[GUEST] = (struct side){ a, b };
		f[i]->side[HOST] = (struct side){ b, a };
	}
	flow_hash_end(&fs, f[0], BY_ANSWER, 7, &f[0]->side[GUEST].peer);
	flow_hash_end(&fs, f[0], BY_CLIENT, 8, &f[0]->side[GUEST].our);
	ok(flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP, 7, &a) == f[0]);
	ok(flow_find_end(&fs, 0, BY_CLIENT, FLOW_UDP, 8, &b) == f[0]);
	ok(!flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP, 7, &b) && !flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP, 8, &a));
	ok(!flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP_SPLICE, 7, &a));
	ok(!flow_find_end(&fs, 0, BY_CLIENT, FLOW_UDP, 7, &a));
	ok(!flow_find_end(&fs, 1, BY_ANSWER, FLOW_UDP, 7, &a) && !flow_find_end(&fs, 1, BY_CLIENT, FLOW_UDP, 8, &b));
	flow_hash_end(&fs, f[1], BY_ANSWER, 7, &f[1]->side[HOST].our);
	ok(flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP, 7, &a) == f[1] && f[0]->hash[BY_ANSWER] == FLOW_NONE);
	flow_hash_end(&fs, f[2], BY_ANSWER, 7, &f[2]->side[HOST].peer);
	flow_end(&fs, f[1]);
	ok(!flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP, 7, &a));
	ok(flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP, 7, &b) == f[2]);
	flow_hash_end(&fs, f[0], BY_ANSWER, 7, &f[0]->side[GUEST].peer);
	ok(flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP, 7, &a) == f[0]);
	flow_end(&fs, f[0]);
	flow_end(&fs, f[2]);
	ok(!flow_find_end(&fs, 0, BY_CLIENT, FLOW_UDP, 8, &b) && !flow_find_end(&fs, 0, BY_ANSWER, FLOW_UDP, 7, &b));
	for (unsigned t = 0; t < FLOW_TABLES; t++)
		for (unsigned i = 0; i < HASH_SIZE; i++)
			if (flow_hash_head[t][i] && !ok(!"empty buckets are empty"))
				break;
	buckets = 0;
}

static void test_closed_never_matches(void)
{
	struct end a = { addr_loopback4, 1 }, b = { addr_loopback4, 2 };
	struct flow *f, *g;
	uint16_t gen;

	test("TCP-20 a closed flow never matches, and the same addresses may be used again at once");
	fresh();
	f = flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0);
	f->side[GUEST] = (struct side){ a, b };
	flow_hash_guest(&fs, f);
	flow_wait(&fs, f, WAIT_READY);
	gen = f->gen;
	ok(flow_get(&fs, 0, gen) == f);
	flow_end(&fs, f);
	ok(!flow_find_guest(&fs, 0, FLOW_TCP, &a, &b));
	ok(!flow_get(&fs, 0, gen));
	ok(!flow_get(&fs, 0, f->gen));
	ok(!flow_next(&fs, WAIT_READY));
	eq(fs.count[FLOW_TCP], 0);

	/* Still this turn: the entry is not handed out again */
	g = flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0);
	ok(g != f);
	g->side[GUEST] = (struct side){ a, b };
	flow_hash_guest(&fs, g);
	ok(flow_find_guest(&fs, 0, FLOW_TCP, &a, &b) == g);
	flow_bury(&fs);
	ok(flow_find_guest(&fs, 0, FLOW_TCP, &a, &b) == g);
	ok(!flow_get(&fs, 0, gen) && !flow_get(&fs, 0, f->gen));
	ok(flow_alloc(&fs, &verbs[FLOW_UDP], 0, 0) == f);
	ok(!flow_get(&fs, 0, gen));
	ok(flow_get(&fs, 0, f->gen) == f);
}

static void test_generations(void)
{
	uint16_t first, last;
	unsigned same = 0, got_old = 0, big = 0;
	struct flow *f;

	test("generations: an event of an earlier owner is recognised, 1023 owners long");
	fresh();
	f = flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0);
	first = last = f->gen;
	for (unsigned i = 1; i < 1024; i++) {
		flow_end(&fs, f);
		flow_bury(&fs);
		f = flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0);
		same += f->gen == first || f->gen == last;
		got_old += flow_get(&fs, 0, last) || flow_get(&fs, 0, first);
		big += f->gen >= 1024;
		last = f->gen;
	}
	eq(same, 0);
	eq(got_old, 0);
	eq(big, 0);
	flow_end(&fs, f);
	flow_bury(&fs);
	ok(flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0)->gen == first);
	ok(!flow_get(&fs, 1, 0));			/* never used */
	ok(!flow_get(&fs, FLOW_MAX - 1, 0));
	ok(!flow_get(&fs, (1U << 24) - 1, 0));		/* as far as an event's reference can say */
}

static bool list_is(uint32_t head, uint32_t tail, bool lru, const struct list *want)
{
	uint32_t i = head, last = FLOW_NONE, n = 0;

	for (; i != FLOW_NONE && n < want->n; n++) {
		const struct flow *f = &fs.f[i];

		if (f != want->f[n] || f->link[lru].prev != last)
			return false;
		last = i;
		i = f->link[lru].next;
	}
	return i == FLOW_NONE && n == want->n && tail == last;
}

static void check_lists(void)
{
	unsigned wrong = 0;

	for (enum flow_wait w = WAIT_READY; w < WAIT_KINDS; w++) {
		ok(list_is(fs.wait[w].head, fs.wait[w].tail, false, &wait_model[w]));
		for (unsigned i = 0; i < wait_model[w].n; i++)
			wrong += wait_model[w].f[i]->wait != w;
	}
	for (enum flow_lru l = 0; l < LRU_LISTS; l++) {
		ok(list_is(fs.lru[0][l].head, fs.lru[0][l].tail, true, &lru_model[l]));
		ok(flow_oldest(&fs, 0, l) == (lru_model[l].n ? lru_model[l].f[0] : NULL));
		for (unsigned i = 0; i < lru_model[l].n; i++)
			wrong += lru_model[l].f[i]->lru != l;
	}
	eq(wrong, 0);
}

static void list_op(void)
{
	struct flow *f = nlive ? live[below(nlive)].f : NULL, *next;
	enum flow_wait w = (enum flow_wait)below(WAIT_KINDS);
	bool answered = below(2);

	switch (below(8)) {
	case 0:
	case 1:
		add_one();
		return;
	case 2:
		end_one();
		return;
	case 3:
		bury();
		return;
	case 4:
		if (w == WAIT_NONE)
			return;
		next = flow_next(&fs, w);
		ok(next == (wait_model[w].n ? wait_model[w].f[0] : NULL));
		if (next) {
			ok(next->wait == WAIT_NONE);
			list_del(&wait_model[w], next);
		}
		return;
	case 5:
		if (!f)
			return;
		flow_touch(&fs, f, answered);
		for (unsigned l = 0; l < LRU_LISTS; l++)
			list_del(&lru_model[l], f);
		list_add(&lru_model[f->type == FLOW_UDP ? answered : 2 + answered], f);
		return;
	default:
		if (!f)
			return;
		if (f->wait != w) {			/* where it is already, it keeps its place */
			list_del(&wait_model[f->wait], f);
			if (w != WAIT_NONE)
				list_add(&wait_model[w], f);
		}
		flow_wait(&fs, f, w);
	}
}

static void test_lists(unsigned most, unsigned ops)
{
	test("ready, stalled, least recently used and dead against simple lists, up to %u flows", most);
	seed = most;
	model_fresh();
	for (unsigned i = 0; i < ops; i++) {
		while (nlive > most)
			end_one();
		list_op();
		check_lists();
	}
	check_counts();
	find_all();
	while (nlive) {
		end_one();
		check_lists();
	}
}

static void test_full(void)
{
	struct end a = { addr_loopback4, 1 }, b = { addr_loopback4, 2 };
	unsigned n, lost = 0;
	struct flow *f;

	test("table full: no flow, all others are found, and each one buried makes room for one");
	fresh();
	for (n = 0; (f = flow_alloc(&fs, &verbs[FLOW_TCP], 0, n)); n++) {
		a.a.w[3] = n;
		f->side[GUEST] = (struct side){ a, b };
		flow_hash_guest(&fs, f);
		flow_touch(&fs, f, false);
		if (n > FLOW_MAX)
			break;
	}
	eq(n, FLOW_MAX);
	eq(fs.count[FLOW_TCP], FLOW_MAX);
	for (n = 0; n < FLOW_MAX; n++) {
		a.a.w[3] = n;
		lost += flow_find_guest(&fs, 0, FLOW_TCP, &a, &b) != &fs.f[n];
	}
	eq(lost, 0);

	f = flow_oldest(&fs, 0, LRU_SOCKET_SILENT);
	ok(f == &fs.f[0]);
	flow_end(&fs, f);
	ok(!flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0));
	flow_bury(&fs);
	ok(flow_alloc(&fs, &verbs[FLOW_UDP], 0, 0) == f);
	ok(!flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0));
	eq(fs.count[FLOW_TCP], FLOW_MAX - 1);
	eq(fs.count[FLOW_UDP], 1);
	ok(flow_oldest(&fs, 0, LRU_SOCKET_SILENT) == &fs.f[1]);

	/* Last in, first out: what is in cache is used next */
	flow_end(&fs, &fs.f[70]);
	flow_bury(&fs);
	flow_end(&fs, &fs.f[90000]);
	flow_bury(&fs);
	ok(flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0) == &fs.f[90000]);
	ok(flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0) == &fs.f[70]);
	ok(!flow_alloc(&fs, &verbs[FLOW_TCP], 0, 0));
}

static void test_reuse_is_clean(void)
{
	struct flow *f;

	test("an entry used again has nothing of its earlier owner but the generation");
	fresh();
	f = flow_alloc(&fs, &verbs[FLOW_TCP], 0, 1);
	memset(&f->tcp, 0xff, sizeof(f->tcp));
	f->guest = 9;
	f->key[HOST] = 9;
	flow_end(&fs, f);
	flow_bury(&fs);
	f = flow_alloc(&fs, &verbs[FLOW_PING], 0, 2);
	ok(!f->tcp.stash && !f->tcp.keep && !f->tcp.promised && !f->ping.id && !f->guest && !f->key[HOST]);
	ok(!timer_armed(&f->timer) && f->created == 2);
}

int main(void)
{
	test_key();
	test_by_end();
	test_closed_never_matches();
	test_generations();
	test_reuse_is_clean();
	test_hash_property(0, 20000);
	test_hash_property(1, 8000);
	test_hash_property(4, 20000);
	test_lists(3, 20000);
	test_lists(40, 20000);
	test_full();
	return done();
}
