# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# follow.bash - what cases share in which the host's network changes: a second network, connections that are held, states of C
. "${0%/*}/lib.sh"

topology
# A second network beside ext: 203.0.113.2, 2001:db8:2::2; router .1 and ::1, remote host .10 and ::10
ip link add wlan type veth peer name wlan netns "$RPID"
R ip addr add 203.0.113.10/24 dev wlan
R ip addr add 203.0.113.1/24 dev wlan
R ip addr add 2001:db8:2::10/64 dev wlan nodad
R ip addr add 2001:db8:2::1/64 dev wlan nodad preferred_lft 0
R ip link set wlan up
ip link set wlan up
R python3 "$SYS/follow.py" serve 7 >"$T/serve.R" 2>&1 &
disown
python3 "$SYS/follow.py" serve 8 >"$T/serve.H" 2>&1 &
disown
wait_for 20 grep -q ready "$T/serve.R"
wait_for 20 grep -q ready "$T/serve.H"

nets()		# none: neither network
{
	ip addr flush dev ext scope global
	ip addr flush dev wlan scope global
	ip route flush default
	ip -6 route flush default
}
ext()
{
	ip link set ext up
	ip addr add 198.51.100.2/24 dev ext
	ip addr add 2001:db8:1::2/64 dev ext nodad
	ip route replace default via 198.51.100.1
	ip -6 route replace default via 2001:db8:1::1
}
wlan()
{
	ip addr add 203.0.113.2/24 dev wlan
	ip addr add 2001:db8:2::2/64 dev wlan nodad
	ip route replace default via 203.0.113.1
	ip -6 route replace default via 2001:db8:2::1
} 2>/dev/null

again()		# INTERFACE...: made again
{
	local i
	for i; do
		R ip link del "$i"
		ip link add "$i" type veth peer name "$i" netns "$RPID"
	done
}
R_ext()		# addresses of R
{
	R ip addr add 198.51.100.10/24 dev ext
	R ip addr add 198.51.100.1/24 dev ext
	R ip addr add 2001:db8:1::10/64 dev ext nodad
	R ip addr add 2001:db8:1::1/64 dev ext nodad preferred_lft 0
	R ip link set ext up
}
# flap TIMES SECONDS SECONDS: H's address is gone so long, and back so long
flap()
{
	local i
	for ((i = 0; i < $1; i++)); do
		ip addr del 198.51.100.2/24 dev ext
		read -rt "$2" <> <(:)
		ip addr add 198.51.100.2/24 dev ext
		ip route replace default via 198.51.100.1
		read -rt "$3" <> <(:)
	done
}
# An /etc of this case alone, and its resolv.conf, replaced by others: servers ADDRESS...
etc()
{
	mkdir "$T/etc"
	cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/alternatives "$T/etc/" 2>/dev/null
	chmod 755 "$T/etc"
	mount --bind "$T/etc" /etc
}
servers()	{ printf 'nameserver %s\n' "$@" >/etc/resolv.conf.new && mv /etc/resolv.conf.new /etc/resolv.conf; }
# names ENV PORT [PREFIX]: resolvers there
names()
{
	"$1" python3 "$SYS/follow.py" names "${@:2}" >"$T/names.$1.$2" 2>&1 &
	disown
	wait_for 20 grep -q ready "$T/names.$1.$2"
}

C_addr()	{ C ip "${1:--o}" -o addr show dev "${DEV:-ext}" scope global | awk '{ print $4 }' | sort | xargs; }
C_via()
{
	{ C ip route show default; C ip -6 route show default; } | sed -n 's/.* via \([^ ]*\) .*/\1/p' | xargs
}
C_is()		{ [ "$(C_addr) via $(C_via)" = "$1" ]; }
IN_EXT="198.51.100.2/24 2001:db8:1::2/64 via 198.51.100.1 2001:db8:1::1"
IN_WLAN="2001:db8:2::2/64 203.0.113.2/24 via 203.0.113.1 2001:db8:2::1"
# follows NAME STATE
follows()	{ ok "$1" wait_for 20 C_is "$2" || diag "$(C_addr) via $(C_via)
$(tail -n 5 "$PASTA_LOG")"; }

# hold N ADDRESS PORT: a connection from C, or with IN=env from H; held N: a byte there and back; its output so far is in $T/hold.N
hold()
{
	rm -f "$T/hold.$1"			# of one before
	mkfifo "$T/hold.$1.in"
	${IN:-C} python3 "$SYS/follow.py" hold "$2" "$3" <"$T/hold.$1.in" >"$T/hold.$1" 2>&1 &
	disown
	eval "exec {hold$1}>'$T/hold.$1.in'"
	wait_for 10 grep -q connected "$T/hold.$1"
}
held()
{
	local n fd="hold$1"
	n=$(grep -c ok "$T/hold.$1")
	echo >&"${!fd}"
	until_ "${2:-20}" more_oks "$1" "$n"
}
more_oks()	{ [ "$(grep -c ok "$T/hold.$1")" -gt "$2" ]; }
ends()		{ grep -qE "Reset|closed" "$T/hold.$1"; }
lives()		{ ! ends "$1"; }
unhold()	{ local fd="hold$1"; eval "exec ${!fd}>&-"; rm "$T/hold.$1.in"; }
traffic()	{ C timeout 5 python3 "$SYS/follow.py" hold "$1" 7 <<<"" | grep -q ok; }
changes()	{ grep -c "Host network:" "$PASTA_LOG"; }
# udp_hold N ADDRESS PORT: datagrams from one socket of C; held N, as above
udp_hold()
{
	rm -f "$T/hold.$1"			# of one before
	mkfifo "$T/hold.$1.in"
	${IN:-C} python3 "$SYS/follow.py" udp "$2" "$3" <"$T/hold.$1.in" >"$T/hold.$1" 2>&1 &
	disown
	eval "exec {hold$1}>'$T/hold.$1.in'"
	wait_for 10 grep -q ready "$T/hold.$1"
}
others()	{ pgrep -x 'passt-names|pasta-setter' | xargs; }	# processes beside the main one
# ticks: CPU time of all of them, 10 ms each
ticks()
{
	local p n=0
	for p in "$PASTAPID" $(others); do
		n=$((n + $(awk '{ print $14 + $15 }' "/proc/$p/stat")))
	done
	echo $n
}
