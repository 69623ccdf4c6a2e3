/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_policy.c - a file of rules: refused with the number of a line, or compiled, and verdicts are as a slow reference
 * has them
 */

#include <stdlib.h>

#include "../../policy.c"
#include "../../policy_text.c"
#include "../policy_slow.h"

#define CHECK(x)	do { if (!(x)) __builtin_trap(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_verdict(const struct policy *p, enum policy_proto proto, const struct end *to, const char *name)
{
	unsigned groups = policy_groups(&to->a);

	CHECK(policy_judge(p, proto, to, groups, name).rule == slow_judge(p, proto, to, groups, name));
}

/* The rule's name, two bytes into @text, and one below it */
static void check_name(const struct policy *p, const struct policy_rule *r, char *text)
{
	CHECK(!r->name == (r->target != TARGET_NAME && r->target != TARGET_BELOW));
	if (!r->name)
		return;
	memcpy(text, "a.", 2);
	for (unsigned i = 0; i < r->plen; i++)
		text[2 + i] = (char)ascii_lower((uint8_t)r->name[i]);
	text[2 + r->plen] = '\0';
	policy_query(p, text + 2);
	CHECK(policy_query(p, text).rule <= POLICY_NONE);
	check_verdict(p, POLICY_TCP, &(struct end){ addr_any4, 443 }, text);
}

/* At the edges of each rule's prefix and ports */
static void check_rule(const struct policy *p, const struct policy_rule *r)
{
	struct end to = { .a = r->target == TARGET_GROUP ? addr_loopback4 : r->addr };
	char text[DNS_NAME_LEN + 3] = "", *name = r->name ? text + 2 : NULL;
	uint16_t first = r->nranges ? p->range[r->ranges].first : 0, last = r->nranges ? p->range[r->ranges].last : 0;

	CHECK(r->text && r->protos && r->target <= TARGET_BELOW);
	CHECK((r->target == TARGET_V4) == addr_is_v4(&r->addr) || r->target == TARGET_GROUP);
	check_name(p, r, text);
	for (enum policy_proto proto = 0; proto < POLICY_PROTOS; proto++) {
		const uint16_t port[] = { first, last, (uint16_t)(first - 1), (uint16_t)(last + 1) };

		for (unsigned i = 0; i < ARRAY_SIZE(port); i++) {
			to.port = proto == POLICY_ECHO ? 0 : port[i];
			check_verdict(p, proto, &to, name);
			to.a.b[15] ^= 1;
			check_verdict(p, proto, &to, name);
			to.a.b[r->plen / 8 % 16] ^= 0x10;
			check_verdict(p, proto, &to, name);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *p = policy_new(NULL);
	char *text = malloc(size + 1);		/* a sanitizer sees a byte too many being read */
	unsigned line, lines = 1;
	const char *why;

	memcpy(text, data, size);
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	why = policy_lines(p, text, size, &line);
	CHECK(line <= lines && (!why || line));
	if (!why && size < 4096) {
		policy_compile(p);
		for (const struct policy_rule *r = p->rule; r < p->rule + p->nrules; r++)
			check_rule(p, r);
	}
	free(text);
	return 0;
}
