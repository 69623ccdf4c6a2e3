#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL what stays while the host's network changes: connections that work, what others set, what the host will have again
LINK=tap
. "${0%/*}/follow.bash"

C_routes()	{ C ip route show "$@" | sed 's/ *$//' | sort | xargs; }
deprecated()	{ C ip addr show dev ext | grep -F "inet $1" | grep -q deprecated; }

# ---- an address that is deleted and added again, ten times a second

pasta_up
hold 1 198.51.100.10 7
ok "a connection" held 1
ok "it rests" wait_for 20 still
before=$(ticks) start=${EPOCHREALTIME/./}
flap 100 0.06 0.04
ms=$(((${EPOCHREALTIME/./} - start) / 1000))
le "FOL-32 a flapping interface: CPU time of all processes, in 1/1000" $((($(ticks) - before) * 10000 / ms)) 10
ok "FOL-03 an address that is always back soon: the connection goes on" held 1
follows "FOL-03 and the namespace is as before" "$IN_EXT"
unhold 1
pasta_stop

# ---- the link is down: routes that the kernel deletes are the host's again soon

ip route del default
ip route add default via 198.51.100.1 metric 600
ip route add 10.1.0.0/16 via 198.51.100.9 metric 700
ip addr add 192.0.2.3/24 dev ext
pasta_up
before=$(C_routes)
like "routes with metrics" "$before" \
	"10.1.0.0/16 via 198.51.100.9 dev ext.*metric 700.*default via 198.51.100.1 .*metric 600"
ip link set ext down
not "FOL-03 the link is down: addresses, routes and their metrics stay" \
	wait_for 1 eval '[ "$(C_routes)" != "$before" ] || ! C_addr -4 | grep -q 192.0.2.3'
ip link set ext up
ip addr add 2001:db8:1::2/64 dev ext nodad
ip route add default via 198.51.100.1 metric 600
ip route add 10.1.0.0/16 via 198.51.100.9 metric 700
ip -6 route add default via 2001:db8:1::1
ok "FOL-03 and are followed again" eval 'ip route del 10.1.0.0/16; wait_for 20 eval "! C_routes | grep -q 10.1.0.0"'
is "FOL-03 the others are as before" "$(C_routes)" "${before/10.1.0.0\/16 via 198.51.100.9 dev ext metric 700 /}"
ip addr del 192.0.2.3/24 dev ext

# ---- another address of the host's beside that of the guest

ip addr add 198.51.100.200/32 dev ext
ok "FOL-12 another address: the namespace has it" wait_for 20 eval 'C_addr -4 | grep -q 198.51.100.200/32'
is "FOL-12 the guest's address is the same" "$(grep -c "Host network: IPv4 198.51.100.200" "$PASTA_LOG")" 0
ip addr del 198.51.100.200/32 dev ext
ok "FOL-12 and it goes" wait_for 20 eval '! C_addr -4 | grep -q 198.51.100.200'
pasta_stop
nets
ext

# ---- spliced connections end in the namespace, at its old address

pasta_up -t 8000 -u 8000
C python3 "$SYS/follow.py" serve 8000 >"$T/serve.C" 2>&1 &
disown
wait_for 20 grep -q ready "$T/serve.C"
IN=env hold 2 127.0.0.1 8000
IN=env udp_hold 3 127.0.0.1 8000
ok "a spliced connection" held 2
ok "spliced datagrams" held 3
nets
wlan
ok "FOL-04 the namespace has another address" wait_for 20 eval 'C_addr -4 | grep -q 203.0.113.2'
ok "FOL-04 the old one stays for a spliced connection, deprecated" wait_for 20 deprecated 198.51.100.2
ok "FOL-04 a spliced connection goes on" held 2
ok "FOL-04 spliced datagrams go on" held 3
nets
ext
ok "FOL-04 and back" wait_for 20 eval '[ "$(C_addr -4)" = 198.51.100.2/24 ]'
not "FOL-04 the address is not deprecated any more" deprecated 198.51.100.2
ok "FOL-04 the spliced connection is the same one" held 2
ok "FOL-04 spliced datagrams go on" held 3
unhold 2
unhold 3
pasta_stop

# ---- what others set in the namespace

pasta_up
C ip addr add 198.51.100.99/24 dev ext		# secondary to pasta's
C ip addr add 2001:db8:1::99/64 dev ext nodad
C ip route add 192.0.2.0/24 via 198.51.100.77
C ip -6 route add 2001:db8:99::/64 via 2001:db8:1::77
C ip rule add to 192.0.2.99 table 99
C ip route add 192.0.2.99 via 198.51.100.98 table 99
nets
wlan
ok "FOL-07 addresses follow" wait_for 20 eval 'C_addr | grep -q 203.0.113.2 && ! C_addr | grep -q 198.51.100.2/'
is "FOL-07 others' addresses of the same networks stay" "$(C_addr | tr ' ' '\n' | grep 99 | xargs)" \
	"198.51.100.99/24 2001:db8:1::99/64"
like "FOL-07 others' route by the old network stays" "$(C_routes)" "192.0.2.0/24 via 198.51.100.77"
like "FOL-07 the same, IPv6" "$(C ip -6 route)" "2001:db8:99::/64 via 2001:db8:1::77"
like "FOL-07 and other tables" "$(C ip route show table 99)" "192.0.2.99 via 198.51.100.98"
pasta_stop
nets
ext

pasta_up
C ip addr del 198.51.100.2/24 dev ext
nets
wlan
ok "FOL-07 an address that somebody deleted: IPv6 follows" wait_for 20 eval 'C_addr | grep -q 2001:db8:2::2/64'
is "FOL-07 it has no successor, nor have its routes" "$(C_addr -4) $(C_routes)" " "
nets
ext
wait_for 20 eval 'C_addr | grep -q 2001:db8:1::2/64'
is "FOL-07 nor is it set again" "$(C_addr -4) $(C_routes)" " "
C ip addr add 198.51.100.2/24 dev ext
C ip route add default via 198.51.100.1
nets
wlan
ok "FOL-07 somebody sets it again" wait_for 20 eval 'C_addr | grep -q 2001:db8:2::2/64'
is "FOL-07 then it is theirs" "$(C_addr -4)" 198.51.100.2/24
pasta_stop
nets
ext

# ---- options

pasta_up -a 192.0.2.7 -n 24 -g 192.0.2.1 -D 192.0.2.53
before="$(C_addr -4) $(C_routes)"
nets
wlan
ok "FOL-13 -a, -g: IPv6 follows" wait_for 20 eval 'C_addr | grep -q 2001:db8:2::2/64'
is "FOL-13 -a, -g: IPv4 stays" "$(C_addr -4) $(C_routes)" "$before"
ok "FOL-13 and works" traffic 203.0.113.10
pasta_stop
nets
ext

# ---- the process that makes the changes doesn't run for a while

pasta_up -t 8000
C python3 "$SYS/follow.py" serve 8000 >"$T/serve.C" 2>&1 &
disown
wait_for 20 grep -q ready "$T/serve.C"
ok "the guest uses its addresses" eval 'traffic 198.51.100.10 && traffic 2001:db8:1::10'
p=$(pgrep -x pasta-setter)
kill -STOP "$p"
nets
wlan
not "FOL-14 while it is stopped, nothing changes" wait_for 2 eval '! C_is "$IN_EXT"'
ok "FOL-14 but the loop goes on" traffic 203.0.113.10
kill -CONT "$p"
ok "FOL-14 then, the namespace follows" wait_for 15 C_is "$IN_WLAN"
for to in 203.0.113.2 2001:db8:2::2; do
	ok "FOL-14 and a connection from outside goes to $to" \
		eval "R timeout 5 python3 '$SYS/follow.py' hold $to 8000 <<<'' | grep -q ok"
done
kill -KILL "$p"
nets
ext
ok "FOL-14 it is gone: the loop goes on" wait_for 20 traffic 198.51.100.10
ok "FOL-14 and reports that" wait_for 10 grep -q "addresses and routes of the namespace stay" "$PASTA_LOG"
ok "FOL-14 no other one" [ -z "$(pgrep -x pasta-setter)" ]
pasta_stop

# ---- the main process is killed

nets
ext
pasta_up
ok "FOL-22 processes beside the main one" [ "$(others | wc -w)" = 2 ]
pasta_may_end
kill -KILL "$PASTAPID"
ok "FOL-22 end with it" wait_for 20 eval '[ -z "$(others)" ]'
done_testing
