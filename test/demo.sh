#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh - a host, a server beside it, and what a namespace behind pasta gets of that network
#
#	server 198.51.100.10 ---- host 198.51.100.2 ---- pasta ---- a shell in a namespace
#
# All three are namespaces made here, as root or not, and gone afterwards. Status 0 if everything worked.
if [ -z "${CASE_TMP:-}" ]; then
	"${0%/*}/tools/deps.sh" --demo || exit 1
	if [ ! -w /dev/net/tun ]; then
		echo "/dev/net/tun is missing, or not for this user: chmod 666 /dev/net/tun" >&2
		exit 1
	fi
fi
. "${0%/*}/sys/lib.sh"
ENDED=1

topology
mkdir "$T/www"
echo "A page from the server outside." >"$T/www/page"
truncate -s 2G "$T/www/2GB"
cat "$T/www/2GB" >/dev/null	# into the page cache, which is not what is measured

cat >"$T/server.py" <<'END'
import http.server, sys

class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def copyfile(self, source, out):
        self.connection.sendfile(source)
    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(204)
        self.end_headers()

class Server(http.server.ThreadingHTTPServer):
    address_family = __import__("socket").AF_INET6

Server(("::", 80), lambda *a: Handler(*a, directory=sys.argv[1])).serve_forever()
END
R python3 "$T/server.py" "$T/www" >"$T/server.log" 2>&1 &
wait_for 20 curl -so "$T/null" http://198.51.100.10/page || exit 1

cat >"$T/inside" <<'END'
bad=0
show() { echo; echo "\$ $*"; "$@" 2>&1 | sed 's/^/  /'; [ "${PIPESTATUS[0]}" = 0 ] || { echo "  *** failed"; bad=1; }; }
rate() { echo; echo "\$ $1"; shift; "$@" | awk '{ printf "  %.1f Gb/s\n", $1 * 8 / 1e9; n = $1 } END { exit !(n > 1e6) }' ||
	{ echo "  *** failed"; bad=1; }; }

show ip -brief address
show ip route
show ip -6 route show default
show ping -c 2 -i 0.2 -W 5 198.51.100.10
show ping -c 2 -i 0.2 -W 5 2001:db8:1::10
show curl -sS -m 20 http://198.51.100.10/page
show curl -sS -m 20 "http://[2001:db8:1::10]/page"
rate "curl http://198.51.100.10/2GB    # throughput, download of 2 GiB" \
	curl -sS -m 60 -o /dev/null -w '%{speed_download}\n' http://198.51.100.10/2GB
rate "curl -T 2GB http://198.51.100.10/    # throughput, upload" \
	curl -sS -m 60 -T "$1/www/2GB" -o /dev/null -w '%{speed_upload}\n' -H Expect: http://198.51.100.10/null
exit $bad
END

cat >"$T/judged" <<'END'
show() { echo; echo "\$ $*"; "$@" 2>&1 | sed 's/^/  /'; return "${PIPESTATUS[0]}"; }

show curl -sS -m 20 http://198.51.100.10/page || exit 1
show curl -sS -m 20 http://198.51.100.1:80/page && exit 1
exit 0
END

echo "A host, 198.51.100.2 and 2001:db8:1::2. Beside it, a server, 198.51.100.10 and 2001:db8:1::10."
echo "$("$PASTA" --version | head -n 1), started by user ID $HOST_UID:"
echo
echo "\$ pasta --config-net"
"$PASTA" --config-net --quiet -- bash "$T/inside" "$T" | tee "$T/shown"
[ "${PIPESTATUS[0]}" = 0 ] || bad=1
echo
echo "\$ pasta --config-net --allow tcp/198.51.100.10:80 --flow-log flows"
"$PASTA" --config-net --quiet --allow tcp/198.51.100.10:80 --flow-log "$T/flows" -- bash "$T/judged" || bad=1
echo
echo "\$ cat flows"
sed 's/^/  /' "$T/flows"
grep -q '"event":"deny".*"address":"127.0.0.1","port":80,"rule":"egress locked"' "$T/flows" || bad=1
if [ -z "${bad:-}" ]; then
	echo
	echo "All of that worked. A namespace without any privilege loaded 2 GiB from a server outside of it:" \
		"$(grep -m 1 -o '[0-9.]* Gb/s' "$T/shown")."
	exit 0
fi
echo
echo "Something failed: see above."
exit 1
