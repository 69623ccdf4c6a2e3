#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# what rules refuse is out of reach, by whichever way it is tried, and the guest is shown that at once
. "${0%/*}/lib.sh"

topology
# R is some of the internet, and of a private network, too
for a in 9.9.9.9 9.9.9.11 10.9.0.1 169.254.169.254 172.16.0.1 192.168.0.1 100.64.0.1; do
	R ip addr add $a/32 dev lo
done
for a in 2620:fe::9 fd09::1 fd00:ec2::254 64:ff9b::a09:1 64:ff9b::909:909 2002:a09:1::1 2001:0:909:909::f5f6:fffe; do
	R ip addr add $a/128 dev lo nodad
done
ip route add 169.254.169.254 via 198.51.100.1
# The host has addresses that its guests don't know of
ip addr add 10.8.0.1/32 dev lo
ip addr add 9.9.9.10/32 dev lo
ip addr add 2620:fe::10/128 dev lo nodad

# refused NAME ADDRESS PORT: by TCP and by UDP; jobs of xfer. Status of the kernel: RST; ICMP 3/13, ICMPv6 1/1
refused()
{
	local udp=EHOSTUNREACH
	[[ $2 = *:* ]] && udp=EACCES
	echo "error $1,_TCP c=C to=$2 port=$3 want=ECONNREFUSED"
	echo "udp-error $1,_UDP c=C to=$2 port=$3 want=$udp"
}
# allowed NAME ADDRESS PORT SERVER [ADDRESS THERE]
allowed()
{
	echo "tcp $1,_TCP c=C s=$4 to=$2 at=${5:-$2} port=$3 up=1000 down=1000"
	echo "udp $1,_UDP c=C s=$4 to=$2 at=${5:-$2} port=$3 sizes=0,100,3000"
}

# ---- Internet yes, everything else no
pasta_up --egress internet --map-guest-addr 192.0.2.2 --map-guest-addr 2001:db8:9a55::2
like "the program shows that it has rules" "$(cat "$PASTA_LOG" "$T/pasta.$PN.out")" \
	"Egress policy: 0 rules, all else: internet"
{
	allowed internet:_IPv4 9.9.9.9 7000 R
	allowed internet:_IPv6 2620:fe::9 7000 R
	allowed internet:_an_address_that_is_to_move 9.9.9.11 7000 R
	allowed internet:_through_NAT64 64:ff9b::909:909 7000 R
	refused internet:_a_private_network 10.9.0.1 7000
	refused internet:_a_private_network,_172.16/12 172.16.0.1 7000
	refused internet:_a_private_network,_192.168/16 192.168.0.1 7000
	refused internet:_a_carrier\'s_network 100.64.0.1 7000
	refused internet:_a_private_network,_IPv6 fd09::1 7000
	refused internet:_metadata 169.254.169.254 80
	refused internet:_metadata,_IPv6 fd00:ec2::254 80
	refused internet:_documentation\'s_network 198.51.100.10 7000
	refused internet:_the_host\'s_loopback_by_the_gateway 198.51.100.1 7000
	refused internet:_the_host\'s_loopback_by_the_gateway,_IPv6 2001:db8:1::1 7000
	refused internet:_the_host_by_--map-guest-addr 192.0.2.2 7000
	refused internet:_the_host_by_--map-guest-addr,_IPv6 2001:db8:9a55::2 7000
	refused internet:_the_host\'s_private_address 10.8.0.1 7000
	refused internet:_the_host\'s_public_address 9.9.9.10 7000
	refused internet:_the_host\'s_public_address,_IPv6 2620:fe::10 7000
	refused internet:_a_private_network_through_NAT64 64:ff9b::a09:1 7000
	refused internet:_a_private_network_by_6to4 2002:a09:1::1 7000
	refused internet:_a_private_network_by_Teredo 2001:0:909:909::f5f6:fffe 7000
} >"$T/list"
xfer 5 <"$T/list"
ok "internet: echo" C ping -nqc 1 -W 5 9.9.9.9
like "internet: echo to a private network is prohibited" "$(C ping -nc 1 -W 5 10.9.0.1)" "[Ff]iltered|[Pp]rohibited"
like "internet: echo to a private network is prohibited, IPv6" "$(C ping -nc 1 -W 5 fd09::1)" "[Pp]rohibited"

# The host's addresses are those of the moment
R ip addr del 9.9.9.11/32 dev lo
ip addr add 9.9.9.11/32 dev lo
refused an_address_is_the_host\'s_from_the_moment_on_that_it_has_it 9.9.9.11 7000 >"$T/list"
xfer 5 <"$T/list"

# ---- By frames that no program's sockets would send: what arrives at R, up to a datagram that may
cat >"$T/arrives.py" <<'END'
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
s.bind(("::", 7001))
open("%s/arrives.up" % __import__("sys").argv[1], "w")
data = b""
while data != b"last":
    data, info, *_ = s.recvmsg(70000, 100)
    to = socket.inet_ntop(socket.AF_INET6, info[0][2][:16])
    if to != "::ffff:9.9.9.9":          # a source route is not passed on: its packet is one to where it may go
        print("arrived:", to, data[:8])
print("done")
END
cat >"$T/evil.py" <<'END'
from frames import *
link = Link()
u = UDP(sport=7001, dport=7001)
evil = IP(src="198.51.100.2", dst="10.9.0.1")
for n in range(3):
    link.send(evil, u / b"plain")
    for f in fragment(evil / u / (b"fragment" * 300), 800):
        link.send(f)
    link.send(IP(src="198.51.100.2", dst="9.9.9.9", options=[IPOption_LSRR(routers=["10.9.0.1"])]), u / b"source route")
    link.send(IP(src="198.51.100.2", dst="10.9.0.1", options=[IPOption_RR()]), u / b"options")
    link.send(IPv6(src="2001:db8:1::2", dst="::ffff:10.9.0.1"), u / b"mapped")
    link.send(IPv6(src="2001:db8:1::2", dst="64:ff9b::a09:1"), u / b"NAT64")
    link.send(IPv6(src="2001:db8:1::2", dst="fd09::1"), IPv6ExtHdrDestOpt(), u / b"extension")
    link.send(IPv6(src="2001:db8:1::2", dst="2620:fe::9"), IPv6ExtHdrRouting(addresses=["fd09::1"]), u / b"routing")
    for f in fragment6(IPv6(src="2001:db8:1::2", dst="fd09::1") / IPv6ExtHdrFragment() / u / (b"fragment" * 300), 1280):
        link.send(f)
    for flags in "S", "SA", "A", "F", "":
        link.send(evil, TCP(sport=7002, dport=7001, flags=flags))
link.send(IP(src="198.51.100.2", dst="9.9.9.9"), u / b"last")
END
R python3 "$T/arrives.py" "$T" >"$T/arrives.out" 2>&1 & arrives=$!
wait_for 20 test -e "$T/arrives.up"
ok "frames of many kinds are sent" C python3 "$T/evil.py"
wait_for 20 grep -q done "$T/arrives.out"
is "options, fragments, source routes, mapped addresses, extension headers: nothing gets through" \
	"$(cat "$T/arrives.out")" done
kill $arrives 2>/dev/null
pasta_stop

# ---- Nothing but what is named
printf '%s\n' '# one service of each kind' 'deny 10.9.0.0/16:7003 "not this one"' 'allow tcp/10.9.0.1:7000-7010' \
	'allow [2620:fe::/32]:7000' 'allow 127.0.0.1:7000' >"$T/policy"
pasta_up --policy "$T/policy" --allow icmp/9.9.9.9 -t 8000 -u 8000 $NO_SPLICE
{
	echo "tcp locked:_a_port_of_a_range c=C s=R to=10.9.0.1 port=7010 up=1000"
	echo "error locked:_a_port_beyond c=C to=10.9.0.1 port=7011 want=ECONNREFUSED"
	echo "error locked:_a_port_that_a_rule_before_refuses c=C to=10.9.0.1 port=7003 want=ECONNREFUSED"
	echo "udp-error locked:_another_protocol c=C to=10.9.0.1 port=7000 want=EHOSTUNREACH"
	allowed locked:_a_prefix 2620:fe::9 7000 R
	refused locked:_the_prefix,_another_port 2620:fe::9 7001
	refused locked:_any_other_address 9.9.9.9 7000
	allowed locked:_one_service_of_the_host\'s_loopback 198.51.100.1 7000 H 127.0.0.1
	refused locked:_another_one 198.51.100.1 7001
	echo "tcp locked:_from_outside,_TCP c=R s=C to=198.51.100.2 port=8000 up=1000 down=1000"
	echo "udp locked:_from_outside,_UDP c=R s=C to=198.51.100.2 port=8000 sizes=0,100"
} >"$T/list"
xfer 5 <"$T/list"
ok "locked: echo by a rule" C ping -nqc 1 -W 5 9.9.9.9
like "locked: other echo is prohibited" "$(C ping -nc 1 -W 5 10.9.0.1)" "[Ff]iltered|[Pp]rohibited"
ok "a thousand refusals leave nothing behind" wait_for 20 no_flows
pasta_stop

# ---- What passes the link by
if [ $LINK = tap ]; then
	pasta_up --egress locked --allow tcp/127.0.0.1:7000 --allow 'udp/[::1]:7000' -T 7000-7001 -U 7000-7001
	xfer 5 <<END
tcp -T_to_what_a_rule_allows c=C s=H to=127.0.0.1 port=7000 up=1000 down=1000
udp -U_to_what_a_rule_allows c=C s=H to=::1 port=7000 sizes=0,100
END
	cat >"$T/silent.py" <<'END'
import socket, sys
where, kind, act = sys.argv[1], sys.argv[2], sys.argv[3]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(10)
if act == "serve":
    s.bind(("127.0.0.1", 7001))
    open(where + "/silent.up", "w")
    while (data := s.recv(100)) != b"last":
        print("arrived:", data)
    print("done")
else:
    try:
        s.connect(("127.0.0.1", 7001))
        s.send(b"x")
        print("read:", s.recv(1) or "end" if kind == "tcp" else "sent")
    except ConnectionError as e:
        print(type(e).__name__)
END
	python3 "$T/silent.py" "$T" udp serve >"$T/silent.out" 2>&1 & silent=$!
	wait_for 20 test -e "$T/silent.up"
	like "-T to another port: reset at once" "$(C python3 "$T/silent.py" "$T" tcp ask)" \
		"ConnectionResetError|BrokenPipeError"
	is "-U to another port: sent" "$(C python3 "$T/silent.py" "$T" udp ask)" "read: sent"
	python3 -c 'import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b"last", ("127.0.0.1", 7001))'
	wait_for 20 grep -q done "$T/silent.out"
	is "-U to another port: nothing gets through" "$(cat "$T/silent.out")" done
	kill $silent 2>/dev/null
	pasta_stop
fi

# ---- Rules that change while the program runs
if [ $LINK = tap ]; then
	S=$T/control.socket
	P() { "${PASTA%/*}/pesto" "$@" "$S" 2>&1; }
	shown() { P | sed -n '/EGRESS/,/^host:/p' | grep -v "^host:"; }
	container
	pasta_start --config-net -c "$S" -T 7000 -U 7000 "$CPID"
	is "without rules, none are shown" "$(shown)" ""
	cat >"$T/talk.py" <<'END'
import socket, sys
where, name, host, port = sys.argv[1:5]
s = socket.create_connection((host, int(port)), timeout=20)
open(f"{where}/{name}.up", "w")
try:
    print(s.recv(1) or "end")
except ConnectionResetError:
    print("reset")
END
	cat >"$T/serve.py" <<'END'
import socket, sys
s = socket.create_server(("", 7000))
open(sys.argv[1], "w")
held = [s.accept()[0] for n in range(int(sys.argv[2]))]
held[0].settimeout(20)
try:
    print(held[0].recv(1) or "end")
except ConnectionResetError:
    print("reset")
held[0].close()
END
	R python3 "$T/serve.py" "$T/serve.up" 1 >"$T/serve.out" 2>&1 & serve=$!
	python3 "$T/serve.py" "$T/serve_h.up" 1 >"$T/serve_h.out" 2>&1 & serve_h=$!
	wait_for 20 test -e "$T/serve.up"
	wait_for 20 test -e "$T/serve_h.up"
	C python3 "$T/talk.py" "$T" link 9.9.9.9 7000 >"$T/link.out" 2>&1 & talk=$!
	C python3 "$T/talk.py" "$T" lo 127.0.0.1 7000 >"$T/lo.out" 2>&1 & talk_lo=$!
	wait_for 20 test -e "$T/link.up"
	wait_for 20 test -e "$T/lo.up"
	printf 'allow icmp/any\ndeny 10.0.0.0/8 "not there"\negress internet\n' >"$T/new"
	printf 'allow any\ndeny publik\n' >"$T/wrong"
	is "rules are replaced" "$(P --policy "$T/new"; echo $?)" 0
	is "rules with a mistake: the line is named, the old ones stay" "$(P --policy "$T/wrong"; echo $?)" \
		"Invalid value \"$T/wrong\" for --policy: line 2: unknown word: a group, an address, \
or a name with a dot expected
1"
	is "rules with a mistake: no port changes" "$(P --policy "$T/wrong" -t 7999 >"$T/out"; P | grep -c 7999)" 0
	is "a file that isn't there" "$(P --policy "$T/none"; echo $?)" \
		"Invalid value \"$T/none\" for --policy: No such file or directory
1"
	ok "echo by a new rule" C ping -nqc 1 -W 5 10.9.0.1
	xfer 5 <<END
error a_new_rule_refuses c=C to=10.9.0.1 port=7000 count=3 want=ECONNREFUSED
error the_new_default_refuses c=C to=198.51.100.10 port=7000 want=ECONNREFUSED
END
	is "rules are shown with the flows they decided on" "$(shown)" '  EGRESS
    allow icmp/any  (1)
    deny 10.0.0.0/8 "not there"  (3)
    egress internet  (1)'
	is "connections live on" "$(cat "$T/link.out" "$T/lo.out" "$T/serve.out" "$T/serve_h.out")" ""
	echo 'deny 9.9.9.9' >"$T/new"
	is "--now: the default stays" "$(P --now --policy "$T/new"; shown)" '  EGRESS
    deny 9.9.9.9  (0)
    egress internet  (0)'
	wait_for 20 test -s "$T/link.out"
	wait_for 20 test -s "$T/lo.out"
	is "--now: a connection that is refused now is reset" "$(cat "$T/link.out")" reset
	is "--now: one through -T, too" "$(cat "$T/lo.out")" reset
	wait $talk $talk_lo $serve $serve_h
	is "--now: both servers see that" "$(cat "$T/serve.out" "$T/serve_h.out")" "reset
reset"
	: >"$T/new"
	P --policy "$T/new"
	is "no rules: the default stays" "$(shown)" '  EGRESS
    egress internet  (0)'
	echo "egress open" >"$T/new"
	P --policy "$T/new"
	is "egress open, and no rules: as without any" "$(shown)" ""
	xfer 5 <<END
tcp everything_is_allowed_again c=C s=R to=10.9.0.1 port=7000 up=1000 down=1000
END
	python3 -c 'print("".join(f"allow tcp/10.{i>>8}.{i&255}.0/24:443\n" for i in range(3000)), end="")' >"$T/new"
	is "3,000 rules" "$(P --policy "$T/new"; shown | wc -l)" 3002
	python3 -c 'for i in range(10000): print(f"deny tcp/10.{i>>8}.{i&255}.0/24:443 \"reason {i}\"")' >"$T/new"
	ok "10,000 rules are more than 128 KiB" [ "$(stat -c %s "$T/new")" -gt 400000 ]
	is "10,000 rules" "$(P --policy "$T/new"; shown | wc -l)" 10002
	P --policy "$T/new"				# they have room twice, for their successors, too
	rss=$(rss_of "$PASTAPID")
	for _ in 1 2 3 4 5 6; do P --policy "$T/new"; done
	le "10,000 rules again and again: memory stays (kB)" $(($(rss_of "$PASTAPID") - rss)) 400
	head -c 1M /dev/zero | tr '\0' '#' >"$T/new"
	is "1 MiB is too much" "$(P --policy "$T/new"; echo $?)" \
		"Invalid value \"$T/new\" for --policy: more rules than one call may have: 1 MiB
1"
	is "1 MiB is too much: the old ones stay" "$(shown | wc -l)" 10002
	pasta_stop
fi

# ---- Rules that make no sense
container
touch "$T/empty"
printf 'allow any\ndeny 10.0.0.1/8\n' >"$T/wrong"
for o in "--allow publik" "--deny 10.0.0.1/8" "--allow any:0" "--egress closed" "--policy $T/none" \
	"--policy $T/wrong"; do
	# shellcheck disable=SC2086 # two words
	out=$(program $o 2>&1 </dev/null)
	is "$o: status 1" $? 1
	is "$o: one line" "$(wc -l <<<"$out")" 1
done
like "a file's line is named" \
	"$(program --policy "$T/wrong" 2>&1 </dev/null)" \
	"Invalid value \"$T/wrong\" for --policy: line 2: address with bits beyond the prefix"

done_testing
