#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# the command lines of Podman and RootlessKit, word by word, about ports: what is open as soon as pasta is in the
# background, what comes by itself, and what their calls of pesto change
. "${0%/*}/clients.bash"

PESTO=${PASTA%/*}/pesto

# serves WHERE ADDRESS PORT: somebody who tells each client who answers, and whom he sees; WHERE is N, R, C, or H. Sets
# SERVER.
cat >"$T/serve.py" <<'EOF'
import os, socket, sys
addr, port, who, ready = sys.argv[1:]
six = ":" in addr
s = socket.create_server((addr, int(port)), family=socket.AF_INET6 if six else socket.AF_INET, dualstack_ipv6=six and addr == "::")
with open(ready + ".new", "w") as f:
    f.write(str(os.getpid()))
os.rename(ready + ".new", ready)
while True:
    c, peer = s.accept()
    c.sendall(("%s sees %s" % (who, peer[0])).encode())
    c.close()
EOF
serves()
{
	SN=$((${SN:-0} + 1))
	${1#H} python3 "$T/serve.py" "$2" "$3" "${4:-$1}" "$T/serve.$SN" >"$T/serve.$SN.log" 2>&1 &
	disown
	wait_for 10 test -e "$T/serve.$SN" || diag "$(cat "$T/serve.$SN.log")"
	SERVER=$(cat "$T/serve.$SN")
}
unserve() { kill "$SERVER"; wait_for 20 gone "$SERVER"; }
# says WHERE ADDRESS PORT: what a client there hears
says() { ${1#H} timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && cat <&3' "$2" "$3" 2>&1; }
says_so() { [ "$(says "$1" "$2" "$3")" = "$4" ]; }
# becomes NAME WHERE ADDRESS PORT TEXT: within 2 s
becomes() { until_ 2 says_so "${@:2}"; is "$1" "$(says "$2" "$3" "$4")" "$5"; }
# What is listened to on the host, but for what NOT matches: "t:*:8001 u:0.0.0.0:53"
open_ports() { { ss -Hlnt | sed 's/^/t /'; ss -Hlnu | sed 's/^/u /'; } | awk '{ print $1 ":" $5 }' | sort -u \
	| tr '\n' ' '; }
call() # NAME PROGRAM ARG...: status 0, and not a word
{
	client "$@"
	is "$1: no output" "$OUT" ""
}

# ---- Podman, one for each container: what its documentation and its own tests pass
COMMON=(--dns-forward 169.254.1.1)
bound ranges
call "podman, ports" "$PASTA" --config-net --pid "$T/p" --tcp-ports '198.51.100.2%ext/8101-8101:81-81' \
	--udp-ports '198.51.100.2%ext/8101-8102:81-82' \
	-t 8103-8104:83-84 -t 127.0.0.1/8105-8105:85-85 -t ::1/8105-8105:85-85 "${COMMON[@]}" -T none -U none \
	--no-map-gw --quiet \
	--netns "$NS" --map-guest-addr 169.254.1.2
is "podman, ports: they are open at status 0, -u none is not said, and no more than these" "$(open_ports)" \
	"t:*:8103 t:*:8104 t:127.0.0.1:8105 t:198.51.100.2%ext:8101 t:[::1]:8105 u:198.51.100.2%ext:8101 u:198.51.100.2%ext:8102 "
serves H :: 8100
unlike "SEC-04 podman, ports: -T none and --no-map-gw: a service on the host's loopback can't be reached" \
	"$(for a in 127.0.0.1 ::1 198.51.100.1 2001:db8:1::1; do says N $a 8100; done)" sees
unserve
serves N 198.51.100.2 81
is "FWD-21 podman, ports: the client's address is seen" "$(says R 198.51.100.2 8101)" "N sees 198.51.100.10"
unserve
serves N :: 84
is "FWD-21 podman, ports: of a range, IPv6" "$(says R 2001:db8:1::2 8104)" "N sees 2001:db8:1::10"
unserve
serves N 198.51.100.2 85
is "podman, ports: published on loopback" "$(says H 127.0.0.1 8105)" "N sees 198.51.100.2"
unserve
serves N 2001:db8:1::2 85
is "podman, ports: published on loopback, IPv6" "$(says H ::1 8105)" "N sees 2001:db8:1::2"
unserve
umount -l "$NS"
over "podman, ports" "$(cat "$T/p")"
is "FWD-01 podman, ports: closed with it" "$(open_ports)" ""

# The port is somebody else's: what it says decides podman's status, 126, unless there is "not found" or "no such file"
# in it
bound taken
serves H 0.0.0.0 8110
for p in 8110 8109-8111; do
	OUT=$("$PASTA" --config-net -t "0.0.0.0/${p/#8110/8110-8110}:80-$((${p/*-/} - ${p/-*/} + 80))" "${COMMON[@]}" \
		-T none -U none --no-map-gw --quiet \
		--netns "$NS" --map-guest-addr 169.254.1.2 2>&1)
	is "FWD-16 podman, port taken: status" $? 1
	like "FWD-16 podman, port taken: reason" "$OUT" \
		"Failed to bind port 8110 \(Address already in use\) for option '-t 0.0.0.0/81"
	unlike "podman, port taken: no words that stand for another reason" "${OUT,,}" "not found|no such file"
done
unserve
ok "podman, port taken: no process is left" wait_for 20 nobody
is "podman, port taken: no port is left" "$(open_ports)" ""
umount -l "$NS"

# Its own --pid, and the user's: the last counts, whatever the other one is
bound pids
call "podman, two PID files" "$PASTA" --config-net --pid "$T/nowhere/p" --pid "$T/p" "${COMMON[@]}" -t none -u none \
	-T none -U none --no-map-gw \
	--quiet --netns "$NS" --map-guest-addr 169.254.1.2
is "podman, two PID files: the last" "$(cat "/proc/$(cat "$T/p")/comm")" pasta
umount -l "$NS"
over "podman, two PID files" "$(cat "$T/p")"

bound iperf
call "podman, -T,5201" "$PASTA" --config-net -T 5201 --pid "$T/p" "${COMMON[@]}" -t none -u none -U none \
	--no-map-gw --quiet --netns "$NS" \
	--map-guest-addr 169.254.1.2
serves H 127.0.0.1 5201
is "podman, -T,5201: the host's port on loopback inside" "$(says N 127.0.0.1 5201)" "H sees 127.0.0.1"
unserve
umount -l "$NS"
over "podman, -T,5201" "$(cat "$T/p")"

bound auto
serves N 0.0.0.0 8121; early=$SERVER
call "podman, automatic" "$PASTA" --config-net -t auto -u auto -T auto -U auto --pid "$T/p" "${COMMON[@]}" \
	--no-map-gw --quiet --netns "$NS" \
	--map-guest-addr 169.254.1.2
is "podman, automatic: what was there before is published at status 0" "$(says R 198.51.100.2 8121)" \
	"N sees 198.51.100.10"
serves N :: 8122
becomes "podman, automatic: a port opened inside" R 2001:db8:1::2 8122 "N sees 2001:db8:1::10"
unserve
serves H 127.0.0.1 8123
becomes "podman, automatic: a port opened on the host" N 127.0.0.1 8123 "H sees 127.0.0.1"
unserve
kill "$early"
umount -l "$NS"
over "podman, automatic" "$(cat "$T/p")"

# ---- Podman, bridge networks: one pasta, in whose namespace containers of a bridge are; ports by pesto
bound rootless-netns
DIR=$T/networks/rootless-netns
mkdir -p "$DIR"
SOCKET=$DIR/pasta.sock
call "podman, bridge" "$PASTA" --config-net --pid "$DIR/rootless-netns-conn.pid" -c "$SOCKET" "${COMMON[@]}" -t none \
	-u none -T none -U none \
	--no-map-gw --quiet --netns "$NS" --map-guest-addr 169.254.1.2
is "podman, bridge: the socket is there at status 0" "$(stat -c %F "$SOCKET")" socket
pid=$(cat "$DIR/rootless-netns-conn.pid")
ok "podman, bridge: it is alive, by the PID file" kill -0 "$pid"
is "podman, bridge: nothing is open" "$(open_ports)" ""
works "podman, bridge" N

# A container behind a bridge of that namespace
unshare --net sleep 1000 & K=$!
disown
in_net() { [ "$(readlink /proc/$K/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
wait_for 20 in_net
K() { nsenter --net="/proc/$K/ns/net" -- "$@"; }
N ip link add podman1 type bridge
N ip link add veth0 type veth peer name eth0 netns $K
N ip link set veth0 master podman1 up
N ip addr add 10.89.0.1/24 dev podman1
N ip link set podman1 up
N sysctl -qw net.ipv4.ip_forward=1
K ip link set lo up
K ip addr add 10.89.0.2/24 dev eth0
K ip link set eth0 up
K ip route add default via 10.89.0.1

published="t:0.0.0.0:8131 t:[::]:8131 u:0.0.0.0:8132 u:0.0.0.0:8133 u:[::]:8132 u:[::]:8133 "
for round in first second; do	# a container that is restarted: deleted or not, it is published again
	call "podman, bridge, $round time: published" "$PESTO" --add -t 0.0.0.0/8131 -t '[::]/8131' \
		-u 0.0.0.0/8132-8133 -u '[::]/8132-8133' "$SOCKET"
	is "podman, bridge, $round time: open at status 0" "$(open_ports)" "$published"
done
serves N :: 8131
is "FWD-21 podman, bridge: reached from elsewhere" "$(says R 198.51.100.2 8131)" "N sees ::ffff:198.51.100.10"
is "FWD-21 podman, bridge: reached from elsewhere, IPv6" "$(says R 2001:db8:1::2 8131)" "N sees 2001:db8:1::10"
is "podman, bridge: reached from the host's loopback" "$(says H 127.0.0.1 8131)" "N sees ::ffff:198.51.100.2"
call "podman, bridge: another container" "$PESTO" --add -t 127.0.0.1/8134 -t '[::1]/8134' -t 198.51.100.2/8135-8136 \
	"$SOCKET"
call "FWD-25 podman, bridge: taken back" "$PESTO" --delete -t 0.0.0.0/8131 -t '[::]/8131' -u 0.0.0.0/8132-8133 \
	-u '[::]/8132-8133' "$SOCKET"
unserve
is "FWD-25 podman, bridge: that is closed, the other one's is not" "$(open_ports)" \
	"t:127.0.0.1:8134 t:198.51.100.2:8135 t:198.51.100.2:8136 t:[::1]:8134 "

serves H 0.0.0.0 8137
is "FWD-16 podman, bridge: a port that is taken" \
	"$("$PESTO" --add -t 0.0.0.0/8138 -t '[::]/8138' -t 0.0.0.0/8137 -t '[::]/8137' "$SOCKET" 2>&1; echo $?)" \
	"Failed to bind port 8137 (Address already in use) for option '-t 0.0.0.0/8137': Couldn't listen on requested ports: \
Listen failed for HOST TCP port 0.0.0.0/8137: Address already in use
1"
unserve
not "FWD-16 podman, bridge: and nothing of that call is open" listens 8138

# Straight to the container
call "FWD-26 podman, bridge: published on another loopback address" "$PESTO" --add -t 127.0.4.1/2375:10.89.0.2/2375 \
	-t 0.0.0.0/2376:10.89.0.2/2375 \
	"$SOCKET"
serves K 0.0.0.0 2375
is "FWD-26 podman, bridge: it answers there" "$(says H 127.0.4.1 2375)" "K sees 10.89.0.1"
unlike "FWD-26 podman, bridge: and at no other address" "$(says H 127.0.0.1 2375)" "sees"
is "FWD-26 FWD-21 podman, bridge: reached from elsewhere, the client's address is seen" "$(says R 198.51.100.2 2376)" \
	"K sees 198.51.100.10"
unserve
CPID=$K
xfer 5 <<EOF
tcp FWD-26_podman,_bridge:_bytes_both_ways_by_another_loopback_address c=H s=C to=127.0.4.1 \
port=2375 at=10.89.0.2 src=10.89.0.1 up=1000000 down=1000000
EOF

# It is stopped: unmounted, SIGTERM, directory removed
umount -l "$NS"
kill "$pid"
over "podman, bridge" "$pid"
ok "podman, bridge: the directory can be removed" rm -r "$T/networks"
is "podman, bridge: nothing is open any more" "$(open_ports)" ""
kill $K

# ---- RootlessKit
ROOTLESSKIT=(--stderr --ns-ifname=tap0 --mtu=65520 --config-net --address=10.0.2.100 --netmask=24 --gateway=10.0.2.2
	--dns-forward=10.0.2.3 --no-map-gw)
# probe NAME PROGRAM WORD...: features are taken from the status
probe() { is "RootlessKit: $1" "$("${@:2}" >"$T/probe" 2>&1; echo $?)" 0; }
probe "pasta --version" "$PASTA" --version
probe "pasta --host-lo-to-ns-lo --version" "$PASTA" --host-lo-to-ns-lo --version
probe "pesto --version" "$PESTO" --version

# Implicit: what docker-proxy opens inside is open on the host
container
client "RootlessKit, implicit" "$PASTA" "${ROOTLESSKIT[@]}" --tcp-ports=auto --udp-ports=auto \
	--host-lo-to-ns-lo --pid="$T/p" "$CPID"
serves C 127.0.0.1 8141
becomes "RootlessKit, implicit: docker run -p 127.0.0.1:8141:80" H 127.0.0.1 8141 "C sees 127.0.0.1"
unlike "RootlessKit, implicit: not from elsewhere" "$(says R 198.51.100.2 8141)" "sees"
unserve
serves C :: 8142
becomes "RootlessKit, implicit: docker run -p 8142:80" R 198.51.100.2 8142 "C sees ::ffff:198.51.100.10"
is "RootlessKit, implicit: the same, from the host's loopback" "$(says H 127.0.0.1 8142)" "C sees ::ffff:127.0.0.1"
is "RootlessKit, implicit: the same, from the host's loopback, IPv6" "$(says H ::1 8142)" "C sees ::1"
unserve
serves H 127.0.0.1 8143
becomes "RootlessKit, --no-map-gw and no --tcp-ns: still automatic" C 127.0.0.1 8143 "H sees 127.0.0.1"
unlike "SEC-04 RootlessKit --disable-host-loopback: the gateway leads nowhere" "$(says C 10.0.2.2 8143)" "sees"
kill -9 $CPID
over "RootlessKit, implicit" "$(cat "$T/p")"
container
client "RootlessKit, host's loopback" "$PASTA" "${ROOTLESSKIT[@]:0:8}" --tcp-ports=auto --udp-ports=auto \
	--host-lo-to-ns-lo \
	--pid="$T/p" "$CPID"
becomes "RootlessKit, neither --tcp-ns nor --udp-ns: the host's loopback" C 127.0.0.1 8143 "H sees 127.0.0.1"
unserve
kill -9 $CPID
over "RootlessKit, host's loopback" "$(cat "$T/p")"

# --detach-netns: mounted where only the child sees it; and with pesto
CUNSHARE=-Urm container
: >"$T/detached"
nsenter --preserve-credentials -t $CPID -U -m -- unshare --net="$T/detached" true
SOCKET=$T/rootlesskit.sock
client "RootlessKit, pesto" "$PASTA" "${ROOTLESSKIT[@]}" --tcp-ports=none --udp-ports=none \
	--host-lo-to-ns-lo -c "$SOCKET" --pid="$T/p" \
	--userns="/proc/$CPID/ns/user" --netns="/proc/$CPID/root$T/detached"
D() { nsenter --preserve-credentials -t $CPID -U -m -- nsenter --net="$T/detached" -- "$@"; }
works "RootlessKit, detached namespace" D
call "RootlessKit, pesto: TCP" "$PESTO" -A --tcp-ports=0.0.0.0/8151:51 "$SOCKET"
call "RootlessKit, pesto: TCP, IPv6" "$PESTO" -A --tcp-ports=::/8152:52 "$SOCKET"
call "RootlessKit, pesto: UDP" "$PESTO" -A --udp-ports=127.0.0.1/8153:53 "$SOCKET"
is "RootlessKit, pesto: open at status 0" "$(open_ports)" "t:0.0.0.0:8151 t:[::]:8152 u:127.0.0.1:8153 "
serves D 0.0.0.0 51
is "RootlessKit, pesto: another port inside" "$(says R 198.51.100.2 8151)" "D sees 198.51.100.10"
is "RootlessKit, pesto: from the host's loopback" "$(says H 127.0.0.1 8151)" "D sees 127.0.0.1"
unserve
serves D :: 52
is "RootlessKit, pesto: IPv6" "$(says R 2001:db8:1::2 8152)" "D sees 2001:db8:1::10"
unserve
call "RootlessKit, pesto: TCP deleted" "$PESTO" -D --tcp-ports=0.0.0.0/8151:51 "$SOCKET"
call "RootlessKit, pesto: TCP, IPv6, deleted" "$PESTO" -D --tcp-ports=::/8152:52 "$SOCKET"
call "RootlessKit, pesto: UDP deleted" "$PESTO" -D --udp-ports=127.0.0.1/8153:53 "$SOCKET"
is "RootlessKit, pesto: closed" "$(open_ports)" ""
like "FWD-27 RootlessKit, pesto: what it does not forward is an error" \
	"$("$PESTO" -A --sctp-ports=0.0.0.0/80:80 "$SOCKET" 2>&1; echo $?)" "'--sctp-ports=0.0.0.0/80:80'
1$"
kill -9 $CPID
over "RootlessKit, pesto" "$(cat "$T/p")"

done_testing
