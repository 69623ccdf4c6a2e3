#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TCP-05 TCP-38 transfers with the smallest socket buffers there are: in host, namespace and remote host
. "${0%/*}/lib.sh"

topology
for ns in R ""; do
	$ns sysctl -qw net.ipv4.tcp_wmem="4096 4096 4096" net.ipv4.tcp_rmem="4096 4096 4096"
done

# A hundred windows; at one MTU, a thousand
jobs() # FAMILY MTU LABEL
{
	local fam=$1 label=TCP-05_MTU_$2,_$3 n=300000 to in
	[ "$2" != 1500 ] || n=3000000
	[ "$fam" = 4 ] && to=198.51.100.10 in=198.51.100.2 || to=2001:db8:1::10 in=2001:db8:1::2
	echo "tcp $label,_out,_v$fam,_up c=C s=R to=$to port=700$fam up=$n"
	echo "tcp $label,_out,_v$fam,_down c=C s=R to=$to port=700$fam down=$n close=server"
	echo "tcp $label,_in,_v$fam,_up c=R s=C to=$in port=800$fam up=$n close=server"
	echo "tcp $label,_in,_v$fam,_down c=R s=C to=$in port=800$fam down=$n"
	echo "tcp $label,_out,_v$fam,_both_ways c=C s=R to=$to port=700$fam up=$n down=$n close=half"
	echo "tcp $label,_out,_v$fam,_stalled c=C s=R to=$to port=700$fam up=$n down=$n stall=300 close=half"
}

for mtu in 1280 1500 9000 65520; do
	pasta_up -m $mtu -t 8004,8006
	xfer_beside 15 "jobs 4 $mtu host's_buffers_minimal" "jobs 6 $mtu host's_buffers_minimal"
	C sysctl -qw net.ipv4.tcp_wmem="4096 4096 4096" net.ipv4.tcp_rmem="4096 4096 4096"
	xfer_beside 15 "jobs 4 $mtu all_buffers_minimal" "jobs 6 $mtu all_buffers_minimal"
	pasta_stop
done

done_testing
