#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qemu.bash - a virtual machine as passt's guest: Debian's kernel under software emulation, or user-mode Linux; sourced
# after lib.sh
#
# G COMMAND runs in the guest (test/vm/init has a shell on a virtio port), with its output and status here. The serial
# port is the console of BIOS, iPXE and kernel: its input is descriptor 6, its output $T/console. mon COMMAND: qemu's
# monitor, into $T/mon.log.
# shellcheck disable=SC2034,SC2154 # shared with the cases

VM=$TOOLS/vm

command -v qemu-system-x86_64 >/dev/null || { fail "qemu-system-x86_64 is there"; done_testing; }
[ -s "$VM/initrd" ] || { fail "the guest's kernel and initrd are there" "make $VM/initrd"; done_testing; }

# Without an interrupt controller in a kernel, MSI-X with vhost-user would end qemu 7.2
[ "$LINK" = vhost ] && VECTORS=,vectors=0 || VECTORS=
# vm_start OPTION...: qemu, with these options besides, and its network card at $SOCKET, by $LINK; $NIC: properties of the
# card
vm_start()
{
	local p link=(-netdev "stream,id=s,server=off,addr.type=unix,addr.path=$SOCKET")
	local nic="virtio-net-pci,netdev=s,id=nic${NIC:+,$NIC}$VECTORS"
	if [ "$LINK" = vhost ]; then
		link=(-object memory-backend-memfd,id=m,share=on,size=256M -machine memory-backend=m
			-chardev "socket,id=vu,path=$SOCKET" -netdev vhost-user,id=s,chardev=vu)
	fi
	for p in console shell mon; do
		[ -p "$T/$p.in" ] || mkfifo "$T/$p.in" "$T/$p.out"
	done
	exec 4<>"$T/console.out" 5<>"$T/mon.out" 6<>"$T/console.in" 7<>"$T/mon.in" 8<>"$T/shell.in" 9<>"$T/shell.out"
	[ -e "$T/console" ] || { : >"$T/console"; cat <&4 >>"$T/console" & }	# of all that follow, too
	[ -e "$T/mon.log" ] || { : >"$T/mon.log"; cat <&5 >>"$T/mon.log" & }	# one: several would mix up their parts
	qemu-system-x86_64 -accel tcg -cpu max -m 256 -display none -nodefaults -no-user-config \
		-machine pc,graphics=off -chardev "pipe,id=console,path=$T/console" -serial chardev:console \
		-chardev "pipe,id=shell,path=$T/shell" -device virtio-serial-pci -device virtserialport,chardev=shell \
		-chardev "pipe,id=mon,path=$T/mon" -mon chardev=mon \
		"${link[@]}" -device "$nic" "$@" >"$T/qemu.log" 2>&1 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
	QEMU=$!
	disown $QEMU
}
LINUX=(-kernel "$VM/kernel" -initrd "$VM/initrd" \
	-append "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check")

# uml_start [OPTION]...: user-mode Linux, by vhost-user; its shell has commands as files in $T/host
uml_start()
{
	rm -rf "$T/host"
	mkdir -p "$T/host" "$T/uml"
	echo 0 >"$T/uml.n"
	LD_PRELOAD=$TOOLS/xstate.so TMPDIR=$T linux.uml mem=128M uml_dir="$T/uml/" initrd="$VM/initrd" con=null \
		con0=null,fd:1 root=/dev/ram0 virtio_uml.device="$SOCKET:1:1" panic=-1 "host=$T/host" "$@" \
		</dev/null >"$T/console" 2>"$T/qemu.log" &
	QEMU=$!
	disown $QEMU
}
uml_answered() { [ -e "$T/host/$UML_N.rc" ] || gone "$QEMU"; }
uml_command()
{
	UML_N=$(($(cat "$T/uml.n" 2>/dev/null || echo 0) + 1))
	echo "$UML_N" >"$T/uml.n"
	printf '%s\n' "$*" >"$T/host/command"
	mv "$T/host/command" "$T/host/$UML_N"
	until_ 60 uml_answered && [ -e "$T/host/$UML_N.rc" ] || { echo "no answer from the guest"; return 255; }
	cat "$T/host/out"
	return "$(cat "$T/host/$UML_N.rc")"
}

mon() { echo "$*" >&7; }
# Without it, it ends with the case. User-mode Linux is several processes, of one group.
vm_kill() { kill -9 -- "$QEMU" "-$QEMU" 2>/dev/null; wait_for 20 gone "$QEMU"; }

# vm_up [SECONDS]: the guest's shell answers
vm_up()
{
	local line
	if [ -e "$T/uml.n" ]; then
		uml_command true >"$T/null" && return
	fi
	while [ ! -e "$T/uml.n" ] && read -rt "${1:-60}" line <&9; do
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
	[ ! -e "$T/uml.n" ] || { uml_command "$@"; return; }
	printf '{ %s\n} </dev/null 2>&1; echo "::$?"\n' "$*" >&8
	while read -rt 60 line <&9; do
		case $line in
		::up)	echo "the guest booted anew"; : >"$T/vm.silent"; return 255 ;;
		::*)	return "${line#::}" ;;
		*)	printf '%s\n' "$line" ;;
		esac
	done
	echo "no answer from the guest"
	: >"$T/vm.silent"
	return 255
}

route6() { G "ip -6 route | grep '^default via fe80::'"; }

# far LABEL WHERE SEEN ARGUMENT...: a transfer from there; SEEN: the client's address for the server
far()
{
	local label=$1 where=$2 seen=$3 far=$TOOLS/far
	shift 3
	[ "$where" != G ] || far=far
	is "$label" "$($where "$far" "$@" 2>&1 | grep -v '^$')" "done, seen as $seen"
}
SIZES=0,1,2,511,1472,1473,9000,32768,65000	# of datagrams
