#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# all ports of the host, or all but some, and what of them can't be had
. "${0%/*}/lib.sh"

topology
# Ports that connections of the host's own come from, and those that take a privilege
ephemeral() { sysctl -qw net.ipv4.ip_local_port_range="$*"; }
privileged() { sysctl -qw net.ipv4.ip_unprivileged_port_start="$1"; }
privileged 0

# ports PROTO [ADDRESS]: what is listened to there, as ranges
ports()
{
	ss -Hln "--$1" | awk -v at="${2:-*}" '{
		port = $4
		sub(/.*:/, "", port)
		if (substr($4, 1, length($4) - length(port) - 1) == at)
			print port
	}' | sort -nu | awk '
		NR > 1 && $1 == last + 1	{ last = $1; next }
		NR > 1				{ printf("%s%s ", first, first == last ? "" : "-" last) }
						{ first = last = $1 }
		END				{ if (NR) printf("%s%s", first, first == last ? "" : "-" last) }'
}

# [RUN=COMMAND] refused NAME REGEX OPTION...: the program ends, and says why in one line
refused()
{
	local name=$1 text=$2 out rc
	shift 2
	out=$("${RUN:-program}" "$@" 2>&1)
	rc=$?
	is "$name: status" $rc 1
	like "$name: message" "$out" "$text"
	is "$name: one line" "$(grep -vc '^Started as root' <<<"$out")" 1
}

# As many as there may be descriptors for. First of all, as ports of later connections stay in use for a minute.
n=$(ulimit -Hn)
[ "$n" != unlimited ] && [ "$n" -lt 20000 ] || n=20000
n=$(((n - 200) / 2))
ephemeral $((n + 1)) 65535
pasta_up
rss=$(rss_of $PASTAPID)
pasta_stop
start=${EPOCHREALTIME/./}
pasta_up -t all -u all
took=$(((${EPOCHREALTIME/./} - start) / 1000))
is "FWD-13 all of both" "$(ports tcp) $(ports udp)" "1-$n 1-$n"
le "FWD-13 ready soon (s)" $((took / 1000)) 19
diag "$((2 * n)) ports in $took ms, $rss kB of memory without them, $(rss_of $PASTAPID) with them"
le "FWD-13 memory for each port is its table entry, 16 bytes, give or take what VmRSS is wrong by (kB)" \
	$(($(rss_of $PASTAPID) - rss)) $((2 * n / 64 + 320))
pasta_stop

ephemeral 1100 65000		# others are few enough for any limit of descriptors

# All, next to services of the host's own: an address of one family is enough to keep the port from both
cat >"$T/own.py" <<'END'
import socket, time
own = []
for family, kind, addr, port in ((socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0", 80), (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1", 90),
                                 (socket.AF_INET6, socket.SOCK_STREAM, "::1", 1099), (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.53", 53)):
    s = socket.socket(family, kind)
    s.bind((addr, port))
    if kind == socket.SOCK_STREAM:
        s.listen()
    own.append(s)
print("ready", flush=True)
time.sleep(1000)
END
python3 "$T/own.py" >"$T/own" 2>&1 &
wait_for 20 grep -q ready "$T/own"
pasta_up -t all -u ~22,~100-200 $NO_SPLICE
is "FWD-07 FWD-15 all TCP ports but ephemeral ones and those in use" "$(ports tcp)" "1-79 81-89 91-1098 65001-65535"
is "FWD-04 FWD-06 all UDP ports but two exclusions, and those" "$(ports udp)" "1-21 23-52 54-99 201-1099 65001-65535"
is "FWD-07 without a word" "$(grep -c -i -e bind -e 'port ' "$PASTA_LOG")" 0
xfer 20 <<END
tcp all:_the_first c=R s=C to=198.51.100.2 src=198.51.100.10 port=1 up=1000 down=1000
tcp all:_the_last,_IPv6 c=R s=C to=2001:db8:1::2 src=2001:db8:1::10 port=65535 up=1000 down=1000
tcp all:_in_between c=R s=C to=198.51.100.2 port=1000 up=10 down=10
udp exclusions:_the_first c=R s=C to=198.51.100.2 src=198.51.100.10 port=1 sizes=100
udp exclusions:_the_last,_IPv6 c=R s=C to=2001:db8:1::2 src=2001:db8:1::10 port=65535 sizes=100
udp exclusions:_between_them c=R s=C to=198.51.100.2 port=99 sizes=100
error FWD-15_an_ephemeral_port c=R to=198.51.100.2 port=1100 want=ECONNREFUSED
udp-error FWD-06_an_exclusion c=R to=198.51.100.2 port=22 want=ECONNREFUSED
udp-error FWD-06_an_exclusion,_start c=R to=198.51.100.2 port=100 want=ECONNREFUSED
udp-error FWD-06_an_exclusion,_end,_IPv6 c=R to=2001:db8:1::2 port=200 want=ECONNREFUSED
tcp from_the_host's_loopback,_which_is_the_gateway c=H s=C to=127.0.0.1 src=198.51.100.1 port=1000 up=1000 down=1000
tcp from_the_host's_loopback,_which_is_the_gateway,_IPv6 c=H s=C to=::1 src=2001:db8:1::1 port=1000 up=1000 down=1000
udp from_the_host's_loopback,_which_is_the_gateway,_UDP c=H s=C to=127.0.0.1 src=198.51.100.1 port=1000 sizes=100
udp from_the_host's_loopback,_which_is_the_gateway,_UDP_and_IPv6 c=H s=C to=::1 src=2001:db8:1::1 port=1000 sizes=100
END
pasta_stop

# Ports that are named, beside all; addresses and interfaces
pasta_up -t all,~1000-1005 -t 1003:7000 -u '~15000,~15001,8080' -u 198.51.100.2%ext/5-10,~7 -u 127.0.0.1/~20-65535,~1-3
is "all, exclusions, and a port of another option" "$(ports tcp)" "1-79 81-89 91-999 1003 1006-1098 65001-65535"
is "exclusions, and a port" "$(ports udp)" 8080
is "FWD-10 range of an address and interface, less a port" "$(ports udp 198.51.100.2%ext)" "5-6 8-10"
is "FWD-10 exclusions of an address" "$(ports udp 127.0.0.1)" "4-19"
xfer 20 <<END
tcp its_target c=R s=C to=198.51.100.2 port=1003 lport=7000 up=10 down=10
udp range_less_a_port:_behind_it c=R s=C to=198.51.100.2 port=8 sizes=10
END
pasta_stop

# What is refused
container
limited() { ulimit -n 100; program "$@"; }
RUN=limited refused "FWD-12 all, and 100 descriptors" \
	"3268 ports to forward by -t, -u, -T, -U need [0-9]+ open files, but the limit is 100 .RLIMIT_NOFILE" -t all \
	-u all
RUN=limited refused "FWD-12 a range, and 100 descriptors" \
	"500 ports to forward by -t, -u, -T, -U need [0-9]+ open files, but the limit is 100 .RLIMIT_NOFILE" \
	-u 2000-2499
refused "FWD-07 nothing of all can be had" "any port.*in use.*'-t ~1-79,~81-89,~91-65535'" -t '~1-79,~81-89,~91-65535'
refused "FWD-16 a port that is named has to be had" "port 80 .*in use.*'-t all,80'" -t all,80
refused "no such address" "Cannot assign requested address.*'-t 192.0.2.99/all'" -t 192.0.2.99/all
refused "no such interface" "No such device.*'-u %nothing/~22'" -u %nothing/~22
refused "exclusions that contradict each other" "~33.*port 1 .*'-t ~22'" -t '~22' -t '~33'
refused "malformed" "all:80.*-t/--tcp-ports" -t all:80
ok "nothing is left behind" wait_for 20 nobody

# Ports that take a privilege are left out by those without: whoever joined a container's user namespace is one
privileged 1024
if [ $LINK = tap ] || [ "$HOST_UID" != 0 ]; then
	cat >"$T/unprivileged" <<END
#!/bin/sh
exec setpriv --securebits +noroot,+noroot_locked --inh-caps=-all --bounding-set=-all "$PASST" "\$@"
END
	chmod +x "$T/unprivileged"
	passt=$PASST
	PASST=$T/unprivileged
	pasta_up -t all
	is "FWD-07 low ports without privilege" "$(ports tcp)" "1024-1098 65001-65535"
	pasta_stop
	container
	refused "FWD-24 nothing but low ports" "any port.*Permission denied.*'-t ~1024-65535'" -t '~1024-65535'
	refused "FWD-24 a low port that is named" "port 81 .*Permission denied.*'-t all,81'" -t all,81
	PASST=$passt
fi
privileged 0

done_testing
