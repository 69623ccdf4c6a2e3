#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libvirt: runs as the user of QEMU, without capabilities, output read to its end; --one-off, PID file and socket in a
# directory of that user's; QEMU connects when it is over, and reconnects as long as somebody listens; SIGTERM and, 10 s
# later, SIGKILL
. "${0%/*}/callers.bash"

player <<'END'
from vmm import *

STATE = TMP + "/state"
S, P, L = STATE + "/1-guest-net0.socket", STATE + "/1-guest-net0-passt.pid", STATE + "/passt.log"
QEMU_UID = 64055
os.mkdir(STATE, 0o700)
WHO = []
if os.environ["HOST_UID"] == "0":
    os.chown(STATE, QEMU_UID, QEMU_UID)
    WHO = ["setpriv", "--reuid", str(QEMU_UID), "--regid", str(QEMU_UID), "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]

p = Player("libvirt")


def start(*options):
    """virCommandRun(): descriptors closed, status, all that was said"""
    return run(WHO + [PASST, "--one-off", "--socket", S, "--pid", P] + list(options))


def pid_of():
    t = read(P)
    p.ok(len(t) <= 20 and t == "%d\n" % int(t), "PID file", repr(t))
    return int(t)


def clean():
    """What libvirt does after the end"""
    for f in S, P:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f)


# Interface with everything: <mtu>, <source dev>, <backend logFile, hostname, fqdn>, <ip>, <portForward>
rc, out, err = start("--mtu", "1400", "--interface", "ext", "--log-file", L, "--hostname", "guest", "--fqdn", "guest.example.org",
                     "--address", "10.9.8.7", "--netmask", "24", "--gateway", "10.9.8.1", "--address", "2001:db8:9::7",
                     "--tcp-ports", HOST + "/2022:22,3000-3002", "--tcp-ports", "%ext/4000", "--tcp-ports", "198.51.100.3%ext/4001",
                     "--udp-ports", "5000-5010:6000-6010,~5005")
if p.ok(rc == 0, "all options", err):
    p.eq(out, "", "nothing on stdout")
    pid = pid_of()
    p.eq(comm(pid), "passt", "/proc/PID/comm")
    p.has(read(L), str(pid), "log file has the PID")
    p.eq("%o" % os.stat(L).st_mode, "100600", "SEC-07 log file's mode")
    for port in 3000, 3001:
        socket.create_connection((HOST, port), timeout=PATIENCE).close()
    g = Guest(unix(S))
    p.ok(True, "LIFE-22 ready when the parent ends: ports, socket")
    lease = g.dhcp()
    p.eq(str(lease), "10.9.8.7 mask 255.255.255.0 router 10.9.8.1 dns 198.51.100.10 mtu 1400", "lease")
    p.eq((lease.get(12), lease.get(119) != b""), (b"guest", True), "host name, search list")
    p.works(g, "10.9.8.7", "10.9.8.1")
    for port, lport, host in (2022, 22, HOST), (3002, 3002, HOST), (4000, 4000, "198.51.100.3"), (4001, 4001, "198.51.100.3"):
        p.inbound(g, port, lport, "portForward %s:%d" % (host, port), host)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
        for port in 5005, 5010:
            u.sendto(b"in", (HOST, port))
        d = g.wait(lambda x: x.proto == 17 and x.data == b"in")
        p.eq(d and d.dport, 6010, "FWD-06 portForward with exclude, UDP")
    # A second one, of the same words, must not take the socket away
    rc, _, err = start()
    p.eq(rc, 1, "socket in use: status")
    p.has(err, S, "socket in use: message names it")
    p.has(err, "in use", "socket in use: and the reason")
    p.eq(read(P), "%d\n" % pid, "socket in use: PID file is not touched")
    p.ok(g.ping(REMOTE), "socket in use: the first goes on")
    g.close()
    p.ok(wait_until(lambda: gone(pid)), "VM-03 --one-off: ends when QEMU closes")
    p.ok(os.path.exists(S) and os.path.exists(P), "and leaves socket and PID file to libvirt")
clean()

# Hardly an option; QEMU ends before it ever connected: SIGTERM
rc, out, err = start("--tcp-ports", "2022:22")
if p.ok(rc == 0, "no options", err):
    for words in ("Template interface: ext (IPv4), ext (IPv6)\n", "\n    NAT to host 127.0.0.1: 198.51.100.1\n",
                  "\nDHCP:\n    assign: 198.51.100.2\n", "\nInbound forwarding rules (HOST):\n    TCP [*]:2022  =>  22 \n",
                  "\nYou can now start qemu", "stream,id=s,server=off,addr.type=unix,addr.path=" + S + "\n"):
        p.has(err, words, "text at start: " + words.strip())
    pid = pid_of()
    begin = time.monotonic()
    p.ok(stop(pid), "SIGTERM, nobody was connected")
    p.ok(time.monotonic() - begin < 10, "LIFE-21 at once: before SIGKILL comes")
    p.eq(read(P), "%d\n" % pid, "PID file stays")
clean()

# Stale socket of one that crashed; SIGTERM with a guest connected
rc, out, err = start()
pid = pid_of()
os.kill(pid, signal.SIGKILL)
wait_until(lambda: gone(pid))
p.ok(os.path.exists(S), "crash: socket is left")
rc, out, err = start()
if p.ok(rc == 0, "crash: stale socket is replaced", err):
    g = Guest(unix(S))
    p.eq(str(g.dhcp())[:13], "198.51.100.2 ", "crash: lease from the next one")
    pid = pid_of()
    p.ok(stop(pid), "SIGTERM with a guest")
    p.ok(g.ended(), "the guest's connection is closed")
clean()

# Port forwarding of everything, but
rc, out, err = start("--tcp-ports", "~8000,~8001-8002,~8006")
if p.ok(rc == 0, "FWD-07 exclusions only", err):
    pid = pid_of()
    g = Guest(unix(S))
    g.dhcp()
    p.inbound(g, 8003, 8003, "any port")
    with socket.socket() as c:
        p.ok(c.connect_ex((HOST, 8002)) == 111, "but not that one")
    p.ok(stop(pid), "exclusions only: SIGTERM")
clean()

# Negative tests of its users: status 1, and words for them
port = socket.create_server(("0.0.0.0", 7777))
for what, options, words in (
        ("FWD-16 port in use", ["--tcp-ports", "7777"], ["Failed to bind port 7777 (Address already in use) for option '-t 7777'",
         "Listen failed for HOST TCP port */7777: Address already in use", "Couldn't listen on requested ports"]),
        ("FWD-24 low port", ["--tcp-ports", "22"], ["Failed to bind port 22 (Permission denied)",
         "Listen failed for HOST TCP port */22: Permission denied"] if WHO else []),
        ("interface that is not there", ["--interface", "none0"], ["Invalid interface name none0: No such device"]),
        ("directory that is not there", ["--log-file", "/nothing/log"], ["Couldn't open log file /nothing/log: No such file or directory"]),
        ("no such port", ["--tcp-ports", "65536"], ["65536"]),
        ("overlapping ports", ["--tcp-ports", "8000-9000", "--tcp-ports", "8001"], ["Overlapping port specifier", "8001"]),
        ("overlapping ports in a list", ["--udp-ports", "127.0.0.1/80,70-90:7070-7090"], ["Overlapping port specifier", "80"]),
        ("overlapping addresses", ["--udp-ports", "127.0.0.1/7100", "--udp-ports", "7000-7200"],
         ["Overlapping port specifier", "7100", "127.0.0.1/7100"]),
        ("address of nobody", ["--tcp-ports", "192.0.2.77/8080"], ["Failed to bind port 8080 (",
         "Listen failed for HOST TCP port 192.0.2.77/8080: Cannot assign requested address"]),
        ("socket's directory is not there", ["--socket", "/nothing/socket"], ["/nothing/socket"])):
    if not words:
        continue
    rc, out, err = start(*options)
    p.eq((rc, out), (1, ""), what + ": status")
    p.ok(all(w in err for w in words), what + ": message", err)
    clean()
END

done_testing
