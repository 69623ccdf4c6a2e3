/* SPDX-License-Identifier: GPL-2.0-or-later */
/* udp.h - UDP between the guest and the host's sockets (RFC 4787)
 *
 * One host socket for an endpoint of the guest (FLOW_UDP_PORT), bound to the same port where it is free, unconnected:
 * endpoint-independent mapping. One flow (FLOW_UDP) for each pair of endpoints: what no flow asked for is dropped.
 * Flows that start on the host use the listener's socket; so do those that are spliced (udp_splice.h).
 */
#ifndef UDP_H
#define UDP_H

#include "ctx.h"

struct dgram;

extern const struct flow_ops udp_flow, udp_port_flow, udp_splice_flow;

/* New flow for a datagram from the guest, or NULL (dropped and counted, an ICMP error sent where there is one) */
struct flow *udp_open(struct ctx *c, struct guest *g, const struct pkt *p);

/* This batch's datagrams of a flow, f->batch_head on, in @pkts; takes the chain off the flow */
void udp_input(struct ctx *c, struct flow *f, struct pkt *pkts);

/* A listener's socket has something to say */
void udp_listen_ready(struct ctx *c, uint32_t listener, uint32_t events);

/* A guest's choice of a port is no reason for a rule not to have it: flows whose sockets have ports that rules of @t name end;
 * false: there is none
 */
bool udp_make_way(struct ctx *c, const struct rules *t);

/* Ends the flows of listeners that are gone: to be called after fwd_replace() and fwd_follow() */
void udp_listeners_gone(struct ctx *c);

/* Is that the socket of one of the guest's endpoints? */
bool udp_is_own(const struct flows *fs, const struct end *e);

/* Ends a flow of type FLOW_UDP or FLOW_UDP_SPLICE, the port with its last flow */
void udp_end(struct ctx *c, struct flow *f);

/* Answers to a group are late by intent: up to 500 ms for mDNS (RFC 6762 6), up to as many seconds as the question's
 * MX says for SSDP, of which 5 are the most that is used (UPnP Device Architecture 1.3.2)
 */
#define UDP_ANSWER_TIME	5000		/* ms */

/* The socket of @port is going to send to the group or broadcast address @to: our own packets must not come back to
 * us, and by which way answers do has to be known; or to somebody new, of whom only the kernel knows whether this is a
 * network's broadcast address: it is to tell (EACCES).
 */
void udp_to_many(struct flow *port, const struct addr *to);
void udp_to_one(struct flow *port);

/* The flow @f of @port to a group or broadcast address has just sent something */
void udp_asks(const struct ctx *c, struct flow *port, const struct flow *f);

/* Is @d an answer to that? */
bool udp_answers(const struct ctx *c, struct flow *port, const struct dgram *d);

/* Did it come from outside, and from a network with that broadcast address unless that is NULL? */
bool udp_from_network(const struct dgram *d, const struct addr *broadcast);

/* Many datagrams came to a port that nobody had asked for. Each costs its share of a system call and a search, and a
 * wake-up if it is alone; where the peers are few, the kernel can tell without us. Until others may be asked.
 */
void udp_filter(const struct ctx *c, struct flow *port);
void udp_unfilter(struct flow *port);

/* A new flow is filled in: its life starts */
void udp_start(struct ctx *c, struct flow *f);

/* A flow, or a socket with many, is in use; @replied: both ways. Its place among those idle for longest changes once a
 * millisecond at most: a batch costs no more than a datagram.
 */
void udp_used(struct ctx *c, struct flow *f, bool replied);

#endif /* UDP_H */
