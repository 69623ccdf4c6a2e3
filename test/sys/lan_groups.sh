#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# groups: datagrams go to guests that joined, by their kernels' IGMP and MLD, by version 2 and version 3; else, to all
. "${0%/*}/lib.sh"

topology

# Names of datagrams that the device sees, until "end"
cat >"$T/see.py" <<'END'
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("ext", 0))
s.settimeout(20)
print("ready", flush=True)
while True:
    frame, a = s.recvfrom(65536)
    if a[2] != socket.PACKET_OUTGOING and b".end" in frame:
        break
    if a[2] != socket.PACKET_OUTGOING and b".group" in frame:
        print("sees", flush=True)
END
cat >"$T/send.py" <<'END'
import socket, sys
group = sys.argv[1]
s = socket.socket(socket.AF_INET6 if ":" in group else socket.AF_INET, socket.SOCK_DGRAM)
if ":" in group:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("ext"))
s.sendto(b".group", (group, 7000))
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
b.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
b.sendto(b".end", ("192.168.77.255", 7000))
END
cat >"$T/join.py" <<'END'
import os, signal, socket, struct, sys
group, i = sys.argv[1], socket.if_nametoindex("ext")
if ":" in group:
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    a = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@i", i)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, a)
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("=4s4si", socket.inet_aton(group), b"", i))
print(os.getpid(), flush=True)
signal.pause()
END

PIDS=()
join_lan() # NUMBER
{
	container
	PIDS[$1]=$CPID
	C sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
	C ip link set lo up
	guest_start "$SOCKET" -m 1500 -a 02:00:00:00:00:0$1 || return 1
	C sysctl -qw "net.ipv4.conf.ext.force_igmp_version=$IGMP" "net.ipv6.conf.ext.force_mld_version=$MLD"
	C ip addr add "192.168.77.10$1/24" dev ext
	C ip route add default dev ext
}
as()	{ CPID=${PIDS[$1]}; shift; "$@"; }

join() # NUMBER GROUP
{
	: >"$T/joined.$1"
	as "$1" C python3 "$T/join.py" "$2" >"$T/joined.$1" &
	disown
	wait_for 20 test -s "$T/joined.$1"
}
leave()	{ kill "$(cat "$T/joined.$1")"; }

# sees GROUP: those of guests 2 and 3 that see a datagram of guest 1 to it
sees()
{
	local n p pids=()
	for n in 2 3; do
		: >"$T/see.$n"
		as $n C python3 "$T/see.py" >"$T/see.$n" 2>&1 &
		pids+=($!)
		wait_for 20 grep -q ready "$T/see.$n"
	done
	as 1 C python3 "$T/send.py" "$1"
	for p in "${pids[@]}"; do
		wait "$p"
	done
	for n in 2 3; do
		grep -q sees "$T/see.$n" && echo -n "$n"
	done
}
seen() { [ "$(sees "$1")" = "$2" ]; }

for STAND_IN in guest guest_vhost; do
	case $STAND_IN in
	guest)	VHOST='' IGMP=3 MLD=2 ;;
	*)	VHOST=--vhost-user IGMP=2 MLD=1 ;;
	esac
	passt_start --guests 3 --lan 192.168.77.0/24,fd77::/64
	for i in 1 2 3; do join_lan $i; done
	for group in 239.1.2.3 ff15::77; do
		t="$STAND_IN, IGMPv$IGMP and MLDv$MLD, $group"
		is "$t: nobody joined: to all" "$(sees $group)" 23
		join 2 $group
		ok "$t: one joined: to this one, and no other" wait_for 20 seen $group 2
		is "$t: another group still to all" "$(sees "${group%?}9")" 23
		join 3 $group
		ok "$t: another one joins" wait_for 20 seen $group 23
		leave 2
		ok "$t: the first one leaves" wait_for 20 seen $group 3
		leave 3
		ok "$t: the other one leaves: to all" wait_for 20 seen $group 23
	done
	is "$t: 224.0.0.0/24 to all" "$(sees 224.0.0.251)" 23
	is "$t: ff02::1 to all" "$(sees ff02::1)" 23
	pasta_may_end
	kill "$PASTAPID"
	wait_for 20 gone "$PASTAPID"
	GUESTPID=
done
done_testing
