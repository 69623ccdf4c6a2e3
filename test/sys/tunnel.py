# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers of a size that is asked for: what fits a tunnel's MTU, and what does not.

tunnel.py serve ADDR PORT...		answers each datagram, a number, with as many bytes; "ready" once all are bound
tunnel.py ask ADDR PORT TRIES SIZE...	prints, for each size, the number of tries until the answer was there, or "lost"
"""
import select
import socket
import sys
import time


def bound(addr, port):
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((addr, port))
    return s


def pattern(n):
    return bytes(i * 7 % 251 for i in range(n))


def serve(addr, *ports):
    socks = [bound(addr, int(p)) for p in ports]
    print("ready", flush=True)
    while True:
        for s in select.select(socks, [], [])[0]:
            data, peer = s.recvfrom(100)
            s.sendto(pattern(int(data)), peer)


def ask(s, to, size, tries):
    for n in range(1, tries + 1):
        s.sendto(str(size).encode(), to)
        end = time.monotonic() + (5 if n == tries else 1)
        while (left := end - time.monotonic()) > 0 and select.select([s], [], [], left)[0]:
            if s.recv(70000) == pattern(size):
                return str(n)
    return "lost"


if sys.argv[1] == "serve":
    serve(*sys.argv[2:])
else:
    address, number, most = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    client = bound("::" if ":" in address else "0.0.0.0", 0)
    print(*(ask(client, (address, number), int(size), most) for size in sys.argv[5:]))
