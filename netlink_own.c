/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink_own.c - addresses and routes that we set in a namespace, for as long as nobody else touches them
 *
 * An object is known by two hashes: one of what makes it another object (address and prefix length; destination,
 * metric and gateway), and one of all the rest. With the same two hashes, it is as we set it, and may be replaced. No
 * object is stored: each step reads them all.
 */
#include <linux/if_addr.h>
#include <string.h>

#include "netlink_msg.h"

/* Slot of @id, or a free one */
static unsigned own_slot(const struct own *o, uint64_t id)
{
	unsigned i = (unsigned)(id ^ id >> 32) % OWN_SLOTS;

	while (o->slot[i].id && o->slot[i].id != id)
		i = (i + 1) % OWN_SLOTS;
	return i;
}

static struct owned *owned_find(struct own *o, uint64_t id)
{
	struct owned *e = &o->slot[own_slot(o, id)];

	return e->id ? e : NULL;
}

static void owned_add(struct own *o, const struct object *ob, bool v6, bool ours)
{
	struct owned *e = &o->slot[own_slot(o, ob->id)];

	if (o->n == OWN_MAX || !ob->id)
		return;
	o->n++;
	*e = (struct owned){ .id = ob->id, .sig = ob->sig, .class = (uint8_t)ob->class, .v6 = v6, .ours = ours };
}

/* Entries that others hash behind are found again in their new places */
static void owned_remove(struct own *o, unsigned i)
{
	o->slot[i].id = 0;
	o->n--;
	for (unsigned k = (i + 1) % OWN_SLOTS; o->slot[k].id; k = (k + 1) % OWN_SLOTS) {
		struct owned e = o->slot[k];

		o->slot[k].id = 0;
		o->slot[own_slot(o, e.id)] = e;
	}
}

/* ---- one reading of all objects of a family on an interface ---- */

struct reading {
	struct own		*o;
	size_t			len;		/* of requests in @requests */
	bool			over;		/* there was no room for all */
	bool			v6;
	unsigned		classes;	/* see own_remove() */
	unsigned		ifindex;
	struct own_keep		*keep;
	void			(*each)(struct reading *r, const struct object *ob, const struct nlmsghdr *nh);
};

static alignas(NLMSG_ALIGNTO) uint8_t requests[32768];

static void reading_addr(const struct nlmsghdr *nh, void *arg)
{
	struct reading *r = arg;
	struct object ob;

	if (nh && addr_object(nh, r->v6, r->ifindex, &ob))
		r->each(r, &ob, nh);
}

static void reading_route(const struct nlmsghdr *nh, void *arg)
{
	struct reading *r = arg;
	struct object ob;

	if (nh && route_object(nh, r->v6, r->ifindex, &ob))
		r->each(r, &ob, nh);
}

static int read_all(struct reading *r, struct nl *nl)
{
	int rc = route_dump(nl, r->v6, r->ifindex, reading_route, r);

	return rc ? rc : addr_dump(nl, r->v6, r->ifindex, reading_addr, r);
}

/* ---- the steps ---- */

static void look_each(struct reading *r, const struct object *ob, const struct nlmsghdr *nh)
{
	struct owned *e = owned_find(r->o, ob->id);

	(void)nh;
	if (!e) {
		owned_add(r->o, ob, r->v6, false);
		e = owned_find(r->o, ob->id);
		if (!e)
			return;
	}
	e->there = true;
	if (e->sig != ob->sig && e->ours)	/* somebody changed it: theirs from now on */
		e->banned = true;
	e->ours &= !e->banned;
}

int own_look(struct own *o, struct nl *nl, bool v6, unsigned ifindex)
{
	struct reading r = { .o = o, .v6 = v6, .ifindex = ifindex, .each = look_each };
	unsigned had[OWN_CLASSES] = { 0 }, left[OWN_CLASSES] = { 0 };
	int rc;

	for (struct owned *e = o->slot; e < o->slot + OWN_SLOTS; e++) {
		if (!e->id)			/* its memory may not be there yet */
			continue;
		e->there = e->wanted = false;
		had[e->class] += e->v6 == v6 && e->ours;
	}
	rc = read_all(&r, nl);
	if (rc)
		return rc;
	for (struct owned *e = o->slot; e < o->slot + OWN_SLOTS; e++) {
		if (!e->id || e->v6 != v6)
			continue;
		left[e->class] += e->ours && e->there;
		e->banned |= e->ours && !e->there;	/* somebody deleted it */
		e->ours &= e->there;
	}
	for (unsigned k = 0; k < OWN_CLASSES; k++)
		o->off[v6 ? V6 : V4][k] |= had[k] && !left[k];
	return 0;
}

void own_want(struct own *o, uint64_t id)
{
	struct owned *e = owned_find(o, id);

	if (e)
		e->wanted = true;
}

void own_want_addr(struct own *o, const struct addr *a, uint8_t plen)
{
	own_want(o, addr_id(a, plen));
}

void own_want_default(struct own *o, bool v6, const struct addr *gw)
{
	own_want(o, route_id_default(v6, gw));
}

bool own_may(const struct own *o, uint64_t id, bool v6, enum own_class class)
{
	const struct owned *e = &o->slot[own_slot(o, id)];

	return !o->off[v6 ? V6 : V4][class] && !(e->id && (e->banned || e->there));
}

bool own_may_addr(const struct own *o, const struct addr *a, uint8_t plen)
{
	return own_may(o, addr_id(a, plen), !addr_is_v4(a), OWN_ADDR);
}

bool own_may_default(const struct own *o, bool v6, const struct addr *gw)
{
	return own_may(o, route_id_default(v6, gw), v6, OWN_DEFAULT);
}

static bool keeps(struct own_keep *k, const struct addr *a)
{
	for (unsigned i = 0; i < k->n; i++) {
		if (!addr_eq(&k->a[i], a))
			continue;
		k->used |= i < k->conns;
		return true;
	}
	return false;
}

/* For when the dump has ended: its socket is in use */
static void later(struct reading *r, struct req *q)
{
	size_t len = NLMSG_ALIGN(req_head(q)->nlmsg_len);

	if (q->over || r->len + len > sizeof(requests)) {
		r->over = true;
		return;
	}
	memcpy(requests + r->len, q->b, len);
	r->len += len;
}

/* Preferred lifetime in s. 0: no new connection has it as its source (RFC 4862 5.5.4) */
static void prefer(struct reading *r, const struct object *ob, uint32_t preferred)
{
	const struct ifa_cacheinfo life = { .ifa_prefered = preferred, .ifa_valid = UINT32_MAX };
	struct ifaddrmsg ifa = {
		.ifa_family = r->v6 ? AF_INET6 : AF_INET, .ifa_prefixlen = ob->plen, .ifa_index = r->ifindex,
	};
	struct req q;
	void *p;

	req_start(&q, RTM_NEWADDR, NLM_F_REPLACE, &ifa, sizeof(ifa));
	req_attr_addr(&q, IFA_LOCAL, &ob->a);
	req_attr_addr(&q, IFA_ADDRESS, &ob->a);
	p = req_room(&q, RTA_LENGTH(sizeof(life)));
	*(struct rtattr *)p = (struct rtattr){ .rta_len = RTA_LENGTH(sizeof(life)), .rta_type = IFA_CACHEINFO };
	memcpy(RTA_DATA(p), &life, sizeof(life));
	later(r, &q);
}

static void remove_each(struct reading *r, const struct object *ob, const struct nlmsghdr *nh)
{
	const struct owned *e = owned_find(r->o, ob->id);
	struct req q;
	unsigned need;

	if (e && e->ours && e->wanted && ob->deprecated)	/* by us: it is the host's again */
		prefer(r, ob, UINT32_MAX);
	if (!e || !e->ours || e->wanted)
		return;
	need = ob->kernel ? 1U << OWN_ROUTE | 1U << OWN_ADDR : 1U << ob->class;
	if ((r->classes & need) != need)
		return;
	if (ob->class == OWN_ADDR && keeps(r->keep, &ob->a)) {
		prefer(r, ob, 0);
		return;
	}
	/* The object as it is: the kernel takes the attributes of its own dump */
	if (nh->nlmsg_len > sizeof(q.b))
		return;
	memcpy(q.b, nh, nh->nlmsg_len);
	q.over = false;
	req_head(&q)->nlmsg_type = ob->class == OWN_ADDR ? RTM_DELADDR : RTM_DELROUTE;
	req_head(&q)->nlmsg_flags = NLM_F_REQUEST;
	req_head(&q)->nlmsg_pid = 0;
	later(r, &q);
}

static int send_requests(const struct reading *r, struct nl *nl)
{
	struct req q = { .over = false };

	nl_hold(nl);
	for (size_t at = 0; at < r->len; at += NLMSG_ALIGN(req_head(&q)->nlmsg_len)) {
		const struct nlmsghdr *nh = (const void *)(requests + at);

		memcpy(q.b, nh, NLMSG_ALIGN(nh->nlmsg_len));
		nl_talk(nl, &q);
	}
	return nl_release(nl);
}

int own_remove(const struct own *o, struct nl *nl, bool v6, unsigned ifindex, unsigned classes, struct own_keep *keep)
{
	struct reading r = {
		.o = (struct own *)o, .v6 = v6, .ifindex = ifindex, .classes = classes, .keep = keep,
		.each = remove_each,
	};
	int rc;

	do {
		r.len = 0;
		r.over = false;
		rc = read_all(&r, nl);
		if (!rc)
			rc = send_requests(&r, nl);
	} while (!rc && r.over && nl->done);
	return rc;
}

static void done_each(struct reading *r, const struct object *ob, const struct nlmsghdr *nh)
{
	struct owned *e = owned_find(r->o, ob->id);

	(void)nh;
	if (!e)
		owned_add(r->o, ob, r->v6, true);
	else if (e->ours)
		e->sig = ob->sig;
	e = owned_find(r->o, ob->id);
	if (e)
		e->there = true;
}

int own_done(struct own *o, struct nl *nl, bool v6, unsigned ifindex)
{
	struct reading r = { .o = o, .v6 = v6, .ifindex = ifindex, .each = done_each };
	bool again;
	int rc;

	for (struct owned *e = o->slot; e < o->slot + OWN_SLOTS; e++)
		if (e->id)
			e->there = false;
	rc = read_all(&r, nl);
	if (rc)
		return rc;
	/* Forgotten: others' objects, and those of ours that went; not the ones that somebody deleted */
	do {
		again = false;
		for (unsigned i = 0; i < OWN_SLOTS; i++) {
			const struct owned *e = &o->slot[i];

			if (!e->id || e->v6 != v6 || e->banned || (e->ours && e->there))
				continue;
			owned_remove(o, i);
			again = true;
		}
	} while (again);
	return 0;
}
