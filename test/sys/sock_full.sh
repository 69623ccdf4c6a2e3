#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# VM-04 a guest that reads little while 16 MB are on their way to it: what it asks is answered nevertheless
. "${0%/*}/callers.bash"

# What was sent stays in the socket until the guest has it: all of 16 MB
sysctl -qw net.ipv4.tcp_rmem="4096 33554432 33554432"
R python3 -c '
import socket, threading
l = socket.create_server(("198.51.100.10", 7100))
print("ready", flush=True)
def serve(s):
    try:
        s.sendall(bytes(16 << 20))
        s.recv(1)
    except OSError:
        pass
while True:
    threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()' >"$T/bulk" 2>&1 &
disown
wait_for 20 grep -q ready "$T/bulk"

player <<'END'
from vmm import *
import collections

p = Player("slow")
S = TMP + "/s"
ME6, GW6 = "2001:db8:1::2", "2001:db8:1::1"
proc = subprocess.Popen([PASST, "-f", "-s", S], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
wait_until(lambda: os.path.exists(S))
for _ in range(1000):
    with contextlib.suppress(ConnectionRefusedError):
        g = Guest(unix(S))
        break
    time.sleep(0.005)
g.dhcp()
g.arp("198.51.100.1")


def idle():
    """Has it done what there was to do?"""
    def switches():
        with open("/proc/%d/status" % proc.pid) as f:
            return [line for line in f if "ctxt" in line]
    while (before := switches()) and (time.sleep(0.1) or switches() != before):
        pass


def checked(src, dst, m):
    return m[:2] + struct.pack(">H", l4_csum(ip(src), ip(dst), 58, m) if ":" in src else csum(m)) + m[4:]


def ask(n):
    """One request of each kind; what answers it is known by @n"""
    g.send(g.eth(0x806, struct.pack(">HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, g.mac, ip(HOST), b"\0" * 6, ip("198.51.100.%d" % (100 + n))),
                 BROADCAST))
    solicit = struct.pack(">BBHI", 135, 0, 0, 0) + ip("2001:db8:1::%x" % (0x1000 + n)) + b"\1\1" + g.mac
    h = struct.pack(">IHBB", 6 << 28, len(solicit), 58, 255) + ip(ME6) + ip(GW6)
    g.send(g.eth(0x86dd, h + checked(ME6, GW6, solicit)))
    g.send_ip(HOST, REMOTE, 1, checked(HOST, REMOTE, struct.pack(">BBHHH", 8, 0, 0, 4242, n)))
    g.send_ip(ME6, REMOTE6, 58, checked(ME6, REMOTE6, struct.pack(">BBHHH", 128, 0, 0, 4243, n)))
    g.send(g.dhcp_frame(1, 0x7000 + n))
    Tcp(g, HOST, 10000 + n, REMOTE, 7999).emit(2)


def kind(q):
    """(kind, n) of an answer"""
    if q.type == 0x806 and q.op == 2:
        return "ARP", q.spa[3] - 100
    if q.proto == 58 and q.l4[0] == 136:
        return "NDP", int.from_bytes(q.l4[22:24], "big") - 0x1000
    if q.proto == 1 and q.l4[0] == 0:
        return "echo", int.from_bytes(q.l4[6:8], "big")
    if q.proto == 58 and q.l4[0] == 129:
        return "echo, IPv6", int.from_bytes(q.l4[6:8], "big")
    if q.proto == 17 and q.sport == 67:
        return "DHCP", int.from_bytes(q.data[4:8], "big") - 0x7000
    if q.proto == 6 and q.flags & 4:
        return "RST", q.dport - 10000
    return None


class Bulk(Tcp):
    """Has a window of 16 MB, and takes data that come out of the link"""
    def take(self, q):
        if q.flags & 2:
            self.rcv, self.snd = q.seq + 1, self.snd + 1
        elif q.seq == self.rcv & 0xffffffff:
            self.rcv += len(q.data)
            self.count = getattr(self, "count", 0) + len(q.data)
        return True


bulk = [Bulk(g, HOST, 30000 + i, REMOTE, 7100) for i in range(2)]
for t in bulk:
    t.emit(2, options=MSS_8960 + b"\1\3\3\x08")
    t.wait(lambda q: q.flags & 2)
for t in bulk:
    t.emit(16)
idle()

ROUNDS, EACH = 10, 3
answers = collections.Counter()


def read(frames):
    """Takes as many frames, or all that come: how many there were"""
    for i in range(frames):
        q = g.recv(0.3)
        if not q:
            return i
        g.log.clear()
        for t in bulk:
            if t.ours(q):
                t.take(q)
        if kind(q):
            answers[kind(q)[0]] += 1
    return frames


for n in range(ROUNDS * EACH):
    ask(n)
    if n % EACH == EACH - 1:
        idle()
        read(5)
idle()
for turn in range(10000):                       # the rest, with an acknowledgment now and then
    if read(100) < 100:
        if all(getattr(t, "count", 0) == 16 << 20 for t in bulk):
            break
    for t in bulk:
        t.emit(16)
for k in "ARP", "NDP", "echo", "echo, IPv6", "DHCP", "RST":
    p.eq(answers[k], ROUNDS * EACH, "VM-04 %s: answers" % k)
p.eq([t.count for t in bulk], [16 << 20] * 2, "VM-04 all bytes are there, in order")
p.eq(g.bad, 0, "runts and bad checksums")
proc.terminate()
proc.wait(PATIENCE)
END
done_testing
