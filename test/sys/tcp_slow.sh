#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# a guest that reads 64 kB/s: its window shuts and opens all the time, and nothing is sent twice
. "${0%/*}/lib.sh"

topology
pasta_up
twice() { C nstat -asz TcpExtTCPDSACKOldSent TcpExtDelayedACKLost | awk '/Tcp/ { n += $2 } END { print n }'; }
before=$(twice)
slow() { echo "tcp 64_kB/s,_$1 c=C s=R to=$2 port=700$3 down=256000 rate=64000 rcvbuf=$4 close=server"; }
xfer_beside 15 "slow IPv4 198.51.100.10 1 16384" "slow IPv6 2001:db8:1::10 2 16384" \
	"slow IPv4,_larger 198.51.100.10 3 65536"
is "segments that came twice" $(($(twice) - before)) 0
done_testing
