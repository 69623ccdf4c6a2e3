/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns.h - messages of the Domain Name System (RFC 1035), read and written; no state
 *
 * A query is taken apart to one plain question, and a query for the resolver is written anew from that. Of the answer,
 * records are taken apart, and the answer for whoever asked is written anew, too: nothing passes that was not
 * understood as far as it matters.
 */
#ifndef DNS_H
#define DNS_H

#include "addr.h"

#define DNS_NAME_LEN	253		/* RFC 1035 2.3.4, as text without the root's dot */
#define DNS_WIRE_LEN	255		/* the same as labels */
#define DNS_LABELS	127
#define DNS_SMALL	512		/* an answer by UDP, without EDNS */
#define DNS_UDP		1232		/* one with it that needs no fragments: DNS flag day 2020 */
#define DNS_QUERY_MAX	(DNS_HEADER + DNS_WIRE_LEN + 4 + 11)	/* a query of ours */
#define DNS_HEADER	12		/* RFC 1035 4.1.1 */
#define DNS_QR		0x80		/* in byte 2: an answer */
#define DNS_TC		0x02		/* there, too: it was cut */
#define DNS_RCODE	0x0f		/* in byte 3 */
#define DNS_TTL_MOST	(7 * 86400)	/* s: RFC 8767 4 */
#define DNS_FOUND	64		/* addresses of one answer that count */
#define DNS_TYPE_LEN	10		/* "TYPE65535" */

/* RFC 1035 4.1.1, RFC 6891 9 */
enum dns_rcode { DNS_OK, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED, DNS_BADVERS = 16 };

enum dns_kind { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28 };	/* some types of records */

#define DNS_PLAIN	0		/* one plain question */
#define DNS_NONE	(-1)		/* no query at all: dropped */

struct dns_query {
	uint16_t	id, type;
	uint16_t	size;		/* bytes of an answer by UDP */
	uint8_t		opcode;
	bool		rd, ad, cd;	/* flags; @ad, @cd: RFC 4035 3.1.6 */
	bool		edns, dnssec;	/* has OPT (RFC 6891), and DO in it (RFC 3225) */
	uint8_t		len;		/* of @name, 0: the question was not understood */
	uint8_t		name[DNS_WIRE_LEN];	/* as it was sent: in any case */
	char		text[DNS_NAME_LEN + 1];	/* in lower case, without the root's dot */
};

/* Addresses that an answer has for the name that was asked for */
struct dns_found {
	uint16_t	rcode;		/* enum dns_rcode */
	bool		cut;		/* the resolver had more than there was room for */
	unsigned	n;
	struct addr	a[DNS_FOUND];
	uint32_t	ttl[DNS_FOUND];	/* s */
};

/**
 * dns_read() - a query
 *
 * Return: DNS_PLAIN, DNS_NONE, or the enum dns_rcode to answer; @q is filled in as far as it was understood
 */
int dns_read(const uint8_t *b, size_t len, struct dns_query *q);

/* The query for the resolver, with another ID, and OPT if @edns: its length */
size_t dns_ask(const struct dns_query *q, uint16_t id, bool edns, uint8_t out[static DNS_QUERY_MAX]);

/* Is that the answer of a resolver that doesn't know OPT (RFC 6891 7)? It may be without the question. */
bool dns_no_opt(const uint8_t *b, size_t len, uint16_t id);

/* An answer without records: its length. @blocked: on account of a rule (RFC 8914 4.16) */
#define DNS_ERROR_MAX	(DNS_QUERY_MAX + 6)
size_t dns_error(const struct dns_query *q, enum dns_rcode rcode, bool blocked, uint8_t out[static DNS_ERROR_MAX]);

/* An answer of our own, with one record or none: address @a if that is not NULL, or name @name (RFC 1035 3.3.12), as
 * text. Its length.
 */
#define DNS_RECORD_MAX	(DNS_ERROR_MAX + 12 + DNS_WIRE_LEN)
size_t dns_record(const struct dns_query *q, const struct addr *a, const char *name, uint32_t ttl,
		  uint8_t out[static DNS_RECORD_MAX]);

/**
 * dns_answer() - the resolver's answer to dns_ask(), written anew for whoever asked
 * @max:	bytes of @out, DNS_SMALL at least: records that don't fit are left out, and the answer is marked as cut
 * @found:	filled in
 *
 * Addresses of the name that was asked for are those at the end of its chain of CNAME records, and hints in HTTPS and
 * SVCB records there (RFC 9460 7.3). Keys for encrypted hellos are taken out of these.
 *
 * Return: length, or 0: it isn't the answer to that query
 */
size_t dns_answer(const uint8_t *b, size_t len, const struct dns_query *q, uint16_t id, uint8_t *out, size_t max,
		  struct dns_found *found);

/* Name of a type of record */
const char *dns_type(uint16_t type, char buf[static DNS_TYPE_LEN]);

#endif /* DNS_H */
