#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# datagrams of every size, both directions of initiative, many clients at once; multicast and broadcast
. "${0%/*}/lib.sh"

topology

jobs() # LABEL
{
	local fam to in sizes=0,1,2,100,1232,1452,1453,1472,1473,1500,4096,8932,9000,20000,65487,65488,65500,65507
	for fam in 4 6; do
		[ $fam = 4 ] && to=198.51.100.10 in=198.51.100.2 me=198.51.100.2 ||
			{ to=2001:db8:1::10 in=2001:db8:1::2 me=2001:db8:1::2; sizes=${sizes/65507/65527}; }
		echo "udp UDP-24_$1,_out,_v$fam,_sizes_$sizes c=C s=R to=$to at=$to port=7000 sizes=$sizes"
		echo "udp UDP-24_$1,_in,_v$fam,_sizes_$sizes c=R s=C to=$in port=8000 src=$to sizes=$sizes"
		echo "udp UDP-13_$1,_out,_v$fam,_32_at_a_time c=C s=R to=$to at=$to port=7000 sizes=0,1,100,1000,1400 batch=32 count=20"
		echo "udp UDP-13_$1,_in,_v$fam,_32_at_a_time c=R s=C to=$in port=8000 src=$to sizes=0,1,100,1000,1400 batch=32 count=20"
		echo "udp UDP-13_$1,_out,_v$fam,_8_large_ones_at_a_time c=C s=R to=$to at=$to port=7000 sizes=1473,4000,9000 batch=8 count=5"
		echo "udp UDP-13_$1,_in,_v$fam,_8_large_ones_at_a_time c=R s=C to=$in port=8000 src=$to sizes=1473,4000,9000 batch=8 count=5"
		echo "udp UDP-08_$1,_out,_v$fam,_100_clients c=C s=R to=$to at=$to port=7000 parallel=100 count=5"
		echo "udp UDP-08_FWD-21_$1,_in,_v$fam,_100_clients c=R s=C to=$in port=8000 src=$to parallel=100 count=5"
		echo "udp UDP-09_UDP-10_$1,_in,_v$fam,_another_port c=R s=C to=$in port=8001 lport=9001 src=$to sizes=100 parallel=20"
		echo "udp UDP-09_$1,_in,_v$fam,_highest_port c=R s=C to=$in port=65534 lport=1 src=$to sizes=100"
	done
}

for mtu in 1280 1500 65520; do
	pasta_up -m $mtu -u 8000 -u 8001:9001 -u 65534-65535:1-2
	xfer < <(jobs "MTU_$mtu")
	# Of 40 datagrams in one queue, pasta reads 8 one by one, then 2, 4, 8, 16 in a batch
	for to in 198.51.100.10 2001:db8:1::10; do
		tap_of python3 "$SYS/udp_join.py" "$PASTAPID" "$(ns_of C)" "$(ns_of R)" $to 7000 \
			$([ $LINK:$mtu != tap:65520 ] || echo 20)
	done
	pasta_stop
done

done_testing
