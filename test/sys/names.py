#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""names.py NAME ADDR ADDR6 - a name server on port 53 that knows one name; prints "ready" first"""
import ipaddress, socket, struct, sys

known = sys.argv[1].encode().lower()
records = {1: ipaddress.ip_address(sys.argv[2]).packed, 28: ipaddress.ip_address(sys.argv[3]).packed}
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
print("ready", flush=True)
while True:
    q, client = s.recvfrom(512)
    at, labels = 12, []
    while q[at]:
        labels.append(q[at + 1:at + 1 + q[at]])
        at += 1 + q[at]
    kind = struct.unpack("!H", q[at + 1:at + 3])[0]
    same = b".".join(labels).lower() == known
    data = records.get(kind) if same else None
    answer = struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(data)) + data if data else b""
    # RFC 1035, 4.1.1: a response, recursion available; 3: no such name
    head = q[:2] + struct.pack("!HHHHH", 0x8580 | (0 if same else 3), 1, 1 if data else 0, 0, 0)
    s.sendto(head + q[12:at + 5] + answer, client)
