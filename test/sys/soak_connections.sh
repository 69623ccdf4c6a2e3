#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# thousands of connections, opened and closed, by the link and spliced: descriptors and memory stay as they are. SOAK:
# how many thousands on each way.
. "${0%/*}/lib.sh"
: "${SOAK:=5}"

topology
if [ $LINK = tap ]; then pasta_up -t 8000 -T 8200; else pasta_up -t 8000; fi
for ns in R C ""; do	# or ports would be used up for a minute
	$ns sysctl -qw net.ipv4.tcp_max_tw_buckets=100
done


# connections COUNT NAME JOB: one after the other
connections() { xfer 60 <<<"crr PEER-03_$1_connections,_$2 count=$1 $3"; }
# NAME SPARE JOB
soak()
{
	local rss fd
	connections 1000 "$1,_before" "$3"
	wait_for 20 no_flows
	rss=$(rss_of "$PASTAPID") fd=$(fds)
	connections $((SOAK * 1000)) "$1" "$3"
	ok "$1: no flow is left" wait_for 20 no_flows
	diag "$1: $rss kB, $(rss_of "$PASTAPID") kB after $SOAK,000 more; $fd and $(fds) descriptors"
	le "PEER-03 $1: descriptors more than before" $(($(fds) - fd)) "$2"
	le "PEER-03 $1: kB resident more than before" $(($(rss_of "$PASTAPID") - rss)) 64
}
soak out 0 "c=C s=R to=198.51.100.10 port=7000"
soak in 0 "c=R s=C to=2001:db8:1::2 port=8000"
if [ $LINK = tap ]; then	# sockets are opened 32 at a time
	soak spliced,_in 32 "c=H s=C to=127.0.0.1 port=8000"
	soak spliced,_out 0 "c=C s=H to=::1 port=8200"
fi

done_testing
