#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# at rest, nothing is done: 1,000 idle connections and no wake-up; memory of one that has moved nothing
#
# SECONDS_IDLE: how long to watch, by default 20 with pasta, 8 with passt, whose timers are the same.
. "${0%/*}/lib.sh"

: "${SECONDS_IDLE:=$([ $LINK = tap ] && echo 20 || echo 8)}"
topology
ulimit -n "$(ulimit -Hn)"
pasta_up -t 8000
[ $LINK = tap ] && most=2560 || most=3072	# to hold the stream, passt has buffers besides
le "resident memory of a process that has moved nothing, kB" "$(rss_of $PASTAPID)" $most
diag "resident: $(rss_of $PASTAPID) kB"

mkfifo "$T/in"
"$TOOLS/xfer" <"$T/in" >"$T/out" 2>&1 &
exec 5>"$T/in"
echo "idle 600_connections,_out c=$(ns_of C) s=$T/R to=198.51.100.10 port=7000 count=600
idle 400_connections,_in c=$T/R s=$(ns_of C) to=2001:db8:1::2 port=8000 count=400
check all_of_them_work" >&5
wait_for 60 grep -q "ok 3" "$T/out"

# Delayed acknowledgments and router advertisements at the start are over when nothing has happened for a second
still() { local a; a=$(cs_of $PASTAPID); sleep 1; [ "$(cs_of $PASTAPID)" = "$a" ]; }
wait_for 60 still
a=$(cs_of $PASTAPID) f=$(frames)
cpu=$(awk '{ print $14 + $15 }' /proc/$PASTAPID/stat)
sleep "$SECONDS_IDLE"	# what is measured
le "wake-ups in $SECONDS_IDLE s with 1,000 idle connections, but for frames" $(($(cs_of $PASTAPID) - a - ($(frames) - f))) 0
is "CPU time meanwhile, ticks" $(($(awk '{ print $14 + $15 }' /proc/$PASTAPID/stat) - cpu)) 0
echo "check and_still_work_afterwards" >&5
exec 5>&-
wait_for 60 grep -q "ok 4" "$T/out"
tap_of cat "$T/out"

done_testing
