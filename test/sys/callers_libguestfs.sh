#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libguestfs: looks whether --help works, runs it as whoever it is itself (often root), waits for its end, reads the PID
# with strtol(), lets QEMU connect; --one-off is what ends it, and SIGTERM if the appliance never comes up
. "${0%/*}/callers.bash"

player <<'END'
from vmm import *

RUNTIME = TMP + "/runtime"
SOCKDIR = RUNTIME + "/libguestfsX1yZ"
os.mkdir(RUNTIME, 0o700)
os.mkdir(SOCKDIR, 0o755)
S, P = SOCKDIR + "/passt.sock", SOCKDIR + "/passt.pid"
ARGV = [PASST, "--one-off", "--socket", S, "--pid", P, "--address", "169.254.2.15", "--netmask", "16",
        "--mac-addr", "52:56:00:00:00:02", "--gateway", "169.254.2.2"]

p = Player("libguestfs")
p.ok(os.WEXITSTATUS(os.system("'%s' --help >/dev/null 2>&1" % PASST)) in (0, 1), "probe")


def launch():
    rc, out, err = run(ARGV)
    if not p.ok(rc == 0 and out == "", "exit status", err):
        return 0
    p.ok(sum("root" in line for line in err.split("\n")) <= 1, "CLI-05 at most a line about root", err)
    text = read(P)
    pid = int(text.rstrip("\n\0"))
    p.eq(text, "%d\n" % pid, "PID, and a newline at most")
    p.ok(pid > 1 and comm(pid) == "passt", "PID is that of passt")
    return pid


pid = launch()
if pid:
    if os.environ["HOST_UID"] == "0":
        with open("/proc/%d/status" % pid) as f:
            p.has(f.read(), "Uid:\t65534\t65534", "LIFE-17 files in a directory of root's, process is nobody's")
    g = Guest(unix(S))
    lease = g.dhcp()
    p.eq(str(lease)[:52], "169.254.2.15 mask 255.255.0.0 router 169.254.2.2 dns", "the appliance's lease")
    p.eq(g.arp("169.254.2.2"), "52:56:00:00:00:02", "gateway's MAC address")
    p.works(g, "169.254.2.15", "169.254.2.2")
    g.close()
    p.ok(wait_until(lambda: gone(pid)), "--one-off: ends with the appliance")

# The appliance did not come up: nobody has connected. The socket of the first is still there.
pid = launch()
if pid:
    p.ok(stop(pid), "SIGTERM before anybody connects")

# Appliance reboots, so to say, with a frame half sent
pid = launch()
if pid:
    g = Guest(unix(S))
    g.dhcp()
    g.s.sendall(struct.pack(">I", 1000) + b"half of it")
    g.close()
    p.ok(wait_until(lambda: gone(pid)), "--one-off: ends in the middle of a frame, too")
END

done_testing
