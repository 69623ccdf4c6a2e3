# SPDX-License-Identifier: GPL-2.0-or-later
"""What qrap.sh has on both sides of qrap.

qrap_peers.py serve N=HOW...	sockets /tmp/passt_N.socket, and how they behave; writes N to the file "asked" for each client
qrap_peers.py qemu ARG...	writes what it is called with to $OUT, and exchanges a frame by the descriptor in ARG...
"""
import os
import re
import socket
import struct
import sys
import threading

ECHO = b"\x88\xb5"      # local experiments (IEEE 802)
listeners = []


def whole(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def receive(s):
    return whole(s, struct.unpack("!I", whole(s, 4))[0])


def send(s, frame):
    s.sendall(struct.pack("!I", len(frame)) + frame)


def answer(s, how, frame):
    kind = frame[12:14]
    if kind == ECHO:
        send(s, frame[6:12] + frame[:6] + ECHO + frame[:13:-1])
    elif kind == b"\x08\x06" and how != "ip6":
        send(s, frame[6:12] + b"\2passt" + frame[12:20] + b"\0\2" + b"\2passt" + frame[38:42] + frame[22:32])
    elif kind == b"\x86\xdd":
        send(s, b"\x33\x33\0\0\0\1" + b"\2passt" + kind + b"router advertisement")


def client(s, n, how):
    with open("asked", "a") as f:
        f.write("%d\n" % n)
    if how == "closes":
        return s.close()
    try:
        while True:
            frame = receive(s)
            if how != "mute":
                answer(s, how, frame)
    except (EOFError, ConnectionError):
        pass


def clients(s, n, how):
    while True:
        threading.Thread(target=client, args=(s.accept()[0], n, how)).start()


def fill(path):
    """Connects until no more are taken"""
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        listeners.append(s)
        try:
            s.connect(path)
        except BlockingIOError:
            return


def serve(n, how):
    path = "/tmp/passt_%d.socket" % n
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    if how == "stale":
        return s.close()
    s.listen()
    listeners.append(s)
    if how == "full":
        return fill(path)
    threading.Thread(target=clients, args=(s, n, how)).start()


def qemu(args):
    out = open(os.environ["OUT"], "w")
    print(*args, file=out)
    print("pid", os.getpid(), file=out)
    fd = re.search(r"\bfd=(\d+)", " ".join(args))
    if not fd:
        return 0
    fd = int(fd.group(1))
    s = socket.socket(fileno=os.dup(fd))
    print("connected to", s.getpeername(), "blocking" if os.get_blocking(fd) else "not blocking", file=out, flush=True)
    s.settimeout(5)
    send(s, b"\2passt" + b"\2qemu." + ECHO + b"abcdefghijklmnop")
    frame = b""
    while frame[12:14] != ECHO:
        frame = receive(s)
    print("frame", frame[14:].decode(), file=out)
    return 7


if sys.argv[1] == "qemu":
    sys.exit(qemu(sys.argv[2:]))
for arg in sys.argv[2:]:
    serve(int(arg.split("=")[0]), arg.split("=")[1])
print("ready", flush=True)
