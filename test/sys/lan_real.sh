#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# three virtual machines at once, qemu and user-mode Linux, on a network of their own, while a fourth guest floods it
LINK=vhost
. "${0%/*}/lib.sh"
. "$SYS/qemu.bash"

topology
resolv "nameserver 198.51.100.10"
R python3 "$SYS/names.py" outside.example.com 198.51.100.10 2001:db8:1::10 >"$T/names.log" 2>&1 &
R "$TOOLS/far" serve 7000 >"$T/far.R" &
for f in far.R names.log; do
	wait_for 20 grep -q ready "$T/$f"
done

NAMES=(- one two three)
VMS=()
# vm NUMBER COMMAND...: with that machine's process, and its files
vm()
{
	local n=$1 rc T=$T/$1 QEMU=${VMS[$1]:-}
	shift
	"$@"
	rc=$?
	VMS[n]=$QEMU
	return $rc
}
in_vm() { vm "$1" G "${@:2}"; }
# address NUMBER 4|6: as the machine has it
address() { in_vm "$1" "ip -$2 addr show dev eth0 scope global | sed -n 's/.*inet6* \([^/]*\).*/\1/p'" | head -n 1; }
slaac()	{ [[ $(address "$1" 6) == fd00:77::* ]]; }

passt_start --guests 4 --lan 192.168.77.0/24,fd00:77::/64 -t 2221:one/7001 -t 2222:two/7001 -t 2223:three/7001 \
	-u 2221-2223:192.168.77.4/7001-7003 || { fail "passt starts"; done_testing; }
mkdir "$T/1" "$T/2" "$T/3"
vm 1 vm_start "${LINUX[@]}"
vm 2 uml_start
vm 3 uml_start
A4=(-) A6=(-)
for n in 1 2 3; do
	ok "LAN-40 ${NAMES[n]} boots" vm $n vm_up 150 || done_testing
	like "LAN-40 ${NAMES[n]}: DHCP" "$(in_vm $n dhcp 4 "${NAMES[n]}")" "^192.168.77.$((n + 1))/24 router 192.168.77.1 names 192.168.77.1 "
	ok "LAN-40 ${NAMES[n]}: an address by its prefix" wait_for 20 slaac $n
	in_vm $n "mkfifo /tmp/hold; head -c 3000000 /dev/urandom >/tmp/file; far serve 7001 >/tmp/far.out 2>&1 &"
	ok "LAN-40 ${NAMES[n]}: its server" wait_for 20 in_vm $n grep ready /tmp/far.out
	A4[n]=$(address $n 4) A6[n]=$(address $n 6)
done

# A fourth guest
container
C sysctl -qw net.ipv6.conf.default.accept_dad=0
C ip link set lo up
guest_start "$SOCKET" -m 1500 -a 02:00:00:00:00:04
C ip link set ext up
C python3 -c 'import contextlib, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("ext", 0))
frame = bytes.fromhex("ffffffffffff" "020000000004" "88b5") + bytes(1400)
while True:
    with contextlib.suppress(OSError):
        s.send(frame)' &
flood=$!
sent() { C awk '/ext:/ { exit !($11 > 1000) }' /proc/net/dev; }
heard() { in_vm "$1" "awk '/eth0:/ { exit !(\$3 > $2) }' /proc/net/dev"; }
ok "LAN-40 a fourth guest floods" wait_for 20 sent
for n in 1 2 3; do
	ok "LAN-40 ${NAMES[n]} hears it" wait_for 20 heard $n 500
done

# between FROM TO: ping, a connection each way by each family, names, a file
between()
{
	local from=${NAMES[$1]} to=${NAMES[$2]} t a
	t="LAN-41 $from to $to"
	ok "$t: ping" in_vm "$1" ping -c 1 -W 5 "${A4[$2]}"
	ok "$t: ping, IPv6" in_vm "$1" ping -c 1 -W 5 "${A6[$2]}"
	is "$t: TCP" "$(in_vm "$1" far tcp "${A4[$2]}" 7001 1000000 1000000)" "done, seen as ${A4[$1]}"
	is "$t: TCP, IPv6" "$(in_vm "$1" far tcp "${A6[$2]}" 7001 1000000 1000000)" "done, seen as ${A6[$1]}"
	like "$t: reverse" "$(in_vm "$1" nslookup "${A4[$2]}" 192.168.77.1)" "name = $to\.internal"
	a=$(in_vm "$1" "nslookup $to.internal 192.168.77.1 | sed -n 's/^Address[ 0-9]*: *\\([0-9.]*\\)\$/\\1/p' | tail -n 1")
	is "$t: its name" "$a" "${A4[$2]}"
	in_vm "$2" "nc -l -p 9000 </tmp/file >/tmp/nc.out 2>&1 &"
	ok "$t: a file" in_vm "$1" "for i in \$(seq 100); do nc $a 9000 <>/tmp/hold >/tmp/copy.$2 && break; usleep 50000; done"
	is "$t: the same bytes" "$(in_vm "$1" "sha256sum <'/tmp/copy.$2'")" "$(in_vm "$2" 'sha256sum </tmp/file')"
}
for pair in "1 2" "2 3" "3 1"; do
	# shellcheck disable=SC2086	# two numbers
	between $pair
done
for n in 1 2 3; do
	t="LAN-42 ${NAMES[n]}"
	is "$t: out" "$(in_vm $n far tcp 198.51.100.10 7000 1000000 1000000)" "done, seen as 198.51.100.2"
	like "$t: names outside" "$(in_vm $n nslookup outside.example.com 192.168.77.1)" '198\.51\.100\.10'
	is "$t: forwarded to" "$(R "$TOOLS/far" tcp 198.51.100.2 222$n 1000000 1000000)" "done, seen as 198.51.100.10"
done
ok "LAN-42 the flood went on" kill $flood
wait $flood 2>/dev/null
unlike "LAN-42 nobody claimed anything" "$(cat "$PASTA_LOG")" 'claims|sends from'

# Killed: the others never notice
vm 2 vm_kill
is "LAN-43 one less: the others" "$(in_vm 3 far tcp "${A4[1]}" 7001 1000000 1000000)" "done, seen as ${A4[3]}"
R "$TOOLS/far" tcp 198.51.100.2 2222 1 1 >"$T/reset" 2>&1
like "LAN-43 to the one that is away: reset" "$(cat "$T/reset")" 'reset by peer'
vm 1 vm_kill
vm 3 vm_kill
done_testing
