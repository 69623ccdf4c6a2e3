# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of few words on a network of their own (--lan), for lan_*.sh: passt, its clients, frames of any kind"""
import contextlib, json, os, socket, struct, subprocess, time
from vmm import *

p = Player("lan")
S = TMP + "/s"
NET = "192.168.77."
OUR = bytes.fromhex("9a559a559a55")
QUICK = 0.3
LOG = TMP + "/lan.log"
LAN = "--lan", NET + "0/24,fd77::/64"


def mac_of(n, group=1):
    return bytes([0x52, 0x54, 0, 0, group, n])


def start(*options, lan=LAN, path=S, **kw):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    proc = subprocess.Popen(
        [PASST, "-f", "--runas", "0", "-s", path, "-c", TMP + "/control", *lan, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=open(LOG, "ab"),
        **kw
    )
    wait_until(lambda: os.path.exists(path) or proc.poll() is not None)
    return proc


def end(proc, *guests):
    for g in guests:
        g.close()
    proc.terminate()
    p.eq(proc.wait(PATIENCE), 0, "SIGTERM")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(TMP + "/control")


def said(what):
    with open(LOG) as f:
        return sum(what in line for line in f)


def connect(n, group=1, quiet=False, path=S):
    for _ in range(1000):
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            g = Guest(unix(path), mac_of(n, group))
            break
        time.sleep(0.005)
    g.gw_mac = OUR
    if not quiet:
        raw(g, BROADCAST, b"hello")
    return g


def leave(*guests):
    """They disconnect, one after the other, and that was noticed"""
    for g in guests:
        left = len(pesto("--guests")[1].splitlines()) - 1
        g.close()
        wait_until(lambda: len(pesto("--guests")[1].splitlines()) == left)


def raw(g, dmac, data, smac=None, kind=0x88B5):
    g.send(dmac + (smac or g.mac) + struct.pack(">H", kind) + data.ljust(46, b"\0"))


def got(g, data, timeout=PATIENCE):
    return bool(g.wait(lambda x: x.type == 0x88B5 and x.frame[14 : 14 + len(data)] == data, timeout))


def sync(a, b):
    """All that @a sent before has been switched; True if @b is reached"""
    sync.n += 1
    mark = b"sync %08d" % sync.n
    raw(a, b.mac, mark)
    return got(b, mark)


sync.n = 0


def opt(code, data):
    return bytes([code, len(data)]) + data


def wire(name):
    return b"".join(bytes([len(l)]) + l for l in name.encode().split(b".") if l) + b"\0"


def ask(g, name, kind="A", server=NET + "1", timeout=PATIENCE):
    """Answer to a query: its code, records, and their TTL"""
    types = {
        "A": 1,
        "NS": 2,
        "SOA": 6,
        "PTR": 12,
        "MX": 15,
        "TXT": 16,
        "AAAA": 28,
        "SRV": 33,
        "HTTPS": 65,
        "ANY": 255,
    }
    ask.n += 1
    q = struct.pack(">HHHHHH", ask.n, 0x100, 1, 0, 0, 0) + wire(name) + struct.pack(">HH", types[kind], 1)
    g.send_udp(g.address, 5300, server, 53, q)
    x = g.wait(lambda x: x.proto == 17 and x.sport == 53 and x.data[:2] == q[:2], timeout)
    if not x:
        return "no answer"
    b = x.data
    code, n = b[3] & 15, struct.unpack(">H", b[6:8])[0]
    at, out = 12 + len(wire(name)) + 4, []
    for _ in range(n):
        owner, at = domain(b, at)
        t, cls, ttl, size = struct.unpack(">HHIH", b[at : at + 10])
        at += 10
        data = b[at : at + size]
        out.append("%s %d" % (domain(b, at)[0] if t == 12 else text_of(data), ttl))
        at += size
    return " ".join([{0: "NOERROR", 3: "NXDOMAIN"}.get(code, str(code))] + out)


ask.n = 0


def pesto(*options):
    r = subprocess.run(
        [os.path.join(os.path.dirname(PASST), "pesto"), *options, TMP + "/control"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return r.returncode, r.stdout + r.stderr


def dhcp(g, name=None):
    options = b"" if name is None else opt(12, name if isinstance(name, bytes) else name.encode())
    g.address = None
    lease = g.dhcp(options)
    return lease.address if lease and lease.type == 5 else "type %s" % (lease and lease.type)


def ip_r(a):
    return ".".join(reversed(ip(a).hex())) + ".ip6.arpa"


def ip4(src, dst, proto, l4, frag=0, ttl=64, ident=1):
    h = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(l4), ident, frag, ttl, proto, 0) + ip(src) + ip(dst)
    return h[:10] + struct.pack(">H", csum(h)) + h[12:] + l4


def ip6(src, dst, proto, l4, hop=255):
    return struct.pack(">IHBB", 6 << 28, len(l4), proto, hop) + ip(src) + ip(dst) + l4


def icmp6(src, dst, m):
    return m[:2] + struct.pack(">H", l4_csum(ip(src), ip(dst), 58, m)) + m[4:]


def icmp4(m):
    return m[:2] + struct.pack(">H", csum(m)) + m[4:]


def udp(src, dst, sport, dport, data):
    u = struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data
    return u[:6] + struct.pack(">H", l4_csum(ip(src), ip(dst), 17, u) or 0xFFFF) + u[8:]


def arp(op, sha, spa, tha, tpa):
    return struct.pack(">HHBBH", 1, 0x800, 6, 4, op) + sha + ip(spa) + tha + ip(tpa) + bytes(18)


def dropped(g):
    rc, out = pesto("--guests")
    return next(int(r.split()[7]) for r in out.splitlines()[1:] if r.split()[1] == g.mac.hex(":"))


def none_of(g, other, frames, what):
    """@frames of @g don't reach @other, and are counted"""
    for name, f in frames:
        sync(g, other)
        n, before = len(other.log), dropped(g)
        g.send(f)
        sync(g, other)
        came = [x for x in other.log[n:] if x.smac == f[6:12] and not x.frame[14:].startswith(b"sync")]
        p.ok(not came, what + ": " + name, [x.frame.hex() for x in came])
        if dropped(g) <= before:
            p.ok(False, what + ": counted: " + name)


def reaches(g, other, frames, what):
    for name, f in frames:
        sync(g, other)
        n = len(other.log)
        g.send(f)
        sync(g, other)
        p.ok(any(x.frame[: len(f)] == f for x in other.log[n:]), what + ": " + name)
