#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# DPDK's virtio-user, a driver that polls, without a kernel: twenty times, it connects, echoes datagrams, and leaves
LINK=vhost
. "${0%/*}/lib.sh"

command -v dpdk-testpmd >/dev/null || { fail "dpdk-testpmd is there"; done_testing; }
topology
mkdir "$T/run"
export XDG_RUNTIME_DIR=$T/run

passt_start -4 -u 7001 || { fail "passt starts"; done_testing; }
mkfifo "$T/pmd.in"
exec 6<>"$T/pmd.in"
before=$(fds)
left()	{ [ "$(fds)" = "$before" ]; }
says()	{ grep -q "$1" "$T/pmd.out"; }
for i in {1..20}; do
	: >"$T/pmd.out"		# of the one before
	dpdk-testpmd -l 0,1 --no-huge --no-pci -m 64 --no-telemetry --file-prefix="p$i" \
		--vdev "virtio_user0,path=$SOCKET,mac=52:54:00:12:34:56" -- -i --total-num-mbufs=2048 \
		<"$T/pmd.in" >"$T/pmd.out" 2>&1 6>&- &
	pmd=$!
	wait_for 20 says 'testpmd>' || { fail "$i: the driver starts"; break; }
	# It returns what comes, with addresses and ports swapped
	printf 'set fwd 5tswap\nstart\n' >&6
	is "$i: datagrams by DPDK" "$(R python3 "$SYS/dpdk.py" 198.51.100.2 7001 500 2>&1)" "all came back"
	echo quit >&6
	wait $pmd
	ok "$i: it leaves no descriptor" wait_for 20 left
done
is "drivers" "$i" 20
[ $TESTS = 41 ] || diag "$(tail -n 30 "$T/pmd.out")"
done_testing
