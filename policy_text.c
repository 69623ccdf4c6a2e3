/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy_text.c - egress policy: text of rules, and of files with a rule a line
 *
 *	RULE	[tcp/|udp/|icmp/]TARGET[:PORT[-PORT][,PORT[-PORT]]...]
 *	TARGET	address, prefix, or group; of IPv6 in brackets if ports follow
 *	line	allow RULE | deny RULE ["reason"] | ask RULE | egress WORD, and #, from a word's place on, a comment
 *
 * Whatever is not understood is an error: a rule that is left out would change the meaning of all others.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "dns.h"
#include "policy.h"
#include "util.h"

#define BLANKS		" \t\r"
#define DNS_LABEL_LEN	63	/* RFC 1035 2.3.4 */
#define REASON_LEN	128
#define RANGES_NAME	(POLICY_RANGES - 2)	/* the last two: those of names without ports */

const char *const egress_name[EGRESS_WORDS] = { "", "open", "internet", "locked" };

static const char *const group_name[GROUPS] = {
	"any", "public", "private", "host", "loopback", "link-local", "metadata", "multicast",
};

static const char *const proto_name[POLICY_PROTOS] = { "tcp/", "udp/", "icmp/" };

const char *const verdict_name[] = { [ALLOW] = "allow", [DENY] = "deny", [ASK] = "ask" };

static bool is_word(const char *s, size_t len, const char *word)
{
	return strlen(word) == len && !memcmp(s, word, len);
}

/* ---- targets ---- */

/* Does the last label of @s, without the root's dot, begin with a digit? Then some programs read it as a number, and
 * the whole as an address (inet_aton(3)): no top-level domain does.
 */
static bool ends_in_number(const char *s, size_t len)
{
	size_t at = len;

	while (at && s[at - 1] != '.')
		at--;
	return at < len && s[at] >= '0' && s[at] <= '9';
}

/* Domain name in ASCII? */
static bool is_name(const char *s, size_t len)
{
	size_t label = 0;

	if (len > DNS_NAME_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		char ch = s[i] | 0x20;
		bool plain = (ch >= 'a' && ch <= 'z') || (s[i] >= '0' && s[i] <= '9') || s[i] == '_';

		if (s[i] == '.' ? !label || s[i - 1] == '-' : !plain && (s[i] != '-' || !label))
			return false;
		label = s[i] == '.' ? 0 : label + 1;
		if (label > DNS_LABEL_LEN)
			return false;
	}
	return label && s[len - 1] != '-';
}

/* A word that is no address: NULL, or the reason to refuse it */
static const char *target_word(struct policy_rule *r, const char *s, size_t len)
{
	size_t bare = len > 1 && s[len - 1] == '.' ? len - 1 : len, wild = bare > 2 && !memcmp(s, "*.", 2) ? 2 : 0;

	for (uint8_t g = 0; g < GROUPS; g++) {
		if (!is_word(s, len, group_name[g]))
			continue;
		r->target = TARGET_GROUP;
		r->plen = g;
		return NULL;
	}
	if (ends_in_number(s, bare))
		return "not an address";
	if (!memchr(s, '.', len))
		return "unknown word: a group, an address, or a name with a dot expected";
	if (!is_name(s + wild, bare - wild))
		return "neither an address nor a name";
	r->target = wild ? TARGET_BELOW : TARGET_NAME;
	r->name = s + wild;
	r->plen = (uint8_t)(bare - wild);
	return NULL;
}

/* An address, or a prefix with @bits, or NULL: NULL, or the reason to refuse it */
static const char *target_addr(struct policy_rule *r, const char *s, size_t len, const char *bits, size_t bits_len)
{
	unsigned given = memchr(s, ':', len) ? 0 : 96;		/* IPv4-mapped ones have the bits of IPv6 */
	uint64_t plen = 128 - given;
	struct addr zero;

	if (!addr_parse(s, len, &r->addr))
		return bits ? "neither an address nor tcp, udp or icmp before a slash" : "not an address";
	if (bits && (!bits_len || !parse_num(bits, bits_len, 128 - given, &plen)))
		return "not a prefix length";
	plen += given;
	zero = r->addr;
	for (unsigned i = (unsigned)plen; i < 128; i++)
		zero.b[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	if (!addr_eq(&zero, &r->addr))
		return "address with bits beyond the prefix";
	r->plen = (uint8_t)plen;
	r->target = addr_is_v4(&r->addr) ? TARGET_V4 : TARGET_V6;
	return NULL;
}

static const char *target_parse(struct policy_rule *r, const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len);
	size_t head = slash ? (size_t)(slash - s) : len;
	struct addr a;

	if (!len)
		return "no address, group or name";
	if (slash)
		return target_addr(r, s, head, slash + 1, len - head - 1);
	if (addr_parse(s, len, &a) || memchr(s, ':', len))
		return target_addr(r, s, len, NULL, 0);
	return target_word(r, s, len);
}

/* ---- ports ---- */

/* PORT or PORT-PORT */
static bool range_parse(struct policy *p, const char *s, size_t len)
{
	const char *dash = memchr(s, '-', len);
	size_t head = dash ? (size_t)(dash - s) : len;
	uint64_t first, last;

	if (!parse_num(s, head, UINT16_MAX, &first) || !first)
		return false;
	last = first;
	if (dash && (!parse_num(dash + 1, len - head - 1, UINT16_MAX, &last) || last < first))
		return false;
	p->range[p->nranges].first = (uint16_t)first;
	p->range[p->nranges++].last = (uint16_t)last;
	return true;
}

static const char *ports_parse(struct policy *p, struct policy_rule *r, const char *s)
{
	r->ranges = (uint16_t)p->nranges;
	if (r->protos == 1 << POLICY_ECHO)
		return "echo has no ports";
	for (bool more = true; more;) {
		size_t len = strcspn(s, ",");

		if (p->nranges == RANGES_NAME)
			return "too many ports in all rules";
		if (!range_parse(p, s, len))
			return "not a port, or range of ports, from 1 to 65535";
		r->nranges++;
		more = s[len];
		s += len + more;
	}
	return NULL;
}

/* ---- rules ---- */

/* Where the target ends: at a colon in front of ports, or at the end. Brackets are around IPv6 only. */
static const char *target_find(const char **s, size_t *len, const char **ports)
{
	const char *colon = strchr(*s, ':'), *close;

	*ports = NULL;
	*len = strlen(*s);
	if (**s == '[') {
		close = strchr(++*s, ']');
		if (!close || !memchr(*s, ':', (size_t)(close - *s)))
			return "no IPv6 address in brackets";
		*len = (size_t)(close - *s);
		if (close[1] && close[1] != ':')
			return "nothing but ports may follow the brackets";
		*ports = close[1] ? close + 2 : NULL;
	} else if (colon && !strchr(colon + 1, ':')) {
		*len = (size_t)(colon - *s);
		*ports = colon + 1;
	}
	return NULL;
}

/* Protocols and ports of a rule with a name, if they are not given: no other resolver, and QUIC only if UDP is named */
static void name_scope(struct policy *p, struct policy_rule *r)
{
	static const struct port_range ranges[] = { { 0, PORT_DOT - 1 }, { PORT_DOT + 1, UINT16_MAX } };

	if (!r->protos)
		r->protos = 1 << POLICY_TCP | 1 << POLICY_UDP | (r->verdict == DENY) << POLICY_QUIC;
	else if (r->protos & 1 << POLICY_UDP)
		r->protos |= 1 << POLICY_QUIC;
	if (r->nranges || r->verdict == DENY)
		return;
	r->ranges = RANGES_NAME;
	r->nranges = ARRAY_SIZE(ranges);
	memcpy(p->range + RANGES_NAME, ranges, sizeof(ranges));
}

const char *policy_add(struct policy *p, enum verdict v, const char *text, const char *reason)
{
	struct policy_rule *r = &p->rule[p->nrules];
	unsigned nranges = p->nranges;
	const char *s = text, *ports, *why;
	size_t len;

	if (p->nrules == POLICY_MAX)
		return "more than 10000 rules";
	*r = (struct policy_rule){ .text = text, .reason = reason, .verdict = (uint8_t)v };
	for (unsigned i = 0; i < POLICY_PROTOS && !r->protos; i++) {
		if (strncmp(s, proto_name[i], strlen(proto_name[i])))
			continue;
		r->protos = (uint8_t)(1 << i);
		s += strlen(proto_name[i]);
	}
	why = target_find(&s, &len, &ports);
	if (!why)
		why = target_parse(r, s, len);
	if (!why && r->name && r->protos == 1 << POLICY_ECHO)
		why = "a name is for TCP and UDP";
	if (!why && ports)
		why = ports_parse(p, r, ports);
	if (why) {
		p->nranges = nranges;
		return why;
	}
	if (r->name)
		name_scope(p, r);
	else if (!r->protos)		/* a refusal without ports is one of echo, too */
		r->protos = 1 << POLICY_TCP | 1 << POLICY_UDP | (v == DENY && !ports) << POLICY_ECHO;
	p->nrules++;
	return NULL;
}

const char *policy_egress(struct policy *p, const char *word)
{
	for (enum egress e = EGRESS_OPEN; e < EGRESS_WORDS; e++) {
		if (strcmp(word, egress_name[e]))
			continue;
		p->given = e;
		return NULL;
	}
	return "neither open, internet nor locked";
}

/* ---- files ---- */

/* Next word of *@s, which moves behind it; empty at a comment and at the end */
static char *word_next(char **s)
{
	char *word = *s + strspn(*s, BLANKS);
	size_t len = *word == '#' ? 0 : strcspn(word, BLANKS);

	*s = word + len;
	if (**s && len)
		*(*s)++ = '\0';
	return len ? word : *s + strlen(*s);
}

/* Text in quotes at *@s, if there is any, into *@reason: false if the quotes don't end, or more than text is in them */
static bool reason_next(char **s, const char **reason)
{
	char *text = *s + strspn(*s, BLANKS), *end;

	*reason = NULL;
	if (*text != '"')
		return true;
	end = strchr(++text, '"');
	if (!end || end - text > REASON_LEN || !strchr(BLANKS, end[1]))
		return false;
	for (const char *at = text; at < end;) {
		unsigned n = utf8_len(at, end);

		if (!n || (unsigned char)*at < ' ' || *at == 0x7f)
			return false;
		at += n;
	}
	*end = '\0';
	*s = end + 1;
	*reason = text;
	return true;
}

static const char *line_parse(struct policy *p, char *s)
{
	const char *verb = word_next(&s), *rule, *reason, *why = "unknown word: allow, deny, ask or egress expected";

	if (!*verb)
		return NULL;
	rule = word_next(&s);
	if (!*rule)
		return "a word is missing";
	if (!reason_next(&s, &reason))
		return "not a text of up to 128 bytes in quotes";
	if (reason && strcmp(verb, verdict_name[DENY]))
		return "only deny has a reason";
	if (*word_next(&s))
		return "more words than one rule has";
	if (!strcmp(verb, "egress"))
		return policy_egress(p, rule);
	for (enum verdict v = ALLOW; v <= ASK; v++) {
		if (!strcmp(verb, verdict_name[v]))
			why = policy_add(p, v, rule, reason);
	}
	return why;
}

const char *policy_lines(struct policy *p, char *text, size_t len, unsigned *line)
{
	char *end = text + len, *next;
	const char *why = NULL;

	*end = '\0';
	*line = 0;
	for (char *s = text; s < end && !why; s = next) {
		char *newline = memchr(s, '\n', (size_t)(end - s));

		++*line;
		next = newline ? newline + 1 : end;
		if (newline)
			*newline = '\0';
		if (s + strlen(s) < next - !!newline)
			return "a byte of 0: not a text";
		why = line_parse(p, s);
	}
	return why;
}

const char *policy_file(struct policy *p, const char *path, unsigned *line)
{
	char *text = p->text + p->ntext;
	size_t len = 0, room = POLICY_TEXT - p->ntext;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : 1;
	int err = errno;

	*line = 0;
	while (n > 0 && len < room) {
		n = UNINTERRUPTED(read(fd, text + len, room - len));
		err = errno;
		len += (size_t)MAX(n, 0);
	}
	fd_close(fd);
	if (n < 0)
		return errno_text(err);
	if (len == room)
		return "more than 1 MiB of rules";
	p->ntext += len + 1;
	return policy_lines(p, text, len, line);
}
