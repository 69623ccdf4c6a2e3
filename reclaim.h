/* SPDX-License-Identifier: GPL-2.0-or-later */
/* reclaim.h - descriptors and flow entries are bounded: datagram flows (UDP, echo) give way, for every protocol
 *
 * Unanswered flows go first, the one idle for longest before others (enum flow_lru): a guest, or a stranger, that sends
 * without end can't end flows that are in use. As long as no more than one in eight is unanswered, answered ones go
 * first: a busy server's table is full of old flows, and an answer must find the new one. Flows with packets in the
 * current batch stay.
 */
#ifndef RECLAIM_H
#define RECLAIM_H

#include "ctx.h"

#define RECLAIM_TRIES	8		/* flows that give way for one descriptor */
#define RECLAIM_SPARE	1024		/* entries kept free: that of a flow that gives way is free after the turn */

/* Is @rc an -errno of used up descriptors or memory, and did a flow give way, so that another try makes sense? It is
 * the socket idle for longest, of the guest with the most; one with many flows is closed after several calls.
 */
bool reclaim_for(struct ctx *c, int rc);

/* The same for a socket of a stranger: one with a descriptor below @limit gives way, not one of the reserve */
bool reclaim_below(struct ctx *c, int limit);

/* A guest's datagram flows have no more than half of the descriptors, and of the host's ephemeral ports (ip(7),
 * ip_local_port_range): from now on, once both are known
 */
void reclaim_limit(struct ctx *c);

/* May there be one socket more of a datagram flow of @g, once others of @g gave way? Each is counted in g->sockets. */
bool reclaim_share(struct ctx *c, struct guest *g);

/* New flow, for which a datagram flow may have to give way, if need be the guest's own; NULL if the table is full, or
 * what is left of it is other guests' share
 */
struct flow *reclaim_alloc(struct ctx *c, struct guest *g, const struct flow_ops *ops);

/* The same with a socket of its own, registered, and counted in g->sockets. NULL and @fd closed if that fails, or if
 * @fd is an -errno.
 */
struct flow *reclaim_flow(struct ctx *c, struct guest *g, const struct flow_ops *ops, int fd);

#endif /* RECLAIM_H */
