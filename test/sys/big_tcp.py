# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames above 64 KiB on the link: can this kernel have them, and what a capture has of them.

    big_tcp.py kernel                     "4", "6", "46", or nothing: families
    big_tcp.py gro IFNAME                 what the device announces, IPv4 and IPv6
    big_tcp.py frames FILE ADDR [PORT]    TCP to ADDR, from PORT, bytes of IP: largest packet, packets above 65535, and
                                          of these, how many have headers as they should not be
"""
import errno
import fcntl
import os
import socket
import struct
import sys

IFLA_GRO_MAX_SIZE, IFLA_GRO_IPV4_MAX_SIZE = 58, 64
GRO_SIZE = 262144


def netlink(kind, flags, index, attrs=b""):
    """One request about a link; its answer without the header, or an error number below 0"""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as s:
        body = struct.pack("BxHiII", 0, 0, index, 0, 0) + attrs
        s.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        answer = s.recv(65536)
    length, kind = struct.unpack_from("IH", answer)
    return struct.unpack_from("i", answer, 16)[0] if kind == 2 else answer[16:length]


def gro(index):
    """Largest received packet that the device announces, IPv4 and IPv6; 0 if the kernel doesn't know of it"""
    answer, size, at = netlink(18, 1, index), {}, 16
    while at < len(answer):
        length, kind = struct.unpack_from("HH", answer, at)
        if kind in (IFLA_GRO_MAX_SIZE, IFLA_GRO_IPV4_MAX_SIZE):
            size[kind] = struct.unpack_from("I", answer, at + 4)[0]
        at += (length + 3) & ~3
    return size.get(IFLA_GRO_IPV4_MAX_SIZE, 0), size.get(IFLA_GRO_MAX_SIZE, 0)


def kernel():
    """In a namespace of its own: a device may announce it, and one that is down (EIO) had memory for it"""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", b"big0",
                                             0x5002))      # TUNSETIFF, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
    index = socket.if_nametoindex("big0")
    attrs = b"".join(struct.pack("HHI", 8, k, GRO_SIZE) for k in (IFLA_GRO_MAX_SIZE, IFLA_GRO_IPV4_MAX_SIZE))
    try:
        os.write(tap, bytes(GRO_SIZE))
        return ""
    except OSError as e:
        if e.errno != errno.EIO:
            return ""
    if netlink(16, 5, index, attrs):
        return ""
    return "".join(f for f, size in zip("46", gro(index)) if size == GRO_SIZE)


def packets(path):
    """Ethernet frames of a capture"""
    with open(path, "rb") as f:
        head = f.read(24)
        snaplen, = struct.unpack_from("I", head, 16)
        while len(record := f.read(16)) == 16:
            caplen, length = struct.unpack_from("II", record, 8)
            if caplen != length or caplen > snaplen:
                sys.exit("record of %u bytes, cut from %u, snaplen %u" % (caplen, length, snaplen))
            yield f.read(caplen)


def good(p):
    """Headers of a packet above 65535 bytes: IPv4 has no length, IPv6 is a jumbogram (RFC 2675)"""
    if p[0] >> 4 == 4:
        return p[2:4] == b"\0\0"
    return p[4:7] == b"\0\0\0" and p[40:44] == b"\6\0\xc2\4" and struct.unpack_from(">I", p, 44)[0] == len(p) - 40


def frames(path, addr, port=None):
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    dst, largest, large, bad = socket.inet_pton(family, addr), 0, 0, 0
    for frame in packets(path):
        p = frame[14:]
        if frame[12:14] == b"\x08\0":
            at, proto, to = 20, p[9], p[16:20]
        elif frame[12:14] == b"\x86\xdd":
            at, proto, to = (48, p[40], p[24:40]) if p[6] == 0 else (40, p[6], p[24:40])
        else:
            continue
        if proto != 6 or to != dst or (port and p[at:at + 2] != struct.pack(">H", int(port))):
            continue
        largest = max(largest, len(p))
        if len(p) > 65535:
            large += 1
            bad += not good(p)
    return largest, large, bad


if sys.argv[1] == "kernel":
    print(kernel())
elif sys.argv[1] == "gro":
    print(*gro(socket.if_nametoindex(sys.argv[2])))
else:
    print(*frames(*sys.argv[2:]))
