# SPDX-License-Identifier: GPL-2.0-or-later
"""udp_servers.py NAME=NETNS... < CELLS: servers that don't answer from the address and port that were asked

A cell is NAME|KIND|CLIENT|FROM|TO|PORT|SERVER|AT|SERVED|OTHER: in namespace CLIENT, a client at FROM asks TO, port
PORT, and in namespace SERVER, a server at AT, port SERVED, answers. To the client, all of it has to come from TO. KIND
is

    plain       the server answers from the socket that was asked
    other       it answers from address OTHER, and the same port
    tftp        it answers from a new port at address OTHER (RFC 1350 4), where the rest of the transfer goes; two
                transfers at once

Addresses may be "any", and have a scope. Prints TAP without a plan.
"""
import collections, random, socket, sys

import netns

Cell = collections.namedtuple("Cell", "name kind client frm to port server at served other")
nets = dict(a.split("=", 1) for a in sys.argv[1:])
PATIENCE = 3
ROUNDS = 6
MANY = 70               # requests of one client, each answered from another port: more than there are children


def sock(ns, family, addr, port=0):
    netns.enter(nets[ns])
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    if port:            # several servers of one port, at addresses of their own; the kernel's choice could be taken
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    addr = addr if addr != "any" else "::" if family == socket.AF_INET6 else "0.0.0.0"
    s.bind(socket.getaddrinfo(addr, port, family, socket.SOCK_DGRAM)[0][4])
    return s


class Wrong(Exception):
    pass


def expect(what, got, want):
    if got != want:
        raise Wrong(f"{what}: {got}, not {want}")


def takes(what, s, want):
    try:
        data, peer = s.recvfrom(65536)
    except TimeoutError:
        raise Wrong(f"{what}: nothing")
    expect(what, data, want)
    return peer


def plain(cell, s, c, to, family):
    answers = s if cell.kind == "plain" else sock(cell.server, family, cell.other, int(cell.served))
    for size in 1, 1000, 3000:
        q, a = random.randbytes(size), random.randbytes(size)
        c.sendto(q, to)
        peer = takes("question", s, q)
        for _ in range(2):              # also a second one, that nobody asked for again
            answers.sendto(a, peer)
            expect("who answers", takes("answer", c, a)[:2], to[:2])


def transfer(cell, s, c, to, family):
    """One client's; yields after each step"""
    t = sock(cell.server, family, cell.other)
    c.sendto(b"read", to)
    peer = takes("request", s, b"read")
    t.sendto(b"first", peer)
    port = takes("first block", c, b"first")
    expect("address of the new port", port[0], to[0])
    if port[1] == to[1]:
        raise Wrong("the port is the one that was asked")
    # Somebody else may know it, and is nobody to the server
    stranger = sock(cell.client, family, cell.frm)
    stranger.sendto(b"stranger", port)
    for i in range(ROUNDS):
        ack, block = b"ack %d" % i, random.randbytes(random.choice((0, 1, 512, 1400, 3000)))
        c.sendto(ack, port)
        expect("whom the server sees", takes("acknowledgment", t, ack), peer)
        yield
        t.sendto(block, peer)
        t.sendto(block, peer)
        for _ in range(2):
            expect("who sends a block", takes("block", c, block), port)
        yield
    # The port that was asked is still there
    c.sendto(b"more", to)
    expect("whom the server sees", takes("more", s, b"more"), peer)
    s.sendto(b"done", peer)
    expect("who answers", takes("answer", c, b"done")[:2], to[:2])
    t.close()
    stranger.close()


def tftp(cell, s, c, to, family):
    c2 = sock(cell.client, family, cell.frm)
    runs = [transfer(cell, s, c, to, family), transfer(cell, s, c2, to, family)]
    while runs:
        for r in runs[:]:
            try:
                next(r)
            except StopIteration:
                runs.remove(r)
    for i in range(MANY):
        t = sock(cell.server, family, cell.other)
        c.sendto(b"%d" % i, to)
        t.sendto(b"here", takes("request", s, b"%d" % i))
        port = takes("first block", c, b"here")
        c.sendto(b"thanks", port)
        takes("acknowledgment", t, b"thanks")
        t.close()


def run(cell):
    netns.enter(nets[cell.client])      # for names of interfaces
    to = socket.getaddrinfo(cell.to, int(cell.port), 0, socket.SOCK_DGRAM)[0]
    family, to = to[0], to[4]
    s = sock(cell.server, family, cell.at, int(cell.served))
    c = sock(cell.client, family, cell.frm)
    try:
        (tftp if cell.kind == "tftp" else plain)(cell, s, c, to, family)
        netns.result(cell.name, True)
    except (Wrong, OSError) as e:
        netns.result(cell.name, False, e)
    s.close()
    c.close()


for line in sys.stdin:
    if line.strip() and not line.startswith("#"):
        run(Cell(*(x.strip() for x in line.split("|"))))
