#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rules with names: the ways around them that doc/policy.md lists are shut, and what they allow is open
. "${0%/*}/lib.sh"

topology
for a in 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26; do
	R ip addr add 9.9.9.$a/32 dev lo
done
for a in 10.9.0.1/32 169.254.169.254/32 198.51.100.11/32 9.9.8.1/32; do
	R ip addr add $a dev lo
done
for a in 2620:fe::9 64:ff9b::909:909; do
	R ip addr add $a/128 dev lo nodad
done
ip route add 169.254.169.254 via 198.51.100.1
ip addr add 10.8.0.1/32 dev lo
ip addr add 9.9.9.27/32 dev lo
LOG=$T/queries

# resolver ADDRESS...: in R
resolver()
{
	R python3 "$SYS/dns_tool.py" serve "$LOG" "$@" >"$T/resolver" 2>&1 &
	disown
	wait_for 20 grep -q ready "$T/resolver"
}
ask()	{ C python3 "$SYS/dns_tool.py" ask "$@"; }

# reach NAME ADDRESS PORT: TCP and UDP get there; refuse NAME ADDRESS PORT: neither does
reach()
{
	echo "tcp $1,_TCP c=C s=R to=$2 at=$2 port=$3 up=1000 down=1000"
	echo "udp $1,_UDP c=C s=R to=$2 at=$2 port=$3 sizes=0,100,3000"
}
refuse()
{
	local udp=EHOSTUNREACH
	[[ $2 = *:* ]] && udp=EACCES
	echo "error $1,_TCP c=C to=$2 port=$3 want=ECONNREFUSED"
	echo "udp-error $1,_UDP c=C to=$2 port=$3 want=$udp"
}

: >"$LOG"
resolv "nameserver 198.51.100.10
nameserver 198.51.100.11"
resolver 198.51.100.10 198.51.100.11 9.9.9.10
S=198.51.100.10
pasta_up --flow-log "$T/flows" --deny bad.test.example --allow good.test.example:7000 --allow '*.test.example:7000' \
	--allow udp/quic.test.example:443 --allow alias.example:443 --allow host.example:7000

# ---- An address without its name
xfer 5 < <(refuse "an_address_without_its_name" 9.9.9.9 7000)
is "an allowed name" "$(ask $S good.test.example)" "NOERROR 9.9.9.9"
is "the same, IPv6" "$(ask $S good.test.example AAAA)" "NOERROR 2620:fe::9"
{
	reach its_address 9.9.9.9 7000
	reach its_address,_IPv6 2620:fe::9 7000
	refuse its_address,_another_port 9.9.9.9 7001
	refuse another_address 9.9.9.10 7000
} >"$T/list"
xfer 5 <"$T/list"

# ---- Another resolver, or none that answers: port 53 is the program's
is "an allowed name, of an address where no resolver is" "$(ask 203.0.113.53 good.test.example)" "NOERROR 9.9.9.9"
is "the same, IPv6" "$(ask 2001:db8:53::53 good.test.example)" "NOERROR 9.9.9.9"
is "the same by TCP" "$(ask 203.0.113.53 good.test.example tcp)" "NOERROR 9.9.9.9"
: >"$LOG"
is "a name that no rule allows, of the resolver" "$(ask $S evil.example)" "NXDOMAIN"
is "the same, of a resolver of its own" "$(ask 9.9.9.10 data.evil.example)" "NXDOMAIN"
is "the same by TCP" "$(ask 9.9.9.10 data.evil.example tcp)" "NXDOMAIN"
is "the same of another type" "$(ask 9.9.9.10 data.evil.example TXT)" "NXDOMAIN"
is "the same with OPT" "$(ask 9.9.9.10 data.evil.example opt)" "NXDOMAIN OPT+blocked"
is "a name that a rule refuses" "$(ask $S bad.test.example)" "NXDOMAIN"
is "the name above those that are allowed" "$(ask $S test.example)" "NXDOMAIN"
is "a name that ends the same" "$(ask $S eviltest.example)" "NXDOMAIN"
is "an address's name" "$(ask $S 9.9.9.9.in-addr.arpa PTR)" "NXDOMAIN"
is "none of them was sent on" "$(cat "$LOG")" ""
{
	echo "error DNS_over_TLS_elsewhere c=C to=9.9.9.10 port=853 want=ECONNREFUSED"
	echo "error DNS_over_TLS,_the_resolver's c=C to=$S port=853 want=ECONNREFUSED"
	echo "udp-error DNS_over_QUIC c=C to=$S port=853 want=EHOSTUNREACH"
} >"$T/list"
xfer 5 <"$T/list"

# ---- Spellings
HEAD=123401000001000000000000 TEST=0474657374076578616d706c6500	# a query; .test.example
is "in another case, with the case that was asked" "$(ask $S gOOd.Test.EXAMPLE)" "NOERROR 9.9.9.9"
is "an answer in another case" "$(ask $S upper.test.example)" "NOERROR 9.9.9.12"
is "a dot within a label" "$(ask $S x raw $HEAD"03612e62$TEST""00010001")" "NXDOMAIN"
is "no query is sent on as it came" "$(ask $S good.test.example opt)" "NOERROR 9.9.9.9 OPT"
is "but with an empty OPT" "$(tail -n 1 "$LOG")" "UDP $S good.test.example A OPT 11"

# ---- What is no plain question
is "two questions" "$(ask $S x raw 1234010000020000000000000161000001000101620000010001)" "FORMERR"
is "an update" "$(ask $S x raw 123428000001000000000000"$TEST"00060001)" "NOTIMP"
is "a transfer" "$(ask $S x raw $HEAD"0161$TEST""00fc0001")" "NOTIMP"

# ---- What the resolver answers
is "a chain" "$(ask $S chain.test.example)" "NOERROR CNAME 9.9.9.11 9.9.9.19"
is "the name at its end, by itself" "$(ask $S edge.cdn.test)" "NXDOMAIN"
is "hints, without keys for encrypted hellos" "$(ask $S https.test.example HTTPS)" "NOERROR HTTPS"
is "a resolver that lies, and answers twice" "$(ask $S liar.test.example)" "NOERROR 9.9.9.15"
is "a resolver that is slow" "$(ask $S slow.test.example)" "NOERROR 9.9.9.14"
is "one that fails: the next one" "$(ask $S fails.test.example)" "NOERROR 9.9.9.16"
is "an answer that makes no sense, then one that does" "$(ask $S garbage.test.example)" "NOERROR 9.9.9.26"
is "addresses of the host in the answer" "$(ask $S rebind.test.example)" \
	"NOERROR 127.0.0.1 9.9.9.27 169.254.169.254 10.8.0.1 9.9.9.20"
is "the same, IPv6" "$(ask $S rebind.test.example AAAA)" "NOERROR ::1 64:ff9b::7f00:1"
is "a private address" "$(ask $S private.test.example)" "NOERROR 10.9.0.1"
is "a NAT64 address" "$(ask $S nat64.test.example AAAA)" "NOERROR 64:ff9b::909:909"
is "another type of an allowed name" "$(ask $S good.test.example TXT)" "NOERROR type16"
is "QUIC's" "$(ask $S quic.test.example)" "NOERROR 9.9.9.21"
is "a name that doesn't exist" "$(ask $S nothing.test.example)" "NXDOMAIN"
{
	reach "the_end_of_a_chain" 9.9.9.11 7000
	reach "an_answer_in_another_case" 9.9.9.12 7000
	reach "a_hint" 9.9.9.13 7000
	reach "a_slow_answer" 9.9.9.14 7000
	reach "the_answer_among_lies" 9.9.9.15 7000
	reach "the_second_resolver's_answer" 9.9.9.16 7000
	refuse "none_of_the_lies" 9.9.9.18 7000
	refuse "another_name's_address_in_an_answer" 9.9.9.19 7000
	reach "what_is_public_of_addresses_that_are_not" 9.9.9.20 7000
	refuse "the_host's_public_address" 9.9.9.27 7000
	refuse "metadata" 169.254.169.254 7000
	refuse "the_host's_other_address" 10.8.0.1 7000
	reach "a_private_address" 10.9.0.1 7000
	reach "through_NAT64" 64:ff9b::909:909 7000
	refuse "loopback_through_NAT64" 64:ff9b::7f00:1 7000
	echo "udp UDP_port_443_by_a_rule_for_UDP c=C s=R to=9.9.9.21 at=9.9.9.21 port=443 sizes=100"
	echo "error TCP_by_that_rule c=C to=9.9.9.21 port=443 want=ECONNREFUSED"
} >"$T/list"
xfer 5 <"$T/list"

# ---- By TCP
is "one byte at a time" "$(ask $S good.test.example split)" "NOERROR 9.9.9.9"
is "many in a connection" "$(ask $S good.test.example many)" "answers: 24"
is "many in a connection that are refused" "$(ask $S evil.example many)" "answers: 24"
is "half closed" "$(ask $S good.test.example tcp half)" "NOERROR 9.9.9.9
and end"
like "cut by UDP" "$(ask $S big.test.example)" "^NOERROR TC"
like "whole by TCP" "$(ask $S big.test.example tcp)" "^NOERROR 201 records True"
like "texts of 20 KiB" "$(ask $S big.test.example TXT tcp)" "^NOERROR 101 records True"

# ---- A resolver that doesn't answer
is "nobody answers: SERVFAIL" "$(ask $S silent.test.example)" "SERVFAIL"
is "the second one was asked, too" "$(grep -c "198.51.100.11 silent" "$LOG" | sed 's/[1-9].*/some/')" some
ok "connections to port 53 leave nothing behind" wait_for 40 no_flows
pasta_stop

# ---- The record
cat >"$T/lines.py" <<'END'
import json, sys
for line in open(sys.argv[1]):
    l = json.loads(line)
    if l["event"] == "dns":
        print(l["verdict"], l["name"], l["type"], *l["addresses"])
    elif l["port"] == 53 or "name" in l:
        print(l["event"], l["dir"], l["proto"], l["port"], l.get("rule"), l.get("name"))
END
python3 "$T/lines.py" "$T/flows" >"$T/lines"
for want in "allow good.test.example A 9.9.9.9" "deny data.evil.example TXT" "allow chain.test.example A 9.9.9.11" \
	"allow silent.test.example A" "allow out tcp 53 resolver None" "end out tcp 53 None None" \
	"allow out tcp 7000 good.test.example:7000 good.test.example"; do
	ok "recorded: $want" grep -qxF "$want" "$T/lines"
done

# ---- What is not refused
pasta_up --egress internet --deny evil.example
is "internet: any name" "$(ask $S other.example)" "NOERROR 9.9.9.10"
is "internet: but one" "$(ask 9.9.9.10 EVIL.example)" "NXDOMAIN"
is "internet: at any address" "$(ask 203.0.113.53 good.example)" "NOERROR 9.9.9.9"
{
	reach "internet:_an_address_without_a_name" 9.9.9.11 7000
	refuse "internet:_a_private_address" 10.9.0.1 7000
	echo "error internet:_DNS_over_TLS c=C to=9.9.9.10 port=853 want=ECONNREFUSED"
} >"$T/list"
xfer 5 <"$T/list"
pasta_stop

pasta_up --deny evil.example
: >"$LOG"
is "open: a name that a rule refuses" "$(ask 9.9.9.10 evil.example)" "NXDOMAIN"
is "open: others" "$(ask 9.9.9.10 other.example)" "NOERROR 9.9.9.10"
is "open: by the program's resolver" "$(cut -d' ' -f1-3 "$LOG")" "UDP $S other.example"
pasta_stop

pasta_up --allow 9.9.9.10:53
is "without names, port 53 is one as any other" "$(ask 9.9.9.10 other.example)" "NOERROR 9.9.9.10"
like "without names, another resolver is refused" "$(ask 9.9.9.9 other.example tcp)" "ConnectionRefusedError"
pasta_stop

# ---- No resolver, or one on the host's loopback
resolv ""
pasta_up --allow good.test.example:7000
is "no resolver: SERVFAIL" "$(ask $S good.test.example)" "SERVFAIL"
is "no resolver: a name that no rule allows" "$(ask $S evil.example tcp)" "NXDOMAIN"
pasta_stop

resolv "nameserver 127.0.0.53"
python3 "$SYS/dns_tool.py" serve "$LOG" 127.0.0.53 >"$T/local" 2>&1 &
disown
wait_for 20 grep -q ready "$T/local"
pasta_up --allow '*.test.example:7000'
is "a resolver on the host's loopback" "$(ask 198.51.100.1 good.test.example)" "NOERROR 9.9.9.9"
like "the same by TCP" "$(ask 198.51.100.1 big.test.example tcp)" "^NOERROR 201 records True"
is "the same at another address" "$(ask 203.0.113.53 good.test.example)" "NOERROR 9.9.9.9"
xfer 5 < <(reach its_answer 9.9.9.9 7000)
pasta_stop

# The same resolver where the loopback interface inside leads to the host's: by TCP, to which UDP refers
if [ "$LINK" = tap ]; then
	pasta_up --deny evil.example -T 53 -U 53
	is "by -U: to be asked by TCP" "$(ask 127.0.0.53 evil.example)" "NOERROR TC"
	is "by -T: a name that a rule denies" "$(ask 127.0.0.53 evil.example tcp)" "NXDOMAIN"
	is "by -T: another one" "$(ask 127.0.0.53 good.test.example tcp)" "NOERROR 9.9.9.9"
	pasta_stop
fi

done_testing
