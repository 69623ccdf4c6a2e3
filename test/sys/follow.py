# SPDX-License-Identifier: GPL-2.0-or-later
"""follow.py serve PORT: each byte comes back, from a server on all addresses
follow.py hold ADDRESS PORT: a connection; on each line of the standard input, a byte goes there and back. "ok", or the
error that ends it.
follow.py udp ADDRESS PORT: the same with datagrams, from one socket, which isn't connected; errors end nothing
follow.py works PORT: for each address of the standard input, the time in ms at which a connection first worked, and the
first one from an address of its network
follow.py df ADDRESS PORT BYTES: a datagram of that length with DF: "ok", "too big", or another error
follow.py group ADDRESS PORT INTERFACE...: datagrams to a group come back, on these interfaces
follow.py names PORT [PREFIX]: a resolver on all addresses, by UDP and TCP; its answer is the address that was asked. A
file PREFIX ADDRESS has the result that this one gives instead of 0 (RFC 1035 4.1.1); negative: it doesn't answer
follow.py query ADDRESS PORT TRIES SECONDS [OWN [FILE]]: that answer, and a result other than 0, or the last error. FILE
has the time that it took, from the query on, in ms
follow.py adverts: router advertisements on ext, a line each: time in ms, source, destination, lifetime, then
p=PREFIX,PREFERRED,VALID and d=SERVER,LIFETIME"""
import os, select, socket, struct, sys, threading, time


def datagrams(s):
    while True:
        data, who = s.recvfrom(65536)
        try:
            s.sendto(data, who)
        except OSError:
            pass


def serve(port):
    def echo(conn):
        try:
            while data := conn.recv(4096):
                conn.sendall(data)
        except OSError:
            pass
        conn.close()

    u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    u.bind(("::", port))
    threading.Thread(target=datagrams, args=(u,), daemon=True).start()
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port))
    s.listen(50)
    print("ready", flush=True)
    while True:
        threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()


def group(addr, port, names):
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.bind((addr, port))
    for name in names:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     socket.inet_aton(addr) + bytes(4) + struct.pack("=I", socket.if_nametoindex(name)))
    print("ready", flush=True)
    datagrams(s)


def plain(addr):
    return addr.replace("::ffff:", "")


def names(port, prefix):
    def stream():
        while True:
            c = t.accept()[0]
            c.sendall(plain(c.getsockname()[0]).encode())
            c.close()

    t = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    threading.Thread(target=stream, daemon=True).start()
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IP, 8, 1)		# IP_PKTINFO
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    s.bind(("::", port))
    print("ready", flush=True)
    while True:
        data, anc, _, who = s.recvmsg(2000, 200)
        for level, kind, info in anc:
            if level != socket.IPPROTO_IPV6:
                continue
            me = plain(socket.inet_ntop(socket.AF_INET6, info[:16]))
            result = int(open(prefix + me).read()) if prefix and os.path.exists(prefix + me) else 0
            if result >= 0:
                s.sendmsg([data[:2] + bytes([0x80, result]) + bytes(8) + me.encode()], [(level, kind, info)], 0, who)


def query(addr, port, tries, seconds, own=0, file="/dev/null"):
    family, _, _, _, to = end(addr, port)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind(("", own))
    s.settimeout(seconds)
    message = os.urandom(2) + b"\1" + bytes(9)
    for _ in range(tries):
        try:
            begun = time.monotonic()
            s.sendto(message, to)
            b = s.recv(1000)
            with open(file, "w") as f:
                print(int((time.monotonic() - begun) * 1000), file=f)
            print(b[12:].decode(), *[f"rcode {b[3]}"] * (b[3] > 0))
            return
        except OSError as e:
            last = type(e).__name__
    print(last)


def hold(addr, port):
    s = socket.create_connection((addr, port), timeout=10)
    s.settimeout(20)
    print("connected", s.getsockname()[0], flush=True)
    try:
        while True:
            ready = select.select([s, sys.stdin], [], [])[0]
            if s in ready:
                print("closed" if not s.recv(1) else "?", flush=True)
                return
            if not sys.stdin.readline():
                return
            s.sendall(b"x")
            print("ok" if s.recv(1) else "closed", flush=True)
    except OSError as e:
        print(type(e).__name__, flush=True)


def end(addr, port):
    return socket.getaddrinfo(addr, port, type=socket.SOCK_DGRAM)[0]


def udp(addr, port):
    family, _, _, _, to = end(addr, port)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(1)
    print("ready", flush=True)
    for n, _ in enumerate(sys.stdin):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                s.sendto(b"%d" % n, to)
                if s.recv(100) == b"%d" % n:
                    print("ok", flush=True)
                    break
            except OSError as e:
                print(type(e).__name__, flush=True)
                time.sleep(0.1)


def works(port):
    def net(a):
        return a.rpartition("::" if ":" in a else ".")[0]

    print("ready", flush=True)
    for addr in map(str.strip, sys.stdin):
        first = None
        while True:
            try:
                with socket.create_connection((addr, port), timeout=0.2) as s:
                    s.sendall(b"x")
                    now = int(time.time() * 1000) if s.recv(1) else None
                    first = first or now
                    if now and net(s.getsockname()[0]) == net(addr):
                        print(first, now, flush=True)
                        break
            except OSError:
                pass
            time.sleep(0.005)


def df(addr, port, size):
    family, _, _, _, to = end(addr, port)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(1)
    for v4, v6, value in (10, 23, 2), (11, 25, 1):		# MTU_DISCOVER: DO; RECVERR
        s.setsockopt(*((socket.IPPROTO_IP, v4) if family == socket.AF_INET else (socket.IPPROTO_IPV6, v6)), value)
    s.connect(to)
    for _ in range(3):
        try:
            s.send(bytes(size))
            print("ok" if len(s.recv(65536)) == size else "?")
            return
        except TimeoutError:
            pass
        except OSError as e:
            print("too big" if e.errno == 90 else e.strerror)		# EMSGSIZE
            return
    print("lost")


def adverts():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86dd))
    s.bind(("ext", 0x86dd))
    print("ready", flush=True)
    while True:
        b = s.recv(2000)
        if b[6] != 58 or b[7] != 255 or b[40] != 134:
            continue
        out = [str(int(time.time() * 1000)), socket.inet_ntop(socket.AF_INET6, b[8:24]),
               socket.inet_ntop(socket.AF_INET6, b[24:40]), str(struct.unpack("!H", b[46:48])[0])]
        at = 56
        while at < len(b):
            o = b[at:at + 8 * b[at + 1]]
            if o[0] == 3:
                valid, preferred = struct.unpack("!II", o[4:12])
                out.append(f"p={socket.inet_ntop(socket.AF_INET6, o[16:32])},{preferred},{valid}")
            elif o[0] == 25:
                life = struct.unpack("!I", o[4:8])[0]
                out += [f"d={socket.inet_ntop(socket.AF_INET6, o[i:i + 16])},{life}" for i in range(8, len(o), 16)]
            at += len(o)
        print(*out, flush=True)


a = sys.argv[2:]
{"serve": lambda: serve(int(a[0])), "hold": lambda: hold(a[0], int(a[1])), "udp": lambda: udp(a[0], int(a[1])),
 "works": lambda: works(int(a[0])), "df": lambda: df(a[0], int(a[1]), int(a[2])), "adverts": adverts,
 "group": lambda: group(a[0], int(a[1]), a[2:]), "names": lambda: names(int(a[0]), a[1] if a[1:] else None),
 "query": lambda: query(a[0], int(a[1]), int(a[2]), float(a[3]), *map(int, a[4:5]), *a[5:])}[sys.argv[1]]()
