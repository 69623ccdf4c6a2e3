#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qemus/qemu, for Windows and macOS in containers: a copy of the program, as the container's root, under its own user
# ID; output thrown away, then the log file and a second run without -q tell what was wrong; stopped by the PID file
. "${0%/*}/callers.bash"

player <<'END'
import shutil
from vmm import *

RUN, LOG, TEMP = (TMP + d for d in ("/run", "/log", "/temp"))
for d in RUN, LOG, TEMP:
    os.mkdir(d)
shutil.copy(PASST, RUN + "/passt")
P, S, L = RUN + "/passt.pid", TEMP + "/passt.socket", LOG + "/passt.log"
ADDRESS = ["-a", "172.30.0.2", "-g", "172.30.0.1", "-n", "255.255.255.0", "-m", "1400"]
PORTS = ["-t", "3389,5900-5902,8006:80", "-u", "3389"]
NAME = ["-H", "windows", "-M", "02:11:22:33:44:55", "--runas", "0:0"]
FILES = ["-P", P, "-s", S, "-l", L]
with open("/etc/resolv.conf", "w") as f:       # the container's dnsmasq
    f.write("nameserver 127.0.0.1\n")

p = Player("qemus/qemu")


def start(words):
    """As configurePasst() does: status, and what a second run says if that is not 0"""
    argv = [RUN + "/passt"] + words
    rc = subprocess.run(argv + ["-q"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                        check=False, timeout=PATIENCE).returncode
    return (rc, "") if rc == 0 else run(argv)[::2]


def serve_loopback():
    """dnsmasq, on the host's loopback"""
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(("127.0.0.1", 53))
    return u


for words, what in ((["-4"] + ADDRESS + PORTS + NAME + FILES, "IPv4 only"), (ADDRESS + PORTS + NAME + FILES, "both families")):
    rc, said = start(words)
    if not p.ok(rc == 0, what + ": status", said):
        continue
    pid = int(read(P))
    p.ok(pid > 1 and comm(pid) == "passt", what + ": PID file, of the copy")
    p.has(read(L), str(pid), what + ": the log file is there, for DEBUG")
    with open("/proc/%d/status" % pid) as f:
        p.has(f.read(), "Uid:\t0\t0", what + ": --runas is obeyed")
    with serve_loopback() as dns:
        g = Guest(unix(S))
        lease = g.dhcp()
        p.eq(str(lease), "172.30.0.2 mask 255.255.255.0 router 172.30.0.1 dns 172.30.0.1 mtu 1400", what + ": lease")
        p.eq(lease.get(12), b"windows", what + ": host name")
        p.eq(g.arp("172.30.0.1"), "02:11:22:33:44:55", what + ": MAC address")
        p.works(g, "172.30.0.2", "172.30.0.1", what)
        g.send_udp("172.30.0.2", 4000, "172.30.0.1", 53, b"query")
        dns.settimeout(PATIENCE)
        query, client = dns.recvfrom(100)
        dns.sendto(b"answer", client)
        d = g.wait(lambda x: x.proto == 17 and x.sport == 53)
        p.eq((query, d and d.data), (b"query", b"answer"), what + ": a resolver on loopback is reached by the gateway's address")
    p.inbound(g, 8006, 80, what + ": port 8006 to 80")
    p.inbound(g, 5902, 5902, what + ": port of a range, by loopback", "127.0.0.1")
    g.close()
    g = Guest(unix(S))      # the guest shut down, and starts again
    p.eq(str(g.dhcp())[:11], "172.30.0.2 ", what + ": VM-01 it is there for the next start")
    p.ok(not gone(pid), what + ": and is the same")
    p.ok(stop(pid), what + ": SIGTERM by PID file")
    for f in P, S:
        os.unlink(f)

# A port is taken: status, words for the container's log, and the log file
taken = socket.create_server(("0.0.0.0", 3389))
rc, said = start(ADDRESS + PORTS + NAME + FILES)
p.eq(rc, 1, "port in use: status, of the second run, too")
p.has(said, "Address already in use", "port in use: message")
p.has(read(L), "Address already in use", "port in use: in the log file")
p.ok(not os.path.exists(S), "port in use: no socket is left")
END

done_testing
