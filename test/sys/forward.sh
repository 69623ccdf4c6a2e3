#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ports of the host that lead into the namespace: who the client is, other ports, addresses, interfaces, errors
. "${0%/*}/lib.sh"

topology
pasta_up -t 8000 -u 8000 -t 8080:80 -u 8080:80 -t 9000-9002:7000-7002 -u 9000-9002:7000-7002 \
	-t 198.51.100.2/9100 -t 2001:db8:1::2/9101 -t '[2001:db8:1::2]/9102:92' -t 198.51.100.2%ext/9103 -t %ext/9104 \
	-u 198.51.100.2%ext/9103 -t 9200,9202-9203 -u none -u 8000,8080:80,9000-9002:7000-7002

jobs()
{
	local fam in src p
	for fam in 4 6; do
		[ $fam = 4 ] && in=198.51.100.2 src=198.51.100.10 || in=2001:db8:1::2 src=2001:db8:1::10
		echo "tcp FWD-21_TCP_client_is_itself,_v$fam c=R s=C to=$in src=$src port=8000 up=1000 down=1000"
		echo "udp FWD-21_UDP-23_UDP_client_is_itself,_v$fam c=R s=C to=$in src=$src port=8000 sizes=100"
		echo "tcp FWD-21_TCP_client_is_itself,_also_at_another_port,_v$fam c=R s=C to=$in src=$src port=8080 lport=80 up=10 down=10"
		echo "udp UDP-09_UDP,_another_port,_v$fam c=R s=C to=$in src=$src port=8080 lport=80 sizes=0,100"
		for p in 0 1 2; do
			echo "tcp range,_port_$p,_v$fam c=R s=C to=$in src=$src port=900$p lport=700$p up=10 down=10"
			echo "udp range,_port_$p,_v$fam c=R s=C to=$in src=$src port=900$p lport=700$p sizes=10"
		done
		echo "tcp list,_first,_v$fam c=R s=C to=$in src=$src port=9200 up=10"
		echo "tcp list,_last,_v$fam c=R s=C to=$in src=$src port=9203 up=10"
		echo "tcp interface_alone,_v$fam c=R s=C to=$in src=$src port=9104 up=10"
		echo "error port_beside_the_range,_v$fam c=R to=$in port=9003 want=ECONNREFUSED"
		echo "error list,_not_in_it,_v$fam c=R to=$in port=9201 want=ECONNREFUSED"
	done
	echo "tcp FWD-10_address,_IPv4 c=R s=C to=198.51.100.2 src=198.51.100.10 port=9100 up=10"
	echo "error FWD-10_address_of_the_other_family c=R to=2001:db8:1::2 port=9100 want=ECONNREFUSED"
	echo "tcp FWD-10_PEER-11_address,_IPv6 c=R s=C to=2001:db8:1::2 src=2001:db8:1::10 port=9101 up=10"
	echo "tcp FWD-10_address_in_brackets,_another_port c=R s=C to=2001:db8:1::2 src=2001:db8:1::10 port=9102 lport=92 up=10"
	echo "tcp FWD-10_address_and_interface,_TCP c=R s=C to=198.51.100.2 src=198.51.100.10 port=9103 up=10"
	echo "error not_on_another_interface c=H to=127.0.0.1 port=9104 want=ECONNREFUSED"
	echo "crr 500_connections_one_after_the_other,_in c=R s=C to=198.51.100.2 port=8000 count=500"
}
xfer 5 < <(jobs)
pasta_stop

# To an address of the guest's that is not its own, and without being taken for that
pasta_up -t 127.0.4.1/8300:10.88.0.2/83 -t '[::]/8300-8301:[fc00::2]/83-84' -u 0.0.0.0/8300:10.88.0.2 \
	-u ::/8300:fc00::2/83 \
	-t 8000 -u 8000 $NO_SPLICE
C ip addr add 10.88.0.2/32 dev lo
C ip addr add fc00::2/128 dev lo nodad
xfer 5 <<END
tcp FWD-26_TCP_to_an_address,_from_one_of_127/8 c=H s=C to=127.0.4.1 src=198.51.100.1 \
port=8300 at=10.88.0.2 lport=83 up=1000 down=1000
tcp TCP_to_an_address,_IPv6 c=R s=C to=2001:db8:1::2 src=2001:db8:1::10 port=8301 at=fc00::2 lport=84 up=1000 down=1000
udp UDP_to_an_address c=R s=C to=198.51.100.2 src=198.51.100.10 port=8300 at=10.88.0.2 sizes=0,100
udp UDP_to_an_address,_IPv6 c=R s=C to=2001:db8:1::2 src=2001:db8:1::10 port=8300 at=fc00::2 lport=83 sizes=0,100
tcp afterwards,_others_go_where_they_went c=R s=C to=198.51.100.2 port=8000 at=198.51.100.2 up=10 down=10
tcp afterwards,_others_go_where_they_went,_IPv6 c=R s=C to=2001:db8:1::2 port=8000 at=2001:db8:1::2 up=10 down=10
udp afterwards,_others_go_where_they_went,_UDP c=R s=C to=198.51.100.2 port=8000 at=198.51.100.2 sizes=10
error not_at_another_address c=R to=198.51.100.2 port=8300 want=ECONNREFUSED
END
pasta_stop

# Options that override, or leave out
pasta_up -t none -t 8000 -u 8000 -u none
xfer 5 <<END
tcp FWD-18_the_last_counts:_none,_then_a_port c=R s=C to=198.51.100.2 port=8000 up=10
udp-error FWD-18_the_last_counts:_a_port,_then_none c=R to=198.51.100.2 port=8000 want=ECONNREFUSED
END
pasta_stop
pasta_up -4 -t 8000 -u 8000
xfer 5 <<END
tcp FWD-09_IPv4_only:_IPv4 c=R s=C to=198.51.100.2 port=8000 up=10
error FWD-09_IPv4_only:_no_IPv6 c=R to=2001:db8:1::2 port=8000 want=ECONNREFUSED
udp-error FWD-09_IPv4_only:_no_IPv6,_UDP c=R to=2001:db8:1::2 port=8000 want=ECONNREFUSED
END
pasta_stop
pasta_up -6 -t 8000 -u 8000
xfer 5 <<END
tcp FWD-09_IPv6_only:_IPv6 c=R s=C to=2001:db8:1::2 port=8000 up=10
error FWD-09_IPv6_only:_no_IPv4 c=R to=198.51.100.2 port=8000 want=ECONNREFUSED
udp-error FWD-09_IPv6_only:_no_IPv4,_UDP c=R to=198.51.100.2 port=8000 want=ECONNREFUSED
END
pasta_stop

# Ports that can't be had: one line that names port and option, status 1, nothing left behind
container
python3 -c 'import socket, time
for kind, addr, port in (socket.SOCK_STREAM, "::", 8500), (socket.SOCK_DGRAM, "::", 8501), (socket.SOCK_STREAM, "127.0.0.1", 8502), \
                        (socket.SOCK_DGRAM, "127.0.0.1", 8503), (socket.SOCK_STREAM, "::1", 8504):
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, kind); s.bind((addr, port))
    if kind == socket.SOCK_STREAM: s.listen()
    globals()["s%d" % port] = s
print("ready", flush=True); time.sleep(1000)' >"$T/taken" 2>&1 &
wait_for 10 grep -q ready "$T/taken"
for o in "-t 8500" "-u 8501" "-t 8400-8600" "-t 127.0.0.1/8500" "-t 8500:80" "-t 0.0.0.0/8502" "-u 8503" "-t 8504"; do
	out=$(program $o 2>&1)
	is "FWD-16 $o: taken, status" $? 1
	like "FWD-16 $o: taken, message" "$out" "Failed to bind port 850[0-4] \\(.*in use\\) for option '$o'"
	is "FWD-16 one line" "$(grep -vc '^Started as root' <<<"$out")" 1
done
ok "nothing is left behind" wait_for 20 nobody
# As somebody without capabilities
low=("$PASTA" --config-net -t 81 -- true)
[ $LINK = tap ] || low=("$PASST" -s "$T/low.socket" -t 81)
out=$(setpriv --securebits +noroot,+noroot_locked --inh-caps=-all --bounding-set=-all "${low[@]}" 2>&1)
rc=$?
if [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 81 ] && [ "$HOST_UID" != 0 ]; then
	is "FWD-24 low port without privilege: status" $rc 1
	like "FWD-24 low port without privilege: message" "$out" "81.*Permission denied"
	like "FWD-24 and the option" "$out" "-t 81"
fi

# Many
soft=$(ulimit -Sn)
ulimit -Sn 256
pasta_up -t 20000-22999 -u 20000-20999 && pass "FWD-12 3,000 TCP and 1,000 UDP ports, soft limit 256 descriptors"
ulimit -Sn "$soft"
xfer 5 <<END
tcp FWD-12_the_last_of_them c=R s=C to=198.51.100.2 port=22999 up=10
udp FWD-12_the_last_of_them,_UDP c=R s=C to=198.51.100.2 port=20999 sizes=10
END

done_testing
