#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL two and a half minutes without a network in the midst of transfers, which then go on; and no wake-up at rest
. "${0%/*}/follow.bash"

PATIENCE=300		# s: the kernel tries again after up to 120 s (RFC 6298 5.5)
pasta_up -t 8000
C python3 "$SYS/follow.py" serve 8000 >"$T/serve.C" 2>&1 &
disown
wait_for 20 grep -q ready "$T/serve.C"
hold 1 198.51.100.10 7
IN=R hold 2 198.51.100.2 8000
xfer_paths >"$T/jobs.long" <<END
tcp FOL-39_a_transfer,_up c=C s=R to=198.51.100.10 port=7001 up=20000000 down=0 rate=1000000
END
xfer_paths >"$T/jobs.long2" <<END
tcp FOL-39_a_transfer,_down c=C s=R to=198.51.100.10 port=7002 up=0 down=20000000 rate=1000000
END
"$TOOLS/xfer" -t $PATIENCE <"$T/jobs.long" >"$T/jobs.long.out" 2>&1 & X1=$!
"$TOOLS/xfer" -t $PATIENCE <"$T/jobs.long2" >"$T/jobs.long2.out" 2>&1 & X2=$!
wait_for 10 eval '[ "$(R ss -Htn state established "sport = :7001 or sport = :7002" | wc -l)" = 2 ]'
sleep 2			# in their midst
ip link set ext down
ip link set wlan down
before=$(C ip addr show dev ext scope global -deprecated; C ip route)
sleep 90		# the first half
is "FOL-39 without a network, the guest keeps IPv4" "$(C ip -4 addr show dev ext scope global | grep -c 198.51.100.2)" 1
[ "$LINK" != tap ] ||
	is "FOL-39 and all that it has" "$(C ip addr show dev ext scope global -deprecated; C ip route)" "$before"
a=$(cs_of "$PASTAPID") b=0
for p in $(others); do b=$((b + $(cs_of "$p"))); done
sleep 60		# the second half
for p in $(others); do b=$((b - $(cs_of "$p"))); done
is "FOL-39 no wake-up of other processes" $b 0
le "FOL-39 wake-ups in a minute, but for tries" $(($(cs_of "$PASTAPID") - a)) 60
ip link set ext up
ip addr add 2001:db8:1::2/64 dev ext nodad
ip route add default via 198.51.100.1
ip -6 route add default via 2001:db8:1::1
ok "FOL-39 the network is back: new connections" wait_for 20 traffic 198.51.100.10
wait $X1
tap_of sh -c 'cat "$1"; exit "$2"' xfer "$T/jobs.long.out" $?
wait $X2
tap_of sh -c 'cat "$1"; exit "$2"' xfer "$T/jobs.long2.out" $?
ok "FOL-39 a connection that was idle" held 1
ok "FOL-39 one from the network" held 2
unhold 1
unhold 2
pasta_stop
done_testing
