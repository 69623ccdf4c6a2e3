#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# FOL router advertisements after the host's network has changed, as they are on the link
. "${0%/*}/follow.bash"

etc
servers 2001:db8:1::10 2001:db8:1::11
pasta_link --dhcp-dns --dhcp-search
C python3 "$SYS/follow.py" adverts >"$T/adverts" 2>&1 &
disown
wait_for 20 grep -q ready "$T/adverts"

lines()		{ wc -l <"$T/adverts"; }
more()		{ [ "$(lines)" -gt "$1" ]; }
since()		{ tail -n "+$(($1 + 1))" "$T/adverts"; }
now()		{ echo $((${EPOCHREALTIME/./} / 1000)); }
# wants N REGEX: one of the advertisements since line N
wants()		{ since "$1" | grep -qE "$2"; }
# comes NAME REGEX SINCE-MS: an advertisement, as soon as RFC 4861 6.2.6 permits more of them; by itself, it takes up to
# 850 ms
comes()
{
	local ms
	ok "$1" wait_for 20 wants "$n" "$2" || diag "$(since "$n")"
	ms=$(($(since "$n" | grep -m 1 -E "$2" | cut -d' ' -f1) - $3))
	diag "after $ms ms"
	le "$1: within 3 s" $ms 3000
}
next6()		# PREFIX
{
	ip -6 addr flush dev ext scope global
	ip -6 addr add "$1:2/64" dev ext nodad
	ip -6 route replace default via 2001:db8:1::1 dev ext onlink
}

# ---- another prefix

n=$(lines) at=$(now)
next6 2001:db8:a:
comes "FOL-35 another prefix, to all nodes" " ff02::1 65535 .*p=2001:db8:a::,4294967295,4294967295" "$at"
ok "FOL-35 the old one has preferred lifetime 0" wants "$n" "p=2001:db8:1::,0,"
le "FOL-35 and is valid for 7,200 s at most" \
	"$(since "$n" | sed -n 's/.*p=2001:db8:1::,0,\([0-9]*\).*/\1/p' | sort -n | tail -n 1)" 7200
three=$n

# ---- resolvers

n=$(lines) at=$(now)
servers 2001:db8:1::11 2001:db8:1::12
comes "FOL-35 other resolvers" "d=2001:db8:1::11,4294967295 d=2001:db8:1::12,4294967295 d=2001:db8:1::10,0" "$at"
ok "FOL-35 one that is gone has lifetime 0" wants "$n" "d=2001:db8:1::10,0"
unlike "FOL-35 one that stays has not" "$(since "$n" | tail -n 1)" "::11,0"
n=$(lines) at=$(now)
servers 2001:db8:1::10
comes "FOL-35 it is back" "d=2001:db8:1::10,4294967295" "$at"
unlike "FOL-35 and has no other lifetime" "$(since "$n" | grep -m 1 "d=2001:db8:1::10,4294967295")" "::10,0"

# ---- many prefixes; three advertisements

for p in b c d e f; do
	n=$(lines)
	next6 2001:db8:$p:
	ok "FOL-35 another prefix: $p" wait_for 20 wants "$n" "p=2001:db8:$p::,4294967295"
done
last=$(since "$n" | tail -n 1)
is "FOL-35 four old prefixes, the last ones" "$(grep -o 'p=[^ ]*,0,' <<<"$last" | sort | xargs)" \
	"p=2001:db8:b::,0, p=2001:db8:c::,0, p=2001:db8:d::,0, p=2001:db8:e::,0,"
n=$(lines)
next6 2001:db8:c:
ok "FOL-35 one of them is back" wait_for 20 wants "$n" "p=2001:db8:c::,4294967295"
unlike "FOL-35 and is old no more" "$(since "$n" | grep -m 1 "p=2001:db8:c::,4294967295")" "p=2001:db8:c::,0"
ok "FOL-35 it is sent twice more" wait_for 60 more $((n + 2)) || diag "$(since "$n")"
like "FOL-35 as it was" "$(since "$n" | tail -n 1)" "p=2001:db8:c::,4294967295.*p=2001:db8:f::,0,7[01]"
ok "it rests" wait_for 20 still

# ---- another router, with its own link-local address

R ip addr add fe80::a/64 dev ext nodad
R ip addr add fe80::b/64 dev ext nodad
n=$(lines) at=$(now)
ip -6 route replace default via fe80::a dev ext
comes "FOL-35 another router" " fe80::a ff02::1 65535 " "$at"
ok "FOL-35 the first one is gone" wait_for 20 wants "$n" " fe80::1 ff02::1 0"
n=$(lines) at=$(now)
ip -6 route replace default via fe80::b dev ext
comes "FOL-35 and another one" " fe80::b ff02::1 65535 " "$at"
ok "FOL-35 the second one is gone" wait_for 20 wants "$n" " fe80::a ff02::1 0"

# ---- no IPv6 any more

n=$(lines) at=$(now)
ip -6 addr flush dev ext scope global
ip -6 route flush default
ok "FOL-35 no IPv6 any more: no router" wait_for 20 wants "$n" " fe80::b ff02::1 0 .*p=2001:db8:c::,0,7200"
n=$(lines) at=$(now)
next6 2001:db8:c:
comes "FOL-35 and gained" " ff02::1 65535 .*p=2001:db8:c::,4294967295" "$at"
pasta_stop

# ---- switched off

pasta_link --no-follow
C python3 "$SYS/follow.py" adverts >"$T/adverts" 2>&1 &
disown
wait_for 20 grep -q ready "$T/adverts"
n=$(lines)
next6 2001:db8:e:
not "FOL-11 --no-follow: no advertisement" wait_for 2 wants "$n" "2001:db8:e"
pasta_stop
done_testing
