/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan.c - the switch's table: MAC addresses of guests, in chains by a keyed hash */
#include <limits.h>

#include "lan.h"

void lan_start(struct lan *l)
{
	random_bytes(l->key, sizeof(l->key));
}

static uint16_t *head_of(const struct lan *l, const struct mac *mac)
{
	uint64_t bytes = 0;

	memcpy(&bytes, mac, sizeof(*mac));
	return (uint16_t *)&l->head[siphash(l->key, &bytes, sizeof(bytes)) % LAN_HASH];
}

/* Entry by its number */
static const struct lan_entry *entry_at(const struct lan *l, unsigned n)
{
	return &l->e[n / LAN_MACS][n % LAN_MACS];
}

static unsigned number_of(const struct lan *l, const struct lan_entry *e)
{
	return (unsigned)(e - l->e[0]);
}

static const struct lan_entry *entry_find(const struct lan *l, const struct mac *mac)
{
	for (unsigned n = *head_of(l, mac); n; n = entry_at(l, n - 1)->next)
		if (mac_eq(&entry_at(l, n - 1)->mac, mac))
			return entry_at(l, n - 1);
	return NULL;
}

/* Not for a guest's first one */
static bool entry_old(const struct lan *l, const struct lan_entry *e, uint64_t now)
{
	return number_of(l, e) % LAN_MACS && now - e->seen >= LAN_AGE;
}

static void entry_remove(struct lan *l, struct lan_entry *e)
{
	uint16_t *at = head_of(l, &e->mac);
	unsigned n = number_of(l, e) + 1;

	while (*at != n)
		at = (uint16_t *)&entry_at(l, *at - 1U)->next;
	*at = e->next;
	*e = (struct lan_entry){ 0 };
}

/* A free entry of @guest, or an old one; NULL: there is none */
static struct lan_entry *entry_room(struct lan *l, unsigned guest, uint64_t now)
{
	for (struct lan_entry *e = l->e[guest]; e < l->e[guest] + LAN_MACS; e++) {
		if (mac_is_zero(&e->mac))
			return e;
		if (entry_old(l, e, now)) {
			entry_remove(l, e);
			return e;
		}
	}
	return NULL;
}

unsigned lan_find(const struct lan *l, const struct mac *mac, uint64_t now)
{
	const struct lan_entry *e = entry_find(l, mac);

	return e && !entry_old(l, e, now) ? number_of(l, e) / LAN_MACS : LAN_NOBODY;
}

enum drop lan_learn(struct lan *l, unsigned guest, const struct mac *mac, uint64_t now)
{
	struct lan_entry *e = &l->e[guest][l->last[guest]];
	unsigned owner;
	uint16_t *at;

	if (mac_is_zero(mac) || mac->b[0] & 1)		/* no unicast address */
		return DROP_FRAME;
	if (mac_eq(&e->mac, mac)) {			/* nearly all */
		e->seen = now;
		return DROP_NONE;
	}
	e = (struct lan_entry *)entry_find(l, mac);
	owner = e ? number_of(l, e) / LAN_MACS : LAN_NOBODY;
	if (e && owner != guest) {
		if (!entry_old(l, e, now))
			return DROP_OWNER;
		entry_remove(l, e);
		e = NULL;
	}
	if (!e) {
		e = entry_room(l, guest, now);
		if (!e)
			return DROP_NO_RESOURCE;
		at = head_of(l, mac);
		*e = (struct lan_entry){ .mac = *mac, .next = *at };
		*at = (uint16_t)(number_of(l, e) + 1);
	}
	e->seen = now;
	l->last[guest] = (uint8_t)(number_of(l, e) % LAN_MACS);
	return DROP_NONE;
}

void lan_forget(struct lan *l, unsigned guest)
{
	for (struct lan_entry *e = l->e[guest]; e < l->e[guest] + LAN_MACS; e++)
		if (!mac_is_zero(&e->mac))
			entry_remove(l, e);
	l->last[guest] = 0;
	lan_group_forget(l, guest);
}
