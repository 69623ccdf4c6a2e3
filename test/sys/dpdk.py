#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dpdk.py ADDR PORT COUNT - sends datagrams of all sizes, and expects each back as it was, at most a few on their way"""
import os, socket, sys, time

addr, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((addr, port))
# Until the guest is known, its first answers may go elsewhere
s.settimeout(0.2)
end = time.monotonic() + 20
while True:
    s.send(b"there?")
    try:
        if s.recv(65536) == b"there?":
            break
    except socket.timeout:
        if time.monotonic() > end:
            sys.exit("no answer")
try:
    while True:
        s.recv(65536)
except socket.timeout:
    pass
s.settimeout(5)
WINDOW = 8
sent = []
for i in range(count):
    sent.append(os.urandom(1 + i * 97 % 1472))
    s.send(sent[-1])
    if len(sent) == WINDOW or i == count - 1:
        for want in sent:
            if s.recv(65536) != want:
                sys.exit(f"datagram of {len(want)} bytes came back as another")
        sent = []
print("all came back")
