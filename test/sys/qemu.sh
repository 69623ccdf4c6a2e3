#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# a virtual machine, with a kernel and tools of its own: gets its configuration, talks both ways, is stopped, saved,
# started again
. "${0%/*}/lib.sh"
. "$SYS/qemu.bash"

topology
resolv "nameserver 198.51.100.10
nameserver 2001:db8:1::10
search example.com"
R python3 "$SYS/names.py" host.example.com 198.51.100.10 2001:db8:1::10 >"$T/names.log" 2>&1 &
R "$TOOLS/far" serve 7000 >"$T/far.R" &
"$TOOLS/far" serve 7000 >"$T/far.H" &
for f in far.R far.H names.log; do
	wait_for 20 grep -q ready "$T/$f"
done

passt_start -t 7001 -u 7001 -H vm || { fail "passt starts"; done_testing; }
# x-txburst: as many packets as qemu sends before it lets others run
NIC=x-txburst=4
vm_start "${LINUX[@]}"
ok "a virtual machine boots" vm_up || done_testing

slaac()	{ G "ip -6 addr show dev eth0 | grep 'inet6 2001:db8:1:0:.*/64 scope global' | grep -v tentative"; }

# configured LABEL [no6]: asks for all there is; no6: an IPv6 address by prefix has to do
configured()
{
	is "$1: DHCP" "$(G dhcp 4)" \
		"198.51.100.2/24 router 198.51.100.1 names 198.51.100.10 search example.com mtu 65520 host vm server 198.51.100.1"
	[ ! -e "$T/vm.silent" ] || done_testing
	[ -n "${2:-}" ] || is "$1: DHCPv6" "$(G dhcp 6)" "2001:db8:1::2 names 2001:db8:1::10 search example.com."
	ok "$1: IPv6 address by prefix" wait_for 30 slaac
	ok "$1: default route for IPv6" wait_for 30 route6
}

H() { "$@"; }

# works LABEL: a bit of everything
works()
{
	far "$1: TCP out, IPv4" G 198.51.100.2 tcp 198.51.100.10 7000 300000 300000
	far "$1: TCP out, IPv6" G 2001:db8:1::2 tcp 2001:db8:1::10 7000 300000 300000
	far "$1: UDP out" G 198.51.100.2 udp 198.51.100.10 7000 $SIZES
	far "$1: TCP in, IPv4" R 198.51.100.10 tcp 198.51.100.2 7001 300000 300000
	far "$1: TCP in, IPv6" R 2001:db8:1::10 tcp 2001:db8:1::2 7001 300000 300000
	far "$1: UDP in" R 198.51.100.10 udp 198.51.100.2 7001 $SIZES
}

# The guest's end of what comes in
server()
{
	G "far serve 7001 >/tmp/far.out 2>&1 &"
	wait_for 20 G grep ready /tmp/far.out
}

configured "CFG-10 first boot"
ok "server in the guest" server
works "first boot"

if [ $LINK = vhost ]; then
	features=$(G ethtool -k eth0)
	for f in rx-checksumming tx-checksumming tx-tcp-segmentation tx-tcp6-segmentation rx-gro-hw; do
		like "offload: $f" "$features" "$f: on"
	done
	ok "MTU of 1500" G ip link set eth0 mtu 1500
	works "MTU 1500"
	ok "MTU of 65520" G ip link set eth0 mtu 65520
fi

for to in 198.51.100.10 198.51.100.1 2001:db8:1::10 2001:db8:1::1; do
	ok "echo of $to" G ping -c 2 -i 0.2 -W 5 $to
done
like "name over UDP" "$(G nslookup host.example.com 198.51.100.10)" \
	'Address:? .*198\.51\.100\.10.*Address:? .*2001:db8:1::10'
far "name by search list, then TCP" G 2001:db8:1::2 tcp host 7000 10 10

for to in 198.51.100.10/198.51.100.2 2001:db8:1::10/2001:db8:1::2 198.51.100.1/127.0.0.1 2001:db8:1::1/::1; do
	far "to ${to%/*}, 1 MB up" G ${to#*/} tcp ${to%/*} 7000 1000000 0
	far "to ${to%/*}, 1 MB down" G ${to#*/} tcp ${to%/*} 7000 0 1000000
	far "to ${to%/*}, 1 MB both ways" G ${to#*/} tcp ${to%/*} 7000 1000000 1000000
	far "to ${to%/*}, datagrams" G ${to#*/} udp ${to%/*} 7000 $SIZES 5
done

for to in R/198.51.100.2/198.51.100.10 R/2001:db8:1::2/2001:db8:1::10 H/127.0.0.1/198.51.100.1 H/::1/2001:db8:1::1; do
	ns=${to%%/*} seen=${to##*/} addr=${to#*/} addr=${addr%/*}
	far "from $ns to $addr, 1 MB up" $ns $seen tcp $addr 7001 1000000 0
	far "from $ns to $addr, 1 MB down" $ns $seen tcp $addr 7001 0 1000000
	far "from $ns to $addr, datagrams" $ns $seen udp $addr 7001 $SIZES 5
done

# Many small packets, both ways, as they come
G "far udp 198.51.100.10 7000 1,60,200,3 1500 32 >/tmp/udp.out 2>&1 &"
R "$TOOLS/far" udp 198.51.100.2 7001 9,77,1000 1000 32 >"$T/udp.in" &
in=$!
far "VM-10 bursts of small packets: connections out" G 198.51.100.2 tcp 198.51.100.10 7000 1 1 150
far "VM-10 bursts of small packets: connections in" R 198.51.100.10 tcp 198.51.100.2 7001 1 1 150
wait $in
is "VM-10 bursts of small packets: datagrams in" "$(cat "$T/udp.in")" "done, seen as 198.51.100.10"
is "VM-10 bursts of small packets: datagrams out" \
	"$(G 'wait $!; cat /tmp/udp.out')" "done, seen as 198.51.100.2"

# long_in: a connection to the guest that does not end by itself, and is well on its way
long_in()
{
	R "$TOOLS/far" tcp 198.51.100.2 7001 1000000000000 0 >"$T/long" 2>&1 &
	LONG=$!
	ok "data flows" flows
}
long_ends()
{
	wait_for 40 gone $LONG
	like "$1: a connection to the guest that was there ends" "$(cat "$T/long")" 'Connection reset by peer'
}

# flows: R has seen another MB, in both directions
seen() { R awk '/ext:/ { print $2 + $10 }' /proc/self/net/dev; }
more() { [ "$(seen)" -gt "$SEEN" ]; }
flows() { SEEN=$(($(seen) + 1000000)); wait_for 20 more; }

# paused: by its own choice, not as its state is still being loaded
reported() { tail -c "+$MON" "$T/mon.log" | grep -aq "$1"; }
paused()
{
	MON=$(wc -c <"$T/mon.log")
	mon info status
	until_ 5 reported 'VM status: ' && reported $'VM status: paused\r*$'
}
G "far tcp 198.51.100.10 7000 15000000 15000000 >/tmp/tcp.out 2>&1 &"
R "$TOOLS/far" tcp 198.51.100.2 7001 15000000 15000000 >"$T/tcp.in" &
in=$!
ok "data flows" flows
mon stop
ok "VM-04 stopped" wait_for 20 paused
R "$TOOLS/far" tcp 198.51.100.2 7001 100000 100000 >"$T/tcp.late" &
late=$!
R "$TOOLS/far" udp 198.51.100.2 7001 100 >"$T/udp.late" &
late="$late $!"
sleep 2		# as long as it is away
mon cont
# shellcheck disable=SC2086 # two of them
wait $in $late
is "VM-04 connection out, continued" "$(G 'wait $!; cat /tmp/tcp.out')" "done, seen as 198.51.100.2"
is "VM-04 connection in, continued" "$(cat "$T/tcp.in")" "done, seen as 198.51.100.10"
is "VM-04 connection made while it was stopped" "$(cat "$T/tcp.late")" "done, seen as 198.51.100.10"
is "VM-04 datagram sent while it was stopped" "$(cat "$T/udp.late")" "done, seen as 198.51.100.10"
works "VM-04 continued"

# Stopped before it is saved: software emulation loses writes of a guest that runs meanwhile, and the guest crashes
# (qemu 7.2, one of 30 on a busy machine, with any link). guest_vhost -L has the log of dirty pages.
long_in
mon stop
ok "VM-04 stopped, to be saved" wait_for 20 paused
mon "migrate \"exec:cat >$T/state && : >$T/state.whole\""
mon quit
ok "VM-04 saved" wait_for 30 gone "$QEMU"
wait_for 30 test -e "$T/state.whole"
long_ends "VM-04 saved"
vm_start "${LINUX[@]}" -incoming "exec:cat $T/state"
ok "VM-04 its state is loaded" wait_for 60 paused
mon cont
ok "VM-04 restored" G true
works "VM-04 restored, with all it knew"

no_card() { ! G ip link show eth0; }
mon device_del nic
ok "VM-05 network card taken out" wait_for 10 no_card
NETDEV=s
if [ $LINK = vhost ]; then	# qemu does not take this kind of netdev for another card, nor delete it under one
	unused()
	{
		MON=$(wc -c <"$T/mon.log")
		mon info network
		until_ 5 reported '^s: ' && ! reported type=nic
	}
	left() { [ "$(grep -c 'Guest disconnected' "$PASTA_LOG")" -gt "$1" ]; }
	n=$(grep -c 'Guest disconnected' "$PASTA_LOG")
	ok "VM-05 the network card is gone" wait_for 20 unused
	mon netdev_del s
	ok "VM-05 its link is gone" wait_for 20 left "$n"
	mon "chardev-add socket,id=vu2,path=$SOCKET"
	mon netdev_add vhost-user,id=s2,chardev=vu2
	NETDEV=s2
fi
# qemu refuses as long as it has not quite let go of the first one
card()
{
	mon "device_add virtio-net-pci,netdev=$NETDEV,id=nic2,mac=52:54:00:12:34:99$VECTORS"
	G "usleep 200000; ip link show eth0"
}
ok "VM-05 another one put in" wait_for 20 card || diag "$(tail -n 5 "$T/mon.log")"
configured "VM-05 another network card" no6
works "VM-05 another network card"

long_in
mon system_reset
ok "VM-01 reset" vm_up || done_testing
configured "VM-01 reset"
long_ends "VM-01 reset"
server
works "VM-01 reset"

long_in
vm_kill
long_ends "VM-01 killed"
vm_start "${LINUX[@]}"
ok "VM-01 killed, another one started" vm_up || done_testing
configured "VM-01 another one" no6
server
works "VM-01 another one"

done_testing
