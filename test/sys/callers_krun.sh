#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# muvm, libkrun and what builds on it: one end of a socket pair as a descriptor of any number, no sign of readiness at
# all, first frames before anybody reads them, DHCP with Rapid Commit answered at once, frames read with MSG_WAITALL;
# closing is the end
. "${0%/*}/callers.bash"

player <<'END'
from vmm import *

RAPID = b"\x50\x00"


class Krun:
    """A VM: @frames are in the socket before passt is started, with @words around --fd"""
    def __init__(self, fd, words, frames=(), after=(), sndbuf=16 << 20):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        self.guest = Guest(ours)
        for f in frames:
            self.guest.send(f)
        self.log = open(TMP + "/krun.log", "w+b")
        self.process = subprocess.Popen(with_fd(theirs.fileno(), fd, [PASST] + words + ["--fd", str(fd)] + list(after)),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
                                        pass_fds=(theirs.fileno(),))
        theirs.close()

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def end(self):
        """Closes; status, None if it doesn't end"""
        self.guest.close()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None


p = Player("libkrun")
probe = Guest(socket.socketpair()[0])       # for its frames

# Words in front of and behind --fd, numbers of all kinds
for who, fd, words, after, discover, forwards in (
        ("muvm", 47, ["-q", "-f"], [], probe.dhcp_frame(1, 1, RAPID, True), []),
        ("muvm, ports", 12, ["-q", "-f"], ["-t", "127.0.0.1/8000-8001:80-81", "-u", "5353-5353:53-53", "-t", "9000-9000:9000-9000"],
         probe.dhcp_frame(1, 1, RAPID, True), [(8001, 81, "127.0.0.1"), (9000, 9000, HOST)]),
        ("libkrun's tests", 3, ["-f"], [], probe.dhcp_frame(1, 1, RAPID), []),
        ("nitro", 100, ["-t", "all", "-f"], [], probe.dhcp_frame(1, 1, RAPID), [(8008, 8008, HOST)]),
        ("LIFE-10 any order of options", 7, ["-f", "-m", "1500", "-a", HOST, "-P", TMP + "/pid"], ["-g", "198.51.100.1", "-q"],
         probe.dhcp_frame(1, 1, RAPID), [])):
    k = Krun(fd, words, [discover], after)
    g = k.guest
    lease = g.dhcp_reply(1)
    if p.ok(lease, who + ": a frame sent before passt is up is answered", k.said()):
        p.eq((lease.type, 80 in lease.options), (5, True), "CFG-10 %s: DISCOVER with Rapid Commit, ACK at once" % who)
        p.eq(lease.address, HOST, who + ": address")
        mtu = int.from_bytes(lease.get(26), "big")
        p.ok(1280 <= mtu <= 65520 and lease.get(1) and lease.get(3) and lease.get(6), who + ": mask, router, DNS, MTU", str(lease))
        to = BROADCAST if discover[14 + 28 + 10] else MAC
        p.eq(lease.packet.dmac, to, "CFG-10 %s: to whom the flag says" % who)
        g.gw_mac = lease.packet.smac
        p.works(g, HOST, "198.51.100.1", who)
        for port, lport, host in forwards:
            p.inbound(g, port, lport, "%s, port %d" % (who, port), host)
    p.ok("q" not in "".join(words + after) or k.said() == "", who + ": no output with -q", k.said())
    p.eq(comm(k.process.pid), "passt", who + ": the process is passt itself")
    p.eq(k.end(), 0, "VM-03 %s: ends when the VM does" % who)

# Its own DHCP client gives up after 100 ms
k = Krun(5, ["-q", "-f"])
g = k.guest
g.address = HOST
g.arp("198.51.100.1")       # it is up
took = []
for i in range(8):
    begin = time.monotonic()
    g.send(g.dhcp_frame(1, 50 + i, RAPID, True))
    p.ok(g.dhcp_reply(50 + i), "DISCOVER %d" % i)
    took.append(time.monotonic() - begin)
p.ok(min(took) < 0.1, "answers within 100 ms", took)
# Without Rapid Commit: four messages
p.eq(g.dhcp().type, 5, "OFFER, REQUEST, ACK")

# VM-11 largest frames there are, both ways; libkrun reads them with MSG_WAITALL
whole = os.urandom(65507)
p.ok(g.udp(REMOTE, 7000, whole) == whole, "VM-11 a datagram of 65507 bytes, in a frame of 65549, and back in pieces")
p.ok(g.udp(REMOTE, 7000, whole[:65492]) == whole[:65492], "VM-11 the largest that fits the MTU, both ways")
p.eq(max(len(x.frame) for x in g.log), 65534, "VM-11 in one frame")
p.eq(g.bad, 0, "VM-11 runts or bad checksums")
p.eq(k.end(), 0, "VM-11 ends")

# VM-12 a VM that doesn't read for a while, under more than any buffer holds; then frames are whole, and it goes on
k = Krun(6, ["-q", "-f", "-u", "6000", "-t", "6000"])
g = k.guest
g.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
g.dhcp()
c = socket.create_connection((HOST, 6000), timeout=PATIENCE)
t = g.accept(6000)
c.setblocking(False)
sent = bytearray()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
    for i in range(3000):
        u.sendto(struct.pack(">I", i) * 2000, (HOST, 6000))
        with contextlib.suppress(BlockingIOError):
            block = os.urandom(8000)
            sent += block[:c.send(block)]
p.ok(k.process.poll() is None, "VM-12 lives while nobody reads")
cut = None
order = []
try:
    t.read(len(sent))
    order = [struct.unpack(">I", x.data[:4])[0] for x in g.log if x.proto == 17 and x.dport == 6000]
except Cut as e:
    cut = e
p.eq(cut, None, "VM-12 every frame is whole")
p.ok(t.got == bytes(sent), "VM-12 TCP lost nothing", "%d bytes of %d" % (len(t.got), len(sent)))
p.ok(order == sorted(set(order)) and order, "VM-12 datagrams are in order", len(order))
p.eq(g.bad, 0, "VM-12 runts or bad checksums")
p.ok(g.ping(REMOTE), "VM-12 and it goes on")
p.eq(k.end(), 0, "VM-12 ends")

# A VM that is gone before passt is up
ours, theirs = socket.socketpair()
ours.close()
r = subprocess.run(with_fd(theirs.fileno(), 9, [PASST, "-q", "-f", "--fd", "9"]), check=False, timeout=PATIENCE,
                   pass_fds=(theirs.fileno(),)).returncode
p.ok(r in (0, 1), "a VM that is gone already: it ends", r)
theirs.close()

# VM managers that read what it says: lines after one with "DHCP:", within 5 s
k = Krun(11, ["-f"])
seen = wait_until(lambda: "router:" in k.said(), 5)
lines = [x.strip() for x in k.said().split("\n")]
p.ok(seen, "banner", lines)
at = [i for i, x in enumerate(lines) if "DHCP:" in x]
found = {}
for x in lines[at[0] + 1:] if at else []:
    word, _, value = x.partition(": ")
    if word in ("assign", "mask", "router"):
        found.setdefault(word, value)
p.eq(found, {"assign": HOST, "mask": "255.255.255.0", "router": "198.51.100.1"}, "banner: what a manager takes from it")
p.eq(k.end(), 0, "banner: ends")

# Not a descriptor that could be a link
for fd, what in (99, "not open"), (0, "not a socket"):
    rc, _, err = run([PASST, "-f", "--fd", str(fd)])
    p.ok(rc == 1 and err, "--fd %d, %s: status 1 and a message" % (fd, what), "%d %s" % (rc, err))
END

done_testing
