#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deps.sh [--demo] [TOOL:PACKAGE]... - install what the tests need and this machine lacks, after saying so
#
# Pairs of a program and the Debian package that has it, or several with commas; arguments add to the list. Nothing is
# done if all are there. With --demo, the list is of what builds the program and shows it (test/demo.sh).
set -eu

DEMO='cc:gcc make:make bash:bash python3:python3 ip:iproute2 unshare:util-linux nsenter:util-linux ping:iputils-ping
curl:curl sysctl:procps'

TOOLS='prove:perl git:git nstat:iproute2 setpriv:util-linux traceroute:traceroute mtr:mtr-tiny openssl:openssl
socat:socat tshark:tshark tcpdump:tcpdump strace:strace nft:nftables ethtool:ethtool ps:procps
dhclient:isc-dhcp-client udhcpc:udhcpc dhcpcd:dhcpcd-base qemu-system-x86_64:qemu-system-x86 busybox:busybox-static
cpio:cpio xz:xz-utils zstd:zstd linux.uml:user-mode-linux dpdk-testpmd:dpdk-dev'

PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
demo=
if [ "${1:-}" = --demo ]; then
	demo=1 TOOLS=
	shift
fi

missing=
need() # PACKAGE[,PACKAGE]...
{
	for p in $(echo "$1" | tr , ' '); do
		case " $missing " in
		*" $p "*) ;;
		*) missing="$missing $p" ;;
		esac
	done
}

for t in $DEMO $TOOLS "$@"; do
	command -v "${t%%:*}" >/dev/null || need "${t#*:}"
done
if [ -z "$demo" ]; then
	/usr/bin/python3 -c 'import scapy' 2>/dev/null || need python3-scapy
	[ -e /usr/lib/ipxe/qemu/pxe-virtio.rom ] || need ipxe-qemu
	[ -e /usr/lib/ipxe/ipxe.lkrn ] || need ipxe
	[ -x /lib/systemd/systemd-networkd ] || [ -x /usr/lib/systemd/systemd-networkd ] || need systemd
fi
for h in linux/if_tun.h linux/virtio_net.h; do
	[ -e "/usr/include/$h" ] || need linux-libc-dev
done
[ -e /usr/include/stdio.h ] || need libc6-dev
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "Missing, by the names of Debian's packages:$missing" >&2
	exit 1
fi

# A question for the password takes a terminal
run='env DEBIAN_FRONTEND=noninteractive'
if [ "$(id -u)" != 0 ]; then
	if [ -t 0 ]; then run="sudo $run"; else run="sudo -n $run"; fi
fi

echo "Installing, by apt-get:$missing"
$run apt-get update -q >/dev/null || true
# shellcheck disable=SC2086 # a list of packages
if ! $run apt-get install -q -y --no-install-recommends $missing >/dev/null; then
	echo "That failed; as root: apt-get install$missing" >&2
	exit 1
fi
