#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UDP-18 FWD-08 ports of an address that the host does not have yet
. "${0%/*}/lib.sh"

topology
container
for o in "-t 198.51.100.9/8000" "-u 198.51.100.9/8000"; do
	out=$(program $o 2>&1)
	is "$o without --freebind: status" $? 1
	like "$o without --freebind: message" "$out" "assign requested address.*198.51.100.9"
done
pasta_up --freebind -t 198.51.100.9/8000 -u 198.51.100.9/8000 -t 2001:db8:1::9/8000 -u 2001:db8:1::9/8000
ip addr add 198.51.100.9/24 dev ext
ip addr add 2001:db8:1::9/64 dev ext nodad
xfer <<END
tcp TCP_once_the_address_is_there c=R s=C to=198.51.100.9 port=8000 src=198.51.100.10 up=1000 down=1000
udp UDP-18_UDP_once_the_address_is_there c=R s=C to=198.51.100.9 port=8000 src=198.51.100.10 sizes=0,100,5000
tcp TCP_once_the_address_is_there,_IPv6 c=R s=C to=2001:db8:1::9 port=8000 src=2001:db8:1::10 up=1000 down=1000
udp UDP-18_UDP_once_the_address_is_there,_IPv6 c=R s=C to=2001:db8:1::9 port=8000 src=2001:db8:1::10 sizes=0,100,5000
END

# L2-14: addresses that the namespace gives itself stay apart, also with the same port
C ip addr add 198.51.100.50/24 dev ext
C ip addr add 2001:db8:1::50/64 dev ext nodad
R python3 -c '
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 7000))
print("ready", flush=True)
while True:
    d, a = s.recvfrom(100)
    s.sendto(d, a)' >"$T/echo" 2>&1 &
wait_for 10 grep -q ready "$T/echo"
is "L2-14 two addresses, one port: each gets its own" "$(C python3 -c '
import socket
for fam, to, addrs in (socket.AF_INET, "198.51.100.10", ("198.51.100.2", "198.51.100.50")), (
                       socket.AF_INET6, "2001:db8:1::10", ("2001:db8:1::2", "2001:db8:1::50")):
    ss = []
    for a in addrs:
        s = socket.socket(fam, socket.SOCK_DGRAM)
        s.bind((a, 5555))
        s.connect((to, 7000))
        s.settimeout(5)
        s.send(a.encode())
        ss.append(s)
    for s, a in zip(ss, addrs):
        print(s.recv(100).decode() == a)
' 2>&1 | tr '\n' ' ')" "True True True True "

done_testing
