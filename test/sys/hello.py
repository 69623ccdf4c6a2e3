#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hello.py serve DIR | ask ADDRESS PORT [PIECE | -b PIECE | -s SECONDS | -e]...

serve: resolver, and servers of TLS, HTTP and of a protocol whose server speaks first, for every name below "example",
at 9.9.9.9 and 2620:fe::9. A line in DIR/got for each connection: its port, and the server name of TLS, the first line,
or "nothing" if no byte came. DIR/up is there when all is. DIR/cert.pem has key and certificate.

ask: sends pieces, with escapes of Python's strings, at once or byte by byte; waits, or ends the stream. Prints the
first line of the answer, "end", or "reset"."""
import socket, ssl, struct, sys, threading, time

TLS, HTTP, FIRST = (443, 8443), (80, 8080, 8000), (22,)


def resolver(s):
    records = {1: socket.inet_aton("9.9.9.9"), 28: socket.inet_pton(socket.AF_INET6, "2620:fe::9")}
    while True:
        q, client = s.recvfrom(2048)
        end = q.index(b"\0", 12) + 5
        kind = struct.unpack("!H", q[end - 4:end - 2])[0]
        known = q[12:end - 4].lower().endswith(b"\x07example\0")
        data = records.get(kind) if known else None
        answer = struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(data)) + data if data else b""
        head = q[:2] + struct.pack("!HHHHH", 0x8180 | (0 if known else 3), 1, 1 if data else 0, 0, 0)
        s.sendto(head + q[12:end] + answer, client)


def talk(s, port, context, got):
    s.settimeout(20)
    what = "nothing"
    try:
        if port in FIRST:
            s.sendall(b"220 first\r\n")
        if s.recv(1, socket.MSG_PEEK) and port in TLS:
            what = "no name"
            s = context.wrap_socket(s, server_side=True)
            what = s.sni or what
        text = b""
        while port in FIRST and b"\n" not in text or port not in FIRST and b"\r\n\r\n" not in text:
            piece = s.recv(1000)
            if not piece:
                break
            text += piece
            if port not in TLS:
                what = text.split(b"\r")[0].decode()
        if text:
            s.sendall(b"HTTP/1.1 200 fine\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
    except OSError:
        pass
    got.write(f"{port} {what}\n")
    got.flush()
    s.close()


def serve(where):
    class Socket(ssl.SSLSocket):
        sni = None

    def named(s, name, _):
        s.sni = name

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = Socket
    context.load_cert_chain(where + "/cert.pem")
    context.sni_callback = named
    got = open(where + "/got", "a")
    names = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    names.bind(("::", 53))
    threading.Thread(target=resolver, args=(names,), daemon=True).start()

    def accept(listener, port):
        while True:
            threading.Thread(target=talk, args=(listener.accept()[0], port, context, got), daemon=True).start()

    for port in TLS + HTTP + FIRST:
        s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        threading.Thread(target=accept, args=(s, port)).start()
    open(where + "/up", "w")


def ask(address, port, *steps):
    try:
        s = socket.create_connection((address, int(port)), timeout=20)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        steps = iter(steps)
        for step in steps:
            if step == "-s":
                time.sleep(float(next(steps)))
            elif step == "-e":
                s.shutdown(socket.SHUT_WR)
            else:
                each = 1 if step == "-b" else 100000
                data = (next(steps) if step == "-b" else step).encode().decode("unicode_escape").encode("latin-1")
                for i in range(0, len(data), each):
                    s.sendall(data[i:i + each])
        return s.makefile("rb").readline().decode().strip() or "end"
    except ConnectionError:
        return "reset"
    except TimeoutError:
        return "nothing"


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    print(ask(*sys.argv[2:]))
