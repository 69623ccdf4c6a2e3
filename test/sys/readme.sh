#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# README.md: its examples work when they are pasted into a shell
. "${0%/*}/lib.sh"

# A page of the Internet, for each name
cat >"$T/internet.py" <<'END'
import http.server

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"A page of %s\n" % self.headers["Host"].encode())

http.server.ThreadingHTTPServer(("198.51.100.10", 80), Page).serve_forever()
END

# example N: the Nth block of shell commands, as in its own terminal, ended after 100 s; its output is $OUT
example()
{
	OUT=$T/example.$1
	mkdir "$T/folder.$1"
	awk -v n="$1" '/^```/ { inside = /^```sh$/ && ++seen == n; next } inside' "$TOP/README.md" >"$T/commands.$1"
	[ -s "$T/commands.$1" ] || { fail "example $1 is there"; return; }
	(cd "$T/folder.$1" && exec timeout 100 bash "$T/commands.$1") >"$OUT" 2>&1 </dev/null
}
shows()	{ ok "$1" grep -aqE "$2" "$OUT" || diag "$(cat -v "$OUT")"; }
hides()	{ not "$1" grep -aqE "$2" "$OUT"; }

topology
resolv "nameserver 198.51.100.10"
PATH=${PASTA%/*}:$PATH
R python3 "$SYS/names.py" "*" 198.51.100.10 >"$T/names.log" 2>&1 &
R python3 "$T/internet.py" >"$T/internet.log" 2>&1 &
wait_for 20 curl -sS -m 5 -o "$T/page" http://example.com/

is "five examples" "$(grep -c '^```sh$' "$TOP/README.md")" 5

example 1
shows "a command: the machine's address" '^ext .*198\.51\.100\.2/24'
shows "a command: a page" '^A page of example\.com$'

example 2
shows "a server: its list of files" 'Directory listing'

example 3
shows "rules: a page" '^A page of example\.com$'
hides "rules: no page" '^A page of example\.org$'
shows "rules: the record" '"name":"example\.org".*"verdict":"deny"'

example 4
shows "pesto: the port" '8081.*81'

example 5 & EXAMPLE=$!
OUT=$T/example.5
wait_for 60 grep -aqE 'net0: 198\.51\.100\.2/255\.255\.255\.0' "$OUT"
shows "passt: the firmware's address" 'net0: 198\.51\.100\.2/255\.255\.255\.0'
kill $EXAMPLE

done_testing
