#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TCP of clients for which the guest forwards, over links that lose, reorder, double and split segments
. "${0%/*}/lib.sh"
. "$SYS/lossy.bash"

# Name, bytes each way, and options, of a link with a round trip of twice its delay. MS is several times what a sender
# needs that repeats what was lost, and less than it takes if each loss is a timeout of a second.
LINKS=(
	"nothing_lost		4000000 delay=1"
	"1_%_lost,_5_ms		4000000 loss=1,delay=2.5"
	"0.1_%_lost,_20_ms	4000000 loss=0.1,delay=10"
	"3_%_lost,_1_ms		2000000 loss=3,delay=0.5"
	"10_%_lost,_1_ms	300000 loss=10,delay=0.5"
	"1_%_late_by_3		4000000 reorder=1:3,delay=1"
	"split,_tail_first	4000000 split=100"
	"doubled		4000000 dup=3,delay=1"
	"8_lost_in_a_row	2000000 gap=0.05:8,delay=1"
	"one_in_50_lost		2000000 nth=50,delay=1"
	"32_of_a_burst		4000000 burst=32"
)
MS=20000

topology
pasta_up
lists=()
for i in "${!LINKS[@]}"; do
	read -r name bytes options <<<"${LINKS[i]}"
	behind "$i" "$options"
	for f in 4 6; do
		lists+=("jobs_behind $i $f $name $bytes $MS")
	done
done
xfer_beside 40 "${lists[@]}"

# The last segment of an answer is lost, and nothing behind it shows that
behind 20 delay=1,once=1:999/delay=1
tails()
{
	for n in 1 2 3 4; do
		echo "tcp an_answer's_last_segment_is_lost,_$1 c=$(b \
			20) s=R to=$2 port=7990 up=1 down=14700 ms=600 close=server"
	done
}
tails IPv4 198.51.100.10 >"$T/tails"
tails IPv6 2001:db8:1::10 >>"$T/tails"
xfer 10 <"$T/tails"

done_testing
