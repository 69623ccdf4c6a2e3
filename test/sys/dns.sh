#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# names: servers of the host's configuration, wherever they are; DNS-11 packets are relayed, not read, so any will do
. "${0%/*}/lib.sh"

topology
F=169.254.1.1 F6=fd00::53

# query LABEL TO FROM SERVER AT: port 53, UDP and TCP, and 853
query()
{
	local port
	for port in 53 853; do
		echo "tcp $1,_TCP,_port_$port c=C s=$3 to=$2 at=$4 port=$port up=40 down=2000"
	done
	echo "udp $1,_UDP c=C s=$3 to=$2 at=$4 port=53 sizes=40,512,1232,4096"
}

resolv "nameserver 198.51.100.10"
pasta_up --dns-forward $F
xfer 20 < <(query DNS-02_DNS-09_forward_to_a_server_outside $F R 198.51.100.10)
pasta_stop

resolv "nameserver 127.0.0.53"
pasta_up --dns-forward $F --no-map-gw
xfer 20 < <(query DNS-03_forward_to_a_resolver_on_loopback,_--no-map-gw $F H 127.0.0.53)
pasta_stop
pasta_up --dns-forward $F
xfer 20 < <(query DNS-01_DNS-05_forward_to_a_resolver_on_loopback $F H 127.0.0.53)
pasta_stop
pasta_up
xfer 20 < <(query DNS-01_gateway_address_without_an_option 198.51.100.1 H 127.0.0.53)
pasta_stop

resolv "nameserver 198.51.100.1"
pasta_up
xfer 20 < <(query DNS-04_the_gateway_is_the_resolver 198.51.100.1 R 198.51.100.1)
xfer 20 <<END
tcp DNS-04_but_for_other_ports_the_host c=C s=H to=198.51.100.1 at=127.0.0.1 port=80 up=10
END
pasta_stop

resolv "nameserver 2001:db8:1::10"
pasta_up --dns-forward $F6
xfer 20 < <(query forward_over_IPv6 $F6 R 2001:db8:1::10)
pasta_stop

# The other family's resolver, where there is none of the guest's
resolv "nameserver 2001:db8:1::10"
pasta_up --dns-forward $F
xfer 20 < <(query IPv4_to_an_IPv6_resolver $F R 2001:db8:1::10)
xfer 20 <<END
udp IPv4_to_an_IPv6_resolver,_DTLS c=C s=R to=$F at=2001:db8:1::10 port=853 sizes=40,4096
udp-error IPv4_to_an_IPv6_resolver_that_is_not_there c=C to=$F port=53 want=ECONNREFUSED
END
pasta_stop
pasta_up -4 --dns-forward $F --outbound-if6 ext
xfer 20 < <(query IPv4_to_an_IPv6_resolver,_-4 $F R 2001:db8:1::10)
pasta_stop
resolv "nameserver 198.51.100.10"
pasta_up --dns-forward $F6
xfer 20 < <(query IPv6_to_an_IPv4_resolver $F6 R 198.51.100.10)
xfer 20 <<END
udp-error IPv6_to_an_IPv4_resolver_that_is_not_there c=C to=$F6 port=53 want=ECONNREFUSED
END
pasta_stop
pasta_up -6 --dns-forward $F6
xfer 20 < <(query IPv6_to_an_IPv4_resolver,_-6 $F6 R 198.51.100.10)
pasta_stop
resolv "nameserver ::1"
pasta_up --dns-forward $F --outbound-if4 ext --no-map-gw
xfer 20 < <(query IPv4_to_an_IPv6_resolver_on_loopback $F H ::1)
pasta_stop
resolv "nameserver 127.0.0.53"
pasta_up --dns-forward $F6 --outbound-if4 ext --no-map-gw
xfer 20 < <(query IPv6_to_an_IPv4_resolver_on_loopback $F6 H 127.0.0.53)
pasta_stop

# A link-local one, on an interface that the guest has nothing to do with, and that another neighbour has, too
ip link add other type veth peer name other netns "$RPID"
R ip link set other up
ip link set other up
R ip addr add fe80::53/64 dev other nodad
R ip addr add fe80::53/64 dev ext nodad
ll_up() { ip -6 addr show dev other | grep fe80 | grep -v tentative; }
ok "link-local addresses on the other link" wait_for 20 ll_up
cat >"$T/ll.py" <<'END'
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"other")
s.bind(("::", 53))
t = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
t.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"other")
t.bind(("::", 53))
t.listen()
print("ready", flush=True)
q, who = s.recvfrom(100)
s.sendto(q + b" answered", who)
t.accept()[0].sendall(b"connected")
END
R python3 "$T/ll.py" >"$T/ll" 2>&1 &
disown
wait_for 20 grep -q ready "$T/ll"
resolv "nameserver fe80::53%other"
pasta_up --dns-forward $F
is "link-local resolver of another interface" "$(C python3 -c "import socket
s = socket.socket(); s.settimeout(20)
u = socket.socket(type=socket.SOCK_DGRAM); u.settimeout(20); u.sendto(b'query', ('$F', 53)); print(*u.recvfrom(100), end=', ')
s.connect(('$F', 53)); print(s.recv(100))" 2>&1)" "b'query answered' ('$F', 53), b'connected'"
pasta_stop

resolv "nameserver 203.0.113.53"
pasta_up -D 198.51.100.10 -t 8000 --dns-forward $F
xfer 20 < <(query DNS-08_servers_given_by_-D_serve_for_--dns-forward $F R 198.51.100.10)
xfer 20 <<END
tcp DNS-07_an_option_after_-D_counts c=R s=C to=198.51.100.2 port=8000 up=10
END
pasta_stop
pasta_up --dns-forward $F --dns-host 198.51.100.10
xfer 20 < <(query --dns-host $F R 198.51.100.10)
pasta_stop
pasta_up --dns-forward $F --dns-host 127.0.0.54
xfer 20 < <(query --dns-host_on_loopback $F H 127.0.0.54)
pasta_stop

done_testing
