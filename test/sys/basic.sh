#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# the namespace has the host's addresses and routes, and gets about
. "${0%/*}/lib.sh"

topology
pasta_up

like "address is the host's, IPv4" "$(C ip -4 -br addr show ext)" 198.51.100.2/24
like "address is the host's, IPv6" "$(C ip -6 -br addr show ext)" 2001:db8:1::2
like "default route, IPv4" "$(C ip -4 route)" "default via 198.51.100.1"
like "default route, IPv6" "$(C ip -6 route)" "default via 2001:db8:1::1"
ok "ping, IPv4" C ping -nqc 2 -i 0.1 -W 5 198.51.100.10
ok "ping, IPv6" C ping -nqc 2 -i 0.1 -W 5 2001:db8:1::10
not "ICMP-08 ping of a dead host fails" C ping -nqc 1 -W 1 198.51.100.77

echo "a page" >"$T/page"
R python3 -m http.server --bind :: --directory "$T" 80 >"$T/http.log" 2>&1 &
wait_for 20 R curl -so "$T/null" http://198.51.100.10/page
is "page by curl, IPv4" "$(C curl -s -m 10 http://198.51.100.10/page)" "a page"
is "page by curl, IPv6" "$(C curl -s -m 10 'http://[2001:db8:1::10]/page')" "a page"

done_testing
