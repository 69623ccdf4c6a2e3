/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reclaim.c - the datagram flow that gives way when descriptors, flow entries or a guest's share are used up */
#include <errno.h>
#include <sys/resource.h>

#include "event.h"
#include "reclaim.h"

#define OLD_ONES	64		/* flows examined of each list */
#define SILENT_PART	8		/* one in so many flows may be unanswered, and safe from other such */

/* Ends the first flow of a list that is not in use at the moment. Return: false if there is none */
static bool oldest_gives_way(struct ctx *c, unsigned guest, enum flow_lru lru)
{
	struct flow *f;

	for (unsigned i = 0; i < 2 * TAP_BATCH && (f = flow_oldest(&c->flows, guest, lru)); i++) {
		if (f->ops->end(c, f))
			return true;
		flow_touch(&c->flows, f, lru == LRU_ANSWERED || lru == LRU_SOCKET_ANSWERED);
	}
	return false;
}

/* The guest with the most flows on its lists from @first on */
static unsigned largest(const struct ctx *c, enum flow_lru first)
{
	uint32_t most = 0;
	unsigned guest = 0;

	for (unsigned i = 0; c->guests > 1 && i < c->guests; i++) {
		uint32_t n = 0;

		for (unsigned l = first; l < LRU_LISTS; l++)
			n += c->flows.lru[i][l].n;
		if (n > most) {
			most = n;
			guest = i;
		}
	}
	return guest;
}

/* Do @silent unanswered flows give way before @answered others? Unless they are few: answers are on their way to these,
 * and in a table full of old flows, new ones would end each other.
 */
static bool silent_first(uint32_t silent, uint32_t answered)
{
	return silent > answered / (SILENT_PART - 1);
}

/* The list of sockets that gives way first */
static enum flow_lru sockets_first(const struct flow_list *l)
{
	return LRU_SOCKET_SILENT + !silent_first(l[LRU_SOCKET_SILENT].n, l[LRU_SOCKET_ANSWERED].n);
}

/* If no unanswered one can give way, as all have packets in the current batch, answered ones stay, too */
static bool socket_of(struct ctx *c, unsigned guest)
{
	enum flow_lru first = sockets_first(c->flows.lru[guest]);

	return oldest_gives_way(c, guest, first) ||
	       (first == LRU_SOCKET_ANSWERED && oldest_gives_way(c, guest, LRU_SOCKET_SILENT));
}

/* As oldest_gives_way(), of flows with a descriptor below @limit */
static bool oldest_below(struct ctx *c, unsigned guest, enum flow_lru lru, int limit)
{
	uint32_t i = c->flows.lru[guest][lru].head;

	for (unsigned n = 0; i != FLOW_NONE && n < OLD_ONES; n++, i = c->flows.f[i].link[LINK_LRU].next) {
		struct flow *f = &c->flows.f[i];

		if (f->sock >= 0 && f->sock < limit && f->ops->end(c, f))
			return true;
	}
	return false;
}

bool reclaim_below(struct ctx *c, int limit)
{
	unsigned guest = largest(c, LRU_SOCKET_SILENT);
	enum flow_lru first = sockets_first(c->flows.lru[guest]);

	return oldest_below(c, guest, first, limit) ||
	       oldest_below(c, guest, LRU_SOCKET_SILENT + LRU_SOCKET_ANSWERED - first, limit);
}

/* A flow entry, which is free after this turn */
static void entry_gives_way(struct ctx *c)
{
	static const enum flow_lru list[] = { LRU_SILENT, LRU_SOCKET_SILENT, LRU_ANSWERED, LRU_SOCKET_ANSWERED };
	unsigned guest = largest(c, LRU_SILENT);
	const struct flow_list *l = c->flows.lru[guest];
	uint32_t silent = l[LRU_SILENT].n + l[LRU_SOCKET_SILENT].n;
	unsigned first = silent_first(silent, l[LRU_ANSWERED].n + l[LRU_SOCKET_ANSWERED].n) ? 0 : 2;

	for (unsigned i = 0; i < ARRAY_SIZE(list); i++)
		if (oldest_gives_way(c, guest, list[(first + i) % ARRAY_SIZE(list)]))
			return;
}

void reclaim_limit(struct ctx *c)
{
	uint32_t ports = c->fwd.eph[false].last - c->fwd.eph[false].first + 1U;
	struct rlimit lim;

	c->sockets_max = MAX(ports / 2, 1U);
	if (!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur / 2 < c->sockets_max)
		c->sockets_max = MAX((uint32_t)lim.rlim_cur / 2, 1U);
}

bool reclaim_share(struct ctx *c, struct guest *g)
{
	for (unsigned i = 0; i < RECLAIM_TRIES && c->sockets_max && g->sockets >= c->sockets_max; i++)
		socket_of(c, g->index);
	return !c->sockets_max || g->sockets < c->sockets_max;
}

bool reclaim_for(struct ctx *c, int rc)
{
	return (rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM) &&
	       socket_of(c, largest(c, LRU_SOCKET_SILENT));
}

/* Has the guest its share of flows, or of descriptors, and is the rest there for others? Half of the table is in equal
 * shares; whoever has one can have what is free, and no other guest's share, whether that is connected yet or not.
 */
static bool share_full(struct ctx *c, const struct guest *g)
{
	uint32_t n = c->net.cf->guests, all = FLOW_MAX, used = c->flows.used, share, kept, fds;
	struct guests others = c->here;
	const struct guest *o;

	if (n < 2)
		return false;
	fds = c->accept.fds - MIN(c->fwd.used, c->accept.fds);
	if (fds < all) {
		all = fds - fds / 8;			/* the process has others */
		used = c->flows.fds;
	}
	share = all / 2 / n;
	if (used < all / 2 || c->flows.of_guest[g->index] < share)
		return false;
	guests_del(&others, g->index);
	kept = (n - 1 - MIN(guests_count(&others), n - 1)) * share;
	while ((o = guest_next(c, &others)))
		kept += share - MIN(share, c->flows.of_guest[o->index]);
	return used + kept >= all;
}

struct flow *reclaim_alloc(struct ctx *c, struct guest *g, const struct flow_ops *ops)
{
	struct flow *f;

	if (share_full(c, g) && !(socket_of(c, g->index) && !share_full(c, g)))
		return NULL;
	if (c->flows.used >= FLOW_MAX - RECLAIM_SPARE)
		entry_gives_way(c);
	f = flow_alloc(&c->flows, ops, g->index, c->now);
	if (f)
		f->queue = g->tap.pair;
	return f;
}

struct flow *reclaim_flow(struct ctx *c, struct guest *g, const struct flow_ops *ops, int fd)
{
	struct flow *f = fd < 0 ? NULL : reclaim_alloc(c, g, ops);

	if (f && !ev_add_flow(c->epfd, fd, flow_idx(&c->flows, f), f->gen, HOST, EPOLLIN)) {
		g->sockets++;
		return f;
	}
	if (f)
		flow_end(&c->flows, f);
	fd_close(fd);
	return NULL;
}
