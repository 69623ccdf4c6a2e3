#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# the record of flows, as a file and by the control socket; metrics, and tables of what is alive
LINK=tap
. "${0%/*}/lib.sh"

S=$T/control.socket L=$T/flows
P() { "${PASTA%/*}/pesto" "$@" "$S" 2>&1; }
L() { python3 "$SYS/flow_log.py" "$@"; }
events() { grep -c "\"event\":\"$1\"" "$L"; }
has() { grep -q "$1" "$L"; }

topology
for a in 9.9.9.9 10.9.0.1; do R ip addr add $a/32 dev lo; done
R ip addr add 2620:fe::9/128 dev lo nodad
echo old >"$L"
chmod 644 "$L"
printf '%s\n' 'deny tcp/9.9.9.9:7001 "not here"' 'allow tcp/127.0.0.1:7000' >"$T/policy"

# ---- Each kind of flow, allowed and not
pasta_up -c "$S" --flow-log "$L" --policy "$T/policy" --egress internet -t 8000 -u 8000 -T 7000-7001
is "the file is emptied, and for its owner only" "$(stat -c '%a %s' "$L")" "600 0"
xfer 10 <<END
tcp TCP c=C s=R to=9.9.9.9 port=7000 up=1000 down=200000
tcp TCP,_IPv6 c=C s=R to=2620:fe::9 port=7000 up=1000 down=2000
udp UDP c=C s=R to=9.9.9.9 at=9.9.9.9 port=7000 sizes=1,1000
error TCP,_refused_by_a_rule c=C to=9.9.9.9 port=7001 want=ECONNREFUSED
error TCP,_refused_by_default c=C to=10.9.0.1 port=7000 want=ECONNREFUSED
udp-error UDP,_refused c=C to=10.9.0.1 port=7000 want=EHOSTUNREACH
tcp TCP_from_outside c=R s=C to=198.51.100.2 src=198.51.100.10 port=8000 up=1000 down=1000
udp UDP_from_outside c=R s=C to=198.51.100.2 src=198.51.100.10 port=8000 sizes=1,1000
tcp -T c=C s=H to=127.0.0.1 port=7000 up=1000 down=1000
END
ok "echo" C ping -nqc 1 -W 5 9.9.9.9
not "echo, refused" C ping -nqc 1 -W 5 10.9.0.1
C python3 -c 'import socket
try:
    socket.create_connection(("127.0.0.1", 7001)).recv(1)
except ConnectionError:
    pass'
ok "a line is there as soon as it happened" wait_for 5 has '"port":7001,"rule":"egress internet"'
like "--flows: what is alive, and the rule that allowed it" "$(P --flows)" \
	"PROTO .*udp .*  out  9.9.9.9:7000 +egress internet"
pasta_stop
is "after the end, every line is there, and every flow has an end" "$(L lines "$L")" \
"allow in tcp 198.51.100.10 rule=-t 8000
allow in udp 198.51.100.10 rule=-u 8000
allow out icmp 9.9.9.9 rule=egress internet
allow out tcp 127.0.0.1 7000 rule=tcp/127.0.0.1:7000
allow out tcp 2620:fe::9 7000 rule=egress internet
allow out tcp 9.9.9.9 7000 rule=egress internet
allow out udp 9.9.9.9 7000 rule=egress internet
deny out icmp 10.9.0.1 rule=egress internet
deny out tcp 10.9.0.1 7000 rule=egress internet
deny out tcp 127.0.0.1 7001 rule=egress internet
deny out tcp 9.9.9.9 7001 rule=tcp/9.9.9.9:7001 reason=not here
deny out udp 10.9.0.1 7000 rule=egress internet
end in tcp 198.51.100.10
end in udp 198.51.100.10
end out icmp 9.9.9.9
end out tcp 127.0.0.1 7000 1000/1000
end out tcp 2620:fe::9 7000 1000/2000
end out tcp 9.9.9.9 7000 1000/200000
end out udp 9.9.9.9 7000"
not "the process that writes has ended" pgrep passt-flows

# ---- A process that is slow, or a disk that is full: what is lost is counted
# A denial is a decision: one more, if a SYN is sent again
denied() { P | sed -n 's/.*deny private  (\([0-9]*\))/\1/p'; }
D() { C python3 "$SYS/flow_log.py" deny "$1" 10.9.0.1 7000; }
mkdir "$T/small"
mount -t tmpfs -o size=4m tmpfs "$T/small"
L=$T/small/flows
pasta_up -c "$S" --flow-log "$L" --log-size 100000000 --deny private
WRITER=$(pgrep passt-flows)
like "the process that writes has no capability" "$(grep CapEff "/proc/$WRITER/status")" "0000000000000000"
kill -STOP "$WRITER"
ok "16,000 denials while the process that writes is stopped" D 16000
xfer 10 <<END
tcp and_flows_flow c=C s=R to=9.9.9.9 port=7000 up=1000000 down=1000000
END
kill -CONT "$WRITER"
ok "once it goes on, lost lines are counted, without another one" wait_for 20 has '"lost"'
wait_for 20 no_flows
D 1
ok "all were counted" [ "$(denied)" -ge 16001 ]
wait_for 20 eval '[ "$(L sum "$L")" = $(($(denied) + 2)) ]'
like "lines and lost ones are all there were" "$(L count "$L")" "allow=1 deny=[0-9]+ end=1 lost=[0-9]+"
is "each line or counted" "$(L sum "$L")" $(($(denied) + 2))
head -c 4m /dev/zero >"$T/small/other" 2>"$T/null"
D 100
rm "$T/small/other"
D 1
wait_for 20 eval '[ "$(L sum "$L")" = $(($(denied) + 2)) ]'
is "a disk that was full: the same" "$(L sum "$L")" $(($(denied) + 2))
kill -KILL "$WRITER"
D 10
xfer 10 <<END
tcp without_the_process_that_writes,_flows_flow c=C s=R to=9.9.9.9 port=7000 up=1000 down=1000
END
pasta_stop
umount "$T/small"

# ---- Rotation
L=$T/flows
pasta_up -c "$S" --flow-log "$L" --log-size 40960 --deny private
D 1000
wait_for 20 has '"id":1000,'
le "the file stays below its size" "$(stat -c %s "$L")" 40960
ok "and is half full, or more" [ "$(stat -c %s "$L")" -gt 20000 ]
is "its lines are whole" "$(L count "$L")" "deny=$(wc -l <"$L")"
pasta_stop

# ---- By the control socket, without a file
pasta_up -c "$S" --deny private -t 8000
"${PASTA%/*}/pesto" --events "$S" >"$T/events" 2>&1 & EVENTS=$!
wait_for 20 eval 'D 1; grep -q deny "$T/events"'
before=$(($(denied) - $(L sum "$T/events")))		# until it was there
is "a client that is slow: lines, and the number of lost ones" \
	"$(C python3 "$SYS/flow_log.py" slow "$S" 20000 10.9.0.1 7000)" "some lost"
wait_for 20 eval '[ "$(L sum "$T/events")" = $(($(denied) - before)) ]'
is "--events: each, or counted" "$(L sum "$T/events")" $(($(denied) - before))
ok "and these are many" [ "$(denied)" -gt 20000 ]
kill "$EVENTS"
wait "$EVENTS" 2>"$T/null"
like "--metrics" "$(P --metrics | L metrics)" \
	"^passt_flows .*passt_drops .*passt_tcp_retransmissions .*passt_tcp_resets .*\
passt_flow_bytes passt_table_used passt_listeners passt_denials$"
like "--metrics: denials by rule" "$(P --metrics)" "passt_denials_total\{rule=\"private\"\} $(denied)"
like "--metrics: drops by reason" "$(P --metrics)" "passt_drops_total\{reason=\"policy\"\} $(denied)"
is "--top, without a terminal: one table" "$(P --top | head -c 5)" PROTO

# A connection in each direction that lasts, and one that moves
cat >"$T/hold.py" <<'END'
import socket, sys, time
a = socket.create_server(("", 7000))
open(sys.argv[1], "w")
c = a.accept()[0]
n = 0
while True:
    c.send(bytes(1000))
    time.sleep(0.01)
END
R python3 "$T/hold.py" "$T/hold.up" 2>"$T/null" & HOLD=$!
wait_for 20 test -e "$T/hold.up"
C python3 -c 'import socket
s = socket.create_connection(("9.9.9.9", 7000))
while s.recv(65536): pass' & READ=$!
wait_for 20 eval 'P --flows | grep -q "9.9.9.9:7000"'
like "--flows: rates, age, address and rule" "$(P --flows)" \
	"tcp +[0-9.]+k +0 +[0-9]+s  out  9\.9\.9\.9:7000 +egress open"
for size in "24 80" "5 30" "2 9" "50 200"; do
	# shellcheck disable=SC2086 # two numbers
	like "--top: $size" "$(L top $size "${PASTA%/*}/pesto" --top "$S")" "^status 0"
done
like "--top: a line about all, the title, rows" "$(L top 24 100 "${PASTA%/*}/pesto" --top "$S")" \
	"1 flows, to the guest .*
PROTO .*
tcp .*9\.9\.9\.9:7000"

# The client in the manual
sed -n '/^import json, socket.*flow log/,/^```/p' "$TOP/doc/control.md" |
	sed "/^\`/d; s#/tmp/pasta.socket#$S#" >"$T/client.py"
le "a client of ten lines" "$(wc -l <"$T/client.py")" 10
timeout 20 python3 "$T/client.py" >"$T/client.out" 2>&1 & CLIENT=$!
wait_for 20 eval 'D 1; grep -q "deny.*10.9.0.1" "$T/client.out"'
kill $CLIENT $HOLD $READ 2>/dev/null
pasta_stop

# ---- Names
resolv "nameserver 198.51.100.10"
R python3 "$SYS/dns_tool.py" serve "$T/queries" 198.51.100.10 >"$T/resolver" 2>&1 & RESOLVER=$!
wait_for 20 grep -q ready "$T/resolver"
pasta_up -c "$S" --flow-log "$L" --allow good.test.example:7000
is "a name that a rule allows" "$(C python3 "$SYS/dns_tool.py" ask 198.51.100.10 good.test.example)" "NOERROR 9.9.9.9"
xfer 10 <<END
udp a_flow_by_name c=C s=R to=9.9.9.9 at=9.9.9.9 port=7000 sizes=1,1000
END
like "--flows: the name" "$(P --flows)" "udp .*  out  good\.test\.example 9\.9\.9\.9:7000 +good\.test\.example:7000"
ok "the record has it, too" \
	wait_for 5 has '"event":"allow".*"port":7000,"name":"good.test.example","rule":"good.test.example:7000"'
ok "and the answer" \
	has '"event":"dns",.*"name":"good.test.example","type":"A","verdict":"allow","addresses":\["9.9.9.9"\]}'
kill $RESOLVER
pasta_stop
done_testing
