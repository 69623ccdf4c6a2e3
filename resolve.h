/* SPDX-License-Identifier: GPL-2.0-or-later */
/* resolve.h - DNS for a guest whose policy has names: queries are judged, and answered by the program's resolver. The
 * same for guests on a network of their own, at our address: names of guests are answered here.
 *
 * Whichever address a guest sends a query to, by UDP or TCP, a name that no rule allows is answered here: it does not
 * exist. Any other query is written anew and sent to a resolver of the host's; its answer teaches names.c, and is
 * sent to the guest from the address that was asked.
 */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "ctx.h"
#include "dns.h"

/* Are datagrams, and connections, of the guest's to an endpoint queries for us? */
bool resolve_takes(const struct ctx *c, const struct guest *g, const struct end *to);

/* A datagram with a query, or with several that were joined */
void resolve_datagram(struct ctx *c, struct guest *g, const struct pkt *p);

/* Bytes of an answer to the query at @b, that it is to be asked for by TCP (RFC 1035 4.1.1, TC); 0: it is none */
size_t resolve_cut(const uint8_t *b, size_t len, uint8_t answer[static DNS_ERROR_MAX]);

/* Other end of a stream of queries (RFC 1035 4.2.2), non-blocking: a descriptor in place of a connection, or -errno */
int resolve_stream(struct ctx *c, struct guest *g);

/* ---- resolve.c, for the stream ---- */

#define RESOLVE_QUERY	1232	/* bytes of a query: a plain question has fewer */

/* A query, and the stream it came by, or NULL; @from, @to: endpoints of a datagram. Return: bytes of the answer in
 * @answer, DNS_RECORD_MAX at most; 0: there is none, or it comes later, by resolve_answered().
 */
size_t resolve_query(struct ctx *c, struct guest *g, struct flow *stream, const struct side *guest, const uint8_t *b,
		     size_t len, uint8_t *answer);

/* ---- resolve_lan.c ---- */

/* The answer to a query about a guest's name or address, or the host's: its length, 0: it is none of these */
size_t resolve_lan(const struct ctx *c, const struct dns_query *q, uint8_t answer[static DNS_RECORD_MAX]);

/* ---- resolve_stream.c ---- */

#define STREAM_LOOKUPS	16	/* queries of a stream under way, at most */

/* The answer to a query of a stream, behind two bytes of room for its length */
void resolve_answered(struct ctx *c, struct flow *stream, uint8_t *b, size_t len);

#endif /* RESOLVE_H */
