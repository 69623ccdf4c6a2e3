#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Super-packets of small segments: the device's kernel makes none that would be dropped for the number of segments it
# claims
LINK=tap
. "${0%/*}/lib.sh"

# What the log counts by that reason, so far: the second report is behind all lines of the first
dropped() { flows >/dev/null; flows >/dev/null; grep "Dropped: .* segments$" "$PASTA_LOG"; }

topology
for mtu in 1500 65520; do
	pasta_up -m $mtu
	is "MTU $mtu: the device takes 128 segments" "$(C ip -d link show ext | grep -o "gso_max_segs [0-9]*")" \
		"gso_max_segs 128"
	for to in 198.51.100.10 2001:db8:1::10; do
		tap_of python3 "$SYS/segments.py" "$(ns_of C)" "$(ns_of R)" $to $((7000 + mtu % 1000))
	done
	is "MTU $mtu: nothing was dropped for its segments" "$(dropped)" ""
	pasta_stop
done

done_testing
