# SPDX-License-Identifier: GPL-2.0-or-later
"""follow.py serve PORT: each byte comes back, from a server on all addresses
follow.py hold ADDRESS PORT: a connection; on each line of the standard input, a byte goes there and back. "ok", or the
error that ends it."""
import select, socket, sys, threading


def serve(port):
    def echo(conn):
        try:
            while data := conn.recv(4096):
                conn.sendall(data)
        except OSError:
            pass
        conn.close()

    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port))
    s.listen(50)
    print("ready", flush=True)
    while True:
        threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()


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


{"serve": lambda: serve(int(sys.argv[2])), "hold": lambda: hold(sys.argv[2], int(sys.argv[3]))}[sys.argv[1]]()
