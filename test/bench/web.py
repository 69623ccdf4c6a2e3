#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""web.py ADDR PORT BYTES: one file by HTTP, and how long it took, for clients without a clock

Prints "ready"; sends BYTES for /file; at the request for anything else, the client has them, and a line of JSON says in
how many seconds, from request to request.
"""
import json, socket, sys, time


def request(server):
    s, _ = server.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        more = s.recv(4096)
        if not more:
            break
        head += more
    return s, head.split()[1].decode() if head else ""


def answer(s, size):
    block = bytes(range(256)) * 4096
    s.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode())
    while size:
        n = min(size, len(block))
        s.sendall(block[:n])
        size -= n
    s.shutdown(socket.SHUT_WR)


def main():
    addr, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    server = socket.create_server((addr, port), family=socket.AF_INET6 if ":" in addr else socket.AF_INET)
    begin = None
    print("ready", flush=True)
    while True:
        s, path = request(server)
        now = time.monotonic()
        if path == "/file":
            begin = now
            try:
                answer(s, size)
            except OSError:
                pass
        elif path and begin:
            print(json.dumps(dict(seconds=now - begin)), flush=True)
            return
        else:
            answer(s, 0)
        s.close()


if __name__ == "__main__":
    main()
