# SPDX-License-Identifier: GPL-2.0-or-later
"""A vhost-user front end and its driver, of few words, and free to lie: memory, messages and rings as one likes.

One pair of rings: 0 receives, 1 sends. A region of SIZE bytes is at guest address GPA, and at UVA for the front end.
"""
import contextlib
import mmap
import os
import socket
import struct
import time

PATIENCE = 10
GPA, UVA, SIZE = 0x100000, 0x7f0000000000, 4 << 20
RING = 256
RX, TX = 0, 1
NEXT, WRITE, INDIRECT = 1, 2, 4
BUF = 4096
HDR = 12
MAC = bytes.fromhex("525400123456")
HOST, GATEWAY = bytes([198, 51, 100, 2]), bytes([198, 51, 100, 1])

(GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE, SET_LOG_BASE, SET_LOG_FD, SET_VRING_NUM,
 SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR, GET_PROTOCOL,
 SET_PROTOCOL, GET_QUEUE_NUM, SET_VRING_ENABLE, SEND_RARP, NET_SET_MTU, SET_BACKEND_REQ) = range(1, 22)
GET_CONFIG, POSTCOPY, GET_INFLIGHT, SET_INFLIGHT, RESET_DEVICE, VRING_KICK = 24, 28, 31, 32, 34, 35
GET_SLOTS, ADD_MEM_REG, REM_MEM_REG, SET_STATUS, GET_STATUS = range(36, 41)
SET_DEVICE_STATE, CHECK_DEVICE_STATE = 42, 43
F_MRG, F_INDIRECT, F_EVENT_IDX, F_PROTOCOL, F_VERSION_1, F_LOG = 1 << 15, 1 << 28, 1 << 29, 1 << 30, 1 << 32, 1 << 26
P_LOG, P_ACK, P_INFLIGHT, P_SLOTS, P_STATUS = 1 << 1, 1 << 3, 1 << 12, 1 << 15, 1 << 16


class Gone(Exception):
    """passt has closed the connection"""


class Front:
    def __init__(self, path, features=F_MRG | F_PROTOCOL | F_VERSION_1, protocol=0):
        """@path: of the socket, or a connected one"""
        self.want, self.wantp = features, protocol
        self.sock = path if isinstance(path, socket.socket) else socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        if self.sock is not path:
            self.sock.connect(path)
        self.fd = os.memfd_create("hostile")
        os.ftruncate(self.fd, SIZE)
        self.mem = mmap.mmap(self.fd, SIZE)
        self.kick = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        self.call = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2)]
        self.idx = [0, 0]

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.sock.close()
        self.mem.close()
        for fd in (self.fd, *self.kick, *self.call):
            with contextlib.suppress(OSError):
                os.close(fd)

    # Messages

    def send(self, request, payload=b"", fds=(), flags=1, size=None):
        data = struct.pack("=III", request, flags, len(payload) if size is None else size) + payload
        try:
            socket.send_fds(self.sock, [data], list(fds))
        except (BrokenPipeError, ConnectionResetError):
            raise Gone from None

    def exactly(self, n):
        data = b""
        while len(data) < n:
            try:
                more = self.sock.recv(n - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                raise Gone
            data += more
        return data

    def reply(self):
        _, _, size = struct.unpack("=III", self.exactly(12))
        return self.exactly(size)

    def ask(self, request, payload=b"", fds=()):
        self.send(request, payload, fds)
        return self.reply()

    def u64(self, request, value, fds=()):
        self.send(request, struct.pack("=Q", value), fds)

    def state(self, request, index, num):
        self.send(request, struct.pack("=II", index, num))

    def synced(self):
        """All messages so far are handled"""
        return self.ask(GET_FEATURES)

    def negotiate(self):
        self.features = struct.unpack("=Q", self.ask(GET_FEATURES))[0] & self.want
        if self.features & F_PROTOCOL:
            self.protocol = struct.unpack("=Q", self.ask(GET_PROTOCOL))[0] & self.wantp
            self.u64(SET_PROTOCOL, self.protocol)
        self.send(SET_OWNER)
        self.u64(SET_FEATURES, self.features)

    def table(self, *regions, n=None, fds=None):
        """(gpa, size, uva, offset) each"""
        self.send(SET_MEM_TABLE, struct.pack("=II", len(regions) if n is None else n, 0) +
                  b"".join(struct.pack("=QQQQ", *r) for r in regions), [self.fd] * len(regions) if fds is None else fds)

    def memory(self):
        self.table((GPA, SIZE, UVA, 0))

    def addr(self, ring, desc=None, used=None, avail=None, flags=0, log=0):
        at = UVA + ring * 0x10000
        self.send(SET_VRING_ADDR, struct.pack("=IIQQQQ", ring, flags, at if desc is None else desc,
                                              at + 0x3000 if used is None else used,
                                              at + 0x2000 if avail is None else avail, log))

    def ring(self, ring, num=RING):
        self.state(SET_VRING_NUM, ring, num)
        self.state(SET_VRING_BASE, ring, 0)
        self.addr(ring)
        self.u64(SET_VRING_KICK, ring, [self.kick[ring]])
        self.u64(SET_VRING_CALL, ring, [self.call[ring]])

    def enable(self):
        for ring in RX, TX:
            self.state(SET_VRING_ENABLE, ring, 1)

    def up(self, buffers=64):
        """All that an honest one does"""
        self.negotiate()
        self.memory()
        self.ring(RX)
        self.ring(TX)
        for i in range(buffers):
            self.offer(RX, [(self.buf(RX, i), BUF, WRITE)], i)
        self.enable()
        self.wake(RX)
        self.synced()
        return self

    # Rings

    @staticmethod
    def buf(ring, i):
        return GPA + 0x100000 + ring * 0x100000 + i * BUF

    def put(self, gpa, data):
        self.mem[gpa - GPA:gpa - GPA + len(data)] = data

    def get(self, gpa, n):
        return self.mem[gpa - GPA:gpa - GPA + n]

    def desc(self, ring, i, addr, length, flags=0, following=0):
        self.put(GPA + ring * 0x10000 + i * 16, struct.pack("=QIHH", addr & (1 << 64) - 1, length, flags, following))

    def avail(self, ring, head, idx=None):
        at = GPA + ring * 0x10000 + 0x2000
        self.put(at + 4 + self.idx[ring] % RING * 2, struct.pack("=H", head))
        self.idx[ring] = (self.idx[ring] + 1) % 65536
        self.put(at + 2, struct.pack("=H", self.idx[ring] if idx is None else idx % 65536))

    def offer(self, ring, pieces, first):
        """A chain of (address, length, flags) from descriptor @first on"""
        for i, (addr, length, flags) in enumerate(pieces):
            more = i + 1 < len(pieces)
            self.desc(ring, (first + i) % RING, addr, length, flags | (NEXT if more else 0), (first + i + 1) % RING)
        self.avail(ring, first)

    def wake(self, ring):
        os.eventfd_write(self.kick[ring], 1)

    def used(self, ring):
        return struct.unpack("=H", self.get(GPA + ring * 0x10000 + 0x3002, 2))[0]

    def arp_frame(self):
        return (b"\xff" * 6 + MAC + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x800, 6, 4, 1) + MAC + HOST + bytes(6) +
                GATEWAY + bytes(18))

    def arp(self, first=0):
        """Asks for the gateway's address; whether something that looks like the answer comes"""
        before = self.used(RX)
        self.put(self.buf(TX, first), bytes(HDR) + self.arp_frame())
        self.offer(TX, [(self.buf(TX, first), HDR + 60, 0)], first)
        self.wake(TX)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for i in range(before, self.used(RX)):
                at = GPA + 0x3004 + i % RING * 8
                head, length = struct.unpack("=II", self.get(at, 8))
                frame = self.get(self.buf(RX, head), length)[HDR:]
                if frame[:6] == MAC and frame[12:14] == b"\x08\x06":
                    return True
            time.sleep(0.002)       # between two looks
        return False

    def exchange(self, frame, header=bytes(HDR), slot=100):
        """Sends a frame, behind a header of one's own"""
        self.put(self.buf(TX, slot), header + frame)
        self.offer(TX, [(self.buf(TX, slot), len(header) + len(frame), 0)], slot)
        self.wake(TX)
