#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# every system call the program makes once it runs has a row in isolate.c's table
#
# A call without one would end the process with SIGSYS. Rows that no call here used are listed.
. "${0%/*}/lib.sh"

ISOLATE=$TOP/isolate.c

# Names of calls that have a row for a mode like that, but for sanitizers' own
rows() # REGEX
{
	sed -n '/^} allowed\[\] = {/,/^};/p' "$ISOLATE" | sed '/^#ifdef SANITIZED/,/^#e/d' | grep -E "$1" |
		sed -n 's/^\tROW(__NR_\([a-z0-9_]*\).*/\1/p' | sort -u
}
# Names of calls in a trace, without those before the filter was installed
calls()
{
	sed '1,/seccomp(SECCOMP_SET_MODE_FILTER/d' "$1" | sed -n 's/^\([a-z0-9_]*\)(.*/\1/p'
}

topology
resolv "nameserver 198.51.100.1"
rows . >"$T/rows"
rows '\b(ALL|LOOP|LOOP_PASTA|OPENER|SETTER|READER)\b' >"$T/rows.pasta"
rows '\b(ALL|LOOP|LOOP_PASST|READER)\b' >"$T/rows.passt"
le "the table was found" 40 "$(wc -l <"$T/rows.pasta")"
le "the table was found, passt" 40 "$(wc -l <"$T/rows.passt")"

# Started under strace: every thread and process has a file of its own
traced()	# NAME PROGRAM OPTION...
{
	local name=$1 program=$2
	shift 2
	mkdir "$T/$name"
	strace -qq -ff -o "$T/$name/trace" "$program" -P "$T/pasta.$name.pid" -l "$T/pasta.$name.log" "$@" \
		>"$T/$name.out" 2>&1 </dev/null &
	STRACE=$!
	wait_for 20 test -s "$T/pasta.$name.pid"
	PASTAPID=$(cat "$T/pasta.$name.pid")
	PASTA_PIDFILE=$T/pasta.$name.pid
}

workload()
{
	xfer 20 <<-END
	tcp traced:_out,_up c=C s=R to=198.51.100.10 port=7000 up=3000000
	tcp traced:_out,_down,_v6 c=C s=R to=2001:db8:1::10 port=7000 down=3000000 close=half
	tcp traced:_in c=R s=C to=198.51.100.2 src=198.51.100.10 port=8000 up=100000 down=100000
	udp traced:_datagrams c=C s=R to=198.51.100.10 port=7001 sizes=0,100,1400,9000
	udp traced:_datagrams,_in,_v6 c=R s=C to=2001:db8:1::2 port=8000 sizes=1,3000
	error traced:_refused c=C to=198.51.100.10 port=7999 want=ECONNREFUSED
	crr traced:_short_connections c=C s=R to=198.51.100.10 port=7002 count=20
	tcp traced:_from_loopback c=H s=C to=127.0.0.1 port=8000 up=3000000 down=3000000 rcvbuf=5000
	crr traced:_short_connections_from_loopback,_v6 c=H s=C to=::1 port=8000 count=20
	udp traced:_datagrams_from_loopback c=H s=C to=127.0.0.1 port=8000 sizes=0,1400,60000
	END
	ok "traced: ping" C ping -nqc 2 -i 0.1 -W 5 198.51.100.10
	ok "traced: ping, IPv6" C ping -nqc 2 -i 0.1 -W 5 2001:db8:1::10
	not "traced: nobody there" C ping -nqc 1 -W 1 198.51.100.77
	C dig +tries=1 +time=1 @198.51.100.1 example.test >"$T/null" 2>&1
}

# In the background, with what users ask for: log, capture, statistics, rotation, no namespace left at the end
container
traced daemon "$PASTA" --config-net -t 8000 -T 8200 -u 8000 -U 8200 --trace --log-size 100000 --pcap "$T/daemon.pcap" \
	-c "$T/control" "$CPID"
workload
ok "traced: rules change" "${PASTA%/*}/pesto" -s -A -t 8001 -u 8001 -T 8201 -D -t 8001 -u 8001 -T 8201 "$T/control"
not "traced: a change fails" "${PASTA%/*}/pesto" -A -t 8002 -t 203.0.113.1/80 "$T/control"
xfer 20 <<END
tcp traced:_from_loopback_to_loopback c=C s=H to=127.0.0.1 port=8200 up=3000000 down=3000000 stall=100
udp traced:_datagrams_from_loopback_to_loopback c=C s=H to=::1 port=8200 sizes=0,1400,60000
END
kill -USR1 "$PASTAPID"
kill -STOP "$PASTAPID"
kill -CONT "$PASTAPID"
ok "traced: after SIGUSR1, SIGSTOP and SIGCONT" C ping -nqc 1 -W 5 198.51.100.10
pasta_may_end
kill "$CPID"
ok "traced: it ends with the namespace" wait_for 10 gone "$PASTAPID"
wait $STRACE

# In the foreground, a small MTU
container
traced foreground "$PASTA" -f --config-net --mtu 1500 -t 8000 -u 8000 "$CPID"
workload
pasta_stop
wait $STRACE

mkdir "$T/command"
strace -qq -ff -o "$T/command/trace" "$PASTA" --config-net -- ping -nqc 1 -W 5 198.51.100.10 >"$T/command.out" 2>&1 \
	</dev/null
is "traced: a command, its status" $? 0

# passt: guests that come, go, and are refused
container
SOCKET=$T/passt.socket
traced socket "$PASST" -s "$SOCKET" -t 8000 -u 8000 --pcap "$T/socket.pcap" -m 9000
guest_up -m 9000
workload
is "traced: a second guest is refused" "$(timeout 10 socat -u "UNIX-CONNECT:$SOCKET" - | wc -c)" 0
kill "$GUESTPID"
wait "$GUESTPID" 2>/dev/null
connected() { C ping -nqc 1 -W 1 198.51.100.10; }
guest_up -m 9000 && ok "traced: the next guest" wait_for 10 connected
kill -USR1 "$PASTAPID"
pasta_stop
wait $STRACE

for name in daemon foreground command socket; do
	[ $name = socket ] && mode=passt || mode=pasta
	filtered=$(grep -l 'seccomp(SECCOMP_SET_MODE_FILTER' "$T/$name"/trace.*)
	like "$name: the filter was installed under the trace" "$filtered" trace
	for f in $filtered; do calls "$f"; done | sort -u >"$T/$name.calls"
	le "$name: calls were seen" 8 "$(wc -l <"$T/$name.calls")"
	is "$name: calls without a row" "$(comm -13 "$T/rows.$mode" "$T/$name.calls" | tr '\n' ' ')" ""
	unlike "$name: nobody was ended by the filter" "$(cat "$T/$name"/trace.*)" "SIGSYS"
done
diag "rows that nothing here used: $(sort -u "$T"/*.calls | comm -23 "$T/rows" - | tr '\n' ' ')"

done_testing
