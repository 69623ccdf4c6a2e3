/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow.c - flow table: static entries, chained hash tables, lists threaded through the entries
 *
 * Everything is O(1): links are indices in the entries. Memory is touched as flows come to exist: entries never used are
 * not on the free list but above @unused, and hash heads hold index + 1, so that zero pages mean empty.
 */
#include <assert.h>

#include "flow.h"
#include "util.h"

#define HASH_SIZE	(1U << 17)
#define HASH_MASK	(FLOW_NONE >> 1)	/* what is kept in an entry: in a chain, the others are told apart by it alone */

static struct flow flow_table[FLOW_MAX];
static uint32_t flow_hash[FLOW_TABLES][HASH_SIZE];

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

/* What is hashed: padding would be, too, so there is none */
struct flow_key {
	struct addr	peer, our;
	uint32_t	ports;
	uint16_t	type, guest;
};

void flows_init(struct flows *fs)
{
	*fs = (struct flows){ .f = flow_table, .free = FLOW_NONE, .dead = FLOW_NONE };
	for (unsigned i = 0; i < GUEST_MAX * LRU_LISTS; i++)
		fs->lru[i / LRU_LISTS][i % LRU_LISTS] = (struct flow_list){ .head = FLOW_NONE, .tail = FLOW_NONE };
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
		fs->free = f->wnext;
	} else if (fs->unused < FLOW_MAX) {
		f = &fs->f[fs->unused++];
	} else {
		return NULL;
	}

	gen = f->gen;
	*f = (struct flow){
		.ops = ops, .type = (uint8_t)ops->type, .guest = (uint8_t)guest, .gen = gen, .created = now,
		.batch_head = UINT16_MAX, .batch_tail = UINT16_MAX,
		.hnext = { FLOW_NONE, FLOW_NONE, FLOW_NONE, FLOW_NONE }, .wprev = FLOW_NONE, .wnext = FLOW_NONE,
		.lru = LRU_LISTS, .lprev = FLOW_NONE, .lnext = FLOW_NONE,
		.hash = { FLOW_NONE, FLOW_NONE, FLOW_NONE, FLOW_NONE },
	};
	fs->count[ops->type]++;
	fs->opened[ops->type]++;
	fs->used++;
	fs->fds += ops->fds;
	return f;
}

static uint32_t hash_pair(const struct flows *fs, unsigned guest, unsigned type, const struct end *peer,
			  const struct end *our)
{
	struct flow_key k = {
		.peer = peer->a, .our = our->a, .ports = (uint32_t)peer->port << 16 | our->port,
		.type = (uint16_t)type, .guest = (uint16_t)guest,
	};

	return (uint32_t)siphash(fs->key, &k, sizeof(k)) & HASH_MASK;
}

/* Of the host's side: @key is a socket's, whichever guest that belongs to, and @guest is 0 */
static uint32_t hash_end(const struct flows *fs, unsigned guest, unsigned type, uint32_t key, const struct end *peer)
{
	struct flow_key k = {
		.peer = peer->a, .our.w = { key }, .ports = peer->port,
		.type = (uint16_t)type, .guest = (uint16_t)guest,
	};

	return (uint32_t)siphash(fs->key, &k, sizeof(k)) & HASH_MASK;
}

static void hash_insert(struct flows *fs, struct flow *f, unsigned table, uint32_t hash)
{
	uint32_t *head = &flow_hash[table][hash % HASH_SIZE];

	assert(f->hash[table] == FLOW_NONE);
	f->hash[table] = hash;
	f->hnext[table] = *head - 1;		/* 0, empty, becomes FLOW_NONE */
	*head = flow_idx(fs, f) + 1;
}

static void hash_remove(struct flows *fs, struct flow *f, unsigned table)
{
	uint32_t *head, i, idx = flow_idx(fs, f);

	if (f->hash[table] == FLOW_NONE)
		return;

	head = &flow_hash[table][f->hash[table] % HASH_SIZE];
	if (*head == idx + 1) {
		*head = f->hnext[table] + 1;
	} else {
		for (i = *head - 1; fs->f[i].hnext[table] != idx; )
			i = fs->f[i].hnext[table];
		fs->f[i].hnext[table] = f->hnext[table];
	}
	f->hash[table] = f->hnext[table] = FLOW_NONE;
}

void flow_hash_pair(struct flows *fs, struct flow *f, unsigned side)
{
	hash_insert(fs, f, side, hash_pair(fs, f->guest, f->type, &f->side[side].peer, &f->side[side].our));
}

void flow_hash_host(struct flows *fs, struct flow *f, uint32_t key)
{
	f->host_key = key;
	hash_insert(fs, f, HOST, hash_end(fs, 0, f->type, key, &f->side[HOST].peer));
}

static bool same_kind(const struct flow *f, unsigned guest, enum flow_type type)
{
	return f->type == type && f->guest == guest;
}

struct flow *flow_find_pair(const struct flows *fs, unsigned guest, unsigned side, enum flow_type type,
			    const struct end *peer, const struct end *our)
{
	uint32_t hash = hash_pair(fs, guest, type, peer, our), i = flow_hash[side][hash % HASH_SIZE] - 1;

	for (; i != FLOW_NONE; i = fs->f[i].hnext[side]) {
		struct flow *f = &fs->f[i];

		if (f->hash[side] == hash && same_kind(f, guest, type) && end_eq(&f->side[side].peer, peer) &&
		    end_eq(&f->side[side].our, our))
			return f;
	}
	return NULL;
}

struct flow *flow_find_host(const struct flows *fs, enum flow_type type, uint32_t key, const struct end *peer)
{
	uint32_t hash = hash_end(fs, 0, type, key, peer), i = flow_hash[HOST][hash % HASH_SIZE] - 1;

	for (; i != FLOW_NONE; i = fs->f[i].hnext[HOST]) {
		struct flow *f = &fs->f[i];

		if (f->hash[HOST] == hash && f->type == type && f->host_key == key && end_eq(&f->side[HOST].peer, peer))
			return f;
	}
	return NULL;
}

/* Endpoints of a flow by number */
static const struct end *end_of(const struct flow *f, unsigned n)
{
	const struct side *s = &f->side[n / 2];

	return n % 2 ? &s->our : &s->peer;
}

void flow_hash_end(struct flows *fs, struct flow *f, unsigned table, uint32_t key, const struct end *e)
{
	struct flow *old = flow_find_end(fs, f->guest, table, f->type, key, e);
	uint8_t n = 0;

	if (old)
		hash_remove(fs, old, table);
	while (end_of(f, n) != e)
		n++;
	f->end_key[table - BY_ANSWER] = key;
	f->end_at[table - BY_ANSWER] = n;
	hash_insert(fs, f, table, hash_end(fs, f->guest, f->type, key, e));
}

struct flow *flow_find_end(const struct flows *fs, unsigned guest, unsigned table, enum flow_type type, uint32_t key,
			   const struct end *e)
{
	uint32_t hash = hash_end(fs, guest, type, key, e), i = flow_hash[table][hash % HASH_SIZE] - 1;
	unsigned n = table - BY_ANSWER;

	for (; i != FLOW_NONE; i = fs->f[i].hnext[table]) {
		struct flow *f = &fs->f[i];

		if (f->hash[table] == hash && same_kind(f, guest, type) && f->end_key[n] == key &&
		    end_eq(end_of(f, f->end_at[n]), e))
			return f;
	}
	return NULL;
}

/* The list that @f is on */
static struct flow_list *wait_list(struct flows *fs, const struct flow *f)
{
	return &fs->wait[f->wait == WAIT_STALLED ? WAIT_STALLED + f->guest : f->wait];
}

void flow_wait(struct flows *fs, struct flow *f, enum flow_wait wait)
{
	uint32_t idx = flow_idx(fs, f);
	struct flow_list *l;

	if (f->wait == wait)
		return;

	if (f->wait != WAIT_NONE) {
		l = wait_list(fs, f);
		*(f->wprev == FLOW_NONE ? &l->head : &fs->f[f->wprev].wnext) = f->wnext;
		*(f->wnext == FLOW_NONE ? &l->tail : &fs->f[f->wnext].wprev) = f->wprev;
		f->wprev = f->wnext = FLOW_NONE;
	}

	f->wait = (uint8_t)wait;
	if (wait != WAIT_NONE) {
		l = wait_list(fs, f);
		f->wprev = l->tail;
		*(l->tail == FLOW_NONE ? &l->head : &fs->f[l->tail].wnext) = idx;
		l->tail = idx;
	}
}

struct flow *flow_next(struct flows *fs, unsigned list)
{
	struct flow *f;

	if (fs->wait[list].head == FLOW_NONE)
		return NULL;

	f = &fs->f[fs->wait[list].head];
	flow_wait(fs, f, WAIT_NONE);
	return f;
}

static void lru_remove(struct flows *fs, struct flow *f)
{
	struct flow_list *l = &fs->lru[f->guest][f->lru];

	if (f->lru == LRU_LISTS)
		return;

	*(f->lprev == FLOW_NONE ? &l->head : &fs->f[f->lprev].lnext) = f->lnext;
	*(f->lnext == FLOW_NONE ? &l->tail : &fs->f[f->lnext].lprev) = f->lprev;
	f->lprev = f->lnext = FLOW_NONE;
	f->lru = LRU_LISTS;
	l->n--;
}

void flow_touch(struct flows *fs, struct flow *f, bool answered)
{
	enum flow_lru lru = (f->ops->shares ? LRU_SILENT : LRU_SOCKET_SILENT) + answered;
	struct flow_list *l = &fs->lru[f->guest][lru];
	uint32_t idx = flow_idx(fs, f);

	if (l->tail == idx)
		return;

	lru_remove(fs, f);
	f->lprev = l->tail;
	*(l->tail == FLOW_NONE ? &l->head : &fs->f[l->tail].lnext) = idx;
	l->tail = idx;
	f->lru = (uint8_t)lru;
	l->n++;
}

struct flow *flow_oldest(const struct flows *fs, unsigned guest, enum flow_lru lru)
{
	uint32_t idx = fs->lru[guest][lru].head;

	return idx == FLOW_NONE ? NULL : &fs->f[idx];
}

void flow_end(struct flows *fs, struct flow *f)
{
	assert(!f->dead);

	for (unsigned table = 0; table < FLOW_TABLES; table++)
		hash_remove(fs, f, table);
	flow_wait(fs, f, WAIT_NONE);
	lru_remove(fs, f);

	fs->count[f->type]--;
	fs->ended[f->type]++;
	fs->used--;
	fs->fds -= f->ops->fds;
	f->dead = true;
	f->gen = (f->gen + 1) % (1U << 10);
	f->wnext = fs->dead;
	fs->dead = flow_idx(fs, f);
}

void flow_bury(struct flows *fs)
{
	while (fs->dead != FLOW_NONE) {
		struct flow *f = &fs->f[fs->dead];

		fs->dead = f->wnext;
		f->type = FLOW_FREE;
		f->dead = false;
		f->wnext = fs->free;
		fs->free = flow_idx(fs, f);
	}
}
