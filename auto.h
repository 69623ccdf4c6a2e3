/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auto.h - automatic port forwarding: ports bound on one side are forwarded from the other */
#ifndef AUTO_H
#define AUTO_H

#include "ctx.h"

/* First scan, and one every 50 ms to 1 s if any rule is automatic. After fwd_listen() and before isolation, as the
 * opener opens a netlink socket. A lack of sock_diag(7) is logged.
 */
void auto_start(struct ctx *c);

/* TIMER_AUTO: the next one */
void auto_scan(struct ctx *c);

/* Rules have changed: the next scan is now */
void auto_again(struct ctx *c);

#endif /* AUTO_H */
