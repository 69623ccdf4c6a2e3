#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guests on a network of their own, kernels behind each kind of link: bytes from guest to guest, past one that floods
. "${0%/*}/lib.sh"

topology

# join N [OPTION]...: guest N, at address .N, behind $SOCKET; NS_N is its namespace
join()
{
	container
	C sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0
	C ip link set lo up
	guest_start "$SOCKET" -m "${MTU:-1500}" -a "52:54:00:00:02:0$1" "${@:2}" || return 1
	C ip addr add "192.168.77.10$1/24" dev ext
	C ip -6 addr add "fd77::10$1/64" dev ext
	C ip route add default via 192.168.77.1
	eval "NS_$1=$(ns_of C) GUEST_$1=$GUESTPID"
}

# jobs NAME: transfers between guests 1 to 3, and from guests to R
jobs()
{
	cat <<-END
	tcp $1_1_to_2 c=$NS_1 s=$NS_2 to=192.168.77.102 port=5001 up=20000000 down=20000000 close=half
	tcp $1_2_to_3 c=$NS_2 s=$NS_3 to=fd77::103 port=5002 up=20000000 down=3000000 close=client
	tcp $1_3_to_1 c=$NS_3 s=$NS_1 to=192.168.77.101 port=5003 up=3000000 down=20000000 close=server
	udp $1_1_and_2 c=$NS_1 s=$NS_2 to=fd77::102 port=5004 sizes=1,100,1400,9000 batch=4
	tcp $1_1_and_R c=$NS_1 s=$T/R to=198.51.100.10 port=5005 up=5000000 down=5000000
	tcp $1_2_and_R c=$NS_2 s=$T/R to=198.51.100.10 port=5006 up=5000000 down=5000000
	crr $1_3_to_2 c=$NS_3 s=$NS_2 to=192.168.77.102 port=5007 count=200
	END
}

# sent N: more than so many frames left C
sent() { [ "$(frames)" -gt "$1" ]; }
# rss: kB that are not shared
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$PASTAPID/status"; }

for LINK in sock vhost; do
	case $LINK in
	vhost)	VHOST=--vhost-user STAND_IN=guest_vhost PLAIN='-x csum,guest_csum,mrg_rxbuf' ;;
	*)	VHOST='' STAND_IN=guest PLAIN='' ;;
	esac
	passt_start --guests 8 --lan 192.168.77.0/24,fd77::/64
	join 1
	join 2
	# shellcheck disable=SC2086	# options
	join 3 $PLAIN
	jobs "$LINK" >"$T/jobs"
	tap_of "$TOOLS/xfer" -t 20 <"$T/jobs"
	is "$LINK: passt is still there" "$(kill -0 "$PASTAPID" && echo yes)" yes

	before=$(rss)
	for n in 4 5 6 7; do
		join $n
		C ping -qc 1 -W 5 192.168.77.101 >/dev/null || fail "$LINK: guest $n reaches guest 1"
	done
	le "$LINK: kB for each further guest" $((($(rss) - before) / 4)) 100
	# Guest 6 does not read, guest 7 floods all
	# shellcheck disable=SC2154	# set by join
	kill -STOP "$GUEST_6"
	C python3 -c 'import socket, contextlib
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
while True:
    with contextlib.suppress(OSError):
        s.sendto(bytes(1400), ("192.168.77.255", 9))' &
	flood=$!
	wait_for 20 sent 1000
	jobs "${LINK}_beside_a_flood" >"$T/jobs"
	tap_of "$TOOLS/xfer" -t 20 <"$T/jobs"
	ok "$LINK: the flood goes on" kill $flood
	wait $flood 2>/dev/null
	kill -CONT "$GUEST_6"
	pasta_may_end
	kill "$PASTAPID"
	wait_for 20 gone "$PASTAPID"
	for n in 1 2 3 4 5 6 7; do
		eval "pid=\$GUEST_$n"
		wait_for 20 gone "$pid" || fail "$LINK: guest $n sees the end"
	done
	GUESTPID=
done
done_testing
