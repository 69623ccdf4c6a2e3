#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL resolv.conf changes while the program runs, in all the ways in which it is written
. "${0%/*}/follow.bash"

R ip addr add 198.51.100.11/24 dev ext
R ip addr add 198.51.100.12/24 dev ext
names R 53 "$T/is."
etc
mkdir "$T/run" "$T/run/a"
chmod 755 "$T/run" "$T/run/a"
servers 198.51.100.10
F=169.254.1.1
# resolver [SECONDS [PORT]]: which one answers, within that time; it took the time in $T/ms
resolver()	{ rm -f "$T/ms"; C python3 "$SYS/follow.py" query $F 53 1 "${1:-5}" "${2:-0}" "$T/ms"; }
uses()		{ [ "$(resolver "${2:-5}")" = "$1" ]; }
leads()		{ ok "$1" wait_for 20 uses "$2" 1; }
# stays NAME ADDRESS
stays()		{ not "$1" wait_for 1 eval "! uses $2"; }
ms()		{ cat "$T/ms"; }
# A resolver that doesn't answer costs 2 s, give or take the rounding of clocks
at_once()	{ le "$1: at once, ms" "$(ms)" 1900; }
waited()	{ ok "$1: after 2 s" [ "$(ms)" -ge 1990 ]; diag "after $(ms) ms"; }

pasta_up --dns-forward $F
leads "the first resolver" 198.51.100.10
echo "nameserver 198.51.100.11" >/etc/resolv.conf
start=${EPOCHREALTIME/./}
leads "FOL-20 written in place" 198.51.100.11
diag "after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
echo "nameserver 198.51.100.12" >/etc/resolv.conf.new
mv /etc/resolv.conf.new /etc/resolv.conf
leads "FOL-20 replaced by rename" 198.51.100.12
echo "nameserver 198.51.100.10" >/etc/resolv.conf
leads "FOL-20 and written in place again" 198.51.100.10
echo "nameserver 198.51.100.11" >"$T/run/a/stub"
ln -s "$T/run/a/stub" /etc/link
mv /etc/link /etc/resolv.conf
leads "FOL-20 a symbolic link in its place" 198.51.100.11
echo "nameserver 198.51.100.12" >"$T/run/a/tmp"
mv "$T/run/a/tmp" "$T/run/a/stub"
leads "FOL-20 its target is replaced" 198.51.100.12
echo "nameserver 198.51.100.10" >"$T/run/a/other"
ln -sfn ../run/a/other /etc/resolv.conf
stays "FOL-20 a link to nowhere: the former one stays" 198.51.100.12
rm /etc/resolv.conf
stays "FOL-20 no file: the former one stays" 198.51.100.12
ln -s "$T/run/late/resolv.conf" /etc/resolv.conf
mkdir "$T/run/late"
chmod 755 "$T/run/late"
echo "nameserver 198.51.100.11" >"$T/run/late/resolv.conf"
leads "FOL-20 a link to a directory that comes late" 198.51.100.11
mkdir "$T/run/b"
chmod 755 "$T/run/b"
echo "nameserver 198.51.100.12" >"$T/run/b/resolv.conf"
ln -s b "$T/run/now"
ln -sfn "$T/run/now/resolv.conf" /etc/resolv.conf
leads "FOL-20 a link on the way, for a directory" 198.51.100.12
ln -sfn late "$T/run/now"
leads "FOL-20 it leads to another directory" 198.51.100.11
ln -s "$T/run/late/resolv.conf" "$T/run/a/second"
ln -sfn "$T/run/a/second" /etc/resolv.conf
echo "nameserver 198.51.100.12" >"$T/run/late/resolv.conf"
leads "FOL-20 a chain of links" 198.51.100.12
echo "nameserver 198.51.100.10" >"$T/run/a/tmp"
mv "$T/run/a/tmp" "$T/run/a/second"
leads "FOL-20 in its midst, a file" 198.51.100.10
: >"$T/run/a/second"
stays "FOL-20 empty: the former one stays" 198.51.100.10
echo "search example.org" >"$T/run/a/second"
stays "FOL-20 no server: the former one stays" 198.51.100.10
echo "nameserver 2001:db8:1::10" >"$T/run/a/second"
leads "FOL-20 of the other family" 2001:db8:1::10

# Another one if one fails. Each query is answered.
server()	{ [ "$2" = 0 ] && rm -f "$T/is.$1" || echo "$2" >"$T/is.$1"; }
lines()		{ grep -c "Host network: IPv4" "$PASTA_LOG"; }
more_lines()	{ [ "$(lines)" -gt "$1" ]; }
servers()	# ADDRESS...: resolvers in this order, and none is preferred any more
{
	local n
	n=$(lines)
	printf 'nameserver %s\n' "$@" >"$T/run/a/tmp"
	mv "$T/run/a/tmp" "$T/run/a/second"
	wait_for 20 more_lines "$n"
}
servers 198.51.100.10 198.51.100.11 198.51.100.12
is "FOL-24 the first one answers" "$(resolver)" 198.51.100.10
is "FOL-24 the first one answers a socket that asks again later" "$(resolver 5 5300)" 198.51.100.10
server 198.51.100.10 -1
is "FOL-24 it doesn't answer any more: the next one" "$(resolver 8)" 198.51.100.11
waited "FOL-24 it doesn't answer any more"
is "FOL-24 the one that answered is the first one now" "$(resolver)" 198.51.100.11
at_once "FOL-24 the one that answered"
is "FOL-24 and of that socket" "$(resolver 5 5300)" 198.51.100.11
at_once "FOL-24 and of that socket"
server 198.51.100.11 2
server 198.51.100.12 5
server 198.51.100.10 0
is "FOL-24 SERVFAIL, then REFUSED: the first one again" "$(resolver 5)" 198.51.100.10
server 198.51.100.10 5
is "FOL-24 REFUSED by all: the guest hears of it" "$(resolver 5)" "198.51.100.12 rcode 5"
for a in 10 11 12; do server 198.51.100.$a 0; done
server 198.51.100.10 3
servers 198.51.100.10 198.51.100.11
is "FOL-24 another result is an answer" "$(resolver 5)" "198.51.100.10 rcode 3"
server 198.51.100.10 0
servers 198.51.100.2 198.51.100.11
is "FOL-24 an ICMP error: the next one" "$(resolver)" 198.51.100.11
at_once "FOL-24 an ICMP error"
ip route add unreachable 192.0.2.1
servers 192.0.2.1 198.51.100.11
is "FOL-24 no route: the next one" "$(resolver)" 198.51.100.11
at_once "FOL-24 no route"
servers 192.0.2.1 2001:db8:1::10
is "FOL-24 the next one is of the other family" "$(resolver 5)" 2001:db8:1::10
by_tcp()
{
	rm -f "$T/ms"
	C python3 -c "import socket, time
begun = time.monotonic()
print(socket.create_connection(('$F', 53), 8).recv(100).decode())
print(int((time.monotonic() - begun) * 1000), file=open('$T/ms', 'w'))"
}
servers 198.51.100.10 198.51.100.11
is "FOL-25 TCP: the first one" "$(by_tcp)" 198.51.100.10
servers 198.51.100.2 2001:db8:1::10
is "FOL-25 TCP: the first one refuses, the next one is of the other family" "$(by_tcp)" 2001:db8:1::10
servers 192.0.2.1 198.51.100.11
is "FOL-25 TCP: no route to the first one" "$(by_tcp)" 198.51.100.11
servers 198.51.100.99 198.51.100.10
is "FOL-25 TCP: no connection to the first one" "$(by_tcp)" 198.51.100.10
waited "FOL-25 TCP: no connection to the first one"
is "FOL-25 the one that answered is the first one now" "$(by_tcp)" 198.51.100.10
at_once "FOL-25 the one that answered"
echo "nameserver 2001:db8:1::10" >"$T/run/a/second"
leads "and as before" 2001:db8:1::10

# What it costs. One that has had no queries: the flow of each ends at a time of its own.
none_left()	{ ! pgrep 'passt-|pasta'; }
pasta_stop
wait_for 20 none_left
pasta_up --dns-forward $F
ok "it rests" wait_for 20 still
a=$(cs_of "$PASTAPID") f=$(frames)
for i in {1..200}; do echo "$i" >/etc/another.$i; done
wait_for 20 still
# The guest's kernel probes its neighbours some time after it has used them
le "FOL-21 200 other files: wake-ups but for frames, as a timer of its own may be due" \
	$(($(cs_of "$PASTAPID") - a - ($(frames) - f))) 3

# The process that reads it dies
p=$(pgrep -x passt-names)
ok "FOL-22 there is a process that reads the file" [ -n "$p" ]
like "FOL-22 without any capability" "$(grep CapEff "/proc/$p/status")" "0000000000000000"
kill -KILL $p
ok "FOL-22 its end is reported" wait_for 20 grep -q "resolvers stay as they are" "$PASTA_LOG"
leads "FOL-22 and the others go on" 2001:db8:1::10
pasta_stop
ok "no process is left" wait_for 20 none_left

mv /etc/resolv.conf /etc/resolv.conf.link
pasta_up --dns-forward $F
not "FOL-29 no file at the start" uses 198.51.100.10 1
echo "nameserver 198.51.100.11" >/etc/resolv.conf
leads "FOL-29 it appears" 198.51.100.11
pasta_stop
mv /etc/resolv.conf.link /etc/resolv.conf

# A resolver on the host's loopback is shown as the gateway, which guests keep, whatever comes
names env 53 "$T/is."
echo "nameserver 127.0.0.53" >"$T/run/a/second"
pasta_up
F=198.51.100.1
leads "FOL-29 a resolver on loopback, by the gateway's address" 127.0.0.53
echo "nameserver 198.51.100.12" >"$T/run/a/second"
leads "FOL-29 and one that is not" 198.51.100.12
echo "nameserver 127.0.0.54" >"$T/run/a/second"
leads "FOL-29 and another one on loopback" 127.0.0.54
F=169.254.1.1
pasta_stop

echo "nameserver 198.51.100.10" >"$T/run/a/second"
pasta_up --dns-forward $F -D 198.51.100.11 -S none
leads "FOL-23 -D" 198.51.100.11
echo "nameserver 198.51.100.12" >"$T/run/a/second"
stays "FOL-23 -D stays" 198.51.100.11
pasta_stop
wait_for 20 none_left
pasta_up --dns-forward $F --no-follow
leads "FOL-23 --no-follow" 198.51.100.12
echo "nameserver 198.51.100.10" >"$T/run/a/second"
not "FOL-23 --no-follow: no other process" pgrep -x "passt-names|pasta-setter"
stays "FOL-23 --no-follow: it stays" 198.51.100.12
pasta_stop
done_testing
