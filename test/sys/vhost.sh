#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vhost-user: any subset of features and rings of any size; several queue pairs; memory that comes and goes, reboots, a
# guest that is killed and comes back, while data flows
LINK=vhost
. "${0%/*}/lib.sh"

topology

jobs() # LABEL
{
	echo "tcp $1:_out,_v4 c=C s=R to=198.51.100.10 port=7000 up=3000000 down=3000000 close=half"
	echo "tcp $1:_out,_v6 c=C s=R to=2001:db8:1::10 port=7000 up=3000000 down=3000000 close=half"
	echo "tcp $1:_in,_v4 c=R s=C to=198.51.100.2 port=8000 up=3000000 down=3000000 close=half"
	echo "udp $1:_out,_v4 c=C s=R to=198.51.100.10 port=7000 sizes=0,1,100,1472,9000 batch=8 count=5"
	echo "udp $1:_out,_v4,_one_by_one c=C s=R to=198.51.100.10 port=7000 sizes=9000,65507 count=3"
	echo "udp $1:_in,_v6 c=R s=C to=2001:db8:1::2 port=8000 sizes=0,1,100,1452,9000 batch=8 count=5"
	echo "udp $1:_in,_v6,_one_by_one c=R s=C to=2001:db8:1::2 port=8000 sizes=9000,65527 count=3"
}

# works MTU OPTION OF THE GUEST'S...
works()
{
	local mtu=$1 label
	shift
	label="MTU ${mtu} ${*:-all features}"
	GUEST_OPTIONS="-s $*"
	pasta_up -m "$mtu" -t 8000 -u 8000
	xfer < <(jobs "${label// /_}")
	pasta_stop
}

for mtu in 1500 65520; do
	works $mtu
	for off in protocol mrg_rxbuf event_idx indirect csum guest_csum host_tso4,host_tso6,host_uso \
		guest_tso4,guest_tso6,guest_uso4,guest_uso6 mrg_rxbuf,guest_tso4,guest_tso6,guest_uso4,guest_uso6 \
		reply_ack,mem_slots,status backend_req,inflight; do
		works $mtu -x $off
	done
	# Legacy drivers' header is shorter without mergeable buffers
	for on in protocol version_1 version_1,protocol protocol,mrg_rxbuf \
		protocol,csum,guest_csum,host_tso4,guest_tso4 version_1,event_idx,csum; do
		works $mtu -f $on
	done
	# Rings, buffers, pieces, regions; a driver that polls
	for how in "-n 1024 -b 1536" "-n 64 -b 65562" "-b 256 -n 1024" "-c 4096 -g 7" "-c 4096 -x indirect" "-g 1" \
		"-P" "-P -x event_idx"; do
		works $mtu $how
	done
	works $mtu -L
	for pairs in 2 4; do
		works $mtu -q $pairs
	done
done
works 1500 -n 16 -x mrg_rxbuf,guest_tso4,guest_tso6,guest_uso4,guest_uso6

# ---- Queue pairs: each of them is served
GUEST_OPTIONS="-s -q 4"
pasta_up -t 8000 -u 8000
xfer < <(for p in {1..16}; do
	echo "tcp MQ_connection_$p c=C s=R to=198.51.100.10 port=$((7000 + p)) up=200000 down=200000 parallel=4"
done)
pasta_stop
served=$(grep -c '^pair .*sent [1-9]' "$T/guest.$GN.out")
is "queue pairs with packets of 16 connections" "$served" 4
diag "$(cat "$T/guest.$GN.out")"

# ---- Changes while data flows
changed() { [ "$(grep -cE "^$1" "$T/guest.$GN.out")" -ge "$2" ]; }
for how in "" "-x mem_slots"; do
	GUEST_OPTIONS="-s $how"
	pasta_up -t 8000 -u 8000
	label=memory_that_comes_and_goes${how// /_}
	for i in {1..40}; do
		kill -USR1 $GUESTPID
		wait_for 10 changed memory $i || break
	done & loop=$!
	xfer 60 <<-JOBS
		tcp ${label}:_out c=C s=R to=198.51.100.10 port=7000 up=1000000000
		tcp ${label}:_in c=R s=C to=198.51.100.2 port=8000 down=1000000000 up=1000000000
	JOBS
	wait "$loop"
	ok "memory came and went 40 times$how" changed memory 40
	for i in {1..20}; do
		kill -USR2 $GUESTPID
		wait_for 10 changed rebooted $i || break
	done & loop=$!
	xfer 60 <<-JOBS
		tcp reboots:_out c=C s=R to=198.51.100.10 port=7000 up=1000000000
		tcp reboots:_in c=R s=C to=198.51.100.2 port=8000 up=1000000000
	JOBS
	wait "$loop"
	ok "20 reboots$how" changed rebooted 20
	xfer < <(jobs "rebooted_20_times")
	pasta_stop
done

# ---- A guest that comes back
GUEST_OPTIONS=
pasta_up -t 8000 -u 8000
for i in {1..10}; do
	"$TOOLS/xfer" -t 15 < <(echo "tcp - c=C s=R to=198.51.100.10 port=7000 up=90000000000 down=90000000000" |
		xfer_paths) >"$T/busy" 2>&1 & x=$!
	busy() { [ "$(C awk '/ext:/ { print ($2 > 1000000) + ($10 > 1000000) }' /proc/self/net/dev)" = 2 ]; }
	wait_for 10 busy
	kill -9 $GUESTPID
	wait $GUESTPID 2>/dev/null
	wait $x
	like "killed while data flows: connection ends" "$(cat "$T/busy")" reset
	guest_up || break
done
xfer < <(jobs "killed_and_back_$i times" | sed 's/ times/_times/')
pasta_stop

done_testing
