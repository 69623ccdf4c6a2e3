#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# launchers of virtual machines: a child in the foreground, whose socket path is waited for and connected to at once;
# words of all kinds that have to be understood; ended by SIGTERM, after a look at /proc/PID/comm. And what all callers
# rely on: probes, descriptors, PID files of all kinds.
. "${0%/*}/callers.bash"

player <<'END'
import json
import shutil
from vhost_front import Front
from vmm import *

S, P = TMP + "/s.socket", TMP + "/s.pid"
umask = os.umask(0o022)
os.umask(umask)
p = Player("launchers")


class Child:
    """In the foreground; the path is the sign of readiness, and the connection follows at once. Whoever loses the processor
    between bind() and listen() refuses it, and that is no more than bad luck.
    """
    def __init__(self, words, path=S):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.log = open(TMP + "/child.log", "w+b")
        self.process = subprocess.Popen([PASST] + words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=self.log)
        wait_until(lambda: os.path.exists(path) or self.process.poll() is not None)
        self.guest = None
        while not self.guest and self.process.poll() is None:
            try:
                self.guest = Guest(unix(path))
            except ConnectionRefusedError:
                time.sleep(0.005)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode()

    def end(self, how):
        how()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return None


# Words, and the lease they stand for
TABLE = (
    ("thundersnap", "--socket S --foreground --quiet -a 10.0.2.15 -g 10.0.2.2 -D none",
     "10.0.2.15 mask 255.0.0.0 router 10.0.2.2 dns  mtu 65520", []),
    ("ports in lists", "--socket S -f --no-map-gw -t 2022:22,8080:80 -u 5000",
     "198.51.100.2 mask 255.255.255.0 router 198.51.100.1 dns 198.51.100.10 mtu 65520", [(2022, 22), (8080, 80)]),
    ("cvmm", "--socket S --foreground",
     "198.51.100.2 mask 255.255.255.0 router 198.51.100.1 dns 198.51.100.10 mtu 65520", []),
    ("device plugin", "-s S -f --outbound-if4 ext -g 198.51.100.77 -4 --one-off -t 2022 --pid P",
     "198.51.100.2 mask 255.255.255.0 router 198.51.100.77 dns 198.51.100.10 mtu 65520", [(2022, 2022)]),
    ("by one interface", "--foreground --socket S --repair-path none --interface ext --outbound-if4 ext --ipv4-only --mtu 1420 "
     "--address 10.5.0.2 --netmask 24 --gateway 10.5.0.1 --no-map-gw --map-host-loopback none --map-guest-addr none "
     "--tcp-ports all --udp-ports all", "10.5.0.2 mask 255.255.255.0 router 10.5.0.1 dns 198.51.100.10 mtu 1420", [(4444, 4444)]),
    ("a3s-box", "--socket S --pid P --pcap F --foreground --address 10.88.0.2 --gateway 10.88.0.1 --netmask 255.255.255.0 "
     "--dns 198.51.100.10 --dns 198.51.100.3 --tcp-ports 2022:22,8080:80",
     "10.88.0.2 mask 255.255.255.0 router 10.88.0.1 dns 198.51.100.10 198.51.100.3 mtu 65520", [(2022, 22), (8080, 80)]),
    ("addresses of the host", "-f -s S -t 198.51.100.3/2200:22 -t 198.51.100.3/3000-3002 -u 198.51.100.3/3000-3002 -a 10.0.2.15 "
     "-n 24 -g 10.0.2.2", "10.0.2.15 mask 255.255.255.0 router 10.0.2.2 dns 198.51.100.10 mtu 65520", [(2200, 22), (3001, 3001)]),
    ("none of everything", "-f -q -s S -D none --search none --map-host-loopback none --map-guest-addr none --repair-path none "
     "--no-dhcp-dns --no-dhcp-search -t none -u none --stderr",
     "198.51.100.2 mask 255.255.255.0 router 198.51.100.1 dns  mtu 65520", []),
    ("none, in a word", "--socket-path=S -fq -D '' -S '' --tcp-ports=none --udp-port=none",
     "198.51.100.2 mask 255.255.255.0 router 198.51.100.1 dns  mtu 65520", []))
for who, words, want, forwards in TABLE:
    words = [{"S": S, "P": P, "F": TMP + "/pcap", "--socket-path=S": "--socket-path=" + S, "''": ""}.get(w, w)
             for w in words.split()]
    c = Child(words)
    g = c.guest
    if not p.ok(g, who + ": connects", c.said()):
        c.process.kill()
        continue
    lease = g.dhcp()
    p.eq(str(lease), want, who + ": lease")
    p.works(g, lease.address, lease.addresses(3), who)
    for port, lport in forwards:
        p.inbound(g, port, lport, "%s: port %d" % (who, port), "198.51.100.3")
    p.eq(comm(c.process.pid), "passt", who + ": /proc/PID/comm")
    if "--pid" in words:
        p.eq(read(P), "%d\n" % c.process.pid, who + ": PID file, in the foreground")
        os.unlink(P)
    if "--one-off" in words:
        p.eq(c.end(g.close), 0, "VM-03 %s: ends with the VM" % who)
        continue
    g.close()
    p.ok(wait_until(lambda: c.process.poll() is None and os.path.exists(S)), who + ": survives its client")
    g = Guest(unix(S))
    p.eq(str(g.dhcp()), want, "VM-01 %s: lease for the next one" % who)
    p.eq(c.end(c.process.terminate), 0, who + ": status after SIGTERM")
    p.ok(g.ended(), who + ": connection is closed")

# The path is there, and nobody would be refused: again and again
bad = 0
for i in range(10):
    c = Child(["-f", "-q", "-s", S])
    lease = c.guest and c.guest.dhcp()
    bad += not lease
    bad += c.end(c.process.terminate) != 0
p.eq(bad, 0, "path, connection, lease, SIGTERM, 10 times")

# Who connects as soon as the path is there is not refused: there is nothing between bind() and listen()
with contextlib.suppress(FileNotFoundError):
    os.unlink(S)
with subprocess.Popen(["strace", "-o", TMP + "/trace", PASST, "-f", "-q", "-s", S, "-P", P], stdin=subprocess.DEVNULL) as tracer:
    wait_until(lambda: os.path.exists(P) and read(P))
    stop(int(read(P)))
    tracer.wait(PATIENCE)
calls = read(TMP + "/trace").split("\n")
at = [i for i, line in enumerate(calls) if line.startswith("bind(") and S in line]
p.ok(len(at) == 1 and calls[at[0] + 1].startswith("listen("), "bind(), and listen() at once", calls[at[0]:at[0] + 5] if at else "none")

# A second client with another MAC address, while one is there
c = Child(["-f", "-q", "-s", S])
c.guest.dhcp()
second = Guest(unix(S), b"\2\0\0\0\0\2")
with contextlib.suppress(BrokenPipeError, ConnectionResetError):
    second.send(second.dhcp_frame(1, 9))
p.ok(second.ended(), "a second client is refused")
p.ok(c.guest.ping(REMOTE), "and the first goes on")

# SIGTERM in the middle of something: a guest that doesn't read
c.guest.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
for i in range(2000):
    c.guest.send(c.guest.dhcp_frame(1, i))
p.eq(c.end(c.process.terminate), 0, "SIGTERM while the guest doesn't read: status")

# vhost-user: its sockets, guests that come and go, and libvirt's question
def served(path):
    with Front(path) as f:
        return f.up().arp()


def start(*words, **kw):
    """In the background: its PID, once the parent has left; all that is asked for is there then"""
    rc, out, err = run([PASST, "--vhost-user", "-q", "-P", P, *words], **kw)
    p.eq((rc, out), (0, ""), "--vhost-user " + " ".join(words) + ": status")
    return int(read(P))


def mode(path):
    return oct(os.stat(path).st_mode & 0o777)


REPAIR = S + ".repair"
for f in S, REPAIR:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f)
rc, out, err = run([PASST, "--vhost-user", "-s", S, "--print-capabilities"])
p.eq((rc, json.loads(out), err, os.path.exists(S)), (0, {"type": "net"}, "", False), "--print-capabilities, and nothing else")
rc, out, err = run([PASST, "--vhost-user", "-s", S, "--repair-path", "/none/r"])
p.eq((rc, err.strip(), os.path.exists(S)), (1, "Failed to listen on socket path /none/r, of --repair-path: "
     "No such file or directory", False), "--vhost-user: a path for helpers that can't be")
pid = start("-s", S)
p.eq((mode(S), mode(REPAIR)), (oct(0o777 & ~umask), ) * 2, "--vhost-user: permissions of both sockets")
p.ok(served(S), "--vhost-user: a front end is served")
with Front(S) as f:
    f.up()
    with Front(S) as other:
        p.eq(other.sock.recv(1), b"", "--vhost-user: another one is refused")
    p.ok(f.arp(), "--vhost-user: the first goes on")
p.ok(served(S), "--vhost-user: and the next, when it has left")
p.eq(unix(REPAIR).recv(1), b"", "--vhost-user: helpers of a migration are refused")
rc, out, err = run([PASST, "--vhost-user", "-s", S])
p.ok(rc == 1 and S + " already in use" in err, "--vhost-user: a socket in use", err)
p.ok(stop(pid), "--vhost-user: SIGTERM")
os.unlink(REPAIR)
pid = start("-s", S, "--one-off", "--repair-path", "none")
p.ok(not os.path.exists(REPAIR) and served(S), "--vhost-user --one-off: a front end is served")
wait_until(lambda: comm(pid) != "passt")
p.ok(comm(pid) != "passt", "--vhost-user --one-off: it ends when the front end has left")
ours, theirs = socket.socketpair()
pid = start("--fd", str(theirs.fileno()), pass_fds=(theirs.fileno(),))
theirs.close()
p.ok(served(ours), "--vhost-user --fd: a front end is served")
wait_until(lambda: comm(pid) != "passt")
p.ok(comm(pid) != "passt" and not os.path.exists(REPAIR), "--vhost-user --fd: it ends with the connection")

# What all rely on: probes
rc, out, err = run([PASST, "--version"])
p.eq((rc, out[:6], err), (0, "passt ", ""), "--version in a pipe")
rc, out, err = run([PASST, "--help"])
p.ok(rc == 0 and all(o in out + err for o in (
    "--socket", "--fd", "--one-off", "--mtu", "--map-host-loopback", "--map-guest-addr", "--dns-forward", "--runas", "--pid",
    "--tcp-ports", "--udp-ports", "--no-map-gw", "--no-dhcp-dns", "--freebind")), "--help in a pipe, to its end", out)
rc, out, err = run([PASST, "-q", "--nothing"])
p.ok(rc == 1 and "unrecognized option '--nothing'" in err, "CLI-04 unknown option, also with -q", err)
for words in "--netns x", "--config-net", "-T 1", "--ns-ifname x":
    rc, out, err = run([PASST] + words.split())
    p.ok(rc == 1 and err.count("\n") == 1, words + ": not for passt", err)
p.eq(run([PASST, "nothing"])[0], 1, "an argument: not for passt")

# Default path: the first that is free, in a /tmp of its own
shutil.copy(PASST, "/run/passt")
rc, out, err = run(["unshare", "-m", "sh", "-c", "mount -t tmpfs none /tmp && for i in 1 2 3; do "
                    "/run/passt -P /run/p && cat /run/p || exit; [ $i != 1 ] || { kill -9 $(cat /run/p); "
                    "n=0; while [ $n -lt 1000 ] && kill -0 $(cat /run/p) 2>/dev/null; do n=$((n + 1)); sleep .01; done; "
                    "}; done; ls /tmp"])
out = out.split()
p.eq((rc, out[3:]), (0, ["passt_1.socket", "passt_2.socket"]), "default paths: one that was left, then another")
for path, at in (("/tmp/passt_1.socket", 0), ("/tmp/passt_2.socket", err.rfind("start qemu"))):
    p.has(err[max(0, at):], "addr.path=" + path, "default path: qemu's words")
for pid in out[1:3]:
    p.ok(comm(int(pid)) == "passt" and stop(int(pid)), "default path: SIGTERM")

# PID files of all kinds
os.mkfifo(TMP + "/fifo")
with subprocess.Popen(["cat", TMP + "/fifo"], stdout=subprocess.PIPE) as cat:
    rc, out, err = run([PASST, "-q", "-s", S, "-P", TMP + "/fifo"])
    text = cat.communicate(timeout=PATIENCE)[0].decode()
p.ok(rc == 0 and text == "%d\n" % int(text) and stop(int(text)), "PID file is a FIFO", err)
rc, out, err = run([PASST, "-q", "-s", S, "-P", "/proc/self/fd/1"])
p.ok(rc == 0 and out == "%d\n" % int(out) and stop(int(out)), "PID file is stdout", err)
with open(P, "w") as f:
    f.write("something longer than a number\n")
rc, out, err = run([PASST, "-q", "-s", S, "-P", P])
p.ok(rc == 0 and read(P) == "%d\n" % int(read(P)) and stop(int(read(P))), "PID file that was there", err)
rc, out, err = run([PASST, "-q", "-s", S, "-P", TMP + "/none/pid"])
p.ok(rc == 1 and "/none/pid" in err, "PID file that can't be made: message, also with -q", err)

# A host that has IPv6 switched off
os.system("sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
c = Child(["-f", "-q", "-s", S, "-t", "2022:22", "-u", "5000"])
if p.ok(c.guest, "FWD-23 no IPv6: ports", c.said()):
    p.eq(str(c.guest.dhcp())[:13], "198.51.100.2 ", "FWD-23 no IPv6: lease")
    p.works(c.guest, HOST, "198.51.100.1", "FWD-23 no IPv6")
    p.inbound(c.guest, 2022, 22, "FWD-23 no IPv6: port")
    p.eq(c.end(c.process.terminate), 0, "FWD-23 no IPv6: SIGTERM")

# Isolation, and what is let go
r, w = os.pipe()
rc, out, err = run([PASST, "-q", "-s", S, "-P", P], pass_fds=(w,), env={})
os.close(w)
p.ok(rc == 0 and select.select([r], [], [], PATIENCE)[0] and os.read(r, 1) == b"", "descriptors of the caller's are closed", err)
pid = int(read(P))
for fd in range(3):
    st = os.stat("/proc/%d/fd/%d" % (pid, fd))
    p.eq((os.major(st.st_rdev), os.minor(st.st_rdev)), (1, 3), "standard stream %d is /dev/null" % fd)
status = dict(line.split(":\t", 1) for line in read("/proc/%d/status" % pid).split("\n") if ":\t" in line)
p.eq([status[c] for c in ("CapInh", "CapPrm", "CapEff", "CapAmb")], ["0" * 16] * 4, "SEC-07 no capabilities")
p.eq((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), "SEC-07 no new privileges, filter of system calls")
p.eq(os.listdir("/proc/%d/root" % pid), [], "root directory is empty")
p.ok(stop(pid), "no environment: it ran, and SIGTERM ends it")
END

done_testing
