#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TCP-05 TCP-38 transfers with the smallest socket buffers there are: in host, namespace and remote host
. "${0%/*}/lib.sh"

topology
for ns in R ""; do
	$ns sysctl -qw net.ipv4.tcp_wmem="4096 4096 4096" net.ipv4.tcp_rmem="4096 4096 4096"
done

jobs() # LABEL
{
	local fam to in
	for fam in 4 6; do
		[ $fam = 4 ] && to=198.51.100.10 in=198.51.100.2 || to=2001:db8:1::10 in=2001:db8:1::2
		echo "tcp $1,_out,_v$fam,_up c=C s=R to=$to port=7000 up=3000000"
		echo "tcp $1,_out,_v$fam,_down c=C s=R to=$to port=7000 down=3000000 close=server"
		echo "tcp $1,_in,_v$fam,_up c=R s=C to=$in port=8000 up=3000000 close=server"
		echo "tcp $1,_in,_v$fam,_down c=R s=C to=$in port=8000 down=3000000"
		echo "tcp $1,_out,_v$fam,_both_ways c=C s=R to=$to port=7000 up=1000000 down=1000000 close=half"
		echo "tcp $1,_out,_v$fam,_stalled c=C s=R to=$to port=7000 up=1000000 down=1000000 stall=300 close=half"
	done
}

for mtu in 1280 1500 9000 65520; do
	pasta_up -m $mtu -t 8000
	xfer < <(jobs "TCP-05_MTU_$mtu,_host's_buffers_minimal")
	C sysctl -qw net.ipv4.tcp_wmem="4096 4096 4096" net.ipv4.tcp_rmem="4096 4096 4096"
	xfer < <(jobs "TCP-05_MTU_$mtu,_all_buffers_minimal")
	pasta_stop
done

done_testing
