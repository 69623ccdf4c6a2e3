#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# user-mode Linux by vhost-user: a real kernel's driver at nearly the host's speed, its offloads, every MTU
LINK=vhost
. "${0%/*}/lib.sh"
. "$SYS/qemu.bash"

topology
resolv "nameserver 198.51.100.10
nameserver 2001:db8:1::10
search example.com"
R "$TOOLS/far" serve 7000 >"$T/far.R" &
wait_for 20 grep -q ready "$T/far.R"



passt_start -t 7001 -u 7001 -H vm || { fail "passt starts"; done_testing; }
uml_start
ok "a virtual machine boots" vm_up || done_testing
is "DHCP" "$(G dhcp 4)" \
	"198.51.100.2/24 router 198.51.100.1 names 198.51.100.10 search example.com mtu 65520 host vm server 198.51.100.1"
is "DHCPv6" "$(G dhcp 6)" "2001:db8:1::2 names 2001:db8:1::10 search example.com."
ok "default route for IPv6" wait_for 30 route6

features=$(G ethtool -k eth0)
for f in rx-checksumming tx-checksumming scatter-gather tcp-segmentation-offload tx-tcp-segmentation \
	tx-tcp6-segmentation generic-receive-offload rx-gro-hw; do
	like "offload: $f" "$features" "$f: on"
done
G "far serve 7001 >/tmp/far.out 2>&1 &"
wait_for 20 G grep ready /tmp/far.out

for mtu in 65520 1500 1280; do
	G ip link set eth0 mtu $mtu
	for v in 4/198.51.100.2/198.51.100.10 6/2001:db8:1::2/2001:db8:1::10; do
		there=${v##*/} v=${v%/*} here=${v#*/} v=${v%%/*}
		far "MTU $mtu: IPv$v, TCP out" G "$here" tcp "$there" 7000 10000000 10000000
		far "MTU $mtu: IPv$v, TCP in" R "$there" tcp "$here" 7001 10000000 10000000
		far "MTU $mtu: IPv$v, connections out" G "$here" tcp "$there" 7000 1 1 100
		far "MTU $mtu: IPv$v, connections in" R "$there" tcp "$here" 7001 1 1 100
		far "MTU $mtu: IPv$v, datagrams out" G "$here" udp "$there" 7000 $SIZES 20 4
		far "MTU $mtu: IPv$v, datagrams in" R "$there" udp "$here" 7001 $SIZES 20 4
	done
done

# Killed while data flows, and another one
R "$TOOLS/far" tcp 198.51.100.2 7001 1000000000000 0 >"$T/long" 2>&1 &
LONG=$!
flowing() { [ "$(R awk '/ext:/ { print $10 }' /proc/self/net/dev)" -gt "$1" ]; }
ok "data flows" wait_for 20 flowing $(($(R awk '/ext:/ { print $10 }' /proc/self/net/dev) + 10000000))
vm_kill
wait_for 40 gone $LONG
like "killed: a connection to the guest ends" "$(cat "$T/long")" 'Connection reset by peer'
uml_start
ok "killed, another one boots" vm_up || done_testing
like "another one: DHCP" "$(G dhcp 4)" '^198.51.100.2/24 '
far "another one: TCP out" G 198.51.100.2 tcp 198.51.100.10 7000 1000000 1000000
vm_kill
done_testing
