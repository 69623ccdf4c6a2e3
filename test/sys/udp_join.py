# SPDX-License-Identifier: GPL-2.0-or-later
"""udp_join.py PID CLIENT_NS SERVER_NS TO PORT [FRAMES]: datagrams that wait while the program is stopped, so that all
of them are in one batch

What arrives is what was sent, in order, both ways; the receiver's interface counts no more than FRAMES for it, if
given, and the client's, a tap device, drops none of WAITING. Prints TAP without a plan.
"""
import os
import random
import signal
import socket
import sys
import time

import netns

WAITING = 4000  # come in 4 ms, about as long as the program may wait for a CPU
pid, client_ns, server_ns, to, port = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])
most = int(sys.argv[6]) if len(sys.argv) > 6 else None
family = socket.AF_INET6 if ":" in to else socket.AF_INET


def result(name, good, why=""):
    netns.result(f"{name}, {to}", good, why)


def new(ns):
    netns.enter(ns)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(3)
    return s


def device(ns, field):
    netns.enter(ns)
    with open("/proc/thread-self/net/dev") as f:
        return next(int(line.split(":")[1].split()[field]) for line in f if line.strip().startswith("ext:"))


def frames(ns):
    return device(ns, 1)


def dropped(ns):
    return device(ns, 11)


def state():
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]


def held(send, sizes):
    """Sends them all while nobody looks"""
    payload = [random.randbytes(n) for n in sizes]
    os.kill(pid, signal.SIGSTOP)
    try:
        while state() != "T":
            time.sleep(0.001)
        for p in payload:
            send(p)
    finally:
        os.kill(pid, signal.SIGCONT)
    return payload


def arrives(send, receiver, word):
    """Says it until it is heard, as datagrams may be lost; what waited before it is taken: address of who says it"""
    for _ in range(100):
        send(word)
        receiver.settimeout(0.3)
        try:
            heard, who = receiver.recvfrom(65536)
            while heard != word:
                heard, who = receiver.recvfrom(65536)
            return who
        except TimeoutError:
            pass
        finally:
            receiver.settimeout(3)
    raise TimeoutError(f"{word} never arrived")


s, c = new(server_ns), new(client_ns)
s.bind(("", port))
c.connect((to, port))
peer = arrives(c.send, s, b"out")
arrives(lambda p: s.sendto(p, peer), c, b"in")
# The interface's MTU is 1500 on the host's side: those of 2000 can't be joined there, and nothing is after them
batches = [[1000] * 40 + [10], [0, 0] + [1] * 40 + [0], [700] * 20 + [701] * 20, [1400] * 3 + [100, 100] + [1300] * 40,
           [2000] * 4 + [100] * 30]
for name, send, receiver, ns in (("out", c.send, s, server_ns), ("in", lambda p: s.sendto(p, peer), c, client_ns)):
    for sizes in batches:
        before = frames(ns)
        payload = held(send, sizes)
        got = []
        try:
            for _ in payload:
                got.append(receiver.recv(65536))
        except TimeoutError:
            pass
        result(f"UDP-13 {len(sizes)} datagrams in one batch, {name}", got == payload,
               f"{sizes}: {[len(d) for d in got]}")
        seen = frames(ns) - before
        if most and sizes[0] <= 1500:
            result(f"in few frames, {name}", seen <= most, f"{len(sizes)} datagrams in {seen} frames")
if most:
    before = dropped(client_ns)
    held(c.send, [1400] * WAITING)
    lost = dropped(client_ns) - before
    result(f"{WAITING} datagrams wait for a program that has no CPU", lost == 0, f"the device dropped {lost}")
    arrives(c.send, s, b"end")  # whoever comes next finds empty queues
