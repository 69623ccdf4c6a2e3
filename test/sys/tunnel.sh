#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# a guest that forwards, to a client behind a tunnel with a smaller MTU: datagrams can be fragmented, TCP follows what
# is reported, or finds it out
. "${0%/*}/lib.sh"

# behind: B, on a link to C's device in0, which takes 1,420 bytes
behind()
{
	BN=$((${BN:-0} + 1))
	unshare -n bash -c ': >"$0"; exec sleep infinity' "$T/B$BN.up" &
	BPID=$!
	disown $BPID
	wait_for 20 test -e "$T/B$BN.up"
	ip link add in0 netns "$CPID" type veth peer name ext netns $BPID
	C ip link set in0 up mtu 1420
	B ip link set lo up
	B ip link set ext up mtu 1420
	C ip addr add 10.9.9.1/24 dev in0
	C ip addr add fd00:9::1/64 dev in0 nodad
	C sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	B ip addr add 10.9.9.2/24 dev ext
	B ip route add default via 10.9.9.1
	B ip addr add fd00:9::2/64 dev ext nodad
	B ip route add default via fd00:9::1
	wait_for 20 B ping -nqc 1 -W 1 fd00:9::1
}
B() { nsenter --net=/proc/$BPID/ns/net -- "$@"; }
b() { echo "/proc/$BPID/ns/net"; }

# asks ADDR PORT TRIES SIZE...: as B
asks() { B python3 "$SYS/tunnel.py" ask "$@"; }

# through NAME: all that can go wrong behind C
through()
{
	is "$1: answers that fit and that don't, IPv4" \
		"$(asks 198.51.100.10 7000 1 100 1392 1393 1410 1472 3000 5000 60000)" "1 1 1 1 1 1 1 1"
	is "$1: a packet too big is answered by smaller ones, IPv6" \
		"$(asks 2001:db8:1::10 7000 2 100 1372 1410 3000 5000 60000)" "1 1 2 1 1 1"
	is "$1: another client of that address, IPv6" "$(asks 2001:db8:1::10 7001 1 1410 5000)" "1 1"
	ok "$1: large echo replies, IPv4" B ping -nqc 1 -W 5 -s 3000 -M dont 198.51.100.10
	ok "$1: large echo replies, IPv6" B ping -nqc 1 -W 5 -s 3000 -M dont 2001:db8:1::10
	xfer <<-END
	udp $1,_many_at_once,_IPv4 c=$(b) s=R to=198.51.100.10 port=7004 sizes=1300,1410,3000 batch=32
	udp $1,_many_at_once,_IPv6 c=$(b) s=R to=2001:db8:1::10 port=7004 sizes=1300,1410,3000 batch=32
	END
	B ip link set ext mtu 1500		# its own segments' size is no help any more
	xfer <<-END
	tcp $1,_TCP,_IPv4 c=$(b) s=R to=198.51.100.10 port=7002 down=10000000
	tcp $1,_TCP,_IPv6 c=$(b) s=R to=2001:db8:1::10 port=7002 down=10000000
	tcp $1,_short_answers,_IPv4 c=$(b) s=R to=198.51.100.10 port=7003 down=1450
	tcp $1,_short_answers,_IPv6 c=$(b) s=R to=2001:db8:1::10 port=7003 down=1450
	END
}

topology
R python3 "$SYS/tunnel.py" serve 198.51.100.10 7000 7001 >"$T/serve4" &
R python3 "$SYS/tunnel.py" serve 2001:db8:1::10 7000 7001 >"$T/serve6" &
wait_for 20 grep -q ready "$T/serve4"
wait_for 20 grep -q ready "$T/serve6"

pasta_up -p "$T/link.pcap"
behind
through routed
is "the guest's own datagrams are as large as its device takes, IPv6" \
	"$(C python3 "$SYS/tunnel.py" ask 2001:db8:1::10 7000 1 1410 60000)" "1 1"

# Two datagrams of the same number would be taken for one, in pieces (RFC 6864)
tshark -r "$T/link.pcap" -Y 'ip.src == 198.51.100.10 && !tcp' -T fields -e ip.flags.df -e ip.id >"$T/ids" 2>/dev/null
le "there are datagrams" 10 "$(wc -l <"$T/ids")"
unlike "datagrams have no DF" "$(cut -f 1 "$T/ids")" "1|True"
is "identifications differ" "$(cut -f 2 "$T/ids" | sort -u | wc -l)" "$(wc -l <"$T/ids")"
is "segments have DF" \
	"$(tshark -r "$T/link.pcap" -Y 'ip.src == 198.51.100.10 && tcp && !ip.flags.df' 2>/dev/null | head -n 3)" ""
pasta_stop

pasta_up
behind
C nft -f - <<-END
table inet t {
	chain post {
		type nat hook postrouting priority 100;
		oifname ext masquerade
	}
}
END
through masqueraded
pasta_stop

# Nothing is known of the path: TCP learns it, in both families
pasta_up
behind
B ip link set ext mtu 1500
xfer <<-END
tcp an_unknown_path,_IPv4 c=$(b) s=R to=198.51.100.10 port=7002 down=3000000
tcp an_unknown_path,_IPv6 c=$(b) s=R to=2001:db8:1::10 port=7002 down=3000000
END
pasta_stop

# A black hole: nobody reports a packet that is too big
pasta_up
behind
B ip link set ext mtu 1500
C nft -f - <<-END
table inet t {
	chain out {
		type filter hook output priority 0;
		icmp type destination-unreachable counter drop
		icmpv6 type packet-too-big counter drop
	}
}
END
xfer <<-END
tcp RFC_4821:_a_path_without_reports,_IPv4 c=$(b) s=R to=198.51.100.10 port=7002 down=3000000
tcp RFC_4821:_a_path_without_reports,_IPv6 c=$(b) s=R to=2001:db8:1::10 port=7002 down=3000000
END
is "reports were made, and dropped" "$(C nft list table inet t | grep -c 'packets 0 ')" 0
done_testing
