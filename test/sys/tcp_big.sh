#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 1 GB over TCP, each way, each family, at the largest, a large, and the usual MTU; no retransmission in the namespace,
# but for probes of a tail whose acknowledgment takes longer than two round trips and two of its clock's ticks, as on
# a busy machine (RFC 8985 7)
. "${0%/*}/lib.sh"

sent_again() {	# segments so far
	C nstat -asz TcpRetransSegs TcpExtTCPLossProbes |
		awk '/Retrans/ { n += $2 } /LossProbes/ { n -= $2 } END { print n }'
}

topology

for mtu in 65520 9000 1500; do
	pasta_up -m $mtu -t 8000
	before=$(sent_again)
	xfer 3 <<-END	# TCP-42: never 3 s without progress
	tcp MTU_$mtu,_1_GB,_out,_up,_v4 c=C s=R to=198.51.100.10 port=7000 up=1000000000
	tcp MTU_$mtu,_1_GB,_out,_down,_v6 c=C s=R to=2001:db8:1::10 port=7000 down=1000000000 close=server
	tcp MTU_$mtu,_1_GB,_in,_up,_v6 c=R s=C to=2001:db8:1::2 port=8000 up=1000000000 close=server
	tcp MTU_$mtu,_1_GB,_in,_down,_v4 c=R s=C to=198.51.100.2 port=8000 down=1000000000 close=half
	END
	# A probe may have new data (RFC 8985 7.3), and then is no retransmission
	le "TCP-45 MTU $mtu: segments sent again by the namespace" $(($(sent_again) - before)) 0
	pasta_stop
done

done_testing
