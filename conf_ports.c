/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_ports.c - grammar of port forwarding: -t, -u, -T, -U
 *
 *	SPEC	= "none" | [[ADDR][%NAME]/]ITEM[,ITEM]...
 *	ADDR	= "*" | IPv4 address | IPv6 address | [IPv6 address] | [IPv6 address%NAME]
 *	ITEM	= RANGE[:TARGET] | ~RANGE | "all"[:TO] | "auto"
 *	TARGET	= [TO/]RANGE | TO[/]
 *	TO	= IPv4 address | IPv6 address | [IPv6 address]
 *	RANGE	= PORT[-PORT]
 *
 * PORT is decimal; white space and a plus sign may precede it, as strtoul(3) has it.
 *
 * The first slash ends an address to listen on, unless what is in front of it is none and begins with an item: then it
 * is a target's.
 *
 * Options add up. "none" drops what options before it said. With "auto", ports are forwarded only while they are
 * bound in the namespace. An exclusion counts for the whole of its option, wherever it stands; nothing but exclusions
 * means "all" but these.
 *
 * What is automatic becomes rules for all ports it may be about: auto.c sees to it that those that are bound are open.
 *
 * "all" becomes weak rules for all there is: which of these ports are ephemeral, taken or privileged is found out as
 * they are opened. Ports named by one option and part of "all" of another are no contradiction: the name counts.
 */

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"
#include "log.h"
#include "util.h"

/* Options that rules came from, by rule.opt */
static struct rule_text {
	char		letter;
	const char	*val;		/* in argv */
} rule_text[RULES_MAX];

/* A range, or a port if it is one */
static int format_range(char *buf, size_t size, const char *before, unsigned first, unsigned last)
{
	return first == last ? snprintf(buf, size, "%s%u", before, first) :
	       snprintf(buf, size, "%s%u-%u", before, first, last);
}

/* Ports of a rule, without the place they are bound to: "80-90:180-190", "all,~1-22" */
static void format_ports(const struct rule *r, char *buf, size_t size)
{
	bool target = !addr_is_unspec(&r->to_addr);
	char a[ADDR_STRLEN], to[ADDR_STRLEN + 4] = "";
	int n;

	if (target)
		snprintf(to, sizeof(to), addr_is_v4(&r->to_addr) ? ":%s" : ":[%s]", addr_fmt(&r->to_addr, a));
	if (!r->weak) {
		n = format_range(buf, size, "", r->first, r->last);
		n += snprintf(buf + n, size - (size_t)n, "%s", to);
		if (r->to != r->first)
			n += format_range(buf + n, size - (size_t)n, target ? "/" : ":", r->to,
					  r->to + (unsigned)(r->last - r->first));
		snprintf(buf + n, size - (size_t)n, "%s", r->automatic ? ",auto" : "");
		return;
	}
	n = snprintf(buf, size, "%s%s%s", r->automatic && !target ? "auto" : "all", to, r->automatic && target ? ",auto" : "");
	if (r->first > 1)
		n += format_range(buf + n, size - (size_t)n, ",~", 1, r->first - 1U);
	if (r->last < UINT16_MAX)
		format_range(buf + n, size - (size_t)n, ",~", r->last + 1U, UINT16_MAX);
}

const char *conf_rule_fmt(const struct rule *r, char buf[static RULE_STRLEN])
{
	static const char letter[2][2] = { { 't', 'u' }, { 'T', 'U' } };
	char at[ADDR_STRLEN + 2] = "", a[ADDR_STRLEN];
	int n;

	if (!r->any)
		snprintf(at, sizeof(at), addr_is_v4(&r->addr) ? "%s" : "[%s]", addr_fmt(&r->addr, a));
	n = snprintf(buf, RULE_STRLEN, "-%c %s%s%s%s", letter[r->outward][r->proto == IPPROTO_UDP], at,
		     r->ifname[0] ? "%" : "", r->ifname, at[0] || r->ifname[0] ? "/" : "");
	format_ports(r, buf + n, RULE_STRLEN - (size_t)n);
	return buf;
}

const char *conf_rule_show(const struct rule *r, char buf[static RULE_SHOW_STRLEN])
{
	const char *ifname = r->outward && r->any && !r->ifname[0] ? "lo" : r->ifname;
	char at[ADDR_STRLEN], to[ADDR_STRLEN];
	int n;

	n = snprintf(buf, RULE_SHOW_STRLEN, "%s [%s]%s%s", r->proto == IPPROTO_TCP ? "TCP" : "UDP",
		     r->any ? "*" : addr_fmt(&r->addr, at), ifname[0] ? "%" : "", ifname);
	n += format_range(buf + n, RULE_SHOW_STRLEN - (size_t)n, ":", r->first, r->last);
	n += snprintf(buf + n, RULE_SHOW_STRLEN - (size_t)n, "  =>  ");
	if (!addr_is_unspec(&r->to_addr))
		n += snprintf(buf + n, RULE_SHOW_STRLEN - (size_t)n, "%s:", addr_fmt(&r->to_addr, to));
	n += format_range(buf + n, RULE_SHOW_STRLEN - (size_t)n, "", r->to, r->to + (unsigned)(r->last - r->first));
	snprintf(buf + n, RULE_SHOW_STRLEN - (size_t)n, " %s%s", r->weak ? " (best effort)" : "",
		 r->automatic ? " (auto-scan)" : "");
	return buf;
}

const char *conf_rule_text(const struct rule *r)
{
	const struct rule_text *t = &rule_text[r->opt];
	static char buf[RULE_TEXT_MAX];

	if (r->opt == RULES_MAX)
		return conf_rule_fmt(r, buf);
	snprintf(buf, sizeof(buf), "-%c %.100s", t->letter, t->val);
	return buf;
}

static bool is(const char *s, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - s) == len && !memcmp(s, word, len);
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

	r->any = close[0] != ']' && (s == end || is(s, end, "*"));
	if (r->any)
		return NULL;
	if (!addr_parse(s, (size_t)(end - s), &r->addr))
		return "not an IPv4 or IPv6 address before the slash";
	if (addr_is_bcast(&r->addr) || (addr_is_multicast(&r->addr) && r->proto == IPPROTO_TCP))
		return "not a unicast address";
	return NULL;
}

/* Slash behind the place to listen on, or NULL */
static const char *place_end(const char *val)
{
	const char *slash = strchr(val, '/');
	size_t head = strcspn(val, ":,/");
	struct rule r = { .proto = IPPROTO_UDP };

	if (!slash || !parse_place(val, slash, &r) || val[head] == '/')
		return slash;
	if ((head && strspn(val, "0123456789-~") >= head) || !strncmp(val, "all:", 4) || !strncmp(val, "auto", 4))
		return NULL;
	return slash;
}

static const char *parse_port(const char *s, const char *end, unsigned least, uint16_t *port)
{
	uint64_t v;

	if (s == end)
		return "port missing";
	if (!parse_num_c(s, (size_t)(end - s), 10, UINT64_MAX, &v)) {
		while (s < end && *s >= '0' && *s <= '9')
			s++;
		return s == end ? "port above 65535" : "not a port number";
	}
	if (v > UINT16_MAX)
		return "port above 65535";
	if (v < least)
		return "port 0 can't be forwarded";
	*port = (uint16_t)v;
	return NULL;
}

/* @least: 0 or 1, the first port that makes sense */
static const char *parse_range(const char *s, const char *end, unsigned least, uint16_t *first, uint16_t *last)
{
	const char *dash = memchr(s, '-', (size_t)(end - s)), *why;

	why = parse_port(s, dash ? dash : end, least, first);
	if (why)
		return why;
	*last = *first;
	if (dash)
		why = parse_port(dash + 1, end, least, last);
	if (why)
		return why;
	return *first > *last ? "range runs backwards" : NULL;
}

/* One element of the list */
struct item {
	enum { ITEM_PORTS, ITEM_EXCLUDED, ITEM_ALL, ITEM_AUTO } kind;
	uint16_t first, last, to;
	struct addr to_addr;		/* unspecified: none */
};

/* Address in the guest, brackets around it or not; unspecified is none */
static const char *parse_to_addr(const char *s, const char *end, struct addr *to)
{
	if (end - s >= 2 && *s == '[' && end[-1] == ']') {
		s++;
		end--;
	}
	if (!addr_parse(s, (size_t)(end - s), to))
		return "target is not an IPv4 or IPv6 address";
	if (addr_is_multicast(to) || addr_is_bcast(to))
		return "target is not a unicast address";
	if (addr_is_unspec(to))
		*to = addr_any6;
	return NULL;
}

/* What is behind the colon */
static const char *parse_target(const char *s, const char *end, struct item *it)
{
	const char *slash = memchr(s, '/', (size_t)(end - s)), *why;
	uint16_t to_last;

	if (slash) {
		why = parse_to_addr(s, slash, &it->to_addr);
		if (why || slash + 1 == end)
			return why;
		s = slash + 1;
	} else if (memchr(s, '.', (size_t)(end - s)) || memchr(s, ':', (size_t)(end - s))) {
		return parse_to_addr(s, end, &it->to_addr);
	}
	why = parse_range(s, end, 1, &it->to, &to_last);
	if (why)
		return why;
	return to_last - it->to == it->last - it->first ? NULL : "ranges of different lengths";
}

/* The very same rule again is no error; two that contradict each other are */
static const char *rule_add(struct rules *t, const struct rule *r)
{
	static char why[192];

	for (const struct rule *o = t->rule; o < t->rule + t->n; o++) {
		if (!rule_same_place(o, r) || o->weak != r->weak || o->automatic != r->automatic ||
		    r->first > o->last || r->last < o->first)
			continue;
		if (rule_same(o, r))
			return NULL;
		snprintf(why, sizeof(why), RULE_OVERLAP, (unsigned)MAX(r->first, o->first), conf_rule_text(o));
		return why;
	}
	if (t->n == RULES_MAX)
		return "too many port ranges";
	t->rule[t->n++] = *r;
	return NULL;
}

/* A list as a whole */
struct list {
	const char	*text;
	bool		ports, excluded, all_named, automatic;	/* kinds of items in it */
	bool		all;					/* also without ports, but exclusions or "auto" */
	uint8_t		without[(UINT16_MAX + 1) / 8];		/* ports that are excluded */
};

static const char *parse_item(const char *s, const char *end, struct item *it)
{
	const char *colon = memchr(s, ':', (size_t)(end - s)), *name = colon ? colon : end, *why;

	*it = (struct item){ .kind = ITEM_PORTS, .to_addr = addr_any6 };
	if (is(s, name, "none"))
		return "\"none\" goes alone";
	if (is(s, name, "auto")) {
		it->kind = ITEM_AUTO;
		return colon ? "\"auto\" has no target" : NULL;
	}
	if (is(s, name, "all")) {
		it->kind = ITEM_ALL;
		if (!colon)
			return NULL;
		return memchr(colon, '.', (size_t)(end - colon)) || memchr(colon + 1, ':', (size_t)(end - colon - 1)) ?
		       parse_to_addr(colon + 1, end, &it->to_addr) : "only ports named have other ports as a target";
	}
	if (s < end && *s == '~') {
		it->kind = ITEM_EXCLUDED;
		return colon ? "an exclusion has no target" : parse_range(s + 1, end, 0, &it->first, &it->last);
	}

	why = parse_range(s, name, 1, &it->first, &it->last);
	if (why)
		return why;
	it->to = it->first;
	return colon ? parse_target(colon + 1, end, it) : NULL;
}

/* Element at *@s, and on to the next one: *@s is NULL behind the last */
static const char *next_item(const char **s, struct item *it)
{
	const char *end = *s + strcspn(*s, ","), *why = parse_item(*s, end, it);

	*s = *end ? end + 1 : NULL;
	return why;
}

static const char *parse_list(const char *s, struct list *l)
{
	const char *why = NULL;
	struct item it;

	*l = (struct list){ .text = s };
	while (s && !why) {
		why = next_item(&s, &it);
		l->ports |= it.kind == ITEM_PORTS;
		l->excluded |= it.kind == ITEM_EXCLUDED;
		l->all_named |= it.kind == ITEM_ALL;
		l->automatic |= it.kind == ITEM_AUTO;
		for (unsigned port = it.first; !why && it.kind == ITEM_EXCLUDED && port <= it.last; port++)
			bit_set(l->without, port);
	}
	l->all = l->all_named || ((l->excluded || l->automatic) && !l->ports);
	return why;
}

/* @r for each stretch of it that nothing is excluded from, their number added to *@n */
static const char *add_parts(struct rules *t, const struct list *l, const struct rule *r, unsigned *n)
{
	const char *why = NULL;
	unsigned port = r->first;

	while (!why && port <= r->last) {
		struct rule part = *r;

		if (bit_test(l->without, port)) {
			port++;
			continue;
		}
		part.first = (uint16_t)port;
		part.to = (uint16_t)(r->to + (port - r->first));
		while (port <= r->last && !bit_test(l->without, port))
			port++;
		part.last = (uint16_t)(port - 1);
		why = rule_add(t, &part);
		(*n)++;
	}
	return why;
}

/* Rules of one item, as far as they differ from @r */
static const char *add_item(struct rules *t, const struct list *l, const struct rule *r, const struct item *it,
			    unsigned *n)
{
	struct rule rule = *r;

	rule.weak = it->kind == ITEM_ALL;
	rule.first = rule.weak ? 1 : it->first;
	rule.last = rule.weak ? UINT16_MAX : it->last;
	rule.to = rule.weak ? 1 : it->to;
	rule.to_addr = it->to_addr;
	if (!addr_is_unspec(&rule.to_addr) && rule.any)
		return "a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any";
	if (!addr_is_unspec(&rule.to_addr) && addr_is_v4(&rule.addr) != addr_is_v4(&rule.to_addr))
		return "IPv4 can't be forwarded to IPv6, or the other way around";
	return add_parts(t, l, &rule, n);
}

/* Rules of a list: weak ones first */
static const char *add_list(struct rules *t, const struct list *l, const struct rule *r)
{
	struct item it = { .kind = ITEM_ALL, .to_addr = addr_any6 };
	const char *why = NULL;
	unsigned n = 0;

	if (l->all && !l->all_named)
		why = add_item(t, l, r, &it, &n);
	for (const char *s = l->all_named ? l->text : NULL; s && !why;) {
		next_item(&s, &it);
		if (it.kind == ITEM_ALL)
			why = add_item(t, l, r, &it, &n);
	}
	for (const char *s = l->text; s && !why;) {
		next_item(&s, &it);
		if (it.kind == ITEM_PORTS)
			why = add_item(t, l, r, &it, &n);
	}
	if (!why && !n)
		warn("Nothing is left to forward for option '%s'", conf_rule_text(r));
	return why;
}

static void rules_clear(struct rules *t, uint8_t proto, bool outward)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->n; i++) {
		if (t->rule[i].proto != proto || t->rule[i].outward != outward)
			t->rule[n++] = t->rule[i];
	}
	t->n = n;
}

/* Number of a new option; rules are in order of theirs. RULES_MAX: there is none left. */
static uint16_t option_new(const struct rules *t, char letter, const char *val)
{
	uint16_t opt = t->n ? (uint16_t)(t->rule[t->n - 1].opt + 1) : 0;

	if (opt < RULES_MAX)
		rule_text[opt] = (struct rule_text){ letter, val };
	return opt;
}

const char *conf_ports(struct rules *t, enum mode mode, char letter, const char *val)
{
	bool outward = letter == 'T' || letter == 'U';
	struct rule r = {
		.proto = letter == 't' || letter == 'T' ? IPPROTO_TCP : IPPROTO_UDP, .outward = outward, .any = true,
		.opt = RULES_MAX,
	};
	const char *slash = place_end(val), *why;
	static struct list list;

	if (!strcmp(val, "none")) {
		rules_clear(t, r.proto, outward);
		return NULL;
	}
	if (outward && mode != MODE_PASTA)
		return "forwarding from a namespace takes pasta";
	if (!t->run_time && (r.opt = option_new(t, letter, val)) == RULES_MAX)
		return "too many options";

	why = slash ? parse_place(val, slash, &r) : NULL;
	if (!why)
		why = parse_list(slash ? slash + 1 : val, &list);
	if (why)
		return why;
	if (list.automatic && mode != MODE_PASTA)
		return "\"auto\" takes a namespace, which only pasta has";
	r.automatic = list.automatic;
	return add_list(t, &list, &r);
}
