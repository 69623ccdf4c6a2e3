#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Super-packets above 64 KiB (BIG TCP), where the kernel has them: all arrives, whoever it is for, and whoever looks on
# the way
LINK=tap
. "${0%/*}/lib.sh"

big() { python3 "$SYS/big_tcp.py" "$@"; }
# Families in which this kernel takes them; elsewhere, none may come
FAMILIES=$(unshare -n python3 "$SYS/big_tcp.py" kernel)
diag "packets above 64 KiB: families '$FAMILIES'"

# sizes NAME FAMILY yes|no ADDR [PORT]: TCP to ADDR, from PORT, in the capture: with packets above 64 KiB, or
# super-packets without
sizes()
{
	local name=$1 want=$3 most n bad
	[[ $FAMILIES = *$2* ]] || want=no
	read -r most n bad < <(big frames "$T/link.pcap" "${@:4}" 2>&1)
	is "$name: above 64 KiB: $want, of $n" "$([[ $n -gt 0 ]] && echo yes || echo no)" $want
	is "$name: headers as they should not be" "$bad" 0
	le "$name: largest, and what a capture's record holds" "$most" $((262144 - 14))
	le "$name: there are super-packets" 30000 "$most"
}

# behind DEVICE: B, on a veth pair to C, whose end is DEVICE
behind()
{
	BN=$((${BN:-0} + 1))
	unshare -n bash -c ': >"$0"; exec sleep infinity' "$T/B$BN.up" &
	BPID=$!
	disown $BPID
	wait_for 20 test -e "$T/B$BN.up"
	ip link add "$1" netns "$CPID" type veth peer name ext netns $BPID
	C ip link set "$1" up
	B ip link set lo up
	B ip link set ext up
}
B() { nsenter --net=/proc/$BPID/ns/net -- "$@"; }
b() { echo "/proc/$BPID/ns/net"; }
b_address()
{
	B ip addr add "$1" dev ext ${3:-}
	B ip route add default via "$2"
}

topology

for mtu in 65520 1500; do
	pasta_up -p "$T/link.pcap" -m $mtu -t 8000
	[[ $FAMILIES = *4* ]] && want4=262144 || want4=65536
	[[ $FAMILIES = *6* ]] && want6=262144 || want6=65536
	if [ -n "$FAMILIES" ]; then
		is "MTU $mtu: the device announces them, IPv4 and IPv6" "$(C python3 "$SYS/big_tcp.py" gro ext)" \
			"$want4 $want6"
	else
		unlike "MTU $mtu: the device doesn't announce them" "$(C python3 "$SYS/big_tcp.py" gro ext)" 262144
	fi
	xfer <<-END
	tcp MTU_$mtu,_opened_by_the_guest,_v4 c=C s=R to=198.51.100.10 port=7000 down=30000000
	tcp MTU_$mtu,_opened_by_the_guest,_v6 c=C s=R to=2001:db8:1::10 port=7000 down=30000000
	tcp MTU_$mtu,_opened_from_the_host,_v4 c=R s=C to=198.51.100.2 port=8000 src=198.51.100.10 up=10000000
	tcp MTU_$mtu,_opened_from_the_host,_v6 c=R s=C to=2001:db8:1::2 port=8000 src=2001:db8:1::10 up=10000000
	END
	sizes "MTU $mtu, v4" 4 yes 198.51.100.2 7000
	sizes "MTU $mtu, v6" 6 yes 2001:db8:1::2 7000
	tshark -r "$T/link.pcap" -d tcp.port==7000,data -d tcp.port==8000,data -Y _ws.malformed >"$T/malformed" \
		2>"$T/tshark.err"
	is "PCAP-01 MTU $mtu: tshark finds nothing malformed" "$(head -n 3 "$T/malformed")" ""
	unlike "PCAP-01 MTU $mtu: tshark reads it to the end" "$(cat "$T/tshark.err")" \
		"cut short|appears|damaged|corrupt|bigger"

	: >"$T/link.pcap"	# needed no more, and takes its room until pasta ends
	xfer <<-END
	tcp MTU_$mtu,_small_receive_buffer,_v4 c=C s=R to=198.51.100.10 port=7000 down=5000000 rcvbuf=65536
	tcp MTU_$mtu,_small_receive_buffer,_v6 c=C s=R to=2001:db8:1::10 port=7000 down=5000000 rcvbuf=65536
	tcp MTU_$mtu,_receiver_stops_for_a_while,_v4 c=C s=R to=198.51.100.10 port=7000 down=30000000 stall=2000
	tcp MTU_$mtu,_receiver_stops_for_a_while,_v6 c=C s=R to=2001:db8:1::10 port=7000 down=30000000 stall=2000
	END

	C nft -f - <<-END
	table inet t {
		chain in {
			type filter hook input priority 0;
			iif lo accept
			ct state invalid counter drop
			ct state established counter accept
		}
	}
	END
	xfer <<-END
	tcp MTU_$mtu,_invalid_packets_dropped,_v4 c=C s=R to=198.51.100.10 port=7000 down=30000000
	tcp MTU_$mtu,_invalid_packets_dropped,_v6 c=C s=R to=2001:db8:1::10 port=7000 down=30000000
	END
	like "MTU $mtu: connections are tracked" "$(C nft list table inet t)" 'established counter packets [1-9]'
	like "MTU $mtu: no packet is invalid" "$(C nft list table inet t)" 'invalid counter packets 0 '
	pasta_stop
done

# Thousands of segments in a packet
pasta_up -p "$T/link.pcap"
C ip route add 198.51.100.10/32 via 198.51.100.1 dev ext advmss 88
C ip route add 2001:db8:1::10/128 via 2001:db8:1::1 dev ext advmss 88
xfer <<-END
tcp tiny_segments,_v4 c=C s=R to=198.51.100.10 port=7000 down=30000000
tcp tiny_segments,_v6 c=C s=R to=2001:db8:1::10 port=7000 down=30000000
END
sizes "tiny segments, v4" 4 yes 198.51.100.2 7000
sizes "tiny segments, v6" 6 yes 2001:db8:1::2 7000
pasta_stop

# Somebody behind C: what is routed has a TTL less by one, and no packet is larger than other devices take
pasta_up -p "$T/link.pcap"
behind in0
C ip addr add 10.9.9.1/24 dev in0
C ip addr add fd00:9::1/64 dev in0 nodad
C sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
b_address 10.9.9.2/24 10.9.9.1
b_address fd00:9::2/64 fd00:9::1 nodad
wait_for 20 B ping -nqc 1 -W 1 fd00:9::1
xfer <<-END
tcp routed,_v4 c=$(b) s=R to=198.51.100.10 port=7000 down=30000000
tcp routed,_v6 c=$(b) s=R to=2001:db8:1::10 port=7000 down=30000000
END
sizes "routed, v4" 4 no 10.9.9.2
sizes "routed, v6" 6 no fd00:9::2
C nft -f - <<-END
table inet t {
	chain post {
		type nat hook postrouting priority 100;
		oifname ext masquerade
	}
}
END
xfer <<-END
tcp masqueraded,_v4 c=$(b) s=R to=198.51.100.10 port=7001 down=30000000
tcp masqueraded,_v6 c=$(b) s=R to=2001:db8:1::10 port=7001 down=30000000
END
sizes "masqueraded, v4" 4 no 198.51.100.2 7001
sizes "masqueraded, v6" 6 no 2001:db8:1::2 7001
pasta_stop

# Behind a bridge of C's, with C itself out of the way: another MAC address
pasta_up -p "$T/link.pcap"
behind in0
C sysctl -qw net.ipv6.conf.all.disable_ipv6=1
C ip link add br0 type bridge
C ip addr flush dev ext
C ip link set ext master br0
C ip link set in0 master br0
C ip link set br0 up
b_address 198.51.100.77/24 198.51.100.1
b_address 2001:db8:1::77/64 2001:db8:1::1 nodad
wait_for 20 B ping -nqc 1 -W 1 198.51.100.10
wait_for 20 B ping -nqc 1 -W 1 2001:db8:1::10
xfer <<-END
tcp bridged,_v4 c=$(b) s=R to=198.51.100.10 port=7000 down=30000000
tcp bridged,_v6 c=$(b) s=R to=2001:db8:1::10 port=7000 down=30000000
END
sizes "bridged, v4" 4 no 198.51.100.77
sizes "bridged, v6" 6 no 2001:db8:1::77
pasta_stop

# A device that was there before: if it is up, nobody knows what it takes
for state in down up; do
	container
	C ip tuntap add dev ext mode tap
	C ip link set ext $state
	pasta_start --config-net -p "$T/link.pcap" "$CPID" || fail "persistent device, $state: pasta starts"
	[ $state = down ] && want=yes || want=no
	xfer <<-END
	tcp persistent_device,_$state,_v4 c=C s=R to=198.51.100.10 port=7000 down=30000000
	tcp persistent_device,_$state,_v6 c=C s=R to=2001:db8:1::10 port=7000 down=30000000
	END
	sizes "persistent device, $state, v4" 4 $want 198.51.100.2
	sizes "persistent device, $state, v6" 6 $want 2001:db8:1::2
	pasta_stop
done

done_testing
