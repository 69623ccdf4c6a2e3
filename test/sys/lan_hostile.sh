#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guests on a network of their own that play another, or the gateway; isolated ones
. "${0%/*}/callers.bash"

player <<'END'
from lan_player import *


proc = start("--guests", "4")
a, b, c = (connect(n) for n in range(3))
for i, g in enumerate((a, b, c)):
    p.eq(dhcp(g, "abc"[i]), NET + str(2 + i), "DHCP")
A, B, C = (g.address for g in (a, b, c))
ALL1 = bytes.fromhex("333300000001")
c6 = "fe80::5054:ff:fe00:102"
ra = icmp6(c6, "ff02::1", b"\x86\0\0\0\x40\0\x07\x08" + bytes(8))
redirect = icmp6(c6, "ff02::1", b"\x89\0\0\0\0\0\0\0" + bytes(32))
frag6 = lambda proto, off, more, data: struct.pack(">BBHI", proto, 0, off | more, 77) + data
dst_opts = lambda proto: bytes([proto, 0, 1, 4, 0, 0, 0, 0])
offer = udp(C, NET + "255", 67, 68, bytes(300))
reply6 = udp(c6, "ff02::1", 547, 546, bytes(60))
to = b.mac
H = struct.pack(">H", 0x86DD)
c4 = struct.pack(">H", 0x800)


def both(kind, data):
    return [("to one", to + c.mac + kind + data), ("to all", BROADCAST + c.mac + kind + data)]


hop = lambda proto: bytes([proto, 0, 1, 4, 0, 0, 0, 0])
none_of(
    c,
    b,
    [
        ("RA", ALL1 + c.mac + H + ip6(c6, "ff02::1", 58, ra)),
        ("RA to one", to + c.mac + H + ip6(c6, "ff02::1", 58, ra)),
        ("redirect", to + c.mac + H + ip6(c6, "ff02::1", 58, redirect)),
        ("RA behind hop-by-hop options", ALL1 + c.mac + H + ip6(c6, "ff02::1", 0, hop(58) + ra)),
        ("RA behind destination options", ALL1 + c.mac + H + ip6(c6, "ff02::1", 60, dst_opts(58) + ra)),
        ("RA in an atomic fragment", ALL1 + c.mac + H + ip6(c6, "ff02::1", 44, frag6(58, 0, 0, ra))),
        ("RA in a first fragment", ALL1 + c.mac + H + ip6(c6, "ff02::1", 44, frag6(58, 0, 1, ra))),
        (
            "RA in a first fragment, behind options",
            ALL1 + c.mac + H + ip6(c6, "ff02::1", 44, frag6(60, 0, 1, dst_opts(58) + ra)),
        ),
        ("a fragment of options only", ALL1 + c.mac + H + ip6(c6, "ff02::1", 44, frag6(60, 0, 1, dst_opts(58)))),
        ("RA with a VLAN tag of no VLAN", ALL1 + c.mac + b"\x81\0\0\0" + H + ip6(c6, "ff02::1", 58, ra)),
        ("RA with two tags of no VLAN", ALL1 + c.mac + b"\x88\xa8\0\0\x81\0\0\0" + H + ip6(c6, "ff02::1", 58, ra)),
        (
            "DHCP with a VLAN tag of no VLAN",
            BROADCAST + c.mac + b"\x81\0\xe0\0" + c4 + ip4(C, NET + "255", 17, offer),
        ),
        ("RA by SNAP", ALL1 + c.mac + struct.pack(">H", 64) + b"\xaa\xaa\3\0\0\0" + H + ip6(c6, "ff02::1", 58, ra)),
        ("DHCP from port 67", BROADCAST + c.mac + c4 + ip4(C, NET + "255", 17, offer)),
        ("DHCP from port 67, to one", to + c.mac + c4 + ip4(C, B, 17, udp(C, B, 67, 68, bytes(300)))),
        ("DHCP from port 67 to another port", to + c.mac + c4 + ip4(C, B, 17, udp(C, B, 67, 67, bytes(300)))),
        ("DHCP in a first fragment", BROADCAST + c.mac + c4 + ip4(C, NET + "255", 17, offer[:200], frag=0x2000)),
        ("DHCPv6 from port 547", ALL1 + c.mac + H + ip6(c6, "ff02::1", 17, reply6)),
        ("DHCPv6 in a first fragment", ALL1 + c.mac + H + ip6(c6, "ff02::1", 44, frag6(17, 0, 1, reply6))),
        (
            "ICMP redirect",
            to + c.mac + c4 + ip4(C, B, 1, icmp4(b"\x05\x01\0\0" + ip(C) + ip4(B, "8.8.8.8", 17, bytes(8)))),
        ),
        (
            "ICMP router advertisement",
            to + c.mac + c4 + ip4(C, B, 1, icmp4(b"\x09\0\0\0\1\2\0\x10" + ip(C) + bytes(4))),
        ),
        (
            "ICMP redirect in a fragment",
            to + c.mac + c4 + ip4(C, B, 1, icmp4(b"\x05\x01\0\0" + ip(C) + bytes(28)), frag=0x2000),
        ),
    ],
    "not for others",
)

none_of(
    c,
    b,
    [
        ("UDP", to + c.mac + c4 + ip4(A, B, 17, udp(A, B, 1, 2, b"x"))),
        ("UDP from ours", to + c.mac + c4 + ip4(NET + "1", B, 17, udp(NET + "1", B, 1, 2, b"x"))),
        ("broadcast", BROADCAST + c.mac + c4 + ip4(A, NET + "255", 17, udp(A, NET + "255", 1, 2, b"x"))),
        ("a fragment", to + c.mac + c4 + ip4(A, B, 17, udp(A, B, 1, 2, b"x" * 16), frag=0x2000)),
        ("GRE", to + c.mac + c4 + ip4(A, B, 47, bytes(40))),
        ("SCTP", to + c.mac + c4 + ip4(A, B, 132, bytes(40))),
        ("IGMP", to + c.mac + c4 + ip4(A, "224.0.0.1", 2, bytes(40))),
        ("from broadcast", to + c.mac + c4 + ip4(NET + "255", B, 17, udp(NET + "255", B, 1, 2, b"x"))),
        ("ARP reply", to + c.mac + b"\x08\6" + arp(2, c.mac, A, b.mac, B)),
        ("ARP reply, for ours", to + c.mac + b"\x08\6" + arp(2, c.mac, NET + "1", b.mac, B)),
        ("gratuitous ARP", BROADCAST + c.mac + b"\x08\6" + arp(1, c.mac, A, bytes(6), A)),
        ("ARP request as another", BROADCAST + c.mac + b"\x08\6" + arp(1, c.mac, A, bytes(6), B)),
        ("ARP of ours", BROADCAST + c.mac + b"\x08\6" + arp(1, c.mac, NET + "1", bytes(6), NET + "1")),
    ],
    "from another's address",
)
p.ok(said("which is not its address"), "logged")

for n, other in ((0, "another's"), (1, "ours"), (2, "broadcast"), (3, "multicast"), (4, "zero")):
    smac = [a.mac, OUR, BROADCAST, b"\1\0\x5e\0\0\1", bytes(6)][n]
    none_of(
        c,
        b,
        [
            ("a frame", to + smac + b"\x88\xb5" + b"x" * 46),
            ("ARP", BROADCAST + smac + b"\x08\6" + arp(1, smac, C, bytes(6), B)),
        ],
        "from MAC address: " + other,
    )

na = lambda src, target, mac: icmp6(src, "ff02::1", b"\x88\0\0\0\xa0\0\0\0" + ip(target) + b"\2\1" + mac)
A6 = "fd77::5054:ff:fe00:100"
a6 = "fe80::5054:ff:fe00:100"
# A's address becomes its own by DAD and its use
ns = icmp6("::", "ff02::1:ff00:100", b"\x87\0\0\0\0\0\0\0" + ip(A6))
a.send(bytes.fromhex("3333ff000100") + a.mac + H + ip6("::", "ff02::1:ff00:100", 58, ns))
for src in A6, a6:
    a.send(to + a.mac + H + ip6(src, c6, 17, udp(src, c6, 5, 5, b"mine")))
sync(a, b)
none_of(
    c,
    b,
    [
        ("NA", ALL1 + c.mac + H + ip6(c6, "ff02::1", 58, na(c6, A6, c.mac))),
        ("NA from it", ALL1 + c.mac + H + ip6(A6, "ff02::1", 58, na(A6, A6, c.mac))),
        ("NA to one", to + c.mac + H + ip6(c6, "ff02::1", 58, na(c6, A6, c.mac))),
        ("NA, link-local", ALL1 + c.mac + H + ip6(c6, "ff02::1", 58, na(c6, a6, c.mac))),
        ("NA for ours", ALL1 + c.mac + H + ip6(c6, "ff02::1", 58, na(c6, "fd77::1", c.mac))),
        ("NA for ours, behind options", ALL1 + c.mac + H + ip6(c6, "ff02::1", 60, dst_opts(58) + na(c6, A6, c.mac))),
        (
            "NS as another",
            ALL1
            + c.mac
            + H
            + ip6(
                A6,
                "ff02::1:ff00:101",
                58,
                icmp6(A6, "ff02::1:ff00:101", b"\x87\0\0\0\0\0\0\0" + ip("fd77::5054:ff:fe00:101") + b"\1\1" + c.mac),
            ),
        ),
        ("UDP", to + c.mac + H + ip6(A6, c6, 17, udp(A6, c6, 5, 5, b"no"))),
        ("UDP from ours", to + c.mac + H + ip6("fd77::1", c6, 17, udp("fd77::1", c6, 5, 5, b"no"))),
        ("UDP behind options", to + c.mac + H + ip6(A6, c6, 60, dst_opts(17) + udp(A6, c6, 5, 5, b"no"))),
        ("SCTP", to + c.mac + H + ip6(A6, c6, 132, bytes(40))),
        ("no next header", to + c.mac + H + ip6(A6, c6, 59, b"")),
    ],
    "IPv6 of another's",
)
# DAD for another's address: it answers, or we do
c.send(bytes.fromhex("3333ff000100") + c.mac + H + ip6("::", "ff02::1:ff00:100", 58, ns))
x = c.wait(lambda x: x.proto == 58 and x.l4[0] == 136 and x.l4[8:24] == ip(A6))
p.ok(x and x.smac == OUR, "DAD for another's address: taken")
probe = arp(1, c.mac, "0.0.0.0", bytes(6), A)
c.send(BROADCAST + c.mac + b"\x08\6" + probe)
x = c.wait(lambda x: x.type == 0x806 and x.op == 2 and x.spa == ip(A))
p.ok(x, "ARP probe for another's address: answered")
for addr in NET + "1", NET + "0", NET + "255":
    c.send(BROADCAST + c.mac + b"\x08\6" + arp(1, c.mac, "0.0.0.0", bytes(6), addr))
    x = c.wait(lambda x: x.type == 0x806 and x.op == 2 and x.spa == ip(addr))
    p.ok(x, "ARP probe for %s: answered" % addr)
c.send(BROADCAST + c.mac + b"\x08\6" + arp(1, c.mac, "0.0.0.0", bytes(6), NET + "77"))
x = c.wait(lambda x: x.type == 0x806 and x.op == 2 and x.spa == ip(NET + "77"), 0.5)
p.ok(not x, "ARP probe for a free address: no answer")
c.send(BROADCAST + c.mac + b"\x08\6" + arp(1, c.mac, C, bytes(6), NET + "1"))
x = c.wait(lambda x: x.type == 0x806 and x.op == 2 and x.spa == ip(NET + "1"))
p.ok(x and x.sha == OUR, "ARP of .1")
c.send(BROADCAST + c.mac + b"\x08\6" + arp(1, c.mac, C, bytes(6), A))
x = c.wait(lambda x: x.type == 0x806 and x.op == 2 and x.spa == ip(A), 0.5)
p.ok(not x, "ARP of another guest: that answers, not we")


# To us, from another's address
def counted(g, f, what):
    before = dropped(g)
    g.send(f)
    p.ok(wait_until(lambda: dropped(g) > before), "dropped and counted: " + what)


counted(
    c, OUR + c.mac + c4 + ip4(A, "198.51.100.10", 17, udp(A, "198.51.100.10", 5, 7000, b"x")), "to us, as another"
)
counted(
    c,
    OUR + c.mac + H + ip6(A6, "2001:db8:1::10", 17, udp(A6, "2001:db8:1::10", 5, 7000, b"x")),
    "to us, as another, IPv6",
)
counted(
    c, OUR + c.mac + c4 + ip4(A, NET + "1", 17, udp(A, NET + "1", 5, 53, b"x" * 30)), "to our resolver, as another"
)
counted(c, OUR + c.mac + b"\x08\6" + arp(2, c.mac, A, OUR, NET + "1"), "ARP to us, as another")
counted(c, OUR + c.mac + c4 + ip4(C, A, 17, udp(C, A, 5, 7000, b"x")), "by us to another guest")

# An address that becomes another's: X is free and static of C's; then 16 others push it out, and a new guest gets it
X = NET + "5"
c.send(OUR + c.mac + c4 + ip4(X, "198.51.100.10", 17, udp(X, "198.51.100.10", 5, 7000, b"x")))
for i in range(20):
    s6 = "fd77::%x" % (0x100 + i)
    c.send(OUR + c.mac + H + ip6(s6, "2001:db8:1::10", 17, udp(s6, "2001:db8:1::10", 5, 7000, b"x")))
sync(c, b)
d = connect(3)
dhcp(d, "d")
if d.address == X:
    counted(
        c,
        OUR + c.mac + c4 + ip4(X, "198.51.100.10", 17, udp(X, "198.51.100.10", 5, 7000, b"x")),
        "an address that is another's by now",
    )
    none_of(
        c, b, [("UDP", to + c.mac + c4 + ip4(X, B, 17, udp(X, B, 1, 2, b"x")))], "an address that is another's by now"
    )
else:
    p.ok(False, "the case: a free address", d.address)

# What does pass
reaches(
    c,
    b,
    [
        (
            "VLAN",
            to
            + c.mac
            + b"\x81\0\0\x05"
            + c4
            + ip4("10.0.0.1", "10.0.0.2", 17, udp("10.0.0.1", "10.0.0.2", 1, 2, b"x")),
        ),
        ("STP", bytes.fromhex("0180c2000000") + c.mac + struct.pack(">H", 38) + b"\x42\x42\3" + bytes(43)),
        ("LLDP", bytes.fromhex("0180c200000e") + c.mac + b"\x88\xcc" + bytes(46)),
        ("GRE", to + c.mac + c4 + ip4(C, B, 47, bytes(40))),
        ("SCTP", to + c.mac + c4 + ip4(C, B, 132, bytes(40))),
        ("a fragment", to + c.mac + c4 + ip4(C, B, 17, bytes(64), frag=0x2000)),
        ("a later fragment", to + c.mac + c4 + ip4(C, B, 17, bytes(64), frag=8)),
        ("a fragment of IPv6", to + c.mac + H + ip6(c6, a6, 44, frag6(17, 0, 1, udp(c6, a6, 5, 5, bytes(24))))),
        ("echo", to + c.mac + c4 + ip4(C, B, 1, icmp4(b"\x08\0\0\0" + bytes(36)))),
        ("DHCP client", BROADCAST + c.mac + c4 + ip4(C, NET + "255", 17, udp(C, NET + "255", 68, 67, bytes(300)))),
        (
            "link-local multicast",
            b"\1\0\x5e\0\0\xfb"
            + c.mac
            + c4
            + ip4(C, "224.0.0.251", 17, udp(C, "224.0.0.251", 5353, 5353, bytes(30))),
        ),
        ("1500 bytes", to + c.mac + c4 + ip4(C, B, 17, udp(C, B, 1, 2, bytes(1472)))),
        ("jumbo", to + c.mac + c4 + ip4(C, B, 17, udp(C, B, 1, 2, bytes(8972)))),
    ],
    "passes",
)
end(proc, a, b, c, d)

# ---- Isolated

proc = start("--guests", "3", "--lan-isolate", "-t", "2221:one/22")
a, b, c = (connect(n) for n in range(3))
p.eq([dhcp(g, w) for g, w in ((a, "one"), (b, "two"), (c, "three"))], [NET + str(i) for i in (2, 3, 4)], "DHCP")
for g in a, b, c:
    while g.recv(0.1):
        pass
n = {g: len(g.log) for g in (a, b, c)}
v6 = {g: "fe80::5054:ff:fe00:%x" % (0x100 + g.mac[5]) for g in (a, b, c)}
ns = icmp6(v6[a], "ff02::1:ff00:101", b"\x87\0\0\0\0\0\0\0" + ip(v6[b]) + b"\1\1" + a.mac)
mldr = icmp6(v6[a], "ff02::16", b"\x8f\0\0\0\0\0\0\1\4\0\0\0" + ip("ff15::77"))
for f in (
    b.mac + a.mac + b"\x88\xb5" + bytes(46),
    BROADCAST + a.mac + b"\x88\xb5" + bytes(46),
    b"\x02\0\0\0\7\7" + a.mac + b"\x88\xb5" + bytes(46),
    BROADCAST + a.mac + b"\x08\6" + arp(1, a.mac, a.address, bytes(6), b.address),
    b.mac + a.mac + b"\x08\0" + ip4(a.address, b.address, 17, udp(a.address, b.address, 1, 2, b"x")),
    b"\1\0\x5e\1\2\3" + a.mac + b"\x08\0" + ip4(a.address, "239.1.2.3", 17, udp(a.address, "239.1.2.3", 1, 2, b"x")),
    b"\1\0\x5e\0\0\xfb"
    + a.mac
    + b"\x08\0"
    + ip4(a.address, "224.0.0.251", 17, udp(a.address, "224.0.0.251", 1, 2, b"x")),
    bytes.fromhex("3333ff000101") + a.mac + b"\x86\xdd" + ip6(v6[a], "ff02::1:ff00:101", 58, ns),
    bytes.fromhex("333300000016") + a.mac + b"\x86\xdd" + ip6(v6[a], "ff02::16", 58, mldr),
    bytes.fromhex("333300000001")
    + a.mac
    + b"\x86\xdd"
    + ip6(v6[a], "ff02::1", 17, udp(v6[a], "ff02::1", 1, 2, b"x")),
    OUR + a.mac + b"\x08\0" + ip4(a.address, b.address, 17, udp(a.address, b.address, 1, 2, b"x")),
    OUR + a.mac + b"\x08\0" + ip4(a.address, b.address, 1, icmp4(b"\x08\0\0\0" + bytes(20))),
):
    a.send(f)
p.eq(ask(a, "two"), "NOERROR 192.168.77.3 10", "names")
for g in b, c:
    while g.recv(0.2):
        pass
    new = [x for x in g.log[n[g] :] if x.smac == a.mac or x.src == ip(a.address)]
    p.ok(not new, "nothing from another guest", [x.frame.hex() for x in new])
p.works(a, a.address, NET + "1", "isolated, the outside")
t = a.connect(NET + "3", 22)
p.ok(t is None, "by us: no connection to another")
end(proc, a, b, c)
END
done_testing
