#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# datagrams between loopback interfaces: socket to socket, in both directions
LINK=tap
. "${0%/*}/lib.sh"

topology
pasta_up -u 8000 -u 8080:80 -u 9000-9002:7000-7002 -u 127.0.0.1/8100 -U 8200 -U 8280:81 -U 9100-9102:7100-7102 \
	-U 127.0.0.1/8300 \
	-U 198.51.100.2/8400

# H's clients are seen as C itself: nothing passed the link
ends=("in,_v4 c=H s=C to=127.0.0.1 src=198.51.100.2 port=8000" "in,_v6 c=H s=C to=::1 src=2001:db8:1::2 port=8000"
	"out,_v4 c=C s=H to=127.0.0.1 src=127.0.0.1 port=8200" "out,_v6 c=C s=H to=::1 src=::1 port=8200")
jobs()
{
	local e
	for e in "${ends[@]}"; do
		echo "udp sizes,_$e sizes=0,1,2,100,1400,1472,1473,9000,20000,65487,65507"
		echo "udp UDP-13_48_at_a_time,_$e sizes=0,1,100,1000,1400 batch=48 count=20"
		echo "udp UDP-08_100_clients,_$e parallel=100 count=5"
	done
	echo "udp largest,_in,_v6 c=H s=C to=::1 port=8000 sizes=65527"
	echo "udp largest,_out,_v6 c=C s=H to=::1 port=8200 sizes=65527"
	echo "udp SPL-12_client_of_a_dual-stack_listener,_IPv4 c=H s=C to=127.0.0.1 at=198.51.100.2 src=198.51.100.2 port=8000 sizes=10"
	echo "udp UDP-09_another_port,_in,_v4 c=H s=C to=127.0.0.1 src=198.51.100.2 port=8080 lport=80 sizes=1000"
	echo "udp UDP-09_another_port,_in,_v6 c=H s=C to=::1 src=2001:db8:1::2 port=8080 lport=80 sizes=1000"
	echo "udp UDP-09_another_port,_by_the_link c=R s=C to=198.51.100.2 src=198.51.100.10 port=8080 lport=80 sizes=1000"
	echo "udp UDP-09_another_port,_out c=C s=H to=127.0.0.1 port=8280 lport=81 sizes=1000"
	echo "udp SPL-13_a_range,_in c=H s=C to=127.0.0.1 port=9002 lport=7002 sizes=10"
	echo "udp SPL-13_a_range,_out c=C s=H to=::1 port=9102 lport=7102 sizes=10"
	echo "udp SPL-14_bound_to_loopback,_in c=H s=C to=127.0.0.1 src=198.51.100.2 port=8100 sizes=10"
	echo "udp SPL-14_bound_to_loopback,_out c=C s=H to=127.0.0.1 src=127.0.0.1 port=8300 sizes=10"
	echo "udp SPL-15_another_loopback_address,_out c=C s=H to=127.0.0.2 at=127.0.0.2 port=8200 sizes=10"
	echo "udp bound_to_an_address,_out c=C s=H to=198.51.100.2 at=127.0.0.1 port=8400 sizes=10"
	echo "udp-error bound_to_loopback,_out:_not_by_IPv6 c=C to=::1 port=8300 want=ECONNREFUSED"
	echo "udp from_elsewhere_by_the_link c=R s=C to=198.51.100.2 src=198.51.100.10 port=8000 sizes=0,1000,20000"
}
before=$(frames)
xfer 10 < <(jobs | grep -v c=R)
le "frames from the namespace meanwhile" $(($(frames) - before)) 10
xfer 10 < <(jobs | grep c=R)

ends() { tap_of python3 "$SYS/splice_udp.py" "$(ns_of "$1")" "$(ns_of "$2")" "${@:3}"; }
ends H C 127.0.0.1 8000 198.51.100.2 8000
ends H C ::1 8000 2001:db8:1::2 8000
ends C H 127.0.0.1 8200 127.0.0.1 8200
ends C H ::1 8200 ::1 8200

# One listener, clients on loopback and elsewhere
xfer 10 <<END
udp clients_on_loopback,_others_meanwhile c=H s=C to=127.0.0.1 src=198.51.100.2 port=8000 sizes=100 batch=50 count=50
udp clients_elsewhere c=R s=C to=198.51.100.2 src=198.51.100.10 port=8000 sizes=100 batch=50 count=50
END

# Nobody is there; or somebody who takes nothing. Neither costs anything.
python3 -c 'import socket
for a in "127.0.0.1", "::1":
    s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM); s.connect((a, 8000))
    for i in range(1000): s.send(b"x")'
rests "UDP-01 nobody is there" 1
{ C python3 -c 'import os, socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 8000))
print(os.getpid(), flush=True); time.sleep(1000)' >"$T/stopped"; } 2>"$T/null" &
disown
wait_for 20 test -s "$T/stopped"
python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("127.0.0.1", 8000))
for i in range(20000): s.send(bytes(1400))'
rests "UDP-26 the receiver takes nothing" 1
kill "$(cat "$T/stopped")"
wait_for 20 still
# A service on the namespace's loopback alone is its own
cat >"$T/asks.py" <<'END'
import socket
for a, f in ("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6):
    s = socket.socket(f, socket.SOCK_DGRAM); s.bind((a, 8000)); globals()[a] = s
print("ready", flush=True)
x = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); x.bind(("2001:db8:1::2", 8000))	# as the last is not in vain
print(x.recv(100).decode(), flush=True)
for a in "127.0.0.1", "::1":
    s = globals()[a]; s.setblocking(False)
    try:
        print(a, s.recv(100).decode())
    except BlockingIOError:
        print(a, "nothing")
END
C python3 "$T/asks.py" >"$T/asks" 2>&1 &
disown
wait_for 20 grep -q ready "$T/asks"
python3 -c 'import socket
for a, text in ("127.0.0.1", b"exposed"), ("127.0.0.2", b"exposed"), ("::1", b"own address"):
    s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM); s.sendto(text, (a, 8000))'
wait_for 20 grep -q ::1 "$T/asks"
is "SPL-16 a service on the namespace's loopback is not exposed" "$(tr '\n' ' ' <"$T/asks")" \
	"ready own address 127.0.0.1 nothing ::1 nothing "
pasta_stop

# A target on the namespace's loopback: for clients on the host's, and nobody else
pasta_up -u 0.0.0.0/8500-8502:127.0.0.1/90-92 -u '[::]/8500:[::1]/90' -u 127.0.0.1/8510:127.0.0.53
xfer 5 <<END
udp FWD-26_target_on_loopback,_IPv4 c=H s=C to=127.0.0.1 at=127.0.0.1 src=127.0.0.1 port=8500 lport=90 sizes=0,100,9000
udp FWD-26_target_on_loopback,_IPv6 c=H s=C to=::1 at=::1 src=::1 port=8500 lport=90 sizes=0,100,9000
udp FWD-26_target_on_loopback,_the_end_of_a_range c=H s=C to=127.0.0.9 at=127.0.0.1 port=8502 lport=92 sizes=100
udp FWD-26_target_on_loopback,_another_address c=H s=C to=127.0.0.1 at=127.0.0.53 port=8510 sizes=100
END
C python3 -c 'import selectors, socket
sel = selectors.DefaultSelector()
for a in "127.0.0.1", "::1":
    s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM); s.bind((a, 90)); sel.register(s, 1)
print("ready", flush=True)
last = 0
while last < 2:
    for k, _ in sel.select():
        d = k.fileobj.recv(100)
        print(d.decode(), flush=True)
        last += d == b"last"' >"$T/lo_asks" &
disown
wait_for 20 grep -q ready "$T/lo_asks"
cat >"$T/send.py" <<'END'
import socket, sys
for a in sys.argv[2:]:
    s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM)
    for i in range(3):
        s.sendto(sys.argv[1].encode(), (a, 8500))
END
R python3 "$T/send.py" other 198.51.100.2 2001:db8:1::2
python3 "$T/send.py" own 198.51.100.2 2001:db8:1::2
python3 "$T/send.py" last 127.0.0.1 ::1
ok "SPL-16 target on loopback, UDP" wait_for 20 eval '[ "$(grep -c last "$T/lo_asks")" -ge 2 ]' || diag "$(cat "$T/lo_asks")"
is "SPL-16 target on loopback: nothing from others, UDP" "$(grep -c -e other -e own "$T/lo_asks")" 0
pasta_stop

# All the other ways
pasta_up -u 8000 --host-lo-to-ns-lo
xfer 5 <<END
udp SPL-16_--host-lo-to-ns-lo,_IPv4 c=H s=C to=127.0.0.1 at=127.0.0.1 src=127.0.0.1 port=8000 sizes=1000
udp SPL-15_--host-lo-to-ns-lo,_another_loopback_address c=H s=C to=127.0.0.2 at=127.0.0.2 port=8000 sizes=1000
udp SPL-16_--host-lo-to-ns-lo,_IPv6 c=H s=C to=::1 at=::1 src=::1 port=8000 sizes=1000
END
ends H C 127.0.0.1 8000 0.0.0.0 8000
pasta_stop
pasta_up -u 8000 --no-splice -U 8200
xfer 5 <<END
udp --no-splice:_by_the_link,_IPv4 c=H s=C to=127.0.0.1 src=198.51.100.1 port=8000 sizes=1000
udp --no-splice:_by_the_link,_IPv6 c=H s=C to=::1 src=2001:db8:1::1 port=8000 sizes=1000
udp --no-splice:_not_outward c=C s=H to=127.0.0.1 src=127.0.0.1 port=8200 sizes=1000
END
pasta_stop
for f in 4,127.0.0.1 6,::1; do
	pasta_up -${f%,*} -u 8000 -U 8200
	xfer 5 <<-END
	udp SPL-18_IPv${f%,*}_only,_in c=H s=C to=${f#*,} port=8000 sizes=0,1000
	udp SPL-18_IPv${f%,*}_only,_out c=C s=H to=${f#*,} src=${f#*,} port=8200 sizes=0,1000
	END
	pasta_stop
done
pasta_up --splice-only -u 8000 -U 8200
xfer 5 <<END
udp --splice-only:_in,_IPv4 c=H s=C to=127.0.0.1 at=127.0.0.1 src=127.0.0.1 port=8000 sizes=0,1000,65507
udp --splice-only:_in,_IPv6 c=H s=C to=::1 at=::1 src=::1 port=8000 sizes=0,1000,65507
udp --splice-only:_out,_IPv4 c=C s=H to=127.0.0.1 src=127.0.0.1 port=8200 sizes=0,1000,65507
udp --splice-only:_out,_IPv6 c=C s=H to=::1 src=::1 port=8200 sizes=0,1000,65507
END
pasta_stop

# More clients than descriptors: those idle for longest give way
cat >"$T/limited" <<END
#!/bin/sh
ulimit -n 1700
exec "$PASTA" "\$@"
END
chmod +x "$T/limited"
UNLIMITED=$PASTA PASTA=$T/limited
pasta_up -u 8000 -U 8200
PASTA=$UNLIMITED
fds() { ls /proc/$PASTAPID/fd | wc -l; }
many() { for e in "${ends[@]}"; do for i in {1..5}; do echo \
	"udp PEER-03_200_clients,_${e/ /,_$1_$i }  parallel=100 count=1"; done; done; }
xfer 10 < <(many before)
before=$(fds)
xfer 10 < <(many after)
le "PEER-03 descriptors after 4,000 clients" "$(fds)" 1000
le "PEER-03 as many as before, but for sockets in reserve" "$(fds)" $((before + 64))
pasta_stop

# A rule goes while there are flows
pasta_up -u 8000 -U 8200 -c "$T/control"
pesto() { "${PASTA%/*}/pesto" "$@" "$T/control"; }
spliced() { kill -USR1 "$PASTAPID"; sed -n 's/.*Flows: .* \([0-9]*\) spliced.*/\1/p' "$PASTA_LOG" | tail -n 1; }
spliced_are() { [ "$(spliced)" = "$1" ]; }
flows() { for e in "${ends[@]}"; do echo "udp FWD-19_$1,_$e parallel=50 count=1"; done; }
xfer 10 < <(flows before)
before=$(fds)
ok "FWD-19 flows of both ways" wait_for 20 spliced_are 200
ok "FWD-19 a rule is deleted" pesto -D -u 8000
ok "FWD-19 its flows end, others don't" wait_for 20 spliced_are 100
ok "FWD-19 and the other one" pesto -D -U 8200
ok "FWD-19 no flows" wait_for 20 spliced_are 0
le "FWD-19 descriptors" "$(fds)" $((before - 202))
ok "FWD-19 both again" pesto -A -u 8000 -U 8200
xfer 10 < <(flows after)
pasta_stop

# A port of the namespace that somebody has
container
C ip link set lo up
C python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 8600)); print("ready", flush=True)
time.sleep(1000)' >"$T/taken" &
disown
wait_for 20 grep -q ready "$T/taken"
out=$(program -U 8600 2>&1)
is "FWD-16 -U 8600, taken in the namespace: status" $? 1
like "FWD-16 and the message" "$(grep -v '^Started as root' <<<"$out")" \
	"^Failed to bind port 8600 \(.*in use\) for option '-U 8600': .*Listen failed for SPLICE UDP port \\*%lo/8600: Address already in use$"

# Nothing but loopback on the host
ip -6 addr flush dev ext scope global
ip -6 route flush dev ext
ip addr flush dev ext
pasta_up -u 8000 -U 8200
xfer 5 <<END
udp SPL-17_local_mode,_in,_IPv4 c=H s=C to=127.0.0.1 port=8000 sizes=1000
udp SPL-17_local_mode,_in,_IPv6 c=H s=C to=::1 port=8000 sizes=1000
udp SPL-17_local_mode,_out,_IPv4 c=C s=H to=127.0.0.1 port=8200 sizes=1000
udp SPL-17_local_mode,_out,_IPv6 c=C s=H to=::1 port=8200 sizes=1000
END
pasta_stop

done_testing
