#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guests on a network of their own: addresses, names, connections to them by either, and guests that claim others'
LINK=sock
. "${0%/*}/lib.sh"

mkdir "$T/etc" "$T/lib"
cp -rL /etc/. "$T/etc" 2>/dev/null
sed -i -e '/^dhcpcd:/d' -e 's/^\(systemd-network:[^:]*\):[0-9]*:[0-9]*:/\1:0:0:/' "$T/etc/passwd"
topology
echo nameserver 198.51.100.10 >"$T/etc/resolv.conf"
mount --bind "$T/etc" /etc
mount --bind "$T/lib" /var/lib

# guest MAC [OPTION]...: C becomes another guest, with that MAC address
guest()
{
	container
	C ip link set lo up
	C sysctl -qw net.ipv6.conf.default.accept_dad=0
	guest_start "$SOCKET" -m 1500 -a "$@"
}
# dhcp NAME: an address, and the name is known
dhcp()	{ C udhcpc -i ext -n -q -f -t 5 -T 1 -x "hostname:$1" -s "$SYS/udhcpc_lease" >"$T/udhcpc.log" 2>&1; }
addr4()	{ C ip -4 -br addr show dev ext | awk '{ print $3 }'; }
slaac()	{ C ip -6 addr show dev ext scope global | grep -q fd00:77::; }

# reset PORT: connections from R are accepted, and reset at once
reset()
{
	R python3 -c 'import socket, sys
try:
    print(socket.create_connection(("198.51.100.2", int(sys.argv[1])), 5).recv(1))
except ConnectionResetError:
    print("reset")' "$1"
}

R python3 "$SYS/dns_tool.py" serve "$T/queries" 198.51.100.10 >"$T/resolver" 2>&1 &
disown
wait_for 20 grep -q ready "$T/resolver"

passt_start --lan 192.168.77.0/24,fd00:77::/64 --lease 02:00:00:00:00:09=192.168.77.9,fixed \
	-t 2222:web/22 -t 2223:192.168.77.2/22 -u 2222:web/22 -t 2224:fixed/22 -t 2225:192.168.77.9/22 -t 2226:22

guest 02:00:00:00:00:01
is "LAN-20 -t to a name that nobody has" "$(reset 2222)" reset
is "LAN-20 -t to a guest that is away" "$(reset 2224)" reset
is "LAN-20 -t to an address that nobody has" "$(reset 2223)" reset
ok "LAN-21 DHCP" dhcp web
is "LAN-21 the first address" "$(addr4)" 192.168.77.2/24
is "LAN-21 we are the gateway" "$(C ip -4 route show default)" "default via 192.168.77.1 dev ext "
ok "LAN-21 RA: an address of the prefix" wait_for 10 slaac
is "LAN-21 that of the MAC address" "$(C ip -6 addr show dev ext scope global | grep -o 'fd00[^/]*')" fd00:77::ff:fe00:1
xfer < <(
	echo "tcp LAN-23_in,_without_a_target c=R s=C to=198.51.100.2 port=2226 lport=22 up=30000 down=30000"
	echo "tcp LAN-22_out,_v4 c=C s=R to=198.51.100.10 port=7000 up=30000 down=30000 close=half"
	echo "tcp LAN-22_out,_v6 c=C s=R to=2001:db8:1::10 port=7000 up=30000 down=30000 close=half"
	echo "udp LAN-22_out,_v4 c=C s=R to=198.51.100.10 port=7000 sizes=0,100,1472 count=3"
	echo "udp LAN-22_out,_v6 c=C s=R to=2001:db8:1::10 port=7000 sizes=0,100,1452 count=3"
	echo "tcp LAN-22_the_host,_by_the_gateway c=C s=H to=192.168.77.1 at=127.0.0.1 port=7001 up=30000 down=30000"
	echo "tcp LAN-22_the_host,_by_the_gateway,_v6 c=C s=H to=fd00:77::1 at=::1 port=7001 up=30000 down=30000"
	echo "tcp LAN-23_in,_by_name c=R s=C to=198.51.100.2 port=2222 lport=22 up=30000 down=30000 src=198.51.100.10"
	echo "tcp LAN-23_in,_by_name,_v6 c=R s=C to=2001:db8:1::2 port=2222 at=fd00:77::ff:fe00:1 lport=22 up=30000 down=30000 src=2001:db8:1::10"
	echo "tcp LAN-23_in,_by_address,_of_the_other_family c=R s=C to=2001:db8:1::2 port=2223 at=192.168.77.2 lport=22 up=30000 down=30000 src=192.168.77.1"
	echo "tcp LAN-23_in,_by_address c=R s=C to=198.51.100.2 port=2223 lport=22 up=30000 down=30000"
	echo "udp LAN-23_in,_by_name c=R s=C to=198.51.100.2 port=2222 lport=22 sizes=0,100,1472 count=3"
)

# Names of guests, by our address; others are the host's resolver's
ask() { C python3 "$SYS/dns_tool.py" ask "$@" 2>&1; }
is "LAN-27 a guest's name" "$(ask 192.168.77.1 web)" "NOERROR 192.168.77.2"
is "LAN-27 in its zone, by IPv6, TCP, in capitals" "$(ask fd00:77::1 WEB.internal A tcp)" "NOERROR 192.168.77.2"
is "LAN-27 its IPv6 address" "$(ask 192.168.77.1 web AAAA)" "NOERROR fd00:77::ff:fe00:1"
is "LAN-27 the name of an option" "$(ask 192.168.77.1 fixed.internal)" "NOERROR 192.168.77.9"
is "LAN-27 reverse" "$(ask 192.168.77.1 2.77.168.192.in-addr.arpa PTR)" "NOERROR web.internal"
is "LAN-27 nobody's" "$(ask 192.168.77.1 nobody.internal)" NXDOMAIN
is "LAN-27 the host" "$(ask 192.168.77.1 host.internal)" "NOERROR 192.168.77.1"
is "LAN-27 any other" "$(ask 192.168.77.1 good.test.example)" "NOERROR 9.9.9.9"
is "LAN-27 any other, by TCP" "$(ask fd00:77::1 good.test.example A tcp)" "NOERROR 9.9.9.9"
is "LAN-27 queries for the network did not leave it" "$(grep -ciE ' (web|fixed|nobody|host|2\.77)' "$T/queries")" 0
is "LAN-27 another resolver is asked itself" "$(ask 198.51.100.10 good.test.example)" "NOERROR 9.9.9.9"

# An address that the guest may not have
C ip addr add 192.168.77.9/24 dev ext
not "LAN-24 nothing from an address that is leased to another" C ping -c 1 -W 1 -I 192.168.77.9 198.51.100.10
C ip addr del 192.168.77.9/24 dev ext
C ip addr add 10.1.2.3/32 dev ext
not "LAN-24 nothing from an address outside" C ping -c 1 -W 1 -I 10.1.2.3 198.51.100.10
C ip addr del 10.1.2.3/32 dev ext
C ip addr add 192.168.77.50/24 dev ext
ok "LAN-24 a free address of the prefix is fine" C ping -c 1 -W 5 -I 192.168.77.50 198.51.100.10
C ip addr del 192.168.77.50/24 dev ext
like "LAN-24 a line in the log" "$(cat "$PASTA_LOG")" "Guest 0, at 02:00:00:00:00:01, (sends from|claims) 192.168.77.9"

# Other clients, with other MAC addresses; the first guest keeps its address
again()
{
	kill "$GUESTPID"
	wait_for 20 gone "$GUESTPID"
	GUESTPID=
	guest "$@"
}
again 02:00:00:00:00:02
is "LAN-25 its guest is away" "$(reset 2222)" reset
ok "LAN-25 another guest" dhcp db
is "LAN-25 the next address" "$(addr4)" 192.168.77.3/24
again 02:00:00:00:00:09
ok "LAN-25 one with an address by option" dhcp other
is "LAN-25 that address" "$(addr4)" 192.168.77.9/24
xfer < <(
	echo "tcp LAN-25_in,_by_the_name_of_the_option c=R s=C to=198.51.100.2 port=2224 lport=22 up=30000 down=30000"
	echo "tcp LAN-25_in,_by_its_address c=R s=C to=198.51.100.2 port=2225 lport=22 up=30000 down=30000"
)
again 02:00:00:00:00:01
ok "LAN-25 the first one again" dhcp web
is "LAN-25 it has its address" "$(addr4)" 192.168.77.2/24
xfer < <(
	echo "tcp LAN-25_in,_by_name c=R s=C to=198.51.100.2 port=2222 lport=22 up=30000 down=30000"
	echo "udp LAN-25_in,_by_name c=R s=C to=198.51.100.2 port=2222 lport=22 sizes=0,100,1472 count=3"
)

# Addresses run out for who takes many
starve()
{
	local i
	for i in 1 2 3 4 5 6; do
		C ip link set ext address 02:00:00:00:01:0$i
		dhcp many$i && echo got
	done
}
is "LAN-26 starvation" "$(starve | grep -c got)" 3

done_testing
