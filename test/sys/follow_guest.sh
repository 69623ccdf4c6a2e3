#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL the host's network changes, and a guest that configures itself follows: router advertisements, DHCP
. "${0%/*}/follow.bash"

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

cat >"$T/udhcpc.sh" <<'END'
#!/bin/sh
ip -4 addr flush dev "$interface"
[ -z "$ip" ] || ip addr add "$ip/$mask" dev "$interface"
echo "$1 $ip $router $lease" >>"$0.out"
[ -z "$router" ] || ip route replace default via "$router"
END
chmod 755 "$T/udhcpc.sh"
C udhcpc -f -q -n -R -i ext -s "$T/udhcpc.sh" >"$T/udhcpc.log" 2>&1
: >"$T/udhcpc.sh.out"
C udhcpc -f -t 3 -T 1 -i ext -s "$T/udhcpc.sh" >"$T/udhcpc.log" 2>&1 &
disown
ok "a lease of an hour" wait_for 20 grep -q "bound 198.51.100.2 198.51.100.1 3600" "$T/udhcpc.sh.out"
p=$(pgrep -x udhcpc)

start=${EPOCHREALTIME/./}
nets
wlan
ok "FOL-30 another prefix" wait_for 20 prefix 2001:db8:2:
diag "after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
ok "FOL-30 the old one is deprecated" wait_for 20 deprecated 2001:db8:1:
v=$(valid 2001:db8:1:)
le "FOL-30 and is valid for two hours" "$v" 7200
ok "FOL-30 but not invalid" [ "$v" -gt 7000 ]
ok "FOL-30 its hosts" wait_for 20 C ping -nqc 1 -W 1 2001:db8:2::10

kill -USR1 "$p"		# renew
ok "FOL-31 another lease, at renewal" wait_for 20 grep -q "bound 203.0.113.2 203.0.113.1 3600" "$T/udhcpc.sh.out" ||
	diag "$(tail -n 20 "$T/udhcpc.log" "$T/udhcpc.sh.out" "$PASTA_LOG")"
ok "FOL-31 its hosts" wait_for 20 C ping -nqc 1 -W 1 203.0.113.10
kill "$p"

ip -6 addr flush dev wlan scope global
ip -6 route flush default
ok "FOL-30 IPv6 is lost: no router" wait_for 20 eval "! router"
ok "FOL-30 IPv6 is lost: the prefix is deprecated" wait_for 20 deprecated 2001:db8:2:
nets
ext
ok "FOL-30 and gained: a router" wait_for 20 router
ok "FOL-30 and gained: the first prefix" wait_for 20 prefix 2001:db8:1:
ok "FOL-30 and gained: its hosts" wait_for 20 C ping -nqc 1 -W 1 2001:db8:1::10

# A flapping interface: 10 changes a second, for 10 s
a=$(ticks) r=$(rss_of "$PASTAPID")
flap 50 0.1 0.1
le "FOL-32 10 s of changes: CPU time of all processes, in ticks of 10 ms" $(($(ticks) - a)) 20
le "FOL-32 memory, KiB more" $(($(rss_of "$PASTAPID") - r)) 100
ok "FOL-32 and then it rests" wait_for 20 still
pasta_stop
done_testing
