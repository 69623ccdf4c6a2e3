#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# states in which there is nothing to do, and nothing is done: half closed, window shut, errors behind us
. "${0%/*}/lib.sh"

topology
pasta_up -t 8000 -u 8000

cat >"$T/server.py" <<'END'
import socket, sys
l = socket.socket(socket.AF_INET6); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("::", int(sys.argv[2]))); l.listen()
print("ready", flush=True)
c, _ = l.accept()
what = sys.argv[1]
if what == "halfclose":
    c.shutdown(socket.SHUT_WR)
elif what == "flood":
    c.settimeout(2)
    n = 0
    try:
        while True:
            n += c.send(b"x" * 65536)
    except TimeoutError:
        pass
    c.settimeout(None)
    c.shutdown(socket.SHUT_WR)
print("waiting", flush=True)
got = 0
while True:
    d = c.recv(65536)
    if not d:
        break
    got += len(d)
print(got if what == "halfclose" else n, flush=True)
END
cat >"$T/client.py" <<'END'
import socket, sys
c = socket.create_connection((sys.argv[2], int(sys.argv[3])))
print("connected", flush=True)
sys.stdin.readline()
if sys.argv[1] == "halfclose":
    assert c.recv(1) == b""
    c.sendall(b"y" * 1000000)
    c.close()
else:
    n = 0
    while True:
        d = c.recv(1 << 20)
        if not d:
            break
        n += len(d)
    print(n, flush=True)
END

# Both families at once
for what in halfclose flood; do
	for fam in 4 6; do
		rm -f "$T/s$fam"
		R python3 "$T/server.py" $what 700$fam >"$T/s$fam" 2>&1 & servers[fam]=$!
		wait_for 10 grep -q ready "$T/s$fam"
		[ $fam = 4 ] && to=198.51.100.10 || to=2001:db8:1::10
		mkfifo "$T/go$fam"
		C python3 "$T/client.py" $what $to 700$fam <"$T/go$fam" >"$T/c$fam" 2>&1 & clients[fam]=$!
		[ $fam = 4 ] && exec 4>"$T/go4" || exec 6>"$T/go6"
	done
	for fam in 4 6; do
		wait_for 20 grep -q waiting "$T/s$fam"
	done
	if [ $what = halfclose ]; then
		rests "TCP-01 the peers have closed their halves" 0
	else
		rests "TCP-02 TCP-27 the readers do not read" 12	# window probes
	fi
	echo >&4
	echo >&6
	exec 4>&- 6>&-
	wait "${clients[@]}" "${servers[@]}"
	for fam in 4 6; do
		if [ $what = halfclose ]; then
			is "TCP-01 and data still goes the other way, IPv$fam" "$(tail -n 1 "$T/s$fam")" 1000000
		else
			is "TCP-02 and all of it arrives, IPv$fam" "$(tail -n 1 "$T/c$fam")" "$(tail -n 1 "$T/s$fam")"
		fi
		rm "$T/go$fam"
	done
done

xfer <<END
udp-error an_error c=C to=198.51.100.10 port=7999 count=20 want=ECONNREFUSED
udp-error another_error c=C to=2001:db8:1::10 port=7999 count=20 want=ECONNREFUSED
udp an_empty_datagram_in c=R s=C to=198.51.100.2 port=8000 sizes=0
udp an_empty_datagram_out c=C s=R to=198.51.100.10 at=198.51.100.10 port=7000 sizes=0
tcp TCP-22_a_byte_there,_a_byte_back c=C s=R to=198.51.100.10 port=7000 up=1 down=1
tcp TCP-22_a_byte_there,_a_byte_back,_other_close c=R s=C to=2001:db8:1::2 port=8000 up=1 down=1 close=server
END
rests "UDP-01 UDP-26 TCP-22 after errors, empty datagrams, short exchanges" 2

# An error on the listening socket: the namespace refuses, the client does not care
for i in {1..20}; do
	R python3 -c \
		"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('198.51.100.2', 8000))"
done
rests "UDP-01 after datagrams that nobody in the namespace wanted" 2

done_testing
