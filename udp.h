/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp.h - UDP between the guest and the host's sockets (RFC 4787)
 *
 * One host socket for an endpoint of the guest (FLOW_UDP_PORT), bound to the same port where it is free, unconnected:
 * endpoint-independent mapping. One flow (FLOW_UDP) for each pair of endpoints: datagrams that no flow asked for are
 * dropped. Flows that start on the host use the listener's socket. Datagrams that are local on both sides move from
 * socket to socket, and never see the guest's link (FLOW_UDP_SPLICE).
 */
#ifndef UDP_H
#define UDP_H

#include "ctx.h"

struct dgram;
struct sock_err;

extern const struct flow_ops udp_splice_flow;

/* New flow for a datagram from the guest, or NULL (dropped and counted, an ICMP error sent where there is one) */
struct flow *udp_open(struct ctx *c, struct guest *g, const struct pkt *p);

/* This batch's datagrams of a flow, f->batch_head on, in @pkts; takes the chain off the flow */
void udp_input(struct ctx *c, struct flow *f, struct pkt *pkts);

/* Events of a listener's socket */
void udp_listen_ready(struct ctx *c, uint32_t listener, uint32_t events);

/* A rule's port comes before a guest's choice of it: flows whose sockets have ports that rules of @t name end; false:
 * there is none
 */
bool udp_make_way(struct ctx *c, const struct rules *t);

/* Ends the flows of listeners that are gone: to be called after fwd_replace() and fwd_follow() */
void udp_listeners_gone(struct ctx *c);

/* Is that the socket of one of the guest's endpoints? Or one of a spliced flow's, on the far side @side? */
bool udp_is_own(const struct flows *fs, const struct end *e);
bool udp_splice_is_own(const struct ctx *c, unsigned side, const struct end *e);

/* The template interface of a family is @to in place of @from: so is the way to its groups and link-local addresses */
void udp_rescope(struct ctx *c, enum family f, unsigned from, unsigned to);

/* ---- udp.c, for the others ---- */

/* A new flow is filled in: its life starts */
void udp_start(struct ctx *c, struct flow *f);

/* A flow, or a socket with many, is in use; @replied: both ways. Its place among those idle for longest changes every
 * 16 ms at most: flows that send often would else be moved, and their neighbours in the list with them, at each
 * datagram.
 */
void udp_used(struct ctx *c, struct flow *f, bool replied);

/* Another remote endpoint for @f: false if there is no socket for it */
bool udp_move(struct ctx *c, struct flow *f, const struct side *host, const struct sock_out *leave);

/* Ends a flow of type FLOW_UDP or FLOW_UDP_SPLICE, the port with its last flow */
void udp_end(struct ctx *c, struct flow *f);

/* ---- udp_asked.c ---- */

/* Answers to a group are late by intent: up to 500 ms for mDNS (RFC 6762 6), up to MX seconds for SSDP, as its question
 * sets them, of which 5 are the most in use (UPnP Device Architecture 1.3.2)
 */
#define UDP_ANSWER_TIME	5000		/* ms */

/* @port's socket is about to send to the group or broadcast address @to: our own packets must not come back to us, and
 * answers need their interface; or to a new unicast address. Only the kernel knows whether that is a network's
 * broadcast address: EACCES is to show it.
 */
void udp_to_many(struct flow *port, const struct addr *to);
void udp_to_one(struct flow *port);

/* The flow @f of @port to a group or broadcast address has just sent something */
void udp_asks(const struct ctx *c, struct flow *port, const struct flow *f);

/* Is @d an answer to that? */
bool udp_answers(const struct ctx *c, struct flow *port, const struct dgram *d);

/* Did it come from outside, and from a network with that broadcast address unless that is NULL? */
bool udp_from_network(const struct dgram *d, const struct addr *broadcast);

/* Many datagrams came to a port that asked nobody for them. Each costs a search and its share of a system call, and a
 * wakeup if it is alone. If the port's peers are few, the kernel drops others' until a new one is asked.
 */
void udp_filter(const struct ctx *c, struct flow *port);
void udp_unfilter(struct flow *port);

/* ---- udp_relay.c ---- */

/* Queries of a flow (f->udp.relayed) from its @batch_head on are about to be sent; the flow may get another port */
void udp_relay_query(struct ctx *c, struct flow *f, const struct pkt *pkts);

/* An answer: false if another resolver is asked instead */
bool udp_relay_answer(struct ctx *c, struct flow *f, const uint8_t *b, size_t len);

/* An ICMP error about the flow, or a failure to send: true if another resolver is asked */
bool udp_relay_error(struct ctx *c, struct flow *f);

/* TIMER_QUERY */
void udp_relay_timeout(struct ctx *c, struct timer *t);

/* ---- udp_size.c ---- */

/* Is a datagram, or each one of a super-packet, never to be fragmented? */
bool udp_has_df(const struct guest *g, const struct pkt *p);

/* Does the kernel have to refuse it if it is too large for the path (RFC 1191, RFC 8201)? Small ones go either way. */
bool udp_goes_whole(const struct guest *g, const struct flow *port, const struct pkt *p);
void udp_set_whole(const struct ctx *c, struct flow *port, bool whole);

/* For IPv4, the kernel's own report of a datagram that is too large has no port, as the socket isn't connected: a flow
 * to that address, one of the last ones, or NULL
 */
struct flow *udp_too_large(const struct ctx *c, const struct flow *port, const struct sock_err *e);

/* ---- udp_splice.c ---- */

/**
 * udp_splice_wants() - is a message that came to a listener one that is spliced?
 * @port:	the listener's
 * @near:	peer: client; our: address and port it was sent to
 * @to:		filled in: where it leads
 */
bool udp_splice_wants(const struct ctx *c, const struct flow *port, const struct side *near, const struct dgram *d,
		      struct side *to);

/* Takes such a message, if it is one; those of a batch are sent at its end: udp_splice_flush() returns their number */
bool udp_splice_take(struct ctx *c, struct flow *port, const struct side *near, const struct dgram *d);
unsigned udp_splice_flush(struct ctx *c);

/* The flow is about to end: it takes its children with it, and leaves its parent's list */
void udp_splice_alone(struct ctx *c, struct flow *f);

/* Verb of udp_splice_flow: the flow's socket is readable, or it is its turn again */
void udp_splice_ready(struct ctx *c, struct flow *f, unsigned side, uint32_t events);

#endif /* UDP_H */
