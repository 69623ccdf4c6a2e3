#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guests on a network of their own, rule by rule: options, names, leases
. "${0%/*}/callers.bash"

player <<'END'
from lan_player import *


def refused(options, what=""):
    try:
        r = subprocess.run([PASST, "-f", "-s", TMP + "/none", *options], capture_output=True, text=True, timeout=PATIENCE)
        rc, err = r.returncode, r.stderr
    except subprocess.TimeoutExpired:
        rc, err = "runs", ""
    p.ok(rc == 1 and what in err and len(err.splitlines()) == 1, "refused: " + " ".join(options), (rc, err))


def accepted(options):
    a, b = socket.socketpair()
    proc = subprocess.Popen(
        [PASST, "-f", "--runas", "0", "--fd", str(b.fileno()), *options],
        pass_fds=[b.fileno()],
        stderr=subprocess.PIPE,
        text=True,
    )
    b.close()
    a.close()
    p.eq(proc.wait(PATIENCE), 0, "accepted: " + " ".join(options))
    proc.stderr.close()


for n in "0", "65", "-1", "x", "", "1x":
    refused(["--guests", n, *LAN], "guests")
for v in (
    "192.168.77.0",
    "192.168.77.0/33",
    "192.168.77.0/31",
    "192.168.77.0/0",
    "fd77::/64",
    "192.168.77.0/24,",
    "192.168.77.0/24,fd77::/65",
    "192.168.77.0/24,fd77::/56",
    "192.168.77.0/24,fd77::",
    "224.0.0.0/24",
    "127.0.0.0/8",
    "192.168.77.0/24,ff02::/64",
    "192.168.77.0/24,fe80::/64",
    "fd77::/64,192.168.77.0/24",
    "192.168.77.0/24,fd77::/64,x",
    "192.168.77.0/24 ",
    "0.0.0.0/8",
    "192.168.77.0/24,::/64",
):
    refused(["--lan", v], "--lan")
refused(["--lan", NET + "0/29", "--guests", "6"], "fewer addresses")
accepted(["--lan", NET + "0/29", "--guests", "5"])
accepted(["--lan", NET + "0/30", "--guests", "1"])
refused(["--lan", NET + "0/26", "--guests", "62"], "fewer addresses")
accepted(["--lan", NET + "0/26", "--guests", "61"])
M = "52:54:00:00:00:01="
for v, why in (
    (NET + "0", ""),
    (NET + "1", "our address"),
    (NET + "255", ""),
    ("192.168.78.2", "outside"),
    ("fd78::2", "outside"),
    ("fd77::1", "our address"),
    ("fd77::", ""),
    (NET + "9,-a", ""),
    (NET + "9,a-", ""),
    (NET + "9,a_b", ""),
    (NET + "9,host", ""),
    (NET + "9,GATEWAY", ""),
    (NET + "9,localhost", ""),
    (NET + "9,wpad", ""),
    (NET + "9,isatap", ""),
    (NET + "9," + "a" * 64, ""),
    (NET + "9,a.b", ""),
    (NET + "9,", ""),
    (NET + "9,b\u00fccher", ""),
    ("ff02::1", ""),
    ("", ""),
):
    refused([*LAN, "--lease", M + v], "--lease")
accepted([*LAN, "--lease", M + NET + "9," + "a" * 63, "--lease", M + "fd77::9"])
for v in (
    "52:54:00:00:00=" + NET + "9",
    "ff:ff:ff:ff:ff:ff=" + NET + "9",
    "00:00:00:00:00:00=" + NET + "9",
    NET + "9",
    "01:00:5e:00:00:01=" + NET + "9",
):
    refused([*LAN, "--lease", v], "--lease")
refused([*LAN, "--lease", M + NET + "9", "--lease", M + NET + "9"])
refused([*LAN, "--lease", M + NET + "9", "--lease", "52:54:00:00:00:02=" + NET + "9"])
refused([*LAN, "--lease", M + NET + "9,x", "--lease", "52:54:00:00:00:02=" + NET + "10,X"])
refused(["--lease", M + NET + "9"], "--lan")
refused(["--lan-isolate"], "--lan")
refused(["--guests", "2"], "--guests needs --lan")
two = [*LAN, "--guests", "2"]
for t in "-t", "-u":
    for v in (
        "2222",
        "2222:22",
        "198.51.100.2/2222",
        "2222-2223",
        "all",
        "~22",
        "2222:10.0.0.1/22",
        "2222:[fd78::1]/22",
        "2222:[fd77::1]/22",
        "2222:" + NET + "1/22",
        "2222:" + NET + "255/22",
        "2222:" + NET + "0/22",
        "2222:127.0.0.1/22",
        "2222:host/22",
        "2222:a_b/22",
        "2222:" + "a" * 64 + "/22",
    ):
        refused([*two, t, v], "")
    refused([*LAN, t, "2222:10.0.0.1/22"], "")
    accepted([*two, t, "2222:" + NET + "9/22"])
    accepted([*two, t, "2222:web/22"])
    accepted([*two, t, "2222:[fd77::9]/22"])
    accepted([*two, t, "2222:WEB/22"])
    accepted([*two, t, "2222-2225:web/22-25"])
    accepted([*LAN, t, "2222"])
refused(["-t", "2222:web/22"], "")
fds = [socket.socketpair() for i in range(3)]
f = [w for x, y in fds for w in ("--fd", str(y.fileno()))]
r = subprocess.run(
    [PASST, "-f", *two, *f], pass_fds=[y.fileno() for x, y in fds], capture_output=True, text=True, timeout=PATIENCE
)
p.ok(r.returncode == 1 and "fd" in r.stderr, "--fd more often than --guests", r.stderr)

# ---- Names

proc = start("--guests", "5", "--lease", "52:54:00:00:01:04=" + NET + "50,fixed")
a, b, c, d = (connect(n) for n in range(4))
p.eq(dhcp(a, "Web"), NET + "2", "DHCP")
p.eq(ask(a, "web"), "NOERROR 192.168.77.2 10", "NAME, TTL 10")
p.eq(ask(a, "WEB.Internal"), "NOERROR 192.168.77.2 10", "NAME.internal, any case")
p.eq(ask(a, "web", "AAAA"), "NOERROR", "no IPv6 lease: no data")
for kind in "MX", "TXT", "SRV", "HTTPS", "NS", "SOA", "ANY":
    p.eq(ask(a, "web.internal", kind), "NOERROR", "type %s: no data" % kind)
    p.eq(ask(a, "web", kind), "NOERROR", "type %s: no data" % kind)
p.eq(ask(a, "a.web.internal"), "NXDOMAIN", "below a guest's name")
p.eq(ask(a, "nobody.internal"), "NXDOMAIN", "nobody")
p.eq(ask(a, "internal"), "NXDOMAIN", "the zone")
p.eq(ask(a, "host.internal"), "NOERROR 192.168.77.1 10", "host.internal")
p.eq(ask(a, "host.internal", "AAAA"), "NOERROR fd77::1 10", "host.internal")
p.eq(ask(a, "fixed.internal"), "NOERROR 192.168.77.50 10", "--lease's name")
p.eq(ask(a, "2.77.168.192.in-addr.arpa", "PTR"), "NOERROR web.internal 10", "PTR")
p.eq(ask(a, "2.77.168.192.IN-ADDR.ARPA", "PTR"), "NOERROR web.internal 10", "PTR, upper case")
p.eq(ask(a, "50.77.168.192.in-addr.arpa", "PTR"), "NOERROR fixed.internal 10", "PTR")
p.eq(ask(a, "1.77.168.192.in-addr.arpa", "PTR"), "NOERROR host.internal 10", "PTR of the host")
for n in 0, 9, 255:
    p.eq(ask(a, "%d.77.168.192.in-addr.arpa" % n, "PTR"), "NXDOMAIN", "PTR of nobody, .%d" % n)
p.eq(ask(a, ip_r("fd77::1"), "PTR"), "NOERROR host.internal 10", "PTR")
p.eq(ask(a, ip_r("fd77::2"), "PTR"), "NXDOMAIN", "PTR of nobody")
p.eq(dhcp(b, "web"), NET + "3", "another one of that name")
p.eq(ask(b, "web"), "NOERROR 192.168.77.2 10", "the first keeps it")
p.eq(ask(a, "3.77.168.192.in-addr.arpa", "PTR"), "NXDOMAIN", "the second has none")
p.eq(dhcp(b, "fixed"), NET + "3", "one that takes --lease's")
p.eq(ask(b, "fixed"), "NOERROR 192.168.77.50 10", "it does not")
for bad in (
    "-a",
    "a-",
    "a_b",
    "a b",
    "host",
    "HOST",
    "gateway",
    "localhost",
    "wpad",
    "isatap",
    "a" * 64,
    "b\u00fccher",
    "1234",
    "",
    ".",
    ".a",
    "a\0b",
    "*",
    "a/b",
):
    dhcp(c, bad) if bad else dhcp(c)
    rc, out = "", ask(c, "4.77.168.192.in-addr.arpa", "PTR")
    p.eq(out, "NXDOMAIN", "no name: %r" % bad)
dhcp(c, "xn--bcher-kva.example.com")
p.eq(ask(c, "xn--bcher-kva"), "NOERROR 192.168.77.4 10", "an IDN, qualified")
dhcp(c, "x" * 63)
p.eq(ask(c, "x" * 63), "NOERROR 192.168.77.4 10", "63 letters; a new name takes the old one's place")
p.eq(ask(c, "xn--bcher-kva.internal"), "NXDOMAIN", "the old one is gone")
p.eq(ask(c, "4.77.168.192.in-addr.arpa", "PTR"), "NOERROR %s.internal 10" % ("x" * 63), "PTR")
c.address = None
lease = c.dhcp(opt(81, b"\x04\0\0" + wire("fq.example.com")))
p.eq(ask(c, "fq"), "NOERROR 192.168.77.4 10", "option 81, labels")
lease = c.dhcp(opt(12, b"plain") + opt(81, b"\0\0\0" + b"asc.example.com"))
p.eq(ask(c, "asc"), "NOERROR 192.168.77.4 10", "option 81, text, wins")
lease = c.dhcp(opt(12, b"plain\0"))
p.eq(ask(c, "plain"), "NOERROR 192.168.77.4 10", "option 12 with its zero")
# away
leave(a)
p.eq(ask(b, "web"), "NOERROR 192.168.77.2 10", "kept with the lease, away")
dhcp(b, "web")
p.eq(ask(b, "web"), "NOERROR 192.168.77.2 10", "even if another one wants it meanwhile")
a = connect(0)
p.eq(dhcp(a, "web"), NET + "2", "back")
p.eq(ask(a, "web"), "NOERROR 192.168.77.2 10", "it has it still")
end(proc, a, b, c, d)

# ---- Leases


def release(g, lease):
    m = struct.pack(">BBBBIHH4s12x6s202xI", 1, 1, 6, 0, 0x77, 0, 0, ip(g.address), g.mac, 0x63825363)
    m += b"\x35\x01\x07" + b"\x36\x04" + lease.get(54) + b"\xff"
    g.send_udp(g.address, 68, NET + "1", 67, m.ljust(300, b"\0"))


proc = start("--guests", "4", "--lease", "52:54:00:00:01:09=" + NET + "100,nine")
a, b = connect(0), connect(1)
lease = a.dhcp()
A = a.address
p.eq(A, NET + "2", "the lowest")
p.eq(str(lease), NET + "2 mask 255.255.255.0 router " + NET + "1 dns " + NET + "1 mtu 65520", "all of it")
release(a, lease)
leave(a)
p.eq(dhcp(b), NET + "3", "an address that was released stays its guest's")
a = connect(0)
p.eq(dhcp(a), NET + "2", "which gets it again")
# offers that were never acknowledged
c = connect(2)
c.send(c.dhcp_frame(1, 5))
o = c.dhcp_reply(5)
p.eq(o.address, NET + "4", "an offer")
leave(c)
d = connect(3)
p.eq(dhcp(d), NET + "4", "goes with its guest")


def answered(g, *xids):
    """Which of these DHCP messages, all that were sent, have had an answer: that of an ARP request is behind theirs"""
    g.arp(NET + "1")
    came = {x.data[4:8] for x in g.log if x.proto == 17 and x.sport == 67}
    return [struct.pack(">I", xid) in came for xid in xids]


# wishes
def wish(g, address, kind=1):
    g.send(g.dhcp_frame(kind, 9, opt(50, ip(address))))
    x = g.dhcp_reply(9)
    return "%d %s" % (x.type, x.address) if x else None


c = connect(5)
for w in (
    NET + "1",
    NET + "0",
    NET + "255",
    NET + "2",
    NET + "100",
    "10.0.0.1",
    "192.168.78.5",
    "0.0.0.0",
    "255.255.255.255",
    "127.0.0.1",
):
    p.eq(wish(c, w), "2 " + NET + "5", "wish for " + w)
p.ok((wish(c, NET + "2", 3) or "").startswith("6 "), "a request for another's: NAK")
leave(c)
a.send_udp(NET + "5", 1, NET + "1", 9, b"static")
sync(a, b)
c = connect(6)
p.eq(dhcp(c), NET + "6", "a static address in use is not leased")
leave(c)
c = connect(7)
f = c.dhcp_frame(1, 33)
c.send(f[:6] + mac_of(8) + f[12:])
p.eq(answered(c, 33), [False], "chaddr is not the frame's source: dropped")
# starvation: 4 MAC addresses
for i in range(8):
    c.mac = mac_of(i, 9)
    c.send(c.dhcp_frame(1, 100 + i))
p.eq(answered(c, *range(100, 108)), [True] * 4 + [False] * 4, "four leases a guest")
leave(c)
# by option
c = connect(9)
p.eq(dhcp(c), NET + "100", "by --lease")
p.eq(ask(c, "nine.internal"), "NOERROR 192.168.77.100 10", "and its name")
c.address = None
c.dhcp(opt(12, b"other"))
p.eq(ask(c, "other.internal"), "NXDOMAIN", "its name is that of --lease")
end(proc, a, b, c, d)

# full, and some that come and go: the same addresses
proc = start("--guests", "5", lan=("--lan", NET + "0/29"))
gs = [connect(i) for i in range(5)]
p.eq([dhcp(g) for g in gs], [NET + str(2 + i) for i in range(5)], "/29, five guests")
leave(gs[3], gs[0])
x = connect(20)
p.eq(dhcp(x), NET + "5", "full: that of who is away for longest")
gs[0] = connect(0)
p.eq(dhcp(gs[0]), NET + "2", "who was not away for longest has its address")
end(proc, x, *gs)

# 10,000 that come and go with leases, and the first one's is its own
proc = start("--guests", "3", lan=("--lan", "10.77.0.0/16"))
a, b = connect(0), connect(1)
p.eq((dhcp(a), dhcp(b)), ("10.77.0.2", "10.77.0.3"), "two")
leave(b)
for i in range(1500):
    g = Guest(unix(S), bytes([2, 0, 0, 9, i >> 8, i & 255]))
    g.gw_mac = OUR
    lease = g.dhcp()
    if not lease or lease.type != 5:
        p.ok(False, "lease %d" % i, lease)
        break
    g.close()
p.ok(lease and lease.type == 5, "1500 others had addresses", str(lease))
p.eq(dhcp(a), "10.77.0.2", "that of the one that is here")
end(proc, a)
END
done_testing
