/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_dns.c - a DNS message, behind a byte: 0: a query, which is written anew as a query that is plain; or else the
 * answer to a query of that many types, which is written anew as an answer that is written the same once more
 */

#include <stdlib.h>

#include "../../dns.c"

#define CHECK(x)	do { if (!(x)) __builtin_trap(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t made[2][65535];

static void check_query(const uint8_t *b, size_t size)
{
	static const int rcodes = 1 << DNS_FORMERR | 1 << DNS_NXDOMAIN | 1 << DNS_NOTIMP | 1 << DNS_BADVERS;
	struct dns_query q, again;
	uint16_t id;
	int rc = dns_read(b, size, &q);
	size_t len;

	if (rc == DNS_NONE)
		return;
	CHECK(!rc || rcodes >> rc & 1);
	CHECK(strlen(q.text) <= DNS_NAME_LEN && q.size >= DNS_SMALL);
	len = dns_error(&q, (enum dns_rcode)rc, true, made[0]);
	CHECK(len <= DNS_ERROR_MAX && get_be16(made[0]) == q.id);
	if (rc)
		return;
	id = q.id ^ 0x5555;
	len = dns_ask(&q, id, id & 1, made[0]);
	CHECK(len <= DNS_QUERY_MAX);
	CHECK(dns_read(made[0], len, &again) == DNS_PLAIN);
	CHECK(again.id == id && again.type == q.type && again.rd == q.rd && again.dnssec == (q.dnssec && id & 1));
	CHECK(!strcmp(again.text, q.text) && again.len == q.len);
}

static void check_answer(const uint8_t *b, size_t size, uint16_t type)
{
	static const uint8_t name[] = { 1, 'A', 1, 'b', 0 };
	struct dns_query q = { .type = type, .len = sizeof(name), .edns = type & 1 };
	struct dns_found f, again;
	size_t max = type & 2 ? DNS_SMALL : sizeof(made[0]);
	uint16_t id = size > 1 ? get_be16(b) : 0;
	size_t len;

	memcpy(q.name, name, sizeof(name));
	q.id = id;
	for (unsigned i = type >> 3 & 1; i < 2048; i += 2)	/* of another message */
		put_be16(made[0] + i, (uint16_t)(0xc000 | i));
	len = dns_answer(b, size, &q, id, made[0], max, &f);
	CHECK(len <= max);
	if (!len)
		return;
	CHECK(f.n <= DNS_FOUND && dns_answer(made[0], len, &q, id, made[1], sizeof(made[1]), &again) == len);
	CHECK(!memcmp(made[0], made[1], len) && again.n == f.n);
	CHECK(!memcmp(f.a, again.a, f.n * sizeof(*f.a)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *b = malloc(size + 1);		/* a sanitizer sees a byte too many being read */

	if (size)
		memcpy(b, data + 1, size - 1);
	if (size && !*data)
		check_query(b, size - 1);
	else if (size)
		check_answer(b, size - 1, *data);
	free(b);
	return 0;
}
