/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_ports.c - grammar of port forwarding: -t, -u, -T, -U
 *
 *	SPEC	= "none" | [[ADDR][%NAME]/]ITEM[,ITEM]...
 *	ADDR	= IPv4 address | IPv6 address | [IPv6 address] | [IPv6 address%NAME]
 *	ITEM	= RANGE[:RANGE] | ~RANGE | "all" | "auto"
 *	RANGE	= PORT[-PORT]
 *
 * Options add up. "none" drops what options before it said. With "auto", ports are forwarded only while they are
 * bound in the namespace. "all" and exclusions are parsed, and refused for now.
 */

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"

/* Options that rules came from, by rule.opt */
static struct rule_text {
	char		letter;
	const char	*val;		/* in argv */
} rule_text[RULES_MAX];

const char *conf_rule_text(const struct rule *r)
{
	const struct rule_text *t = &rule_text[r->opt];
	static char buf[128];

	snprintf(buf, sizeof(buf), "-%c %.100s", t->letter, t->val);
	return buf;
}

/* What is in front of the slash, from @s to @end, into @r */
static const char *parse_place(const char *s, const char *end, struct rule *r)
{
	const char *name = memchr(s, '%', (size_t)(end - s)), *close = end;
	size_t len;

	if (*s == '[') {
		s++;
		close = memchr(s, ']', (size_t)(end - s));
		if (!close || (close + 1 != end && close + 1 != name))
			return "brackets don't match";
		if (close + 1 == end)
			end = close;
	}
	if (name) {
		len = (size_t)(end - ++name);
		if (!len || len >= IFNAMSIZ || memchr(name, ']', len) || memchr(name, '%', len))
			return "not an interface name after %";
		memcpy(r->ifname, name, len);
		end = MIN(close, name - 1);
	}
	end = MIN(end, close);

	r->any = s == end && close[0] != ']';
	if (r->any)
		return NULL;
	if (!addr_parse(s, (size_t)(end - s), &r->addr))
		return "not an IPv4 or IPv6 address before the slash";
	if (addr_is_bcast(&r->addr) || (addr_is_multicast(&r->addr) && r->proto == IPPROTO_TCP))
		return "not a unicast address";
	return NULL;
}

static const char *parse_port(const char *s, const char *end, uint16_t *port)
{
	uint64_t v;

	if (s == end)
		return "port missing";
	if (!parse_num(s, (size_t)(end - s), UINT64_MAX, &v)) {
		while (s < end && *s >= '0' && *s <= '9')
			s++;
		return s == end ? "port above 65535" : "not a port number";
	}
	if (v > UINT16_MAX)
		return "port above 65535";
	if (!v)
		return "port 0 can't be forwarded";
	*port = (uint16_t)v;
	return NULL;
}

static const char *parse_range(const char *s, const char *end, uint16_t *first, uint16_t *last)
{
	const char *dash = memchr(s, '-', (size_t)(end - s)), *why;

	why = parse_port(s, dash ? dash : end, first);
	if (why)
		return why;
	*last = *first;
	if (dash)
		why = parse_port(dash + 1, end, last);
	if (why)
		return why;
	return *first > *last ? "range runs backwards" : NULL;
}

static bool same_place(const struct rule *a, const struct rule *b)
{
	return a->proto == b->proto && a->any == b->any && (a->any || addr_eq(&a->addr, &b->addr)) &&
	       !strcmp(a->ifname, b->ifname);
}

/* The very same rule again is no error; two that contradict each other are */
static const char *rule_add(struct conf *c, const struct rule *r)
{
	static char why[192];

	for (const struct rule *o = c->rule; o < c->rule + c->nrules; o++) {
		if (!same_place(o, r) || r->first > o->last || r->last < o->first)
			continue;
		if (r->first == o->first && r->last == o->last && r->to == o->to)
			return NULL;
		snprintf(why, sizeof(why), "port %u is already forwarded by option '%s'",
			 (unsigned)MAX(r->first, o->first), conf_rule_text(o));
		return why;
	}
	if (c->nrules == RULES_MAX)
		return "too many port ranges";
	c->rule[c->nrules++] = *r;
	return NULL;
}

static bool is(const char *s, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - s) == len && !memcmp(s, word, len);
}

/* One element of the list */
static const char *parse_item(struct conf *c, const char *s, const char *end, struct rule *r, bool outward,
			      bool *automatic)
{
	const char *colon = memchr(s, ':', (size_t)(end - s)), *why;
	uint16_t to_last;

	if (is(s, end, "auto")) {
		*automatic = true;
		return NULL;
	}
	if (is(s, end, "all"))
		return "forwarding all ports is not supported yet";
	if (is(s, end, "none"))
		return "\"none\" goes alone";
	if (s < end && *s == '~') {
		why = parse_range(s + 1, end, &r->first, &r->last);
		return why ? why : "excluding ports is not supported yet";
	}

	why = parse_range(s, colon ? colon : end, &r->first, &r->last);
	if (why)
		return why;
	r->to = r->first;
	if (colon) {
		why = parse_range(colon + 1, end, &r->to, &to_last);
		if (why)
			return why;
		if (to_last - r->to != r->last - r->first)
			return "ranges of different lengths";
	}
	return outward ? "forwarding from the namespace is not supported yet" : rule_add(c, r);
}

static void rules_clear(struct conf *c, uint8_t proto)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->nrules; i++) {
		if (c->rule[i].proto != proto)
			c->rule[n++] = c->rule[i];
	}
	c->nrules = n;
}

const char *conf_ports(struct conf *c, char letter, const char *val, bool *automatic)
{
	struct rule r = { .proto = letter == 't' || letter == 'T' ? IPPROTO_TCP : IPPROTO_UDP, .any = true };
	bool outward = letter == 'T' || letter == 'U', here = false;
	const char *slash = strchr(val, '/'), *s = val, *end, *why = NULL;
	unsigned before = c->nrules;

	if (!strcmp(val, "none")) {
		if (!outward)
			rules_clear(c, r.proto);
		return NULL;
	}

	if (before)				/* rules are in order of options */
		r.opt = (uint16_t)(c->rule[before - 1].opt + 1);
	if (r.opt == RULES_MAX)
		return "too many options";
	rule_text[r.opt] = (struct rule_text){ letter, val };

	if (slash) {
		why = parse_place(val, slash, &r);
		s = slash + 1;
	}
	for (; !why; s = end + 1) {
		end = s + strcspn(s, ",");
		why = parse_item(c, s, end, &r, outward, &here);
		if (!*end)
			break;
	}
	if (here) {			/* only while bound in the namespace, which nobody looks for yet */
		c->nrules = before;
		*automatic = true;
	}
	return why;
}
