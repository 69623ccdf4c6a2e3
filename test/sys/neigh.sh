#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# CFG-16 hosts on the host's segment have their own MAC addresses in the guest, and everybody else has ours
. "${0%/*}/lib.sh"

OURS=9a:55:9a:55:9a:55
topology
# A bridge instead of R's cable, and N on it: 198.51.100.20 and .21, 2001:db8:1::20 and ::21
ip link set ext down
ip link set ext name port
ip link add ext type bridge
ip link set port master ext up
unshare -n bash -c ': >"$0"; exec sleep infinity' "$T/N.up" &
N=$!
wait_for 20 test -e "$T/N.up"
N()	{ nsenter --net=/proc/$N/ns/net -- "$@"; }
ip link add cable type veth peer name ext netns $N
ip link set cable master ext up
ip addr flush dev port
ip addr add 198.51.100.2/24 dev ext
ip addr add 2001:db8:1::2/64 dev ext nodad
ip link set ext up
ip route add default via 198.51.100.1
ip -6 route add default via 2001:db8:1::1
N ip link set ext address 02:00:00:00:00:20
N_addresses()	# it speaks as .20 and ::20
{
	N ip addr add 198.51.100.20/24 dev ext
	N ip addr add 198.51.100.21/24 dev ext
	N ip addr add 2001:db8:1::20/64 dev ext nodad
	N ip addr add 2001:db8:1::21/64 dev ext nodad preferred_lft 0
} 2>/dev/null
N_addresses
N ip link set ext up
wait_for 20 ping -nqc 1 -W 1 198.51.100.20
wait_for 20 ping -nqc 1 -W 1 2001:db8:1::20
wait_for 20 ping -nqc 1 -W 1 198.51.100.1
wait_for 20 ping -nqc 1 -W 1 2001:db8:1::1
wait_for 20 ping -nqc 1 -W 1 198.51.100.10
GW=$(R cat /sys/class/net/ext/address 2>/dev/null || R ip -o link show ext | sed 's/.*ether \([^ ]*\).*/\1/')

mac()	{ C ip neigh show "$1" dev ext | sed -n 's/.*lladdr \([^ ]*\).*/\1/p'; }
has()	{ [ "$(mac "$1")" = "$2" ]; }
asked()	{ C ping -nqc 1 -W 1 "$1"; [ -n "$(mac "$1")" ]; }
# seen NAME ADDRESS MAC: what C has for it, once it has asked and heard
seen()
{
	wait_for 10 asked "$2"
	is "$1" "$(mac "$2")" "$3"
}

pasta_up -t 8000 -u 8000
seen "CFG-16 a neighbour, IPv4" 198.51.100.20 02:00:00:00:00:20
seen "CFG-16 a neighbour, IPv6" 2001:db8:1::20 02:00:00:00:00:20
seen "CFG-16 nobody has that address" 198.51.100.77 $OURS
seen "CFG-16 the gateway's address is the host, IPv4" 198.51.100.1 $OURS
seen "CFG-16 the gateway's address is the host, IPv6" 2001:db8:1::1 $OURS

xfer <<END
tcp CFG-16_to_a_neighbour c=C s=/proc/$N/ns/net to=198.51.100.20 port=7000 up=1000000 down=1000000
tcp CFG-16_to_a_neighbour,_IPv6 c=C s=/proc/$N/ns/net to=2001:db8:1::20 port=7000 up=1000000 down=1000000
udp CFG-16_to_a_neighbour c=C s=/proc/$N/ns/net to=198.51.100.20 port=7001 sizes=0,100,5000
tcp CFG-16_from_a_neighbour c=/proc/$N/ns/net s=C to=198.51.100.2 port=8000 up=1000000 down=1000000
udp CFG-16_from_a_neighbour,_IPv6 c=/proc/$N/ns/net s=C to=2001:db8:1::2 port=8000 sizes=0,100,5000
END

cat >"$T/source.py" <<'END'
from frames import *
link = Link(host="198.51.100.20")
print("to", link.gw)
link.send(IP(src="198.51.100.2", dst="198.51.100.20"), ICMP(id=7, seq=1), b"payload")
a = link.recv(lambda p: ICMP in p and p[ICMP].type == 0 and p[ICMP].id == 7)
print("from", a.src)
END
is "CFG-16 frames to that MAC address are taken, and those from the neighbour have it" \
	"$(C python3 "$T/source.py" 2>&1 | tail -n 2 | xargs)" "to 02:00:00:00:00:20 from 02:00:00:00:00:20"

# Not known to the host yet
for a in 198.51.100.21 2001:db8:1::21; do
	not "CFG-16 $a is not known yet" grep -q lladdr <(ip neigh show $a)
	C ping -nqc 1 -W 2 $a >/dev/null
	ok "CFG-16 $a becomes known, and the guest hears of it" wait_for 10 has $a 02:00:00:00:00:20
done

LL=$(N ip -o -6 addr show dev ext scope link | sed -n 's|.*inet6 \([^/]*\)/.*|\1|p')
C ping -nqc 1 -W 2 "$LL%ext" >/dev/null
ok "CFG-16 link-local neighbours, too" wait_for 10 has "$LL" 02:00:00:00:00:20

# Another network card
N ip link set ext down
N ip link set ext address 02:00:00:00:00:22
N ip link set ext up
N_addresses
wait_for 20 N ping -nqc 1 -W 1 -I 198.51.100.20 198.51.100.2
wait_for 20 N ping -nqc 1 -W 1 -I 2001:db8:1::20 2001:db8:1::2
for a in 198.51.100.20 2001:db8:1::20; do
	ip neigh flush to $a dev ext
	ping -nqc 1 -W 2 $a >/dev/null
	ok "CFG-16 $a has another MAC address, and the guest hears of it" wait_for 10 has $a 02:00:00:00:00:22
done

# Gone
ip neigh del 198.51.100.21 dev ext
C ip neigh flush all
N ip addr del 198.51.100.21/24 dev ext
seen "CFG-16 one that is gone has our MAC address again" 198.51.100.21 $OURS

# Notifications: of others, and of what is known
batch()	{ for i in {1..250}; do echo "neigh replace $1 lladdr $2 nud reachable dev $3"; echo \
	"neigh replace $1 lladdr $2 nud stale dev $3"; done; }
known()	{ [ "$(ip neigh show 198.51.100.20 dev ext | grep -c $1)" = 1 ]; }
wait_for 20 known 02:00:00:00:00:22
wait_for 20 still
a=$(cs_of $PASTAPID) f=$(frames)
ok "neighbours of another interface" ip -batch <(batch 198.51.100.20 02:00:00:00:00:44 port)
ok "states of the same neighbour" ip -batch <(batch 198.51.100.20 02:00:00:00:00:22 ext)
ok "states of the gateway" ip -batch <(batch 198.51.100.1 "$GW" ext)
wait_for 20 still
le "1,500 notifications that change nothing: wake-ups but for frames" $(($(cs_of $PASTAPID) - a - ($(frames) - f))) 3

# More of them than are kept for a process that doesn't read
flood()
{
	for i in {1..2000}; do
		printf 'neigh replace 198.51.100.%i lladdr 02:00:00:00:%02x:%02x nud reachable dev ext\n' \
			$((100 + i % 100)) $((i / 256)) $((i % 256))
	done
	echo "neigh replace 198.51.100.20 lladdr 02:00:00:00:00:23 nud reachable dev ext"
}
seen "before the flood" 198.51.100.20 02:00:00:00:00:22
kill -STOP "$PASTAPID"
ip -batch <(flood)
kill -CONT "$PASTAPID"
ok "lost notifications are made up for" wait_for 10 has 198.51.100.20 02:00:00:00:00:23
ok "and then it rests" wait_for 20 still
ip neigh flush dev ext

pasta_stop
for a in 198.51.100.1 2001:db8:1::1 198.51.100.20; do
	wait_for 20 ping -nqc 1 -W 1 $a
done
pasta_up --no-map-gw -M 02:11:22:33:44:55
seen "CFG-16 a gateway that isn't the host is a neighbour, IPv4" 198.51.100.1 "$GW"
seen "CFG-16 a gateway that isn't the host is a neighbour, IPv6" 2001:db8:1::1 "$GW"
seen "CFG-16 with -M, what isn't a neighbour has that" 198.51.100.78 02:11:22:33:44:55
seen "CFG-16 with -M, a neighbour has its own" 198.51.100.20 02:00:00:00:00:22
done_testing
