#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# pasta --fd: the tap device is opened by somebody else, who knows its name and what it is for
. "${0%/*}/lib.sh"

cat >"$T/with_tap.py" <<'E'
"""with_tap.py NETNS FLAGS COMMAND...: runs COMMAND with a tap device in NETNS at descriptor 9"""
import ctypes, fcntl, os, struct, sys

libc = ctypes.CDLL(None, use_errno=True)
home = os.open("/proc/self/ns/net", os.O_RDONLY)
assert libc.setns(os.open(sys.argv[1], os.O_RDONLY), 0) == 0, os.strerror(ctypes.get_errno())
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"given", int(sys.argv[2], 16)))  # TUNSETIFF
assert libc.setns(home, 0) == 0
os.dup2(tap, 9)
os.execv(sys.argv[3], sys.argv[3:])
E

# taken FLAGS OPTION...: pasta on a tap device with these flags
taken()
{
	local flags=$1
	shift
	python3 "$T/with_tap.py" /proc/$CPID/ns/net "$flags" "$PASTA" -P "$T/pasta.fd.pid" -l "$T/pasta.fd.log" \
		--config-net "$@" --fd 9 \
		--netns /proc/$CPID/ns/net
}

topology
R python3 -m http.server --bind :: --directory "$T" 80 >"$T/http.log" 2>&1 &
echo "a page" >"$T/page"
wait_for 20 curl -so "$T/null" http://198.51.100.10/page

for flags in 5002 1002; do		# IFF_TAP | IFF_NO_PI, with and without IFF_VNET_HDR
	container
	ok "--fd: a tap device with flags 0x$flags" taken $flags
	like "it has the address" "$(C ip addr show given)" '198\.51\.100\.2/24'
	is "a page by way of it" "$(C curl -s -m 10 http://198.51.100.10/page)" "a page"
	kill "$(cat "$T/pasta.fd.pid")"
	wait_for 20 gone "$(cat "$T/pasta.fd.pid")"
	rm "$T/pasta.fd.pid"
done

container
not "--fd: a tun device" taken 1001
like "one line says so" "$(tail -n 1 "$T/ok.out")" \
	'^Invalid value "9" for -F/--fd: not created with IFF_TAP and IFF_NO_PI$'
no_tap() { "$PASTA" --config-net --fd 9 --netns /proc/$CPID/ns/net 9</dev/null; }
not "--fd: no tap device" no_tap
like "one line says so, too" "$(tail -n 1 "$T/ok.out")" '^Invalid value "9" for -F/--fd: not a tap device$'
done_testing
