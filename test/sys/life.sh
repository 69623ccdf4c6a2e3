#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# how pasta starts, what it leaves to its caller, how it ends: what programs that start it rely on
. "${0%/*}/lib.sh"

topology
run() { timeout 20 "$PASTA" "$@"; }		# RC, OUT (stdout), ERR
try() { run "$@" >"$T/out" 2>"$T/err" </dev/null; RC=$?; OUT=$(cat "$T/out") ERR=$(cat "$T/err"); }
end() { local p; p=$(cat "$1"); kill "$p" && wait_for 20 gone "$p"; }

# ---- 1. In the background only when all is ready, and then nothing of the caller's is held
container
out=$(timeout 20 "$PASTA" --config-net -q -P "$T/p" -t 8000 -u 8000 -m 1400 "$CPID" 2>&1)	# until end of file
is "LIFE-22 whoever reads its output to the end gets there: status" $? 0
addr=$(C ip -br addr show ext) route=$(C ip route) route6=$(C ip -6 route) link=$(C ip link show ext) \
	ports=$(ss -Hltn) uports=$(ss -Hlun)
pid=$(cat "$T/p")
is "--quiet: no output" "$out" ""
like "LIFE-22 ready at once: addresses" "$addr" "198.51.100.2/24.*2001:db8:1::2/64"
like "LIFE-22 ready at once: routes" "$route $route6" "default via 198.51.100.1 .*default via 2001:db8:1::1 "
like "LIFE-22 ready at once: link up, MTU" "$link" "mtu 1400 .*state (UP|UNKNOWN)"
unlike "CFG-07 ready at once: no address is tentative" "$(C ip -6 addr show ext)" tentative
like "LIFE-22 ready at once: TCP port" "$ports" ":8000 "
like "LIFE-22 ready at once: UDP port" "$uports" ":8000 "
is "PID file: a number and a newline" "$(od -c <"$T/p" | tr -d ' \n')" "$(printf '%s\n' "$pid" | od -c | tr -d ' \n')"
is "PID file: of the process that goes on" "$(cat /proc/"$pid"/comm)" pasta
is "its standard streams are /dev/null" \
	"$(for fd in 0 1 2; do stat -Lc %t:%T "/proc/$pid/fd/$fd" 2>&1; done | sort -u)" 1:3
is "it has a session of its own" "$(ps -o sid= -p "$pid" | tr -d ' ')" "$pid"

# ---- Isolation
st=$(cat "/proc/$pid/status")
for set in CapInh CapBnd CapAmb; do
	like "SEC-07 $set is empty" "$st" "$set:	0000000000000000"
done
for set in CapPrm CapEff; do	# ports of the namespace may open at any time
	like "SEC-07 -T auto: $set: CAP_NET_BIND_SERVICE" "$st" "$set:	0000000000000400"
done
like "SEC-07 no_new_privs" "$st" "NoNewPrivs:	1"
like "SEC-07 seccomp filter" "$st" "Seccomp:	2"
# Those of a user who has logged in, the user's own among them, can't be given up: user_namespaces(7), setgroups(2)
groups=65534
[ "$HOST_UID" = 0 ] || groups="65534|0"
like "SEC-07 no supplementary groups" "$(sed -n 's/^Groups:[[:space:]]*//p' <<<"$st")" "^(($groups) *)*$"
for ns in user mnt ipc uts pid; do
	not "$ns namespace of its own" [ "$(readlink "/proc/$pid/ns/$ns")" = "$(readlink "/proc/$$/ns/$ns")" ]
done
is "network namespace is the host's" "$(readlink "/proc/$pid/ns/net")" "$(readlink "/proc/$$/ns/net")"
is "root directory is empty" "$(ls -A "/proc/$pid/root" 2>&1)" ""
not "and read-only" touch "/proc/$pid/root/x"
if [ "$HOST_UID" = 0 ]; then
	like "SEC-07 root became nobody" "$st" "Uid:	65534	65534	65534	65534"
fi
# Those of a sanitizer (SIGBUS, SIGFPE, SIGSEGV) are not ours
is "LIFE-03 no handler is installed that could change errno" \
	$((0x$(sed -n 's/^SigCgt:[[:space:]]*//p' <<<"$st") & ~0x4c0)) 0
end "$T/p"
is "PID file stays" "$(cat "$T/p")" "$pid"
try --config-net -q -P "$T/p2" -T none -U none "$CPID"
st=$(cat "/proc/$(cat "$T/p2")/status")
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
	like "SEC-07 without -T auto: $set is empty" "$st" "$set:	0000000000000000"
done
end "$T/p2"
ok "FWD-01 ports are free at once" python3 \
	-c "import socket; s = socket.socket(socket.AF_INET6); s.bind(('::', 8000)); s.listen()"

# ---- 2. PID file
printf '%s' "this was here before, and is longer than a number" >"$T/old"
ino=$(stat -c %i "$T/old")
try --config-net -q -P "$T/old" "$CPID"
like "PID file that was there: overwritten" "$(cat "$T/old")" '^[0-9]+$'
is "PID file that was there: the same file" "$(stat -c %i "$T/old")" "$ino"
end "$T/old"
mkfifo "$T/fifo"
cat "$T/fifo" >"$T/from_fifo" & f=$!
try --config-net -q -P "$T/fifo" "$CPID"
wait $f
like "PID file that is a FIFO" "$(cat "$T/from_fifo")" '^[0-9]+$'
end "$T/from_fifo"
"$PASTA" -f --config-net -q -P /proc/self/fd/1 "$CPID" >"$T/stdout" 2>"$T/err" & p=$!
wait_for 20 test -s "$T/stdout"
is "PID file that is stdout, in the foreground: that and nothing else" "$(cat "$T/stdout")" "$p"
kill $p
wait $p
is "SIGTERM in the foreground: status" $? 0
for i in {1..20}; do
	"$PASTA" -f --config-net -q -P "$T/fifo" "$CPID" 2>"$T/err" & p=$!
	read -r got <"$T/fifo"
	kill "$got"
	wait $p || break
done
is "SIGTERM as soon as the PID file is written: status" $? 0
(cd "$T" && run --pid 1234 -e --config-net -- true 2>"$T/null")
is "--pid 1234, and -e: status" $? 0
like "--pid 1234: a file of that name" "$(cat "$T/1234")" "^[1-9][0-9]*$"
for o in "-4 -6:inet6" "-6 -4:inet" "-46:inet6" "--ipv6-only --ipv4-only:inet"; do
	is "CLI-02 ${o%:*}: the last one counts" \
		"$("$PASTA" -q --config-net ${o%:*} -- ip -o addr show scope global 2>/dev/null |
		awk '{ print $3 }' | sort -u)" "${o#*:}"
done
container
try -q --config-net --userns "/proc/$CPID/ns/user" -- readlink /proc/self/ns/user
is "--userns PATH COMMAND: the command is in that namespace" "$RC $OUT$ERR" "0 $(readlink "/proc/$CPID/ns/user")"
try -q --config-net --userns "/proc/$CPID/ns/user" -- ip -br addr show ext
like "--userns PATH COMMAND: its network is set up" "$RC $OUT$ERR" "^0 ext .*198.51.100.2/24 2001:db8:1::2/64"
try -q --config-net --userns "/proc/$CPID/ns/user" --no-pidns -- sh -c 'exit 7'
is "--userns PATH COMMAND: status" "$RC$ERR" 7
try --config-net --userns "$T/none/userns" -- true
is "--userns of no file, COMMAND: status" $RC 1
like "--userns of no file, COMMAND: message" "$ERR" "Couldn't open user namespace $T/none/userns: No such file"
try --config-net --userns /etc/passwd -- true
is "--userns of no namespace, COMMAND: status" $RC 1
like "--userns of no namespace, COMMAND: message" "$ERR" "Couldn't join user namespace /etc/passwd: "
try -q --config-net --userns "$T/none/userns" --netns-only -- true
is "CLI-02 --userns, then --netns-only: the last one counts" "$RC$ERR" "0"
try --pid-file="$T/x" -- true
is "--pid-file: refused" $RC 1
try -q -P "$T/none/pid" -- true
is "PID file that can't be made: status" $RC 1
for o in "-P PID" "-l log" "-p pcap"; do	# a test suite of libvirt's has these words
	try -q ${o% *} "$T/none/file" -- true
	is "${o#* } file that can't be made: status" $RC 1
	like "${o#* } file that can't be made: message, also with --quiet" "$ERR" \
		"^Couldn't open ${o#* } file $T/none/file: No such file or directory \\(${o% *}/--[a-z-]+\\)$"
done

# ---- 3, 4. Statuses, messages, probes
try --xyz
is "CLI-04 unknown option: status" $RC 1
like "CLI-04 unknown option: message" "$ERR" "unrecognized option '--xyz'"
try --quiet --xyz
like "CLI-04 unknown option: message, also with --quiet" "$ERR" "unrecognized option '--xyz'"
try --xyz --version
is "unknown option before --version: status" $RC 1
is "--version in a pipe: status, text on stdout" \
	"$(run --version 2>/dev/null | head -n 1 | grep -c '^pasta [^ ]'; echo ${PIPESTATUS[0]})" "1
0"
for name in passt pasta pesto; do	# Podman compares the day
	like "$name --version: day and commit" "$("${PASTA%/*}/$name" --version | head -n 1)" \
		"^$name [0-9]{8}\\.[0-9a-f]{7,}$"
done
is "--host-lo-to-ns-lo --version: status" "$(run --host-lo-to-ns-lo --version >/dev/null 2>&1; echo $?)" 0
for o in --version --help; do
	is "$o that can't be written" "$("$PASTA" $o 2>&1 >/dev/full) $?" \
		"Couldn't write to standard output: No space left on device 1"
done
try --help
is "--help: status" $RC 0
for o in --map-host-loopback --map-guest-addr --dns-forward --host-lo-to-ns-lo --netns-only --no-netns-quit; do
	like "--help names $o" "$(run --help 2>&1 | cat)" "$(printf '%s' "$o")( |,|$)"
done
try --config-net --netns "$T/nothing"
is "namespace that is not there: status" $RC 1
like "namespace that is not there: message" "$ERR" "$T/nothing"
try --config-net 999999
is "process that is not there: status" $RC 1
try --config-net -q -- "$T/nothing"
not "command that is not there: status" [ $RC = 0 ]
like "command that is not there: message" "$ERR" "$T/nothing"
ok "nothing is left behind" wait_for 10 nobody
mount -t tmpfs none /dev/net
try --config-net -q "$CPID"
is "LIFE-24 no /dev/net/tun: status" $RC 1
like "LIFE-24 no /dev/net/tun: message" "$ERR" "/dev/net/tun: No such"
umount /dev/net

# ---- What it says, and where: callers read it, and what a command says on stderr
configured="Template interface: ext (IPv4), ext (IPv6)
Namespace interface: ext
MAC:
    host: 9a:55:9a:55:9a:55
    NAT to host 127.0.0.1: 198.51.100.1
    NAT to host ::1: 2001:db8:1::1
DHCP:
    assign: 198.51.100.2
    mask: 255.255.255.0
    router: 198.51.100.1
NDP/DHCPv6:
    assign: 2001:db8:1::2
    router: 2001:db8:1::1
    our link-local: fe80::1
Inbound forwarding rules (HOST):
    TCP [127.0.0.1]:8080-8081  =>  80-81 
    UDP [*]:5000  =>  5000 
Outbound forwarding rules (SPLICE):
    TCP [*]%lo:5432  =>  5432 "
rules=(-t 127.0.0.1/8080-8081:80-81 -u 5000 -T 5432 -U none)
resolv ""
try --config-net "${rules[@]}" -P "$T/p" "$CPID"
is "a daemon shows the configuration on stderr" "$(grep -v '^Started as root' <<<"$ERR")" "$configured"
is "and nothing on stdout" "$OUT" ""
end "$T/p"
try --config-net "${rules[@]}" -- sh -c 'echo output; echo error >&2'
is "a command: nothing but what it says itself, stderr" "$ERR" error
is "a command: nothing but what it says itself, stdout" "$OUT" output
try -f --config-net "${rules[@]}" -- true
is "a command in the foreground: the same" "$ERR" ""
is "a shell: the same" "$(SHELL=/bin/true run --config-net 2>&1 </dev/null)" ""
try --config-net -l "$T/log" "${rules[@]}" -- true
is "a command: nothing, with a log file" "$ERR" ""
is "which has the configuration" "$(sed -n 's/^[0-9.]* info: //p' "$T/log" | grep -v '^Started as root')" "$configured"
like "and the version in its first line" "$(head -n 1 "$T/log")" "^pasta [0-9]{8}\\.[0-9a-f]+, PID"
try --config-net -m 1000 -- true
like "a command: warnings are shown" "$ERR" "^MTU 1000 .*IPv4 only \(-m/--mtu\)$"
for o in -d --trace; do
	try --config-net $o "${rules[@]}" -- true
	is "a command with $o: the configuration" \
		"$(sed -n '/info: Template/,/SPLICE/s/^[0-9.]* info: //p' <<<"$ERR")" "${configured%
*}"
	is "LOG-02 $o: times on all lines" "$(grep -cv '^[0-9]*\.[0-9][0-9][0-9] [a-z]*: ' <<<"$ERR")" 0
	ok "LOG-02 $o: times that don't run back" sort -nc <(sed 's/ .*//' <<<"$ERR")
done
try -d --xyz
like "an error behind -d" "$ERR" "unrecognized option '--xyz'$"

# ---- Installed: AppArmor goes by the path, behind symbolic links
mkdir -p "$T/root/bin" && ln -s passt "$T/root/bin/pasta"	# as it was once
ok "make install" make -C "$TOP" -o all install DESTDIR="$T/root" prefix=
is "programs are one file by three names" "$(cd "$T/root/bin" && stat -c '%n %h %F' passt pasta pesto)" \
	"passt 3 regular file
pasta 3 regular file
pesto 3 regular file"
is "and go by these" "$("$T/root/bin/pesto" --version | head -c 6)" "pesto "
ok "make install, again" make -C "$TOP" -o all install DESTDIR="$T/root" prefix=
ok "make uninstall" make -C "$TOP" uninstall DESTDIR="$T/root" prefix=
is "leaves nothing" "$(find "$T/root" ! -type d)" ""

# ---- Commands
try --config-net -q -- sh -c 'exit 7'
is "status of the command" $RC 7
rm -f "$T/p"
run --config-net -q -P "$T/p" -- sleep 100 & p=$!
wait_for 20 test -s "$T/p"
wait_for 20 pgrep -P "$(cat "$T/p")"
kill -9 "$(pgrep -P "$(cat "$T/p")")"
wait $p
is "command killed by a signal: 128 + 9" $? 137
pids=()
for i in {1..12}; do
	run --config-net -q -- sh -c 'true & wait; exit 3' >>"$T/many" 2>&1 & pids+=($!)
done
for p in "${pids[@]}"; do
	wait "$p"
	echo $?
done >"$T/statuses"
is "LIFE-03 12 at once, with children that end meanwhile: statuses" "$(sort "$T/statuses" | uniq -c | tr -s ' ')" \
	" 12 3"
is "LIFE-03 and none complains" "$(cat "$T/many")" ""
try --config-net -q true
is "command without --" $RC 0
try --config-net -q -- ip -br addr show ext
like "command finds the network ready" "$OUT" "198.51.100.2/24.*2001:db8:1::2"
try --config-net -q -- sh -c 'ls -l /proc/self/fd | grep -c " [3-9] ->\| [1-9][0-9] ->"; id -u'
is "LIFE-11 command has standard streams only (and ls a directory), and is root in there" "$OUT" "1
0"
exec 8</dev/null
is "descriptors that the caller wants inherited are closed" \
	"$(run --config-net -q -- sh -c 'test -e /proc/self/fd/8; echo $?')" 1
exec 8<&-
is "stdin goes to the command" "$(echo text | run --config-net -q -- cat)" text
is "a shell without a command" "$(echo 'echo $((6 * 7))' | SHELL=/bin/sh run --config-net -q)" 42
rm -f "$T/p"
run --config-net -q -P "$T/p" -- sleep 100 >"$T/out" 2>&1 & p=$!
wait_for 20 test -s "$T/p"
wait_for 20 pgrep -P "$(cat "$T/p")"
c=$(pgrep -P "$(cat "$T/p")")
kill "$(cat "$T/p")"
wait $p
is "SIGTERM with a command: status" $? 0
kill -9 $c

# ---- 7, 10. Descriptors, environment, directories
out=$(env -i "$PASTA" --config-net -q -- /usr/bin/env 2>&1)
is "LIFE-10 empty environment: status" $? 0
try --config-net -q -P "$T/p" "$CPID"
(cd "$T" && mkdir away && cd away && rmdir ../away && "$PASTA" --config-net -q -- /bin/true)
is "a working directory that is gone" $? 0
end "$T/p"
for closed in "0<&-" "1>&-" "2>&-" "0<&- 1>&- 2>&-"; do
	eval "timeout 20 \"\$PASTA\" --config-net -q -P \"\$T/p\" \"\$CPID\" $closed"
	is "closed standard streams ($closed): status" $? 0
	ok "closed standard streams ($closed): it works" C ping -nqc 1 -W 5 198.51.100.10
	end "$T/p"
done

unread='import os, subprocess, sys
r, w = os.pipe()
os.close(r)
sys.exit(subprocess.run(sys.argv[1:], stdout=w, stderr=w).returncode)'
timeout 20 python3 -c "$unread" "$PASTA" --config-net -P "$T/p" "$CPID"
is "streams that nobody reads: status" $? 0
ok "streams that nobody reads: it works" C ping -nqc 1 -W 5 198.51.100.10
end "$T/p"
timeout 20 python3 -c "$unread" "$PASST" -s "$T/unread" -P "$T/p"
is "passt, streams that nobody reads: status" $? 0
end "$T/p"
broken='(kill -PIPE $(sh -c "echo \$PPID")); echo $?'
is "the command's SIGPIPE is the usual one" "$("$PASTA" --config-net -q -- sh -c "$broken")" 141

# ---- 9. The name alone decides
mkdir "$T/bin" && cp -L "$PASTA" "$T/bin/pasta" && chmod 755 "$T/bin" "$T/bin/pasta"
is "a copy" "$("$T/bin/pasta" --config-net -q -- echo works)" works
ln -s pasta "$T/bin/pasta.avx2"
is "another link with a suffix" "$("$T/bin/pasta.avx2" --version | head -c 5)" pasta

# ---- 8. Files where only root can make them
if [ "$HOST_UID" = 0 ]; then
	mkdir -m 700 "$T/secret"
	try --config-net -P "$T/secret/pid" -l "$T/secret/log" --pcap "$T/secret/pcap" "$CPID"
	is "LIFE-17 files in a directory of root's: status" $RC 0
	is "LIFE-17 owner and mode" "$(cd "$T/secret" && stat -c '%n %u %a' pid log pcap)" "pid 0 600
log 0 600
pcap 0 600"
	is "CLI-05 one line about root" "$(grep -ci root <<<"$ERR")" 1
	end "$T/secret/pid"
	try --config-net -q --runas 12345:23456 -P "$T/p" "$CPID"
	like "--runas" "$(cat "/proc/$(cat "$T/p")/status")" "Uid:	12345	12345.*Gid:	23456	23456"
	end "$T/p"
fi

done_testing
