#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qrap: the socket it takes, the descriptor and command line qemu gets, and qemu itself behind it
. "${0%/*}/lib.sh"

QRAP=${PASTA%/*}/qrap
: "${PASST:=${PASTA%/*}/passt}"
[ -x "$QRAP" ] || { fail "qrap is there"; done_testing; }

# Sockets have fixed names: a /tmp of its own, where what is needed of the other is in its place
mkdir "$T/tmp" "$T/bin" "$T/few"
for d in "$T" "$TOP" "$QRAP" "$PASST"; do
	[[ $d == /tmp/?* ]] || continue
	d=${d#/tmp/}
	d=${d%%/*}
	[ ! -e "$T/tmp/$d" ] || continue
	mkdir "$T/tmp/$d"
	mount --rbind "/tmp/$d" "$T/tmp/$d"
done
chmod 1777 "$T/tmp"
mount --rbind "$T/tmp" /tmp

# servers N=HOW...: sockets in /tmp, and what is behind them; $T/asked: those that were connected to
servers()
{
	: >"$T/asked"
	: >"$T/servers.log"
	(cd "$T" && exec python3 "$SYS/qrap_peers.py" serve "$@") >"$T/servers.log" 2>&1 &
	echo $! >"$T/servers.pid"
	disown $!
	wait_for 10 grep -q ready "$T/servers.log"
}
servers_stop()
{
	kill -9 "$(cat "$T/servers.pid")"
	wait_for 20 gone "$(cat "$T/servers.pid")"
	rm -f /tmp/passt_*.socket
}

# Instead of qemu, under several names
PYTHON=$(command -v python3)
# shellcheck disable=SC2016 # of the other script
printf '#!/bin/bash\nexec "%s" "%s" qemu "${0##*/}" "$@"\n' "$PYTHON" "$SYS/qrap_peers.py" >"$T/bin/fake"
chmod +x "$T/bin/fake"
NATIVE=$(uname -m)
NATIVE=qemu-system-${NATIVE/#i[56]86/i386}
cp "$T/bin/fake" "$T/bin/$NATIVE"
cp "$T/bin/fake" "$T/few/qemu-kvm"
export OUT=$T/out

# run_qrap ARG...: sets PID, RC, and what came of it: CALL, ERR. With WHERE: PATH.
run_qrap()
{
	rm -f "$OUT"
	PATH=${WHERE:-$T/bin:$PATH} "$QRAP" "$@" >"$T/stdout" 2>"$T/stderr" </dev/null &
	PID=$!
	RC=0
	wait $PID || RC=$?
	CALL=$(sed -n 1p "$OUT" 2>/dev/null) ERR=$(cat "$T/stderr")
}

# exchanged NAME N: what the last qemu had was a connection to socket N, from the beginning of a frame
exchanged()
{
	is "$1: frame there and back" "$(sed -n '3,$p' "$OUT" 2>&1 | paste -sd ' ')$ERR" \
		"connected to /tmp/passt_$2.socket blocking frame ponmlkjihgfedcba"
}

# ---- Forms of the command line

servers 1=answers
run_qrap 5 "$T/bin/fake" a.img -m 1024 -net socket,fd=5 -net nic,model=virtio
is "descriptor and command: command line as it is" "$CALL" "fake a.img -m 1024 -net socket,fd=5 -net nic,model=virtio"
exchanged "descriptor and command" 1
is "descriptor and command: process and exit status are qemu's" "$(sed -n 2p "$OUT") $RC" "pid $PID 7"

run_qrap 30 fake -netdev user,id=n -device e1000,netdev=n -S
is "descriptor, no option for it: command line gets one" "$CALL" \
	"fake -device e1000,netdev=n -S -netdev socket,fd=30,id=n"
exchanged "descriptor, no option for it" 1

exec 5<"$SYS/qrap_peers.py"
run_qrap 5 fake -net socket,fd=5
exec 5<&-
exchanged "descriptor that was another file" 1

run_qrap a.img -m 1024
like "neither: native qemu and any descriptor" "$CALL" \
	"^$NATIVE a.img -m 1024 -device virtio-net,netdev=passt -netdev socket,fd=[0-9]+,id=passt\$"
exchanged "neither" 1

exec 3<"$SYS/qrap_peers.py" 4<"$SYS/qrap_peers.py"
run_qrap -S
exec 3<&- 4<&-
like "descriptors that qemu is to inherit stay" "$CALL" 'fd=([5-9]|[1-9][0-9])'

WHERE=$T/few run_qrap -S
like "no native qemu: qemu-kvm" "$CALL" "^qemu-kvm -S -device "
servers_stop

# ---- Which socket

servers 1=stale 2=closes 3=mute 4=full 9=answers 10=answers
run_qrap 5 fake -net socket,fd=5
exchanged "stale, busy, mute and full ones are passed by" 9
is "each was asked once, but those behind the right one" "$(paste -sd ' ' "$T/asked")" "2 3 9"
servers_stop

servers 64=ip6
run_qrap 5 fake -net socket,fd=5
exchanged "the last one, without IPv4" 64
servers_stop

(sleep 1; servers 1=answers) &	# later, that is the point
LATER=$!
run_qrap 5 fake -net socket,fd=5
wait $LATER
exchanged "one that comes a second later" 1
servers_stop

# ---- What fails, in one line

# fails NAME REGEX ARG...
fails()
{
	local name=$1 want=$2
	shift 2
	run_qrap "$@"
	like "$name: one line" "$RC $(wc -l <"$T/stderr") $ERR$CALL" "^1 1 qrap: $want\$"
}
start=${EPOCHREALTIME/./}
fails "no passt" 'no passt answers on /tmp/passt_1.socket to /tmp/passt_64.socket: No such file or directory' 5 fake
le "no passt: it gives up" $(((${EPOCHREALTIME/./} - start) / 1000000)) 10

run_qrap 5 fake -version
is "a question to qemu needs no passt" "$RC$ERR $CALL" "0 fake -version"
run_qrap -S -machine none,accel=tcg -nodefaults
is "nor one by way of a machine without buses" "$RC$ERR $CALL" "0 $NATIVE -S -machine none,accel=tcg -nodefaults"

servers 1=answers
fails "descriptor without a command" 'usage: .*no command after descriptor 5' 5
fails "descriptor, and an option" 'usage: .*no command after descriptor 5' 5 -m 1024
fails "standard error is not for this" 'not a number for a descriptor.*: 2' 2 fake
fails "no descriptor's number" 'not a number for a descriptor.*: 99999999999999999999' 99999999999999999999 fake
fails "descriptor above the limit" 'descriptor 2147483647: Bad file descriptor' 2147483647 fake
fails "no such command" 'nosuch-qemu: No such file or directory' 5 nosuch-qemu
fails "command that is none" '.*/servers.log: Permission denied' 5 "$T/servers.log"
mapfile -t many < <(seq 4096)
fails "too many arguments" 'more than 4096 arguments' 5 fake "${many[@]}"
[ -e /usr/libexec/qemu-kvm ] || WHERE=/nonexistent fails "no qemu" 'no qemu-system-.* in PATH' -m 1024
servers_stop

# ---- The real ones

topology

passt_one()		# OPTION...: at the first default name
{
	start_ "$PASST" "$@" || { fail "passt starts"; done_testing; }
	wait_for 20 test -S /tmp/passt_1.socket
}

passt_one -1 -6
pasta_may_end
"$QRAP" 5 "$T/bin/fake" -netdev socket,fd=5,id=s >"$T/stdout" 2>&1 &
QPID=$!
ok "passt -1 -6 takes qrap for its one guest" wait_for 10 grep -q 'connected to /tmp/passt_1.socket' "$OUT"
kill $QPID
wait $QPID
ok "passt -1 ends with that guest" wait_for 20 gone "$PASTAPID"
rm -f /tmp/passt_1.socket

command -v qemu-system-x86_64 >/dev/null || { fail "qemu-system-x86_64 is there"; done_testing; }

# machine NAME QRAP-ARG...: its monitor says that the card and the socket are joined, and its BIOS has the card send
machine()
{
	local name=$1
	shift
	passt_one -p "$T/pcap"
	mkfifo "$T/mon"
	"$QRAP" "$@" -accel tcg -m 64 -display none -monitor stdio <"$T/mon" >"$T/mon.out" 2>&1 &
	PID=$!
	exec 8>"$T/mon"
	echo "info network" >&8
	ok "$name: the socket is the card's backend" wait_for 20 grep -q 'h0: .*type=socket,socket: fd=' "$T/mon.out" ||
		diag "$(cat "$T/mon.out")"
	ok "$name: the card is as the command line has it" grep -q 'net0: .*macaddr=52:54:00:77:88:99' "$T/mon.out"
	ok "$name: its frames arrive" wait_for 30 grep -qaP 'RT\x00\x77\x88\x99\x08\x00' "$T/pcap"
	echo quit >&8
	exec 8>&-
	wait_for 10 gone $PID
	rm "$T/mon" "$T/mon.out" "$T/pcap"
	pasta_stop
	rm -f /tmp/passt_1.socket
}

CARD=id=net0,mac=52:54:00:77:88:99
machine "qemu" 5 qemu-system-x86_64 -net none -netdev user,id=h0 \
	-device virtio-net-pci,netdev=h0,$CARD,bus=pci.0,addr=0x7
machine "qemu, JSON" 5 qemu-system-x86_64 -netdev '{"type":"user","id":"h0"}' \
	-device '{"driver":"e1000", "netdev":"h0", "id":"net0", "mac":"52:54:00:77:88:99", "bus":"pci.0", "addr":"0x3"}'
machine "qemu, as it is" 5 qemu-system-x86_64 -netdev socket,fd=5,id=h0 -device rtl8139,netdev=h0,$CARD

done_testing
