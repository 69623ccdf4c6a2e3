#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL ways out of the host: a VPN, an interface that is waited for, addresses and interfaces of options
LINK=tap
. "${0%/*}/follow.bash"

etc
servers 198.51.100.10
names R 53
names R 853
F=169.254.1.1 F6=fd00::53
# uses RESOLVER [ADDRESS [PORT [TRIES [SECONDS]]]]: it answers; it took the time in $T/ms
uses()
{
	rm -f "$T/ms"
	[ "$(C python3 "$SYS/follow.py" query "${2:-$F}" "${3:-53}" "${4:-1}" "${5:-1}" 0 "$T/ms")" = "$1" ]
}
# A resolver that doesn't answer costs 2 s
at_once() { le "$1: at once, ms" "$(cat "$T/ms")" 1900; }

# ---- a VPN: a tun device without a router, its default route first, its own resolver, which is behind it

python3 - >"$T/vpn" 2>&1 <<'END' &
import fcntl, os, select, struct, subprocess
# The other end of the VPN: echo of pings and datagrams, as any address
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"vpn", 0x1001))
print("ready", flush=True)
def csum(b):
    n = sum(struct.unpack(f"!{len(b) // 2}H", b[:len(b) // 2 * 2])) + (b[-1] << 8 if len(b) % 2 else 0)
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff
while True:
    b = bytearray(os.read(tun, 2000))
    if b[0] >> 4 != 4 or b[9] != 17:
        continue
    ip, udp, data = b[:20], b[20:28], b[28:]
    me = ".".join(map(str, ip[16:20]))
    if udp[2:4] == b"\0\x35":
        data = data[:2] + bytes([0x80, 0]) + bytes(8) + me.encode()
    ip[12:16], ip[16:20] = ip[16:20], ip[12:16]
    ip[2:4] = struct.pack("!H", 28 + len(data))
    ip[10:12] = b"\0\0"
    ip[10:12] = struct.pack("!H", csum(bytes(ip)))
    udp[0:2], udp[2:4] = udp[2:4], udp[0:2]
    udp[4:8] = struct.pack("!HH", 8 + len(data), 0)
    os.write(tun, bytes(ip + udp + data))
END
disown
wait_for 20 grep -q ready "$T/vpn"
ip route replace default via 198.51.100.1 metric 600
ip route del default metric 0 2>/dev/null
pasta_up --dns-forward $F --dns-forward $F6
ok "FOL-06 the resolver at first" wait_for 20 uses 198.51.100.10
hold 1 198.51.100.10 7
start=${EPOCHREALTIME/./}
ip addr add 10.8.0.2/32 dev vpn
ip link set vpn up
ip route add default dev vpn metric 50
servers 10.8.0.53
ok "FOL-06 a VPN: its resolver" wait_for 20 uses 10.8.0.53
diag "after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
ok "FOL-06 its address and route" wait_for 20 \
	eval '[[ "$(C_addr -4)" =~ 10.8.0.2/32 ]] && C ip route show default | grep -q metric.50'
ok "FOL-06 datagrams into it" C timeout 20 python3 "$SYS/follow.py" udp 192.0.2.1 7 <<<""
ok "FOL-06 a connection beside it goes on" held 1
start=${EPOCHREALTIME/./}
ip link set vpn down
ip addr flush dev vpn
servers 198.51.100.10
ok "FOL-06 it goes: the resolver" wait_for 20 uses 198.51.100.10
diag "after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
ok "FOL-06 it goes: address and route" wait_for 20 \
	eval '[[ "$(C_addr -4) $(C ip route show default)" =~ ^198.51.100.2/24\ default\ via\ 198.51.100.1 ]]'
ok "FOL-06 the connection goes on" held 1
unhold 1

# ---- resolvers of the other family, both ways; DNS over QUIC or DTLS

servers 198.51.100.10
ok "FOL-26 a query by IPv6, a resolver by IPv4" wait_for 20 uses 198.51.100.10 $F6
servers 2001:db8:1::10
ok "FOL-26 a query by IPv4, a resolver by IPv6" wait_for 20 uses 2001:db8:1::10
ip addr flush dev ext scope global
ip route flush default
ip addr add 2001:db8:1::2/64 dev ext nodad 2>/dev/null
ip -6 route replace default via 2001:db8:1::1
ok "FOL-26 on a host without IPv4" wait_for 20 uses 2001:db8:1::10
ext 2>/dev/null
servers 198.51.100.99 198.51.100.10
ok "FOL-27 port 853, UDP: the first one doesn't answer" wait_for 20 uses 198.51.100.10 $F 853 5
ok "FOL-27 port 853: the one that answered is the first one" uses 198.51.100.10 $F 853 1 5
at_once "FOL-27 port 853: the one that answered"
n=$(changes)
servers 198.51.100.2 2001:db8:1::10
wait_for 20 eval '[ "$(changes)" -gt "$n" ]'
ok "FOL-27 port 853, UDP: the first one refuses" uses 2001:db8:1::10 $F 853 1 5
at_once "FOL-27 port 853, UDP: the first one refuses"

# ---- a resolver that is link-local, on an interface that is made again

R_ll()		# the only one: answers come from it
{
	R ip link set ext addrgenmode none
	R ip -6 addr flush dev ext scope link
	R ip addr add fe80::99/64 dev ext nodad
}
R_ll
servers fe80::99%ext
ok "a link-local resolver" wait_for 20 uses fe80::99
again ext
R_ll
R_ext
ext
ok "FOL-28 on an interface that was made again" wait_for 20 uses fe80::99
pasta_stop

# ---- link-local peers, by an interface that is made again

servers 198.51.100.10
pasta_up
udp_hold 2 fe80::99%ext 7
ok "datagrams to a link-local address" held 2
again ext
R_ll
R_ext
ext
ok "FOL-28 another interface, the same socket of the guest's" held 2
unhold 2
pasta_stop

# ---- groups, and the host's own address, by the template interface of now

R ip route replace default dev wlan
R python3 "$SYS/follow.py" group 239.9.9.9 9 ext wlan >"$T/group" 2>&1 &
disown
wait_for 20 grep -q ready "$T/group"
pasta_up --map-guest-addr 169.254.1.2
own()	{ C timeout 20 python3 "$SYS/follow.py" hold 169.254.1.2 8 <<<"" | grep -q ok; }
udp_hold 9 239.9.9.9 9
ok "datagrams to a group" held 9
ok "--map-guest-addr" own
nets
wlan
ok "FOL-17 --map-guest-addr follows" wait_for 20 eval 'grep -q "IPv4 203.0.113.2" "$PASTA_LOG" && own'
ok "FOL-17 datagrams to the group, from the same socket" held 9
unhold 9
pasta_stop
R ip route del default
nets
ext

# ---- -i: waited for, whatever else has a default route

pasta_up -i wlan
DEV=tap0
ip addr add 203.0.113.2/24 dev wlan
ip addr add 2001:db8:2::2/64 dev wlan nodad
ok "FOL-09 -i, an interface without a network: it comes" wait_for 20 eval 'C_addr | grep -q 203.0.113.2/24'
before=$(C_addr)
again wlan
not "FOL-09 -i: it goes, and no other is taken" wait_for 1 eval '[ "$(C_addr)" != "$before" ]'
R ip addr add 203.0.113.1/24 dev wlan
R ip link set wlan up
ip link set wlan up
ok "it rests" wait_for 20 still
ip addr add 203.0.113.7/24 dev wlan
ip addr add 2001:db8:2::7/64 dev wlan nodad
ok "FOL-09 -i: it is back, without a default route" wait_for 20 eval \
	'C_addr | grep -q 203.0.113.7/24 && C_addr | grep -q 2001:db8:2::7/64'
like "FOL-05 the log says so" "$(grep "Host network: IPv4 203.0.113.7" "$PASTA_LOG")" " on wlan"
unset DEV
pasta_stop
R ip addr add 203.0.113.10/24 dev wlan
R ip addr add 2001:db8:2::10/64 dev wlan nodad
R ip addr add 2001:db8:2::1/64 dev wlan nodad preferred_lft 0
ip addr flush dev wlan scope global

# ---- -o: an address that leaves

ip addr add 198.51.100.3/24 dev ext
pasta_up -o 198.51.100.3
hold 3 198.51.100.10 7
hold 4 198.51.100.1 8
udp_hold 5 198.51.100.10 7
ok "-o: a connection" held 3
ok "-o: datagrams" held 5
ip addr del 198.51.100.3/24 dev ext
ok "FOL-15 -o: it leaves, the connection is reset" wait_for 20 ends 3
ok "FOL-15 -o: one to the host's loopback is not" held 4
refused()	{ C timeout 20 python3 "$SYS/follow.py" hold 198.51.100.10 7 <<<"" 2>&1 | grep -q ConnectionRefused; }
ok "FOL-15 -o: new ones are refused" refused
not "FOL-15 -o: no datagram by another address" held 5 1
like "FOL-15 -o: the guest is told" "$(C python3 "$SYS/follow.py" df 198.51.100.10 7 10)" "unreachable|refused"
ip addr add 198.51.100.3/24 dev ext
ok "FOL-15 -o: it is back" wait_for 20 traffic 198.51.100.10
ok "FOL-15 -o: datagrams" held 5
for i in 3 4 5; do unhold $i; done
pasta_stop
ip addr del 198.51.100.3/24 dev ext

# ---- --outbound-if4, --outbound-if6: an interface that is made again in less time than an address needs to leave

pasta_up --outbound-if4 ext --outbound-if6 ext
hold 6 198.51.100.10 7
udp_hold 7 198.51.100.10 7
udp_hold 8 2001:db8:1::10 7
ok "--outbound-if4: a connection" held 6
ok "--outbound-if4: datagrams" held 7
ok "--outbound-if6: datagrams" held 8
again ext
ip -batch - <<END
addr add 198.51.100.2/24 dev ext
addr add 2001:db8:1::2/64 dev ext nodad
link set ext up
route replace default via 198.51.100.1
END
R_ll
R_ext
ip -6 route replace default via 2001:db8:1::1
ok "FOL-16 made again: the connection is reset" wait_for 20 ends 6
ok "FOL-16 made again: datagrams go on from the same socket" held 7
ok "FOL-16 the same, IPv6" held 8
ok "FOL-16 new connections" wait_for 20 traffic 198.51.100.10
for i in 6 7 8; do unhold $i; done
pasta_stop
done_testing
