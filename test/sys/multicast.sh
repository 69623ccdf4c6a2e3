#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UDP-04 UDP-05 UDP-06 UDP-25 multicast and broadcast leave the namespace, once, and never come back
. "${0%/*}/lib.sh"

topology
# An IPv4 socket hears groups that others on the host are members of; one for both families does not
pasta_up -u 0.0.0.0/1900 -u 5353 -u 7100

# Listens for a text on a group or broadcast address; says who sent how many, once the last has come
cat >"$T/listen.py" <<'END'
import socket, struct, sys
group, port, ifname, last = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4].encode()
v6 = ":" in group
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::" if v6 else "0.0.0.0", port))
i = socket.if_nametoindex(ifname)
if v6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + struct.pack("@i", i))
elif group.startswith("239"):
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("=4s4si", socket.inet_aton(group), b"\0" * 4, i))
s.settimeout(20)
print("ready", flush=True)
seen = {}
data = b""
while data != last:
    data, a = s.recvfrom(1000)
    k = (a[0].split("%")[0], data.decode())
    seen[k] = seen.get(k, 0) + 1
print(sorted(seen.items()), flush=True)
END
cat >"$T/send.py" <<'END'
import socket, sys
group, port = sys.argv[1], int(sys.argv[2])
v6 = ":" in group
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if v6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("ext"))
else:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
s.bind(("", port))
for text in sys.argv[3:]:
    s.sendto(text.encode(), (group, port))
END

one() # TITLE GROUP PORT SOURCE
{
	local out=$T/heard.$3 r h
	rm -f "$out".*
	R python3 "$T/listen.py" "$2" "$3" ext last >"$out.R" 2>&1 & r=$!
	python3 "$T/listen.py" "$2" 1999 ext stop >"$out.H" 2>&1 & h=$!	# the host is a member, too
	C python3 "$T/listen.py" "$2" "$3" ext over >"$out.C" 2>&1 & local c=$!
	wait_for 10 grep -q ready "$out.R" && wait_for 10 grep -q ready "$out.H" && wait_for 10 grep -q ready "$out.C"
	C python3 "$T/send.py" "$2" "$3" hello last
	wait $r
	is "$1: reaches the network, once" "$(tail -n 1 "$out.R")" "[(('$4', 'hello'), 1), (('$4', 'last'), 1)]"
	# A datagram from outside comes in after anything that might have come back
	case $2 in
	*:*)	R python3 \
		-c "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'over', ('2001:db8:1::2', $3))" ;;
	*)	R python3 \
		-c "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'over', ('198.51.100.2', $3))" ;;
	esac
	wait $c
	# Its own kernel shows a broadcast to whoever listens beside the sender
	case $2 in
	*.255)	is "$1: does not come back" "$(tail -n 1 "$out.C")" \
			"[(('198.51.100.10', 'over'), 1), (('$4', 'hello'), 1), (('$4', 'last'), 1)]" ;;
	*)	unlike "$1: does not come back" "$(tail -n 1 "$out.C")" "hello|last|Error" ;;
	esac
	kill $h
	wait $h 2>/dev/null
}

one "UDP-06 SSDP" 239.255.255.250 1900 198.51.100.2
one "limited broadcast" 255.255.255.255 7100 198.51.100.2
one "directed broadcast" 198.51.100.255 7100 198.51.100.2
one "UDP-25 IPv6 multicast" ff15::efc0:988f 5353 2001:db8:1::2

# Who was asked is heard, for some seconds: from the port that was asked, and from outside
cat >"$T/ask.py" <<'END'
import socket, sys
group, port, own = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
v6 = ":" in group
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
if v6:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("ext"))
s.bind(("", own))
s.settimeout(20)
s.sendto(b"who is there", (group, port))
heard = []
while heard[-1:] != ["end"]:
    heard.append(s.recv(100).decode())
    print(*heard, flush=True)
END
# tell.py FROM PORT TO PORT TEXT
cat >"$T/tell.py" <<'END'
import socket, sys
a, port, to, at, text = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((a, int(port)))
s.sendto(text.encode(), (to, int(at)))
END
# asked OWN_PORT GROUP PORT HOST REMOTE LOOPBACK; and 5 s later, with another remote host, asked_late
asked()
{
	C python3 "$T/ask.py" "$2" "$3" "$1" >"$T/asked.$1" 2>&1 &
	wait_for 10 listens "$1" u
	R python3 "$T/tell.py" "$5" $(($3 + 1)) "$4" "$1" wrong_port
	python3 "$T/tell.py" "$4" "$3" "$4" "$1" host
	python3 "$T/tell.py" "$6" "$3" "$6" "$1" loopback
	R python3 "$T/tell.py" "$5" "$3" "$4" "$1" here
	wait_for 10 grep -q here "$T/asked.$1"
}
asked_late() # TITLE OWN_PORT PORT HOST REMOTE REMOTE2
{
	R python3 "$T/tell.py" "$6" "$3" "$4" "$2" late
	R python3 "$T/tell.py" "$5" "$3" "$4" "$2" end
	wait_for 10 grep -q end "$T/asked.$2"
	is "$1: whoever was asked is heard, for some seconds, nobody else" "$(tail -n 1 "$T/asked.$2")" "here end"
}
asked 40010 239.255.255.250 1950 198.51.100.2 198.51.100.10 127.0.0.1
asked 40011 198.51.100.255 7150 198.51.100.2 198.51.100.10 127.0.0.1
asked 40012 ff15::efc0:988f 5350 2001:db8:1::2 2001:db8:1::10 ::1
sleep 5.2		# longer than answers may take
asked_late "UDP-06 SSDP" 40010 1950 198.51.100.2 198.51.100.10 198.51.100.1
asked_late "directed broadcast" 40011 7150 198.51.100.2 198.51.100.10 198.51.100.1
asked_late "UDP-25 IPv6 multicast" 40012 5350 2001:db8:1::2 2001:db8:1::10 2001:db8:1::1

# The other way: the host is a member, and the port of the group is forwarded
cat >"$T/member.py" <<'END'
import socket, struct, sys, time
i = socket.if_nametoindex("ext")
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("=4s4si", socket.inet_aton("239.255.255.250"), b"\0" * 4, i))
b = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
b.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff15::efc0:988f") + struct.pack("@i", i))
print("ready", flush=True)
time.sleep(1000)
END
python3 "$T/member.py" >"$T/member" 2>&1 & member=$!
disown
wait_for 10 grep -q ready "$T/member"
# A service in the namespace, which answers to what it gets, as those of these groups do
C python3 -c '
import select, socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 1900))
t = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); t.bind(("::", 5353))
print("ready", flush=True)
while True:
    for r in select.select([s, t], [], [])[0]:
        d, a = r.recvfrom(100)
        r.sendto(b"to " + d, a)' >"$T/service" 2>&1 &
disown
wait_for 10 grep -q ready "$T/service"
is "UDP-04 100 datagrams from the network to each group: some are answered, none twice" "$(R python3 -c '
import socket
to = ((socket.AF_INET, "239.255.255.250", 1900, "198.51.100.2"), (socket.AF_INET6, "ff15::efc0:988f", 5353, "2001:db8:1::2"))
for family, group, port, unicast in to:
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6 if ":" in group else socket.IPPROTO_IP,
                 socket.IPV6_MULTICAST_IF if ":" in group else socket.IP_MULTICAST_IF,
                 socket.if_nametoindex("ext") if ":" in group else socket.inet_aton("198.51.100.10"))
    s.settimeout(5)
    for i in range(100):
        s.sendto(b"%d" % i, (group, port))
    s.sendto(b"last", (unicast, port))
    seen = []
    while not seen or seen[-1] != b"to last":
        seen.append(s.recv(100))
    print(len(seen) > 10, len(seen) == len(set(seen)))' 2>&1)" "True True
True True"
kill $member

# All quiet afterwards: a datagram that went in circles would keep us busy
ok "UDP-04 UDP-05 the process lives" C ping -nqc 1 -W 5 198.51.100.10
rests "UDP-04 UDP-05" 2

done_testing
