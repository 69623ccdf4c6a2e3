#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""names.py NAME ADDR [ADDR6 [PORT]] - a name server, on port 53 or another, that knows one name, or any: "*"; prints
"ready" first
names.py ask SERVER PORT - a question to one on IPv4; fails unless there is an address in the answer
"""
import ipaddress, socket, struct, sys

if sys.argv[1] == "ask":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.sendto(struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\4name\0" + struct.pack("!HH", 1, 1),
             (sys.argv[2], int(sys.argv[3])))
    sys.exit(struct.unpack_from("!H", s.recv(512), 6) != (1,))

known = sys.argv[1].encode().lower()
records = dict(zip((1, 28), (ipaddress.ip_address(a).packed for a in sys.argv[2:4])))
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", int(sys.argv[4]) if sys.argv[4:] else 53))
print("ready", flush=True)
while True:
    q, client = s.recvfrom(512)
    at, labels = 12, []
    while q[at]:
        labels.append(q[at + 1:at + 1 + q[at]])
        at += 1 + q[at]
    kind = struct.unpack("!H", q[at + 1:at + 3])[0]
    same = known in (b"*", b".".join(labels).lower())
    data = records.get(kind) if same else None
    answer = struct.pack("!HHHIH", 0xc00c, kind, 1, 60, len(data)) + data if data else b""
    # RFC 1035, 4.1.1: a response, recursion available; 3: no such name
    head = q[:2] + struct.pack("!HHHHH", 0x8580 | (0 if same else 3), 1, 1 if data else 0, 0, 0)
    s.sendto(head + q[12:at + 5] + answer, client)
