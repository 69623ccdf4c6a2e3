/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frag.h - reassembly of IP fragments from the guest, in a fixed pool
 *
 * RFC 791 3.2 and RFC 8200 4.5, with RFC 5722's rule for both families: an overlap discards the datagram. A pool of
 * FRAG_MAX datagrams; the oldest gives way. Fragments that are tiny (RFC 3128) or make no sense are dropped.
 */
#ifndef FRAG_H
#define FRAG_H

#include "packet.h"

#define FRAG_MAX	16
#define FRAG_TIMEOUT	30000	/* ms: RFC 791 3.2 and RFC 8200 4.5 allow 15 to 60 s */

/* Pool of guest @index */
struct frags *frags_of(unsigned index);

/**
 * frag_add() - take one fragment
 * @p:		parsed packet with p->fragment set
 * @now:	ms; datagrams older than FRAG_TIMEOUT are dropped on the way
 * @out:	whole datagram as a frame to be parsed, valid until the next call, if the return value is DROP_NONE
 * @done:	set to true if @out is
 *
 * Return: DROP_NONE, or DROP_FRAGMENT
 */
enum drop frag_add(struct frags *fs, const struct pkt *p, uint64_t now, struct raw *out, bool *done);

/* Did that datagram come in fragments? @p: parsed from the last @out; @fs may be NULL */
bool frag_made(const struct frags *fs, const struct pkt *p);

/* Drops all that wait */
void frags_forget(struct frags *fs);

#endif /* FRAG_H */
