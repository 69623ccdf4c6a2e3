# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# lossy.bash - clients behind the guest, which forwards for them, each on a link with accidents of its own; sourced after lib.sh
#
#	C: guest                        one namespace for each link N
#	ext (program)    in.N ------ wan ------ ext
#	                 10.9.N.1               10.9.N.2
#	                 fd00:9:N::1            fd00:9:N::2

# behind N OPTIONS: of test/tools/lossy.h, to the client and, behind a slash, from it
behind()
{
	# shellcheck disable=SC2016 # $0 is for it
	unshare -n bash -c ': >"$0"; exec sleep infinity' "$T/B$1.up" &
	BPID[$1]=$!
	disown "${BPID[$1]}"
	wait_for 20 test -e "$T/B$1.up"
	"$TOOLS/wan" 0 0 0 "$(ns_of C)" "in.$1" "$(b "$1")" ext "$2" >"$T/behind.$1" 2>&1 &
	disown $!
	wait_for 20 grep -q ready "$T/behind.$1" || diag "$(cat "$T/behind.$1")"
	B "$1" ip link set lo up
	C sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	C ip link set "in.$1" txqueuelen 16384
	B "$1" ip link set ext txqueuelen 16384
	C ip addr add "10.9.$1.1/24" dev "in.$1"
	C ip addr add "fd00:9:$1::1/64" dev "in.$1" nodad
	B "$1" ip addr add "10.9.$1.2/24" dev ext
	B "$1" ip addr add "fd00:9:$1::2/64" dev ext nodad
	B "$1" ip route add default via "10.9.$1.1"
	B "$1" ip route add default via "fd00:9:$1::1"
}
B() { nsenter --net="$(b "$1")" -- "${@:2}"; }
b() { echo "/proc/${BPID[$1]}/ns/net"; }

# jobs_behind N FAMILY NAME BYTES MS: both ways, one at a time and together; each in MS, or it fails
jobs_behind()
{
	local n=$1 fam=$2 what c to port=$((7000 + 10 * $1 + 2 * ($2 - 4)))
	[ "$fam" = 4 ] && to=198.51.100.10 || to=2001:db8:1::10
	what="$3,_IPv$fam," c="c=$(b "$n") s=R to=$to"
	echo "tcp ${what}_up $c port=$port up=$4 ms=$5"
	echo "tcp ${what}_down $c port=$((port + 1)) down=$4 ms=$5 close=server"
	echo "tcp ${what}_both_ways $c port=$((port + 2)) up=$4 down=$4 ms=$5 close=half"
	echo "tcp ${what}_one_byte_each_way $c port=$((port + 3)) up=1 down=1 ms=$5"
}
