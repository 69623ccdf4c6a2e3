#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL an address that is deleted and added again, ten times a second: neither the namespace nor its connections notice,
# and it costs next to nothing
#
# SECONDS_SOAK: how long, by default 10. With TAP_DIR set, samples are kept there: seconds, CPU time of all processes in
# ms, their own memory in kB.
LINK=tap
. "${0%/*}/follow.bash"

: "${SECONDS_SOAK:=10}"
SAMPLES=${TAP_DIR:-$T}/soak_flaps.samples

all()		{ pgrep -x 'pasta(-[a-z]+)?|passt-[a-z]+'; }
own()
{
	local p
	for p in $(all); do cat "/proc/$p/status"; done | awk '/RssAnon/ { n += $2 } END { print n }'
}
files()		{ local p; for p in $(all); do find "/proc/$p/fd" -type l; done | wc -l; }

# changes COUNT: the address goes for 60 ms, and is back for 40; $away: ms that it was not there, at most
coproc IP { exec ip -force -batch - 2>"$T/ip"; }
away=0 count=0
changes()
{
	local i gone
	for ((i = 0; i < $1; i++)); do
		gone=${EPOCHREALTIME/./}
		echo "addr del 198.51.100.2/24 dev ext" >&"${IP[1]}"
		read -rt 0.06 <> <(:)
		printf '%s\n' "addr add 198.51.100.2/24 dev ext" "route replace default via 198.51.100.1" >&"${IP[1]}"
		gone=$(((${EPOCHREALTIME/./} - gone) / 1000))
		away=$((gone > away ? gone : away)) count=$((count + 1))
		read -rt 0.04 <> <(:)
	done
}
pasta_up
hold 1 198.51.100.10 7
ok "a connection" held 1
ok "it rests" wait_for 20 still
changes 100		# memory is touched for the first time
kb=$(own) fds=$(files) before=$(ticks) start=${EPOCHREALTIME/./} count=0
: >"$SAMPLES"
while [ $(((${EPOCHREALTIME/./} - start) / 1000000)) -lt "$SECONDS_SOAK" ]; do
	changes 100
	echo "$(((${EPOCHREALTIME/./} - start) / 1000000)) $((($(ticks) - before) * 10)) $(own)" >>"$SAMPLES"
done
ms=$(((${EPOCHREALTIME/./} - start) / 1000))
diag "$count times in $ms ms, away for $away ms at most; CPU time $((($(ticks) - before) * 10)) ms"
diag "$kb kB, then $(own); $fds descriptors, then $(files)"
ok "FOL-14 all of its processes are there" [ "$(others | wc -w)" = 2 ]
le "FOL-32 a flapping interface: CPU time of all processes, in 1/1000" $((($(ticks) - before) * 10000 / ms)) 10
le "PEER-03 a flapping interface: kB of memory that are more than before" $(($(own) - kb)) 64
le "PEER-03 a flapping interface: descriptors" "$(files)" "$fds"
# A machine that is busy may have it away for longer than pasta waits
ok "FOL-03 an address that is always back soon: the connection goes on" eval 'lives 1 && held 1 || [ $away -gt 250 ]'
follows "FOL-03 and the namespace is as before" "$IN_EXT"
unhold 1
pasta_stop
done_testing
