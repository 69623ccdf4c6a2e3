#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# many flows come and go: neither memory nor descriptors nor the cost of the next one grow
. "${0%/*}/lib.sh"

ROUNDS=5 CONNECTIONS=2000 DATAGRAMS=300

cat >"$T/serve.py" <<'E'
"""Answers what it gets, by TCP (and closes) on port 7000, by UDP on 7001; leaves connections to 7002 half open."""
import resource, select, socket

resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
socks = []
for port, kind in (7000, socket.SOCK_STREAM), (7001, socket.SOCK_DGRAM), (7002, socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port))
    if kind == socket.SOCK_STREAM:
        s.listen(1000)
    socks.append(s)
tcp, udp, half = socks
kept = []
print("ready", flush=True)
while True:
    for s in select.select(socks, [], [])[0]:
        if s is udp:
            data, peer = udp.recvfrom(2000)
            udp.sendto(data, peer)
            continue
        conn, _ = s.accept()
        if s is half:
            conn.shutdown(socket.SHUT_WR)
            kept.append(conn)
            continue
        try:
            conn.send(conn.recv(100))
        except OSError:
            pass
        conn.close()
E

cat >"$T/ask.py" <<'E'
"""ask.py tcp|udp|half COUNT: that many connections or sockets; says how many were answered, and the CPU time for it, in ticks"""
import os, signal, socket, sys, time

what, count, good, kept = sys.argv[1], int(sys.argv[2]), 0, []
for i in range(count):
    to = ("198.51.100.10", "2001:db8:1::10")[i % 2]
    kind = socket.SOCK_DGRAM if what == "udp" else socket.SOCK_STREAM
    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, kind)
    s.settimeout(10)
    try:
        if what == "udp":               # the same ports in each round: flows are used again
            s.bind(("", 20000 + i))
        s.connect((to, {"tcp": 7000, "udp": 7001, "half": 7002}[what]))
        if what == "half":
            good += s.recv(1) == b""
            kept.append(s)
            continue
        s.send(b"%d" % i)
        good += s.recv(100) == b"%d" % i
    except OSError:
        pass
    s.close()
print(good, round(time.process_time() * os.sysconf("SC_CLK_TCK")), flush=True)
if what == "half":
    print(os.getpid(), flush=True)
    signal.pause()
E

topology
pasta_up
R python3 "$T/serve.py" >"$T/serve.out" 2>&1 &
wait_for 10 grep -q ready "$T/serve.out"

ticks()		{ awk '{ print $14 + $15 }' "/proc/$PASTAPID/stat"; }
tasks()		{ find "/proc/$PASTAPID/task" -mindepth 1 -maxdepth 1 | wc -l; }
tcp_flows()	{ flows | sed -n 's/^\([0-9]*\) TCP.*/\1/p'; }
no_tcp_flows()	{ [ "$(tcp_flows)" = 0 ]; }

is "PEER-16 as many descriptors as there may be" \
	"$(awk '/Max open files/ { print ($4 == $5) }' "/proc/$PASTAPID/limits")" 1

lost=0
for ((i = 0; i < ROUNDS; i++)); do
	before=$(ticks)
	read -r got clients < <(C python3 "$T/ask.py" tcp $CONNECTIONS)
	lost=$((lost + CONNECTIONS - ${got:-0}))
	read -r got more < <(C python3 "$T/ask.py" udp $DATAGRAMS)
	lost=$((lost + DATAGRAMS - ${got:-0}))
	cost[i]=$(($(ticks) - before)) theirs[i]=$((clients + more))
	wait_for 20 no_tcp_flows
	rss[i]=$(rss_of "$PASTAPID") fds[i]=$(fds) procs[i]=$(tasks)
done
diag "ticks ${cost[*]}, clients' ${theirs[*]}; kB ${rss[*]}; descriptors ${fds[*]}; tasks ${procs[*]}"
last=$((ROUNDS - 1))
is "connections and datagrams without an answer" "$lost" 0
# Whatever else keeps the machine busy makes each system call dearer: for the clients, too, in the last round as before
most=$((theirs[last] > theirs[1] ? theirs[last] : theirs[1]))
le "PEER-07 CPU time of the last $((CONNECTIONS + DATAGRAMS)), in ticks, next to that of the second as many" \
	"${cost[last]}" $(((2 * cost[1] + 10) * (most + 1) / (theirs[1] + 1)))
le "PEER-03 resident memory, next to that after the second round, kB" "${rss[last]}" $((rss[1] + 200))
is "PEER-03 descriptors, next to that" "${fds[last]}" "${fds[1]}"
is "PEER-09 no thread or process for a connection" "${procs[last]}" "${procs[0]}"

# Half closed by their peers, and left so
C python3 "$T/ask.py" half 1000 >"$T/half.out" 2>&1 &
half() { [ "$(wc -l <"$T/half.out")" = 2 ]; }
wait_for 20 half
is "PEER-04 1,000 connections stay half closed" "$(sed 's/ .*//;q' "$T/half.out") $(tcp_flows)" "1000 1000"
is "PEER-04 others work meanwhile" "$(C python3 "$T/ask.py" tcp 50 | sed 's/ .*//')" 50
kill "$(sed -n 2p "$T/half.out")"
ok "PEER-04 they end with who left them" wait_for 10 no_tcp_flows

done_testing
