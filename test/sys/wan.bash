# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# wan.bash - TCP through a lossy link: transfers of $BYTES at a round trip of $RTT ms; sourced by cases of their own, which run
# side by side
. "${0%/*}/lib.sh"

topology wan $((RTT / 2)) 200 0.3
pasta_up -t 8000

jobs() # BYTES
{
	local fam to in
	for fam in 4 6; do
		[ $fam = 4 ] && to=198.51.100.10 in=198.51.100.2 || to=2001:db8:1::10 in=2001:db8:1::2
		echo "tcp out,_v$fam,_up c=C s=R to=$to port=7000 up=$1"
		echo "tcp out,_v$fam,_down c=C s=R to=$to port=7000 down=$1 close=server"
		echo "tcp in,_v$fam,_up c=R s=C to=$in port=8000 up=$1 close=server"
		echo "tcp in,_v$fam,_down c=R s=C to=$in port=8000 down=$1"
		echo "tcp out,_v$fam,_both_ways c=C s=R to=$to port=7000 up=$1 down=$1 close=half"
		echo "tcp out,_v$fam,_one_byte_each_way c=C s=R to=$to port=7000 up=1 down=1 close=server"
	done
}

for cc in $(ccs); do
	congestion "$cc"
	xfer 30 < <(jobs "$BYTES" | sed "s/^tcp /&${RTT}\_ms,_0.3_%_lost,_$cc,_/")
done

lost=$(for ns in R "" C; do $ns nstat -asz TcpRetransSegs; done | awk '/Retrans/ { n += $2 } END { print n }')
not "the link did lose something" [ "$lost" = 0 ]

done_testing
