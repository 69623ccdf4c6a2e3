#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL the host's network changes while pasta runs, and the namespace follows (--config-net)
LINK=tap
. "${0%/*}/follow.bash"

pasta_up
ok "the first network" C_is "$IN_EXT"

# ---- roaming

hold 1 198.51.100.10 7
hold 2 2001:db8:1::10 7
ok "a connection" held 1
ok "a connection, IPv6" held 2
nets
start=${EPOCHREALTIME/./}
wlan
follows "FOL-01 another network" "$IN_WLAN"
diag "after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
ok "FOL-02 a connection from an address that left is reset" wait_for 20 ends 1
ok "FOL-02 the same, IPv6" wait_for 20 ends 2
ok "FOL-01 its hosts" traffic 203.0.113.10
ok "FOL-01 its hosts, IPv6" traffic 2001:db8:2::10
ok "FOL-01 the host itself is at the new gateway's address" C timeout 5 python3 "$SYS/follow.py" hold 203.0.113.1 \
	8 <<<""
like "FOL-05 the log says so" "$(grep "Host network: IPv4 203" "$PASTA_LOG")" \
	"Host network: IPv4 203.0.113.2/24 on wlan, gateway 203.0.113.1"
nets
ext
follows "FOL-01 and back" "$IN_EXT"
ok "FOL-01 and back, traffic" traffic 198.51.100.10
ok "FOL-01 and back, traffic, IPv6" traffic 2001:db8:1::10

# ---- no reason to change anything

hold 3 198.51.100.10 7
ip link set ext down
ip link set wlan down			# no network at all
not "FOL-03 a link that is down: the connection waits" held 3 1
is "FOL-03 a link that is down: the namespace keeps IPv4" "$(C_addr -4) $(C ip route show default | xargs)" \
	"198.51.100.2/24 default via 198.51.100.1 dev ext"
ip link set wlan up
ext 2>/dev/null
ok "FOL-03 it is up: the connection goes on" held 3
follows "FOL-03 it is up" "$IN_EXT"
ip addr del 198.51.100.2/24 dev ext
ip addr add 198.51.100.2/24 dev ext
ip route add default via 198.51.100.1
ok "FOL-03 an address that comes back at once: the connection goes on" held 3
follows "FOL-03 an address that comes back at once" "$IN_EXT"
ip route del default
not "FOL-03 no default route: the namespace keeps its own" wait_for 1 eval '! C_is "$IN_EXT"'
ip route add default via 198.51.100.1
ok "FOL-03 the same connection" held 3

# ---- a connection that still works, of an address that left: to the host's loopback

hold 4 198.51.100.1 8
ok "to the host's loopback" held 4
nets
wlan
ok "FOL-04 an old address with a connection stays" wait_for 20 eval 'C_addr | grep 198.51.100.2 | grep -q 203.0.113.2'
ok "FOL-02 the other connection of that address is reset" wait_for 20 ends 3
ok "FOL-04 the old address is deprecated" wait_for 20 eval \
	'C ip addr show dev ext | grep 198.51.100.2 | grep -q deprecated'
ok "FOL-04 the connection goes on" held 4
unhold 4
follows "FOL-04 with its end, the old address goes" "$IN_WLAN"
nets
ext
follows "and back" "$IN_EXT"

# ---- one family

ip -6 addr del 2001:db8:1::2/64 dev ext
ip -6 addr add 2001:db8:1:2::2/64 dev ext nodad
ip -6 route replace default via 2001:db8:1::1 dev ext onlink
follows "FOL-01 IPv6 is renumbered" "198.51.100.2/24 2001:db8:1:2::2/64 via 198.51.100.1 2001:db8:1::1"
ip -6 addr flush dev ext scope global
ip -6 route flush default
ok "FOL-01 IPv6 is lost" wait_for 20 grep -q "no IPv6 any more" "$PASTA_LOG"
ok "FOL-01 IPv4 stays" traffic 198.51.100.10
ext 2>/dev/null
follows "FOL-01 IPv6 is gained" "$IN_EXT"
pasta_stop

# ---- routes; a VPN

R ip addr add 10.8.0.1/24 dev wlan
R ip addr add 10.8.0.10/24 dev wlan
pasta_up
C ip route add 192.0.2.0/24 via 198.51.100.77
ip route add 10.1.0.0/16 via 198.51.100.9
ok "FOL-06 a new route" wait_for 20 eval 'C ip route | grep -q "10.1.0.0/16 via 198.51.100.9"'
ip route del 10.1.0.0/16
ok "FOL-06 it goes" wait_for 20 eval '! C ip route | grep -q 10.1.0.0'
ok "FOL-07 a route that somebody else added stays" eval 'C ip route | grep -q "192.0.2.0/24 via 198.51.100.77"'
ip addr add 10.8.0.2/24 dev wlan
ip route del default
ip route add default via 198.51.100.1 metric 600
ip route add default via 10.8.0.1 metric 50
ok "FOL-06 a VPN is up" wait_for 20 eval '[[ "$(C_addr -4) $(C ip route show default)" =~ ^10.8.0.2/24.*via\ 10.8.0.1 ]]'
ip addr del 10.8.0.2/24 dev wlan
ok "FOL-06 and down" wait_for 20 eval \
	'[[ "$(C_addr -4) $(C ip route show default)" =~ ^198.51.100.2/24.*via\ 198.51.100.1 ]]'
pasta_stop
nets
ext

# ---- what others change in the namespace

pasta_up
C ip addr add 192.0.2.99/24 dev ext
C ip route del default
C ip -6 route replace default via 2001:db8:1::1 dev ext metric 1024 mtu 1400
nets
wlan
ok "FOL-07 addresses follow; one that somebody added stays" wait_for 20 eval \
	'[ "$(C_addr)" = "192.0.2.99/24 2001:db8:2::2/64 203.0.113.2/24" ]'
is "FOL-07 a default route that somebody deleted is not set again" "$(C ip route show default)" ""
like "FOL-07 one that somebody changed stays" "$(C ip -6 route show default)" "via 2001:db8:1::1.*mtu 1400"
pasta_stop
nets
ext

# ---- without a network at the start

nets
pasta_up
like "FOL-08 no network: substitutes" "$(DEV=tap0 C_addr) via $(C_via)" "^169.254.2.1/[0-9]+ via 169.254.2.2 fe80::1"
start=${EPOCHREALTIME/./}
ext
DEV=tap0 follows "FOL-08 the network comes" "$IN_EXT"
diag "after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
ok "FOL-08 traffic" traffic 198.51.100.10
ok "FOL-08 traffic, IPv6" traffic 2001:db8:1::10
pasta_stop

# ---- interfaces

pasta_up -t %ext/8000 -u %ext/8000
C python3 "$SYS/follow.py" serve 8000 >"$T/serve.C" 2>&1 &
disown
wait_for 20 grep -q ready "$T/serve.C"
inbound()	{ R timeout 5 python3 "$SYS/follow.py" hold 198.51.100.2 8000 <<<"" | grep -q ok; }
ok "to a port on an interface" inbound
ip link set ext down
ip link set ext name eth9
ip link set eth9 up
ip addr add 2001:db8:1::2/64 dev eth9 nodad
ip route add default via 198.51.100.1
ip -6 route add default via 2001:db8:1::1
ok "FOL-09 renamed" wait_for 20 traffic 198.51.100.10
ok "FOL-09 renamed, IPv6" wait_for 20 traffic 2001:db8:1::10
again ext
R_ext
ext
wait_for 20 link_up
ok "FOL-09 removed, and made again" wait_for 20 traffic 198.51.100.10
ok "FOL-09 removed, and made again, IPv6" wait_for 20 traffic 2001:db8:1::10
follows "FOL-09 the namespace" "$IN_EXT"
ok "FOL-09 removed, and made again: to a port on it" wait_for 20 inbound
IN=R udp_hold 9 198.51.100.2 8000
ok "FOL-09 and by UDP" held 9
unhold 9

# ---- cost

ok "it rests" wait_for 20 still
a=$(cs_of "$PASTAPID") f=$(frames)
ip link add other type veth peer name other2
for i in {1..100}; do echo "addr add 192.0.2.$i/32 dev other"; done | ip -batch -
ip link set other up
wait_for 20 still
le "FOL-10 another interface and its addresses: wake-ups but for frames" $(($(cs_of "$PASTAPID") - a - ($(frames) - f))) 4
ip link del other
pasta_stop

# ---- switched off

pasta_up --no-follow
nets
wlan
not "FOL-11 --no-follow" wait_for 1 eval '! C_is "$IN_EXT"'
not "FOL-11 --no-follow: no other process" pgrep -x "passt-names|pasta-setter"
pasta_stop

done_testing
