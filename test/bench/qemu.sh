#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu.sh [PASST]...: one TCP stream out of a virtual machine and one into it, by vhost-user at MTU 1500 (MTU=): qemu
# without KVM, one boot for each program and round. passt of this folder is the first. ROUNDS (3) of STREAM (3) seconds.
#
# In Mb/s, and, of the program, ticks of CPU time per GB. It needs make build/test/tools/vm/initrd, and iperf3.
# shellcheck disable=SC1090,SC1091,SC2034,SC2154 # what lib.sh and qemu.bash share
LINK=vhost
. "${0%/*}/../sys/lib.sh"
. "$SYS/qemu.bash"
ENDED=1
: "${ROUNDS:=3}" "${STREAM:=3}" "${MTU:=1500}"
OURS=$PASST

topology
mkdir -p "$T/more/bin"
cp "$(command -v iperf3)" "$T/more/bin/"
for f in $(ldd "$T/more/bin/iperf3" | grep -o '/[^ ]*\.so[^ ]*'); do
	mkdir -p "$T/more${f%/*}"
	cp -L "$f" "$T/more$f"
done
{ cat "$VM/initrd"; (cd "$T/more" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1); } >"$T/initrd"
LINUX[3]=$T/initrd
R iperf3 -s -D

ticks() { awk '{ print $14 + $15 }' "/proc/$PASTAPID/stat"; }
# stream WAY COMMAND...: "WAY Mb/s ticks/GB"
stream()
{
	local before json
	before=$(ticks)
	json=$("${@:2}" -J -t "$STREAM" 2>&1)
	python3 -c 'import json, sys
way, text, ticks = sys.argv[1:]
got = json.loads(text)["end"]["sum_received"]
print(way, round(got["bits_per_second"] / 1e6), round(int(ticks) * 1e9 / got["bytes"]))' \
		"$1" "$json" $(($(ticks) - before)) || { echo "$json" | tail -n 3; exit 1; }
}

for ((n = 0; n < ROUNDS; n++)); do
	for PASST in "$OURS" "$@"; do
		passt_start -m "$MTU" -t 7001 -u none && vm_start "${LINUX[@]}" && vm_up 120 || exit 1
		G "dhcp 4; ip link set eth0 mtu $MTU; iperf3 -s -p 7001 -D" >"$T/up"
		wait_for 20 G "netstat -ltn | grep :7001"
		for way in out in; do
			[ $way = out ] && from=(G iperf3 -c 198.51.100.10) || from=(R iperf3 -c 198.51.100.2 -p 7001)
			echo "$PASST $(stream $way "${from[@]}")"
		done
		vm_kill
		: >"$PASTA_PIDFILE.ended"
		kill "$PASTAPID"
		wait_for 20 gone "$PASTAPID"
	done
done
