#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# short transfers take no time, at any MTU: nothing waits for a timer. The bounds are wide, timers are wider.
. "${0%/*}/lib.sh"

topology

jobs() # LABEL
{
	local fam to in lo n
	for fam in 4 6; do
		[ $fam = 4 ] && to=198.51.100.10 in=198.51.100.2 lo=127.0.0.1 \
			|| to=2001:db8:1::10 in=2001:db8:1::2 lo=::1
		echo "tcp TCP-46_$1,_12_MB_from_a_port_published_on_loopback,_v$fam c=H s=C to=$lo port=8000 down=11900000 ms=2000"
		echo "tcp TCP-07_TCP-49_$1,_1_MB_in_pieces_of_16_kB,_v$fam c=C s=R to=$to port=7000 down=1048576 chunk=16384 ms=1000"
		for n in 1 612 1459 1460 1461 4096 65535 65536 200000; do
			echo "tcp TCP-49_$1,_page_of_${n}_bytes,_out,_v$fam c=C s=R to=$to port=7000 up=100 down=$n ms=500"
			echo "tcp TCP-22_$1,_page_of_${n}_bytes,_in,_v$fam c=R s=C to=$in port=8000 up=100 down=$n close=server ms=500"
		done
	done
}

for mtu in 1280 1500 9000 65520; do
	pasta_up -m $mtu -t 8000
	C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"	# address resolution is not what is measured
	C ping -nqc 1 -W 5 2001:db8:1::10 >"$T/null"
	xfer < <(jobs "MTU_$mtu")
	pasta_stop
done

done_testing
