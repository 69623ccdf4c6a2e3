#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# servers of datagrams that answer from another address, or another port: what works from a remote host works from this
# one
. "${0%/*}/lib.sh"

topology
usable() { ! $1 ip -6 addr show dev ext scope link | grep tentative && $1 ip -6 addr show dev ext scope link \
	| grep fe80; }
ok "link-local addresses" wait_for 20 usable R
ok "link-local addresses of the host's" wait_for 20 usable ""
cells() { tap_of python3 "$SYS/udp_servers.py" R="$(ns_of R)" H="$(ns_of H)" C="$(ns_of C)"; }

# Two more addresses of each kind, and rules that lead to each
more="-u 0.0.0.0/5003:198.51.100.3/5000 -u 0.0.0.0/5004:198.51.100.4/5000 -u [::]/5013:[2001:db8:1::3]/5000 -u [::]/5014:[2001:db8:1::4]/5000"
addresses()
{
	C ip addr add 198.51.100.3/24 dev ext
	C ip addr add 198.51.100.4/24 dev ext
	C ip addr add 2001:db8:1::3/64 dev ext nodad
	C ip addr add 2001:db8:1::4/64 dev ext nodad
	C ip addr add fe80::77/64 dev ext nodad
}

# ways: who asks from where, which address
ways()
{
	echo "R any 198.51.100.2"
	echo "R any 2001:db8:1::2"
	echo "H 198.51.100.2 198.51.100.2"
	echo "H any 198.51.100.2"
	echo "H 2001:db8:1::2 2001:db8:1::2"
	echo "H any 127.0.0.1"
	echo "H any 127.0.0.2"
	echo "H 127.0.0.9 127.0.0.1"
	echo "H any ::1"
}
# servers LABEL: of each kind, by each way
servers()
{
	local who from to f other
	while read -r who from to; do
		[[ $to = *:* ]] && f=1 other=2001:db8:1::4 || f= other=198.51.100.4
		echo "plain$1, $who asks $to|plain|$who|$from|$to|5000|C|any|5000|"
		echo "plain$1, $who asks $to for the second address|plain|$who|$from|$to|50${f:-0}3|C|any|5000|"
		echo "plain$1, $who asks $to for the third address|plain|$who|$from|$to|50${f:-0}4|C|any|5000|"
		echo "from another address$1, $who asks $to|other|$who|$from|$to|50${f:-0}3|C|any|5000|$other"
		echo "TFTP$1, $who asks $to|tftp|$who|$from|$to|1069|C|any|69|any"
		echo "TFTP from another address$1, $who asks $to|tftp|$who|$from|$to|1069|C|any|69|$other"
	done < <(ways)
}

pasta_up -u 5000 $more -u 1069:69
addresses
cells < <(servers ""
	ll=$(ip -6 addr show dev ext scope link | sed -n 's/.*inet6 \(.*\)\/.*/\1/p')%ext
	echo "plain, from a global to a link-local address|plain|R|2001:db8:1::10|$ll|5000|C|any|5000|"
	echo "plain, by link-local addresses|plain|R|any|$ll|5000|C|any|5000|"
	echo "from another address, by link-local addresses|other|R|any|$ll|5000|C|any|5000|2001:db8:1::4"
	echo "TFTP, by link-local addresses|tftp|R|any|$ll|1069|C|any|69|any")
pasta_stop

pasta_up -u 5000 $more -u 1069:69 $NO_SPLICE --no-map-gw
addresses
cells < <(servers ", no mapping" | grep -v "|R|")
pasta_stop
pasta_up -u 5000 $more -u 1069:69 $NO_SPLICE --map-host-loopback 192.0.2.1 --map-guest-addr 192.0.2.2
addresses
cells < <(servers ", mapped" | grep -v "|R|" | grep -v :)
pasta_stop
[ "$LINK" = tap ] || done_testing

# Loopback to loopback, both ways; the host has its own two addresses
out()
{
	local to
	for to in 127.0.0.1 127.0.0.2 ::1; do
		echo "plain, outward, to $to|plain|C|any|$to|6000|H|any|6000|"
		echo "TFTP, outward, to $to|tftp|C|any|$to|6069|H|any|69|any"
	done
	echo "TFTP, outward, by an address that the rule names|tftp|C|any|198.51.100.2|6169|H|any|69|any"
}
pasta_up -u 5000 -u 1069:69 --host-lo-to-ns-lo -U 6000 -U 6069:69 -U 198.51.100.2/6169:69
addresses
cells < <(out
	for to in 127.0.0.1 127.0.0.2 ::1; do
		echo "plain, loopback to loopback, $to|plain|H|any|$to|5000|C|any|5000|"
		echo "TFTP, loopback to loopback, $to|tftp|H|any|$to|1069|C|any|69|any"
	done)
fds() { ls /proc/$PASTAPID/fd | wc -l; }
le "descriptors: as many as one client may have, for each that asked more often" "$(fds)" 900
pasta_stop

# Strangers: who isn't in the namespace, or on the host, can't get at the sockets in between
pasta_up -u 5000 -U 6000
cat >"$T/strangers.py" <<'END'
import socket, sys
import netns
def sock(ns, family, to=None):
    netns.enter(ns)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(3)
    return s
near, far, stranger, ask, port, at, reach = sys.argv[1:8]
f = socket.AF_INET6 if ":" in ask else socket.AF_INET
s = sock(far, f)
s.bind((at, int(port)))
c = sock(near, f)
c.sendto(b"question", (ask, int(port)))
peer = s.recvfrom(100)[1]
x = sock(stranger, f)
x.bind((sys.argv[8] if sys.argv[8:] else "", int(port)))        # as the server's
senders = [x] if sys.argv[8:] else [x, sock(stranger, f)]
for to in reach.split(","):
    for z in senders:
        z.sendto(b"injected", (to, peer[1]))
s.sendto(b"answer", peer)
got = [c.recvfrom(100)[0]]
c.settimeout(0.3)
try:
    while True:
        got.append(c.recvfrom(100)[0])
except TimeoutError:
    pass
print(*got)
END
strangers() { is "strangers, $1" "$(python3 "$T/strangers.py" "${@:2}" 2>&1)" "b'answer'"; }
# Another interface of the namespace's, as in a container that routes for others
ip netns add X
ip link add inner type veth peer name outer netns "$CPID"
ip link set inner netns X
C ip addr add 10.9.0.1/24 dev outer
C ip addr add fd09::1/64 dev outer nodad
C ip link set outer up
ip netns exec X ip addr add 10.9.0.2/24 dev inner
ip netns exec X ip addr add fd09::2/64 dev inner nodad
ip netns exec X ip link set inner up
ip netns exec X ip route add default via 10.9.0.1
ip netns exec X ip -6 route add default via fd09::1
reached() { ip netns exec X ping -c1 -W1 fd09::1; }
ok "strangers: they could" wait_for 20 reached
strangers "in" "$(ns_of H)" "$(ns_of C)" /run/netns/X 127.0.0.1 5000 0.0.0.0 10.9.0.1,198.51.100.2
strangers "in, IPv6" "$(ns_of H)" "$(ns_of C)" /run/netns/X ::1 5000 :: fd09::1,2001:db8:1::2
strangers "out" "$(ns_of C)" "$(ns_of H)" "$(ns_of R)" 127.0.0.1 6000 0.0.0.0 198.51.100.2
strangers "out, IPv6" "$(ns_of C)" "$(ns_of H)" "$(ns_of R)" ::1 6000 :: 2001:db8:1::2
strangers "out, another user of the host" "$(ns_of C)" "$(ns_of H)" "$(ns_of H)" 127.0.0.1 6000 127.0.0.1 127.0.0.1 \
	127.0.0.3
strangers "out, another user of the host, by its address" "$(ns_of C)" "$(ns_of H)" "$(ns_of H)" 127.0.0.1 6000 \
	127.0.0.1 127.0.0.1 198.51.100.2
strangers "out, another user of the host, IPv6" "$(ns_of C)" "$(ns_of H)" "$(ns_of H)" ::1 6000 ::1 ::1 2001:db8:1::2
pasta_stop

done_testing
