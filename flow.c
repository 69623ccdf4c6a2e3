/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow.c - flow table: static entries, chained hash tables, lists threaded through the entries
 *
 * Everything is O(1): links are indices in the entries. Memory is touched as flows come to exist: entries never used
 * are not on the free list but above @unused, and hash heads hold index + 1, so that zero pages mean empty.
 */
#include <assert.h>
#include <string.h>

#include "flow.h"
#include "util.h"

#define HASH_SIZE	(1U << 17)
#define HASH_MASK	(FLOW_NONE >> 1)	/* bits kept in an entry: enough to pass over the others of a chain */

static struct flow flow_table[FLOW_MAX];
static uint32_t flow_hash_head[FLOW_TABLES][HASH_SIZE];

const char *const tcp_state_name[] = {
	[TCP_CLOSED]		= "CLOSED",
	[TCP_CONNECTING]	= "CONNECTING",
	[TCP_SYN_SENT]		= "SYN-SENT",
	[TCP_SYN_RCVD]		= "SYN-RECEIVED",
	[TCP_ESTABLISHED]	= "ESTABLISHED",
	[TCP_CLOSE_WAIT]	= "CLOSE-WAIT",
	[TCP_FIN_WAIT_1]	= "FIN-WAIT-1",
	[TCP_FIN_WAIT_2]	= "FIN-WAIT-2",
	[TCP_CLOSING]		= "CLOSING",
	[TCP_LAST_ACK]		= "LAST-ACK",
};
static_assert(ARRAY_SIZE(tcp_state_name) == TCP_STATES, "a name for every state");

/* Hashed as it is, so there is no padding; without the second half for IPv4. By one endpoint: @our is the number. */
struct flow_key {
	uint32_t	ports;
	uint16_t	type, guest;
	uint32_t	peer, our;		/* last word of each address: all of an IPv4 one */
	uint32_t	peer6[3], our6[3];	/* those before it */
};

void flows_init(struct flows *fs)
{
	*fs = (struct flows){ .f = flow_table, .free = FLOW_NONE, .dead = FLOW_NONE };
	for (unsigned i = 0; i < GUEST_MAX; i++)
		for (unsigned k = 0; k < LRU_LISTS; k++)
			fs->lru[i][k] = (struct flow_list){ .head = FLOW_NONE, .tail = FLOW_NONE };
	for (unsigned i = 0; i < WAIT_LISTS; i++)
		fs->wait[i] = (struct flow_list){ .head = FLOW_NONE, .tail = FLOW_NONE };
	random_bytes(fs->key, sizeof(fs->key));
}

struct flow *flow_get(const struct flows *fs, uint32_t idx, uint16_t gen)
{
	struct flow *f = &fs->f[idx];

	return idx < fs->unused && f->type != FLOW_FREE && !f->dead && f->gen == gen ? f : NULL;
}

struct flow *flow_alloc(struct flows *fs, const struct flow_ops *ops, unsigned guest, uint64_t now)
{
	struct flow *f;
	uint16_t gen;

	if (fs->free != FLOW_NONE) {
		f = &fs->f[fs->free];
		fs->free = f->link[LINK_WAIT].next;
	} else if (fs->unused < FLOW_MAX) {
		f = &fs->f[fs->unused++];
	} else {
		return NULL;
	}

	gen = f->gen;
	*f = (struct flow){
		.ops = ops, .type = (uint8_t)ops->type, .guest = (uint8_t)guest, .gen = gen, .created = now,
		.id = fs->id,
		.batch_head = UINT16_MAX, .batch_tail = UINT16_MAX, .lru = LRU_LISTS,
		.hash = { FLOW_NONE, FLOW_NONE, FLOW_NONE, FLOW_NONE },
	};
	fs->count[ops->type]++;
	fs->opened[ops->type]++;
	fs->used++;
	fs->of_guest[guest]++;
	fs->fds += ops->fds;
	return f;
}

/* Is it a matter of one socket, which belongs to one guest anyway? */
static bool any_guest(unsigned table, const struct end *our)
{
	return table == HOST && !our;
}

static inline uint32_t hash_of(const struct flows *fs, unsigned table, unsigned guest, unsigned type, uint32_t key,
			       const struct end *peer, const struct end *our)
{
	struct flow_key k = {
		.ports = (our ? (uint32_t)our->port << 16 : 0) | peer->port,
		.type = (uint16_t)type, .guest = (uint16_t)(any_guest(table, our) ? 0 : guest),
		.peer = peer->a.w[3], .our = our ? our->a.w[3] : key,
	};
	size_t len = offsetof(struct flow_key, peer6);

	if (!addr_is_v4(&peer->a)) {
		len = sizeof(k);
		memcpy(k.peer6, &peer->a, sizeof(k.peer6));
		if (our)
			memcpy(k.our6, &our->a, sizeof(k.our6));
	}
	return (uint32_t)siphash(fs->key, &k, len) & HASH_MASK;
}

/* Endpoints of a flow by number: peer and our of each side */
static const struct end *end_of(const struct flow *f, unsigned n)
{
	return n % 2 ? &f->side[n / 2].our : &f->side[n / 2].peer;
}

void flow_hash(struct flows *fs, struct flow *f, unsigned table, uint32_t key, const struct end *peer,
	       const struct end *our)
{
	uint32_t hash = hash_of(fs, table, f->guest, f->type, key, peer, our);
	uint32_t *head = &flow_hash_head[table][hash % HASH_SIZE];
	uint8_t n = 0;

	assert(f->hash[table] == FLOW_NONE);
	while (end_of(f, n) != peer)
		n++;
	f->key[table] = key;
	f->at[table] = n;
	f->hash[table] = hash;
	f->hnext[table] = *head - 1;		/* 0, empty, becomes FLOW_NONE */
	*head = flow_idx(fs, f) + 1;
}

struct flow *flow_find(const struct flows *fs, unsigned table, unsigned guest, enum flow_type type, uint32_t key,
		       const struct end *peer, const struct end *our)
{
	uint32_t hash = hash_of(fs, table, guest, type, key, peer, our);
	uint32_t i = flow_hash_head[table][hash % HASH_SIZE] - 1;

	for (; i != FLOW_NONE; i = fs->f[i].hnext[table]) {
		struct flow *f = &fs->f[i];

		if (f->hash[table] == hash && f->type == type && (f->guest == guest || any_guest(table, our)) &&
		    f->key[table] == key && end_eq(end_of(f, f->at[table]), peer) &&
		    (!our || end_eq(&f->side[table].our, our)))
			return f;
	}
	return NULL;
}

void flow_unhash(struct flows *fs, struct flow *f, unsigned table)
{
	uint32_t *head, i, idx = flow_idx(fs, f);

	if (f->hash[table] == FLOW_NONE)
		return;

	head = &flow_hash_head[table][f->hash[table] % HASH_SIZE];
	if (*head == idx + 1) {
		*head = f->hnext[table] + 1;
	} else {
		for (i = *head - 1; fs->f[i].hnext[table] != idx; )
			i = fs->f[i].hnext[table];
		fs->f[i].hnext[table] = f->hnext[table];
	}
	f->hash[table] = f->hnext[table] = FLOW_NONE;
}

void flow_hash_end(struct flows *fs, struct flow *f, unsigned table, uint32_t key, const struct end *e)
{
	struct flow *old = flow_find_end(fs, f->guest, table, f->type, key, e);

	if (old)
		flow_unhash(fs, old, table);
	flow_hash(fs, f, table, key, e, NULL);
}

static void link_add(struct flows *fs, struct flow_list *l, struct flow *f, unsigned link)
{
	uint32_t idx = flow_idx(fs, f);

	f->link[link].prev = l->tail;
	f->link[link].next = FLOW_NONE;
	*(l->tail == FLOW_NONE ? &l->head : &fs->f[l->tail].link[link].next) = idx;
	l->tail = idx;
	l->n++;
}

static void link_remove(struct flows *fs, struct flow_list *l, const struct flow *f, unsigned link)
{
	uint32_t prev = f->link[link].prev, next = f->link[link].next;

	*(prev == FLOW_NONE ? &l->head : &fs->f[prev].link[link].next) = next;
	*(next == FLOW_NONE ? &l->tail : &fs->f[next].link[link].prev) = prev;
	l->n--;
}

void flow_wait(struct flows *fs, struct flow *f, enum flow_wait wait)
{
	if (f->wait == wait)
		return;
	if (f->wait != WAIT_NONE)
		link_remove(fs, &fs->wait[wait_list(f->wait, f->guest)], f, LINK_WAIT);
	if (wait != WAIT_NONE)
		link_add(fs, &fs->wait[wait_list(wait, f->guest)], f, LINK_WAIT);
	f->wait = (uint8_t)wait;
	if (flow_waits(fs, wait_list(WAIT_READY, f->guest)))
		guests_add(&fs->ready, f->guest);
	else
		guests_del(&fs->ready, f->guest);
}

struct flow *flow_next(struct flows *fs, unsigned list)
{
	struct flow *f;

	if (!flow_waits(fs, list))
		return NULL;

	f = &fs->f[fs->wait[list].head];
	flow_wait(fs, f, WAIT_NONE);
	return f;
}

static void lru_remove(struct flows *fs, struct flow *f)
{
	if (f->lru != LRU_LISTS)
		link_remove(fs, &fs->lru[f->guest][f->lru], f, LINK_LRU);
	f->lru = LRU_LISTS;
}

void flow_touch(struct flows *fs, struct flow *f, bool answered)
{
	enum flow_lru lru = (f->ops->shares ? LRU_SILENT : LRU_SOCKET_SILENT) + answered;
	struct flow_list *l = &fs->lru[f->guest][lru];

	if (l->tail == flow_idx(fs, f))
		return;
	lru_remove(fs, f);
	link_add(fs, l, f, LINK_LRU);
	f->lru = (uint8_t)lru;
}

struct flow *flow_oldest(const struct flows *fs, unsigned guest, enum flow_lru lru)
{
	uint32_t idx = fs->lru[guest][lru].head;

	return idx == FLOW_NONE ? NULL : &fs->f[idx];
}

void flow_move(struct flows *fs, struct flow *f, unsigned guest)
{
	flow_wait(fs, f, WAIT_NONE);
	fs->of_guest[f->guest]--;
	fs->of_guest[guest]++;
	f->guest = (uint8_t)guest;
}

void flow_end(struct flows *fs, struct flow *f)
{
	assert(!f->dead);

	for (unsigned table = 0; table < FLOW_TABLES; table++)
		flow_unhash(fs, f, table);
	flow_wait(fs, f, WAIT_NONE);
	lru_remove(fs, f);

	fs->count[f->type]--;
	fs->ended[f->type]++;
	fs->used--;
	fs->of_guest[f->guest]--;
	fs->fds -= f->ops->fds;
	fs->granted[f->decision.grant]--;
	f->dead = true;
	f->gen = (f->gen + 1) % (1U << 10);
	f->link[LINK_WAIT].next = fs->dead;
	fs->dead = flow_idx(fs, f);
}

void flow_bury(struct flows *fs)
{
	while (fs->dead != FLOW_NONE) {
		struct flow *f = &fs->f[fs->dead];

		fs->dead = f->link[LINK_WAIT].next;
		f->type = FLOW_FREE;
		f->dead = false;
		f->link[LINK_WAIT].next = fs->free;
		fs->free = flow_idx(fs, f);
	}
}
