#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# the command lines of programs that start pasta, word by word, and what each of them takes for ready, and how it ends
# it
. "${0%/*}/clients.bash"

# podman: one for each container, by a name
bound podman
client podman "$PASTA" --config-net --pid "$T/p" -t 198.51.100.2/8080-8080:80-80 -t 2001:db8:1::2/5487-5487:80-80 \
	-u 8090-8091:90-91 --dns-forward 169.254.1.1 -T none -U none --no-map-gw --quiet --netns "$NS" \
	--map-guest-addr 169.254.1.2
is "podman: no output" "$OUT" ""
like "podman: addresses at once" "$(N ip -br addr)" "198.51.100.2/24.*2001:db8:1::2"
works podman N
works6 podman N
tap_of sh -c '"$0" <<END
tcp podman:_published_port c=$1/R s=$2 to=198.51.100.2 port=8080 lport=80 src=198.51.100.10 up=1000 down=1000
tcp podman:_published_port,_IPv6 c=$1/R s=$2 to=2001:db8:1::2 port=5487 lport=80 src=2001:db8:1::10 up=1000 down=1000
udp podman:_published_range c=$1/R s=$2 to=198.51.100.2 port=8091 lport=91 sizes=100
tcp podman:_--dns-forward c=$2 s=$1/R to=169.254.1.1 at=198.51.100.10 port=53 up=100 down=100
tcp podman:_--map-guest-addr c=$2 s=/proc/$3/ns/net to=169.254.1.2 at=198.51.100.2 port=9999 up=100 down=100
END' "$TOOLS/xfer" "$T" "$NS" $$
umount -l "$NS" && rm "$NS"
over podman "$(cat "$T/p")"

bound podman2
client "podman, options twice" "$PASTA" --config-net -I myname --ns-mac-addr 00:11:22:33:44:55 \
	--ns-mac-addr 00:11:22:33:44:66 --dns-forward 169.254.1.1 -t none -u none -T none -U none --no-map-gw --quiet \
	--pid "$T/p" --netns "$NS" --map-guest-addr 169.254.1.2
like "podman, options twice: the last counts" "$(N ip link show myname)" 00:11:22:33:44:66
umount -l "$NS"
over "podman, options twice" "$(cat "$T/p")"
bound podman3
client "podman, documented options" "$PASTA" --config-net --ipv4-only -a 10.0.2.0 -n 24 -g 10.0.2.2 \
	--dns-forward 10.0.2.3 -m 1500 --no-ndp --no-dhcpv6 --no-dhcp --pid "$T/p" -t none -u none -T none -U none \
	--no-map-gw --quiet --netns "$NS"
like "podman, documented options: address" "$(N ip -br addr)" "10.0.2.0/24"
unlike "podman, documented options: no IPv6" "$(N ip -6 addr)" "global"
works "podman, documented options" N
umount -l "$NS"
over "podman, documented options" "$(cat "$T/p")"

# buildah
container
client buildah "$PASTA" --config-net --mtu 2000 --ns-mac-addr 9a:dd:31:ea:92:98 --dns-forward 169.254.1.1 -t none \
	-u none -T none -U none --no-map-gw --quiet --pid "$T/p" --netns "/proc/$CPID/ns/net" \
	--map-guest-addr 169.254.1.2
works buildah C
like "buildah: MTU and MAC address" "$(C ip link show ext)" "mtu 2000.*9a:dd:31:ea:92:98"
kill -9 $CPID
over buildah "$(cat "$T/p")"

# RootlessKit
container
client RootlessKit "$PASTA" --stderr --ns-ifname=tap0 --mtu=65520 --config-net --address=10.0.2.100 --netmask=24 \
	--gateway=10.0.2.2 --dns-forward=10.0.2.3 --no-map-gw --ipv4-only --tcp-ports=auto --udp-ports=auto \
	--host-lo-to-ns-lo --pid="$T/p" "$CPID"
like "RootlessKit: address" "$(C ip -br addr show tap0)" "10.0.2.100/24"
works RootlessKit C
kill -9 $CPID
over RootlessKit "$(cat "$T/p")"
container
client "RootlessKit, by paths" "$PASTA" --stderr --ns-ifname=tap0 --mtu=65520 --config-net --address=10.0.2.100 \
	--netmask=24 --gateway=10.0.2.2 --dns-forward=10.0.2.3 --tcp-ports=none --udp-ports=none --pid="$T/p" \
	--userns="/proc/$CPID/ns/user" --netns="/proc/$CPID/ns/net"
works "RootlessKit, by paths" C
kill -9 $CPID
over "RootlessKit, by paths" "$(cat "$T/p")"

# nsjail: from a sealed memfd, nothing but /dev/null and itself; stopped by SIGKILL
container
cat >"$T/memfd.py" <<'END'
import fcntl, os, sys
fd = os.memfd_create("nsjail_pasta", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
os.write(fd, open(sys.argv[1], "rb").read())
fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
null = os.open("/dev/null", os.O_RDWR)
for i in 0, 1, 2:
    os.dup2(null, i)
os.execve(fd, ["pasta"] + sys.argv[2:], {})
END
python3 "$T/memfd.py" "$PASTA" -f -q --no-dhcp --no-dhcpv6 --no-ra --config-net --dhcp-dns --dns-forward 10.255.255.1 \
	--no-map-gw -a 10.255.255.2 -n 255.255.255.0 -g 10.255.255.1 -4 -I eth0 -t none -u none -T none -U none \
	"$CPID" & p=$!
wait_for 20 C sh -c 'ip route | grep -q default'
like "nsjail: address" "$(C ip -br addr show eth0)" "10.255.255.2/24"
works nsjail C
is "nsjail: still that very process" "$(pgrep -P $$ -x 'pasta|memfd.*|nsjail.*|3|4|5' | grep -c "^$p$")" 1
kill -9 $p
wait $p
is "nsjail: killed" $? 137
kill -9 $CPID

# Lix and Nix: the namespaces are standard streams; ready when the interface is up; stopped by SIGKILL
container
"$PASTA" --quiet --foreground --config-net --gateway 169.254.1.1 --address 169.254.1.2 --netmask 16 \
	--dns-forward 169.254.1.1 --gateway 64:ff9b:1:4b8e:472e:a5c8:a9fe:101 \
	--address 64:ff9b:1:4b8e:472e:a5c8:a9fe:102 --dns-forward 64:ff9b:1:4b8e:472e:a5c8:a9fe:101 --ns-ifname eth0 \
	--no-netns-quit --netns /proc/self/fd/0 \
	--userns /proc/self/fd/1 0<"/proc/$CPID/ns/net" 1<"/proc/$CPID/ns/user" 2>"$T/lix" & p=$!
up() { C ip -br link show eth0 | grep -q LOWER_UP; }
wait_for 10 up
like "Lix: when the interface is up, addresses and routes are there" \
	"$(C ip -br addr show eth0; C ip route; C ip -6 route)" \
	"169.254.1.2/16 64:ff9b:1.*default via 169.254.1.1.*default via 64:ff9b:1:"
works Lix C
works6 Lix C
xfer <<END
tcp Lix:_gateway_is_the_resolver,_TCP c=C s=R to=169.254.1.1 at=198.51.100.10 port=53 up=100 down=100
udp Lix:_gateway_is_the_resolver,_UDP c=C s=R to=169.254.1.1 at=198.51.100.10 port=53 sizes=100
END
kill -9 $CPID
not "Lix: it does not end by itself" wait_for 3 gone $p
kill -9 $p
wait $p
is "Lix: killed" $? 137

# hakoniwa, nixpak, kern, drop
container
client hakoniwa "$PASTA" --config-net --no-map-gw --tcp-ports none --udp-ports none --tcp-ns none --udp-ns none \
	-P "$T/p" "$CPID"
works hakoniwa C
kill -9 $CPID
over hakoniwa "$(cat "$T/p")"
container
client nixpak "$PASTA" --config-net --no-dhcp --no-dhcpv6 --no-ra --no-map-gw --tcp-ns none --udp-ns none \
	--tcp-ports none --udp-ports none --ns-ifname eth0 --address 192.168.1.100 --netmask 255.255.255.0 \
	--gateway 192.168.1.1 --mac-addr 9a:55:9a:55:9a:01 --dns-forward 192.168.1.1 --search none --pid "$T/p" -- \
	"$CPID"
like "nixpak: address" "$(C ip -br addr show eth0)" 192.168.1.100/24
works nixpak C
like "nixpak: MAC address of the gateway" "$(C ip neigh show 192.168.1.1)" 9a:55:9a:55:9a:01
kill -9 $CPID
over nixpak "$(cat "$T/p")"
container
client kern "$PASTA" --config-net -q -P "$T/p" -t none -u none -T none -U none --userns "/proc/$CPID/ns/user" \
	--netns "/proc/$CPID/ns/net"
works kern C
kill -9 $CPID
over kern "$(cat "$T/p")"
: >"$T/drop.pid"
: >"$T/drop.log"
container
client drop "$PASTA" --config-net --dns-forward 169.254.1.1 --pid "$T/drop.pid" --no-map-gw --log-file "$T/drop.log" \
	--tcp-ports 127.0.0.1/8080:80 --tcp-ports 198.51.100.2/8081:80 --tcp-ns none --udp-ports none --udp-ns none \
	"$CPID"
works drop C
xfer <<END
tcp drop:_port_of_an_address c=R s=C to=198.51.100.2 port=8081 lport=80 up=100 down=100
END
like "drop: its log" "$(cat "$T/drop.log")" "PID"
kill -9 $CPID
over drop "$(cat "$T/drop.pid")"
container
mkfifo "$T/drop.fifo"
cat "$T/drop.fifo" >"$T/drop.pid" & c=$!
client "older drop" "$PASTA" --config-net --dns-forward 169.254.1.1 --pid "$T/drop.fifo" --no-map-gw \
	--log-file "$T/drop.log" --tcp-port auto --tcp-ns none --udp-port none --udp-ns none "$CPID"
wait $c
works "older drop" C
kill -9 $CPID
over "older drop" "$(cat "$T/drop.pid")"

# kakoi: the PID on standard output is the sign
container
"$PASTA" --foreground --pid /proc/self/fd/1 --config-net --quiet --host-lo-to-ns-lo -T none -U none \
	--userns "/proc/$CPID/ns/user" --netns "/proc/$CPID/ns/net" --no-map-gw -I kakoi0 \
	--map-host-loopback 192.0.2.1 --map-host-loopback 2001:db8:9a55::1 \
	-t 127.0.0.1/8080:80 >"$T/kakoi" 2>"$T/kakoi.err" & p=$!
wait_for 10 test -s "$T/kakoi"
like "kakoi: ready at the sign" "$(C ip -br addr show kakoi0; ss -Hltn)" "198.51.100.2.*:8080"
is "kakoi: the sign" "$(cat "$T/kakoi")" "$p"
is "kakoi: nothing else to say" "$(cat "$T/kakoi.err")" ""
works kakoi C
xfer <<END
tcp kakoi:_the_host's_loopback c=C s=H to=192.0.2.1 at=127.0.0.1 port=7000 up=100 down=100
END
kill $p
wait $p
is "kakoi: SIGTERM, status" $? 0
kill -9 $CPID

# runclaude: in a user namespace of its own, whose user it stays
out=$(unshare --user --map-current-user --keep-caps "$PASTA" --config-net --no-map-gw --ipv4-only --netns-only --quiet \
	--log-file=/dev/null -a 100.64.0.2 -n 24 -g 100.64.0.1 -t auto -u auto -T none -U none -- \
	sh -c 'ip -br addr show ext; curl -s -m 10 http://198.51.100.10/page; exit 3' 2>&1)
is "runclaude: status of the command" $? 3
like "runclaude: address and page" "$out" "100.64.0.2/24.*a page"

# Loopback as the template, everything given
bound lo
client "template lo" "$PASTA" --netns-only --config-net --no-map-gw --quiet --interface lo --ns-ifname tap0 \
	--address 10.9.0.1 --netmask 31 \
	--gateway 10.9.0.0 --address fd00:9::1 --gateway fe80::1 -P "$T/p" --netns "$NS"
like "template lo: address" "$(N ip -br addr show tap0)" "10.9.0.1/31.*fd00:9::1"
works "template lo" N
works6 "template lo" N
umount -l "$NS"
over "template lo" "$(cat "$T/p")"

# A self-test that many do
is "pasta -- true" "$(timeout 30 "$PASTA" --config-net -- /bin/true >"$T/null" 2>&1; echo $?)" 0

done_testing
