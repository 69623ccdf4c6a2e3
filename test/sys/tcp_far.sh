#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# uploads of a client 20 ms behind a guest that forwards: the window grows with its round trip
. "${0%/*}/lib.sh"
. "$SYS/lossy.bash"

BYTES=${BYTES:-40000000}

# rate TO SERVER: Gb/s of an upload from B, 0 if it failed
rate()
{
	echo "tcp - c=$(b 1) s=$2 to=$1 port=7000 up=$BYTES" | xfer_paths >"$T/far.job"
	"$TOOLS/xfer" -t 10 <"$T/far.job" >"$T/far.out" 2>&1
	sed -nE 's#^ok .*: ([0-9.]+) Gb/s$#\1#p' "$T/far.out" | grep . || echo 0
}

# Beside the kernel of C as the other end: both one after the other, and again if they don't compare: machines are busy
beside() # TO_R TO_C
{
	for _ in 1 2 3 4; do
		there=$(rate "$1" R) here=$(rate "$2" C)
		awk -v a="$there" -v b="$here" 'BEGIN { exit !(a > 0 && b > 0 && a >= b / 2) }' && return
	done
	return 1
}

topology
pasta_up
behind 1 delay=10
ok "IPv4: an upload is as fast as to the guest itself, or half" beside 198.51.100.10 10.9.1.1
diag "through: $there Gb/s, to the guest: $here Gb/s"
ok "IPv6: the same" beside 2001:db8:1::10 fd00:9:1::1
diag "through: $there Gb/s, to the guest: $here Gb/s"
done_testing
