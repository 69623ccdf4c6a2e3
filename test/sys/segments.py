# SPDX-License-Identifier: GPL-2.0-or-later
"""segments.py CLIENT_NS SERVER_NS TO PORT: what small segments in super-packets become: all of it arrives, and nothing is sent twice

TCP with an MSS of 500 bytes, and datagrams by UDP_SEGMENT. Prints TAP without a plan.
"""
import socket
import struct
import sys
import time

import netns

client_ns, server_ns, to, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
family = socket.AF_INET6 if ":" in to else socket.AF_INET
BYTES = 30 << 20
UDP_SEGMENT = 103
TOTAL_RETRANS = 100  # offset in struct tcp_info


def probes():
    """Loss probes that the kernel of CLIENT_NS sent, on a machine where an ACK is late (RFC 8985 7)"""
    netns.enter(client_ns)
    with open("/proc/thread-self/net/netstat") as f:
        names, values = (l.split() for l in list(f)[:2])
    return int(values[names.index("TCPLossProbes")])


def result(name, good, why=""):
    netns.result(f"{name}, {to}", good, why)


def new(ns, kind):
    netns.enter(ns)
    s = socket.socket(family, kind)
    s.settimeout(5)
    return s


def tcp():
    listener = new(server_ns, socket.SOCK_STREAM)
    listener.bind((to, port))
    listener.listen()
    s = new(client_ns, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 500)
    s.connect((to, port))
    peer, _ = listener.accept()
    peer.settimeout(5)
    s.setblocking(False)
    chunk, sent, got, begin, before = bytes(1 << 18), 0, 0, time.monotonic(), probes()
    while got < BYTES:
        try:
            while sent < BYTES:
                sent += s.send(chunk[: BYTES - sent])
        except BlockingIOError:
            pass
        try:
            got += len(peer.recv(1 << 20))
        except TimeoutError:
            break
    rate = got * 8 / 1e9 / (time.monotonic() - begin)
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    again = struct.unpack_from("I", info, TOTAL_RETRANS)[0] - (probes() - before)
    print(f"# {rate:.1f} Gbit/s")
    result("TCP with segments of 500 bytes: all arrives", got == BYTES, f"{got} of {BYTES}")
    result("TCP with segments of 500 bytes: nothing is sent twice", again <= 0, f"{again} segments were")


def udp():
    server = new(server_ns, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    server.bind((to, port))
    s = new(client_ns, socket.SOCK_DGRAM)
    for size in 64, 100, 500, 1000:
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        lost = 0
        for _ in range(100):
            s.sendto(bytes(64 * size if 64 * size < 65000 else 64000), (to, port))
            for _ in range(64):
                try:
                    lost += len(server.recv(65536)) != size
                except TimeoutError:
                    lost += 1
                    break
        result(f"UDP_SEGMENT, 64 datagrams of {size} bytes, 100 times: all arrive", lost == 0, f"{lost} did not")


tcp()
udp()
