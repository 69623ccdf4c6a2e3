#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# connections between loopback interfaces: socket to socket, in both directions
LINK=tap
. "${0%/*}/lib.sh"

topology
pasta_up -t 8000 -t 8080:80 -t 9000-9002:7000-7002 -t 127.0.0.1/8100 -T 8200 -T 8280:81 -T 9100-9102:7100-7102 \
	-T 127.0.0.1/8300 \
	-T 198.51.100.2/8400 -u 8000

# H's clients are seen as C itself: the bytes did not pass the link
ends=("in,_v4 c=H s=C to=127.0.0.1 src=198.51.100.2 port=8000" "in,_v6 c=H s=C to=::1 src=2001:db8:1::2 port=8000"
	"out,_v4 c=C s=H to=127.0.0.1 src=127.0.0.1 port=8200" "out,_v6 c=C s=H to=::1 src=::1 port=8200")
jobs()
{
	local e close
	for e in "${ends[@]}"; do
		echo "tcp one_byte,_$e up=1 down=1"
		for close in client server half; do
			echo "tcp SPL-09_10_MB_both_ways,_ended_by_$close,_$e up=10000000 down=10000000 close=$close"
		done
		echo "tcp SPL-09_up_only,_$e up=100000 close=half"
		echo "tcp SPL-09_down_only,_$e down=100000 close=half"
		echo "tcp SPL-01_10_MB_to_a_small_buffer,_in_small_pieces,_$e up=1000000 down=1000000 chunk=1000 rcvbuf=5000"
		echo "tcp SPL-01_a_receiver_that_sleeps,_$e up=3000000 down=10000000 stall=300"
		echo "rr SPL-10_requests_and_responses,_$e parallel=10 count=5000"
		echo "crr SPL-06_300_connections,_one_after_the_other,_$e count=300"
	done
	echo "tcp SPL-12_client_of_a_dual-stack_listener,_IPv4 c=H s=C to=127.0.0.1 at=198.51.100.2 src=198.51.100.2 port=8000 up=10"
	echo "tcp SPL-13_another_port,_in,_v4 c=H s=C to=127.0.0.1 src=198.51.100.2 port=8080 lport=80 up=1000 down=1000"
	echo "tcp SPL-13_another_port,_in,_v6 c=H s=C to=::1 src=2001:db8:1::2 port=8080 lport=80 up=1000 down=1000"
	echo "tcp SPL-13_another_port,_by_the_link c=R s=C to=198.51.100.2 src=198.51.100.10 port=8080 lport=80 up=1000 down=1000"
	echo "tcp SPL-13_another_port,_out c=C s=H to=127.0.0.1 port=8280 lport=81 up=1000 down=1000"
	echo "tcp SPL-13_a_range,_in c=H s=C to=127.0.0.1 port=9002 lport=7002 up=10"
	echo "tcp SPL-13_a_range,_out c=C s=H to=::1 port=9102 lport=7102 up=10"
	echo "tcp SPL-14_bound_to_loopback,_in c=H s=C to=127.0.0.1 src=198.51.100.2 port=8100 up=10"
	echo "tcp SPL-14_bound_to_loopback,_out c=C s=H to=127.0.0.1 src=127.0.0.1 port=8300 up=10"
	echo "tcp SPL-15_another_loopback_address,_out c=C s=H to=127.0.0.2 at=127.0.0.2 port=8200 up=10"
	echo "tcp bound_to_an_address,_out c=C s=H to=198.51.100.2 at=127.0.0.1 port=8400 up=10"
	echo "error bound_to_loopback,_out:_not_by_IPv6 c=C to=::1 port=8300 want=ECONNREFUSED"
	echo "error nothing_on_the_link c=R to=198.51.100.2 port=8200 want=ECONNREFUSED"
	echo "tcp from_elsewhere_by_the_link c=R s=C to=198.51.100.2 src=198.51.100.10 port=8000 up=1000 down=1000"
}
xfer 10 < <(jobs)

# A service on the namespace's loopback alone is its own
cat >"$T/reset.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.settimeout(5)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    print("data" if s.recv(1) else "end")
except OSError as e:
    print(type(e).__name__)
END
{ C python3 -c 'import os, socket, time
for a, f in ("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6):
    s = socket.socket(f); s.bind((a, 8000)); s.listen(); globals()[a] = s
print(os.getpid(), flush=True); time.sleep(1000)' >"$T/loopback"; } 2>"$T/null" &
disown
wait_for 20 test -s "$T/loopback"
for a in 127.0.0.1 ::1; do
	is "SPL-16 SPL-08 a service on the namespace's loopback is not exposed, RST: $a" \
		"$(python3 "$T/reset.py" $a 8000)" ConnectionResetError
done
kill "$(cat "$T/loopback")"
wait_for 20 gone "$(cat "$T/loopback")"
like "the namespace's own address is not its loopback" "$(C python3 "$T/reset.py" 198.51.100.2 8200)" \
	"^Connection(Refused|Reset)Error$"
is "SPL-08 nobody listens on the host, RST" "$(C python3 "$T/reset.py" 127.0.0.1 8200)" ConnectionResetError

ends() { tap_of python3 "$SYS/splice_ends.py" "$(ns_of "$1")" "$(ns_of "$2")" "${@:3}"; }
ends H C 127.0.0.1 8000 198.51.100.2 8000
ends H C ::1 8000 2001:db8:1::2 8000
ends C H 127.0.0.1 8200 127.0.0.1 8200

# server FILE H|C COMMAND...: in the background; it is ready when it says so. servers_end: all of them
server()
{
	${2#H} sh -c 'echo $$ >>"$0"; exec "$@"' "$T/servers" "${@:3}" >"$T/$1" 2>&1 &
	disown
	wait_for 20 grep -q ready "$T/$1" || diag "$(cat "$T/$1")"
}
servers_end() { local p; for p in $(cat "$T/servers"); do kill "$p"; wait_for 20 gone "$p"; done; rm "$T/servers"; }

# How long an exchange takes, next to one without us. What is corked, or waits for an ACK that is delayed, takes a
# thousand times as long; what the scheduler makes of two processes or three is some 50 us.
RR=$TOOLS/../bench/rr
p50() { "${@:3}" "$RR" tcp "$1" "$2" .1 1 64 2>&1 | sed -n 's/.*"p50_us": \([0-9]*\).*/\1/p'; }
server rr.C C "$RR" serve 8000
server rr.H H "$RR" serve 8200
for way in in out; do
	for lo in 127.0.0.1 ::1; do
		for i in {1..5}; do	# others use the machine, too
			case $way in
			in)	direct=$(p50 $lo 8000 C) spliced=$(p50 $lo 8000 env) ;;
			out)	direct=$(p50 $lo 8200 env) spliced=$(p50 $lo 8200 C) ;;
			esac
			most=$((2 * ${direct:--1000} + 200))
			[ "${spliced:-9999}" -gt $most ] || break
		done
		le "SPL-10 $way, $lo: median of round trips, us, without us $direct" "$spliced" $most
	done
done
servers_end

# Descriptors: a few are kept for the next connections
fds() { ls /proc/$PASTAPID/fd | wc -l; }
xfer 20 < <(for e in "${ends[@]}"; do echo "crr SPL-06_before,_$e count=100"; done)
before=$(fds)
xfer 20 < <(for e in "${ends[@]}"; do echo "crr SPL-06_500_connections,_$e count=500"; done)
le "SPL-06 descriptors after 2,000 connections, besides spare ones" $(($(fds) - before)) 64

# A receiver that does nothing costs nothing
{ C python3 -c 'import os, socket, time
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("198.51.100.2", 8000)); l.listen()
print(os.getpid(), flush=True); s = l.accept(); time.sleep(1000)' >"$T/stopped"; } 2>"$T/null" &
disown
wait_for 20 test -s "$T/stopped"
python3 -c 'import socket
s = socket.create_connection(("127.0.0.1", 8000))
while True: s.send(bytes(100000))' &
SENDER=$!
disown
rests "SPL-01 the receiver is stopped" 1
kill "$(cat "$T/stopped")" $SENDER
wait_for 20 still
pasta_stop

# All the other ways
pasta_up -t 8000 --host-lo-to-ns-lo
xfer 5 <<END
tcp SPL-16_--host-lo-to-ns-lo,_IPv4 c=H s=C to=127.0.0.1 at=127.0.0.1 src=127.0.0.1 port=8000 up=1000 down=1000
tcp SPL-15_--host-lo-to-ns-lo,_another_loopback_address c=H s=C to=127.0.0.2 at=127.0.0.2 port=8000 up=1000 down=1000
tcp SPL-16_--host-lo-to-ns-lo,_IPv6 c=H s=C to=::1 at=::1 src=::1 port=8000 up=1000 down=1000
END
pasta_stop
pasta_up -t 8000 --no-splice -T 8200
xfer 5 <<END
tcp --no-splice:_by_the_link,_IPv4 c=H s=C to=127.0.0.1 src=198.51.100.1 port=8000 up=1000 down=1000
tcp --no-splice:_by_the_link,_IPv6 c=H s=C to=::1 src=2001:db8:1::1 port=8000 up=1000 down=1000
tcp --no-splice:_not_outward c=C s=H to=127.0.0.1 src=127.0.0.1 port=8200 up=1000 down=1000
END
pasta_stop
pasta_up -6 -t 8000 -T 8200
xfer 5 <<END
tcp SPL-18_IPv6_only,_in c=H s=C to=::1 src=2001:db8:1::2 port=8000 up=1000 down=1000
tcp SPL-18_IPv6_only,_out c=C s=H to=::1 src=::1 port=8200 up=1000 down=1000
error SPL-18_IPv6_only:_no_IPv4 c=C to=127.0.0.1 port=8200 want=ECONNREFUSED
END
pasta_stop
pasta_up -4 -t 8000 -T 8200
xfer 5 <<END
tcp IPv4_only,_in c=H s=C to=127.0.0.1 src=198.51.100.2 port=8000 up=1000 down=1000
tcp IPv4_only,_out c=C s=H to=127.0.0.1 src=127.0.0.1 port=8200 up=1000 down=1000
error IPv4_only:_no_IPv6 c=C to=::1 port=8200 want=ECONNREFUSED
END
pasta_stop

pasta_up --splice-only -t 8000 -T 8200
is "--splice-only: no device" "$(C ip -o link show | grep -vc ' lo:')" 0
xfer 5 <<END
tcp --splice-only:_in,_IPv4 c=H s=C to=127.0.0.1 at=127.0.0.1 src=127.0.0.1 port=8000 up=100000 down=100000
tcp --splice-only:_in,_IPv6 c=H s=C to=::1 at=::1 src=::1 port=8000 up=100000 down=100000
tcp --splice-only:_out,_IPv4 c=C s=H to=127.0.0.1 src=127.0.0.1 port=8200 up=100000 down=100000
tcp --splice-only:_out,_IPv6 c=C s=H to=::1 src=::1 port=8200 up=100000 down=100000
END
is "--splice-only: others are refused" "$(R python3 "$T/reset.py" 198.51.100.2 8000)" ConnectionResetError
pasta_stop

# With a command: no daemon, and none of the namespaces that one has
answered() { [ "$(python3 "$T/reset.py" 127.0.0.1 8000)" = data ]; }
for o in -q -f; do
	"$PASTA" $o --config-net -t 8000 -- python3 -c 'import socket
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("198.51.100.2", 8000)); l.listen()
l.settimeout(10); s, a = l.accept(); s.send(b"x"); print(a[0])' >"$T/command" 2>"$T/command.err" </dev/null &
	SERVER=$!
	ok "a command, pasta $o: reached from loopback" wait_for 10 answered
	wait $SERVER
	is "a command, pasta $o: its status" $? 0
	is "a command, pasta $o: spliced" "$(cat "$T/command")" 198.51.100.2
done

# More connections than descriptors, and each would have pipes: who is not served is reset, and nobody gets what is
# somebody else's
cat >"$T/limited" <<END
#!/bin/sh
ulimit -n 150
exec "$PASTA" "\$@"
END
chmod +x "$T/limited"
cat >"$T/echo.py" <<'END'
import asyncio, sys
async def echo(r, w):
    try:
        while d := await r.read(65536):
            w.write(d)
            await w.drain()
    except OSError:
        pass
    w.close()
async def main():
    await asyncio.start_server(echo, "0.0.0.0", int(sys.argv[1]), backlog=500)
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
END
cat >"$T/crowd.py" <<'END'
import asyncio, collections, sys
async def send(w, data):
    w.write(data)
    await w.drain()
    w.write_eof()
async def one(i, size):
    data = bytes([i % 251]) * size
    try:
        r, w = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", int(sys.argv[1])), 10)
        got, _ = await asyncio.wait_for(asyncio.gather(r.read(-1), send(w, data)), 10)
        w.close()
    except TimeoutError:
        return "stuck"
    except OSError:
        return "reset"
    return "good" if got == data else "wrong"
async def many(count, size):
    return collections.Counter(await asyncio.gather(*(one(i, size) for i in range(count))))
crowd, few = asyncio.run(many(200, 300000)), asyncio.run(many(20, 100000))
print("# of 200:", dict(crowd), file=sys.stderr)
print(crowd["good"] > 0, crowd["wrong"], crowd["stuck"], few["good"])
END
UNLIMITED=$PASTA PASTA=$T/limited
pasta_up -t 8000 -T 8200
PASTA=$UNLIMITED
server echo.C C python3 "$T/echo.py" 8000
server echo.H H python3 "$T/echo.py" 8200
is "SPL-19 in: 200 connections, 150 descriptors: some good, none wrong, none stuck, and 20 of 20 afterwards" \
	"$(python3 "$T/crowd.py" 8000)" "True 0 0 20"
is "SPL-19 out: 200 connections, 150 descriptors: some good, none wrong, none stuck, and 20 of 20 afterwards" \
	"$(C python3 "$T/crowd.py" 8200)" "True 0 0 20"
pasta_stop
servers_end

# A target on the namespace's loopback: for clients on the host's, and nobody else. One that leads back to us leads
# nowhere.
pasta_up -t 0.0.0.0/8500-8502:127.0.0.1/90-92 -t '[::]/8500:[::1]/90' -t 127.0.0.1/8510:127.0.0.53 \
	-t 198.51.100.2/8510:127.0.0.1/90 \
	-t 0.0.0.0/8520:127.0.0.1/8521 -T 8521:8520
xfer 10 <<END
tcp FWD-26_target_on_loopback,_IPv4 c=H s=C to=127.0.0.1 at=127.0.0.1 src=127.0.0.1 port=8500 \
lport=90 up=100000 down=100000
tcp FWD-26_target_on_loopback,_IPv6 c=H s=C to=::1 at=::1 src=::1 port=8500 lport=90 up=100000 down=100000
tcp FWD-26_target_on_loopback,_the_end_of_a_range c=H s=C to=127.0.0.9 at=127.0.0.1 port=8502 lport=92 up=10 down=10
tcp FWD-26_target_on_loopback,_another_address c=H s=C to=127.0.0.1 at=127.0.0.53 port=8510 up=10 down=10
crr FWD-26_target_on_loopback,_100_connections c=H s=C to=127.0.0.1 at=127.0.0.1 port=8500 lport=90 count=100
END
server own.C C python3 -c 'import socket, time
for a in "127.0.0.1", "::1":
    s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((a, 90)); s.listen(); globals()[a] = s
print("ready", flush=True); time.sleep(1000)'
for a in 198.51.100.2 2001:db8:1::2; do
	is "SPL-16 target on loopback: reset for others: $a" "$(R python3 "$T/reset.py" $a 8500)" ConnectionResetError
	is "SPL-16 target on loopback: reset for the host's own address: $a" "$(python3 "$T/reset.py" $a 8500)" \
		ConnectionResetError
done
is "SPL-16 target on loopback, listening on one address: reset for others" \
	"$(R python3 "$T/reset.py" 198.51.100.2 8510)" ConnectionResetError
is "target on loopback that is our own port: reset, and no loop" "$(python3 "$T/reset.py" 127.0.0.1 8520)" \
	ConnectionResetError
servers_end
pasta_stop

# A port of the namespace that somebody has
container
C ip link set lo up
C python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 8600)); s.listen(); print("ready", flush=True); time.sleep(1000)' >"$T/taken" &
disown
wait_for 20 grep -q ready "$T/taken"
out=$(program -T 8600 2>&1)
is "FWD-16 -T 8600, taken in the namespace: status" $? 1
like "FWD-16 and the message" "$(grep -v '^Started as root' <<<"$out")" \
	"^Failed to bind port 8600 \(.*in use\) for option '-T 8600': .*Listen failed for SPLICE TCP port \\*%lo/8600: Address already in use$"

# SPL-17: nothing but loopback on the host
ip -6 addr flush dev ext scope global
ip -6 route flush dev ext
ip addr flush dev ext
pasta_up -t 8000 -T 8200
xfer 5 <<END
tcp SPL-17_local_mode,_in,_IPv4 c=H s=C to=127.0.0.1 port=8000 up=1000 down=1000
tcp SPL-17_local_mode,_in,_IPv6 c=H s=C to=::1 port=8000 up=1000 down=1000
tcp SPL-17_local_mode,_out,_IPv4 c=C s=H to=127.0.0.1 port=8200 up=1000 down=1000
tcp SPL-17_local_mode,_out,_IPv6 c=C s=H to=::1 port=8200 up=1000 down=1000
END
pasta_stop

done_testing
