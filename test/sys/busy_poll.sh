#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# --busy-poll: awake while there is traffic, asleep when it is over
. "${0%/*}/lib.sh"

topology

# Times that pasta went to sleep during 50 echo requests, 20 ms apart: once or twice for each, however busy the machine
sleeps()
{
	local a
	a=$(cs_of $PASTAPID)
	C ping -nqc 50 -i .02 -W 5 198.51.100.10 >"$T/null"
	echo $(($(cs_of $PASTAPID) - a))
}

pasta_up -T none -U none
C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
asleep=$(sleeps)
ok "without the option, it sleeps while there is nothing to be done ($asleep times)" [ "$asleep" -ge 25 ]
pasta_stop

pasta_up -T none -U none --busy-poll 1000000
C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
le "with it, it does not go to sleep between them" "$(sleeps)" 5
cpu_of() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
at_rest() { local cpu; cpu=$(cpu_of $PASTAPID); sleep 1; [ "$(cpu_of $PASTAPID)" = "$cpu" ]; }
not "it is awake for some time after the last one" at_rest
ok "and at rest when that is over: no CPU time in a second" wait_for 60 at_rest
pasta_stop

done_testing
