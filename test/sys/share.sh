#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# a guest has its share of the host's ports and descriptors, and no stranger ends what it uses
. "${0%/*}/lib.sh"

topology
sysctl -qw net.ipv4.ip_local_port_range="40000 40999"
pasta_up --no-map-gw -u 5000

# Answers everybody
cat >"$T/echo.py" <<'END2'
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 7))
print("ready", flush=True)
while True:
    d, a = s.recvfrom(100)
    if d == b"question":
        s.sendto(b"answer", a)
END2
R python3 "$T/echo.py" >"$T/echo" 2>&1 &
disown
wait_for 10 grep -q ready "$T/echo"

# One socket that asks now and after each line from its standard input
cat >"$T/asks.py" <<'END2'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9000))
s.settimeout(5)
s.connect(("198.51.100.10", 7))
def ask():
    s.send(b"question")
    print(s.recv(100).decode(), flush=True)
ask()
for line in sys.stdin:
    ask()
END2
mkfifo "$T/again"
C python3 "$T/asks.py" <"$T/again" >"$T/answers" 2>&1 &
exec 9>"$T/again"
answers() { [ "$(grep -c answer "$T/answers")" = "$1" ]; }
wait_for 10 answers 1
# Where the answer comes from is where it went, as long as the flow lives
own() { ss -Hlnu "sport = :9000" | wc -l; }
is "the guest's own flow has its port" "$(own)" 1

# A flood of what nobody asked for: the kernel drops it, but for the first 64. We would wake up for a third of 3,200, or
# more.
woken=$(cs_of $PASTAPID)
R python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for burst in range(50):
    for i in range(64):
        s.sendto(b"flood", ("198.51.100.2", 9000))
    time.sleep(0.01)'
le "a flood of what nobody asked for is none of our business" $(($(cs_of $PASTAPID) - woken)) 150
echo >&9
ok "and answers pass" wait_for 10 answers 2

# spray FAMILY DESTINATION: one datagram from each port there is; an address has them all
cat >"$T/spray.py" <<'END2'
import socket, sys
n = 0
for p in range(1, 65536):
    s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.bind((sys.argv[2], p))
        s.sendto(b"x", (sys.argv[1], 9))
        n += 1
    except OSError:
        pass
    s.close()
print(n > 65000)
END2
sockets() { ss -Hanu | wc -l; }
# What is listed while it changes may be there twice
settled() { local a; a=$(ss -Hanu); read -rt 0.2 <> <(:) || :; [ "$(ss -Hanu)" = "$a" ]; }
for to in 198.51.100.10 2001:db8:1::10; do
	case $to in
	*:*)	from=2001:db8:1::2 family=INET6 ;;
	*)	from=198.51.100.2 family=INET ;;
	esac
	is "one datagram from each port to $to" "$(C python3 "$T/spray.py" $to $from)" True
	wait_for 20 settled
	le "takes half of the ephemeral ports" "$(sockets)" 505
	is "and leaves the rest to the host's own programs" "$(python3 -c "
import socket
all = []
for i in range(400):
    s = socket.socket(socket.AF_$family, socket.SOCK_DGRAM)
    s.bind(('', 0))
    all.append(s)
print(len(all))" 2>&1)" 400
	is "the guest's own flow has its port still" "$(own)" 1
done
echo >&9
ok "and its answers" wait_for 10 answers 3

# A restart with few descriptors: half of those
if [ "$LINK" = tap ]; then
	pasta_stop
	sysctl -qw net.ipv4.ip_local_port_range="32768 60999"
	ulimit -n 256
	pasta_up --no-map-gw
	is "one datagram from each port, 256 descriptors" "$(C python3 "$T/spray.py" 198.51.100.10 198.51.100.2)" True
	wait_for 20 settled
	le "takes half of them" "$(sockets)" 133
	le "and no more are open" "$(fds)" 160
fi
exec 9>&-

done_testing
