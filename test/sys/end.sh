#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# pasta ends when the namespace does, however it was named, and lets go of what it held; not before
. "${0%/*}/lib.sh"

topology
hold() { mkdir -p "$T/dir"; : >"$T/dir/ns"; mount --bind "/proc/$CPID/ns/net" "$T/dir/ns"; }
start() { # OPTION...: with a port, so that it shows what it holds
	pasta_start --config-net -q -t 8000 "$@" || fail "pasta $* starts"
	pasta_may_end
}
free() { ! ss -Hltn "sport = :8000" | grep -q .; }
ends() { # NAME: within the 5 s that callers wait
	if wait_for 5 gone "$PASTAPID"; then pass "$1"; else fail "$1"; kill -9 "$PASTAPID"; fi
	ok "$1: its port is free" wait_for 10 free
}
finish() { kill -9 "$CPID" 2>/dev/null; }

container
start "$CPID"
finish
ends "process gone"

container
start --netns "/proc/$CPID/ns/net"
finish
ends "LIFE-01 /proc/PID/ns/net gone (buildah)"

container
start --userns "/proc/$CPID/ns/user" --netns "/proc/$CPID/ns/net"
finish
ends "/proc/PID/ns/user and net gone"

CUNSHARE=-n container
CUSER='' hold
start --netns "$T/dir/ns"
finish
ok "the name keeps the namespace, and pasta" kill -0 "$PASTAPID"
ok "and it still answers" nsenter --net="$T/dir/ns" ping -nqc 1 -W 5 198.51.100.10
umount -l "$T/dir/ns"
ends "LIFE-01 name unmounted (podman)"

CUNSHARE=-n container
hold
start --netns "$T/dir/ns"
finish
umount -l "$T/dir/ns" && rm "$T/dir/ns"
ends "LIFE-01 name unmounted and deleted"

CUNSHARE=-n container
hold
start --netns "$T/dir/ns"
finish
umount -l "$T/dir/ns" && rm -r "$T/dir"
ends "LIFE-01 name and directory deleted"

ip netns add x
start --netns x
ip netns del x
ends "named namespace deleted"

# Ends the namespace, but not us
CUNSHARE=-n container
hold
start --no-netns-quit --netns "$T/dir/ns"
finish
umount -l "$T/dir/ns" && rm -r "$T/dir"
not "--no-netns-quit: stays" wait_for 3 gone "$PASTAPID"
kill "$PASTAPID"
ends "--no-netns-quit: until told"

# FWD-01: one after the other, always with the same port
bad=0
for i in {1..25}; do
	container
	"$PASTA" --config-net -q -t 8000 -u 8000 -P "$T/r.pid" "$CPID" >"$T/r" 2>&1 ||
		{ bad=$((bad + 1)); diag "$i: $(cat "$T/r")"; }
	p=$(cat "$T/r.pid")
	finish
	wait_for 20 gone "$p" || bad=$((bad + 1))
done
is "FWD-01 restarted 25 times: failures" $bad 0

# LIFE-26: what runs in the namespace can't end it
container
start -u 8000 "$CPID"
C ip link set ext down
R python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(100):
    s.sendto(b"x", ("198.51.100.2", 8000))'
C ip link set ext up
ok "LIFE-26 L2-10 link down, datagrams for it, and up" wait_for 20 C ip route add default via 198.51.100.1
ok "LIFE-26 and it answers again" wait_for 20 C ping -nqc 1 -W 1 198.51.100.10
C ip link del ext
wait_for 20 gone "$PASTAPID"
finish
ends "tap device deleted, then the namespace"

done_testing
