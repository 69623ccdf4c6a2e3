# SPDX-License-Identifier: GPL-2.0-or-later
"""splice_udp.py CLIENT_NS SERVER_NS TO PORT AT AT_PORT: datagrams that xfer doesn't know of, from one namespace to the
other

UDP_SEGMENT and UDP_GRO at either end, several clients that take turns, clients that ask at several addresses, ports
nobody has yet. Prints TAP without a plan.
"""
import random
import socket
import sys

import netns

UDP_SEGMENT, UDP_GRO, IP_PKTINFO = 103, 104, 8
client_ns, server_ns, to, port, at, at_port = sys.argv[1:4] + [int(sys.argv[4]), sys.argv[5], int(sys.argv[6])]
family = socket.AF_INET6 if ":" in to else socket.AF_INET


def result(name, good, why=""):
    netns.result(f"{name}, {to}", good, why)


def new(ns, gro=False):
    netns.enter(ns)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    if gro:
        s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    return s


def server(gro=False):
    s = new(server_ns, gro)
    s.bind((at, at_port))
    return s


def client(gro=False):
    s = new(client_ns, gro)
    s.connect((to, port))
    return s


def receive(s, total):
    """Payload until it is @total bytes: whole, sizes, segment sizes that the kernel told of, who sent it"""
    data, sizes, gro, peer = b"", [], set(), None
    try:
        while len(data) < total or not sizes:
            d, anc, _, peer = s.recvmsg(65536, 1000)
            data += d
            sizes.append(len(d))
            for level, kind, value in anc:
                if (level, kind) == (socket.IPPROTO_UDP, UDP_GRO):
                    gro.add(int.from_bytes(value[:4], sys.byteorder))
    except TimeoutError:
        pass
    return data, sizes, gro, peer


def sizes_of(total, size):
    return [size] * (total // size) + ([total % size] if total % size else [])


def segments(total, size):
    """One super-datagram each way, to receivers that take it as one, and to others that don't"""
    def one(frm, dest, receiver, name, gro):
        payload = random.randbytes(total)
        anc = [(socket.IPPROTO_UDP, UDP_SEGMENT, size.to_bytes(2, sys.byteorder))]
        frm.sendmsg([payload], anc, 0, *dest)
        data, sizes, seen, peer = receive(receiver, total)
        want = [total] if gro else sizes_of(total, size)
        result(f"UDP_SEGMENT: {total} bytes by {size}, {name}", data == payload and sizes == want and
               seen == ({size} if gro else set()), f"sizes {sizes}, {seen}")
        return peer

    for gro in False, True:
        s, c = server(gro), client(gro)
        how = "joined by UDP_GRO" if gro else "one by one"
        peer = one(c, (), s, f"there, {how}", gro)
        if peer:
            one(s, (peer,), c, f"and back, {how}", gro)
        s.close()
        c.close()


def joined():
    """Of one size after the other, so that they may be joined on the way: each arrives as it was"""
    s, c = server(), client()
    c.send(b"hello")
    peer = s.recvfrom(10)[1]
    batches = [[0] + [1] * 40, [1400] * 32, [1400] * 20 + [700], [700, 1400, 1400, 0, 0, 1400], [30000] * 3,
               [65000, 1, 1, 2, 2, 1],
               [100] * 70]
    for name, send, receiver in ("there", c.send, s), ("back", lambda p: s.sendto(p, peer), c):
        wrong = []
        for sizes in batches:
            payload = [random.randbytes(n) for n in sizes]
            for p in payload:
                send(p)
            got = []
            try:
                for _ in payload:
                    got.append(receiver.recv(65536))
            except TimeoutError:
                pass
            if got != payload:
                wrong.append((sizes, [len(d) for d in got]))
        result(f"UDP-13 datagrams of many sizes, {name}", not wrong, wrong)
    s.close()
    c.close()


def turns(clients=20, each=2, rounds=20):
    """Clients in turns: the order of each one is kept, and answers go where they belong"""
    s, cs = server(), [client() for _ in range(clients)]
    peers, wrong = {}, []
    for r in range(rounds):
        for n in range(each):
            for i, c in enumerate(cs):
                c.send(b"%d %d" % (i, r * each + n))
        seen = [r * each] * clients
        try:
            for _ in range(clients * each):
                d, peer = s.recvfrom(2000)
                i, n = map(int, d.split())
                if n != seen[i] or peers.setdefault(i, peer) != peer:
                    wrong.append((i, n, peer))
                seen[i] += 1
                s.sendto(d, peer)
            for i, c in enumerate(cs):
                for n in range(each):
                    d = c.recv(2000)
                    if d != b"%d %d" % (i, r * each + n):
                        wrong.append((i, d))
        except TimeoutError:
            wrong.append("lost")
            break
    result(f"UDP-08 {clients} clients in turns: in order, and back to each", not wrong
           and len(set(peers.values())) == clients,
           wrong)
    for x in [s] + cs:
        x.close()


def several_addresses():
    """One socket of a client's, not connected: what is asked is what answers"""
    s, c = server(), new(client_ns)
    asked = ["127.0.0.1", "127.0.0.2", "127.9.9.9",
             "127.0.0.1"] if family == socket.AF_INET and at != "127.0.0.1" else [to]
    if family == socket.AF_INET:
        s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    got = []
    for a in asked:
        c.sendto(a.encode(), (a, port))
    try:
        for a in asked:
            d, anc, _, peer = s.recvmsg(100, 100)
            if anc:                     # as servers at any address have to: from the one that was asked
                local = anc[0][2][4:8]
                anc = [(socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + local + bytes(4))]
            s.sendmsg([d], anc, 0, peer)
        for a in asked:
            d, peer = c.recvfrom(100)
            got.append((d.decode(), peer[:2]))
    except TimeoutError:
        pass
    result("UDP-10 SPL-15 answers come from the address and port that were asked",
           sorted(got) == sorted((a, (a, port)) for a in asked), got)
    s.close()
    c.close()


def refused():
    """Nobody is there at first"""
    c = client()
    for _ in range(30):
        c.send(b"anybody?")
    s = server()
    c.send(b"somebody?")
    try:
        d = peer = None
        while d != b"somebody?":        # the others may be late
            d, peer = s.recvfrom(100)
        s.sendto(b"yes", peer)
        result("UDP-01 a port nobody had is one that somebody has", c.recv(100) == b"yes", "no answer")
    except (TimeoutError, ConnectionError) as e:
        result("UDP-01 a port nobody had is one that somebody has", False, e)
    s.close()
    c.close()


segments(60000, 1400)
segments(3000, 1000)
segments(500, 8)
joined()
turns()
several_addresses()
refused()
