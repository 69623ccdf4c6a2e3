#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL the host's network changes, and guests with dhcpcd or systemd-networkd follow
. "${0%/*}/follow.bash"

# Clients write to these, and drop to users that an ordinary user does not have; the host's names are the host's
mkdir "$T/etc" "$T/guest" "$T/lib"
cp -rL /etc/. "$T/etc" 2>/dev/null
sed -i -e '/^dhcpcd:/d' -e 's/^\(systemd-network:[^:]*\):[0-9]*:[0-9]*:/\1:0:0:/' "$T/etc/passwd"
cp -a "$T/etc/." "$T/guest"
mount --bind "$T/etc" /etc
servers 198.51.100.10 2001:db8:1::10
mount --bind "$T/lib" /var/lib
mkdir -p /run/systemd/network /run/systemd/netif
printf '[Match]\nName=ext\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n' >/run/systemd/network/ext.network

client()	# NAME: in the background, with files of its own
{
	local run='exec dhcpcd -B -d --noarp ext'
	# On a read-only /sys it does not wait for udev
	[ "$1" = dhcpcd ] ||
		run="mount --rbind /sys /sys && mount -o remount,bind,ro /sys && exec /lib/systemd/systemd-networkd"
	: >"$T/guest/resolv.conf"
	rm -f "$T/client.pid"
	C unshare -m bash -c 'echo $$ >"$0/client.pid"; mount --bind "$0/guest" /etc; '"$run" \
		"$T" >"$T/client.log" 2>&1 &
	disown
	wait_for 20 test -s "$T/client.pid"
}
client_stop()
{
	kill "$(cat "$T/client.pid")"
	wait_for 10 gone "$(cat "$T/client.pid")"
	pasta_stop
	kill "$CPID"
	wait_for 20 gone "$CPID"
}
addr4()		{ C ip -4 addr show ext | grep -qF "inet $1/"; }
prefix()
{
	C ip -6 addr show dev ext scope global -deprecated -tentative | grep -F "inet6 $1" | grep -qv deprecated
}
deprecated()	{ C ip -6 addr show dev ext scope global | grep -F "inet6 $1" | grep -q deprecated; }
names()		{ grep -q "nameserver $1" "$T/guest/resolv.conf"; }
router()	{ C ip -6 route show default | grep -q .; }

for who in dhcpcd systemd-networkd; do
	pasta_link --dhcp-dns
	client $who
	ok "$who: IPv4" wait_for 30 addr4 198.51.100.2
	ok "$who: IPv6" wait_for 30 prefix 2001:db8:1:
	[ $who != dhcpcd ] || ok "$who: names" wait_for 20 names 2001:db8:1::10
	ok "$who: traffic" wait_for 10 traffic 198.51.100.10
	hold 1 198.51.100.10 7

	nets
	start=${EPOCHREALTIME/./}
	wlan
	servers 203.0.113.10 2001:db8:2::10
	ok "FOL-33 $who: another network, IPv4" wait_for 20 traffic 203.0.113.10
	ok "FOL-33 $who: IPv6" wait_for 20 traffic 2001:db8:2::10
	diag "after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
	ok "FOL-33 $who: the connection is reset" wait_for 20 ends 1
	ok "FOL-33 $who: its prefix" wait_for 20 prefix 2001:db8:2:
	ok "FOL-33 $who: the old one is deprecated" wait_for 20 deprecated 2001:db8:1:
	[ $who != dhcpcd ] || ok "FOL-33 $who: names" wait_for 10 names 2001:db8:2::10	# the lease's stay until it is renewed
	unhold 1
	C ip link set ext down			# it asks again
	C ip link set ext up
	ok "FOL-33 $who: it asks for its lease, and gets another one" wait_for 40 addr4 203.0.113.2
	ok "FOL-33 $who: traffic" wait_for 10 traffic 203.0.113.10
	ok "FOL-33 $who: traffic, IPv6" wait_for 20 traffic 2001:db8:2::10

	ip -6 addr flush dev wlan scope global
	ip -6 route flush default
	ok "FOL-33 $who: IPv6 is lost: no router" wait_for 10 eval '! router'
	nets
	ext
	servers 198.51.100.10 2001:db8:1::10
	ok "FOL-33 $who: and gained" wait_for 10 traffic 2001:db8:1::10
	ok "FOL-33 $who: and back, IPv4" wait_for 10 traffic 198.51.100.10
	client_stop

	nets
	# shellcheck disable=SC2046 # without a template, it would be tap0
	pasta_link $([ "$LINK" != tap ] || echo -I ext)
	client $who
	ok "FOL-34 $who: a start without a network" wait_for 30 addr4 169.254.2.1
	ext
	ok "FOL-34 $who: the network comes, IPv4" wait_for 20 traffic 198.51.100.10
	ok "FOL-34 $who: IPv6" wait_for 10 traffic 2001:db8:1::10
	client_stop
done
done_testing
