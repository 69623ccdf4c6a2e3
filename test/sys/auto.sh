#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# automatic forwarding: what is bound in the namespace is forwarded while it is, and what is bound on the host the other
# way round
. "${0%/*}/lib.sh"

topology
privileged() { sysctl -qw net.ipv4.ip_unprivileged_port_start="$1"; }
privileged 0

# binds C|H PROTO ADDRESS PORT: somebody who listens there, and says so to those who come, or is bound. Sets BOUND.
cat >"$T/bind.py" <<'END'
import os, socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET,
                  socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, sys.argv[1] == "tcp")
if ":" in sys.argv[2]:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind((sys.argv[2], int(sys.argv[3])))
if sys.argv[1] == "tcp":
    s.listen()
with open(sys.argv[4] + ".new", "w") as f:
    print(os.getpid(), file=f)
os.rename(sys.argv[4] + ".new", sys.argv[4])
while sys.argv[1] == "tcp":
    c, _ = s.accept()
    c.sendall(sys.argv[5].encode())
    c.close()
time.sleep(1000)
END
binds()
{
	BN=$((${BN:-0} + 1))
	${1#H} python3 "$T/bind.py" "$2" "$3" "$4" "$T/bound.$BN" "$1 $4" >"$T/bind.$BN" 2>&1 &
	disown
	wait_for 10 test -e "$T/bound.$BN" || diag "$(cat "$T/bind.$BN")"
	BOUND=$(cat "$T/bound.$BN")
}
unbinds() { kill "$1"; wait_for 20 gone "$1"; }

# says C|H ADDRESS PORT: what who connects from there hears
says() { ${1#H} timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && cat <&3' "$2" "$3" 2>&1; }

# What is listened to on the host, as "t:8000 u:53", but what else is there
ports() { { ss -Hlnt | sed 's/.*LISTEN/t/'; ss -Hlnu | sed 's/.*UNCONN/u/'; } | awk '{
		port = $4; sub(/.*:/, "", port); print $1 ":" port }' | sort -u | tr '\n' ' ' | sed 's/ $//'; }
ports_are() { [ "$(ports)" = "$1" ]; }
# become NAME PORTS: within 2 s
become() { until_ 2 ports_are "$2"; is "$1" "$(ports)" "$2"; }

all_up() { container; start_ "$PASTA" --config-net "$@" "$CPID" || fail "C is connected"; }
auto_up() { all_up -T none -U none "$@"; }

# Bound before the start
container
binds C tcp 0.0.0.0 8001; before=$BOUND
start_ "$PASTA" --config-net -u none "$CPID"
is "a listener that is there at the start is forwarded from the start, without an option" "$(ports)" "t:8001"
unbinds "$before"
become "and no more when it is closed" ""
xfer 5 <<END
tcp its_port_can_be_had c=R s=H to=198.51.100.2 src=198.51.100.10 port=8001 up=1000 down=1000
END
pasta_stop

auto_up
become "nothing is bound, nothing is forwarded" ""
binds C tcp 0.0.0.0 8002; a=$BOUND
become "UDP-16 TCP, any IPv4 address; UDP of the same port with it, as iperf3 has it" "t:8002 u:8002"
binds C tcp :: 8003; b=$BOUND
become "TCP, any IPv6 address" "t:8002 t:8003 u:8002 u:8003"
binds C udp 198.51.100.2 8004; d=$BOUND
become "UDP, an address" "t:8002 t:8003 u:8002 u:8003 u:8004"
binds C udp :: 8005; e=$BOUND
become "UDP, any IPv6 address" "t:8002 t:8003 u:8002 u:8003 u:8004 u:8005"
ok "reachable from another host" R bash -c 'exec 3<>/dev/tcp/198.51.100.2/8002'
ok "reachable from another host, IPv6" R bash -c 'exec 3<>/dev/tcp/2001:db8:1::2/8003'
unbinds "$b"
become "one is closed, others stay" "t:8002 u:8002 u:8004 u:8005"
binds C tcp 127.0.0.1 8006
binds C tcp ::1 8007
binds C udp 127.0.0.9 8008
binds C tcp 0.0.0.0 40000; eph=$BOUND
binds C udp 0.0.0.0 40001
unbinds "$a"
become "FWD-15 neither ephemeral ports nor what is bound to loopback" "u:8004 u:8005"
unbinds "$d"
unbinds "$e"
become "all are closed" ""

# The host has the port itself: no word, nothing taken away, and it is had once it is free
binds H tcp 127.0.0.1 8010; own=$BOUND
binds C tcp 0.0.0.0 8010
binds C tcp 0.0.0.0 8011
become "the host's own port of the same number is the host's" "t:8010 t:8011 u:8010 u:8011"
is "still listened to once" "$(ss -Hlnt 'sport = :8010' | wc -l)" 1
unbinds "$own"
until_ 2 listens 8010
is "once it is free, it is forwarded" "$(ss -Hlnt 'sport = :8010' | grep -c -F '*:8010')" 1
is "FWD-07 without a word" "$(grep -ci 'bind\|in use' "$PASTA_LOG")" 0
pasta_stop
become "nothing is left at the end" ""

# FWD-03: the namespace is looked at, not the host
binds H tcp 0.0.0.0 8020; own=$BOUND
auto_up
sleep 2.5		# two scans
is "FWD-03 what is bound on the host is not forwarded, nor taken for the namespace's" "$(ports)" "t:8020"
is "FWD-03 nor bound in the namespace" "$(C ss -Hlnt; C ss -Hlnu)" ""
unbinds "$own"
pasta_stop

# What the namespace binds while we run takes no privilege, whatever we have it for
privileged 1024
auto_up
binds C udp 0.0.0.0 67; a=$BOUND
binds C tcp 0.0.0.0 8021; own=$BOUND
become "low ports don't open because the namespace binds them" "t:8021 u:8021"
unbinds "$a"
unbinds "$own"
pasta_stop
privileged 0

# Exclusions, addresses, names
container
for p in 22 80 8030 8031 8032; do binds C tcp 0.0.0.0 $p; done
binds C udp 0.0.0.0 53
start_ "$PASTA" --config-net -t auto,~22,~8031 -u none "$CPID"
is "FWD-06 automatic, less ports" "$(ports)" "t:80 t:8030 t:8032"
pasta_stop
start_ "$PASTA" --config-net -t ::1/auto -t 8030:80 -u 127.0.0.1/auto -I other "$CPID"
is "UDP-17 at addresses, beside a port by name" "$(ss -Hlntu | awk '{ print $5 }' | sort -u | tr '\n' ' ')" \
	"*:8030 127.0.0.1:22 127.0.0.1:53 127.0.0.1:80 127.0.0.1:8030 127.0.0.1:8031 127.0.0.1:8032 [::1]:22 [::1]:80 [::1]:8031 [::1]:8032 "
pasta_stop
binds C tcp 0.0.0.0 40080
start_ "$PASTA" --config-net -t 8029-8031,9080:80,40080,auto -u none -I third "$CPID"
is "ports that are named, while they are bound" "$(ports)" "t:40080 t:8030 t:8031 t:9080"
pasta_stop

# With the namespace's loopback: what others have there, and not what we listen to for the host's
binds H tcp 127.0.0.1 8201; own=$BOUND
auto_up -T 8200-8201 --host-lo-to-ns-lo
binds C tcp 127.0.0.1 8050; a=$BOUND
become "UDP-16 loopback counts with --host-lo-to-ns-lo, but for our own sockets" "t:8050 t:8201 u:8050"
ok "reachable from the host's loopback, straight" bash -c 'exec 3<>/dev/tcp/127.0.0.1/8050'
ok "and the host's from the namespace's" C bash -c 'exec 3<>/dev/tcp/127.0.0.1/8201'
unbinds "$own"
unbinds "$a"
pasta_stop

# The other way round: what is bound on the host's loopback, or to any address there
inside() { C ss -Hlnt | awk '{ print $4 }' | sort | tr '\n' ' '; }
inside_is() { [ "$(inside)" = "$1" ]; }
inside_becomes() { until_ 2 inside_is "$2"; is "$1" "$(inside)" "$2"; }

binds H tcp 0.0.0.0 8301; a=$BOUND
binds H tcp 198.51.100.2 8302; other=$BOUND
binds H tcp 0.0.0.0 40000; eph=$BOUND
all_up -u none
is "-T auto: what is bound on the host is there from the start, without an option" "$(inside)" "*%lo:8301 "
is "-T auto: and reached by the namespace's loopback" "$(says C 127.0.0.1 8301)" "H 8301"
binds H tcp 127.0.0.1 8303; b=$BOUND
binds H tcp ::1 8304; d=$BOUND
inside_becomes "-T auto: loopback counts, and other addresses, and ephemeral ports, do not" \
	"*%lo:8301 *%lo:8303 *%lo:8304 "
is "-T auto: from 127.0.0.1 to 127.0.0.1" "$(says C 127.0.0.1 8303)" "H 8303"
is "-T auto: from ::1 to ::1" "$(says C ::1 8304)" "H 8304"
binds H tcp 127.0.0.1 80; low=$BOUND
inside_becomes "-T auto: a low port" "*%lo:80 *%lo:8301 *%lo:8303 *%lo:8304 "
is "-T auto: reached as well" "$(says C 127.0.0.1 80)" "H 80"
binds C tcp 0.0.0.0 8305; e=$BOUND
until_ 2 listens 8305
is "-t auto, at the same time" "$(says R 198.51.100.2 8305)" "C 8305"
sleep 1.5	# a scan
is "neither is what the other one has opened forwarded back" \
	"$(inside) $(ports)" \
	"*%lo:80 *%lo:8301 *%lo:8303 *%lo:8304 0.0.0.0:8305  t:40000 t:80 t:8301 t:8302 t:8303 t:8304 t:8305"
unbinds "$e"
for p in "$a" "$b" "$d" "$low"; do unbinds "$p"; done
inside_becomes "-T auto: all are closed" ""
become "nothing stays open on the host because of what is open in the namespace, nor the other way round" \
	"t:40000 t:8302"

# The namespace has the port itself: no word, and it is had once it is free
binds C tcp 127.0.0.1 8306; own=$BOUND
binds H tcp 127.0.0.1 8306; a=$BOUND
binds H tcp 127.0.0.1 8307; b=$BOUND
inside_becomes "-T auto: a port that the namespace has is its own" "*%lo:8307 127.0.0.1:8306 "
is "-T auto: and stays so" "$(says C 127.0.0.1 8306)" "C 8306"
unbinds "$own"
inside_becomes "-T auto: once it is free, it is forwarded" "*%lo:8306 *%lo:8307 "
is "-T auto: without a word" "$(grep -ci 'bind\|in use' "$PASTA_LOG")" 0
pasta_stop
for p in "$a" "$b" "$other" "$eph"; do unbinds "$p"; done

# Both ways, and to loopback: round and round, once
descriptors() { ls "/proc/$PASTAPID/fd" | wc -l; }
# holds C|H PORT: connects, and waits; says what it hears
holds() { ${1#H} timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && cat <&3' "$2" >>"$T/held" 2>&1; }
for o in "-t 8320 -T 8320 --host-lo-to-ns-lo" "-t 8320 -T 8320" "-t 8320 -T 8321:8320 --host-lo-to-ns-lo -t 8321"; do
	all_up -u none $o
	before=$(descriptors) went=0 h=
	: >"$T/held"
	for who in H C; do for port in 8320 8321; do
		holds $who $port &
		h="$h $!"
	done; done
	for i in {1..10}; do
		sleep 0.05	# for more to come
		[ "$(descriptors)" -le $((before + 100)) ] || went=$i	# some sockets are in store
	done
	is "no way round: few descriptors at any time: $o" "$went" 0
	wait $h
	unlike "no way round: nobody is there: $o" "$(cat "$T/held")" '[HC] 832'
	pasta_stop
done

# All that there is, both ways: the UDP port that goes with a TCP service's is no service, and is there for its
# datagrams
all_up
binds C tcp 0.0.0.0 8330; a=$BOUND
binds H tcp 127.0.0.1 8331; b=$BOUND
everything() { { ss -Hlntu | sed 's/^/H /'; C ss -Hlntu | sed 's/^/C /'; } | awk '{ print $1 ":" $2 ":" $6 }' | sort \
	| tr '\n' ' '; }
want="C:tcp:*%lo:8331 C:tcp:0.0.0.0:8330 C:udp:*%lo:8331 H:tcp:*:8330 H:tcp:127.0.0.1:8331 H:udp:*:8330 "
everything_is() { [ "$(everything)" = "$want" ]; }
until_ 2 everything_is
sleep 0.5	# scans, which are frequent after a change
is "UDP-16 both ways, UDP next to TCP: ports that are open" "$(everything)" "$want"
# Of ranges that are not what the program takes for ephemeral ports
C sysctl -qw net.ipv4.ip_local_port_range="20000 20999"
sysctl -qw net.ipv4.ip_local_port_range="21000 21999"
xfer 5 <<END
udp UDP-16_datagrams_for_the_service_in_the_namespace c=R s=C to=198.51.100.2 src=198.51.100.10 port=8330 sizes=0,1000
udp UDP-16_the_same,_from_the_host's_loopback c=H s=C to=127.0.0.1 port=8330 sizes=0,1000
udp UDP-16_datagrams_for_the_service_on_the_host c=C s=H to=127.0.0.1 src=127.0.0.1 port=8331 sizes=0,1000
END
own='C:udp:0.0.0.0:20[0-9]+ .*H:udp:0.0.0.0:21[0-9]+ '
like "UDP-16 datagrams take sockets of the program's own" "$(everything)" "$own"
sleep 0.5
is "UDP-16 and afterwards: they are no services" \
	"$(everything | sed -E 's/(C:udp:0.0.0.0:20|H:udp:0.0.0.0:21)[0-9]+ //g')" "$want"
pasta_stop
unbinds "$a"
unbinds "$b"

# Datagrams, and their port is free as soon as who asked for it is gone
auto_up
C python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 8035))
for i in range(2):
    data, peer = s.recvfrom(100); s.sendto(data, peer)' >"$T/echo" 2>&1 &
until_ 5 ports_are u:8035
is "datagrams there and back" "$(R python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
for word in b"one ", b"two":
    s.sendto(word, ("198.51.100.2", 8035)); print(s.recv(100).decode(), end="")' 2>&1)" "one two"
become "FWD-19 a port with flows on it is withdrawn" ""
xfer 5 <<END
udp and_somebody_else_can_have_it c=R s=H to=198.51.100.2 port=8035 sizes=100
END
pasta_stop

# Connections live on when the listener is closed; what a scan costs
auto_up -u none
cat >"$T/once.py" <<'END'
import socket, sys
s = socket.create_server(("0.0.0.0", 8040))
c, _ = s.accept()
s.close()
c.sendall(c.recv(100))
c.sendall(c.recv(100))
END
C python3 "$T/once.py" >"$T/once" 2>&1 &
until_ 5 ports_are t:8040
exec 7<>/dev/tcp/198.51.100.2/8040
echo one >&7; line=; read -rt 5 -u 7 line
is "a connection" "$line" one
become "its listener is closed" ""
echo two >&7; line=; read -rt 5 -u 7 line
is "FWD-19 the connection lives on" "$line" two
exec 7>&-
pasta_stop

auto_up
C python3 - "$T/many" >"$T/many.log" 2>&1 <<'END' &
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
s = socket.create_server(("127.0.0.1", 9999), backlog=4096)
keep = []
for i in range(4000):
    keep.append(socket.create_connection(("127.0.0.1", 9999)))
    keep.append(s.accept()[0])
open(sys.argv[1], "w").close()
time.sleep(1000)
END
wait_for 60 test -e "$T/many"
cpu=$(awk '{ print $14 + $15 }' /proc/$PASTAPID/stat) a=$(cs_of $PASTAPID)
sleep 5		# what is measured
le "FWD-14 CPU time of scans, often at first, with 8,000 connections in the namespace, ticks" \
	$(($(awk '{ print $14 + $15 }' /proc/$PASTAPID/stat) - cpu)) 5
le "FWD-14 wake-ups meanwhile" $(($(cs_of $PASTAPID) - a)) 70
pasta_stop
auto_up -t none -u none
rests "FWD-14 with none, no scan" 0

done_testing
