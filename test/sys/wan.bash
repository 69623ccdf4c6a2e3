# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# wan.bash - TCP through a lossy link: transfers of $BYTES at a round trip of $RTT ms; sourced by cases of their own, which run
# side by side
. "${0%/*}/lib.sh"

topology wan $((RTT / 2)) 200 0.3
pasta_up -t 8004,8006

jobs() # FAMILY CC
{
	local fam=$1 to in label="${RTT}_ms,_0.3_%_lost,_$2," n=$BYTES
	[ "$fam" = 4 ] && to=198.51.100.10 in=198.51.100.2 || to=2001:db8:1::10 in=2001:db8:1::2
	echo "tcp ${label}_out,_v$fam,_up c=C s=R to=$to port=700$fam up=$n"
	echo "tcp ${label}_out,_v$fam,_down c=C s=R to=$to port=700$fam down=$n close=server"
	echo "tcp ${label}_in,_v$fam,_up c=R s=C to=$in port=800$fam up=$n close=server"
	echo "tcp ${label}_in,_v$fam,_down c=R s=C to=$in port=800$fam down=$n"
	echo "tcp ${label}_out,_v$fam,_both_ways c=C s=R to=$to port=700$fam up=$n down=$n close=half"
	echo "tcp ${label}_out,_v$fam,_one_byte_each_way c=C s=R to=$to port=700$fam up=1 down=1 close=server"
}

for cc in $(ccs); do
	congestion "$cc"
	xfer_beside 30 "jobs 4 $cc" "jobs 6 $cc"
done

lost=$(for ns in R "" C; do $ns nstat -asz TcpRetransSegs; done | awk '/Retrans/ { n += $2 } END { print n }')
not "the link did lose something" [ "$lost" = 0 ]

done_testing
