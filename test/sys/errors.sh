#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# what is refused or out of reach looks that way in the namespace, at once, and nothing falls over
. "${0%/*}/lib.sh"

topology
pasta_up

# Routes of the host's alone
ip route add unreachable 203.0.113.0/25
ip -6 route add unreachable 2001:db8:bad::/64
ip route add throw 203.0.113.128/25
ip route add prohibit 192.0.2.0/24
xfer 20 <<END
error TCP-35_refused_by_a_remote_host,_IPv4,_2500_times c=C to=198.51.100.10 port=7999 count=2500 want=ECONNREFUSED
error TCP-35_refused_by_a_remote_host,_IPv6,_2500_times c=C to=2001:db8:1::10 port=7999 count=2500 want=ECONNREFUSED
error TCP-35_refused_by_the_host_itself,_IPv4,_2500_times c=C to=198.51.100.1 port=7999 count=2500 want=ECONNREFUSED
error TCP-35_refused_by_the_host_itself,_IPv6,_2500_times c=C to=2001:db8:1::1 port=7999 count=2500 want=ECONNREFUSED
udp-error UDP-21_closed_port,_IPv4 c=C to=198.51.100.10 port=7999 count=50 want=ECONNREFUSED
udp-error UDP-21_closed_port,_IPv6 c=C to=2001:db8:1::10 port=7999 count=50 want=ECONNREFUSED
udp-error UDP-21_closed_port_of_the_host_itself,_IPv4 c=C to=198.51.100.1 port=7999 count=50 want=ECONNREFUSED
udp-error UDP-21_closed_port_of_the_host_itself,_IPv6 c=C to=2001:db8:1::1 port=7999 count=50 want=ECONNREFUSED
error ICMP-09_TCP_without_a_route,_IPv4 c=C to=203.0.113.1 port=80 want=EHOSTUNREACH
udp-error ICMP-09_UDP_without_a_route,_IPv4 c=C to=203.0.113.1 port=80 want=EHOSTUNREACH
error ICMP-09_TCP_to_a_prohibited_network c=C to=192.0.2.1 port=80 want=EHOSTUNREACH
udp-error ICMP-09_UDP_to_a_prohibited_network c=C to=192.0.2.1 port=80 want=EHOSTUNREACH
END
# The kernel gives up after 3 s: all at once
down=(
	"error ICMP-09_TCP_to_a_host_that_is_down,_IPv4 c=C to=198.51.100.77 port=80 want=EHOSTUNREACH"
	"error ICMP-09_TCP_to_a_host_that_is_down,_IPv6 c=C to=2001:db8:1::77 port=80 want=EHOSTUNREACH"
	"udp-error ICMP-09_UDP_to_a_host_that_is_down,_IPv4 c=C to=198.51.100.77 port=80 want=EHOSTUNREACH"
	"udp-error ICMP-09_UDP_to_a_host_that_is_down,_IPv6 c=C to=2001:db8:1::77 port=80 want=EHOSTUNREACH"
)
down() { echo "${down[$1]}"; }
xfer_beside 20 "down 0" "down 1" "down 2" "down 3"
ip route del default
ip -6 route del default
xfer 20 <<END
error ICMP-09_TCP_to_an_unknown_network,_IPv4 c=C to=203.0.114.1 port=80 want=ENETUNREACH
error ICMP-09_TCP_to_an_unknown_network,_IPv6 c=C to=2001:db8:3::1 port=80 want=ENETUNREACH
udp-error ICMP-09_UDP_to_an_unknown_network,_IPv4 c=C to=203.0.114.1 port=80 want=ENETUNREACH
udp-error ICMP-09_UDP_to_an_unknown_network,_IPv6 c=C to=2001:db8:3::1 port=80 want=ENETUNREACH
END

# Port 0, by raw frames: nothing comes of it, or a reset
cat >"$T/port0.py" <<'END'
from frames import *
link = Link()
mine = lambda p: (TCP in p or UDP in p) and 0 in (p.sport, p.dport)
for ip in IP(src="198.51.100.2", dst="198.51.100.10"), IPv6(src="2001:db8:1::2", dst="2001:db8:1::10"):
    for l4 in TCP(sport=1234, dport=0, flags="S"), TCP(sport=0, dport=80, flags="S"), UDP(sport=1234, dport=0) / b"x", \
              UDP(sport=0, dport=7000) / b"x", TCP(sport=0, dport=0, flags="S"), TCP(sport=1234, dport=0, flags=0):
        link.send(ip, l4)
        a = link.recv(mine, 0.1)
        if a and not (TCP in a and a[TCP].flags & 4):
            print("answered:", a)
print("done")
END
is "TCP-34 segments and datagrams with port 0: no answer but a reset" "$(C python3 "$T/port0.py" 2>&1 | tail -n 3)" done
ok "TCP-34 and the process lives" C ping -nqc 1 -W 5 198.51.100.10

done_testing
