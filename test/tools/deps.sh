#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deps.sh - install what the tests need and this machine lacks, after saying so
#
# Program and Debian package that has it; nothing is done if all are there.
set -eu

TOOLS='cc:gcc make:make prove:perl git:git python3:python3 ip:iproute2 unshare:util-linux ping:iputils-ping
socat:socat curl:curl iperf3:iperf3 strace:strace tshark:tshark traceroute:traceroute ethtool:ethtool
dhclient:isc-dhcp-client udhcpc:udhcpc dhcpcd:dhcpcd-base'

PATH=$PATH:/usr/sbin:/sbin

packages=
for t in $TOOLS; do
	command -v "${t%%:*}" >/dev/null || packages="$packages ${t#*:}"
done
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "Missing for the tests, by the names of Debian's packages:$packages" >&2
	exit 1
fi

run='env DEBIAN_FRONTEND=noninteractive'
[ "$(id -u)" = 0 ] || run="sudo -n $run"

echo "Installing what the tests need:$packages"
$run apt-get update -q >/dev/null || true
# shellcheck disable=SC2086 # a list of packages
if ! $run apt-get install -q -y --no-install-recommends $packages >/dev/null; then
	echo "That failed; as root: apt-get install$packages" >&2
	exit 1
fi
