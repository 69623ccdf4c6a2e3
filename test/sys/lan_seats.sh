#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guests on a network of their own: who has a place, who is forwarded to, pesto; shares of tables
. "${0%/*}/callers.bash"

player <<'END'
from lan_player import *
import resource

# ---- Places


def closed_first(sent):
    """Is one that has sent that disconnected before one that came earlier and is silent? Both may have been before this
    process had a CPU again: then once more."""
    for _ in range(3):
        silent, s = Guest(unix(S)), Guest(unix(S))
        s.s.sendall(sent)
        ended, there = s.ended(), silent.recv(0) is None
        silent.close()
        s.close()
        if ended and there:
            return True
    return False


for n, lan in ((1, LAN), (3, LAN), (1, ())):
    t = "%d guests%s: " % (n, "" if lan else ", no --lan")
    proc = start("--guests", str(n), lan=lan)
    here = [connect(i) for i in range(n)]
    for g in here:
        g.dhcp()
    # silent, half a frame, and a frame that is none
    begin = time.monotonic()
    s = Guest(unix(S))
    p.ok(s.ended() and 1.5 < time.monotonic() - begin < 10, t + "silent: 2 s", time.monotonic() - begin)
    s.close()
    begin = time.monotonic()
    s = Guest(unix(S))
    s.s.sendall(struct.pack(">I", 60) + BROADCAST + mac_of(0))
    p.ok(s.ended() and 1.5 < time.monotonic() - begin < 10, t + "half a frame: 2 s", time.monotonic() - begin)
    s.close()
    for what, frame in (
        ("a stranger's", BROADCAST + mac_of(77) + b"\x88\xb5" + bytes(46)),
        ("too short for a MAC address", b"\xff" * 8),
        ("nothing but its destination", BROADCAST),
        ("from zero", BROADCAST + bytes(6) + b"\x88\xb5" + bytes(46)),
        ("from broadcast", BROADCAST + BROADCAST + b"\x88\xb5" + bytes(46)),
        ("from ours", BROADCAST + OUR + b"\x88\xb5" + bytes(46)),
    ):
        p.ok(
            closed_first(struct.pack(">I", len(frame)) + frame),
            t + "first frame " + what + ": closed before one that is silent",
        )
    s = Guest(unix(S))
    s.s.sendall(b"\xff\xff\xff\xff" + BROADCAST + mac_of(0))
    p.ok(s.ended(), t + "a length that makes no sense")
    s.close()
    # all are still there
    p.ok(not any(g.recv(0) is False for g in here for _ in range(50)), t + "nobody else noticed")
    # the first frame is not parsable as IP, but from the MAC of one
    for k in range(n):
        new = Guest(unix(S), mac_of(k))
        new.gw_mac = OUR
        new.send(BROADCAST + new.mac + b"\x08\x00" + b"\x45" + bytes(45))
        p.ok(here[k].ended(), t + "guest %d: its place is taken" % k)
        here[k].close()
        here[k] = new
    if lan:
        p.ok(all(g.dhcp() for g in here), t + "all have addresses then")
    # two at once beyond N: the silent one doesn't keep the other from its place
    silent = Guest(unix(S))
    begin = time.monotonic()
    new = connect(0)
    p.ok(
        here[0].ended() and time.monotonic() - begin < 10,
        t + "a silent one in front doesn't matter for long",
        time.monotonic() - begin,
    )
    here[0].close()
    here[0] = new
    p.ok(new.recv(QUICK) is not False, t + "it is connected")
    silent.close()
    # A waiting one takes a place that becomes free
    wait = Guest(unix(S), mac_of(50))
    wait.gw_mac = OUR
    here[-1].close()
    wait_until(lambda: any(row.split()[1] == "-" for row in pesto("--guests")[1].splitlines()))
    raw(wait, BROADCAST, b"x")
    p.ok(wait.dhcp() if lan else wait.recv(2.5) is not False, t + "one that waits has the place of one that leaves")
    here[-1] = wait
    end(proc, *here)

proc = start("--guests", "1", "-1")
a = connect(0)
a.dhcp()
new = connect(0)
p.ok(a.ended(), "-1: a place is taken")
p.ok(new.dhcp() and proc.poll() is None, "-1: it goes on")
os.kill(proc.pid, signal.SIGHUP)
p.ok(new.ended(), "-1, SIGHUP")
new.close()
new = connect(0)
p.ok(new.dhcp(), "-1, SIGHUP, back")
p.eq(pesto("--disconnect", "0")[0], 0, "pesto --disconnect")
p.ok(new.ended(), "gone")
new.close()
new = connect(0)
new.dhcp()
new.close()
p.eq(proc.wait(PATIENCE), 0, "-1: ends with the last")
proc = start("--guests", "1", "-1", lan=())
a = connect(0)
p.ok(a.dhcp(), "-1, no --lan: a guest")
os.kill(proc.pid, signal.SIGHUP)
p.ok(a.ended(), "-1, SIGHUP")
a = connect(0)
p.ok(a.dhcp(), "-1, no --lan: back")
b = connect(1)
p.ok(b.ended(), "-1: one too many")
p.ok(proc.poll() is None, "-1: that does not end it")
a.close()
p.eq(proc.wait(PATIENCE), 0, "-1: ends with the last")
# 16 MACs; the first frame of a new one from one of them
proc = start("--guests", "3")
a, b = connect(0), connect(1)
for i in range(20):
    raw(a, BROADCAST, b"m%02d" % i, smac=mac_of(i, 3))
sync(a, b)
n = sum(x.frame[14:15] == b"m" for x in b.log)
p.eq(n, 15, "16 MACs")
c = connect(17, 3)
raw(c, BROADCAST, b"free")
p.ok(got(b, b"free"), "a MAC beyond is free for another")
new = Guest(unix(S), mac_of(5, 3))
raw(new, BROADCAST, b"new")
p.ok(a.ended(), "one that connects from one of them takes the place")
end(proc, a, b, c, new)

# ---- Forwarding, pesto, methods

proc = start(
    "--guests",
    "4",
    "-t",
    "2221:web/22",
    "-u",
    "2221:web/22",
    "-t",
    "2222:WEB2/22",
    "-t",
    "2223:" + NET + "3/22",
    "-t",
    "2224:nine/22",
    "--lease",
    "52:54:00:00:01:09=" + NET + "100,nine",
    "-t",
    "2225:[fd77::5054:ff:fe00:101]/22",
)


def closed(port, host=HOST):
    for _ in range(100):
        with contextlib.suppress(ConnectionRefusedError):
            try:
                s = socket.create_connection((host, port), PATIENCE)
            except ConnectionResetError:
                return "reset"
            break
        time.sleep(0.02)
    s.settimeout(PATIENCE)
    begin = time.monotonic()
    try:
        r = s.recv(1)
        return "eof" if not r else "data"
    except ConnectionResetError:
        return "reset" if time.monotonic() - begin < 10 else "reset late"
    except socket.timeout:
        return "timeout"


a, b = connect(0), connect(1)
for port in 2221, 2222, 2223, 2224, 2225:
    p.eq(closed(port), "reset", "-t, nobody there: %d" % port)
    p.eq(closed(port, "127.0.0.1"), "reset", "-t, nobody there: %d, loopback" % port)
dhcp(a, "web")
dhcp(b, "web2")
p.inbound(a, 2221, 22, "by name")
p.inbound(b, 2222, 22, "by name, capital letters in the option")
p.inbound(b, 2223, 22, "by address")
p.inbound(a, 2221, 22, "from loopback", "127.0.0.1")
p.eq(closed(2224), "reset", "a lease of an option whose guest is away")
rc, out = pesto("--add", "-t", "2230")
p.ok(rc == 1, "pesto: a port without a target", out)
rc, out = pesto("--add", "-t", "2230:10.0.0.1/22")
p.ok(rc == 1, "pesto: a target outside", out)
rc, out = pesto("--add", "-t", "2230:" + NET + "1/22")
p.ok(rc == 1, "pesto: ours as a target", out)
rc, out = pesto("--add", "-t", "2230:web/22")
p.ok(rc == 0, "pesto: a name", out)
p.inbound(a, 2230, 22, "by name, added")
a.close()
p.ok(wait_until(lambda: closed(2221) == "reset"), "-t NAME to a guest that is away")
p.ok(closed(2230) == "reset", "-t NAME to a guest that is away")
a = connect(0)
dhcp(a, "web")
p.inbound(a, 2221, 22, "and back")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect((HOST, 2221))
u.send(b"hello web")
x = a.wait(lambda x: x.proto == 17 and x.dport == 22)
p.ok(x and x.data == b"hello web" and x.dst == ip(a.address), "-u NAME")

# pesto --guests
quiet = Guest(unix(S))
wait_until(lambda: len(pesto("--guests")[1].splitlines()) == 4)
rc, out = pesto("--guests")
for i in range(12):
    s6 = "fd77::%x" % (0x200 + i)
    b.send(OUR + b.mac + b"\x86\xdd" + ip6(s6, "2001:db8:1::10", 17, udp(s6, "2001:db8:1::10", 5, 7000, b"x")))
raw(b, BROADCAST, b"nested", smac=mac_of(7, 7))
sync(b, a)


def call(method, **parameters):
    s = unix(TMP + "/control")
    s.settimeout(PATIENCE)
    s.sendall(json.dumps({"method": "org.passt.control." + method, "parameters": parameters}).encode() + b"\0")
    b = b""
    while not b.endswith(b"\0"):
        b += s.recv(65536)
    s.close()
    return json.loads(b[:-1])


gs = call("ListGuests")
for bad in (
    "63",
    "64",
    "99999999999999999999",
    "-1",
    "nobody",
    "52:54:00:00:09:09",
    NET + "99",
    "fd77::99",
    "",
    " 0",
    "0x0",
    "0 ",
    "web.",
    "x" * 300,
):
    p.eq(pesto("--disconnect", bad)[0], 1, "--disconnect %r: nobody" % bad[:30])
p.eq(call("DisconnectGuest", guest="nobody").get("error"), "org.passt.control.NoSuchGuest", "error")
p.eq(call("DisconnectGuest").get("error"), "org.varlink.service.InvalidParameter", "no parameter")
p.eq(call("DisconnectGuest", guest=1).get("error"), "org.varlink.service.InvalidParameter", "a number")
p.ok(not any(g.recv(0) is False for g in (a, b, quiet)), "all are there")
for who in (
    "1",
    b.mac.hex(":"),
    b.mac.hex(":").upper(),
    "web2",
    "WEB2",
    NET + "3",
    "fd77::209",
    "fd77::20b",
    mac_of(7, 7).hex(":"),
):
    rc, out = pesto("--disconnect", who)
    p.ok(rc == 0 and b.ended(), "--disconnect " + who, out)
    if rc:
        continue
    b.close()
    b = connect(1)
    p.eq(dhcp(b, "web2"), NET + "3", "back, its address")
    for i in range(12):
        s6 = "fd77::%x" % (0x200 + i)
        b.send(OUR + b.mac + b"\x86\xdd" + ip6(s6, "2001:db8:1::10", 17, udp(s6, "2001:db8:1::10", 5, 7000, b"x")))
    raw(b, BROADCAST, b"nested", smac=mac_of(7, 7))
    sync(b, a)
p.ok(not any(g.recv(0) is False for g in (a, quiet)), "others are there")
text = call("Metrics")["parameters"]["text"]
p.ok('\npasst_from_guest_frames_total{guest="1"} ' in text, "metrics are by guest", text)
end(proc, a, b, quiet)

# ---- Shares: flows, descriptors, fragments, stash

proc = start("--guests", "3", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400)))
a, b, c = (connect(n) for n in range(3))
dhcp(a), dhcp(b), dhcp(c)


def syn(g, n, least=0, base=20000):
    """n connections to R; number that are established, waited for as long as they are fewer than @least"""
    up = 0
    for i in range(n):
        h = struct.pack(">HHIIBBHHH", base + i, 7000, 1000, 0, 0x50, 2, 60000, 0, 0)
        h = h[:16] + struct.pack(">H", l4_csum(ip(g.address), ip(REMOTE), 6, h)) + h[18:]
        g.send_ip(g.address, REMOTE, 6, h)
        if i % 16 == 15 or i == n - 1:
            while g.recv(PATIENCE if i == n - 1 and up < least else 0.05):
                up += g.log[-1].proto == 6 and g.log[-1].flags == 0x12
                x = g.log[-1]
                if x.proto == 6 and x.flags == 0x12:
                    k = struct.pack(">HHIIBBHHH", x.dport, 7000, 1001, x.seq + 1 & 0xFFFFFFFF, 0x50, 16, 60000, 0, 0)
                    k = k[:16] + struct.pack(">H", l4_csum(ip(g.address), ip(REMOTE), 6, k)) + k[18:]
                    g.send_ip(g.address, REMOTE, 6, k)
    return up


n = syn(a, 600)
k = syn(b, 300)
p.ok(c.ping(REMOTE), "echo: the third one")
p.eq(c.udp(REMOTE, 7000, b"x"), b"x", "UDP: the third one")
m = syn(c, 100, 50)
p.ok(m >= 50, "TCP: the third one has its share", m)
p.eq(ask(c, "host.internal"), "NOERROR 192.168.77.1 10", "names: the third one")
end(proc, a, b, c)

# Fragments
proc = start("--guests", "2")
a, b = connect(0), connect(1)
dhcp(a), dhcp(b)
for i in range(3000):
    a.send(OUR + a.mac + b"\x08\0" + ip4(a.address, REMOTE, 17, bytes(1400), frag=0x2000, ident=i))
big = udp(b.address, REMOTE, 999, 7000, b"y" * 2000)
for k in range(20):
    b.send(OUR + b.mac + b"\x08\0" + ip4(b.address, REMOTE, 17, big[:1000], frag=0x2000, ident=900 + k))
    b.send(OUR + b.mac + b"\x08\0" + ip4(b.address, REMOTE, 17, big[1000:], frag=125, ident=900 + k))
    x = b.wait(lambda x: x.proto == 17 and x.dport == 999 and x.data)
    if not x:
        break
p.ok(x, "fragments: the other one's are joined")
end(proc, a, b)
END
done_testing
