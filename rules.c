/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rules.c - forwarding rules: table, text, and the ports of each
 *
 * Of several rules for an address, interface and port, the most exact one has the listener: one that names the port
 * comes before "all", and that before an automatic one. The others get the port back.
 */
#include <netinet/in.h>
#include <stdio.h>

#include "rules.h"

/* Values of options, in argv, by rule.opt */
static const char *option[RULES_MAX];

uint16_t rules_option(const struct rules *t, const char *val)
{
	uint16_t opt = t->n ? (uint16_t)(t->rule[t->n - 1].opt + 1) : 0;	/* rules are in order of theirs */

	if (opt < RULES_MAX)
		option[opt] = val;
	return opt;
}

const char *rules_add(struct rules *t, const struct rule *r)
{
	static char why[sizeof(RULE_OVERLAP) + RULE_TEXT_MAX];

	for (const struct rule *o = t->rule; o < t->rule + t->n; o++) {
		if (!rule_same_place(o, r) || o->weak != r->weak || o->automatic != r->automatic ||
		    r->first > o->last || r->last < o->first)
			continue;
		if (rule_same(o, r))
			return NULL;
		snprintf(why, sizeof(why), RULE_OVERLAP, (unsigned)MAX(r->first, o->first), rule_text(o));
		return why;
	}
	if (t->n == RULES_MAX)
		return "too many port ranges";
	t->rule[t->n++] = *r;
	return NULL;
}

bool rule_covers(const struct rule *r, const struct ephemeral eph[2], uint32_t port)
{
	return port >= r->first && port <= r->last && !(r->weak && is_ephemeral(&eph[r->outward], port));
}

uint16_t rules_plan(const struct fwd_rule *t, unsigned n, unsigned i, const struct ephemeral eph[2],
		    const uint8_t *bound, uint8_t *map)
{
	const struct rule *r = &t[i].r;
	uint32_t left = 0;

	for (uint32_t port = r->first; port <= r->last; port++) {
		if (!rule_covers(r, eph, port))
			continue;
		if (r->automatic &&
		    (!bit_test(bound, rule_to(r, port)) || (r->weak && is_ephemeral(&eph[!r->outward], port))))
			continue;
		bit_set(map, port);
	}
	for (const struct fwd_rule *o = t; o < t + n && rule_exactness(r) != NAMED; o++) {
		if (rule_exactness(&o->r) != NAMED || !rule_same_place(&o->r, r))
			continue;
		for (uint32_t port = MAX(o->r.first, r->first); port <= MIN(o->r.last, r->last); port++) {
			left = bit_test(map, port) ? port : left;
			bit_clear(map, port);
		}
	}
	return (uint16_t)left;
}

uint16_t rules_heir(const struct fwd_rule *t, unsigned n, uint16_t first, const struct rule *of, uint16_t stays,
		    const struct ephemeral eph[2], uint32_t port)
{
	uint16_t best = stays;

	for (uint16_t i = stays == RULES_MAX ? 0 : first; i < n; i++) {
		const struct rule *r = &t[i].r;

		if (rule_covers(r, eph, port) && rule_same_place(r, of) &&
		    (best == RULES_MAX || rule_exactness(r) > rule_exactness(&t[best].r)))
			best = i;
	}
	return best;
}

bool rules_meet(const struct rule *a, const struct rule *b)
{
	if (a->proto != b->proto || a->outward != b->outward ||
	    (a->ifname[0] && b->ifname[0] && strcmp(a->ifname, b->ifname)))
		return false;
	if (a->any || b->any)
		return true;
	return addr_is_v4(&a->addr) == addr_is_v4(&b->addr) &&
	       (addr_is_unspec(&a->addr) || addr_is_unspec(&b->addr) || addr_eq(&a->addr, &b->addr));
}

/* ---- text ---- */

#define RANGE_STRLEN	16

/* A range or a port */
static const char *range(unsigned first, unsigned last, char buf[static RANGE_STRLEN])
{
	snprintf(buf, RANGE_STRLEN, first == last ? "%u" : "%u-%u", first, last);
	return buf;
}

/* Ports of a rule: "80-90:180-190", "all,~1-22" */
static void format_ports(const struct rule *r, char *buf, size_t size)
{
	bool target = !addr_is_unspec(&r->to_addr) || r->to_name[0], same = r->to == r->first;
	bool low = r->first > 1, high = r->last < UINT16_MAX;
	char a[ADDR_STRLEN], to[RULE_NAME + 2] = "", from[RANGE_STRLEN], behind[RANGE_STRLEN];

	if (r->to_name[0])
		snprintf(to, sizeof(to), ":%s%s", r->to_name, same ? "/" : "");
	else if (target)
		snprintf(to, sizeof(to), addr_is_v4(&r->to_addr) ? ":%s" : ":[%s]", addr_fmt(&r->to_addr, a));
	if (r->weak)
		snprintf(buf, size, "%s%s%s%s%s%s%s", r->automatic && !target ? "auto" : "all", to,
			 r->automatic && target ? ",auto" : "",
			 low ? ",~" : "", low ? range(1, r->first - 1U, from) : "",
			 high ? ",~" : "", high ? range(r->last + 1U, UINT16_MAX, behind) : "");
	else
		snprintf(buf, size, "%s%s%s%s%s", range(r->first, r->last, from), to, same ? "" : target ? "/" : ":",
			 same ? "" : range(r->to, rule_to(r, r->last), behind), r->automatic ? ",auto" : "");
}

/* Letter of the option */
static char letter(const struct rule *r)
{
	return "tuTU"[2 * r->outward + (r->proto == IPPROTO_UDP)];
}

const char *rule_fmt(const struct rule *r, char buf[static RULE_STRLEN])
{
	char at[ADDR_STRLEN + 2] = "", a[ADDR_STRLEN];
	int n;

	if (!r->any)
		snprintf(at, sizeof(at), addr_is_v4(&r->addr) ? "%s" : "[%s]", addr_fmt(&r->addr, a));
	n = snprintf(buf, RULE_STRLEN, "-%c %s%s%s%s", letter(r), at, r->ifname[0] ? "%" : "", r->ifname,
		     at[0] || r->ifname[0] ? "/" : "");
	format_ports(r, buf + n, RULE_STRLEN - (size_t)n);
	return buf;
}

const char *rule_ifname(const struct rule *r)
{
	return r->outward && r->any && !r->ifname[0] ? "lo" : r->ifname;
}

const char *rule_show(const struct rule *r, char buf[static RULE_SHOW_STRLEN])
{
	char at[ADDR_STRLEN], to[RULE_NAME], from[RANGE_STRLEN], behind[RANGE_STRLEN];
	const char *ifname = rule_ifname(r);
	bool target = !addr_is_unspec(&r->to_addr) || r->to_name[0];

	snprintf(to, sizeof(to), "%s", r->to_name);
	if (!r->to_name[0])
		addr_fmt(&r->to_addr, to);
	snprintf(buf, RULE_SHOW_STRLEN, "%s [%s]%s%s:%s  =>  %s%s%s %s%s", r->proto == IPPROTO_TCP ? "TCP" : "UDP",
		 r->any ? "*" : addr_fmt(&r->addr, at), ifname[0] ? "%" : "", ifname, range(r->first, r->last, from),
		 target ? to : "", target ? ":" : "", range(r->to, rule_to(r, r->last), behind),
		 r->weak ? " (best effort)" : "", r->automatic ? " (auto-scan)" : "");
	return buf;
}

const char *rule_text(const struct rule *r)
{
	static char buf[RULE_TEXT_MAX];

	if (r->opt == RULES_MAX)
		return rule_fmt(r, buf);
	snprintf(buf, sizeof(buf), "-%c %.100s", letter(r), option[r->opt]);
	return buf;
}
