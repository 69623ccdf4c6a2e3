#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU's -netdev passt: one end of a socket pair as descriptor 3, an empty PID file that is there, its own standard
# streams inherited; the parent's end means ready; SIGTERM and the same command line again when the connection is lost
. "${0%/*}/callers.bash"

player <<'END'
from vmm import *

PIDFILE = TMP + "/passt-Xy12Zz.pid"


class Qemu:
    """One start, until it is stopped"""
    def __init__(self, options, quiet=True):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.argv = [PASST] + ["--quiet"] * quiet + options + ["--pid", PIDFILE, "--fd", "3"]
        with open(TMP + "/streams", "w+b") as streams:
            self.rc = subprocess.run(with_fd(theirs.fileno(), 3, self.argv), stdin=0, stdout=streams, stderr=streams,
                                     pass_fds=(theirs.fileno(),), check=False, timeout=PATIENCE).returncode
            streams.seek(0)
            self.output = streams.read().decode()
        theirs.close()
        self.guest = Guest(ours)
        self.pid = int(read(PIDFILE) or "0")


p = Player("QEMU")
open(PIDFILE, "w").close()
inode = os.stat(PIDFILE).st_ino

# All that may be set, in this order
ALL = """--mtu 1500 --address 10.0.2.15 --netmask 255.255.255.0 --mac-addr 52:55:0a:00:02:02 --gateway 10.0.2.2 --interface ext
    --outbound 198.51.100.3 --outbound-if4 ext --outbound-if6 ext --dns 198.51.100.10 --fqdn guest.example.org
    --map-host-loopback 10.0.2.4 --map-guest-addr 10.0.2.5 --dns-forward 10.0.2.3 --dns-host 198.51.100.10 --freebind""".split()
PORTS = ["--search", "a.example b.example", "--tcp-ports", "2222:22,8080:80", "--udp-ports", "127.0.0.1/5000-5002:6000-6002"]

q = Qemu(ALL + PORTS)
p.eq(q.output, "", "no output")
if p.eq(q.rc, 0, "parent ends"):
    p.eq(read(PIDFILE), "%d\n" % q.pid, "PID file")
    p.eq(os.stat(PIDFILE).st_ino, inode, "PID file is the one that was there")
    p.eq(comm(q.pid), "passt", "/proc/PID/comm")
    g = q.guest
    lease = g.dhcp()
    p.eq(str(lease), "10.0.2.15 mask 255.255.255.0 router 10.0.2.2 dns 198.51.100.10 mtu 1500", "lease")
    p.eq(domains(lease.get(119)), "a.example b.example", "search list")
    p.eq(g.arp("10.0.2.2"), "52:55:0a:00:02:02", "--mac-addr")
    p.works(g, "10.0.2.15", "10.0.2.2")
    p.eq(g.udp("10.0.2.3", 53, b"query"), b"query", "--dns-forward")
    p.inbound(g, 2222, 22, "--tcp-ports, by loopback", "127.0.0.1")
    p.inbound(g, 8080, 80, "--tcp-ports, another port")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
        u.sendto(b"in", ("127.0.0.1", 5002))
        d = g.wait(lambda x: x.proto == 17 and x.dport == 6002)
        p.eq(d and d.data, b"in", "--udp-ports")

    # The connection is lost because somebody ended passt, while forwarded ports are in use: SIGTERM to whoever has that
    # PID, and again, with the same words
    for i in range(8):
        c = socket.create_connection((HOST, 8080))
        p.ok(g.accept(80), "restart %d: a connection is there" % i)
        pid = q.pid
        os.kill(pid, signal.SIGTERM if i % 2 else signal.SIGKILL)
        p.ok(g.ended(), "restart %d: QEMU notices" % i)
        g.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        q = Qemu(ALL + PORTS)
        c.close()
        if not p.ok(q.rc == 0, "restart %d: ports are free at once" % i, q.output):
            raise SystemExit
        g = q.guest
        p.ok(wait_until(lambda: gone(pid)), "restart %d: the former has ended" % i)
        p.ok(q.pid != pid and not gone(q.pid), "restart %d: PID file has the new one" % i)
    p.eq(str(g.dhcp())[:10], "10.0.2.15 ", "VM-01 after restarts: lease")
    p.works(g, "10.0.2.15", "10.0.2.2", "after restarts: it works")
    p.ok(stop(q.pid), "SIGTERM ends it")
    p.ok(g.ended(), "and closes the socket")
    p.eq(read(PIDFILE), "%d\n" % q.pid, "PID file stays, for QEMU to remove")



# Options that each switch something off: what must not come had its chance before what always comes
def syn(g): Tcp(g, g.address, 40000, REMOTE, 7000).emit(2)
def datagram(g): g.send_udp(g.address, 40000, REMOTE, 7000, b"x")
def echo(g): g.send_ip(g.address, REMOTE, 1, b"\x08\0\xf7\xfc\0\1\0\2")
def discover(g): g.send(g.dhcp_frame(1, 7))
def ping(g): return g.ping(REMOTE)
def arp(g): return g.arp("198.51.100.1")
def solicit(g): g.solicit(0)


OFF = (
    ("--no-tcp", syn, ping, lambda x: x.proto == 6 and x.flags & 2),
    ("--no-udp", datagram, ping, lambda x: x.proto == 17),
    ("--no-icmp", echo, lambda g: g.udp(REMOTE, 7000, b"y"), lambda x: x.proto == 1 and x.l4[0] == 0),
    ("--no-dhcp", discover, arp, lambda x: x.proto == 17),
    ("--no-ndp", solicit, arp, lambda x: x.proto == 58),
    ("--no-ra", solicit, arp, lambda x: x.proto == 58 and x.l4[0] == 134),
    ("--ipv4-only", solicit, arp, lambda x: x.type == 0x86dd),
    ("--ipv6-only", discover, lambda g: g.solicit(), lambda x: x.type == 0x800),
    ("--no-dhcp-dns", discover, arp, lambda x: x.proto == 17 and 6 in Lease(x).options),
    ("--no-dhcp-search", discover, arp, lambda x: x.proto == 17 and 119 in Lease(x).options),
    ("--no-dhcpv6", echo, ping, lambda x: x.proto == 17),
    ("--map-host-loopback none", echo, ping, lambda x: False),
    ("--map-guest-addr none", echo, ping, lambda x: False))
for words, stimulus, mark, match in OFF:
    open(PIDFILE, "w").close()
    q = Qemu(words.split())
    if p.ok(q.rc == 0, words, q.output):
        g = q.guest
        g.address = HOST
        p.ok(words == "--ipv6-only" or arp(g), words + ": ARP")
        g.log.clear()
        stimulus(g)
        p.ok(mark(g), words + ": the rest works")
        p.eq([x.frame for x in g.log if match(x)], [], words + ": is off")
        p.ok(stop(q.pid), words + ": ends")
    q.guest.close()

# quiet=off: the words that say what was chosen are on QEMU's own stderr
q = Qemu([], quiet=False)
p.eq(q.rc, 0, "quiet=off")
p.has(q.output, "DHCP:", "quiet=off: banner")
q.guest.close()
p.ok(wait_until(lambda: gone(q.pid)), "end of the connection ends it: nobody else could use it")

# Failure: QEMU only has the status; the user reads stderr
listener = socket.create_server(("0.0.0.0", 8080))
q = Qemu(["--tcp-ports", "8080:80"])
p.eq(q.rc, 1, "FWD-16 port in use: status")
p.has(q.output, "Address already in use", "FWD-16 port in use: message, also with --quiet")
END

done_testing
