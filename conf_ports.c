/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_ports.c - grammar of port forwarding: -t, -u, -T, -U
 *
 *	SPEC	= "none" | [[ADDR][%NAME]/]ITEM[,ITEM]...
 *	ADDR	= "*" | IPv4 address | IPv6 address | [IPv6 address] | [IPv6 address%NAME]
 *	ITEM	= RANGE[:TARGET] | ~RANGE | "all"[:TO] | "auto"
 *	TARGET	= [TO/]RANGE | TO[/]
 *	TO	= IPv4 address | IPv6 address | [IPv6 address] | name of a guest (--lan), which takes a slash behind it
 *	RANGE	= PORT[-PORT]
 *
 * PORT is decimal, in strtoul(3)'s notation with white space and a plus sign.
 *
 * The first slash ends an address to listen on; if the text before it is none and begins with an item, it is a
 * target's.
 *
 * Options add up; "none" drops those before it. With "auto", a port is forwarded only while its target is bound. An
 * exclusion counts for the whole of its option, wherever it stands; nothing but exclusions means "all" but these.
 *
 * "auto" becomes rules for all ports in question: auto.c opens those with a bound target. "all" becomes weak rules for
 * all ports: ephemeral, used or privileged ones are left out when opened. A port named by one option and part of "all"
 * of another is no contradiction: the name counts.
 */

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "conf.h"
#include "lease.h"
#include "log.h"
#include "util.h"

#define CONF_NAME_NEEDS_LAN	"a name as a target takes --lan"
#define CONF_TARGET_NEEDS_ADDR	"a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any"
#define CONF_TARGET_OTHER	"IPv4 can't be forwarded to IPv6, or the other way around"

static bool is(const char *s, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - s) == len && !memcmp(s, word, len);
}

/* Text before the slash, from @s to @end, into @r */
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

/* Slash after the place to listen on, or NULL */
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
	if (!why)
		why = parse_port(dash ? dash + 1 : s, end, least, last);
	if (why)
		return why;
	return *first > *last ? "range runs backwards" : NULL;
}

enum kind { ITEM_PORTS, ITEM_EXCLUDED, ITEM_ALL, ITEM_AUTO };

struct item {
	enum kind kind;
	uint16_t first, last, to;
	struct addr to_addr;		/* unspecified: none */
	const char *to_name;		/* not terminated, or NULL */
	size_t name_len;
};

/* Address in the guest, with or without brackets; unspecified is none */
static const char *parse_to_addr(const char *s, const char *end, struct addr *to)
{
	if (end - s >= 2 && *s == '[' && end[-1] == ']') {
		s++;
		end--;
	}
	if (!addr_parse(s, (size_t)(end - s), to))
		return "target is not an IPv4 or IPv6 address";
	if (addr_is_many(to))
		return "target is not a unicast address";
	if (addr_is_unspec(to))
		*to = addr_any6;
	return NULL;
}

/* Text after the colon */
static const char *parse_target(const char *s, const char *end, struct item *it)
{
	const char *slash = memchr(s, '/', (size_t)(end - s)), *why;
	uint16_t to_last;

	if (slash && lease_name_ok(s, (size_t)(slash - s)) && !addr_parse(s, (size_t)(slash - s), &it->to_addr)) {
		it->to_addr = addr_any6;
		it->to_name = s;
		it->name_len = (size_t)(slash - s);
		if (slash + 1 == end)
			return NULL;
		s = slash + 1;
	} else if (slash) {
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

struct list {
	const char	*text;
	unsigned	kinds;		/* of its items: bits, by enum kind */
	unsigned	parts;		/* rules made */
	uint8_t		without[PORT_MAP];	/* excluded ports */
};

static bool has(const struct list *l, enum kind kind)
{
	return l->kinds & 1U << kind;
}

static const struct item item_all = { ITEM_ALL, 1, UINT16_MAX, 1, { .b = { 0 } }, NULL, 0 };

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
		*it = item_all;
		if (!colon)
			return NULL;
		return memchr(colon, '.', (size_t)(end - colon)) || memchr(colon + 1, ':', (size_t)(end - colon - 1)) ?
			       parse_to_addr(colon + 1, end, &it->to_addr) :
			       "only ports named have other ports as a target";
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

/* Element at *@s, and on to the next one: *@s is NULL after the last */
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
		l->kinds |= 1U << it.kind;
		for (unsigned port = it.first; !why && it.kind == ITEM_EXCLUDED && port <= it.last; port++)
			bit_set(l->without, port);
	}
	return why;
}

/* A rule for each stretch of @r without exclusions */
static const char *add_parts(struct rules *t, struct list *l, const struct rule *r)
{
	const char *why = NULL;

	for (unsigned port = r->first; !why && port <= r->last; port++) {
		struct rule part = *r;

		if (bit_test(l->without, port))
			continue;
		part.first = (uint16_t)port;
		part.to = rule_to(r, port);
		while (port < r->last && !bit_test(l->without, port + 1))
			port++;
		part.last = (uint16_t)port;
		why = rules_add(t, &part);
		l->parts++;
	}
	return why;
}

/* Rules of one item, otherwise as @r */
static const char *add_item(struct rules *t, struct list *l, const struct rule *r, const struct item *it)
{
	struct rule rule = *r;

	rule.weak = it->kind == ITEM_ALL;
	rule.first = it->first;
	rule.last = it->last;
	rule.to = it->to;
	rule.to_addr = it->to_addr;
	if (it->to_name)
		memcpy(rule.to_name, it->to_name, it->name_len);
	if (t->lan)
		return add_parts(t, l, &rule);
	if (it->to_name)
		return CONF_NAME_NEEDS_LAN;
	if (!addr_is_unspec(&rule.to_addr) && rule.any)
		return CONF_TARGET_NEEDS_ADDR;
	if (!addr_is_unspec(&rule.to_addr) && addr_is_v4(&rule.addr) != addr_is_v4(&rule.to_addr))
		return CONF_TARGET_OTHER;
	return add_parts(t, l, &rule);
}

/* Rules of a list: weak ones first. Exclusions and "auto" without ports mean "all". */
static const char *add_list(struct rules *t, struct list *l, const struct rule *r)
{
	static const enum kind order[] = { ITEM_ALL, ITEM_PORTS };
	const char *why = NULL;
	struct item it;

	if (!has(l, ITEM_ALL) && !has(l, ITEM_PORTS))
		why = add_item(t, l, r, &item_all);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		for (const char *s = l->text; s && !why;) {
			next_item(&s, &it);
			if (it.kind == order[i])
				why = add_item(t, l, r, &it);
		}
	}
	if (!why && !l->parts)
		warn("Nothing is left to forward for option '%s'", rule_text(r));
	return why;
}

/* Drops rules of the direction and protocol of @r */
static void rules_clear(struct rules *t, const struct rule *r)
{
	const struct rule *end = t->rule + t->n;

	t->n = 0;
	for (const struct rule *o = t->rule; o < end; o++) {
		if (o->proto != r->proto || o->outward != r->outward)
			t->rule[t->n++] = *o;
	}
}

const char *conf_target(const struct conf *c, const struct rule *r)
{
	const struct lan_conf *lan = &c->lan;
	bool addr = !addr_is_unspec(&r->to_addr);
	enum family f = addr_family(&r->to_addr);

	if (r->outward)
		return r->to_name[0] ? CONF_NAME_NEEDS_LAN : NULL;
	if (!lan->on)
		return r->to_name[0] ? CONF_NAME_NEEDS_LAN : addr && r->any ? CONF_TARGET_NEEDS_ADDR :
		       addr && addr_is_v4(&r->addr) != (f == V4) ? CONF_TARGET_OTHER : NULL;
	if (addr)
		return conf_lan_host(lan, &r->to_addr);
	return r->to_name[0] || c->guests == 1 ? NULL : "with several guests, a target is needed";
}

const char *conf_ports(struct rules *t, enum mode mode, char letter, const char *val)
{
	struct rule r = {
		.proto = letter == 't' || letter == 'T' ? IPPROTO_TCP : IPPROTO_UDP,
		.outward = letter == 'T' || letter == 'U', .any = true, .opt = RULES_MAX,
	};
	const char *slash = place_end(val), *why;
	static struct list list;

	if (!strcmp(val, "none")) {
		rules_clear(t, &r);
		return NULL;
	}
	if (r.outward && mode != MODE_PASTA)
		return "forwarding from a namespace takes pasta";
	if (!t->run_time && (r.opt = rules_option(t, val)) == RULES_MAX)
		return "too many options";

	why = slash ? parse_place(val, slash, &r) : NULL;
	if (!why)
		why = parse_list(slash ? slash + 1 : val, &list);
	if (why)
		return why;
	r.automatic = has(&list, ITEM_AUTO);
	if (r.automatic && mode != MODE_PASTA)
		return "\"auto\" takes a namespace, which only pasta has";
	return add_list(t, &list, &r);
}
