#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL the time from a change of the host's network to working traffic
LINK=tap
. "${0%/*}/follow.bash"

pasta_up
mkfifo "$T/works.in"
C python3 "$SYS/follow.py" works 7 <"$T/works.in" >"$T/works" 2>&1 &
disown
exec {works}>"$T/works.in"
wait_for 20 grep -q ready "$T/works"
lines()	{ [ "$(wc -l <"$T/works")" -gt "$1" ]; }

# medians NAME ADDRESS-THERE ADDRESS-HERE: of eleven changes, there and back
medians()
{
	local i n way to start first own firsts='' owns=''
	for i in {1..11}; do
		wait_for 20 still
		n=$(wc -l <"$T/works")
		way=there to=$2
		[ $((i % 2)) = 1 ] || way=here to=$3
		start=$((${EPOCHREALTIME/./} / 1000))
		ip -batch - 2>/dev/null <"$T/$way"
		echo "$to" >&$works
		wait_for 10 lines "$n"
		read -r first own < <(tail -n 1 "$T/works")
		firsts+=$((first - start))$'\n'
		owns+=$((own - start))$'\n'
	done
	median "$1" "$firsts"
	median "$1, from the new address" "$owns"
}
median()
{
	diag "$1: $(sort -n <<<"$2" | xargs) ms"
	le "FOL-40 $1: the median, ms" "$(sort -n <<<"${2%$'\n'}" | sed -n 6p)" 500
}

cat >"$T/there" <<'END'
addr flush dev ext scope global
addr add 203.0.113.2/24 dev wlan
addr add 2001:db8:2::2/64 dev wlan nodad
route replace default via 203.0.113.1
route replace default via 2001:db8:2::1
END
cat >"$T/here" <<'END'
addr flush dev wlan scope global
addr add 198.51.100.2/24 dev ext
addr add 2001:db8:1::2/64 dev ext nodad
route replace default via 198.51.100.1
route replace default via 2001:db8:1::1
END
medians "another network" 203.0.113.10 198.51.100.10
medians "another network, IPv6" 2001:db8:2::10 2001:db8:1::10
pasta_stop
done_testing
