#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# server names: what is allowed by a name only gets through under that name, by TLS and HTTP
. "${0%/*}/lib.sh"

topology
for a in 9.9.9.9/32 2620:fe::9/128; do
	R ip addr add $a dev lo
done
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=example -days 30 -keyout "$T/key.pem" \
	-out "$T/crt.pem" 2>"$T/openssl.log" || fail "a certificate" "$(cat "$T/openssl.log")"
cat "$T/key.pem" "$T/crt.pem" >"$T/cert.pem"
R python3 "$SYS/hello.py" serve "$T" >"$T/serve.log" 2>&1 & serve=$!
wait_for 20 test -e "$T/up"
resolv "nameserver 198.51.100.10"

ask()	{ C python3 "$SYS/hello.py" ask "$@" 2>&1; }
get()	{ C curl -gsk -m 20 --noproxy '*' "$@" 2>&1; echo $?; }
# Lines of the server's so far, and none before; a connection that was reset has one, too
seen()
{
	wait_for 20 eval "[ \$(wc -l <'$T/got') -ge $1 ]"
	cat "$T/got"
	: >"$T/got"
}
# resets NAME COMMAND... : curl's status is that of a connection that was reset, before or behind its first bytes
resets() { like "$1" "$("${@:2}")" '^(35|52|56)$'; }
look()	{ C getent "$1" "$2" | sed -n '1s/ .*//p'; }

# recorded TIMES END: so many lines of the flow log end like that
recorded() { wait_for 20 eval "[ \$(grep -cF '$2' '$T/flows') = $1 ]" || { cat "$T/flows"; return 1; }; }

pasta_up --allow 'tcp/a.example' --allow 'tcp/*.sub.example:443' --flow-log "$T/flows"
is "before the guest has asked for the name, its address is refused" "$(ask 9.9.9.9 443 x)" reset
is "no answer for a name that no rule allows" "$(look ahosts b.example)" ""
is "the name has an address" "$(look ahostsv4 a.example)" 9.9.9.9
is "and one of IPv6" "$(look ahostsv6 a.example)" 2620:fe::9

# ---- TLS
is "TLS: the name" "$(get https://a.example/)" "hello
0"
is "TLS: in other case, with a dot" "$(get https://A.Example./)" "hello
0"
is "TLS: IPv6, port 8443" "$(get -6 https://a.example:8443/)" "hello
0"
is "TLS: the servers saw that" "$(seen 3)" "443 a.example
443 a.example
8443 a.example"
resets "TLS: another name at that address" get --resolve b.example:443:9.9.9.9 https://b.example/
resets "TLS: the same by IPv6" get --resolve 'b.example:443:[2620:fe::9]' https://b.example/
resets "TLS: a name that a rule allows, without an answer" \
	get --resolve x.sub.example:443:9.9.9.9 https://x.sub.example/
resets "TLS: no name" get https://9.9.9.9/
unlike "TLS: no name, by openssl" \
	"$(C openssl s_client -connect 9.9.9.9:443 -noservername </dev/null 2>&1)" "BEGIN CERT"
like "TLS: the name, by openssl" \
	"$(C openssl s_client -connect 9.9.9.9:443 -servername a.example </dev/null 2>&1)" "BEGIN CERT"
resets "plain text on TLS' port" get -H 'Host: a.example' http://9.9.9.9:443/
is "a server that speaks first, there" "$(ask 9.9.9.9 443 'SSH-2.0-x\r\n')" reset
is "nothing of these connections has got there" "$(seen 8 | sort | uniq -c | sed 's/^ *//')" "1 443 a.example
7 443 nothing"
ok "recorded: names that are allowed" recorded 4 '"sni":"a.example","rule":"tcp/a.example"}'
ok "recorded: another name" recorded 2 '"sni":"b.example","rule":"egress locked","reason":"server name is not allowed"}'
ok "recorded: none" recorded 2 '"rule":"egress locked","reason":"no server name"}'
ok "recorded: no TLS" recorded 2 '"rule":"egress locked","reason":"not TLS"}'
ok "recorded: none of their bytes" recorded 7 '"port":443,"from_guest":0,"to_guest":0,'
look ahosts x.sub.example >"$T/out"
is "TLS: a name below one, once it was asked for" "$(get https://x.sub.example/)" "hello
0"
seen 1 >"$T/out"

# ---- HTTP
is "HTTP: the name" "$(get http://a.example/)" "hello
0"
is "HTTP: port 8080" "$(get http://a.example:8080/)" "hello
0"
GET='GET / HTTP/1.1\r\nHost: a.example\r\n'
is "HTTP: byte by byte" "$(ask 9.9.9.9 80 -b "$GET\r\n")" "HTTP/1.1 200 fine"
is "HTTP: the servers saw that" "$(seen 3)" "80 GET / HTTP/1.1
8080 GET / HTTP/1.1
80 GET / HTTP/1.1"
resets "HTTP: another name at that address" get --resolve b.example:80:9.9.9.9 http://b.example/
resets "HTTP: an address" get http://9.9.9.9/
is "HTTP: two Host lines" "$(ask 9.9.9.9 80 "${GET}Host: b.example\r\n\r\n")" reset
is "HTTP: absolute form of another name" \
	"$(ask 9.9.9.9 80 'GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n')" reset
is "HTTP: a field that goes on" "$(ask 9.9.9.9 80 "$GET\tx: y\r\n\r\n")" reset
is "HTTP/2 without TLS" "$(ask 9.9.9.9 8080 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')" reset
is "HTTP: the end before the header's" "$(ask 9.9.9.9 80 "$GET" -e)" reset
is "HTTP: more than 10 s" "$(ask 9.9.9.9 80 G -s 15 'ET / HTTP/1.1\r\nHost: a.example\r\n\r\n')" reset
is "nothing of these connections has got there" "$(seen 8 | sort | uniq -c | sed 's/^ *//')" "7 80 nothing
1 8080 nothing"

# ---- Other ports
is "another port: the server speaks first" "$(ask 9.9.9.9 22 'x\r\n')" "220 first"
is "another port: HTTP of any name" \
	"$(ask 9.9.9.9 8000 'GET / HTTP/1.1\r\nHost: b.example\r\n\r\n')" "HTTP/1.1 200 fine"
seen 2 >"$T/out"
ok "all that was held is gone" wait_for 20 no_flows
pasta_stop

# ---- An address that a rule allows is not read
pasta_up --allow tcp/9.9.9.9:443,80 --allow tcp/a.example
is "by address: another name" "$(get --resolve b.example:443:9.9.9.9 https://b.example/)" "hello
0"
is "by address: HTTP without a name" "$(ask 9.9.9.9 80 'GET / HTTP/1.0\r\n\r\n')" "HTTP/1.1 200 fine"
seen 2 >"$T/out"
pasta_stop

# ---- One name is denied, all else is open
pasta_up --deny b.example
is "deny: no answer for it" "$(look ahosts b.example)" ""
resets "deny: its name at an address" get --resolve b.example:443:9.9.9.9 https://b.example/
resets "deny: its name in HTTP" get --resolve b.example:80:9.9.9.9 http://b.example/
is "deny: neither has got there" "$(seen 2 | sort)" "443 nothing
80 nothing"
is "deny: another name" "$(get https://a.example/)" "hello
0"
is "deny: no name" "$(get https://9.9.9.9/)" "hello
0"
pasta_stop
kill $serve

done_testing
