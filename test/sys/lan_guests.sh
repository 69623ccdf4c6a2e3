#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guests that share a network: they reach each other by addresses and names, and none takes another's
LINK=sock
. "${0%/*}/lib.sh"

topology
R python3 "$SYS/dns_tool.py" serve "$T/queries" 198.51.100.10 >"$T/resolver" 2>&1 &
disown
wait_for 20 grep -q ready "$T/resolver"
resolv "nameserver 198.51.100.10"

PIDS=()
# guest NUMBER: a guest with that number's MAC address; C is this one from now on
guest()
{
	container
	PIDS[$1]=$CPID
	C ip link set lo up
	guest_start "$SOCKET" -m 1500 -a 02:00:00:00:00:0$1
}
as()	{ CPID=${PIDS[$1]}; shift; "$@"; }
dhcp()	{ C udhcpc -i ext -n -q -f -t 5 -T 1 -x "hostname:$1" -s "$SYS/udhcpc_lease" >"$T/udhcpc.log" 2>&1; }
addr4()	{ C ip -4 -br addr show dev ext | awk '{ print $3 }'; }
slaac()	{ C ip -6 addr show dev ext scope global -tentative | grep -q fd00:77::; }
ask()	{ C python3 "$SYS/dns_tool.py" ask 192.168.77.1 "$@" 2>&1; }
mac_of() { C ip neigh show "$1" | grep -o 'lladdr [^ ]*'; }

passt_start --guests 4 --lan 192.168.77.0/24,fd00:77::/64 -t 2221:one/22 -t 2222:two/22 -u 2222:two/22 \
	-t 2223:192.168.77.4/22
NAMES=(- one two three)
for i in 1 2 3; do
	guest $i
	ok "LAN-30 DHCP, guest $i" dhcp "${NAMES[i]}"
	is "LAN-30 its address" "$(addr4)" 192.168.77.$((i + 1))/24
	ok "LAN-30 RA, guest $i" wait_for 10 slaac
done

as 1 ok "LAN-31 ping to another guest" as 1 C ping -c 1 -W 5 192.168.77.3
as 1 ok "LAN-31 ping to another guest, IPv6" C ping -c 1 -W 5 fd00:77::ff:fe00:3
as 2 is "LAN-31 names of others" "$(as 2 ask one) $(as 2 ask three.internal)" \
	"NOERROR 192.168.77.2 NOERROR 192.168.77.4"
as 3 is "LAN-31 by IPv6" "$(as 3 ask one AAAA)" "NOERROR fd00:77::ff:fe00:1"
C1=/proc/${PIDS[1]}/ns/net C2=/proc/${PIDS[2]}/ns/net C3=/proc/${PIDS[3]}/ns/net
xfer < <(
	echo "tcp LAN-32_guest_to_guest c=$C1 s=$C2 to=192.168.77.3 port=7000 up=3000000 down=3000000 close=half src=192.168.77.2"
	echo "tcp LAN-32_guest_to_guest,_v6 c=$C2 s=$C3 to=fd00:77::ff:fe00:3 port=7000 up=3000000 down=3000000 close=half"
	echo "udp LAN-32_guest_to_guest c=$C3 s=$C1 to=192.168.77.2 port=7000 sizes=0,100,1472 count=3"
	echo "tcp LAN-33_in,_to_one c=R s=$C1 to=198.51.100.2 port=2221 lport=22 up=30000 down=30000 src=198.51.100.10"
	echo "tcp LAN-33_in,_to_two c=R s=$C2 to=198.51.100.2 port=2222 lport=22 up=30000 down=30000 src=198.51.100.10"
	echo "udp LAN-33_in,_to_two c=R s=$C2 to=198.51.100.2 port=2222 lport=22 sizes=0,100,1472 count=3"
	echo "tcp LAN-33_in,_to_the_address_of_three c=R s=$C3 to=198.51.100.2 port=2223 lport=22 up=30000 down=30000"
	echo "tcp LAN-33_out,_from_two c=$C2 s=R to=198.51.100.10 port=7000 up=30000 down=30000"
)

# The third one plays the first
as 3 C ip addr add 192.168.77.2/24 dev ext
as 3 not "LAN-34 another's address: nothing to the outside" C ping -c 1 -W 1 -I 192.168.77.2 198.51.100.10
as 3 not "LAN-34 another's address: nothing to a guest" C ping -c 1 -W 1 -I 192.168.77.2 192.168.77.3
as 3 C arping -q -U -c 3 -I ext 192.168.77.2 2>/dev/null || as 3 C busybox arping -q -U -c 3 -I ext 192.168.77.2
as 2 C ping -c 1 -W 5 192.168.77.2 >/dev/null
is "LAN-34 others still know whose it is" "$(as 2 mac_of 192.168.77.2)" "lladdr 02:00:00:00:00:01"
as 3 C ip addr del 192.168.77.2/24 dev ext
as 3 C ip addr add 192.168.77.1/32 dev ext
as 3 C busybox arping -q -U -c 3 -I ext 192.168.77.1
as 3 C ip addr del 192.168.77.1/32 dev ext
as 2 C ping -c 1 -W 5 192.168.77.1 >/dev/null
unlike "LAN-34 nor is the gateway's claimed" "$(as 2 mac_of 192.168.77.1)" "02:00:00:00:00:03"
like "LAN-34 a line in the log" "$(cat "$PASTA_LOG")" "Guest 2, at 02:00:00:00:00:03, (claims|sends from) 192.168.77.2"
is "LAN-34 a name of another's is not taken" "$(as 3 dhcp one; as 2 ask one)" "NOERROR 192.168.77.2"

# It takes all the addresses it can have, and a fourth guest still has one
starve()
{
	local i
	for i in 1 2 3 4 5 6; do
		as 3 C ip link set ext address 02:00:00:00:01:0$i
		as 3 dhcp many$i && echo got
	done
}
is "LAN-35 starvation" "$(starve | grep -c got)" 3
guest 4
ok "LAN-35 another guest has an address" dhcp four
is "LAN-35 this one" "$(addr4)" 192.168.77.8/24
as 4 ok "LAN-35 and reaches others" C ping -c 1 -W 5 192.168.77.2

done_testing
