#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# echo and traceroute tell the truth
. "${0%/*}/lib.sh"

topology

# A network behind R: R2, 192.0.2.9 and 2001:db8:2::9
unshare -n bash -c ': >"$0"; exec sleep infinity' "$T/R2.up" &
R2=$!
wait_for 20 test -e "$T/R2.up"
R2()	{ nsenter --net=/proc/$R2/ns/net -- "$@"; }
R ip link add far type veth peer name far netns $R2
R sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
R ip addr add 192.0.2.1/24 dev far
R ip addr add 2001:db8:2::1/64 dev far nodad
R ip link set far up
R2 ip addr add 192.0.2.9/24 dev far
R2 ip addr add 2001:db8:2::9/64 dev far nodad
R2 ip link set far up
R2 ip route add default via 192.0.2.1
R2 ip -6 route add default via 2001:db8:2::1
R2 sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0 net.ipv6.icmp.ratemask=127
wait_for 20 ping -nqc 1 -W 1 192.0.2.9
wait_for 20 ping -nqc 1 -W 1 2001:db8:2::9

pasta_up

for a in 198.51.100.10 192.0.2.9 2001:db8:1::10 2001:db8:2::9; do
	for size in 0 56 1472 1473 9000 60000; do
		ok "ping of $a, $size bytes" C ping -nqc 3 -i 0.05 -W 5 -s $size $a
	done
	like "500 pings of $a, none lost" "$(C ping -fnqc 500 -W 5 $a)" "500 received"
done
like "the host itself, by the gateway's address, IPv4" "$(C ping -nqc 2 -i 0.1 -W 5 198.51.100.1)" "2 received"
like "the host itself, by the gateway's address, IPv6" "$(C ping -nqc 2 -i 0.1 -W 5 2001:db8:1::1)" "2 received"
# The kernel gives up after 3 s: both at once
C ping -nc 1 -W 10 198.51.100.77 >"$T/down4" & down4=$!
C ping -nc 1 -W 10 2001:db8:1::77 >"$T/down6" & down6=$!
wait $down4 $down6
like "ICMP-08 ICMP-09 a host that is down, IPv4" "$(cat "$T/down4")" "Destination Host Unreachable.* 0 received"
like "ICMP-08 ICMP-09 a host that is down, IPv6" "$(cat "$T/down6")" "Destination unreachable.* 0 received"

hops() { awk '$1 ~ /^[0-9]+$/ { printf "%s%s %s", s, $1, $2; s = ", " }'; }
is "ICMP-07 traceroute, IPv4" "$(C traceroute -n -q 1 -w 5 -m 5 192.0.2.9 | hops)" "1 198.51.100.10, 2 192.0.2.9"
is "ICMP-07 traceroute, IPv6" "$(C traceroute -6 -n -q 1 -w 5 -m 5 2001:db8:2::9 | hops)" \
	"1 2001:db8:1::10, 2 2001:db8:2::9"
is "ICMP-07 traceroute with echo requests, IPv4" "$(C traceroute -I -n -q 1 -w 5 -m 5 192.0.2.9 | hops)" \
	"1 198.51.100.10, 2 192.0.2.9"
is "ICMP-07 traceroute with echo requests, IPv6" "$(C traceroute -6 -I -n -q 1 -w 5 -m 5 2001:db8:2::9 | hops)" \
	"1 2001:db8:1::10, 2 2001:db8:2::9"

# TCP: one router more, and R3 behind it. Port 80 is closed, 7000 is not.
unshare -n bash -c ': >"$0"; exec sleep infinity' "$T/R3.up" &
R3=$!
wait_for 20 test -e "$T/R3.up"
R3()	{ nsenter --net=/proc/$R3/ns/net -- "$@"; }
R2 ip link add farther type veth peer name far netns $R3
R2 sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
R2 ip addr add 192.0.3.1/24 dev farther
R2 ip addr add 2001:db8:3::1/64 dev farther nodad
R2 ip link set farther up
R3 ip addr add 192.0.3.9/24 dev far
R3 ip addr add 2001:db8:3::9/64 dev far nodad
R3 ip link set far up
R3 ip route add default via 192.0.3.1
R3 ip -6 route add default via 2001:db8:3::1
R ip route add 192.0.0.0/16 via 192.0.2.9
R ip -6 route add 2001:db8:3::/48 via 2001:db8:2::9
R2 ip route add unreachable 192.0.4.0/24
R2 ip -6 route add unreachable 2001:db8:3:4::/64
R2 ip route add prohibit 192.0.5.0/24
R2 ip -6 route add prohibit 2001:db8:3:5::/64
R3 python3 -c 'import socket, time
l = socket.create_server(("", 7000), family=socket.AF_INET6, dualstack_ipv6=True); print("ready", flush=True); time.sleep(1000)' \
	>"$T/R3.listens" 2>&1 &
disown
wait_for 20 grep -q ready "$T/R3.listens"
wait_for 20 ping -nqc 1 -W 1 192.0.3.9
wait_for 20 ping -nqc 1 -W 1 2001:db8:3::9
PATH4="1 198.51.100.10, 2 192.0.2.9, 3 192.0.3.9" PATH6="1 2001:db8:1::10, 2 2001:db8:2::9, 3 2001:db8:3::9"
trace() { C traceroute -T -n -q 1 -w 5 -m 6 "$@" 2>&1; }
report() { C mtr -T -n -c 2 -i 0.2 -G 5 -m 6 --csv "$@" 2>&1 \
	| awk -F, 'NR > 1 { printf "%s%s %s %d", s, $5, $6, $7; s = ", " }'; }
for port in 80 7000; do
	is "ICMP-07 traceroute -T, IPv4, port $port" "$(trace -p $port 192.0.3.9 | hops)" "$PATH4"
	is "ICMP-07 traceroute -T, IPv6, port $port" "$(trace -6 -p $port 2001:db8:3::9 | hops)" "$PATH6"
	is "ICMP-07 traceroute -T, the same source port again and again, port $port" \
		"$(trace -p $port --sport=30000 192.0.3.9 | hops)" "$PATH4"
	is "ICMP-07 mtr -T, IPv4, port $port, no loss" "$(report -P $port 192.0.3.9)" "${PATH4//,/ 0,} 0"
	is "ICMP-07 mtr -T, IPv6, port $port, no loss" "$(report -6 -P $port 2001:db8:3::9)" "${PATH6//,/ 0,} 0"
done
like "ICMP-07 traceroute -T, a router that has no way, IPv4" "$(trace 192.0.4.4)" "2 +192.0.2.9 .*!H"
like "ICMP-07 traceroute -T, a router that has no way, IPv6" "$(trace -6 2001:db8:3:4::4)" "2 +2001:db8:2::9 .*!N"
like "ICMP-07 traceroute -T, a router that prohibits, IPv4" "$(trace 192.0.5.5)" "2 +192.0.2.9 .*!X"
like "ICMP-07 traceroute -T, a router that prohibits, IPv6" "$(trace -6 2001:db8:3:5::5)" "2 +2001:db8:2::9 .*!X"

R nft -f - \
	<<<'table inet silent { chain o { type filter hook output priority 0; icmp type time-exceeded drop; icmpv6 type time-exceeded drop; }; }'
is "ICMP-07 traceroute -T, the same source port, a router that is silent, IPv4" \
	"$(trace -w 3 --sport=30001 192.0.3.9 | hops)" "${PATH4/ 198.51.100.10/ *}"
is "ICMP-07 traceroute -T, the same source port, a router that is silent, IPv6" \
	"$(trace -6 -w 3 --sport=30001 2001:db8:3::9 | hops)" "${PATH6/ 2001:db8:1::10/ *}"
R nft delete table inet silent

like "ping with a TTL of 1" "$(C ping -nc 1 -t 1 -W 5 192.0.2.9)" "From 198.51.100.10 icmp_seq=1 Time to live exceeded"

cat >"$T/echo.py" <<'END'
from frames import *
link = Link()
n = 0
for id in 0, 1, 65535:
    for seq in 0, 1, 65535:
        link.send(IP(src="198.51.100.2", dst="198.51.100.10"), ICMP(id=id, seq=seq), b"payload")
        a = link.recv(lambda p: ICMP in p and p[ICMP].type == 0 and (p[ICMP].id, p[ICMP].seq) == (id, seq))
        if not a or bytes(a[ICMP].payload)[:7] != b"payload" or not good_checksums(a[IP]):
            print("IPv4, id", id, "seq", seq, a)
        link.send(IPv6(src="2001:db8:1::2", dst="2001:db8:1::10"), ICMPv6EchoRequest(id=id, seq=seq, data=b"payload"))
        a = link.recv(lambda p: ICMPv6EchoReply in p and (p[ICMPv6EchoReply].id, p[ICMPv6EchoReply].seq) == (id, seq))
        if not a or a[ICMPv6EchoReply].data[:7] != b"payload" or not good_checksums(a[IPv6]):
            print("IPv6, id", id, "seq", seq, a)
        n += 2
print(n, "done")
END
is "ICMP-01 ICMP-06 identifier and sequence number 0, 1, 65535" "$(C python3 "$T/echo.py" 2>&1 | tail -n 5)" "18 done"

# A guest's ping keeps neither a ping of the host's nor another program from an identifier
cat >"$T/ids.py" <<'END'
import socket, sys
v6 = ":" in sys.argv[1]
family, proto = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
n = 0
for id in range(0, 65536, 97):
    with socket.socket(family, socket.SOCK_DGRAM, proto) as s:
        s.bind(("::" if v6 else "0.0.0.0", id))
        if "answered" in sys.argv:
            s.settimeout(10)
            s.sendto(bytes([128 if v6 else 8, 0, 0, 0, 0, 0, id >> 8, id & 255]), (sys.argv[1], 0))
            s.recv(100)
        n += 1
print(n)
END
C sysctl -qw net.ipv4.ping_group_range="0 0"
for a in 198.51.100.10 2001:db8:1::10; do
	is "the guest pings $a with identifiers over the whole range" \
		"$(C python3 "$T/ids.py" $a answered 2>&1 | tail -n 1)" 676
	is "and the host binds each of them" "$(python3 "$T/ids.py" $a 2>&1 | tail -n 1)" 676
	like "and pings with one of the guest's" "$(ping -nqc 1 -W 5 -e 97 $a)" "1 received"
done
done_testing
