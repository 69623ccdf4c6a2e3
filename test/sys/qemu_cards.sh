#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# iPXE on network cards with few buffers, which lose the tail of a burst: it gets a file, and little of it twice
. "${0%/*}/lib.sh"

BYTES=4000000 MOST=300
: "${IPXE:=/usr/lib/ipxe/ipxe.lkrn}"
for f in "$IPXE" "$(command -v qemu-system-x86_64)"; do
	[ -e "$f" ] || { fail "qemu and iPXE are there" "Debian's packages qemu-system-x86 and ipxe"; done_testing; }
done

# serve FAMILY ADDRESS: BYTES at /file; a line in $T/got.CARD.FAMILY once the client asks for something else, which it
# does with all of them
serve()
{
	R python3 "$TOP/test/bench/web.py" "$2" "808$1" $BYTES >"$T/got.$CARD.$1" 2>&1 &
	disown $!
	wait_for 20 grep -q ready "$T/got.$CARD.$1"
}

topology
for CARD in e1000 rtl8139 virtio-net-pci; do
	serve 4 198.51.100.10
	serve 6 2001:db8:1::10
	cat >"$T/script.$CARD" <<-'SCRIPT'
		#!ipxe
		dhcp
		imgfetch http://198.51.100.10:8084/file
		imgfetch http://198.51.100.10:8084/done ||
		ifconf -c ipv6
		imgfetch http://[2001:db8:1::10]:8086/file
		imgfetch http://[2001:db8:1::10]:8086/done
	SCRIPT
	passt_start -p "$T/pcap.$CARD" || { fail "$CARD: passt starts"; continue; }
	qemu-system-x86_64 -accel tcg -m 256 -display none -nodefaults -no-user-config -kernel "$IPXE" \
		-initrd "$T/script.$CARD" -netdev "stream,id=s,server=off,addr.type=unix,addr.path=$SOCKET" \
		-device "$CARD,netdev=s" >"$T/qemu.$CARD" 2>&1 &
	qemu=$!
	disown $qemu
	before=0
	for family in 4 6; do
		ok "$CARD, IPv$family: all bytes" wait_for 40 grep -q seconds "$T/got.$CARD.$family"
		now=$(stat -c %s "$T/pcap.$CARD")
		# Of these, headers and an acknowledgment for each segment are 15. A sender that repeats all behind a
		# loss, burst by burst, needs 660 and more.
		part=$(((now - before) * 100 / BYTES))
		ok "$CARD, IPv$family: $part bytes on the link for each 100 of the file, $MOST at most" test \
			$part -le $MOST
		before=$now
	done
	kill -9 $qemu
	wait_for 20 gone $qemu
	pasta_stop
done
done_testing
