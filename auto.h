/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auto.h - automatic port forwarding: what is bound in the namespace is forwarded from the host */
#ifndef AUTO_H
#define AUTO_H

#include "ns.h"
#include "passt.h"

/* Ports that are bound, by protocol (0: TCP, 1: UDP) */
struct bound {
	uint8_t		port[2][(UINT16_MAX + 1) / 8];
};

/**
 * auto_start() - first scan, and one a second from then on, if any rule of conf's is automatic
 *
 * After fwd_listen() and while the namespace can be entered, that is, before isolation. Without sock_diag(7), it is said
 * that nothing is forwarded.
 */
void auto_start(struct ctx *c, const struct ns *ns);

#endif /* AUTO_H */
