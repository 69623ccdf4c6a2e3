#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# the socket: where it is, who may connect, when, how often, and what of one guest the next one must not notice
. "${0%/*}/callers.bash"

player <<'END'
from vmm import *
import stat

GW, PORT = "198.51.100.1", 8000
p = Player("socket")
S = TMP + "/s"


def passt(*options, start=(), **kw):
    """In the foreground; once it listens"""
    proc = subprocess.Popen([*start, PASST, "-f", *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, **kw)
    if "-s" in options:
        wait_until(lambda: os.path.exists(S) or proc.poll() is not None)
    return proc


def end(proc):
    """Its status, and what it said"""
    with contextlib.suppress(ProcessLookupError):
        proc.terminate()
    out, _ = proc.communicate(timeout=PATIENCE)
    return proc.returncode, out.decode()


def ends(proc, what):
    """It does so by itself, with status 0"""
    try:
        rc = proc.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        rc = "still there"
        end(proc)
    p.eq(rc, 0, what)
    proc.stdout.close()


def connect():
    """As soon as somebody listens"""
    for _ in range(1000):
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            return Guest(unix(S))
        time.sleep(0.005)
    raise TimeoutError("nobody listens")


def up(g, what):
    lease = g.dhcp()
    return p.ok(lease and lease.address == HOST and g.arp(GW) and g.ping(REMOTE), what, lease)


def fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def settled(pid):
    """Descriptors, once whatever was going on has ended: the same number for half a second"""
    n, since = fds(pid), time.monotonic()
    while time.monotonic() < since + 0.5:
        time.sleep(0.01)
        if fds(pid) != n:
            n, since = fds(pid), time.monotonic()
    return n


# ---- What it says of the socket

def isolated(proc):
    """Everything is set up"""
    status = "/proc/%d/status" % proc.pid
    wait_until(lambda: proc.poll() is not None or "Seccomp:\t2" in open(status).read())


for options, path in (("-s", S), S), (("--socket=" + S,), S), ((), "/tmp/passt_1.socket"):
    proc = passt(*options)
    isolated(proc)
    rc, out = end(proc)
    p.eq((rc, [line for line in out.splitlines() if "bound at" in line]), (0, ["UNIX domain socket bound at " + path]),
         "UNIX domain socket bound at " + path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
proc = passt("-s", S, "-q")
isolated(proc)
p.eq(end(proc), (0, ""), "and with --quiet, nothing")
os.unlink(S)

# ---- One after the other

proc = passt("-s", S, "-l", TMP + "/passt.log", "-t", str(PORT), "-u", str(PORT))
p.ok(stat.S_ISSOCK(os.lstat(S).st_mode), "it is there")
isolated(proc)
early = socket.create_connection((HOST, PORT), timeout=PATIENCE)      # nobody is: this waits
g = connect()
up(g, "first guest")
t = g.accept(PORT)
if p.ok(t, "a connection that came before the guest did", "no SYN"):
    early.sendall(b"hello")
    p.eq(t.read(5), b"hello", "and its data")

other = Guest(unix(S))
p.ok(other.ended(), "a second client, while there is one: refused")
other.close()
p.ok(g.ping(REMOTE) and t and t.write(b"still here") and early.recv(100) == b"still here", "and the first does not notice")

g.udp(REMOTE, 7000, b"x")
g.close()
try:
    got = early.recv(100)
except ConnectionResetError:
    got = "reset"
p.eq(got, "reset", "VM-01 its connections end with the guest")
g = connect()
p.ok(not g.wait(lambda x: x.proto in (6, 17), 0.2), "VM-01 and the next guest hears nothing of them")
g.mac = bytes.fromhex("525400aabbcc")
up(g, "VM-01 the next guest, another one: DHCP")
p.inbound(g, PORT, PORT, "VM-01 the next guest, forwarded port")
g.close()
g = connect()
g.address = "198.51.100.99"
p.ok(g.arp(GW) and g.ping(REMOTE), "VM-01 the next guest, with another address, without DHCP")
g.close()
none = settled(proc.pid)

for i in range(100):
    g = connect()
    g.send(g.dhcp_frame(1, i))
    if i % 2:
        g.dhcp_reply(i)
    g.close()
g = connect()
up(g, "VM-01 after 100 more, of which half did not wait for an answer")
for i in range(50):
    other = Guest(unix(S), bytes.fromhex("525400aabbcc"))
    other.send(other.dhcp_frame(1, i))      # refused by its first frame; without one, after 2 s
    other.ended()
    other.close()
for what in "Guest connected", "Guest disconnected", "Another guest":
    with open(TMP + "/passt.log") as f:
        n = sum(what in line for line in f)
    p.ok(1 <= n <= 20, "LOG-05 %s: a few lines stand for all" % what, n)

# ---- What ends a connection, and what does not

for what, data in ("a length of 4 GB", b"\xff\xff\xff\xff"), ("a length of 64 kB and a bit", b"\0\1\1\0" + b"x" * 1000):
    g.s.sendall(data)
    p.ok(g.ended(), what + ": connection is closed")
    g.close()
    g = connect()
    up(g, what + ": the next is accepted")
for n_bytes in 0, 1, 13, 14, 20, 59, 65535 + 14:
    g.send(bytes(n_bytes))
p.ok(g.ping(REMOTE), "frames of 0 to 65549 bytes without sense: passed over")
g.s.shutdown(socket.SHUT_WR)
p.ok(g.ended(), "end of file from the guest: closed")
g.close()
g = connect()
up(g, "end of file from the guest: the next is accepted")

# ---- Frames in pieces, and in heaps

g.s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
e = g.dhcp_frame(1, 4711)
for b in struct.pack(">I", len(e)) + e:
    g.s.sendall(bytes([b]))
p.ok(g.dhcp_reply(4711), "a frame, byte by byte")
g.s.sendall(b"".join(struct.pack(">I", len(e)) + e for e in (g.dhcp_frame(1, 5000 + i) for i in range(200))))
p.ok(all(g.dhcp_reply(5000 + i) for i in range(200)), "200 frames at once")

os.kill(proc.pid, signal.SIGSTOP)
g.close()
g = Guest(unix(S))
g.send(g.dhcp_frame(1, 6000))
other = Guest(unix(S), bytes.fromhex("525400aabbcc"))
other.send(other.dhcp_frame(1, 6001))
os.kill(proc.pid, signal.SIGCONT)
p.ok(g.dhcp_reply(6000), "frames sent before passt reads, or knows of the connection: answered")
p.ok(other.ended(), "and who came second was refused")
p.eq(g.bad, 0, "runts and bad checksums")
g.close()
p.ok(wait_until(lambda: fds(proc.pid) == none), "descriptors, in the end", "%d, %d" % (none, fds(proc.pid)))
rc, out = end(proc)
p.eq(rc, 0, "SIGTERM: status")

# ---- -1

for o in "-1", "--one-off":
    with contextlib.suppress(FileNotFoundError):
        os.unlink(S)
    proc = passt(o, "-s", S)
    g = connect()
    other = Guest(unix(S))
    p.ok(other.ended(), o + ": a second client is refused")
    other.close()
    p.ok(up(g, o + ": works") and proc.poll() is None, o + ": and that does not end it")
    g.close()
    ends(proc, "VM-03 %s: ends with its guest, status" % o)

# ---- The path: what is in the way

with contextlib.suppress(FileNotFoundError):
    os.unlink(S)
proc = passt("-s", S, "--one-off")
p.ok(wait_until(lambda: os.path.exists(S)), "a passt with --one-off")
rc, out, err = run([PASST, "-s", S])
p.eq(rc, 1, "in use by one with --one-off: status")
g = connect()
up(g, "in use: it waits for its guest still")
g.close()
ends(proc, "in use: it ends with its guest")
with contextlib.suppress(FileNotFoundError):
    os.unlink(S)
proc = passt("-s", S)
g = connect()
rc, out, err = run([PASST, "-s", S])
p.eq(rc, 1, "in use: status")
p.has(err, S, "in use: message names the path")
p.ok(g.ping(REMOTE) if up(g, "in use: the guest does not notice") else False, "in use: nor later")
g.close()
g = connect()
up(g, "in use: nor does the next")
proc.kill()
proc.communicate()
p.ok(os.path.exists(S), "killed: socket is left")
rc, out, err = run([PASST, "-P", TMP + "/pid", "-s", S])
p.eq(rc, 0, "of one that was killed: replaced")
g = connect()
up(g, "of one that was killed: the next one works")
p.ok(stop(int(read(TMP + "/pid"))), "and ends")
os.unlink(S)
for what, make in ("a file", lambda: open(S, "w").close()), ("a directory", lambda: os.mkdir(S)):
    make()
    rc, out, err = run([PASST, "-s", S])
    p.eq((rc, os.path.exists(S)), (1, True), what + " is in the way: status, and it stays")
    p.has(err, S, what + " is in the way: message names it")
    os.rmdir(S) if os.path.isdir(S) else os.unlink(S)

# ---- No path: the first free one, in a /tmp of our own

TMP2 = TMP + "/tmp"
os.mkdir(TMP2)
os.chmod(TMP2, 0o1777)
# The program itself may be below the other one
own = ["unshare", "-m", "bash", "-c", 'exec 9<"$1" && mount --bind "$0" /tmp && exec -a passt /proc/self/fd/9 "${@:2}"', TMP2]
paths = ["%s/passt_%d.socket" % (TMP2, i) for i in range(6)]
procs = []
for i in 1, 2:
    procs.append(passt(start=own))
    p.ok(wait_until(lambda: os.path.exists(paths[i])), "no -s: takes /tmp/passt_%d.socket" % i)
    S = paths[i]
    g = connect()
    up(g, "no -s, number %d works" % i)
    g.close()
procs[0].kill()
procs[0].communicate()
open(paths[3], "w").close()
with contextlib.closing(socket.socket(socket.AF_UNIX)) as live:
    live.bind(paths[4])
    live.listen()
    S = paths[1]
    procs[0] = passt(start=own)
    g = connect()
    up(g, "no -s, number 1 was killed: the next one takes its place")
    g.close()
    procs.append(passt(start=own))
    p.ok(wait_until(lambda: os.path.exists(paths[5])), "no -s: what is no socket, or somebody else's, is passed over")
    p.ok(os.path.isfile(paths[3]), "and left alone")
    S = paths[5]
    g = connect()
    up(g, "no -s, number 5 works")
    g.close()
for proc in procs:
    rc, out = end(proc)
    p.eq(rc, 0, "no -s: ends")
    p.ok("addr.path=/tmp/passt_" in out, "no -s: it says how to start qemu", out)
END

done_testing
