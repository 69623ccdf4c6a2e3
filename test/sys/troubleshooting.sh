#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# commands of doc/troubleshooting.md: each is there, takes these options, and shows something
LINK=tap
. "${0%/*}/lib.sh"

topology
resolv "nameserver 198.51.100.1"
echo "a page" >"$T/page"
python3 -m http.server --bind 127.0.0.1 --directory "$T" 8080 >"$T/http.log" 2>&1 &
wait_for 20 listens 8080
pasta_up -c "$T/control" --flow-log "$T/flows" --deny 10.0.0.0/8 -t 8001:81
C python3 -m http.server --bind 127.0.0.1 81 >"$T/http.log" 2>&1 &
wait_for 20 eval 'C ss -Hltn | grep -q :81'
CONTAINER=$PASTAPID
passt_start -p "$T/link.pcap"
# A line in place of a connected virtual machine's
python3 -c 'import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); time.sleep(1000)' \
	"$SOCKET" &
wait_for 20 eval 'ss -xp | grep -q "$SOCKET"'
C timeout 1 curl -s http://10.1.1.1/		# refused

PATH=$(dirname "$PASTA"):$PATH
# commands: of fenced blocks, without the example of output; a line may have several
commands() { awk '/^```/ { inside = !inside; next } inside && !/^(\$|ok|limit|\.\.\.)/' \
	"$TOP/doc/troubleshooting.md" | sed 's/; /\n/g'; }
n=0
while IFS= read -r line; do
	[[ $line != *...* ]] || continue	# options of the reader's
	run=$(sed -E \
		"s#\bADDRESS\b#198.51.100.10#; s#\bGATEWAY\b#198.51.100.1#; s#\bINTERFACE\b#ext#; s#\bcontrol\b#$T/control#
		s#tail -f flows#tail $T/flows#; s#link.pcap#$T/link.pcap#; s#/tmp/passt_1.socket#$SOCKET#; s#[$]\(pgrep -n pasta\)#$CONTAINER#" <<<"$line")
	rc=0
	out=$(eval "$run" 2>"$T/err" </dev/null) || rc=$?
	n=$((n + 1))
	is "$line: no complaint" "$(grep -iE 'not found|no such|unknown|invalid|unrecognized|usage|cannot' "$T/err")" ""
	case $line in
	*limit*|*retrans*|tcpdump*)	;;		# nothing may be wrong
	*)	unlike "$line: shows something" "$rc:$out" '^[0-9]+:$' ;;
	esac
done < <(commands)
le "commands were found" 20 "$n"
done_testing
