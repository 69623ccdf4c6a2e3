#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL the host's network changes, and a guest that configures itself follows: router advertisements, DHCP
. "${0%/*}/lib.sh"

topology
ip link add wlan type veth peer name wlan netns "$RPID"
R ip addr add 203.0.113.10/24 dev wlan
R ip addr add 203.0.113.1/24 dev wlan
R ip addr add 2001:db8:2::10/64 dev wlan nodad
R ip addr add 2001:db8:2::1/64 dev wlan nodad preferred_lft 0
R ip link set wlan up
ip link set wlan up
wlan()
{
	ip addr flush dev ext scope global
	ip addr add 203.0.113.2/24 dev wlan
	ip addr add 2001:db8:2::2/64 dev wlan nodad
	ip route replace default via 203.0.113.1
	ip -6 route replace default via 2001:db8:2::1
}
ext()
{
	ip addr flush dev wlan scope global
	ip addr add 198.51.100.2/24 dev ext
	ip addr add 2001:db8:1::2/64 dev ext nodad
	ip route replace default via 198.51.100.1
	ip -6 route replace default via 2001:db8:1::1
}
C_addr6()	{ C ip -6 addr show dev ext scope global; }
prefix()	{ C_addr6 -deprecated | grep -F "inet6 $1" | grep -qv deprecated; }
deprecated()	{ C_addr6 | grep -F "inet6 $1" | grep -q deprecated; }
valid()		{ C_addr6 | grep -A1 -F "inet6 $1" | sed -n 's/.*valid_lft \([0-9]*\)sec.*/\1/p'; }
router()	{ C ip -6 route show default | grep -q "via fe80::1"; }

pasta_link
C sysctl -qw net.ipv6.conf.ext.accept_ra=2 net.ipv6.conf.ext.autoconf=1 net.ipv6.conf.ext.router_solicitations=3
C ip link set ext down
C ip link set ext up
ok "the first prefix" wait_for 20 prefix 2001:db8:1:
ok "a router" wait_for 20 router

if type -P udhcpc >/dev/null; then
	cat >"$T/udhcpc.sh" <<-'END'
	#!/bin/sh
	ip -4 addr flush dev "$interface"
	[ -z "$ip" ] || ip addr add "$ip/$mask" dev "$interface"
	echo "$1 $ip $router $lease" >>"$0.out"
	[ -z "$router" ] || ip route replace default via "$router"
	END
	chmod 755 "$T/udhcpc.sh"
	C udhcpc -f -q -n -R -i ext -s "$T/udhcpc.sh" >"$T/udhcpc.log" 2>&1
	C udhcpc -f -t 3 -T 1 -i ext -s "$T/udhcpc.sh" >"$T/udhcpc.log" 2>&1 &
	UDHCPC=$!
	disown
	ok "a lease of an hour" wait_for 20 grep -q "bound 198.51.100.2 198.51.100.1 3600" "$T/udhcpc.sh.out"
fi

start=${EPOCHREALTIME/./}
wlan
ok "FOL-30 another prefix" wait_for 5 prefix 2001:db8:2:
diag "after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
ok "FOL-30 the old one is deprecated" wait_for 5 deprecated 2001:db8:1:
v=$(valid 2001:db8:1:)
le "FOL-30 and is valid for two hours" "$v" 7200
ok "FOL-30 but not invalid" [ "$v" -gt 7000 ]
ok "FOL-30 its hosts" wait_for 5 C ping -nqc 1 -W 1 2001:db8:2::10

if [ -n "${UDHCPC:-}" ]; then
	pkill -USR1 -P $$ -x udhcpc || pkill -USR1 -x udhcpc	# renew
	ok "FOL-31 another lease, at renewal" wait_for 20 grep -q "bound 203.0.113.2 203.0.113.1 3600" "$T/udhcpc.sh.out"
	ok "FOL-31 its hosts" wait_for 5 C ping -nqc 1 -W 1 203.0.113.10
	pkill -x udhcpc
fi

ip -6 addr flush dev wlan scope global
ip -6 route flush default
ok "FOL-30 IPv6 is lost: no router" wait_for 5 eval "! router"
ok "FOL-30 IPv6 is lost: the prefix is deprecated" wait_for 5 deprecated 2001:db8:2:
ext
ok "FOL-30 and gained: a router" wait_for 5 router
ok "FOL-30 and gained: the first prefix" wait_for 5 prefix 2001:db8:1:
ok "FOL-30 and gained: its hosts" wait_for 5 C ping -nqc 1 -W 1 2001:db8:1::10

# A flapping interface: 10 changes a second, for 10 s
cpu()	{ awk '{ print $14 + $15 }' "/proc/$PASTAPID/stat"; }
rss()	{ rss_of "$PASTAPID"; }
a=$(cpu) r=$(rss)
for i in {1..50}; do
	ip addr del 198.51.100.2/24 dev ext
	read -rt 0.1 <> <(:)
	ip addr add 198.51.100.2/24 dev ext
	ip route replace default via 198.51.100.1
	read -rt 0.1 <> <(:)
done
le "FOL-32 10 s of changes: CPU time in ticks of 10 ms" $(($(cpu) - a)) 20
le "FOL-32 memory, KiB more" $(($(rss) - r)) 100
ok "FOL-32 and then it rests" wait_for 20 still
pasta_stop
done_testing
