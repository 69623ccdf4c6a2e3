# SPDX-License-Identifier: GPL-2.0-or-later
"""What a virtual machine monitor sees of passt: processes, sockets, and a guest of few words behind them.

Player		runs passt with exactly the words and descriptors of a caller, and reports in TAP
Guest		a frame at a time on a stream socket: DHCP, ARP, NDP, echo, UDP, and just enough TCP

A frame is read as some callers do it: four bytes, then as many as they say, with MSG_WAITALL. A frame that is cut
therefore shows as one, after PATIENCE. Checksums of all that arrives are verified.
"""
import array
import contextlib
import ipaddress
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time

PATIENCE = 20
PASST = os.environ["PASST"]
TMP = os.environ["T"]
MAC = bytes.fromhex("525400123456")
BROADCAST = b"\xff" * 6
MSS_8960 = b"\x02\x04\x23\x00"
HOST, REMOTE, REMOTE6 = "198.51.100.2", "198.51.100.10", "2001:db8:1::10"


def ip(text):
    return ipaddress.ip_address(text).packed


def text_of(address):
    return str(ipaddress.ip_address(address))


def csum(data):
    if len(data) % 2:
        data += b"\0"
    words = array.array("H", data)
    if sys.byteorder == "little":
        words.byteswap()
    s = sum(words)
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def l4_csum(src, dst, proto, l4):
    return csum(src + dst + struct.pack(">IHBB", len(l4), 0, 0, proto) + l4)


class Packet:
    """A frame taken apart; what it doesn't have is None"""
    def __init__(self, frame):
        self.frame = frame
        self.dmac, self.smac, self.type = frame[:6], frame[6:12], struct.unpack(">H", frame[12:14])[0]
        self.src = self.dst = self.proto = self.l4 = self.sport = self.dport = self.data = self.flags = None
        self.good, self.piece = True, None
        b = frame[14:]
        if self.type == 0x800:
            ihl, total = (b[0] & 15) * 4, struct.unpack(">H", b[2:4])[0]
            self.src, self.dst, self.proto, self.l4 = b[12:16], b[16:20], b[9], b[ihl:total]
            self.good = csum(b[:ihl]) == 0 and len(b) >= total
            if struct.unpack(">H", b[6:8])[0] & 0x3fff:
                self.piece, self.l4 = struct.unpack(">H", b[6:8])[0], b[ihl:total]
                return
        elif self.type == 0x86dd:
            self.src, self.dst, self.proto, self.l4 = b[8:24], b[24:40], b[6], b[40:40 + struct.unpack(">H", b[4:6])[0]]
        elif self.type == 0x806:
            self.op, self.sha, self.spa, self.tha, self.tpa = struct.unpack(">6xH6s4s6s4s", b[:28])
        if self.l4 is not None:
            self.transport()

    def transport(self):
        l4 = self.l4
        if self.proto == 1:
            self.good &= csum(l4) == 0
        elif not (self.proto == 17 and l4[6:8] == b"\0\0"):
            self.good &= l4_csum(self.src, self.dst, self.proto, l4) == 0
        if self.proto == 17:
            self.sport, self.dport = struct.unpack(">HH", l4[:4])
            self.data = l4[8:]
        elif self.proto == 6:
            self.sport, self.dport, self.seq, self.ack, off, self.flags, self.win = struct.unpack(">HHIIBBH", l4[:16])
            self.data = l4[(off >> 4) * 4:]


def dhcp_options(data):
    out, i = {}, 240
    while i < len(data) and data[i] != 255:
        if data[i] == 0:
            i += 1
            continue
        out[data[i]] = out.get(data[i], b"") + data[i + 2:i + 2 + data[i + 1]]
        i += 2 + data[i + 1]
    return out


def domain(data, at):
    """The name at a place, compressed or not (RFC 1035 4.1.4), and the place behind it"""
    labels, end = [], None
    while data[at]:
        if data[at] >= 0xc0:
            end = end or at + 2
            at = (data[at] & 0x3f) << 8 | data[at + 1]
            continue
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), end or at + 1


def domains(data):
    names, at = [], 0
    while at < len(data):
        name, at = domain(data, at)
        names.append(name)
    return " ".join(names)


class Lease:
    def __init__(self, p):
        self.packet, self.options = p, dhcp_options(p.data)
        self.type = self.options[53][0]
        self.address = text_of(p.data[16:20])

    def get(self, code):
        return self.options.get(code, b"")

    def addresses(self, code):
        v = self.get(code)
        return " ".join(text_of(v[i:i + 4]) for i in range(0, len(v), 4))

    def __str__(self):
        mtu = self.get(26)
        return "%s mask %s router %s dns %s mtu %s" % (
            self.address, self.addresses(1), self.addresses(3), self.addresses(6), int.from_bytes(mtu, "big") if mtu else "-")


class Cut(Exception):
    pass


class Guest:
    def __init__(self, sock, mac=MAC):
        self.s, self.mac, self.gw_mac, self.address, self.bad, self.cid = sock, mac, BROADCAST, None, 0, 0
        self.log = []       # all that came
        self.pieces = {}
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", PATIENCE, 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", PATIENCE, 0))

    def close(self):
        self.s.close()

    # ---- frames

    def send(self, frame):
        self.s.sendall(struct.pack(">I", len(frame)) + frame)

    def read(self, n):
        try:
            b = self.s.recv(n, socket.MSG_WAITALL)
        except BlockingIOError:
            raise Cut("no byte of %d" % n) from None
        if b and len(b) < n:
            raise Cut("%d bytes of %d" % (len(b), n))
        return b

    def recv(self, timeout=PATIENCE):
        """Next packet; None if there is none, False at the end of file"""
        if not select.select([self.s], [], [], timeout)[0]:
            return None
        try:
            head = self.read(4)
        except ConnectionResetError:
            return False
        if not head:
            return False
        p = Packet(self.read(struct.unpack(">I", head)[0]))
        self.bad += not p.good or len(p.frame) < 60
        if p.piece is not None:
            p = self.join(p)
        self.log.append(p)
        self.answer(p)
        return p

    def join(self, p):
        """Pieces of a packet: the last that comes is the whole"""
        key = (p.src, p.dst, p.proto, p.frame[18:20])
        pieces = self.pieces.setdefault(key, {})
        pieces[(p.piece & 0x1fff) * 8] = p
        have, last = 0, False
        while have in pieces and not last:
            last = not pieces[have].piece & 0x2000
            have += len(pieces[have].l4)
        if last:
            p.l4, p.piece = b"".join(pieces[at].l4 for at in sorted(pieces)), None
            p.transport()
            self.bad += not p.good
            del self.pieces[key]
        return p

    def answer(self, p):
        """What any stack answers"""
        if p.type == 0x806 and p.op == 1 and self.address and p.tpa == ip(self.address):
            self.send(p.smac + self.mac + struct.pack(">HHHBBH6s4s6s4s", 0x806, 1, 0x800, 6, 4, 2, self.mac, p.tpa,
                                                      p.sha, p.spa))

    def wait(self, match, timeout=PATIENCE):
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            p = self.recv(left)
            if not p:
                return None
            if match(p):
                return p
        return None

    def ended(self, timeout=PATIENCE):
        """Is the connection over, after whatever is still in it?"""
        return self.wait(lambda p: False, timeout) is None and self.recv(0) is False

    # ---- packets

    def eth(self, kind, payload, dmac=None):
        return (dmac or self.gw_mac) + self.mac + struct.pack(">H", kind) + payload

    def send_ip(self, src, dst, proto, l4):
        src, dst = ip(src), ip(dst)
        if len(dst) == 16:
            h = struct.pack(">IHBB", 6 << 28, len(l4), proto, 64) + src + dst
            return self.send(self.eth(0x86dd, h + l4))
        h = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(l4), 1, 0, 64, proto, 0) + src + dst
        return self.send(self.eth(0x800, h[:10] + struct.pack(">H", csum(h)) + h[12:] + l4))

    def send_udp(self, src, sport, dst, dport, data):
        u = struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data
        u = u[:6] + struct.pack(">H", l4_csum(ip(src), ip(dst), 17, u) or 0xffff) + u[8:]
        self.send_ip(src, dst, 17, u)

    # ---- protocols

    def arp(self, address):
        """MAC address behind an IPv4 address, which is that of the gateway from now on"""
        me = ip(self.address or "0.0.0.0")
        self.send(self.eth(0x806, struct.pack(">HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, self.mac, me, b"\0" * 6,
                                              ip(address)),
                           BROADCAST))
        p = self.wait(lambda p: p.type == 0x806 and p.op == 2 and p.spa == ip(address))
        if p:
            self.gw_mac = p.sha
        return p.sha.hex(":") if p else None

    def dhcp_frame(self, kind, xid, options=b"", broadcast=False):
        m = struct.pack(">BBBBIHH16x6s202xI", 1, 1, 6, 0, xid, 0, 0x8000 if broadcast else 0, self.mac, 0x63825363)
        m += b"\x35\x01" + bytes([kind]) + options + b"\x37\x06\x01\x03\x06\x1a\x0c\x77\xff"
        u = struct.pack(">HHHH", 68, 67, 8 + len(m), 0) + m
        h = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(u), 1, 0, 64, 17, 0) + b"\0" * 4 + b"\xff" * 4
        return self.eth(0x800, h[:10] + struct.pack(">H", csum(h)) + h[12:] + u, BROADCAST)

    def dhcp_reply(self, xid, timeout=PATIENCE):
        p = self.wait(lambda p: p.proto == 17 and p.sport == 67 and p.data[4:8] == struct.pack(">I", xid), timeout)
        return Lease(p) if p else None

    def dhcp(self, options=b"", broadcast=False):
        """DISCOVER, OFFER, REQUEST, ACK: the lease, which the guest has from now on"""
        self.send(self.dhcp_frame(1, 0x1001, options, broadcast))
        offer = self.dhcp_reply(0x1001)
        if not offer or offer.type != 2:
            return offer
        self.send(self.dhcp_frame(3, 0x1002, b"\x36\x04" + offer.get(54) + b"\x32\x04" + ip(offer.address) + options,
                                  broadcast))
        lease = self.dhcp_reply(0x1002)
        if lease and lease.type == 5:
            self.address, self.gw_mac = lease.address, lease.packet.smac
        return lease

    def ping(self, dst):
        self.cid += 1
        e = struct.pack(">BBHHH", 8, 0, 0, 77, self.cid) + b"are you there"
        self.send_ip(self.address, dst, 1, e[:2] + struct.pack(">H", csum(e)) + e[4:])
        want = b"\0\0" + struct.pack(">HH", 77, self.cid)
        return bool(self.wait(lambda p: p.proto == 1 and p.piece is None and p.src == ip(dst)
                              and p.l4[:2] + p.l4[4:8] == want))

    def udp(self, dst, dport, data, src=None, sport=5353):
        """What comes back for a datagram"""
        self.send_udp(src or self.address, sport, dst, dport, data)
        p = self.wait(lambda p: p.proto == 17 and p.src == ip(dst) and p.sport == dport and p.dport == sport)
        return p.data if p else None

    def solicit(self, timeout=PATIENCE):
        """Router advertisement that answers a solicitation"""
        src, dst = "fe80::5054:ff:fe12:3456", "ff02::2"
        m = b"\x85\0\0\0\0\0\0\0\x01\x01" + self.mac
        m = m[:2] + struct.pack(">H", l4_csum(ip(src), ip(dst), 58, m)) + m[4:]
        h = struct.pack(">IHBB", 6 << 28, len(m), 58, 255) + ip(src) + ip(dst)
        self.send(self.eth(0x86dd, h + m, bytes.fromhex("333300000002")))
        p = self.wait(lambda p: p.proto == 58 and p.l4[0] == 134, timeout)
        if p:
            self.gw_mac = p.smac
        return p

    def connect(self, dst, dport, src=None):
        """An established connection; None if it is refused"""
        self.cid += 1
        t = Tcp(self, src or self.address, 40000 + self.cid, dst, dport)
        t.emit(2, options=MSS_8960)
        p = t.wait(lambda p: p.flags & 0x16)
        if not p or p.flags & 4:
            return None
        t.rcv, t.snd = p.seq + 1, t.snd + 1
        t.emit(16)
        return t

    def accept(self, dport, timeout=PATIENCE):
        """A connection from the host's side"""
        p = self.wait(lambda p: p.proto == 6 and p.flags & 0x17 == 2 and p.dport == dport, timeout)
        if not p:
            return None
        t = Tcp(self, text_of(p.dst), dport, text_of(p.src), p.sport)
        t.dmac, t.rcv = p.smac, p.seq + 1
        t.emit(18, options=MSS_8960)
        t.snd += 1
        return t if t.wait(lambda p: p.flags & 16 and p.ack == t.snd) else None


class Tcp:
    """One connection of the guest's, on a link that loses nothing"""
    def __init__(self, guest, src, sport, dst, dport):
        self.g, self.src, self.sport, self.dst, self.dport = guest, src, sport, dst, dport
        self.snd, self.rcv, self.dmac, self.got, self.fin = 1000, 0, None, b"", False

    def emit(self, flags, data=b"", options=b""):
        h = struct.pack(">HHIIBBHHH", self.sport, self.dport, self.snd & 0xffffffff, self.rcv & 0xffffffff,
                        (20 + len(options)) // 4 << 4, flags, 60000, 0, 0) + options + data
        h = h[:16] + struct.pack(">H", l4_csum(ip(self.src), ip(self.dst), 6, h)) + h[18:]
        self.g.send_ip(self.src, self.dst, 6, h)

    def ours(self, p):
        return p.proto == 6 and (p.src, p.sport, p.dport) == (ip(self.dst), self.dport, self.sport)

    def wait(self, match, timeout=PATIENCE):
        return self.g.wait(lambda p: self.ours(p) and self.take(p) and match(p), timeout)

    def take(self, p):
        """Takes data in order, and acknowledges it"""
        if not p.flags & 2 and (p.data or p.flags & 1):
            if p.seq == self.rcv & 0xffffffff and not self.fin:
                self.got += p.data
                self.fin = bool(p.flags & 1)
                self.rcv += len(p.data) + self.fin
            self.emit(16)
        return True

    def write(self, data, fin=False):
        self.emit(0x19 if fin else 0x18, data)
        self.snd += len(data) + fin
        return self.wait(lambda p: p.flags & 16 and p.ack == self.snd & 0xffffffff)

    def read(self, n=None):
        """@n bytes, or all to the end"""
        while not (self.fin or (n is not None and len(self.got) >= n)):
            before = len(self.got)
            p = self.wait(lambda p: self.fin or len(self.got) > before or p.flags & 4)
            if not p or p.flags & 4:
                break
        return self.got


class Player:
    """Runs a program as a caller does; results in TAP"""
    def __init__(self, who):
        self.who, self.n, self.failed = who, 0, 0

    def ok(self, good, what, why=""):
        self.n += 1
        self.failed += not good
        print("%sok %d - %s: %s" % ("" if good else "not ", self.n, self.who, what), flush=True)
        if not good:
            print("\n".join("# " + line for line in str(why).split("\n")[:40]), flush=True)
        return bool(good)

    def eq(self, got, want, what):
        return self.ok(got == want, what, "got:  %r\nwant: %r" % (got, want))

    def has(self, text, part, what):
        return self.ok(part in text, what, "got:  %r\nwant: %r in it" % (text, part))

    def works(self, g, address, gw, what="it works"):
        """A guest that has its lease: gateway, echo, UDP, TCP"""
        g.address = address
        self.ok(g.arp(gw), what + ": ARP")
        self.ok(g.ping(REMOTE), what + ": echo")
        self.eq(g.udp(REMOTE, 7000, b"a datagram"), b"a datagram", what + ": UDP")
        t = g.connect(REMOTE, 7000)
        if self.ok(t, what + ": TCP connects"):
            t.write(b"a line", fin=True)
            self.eq(t.read(), b"a line", what + ": TCP, and closes")
        self.eq(g.bad, 0, what + ": runts or bad checksums")

    def inbound(self, g, port, lport, what, host=HOST):
        """A connection to a forwarded port of the host's"""
        with socket.create_connection((host, port), timeout=PATIENCE) as c:
            t = g.accept(lport)
            if not self.ok(t, what + ": SYN", "none"):
                return
            c.sendall(b"from outside")
            self.eq(t.read(12), b"from outside", what + ": to the guest")
            t.write(b"from inside", fin=True)
            self.eq(c.recv(100), b"from inside", what + ": from the guest")


# ---- what callers do

def wait_until(condition, timeout=PATIENCE):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def run(argv, **kw):
    """As most do: output through pipes, to their end. Status, stdout, stderr"""
    kw.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=3 * PATIENCE, check=False, **kw)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def comm(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().rstrip("\n")
    except (FileNotFoundError, ProcessLookupError):
        return None


def gone(pid):
    """Not there, or nobody has waited for it yet"""
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def stop(pid):
    """SIGTERM, and what was observed: did it end?"""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    return wait_until(lambda: gone(pid))


def read(path):
    with open(path, "rb") as f:
        return f.read().decode()


def unix(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(path)
    return s


def with_fd(fd, n, argv):
    """Words that run a program with @fd as its descriptor @n, and as no other; only @fd is to be passed"""
    if fd == n:
        return argv
    return ["/bin/bash", "-c", 'exec "$0" "$@" %d<&%d %d<&-' % (n, fd, fd)] + argv


def serve():
    """On the remote host: says TCP and UDP back, port 7000; what came to UDP port 53, too"""
    udp = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2)]
    for s, port in zip(udp, (7000, 53)):
        s.bind(("::", port))
    listener = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    conns = []
    print("ready", flush=True)
    while True:
        for s in select.select(udp + [listener] + conns, [], [])[0]:
            if s is listener:
                conns.append(s.accept()[0])
            elif s in udp:
                s.sendto(*s.recvfrom(70000))
            else:
                data = b""
                with contextlib.suppress(ConnectionResetError):
                    data = s.recv(70000)
                if data:
                    s.sendall(data)
                else:
                    conns.remove(s)
                    s.close()


if __name__ == "__main__":
    serve()
