#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# addresses that mean something else in the namespace: the host's loopback, the host itself
. "${0%/*}/lib.sh"

topology
pasta_up
xfer 5 <<END
tcp gateway_is_the_host's_loopback,_IPv4 c=C s=H to=198.51.100.1 at=127.0.0.1 src=127.0.0.1 port=7000 up=100000 down=100000
tcp gateway_is_the_host's_loopback,_IPv6 c=C s=H to=2001:db8:1::1 at=::1 src=::1 port=7000 up=100000 down=100000
udp gateway_is_the_host's_loopback,_IPv4,_UDP c=C s=H to=198.51.100.1 at=127.0.0.1 port=7000 sizes=0,100,9000
udp gateway_is_the_host's_loopback,_IPv6,_UDP c=C s=H to=2001:db8:1::1 at=::1 port=7000 sizes=0,100,9000
tcp FWD-20_the_host's_address_is_the_namespace's_own c=C s=C to=198.51.100.2 port=7000 up=10
END
pasta_stop
pasta_up --no-map-gw
xfer 5 <<END
tcp SEC-04_--no-map-gw:_gateway_is_itself,_IPv4 c=C s=R to=198.51.100.1 at=198.51.100.1 port=7000 up=1000 down=1000
tcp SEC-04_--no-map-gw:_gateway_is_itself,_IPv6 c=C s=R to=2001:db8:1::1 at=2001:db8:1::1 port=7000 up=1000 down=1000
udp SEC-04_--no-map-gw:_gateway_is_itself,_IPv4,_UDP c=C s=R to=198.51.100.1 at=198.51.100.1 port=7000 sizes=100
udp SEC-04_--no-map-gw:_gateway_is_itself,_IPv6,_UDP c=C s=R to=2001:db8:1::1 at=2001:db8:1::1 port=7000 sizes=100
END
pasta_stop
pasta_up --map-host-loopback 192.0.2.1 --map-host-loopback 2001:db8:9a55::1 --map-guest-addr 192.0.2.2 $NO_SPLICE \
	--map-guest-addr 2001:db8:9a55::2 -t 8000 -u 8000
xfer 5 <<END
tcp --map-host-loopback,_IPv4 c=C s=H to=192.0.2.1 at=127.0.0.1 port=7000 up=1000 down=1000
tcp --map-host-loopback,_IPv6 c=C s=H to=2001:db8:9a55::1 at=::1 port=7000 up=1000 down=1000
udp --map-host-loopback,_IPv4,_UDP c=C s=H to=192.0.2.1 at=127.0.0.1 port=7000 sizes=100
udp --map-host-loopback,_IPv6,_UDP c=C s=H to=2001:db8:9a55::1 at=::1 port=7000 sizes=100
tcp the_gateway_is_itself_then c=C s=R to=198.51.100.1 at=198.51.100.1 port=7000 up=1000
tcp --map-guest-addr,_IPv4 c=C s=H to=192.0.2.2 at=198.51.100.2 port=7000 up=1000 down=1000
tcp --map-guest-addr,_IPv6 c=C s=H to=2001:db8:9a55::2 at=2001:db8:1::2 port=7000 up=1000 down=1000
udp --map-guest-addr,_IPv4,_UDP c=C s=H to=192.0.2.2 at=198.51.100.2 port=7000 sizes=100
udp --map-guest-addr,_IPv6,_UDP c=C s=H to=2001:db8:9a55::2 at=2001:db8:1::2 port=7000 sizes=100
tcp FWD-20_published_port_by_way_of_the_host,_IPv4 c=C s=C to=192.0.2.2 port=8000 up=1000 down=1000
tcp FWD-20_published_port_by_way_of_the_host,_IPv6 c=C s=C to=2001:db8:9a55::2 port=8000 up=1000 down=1000
tcp published_port_from_the_host's_loopback,_IPv4 c=H s=C to=127.0.0.1 src=192.0.2.1 port=8000 up=1000 down=1000
tcp published_port_from_the_host's_loopback,_IPv6 c=H s=C to=::1 src=2001:db8:9a55::1 port=8000 up=1000 down=1000
udp published_port_from_the_host's_loopback,_IPv4,_UDP c=H s=C to=127.0.0.1 src=192.0.2.1 port=8000 sizes=100
udp published_port_from_the_host's_loopback,_IPv6,_UDP c=H s=C to=::1 src=2001:db8:9a55::1 port=8000 sizes=100
tcp published_port_from_the_host's_address,_IPv4 c=H s=C to=198.51.100.2 src=192.0.2.2 port=8000 up=1000 down=1000
udp published_port_from_the_host's_address,_IPv4,_UDP c=H s=C to=198.51.100.2 src=192.0.2.2 port=8000 sizes=100
END
pasta_stop
pasta_up --map-host-loopback none --map-guest-addr none -t 8000
xfer 5 <<END
tcp SEC-04_--map-host-loopback_none c=C s=R to=198.51.100.1 at=198.51.100.1 port=7000 up=1000
END
pasta_stop

# An interface to leave by that doesn't exist yet
if [ $LINK = tap ]; then
	pasta_up --outbound-if4 later --outbound-if6 later
	like "--outbound-if4 of no interface: a warning" "$(cat "$T/pasta.$PN.out")" \
		"Outbound interface later doesn't exist.*IPv4"
	like "--outbound-if6 of no interface: a warning" "$(cat "$T/pasta.$PN.out")" \
		"Outbound interface later doesn't exist.*IPv6"
	xfer 5 <<END
error --outbound-if4_of_no_interface:_nothing_leaves c=C to=198.51.100.10 port=7000 want=ENETUNREACH
error --outbound-if6_of_no_interface:_nothing_leaves c=C to=2001:db8:1::10 port=7000 want=ENETUNREACH
END
	ip link add later type veth peer name later netns $RPID
	ip addr add 203.0.113.2/24 dev later
	ip addr add 2001:db8:2::2/64 dev later nodad
	R ip addr add 203.0.113.1/24 dev later
	R ip addr add 2001:db8:2::1/64 dev later nodad
	ip link set later up
	R ip link set later up
	wait_for 20 ping -c1 -W1 203.0.113.1 >/dev/null 2>&1
	xfer 5 <<END
tcp --outbound-if4,_once_it_exists c=C s=R to=203.0.113.1 src=203.0.113.2 port=7000 up=1000 down=1000
udp --outbound-if4,_once_it_exists,_UDP c=C s=R to=203.0.113.1 src=203.0.113.2 port=7000 sizes=100
tcp --outbound-if6,_once_it_exists c=C s=R to=2001:db8:2::1 src=2001:db8:2::2 port=7000 up=1000 down=1000
END
	pasta_stop
	ip link del later
fi

# UDP-22: one source address for all
ip addr add 198.51.100.3/24 dev ext
ip addr add 2001:db8:1::3/64 dev ext nodad
pasta_up -a 198.51.100.2 -a 2001:db8:1::2 -o 198.51.100.3 -o 2001:db8:1::3
xfer 5 <<END
tcp UDP-22_-o,_TCP,_IPv4 c=C s=R to=198.51.100.10 src=198.51.100.3 port=7000 up=1000 down=1000
tcp UDP-22_-o,_TCP,_IPv6 c=C s=R to=2001:db8:1::10 src=2001:db8:1::3 port=7000 up=1000 down=1000
udp UDP-22_-o,_UDP,_IPv4 c=C s=R to=198.51.100.10 src=198.51.100.3 port=7000 sizes=100
udp UDP-22_-o,_UDP,_IPv6 c=C s=R to=2001:db8:1::10 src=2001:db8:1::3 port=7000 sizes=100
END
R python3 -c '
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x800))
s.settimeout(20)
print("ready", flush=True)
while True:
    p = s.recv(2000)
    if p[9] == 1 and p[20] == 8:
        print(socket.inet_ntoa(p[12:16]))
        break' >"$T/ping" 2>&1 & sniff=$!
wait_for 10 grep -q ready "$T/ping"
C ping -nqc 3 -i 0.2 -W 5 198.51.100.10 >"$T/null"
wait $sniff
is "UDP-22 -o, ping" "$(tail -n 1 "$T/ping")" 198.51.100.3
pasta_stop

# L2-13: loopback addresses do not get out, whatever side of a frame they are on
pasta_up
cat >"$T/loop.py" <<'END'
from frames import *
link = Link()
for src, dst in ("198.51.100.2", "127.0.0.1"), ("127.0.0.1", "198.51.100.1"), ("127.0.0.1", "127.0.0.1"), \
                ("198.51.100.2", "127.9.9.9"), ("0.0.0.0", "198.51.100.1"), ("224.0.0.1", "198.51.100.1"):
    link.send(IP(src=src, dst=dst), UDP(sport=5000, dport=7000), ("%s to %s" % (src, dst)).encode())
for src, dst in ("2001:db8:1::2", "::1"), ("::1", "2001:db8:1::1"), ("2001:db8:1::2", "::ffff:127.0.0.1"), ("::", "2001:db8:1::1"), \
                ("::ffff:127.0.0.1", "2001:db8:1::1"), ("ff02::1", "2001:db8:1::1"):
    link.send(IPv6(src=src, dst=dst), UDP(sport=5000, dport=7000), ("%s to %s" % (src, dst)).encode())
link.send(IP(src="198.51.100.2", dst="198.51.100.1"), UDP(sport=5000, dport=7000), b"last")
END
python3 -c '
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 7000)); s.settimeout(20)
print("ready", flush=True)
d = b""
while d != b"last":
    d = s.recv(100)
    print(d.decode(), flush=True)' >"$T/heard" 2>&1 & h=$!
wait_for 10 grep -q ready "$T/heard"
C python3 "$T/loop.py" >"$T/loop.out" 2>&1 || diag "$(cat "$T/loop.out")"
wait $h
is "L2-13 UDP-19 only what has a proper source gets to the host's loopback" "$(tr '\n' ' ' <"$T/heard")" "ready last "

done_testing
