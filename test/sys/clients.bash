# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# clients.bash - what cases that play programs that start pasta share: a page to get, namespaces by a name, command lines as they run them
. "${0%/*}/lib.sh"

topology
resolv "nameserver 198.51.100.10"
R python3 -m http.server --bind :: --directory "$T" 80 >"$T/http.log" 2>&1 &
echo "a page" >"$T/page"
wait_for 20 curl -so "$T/null" http://198.51.100.10/page
works() { is "$1: it works" "$("${@:2}" curl -s -m 10 http://198.51.100.10/page)" "a page"; }
works6() { is "$1: it works, IPv6" "$("${@:2}" curl -s -m 10 'http://[2001:db8:1::10]/page')" "a page"; }
N()	{ nsenter --net="$NS" -- "$@"; }
bound()	{ NS=$T/netns-$1; : >"$NS"; unshare --net="$NS" true; }
# Runs it as most do: output through a pipe to its end, status
client() { # NAME PROGRAM ARG...
	local name=$1 rc
	shift
	OUT=$(timeout 20 "$@" 2>&1)
	rc=$?
	if [ $rc = 0 ]; then pass "$name: status"; else fail "$name: status" "$rc: $OUT"; fi
}
over() { # NAME PID
	if wait_for 20 gone "$2"; then pass "$1: it ends with the namespace"; else fail "$1: it ends"; kill -9 "$2"; fi
}
