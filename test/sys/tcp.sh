#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TCP, byte by byte: sizes, families, who connects, which way, who closes first, at every MTU, with cubic and bbr
. "${0%/*}/lib.sh"

topology

jobs() # LABEL
{
	local size fam to in way close
	for fam in 4 6; do
		[ $fam = 4 ] && to=198.51.100.10 in=198.51.100.2 || to=2001:db8:1::10 in=2001:db8:1::2
		for size in 1 2000 10000000; do
			for way in up down; do
				for close in client server half; do
					echo "tcp $1,_out,_v$fam,_${size}_$way,_close_$close" \
						"c=C s=R to=$to port=7000 $way=$size close=$close"
					echo "tcp $1,_in,_v$fam,_${size}_$way,_close_$close" \
						"c=R s=C to=$in port=8000 src=$to $way=$size close=$close"
				done
			done
		done
		echo "tcp $1,_out,_v$fam,_both_ways c=C s=R to=$to port=7000 up=5000000 down=5000000 close=half"
		echo "tcp $1,_in,_v$fam,_both_ways c=R s=C to=$in port=8000 up=5000000 down=5000000 close=half"
	done
}

for mtu in 1280 1500 9000 65520; do
	pasta_up -m $mtu -t 8000
	is "MTU $mtu" "$(mtu_of C ext)" $mtu
	for cc in $(ccs); do
		congestion "$cc"
		xfer < <(jobs "MTU_$mtu,_$cc")
	done
	pasta_stop
done

done_testing
