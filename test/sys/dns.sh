#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# names: servers of the host's configuration, wherever they are; DNS-11 packets are relayed, not read, so any will do
. "${0%/*}/lib.sh"

topology
F=169.254.1.1 F6=fd00::53

# query LABEL TO FROM SERVER AT: port 53, UDP and TCP, and 853
query()
{
	local port
	for port in 53 853; do
		echo "tcp $1,_TCP,_port_$port c=C s=$3 to=$2 at=$4 port=$port up=40 down=2000"
	done
	echo "udp $1,_UDP c=C s=$3 to=$2 at=$4 port=53 sizes=40,512,1232,4096"
}

resolv "nameserver 198.51.100.10"
pasta_up --dns-forward $F
xfer 5 < <(query DNS-02_DNS-09_forward_to_a_server_outside $F R 198.51.100.10)
pasta_stop

resolv "nameserver 127.0.0.53"
pasta_up --dns-forward $F --no-map-gw
xfer 5 < <(query DNS-03_forward_to_a_resolver_on_loopback,_--no-map-gw $F H 127.0.0.53)
pasta_stop
pasta_up --dns-forward $F
xfer 5 < <(query DNS-01_DNS-05_forward_to_a_resolver_on_loopback $F H 127.0.0.53)
pasta_stop
pasta_up
xfer 5 < <(query DNS-01_gateway_address_without_an_option 198.51.100.1 H 127.0.0.53)
pasta_stop

resolv "nameserver 198.51.100.1"
pasta_up
xfer 5 < <(query DNS-04_the_gateway_is_the_resolver 198.51.100.1 R 198.51.100.1)
xfer 5 <<END
tcp DNS-04_but_for_other_ports_the_host c=C s=H to=198.51.100.1 at=127.0.0.1 port=80 up=10
END
pasta_stop

resolv "nameserver 2001:db8:1::10"
pasta_up --dns-forward $F6
xfer 5 < <(query forward_over_IPv6 $F6 R 2001:db8:1::10)
pasta_stop

resolv "nameserver 203.0.113.53"
pasta_up -D 198.51.100.10 -t 8000 --dns-forward $F
xfer 5 < <(query DNS-08_servers_given_by_-D_serve_for_--dns-forward $F R 198.51.100.10)
xfer 5 <<END
tcp DNS-07_an_option_after_-D_counts c=R s=C to=198.51.100.2 port=8000 up=10
END
pasta_stop
pasta_up --dns-forward $F --dns-host 198.51.100.10
xfer 5 < <(query --dns-host $F R 198.51.100.10)
pasta_stop
pasta_up --dns-forward $F --dns-host 127.0.0.54
xfer 5 < <(query --dns-host_on_loopback $F H 127.0.0.54)
pasta_stop

done_testing
