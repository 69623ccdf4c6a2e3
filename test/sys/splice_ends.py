# SPDX-License-Identifier: GPL-2.0-or-later
"""splice_ends.py NETNS-OF-CLIENT NETNS-OF-SERVER ADDRESS PORT AT LPORT

Ends of a connection, in every order: FIN on each side before or after its data and the other's, RST, a receiver that
sleeps. Both ends are in this process.
"""
import itertools, os, socket, struct, sys, time

import netns

client_ns, server_ns, to, port, at, lport = sys.argv[1:]
v6 = ":" in to
number = 0


def result(good, name, why=""):
    global number
    number += 1
    print(f"{'' if good else 'not '}ok {number} - {name}" + (f": {why}" if why else ""), flush=True)


def check(name, f, *args):
    try:
        why = f(*args)
    except OSError as e:
        why = f"{type(e).__name__} {e}"
    result(not why, name, why)


netns.enter(server_ns)
listener = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if v6:
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
listener.bind((at, int(lport)))
listener.listen(100)
listener.settimeout(5)


def pair(rcvbuf=0):
    netns.enter(client_ns)
    c = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    if rcvbuf:
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    c.settimeout(5)
    c.connect((to, int(port)))
    s, _ = listener.accept()
    s.settimeout(5)
    return c, s


def take(s):
    """Everything up to the end"""
    out = bytearray()
    while data := s.recv(1 << 20):
        out += data
    return bytes(out)


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def ends(order):
    """Four steps in some order: client and server send, and end their halves"""
    ends = dict(zip("cs", pair()))
    data = {"c": os.urandom(70000), "s": os.urandom(70000)}
    sent = {"c": b"", "s": b""}
    for who, what in order:
        if what == "send":
            ends[who].sendall(data[who])
            sent[who] = data[who]
        else:
            ends[who].shutdown(socket.SHUT_WR)
    for who, other in "cs", "sc":
        if take(ends[who]) != sent[other]:
            return f"what {who} got is not what {other} sent"
    for s in ends.values():
        s.close()


def rst(who, after):
    c, s = pair()
    one, two = (c, s) if who == "client" else (s, c)
    if after:
        one.sendall(b"x" * after)
        got = 0
        while got < after:
            got += len(two.recv(65536))
    reset(one)
    try:
        n = len(two.recv(10))
    except ConnectionResetError:
        two.close()
        return
    return f"{n} bytes, not a reset"


def rst_half():
    """The server answers, ends its half, and goes without reading: the client has the answer"""
    c, s = pair()
    s.sendall(b"y" * 5000)
    s.shutdown(socket.SHUT_WR)
    if take(c) != b"y" * 5000:
        return "not all of the answer"
    reset(s)
    try:
        for _ in range(250):
            c.sendall(b"z")
            time.sleep(0.02)
    except OSError:
        return
    return "the client may send for ever"


def asleep(size):
    """The client does not read until everything was sent; it is closed right behind that"""
    c, s = pair(4096)
    data = os.urandom(size)
    s.setblocking(False)
    at, last = 0, time.monotonic()
    while at < size and time.monotonic() < last + 0.3:
        try:
            at += s.send(data[at:at + 100000])
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    s.settimeout(5)
    s.close()
    if take(c) != data[:at]:
        return f"not the {at} bytes that were sent"
    c.close()


def both_stop():
    """Neither reads, both send until nothing goes any more; then both read"""
    c, s = pair()
    sent = {}
    for e in c, s:
        e.setblocking(False)
    idle = time.monotonic()
    sent = {c: 0, s: 0}
    while time.monotonic() < idle + 0.3:
        for e in c, s:
            try:
                sent[e] += e.send(bytes(65536))
                idle = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
    for e in c, s:
        e.settimeout(5)
        e.shutdown(socket.SHUT_WR)
    for e, other in (c, s), (s, c):
        n = 0
        while data := e.recv(1 << 20):
            n += len(data)
        if n != sent[other]:
            return f"{n} of {sent[other]} bytes"
        e.close()


what = "IPv6" if v6 else "IPv4"
steps = [("c", "send"), ("c", "end"), ("s", "send"), ("s", "end")]
for order in itertools.permutations(steps):
    if order.index(("c", "send")) < order.index(("c", "end")) and order.index(("s", "send")) < order.index(("s",
                                                                                                            "end")):
        check(f"SPL-09 {what}: " + ", ".join(" ".join(s) for s in order), ends, order)
for order in (("c", "end"), ("s", "send"), ("s", "end")), (("s", "end"), ("c", "send"), ("c", "end")), (("c", "end"),
                                                                                                        ("s", "end")):
    check(f"SPL-09 {what}: " + ", ".join(" ".join(s) for s in order), ends, order)
for who in "client", "server":
    for after in 0, 1, 100000:
        check(f"{what}: RST of the {who} after {after} bytes", rst, who, after)
check(f"{what}: RST behind an answer", rst_half)
for size in 50000, 200000, 3000000:
    check(f"SPL-01 {what}: {size} bytes to a receiver that sleeps, and end", asleep, size)
check(f"SPL-02 {what}: neither side reads, both send", both_stop)
