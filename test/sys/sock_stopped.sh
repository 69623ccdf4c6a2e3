#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# VM-04 a guest that stops reading, as a suspended one does, in the middle of transfers: passt waits, idle, and nothing
# is lost
LINK=sock
. "${0%/*}/lib.sh"

topology
pasta_up -t 8000 -u 8001

received()	{ C awk '/ext:/ { print $2 }' /proc/self/net/dev; }
sent()		{ C awk '/ext:/ { print $10 }' /proc/self/net/dev; }
beyond()	{ [ "$(received)" -gt "$1" ]; }
more()		{ [ "$(sent)" -gt "$1" ]; }
quiet()		{ local a; a=$("$@"); sleep 0.2; [ "$("$@")" = "$a" ]; }

# 20 datagrams, 15 of them from when nothing is read
C python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 8001))
s.settimeout(20)
print("ready", flush=True)
got = []
while len(got) < 20:
    got.append(s.recv(2000))
print("all" if sorted(got) == sorted(b"%d " % i * 300 for i in range(20)) else got, flush=True)' >"$T/udp" 2>&1 & udp=$!
wait_for 10 grep -q ready "$T/udp"
send() { # FROM TO: datagrams of these numbers
	R python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range($1, $2):
    s.sendto(b'%d ' % i * 300, ('198.51.100.2', 8001))"
}
send 0 5

printf '%s\n' "tcp - c=$(ns_of C) s=$T/R to=198.51.100.10 port=7000 down=1500000000" >"$T/job.out"
printf '%s\n' "tcp - c=$T/R s=$(ns_of C) to=2001:db8:1::2 port=8000 up=1500000000 close=server" >"$T/job.in"
pids=()
for j in out in; do
	"$TOOLS/xfer" -t 30 <"$T/job.$j" >"$T/xfer.$j" 2>&1 & pids+=($!)
done

for i in 1 2 3; do
	at=$(received)
	ok "VM-04 transfers are under way, time $i" wait_for 20 beyond $((at + 50000000))
	kill -STOP "$GUESTPID"
	send $((i * 5)) $((i * 5 + 5))
	if [ $i = 1 ]; then
		rests "VM-04 guest does not read" 6	# window probes
		ip addr add 198.51.100.3/32 dev lo
		ip addr del 198.51.100.3/32 dev lo
		rests "VM-04 and an address leaves the host" 6
	else
		wait_for 10 quiet cs_of $PASTAPID
	fi
	kill -CONT "$GUESTPID"
done
wait "${pids[@]}"
for j in out in; do
	like "VM-04 all of it arrives, connection $j" "$(cat "$T/xfer.$j")" "^ok"
done
wait $udp
is "VM-04 datagrams of the time when the guest did not read" "$(tail -n 1 "$T/udp")" all

# The other way: passt does not read, guest and peer wait
printf '%s\n' "tcp - c=$(ns_of C) s=$T/R to=198.51.100.10 port=7000 up=300000000 down=300000000" >"$T/job"
at=$(sent)
"$TOOLS/xfer" -t 30 <"$T/job" >"$T/xfer.both" 2>&1 & pid=$!
ok "transfer is under way" wait_for 20 more $((at + 20000000))
kill -STOP "$PASTAPID"
wait_for 10 quiet sent
kill -CONT "$PASTAPID"
wait $pid
like "all of it arrives when passt was stopped" "$(cat "$T/xfer.both")" "^ok"

done_testing
