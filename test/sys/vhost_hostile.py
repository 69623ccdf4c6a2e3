# SPDX-License-Identifier: GPL-2.0-or-later
"""vhost_hostile.py PID SOCKET: everything that a front end or a driver may do wrong, or on purpose; after each of it,
passt lives, rests, holds no descriptor more than before, and serves the next guest."""
import contextlib
import os
import random
import socket
import struct
import sys
import tempfile
import time

from vhost_front import (ADD_MEM_REG, BUF, CHECK_DEVICE_STATE, F_EVENT_IDX, F_INDIRECT, F_LOG, F_MRG, F_PROTOCOL,
                         F_VERSION_1, GET_CONFIG, GET_FEATURES, GET_INFLIGHT, GET_VRING_BASE, GPA, HDR, INDIRECT,
                         NET_SET_MTU, NEXT, P_ACK, P_INFLIGHT, P_LOG, P_SLOTS, PATIENCE, POSTCOPY, REM_MEM_REG,
                         RESET_DEVICE, RESET_OWNER, RING, RX, SEND_RARP, SET_BACKEND_REQ, SET_DEVICE_STATE,
                         SET_FEATURES, SET_INFLIGHT, SET_LOG_BASE, SET_LOG_FD, SET_MEM_TABLE, SET_STATUS,
                         SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL, SET_VRING_ENABLE, SET_VRING_ERR,
                         SET_VRING_KICK, SET_VRING_NUM, SIZE, TX, UVA, VRING_KICK, WRITE, Front, Gone)

PID, PATH = int(sys.argv[1]), sys.argv[2]
REST, TICKS = 0.1, 3  # seconds, and ticks of 10 ms in them: not spinning
BASE = F_MRG | F_PROTOCOL | F_VERSION_1
CASES = []
tests = 0


def ok(good, name, why=""):
    global tests
    tests += 1
    print(f"{'ok' if good else 'not ok'} {tests} - {name}" + ("" if good or not why else f"\n# {why}"), flush=True)
    return good


def case(name, **how):
    def add(f):
        CASES.append((name, how, f))
        return f
    return add


def each(name, values, **how):
    """A case of its own for each of them"""
    def add(f):
        for label, value in values.items():
            CASES.append((f"{name}: {label}", how, lambda front, value=value: f(front, value)))
        return f
    return add


def fds():
    return len(os.listdir(f"/proc/{PID}/fd"))


def ticks():
    f = open(f"/proc/{PID}/stat").read().rsplit(")", 1)[1].split()
    return int(f[11]) + int(f[12])


def rss():
    return next(int(line.split()[1]) for line in open(f"/proc/{PID}/status") if line.startswith("VmRSS"))


def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)           # between two looks
    return True


# ---- Messages

@case("half a header")
def half_header(f):
    f.sock.send(b"\1\0\0\0\1")


@case("half a message, with a descriptor")
def half_message(f):
    f.send(SET_MEM_TABLE, struct.pack("=II", 1, 0), [f.fd], size=40)


@each("message of a size", {str(n): n for n in (1, 7, 9, 4096, 65536, 1 << 31, (1 << 32) - 1)})
def sizes(f, n):
    f.send(SET_FEATURES, bytes(min(n, 70000)), size=n)


@each("request", {str(n): n for n in (0, 99, 1 << 31, GET_CONFIG, POSTCOPY, SET_LOG_FD, SET_DEVICE_STATE,
                                      CHECK_DEVICE_STATE, VRING_KICK, SEND_RARP)})
def unknown(f, n):
    f.send(n, bytes(8), [f.fd])
    f.synced()


@each("flags", {hex(n): n for n in (0, 2, 3, 5, 0xfffffff1)})
def flags(f, n):
    f.send(GET_FEATURES, flags=n)


@each("surplus descriptors", {f"{n}, request {r}": (n, r) for n in (1, 8, 9, 253)
                              for r in (GET_FEATURES, SET_FEATURES, SET_MEM_TABLE, SET_VRING_KICK, SET_VRING_CALL,
                                        SET_VRING_ERR, SET_BACKEND_REQ, SET_VRING_NUM, 77)})
def surplus(f, what):
    for _ in range(3):
        f.send(what[1], struct.pack("=Q", 0), [f.fd] * what[0])


@case("the same descriptors again and again", up=True)
def again(f):
    before = fds()
    for _ in range(200):
        for r in SET_VRING_CALL, SET_VRING_ERR:
            f.u64(r, TX, [f.call[TX]])
        f.send(SET_BACKEND_REQ, fds=[f.kick[0]])
    f.synced()
    ok(fds() <= before + 6, "descriptors while it is connected", f"{before}, then {fds()}")


@case("ten thousand requests, no reply read")
def silent(f):
    f.sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        for _ in range(10000):
            f.send(GET_FEATURES)


@case("a byte at a time", honest=True)
def bytewise(f):
    for b in struct.pack("=III", GET_FEATURES, 1, 0):
        f.sock.send(bytes([b]))
    f.reply()
    f.up()


@case("all features, offered or not")
def all_features(f):
    f.u64(SET_FEATURES, (1 << 64) - 1)
    f.synced()


# ---- Memory

REGION = (GPA, SIZE, UVA, 0)
TABLES = {
    "none": (), "nine": [(GPA + i * SIZE, SIZE, UVA + i * SIZE, 0) for i in range(9)],
    "size 0": [(GPA, 0, UVA, 0)], "address wraps": [((1 << 64) - 4096, SIZE, UVA, 0)],
    "the front end's address wraps": [(GPA, SIZE, (1 << 64) - 4096, 0)],
    "offset wraps": [(GPA, SIZE, UVA, (1 << 64) - 4096)], "offset of no page": [(GPA, 4096, UVA, 1)],
    "beyond the file": [(GPA, SIZE, UVA, SIZE)], "huge": [(0, (1 << 64) - 1, 0, 0)], "half huge": [(0, 1 << 62, UVA, 0)],
    "the same twice": [REGION, REGION], "overlap": [REGION, (GPA + 4096, SIZE, UVA + SIZE, 0)],
    "overlap of the front end's": [REGION, (GPA + SIZE, SIZE, UVA + 4096, 0)],
}


@each("table", TABLES)
def table(f, regions):
    f.negotiate()
    f.table(*regions, fds=[f.fd] * min(len(regions), 8))
    f.ring(TX)
    f.enable()
    f.exchange(f.arp_frame())
    f.synced()


@each("table's number", {str(n): n for n in (0, 2, 8, 9, 1 << 31, (1 << 32) - 1)})
def table_number(f, n):
    f.table(REGION, n=n)


@each("table's descriptors", {"none": 0, "two for one": 2})
def table_fds(f, n):
    f.table(REGION, fds=[f.fd] * n)


@each("memory that is", {"an eventfd": lambda f: f.kick[0], "a socket": lambda f: f.sock.fileno(),
                         "a directory": lambda f: os.open("/", os.O_RDONLY),
                         "read-only": lambda f: os.open(f"/proc/self/fd/{f.fd}", os.O_RDONLY),
                         "/dev/zero": lambda f: os.open("/dev/zero", os.O_RDWR)})
def odd_memory(f, get):
    f.negotiate()
    f.table(REGION, fds=[get(f)])
    f.ring(TX)
    f.enable()
    f.exchange(f.arp_frame())


@case("regions without end", protocol=P_SLOTS | P_ACK)
def regions(f):
    f.negotiate()
    for i in range(100):
        f.send(ADD_MEM_REG, struct.pack("=QQQQQ", 0, GPA + i * SIZE, SIZE, UVA + i * SIZE, 0), [f.fd])


@case("regions removed that aren't there", protocol=P_SLOTS, up=True)
def absent(f):
    f.send(REM_MEM_REG, struct.pack("=QQQQQ", 0, GPA + SIZE, SIZE, UVA + SIZE, 0), [f.fd])


@case("memory of working rings removed", protocol=P_SLOTS)
def removed(f):
    f.negotiate()
    r = struct.pack("=QQQQQ", 0, *REGION)
    f.send(ADD_MEM_REG, r, [f.fd])
    f.ring(RX)
    f.ring(TX)
    f.enable()
    f.exchange(f.arp_frame())
    f.send(REM_MEM_REG, r)
    f.exchange(f.arp_frame())


@case("another table under working rings", up=True)
def other_table(f):
    f.table((GPA + SIZE, SIZE, UVA + SIZE, 0))
    for _ in range(10):
        f.exchange(f.arp_frame())


@each("memory truncated to", {"nothing": 0, "the rings": 0x100000, "half a page": 2048})
def truncated(f, n):
    f.up()
    f.exchange(f.arp_frame())
    os.ftruncate(f.fd, n)
    with contextlib.suppress(OSError):
        for _ in range(5):
            f.wake(TX)
            f.wake(RX)
            f.synced()


# ---- Rings as the front end sets them up

@each("ring size", {str(n): n for n in (0, 3, 255, 32769, 65536, 1 << 31, (1 << 32) - 1)})
def ring_size(f, n):
    f.negotiate()
    f.memory()
    f.ring(TX, n)
    f.enable()
    f.exchange(f.arp_frame())
    f.synced()


@each("ring number", {f"{n}, request {r}": (n, r) for n in (2, 16, 127, 255, (1 << 32) - 1)
                      for r in (SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ENABLE, GET_VRING_BASE)})
def ring_number(f, what):
    f.negotiate()
    f.state(what[1], what[0], 1)


@each("ring number of a descriptor", {f"{n}, request {r}": (n, r) for n in (2, 255, 0xffff00, (1 << 64) - 1)
                                      for r in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR)})
def ring_number_fd(f, what):
    f.negotiate()
    f.u64(what[1], what[0], [f.kick[0]])


BAD = {"0": 0, "beyond": UVA + SIZE, "at the end": UVA + SIZE - 16, "below": UVA - 16, "odd": UVA + 1, "last": (1 << 64) - 1,
       "wraps": (1 << 64) - 4096, "guest's": GPA}


@each("ring address", {f"{which} {label}": {which: a} for which in ("desc", "used", "avail") for label, a in BAD.items()})
def ring_address(f, where):
    f.negotiate()
    f.memory()
    f.ring(TX)
    f.addr(TX, **where)
    f.enable()
    f.exchange(f.arp_frame())
    f.synced()


@case("rings on top of each other")
def one_place(f):
    f.negotiate()
    f.memory()
    f.ring(RX)
    f.ring(TX)
    f.addr(TX, UVA, UVA, UVA)
    f.addr(RX, UVA, UVA, UVA)
    f.enable()
    for _ in range(20):
        f.exchange(f.arp_frame())


@case("features changed under working rings", up=True, features=BASE | F_INDIRECT | F_EVENT_IDX)
def switched(f):
    turns = (F_PROTOCOL, F_PROTOCOL | F_EVENT_IDX, BASE, F_PROTOCOL | F_VERSION_1, BASE | F_INDIRECT) * 4
    for n, features in enumerate(turns):
        f.exchange(f.arp_frame(), slot=100 + n)
        f.u64(SET_FEATURES, features & f.features)
        f.exchange(f.arp_frame(), slot=130 + n)
    f.synced()


@case("rings enabled before all else", honest=True)
def early(f):
    f.negotiate()
    f.enable()
    f.ring(TX)
    f.ring(RX)
    f.memory()
    for i in range(16):
        f.offer(RX, [(f.buf(RX, i), BUF, WRITE)], i)
    f.wake(RX)
    f.synced()


@case("kick before addresses")
def early_kick(f):
    f.negotiate()
    f.u64(SET_VRING_KICK, TX, [f.kick[TX]])
    f.state(SET_VRING_ENABLE, TX, 1)
    f.wake(TX)
    f.memory()
    f.wake(TX)
    f.synced()


@case("kick before memory")
def no_memory(f):
    f.negotiate()
    f.ring(TX)
    f.enable()
    f.wake(TX)
    f.synced()


@each("kick by", {"a file": lambda: os.memfd_create("x"), "a pipe": lambda: os.pipe()[0],
                  "a pipe's other end": lambda: os.pipe()[1], "/dev/null": lambda: os.open("/dev/null", os.O_RDWR),
                  "a ready eventfd": lambda: os.eventfd(5), "a closed socket": lambda: socket.socketpair()[0].detach()})
def odd_kick(f, get):
    f.negotiate()
    f.memory()
    f.ring(TX)
    f.u64(SET_VRING_KICK, TX, [get()])
    f.enable()
    f.synced()


def full_pipe():
    r, w = os.pipe()
    os.set_blocking(w, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(w, bytes(4096))
    os.set_blocking(w, True)
    return w


def full_eventfd():
    fd = os.eventfd(0)              # blocks
    os.eventfd_write(fd, (1 << 64) - 2)
    return fd


@each("interrupt by", {"a full eventfd that blocks": full_eventfd, "a full pipe that blocks": full_pipe,
                       "a file": lambda: os.memfd_create("x"), "a closed pipe": lambda: os.pipe()[1],
                       "/dev/full": lambda: os.open("/dev/full", os.O_RDWR)})
def odd_call(f, get):
    f.up()
    for ring in RX, TX:
        f.u64(SET_VRING_CALL, ring, [get()])
    for _ in range(3):
        f.exchange(f.arp_frame())
    f.synced()


@case("neither kick nor interrupt", honest=True, up=True)
def no_call(f):
    f.u64(SET_VRING_CALL, RX | 0x100)
    f.u64(SET_VRING_CALL, TX | 0x100)


@case("kick without a descriptor: passt has to poll", up=True)
def no_kick(f):
    f.u64(SET_VRING_KICK, TX | 0x100)


@case("base of a ring that has none")
def no_base(f):
    f.negotiate()
    f.ask(GET_VRING_BASE, struct.pack("=II", TX, 0))


@each("base", {str(n): n for n in (1, 255, 32768, 65535, 65536, (1 << 32) - 1)})
def base(f, n):
    f.negotiate()
    f.memory()
    f.ring(TX)
    f.state(SET_VRING_BASE, TX, n)
    f.enable()
    f.exchange(f.arp_frame())
    f.synced()


@each("reset by request", {str(r): r for r in (RESET_OWNER, RESET_DEVICE)}, up=True)
def reset(f, r):
    f.exchange(f.arp_frame())
    f.send(r)
    f.exchange(f.arp_frame())
    f.synced()


@case("status 0 under working rings", up=True)
def status(f):
    f.u64(SET_STATUS, 0)
    f.exchange(f.arp_frame())


@each("MTU", {str(n): n for n in (0, 1, 67, 65536, (1 << 64) - 1)}, up=True)
def mtu(f, n):
    f.u64(NET_SET_MTU, n)
    f.exchange(f.arp_frame())


# ---- Log, inflight

@each("log", {f"{size} at {off}": (size, off) for size, off in ((0, 0), (1, 0), (4096, 1), ((1 << 64) - 1, 0),
                                                                 (4096, (1 << 64) - 4096), (1 << 40, 0))},
      features=BASE | F_LOG, protocol=P_LOG, up=True)
def log(f, what):
    f.send(SET_LOG_BASE, struct.pack("=QQ", *what), [f.fd])
    f.u64(SET_FEATURES, f.features | F_LOG)
    f.addr(RX, flags=1, log=(1 << 64) - 1)
    f.exchange(f.arp_frame())


@case("log without a descriptor", protocol=P_LOG)
def log_none(f):
    f.negotiate()
    f.send(SET_LOG_BASE, struct.pack("=QQ", 4096, 0))


@case("log truncated", features=BASE | F_LOG, protocol=P_LOG, up=True)
def log_short(f):
    fd = os.memfd_create("log")
    os.ftruncate(fd, 65536)
    f.send(SET_LOG_BASE, struct.pack("=QQ", 65536, 0), [fd])
    os.ftruncate(fd, 0)
    f.exchange(f.arp_frame())
    os.close(fd)


@each("inflight", {str(w): w for w in ((0, 0, 0, 0), (4096, 0, 2, 256), ((1 << 64) - 1, 0, 65535, 65535),
                                       (4096, 1, 2, 256), (1 << 20, (1 << 64) - 4096, 2, 32768))}, protocol=P_INFLIGHT)
def inflight(f, what):
    f.negotiate()
    m = struct.pack("=QQHH", *what)
    f.send(GET_INFLIGHT, m)
    f.send(SET_INFLIGHT, m, [f.fd])
    f.send(SET_INFLIGHT, m)
    f.memory()
    f.ring(TX)
    f.enable()
    f.exchange(f.arp_frame())


# ---- The driver

ADDRS = {"0": 0, "beyond": GPA + SIZE, "below": GPA - 1, "wraps": (1 << 64) - 8, "the front end's": UVA}


@each("buffer to send at", ADDRS, up=True)
def tx_at(f, addr):
    f.offer(TX, [(addr, 100, 0)], 0)
    f.wake(TX)


@each("buffer to fill at", ADDRS)
def rx_at(f, addr):
    f.up(0)
    for i in range(8):
        f.offer(RX, [(addr, BUF, WRITE)], i)
    f.wake(RX)
    f.exchange(f.arp_frame())


@each("buffer to send of", {str(n): n for n in (0, 1, HDR - 1, HDR, HDR + 13, SIZE * 2, 1 << 31, (1 << 32) - 1)}, up=True)
def tx_len(f, n):
    f.offer(TX, [(f.buf(TX, 0), n, 0)], 0)
    f.wake(TX)


@each("buffers to fill of", {f"{n}, {x}": (n, x) for n in (0, 1, HDR - 1, HDR, HDR + 1, 40, (1 << 32) - 1)
                             for x in ("mergeable", "single")})
def rx_len(f, what):
    f.want = BASE if what[1] == "mergeable" else BASE & ~F_MRG
    f.up(0)
    for i in range(40):
        f.offer(RX, [(f.buf(RX, i), what[0], WRITE)], i)
    f.wake(RX)
    for i in range(30):
        f.exchange(f.arp_frame(), slot=100 + i)


@each("wrong direction", {"to send": (TX, WRITE), "to fill": (RX, 0)})
def direction(f, what):
    f.up(0)
    for i in range(8):
        f.offer(what[0], [(f.buf(what[0], i), BUF, what[1])], i)
    f.wake(what[0])
    if what[0] == RX:
        f.exchange(f.arp_frame())


@case("both directions in a chain", up=True)
def mixed(f):
    f.offer(TX, [(f.buf(TX, 0), 30, 0), (f.buf(TX, 1), 30, WRITE), (f.buf(TX, 2), 30, 0)], 0)
    f.wake(TX)


@each("chain that bites its", {"own tail": (0, 0), "neighbour's": (1, 1)}, up=True)
def loop(f, what):
    f.desc(TX, 0, f.buf(TX, 0), 16, NEXT, what[0])
    f.desc(TX, 1, f.buf(TX, 0), 16, NEXT, 0)
    f.avail(TX, 0)
    f.wake(TX)


@each("chain on to", {str(n): n for n in (RING, RING + 1, 32768, 65535)}, up=True)
def astray(f, n):
    f.desc(TX, 0, f.buf(TX, 0), 100, NEXT, n)
    f.avail(TX, 0)
    f.wake(TX)


@each("chain of all descriptors, each of", {str(n): n for n in (0, 1, 1000)}, up=True)
def long_chain(f, n):
    f.offer(TX, [(f.buf(TX, 0), n, 0)] * RING, 0)
    f.wake(TX)


@each("head", {str(n): n for n in (RING, 32768, 65535)}, up=True)
def head(f, n):
    f.avail(TX, n)
    f.wake(TX)


@each("available index", {f"{n}, ring {r}": (n, r) for n in (RING + 1, 32768, 65535, -1) for r in (RX, TX)}, up=True)
def index(f, what):
    f.avail(what[1], 0, idx=f.idx[what[1]] + what[0])
    f.wake(what[1])
    f.exchange(f.arp_frame())


@case("the same buffer many times", up=True)
def twice(f):
    for _ in range(100):
        f.exchange(f.arp_frame(), slot=1)
    for _ in range(100):
        f.avail(RX, 0)
    f.wake(RX)


TABLE = GPA + 0x18000
INDIRECTS = {"0": 0, "1": 1, "15": 15, "17": 17, "huge": 1 << 31, "all": (1 << 32) - 16, "more than the ring": 16 * 1000}


@each("indirect table of", INDIRECTS, features=BASE | F_INDIRECT, up=True)
def indirect_len(f, n):
    for i in range(1000):
        f.put(TABLE + 16 * i, struct.pack("=QIHH", f.buf(TX, 0), 1, NEXT, i + 1))
    f.offer(TX, [(TABLE, n, INDIRECT)], 0)
    f.wake(TX)


@each("indirect table", {"in another": (INDIRECT, 0), "that loops": (NEXT, 0), "that leads astray": (NEXT, 60000)},
      features=BASE | F_INDIRECT, up=True)
def indirect(f, what):
    f.put(TABLE, struct.pack("=QIHH", TABLE if what[0] == INDIRECT else f.buf(TX, 0), 64, *what))
    f.offer(TX, [(TABLE, 64, INDIRECT)], 0)
    f.wake(TX)


@case("indirect table at the end of memory", features=BASE | F_INDIRECT, up=True)
def indirect_end(f):
    f.offer(TX, [(GPA + SIZE - 16, 32, INDIRECT)], 0)
    f.wake(TX)


@case("indirect and more of a chain", features=BASE | F_INDIRECT, up=True)
def indirect_next(f):
    f.put(TABLE, struct.pack("=QIHH", f.buf(TX, 0), 100, 0, 0))
    f.offer(TX, [(TABLE, 16, INDIRECT), (f.buf(TX, 1), 100, 0)], 0)
    f.wake(TX)


@case("indirect, not negotiated", up=True)
def indirect_not(f):
    f.offer(TX, [(TABLE, 16, INDIRECT)], 0)
    f.wake(TX)


HEADERS = {"kind of offload": (0, 77, 0, 0, 0, 0, 0), "segments of 0": (1, 1, 54, 0, 34, 16, 0), "of 1": (1, 1, 54, 1, 34, 16, 0),
           "UDP segments of 1": (1, 5, 42, 1, 34, 6, 0), "checksum beyond": (1, 0, 0, 0, 65535, 65535, 0),
           "checksum wraps": (1, 0, 0, 0, 65535, 1, 0), "header of 65535": (1, 1, 65535, 1400, 34, 16, 0),
           "all ones": (255, 255, 65535, 65535, 65535, 65535, 65535), "UFO": (1, 3, 42, 1400, 34, 6, 0)}


@each("header", HEADERS, up=True)
def header(f, fields):
    f.exchange(f.arp_frame() + bytes(1400), struct.pack("=BBHHHHH", *fields))
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 1428, 1, 0, 64, 17, 0, bytes([198, 51, 100, 2]), bytes([198, 51, 100, 10]))
    f.exchange(bytes(12) + b"\x08\x00" + ip + struct.pack(">HHHH", 1, 2, 1408, 0) + bytes(1400),
               struct.pack("=BBHHHHH", *fields), slot=101)


def scribble(f, seconds, seed):
    """Memory that changes all the time: rings, tables, headers, payload"""
    child = os.fork()
    if child == 0:
        rnd = random.Random(seed)
        while True:
            ring = rnd.choice((RX, TX)) * 0x10000
            at = ring + rnd.choice((rnd.randrange(64) * 16 + rnd.randrange(16), 0x2000 + rnd.randrange(520),
                                    0x3000 + rnd.randrange(2050), 0x8000 + rnd.randrange(1024),
                                    0x200000 - ring + rnd.randrange(400)))
            f.mem[at] = rnd.choice((0, 1, 2, 4, 255, rnd.randrange(256)))
    end, n = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            f.exchange(f.arp_frame(), slot=n % 60)
            f.wake(RX)
            n += 1
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


@each("memory that changes between two looks, seed", {str(n): n for n in range(4)},
      features=BASE | F_INDIRECT | F_EVENT_IDX)
def scribbled(f, seed):
    for n in range(5):              # a broken ring stays so until it is set up again
        with contextlib.suppress(Gone):
            f.up() if not n else (f.ring(RX), f.ring(TX), f.enable(), f.synced())
            f.idx = [0, 0]
            scribble(f, 0.2, seed * 10 + n)


@case("random messages")
def noise(f):
    rnd = random.Random(1)
    for _ in range(3000):
        f.send(rnd.randrange(45), rnd.randbytes(rnd.choice((0, 4, 8, 16, 20, 40))), [f.fd] * rnd.randrange(3))
        f.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionResetError):  # which send() sees, too
            while f.sock.recv(65536):
                pass
        f.sock.setblocking(True)
        f.sock.settimeout(PATIENCE)


@case("gone between two messages")
def vanish(f):
    f.negotiate()
    f.memory()


@case("gone with frames on their way", up=True)
def vanish_busy(f):
    for i in range(100):
        f.exchange(f.arp_frame(), slot=100 + i)


@case("ten thousand connections, each set up a little further than the one before")
def reconnects(f):
    f.sock.close()
    served = 0
    for n in range(10000):
        with Front(PATH, BASE) as g, contextlib.suppress(Gone):
            for step in (g.negotiate, g.memory, g.up, g.synced)[:n % 5]:
                step()
            served += n % 5 == 4
    ok(served == 2000, "ten thousand connections: all that was asked was answered", f"{served} of 2000")


# ---- After each of them

def honest():
    with Front(PATH) as f:
        f.up()
        return f.arp()


def one(name, how, what):
    with Front(PATH, how.get("features", BASE), how.get("protocol", 0)) as f:
        lawful = True
        try:
            if how.get("up"):
                f.up()
            lawful = how.get("honest")
            what(f)
            if lawful and not ok(f.arp(10), f"{name}: it is served"):
                return
        except Gone:
            if lawful:
                ok(False, f"{name}: it is served", "passt has closed the connection")
                return
        except (TimeoutError, socket.timeout):
            ok(False, f"{name}: passt answers")
            return
        before = ticks()
        time.sleep(REST)            # what is measured
        spent = ticks() - before
    good, why = True, ""
    try:
        if not honest():
            good, why = False, "no answer for the next guest"
    except (Gone, OSError) as e:
        good, why = False, f"next guest: {e!r}"
    if good and not until(lambda: fds() <= NONE):
        good, why = False, f"descriptors: {fds()}, not {NONE}"
    if good and spent > TICKS:
        good, why = False, f"CPU time while nothing happens: {spent} ticks"
    ok(good, name, why)


only = os.environ.get("CASES", "")
NONE = fds()
if not ok(honest(), "an honest one is served") or not ok(until(lambda: fds() <= NONE), "it leaves no descriptor"):
    sys.exit(1)
RSS = rss()
for c in CASES:
    if only not in c[0]:
        continue
    if not os.path.exists(f"/proc/{PID}"):
        ok(False, f"passt lives until: {c[0]}")
        break
    one(*c)
if os.path.exists(f"/proc/{PID}"):
    ok(rss() - RSS < 6000, "resident memory", f"{RSS} kB, then {rss()}")
print(f"1..{tests}")
