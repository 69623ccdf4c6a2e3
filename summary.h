/* SPDX-License-Identifier: GPL-2.0-or-later */
/* summary.h - text at start-up */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "net.h"

/**
 * summary_print() - interfaces, addresses, DHCP, DNS, rules, and how to start a guest
 * @ifname:	interface in the namespace, or empty
 * @socket:	path of the socket that guests connect to, or empty
 */
void summary_print(const struct net *net, const char *ifname, const char *socket);

#endif /* SUMMARY_H */
