#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# uploads of a client 20 ms behind a guest that forwards: the window grows with its round trip
. "${0%/*}/lib.sh"

BYTES=${BYTES:-40000000}

B() { nsenter --net="/proc/$BPID/ns/net" -- "$@"; }

# behind DELAY_MS: B, on a wide-area link to C's device in0
behind()
{
	unshare -n bash -c ': >"$0"; exec sleep infinity' "$T/B.up" &
	BPID=$!
	disown $BPID
	wait_for 20 test -e "$T/B.up"
	"$TOOLS/wan" "$1" 0 0 "/proc/$BPID/ns/net" ext "$(ns_of C)" in0 >"$T/behind.log" 2>&1 &
	WANPID=$!
	wait_for 20 grep -q ready "$T/behind.log"
	C ip addr add 10.9.9.1/24 dev in0
	C ip addr add fd00:9::1/64 dev in0 nodad
	C ip link set in0 up
	C sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	B ip link set lo up
	B ip addr add 10.9.9.2/24 dev ext
	B ip addr add fd00:9::2/64 dev ext nodad
	B ip link set ext up
	B ip route add default via 10.9.9.1
	B ip route add default via fd00:9::1
	wait_for 20 B ping -nqc 1 -W 1 fd00:9::1
	wait_for 20 B ping -nqc 1 -W 1 10.9.9.1
}

# rate TO SERVER: Gb/s of an upload from B, 0 if it failed
rate()
{
	echo "tcp - c=/proc/$BPID/ns/net s=$2 to=$1 port=7000 up=$BYTES" | xfer_paths >"$T/far.job"
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
behind 10
ok "IPv4: an upload is as fast as to the guest itself, or half" beside 198.51.100.10 10.9.9.1
diag "through: $there Gb/s, to the guest: $here Gb/s"
ok "IPv6: the same" beside 2001:db8:1::10 fd00:9::1
diag "through: $there Gb/s, to the guest: $here Gb/s"
done_testing
