#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# udhcpc.sh - what busybox' DHCP client runs: address and route of the lease
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip -4 addr flush dev "$interface"
ip addr add "$ip/$mask" dev "$interface"
ip route replace default via "$router"
