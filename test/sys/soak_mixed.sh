#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rounds of mixed traffic, while guests come and go, receivers stop, and ports, rules, resolvers and networks change:
# every byte is right, and after the last rounds as much is in use as after the first ones
#
# SECONDS_SOAK: how long, by default two rounds; "make soak". With TAP_DIR set, a sample of each round is kept there:
# seconds, kB of the processes' own memory, descriptors, the same without those of datagram flows, flows: TCP,
# datagrams, spliced.
. "${0%/*}/follow.bash"

: "${SECONDS_SOAK:=1}"
SAMPLES=${TAP_DIR:-$T}/soak_mixed.$LINK.samples
S=$T/control.socket F=169.254.1.1 L=$T/flows
BAD=0 GOOD=0 n=0

P()	{ "${PASTA%/*}/pesto" "$@" "$S" 2>&1; }
# bad NAME TEXT: of thousands of checks, only those that fail are lines
bad()	{ BAD=$((BAD + 1)); diag "round $n, $1: $2"; }
must()	{ "${@:2}" >"$T/must" 2>&1 </dev/null || bad "$1" "${*:2}: $(tail -n 3 "$T/must")"; }
size()	{ local s=(1 70000 3000000 15000000 999); echo "${s[($n + $1) % ${#s[@]}]}"; }
swap()	{ [ $(((n + $1) % 2)) = 0 ] && echo "$2" || echo "$3"; }

# ---- Traffic: jobs of xfer, side by side

jobs_out()
{
	cat <<END
tcp out,_up_$n c=C s=R to=$(swap 0 198.51.100.10 2001:db8:1::10) port=7000 up=$(size 0) down=$(size 2) close=half
tcp out,_receivers_stop_$n c=C s=R to=198.51.100.10 port=7000 up=2000000 down=2000000 stall=500 rcvbuf=20000
crr out,_short_$n c=C s=R to=$(swap 1 198.51.100.10 2001:db8:1::10) port=7000 count=100
rr out,_exchanges_$n c=C s=R to=198.51.100.10 port=7000 parallel=20 count=500
udp out,_datagrams_$n c=C s=R to=$(swap 0 198.51.100.10 2001:db8:1::10) port=7000 sizes=0,1,1400,20000 count=5
udp out,_clients_$n c=C s=R to=198.51.100.10 port=7000 parallel=8
error out,_refused_$n c=C to=198.51.100.10 port=7999 count=5 want=ECONNREFUSED
udp-error out,_datagrams_refused_$n c=C to=2001:db8:1::10 port=7999 count=5 want=ECONNREFUSED
END
}
jobs_in()
{
	cat <<END
tcp in,_down_$n c=R s=C to=$(swap 0 198.51.100.2 2001:db8:1::2) port=8000 up=$(size 3) down=$(size 1) close=server
tcp in,_a_slow_receiver_$n c=R s=C to=198.51.100.2 port=8000 up=1500000 down=1500000 rate=1500000 rcvbuf=20000
crr in,_short_$n c=R s=C to=$(swap 1 198.51.100.2 2001:db8:1::2) port=8000 count=100
udp in,_datagrams_$n c=R s=C to=$(swap 1 198.51.100.2 2001:db8:1::2) port=8000 sizes=0,1,1400,20000 count=5
END
}
jobs_spliced()
{
	cat <<END
tcp spliced,_in_$n c=H s=C to=127.0.0.1 port=8001 up=$(size 1) down=$(size 3) stall=100
crr spliced,_in,_short_$n c=H s=C to=::1 port=8001 count=100
udp spliced,_in,_datagrams_$n c=H s=C to=127.0.0.1 port=8001 sizes=0,1,1400,60000 count=5
tcp spliced,_out_$n c=C s=H to=$(swap 0 127.0.0.1 ::1) port=8200 up=$(size 2) down=$(size 4) close=half
udp spliced,_out,_datagrams_$n c=C s=H to=::1 port=8200 sizes=0,1,1400,60000 count=5
END
}
# begin NAME JOBS: in the background
begin()
{
	xfer_paths <<<"$2" >"$T/jobs.$1"
	"$TOOLS/xfer" -t 120 <"$T/jobs.$1" >"$T/out.$1" 2>&1 &
	XFERPID=$!
}
# results NAME: of those that have ended
results()
{
	GOOD=$((GOOD + $(grep -c '^ok' "$T/out.$1")))
	[ "$(grep -c '^ok' "$T/out.$1")" = "$(grep -c . "$T/jobs.$1")" ] || bad "$1" "$(grep -v '^ok' "$T/out.$1")"
}
# now NAME JOB: one, and wait
now()		{ begin "$1" "$2"; wait $XFERPID; results "$1"; }

# ---- What changes meanwhile

uses()		{ [ "$(C python3 "$SYS/follow.py" query $F 53 1 1)" = "$1" ]; }
closed()	{ ! listens "$1"; }
change_resolver()
{
	servers "$(swap 0 198.51.100.10 198.51.100.11)"
	must "resolver" until_ 120 uses "$(swap 0 198.51.100.10 198.51.100.11)"
}
change_ports()
{
	local port=$((8100 + n % 50))
	must "add a rule" P -A -t $port -u $port
	now rule "tcp rule_$n c=R s=C to=198.51.100.2 port=$port up=$(size 0) down=$(size 2)
udp rule,_datagrams_$n c=R s=C to=2001:db8:1::2 port=$port sizes=1,1400"
	must "delete a rule" P -D -t $port -u $port
	must "its port is closed" until_ 120 closed $port
}
change_policy()
{
	local now=()
	[ $((n % 2)) = 0 ] || now=(--now)
	echo "deny tcp/198.51.100.10:$(swap 0 7100 7101) \"round $n\"" >"$T/policy"
	must "rules about destinations" P "${now[@]}" --policy "$T/policy"
	now policy "error denied_$n c=C to=198.51.100.10 port=$(swap 0 7100 7101) want=ECONNREFUSED
tcp allowed_$n c=C s=R to=198.51.100.10 port=$(swap 1 7100 7101) up=70000 down=70000"
}
# The guest's kernel, or with pasta the loop, does nothing for a while in the midst of all that
change_speed()
{
	local p=${GUESTPID:-$PASTAPID}
	kill -STOP "$p"
	read -rt 0.3 <> <(:)
	kill -CONT "$p"
}
# Names of its own are hundreds of files
guest_files()	{ [ -z "${GN:-}" ] || { rm -f "$T/guest.$GN.out"; GN=$((GN - 1)); }; }

# ---- Guests that go in the midst of transfers, or processes of a guest

received()	{ C awk '/ext:/ { print $2 }' /proc/self/net/dev; }
beyond()	{ [ "$(received)" -gt "$1" ]; }
leave()
{
	local at
	at=$(received)
	begin cut "tcp cut_$n c=C s=R to=198.51.100.10 port=7200 up=1000000000 down=1000000000"
	must "a transfer is under way" until_ 120 beyond $((at + 3000000))
	if [ "$1" = guest ]; then
		kill "$GUESTPID"
		wait "$GUESTPID"
		kill $XFERPID 2>"$T/null"		# it may have ended: the device is gone
		guest_files
		guest_up || bad guest "does not come back"
	else
		kill -KILL $XFERPID
	fi
	wait $XFERPID 2>"$T/null"
	! grep -q 'byte [0-9]* is' "$T/out.cut" || bad "cut" "$(cat "$T/out.cut")"
	now again "tcp again_$n c=C s=R to=198.51.100.10 port=7000 up=70000 down=70000"
}
# To another network, and back
roam()
{
	nets
	wlan
	must "another network" until_ 120 C_is "$IN_WLAN"
	must "its hosts" until_ 120 traffic 203.0.113.10
	nets
	ext
	must "back" until_ 120 C_is "$IN_EXT"
	must "its hosts" until_ 120 traffic 2001:db8:1::10
}

# ---- What is in use

metric()	{ awk -v m="$1" '$1 == m { print $2 }' "$T/metrics"; }
no_connections()
{
	P --metrics >"$T/metrics" && [ "$(metric 'passt_flows{type="tcp"}')" = 0 ] &&
		[ "$(metric 'passt_flows{type="splice"}')" = 0 ]
}
sample()
{
	local p kb=0 fds=0 files tcp udp ping spliced
	P --metrics >"$T/metrics"
	tcp=$(metric 'passt_flows{type="tcp"}') udp=$(metric 'passt_flows{type="udp"}')
	ping=$(metric 'passt_flows{type="ping"}')
	spliced=$(($(metric 'passt_flows{type="splice"}') + $(metric 'passt_flows{type="udp_splice"}')))
	for p in $(pgrep -x '(passt|pasta)(-[a-z]+)?'); do
		kb=$((kb + $(awk '/RssAnon/ { print $2 }' "/proc/$p/status")))
		fds=$((fds + $(find "/proc/$p/fd" -type l | wc -l)))
	done
	files=$((fds - udp - ping))
	echo "$((SECONDS - start)) $kb $fds $files $tcp $((udp + ping)) $spliced" >>"$SAMPLES"
}
# most COLUMN first|last: of samples in the first or the last tenth of the time, at least one
most()
{
	awk -v c="$1" -v part="$2" '{ t[NR] = $1; v[NR] = $c + 0 } END {
		m = -1
		for (i = 1; i <= NR; i++)
			if (part == "first" ? i == 1 || t[i] <= t[NR] / 10 : i == NR || t[i] >= t[NR] * 9 / 10)
				m = v[i] > m ? v[i] : m
		print m }' "$SAMPLES"
}
round()
{
	local pids=() names=(out in) i
	begin out "$(jobs_out)"; pids+=("$XFERPID")
	begin in "$(jobs_in)"; pids+=("$XFERPID")
	[ "$LINK" != tap ] || { names+=(spliced); begin spliced "$(jobs_spliced)"; pids+=("$XFERPID"); }
	change_resolver
	change_ports
	change_policy
	change_speed
	[ "$LINK" != vhost ] || kill -USR1 "$GUESTPID"
	must "echo" C ping -nqc 1 -W 20 198.51.100.10
	for i in "${!pids[@]}"; do
		wait "${pids[i]}"
		results "${names[i]}"
	done
	leave client
	if [ "$LINK" = tap ]; then roam; else leave guest; fi
	wait_for 120 no_connections || bad "connections" "$(P --flows)"
	sample
	n=$((n + 1))
}

# ---- Before the first round: more at once than in any round, so that what all need later is in memory

stretch()
{
	local i at pids=()
	for i in {1..12}; do
		at="c=C s=R to=198.51.100.10 port=73$((i + 10))"
		begin stretch$i "tcp stretch$i $at up=4000000 stall=3000 rcvbuf=10000
crr stretch,_short$i $at count=400
udp stretch,_flows$i $at parallel=128
tcp stretch,_down$i $at down=8000000 stall=500 rcvbuf=10000"
		pids+=("$XFERPID")
	done
	change_speed
	for i in {1..12}; do
		wait "${pids[i - 1]}"
		results stretch$i
	done
}

# ---- It begins

R ip addr add 198.51.100.11/24 dev ext
names R 53
etc
servers 198.51.100.10
for ns in R ""; do	# or ports would be used up for a minute
	$ns sysctl -qw net.ipv4.tcp_max_tw_buckets=500
done
echo "deny tcp/198.51.100.10:7100" >"$T/policy"
splice=()
[ "$LINK" != tap ] || splice=(-T 8200 -U 8200)
pasta_up -c "$S" --flow-log "$L" --log-size 1000000 --policy "$T/policy" --dns-forward $F -t 8000-8001 -u 8000-8001 \
	"${splice[@]}"
C sysctl -qw net.ipv4.tcp_max_tw_buckets=500
: >"$SAMPLES"
start=$SECONDS
[ "$SECONDS_SOAK" -lt 60 ] || stretch
while [ $n -lt 2 ] || [ $((SECONDS - start)) -lt "$SECONDS_SOAK" ]; do
	next=$((SECONDS + 5))
	round
	# Not more rounds when the machine has more time: flows of datagrams live for minutes
	[ "$SECONDS_SOAK" -lt 60 ] || sleep $((next > SECONDS ? next - SECONDS : 0))
done

if [ $n -ge 50 ]; then
	none() { P --metrics >"$T/metrics" && ! grep '^passt_flows{' "$T/metrics" | grep -v udp_socket |
		grep -qv ' 0$'; }
	ok "PEER-04 in the end, no flow is left" wait_for 400 none
	sample
fi
diag "$n rounds in $((SECONDS - start)) s, $GOOD transfers; \
bytes from the guest $(metric passt_from_guest_bytes_total), to it $(metric passt_to_guest_bytes_total)"
diag "first tenth, last tenth: kB $(most 2 first), $(most 2 last); descriptors $(most 4 first), $(most 4 last); \
flows of datagrams $(most 6 first), $(most 6 last)"
is "PEER-03 of all transfers and changes, those that went wrong" "$BAD" 0
le "PEER-03 kB of memory, next to those of the first tenth" "$(most 2 last)" \
	$(($(most 2 first) + (SECONDS_SOAK < 1800 ? 6000 : 512)))	# flows of datagrams live for 180 s
le "PEER-03 descriptors, next to those" "$(most 4 last)" $(($(most 4 first) + 94))
is "PEER-03 TCP flows that are left after a round" "$(most 5 last)" 0
ok "the flow log is lines of JSON" python3 "$SYS/flow_log.py" count "$L"

done_testing
