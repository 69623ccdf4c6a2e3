#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# iPXE, a second implementation of TCP/IP: a network card's boot ROM gets its address, and an operating system over HTTP
. "${0%/*}/lib.sh"
. "$SYS/qemu.bash"

topology
resolv "nameserver 198.51.100.10"
R python3 "$SYS/names.py" host.example.com 198.51.100.10 2001:db8:1::10 >"$T/names.log" 2>&1 &
mkdir "$T/www"
ln -s "$VM/kernel" "$VM/initrd" "$T/www"
# The kernel's code and the files are compressed, with a checksum: they start if every byte is right
cat >"$T/www/boot.ipxe" <<'SCRIPT'
#!ipxe
echo address ${net0/ip} mask ${net0/netmask} gateway ${net0/gateway} names ${net0/dns}
echo mtu ${net0/mtu} host ${net0/hostname}
kernel http://198.51.100.10/kernel console=ttyS0 quiet panic=-1 random.trust_cpu=on
initrd http://[2001:db8:1::10]/initrd
imgstat
boot
SCRIPT
R python3 -m http.server --bind :: --directory "$T/www" 80 >"$T/http.log" 2>&1 &
wait_for 20 R curl -so "$T/null" http://198.51.100.10/boot.ipxe

passt_start -H vm || { fail "passt starts"; done_testing; }
NIC=bootindex=0
vm_start

says() { grep -aqE "$1" "$T/console"; }
echoed() { grep -aqF "$1" "$T/console"; }
# type_ TEXT REGEX [LAST]: at the prompt, and what has to have come when LAST does, by default the next prompt
type_()
{
	local i
	: >"$T/console"
	for ((i = 0; i < ${#1}; i += 8)); do	# the BIOS drops what it has no room for
		printf '%s' "${1:i:8}" >&6
		wait_for 20 echoed "${1:0:i+8}"
	done
	printf '\r' >&6
	wait_for 60 says "${3-iPXE> ?$}" && says "$2" && return
	tr -d '\r' <"$T/console"
	return 1
}
escape() { printf '\002' >&6; says 'iPXE>'; }	# Ctrl-B

ok "iPXE starts" wait_for 30 escape || { diag "$(cat "$T/console")"; done_testing; }
ok "CFG-10 iPXE gets its lease" type_ "dhcp" 'Configuring.*ok'
ok "iPXE gets an IPv6 address" type_ "ifconf -c ipv6 net0" 'Configuring.*ok'
ok "iPXE has them" type_ "route" '198.51.100.2/255.255.255.0 gw 198.51.100.1'
ok "iPXE gets a script over HTTP, by name" type_ "imgfetch http://host.example.com/boot.ipxe" 'boot.ipxe\.\.\. ok'
ok "all of it" type_ imgstat "boot.ipxe : $(stat -c %s "$T/www/boot.ipxe") bytes"
type_ imgfree ''
ok "CFG-10 iPXE runs what it got" type_ "chain http://198.51.100.10/boot.ipxe" \
	'address 198.51.100.2 mask 255.255.255.0 gateway 198.51.100.1 names 198.51.100.10' \
	"initrd : $(stat -Lc %s "$VM/initrd") by"
ok "iPXE gets a kernel over IPv4" says "kernel : $(stat -Lc %s "$VM/kernel") by"
ok "what it got boots" vm_up

done_testing
