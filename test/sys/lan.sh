#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# several guests on a network of their own: the switch between them, one that takes another's place, one too many
. "${0%/*}/callers.bash"

player <<'END'
from vmm import *
import random

p = Player("lan")
S = TMP + "/s"
NET = "192.168.77."
OUR = bytes.fromhex("9a559a559a55")
QUICK = 0.3


def passt(*options, path=S, **kw):
    proc = subprocess.Popen([PASST, "-f", "--runas", "0", "-s", path, "--lan", NET + "0/24,fd77::/64", *options],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=open(TMP + "/lan.log", "ab"), **kw)
    wait_until(lambda: os.path.exists(path) or proc.poll() is not None)
    return proc


def said(what):
    with open(TMP + "/lan.log") as f:
        return sum(what in line for line in f)


def connect(n, path=S):
    """A guest with a MAC address and a static address of its own, which the switch knows"""
    for _ in range(1000):
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            g = Guest(unix(path), bytes([0x52, 0x54, 0, 0, 1, n]))
            break
        time.sleep(0.005)
    g.address = NET + str(100 + n)
    raw(g, BROADCAST, b"hello")
    return g


def raw(g, dmac, data, smac=None):
    g.send(dmac + (smac or g.mac) + b"\x88\xb5" + data.ljust(46, b"\0"))


def got(g, data, timeout=PATIENCE):
    return bool(g.wait(lambda x: x.type == 0x88b5 and x.frame[14:14 + len(data)] == data, timeout))


def refused(options, what):
    r = subprocess.run([PASST, "-f", "-s", TMP + "/none", *options], capture_output=True, text=True, timeout=PATIENCE)
    p.ok(r.returncode == 1 and what in r.stderr and len(r.stderr.splitlines()) == 1, "refused: " + " ".join(options),
         r.stderr)


LAN = "--lan", NET + "0/24"
refused(["--guests", "2"], "--guests needs --lan")
refused(["--lan-isolate"], "--lan-isolate needs --lan")
refused(["--lan", NET + "0/30", "--guests", "2"], "fewer addresses for guests")
refused(["--lan", NET + "0/24,fd77::/56"], "not 64")
refused([*LAN, "--lease", "52:54:00:00:00:01=10.0.0.1"], "outside of --lan")
refused([*LAN, "--lease", "52:54:00:00:00:01=" + NET + "1"], "our address")
refused([*LAN, "--lease", "52:54:00:00:00:01=" + NET + "9", "--lease", "52:54:00:00:00:01=" + NET + "10"], "one already")

proc = passt("--guests", "3", "-c", TMP + "/control", "--lease", "52:54:00:00:01:02=" + NET + "50,see")
p.ok(wait_until(lambda: said("assign to each guest one of: " + NET + "0")), "the network is told at the start")
a, b, c = (connect(n) for n in range(3))
p.ok(got(a, b"hello") and got(a, b"hello") and got(b, b"hello"), "broadcast: to all others that are there")

# ---- The switch

raw(a, b.mac, b"to b")
p.ok(got(b, b"to b") and not got(c, b"to b", QUICK), "known unicast: to one")
raw(a, b"\x52\x54\0\0\2\1", b"who?")
p.ok(got(b, b"who?") and got(c, b"who?"), "unknown unicast: to all others")
raw(b, a.mac, b"nested", smac=b"\x52\x54\0\0\2\1")
got(a, b"nested")
raw(a, b"\x52\x54\0\0\2\1", b"inside b")
p.ok(got(b, b"inside b") and not got(c, b"inside b", QUICK), "a second MAC address of a guest is learned")
raw(c, a.mac, b"spoofed", smac=b.mac)
raw(c, a.mac, b"gateway", smac=OUR)
raw(c, a.mac, b"honest")
p.ok(got(a, b"honest") and not any(x.frame[14:].startswith((b"spoofed", b"gateway")) for x in a.log),
     "frames from the MAC address of another, or ours, are dropped")
p.ok(wait_until(lambda: said("sends from") == 2), "and logged")
for i in range(20):
    raw(c, a.mac, b"many %02d" % i, smac=bytes([0x52, 0x54, 0, 0, 3, i]))
raw(c, a.mac, b"end")
got(a, b"end")
p.eq(sum(x.frame[14:].startswith(b"many") for x in a.log), 15, "a guest has 16 MAC addresses at most")

# ---- Between guests, by IP

for x, y in ((a, b), (b, c), (c, a)):
    x.gw_mac = y.mac
    x.send_udp(x.address, 1000, y.address, 2000, b"across")
    q = y.wait(lambda q: q.proto == 17 and q.data == b"across")
    p.ok(q and q.smac == x.mac and q.dmac == y.mac, "a datagram from guest to guest, as it is")
ra = b"\x86\0\0\0\x40\0\x07\x08" + bytes(8)
src, dst = "fe80::1", "ff02::1"
ra = ra[:2] + struct.pack(">H", l4_csum(ip(src), ip(dst), 58, ra)) + ra[4:]
h = struct.pack(">IHBB", 6 << 28, len(ra), 58, 255) + ip(src) + ip(dst)
a.send(a.eth(0x86dd, h + ra, bytes.fromhex("333300000001")))
a.gw_mac = b.mac
a.send_udp(a.address, 67, NET + "255", 68, b"offer")
raw(a, b.mac, b"behind")
p.ok(got(b, b"behind") and not any(q.proto == 58 and q.smac == a.mac or q.data == b"offer" for q in b.log),
     "router advertisements and DHCP answers of a guest are dropped")

# ---- One too many

d = connect(3)
p.ok(d.ended(), "one guest more than --guests: refused")
p.ok(said("Another guest wanted to connect, refused"), "and logged")
d.close()
start = time.monotonic()
silent = Guest(unix(S))
p.ok(silent.ended() and 1 < time.monotonic() - start < 10, "one that is silent: after 2 s")
silent.close()
new = connect(1)
p.ok(b.ended(), "with the MAC address of one that is connected: that one has to go")
raw(a, new.mac, b"welcome")
p.ok(got(new, b"welcome"), "and its place is taken")
b.close()
again = connect(2)
p.ok(c.ended(), "and so for another one")
c.close()
b, c = new, again
c.close()
wait_until(lambda: said("Guest disconnected") >= 3)
c = connect(2)
raw(b, c.mac, b"free seat")
p.ok(got(c, b"free seat"), "a guest that comes back")
new = connect(2)
p.ok(c.ended(), "the place of another is taken, whether there is room or not")
c.close()
c = new

# ---- Nobody holds up anybody

size, n = 1400, 4000
for i in range(n):
    raw(a, c.mac if i % 2 else b.mac, b"flood %05d" % i + bytes(size))
    if not i % 64:
        while select.select([b.s], [], [], 0)[0]:
            b.recv(0)
raw(a, b.mac, b"last")
p.ok(got(b, b"last"), "a guest that doesn't read holds up nobody")
p.eq(sum(x.frame[14:].startswith(b"flood") for x in b.log), n // 2, "another one loses nothing")
raw(a, c.mac, b"lost")
held = []
while select.select([c.s], [], [], QUICK)[0] and c.recv(0):
    held.append(c.log[-1].frame[14:25])
p.ok(0 < len(held) < n // 2 + 2, "it loses what does not fit", len(held))
raw(a, c.mac, b"later")
p.ok(got(c, b"later"), "and goes on")

# ---- pesto

PESTO = os.path.join(os.path.dirname(PASST), "pesto")


def pesto(*options):
    r = subprocess.run([PESTO, *options, TMP + "/control"], capture_output=True, text=True, timeout=PATIENCE)
    return r.returncode, r.stdout + r.stderr


c.dhcp()
rc, out = pesto("--guests")
rows = [line.split() for line in out.splitlines()]
p.ok(rc == 0 and rows[0][0] == "INDEX" and sorted(row[1] for row in rows[1:]) == [g.mac.hex(":") for g in (a, b, c)],
     "pesto --guests: a title, and a line each", out)
see = next((row for row in rows if row[1] == c.mac.hex(":")), None)
p.ok(see and see[2:4] == ["see", "socket"] and NET + "50" in see[8].split(","), "with names and addresses", see)
for who, g, name in ((see[0], c, "index"), (b.mac.hex(":"), b, "MAC address"), (a.address, a, "address"),
                     ("see", None, "name")):
    if not g:
        g = c = connect(2)
        c.dhcp()
        p.ok(wait_until(lambda: len(pesto("--guests")[1].splitlines()) == 2), "one line less for each that went")
    rc, out = pesto("--disconnect", who)
    p.ok(rc == 0 and g.ended(), "pesto --disconnect, by " + name, out)
    g.close()
p.eq(pesto("--disconnect", "see"), (1, "No such guest: see (--disconnect)\n"), "pesto --disconnect: nobody there")
a, b, c = (connect(n) for n in range(3))
got(a, b"hello") and got(b, b"hello")

# ---- SIGHUP, and many that come and go

os.kill(proc.pid, signal.SIGHUP)
p.ok(a.ended() and b.ended() and c.ended(), "SIGHUP: all are disconnected")
for g in a, b, c:
    g.close()
a, b = connect(0), connect(1)
got(a, b"hello")			# of b, whose address is known from then on
raw(a, b.mac, b"back")
p.ok(got(b, b"back"), "and come back")
def fds():
    return len(os.listdir("/proc/%d/fd" % proc.pid))


before = fds()
random.seed(1)
here = []
for i in range(10000):
    g = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    g.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        g.connect(S)
        frame = BROADCAST + bytes([0x52, 0x54, 0, 0, 4, random.randrange(8)]) + b"\x88\xb5" + bytes(46)
        with contextlib.suppress(OSError):
            g.sendall(struct.pack(">I", len(frame)) + frame)
    here.append(g)
    if len(here) > random.randrange(6):
        here.pop(random.randrange(len(here))).close()
    for x in a, b:
        while select.select([x.s], [], [], 0)[0]:
            x.recv(0)
for g in here:
    g.close()
p.ok(wait_until(lambda: fds() == before), "10,000 connections leave no descriptor behind", "%d, %d" % (before, fds()))
raw(a, b.mac, b"still here")
p.ok(got(b, b"still here"), "and the others never noticed")
proc.terminate()
p.eq(proc.wait(PATIENCE), 0, "SIGTERM: status")
a.close()
b.close()
os.unlink(S)

# ---- Isolated; a private network of one; -1; --fd

proc = passt("--guests", "2", "--lan-isolate")
a, b = connect(0), connect(1)
raw(a, b.mac, b"direct")
raw(a, BROADCAST, b"to all")
raw(b, b"\x52\x54\0\0\2\1", b"unknown")
p.ok(not got(b, b"", QUICK) and not got(a, b"", QUICK), "--lan-isolate: guests don't reach each other")
proc.terminate()
proc.wait(PATIENCE)
a.close()
b.close()
os.unlink(S)

proc = passt("--guests", "2", "-1")
a, b = connect(0), connect(1)
raw(b, a.mac, b"here")
got(a, b"here")
os.kill(proc.pid, signal.SIGHUP)
a.ended(), b.ended(), a.close(), b.close()
a, b = connect(0), connect(1)
raw(b, a.mac, b"again")
p.ok(got(a, b"again"), "SIGHUP doesn't end a --one-off")
a.close()
raw(b, OUR, b"still")
p.ok(not b.ended(QUICK) and proc.poll() is None, "nor does one guest of two")
b.close()
p.eq(proc.wait(PATIENCE), 0, "--one-off: ends with the last")

def resident():
    with open("/proc/%d/status" % proc.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


os.unlink(S)
proc = passt("--guests", "64")
guests = [connect(0)]
p.ok(got(guests[0], b"hello", QUICK) is False, "alone, a guest hears nobody")
before = resident()
for n in range(1, 64):
    guests.append(connect(n))
    p.ok(got(guests[0], b"hello"), "guest %d of 64 is heard" % n) if n == 63 else got(guests[0], b"hello")
p.ok((resident() - before) / 63 < 100, "memory of each further guest: below 100 kB", resident() - before)
raw(guests[0], BROADCAST, b"to 63")
p.ok(all(got(g, b"to 63") for g in guests[1:]), "and hears the others")
silent = [Guest(unix(S)) for _ in range(3)]
for n in 63, 0:
    new = connect(n)
    p.ok(guests[n].ended(), "a 65th with the MAC address of guest %d takes its place, while others wait" % n)
    guests[n].close()
    guests[n] = new
    raw(guests[1], new.mac, b"welcome")
    p.ok(got(new, b"welcome") and got(guests[2], b"hello"), "and is the one who is reached")
p.ok(all(g.ended() for g in silent), "those that are silent, or others, are refused")
waited, there = 0, True
for _ in range(8):
    silent = silent[-3:] + [Guest(unix(S)) for _ in range(1 if waited else 4)]
    new = connect(0)			# the fifth: in the backlog
    start = time.monotonic()
    silent[-4].close()
    there &= guests[0].ended()
    waited += time.monotonic() - start
    guests[0].close()
    guests[0] = new
# 2 s each if the silent ones before it had to time out
p.ok(there and waited < 8, "one in the backlog comes as soon as another has left, 8 times", waited)
new = connect(64)
p.ok(new.ended(), "as is one with a MAC address that nobody has")
for g in [new, *silent, *guests]:
    g.close()
proc.terminate()
proc.wait(PATIENCE)

pairs = [socket.socketpair() for i in range(3)]
proc = subprocess.Popen([PASST, "-f", "--runas", "0", "--guests", "3", *LAN,
                         *(w for ours, its in pairs for w in ("--fd", str(its.fileno())))],
                        pass_fds=[its.fileno() for ours, its in pairs], stderr=open(TMP + "/lan.log", "ab"))
a, b, c = (Guest(ours, bytes([0x52, 0x54, 0, 0, 1, n])) for n, (ours, its) in enumerate(pairs))
for ours, its in pairs:
    its.close()
raw(b, BROADCAST, b"from b")
p.ok(got(a, b"from b") and got(c, b"from b"), "--fd, several times")
for g in a, b, c:
    g.close()
p.eq(proc.wait(PATIENCE), 0, "and it ends with the last of them")
END
done_testing
