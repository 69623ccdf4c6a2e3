#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# what pasta tells: capture, counters, log
. "${0%/*}/lib.sh"

topology

# Nothing but what was on the link, all of it, readable by nobody else
pasta_up --pcap "$T/link.pcap" -t 8000
xfer <<END
tcp transfer_while_a_capture_runs,_out c=C s=R to=198.51.100.10 port=7000 up=300000 down=300000
tcp transfer_while_a_capture_runs,_in c=R s=C to=2001:db8:1::2 port=8000 up=300000 down=300000
udp datagrams_while_a_capture_runs c=C s=R to=2001:db8:1::10 port=7000 sizes=0,1,1000,20000
END
C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
kill -USR1 "$PASTAPID"
wait_for 20 grep -q "From guest" "$PASTA_LOG"
read -r rx tx < <(C awk '/ext:/ { print $3, $11 }' /proc/net/dev)
pasta_stop		# at once: the kernel there may have more to say at any time
is "PCAP-01 SEC-07 mode of the file" "$(stat -c %a "$T/link.pcap")" 600
tshark -r "$T/link.pcap" -o ip.check_checksum:FALSE -Y '_ws.malformed || _ws.expert.severity == error' \
	>"$T/bad" 2>"$T/tshark"
is "PCAP-01 tshark finds nothing wrong" "$(cat "$T/bad")" ""
unlike "PCAP-01 tshark reads it to the end" "$(cat "$T/tshark")" "cut short|appears|damaged|corrupt"
n=$(tshark -r "$T/link.pcap" 2>/dev/null | wc -l)
is "PCAP-01 every frame that the namespace saw, and no other" "$n" $((rx + tx))
is "PCAP-01 payload of the first transfer is there" \
	"$(tshark -r "$T/link.pcap" -Y 'tcp.dstport == 7000' -T fields -e tcp.seq -e tcp.len 2>/dev/null |
		awk '$1 <= end + 1 && $1 + $2 > end + 1 { end = $1 + $2 - 1 } END { print end }')" 300000
like "counters on SIGUSR1" "$(cat "$PASTA_LOG")" "From guest: [0-9]+ frames"

# Counters at an interval, and none for one in which nothing happened
told() { grep -c "From guest" "$PASTA_LOG"; }
more() { [ "$(told)" -gt "$1" ]; }
calm() { local f; f=$(frames); sleep "$1"; [ "$(frames)" = "$f" ]; }
silent() { local n; wait_for 20 calm 2; n=$(told); calm 3 && [ "$(told)" = "$n" ]; }
pasta_up --stats 1
C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
ok "--stats 1: counters while there is traffic" wait_for 20 more 0
ok "--stats 1: nothing once nothing moves" until_ 30 silent
n=$(told)
C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
ok "--stats 1: and again when something does" wait_for 20 more "$n"
pasta_stop

# Log file
container
program -l "$T/a.log" -P "$T/a.pid" >"$T/a.out" 2>&1
p=$(cat "$T/a.pid")
like "first line of the log has version and process ID" "$(head -n 1 "$T/a.log")" "PID $p( |$)"
is "SEC-07 mode of the log" "$(stat -c %a "$T/a.log")" 600
like "log goes to stderr, too, until the start is over" "$(cat "$T/a.out")" "198.51.100.2"
is "LOG-02 time stamps rise" "$(sed 1d "$T/a.log" | awk '{ print $1 + 0 }')" \
	"$(sed 1d "$T/a.log" | awk '{ print $1 + 0 }' | sort -n)"
kill "$p"
wait_for 20 gone "$p"
echo old >"$T/a.log"
program -q -l "$T/a.log" -P "$T/a.pid" >"$T/a.out" 2>&1
is "--quiet: not a word" "$(cat "$T/a.out")" ""
unlike "log of another run is gone" "$(cat "$T/a.log")" "old"
p=$(cat "$T/a.pid")
kill "$p"
wait_for 20 gone "$p"

# It stays within its size, whatever is told: a trace of many connections
pasta_up --trace --log-size 65536
xfer <<END
crr while_a_full_log_rotates c=C s=R to=198.51.100.10 port=7000 count=3000
END
unlike "LOG-07 no timeouts are told, which would have to be those that are armed" "$(cat "$PASTA_LOG")" \
	"[Tt]ime(r|out|d out)|[0-9] ?(ms|s)( |$)"
le "size of the log after a flood" "$(stat -c %s "$PASTA_LOG")" 65536
not "and it is not empty" [ "$(stat -c %s "$PASTA_LOG")" -lt 16384 ]
like "first line is still the first" "$(head -n 1 "$PASTA_LOG")" "PID"
is "time stamps still rise" "$(sed 1d "$PASTA_LOG" | awk '{ print $1 + 0 }' | head -n 500)" \
	"$(sed 1d "$PASTA_LOG" | awk '{ print $1 + 0 }' | head -n 500 | sort -n)"
pasta_stop

# LOG-05: what a guest can provoke at will is not told each time
pasta_up --log-size 10000000
cat >"$T/flood.py" <<'END'
from frames import *
link = Link()
for i in range(5000):
    link.s.send(bytes.fromhex(link.gw.replace(":", "") + link.mac.replace(":", "")) + b"\x08\x00" + os.urandom(60))
    link.s.send(bytes.fromhex(link.gw.replace(":", "") + link.mac.replace(":", "")) + b"\x86\xdd" + os.urandom(60))
END
C python3 "$T/flood.py" >"$T/flood" 2>&1 || diag "$(cat "$T/flood")"
ok "10,000 senseless frames, and the process lives" C ping -nqc 1 -W 5 198.51.100.10
le "LOG-05 lines of log" "$(wc -l <"$PASTA_LOG")" 200
kill -USR1 "$PASTAPID"
wait_for 20 grep -q Dropped "$PASTA_LOG"
like "but they are counted" "$(grep Dropped "$PASTA_LOG")" "[0-9]{3}"
pasta_stop

# LOG-04: no system calls for what is not told
pasta_up
C ping -nqc 1 -W 5 198.51.100.10 >"$T/null"
strace -f -c -o "$T/strace" -p "$PASTAPID" 2>"$T/strace.err" & s=$!
wait_for 10 grep -q attached "$T/strace.err"
xfer <<END
tcp transfer_under_strace c=C s=R to=198.51.100.10 port=7000 up=20000000
END
kill -INT $s
wait $s
[ $LINK = vhost ] && unneeded='' || unneeded='write|'	# its notifications
is "LOG-04 system calls that a transfer does not need" \
	"$(awk '$NF ~ /^('"$unneeded"'sendto|time|gettimeofday|clock_gettime|prctl|getpid|ioctl)$/ { print $NF }' \
	"$T/strace")" ""
like "LOG-04 and those it needs were seen" "$(cat "$T/strace")" "sendmsg"

done_testing
