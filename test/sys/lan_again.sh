#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guests on a network of their own, kernels behind each link: one that comes again has the place of its former self
. "${0%/*}/lib.sh"

topology

# join N: a guest with number N's MAC address, and an address by DHCP
join()
{
	container
	C ip link set lo up
	guest_start "$SOCKET" -m 1500 -a "52:54:00:00:02:0$1" || return 1
	eval "GUEST_$1=$GUESTPID C_$1=$CPID"
	C udhcpc -i ext -n -q -f -t 5 -T 1 -x "hostname:n$1" -s "$SYS/udhcpc_lease" >"$T/udhcpc.log" 2>&1
}
addr4()	{ C ip -4 -br addr show dev ext | awk '{ print $3 }'; }
as()	{ eval "CPID=\$C_$1"; shift; "$@"; }

for LINK in sock vhost; do
	case $LINK in
	vhost)	VHOST=--vhost-user STAND_IN=guest_vhost ;;
	*)	VHOST='' STAND_IN=guest ;;
	esac
	for guests in 2 3; do
		t="$LINK, $guests guests"
		passt_start --guests $guests --lan 192.168.77.0/24
		for n in 1 2; do
			ok "LAN-50 $t: guest $n" join $n
		done
		# shellcheck disable=SC2154	# set by join
		old=$GUEST_1
		ok "LAN-50 $t: the first one again, its former self hangs" join 1
		ok "LAN-50 $t: that is disconnected" wait_for 20 gone "$old"
		is "LAN-50 $t: its address" "$(addr4)" 192.168.77.2/24
		ok "LAN-50 $t: it reaches the other one" C ping -c 1 -W 5 192.168.77.3
		as 2 ok "LAN-50 $t: and is reached" C ping -c 1 -W 5 192.168.77.2
		pasta_may_end
		kill "$PASTAPID"
		wait_for 20 gone "$PASTAPID"
		GUESTPID=
	done
done
done_testing
