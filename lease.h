/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lease.h - addresses and names of guests that share a network with us (--lan): tables, without flows, sockets or link
 *
 * A lease is a MAC address, and its addresses, one of each family. It stays as long as the process runs, so that a
 * guest that comes back has the same ones; while the guest is away, its lease may have to give way to others'. The IPv6
 * address is made of prefix and MAC address (RFC 4291 2.5.1), as the guest itself would make it.
 *
 * Other addresses of the prefix, and link-local ones, belong to the guest that uses them first: a claim.
 */
#ifndef LEASE_H
#define LEASE_H

#include "net.h"

#define LEASES_MAX	1024
#define LEASES_EACH	4		/* of a guest that is here, beside those of --lease */
#define CLAIMS_EACH	16		/* of a guest */
#define LEASE_AWAY	UINT8_MAX	/* no guest */
#define NAME_TTL	10		/* s: of names of guests, in answers to queries */

enum lease_state { LEASE_NONE, LEASE_OFFERED, LEASE_GIVEN };

enum lease_key { LEASE_BY_MAC, LEASE_BY_V4, LEASE_BY_V6, LEASE_BY_NAME, LEASE_KEYS };

struct lease {
	bool		used;			/* the entry is */
	bool		fixed[FAMILIES];	/* by --lease */
	bool		named;			/* the same */
	bool		kept;			/* an address was given: it stays when its guest goes */
	uint8_t		guest;			/* index, or LEASE_AWAY */
	uint8_t		state[FAMILIES];	/* enum lease_state */
	struct mac	mac;
	struct addr	a[FAMILIES];		/* unspecified: none yet */
	char		name[LEASE_NAME];	/* in lower case, or empty */
	uint64_t	left;			/* number of its departure */
	uint16_t	next[LEASE_KEYS];	/* chain: number of the next one and 1, 0: none */
};

struct claim {
	struct addr	a;			/* unspecified: the entry is free */
	struct mac	mac;
	uint16_t	next;
	uint64_t	age;			/* number of its last use */
};

struct leases {
	const struct net *net;
	const struct lan_conf *lan;		/* NULL: none */
	uint64_t	key[2], clock;
	uint32_t	moves;			/* times that a guest has lost an address */
	unsigned	n;			/* entries ever used */
	unsigned	count[GUEST_MAX];	/* of guests that are here, without those of --lease */
	uint16_t	head[LEASE_KEYS][LEASES_MAX], claims[LEASES_MAX];
	struct lease	l[LEASES_MAX];
	struct claim	claim[GUEST_MAX][CLAIMS_EACH];
};

/* No leases but those of options; @net is kept */
void leases_start(struct leases *t, const struct net *net);

/* Is there such a network? */
static inline bool lan_on(const struct net *net)
{
	return net->cf->lan.on;
}

/* Is @a of its prefix? */
bool lan_has(const struct net *net, const struct addr *a);

/* Is @a at us: the gateway's, an address that stands for something of the host's, or one outside? */
bool lan_ours(const struct net *net, const struct addr *a);

/* The network that @mac of a guest is given: prefix, resolvers; address unspecified without a lease of that family */
struct guest_ip lease_ip(const struct leases *t, unsigned guest, const struct mac *mac, enum family f);

/**
 * lease_offer() - an address of family @f for a MAC address of a guest: the one that it has or had, or else a free one
 * @wish:	taken if it is free, and the guest has none; or NULL
 *
 * Return: false if it may have no more, none is free, or the lease is another guest's
 */
bool lease_offer(struct leases *t, unsigned guest, const struct mac *mac, enum family f, const struct addr *wish);

/* The guest has taken the offer */
void lease_take(struct leases *t, unsigned guest, const struct mac *mac, enum family f);

/* The guest has given it back; @bad: it can't be used, so another one is offered next */
void lease_release(struct leases *t, unsigned guest, const struct mac *mac, enum family f, bool bad);

/* The guest calls itself @name, of @len bytes: its first label counts, if it is valid and nobody else's */
void lease_set_name(struct leases *t, unsigned guest, const struct mac *mac, const char *name, size_t len);

/* A guest has gone */
void leases_gone(struct leases *t, unsigned guest);

/* May a guest send from @a? Not if that is ours, outside, or another guest's. */
bool lease_owns(const struct leases *t, unsigned guest, const struct addr *a);

/* The same, and from now on, it is the guest's, at @mac */
bool lease_use(struct leases *t, unsigned guest, const struct mac *mac, const struct addr *a);

/* The same; if not, with a line in the log */
bool lease_claim(struct leases *t, unsigned guest, const struct mac *mac, const struct addr *a);

/* Guest at @a, and its MAC address there; false: nobody is */
bool lease_find(const struct leases *t, const struct addr *a, unsigned *guest, struct mac *mac);

/* Lease by name, with addresses given in state[] only; of an address that was given; or NULL */
const struct lease *lease_named(const struct leases *t, const char *name, size_t len);
const struct lease *lease_at(const struct leases *t, const struct addr *a);

/* What a guest was given, and uses: its name, or NULL, and up to @max addresses in @a. Return: their number */
unsigned lease_facts(const struct leases *t, unsigned guest, struct addr *a, unsigned max, const char **name);

/* Has family @f of the lease an address that others may be sent? */
static inline bool lease_has(const struct lease *l, enum family f)
{
	return l->fixed[f] || l->state[f] == LEASE_GIVEN;
}

/* Letters, digits, and hyphens within; not digits alone. Neither "host" nor another name with a meaning of its own. */
bool lease_name_ok(const char *name, size_t len);

#endif /* LEASE_H */
