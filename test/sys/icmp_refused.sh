#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ICMP-04 a host where we get no ping sockets: everything else works
. "${0%/*}/lib.sh"

NO_PING=1
topology
pasta_up -t 8000
not "ICMP-04 no echo" C ping -nqc 1 -W 1 198.51.100.10
is "ICMP-04 it is said, once" "$(grep -c "[Pp]ing" "$PASTA_LOG")" 1
xfer <<END
tcp ICMP-04_but_all_else_works,_TCP c=C s=R to=198.51.100.10 port=7000 up=100000 down=100000
udp ICMP-04_but_all_else_works,_UDP c=C s=R to=2001:db8:1::10 port=7000 sizes=0,100,5000
tcp ICMP-04_but_all_else_works,_inbound c=R s=C to=198.51.100.2 port=8000 up=100000
END

done_testing
