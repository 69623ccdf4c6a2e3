# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# callers.bash - a program that starts passt, played by a script for python3 (vmm.py); sourced by cases, one for each caller
#
#	player <<'END'
#	from vmm import *
#	p = Player("name")
#	...
#	END
. "${0%/*}/lib.sh"

: "${PASST:=${PASTA%/*}/passt}"
export PASST T HOST_UID

topology
ip addr add 198.51.100.3/24 dev ext
resolv "nameserver 198.51.100.10
search example.org example.net"
R python3 "$SYS/vmm.py" >"$T/serve.log" 2>&1 &
wait_for 20 grep -q ready "$T/serve.log"

# "all" ports are these that are not handed out to clients: few, and with few sockets
sysctl -qw net.ipv4.ip_local_port_range="9001 65000" net.ipv4.ip_unprivileged_port_start=1024

player()
{
	cat >"$T/player.py"
	tap_of timeout 120 python3 -u "$T/player.py"
	is "${0##*/}: the player gets to its end" "$(cat "$T/tap.rc")" "exit status 0"
}
