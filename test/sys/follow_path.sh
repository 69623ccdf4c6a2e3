#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL the path changes, and flows go on: MAC address of the gateway, MTU, a minute in which nobody runs the program
. "${0%/*}/follow.bash"

pasta_up -t 8000 -u 8000
C python3 "$SYS/follow.py" serve 8000 >"$T/serve.C" 2>&1 &
disown
wait_for 20 grep -q ready "$T/serve.C"
n=0
for to in 198.51.100.10 2001:db8:1::10; do
	hold $((++n)) $to 7
	udp_hold $((++n)) $to 7
done
IN=R hold 5 198.51.100.2 8000
IN=R udp_hold 6 198.51.100.2 8000
held_all()	# NAME
{
	local i
	for i in 1 2 3 4 5 6; do
		ok "$1: flow $i" held "$i"
	done
}
held_all "before"

# ---- MAC address of router and neighbour

mac()	{ C ip neigh show "$1" dev ext | sed -n 's/.*lladdr \([^ ]*\).*/\1/p'; }
R sysctl -qw net.ipv4.conf.ext.arp_notify=1 net.ipv6.conf.ext.ndisc_notify=1
R ip link set ext address 02:00:00:00:00:77
held_all "FOL-36 another MAC address"
[ "$LINK" = tap ] || C ping -nqc 1 -W 1 198.51.100.10 >"$T/null"
ok "FOL-36 the guest's neighbour has it, too" wait_for 10 eval '[ "$(mac 198.51.100.10)" = 02:00:00:00:00:77 ]'
is "FOL-36 its router is ours" "$(mac 198.51.100.1)" "$(mac 198.51.100.77)"

# ---- MTU

mtu()
{
	R ip link set ext mtu "$1"
	ip link set ext mtu "$1"
}
df()		{ C python3 "$SYS/follow.py" df "$1" 7 "$2"; }
df_is()		{ [ "$(df "$1" "$2")" = "$3" ]; }
xfer_paths >"$T/jobs.long" <<END
tcp FOL-37_a_transfer_meanwhile,_up c=C s=R to=198.51.100.10 port=7001 up=12000000 down=0 rate=2000000
tcp FOL-37_a_transfer_meanwhile,_down c=C s=R to=2001:db8:1::10 port=7002 up=0 down=12000000 rate=2000000
END
"$TOOLS/xfer" -t 20 <"$T/jobs.long" >"$T/jobs.long.out" 2>&1 &
XFER=$!
is "FOL-37 MTU 1500, DF" "$(df 198.51.100.10 1400) $(df 2001:db8:1::10 1400)" "ok ok"
mtu 1280
ok "FOL-37 MTU 1280, DF: too big" wait_for 5 df_is 198.51.100.10 1400 "too big"
ok "FOL-37 the same, IPv6" wait_for 5 df_is 2001:db8:1::10 1400 "too big"
is "FOL-37 what fits arrives" "$(df 198.51.100.10 1200) $(df 2001:db8:1::10 1200)" "ok ok"
xfer <<END
udp FOL-37_fragments_arrive c=C s=R to=198.51.100.10 port=7003 sizes=1400,1300,1400,5000
udp FOL-37_the_same,_IPv6 c=C s=R to=2001:db8:1::10 port=7004 sizes=1400,1300,1400,5000
END
held_all "FOL-37 MTU 1280"
mtu 9000
C ip route flush cache			# the guest's kernel remembers 1280 for ten minutes
C ip -6 route flush cache
ok "FOL-37 MTU 9000, DF" wait_for 5 df_is 198.51.100.10 8900 ok
ok "FOL-37 the same, IPv6" wait_for 5 df_is 2001:db8:1::10 8900 ok
held_all "FOL-37 MTU 9000"
wait "$XFER"
tap_of sh -c 'cat "$1"; exit "$2"' xfer "$T/jobs.long.out" $?
mtu 1500

# ---- a minute of sleep

xfer_paths >"$T/jobs.long" <<END
tcp FOL-38_a_transfer_meanwhile,_up c=C s=R to=198.51.100.10 port=7001 up=30000000 down=0 rate=3000000
tcp FOL-38_a_transfer_meanwhile,_down c=C s=R to=2001:db8:1::10 port=7002 up=0 down=30000000 rate=3000000
idle many_connections c=C s=R to=198.51.100.10 port=7005 count=200
check FOL-38_many_connections c=C s=R to=198.51.100.10 port=7005 count=200
END
"$TOOLS/xfer" -t 90 <"$T/jobs.long" >"$T/jobs.long.out" 2>&1 &
XFER=$!
wait_for 10 eval '[ "$(R ss -Htn state established "sport = :7001" | wc -l)" -gt 0 ]'
all="$PASTAPID $(others)"
# shellcheck disable=SC2086 # a list
kill -STOP $all
sleep 60		# what is tested
before=$(ticks)
# shellcheck disable=SC2086
kill -CONT $all
held_all "FOL-38 after a minute"
le "FOL-38 CPU time, ticks" $(($(ticks) - before)) 100
wait "$XFER"
tap_of sh -c 'cat "$1"; exit "$2"' xfer "$T/jobs.long.out" $?
for i in 1 2 3 4 5 6; do unhold $i; done
pasta_stop
done_testing
