# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames by hand, on an interface of the current namespace: for cases that no program's sockets would make."""
import os
import select
import socket
import time

os.environ.setdefault("XDG_CONFIG_HOME", "/nonexistent")
from scapy.all import *     # noqa: E402,F403 - cases use its layers

conf.verb = 0


class Link:
    def __init__(self, name="ext", host="198.51.100.10"):
        # A first exchange by the kernel leaves the gateway's address in its table, for us to use
        os.system("ping -nqc 1 -W 5 %s >/dev/null" % host)
        self.gw = os.popen("ip neigh show %s" % host).read().split("lladdr ")[1].split()[0]
        self.mac = open("/proc/self/net/dev") and os.popen("ip -o link show %s" % name).read() \
            .split("link/ether ")[1].split()[0]
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.s.bind((name, 0))
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def send(self, *layers):
        p = Ether(src=self.mac, dst=self.gw)
        for layer in layers:
            p = p / layer
        self.s.send(bytes(p))

    def recv(self, match, timeout=5):
        """First frame from the link that matches, or None"""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.s], [], [], left)[0]:
                return None
            data, (_, _, kind, _, _) = self.s.recvfrom(70000)
            if kind == socket.PACKET_OUTGOING:
                continue
            p = Ether(data)
            if match(p):
                return p


def good_checksums(p):
    """As computed by scapy, not by us"""
    raw = bytes(p)
    q = p.copy()
    layer = q
    while layer:
        for f in "chksum", "cksum":
            if f in layer.fields:
                delattr(layer, f)
        layer = layer.payload
    return bytes(q) == raw
