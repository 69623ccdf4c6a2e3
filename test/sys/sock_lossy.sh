#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# a virtual machine whose network card loses what its buffers do not hold, and more, both ways
LINK=sock
. "${0%/*}/lib.sh"

# card NAME OPTIONS: of test/tools/lossy.h, from the guest and, behind a slash, to it
card()
{
	container
	passt_start -m 1500 --no-ra -t 8004,8006
	C sysctl -qw net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.accept_dad=0
	guest_start "$SOCKET" -m 1500 -l "$2" && guest_address || fail "$1: C is connected"
	xfer_beside 20 "jobs $1 4 198.51.100.10 198.51.100.2" "jobs $1 6 2001:db8:1::10 2001:db8:1::2"
	pasta_stop
}
jobs()
{
	echo "tcp $1,_out,_IPv$2,_up c=C s=R to=$3 port=700$2 up=4000000 ms=9000"
	echo "tcp $1,_out,_IPv$2,_down c=C s=R to=$3 port=700$2 down=4000000 ms=9000 close=server"
	echo "tcp $1,_in,_IPv$2,_both_ways c=R s=C to=$4 port=800$2 up=4000000 down=4000000 ms=9000 close=half"
}

topology
card 32_of_a_burst /burst=32
card 8_of_a_burst /burst=8
card 1_%_lost loss=1
card split,_tail_first split=100
done_testing
