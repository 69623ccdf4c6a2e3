/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lease.c - addresses and names of guests that share a network with us (--lan)
 *
 * All look-ups are by hash. What a guest can make of it is bounded: leases, claims, and the search for a free address,
 * which passes only those that are taken.
 */
#include <string.h>

#include "lease.h"
#include "log.h"

#define NO_BUCKET		UINT16_MAX

/* ---- the network ---- */

bool lan_has(const struct net *net, const struct addr *a)
{
	const struct lan_conf *lan = &net->cf->lan;

	if (addr_is_v4(a))
		return addr_in_prefix(a, &lan->net[V4], lan->plen4);
	return lan->v6 && addr_in_prefix(a, &lan->net[V6], 64);
}

bool lan_ours(const struct net *net, const struct addr *a)
{
	const struct net_ip *ip = &net->ip[addr_family(a)];

	return addr_is(a, &ip->gw) || addr_is(a, &ip->our_ll) || addr_is(a, &ip->map_loopback) ||
	       addr_is(a, &ip->map_guest) || addr_is(a, &ip->dns_forward) ||
	       !(lan_has(net, a) || (!addr_is_v4(a) && addr_is_linklocal(a)));
}

/* Network and broadcast address, or the subnet routers' (RFC 4291 2.6.1) */
static bool is_end(const struct lan_conf *lan, const struct addr *a)
{
	uint32_t host;

	if (!addr_is_v4(a))
		return !a->q[1];
	host = ntohl(addr_v4(a) & ~addr_mask4(lan->plen4));
	return !host || host == ntohl(~addr_mask4(lan->plen4));
}

/* RFC 4291 2.5.1, appendix A */
static struct addr lan_address(const struct addr *net, const struct mac *m)
{
	struct addr a = *net;
	const uint8_t id[] = { m->b[0] ^ 2, m->b[1], m->b[2], 0xff, 0xfe, m->b[3], m->b[4], m->b[5] };

	memcpy(a.b + 8, id, sizeof(id));
	return a;
}

/* ---- tables ---- */

static unsigned bucket(const struct leases *t, const void *key, size_t len)
{
	return (unsigned)(siphash(t->key, key, len) % LEASES_MAX);
}

/* Bucket of an entry's key; NO_BUCKET: it has none */
static unsigned bucket_of(const struct leases *t, const struct lease *l, enum lease_key k)
{
	switch (k) {
	case LEASE_BY_MAC:
		return bucket(t, l->mac.b, sizeof(l->mac.b));
	case LEASE_BY_V4:
	case LEASE_BY_V6:
		if (addr_is_unspec(&l->a[k - LEASE_BY_V4]))
			return NO_BUCKET;
		return bucket(t, l->a[k - LEASE_BY_V4].b, sizeof(l->a[0].b));
	case LEASE_BY_NAME:
		return l->name[0] ? bucket(t, l->name, strlen(l->name)) : NO_BUCKET;
	case LEASE_KEYS:
		break;
	}
	return NO_BUCKET;
}

static void link_in(struct leases *t, struct lease *l, enum lease_key k)
{
	unsigned b = bucket_of(t, l, k);

	if (b == NO_BUCKET)
		return;
	l->next[k] = t->head[k][b];
	t->head[k][b] = (uint16_t)(l - t->l + 1);
}

static void link_out(struct leases *t, struct lease *l, enum lease_key k)
{
	unsigned b = bucket_of(t, l, k);
	uint16_t *at;

	if (b == NO_BUCKET)
		return;
	for (at = &t->head[k][b]; *at != l - t->l + 1; at = &t->l[*at - 1].next[k])
		;
	*at = l->next[k];
}

static void set_addr(struct leases *t, struct lease *l, enum family f, const struct addr *a)
{
	t->moves += !addr_is_unspec(&l->a[f]);
	link_out(t, l, LEASE_BY_V4 + f);
	l->a[f] = *a;
	link_in(t, l, LEASE_BY_V4 + f);
}

/* @len: below LEASE_NAME */
static void set_name(struct leases *t, struct lease *l, const char *name, size_t len)
{
	link_out(t, l, LEASE_BY_NAME);
	memset(l->name, 0, sizeof(l->name));
	for (size_t i = 0; i < len; i++)
		l->name[i] = (char)ascii_lower((uint8_t)name[i]);
	link_in(t, l, LEASE_BY_NAME);
}

static struct lease *by_mac(const struct leases *t, const struct mac *mac)
{
	uint16_t i = t->head[LEASE_BY_MAC][bucket(t, mac->b, sizeof(mac->b))];

	while (i && !mac_eq(&t->l[i - 1].mac, mac))
		i = t->l[i - 1].next[LEASE_BY_MAC];
	return i ? (struct lease *)&t->l[i - 1] : NULL;
}

static struct lease *by_addr(const struct leases *t, const struct addr *a)
{
	enum lease_key k = addr_is_v4(a) ? LEASE_BY_V4 : LEASE_BY_V6;
	uint16_t i = t->head[k][bucket(t, a->b, sizeof(a->b))];

	while (i && !addr_eq(&t->l[i - 1].a[k - LEASE_BY_V4], a))
		i = t->l[i - 1].next[k];
	return i ? (struct lease *)&t->l[i - 1] : NULL;
}

/* ---- claims ---- */

static struct claim *claim_nr(const struct leases *t, unsigned i)
{
	return (struct claim *)&t->claim[i / CLAIMS_EACH][i % CLAIMS_EACH];
}

/* Number of the claim on @a and 1, or 0 */
static unsigned claim_find(const struct leases *t, const struct addr *a)
{
	unsigned i = t->claims[bucket(t, a->b, sizeof(a->b))];

	while (i && !addr_eq(&claim_nr(t, i - 1)->a, a))
		i = claim_nr(t, i - 1)->next;
	return i;
}

static void claim_drop(struct leases *t, unsigned i)
{
	struct claim *cl = claim_nr(t, i);
	uint16_t *at = &t->claims[bucket(t, cl->a.b, sizeof(cl->a.b))];

	while (*at != i + 1)
		at = &claim_nr(t, *at - 1U)->next;
	*at = cl->next;
	*cl = (struct claim){ .a = addr_any6 };
	t->moves++;
}

/* The guest's least recent claim gives way */
static void claim_add(struct leases *t, unsigned guest, const struct mac *mac, const struct addr *a)
{
	uint16_t *head = &t->claims[bucket(t, a->b, sizeof(a->b))];
	unsigned i = 0;

	for (unsigned k = 1; k < CLAIMS_EACH; k++)
		if (t->claim[guest][k].age < t->claim[guest][i].age)
			i = k;
	i += guest * CLAIMS_EACH;
	if (claim_nr(t, i)->age)
		claim_drop(t, i);
	*claim_nr(t, i) = (struct claim){ .a = *a, .mac = *mac, .next = *head, .age = ++t->clock };
	*head = (uint16_t)(i + 1);
}

/* ---- leases ---- */

/* Is @a not to be given to @mac of a guest? */
static bool is_taken(const struct leases *t, unsigned guest, const struct mac *mac, const struct addr *a)
{
	const struct lease *l = by_addr(t, a);
	unsigned i = claim_find(t, a);

	if (i && ((i - 1) / CLAIMS_EACH != guest || !mac_eq(&claim_nr(t, i - 1)->mac, mac)))
		return true;
	return (l && !mac_eq(&l->mac, mac)) || is_end(t->lan, a) || lan_ours(t->net, a);
}

static bool is_fixed(const struct lease *l)
{
	return l->fixed[V4] || l->fixed[V6] || l->named;
}

/* The lease whose guest has been away for longest, with an address of IPv4 that nobody uses if @v4; or NULL */
static struct lease *longest_away(struct leases *t, bool v4)
{
	struct lease *oldest = NULL;

	for (struct lease *l = t->l; l < t->l + t->n; l++)
		if (l->used && l->guest == LEASE_AWAY && !is_fixed(l) && (!oldest || l->left < oldest->left) &&
		    (!v4 || !(addr_is_unspec(&l->a[V4]) || claim_find(t, &l->a[V4]))))
			oldest = l;
	return oldest;
}

static void lease_free(struct leases *t, struct lease *l)
{
	for (unsigned k = 0; k < LEASE_KEYS; k++)
		link_out(t, l, (enum lease_key)k);
	*l = (struct lease){ .guest = LEASE_AWAY };
}

/* Entry for a MAC address of a guest that has none, or NULL */
static struct lease *lease_new(struct leases *t, unsigned guest, const struct mac *mac)
{
	struct lease *l = t->l;
	struct addr a;

	while (l < t->l + t->n && l->used)
		l++;
	if (l == t->l + LEASES_MAX) {
		l = longest_away(t, false);
		if (!l)
			return NULL;
		lease_free(t, l);
	} else if (l == t->l + t->n) {
		t->n++;
	}
	*l = (struct lease){ .used = true, .guest = LEASE_AWAY, .mac = *mac, .a = { addr_any4, addr_any6 } };
	link_in(t, l, LEASE_BY_MAC);
	a = lan_address(&t->lan->net[V6], mac);
	if (t->lan->v6 && !is_taken(t, guest, mac, &a))
		set_addr(t, l, V6, &a);
	return l;
}

/* An entry becomes one of a guest that is here; false: it is another's, or one too many */
static bool lease_here(struct leases *t, unsigned guest, struct lease *l)
{
	if (l->guest != LEASE_AWAY)
		return l->guest == guest;
	if (!is_fixed(l)) {
		if (t->count[guest] == LEASES_EACH)
			return false;
		t->count[guest]++;
	}
	l->guest = (uint8_t)guest;
	return true;
}

/* Entry of a MAC address of a guest, made if need be */
static struct lease *lease_get(struct leases *t, unsigned guest, const struct mac *mac)
{
	struct lease *l = by_mac(t, mac);

	if (!l && t->count[guest] < LEASES_EACH)
		l = lease_new(t, guest, mac);
	return l && lease_here(t, guest, l) ? l : NULL;
}

/* The guest's own entry, or NULL */
static struct lease *lease_own(const struct leases *t, unsigned guest, const struct mac *mac)
{
	struct lease *l = by_mac(t, mac);

	return l && l->guest == guest ? l : NULL;
}

/* The next free address behind that of @l, or from the lowest one on: false if there is none */
static bool find_free(const struct leases *t, const struct lease *l, struct addr *a)
{
	uint32_t mask = ntohl(addr_mask4(t->lan->plen4)), net = ntohl(addr_v4(&t->lan->net[V4])) & mask;
	uint32_t at = addr_is_unspec(&l->a[V4]) ? 1 : ntohl(addr_v4(&l->a[V4])) & ~mask;

	for (uint64_t n = 0; n <= ~mask; n++) {
		at = (at + 1) & ~mask;
		*a = addr_from4(htonl(net | at));
		if (!is_taken(t, l->guest, &l->mac, a) && !addr_eq(a, &l->a[V4]))
			return true;
	}
	return false;
}

/* Another IPv4 address for @l, if need be that of a guest that is away */
static bool give4(struct leases *t, struct lease *l)
{
	struct lease *away;
	struct addr a;

	if (!find_free(t, l, &a)) {
		away = longest_away(t, true);
		if (!away || away == l)
			return false;
		a = away->a[V4];
		set_addr(t, away, V4, &addr_any4);
		away->state[V4] = LEASE_NONE;
	}
	set_addr(t, l, V4, &a);
	return true;
}

bool lease_offer(struct leases *t, unsigned guest, const struct mac *mac, enum family f, const struct addr *wish)
{
	struct lease *l = lease_get(t, guest, mac);

	if (!l)
		return false;
	if (addr_is_unspec(&l->a[f])) {
		if (f == V6)
			return false;
		if (wish && addr_is_v4(wish) && !is_taken(t, guest, mac, wish))
			set_addr(t, l, V4, wish);
		else if (!give4(t, l))
			return false;
	} else if (!l->fixed[f] && is_taken(t, guest, mac, &l->a[f]) && (f == V6 || !give4(t, l))) {
		return false;		/* another guest uses it since */
	}
	if (l->state[f] == LEASE_NONE)
		l->state[f] = LEASE_OFFERED;
	return true;
}

static void lease_give(struct lease *l, enum family f)
{
	l->state[f] = LEASE_GIVEN;
	l->kept = true;
}

void lease_take(struct leases *t, unsigned guest, const struct mac *mac, enum family f)
{
	struct lease *l = lease_own(t, guest, mac);

	if (l && l->state[f] == LEASE_OFFERED)
		lease_give(l, f);
}

void lease_release(struct leases *t, unsigned guest, const struct mac *mac, enum family f, bool bad)
{
	struct lease *l = lease_own(t, guest, mac);

	if (!l)
		return;
	l->state[f] = LEASE_NONE;
	if (bad && f == V4 && !l->fixed[V4])
		give4(t, l);
}

void leases_gone(struct leases *t, unsigned guest)
{
	for (struct lease *l = t->l; l < t->l + t->n; l++) {
		if (!l->used || l->guest != guest)
			continue;
		l->guest = LEASE_AWAY;
		l->left = ++t->clock;
		for (unsigned f = V4; f < FAMILIES; f++)
			l->state[f] = l->state[f] == LEASE_GIVEN ? LEASE_GIVEN : LEASE_NONE;
		if (!is_fixed(l) && !l->kept)
			lease_free(t, l);
	}
	t->count[guest] = 0;
	for (unsigned i = guest * CLAIMS_EACH; i < (guest + 1) * CLAIMS_EACH; i++)
		if (claim_nr(t, i)->age)
			claim_drop(t, i);
}

static void start_fixed(struct leases *t, const struct mac *mac, const struct addr *a, const char *name)
{
	struct lease *l = by_mac(t, mac);
	enum family f = addr_family(a);

	if (!l)
		l = lease_new(t, LEASE_AWAY, mac);
	if (!l)
		return;
	if (by_addr(t, a) && by_addr(t, a) != l)	/* made of another MAC address */
		set_addr(t, by_addr(t, a), f, f == V4 ? &addr_any4 : &addr_any6);
	set_addr(t, l, f, a);
	l->fixed[f] = true;
	if (name[0] && !lease_named(t, name, strlen(name))) {
		set_name(t, l, name, strlen(name));
		l->named = true;
	}
}

void leases_start(struct leases *t, const struct net *net)
{
	const struct lan_conf *lan = &net->cf->lan;

	t->net = net;
	t->lan = lan->on ? lan : NULL;
	if (!t->lan)
		return;
	random_bytes(t->key, sizeof(t->key));
	for (unsigned i = 0; i < lan->nlease; i++)
		start_fixed(t, &lan->lease[i].mac, &lan->lease[i].a, lan->lease[i].name);
}

/* ---- who is where ---- */

struct guest_ip lease_ip(const struct leases *t, unsigned guest, const struct mac *mac, enum family f)
{
	const struct lease *l = lease_own(t, guest, mac);
	struct guest_ip ip = t->net->ip[f].guest;

	ip.addr = l && (l->fixed[f] || l->state[f]) ? l->a[f] : addr_any(f);
	ip.plen = f == V4 ? t->lan->plen4 : 64;
	ip.ll = addr_any(f);
	return ip;
}

/* lease_owns(); @l: the lease of @a, or NULL; @i: number of the claim on it and 1, or 0 */
static bool owns(const struct leases *t, unsigned guest, const struct addr *a, const struct lease *l, unsigned i)
{
	enum family f = addr_family(a);

	if (lan_ours(t->net, a) || (f == V4 && is_end(t->lan, a)))
		return false;
	if (l && l->guest != guest && (lease_has(l, f) || l->state[f]))
		return false;
	return !i || (i - 1) / CLAIMS_EACH == guest;
}

bool lease_owns(const struct leases *t, unsigned guest, const struct addr *a)
{
	return owns(t, guest, a, by_addr(t, a), claim_find(t, a));
}

bool lease_use(struct leases *t, unsigned guest, const struct mac *mac, const struct addr *a)
{
	unsigned i = claim_find(t, a);
	struct lease *l = by_addr(t, a);
	bool same = l && mac_eq(&l->mac, mac);

	if (same && l->guest == LEASE_AWAY && !lan_ours(t->net, a) && !lease_here(t, guest, l))
		return false;
	if (!owns(t, guest, a, l, i))
		return false;
	if (same && l->guest == guest) {
		lease_give(l, addr_family(a));
		return true;
	}
	if (i) {
		claim_nr(t, i - 1)->mac = *mac;
		claim_nr(t, i - 1)->age = ++t->clock;
	} else if (!l || l->guest != guest) {
		claim_add(t, guest, mac, a);
	}
	return true;
}

bool lease_claim(struct leases *t, unsigned guest, const struct mac *mac, const struct addr *a)
{
	char m[MAC_STRLEN], text[ADDR_STRLEN];

	if (lease_use(t, guest, mac, a))
		return true;
	log_limited(LOG_WARNING, "Guest %u, at %s, claims %s, which is not its address", guest, mac_fmt(mac, m),
		    addr_fmt(a, text));
	return false;
}

bool lease_find(const struct leases *t, const struct addr *a, unsigned *guest, struct mac *mac)
{
	const struct lease *l = by_addr(t, a);
	unsigned i = claim_find(t, a);

	if (i) {
		*guest = (i - 1) / CLAIMS_EACH;
		*mac = claim_nr(t, i - 1)->mac;
		return true;
	}
	if (!l || l->guest == LEASE_AWAY || !lease_has(l, addr_family(a)))
		return false;
	*guest = l->guest;
	*mac = l->mac;
	return true;
}

/* ---- names ---- */

bool lease_name_ok(const char *name, size_t len)
{
	static const char *const reserved[] = { "host", "gateway", "localhost", "wpad", "isatap" };
	bool letter = false;

	if (!len || len >= LEASE_NAME || name[0] == '-' || name[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		char ch = (char)ascii_lower((uint8_t)name[i]);

		letter |= ch < '0' || ch > '9';
		if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9') && ch != '-')
			return false;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(reserved); i++)
		if (strlen(reserved[i]) == len && !strncasecmp(reserved[i], name, len))
			return false;
	return letter;
}

static struct lease *by_name(const struct leases *t, const char *name, size_t len)
{
	char s[LEASE_NAME];
	uint16_t i;

	if (len >= sizeof(s))
		return NULL;
	for (size_t k = 0; k < len; k++)
		s[k] = (char)ascii_lower((uint8_t)name[k]);
	s[len] = '\0';
	i = t->head[LEASE_BY_NAME][bucket(t, s, len)];
	while (i && strcmp(t->l[i - 1].name, s) != 0)
		i = t->l[i - 1].next[LEASE_BY_NAME];
	return i ? (struct lease *)&t->l[i - 1] : NULL;
}

void lease_set_name(struct leases *t, unsigned guest, const struct mac *mac, const char *name, size_t len)
{
	struct lease *l = lease_own(t, guest, mac);
	const char *dot = memchr(name, '.', len);

	len = dot ? (size_t)(dot - name) : len;
	while (len && !name[len - 1])		/* some clients terminate it (RFC 2132 2) */
		len--;
	if (!l || l->named || !lease_name_ok(name, len))
		return;
	if (!by_name(t, name, len))
		set_name(t, l, name, len);
}

const struct lease *lease_named(const struct leases *t, const char *name, size_t len)
{
	return by_name(t, name, len);
}

const struct lease *lease_at(const struct leases *t, const struct addr *a)
{
	const struct lease *l = by_addr(t, a);

	return l && lease_has(l, addr_family(a)) ? l : NULL;
}

/* Appended to @n of @max addresses, unless it is there. Return: their number */
static unsigned addr_append(struct addr *a, unsigned n, unsigned max, const struct addr *new)
{
	for (unsigned i = 0; i < n; i++)
		if (addr_eq(&a[i], new))
			return n;
	if (n < max && !addr_is_unspec(new))
		a[n++] = *new;
	return n;
}

unsigned lease_facts(const struct leases *t, unsigned guest, struct addr *a, unsigned max, const char **name)
{
	unsigned n = 0;

	*name = NULL;
	for (const struct lease *l = t->l; l < t->l + t->n; l++) {
		if (!l->used || l->guest != guest)
			continue;
		*name = l->name[0] && !*name ? l->name : *name;
		for (enum family f = V4; f < FAMILIES; f++)
			if (lease_has(l, f))
				n = addr_append(a, n, max, &l->a[f]);
	}
	for (unsigned i = 0; i < CLAIMS_EACH; i++)
		n = addr_append(a, n, max, &t->claim[guest][i].a);
	return n;
}
