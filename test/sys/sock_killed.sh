#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# VM-01 guest killed in the middle of transfers and started again, 50 times: it works as before, and nothing is left
LINK=sock
. "${0%/*}/lib.sh"

topology
pasta_up -t 8000 -u 8000

rest()		{ [ "$(fds)" = "$NONE" ]; }
moved()		{ [ "$(C awk '/ext:/ { print ($2 > 1000000) + ($10 > 1000000) }' /proc/self/net/dev)" = 2 ]; }
peers()		{ R ss -Htn state established | wc -l; }
no_peers()	{ [ "$(peers)" = 0 ]; }

kill_guest()
{
	kill -9 "$GUESTPID"
	wait "$GUESTPID" 2>/dev/null
	GUESTPID=
}

kill_guest
alone()	{ ! ss -Hx state connected | grep -qF "$SOCKET" && no_flows; }
wait_for 20 alone
NONE=$(fds)
diag "descriptors without a guest: $NONE, resident: $(rss_of $PASTAPID) kB"

bad=0
for i in {1..50}; do
	guest_up || break
	jobs=()
	for job in "up=9000000000 down=9000000000 c=C s=R to=198.51.100.10 port=7000" \
		   "up=9000000000 down=9000000000 c=R s=C to=2001:db8:1::2 port=8000"; do
		job=$(sed "s#=C#=$(ns_of C)#; s#=R#=$T/R#" <<<"$job")
		"$TOOLS/xfer" <<<"tcp - $job" >"$T/null" 2>&1 &
		jobs+=($!)
	done
	C python3 -c '
import socket
for i in range(5):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"x", ("198.51.100.10", 7001))'
	wait_for 10 moved || bad=$((bad + 1))
	kill_guest
	kill -9 "${jobs[@]}" 2>"$T/null"		# most have seen the end already
	wait "${jobs[@]}" 2>/dev/null
	wait_for 20 rest || bad=$((bad + 1))
	rss[i]=$(rss_of $PASTAPID)
done
is "VM-01 killed $i times, transfers under way: failures" "$bad" 0
is "VM-01 flows that are left" "$(flows)" "0 TCP, 0 UDP on 0 sockets, 0 ping, 0 spliced"
is "VM-01 descriptors that are left" "$(fds)" "$NONE"
ok "VM-01 connections that peers have left" wait_for 20 no_peers
diag "resident after 10, 30, 50 times: ${rss[10]}, ${rss[30]}, ${rss[50]} kB"
# Pools are touched as they are used, and once in a while more is; a leak goes on and on
more=$((rss[30] - rss[10])) most=$((rss[50] - rss[30]))
le "VM-01 memory, kB, in 20 times" $((more < most ? more : most)) 1280

guest_up
xfer <<END
tcp VM-01_a_transfer_at_the_end,_out c=C s=R to=198.51.100.10 port=7000 up=10000000 down=10000000
tcp VM-01_a_transfer_at_the_end,_in c=R s=C to=2001:db8:1::2 port=8000 up=10000000 down=10000000
udp VM-01_datagrams_at_the_end,_out c=C s=R to=2001:db8:1::10 port=7000 sizes=0,100,5000
udp VM-01_datagrams_at_the_end,_in c=R s=C to=198.51.100.2 port=8000 sizes=0,100,5000
END

done_testing
