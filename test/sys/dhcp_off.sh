#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# what is switched off stays silent, the rest works; and the kernel alone makes an IPv6 address of what we advertise
. "${0%/*}/lib.sh"

topology
echo "a page" >"$T/page"
R python3 -m http.server --bind :: --directory "$T" 80 >"$T/http.log" 2>&1 &
wait_for 20 R curl -so "$T/null" http://198.51.100.10/page

leave()
{
	pasta_stop
	kill "$CPID"
	wait_for 20 gone "$CPID"
}

slaac()		{ C ip -6 addr show ext -tentative | grep -q '2001:db8:1:0:.*/64'; }
route6()	{ C ip -6 route | grep -q 'default via fe80::'; }
solicited()	{ [ "$(C awk '/Icmp6OutRouterSolicits/ { print $2 }' /proc/net/snmp6)" -ge 2 ]; }
advertised()	{ C awk '/Icmp6InRouterAdvertisements/ { print $2 }' /proc/net/snmp6; }
lease()		{ C timeout 30 udhcpc -f -q -n -t "$1" -T 1 -i ext -s /bin/true 2>&1 | tail -n 1; }

for o in --no-ra --no-ndp; do
	pasta_link $o
	ok "CFG-03 $o: solicitations" wait_for 20 solicited
	is "CFG-03 $o: no advertisement" "$(advertised)" 0
	like "$o: lease" "$(lease 5)" 'lease of 198.51.100.2 obtained'
	leave
done

pasta_link --no-dhcp
like "--no-dhcp: no lease" "$(lease 2)" 'no lease, failing'
ok "CFG-04 address by the prefix, without a client" wait_for 10 slaac
ok "CFG-04 default route for IPv6, without a client" wait_for 20 route6
is "page by IPv6" "$(C curl -s -m 10 'http://[2001:db8:1::10]/page')" "a page"
leave

ip route del default
pasta_link -i ext
like "CFG-15 no gateway on the host: lease from an address of our own" "$(lease 5)" \
	'lease of 198.51.100.2 obtained from 169.254.2.2'
C ip addr add 198.51.100.2/24 dev ext
is "CFG-15 page by IPv4" "$(C curl -s -m 10 http://198.51.100.10/page)" "a page"
ok "CFG-15 address by the prefix" wait_for 10 slaac
is "CFG-15 page by IPv6" "$(C curl -s -m 10 'http://[2001:db8:1::10]/page')" "a page"
leave

done_testing
