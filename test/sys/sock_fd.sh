#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# VM-11 --fd: a socket that is connected already, frames of all sizes, and the end with whoever has the other end of it
LINK=sock
. "${0%/*}/lib.sh"

topology

# Passes one end of a socket pair to passt, as its descriptor N, and becomes the guest, with the other one
cat >"$T/pair.py" <<'END'
import os, socket, subprocess, sys
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
n, passt, guest = int(sys.argv[1]), sys.argv[2:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
if n != b.fileno():
    os.dup2(a.fileno(), n)
    a.close()
    subprocess.run([x.replace("FD", str(n)) for x in passt], pass_fds=[n], check=True)
    os.close(n)
os.set_inheritable(b.fileno(), True)
os.execv(guest[0], [x.replace("FD", str(b.fileno())) for x in guest])
END

for n in 7 100; do
	for mtu in 1500 65520; do
		container
		C sysctl -qw net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.accept_dad=0
		PASTA_LOG=$T/pasta.$n.$mtu.log
		python3 "$T/pair.py" $n "$PASST" -t 8000 --fd FD -m $mtu -u 8000 -q -l "$PASTA_LOG" -P "$T/pid" -- \
			"$TOOLS/guest" -m $mtu fd=FD "$(ns_of C)" >"$T/guest.$n.$mtu.out" 2>"$T/guest.$n.$mtu.log" & \
			GUESTPID=$!
		wait_for 10 grep -q ready "$T/guest.$n.$mtu.out"
		PASTAPID=$(cat "$T/pid")
		guest_address
		xfer <<-END
		tcp VM-11_LIFE-10_fd_$n,_MTU_$mtu,_out c=C s=R to=198.51.100.10 port=7000 up=10000000 down=10000000
		tcp VM-11_LIFE-10_fd_$n,_MTU_$mtu,_in c=R s=C to=2001:db8:1::2 port=8000 up=10000000 down=10000000
		udp VM-11_fd_$n,_MTU_$mtu,_datagrams c=C s=R to=2001:db8:1::10 port=7000 sizes=0,1,100,1472,1473,65000
		END
		kill "$GUESTPID"
		wait "$GUESTPID" 2>/dev/null
		ok "descriptor $n, MTU $mtu: it ends when the other end does" wait_for 20 gone "$PASTAPID"
	done
done

# A standard stream, in the background and not: it answers an ARP request
cat >"$T/stream.py" <<'END'
import os, socket, struct, subprocess, sys
n, passt = int(sys.argv[1]), sys.argv[2:]
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
a.settimeout(10)
streams = [subprocess.DEVNULL] * 3
streams[n] = b
p = subprocess.Popen(passt + ["-F", str(n)], stdin=streams[0], stdout=streams[1], stderr=streams[2])
b.close()
if "-f" not in passt:
    assert p.wait(10) == 0
mac = bytes.fromhex("020000000001")
guest, gateway = (socket.inet_aton("198.51.100." + x) for x in "21")
arp = b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + guest + bytes(6) + gateway
a.sendall(struct.pack("!I", len(arp)) + arp)
f = a.makefile("rb")
while True:
    frame = f.read(struct.unpack("!I", f.read(4))[0])
    if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02":
        break
a.shutdown(socket.SHUT_RDWR)
if "-f" in passt:
    assert p.wait(10) == 0
END
for n in 0 1 2; do
	for how in -f -q; do
		ok "VM-11 descriptor $n is the link, $how" \
			timeout 60 python3 "$T/stream.py" $n "$PASST" -q $how -P "$T/pid"
		ok "VM-11 descriptor $n is the link, $how: it ends" wait_for 20 gone "$(cat "$T/pid")"
	done
done
out=$("$PASST" -q -F 0 2>&1 </dev/null)
is "VM-11 a standard stream that is no link" "$? $out" '1 Invalid value "0" for -F/--fd: not a connected stream socket'
out=$("$PASST" -q -F 2 2>&1 </dev/null)
is "VM-11 standard error that is no link, and has the line" "$? $out" \
	'1 Invalid value "2" for -F/--fd: not a connected stream socket'

done_testing
