#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# whatever network the host has or lacks, pasta starts and the namespace gets about as far as the host does
. "${0%/*}/lib.sh"

topology
sysctl -qw net.ipv6.conf.ext.accept_dad=0
R ip addr add 203.0.113.9/32 dev lo
R ip addr add 2001:db8:99::9/128 dev lo
R ip route add 10.77.0.0/16 via 198.51.100.2
R ip route add 2001:db8:77::/48 via 2001:db8:1::2
echo "a page" >"$T/page"
R python3 -m http.server --bind :: --directory "$T" 80 >"$T/http.log" 2>&1 &
python3 -m http.server --bind :: --directory "$T" 8080 >"$T/http.log" 2>&1 &
wait_for 20 R curl -so "$T/null" http://198.51.100.10/page
wait_for 20 curl -so "$T/null" http://127.0.0.1:8080/page

page()	{ C curl -s -m "${2:-5}" "$1"; }
ping_()	{ C ping -nqc 1 -W 5 "$1"; }
# The host's network as topology made it
reset()
{
	ip link set ext down
	ip addr flush dev ext
	ip link set ext up
	ip addr add "${1:-198.51.100.2/24}" dev ext
	ip addr add "${2:-2001:db8:1::2/64}" dev ext nodad
	wait_for 20 link_up
}

# An address with a lifetime, no default route
ip addr change 198.51.100.2/24 dev ext valid_lft 600 preferred_lft 300
ip route del default
ip -6 route del default
pasta_up
is "NL-03 addresses stay for ever" "$(C ip -4 addr show dev ext | grep -c 'sec preferred_lft')" 0
is "CFG-07 no address is tentative" "$(C ip addr show tentative)" ""
ok "NL-10 neighbour by ping, IPv4" ping_ 198.51.100.10
is "NL-10 neighbour by TCP, IPv6" "$(page 'http://[2001:db8:1::10]/page')" "a page"
not "NL-21 no default route yet, IPv4" ping_ 203.0.113.9
ip route add default via 198.51.100.1
ip -6 route add default via 2001:db8:1::1
ok "NL-21 default route came later, IPv4" ping_ 203.0.113.9
is "NL-21 default route came later, IPv6" "$(page 'http://[2001:db8:99::9]/page')" "a page"

# The same pasta, with another address on the host
reset 198.51.100.3/24 2001:db8:1::3/64
ip route add default via 198.51.100.1
ip -6 route add default via 2001:db8:1::1
is "NL-20 host's address changed, IPv4" "$(page http://203.0.113.9/page)" "a page"
is "NL-20 host's address changed, IPv6" "$(page 'http://[2001:db8:99::9]/page')" "a page"
pasta_stop

# No network at all, and it comes up
ip link set ext down
ip addr flush dev ext
pasta_up --no-netns-quit
like "NL-12 link-local address" "$(C ip -4 -br addr show tap0)" 169.254.2.1/16
is "NL-12 host by the gateway, IPv4" "$(page http://169.254.2.2:8080/page)" "a page"
is "NL-12 host by the gateway, IPv6" "$(page 'http://[fe80::1%tap0]:8080/page')" "a page"
reset
is "NL-12 network comes up, IPv4" "$(page http://198.51.100.10/page)" "a page"
is "NL-12 network comes up, IPv6" "$(page 'http://[2001:db8:1::10]/page')" "a page"
pasta_stop

# One family only
ip -6 addr flush dev ext scope global
pasta_up
is "NL-13 no IPv6 on the host: IPv4" "$(page http://198.51.100.10/page)" "a page"
is "NL-13 no IPv6 on the host: host by the gateway" "$(page 'http://[fe80::1%ext]:8080/page')" "a page"
pasta_stop
reset
ip addr del 198.51.100.2/24 dev ext
pasta_up
is "NL-13 no IPv4 on the host: IPv6" "$(page 'http://[2001:db8:1::10]/page')" "a page"
is "NL-13 no IPv4 on the host: host by the gateway" "$(page http://169.254.2.2:8080/page)" "a page"
pasta_stop

# A host whose address is elsewhere, and whose gateway is outside of every prefix
reset 198.51.100.2/32 2001:db8:1::2/128
ip route add 198.51.100.1 dev ext
ip route add default via 198.51.100.1 src 198.51.100.2
ip -6 route add default via 2001:db8:1::1 dev ext onlink
pasta_up
is "NL-07 /32 and a gateway outside, IPv4" "$(page http://203.0.113.9/page)" "a page"
is "NL-07 /128 and a gateway outside, IPv6" "$(page 'http://[2001:db8:99::9]/page')" "a page"
pasta_stop

ip -6 addr flush dev ext scope global
ip addr add 2001:db8:77::7/128 dev lo
R ip -6 route replace 2001:db8:77::/48 via "$(ip -6 -br addr show dev ext scope link | grep -o 'fe80[^/]*')" dev ext
ip -6 route replace default via "$(R ip -6 -br addr show dev ext scope link | grep -o 'fe80[^/]*')" dev ext
pasta_up
is "NL-14 template without global IPv6 address" "$(page 'http://[2001:db8:99::9]/page')" "a page"
pasta_stop
ip addr del 2001:db8:77::7/128 dev lo

# Addresses that are not the host's
reset
ip route add default via 198.51.100.1
ip -6 route add default via 2001:db8:1::1
pasta_up -a 10.0.2.15 -n 24 -g 10.0.2.2 -a fd00::15 -g fd00::2
is "NL-19 addresses given, IPv4" "$(page http://203.0.113.9/page)" "a page"
is "NL-19 addresses given, IPv6" "$(page 'http://[2001:db8:99::9]/page')" "a page"
pasta_stop
pasta_up -a 10.0.2.15 -g 10.0.2.2
is "NL-19 IPv4 address given: IPv6 as the host's" "$(page 'http://[2001:db8:99::9]/page')" "a page"
pasta_stop

# IPv6 switched off in the namespace
container
C sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
ok "NL-15 starts without IPv6 in the namespace" pasta_start --config-net -t 4711 "$CPID"
is "NL-15 IPv4 works" "$(page http://203.0.113.9/page)" "a page"
pasta_stop

# Who waits for the interface to be up may use it at once
container
C python3 -c '
import fcntl, socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("waiting", flush=True)
while True:
    try:
        if struct.unpack("16xH14x", fcntl.ioctl(s, 0x8913, struct.pack("16sH14x", b"eth0", 0)))[0] & 1:
            break
    except OSError:
        pass
    time.sleep(.001)
for host in "203.0.113.9", "2001:db8:99::9":
    start = time.monotonic()
    c = socket.create_connection((host, 80), 5)
    c.sendall(b"GET /page HTTP/1.0\r\n\r\n")
    data = b""
    while b"a page" not in data:
        data += c.recv(1000)
    print("fast" if time.monotonic() - start < .9 else "slow", flush=True)
' >"$T/up" 2>&1 &
up=$!
wait_for 10 grep -q waiting "$T/up"
ok "starts with a name for the interface" pasta_start --config-net -I eth0 "$CPID"
wait $up
is "CFG-07 connections as soon as the interface is up" "$(tail -n +2 "$T/up" | tr '\n' ' ')" "fast fast "
pasta_stop

# A second one for the same namespace
pasta_up
not "interface is there already" "$PASTA" --config-net "$CPID"
like "interface is there already: says so" "$(cat "$T/ok.out")" "interface ext in namespace"
pasta_stop

# A routing daemon's host
for i in {1..4000}; do
	echo "route add 10.$((i >> 8)).$((i & 255)).0/24 via 198.51.100.$((i % 9 + 1)) proto bgp"
done | ip -batch -
pasta_up
is "NL-05 thousands of routes" "$(C ip route show proto bgp | wc -l)" 4000
is "NL-05 thousands of routes, and it works" "$(page http://203.0.113.9/page)" "a page"

done_testing
