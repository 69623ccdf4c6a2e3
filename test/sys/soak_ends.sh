#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# half-close, stop and kill, on either side, in 24 combinations, by the link and spliced: what was sent arrives, or an
# error is seen, and nothing is left. SOAK: how often each.
. "${0%/*}/lib.sh"
: "${SOAK:=10}"

topology
if [ $LINK = tap ]; then pasta_up -t 8000 -T 8200; else pasta_up -t 8000; fi

# NAME CLIENT SERVER ADDRESS PORT AT LPORT
soak()
{
	tap_of python3 "$SYS/soak_ends.py" "$PASTAPID" "$SOAK" "$1" "$(ns_of "$2")" "$(ns_of "$3")" "${@:4}"
	ok "SPL-06 $1: no flow is left" wait_for 20 no_flows
}
wait_for 20 no_flows	# answered by the event loop: start-up is over
before=$(fds)
soak "out" C R 198.51.100.10 7000 198.51.100.10 7000
soak "in" R C 2001:db8:1::2 8000 2001:db8:1::2 8000
is "descriptors that are left" "$(fds)" "$before"
if [ $LINK = tap ]; then
	# Sockets for the next connections, and pipes, are kept: up to 31 of each family, 16
	soak "spliced, in" H C ::1 8000 2001:db8:1::2 8000
	soak "spliced, out" C H 127.0.0.1 8200 127.0.0.1 8200
	le "spliced: descriptors that are left, besides spare ones" $(($(fds) - before)) 94
fi

done_testing
