#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --busy-poll: awake while there is traffic, asleep when it is over
. "${0%/*}/lib.sh"

topology

# Times that pasta went to sleep during 500 round trips
sleeps()
{
	local a
	a=$(cs_of $PASTAPID)
	"$TOOLS/xfer" >"$T/rr" <<<"rr round_trips c=$(ns_of C) s=$T/R to=198.51.100.10 port=7000 parallel=1 count=500"
	echo $(($(cs_of $PASTAPID) - a))
}

pasta_up -T none -U none
C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
asleep=$(sleeps)
ok "without the option, it sleeps while there is nothing to be done ($asleep times)" [ "$asleep" -gt 100 ]
pasta_stop

pasta_up -T none -U none --busy-poll 5000
C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
le "500 round trips: it does not go to sleep between them" "$(sleeps)" $((asleep / 4))
cpu_of() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
ok "and does when they are over" wait_for 60 still
cpu=$(cpu_of $PASTAPID)
sleep 2			# what is measured
is "no CPU time at rest, ticks" $(($(cpu_of $PASTAPID) - cpu)) 0
pasta_stop

done_testing
