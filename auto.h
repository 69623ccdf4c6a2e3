/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auto.h - automatic port forwarding: what is bound on one side is forwarded from the other */
#ifndef AUTO_H
#define AUTO_H

#include "ctx.h"

/* Ports that are bound, by protocol (0: TCP, 1: UDP) */
struct bound {
	uint8_t		port[2][PORT_MAP];
};

/**
 * auto_start() - first scan, and others from then on, every 50 ms to 1 s, if any rule is automatic
 *
 * After fwd_listen() and before isolation, as the opener opens a netlink socket. Without sock_diag(7), a message is
 * logged: not everything is forwarded.
 */
void auto_start(struct ctx *c);

/* TIMER_AUTO: the next one */
void auto_scan(struct ctx *c);

/* Rules have changed: the next scan is now */
void auto_again(struct ctx *c);

#endif /* AUTO_H */
