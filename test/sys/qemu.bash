#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu.bash - a virtual machine as passt's guest: Debian's kernel under software emulation; sourced after lib.sh
#
# G COMMAND runs in the guest (test/vm/init has a shell on a virtio port), with its output and status here. The serial port is the
# console of BIOS, iPXE and kernel: its input is descriptor 6, its output $T/console. mon COMMAND: qemu's monitor, into $T/mon.log.
# shellcheck disable=SC2034,SC2154 # shared with the cases

VM=$TOOLS/vm

command -v qemu-system-x86_64 >/dev/null || { fail "qemu-system-x86_64 is there"; done_testing; }
[ -s "$VM/initrd" ] || { fail "the guest's kernel and initrd are there" "make $VM/initrd"; done_testing; }

# vm_start OPTION...: qemu, with these options besides, and its network card at $SOCKET; $NIC: properties of the card
vm_start()
{
	local p
	for p in console shell mon; do
		[ -p "$T/$p.in" ] || mkfifo "$T/$p.in" "$T/$p.out"
	done
	[ -e "$T/console" ] || { : >"$T/console"; cat "$T/console.out" >>"$T/console" & }
	exec 6<>"$T/console.in" 7<>"$T/mon.in" 8<>"$T/shell.in" 9<>"$T/shell.out" 5<>"$T/mon.out"
	cat <&5 >>"$T/mon.log" &
	qemu-system-x86_64 -accel tcg -cpu max -m 256 -display none -nodefaults -no-user-config -machine pc,graphics=off \
		-chardev "pipe,id=console,path=$T/console" -serial chardev:console \
		-chardev "pipe,id=shell,path=$T/shell" -device virtio-serial-pci -device virtserialport,chardev=shell \
		-chardev "pipe,id=mon,path=$T/mon" -mon chardev=mon \
		-netdev "stream,id=s,server=off,addr.type=unix,addr.path=$SOCKET" \
		-device "virtio-net-pci,netdev=s,id=nic${NIC:+,$NIC}" "$@" >"$T/qemu.log" 2>&1 5>&- 6>&- 7>&- 8>&- 9>&- &
	QEMU=$!
	disown $QEMU
}
LINUX=(-kernel "$VM/kernel" -initrd "$VM/initrd" -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on")

mon() { echo "$*" >&7; }
# Without it, it ends with the case
vm_kill() { kill -9 "$QEMU"; wait_for 20 gone "$QEMU"; }

# vm_up [SECONDS]: the guest's shell answers
vm_up()
{
	local line
	while read -rt "${1:-60}" line <&9; do
		[[ $line != *::up* ]] || return 0
	done
	: >"$T/vm.silent"
	diag "the guest did not start: $(cat "$T/qemu.log"; tail -n 20 "$T/console")"
	return 1
}

# G COMMAND...: in the guest, by its shell; once that gave no answer, it is not asked again
G()
{
	local line
	[ ! -e "$T/vm.silent" ] || return 255
	printf '{ %s\n} </dev/null 2>&1; echo "::$?"\n' "$*" >&8
	while read -rt 60 line <&9; do
		case $line in
		::*)	return "${line#::}" ;;
		*)	printf '%s\n' "$line" ;;
		esac
	done
	echo "no answer from the guest"
	: >"$T/vm.silent"
	return 255
}
