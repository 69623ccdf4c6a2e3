#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# every way in and out by every kind of rule: bytes, whom the service sees, who answers, what is refused
#
# A cell is a way (who connects to which address, what has to be seen where) and a kind of rule, for TCP or UDP: each
# row of WAYS with each row of KINDS. What no rule is about has its own rows, OUT. All cells are tried by matrix.py, at
# once.
. "${0%/*}/lib.sh"

# ---- Cells

# One program each, with a container of its own
INSTANCES='
plain		|
no-splice	| NO_SPLICE
mapped		| NO_SPLICE --map-host-loopback 192.0.2.1 --map-host-loopback 2001:db8:9a55::1 --map-guest-addr 192.0.2.2 --map-guest-addr 2001:db8:9a55::2
lo-to-lo	| --host-lo-to-ns-lo
no-map		| NO_SPLICE --no-map-gw -o 203.0.113.2 -o 2001:db8:2::2
if		| --outbound-if4 other --outbound-if6 other
'

# Who (R remote host, H host, C container) asks for which address, and which one that is on the host, if another; where
# the service is; whom it sees, "=" with the same port; the interface by which it comes, for a rule that is bound to
# one; and who asks for which address in vain, for a rule that is bound to an address
WAYS='
# instance	| way					| client | asked	| service at		| sees			| interface | in vain
plain		| tap in				| R | 198.51.100.2	| C 198.51.100.2	| 198.51.100.10=	| ext	| R 203.0.113.2
plain		| tap in				| R | 2001:db8:1::2	| C 2001:db8:1::2	| 2001:db8:1::10=	| ext	| R 2001:db8:2::2
plain		| tap in, host with two addresses	| R | 203.0.113.2	| C 198.51.100.2	| 203.0.113.10=		| other	| R 198.51.100.2
plain		| tap in, host with two addresses	| R | 2001:db8:2::2	| C 2001:db8:1::2	| 2001:db8:2::10=	| other	| R 2001:db8:1::2
plain		| tap in, the host itself		| H | 198.51.100.2	| C 198.51.100.2	| 198.51.100.1=		| ext	| H 127.0.0.1
plain		| tap in, the host itself		| H | 2001:db8:1::2	| C 2001:db8:1::2	| 2001:db8:1::1=	| ext	| H ::1
no-splice	| tap in, loopback			| H | 127.0.0.1		| C 198.51.100.2	| 198.51.100.1=		| lo	| R 198.51.100.2
no-splice	| tap in, loopback			| H | ::1		| C 2001:db8:1::2	| 2001:db8:1::1=	| lo	| R 2001:db8:1::2
no-splice	| tap in, 127.0.0.0/8			| H | 127.0.0.9		| C 198.51.100.2	| 198.51.100.1=		| lo	| H 127.0.0.1
no-splice	| tap in, by the gateway		| C | 198.51.100.1 127.0.0.1 | C 198.51.100.2	| 198.51.100.1		| lo	| R 198.51.100.2
no-splice	| tap in, by the gateway		| C | 2001:db8:1::1 ::1	| C 2001:db8:1::2	| 2001:db8:1::1		| lo	| R 2001:db8:1::2
mapped		| tap in, loopback mapped		| H | 127.0.0.1		| C 198.51.100.2	| 192.0.2.1=		| lo	| R 198.51.100.2
mapped		| tap in, loopback mapped		| H | ::1		| C 2001:db8:1::2	| 2001:db8:9a55::1=	| lo	| R 2001:db8:1::2
mapped		| tap in, the host itself mapped	| H | 198.51.100.2	| C 198.51.100.2	| 192.0.2.2=		| ext	| H 127.0.0.1
mapped		| tap in, the host itself mapped	| H | 2001:db8:1::2	| C 2001:db8:1::2	| 2001:db8:9a55::2=	| ext	| H ::1
no-map		| tap in, loopback without a mapping	| H | 127.0.0.1		| C 198.51.100.2	| 198.51.100.1=		| lo	| R 198.51.100.2
no-map		| tap in, loopback without a mapping	| H | ::1		| C 2001:db8:1::2	| 2001:db8:1::1=	| lo	| R 2001:db8:1::2
plain		| splice in				| H | 127.0.0.1		| C 198.51.100.2	| 198.51.100.2		| lo	| R 198.51.100.2
plain		| splice in				| H | ::1		| C 2001:db8:1::2	| 2001:db8:1::2		| lo	| R 2001:db8:1::2
plain		| splice in, 127.0.0.0/8		| H | 127.0.0.9		| C 198.51.100.2	| 198.51.100.2		| lo	| H 127.0.0.1
plain		| splice in, by the gateway		| C | 198.51.100.1 127.0.0.1 | C 198.51.100.2	| 198.51.100.2		| lo	| R 198.51.100.2
plain		| splice in, by the gateway		| C | 2001:db8:1::1 ::1	| C 2001:db8:1::2	| 2001:db8:1::2		| lo	| R 2001:db8:1::2
lo-to-lo	| splice in, loopback to loopback	| H | 127.0.0.1		| C 127.0.0.1		| 127.0.0.1		| lo	| R 198.51.100.2
lo-to-lo	| splice in, loopback to loopback	| H | ::1		| C ::1			| ::1			| lo	| R 2001:db8:1::2
lo-to-lo	| splice in, 127.0.0.0/8 to itself	| H | 127.0.0.9		| C 127.0.0.9		| 127.0.0.1		| lo	| H 127.0.0.1
plain		| splice out				| C | 127.0.0.1		| H 127.0.0.1		| 127.0.0.1		| lo	| C 127.0.0.2
plain		| splice out				| C | ::1		| H ::1			| ::1			| lo	| C 2001:db8:1::2
plain		| splice out, 127.0.0.0/8		| C | 127.0.0.9		| H 127.0.0.9		| 127.0.0.1		| lo	| C 127.0.0.1
'

# The option: P, P+N first port of the cell, and others behind it; ADDR, IF the way's. Ports, minus P, that are asked for, where
# they lead, and where nobody answers although there is a service.
KINDS='
one port	| P			| 0	| 0	| 1
range		| P-P+2			| 0 1 2 | 0 1 2 | 3
remapped range	| P-P+2:P+5-P+7		| 0 1 2	| 5 6 7 | 3 5
bound address	| ADDR/P		| 0	| 0	| in vain
bound interface	| %IF/P			| 0	| 0	| another interface
exclusion	| P-P+4,~P+2-P+3	| 0 1 4 | 0 1 4 | 2 3
auto		| P-P+3,auto		| auto	| auto	|
'

# From the namespace over the link there are no rules: any port of any address is there. What the kinds are then; where
# a service is not to be found, and somebody else asked for it by the same address.
OUT='
# instance	| kind						| asked			| service at		| sees		| ports	| hidden
plain		| one port, of a third machine			| 198.51.100.10		| R 198.51.100.10	| 198.51.100.2	| 0	|
plain		| one port, of a third machine			| 2001:db8:1::10	| R 2001:db8:1::10	| 2001:db8:1::2	| 0	|
plain		| range, of a third machine			| 198.51.100.10		| R 198.51.100.10	| 198.51.100.2	| 0 1 2	|
plain		| range, of a third machine			| 2001:db8:1::10	| R 2001:db8:1::10	| 2001:db8:1::2	| 0 1 2	|
plain		| the gateway is the host, on loopback		| 198.51.100.1		| H 127.0.0.1		| 127.0.0.1	| 0	| R 198.51.100.1
plain		| the gateway is the host, on loopback		| 2001:db8:1::1		| H ::1			| ::1		| 0	| R 2001:db8:1::1
plain		| the host has the address of the namespace	| 198.51.100.2		| C 198.51.100.2	| 198.51.100.2	| 0	| H 198.51.100.2
plain		| the host has the address of the namespace	| 2001:db8:1::2		| C 2001:db8:1::2	| 2001:db8:1::2	| 0	| H 2001:db8:1::2
mapped		| --map-host-loopback				| 192.0.2.1		| H 127.0.0.1		| 127.0.0.1	| 0	| H 198.51.100.2
mapped		| --map-host-loopback				| 2001:db8:9a55::1	| H ::1			| ::1		| 0	| H 2001:db8:1::2
mapped		| --map-guest-addr				| 192.0.2.2		| H 198.51.100.2	| 198.51.100.2	| 0	| H 127.0.0.1
mapped		| --map-guest-addr				| 2001:db8:9a55::2	| H 2001:db8:1::2	| 2001:db8:1::2	| 0	| H ::1
mapped		| the gateway, if something else is the host	| 198.51.100.1		| R 198.51.100.1	| 198.51.100.2	| 0	| H 127.0.0.1
mapped		| the gateway, if something else is the host	| 2001:db8:1::1		| R 2001:db8:1::1	| 2001:db8:1::2	| 0	| H ::1
no-map		| bound address, -o				| 198.51.100.10		| R 198.51.100.10	| 203.0.113.2	| 0	|
no-map		| bound address, -o				| 2001:db8:1::10	| R 2001:db8:1::10	| 2001:db8:2::2	| 0	|
if		| bound interface, --outbound-if4		| 192.0.2.50		| R 192.0.2.50		| 203.0.113.2	| 0	|
if		| bound interface, --outbound-if6		| 2001:db8:50::1	| R 2001:db8:50::1	| 2001:db8:2::2	| 0	|
no-map		| exclusion, --no-map-gw			| 198.51.100.1		| R 198.51.100.1	| 203.0.113.2	| 0	| H 127.0.0.1
no-map		| exclusion, --no-map-gw			| 2001:db8:1::1		| R 2001:db8:1::1	| 2001:db8:2::2	| 0	| H ::1
'

# Cells that there are not: name, reason
NONE='
tap out, remapped range		| addresses are mapped on their way out, ports never
tap out, auto			| there is nothing to open: what listens is reached
IPv6 *, 127.0.0.0/8		| ::1 is the only loopback address
'
[ $LINK = tap ] || NONE+='
splice			| connections of a virtual machine all pass its link
auto			| what is bound in a virtual machine cannot be seen
'

# ---- What is in front of a service

topology
ip link add other type veth peer name other netns $RPID
ip addr add 203.0.113.2/24 dev other
ip addr add 2001:db8:2::2/64 dev other nodad
R ip addr add 203.0.113.10/24 dev other
R ip addr add 2001:db8:2::10/64 dev other nodad
ip link set other up
R ip link set other up
ip route add default via 203.0.113.10 metric 2000
ip -6 route add default via 2001:db8:2::10 metric 2000
R ip addr add 192.0.2.50/32 dev lo
R ip addr add 2001:db8:50::1/128 dev lo nodad
wait_for 20 eval '! ip -6 addr show tentative | grep -q inet6'

# rows TABLE: without comments, blanks around bars and more than one tab
rows() { sed -E '/^(#|$)/d; s/\t+/ /g; s/ *\| */|/g; s/ +$//' <<<"$1"; }

declare -A OPTIONS	# of an instance
declare -A BASE		# first port of a way
CELLS=$T/cells

# Somebody who comes by another interface than that
another_if()
{
	case $1$2 in
	ext4)	echo R 203.0.113.2 ;;
	ext6)	echo R 2001:db8:2::2 ;;
	*4)	echo R 198.51.100.2 ;;
	*6)	echo R 2001:db8:1::2 ;;
	esac
}

# name PROTO FAMILY WAY KIND: sets NAME; false if there is no such cell
name()
{
	local p
	NAME="$1 IPv$2 $3, $4"
}

# cell PROTO KIND SPEC ASKED SERVED REFUSED: for the way that is in INST WAY FROM TO ADDR SERVER AT SEEN IF VAIN FAM P
cell()
{
	local proto=$1 kind=$2 spec=$3 asked=$4 served=$5 refused=$6 how=fixed ports= no= decoys= \
		checks="bytes, source, reply"
	local from=$FROM server=$SERVER seen=$SEEN at=$AT option n a vain

	name "$proto" "$FAM" "$WAY" "$kind" || return 0
	case $WAY in "splice out"*) option=-T ;; *) option=-t ;; esac
	[ "$proto" = TCP ] || option=${option/t/u} option=${option/T/U}

	spec=${spec/ADDR/$ADDR} spec=${spec/IF/$IF}
	for n in 7 6 5 4 3 2 1; do
		spec=${spec//P+$n/$((P + n))}
	done
	spec=${spec//P/$P}
	case " ${OPTIONS[$INST]:-} " in
	*" $option $spec "*)	;;
	*)			OPTIONS[$INST]="${OPTIONS[$INST]:-} $option $spec" ;;
	esac

	if [ "$asked" = auto ]; then	# TCP and UDP are not to be taken for each other
		how=auto n=$((P + (FAM == 6)))
		[ "$proto" = TCP ] || n=$((n + 2))
		ports=$n:$n checks+=", within 2 s, while it is there"
	else
		set -- $served
		for a in $asked; do
			ports+=" $((P + a)):$((P + $1))"
			shift
		done
		case $refused in
		"in vain")		vain=$VAIN ;;
		"another interface")	vain=$(another_if "$IF" "$FAM") ;;
		*)			vain= ;;
		esac
		if [ -n "$vain" ]; then
			no=${vain/ //}/$P
			checks+="; refused elsewhere"
		else
			for n in $refused; do
				no+=" $from/$TO/$((P + n))"
				decoys+=" $server/$at/$((P + n))"
			done
			checks+="; others refused"
		fi
	fi
	no=${no//C\//$INST/} decoys=${decoys//C\//$INST/}
	echo "$NAME: $checks|$proto|${from/#C/$INST}|$TO|${server/#C/$INST}|$at|$seen|$ports|$no|$decoys|$how"
}

# All cells of WAYS and KINDS, and the options that they take
with_rules()
{
	local ways=0 proto kind spec asked served refused
	while IFS='|' read -r INST WAY FROM asked SERVER SEEN IF VAIN; do
		[ $LINK = tap ] || [ "${WAY#splice}" = "$WAY" ] || continue
		[ -n "${BASE[$WAY]:-}" ] || BASE[$WAY]=$((8000 + 100 * ways++))
		TO=${asked% *} ADDR=${asked#* } AT=${SERVER#* } SERVER=${SERVER% *}
		case $TO in *:*) FAM=6 ;; *) FAM=4 ;; esac
		P=${BASE[$WAY]}
		while IFS='|' read -r kind spec asked served refused; do
			[ $LINK = tap ] || [ "$kind" != auto ] || continue
			for proto in TCP UDP; do
				cell $proto "$kind" "$spec" "$asked" "$served" "$refused"
			done
			P=$((P + 10))
		done < <(rows "$KINDS")
	done < <(rows "$WAYS")
}

# All cells of OUT
without_rules()
{
	local port=12000 inst kind to service sees ports hidden proto fam n p
	while IFS='|' read -r inst kind to service sees ports hidden; do
		case $to in *:*) fam=6 ;; *) fam=4 ;; esac
		service=${service/#C/$inst}
		for proto in TCP UDP; do
			name $proto $fam "tap out" "$kind" || continue
			p=
			for n in $ports; do
				p+=" $((port + n)):$((port + n))"
			done
			echo -n "$NAME: bytes, source, reply${hidden:+; another service refused}"
			echo -n "|$proto|$inst|$to|${service% *}|${service#* }|$sees|$p|"
			echo "${hidden:+$inst/$to/$((port + 5))}|${hidden:+${hidden/ //}/$((port + 5))}|fixed"
		done
		port=$((port + 10))
	done < <(rows "$OUT")
}

while IFS='|' read -r cells reason; do
	diag "no cells: $cells: $reason"
done < <(rows "$NONE")
with_rules >"$CELLS"
without_rules >>"$CELLS"

nets=(R="$(ns_of R)" H="$(ns_of H)")
[ $LINK = tap ] && none="-T none -U none" || none=		# but for what follows: ports of one's rules are not for others
while IFS='|' read -r inst options; do
	grep -qF "|$inst|" "$CELLS" || continue
	pasta_up $none ${options/NO_SPLICE/$NO_SPLICE} ${OPTIONS[$inst]:-} || done_testing
	nets+=("$inst=$(ns_of C)")
done < <(rows "$INSTANCES")

tap_of python3 "$SYS/matrix.py" "${nets[@]}" <"$CELLS"
is "every cell has been tried" $TESTS "$(wc -l <"$CELLS")"

done_testing
