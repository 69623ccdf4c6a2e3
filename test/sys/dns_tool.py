#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dns_tool.py serve LOG [ADDR]... - a resolver on port 53 of these addresses, by UDP and TCP; prints "ready" first. The
name that it is asked for has its behaviour, see answers(). Each query is a line in LOG: protocol, address, name, type.
dns_tool.py ask SERVER NAME [TYPE] [tcp|split|many|raw HEX] [opt] - one query; prints result, flags and records
"""
import ipaddress, socket, struct, sys, threading, time

A, NS, CNAME, PTR, TXT, AAAA, HTTPS, ANY = 1, 2, 5, 12, 16, 28, 65, 255
TYPES = {n: v for n, v in globals().items() if isinstance(v, int)}


def wire(name):
    return b"".join(bytes([len(l)]) + l.encode() for l in name.split(".") if l) + b"\0"


def name_at(b, at):
    labels, end = [], None
    while b[at]:
        if b[at] >= 0xc0:
            end = end or at + 2
            at = struct.unpack_from("!H", b, at)[0] & 0x3fff
            continue
        labels.append(b[at + 1:at + 1 + b[at]].decode("latin1"))
        at += 1 + b[at]
    return ".".join(labels), end or at + 1


def record(owner, kind, data, ttl=5):
    return wire(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def address(owner, text, ttl=5):
    a = ipaddress.ip_address(text)
    return record(owner, A if a.version == 4 else AAAA, a.packed, ttl)


HOSTS = {}			# the name's first label, or all of it: addresses
for line in """good 9.9.9.9 2620:fe::9; other 9.9.9.10; evil 9.9.9.9; rebind 127.0.0.1 9.9.9.27 169.254.169.254 10.8.0.1
        ::1 64:ff9b::7f00:1 9.9.9.20; private 10.9.0.1; nat64 64:ff9b::909:909; quic 9.9.9.21""".split(";"):
    HOSTS[line.split()[0]] = line.split()[1:]


def message(q, question, rcode=0, flags=0x8180, answers=(), extra=(), id_=None):
    id_ = struct.unpack_from("!H", q)[0] if id_ is None else id_
    head = struct.pack("!HHHHHH", id_, flags | rcode, 1, len(answers), 0, len(extra))
    return head + question + b"".join(answers) + b"".join(extra)


def answers(q, me, tcp):
    """Messages in answer to a query; numbers are seconds in between, a pair is one from another port"""
    name, at = name_at(q, 12)
    kind = struct.unpack_from("!H", q, at)[0]
    question, what = q[12:at + 4], name.lower().split(".")[0]
    hosts = [address(name, h) for h in HOSTS.get(what, []) if (":" in h) == (kind == AAAA)] if kind in (A, AAAA) else []
    plain = message(q, question, answers=hosts)
    if what == "chain" and kind == A:
        chain = [record(name, CNAME, wire("edge.cdn.test")), address("edge.cdn.test", "9.9.9.11")]
        return [message(q, question, answers=chain + [address("elsewhere.test", "9.9.9.19")])]
    if what == "upper" and kind == A:
        return [message(q, wire(name.upper()) + question[-4:], answers=[address(name.upper(), "9.9.9.12")])]
    if what == "https" and kind == HTTPS:
        data = b"\0\1\0" + struct.pack("!HH", 1, 3) + b"\2h2" + struct.pack("!HH", 4, 4)
        data += ipaddress.ip_address("9.9.9.13").packed + struct.pack("!HH", 5, 8) + b"ech-keys"
        return [message(q, question, answers=[record(name, HTTPS, data)])]
    if what == "slow":
        return [3, message(q, question, answers=[address(name, "9.9.9.14")])]
    if what == "liar" and kind == A:		# four that aren't the answer, the answer, and one more
        id_ = struct.unpack_from("!H", q)[0]
        forged = [address(name, "9.9.9.18")]
        return [message(q, question, answers=forged, id_=id_ ^ 1),
                message(q, wire("other.test") + question[-4:], answers=forged),
                message(q, question, flags=0x0100, answers=forged), (message(q, question, answers=forged),),
                message(q, question, answers=[address(name, "9.9.9.15")]), message(q, question, answers=forged)]
    if what == "fails" and me == "198.51.100.10":
        return [message(q, question, rcode=2)]
    if what == "fails" and kind == A:
        return [message(q, question, answers=[address(name, "9.9.9.16")])]
    if what == "silent":
        return []
    if what == "big" and kind in (A, TXT):
        texts = [record(name, TXT, b"\xc8" + b"x" * 200) for n in range(100)]
        addresses = [address(name, f"9.9.8.{n}") for n in range(200)]
        many = (texts if kind == TXT else addresses) + [address(name, "9.9.9.17")]
        return [message(q, question, answers=many) if tcp else message(q, question, flags=0x8380)]
    if what == "garbage":
        return [message(q, question, answers=[wire(name)[:-1] + b"\xff\xff"]), 1,
                message(q, question, answers=[address(name, "9.9.9.26")])]
    if kind == TXT:
        return [message(q, question, answers=[record(name, TXT, b"\4text")])]
    return [plain if what in HOSTS or what in ("chain", "https", "big") else message(q, question, rcode=3)]


def serve_one(log, q, me, tcp, send, other):
    name, at = name_at(q, 12)
    kind = struct.unpack_from("!H", q, at)[0]
    names = {v: k for k, v in TYPES.items()}
    opt = "OPT" if q[11] else "plain"
    print("TCP" if tcp else "UDP", me, name, names.get(kind, kind), opt, len(q) - at - 4, file=log, flush=True)
    for a in answers(q, me, tcp):
        if isinstance(a, int):
            time.sleep(a)
        elif isinstance(a, tuple):
            other(a[0])
        else:
            send(a)


def serve_udp(log, me, s):
    another = socket.socket(s.family, socket.SOCK_DGRAM)
    while True:
        q, who = s.recvfrom(65535)
        threading.Thread(target=serve_one, daemon=True, args=(
            log, q, me, False, lambda a, who=who: s.sendto(a, who), lambda a, who=who: another.sendto(a, who))).start()


def framed(m):
    return struct.pack("!H", len(m)) + m


def take(f):
    """The next message of a stream, or b"" at its end"""
    head = f.read(2)
    return f.read(struct.unpack("!H", head)[0]) if head else b""


def serve_stream(log, me, c):
    f = c.makefile("rb")
    while q := take(f):
        serve_one(log, q, me, True, lambda a: c.sendall(framed(a)), lambda a: None)
    c.close()


def serve(log, *mine):
    log = open(log, "a")
    for me in mine:
        s = socket.socket(socket.AF_INET6 if ":" in me else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((me, 53))
        threading.Thread(target=serve_udp, daemon=True, args=(log, me, s)).start()
        t = socket.create_server((me, 53), family=socket.AF_INET6 if ":" in me else socket.AF_INET)

        def accept(t=t, me=me):
            while True:
                threading.Thread(target=serve_stream, daemon=True, args=(log, me, t.accept()[0])).start()
        threading.Thread(target=accept, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


def query(name, kind, opt, id_=0x1234):
    q = struct.pack("!HHHHHH", id_, 0x0100, 1, 0, 0, opt) + wire(name) + struct.pack("!HH", kind, 1)
    return q + (b"\0" + struct.pack("!HHIH", 41, 1232, 0, 12) + struct.pack("!HH", 10, 8) + b"a cookie" if opt else b"")


def show(q, a):
    """Of an answer: result, flags, records"""
    id_, flags, n, an, ns, ar = struct.unpack_from("!HHHHHH", a)
    same = id_ == struct.unpack_from("!H", q)[0] and (not n or a[12:].startswith(q[12:q.index(b"\0", 12) + 5]))
    at, out = 12, []
    for i in range(n):
        at = name_at(a, at)[1] + 4
    for i in range(an + ns + ar):
        owner, at = name_at(a, at)
        kind, _, ttl, size = struct.unpack_from("!HHIH", a, at)
        start, data, at = at + 10, a[at + 10:at + 10 + size], at + 10 + size
        if kind in (A, AAAA):
            out.append(str(ipaddress.ip_address(data)))
        elif kind == CNAME:
            out.append("CNAME")
        elif kind == PTR:
            out.append(name_at(a, start)[0])
        elif kind == HTTPS:
            out.append("HTTPS" + ("+ech" if b"ech-keys" in data else ""))
        elif kind == 41:
            out.append("OPT" + ("+blocked" if data[:6] == b"\0\x0f\0\2\0\x0f" else ""))
        else:
            out.append(f"type{kind}")
    assert at == len(a)
    words = [["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"][flags & 15]]
    words += ["TC"] * bool(flags & 0x200) + ["another"] * (not same)
    if len(out) > 20:
        out = [f"{len(out)} records", str(len(a) > 512)]
    return " ".join(words + out)


def ask(server, name, *how):
    kind = next((TYPES[h] for h in how if h in TYPES), A)
    q = bytes.fromhex(how[how.index("raw") + 1]) if "raw" in how else query(name, kind, "opt" in how)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        if not {"tcp", "split", "many"} & set(how):
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.settimeout(15)
            s.connect((server, 53))
            s.send(q)
            print(show(q, s.recv(65535)))
            s.settimeout(0.3)
            try:
                print("and", show(q, s.recv(65535)))
            except TimeoutError:
                pass
            return
        c = socket.create_connection((server, 53), timeout=15)
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        f = c.makefile("rb")
        if "split" in how:
            for b in framed(q):
                c.send(bytes([b]))
                time.sleep(0.002)
        elif "many" in how:			# two dozen at once; answers in any order
            c.sendall(b"".join(framed(query(name, kind, 0, i)) for i in range(24)))
            c.shutdown(socket.SHUT_WR)
            ids = set()
            while a := take(f):
                ids.add(struct.unpack_from("!H", a)[0])
            print("answers:", len(ids))
            return
        else:
            c.sendall(framed(q))
        a = take(f)
        print(show(q, a) if a else "end")
        if "half" in how:
            c.shutdown(socket.SHUT_WR)
            print("and", f.read(1) or "end")
    except OSError as e:
        print(type(e).__name__)


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
