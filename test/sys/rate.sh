#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# throughput next to the host's own at some round-trip times, its CPU time, requests per second of many connections
#
# Bounds are wide: machines are busy, and what is looked for is ten times off. Both sides of a comparison run one after
# the other, and again if they don't compare; what is really broken fails each time.
. "${0%/*}/lib.sh"

BYTES=25000000

# best_of N COMMAND...
best_of() { local i; for ((i = 0; i < $1; i++)); do "${@:2}" && return; done; false; }

# job KIND KEY=VALUE...: figure that xfer gives, 0 if it failed
job()
{
	local v
	sed -E "s#\\b([cs])=R\\b#\\1=$(ns_of R)#g; s#\\b([cs])=H\\b#\\1=$(ns_of H)#g; s#\\b([cs])=C\\b#\\1=$(ns_of \
		C)#g" <<<"$1 - ${*:2}" |
		timeout 15 "$TOOLS/xfer" -t 10 >"$T/job" 2>&1
	v=$(sed -nE 's#^ok .*: ([0-9.]+)( Gb)?/s$#\1#p' "$T/job")
	echo "${v:-0}"
}
at_least() { awk -v a="$1" -v b="$2" -v part="$3" 'BEGIN { exit !(a > 0 && b > 0 && a >= b * part) }'; }

# ---- TCP-06, TCP-44: frames as they are on a wire, 1,500 bytes each, 400 Mb/s
pasta_ticks() { awk '{ print $14 + $15 }' "/proc/$PASTAPID/stat"; }
next_to_host() # TO up|down
{
	local t
	HOST=$(job tcp c=H s=R to="$1" port=7000 "$2=$BYTES")
	t=$(pasta_ticks)
	GUEST=$(job tcp c=C s=R to="$1" port=7000 "$2=$BYTES")
	TICKS=$(($(pasta_ticks) - t))
	at_least "$GUEST" "$HOST" .5
}
cheap() # a tick is 10 ms
{
	next_to_host 198.51.100.10 down
	[ "$GUEST" != 0 ] && PER_GB=$((TICKS * 10 * (1000000000 / BYTES))) && [ $PER_GB -le 30000 ]
}

for delay in .05 .5 5; do
	topology wan $delay 400 0
	pasta_up
	C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
	C ping -nqc 1 -W 5 2001:db8:1::10 >"$T/null"
	for how in "198.51.100.10 down" "2001:db8:1::10 up"; do
		ok "TCP-06 $delay ms one way, $how: not far from what the host has" best_of 4 next_to_host $how
		diag "host $HOST Gb/s, guest $GUEST Gb/s"
	done
	if [ $delay = .05 ]; then
		ok "TCP-44 CPU time of a download in packets of 1500 bytes" best_of 4 cheap
		diag "${PER_GB:-?} ms for a GB"
	fi
	pasta_stop
	kill $WANPID $RPID
	wait $WANPID $RPID 2>/dev/null
	umount "$T/R"
	rm "$T/R.up"
done

# ---- TCP-47
topology
pasta_up -t 8000 $NO_SPLICE
rr() { job rr c=H s=C to="$1" port=8000 parallel="$2" count=5000; }
grows() { ONE=$(rr "$1" 1) MANY=$(rr "$1" "$2"); at_least "$MANY" "$ONE" .5; }
for to in 127.0.0.1 ::1; do
	for n in 16 64; do
		ok "TCP-47 requests per second on $n connections, no fewer than on one, $to" best_of 4 grows $to $n
		diag "1: $ONE/s, $n: $MANY/s"
	done
done

done_testing
