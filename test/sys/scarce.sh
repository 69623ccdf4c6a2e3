#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# descriptors are used up: what comes in leaves some for what the guest starts, and nobody who waits makes the loop spin
. "${0%/*}/callers.bash"

PESTO=${PASTA%/*}/pesto
for p in pasta passt; do
	printf '#!/bin/sh\nulimit -n 256\nexec "%s" "$@"\n' "${PASTA%/*}/$p" >"$T/limited.$p"
done
chmod +x "$T"/limited.*

# ---- Inbound: 400 idle clients of a forwarded port

cat >"$T/hold.py" <<'END'
# hold.py ADDRESS PORT COUNT PID: accepts all there are, and keeps them; how many there were so far is in file COUNT
import os, selectors, socket, sys
with open(sys.argv[4], "w") as f:
    print(os.getpid(), file=f)
sel = selectors.DefaultSelector()
l = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=1000,
                         family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
sel.register(l, selectors.EVENT_READ)
n = 0
while True:
    with open(sys.argv[3] + ".new", "w") as f:
        print(n, file=f)
    os.rename(sys.argv[3] + ".new", sys.argv[3])
    for key, _ in sel.select():
        if key.fileobj is l:
            sel.register(l.accept()[0], selectors.EVENT_READ)
            n += 1
        else:
            try:
                if key.fileobj.recv(1):
                    continue
            except OSError:
                pass
            sel.unregister(key.fileobj)
            key.fileobj.close()
END
cat >"$T/idle.py" <<'END'
# idle.py ADDRESS PORT COUNT FILE: as many clients; then, each time one leaves, ms until the next is let in
import socket, sys, time
accepted = lambda: int(open(sys.argv[4]).read())
s = [socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) for _ in range(int(sys.argv[3]))]
print("ready", flush=True)
for line in sys.stdin:
    took = []
    for _ in range(9):
        n, t = accepted(), time.monotonic()
        s.pop(0).close()
        while accepted() == n and time.monotonic() < t + 5:
            time.sleep(0.002)
        took.append(int((time.monotonic() - t) * 1000))
    print(sorted(took)[4], flush=True)
END
ticks() { awk '{ print $14 + $15 }' /proc/$PASTAPID/stat; }
cpu() { local c; c=$(ticks); sleep 1; echo $(($(ticks) - c)); }
quiet() { local a; a=$(cat "$1"); sleep 0.3; [ "$(cat "$1")" = "$a" ]; }

# idle WHAT ADDRESS SERVER CLIENT...: the clients come by CLIENT to ADDRESS, and end at the address SERVER in C
idle()
{
	local what=$1 to=$2 at=$3
	shift 3
	rm -f "$T/held"
	PASTA=$T/limited.pasta pasta_up -t 8000 -u 8001 -c "$T/control"
	C python3 "$T/hold.py" "$at" 8000 "$T/held" "$T/hold.pid" 2>"$T/null" &
	disown
	wait_for 10 test -s "$T/held"
	coproc IDLE { "$@" python3 "$T/idle.py" "$to" 8000 400 "$T/held"; }
	local idle=$IDLE_PID
	read -rt 30 -u "${IDLE[0]}" got
	is "$what: 400 clients, 256 descriptors" "$got" ready
	ok "$what: some are let in" wait_for 20 quiet "$T/held"
	le "$what: CPU time of 1 s in which the others wait, ticks" "$(cpu)" 5
	xfer 10 <<-END
	tcp ${what// /_}:_a_connection_of_the_guest's c=C s=R to=198.51.100.10 port=7001 up=100000 down=100000 parallel=5
	tcp ${what// /_}:_IPv6 c=C s=R to=2001:db8:1::10 port=7001 up=1000 down=1000 parallel=5
	udp ${what// /_}:_datagrams_of_the_guest's c=C s=R to=198.51.100.10 port=7001 sizes=1,1000
	udp ${what// /_}:_datagrams_to_the_guest c=R s=C to=198.51.100.2 port=8001 sizes=1,1000
	END
	ok "$what: ping of the guest's" C ping -nqc 1 -W 5 198.51.100.10
	ok "$what: ping of the guest's, IPv6" C ping -nqc 1 -W 5 2001:db8:1::10
	ok "$what: pesto" "$PESTO" -A -t 8002 "$T/control"
	echo >&"${IDLE[1]}"
	read -rt 60 -u "${IDLE[0]}" got
	le "$what: one leaves, another is let in: ms, median of 9" "$got" 100
	kill $idle
	wait $idle
	ok "$what: all leave, all that waited had their turn" wait_for 20 grep -qx 400 "$T/held"
	kill "$(cat "$T/hold.pid")"
	wait_for 20 gone "$(cat "$T/hold.pid")"
	xfer 10 <<<"tcp ${what// /_}:_and_the_port_works c=R s=C to=198.51.100.2 port=8000 up=1000 down=1000"
	pasta_stop
}
idle "by the link" 198.51.100.2 198.51.100.2 R
idle "by the link, IPv6" 2001:db8:1::2 2001:db8:1::2 R
idle "spliced" 127.0.0.1 198.51.100.2 env

# ---- A guest's own connections have all descriptors: everybody knocks, at each kind of listening socket

PASST=$T/limited.passt player <<'END'
from vmm import *

p = Player("knock")
S, CONTROL, PORT = TMP + "/s", TMP + "/knock.control", 8000
proc = subprocess.Popen([PASST, "-f", "-s", S, "-c", CONTROL, "-t", str(PORT), "-u", str(PORT)], stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
wait_until(lambda: os.path.exists(S) and os.path.exists(CONTROL))


def cpu():
    """Ticks in a second"""
    def now():
        with open("/proc/%d/stat" % proc.pid) as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
    before = now()
    time.sleep(1)
    return now() - before


def connect():
    for _ in range(1000):
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            return Guest(unix(S))
        time.sleep(0.005)


g = connect()
g.dhcp()
conns = [Tcp(g, g.address, 20000 + i, REMOTE, 7000) for i in range(260)]
for t in conns:
    t.emit(2, options=MSS_8960)
p.ok(wait_until(lambda: len(os.listdir("/proc/%d/fd" % proc.pid)) == 256), "all descriptors are used up",
     len(os.listdir("/proc/%d/fd" % proc.pid)))
other = Guest(unix(S))
tcp = socket.create_connection((HOST, PORT), timeout=PATIENCE)
client = unix(CONTROL)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.sendto(b"datagram", (HOST, PORT))
used = cpu()
p.ok(used <= 5, "another guest, a TCP client, one of the control socket, a datagram: CPU time, ticks", used)
p.ok(any(q.proto == 17 and q.data == b"datagram" for q in g.log) or g.wait(lambda q: q.proto == 17 and q.data == b"datagram"),
     "the datagram is there")
client.sendall(b'{"method":"org.varlink.service.GetInfo"}\0')
p.ok(b"passt" in client.recv(4096), "the control socket answers")
client.close()
for t in conns:
    t.snd += 1
    t.emit(4)
    t.emit(20)
p.ok(other.ended(5), "another guest is refused, once there is a descriptor")
p.ok(g.accept(PORT, 5), "the TCP client is let in")
p.ok(g.ping(REMOTE), "and the guest lives")
proc.terminate()
proc.wait(PATIENCE)
END
done_testing
