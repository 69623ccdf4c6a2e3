#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# a guest that is left alone gets address, routes and names, whatever client it runs
. "${0%/*}/lib.sh"

# Clients write to these, and drop to users that an ordinary user does not have
mkdir "$T/etc" "$T/lib"
cp -rL /etc/. "$T/etc" 2>/dev/null
sed -i -e '/^dhcpcd:/d' -e 's/^\(systemd-network:[^:]*\):[0-9]*:[0-9]*:/\1:0:0:/' "$T/etc/passwd"
topology
: >"$T/etc/resolv.conf"
mount --bind "$T/etc" /etc
mount --bind "$T/lib" /var/lib

echo "a page" >"$T/page"
R python3 -m http.server --bind :: --directory "$T" 80 >"$T/http.log" 2>&1 &
wait_for 20 R curl -so "$T/null" http://198.51.100.10/page

OPTIONS="--dhcp-dns --dhcp-search -D 198.51.100.10 -D 2001:db8:1::10 -S example.com -S b.example.org -H guest -m 9000"

guest()
{
	: >/etc/resolv.conf
	# shellcheck disable=SC2086 # a list
	pasta_link $OPTIONS
}

leave()
{
	pasta_stop
	kill "$CPID"
	wait_for 20 gone "$CPID"
}

addr4()		{ C ip -4 addr show ext | grep -q '198.51.100.2/24'; }
route4()	{ C ip -4 route | grep -q 'default via 198.51.100.1'; }
addr6()		{ C ip -6 addr show ext -tentative | grep -q '2001:db8:1::2/128'; }
slaac()		{ C ip -6 addr show ext -tentative | grep -q '2001:db8:1:0:.*/64'; }
route6()	{ C ip -6 route | grep -q 'default via fe80::'; }
names()		{ grep -q "nameserver $1" /etc/resolv.conf \
	&& grep -q 'search example.com\.\? b.example.org' /etc/resolv.conf; }
router6()	{ C ip -6 addr show ext -tentative | grep -q 'scope link' && route6; }

# The prefix's for ever, DHCPv6's for an hour at most
lifetimes6() { [ "$(C ip -6 addr show ext scope global | grep -cE 'valid_lft (forever|3[56][0-9][0-9]sec)')" = 2 ]; }

# client COMMAND...: one that stays, until client_stop
client()
{
	rm -f "$T/client.pid"
	# shellcheck disable=SC2016 # of the inner shell
	C sh -c 'echo $$ >"$0" && exec "$@"' "$T/client.pid" "$@" >"$T/client.log" 2>&1 &
	wait_for 20 test -s "$T/client.pid"
}
client_stop()
{
	kill "$(cat "$T/client.pid")"
	wait_for 10 gone "$(cat "$T/client.pid")"
}

# connected CLIENT FAMILIES: what every client should have led to, soon; false if it did not
connected()
{
	local who=$1 what=" $2 " failed=$FAILED
	if [[ $what == *" 4 "* ]]; then
		ok "CFG-10 $who: IPv4 address" wait_for 15 addr4
		ok "$who: default route" wait_for 20 route4
		is "$who: page by IPv4" "$(C curl -s -m 10 http://198.51.100.10/page)" "a page"
	fi
	if [[ $what == *" 6 "* ]]; then
		ok "$who: IPv6 address by DHCPv6" wait_for 15 addr6
		ok "$who: IPv6 address by its prefix" wait_for 15 slaac
		ok "$who: default route for IPv6" wait_for 20 route6
		is "$who: page by IPv6" "$(C curl -s -m 10 'http://[2001:db8:1::10]/page')" "a page"
	fi
	[ "$FAILED" = "$failed" ]
}

mtu() { C ip link show ext | grep -q 'mtu 9000'; }

have() { command -v "$1" >/dev/null || { fail "$1 is there"; false; }; }

if have dhclient; then
	guest
	ok "dhclient gets a lease" C timeout 30 dhclient -1 -v -4 -lf "$T/4.lease" -pf "$T/4.pid" ext
	ok "dhclient: names" names 198.51.100.10
	ok "CFG-18 dhclient: MTU" mtu
	ok "dhclient: router for IPv6" wait_for 15 router6
	ok "dhclient gets an IPv6 lease" C timeout 30 dhclient -1 -v -6 -lf "$T/6.lease" -pf "$T/6.pid" ext
	ok "CFG-11 dhclient: IPv6 names" names 2001:db8:1::10
	connected dhclient "4 6"
	ok "dhclient gives its IPv6 lease back" C timeout 30 dhclient -r -v -6 -lf "$T/6.lease" -pf "$T/6.pid" ext
	leave
fi

if have udhcpc; then
	cat >"$T/udhcpc.sh" <<-'E'
		#!/bin/sh
		[ "$1" = bound ] || exit 0
		ip addr add "$ip/$mask" dev "$interface" && ip route add default via "$router"
		ip link set "$interface" mtu "$mtu"
		echo "$hostname $dns $search $lease $serverid" >"${0%/*}/udhcpc.out"
	E
	chmod +x "$T/udhcpc.sh"
	for b in '' -B; do
		guest
		ok "udhcpc $b gets a lease" C timeout 30 udhcpc -f -q -n $b -i ext -O search -O mtu -O hostname \
			-s "$T/udhcpc.sh"
		is "udhcpc $b: host name, servers, search list, lease of an hour, server" "$(cat "$T/udhcpc.out")" \
			"guest 198.51.100.10 example.com b.example.org 3600 198.51.100.1"
		ok "CFG-18 udhcpc: MTU" mtu
		connected "udhcpc $b" 4
		leave
	done
fi

if have dhcpcd; then
	guest
	# With -1 it would end, whatever --waitip says, once it has some IPv6 address: that of the prefix comes first
	client dhcpcd -B -d --noarp ext
	connected dhcpcd "4 6" || diag "$(cat "$T/client.log")"
	ok "dhcpcd: names" wait_for 20 names 198.51.100.10
	ok "dhcpcd: IPv6 names" wait_for 20 names 2001:db8:1::10
	client_stop
	leave
fi

NETWORKD=/lib/systemd/systemd-networkd
if have $NETWORKD; then
	mkdir -p /run/systemd/network /run/systemd/netif
	printf '[Match]\nName=ext\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n[DHCPv4]\nUseMTU=yes\n' \
		>/run/systemd/network/ext.network
	guest
	# On a read-only /sys it does not wait for udev
	client unshare -m bash -c "mount --rbind /sys /sys && mount -o remount,bind,ro /sys && exec $NETWORKD"
	connected systemd-networkd "4 6" || diag "$(cat "$T/client.log")"
	ok "CFG-18 systemd-networkd: MTU" wait_for 20 mtu
	ok "CFG-02 systemd-networkd: lifetimes of addresses" wait_for 20 lifetimes6
	client_stop
	leave
fi

done_testing
